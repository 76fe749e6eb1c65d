//! A session this process owns: what it writes, when it may tell, and how it lets go.
//!
//! ```text
//! request ─▶ entry, in memory ─┬▶ local log      (checkpoint)      ┐
//!                              ├▶ hot journal    (journal)         ├─ marks ─▶ acknowledge::judge ─▶ answer
//!                              └▶ segment ─▶ record read or written┘
//! ```
//! Four slots, one effect in each at most: the local log, the hot journal, segments, the record. After every event
//! [`Owned::advance`] sees what waits for what and fills those that are free. Whatever shows that the record is another's
//! ends it all at once: nothing that was not acknowledged by then ever is.

use crate::acknowledge::{Confirmed, FRESH, Known, Lacks, Level, Marks, Proof, Tier, Wanted, judge};
use crate::entry::{Entry, Keys, Outcome, What};
use crate::lease::{Home, Lease, Term};
use crate::message::{
    Answer, Asked, Effect, HotAnswer, HotRequest, LocalRequest, Op, Refused, Request, StoreAnswer, StoreFailure,
    StoreRequest, Version,
};
use crate::name::{CommandKey, Owner, RequestId, SessionId};
use crate::position::{Epoch, Position, Resume};
use crate::record::{Change, Note, Record, Segment, Standing, Stored};
use crate::rule::{Rule, Rules};
use crate::time::{Millis, Monotonic, Now};
use std::collections::BTreeMap;

mod hot;
mod keep;
mod part;

use hot::Hot;
pub(crate) use keep::Still;
pub(crate) use part::Parting;

/// Milliseconds from the first entry the record does not know to the commit that tells it.
pub(crate) const COMMIT_EVERY: Millis = Millis(5000);
/// Milliseconds until something that failed is tried again.
pub(crate) const RETRY: Millis = Millis(200);
/// Requests of one session that may wait.
pub(crate) const WAITING_MAX: usize = 1024;

/// What a session's decisions need from their node.
pub(crate) struct Context<'a> {
    pub me: Owner,
    pub now: Now,
    pub rules: Rules,
    pub lease: &'a Lease,
    pub ops: &'a mut u64,
    pub out: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub(crate) fn op(&mut self, session: SessionId) -> Op {
        *self.ops += 1;
        Op { session: Some(session), number: *self.ops }
    }

    pub(crate) fn reply(&mut self, request: RequestId, answer: Answer) {
        self.out.push(Effect::Reply(request, answer));
    }

    pub(crate) fn refuse(&mut self, request: RequestId, why: Refused) {
        self.reply(request, Answer::Refused(why));
    }
}

/// One effect on its way, at most.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot<T> {
    busy: Option<(u64, T)>,
    not_before: Monotonic,
}

impl<T> Default for Slot<T> {
    fn default() -> Slot<T> {
        Slot { busy: None, not_before: Monotonic(0) }
    }
}

impl<T> Slot<T> {
    fn is_free(&self, now: Now) -> bool {
        self.busy.is_none() && self.not_before <= now.mono
    }

    fn fill(&mut self, op: Op, what: T) {
        self.busy = Some((op.number, what));
    }

    /// What was asked with `op`, if this is the answer to it.
    fn take(&mut self, op: Op) -> Option<T> {
        if self.busy.as_ref().is_some_and(|(number, _)| *number == op.number) {
            return self.busy.take().map(|(_, what)| what);
        }
        None
    }

    fn pause(&mut self, now: Now) {
        self.not_before = now.mono.plus(RETRY);
    }

    /// When it is worth looking at again.
    fn wake(&self, now: Now) -> Option<Monotonic> {
        (self.busy.is_none() && self.not_before > now.mono).then_some(self.not_before)
    }
}

/// Something to be told once it may be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    request: Option<RequestId>,
    wanted: Wanted,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Then {
    Tell(Position),
    Interrupted(Position),
    Run(CommandKey, Position),
    Follow(Position),
}

/// A write of the record, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    at: Monotonic,
    marks: Marks,
    /// The Redis whose fence was raised before.
    home: Option<Home>,
    term: Option<Term>,
    /// `None`: only read.
    write: Option<Box<Record>>,
}

/// A session this process owns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owned {
    id: SessionId,
    record: Record,
    version: Version,
    /// Entries behind the record's last, all of this epoch.
    tail: Vec<Entry>,
    keys: Keys,
    marks: Marks,
    confirmed: Confirmed,
    /// Segments the record does not know yet.
    stored: Vec<Segment>,
    /// The last event that was ever as durable as its tier says.
    shown: u64,
    waiting: Vec<Waiter>,
    /// Keyed commands that run, or are about to, and who waits for their outcome.
    runs: BTreeMap<CommandKey, Vec<RequestId>>,
    /// The term of the lease in which the record was last written.
    affirmed: Option<Term>,
    local: Slot<u64>,
    hot: Hot,
    segment: Slot<(u64, u64)>,
    /// A segment that has to be put again as it was.
    again: Option<(u64, u64)>,
    writer: Slot<Sent>,
    /// A write whose outcome is not known.
    unsure: Option<Box<Record>>,
    /// The record is to be read, whoever waits.
    must_read: bool,
    parting: Option<Parting>,
    /// What is to be kept beside, oldest first, and who waits for it.
    notes: Vec<(Note, RequestId)>,
    /// The write that lets it go was sent: whether it is still ours is not known until that is answered.
    leaving: bool,
    commit_at: Option<Monotonic>,
    wake: Option<Monotonic>,
}

impl Owned {
    /// A session whose record names us, is settled, and has everything that counts. `home`: the Redis whose fence was raised
    /// before that was written; `affirmed`: the term it was written in.
    pub(crate) fn new(
        id: SessionId,
        (record, version): (Record, Version),
        home: Option<Home>,
        affirmed: Option<Term>,
        rules: Rules,
    ) -> Owned {
        let last = if rules.keep(Rule::CursorsGoOn) {
            record.durable
        } else {
            record.lineage.spans().last().map_or(0, |span| span.base)
        };
        let marks = Marks { made: last, local: last, hot: 0, stored: last, asked: 0 };
        let keys = record.keys.clone();
        Owned {
            id,
            version,
            tail: Vec::new(),
            keys,
            marks,
            confirmed: Confirmed::default(),
            stored: Vec::new(),
            shown: last,
            waiting: Vec::new(),
            runs: BTreeMap::new(),
            affirmed,
            local: Slot::default(),
            hot: Hot::new(home),
            segment: Slot::default(),
            again: None,
            writer: Slot::default(),
            unsure: None,
            must_read: false,
            parting: None,
            notes: Vec::new(),
            leaving: false,
            commit_at: None,
            wake: None,
            record,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.record.epoch
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn wake(&self) -> Option<Monotonic> {
        self.wake
    }

    pub(crate) fn is_parting(&self) -> bool {
        self.parting.is_some()
    }

    /// A client's request.
    pub(crate) fn request(&mut self, cx: &mut Context<'_>, request: Request) {
        if request.seen.is_some_and(|seen| seen > self.record.epoch) {
            self.must_read = true;
            return cx.refuse(request.id, Refused::CannotJudge);
        }
        let frozen = match &self.parting {
            Some(parting) => cx.rules.keep(Rule::FreezeBeforeMove) || !parting.is_move(),
            None => false,
        };
        if frozen {
            return cx.refuse(request.id, Refused::Parting);
        }
        if self.waiting.len() >= WAITING_MAX {
            return cx.refuse(request.id, Refused::Busy);
        }
        match request.what {
            Asked::Create(..) => cx.refuse(request.id, Refused::Exists),
            Asked::Do(number) => {
                let position = self.append(cx, What::Plain(number));
                self.wait(Some(request.id), position.seq, Level::Tier, Then::Tell(position));
            }
            Asked::Keep(number) => {
                let position = self.append(cx, What::Plain(number));
                self.wait(Some(request.id), position.seq, Level::Fenced, Then::Tell(position));
            }
            Asked::Run(key) => self.run(cx, request.id, key),
            Asked::Note(note) => {
                let before = self.notes.last().map_or(self.record.noted, |(note, _)| *note);
                // A number that was given before could be taken for the other.
                if note.part > before.part && (before.upto..=self.marks.made).contains(&note.upto) {
                    self.notes.push((note, request.id));
                } else {
                    cx.refuse(request.id, Refused::Parting);
                }
            }
            Asked::Follow(cursor) => self.wait(Some(request.id), 0, Level::Right, Then::Follow(cursor)),
            Asked::Move(to) if to == cx.me => {
                let position = self.head();
                self.wait(Some(request.id), position.seq, Level::Right, Then::Tell(position));
            }
            Asked::Rest | Asked::Move(_) | Asked::Delete => {
                self.parting = Parting::asked(request);
            }
        }
    }

    /// A keyed command: run once, whatever is lost. Its start is durable before it runs; one that began under an owner
    /// that is gone is told as that.
    fn run(&mut self, cx: &mut Context<'_>, request: RequestId, key: CommandKey) {
        match self.keys.get(key) {
            None => {
                self.runs.insert(key, vec![request]);
                let position = self.append(cx, What::Started(key));
                self.wait(None, position.seq, Level::Fenced, Then::Run(key, position));
                if !cx.rules.keep(Rule::StartBeforeRun) {
                    self.waiting.pop();
                    cx.out.push(Effect::Run(self.id, position, key));
                }
            }
            Some(Outcome::Ended(seq)) => {
                let position = self.position(seq);
                self.wait(Some(request), seq, Level::Tier, Then::Tell(position));
            }
            Some(Outcome::Started(seq)) => match self.runs.get_mut(&key) {
                Some(others) => others.push(request),
                None if cx.rules.keep(Rule::InterruptedIsNotRerun) => {
                    let position = self.position(seq);
                    self.wait(Some(request), seq, Level::Right, Then::Interrupted(position));
                }
                None => {
                    self.runs.insert(key, vec![request]);
                    cx.out.push(Effect::Run(self.id, self.position(seq), key));
                }
            },
        }
    }

    /// A keyed command has its outcome.
    pub(crate) fn ran(&mut self, cx: &mut Context<'_>, key: CommandKey) {
        let Some(requests) = self.runs.remove(&key) else { return };
        let position = self.append(cx, What::Ended(key));
        self.wait(None, position.seq, Level::Tier, Then::Tell(position));
        for request in requests {
            self.wait(Some(request), position.seq, Level::Tier, Then::Tell(position));
        }
    }

    fn append(&mut self, cx: &Context<'_>, what: What) -> Position {
        self.marks.made += 1;
        let entry = Entry { epoch: self.record.epoch, seq: self.marks.made, what };
        self.tail.push(entry);
        self.keys.note(&entry);
        self.commit_at.get_or_insert(cx.now.mono.plus(COMMIT_EVERY));
        entry.position()
    }

    fn wait(&mut self, request: Option<RequestId>, seq: u64, level: Level, then: Then) {
        self.marks.asked += 1;
        self.waiting.push(Waiter { request, wanted: Wanted { seq, ask: self.marks.asked, level }, then });
    }

    fn position(&self, seq: u64) -> Position {
        self.record.lineage.position(seq).unwrap_or(Position { epoch: Epoch::FIRST, seq })
    }

    fn head(&self) -> Position {
        self.position(self.shown)
    }

    fn entries(&self, first: u64, last: u64) -> Vec<Entry> {
        self.tail.iter().filter(|entry| (first..=last).contains(&entry.seq)).copied().collect()
    }

    /// Whether the lease may be acted on for this session: it holds, and the record was written in its term.
    fn may_act(&self, cx: &Context<'_>) -> bool {
        let affirmed = self.affirmed.is_some() && self.affirmed == cx.lease.term();
        cx.lease.holds(cx.now) && (affirmed || !cx.rules.keep(Rule::ReaffirmAfterLapse))
    }

    /// Tells what may be told, starts what is lacking. Run after every event.
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>) {
        let lacks = self.release(cx);
        self.write_locally(cx);
        self.advance_hot(cx);
        self.write_segment(cx, &lacks);
        self.write_record(cx, &lacks);
        let idle = [
            self.local.wake(cx.now),
            self.hot.slot.wake(cx.now),
            self.segment.wake(cx.now),
            self.writer.wake(cx.now),
            self.commit_at.filter(|at| *at > cx.now.mono),
        ];
        self.wake = idle.into_iter().flatten().min();
    }

    /// Tells what may be told; what the others lack.
    fn release(&mut self, cx: &mut Context<'_>) -> Vec<Lacks> {
        let known =
            Known { tier: self.record.tier, marks: self.marks, confirmed: self.confirmed, lease: self.may_act(cx) };
        let mut lacks = Vec::new();
        if self.leaving {
            return lacks;
        }
        for waiter in std::mem::take(&mut self.waiting) {
            match judge(waiter.wanted, known, cx.rules) {
                Ok(proof) => self.tell(cx, &waiter, proof),
                Err(lack) => {
                    if !lacks.contains(&lack) {
                        lacks.push(lack);
                    }
                    self.waiting.push(waiter);
                }
            }
        }
        lacks
    }

    fn tell(&mut self, cx: &mut Context<'_>, waiter: &Waiter, proof: Proof) {
        if waiter.wanted.level != Level::Right {
            self.shown = self.shown.max(waiter.wanted.seq);
        }
        let answer = match waiter.then {
            Then::Run(key, position) => return cx.out.push(Effect::Run(self.id, position, key)),
            Then::Tell(position) => Answer::Done { position, proof },
            Then::Interrupted(position) => Answer::Interrupted { position, proof },
            Then::Follow(cursor) => self.follow(cx, cursor, proof),
        };
        if let Some(request) = waiter.request {
            cx.reply(request, answer);
        }
    }

    fn follow(&mut self, cx: &Context<'_>, cursor: Position, proof: Proof) -> Answer {
        let upto = if cx.rules.keep(Rule::ShowAfterDurable) { self.shown } else { self.marks.made };
        match self.record.lineage.resume(cursor, upto) {
            Resume::After(after) => {
                let behind = |segment: &&Segment| segment.last > after;
                let segments = self.record.segments.iter().filter(behind).copied().collect();
                Answer::Events { after, upto, tail: self.entries(after + 1, upto), segments, proof }
            }
            Resume::Resync { kept, had } => Answer::Resync { kept, had, proof },
            Resume::Newer => {
                self.must_read = true;
                Answer::Refused(Refused::CannotJudge)
            }
        }
    }

    /// Another owns it, or nobody: everything that waits is told that nothing is known of it.
    pub(crate) fn end(&mut self, cx: &mut Context<'_>, why: Refused) {
        cx.out.push(Effect::Stop(self.id, self.record.epoch));
        let waiting = std::mem::take(&mut self.waiting).into_iter().filter_map(|waiter| waiter.request);
        let runs = std::mem::take(&mut self.runs).into_values().flatten();
        let parting = self.parting.take().into_iter().flat_map(|parting| parting.requests);
        let notes = std::mem::take(&mut self.notes).into_iter().map(|(_, request)| request);
        for request in waiting.chain(runs).chain(parting).chain(notes).collect::<Vec<_>>() {
            cx.refuse(request, why);
        }
    }
}
