//! When a client may be told: the acknowledgement rule of each tier.
//!
//! An owner keeps one mark per place an entry can be in; entries get there in order, so a mark is a number. An
//! acknowledgement needs two things: that the entry is durable as its tier promises, and a proof that the session was still
//! ours then.
//!
//! ```text
//! tier        durable when                proof that it is still ours
//! scratch     made                        lease, or the record read since and just now
//! checkpoint  in the local log            lease, or the record read since and just now
//! journal     in the hot journal          the journal's own fence           (Redis there)
//!             in the store                the record read since             (Redis gone)
//! strict      in the store                the record read since
//! ```
//! Why the proofs suffice. Lease: nobody takes a session before its owner's lease has ended, and it ends earlier for the
//! owner. Fence: a new owner raises it before it reads the journal; an append is before that, and read, or after, and
//! refused. Record: a new owner writes it before it lists segments; a segment is before the list, and found, or the read
//! that follows it finds the new owner. Protects: nothing acknowledged is lost; one that was fenced acknowledges nothing.

use crate::rule::{Rule, Rules};
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// How much of what was acknowledged survives what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Tier {
    /// Survives nothing but an orderly end.
    Scratch,
    /// Survives the process; the last seconds may go with the machine.
    Checkpoint,
    /// Survives any single failure: of a node, of Redis.
    Journal,
    /// Survives every node and Redis together.
    Strict,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// That entries are as durable as the session's tier.
    Tier,
    /// At least as a journal: the start of a keyed command, whatever the tier. Who forgets one would run it twice.
    Fenced,
    /// Nothing; only the right to speak for the session.
    Right,
}

/// Up to which event everything is in a place, and up to which question something is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Marks {
    /// In the owner's memory.
    pub made: u64,
    /// In the node's local log.
    pub local: u64,
    /// In the hot journal whose fence was verified.
    pub hot: u64,
    /// In segments in the store.
    pub stored: u64,
    /// Questions asked, of any kind: orders a read of the record after what asked for it.
    pub asked: u64,
}

/// How things stood when a read or write of the record was sent that found it ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Confirmed {
    /// Up to which event everything was in the store.
    pub stored: u64,
    /// Up to which question all had been asked. Only of one whose answer came soon: see [`FRESH`].
    pub asked: u64,
}

/// Milliseconds from when a read of the record, or an append, is sent until what its answer says is too old to speak by. For what is in the store an
/// old one is as good: who came after us has found it there.
pub const FRESH: Millis = Millis(1000);

/// Why an acknowledgement was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// The lease had not ended.
    Lease,
    /// The hot journal took it under our epoch.
    Fence,
    /// The record named us, read or written after it was durable.
    Record,
}

/// What somebody waits for: that event `seq` may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The event.
    pub seq: u64,
    /// Number of the question.
    pub ask: u64,
    /// How.
    pub level: Level,
}

/// What an owner knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The session's.
    pub tier: Tier,
    /// What is where now.
    pub marks: Marks,
    /// What the record said.
    pub confirmed: Confirmed,
    /// Whether the lease holds now, and for this session.
    pub lease: bool,
}

/// What an acknowledgement lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lacks {
    /// The entry in the local log.
    Local,
    /// The entry in the hot journal, or else in the store.
    Hot,
    /// The entry in the store.
    Segment,
    /// A read of the record that begins now.
    Record,
}

/// Whether it may be told, and by which proof.
///
/// # Errors
/// What it lacks first.
pub fn judge(wanted: Wanted, known: Known, rules: Rules) -> Result<Proof, Lacks> {
    let Known { tier, marks, confirmed, lease } = known;
    let Wanted { seq, ask, level } = wanted;
    let right = |since: bool| match (lease, since) {
        (true, _) => Ok(Proof::Lease),
        (false, true) => Ok(Proof::Record),
        (false, false) => Err(Lacks::Record),
    };
    let in_store = || {
        if confirmed.stored >= seq {
            return Ok(Proof::Record);
        }
        if marks.stored < seq {
            return Err(Lacks::Segment);
        }
        if rules.keep(Rule::RereadBeforeAck) { Err(Lacks::Record) } else { Ok(Proof::Record) }
    };
    if !rules.keep(Rule::AckAfterDurable) && level == Level::Tier {
        return right(true);
    }
    match (level, tier) {
        (Level::Right, _) | (Level::Tier, Tier::Scratch) => right(confirmed.asked >= ask),
        (Level::Tier, Tier::Checkpoint) if marks.local < seq => Err(Lacks::Local),
        (Level::Tier, Tier::Checkpoint) => right(confirmed.asked >= ask),
        (Level::Tier | Level::Fenced, Tier::Journal) => {
            if marks.hot >= seq {
                return Ok(Proof::Fence);
            }
            in_store().map_err(|lacks| if lacks == Lacks::Segment { Lacks::Hot } else { lacks })
        }
        (Level::Fenced, Tier::Scratch | Tier::Checkpoint) | (Level::Tier | Level::Fenced, Tier::Strict) => in_store(),
    }
}

#[cfg(test)]
mod tests;
