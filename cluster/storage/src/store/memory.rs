//! A store that keeps nothing when its process ends.
use super::{
    Condition, Entry, Flush, Key, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version, check_length,
    within,
};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Mutex, MutexGuard};
use std::time::SystemTime;

/// Objects in memory, bounded in bytes.
#[derive(Debug)]
pub struct MemoryStore {
    held: Mutex<Held>,
    bytes_max: u64,
}

#[derive(Debug, Default)]
struct Held {
    objects: BTreeMap<Key, (u64, Bytes, SystemTime)>,
    bytes: u64,
    last: u64,
}

impl Default for MemoryStore {
    fn default() -> MemoryStore {
        MemoryStore::with_bytes_max(u64::MAX)
    }
}

impl MemoryStore {
    /// A store that takes objects of this many bytes together; beyond, writes answer `NoSpace`.
    pub fn with_bytes_max(bytes_max: u64) -> MemoryStore {
        MemoryStore { held: Mutex::default(), bytes_max }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nobody panics holding a memory store")
    }

    fn put(&self, key: &Key, bytes: Bytes, condition: Condition<'_>) -> Result<Version, PutError> {
        check_length(key, &bytes)?;
        let mut held = self.lock();
        let current = held.objects.get(key);
        condition.allows(current.map(|(version, ..)| *version))?;
        let after = held.bytes - current.map_or(0, |(_, bytes, _)| bytes.len() as u64) + bytes.len() as u64;
        if after > self.bytes_max {
            return Err(StoreError::NoSpace.into());
        }
        held.bytes = after;
        held.last += 1;
        let version = held.last;
        held.objects.insert(key.clone(), (version, bytes, SystemTime::now()));
        Ok(Version::numbered(version))
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        let held = self.lock();
        let found = held.objects.get(key);
        let object =
            found.map(|(version, bytes, _)| Object { bytes: bytes.clone(), version: Version::numbered(*version) });
        ready(Ok(object)).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }

    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        let held = self.lock();
        let part = held.objects.get(key).map(|(_, bytes, _)| {
            let part = within(&range, bytes.len() as u64);
            bytes.slice(part.start as usize..part.end as usize)
        });
        ready(Ok(part)).boxed()
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        async move { self.put(key, bytes, Condition::Absent) }.boxed()
    }

    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        async move { self.put(key, bytes, Condition::Match(version)) }.boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let mut held = self.lock();
            if let Some((_, bytes, _)) = held.objects.remove(key) {
                held.bytes -= bytes.len() as u64;
            }
            Ok(())
        }
        .boxed()
    }

    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        async move {
            let mut held = self.lock();
            Condition::Match(version).allows(held.objects.get(key).map(|(version, ..)| *version))?;
            if let Some((_, bytes, _)) = held.objects.remove(key) {
                held.bytes -= bytes.len() as u64;
            }
            Ok(())
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        let held = self.lock();
        let range = held.objects.range::<str, _>((from, Bound::Unbounded));
        let mut found = range.take_while(|(key, _)| key.as_str().starts_with(prefix));
        let entries = found.by_ref().take(limit).map(|(key, (_, bytes, modified))| Entry {
            key: key.clone(),
            bytes: bytes.len() as u64,
            modified: *modified,
        });
        let entries = entries.collect();
        let page = Page { entries, more: found.next().is_some() };
        ready(Ok(page)).boxed()
    }
}
