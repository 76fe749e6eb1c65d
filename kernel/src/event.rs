//! What a session tells its operator: refusals, limits, exits. A bounded ring with positions; a reader that is
//! too late learns how many it missed.

use crate::errno::Errno;
use crate::host::Timestamp;
use crate::id::Pid;
use crate::policy::Domain;
use crate::process::ExitStatus;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Events kept for readers.
pub const EVENTS_MAX: usize = 256;

/// Something an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position: one higher each event of the session.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Which process caused it.
    pub pid: Pid,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The policy refused something.
    Denied {
        /// Which rules.
        domain: Domain,
        /// The path, address, image or name; lossy if it is not UTF-8.
        subject: String,
    },
    /// A limit was reached.
    LimitReached {
        /// Its name in [`crate::limits::Limits::TABLE`].
        limit: String,
        /// What the guest got.
        errno: Errno,
    },
    /// A process ended.
    Exited {
        /// How.
        status: ExitStatus,
    },
    /// A guest runtime ended a process for a reason of its own (a trap, a missing import).
    Faulted {
        /// In words.
        reason: String,
    },
    /// The way out refused a host the policy allowed.
    Refused {
        /// The host and port, as they were named.
        subject: String,
        /// Why, in words.
        reason: String,
        /// Refusals before this one that are not told: a program may cause any number.
        skipped: u64,
    },
}

/// The latest events of a session.
#[derive(Debug, Default)]
pub struct Events {
    next: u64,
    ring: VecDeque<Event>,
}

impl Events {
    /// Adds one. A refusal or limit that repeats the newest event of its process is not added again, so a guest
    /// that retries in a loop cannot push everything else out.
    pub fn push(&mut self, time: Timestamp, pid: Pid, what: What) {
        let repeats = self.ring.back().is_some_and(|last| last.pid == pid && last.what == what);
        if repeats {
            return;
        }
        if self.ring.len() == EVENTS_MAX {
            self.ring.pop_front();
        }
        self.ring.push_back(Event { seq: self.next, time, pid, what });
        self.next += 1;
    }

    /// The events from position `from`, and how many before them are gone.
    pub fn since(&self, from: u64) -> (u64, impl Iterator<Item = &Event>) {
        let first = self.next - self.ring.len() as u64;
        let missed = first.saturating_sub(from);
        (missed, self.ring.iter().filter(move |event| event.seq >= from))
    }

    /// The position of the next event.
    pub fn next(&self) -> u64 {
        self.next
    }
}

#[cfg(test)]
mod tests;
