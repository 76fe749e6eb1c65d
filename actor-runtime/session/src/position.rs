//! Where an event stands in a session's log.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

/// Ownership epoch of a session: one higher (or more, after a power failure) each time a process takes it. Whatever is
/// stamped with an older epoch is refused. Starts at 1; there is no epoch 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(NonZeroU64);

impl Epoch {
    /// The first owner's.
    pub const FIRST: Epoch = Epoch(NonZeroU64::MIN);

    /// The next owner's.
    pub fn next(self) -> Epoch {
        Epoch(self.0.saturating_add(1))
    }

    /// As a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// From a number; `None` for 0.
    pub fn new(number: u64) -> Option<Epoch> {
        NonZeroU64::new(number).map(Epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's place: the epoch of the owner that wrote it, and its number, one higher each event of the session
/// whatever the epoch. Text: `epoch.seq`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Whose.
    pub epoch: Epoch,
    /// Which; the session's first event is 1. 0 stands before it.
    pub seq: u64,
}

impl Position {
    /// Before the first event.
    pub const START: Position = Position { epoch: Epoch::FIRST, seq: 0 };
    /// The highest number a text may name. No session lives to see it, and one more is still a number: whoever asks for
    /// what comes behind a position a client gave can add to it.
    pub const SEQ_MAX: u64 = i64::MAX as u64;
}

/// A text that is no position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a position: give EPOCH.SEQ as an event's id says it, for example 1.42")]
pub struct PositionError(String);

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Position, PositionError> {
        let parsed = text.split_once('.').and_then(|(epoch, seq)| {
            let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
            (plain(epoch) && plain(seq)).then_some(())?;
            let seq = seq.parse().ok().filter(|seq| *seq <= Position::SEQ_MAX)?;
            Some(Position { epoch: Epoch::new(epoch.parse().ok()?)?, seq })
        });
        parsed.ok_or_else(|| PositionError(text.chars().take(64).collect()))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.seq)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
