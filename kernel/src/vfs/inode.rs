//! An inode: what a name refers to, whatever its kind.

use super::place::Place;
use super::{FileKind, Mode, Name, Stat};
use crate::extent::{FileBytes, PAGE};
use crate::host::Timestamp;
use crate::id::{Gid, Ino, Lsn, Uid};
use crate::pmap::PMap;
use std::sync::Arc;

/// Extended attributes of one file.
pub type Xattrs = PMap<Name, Arc<[u8]>>;

/// One file of a tree. Cloning shares its bytes and entries.
#[derive(Clone, Debug)]
pub struct Inode {
    /// What it is, and what is in it.
    pub content: Content,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Names it has; a directory counts itself, its name and its subdirectories.
    pub links: u32,
    /// Last read.
    pub atime: Timestamp,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
    /// Extended attributes; most files have none.
    pub xattrs: Xattrs,
    /// The mutation that changed it last; zero for an inode still as its layer has it.
    pub lsn: Lsn,
    /// The name it was given last. It may have lost that one since: [`Inodes::place_of`](super::inodes::Inodes) looks.
    pub place: Option<Place>,
}

/// What an inode holds, by kind.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes.
    File(FileBytes),
    /// Names.
    Directory(Directory),
    /// The path to walk instead.
    Symlink(Arc<[u8]>),
    /// A named pipe; its bytes live while it is open.
    Fifo,
    /// A bound Unix socket.
    Socket,
    /// A character device of this number.
    Character(u64),
    /// A block device of this number.
    Block(u64),
}

/// The names in a directory. `.` and `..` are not stored: the first is the inode, the second is `parent`.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Name to inode.
    pub entries: PMap<Name, Ino>,
    /// The directory this one is in; its own number at the root.
    pub parent: Ino,
}

impl Content {
    /// The kind.
    pub const fn kind(&self) -> FileKind {
        match self {
            Content::File(_) => FileKind::Regular,
            Content::Directory(_) => FileKind::Directory,
            Content::Symlink(_) => FileKind::Symlink,
            Content::Fifo => FileKind::Fifo,
            Content::Socket => FileKind::Socket,
            Content::Character(_) => FileKind::Character,
            Content::Block(_) => FileKind::Block,
        }
    }
}

/// Bytes of a symbolic link's target that are part of its inode (Linux's tmpfs has 128 too).
const LINK_TARGET_FREE: usize = 128;

impl Inode {
    /// What it is.
    pub const fn kind(&self) -> FileKind {
        self.content.kind()
    }

    /// Bytes it pins that quotas count: own blocks of a file, long link targets, attributes.
    pub fn charged(&self) -> u64 {
        let content = match &self.content {
            Content::File(bytes) => bytes.charged(),
            Content::Symlink(target) if target.len() > LINK_TARGET_FREE => PAGE,
            _ => 0,
        };
        let xattrs: u64 = self.xattrs.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum();
        content + if xattrs == 0 { 0 } else { xattrs.next_multiple_of(PAGE) }
    }

    /// What it counts in the quota of inodes: each name pins memory beside the inode's own, so each further hard link
    /// counts as one more, as in Linux's tmpfs.
    pub fn weight(&self) -> u64 {
        match &self.content {
            Content::Directory(_) => 1,
            _ => u64::from(self.links.max(1)),
        }
    }

    /// What stat() tells, as inode `ino` of filesystem `device`.
    pub fn stat(&self, device: u64, ino: Ino) -> Stat {
        let (size, sectors) = match &self.content {
            Content::File(bytes) => (bytes.len(), bytes.sectors()),
            Content::Directory(_) => (PAGE, PAGE / 512),
            Content::Symlink(target) => (target.len() as u64, 0),
            Content::Fifo | Content::Socket | Content::Character(_) | Content::Block(_) => (0, 0),
        };
        let rdev = match self.content {
            Content::Character(rdev) | Content::Block(rdev) => rdev,
            _ => 0,
        };
        Stat {
            device,
            ino,
            kind: self.kind(),
            mode: self.mode,
            links: self.links,
            uid: self.uid,
            gid: self.gid,
            rdev,
            size,
            sectors,
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
        }
    }
}
