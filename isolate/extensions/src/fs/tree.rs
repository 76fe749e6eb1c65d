//! Making and removing directories with all that is above or below them.
//!
//! A tree is removed from the inside out, with one directory open at a time whatever its depth:
//!
//! ```text
//! list what is in it ─▶ files go at once ─▶ down into each directory by its name, never through a link
//!                                            └▶ empty: up by `..`, if that still is where we came from, and remove it
//! ```
//! Another process may change the tree meanwhile. Nothing outside of it is touched then, and each such change counts:
//! after [`MISSES_MAX`] it is not a race any more.

use super::calls::{Calls, Kept, open_and};
use super::names::{Entry, LIST, bytes, list_all};
use std::path::Path;
use warren_kernel::id::Ino;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Errno, Kernel};

/// Times a tree may turn out to be not what it was when it was looked at.
const MISSES_MAX: u32 = 1000;
/// Permission bits of a new directory, before the process's umask.
const DIRECTORY_MODE: u32 = 0o777;

/// Makes a directory, and with `recursive` those above it that are missing; one that is there is no failure then, and one
/// without a name is there: it is what is above a single name.
pub(crate) async fn make_directory(
    calls: &impl Calls,
    path: &Path,
    recursive: bool,
    mode: Option<u32>,
) -> Result<(), Errno> {
    let mode = Mode::new(mode.unwrap_or(DIRECTORY_MODE));
    if !recursive {
        return calls.call(|kernel, call| kernel.mkdir(call, At::Cwd, bytes(path), mode)).await;
    }
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    // Up to the lowest that is there, and down again.
    let mut missing = Vec::new();
    for above in path.ancestors() {
        if above.as_os_str().is_empty() || make_unless_there(calls, above, mode).await? {
            break;
        }
        missing.push(above);
    }
    for below in missing.into_iter().rev() {
        if !make_unless_there(calls, below, mode).await? {
            return Err(Errno::ENOENT);
        }
    }
    Ok(())
}

/// Whether the directory is there now; not when the one above it is missing.
async fn make_unless_there(calls: &impl Calls, path: &Path, mode: Mode) -> Result<bool, Errno> {
    let path = bytes(path);
    let failure = match calls.call(|kernel, call| kernel.mkdir(call, At::Cwd, path, mode)).await {
        Ok(()) => return Ok(true),
        Err(Errno::ENOENT) => return Ok(false),
        Err(errno) => errno,
    };
    // What keeps it from being made matters only where it is not.
    match calls.call(|kernel, call| kernel.stat(call, At::Cwd, path, true)).await {
        Ok(stat) if stat.kind == FileKind::Directory => Ok(true),
        _ => Err(failure),
    }
}

/// Removes a name, and with `recursive` all below it. A directory without `recursive` must be empty.
pub(crate) async fn remove(calls: &impl Calls, path: &[u8], recursive: bool) -> Result<(), Errno> {
    let tree = calls.call(|kernel, call| {
        let stat = kernel.stat(call, At::Cwd, path, false)?;
        match stat.kind {
            FileKind::Directory if recursive => return Ok(Some(stat)),
            FileKind::Directory => kernel.rmdir(call, At::Cwd, path)?,
            _ => kernel.unlink(call, At::Cwd, path)?,
        }
        Ok(None)
    });
    match tree.await? {
        None => Ok(()),
        Some(top) => Removal { calls, path, top, misses: 0 }.run().await,
    }
}

/// A tree on its way out.
struct Removal<'a, C> {
    calls: &'a C,
    path: &'a [u8],
    top: Stat,
    misses: u32,
}

/// A directory between the top and where the removal is.
struct Level {
    ino: Ino,
    /// Its name in the one above; of the top, nothing.
    name: Vec<u8>,
    /// The names of directories in it that are still to go.
    inside: Vec<Vec<u8>>,
}

/// What came of a change to one name.
enum Outcome {
    Done,
    /// Somebody else was faster.
    Changed,
}

impl<C: Calls> Removal<'_, C> {
    async fn run(mut self) -> Result<(), Errno> {
        while let Outcome::Changed = self.pass().await? {
            self.missed()?;
        }
        Ok(())
    }

    fn missed(&mut self) -> Result<(), Errno> {
        self.misses += 1;
        if self.misses > MISSES_MAX { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Once through the tree; not to its end if the way back to the top is lost.
    async fn pass(&mut self) -> Result<Outcome, Errno> {
        let Some((mut here, top)) = self.enter(At::Cwd, self.path).await? else { return Ok(Outcome::Done) };
        if top != self.top.ino {
            return Err(Errno::EBUSY);
        }
        let mut levels = vec![Level { ino: top, name: Vec::new(), inside: self.empty(&here).await? }];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.inside.pop() {
                match self.enter(here.at(), &name).await? {
                    None => self.missed()?,
                    Some((open, ino)) => {
                        here = open;
                        let inside = self.empty(&here).await?;
                        levels.push(Level { ino, name, inside });
                    }
                }
                continue;
            }
            let Some(done) = levels.pop() else { break };
            let Some(above) = levels.last_mut() else { break };
            here = match self.enter(here.at(), b"..").await? {
                Some((open, ino)) if ino == above.ino => open,
                _ => return Ok(Outcome::Changed),
            };
            if let Outcome::Changed = self.take(here.at(), &done.name, Kernel::rmdir).await? {
                self.missed()?;
                above.inside.push(done.name);
            }
        }
        drop(here);
        self.take(At::Cwd, self.path, Kernel::rmdir).await
    }

    /// Opens a directory; `None` if there is none of that name. One of another file system is not gone into.
    async fn enter(&self, at: At, name: &[u8]) -> Result<Option<(Kept, Ino)>, Errno> {
        let flags = LIST | OpenFlags::NOFOLLOW;
        let opened = self.calls.call(|kernel, call| {
            open_and(kernel, call, (at, name, flags, Mode::new(0)), |kernel, call, fd| kernel.fstat(call, fd))
        });
        match opened.await {
            Ok((fd, stat)) => {
                let open = self.calls.keep(fd);
                if stat.device == self.top.device { Ok(Some((open, stat.ino))) } else { Err(Errno::EBUSY) }
            }
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Takes all but directories out of a directory, and gives the names of those.
    async fn empty(&mut self, here: &Kept) -> Result<Vec<Vec<u8>>, Errno> {
        let mut entries = Vec::new();
        list_all(self.calls, here.fd, 0, &mut entries).await?;
        let mut directories = Vec::new();
        for Entry { name, kind } in entries {
            if kind == FileKind::Directory {
                directories.push(name.to_vec());
            } else if let Outcome::Changed = self.take(here.at(), &name, Kernel::unlink).await? {
                self.missed()?;
                directories.push(name.to_vec());
            }
        }
        Ok(directories)
    }

    /// Removes one name; gone already is as good. It may be of another kind by now, or not empty any more.
    async fn take(
        &self,
        at: At,
        name: &[u8],
        remove: fn(&mut Kernel, &mut warren_kernel::Call, At, &[u8]) -> warren_kernel::Step<()>,
    ) -> Result<Outcome, Errno> {
        match self.calls.call(|kernel, call| remove(kernel, call, at, name)).await {
            Ok(()) | Err(Errno::ENOENT) => Ok(Outcome::Done),
            Err(Errno::EISDIR | Errno::ENOTDIR | Errno::ENOTEMPTY) => Ok(Outcome::Changed),
            Err(errno) => Err(errno),
        }
    }
}
