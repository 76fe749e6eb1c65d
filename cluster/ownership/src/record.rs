//! A session's record: the only object of a session that ever changes, and its state machine.
//!
//! The record lies in the store and is written only on the version it was read at (or where there is none), so changes of
//! it are in one order that everybody agrees on, and whoever lost a session can make none. [`Record::after`] says which
//! record each change makes of which; [`table`] prints that.
//!
//! ```text
//!          create               rest                 claim
//! (none) ────────▶ owned ◀─────────────▶ resting ──────────▶ owned, epoch + 1
//!                   │  ▲ └ claim by another ──▶ owned, unsettled, epoch + 1 ──settle──▶ owned
//!                   │  └ commit, note, reaffirm; grant: another's, epoch + 1
//!                   └ delete, fail ──▶ deleted, failed
//! ```
//! Settled means that the record says behind which event the epoch's own begin. A session that was handed over in order is
//! settled with the change that hands it over. One that is taken from a dead owner is not: entries of the epoch that was
//! open may lie in segments and journals, and are brought in first.

use crate::acknowledge::Tier;
use crate::entry::Keys;
use crate::name::{Owner, TenantId};
use crate::position::{Epoch, Lineage};
use crate::rule::{Rule, Rules};
use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What is kept of who owns a session and where its events are. The shell keeps its files, name and settings beside.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Whose it is.
    pub tenant: TenantId,
    /// How its events are kept.
    pub tier: Tier,
    /// The epoch of the last owner.
    pub epoch: Epoch,
    /// Who has it.
    pub standing: Standing,
    /// The epoch whose entries behind `durable` count, if any do. The record is settled when that is `epoch`.
    pub open: Option<Epoch>,
    /// The last event that `segments` hold.
    pub durable: u64,
    /// Which event is of which epoch.
    pub lineage: Lineage,
    /// Objects with its events behind `noted.upto`, in their order, without a gap; the first may begin before.
    pub segments: Vec<Segment>,
    /// Keyed commands up to `durable`.
    pub keys: Keys,
    /// What the shell keeps beside.
    #[serde(default)]
    pub noted: Note,
    /// Goes up by one each write: no two versions have the same bytes.
    pub writes: u64,
}

/// Who has a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// This process.
    Owned(Owner),
    /// Nobody; all of it is in the store.
    Resting,
    /// Nobody can: what is kept of it cannot be read.
    Failed,
    /// Nobody ever again.
    Deleted {
        /// Since when; tombstones of a certain age are removed, once no create of that id can be on its way.
        at: Wall,
    },
}

/// Events in one object of the store, under the prefix of the epoch that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Segment {
    /// The prefix.
    pub epoch: Epoch,
    /// The object's first event, which is also its name.
    pub first: u64,
    /// The last event of it that counts.
    pub last: u64,
}

/// What the shell keeps beside a record, in the same object: files, a name, settings. The core knows it by a number, so that it
/// is written by the same conditional write, and no write is taken for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Note {
    /// Its number: the shell gives each one of its own, higher than the one before. 0 is what it was made with.
    pub part: u64,
    /// It says what entries up to this one did: objects with no others are not named any more.
    pub upto: u64,
}

/// Something done to a record, by one conditional write.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// A new session, owned by who makes it.
    Create {
        /// Whose.
        tenant: TenantId,
        /// How it is kept.
        tier: Tier,
    },
    /// Taken: a resting one, or one whose owner is dead.
    Claim,
    /// What the epochs before left behind is in the store; the new epoch begins behind it.
    Settle(Stored),
    /// More events are in the store.
    Commit(Stored),
    /// What the shell keeps beside is this.
    Note(Note),
    /// Nothing but that it is still ours: whoever decided on an older version to take it cannot.
    Reaffirm,
    /// It rests.
    Rest,
    /// It is another's: commit and hand-over in one.
    Grant(Owner),
    /// It is gone for ever.
    Delete(Wall),
    /// It cannot be read.
    Fail,
}

/// What a commit adds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Objects behind those the record has.
    pub segments: Vec<Segment>,
    /// Keyed commands up to the last of their events.
    pub keys: Keys,
}

/// Why a record cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("there is no such session")]
    Missing,
    /// There is one.
    #[error("there is a session of this id")]
    Exists,
    /// It was deleted.
    #[error("the session was deleted")]
    Deleted,
    /// It cannot be read.
    #[error("the session failed")]
    Failed,
    /// Only its owner may.
    #[error("another process owns the session")]
    NotOwner,
    /// It rests.
    #[error("the session rests")]
    Resting,
    /// Entries of an epoch before may be missing.
    #[error("what the last owner left is not in the store yet")]
    Unsettled,
    /// It was settled already.
    #[error("the epoch has begun")]
    Settled,
    /// The segments do not follow on those it has.
    #[error("the segments leave a gap, or overlap")]
    Gap,
    /// What is to be kept beside speaks of entries that are not in the store, or is older than what is.
    #[error("what is kept beside does not go on from what was")]
    Note,
}

impl Record {
    /// The record that `change` by `by` makes.
    ///
    /// # Errors
    /// [`Refusal`]; nothing changes then.
    pub fn after(record: Option<&Record>, by: Owner, change: &Change, rules: Rules) -> Result<Record, Refusal> {
        let Some(old) = record else {
            return match *change {
                Change::Create { tenant, tier } => Ok(Record::created(by, tenant, tier)),
                _ => Err(Refusal::Missing),
            };
        };
        match (old.standing, change) {
            (Standing::Deleted { .. }, _) => return Err(Refusal::Deleted),
            (_, Change::Create { .. }) => return Err(Refusal::Exists),
            (Standing::Failed, Change::Delete(_)) => {}
            (Standing::Failed, _) => return Err(Refusal::Failed),
            _ => {}
        }
        let mut new = Record { writes: old.writes + 1, ..old.clone() };
        let next = if rules.keep(Rule::EpochPerOwner) { old.epoch.next() } else { old.epoch };
        match change {
            Change::Create { .. } => return Err(Refusal::Exists),
            Change::Claim => {
                new.epoch = next;
                if old.standing == Standing::Resting || !rules.keep(Rule::SettleBeforeServe) {
                    new.begin(old.durable, rules);
                }
                new.standing = Standing::Owned(by);
            }
            Change::Settle(stored) => {
                old.owned_by(by)?;
                if old.open == Some(old.epoch) && rules.broken().is_none() {
                    return Err(Refusal::Settled);
                }
                new.take_in(stored)?;
                new.begin(new.durable, rules);
            }
            Change::Commit(stored) => {
                old.settled_by(by)?;
                new.take_in(stored)?;
            }
            Change::Note(note) => {
                old.settled_by(by)?;
                if note.part <= old.noted.part || !(old.noted.upto..=old.durable).contains(&note.upto) {
                    return Err(Refusal::Note);
                }
                new.noted = *note;
                new.segments.retain(|segment| segment.last > note.upto);
            }
            Change::Reaffirm => old.settled_by(by)?,
            Change::Rest => {
                old.settled_by(by)?;
                new.standing = Standing::Resting;
                new.open = None;
            }
            Change::Grant(to) => {
                old.settled_by(by)?;
                new.standing = Standing::Owned(*to);
                new.epoch = next;
                new.begin(old.durable, rules);
            }
            // One nobody owns, or whose owner is dead, is deleted by who would take it.
            Change::Delete(at) => {
                new.standing = Standing::Deleted { at: *at };
                new.epoch = next;
                new.open = None;
            }
            Change::Fail => {
                old.owned_by(by)?;
                new.standing = Standing::Failed;
                new.open = None;
            }
        }
        Ok(new)
    }

    fn created(by: Owner, tenant: TenantId, tier: Tier) -> Record {
        Record {
            tenant,
            tier,
            epoch: Epoch::FIRST,
            standing: Standing::Owned(by),
            open: Some(Epoch::FIRST),
            durable: 0,
            lineage: Lineage::first(),
            segments: Vec::new(),
            keys: Keys::default(),
            noted: Note::default(),
            writes: 1,
        }
    }

    /// The epoch's events begin behind `base`.
    fn begin(&mut self, base: u64, rules: Rules) {
        self.open = Some(self.epoch);
        let base = if rules.keep(Rule::CursorsGoOn) { base } else { 0 };
        self.lineage = self.lineage.with(self.epoch, base);
    }

    fn take_in(&mut self, stored: &Stored) -> Result<(), Refusal> {
        for segment in &stored.segments {
            if segment.first != self.durable + 1 || segment.last < segment.first {
                return Err(Refusal::Gap);
            }
            self.segments.push(*segment);
            self.durable = segment.last;
        }
        self.keys = stored.keys.clone();
        Ok(())
    }

    /// Whether the epoch has begun: entries of no other epoch count any more.
    pub fn is_settled(&self) -> bool {
        self.open == Some(self.epoch)
    }

    fn owned_by(&self, by: Owner) -> Result<(), Refusal> {
        match self.standing {
            Standing::Owned(owner) if owner == by => Ok(()),
            Standing::Owned(_) => Err(Refusal::NotOwner),
            Standing::Resting => Err(Refusal::Resting),
            Standing::Failed => Err(Refusal::Failed),
            Standing::Deleted { .. } => Err(Refusal::Deleted),
        }
    }

    fn settled_by(&self, by: Owner) -> Result<(), Refusal> {
        self.owned_by(by)?;
        if self.is_settled() { Ok(()) } else { Err(Refusal::Unsettled) }
    }
}

impl Change {
    /// Its name in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Change::Create { .. } => "create",
            Change::Claim => "claim",
            Change::Settle(_) => "settle",
            Change::Commit(_) => "commit",
            Change::Note(_) => "note",
            Change::Reaffirm => "reaffirm",
            Change::Rest => "rest",
            Change::Grant(_) => "grant",
            Change::Delete(_) => "delete",
            Change::Fail => "fail",
        }
    }
}

/// A record's state in tables, as the process `by` sees it.
pub fn state(record: Option<&Record>, by: Owner) -> &'static str {
    let Some(record) = record else { return "none" };
    match (record.standing, record.is_settled()) {
        (Standing::Owned(owner), true) if owner == by => "mine",
        (Standing::Owned(owner), false) if owner == by => "mine, unsettled",
        (Standing::Owned(_), true) => "another's",
        (Standing::Owned(_), false) => "another's, unsettled",
        (Standing::Resting, _) => "resting",
        (Standing::Failed, _) => "failed",
        (Standing::Deleted { .. }, _) => "deleted",
    }
}

/// Every change of every state, made by [`Record::after`] itself.
pub fn table() -> Table {
    use crate::name::{Incarnation, NodeId};
    let owner = |number: u32| Owner { node: NodeId(number), incarnation: Incarnation(u64::from(number)) };
    let (me, other) = (owner(1), owner(2));
    let after = |record: &Record, by: Owner, change: Change| {
        Record::after(Some(record), by, &change, Rules::ALL).expect("the changes that make the states of the table")
    };
    let mine = Record::created(me, TenantId(1), Tier::Journal);
    let resting = after(&mine, me, Change::Rest);
    let states = [
        None,
        Some(mine.clone()),
        Some(after(&after(&mine, other, Change::Claim), me, Change::Claim)),
        Some(after(&mine, me, Change::Grant(other))),
        Some(after(&mine, other, Change::Claim)),
        Some(resting),
        Some(after(&mine, me, Change::Fail)),
        Some(after(&mine, me, Change::Delete(Wall(0)))),
    ];
    let stored = || Stored { segments: Vec::new(), keys: Keys::default() };
    let changes = [
        Change::Create { tenant: TenantId(1), tier: Tier::Journal },
        Change::Claim,
        Change::Settle(stored()),
        Change::Commit(stored()),
        Change::Note(Note { part: 1, upto: 0 }),
        Change::Reaffirm,
        Change::Rest,
        Change::Grant(other),
        Change::Delete(Wall(0)),
        Change::Fail,
    ];
    let mut lines = Vec::new();
    for record in &states {
        for change in &changes {
            let made = Record::after(record.as_ref(), me, change, Rules::ALL);
            let epochs = |new: &Record| new.epoch.get() - record.as_ref().map_or(1, |old| old.epoch.get());
            lines.push(Line {
                from: state(record.as_ref(), me),
                change: change.name(),
                to: made.map(|new| (state(Some(&new), me), epochs(&new))),
            });
        }
    }
    Table(lines)
}

/// What [`table`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(pub Vec<Line>);

/// A state, a change, and what comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The state before.
    pub from: &'static str,
    /// The change.
    pub change: &'static str,
    /// The state after and how many epochs later, or why not.
    pub to: Result<(&'static str, u64), Refusal>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { from, change, to } in &self.0 {
            match to {
                Ok((to, 0)) => writeln!(f, "{from:<21} {change:<9} -> {to}")?,
                Ok((to, more)) => writeln!(f, "{from:<21} {change:<9} -> {to}, epoch + {more}")?,
                Err(why) => writeln!(f, "{from:<21} {change:<9}    refused: {why}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
