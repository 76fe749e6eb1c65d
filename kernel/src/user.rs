//! Users of a session: who a process is, and what a file's bits let it do.
//!
//! Accounts are those of the session's own /etc/passwd and /etc/group; root has its powers inside the session and
//! none outside.

use crate::errno::Errno;
use crate::id::{Gid, Uid};
use crate::vfs::{FileKind, Mode};
use serde::{Deserialize, Serialize};

/// Supplementary groups of one process, at most (the ABI's limit).
pub const GROUPS_MAX: usize = 64;

/// Who a process is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Real, effective and saved user.
    pub uid: Uid,
    /// The user that permissions are checked for.
    pub euid: Uid,
    /// The user seteuid() may return to.
    pub suid: Uid,
    /// Real group.
    pub gid: Gid,
    /// The group that permissions are checked for.
    pub egid: Gid,
    /// The group setegid() may return to.
    pub sgid: Gid,
    /// Supplementary groups.
    pub groups: Vec<Gid>,
}

/// What a call wants to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Access {
    /// Read bytes, or list names.
    pub read: bool,
    /// Write bytes, or change names.
    pub write: bool,
    /// Execute, or pass through.
    pub execute: bool,
}

impl Access {
    /// Read.
    pub const READ: Access = Access { read: true, write: false, execute: false };
    /// Write.
    pub const WRITE: Access = Access { read: false, write: true, execute: false };
    /// Execute, or search a directory.
    pub const EXECUTE: Access = Access { read: false, write: false, execute: true };
    /// Change a directory's names.
    pub const CHANGE_NAMES: Access = Access { read: false, write: true, execute: true };

    const fn bits(self) -> u32 {
        (self.read as u32) << 2 | (self.write as u32) << 1 | self.execute as u32
    }
}

impl Credentials {
    /// A process of this user and group, without supplementary groups.
    pub fn new(uid: Uid, gid: Gid) -> Credentials {
        Credentials { uid, euid: uid, suid: uid, gid, egid: gid, sgid: gid, groups: Vec::new() }
    }

    /// Whether it has root's powers.
    pub fn is_root(&self) -> bool {
        self.euid == Uid::ROOT
    }

    /// Whether it is in this group.
    pub fn in_group(&self, gid: Gid) -> bool {
        self.egid == gid || self.groups.contains(&gid)
    }

    /// Whether a file with these attributes may be used so.
    ///
    /// # Errors
    /// `EACCES`.
    ///
    /// # Standard
    /// POSIX.1-2017 4.5 File Access Permissions. Root may all, but execute only what someone may.
    pub fn check(&self, kind: FileKind, mode: Mode, uid: Uid, gid: Gid, want: Access) -> Result<(), Errno> {
        if self.is_root() {
            let nobody_executes = kind != FileKind::Directory && !mode.has(0o111);
            return if want.execute && nobody_executes { Err(Errno::EACCES) } else { Ok(()) };
        }
        let shift = if self.euid == uid {
            6
        } else if self.in_group(gid) {
            3
        } else {
            0
        };
        let granted = mode.bits() >> shift & 0o7;
        if want.bits() & !granted == 0 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// As [`Credentials::check`] for the real user and group, as access() asks.
    pub fn as_real(&self) -> Credentials {
        Credentials { euid: self.uid, egid: self.gid, ..self.clone() }
    }

    /// setuid(): root sets all three, others choose the real or saved one as effective.
    ///
    /// # Errors
    /// `EPERM`.
    pub fn set_uid(&mut self, uid: Uid) -> Result<(), Errno> {
        if self.is_root() {
            (self.uid, self.euid, self.suid) = (uid, uid, uid);
            return Ok(());
        }
        self.set_res_uid(None, Some(uid), None)
    }

    /// setresuid(): each `None` stays.
    ///
    /// # Errors
    /// `EPERM` unless root, or each new id is one of the three present ones.
    pub fn set_res_uid(&mut self, real: Option<Uid>, effective: Option<Uid>, saved: Option<Uid>) -> Result<(), Errno> {
        let have = [self.uid, self.euid, self.suid];
        let allowed = self.is_root() || [real, effective, saved].into_iter().flatten().all(|uid| have.contains(&uid));
        if !allowed {
            return Err(Errno::EPERM);
        }
        self.uid = real.unwrap_or(self.uid);
        self.euid = effective.unwrap_or(self.euid);
        self.suid = saved.unwrap_or(self.suid);
        Ok(())
    }

    /// setgid(): as [`Credentials::set_uid`].
    ///
    /// # Errors
    /// `EPERM`.
    pub fn set_gid(&mut self, gid: Gid) -> Result<(), Errno> {
        if self.is_root() {
            (self.gid, self.egid, self.sgid) = (gid, gid, gid);
            return Ok(());
        }
        self.set_res_gid(None, Some(gid), None)
    }

    /// setresgid(): as [`Credentials::set_res_uid`].
    ///
    /// # Errors
    /// `EPERM`.
    pub fn set_res_gid(&mut self, real: Option<Gid>, effective: Option<Gid>, saved: Option<Gid>) -> Result<(), Errno> {
        let have = [self.gid, self.egid, self.sgid];
        let allowed = self.is_root() || [real, effective, saved].into_iter().flatten().all(|gid| have.contains(&gid));
        if !allowed {
            return Err(Errno::EPERM);
        }
        self.gid = real.unwrap_or(self.gid);
        self.egid = effective.unwrap_or(self.egid);
        self.sgid = saved.unwrap_or(self.sgid);
        Ok(())
    }

    /// setgroups().
    ///
    /// # Errors
    /// `EPERM` unless root; `EINVAL` above [`GROUPS_MAX`].
    pub fn set_groups(&mut self, groups: Vec<Gid>) -> Result<(), Errno> {
        if !self.is_root() {
            return Err(Errno::EPERM);
        }
        if groups.len() > GROUPS_MAX {
            return Err(Errno::EINVAL);
        }
        self.groups = groups;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
