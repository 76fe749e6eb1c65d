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
use warren_kernel::id::Pid;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, NAME_MAX, PATH_MAX};
use warren_kernel::{Call, CallError, Errno, Kernel, Step};

/// Names taken from a directory at once. Between two looks the session may be put to rest, or deleted.
const NAMES_AT_ONCE: usize = 1000;
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
            let removed = Removal { awake: &awake, path, moved: 0 }.run().await;
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
    inside: Vec<Vec<u8>>,
}

impl Removal<'_> {
    async fn run(mut self) -> Result<(), SessionError> {
        let top = self.top().to_vec();
        let mut levels = vec![Level { path: top, inside: Vec::new() }];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.inside.pop() {
                let path = join(&level.path, &name);
                let next = if path.len() <= REACH { path } else { self.bring_near(&levels[0].path, &path).await? };
                levels.push(Level { path: next, inside: Vec::new() });
                continue;
            }
            let _pass = again(self.awake)?;
            let (some, directories) = self.look(&level.path).await?;
            level.inside = directories;
            if !some {
                let path = &level.path;
                self.call(path, |kernel, call| kernel.rmdir(call, At::Root, path)).await?;
                levels.pop();
            }
        }
        Ok(())
    }

    fn top(&self) -> &[u8] {
        self.path.trim_end_matches('/').as_bytes()
    }

    /// Takes some names of a directory: files go at once. Whether there were any, and the directories among them.
    async fn look(&self, directory: &[u8]) -> Result<(bool, Vec<Vec<u8>>), SessionError> {
        let session = &self.awake.session;
        let flags = OpenFlags::DIRECTORY | OpenFlags::READ | OpenFlags::CLOEXEC | OpenFlags::NOFOLLOW;
        let fd =
            operate(session, self.path, |kernel, call| kernel.open(call, At::Root, directory, flags, Mode::new(0)));
        let open = match fd.await {
            Ok(fd) => Open { session, fd },
            // A guest was faster.
            Err(SessionError::File { errno: Errno::ENOENT, .. }) if directory != self.top() => {
                return Ok((false, Vec::new()));
            }
            Err(error) => return Err(error),
        };
        let fd = open.fd;
        let names = operate(session, self.path, |kernel, call| {
            let mut names = Vec::new();
            kernel.readdir(call, fd, 0, &mut |entry| {
                if &entry.name[..] != b"." && &entry.name[..] != b".." {
                    names.push((entry.name.to_vec(), entry.kind));
                }
                names.len() < NAMES_AT_ONCE
            })?;
            Ok(names)
        });
        let names = names.await?;
        drop(open);
        let some = !names.is_empty();
        let mut directories = Vec::new();
        for (name, kind) in names {
            if kind == FileKind::Directory {
                directories.push(name);
                continue;
            }
            let full = join(directory, &name);
            self.call(&full, |kernel, call| kernel.unlink(call, At::Root, &full)).await?;
        }
        Ok((some, directories))
    }

    /// Moves a directory whose names are too long to say into the one that is to go, and gives its path there. Guests can
    /// nest directories as deep as they like, one step after the other.
    async fn bring_near(&mut self, top: &[u8], path: &[u8]) -> Result<Vec<u8>, SessionError> {
        let random = self.awake.session.with(|kernel| {
            let mut random = [0; 8];
            kernel.fill_random(&mut random);
            u64::from_le_bytes(random)
        });
        self.moved += 1;
        let near = join(top, format!(".warren-{random:016x}-{}", self.moved).as_bytes());
        if near.len() > REACH {
            return Err(file_error(self.path, Errno::ENAMETOOLONG));
        }
        let _pass = again(self.awake)?;
        self.call(path, |kernel, call| kernel.rename(call, At::Root, path, At::Root, &near, Replace::Yes)).await?;
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
