//! The metrics of this crate, for whichever recorder the process has; without one they cost nothing.
//!
//! A metric has no label that names a tenant or a session: there is no bound to how many of those there are.

use metrics::Unit;

/// Entries given to the log of sessions or of the store, and written.
pub const LOG_ENTRIES: &str = "warren_log_entries_total";
/// Their bytes, frames included.
pub const LOG_BYTES: &str = "warren_log_written_bytes_total";
/// How long one fdatasync took, for all who waited for it.
pub const LOG_SYNC: &str = "warren_log_sync_duration_seconds";
/// Writes and syncs of a log that failed.
pub const LOG_FAILURES: &str = "warren_log_failures_total";
/// How long what is asked of the store took, by `operation`: `get`, `put`, `delete`, `list`, `flush`.
pub const STORE: &str = "warren_store_operation_duration_seconds";
/// What the store was asked for and did not do, by `operation`; a condition that was not met is no failure.
pub const STORE_FAILURES: &str = "warren_store_failures_total";
/// How long it took to make a snapshot.
pub const SNAPSHOT: &str = "warren_snapshot_duration_seconds";
/// Snapshots that could not be made.
pub const SNAPSHOT_FAILURES: &str = "warren_snapshot_failures_total";

/// Every counter, with its unit and what it counts.
pub const COUNTERS: &[(&str, Unit, &str)] = &[
    (LOG_ENTRIES, Unit::Count, "Entries written to the logs of sessions and of the store"),
    (LOG_BYTES, Unit::Bytes, "Bytes written to them"),
    (LOG_FAILURES, Unit::Count, "Writes and syncs of a log that failed"),
    (STORE_FAILURES, Unit::Count, "Operations of the store that failed, by operation"),
    (SNAPSHOT_FAILURES, Unit::Count, "Snapshots that could not be made"),
];

/// Every histogram.
pub const HISTOGRAMS: &[(&str, Unit, &str)] = &[
    (LOG_SYNC, Unit::Seconds, "Time of one fdatasync of a log"),
    (STORE, Unit::Seconds, "Time of an operation of the store, by operation"),
    (SNAPSHOT, Unit::Seconds, "Time to make a snapshot of a session's files"),
];
