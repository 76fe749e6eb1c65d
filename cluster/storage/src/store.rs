//! Objects under keys, with conditional writes: where everything durable of a session ends up.
//!
//! ```text
//! Store ── MemoryStore   nothing is kept; for tests and for sessions that are never to be
//!       ── DiskStore     a folder of this machine
//!       ── Metered       another one, measured and traced
//! ```
//!
//! The semantics are those of S3: a write is seen by every read and list that begins after it was acknowledged; a write can
//! demand that the key is free, or that it holds a certain version. Versions are opaque and never used again for a key, so a
//! conditional write that succeeds was not overtaken by anything. A reader never sees a write that may yet be undone.
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::fmt;
use std::ops::Range;
use std::time::SystemTime;

mod disk;
mod key;
mod memory;
mod metered;

pub use disk::{DiskStore, DiskStoreOptions, OpenError};
pub use key::{KEY_BYTES_MAX, Key, KeyError, SEGMENT_BYTES_MAX};
pub use memory::MemoryStore;
pub use metered::Metered;

/// Bytes of the largest object.
pub const OBJECT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries of the longest page of a list. Who asks for more gets this many, and is told that there are more.
pub const PAGE_ENTRIES_MAX: usize = 1000;

/// A place for objects.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// An object with its version; `None` when there is none.
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>>;

    /// Bytes of an object from `range.start` up to `range.end` or its end, whichever comes first; none of an existing object
    /// when the range begins behind its end or is empty.
    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>>;

    /// Writes an object under a key that has none.
    ///
    /// # Errors
    /// `Conflict` when there is one.
    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>>;

    /// Replaces an object that has this version.
    ///
    /// # Errors
    /// `Conflict` when it has another, `Missing` when there is none.
    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>>;

    /// Resolves when every write that was acknowledged before is durable.
    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Removes an object, durably. A key without one is a success.
    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Removes an object that has this version, durably.
    ///
    /// # Errors
    /// `Conflict` when it has another, `Missing` when there is none.
    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>>;

    /// The keys that begin with `prefix` and come after `after`, in the order of their bytes, up to `limit` (at least one,
    /// at most [`PAGE_ENTRIES_MAX`]). A prefix may end anywhere, also within a segment.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;
}

/// What a store holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The bytes that were put.
    pub bytes: Bytes,
    /// Which write they are from.
    pub version: Version,
}

/// Names one write of one key: S3's entity tag. Opaque.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

impl Version {
    /// A version as it was written down elsewhere.
    pub fn new(text: impl Into<Box<str>>) -> Version {
        Version(text.into())
    }

    /// Its text, to be written down elsewhere.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The version of the stores that number their writes.
    fn numbered(number: u64) -> Version {
        Version(format!("{number:016x}").into())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How soon a write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// When it is acknowledged.
    Now,
    /// Seconds later, and never later than a write with [`Flush::Now`] that begins after it was acknowledged. When it is
    /// acknowledged it is visible and survives the death of this process.
    Soon,
}

/// Part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys' bytes.
    pub entries: Vec<Entry>,
    /// Whether there may be more after the last. A page may have fewer entries than asked for and more after it.
    pub more: bool,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was put.
    pub modified: SystemTime,
}

/// Why a store did not do what it was asked to. Names keys, never folders of the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It may work later. A write that fails so may have happened: read before writing again.
    #[error("the store is not available: {reason}")]
    Unavailable {
        /// What was tried and what the system said.
        reason: String,
    },
    /// Nothing was written.
    #[error("the store is full; free some space and try again")]
    NoSpace,
    /// Nothing was written. Reads are served.
    #[error("the store is read-only")]
    ReadOnly,
    /// What is kept is not what was put.
    #[error("object {key} is damaged: {reason}; restore it from a copy, or delete it")]
    Corrupt {
        /// The object's key.
        key: Key,
        /// What does not fit.
        reason: String,
    },
    /// The object is longer than [`OBJECT_BYTES_MAX`].
    #[error("object {key} has {bytes} bytes, and a store takes {OBJECT_BYTES_MAX}")]
    TooLarge {
        /// The object's key.
        key: Key,
        /// Its length.
        bytes: usize,
    },
}

/// Why an object was not put.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// There is an object, or one of another version (S3's 412).
    #[error("the object was written by somebody else meanwhile")]
    Conflict,
    /// There is no object to replace (S3's 404).
    #[error("there is no object to replace")]
    Missing,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a write demands of what is there.
#[derive(Clone, Copy, Debug)]
enum Condition<'a> {
    Absent,
    Match(&'a Version),
    /// Whatever is there.
    Any,
}

impl Condition<'_> {
    /// Judges the number of the version that is there.
    fn allows(self, current: Option<u64>) -> Result<(), PutError> {
        match (self, current) {
            (Condition::Any, _) | (Condition::Absent, None) => Ok(()),
            (Condition::Absent, Some(_)) => Err(PutError::Conflict),
            (Condition::Match(_), None) => Err(PutError::Missing),
            (Condition::Match(wanted), Some(current)) if *wanted == Version::numbered(current) => Ok(()),
            (Condition::Match(_), Some(_)) => Err(PutError::Conflict),
        }
    }
}

fn check_length(key: &Key, bytes: &Bytes) -> Result<(), StoreError> {
    if bytes.len() > OBJECT_BYTES_MAX {
        return Err(StoreError::TooLarge { key: key.clone(), bytes: bytes.len() });
    }
    Ok(())
}

/// The part of a range that lies within an object of this length.
fn within(range: &Range<u64>, length: u64) -> Range<u64> {
    let start = range.start.min(length);
    start..range.end.clamp(start, length)
}
