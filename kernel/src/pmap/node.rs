//! The nodes of a [`PMap`](super::PMap): how one is searched, split, filled up and copied.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::mem;
use std::sync::Arc;

/// Entries in a leaf, or children in an inner node, at most.
pub(super) const FANOUT_MAX: usize = 32;

/// Entries or children in a node other than the root, at least. A quarter, not the usual half, so that a map filled
/// in key order can leave its nodes three quarters full when they split.
pub(super) const FANOUT_MIN: usize = FANOUT_MAX / 4;

const _: () = assert!(FANOUT_MIN >= 4, "repair_right_edge takes up to two children from a node at the minimum");

/// All leaves are at one depth. No node is empty, and every inner node has two children or more.
#[derive(Clone, Debug)]
pub(super) enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<Child<K, V>>),
}

#[derive(Clone, Debug)]
pub(super) struct Child<K, V> {
    /// At most every key in `node` and every low key in it, and above every key of the child before.
    pub(super) low: K,
    /// Entries below `node`.
    pub(super) len: usize,
    pub(super) node: Arc<Node<K, V>>,
}

/// What [`Node::insert`] did.
pub(super) enum Inserted<K, V> {
    Replaced(V),
    Added,
    /// Added, and the upper part of the node moved to a new one, to be put behind it.
    Split(Child<K, V>),
}

impl<K, V> Node<K, V> {
    /// Entries of a leaf, children of an inner node.
    pub(super) fn fanout(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Inner(children) => children.len(),
        }
    }

    pub(super) fn node_count(&self) -> usize {
        match self {
            Node::Leaf(_) => 1,
            Node::Inner(children) => 1 + children.iter().map(|child| child.node.node_count()).sum::<usize>(),
        }
    }
}

impl<K: Ord, V> Node<K, V> {
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&(K, V)>
    where
        K: Borrow<Q>,
    {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(entries) => return Some(&entries[find_entry(entries, key).ok()?]),
                Node::Inner(children) => node = &children[find_child(children, key)?].node,
            }
        }
    }
}

impl<K: Ord + Clone, V: Clone> Node<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V) -> Inserted<K, V> {
        let upper = match self {
            Node::Leaf(entries) => match find_entry(entries, &key) {
                Ok(at) => return Inserted::Replaced(mem::replace(&mut entries[at].1, value)),
                Err(at) => insert_or_split(entries, at, (key, value)).map(Node::Leaf),
            },
            Node::Inner(children) => {
                let at = find_child(children, &key).unwrap_or_else(|| {
                    children[0].low = key.clone();
                    0
                });
                let child = &mut children[at];
                match Arc::make_mut(&mut child.node).insert(key, value) {
                    Inserted::Replaced(old) => return Inserted::Replaced(old),
                    Inserted::Added => {
                        child.len += 1;
                        None
                    }
                    Inserted::Split(right) => {
                        child.len = child.len + 1 - right.len;
                        insert_or_split(children, at + 1, right).map(Node::Inner)
                    }
                }
            }
        };
        upper.map_or(Inserted::Added, |upper| Inserted::Split(Child::over(Arc::new(upper))))
    }

    /// Takes out `key`. May leave this node, but none below it, under the minimum.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        match self {
            Node::Leaf(entries) => {
                let (_, value) = entries.remove(find_entry(entries, key).ok()?);
                give_back(entries);
                Some(value)
            }
            Node::Inner(children) => {
                let at = find_child(children, key)?;
                let removed = own(&mut children[at].node, key)?.remove(key)?;
                children[at].len -= 1;
                repair(children, at);
                Some(removed)
            }
        }
    }

    /// Moves every entry from `from` on to `removed`. May leave the nodes on the right edge, this one included, under
    /// the minimum or empty.
    pub(super) fn remove_from<Q: Ord + ?Sized>(&mut self, from: &Q, removed: &mut Vec<(K, V)>)
    where
        K: Borrow<Q>,
    {
        match self {
            Node::Leaf(entries) => {
                let at = find_entry(entries, from).unwrap_or_else(|at| at);
                removed.extend(entries.drain(at..));
                give_back(entries);
            }
            Node::Inner(children) => {
                let whole = children.split_off(children.partition_point(|child| child.low.borrow() < from));
                if let Some(edge) = children.last_mut() {
                    let before = removed.len();
                    Arc::make_mut(&mut edge.node).remove_from(from, removed);
                    edge.len -= removed.len() - before;
                }
                for child in whole {
                    drain(child.node, removed);
                }
                give_back(children);
            }
        }
    }

    /// Brings the nodes on the right edge below this one back to the minimum. The node itself has more than one
    /// child, and may lose two.
    ///
    /// A child must be filled before its own last child is, to have a sibling for it, and again after, as that may
    /// have merged two children of it into one.
    pub(super) fn repair_right_edge(&mut self) {
        if let Node::Inner(children) = self {
            repair(children, children.len() - 1);
            if let Some(edge) = children.last_mut() {
                Arc::make_mut(&mut edge.node).repair_right_edge();
            }
            repair(children, children.len() - 1);
        }
    }
}

/// `node`, to change `key` in it. A shared one is searched before it is copied: `None` when `key` is not there.
pub(super) fn own<'a, K, V, Q>(node: &'a mut Arc<Node<K, V>>, key: &Q) -> Option<&'a mut Node<K, V>>
where
    K: Borrow<Q> + Ord + Clone,
    V: Clone,
    Q: Ord + ?Sized,
{
    if Arc::strong_count(node) > 1 {
        node.get(key)?;
    }
    Some(Arc::make_mut(node))
}

impl<K: Clone, V> Child<K, V> {
    pub(super) fn over(node: Arc<Node<K, V>>) -> Self {
        let (low, len) = match &*node {
            Node::Leaf(entries) => (entries[0].0.clone(), entries.len()),
            Node::Inner(children) => (children[0].low.clone(), children.iter().map(|child| child.len).sum()),
        };
        Self { low, len, node }
    }
}

/// Where `key` is, or else would be, as `binary_search` has it.
pub(super) fn find_entry<K: Borrow<Q>, V, Q: Ord + ?Sized>(entries: &[(K, V)], key: &Q) -> Result<usize, usize> {
    search::<K, _>(entries, |(entry, _)| entry.borrow().cmp(key))
}

/// The only child that may hold `key`. `None` when `key` is below every child.
pub(super) fn find_child<K: Borrow<Q>, V, Q: Ord + ?Sized>(children: &[Child<K, V>], key: &Q) -> Option<usize> {
    search::<K, _>(children, |child| child.low.borrow().cmp(key)).map_or_else(|at| at.checked_sub(1), Some)
}

/// `slice::binary_search_by`, which makes no branches. That is best for plain keys like numbers, but slow for keys
/// behind pointers, such as names: with branches the processor fetches the next key before it has compared the last
/// one, which halves the time. Keys that own something are taken to be of this kind.
fn search<K, T>(items: &[T], compare: impl Fn(&T) -> Ordering) -> Result<usize, usize> {
    if !mem::needs_drop::<K>() {
        return items.binary_search_by(compare);
    }
    let (mut start, mut end) = (0, items.len());
    while start < end {
        let middle = start.midpoint(end);
        match compare(&items[middle]) {
            Ordering::Less => start = middle + 1,
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => end = middle,
        }
    }
    Err(start)
}

/// Puts `item` at `at`. A full node is split first, and its upper part returned: evenly, or, where keys seem to
/// come in order, so that the part they move away from is the fuller one.
fn insert_or_split<T>(items: &mut Vec<T>, at: usize, item: T) -> Option<Vec<T>> {
    if items.len() < FANOUT_MAX {
        insert_exact(items, at, item);
        return None;
    }
    let cut = match at {
        0 => FANOUT_MIN,
        FANOUT_MAX => FANOUT_MAX - FANOUT_MIN,
        _ => FANOUT_MAX / 2,
    };
    let mut upper = items.split_off(cut);
    if at < cut {
        insert_exact(items, at, item);
    } else {
        insert_exact(&mut upper, at - cut, item);
    }
    items.shrink_to_fit();
    Some(upper)
}

/// `Vec::insert`, but a full vector grows by half and never beyond a node's fan-out.
fn insert_exact<T>(items: &mut Vec<T>, at: usize, item: T) {
    let len = items.len();
    if len == items.capacity() {
        items.reserve_exact((len / 2).min(FANOUT_MAX - len).max(1));
    }
    items.insert(at, item);
}

/// Frees the spare capacity of a vector that has shrunk well below it. The slack kept is more than
/// [`insert_exact`] adds, so an insert and a remove in turn do not reallocate each time.
fn give_back<T>(items: &mut Vec<T>) {
    if items.capacity() > items.len() + items.len() / 2 + 2 {
        items.shrink_to_fit();
    }
}

/// If the child at `at` is under the minimum, merges it with a sibling, or evens the two out when they are too much
/// for one node. An only child is left as it is.
fn repair<K: Clone, V: Clone>(children: &mut Vec<Child<K, V>>, at: usize) {
    if children.len() < 2 || children[at].node.fanout() >= FANOUT_MIN {
        return;
    }
    let at = at.saturating_sub(1);
    let right = children.remove(at + 1);
    let left = &mut children[at];
    let total_len = left.len + right.len;
    let upper = match (Arc::make_mut(&mut left.node), Arc::unwrap_or_clone(right.node)) {
        (Node::Leaf(lower), Node::Leaf(upper)) => join_or_even_out(lower, upper).map(Node::Leaf),
        (Node::Inner(lower), Node::Inner(upper)) => join_or_even_out(lower, upper).map(Node::Inner),
        _ => unreachable!("siblings are of one height"),
    };
    let right = upper.map(|upper| Child::over(Arc::new(upper)));
    left.len = total_len - right.as_ref().map_or(0, |right| right.len);
    match right {
        Some(right) => children.insert(at + 1, right),
        None => give_back(children),
    }
}

/// Appends `upper` to `lower`, and takes the upper half off again when that is too much for one node.
fn join_or_even_out<T>(lower: &mut Vec<T>, mut upper: Vec<T>) -> Option<Vec<T>> {
    lower.reserve_exact(upper.len());
    lower.append(&mut upper);
    if lower.len() <= FANOUT_MAX {
        return None;
    }
    let upper = lower.split_off(lower.len() / 2);
    lower.shrink_to_fit();
    Some(upper)
}

/// Moves all entries below `node` to `removed`; those of nodes shared with another map are cloned.
fn drain<K: Clone, V: Clone>(node: Arc<Node<K, V>>, removed: &mut Vec<(K, V)>) {
    match Arc::unwrap_or_clone(node) {
        Node::Leaf(entries) => removed.extend(entries),
        Node::Inner(children) => children.into_iter().for_each(|child| drain(child.node, removed)),
    }
}
