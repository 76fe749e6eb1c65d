//! The two clocks shares go by.

use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;

thread_local! {
    /// CPU time that others have used for this thread.
    static OF_OTHERS: Cell<u64> = const { Cell::new(0) };
}

/// Nanoseconds since an arbitrary fixed point.
pub(crate) fn monotonic_nanos() -> u64 {
    nanos(ClockId::Monotonic)
}

/// CPU time the calling thread has used, in nanoseconds, and what others have used for it ([`add_thread_cpu_nanos`]).
pub fn thread_cpu_nanos() -> u64 {
    nanos(ClockId::ThreadCPUTime).saturating_add(OF_OTHERS.get())
}

/// Counts what another thread has used that worked for the calling one, which waited for it.
pub fn add_thread_cpu_nanos(used: u64) {
    OF_OTHERS.set(OF_OTHERS.get().saturating_add(used));
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
