//! Files of a session, for clients: through the kernel as its operator, and what is made belongs to the session's user.
//!
//! ```text
//! write: parts ─▶ a file without a name ─▶ all are there: a name beside the target, and a rename over it
//! ```
//! A client that goes away half-way leaves nothing: a file without a name is gone with its descriptor. Each operation is
//! acknowledged as the session promises, with one event of audit and one of what changed.

use crate::awake::{Awake, Pass};
use crate::command::{FileInfo, WriteOptions};
use crate::error::SessionError;
use crate::event::{State, What};
use crate::handle::file_error;
use crate::spec::SpecFile;
use crate::template::check_path;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use warren_kernel::id::{Fd, Ino, Pid};
use warren_kernel::user::Credentials;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, PATH_MAX, SYMLINKS_MAX, Stat};
use warren_kernel::{Call, CallError, Errno, Halt, Kernel, Session, Step};

pub(crate) mod batch;
mod remove;

pub(crate) use remove::remove;

/// Bytes one read returns, at most.
pub(crate) const READ_MAX: u64 = 1 << 20;
/// Entries one listing returns, at most.
pub(crate) const LIST_MAX: usize = 10_000;
/// Bytes appended in one go, at most.
const APPEND_MAX: u64 = 64 << 20;
/// Permission bits of what clients make, unless they say otherwise.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// A call of the operator.
pub(crate) async fn operate<T, F>(session: &Session, path: &str, op: F) -> Result<T, SessionError>
where
    F: FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin,
{
    session.call(Pid::INIT, op).await.map_err(|error| match error {
        CallError::Failed(errno) => file_error(path, errno),
        CallError::Doomed(_) | CallError::Interrupted { .. } => file_error(path, Errno::EIO),
    })
}

/// A descriptor of the operator's.
struct Open<'a> {
    session: &'a Session,
    fd: Fd,
}

impl Open<'_> {
    async fn new<'a>(session: &'a Session, path: &str, flags: OpenFlags) -> Result<Open<'a>, SessionError> {
        // No process that is launched meanwhile may have it.
        let flags = flags | OpenFlags::CLOEXEC;
        let open =
            |kernel: &mut Kernel, call: &mut Call| kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(0));
        Ok(Open { session, fd: operate(session, path, open).await? })
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let _ = self.session.with(|kernel| kernel.close(&Call::new(Pid::INIT), self.fd));
    }
}

/// Attributes; a link's own.
pub(crate) async fn stat(awake: &Pass, path: &str) -> Result<FileInfo, SessionError> {
    check_path("path", path)?;
    operate(&awake.session, path, |kernel, call| info(kernel, call, path.as_bytes(), path)).await
}

fn info(kernel: &mut Kernel, call: &mut Call, path: &[u8], name: &str) -> Step<FileInfo> {
    let stat = kernel.stat(call, At::Root, path, false)?;
    let target = match stat.kind {
        FileKind::Symlink => Some(String::from_utf8_lossy(&kernel.readlink(call, At::Root, path)?).into_owned()),
        _ => None,
    };
    Ok(FileInfo {
        name: name.to_owned(),
        kind: stat.kind,
        size: stat.size,
        mode: stat.mode.bits(),
        uid: stat.uid,
        gid: stat.gid,
        ino: stat.ino,
        links: stat.links,
        modified: stat.mtime,
        target,
    })
}

/// Entries of a directory in order of name.
pub(crate) async fn list(
    awake: &Pass,
    path: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<FileInfo>, SessionError> {
    check_path("path", path)?;
    let limit = limit.min(LIST_MAX);
    let open = Open::new(&awake.session, path, OpenFlags::DIRECTORY | OpenFlags::READ).await?;
    let names = names(&open, path, after.map(str::as_bytes), limit).await?;
    let mut entries = Vec::with_capacity(names.len());
    for (name, _) in names {
        let full = join(path.as_bytes(), &name);
        let shown = String::from_utf8_lossy(&name);
        let found = awake.session.call(Pid::INIT, |kernel, call| info(kernel, call, &full, &shown)).await;
        match found {
            Ok(info) => entries.push(info),
            // It was removed since.
            Err(CallError::Failed(Errno::ENOENT)) => {}
            Err(CallError::Failed(errno)) => return Err(file_error(path, errno)),
            Err(CallError::Doomed(_) | CallError::Interrupted { .. }) => return Err(file_error(path, Errno::EIO)),
        }
    }
    Ok(entries)
}

/// The first `limit` names after `after`, in order.
async fn names(
    open: &Open<'_>,
    path: &str,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<BTreeMap<Vec<u8>, (Ino, FileKind)>, SessionError> {
    let fd = open.fd;
    operate(open.session, path, |kernel, call| {
        let mut names = BTreeMap::<Vec<u8>, _>::new();
        kernel.readdir(call, fd, 0, &mut |entry| {
            let name = &entry.name[..];
            let wanted = name != b"." && name != b".." && after.is_none_or(|after| name > after);
            // Of a large directory most names are behind those that are wanted: they cost a look and no memory.
            let full = names.len() >= limit && names.last_key_value().is_none_or(|(last, _)| name > &last[..]);
            if wanted && !full {
                names.insert(name.to_vec(), (entry.ino, entry.kind));
                if names.len() > limit {
                    names.pop_last();
                }
            }
            true
        })?;
        Ok(names)
    })
    .await
}

/// Part of a regular file.
pub(crate) async fn read(awake: &Pass, path: &str, range: Range<u64>) -> Result<Bytes, SessionError> {
    check_path("path", path)?;
    // A FIFO would have the operator wait for a guest.
    let found =
        operate(&awake.session, path, |kernel, call| kernel.stat(call, At::Root, path.as_bytes(), true)).await?;
    match found.kind {
        FileKind::Regular => {}
        FileKind::Directory => return Err(file_error(path, Errno::EISDIR)),
        _ => return Err(file_error(path, Errno::EINVAL)),
    }
    let open = Open::new(&awake.session, path, OpenFlags::READ | OpenFlags::NONBLOCK).await?;
    let want = range.end.saturating_sub(range.start).min(READ_MAX) as usize;
    let mut bytes = Vec::new();
    while bytes.len() < want {
        let (fd, offset, left) = (open.fd, range.start + bytes.len() as u64, want - bytes.len());
        let mut part = Vec::new();
        let read = operate(&awake.session, path, |kernel, call| {
            part.clear();
            kernel.pread(call, fd, offset, left, &mut |piece| part.extend_from_slice(piece))
        });
        if read.await? == 0 {
            break;
        }
        bytes.append(&mut part);
    }
    Ok(bytes.into())
}

/// Writes a file from parts.
pub(crate) async fn write(
    pass: Pass,
    path: &str,
    options: &WriteOptions,
    mut parts: BoxStream<'static, Result<Bytes, std::io::Error>>,
) -> Result<FileInfo, SessionError> {
    check_path("path", path)?;
    if path.ends_with('/') {
        return Err(file_error(path, Errno::EISDIR));
    }
    let awake = Arc::clone(&pass);
    let session = &awake.session;
    let target = followed(session, path).await?;
    let (directory, _) = split(&target);
    if options.parents {
        make_all(session, &awake.template.user, directory).await?;
    }
    let existing = existing(session, &target).await?;
    match existing.as_ref().map(|stat| stat.kind) {
        Some(_) if options.exclusive => return Err(file_error(path, Errno::EEXIST)),
        Some(FileKind::Directory) => return Err(file_error(path, Errno::EISDIR)),
        Some(FileKind::Regular) | None => {}
        Some(_) => return Err(file_error(path, Errno::EINVAL)),
    }
    let old_mode = existing.as_ref().map(|stat| stat.mode.bits());
    let mode = options.mode.or(old_mode).unwrap_or(FILE_MODE);
    let staged = stage(session, path, directory, mode).await?;
    drop(pass);
    let mut written = 0;
    while let Some(part) = parts.next().await {
        // A client that stops half-way is no reason to keep half a file.
        let part = part.map_err(|_| file_error(path, Errno::EIO))?;
        let _pass = again(&awake)?;
        write_all(&staged, path, &part).await?;
        written += part.len() as u64;
    }
    let pass = again(&awake)?;
    let made = if options.append && existing.is_some() {
        append(session, path, &target, &staged, written).await
    } else {
        take_name(session, path, &target, &staged, &awake.template.user, (mode, options.exclusive))
    };
    made?;
    let info = operate(session, path, |kernel, call| info(kernel, call, target.as_bytes(), path)).await?;
    acknowledge(&pass, "write", path).await?;
    Ok(info)
}

/// The request goes on, if its session has not been put to rest since.
fn again(awake: &Arc<Awake>) -> Result<Pass, SessionError> {
    awake.enter().ok_or(SessionError::WrongState { id: awake.id, state: State::Hibernating })
}

async fn acknowledge(awake: &Awake, verb: &str, subject: &str) -> Result<(), SessionError> {
    awake.acknowledge(vec![What::Audit { verb: verb.to_owned(), subject: subject.to_owned() }]).await
}

/// A file without a name, in the directory it is to have one in.
async fn stage<'a>(session: &'a Session, path: &str, directory: &str, mode: u32) -> Result<Open<'a>, SessionError> {
    let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CLOEXEC;
    let open = |kernel: &mut Kernel, call: &mut Call| {
        kernel.open_unnamed(call, At::Root, directory.as_bytes(), flags, Mode::new(mode))
    };
    Ok(Open { session, fd: operate(session, path, open).await? })
}

async fn write_all(file: &Open<'_>, path: &str, bytes: &[u8]) -> Result<(), SessionError> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (fd, part) = (file.fd, rest);
        let written = operate(file.session, path, |kernel, call| kernel.write(call, fd, &[part])).await?;
        rest = &rest[written..];
    }
    Ok(())
}

/// Gives a staged file its owner, bits and name, in one go: nobody sees it half done, no batch carries half of it.
fn take_name(
    session: &Session,
    path: &str,
    target: &str,
    staged: &Open<'_>,
    user: &Credentials,
    (mode, exclusive): (u32, bool),
) -> Result<(), SessionError> {
    let (directory, _) = split(target);
    let fd = staged.fd;
    let named = session.with(|kernel| {
        let call = &mut Call::new(Pid::INIT);
        kernel.fchown(call, fd, Some(user.uid), Some(user.gid))?;
        kernel.fchmod(call, fd, Mode::new(mode))?;
        if exclusive {
            return kernel.link_open(call, fd, At::Root, target.as_bytes());
        }
        let mut random = [0; 8];
        kernel.fill_random(&mut random);
        let beside = join(directory.as_bytes(), format!(".warren-{:016x}", u64::from_le_bytes(random)).as_bytes());
        kernel.link_open(call, fd, At::Root, &beside)?;
        let renamed = kernel.rename(call, At::Root, &beside, At::Root, target.as_bytes(), Replace::Yes);
        if renamed.is_err() {
            let _ = kernel.unlink(call, At::Root, &beside);
        }
        renamed
    });
    named.map_err(|halt| match halt {
        Halt::Fail(errno) => file_error(path, errno),
        // Only a mount has to be asked, and a nameless file cannot be made there.
        Halt::Wait(_) | Halt::Fetch(_) => file_error(path, Errno::EXDEV),
    })
}

/// Copies a staged file behind another, in one go.
async fn append(
    session: &Session,
    path: &str,
    target: &str,
    staged: &Open<'_>,
    written: u64,
) -> Result<(), SessionError> {
    if written > APPEND_MAX {
        return Err(file_error(path, Errno::EFBIG));
    }
    let to = Open::new(session, target, OpenFlags::READ | OpenFlags::WRITE | OpenFlags::APPEND).await?;
    // The last block is read first: what may have to be fetched is in memory when the copy is made.
    let size = operate(session, path, |kernel, call| kernel.fstat(call, to.fd)).await?.size;
    let (to, from) = (to.fd, staged.fd);
    let load = |kernel: &mut Kernel, call: &mut Call| kernel.pread(call, to, size.saturating_sub(1), 1, &mut |_| ());
    operate(session, path, load).await?;
    let copied = session.with(|kernel| {
        let call = &mut Call::new(Pid::INIT);
        let begin = kernel.fstat(call, to)?.size;
        let mut done = 0;
        let copied = loop {
            let mut piece = Vec::new();
            match kernel.pread(call, from, done, 1 << 20, &mut |bytes| piece.extend_from_slice(bytes)) {
                Ok(0) => break Ok(()),
                Ok(count) => done += count as u64,
                Err(halt) => break Err(halt),
            }
            let mut rest = &piece[..];
            let put = loop {
                if rest.is_empty() {
                    break Ok(());
                }
                match kernel.write(call, to, &[rest]) {
                    Ok(count) => rest = &rest[count..],
                    Err(halt) => break Err(halt),
                }
            };
            if put.is_err() {
                break put;
            }
        };
        if copied.is_err() {
            let _ = kernel.set_len(call, to, begin);
        }
        copied
    });
    copied.map_err(|halt| match halt {
        Halt::Fail(errno) => file_error(path, errno),
        Halt::Wait(_) | Halt::Fetch(_) => file_error(path, Errno::EAGAIN),
    })
}

/// The path a chain of links at `path` leads to.
async fn followed(session: &Session, path: &str) -> Result<String, SessionError> {
    let mut at = path.to_owned();
    for _ in 0..SYMLINKS_MAX {
        let Some(Stat { kind: FileKind::Symlink, .. }) = existing(session, &at).await? else { return Ok(at) };
        let target = operate(session, path, |kernel, call| kernel.readlink(call, At::Root, at.as_bytes())).await?;
        let target = String::from_utf8(target.to_vec()).map_err(|_| file_error(path, Errno::EILSEQ))?;
        at = if target.starts_with('/') { target } else { format!("{}/{target}", split(&at).0.trim_end_matches('/')) };
        if at.len() > PATH_MAX {
            return Err(file_error(path, Errno::ENAMETOOLONG));
        }
    }
    Err(file_error(path, Errno::ELOOP))
}

/// What is at a path, itself.
async fn existing(session: &Session, path: &str) -> Result<Option<Stat>, SessionError> {
    match operate(session, path, |kernel, call| kernel.stat(call, At::Root, path.as_bytes(), false)).await {
        Ok(stat) => Ok(Some(stat)),
        Err(SessionError::File { errno: Errno::ENOENT, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a directory.
pub(crate) async fn make_directory(pass: &Pass, path: &str, parents: bool) -> Result<FileInfo, SessionError> {
    check_path("path", path)?;
    let (session, user) = (&pass.session, &pass.template.user);
    if parents {
        make_all(session, user, path).await?;
    } else {
        make_one(session, user, path).await?;
    }
    let info = stat(pass, path.trim_end_matches('/')).await;
    acknowledge(pass, "make_directory", path).await?;
    info
}

async fn make_one(session: &Session, user: &Credentials, path: &str) -> Result<(), SessionError> {
    operate(session, path, |kernel, call| {
        kernel.mkdir(call, At::Root, path.as_bytes(), Mode::new(DIRECTORY_MODE))?;
        kernel.chown(call, At::Root, path.as_bytes(), false, Some(user.uid), Some(user.gid))
    })
    .await
}

/// Makes a directory and those on the way; what is there stays as it is.
pub(crate) async fn make_all(session: &Session, user: &Credentials, path: &str) -> Result<(), SessionError> {
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at.push('/');
        at.push_str(part);
        match make_one(session, user, &at).await {
            Ok(()) | Err(SessionError::File { errno: Errno::EEXIST, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let is_directory = |kernel: &mut Kernel, call: &mut Call| kernel.stat(call, At::Root, path.as_bytes(), true);
    match operate(session, path, is_directory).await?.kind {
        FileKind::Directory => Ok(()),
        _ => Err(file_error(path, Errno::ENOTDIR)),
    }
}

/// Gives a file another name.
pub(crate) async fn rename(pass: &Pass, from: &str, to: &str) -> Result<(), SessionError> {
    check_path("from", from)?;
    check_path("to", to)?;
    operate(&pass.session, from, |kernel, call| {
        kernel.rename(call, At::Root, from.as_bytes(), At::Root, to.as_bytes(), Replace::Yes)
    })
    .await?;
    acknowledge(pass, "rename", &format!("{from} to {to}")).await
}

/// Puts the files of a spec into a new session.
pub(crate) async fn put_all(session: &Session, user: &Credentials, files: &[SpecFile]) -> Result<(), SessionError> {
    for file in files {
        let (directory, _) = split(&file.path);
        make_all(session, user, directory).await?;
        let staged = stage(session, &file.path, directory, file.mode).await?;
        write_all(&staged, &file.path, file.content.as_bytes()).await?;
        take_name(session, &file.path, &file.path, &staged, user, (file.mode, false))?;
    }
    Ok(())
}

/// Directory and name.
fn split(path: &str) -> (&str, &str) {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", name)) => ("/", name),
        Some((directory, name)) => (directory, name),
        None => ("/", path),
    }
}

/// A path below another.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
