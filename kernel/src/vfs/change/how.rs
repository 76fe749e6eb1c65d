//! What became of the places that changed: the tree that was is compared with the tree that is, at those places only.

use super::paths::{Above, At};
use crate::extent::Block;
use crate::id::{Ino, Lsn};
use crate::kernel::Kernel;
use crate::vfs::FileKind;
use crate::vfs::inode::{Content, Inode};
use crate::vfs::inodes::{Inodes, ROOT_INO};
use crate::vfs::place::Place;
use std::sync::Arc;

/// What became of a place between two moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// Nothing was there before.
    Created,
    /// Other bytes are there, or another file.
    Modified,
    /// The same bytes, with another mode, owner, time of change or extended attributes.
    Attributes,
    /// Nothing is there any more.
    Removed,
    /// What is there was elsewhere before, at this path.
    Moved(Vec<u8>),
    /// What was there is elsewhere now; that is told there.
    Left,
    /// It is as it was: what came went again, or what changed changed back.
    Nothing,
}

/// A place that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    /// Absolute, as in [`super::ChangedPaths`].
    pub path: Vec<u8>,
    /// What became of it.
    pub how: How,
    /// What is there, or was if nothing is; `None` for what came and went.
    pub kind: Option<FileKind>,
}

/// What became of the root filesystem.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// In the order the places first changed, each once.
    pub changes: Vec<PathChange>,
    /// Places that changed and are not listed; see [`super::ChangedPaths`].
    pub more: u64,
    /// The log reaches back to where the reader stands.
    pub complete: bool,
}

impl Kernel {
    /// What changed in the root filesystem after `since`, when it was `before`: at most `max` places.
    pub fn changes(&self, since: Lsn, before: &Inodes, max: usize) -> Changes {
        let now = self.root().inodes();
        let mut then = Above::new(before);
        let mut changes = Vec::new();
        let (more, complete) = self.tell_places(since, max, |above, at, path| {
            let (how, kind) = match at {
                At::Root => (became(before.get(ROOT_INO), now.get(ROOT_INO)), Some(FileKind::Directory)),
                At::Place(place) => compare((before, &mut then), (now, above), place),
                At::Nowhere(_) => (How::Nothing, None),
            };
            changes.push(PathChange { path, how, kind });
        });
        Changes { changes, more, complete }
    }
}

fn compare(
    (before, then): (&Inodes, &mut Above<'_>),
    (now, above): (&Inodes, &mut Above<'_>),
    place: &Place,
) -> (How, Option<FileKind>) {
    let kind = |inodes: &Inodes, ino| inodes.get(ino).map(|inode| inode.kind());
    match (before.at(place), now.at(place)) {
        (None, None) => (How::Nothing, None),
        (Some(was), Some(is)) if was == is => (became(before.get(was), now.get(is)), kind(now, is)),
        (was, Some(is)) => {
            let from = left(before, now, is).and_then(|from| above.path(from).or_else(|| then.path(from)));
            let how = match from {
                Some(from) => How::Moved(from),
                None if was.is_some() => How::Modified,
                None => How::Created,
            };
            (how, kind(now, is))
        }
        (Some(was), None) => {
            // The way back of a move is a move: it left if it came elsewhere.
            let how = if left(now, before, was).is_some() { How::Left } else { How::Removed };
            (how, kind(before, was))
        }
    }
}

/// The place a file had in `one` and has no longer in `other`, if it is in both.
fn left<'a>(one: &'a Inodes, other: &Inodes, ino: Ino) -> Option<&'a Place> {
    other.get(ino).filter(|inode| inode.links > 0)?;
    one.place_of(ino).filter(|place| !other.leads_to(place, ino))
}

/// What became of one file.
fn became(before: Option<&Arc<Inode>>, now: Option<&Arc<Inode>>) -> How {
    let (Some(before), Some(now)) = (before, now) else { return How::Nothing };
    if Arc::ptr_eq(before, now) {
        return How::Nothing;
    }
    if let (Content::File(old), Content::File(new)) = (&before.content, &now.content) {
        let base = |file: &crate::extent::FileBytes| file.base().map(|(blob, seen)| (blob.id(), seen));
        let mut differs = old.len() != new.len() || base(old) != base(new);
        if !differs {
            old.blocks().diff(new.blocks(), Block::is_same, &mut |_, _, _| differs = true);
        }
        if differs {
            return How::Modified;
        }
    }
    let mut differs = (before.mode, before.uid, before.gid) != (now.mode, now.uid, now.gid);
    // A directory's time changes with each name in it, which is told there.
    differs |= before.mtime != now.mtime && now.kind() != FileKind::Directory;
    before.xattrs.diff(&now.xattrs, |one, two| one == two, &mut |_, _, _| differs = true);
    if differs { How::Attributes } else { How::Nothing }
}
