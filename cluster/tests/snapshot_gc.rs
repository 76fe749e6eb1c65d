//! What nothing needs goes, and nothing else does, whatever comes between.

#[path = "snapshot/trees.rs"]
mod trees;

use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use trees::{Bench, assert_same, noise};
use warren_cluster::snapshot::gc::{Condemned, Named};
use warren_cluster::snapshot::objects::MemoryObjects;
use warren_cluster::snapshot::{SnapshotOptions, SnapshotRef};
use warren_kernel::extent::BLOCK;
use warren_kernel::host::Timestamp;
use warren_kernel::vfs::inodes::Inodes;

const GRACE: i64 = 3600;

/// Sessions of one tenant, on a clock that is set.
struct World {
    bench: Bench,
    clock: Arc<AtomicI64>,
    /// What each session's record says.
    records: BTreeMap<u8, (SnapshotRef, Inodes)>,
    /// Snapshots written and not in a record yet: session, root, tree, when they were begun.
    written: Vec<(u8, SnapshotRef, Inodes, i64)>,
    trees: u8,
}

impl World {
    fn new() -> World {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let now = clock.clone();
        let options = SnapshotOptions {
            grace: Duration::from_secs(GRACE as u64),
            now: Arc::new(move || Timestamp::from_seconds(now.load(Ordering::Relaxed))),
            ..SnapshotOptions::default()
        };
        let bench = Bench::with(Arc::new(MemoryObjects::default()), options);
        let world = World { bench, clock, records: BTreeMap::new(), written: Vec::new(), trees: 0 };
        world.pass(0);
        world
    }

    fn pass(&self, seconds: i64) {
        let now = self.clock.fetch_add(seconds, Ordering::Relaxed) + seconds;
        self.bench.store.set_time(Timestamp::from_seconds(now));
    }

    fn now(&self) -> i64 {
        self.clock.load(Ordering::Relaxed)
    }

    /// Writes a snapshot of a session that holds this content, from nothing: others may hold it too.
    fn write(&mut self, session: u8, content: u8) {
        let mut own = Bench::with(self.bench.store.clone(), SnapshotOptions::default());
        self.trees = self.trees.wrapping_add(1);
        own.file(&[b'a' + session], &noise(40_000, content));
        let tree = own.live();
        let began = self.now();
        let root = self.bench.write_full(&tree);
        self.written.push((session, root, tree, began));
    }

    /// Enters the oldest snapshot written, unless it took too long.
    fn enter(&mut self) {
        if !self.written.is_empty() {
            let (session, root, tree, began) = self.written.remove(0);
            if self.now() - began < GRACE / 2 {
                self.records.insert(session, (root, tree));
            }
        }
    }

    fn named(&self) -> Named {
        let mut named = Named::default();
        self.records.values().for_each(|(root, _)| named.add(root).expect("a table"));
        named
    }

    fn assert_whole(&self) {
        for (root, tree) in self.records.values() {
            assert_eq!(self.bench.verify(root).faults, vec![]);
            assert_same(&self.bench.layer, tree, &self.bench.wake(root));
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Write(u8, u8),
    Enter,
    Drop(u8),
    Pass(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..3_u8, 0..4_u8).prop_map(|(session, content)| Act::Write(session, content)),
        4 => Just(Act::Enter),
        2 => (0..3_u8).prop_map(Act::Drop),
        3 => (1..GRACE).prop_map(Act::Pass),
    ]
}

fn run(world: &mut World, acts: &[Act]) {
    for act in acts {
        match act {
            Act::Write(session, content) => world.write(*session, *content),
            Act::Enter => world.enter(),
            Act::Drop(session) => {
                world.records.remove(session);
            }
            Act::Pass(seconds) => world.pass(*seconds),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_pass_never_takes_what_a_record_names(
        rounds in prop::collection::vec((prop::collection::vec(act(), 0..6), prop::collection::vec(act(), 0..4)), 1..12),
    ) {
        let mut condemned = Condemned::default();
        let world = RefCell::new(World::new());
        for (before, between) in rounds {
            run(&mut world.borrow_mut(), &before);
            let snapshots = world.borrow().bench.snapshots.clone();
            let named = RefCell::new(Named::default());
            // Things happen between the look at the records and the deletions.
            let now_named = || {
                *named.borrow_mut() = world.borrow().named();
                run(&mut world.borrow_mut(), &between);
                let named = named.borrow().clone();
                std::future::ready(Ok(named))
            };
            poll_here(snapshots.sweep(&mut condemned, now_named)).expect("a store in memory");
            world.borrow().assert_whole();
        }
    }
}

/// Runs a future outside of every runtime, so that what it calls may wait for one. A store in memory keeps nobody waiting.
fn poll_here<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
    }
}

#[test]
fn what_nothing_names_goes_after_two_graces_and_not_before() {
    let mut world = World::new();
    world.write(0, 1);
    world.write(1, 2);
    world.enter();
    world.enter();
    world.records.remove(&0);
    let mut condemned = Condemned::default();
    let mut sweep = |world: &World| {
        let named = world.named();
        let swept = world.bench.block_on(world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Ok(named))));
        swept.expect("a store in memory")
    };
    assert_eq!((sweep(&world).condemned, world.bench.packs()), (0, 2), "it is young");
    world.pass(GRACE);
    assert_eq!((sweep(&world).condemned, world.bench.packs()), (1, 2));
    world.pass(GRACE - 1);
    assert_eq!((sweep(&world).deleted, world.bench.packs()), (0, 2));
    world.pass(1);
    assert_eq!((sweep(&world).deleted, world.bench.packs()), (1, 1));
    world.assert_whole();
    assert_eq!(sweep(&world).condemned, 0);
}

#[test]
fn packs_of_blobs_in_memory_stay() {
    let mut world = World::new();
    world.write(0, 1);
    world.enter();
    let (root, _) = world.records.remove(&0).expect("a record");
    let woken = world.bench.wake(&root);
    let mut condemned = Condemned::default();
    for _ in 0..4 {
        world.pass(GRACE);
        let sweep = world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Ok(Named::default())));
        assert_eq!(world.bench.block_on(sweep).expect("a store in memory").deleted, 0);
    }
    drop(woken);
    for _ in 0..2 {
        world.pass(GRACE);
        let sweep = world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Ok(Named::default())));
        world.bench.block_on(sweep).expect("a store in memory");
    }
    assert_eq!(world.bench.packs(), 0);
}

#[test]
fn a_root_that_cannot_be_read_stops_the_pass() {
    let world = World::new();
    let mut condemned = Condemned::default();
    let failed = warren_cluster::snapshot::SnapshotError::Reference("its table has a pack twice");
    let sweep = world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Err(failed.clone())));
    assert_eq!(world.bench.block_on(sweep), Err(failed));
}

#[test]
fn packs_that_are_mostly_dead_are_left_for_new_ones() {
    let mut bench = Bench::new();
    let mut files = Vec::new();
    for number in 0..40_u8 {
        files.push(bench.file(&[number + 65], &noise(3 * BLOCK as usize, number)));
    }
    let kept = bench.checkpoint();
    for number in 0..36_u8 {
        bench.unlink(&[number + 65]);
    }
    let root = bench.checkpoint();
    let old: Vec<_> = kept.packs().expect("a table").iter().map(|row| row.pack).collect();
    let new = root.packs().expect("a table");
    assert!(new.iter().all(|row| !old.contains(&row.pack)), "{new:?}");
    assert!(new.iter().map(|row| row.bytes).sum::<u64>() < 2 << 20, "{new:?}");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
    assert_eq!(new.iter().map(|row| row.refs).sum::<u64>(), bench.count_refs(&root));
    // And it goes on from there.
    bench.write(files[39], 5, b"more");
    let root = bench.checkpoint();
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
}

#[test]
fn hundreds_of_small_checkpoints_do_not_pile_up_packs() {
    let mut bench = Bench::new();
    for number in 0..300_u32 {
        bench.file(format!("file{number}").as_bytes(), &noise(2000, number as u8));
        let root = bench.checkpoint();
        let packs = root.packs().expect("a table").len();
        assert!(packs <= 65, "{packs} packs after {number} checkpoints");
    }
    let root = bench.checkpoint();
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
    assert_eq!(bench.verify(&root).faults, vec![]);
}

#[test]
fn a_session_woken_before_a_compaction_still_reads_what_it_has_not_read() {
    let mut bench = Bench::new();
    for number in 0..20_u8 {
        bench.file(&[number + 65], &noise(2 * BLOCK as usize, number));
    }
    let root = bench.checkpoint();
    let woken = bench.wake(&root);
    let expected = bench.live();
    let compacted = bench.block_on(bench.snapshots.compact(&root)).expect("compacted");
    assert_eq!(compacted, root, "it is full already");
    assert_same(&bench.layer, &expected, &woken);
}

#[test]
fn what_is_condemned_is_remembered_over_a_restart() {
    let mut world = World::new();
    world.write(0, 1);
    world.pass(GRACE);
    let mut condemned = Condemned::default();
    for (condemned_then, deleted) in [(1, 0), (0, 1)] {
        let sweep = world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Ok(Named::default())));
        let sweep = world.bench.block_on(sweep).expect("a store in memory");
        assert_eq!((sweep.condemned, sweep.deleted), (condemned_then, deleted));
        condemned = rmp_serde::from_slice(&rmp_serde::to_vec_named(&condemned).expect("bytes")).expect("condemned");
        world.pass(GRACE);
    }
}

#[test]
fn a_pack_that_one_look_at_the_records_missed_is_spared_by_the_next() {
    let mut world = World::new();
    world.write(0, 1);
    world.enter();
    world.pass(3 * GRACE);
    let mut condemned = Condemned::default();
    // A fork and a deletion on both sides of the look hide the only name.
    for (named, condemned_then) in [(Named::default(), 1), (world.named(), 0), (Named::default(), 1)] {
        let sweep = world.bench.snapshots.sweep(&mut condemned, || std::future::ready(Ok(named)));
        let sweep = world.bench.block_on(sweep).expect("a store in memory");
        assert_eq!((sweep.condemned, sweep.deleted), (condemned_then, 0));
        world.pass(GRACE);
    }
    world.assert_whole();
}
