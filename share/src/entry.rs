//! What the tree has of each tenant, session and process, and what it says after a change.

use super::bucket::Bucket;
use super::level::{Level, Place, Virtual};
use super::{Figures, SLICE, Share};

/// A process, by its index and the number of its making: an index is used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) index: usize,
    pub(super) number: u64,
}

/// What a process is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has nothing to do.
    Idle,
    /// It has, and no slot.
    Waiting { since: u64, throttled_before: u64 },
    /// It has a slot and has not been seen to run; `in_turn` unless it went before all.
    Granted { in_turn: bool },
    /// It runs since then; something may have happened meanwhile that makes it go on afterwards.
    Running { since: u64, again: bool },
}

#[derive(Debug)]
pub(super) struct Task<T> {
    pub(super) number: u64,
    pub(super) session: usize,
    pub(super) at: Virtual,
    pub(super) place: Option<Place>,
    pub(super) state: State,
    /// Asked to end its slice.
    pub(super) asked: bool,
    /// In the express queue instead of its session's.
    pub(super) express: bool,
    pub(super) value: T,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) tenant: usize,
    pub(super) at: Virtual,
    pub(super) place: Option<Place>,
    /// Its processes that have a slot.
    pub(super) holding: usize,
    pub(super) level: Level,
    pub(super) figures: Figures,
}

#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) share: Share,
    pub(super) bucket: Option<Bucket>,
    pub(super) at: Virtual,
    pub(super) place: Option<Place>,
    pub(super) holding: usize,
    pub(super) level: Level,
    pub(super) figures: Figures,
    /// Since when its quota keeps processes of it waiting.
    pub(super) throttled: Option<u64>,
}

impl Tenant {
    /// Nanoseconds its quota has kept it waiting.
    pub(super) fn throttled_nanos(&self, now: u64) -> u64 {
        let present = self.throttled.map_or(0, |since| now.saturating_sub(since));
        u64::try_from(self.figures.throttled.as_nanos()).unwrap_or(u64::MAX).saturating_add(present)
    }

    pub(super) fn slice(&self) -> Virtual {
        Virtual::weighted(SLICE, self.share.weight)
    }
}

/// What others are to be told after a change.
#[derive(Debug)]
pub(super) struct News<T> {
    /// Processes that have a slot now. Nearly always one or none.
    pub(super) granted: Option<T>,
    pub(super) more: Vec<T>,
    /// Those that are to end their slice.
    pub(super) asked: [Option<T>; 2],
}

impl<T> News<T> {
    pub(super) fn none() -> News<T> {
        News { granted: None, more: Vec::new(), asked: [None, None] }
    }

    pub(super) fn grant(&mut self, value: T) {
        match &self.granted {
            None => self.granted = Some(value),
            Some(_) => self.more.push(value),
        }
    }
}

/// How a turn of a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It waits for something, unless that happened meanwhile.
    Waits,
    /// It is over.
    Ends,
}
