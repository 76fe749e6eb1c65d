//! How fast a tenant's bytes go: a bucket for each way, filled at the tenant's rate, that holds a second's worth; and one
//! of connections, which all tenants have alike.
//!
//! ```text
//! rate ─▶ [ bucket ] ─ take(want) ─▶ so many at once, at least one; empty: wait
//! ```
//! A change of the rate holds within a second, also for who waits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait at most before the rate is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How much of a second's worth is waited for before it goes on.
const PART: u64 = 20;
/// Connections a tenant begins in a second, at most: each leaves a port of this machine taken for a while.
const CONNECTIONS_PER_S: u64 = 100;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the outside.
    Sent,
    /// From it.
    Received,
}

/// How fast the bytes of one tenant go, each way. Shared by all its sessions.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second; `u64::MAX` is as fast as they come.
    rate: AtomicU64,
    sent: Mutex<Bucket>,
    received: Mutex<Bucket>,
    begun: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    bytes: u64,
    filled: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Pace {
        let bucket = || Mutex::new(Bucket { bytes: 0, filled: None });
        Pace { rate: AtomicU64::new(u64::MAX), sent: bucket(), received: bucket(), begun: bucket() }
    }
}

impl Pace {
    /// So many bytes a second go each way from now on; `None` is as many as come.
    pub fn set_rate(&self, bytes_per_s: Option<u64>) {
        self.rate.store(bytes_per_s.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes up to `want` bytes, at least one; waits while there is none.
    pub async fn take(&self, direction: Direction, want: usize) -> usize {
        loop {
            let rate = self.rate.load(Ordering::Relaxed);
            if rate == u64::MAX || want == 0 {
                return want;
            }
            let taken = self.bucket(direction).take(rate, want as u64, Instant::now());
            match taken {
                Ok(taken) => return usize::try_from(taken).unwrap_or(want),
                Err(wait) => tokio::time::sleep(wait.min(LOOK_AGAIN)).await,
            }
        }
    }

    /// Waits until one more connection may be begun.
    pub async fn begin(&self) {
        loop {
            let taken = lock(&self.begun).take(CONNECTIONS_PER_S, 1, Instant::now());
            match taken {
                Ok(_) => return,
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
    }

    fn bucket(&self, direction: Direction) -> MutexGuard<'_, Bucket> {
        lock(match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        })
    }
}

/// Nothing panics while it is held.
fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bucket {
    /// Takes what there is, or says how long to wait.
    fn take(&mut self, rate: u64, want: u64, now: Instant) -> Result<u64, Duration> {
        match self.filled {
            None => (self.bytes, self.filled) = (rate, Some(now)),
            Some(filled) => {
                let nanos = now.saturating_duration_since(filled).as_nanos();
                let new = u64::try_from(u128::from(rate) * nanos / 1_000_000_000).unwrap_or(u64::MAX);
                // Less than a byte's time is kept for the next look.
                if new > 0 {
                    self.filled = Some(now);
                }
                self.bytes = self.bytes.saturating_add(new).min(rate);
            }
        }
        let least = want.min((rate / PART).max(1));
        if self.bytes < least || rate == 0 {
            let missing = least.saturating_sub(self.bytes).max(1);
            return Err(Duration::from_nanos(
                (missing.saturating_mul(1_000_000_000)).checked_div(rate).unwrap_or(u64::MAX),
            ));
        }
        let taken = want.min(self.bytes);
        self.bytes -= taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
