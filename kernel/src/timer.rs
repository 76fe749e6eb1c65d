//! ITIMER_REAL: SIGALRM after a time, once or again and again.
//!
//! The kernel has no clock of its own: the alarms are in order of time, [`Kernel::next_deadline`] names the first, and
//! [`Kernel::advance`] rings those that are due.

use crate::errno::Errno;
use crate::fetch::Call;
use crate::host::Monotonic;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::signal::Signal;
use std::collections::BTreeSet;
use std::time::Duration;

/// Shortest time between two rings of one alarm: a guest cannot keep a core busy by asking for less.
pub const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// A running alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// When it rings.
    at: Monotonic,
    /// How long after that it rings again; zero is never.
    interval: Duration,
}

/// What is left of an alarm, as getitimer() gives it. Both zero is no alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remaining {
    /// Until it rings.
    pub value: Duration,
    /// Between later rings.
    pub interval: Duration,
}

/// The alarms of a session, by when they ring.
#[derive(Debug, Default)]
pub(crate) struct Alarms(BTreeSet<(Monotonic, Pid)>);

impl Alarms {
    /// When the first rings.
    pub(crate) fn next(&self) -> Option<Monotonic> {
        self.0.first().map(|(at, _)| *at)
    }
}

impl Kernel {
    /// What is left of the caller's alarm.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn getitimer(&self, call: &Call) -> Result<Remaining, Errno> {
        let now = self.monotonic();
        let left = |alarm: Alarm| Remaining {
            // One that is due and has not rung is not zero, which would mean none.
            value: alarm.at.since(now).max(Duration::from_micros(1)),
            interval: alarm.interval,
        };
        Ok(self.process(call.pid)?.alarm.map(left).unwrap_or_default())
    }

    /// Sets the caller's alarm, or clears it with a `value` of zero; returns what was left of the one before.
    ///
    /// # Errors
    /// `ESRCH`.
    ///
    /// # Standard
    /// POSIX.1-2017 setitimer(ITIMER_REAL): kept by exec, not inherited. An interval below [`INTERVAL_MIN`] is that.
    pub fn setitimer(&mut self, call: &Call, value: Duration, interval: Duration) -> Result<Remaining, Errno> {
        let before = self.getitimer(call)?;
        self.clear_alarm(call.pid);
        if value.is_zero() {
            return Ok(before);
        }
        let interval = if interval.is_zero() { interval } else { interval.max(INTERVAL_MIN) };
        self.arm(call.pid, Alarm { at: self.monotonic() + value, interval });
        Ok(before)
    }

    /// Rings what is due.
    pub(crate) fn ring_alarms(&mut self, now: Monotonic) {
        while let Some((at, pid)) = self.alarms.0.first().copied().filter(|(at, _)| *at <= now) {
            let interval = self.processes.get(&pid).and_then(|process| process.alarm).map(|alarm| alarm.interval);
            self.alarms.0.remove(&(at, pid));
            if let Some(process) = self.processes.get_mut(&pid) {
                process.alarm = None;
            }
            if let Some(interval) = interval.filter(|interval| !interval.is_zero()) {
                // Rings that were missed are one ring.
                let next = (at + interval).max(now + INTERVAL_MIN);
                self.arm(pid, Alarm { at: next, interval });
            }
            self.signal_process(pid, Signal::ALRM);
        }
    }

    /// Takes a process's alarm away, as its end does.
    pub(crate) fn clear_alarm(&mut self, pid: Pid) {
        if let Some(alarm) = self.processes.get_mut(&pid).and_then(|process| process.alarm.take()) {
            self.alarms.0.remove(&(alarm.at, pid));
        }
    }

    fn arm(&mut self, pid: Pid, alarm: Alarm) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.alarm = Some(alarm);
            self.alarms.0.insert((alarm.at, pid));
        }
    }
}
