use super::*;
use crate::blob::{BlobId, Blobs, SharedBytes};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, usize, u8),
    SetLen(u64),
    Punch(u64, u64),
    /// Keeps a clone, to see later that nothing changed it.
    Clone,
}

/// Places around the borders of blocks and pages, where everything goes wrong that can.
fn place() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..5 * BLOCK,
        (0..5u64, -2..3i64).prop_map(|(block, by)| (block * BLOCK).saturating_add_signed(by)),
        (0..80u64, -1..2i64).prop_map(|(page, by)| (page * PAGE).saturating_add_signed(by)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (place(), prop_oneof![1..200u64, place()], 1..255u8)
            .prop_map(|(at, len, byte)| Op::Write(at, len as usize % (2 * BLOCK as usize), byte)),
        2 => place().prop_map(Op::SetLen),
        2 => (place(), place()).prop_map(|(at, len)| Op::Punch(at, len)),
        1 => Just(Op::Clone),
    ]
}

fn base() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![Just(0), 1..300u64, place()].prop_map(|len| (0..len).map(|at| (at % 251) as u8 + 1).collect())
}

fn content(file: &FileBytes) -> Vec<u8> {
    let mut all = Vec::new();
    file.read(0, file.len() as usize, |bytes| all.extend_from_slice(bytes)).unwrap();
    all
}

fn apply(file: &mut FileBytes, model: &mut Vec<u8>, op: &Op) -> Step<()> {
    match op {
        Op::Write(at, len, byte) => {
            file.write(*at, &vec![*byte; *len])?;
            if *len > 0 {
                let end = *at as usize + len;
                model.resize(model.len().max(end), 0);
                model[*at as usize..end].fill(*byte);
            }
        }
        Op::SetLen(len) => {
            file.set_len(*len)?;
            model.resize(*len as usize, 0);
        }
        Op::Punch(at, len) => {
            file.punch(*at, *len)?;
            let end = model.len().min((*at + *len) as usize);
            if (*at as usize) < end {
                model[*at as usize..end].fill(0);
            }
        }
        Op::Clone => {}
    }
    Ok(())
}

fn check(file: &FileBytes, model: &[u8]) {
    assert_eq!(file.len(), model.len() as u64);
    assert!(content(file) == model, "content differs");
    let recount: u64 = file.blocks.iter().map(|(_, block)| block.charge()).sum();
    assert_eq!(file.charged(), recount, "the book of charged bytes");
    for (index, block) in file.blocks.iter() {
        assert!(index * BLOCK < file.len(), "a block behind the end");
        assert!(block.stored() <= (file.len() - index * BLOCK).min(BLOCK), "bytes behind the end");
    }
    assert!(file.base.as_ref().is_none_or(|base| 0 < base.len && base.len <= file.len()));
    check_seeking(file, model);
}

fn check_seeking(file: &FileBytes, model: &[u8]) {
    let mut at = 0;
    // Data and hole alternate over the whole file; what is called a hole is zeros.
    while let Some(data) = file.next_data(at) {
        assert!(data >= at && data < file.len());
        assert!(model[at as usize..data as usize].iter().all(|byte| *byte == 0), "data in a hole");
        let hole = file.next_hole(data).expect("the end is a hole");
        assert!(hole > data && hole <= file.len(), "a hole where data was found");
        assert_eq!(file.next_data(data), Some(data));
        at = hole;
        if at == file.len() {
            break;
        }
        assert_eq!(file.next_hole(hole), Some(hole));
    }
    assert!(model[at as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(file.next_data(file.len()), None);
    assert_eq!(file.next_hole(file.len()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn agrees_with_a_vector_and_clones_stay(base in base(), ops in prop::collection::vec(op(), 1..24)) {
        let mut model = base.clone();
        let mut file = FileBytes::from_blob(Blob::loaded(base));
        let mut clones = vec![(file.clone(), model.clone())];
        check(&file, &model);
        for op in &ops {
            apply(&mut file, &mut model, op).unwrap();
            check(&file, &model);
            if matches!(op, Op::Clone) {
                clones.push((file.clone(), model.clone()));
            }
        }
        for (file, model) in &clones {
            check(file, model);
        }
    }

    #[test]
    fn an_unloaded_base_is_asked_for_before_any_effect(
        base in base().prop_filter("a base", |base| !base.is_empty()),
        ops in prop::collection::vec(op(), 1..6),
    ) {
        let mut model = base.clone();
        let blob = Blob::lazy(BlobId::of(&base), base.len() as u64, Arc::new(Source(base)));
        let mut file = FileBytes::from_blob(blob.clone());
        for op in &ops {
            let before = file.clone();
            match apply(&mut file, &mut model, op) {
                Ok(()) => {}
                Err(Halt::Fetch(fetch)) => {
                    assert!(matches!(&*fetch, Fetch::Blob(asked) if Arc::ptr_eq(asked, &blob)));
                    assert_eq!((file.len(), file.charged()), (before.len(), before.charged()));
                    assert_eq!(file.blocks.len(), before.blocks.len());
                    blob.load().unwrap();
                    apply(&mut file, &mut model, op).unwrap();
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        blob.load().unwrap();
        check(&file, &model);
    }

    #[test]
    fn what_fits_is_charged_within_the_budget_and_nothing_more_fits(
        base in base(),
        ops in prop::collection::vec(op(), 0..4),
        at in place(),
        len in 0..3 * BLOCK,
        budget in prop_oneof![0..40 * PAGE, (0..40u64).prop_map(|pages| pages * PAGE)],
    ) {
        let mut model = base.clone();
        let mut file = FileBytes::from_blob(Blob::loaded(base));
        for op in &ops {
            apply(&mut file, &mut model, op).unwrap();
        }
        let fits = file.fitting(at, len, budget);
        prop_assert!(fits <= len);
        let growth = |count: u64| {
            let mut after = file.clone();
            after.write(at, &vec![1; count as usize]).unwrap();
            after.charged().saturating_sub(file.charged())
        };
        prop_assert!(growth(fits) <= budget, "{} charged of {budget}", growth(fits));
        // A block of the base that would be covered whole is counted as if it were copied: that may be too careful.
        if fits < len && file.base.is_none() {
            prop_assert!(growth(fits + 1) > budget, "one more byte would have fitted");
        }
    }
}

struct Source(Vec<u8>);

impl Blobs for Source {
    fn load(&self, _: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        Ok(Arc::new(self.0.clone()))
    }
}

fn lazy(len: u64) -> Arc<Blob> {
    let bytes = vec![7; len as usize];
    Blob::lazy(BlobId::of(&bytes), len, Arc::new(Source(bytes)))
}

#[test]
fn reading_past_the_end_or_nothing_gives_nothing() {
    let mut file = FileBytes::default();
    assert_eq!(file.read(0, 10, |_| panic!()).unwrap(), 0);
    file.write(0, b"abc").unwrap();
    assert_eq!(file.read(3, 10, |_| panic!()).unwrap(), 0);
    assert_eq!(file.read(u64::MAX, usize::MAX, |_| panic!()).unwrap(), 0);
    assert_eq!(file.read(0, 0, |_| panic!()).unwrap(), 0);
}

#[test]
fn a_write_of_whole_blocks_needs_no_bytes_of_the_base() {
    let mut file = FileBytes::from_blob(lazy(2 * BLOCK));
    file.write(BLOCK, &vec![1; BLOCK as usize]).unwrap();
    assert!(matches!(file.write(BLOCK - 1, b"x"), Err(Halt::Fetch(_))));
    assert!(matches!(file.read(0, 1, |_| ()), Err(Halt::Fetch(_))));
    assert_eq!(file.read(BLOCK, 1, |_| ()).unwrap(), 1, "what was written is there");
}

#[test]
fn a_read_asks_for_all_it_needs_before_it_gives_any() {
    let base = lazy(2 * BLOCK);
    let mut file = FileBytes::from_blob(base.clone());
    file.write(0, &vec![1; BLOCK as usize]).unwrap();
    assert!(matches!(file.read(BLOCK - 5, 100, |_| panic!("too early")), Err(Halt::Fetch(_))));
    assert_eq!(file.read(BLOCK - 5, 5, |_| ()).unwrap(), 5, "what is there needs nothing");
    base.load().unwrap();
    assert_eq!(file.read(BLOCK - 5, 100, |_| ()).unwrap(), 100);
}

#[test]
fn a_cut_base_never_comes_back() {
    let mut file = FileBytes::from_blob(Blob::loaded(vec![9; 100]));
    file.set_len(10).unwrap();
    file.set_len(50).unwrap();
    assert_eq!(content(&file), [vec![9; 10], vec![0; 40]].concat());
    file.set_len(0).unwrap();
    file.set_len(50).unwrap();
    assert_eq!(content(&file), vec![0; 50]);
    assert!(file.base().is_none() && file.as_blob().is_none());
}

#[test]
fn only_an_untouched_file_is_its_blob() {
    let blob = Blob::loaded(vec![1; 10]);
    let mut file = FileBytes::from_blob(blob.clone());
    assert!(Arc::ptr_eq(file.as_blob().unwrap(), &blob));
    file.set_len(11).unwrap();
    assert!(file.as_blob().is_none(), "longer than the blob");
    file.set_len(10).unwrap();
    assert!(file.as_blob().is_some());
    file.write(0, b"x").unwrap();
    assert!(file.as_blob().is_none());
}

#[test]
fn sectors_count_shared_and_own_pages_once() {
    let mut file = FileBytes::from_blob(Blob::loaded(vec![1; (BLOCK + 4 * PAGE) as usize]));
    assert_eq!(file.sectors(), 20 * 8);
    file.write(BLOCK, b"x").unwrap();
    assert_eq!(file.sectors(), 20 * 8, "the short last block is now the file's own");
    file.set_len(10 * BLOCK).unwrap();
    assert_eq!(file.sectors(), 20 * 8, "a hole takes nothing");
    file.punch(0, BLOCK).unwrap();
    assert_eq!(file.sectors(), 4 * 8);
}

#[test]
fn to_vec_is_bounded() {
    let mut file = FileBytes::default();
    file.set_len(1 << 40).unwrap();
    assert!(matches!(file.to_vec(1 << 20), Err(Halt::Fail(Errno::EFBIG))));
}

/// As long as a file can be: none of this could be done block by block.
#[test]
fn holes_and_bases_are_passed_over_at_once() {
    let mut sparse = FileBytes::default();
    sparse.set_len(FILE_SIZE_MAX).unwrap();
    sparse.write(FILE_SIZE_MAX / 2 + 7, b"x").unwrap();
    assert_eq!(sparse.next_hole(0), Some(0));
    assert_eq!(sparse.next_data(0), Some(FILE_SIZE_MAX / 2));
    sparse.punch(3, FILE_SIZE_MAX).unwrap();
    assert_eq!((sparse.next_data(0), sparse.len(), sparse.blocks().len()), (None, FILE_SIZE_MAX, 0));
    let mut based = FileBytes::from_blob(Blob::lazy(BlobId([1; 32]), FILE_SIZE_MAX, Arc::new(Source(Vec::new()))));
    assert_eq!(based.next_hole(5), Some(FILE_SIZE_MAX));
    based.punch(4 * BLOCK, BLOCK).unwrap();
    assert_eq!((based.next_hole(5), based.next_hole(5 * BLOCK)), (Some(4 * BLOCK), Some(FILE_SIZE_MAX)));
    assert_eq!(based.next_data(4 * BLOCK), Some(5 * BLOCK));
}

#[test]
fn the_end_of_a_base_is_a_hole_unless_it_is_the_end_of_the_file() {
    let mut file = FileBytes::from_blob(lazy(2 * BLOCK + 10));
    assert_eq!(file.next_hole(1), Some(2 * BLOCK + 10));
    file.set_len(5 * BLOCK).unwrap();
    assert_eq!(file.next_hole(1), Some(2 * BLOCK + 10));
    let mut even = FileBytes::from_blob(lazy(2 * BLOCK));
    even.set_len(5 * BLOCK).unwrap();
    assert_eq!(even.next_hole(1), Some(2 * BLOCK));
    even.write(2 * BLOCK, &[1; BLOCK as usize]).unwrap();
    assert_eq!(even.next_hole(1), Some(3 * BLOCK));
}

/// Contents of stored blocks, as a place outside has them.
#[derive(Default)]
struct Outside(std::sync::Mutex<std::collections::HashMap<BlobId, Vec<u8>>>);

impl Blobs for Outside {
    fn load(&self, id: &BlobId, _: u64) -> Result<SharedBytes, Errno> {
        let held = self.0.lock().unwrap();
        Ok(Arc::new(held.get(id).ok_or(Errno::EIO)?.clone()))
    }
}

/// The same file with its own data in stored blocks that are not loaded, as a session that was parked has it.
fn parked(file: &FileBytes, outside: &Arc<Outside>) -> FileBytes {
    let mut parked = file.clone();
    for (index, block) in file.blocks.iter() {
        let Block::Data(data) = block else { continue };
        let id = BlobId::of(data);
        outside.0.lock().unwrap().insert(id, data.to_vec());
        parked.put_block(*index, Some(Block::Stored(Blob::lazy(id, data.len() as u64, outside.clone()))));
    }
    parked
}

/// Does `op`, loading what it asks for; an attempt that asks has had no effect.
fn fetching<T>(file: &mut FileBytes, mut op: impl FnMut(&mut FileBytes) -> Step<T>) -> T {
    for _ in 0..64 {
        let before = file.clone();
        match op(file) {
            Ok(done) => return done,
            Err(Halt::Fetch(fetch)) => {
                assert_eq!((file.len(), file.charged(), file.sectors()), same_numbers(&before));
                let mut changed = 0;
                before.blocks.diff(&file.blocks, Block::is_same, &mut |_, _, _| changed += 1);
                assert_eq!(changed, 0, "an effect before it was ready");
                let Fetch::Blob(blob) = *fetch else { panic!("what else could be needed") };
                assert!(blob.bytes().is_none(), "asked for what is there");
                blob.load().unwrap();
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("it asks on and on");
}

fn same_numbers(file: &FileBytes) -> (u64, u64, u64) {
    (file.len(), file.charged(), file.sectors())
}

fn indistinguishable(plain: &FileBytes, lazy: &mut FileBytes, at: u64, len: usize, budget: u64) {
    assert_eq!(same_numbers(lazy), same_numbers(plain));
    for from in [0, at, at.saturating_sub(1), at / BLOCK * BLOCK] {
        assert_eq!((lazy.next_data(from), lazy.next_hole(from)), (plain.next_data(from), plain.next_hole(from)));
    }
    assert_eq!(lazy.fitting(at, len as u64, budget), plain.fitting(at, len as u64, budget));
    let mut seen = Vec::new();
    let read = fetching(lazy, |file| file.read(at, len, |bytes| seen.extend_from_slice(bytes)));
    let mut expected = Vec::new();
    let count = plain.read(at, len, |bytes| expected.extend_from_slice(bytes)).unwrap();
    assert_eq!(read, count, "a read is no shorter for what was not loaded");
    assert!(seen == expected, "bytes differ");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_file_whose_blocks_lie_outside_cannot_be_told_from_one_in_memory(
        base in base(),
        before in prop::collection::vec(op(), 0..8),
        after in prop::collection::vec((op(), place(), 0..3 * BLOCK as usize, 0..40 * PAGE, prop::bool::weighted(0.2)), 1..16),
    ) {
        let outside = Arc::new(Outside::default());
        let mut plain = FileBytes::from_blob(Blob::loaded(base.clone()));
        let mut ignored = base;
        for op in &before {
            apply(&mut plain, &mut ignored, op).unwrap();
        }
        let mut lazy = parked(&plain, &outside);
        for (op, at, len, budget, park) in &after {
            apply(&mut plain, &mut ignored, op).unwrap();
            fetching(&mut lazy, |file| apply(file, &mut Vec::new(), op));
            if *park {
                lazy = parked(&lazy, &outside);
            }
            indistinguishable(&plain, &mut lazy, *at, *len, *budget);
        }
        let all = fetching(&mut lazy, |file| file.to_vec(u64::MAX));
        prop_assert!(all == content(&plain));
    }
}

fn stored(len: u64) -> (FileBytes, Arc<Blob>) {
    let blob = lazy(len);
    let mut file = FileBytes::default();
    file.put_shape(3 * BLOCK, None);
    file.put_block(1, Some(Block::Stored(blob.clone())));
    (file, blob)
}

#[test]
fn a_stored_block_is_loaded_only_for_bytes_that_stay() {
    let (mut file, blob) = stored(5000);
    file.write(BLOCK, &[1; 5000]).unwrap();
    file.write(2 * BLOCK, b"beside").unwrap();
    assert!(blob.bytes().is_none(), "a whole overwrite needs nothing");
    let (mut file, _) = stored(5000);
    file.set_len(BLOCK + 5000).unwrap();
    file.set_len(BLOCK).unwrap();
    assert_eq!((file.charged(), file.blocks().len()), (0, 0));
    let (mut file, _) = stored(5000);
    file.punch(0, 2 * BLOCK).unwrap();
    assert_eq!(file.blocks().len(), 0);
    let (file, _) = stored(5000);
    assert_eq!(file.read(BLOCK + 5000, 10, |_| ()).unwrap(), 10, "zeros behind its end");
}

#[test]
fn a_stored_block_is_loaded_before_a_part_of_it_changes() {
    type Edit = fn(&mut FileBytes) -> Step<()>;
    let edits: [Edit; 6] = [
        |file| file.write(BLOCK, &[1; 4999]),
        |file| file.write(BLOCK + 1, &[1; 5000]),
        |file| file.write(2 * BLOCK - 1, b"x"),
        |file| file.write(0, &[1; BLOCK as usize + 1]),
        |file| file.punch(BLOCK + 1, 10),
        |file| file.set_len(BLOCK + 4999),
    ];
    for (index, edit) in edits.iter().enumerate() {
        let (mut file, blob) = stored(5000);
        assert!(matches!(edit(&mut file), Err(Halt::Fetch(_))), "edit {index}");
        assert_eq!(same_numbers(&file), same_numbers(&stored(5000).0), "edit {index} had an effect");
        blob.load().unwrap();
        edit(&mut file).unwrap();
        assert!(matches!(file.blocks().get(&1), Some(Block::Data(_))), "edit {index} copies");
    }
}

#[test]
fn a_content_that_cannot_be_loaded_is_an_error_and_no_zeros() {
    let missing = Blob::lazy(BlobId([9; 32]), 100, Arc::new(Outside::default()));
    let mut file = FileBytes::default();
    file.put_shape(100, None);
    file.put_block(0, Some(Block::Stored(missing.clone())));
    assert_eq!(missing.load(), Err(Errno::EIO));
    assert!(matches!(file.read(0, 100, |_| panic!("nothing is there")), Err(Halt::Fetch(_))));
    assert!(matches!(file.to_vec(100), Err(Halt::Fetch(_))));
}
