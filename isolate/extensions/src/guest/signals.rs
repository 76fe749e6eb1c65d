//! Signals of a guest: what it catches, what arrived, and how it is stopped while it is busy.
//!
//! ```text
//! kill() ─▶ pending ─▶ Guest::watch, on another executor ─▶ counted ─▶ every poll of that signal ─▶ listeners
//!              ├─▶ ends it ─▶ the isolate is stopped at its next instruction
//!              └─▶ SIGSTOP ─▶ the isolate's thread is parked at its next instruction, until SIGCONT
//! ```

use super::{Ending, Guest};
use std::pin::pin;
use std::sync::{MutexGuard, PoisonError};
use warren_kernel::id::Pid;
use warren_kernel::signal::{Disposition, SA_RESTART, Signal, SignalSet};
use warren_kernel::wait::{Halt, WaitKey};
use warren_kernel::{Call, Errno};

/// Arrivals of one signal that wait for its listeners, at most; what came before them is not told.
const BACKLOG_MAX: u64 = 32;

/// Signals the runtime itself ignores: a write to a closed pipe is an error, and node keeps SIGUSR1 for its debugger.
const IGNORED: [Signal; 2] = [Signal::PIPE, Signal::USR1];

/// By number of the signal.
#[derive(Debug)]
pub(super) struct Listening([Heard; Signal::COUNT + 1]);

impl Default for Listening {
    fn default() -> Listening {
        Listening([Heard { listeners: 0, before: Disposition::Default, arrived: 0 }; Signal::COUNT + 1])
    }
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    listeners: u32,
    /// What the process did with it before the first of them.
    before: Disposition,
    /// How often it arrived while somebody listened.
    arrived: u64,
}

/// What has become of the process.
enum Seen {
    Gone,
    Doomed(Signal),
    Stopped,
    Continued,
    Caught,
}

impl Guest {
    /// What a program begins with: every signal at its default but those the runtime ignores, and none blocked, whatever
    /// its parent did with them; and an event loop.
    pub fn reset_signals(&self) {
        self.with(|kernel, call| {
            for number in 1..=Signal::COUNT as u32 {
                let Ok(signal) = Signal::new(number) else { continue };
                let ignored = IGNORED.contains(&signal);
                // KILL and STOP are at their default already.
                let _ =
                    kernel.sigaction(call, signal, if ignored { Disposition::Ignore } else { Disposition::Default });
            }
            let _ = kernel.set_blocked(call, SignalSet::default());
            let _ = kernel.makes_calls_side_by_side(call);
        });
    }

    /// Catches a signal for one more listener. Returns what [`Guest::heard`] is to be told first.
    ///
    /// # Errors
    /// `EINVAL` for KILL and STOP.
    pub fn listen(&self, signal: Signal) -> Result<u64, Errno> {
        let heard = self.signals().0[usize::from(signal.number())];
        if heard.listeners == 0 {
            let caught = Disposition::Catch { mask: SignalSet::default(), flags: SA_RESTART };
            let before = self.with(|kernel, call| {
                let before = kernel.process(call.pid)?.signals.disposition(signal);
                kernel.sigaction(call, signal, caught).map(|()| before)
            })?;
            self.signals().0[usize::from(signal.number())].before = before;
        }
        self.signals().0[usize::from(signal.number())].listeners += 1;
        Ok(heard.arrived)
    }

    /// One listener fewer; after the last the process does with the signal what it did before.
    pub fn unlisten(&self, signal: Signal) {
        let mut signals = self.signals();
        let heard = &mut signals.0[usize::from(signal.number())];
        heard.listeners = heard.listeners.saturating_sub(1);
        let (last, before) = (heard.listeners == 0, heard.before);
        drop(signals);
        if last {
            let _ = self.with(|kernel, call| kernel.sigaction(call, signal, before));
        }
        self.0.signalled.notify_waiters();
    }

    /// Waits until a signal has arrived more often than `seen`. Returns the next value of `seen`.
    pub async fn heard(&self, signal: Signal, seen: u64) -> u64 {
        loop {
            let mut signalled = pin!(self.0.signalled.notified());
            signalled.as_mut().enable();
            let arrived = self.signals().0[usize::from(signal.number())].arrived;
            if arrived > seen {
                return (seen + 1).max(arrived.saturating_sub(BACKLOG_MAX));
            }
            signalled.await;
        }
    }

    /// Does what signals ask that have just been sent: one a process sends itself has its effect before its script goes on.
    pub fn attend(&self) {
        self.take_signals();
        let _ = self.call(|_, _| Ok(()));
    }

    /// Watches for signals until the process ends. It belongs on another executor than the guest's, which may be busy.
    pub async fn watch(self) {
        let mut stopped = false;
        loop {
            let look = self.0.session.call(Pid::INIT, |kernel, _| {
                let Ok(process) = kernel.process(self.0.pid) else { return Ok(Seen::Gone) };
                Ok(match (process.doom.get(), process.is_stopped()) {
                    _ if process.is_zombie() => Seen::Gone,
                    (Some(signal), _) => Seen::Doomed(signal),
                    (None, true) if !stopped => Seen::Stopped,
                    (None, false) if stopped => Seen::Continued,
                    (None, false) if !process.signals.deliverable().is_empty() => Seen::Caught,
                    _ => return Err(Halt::on(WaitKey::Process(self.0.pid))),
                })
            });
            let seen = tokio::select! {
                seen = look => seen,
                () = self.ended() => return,
            };
            match seen {
                Ok(Seen::Doomed(signal)) => return self.end(Ending::Signal(signal)),
                Ok(Seen::Stopped) => {
                    stopped = true;
                    self.stop();
                }
                Ok(Seen::Continued) => stopped = false,
                Ok(Seen::Caught) => self.take_signals(),
                Ok(Seen::Gone) | Err(_) => return,
            }
        }
    }

    /// Takes caught signals from the kernel, and counts them for whoever listens.
    pub(super) fn take_signals(&self) {
        let pid = self.0.pid;
        let mut caught = Vec::new();
        self.0.session.with(|kernel| {
            while let Some(delivery) = kernel.next_delivery(pid) {
                // The listener runs later; nothing is blocked meanwhile.
                let _ = kernel.set_blocked(&Call::new(pid), delivery.before);
                caught.push(delivery.signal);
            }
            kernel.attended(pid);
        });
        let mut signals = self.signals();
        for signal in &caught {
            signals.0[usize::from(signal.number())].arrived += 1;
        }
        drop(signals);
        if !caught.is_empty() {
            self.0.signalled.notify_waiters();
        }
    }

    fn signals(&self) -> MutexGuard<'_, Listening> {
        self.0.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
