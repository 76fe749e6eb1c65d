//! What tenants have taken of the node, counted, and the door that more goes through.
//!
//! ```text
//! create, fork, import ─▶ place of a session ─┐ kept: it counts ─── deleted: given back
//! wake                 ─▶ place awake ────────┴ dropped: given back
//! guests' memory       ─▶ Budget, in the kernel            files, inodes ─▶ measured, growth stops
//! ```
//! A place is taken before anything is done and given back when that fails, under one lock of the account: of two who
//! want the last, one gets it. How many sessions a tenant has is counted once when the node starts ([`Recount`]), beside
//! the traffic: the list is read in the order of ids, so what is made or deleted meanwhile is told apart by whether its id
//! has been passed. Until then a tenant that has a quota of sessions waits, and others do not.
//!
//! Locks: the table, then an account. None is held while anything waits.

use crate::id::{SessionId, TenantId};
use crate::quota::{Quota, QuotaError, Quotas, Terms};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use warren_egress::Pace;
use warren_kernel::budget::Budget;

/// When it is worth trying again where a place may become free any moment.
const SOON: Duration = Duration::from_secs(1);
/// When it is worth trying again where something has to be collected first.
const COLLECTED: Duration = Duration::from_secs(60);

/// The accounts of all tenants of a node.
#[derive(Debug, Default)]
pub struct Accounts {
    node: Quotas,
    accounts: Mutex<HashMap<TenantId, Arc<Account>>>,
    disk_low: AtomicBool,
}

/// One tenant's.
#[derive(Debug)]
pub struct Account {
    counts: Mutex<Counts>,
    counted: Notify,
    memory: Arc<Budget>,
    pace: Arc<Pace>,
}

#[derive(Debug)]
struct Counts {
    terms: Arc<Terms>,
    sessions: Sessions,
    awake: u64,
    /// Inodes of sessions, as they were last measured or as their records say.
    inodes: HashMap<SessionId, u64>,
    inodes_all: u64,
    stored: Stored,
    /// When events may go on, if more came than may.
    events_until: Option<Instant>,
}

/// How many sessions there are.
#[derive(Debug)]
enum Sessions {
    Known(u64),
    /// Being counted: those found up to `passed`, those made since the node started, those that were deleted before they
    /// were passed.
    Counting {
        found: u64,
        passed: Option<SessionId>,
        made: HashSet<SessionId>,
        gone: HashSet<SessionId>,
        places: u64,
    },
}

/// What a tenant has in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Bytes that are kept.
    pub bytes: u64,
    /// Bytes that wait to be collected, or are so new that nobody knows.
    pub uncollected: u64,
}

/// What a tenant has taken, to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Sessions there are; `None` while they are being counted.
    pub sessions: Option<u64>,
    /// Those awake.
    pub sessions_awake: u64,
    /// Bytes of memory of their processes.
    pub memory_bytes: u64,
    /// Files they made or changed.
    pub inodes: u64,
    /// What is in the store.
    pub stored: Stored,
}

/// A place that was taken; it is given back when this is dropped before it is kept.
#[derive(Debug)]
pub(crate) struct Place {
    account: Arc<Account>,
    /// The session it is for, from before anything of it is in the store.
    id: Option<SessionId>,
    kept: AtomicBool,
}

/// A session that is awake; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct AwakePlace(Arc<Account>);

impl Accounts {
    /// With what holds for every tenant that has no number of its own.
    pub fn new(node: Quotas) -> Accounts {
        Accounts { node, ..Accounts::default() }
    }

    /// A tenant's account.
    pub fn of(&self, tenant: &TenantId) -> Arc<Account> {
        let mut accounts = lock(&self.accounts);
        if let Some(known) = accounts.get(tenant) {
            return known.clone();
        }
        let terms = Arc::new(Terms { quotas: self.node, ..Terms::default() });
        let account = Arc::new(Account::new(terms));
        accounts.insert(tenant.clone(), account.clone());
        account
    }

    /// Says what holds for a tenant; an older state of its record than is known changes nothing.
    pub fn set_terms(&self, tenant: &TenantId, own: Terms) {
        let terms = Terms { quotas: own.quotas.or(self.node), ..own };
        self.of(tenant).set_terms(terms);
    }

    /// What the node says for every tenant.
    pub fn node(&self) -> Quotas {
        self.node
    }

    /// The node's disk has less left than it keeps in reserve, or has that again.
    pub fn set_disk_low(&self, low: bool) {
        self.disk_low.store(low, Ordering::Relaxed);
    }

    /// Whether the node's disk has less left than it keeps in reserve.
    pub fn is_disk_low(&self) -> bool {
        self.disk_low.load(Ordering::Relaxed)
    }

    /// Begins to count a tenant's sessions. Once a tenant.
    pub(crate) fn recount(&self, tenant: &TenantId) -> Recount {
        Recount { account: self.of(tenant) }
    }
}

impl Account {
    fn new(terms: Arc<Terms>) -> Account {
        let memory = Arc::new(Budget::new(terms.quotas.memory_bytes.unwrap_or(u64::MAX)));
        let pace = Arc::new(Pace::default());
        pace.set_rate(terms.quotas.egress_bytes_per_s);
        let sessions =
            Sessions::Counting { found: 0, passed: None, made: HashSet::new(), gone: HashSet::new(), places: 0 };
        let counts = Counts {
            terms,
            sessions,
            awake: 0,
            inodes: HashMap::new(),
            inodes_all: 0,
            stored: Stored::default(),
            events_until: None,
        };
        Account { counts: Mutex::new(counts), counted: Notify::new(), memory, pace }
    }

    /// What holds for the tenant.
    pub fn terms(&self) -> Arc<Terms> {
        self.counts().terms.clone()
    }

    /// What it has taken.
    pub fn taken(&self) -> Taken {
        let counts = self.counts();
        let sessions = match &counts.sessions {
            Sessions::Known(count) => Some(*count),
            Sessions::Counting { .. } => None,
        };
        Taken {
            sessions,
            sessions_awake: counts.awake,
            memory_bytes: self.memory.used(),
            inodes: counts.inodes_all,
            stored: counts.stored,
        }
    }

    /// Memory its sessions hold together.
    pub(crate) fn memory(&self) -> Arc<Budget> {
        self.memory.clone()
    }

    /// How fast bytes of its connections to the outside go.
    pub(crate) fn pace(&self) -> Arc<Pace> {
        self.pace.clone()
    }

    /// What is in the store now.
    pub fn set_stored(&self, stored: Stored) {
        self.counts().stored = stored;
    }

    fn set_terms(&self, terms: Terms) {
        let mut counts = self.counts();
        if counts.terms.revision > terms.revision {
            return;
        }
        self.memory.set_most(terms.quotas.memory_bytes.unwrap_or(u64::MAX));
        self.pace.set_rate(terms.quotas.egress_bytes_per_s);
        counts.terms = Arc::new(terms);
    }

    /// A place for one more session. Waits until the sessions there are have been counted, if that matters.
    ///
    /// # Errors
    /// The quota is reached.
    pub(crate) async fn take_session(self: &Arc<Self>) -> Result<Place, QuotaError> {
        loop {
            let counted = self.counted.notified();
            tokio::pin!(counted);
            counted.as_mut().enable();
            if let Some(taken) = self.try_session() {
                return taken;
            }
            counted.await;
        }
    }

    fn try_session(self: &Arc<Self>) -> Option<Result<Place, QuotaError>> {
        let mut counts = self.counts();
        let limit = counts.terms.quotas.sessions;
        match &mut counts.sessions {
            Sessions::Known(used) => {
                let used_now = *used;
                if let Some(limit) = limit.filter(|limit| used_now >= *limit) {
                    return Some(Err(reached(Quota::Sessions, limit, used_now, 1, None)));
                }
                *used += 1;
            }
            Sessions::Counting { .. } if limit.is_some() => return None,
            Sessions::Counting { places, .. } => *places += 1,
        }
        Some(Ok(Place { account: self.clone(), id: None, kept: AtomicBool::new(false) }))
    }

    /// A session is gone.
    pub(crate) fn session_gone(&self, id: SessionId) {
        self.forget_inodes(id);
        let mut counts = self.counts();
        match &mut counts.sessions {
            Sessions::Known(count) => *count = count.saturating_sub(1),
            Sessions::Counting { found, passed, made, gone, .. } => {
                if made.remove(&id) {
                } else if passed.is_some_and(|passed| id <= passed) {
                    *found = found.saturating_sub(1);
                } else {
                    gone.insert(id);
                }
            }
        }
    }

    /// A place for one more session that is awake.
    ///
    /// # Errors
    /// The quota is reached.
    pub(crate) fn take_awake(self: &Arc<Self>) -> Result<AwakePlace, QuotaError> {
        let mut counts = self.counts();
        if let Some(limit) = counts.terms.quotas.sessions_awake.filter(|limit| counts.awake >= *limit) {
            return Err(reached(Quota::SessionsAwake, limit, counts.awake, 1, Some(SOON)));
        }
        let quotas = &counts.terms.quotas;
        if let Some(limit) = quotas.memory_bytes.filter(|limit| self.memory.used() >= *limit) {
            return Err(reached(Quota::MemoryBytes, limit, self.memory.used(), 1, Some(SOON)));
        }
        counts.awake += 1;
        Ok(AwakePlace(self.clone()))
    }

    /// Whether one more checkpoint may be kept of a session that has so many.
    ///
    /// # Errors
    /// It may not.
    pub(crate) fn check_checkpoints(&self, kept: usize) -> Result<(), QuotaError> {
        let limit = self.counts().terms.quotas.checkpoints;
        let kept = kept as u64;
        limit
            .filter(|limit| kept >= *limit)
            .map_or(Ok(()), |limit| Err(reached(Quota::Checkpoints, limit, kept, 1, None)))
    }

    /// Whether files may be written or made.
    ///
    /// # Errors
    /// What is stored, or the number of files, is at its quota, or too much waits to be collected.
    pub(crate) fn check_growth(&self) -> Result<(), QuotaError> {
        let counts = self.counts();
        let (quotas, stored) = (&counts.terms.quotas, counts.stored);
        let rows = [
            (Quota::StoredBytes, quotas.stored_bytes, stored.bytes, None),
            (Quota::Inodes, quotas.inodes, counts.inodes_all, None),
            (Quota::UncollectedBytes, quotas.uncollected_bytes, stored.uncollected, Some(COLLECTED)),
        ];
        for (quota, limit, used, retry_after) in rows {
            if let Some(limit) = limit.filter(|limit| used >= *limit) {
                return Err(reached(quota, limit, used, 1, retry_after));
            }
        }
        Ok(())
    }

    /// Whether commands may be run: whatever they write over has to be kept until it is collected.
    ///
    /// # Errors
    /// Too much waits to be collected.
    pub(crate) fn check_churn(&self) -> Result<(), QuotaError> {
        let counts = self.counts();
        let used = counts.stored.uncollected;
        let limit = counts.terms.quotas.uncollected_bytes.filter(|limit| used >= *limit);
        limit.map_or(Ok(()), |limit| Err(reached(Quota::UncollectedBytes, limit, used, 1, Some(COLLECTED))))
    }

    /// How much longer than usual what changes in the background waits until it is written down: the more waits to be
    /// collected, the longer, so that what is written over again and again is kept less often. `None` is not at all.
    pub(crate) fn patience(&self) -> Option<u32> {
        let counts = self.counts();
        let used = counts.stored.uncollected;
        match counts.terms.quotas.uncollected_bytes {
            Some(limit) if used >= limit => None,
            Some(limit) if used >= limit / 4 * 3 => Some(30),
            Some(limit) if used >= limit / 2 => Some(5),
            _ => Some(1),
        }
    }

    /// A session's inodes, as they are now.
    pub(crate) fn set_inodes(&self, id: SessionId, inodes: u64) {
        let mut counts = self.counts();
        let before = counts.inodes.insert(id, inodes).unwrap_or(0);
        counts.inodes_all = counts.inodes_all - before + inodes;
    }

    /// It has none any more.
    pub(crate) fn forget_inodes(&self, id: SessionId) {
        let mut counts = self.counts();
        if let Some(inodes) = counts.inodes.remove(&id) {
            counts.inodes_all -= inodes;
        }
    }

    /// How long to wait before so many events more are made, that there are no more in a second than may be. They count
    /// from now on.
    pub(crate) fn pace_events(&self, events: u64) -> Duration {
        let mut counts = self.counts();
        let Some(rate) = counts.terms.quotas.events_per_s else { return Duration::ZERO };
        let now = Instant::now();
        // A second's worth may come at once; each event then moves the time on by its part of a second.
        let cost = Duration::from_secs(1).saturating_mul(u32::try_from(events).unwrap_or(u32::MAX));
        let cost = cost / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
        let until = counts.events_until.filter(|until| *until > now).unwrap_or(now) + cost;
        counts.events_until = Some(until);
        until.saturating_duration_since(now + Duration::from_secs(1))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

impl Place {
    /// It is for this session. To be said before anything of the session is in the store, so that whoever counts knows it.
    pub(crate) fn is_for(&mut self, id: SessionId) {
        self.id = Some(id);
        if let Sessions::Counting { made, places, .. } = &mut self.account.counts().sessions {
            *places = places.saturating_sub(1);
            made.insert(id);
        }
    }

    /// The session it is for.
    pub(crate) fn id(&self) -> Option<SessionId> {
        self.id
    }

    /// The session is made: its place is taken until it is deleted.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if *self.kept.get_mut() {
            return;
        }
        match (&mut self.account.counts().sessions, self.id) {
            (Sessions::Known(count), _) => *count = count.saturating_sub(1),
            (Sessions::Counting { made, .. }, Some(id)) => _ = made.remove(&id),
            (Sessions::Counting { places, .. }, None) => *places = places.saturating_sub(1),
        }
    }
}

impl Drop for AwakePlace {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        counts.awake = counts.awake.saturating_sub(1);
    }
}

/// Counts the sessions of a tenant that were made before the node started.
pub(crate) struct Recount {
    account: Arc<Account>,
}

impl Recount {
    /// These come next in the order of ids, with the inodes that their records say.
    pub(crate) fn page(&self, page: impl Iterator<Item = (SessionId, u64)>) {
        let mut counts = self.account.counts();
        for (id, inodes) in page {
            let Sessions::Counting { found, passed, made, gone, .. } = &mut counts.sessions else { return };
            *passed = (*passed).max(Some(id));
            if gone.remove(&id) {
                continue;
            }
            if !made.contains(&id) {
                *found += 1;
            }
            // One that is awake was measured since.
            if let Entry::Vacant(free) = counts.inodes.entry(id) {
                free.insert(inodes);
                counts.inodes_all += inodes;
            }
        }
    }

    /// There are no more.
    pub(crate) fn end(self) {
        let mut counts = self.account.counts();
        if let Sessions::Counting { found, made, places, .. } = &counts.sessions {
            let all = found + made.len() as u64 + places;
            counts.sessions = Sessions::Known(all);
        }
        drop(counts);
        self.account.counted.notify_waiters();
    }
}

fn reached(quota: Quota, limit: u64, used: u64, asked: u64, retry_after: Option<Duration>) -> QuotaError {
    QuotaError { quota, limit, used, asked, retry_after }
}

/// Nothing panics while one of these is held, and what they guard is whole after each change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
