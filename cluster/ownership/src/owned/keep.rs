//! Where an owner's entries are kept: the local log, segments in the store, the record that names them.

use super::{
    Answer, Change, Context, FRESH, Lacks, LocalRequest, Op, Owned, Proof, Record, Refused, Rule, Segment, Sent,
    Standing, StoreAnswer, StoreFailure, StoreRequest, Stored, Tier, Version,
};
use crate::message::Effect;

/// What an answer of the store did to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Still {
    /// It is ours, as far as we know.
    Ours,
    /// It is not, for this reason.
    Lost(Refused),
    /// We let it go, as we were asked to.
    Parted,
}

impl Owned {
    pub(super) fn write_locally(&mut self, cx: &mut Context<'_>) {
        if self.record.tier != Tier::Checkpoint || self.marks.local >= self.marks.made || !self.local.is_free(cx.now) {
            return;
        }
        // What the record knows already need not be there.
        let entries = self.entries(self.marks.local + 1, self.marks.made);
        let op = cx.op(self.id);
        self.local.fill(op, self.marks.made);
        cx.out.push(Effect::Local(op, LocalRequest::Append(self.id, entries)));
    }

    pub(crate) fn local_answer(&mut self, op: Op) {
        if let Some(upto) = self.local.take(op) {
            self.marks.local = self.marks.local.max(upto);
        }
    }

    /// Whether entries are to be in the store although nobody who waits lacks that.
    fn wants_flush(&self, cx: &Context<'_>) -> bool {
        let due = self.commit_at.is_some_and(|at| at <= cx.now.mono);
        let parting = self.parting.as_ref().is_some_and(|parting| parting.flushes(cx.rules));
        let noted = self.notes.iter().any(|(note, _)| note.upto > self.marks.stored);
        due || parting || noted || self.hot.flush_to > self.marks.stored
    }

    /// Puts all entries that are not in the store as one segment. One that got no answer is put again as it was: nobody else
    /// writes under this epoch, so a refusal then means that it is there. Protects: a segment is what its owner thinks.
    pub(super) fn write_segment(&mut self, cx: &mut Context<'_>, lacks: &[Lacks]) {
        let journal_away = lacks.contains(&Lacks::Hot) && self.hot.away;
        let wanted = journal_away || lacks.contains(&Lacks::Segment) || self.wants_flush(cx);
        if !self.segment.is_free(cx.now) || !(wanted || self.again.is_some()) || self.marks.stored >= self.marks.made {
            return;
        }
        let all = (self.marks.stored + 1, self.marks.made);
        let (first, last) = match self.again {
            Some(same) if cx.rules.keep(Rule::RetrySameSegment) => same,
            _ => all,
        };
        let op = cx.op(self.id);
        self.segment.fill(op, (first, last));
        cx.out.push(Effect::Store(op, StoreRequest::Put(self.id, self.record.epoch, self.entries(first, last))));
    }

    /// What the record is to know of what is stored, if it does not.
    pub(super) fn commit(&self) -> Option<Change> {
        (self.marks.stored > self.record.durable).then(|| Change::Commit(self.to_commit()))
    }

    /// The last of what is to be kept beside that speaks of nothing that is not in the store.
    pub(super) fn note(&self) -> Option<Change> {
        let last = self.notes.iter().rev().find(|(note, _)| note.upto <= self.marks.stored);
        last.map(|(note, _)| Change::Note(*note))
    }

    /// Whoever waits for what the record has beside now is told.
    pub(super) fn tell_noted(&mut self, cx: &mut Context<'_>, upto: u64) {
        let position = self.position(self.record.durable);
        for (_, request) in self.notes.extract_if(.., |(note, _)| note.part <= upto) {
            cx.reply(request, Answer::Done { position, proof: Proof::Record });
        }
    }

    /// What the record would say of what is stored.
    pub(super) fn to_commit(&self) -> Stored {
        let mut keys = self.record.keys.clone();
        for entry in self.tail.iter().filter(|entry| entry.seq <= self.marks.stored) {
            keys.note(entry);
        }
        Stored { segments: self.stored.clone(), keys }
    }

    /// Reads or writes the record, for whatever wants that most.
    pub(super) fn write_record(&mut self, cx: &mut Context<'_>, lacks: &[Lacks]) {
        if !self.writer.is_free(cx.now) {
            return;
        }
        let due = self.commit_at.is_some_and(|at| at <= cx.now.mono);
        let committable = self.marks.stored > self.record.durable;
        let mut leaving = false;
        let write = if self.unsure.is_some() || self.must_read {
            None
        } else if let Some(change) = self.parting_change(cx) {
            leaving = cx.rules.keep(Rule::SilentOnceLeaving);
            Some(change)
        } else if let Some(note) = self.note() {
            Some(self.commit().into_iter().chain([note]).collect())
        } else if committable && due {
            Some(vec![Change::Commit(self.to_commit())])
        } else if lacks.contains(&Lacks::Record) && self.wants_affirmation(cx) {
            Some(vec![Change::Reaffirm])
        } else if lacks.contains(&Lacks::Record) || (self.hot.wants_record() && self.marks.made > self.marks.stored) {
            None
        } else {
            return;
        };
        let write = write.and_then(|changes| self.changed(cx, &changes));
        self.leaving |= leaving && write.is_some();
        let op = cx.op(self.id);
        let request = match &write {
            Some(record) => StoreRequest::Write(self.id, Some(self.version), record.clone()),
            None => StoreRequest::Read(self.id),
        };
        cx.out.push(match &write {
            Some(record) if is_deleted(record) && !cx.rules.keep(Rule::Tombstone) => {
                Effect::Store(op, StoreRequest::Remove(self.id, self.version))
            }
            _ => Effect::Store(op, request),
        });
        self.must_read = false;
        self.writer
            .fill(op, Sent { at: cx.now.mono, marks: self.marks, home: self.hot.home, term: cx.lease.term(), write });
    }

    /// Acting on the lease needs the record written in the lease's term.
    fn wants_affirmation(&self, cx: &Context<'_>) -> bool {
        cx.lease.holds(cx.now) && self.affirmed != cx.lease.term()
    }

    fn changed(&mut self, cx: &Context<'_>, changes: &[Change]) -> Option<Box<Record>> {
        let mut record = self.record.clone();
        for change in changes {
            match Record::after(Some(&record), cx.me, change, cx.rules) {
                Ok(new) => record = new,
                // Then what we know of it is wrong.
                Err(_) => return None,
            }
        }
        Some(Box::new(record))
    }

    /// The store answered. What is left of the session then.
    pub(crate) fn store_answer(
        &mut self,
        cx: &mut Context<'_>,
        op: Op,
        answer: Result<StoreAnswer, StoreFailure>,
    ) -> Still {
        if let Some((first, last)) = self.segment.take(op) {
            self.segment_answer(cx, (first, last), &answer);
            return Still::Ours;
        }
        let Some(sent) = self.writer.take(op) else { return Still::Ours };
        match answer {
            Ok(StoreAnswer::Record(found)) => self.record_is(cx, &sent, found),
            Ok(StoreAnswer::Written(version)) => self.written(cx, &sent, version),
            Ok(StoreAnswer::Removed) => Still::Parted,
            Ok(StoreAnswer::Put | StoreAnswer::Entries(_)) => Still::Ours,
            Err(failure) => {
                self.writer.pause(cx.now);
                self.not_written(cx, sent, failure)
            }
        }
    }

    fn segment_answer(&mut self, cx: &Context<'_>, put: (u64, u64), answer: &Result<StoreAnswer, StoreFailure>) {
        let (first, last) = put;
        let there = match answer {
            // Refused: it is there, and nobody but us writes under our epoch.
            Ok(_) | Err(StoreFailure::Mismatch) => true,
            Err(StoreFailure::Conflict) => false,
            // It may be there and may not: the same again until that is known.
            Err(StoreFailure::Unknown) => !cx.rules.keep(Rule::UnknownIsNotSuccess),
        };
        if there {
            self.again = None;
            self.marks.stored = last;
            self.stored.push(Segment { epoch: self.record.epoch, first, last });
        } else {
            self.again = Some(put);
            self.segment.pause(cx.now);
        }
    }

    /// A write of the record was refused or got no answer. A refusal says what holds now, not what became of the first try of
    /// the same write; no answer says nothing. Both are followed by a read.
    fn not_written(&mut self, cx: &mut Context<'_>, sent: Sent, failure: StoreFailure) -> Still {
        let Some(record) = sent.write.clone() else {
            self.must_read = true;
            return Still::Ours;
        };
        match failure {
            StoreFailure::Conflict => {}
            StoreFailure::Mismatch if !cx.rules.keep(Rule::RefusedIsNotSuccess) => {
                return self.written(cx, &sent, self.version);
            }
            StoreFailure::Unknown if !cx.rules.keep(Rule::UnknownIsNotSuccess) => {
                return self.written(cx, &sent, self.version);
            }
            StoreFailure::Unknown if !cx.rules.keep(Rule::UnknownIsNotFailure) => self.thaw(cx),
            StoreFailure::Mismatch | StoreFailure::Unknown => self.unsure = Some(record),
        }
        Still::Ours
    }

    /// The record was written as we sent it: it was ours after everything that was stored when it was sent.
    fn written(&mut self, cx: &mut Context<'_>, sent: &Sent, version: Version) -> Still {
        self.unsure = None;
        let Some(record) = &sent.write else { return Still::Ours };
        if record.standing != Standing::Owned(cx.me) {
            return Still::Parted;
        }
        self.version = version;
        self.affirmed = sent.term.or(self.affirmed);
        self.take_over(cx, record);
        self.confirm(cx, sent);
        self.tell_noted(cx, record.noted.part);
        Still::Ours
    }

    /// The record is this; it names us.
    fn take_over(&mut self, cx: &Context<'_>, record: &Record) {
        self.record = record.clone();
        self.tail.retain(|entry| entry.seq > record.durable);
        self.stored.retain(|segment| segment.last > record.durable);
        self.marks.stored = self.marks.stored.max(record.durable);
        self.commit_at = (!self.tail.is_empty()).then(|| match self.commit_at {
            Some(at) if at > cx.now.mono => at,
            _ => cx.now.mono.plus(super::COMMIT_EVERY),
        });
    }

    /// The record was ours after `sent` was sent. What is in the store stays found by whoever comes after us; the right to
    /// speak for the session is gone with the time: this process may have been stopped since. Protects: one that was
    /// overtaken says nothing on the ground of an old answer.
    fn confirm(&mut self, cx: &Context<'_>, sent: &Sent) {
        self.confirmed.stored = self.confirmed.stored.max(sent.marks.stored);
        if cx.now.mono < sent.at.plus(FRESH) || !cx.rules.keep(Rule::FreshAnswer) {
            self.confirmed.asked = self.confirmed.asked.max(sent.marks.asked);
        }
        self.hot.confirmed(sent.home);
    }

    /// What the record said when it was read. Compared with what was written when that got no answer: never assumed.
    fn record_is(&mut self, cx: &mut Context<'_>, sent: &Sent, found: Option<(Box<Record>, Version)>) -> Still {
        let unsure = self.unsure.take();
        let Some((record, version)) = found else { return Still::Lost(Refused::Fenced) };
        if record.standing == Standing::Owned(cx.me) && record.epoch == self.record.epoch {
            // Ours. If a write of ours has not happened it may happen yet; it is made again on this version until one
            // of them is refused, so at most one of them ever counts.
            self.version = version;
            if unsure.is_some_and(|written| written == record) {
                // When it was written is not known, so neither in which term; the read confirms what was stored before.
                self.affirmed = None;
            }
            self.take_over(cx, &record);
            self.confirm(cx, sent);
            self.tell_noted(cx, record.noted.part);
            return Still::Ours;
        }
        // One that we let go ourselves is found as we wrote it, or later.
        if unsure.is_some_and(|written| written == record) {
            return Still::Parted;
        }
        Still::Lost(Refused::Fenced)
    }
}

fn is_deleted(record: &Record) -> bool {
    matches!(record.standing, Standing::Deleted { .. })
}
