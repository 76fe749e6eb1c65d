//! In: an archive is hostile input. Every name is checked, nothing is followed, and the session it is for exists for
//! nobody yet: an archive that is refused leaves nothing.

use crate::error::SessionError;
use std::collections::HashMap;
use std::io::Read;
use tar::{Archive, EntryType};
use tokio::runtime::Handle;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::user::Credentials;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject};
use warren_kernel::vfs::{FileKind, Mode, NAME_MAX, PATH_MAX};
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step};

/// Entries of an archive, at most; the quota of inodes usually ends it sooner.
const ENTRIES_MAX: u64 = 1_000_000;
/// Bytes of long names and extensions of one entry, at most: some attributes of the largest size.
const EXTENSION_MAX: u64 = 1 << 20;
/// Bytes of the names of directories whose times are set at the end, at most.
const DIRECTORY_BYTES_MAX: usize = 64 << 20;
/// Bytes written at once.
const PIECE: usize = 256 * 1024;

/// What stands before an entry and is about it.
#[derive(Default)]
struct Extensions {
    /// Bytes that were read for them: any number may stand before an entry.
    bytes: u64,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<i64>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

struct Unpacker<'a> {
    session: &'a Session,
    user: &'a Credentials,
    handle: Handle,
    /// What was made from the archive, by the hash of its path: a name that comes again must be of the same kind.
    made: HashMap<[u8; 16], FileKind>,
    /// Times of directories, set at the end: what is made in them changes them.
    directories: HashMap<Vec<u8>, Timestamp>,
    directory_bytes: usize,
}

/// Puts an archive's files into a session that nobody has seen yet. Blocks.
///
/// # Errors
/// `Archive`, naming the entry.
pub(crate) fn unpack(session: &Session, user: &Credentials, archive: impl Read) -> Result<(), SessionError> {
    let mut unpacker = Unpacker {
        session,
        user,
        handle: Handle::current(),
        made: HashMap::new(),
        directories: HashMap::new(),
        directory_bytes: 0,
    };
    let mut archive = Archive::new(archive);
    let unreadable = |error: std::io::Error| refused(format!("it cannot be read: {error}"));
    let mut extensions = Extensions::default();
    let mut count = 0;
    // Raw: long names and extensions are read here, and bounded.
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        count += 1;
        if count > ENTRIES_MAX {
            return Err(refused(format!("it has more than {ENTRIES_MAX} entries")));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => extensions.path = Some(until_nul(extensions.take(&mut entry)?)),
            EntryType::GNULongLink => extensions.link = Some(until_nul(extensions.take(&mut entry)?)),
            EntryType::XHeader => {
                let bytes = extensions.take(&mut entry)?;
                extensions.read(&bytes)?;
            }
            // About all entries behind it: nothing in it matters here.
            EntryType::XGlobalHeader => _ = extensions.take(&mut entry)?,
            _ => unpacker.entry(&mut entry, std::mem::take(&mut extensions))?,
        }
    }
    unpacker.finish()
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, about: Extensions) -> Result<(), SessionError> {
        let header = entry.header().clone();
        let name = about.path.clone().unwrap_or_else(|| header.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&name).chars().take(256).collect::<String>();
        let bad = |reason: &str| refused(format!("`{shown}`: {reason}"));
        let path = checked(&name).map_err(bad)?;
        let size = match about.size {
            // The reader has already gone by the header's.
            Some(size) if header.entry_size().ok() != Some(size) => {
                return Err(bad("files of more than 8 GiB are not taken"));
            }
            _ => header.entry_size().map_err(|_| bad("its size is no number"))?,
        };
        let kind = match header.entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Link => FileKind::Regular,
            EntryType::Directory => FileKind::Directory,
            EntryType::Symlink => FileKind::Symlink,
            EntryType::Fifo => FileKind::Fifo,
            EntryType::Char | EntryType::Block => return Err(bad("device nodes are not taken")),
            EntryType::GNUSparse => return Err(bad("sparse entries are not taken; pack without --sparse")),
            _ => return Err(bad("this kind of entry is not taken")),
        };
        if path.is_empty() {
            // `./`: the root itself, which is there and stays the software's.
            return if kind == FileKind::Directory { Ok(()) } else { Err(bad("it names nothing")) };
        }
        let place = short_hash(&path);
        if self.made.get(&place).is_some_and(|before| *before != kind) {
            return Err(bad("it is in the archive before as something else"));
        }
        self.parents(&path).map_err(|errno| bad(&parent_reason(errno)))?;
        let failed = |errno: Errno| bad(reason(errno));
        if header.entry_type() == EntryType::Link {
            let link = about.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
            let target = checked(&link.unwrap_or_default()).map_err(|why| bad(&format!("its link: {why}")))?;
            self.parents(&target).map_err(|errno| bad(&parent_reason(errno)))?;
            self.hard_link(&target, &path).map_err(failed)?;
            self.made.insert(place, kind);
            return Ok(());
        }
        self.make_way(&path, kind).map_err(failed)?;
        match kind {
            FileKind::Regular => self.file(entry, &path, size, &shown)?,
            FileKind::Directory => {}
            FileKind::Symlink => {
                let link = about.link.clone().or_else(|| header.link_name_bytes().map(|name| name.into_owned()));
                let target = link.unwrap_or_default();
                self.call(|kernel, call| kernel.symlink(call, &target, At::Root, &path)).map_err(failed)?;
            }
            _ => {
                let made = |kernel: &mut Kernel, call: &mut Call| {
                    kernel.mknod(call, At::Root, &path, FileKind::Fifo, Mode::new(0o600), 0)
                };
                self.call(made).map_err(failed)?;
            }
        }
        self.attributes(&path, kind, &header, &about).map_err(failed)?;
        if self.directory_bytes > DIRECTORY_BYTES_MAX {
            return Err(bad("the names of the directories up to it are too long together"));
        }
        self.made.insert(place, kind);
        Ok(())
    }

    /// The directories on the way are directories, not links to any; those that are missing are made.
    fn parents(&mut self, path: &[u8]) -> Result<(), Errno> {
        for (at, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            let parent = &path[..at];
            match self.call(|kernel, call| kernel.stat(call, At::Root, parent, false)) {
                Ok(stat) if stat.kind == FileKind::Directory => {}
                Ok(stat) if stat.kind == FileKind::Symlink => return Err(Errno::ELOOP),
                Ok(_) => return Err(Errno::ENOTDIR),
                Err(Errno::ENOENT) => {
                    let user = self.user;
                    self.call(|kernel, call| {
                        kernel.mkdir(call, At::Root, parent, Mode::new(0o755))?;
                        kernel.chown(call, At::Root, parent, false, Some(user.uid), Some(user.gid))
                    })?;
                }
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// What the software has by this name gives way, unless one of the two is a directory and the other is not.
    fn make_way(&mut self, path: &[u8], kind: FileKind) -> Result<(), Errno> {
        match self.call(|kernel, call| kernel.stat(call, At::Root, path, false)) {
            Ok(stat) if stat.kind == FileKind::Directory => {
                if kind == FileKind::Directory {
                    Ok(())
                } else {
                    Err(Errno::EISDIR)
                }
            }
            Ok(_) if kind == FileKind::Directory => Err(Errno::ENOTDIR),
            Ok(_) => self.call(|kernel, call| kernel.unlink(call, At::Root, path)),
            Err(Errno::ENOENT) if kind == FileKind::Directory => {
                self.call(|kernel, call| kernel.mkdir(call, At::Root, path, Mode::new(0o755)))
            }
            Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn file(&mut self, from: &mut impl Read, path: &[u8], size: u64, shown: &str) -> Result<(), SessionError> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::CLOEXEC;
        let bad = |reason: &str| refused(format!("`{shown}`: {reason}"));
        let fd = self
            .call(|kernel, call| kernel.open(call, At::Root, path, flags, Mode::new(0o600)))
            .map_err(|errno| bad(reason(errno)))?;
        let written = self.fill(from, fd, size);
        let _ = self.session.with(|kernel| kernel.close(&Call::new(Pid::INIT), fd));
        written.map_err(|why| bad(&why))
    }

    fn fill(&mut self, from: &mut impl Read, fd: Fd, size: u64) -> Result<(), String> {
        let mut buffer = vec![0; PIECE.min(size as usize)];
        let mut left = size;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = from.read(&mut buffer[..want]).map_err(|error| format!("it cannot be read: {error}"))?;
            if count == 0 {
                return Err("the archive ends in it".to_owned());
            }
            left -= count as u64;
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                let part = rest;
                let written = self.call(|kernel, call| kernel.write(call, fd, &[part]));
                rest = &rest[written.map_err(|errno| reason(errno).to_owned())?..];
            }
        }
        Ok(())
    }

    fn hard_link(&mut self, target: &[u8], path: &[u8]) -> Result<(), Errno> {
        let found = self.call(|kernel, call| kernel.stat(call, At::Root, target, false))?;
        if found.kind == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        if target == path {
            return Ok(());
        }
        self.make_way(path, FileKind::Regular)?;
        self.call(|kernel, call| kernel.link(call, At::Root, target, false, At::Root, path))
    }

    fn attributes(
        &mut self,
        path: &[u8],
        kind: FileKind,
        header: &tar::Header,
        about: &Extensions,
    ) -> Result<(), Errno> {
        let number = |value: std::io::Result<u64>| value.ok().and_then(|id| u32::try_from(id).ok());
        let uid = about.uid.or_else(|| number(header.uid())).map_or(self.user.uid, Uid);
        let gid = about.gid.or_else(|| number(header.gid())).map_or(self.user.gid, Gid);
        let mode = Mode::new(header.mode().unwrap_or(0o644));
        let seconds = || i64::try_from(header.mtime().unwrap_or(0)).unwrap_or(0);
        let mtime = about.mtime.map_or_else(|| Timestamp::from_seconds(seconds()), Timestamp);
        self.call(|kernel, call| kernel.chown(call, At::Root, path, false, Some(uid), Some(gid)))?;
        if kind != FileKind::Symlink {
            self.call(|kernel, call| kernel.chmod(call, At::Root, path, mode))?;
        }
        for (name, value) in &about.xattrs {
            let subject = Subject::Path(At::Root, path, false);
            self.call(|kernel, call| kernel.setxattr(call, subject, name, value, SetXattr::Either))?;
        }
        if kind == FileKind::Directory {
            if self.directories.insert(path.to_vec(), mtime).is_none() {
                self.directory_bytes += path.len();
            }
            return Ok(());
        }
        self.set_time(path, mtime)
    }

    fn set_time(&mut self, path: &[u8], mtime: Timestamp) -> Result<(), Errno> {
        let set = SetTime::To(mtime);
        self.call(|kernel, call| kernel.set_times(call, At::Root, path, false, SetTime::Omit, set))
    }

    fn finish(mut self) -> Result<(), SessionError> {
        for (path, mtime) in std::mem::take(&mut self.directories) {
            let shown = String::from_utf8_lossy(&path).into_owned();
            self.set_time(&path, mtime).map_err(|errno| refused(format!("`{shown}`: {}", reason(errno))))?;
        }
        Ok(())
    }

    fn call<T, F>(&self, op: F) -> Result<T, Errno>
    where
        F: FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin,
    {
        let done = self.handle.block_on(self.session.call(Pid::INIT, op));
        done.map_err(|error| match error {
            CallError::Failed(errno) => errno,
            CallError::Doomed(_) | CallError::Interrupted { .. } => Errno::EIO,
        })
    }
}

impl Extensions {
    /// The bytes of a long name or of extensions.
    fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Vec<u8>, SessionError> {
        let longer = || refused(format!("the extended headers of an entry are longer than {EXTENSION_MAX} bytes"));
        // What it says first: a name that pretends to be very long is not read.
        let size = entry.header().entry_size().unwrap_or(0);
        self.bytes = self.bytes.checked_add(size).filter(|bytes| *bytes <= EXTENSION_MAX).ok_or_else(longer)?;
        let mut bytes = Vec::new();
        let read = entry.take(EXTENSION_MAX).read_to_end(&mut bytes);
        read.map_err(|error| refused(format!("it cannot be read: {error}")))?;
        Ok(bytes)
    }

    /// `LENGTH KEY=VALUE\n`, again and again; values are bytes.
    fn read(&mut self, mut rest: &[u8]) -> Result<(), SessionError> {
        let malformed = || refused("an extended header is malformed".to_owned());
        while !rest.is_empty() {
            let space = rest.iter().take(20).position(|byte| *byte == b' ').ok_or_else(malformed)?;
            let length: usize = text(&rest[..space]).and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
            let record = rest.get(space + 1..length).filter(|record| record.ends_with(b"\n")).ok_or_else(malformed)?;
            let record = &record[..record.len() - 1];
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(malformed)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            self.set(key, value).ok_or_else(malformed)?;
            if key.starts_with(b"GNU.sparse.") {
                return Err(refused("sparse entries are not taken; pack without --sparse".to_owned()));
            }
            rest = &rest[length..];
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(text(value)?.parse().ok()?),
            b"uid" => self.uid = Some(text(value)?.parse().ok()?),
            b"gid" => self.gid = Some(text(value)?.parse().ok()?),
            b"mtime" => self.mtime = Some(nanoseconds(text(value)?)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Some(())
    }
}

/// `SECONDS[.FRACTION]`, perhaps negative, as nanoseconds.
fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{:0<9}", &fraction[..fraction.len().min(9)]).parse().ok()?;
    let seconds: u64 = seconds.parse().ok()?;
    let all = i64::try_from(seconds).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    Some(if negative { -all } else { all })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn short_hash(path: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(path).as_bytes()[..16]);
    short
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
        bytes.truncate(end);
    }
    bytes
}

/// A name of an archive as a path of the session without `/` at either end; empty for the root itself.
fn checked(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    if name.starts_with(b"/") {
        return Err("absolute names are not taken");
    }
    if name.len() > PATH_MAX || name.contains(&0) {
        return Err("it is too long, or has a NUL in it");
    }
    let mut path = Vec::new();
    for part in name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return Err("names with `..` are not taken");
        }
        if part.len() > NAME_MAX {
            return Err("a part of its name is too long");
        }
        path.push(b'/');
        path.extend_from_slice(part);
    }
    Ok(path)
}

fn reason(errno: Errno) -> &'static str {
    match errno {
        Errno::EDQUOT | Errno::ENOSPC => "it does not fit what the session may hold; raise `file_bytes` or `inodes`",
        Errno::EISDIR => "a directory has its name",
        Errno::ENOTDIR => "a file that is no directory has its name",
        Errno::ENOENT => "what it refers to is not in the archive before it",
        Errno::EFBIG => "it is larger than a file may be",
        Errno::EOPNOTSUPP | Errno::EPERM => "an attribute of it cannot be set",
        other => other.name(),
    }
}

fn parent_reason(errno: Errno) -> String {
    match errno {
        Errno::ELOOP => "its name leads through a symbolic link".to_owned(),
        Errno::ENOTDIR => "its name leads through something that is no directory".to_owned(),
        other => reason(other).to_owned(),
    }
}

fn refused(reason: String) -> SessionError {
    SessionError::Archive(reason)
}

#[cfg(test)]
mod tests;
