//! The time decisions are made by.

use rustix::time::{ClockId, clock_gettime};
use std::time::SystemTime;
use warren_ownership::time::{Monotonic, Now, Wall};

/// Now. The monotonic part goes on while the process is stopped or the machine sleeps: a lease does not wait for either.
pub(crate) fn now() -> Now {
    let since = clock_gettime(ClockId::Boottime);
    let millis =
        u64::try_from(since.tv_sec).unwrap_or(0) * 1000 + u64::try_from(since.tv_nsec).unwrap_or(0) / 1_000_000;
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { mono: Monotonic(millis), wall: Wall(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX)) }
}
