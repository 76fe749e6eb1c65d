//! Process groups, POSIX sessions, kill(), limits, umask. What a signal does is in [`super::delivery`].

use super::{Process, Resource, ResourceLimit};
use crate::errno::Errno;
use crate::fd::DESCRIPTORS_MAX;
use crate::fetch::Call;
use crate::id::{Pgid, Pid, Sid};
use crate::kernel::Kernel;
use crate::signal::Signal;

/// Whom kill() is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One process.
    Process(Pid),
    /// A process group.
    Group(Pgid),
    /// The caller's own group.
    OwnGroup,
    /// Every process the caller may signal, but init and itself.
    Everyone,
}

impl Kernel {
    /// Sends a signal; `None` only asks whether it could be sent.
    ///
    /// # Errors
    /// `ESRCH` when there is nobody; `EPERM` when all there are belong to others.
    ///
    /// # Standard
    /// POSIX.1-2017 kill(). SIGCONT may go to every process of the sender's POSIX session. Init takes no signal from
    /// inside the session.
    pub fn kill(&mut self, call: &Call, target: Target, signal: Option<Signal>) -> Result<(), Errno> {
        let sender = self.process(call.pid)?;
        let (credentials, own_group, own_session) = (sender.credentials.clone(), sender.group, sender.session);
        let chosen: Vec<Pid> = self
            .processes
            .values()
            .filter(|process| match target {
                Target::Process(pid) => process.pid == pid,
                Target::Group(group) => process.group == group,
                Target::OwnGroup => process.group == own_group,
                Target::Everyone => process.pid != call.pid && process.pid != Pid::INIT,
            })
            .map(|process| process.pid)
            .collect();
        if chosen.is_empty() {
            return Err(Errno::ESRCH);
        }
        let allowed = |process: &Process| {
            let other = &process.credentials;
            credentials.is_root()
                || (signal == Some(Signal::CONT) && process.session == own_session)
                || [credentials.uid, credentials.euid].iter().any(|uid| *uid == other.uid || *uid == other.suid)
        };
        let permitted: Vec<Pid> =
            chosen.into_iter().filter(|pid| self.processes.get(pid).is_some_and(allowed)).collect();
        if permitted.is_empty() {
            return Err(Errno::EPERM);
        }
        if let Some(signal) = signal {
            for pid in permitted {
                self.signal_process(pid, signal);
            }
        }
        Ok(())
    }

    /// Whether nobody could continue a stopped process of this group: no member has a parent in another group of the
    /// same POSIX session (POSIX.1-2017 3.265).
    pub fn is_orphaned(&self, group: Pgid) -> bool {
        self.processes.values().filter(|member| member.group == group && !member.is_zombie()).all(|member| {
            let parent = self.processes.get(&member.parent).filter(|_| member.parent != Pid::INIT);
            parent.is_none_or(|parent| parent.group == group || parent.session != member.session)
        })
    }

    /// Moves a process to a group; `group` 0 makes it a leader of its own.
    ///
    /// # Errors
    /// `ESRCH` unless it is the caller or its child; `EPERM` for a session leader, another session, or a group
    /// that is not there.
    ///
    /// # Standard
    /// POSIX.1-2017 setpgid().
    pub fn setpgid(&mut self, call: &Call, pid: Pid, group: Pgid) -> Result<(), Errno> {
        let pid = if pid.0 == 0 { call.pid } else { pid };
        let group = if group.0 == 0 { pid.as_group() } else { group };
        let own_session = self.process(call.pid)?.session;
        let process = self.process(pid)?;
        if pid != call.pid && process.parent != call.pid {
            return Err(Errno::ESRCH);
        }
        let leads_session = process.session == pid.as_session();
        let group_is_there = group == pid.as_group()
            || self.processes.values().any(|other| other.group == group && other.session == own_session);
        if leads_session || process.session != own_session || !group_is_there {
            return Err(Errno::EPERM);
        }
        self.process_mut(pid)?.group = group;
        Ok(())
    }

    /// The group of a process; pid 0 is the caller.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn getpgid(&self, call: &Call, pid: Pid) -> Result<Pgid, Errno> {
        Ok(self.process(if pid.0 == 0 { call.pid } else { pid })?.group)
    }

    /// Makes the caller the leader of a new POSIX session and group.
    ///
    /// # Errors
    /// `EPERM` when it leads a group already.
    pub fn setsid(&mut self, call: &Call) -> Result<Sid, Errno> {
        if self.processes.values().any(|process| process.group == call.pid.as_group()) {
            return Err(Errno::EPERM);
        }
        let process = self.process_mut(call.pid)?;
        process.session = process.pid.as_session();
        process.group = process.pid.as_group();
        Ok(process.session)
    }

    /// Sets the caller's umask and returns the old one.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn umask(&mut self, call: &Call, mask: u32) -> Result<u32, Errno> {
        Ok(std::mem::replace(&mut self.process_mut(call.pid)?.umask, mask & 0o777))
    }

    /// Changes a resource limit of the caller.
    ///
    /// # Errors
    /// `EINVAL` when soft is above hard; `EPERM` when a process that is not root raises the hard limit, or
    /// NOFILE would pass what the kernel can number.
    pub fn setrlimit(&mut self, call: &Call, resource: Resource, limit: ResourceLimit) -> Result<(), Errno> {
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        let ceiling = match resource {
            Resource::NOFILE => DESCRIPTORS_MAX.min(self.limits.descriptors),
            _ => ResourceLimit::INFINITE,
        };
        let process = self.process_mut(call.pid)?;
        let raises = limit.hard > process.limit(resource).hard;
        if raises && (!process.credentials.is_root() || limit.hard > ceiling) {
            return Err(Errno::EPERM);
        }
        process.set_limit(resource, limit);
        Ok(())
    }
}
