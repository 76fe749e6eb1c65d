//! The actor of a session that is awake: it makes the turns of its life, one at a time.
//!
//! ```text
//! post ─▶ at most 64 wait ─▶ mailbox ─▶ [ waiting turns ] ─▶ one task ─▶ Done ─▶ next, or the actor stops
//! ```
//! The actor itself never waits: a turn is a task it owns, so a deletion is heard while a hibernation gives processes
//! their grace. A turn that panics ends the actor, and the supervisor brings the session back.

use crate::awake::Awake;
use crate::change::Change;
use crate::durability::Checkpoint;
use crate::error::SessionError;
use crate::event::State;
use crate::id::{SessionId, SessionName};
use crate::metrics;
use crate::node::Node;
use crate::seat::Seat;
use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tracing::{Instrument, Span, debug_span};

mod turns;

/// Turns that wait for a session, at most.
pub(crate) const WAITING_MAX: usize = 64;
/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the actor is asked for.
#[derive(Debug)]
pub(crate) enum Message {
    /// A turn, with its place among those that wait.
    Take(Asked, Place),
    /// The turn is over: whether the session stays.
    Done(Result<Next, String>),
    /// Nothing can be acknowledged any more.
    Halted,
}

/// A turn that is asked for, and whom to tell.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To rest.
    Hibernate(Reply<()>),
    /// To rest, if nobody has used it since it was seen idle.
    HibernateIdle(Duration),
    /// To be gone.
    Delete(Reply<()>),
    /// To be gone, if its time is over; whether it is.
    Expire(Reply<bool>),
    /// To be called otherwise, or made of something else; with what comes after it.
    Update(Box<Change>, Then, Reply<()>),
    /// A point to come back to.
    Checkpoint(Option<String>, Reply<Checkpoint>),
    /// Back to a point.
    Rollback(u64, Reply<()>),
    /// A copy, in the place that was taken for it.
    Fork(Option<SessionName>, Arc<crate::account::Place>, Reply<crate::durability::Claimed>),
}

impl Asked {
    fn name(&self) -> &'static str {
        match self {
            Asked::Hibernate(_) | Asked::HibernateIdle(_) => "hibernate",
            Asked::Delete(_) | Asked::Expire(_) => "delete",
            Asked::Update(..) => "update",
            Asked::Checkpoint(..) => "checkpoint",
            Asked::Rollback(..) => "rollback",
            Asked::Fork(..) => "fork",
        }
    }

    fn span(&self, parent: &Span, session: SessionId) -> Span {
        match self {
            Asked::Hibernate(_) | Asked::HibernateIdle(_) => debug_span!(parent: parent, "hibernate_session", %session),
            Asked::Delete(_) | Asked::Expire(_) => debug_span!(parent: parent, "delete_session", %session),
            Asked::Update(..) => debug_span!(parent: parent, "update_session", %session),
            Asked::Checkpoint(..) => debug_span!(parent: parent, "checkpoint_session", %session),
            Asked::Rollback(..) => debug_span!(parent: parent, "roll_back_session", %session),
            Asked::Fork(..) => debug_span!(parent: parent, "fork_session", %session),
        }
    }

    /// The session has left before it came to this turn.
    fn too_late(self, id: SessionId) {
        let left = SessionError::WrongState { id, state: State::Hibernated };
        match self {
            Asked::Hibernate(reply) | Asked::Delete(reply) | Asked::Rollback(_, reply) | Asked::Update(_, _, reply) => {
                _ = reply.send(Err(left))
            }
            Asked::Expire(reply) => _ = reply.send(Err(left)),
            Asked::Checkpoint(_, reply) => _ = reply.send(Err(left)),
            Asked::Fork(_, _, reply) => _ = reply.send(Err(left)),
            Asked::HibernateIdle(_) => {}
        }
    }
}

/// What a session that was woken for a turn does after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It stays awake.
    Stay,
    /// It goes back to rest, unless somebody uses it.
    Rest,
}

/// Whom to tell.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, SessionError>>;

/// What comes after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes on.
    Stay,
    /// It is at rest, or gone.
    Leave,
}

/// A place among the turns that wait, and what the turn is part of.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>, Span);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A turn that was not taken on, given back.
#[derive(Debug)]
pub(crate) struct Refused {
    /// As it was given.
    pub(crate) asked: Asked,
    /// Why.
    pub(crate) error: SessionError,
}

/// The actor of one session.
pub(crate) struct SessionActor;

/// What it begins with.
pub(crate) struct Begin {
    pub(crate) node: Arc<Node>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) awake: Arc<Awake>,
}

/// What it holds.
pub(crate) struct Held {
    node: Arc<Node>,
    seat: Arc<Seat>,
    awake: Arc<Awake>,
    waiting: VecDeque<(Asked, Place)>,
    busy: bool,
}

impl Seat {
    /// Asks the actor for a turn.
    ///
    /// # Errors
    /// The turn is given back when too many wait, or there is no actor.
    pub(crate) fn post(&self, asked: Asked) -> Result<(), Refused> {
        let Some(actor) = self.actor() else {
            return Err(Refused { asked, error: SessionError::Failed(self.id) });
        };
        let before = self.turns.fetch_add(1, Ordering::Relaxed);
        let place = Place(self.turns.clone(), Span::current());
        if before >= WAITING_MAX {
            return Err(Refused { asked, error: SessionError::Overloaded { id: self.id, retry_after: RETRY_AFTER } });
        }
        match actor.send_message(Message::Take(asked, place)) {
            Ok(()) => Ok(()),
            Err(ractor::MessagingErr::SendErr(Message::Take(asked, _))) => {
                Err(Refused { asked, error: SessionError::Failed(self.id) })
            }
            Err(_) => unreachable!("a message that was not sent is given back"),
        }
    }
}

impl Actor for SessionActor {
    type Msg = Message;
    type State = Held;
    type Arguments = Begin;

    async fn pre_start(&self, myself: ActorRef<Message>, begin: Begin) -> Result<Held, ActorProcessingErr> {
        let Begin { node, seat, awake } = begin;
        node.began(myself.get_id(), &seat, &awake);
        awake.scribe.on_halt(move || _ = myself.send_message(Message::Halted));
        Ok(Held { node, seat, awake, waiting: VecDeque::new(), busy: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        held: &mut Held,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Take(asked, place) => {
                if let Asked::Delete(_) | Asked::Expire(_) = asked {
                    held.awake.hurry.notify_one();
                }
                held.waiting.push_back((asked, place));
                held.go_on(&myself);
            }
            Message::Done(Ok(Next::Stay)) => {
                held.busy = false;
                held.go_on(&myself);
            }
            Message::Done(Ok(Next::Leave)) => {
                // Whoever waits for a turn looks for the session where it is then.
                for (asked, _) in held.waiting.drain(..) {
                    asked.too_late(held.seat.id);
                }
                myself.stop(None);
            }
            Message::Done(Err(reason)) => return Err(reason.into()),
            Message::Halted => {
                let reason = held.awake.scribe.halted().map_or_else(String::new, |error| error.to_string());
                return Err(reason.into());
            }
        }
        Ok(())
    }
}

impl Held {
    /// Begins the next turn, unless one is being made.
    fn go_on(&mut self, myself: &ActorRef<Message>) {
        if self.busy {
            return;
        }
        let Some((asked, place)) = self.waiting.pop_front() else { return };
        self.busy = true;
        let (myself, node, seat, awake) = (myself.clone(), self.node.clone(), self.seat.clone(), self.awake.clone());
        self.node.runtime.spawn(async move {
            let span = asked.span(&place.1, seat.id);
            let (begun, name) = (Instant::now(), asked.name());
            let turn = turns::take(&node, &seat, &awake, asked).instrument(span);
            let next = AssertUnwindSafe(turn).catch_unwind().await;
            drop(place);
            ::metrics::histogram!(metrics::TURN, "turn" => name).record(begun.elapsed());
            let panicked = next.is_err();
            let done = next.map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
            });
            let _ = myself.send_message(Message::Done(done));
            if panicked {
                // At once: nobody is let in until the supervisor has heard of it.
                awake.abandon(SessionError::Failed(seat.id));
            }
        });
    }
}
