//! A session on its way to this node: whose it is, whether that owner is dead, and what it left behind.
//!
//! ```text
//! look ─▶ judge ─▶ wait for a turn ─▶ claim ─▶ fence ─▶ list ─▶ local log ─▶ copy ─▶ settle ─▶ served
//! record  its      admission          epoch    hot      eE/     entries of   into the record
//!         lease                       + 1      journal          epoch E      store
//! ```
//! One that rests, or was handed to us, is settled by the claim and served at once. The order is the point: the record before
//! the lease of the owner it names; the claim before anything is looked for, since what the old owner writes after it is
//! never acknowledged; the fence before the journal is read. A write without an answer is followed by a read.

use crate::acknowledge::Tier;
use crate::entry::Entry;
use crate::lease::{Home, Peer, Term, Watch};
use crate::message::{
    Answer, Asked, Effect, HotAnswer, HotRequest, LocalAnswer, LocalRequest, Op, Refused, Request, StoreAnswer,
    StoreFailure, StoreRequest, Unknown, Version,
};
use crate::name::{Owner, SessionId, TenantId};
use crate::owned::{Context, Owned, RETRY};
use crate::place::place;
use crate::position::{Epoch, Position};
use crate::record::{Change, Record, Segment, Standing, Stored};
use crate::rule::Rule;
use crate::time::Monotonic;
use std::collections::{BTreeMap, BTreeSet};

/// What a node knows that decides where a session is opened.
pub(crate) struct Surroundings<'a> {
    pub peers: &'a [Peer],
    pub watch: &'a Watch,
    pub draining: bool,
    /// The last epoch this process served of each session it had.
    pub served: &'a BTreeMap<SessionId, Epoch>,
    /// Processes of this node before this one, which are certainly dead: it holds the lock of their data folder.
    pub before: &'a [Owner],
    /// Processes once found dead: for a core that breaks a rule.
    pub found_dead: &'a BTreeSet<Owner>,
}

/// A session being opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Opening {
    id: SessionId,
    waiting: Vec<Request>,
    step: Step,
    busy: Option<u64>,
    retry_at: Option<Monotonic>,
    found: Option<(Record, Version)>,
    claimed: bool,
    /// The Redis whose fence was raised, and what its journal had.
    hot: Option<(Option<Home>, Vec<Entry>)>,
    listed: Option<Vec<Vec<Entry>>>,
    local: Option<Vec<Entry>>,
    /// What was found is in the store, as these.
    gathered: Option<Stored>,
    affirmed: Option<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Look,
    Judge(Owner, Monotonic),
    Queue,
    Write { new: Box<Record>, term: Option<Term> },
    Compare { new: Box<Record> },
    Fence,
    List,
    Local,
    Copy { entries: Vec<Entry>, then: Stored },
}

/// What comes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It goes on.
    Stay,
    /// It is not opened here; everybody was told.
    Drop,
    /// It may go on when the node admits it.
    Admit(TenantId),
    /// It is ours.
    Serve(Box<Owned>, Vec<Request>),
}

/// Names of the steps, in tables.
pub(crate) const STEPS: &[&str] = &["look", "judge", "queue", "write", "compare", "fence", "list", "local", "copy"];

impl Opening {
    pub(crate) fn new(id: SessionId) -> Opening {
        Opening {
            id,
            waiting: Vec::new(),
            step: Step::Look,
            busy: None,
            retry_at: None,
            found: None,
            claimed: false,
            hot: None,
            listed: None,
            local: None,
            gathered: None,
            affirmed: None,
        }
    }

    /// A client waits for it.
    pub(crate) fn request(&mut self, cx: &mut Context<'_>, request: Request) {
        if self.waiting.len() < crate::owned::WAITING_MAX {
            self.waiting.push(request);
        } else {
            cx.refuse(request.id, Refused::Busy);
        }
    }

    pub(crate) fn wake(&self) -> Option<Monotonic> {
        self.retry_at
    }

    /// Which step it is at, of [`STEPS`].
    pub(crate) fn step(&self) -> &'static str {
        let number = match self.step {
            Step::Look => 0,
            Step::Judge(..) => 1,
            Step::Queue => 2,
            Step::Write { .. } => 3,
            Step::Compare { .. } => 4,
            Step::Fence => 5,
            Step::List => 6,
            Step::Local => 7,
            Step::Copy { .. } => 8,
        };
        STEPS[number]
    }

    /// Refuses all who wait.
    pub(crate) fn refuse(&mut self, cx: &mut Context<'_>, why: Refused) -> Turn {
        for request in std::mem::take(&mut self.waiting) {
            cx.refuse(request.id, why);
        }
        Turn::Drop
    }

    fn go(&mut self, cx: &mut Context<'_>, step: Step) -> Turn {
        self.step = step;
        self.send(cx);
        Turn::Stay
    }

    /// From the start: what was known does not hold.
    fn again(&mut self, cx: &mut Context<'_>) -> Turn {
        let waiting = std::mem::take(&mut self.waiting);
        *self = Opening { waiting, ..Opening::new(self.id) };
        self.go(cx, Step::Look)
    }

    /// Asks what the step needs.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>) {
        self.retry_at = None;
        let op = cx.op(self.id);
        self.busy = Some(op.number);
        let id = self.id;
        let (open, durable) =
            self.found.as_ref().map_or((None, 0), |(record, _)| (record.open.or(Some(record.epoch)), record.durable));
        let open = open.unwrap_or(Epoch::FIRST);
        let epoch = self.found.as_ref().map_or(Epoch::FIRST, |(record, _)| record.epoch);
        let version = self.found.as_ref().map(|(_, version)| *version);
        let effect = match &mut self.step {
            Step::Look | Step::Compare { .. } => Effect::Store(op, StoreRequest::Read(id)),
            Step::Judge(owner, sent) => {
                *sent = cx.now.mono;
                Effect::Hot(op, HotRequest::Lease(*owner))
            }
            Step::Queue => {
                self.busy = None;
                return;
            }
            Step::Write { new, term } => {
                *term = cx.lease.term();
                match (new.standing, version) {
                    (Standing::Deleted { .. }, Some(version)) if !cx.rules.keep(Rule::Tombstone) => {
                        Effect::Store(op, StoreRequest::Remove(id, version))
                    }
                    _ => Effect::Store(op, StoreRequest::Write(id, version, new.clone())),
                }
            }
            Step::Fence if cx.rules.keep(Rule::FenceJournalFirst) => Effect::Hot(op, HotRequest::Raise(id, epoch)),
            Step::Fence => Effect::Hot(op, HotRequest::Peek(id)),
            Step::List => Effect::Store(op, StoreRequest::List(id, open, durable)),
            Step::Local => Effect::Local(op, LocalRequest::Read(id)),
            Step::Copy { entries, .. } => Effect::Store(op, StoreRequest::Put(id, epoch, entries.clone())),
        };
        cx.out.push(effect);
    }

    /// A write of the record did not happen. What it was decided on may have passed: an owner that was dead may live. Once the
    /// session is ours only another's claim could change that, and the same is written again.
    fn look_later(&mut self, cx: &Context<'_>) -> Turn {
        if !self.claimed {
            let waiting = std::mem::take(&mut self.waiting);
            *self = Opening { waiting, ..Opening::new(self.id) };
        } else if let Step::Compare { new } = &self.step {
            self.step = Step::Write { new: new.clone(), term: None };
        }
        self.later(cx)
    }

    fn takes(&mut self, op: Op) -> bool {
        let is_ours = self.busy == Some(op.number);
        if is_ours {
            self.busy = None;
        }
        is_ours
    }

    fn later(&mut self, cx: &Context<'_>) -> Turn {
        self.retry_at = Some(cx.now.mono.plus(RETRY));
        Turn::Stay
    }

    /// The store answered.
    pub(crate) fn store_answer(
        &mut self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        op: Op,
        answer: Result<StoreAnswer, StoreFailure>,
    ) -> Turn {
        if !self.takes(op) {
            return Turn::Stay;
        }
        match (self.step.clone(), answer) {
            (Step::Look, Ok(StoreAnswer::Record(found))) => self.looked(cx, around, found),
            (Step::Compare { new }, Ok(StoreAnswer::Record(found))) => self.compared(cx, around, &new, found),
            (Step::Write { new, term }, answer) => self.written(cx, (&new, term), answer),
            (Step::List, Ok(StoreAnswer::Entries(objects))) => {
                self.listed = Some(objects);
                self.next(cx)
            }
            // Refused: it is there, from a try that got no answer.
            (Step::Copy { then, .. }, Ok(_) | Err(StoreFailure::Mismatch)) => {
                self.gathered = Some(then);
                self.next(cx)
            }
            (_, _) => self.later(cx),
        }
    }

    /// The record was read for the first time.
    fn looked(
        &mut self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        found: Option<(Box<Record>, Version)>,
    ) -> Turn {
        let Some((record, version)) = found else {
            return self.create(cx, around);
        };
        self.found = Some((*record, version));
        let Some((record, _)) = &self.found else { return Turn::Stay };
        let (epoch, settled) = (record.epoch, record.is_settled());
        match record.standing {
            Standing::Deleted { .. } => self.refuse(cx, Refused::Deleted),
            Standing::Failed if self.is_deletion() => self.claim(cx),
            Standing::Failed => self.refuse(cx, Refused::Failed),
            Standing::Resting => self.route(cx, around),
            Standing::Owned(owner) if owner == cx.me => {
                // Handed to us, or taken by a write of ours that got no answer. An epoch is served once: what a process
                // wrote in it before may still be on its way.
                let fresh = around.served.get(&self.id).is_none_or(|served| *served < epoch);
                if fresh && settled && self.is_deletion() {
                    self.claim(cx)
                } else if fresh || !cx.rules.keep(Rule::EpochServedOnce) {
                    self.claimed = true;
                    if settled { self.serve(cx) } else { self.next(cx) }
                } else {
                    self.claim(cx)
                }
            }
            Standing::Owned(owner) => {
                let placed_here = place(self.id, around.peers).is_none_or(|placed| placed == cx.me);
                let dead = around.before.contains(&owner)
                    || !cx.rules.keep(Rule::OwnerMustBeDead)
                    || (!cx.rules.keep(Rule::RecordOverPlacement) && placed_here)
                    || (!cx.rules.keep(Rule::RecordBeforeLease) && around.found_dead.contains(&owner));
                if dead { self.claim(cx) } else { self.go(cx, Step::Judge(owner, cx.now.mono)) }
            }
        }
    }

    fn is_deletion(&self) -> bool {
        self.waiting.first().is_some_and(|request| request.what == Asked::Delete)
    }

    /// There is no such session: made, if somebody wants to.
    fn create(&mut self, cx: &mut Context<'_>, around: &Surroundings<'_>) -> Turn {
        let wanted = |request: &Request| matches!(request.what, Asked::Create(..));
        if !self.waiting.iter().any(wanted) {
            return self.refuse(cx, Refused::Missing);
        }
        if let Some(turn) = self.redirect(cx, around) {
            return turn;
        }
        let wanted = self.waiting.iter().find_map(|request| match request.what {
            Asked::Create(tenant, tier) => Some((tenant, tier)),
            _ => None,
        });
        let Some((tenant, tier)) = wanted else { return self.refuse(cx, Refused::Missing) };
        match Record::after(None, cx.me, &Change::Create { tenant, tier }, cx.rules) {
            Ok(new) => self.go(cx, Step::Write { new: Box::new(new), term: None }),
            Err(_) => self.refuse(cx, Refused::Missing),
        }
    }

    /// Nobody has it: opened where it is placed.
    fn route(&mut self, cx: &mut Context<'_>, around: &Surroundings<'_>) -> Turn {
        match self.redirect(cx, around) {
            Some(turn) => turn,
            None => self.claim(cx),
        }
    }

    /// Requests that are not to be served here are sent where the session is placed. `None`: some are.
    fn redirect(&mut self, cx: &mut Context<'_>, around: &Surroundings<'_>) -> Option<Turn> {
        if self.waiting.is_empty() {
            // Found by the sweep: a session that rests stays where it is.
            let rests = self.found.as_ref().is_some_and(|(record, _)| record.standing == Standing::Resting);
            return (rests || around.draining).then_some(Turn::Drop);
        }
        let placed = place(self.id, around.peers).filter(|owner| owner.node != cx.me.node);
        match placed {
            None if around.draining => return Some(self.refuse(cx, Refused::Draining)),
            None => return None,
            Some(placed) => {
                let to = Refused::Misdirected { to: placed.node, placed: true };
                let (here, there): (Vec<_>, Vec<_>) =
                    self.waiting.drain(..).partition(|request| request.hops > 0 && !around.draining);
                self.waiting = here;
                for request in there {
                    cx.refuse(request.id, to);
                }
            }
        }
        self.waiting.is_empty().then_some(Turn::Drop)
    }

    /// It may be taken.
    fn claim(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some((record, _)) = &self.found else { return self.again(cx) };
        if self.is_deletion() {
            return self.remove(cx);
        }
        let tenant = record.tenant;
        self.step = Step::Queue;
        Turn::Admit(tenant)
    }

    fn remove(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some((record, _)) = &self.found else { return self.again(cx) };
        match Record::after(Some(record), cx.me, &Change::Delete(cx.now.wall), cx.rules) {
            Ok(new) => self.go(cx, Step::Write { new: Box::new(new), term: None }),
            Err(_) => self.again(cx),
        }
    }

    /// The node has room for it.
    pub(crate) fn admitted(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some((record, _)) = &self.found else { return self.again(cx) };
        let taken_from_owner = matches!(record.standing, Standing::Owned(_));
        if taken_from_owner && !cx.rules.keep(Rule::ClaimBeforeList) && self.listed.is_none() {
            return self.go(cx, Step::List);
        }
        match Record::after(Some(record), cx.me, &Change::Claim, cx.rules) {
            Ok(new) => self.go(cx, Step::Write { new: Box::new(new), term: None }),
            Err(_) => self.again(cx),
        }
    }

    /// A write of the record was answered.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        (new, term): (&Record, Option<Term>),
        answer: Result<StoreAnswer, StoreFailure>,
    ) -> Turn {
        let known = self.found.as_ref().map_or(Version(0), |(_, version)| *version);
        match answer {
            Ok(StoreAnswer::Written(version)) => self.holds(cx, new, version, term),
            Ok(_) => self.removed(cx),
            Err(StoreFailure::Conflict) => self.look_later(cx),
            // Somebody else was first, or an earlier try of ours was.
            Err(StoreFailure::Mismatch) if cx.rules.keep(Rule::RefusedIsNotSuccess) => {
                self.go(cx, Step::Compare { new: Box::new(new.clone()) })
            }
            Err(StoreFailure::Unknown) if cx.rules.keep(Rule::UnknownIsNotSuccess) => {
                self.go(cx, Step::Compare { new: Box::new(new.clone()) })
            }
            Err(StoreFailure::Mismatch | StoreFailure::Unknown) => self.holds(cx, new, known, term),
        }
    }

    /// The record was read because a write of it got no answer, or a refusal.
    fn compared(
        &mut self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        new: &Record,
        found: Option<(Box<Record>, Version)>,
    ) -> Turn {
        match found {
            // It is as we wrote it. In which term is not known.
            Some((record, version)) if *record == *new => self.holds(cx, new, version, None),
            // As it was before: it has not happened, and if it happens yet, this one will not.
            Some((_, version)) if self.found.as_ref().is_some_and(|(_, known)| *known == version) => {
                self.look_later(cx)
            }
            None if self.found.is_none() => self.look_later(cx),
            found => {
                let waiting = std::mem::take(&mut self.waiting);
                *self = Opening { waiting, ..Opening::new(self.id) };
                self.looked(cx, around, found)
            }
        }
    }

    /// The record is as we wrote it.
    fn holds(&mut self, cx: &mut Context<'_>, new: &Record, version: Version, term: Option<Term>) -> Turn {
        if matches!(new.standing, Standing::Deleted { .. }) {
            return self.removed(cx);
        }
        self.found = Some((new.clone(), version));
        self.affirmed = term;
        self.claimed = true;
        if new.is_settled() { self.serve(cx) } else { self.next(cx) }
    }

    fn removed(&mut self, cx: &mut Context<'_>) -> Turn {
        for request in std::mem::take(&mut self.waiting) {
            let answer = if request.what == Asked::Delete {
                let seq = self.found.as_ref().map_or(0, |(record, _)| record.durable);
                let position = Position { epoch: Epoch::FIRST, seq };
                Answer::Done { position, proof: crate::acknowledge::Proof::Record }
            } else {
                Answer::Refused(Refused::Deleted)
            };
            cx.reply(request.id, answer);
        }
        Turn::Drop
    }

    /// Redis answered. Told to the node: who was found dead.
    pub(crate) fn hot_answer(
        &mut self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_>,
        op: Op,
        answer: Result<(Home, HotAnswer), Unknown>,
    ) -> (Turn, Option<Owner>) {
        if !self.takes(op) {
            return (Turn::Stay, None);
        }
        match (self.step.clone(), answer) {
            (Step::Judge(owner, _), Ok((_, HotAnswer::Alive(true)))) => {
                (self.refuse(cx, Refused::Misdirected { to: owner.node, placed: false }), None)
            }
            (Step::Judge(owner, sent), Ok((home, HotAnswer::Alive(false))))
                if around.watch.may_judge(home, sent, cx.rules) =>
            {
                (self.route(cx, around), Some(owner))
            }
            (Step::Judge(..), _) => (self.refuse(cx, Refused::CannotJudge), None),
            (Step::Fence, Ok((home, HotAnswer::Journal(entries)))) => {
                let raised = cx.rules.keep(Rule::FenceJournalFirst).then_some(home);
                self.hot = Some((raised, entries));
                (self.next(cx), None)
            }
            // Somebody took it after us.
            (Step::Fence, Ok((_, HotAnswer::Fenced))) => (self.again(cx), None),
            _ => (self.later(cx), None),
        }
    }

    /// The local log answered.
    pub(crate) fn local_answer(&mut self, cx: &mut Context<'_>, op: Op, answer: LocalAnswer) -> Turn {
        if !self.takes(op) {
            return Turn::Stay;
        }
        match answer {
            LocalAnswer::Entries(entries) => {
                self.local = Some(entries);
                self.next(cx)
            }
            LocalAnswer::Appended => Turn::Stay,
        }
    }

    /// What the old owner left is looked for, brought into the store, and named.
    fn next(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some((record, _)) = &self.found else { return self.again(cx) };
        if !self.claimed {
            return self.admitted(cx);
        }
        if record.tier == Tier::Journal && self.hot.is_none() {
            return self.go(cx, Step::Fence);
        }
        if self.listed.is_none() {
            return self.go(cx, Step::List);
        }
        if self.local.is_none() {
            return self.go(cx, Step::Local);
        }
        let Some(gathered) = self.gathered.clone() else {
            let (entries, then) = self.gather(cx, record);
            return if entries.is_empty() {
                self.gathered = Some(then);
                self.next(cx)
            } else {
                self.go(cx, Step::Copy { entries, then })
            };
        };
        match Record::after(Some(record), cx.me, &Change::Settle(gathered), cx.rules) {
            Ok(new) if !cx.rules.keep(Rule::SettleBeforeServe) => {
                self.found = self.found.take().map(|(_, version)| (new, version));
                self.serve(cx)
            }
            Ok(new) => self.go(cx, Step::Write { new: Box::new(new), term: None }),
            Err(_) => self.again(cx),
        }
    }

    /// What counts of what was found: entries of the open epoch, one after the other behind the record's last. Objects of the
    /// old owner are named as they are; entries that were only in journals are to be put in an object of ours.
    fn gather(&self, cx: &Context<'_>, record: &Record) -> (Vec<Entry>, Stored) {
        let counts = |rule: Rule| {
            let any = !cx.rules.keep(rule);
            move |entry: &&Entry| any || Some(entry.epoch) == record.open
        };
        let mut by_seq: BTreeMap<u64, Entry> = BTreeMap::new();
        let hot = self.hot.iter().flat_map(|(_, entries)| entries).filter(counts(Rule::JournalOfOpenEpoch));
        let local = self.local.iter().flatten().filter(counts(Rule::LocalOfOpenEpoch));
        for entry in self.listed.iter().flatten().flatten().chain(hot).chain(local) {
            by_seq.entry(entry.seq).or_insert(*entry);
        }
        let (mut keys, mut last) = (record.keys.clone(), record.durable);
        while let Some(entry) = by_seq.get(&(last + 1)) {
            keys.note(entry);
            last += 1;
        }
        let (mut segments, mut stored) = (Vec::new(), record.durable);
        for object in self.listed.iter().flatten() {
            let (Some(first), Some(end)) = (object.first(), object.last()) else { continue };
            if first.seq == stored + 1 {
                segments.push(Segment { epoch: first.epoch, first: first.seq, last: end.seq });
                stored = end.seq;
            }
        }
        let copied: Vec<Entry> =
            by_seq.range(stored + 1..).map(|(_, entry)| *entry).filter(|entry| entry.seq <= last).collect();
        if let (Some(first), Some(end)) = (copied.first(), copied.last()) {
            segments.push(Segment { epoch: record.epoch, first: first.seq, last: end.seq });
        }
        (copied, Stored { segments, keys })
    }

    fn serve(&mut self, cx: &mut Context<'_>) -> Turn {
        let Some(found) = self.found.take() else { return self.again(cx) };
        let home = self.hot.take().and_then(|(home, _)| home);
        let owned = Owned::new(self.id, found, home, self.affirmed, cx.rules);
        let waiting = std::mem::take(&mut self.waiting);
        // Whoever asked for it to be made is told that it is.
        let (makers, others): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|request| matches!(request.what, Asked::Create(..)));
        let made = owned.epoch() == Epoch::FIRST;
        for request in makers {
            if made {
                let proof = crate::acknowledge::Proof::Record;
                cx.reply(request.id, Answer::Done { position: Position::START, proof });
            } else {
                cx.refuse(request.id, Refused::Exists);
            }
        }
        Turn::Serve(Box::new(owned), others)
    }
}
