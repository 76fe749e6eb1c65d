//! A rate, by the generic cell rate algorithm: a bucket that fills evenly, kept as the one time at which it will be full.

use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// So many for a long time, and so many at once after a time without any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// Nanoseconds between two.
    each: u64,
    /// At once.
    pub(super) burst: u64,
}

/// What is left of a rate: the time at which nothing is missing, in nanoseconds since the server began.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket(u64);

impl Rate {
    /// `None` for no rate at all. A burst is at least one.
    pub(super) fn new(per_s: u64, burst: u64) -> Option<Rate> {
        (per_s > 0).then(|| Rate { each: (SECOND / per_s).max(1), burst: burst.max(1) })
    }

    /// Seconds in which the whole burst comes back.
    pub(super) fn window(self) -> u64 {
        self.all().div_ceil(SECOND).max(1)
    }

    fn all(self) -> u64 {
        self.each.saturating_mul(self.burst)
    }
}

impl Bucket {
    /// Takes one: how many are left, and when none is missing.
    ///
    /// # Errors
    /// There is none; when there will be. Nothing is taken then.
    pub(super) fn take(&mut self, rate: Rate, now: u64) -> Result<(u64, Duration), Duration> {
        if let Some(wait) = self.wait(rate, now) {
            return Err(wait);
        }
        self.0 = self.0.max(now).saturating_add(rate.each);
        let missing = self.0 - now;
        Ok(((rate.all() - missing.min(rate.all())) / rate.each, Duration::from_nanos(missing)))
    }

    /// How long until one is there; `None` when there is one now.
    pub(super) fn wait(&self, rate: Rate, now: u64) -> Option<Duration> {
        let missing = self.0.max(now).saturating_add(rate.each) - now;
        let wait = missing.saturating_sub(rate.all());
        (wait > 0).then(|| Duration::from_nanos(wait))
    }

    /// Whether nothing is missing: as good as a new one.
    pub(super) fn is_full(self, now: u64) -> bool {
        self.0 <= now
    }
}
