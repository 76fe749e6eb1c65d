//! Objects in a Redis: for small clusters without a bucket.
//!
//! The conditions hold as in any store, on one server: each write is one script. **What is weaker is what is kept.** Redis copies
//! to its replicas afterwards: one that takes over may lack the last writes, and then a record has its old version again, and two
//! owners may each think they wrote the next. With `appendfsync always`, [`RedisStoreOptions::replicas`] of one or more and
//! `min-replicas-to-write`, a write that was acknowledged is on as many machines; which of them is promoted, nobody promises.
//! Versions are random, so that a version is never used for two writes even so. A Redis that evicts keys is not used: the first
//! call looks at its `maxmemory_policy`.
use super::connection::{Call, Copies, Redis, Trouble};
use crate::random;
use crate::retry::{Budget, Limits, Tries};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use redis::{Script, Value};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use warren_storage::store::{
    Entry, Flush, Key, OBJECT_BYTES_MAX, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version,
};

/// Bytes that are read at a time.
const PIECE_BYTES: u64 = 4 << 20;
/// Bytes of a version.
const VERSION_BYTES: usize = 32;

const PUT: &str = include_str!("scripts/put.lua");
const GET: &str = include_str!("scripts/get.lua");
const DELETE: &str = include_str!("scripts/delete.lua");
const LIST: &str = include_str!("scripts/list.lua");
const POLICY: &str = include_str!("scripts/policy.lua");

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
    /// It keeps what it has.
    keeps: AtomicBool,
    put: Script,
    get: Script,
    delete: Script,
    list: Script,
    policy: Script,
}

/// A call of the store: when it began, and how many bytes it is given time for.
#[derive(Clone, Copy)]
struct Timed {
    begun: Instant,
    bytes: usize,
}

impl Timed {
    fn now(bytes: usize) -> Timed {
        Timed { begun: Instant::now(), bytes }
    }
}

/// What a script answered.
struct Answer {
    value: Value,
    /// An earlier try may have been done.
    doubt: bool,
    /// Whether replicas have what was written, if that was asked.
    copied: Result<(), String>,
}

impl RedisStore {
    /// A store in a Redis, which is connected to at the first request.
    pub fn new(redis: Redis, options: RedisStoreOptions) -> RedisStore {
        RedisStore {
            redis,
            options,
            budget: Budget::default(),
            keeps: AtomicBool::new(false),
            put: Script::new(PUT),
            get: Script::new(GET),
            delete: Script::new(DELETE),
            list: Script::new(LIST),
            policy: Script::new(POLICY),
        }
    }

    fn object(&self, key: &str) -> String {
        self.redis.key(&format!("o:{key}"))
    }

    fn unavailable(doing: &str, key: &str, said: &str) -> StoreError {
        StoreError::Unavailable { reason: format!("cannot {doing} {key:?} in the Redis: {said}") }
    }

    /// Looks once whether the Redis evicts keys.
    async fn check(&self, doing: &str, key: &str, timed: Timed) -> Result<(), StoreError> {
        if self.keeps.load(Ordering::Relaxed) {
            return Ok(());
        }
        let call = Call { script: &self.policy, source: POLICY, keys: vec![self.redis.key("names")], args: vec![] };
        let policy = match self.tried(doing, key, timed, &call, None).await?.value {
            Value::BulkString(policy) => String::from_utf8_lossy(&policy).into_owned(),
            _ => String::new(),
        };
        if policy != "noeviction" {
            let said = format!("its maxmemory-policy is {policy:?}, so it may drop objects: set it to noeviction");
            return Err(RedisStore::unavailable(doing, key, &said));
        }
        self.keeps.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Runs a script until it answers.
    async fn ask(
        &self,
        doing: &str,
        key: &str,
        timed: Timed,
        call: &Call<'_>,
        copies: Option<Copies>,
    ) -> Result<Answer, StoreError> {
        self.check(doing, key, timed).await?;
        self.tried(doing, key, timed, call, copies).await
    }

    async fn tried(
        &self,
        doing: &str,
        key: &str,
        timed: Timed,
        call: &Call<'_>,
        copies: Option<Copies>,
    ) -> Result<Answer, StoreError> {
        let mut tries = Tries::since(timed.begun, &self.budget, self.options.limits.with_bytes(timed.bytes));
        let mut doubt = false;
        loop {
            let limit = tries.attempt();
            let done = match copies {
                None => self.redis.call(call, limit).await.map(|value| (value, Ok(()))),
                Some(copies) => self.redis.call_and_wait(call, copies, limit).await,
            };
            let trouble = match done {
                Ok((value, copied)) => {
                    tries.succeeded();
                    return Ok(Answer { value, doubt, copied });
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
        let version = random::hex::<16>();
        let most = self.options.bytes_max.to_string();
        let args = vec![there.as_bytes(), version.as_bytes(), key.as_str().as_bytes(), most.as_bytes(), bytes.as_ref()];
        // A try of this write that was done answers `done` again, unless somebody wrote since.
        self.change("write", key, bytes.len(), &self.put, PUT, args).await?;
        Ok(Version::new(version))
    }

    async fn remove(&self, key: &Key, there: &str) -> Result<(), PutError> {
        self.change("delete", key, 0, &self.delete, DELETE, vec![there.as_bytes(), key.as_str().as_bytes()]).await
    }

    async fn change(
        &self,
        doing: &str,
        key: &Key,
        bytes: usize,
        script: &Script,
        source: &'static str,
        args: Vec<&[u8]>,
    ) -> Result<(), PutError> {
        let keys = vec![self.object(key.as_str()), self.redis.key("names"), self.redis.key("bytes")];
        let call = Call { script, source, keys, args };
        let RedisStoreOptions { replicas, replicas_in, .. } = self.options;
        let copies = (replicas > 0).then_some(Copies { many: replicas, within: replicas_in });
        let answer = self.ask(doing, key.as_str(), Timed::now(bytes), &call, copies).await?;
        settle(doing, key, &answer.value, answer.doubt)?;
        answer.copied.map_err(|said| {
            RedisStore::unavailable(doing, key.as_str(), &format!("{said}; it was done and may be lost")).into()
        })
    }

    /// In pieces, so that a long object holds up nobody else for long; all of them of one version, within the time of one call.
    async fn read(&self, key: &Key, range: Range<u64>) -> Result<Option<Object>, StoreError> {
        let end = range.end.min(OBJECT_BYTES_MAX as u64);
        let mut timed = Timed::now(end.saturating_sub(range.start).min(PIECE_BYTES) as usize);
        loop {
            let Some((version, length, piece)) = self.piece(key, timed, range.start, end).await? else {
                return Ok(None);
            };
            let end = end.min(length);
            if range.start + piece.len() as u64 >= end {
                return Ok(Some(Object { bytes: piece, version }));
            }
            timed.bytes = timed.bytes.max((end - range.start) as usize);
            let mut whole = Vec::with_capacity((end - range.start) as usize);
            whole.extend_from_slice(&piece);
            while range.start + (whole.len() as u64) < end {
                match self.piece(key, timed, range.start + whole.len() as u64, end).await? {
                    Some((same, _, piece)) if same == version && !piece.is_empty() => whole.extend_from_slice(&piece),
                    // It was written meanwhile.
                    _ => break,
                }
            }
            if range.start + whole.len() as u64 == end {
                return Ok(Some(Object { bytes: whole.into(), version }));
            }
            if self.options.limits.with_bytes(timed.bytes).deadline <= timed.begun.elapsed() {
                let said = "others write it faster than it is read; its time is over";
                return Err(RedisStore::unavailable("read", key.as_str(), said));
            }
        }
    }

    /// The version and the length of an object, and its bytes from `start` up to `end`, but a piece's at most.
    async fn piece(
        &self,
        key: &Key,
        timed: Timed,
        start: u64,
        end: u64,
    ) -> Result<Option<(Version, u64, Bytes)>, StoreError> {
        let end = end.min(start.saturating_add(PIECE_BYTES));
        // The last byte is included; a range of none ends before it begins.
        let (first, last) = if start < end { (start, end - 1) } else { (1, 0) };
        let (first, last) = (first.to_string(), last.to_string());
        let args = vec![first.as_bytes(), last.as_bytes()];
        let call = Call { script: &self.get, source: GET, keys: vec![self.object(key.as_str())], args };
        piece_of(key, self.ask("read", key.as_str(), timed, &call, None).await?.value)
    }

    async fn page(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => format!("({after}"),
            _ if prefix.is_empty() => "-".to_owned(),
            _ => format!("[{prefix}"),
        };
        // No key has a byte above `~`.
        let to = if prefix.is_empty() { "+".to_owned() } else { format!("({prefix}\u{7f}") };
        let (many, objects) = ((limit + 1).to_string(), self.redis.key("o:"));
        let args = vec![from.as_bytes(), to.as_bytes(), many.as_bytes(), objects.as_bytes()];
        let call = Call { script: &self.list, source: LIST, keys: vec![self.redis.key("names")], args };
        let Value::Array(flat) = self.ask("list", prefix, Timed::now(0), &call, None).await?.value else {
            return Err(RedisStore::unavailable("list", prefix, "no list came"));
        };
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
        _ => "the answer is none to a write".to_owned(),
    };
    match said.as_str() {
        "done" => Ok(()),
        "full" if !doubt => Err(StoreError::NoSpace.into()),
        "full" => {
            let why = "it is full; whether an earlier try was done is not known: read it before writing again";
            Err(RedisStore::unavailable(doing, key.as_str(), why).into())
        }
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

/// A version, a length and bytes, as a script tells them; nothing only if it says so.
fn piece_of(key: &Key, value: Value) -> Result<Option<(Version, u64, Bytes)>, StoreError> {
    let all = match value {
        Value::Nil => return Ok(None),
        Value::Array(all) => all,
        _ => return Err(RedisStore::unavailable("read", key.as_str(), "the answer is none to a read")),
    };
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::{piece_of, settle};
    use redis::Value;
    use warren_storage::store::{Key, PutError, StoreError};

    #[test]
    fn only_what_says_that_nothing_is_there_says_so() {
        let key = Key::new("a").unwrap();
        assert_eq!(piece_of(&key, Value::Nil), Ok(None));
        for odd in [Value::Okay, Value::Int(0), Value::Boolean(false), Value::BulkString(Vec::new())] {
            assert!(matches!(piece_of(&key, odd), Err(StoreError::Unavailable { .. })));
        }
        assert!(matches!(piece_of(&key, Value::Array(Vec::new())), Err(StoreError::Corrupt { .. })));
    }

    #[test]
    fn after_a_try_without_an_answer_no_refusal_says_that_nothing_was_written() {
        let key = Key::new("a").unwrap();
        let said = |answer: &str, doubt| settle("write", &key, &Value::BulkString(answer.into()), doubt);
        for answer in ["full", "conflict", "missing"] {
            let told = said(answer, true).unwrap_err();
            assert!(matches!(told, PutError::Store(StoreError::Unavailable { .. })), "{answer}: {told}");
        }
        assert_eq!(said("full", false), Err(PutError::Store(StoreError::NoSpace)));
        assert_eq!(said("done", true), Ok(()));
    }
}
