//! A directory of the host as a session's file system, which no request can leave.
//!
//! ```text
//! request ──▶ `path`       plain names only, else EACCES
//!               │
//!               ▼
//!             `beneath`    openat2 from the root's descriptor: no link, no `..`, no other mount
//!               │               ├──▶ the thing itself, by O_PATH  (Stat, ReadLink, List, Open, SetAttributes)
//!               │               └──▶ its directory, by O_PATH     (names are made, moved and removed by *at calls)
//!               ▼
//!             `attributes` what is shown: owner and bits      `file` what is open
//! ```
//! Every request walks anew from the root, and the host's kernel refuses each step that would leave it, so there is
//! no check to race with. A thing is first named without being opened and opened only when it is a regular file or
//! a directory: a device is never touched and a FIFO never waited for.
//!
//! What a session cannot do by any request, a process of the host can do to it: a file hard-linked into the
//! directory is a file of the directory, and a directory moved out of it while a request is inside stays where that
//! request is. In the other direction, a symbolic link that a session makes here is an ordinary link to every
//! process of the host: whoever follows links in a directory its session writes is led where the session wants.
//!
//! Other mounts inside the directory are refused, bind mounts of the same file system included, and this is not an
//! option: they are what an operator who names a directory does not see (`/proc` with the memory of this very
//! process, network shares that hang, secrets mounted into a container). Each that is wanted is a `HostDirectory`
//! of its own.
//!
//! No locks but one in each open `file`, taken alone.

mod attributes;
mod beneath;
mod file;
mod path;

use self::attributes::View;
use self::beneath::{Beneath, Target};
use self::file::HostFile;
use self::path::{CheckedPath, Place};
use rustix::fs::{self, AtFlags, OFlags, RenameFlags};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::id::{Gid, Uid};
use warren_kernel::vfs::driver::{
    Capacity, DriverHandle, DriverOpen, DriverStat, FileSystem, FsAnswer, FsRequest, SetAttributes,
};
use warren_kernel::vfs::{FileKind, Mode, Name, PATH_MAX};

/// Names one List answers, at most. More is `EOVERFLOW` and not a shorter list: whoever copies or removes a directory
/// by a list that silently ends does damage.
pub const LIST_MAX: usize = 65_536;
/// Files open at once through one `HostDirectory`, at most; more is `ENFILE`. Each is a descriptor of the Warren
/// process, which all sessions share.
pub const OPEN_FILES_MAX: usize = 1024;
/// How often an open that should create is tried while another process makes and removes the same name.
const CREATE_ATTEMPTS_MAX: usize = 16;

/// How a directory is shown to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Every change is refused with `EROFS`.
    pub read_only: bool,
    /// Who owns everything in it, as the session sees it.
    pub owner: (Uid, Gid),
}

/// A directory of the host, to be mounted.
#[derive(Debug)]
pub struct HostDirectory {
    beneath: Beneath,
    view: View,
    /// One clone for each open file.
    open_files: Arc<()>,
}

/// Why a directory cannot be shown.
#[derive(Debug)]
pub enum OpenError {
    /// It is not there, is no directory, or may not be entered.
    Unreachable {
        /// As given.
        path: PathBuf,
        /// What the host said.
        errno: Errno,
    },
    /// The host's kernel has no openat2() (Linux 5.6), or a sandbox forbids it. Nothing weaker is tried.
    NoOpenat2,
    /// `/proc` is not mounted: what was checked could not be opened without naming it once more.
    NoProc,
    /// The directory is part of a `/proc`, whose files lead into every process, this one included.
    IsProc {
        /// As given.
        path: PathBuf,
    },
}

impl HostDirectory {
    /// Takes hold of a directory. Symbolic links in `path` are followed now, never again; the directory stays the
    /// same one when it is renamed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<HostDirectory, OpenError> {
        let Options { read_only, owner: (uid, gid) } = options;
        Ok(HostDirectory {
            beneath: Beneath::open(path.as_ref())?,
            view: View { uid, gid, read_only },
            open_files: Arc::new(()),
        })
    }
}

impl FileSystem for HostDirectory {
    fn type_name(&self) -> &'static str {
        "hostfs"
    }

    fn perform(&self, request: &FsRequest) -> Result<FsAnswer, Errno> {
        let done = |()| FsAnswer::Done;
        match request {
            FsRequest::Stat(path) => self.stat(CheckedPath::new(path)?).map(FsAnswer::Stat),
            FsRequest::ReadLink(path) => self.read_link(CheckedPath::new(path)?).map(FsAnswer::Target),
            FsRequest::List(path) => self.list(CheckedPath::new(path)?),
            FsRequest::Open(path, how) => self.open_file(CheckedPath::new(path)?, *how).map(FsAnswer::Opened),
            FsRequest::MakeDirectory(path, mode) => self.make_directory(CheckedPath::new(path)?, *mode).map(done),
            FsRequest::MakeSymlink(path, target) => self.make_symlink(CheckedPath::new(path)?, target).map(done),
            FsRequest::Unlink(path) => self.remove(CheckedPath::new(path)?, AtFlags::empty()).map(done),
            FsRequest::RemoveDirectory(path) => self.remove(CheckedPath::new(path)?, AtFlags::REMOVEDIR).map(done),
            FsRequest::Rename(from, to, replace) => {
                let flags = if *replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
                self.rename(CheckedPath::new(from)?, CheckedPath::new(to)?, flags).map(done)
            }
            FsRequest::Link(old, new) => self.link(CheckedPath::new(old)?, CheckedPath::new(new)?).map(done),
            FsRequest::SetAttributes(path, set) => self.set_attributes(CheckedPath::new(path)?, set).map(done),
            FsRequest::Capacity => self.capacity().map(FsAnswer::Capacity),
            FsRequest::Read(handle, offset, len) => {
                handle.0.read_at(*offset, *len).map(|bytes| FsAnswer::Data(bytes.into()))
            }
            FsRequest::Write(handle, offset, bytes) => {
                handle.0.write_at(*offset, bytes).map(|(count, end)| FsAnswer::Written(count, end))
            }
            FsRequest::StatOpen(handle) => handle.0.stat().map(FsAnswer::Stat),
            FsRequest::SetLen(handle, len) => handle.0.set_len(*len).map(done),
            FsRequest::SetAttributesOpen(file, set) => file.0.set_attributes(set).map(done),
            FsRequest::Sync(handle) => handle.0.sync().map(done),
        }
    }
}

/// Looking.
impl HostDirectory {
    fn stat(&self, path: CheckedPath<'_>) -> Result<DriverStat, Errno> {
        self.view.show(&self.beneath.find(path)?.stat)
    }

    fn read_link(&self, path: CheckedPath<'_>) -> Result<Arc<[u8]>, Errno> {
        let link = self.beneath.find(path)?;
        if link.kind()? != FileKind::Symlink {
            return Err(Errno::EINVAL);
        }
        let target = fs::readlinkat(&link.fd, c"", Vec::new()).map_err(answer)?;
        Ok(target.to_bytes().into())
    }

    fn list(&self, path: CheckedPath<'_>) -> Result<FsAnswer, Errno> {
        let target = self.beneath.find(path)?;
        if target.kind()? != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        let directory = self.beneath.reopen(&target, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in fs::Dir::new(directory).map_err(answer)? {
            let entry = entry.map_err(answer)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if names.len() == LIST_MAX {
                return Err(Errno::EOVERFLOW);
            }
            let kind = match FileKind::from_bits(entry.file_type().as_raw_mode()) {
                Some(kind) => kind,
                // This file system does not tell kinds in a listing.
                None => match fs::statat(&target.fd, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT) {
                    Ok(stat) => attributes::kind(&stat)?,
                    Err(rustix::io::Errno::NOENT) => continue,
                    Err(errno) => return Err(answer(errno)),
                },
            };
            names.push((Name::from(name.to_bytes()), attributes::ino(target.stat.st_dev, entry.ino()), kind));
        }
        Ok(FsAnswer::Names(names.into()))
    }

    fn capacity(&self) -> Result<Capacity, Errno> {
        let host = self.beneath.capacity()?;
        Ok(Capacity {
            bytes: host.f_blocks.saturating_mul(host.f_frsize),
            bytes_free: host.f_bavail.saturating_mul(host.f_frsize),
            inodes: host.f_files,
            inodes_free: host.f_favail,
        })
    }
}

/// Opening.
impl HostDirectory {
    /// As open() with O_NOFOLLOW. Regular files only: `EISDIR`, `ELOOP` for a link, `ENXIO` for what is special.
    fn open_file(&self, path: CheckedPath<'_>, how: DriverOpen) -> Result<DriverHandle, Errno> {
        let slot = self.open_files.clone();
        // Besides the slots there is the field they are cloned from.
        if Arc::strong_count(&self.open_files) > OPEN_FILES_MAX + 1 {
            return Err(Errno::ENFILE);
        }
        for _ in 0..CREATE_ATTEMPTS_MAX {
            let found = match self.beneath.find(path) {
                Ok(_) if how.create.is_some() && how.exclusive => return Err(Errno::EEXIST),
                Ok(found) => found,
                Err(Errno::ENOENT) => {
                    let mode = how.create.ok_or(Errno::ENOENT)?;
                    self.require_writable()?;
                    match self.beneath.create(path, access(how), mode) {
                        // Someone was faster: what they made is opened.
                        Err(Errno::EEXIST) if !how.exclusive => continue,
                        made => return Ok(HostFile::handle(made?, self.view, slot)),
                    }
                }
                Err(errno) => return Err(errno),
            };
            return Ok(HostFile::handle(self.open_found(&found, how)?, self.view, slot));
        }
        Err(Errno::EAGAIN)
    }

    fn open_found(&self, found: &Target, how: DriverOpen) -> Result<rustix::fd::OwnedFd, Errno> {
        match found.kind()? {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR),
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Fifo | FileKind::Socket | FileKind::Character | FileKind::Block => return Err(Errno::ENXIO),
        }
        let changes = how.write || how.truncate;
        if changes {
            self.require_writable()?;
        }
        let truncate = if how.truncate { OFlags::TRUNC } else { OFlags::empty() };
        let file = self.beneath.reopen(found, access(how) | truncate)?;
        if changes {
            drop_set_id(&file, found)?;
        }
        Ok(file)
    }
}

/// Changing.
impl HostDirectory {
    fn make_directory(&self, path: CheckedPath<'_>, mode: Mode) -> Result<(), Errno> {
        let Some(Place { directory, name }) = self.place(path)? else { return Err(Errno::EEXIST) };
        fs::mkdirat(&directory, name, attributes::host_mode(mode, 0)).map_err(answer)?;
        // The umask of the Warren process took bits away that the session's did not.
        let made = self.beneath.find(path)?;
        if made.kind()? == FileKind::Directory { self.beneath.set_mode(&made, mode) } else { Ok(()) }
    }

    fn make_symlink(&self, path: CheckedPath<'_>, target: &[u8]) -> Result<(), Errno> {
        match target.len() {
            0 => return Err(Errno::ENOENT),
            len if len > PATH_MAX => return Err(Errno::ENAMETOOLONG),
            _ => {}
        }
        let Some(Place { directory, name }) = self.place(path)? else { return Err(Errno::EEXIST) };
        fs::symlinkat(target, &directory, name).map_err(answer)
    }

    fn remove(&self, path: CheckedPath<'_>, flags: AtFlags) -> Result<(), Errno> {
        let Some(Place { directory, name }) = self.place(path)? else { return Err(Errno::EBUSY) };
        fs::unlinkat(&directory, name, flags).map_err(answer)
    }

    /// `EINVAL` for NOREPLACE where the host's file system cannot: an attempt that might replace is not made.
    fn rename(&self, from: CheckedPath<'_>, to: CheckedPath<'_>, flags: RenameFlags) -> Result<(), Errno> {
        let (Some(from), Some(to)) = (self.place(from)?, self.place(to)?) else { return Err(Errno::EBUSY) };
        fs::renameat_with(&from.directory, from.name, &to.directory, to.name, flags).map_err(answer)
    }

    /// A link to a symbolic link is one more name of the link, as Linux's link().
    fn link(&self, old: CheckedPath<'_>, new: CheckedPath<'_>) -> Result<(), Errno> {
        let Some(new) = self.place(new)? else { return Err(Errno::EEXIST) };
        let Some(old) = self.place(old)? else { return Err(Errno::EPERM) };
        fs::linkat(&old.directory, old.name, &new.directory, new.name, AtFlags::empty()).map_err(answer)
    }

    /// Length first, then bits, then times, which the length would change. One that fails leaves those before it.
    fn set_attributes(&self, path: CheckedPath<'_>, set: &SetAttributes) -> Result<(), Errno> {
        let target = self.beneath.find(path)?;
        self.require_writable()?;
        let kind = target.kind()?;
        let keeps_owner = set.uid.is_none_or(|uid| uid == self.view.uid);
        let keeps_group = set.gid.is_none_or(|gid| gid == self.view.gid);
        let special = !matches!(kind, FileKind::Regular | FileKind::Directory | FileKind::Symlink);
        if special || !keeps_owner || !keeps_group {
            return Err(Errno::EPERM);
        }
        if let Some(len) = set.len {
            match kind {
                FileKind::Regular => {}
                FileKind::Directory => return Err(Errno::EISDIR),
                _ => return Err(Errno::EINVAL),
            }
            let file = self.beneath.reopen(&target, OFlags::WRONLY)?;
            drop_set_id(&file, &target)?;
            file::set_len(&file, len)?;
        }
        if let Some(mode) = set.mode {
            if kind == FileKind::Symlink {
                return Err(Errno::EOPNOTSUPP);
            }
            self.beneath.set_mode(&target, mode)?;
        }
        if set.atime.is_some() || set.mtime.is_some() {
            let times = attributes::host_times(set.atime, set.mtime);
            fs::utimensat(&target.fd, c"", &times, AtFlags::EMPTY_PATH).map_err(answer)?;
        }
        Ok(())
    }

    /// Directory and name of what a change is about; none for the root.
    fn place<'a>(&self, path: CheckedPath<'a>) -> Result<Option<Place<'a>>, Errno> {
        self.require_writable()?;
        let Some((parent, name)) = path.split() else { return Ok(None) };
        Ok(Some(Place { directory: self.beneath.directory(parent)?, name }))
    }

    fn require_writable(&self) -> Result<(), Errno> {
        if self.view.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
}

fn access(how: DriverOpen) -> OFlags {
    match (how.read, how.write) {
        (true, true) => OFlags::RDWR,
        (false, true) => OFlags::WRONLY,
        (_, false) => OFlags::RDONLY,
    }
}

/// Takes set-id bits from a file that is about to be written. Linux does the same at each write, but not for root,
/// and a session must not choose what a set-id program of the host does.
fn drop_set_id(file: &rustix::fd::OwnedFd, target: &Target) -> Result<(), Errno> {
    if target.stat.st_mode & (Mode::SETUID | Mode::SETGID) == 0 {
        return Ok(());
    }
    fs::fchmod(file, attributes::host_mode(Mode::new(target.stat.st_mode), 0)).map_err(answer)
}

/// The host's error as the session's. That the Warren process has no descriptor left is not the guest's table being
/// full.
fn answer(errno: rustix::io::Errno) -> Errno {
    match Errno::from_number(errno.raw_os_error()) {
        Errno::EMFILE => Errno::ENFILE,
        errno => errno,
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Unreachable { path, errno } => write!(f, "host directory {}: {errno}", path.display()),
            OpenError::NoOpenat2 => f.write_str("host directories need openat2(), which Linux has since 5.6"),
            OpenError::NoProc => f.write_str("host directories need /proc mounted on the host"),
            OpenError::IsProc { path } => {
                write!(f, "host directory {}: a /proc leads into every process and is not shown", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests;
