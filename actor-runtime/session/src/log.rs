//! The latest events of a session, in memory, for whoever follows them.
//!
//! ```text
//! before ┤ 2.7 │ 2.8 │ … │ 2.19 ├ head         at most 1,024 events and 1 MiB; older ones are asked of Durability
//! ```
//! Only what may be sent is here: the scribe puts an event in once it is as durable as its session promises.

use crate::event::Event;
use crate::position::Position;
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Events kept in memory.
pub(crate) const EVENTS_MAX: usize = 1024;
/// Bytes of events kept in memory.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;
/// Bytes of events one look takes.
const LOOK_BYTES: usize = 256 * 1024;

/// The latest events.
#[derive(Debug, Default)]
pub(crate) struct Log {
    ring: Mutex<Ring>,
    grown: Notify,
    /// Clients that watch files: while there are any, more of what changed is listed.
    pub(crate) watchers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    /// The event before the first in the ring, and the last there is; unknown until an owner began here.
    span: Option<(Position, Position)>,
    /// Nothing will follow.
    over: bool,
}

/// What a follower finds behind its cursor.
#[derive(Debug)]
pub(crate) enum Look {
    /// These come next.
    Events(Vec<Event>),
    /// Nothing yet.
    Head,
    /// What comes next is no longer here, but kept; up to this position it may be sent.
    Older(Position),
    /// The cursor is behind the last event there is.
    Beyond(Position),
    /// No owner began here since this node started.
    Unknown,
    /// Nothing will follow.
    Over,
}

impl Log {
    /// An owner begins behind `previous`.
    pub(crate) fn begin(&self, previous: Position) {
        let mut ring = self.lock();
        *ring = Ring { span: Some((previous, previous)), ..Ring::default() };
    }

    /// Adds events that may be sent now.
    pub(crate) fn publish(&self, events: impl IntoIterator<Item = Event>) {
        let mut ring = self.lock();
        for event in events {
            ring.push(event);
        }
        drop(ring);
        self.grown.notify_waiters();
    }

    /// What comes after `after`.
    pub(crate) fn look(&self, after: Position) -> Look {
        let ring = self.lock();
        let Some((before, head)) = ring.span else {
            return if ring.over { Look::Over } else { Look::Unknown };
        };
        if after > head {
            return Look::Beyond(head);
        }
        if after == head {
            return if ring.over { Look::Over } else { Look::Head };
        }
        if after < before {
            return Look::Older(head);
        }
        let mut bytes = 0;
        let start = ring.events.partition_point(|event| event.position <= after);
        let enough = |event: &&Event| {
            let fits = bytes < LOOK_BYTES;
            bytes += event.weight();
            fits
        };
        Look::Events(ring.events.range(start..).take_while(enough).cloned().collect())
    }

    /// The events after `after` that are still here, and whether all of them are.
    pub(crate) fn since(&self, after: Position) -> (Vec<Event>, bool) {
        let ring = self.lock();
        let start = ring.events.partition_point(|event| event.position <= after);
        let complete = ring.span.is_some_and(|(before, _)| before <= after);
        (ring.events.range(start..).cloned().collect(), complete)
    }

    /// Calls `visit` with each event after `after` that is still here; whether that is all of them.
    pub(crate) fn visit(&self, after: Position, mut visit: impl FnMut(&Event)) -> bool {
        let ring = self.lock();
        let start = ring.events.partition_point(|event| event.position <= after);
        ring.events.range(start..).for_each(&mut visit);
        ring.span.is_some_and(|(before, _)| before <= after)
    }

    /// The last event that may be sent.
    pub(crate) fn head(&self) -> Option<Position> {
        self.lock().span.map(|(_, head)| head)
    }

    /// Gives the memory back; what was here is asked of [`crate::durability::Durability`].
    pub(crate) fn shrink(&self) {
        let mut ring = self.lock();
        ring.events = VecDeque::new();
        ring.bytes = 0;
        if let Some((before, head)) = &mut ring.span {
            *before = *head;
        }
    }

    /// The owner is gone and another one may be elsewhere: what is last is no longer known here.
    pub(crate) fn forget(&self) {
        let mut ring = self.lock();
        *ring = Ring { over: ring.over, ..Ring::default() };
        drop(ring);
        self.grown.notify_waiters();
    }

    /// Nothing will follow: the session is gone.
    pub(crate) fn end(&self) {
        self.lock().over = true;
        self.grown.notify_waiters();
    }

    /// Resolves when there is something new. To be made before a look, so that nothing is missed in between.
    pub(crate) fn grown(&self) -> tokio::sync::futures::Notified<'_> {
        self.grown.notified()
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn push(&mut self, event: Event) {
        let position = event.position;
        self.bytes += event.weight();
        self.events.push_back(event);
        let before = self.span.map_or(position, |(before, _)| before);
        self.span = Some((before, position));
        while self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX {
            let Some(first) = self.events.pop_front() else { break };
            self.bytes -= first.weight();
            self.span = Some((first.position, position));
        }
    }
}

#[cfg(test)]
mod tests;
