//! Objects in a Redis: for small clusters without a bucket.
//!
//! The conditions hold as in any store, on one server: each write is one script. **What is weaker is what is kept.** Redis copies
//! to its replicas afterwards: one that takes over may lack the last writes, and then a record has its old version again, and two
//! owners may each think they wrote the next. With `appendfsync always`, [`RedisStoreOptions::replicas`] of one or more and
//! `min-replicas-to-write`, a write that was acknowledged is on as many machines; which of them is promoted, nobody promises.
//! Versions are random, so that a version is never used for two writes even so. A Redis that evicts keys must not be used.
use super::connection::{Redis, Trouble};
use crate::random;
use crate::retry::{Budget, Limits, Tries};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use redis::{Script, ScriptInvocation, Value, cmd};
use std::fmt::Write as _;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use warren_storage::store::{
    Entry, Flush, Key, OBJECT_BYTES_MAX, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version,
};

/// Bytes that are read at a time.
const PIECE_BYTES: u64 = 4 << 20;
/// Bytes of a version.
const VERSION_BYTES: usize = 32;

/// How a store in a Redis behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedisStoreOptions {
    /// Bytes of all objects together, at most; beyond, writes answer `NoSpace`. Default 1 GiB.
    pub bytes_max: u64,
    /// Replicas that have a write before it is acknowledged. Default 0.
    pub replicas: u32,
    /// How long to wait for them. Default 1 s.
    pub replicas_in: Duration,
    /// How long things may take.
    pub limits: Limits,
}

impl Default for RedisStoreOptions {
    fn default() -> RedisStoreOptions {
        RedisStoreOptions {
            bytes_max: 1 << 30,
            replicas: 0,
            replicas_in: Duration::from_secs(1),
            limits: Limits { attempt: Duration::from_secs(2), deadline: Duration::from_secs(8), bytes_per_s: 16 << 20 },
        }
    }
}

/// The store.
#[derive(Debug)]
pub struct RedisStore {
    redis: Redis,
    options: RedisStoreOptions,
    budget: Budget,
    put: Script,
    get: Script,
    delete: Script,
    list: Script,
}

impl RedisStore {
    /// A store in a Redis, which is connected to at the first request.
    pub fn new(redis: Redis, options: RedisStoreOptions) -> RedisStore {
        RedisStore {
            redis,
            options,
            budget: Budget::default(),
            put: Script::new(include_str!("scripts/put.lua")),
            get: Script::new(include_str!("scripts/get.lua")),
            delete: Script::new(include_str!("scripts/delete.lua")),
            list: Script::new(include_str!("scripts/list.lua")),
        }
    }

    fn object(&self, key: &str) -> String {
        self.redis.key(&format!("o:{key}"))
    }

    fn unavailable(doing: &str, key: &str, said: &str) -> StoreError {
        StoreError::Unavailable { reason: format!("cannot {doing} {key:?} in the Redis: {said}") }
    }

    /// Runs a script until it answers. The second: whether an earlier try may have been done.
    async fn ask(
        &self,
        doing: &str,
        key: &str,
        bytes: usize,
        script: &ScriptInvocation<'_>,
    ) -> Result<(Value, bool), StoreError> {
        let mut tries = Tries::new(&self.budget, self.options.limits.with_bytes(bytes));
        let mut doubt = false;
        loop {
            let trouble = match self.redis.run(script, tries.attempt()).await {
                Ok(value) => {
                    tries.succeeded();
                    return Ok((value, doubt));
                }
                Err(trouble) => trouble,
            };
            let silent = matches!(trouble, Trouble::Doubt(_));
            doubt |= silent;
            match trouble {
                Trouble::Full if !doubt => return Err(StoreError::NoSpace),
                Trouble::Full | Trouble::Hopeless(_) => {
                    return Err(RedisStore::unavailable(doing, key, &told(&trouble, doubt)));
                }
                Trouble::Refused(_) | Trouble::Doubt(_) => {}
            }
            if let Err(over) = tries.pause(silent).await {
                let said = format!("{}; tried {} times, and {over}", told(&trouble, doubt), tries.failed());
                return Err(RedisStore::unavailable(doing, key, &said));
            }
        }
    }

    async fn write(&self, key: &Key, bytes: &Bytes, there: &str) -> Result<Version, PutError> {
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(StoreError::TooLarge { key: key.clone(), bytes: bytes.len() }.into());
        }
        let version = new_version();
        let mut script = self.put.key(self.object(key.as_str()));
        script.key(self.redis.key("names")).key(self.redis.key("bytes"));
        script.arg(there).arg(&version).arg(key.as_str()).arg(self.options.bytes_max).arg(bytes.as_ref());
        // A try of this write that was done answers `done` again, unless somebody wrote since.
        let (answer, doubt) = self.ask("write", key.as_str(), bytes.len(), &script).await?;
        settle("write", key, &answer, doubt)?;
        self.replicated("write", key).await?;
        Ok(Version::new(version))
    }

    async fn remove(&self, key: &Key, there: &str) -> Result<(), PutError> {
        let mut script = self.delete.key(self.object(key.as_str()));
        script.key(self.redis.key("names")).key(self.redis.key("bytes")).arg(there).arg(key.as_str());
        let (answer, doubt) = self.ask("delete", key.as_str(), 0, &script).await?;
        settle("delete", key, &answer, doubt)?;
        self.replicated("delete", key).await?;
        Ok(())
    }

    /// Waits until enough replicas have what was written.
    async fn replicated(&self, doing: &str, key: &Key) -> Result<(), StoreError> {
        if self.options.replicas == 0 {
            return Ok(());
        }
        let limit = self.options.replicas_in;
        let mut wait = cmd("WAIT");
        wait.arg(self.options.replicas).arg(limit.as_millis() as u64);
        let said = match self.redis.command(&wait, limit + self.redis.answer_in()).await {
            Ok(Value::Int(have)) if have >= i64::from(self.options.replicas) => return Ok(()),
            Ok(Value::Int(have)) => format!("{have} of {} replicas have it", self.options.replicas),
            Ok(other) => format!("WAIT answered {other:?}"),
            Err(trouble) => trouble.to_string(),
        };
        Err(RedisStore::unavailable(doing, key.as_str(), &format!("{said}; it was done and may be lost")))
    }

    /// In pieces, so that a long object holds up nobody else for long; all of them of one version.
    async fn read(&self, key: &Key, range: Range<u64>) -> Result<Option<Object>, StoreError> {
        let end = range.end.min(OBJECT_BYTES_MAX as u64);
        loop {
            let Some((version, length, piece)) = self.piece(key, range.start, end).await? else { return Ok(None) };
            let end = end.min(length);
            if range.start + piece.len() as u64 >= end {
                return Ok(Some(Object { bytes: piece, version }));
            }
            let mut whole = Vec::with_capacity((end - range.start) as usize);
            whole.extend_from_slice(&piece);
            while range.start + (whole.len() as u64) < end {
                match self.piece(key, range.start + whole.len() as u64, end).await? {
                    Some((same, _, piece)) if same == version && !piece.is_empty() => whole.extend_from_slice(&piece),
                    // It was written meanwhile.
                    _ => break,
                }
            }
            if range.start + whole.len() as u64 == end {
                return Ok(Some(Object { bytes: whole.into(), version }));
            }
        }
    }

    /// The version and the length of an object, and its bytes from `start` up to `end`, but a piece's at most.
    async fn piece(&self, key: &Key, start: u64, end: u64) -> Result<Option<(Version, u64, Bytes)>, StoreError> {
        let end = end.min(start.saturating_add(PIECE_BYTES));
        // The last byte is included; a range of none ends before it begins.
        let (first, last) = if start < end { (start, end - 1) } else { (1, 0) };
        let mut script = self.get.key(self.object(key.as_str()));
        script.arg(first).arg(last);
        let (value, _) = self.ask("read", key.as_str(), (end - start.min(end)) as usize, &script).await?;
        let Value::Array(all) = value else { return Ok(None) };
        match <[Value; 3]>::try_from(all) {
            Ok([Value::BulkString(version), Value::Int(length), Value::BulkString(bytes)])
                if version.len() == VERSION_BYTES =>
            {
                let version = Version::new(String::from_utf8_lossy(&version));
                Ok(Some((version, u64::try_from(length).unwrap_or(0), bytes.into())))
            }
            _ => Err(StoreError::Corrupt { key: key.clone(), reason: "it has no version".to_owned() }),
        }
    }

    async fn page(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => format!("({after}"),
            _ if prefix.is_empty() => "-".to_owned(),
            _ => format!("[{prefix}"),
        };
        // No key has a byte above `~`.
        let to = if prefix.is_empty() { "+".to_owned() } else { format!("({prefix}\u{7f}") };
        let mut script = self.list.key(self.redis.key("names"));
        script.arg(from).arg(to).arg(limit + 1).arg(self.redis.key("o:"));
        let (value, _) = self.ask("list", prefix, 0, &script).await?;
        let Value::Array(flat) = value else { return Err(RedisStore::unavailable("list", prefix, "no list came")) };
        let mut entries: Vec<Entry> = flat.chunks_exact(3).filter_map(entry).collect();
        let more = flat.len() / 3 > limit;
        entries.truncate(limit);
        Ok(Page { entries, more })
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        self.read(key, 0..u64::MAX).boxed()
    }

    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        async move { Ok(self.read(key, range).await?.map(|object| object.bytes)) }.boxed()
    }

    /// As durable as the Redis is set up to be, whatever `flush` says.
    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        async move { self.write(key, &bytes, "").await }.boxed()
    }

    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        async move { self.write(key, &bytes, known(version)).await }.boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            match self.remove(key, "").await {
                Ok(()) => Ok(()),
                Err(PutError::Store(error)) => Err(error),
                Err(other) => Err(RedisStore::unavailable("delete", key.as_str(), &other.to_string())),
            }
        }
        .boxed()
    }

    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        async move { self.remove(key, known(version)).await }.boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.page(prefix, after, limit.clamp(1, PAGE_ENTRIES_MAX)).boxed()
    }
}

fn told(trouble: &Trouble, doubt: bool) -> String {
    match trouble {
        Trouble::Refused(said) | Trouble::Hopeless(said) if doubt => {
            format!("{said}; whether it was done before is not known: read before writing again")
        }
        other => other.to_string(),
    }
}

/// What a script that writes said.
fn settle(doing: &str, key: &Key, answer: &Value, doubt: bool) -> Result<(), PutError> {
    let said = match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) => text.clone(),
        other => format!("{other:?}"),
    };
    match said.as_str() {
        "done" => Ok(()),
        "full" => Err(StoreError::NoSpace.into()),
        // An earlier try may be why.
        "conflict" | "missing" if doubt => {
            let why = "another write is there now; whether this one was done before it is not known";
            Err(RedisStore::unavailable(doing, key.as_str(), why).into())
        }
        "conflict" => Err(PutError::Conflict),
        "missing" => Err(PutError::Missing),
        other => Err(RedisStore::unavailable(doing, key.as_str(), other).into()),
    }
}

fn new_version() -> String {
    random::bytes::<16>().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A version as a script compares it; one that cannot be is compared as one that is never there.
fn known(version: &Version) -> &str {
    if version.as_str().len() == VERSION_BYTES { version.as_str() } else { "-" }
}

fn entry(of: &[Value]) -> Option<Entry> {
    let [Value::BulkString(name), Value::Int(bytes), Value::BulkString(millis)] = of else { return None };
    let millis = std::str::from_utf8(millis).ok()?.parse().ok()?;
    Some(Entry {
        key: Key::new(std::str::from_utf8(name).ok()?).ok()?,
        bytes: u64::try_from(*bytes).ok()?,
        modified: millis_after_epoch(millis),
    })
}

fn millis_after_epoch(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}
