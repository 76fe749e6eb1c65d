//! Where a file is: the name it was given last is remembered with it, so that its path can be told without a search.
//!
//! A name is a fact of its directory, and a file does not know its names: it may have many. The one remembered is a
//! hint, used only if the directory still agrees. Directories have one name, so theirs is always right.

use super::inode::Content;
use super::inodes::Inodes;
use super::path::Found;
use super::{Name, Node};
use crate::file::{OpenId, Opened};
use crate::id::Ino;
use crate::kernel::Kernel;

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The directory.
    pub directory: Ino,
    /// The name in it.
    pub name: Name,
}

impl Place {
    /// `name` in `directory`.
    pub fn new(directory: Ino, name: &Name) -> Place {
        Place { directory, name: name.clone() }
    }
}

impl Inodes {
    /// A name `ino` has: the one it was given last, if it still has that one.
    pub fn place_of(&self, ino: Ino) -> Option<&Place> {
        self.get(ino)?.place.as_ref().filter(|place| self.leads_to(place, ino))
    }

    /// What has that name.
    pub(crate) fn at(&self, place: &Place) -> Option<Ino> {
        match self.get(place.directory).map(|inode| &inode.content) {
            Some(Content::Directory(directory)) => directory.entries.get(&place.name).copied(),
            _ => None,
        }
    }

    /// Whether that name is one of `ino`.
    pub fn leads_to(&self, place: &Place, ino: Ino) -> bool {
        self.at(place) == Some(ino)
    }

    /// Any name `ino` has. Looks through every directory when the one remembered is gone and it has others.
    pub(crate) fn any_place_of(&self, ino: Ino) -> Option<Place> {
        let inode = self.get(ino).filter(|inode| inode.links > 0)?;
        let search = || {
            self.iter().find_map(|(at, inode)| match &inode.content {
                Content::Directory(own) => {
                    let (name, _) = own.entries.iter().find(|(_, child)| **child == ino)?;
                    Some(Place::new(at, name))
                }
                _ => None,
            })
        };
        inode.place.clone().filter(|place| self.leads_to(place, ino)).or_else(search)
    }
}

impl Kernel {
    /// A tree's file remembers the name it was opened by.
    pub(super) fn remember_place(&mut self, open: OpenId, found: Found) {
        if let Some((Node::Tree(_, directory), name)) = found.parent
            && let Ok(file) = self.files.get_mut(open)
            && matches!(file.what, Opened::File(..) | Opened::Path(Node::Tree(..)))
        {
            file.place = Some(Place { directory, name });
        }
    }
}
