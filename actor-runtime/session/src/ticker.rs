//! What is due when, for all sessions of a node: one task, whatever their number.
//!
//! Every quarter of a second it looks at the sessions that run something (files that changed are written down, once a
//! second at most) and at those whose time has come: idle for long enough, or lived for long enough.

use crate::actor::Asked;
use crate::awake::Awake;
use crate::id::SessionId;
use crate::node::Node;
use crate::seat::Seat;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often it looks.
const TICK: Duration = Duration::from_millis(250);
/// How often files that change in the background are written down.
const CATCH_UP: Duration = Duration::from_secs(1);
/// After this long without use a session's recent events leave memory: they are kept elsewhere.
const QUIET: Duration = Duration::from_secs(30);

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    running: Mutex<HashMap<SessionId, (Weak<Awake>, Instant)>>,
    due: Mutex<Agenda>,
}

/// What is due, earliest first: of each kind at most one thing a session, so it is as long as there are sessions.
#[derive(Debug, Default)]
struct Agenda {
    looks: BTreeMap<(Instant, u64), Look>,
    places: HashMap<(Kind, SessionId), (Instant, u64)>,
    /// Tells apart what is due at the same moment.
    made: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Awake,
    Keep,
    Expired,
}

#[derive(Debug)]
enum Look {
    /// At a session that is awake.
    Awake(SessionId, Weak<Awake>),
    /// Nothing to do but let it go.
    Keep(Arc<Seat>),
    /// A session's time is over, whether it is awake or not.
    Expired(crate::id::TenantId, SessionId),
}

impl Ticker {
    /// Runs until the node is gone.
    pub(crate) async fn run(node: Weak<Node>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(node) = node.upgrade() else { return };
            node.ticker.look_at_running(&node);
            node.ticker.look_at_due(&node);
        }
    }

    /// Looks at a session as long as it has processes.
    pub(crate) fn watch(&self, awake: &Arc<Awake>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.entry(awake.id).or_insert_with(|| (Weak::new(), Instant::now())).0 = Arc::downgrade(awake);
    }

    /// Looks at a session that has just been woken, or changed, when something may be due.
    pub(crate) fn woken(&self, awake: &Arc<Awake>) {
        let first = awake.choices().spec.idle_timeout.unwrap_or(QUIET).min(QUIET);
        self.push(Instant::now() + first, Look::Awake(awake.id, Arc::downgrade(awake)));
    }

    /// Keeps a seat, and with it why nobody can have it.
    pub(crate) fn keep(&self, seat: &Arc<Seat>, time: Duration) {
        self.push(Instant::now() + time, Look::Keep(seat.clone()));
    }

    /// Deletes a session when its time is over.
    pub(crate) fn expire(&self, tenant: &crate::id::TenantId, id: SessionId, within: Duration) {
        self.push(Instant::now() + within, Look::Expired(tenant.clone(), id));
    }

    /// Does not delete a session.
    pub(crate) fn stays(&self, id: SessionId) {
        self.agenda().forget((Kind::Expired, id));
    }

    fn push(&self, at: Instant, what: Look) {
        self.agenda().put(at, what);
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_at_running(&self, node: &Node) {
        let now = Instant::now();
        let (mut behind, mut late) = (Vec::new(), Vec::new());
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|_, (awake, since)| {
            let Some(awake) = awake.upgrade() else { return false };
            let stays = awake.execs.running() > 0 || awake.processes() > 0;
            let account = node.accounts.of(&awake.tenant);
            // With nothing that runs, whoever writes is asked at the door.
            let stop = stays && node.check_growth(&account).is_err();
            if awake.growth_stopped.swap(stop, Ordering::Relaxed) != stop {
                awake.session.with(|kernel| kernel.stop_growth(stop));
            }
            let patience = account.patience().filter(|_| !node.accounts.is_disk_low());
            let due = patience.is_some_and(|times| now.duration_since(*since) >= CATCH_UP * times);
            if due || !stays {
                *since = now;
                behind.push(awake);
            } else if now.duration_since(*since) >= CATCH_UP {
                late.push(awake);
            }
            stays
        });
        drop(running);
        for awake in late {
            awake.scribe.hand_out_held();
        }
        for awake in behind {
            if awake.scribe.is_behind() {
                awake.scribe.catch_up();
            }
        }
    }

    fn look_at_due(&self, node: &Arc<Node>) {
        let now = Instant::now();
        loop {
            let look = self.agenda().take(now);
            match look {
                None => return,
                Some(Look::Awake(_, awake)) => {
                    if let Some(awake) = awake.upgrade() {
                        self.look_at(&awake, now);
                    }
                }
                Some(Look::Keep(_)) => {}
                Some(Look::Expired(tenant, id)) => node.expired(tenant, id),
            }
        }
    }

    /// Puts a session to rest that has been idle for long enough; else says when to look again.
    fn look_at(&self, awake: &Arc<Awake>, now: Instant) {
        let Some(seat) = awake.seat.upgrade() else { return };
        let idle = awake.idle_since().map(|since| now.duration_since(since));
        let spec = awake.choices().spec.clone();
        let mut next = QUIET;
        if idle.is_some_and(|idle| idle >= QUIET) && spec.durability.level().is_some() {
            seat.log.shrink();
        }
        if let Some(timeout) = spec.idle_timeout {
            match idle {
                Some(idle) if idle >= timeout => {
                    // Refused when much is asked of it, and then it is not idle.
                    let _ = seat.post(Asked::HibernateIdle(timeout));
                    next = next.min(timeout);
                }
                Some(idle) => next = next.min(timeout - idle),
                None => next = next.min(timeout),
            }
        }
        self.push(now + next.max(TICK), Look::Awake(awake.id, Arc::downgrade(awake)));
    }
}

impl Agenda {
    /// In place of what of its kind was due for the session.
    fn put(&mut self, at: Instant, what: Look) {
        let key = what.key();
        self.forget(key);
        self.made += 1;
        self.places.insert(key, (at, self.made));
        self.looks.insert((at, self.made), what);
    }

    fn forget(&mut self, key: (Kind, SessionId)) {
        if let Some(place) = self.places.remove(&key) {
            self.looks.remove(&place);
        }
    }

    /// The next thing that is due by now.
    fn take(&mut self, now: Instant) -> Option<Look> {
        let first = self.looks.first_entry().filter(|first| first.key().0 <= now)?;
        let look = first.remove();
        self.places.remove(&look.key());
        Some(look)
    }
}

impl Look {
    fn key(&self) -> (Kind, SessionId) {
        match self {
            Look::Awake(id, _) => (Kind::Awake, *id),
            Look::Keep(seat) => (Kind::Keep, seat.id),
            Look::Expired(_, id) => (Kind::Expired, *id),
        }
    }
}
