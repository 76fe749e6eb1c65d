//! What the journal holds of a session and its record does not know yet.

use super::batch::Entry;
use bytes::Bytes;
use std::collections::VecDeque;
use warren_kernel::id::Lsn;

/// An entry of the journal, still sealed.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub entry: Entry,
    /// Where it lies in the log of the journal; `None` is in the store only.
    pub wal: Option<u64>,
}

/// Entries by number, one higher each.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    entries: VecDeque<Kept>,
    bytes: usize,
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

    /// Drops those up to a number and says where they were in the log.
    pub(crate) fn forget(&mut self, number: u64) -> Vec<u64> {
        let mut places = Vec::new();
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

    /// Its entries moved to other places of the log.
    pub(crate) fn moved(&mut self, number: u64, wal: u64) -> Option<u64> {
        let kept = self.entries.iter_mut().find(|kept| kept.entry.number == number)?;
        kept.wal.replace(wal)
    }

    /// The sealed bodies of the entries with these numbers or higher.
    pub(crate) fn sealed_from(&self, number: u64) -> Vec<(u64, Bytes)> {
        let from = self.entries.iter().filter(|kept| kept.entry.number >= number);
        from.map(|kept| (kept.entry.number, kept.entry.to_bytes())).collect()
    }
}
