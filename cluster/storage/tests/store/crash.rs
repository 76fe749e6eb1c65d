//! The store on a disk that loses power, fills up and fails.
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use warren_storage::disk::{Operation, SimulatedDisk};
use warren_storage::store::{DiskStore, DiskStoreOptions, Flush, PutError, Store, StoreError};
use warren_store_suite::key;

fn open(disk: &SimulatedDisk) -> Result<DiskStore, warren_storage::store::OpenError> {
    let options = DiskStoreOptions {
        segment_bytes: 4096,
        sync_interval: Duration::from_secs(3600),
        log_object_bytes: 16 << 10,
        ..Default::default()
    };
    DiskStore::open_on(Arc::new(disk.clone()), Path::new("/w"), options)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

#[test]
fn a_full_disk_refuses_writes_serves_reads_and_recovers() {
    runtime().block_on(async {
        let disk = SimulatedDisk::new(1);
        let store = open(&disk).unwrap();
        let (small, large) = (Bytes::from(vec![1; 3000]), Bytes::from(vec![2; 40_000]));
        store.put_if_absent(&key("small"), small.clone(), Flush::Now).await.unwrap();
        store.put_if_absent(&key("large"), large.clone(), Flush::Now).await.unwrap();
        let used = disk.used_bytes();
        disk.set_capacity(used + 100);
        for (name, bytes) in [("a", &small), ("b", &large)] {
            let full = store.put_if_absent(&key(name), bytes.clone(), Flush::Now).await.unwrap_err();
            assert_eq!(full, PutError::Store(StoreError::NoSpace));
            assert_eq!(store.get(&key(name)).await.unwrap(), None, "nothing half done");
        }
        assert!(disk.used_bytes() < used + 100, "what did not fit is given back");
        assert_eq!(store.settle().await, Err(StoreError::NoSpace));
        assert_eq!(store.get(&key("small")).await.unwrap().unwrap().bytes, small);
        assert_eq!(store.get_range(&key("large"), 1..3).await.unwrap().unwrap(), large[1..3]);
        disk.heal();
        store.put_if_absent(&key("a"), small.clone(), Flush::Now).await.unwrap();
        store.settle().await.unwrap();
        let names: Vec<_> =
            store.list("", None, 10).await.unwrap().entries.into_iter().map(|entry| entry.key).collect();
        assert_eq!(names, [key("a"), key("large"), key("small")]);
    });
}

#[test]
fn a_disk_that_turns_read_only_or_fails_still_serves_reads() {
    for (kind, read_only) in [(ErrorKind::ReadOnlyFilesystem, true), (ErrorKind::Other, false)] {
        runtime().block_on(async {
            let disk = SimulatedDisk::new(2);
            let store = open(&disk).unwrap();
            store.put_if_absent(&key("at/rest"), Bytes::from_static(b"1"), Flush::Now).await.unwrap();
            store.settle().await.unwrap();
            store.put_if_absent(&key("in/log"), Bytes::from_static(b"2"), Flush::Now).await.unwrap();
            disk.fail_always(Operation::Write, kind);
            disk.fail_always(Operation::Create, kind);
            for length in [1, 40_000] {
                let refused =
                    store.put_if_absent(&key("new"), Bytes::from(vec![1; length]), Flush::Now).await.unwrap_err();
                match refused {
                    PutError::Store(StoreError::ReadOnly) => assert!(read_only),
                    PutError::Store(StoreError::Unavailable { .. }) => assert!(!read_only),
                    other => panic!("{other}"),
                }
            }
            assert!(store.delete(&key("at/rest")).await.is_err());
            assert_eq!(store.get(&key("at/rest")).await.unwrap().unwrap().bytes, "1");
            assert_eq!(store.get(&key("in/log")).await.unwrap().unwrap().bytes, "2");
            assert_eq!(store.list("", None, 10).await.unwrap().entries.len(), 2);
            drop(store);
            let store = open(&disk.power_loss()).unwrap();
            assert_eq!(store.list("", None, 10).await.unwrap().entries.len(), 2);
        });
    }
}

/// An object that is replaced, with nothing synced but by the mover, on a machine that is cut off as it moves.
fn replaced_while_cut_off(seed: u64, forgets: bool) -> Result<(), String> {
    let disk = SimulatedDisk::new(seed);
    let (old, new) = (Bytes::from(vec![1; 5000]), Bytes::from(vec![2; 6000]));
    let named = key("a");
    runtime().block_on(async {
        let store = open(&disk).unwrap();
        let version = store.put_if_absent(&named, old.clone(), Flush::Now).await.unwrap();
        // Until the log does not know it any more.
        for other in ["b", "c", "d"] {
            store.put_if_absent(&key(other), old.clone(), Flush::Now).await.unwrap();
            store.settle().await.unwrap();
        }
        if forgets {
            disk.forget_syncs("/log");
        }
        store.put_if_match(&named, new.clone(), &version, Flush::Soon).await.unwrap();
        disk.crash_after(seed % 12);
        let _ = store.settle().await; // As far as it comes.
    });
    let store = open(&disk.power_loss()).map_err(|error| error.to_string())?;
    let found = runtime().block_on(store.get(&named)).map_err(|error| error.to_string())?;
    let found = found.map(|object| object.bytes);
    if [Some(old), Some(new)].contains(&found) {
        Ok(())
    } else {
        Err(format!("{:?} bytes", found.map(|found| found.len())))
    }
}

#[test]
fn a_mover_that_does_not_sync_its_log_first_is_found_out() {
    for seed in 0..300 {
        replaced_while_cut_off(seed, false).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}"));
    }
    assert!((0..300).any(|seed| replaced_while_cut_off(seed, true).is_err()), "what it replaced was never lost");
}

#[derive(Clone, Debug)]
enum Step {
    Put { key: u8, length: usize, flush: Flush },
    Delete { key: u8 },
    Settle,
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 0usize..300, 1 => 16_000usize..17_000, 1 => 60_000usize..70_000];
    prop_oneof![
        6 => (0u8..6, length, any::<bool>()).prop_map(|(key, length, now)| Step::Put {
            key,
            length,
            flush: if now { Flush::Now } else { Flush::Soon },
        }),
        2 => (0u8..6).prop_map(|key| Step::Delete { key }),
        1 => Just(Step::Settle),
        1 => Just(Step::Flush),
    ]
}

/// What a key may hold after a crash: what was durable last, or anything that was tried or acknowledged as `Soon` since.
#[derive(Debug)]
struct May {
    values: Vec<Option<Bytes>>,
    /// Which of them was acknowledged last.
    acknowledged: usize,
}

impl May {
    fn only(value: Option<Bytes>) -> May {
        May { values: vec![value], acknowledged: 0 }
    }

    fn attempt(&mut self, value: Option<Bytes>) {
        self.values.push(value);
    }

    fn acknowledge(&mut self) {
        self.acknowledged = self.values.len() - 1;
    }

    /// A later write is durable, and with it this one: logs are synced in order.
    fn settle(&mut self) {
        self.values.drain(..self.acknowledged);
        self.acknowledged = 0;
    }
}

type Model = BTreeMap<u8, May>;

async fn live(store: &DiskStore, steps: &[Step], power: bool, number: &mut u64, model: &mut Model) {
    for step in steps {
        match step {
            Step::Settle => drop(store.settle().await),
            Step::Flush => {
                if store.flush().await.is_ok() {
                    model.values_mut().for_each(May::settle);
                }
            }
            Step::Delete { key } => {
                let may = model.entry(*key).or_insert_with(|| May::only(None));
                let there = matches!(store.get(&name(*key)).await, Ok(Some(_)));
                may.attempt(None);
                if store.delete(&name(*key)).await.is_ok() {
                    *may = May::only(None);
                    // Of nothing, nothing is written.
                    if there {
                        model.values_mut().for_each(May::settle);
                    }
                }
            }
            Step::Put { key, length, flush } => {
                *number += 1;
                let bytes: Bytes = number.to_le_bytes().into_iter().cycle().take(*length).collect();
                let may = model.entry(*key).or_insert_with(|| May::only(None));
                let Ok(found) = store.get(&name(*key)).await else { continue };
                assert!(may.values.contains(&found.as_ref().map(|object| object.bytes.clone())));
                may.attempt(Some(bytes.clone()));
                let put = match found {
                    None => store.put_if_absent(&name(*key), bytes.clone(), *flush).await,
                    Some(object) => store.put_if_match(&name(*key), bytes.clone(), &object.version, *flush).await,
                };
                assert!(!matches!(put, Err(PutError::Conflict | PutError::Missing)), "{put:?}");
                if put.is_ok() {
                    may.acknowledge();
                    match (flush, power) {
                        (Flush::Now, _) => model.values_mut().for_each(May::settle),
                        (Flush::Soon, false) => may.settle(),
                        (Flush::Soon, true) => {}
                    }
                }
            }
        }
    }
}

fn name(number: u8) -> warren_storage::store::Key {
    key(["a", "a/b", "a/b/c", "d/e/f", "d/e/g", "h"][usize::from(number)])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    /// Whatever the moment of the crash: what was acknowledged as durable is there, never older, never torn.
    #[test]
    fn what_was_acknowledged_survives(
        seed in any::<u64>(),
        lives in proptest::collection::vec((proptest::collection::vec(step(), 1..40), 0u64..400, any::<bool>()), 1..5),
    ) {
        let mut disk = SimulatedDisk::new(seed);
        let mut model = Model::new();
        let mut number = 0;
        for (steps, crash, power) in lives {
            disk.crash_after(crash);
            if let Ok(store) = open(&disk) {
                runtime().block_on(live(&store, &steps, power, &mut number, &mut model));
            }
            disk = if power { disk.power_loss() } else { disk.process_death() };
            // What is there now was read after a recovery, which made it durable.
            let store = open(&disk).unwrap();
            for (key, may) in &mut model {
                let found = runtime().block_on(store.get(&name(*key))).unwrap().map(|object| object.bytes);
                prop_assert!(may.values.contains(&found), "{} holds {:?} bytes and may hold {:?}", name(*key),
                    found.as_ref().map(|found| found.len()), may.values.iter().map(|may| may.as_ref().map(|may| may.len())).collect::<Vec<_>>());
                *may = May::only(found);
            }
            let listed = runtime().block_on(store.list("", None, 100)).unwrap().entries;
            let expected = model.values().filter(|may| may.values[0].is_some()).count();
            prop_assert_eq!(listed.len(), expected);
        }
    }
}
