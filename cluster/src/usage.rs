//! What tenants used, by the hour and the session: what a bill is made of.
//!
//! ```text
//! Meter, requests, storage ─▶ fresh, in memory ─ flush, twice a minute ─▶ added to the object of the hour ─▶ rows
//! _usage/{tenant}/{hours since 1970}
//! ```
//! What was used is durable half a minute later, and at once when the server is stopped: a server that dies loses at most
//! that. A part is added once: an object remembers the last part that was added to it, so that a write nobody knows the
//! outcome of is not made twice.

use crate::envelope::{EnvelopeError, Kind};
use crate::store::{Flush, Key, PAGE_ENTRIES_MAX, PutError, Store, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use warren_kernel::host::{Host, Timestamp};
use warren_session::id::{SessionId, TenantId};
use warren_session::meter::{Meter, Used};

/// How often what was used is written.
pub const FLUSH_EVERY: Duration = Duration::from_secs(30);
/// Sessions that have a row of their own in an hour, at most; the others share that of no session.
const ROWS_MAX: usize = 10_000;
/// Hours that are read at once, at most: a quarter of a year.
pub const HOURS_MAX: u64 = 24 * 92;
/// Others that change the same object at the same time, before this one gives up.
const TRIES: usize = 4;
const HOUR: Kind = Kind { magic: *b"WRNU", version: 1, name: "an hour's usage", bytes_max: 4 << 20 };

/// An hour, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hour(pub u64);

/// What was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Amounts {
    /// Nanoseconds of processor time of guests.
    pub cpu_ns: u64,
    /// Bytes of guests' memory times milliseconds.
    pub memory_byte_ms: u64,
    /// Bytes in the store times seconds.
    pub stored_byte_s: u64,
    /// Requests that were let in.
    pub requests: u64,
    /// Events of sessions' logs.
    pub events: u64,
    /// Bytes that sessions sent to the outside.
    pub egress_bytes: u64,
    /// Bytes that they received from there.
    pub ingress_bytes: u64,
}

/// What one session, or none, used in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub hour: Hour,
    /// By which session; `None` is what belongs to no single one.
    pub session: Option<SessionId>,
    /// How much.
    pub amounts: Amounts,
}

/// What the tenants of a node used. Cheap to clone.
#[derive(Clone)]
pub struct Usage {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    host: Arc<dyn Host>,
    /// Names the parts of this process.
    incarnation: u64,
    parts: AtomicU64,
    fresh: Mutex<HashMap<TenantId, BTreeMap<Hour, Fresh>>>,
    turn: tokio::sync::Mutex<()>,
}

/// What is not in the store yet, of one hour.
#[derive(Clone, Default)]
struct Fresh {
    rows: Rows,
    /// A part that may have been added already.
    tried: Option<(Part, Rows)>,
}

type Rows = HashMap<Option<SessionId>, Amounts>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    incarnation: u64,
    number: u64,
}

/// An hour in the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    last: Part,
    rows: Vec<(Option<SessionId>, Amounts)>,
}

/// Why usage cannot be read or written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UsageError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is kept cannot be read.
    #[error("{key} cannot be read: {error}")]
    Damaged {
        /// Which object.
        key: Key,
        /// What is wrong with it.
        error: EnvelopeError,
    },
    /// Somebody else writes the same.
    #[error("somebody else writes the same usage")]
    Contended,
}

impl Hour {
    /// The hour of a time.
    pub fn of(time: Timestamp) -> Hour {
        Hour(u64::try_from(time.0).unwrap_or(0) / 3_600_000_000_000)
    }

    /// Its first moment.
    pub fn begins(self) -> Timestamp {
        Timestamp(i64::try_from(self.0.saturating_mul(3_600_000_000_000)).unwrap_or(i64::MAX))
    }
}

impl Amounts {
    /// Adds others.
    pub fn add(&mut self, other: Amounts) {
        for (to, from) in [
            (&mut self.cpu_ns, other.cpu_ns),
            (&mut self.memory_byte_ms, other.memory_byte_ms),
            (&mut self.stored_byte_s, other.stored_byte_s),
            (&mut self.requests, other.requests),
            (&mut self.events, other.events),
            (&mut self.egress_bytes, other.egress_bytes),
            (&mut self.ingress_bytes, other.ingress_bytes),
        ] {
            *to = to.saturating_add(from);
        }
    }
}

impl Usage {
    /// What is kept in `store`.
    pub fn new(store: Arc<dyn Store>, host: Arc<dyn Host>) -> Usage {
        let mut random = [0; 8];
        host.fill_random(&mut random);
        let incarnation = u64::from_le_bytes(random);
        let (parts, fresh, turn) = (AtomicU64::new(1), Mutex::default(), tokio::sync::Mutex::default());
        Usage { inner: Arc::new(Inner { store, host, incarnation, parts, fresh, turn }) }
    }

    /// Something was used now.
    pub fn add(&self, tenant: &TenantId, session: Option<SessionId>, amounts: Amounts) {
        let hour = Hour::of(self.inner.host.realtime());
        let mut fresh = lock(&self.inner.fresh);
        let hours = match fresh.get_mut(tenant) {
            Some(hours) => hours,
            None => fresh.entry(tenant.clone()).or_default(),
        };
        hours.entry(hour).or_default().add(session, amounts);
    }

    /// A request was let in.
    pub fn request(&self, tenant: &TenantId, session: Option<SessionId>) {
        self.add(tenant, session, Amounts { requests: 1, ..Amounts::default() });
    }

    /// Writes what is fresh. To be called each [`FLUSH_EVERY`], and when the server stops.
    ///
    /// # Errors
    /// The first of the store's; what was not written is tried again.
    pub async fn flush(&self) -> Result<(), UsageError> {
        let tenants: Vec<TenantId> = lock(&self.inner.fresh).keys().cloned().collect();
        let mut outcome = Ok(());
        for tenant in tenants {
            outcome = outcome.and(self.flush_tenant(&tenant).await);
        }
        outcome
    }

    /// Writes what is fresh of one tenant.
    ///
    /// # Errors
    /// As [`Usage::flush`].
    pub async fn flush_tenant(&self, tenant: &TenantId) -> Result<(), UsageError> {
        let (inner, tenant) = (self.inner.clone(), tenant.clone());
        // To its end even if whoever asked for it goes away.
        let written = tokio::spawn(async move {
            let _turn = inner.turn.lock().await;
            let hours = lock(&inner.fresh).remove(&tenant).unwrap_or_default();
            let mut outcome = Ok(());
            for (hour, mut fresh) in hours {
                if let Err(error) = inner.write(&tenant, hour, &mut fresh).await {
                    inner.put_back(&tenant, hour, fresh);
                    outcome = outcome.and(Err(error));
                }
            }
            outcome
        });
        written.await.map_err(|_| StoreError::Unavailable { reason: "the server stops".to_owned() })?
    }

    /// What a tenant used from an hour up to another, not included; at most [`HOURS_MAX`] of them.
    ///
    /// # Errors
    /// Those of the store; `Damaged`.
    pub async fn rows(&self, tenant: &TenantId, from: Hour, to: Hour) -> Result<Vec<Row>, UsageError> {
        self.flush_tenant(tenant).await?;
        let to = to.0.min(from.0.saturating_add(HOURS_MAX));
        let mut rows = Vec::new();
        for key in self.inner.hours(tenant, from).await? {
            let Some(hour) = hour_of(tenant, &key).filter(|hour| hour.0 < to) else { break };
            let Some((kept, _)) = self.inner.kept(&key).await? else { continue };
            rows.extend(kept.rows.into_iter().map(|(session, amounts)| Row { hour, session, amounts }));
        }
        Ok(rows)
    }

    /// Forgets the hours of a tenant before this one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prune(&self, tenant: &TenantId, before: Hour) -> Result<usize, UsageError> {
        let mut gone = 0;
        for key in self.inner.hours(tenant, Hour(0)).await? {
            if hour_of(tenant, &key).is_none_or(|hour| hour >= before) {
                break;
            }
            self.inner.store.delete(&key).await?;
            gone += 1;
        }
        Ok(gone)
    }
}

impl Meter for Usage {
    fn used(&self, tenant: &TenantId, session: SessionId, used: Used) {
        let amounts = Amounts {
            cpu_ns: u64::try_from(used.cpu.as_nanos()).unwrap_or(u64::MAX),
            memory_byte_ms: u64::try_from(used.memory_byte_ns / 1_000_000).unwrap_or(u64::MAX),
            events: used.events,
            egress_bytes: used.egress_bytes,
            ingress_bytes: used.ingress_bytes,
            ..Amounts::default()
        };
        self.add(tenant, Some(session), amounts);
    }
}

impl Fresh {
    fn add(&mut self, session: Option<SessionId>, amounts: Amounts) {
        let own = self.rows.len() < ROWS_MAX || self.rows.contains_key(&session);
        self.rows.entry(session.filter(|_| own)).or_default().add(amounts);
    }
}

impl Inner {
    /// Adds a part to an hour, once.
    async fn write(&self, tenant: &TenantId, hour: Hour, fresh: &mut Fresh) -> Result<(), UsageError> {
        let key = place(tenant, hour);
        for _ in 0..TRIES {
            let (mut kept, version) = match self.kept(&key).await? {
                Some((kept, version)) => (kept, Some(version)),
                None => (Kept::default(), None),
            };
            if let Some((part, rows)) = fresh.tried.take()
                && part != kept.last
            {
                rows.into_iter().for_each(|(session, amounts)| fresh.add(session, amounts));
            }
            if fresh.rows.is_empty() {
                return Ok(());
            }
            let part = Part { incarnation: self.incarnation, number: self.parts.fetch_add(1, Ordering::Relaxed) };
            kept.add(part, fresh);
            let bytes = HOUR.encode(&kept).into();
            let put = match &version {
                Some(version) => self.store.put_if_match(&key, bytes, version, Flush::Now).await,
                None => self.store.put_if_absent(&key, bytes, Flush::Now).await,
            };
            match put {
                Ok(_) => return Ok(()),
                Err(PutError::Conflict | PutError::Missing) => {}
                Err(PutError::Store(error)) => {
                    fresh.tried = Some((part, std::mem::take(&mut fresh.rows)));
                    return Err(error.into());
                }
            }
        }
        Err(UsageError::Contended)
    }

    /// What could not be written is tried again.
    fn put_back(&self, tenant: &TenantId, hour: Hour, before: Fresh) {
        let mut all = lock(&self.fresh);
        let since = all.entry(tenant.clone()).or_default().entry(hour).or_default();
        since.tried = before.tried;
        before.rows.into_iter().for_each(|(session, amounts)| since.add(session, amounts));
    }

    async fn kept(&self, key: &Key) -> Result<Option<(Kept, crate::store::Version)>, UsageError> {
        let Some(object) = self.store.get(key).await? else { return Ok(None) };
        let kept = HOUR.decode(&object.bytes).map_err(|error| UsageError::Damaged { key: key.clone(), error })?;
        Ok(Some((kept, object.version)))
    }

    /// The objects of a tenant from an hour on, in order.
    async fn hours(&self, tenant: &TenantId, from: Hour) -> Result<Vec<Key>, UsageError> {
        let prefix = prefix(tenant);
        let mut after = from.0.checked_sub(1).map(|before| place(tenant, Hour(before)));
        let mut keys = Vec::new();
        loop {
            let page = self.store.list(&prefix, after.as_ref(), PAGE_ENTRIES_MAX).await?;
            after = page.entries.last().map(|entry| entry.key.clone());
            keys.extend(page.entries.into_iter().map(|entry| entry.key));
            if !page.more || after.is_none() {
                return Ok(keys);
            }
        }
    }
}

impl Kept {
    fn add(&mut self, part: Part, fresh: &Fresh) {
        let mut rows: BTreeMap<Option<SessionId>, Amounts> = self.rows.drain(..).collect();
        for (session, amounts) in &fresh.rows {
            let own = rows.len() < ROWS_MAX || rows.contains_key(session);
            rows.entry(session.filter(|_| own)).or_default().add(*amounts);
        }
        (self.last, self.rows) = (part, rows.into_iter().collect());
    }
}

fn prefix(tenant: &TenantId) -> String {
    format!("_usage/{tenant}/")
}

fn place(tenant: &TenantId, hour: Hour) -> Key {
    Key::new(&format!("{}{:010}", prefix(tenant), hour.0)).expect("a tenant and a number are segments of a key")
}

fn hour_of(tenant: &TenantId, key: &Key) -> Option<Hour> {
    key.as_str().strip_prefix(&prefix(tenant))?.parse().ok().map(Hour)
}

/// Nothing panics while one of these is held, and what they guard is whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Usage")
    }
}

#[cfg(test)]
mod tests;
