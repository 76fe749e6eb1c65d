//! Out: from a root clone, so that guests go on, and the archive is of one moment.

use crate::awake::Awake;
use crate::error::SessionError;
use crate::seat::Seat;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use tar::{Builder, EntryType, Header};
use tokio::sync::OwnedSemaphorePermit;
use warren_kernel::extent::FileBytes;
use warren_kernel::id::Ino;
use warren_kernel::vfs::PATH_MAX;
use warren_kernel::vfs::inode::{Content, Directory, Inode};
use warren_kernel::vfs::inodes::{Inodes, ROOT_INO};
use warren_kernel::{Errno, Halt};

/// Bytes of one part, about.
const PART: usize = 128 * 1024;
/// Bytes of an archive's blocks.
const BLOCK: u64 = 512;

/// A share of the session's archives; while there is one, the session's seat counts it.
pub(crate) type Share = (Arc<Seat>, OwnedSemaphorePermit);

/// The archive, in parts. Each is made when the client has taken the one before: a client that is slow holds the files as
/// they were, and no thread.
pub(crate) fn pack(awake: &Arc<Awake>, share: Share) -> BoxStream<'static, Result<Bytes, SessionError>> {
    let inodes = awake.session.with(|kernel| kernel.root().snapshot());
    let packer = Packer::new(inodes, awake.template.layer.inodes());
    unfold(Some((packer, share)), |state| async {
        let (mut packer, share) = state?;
        let made = tokio::task::spawn_blocking(move || {
            let part = packer.part();
            (packer, part)
        });
        match made.await {
            Ok((_, Ok(None))) => None,
            Ok((packer, Ok(Some(part)))) => Some((Ok(part), Some((packer, share)))),
            Ok((_, Err(error))) => Some((Err(SessionError::Archive(error.to_string())), None)),
            Err(_) => Some((Err(SessionError::Archive("it made the server fail".to_owned())), None)),
        }
    })
    .boxed()
}

struct Packer {
    builder: Builder<Vec<u8>>,
    inodes: Inodes,
    layer: Inodes,
    /// The first name of each file that has several.
    linked: HashMap<Ino, Vec<u8>>,
    /// The directories on the way to where it is, and the path of the last.
    levels: Vec<Level>,
    path: Vec<u8>,
    /// The file whose header was written, and how many of its bytes were.
    file: Option<(Arc<Inode>, u64)>,
    over: bool,
}

/// A directory that is gone through.
struct Level {
    ino: Ino,
    inode: Arc<Inode>,
    /// The entry that is next.
    next: usize,
    /// Bytes of its path.
    path: usize,
    /// All that is in it goes out, as of `/home`.
    whole: bool,
}

impl Packer {
    fn new(inodes: Inodes, layer: Inodes) -> Packer {
        let root = inodes.get(ROOT_INO).cloned();
        let root = root.map(|inode| Level { ino: ROOT_INO, inode, next: 0, path: 0, whole: false });
        Packer {
            builder: Builder::new(Vec::new()),
            inodes,
            layer,
            linked: HashMap::new(),
            levels: root.into_iter().collect(),
            path: Vec::new(),
            file: None,
            over: false,
        }
    }

    /// What comes next of the archive; `None` behind its end.
    fn part(&mut self) -> std::io::Result<Option<Bytes>> {
        while self.builder.get_ref().len() < PART && !self.over {
            if self.file.is_some() {
                self.bytes()?;
            } else if !self.step()? {
                self.builder.finish()?;
                self.over = true;
            }
        }
        let part = std::mem::take(self.builder.get_mut());
        Ok((!part.is_empty()).then(|| part.into()))
    }

    /// Takes the next entry of the last directory; whether there is more to do.
    fn step(&mut self) -> std::io::Result<bool> {
        let Some(level) = self.levels.last_mut() else { return Ok(false) };
        self.path.truncate(level.path);
        let entry = match &level.inode.content {
            Content::Directory(Directory { entries, .. }) => entries.nth(level.next),
            _ => None,
        };
        let Some((name, child)) = entry.map(|(name, child)| (name.clone(), *child)) else {
            self.levels.pop();
            return Ok(true);
        };
        level.next += 1;
        let (directory, whole) = (level.ino, level.whole);
        let Some(inode) = self.inodes.get(child).cloned() else { return Ok(true) };
        if !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(&name);
        if self.path.len() > PATH_MAX {
            return Err(std::io::Error::other("a path is too long for an archive: directories are nested too deeply"));
        }
        let whole = whole || self.path == b"home";
        let own = self.layer.get(child).is_none_or(|old| !Arc::ptr_eq(old, &inode));
        if whole || own || self.is_moved(directory, &name, child) {
            self.entry(child, &inode)?;
        }
        if let Content::Directory(_) = inode.content {
            self.levels.push(Level { ino: child, inode, next: 0, path: self.path.len(), whole });
        }
        Ok(true)
    }

    /// Adds bytes of the file whose header was written, and behind them what fills its last block.
    fn bytes(&mut self) -> std::io::Result<()> {
        let Some((inode, offset)) = &mut self.file else { return Ok(()) };
        let Content::File(bytes) = &inode.content else { return Ok(()) };
        let out = self.builder.get_mut();
        let before = out.len();
        let want = bytes.len().saturating_sub(*offset).min(PART as u64);
        let mut reader = FileReader { bytes, offset: *offset };
        let read = std::io::copy(&mut Read::by_ref(&mut reader).take(want), out)?;
        *offset += read;
        if read < want {
            return Err(unreadable(Errno::EIO));
        }
        if *offset == bytes.len() {
            let rest = (bytes.len() % BLOCK) as usize;
            out.resize(before + read as usize + if rest == 0 { 0 } else { BLOCK as usize - rest }, 0);
            self.file = None;
        }
        Ok(())
    }

    /// Whether the layer does not have this file by this name: it was moved or linked here.
    fn is_moved(&self, directory: Ino, name: &[u8], child: Ino) -> bool {
        match self.layer.get(directory).map(|inode| &inode.content) {
            Some(Content::Directory(old)) => old.entries.get(name) != Some(&child),
            _ => true,
        }
    }

    fn entry(&mut self, ino: Ino, inode: &Arc<Inode>) -> std::io::Result<()> {
        let path = self.path.as_slice();
        let mut header = Header::new_gnu();
        header.set_mode(inode.mode.bits());
        header.set_uid(u64::from(inode.uid.0));
        header.set_gid(u64::from(inode.gid.0));
        header.set_mtime(u64::try_from(inode.mtime.seconds()).unwrap_or(0));
        header.set_size(0);
        if inode.links > 1 && !matches!(inode.content, Content::Directory(_)) {
            if let Some(first) = self.linked.get(&ino) {
                header.set_entry_type(EntryType::Link);
                let first = first.clone();
                return self.builder.append_link(&mut header, as_path(path), as_path(&first));
            }
            self.linked.insert(ino, path.to_vec());
        }
        let kind = match &inode.content {
            Content::File(_) => EntryType::Regular,
            Content::Directory(_) => EntryType::Directory,
            Content::Symlink(_) => EntryType::Symlink,
            Content::Fifo => EntryType::Fifo,
            // A socket's name means nothing without who bound it; devices are the software's own.
            Content::Socket | Content::Character(_) | Content::Block(_) => return Ok(()),
        };
        extensions(&mut self.builder, inode)?;
        header.set_entry_type(kind);
        match &inode.content {
            Content::File(bytes) => {
                header.set_size(bytes.len());
                // Only the header: the bytes follow part by part.
                self.file = Some((inode.clone(), 0));
                self.builder.append_data(&mut header, as_path(path), std::io::empty())
            }
            Content::Symlink(target) => self.builder.append_link(&mut header, as_path(path), as_path(target)),
            _ => self.builder.append_data(&mut header, as_path(path), std::io::empty()),
        }
    }
}

/// What the old header has no room for.
fn extensions(builder: &mut Builder<Vec<u8>>, inode: &Inode) -> std::io::Result<()> {
    let mut pairs: Vec<(String, Vec<u8>)> = Vec::new();
    let mtime = inode.mtime.0;
    if mtime.rem_euclid(1_000_000_000) != 0 || mtime < 0 {
        let (seconds, nanos) = (mtime.div_euclid(1_000_000_000), mtime.rem_euclid(1_000_000_000));
        // Before 1970 the fraction counts down from the second above.
        let text = if mtime < 0 && nanos > 0 {
            format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanos)
        } else {
            format!("{seconds}.{nanos:09}")
        };
        pairs.push(("mtime".to_owned(), text.into_bytes()));
    }
    for (name, value) in inode.xattrs.iter() {
        // A key ends at `=`; such a name has no place here.
        if let Ok(name) = std::str::from_utf8(name)
            && !name.contains('=')
        {
            pairs.push((format!("SCHILY.xattr.{name}"), value.to_vec()));
        }
    }
    if pairs.is_empty() {
        return Ok(());
    }
    builder.append_pax_extensions(pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
}
fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Reads a file of a root clone; what is not in memory is fetched here, on a thread that may wait.
struct FileReader<'a> {
    bytes: &'a FileBytes,
    offset: u64,
}

impl Read for FileReader<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let mut at = 0;
            let read = self.bytes.read(self.offset, to.len(), |piece| {
                to[at..at + piece.len()].copy_from_slice(piece);
                at += piece.len();
            });
            match read {
                Ok(count) => {
                    self.offset += count as u64;
                    return Ok(count);
                }
                Err(Halt::Fetch(fetch)) => {
                    if let warren_kernel::fetch::Fetched::Blob(Err(errno)) = fetch.perform() {
                        return Err(unreadable(errno));
                    }
                }
                Err(Halt::Fail(errno)) => return Err(unreadable(errno)),
                Err(Halt::Wait(_)) => return Err(unreadable(Errno::EAGAIN)),
            }
        }
    }
}

fn unreadable(errno: Errno) -> std::io::Error {
    std::io::Error::other(format!("a file cannot be read ({})", errno.name()))
}
