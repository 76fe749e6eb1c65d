//! Time as it enters with each event. Nothing here reads a clock.

use serde::{Deserialize, Serialize};

/// Milliseconds of one process's monotonic clock. Comparable within that process only; its rate may be wrong by
/// [`DRIFT_PERCENT`], it never goes back and never jumps. It goes on while the process is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(pub u64);

/// Milliseconds of the wall clock. May step by hours either way, so nothing is decided by it; tombstones are dated by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Wall(pub i64);

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// The time an event is handled at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// What deadlines are compared with.
    pub mono: Monotonic,
    /// What tombstones are dated by.
    pub wall: Wall,
}

/// How much faster or slower than true time a monotonic clock or the one of Redis may run, in percent. The margin of a
/// lease covers two clocks that differ by this in opposite directions. Quartz is a thousand times better; virtual machines
/// that are moved are not.
pub const DRIFT_PERCENT: u64 = 4;

impl Monotonic {
    /// Later by a length of time.
    #[must_use]
    pub fn plus(self, length: Millis) -> Monotonic {
        Monotonic(self.0.saturating_add(length.0))
    }
}
