//! Memory that several sessions may hold together.
//!
//! ```text
//! Kernel A ─ Share { held } ─┐
//! Kernel B ─ Share { held } ─┴▶ Budget { used, most }
//! ```
//! A kernel takes of it before a guest has the memory and gives back what it let go. A kernel that is dropped gives back
//! all. The counts are exact between threads; no lock is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What sessions may hold together.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    most: AtomicU64,
}

/// One session's part of a budget.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    held: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new(u64::MAX)
    }
}

impl Budget {
    /// Of so many bytes.
    pub fn new(most: u64) -> Budget {
        Budget { used: AtomicU64::new(0), most: AtomicU64::new(most) }
    }

    /// Bytes that are held.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The most there may be.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Sets the most there may be. What is held above it stays.
    pub fn set_most(&self, most: u64) {
        self.most.store(most, Ordering::Relaxed);
    }

    fn take(&self, bytes: u64) -> bool {
        let most = self.most();
        let more = |used: u64| used.checked_add(bytes).filter(|after| *after <= most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Share {
    /// A part of `budget` that holds what the session holds already, whether or not that fits.
    pub(crate) fn of(budget: Arc<Budget>, held: u64) -> Share {
        budget.used.fetch_add(held, Ordering::Relaxed);
        Share { budget, held }
    }

    /// Takes more; `false` when there is not so much.
    pub(crate) fn take(&mut self, bytes: u64) -> bool {
        let taken = self.budget.take(bytes);
        if taken {
            self.held += bytes;
        }
        taken
    }

    /// Leaves so much of what it holds with the budget for good.
    pub(crate) fn forfeit(&mut self, bytes: u64) {
        self.held = self.held.saturating_sub(bytes);
    }

    /// Holds again what was left so.
    pub(crate) fn recover(&mut self, bytes: u64) {
        self.held += bytes;
    }

    /// Gives back.
    pub(crate) fn give(&mut self, bytes: u64) {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give(self.held);
    }
}

#[cfg(test)]
mod tests;
