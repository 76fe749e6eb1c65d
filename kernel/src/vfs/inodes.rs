//! The inodes of a tree: a persistent map from number to inode, shared by whoever cloned it.

use super::inode::{Content, Directory, Inode};
use super::{FileKind, Mode};
use crate::host::Timestamp;
use crate::id::{Gid, Ino, Lsn, Uid};
use crate::pmap::PMap;
use std::sync::Arc;

/// The inodes of a tree: what a snapshot keeps. Cloning is one pointer.
#[derive(Clone, Debug)]
pub struct Inodes {
    pub(crate) map: PMap<Ino, Arc<Inode>>,
    pub(crate) next: u64,
    /// Bytes charged: own blocks of all files.
    pub(crate) bytes: u64,
    /// Inodes changed or made since the layer, by [`Inode::weight`].
    pub(crate) owned: u64,
}

/// Who a new file belongs to, and when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Birth {
    /// Permission bits, umask already applied.
    pub mode: Mode,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// All three times.
    pub now: Timestamp,
}

/// The root directory's number in every tree.
pub const ROOT_INO: Ino = Ino(1);

impl Inodes {
    /// Bytes of its own, in whole pages a file: what it shares with its layer is not counted.
    pub fn own_bytes(&self) -> u64 {
        self.bytes
    }

    /// Files that were changed or made since the layer.
    pub fn own_inodes(&self) -> u64 {
        self.owned
    }

    /// An empty root directory.
    pub fn empty(birth: Birth) -> Inodes {
        let mut map = PMap::new();
        map.insert(
            ROOT_INO,
            Arc::new(new_inode(
                Content::Directory(Directory { entries: PMap::new(), parent: ROOT_INO }),
                birth,
                Lsn::ZERO,
            )),
        );
        Inodes { map, next: ROOT_INO.0 + 1, bytes: 0, owned: 0 }
    }

    /// The inode of this number.
    pub fn get(&self, ino: Ino) -> Option<&Arc<Inode>> {
        self.map.get(&ino)
    }

    /// Number and inode of everything, in numeric order.
    pub fn iter(&self) -> impl Iterator<Item = (Ino, &Arc<Inode>)> {
        self.map.iter().map(|(ino, inode)| (*ino, inode))
    }

    /// Files of any kind.
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Never: the root is always there.
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// These without what has no name: whoever had it open or stood in it is gone. `layer` is a tree in which everything
    /// has a name; only what differs from it is looked at.
    #[must_use]
    pub fn without_unnamed(mut self, layer: &Inodes) -> Inodes {
        let mut unnamed = Vec::new();
        layer.map.diff(&self.map, Arc::ptr_eq, &mut |ino, _, now| {
            if now.is_some_and(|inode| inode.links == 0) {
                unnamed.push(*ino);
            }
        });
        for ino in unnamed {
            if let Some(inode) = self.map.remove(&ino) {
                self.bytes -= inode.charged();
                self.owned -= inode.weight();
            }
        }
        self
    }

    /// The map itself, to compare two snapshots without visiting what they share.
    pub fn map(&self) -> &PMap<Ino, Arc<Inode>> {
        &self.map
    }
}

/// An inode with nothing done to it yet: one name, or two if it is a directory.
pub(crate) fn new_inode(content: Content, birth: Birth, lsn: Lsn) -> Inode {
    let links = if content.kind() == FileKind::Directory { 2 } else { 1 };
    Inode {
        content,
        mode: birth.mode,
        uid: birth.uid,
        gid: birth.gid,
        links,
        atime: birth.now,
        mtime: birth.now,
        ctime: birth.now,
        xattrs: PMap::new(),
        lsn,
        place: None,
    }
}
