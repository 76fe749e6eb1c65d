//! waitpid(): what became of children.

use super::{ExitStatus, News, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::host::Monotonic;
use crate::id::{Pgid, Pid};
use crate::kernel::Kernel;
use crate::signal::Signal;
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

/// What else than an end waitpid() looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// WUNTRACED: children that stopped.
    pub stopped: bool,
    /// WCONTINUED: children that continued.
    pub continued: bool,
}

/// What became of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended, and is collected.
    Ended(ExitStatus),
    /// This signal stopped it.
    Stopped(Signal),
    /// It continued.
    Continued,
}

impl Change {
    /// As waitpid() encodes it (Linux's bits).
    pub const fn raw(self) -> u32 {
        match self {
            Change::Ended(status) => status.raw(),
            Change::Stopped(signal) => (signal.number() as u32) << 8 | 0x7f,
            Change::Continued => 0xffff,
        }
    }
}

impl Kernel {
    /// What became of a child of the caller: it ended, or what `watch` asks for. `None` when nothing has and patience is
    /// over. Each change is told once.
    ///
    /// # Errors
    /// `ECHILD` when no child matches; `Wait` until something happens.
    ///
    /// # Standard
    /// POSIX.1-2017 waitpid(). Of several children the one with the lowest pid is taken.
    pub fn waitpid(
        &mut self,
        call: &Call,
        which: Which,
        watch: Watch,
        patience: Patience,
    ) -> Step<Option<(Pid, Change)>> {
        let mut any = false;
        let mut found = None;
        for child in self.processes.values_mut().filter(|child| child.parent == call.pid && child.pid != call.pid) {
            let matches = match which {
                Which::Any => true,
                Which::Child(pid) => child.pid == pid,
                Which::Group(group) => child.group == group,
            };
            if !matches {
                continue;
            }
            any = true;
            let change = match (child.state, child.news) {
                (State::Zombie(status), _) => Change::Ended(status),
                (_, Some(News::Stopped(signal))) if watch.stopped => Change::Stopped(signal),
                (_, Some(News::Continued)) if watch.continued => Change::Continued,
                _ => continue,
            };
            child.news = None;
            found = Some((child.pid, change));
            break;
        }
        match found {
            Some((pid, change)) => {
                if let Change::Ended(_) = change
                    && let Some(child) = self.processes.remove(&pid)
                {
                    self.process_mut(call.pid)?.account.children_cpu += child.cpu + child.account.children_cpu;
                }
                Ok(Some((pid, change)))
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
            State::Running | State::Stopped(_) => Err(Halt::on(WaitKey::Exits)),
        }
    }
}
