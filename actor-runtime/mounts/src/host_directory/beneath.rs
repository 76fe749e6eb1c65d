//! The two descriptors everything is reached from: the root, and this process's own `/proc/self/fd`.
//!
//! A path becomes a descriptor in one openat2() that the host's kernel confines. Where that descriptor only names
//! (O_PATH), it is opened for use through its entry in `/proc/self/fd`: the very thing that was looked at, whatever
//! is at its path by then.

use super::path::CheckedPath;
use super::{OpenError, answer, attributes};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{self, AtFlags, OFlags, ResolveFlags};
use rustix::io;
use std::path::Path;
use warren_kernel::Errno;
use warren_kernel::vfs::{FileKind, Mode};

/// How often a walk is tried that renames of other processes, or signals, interrupt; then it is `EAGAIN`.
const WALK_ATTEMPTS_MAX: usize = 64;

/// What every walk is held to. Links without magic are excluded too: the kernel follows links, not the driver.
const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// Names a thing without opening it, a symbolic link included.
const NAME_ONLY: OFlags = OFlags::PATH.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// For every real open: never a wait (for a lease, say), never a controlling terminal, never a leak into a child.
const CAREFUL: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The root and what is reached beneath it.
#[derive(Debug)]
pub(super) struct Beneath {
    root: OwnedFd,
    /// `/proc/self/fd`. Belongs to the process that opened it: a fork without exec would need another.
    descriptors: OwnedFd,
}

/// Something found: named by an O_PATH descriptor, with its attributes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) fd: OwnedFd,
    pub(super) stat: fs::Stat,
}

impl Target {
    pub(super) fn kind(&self) -> Result<FileKind, Errno> {
        attributes::kind(&self.stat)
    }
}

impl Beneath {
    /// Takes hold of the root, and makes sure that it can be confined.
    pub(super) fn open(path: &Path) -> Result<Beneath, OpenError> {
        let unreachable = |errno| OpenError::Unreachable { path: path.to_owned(), errno: answer(errno) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(path, flags, fs::Mode::empty()).map_err(unreachable)?;
        if is_proc(&root).map_err(unreachable)? {
            return Err(OpenError::IsProc { path: path.to_owned() });
        }
        let descriptors = fs::open(c"/proc/self/fd", flags, fs::Mode::empty()).map_err(|_| OpenError::NoProc)?;
        if !is_proc(&descriptors).unwrap_or(false) {
            return Err(OpenError::NoProc);
        }
        match fs::openat2(&root, c".", NAME_ONLY, fs::Mode::empty(), RESOLVE) {
            Ok(_) => Ok(Beneath { root, descriptors }),
            // EPERM is how older container sandboxes refuse system calls they do not know.
            Err(io::Errno::NOSYS | io::Errno::PERM) => Err(OpenError::NoOpenat2),
            Err(errno) => Err(unreachable(errno)),
        }
    }

    /// What a path names, without opening it.
    pub(super) fn find(&self, path: CheckedPath<'_>) -> Result<Target, Errno> {
        let fd = self.walk(path, NAME_ONLY, fs::Mode::empty())?;
        let stat = fs::fstat(&fd).map_err(answer)?;
        Ok(Target { fd, stat })
    }

    /// The directory a path names, to act on names in it. A link in its place is refused like one on the way.
    pub(super) fn directory(&self, path: CheckedPath<'_>) -> Result<OwnedFd, Errno> {
        self.walk(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, fs::Mode::empty())
    }

    /// Makes a regular file that is not there yet, with exactly these bits, and opens it.
    pub(super) fn create(&self, path: CheckedPath<'_>, access: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        let bits = attributes::host_mode(mode, 0);
        let file = self.walk(path, access | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | CAREFUL, bits)?;
        // The umask of the Warren process took bits away that the session's did not.
        fs::fchmod(&file, bits).map_err(answer)?;
        Ok(file)
    }

    /// Opens what was found, for use.
    pub(super) fn reopen(&self, target: &Target, flags: OFlags) -> Result<OwnedFd, Errno> {
        io::retry_on_intr(|| fs::openat(&self.descriptors, entry(target), flags | CAREFUL, fs::Mode::empty()))
            .map_err(answer)
    }

    /// Sets the permission bits of what was found, which is no symbolic link. A directory keeps the host's own
    /// set-group-id and sticky bit, which the session does not see and cannot mean to clear.
    pub(super) fn set_mode(&self, target: &Target, mode: Mode) -> Result<(), Errno> {
        let kept = if target.kind()? == FileKind::Directory { target.stat.st_mode } else { 0 };
        let bits = attributes::host_mode(mode, kept & (Mode::SETGID | Mode::STICKY));
        fs::chmodat(&self.descriptors, entry(target), bits, AtFlags::empty()).map_err(answer)
    }

    /// Size and use of the file system the root is on.
    pub(super) fn capacity(&self) -> Result<fs::StatVfs, Errno> {
        fs::fstatvfs(&self.root).map_err(answer)
    }

    fn walk(&self, path: CheckedPath<'_>, flags: OFlags, mode: fs::Mode) -> Result<OwnedFd, Errno> {
        for _ in 0..WALK_ATTEMPTS_MAX {
            match fs::openat2(&self.root, path.host_path(), flags, mode, RESOLVE) {
                Ok(fd) => return Ok(fd),
                Err(io::Errno::AGAIN | io::Errno::INTR) => {}
                // Another mount, or a link where the session saw a directory a moment ago: one answer for all that
                // is refused, which tells nothing of what is there.
                Err(io::Errno::XDEV | io::Errno::LOOP) => return Err(Errno::EACCES),
                Err(errno) => return Err(answer(errno)),
            }
        }
        Err(Errno::EAGAIN)
    }
}

/// The target's name in `/proc/self/fd`.
fn entry(target: &Target) -> String {
    target.fd.as_raw_fd().to_string()
}

fn is_proc(fd: &OwnedFd) -> io::Result<bool> {
    Ok(fs::fstatfs(fd)?.f_type == fs::PROC_SUPER_MAGIC)
}
