//! The lock and the atomic that a session's kernel is shared by: std's, or, in a build with `--cfg loom`, those of loom,
//! which runs a test under every order that threads can take them in (`kernel/tests/interleavings.rs`).

#[cfg(not(loom))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicU32};

#[cfg(loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicU32};

/// A deliberate mistake, to see that trying every order finds it. None is made in a build without loom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(loom), allow(dead_code, unreachable_pub, reason = "only loom's build makes them"))]
pub enum Mistake {
    /// Lets the kernel go between an attempt that has to wait and parking.
    ParksLate,
    /// Does not look whether the process was killed before it waits for a fetch.
    ForgetsTheKill,
    /// Wakes the call before the answer it waits for is there.
    WakesEarly,
}

/// Whether to make this mistake.
#[cfg(not(loom))]
pub(crate) const fn makes(_: Mistake) -> bool {
    false
}

#[cfg(loom)]
pub use explored::make;
#[cfg(loom)]
pub(crate) use explored::makes;

#[cfg(loom)]
mod explored {
    use super::Mistake;
    use std::cell::Cell;

    // Loom runs all threads of a model on the thread of its test.
    thread_local! {
        static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
    }

    pub(crate) fn makes(mistake: Mistake) -> bool {
        MADE.get() == Some(mistake)
    }

    /// From now on this thread's models make a mistake, or none.
    pub fn make(mistake: Option<Mistake>) {
        MADE.set(mistake);
    }
}
