//! Leases: cheap evidence that a process lives, kept in Redis. Never what safety of the journal rests on.
//!
//! ```text
//!  holder          send renewal ──────▶ Redis sets it ──────────────────────▶ Redis lets it end
//!     t0 ───────────── t0 + TTL - margin ▏ holder stops here, whatever was answered when
//! ```
//! The holder counts from before it sent the renewal, on its own clock, less a margin for two clocks that drift apart: so
//! it stops before anybody can see that the lease has ended. Protects: nobody acts on a lease while another may be owner.
//!
//! A lease that ended is never renewed: the holder is granted a new **term**. Between terms somebody may have seen it dead
//! and be about to take a session. So after a lapse a lease is good for a session only when the session's record was
//! written in this term: the other's conditional write fails then.

use crate::name::Owner;
use crate::rule::{Rule, Rules};
use crate::time::{DRIFT_PERCENT, Millis, Monotonic, Now};
use std::fmt;

/// Milliseconds a lease lives in Redis without renewal.
pub const TTL: Millis = Millis(3000);
/// Milliseconds between renewals.
pub const RENEW_EVERY: Millis = Millis(1000);
/// Milliseconds that a lease ends earlier for its holder than for others.
pub const MARGIN: Millis = Millis(300);
/// Milliseconds after which a renewal without an answer is tried again.
pub const RETRY: Millis = Millis(400);

const _: () = assert!(
    MARGIN.0 * 100 >= TTL.0 * 2 * DRIFT_PERCENT,
    "the margin covers two clocks that drift in opposite directions"
);

/// Which Redis: its `run_id` and a random key it holds. Changes whenever it may have forgotten something: it was flushed,
/// started anew, or a replica took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home(pub u64);

/// Number of an unbroken stretch of a process's lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term(pub u64);

/// The lease of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    term: Term,
    granted: bool,
    lapsed: bool,
    deadline: Monotonic,
    /// The same on the wall clock, and as a timer last saw it: for cores that break a rule.
    wall_deadline: i64,
    timer_says: bool,
    rules: Rules,
}

/// What is asked of Redis for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ask {
    /// Go on with a term.
    Renew(Term),
    /// Begin a term.
    Grant(Term),
}

impl Lease {
    /// None yet.
    pub fn new(rules: Rules) -> Lease {
        let (term, deadline) = (Term(0), Monotonic(0));
        Lease { term, granted: false, lapsed: true, deadline, wall_deadline: i64::MIN, timer_says: false, rules }
    }

    /// What to send now. Each try to begin a term has a number of its own: one that is late must not begin again, unseen,
    /// what has lapsed meanwhile.
    pub fn ask(&mut self) -> Ask {
        if self.granted {
            return Ask::Renew(self.term);
        }
        if self.rules.keep(Rule::TermPerGrant) || self.lapsed {
            self.term = Term(self.term.0 + 1);
            self.lapsed = false;
        }
        Ask::Grant(self.term)
    }

    /// Redis did what was asked, with a request sent at `sent`.
    pub fn held(&mut self, asked: Ask, sent: Now, answered: Now) {
        let (Ask::Renew(term) | Ask::Grant(term)) = asked;
        if term != self.term {
            return;
        }
        self.granted = true;
        let from = if self.rules.keep(Rule::LeaseFromSend) { sent } else { answered };
        let margin = if self.rules.keep(Rule::LeaseMargin) { MARGIN } else { Millis(0) };
        let length = Millis(TTL.0 - margin.0);
        // An answer that was overtaken by a later one does not shorten it.
        self.deadline = self.deadline.max(from.mono.plus(length));
        self.wall_deadline = from.wall.0 + i64::try_from(length.0).unwrap_or(i64::MAX);
        self.timer_says = true;
    }

    /// Redis has no such lease, or one of another term: the next is a new one.
    pub fn lapsed(&mut self, asked: Ask) {
        let (Ask::Renew(term) | Ask::Grant(term)) = asked;
        if term == self.term {
            self.granted = false;
            self.lapsed = true;
        }
    }

    /// A timer of the node went off.
    pub fn timer(&mut self, now: Now) {
        self.timer_says = self.granted && now.mono < self.deadline;
    }

    /// Whether it can be acted on now.
    pub fn holds(&self, now: Now) -> bool {
        if !self.rules.keep(Rule::LeaseAtEachAct) {
            return self.timer_says;
        }
        if !self.rules.keep(Rule::MonotonicClock) {
            return self.granted && now.wall.0 < self.wall_deadline;
        }
        self.granted && now.mono < self.deadline
    }

    /// The term a record written now is written in; `None` while there is none.
    pub fn term(&self) -> Option<Term> {
        self.granted.then_some(self.term)
    }
}

/// When the absence of a lease says that its holder is dead: only after this process has known one Redis for longer than
/// any lease lives that it may have forgotten. Protects: a Redis that was emptied does not make every owner seem dead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Watch {
    known: Option<(Home, Monotonic)>,
}

impl Watch {
    /// An answer came from this Redis. Whether it is another than before.
    pub fn saw(&mut self, home: Home, now: Monotonic) -> bool {
        match self.known {
            Some((known, _)) if known == home => false,
            before => {
                self.known = Some((home, now));
                before.is_some()
            }
        }
    }

    /// Whether a lease that this Redis did not have, asked for at `sent`, has ended.
    pub fn may_judge(&self, home: Home, sent: Monotonic, rules: Rules) -> bool {
        if !rules.keep(Rule::GraceAfterRedisLoss) {
            return true;
        }
        // One's own clock may be fast, the holder's slow: the margin once more.
        self.known.is_some_and(|(known, since)| known == home && sent >= since.plus(Millis(TTL.0 + MARGIN.0)))
    }

    /// The Redis that answered last.
    pub fn home(&self) -> Option<Home> {
        self.known.map(|(home, _)| home)
    }
}

/// A node that is alive, as the last answer to a renewal listed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Which process.
    pub owner: Owner,
    /// MiB of memory it has left for sessions.
    pub free_mib: u32,
    /// It takes no more sessions.
    pub draining: bool,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis {}", self.0)
    }
}

#[cfg(test)]
mod tests;
