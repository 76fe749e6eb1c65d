//! Attributes: stat(), chmod(), chown(), utimensat(), ftruncate(), access(), statfs(), readlink(), chdir().

use super::driver::{Capacity, FsAnswer, FsRequest, SetAttributes};
use super::mount::Mounted;
use super::path::device_of;
use super::proc::ProcNode;
use super::{FileKind, Mode, Node, Stat};
use crate::errno::Errno;
use crate::extent::PAGE;
use crate::fetch::Call;
use crate::file::{OpenId, Opened};
use crate::host::Timestamp;
use crate::id::{Fd, Gid, Ino, Uid};
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::pty::End;
use crate::user::Access;
use crate::vfs::open::At;
use crate::wait::Step;
use std::sync::Arc;

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetTime {
    /// Stays (UTIME_OMIT).
    Omit,
    /// The present (UTIME_NOW).
    Now,
    /// This.
    To(Timestamp),
}

impl Kernel {
    /// stat() and lstat().
    ///
    /// # Errors
    /// POSIX fstatat()'s.
    pub fn stat(&mut self, call: &mut Call, at: At, path: &[u8], follow: bool) -> Step<Stat> {
        let node = self.locate(call, at, path, follow, Domain::Read)?;
        self.stat_node(call, &node)
    }

    /// fstat().
    ///
    /// # Errors
    /// `EBADF`.
    pub fn fstat(&self, call: &mut Call, fd: Fd) -> Step<Stat> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        self.stat_open(call, open)
    }

    pub(crate) fn stat_open(&self, call: &mut Call, open: OpenId) -> Step<Stat> {
        let file = self.files.get(open)?;
        match &file.what {
            Opened::File(mount, ino) => self.stat_node(call, &Node::Tree(*mount, *ino)),
            Opened::Directory(node, _) | Opened::Device(_, node) | Opened::Path(node) => self.stat_node(call, node),
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => {
                let fifo =
                    self.fifos.iter().find(|(_, pipe)| *pipe == id).map(|((mount, ino), _)| Node::Tree(*mount, *ino));
                if let Some(node) = fifo {
                    return self.stat_node(call, &node);
                }
                self.stat_nameless(call, Ino(id.0), FileKind::Fifo, Mode::new(0o600))
            }
            Opened::Terminal(id, end) => Ok(self.stat_terminal_end(*id, *end)?),
            Opened::Socket(id) => self.stat_nameless(call, Ino(id.0), FileKind::Socket, Mode::new(0o777)),
            // Linux's has no kind; one of these is nearest to that.
            Opened::Watch(id) => self.stat_nameless(call, Ino(id.0), FileKind::Regular, Mode::new(0o600)),
            Opened::Text(mount, proc, _) => self.stat_node(call, &Node::Proc(*mount, *proc)),
            Opened::Driver(mount, _, handle) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                match call.ask(&driver, FsRequest::StatOpen(handle.clone()))? {
                    FsAnswer::Stat(stat) => Ok(stat.stat(device_of(*mount))),
                    _ => Err(Errno::EIO.into()),
                }
            }
        }
    }

    /// What fstat() tells of what has no inode.
    fn stat_nameless(&self, call: &Call, ino: Ino, kind: FileKind, mode: Mode) -> Step<Stat> {
        let process = self.process(call.pid)?;
        let now = self.now();
        Ok(Stat {
            device: 0,
            ino,
            kind,
            mode,
            links: 1,
            uid: process.credentials.euid,
            gid: process.credentials.egid,
            rdev: 0,
            size: 0,
            sectors: 0,
            atime: now,
            mtime: now,
            ctime: now,
        })
    }

    /// access(), for the real or the effective user.
    ///
    /// # Errors
    /// `EACCES`, `EROFS`, those of a walk.
    pub fn access(&mut self, call: &mut Call, at: At, path: &[u8], want: Access, effective: bool) -> Step<()> {
        let node = self.locate(call, at, path, true, Domain::Read)?;
        let stat = self.stat_node(call, &node)?;
        let credentials = &self.process(call.pid)?.credentials;
        let real;
        let credentials = if effective {
            credentials
        } else {
            real = credentials.as_real();
            &real
        };
        credentials.check(stat.kind, stat.mode, stat.uid, stat.gid, want)?;
        if want.write { Ok(self.require_writable(&node)?) } else { Ok(()) }
    }

    /// readlink().
    ///
    /// # Errors
    /// `EINVAL` for what is no symbolic link; those of a walk.
    pub fn readlink(&mut self, call: &mut Call, at: At, path: &[u8]) -> Step<Arc<[u8]>> {
        let node = self.locate(call, at, path, false, Domain::Read)?;
        self.link_target(call, &node)
    }

    /// chmod().
    ///
    /// # Errors
    /// `EPERM` unless owner or root; `EROFS`; those of a walk.
    pub fn chmod(&mut self, call: &mut Call, at: At, path: &[u8], mode: Mode) -> Step<()> {
        let node = self.locate(call, at, path, true, Domain::Write)?;
        self.chmod_node(call, &node, mode)
    }

    /// fchmod().
    ///
    /// # Errors
    /// As [`Kernel::chmod`]; `EBADF`; `EINVAL` for a pipe.
    pub fn fchmod(&mut self, call: &mut Call, fd: Fd, mode: Mode) -> Step<()> {
        let node = self.node_of(call, fd)?;
        self.permit_change(call, fd)?;
        self.chmod_node(call, &node, mode)
    }

    fn chmod_node(&mut self, call: &mut Call, node: &Node, mode: Mode) -> Step<()> {
        let stat = self.check_owner(call, node)?;
        let credentials = &self.process(call.pid)?.credentials;
        // SETGID only for members of the group, as Linux.
        let mode =
            if credentials.is_root() || credentials.in_group(stat.gid) { mode } else { mode.without(Mode::SETGID) };
        self.set_attributes(call, node, SetAttributes { mode: Some(mode), ..SetAttributes::default() })
    }

    /// chown(); `None` stays.
    ///
    /// # Errors
    /// `EPERM`: only root gives files away; the owner may set a group it is in.
    pub fn chown(
        &mut self,
        call: &mut Call,
        at: At,
        path: &[u8],
        follow: bool,
        uid: Option<Uid>,
        gid: Option<Gid>,
    ) -> Step<()> {
        let node = self.locate(call, at, path, follow, Domain::Write)?;
        self.chown_node(call, &node, uid, gid)
    }

    /// fchown().
    ///
    /// # Errors
    /// As [`Kernel::chown`]; `EBADF`.
    pub fn fchown(&mut self, call: &mut Call, fd: Fd, uid: Option<Uid>, gid: Option<Gid>) -> Step<()> {
        let node = self.node_of(call, fd)?;
        self.permit_change(call, fd)?;
        self.chown_node(call, &node, uid, gid)
    }

    fn chown_node(&mut self, call: &mut Call, node: &Node, uid: Option<Uid>, gid: Option<Gid>) -> Step<()> {
        let stat = self.stat_node(call, node)?;
        self.require_writable(node)?;
        let credentials = &self.process(call.pid)?.credentials;
        if !credentials.is_root() {
            let owns = credentials.euid == stat.uid;
            let keeps_owner = uid.is_none_or(|uid| uid == stat.uid);
            let may_group = gid.is_none_or(|gid| gid == stat.gid || credentials.in_group(gid));
            if !(owns && keeps_owner && may_group) {
                return Err(Errno::EPERM.into());
            }
        }
        // Giving a file away takes its set-id bits, as Linux does for regular files.
        let mode = (stat.kind == FileKind::Regular && stat.mode.has(Mode::SETUID | Mode::SETGID))
            .then(|| stat.mode.without(Mode::SETUID | Mode::SETGID));
        self.set_attributes(call, node, SetAttributes { uid, gid, mode, ..SetAttributes::default() })
    }

    /// utimensat().
    ///
    /// # Errors
    /// `EPERM` for chosen times, `EACCES` for the present, unless owner, root, or (present only) writable.
    pub fn set_times(
        &mut self,
        call: &mut Call,
        at: At,
        path: &[u8],
        follow: bool,
        atime: SetTime,
        mtime: SetTime,
    ) -> Step<()> {
        let node = self.locate(call, at, path, follow, Domain::Write)?;
        self.set_times_node(call, &node, atime, mtime)
    }

    /// futimens().
    ///
    /// # Errors
    /// As [`Kernel::set_times`]; `EBADF`.
    pub fn set_times_open(&mut self, call: &mut Call, fd: Fd, atime: SetTime, mtime: SetTime) -> Step<()> {
        let node = self.node_of(call, fd)?;
        self.permit_change(call, fd)?;
        self.set_times_node(call, &node, atime, mtime)
    }

    fn set_times_node(&mut self, call: &mut Call, node: &Node, atime: SetTime, mtime: SetTime) -> Step<()> {
        if atime == SetTime::Omit && mtime == SetTime::Omit {
            return Ok(());
        }
        let stat = self.stat_node(call, node)?;
        self.require_writable(node)?;
        let credentials = &self.process(call.pid)?.credentials;
        if !credentials.is_root() && credentials.euid != stat.uid {
            if atime != SetTime::Now || mtime != SetTime::Now {
                return Err(Errno::EPERM.into());
            }
            credentials.check(stat.kind, stat.mode, stat.uid, stat.gid, Access::WRITE)?;
        }
        let now = self.now();
        let time = |set| match set {
            SetTime::Omit => None,
            SetTime::Now => Some(now),
            SetTime::To(time) => Some(time),
        };
        self.set_attributes(
            call,
            node,
            SetAttributes { atime: time(atime), mtime: time(mtime), ..SetAttributes::default() },
        )
    }

    /// ftruncate().
    ///
    /// # Errors
    /// `EBADF` unless open for writing; `EINVAL` for what has no length; `EFBIG`.
    pub fn set_len(&mut self, call: &mut Call, fd: Fd, len: u64) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get(open)?;
        if !file.write {
            return Err(Errno::EINVAL.into());
        }
        match &file.what {
            Opened::File(mount, ino) => {
                let (mount, ino) = (*mount, *ino);
                self.check_size(call.pid, len)?;
                let now = self.now();
                self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.set_len(ino, len, now)
            }
            Opened::Driver(mount, path, handle) => {
                let (mount, path, handle) = (*mount, path.clone(), handle.clone());
                self.require_writable(&Node::Driver(mount, path))?;
                self.check_size(call.pid, len)?;
                self.ask_done(call, mount, FsRequest::SetLen(handle, len))
            }
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// chdir().
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`, those of a walk.
    pub fn chdir(&mut self, call: &mut Call, at: At, path: &[u8]) -> Step<()> {
        let node = self.locate(call, at, path, true, Domain::Read)?;
        self.enter_directory(call, node)
    }

    /// fchdir().
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`, `EACCES`.
    pub fn fchdir(&mut self, call: &mut Call, fd: Fd) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match &self.files.get(open)?.what {
            Opened::Directory(node, _) | Opened::Path(node) => {
                let node = node.clone();
                self.enter_directory(call, node)
            }
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    fn enter_directory(&mut self, call: &mut Call, node: Node) -> Step<()> {
        self.require_directory(call, &node)?;
        self.check_access(call, &node, Access::EXECUTE)?;
        Ok(self.move_to(call, node)?)
    }

    fn move_to(&mut self, call: &Call, node: Node) -> Result<(), Errno> {
        self.hold_node(&node);
        let old = std::mem::replace(&mut self.process_mut(call.pid)?.cwd, node);
        self.release_node(&old);
        Ok(())
    }

    /// statfs(): what the file system at `path` can hold. A session's own trees answer with its quota.
    ///
    /// # Errors
    /// Those of a walk.
    pub fn statfs(&mut self, call: &mut Call, at: At, path: &[u8]) -> Step<Capacity> {
        let node = self.locate(call, at, path, true, Domain::Read)?;
        let mount = node.mount().and_then(|id| self.mounts.get(id)).ok_or(Errno::EINVAL)?;
        match &mount.what {
            Mounted::Tree(tree) => {
                let (quota, used) = (tree.quota(), tree.used());
                Ok(Capacity {
                    bytes: quota.bytes / PAGE * PAGE,
                    bytes_free: quota.bytes.saturating_sub(used.bytes) / PAGE * PAGE,
                    inodes: quota.inodes,
                    inodes_free: quota.inodes.saturating_sub(used.inodes),
                })
            }
            Mounted::Proc | Mounted::Terminals => Ok(Capacity { bytes: 0, bytes_free: 0, inodes: 0, inodes_free: 0 }),
            Mounted::Driver(driver) => match call.ask(&driver.clone(), FsRequest::Capacity)? {
                FsAnswer::Capacity(capacity) => Ok(capacity),
                _ => Err(Errno::EIO.into()),
            },
        }
    }

    /// The node a descriptor is open on.
    pub(crate) fn node_of(&self, call: &Call, fd: Fd) -> Result<Node, Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match &self.files.get(open)?.what {
            Opened::File(mount, ino) => Ok(Node::Tree(*mount, *ino)),
            Opened::Directory(node, _) | Opened::Device(_, node) => Ok(node.clone()),
            Opened::Text(mount, proc, _) => Ok(Node::Proc(*mount, *proc)),
            // By its handle: it may have another name by now, and another file its old one.
            Opened::Driver(..) | Opened::Terminal(..) => Ok(Node::Open(open)),
            Opened::Path(_) => Err(Errno::EBADF),
            Opened::Socket(_) | Opened::Watch(_) => Err(Errno::EINVAL),
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => {
                let fifo =
                    self.fifos.iter().find(|(_, pipe)| *pipe == id).map(|((mount, ino), _)| Node::Tree(*mount, *ino));
                fifo.ok_or(Errno::EINVAL)
            }
        }
    }

    fn check_owner(&self, call: &mut Call, node: &Node) -> Step<Stat> {
        let stat = self.stat_node(call, node)?;
        self.require_writable(node)?;
        let credentials = &self.process(call.pid)?.credentials;
        if credentials.is_root() || credentials.euid == stat.uid { Ok(stat) } else { Err(Errno::EPERM.into()) }
    }

    fn set_attributes(&mut self, call: &mut Call, node: &Node, set: SetAttributes) -> Step<()> {
        match node {
            Node::Tree(mount, ino) => {
                let now = self.now();
                let tree = self.mounts.tree_mut(*mount).ok_or(Errno::EIO)?;
                tree.inode(*ino)?;
                tree.set_attributes(*ino, |inode| {
                    inode.mode = set.mode.unwrap_or(inode.mode);
                    inode.uid = set.uid.unwrap_or(inode.uid);
                    inode.gid = set.gid.unwrap_or(inode.gid);
                    inode.atime = set.atime.unwrap_or(inode.atime);
                    inode.mtime = set.mtime.unwrap_or(inode.mtime);
                    inode.ctime = now;
                });
                Ok(())
            }
            Node::Driver(mount, path) => self.ask_done(call, *mount, FsRequest::SetAttributes(path.clone(), set)),
            Node::Open(open) => match &self.files.get(*open)?.what {
                Opened::Driver(mount, path, handle) => {
                    let (mount, handle) = (*mount, handle.clone());
                    self.require_writable(&Node::Driver(mount, path.clone()))?;
                    self.ask_done(call, mount, FsRequest::SetAttributesOpen(handle, set))
                }
                Opened::Terminal(id, End::Slave) => {
                    let id = *id;
                    Ok(self.set_terminal_attributes(id, &set)?)
                }
                _ => Err(Errno::EPERM.into()),
            },
            Node::Proc(_, ProcNode::Terminal(id)) => Ok(self.set_terminal_attributes(*id, &set)?),
            Node::Proc(..) => Err(Errno::EPERM.into()),
        }
    }
}
