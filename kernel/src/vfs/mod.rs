//! The file system of a session: what a path names, and what is there.
//!
//! A path is walked ([`path`]) through the mounts ([`mount`]) to a [`Node`]. Most nodes are inodes of a persistent
//! tree ([`memory`]) that began as a shared layer ([`layer`]); `/proc` ([`proc`]) is computed when read; a mounted
//! driver ([`driver`]) is asked outside the lock. What a guest changes gets a sequence number ([`change`]), from
//! which durability, events and watchers read.
//!
//! An overlay's job (shared immutable layers below, private changes above) is done by the tree itself: a session's
//! root is a clone of its layer's root, and a write copies the path to what it changes. There is no whiteout, no
//! merged listing, no copy-up with a new inode number, and renaming a directory of a layer just works.

pub mod attr;
pub mod change;
pub mod device;
pub mod driver;
pub mod inode;
pub mod inodes;
pub mod layer;
pub mod list;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod open;
pub mod path;
pub mod place;
pub mod proc;
mod undo;
pub mod watch;
pub mod xattr;

use crate::host::Timestamp;
use crate::id::{Gid, Ino, MountId, Uid};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A file name: one path component, never empty, without `/` or NUL.
pub type Name = Arc<[u8]>;

/// Longest file name in bytes (Linux's NAME_MAX).
pub const NAME_MAX: usize = 255;
/// Longest path in bytes, without the final NUL (Linux's PATH_MAX is 4096 with it).
pub const PATH_MAX: usize = 4095;
/// Symbolic links followed in one walk (Linux's MAXSYMLINKS).
pub const SYMLINKS_MAX: usize = 40;
/// Names of one file (ext4's limit is 65,000).
pub const LINK_MAX: u32 = 65_000;

/// What kind of file an inode is: the upper bits of st_mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    /// Bytes.
    Regular,
    /// Names.
    Directory,
    /// A path to walk instead.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A bound Unix socket's name.
    Socket,
    /// A character device.
    Character,
    /// A block device; none can be opened.
    Block,
}

impl FileKind {
    /// The S_IFMT bits.
    pub const fn bits(self) -> u32 {
        match self {
            FileKind::Fifo => 0o010_000,
            FileKind::Character => 0o020_000,
            FileKind::Directory => 0o040_000,
            FileKind::Block => 0o060_000,
            FileKind::Regular => 0o100_000,
            FileKind::Symlink => 0o120_000,
            FileKind::Socket => 0o140_000,
        }
    }

    /// The kind of these S_IFMT bits; `None` for bits no file has.
    pub const fn from_bits(mode: u32) -> Option<FileKind> {
        Some(match mode & 0o170_000 {
            0o010_000 => FileKind::Fifo,
            0o020_000 => FileKind::Character,
            0o040_000 => FileKind::Directory,
            0o060_000 => FileKind::Block,
            0o100_000 => FileKind::Regular,
            0o120_000 => FileKind::Symlink,
            0o140_000 => FileKind::Socket,
            _ => return None,
        })
    }
}

/// Permission bits, set-id and sticky: the lower 12 bits of st_mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mode(u32);

impl Mode {
    /// Set-user-id. Kept and shown; the kernel gives no process another user by it.
    pub const SETUID: u32 = 0o4000;
    /// Set-group-id; on a directory, new files take its group.
    pub const SETGID: u32 = 0o2000;
    /// On a directory: only a file's owner, the directory's owner or root may remove or rename a name.
    pub const STICKY: u32 = 0o1000;

    /// These bits; higher ones are dropped.
    pub const fn new(bits: u32) -> Mode {
        Mode(bits & 0o7777)
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether any of `bits` is set.
    pub const fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// The bits but those of `mask`.
    #[must_use]
    pub const fn without(self, mask: u32) -> Mode {
        Mode(self.0 & !mask)
    }

    /// The bits and those of `bits`.
    #[must_use]
    pub const fn with(self, bits: u32) -> Mode {
        Mode::new(self.0 | bits)
    }
}

/// What stat() tells of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The filesystem: differs between mounts.
    pub device: u64,
    /// Given once, never reused within the filesystem.
    pub ino: Ino,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: Mode,
    /// Names it has.
    pub links: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// For a device node: which, as Linux's makedev() packs it.
    pub rdev: u64,
    /// Bytes in it.
    pub size: u64,
    /// Units of 512 bytes allocated for it.
    pub sectors: u64,
    /// Last read.
    pub atime: Timestamp,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of content or attributes.
    pub ctime: Timestamp,
}

impl Stat {
    /// st_mode: kind and permissions in one word.
    pub const fn full_mode(&self) -> u32 {
        self.kind.bits() | self.mode.bits()
    }
}

/// A place in the session's file system, found by a walk.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// An inode of a tree.
    Tree(MountId, Ino),
    /// A file of `/proc`.
    Proc(MountId, proc::ProcNode),
    /// A path inside a mounted driver: components joined by `/`, empty for its root, never `..`.
    Driver(MountId, Arc<[u8]>),
    /// A pipe, reached through the descriptor's link `/proc/<pid>/fd/<n>`.
    Open(crate::file::OpenId),
}

impl Node {
    /// The mount it is on; an open file reached by its descriptor is on none.
    pub fn mount(&self) -> Option<MountId> {
        match self {
            Node::Tree(mount, _) | Node::Proc(mount, _) | Node::Driver(mount, _) => Some(*mount),
            Node::Open(_) => None,
        }
    }
}

/// Packs a device number as Linux's makedev().
pub const fn makedev(major: u32, minor: u32) -> u64 {
    let (major, minor) = (major as u64, minor as u64);
    ((major & 0xffff_f000) << 32) | ((major & 0xfff) << 8) | ((minor & 0xffff_ff00) << 12) | (minor & 0xff)
}

/// Checks one path component.
///
/// # Errors
/// `ENAMETOOLONG` above [`NAME_MAX`]; `EINVAL` for a NUL or `/`; `ENOENT` for nothing.
pub fn checked_name(name: &[u8]) -> Result<Name, crate::Errno> {
    if name.is_empty() {
        return Err(crate::Errno::ENOENT);
    }
    if name.len() > NAME_MAX {
        return Err(crate::Errno::ENAMETOOLONG);
    }
    if name.contains(&0) || name.contains(&b'/') {
        return Err(crate::Errno::EINVAL);
    }
    Ok(name.into())
}
