//! Who did what: a log for each tenant that only grows, each record chained by hash to the one before.
//!
//! ```text
//! record ─▶ waiting ─ flush: once a second, or at once for what must not be lost ─▶ numbered, chained ─▶ one object
//!                                                                                      written again until it is full
//! _audit/{tenant}/{number of the first record}      lines of JSON, as they are exported
//! ```
//! A record's hash is the SHA-256 of its line without the member `hash`, which is the last; `prev`, the last but one, is
//! the hash of the record before. Whoever has the lines can verify them with nothing but these two sentences. A record
//! that is taken out, put in or changed breaks the chain; the newest can only be missed by whoever remembers a hash.
//!
//! Records that wait are bounded: who finds the queue full writes it down first. The oldest objects go when they are too
//! old or too many; the chain then begins with the first record that is kept.

use crate::envelope::{EnvelopeError, Kind};
use crate::store::{Flush, Key, PutError, Store, StoreError, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use warren_kernel::host::{Host, Timestamp};
use warren_session::id::TenantId;

mod verify;

pub use verify::{Broken, Verified, verify};

/// Records of a tenant that wait to be written, at most.
const WAITING_MAX: usize = 4096;
/// Bytes of an object from which on the next begins.
const OBJECT_BYTES: usize = 128 * 1024;
/// Records of refusals that a client can repeat without end, for a tenant in [`REPEATED_WITHIN`], at most; further ones
/// are counted in the next that is written.
const REPEATED_MAX: u32 = 60;
/// See [`REPEATED_MAX`].
const REPEATED_WITHIN: Duration = Duration::from_secs(60);
/// Bytes of the longest text of a record.
const TEXT_MAX: usize = 256;
/// Records given out at once, at most.
pub const PAGE_MAX: usize = 1000;
const OBJECT: Kind = Kind { magic: *b"WRNL", version: 1, name: "part of an audit log", bytes_max: 32 << 20 };

/// How long records are kept.
#[derive(Clone, Copy, Debug)]
pub struct AuditOptions {
    /// Age above which a record goes.
    pub keep: Duration,
    /// Bytes of one tenant above which its oldest records go.
    pub bytes_max: u64,
}

/// Something that was done, or refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// When the request came.
    pub time: Timestamp,
    /// The request's id.
    pub request: String,
    /// The key it was made with.
    pub key: Option<String>,
    /// It was made with a token of that key.
    pub token: bool,
    /// Where it came from.
    pub address: String,
    /// The verb.
    pub method: String,
    /// The route, as the table has it.
    pub route: String,
    /// What the route's variables stood for, and what was made.
    pub targets: BTreeMap<String, String>,
    /// The answer's status.
    pub status: u16,
    /// The answer's code, of a refusal.
    pub code: Option<String>,
}

/// A record, as a line of the log. The hash comes last, the hash of the one before in front of it.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: String,
    request: &'a str,
    key: Option<&'a str>,
    token: bool,
    address: &'a str,
    method: &'a str,
    route: &'a str,
    targets: &'a BTreeMap<String, String>,
    status: u16,
    code: Option<&'a str>,
    /// Records before this one that were left out because there were too many alike.
    skipped: u64,
    prev: &'a str,
}

/// The audit logs of a node. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    host: Arc<dyn Host>,
    options: AuditOptions,
    logs: Mutex<HashMap<TenantId, Arc<Log>>>,
}

/// One tenant's.
#[derive(Default)]
struct Log {
    waiting: Mutex<Waiting>,
    /// Whoever writes.
    end: tokio::sync::Mutex<End>,
}

#[derive(Default)]
struct Waiting {
    deeds: VecDeque<(Deed, u64)>,
    /// How many there ever were in the queue.
    given: u64,
    repeated: Option<(Timestamp, u32)>,
    skipped: u64,
}

/// Where a log ends.
#[derive(Default)]
struct End {
    /// `None` until it was read, and after a write nobody knows the outcome of.
    known: Option<Known>,
    /// How many of the queue are written.
    written: u64,
    /// The last hash of a write nobody knows the outcome of, and how many records were in it.
    tried: Option<(String, u64)>,
}

#[derive(Clone)]
struct Known {
    seq: u64,
    hash: String,
    /// The object that is written next, if it is there already.
    open: Option<(Key, Version, Vec<String>, usize)>,
}

/// Lines of one object.
#[derive(Serialize, Deserialize)]
struct Object {
    lines: Vec<String>,
}

/// Why a log cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept cannot be read.
    #[error("{key} of the audit log cannot be read: {reason}")]
    Damaged {
        /// Which object.
        key: Key,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process writes to the same log.
    #[error("somebody else writes to the audit log")]
    Contended,
}

impl Audit {
    /// The logs in `store`.
    pub fn new(store: Arc<dyn Store>, host: Arc<dyn Host>, options: AuditOptions) -> Audit {
        Audit { inner: Arc::new(Inner { store, host, options, logs: Mutex::default() }) }
    }

    /// Takes a record on, to be written by the next [`Audit::flush`]; whether the queue is full now, and has to be written
    /// first. One that is `repeated` may be left out, and is counted then.
    pub fn record(&self, tenant: &TenantId, deed: Deed, repeated: bool) -> bool {
        let log = self.inner.log(tenant);
        let mut waiting = lock(&log.waiting);
        if (repeated && waiting.is_too_much(deed.time)) || waiting.deeds.len() >= 2 * WAITING_MAX {
            waiting.skipped += 1;
            return false;
        }
        let skipped = std::mem::take(&mut waiting.skipped);
        waiting.deeds.push_back((deed, skipped));
        waiting.given += 1;
        waiting.deeds.len() >= WAITING_MAX
    }

    /// Writes everything of a tenant that was taken on before.
    ///
    /// # Errors
    /// Those of the store; what was not written is tried again.
    pub async fn flush(&self, tenant: &TenantId) -> Result<(), AuditError> {
        let log = self.inner.log(tenant);
        let upto = lock(&log.waiting).given;
        // To its end even if whoever asked for it goes away.
        let (inner, tenant) = (self.inner.clone(), tenant.clone());
        let written = tokio::spawn(async move {
            let mut end = log.end.lock().await;
            while end.written < upto {
                inner.write(&tenant, &log, &mut end).await?;
            }
            Ok(())
        });
        written.await.map_err(|_| StoreError::Unavailable { reason: "the server stops".to_owned() })?
    }

    /// Writes everything that was taken on before, of all tenants. To be called once a second.
    ///
    /// # Errors
    /// The first of them; the others are written all the same.
    pub async fn flush_all(&self) -> Result<(), AuditError> {
        let tenants: Vec<TenantId> = {
            let logs = lock(&self.inner.logs);
            logs.iter()
                .filter(|(_, log)| !lock(&log.waiting).deeds.is_empty())
                .map(|(tenant, _)| tenant.clone())
                .collect()
        };
        let mut outcome = Ok(());
        for tenant in tenants {
            outcome = outcome.and(self.flush(&tenant).await);
        }
        outcome
    }

    /// Records after number `after`, oldest first, as lines; at most `limit`, and whether there may be more.
    ///
    /// # Errors
    /// Those of the store; `Damaged`.
    pub async fn read(&self, tenant: &TenantId, after: u64, limit: usize) -> Result<(Vec<String>, bool), AuditError> {
        let limit = limit.clamp(1, PAGE_MAX);
        let keys = self.inner.keys(tenant).await?;
        let firsts: Vec<u64> = keys.iter().map(|(first, ..)| *first).collect();
        let begin = firsts.partition_point(|first| *first <= after.saturating_add(1)).saturating_sub(1);
        let mut found = Vec::new();
        for (first, key, ..) in &keys[begin.min(keys.len())..] {
            // One that was collected meanwhile is no longer kept.
            let Some((object, _)) = self.inner.object(key).await? else { continue };
            let skip = usize::try_from(after.saturating_add(1).saturating_sub(*first)).unwrap_or(usize::MAX);
            found.extend(object.lines.into_iter().skip(skip));
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    /// Deletes what is too old or too much of a tenant. How many objects went.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prune(&self, tenant: &TenantId) -> Result<usize, AuditError> {
        let mut keys = self.inner.keys(tenant).await?;
        // The last is being written.
        keys.pop();
        let mut bytes: u64 = keys.iter().map(|(_, _, bytes, _)| bytes).sum();
        let now = self.inner.host.realtime();
        let mut gone = 0;
        for (_, key, size, modified) in keys {
            let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
            let age = u128::try_from(now.0).unwrap_or(0).saturating_sub(since);
            if bytes <= self.inner.options.bytes_max && age <= self.inner.options.keep.as_nanos() {
                break;
            }
            self.inner.store.delete(&key).await?;
            bytes -= size;
            gone += 1;
        }
        Ok(gone)
    }
}

impl Waiting {
    /// Whether there were as many as there may be in this minute.
    fn is_too_much(&mut self, now: Timestamp) -> bool {
        let within = i64::try_from(REPEATED_WITHIN.as_nanos()).unwrap_or(i64::MAX);
        let (since, count) =
            self.repeated.filter(|(since, _)| now.0.saturating_sub(since.0) < within).unwrap_or((now, 0));
        self.repeated = Some((since, count.saturating_add(1)));
        count >= REPEATED_MAX
    }
}

impl Inner {
    fn log(&self, tenant: &TenantId) -> Arc<Log> {
        let mut logs = lock(&self.logs);
        if let Some(log) = logs.get(tenant) {
            return log.clone();
        }
        logs.entry(tenant.clone()).or_default().clone()
    }

    /// Writes what waits, at most an object of it.
    async fn write(&self, tenant: &TenantId, log: &Log, end: &mut End) -> Result<(), AuditError> {
        let known = match end.known.take() {
            Some(known) => known,
            None => self.find_end(tenant).await?,
        };
        if let Some((hash, count)) = end.tried.take()
            && hash == known.hash
        {
            // The write before was made, whatever was said of it.
            lock(&log.waiting).deeds.drain(..count as usize);
            end.written += count;
            end.known = Some(known);
            return Ok(());
        }
        let Known { mut seq, mut hash, open } = known.clone();
        let (key, version, mut lines, mut bytes) = match open {
            Some((key, version, lines, bytes)) => (key, Some(version), lines, bytes),
            None => (place(tenant, seq + 1), None, Vec::new(), 0),
        };
        let mut count = 0;
        for (deed, skipped) in &lock(&log.waiting).deeds {
            if bytes >= OBJECT_BYTES {
                break;
            }
            seq += 1;
            let line = line(deed, seq, *skipped, &hash);
            hash = verify::hash_of(&line);
            let line = verify::with_hash(line, &hash);
            bytes += line.len();
            lines.push(line);
            count += 1;
        }
        if count == 0 {
            end.known = Some(known);
            return Ok(());
        }
        let object = Object { lines };
        let sealed = Bytes::from(OBJECT.encode(&object));
        let put = match &version {
            Some(version) => self.store.put_if_match(&key, sealed, version, Flush::Now).await,
            None => self.store.put_if_absent(&key, sealed, Flush::Now).await,
        };
        let version = match put {
            Ok(version) => version,
            Err(error) => {
                end.tried = Some((hash, count));
                return Err(match error {
                    PutError::Store(error) => error.into(),
                    PutError::Conflict | PutError::Missing => AuditError::Contended,
                });
            }
        };
        lock(&log.waiting).deeds.drain(..count as usize);
        end.written += count;
        let open = (bytes < OBJECT_BYTES).then_some((key, version, object.lines, bytes));
        end.known = Some(Known { seq, hash, open });
        Ok(())
    }

    /// Reads where a log ends.
    async fn find_end(&self, tenant: &TenantId) -> Result<Known, AuditError> {
        let Some((first, key, ..)) = self.keys(tenant).await?.pop() else {
            return Ok(Known { seq: 0, hash: verify::FIRST.to_owned(), open: None });
        };
        let damaged = |reason: &str| AuditError::Damaged { key: key.clone(), reason: reason.to_owned() };
        let (object, version) = self.object(&key).await?.ok_or_else(|| damaged("it is gone"))?;
        let last = object.lines.last().ok_or_else(|| damaged("it is empty"))?;
        let hash = verify::split(last).ok_or_else(|| damaged("its last record has no hash"))?.1.to_owned();
        let seq = first + object.lines.len() as u64 - 1;
        let bytes = object.lines.iter().map(String::len).sum();
        let open = (bytes < OBJECT_BYTES).then_some((key, version, object.lines, bytes));
        Ok(Known { seq, hash, open })
    }

    async fn object(&self, key: &Key) -> Result<Option<(Object, Version)>, AuditError> {
        let Some(found) = self.store.get(key).await? else { return Ok(None) };
        let read = OBJECT.decode(&found.bytes);
        let damaged = |error: EnvelopeError| AuditError::Damaged { key: key.clone(), reason: error.to_string() };
        Ok(Some((read.map_err(damaged)?, found.version)))
    }

    /// The objects of a log in order: number of the first record, key, bytes, when it was last written.
    async fn keys(&self, tenant: &TenantId) -> Result<Vec<(u64, Key, u64, SystemTime)>, AuditError> {
        let prefix = prefix(tenant);
        let (mut keys, mut after): (Vec<_>, Option<Key>) = (Vec::new(), None);
        loop {
            let page = self.store.list(&prefix, after.as_ref(), crate::store::PAGE_ENTRIES_MAX).await?;
            after = page.entries.last().map(|entry| entry.key.clone());
            keys.extend(page.entries.into_iter().filter_map(|entry| {
                let first = entry.key.as_str().strip_prefix(&prefix)?.parse().ok()?;
                Some((first, entry.key, entry.bytes, entry.modified))
            }));
            if !page.more || after.is_none() {
                return Ok(keys);
            }
        }
    }
}

fn prefix(tenant: &TenantId) -> String {
    format!("_audit/{tenant}/")
}

fn place(tenant: &TenantId, first: u64) -> Key {
    Key::new(&format!("{}{first:020}", prefix(tenant))).expect("a tenant and a number are segments of a key")
}

/// The line of a record, without its hash.
fn line(deed: &Deed, seq: u64, skipped: u64, prev: &str) -> String {
    let since = Duration::from_nanos(u64::try_from(deed.time.0).unwrap_or(0));
    let targets: BTreeMap<String, String> =
        deed.targets.iter().map(|(name, value)| (name.clone(), cut(value).to_owned())).collect();
    let line = Line {
        seq,
        time: humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string(),
        request: cut(&deed.request),
        key: deed.key.as_deref().map(cut),
        token: deed.token,
        address: cut(&deed.address),
        method: cut(&deed.method),
        route: cut(&deed.route),
        targets: &targets,
        status: deed.status,
        code: deed.code.as_deref().map(cut),
        skipped,
        prev,
    };
    serde_json::to_string(&line).expect("text and numbers always have a JSON form")
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Nothing panics while one of these is held, and what they guard is whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}

#[cfg(test)]
mod tests;
