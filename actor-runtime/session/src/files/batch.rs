//! Several changes of files as one: all of them under one hold of the kernel, or none.
//!
//! ```text
//! operations ─checked─▶ a turn ─▶ kernel held ─▶ 0, 1, 2 … done ─▶ one batch of the journal ─▶ acknowledged
//!                                       └─▶ one fails: every file is as it was; the answer says which
//! ```
//! No guest and no other client sees some of them done, and no crash leaves some of them behind. The session stands still
//! meanwhile, so the CPU time of it is bounded, whatever links and depths its paths lead through; others' sessions do not
//! stand still. It runs in a turn as a process of the session does: its tenant's share pays for it, and its quota may keep it
//! waiting. While it waits nothing was done, and a session that goes to rest or is deleted does not wait for it.

use super::{DIRECTORY_MODE, FILE_MODE, info, join, split};
use crate::awake::Pass;
use crate::command::{FileInfo, Operation};
use crate::error::SessionError;
use crate::event::What;
use crate::handle::file_error;
use crate::scribe::{Record, Urgency};
use crate::template::{check_path, refuse};
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::id::Pid;
use warren_kernel::user::Credentials;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, PATH_MAX, SYMLINKS_MAX};
use warren_kernel::{Call, Errno, Halt, Kernel, Step};
use warren_wasi_posix::system::thread_cpu_time;

/// Operations of one batch, at most: the kernel is held for all of them.
pub(crate) const OPERATIONS_MAX: usize = 1000;
/// Names that the removals of one batch take away, at most.
pub(crate) const REMOVED_MAX: usize = 10_000;
/// CPU time for which a batch may hold the kernel. One that takes longer is undone.
pub(crate) const HELD_MAX: Duration = Duration::from_millis(100);

/// What became of a batch that was let in.
pub(crate) enum Turn {
    /// All of it was done and is written down; what is at each place then, and nothing of what was removed.
    Done(Vec<Option<FileInfo>>),
    /// The session's gate was closed before it began.
    Missed,
}

/// What can be checked before the session is looked at.
///
/// # Errors
/// `Invalid`, of the first operation that could never be done.
pub(crate) fn check_all(operations: &[Operation]) -> Result<(), SessionError> {
    if operations.len() > OPERATIONS_MAX {
        return refuse("operations", format!("{}; at most {OPERATIONS_MAX} are taken at once", operations.len()));
    }
    operations.iter().enumerate().try_for_each(|(index, operation)| check(operation).map_err(of(index)))
}

/// Does operations in order when the session's turn comes. What has begun is done and written down, also when nobody waits
/// for it any more.
pub(crate) async fn batch(pass: Pass, operations: Arc<[Operation]>) -> Result<Turn, SessionError> {
    let node = pass.node.upgrade().ok_or(SessionError::ShuttingDown)?;
    let software = node.options.software.node(pass.choices().spec.software.as_deref());
    let (guests, _) = software.map_err(SessionError::Software)?;
    let awake = Arc::clone(&pass);
    let work = move || {
        let done = pass.session.with(|kernel| all(kernel, &pass.template.user, &operations))?;
        let what = What::Audit { verb: "batch".to_owned(), subject: format!("{} operations", operations.len()) };
        let record = Record { events: vec![what], files: true, ..Record::default() };
        let ticket = pass.scribe.record(record, Urgency::Call)?;
        // Inside until it is safe.
        Ok::<_, SessionError>((done, ticket, pass))
    };
    let worked = guests.in_turn(&awake.share, work, awake.closing()).await;
    let Some(worked) = worked.map_err(|_| SessionError::Failed(awake.id))? else { return Ok(Turn::Missed) };
    let (done, ticket, pass) = worked?;
    pass.scribe.wait(&ticket).await?;
    Ok(Turn::Done(done))
}

/// All of them, or none.
fn all(
    kernel: &mut Kernel,
    user: &Credentials,
    operations: &[Operation],
) -> Result<Vec<Option<FileInfo>>, SessionError> {
    kernel.all_or_nothing(|kernel| {
        let room = Room { removals: REMOVED_MAX, until: thread_cpu_time() + HELD_MAX };
        let mut doing = Doing { kernel, call: Call::new(Pid::INIT), user, room };
        for (index, operation) in operations.iter().enumerate() {
            doing.operation(operation).map_err(|halt| of(index)(why(operation.path(), halt)))?;
        }
        // What a later one took away again is not there.
        let shown = operations.iter().map(|operation| {
            let path = operation.shown();
            path.and_then(|path| info(doing.kernel, &mut doing.call, path.as_bytes(), path).ok())
        });
        Ok(shown.collect())
    })
}

fn of(index: usize) -> impl FnOnce(SessionError) -> SessionError {
    move |error| SessionError::Operation { index, error: Box::new(error) }
}

/// What can be checked before the kernel is held.
fn check(operation: &Operation) -> Result<(), SessionError> {
    check_path("path", operation.path())?;
    let mode = match operation {
        Operation::Write { mode, .. } | Operation::MakeDirectory { mode, .. } => *mode,
        Operation::ChangeMode { mode, .. } => Some(*mode),
        Operation::Move { to, .. } => return check_path("to", to),
        Operation::Link { target, .. } if target.is_empty() || target.len() > PATH_MAX || target.contains('\0') => {
            return refuse("target", format!("1 to {PATH_MAX} bytes without a NUL"));
        }
        Operation::Remove { .. } | Operation::Link { .. } => None,
    };
    match mode {
        Some(mode) if mode > 0o7777 => refuse("mode", format!("{mode:o} are no permission bits")),
        _ => Ok(()),
    }
}

fn why(path: &str, halt: Halt) -> SessionError {
    match halt {
        Halt::Fail(errno) => file_error(path, errno),
        // Only a mount has to be asked, and what it did could not be taken back.
        Halt::Wait(_) | Halt::Fetch(_) => file_error(path, Errno::EXDEV),
    }
}

/// A batch while the kernel is held.
struct Doing<'a> {
    kernel: &'a mut Kernel,
    call: Call,
    /// Whose new files are.
    user: &'a Credentials,
    room: Room,
}

/// What a batch may still take.
#[derive(Debug)]
struct Room {
    /// Names that go.
    removals: usize,
    /// By the CPU clock of the thread it is on.
    until: Duration,
}

impl Room {
    /// Goes on, if there is time.
    fn go_on(&self) -> Result<(), Errno> {
        if thread_cpu_time() < self.until { Ok(()) } else { Err(Errno::ETIMEDOUT) }
    }

    /// Takes a name away.
    fn remove_one(&mut self) -> Result<(), Errno> {
        self.removals = self.removals.checked_sub(1).ok_or(Errno::E2BIG)?;
        self.go_on()
    }
}

impl Doing<'_> {
    fn operation(&mut self, operation: &Operation) -> Step<()> {
        self.room.go_on()?;
        match operation {
            Operation::Write { path, content, mode, parents, exclusive } => {
                self.write(path, content, *mode, (*parents, *exclusive))
            }
            Operation::MakeDirectory { path, mode, parents } => {
                let mode = mode.unwrap_or(DIRECTORY_MODE);
                if *parents { self.make_all(path.as_bytes(), mode) } else { self.make_one(path.as_bytes(), mode) }
            }
            Operation::Move { from, to, exclusive } => {
                let replace = if *exclusive { Replace::No } else { Replace::Yes };
                self.kernel.rename(&mut self.call, At::Root, from.as_bytes(), At::Root, to.as_bytes(), replace)
            }
            Operation::Remove { path, recursive } => self.remove(path.as_bytes(), *recursive),
            Operation::ChangeMode { path, mode } => {
                self.kernel.chmod(&mut self.call, At::Root, path.as_bytes(), Mode::new(*mode))
            }
            Operation::Link { path, target } => {
                self.kernel.symlink(&mut self.call, target.as_bytes(), At::Root, path.as_bytes())?;
                self.give(path.as_bytes())
            }
        }
    }

    /// A new file in the place of what is there, as an upload makes it: who has the old one open keeps that.
    fn write(&mut self, path: &str, content: &[u8], mode: Option<u32>, (parents, exclusive): (bool, bool)) -> Step<()> {
        if path.ends_with('/') {
            return Err(Errno::EISDIR.into());
        }
        let target = self.followed(path)?;
        let (directory, _) = split(&target);
        if parents {
            self.make_all(directory.as_bytes(), DIRECTORY_MODE)?;
        }
        let there = match self.kernel.stat(&mut self.call, At::Root, target.as_bytes(), false) {
            Ok(stat) => Some(stat),
            Err(Halt::Fail(Errno::ENOENT)) => None,
            Err(halt) => return Err(halt),
        };
        match there.as_ref().map(|stat| stat.kind) {
            Some(_) if exclusive => return Err(Errno::EEXIST.into()),
            Some(FileKind::Directory) => return Err(Errno::EISDIR.into()),
            Some(FileKind::Regular) | None => {}
            Some(_) => return Err(Errno::EINVAL.into()),
        }
        let mode = Mode::new(mode.or(there.map(|stat| stat.mode.bits())).unwrap_or(FILE_MODE));
        let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CLOEXEC;
        let fd = self.kernel.open_unnamed(&mut self.call, At::Root, directory.as_bytes(), flags, mode)?;
        let named = self.fill_and_name(fd, content, mode, &target);
        let closed = self.kernel.close(&self.call, fd);
        named?;
        Ok(closed?)
    }

    fn fill_and_name(&mut self, fd: warren_kernel::id::Fd, content: &[u8], mode: Mode, target: &str) -> Step<()> {
        let (kernel, call) = (&mut *self.kernel, &mut self.call);
        let mut rest = content;
        while !rest.is_empty() {
            let written = kernel.write(call, fd, &[rest])?;
            rest = &rest[written..];
        }
        kernel.fchown(call, fd, Some(self.user.uid), Some(self.user.gid))?;
        kernel.fchmod(call, fd, mode)?;
        // Nobody sees the moment between: the kernel is held.
        match kernel.unlink(call, At::Root, target.as_bytes()) {
            Ok(()) | Err(Halt::Fail(Errno::ENOENT)) => {}
            Err(halt) => return Err(halt),
        }
        kernel.link_open(call, fd, At::Root, target.as_bytes())
    }

    /// The path a chain of links leads to.
    fn followed(&mut self, path: &str) -> Step<String> {
        let mut at = path.to_owned();
        for _ in 0..SYMLINKS_MAX {
            match self.kernel.stat(&mut self.call, At::Root, at.as_bytes(), false) {
                Ok(stat) if stat.kind == FileKind::Symlink => {}
                Ok(_) | Err(Halt::Fail(Errno::ENOENT)) => return Ok(at),
                Err(halt) => return Err(halt),
            }
            let target = self.kernel.readlink(&mut self.call, At::Root, at.as_bytes())?;
            let target = std::str::from_utf8(&target).map_err(|_| Errno::EILSEQ)?;
            at = match target.starts_with('/') {
                true => target.to_owned(),
                false => format!("{}/{target}", split(&at).0.trim_end_matches('/')),
            };
            if at.len() > PATH_MAX {
                return Err(Errno::ENAMETOOLONG.into());
            }
        }
        Err(Errno::ELOOP.into())
    }

    fn make_one(&mut self, path: &[u8], mode: u32) -> Step<()> {
        self.room.go_on()?;
        self.kernel.mkdir(&mut self.call, At::Root, path, Mode::new(mode))?;
        self.give(path)
    }

    /// Makes a directory and those on the way; what is there stays as it is.
    fn make_all(&mut self, path: &[u8], mode: u32) -> Step<()> {
        let mut at = Vec::with_capacity(path.len());
        for part in path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            at.push(b'/');
            at.extend_from_slice(part);
            match self.make_one(&at, mode) {
                Ok(()) | Err(Halt::Fail(Errno::EEXIST)) => {}
                Err(halt) => return Err(halt),
            }
        }
        match self.kernel.stat(&mut self.call, At::Root, path, true)?.kind {
            FileKind::Directory => Ok(()),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// What was made belongs to the session's user.
    fn give(&mut self, path: &[u8]) -> Step<()> {
        self.kernel.chown(&mut self.call, At::Root, path, false, Some(self.user.uid), Some(self.user.gid))
    }

    /// Removes a name, and with `recursive` all under it.
    fn remove(&mut self, path: &[u8], recursive: bool) -> Step<()> {
        if path.iter().all(|byte| *byte == b'/') {
            return Err(Errno::EBUSY.into());
        }
        let stat = self.kernel.stat(&mut self.call, At::Root, path, false)?;
        if stat.kind != FileKind::Directory {
            self.room.remove_one()?;
            return self.kernel.unlink(&mut self.call, At::Root, path);
        }
        // A directory is looked at, then what is in it goes, then it goes itself.
        let mut levels = vec![(path.to_vec(), false)];
        while let Some((at, is_empty)) = levels.pop() {
            if is_empty || !recursive {
                self.room.remove_one()?;
                self.kernel.rmdir(&mut self.call, At::Root, &at)?;
                continue;
            }
            let names = self.names(&at)?;
            levels.push((at.clone(), true));
            for (name, kind) in names {
                let inner = join(&at, &name);
                if inner.len() > PATH_MAX {
                    return Err(Errno::ENAMETOOLONG.into());
                }
                if kind == FileKind::Directory {
                    levels.push((inner, false));
                } else {
                    self.room.remove_one()?;
                    self.kernel.unlink(&mut self.call, At::Root, &inner)?;
                }
            }
        }
        Ok(())
    }

    fn names(&mut self, directory: &[u8]) -> Step<Vec<(Vec<u8>, FileKind)>> {
        let flags = OpenFlags::DIRECTORY | OpenFlags::READ | OpenFlags::NOFOLLOW | OpenFlags::CLOEXEC;
        let fd = self.kernel.open(&mut self.call, At::Root, directory, flags, Mode::new(0))?;
        let (mut names, most) = (Vec::new(), self.room.removals + 1);
        let read = self.kernel.readdir(&mut self.call, fd, 0, &mut |entry| {
            if &entry.name[..] != b"." && &entry.name[..] != b".." {
                names.push((entry.name.to_vec(), entry.kind));
            }
            names.len() < most
        });
        let closed = self.kernel.close(&self.call, fd);
        read?;
        closed?;
        Ok(names)
    }
}

#[cfg(test)]
mod tests;
