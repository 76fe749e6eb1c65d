//! Process groups, POSIX sessions, kill(), limits, umask.

use super::{Process, Resource, ResourceLimit};
use crate::errno::Errno;
use crate::fd::DESCRIPTORS_MAX;
use crate::fetch::Call;
use crate::id::{Pgid, Pid, Sid};
use crate::kernel::Kernel;
use crate::signal::{Action, Disposition, Signal, SignalSet};
use crate::wait::WaitKey;

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
    /// POSIX.1-2017 kill(). Init takes no signal from inside the session.
    pub fn kill(&mut self, call: &Call, target: Target, signal: Option<Signal>) -> Result<(), Errno> {
        let sender = self.process(call.pid)?;
        let (credentials, own_group) = (sender.credentials.clone(), sender.group);
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

    /// Delivers a signal to a process, whoever sent it.
    pub fn signal_process(&mut self, pid: Pid, signal: Signal) {
        if pid == Pid::INIT {
            return;
        }
        let Some(process) = self.processes.get_mut(&pid).filter(|process| !process.is_zombie()) else { return };
        let one = SignalSet::default().with(signal);
        match process.signals.disposition(signal) {
            Disposition::Ignore => return,
            Disposition::Default
                if matches!(signal.default_action(), Action::Ignore | Action::Continue | Action::Stop) =>
            {
                return;
            }
            _ if process.signals.blocked.contains(signal) => {
                process.signals.pending = process.signals.pending.plus(one);
                return;
            }
            Disposition::Catch { .. } => process.signals.pending = process.signals.pending.plus(one),
            Disposition::Default => process.doom.set(signal),
        }
        self.waiters.wake(WaitKey::Process(pid));
    }

    /// Delivers a signal to every process of a group, whoever sent it.
    pub fn signal_group(&mut self, group: Pgid, signal: Signal) {
        let members: Vec<Pid> = self.processes.values().filter(|it| it.group == group).map(|it| it.pid).collect();
        for pid in members {
            self.signal_process(pid, signal);
        }
    }

    /// Whether nobody could continue a stopped process of this group: no member has a parent in another group of the
    /// same POSIX session (POSIX.1-2017 3.265).
    pub fn is_orphaned(&self, group: Pgid) -> bool {
        self.processes.values().filter(|member| member.group == group && !member.is_zombie()).all(|member| {
            let parent = self.processes.get(&member.parent).filter(|_| member.parent != Pid::INIT);
            parent.is_none_or(|parent| parent.group == group || parent.session != member.session)
        })
    }

    /// Changes what the caller does with a signal.
    ///
    /// # Errors
    /// `EINVAL` for KILL and STOP.
    pub fn sigaction(&mut self, call: &Call, signal: Signal, disposition: Disposition) -> Result<(), Errno> {
        self.process_mut(call.pid)?.signals.set_disposition(signal, disposition)
    }

    /// Changes the caller's blocked signals and returns the old set; what becomes unblocked is delivered.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn set_blocked(&mut self, call: &Call, blocked: SignalSet) -> Result<SignalSet, Errno> {
        let process = self.process_mut(call.pid)?;
        let before = process.signals.blocked;
        process.signals.blocked = blocked.minus(SignalSet::UNBLOCKABLE);
        let freed = process.signals.pending.minus(process.signals.blocked);
        process.signals.pending = process.signals.pending.minus(freed);
        for number in 1..=Signal::COUNT as u32 {
            if let Ok(signal) = Signal::new(number)
                && freed.contains(signal)
            {
                self.signal_process(call.pid, signal);
            }
        }
        Ok(before)
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
