//! The tree of inodes: a persistent map from number to inode, and the primitives that change it.
//!
//! ```text
//! layer  ──clone──▶ session A's tree ──clone──▶ snapshot of A
//!            └────▶ session B's tree
//! ```
//! Every clone is a root pointer; a change copies the few nodes on the way to the inode it changes and leaves all
//! clones as they were. A primitive checks what keeps the tree a tree (no directory into itself, no second name
//! for a directory, nothing removed that is not empty) and the quotas; who may do it was checked by the caller.
//! Each change has a number of the session's log, and an inode knows the last that touched it.

use super::change::{Change, ChangeLog};
use super::inode::{Content, Directory, Inode, Xattrs};
use super::inodes::{Birth, Inodes, new_inode};
use super::place::Place;
use super::{FileKind, LINK_MAX, Mode, Name};
use crate::errno::Errno;
use crate::extent::{FILE_SIZE_MAX, FileBytes};
use crate::host::Timestamp;
use crate::id::{Ino, Lsn};
use crate::wait::Step;
use std::sync::Arc;

/// Bytes and inodes a tree may hold of its own; what it shares with its layer is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes, in whole pages a file.
    pub bytes: u64,
    /// Files of any kind.
    pub inodes: u64,
}

/// A filesystem in memory.
#[derive(Debug)]
pub struct Tree {
    inodes: Inodes,
    quota: Quota,
    log: ChangeLog,
}

impl Tree {
    /// A tree that begins as `inodes` and counts only what changes from here.
    pub fn new(inodes: Inodes, quota: Quota) -> Tree {
        Tree { inodes, quota, log: ChangeLog::default() }
    }

    /// A tree that goes on from `inodes`, whose last change was `newest`.
    pub fn resume(inodes: Inodes, quota: Quota, newest: Lsn) -> Tree {
        let mut tree = Tree::new(inodes, quota);
        tree.log.resume(newest);
        tree
    }

    /// Everything as it is now, in constant time.
    pub fn snapshot(&self) -> Inodes {
        self.inodes.clone()
    }

    /// The inodes, without a clone.
    pub fn inodes(&self) -> &Inodes {
        &self.inodes
    }

    /// The log of changes.
    pub fn log(&self) -> &ChangeLog {
        &self.log
    }

    pub(crate) fn log_mut(&mut self) -> &mut ChangeLog {
        &mut self.log
    }

    pub(crate) fn replace(&mut self, inodes: Inodes) {
        self.inodes = inodes;
    }

    /// The limits in force.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    pub(crate) fn set_quota(&mut self, quota: Quota) {
        self.quota = quota;
    }

    /// Bytes and inodes used of the quota.
    pub fn used(&self) -> Quota {
        Quota { bytes: self.inodes.bytes, inodes: self.inodes.owned }
    }

    fn free_bytes(&self) -> u64 {
        self.quota.bytes.saturating_sub(self.inodes.bytes)
    }

    /// The inode of this number.
    ///
    /// # Errors
    /// `ENOENT` when it was removed.
    pub fn inode(&self, ino: Ino) -> Result<&Inode, Errno> {
        self.inodes.map.get(&ino).map(|inode| &**inode).ok_or(Errno::ENOENT)
    }

    /// The directory of this number.
    ///
    /// # Errors
    /// `ENOTDIR` when it is something else; `ENOENT` when it was removed.
    pub fn directory(&self, ino: Ino) -> Result<&Directory, Errno> {
        match &self.inode(ino)?.content {
            Content::Directory(directory) => Ok(directory),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The bytes of this regular file.
    ///
    /// # Errors
    /// `EISDIR` for a directory, `EINVAL` for any other kind.
    pub fn file(&self, ino: Ino) -> Result<&FileBytes, Errno> {
        match &self.inode(ino)?.content {
            Content::File(bytes) => Ok(bytes),
            Content::Directory(_) => Err(Errno::EISDIR),
            _ => Err(Errno::EINVAL),
        }
    }

    /// What `name` in `directory` refers to.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    pub fn lookup(&self, directory: Ino, name: &[u8]) -> Result<Ino, Errno> {
        self.directory(directory)?.entries.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Makes a file of `content` named `name` in `directory`.
    ///
    /// # Errors
    /// `EEXIST`, `ENOTDIR`, `ENOENT` when the directory was removed, `EDQUOT` at the inode quota, `EMLINK`.
    pub fn create(&mut self, directory: Ino, name: &Name, content: Content, birth: Birth) -> Result<Ino, Errno> {
        self.can_add(directory, name)?;
        let is_directory = content.kind() == FileKind::Directory;
        if is_directory && self.inode(directory)?.links >= LINK_MAX {
            return Err(Errno::EMLINK);
        }
        let ino = self.create_unnamed(content, birth)?;
        if is_directory {
            self.change(ino, |inode| {
                inode.links = 2;
                inode.place = Some(Place::new(directory, name));
                if let Content::Directory(own) = &mut inode.content {
                    own.parent = directory;
                }
            });
        } else {
            self.change(ino, |inode| {
                inode.links = 1;
                inode.place = Some(Place::new(directory, name));
            });
        }
        self.add_name(directory, name, ino, birth.now, is_directory);
        Ok(ino)
    }

    /// Makes a file without a name (O_TMPFILE). The caller drops it by [`Tree::forget`] or names it.
    ///
    /// # Errors
    /// `EDQUOT` at the inode quota.
    pub fn create_unnamed(&mut self, content: Content, birth: Birth) -> Result<Ino, Errno> {
        if self.inodes.owned >= self.quota.inodes {
            return Err(Errno::EDQUOT);
        }
        let mut inode = new_inode(content, birth, Lsn::ZERO);
        if inode.charged() > self.free_bytes() {
            return Err(Errno::EDQUOT);
        }
        let ino = Ino(self.inodes.next);
        self.inodes.next += 1;
        inode.lsn = self.log.record(Change::Inode(ino));
        inode.links = 0;
        self.inodes.bytes += inode.charged();
        self.inodes.owned += 1;
        self.inodes.map.insert(ino, Arc::new(inode));
        Ok(ino)
    }

    /// Gives `ino` one more name.
    ///
    /// # Errors
    /// `EPERM` for a directory, `EEXIST`, `EMLINK`, `ENOENT`; `EDQUOT` at the inode quota.
    pub fn link(&mut self, ino: Ino, directory: Ino, name: &Name, now: Timestamp) -> Result<(), Errno> {
        self.can_add(directory, name)?;
        let inode = self.inode(ino)?;
        if inode.kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        if inode.links >= LINK_MAX {
            return Err(Errno::EMLINK);
        }
        if self.inodes.owned >= self.quota.inodes {
            return Err(Errno::EDQUOT);
        }
        self.change(ino, |inode| {
            inode.links += 1;
            inode.ctime = now;
            inode.place = Some(Place::new(directory, name));
        });
        self.add_name(directory, name, ino, now, false);
        Ok(())
    }

    /// Takes a name that is no directory's away and returns its inode. An inode without names stays until
    /// [`Tree::forget`].
    ///
    /// # Errors
    /// `ENOENT`; `EISDIR` for a directory (Linux's answer; POSIX says EPERM).
    pub fn unlink(&mut self, directory: Ino, name: &[u8], now: Timestamp) -> Result<Ino, Errno> {
        let ino = self.lookup(directory, name)?;
        if self.inode(ino)?.kind() == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        self.remove_name(directory, name, now, false);
        self.change(ino, |inode| {
            inode.links = inode.links.saturating_sub(1);
            inode.ctime = now;
        });
        Ok(ino)
    }

    /// Takes an empty directory away and returns its inode, which stays until [`Tree::forget`].
    ///
    /// # Errors
    /// `ENOTDIR`, `ENOTEMPTY`, `ENOENT`.
    pub fn rmdir(&mut self, directory: Ino, name: &[u8], now: Timestamp) -> Result<Ino, Errno> {
        let ino = self.lookup(directory, name)?;
        if !self.directory(ino)?.entries.is_empty() {
            return Err(Errno::ENOTEMPTY);
        }
        self.remove_name(directory, name, now, true);
        self.change(ino, |inode| {
            inode.links = 0;
            inode.ctime = now;
        });
        Ok(ino)
    }

    /// Moves a name, replacing what `to` names. Returns the inode that lost its name by it, if any.
    ///
    /// # Errors
    /// `EINVAL` for a directory into itself; `EISDIR`, `ENOTDIR`, `ENOTEMPTY` when what is replaced does not
    /// fit; `EEXIST` when `replace` is false; `EMLINK`.
    ///
    /// # Standard
    /// POSIX.1-2017 rename(): two names of one file are left as they are.
    pub fn rename(
        &mut self,
        from: (Ino, &[u8]),
        to: (Ino, &Name),
        replace: bool,
        now: Timestamp,
    ) -> Result<Option<Ino>, Errno> {
        let moved = self.lookup(from.0, from.1)?;
        let is_directory = self.inode(moved)?.kind() == FileKind::Directory;
        if is_directory && self.is_within(to.0, moved) {
            return Err(Errno::EINVAL);
        }
        let replaced = match self.lookup(to.0, to.1) {
            Ok(_) if !replace => return Err(Errno::EEXIST),
            Ok(same) if same == moved => return Ok(None),
            Ok(other) => Some(other),
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(errno),
        };
        match replaced {
            // As Linux: an ancestor of what is moved has at least that in it, whatever is moved.
            Some(other) if self.is_within(from.0, other) => return Err(Errno::ENOTEMPTY),
            Some(other) => self.check_replaceable(other, is_directory)?,
            None => self.can_add(to.0, to.1)?,
        }
        if is_directory && from.0 != to.0 && replaced.is_none() && self.inode(to.0)?.links >= LINK_MAX {
            return Err(Errno::EMLINK);
        }
        if let Some(other) = replaced {
            if is_directory {
                self.rmdir(to.0, to.1, now)?;
            } else {
                self.unlink(to.0, to.1, now)?;
            }
            debug_assert_ne!(other, moved, "a file replaced by itself was answered above");
        }
        self.remove_name(from.0, from.1, now, is_directory);
        self.add_name(to.0, to.1, moved, now, is_directory);
        self.change(moved, |inode| {
            inode.ctime = now;
            inode.place = Some(Place::new(to.0, to.1));
            if let Content::Directory(directory) = &mut inode.content {
                directory.parent = to.0;
            }
        });
        Ok(replaced)
    }

    /// Swaps what two names refer to (RENAME_EXCHANGE).
    ///
    /// # Errors
    /// `EINVAL` when one directory is inside the other; `ENOENT`.
    pub fn exchange(&mut self, one: (Ino, &Name), two: (Ino, &Name), now: Timestamp) -> Result<(), Errno> {
        let (first, second) = (self.lookup(one.0, one.1)?, self.lookup(two.0, two.1)?);
        let is_directory = |tree: &Tree, ino| tree.inode(ino).is_ok_and(|inode| inode.kind() == FileKind::Directory);
        let (first_dir, second_dir) = (is_directory(self, first), is_directory(self, second));
        if (first_dir && self.is_within(two.0, first)) || (second_dir && self.is_within(one.0, second)) {
            return Err(Errno::EINVAL);
        }
        self.remove_name(one.0, one.1, now, first_dir);
        self.remove_name(two.0, two.1, now, second_dir);
        self.add_name(one.0, one.1, second, now, second_dir);
        self.add_name(two.0, two.1, first, now, first_dir);
        for (ino, place) in [(first, two), (second, one)] {
            self.change(ino, |inode| {
                inode.ctime = now;
                inode.place = Some(Place::new(place.0, place.1));
                if let Content::Directory(directory) = &mut inode.content {
                    directory.parent = place.0;
                }
            });
        }
        Ok(())
    }

    /// Drops an inode that has no name and that nobody has open.
    pub fn forget(&mut self, ino: Ino) {
        if let Some(inode) = self.inodes.map.get(&ino)
            && inode.links == 0
        {
            self.inodes.bytes -= inode.charged();
            self.inodes.owned = self.inodes.owned.saturating_sub(inode.weight());
            self.inodes.map.remove(&ino);
            self.log.record(Change::Inode(ino));
        }
    }

    /// Writes at `offset` and returns how many bytes; fewer than given when the quota ends in between.
    ///
    /// # Errors
    /// `EDQUOT` when not one byte fits; `EFBIG` past [`FILE_SIZE_MAX`]; `Fetch` for unloaded bytes below.
    pub fn write(&mut self, ino: Ino, offset: u64, data: &[u8], now: Timestamp) -> Step<usize> {
        if offset.saturating_add(data.len() as u64) > FILE_SIZE_MAX {
            return Err(Errno::EFBIG.into());
        }
        // If the quota ends inside this write, what fits goes in, as on a disk that fills up.
        let count = self.file(ino)?.fitting(offset, data.len() as u64, self.free_bytes()) as usize;
        if count == 0 && !data.is_empty() {
            return Err(Errno::EDQUOT.into());
        }
        self.change_file(ino, Change::Data(ino, offset, count as u64), |bytes| bytes.write(offset, &data[..count]))?;
        self.touch_written(ino, now);
        Ok(count)
    }

    /// Sets a file's length.
    ///
    /// # Errors
    /// `EFBIG`, `EISDIR`, `EINVAL`; `Fetch` for a block that is cut in two and not loaded.
    pub fn set_len(&mut self, ino: Ino, len: u64, now: Timestamp) -> Step<()> {
        if len > FILE_SIZE_MAX {
            return Err(Errno::EFBIG.into());
        }
        let old = self.file(ino)?.len();
        let from = len.min(old);
        self.change_file(ino, Change::Data(ino, from, old.max(len) - from), |bytes| bytes.set_len(len))?;
        self.touch_written(ino, now);
        Ok(())
    }

    /// Makes a range read as zeros without changing the length.
    ///
    /// # Errors
    /// As [`Tree::write`]: a block of the base that is punched in part is the session's own from then on.
    pub fn punch(&mut self, ino: Ino, offset: u64, count: u64, now: Timestamp) -> Step<()> {
        let before = self.file(ino)?;
        let mut after = before.clone();
        after.punch(offset, count)?;
        if after.charged().saturating_sub(before.charged()) > self.free_bytes() {
            return Err(Errno::EDQUOT.into());
        }
        self.change_file(ino, Change::Data(ino, offset, count), |bytes| {
            *bytes = after;
            Ok(())
        })?;
        self.touch_written(ino, now);
        Ok(())
    }

    /// Changes attributes. The closure must not touch the content.
    pub fn set_attributes(&mut self, ino: Ino, set: impl FnOnce(&mut Inode)) {
        self.change(ino, set);
    }

    /// Changes extended attributes, within the quota.
    ///
    /// # Errors
    /// `EDQUOT`.
    pub fn set_xattrs(&mut self, ino: Ino, xattrs: Xattrs, now: Timestamp) -> Result<(), Errno> {
        let mut after = self.inode(ino)?.clone();
        let before = after.charged();
        after.xattrs = xattrs;
        if after.charged().saturating_sub(before) > self.free_bytes() {
            return Err(Errno::EDQUOT);
        }
        self.change(ino, |inode| {
            inode.xattrs = after.xattrs;
            inode.ctime = now;
        });
        Ok(())
    }

    /// Remembers a read, as relatime does, but only of files the session owns: a read must not copy a layer.
    pub fn touch_read(&mut self, ino: Ino, now: Timestamp) {
        const DAY: i64 = 86_400_000_000_000;
        if let Ok(inode) = self.inode(ino)
            && inode.lsn != Lsn::ZERO
            && (inode.atime <= inode.mtime || inode.atime <= inode.ctime || now.0 - inode.atime.0 > DAY)
        {
            self.change_as(Change::Accessed(ino), ino, |inode| inode.atime = now);
        }
    }

    /// Whether `ino` is `ancestor` or inside it.
    pub fn is_within(&self, ino: Ino, ancestor: Ino) -> bool {
        let mut at = ino;
        loop {
            if at == ancestor {
                return true;
            }
            match self.directory(at) {
                Ok(directory) if directory.parent != at => at = directory.parent,
                _ => return false,
            }
        }
    }

    fn can_add(&self, directory: Ino, name: &[u8]) -> Result<(), Errno> {
        let inode = self.inode(directory)?;
        let Content::Directory(entries) = &inode.content else { return Err(Errno::ENOTDIR) };
        if inode.links == 0 {
            return Err(Errno::ENOENT);
        }
        if entries.entries.contains_key(name) { Err(Errno::EEXIST) } else { Ok(()) }
    }

    fn check_replaceable(&self, other: Ino, by_directory: bool) -> Result<(), Errno> {
        match (&self.inode(other)?.content, by_directory) {
            (Content::Directory(directory), true) if directory.entries.is_empty() => Ok(()),
            (Content::Directory(_), true) => Err(Errno::ENOTEMPTY),
            (Content::Directory(_), false) => Err(Errno::EISDIR),
            (_, true) => Err(Errno::ENOTDIR),
            (_, false) => Ok(()),
        }
    }

    fn add_name(&mut self, directory: Ino, name: &Name, ino: Ino, now: Timestamp, is_directory: bool) {
        self.log.record(Change::Name(directory, name.clone()));
        self.change(directory, |inode| {
            inode.links += u32::from(is_directory);
            inode.mtime = now;
            inode.ctime = now;
            if let Content::Directory(own) = &mut inode.content {
                own.entries.insert(name.clone(), ino);
            }
        });
    }

    fn remove_name(&mut self, directory: Ino, name: &[u8], now: Timestamp, is_directory: bool) {
        self.log.record(Change::Name(directory, name.into()));
        self.change(directory, |inode| {
            inode.links -= u32::from(is_directory);
            inode.mtime = now;
            inode.ctime = now;
            if let Content::Directory(own) = &mut inode.content {
                own.entries.remove(name);
            }
        });
    }

    fn touch_written(&mut self, ino: Ino, now: Timestamp) {
        if let Some(inode) = self.inodes.map.get_mut(&ino) {
            let inode = Arc::make_mut(inode);
            inode.mtime = now;
            inode.ctime = now;
            // A write takes set-id bits away, as Linux does for everyone but root; nothing here runs by them.
            if inode.mode.has(Mode::SETUID | Mode::SETGID) {
                inode.mode =
                    inode.mode.without(if inode.mode.has(0o010) { Mode::SETUID | Mode::SETGID } else { Mode::SETUID });
            }
        }
    }

    /// Changes an inode that exists, keeps the books, and notes it in the log.
    fn change(&mut self, ino: Ino, set: impl FnOnce(&mut Inode)) {
        self.change_as(Change::Inode(ino), ino, set);
    }

    /// As [`Tree::change`], noted as `what`.
    fn change_as(&mut self, what: Change, ino: Ino, set: impl FnOnce(&mut Inode)) {
        let lsn = self.log.record(what);
        let Some(inode) = self.inodes.map.get_mut(&ino) else { return };
        let inode = Arc::make_mut(inode);
        let mut before = 0;
        if inode.lsn != Lsn::ZERO {
            before = inode.charged();
            self.inodes.owned -= inode.weight();
        }
        inode.lsn = lsn;
        set(inode);
        self.inodes.owned += inode.weight();
        self.inodes.bytes = self.inodes.bytes - before + inode.charged();
    }

    /// Changes a file's bytes, keeps the books, and notes it in the log unless it failed.
    fn change_file(&mut self, ino: Ino, what: Change, set: impl FnOnce(&mut FileBytes) -> Step<()>) -> Step<()> {
        let inode = self.inodes.map.get_mut(&ino).ok_or(Errno::ENOENT)?;
        let inode = Arc::make_mut(inode);
        let Content::File(bytes) = &mut inode.content else { return Err(Errno::EINVAL.into()) };
        let before = bytes.charged();
        let done = set(bytes);
        self.inodes.bytes = self.inodes.bytes - before + bytes.charged();
        done?;
        if inode.lsn == Lsn::ZERO {
            self.inodes.owned += inode.weight();
        }
        inode.lsn = self.log.record(what);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
