//! Locks on files: flock(), of open file descriptions, and record locks (fcntl()), of processes. Both are advisory,
//! they do not see each other, and nothing but these calls looks at them.
//!
//! ```text
//!  flock(fd)   ─▶ open file description ─▶ one lock of the whole file      until unlocked, or the last close
//!  fcntl(fd)   ─▶ process               ─▶ ranges, split and merged        until unlocked, any close of the file, exit
//! ```
//! A call that waits is in the [`table`] from its first attempt to its end, so that the oldest goes first and a cycle of
//! waiting processes is seen. [`Call`] remembers that it is there, and its end or drop takes it out; who waits has
//! no other trace. A lock is given by the woken call itself, never by the one that unlocks.

mod table;

pub(crate) use table::{LockFile, Locks, Wanted};
pub use table::{LockKind, LockRange, RangeError};

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenFile, OpenId, Opened};
use crate::id::{Fd, Pid};
use crate::kernel::Kernel;
use crate::process::State;
use crate::vfs::Node;
use crate::wait::{Halt, Step, WaitKey};
use table::{Blocked, FileNumber, Flock};

/// What a call does when someone else holds a lock that conflicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnConflict {
    /// It fails: LOCK_NB, F_SETLK.
    Fail,
    /// It waits: F_SETLKW.
    Wait,
}

/// A record lock of someone else, as F_GETLK tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// Shared or exclusive.
    pub kind: LockKind,
    /// Who holds it.
    pub pid: Pid,
    /// The bytes.
    pub range: LockRange,
}

impl From<RangeError> for Errno {
    fn from(error: RangeError) -> Errno {
        match error {
            RangeError::BeforeTheFile => Errno::EINVAL,
            RangeError::BehindTheLastByte => Errno::EOVERFLOW,
        }
    }
}

impl Kernel {
    /// flock(): gives the open file description behind `fd` a lock of this kind, or takes its lock away (`None`).
    /// Every descriptor of the description shares it, a child's too; it ends with the last of them.
    ///
    /// # Errors
    /// `EBADF`, also for a descriptor that only names a file; `EWOULDBLOCK` on a conflict, or `Wait`; `ENOLCK` at the
    /// limit `locks`.
    ///
    /// # Standard
    /// Linux flock(2). A lock of the other kind is let go first, as there: a call that then fails or is interrupted
    /// has lost it. No deadlock is looked for.
    pub fn flock(&mut self, call: &mut Call, fd: Fd, kind: Option<LockKind>, conflict: OnConflict) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = lock_file(open, self.files.get(open)?)?;
        let number = self.locks.number(file);
        let locked = self.flock_number(call, number, open, kind, conflict);
        self.end_lock_attempt(call, number, &locked);
        locked
    }

    fn flock_number(
        &mut self,
        call: &mut Call,
        number: FileNumber,
        open: OpenId,
        kind: Option<LockKind>,
        conflict: OnConflict,
    ) -> Step<()> {
        let before = self.locks.flock_of(number, open);
        if before == kind {
            return Ok(());
        }
        if self.locks.remove_flock(number, open) {
            self.waiters.wake(WaitKey::Lock(number));
        }
        let Some(kind) = kind else { return Ok(()) };
        let wants = Wanted::Flock { open, kind };
        match self.locks.blocked(call.id(), number, &wants, |pid| self.takes_its_turn(pid)) {
            Err(Blocked::Promised(_)) if conflict == OnConflict::Fail || before.is_some() => {}
            Err(_) if conflict == OnConflict::Fail => return Err(Errno::EAGAIN.into()),
            Err(blocked) => return Err(self.wait_for_lock(call, number, wants, blocked)),
            Ok(()) => {}
        }
        if self.locks.held() as u64 >= self.limits.locks {
            return Err(self.limit_reached(call.pid, "locks", Errno::ENOLCK).into());
        }
        self.locks.add_flock(number, Flock { open, pid: call.pid, kind });
        Ok(())
    }

    /// Locks a range of a file for the calling process, or unlocks it (`None`): F_SETLK and F_SETLKW. Ranges of one
    /// kind that meet become one; a range in the middle of another splits it.
    ///
    /// # Errors
    /// `EBADF`, also when the descriptor does not allow reading for a shared or writing for an exclusive lock; `EAGAIN`
    /// on a conflict, or `Wait`; `EDEADLK` when the wait would be for oneself, over however many others; `ENOLCK` at
    /// the limit `locks`, for an unlock that splits too. Nothing has changed then.
    ///
    /// # Standard
    /// POSIX.1-2017 fcntl(). The locks are a process's: exec keeps them, a child has none of them, and closing any
    /// descriptor of the file ends them.
    pub fn record_lock(
        &mut self,
        call: &mut Call,
        fd: Fd,
        kind: Option<LockKind>,
        range: LockRange,
        conflict: OnConflict,
    ) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let description = self.files.get(open)?;
        let file = lock_file(open, description)?;
        let allowed = match kind {
            Some(LockKind::Shared) => description.read,
            Some(LockKind::Exclusive) => description.write,
            None => true,
        };
        if !allowed {
            return Err(Errno::EBADF.into());
        }
        let number = self.locks.number(file);
        let locked = self.record_lock_number(call, number, kind, range, conflict);
        self.end_lock_attempt(call, number, &locked);
        locked
    }

    fn record_lock_number(
        &mut self,
        call: &mut Call,
        number: FileNumber,
        kind: Option<LockKind>,
        range: LockRange,
        conflict: OnConflict,
    ) -> Step<()> {
        let pid = call.pid;
        if let Some(kind) = kind {
            let wants = Wanted::Record { pid, kind, range };
            match self.locks.blocked(call.id(), number, &wants, |pid| self.takes_its_turn(pid)) {
                Err(Blocked::Promised(_)) if conflict == OnConflict::Fail => {}
                Err(_) if conflict == OnConflict::Fail => return Err(Errno::EAGAIN.into()),
                Err(Blocked::Held)
                    if self.locks.would_deadlock(pid, number, kind, range, |pid| self.takes_its_turn(pid)) =>
                {
                    return Err(Errno::EDEADLK.into());
                }
                Err(blocked) => return Err(self.wait_for_lock(call, number, wants, blocked)),
                Ok(()) => {}
            }
        }
        let (records, gives) = self.locks.changed_records(number, pid, kind, range);
        let after = self.locks.held_with(number, pid, &records);
        if after > self.locks.held() && after as u64 > self.limits.locks {
            return Err(self.limit_reached(pid, "locks", Errno::ENOLCK).into());
        }
        self.locks.set_records(number, pid, records);
        if gives {
            self.waiters.wake(WaitKey::Lock(number));
        }
        Ok(())
    }

    /// The first lock that keeps the caller from a record lock, if any does (F_GETLK).
    ///
    /// # Errors
    /// `EBADF`.
    ///
    /// # Standard
    /// POSIX.1-2017 fcntl(). Of several the one with the lowest offset.
    pub fn test_record_lock(
        &self,
        call: &Call,
        fd: Fd,
        kind: LockKind,
        range: LockRange,
    ) -> Result<Option<HeldLock>, Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = lock_file(open, self.files.get(open)?)?;
        let found = self.locks.first_conflict(&file, call.pid, kind, range);
        Ok(found.map(|record| HeldLock { kind: record.kind, pid: record.pid, range: record.range }))
    }

    /// The call is in the table from here on, and parked under the file's number. Whoever it yields to may also be
    /// stopped or killed before it takes the lock.
    fn wait_for_lock(&mut self, call: &mut Call, number: FileNumber, wants: Wanted, blocked: Blocked) -> Halt {
        self.locks.wait(call.id(), call.pid, number, wants);
        call.keep_lock_wait();
        let mut keys = vec![WaitKey::Lock(number)];
        if let Blocked::Promised(pid) = blocked {
            keys.push(WaitKey::Process(pid));
        }
        Halt::until(keys, None)
    }

    fn end_lock_attempt(&mut self, call: &mut Call, number: FileNumber, locked: &Step<()>) {
        if !matches!(locked, Err(Halt::Wait(_))) && call.take_lock_wait() {
            self.end_lock_wait(call.id());
        }
        self.locks.tidy(number);
    }

    /// A call that waited for a lock is over, with or without it: those that yielded to it look again.
    pub(crate) fn end_lock_wait(&mut self, call: u64) {
        if let Some(number) = self.locks.end_wait(call) {
            self.waiters.wake(WaitKey::Lock(number));
            self.locks.tidy(number);
        }
    }

    /// A descriptor of `pid` was closed: its record locks on that file end, through whichever descriptor they came.
    pub(crate) fn drop_record_locks(&mut self, pid: Pid, open: OpenId) {
        if self.locks.is_empty() {
            return;
        }
        let file = self.files.get(open).and_then(|file| lock_file(open, file));
        if let Some(number) = file.ok().and_then(|file| self.locks.find(&file)) {
            self.drop_record_locks_of(pid, number);
        }
    }

    /// A process ended: all its record locks end.
    pub(crate) fn drop_every_record_lock(&mut self, pid: Pid) {
        let files: Vec<FileNumber> = self.locks.files().map(|(number, _)| number).collect();
        for number in files {
            self.drop_record_locks_of(pid, number);
        }
    }

    fn drop_record_locks_of(&mut self, pid: Pid, number: FileNumber) {
        if self.locks.has_records(number, pid) {
            self.locks.set_records(number, pid, Vec::new());
            self.waiters.wake(WaitKey::Lock(number));
            self.locks.tidy(number);
        }
    }

    /// The last descriptor of a description was closed: its flock() lock ends.
    pub(crate) fn drop_flock(&mut self, open: OpenId, file: &OpenFile) {
        if self.locks.is_empty() {
            return;
        }
        if let Some(number) = lock_file(open, file).ok().and_then(|file| self.locks.find(&file))
            && self.locks.remove_flock(number, open)
        {
            self.waiters.wake(WaitKey::Lock(number));
            self.locks.tidy(number);
        }
    }

    /// Whether a process that waits for a lock will go on when it gets it: others yield to it, and wait through it.
    fn takes_its_turn(&self, pid: Pid) -> bool {
        let process = self.processes.get(&pid);
        process.is_some_and(|process| process.state == State::Running && process.doom.get().is_none())
    }

    /// `/proc/locks`, as proc_locks(5) has it: each file's locks, and behind `->` those who wait for one of them.
    pub(crate) fn locks_text(&self) -> String {
        let mut text = String::new();
        let mut line = |place: &str, file: &LockFile, of: &str, pid: Pid, kind: LockKind, range: LockRange| {
            let kind = if kind == LockKind::Shared { "READ " } else { "WRITE" };
            let end = range.last().map_or("EOF".to_owned(), |last| last.to_string());
            let (device, ino) = device_and_ino(file);
            text += &format!("{place} {of}  ADVISORY  {kind} {pid} {device}:{ino} {} {end}\n", range.l_start());
        };
        let mut count = 0;
        for (number, file) in self.locks.files() {
            let flocks = file.flocks.iter().map(|lock| ("FLOCK", lock.pid, lock.kind, LockRange::ALL));
            let records = file.records.iter().map(|lock| ("POSIX", lock.pid, lock.kind, lock.range));
            for (of, pid, kind, range) in flocks.chain(records) {
                count += 1;
                line(&format!("{count}:"), &file.file, of, pid, kind, range);
            }
            for waiting in self.locks.waiting().filter(|waiting| waiting.number == number) {
                let (of, kind, range) = match waiting.wants {
                    Wanted::Flock { kind, .. } => ("FLOCK", kind, LockRange::ALL),
                    Wanted::Record { kind, range, .. } => ("POSIX", kind, range),
                };
                line(&format!("{count}: ->"), &file.file, of, waiting.pid, kind, range);
            }
        }
        text
    }
}

/// The file a description is open on, as locks know it.
fn lock_file(open: OpenId, file: &OpenFile) -> Result<LockFile, Errno> {
    Ok(match &file.what {
        Opened::File(mount, ino) => LockFile::Node(Node::Tree(*mount, *ino)),
        Opened::Directory(node, _) | Opened::Device(_, node) => LockFile::Node(node.clone()),
        Opened::Text(mount, proc, _) => LockFile::Node(Node::Proc(*mount, *proc)),
        Opened::Driver(mount, path, _) => LockFile::Node(Node::Driver(*mount, path.clone())),
        Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => LockFile::Pipe(*id),
        Opened::Path(_) => return Err(Errno::EBADF),
        // A socket is a file of its own, whoever it is passed to.
        _ => LockFile::Open(open),
    })
}

/// Device and inode as /proc/locks has them; a driver's inode number is not known here and shown as 0.
fn device_and_ino(file: &LockFile) -> (String, u64) {
    let device = |node: &Node| node.mount().map_or(0, crate::vfs::path::device_of);
    let (device, ino) = match file {
        LockFile::Node(node @ Node::Tree(_, ino)) => (device(node), ino.0),
        LockFile::Node(node) => (device(node), 0),
        LockFile::Pipe(id) => (0, id.0),
        LockFile::Open(open) => (0, u64::from(open.0)),
    };
    (format!("{:02x}:{:02x}", device >> 8, device & 0xff), ino)
}

#[cfg(test)]
mod tests;
