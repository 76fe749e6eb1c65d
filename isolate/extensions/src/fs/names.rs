//! Paths as bytes, where they really lead, and the names in a directory.

use super::calls::{Calls, Kept, open_and};
use crate::errno::fs_error;
use crate::fs::calls::Waiting;
use crate::guest::Guest;
use deno_fs::{FsDirEntry, FsReadDir};
use deno_io::fs::{FsError, FsResult};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use warren_kernel::id::Fd;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Name, PATH_MAX, SYMLINKS_MAX};
use warren_kernel::{Call, Errno, Kernel, Step};

/// Names taken from a directory while the kernel is locked once.
const NAMES_AT_ONCE: usize = 4096;
/// Names an opened directory has ready, at most.
const NAMES_READY: usize = 256;

/// A path's bytes.
pub(crate) fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// A path of these bytes.
pub(crate) fn path_buf(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// `directory/name`.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    if !path.is_empty() && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The working directory.
///
/// # Errors
/// `ENOENT` when it has no path any more.
pub(crate) fn working_directory(kernel: &Kernel, call: &Call) -> Result<Vec<u8>, Errno> {
    kernel.path_of(&kernel.process(call.pid)?.cwd).ok_or(Errno::ENOENT)
}

/// The path without links, `.` and `..`; all of it must be there.
///
/// # Errors
/// Those of a walk: `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`, `ENAMETOOLONG`.
pub(crate) async fn real_path(calls: &impl Calls, path: &[u8]) -> Result<PathBuf, Errno> {
    calls.call(|kernel, call| resolve(kernel, call, path)).await.map(path_buf)
}

fn resolve(kernel: &mut Kernel, call: &mut Call, path: &[u8]) -> Step<Vec<u8>> {
    if path.is_empty() {
        return Err(Errno::ENOENT.into());
    }
    let mut at = if path[0] == b'/' { b"/".to_vec() } else { working_directory(kernel, call)? };
    let mut rest: Vec<Name> = Vec::new();
    let mut directory = path.ends_with(b"/");
    let mut links = 0;
    push(&mut rest, path)?;
    while let Some(name) = rest.pop() {
        if *name == *b"." || *name == *b".." {
            require_directory(kernel, call, &at)?;
            if *name == *b".." {
                at.truncate(at.iter().rposition(|byte| *byte == b'/').unwrap_or(0).max(1));
            }
            continue;
        }
        let next = join(&at, &name);
        if kernel.stat(call, At::Cwd, &next, false)?.kind != FileKind::Symlink {
            at = next;
            continue;
        }
        let target = kernel.readlink(call, At::Cwd, &next)?;
        links += 1;
        if links > SYMLINKS_MAX {
            return Err(Errno::ELOOP.into());
        }
        if target.first() == Some(&b'/') {
            at = b"/".to_vec();
        }
        directory |= rest.is_empty() && target.ends_with(b"/");
        push(&mut rest, &target)?;
    }
    if directory {
        require_directory(kernel, call, &at)?;
    }
    Ok(at)
}

fn push(rest: &mut Vec<Name>, path: &[u8]) -> Result<(), Errno> {
    rest.extend(path.rsplit(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(Name::from));
    // As the kernel's own walk: forty long links must not queue more.
    if rest.len() > PATH_MAX * 4 { Err(Errno::ENAMETOOLONG) } else { Ok(()) }
}

fn require_directory(kernel: &mut Kernel, call: &mut Call, path: &[u8]) -> Step<()> {
    match kernel.stat(call, At::Cwd, path, true)?.kind {
        FileKind::Directory => Ok(()),
        _ => Err(Errno::ENOTDIR.into()),
    }
}

/// One name of a directory.
pub(crate) struct Entry {
    pub(crate) name: Name,
    pub(crate) kind: FileKind,
}

impl Entry {
    fn shown(self) -> FsDirEntry {
        FsDirEntry {
            // As Node: a name that is no text is shown with replacement characters rather than left out.
            name: String::from_utf8_lossy(&self.name).into_owned(),
            is_file: self.kind == FileKind::Regular,
            is_directory: self.kind == FileKind::Directory,
            is_symlink: self.kind == FileKind::Symlink,
        }
    }
}

/// Opens a directory to list it.
pub(crate) const LIST: OpenFlags = OpenFlags::READ.union(OpenFlags::DIRECTORY);

/// Appends some entries from `position` on, without `.` and `..`. Where to go on; `None` at the end.
pub(crate) fn list(
    kernel: &mut Kernel,
    call: &mut Call,
    fd: Fd,
    position: u64,
    most: usize,
    entries: &mut Vec<Entry>,
) -> Step<Option<u64>> {
    let (mut seen, mut next) = (0, position);
    kernel.readdir(call, fd, position, &mut |entry| {
        (seen, next) = (seen + 1, entry.next);
        if &*entry.name != b"." && &*entry.name != b".." {
            entries.push(Entry { name: entry.name.clone(), kind: entry.kind });
        }
        seen < most
    })?;
    Ok((seen >= most).then_some(next))
}

/// All entries of an open directory.
pub(crate) async fn list_all(calls: &impl Calls, fd: Fd, from: u64, entries: &mut Vec<Entry>) -> Result<(), Errno> {
    let mut position = Some(from);
    while let Some(from) = position {
        let before = entries.len();
        let listed = calls.call(|kernel, call| {
            entries.truncate(before);
            list(kernel, call, fd, from, NAMES_AT_ONCE, entries)
        });
        position = listed.await?;
    }
    Ok(())
}

/// All entries of the directory at a path.
pub(crate) async fn entries(calls: &impl Calls, path: &[u8], flags: OpenFlags) -> Result<Vec<Entry>, Errno> {
    let mut entries = Vec::new();
    let opened = calls.call(|kernel, call| {
        entries.clear();
        let (fd, next) = open_and(kernel, call, (At::Cwd, path, flags, Mode::new(0)), |kernel, call, fd| {
            list(kernel, call, fd, 0, NAMES_AT_ONCE, &mut entries)
        })?;
        match next {
            Some(next) => Ok(Some((fd, next))),
            None => {
                kernel.close(call, fd)?;
                Ok(None)
            }
        }
    });
    if let Some((fd, next)) = opened.await? {
        let kept = calls.keep(fd);
        list_all(calls, kept.fd, next, &mut entries).await?;
    }
    Ok(entries)
}

/// The names in the directory at a path, and what they are.
pub(crate) async fn read_entries(calls: &impl Calls, path: &[u8]) -> Result<Vec<(Vec<u8>, FileKind)>, Errno> {
    Ok(entries(calls, path, LIST).await?.into_iter().map(|entry| (entry.name.to_vec(), entry.kind)).collect())
}

/// readdir()'s answer.
pub(crate) async fn read_dir(calls: &impl Calls, path: &[u8]) -> Result<Vec<FsDirEntry>, Errno> {
    Ok(entries(calls, path, LIST).await?.into_iter().map(Entry::shown).collect())
}

/// An open directory whose entries are asked for one by one.
#[derive(Debug)]
pub(crate) struct OpenDirectory {
    guest: Guest,
    /// Taken while a call is in it.
    state: Mutex<Option<Listing>>,
}

#[derive(Debug)]
struct Listing {
    open: Kept,
    ready: VecDeque<FsDirEntry>,
    /// Where to go on, unless all is ready.
    next: Option<u64>,
}

impl OpenDirectory {
    /// Opens the directory at a path.
    pub(crate) async fn open(guest: &Guest, path: &[u8]) -> Result<OpenDirectory, Errno> {
        let calls = Waiting::new(guest);
        let flags = LIST | OpenFlags::CLOEXEC;
        let fd = calls.call(|kernel, call| kernel.open(call, At::Cwd, path, flags, Mode::new(0))).await?;
        let listing = Listing { open: calls.keep(fd), ready: VecDeque::new(), next: Some(0) };
        Ok(OpenDirectory { guest: guest.clone(), state: Mutex::new(Some(listing)) })
    }
}

#[async_trait::async_trait(?Send)]
impl FsReadDir for OpenDirectory {
    async fn next(&self) -> FsResult<Option<FsDirEntry>> {
        let taken = self.state.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut listing = taken.ok_or(FsError::FileBusy)?;
        let answer = listing.next(&Waiting::new(&self.guest)).await;
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
        answer.map_err(fs_error)
    }
}

impl Listing {
    async fn next(&mut self, calls: &impl Calls) -> Result<Option<FsDirEntry>, Errno> {
        while let (true, Some(from)) = (self.ready.is_empty(), self.next) {
            let fd = self.open.fd;
            let mut some = Vec::new();
            let listed = calls.call(|kernel, call| {
                some.clear();
                list(kernel, call, fd, from, NAMES_READY, &mut some)
            });
            self.next = listed.await?;
            self.ready.extend(some.into_iter().map(Entry::shown));
        }
        Ok(self.ready.pop_front())
    }
}
