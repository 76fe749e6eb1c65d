//! Where an event stands in a session's log, and which owner's events are where.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;

/// Ownership epoch of a session: one higher each time a process takes it. Whatever is stamped with an older epoch is
/// refused. Starts at 1; there is no epoch 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// The first owner's.
    pub const FIRST: Epoch = Epoch(NonZeroU64::MIN);

    /// The next owner's.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }

    /// From a number; there is no 0.
    pub fn new(number: u64) -> Option<Epoch> {
        NonZeroU64::new(number).map(Epoch)
    }

    /// As a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's place: the epoch of the owner that wrote it, and its number, one higher each event of the session whatever
/// the epoch. Text: `epoch.seq`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// Whose.
    pub epoch: Epoch,
    /// Which; the session's first event is 1. 0 stands before it.
    pub seq: u64,
}

impl Position {
    /// Before the first event.
    pub const START: Position = Position { epoch: Epoch::FIRST, seq: 0 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

/// Where an epoch's events begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Whose.
    pub epoch: Epoch,
    /// The last event of the epochs before; its own first is one higher.
    pub base: u64,
}

/// Which epoch each event number belongs to, for the epochs that are remembered: oldest first, both fields never fall. An
/// owner's first event tells clients its span's base, so that they know what was kept of the epoch before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Lineage(Vec<Span>);

/// Epochs a record remembers, at most. A cursor of an older one gets a [`Resume::Resync`].
pub const SPANS_MAX: usize = 64;

/// How a client's cursor continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resume {
    /// Behind this event, which the client has.
    After(u64),
    /// The client has events that were not kept, or of an epoch that is not remembered: it forgets what is behind `kept`
    /// and goes on from there.
    Resync {
        /// The last event of its own that stands.
        kept: u64,
        /// The last one it has.
        had: u64,
    },
    /// The cursor is of a later epoch than any known here: whoever asks has heard of an owner that came after us.
    Newer,
}

impl Lineage {
    /// A first owner's.
    pub fn first() -> Lineage {
        Lineage(vec![Span { epoch: Epoch::FIRST, base: 0 }])
    }

    /// With the epoch of the next owner, whose events begin behind `base`.
    #[must_use]
    pub fn with(&self, epoch: Epoch, base: u64) -> Lineage {
        let mut spans = self.0.clone();
        // Epochs that wrote nothing are not needed to place an event; the first says how far back one is known.
        let mut first = true;
        spans.retain(|span| std::mem::take(&mut first) || span.base < base);
        spans.push(Span { epoch, base });
        if spans.len() > SPANS_MAX {
            spans.remove(0);
        }
        Lineage(spans)
    }

    /// The spans, oldest first.
    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The position of event `seq`; `None` for one before those that are remembered.
    pub fn position(&self, seq: u64) -> Option<Position> {
        if seq == 0 {
            return Some(Position::START);
        }
        let span = self.0.iter().rev().find(|span| span.base < seq)?;
        Some(Position { epoch: span.epoch, seq })
    }

    /// How a cursor goes on in a log that ends with event `head`.
    pub fn resume(&self, cursor: Position, head: u64) -> Resume {
        if cursor.seq == 0 {
            return Resume::After(0);
        }
        if self.0.last().is_none_or(|newest| cursor.epoch > newest.epoch) {
            return Resume::Newer;
        }
        // Where the cursor's epoch ended: at the base of the first one after it.
        let next = self.0.iter().find(|span| span.epoch > cursor.epoch);
        let end = next.map_or(head, |span| span.base);
        let known = self.0.first().is_some_and(|oldest| oldest.epoch <= cursor.epoch);
        if !known {
            return Resume::Resync { kept: end.min(cursor.seq), had: cursor.seq };
        }
        if cursor.seq <= end { Resume::After(cursor.seq) } else { Resume::Resync { kept: end, had: cursor.seq } }
    }
}

#[cfg(test)]
mod tests;
