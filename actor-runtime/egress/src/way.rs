//! The way out of one session.

use crate::carrier::{Carrier, Held};
use crate::dial::dial;
use crate::judge::{NO_RULE, Verdict, judge, may_know, may_look_up};
use crate::metrics::{self, Open};
use crate::pace::Pace;
use crate::pump::{Moved, pump};
use crate::rule::Rules;
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use warren_kernel::Errno;
use warren_kernel::socket::egress::{Egress, FarEnd, Outbound, Unreached};

/// Names one session looks up at once, at most.
const LOOKUPS_MAX: usize = 16;
/// Refusals the witness is told of within [`TOLD_WITHIN`], at most.
const TOLD_MAX: u32 = 16;
/// See [`TOLD_MAX`].
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// The way out of one session. Cheap to clone; closed by whoever owns the session.
#[derive(Clone)]
pub struct Way {
    inner: Arc<Inner>,
}

struct Inner {
    carrier: Carrier,
    tenant: String,
    /// Once it has one.
    session: OnceLock<String>,
    pace: Arc<Pace>,
    moved: Moved,
    lookups: Semaphore,
    rules: Mutex<Arc<Rules>>,
    live: Mutex<HashMap<u64, Live>>,
    next: AtomicU64,
    told: Mutex<Told>,
    closed: CancellationToken,
    /// A connection has ended.
    ended: Notify,
}

/// A connection that was allowed.
struct Live {
    names: Vec<Arc<str>>,
    /// Once it is there.
    to: Option<SocketAddr>,
    cancel: CancellationToken,
}

/// How many refusals the witness was told of lately.
#[derive(Default)]
struct Told {
    since: Option<Instant>,
    count: u32,
    skipped: u64,
}

/// A connection's place in the table of those that live, given back when it ends.
struct Place {
    way: Way,
    number: u64,
    cancel: CancellationToken,
    _open: Open,
    _held: Held,
}

impl Way {
    /// A session's of this tenant, whose pace it goes at.
    pub fn new(carrier: &Carrier, tenant: &str, pace: Arc<Pace>, rules: Rules) -> Way {
        Way {
            inner: Arc::new(Inner {
                carrier: carrier.clone(),
                tenant: tenant.to_owned(),
                session: OnceLock::new(),
                pace,
                moved: Moved::default(),
                lookups: Semaphore::new(LOOKUPS_MAX),
                rules: Mutex::new(Arc::new(rules)),
                live: Mutex::default(),
                next: AtomicU64::new(0),
                told: Mutex::default(),
                closed: CancellationToken::new(),
                ended: Notify::new(),
            }),
        }
    }

    /// Which session's it is, for the witness.
    pub fn belongs_to(&self, session: &str) {
        let _ = self.inner.session.set(session.to_owned());
    }

    /// What it reaches from now on. Connections that would not be allowed any more are broken off.
    pub fn set_rules(&self, rules: Rules) {
        let rules = Arc::new(rules);
        *lock(&self.inner.rules) = rules.clone();
        for live in lock(&self.inner.live).values() {
            // One that is being made is judged again when it is there.
            let stays = |to: SocketAddr| judge(&rules, &live.names, to.ip(), to.port()) == Verdict::Allowed;
            if live.to.is_some_and(|to| !stays(to)) {
                live.cancel.cancel();
            }
        }
    }

    /// Bytes that were sent and received.
    pub fn moved(&self) -> (u64, u64) {
        let Moved { sent, received } = &self.inner.moved;
        (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed))
    }

    /// Connections there are, those being made included.
    pub fn connections(&self) -> usize {
        lock(&self.inner.live).len()
    }

    /// Waits until there is no connection: of processes that are gone, those whose last bytes are on their way.
    pub async fn drained(&self) {
        loop {
            let mut ended = pin!(self.inner.ended.notified());
            ended.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Breaks off every connection, and carries none any more.
    pub fn close(&self) {
        self.inner.closed.cancel();
    }

    fn rules(&self) -> Arc<Rules> {
        lock(&self.inner.rules).clone()
    }

    /// The addresses of a connection that may be dialled, or why none may.
    fn allowed(&self, outbound: &Outbound) -> Result<Vec<SocketAddr>, Verdict> {
        let (rules, mut first) = (self.rules(), None);
        let mut allowed = Vec::new();
        for address in &outbound.addresses {
            match judge(&rules, &outbound.names, *address, outbound.port) {
                Verdict::Allowed => allowed.push(SocketAddr::new(*address, outbound.port)),
                verdict => _ = first.get_or_insert(verdict),
            }
        }
        if allowed.is_empty() { Err(first.unwrap_or(Verdict::NoRule)) } else { Ok(allowed) }
    }

    fn place(&self, names: Vec<Arc<str>>) -> Option<Place> {
        let held = self.inner.carrier.hold(&self.inner.tenant)?;
        let (number, cancel) = (self.inner.next.fetch_add(1, Ordering::Relaxed), self.inner.closed.child_token());
        lock(&self.inner.live).insert(number, Live { names, to: None, cancel: cancel.clone() });
        Some(Place { way: self.clone(), number, cancel, _open: Open::new(), _held: held })
    }

    /// Tells the witness, but not of every refusal of a guest that causes many.
    fn tell(&self, subject: &str) {
        let skipped = {
            let (now, mut told) = (Instant::now(), lock(&self.inner.told));
            if told.since.is_none_or(|since| now.duration_since(since) >= TOLD_WITHIN) {
                (told.since, told.count) = (Some(now), 0);
            }
            if told.count == TOLD_MAX {
                told.skipped += 1;
                return;
            }
            told.count += 1;
            std::mem::take(&mut told.skipped)
        };
        let (tenant, session) = (&self.inner.tenant, self.inner.session.get().map_or("", String::as_str));
        tracing::debug!(session, subject, "refused a way out");
        self.inner.carrier.inner.witness.refused(tenant, session, subject, skipped);
    }

    /// Connects and moves bytes, to the end.
    async fn carry(place: Place, end: FarEnd, addresses: Vec<SocketAddr>) {
        let begun = Instant::now();
        let dialled = tokio::select! {
            biased;
            () = place.cancel.cancelled() => Err(Errno::ECONNABORTED),
            () = end.closed() => return attempted("given_up"),
            dialled = async {
                place.way.inner.pace.begin().await;
                dial(addresses).await
            } => dialled,
        };
        ::metrics::histogram!(metrics::CONNECT).record(begun.elapsed());
        let (stream, to) = match dialled {
            Ok(connected) => connected,
            Err(errno) => {
                attempted("failed");
                return end.failed(errno);
            }
        };
        // The rules may be others by now.
        if let Some(reason) = place.stands(to).reason() {
            attempted("refused");
            place.way.tell(end.subject());
            return end.refused(&reason);
        }
        if end.connected(to).is_err() {
            return attempted("given_up");
        }
        attempted("connected");
        let inner = &place.way.inner;
        pump(end, stream, &inner.pace, &inner.moved, place.cancel.clone()).await;
    }
}

impl Place {
    /// The connection is there, at this address: whether it still may be.
    fn stands(&self, to: SocketAddr) -> Verdict {
        let mut live = lock(&self.way.inner.live);
        let Some(live) = live.get_mut(&self.number) else { return Verdict::NoRule };
        live.to = Some(to);
        // Read while the table is held: whoever changes them afterwards finds this one in it.
        judge(&self.way.rules(), &live.names, to.ip(), to.port())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.way.inner.live).remove(&self.number);
        self.way.inner.ended.notify_waiters();
    }
}

impl Egress for Way {
    fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, Unreached> {
        let rules = self.rules();
        let refused = |reason: String| {
            looked_up("refused");
            self.tell(name);
            Err(Unreached::Refused(reason.into()))
        };
        if !may_look_up(&rules, name) {
            return refused(NO_RULE.to_owned());
        }
        let own = self.inner.lookups.try_acquire();
        let (Ok(_own), Ok(_all)) = (own, self.inner.carrier.inner.lookups.try_acquire()) else {
            looked_up("limited");
            return Err(Errno::EAGAIN.into());
        };
        let found = self.inner.carrier.inner.resolver.look_up(name).inspect_err(|_| looked_up("failed"))?;
        let name: Arc<str> = name.into();
        let (mut known, mut first) = (Vec::new(), None);
        for address in found {
            match may_know(&rules, &name, address) {
                Verdict::Allowed => known.push(address),
                verdict => _ = first.get_or_insert(verdict),
            }
        }
        if known.is_empty() {
            return refused(first.unwrap_or(Verdict::NoRule).reason().unwrap_or_default());
        }
        looked_up("found");
        Ok(known.into())
    }

    fn carry(&self, outbound: Outbound) {
        let addresses = match self.allowed(&outbound) {
            Ok(addresses) => addresses,
            Err(verdict) => {
                attempted("refused");
                self.tell(outbound.end.subject());
                return outbound.end.refused(&verdict.reason().unwrap_or_default());
            }
        };
        if self.inner.closed.is_cancelled() {
            return outbound.end.failed(Errno::ENETUNREACH);
        }
        let Outbound { names, end, .. } = outbound;
        let Some(place) = self.place(names) else {
            attempted("limited");
            return end.failed(Errno::ENOBUFS);
        };
        self.inner.carrier.inner.runtime.spawn(Way::carry(place, end, addresses));
    }
}

fn attempted(outcome: &'static str) {
    ::metrics::counter!(metrics::ATTEMPTS, "outcome" => outcome).increment(1);
}

fn looked_up(outcome: &'static str) {
    ::metrics::counter!(metrics::LOOKUPS, "outcome" => outcome).increment(1);
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("tenant", &self.inner.tenant).field("connections", &self.connections()).finish()
    }
}

/// Nothing panics while one of these is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
