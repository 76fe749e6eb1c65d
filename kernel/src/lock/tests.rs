use super::table::Record;
use super::*;
use crate::file::OpenId;
use proptest::prelude::*;
use std::collections::BTreeMap;

use LockKind::{Exclusive, Shared};

fn range(start: i64, len: i64) -> LockRange {
    LockRange::new(start, len).unwrap()
}

#[test]
fn a_range_is_what_struct_flock_says() {
    let shown = |start, len| LockRange::new(start, len).map(|range| (range.l_start(), range.l_len(), range.last()));
    assert_eq!(shown(5, 3), Ok((5, 3, Some(7))));
    assert_eq!(shown(5, 0), Ok((5, 0, None)), "to the end of the file");
    assert_eq!(shown(5, -3), Ok((2, 3, Some(4))), "the bytes before");
    assert_eq!(shown(0, 0), Ok((0, 0, None)));
    assert_eq!(LockRange::new(0, 0), Ok(LockRange::ALL));
    assert_eq!(shown(1, i64::MAX), Ok((1, 0, None)), "the last possible byte is the end of the file");
    assert_eq!(shown(0, i64::MAX), Ok((0, i64::MAX as u64, Some(i64::MAX as u64 - 1))));
    assert_eq!(shown(i64::MAX, 1), Ok((i64::MAX as u64, 0, None)));
    assert_eq!(shown(2, i64::MAX), Err(RangeError::BehindTheLastByte));
    assert_eq!(shown(i64::MAX, 2), Err(RangeError::BehindTheLastByte));
    assert_eq!(shown(-1, 1), Err(RangeError::BeforeTheFile));
    assert_eq!(shown(i64::MIN, i64::MIN), Err(RangeError::BeforeTheFile));
    assert_eq!(shown(2, -3), Err(RangeError::BeforeTheFile));
    assert_eq!(shown(0, i64::MIN), Err(RangeError::BeforeTheFile));
    assert_eq!(Errno::from(RangeError::BeforeTheFile), Errno::EINVAL);
    assert_eq!(Errno::from(RangeError::BehindTheLastByte), Errno::EOVERFLOW);
}

const FILE: LockFile = LockFile::Open(OpenId(0));

/// Tries a record lock on the table alone, as the system call does.
fn try_lock(locks: &mut Locks, pid: Pid, kind: Option<LockKind>, range: LockRange) -> Result<(), Blocked> {
    let number = locks.number(FILE);
    let wanted = |kind| Wanted::Record { pid, kind, range };
    let free = kind.map_or(Ok(()), |kind| locks.blocked(0, number, &wanted(kind), |_| true));
    if free.is_ok() {
        let (records, _) = locks.changed_records(number, pid, kind, range);
        locks.set_records(number, pid, records);
    }
    locks.tidy(number);
    free
}

fn records(locks: &Locks) -> Vec<Record> {
    locks.files().flat_map(|(_, file)| file.records.clone()).collect()
}

#[test]
fn others_get_more_only_when_something_is_let_go() {
    let mut locks = Locks::default();
    let number = locks.number(FILE);
    let gives = |locks: &Locks, kind, range| locks.changed_records(number, Pid(2), kind, range).1;
    assert!(!gives(&locks, Some(Shared), range(0, 10)) && !gives(&locks, None, range(0, 10)));
    try_lock(&mut locks, Pid(2), Some(Exclusive), range(0, 10)).unwrap();
    assert!(gives(&locks, None, range(9, 1)) && gives(&locks, Some(Shared), range(9, 1)));
    assert!(!gives(&locks, Some(Exclusive), range(5, 10)) && !gives(&locks, None, range(10, 1)));
    try_lock(&mut locks, Pid(2), Some(Shared), range(0, 10)).unwrap();
    assert!(!gives(&locks, Some(Exclusive), range(0, 10)));
}

#[test]
fn a_file_leaves_the_table_with_its_last_lock() {
    let mut locks = Locks::default();
    try_lock(&mut locks, Pid(2), Some(Shared), range(0, 1)).unwrap();
    let number = locks.find(&FILE).unwrap();
    try_lock(&mut locks, Pid(2), None, range(1, 0)).unwrap();
    assert_eq!(locks.find(&FILE), Some(number));
    locks.wait(1, Pid(3), number, Wanted::Record { pid: Pid(3), kind: Exclusive, range: range(0, 1) });
    try_lock(&mut locks, Pid(2), None, range(0, 0)).unwrap();
    assert_eq!(locks.find(&FILE), Some(number), "a call still waits");
    assert_eq!((locks.end_wait(1), locks.end_wait(1)), (Some(number), None));
    locks.tidy(number);
    assert!(locks.is_empty() && locks.find(&FILE).is_none());
}

/// Offsets of the model; the last stands for all behind it.
const CELLS: usize = 24;
type Cells = [Option<LockKind>; CELLS];

fn cells_of(range: LockRange) -> std::ops::RangeInclusive<usize> {
    range.l_start() as usize..=range.last().map_or(CELLS - 1, |last| last as usize)
}

/// Runs of one kind: where each begins and ends.
fn runs(cells: &Cells) -> Vec<(usize, usize, LockKind)> {
    let mut runs: Vec<(usize, usize, LockKind)> = Vec::new();
    for (at, kind) in cells.iter().enumerate() {
        match (runs.last_mut(), kind) {
            (Some((_, end, of)), Some(kind)) if *end + 1 == at && of == kind => *end = at,
            (_, Some(kind)) => runs.push((at, at, *kind)),
            (_, None) => {}
        }
    }
    runs
}

fn kind() -> impl Strategy<Value = Option<LockKind>> {
    prop_oneof![Just(None), Just(Some(Shared)), Just(Some(Exclusive))]
}

fn any_range() -> impl Strategy<Value = LockRange> {
    (0..CELLS as i64 - 1, 0..8i64).prop_map(|(start, len)| range(start, len.min(CELLS as i64 - 1 - start)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranges_are_owners_of_each_byte(ops in prop::collection::vec((2..5u32, kind(), any_range()), 1..60)) {
        let mut locks = Locks::default();
        let mut model: BTreeMap<Pid, Cells> = (2..5).map(|pid| (Pid(pid), [None; CELLS])).collect();
        for (pid, kind, range) in ops {
            let pid = Pid(pid);
            let others = model.iter().filter(|(other, _)| **other != pid);
            let conflict = kind.and_then(|kind| {
                let held = others.flat_map(|(other, cells)| runs(cells).into_iter().map(move |run| (run, *other)));
                let meets = |(from, to): (usize, usize)| from <= *cells_of(range).end() && *cells_of(range).start() <= to;
                held.filter(|((from, to, of), _)| {
                    meets((*from, *to)) && (kind == Exclusive || *of == Exclusive)
                }).map(|((from, to, of), other)| (from, other, to, of)).min_by_key(|found| (found.0, found.1))
            });
            let told = kind.and_then(|kind| locks.first_conflict(&FILE, pid, kind, range));
            let told = told.map(|lock| (*cells_of(lock.range).start(), lock.pid, *cells_of(lock.range).end(), lock.kind));
            prop_assert_eq!(told, conflict);
            let answer = try_lock(&mut locks, pid, kind, range);
            prop_assert_eq!(answer, conflict.map_or(Ok(()), |_| Err(Blocked::Held)));
            if answer.is_ok() {
                model.get_mut(&pid).unwrap()[cells_of(range)].fill(kind);
            }
            let expected: BTreeMap<(usize, Pid), (usize, LockKind)> = model
                .iter()
                .flat_map(|(pid, cells)| runs(cells).into_iter().map(|(from, to, kind)| ((from, *pid), (to, kind))))
                .collect();
            let found = records(&locks);
            prop_assert_eq!((found.len(), locks.held()), (expected.len(), expected.len()), "merged as far as can be");
            for record in found {
                let cells = cells_of(record.range);
                prop_assert_eq!(expected.get(&(*cells.start(), record.pid)), Some(&(*cells.end(), record.kind)));
            }
            prop_assert_eq!(locks.is_empty(), expected.is_empty());
        }
    }
}

/// Processes that lock single bytes and wait; `edges` of the model are recomputed from scratch.
#[derive(Default)]
struct Waits {
    held: BTreeMap<(Pid, i64), LockKind>,
    waiting: BTreeMap<Pid, (i64, LockKind)>,
}

impl Waits {
    fn holders(&self, pid: Pid, byte: i64, kind: LockKind) -> Vec<Pid> {
        let held = self
            .held
            .iter()
            .filter(|((other, at), of)| *other != pid && *at == byte && (kind == Exclusive || **of == Exclusive));
        held.map(|((other, _), _)| *other).collect()
    }

    /// Whether `to` is reached from `from` by who waits for whom, by trying every path length.
    fn waits_for(&self, from: Vec<Pid>, to: Pid) -> bool {
        let mut reached = from;
        for _ in 0..self.waiting.len() + 1 {
            let mut next = reached.clone();
            for pid in &reached {
                if let Some((byte, kind)) = self.waiting.get(pid) {
                    next.extend(self.holders(*pid, *byte, *kind));
                }
            }
            next.sort();
            next.dedup();
            reached = next;
        }
        reached.contains(&to)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cycle_is_seen_when_it_closes_and_only_then(ops in prop::collection::vec((2..8u32, 0..5i64, kind()), 1..80)) {
        let mut locks = Locks::default();
        let mut model = Waits::default();
        for (pid, byte, kind) in ops {
            let (pid, at) = (Pid(pid), range(byte, 1));
            if model.waiting.contains_key(&pid) {
                continue;
            }
            let number = locks.number(FILE);
            let Some(kind) = kind else {
                try_lock(&mut locks, pid, None, at).unwrap();
                model.held.remove(&(pid, byte));
                continue;
            };
            let holders = model.holders(pid, byte, kind);
            let cycle = locks.would_deadlock(pid, number, kind, at, |_| true);
            prop_assert_eq!(cycle, model.waits_for(holders.clone(), pid));
            if holders.is_empty() {
                let (records, _) = locks.changed_records(number, pid, Some(kind), at);
                locks.set_records(number, pid, records);
                model.held.insert((pid, byte), kind);
            } else if !cycle {
                locks.wait(u64::from(pid.0), pid, number, Wanted::Record { pid, kind, range: at });
                model.waiting.insert(pid, (byte, kind));
            }
            locks.tidy(number);
        }
    }
}
