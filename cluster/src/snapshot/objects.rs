//! What snapshots need of a store: immutable objects by key, read in ranges.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use warren_kernel::host::Timestamp;

/// A place objects are kept.
pub trait Objects: Send + Sync + 'static {
    /// The object of this key.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>>;

    /// Bytes of an object; fewer when it ends before the range does.
    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>>;

    /// Makes an object unless there is one; `false` when there is. Durable no later than what names it in the same store.
    fn put_if_absent<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<bool, ObjectError>>;

    /// Removes an object, or nothing.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>>;

    /// Objects whose keys begin with `prefix`, those after `after`, in order of key, at most `limit`.
    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Listed>, ObjectError>>;
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Bytes in it.
    pub bytes: u64,
    /// When it was made.
    pub modified: Timestamp,
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It may work later.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
    /// It is full, or may not be written.
    #[error("the store takes no more: {0}")]
    NoSpace(String),
    /// What it holds is not what was put there.
    #[error("the store holds {key} damaged: {reason}")]
    Corrupt {
        /// The object.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Objects in memory: for tests, and for nodes that keep nothing.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<String, (Bytes, Timestamp)>>,
    now: Mutex<Timestamp>,
}

impl MemoryObjects {
    /// Dates what is put from now on.
    pub fn set_time(&self, now: Timestamp) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// What is stored, to look at and to damage.
    pub fn with<T>(&self, look: impl FnOnce(&mut BTreeMap<String, (Bytes, Timestamp)>) -> T) -> T {
        look(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Objects for MemoryObjects {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        Box::pin(async move { Ok(self.with(|objects| objects.get(key).map(|(bytes, _)| bytes.clone()))) })
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        Box::pin(async move {
            let whole = self.with(|objects| objects.get(key).map(|(bytes, _)| bytes.clone()));
            Ok(whole.map(|bytes| {
                let end = range.end.min(bytes.len() as u64);
                bytes.slice(range.start.min(end) as usize..end as usize)
            }))
        })
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<bool, ObjectError>> {
        Box::pin(async move {
            let now = *self.now.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(self.with(|objects| {
                let absent = !objects.contains_key(key);
                if absent {
                    objects.insert(key.to_owned(), (bytes, now));
                }
                absent
            }))
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        Box::pin(async move {
            self.with(|objects| objects.remove(key));
            Ok(())
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Listed>, ObjectError>> {
        Box::pin(async move {
            Ok(self.with(|objects| {
                objects
                    .range(prefix.to_owned()..)
                    .take_while(|(key, _)| key.starts_with(prefix))
                    .filter(|(key, _)| after.is_none_or(|after| key.as_str() > after))
                    .take(limit)
                    .map(|(key, (bytes, modified))| Listed {
                        key: key.clone(),
                        bytes: bytes.len() as u64,
                        modified: *modified,
                    })
                    .collect()
            }))
        })
    }
}
