//! The durable form of a session: what is kept of it, where, and how it comes back.
//!
//! ```text
//! Folder ─▶ Keeper ─┬▶ journal: wal ───────────────┐
//!                   ├▶ records, events ─▶ store ───┴▶ disk
//!                   └▶ files: snapshot ─▶ store
//! ```
//! Read in this order. A [`disk`] is the few file operations everything rests on; a [`wal`] is a log on it whose appends
//! share their syncs; a [`store`] keeps objects under conditional writes; [`snapshot`] keeps trees of files in it; a
//! [`record`] is the one object of a session that changes; the [`keeper`] puts them together as what sessions need.
//! Beside the sessions, a [`registry`] of tenants and keys lies in the same store, with the [`audit`] log of each tenant and
//! the [`usage`] that it is charged for.
#![forbid(unsafe_code)]

pub use warren_storage::{disk, store, wal};

pub mod keys;
pub mod snapshot;

pub mod envelope;
pub mod record;
mod seal;

pub mod folder;
pub mod keeper;

pub mod registry;

pub mod audit;
pub mod metrics;
pub mod usage;
