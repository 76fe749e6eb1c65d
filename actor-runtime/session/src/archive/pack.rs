//! Out: from a root clone, so that guests go on, and the archive is of one moment.

use crate::awake::Awake;
use crate::error::SessionError;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc;
use warren_kernel::extent::FileBytes;
use warren_kernel::id::Ino;
use warren_kernel::vfs::inode::{Content, Directory, Inode};
use warren_kernel::vfs::inodes::{Inodes, ROOT_INO};
use warren_kernel::{Errno, Halt};

/// Bytes of one part.
const PART: usize = 128 * 1024;
/// Parts that wait for the client; then reading waits.
const PARTS: usize = 8;
/// Directories below each other, at most: a path is at most as long as the kernel's.
const DEPTH_MAX: usize = 2048;

/// The archive, in parts.
pub(crate) fn pack(awake: &Arc<Awake>) -> BoxStream<'static, Result<Bytes, SessionError>> {
    let (parts, taken) = mpsc::channel(PARTS);
    let inodes = awake.session.with(|kernel| kernel.root().snapshot());
    let layer = awake.template.layer.inodes();
    tokio::task::spawn_blocking(move || {
        let out = Parts { parts: parts.clone(), buffer: Vec::with_capacity(PART) };
        let mut packer = Packer { builder: Builder::new(out), inodes: &inodes, layer: &layer, linked: HashMap::new() };
        let packed = packer.directory(ROOT_INO, &mut Vec::new(), false, 0).and_then(|()| {
            let mut out = packer.builder.into_inner()?;
            out.flush()
        });
        if let Err(error) = packed {
            // A client that is gone needs no reason.
            let _ = parts.blocking_send(Err(SessionError::Archive(error.to_string())));
        }
    });
    unfold(taken, |mut taken| async move { Some((taken.recv().await?, taken)) }).boxed()
}

/// Where the builder writes: parts for the client, which waits when it does.
struct Parts {
    parts: mpsc::Sender<Result<Bytes, SessionError>>,
    buffer: Vec<u8>,
}

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let part = std::mem::take(&mut self.buffer);
        if part.is_empty() {
            return Ok(());
        }
        self.parts.blocking_send(Ok(part.into())).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

struct Packer<'a> {
    builder: Builder<Parts>,
    inodes: &'a Inodes,
    layer: &'a Inodes,
    /// The first name of each file that has several.
    linked: HashMap<Ino, Vec<u8>>,
}

impl Packer<'_> {
    /// What is in a directory; `path` has no `/` in front. `whole` below `/home`.
    fn directory(&mut self, ino: Ino, path: &mut Vec<u8>, whole: bool, depth: usize) -> std::io::Result<()> {
        let Some(inode) = self.inodes.get(ino).cloned() else { return Ok(()) };
        let Content::Directory(Directory { entries, .. }) = &inode.content else { return Ok(()) };
        if depth > DEPTH_MAX {
            return Err(std::io::Error::other("directories are nested too deeply for an archive"));
        }
        for (name, child) in entries.iter() {
            let Some(inode) = self.inodes.get(*child).cloned() else { continue };
            let before = path.len();
            if before > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let whole = whole || &path[..] == b"home" || path.starts_with(b"home/");
            let own = self.layer.get(*child).is_none_or(|old| !Arc::ptr_eq(old, &inode));
            if whole || own || self.is_moved(ino, name, *child) {
                self.entry(*child, &inode, path)?;
            }
            if let Content::Directory(_) = inode.content {
                self.directory(*child, path, whole, depth + 1)?;
            }
            path.truncate(before);
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

    fn entry(&mut self, ino: Ino, inode: &Inode, path: &[u8]) -> std::io::Result<()> {
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
        self.extensions(inode)?;
        header.set_entry_type(kind);
        match &inode.content {
            Content::File(bytes) => {
                header.set_size(bytes.len());
                let reader = FileReader { bytes, offset: 0 };
                self.builder.append_data(&mut header, as_path(path), reader)
            }
            Content::Symlink(target) => self.builder.append_link(&mut header, as_path(path), as_path(target)),
            _ => self.builder.append_data(&mut header, as_path(path), std::io::empty()),
        }
    }

    /// What the old header has no room for.
    fn extensions(&mut self, inode: &Inode) -> std::io::Result<()> {
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
        self.builder.append_pax_extensions(pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice())))
    }
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
