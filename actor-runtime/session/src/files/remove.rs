//! Removing, also of whole trees: any number of names, any depth, and the session is not held up meanwhile.
//!
//! ```text
//! look at some names of the deepest directory ─▶ files go at once ─▶ directories are gone through one by one
//!        ▲                                                                │ all gone: look again; none left: it goes itself
//!        └────────────────────────────────────────────────────────────────┘
//! ```

use super::{Open, acknowledge, again, existing, join, operate};
use crate::awake::{Awake, Pass};
use crate::error::SessionError;
use crate::handle::file_error;
use crate::template::check_path;
use std::sync::Arc;
use warren_kernel::id::{Ino, Pid};
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, NAME_MAX, PATH_MAX, Stat};
use warren_kernel::{Call, CallError, Errno, Kernel, Step};

/// Names taken from a directory at once. Between two looks the session may be put to rest, or deleted.
const NAMES_AT_ONCE: usize = 1000;
/// Directories that are not any more what they were when they were seen, up to which a removal goes on.
const MISSES_MAX: u32 = 1000;
/// Bytes of a directory's path up to which any name in it can be said.
const REACH: usize = PATH_MAX - NAME_MAX - 1;

/// Removes a name, and with `recursive` all under it.
pub(crate) async fn remove(pass: Pass, path: &str, recursive: bool) -> Result<(), SessionError> {
    check_path("path", path)?;
    if path.bytes().all(|byte| byte == b'/') {
        return Err(file_error(path, Errno::EBUSY));
    }
    let found = existing(&pass.session, path).await?.ok_or_else(|| file_error(path, Errno::ENOENT))?;
    let session = &pass.session;
    match found.kind {
        FileKind::Directory if recursive => {
            let awake = Arc::clone(&pass);
            drop(pass);
            let removed = Removal { awake: &awake, path, moved: 0 }.run(&found).await;
            let pass = again(&awake)?;
            // What was removed before it failed is gone all the same.
            acknowledge(&pass, "remove", path).await?;
            return removed;
        }
        FileKind::Directory => {
            operate(session, path, |kernel, call| kernel.rmdir(call, At::Root, path.as_bytes())).await?
        }
        _ => operate(session, path, |kernel, call| kernel.unlink(call, At::Root, path.as_bytes())).await?,
    }
    acknowledge(&pass, "remove", path).await
}

/// A tree on its way out.
struct Removal<'a> {
    awake: &'a Arc<Awake>,
    path: &'a str,
    /// Directories that were brought nearer.
    moved: u64,
}

/// A directory, and those in it that were seen and are still to go.
struct Level {
    path: Vec<u8>,
    /// Which it was when it was seen. A guest may put a link where it was, or above it: what is found there is not removed.
    device: u64,
    ino: Ino,
    /// The level it lies in; its own for the first.
    above: usize,
    inside: Vec<(Vec<u8>, Ino)>,
}

impl Removal<'_> {
    async fn run(mut self, top: &Stat) -> Result<(), SessionError> {
        let path = self.path.trim_end_matches('/').as_bytes().to_vec();
        let mut missed = 0;
        let mut levels = vec![Level { path, device: top.device, ino: top.ino, above: 0, inside: Vec::new() }];
        while let Some(at) = levels.len().checked_sub(1) {
            if let Some((name, ino)) = levels[at].inside.pop() {
                let (path, device) = (join(&levels[at].path, &name), levels[at].device);
                let (path, above) = match path.len() <= REACH {
                    true => (path, at),
                    false => (self.bring_near(&levels[0], &levels[at], &name).await?, 0),
                };
                levels.push(Level { path, device, ino, above, inside: Vec::new() });
                continue;
            }
            let _pass = again(self.awake)?;
            let Some(open) = self.open(&levels[at]).await? else {
                // A guest was faster. What is there instead is found when the one above is looked at again.
                missed += 1;
                if missed > MISSES_MAX {
                    return Err(file_error(self.path, Errno::EBUSY));
                }
                levels.pop();
                continue;
            };
            let (some, directories) = self.look(&open, &levels[at].path).await?;
            drop(open);
            levels[at].inside = directories;
            if !some {
                self.remove_directory(&levels[levels[at].above], &levels[at]).await?;
                levels.pop();
            }
        }
        Ok(())
    }

    /// The directory, if it is still the one that was seen.
    async fn open(&self, level: &Level) -> Result<Option<Open<'_>>, SessionError> {
        let session = &self.awake.session;
        let flags = OpenFlags::DIRECTORY | OpenFlags::READ | OpenFlags::CLOEXEC | OpenFlags::NOFOLLOW;
        let fd =
            operate(session, self.path, |kernel, call| kernel.open(call, At::Root, &level.path, flags, Mode::new(0)));
        let open = match fd.await {
            Ok(fd) => Open { session, fd },
            Err(SessionError::File { errno: Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP, .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stat = operate(session, self.path, |kernel, call| kernel.fstat(call, open.fd)).await?;
        // Another file system is mounted there.
        if stat.device != level.device {
            return Err(file_error(&String::from_utf8_lossy(&level.path), Errno::EBUSY));
        }
        Ok((stat.ino == level.ino).then_some(open))
    }

    /// Takes some names of a directory: files go at once. Whether there were any, and the directories among them.
    async fn look(&self, open: &Open<'_>, directory: &[u8]) -> Result<(bool, Vec<(Vec<u8>, Ino)>), SessionError> {
        let fd = open.fd;
        let names = operate(&self.awake.session, self.path, |kernel, call| {
            let mut names = Vec::new();
            kernel.readdir(call, fd, 0, &mut |entry| {
                if &entry.name[..] != b"." && &entry.name[..] != b".." {
                    names.push((entry.name.to_vec(), entry.ino, entry.kind));
                }
                names.len() < NAMES_AT_ONCE
            })?;
            Ok(names)
        });
        let names = names.await?;
        let some = !names.is_empty();
        let mut directories = Vec::new();
        for (name, ino, kind) in names {
            if kind == FileKind::Directory {
                directories.push((name, ino));
                continue;
            }
            self.call(&join(directory, &name), |kernel, call| kernel.unlink(call, At::Fd(fd), &name)).await?;
        }
        Ok((some, directories))
    }

    /// Removes an empty directory from the one it lies in.
    async fn remove_directory(&self, above: &Level, level: &Level) -> Result<(), SessionError> {
        if above.ino == level.ino {
            return self.call(&level.path, |kernel, call| kernel.rmdir(call, At::Root, &level.path)).await;
        }
        let Some(open) = self.open(above).await? else { return Ok(()) };
        let name = level.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        self.call(&level.path, |kernel, call| kernel.rmdir(call, At::Fd(open.fd), name)).await
    }

    /// Moves a directory whose names are too long to say into the one that is to go, and gives its path there. Guests can
    /// nest directories as deep as they like, one step after the other.
    async fn bring_near(&mut self, top: &Level, from: &Level, name: &[u8]) -> Result<Vec<u8>, SessionError> {
        let random = self.awake.session.with(|kernel| {
            let mut random = [0; 8];
            kernel.fill_random(&mut random);
            u64::from_le_bytes(random)
        });
        self.moved += 1;
        let new = format!(".warren-{random:016x}-{}", self.moved);
        let near = join(&top.path, new.as_bytes());
        if near.len() > REACH {
            return Err(file_error(self.path, Errno::ENAMETOOLONG));
        }
        let _pass = again(self.awake)?;
        if let (Some(top), Some(from)) = (self.open(top).await?, self.open(from).await?) {
            let (top, from) = (At::Fd(top.fd), At::Fd(from.fd));
            self.call(&near, |kernel, call| kernel.rename(call, from, name, top, new.as_bytes(), Replace::Yes)).await?;
        }
        Ok(near)
    }

    /// A call about `path`. What is gone already is no failure.
    async fn call<F>(&self, path: &[u8], op: F) -> Result<(), SessionError>
    where
        F: FnMut(&mut Kernel, &mut Call) -> Step<()> + Unpin,
    {
        match self.awake.session.call(Pid::INIT, op).await {
            Ok(()) | Err(CallError::Failed(Errno::ENOENT)) => Ok(()),
            Err(CallError::Failed(errno)) => Err(file_error(&String::from_utf8_lossy(path), errno)),
            Err(CallError::Doomed(_) | CallError::Interrupted { .. }) => Err(file_error(self.path, Errno::EIO)),
        }
    }
}
