//! The names of what is measured here. What they count and in which unit, the crate above says with its own.

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
