//! How often something is tried, and for how long.
//!
//! A store that fails is asked again after a pause that doubles, up to [`PAUSE_MAX`], with a random part so that many clients do
//! not come back at once. All calls of one store share a [`Budget`]: while most requests succeed each may be tried again; when
//! most fail, they fail at once, and the service is not asked three times as much by those who cannot be helped.
use crate::random;
use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The first pause, at most.
pub const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause.
pub const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What a budget holds when it is full.
const TOKENS_MAX: u32 = 500;
/// What a retry takes out.
const RETRY: u32 = 5;
/// What a retry after silence takes out: it had cost more time.
const RETRY_SILENCE: u32 = 10;
/// What a success puts back.
const SUCCESS: u32 = 1;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One try, from the connection to the last byte, of an object of no size. Default 5 s.
    pub attempt: Duration,
    /// All tries of a call, their pauses included, of an object of no size. Default 15 s.
    pub deadline: Duration,
    /// Bytes that move in a second at least: larger objects have as much longer. Default 2 MiB.
    pub bytes_per_s: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { attempt: Duration::from_secs(5), deadline: Duration::from_secs(15), bytes_per_s: 2 << 20 }
    }
}

impl Limits {
    /// The same for something of this many bytes.
    #[must_use]
    pub fn with_bytes(self, bytes: usize) -> Limits {
        let more = Duration::from_millis((bytes as u64).saturating_mul(1000) / self.bytes_per_s.max(1));
        Limits { attempt: self.attempt + more, deadline: self.deadline + more * 2, ..self }
    }
}

/// What all calls of a store may spend on trying again.
#[derive(Debug)]
pub struct Budget(Mutex<u32>);

impl Default for Budget {
    fn default() -> Budget {
        Budget(Mutex::new(TOKENS_MAX))
    }
}

impl Budget {
    fn take(&self, cost: u32) -> bool {
        let mut tokens = self.0.lock().expect("nobody panics holding a budget");
        let left = tokens.checked_sub(cost);
        *tokens = left.unwrap_or(*tokens);
        left.is_some()
    }

    fn put_back(&self) {
        let mut tokens = self.0.lock().expect("nobody panics holding a budget");
        *tokens = (*tokens + SUCCESS).min(TOKENS_MAX);
    }
}

/// Why nothing is tried any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The call took as long as it may.
    Deadline,
    /// Most of what is asked of the service fails.
    Budget,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Over::Deadline => "its time is over",
            Over::Budget => "most requests fail, so it is not asked again now",
        })
    }
}

/// The tries of one call.
#[derive(Debug)]
pub struct Tries<'a> {
    budget: &'a Budget,
    limits: Limits,
    begun: Instant,
    failed: u32,
}

impl<'a> Tries<'a> {
    /// Begins now.
    pub fn new(budget: &'a Budget, limits: Limits) -> Tries<'a> {
        Tries::since(Instant::now(), budget, limits)
    }

    /// Tries of a call that began then: what it did before is of its time.
    pub fn since(begun: Instant, budget: &'a Budget, limits: Limits) -> Tries<'a> {
        Tries { budget, limits, begun, failed: 0 }
    }

    /// How long the next try may take.
    pub fn attempt(&self) -> Duration {
        self.limits.attempt.min(self.left())
    }

    /// How many failed.
    pub fn failed(&self) -> u32 {
        self.failed
    }

    /// It worked.
    pub fn succeeded(&self) {
        self.budget.put_back();
    }

    /// It failed, with or without an answer: waits until it may be tried again.
    ///
    /// # Errors
    /// Why it may not.
    pub async fn pause(&mut self, silent: bool) -> Result<(), Over> {
        self.failed += 1;
        let most = PAUSE_MIN.saturating_mul(1 << (self.failed - 1).min(10)).min(PAUSE_MAX);
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        // At least half of it, so that no pause is none.
        let pause = Duration::from_micros(micros / 2 + random::below(micros / 2 + 1));
        if pause >= self.left() {
            return Err(Over::Deadline);
        }
        if !self.budget.take(if silent { RETRY_SILENCE } else { RETRY }) {
            return Err(Over::Budget);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn left(&self) -> Duration {
        self.limits.deadline.saturating_sub(self.begun.elapsed())
    }
}

#[cfg(test)]
mod tests;
