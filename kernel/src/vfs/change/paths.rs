//! The paths of what changed, for events: names are enough for whoever shows files or watches them.
//!
//! A change names an inode; the inode remembers its name, and directories lead up to the root, so nothing is searched.
//! What cannot be told so is counted and not told.

use super::Change;
use crate::file::Opened;
use crate::id::{Ino, Lsn, MountId};
use crate::kernel::Kernel;
use crate::vfs::PATH_MAX;
use crate::vfs::inodes::{Inodes, ROOT_INO};
use crate::vfs::place::Place;
use std::cell::LazyCell;
use std::collections::{HashMap, HashSet};

/// Directories walked up through for one answer, at most: a guest may nest them as deep as it has inodes.
const STEPS_MAX: usize = 1 << 16;

/// Where the root filesystem changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedPaths {
    /// Absolute paths in the order they first changed, each once. Of a name that was removed or moved it is the path it
    /// had; what was in a directory that is gone is told by the directory alone.
    pub paths: Vec<Vec<u8>>,
    /// Places that changed and are not listed: there were more than asked for, the path is longer than any call takes, or
    /// the file has several names and lost the one it was known by.
    pub more: u64,
    /// The log reaches back to where the reader stands. If not, only the end of what changed is listed.
    pub complete: bool,
}

/// A place that changed.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum At {
    /// The root directory, which has no name.
    Root,
    /// A name in a directory.
    Place(Place),
    /// A file none of whose names is known without a search.
    Nowhere(Ino),
}

impl Kernel {
    /// The paths of what changed in the root filesystem after `since`, at most `max` of them. A file that was only read
    /// has not changed, and neither has a directory of which only a name did.
    pub fn changed_paths(&self, since: Lsn, max: usize) -> ChangedPaths {
        let mut paths = Vec::new();
        let (more, complete) = self.tell_places(since, max, |_, _, path| paths.push(path));
        ChangedPaths { paths, more, complete }
    }

    /// Calls `tell` with each place that changed after `since` and its path, at most `max` times. How many were not told, and
    /// whether the log reaches back.
    pub(super) fn tell_places(
        &self,
        since: Lsn,
        max: usize,
        mut tell: impl FnMut(&mut Above<'_>, &At, Vec<u8>),
    ) -> (u64, bool) {
        let mut above = Above::new(self.root().inodes());
        let (mut told, mut more) = (0, 0);
        let mut seen = HashSet::new();
        for at in self.places_changed(since) {
            if seen.contains(&at) {
                continue;
            }
            let path = match &at {
                _ if told == max => None,
                At::Root => Some(b"/".to_vec()),
                At::Place(place) => above.path(place),
                At::Nowhere(_) => None,
            };
            match path {
                Some(path) => {
                    told += 1;
                    tell(&mut above, &at, path);
                }
                None => more += 1,
            }
            seen.insert(at);
        }
        (more, self.root().log().since(since).is_ok())
    }

    /// Every place the log lists after `since`, but for what is gone or has no name.
    fn places_changed(&self, since: Lsn) -> impl Iterator<Item = At> {
        let inodes = self.root().inodes();
        let has_name = |ino: Ino| inodes.get(ino).is_some_and(|inode| inode.links > 0);
        let others = LazyCell::new(move || self.other_places(since));
        // A name that changes touches its directory next, which is no change of the directory's own.
        let mut touched_next = None;
        self.root().log().listed(since).filter_map(move |(lsn, change)| match change {
            Change::Accessed(_) => None,
            Change::Name(directory, name) => {
                touched_next = Some((lsn.next(), *directory));
                has_name(*directory).then(|| At::Place(Place::new(*directory, name)))
            }
            Change::Inode(ino) if touched_next == Some((lsn, *ino)) => None,
            Change::Inode(ino) | Change::Data(ino, ..) if !has_name(*ino) => None,
            Change::Inode(ROOT_INO) => Some(At::Root),
            Change::Inode(ino) | Change::Data(ino, ..) => {
                let place = inodes.place_of(*ino).or_else(|| others.get(ino));
                Some(place.cloned().map_or(At::Nowhere(*ino), At::Place))
            }
        })
    }

    /// Names of files that may have lost the one they were known by: those they are open under, and those in the log.
    fn other_places(&self, since: Lsn) -> HashMap<Ino, Place> {
        let inodes = self.root().inodes();
        let open = self.files.iter().filter_map(|file| match (&file.what, &file.place) {
            (Opened::File(MountId::ROOT, ino), Some(place)) if inodes.leads_to(place, *ino) => {
                Some((*ino, place.clone()))
            }
            _ => None,
        });
        let named = self.root().log().listed(since).filter_map(|(_, change)| match change {
            Change::Name(directory, name) => {
                let ino = self.root().lookup(*directory, name).ok()?;
                Some((ino, Place::new(*directory, name)))
            }
            _ => None,
        });
        open.chain(named).collect()
    }
}

/// The paths of directories, each found once.
pub(super) struct Above<'a> {
    inodes: &'a Inodes,
    /// Without a `/` at the end; `None` for one that is not told.
    known: HashMap<Ino, Option<Vec<u8>>>,
    steps: usize,
}

impl<'a> Above<'a> {
    pub(super) fn new(inodes: &'a Inodes) -> Above<'a> {
        Above { inodes, known: HashMap::new(), steps: STEPS_MAX }
    }

    pub(super) fn path(&mut self, place: &Place) -> Option<Vec<u8>> {
        if !self.known.contains_key(&place.directory) {
            let path = self.walk_up(place.directory);
            self.known.insert(place.directory, path);
        }
        let mut path = self.known.get(&place.directory)?.clone()?;
        path.push(b'/');
        path.extend_from_slice(&place.name);
        (path.len() <= PATH_MAX).then_some(path)
    }

    fn walk_up(&mut self, directory: Ino) -> Option<Vec<u8>> {
        let (mut names, mut bytes, mut at) = (Vec::new(), 0, directory);
        while at != ROOT_INO {
            self.steps = self.steps.checked_sub(1)?;
            let place = self.inodes.place_of(at)?;
            bytes += 1 + place.name.len();
            if bytes > PATH_MAX {
                return None;
            }
            names.push(&place.name);
            at = place.directory;
        }
        let mut path = Vec::with_capacity(bytes);
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Some(path)
    }
}
