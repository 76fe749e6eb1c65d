//! A quota of processor time: a bucket that fills with time and is emptied by what runs.

use std::time::Duration;

/// What a quota lets a tenant save up while it does not run, as the time in which that much is given.
pub(super) const BURST: Duration = Duration::from_secs(1);
/// The most a tenant can owe, as the time in which that much is given: a long piece of work of the host's, charged at its
/// end, does not keep its tenant out for ever.
const DEBT_MAX: Duration = Duration::from_secs(10);

/// Processor time a tenant may still use now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Nanoseconds of processor time for each millisecond of the clock.
    rate: i64,
    /// What is there, in nanoseconds; negative is owed.
    level: i64,
    /// The clock when it was filled last, in nanoseconds.
    filled: u64,
}

impl Bucket {
    /// A full one, of so many milliseconds of processor time a second.
    pub(super) fn new(ms_per_s: u32, now: u64) -> Bucket {
        // A millisecond a second is a thousandth: 1000 ns in each ms.
        let rate = i64::from(ms_per_s) * 1000;
        Bucket { rate, level: over(rate, BURST), filled: now }
    }

    /// The same quota changed: what was saved or is owed is kept, within the new bounds.
    pub(super) fn with_rate(mut self, ms_per_s: u32, now: u64) -> Bucket {
        self.fill(now);
        self.rate = i64::from(ms_per_s) * 1000;
        self.level = self.level.clamp(-over(self.rate, DEBT_MAX), over(self.rate, BURST));
        self
    }

    /// Takes what a slice used. It may be more than was there, by a slice of each processor: nothing begins while
    /// something is owed.
    pub(super) fn take(&mut self, used: Duration) {
        self.level = self.level.saturating_sub(nanos(used));
    }

    /// Takes what was done for the tenant without asking; beyond what can be owed it is forgiven.
    pub(super) fn charge(&mut self, used: Duration) {
        let least = self.level.min(-over(self.rate, DEBT_MAX));
        self.level = self.level.saturating_sub(nanos(used)).max(least);
    }

    /// Whether something may run now.
    pub(super) fn has_some(&mut self, now: u64) -> bool {
        self.fill(now);
        self.level > 0
    }

    fn fill(&mut self, now: u64) {
        let passed = now.saturating_sub(self.filled);
        let gained = i128::from(self.rate) * i128::from(passed) / 1_000_000;
        // What makes no whole nanosecond yet is counted from the same moment next time.
        if gained > 0 {
            let full = i128::from(over(self.rate, BURST));
            self.level = i64::try_from((i128::from(self.level) + gained).min(full)).unwrap_or(i64::MAX);
            self.filled = now;
        }
    }
}

/// What a rate gives in a time, in nanoseconds.
fn over(rate: i64, time: Duration) -> i64 {
    rate.saturating_mul(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
