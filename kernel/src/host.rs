//! All the kernel asks of the world outside it: two clocks and random bytes.
//!
//! A real host reads the machine's; a simulated one is driven by a seed. The kernel has no thread and no timer of
//! its own: who drives it asks [`crate::Kernel::next_deadline`] and calls [`crate::Kernel::advance`].

use serde::{Deserialize, Serialize};
use std::ops::Add;
use std::time::Duration;

/// Clocks and randomness of a session.
pub trait Host: Send + Sync {
    /// Time since an arbitrary fixed point; never goes back.
    fn monotonic(&self) -> Monotonic;
    /// Wall-clock time.
    fn realtime(&self) -> Timestamp;
    /// Fills `buf` with bytes fit for keys.
    fn fill_random(&self, buf: &mut [u8]);
}

/// A point of the monotonic clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(pub u64);

impl Monotonic {
    /// Time passed since `earlier`; zero if `earlier` is later.
    pub fn since(self, earlier: Monotonic) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Monotonic {
    type Output = Monotonic;
    fn add(self, delay: Duration) -> Monotonic {
        Monotonic(self.0.saturating_add(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (POSIX.1-2017 4.16). Negative before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `seconds` after the epoch.
    pub const fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }
}
