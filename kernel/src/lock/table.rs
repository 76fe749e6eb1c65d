//! The locks of a session and the calls that wait for one, as plain state: no descriptor, no process, no wait here.
//!
//! ```text
//! file ─▶ number ─▶ FileLocks { flocks: by open file description, records: by process, disjoint, in order }
//! waiting: calls in order of arrival, each with the file's number and what it wants
//! ```
//! A file is in the table while it has a lock or a waiting call; its number is what waiting calls are woken by.

use crate::file::OpenId;
use crate::id::Pid;
use crate::pipe::PipeId;
use crate::vfs::Node;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Largest offset of a file: off_t is signed.
const OFFSET_MAX: u64 = i64::MAX as u64;

/// Whether others may hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Many may hold it at once: LOCK_SH, F_RDLCK.
    Shared,
    /// One alone holds it: LOCK_EX, F_WRLCK.
    Exclusive,
}

impl LockKind {
    fn conflicts(self, other: LockKind) -> bool {
        self == LockKind::Exclusive || other == LockKind::Exclusive
    }
}

/// Bytes of a file a record lock is on, never none; they need not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockRange {
    start: u64,
    end: u64,
}

impl LockRange {
    /// Every byte, now and later.
    pub const ALL: LockRange = LockRange { start: 0, end: OFFSET_MAX };

    /// The range of a `struct flock` whose l_whence is SEEK_SET: `len` bytes from `start` on, to the end of the file
    /// however far it grows for 0, or the `-len` bytes before `start`.
    ///
    /// # Errors
    /// [`RangeError`], when it begins before the file or ends behind the last possible byte.
    ///
    /// # Standard
    /// POSIX.1-2017 fcntl().
    pub fn new(start: i64, len: i64) -> Result<LockRange, RangeError> {
        let from = u64::try_from(start).map_err(|_| RangeError::BeforeTheFile)?;
        match len {
            0 => Ok(LockRange { start: from, end: OFFSET_MAX }),
            1.. => {
                let end = start.checked_add(len - 1).ok_or(RangeError::BehindTheLastByte)?;
                Ok(LockRange { start: from, end: end as u64 })
            }
            _ => {
                let first = start.checked_add(len).and_then(|first| u64::try_from(first).ok());
                Ok(LockRange { start: first.ok_or(RangeError::BeforeTheFile)?, end: from - 1 })
            }
        }
    }

    /// The first byte, as `struct flock` has it.
    pub fn l_start(self) -> u64 {
        self.start
    }

    /// How many bytes, as `struct flock` has it: 0 is to the end of the file.
    pub fn l_len(self) -> u64 {
        self.last().map_or(0, |last| last - self.start + 1)
    }

    /// The last byte; `None` when it goes on however far the file grows.
    pub fn last(self) -> Option<u64> {
        (self.end < OFFSET_MAX).then_some(self.end)
    }

    fn overlaps(self, other: LockRange) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn touches(self, other: LockRange) -> bool {
        self.start <= other.end.saturating_add(1) && other.start <= self.end.saturating_add(1)
    }

    fn with(self, other: LockRange) -> LockRange {
        LockRange { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// What is left of it without `cut`.
    fn without(self, cut: LockRange) -> impl Iterator<Item = LockRange> {
        let before =
            (self.start < cut.start).then(|| LockRange { start: self.start, end: self.end.min(cut.start - 1) });
        let after = (self.end > cut.end).then(|| LockRange { start: self.start.max(cut.end + 1), end: self.end });
        before.into_iter().chain(after)
    }
}

/// Why numbers name no range of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Its first byte would be before the start of the file.
    #[error("it begins before the file")]
    BeforeTheFile,
    /// Its last byte would be behind the largest offset.
    #[error("it ends behind the largest offset")]
    BehindTheLastByte,
}

/// A file as locks know it: all names, descriptors and descriptions of it are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum LockFile {
    /// An inode, or the path of a mounted driver.
    Node(Node),
    /// A pipe or an open FIFO.
    Pipe(PipeId),
    /// What has neither: each description is a file of its own.
    Open(OpenId),
}

/// The number of a file in the table.
pub(crate) type FileNumber = u64;

/// What a call wants to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Flock { open: OpenId, kind: LockKind },
    Record { pid: Pid, kind: LockKind, range: LockRange },
}

/// A lock of flock(), of an open file description; `pid` is who made it, for /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flock {
    pub open: OpenId,
    pub pid: Pid,
    pub kind: LockKind,
}

/// A record lock, of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub pid: Pid,
    pub kind: LockKind,
    pub range: LockRange,
}

#[derive(Debug)]
pub(crate) struct FileLocks {
    pub file: LockFile,
    pub flocks: Vec<Flock>,
    pub records: Vec<Record>,
}

/// A call that waits for a lock.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub call: u64,
    pub pid: Pid,
    pub number: FileNumber,
    pub wants: Wanted,
}

/// Why a lock cannot be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// Someone else holds one that conflicts.
    Held,
    /// It is free, and a call of this process that has waited longer may take it.
    Promised(Pid),
}

/// The locks of a session.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    numbers: HashMap<LockFile, FileNumber>,
    files: BTreeMap<FileNumber, FileLocks>,
    waiting: Vec<Waiting>,
    next: FileNumber,
    held: usize,
}

impl Locks {
    /// Locks held: those of flock(), and ranges of record locks.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Whether there is neither a lock nor a waiting call.
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Files with locks, in the order in which they were first locked.
    pub(crate) fn files(&self) -> impl Iterator<Item = (FileNumber, &FileLocks)> {
        self.files.iter().map(|(number, file)| (*number, file))
    }

    /// Waiting calls, in order of arrival.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.iter()
    }

    /// The number of `file`, if it is in the table.
    pub(crate) fn find(&self, file: &LockFile) -> Option<FileNumber> {
        self.numbers.get(file).copied()
    }

    /// The number of `file`, put in the table if it is not there. Who does so ends with [`Locks::tidy`].
    pub(crate) fn number(&mut self, file: LockFile) -> FileNumber {
        if let Some(number) = self.numbers.get(&file) {
            return *number;
        }
        let number = self.next;
        self.next += 1;
        self.numbers.insert(file.clone(), number);
        self.files.insert(number, FileLocks { file, flocks: Vec::new(), records: Vec::new() });
        number
    }

    /// Forgets a file that has neither a lock nor a waiting call.
    pub(crate) fn tidy(&mut self, number: FileNumber) {
        let unused = |file: &FileLocks| file.flocks.is_empty() && file.records.is_empty();
        if self.files.get(&number).is_some_and(unused) && !self.waiting.iter().any(|it| it.number == number) {
            let file = self.files.remove(&number).map(|file| file.file);
            file.map(|file| self.numbers.remove(&file));
        }
    }

    /// Whether a call could have a lock now. A call that arrives yields to those that wait and could go on, so that
    /// nobody who unlocks and locks in a loop keeps the others out; among those that wait the oldest goes first.
    /// `runs` says of which processes to expect that they take their turn.
    pub(crate) fn blocked(
        &self,
        call: u64,
        number: FileNumber,
        wants: &Wanted,
        runs: impl Fn(Pid) -> bool,
    ) -> Result<(), Blocked> {
        if self.is_held(number, wants) {
            return Err(Blocked::Held);
        }
        let before = self.waiting.iter().take_while(|waiting| waiting.call != call);
        let mut first = before.filter(|waiting| {
            waiting.number == number
                && waiting.wants.conflicts(wants)
                && !self.is_held(number, &waiting.wants)
                && runs(waiting.pid)
        });
        first.next().map_or(Ok(()), |waiting| Err(Blocked::Promised(waiting.pid)))
    }

    fn is_held(&self, number: FileNumber, wants: &Wanted) -> bool {
        let Some(file) = self.files.get(&number) else { return false };
        match wants {
            Wanted::Flock { open, kind } => {
                file.flocks.iter().any(|other| other.open != *open && kind.conflicts(other.kind))
            }
            Wanted::Record { pid, kind, range } => file.conflicting(*pid, *kind, *range).next().is_some(),
        }
    }

    /// The lock with the lowest offset that keeps `pid` from a record lock (F_GETLK).
    pub(crate) fn first_conflict(&self, file: &LockFile, pid: Pid, kind: LockKind, range: LockRange) -> Option<Record> {
        self.files.get(&self.find(file)?)?.conflicting(pid, kind, range).next().copied()
    }

    /// Whether `pid` would wait for itself if it waited for this record lock: whether someone who holds a conflicting
    /// one waits, over however many others, for a record lock of `pid`.
    pub(crate) fn would_deadlock(
        &self,
        pid: Pid,
        number: FileNumber,
        kind: LockKind,
        range: LockRange,
        runs: impl Fn(Pid) -> bool,
    ) -> bool {
        let holders = |number: FileNumber, pid: Pid, kind: LockKind, range: LockRange| {
            let file = self.files.get(&number);
            file.into_iter().flat_map(move |file| file.conflicting(pid, kind, range)).map(|record| record.pid)
        };
        let mut seen = BTreeSet::new();
        let mut next: Vec<Pid> = holders(number, pid, kind, range).collect();
        while let Some(holder) = next.pop() {
            if holder == pid {
                return true;
            }
            if !seen.insert(holder) || !runs(holder) {
                continue;
            }
            for waiting in self.waiting.iter().filter(|waiting| waiting.pid == holder) {
                if let Wanted::Record { kind, range, .. } = waiting.wants {
                    next.extend(holders(waiting.number, holder, kind, range).filter(|pid| !seen.contains(pid)));
                }
            }
        }
        false
    }

    /// A call waits; it keeps its place when it is there already.
    pub(crate) fn wait(&mut self, call: u64, pid: Pid, number: FileNumber, wants: Wanted) {
        if !self.waiting.iter().any(|waiting| waiting.call == call) {
            self.waiting.push(Waiting { call, pid, number, wants });
        }
    }

    /// A call no longer waits; returns the file it waited for.
    pub(crate) fn end_wait(&mut self, call: u64) -> Option<FileNumber> {
        let at = self.waiting.iter().position(|waiting| waiting.call == call)?;
        let number = self.waiting.remove(at).number;
        Some(number)
    }

    /// The lock of flock() a description has.
    pub(crate) fn flock_of(&self, number: FileNumber, open: OpenId) -> Option<LockKind> {
        let flocks = &self.files.get(&number)?.flocks;
        flocks.iter().find(|lock| lock.open == open).map(|lock| lock.kind)
    }

    /// Gives a description a lock it can have.
    pub(crate) fn add_flock(&mut self, number: FileNumber, lock: Flock) {
        if let Some(file) = self.files.get_mut(&number) {
            file.flocks.push(lock);
            self.held += 1;
        }
    }

    /// Takes a description's lock away; whether it had one.
    pub(crate) fn remove_flock(&mut self, number: FileNumber, open: OpenId) -> bool {
        let Some(file) = self.files.get_mut(&number) else { return false };
        let before = file.flocks.len();
        file.flocks.retain(|lock| lock.open != open);
        self.held -= before - file.flocks.len();
        before != file.flocks.len()
    }

    /// The ranges `pid` holds of a file after it locks or (`None`) unlocks `range`, and whether others may get more
    /// than before. Nothing is changed.
    pub(crate) fn changed_records(
        &self,
        number: FileNumber,
        pid: Pid,
        kind: Option<LockKind>,
        range: LockRange,
    ) -> (Vec<Record>, bool) {
        let mut after = Vec::new();
        let mut gives = false;
        let mut new = range;
        let records = self.files.get(&number).into_iter().flat_map(|file| &file.records);
        for held in records.filter(|held| held.pid == pid) {
            if Some(held.kind) == kind && held.range.touches(range) {
                new = new.with(held.range);
            } else if held.range.overlaps(range) {
                gives |= held.kind == LockKind::Exclusive || kind.is_none();
                after.extend(held.range.without(range).map(|range| Record { range, ..*held }));
            } else {
                after.push(*held);
            }
        }
        after.extend(kind.map(|kind| Record { pid, kind, range: new }));
        (after, gives)
    }

    /// Record locks there would be if `pid` held these ranges of a file.
    pub(crate) fn held_with(&self, number: FileNumber, pid: Pid, records: &[Record]) -> usize {
        let file = self.files.get(&number);
        let before = file.map_or(0, |file| file.records.iter().filter(|held| held.pid == pid).count());
        self.held - before + records.len()
    }

    /// Replaces the ranges `pid` holds of a file.
    pub(crate) fn set_records(&mut self, number: FileNumber, pid: Pid, records: Vec<Record>) {
        self.held = self.held_with(number, pid, &records);
        if let Some(file) = self.files.get_mut(&number) {
            file.records.retain(|held| held.pid != pid);
            file.records.extend(records);
            file.records.sort_by_key(|record| (record.range.start, record.pid));
        }
    }

    /// Whether a process holds a range of a file.
    pub(crate) fn has_records(&self, number: FileNumber, pid: Pid) -> bool {
        self.files.get(&number).is_some_and(|file| file.records.iter().any(|record| record.pid == pid))
    }
}

impl FileLocks {
    fn conflicting(&self, pid: Pid, kind: LockKind, range: LockRange) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |other| other.pid != pid && other.range.overlaps(range) && kind.conflicts(other.kind))
    }
}

impl Wanted {
    /// The two cannot be held at once.
    fn conflicts(&self, other: &Wanted) -> bool {
        match (self, other) {
            (Wanted::Flock { open, kind }, Wanted::Flock { open: other, kind: than }) => {
                open != other && kind.conflicts(*than)
            }
            (Wanted::Record { pid, kind, range }, Wanted::Record { pid: other, kind: than, range: there }) => {
                pid != other && range.overlaps(*there) && kind.conflicts(*than)
            }
            _ => false,
        }
    }
}
