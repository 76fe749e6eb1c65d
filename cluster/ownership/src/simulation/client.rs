//! Clients: they ask, are sent elsewhere, wait, ask again, and remember what they were told.

use super::plan::{Command, Wish};
use crate::entry::What;
use crate::message::{Answer, Asked, Refused, Request};
use crate::name::{CommandKey, Incarnation, NodeId, Owner, RequestId, SessionId};
use crate::position::{Epoch, Position};

/// Milliseconds a client waits for an answer.
pub(super) const PATIENCE: u64 = 2500;

/// One command on its way.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub command: Command,
    pub session: SessionId,
    /// Its place in the world's list; what it asks is known by that.
    number: u64,
    attempts: u64,
    hops: u8,
    redirects: u64,
    /// Where it asks; a client that knows nothing asks anybody.
    pub target: Option<usize>,
    pub done: bool,
    /// It was done, as far as the client was told.
    pub succeeded: bool,
    /// When it gives up.
    pub until: u64,
    /// It belongs to the end of the run, when everything has to answer.
    pub is_final: bool,
}

/// What a client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has what it wanted, or cannot have it.
    Over,
    /// It asks again after so many milliseconds.
    Again(u64),
}

impl Client {
    pub(super) fn new(number: usize, command: Command, session: SessionId, until: u64) -> Client {
        Client {
            command,
            session,
            number: number as u64,
            attempts: 0,
            hops: 0,
            redirects: 0,
            target: None,
            done: false,
            succeeded: false,
            until,
            is_final: false,
        }
    }

    /// Which command a request belongs to, and which attempt it was.
    pub(super) fn of(request: RequestId) -> (usize, u64) {
        (usize::try_from(request.0 >> 20).unwrap_or(0), request.0 & 0xf_ffff)
    }

    pub(super) fn attempt(&self) -> u64 {
        self.attempts
    }

    /// What is asked for, as an event says it when it is done.
    pub(super) fn event(&self) -> Option<What> {
        match self.command.what {
            Wish::Do => Some(What::Plain(self.number + 1)),
            Wish::Run => Some(What::Ended(self.key())),
            _ => None,
        }
    }

    /// What it asks for is to be as durable as a journal's entry, whatever the tier.
    pub(super) fn is_fenced(&self) -> bool {
        self.command.what == Wish::Do && self.number.is_multiple_of(7)
    }

    pub(super) fn key(&self) -> CommandKey {
        CommandKey(self.number + 1)
    }

    /// The next attempt.
    pub(super) fn request(
        &mut self,
        cursor: Position,
        incarnation: u64,
        created: (crate::name::TenantId, crate::acknowledge::Tier),
    ) -> Request {
        self.attempts += 1;
        let what = match self.command.what {
            Wish::Create => Asked::Create(created.0, created.1),
            Wish::Do if self.is_fenced() => Asked::Keep(self.number + 1),
            Wish::Do => Asked::Do(self.number + 1),
            Wish::Run => Asked::Run(self.key()),
            Wish::Follow => Asked::Follow(cursor),
            Wish::Rest => Asked::Rest,
            Wish::Move(node) => Asked::Move(Owner { node, incarnation: Incarnation(incarnation) }),
            Wish::Delete => Asked::Delete,
        };
        let seen = (cursor.epoch > Epoch::FIRST).then_some(cursor.epoch);
        let id = RequestId(self.number << 20 | self.attempts);
        Request { id, session: self.session, seen, hops: self.hops, what }
    }

    /// No answer came. One that may have been done and has no key is not asked for again.
    pub(super) fn unanswered(&mut self) -> Next {
        self.target = None;
        self.hops = 0;
        if self.command.what == Wish::Do { Next::Over } else { Next::Again(50) }
    }

    /// An answer came.
    pub(super) fn answered(&mut self, answer: &Answer) -> Next {
        let why = match answer {
            Answer::Refused(why) => *why,
            _ => {
                self.succeeded = true;
                return Next::Over;
            }
        };
        match why {
            Refused::Misdirected { to: NodeId(to), placed } => {
                self.target = usize::try_from(to).ok();
                self.hops = if placed { self.hops.saturating_add(1) } else { 0 };
                self.redirects += 1;
                Next::Again(if self.redirects.is_multiple_of(4) { 400 } else { 2 })
            }
            Refused::Deleted | Refused::Failed => {
                self.succeeded = self.command.what == Wish::Delete;
                Next::Over
            }
            Refused::Exists => {
                self.succeeded = self.command.what == Wish::Create;
                Next::Over
            }
            Refused::Fenced if self.command.what == Wish::Do => Next::Over,
            Refused::Missing
            | Refused::CannotJudge
            | Refused::Busy
            | Refused::Parting
            | Refused::Draining
            | Refused::Fenced => {
                self.target = None;
                self.hops = 0;
                Next::Again(250)
            }
        }
    }
}
