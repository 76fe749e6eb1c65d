//! The end of a process.

use super::{ExitStatus, State};
use crate::event::What;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::signal::{Disposition, Signal};
use crate::wait::WaitKey;

impl Kernel {
    /// The runtime's word that `pid` has ended: descriptors are closed, children go to init, the parent gets
    /// SIGCHLD and is woken. A second call has no effect.
    pub fn exit(&mut self, pid: Pid, status: ExitStatus) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| !process.is_zombie()) else { return };
        process.state = State::Zombie(status);
        let descriptors = std::mem::take(&mut process.descriptors);
        let memory = std::mem::take(&mut process.memory);
        let cwd = process.cwd.clone();
        let (parent, awaited) = (process.parent, process.awaited);
        self.memory_used -= memory;
        self.release_node(&cwd);
        for (_, descriptor) in descriptors.iter() {
            self.release_open(descriptor.open);
        }
        self.session_leader_ended(pid);
        self.orphan_children_of(pid);
        if awaited {
            self.record(pid, What::Exited { status });
        }
        let collected_by_nobody = match self.processes.get(&parent) {
            Some(parent) if parent.pid == Pid::INIT => !awaited,
            Some(parent) => parent.signals.disposition(Signal::CHLD) == Disposition::Ignore,
            None => true,
        };
        if collected_by_nobody {
            self.processes.remove(&pid);
        }
        self.signal_process(parent, Signal::CHLD);
        self.waiters.wake(WaitKey::Child(parent));
        self.waiters.wake(WaitKey::Process(pid));
        self.waiters.wake(WaitKey::Exits);
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
