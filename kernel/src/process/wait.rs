//! waitpid(): collecting children.

use super::{ExitStatus, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::host::Monotonic;
use crate::id::{Pgid, Pid};
use crate::kernel::Kernel;
use crate::wait::{Halt, Step, WaitKey};

/// Which children waitpid() looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any.
    Any,
    /// This one.
    Child(Pid),
    /// Those in this group.
    Group(Pgid),
}

/// How long waitpid() waits for a child to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all (WNOHANG).
    None,
    /// Until then.
    Until(Monotonic),
    /// As long as it takes.
    Forever,
}

impl Kernel {
    /// Collects an ended child of the caller; `None` when none has ended and patience is over.
    ///
    /// # Errors
    /// `ECHILD` when no child matches; `Wait` until one ends.
    ///
    /// # Standard
    /// POSIX.1-2017 waitpid(). Of several ended children the one with the lowest pid is taken.
    pub fn waitpid(&mut self, call: &Call, which: Which, patience: Patience) -> Step<Option<(Pid, ExitStatus)>> {
        let mut any = false;
        let mut ended = None;
        for child in self.processes.values().filter(|child| child.parent == call.pid && child.pid != call.pid) {
            let matches = match which {
                Which::Any => true,
                Which::Child(pid) => child.pid == pid,
                Which::Group(group) => child.group == group,
            };
            any |= matches;
            if let (true, State::Zombie(status)) = (matches, child.state) {
                ended = Some((child.pid, status));
                break;
            }
        }
        match ended {
            Some((pid, status)) => {
                self.processes.remove(&pid);
                Ok(Some((pid, status)))
            }
            None if !any => Err(Errno::ECHILD.into()),
            None => {
                let until = match patience {
                    Patience::None => return Ok(None),
                    Patience::Until(deadline) if self.monotonic() >= deadline => return Ok(None),
                    Patience::Until(deadline) => Some(deadline),
                    Patience::Forever => None,
                };
                self.look_again_at_pipes_of(call.pid);
                Err(Halt::until(vec![WaitKey::Child(call.pid)], until))
            }
        }
    }

    /// For whoever drives the session: collects a process it launched, with the CPU time it used.
    ///
    /// # Errors
    /// `ECHILD` when there is no such process; `Wait` until it ends.
    pub fn collect(&mut self, pid: Pid) -> Step<(ExitStatus, std::time::Duration)> {
        let process = self.processes.get(&pid).filter(|process| process.awaited).ok_or(Errno::ECHILD)?;
        match process.state {
            State::Zombie(status) => {
                let cpu = process.cpu;
                self.processes.remove(&pid);
                Ok((status, cpu))
            }
            State::Running => Err(Halt::on(WaitKey::Exits)),
        }
    }
}
