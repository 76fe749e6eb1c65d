//! Extended attributes: getxattr(), setxattr(), listxattr(), removexattr().
//!
//! `user.*` follows the file's permission bits; `security.*`, `trusted.*` and `system.*` are kept for root to write,
//! and mean nothing to the kernel.

use super::inode::Inode;
use super::{FileKind, Node};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::{Fd, Ino, MountId};
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::user::Access;
use crate::vfs::open::At;
use crate::wait::Step;
use std::sync::Arc;

/// Bytes of a name, at most (Linux's XATTR_NAME_MAX).
pub const XATTR_NAME_MAX: usize = 255;
/// Bytes of a value, at most (Linux's XATTR_SIZE_MAX).
pub const XATTR_SIZE_MAX: usize = 64 * 1024;
/// Bytes of all names of a file, at most (Linux's XATTR_LIST_MAX).
pub const XATTR_LIST_MAX: usize = 64 * 1024;

/// The file whose attributes are meant.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// At a path; `true` follows a symbolic link.
    Path(At, &'a [u8], bool),
    /// Open.
    Fd(Fd),
}

/// What setxattr() does with an attribute that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetXattr {
    /// Made or replaced.
    Either,
    /// `EEXIST` if it is there.
    Create,
    /// `ENODATA` if it is not.
    Replace,
}

impl Kernel {
    /// getxattr().
    ///
    /// # Errors
    /// `ENODATA` when it is not there; `EOPNOTSUPP` for a name without a known prefix, or on a driver.
    pub fn getxattr(&mut self, call: &mut Call, subject: Subject<'_>, name: &[u8]) -> Step<Arc<[u8]>> {
        let (mount, ino) = self.xattr_subject(call, subject, Domain::Read)?;
        check_name(name)?;
        self.check_xattr_access(call, mount, ino, name, Access::READ)?;
        Ok(self.xattr_inode(mount, ino)?.xattrs.get(name).cloned().ok_or(Errno::ENODATA)?)
    }

    /// listxattr(): the names in order.
    ///
    /// # Errors
    /// Those of a walk; `EOPNOTSUPP` on a driver.
    pub fn listxattr(&mut self, call: &mut Call, subject: Subject<'_>) -> Step<Vec<Arc<[u8]>>> {
        let (mount, ino) = self.xattr_subject(call, subject, Domain::Read)?;
        let root = self.process(call.pid)?.credentials.is_root();
        let visible = |name: &[u8]| root || !name.starts_with(b"trusted.");
        Ok(self
            .xattr_inode(mount, ino)?
            .xattrs
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| visible(name))
            .collect())
    }

    /// setxattr().
    ///
    /// # Errors
    /// `EEXIST`, `ENODATA` as `how` says; `E2BIG` and `ERANGE` for sizes; `EDQUOT`; `EPERM`.
    pub fn setxattr(
        &mut self,
        call: &mut Call,
        subject: Subject<'_>,
        name: &[u8],
        value: &[u8],
        how: SetXattr,
    ) -> Step<()> {
        let (mount, ino) = self.xattr_subject(call, subject, Domain::Write)?;
        check_name(name)?;
        if value.len() > XATTR_SIZE_MAX {
            return Err(Errno::E2BIG.into());
        }
        self.require_writable(&Node::Tree(mount, ino))?;
        self.check_xattr_access(call, mount, ino, name, Access::WRITE)?;
        let mut xattrs = self.xattr_inode(mount, ino)?.xattrs.clone();
        match (xattrs.contains_key(name), how) {
            (true, SetXattr::Create) => return Err(Errno::EEXIST.into()),
            (false, SetXattr::Replace) => return Err(Errno::ENODATA.into()),
            _ => {}
        }
        xattrs.insert(name.into(), value.into());
        if xattrs.iter().map(|(name, _)| name.len() + 1).sum::<usize>() > XATTR_LIST_MAX {
            return Err(Errno::ENOSPC.into());
        }
        let now = self.now();
        let done = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.set_xattrs(ino, xattrs, now);
        Ok(done.map_err(|errno| self.quota_reached(call.pid, "file_bytes", errno))?)
    }

    /// removexattr().
    ///
    /// # Errors
    /// `ENODATA` when it is not there; `EPERM`; `EROFS`.
    pub fn removexattr(&mut self, call: &mut Call, subject: Subject<'_>, name: &[u8]) -> Step<()> {
        let (mount, ino) = self.xattr_subject(call, subject, Domain::Write)?;
        check_name(name)?;
        self.require_writable(&Node::Tree(mount, ino))?;
        self.check_xattr_access(call, mount, ino, name, Access::WRITE)?;
        let mut xattrs = self.xattr_inode(mount, ino)?.xattrs.clone();
        xattrs.remove(name).ok_or(Errno::ENODATA)?;
        let now = self.now();
        Ok(self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.set_xattrs(ino, xattrs, now)?)
    }

    fn xattr_subject(&mut self, call: &mut Call, subject: Subject<'_>, domain: Domain) -> Step<(MountId, Ino)> {
        let node = match subject {
            Subject::Path(at, path, follow) => self.locate(call, at, path, follow, domain)?,
            Subject::Fd(fd) => {
                if domain == Domain::Write {
                    self.permit_change(call, fd)?;
                }
                self.node_of(call, fd)?
            }
        };
        match node {
            Node::Tree(mount, ino) => Ok((mount, ino)),
            Node::Open(_) | Node::Proc(..) | Node::Driver(..) => Err(Errno::EOPNOTSUPP.into()),
        }
    }

    fn xattr_inode(&self, mount: MountId, ino: Ino) -> Result<&Inode, Errno> {
        self.mounts.tree(mount).ok_or(Errno::EIO)?.inode(ino)
    }

    fn check_xattr_access(
        &self,
        call: &Call,
        mount: MountId,
        ino: Ino,
        name: &[u8],
        want: Access,
    ) -> Result<(), Errno> {
        let inode = self.xattr_inode(mount, ino)?;
        let credentials = &self.process(call.pid)?.credentials;
        if name.starts_with(b"user.") {
            if !matches!(inode.kind(), FileKind::Regular | FileKind::Directory) {
                return Err(if want.write { Errno::EPERM } else { Errno::ENODATA });
            }
            return credentials.check(inode.kind(), inode.mode, inode.uid, inode.gid, want);
        }
        if name.starts_with(b"trusted.") && !credentials.is_root() {
            return Err(if want.write { Errno::EPERM } else { Errno::ENODATA });
        }
        let owner_may = name.starts_with(b"system.posix_acl_") && credentials.euid == inode.uid;
        if want.write && !credentials.is_root() && !owner_may { Err(Errno::EPERM) } else { Ok(()) }
    }
}

fn check_name(name: &[u8]) -> Result<(), Errno> {
    if name.is_empty() || name.len() > XATTR_NAME_MAX {
        return Err(Errno::ERANGE);
    }
    let prefix = name.iter().position(|byte| *byte == b'.').map(|at| &name[..at]);
    match prefix {
        Some(b"user" | b"trusted" | b"security" | b"system") => Ok(()),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
