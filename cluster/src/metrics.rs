//! The metrics of this crate, for whichever recorder the process has; without one they cost nothing.
//!
//! A metric has no label that names a tenant or a session: there is no bound to how many of those there are.

use metrics::Unit;

pub use warren_storage::metrics::{LOG_BYTES, LOG_ENTRIES, LOG_FAILURES, LOG_SYNC, STORE, STORE_FAILURES};

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
