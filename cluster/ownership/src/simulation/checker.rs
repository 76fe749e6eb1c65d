//! What must hold, compared with everything that happens as it happens. Knows the truth: what is in the store, what clients
//! were told, what failed; never what a node thinks.

use super::bucket::Bucket;
use crate::acknowledge::{FRESH, Proof, Tier};
use crate::entry::{Entry, What};
use crate::name::{CommandKey, NodeId, Owner, SessionId};
use crate::position::{Epoch, Lineage, Position};
use crate::record::{Record, Segment, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    /// Which invariant.
    pub what: Invariant,
    /// What happened.
    pub how: String,
}

macro_rules! invariants {
    ($($(#[doc = $doc:literal])+ $name:ident),+ $(,)?) => {
        /// What must hold.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Invariant { $($(#[doc = $doc])+ $name),+ }

        impl Invariant {
            /// All of them.
            pub const ALL: &'static [Invariant] = &[$(Invariant::$name),+];

            /// What it says.
            pub fn text(self) -> &'static str {
                match self { $(Invariant::$name => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

invariants! {
    /// An epoch of a session is served by one process, once.
    OneOwner,
    /// Epochs, writes and the durable end of a record never fall, and nothing is written by who does not own it.
    RecordGoesOn,
    /// The objects a record names are there, and hold its events without gap or repetition, each of the epoch it says.
    RecordIsTrue,
    /// Nothing acknowledged or shown is lost, as far as its tier promises.
    NothingLost,
    /// What is acknowledged or shown at a position is what is there.
    NothingChanged,
    /// Who acts on a lease is the owner at that moment.
    LeaseMeansOwner,
    /// A keyed command is run once, and one without a key happens once.
    RunOnce,
    /// A client that follows sees no gap and no repetition, and is told to forget only what was lost.
    CursorsHold,
    /// A deleted session stays deleted.
    DeletedStays,
    /// A node restores no more at once than it may, and tenants take turns.
    RestoresBounded,
    /// When nothing fails any more every session answers within a bound.
    Reachable,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.what, self.how)
    }
}

/// A failure that may excuse a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Excuse {
    /// Something of a node's failed from, to.
    Node(NodeId, u64, u64),
    /// Redis forgot something.
    RedisLost(u64),
    /// Redis, or the store, was slow or away.
    Service(u64, u64),
    /// A node's disk is gone.
    Wiped(NodeId, u64),
}

/// Milliseconds for which what only a Redis had may be nowhere else: a commit, and time to notice.
const EXPOSED: u64 = 15_000;
/// Milliseconds from when Redis took an entry until its owner heard of it, at most.
const ANSWERED: u64 = 500;

/// Milliseconds for which one that was overtaken may speak of what its tier does not keep, by a record it read just before.
const STALE: u64 = FRESH.0 * 110 / 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Told {
    entry: Entry,
    at: u64,
    by: NodeId,
    /// As durable as a journal at least, whatever the tier.
    fenced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Session {
    id: SessionId,
    name: String,
    tier: Tier,
    /// The events the record's objects hold, from the first.
    content: Vec<Entry>,
    told: BTreeMap<u64, Told>,
    served: BTreeMap<Epoch, Owner>,
    runs: BTreeMap<CommandKey, u32>,
    /// Keyed commands whose start was lost as the tier allows.
    forgotten: BTreeSet<CommandKey>,
    lost: BTreeSet<u64>,
    happened: BTreeSet<u64>,
    deleted: bool,
    /// Where epochs began, and who began the last.
    lineage: Lineage,
    owner: Option<Owner>,
    /// When it was last taken.
    taken: u64,
    /// What the client that follows has.
    seen: Vec<Entry>,
}

/// Compares what happens with what must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checker {
    sessions: BTreeMap<SessionId, Session>,
    pub(super) excuses: Vec<Excuse>,
}

type Checked = Result<(), Violation>;

fn broken(what: Invariant, how: impl Into<String>) -> Checked {
    Err(Violation { what, how: how.into() })
}

impl Checker {
    pub(super) fn add(&mut self, id: SessionId, name: String, tier: Tier) {
        let session = Session {
            id,
            name,
            tier,
            content: Vec::new(),
            told: BTreeMap::new(),
            served: BTreeMap::new(),
            runs: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            lost: BTreeSet::new(),
            happened: BTreeSet::new(),
            deleted: false,
            lineage: Lineage::default(),
            owner: None,
            taken: 0,
            seen: Vec::new(),
        };
        self.sessions.insert(id, session);
    }

    /// A process serves a session.
    pub fn served(&mut self, id: SessionId, epoch: Epoch, by: Owner) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        match session.served.insert(epoch, by) {
            None => Ok(()),
            Some(other) => {
                broken(Invariant::OneOwner, format!("{} epoch {epoch}: served by {other}, then by {by}", session.name))
            }
        }
    }

    /// A record was written, or removed.
    pub fn wrote(
        &mut self,
        (now, by): (u64, Owner),
        id: SessionId,
        old: Option<&Record>,
        new: Option<&Record>,
        bucket: &Bucket,
    ) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let Some(new) = new else { return Ok(()) };
        let is_deleted = matches!(new.standing, Standing::Deleted { .. });
        if session.deleted && !is_deleted {
            return broken(Invariant::DeletedStays, format!("{} is back by {by}", session.name));
        }
        session.deleted |= is_deleted;
        if is_deleted {
            return Ok(());
        }
        session.goes_on(by, old, new)?;
        session.is_true(old, new, bucket)?;
        session.loses(now, by, old, new, &self.excuses)
    }

    /// The store removed a deleted session's record, and remembers nothing.
    pub(super) fn removed(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.deleted = true;
        }
    }

    /// A process says that event `position` is there, with this content if that is known.
    pub(super) fn told(
        &mut self,
        (now, by): (u64, Owner),
        id: SessionId,
        (position, what): (Position, What),
        fenced: bool,
    ) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        if session.deleted {
            return Ok(());
        }
        let Position { epoch, seq } = position;
        let entry = Entry { epoch, seq, what };
        if let Some(there) = session.content.get(usize::try_from(seq).unwrap_or(0).wrapping_sub(1))
            && *there != entry
        {
            return broken(Invariant::NothingChanged, format!("{}: {entry} was told, {there} is there", session.name));
        }
        let told = Told { entry, at: now, by: by.node, fenced };
        // Told by who was overtaken, on a read of the record from before.
        if session.lineage.position(seq).is_some_and(|there| there.epoch > epoch) {
            let owner = session.owner.unwrap_or(by);
            let late = now > session.taken + STALE;
            if late || !session.may_lose(now, owner, &told, &self.excuses) {
                return broken(Invariant::NothingLost, format!("{}: {entry} was told by {by}, too late", session.name));
            }
            session.lost.insert(seq);
            return Ok(());
        }
        if let Some(before) = session.told.get_mut(&seq) {
            if before.entry != entry {
                let how = format!("{}: {} was told, then {entry}", session.name, before.entry);
                return broken(Invariant::NothingChanged, how);
            }
            before.fenced |= fenced;
            return Ok(());
        }
        session.told.insert(seq, told);
        Ok(())
    }

    /// Something was done because a lease holds.
    pub fn acted(
        &self,
        id: SessionId,
        by: Owner,
        epoch: Option<Epoch>,
        proof: Proof,
        record: Option<&Record>,
    ) -> Checked {
        if proof != Proof::Lease {
            return Ok(());
        }
        let (standing, now) = match record {
            Some(record) => (record.standing, Some(record.epoch)),
            None => return Ok(()),
        };
        if standing == Standing::Owned(by) && epoch.is_none_or(|epoch| Some(epoch) == now) {
            return Ok(());
        }
        let name = self.sessions.get(&id).map_or("?", |session| session.name.as_str());
        let now = now.map_or(0, Epoch::get);
        broken(Invariant::LeaseMeansOwner, format!("{by} spoke for {name}; the record: {standing:?} in epoch {now}"))
    }

    /// A keyed command is run.
    pub fn ran(&mut self, id: SessionId, key: CommandKey) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let times = session.runs.entry(key).or_default();
        *times += 1;
        if *times > 1 && !session.forgotten.contains(&key) {
            return broken(Invariant::RunOnce, format!("{}: command {} was run {times} times", session.name, key.0));
        }
        Ok(())
    }

    /// The event at a number, as the record's objects have it.
    pub(super) fn content(&self, id: SessionId, seq: u64) -> Option<Entry> {
        let index = usize::try_from(seq).ok()?.checked_sub(1)?;
        self.sessions.get(&id)?.content.get(index).copied()
    }

    /// Where the client that follows stands.
    pub(super) fn cursor(&self, id: SessionId) -> Position {
        self.sessions.get(&id).and_then(|session| session.seen.last()).map_or(Position::START, Entry::position)
    }

    /// The client that follows got events.
    pub(super) fn saw(&mut self, id: SessionId, entries: &[Entry]) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        for entry in entries {
            let (last, epoch) = session.seen.last().map_or((0, Epoch::FIRST), |last| (last.seq, last.epoch));
            if entry.seq != last + 1 || entry.epoch < epoch {
                let how = format!("{}: {entry} follows on {epoch}.{last}", session.name);
                return broken(Invariant::CursorsHold, how);
            }
            session.seen.push(*entry);
        }
        Ok(())
    }

    /// The client that follows was told to forget what is behind an event.
    pub(super) fn forget(&mut self, id: SessionId, kept: u64) -> Checked {
        let Some(session) = self.sessions.get_mut(&id) else { return Ok(()) };
        let had = session.seen.len() as u64;
        if let Some(seq) = (kept + 1..=had).find(|seq| !session.lost.contains(seq)) {
            let how = format!("{}: told to forget {seq} to {had}, which was not lost", session.name);
            return broken(Invariant::CursorsHold, how);
        }
        session.seen.truncate(usize::try_from(kept).unwrap_or(0));
        Ok(())
    }

    /// The client that follows begins anew.
    pub(super) fn begin_anew(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.seen.clear();
        }
    }

    /// A session shows its events up to `upto` when nothing fails any more: all that were told by then.
    pub(super) fn has_all(&self, id: SessionId, upto: u64) -> Checked {
        let Some(session) = self.sessions.get(&id).filter(|session| !session.deleted) else { return Ok(()) };
        match session.told.range(upto + 1..).next() {
            Some((_, told)) => {
                let how = format!("{}: {} was told, and is not in the log", session.name, told.entry);
                broken(Invariant::NothingLost, how)
            }
            None => Ok(()),
        }
    }

    /// Whether a session was deleted.
    pub(super) fn is_deleted(&self, id: SessionId) -> bool {
        self.sessions.get(&id).is_some_and(|session| session.deleted)
    }
}

impl Session {
    /// The record goes on from the one before.
    fn goes_on(&mut self, by: Owner, old: Option<&Record>, new: &Record) -> Checked {
        let Some(old) = old else {
            self.lineage = new.lineage.clone();
            self.owner = Some(by);
            return Ok(());
        };
        let name = &self.name;
        if new.epoch < old.epoch || new.durable < old.durable || new.writes <= old.writes {
            return broken(Invariant::RecordGoesOn, format!("{name}: {by} wrote an older one"));
        }
        if let (Standing::Owned(one), Standing::Owned(two)) = (old.standing, new.standing)
            && one != two
            && old.epoch == new.epoch
        {
            return broken(Invariant::OneOwner, format!("{name} epoch {}: {one}, then {two}", new.epoch));
        }
        // Who keeps the epoch is who has it.
        if old.epoch == new.epoch && old.standing != Standing::Owned(by) {
            return broken(Invariant::RecordGoesOn, format!("{name}: {by} wrote in epoch {}, not its own", new.epoch));
        }
        Ok(())
    }

    /// The record's objects are there and hold what it says.
    fn is_true(&mut self, old: Option<&Record>, new: &Record, bucket: &Bucket) -> Checked {
        let untrue = |how: String| broken(Invariant::RecordIsTrue, how);
        let name = self.name.clone();
        let upto = new.noted.upto;
        let known: Vec<_> = old.iter().flat_map(|old| &old.segments).filter(|one| one.last > upto).copied().collect();
        if !new.segments.starts_with(&known) || upto > new.durable {
            return untrue(format!("{name}: segments were changed"));
        }
        // Those that came and went with the same write are of its writer's epoch.
        let mut gone = Vec::new();
        let mut first = self.content.len() as u64 + 1;
        while first <= upto {
            let epoch = old.map_or(new.epoch, |old| old.epoch);
            let last = bucket.segment(self.id, epoch, first).and_then(|entries| entries.last()).map(|last| last.seq);
            let Some(last) = last.filter(|last| *last <= upto) else {
                return untrue(format!("{name}: what is beside says of {first} what no object does"));
            };
            gone.push(Segment { epoch, first, last });
            first = last + 1;
        }
        for segment in gone.iter().chain(&new.segments[known.len()..]) {
            let Some(entries) = bucket.segment(self.id, segment.epoch, segment.first) else {
                return untrue(format!("{name}: object e{}/{} is not there", segment.epoch, segment.first));
            };
            let before = self.content.len() as u64;
            self.content.extend(entries.iter().filter(|entry| entry.seq <= segment.last));
            if self.content.len() as u64 != segment.last || before + 1 != segment.first {
                return untrue(format!(
                    "{name}: object e{}/{} holds other events than the record says",
                    segment.epoch, segment.first
                ));
            }
            for index in usize::try_from(before).unwrap_or(0)..self.content.len() {
                self.fits(index, new)?;
            }
        }
        Ok(())
    }

    fn fits(&mut self, index: usize, new: &Record) -> Checked {
        let entry = self.content[index];
        let (seq, name) = (index as u64 + 1, &self.name);
        let older = index > 0 && self.content[index - 1].epoch > entry.epoch;
        // While it is not settled nothing says of which epoch it is.
        let placed = new.lineage.position(seq).is_none_or(|position| position.epoch == entry.epoch);
        if entry.seq != seq || older || !placed {
            return broken(Invariant::RecordIsTrue, format!("{name}: {entry} is number {seq}"));
        }
        let again = match entry.what {
            What::Plain(number) => !self.happened.insert(number),
            What::Started(_) | What::Ended(_) => false,
        };
        if again {
            return broken(Invariant::RunOnce, format!("{name}: {entry} happened before"));
        }
        match self.told.get(&seq) {
            Some(told) if told.entry != entry => {
                broken(Invariant::NothingChanged, format!("{name}: {} was told, {entry} is there", told.entry))
            }
            _ => Ok(()),
        }
    }

    /// Where an epoch begins, or a session rests, everything that was told lies before, but for what its tier gives up.
    fn loses(&mut self, now: u64, by: Owner, old: Option<&Record>, new: &Record, excuses: &[Excuse]) -> Checked {
        if old.is_some_and(|old| old.epoch != new.epoch) {
            self.taken = now;
        }
        let began = new.is_settled() && old.is_some_and(|old| old.open != new.open);
        let base = match new.standing {
            Standing::Resting => new.durable,
            _ if began => new.lineage.spans().last().map_or(0, |span| span.base),
            _ => return Ok(()),
        };
        if base != new.durable {
            return broken(Invariant::RecordIsTrue, format!("{}: epoch {} begins at {base}", self.name, new.epoch));
        }
        if began {
            self.lineage = new.lineage.clone();
            self.owner = Some(by);
        }
        let orderly = new.standing == Standing::Resting || old.is_some_and(Record::is_settled);
        let lost: Vec<Told> = self.told.range(base + 1..).map(|(_, told)| *told).collect();
        for told in lost {
            if orderly || !self.may_lose(now, by, &told, excuses) {
                let how =
                    format!("{}: {} was told at {} ms by n{} and is lost", self.name, told.entry, told.at, told.by.0);
                return broken(Invariant::NothingLost, how);
            }
            if let What::Started(key) = told.entry.what {
                self.forgotten.insert(key);
            }
            self.told.remove(&told.entry.seq);
            self.lost.insert(told.entry.seq);
        }
        Ok(())
    }

    /// What a tier gives up.
    fn may_lose(&self, now: u64, by: Owner, told: &Told, excuses: &[Excuse]) -> bool {
        match self.tier {
            Tier::Scratch => !told.fenced,
            // The local log has it, if this is the same machine with its disk.
            Tier::Checkpoint => {
                let gone = |excuse: &Excuse| match excuse {
                    Excuse::Wiped(node, at) => *node == by.node && (told.at..=now).contains(at),
                    _ => false,
                };
                !told.fenced && (by.node != told.by || excuses.iter().any(gone))
            }
            // Any single failure is survived: Redis forgot it, and its owner failed before it could bring it to the store.
            Tier::Journal => {
                // It may have been there and gone before its owner said so.
                let exposed = told.at.saturating_sub(ANSWERED)..=told.at + EXPOSED;
                let redis = excuses.iter().any(|excuse| match excuse {
                    Excuse::RedisLost(at) => exposed.contains(at),
                    _ => false,
                });
                let other = excuses.iter().any(|excuse| match excuse {
                    Excuse::Node(node, from, to) => {
                        *node == told.by && *from <= *exposed.end() && *to >= *exposed.start()
                    }
                    Excuse::Service(from, to) => *from <= *exposed.end() && *to >= *exposed.start(),
                    _ => false,
                });
                redis && other
            }
            Tier::Strict => false,
        }
    }
}
