//! One level of the tree: who waits, in order of the processor time each has had, and where the level's own time stands.

use std::collections::BTreeSet;
use std::ops::{Add, AddAssign};
use std::time::Duration;

/// Processor time divided by weight: of two that wait, the one with less of it is first. In nanoseconds of a tenant of
/// [`super::WEIGHT_USUAL`]. 128 bits: a tenant of weight 1 on a hundred cores would use up 64 within weeks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Virtual(u128);

impl Virtual {
    /// Processor time of something of the usual weight.
    pub(super) const fn of(time: Duration) -> Virtual {
        Virtual(time.as_nanos())
    }

    /// Processor time of something of this weight.
    pub(super) fn weighted(time: Duration, weight: u32) -> Virtual {
        Virtual(time.as_nanos() * u128::from(super::WEIGHT_USUAL) / u128::from(weight.max(1)))
    }

    /// So many times as much.
    pub(super) fn times(self, count: usize) -> Virtual {
        Virtual(self.0 * count as u128)
    }

    /// Less, but not below none.
    pub(super) fn less(self, other: Virtual) -> Virtual {
        Virtual(self.0.saturating_sub(other.0))
    }
}

impl Add for Virtual {
    type Output = Virtual;

    fn add(self, other: Virtual) -> Virtual {
        Virtual(self.0 + other.0)
    }
}

impl AddAssign for Virtual {
    fn add_assign(&mut self, other: Virtual) {
        self.0 += other.0;
    }
}

/// Where one waits: its virtual time, then the order of arrival, then its index.
pub(super) type Place = (Virtual, u64, usize);

/// Those of one level that wait.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// Where the one began that was let run last: never goes back.
    now: Virtual,
    queue: BTreeSet<Place>,
    arrivals: u64,
}

impl Level {
    /// Where a newcomer begins: as if it had had as much as those that run.
    pub(super) fn now(&self) -> Virtual {
        self.now
    }

    /// Where one goes on that stands at `at`: who has slept keeps no more than `credit`.
    pub(super) fn admit(&self, at: Virtual, credit: Virtual) -> Virtual {
        at.max(self.now.less(credit))
    }

    /// Where one stands that is charged for something at once: it owes no more than `debt` by that.
    pub(super) fn charged(&self, at: Virtual, used: Virtual, debt: Virtual) -> Virtual {
        (at + used).min(at.max(self.now + debt))
    }

    /// One that stands there is let run.
    pub(super) fn advance(&mut self, at: Virtual) {
        self.now = self.now.max(at);
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whoever is first.
    pub(super) fn first(&self) -> Option<usize> {
        self.queue.first().map(|(_, _, index)| *index)
    }

    /// Moves one to where it belongs now: nowhere, or by this time. `place` is where it waits.
    pub(super) fn move_to(&mut self, index: usize, place: &mut Option<Place>, to: Option<Virtual>) {
        match (&*place, to) {
            (None, None) => return,
            (Some((at, _, _)), Some(to)) if *at == to => return,
            _ => {}
        }
        if let Some(old) = place.take() {
            self.queue.remove(&old);
        }
        if let Some(to) = to {
            self.arrivals += 1;
            let new = (to, self.arrivals, index);
            self.queue.insert(new);
            *place = Some(new);
        }
    }
}

/// Things by index; an index is given again once its thing is gone.
#[derive(Debug)]
pub(super) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The index the next thing gets.
    pub(super) fn vacant(&self) -> usize {
        self.free.last().copied().unwrap_or(self.entries.len())
    }

    pub(super) fn add(&mut self, value: T) -> usize {
        match self.free.pop() {
            Some(index) => {
                self.entries[index] = Some(value);
                index
            }
            None => {
                self.entries.push(Some(value));
                self.entries.len() - 1
            }
        }
    }

    pub(super) fn take(&mut self, index: usize) -> Option<T> {
        let taken = self.entries.get_mut(index)?.take();
        if taken.is_some() {
            self.free.push(index);
        }
        taken
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.entries.get(index)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.entries.get_mut(index)?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
    }
}

impl<T> std::ops::Index<usize> for Slab<T> {
    type Output = T;

    fn index(&self, index: usize) -> &T {
        self.get(index).expect("whoever has an index keeps what is there")
    }
}

impl<T> std::ops::IndexMut<usize> for Slab<T> {
    fn index_mut(&mut self, index: usize) -> &mut T {
        self.get_mut(index).expect("whoever has an index keeps what is there")
    }
}
