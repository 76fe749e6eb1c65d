//! The numbers of the kernel, each a type of its own: no bare integer in a signature, no arithmetic outside.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($repr:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )*};
}

ids! {
    /// A process of one session. 1 is the session's init, which has no image and adopts orphans.
    Pid(u32);
    /// A process group: the pid of its leader.
    Pgid(u32);
    /// A POSIX session (setsid), not a Warren session: the pid of its leader.
    Sid(u32);
    /// A file descriptor of one process.
    Fd(u32);
    /// A user id.
    Uid(u32);
    /// A group id.
    Gid(u32);
    /// An inode number, given once in a filesystem's life and never reused. 0 is none.
    Ino(u64);
    /// Log sequence number of a session's mutations; 0 is before the first.
    Lsn(u64);
    /// A mount of the session. 0 is the root filesystem.
    MountId(u32);
}

impl Pid {
    /// The session's init: the ancestor of every process, and the parent of orphans.
    pub const INIT: Pid = Pid(1);

    /// The group this process would lead.
    pub const fn as_group(self) -> Pgid {
        Pgid(self.0)
    }

    /// The POSIX session this process would lead.
    pub const fn as_session(self) -> Sid {
        Sid(self.0)
    }
}

impl Fd {
    /// Standard input.
    pub const STDIN: Fd = Fd(0);
    /// Standard output.
    pub const STDOUT: Fd = Fd(1);
    /// Standard error.
    pub const STDERR: Fd = Fd(2);
}

impl Uid {
    /// The superuser of the session; it has no power outside it.
    pub const ROOT: Uid = Uid(0);
}

impl Gid {
    /// The superuser's group.
    pub const ROOT: Gid = Gid(0);
}

impl Lsn {
    /// Before the first mutation.
    pub const ZERO: Lsn = Lsn(0);

    /// The number after this one. A session cannot make 2^64 mutations.
    #[must_use]
    pub const fn next(self) -> Lsn {
        Lsn(self.0 + 1)
    }
}

impl MountId {
    /// The root filesystem.
    pub const ROOT: MountId = MountId(0);
}

impl Default for Lsn {
    fn default() -> Lsn {
        Lsn::ZERO
    }
}
