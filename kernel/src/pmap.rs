//! A persistent ordered map: a B-tree whose nodes are shared between a map and its clones.
//!
//! The inode table, every directory and every file's block map is a [`PMap`]. Cloning one copies a pointer, which
//! is what makes a snapshot of a whole session cheap; the price is paid by the next write, which copies the nodes
//! on its own path and nothing else:
//!
//! ```text
//!   snapshot ──> [ a │ b │ c ]          insert into b:   snapshot ──> [ a │ b │ c ]
//!   live ──────────^  |   |   |                                         |   |   |
//!                     v   v   v                          live ──> [ a │ b'│ c ]   two new nodes: the root and b'
//! ```
//!
//! A write goes down by `Arc::make_mut`, so on an unshared path it happens in place. Operations that look before
//! they write (`get_mut`, `remove`, `remove_from`) copy nothing when there is nothing to change.
//!
//! A leaf holds the entries, an inner node its children, each with a low key and the count of entries below it; the
//! counts make [`PMap::nth`] a descent. Vectors grow by half, not by doubling, and give memory back when entries
//! leave: a session has thousands of maps of one to four entries, each of them one `Arc` and one vector of about
//! its length. An empty map is no allocation at all.
//!
//! Low keys are bounds, not necessarily keys still present: an inner node may keep a removed key alive until the
//! child it bounds is merged away.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

pub use self::cursor::Iter;
use self::cursor::{Cursor, Spot};
use self::node::{Child, Inserted, Node, find_child, find_entry, own};

mod codec;
mod cursor;
mod node;

/// An ordered map with O(1) `Clone`. See the module's description for what is shared and when it is copied.
pub struct PMap<K, V> {
    /// `None` exactly when `len` is 0.
    root: Option<Arc<Node<K, V>>>,
    len: usize,
}

impl<K, V> PMap<K, V> {
    /// An empty map. Allocates nothing.
    pub const fn new() -> Self {
        Self { root: None, len: 0 }
    }

    /// The number of entries, in O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry with the lowest key.
    pub fn first_key_value(&self) -> Option<(&K, &V)> {
        self.nth(0)
    }

    /// The entry with the highest key.
    pub fn last_key_value(&self) -> Option<(&K, &V)> {
        self.nth(self.len.checked_sub(1)?)
    }

    /// The entry with `index` entries before it, in O(log n).
    pub fn nth(&self, mut index: usize) -> Option<(&K, &V)> {
        let mut node = self.root.as_deref()?;
        loop {
            match node {
                Node::Leaf(entries) => return entries.get(index).map(|(key, value)| (key, value)),
                Node::Inner(children) => {
                    let mut rest = children.iter();
                    let mut child = rest.next()?;
                    while index >= child.len {
                        index -= child.len;
                        child = rest.next()?;
                    }
                    node = &child.node;
                }
            }
        }
    }

    /// All entries in key order.
    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { cursor: Cursor::at_start(self), remaining: self.len }
    }

    /// The number of nodes, each one `Arc` and one vector, including those shared with other maps. For tests and
    /// for accounting: it walks all inner nodes.
    pub fn node_count(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.node_count())
    }
}

impl<K: Ord, V> PMap<K, V> {
    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }

    /// The stored key equal to `key`, and its value.
    pub fn get_key_value<Q: Ord + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        self.root.as_ref()?.get(key).map(|(key, value)| (key, value))
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).is_some()
    }

    /// The entries from `from` upward, in key order. O(log n) to the first; the iterator knows its exact length.
    pub fn range_from<Q: Ord + ?Sized>(&self, from: Bound<&Q>) -> Iter<'_, K, V>
    where
        K: Borrow<Q>,
    {
        let (key, included) = match from {
            Bound::Included(key) => (key, true),
            Bound::Excluded(key) => (key, false),
            Bound::Unbounded => return self.iter(),
        };
        let mut cursor = Cursor { root: None, stack: Vec::new(), entries: &[] };
        let mut remaining = self.len;
        let mut next = self.root.as_deref();
        while let Some(node) = next {
            match node {
                Node::Leaf(entries) => {
                    let at = find_entry(entries, key).map_or_else(|at| at, |at| at + usize::from(!included));
                    cursor.entries = &entries[at..];
                    remaining -= at;
                    next = None;
                }
                Node::Inner(children) => {
                    let at = find_child(children, key).unwrap_or(0);
                    cursor.stack.push(&children[at + 1..]);
                    remaining -= children[..at].iter().map(|child| child.len).sum::<usize>();
                    next = Some(&children[at].node);
                }
            }
        }
        Iter { cursor, remaining }
    }

    /// Visits, in key order, every key whose value here differs from its value in `other`: with `Some` here and
    /// `None` there when the key is only here, the reverse when it is only there, and both when it is in both and
    /// `same` says no. Nodes the two maps share are skipped, so after a clone and a few writes this costs the
    /// paths written, not the size of the map; `same` must therefore hold between a value and itself.
    pub fn diff(
        &self,
        other: &Self,
        same: impl Fn(&V, &V) -> bool,
        visit: &mut impl FnMut(&K, Option<&V>, Option<&V>),
    ) {
        let (mut here, mut there) = (Cursor::at_start(self), Cursor::at_start(other));
        loop {
            // The cursor on the lower key moves. A node that starts below the other cursor does not lie ahead of
            // that one, so to open it loses no chance to skip it. When both are on one key, the taller node may
            // contain the other; of one height, they are the same node or neither is in the other map.
            let order = match (here.peek(), there.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Spot { node: Some(a), .. }), Some(Spot { node: Some(b), .. })) if Arc::ptr_eq(a, b) => {
                    here.next_node();
                    there.next_node();
                    continue;
                }
                (Some(a), Some(b)) => a.first_key.cmp(b.first_key).then(b.height.cmp(&a.height)),
            };
            let a = if order.is_le() { here.advance() } else { None };
            let b = if order.is_ge() { there.advance() } else { None };
            match (a, b) {
                (None, None) => {} // nodes were opened
                (Some((key, value)), None) => visit(key, Some(value), None),
                (None, Some((key, value))) => visit(key, None, Some(value)),
                (Some((key, a)), Some((_, b))) => {
                    if !same(a, b) {
                        visit(key, Some(a), Some(b));
                    }
                }
            }
        }
    }
}

impl<K: Ord + Clone, V: Clone> PMap<K, V> {
    /// The value of `key`, to change in place. Copies the shared nodes on the path to it, and nothing when `key`
    /// is absent.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let mut node = self.root.as_mut()?;
        loop {
            match own(node, key)? {
                Node::Leaf(entries) => {
                    let at = find_entry(entries, key).ok()?;
                    return Some(&mut entries[at].1);
                }
                Node::Inner(children) => {
                    let at = find_child(children, key)?;
                    node = &mut children[at].node;
                }
            }
        }
    }

    /// Gives `key` the value, and returns the value it had. When it had one, the stored key stays.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let Some(root) = &mut self.root else {
            self.root = Some(Arc::new(Node::Leaf(vec![(key, value)])));
            self.len = 1;
            return None;
        };
        match Arc::make_mut(root).insert(key, value) {
            Inserted::Replaced(old) => return Some(old),
            Inserted::Added => {}
            Inserted::Split(right) => {
                let left = Child::over(Arc::clone(root));
                *root = Arc::new(Node::Inner(vec![left, right]));
            }
        }
        self.len += 1;
        None
    }

    /// Takes `key` out and returns its value. Copies nothing when `key` is absent.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = own(self.root.as_mut()?, key)?.remove(key)?;
        self.len -= 1;
        self.settle_root();
        Some(removed)
    }

    /// Takes out every entry with a key of at least `from`, in key order. Copies no node when there is none.
    pub fn remove_from<Q: Ord + ?Sized>(&mut self, from: &Q) -> Vec<(K, V)>
    where
        K: Borrow<Q>,
    {
        let count = self.range_from(Bound::Included(from)).len();
        let mut removed = Vec::with_capacity(count);
        if let Some(root) = self.root.as_mut().filter(|_| count > 0) {
            Arc::make_mut(root).remove_from(from, &mut removed);
            self.len -= removed.len();
            self.settle_root();
            if let Some(root) = &mut self.root {
                Arc::make_mut(root).repair_right_edge();
            }
            self.settle_root();
        }
        removed
    }

    /// Drops an empty root, and roots with one child.
    fn settle_root(&mut self) {
        if self.len == 0 {
            self.root = None;
        }
        while let Some(Node::Inner(children)) = self.root.as_deref()
            && let [only] = children.as_slice()
        {
            self.root = Some(Arc::clone(&only.node));
        }
    }
}

impl<'a, K, V> IntoIterator for &'a PMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K, V> Default for PMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Clone for PMap<K, V> {
    /// O(1), and allocates nothing: the two maps share every node until one is written to.
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for PMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

/// Skips what the two maps share, so a value must be equal to itself.
impl<K: Ord, V: PartialEq> PartialEq for PMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let mut equal = self.len == other.len;
        if equal {
            self.diff(other, V::eq, &mut |_, _, _| equal = false);
        }
        equal
    }
}

impl<K: Ord, V: Eq> Eq for PMap<K, V> {}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for PMap<K, V> {
    /// Of several values of one key, the last stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests;
