//! What the journal holds of a session and its record does not know yet.

use super::batch::Entry;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::Notify;
use warren_kernel::id::Lsn;
use warren_session::position::Epoch;

/// An entry of the journal, still sealed.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub entry: Entry,
    /// Where it lies in the log of the journal; `None` is in the store only.
    pub wal: Option<u64>,
    /// The log has not said yet whether it took it.
    pub in_flight: bool,
}

/// Entries by number, one higher each.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: VecDeque<Kept>,
    bytes: usize,
    /// Where entries were to lie that the log refused.
    refused: Vec<u64>,
    /// The log said something.
    answered: Arc<Notify>,
}

impl Tail {
    /// Puts one behind the others. One whose number is there already was written by an owner that has lost the session
    /// meanwhile, or is the same from another place: the later epoch's counts, with all that follows.
    pub(crate) fn push(&mut self, kept: Kept) -> Vec<u64> {
        let mut given_up = Vec::new();
        while let Some(last) = self.entries.back() {
            if last.entry.number < kept.entry.number {
                break;
            }
            if last.entry.epoch > kept.entry.epoch || (last.entry.epoch == kept.entry.epoch && last.wal.is_some()) {
                given_up.extend(kept.wal);
                return given_up;
            }
            self.bytes -= last.entry.sealed.len();
            given_up.extend(last.wal);
            self.entries.pop_back();
        }
        self.bytes += kept.entry.sealed.len();
        self.entries.push_back(kept);
        given_up
    }

    /// The log has taken an entry, or refused it, and with it all behind it: what is not in the log must not count.
    pub(crate) fn answer(&mut self, epoch: Epoch, number: u64, taken: bool) {
        let at = self.entries.iter().rposition(|kept| (kept.entry.epoch, kept.entry.number) == (epoch, number));
        match at {
            Some(at) if taken => self.entries[at].in_flight = false,
            Some(at) => {
                for kept in self.entries.drain(at..) {
                    self.bytes -= kept.entry.sealed.len();
                    self.refused.extend(kept.wal);
                }
            }
            None => {}
        }
        self.answered.notify_waiters();
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.entries.iter().any(|kept| kept.in_flight)
    }

    /// Is told when the log said something.
    pub(crate) fn answered(&self) -> Arc<Notify> {
        self.answered.clone()
    }

    /// Takes all entries out, to be put back in another order.
    pub(crate) fn take_all(&mut self) -> Vec<Kept> {
        self.bytes = 0;
        std::mem::take(&mut self.entries).into()
    }

    /// Drops those up to a number and says where they were in the log, and where those that were refused.
    pub(crate) fn forget(&mut self, number: u64) -> Vec<u64> {
        let mut places = std::mem::take(&mut self.refused);
        while self.entries.front().is_some_and(|first| first.entry.number <= number) {
            if let Some(first) = self.entries.pop_front() {
                self.bytes -= first.entry.sealed.len();
                places.extend(first.wal);
            }
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        places
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Kept> {
        self.entries.iter()
    }

    pub(crate) fn last(&self) -> Option<&Kept> {
        self.entries.back()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether no number between the record's and the last is missing.
    pub(crate) fn follows(&self, number: u64) -> bool {
        self.entries.iter().zip(number + 1..).all(|(kept, expected)| kept.entry.number == expected)
    }

    /// The newest number all of whose events and mutations are at or before these.
    pub(crate) fn covered(&self, event: u64, lsn: Lsn) -> Option<u64> {
        let covered = self.entries.iter().take_while(|kept| kept.entry.last_event <= event && kept.entry.lsn <= lsn.0);
        covered.last().map(|kept| kept.entry.number)
    }

    /// An entry moved to another place of the log.
    pub(crate) fn moved(&mut self, (epoch, number): (Epoch, u64), wal: u64) -> Option<u64> {
        let mut entries = self.entries.iter_mut();
        let kept = entries.find(|kept| (kept.entry.epoch, kept.entry.number) == (epoch, number))?;
        kept.wal.replace(wal)
    }

    /// The entries that lie in the log, as it has them.
    pub(crate) fn logged(&self) -> Vec<((Epoch, u64), Bytes)> {
        let logged = self.entries.iter().take_while(|kept| !kept.in_flight);
        logged.map(|kept| ((kept.entry.epoch, kept.entry.number), kept.entry.to_bytes())).collect()
    }
}
