//! How an owner lets a session go: to rest, to another node, for ever.
//!
//! ```text
//! asked ─▶ frozen: nothing new is begun ─▶ who waits is told ─▶ all in the store ─▶ one write of the record ─▶ stopped
//! ```
//! The commit of the last events and the hand-over are the same write. Once it was sent, the session stays frozen until its
//! outcome is known. Protects: who goes on with it has everything, without asking what is left of us.

use super::{Change, Context, Level, Owned, Owner, Record, Request, RequestId, Rule, Rules};
use crate::acknowledge::Proof;
use crate::message::{Answer, Asked, Refused};

/// Why a session is let go, and who asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Parting {
    how: How,
    pub requests: Vec<RequestId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum How {
    Rest,
    Move(Owner),
    Delete,
}

impl Parting {
    pub(crate) fn asked(request: Request) -> Option<Parting> {
        let how = match request.what {
            Asked::Rest => How::Rest,
            Asked::Move(to) => How::Move(to),
            Asked::Delete => How::Delete,
            Asked::Create(..) | Asked::Do(_) | Asked::Keep(_) | Asked::Run(_) | Asked::Note(_) | Asked::Follow(_) => {
                return None;
            }
        };
        Some(Parting { how, requests: vec![request.id] })
    }

    /// Because the node drains: to another one, or to rest.
    pub(crate) fn drained(to: Option<Owner>) -> Parting {
        Parting { how: to.map_or(How::Rest, How::Move), requests: Vec::new() }
    }

    pub(crate) fn is_move(&self) -> bool {
        matches!(self.how, How::Move(_))
    }

    /// Whether all is brought into the store first.
    pub(crate) fn flushes(&self, rules: Rules) -> bool {
        match self.how {
            How::Rest => rules.keep(Rule::FlushBeforeRest),
            How::Move(_) => true,
            How::Delete => false,
        }
    }
}

impl Owned {
    /// The node drains, or the session is to go for another reason of the node's.
    pub(crate) fn part(&mut self, parting: Parting) {
        self.parting.get_or_insert(parting);
    }

    /// What is to be written so that it is let go, if all that comes before is done.
    pub(super) fn parting_change(&self, cx: &Context<'_>) -> Option<Vec<Change>> {
        let parting = self.parting.as_ref()?;
        let told = self.waiting.iter().all(|waiter| waiter.wanted.level == Level::Right) && self.runs.is_empty();
        let flushed = self.marks.stored == self.marks.made;
        let last = match parting.how {
            How::Delete => return Some(vec![Change::Delete(cx.now.wall)]),
            How::Rest if !cx.rules.keep(Rule::FlushBeforeRest) => return Some(vec![Change::Rest]),
            How::Move(_) if !cx.rules.keep(Rule::FreezeBeforeMove) && flushed => parting.how,
            How::Rest | How::Move(_) if !(told && flushed) => return None,
            how => how,
        };
        let last = match last {
            How::Move(to) => Change::Grant(to),
            How::Rest | How::Delete => Change::Rest,
        };
        Some(self.commit().into_iter().chain(self.note()).chain([last]).collect())
    }

    /// It goes on after all: what a core does that takes no answer for a failure.
    pub(super) fn thaw(&mut self, cx: &mut Context<'_>) {
        self.leaving = false;
        for request in self.parting.take().into_iter().flat_map(|parting| parting.requests) {
            cx.refuse(request, Refused::Parting);
        }
    }

    /// The record says that it was let go.
    pub(crate) fn parted(&mut self, cx: &mut Context<'_>) {
        let position = self.position(self.marks.made);
        // All is in the store then, and what is kept beside with it; of one that was deleted nothing is.
        if self.parting.as_ref().is_some_and(|parting| !matches!(parting.how, How::Delete)) {
            self.tell_noted(cx, u64::MAX);
        }
        for request in self.parting.take().into_iter().flat_map(|parting| parting.requests) {
            cx.reply(request, Answer::Done { position, proof: Proof::Record });
        }
        self.end(cx, Refused::Fenced);
    }
}

/// For traces: an owner's record and what is behind it.
impl std::fmt::Display for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Record { epoch, durable, .. } = &self.record;
        write!(f, "epoch {epoch}, record to {durable}, {:?}", self.marks)
    }
}
