//! The log on a real disk, and on one that loses power, fills up, fails and rots.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;
use crate::disk::{Operation, SimulatedDisk};
use proptest::prelude::*;
use std::io::ErrorKind;

const DIR: &str = "/log";

fn small() -> WalOptions {
    WalOptions { segment_bytes: 2000, ..WalOptions::default() }
}

fn open(disk: &SimulatedDisk) -> (Wal, Recovery) {
    Wal::open_on(Arc::new(disk.clone()), Path::new(DIR), small()).unwrap()
}

fn body(number: u64) -> Bytes {
    Bytes::from(format!("{number:08} ").repeat(1 + (number * 7 % 40) as usize))
}

fn put(wal: &Wal, number: u64, level: Level) -> Position {
    wal.append(body(number), level).unwrap().wait().unwrap()
}

fn entries(recovery: Recovery) -> Vec<Entry> {
    recovery.map(|entry| entry.unwrap()).collect()
}

fn bodies(recovery: Recovery) -> Vec<Bytes> {
    entries(recovery).into_iter().map(|entry| entry.body).collect()
}

#[test]
fn entries_come_back_in_order_across_segments_and_openings() {
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let mut last = Position(0);
    for round in 0..3 {
        let (wal, recovery) = Wal::open(dir.path(), small()).unwrap();
        assert_eq!(recovery.report().torn, None);
        let found: Vec<_> = entries(recovery).into_iter().map(|entry| (entry.position, entry.body)).collect();
        assert_eq!(found, expected);
        for number in 0..50 {
            let level = if number % 2 == 0 { Level::Buffered } else { Level::Synced };
            let position = put(&wal, round * 100 + number, level);
            assert!(position > last, "positions rise, across openings too");
            assert!(number == 0 || position.0 == last.0 + 1);
            last = position;
            expected.push((position, body(round * 100 + number)));
        }
        assert!(wal.segments() > 3);
    }
}

#[test]
fn an_empty_and_a_longest_entry_fit_and_a_longer_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (wal, _) = Wal::open(dir.path(), WalOptions::default()).unwrap();
    let longest = Bytes::from(vec![7; ENTRY_BYTES_MAX]);
    wal.append(Bytes::new(), Level::Buffered).unwrap().wait().unwrap();
    wal.append(longest.clone(), Level::Buffered).unwrap().wait().unwrap();
    let refused = wal.append(Bytes::from(vec![7; ENTRY_BYTES_MAX + 1]), Level::Buffered).unwrap_err();
    assert_eq!(refused, AppendError::TooLarge { bytes: ENTRY_BYTES_MAX + 1 });
    wal.close().unwrap();
    assert!(matches!(wal.append(Bytes::new(), Level::Synced), Err(AppendError::Refused(WalError::Closed))));
    drop(wal);
    let (_wal, recovery) = Wal::open(dir.path(), WalOptions::default()).unwrap();
    assert!(bodies(recovery) == [Bytes::new(), longest]);
}

#[test]
fn a_release_removes_whole_segments_and_keeps_what_is_above() {
    let disk = SimulatedDisk::new(1);
    let (wal, _) = open(&disk);
    let positions: Vec<_> = (0..60).map(|number| put(&wal, number, Level::Synced)).collect();
    let before = wal.segments();
    wal.release(positions[30].before());
    assert!(wal.segments() < before);
    drop(wal);
    let (wal, recovery) = open(&disk);
    assert!(recovery.report().missing.is_empty());
    let left = entries(recovery);
    assert!(left[0].position <= positions[30] && left.len() < 60);
    assert_eq!(left.last().unwrap().position, positions[59]);
    // All released: nothing comes back, and positions go on rising.
    wal.release(positions[59]);
    drop(wal);
    let (wal, recovery) = open(&disk);
    assert_eq!(entries(recovery), []);
    assert!(put(&wal, 1, Level::Synced) > positions[59]);
}

#[test]
fn a_full_queue_gives_the_entry_back_and_says_when_to_try_again() {
    let disk = SimulatedDisk::new(1);
    let options = WalOptions { queue_bytes: 1000, ..small() };
    let (wal, _) = Wal::open_on(Arc::new(disk), Path::new(DIR), options).unwrap();
    let (hold, held) = std::sync::mpsc::channel::<()>();
    // The writer is kept busy telling the first; what comes after queues up.
    let (busy, is_busy) = std::sync::mpsc::channel();
    wal.append_then(Bytes::new(), Level::Buffered, move |_| {
        busy.send(()).unwrap();
        let _ = held.recv();
    })
    .unwrap();
    is_busy.recv().unwrap();
    let first = wal.append(Bytes::from(vec![1; 900]), Level::Buffered).unwrap();
    let back = wal.append(Bytes::from(vec![2; 101]), Level::Buffered).unwrap_err();
    assert_eq!(back, AppendError::Full(Bytes::from(vec![2; 101])));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let waiting = wal.append_wait(Bytes::from(vec![2; 101]), Level::Synced);
        let (second, ()) = futures_util::future::join(waiting, async { drop(hold) }).await;
        assert!(second.unwrap() > first.await.unwrap());
    });
}

#[test]
fn a_full_disk_fails_what_was_queued_and_goes_on_when_there_is_room() {
    let disk = SimulatedDisk::new(5);
    let (wal, _) = open(&disk);
    put(&wal, 1, Level::Synced);
    disk.set_capacity(disk.used_bytes() + 10);
    for _ in 0..3 {
        let refused = wal.append(body(2), Level::Synced).unwrap().wait().unwrap_err();
        assert!(matches!(refused, WalError::NoSpace { .. }), "{refused}");
    }
    wal.sync().unwrap().wait().unwrap();
    disk.heal();
    put(&wal, 3, Level::Synced);
    drop(wal);
    let (_wal, recovery) = open(&disk.power_loss());
    assert_eq!((recovery.report().torn.clone(), recovery.report().damage.len()), (None, 0));
    assert_eq!(bodies(recovery), [body(1), body(3)]);
}

#[test]
fn after_a_failed_sync_nothing_is_promised() {
    let disk = SimulatedDisk::new(6);
    let (wal, _) = open(&disk);
    put(&wal, 1, Level::Synced);
    disk.fail_once(Operation::Sync, 0, ErrorKind::Other);
    let error = wal.append(body(2), Level::Synced).unwrap().wait().unwrap_err();
    assert!(matches!(error, WalError::Failed { doing: "sync", .. }), "{error}");
    assert!(matches!(wal.append(body(3), Level::Buffered), Err(AppendError::Refused(WalError::Failed { .. }))));
    assert!(wal.sync().is_err());
    assert!(wal.close().is_err());
    drop(wal);
    let (_wal, recovery) = open(&disk.power_loss());
    assert_eq!(bodies(recovery), [body(1)]);
}

#[test]
fn a_failed_write_and_a_read_only_disk_are_told_apart() {
    for (kind, read_only) in [(ErrorKind::Other, false), (ErrorKind::ReadOnlyFilesystem, true)] {
        let disk = SimulatedDisk::new(7);
        let (wal, _) = open(&disk);
        put(&wal, 1, Level::Buffered);
        disk.fail_once(Operation::Write, 0, kind);
        let error = wal.append(body(2), Level::Synced).unwrap().wait().unwrap_err();
        assert_eq!(matches!(error, WalError::ReadOnly { .. }), read_only, "{error}");
        assert!(matches!(wal.append(body(3), Level::Buffered), Err(AppendError::Refused(_))));
    }
}

#[test]
fn a_torn_end_is_cut_off_and_named() {
    let disk = SimulatedDisk::new(8);
    let (wal, _) = open(&disk);
    let first = wal.next();
    put(&wal, 1, Level::Synced);
    disk.fail_once(Operation::Write, 0, ErrorKind::Other);
    wal.append(body(2), Level::Synced).unwrap().wait().unwrap_err();
    drop(wal);
    let path = Path::new(DIR).join(frame::segment_name(first.0));
    let file = disk.open_write(&path).unwrap();
    let end = file.len().unwrap();
    file.write_at(&[40, 0, 0, 0, 1, 2, 3], end).unwrap();
    let (wal, recovery) = open(&disk.process_death());
    let torn = recovery.report().torn.clone().unwrap();
    assert_eq!((torn.segment, torn.offset, torn.bytes), (frame::segment_name(first.0), end, 7));
    assert_eq!(bodies(recovery), [body(1)]);
    drop(wal);
}

/// Fills a log of several segments, each entry synced by itself, and returns the first position.
fn filled(disk: &SimulatedDisk, count: u64) -> Position {
    let (wal, _) = open(disk);
    let first = wal.next();
    for number in 0..count {
        put(&wal, number, Level::Synced);
    }
    first
}

#[test]
fn rot_is_named_kept_aside_and_what_is_around_it_is_served() {
    let disk = SimulatedDisk::new(9);
    let first = filled(&disk, 40);
    let path = Path::new(DIR).join(frame::segment_name(first.0));
    // In the body of the third entry.
    let at = frame::HEADER_BYTES + 2 * frame::FRAME_BYTES + body(0).len() + body(1).len() + frame::FRAME_BYTES + 5;
    disk.rot(&path, at as u64, 3).unwrap();
    for opening in 0..3 {
        let (_wal, recovery) = open(&disk);
        let report = recovery.report().clone();
        let damage = Damage {
            segment: frame::segment_name(first.0),
            kept_as: format!("{}.corrupt", frame::segment_name(first.0)),
            after: Position(first.0 + 1),
            resumed: Some(Position(first.0 + 3)),
        };
        assert_eq!(report.damage, if opening == 0 { vec![damage] } else { vec![] });
        assert_eq!((report.torn, report.missing), (None, vec![]));
        let expected: Vec<_> = (0..40).filter(|number| *number != 2).map(body).collect();
        assert_eq!(bodies(recovery), expected);
    }
    assert!(disk.open(&path.with_extension("wal.corrupt")).is_ok());
}

#[test]
fn a_rotten_header_and_a_missing_segment_are_named_and_the_rest_is_served() {
    let disk = SimulatedDisk::new(10);
    let first = filled(&disk, 60);
    let mut names: Vec<_> = disk.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    assert!(names.len() > 4);
    disk.rot(&Path::new(DIR).join(&names[1]), 40, 0).unwrap();
    disk.remove(&Path::new(DIR).join(&names[3])).unwrap();
    let (_wal, recovery) = open(&disk);
    let report = recovery.report().clone();
    assert_eq!(report.damage.len(), 1);
    assert_eq!((report.damage[0].segment.clone(), report.damage[0].resumed), (names[1].clone(), None));
    assert_eq!(report.missing.len(), 1);
    assert_eq!(report.missing[0].before, Position(frame::segment_first(&names[4]).unwrap()));
    let found = entries(recovery);
    assert_eq!((found[0].position, found.last().unwrap().body.clone()), (first, body(59)));
    assert!(found.len() < 60 && found.windows(2).all(|pair| pair[0].position < pair[1].position));
}

#[test]
fn frames_in_the_body_of_an_entry_are_not_taken_for_entries() {
    let disk = SimulatedDisk::new(11);
    let (wal, _) = open(&disk);
    let first = wal.next().0;
    let mut fake = Vec::new();
    for position in first..first + 10 {
        frame::put(&mut fake, &frame::Key([0; 32]), position, 0, b"a guest's");
    }
    wal.append(fake.into(), Level::Synced).unwrap().wait().unwrap();
    put(&wal, 1, Level::Synced);
    put(&wal, 2, Level::Synced);
    drop(wal);
    disk.rot(&Path::new(DIR).join(frame::segment_name(first)), frame::HEADER_BYTES as u64 + 6, 0).unwrap();
    let (_wal, recovery) = open(&disk);
    assert_eq!(recovery.report().damage.len(), 1);
    assert_eq!(bodies(recovery), [body(1), body(2)]);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let disk = SimulatedDisk::new(12);
    let first = filled(&disk, 3);
    let path = Path::new(DIR).join(frame::segment_name(first.0));
    let file = disk.open_write(&path).unwrap();
    let mut header = [0; frame::HEADER_BYTES];
    file.read_at(&mut header, 0).unwrap();
    header[4] = 2;
    let check = blake3::hash(&header[..68]);
    header[68..].copy_from_slice(&check.as_bytes()[..8]);
    file.write_at(&header, 0).unwrap();
    let refused = Wal::open_on(Arc::new(disk.clone()), Path::new(DIR), small()).unwrap_err();
    assert!(matches!(refused, WalError::Newer { found: 2, .. }), "{refused}");
}

#[test]
fn buffered_bytes_are_synced_by_themselves() {
    let disk = SimulatedDisk::new(13);
    let options = WalOptions { sync_interval: Duration::from_millis(1), ..small() };
    let (wal, _) = Wal::open_on(Arc::new(disk.clone()), Path::new(DIR), options).unwrap();
    let position = put(&wal, 1, Level::Buffered);
    while wal.shared.lock().synced < position.0 {
        std::thread::yield_now();
    }
    let (_wal, recovery) = open(&disk.power_loss());
    assert_eq!(bodies(recovery), [body(1)]);
}

#[derive(Clone, Debug)]
enum Step {
    Append { level: Level, wait: bool },
    Sync,
    Release { behind: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<bool>(), any::<bool>()).prop_map(|(synced, wait)| Step::Append {
            level: if synced { Level::Synced } else { Level::Buffered },
            wait,
        }),
        1 => Just(Step::Sync),
        1 => (0u64..20).prop_map(|behind| Step::Release { behind }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    /// Whatever the moment at which the power goes or the process dies, in the middle of a recovery too: what was
    /// acknowledged is there, in order, intact and without a gap.
    #[test]
    fn what_was_acknowledged_survives(
        seed in any::<u64>(),
        lives in proptest::collection::vec((proptest::collection::vec(step(), 1..60), 0u64..200, any::<bool>()), 1..5),
    ) {
        let mut disk = SimulatedDisk::new(seed);
        // What a recovery has to bring, by position; and what it may bring besides.
        let mut sure: std::collections::BTreeMap<Position, Bytes> = Default::default();
        let mut maybe: std::collections::BTreeMap<Position, Bytes> = Default::default();
        // What it has to bring unless the power went since.
        let mut buffered: std::collections::BTreeMap<Position, Bytes> = Default::default();
        let mut released = Position(0);
        let mut number = 0;
        for (steps, crash, power) in lives {
            disk.crash_after(crash);
            let opened = Wal::open_on(Arc::new(disk.clone()), Path::new(DIR), small());
            let mut waiting = Vec::new();
            if let Ok((wal, recovery)) = opened {
                let begun = wal.next();
                if let Ok(found) = recovery.collect::<Result<Vec<_>, _>>() {
                    sure.append(&mut buffered);
                    check(&found, &sure, &maybe, released)?;
                    sure = found.into_iter().map(|entry| (entry.position, entry.body)).collect();
                    maybe.clear();
                }
                for step in steps {
                    match step {
                        Step::Append { level, wait } => {
                            number += 1;
                            let Ok(pending) = wal.append(body(number), level) else { continue };
                            prop_assert!(!sure.contains_key(&pending.position()) && !maybe.contains_key(&pending.position()));
                            maybe.insert(pending.position(), body(number));
                            if wait {
                                if let Ok(position) = pending.wait() {
                                    if level == Level::Synced { &mut sure } else { &mut buffered }.insert(position, body(number));
                                }
                            } else {
                                waiting.push((pending, body(number), level));
                            }
                        }
                        Step::Sync => {
                            let Ok(pending) = wal.sync() else { continue };
                            if let Ok(position) = pending.wait() {
                                sure.extend(maybe.range(begun..=position.max(begun)).map(|(position, body)| (*position, body.clone())));
                            }
                        }
                        Step::Release { behind } => {
                            let up_to = Position(wal.next().0.saturating_sub(behind + 1));
                            released = released.max(up_to);
                            wal.release(up_to);
                        }
                    }
                }
                let _ = wal.close();
                for (pending, body, level) in waiting {
                    if let Ok(position) = pending.wait() {
                        if level == Level::Synced { &mut sure } else { &mut buffered }.insert(position, body);
                    }
                }
            }
            if power {
                buffered.clear();
            }
            disk = if power { disk.power_loss() } else { disk.process_death() };
        }
        sure.append(&mut buffered);
        let (_wal, recovery) = open(&disk);
        prop_assert_eq!((&recovery.report().damage, &recovery.report().missing), (&vec![], &vec![]));
        check(&entries(recovery), &sure, &maybe, released)?;
    }
}

fn check(
    found: &[Entry],
    sure: &std::collections::BTreeMap<Position, Bytes>,
    maybe: &std::collections::BTreeMap<Position, Bytes>,
    released: Position,
) -> Result<(), TestCaseError> {
    for pair in found.windows(2) {
        prop_assert!(pair[0].position < pair[1].position);
    }
    for entry in found {
        let known = sure.get(&entry.position).or_else(|| maybe.get(&entry.position));
        prop_assert!(
            known == Some(&entry.body) || entry.position <= released,
            "{} is not what was appended",
            entry.position
        );
    }
    let has: std::collections::BTreeSet<_> = found.iter().map(|entry| entry.position).collect();
    for position in sure.keys().filter(|position| **position > released) {
        prop_assert!(has.contains(position), "{position} was acknowledged and is gone");
    }
    // Nothing that was appended is missing before the last that is there.
    if let Some(last) = found.last() {
        for position in maybe.range(..last.position).map(|(position, _)| position) {
            prop_assert!(
                *position <= released || has.contains(position),
                "{position} is missing before {}",
                last.position
            );
        }
    }
    Ok(())
}
