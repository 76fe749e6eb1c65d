//! What an owner writes down, and what is remembered of keyed commands.

use crate::name::CommandKey;
use crate::position::{Epoch, Position};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One event of a session as its owner wrote it. Of one epoch and number there is only ever one entry: an owner's log in
/// memory is appended to and never changed, so copies of it in several places can be put together by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The owner's.
    pub epoch: Epoch,
    /// One higher each event of the session.
    pub seq: u64,
    /// What happened.
    pub what: What,
}

impl Entry {
    /// Where it stands.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, seq: self.seq }
    }
}

/// What happened. The bytes of events are the shell's; decisions need no more than this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum What {
    /// Something the shell knows by this number.
    Plain(u64),
    /// A keyed command is about to be run.
    Started(CommandKey),
    /// A keyed command has an outcome.
    Ended(CommandKey),
}

/// Keyed commands that are remembered, at most; the shell refuses keys that are older.
pub const KEYS_MAX: usize = 1024;

/// What is known of keyed commands: whether each has an outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keys(BTreeMap<CommandKey, Outcome>);

/// What became of a keyed command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// It began with this event. If its owner is gone it may or may not have been run: it is never run again.
    Started(u64),
    /// It ended with this event.
    Ended(u64),
}

impl Keys {
    /// After one more entry.
    pub fn note(&mut self, entry: &Entry) {
        let (key, outcome) = match entry.what {
            What::Plain(_) => return,
            What::Started(key) => (key, Outcome::Started(entry.seq)),
            What::Ended(key) => (key, Outcome::Ended(entry.seq)),
        };
        self.0.insert(key, outcome);
        if self.0.len() > KEYS_MAX
            && let Some(oldest) = self.0.iter().min_by_key(|(_, outcome)| outcome.seq()).map(|(key, _)| *key)
        {
            self.0.remove(&oldest);
        }
    }

    /// What became of one.
    pub fn get(&self, key: CommandKey) -> Option<Outcome> {
        self.0.get(&key).copied()
    }
}

impl Outcome {
    /// The event that says so.
    pub fn seq(self) -> u64 {
        match self {
            Outcome::Started(seq) | Outcome::Ended(seq) => seq,
        }
    }
}
