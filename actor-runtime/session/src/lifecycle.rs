//! The turns a session's life takes, all of them, in one place.
//!
//! ```text
//!              ┌──── Wake ────▶ Waking ──── Woken ───▶ Active ◀── Returned ──┐
//!          Resting ◀── WakeFailed ─┘ │                 │   └── Leave(how) ─▶ Leaving(hibernating, deleting)
//!            ▲ ▲                     └── GaveUp ─┐     │ Lost                │        │
//!            │ └──────────── Rested ─────────────┼─────┼─────────────────────┘        │ Gone
//!            └───────────────── Lost ────────────┼─────┘                              ▼
//!                                             Failed ── Wake (later) ─▶ Waking     Deleted
//! ```
//! Clients see the same states as lifecycle events and in summaries.

use crate::awake::Awake;
use crate::error::SessionError;
use crate::event::State;
use std::sync::Arc;
use std::time::Instant;

/// Where a session's life stands on this node.
#[derive(Debug)]
pub(crate) enum Life {
    /// Nobody holds it here: at rest, elsewhere, or not there at all.
    Resting,
    /// It is being claimed and its kernel made; who wants it waits.
    Waking,
    /// It takes requests.
    Active(Arc<Awake>),
    /// It takes no requests, and will be at rest or gone.
    Leaving(Arc<Awake>, State),
    /// Its actor failed again and again.
    Failed {
        /// In words.
        reason: String,
        /// When it may be tried again.
        until: Instant,
    },
    /// It was deleted here.
    Deleted,
}

/// A turn.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Someone wants it.
    Wake,
    /// It is awake.
    Woken(Arc<Awake>),
    /// It could not be woken.
    WakeFailed,
    /// It begins to leave for this state.
    Leave(State),
    /// It could not leave, and goes on.
    Returned,
    /// It is at rest.
    Rested,
    /// It was deleted.
    Gone,
    /// Its actor ended without being asked to.
    Lost,
    /// Its actor ended so too often.
    GaveUp(String, Instant),
}

impl Life {
    /// Takes a turn; whether it can be taken from here. What cannot changes nothing.
    pub(crate) fn take(&mut self, turn: Turn, now: Instant) -> bool {
        let old = std::mem::replace(self, Life::Resting);
        let (new, taken) = match (old, turn) {
            (Life::Resting, Turn::Wake) => (Life::Waking, true),
            (Life::Failed { until, .. }, Turn::Wake) if now >= until => (Life::Waking, true),
            (Life::Waking, Turn::Woken(awake)) => (Life::Active(awake), true),
            (Life::Waking, Turn::WakeFailed) => (Life::Resting, true),
            (Life::Active(awake), Turn::Leave(state)) => (Life::Leaving(awake, state), true),
            // A deletion overtakes a hibernation.
            (Life::Leaving(awake, _), Turn::Leave(State::Deleted)) => (Life::Leaving(awake, State::Deleted), true),
            (Life::Leaving(awake, _), Turn::Returned) => (Life::Active(awake), true),
            (Life::Leaving(..), Turn::Rested) => (Life::Resting, true),
            (Life::Leaving(..) | Life::Waking, Turn::Gone) => (Life::Deleted, true),
            (Life::Active(_) | Life::Leaving(..) | Life::Waking, Turn::Lost) => (Life::Resting, true),
            (Life::Active(_) | Life::Leaving(..) | Life::Waking | Life::Resting, Turn::GaveUp(reason, until)) => {
                (Life::Failed { reason, until }, true)
            }
            (old, _) => (old, false),
        };
        *self = new;
        taken
    }

    /// The session, if it is awake, whether or not it takes requests.
    pub(crate) fn awake(&self) -> Option<&Arc<Awake>> {
        match self {
            Life::Active(awake) | Life::Leaving(awake, _) => Some(awake),
            Life::Resting | Life::Waking | Life::Failed { .. } | Life::Deleted => None,
        }
    }

    /// As clients see it; `None` when this node does not know better than what is kept.
    pub(crate) fn state(&self) -> Option<State> {
        match self {
            Life::Resting => None,
            Life::Waking => Some(State::Waking),
            Life::Active(_) => Some(State::Active),
            Life::Leaving(_, State::Deleted) => Some(State::Active),
            Life::Leaving(_, state) => Some(*state),
            Life::Failed { .. } => Some(State::Failed),
            Life::Deleted => Some(State::Deleted),
        }
    }

    /// Why it cannot be used now, if that is so.
    pub(crate) fn refusal(&self, id: crate::id::SessionId, now: Instant) -> Option<SessionError> {
        match self {
            Life::Failed { until, .. } if now < *until => Some(SessionError::WrongState { id, state: State::Failed }),
            Life::Deleted => Some(SessionError::Durability(crate::durability::DurabilityError::Deleted(id))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
