//! What a signal does to a process: end it, stop it, continue it, or wait for its handler.
//!
//! A signal becomes pending and is acted on at once unless it is blocked or the process is stopped; then it is acted
//! on when that ends. What is pending, unblocked and still there afterwards is caught: the runtime takes it at its next
//! safe point by [`Kernel::next_delivery`], and a waiting call ends for it ([`crate::session`]).

use super::{News, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::{Pgid, Pid};
use crate::kernel::Kernel;
use crate::signal::{Action, Disposition, SA_NOCLDSTOP, SA_NODEFER, SA_RESETHAND, SA_RESTART, Signal, SignalSet};
use crate::wait::WaitKey;

/// A caught signal whose handler is to run now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The signal.
    pub signal: Signal,
    /// SA_RESTART: a call it interrupted is made again, if it is one of those.
    pub restarts: bool,
    /// What was blocked before the handler; [`Kernel::set_blocked`] restores it.
    pub before: SignalSet,
}

impl Kernel {
    /// Sends a signal to a process, whoever sent it. Init takes none.
    ///
    /// # Standard
    /// POSIX.1-2017 2.4. As on Linux a blocked signal stays pending even if it is ignored, since its disposition may
    /// change before it is unblocked; a stopped process acts on nothing but KILL and CONT until it continues.
    pub fn signal_process(&mut self, pid: Pid, signal: Signal) {
        if pid == Pid::INIT {
            return;
        }
        let Some(process) = self.processes.get_mut(&pid).filter(|process| !process.is_zombie()) else { return };
        match signal.default_action() {
            Action::Stop => process.signals.pending = process.signals.pending.minus(SignalSet(0).with(Signal::CONT)),
            Action::Continue => {
                process.signals.pending = process.signals.pending.minus(SignalSet::STOPS);
                self.continue_process(pid);
            }
            Action::Terminate | Action::Ignore => {}
        }
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if process.signals.ignores(signal) && !process.signals.blocked.contains(signal) {
            return;
        }
        process.signals.pending = process.signals.pending.with(signal);
        self.act_on_pending(pid);
    }

    /// Sends a signal to every process of a group, whoever sent it.
    pub fn signal_group(&mut self, group: Pgid, signal: Signal) {
        let members: Vec<Pid> = self.processes.values().filter(|it| it.group == group).map(|it| it.pid).collect();
        for pid in members {
            self.signal_process(pid, signal);
        }
    }

    /// Does what the pending and unblocked signals of a process ask for. Those it catches stay pending, and its runtime
    /// is asked to look.
    fn act_on_pending(&mut self, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let kill = SignalSet::default().with(Signal::KILL);
        let acting = if process.is_stopped() { kill } else { SignalSet(u64::MAX) };
        let mut left = process.signals.deliverable().and(acting);
        let mut caught = false;
        while let Some(signal) = left.first() {
            let one = SignalSet::default().with(signal);
            left = left.minus(one);
            let Some(process) = self.processes.get_mut(&pid) else { return };
            if let Disposition::Catch { .. } = process.signals.disposition(signal) {
                caught = true;
                continue;
            }
            process.signals.pending = process.signals.pending.minus(one);
            if process.signals.ignores(signal) {
                continue;
            }
            match signal.default_action() {
                Action::Ignore | Action::Continue => {}
                Action::Terminate => {
                    process.doom.set(signal);
                    self.waiters.wake(WaitKey::Process(pid));
                    return;
                }
                Action::Stop => {
                    let group = process.group;
                    if signal == Signal::STOP || !self.is_orphaned(group) {
                        self.stop_process(pid, signal);
                        return;
                    }
                }
            }
        }
        if caught && let Some(process) = self.processes.get(&pid) {
            process.doom.ask_attention(true);
            self.waiters.wake(WaitKey::Process(pid));
        }
    }

    fn stop_process(&mut self, pid: Pid, signal: Signal) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.state = State::Stopped(signal);
        process.doom.ask_attention(true);
        self.tell_parent(pid, News::Stopped(signal));
        self.waiters.wake(WaitKey::Process(pid));
    }

    fn continue_process(&mut self, pid: Pid) {
        let Some(process) = self.processes.get_mut(&pid).filter(|process| process.is_stopped()) else { return };
        process.state = State::Running;
        self.tell_parent(pid, News::Continued);
        self.waiters.wake(WaitKey::Process(pid));
        self.act_on_pending(pid);
    }

    /// A child stopped or continued: waitpid() may say so, and SIGCHLD comes unless SA_NOCLDSTOP.
    fn tell_parent(&mut self, pid: Pid, news: News) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        process.news = Some(news);
        let parent = process.parent;
        self.waiters.wake(WaitKey::Child(parent));
        let wants = self.processes.get(&parent).is_some_and(|parent| match parent.signals.disposition(Signal::CHLD) {
            Disposition::Catch { flags, .. } => flags & SA_NOCLDSTOP == 0,
            Disposition::Default | Disposition::Ignore => true,
        });
        if wants {
            self.signal_process(parent, Signal::CHLD);
        }
    }

    /// Changes what the caller does with a signal.
    ///
    /// # Errors
    /// `EINVAL` for KILL and STOP.
    pub fn sigaction(&mut self, call: &Call, signal: Signal, disposition: Disposition) -> Result<(), Errno> {
        self.process_mut(call.pid)?.signals.set_disposition(signal, disposition)?;
        self.act_on_pending(call.pid);
        Ok(())
    }

    /// Changes the caller's blocked signals and returns the old set; what becomes unblocked is acted on.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn set_blocked(&mut self, call: &Call, blocked: SignalSet) -> Result<SignalSet, Errno> {
        let process = self.process_mut(call.pid)?;
        let blocked = blocked.minus(SignalSet::UNBLOCKABLE);
        let before = std::mem::replace(&mut process.signals.blocked, blocked);
        self.act_on_pending(call.pid);
        Ok(before)
    }

    /// The next caught signal the process is to handle, taken off what is pending, with the handler's mask in force.
    /// With none the runtime is no longer asked to look.
    pub fn next_delivery(&mut self, pid: Pid) -> Option<Delivery> {
        let process = self.processes.get_mut(&pid).filter(|process| !process.is_zombie())?;
        let Some(signal) = process.signals.deliverable().first().filter(|_| !process.is_stopped()) else {
            process.doom.ask_attention(process.is_stopped());
            return None;
        };
        let one = SignalSet::default().with(signal);
        process.signals.pending = process.signals.pending.minus(one);
        let Disposition::Catch { mask, flags } = process.signals.disposition(signal) else { return None };
        let before = process.signals.blocked;
        let own = if flags & SA_NODEFER == 0 { one } else { SignalSet::default() };
        process.signals.blocked = before.plus(mask).plus(own).minus(SignalSet::UNBLOCKABLE);
        if flags & SA_RESETHAND != 0 {
            // Neither KILL nor STOP is ever caught, so this cannot fail.
            let _ = process.signals.set_disposition(signal, Disposition::Default);
        }
        Some(Delivery { signal, restarts: flags & SA_RESTART != 0, before })
    }

    /// The runtime has looked and can handle nothing now: it is asked again only if something is there to handle.
    pub fn attended(&mut self, pid: Pid) {
        if let Some(process) = self.processes.get(&pid) {
            process.doom.ask_attention(process.is_stopped() || !process.signals.deliverable().is_empty());
        }
    }

    /// Whether a caught signal waits to be handled: a waiting call ends for it.
    pub(crate) fn is_interrupted(&self, pid: Pid) -> bool {
        let caught = |process: &&super::Process| !process.is_stopped() && !process.signals.deliverable().is_empty();
        pid != Pid::INIT && self.processes.get(&pid).is_some_and(|process| caught(&process))
    }
}
