//! How often each turn was asked for, which faults need to know.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// Turns that are remembered. The oldest is forgotten, and would meet its faults again.
const ATTEMPTS_MAX: usize = 10_000;

/// The number of attempts at each turn that has faults.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    counts: HashMap<u64, u32>,
    order: VecDeque<u64>,
}

impl Attempts {
    /// How many there were before this one.
    pub(crate) fn count(&self, identity: u64) -> u32 {
        let mut counts = self.0.lock().expect("no holder of the counts panics");
        let Counts { counts, order } = &mut *counts;
        let count = counts.entry(identity).or_insert_with(|| {
            order.push_back(identity);
            0
        });
        let before = *count;
        *count = count.saturating_add(1);
        if order.len() > ATTEMPTS_MAX {
            let oldest = order.pop_front().expect("there are many");
            counts.remove(&oldest);
        }
        before
    }
}
