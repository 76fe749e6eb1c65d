//! The durable form of a session: what is kept of it, where, and how it comes back.
#![forbid(unsafe_code)]
pub mod disk;
pub mod keys;
pub mod snapshot;
pub mod store;
pub mod wal;
