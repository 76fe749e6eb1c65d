//! The map against `std`'s `BTreeMap`, with every rule of its tree checked after every operation.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound::{Excluded, Included, Unbounded};

use proptest::prelude::*;

use super::node::{FANOUT_MAX, FANOUT_MIN};
use super::*;

/// Checks what [`Node`] and [`Child`] promise, and returns the height of the tree.
fn check<K: Ord + fmt::Debug, V>(map: &PMap<K, V>) -> usize {
    let Some(root) = &map.root else {
        assert_eq!(map.len, 0, "a map without a root has entries");
        return 0;
    };
    let mut last_key = None;
    let (len, height) = check_node(root, None, None, &mut last_key);
    assert_eq!(map.len, len, "the length is wrong");
    if let Node::Inner(children) = &**root {
        assert!(children.len() >= 2, "the root has one child");
    }
    height
}

/// Checks one node, whose keys are from `low` and below `high`. Returns the entries in it and its height.
fn check_node<'a, K: Ord + fmt::Debug, V>(
    node: &'a Node<K, V>,
    low: Option<&K>,
    high: Option<&K>,
    last_key: &mut Option<&'a K>,
) -> (usize, usize) {
    let is_root = low.is_none();
    let fanout = node.fanout();
    assert!(fanout <= FANOUT_MAX, "{fanout} is too many");
    assert!(fanout >= if is_root { 1 } else { FANOUT_MIN }, "{fanout} is too few");
    match node {
        Node::Leaf(entries) => {
            assert!(entries.capacity() <= FANOUT_MAX, "{} is too much room", entries.capacity());
            for (key, _) in entries {
                assert!(last_key.is_none_or(|last| last < key), "{key:?} is out of order");
                assert!(low.is_none_or(|low| low <= key), "{key:?} is below {low:?}");
                assert!(high.is_none_or(|high| key < high), "{key:?} is not below {high:?}");
                *last_key = Some(key);
            }
            (entries.len(), 1)
        }
        Node::Inner(children) => {
            assert!(children.capacity() <= FANOUT_MAX, "{} is too much room", children.capacity());
            let mut total = 0;
            let mut heights = BTreeSet::new();
            for (at, child) in children.iter().enumerate() {
                assert!(low.is_none_or(|low| *low <= child.low), "{:?} is below {low:?}", child.low);
                let next_low = children.get(at + 1).map(|next| &next.low).or(high);
                assert!(next_low.is_none_or(|next| child.low < *next), "{:?} is out of order", child.low);
                let (len, height) = check_node(&child.node, Some(&child.low), next_low, last_key);
                assert_eq!(child.len, len, "the count of a child is wrong");
                total += len;
                heights.insert(height);
            }
            assert_eq!(heights.len(), 1, "leaves are at several depths");
            (total, 1 + heights.pop_first().unwrap_or(0))
        }
    }
}

fn assert_same<K: Ord + fmt::Debug, V: PartialEq + fmt::Debug>(map: &PMap<K, V>, model: &BTreeMap<K, V>) {
    assert_eq!(map.len(), model.len());
    assert!(map.iter().eq(model), "{map:?} is not {model:?}");
}

/// The addresses of all nodes of a map.
fn nodes<K, V>(map: &PMap<K, V>) -> HashSet<*const Node<K, V>> {
    fn visit<K, V>(node: &Arc<Node<K, V>>, found: &mut HashSet<*const Node<K, V>>) {
        found.insert(Arc::as_ptr(node));
        if let Node::Inner(children) = &**node {
            children.iter().for_each(|child| visit(&child.node, found));
        }
    }
    let mut found = HashSet::new();
    map.root.iter().for_each(|root| visit(root, &mut found));
    found
}

/// The entries that the leaves of a map have memory for.
fn leaf_room<K, V>(map: &PMap<K, V>) -> usize {
    fn visit<K, V>(node: &Node<K, V>) -> usize {
        match node {
            Node::Leaf(entries) => entries.capacity(),
            Node::Inner(children) => children.iter().map(|child| visit(&child.node)).sum(),
        }
    }
    map.root.as_deref().map_or(0, visit)
}

fn diff_list(a: &PMap<u32, u16>, b: &PMap<u32, u16>) -> Vec<(u32, Option<u16>, Option<u16>)> {
    let mut found = Vec::new();
    a.diff(b, u16::eq, &mut |key, a, b| found.push((*key, a.copied(), b.copied())));
    found
}

fn diff_model(a: &BTreeMap<u32, u16>, b: &BTreeMap<u32, u16>) -> Vec<(u32, Option<u16>, Option<u16>)> {
    let keys: BTreeSet<u32> = a.keys().chain(b.keys()).copied().collect();
    let both = keys.into_iter().map(|key| (key, a.get(&key).copied(), b.get(&key).copied()));
    both.filter(|(_, a, b)| a != b).collect()
}

/// `==`, and counts its calls.
fn counting(calls: &Cell<usize>) -> impl Fn(&u16, &u16) -> bool {
    |a, b| {
        calls.set(calls.get() + 1);
        a == b
    }
}

/// Numbers that look random and are the same each run (xorshift32).
fn noise(mut seed: u32) -> impl FnMut() -> u32 {
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(u32, u16),
    InsertRun(u32, u32),
    InsertRunDown(u32, u32),
    Remove(u32),
    RemoveRun(u32, u32),
    RemoveFrom(u32),
    GetMut(u32, u16),
    Range(u32),
    Nth(usize),
    Snapshot,
    Revert,
}

fn op(space: u32) -> impl Strategy<Value = Op> {
    let key = 0..space;
    prop_oneof![
        12 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Op::Insert(key, value)),
        2 => (key.clone(), 1..80u32).prop_map(|(key, count)| Op::InsertRun(key, count)),
        1 => (key.clone(), 1..80u32).prop_map(|(key, count)| Op::InsertRunDown(key, count)),
        12 => key.clone().prop_map(Op::Remove),
        3 => (key.clone(), 1..200u32).prop_map(|(key, count)| Op::RemoveRun(key, count)),
        1 => key.clone().prop_map(Op::RemoveFrom),
        6 => (key.clone(), any::<u16>()).prop_map(|(key, value)| Op::GetMut(key, value)),
        4 => key.prop_map(Op::Range),
        2 => (0..4000usize).prop_map(Op::Nth),
        2 => Just(Op::Snapshot),
        1 => Just(Op::Revert),
    ]
}

/// A space of keys, how many of them to begin with, and what to do then.
fn scenario(space: impl Strategy<Value = u32>, prefill_max: u32) -> impl Strategy<Value = (u32, u32, Vec<Op>)> {
    (space, 0..=prefill_max)
        .prop_flat_map(|(space, prefill)| (Just(space), Just(prefill), prop::collection::vec(op(space), 1..400)))
}

struct Pair {
    map: PMap<u32, u16>,
    model: BTreeMap<u32, u16>,
}

impl Pair {
    fn insert(&mut self, key: u32, value: u16) {
        assert_eq!(self.map.insert(key, value), self.model.insert(key, value));
    }

    /// Removes a key and checks that an absent one makes no copies.
    fn remove(&mut self, key: u32) {
        let before = self.map.clone();
        let expected = self.model.remove(&key);
        assert_eq!(self.map.remove(&key), expected);
        if expected.is_none() {
            assert_eq!(nodes(&before), nodes(&self.map));
        }
    }

    fn apply(&mut self, op: &Op, space: u32) {
        match *op {
            Op::Insert(key, value) => self.insert(key, value),
            Op::InsertRun(key, count) => (key..key + count).for_each(|key| self.insert(key % space, 7)),
            Op::InsertRunDown(key, count) => (key..key + count).rev().for_each(|key| self.insert(key % space, 8)),
            Op::Remove(key) => self.remove(key),
            Op::RemoveRun(key, count) => {
                let keys: Vec<u32> = self.model.range(key..).take(count as usize).map(|(key, _)| *key).collect();
                for key in keys {
                    assert_eq!(self.map.remove(&key), self.model.remove(&key));
                }
            }
            Op::RemoveFrom(key) => {
                let removed = self.map.remove_from(&key);
                assert_eq!(removed, Vec::from_iter(self.model.split_off(&key)));
            }
            Op::GetMut(key, value) => {
                let (here, there) = (self.map.get_mut(&key), self.model.get_mut(&key));
                assert_eq!(here, there);
                if let (Some(here), Some(there)) = (here, there) {
                    (*here, *there) = (value, value);
                }
            }
            Op::Range(key) => {
                assert_eq!(self.map.get(&key), self.model.get(&key));
                assert_eq!(self.map.get_key_value(&key), self.model.get_key_value(&key));
                assert_eq!(self.map.contains_key(&key), self.model.contains_key(&key));
                for bound in [Included(&key), Excluded(&key), Unbounded] {
                    let range = self.map.range_from(bound);
                    assert_eq!(range.len(), self.model.range::<u32, _>((bound, Unbounded)).count());
                    assert!(range.eq(self.model.range::<u32, _>((bound, Unbounded))));
                }
            }
            Op::Nth(index) => assert_eq!(self.map.nth(index), self.model.iter().nth(index)),
            Op::Snapshot | Op::Revert => {}
        }
    }
}

fn run(space: u32, prefill: u32, ops: &[Op]) {
    let mut random = noise(space ^ 0x9E37_79B9);
    let model: BTreeMap<u32, u16> = (0..prefill).map(|at| (random() % space, at as u16)).collect();
    let map = if prefill.is_multiple_of(2) {
        model.iter().map(|(key, value)| (*key, *value)).collect()
    } else {
        let mut keys: Vec<u32> = model.keys().copied().collect();
        keys.sort_by_key(|key| key.wrapping_mul(0x9E37_79B9));
        keys.into_iter().map(|key| (key, model[&key])).collect()
    };
    let mut live = Pair { map, model };
    let mut snapshots = Vec::new();
    for op in ops {
        live.apply(op, space);
        check(&live.map);
        assert_eq!(live.map.first_key_value(), live.model.first_key_value());
        assert_eq!(live.map.last_key_value(), live.model.last_key_value());
        match op {
            Op::Snapshot => snapshots.push(Pair { map: live.map.clone(), model: live.model.clone() }),
            Op::Revert => {
                if let Some(Pair { map, model }) = snapshots.pop() {
                    live = Pair { map, model };
                }
            }
            _ => {}
        }
    }
    assert_same(&live.map, &live.model);
    for snapshot in &snapshots {
        check(&snapshot.map);
        assert_same(&snapshot.map, &snapshot.model);
        assert_eq!(diff_list(&snapshot.map, &live.map), diff_model(&snapshot.model, &live.model));
        assert_eq!(diff_list(&live.map, &snapshot.map), diff_model(&live.model, &snapshot.model));
        assert_eq!(snapshot.map == live.map, snapshot.model == live.model);
    }
    let rebuilt: PMap<u32, u16> = live.model.clone().into_iter().collect();
    assert_eq!(diff_list(&rebuilt, &live.map), []);
    assert_eq!(rebuilt, live.map);
}

proptest! {
    // A failure prints its shortest input, and that belongs in a test here: no regression files in the tree.
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_btreemap_over_few_keys((space, prefill, ops) in scenario(1..100u32, 100)) {
        run(space, prefill, &ops);
    }

    #[test]
    fn agrees_with_a_btreemap_over_many_keys((space, prefill, ops) in scenario(1000..1_000_000u32, 4000)) {
        run(space, prefill, &ops);
    }

    #[test]
    fn comes_back_from_serde(entries in prop::collection::btree_map(any::<u32>(), any::<u16>(), 0..200)) {
        let map: PMap<u32, u16> = entries.clone().into_iter().collect();
        let bytes = rmp_serde::to_vec(&map).expect("a map serializes");
        prop_assert_eq!(&bytes, &rmp_serde::to_vec(&Vec::from_iter(entries)).expect("pairs serialize"));
        let back: PMap<u32, u16> = rmp_serde::from_slice(&bytes).expect("what was written is read");
        check(&back);
        prop_assert_eq!(back, map);
    }
}

#[test]
fn an_empty_map_allocates_nothing() {
    const EMPTY: PMap<u64, u64> = PMap::new();
    assert_eq!(size_of::<PMap<u64, u64>>(), 2 * size_of::<usize>());
    let mut map = EMPTY;
    for count in [1, 2, 40, 1000] {
        assert!(map.root.is_none() && map.is_empty() && map.node_count() == 0);
        assert_eq!((map.first_key_value(), map.last_key_value(), map.nth(0)), (None, None, None));
        (0..count).for_each(|key| assert_eq!(map.insert(key, key), None));
        (0..count).for_each(|key| assert_eq!(map.remove(&key), Some(key)));
        assert!(map.root.is_none());
        (0..count).for_each(|key| assert_eq!(map.insert(key, key), None));
        assert_eq!(map.remove_from(&0).len() as u64, count);
    }
    assert!(map.root.is_none());
}

#[test]
fn a_tiny_map_is_one_node_of_about_its_length() {
    for len in 1..=4 {
        let mut map: PMap<u64, u64> = (0..len).map(|key| (key, key)).collect();
        assert_eq!((map.node_count(), leaf_room(&map)), (1, len as usize));
        // What has shrunk to this length is not much larger than what has grown to it.
        (len..32).for_each(|key| assert_eq!(map.insert(key, key), None));
        (len..32).for_each(|key| assert_eq!(map.remove(&key), Some(key)));
        assert!(leaf_room(&map) <= len as usize + len as usize / 2 + 2);
    }
}

#[test]
fn a_map_filled_in_order_is_compact() {
    // Downward, inner nodes split evenly: the new child comes second.
    let up: PMap<u64, u64> = (0..10_000).map(|key| (key, key)).collect();
    let down: PMap<u64, u64> = (0..10_000).rev().map(|key| (key, key)).collect();
    for (map, inner_fanout) in [(up, 24), (down, 16)] {
        assert!(map.node_count() <= 10_000 / 24 + 10_000 / 24 / inner_fanout + 3, "{} nodes", map.node_count());
        assert!(leaf_room(&map) <= 10_000 + FANOUT_MAX, "room for {} entries", leaf_room(&map));
    }
}

#[test]
fn a_deep_tree_shrinks_in_any_order() {
    const COUNT: u32 = 40_000;
    let mut random = noise(1);
    let mut keys: Vec<u32> = (0..COUNT).collect();
    for (name, order) in ["up", "down", "shuffled"].into_iter().enumerate().map(|(at, name)| (name, at)) {
        let mut map: PMap<u32, u16> = (0..COUNT).map(|key| (key, 1)).collect();
        assert_eq!(check(&map), 4, "the tree is not deep enough to test");
        match order {
            0 => keys.sort_unstable(),
            1 => keys.sort_unstable_by(|a, b| b.cmp(a)),
            _ => keys.sort_by_cached_key(|_| random()),
        }
        for (done, key) in keys.iter().enumerate() {
            assert_eq!(map.remove(key), Some(1), "{name}");
            if done.is_multiple_of(499) {
                check(&map);
            }
        }
        assert!(map.root.is_none());
    }
}

#[test]
fn remove_from_cuts_a_deep_tree_anywhere() {
    let mut random = noise(2);
    let full: PMap<u32, u16> = (0..40_000).map(|key| (key * 2, 1)).collect();
    let shared = nodes(&full);
    for round in 0..300 {
        let from = if round < 60 { 80_000 - round } else { random() % 80_010 };
        let mut map = full.clone();
        let removed = map.remove_from(&from);
        check(&map);
        let kept = from.div_ceil(2).min(40_000);
        assert_eq!(map.len(), kept as usize);
        assert!(map.iter().map(|(key, _)| *key).eq((0..kept).map(|key| key * 2)));
        assert!(removed.iter().map(|(key, _)| *key).eq((kept..40_000).map(|key| key * 2)));
        // Only the right edge is new, with at most one sibling taken in on each level.
        assert!(nodes(&map).difference(&shared).count() <= 8);
    }
    check(&full);
    assert_eq!(full.len(), 40_000);
}

#[test]
fn a_write_to_a_clone_copies_only_its_path() {
    let original: PMap<u32, u16> = (0..10_000).map(|key| (key * 2, 1)).collect();
    let height = check(&original);
    let before = nodes(&original);
    assert_eq!(before.len(), original.node_count());

    let mut random = noise(3);
    for _ in 0..200 {
        let key = random() % 20_000;
        let mut inserted = original.clone();
        assert_eq!(nodes(&inserted), before, "a clone shares everything");
        inserted.insert(key | 1, 2);
        let copied = nodes(&inserted).difference(&before).count();
        assert!(copied >= height && copied <= 2 * height + 1, "{copied} nodes of a height of {height}");
        assert_eq!(nodes(&inserted).len(), inserted.node_count());

        let mut changed = original.clone();
        changed.get_mut(&(key & !1)).map(|value| *value = 2).expect("even keys are there");
        assert_eq!(nodes(&changed).difference(&before).count(), height);

        let mut removed = original.clone();
        assert_eq!(removed.remove(&(key & !1)), Some(1));
        assert!(nodes(&removed).difference(&before).count() <= 2 * height);
    }
    assert_eq!(nodes(&original), before);
    assert!(original.iter().all(|(_, value)| *value == 1));
}

#[test]
fn absent_keys_copy_nothing_and_own_nodes_stay_in_place() {
    let original: PMap<u32, u16> = (0..5000).map(|key| (key * 2, 1)).collect();
    let before = nodes(&original);
    let mut clone = original.clone();
    assert_eq!(clone.get_mut(&77), None);
    assert_eq!(clone.remove(&77), None);
    assert_eq!(clone.remove_from(&10_000), []);
    assert_eq!(nodes(&clone), before);

    // The root and one path are the clone's own now; the nodes beside them are still shared.
    clone.insert(9000, 2);
    let partly_shared = nodes(&clone);
    assert_eq!(clone.get_mut(&77), None);
    assert_eq!(clone.remove(&77), None);
    assert_eq!(nodes(&clone), partly_shared);
    clone = original.clone();

    drop(original);
    *clone.get_mut(&78).expect("even keys are there") = 3;
    clone.insert(80, 3);
    assert_eq!(nodes(&clone), before, "an unshared map is written in place");
}

#[test]
fn diff_opens_only_what_differs() {
    let original: PMap<u32, u16> = (0..10_000).map(|key| (key * 2, 1)).collect();
    let mut changed = original.clone();
    changed.insert(5001, 2);
    *changed.get_mut(&12_000).expect("even keys are there") = 3;
    changed.remove(&18_000);
    let compared = Cell::new(0);
    let mut found = Vec::new();
    original.diff(&changed, counting(&compared), &mut |key, a, b| found.push((*key, a.copied(), b.copied())));
    assert_eq!(found, [(5001, None, Some(2)), (12_000, Some(1), Some(3)), (18_000, Some(1), None)]);
    assert!(compared.get() <= 4 * FANOUT_MAX, "{} values were compared", compared.get());
    assert_eq!(original.clone(), original);
}

#[test]
fn diff_skips_shared_nodes_of_trees_of_different_heights() {
    let small: PMap<u32, u16> = (0..500).map(|key| (key, 1)).collect();
    let mut large = small.clone();
    (1000..40_000).for_each(|key| assert_eq!(large.insert(key, 1), None));
    assert!(check(&large) > check(&small));
    let compared = Cell::new(0);
    let mut only_in_large = 0;
    small.diff(&large, counting(&compared), &mut |_, a, _| only_in_large += usize::from(a.is_none()));
    assert_eq!(only_in_large, 39_000);
    assert!(compared.get() <= FANOUT_MAX, "{} values were compared", compared.get());
}

#[test]
fn names_are_looked_up_by_slice() {
    let names: [&[u8]; 4] = [b"usr", b"bin", b"", b"usr2"];
    let mut map: PMap<Arc<[u8]>, u32> = names.iter().zip(0..).map(|(name, at)| (Arc::from(*name), at)).collect();
    assert_eq!(map.get(b"bin".as_slice()), Some(&1));
    assert_eq!(map.get(b"lib".as_slice()), None);
    let after: Vec<&u32> = map.range_from(Excluded(b"bin".as_slice())).map(|(_, at)| at).collect();
    assert_eq!(after, [&0, &3]);
    let bytes = rmp_serde::to_vec(&map).expect("a directory serializes");
    assert_eq!(rmp_serde::from_slice::<PMap<Arc<[u8]>, u32>>(&bytes).expect("it is read again"), map);
    *map.get_mut(b"usr".as_slice()).expect("usr is there") = 9;
    assert_eq!(map.remove(b"usr".as_slice()), Some(9));
    assert_eq!(map.remove_from(b"c".as_slice()), [(Arc::from(b"usr2".as_slice()), 3)]);
    assert_eq!(format!("{map:?}"), "{[]: 2, [98, 105, 110]: 1}");
}

#[test]
fn a_range_does_not_borrow_its_bound() {
    let map: PMap<u32, u16> = (0..100).map(|key| (key, 1)).collect();
    let range = {
        let key = 98;
        map.range_from(Included(&key))
    };
    assert_eq!(range.len(), 2);
}

#[test]
fn the_last_of_equal_keys_stays() {
    let map: PMap<u32, u16> = [(1, 1), (2, 2), (1, 3)].into_iter().collect();
    assert_eq!(Vec::from_iter(&map), [(&1, &3), (&2, &2)]);
    assert_ne!(map, PMap::default());
}

#[test]
fn serialized_keys_out_of_order_are_refused() {
    for (pairs, message) in [
        (vec![(1u32, 1u16), (3, 1), (2, 1)], "the key of entry 2 is below the key before it"),
        (vec![(1, 1), (1, 1)], "the key of entry 1 repeats the key before it"),
    ] {
        let bytes = rmp_serde::to_vec(&pairs).expect("pairs serialize");
        let error = rmp_serde::from_slice::<PMap<u32, u16>>(&bytes).expect_err("the order is wrong");
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_serialized_length_is_not_trusted() {
    // A MessagePack array of 2^32 - 1 elements, of which one pair is there.
    let bytes = [0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 0x92, 0x01, 0x01];
    assert!(rmp_serde::from_slice::<PMap<u32, u16>>(&bytes).is_err());
    assert!(rmp_serde::from_slice::<PMap<u32, u16>>(&[0x81, 0x01, 0x01]).is_err(), "a map is not a sequence");
}
