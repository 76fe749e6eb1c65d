use super::*;
use crate::blob::{Blobs, SharedBytes};
use crate::errno::Errno;
use crate::vfs::inodes::{Birth, ROOT_INO};
use crate::vfs::memory::Tree;
use crate::vfs::memory::tests::{Op, assert_sound, dump, layer, op, perform, tree};
use proptest::prelude::*;

/// No content may be asked for: all of it is in the copy.
struct Nothing;

impl Blobs for Nothing {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Err(Errno::EIO)
    }
}

fn nothing() -> Arc<dyn Blobs> {
    Arc::new(Nothing)
}

fn brought_to_now(tree: &Tree, from: &Inodes, delta: &Delta) {
    let wire = rmp_serde::to_vec_named(delta).unwrap();
    let delta: Delta = rmp_serde::from_slice(&wire).unwrap();
    let once = apply(from, &delta, &nothing()).expect("our own delta fits");
    assert!(dump(&once) == dump(tree.inodes()), "applied once");
    let twice = apply(&once, &delta, &nothing()).expect("our own delta fits twice");
    assert!(dump(&twice) == dump(tree.inodes()), "applied twice");
    assert_eq!(once.next, tree.inodes().next, "numbers go on where they were");
    assert_sound(&once);
    assert_sound(&twice);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_delta_brings_a_snapshot_to_now(
        ops in prop::collection::vec(op(), 1..60),
        at in prop::collection::vec(0..60usize, 1..4),
    ) {
        let mut tree = tree();
        let mut snapshots = vec![(tree.log().newest(), tree.snapshot())];
        for (index, op) in ops.iter().enumerate() {
            let _ = perform(&mut tree, op, Timestamp(index as i64 + 10));
            if at.contains(&index) {
                snapshots.push((tree.log().newest(), tree.snapshot()));
            }
        }
        for (lsn, from) in &snapshots {
            let delta = delta_since(tree.inodes(), tree.log(), *lsn).unwrap();
            prop_assert_eq!((delta.from, delta.to), (*lsn, tree.log().newest()));
            brought_to_now(&tree, from, &delta);
            brought_to_now(&tree, from, &delta_between(from, tree.inodes(), *lsn, tree.log().newest()));
        }
        // A copy that fell behind by several deltas.
        let mut copy = snapshots[0].1.clone();
        for pair in snapshots.windows(2) {
            let delta = delta_between(&pair[0].1, &pair[1].1, pair[0].0, pair[1].0);
            copy = apply(&copy, &delta, &nothing()).unwrap();
            prop_assert!(dump(&copy) == dump(&pair[1].1));
        }
    }

    #[test]
    fn a_bent_delta_is_refused_or_leaves_a_sound_tree(
        ops in prop::collection::vec(op(), 1..30),
        bend in prop::collection::vec((0..15u8, any::<prop::sample::Index>(), 0..8u64), 1..3),
    ) {
        let mut tree = tree();
        let from = tree.snapshot();
        for (index, op) in ops.iter().enumerate() {
            let _ = perform(&mut tree, op, Timestamp(index as i64 + 10));
        }
        let mut delta = delta_since(tree.inodes(), tree.log(), Lsn::ZERO).unwrap();
        for (how, at, number) in &bend {
            bent(&mut delta, *how, at, *number);
        }
        if let Ok(copy) = apply(&from, &delta, &nothing()) {
            assert_sound(&copy);
            for op in [Op::ForgetAll, Op::Mkdir(0, 3), Op::Unlink(1, 1, true), Op::Rename(0, 0, 1, 3, true)] {
                let mut tree = Tree::new(copy.clone(), tree.quota());
                let _ = perform(&mut tree, &op, Timestamp(1));
            }
        }
    }
}

/// Changes one thing of a delta, as a hostile image would.
fn bent(delta: &mut Delta, how: u8, at: &prop::sample::Index, number: u64) {
    let ino = Ino(number);
    let (inodes, names, blocks, gone) = (delta.inodes.len(), delta.names.len(), delta.blocks.len(), delta.gone.len());
    match how {
        0 if inodes > 0 => delta.inodes[at.index(inodes)].links = number as u32,
        1 if inodes > 0 => delta.inodes[at.index(inodes)].ino = ino,
        2 if inodes > 0 => delta.inodes[at.index(inodes)].content = ContentImage::Directory(ino),
        3 if inodes > 0 => {
            delta.inodes[at.index(inodes)].content =
                ContentImage::File { len: number, base: Some((BlobId([0; 32]), number, number * 3 / 2)) }
        }
        4 if inodes > 0 => drop(delta.inodes.remove(at.index(inodes))),
        5 if names > 0 => delta.names[at.index(names)].2 = Some(ino),
        6 if names > 0 => delta.names[at.index(names)].0 = ino,
        7 if names > 0 => delta.names[at.index(names)].1 = Arc::from(&b"x/y"[..]),
        8 if names > 0 => drop(delta.names.remove(at.index(names))),
        9 if blocks > 0 => delta.blocks[at.index(blocks)].blocks.push((u64::MAX - number, BlockImage::Hole)),
        10 if blocks > 0 => {
            let range = &mut delta.blocks[at.index(blocks)];
            range.blocks.push((range.from, BlockImage::Bytes(Arc::new(vec![1; (BLOCK + number) as usize]))));
        }
        13 if blocks > 0 => {
            let range = &mut delta.blocks[at.index(blocks)];
            range.blocks.push((range.from, BlockImage::Stored(BlobId([1; 32]), number * BLOCK / 4)));
        }
        11 => delta.gone.push(ino),
        12 if gone > 0 => drop(delta.gone.remove(at.index(gone))),
        _ => delta.next_ino = if number > 3 { u64::MAX } else { number },
    }
}

fn put(tree: &mut Tree, name: &str) -> Ino {
    let birth = Birth { mode: Mode::new(0o644), uid: Uid(0), gid: Gid(0), now: Timestamp(1) };
    tree.create(ROOT_INO, &Arc::from(name.as_bytes()), Content::File(FileBytes::default()), birth).unwrap()
}

#[test]
fn changes_of_one_place_share_an_entry() {
    let mut tree = tree();
    let ino = put(&mut tree, "f");
    let before = tree.log().newest();
    for part in 0..100u64 {
        tree.write(ino, part * 10, &[1; 10], Timestamp(2)).unwrap();
    }
    tree.set_attributes(ino, |inode| inode.mode = Mode::new(0o600));
    tree.set_attributes(ino, |inode| inode.mode = Mode::new(0o400));
    let listed: Vec<Change> = tree.log().since(before).unwrap().map(|(_, change)| change.clone()).collect();
    assert_eq!(listed, [Change::Data(ino, 0, 1000), Change::Inode(ino)]);
    assert_eq!(tree.log().newest().0, before.0 + 102, "each had its number all the same");
}

#[test]
fn a_reader_between_two_shared_changes_sees_the_second() {
    let mut tree = tree();
    let ino = put(&mut tree, "f");
    tree.write(ino, 0, &[1; 10], Timestamp(2)).unwrap();
    let (lsn, snapshot) = (tree.log().newest(), tree.snapshot());
    tree.write(ino, 10, &[2; 10], Timestamp(3)).unwrap();
    let delta = delta_since(tree.inodes(), tree.log(), lsn).unwrap();
    brought_to_now(&tree, &snapshot, &delta);
    assert_eq!(delta_since(tree.inodes(), tree.log(), delta.to).unwrap().inodes, []);
}

#[test]
fn a_reader_that_is_too_late_learns_it() {
    let mut tree = tree();
    let start = tree.log().newest();
    let (one, two) = (put(&mut tree, "one"), put(&mut tree, "two"));
    for at in 0..CHANGES_MAX as u64 {
        tree.set_attributes(if at % 2 == 0 { one } else { two }, |inode| inode.links = 1);
    }
    let late = tree.log().since(start).err().unwrap();
    assert!(late.dropped > start);
    let listed = tree.log().since(late.dropped).unwrap().count();
    assert_eq!(listed, CHANGES_MAX, "from the last dropped on all are listed");
    assert!(late.to_string().contains("compare snapshots"));
}

#[test]
fn what_every_reader_passed_is_let_go() {
    let mut tree = tree();
    put(&mut tree, "one");
    let middle = tree.log().newest();
    put(&mut tree, "two");
    tree.log_mut().forget_until(middle);
    assert!(tree.log().since(Lsn::ZERO).is_err());
    assert!(tree.log().since(middle).unwrap().count() > 0);
    tree.log_mut().forget_until(Lsn(u64::MAX));
    assert_eq!(tree.log().since(tree.log().newest()).unwrap().count(), 0);
    put(&mut tree, "three");
    assert!(tree.log().since(middle).is_err(), "what came before is gone for good");
}

#[test]
fn a_cut_and_regrown_file_and_a_removed_directory_arrive() {
    let mut tree = tree();
    let (from, lsn) = (tree.snapshot(), tree.log().newest());
    let a = tree.lookup(ROOT_INO, b"a").unwrap();
    let c = tree.lookup(a, b"c").unwrap();
    tree.set_len(c, 70_000, Timestamp(2)).unwrap();
    tree.set_len(c, 140_000, Timestamp(3)).unwrap();
    tree.link(c, ROOT_INO, &Arc::from(&b"kept"[..]), Timestamp(4)).unwrap();
    let b = tree.lookup(a, b"b").unwrap();
    for (directory, name) in [(b, &b"d"[..]), (a, b"c")] {
        let ino = tree.unlink(directory, name, Timestamp(5)).unwrap();
        tree.forget(ino);
    }
    for (directory, name) in [(a, &b"b"[..]), (ROOT_INO, b"a")] {
        let ino = tree.rmdir(directory, name, Timestamp(6)).unwrap();
        tree.forget(ino);
    }
    let delta = delta_since(tree.inodes(), tree.log(), lsn).unwrap();
    brought_to_now(&tree, &from, &delta);
    assert_eq!(dump(&layer().inodes()), dump(&from));
}

/// The delta with each block's bytes replaced by a name for them.
fn named(delta: &Delta) -> Delta {
    let mut named = delta.clone();
    for (_, block) in named.blocks.iter_mut().flat_map(|range| &mut range.blocks) {
        if let BlockImage::Bytes(bytes) = block {
            *block = BlockImage::Stored(BlobId::of(bytes), bytes.len() as u64);
        }
    }
    named
}

fn own_blocks(inodes: &Inodes, ino: Ino) -> Vec<Block> {
    match &inodes.get(ino).unwrap().content {
        Content::File(bytes) => bytes.blocks().iter().map(|(_, block)| block.clone()).collect(),
        _ => Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_delta_of_names_makes_the_same_tree_but_for_bytes(ops in prop::collection::vec(op(), 1..40)) {
        let mut tree = tree();
        let from = tree.snapshot();
        for (index, op) in ops.iter().enumerate() {
            let _ = perform(&mut tree, op, Timestamp(index as i64 + 10));
        }
        let delta = named(&delta_since(tree.inodes(), tree.log(), Lsn::ZERO).unwrap());
        let copy = apply(&from, &delta, &nothing()).unwrap();
        assert_sound(&copy);
        prop_assert_eq!((copy.bytes, copy.owned), (tree.inodes().bytes, tree.inodes().owned));
        for (ino, inode) in tree.inodes().iter() {
            let other = copy.get(ino).unwrap();
            prop_assert_eq!(InodeImage::of(ino, inode), InodeImage::of(ino, other));
            prop_assert_eq!(inode.stat(1, ino), other.stat(1, ino));
        }
        // Names go on as names, and are the same block as long as nobody writes it.
        let again = delta_between(&from, &copy, Lsn::ZERO, delta.to);
        prop_assert!(again.blocks.iter().flat_map(|range| &range.blocks).all(|(_, block)| !matches!(block, BlockImage::Bytes(_))));
        let twice = apply(&copy, &again, &nothing()).unwrap();
        prop_assert!(delta_between(&copy, &twice, delta.to, delta.to).blocks.is_empty());
    }
}

#[test]
fn a_stored_block_is_shared_with_the_copy_that_has_it() {
    let mut tree = tree();
    let from = tree.snapshot();
    let ino = put(&mut tree, "f");
    tree.write(ino, 0, &[7; 100_000], Timestamp(2)).unwrap();
    let delta = named(&delta_since(tree.inodes(), tree.log(), Lsn::ZERO).unwrap());
    let once = apply(&from, &delta, &nothing()).unwrap();
    let twice = apply(&once, &delta, &nothing()).unwrap();
    let pairs: Vec<_> = own_blocks(&once, ino).into_iter().zip(own_blocks(&twice, ino)).collect();
    assert_eq!(pairs.len(), 2);
    for (one, two) in pairs {
        assert!(matches!((one, two), (Block::Stored(one), Block::Stored(two)) if Arc::ptr_eq(&one, &two)));
    }
}

#[test]
fn a_stored_block_has_the_length_of_a_block_that_fits_its_file() {
    let mut tree = tree();
    let from = tree.snapshot();
    let ino = put(&mut tree, "f");
    tree.write(ino, 0, &[7; BLOCK as usize + 10], Timestamp(2)).unwrap();
    let delta = named(&delta_since(tree.inodes(), tree.log(), Lsn::ZERO).unwrap());
    let with = |at: usize, len: u64| {
        let mut bent = delta.clone();
        let blocks = &mut bent.blocks.iter_mut().find(|range| range.ino == ino).unwrap().blocks;
        blocks[at].1 = BlockImage::Stored(BlobId([1; 32]), len);
        apply(&from, &bent, &nothing()).map(drop)
    };
    assert_eq!([with(0, 1), with(0, BLOCK), with(1, 10)], [Ok(()); 3]);
    let refused = [with(0, 0), with(0, BLOCK + 1), with(1, 11), with(1, u64::MAX)];
    assert_eq!(refused, [Err(Errno::EINVAL); 4]);
}
