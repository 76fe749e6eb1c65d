//! The metrics of this crate, for whichever recorder the process has; without one they cost nothing.
//!
//! A metric has no label that names a tenant or a session: there is no bound to how many of those there are. What one
//! of them uses is in the usage that is metered ([`crate::meter`]).

use metrics::Unit;

/// Sessions that are awake.
pub const AWAKE: &str = "warren_sessions_awake";
/// Wakes that ended, by `outcome`: `woken` or `failed`.
pub const WAKES: &str = "warren_session_wakes_total";
/// How long a wake took.
pub const WAKE: &str = "warren_session_wake_duration_seconds";
/// Actors that failed, and whose session was brought back or given up.
pub const FAILURES: &str = "warren_session_failures_total";
/// How long a turn of a session's life took, by `turn`: `hibernate`, `delete`, `checkpoint`, `rollback`, `fork`.
pub const TURN: &str = "warren_session_turn_duration_seconds";
/// Commands that run.
pub const EXECS: &str = "warren_execs_running";
/// Commands that ended, by `end`: `exited`, `signaled`, `not_started`, `timed_out`, `interrupted`.
pub const ENDED: &str = "warren_execs_ended_total";
/// From the start of a command to its acknowledged end.
pub const EXEC: &str = "warren_exec_duration_seconds";
/// Processor time of commands that ended.
pub const CPU: &str = "warren_exec_cpu_milliseconds_total";
/// Events of sessions that were numbered.
pub const EVENTS: &str = "warren_events_total";

/// Every counter, with its unit and what it counts.
pub const COUNTERS: &[(&str, Unit, &str)] = &[
    (WAKES, Unit::Count, "Wakes of sessions that ended, by outcome"),
    (FAILURES, Unit::Count, "Actors of sessions that failed"),
    (ENDED, Unit::Count, "Commands that ended, by how"),
    (CPU, Unit::Milliseconds, "Processor time of commands that ended"),
    (EVENTS, Unit::Count, "Events in the logs of sessions"),
];

/// Every gauge.
pub const GAUGES: &[(&str, Unit, &str)] =
    &[(AWAKE, Unit::Count, "Sessions that are awake"), (EXECS, Unit::Count, "Commands that run")];

/// Every histogram.
pub const HISTOGRAMS: &[(&str, Unit, &str)] = &[
    (WAKE, Unit::Seconds, "Time to wake a session"),
    (TURN, Unit::Seconds, "Time of a turn of a session's life, by turn"),
    (EXEC, Unit::Seconds, "Time from the start of a command to its acknowledged end"),
];

/// One more in a gauge, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(&'static str);

impl Counted {
    pub(crate) fn new(gauge: &'static str) -> Counted {
        metrics::gauge!(gauge).increment(1);
        Counted(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1);
    }
}
