//! A bounded map that forgets what was not used for longest.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Entries of a weight each, together at most `room`.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by last use.
    order: BTreeMap<u64, K>,
    tick: u64,
    weight: usize,
    room: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Eq + Hash + Clone, V: Clone> Lru<K, V> {
    pub(crate) fn new(room: usize) -> Lru<K, V> {
        Lru { entries: HashMap::new(), order: BTreeMap::new(), tick: 0, weight: 0, room }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.tick += 1;
        let key = self.order.remove(&entry.used)?;
        entry.used = self.tick;
        self.order.insert(self.tick, key);
        Some(entry.value.clone())
    }

    /// Keeps an entry, unless it alone is too heavy.
    pub(crate) fn insert(&mut self, key: K, value: V, weight: usize) {
        self.remove(&key);
        if weight > self.room {
            return;
        }
        self.tick += 1;
        self.order.insert(self.tick, key.clone());
        self.entries.insert(key, Entry { value, weight, used: self.tick });
        self.weight += weight;
        while self.weight > self.room
            && let Some((_, oldest)) = self.order.pop_first()
            && let Some(entry) = self.entries.remove(&oldest)
        {
            self.weight -= entry.weight;
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.weight -= entry.weight;
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
