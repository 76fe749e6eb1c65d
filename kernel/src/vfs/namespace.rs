//! Calls that make, move and remove names.

use super::driver::{FsAnswer, FsRequest};
use super::inode::{Content, Directory};
use super::path::{Found, driver_join};
use super::{FileKind, Mode, Name, Node, PATH_MAX};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::Opened;
use crate::id::{Fd, Ino, MountId};
use crate::kernel::Kernel;
use crate::pmap::PMap;
use crate::policy::Domain;
use crate::user::Access;
use crate::vfs::open::At;
use crate::wait::{Halt, Step};

/// What rename() does when the new name is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Replaces it.
    Yes,
    /// Fails (RENAME_NOREPLACE).
    No,
    /// Swaps the two (RENAME_EXCHANGE).
    Exchange,
}

impl Kernel {
    /// mkdir().
    ///
    /// # Errors
    /// POSIX mkdir()'s.
    pub fn mkdir(&mut self, call: &mut Call, at: At, path: &[u8], mode: Mode) -> Step<()> {
        let found = self.walk_name(call, at, path)?;
        let (directory, name) = self.place_for_new(call, &found)?;
        let mode = Mode::new(mode.bits() & (0o777 | Mode::STICKY));
        match directory {
            Node::Tree(mount, parent) => {
                let content = Content::Directory(Directory { entries: PMap::new(), parent });
                self.create_in(call.pid, mount, parent, &name, content, mode)?;
                Ok(())
            }
            Node::Driver(mount, path) => {
                let mode = mode.without(self.process(call.pid)?.umask);
                self.ask_done(call, mount, FsRequest::MakeDirectory(driver_join(&path, &name), mode))
            }
            Node::Proc(..) | Node::Open(_) => Err(Errno::EACCES.into()),
        }
    }

    /// symlink().
    ///
    /// # Errors
    /// POSIX symlink()'s.
    pub fn symlink(&mut self, call: &mut Call, target: &[u8], at: At, path: &[u8]) -> Step<()> {
        if target.is_empty() {
            return Err(Errno::ENOENT.into());
        }
        if target.len() > PATH_MAX {
            return Err(Errno::ENAMETOOLONG.into());
        }
        if target.contains(&0) {
            return Err(Errno::EINVAL.into());
        }
        let found = self.walk_name(call, at, path)?;
        let (directory, name) = self.place_for_file(call, &found)?;
        match directory {
            Node::Tree(mount, parent) => {
                let umask = std::mem::take(&mut self.process_mut(call.pid)?.umask);
                let made =
                    self.create_in(call.pid, mount, parent, &name, Content::Symlink(target.into()), Mode::new(0o777));
                self.process_mut(call.pid)?.umask = umask;
                made?;
                Ok(())
            }
            Node::Driver(mount, path) => {
                self.ask_done(call, mount, FsRequest::MakeSymlink(driver_join(&path, &name), target.into()))
            }
            Node::Proc(..) | Node::Open(_) => Err(Errno::EACCES.into()),
        }
    }

    /// mknod(): FIFOs and plain files for everyone; devices the kernel knows for root.
    ///
    /// # Errors
    /// POSIX mknod()'s; `EPERM` for a device unless root; `ENXIO` for one that is not there.
    pub fn mknod(&mut self, call: &mut Call, at: At, path: &[u8], kind: FileKind, mode: Mode, rdev: u64) -> Step<()> {
        let found = self.walk_name(call, at, path)?;
        let (directory, name) = self.place_for_file(call, &found)?;
        let content = match kind {
            FileKind::Fifo => Content::Fifo,
            FileKind::Regular => Content::File(Default::default()),
            FileKind::Socket => Content::Socket,
            FileKind::Character | FileKind::Block if !self.process(call.pid)?.credentials.is_root() => {
                return Err(Errno::EPERM.into());
            }
            FileKind::Character => Content::Character(rdev),
            FileKind::Block => Content::Block(rdev),
            FileKind::Directory | FileKind::Symlink => return Err(Errno::EINVAL.into()),
        };
        match directory {
            Node::Tree(mount, parent) => {
                self.create_in(call.pid, mount, parent, &name, content, mode)?;
                Ok(())
            }
            Node::Driver(..) => Err(Errno::EPERM.into()),
            Node::Proc(..) | Node::Open(_) => Err(Errno::EACCES.into()),
        }
    }

    /// link(): `follow` follows a symbolic link at the old name. The policy must allow writing the old name too:
    /// what may not be written must not be writable by another name.
    ///
    /// # Errors
    /// POSIX link()'s; `EXDEV` between mounts.
    pub fn link(&mut self, call: &mut Call, old_at: At, old: &[u8], follow: bool, new_at: At, new: &[u8]) -> Step<()> {
        let found = self.walk(call, old_at, old, follow)?;
        self.permit_found(call, Domain::Read, &found)?;
        self.permit_found(call, Domain::Write, &found)?;
        let node = found.existing()?;
        self.link_node(call, &node, new_at, new)
    }

    /// Gives an open file a name, even one that has none yet (linkat() with an O_TMPFILE descriptor).
    ///
    /// # Errors
    /// As [`Kernel::link`]; `EXDEV` unless it is a file of a tree.
    pub fn link_open(&mut self, call: &mut Call, fd: Fd, new_at: At, new: &[u8]) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let Opened::File(mount, ino) = self.files.get(open)?.what else { return Err(Errno::EXDEV.into()) };
        self.permit_change(call, fd)?;
        self.link_node(call, &Node::Tree(mount, ino), new_at, new)
    }

    fn link_node(&mut self, call: &mut Call, node: &Node, new_at: At, new: &[u8]) -> Step<()> {
        let found = self.walk_name(call, new_at, new)?;
        let (directory, name) = self.place_for_file(call, &found)?;
        match (node, directory) {
            (Node::Tree(mount, ino), Node::Tree(to, parent)) if *mount == to => {
                let now = self.now();
                let linked = self.mounts.tree_mut(to).ok_or(Errno::EIO)?.link(*ino, parent, &name, now);
                Ok(linked.map_err(|errno| self.quota_reached(call.pid, "inodes", errno))?)
            }
            (Node::Driver(mount, from), Node::Driver(to, path)) if *mount == to => {
                self.ask_done(call, to, FsRequest::Link(from.clone(), driver_join(&path, &name)))
            }
            _ => Err(Errno::EXDEV.into()),
        }
    }

    /// unlink().
    ///
    /// # Errors
    /// POSIX unlink()'s; `EISDIR` for a directory, as on Linux.
    pub fn unlink(&mut self, call: &mut Call, at: At, path: &[u8]) -> Step<()> {
        let found = self.walk_name(call, at, path)?;
        self.permit_found(call, Domain::Write, &found)?;
        let Some((directory, name)) = found.parent.clone() else { return Err(Errno::EISDIR.into()) };
        let node = found.node.clone().ok_or(Errno::ENOENT)?;
        if self.mounts.is_mount_point(&node) {
            return Err(Errno::EBUSY.into());
        }
        if found.must_be_directory && self.stat_node(call, &node)?.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        self.check_removable(call, &directory, &node)?;
        match directory {
            Node::Tree(mount, parent) => {
                let now = self.now();
                let ino = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.unlink(parent, &name, now)?;
                self.drop_unlinked(mount, ino);
                Ok(())
            }
            Node::Driver(mount, path) => self.ask_done(call, mount, FsRequest::Unlink(driver_join(&path, &name))),
            Node::Proc(..) | Node::Open(_) => Err(Errno::EPERM.into()),
        }
    }

    /// rmdir().
    ///
    /// # Errors
    /// POSIX rmdir()'s: `EINVAL` for `.`, `ENOTEMPTY` for `..` and what is not empty, `EBUSY` for a mount.
    pub fn rmdir(&mut self, call: &mut Call, at: At, path: &[u8]) -> Step<()> {
        match path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()) {
            Some(b".") => return Err(Errno::EINVAL.into()),
            Some(b"..") => return Err(Errno::ENOTEMPTY.into()),
            _ => {}
        }
        let found = self.walk_name(call, at, path)?;
        self.permit_found(call, Domain::Write, &found)?;
        let (directory, name) = found.place()?.clone();
        let node = found.existing()?;
        if self.mounts.is_mount_point(&node) {
            return Err(Errno::EBUSY.into());
        }
        self.check_removable(call, &directory, &node)?;
        match directory {
            Node::Tree(mount, parent) => {
                let now = self.now();
                let ino = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.rmdir(parent, &name, now)?;
                self.drop_unlinked(mount, ino);
                Ok(())
            }
            Node::Driver(mount, path) => {
                self.ask_done(call, mount, FsRequest::RemoveDirectory(driver_join(&path, &name)))
            }
            Node::Proc(..) | Node::Open(_) => Err(Errno::EPERM.into()),
        }
    }

    /// rename().
    ///
    /// # Errors
    /// POSIX rename()'s: `EXDEV` between mounts, `EINVAL` for a directory into itself, `EISDIR`, `ENOTDIR`,
    /// `ENOTEMPTY`, `EBUSY` for a mount, `.` and `..`.
    pub fn rename(
        &mut self,
        call: &mut Call,
        old_at: At,
        old: &[u8],
        new_at: At,
        new: &[u8],
        replace: Replace,
    ) -> Step<()> {
        // As Linux: both directories are found before anything is said of what is in them.
        let from = self.walk_name(call, old_at, old)?;
        self.permit_found(call, Domain::Write, &from)?;
        let to = self.walk_name(call, new_at, new)?;
        self.permit_found(call, Domain::Write, &to)?;
        let (from_directory, from_name) = from.place()?.clone();
        let (to_directory, to_name) = to.place()?.clone();
        let must_be_directory = from.must_be_directory;
        let moved = from.existing()?;
        let is_directory = self.stat_node(call, &moved)?.kind == FileKind::Directory;
        if (must_be_directory || to.must_be_directory) && !is_directory {
            return Err(Errno::ENOTDIR.into());
        }
        if self.mounts.is_mount_point(&moved) || to.node.as_ref().is_some_and(|node| self.mounts.is_mount_point(node)) {
            return Err(Errno::EBUSY.into());
        }
        if from_directory.mount() != to_directory.mount() {
            return Err(Errno::EXDEV.into());
        }
        self.check_removable(call, &from_directory, &moved)?;
        match &to.node {
            Some(node) => self.check_removable(call, &to_directory, node)?,
            None => self.check_changeable(call, &to_directory)?,
        }
        if is_directory && from_directory != to_directory {
            // Its `..` changes: Linux asks for write permission on the directory itself.
            self.check_access(call, &moved, Access::WRITE)?;
        }
        if let (Replace::Exchange, Some(other)) = (replace, &to.node)
            && from_directory != to_directory
            && self.stat_node(call, other)?.kind == FileKind::Directory
        {
            self.check_access(call, other, Access::WRITE)?;
        }
        match (from_directory, to_directory) {
            (Node::Tree(mount, from), Node::Tree(_, to)) => {
                self.rename_in(mount, (from, &from_name), (to, &to_name), replace)
            }
            (Node::Driver(mount, from), Node::Driver(_, to)) => {
                if replace == Replace::Exchange {
                    return Err(Errno::EINVAL.into());
                }
                let request = FsRequest::Rename(
                    driver_join(&from, &from_name),
                    driver_join(&to, &to_name),
                    replace == Replace::Yes,
                );
                self.ask_done(call, mount, request)
            }
            _ => Err(Errno::EPERM.into()),
        }
    }

    fn rename_in(&mut self, mount: MountId, from: (Ino, &Name), to: (Ino, &Name), replace: Replace) -> Step<()> {
        let now = self.now();
        let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
        if replace == Replace::Exchange {
            return Ok(tree.exchange(from, to, now)?);
        }
        let replaced = tree.rename((from.0, &**from.1), to, replace == Replace::Yes, now)?;
        if let Some(ino) = replaced {
            self.drop_unlinked(mount, ino);
        }
        Ok(())
    }

    /// The directory and name for something new: nothing is there, and the caller may add to the directory.
    fn place_for_new(&mut self, call: &mut Call, found: &Found) -> Step<(Node, Name)> {
        if found.node.is_some() {
            return Err(Errno::EEXIST.into());
        }
        self.permit_found(call, Domain::Write, found)?;
        let (directory, name) = found.place()?.clone();
        self.check_changeable(call, &directory)?;
        Ok((directory, name))
    }

    /// As [`Kernel::place_for_new`], for what is no directory: a `/` at the end names nothing then.
    pub(crate) fn place_for_file(&mut self, call: &mut Call, found: &Found) -> Step<(Node, Name)> {
        if found.must_be_directory && found.node.is_none() {
            return Err(Errno::ENOENT.into());
        }
        self.place_for_new(call, found)
    }

    fn check_changeable(&mut self, call: &mut Call, directory: &Node) -> Step<()> {
        self.check_access(call, directory, Access::CHANGE_NAMES)?;
        Ok(self.require_writable(directory)?)
    }

    /// The caller may remove `node`'s name from `directory`, its sticky bit included.
    fn check_removable(&mut self, call: &mut Call, directory: &Node, node: &Node) -> Step<()> {
        self.check_changeable(call, directory)?;
        let parent = self.stat_node(call, directory)?;
        if !parent.mode.has(Mode::STICKY) {
            return Ok(());
        }
        let owner = self.stat_node(call, node)?.uid;
        let credentials = &self.process(call.pid)?.credentials;
        let allowed = credentials.is_root() || credentials.euid == owner || credentials.euid == parent.uid;
        if allowed { Ok(()) } else { Err(Halt::Fail(Errno::EPERM)) }
    }

    fn drop_unlinked(&mut self, mount: MountId, ino: Ino) {
        self.drop_if_unused(mount, ino);
    }

    /// A driver's request whose answer is only whether it was done.
    pub(crate) fn ask_done(&self, call: &mut Call, mount: MountId, request: FsRequest) -> Step<()> {
        let driver = self.mounts.driver(mount).ok_or(Errno::EIO)?;
        match call.ask(&driver, request)? {
            FsAnswer::Done => Ok(()),
            _ => Err(Errno::EIO.into()),
        }
    }
}
