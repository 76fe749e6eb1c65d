//! Layers: immutable trees made once and shared by every session that begins with them.
//!
//! A template's layers (base system, software, files) are merged into one [`Layer`] when the template is loaded.
//! The merge is deterministic, so an inode has the same number on every node that merges the same layers; a
//! session's root is then one clone. Contents are blobs, loaded when first read.

use super::inode::{Content, Directory, Inode};
use super::inodes::{Birth, Inodes, ROOT_INO};
use super::place::Place;
use super::{FileKind, Mode, Name, PATH_MAX, checked_name};
use crate::blob::Blob;
use crate::errno::Errno;
use crate::extent::FileBytes;
use crate::host::Timestamp;
use crate::id::{Gid, Ino, Lsn, Uid};
use std::sync::Arc;

/// An immutable tree that sessions begin with.
#[derive(Clone, Debug)]
pub struct Layer {
    inodes: Inodes,
}

/// Attributes of a layer's file.
#[derive(Clone, Copy, Debug)]
pub struct Attributes {
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last change of content, in seconds.
    pub mtime_seconds: i64,
}

/// Why an entry cannot be in a layer.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason} ({errno:?})")]
pub struct LayerError {
    /// The entry.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
    /// The matching error number.
    pub errno: Errno,
}

/// Puts layers together. A later entry replaces an earlier one of the same path, except that a directory stays.
#[derive(Debug)]
pub struct LayerBuilder {
    inodes: Inodes,
}

impl Layer {
    /// The tree a session starts from, in constant time.
    pub fn inodes(&self) -> Inodes {
        self.inodes.clone()
    }

    /// Every shared content in it.
    pub fn blobs(&self) -> impl Iterator<Item = &Arc<Blob>> {
        self.inodes.iter().filter_map(|(_, inode)| match &inode.content {
            Content::File(bytes) => bytes.base().map(|(blob, _)| blob),
            _ => None,
        })
    }
}

impl Default for LayerBuilder {
    fn default() -> LayerBuilder {
        LayerBuilder::new()
    }
}

impl LayerBuilder {
    /// An empty root directory, root's, mode 0755.
    pub fn new() -> LayerBuilder {
        LayerBuilder { inodes: Inodes::empty(birth(Attributes { mode: 0o755, uid: 0, gid: 0, mtime_seconds: 0 })) }
    }

    /// A directory. One that is there already takes the new attributes.
    ///
    /// # Errors
    /// A path that is not absolute and normal, or that passes through something that is no directory.
    pub fn directory(&mut self, path: &str, attributes: Attributes) -> Result<&mut Self, LayerError> {
        let (parent, name) = self.parent_of(path)?;
        let Some(name) = name else {
            self.update(ROOT_INO, attributes);
            return Ok(self);
        };
        match self.lookup(parent, &name) {
            Some(ino) if self.kind(ino) == Some(FileKind::Directory) => self.update(ino, attributes),
            Some(_) => return Err(error(path, "a directory would replace a file", Errno::EEXIST)),
            None => {
                self.add(
                    parent,
                    name,
                    Content::Directory(Directory { entries: Default::default(), parent }),
                    attributes,
                );
            }
        }
        Ok(self)
    }

    /// A regular file with these bytes.
    ///
    /// # Errors
    /// As [`LayerBuilder::directory`].
    pub fn file(&mut self, path: &str, attributes: Attributes, blob: Arc<Blob>) -> Result<&mut Self, LayerError> {
        self.leaf(path, attributes, Content::File(FileBytes::from_blob(blob)))
    }

    /// A small file with these bytes in memory.
    ///
    /// # Errors
    /// As [`LayerBuilder::directory`].
    pub fn text(&mut self, path: &str, attributes: Attributes, bytes: &[u8]) -> Result<&mut Self, LayerError> {
        self.file(path, attributes, Blob::loaded(bytes.to_vec()))
    }

    /// A symbolic link.
    ///
    /// # Errors
    /// As [`LayerBuilder::directory`]; an empty or too long target.
    pub fn symlink(&mut self, path: &str, target: &str, attributes: Attributes) -> Result<&mut Self, LayerError> {
        if target.is_empty() || target.len() > PATH_MAX {
            return Err(error(path, "a link target has 1 to 4095 bytes", Errno::ENAMETOOLONG));
        }
        self.leaf(path, Attributes { mode: 0o777, ..attributes }, Content::Symlink(target.as_bytes().into()))
    }

    /// A character device node.
    ///
    /// # Errors
    /// As [`LayerBuilder::directory`].
    pub fn device(&mut self, path: &str, attributes: Attributes, rdev: u64) -> Result<&mut Self, LayerError> {
        self.leaf(path, attributes, Content::Character(rdev))
    }

    /// Whether something is at `path`.
    pub fn contains(&self, path: &str) -> bool {
        let mut at = ROOT_INO;
        path.split('/').filter(|part| !part.is_empty()).all(|part| match self.lookup(at, part.as_bytes()) {
            Some(ino) => {
                at = ino;
                true
            }
            None => false,
        })
    }

    /// The finished layer.
    pub fn build(self) -> Arc<Layer> {
        Arc::new(Layer { inodes: self.inodes })
    }

    fn leaf(&mut self, path: &str, attributes: Attributes, content: Content) -> Result<&mut Self, LayerError> {
        let (parent, name) = self.parent_of(path)?;
        let name = name.ok_or_else(|| error(path, "the root is a directory", Errno::EISDIR))?;
        if let Some(old) = self.lookup(parent, &name) {
            if self.kind(old) == Some(FileKind::Directory) {
                return Err(error(path, "a file would replace a directory", Errno::EISDIR));
            }
            self.inodes.map.remove(&old);
        }
        self.add(parent, name, content, attributes);
        Ok(self)
    }

    /// The directory a path's last name is in, made on the way with mode 0755, and that name.
    fn parent_of(&mut self, path: &str) -> Result<(Ino, Option<Name>), LayerError> {
        let rest = path.strip_prefix('/').ok_or_else(|| error(path, "a layer's path is absolute", Errno::EINVAL))?;
        if path.len() > PATH_MAX {
            return Err(error(path, "the path is too long", Errno::ENAMETOOLONG));
        }
        if rest.is_empty() {
            return Ok((ROOT_INO, None));
        }
        let mut parts = Vec::new();
        for part in rest.split('/') {
            if part == "." || part == ".." {
                return Err(error(path, "`.` and `..` name nothing in a layer", Errno::EINVAL));
            }
            parts.push(checked_name(part.as_bytes()).map_err(|errno| error(path, "not a file name", errno))?);
        }
        let last = parts.pop();
        let mut at = ROOT_INO;
        for name in parts {
            at = match self.lookup(at, &name) {
                Some(ino) if self.kind(ino) == Some(FileKind::Directory) => ino,
                Some(_) => return Err(error(path, "the path passes through a file", Errno::ENOTDIR)),
                None => {
                    let attributes = Attributes { mode: 0o755, uid: 0, gid: 0, mtime_seconds: 0 };
                    self.add(
                        at,
                        name,
                        Content::Directory(Directory { entries: Default::default(), parent: at }),
                        attributes,
                    )
                }
            };
        }
        Ok((at, last))
    }

    fn lookup(&self, directory: Ino, name: &[u8]) -> Option<Ino> {
        match &self.inodes.get(directory)?.content {
            Content::Directory(directory) => directory.entries.get(name).copied(),
            _ => None,
        }
    }

    fn kind(&self, ino: Ino) -> Option<FileKind> {
        self.inodes.get(ino).map(|inode| inode.kind())
    }

    fn update(&mut self, ino: Ino, attributes: Attributes) {
        if let Some(inode) = self.inodes.map.get_mut(&ino) {
            let inode = Arc::make_mut(inode);
            let birth = birth(attributes);
            (inode.mode, inode.uid, inode.gid) = (birth.mode, birth.uid, birth.gid);
            (inode.atime, inode.mtime, inode.ctime) = (birth.now, birth.now, birth.now);
        }
    }

    fn add(&mut self, parent: Ino, name: Name, content: Content, attributes: Attributes) -> Ino {
        let ino = Ino(self.inodes.next);
        self.inodes.next += 1;
        let is_directory = content.kind() == FileKind::Directory;
        let birth = birth(attributes);
        let inode = Inode {
            content,
            mode: birth.mode,
            uid: birth.uid,
            gid: birth.gid,
            links: if is_directory { 2 } else { 1 },
            atime: birth.now,
            mtime: birth.now,
            ctime: birth.now,
            xattrs: Default::default(),
            lsn: Lsn::ZERO,
            place: Some(Place::new(parent, &name)),
        };
        self.inodes.map.insert(ino, Arc::new(inode));
        if let Some(directory) = self.inodes.map.get_mut(&parent) {
            let directory = Arc::make_mut(directory);
            directory.links += u32::from(is_directory);
            if let Content::Directory(own) = &mut directory.content {
                own.entries.insert(name, ino);
            }
        }
        ino
    }
}

fn birth(attributes: Attributes) -> Birth {
    Birth {
        mode: Mode::new(attributes.mode),
        uid: Uid(attributes.uid),
        gid: Gid(attributes.gid),
        now: Timestamp::from_seconds(attributes.mtime_seconds),
    }
}

fn error(path: &str, reason: &'static str, errno: Errno) -> LayerError {
    LayerError { path: path.to_owned(), reason, errno }
}

#[cfg(test)]
mod tests;
