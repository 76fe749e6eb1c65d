//! One connection a peer, kept by a task of its own.
//!
//! ```text
//! Connecting ──▶ Ready ──lost, retired──▶ Connecting ──▶ Ready
//!     └────▶ Down: why ──pause, longer each time──▶ (dial) ──▶ Ready     who asks meanwhile is told why at once
//! ```

use crate::client::CallError;
use crate::client::connection::{Connection, establish};
use crate::limits::{Deadline, Limits};
use crate::name::node_text;
use crate::random;
use crate::wire::{Dial, Target};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use warren_ownership::name::NodeId;

/// When to come again if there is no place.
const FULL: Duration = Duration::from_secs(1);
/// A connection that lasts less counts as one that failed.
const SHORT: Duration = Duration::from_secs(1);

/// A connection that broke says why within this.
const ENDING: Duration = Duration::from_millis(5);

/// What a request holds while it is on its way.
pub(crate) type Places = (OwnedSemaphorePermit, OwnedSemaphorePermit);

pub(crate) struct Pool {
    dial: Arc<dyn Dial>,
    pub(crate) limits: Limits,
    total: Arc<Semaphore>,
    entries: Mutex<HashMap<NodeId, Arc<Entry>>>,
}

/// A peer.
pub(crate) struct Entry {
    target: Target,
    state: watch::Receiver<State>,
    places: Arc<Semaphore>,
    /// When it was last asked for, in milliseconds after `base`.
    wanted: AtomicU64,
    base: Instant,
    /// The task that keeps the connection; requests on their way go on without it.
    keeper: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Clone)]
enum State {
    Connecting,
    Ready(Connection),
    Down(Arc<str>),
}

impl Pool {
    pub(crate) fn new(dial: Arc<dyn Dial>, limits: Limits) -> Pool {
        let total = Arc::new(Semaphore::new(limits.requests_total.min(Semaphore::MAX_PERMITS)));
        Pool { dial, limits, total, entries: Mutex::default() }
    }

    /// The entry of a peer; one at another address is let go.
    pub(crate) fn entry(self: &Arc<Self>, to: &Target) -> Result<Arc<Entry>, CallError> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get(&to.node).filter(|entry| entry.target == *to) {
            entry.touch();
            return Ok(entry.clone());
        }
        if !entries.contains_key(&to.node) && entries.len() >= self.limits.peers {
            return Err(CallError::Full { node: to.node, retry_after: FULL });
        }
        let (told, state) = watch::channel(State::Connecting);
        let places = Arc::new(Semaphore::new(self.limits.requests_per_peer.min(Semaphore::MAX_PERMITS)));
        let (wanted, base, keeper) = (AtomicU64::new(0), Instant::now(), Mutex::default());
        let entry = Arc::new(Entry { target: to.clone(), state, places, wanted, base, keeper });
        let (dial, limits) = (self.dial.clone(), self.limits.clone());
        let (pool, own) = (Arc::downgrade(self), Arc::downgrade(&entry));
        let keeper = tokio::spawn(async move {
            keep(&*dial, &limits, &told, &own).await;
            if let (Some(pool), Some(own)) = (pool.upgrade(), own.upgrade()) {
                pool.remove(&own);
            }
        });
        *entry.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(keeper));
        entries.insert(to.node, entry.clone());
        Ok(entry)
    }

    pub(crate) fn places(&self, entry: &Entry, node: NodeId) -> Result<Places, CallError> {
        let full = |_| CallError::Full { node, retry_after: FULL };
        let own = entry.places.clone().try_acquire_owned().map_err(full)?;
        Ok((own, self.total.clone().try_acquire_owned().map_err(full)?))
    }

    pub(crate) fn forget(&self, node: NodeId) {
        let entry = self.entries().remove(&node);
        if let Some(entry) = entry {
            drop(entry.keeper.lock().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    pub(crate) fn is_connected(&self, node: NodeId) -> bool {
        let entry = self.entries().get(&node).cloned();
        entry.is_some_and(|entry| matches!(&*entry.state.borrow(), State::Ready(one) if !one.retired.is_cancelled()))
    }

    fn remove(&self, entry: &Arc<Entry>) {
        let mut entries = self.entries();
        if entries.get(&entry.target.node).is_some_and(|one| Arc::ptr_eq(one, entry)) {
            entries.remove(&entry.target.node);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<NodeId, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Entry {
    /// A connection to send on; waits while one is being made.
    pub(crate) async fn connection(&self, node: NodeId, deadline: Deadline) -> Result<Connection, CallError> {
        self.touch();
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Ready(connection) => !connection.retired.is_cancelled(),
            State::Down(_) => true,
        });
        match tokio::time::timeout_at(deadline.at(), settled).await {
            Err(_) => Err(CallError::Deadline { node, sent: false }),
            Ok(Err(_)) => Err(CallError::Unreachable { node, reason: "nobody keeps a connection to it".to_owned() }),
            Ok(Ok(state)) => match &*state {
                State::Ready(connection) => Ok(connection.clone()),
                State::Down(reason) => Err(CallError::Unreachable { node, reason: reason.to_string() }),
                State::Connecting => unreachable!("it was waited for"),
            },
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wanted.store(now, Ordering::Relaxed);
    }

    fn unwanted_for(&self) -> Duration {
        self.base.elapsed().saturating_sub(Duration::from_millis(self.wanted.load(Ordering::Relaxed)))
    }
}

/// Keeps a connection until nobody wants it any more.
async fn keep(dial: &dyn Dial, limits: &Limits, told: &watch::Sender<State>, own: &Weak<Entry>) {
    let Some(target) = own.upgrade().map(|entry| entry.target.clone()) else { return };
    let mut failures = 0;
    loop {
        let begun = Instant::now();
        let made = tokio::time::timeout(limits.connect, async {
            let wire = dial.dial(&target).await.map_err(|error| error.to_string())?;
            establish(wire, limits).await.map_err(|error| refused(&error))
        });
        let why = match made.await.unwrap_or_else(|_| Err("it did not answer in time".to_owned())) {
            Ok((connection, driver)) => {
                let retired = connection.retired.clone();
                // It outlives the keeper: requests on it end in their time.
                let mut driver = tokio::spawn(driver);
                told.send_replace(State::Ready(connection));
                if !wanted_until(&retired, limits, own).await {
                    return;
                }
                let why = tokio::select! {
                    biased;
                    why = &mut driver => why.unwrap_or_default(),
                    () = tokio::time::sleep(ENDING) => "it was to end".to_owned(),
                };
                tracing::info!(node = node_text(target.node), why, "a connection to a peer ended");
                if begun.elapsed() > SHORT {
                    failures = 0;
                    told.send_replace(State::Connecting);
                    continue;
                }
                why
            }
            Err(why) => why,
        };
        failures += 1;
        if failures == 1 {
            tracing::warn!(node = node_text(target.node), why, "a peer cannot be reached");
        }
        told.send_replace(State::Down(why.into()));
        tokio::time::sleep(pause(failures, limits)).await;
        if own.upgrade().is_none_or(|entry| entry.unwanted_for() > limits.idle) {
            return;
        }
    }
}

/// Waits until the connection is to be replaced (`true`), or nobody has wanted it for long.
async fn wanted_until(retired: &tokio_util::sync::CancellationToken, limits: &Limits, own: &Weak<Entry>) -> bool {
    loop {
        tokio::select! {
            () = retired.cancelled() => return true,
            () = tokio::time::sleep(limits.idle / 4) => {}
        }
        let Some(entry) = own.upgrade() else { return false };
        let idle = entry.places.available_permits() >= limits.requests_per_peer.min(Semaphore::MAX_PERMITS);
        if idle && entry.unwanted_for() > limits.idle {
            return false;
        }
    }
}

/// At least half of it, so that no pause is none, and not the same for all.
fn pause(failures: u32, limits: &Limits) -> Duration {
    let most = limits.backoff_min.saturating_mul(1 << (failures - 1).min(16)).min(limits.backoff_max);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(micros / 2 + random::below(micros / 2 + 1))
}

fn refused(error: &h2::Error) -> String {
    let inner = error.get_io().and_then(|io| io.get_ref());
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => format!("it does not take this node's certificate: {tls}"),
        None => error.to_string(),
    }
}
