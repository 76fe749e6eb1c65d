//! Trees go into a store and come back exactly, checkpoint by checkpoint.

#[path = "snapshot/trees.rs"]
mod trees;

use proptest::prelude::*;
use trees::{Bench, Op, assert_same, ops};
use warren_kernel::extent::BLOCK;
use warren_kernel::vfs::change::BlockImage;

#[test]
fn a_tree_comes_back_exactly_and_no_file_bytes_are_read_for_it() {
    let mut bench = Bench::new();
    for (number, op) in Op::all_kinds().into_iter().enumerate() {
        bench.apply(&op, number as i64);
    }
    let root = bench.checkpoint();
    let packs = bench.packs();
    assert_eq!(packs, 1, "a small checkpoint is one object");
    let (delta, _) = bench.read(&root);
    let stored = delta.blocks.iter().flat_map(|range| &range.blocks);
    assert!(stored.clone().count() > 0);
    assert!(stored.clone().all(|(_, image)| !matches!(image, BlockImage::Bytes(_))), "blocks load themselves later");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
}

#[test]
fn a_checkpoint_without_a_change_writes_nothing_for_a_hundred_generations() {
    let mut bench = Bench::new();
    for (number, op) in Op::all_kinds().into_iter().enumerate() {
        bench.apply(&op, number as i64);
    }
    let root = bench.checkpoint();
    let objects = bench.packs();
    for _ in 0..100 {
        let tree = bench.wake(&root);
        bench.resume(tree, &root);
        assert_eq!(bench.checkpoint(), root);
    }
    assert_eq!(bench.packs(), objects);
}

#[test]
fn one_changed_block_of_a_large_file_stores_little_more_than_that_block() {
    let mut bench = Bench::new();
    let bytes: Vec<u8> = (0..40 * BLOCK).map(|at| (at.wrapping_mul(at) >> 11) as u8 ^ (at % 251) as u8).collect();
    let ino = bench.file(b"large", &bytes);
    let first = bench.checkpoint();
    let before = bench.stored_bytes();
    bench.write(ino, 17 * BLOCK + 5, b"changed");
    let second = bench.checkpoint();
    let more = bench.stored_bytes() - before;
    assert!(more < 2 * BLOCK, "{more} bytes more");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&second));
    assert_ne!(first, second);
}

#[test]
fn the_same_bytes_are_stored_once() {
    let mut bench = Bench::new();
    let bytes: Vec<u8> = (0..300_000_u64).map(|at| ((at * at * 31) >> 7) as u8).collect();
    bench.file(b"one", &bytes);
    bench.checkpoint();
    let before = bench.stored_bytes();
    bench.file(b"two", &bytes);
    let root = bench.checkpoint();
    let more = bench.stored_bytes() - before;
    assert!(more < 4096, "{more} bytes more");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
}

#[test]
fn a_large_directory_is_stored_by_what_changed_in_it() {
    let mut bench = Bench::new();
    for number in 0..5000 {
        bench.file(format!("name-{number:05}").as_bytes(), b"");
    }
    bench.checkpoint();
    let before = bench.stored_bytes();
    bench.file(b"name-02500x", b"");
    let root = bench.checkpoint();
    let more = bench.stored_bytes() - before;
    assert!(more < 24 * 1024, "{more} bytes more");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
}

#[test]
fn a_file_with_far_apart_blocks_has_its_map_in_lists() {
    let mut bench = Bench::new();
    let ino = bench.file(b"sparse", b"first");
    for number in 1..600_u64 {
        bench.write(ino, number * 128 * BLOCK + number, &number.to_le_bytes());
    }
    let root = bench.checkpoint();
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
    bench.write(ino, 300 * 128 * BLOCK, b"again");
    let root = bench.checkpoint();
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
    bench.unlink(b"sparse");
    let root = bench.checkpoint();
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
    assert!(root.packs().expect("a table").len() == 1, "nothing of the file is named any more: {:?}", root.packs());
}

#[test]
fn a_session_of_nothing_but_its_layer_is_empty() {
    let mut bench = Bench::new();
    let root = bench.checkpoint();
    assert!(root.is_empty());
    assert_eq!((bench.packs(), root.packs().expect("a table").len()), (0, 0));
    assert_same(&bench.layer, &bench.live(), &bench.wake(&root));
}

#[test]
fn going_back_to_another_snapshot_stores_no_bytes_again() {
    let mut bench = Bench::new();
    let bytes: Vec<u8> = (0..20 * BLOCK).map(|at| (at.wrapping_mul(at * 7) >> 9) as u8).collect();
    let ino = bench.file(b"file", &bytes);
    let first = bench.checkpoint();
    for block in 0..20 {
        bench.write(ino, block * BLOCK, b"overwritten, block by block");
    }
    bench.checkpoint();
    let before = bench.stored_bytes();
    let old = bench.wake(&first);
    bench.go_back(old);
    let third = bench.checkpoint();
    let more = bench.stored_bytes() - before;
    assert!(more < 8192, "{more} bytes more");
    assert_same(&bench.layer, &bench.live(), &bench.wake(&third));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_tree_comes_back(steps in ops(120)) {
        let mut bench = Bench::new();
        for (number, op) in steps.iter().enumerate() {
            bench.apply(op, number as i64);
        }
        let root = bench.checkpoint();
        let woken = bench.wake(&root);
        assert_same(&bench.layer, &bench.live(), &woken);
        // From nothing, with a store of its own and with this one, it is the same tree.
        let full = bench.write_full(&bench.live());
        assert_same(&bench.layer, &bench.live(), &bench.wake(&full));
        let mut refs: Vec<u64> = root.packs().expect("a table").iter().map(|row| row.refs).collect();
        refs.sort_unstable();
        prop_assert_eq!(refs.iter().sum::<u64>(), bench.count_refs(&root), "references are counted exactly");
        let report = bench.verify(&root);
        prop_assert_eq!(report.faults, vec![]);
    }
}
