//! What durable state rests on. Nothing here knows what a session is.
//!
//! Read in this order. A [`disk`] is the few file operations everything rests on; a [`wal`] is a log on it whose appends
//! share their syncs; a [`store`] keeps objects under conditional writes, in memory or on a disk here, in a bucket or in Redis
//! in the crate `warren-stores`.
#![forbid(unsafe_code)]

pub mod disk;
pub mod wal;

pub mod store;

pub mod metrics;
