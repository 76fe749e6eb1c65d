//! The end of a process.

use super::{ExitStatus, State, Strings};
use crate::event::What;
use crate::id::{Pgid, Pid, Sid};
use crate::kernel::Kernel;
use crate::signal::{Disposition, SA_NOCLDWAIT, Signal};
use crate::wait::WaitKey;

impl Kernel {
    /// The runtime's word that `pid` has ended: descriptors are closed, children go to init, the parent gets
    /// SIGCHLD and is woken. A second call has no effect.
    pub fn exit(&mut self, pid: Pid, status: ExitStatus) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| !process.is_zombie()) else { return };
        let (group, session) = (process.group, process.session);
        let watched = self.groups_with_stopped_members(pid, group, session);
        self.clear_alarm(pid);
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.state = State::Zombie(status);
        process.news = None;
        // A zombie has neither, as on Linux.
        (process.arguments, process.environment) = (Strings::from([]), Strings::from([]));
        let pinned = std::mem::take(&mut process.pinned);
        let descriptors = std::mem::take(&mut process.descriptors);
        let memory = std::mem::take(&mut process.memory);
        let cwd = process.cwd.clone();
        let (parent, awaited) = (process.parent, process.awaited);
        self.give_memory(memory + pinned);
        self.release_node(&cwd);
        for (_, descriptor) in descriptors.iter() {
            self.release_open(descriptor.open);
        }
        self.drop_every_record_lock(pid);
        self.session_leader_ended(pid);
        self.orphan_children_of(pid);
        if awaited {
            self.record(pid, What::Exited { status });
        }
        let collected_by_nobody = match self.processes.get(&parent) {
            Some(parent) if parent.pid == Pid::INIT => !awaited,
            Some(parent) => match parent.signals.disposition(Signal::CHLD) {
                Disposition::Ignore => true,
                Disposition::Catch { flags, .. } => flags & SA_NOCLDWAIT != 0,
                Disposition::Default => false,
            },
            None => true,
        };
        if collected_by_nobody {
            self.processes.remove(&pid);
        }
        for group in watched {
            self.release_if_orphaned(group);
        }
        self.signal_process(parent, Signal::CHLD);
        self.waiters.wake(WaitKey::Child(parent));
        self.waiters.wake(WaitKey::Process(pid));
        self.waiters.wake(WaitKey::Exits);
    }

    /// The groups the end of a process may orphan: its own and its children's, those that are not orphaned now and have
    /// stopped members.
    fn groups_with_stopped_members(&self, pid: Pid, group: Pgid, session: Sid) -> Vec<Pgid> {
        let mut groups = Vec::new();
        for stopped in self.processes.values().filter(|it| it.is_stopped() && it.session == session) {
            let concerned = stopped.group == group
                || self.processes.values().any(|member| member.group == stopped.group && member.parent == pid);
            if concerned && !groups.contains(&stopped.group) && !self.is_orphaned(stopped.group) {
                groups.push(stopped.group);
            }
        }
        groups
    }

    /// Nobody can continue the stopped processes of a group that has just become orphaned: they get SIGHUP and go on
    /// (POSIX.1-2017 _exit(), Consequences of Process Termination).
    fn release_if_orphaned(&mut self, group: Pgid) {
        if self.is_orphaned(group) {
            self.signal_group(group, Signal::HUP);
            self.signal_group(group, Signal::CONT);
        }
    }

    /// Children of an ended process become init's; those that have ended too are gone.
    fn orphan_children_of(&mut self, pid: Pid) {
        let mut gone = Vec::new();
        for child in self.processes.values_mut().filter(|child| child.parent == pid) {
            child.parent = Pid::INIT;
            if child.is_zombie() && !child.awaited {
                gone.push(child.pid);
            }
        }
        for child in gone {
            self.processes.remove(&child);
        }
    }
}
