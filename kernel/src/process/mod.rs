//! Processes: who they are, what they hold, how they end.
//!
//! A process is made by [`spawn`], changes its image by [`exec`], ends by [`exit`] and is collected by [`wait`];
//! [`group`] has process groups, POSIX sessions and kill(), [`delivery`] what a signal then does. The kernel runs nothing: a runtime does, and tells the
//! kernel when the process ended.

pub mod account;
pub mod delivery;
pub mod exec;
pub mod exit;
pub mod group;
pub mod spawn;
pub mod wait;

use crate::fd::FdTable;
use crate::host::Monotonic;
use crate::id::{Pgid, Pid, Sid};
use crate::signal::{Doom, Signal, Signals};
use crate::timer::Alarm;
use crate::user::Credentials;
use crate::vfs::Node;
use account::Account;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Strings of an argument vector or an environment (`NAME=value`): bytes without NUL.
pub type Strings = Arc<[Arc<[u8]>]>;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// By exit(), with the low 8 bits of its argument.
    Exited(u8),
    /// By a signal.
    Signaled(Signal),
}

impl ExitStatus {
    /// As a shell shows it: 128 + n for a signal.
    pub const fn shell_code(self) -> u8 {
        match self {
            ExitStatus::Exited(code) => code,
            ExitStatus::Signaled(signal) => 128 + signal.number(),
        }
    }

    /// As waitpid() encodes it.
    pub const fn raw(self) -> u32 {
        match self {
            ExitStatus::Exited(code) => (code as u32) << 8,
            ExitStatus::Signaled(signal) => signal.number() as u32,
        }
    }
}

/// A resource of getrlimit(), Linux's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resource(u32);

impl Resource {
    /// Resources there are, RLIMIT_CPU (0) to RLIMIT_AS (9).
    pub const COUNT: usize = 10;
    /// CPU seconds.
    pub const CPU: Resource = Resource(0);
    /// Bytes of one file.
    pub const FSIZE: Resource = Resource(1);
    /// Descriptors.
    pub const NOFILE: Resource = Resource(7);
    /// Bytes of memory.
    pub const AS: Resource = Resource(9);

    /// The resource of this number.
    pub const fn new(number: u32) -> Option<Resource> {
        if (number as usize) < Resource::COUNT { Some(Resource(number)) } else { None }
    }

    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A soft limit and the hard one it may be raised to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceLimit {
    /// In force.
    pub soft: u64,
    /// Ceiling.
    pub hard: u64,
}

impl ResourceLimit {
    /// RLIM_INFINITY.
    pub const INFINITE: u64 = u64::MAX;

    /// The same soft and hard.
    pub const fn both(value: u64) -> ResourceLimit {
        ResourceLimit { soft: value, hard: value }
    }
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits in a call.
    Running,
    /// This signal stopped it: its calls do not go on, and its code only to the next safe point.
    Stopped(Signal),
    /// It ended and was not waited for.
    Zombie(ExitStatus),
}

/// What waitpid() can say of a child that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// This signal stopped it.
    Stopped(Signal),
    /// SIGCONT continued it.
    Continued,
}

/// One process.
#[derive(Debug)]
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its parent; init after that ended.
    pub parent: Pid,
    /// Its process group.
    pub group: Pgid,
    /// Its POSIX session.
    pub session: Sid,
    /// Who it is.
    pub credentials: Credentials,
    /// Permission bits new files do not get.
    pub umask: u32,
    /// Where relative paths begin.
    pub cwd: Node,
    /// The image's path, for /proc.
    pub executable: Arc<[u8]>,
    /// Arguments of the image it runs.
    pub arguments: Strings,
    /// The environment it was given.
    pub environment: Strings,
    /// Its descriptors.
    pub descriptors: FdTable,
    /// Its resource limits.
    pub limits: [ResourceLimit; Resource::COUNT],
    /// Its signals.
    pub signals: Signals,
    /// The mark its runtime sees.
    pub doom: Arc<Doom>,
    /// Whether it runs.
    pub state: State,
    /// A stop or continuation its parent has not yet collected by waitpid().
    pub(crate) news: Option<News>,
    /// The ITIMER_REAL timer.
    pub(crate) alarm: Option<Alarm>,
    /// When it began.
    pub started: Monotonic,
    /// CPU time its runtime has charged.
    pub cpu: Duration,
    /// Bytes of memory its runtime has charged.
    pub memory: u64,
    /// Bytes of arguments and environment, counted as the session's memory.
    pub(crate) pinned: u64,
    /// What /proc shows beside.
    pub account: Account,
    /// Someone outside the session waits for it: it stays a zombie of init until collected.
    pub awaited: bool,
    /// Its runtime makes calls side by side: one that waits holds up none of the others.
    pub(crate) side_by_side: bool,
}

impl Process {
    /// The limit of `resource`.
    pub fn limit(&self, resource: Resource) -> ResourceLimit {
        self.limits[resource.index()]
    }

    /// Changes the limit of `resource`.
    pub(crate) fn set_limit(&mut self, resource: Resource, limit: ResourceLimit) {
        self.limits[resource.index()] = limit;
    }

    /// Whether a signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, State::Stopped(_))
    }

    /// Whether it has ended.
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, State::Zombie(_))
    }

    /// The name /proc shows: the file name of the command, a script's own, up to 15 bytes.
    pub fn name(&self) -> &[u8] {
        let command = &self.account.image.command;
        let path = if command.is_empty() { &self.executable } else { command };
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        &path[start..path.len().min(start + 15)]
    }
}

/// Makes [`Strings`] of anything that gives byte strings.
pub fn strings<T: AsRef<[u8]>>(list: impl IntoIterator<Item = T>) -> Strings {
    list.into_iter().map(|item| Arc::from(item.as_ref())).collect()
}
