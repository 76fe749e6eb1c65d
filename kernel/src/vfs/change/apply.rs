//! Bringing a copy of a tree forward by a delta, which is input: it is checked as far as it reaches, in time
//! proportional to it, and a tree that passed can be walked, counted and changed like any other.

use super::{BlockImage, BlockRange, ContentImage, Delta, InodeImage};
use crate::blob::{BLOB_BYTES_MAX, Blob, BlobId, Blobs};
use crate::errno::Errno;
use crate::extent::{BLOCK, Block, FILE_SIZE_MAX, FileBytes};
use crate::id::{Ino, Lsn};
use crate::pmap::PMap;
use crate::vfs::inode::{Content, Directory, Inode};
use crate::vfs::inodes::{Inodes, ROOT_INO};
use crate::vfs::place::Place;
use crate::vfs::{FileKind, Mode, PATH_MAX, checked_name};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Numbers an image may name, so that counting on from them never ends: 2^56 mutations take a session centuries.
const NUMBER_MAX: u64 = 1 << 56;

/// Brings a copy that stands at `delta.from` to `delta.to`. `source` is where shared content is loaded from when
/// the copy does not hold it yet.
///
/// # Errors
/// `EINVAL` when the delta does not fit the tree; the tree is unchanged then.
pub fn apply(inodes: &Inodes, delta: &Delta, source: &Arc<dyn Blobs>) -> Result<Inodes, Errno> {
    let mut next = inodes.clone();
    next.next = next.next.max(delta.next_ino);
    if next.next > NUMBER_MAX || delta.to.0 > NUMBER_MAX || (delta.to == Lsn::ZERO && !delta.inodes.is_empty()) {
        return Err(Errno::EINVAL);
    }
    let touched: BTreeSet<Ino> = delta.inodes.iter().map(|image| image.ino).collect();
    for image in &delta.inodes {
        let made = {
            let old = next.map.get(&image.ino).map(|inode| &**inode);
            let blob =
                |id, len| known_blob(old, inodes, id, len).unwrap_or_else(|| Blob::lazy(id, len, source.clone()));
            image.apply(old, delta.to, &blob)?
        };
        next.map.insert(image.ino, Arc::new(made));
    }
    for range in &delta.blocks {
        match &mut changed(&mut next, &touched, range.ino)?.content {
            Content::File(bytes) => put_range(bytes, range, source)?,
            _ => return Err(Errno::EINVAL),
        }
    }
    for (directory, name, ino) in &delta.names {
        let Content::Directory(own) = &mut changed(&mut next, &touched, *directory)?.content else {
            return Err(Errno::EINVAL);
        };
        match ino {
            Some(ino) => own.entries.insert(checked_name(name)?, *ino),
            None => own.entries.remove(name),
        };
    }
    remember_places(&mut next, delta);
    for ino in &delta.gone {
        next.map.remove(ino);
    }
    check(inodes, &next, delta, &touched)?;
    count(inodes, &mut next, touched.iter().chain(&delta.gone));
    Ok(next)
}

/// What the delta named remembers the name it has in the end, as if it had been named here.
fn remember_places(next: &mut Inodes, delta: &Delta) {
    for (directory, name, _) in &delta.names {
        let ino = entries(next, *directory).and_then(|entries| entries.get(name)).copied();
        if let Some(inode) = ino.and_then(|ino| next.map.get_mut(&ino)) {
            Arc::make_mut(inode).place = Some(Place::new(*directory, name));
        }
    }
}

/// An inode the delta listed.
fn changed<'a>(next: &'a mut Inodes, touched: &BTreeSet<Ino>, ino: Ino) -> Result<&'a mut Inode, Errno> {
    let inode = next.map.get_mut(&ino).filter(|_| touched.contains(&ino)).ok_or(Errno::EINVAL)?;
    Ok(Arc::make_mut(inode))
}

/// A blob this file or some other already shows. The search is long only for contents a delta newly names: rare. One of
/// another length is another blob, whatever its name says: more of it would be shown than it has.
fn known_blob(old: Option<&Inode>, inodes: &Inodes, id: BlobId, len: u64) -> Option<Arc<Blob>> {
    let is_it = |blob: &&Arc<Blob>| blob.id() == id && blob.len() == len;
    let of = |inode: &Inode| match &inode.content {
        Content::File(bytes) => bytes.base().map(|(blob, _)| blob).filter(is_it).cloned(),
        _ => None,
    };
    old.and_then(of).or_else(|| inodes.iter().find_map(|(_, inode)| of(inode)))
}

fn put_range(bytes: &mut FileBytes, range: &BlockRange, source: &Arc<dyn Blobs>) -> Result<(), Errno> {
    let before: BTreeMap<u64, Block> = bytes
        .blocks()
        .range_from(Bound::Included(&range.from))
        .take_while(|(index, _)| **index < range.to)
        .map(|(index, block)| (*index, block.clone()))
        .collect();
    for index in before.keys() {
        bytes.put_block(*index, None);
    }
    for (index, image) in &range.blocks {
        let start = index.checked_mul(BLOCK).filter(|start| *start < bytes.len()).ok_or(Errno::EINVAL)?;
        let room = (bytes.len() - start).min(BLOCK);
        let fits = match image {
            BlockImage::Bytes(data) => data.len() as u64 <= room,
            BlockImage::Stored(_, len) => (1..=room).contains(len),
            BlockImage::Hole => true,
        };
        if !fits || !(range.from..range.to).contains(index) {
            return Err(Errno::EINVAL);
        }
        bytes.put_block(*index, Some(image.block(before.get(index), source)));
    }
    Ok(())
}

impl BlockImage {
    /// Makes the block; a stored one that is the same as `before` shares what is loaded of it.
    fn block(&self, before: Option<&Block>, source: &Arc<dyn Blobs>) -> Block {
        match (self, before) {
            (BlockImage::Bytes(data), _) => Block::Data(data.clone()),
            (BlockImage::Hole, _) => Block::Zero,
            (BlockImage::Stored(id, len), Some(Block::Stored(blob))) if blob.id() == *id && blob.len() == *len => {
                Block::Stored(blob.clone())
            }
            (BlockImage::Stored(id, len), _) => Block::Stored(Blob::lazy(*id, *len, source.clone())),
        }
    }
}

impl InodeImage {
    /// Makes the inode, or brings `old` to this image keeping its blocks or names.
    fn apply(&self, old: Option<&Inode>, lsn: Lsn, blob: &dyn Fn(BlobId, u64) -> Arc<Blob>) -> Result<Inode, Errno> {
        let content = match (&self.content, old.map(|inode| &inode.content)) {
            (ContentImage::File { len, base }, old) => {
                let mut bytes = match old {
                    Some(Content::File(bytes)) => bytes.clone(),
                    _ => FileBytes::default(),
                };
                let base_fits =
                    base.is_none_or(|(_, of, seen)| 0 < seen && seen <= of && seen <= *len && of <= BLOB_BYTES_MAX);
                if !base_fits || *len > FILE_SIZE_MAX {
                    return Err(Errno::EINVAL);
                }
                bytes.put_shape(*len, base.map(|(id, of, seen)| (blob(id, of), seen)));
                Content::File(bytes)
            }
            (ContentImage::Directory(parent), Some(Content::Directory(old))) => {
                Content::Directory(Directory { entries: old.entries.clone(), parent: *parent })
            }
            (ContentImage::Directory(parent), _) => {
                Content::Directory(Directory { entries: PMap::new(), parent: *parent })
            }
            (ContentImage::Symlink(target), _) => {
                if target.is_empty() || target.len() > PATH_MAX || target.contains(&0) {
                    return Err(Errno::EINVAL);
                }
                Content::Symlink(target.clone())
            }
            (ContentImage::Special(FileKind::Fifo, _), _) => Content::Fifo,
            (ContentImage::Special(FileKind::Socket, _), _) => Content::Socket,
            (ContentImage::Special(FileKind::Character, rdev), _) => Content::Character(*rdev),
            (ContentImage::Special(FileKind::Block, rdev), _) => Content::Block(*rdev),
            (ContentImage::Special(..), _) => return Err(Errno::EINVAL),
        };
        if old.is_some_and(|old| old.kind() != content.kind()) {
            return Err(Errno::EINVAL); // A number is never given to another file.
        }
        Ok(Inode {
            content,
            mode: Mode::new(self.mode.bits()),
            uid: self.uid,
            gid: self.gid,
            links: self.links,
            atime: self.times[0],
            mtime: self.times[1],
            ctime: self.times[2],
            xattrs: self.xattrs.iter().cloned().collect(),
            lsn,
            place: old.and_then(|inode| inode.place.clone()),
        })
    }
}

/// How many names of a file, or of directories in a directory, came or went.
#[derive(Default)]
struct Moved {
    names: BTreeMap<Ino, i64>,
    subdirectories: BTreeMap<Ino, i64>,
}

/// Checks that what was a tree before still is one: every name leads to a file, link counts are right, and every
/// directory has one name and leads up to the root.
fn check(old: &Inodes, next: &Inodes, delta: &Delta, touched: &BTreeSet<Ino>) -> Result<(), Errno> {
    if touched.iter().chain(&delta.gone).any(|ino| ino.0 == 0 || ino.0 >= next.next) || next.get(ROOT_INO).is_none() {
        return Err(Errno::EINVAL);
    }
    let moved = moved_names(old, next, delta)?;
    let mut counted: BTreeSet<Ino> = touched.clone();
    counted.extend(delta.gone.iter().chain(moved.names.keys()).chain(moved.subdirectories.keys()));
    for ino in counted {
        let names = names_of(old.get(ino).map(|inode| &**inode)) + moved.names.get(&ino).copied().unwrap_or(0);
        let Some(inode) = next.get(ino) else {
            if names == 0 {
                continue;
            }
            return Err(Errno::EINVAL);
        };
        let links = match &inode.content {
            Content::Directory(own) if names == 0 && ino != ROOT_INO && own.entries.is_empty() => 0,
            Content::Directory(_) if names == 1 => {
                let before = old.get(ino).map_or(0, |inode| i64::from(inode.links) - 2);
                2 + before + moved.subdirectories.get(&ino).copied().unwrap_or(0)
            }
            Content::Directory(_) => return Err(Errno::EINVAL),
            _ => names,
        };
        if i64::from(inode.links) != links {
            return Err(Errno::EINVAL);
        }
    }
    check_ways_up(old, next, delta, touched)
}

/// Names an inode has: a directory in the tree has one, the root too.
fn names_of(inode: Option<&Inode>) -> i64 {
    match inode {
        Some(inode) if inode.kind() == FileKind::Directory => i64::from(inode.links > 0),
        Some(inode) => i64::from(inode.links),
        None => 0,
    }
}

fn moved_names(old: &Inodes, next: &Inodes, delta: &Delta) -> Result<Moved, Errno> {
    let mut moved = Moved::default();
    let is_directory =
        |inodes: &Inodes, ino: Ino| inodes.get(ino).is_some_and(|inode| inode.kind() == FileKind::Directory);
    let lost = |moved: &mut Moved, directory: Ino, ino: Ino| {
        *moved.names.entry(ino).or_default() -= 1;
        *moved.subdirectories.entry(directory).or_default() -= i64::from(is_directory(old, ino));
    };
    for ino in &delta.gone {
        for child in entries(old, *ino).into_iter().flat_map(|entries| entries.iter().map(|(_, child)| *child)) {
            lost(&mut moved, *ino, child);
        }
    }
    let places: BTreeSet<_> = delta.names.iter().map(|(directory, name, _)| (*directory, name)).collect();
    for (directory, name) in places {
        if let Some(ino) = entries(old, directory).and_then(|entries| entries.get(name)) {
            lost(&mut moved, directory, *ino);
        }
        let Some(ino) = entries(next, directory).and_then(|entries| entries.get(name)) else { continue };
        *moved.names.entry(*ino).or_default() += 1;
        match &next.get(*ino).ok_or(Errno::EINVAL)?.content {
            Content::Directory(child) if child.parent == directory => {
                *moved.subdirectories.entry(directory).or_default() += 1;
            }
            Content::Directory(_) => return Err(Errno::EINVAL),
            _ => {}
        }
    }
    Ok(moved)
}

/// Every changed directory that has a name says where it is, and going up from it ends at the root.
fn check_ways_up(old: &Inodes, next: &Inodes, delta: &Delta, touched: &BTreeSet<Ino>) -> Result<(), Errno> {
    let placed: BTreeSet<(Ino, Ino)> =
        delta.names.iter().filter_map(|(directory, _, ino)| Some((*directory, (*ino)?))).collect();
    let parent = |inodes: &Inodes, ino: Ino| match &inodes.get(ino)?.content {
        Content::Directory(own) => Some(own.parent),
        _ => None,
    };
    let mut lead_up = BTreeSet::from([ROOT_INO]);
    if parent(next, ROOT_INO) != Some(ROOT_INO) {
        return Err(Errno::EINVAL);
    }
    for ino in touched.iter().filter(|ino| next.get(**ino).is_some_and(|inode| inode.links > 0)) {
        let Some(now) = parent(next, *ino) else { continue };
        if parent(old, *ino) != Some(now) && !placed.contains(&(now, *ino)) {
            return Err(Errno::EINVAL);
        }
        let mut way = Vec::new();
        let mut at = *ino;
        while lead_up.insert(at) {
            way.push(at);
            at = parent(next, at).ok_or(Errno::EINVAL)?;
        }
        if way.contains(&at) {
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

fn entries(inodes: &Inodes, ino: Ino) -> Option<&PMap<super::Name, Ino>> {
    match &inodes.get(ino)?.content {
        Content::Directory(own) => Some(&own.entries),
        _ => None,
    }
}

/// Brings the books of charged bytes and owned inodes from the old inodes to the new ones.
fn count<'a>(old: &Inodes, next: &mut Inodes, changed: impl Iterator<Item = &'a Ino>) {
    let own = |inode: Option<&Arc<Inode>>| {
        inode.filter(|inode| inode.lsn != Lsn::ZERO).map_or((0, 0), |inode| (inode.charged(), inode.weight()))
    };
    let changed: BTreeSet<Ino> = changed.copied().collect();
    for ino in changed {
        let (before, after) = (own(old.get(ino)), own(next.get(ino)));
        next.bytes = next.bytes - before.0 + after.0;
        next.owned = next.owned - before.1 + after.1;
    }
}
