//! The log of mutations: a sequence number for each, and what changed since one.
//!
//! ```text
//! oldest ≤ ───┬──────┬───────┬───────┬──▶ newest
//!             Name   Inode   Data    …      at most CHANGES_MAX entries; older ones are dropped
//! ```
//! An entry says *where* something changed, not what it became: a [`Delta`] reads the present state of each place
//! once, however often it changed, so applying it twice is harmless. A reader that fell behind the oldest entry is
//! told so and compares snapshots instead. Durability, change events and file watchers are all such readers.

mod apply;
mod how;
mod paths;

pub use apply::apply;
pub use how::{Changes, How, PathChange};
pub use paths::ChangedPaths;

use super::inode::{Content, Inode};
use super::inodes::Inodes;
use super::{FileKind, Mode, Name};
use crate::blob::BlobId;
use crate::extent::{BLOCK, Block, FileBytes};
use crate::host::Timestamp;
use crate::id::{Gid, Ino, Lsn, Uid};
use crate::pmap::PMap;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Entries kept for readers; about 40 bytes each.
pub const CHANGES_MAX: usize = 4096;

/// A place that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An inode was made, changed or removed.
    Inode(Ino),
    /// A file was read: nothing but its access time changed.
    Accessed(Ino),
    /// What this name in this directory refers to changed.
    Name(Ino, Name),
    /// Bytes of a file: inode, offset, count.
    Data(Ino, u64, u64),
}

/// The latest changes of a tree.
#[derive(Debug, Default)]
pub struct ChangeLog {
    newest: Lsn,
    /// Changes up to this one are no longer listed.
    dropped: Lsn,
    entries: VecDeque<(Lsn, Change)>,
}

/// A log at a moment, to go back to.
pub(crate) struct Mark {
    newest: Lsn,
    /// A later change of the same place takes it over.
    last: Option<(Lsn, Change)>,
}

/// The log no longer reaches back to where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("changes up to {dropped} are no longer listed; compare snapshots")]
pub struct TooOld {
    /// The newest change that is gone.
    pub dropped: Lsn,
}

impl ChangeLog {
    /// The number of the last change.
    pub fn newest(&self) -> Lsn {
        self.newest
    }

    /// Continues a log whose last change was `newest` (after a restore).
    pub(crate) fn resume(&mut self, newest: Lsn) {
        *self = ChangeLog { newest, dropped: newest, entries: VecDeque::new() };
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { newest: self.newest, last: self.entries.back().cloned() }
    }

    /// Takes back what was recorded since. What was dropped to make room for it stays dropped.
    pub(crate) fn undo(&mut self, mark: Mark) {
        let mut taken = false;
        while self.entries.back().is_some_and(|(lsn, _)| *lsn > mark.newest) {
            self.entries.pop_back();
            taken = true;
        }
        // It was taken over, or went with the oldest.
        let is_there = self.entries.back().map(|(lsn, _)| *lsn) == mark.last.as_ref().map(|(lsn, _)| *lsn);
        if let Some(last) = mark.last.filter(|(lsn, _)| taken && !is_there && *lsn > self.dropped) {
            self.entries.push_back(last);
        }
        self.newest = mark.newest;
        self.dropped = self.dropped.min(mark.newest);
    }

    /// Gives a change its number. A change of the same place as the one before takes its entry over.
    pub(crate) fn record(&mut self, change: Change) -> Lsn {
        self.newest = self.newest.next();
        if let Some((lsn, last)) = self.entries.back_mut() {
            if *last == change {
                *lsn = self.newest;
                return self.newest;
            }
            if let (Change::Data(ino, offset, count), Change::Data(same, from, more)) = (last, &change)
                && ino == same
                && *offset + *count == *from
            {
                *count += more;
                *lsn = self.newest;
                return self.newest;
            }
        }
        if self.entries.len() == CHANGES_MAX
            && let Some((lsn, _)) = self.entries.pop_front()
        {
            self.dropped = lsn;
        }
        self.entries.push_back((self.newest, change));
        self.newest
    }

    /// The places changed after `since`, oldest first.
    ///
    /// # Errors
    /// [`TooOld`] when some of them are no longer listed.
    pub fn since(&self, since: Lsn) -> Result<impl Iterator<Item = (Lsn, &Change)>, TooOld> {
        if since < self.dropped {
            return Err(TooOld { dropped: self.dropped });
        }
        Ok(self.listed(since))
    }

    /// The places changed after `since` that are still listed.
    fn listed(&self, since: Lsn) -> impl Iterator<Item = (Lsn, &Change)> {
        let start = self.entries.partition_point(|(lsn, _)| *lsn <= since);
        self.entries.range(start..).map(|(lsn, change)| (*lsn, change))
    }

    /// Lets go of entries every reader has passed.
    pub fn forget_until(&mut self, lsn: Lsn) {
        while self.entries.front().is_some_and(|(first, _)| *first <= lsn) {
            self.entries.pop_front();
        }
        self.dropped = self.dropped.max(lsn.min(self.newest));
        if self.entries.is_empty() {
            self.entries.shrink_to_fit();
        }
    }
}

/// What a tree became between two points of its log: enough to bring a copy at `from` to `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The reader stood here.
    pub from: Lsn,
    /// And stands here after applying it.
    pub to: Lsn,
    /// The next free inode number.
    pub next_ino: u64,
    /// Inodes as they are now, without bytes and names.
    pub inodes: Vec<InodeImage>,
    /// Ranges of file blocks, replaced as a whole.
    pub blocks: Vec<BlockRange>,
    /// Names and what they refer to now; `None` was removed.
    pub names: Vec<(Ino, Name, Option<Ino>)>,
    /// Inodes that are gone.
    pub gone: Vec<Ino>,
}

impl Delta {
    /// No change of a tree at its beginning.
    pub fn nothing() -> Delta {
        Delta {
            from: Lsn::ZERO,
            to: Lsn::ZERO,
            next_ino: 0,
            inodes: Vec::new(),
            blocks: Vec::new(),
            names: Vec::new(),
            gone: Vec::new(),
        }
    }
}

/// Blocks `from..to` of a file: those listed, and holes (or the base) where none is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockRange {
    /// The file.
    pub ino: Ino,
    /// First block.
    pub from: u64,
    /// First block behind.
    pub to: u64,
    /// Present blocks, by index.
    pub blocks: Vec<(u64, BlockImage)>,
}

/// A block of a file as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BlockImage {
    /// These bytes.
    Bytes(Arc<Vec<u8>>),
    /// A hole punched over the base.
    Hole,
    /// The bytes of this content and how many they are; loaded when they are needed.
    Stored(BlobId, u64),
}

/// An inode as plain data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InodeImage {
    /// Its number.
    pub ino: Ino,
    /// Permission bits.
    pub mode: Mode,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Names it has.
    pub links: u32,
    /// Access, modification and change time.
    pub times: [Timestamp; 3],
    /// Extended attributes.
    pub xattrs: Vec<(Name, Arc<[u8]>)>,
    /// What is particular to its kind.
    pub content: ContentImage,
}

/// The part of an inode that depends on its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ContentImage {
    /// A regular file: length, and the shared content below its own blocks (name, length, bytes still seen).
    File {
        /// Length in bytes.
        len: u64,
        /// Shared content.
        base: Option<(BlobId, u64, u64)>,
    },
    /// A directory in this one.
    Directory(Ino),
    /// A symbolic link to this path.
    Symlink(Arc<[u8]>),
    /// A named pipe, a socket, or a device node of this number.
    Special(FileKind, u64),
}

impl InodeImage {
    /// The image of an inode.
    pub fn of(ino: Ino, inode: &Inode) -> InodeImage {
        let content = match &inode.content {
            Content::File(bytes) => ContentImage::File {
                len: bytes.len(),
                base: bytes.base().map(|(blob, seen)| (blob.id(), blob.len(), seen)),
            },
            Content::Directory(directory) => ContentImage::Directory(directory.parent),
            Content::Symlink(target) => ContentImage::Symlink(target.clone()),
            Content::Fifo => ContentImage::Special(FileKind::Fifo, 0),
            Content::Socket => ContentImage::Special(FileKind::Socket, 0),
            Content::Character(rdev) => ContentImage::Special(FileKind::Character, *rdev),
            Content::Block(rdev) => ContentImage::Special(FileKind::Block, *rdev),
        };
        InodeImage {
            ino,
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            links: inode.links,
            times: [inode.atime, inode.mtime, inode.ctime],
            xattrs: inode.xattrs.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            content,
        }
    }
}

impl BlockImage {
    /// The image of a block. A stored one stays stored, loaded or not: whoever reads the image has its content.
    pub fn of(block: &Block) -> BlockImage {
        match block {
            Block::Data(data) => BlockImage::Bytes(data.clone()),
            Block::Stored(blob) => BlockImage::Stored(blob.id(), blob.len()),
            Block::Zero => BlockImage::Hole,
        }
    }
}

/// Reads what changed in `inodes` after `since`.
///
/// # Errors
/// [`TooOld`], and the reader uses [`delta_between`] with a snapshot it kept.
pub fn delta_since(inodes: &Inodes, log: &ChangeLog, since: Lsn) -> Result<Delta, TooOld> {
    let mut touched = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut data: BTreeMap<Ino, Vec<(u64, u64)>> = BTreeMap::new();
    for (_, change) in log.since(since)? {
        match change {
            Change::Inode(ino) | Change::Accessed(ino) => {
                touched.insert(*ino);
            }
            Change::Name(directory, name) => {
                touched.insert(*directory);
                names.insert((*directory, name.clone()));
            }
            Change::Data(ino, offset, count) => {
                touched.insert(*ino);
                data.entry(*ino).or_default().push((offset / BLOCK, offset.saturating_add(*count).div_ceil(BLOCK)));
            }
        }
    }
    let mut delta = Delta {
        from: since,
        to: log.newest(),
        next_ino: inodes.next,
        inodes: Vec::new(),
        blocks: Vec::new(),
        names: Vec::new(),
        gone: Vec::new(),
    };
    for ino in touched {
        match inodes.get(ino) {
            Some(inode) => delta.inodes.push(InodeImage::of(ino, inode)),
            None => delta.gone.push(ino),
        }
    }
    for (ino, ranges) in data {
        if let Some(Content::File(bytes)) = inodes.get(ino).map(|inode| &inode.content) {
            delta.blocks.extend(ranges.into_iter().map(|(from, to)| block_range(ino, bytes, from, to)));
        }
    }
    for (directory, name) in names {
        if let Some(Content::Directory(entries)) = inodes.get(directory).map(|inode| &inode.content) {
            let ino = entries.entries.get(&name).copied();
            delta.names.push((directory, name, ino));
        }
    }
    Ok(delta)
}

/// Compares two snapshots of one tree, visiting only what they do not share.
pub fn delta_between(old: &Inodes, new: &Inodes, from: Lsn, to: Lsn) -> Delta {
    let mut delta = Delta {
        from,
        to,
        next_ino: new.next,
        inodes: Vec::new(),
        blocks: Vec::new(),
        names: Vec::new(),
        gone: Vec::new(),
    };
    old.map.diff(&new.map, Arc::ptr_eq, &mut |ino, before, after| match (before, after) {
        (_, None) => delta.gone.push(*ino),
        (before, Some(after)) => {
            delta.inodes.push(InodeImage::of(*ino, after));
            match (before.map(|inode| &inode.content), &after.content) {
                (before, Content::File(bytes)) => {
                    let empty = PMap::new();
                    let old_blocks = match before {
                        Some(Content::File(old)) => old.blocks(),
                        _ => &empty,
                    };
                    old_blocks.diff(bytes.blocks(), Block::is_same, &mut |index, _, _| {
                        delta.blocks.push(block_range(*ino, bytes, *index, *index + 1))
                    });
                }
                (before, Content::Directory(directory)) => {
                    let empty = PMap::new();
                    let old_entries = match before {
                        Some(Content::Directory(old)) => &old.entries,
                        _ => &empty,
                    };
                    old_entries.diff(&directory.entries, |one, two| one == two, &mut |name, _, now| {
                        delta.names.push((*ino, name.clone(), now.copied()));
                    });
                }
                _ => {}
            }
        }
    });
    delta
}

fn block_range(ino: Ino, bytes: &FileBytes, from: u64, to: u64) -> BlockRange {
    let blocks = bytes
        .blocks()
        .range_from(Bound::Included(&from))
        .take_while(|(index, _)| **index < to)
        .map(|(index, block)| (*index, BlockImage::of(block)))
        .collect();
    BlockRange { ino, from, to, blocks }
}

#[cfg(test)]
mod tests;
