//! A session's seat on this node: who wants it waits here, and it is woken once however many do.
//!
//! ```text
//! request ─▶ enter: Active? in. Resting? one wakes it, the others wait. Leaving? wait, then look again.
//! ```
//! A seat is there while someone follows the session, or it is awake, or on its way from one to the other.

use crate::awake::Pass;
use crate::error::SessionError;
use crate::id::{SessionId, TenantId};
use crate::lifecycle::{Life, Turn};
use crate::log::Log;
use crate::node::Node;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Requests that wait for a session to wake or to finish a turn, at most; more are refused at once.
pub(crate) const ENTERING_MAX: usize = 256;
/// Failures of an actor within [`FAILURES_WITHIN`] after which it is not brought back by itself.
pub(crate) const FAILURES_MAX: usize = 3;
/// See [`FAILURES_MAX`].
pub(crate) const FAILURES_WITHIN: Duration = Duration::from_secs(60);
/// Archives of a session on their way out at once: each holds the files as they were when it began.
pub(crate) const EXPORTS_MAX: usize = 4;
/// Batches of file operations of a session that wait for their turn: each holds what it is to write.
pub(crate) const BATCHES_MAX: usize = 16;
/// Clients that follow a session's log at once.
pub(crate) const FOLLOWERS_MAX: usize = 256;
/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// A session's place on this node.
pub(crate) struct Seat {
    pub(crate) id: SessionId,
    pub(crate) tenant: TenantId,
    pub(crate) log: Arc<Log>,
    /// Its life took a turn, or its gate opened.
    pub(crate) changed: Notify,
    life: Mutex<Place>,
    /// Turns that wait for its actor.
    pub(crate) turns: Arc<AtomicUsize>,
    entering: AtomicUsize,
    batches: Arc<Semaphore>,
    exports: Arc<Semaphore>,
    followers: Arc<Semaphore>,
    node: Weak<Node>,
}

struct Place {
    life: Life,
    /// Wakes that ended, and why the last of them failed.
    wakes: u64,
    error: Option<SessionError>,
    failures: VecDeque<Instant>,
    actor: Option<ractor::ActorRef<crate::actor::Message>>,
}

impl Seat {
    pub(crate) fn new(node: Weak<Node>, tenant: TenantId, id: SessionId) -> Arc<Seat> {
        Arc::new(Seat {
            id,
            tenant,
            log: Arc::default(),
            changed: Notify::new(),
            life: Mutex::new(Place {
                life: Life::Resting,
                wakes: 0,
                error: None,
                failures: VecDeque::new(),
                actor: None,
            }),
            turns: Arc::default(),
            entering: AtomicUsize::new(0),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            node,
        })
    }

    /// A share of the archives that may be on their way out.
    ///
    /// # Errors
    /// `Overloaded` when there are as many.
    pub(crate) fn export(&self) -> Result<OwnedSemaphorePermit, SessionError> {
        self.share(&self.exports)
    }

    /// A place among the batches of file operations that wait for their turn.
    ///
    /// # Errors
    /// `Overloaded` when there are as many.
    pub(crate) fn batch(&self) -> Result<OwnedSemaphorePermit, SessionError> {
        self.share(&self.batches)
    }

    /// A place among those who follow its log.
    ///
    /// # Errors
    /// `Overloaded` when there are as many.
    pub(crate) fn follow(&self) -> Result<OwnedSemaphorePermit, SessionError> {
        self.share(&self.followers)
    }

    fn share(&self, of: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, SessionError> {
        let overloaded = SessionError::Overloaded { id: self.id, retry_after: RETRY_AFTER };
        of.clone().try_acquire_owned().map_err(|_| overloaded)
    }

    /// Lets a request in, waking the session if it rests.
    ///
    /// # Errors
    /// Why it cannot be woken; `Overloaded` when too many wait already.
    pub(crate) async fn enter(self: &Arc<Self>, node: &Arc<Node>) -> Result<Pass, SessionError> {
        if let Life::Active(awake) = &self.place().life
            && let Some(pass) = awake.enter()
        {
            return Ok(pass);
        }
        let _waiting = Entering::new(self)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let mine = {
                let mut place = self.place();
                if let Life::Active(awake) = &place.life {
                    if let Some(pass) = awake.enter() {
                        return Ok(pass);
                    }
                    // Its gate is closed for a moment.
                    None
                } else if let Some(error) = place.life.refusal(self.id, Instant::now()) {
                    return Err(error);
                } else if place.life.take(Turn::Wake, Instant::now()) {
                    node.wake(self);
                    Some(place.wakes)
                } else {
                    matches!(place.life, Life::Waking).then_some(place.wakes)
                }
            };
            changed.await;
            if let Some(number) = mine {
                self.woken_since(number).await?;
            }
        }
    }

    /// Waits until the wake that was going on is over.
    async fn woken_since(&self, number: u64) -> Result<(), SessionError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let place = self.place();
                if place.wakes > number {
                    return place.error.clone().map_or(Ok(()), Err);
                }
            }
            changed.await;
        }
    }

    /// A wake is over.
    pub(crate) fn wake_ended(
        &self,
        awake: Result<(Arc<crate::awake::Awake>, ractor::ActorRef<crate::actor::Message>), SessionError>,
    ) {
        let mut place = self.place();
        place.wakes += 1;
        match awake {
            Ok((awake, actor)) => {
                place.error = None;
                place.actor = Some(actor);
                place.life.take(Turn::Woken(awake), Instant::now());
            }
            Err(error) => {
                place.error = Some(error);
                place.life.take(Turn::WakeFailed, Instant::now());
            }
        }
        drop(place);
        self.changed.notify_waiters();
    }

    /// Its life takes a turn; whether it can.
    pub(crate) fn turn(&self, turn: Turn) -> bool {
        let taken = self.place().life.take(turn, Instant::now());
        self.changed.notify_waiters();
        taken
    }

    /// Takes the turn to be woken, if it rests; the caller wakes it then.
    pub(crate) fn begin_wake(&self) -> bool {
        self.place().life.take(Turn::Wake, Instant::now())
    }

    /// Its actor failed: it rests, and whether it is to be brought back.
    pub(crate) fn actor_failed(&self, reason: &str) -> bool {
        let now = Instant::now();
        let mut place = self.place();
        if matches!(place.life, Life::Deleted) {
            return false;
        }
        place.actor = None;
        place.failures.push_back(now);
        while place.failures.front().is_some_and(|first| now.duration_since(*first) > FAILURES_WITHIN) {
            place.failures.pop_front();
        }
        let again = place.failures.len() <= FAILURES_MAX;
        if again {
            place.life.take(Turn::Lost, now);
        } else {
            place.life.take(Turn::GaveUp(reason.to_owned(), now + FAILURES_WITHIN), now);
        }
        drop(place);
        self.changed.notify_waiters();
        again
    }

    /// What `look` finds of its life.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Life) -> T) -> T {
        look(&self.place().life)
    }

    /// Its actor, while it has one.
    pub(crate) fn actor(&self) -> Option<ractor::ActorRef<crate::actor::Message>> {
        self.place().actor.clone()
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that waits.
struct Entering<'a>(&'a Seat);

impl Entering<'_> {
    fn new(seat: &Seat) -> Result<Entering<'_>, SessionError> {
        let before = seat.entering.fetch_add(1, Ordering::Relaxed);
        let entering = Entering(seat);
        if before >= ENTERING_MAX {
            return Err(SessionError::Overloaded { id: seat.id, retry_after: RETRY_AFTER });
        }
        Ok(entering)
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.0.entering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(node) = self.node.upgrade() {
            node.seat_left(&self.tenant, self.id);
        }
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("id", &self.id).finish_non_exhaustive()
    }
}
