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
            file.set_len(*len);
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
fn a_read_gives_what_is_there_and_stops_before_what_is_not() {
    let mut file = FileBytes::from_blob(lazy(2 * BLOCK));
    file.write(0, &vec![1; BLOCK as usize]).unwrap();
    assert_eq!(file.read(BLOCK - 5, 100, |_| ()).unwrap(), 5);
}

#[test]
fn a_cut_base_never_comes_back() {
    let mut file = FileBytes::from_blob(Blob::loaded(vec![9; 100]));
    file.set_len(10);
    file.set_len(50);
    assert_eq!(content(&file), [vec![9; 10], vec![0; 40]].concat());
    file.set_len(0);
    file.set_len(50);
    assert_eq!(content(&file), vec![0; 50]);
    assert!(file.base().is_none() && file.as_blob().is_none());
}

#[test]
fn only_an_untouched_file_is_its_blob() {
    let blob = Blob::loaded(vec![1; 10]);
    let mut file = FileBytes::from_blob(blob.clone());
    assert!(Arc::ptr_eq(file.as_blob().unwrap(), &blob));
    file.set_len(11);
    assert!(file.as_blob().is_none(), "longer than the blob");
    file.set_len(10);
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
    file.set_len(10 * BLOCK);
    assert_eq!(file.sectors(), 20 * 8, "a hole takes nothing");
    file.punch(0, BLOCK).unwrap();
    assert_eq!(file.sectors(), 4 * 8);
}

#[test]
fn to_vec_is_bounded() {
    let mut file = FileBytes::default();
    file.set_len(1 << 40);
    assert!(matches!(file.to_vec(1 << 20), Err(Halt::Fail(Errno::EFBIG))));
}

/// As long as a file can be: none of this could be done block by block.
#[test]
fn holes_and_bases_are_passed_over_at_once() {
    let mut sparse = FileBytes::default();
    sparse.set_len(FILE_SIZE_MAX);
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
    file.set_len(5 * BLOCK);
    assert_eq!(file.next_hole(1), Some(2 * BLOCK + 10));
    let mut even = FileBytes::from_blob(lazy(2 * BLOCK));
    even.set_len(5 * BLOCK);
    assert_eq!(even.next_hole(1), Some(2 * BLOCK));
    even.write(2 * BLOCK, &[1; BLOCK as usize]).unwrap();
    assert_eq!(even.next_hole(1), Some(3 * BLOCK));
}
