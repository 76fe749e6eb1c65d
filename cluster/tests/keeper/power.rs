//! Sessions of every tier on a machine that is cut off at any operation of its disk, also while it recovers.
//!
//! ```text
//! seed ─▶ lives: work until operation n ─▶ off ─▶ what the disk kept ─▶ open (off again at m) ─▶ compare ─▶ work on
//! ```
//! `POWER_SEEDS=FROM..TO` runs other seeds than the fixed ones. Threads take turns as they like, so a seed says what is
//! done and what a loss of power takes, not at which of a session's calls it comes.
#![allow(unreachable_pub, reason = "each test file uses its part")]

use crate::model::{Dice, Slot, Wrong};
use crate::world::{host, tenant};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use warren_cluster::disk::SimulatedDisk;
use warren_cluster::folder::Folder;
use warren_cluster::keeper::Keeper;
use warren_session::durability::{Durability, DurabilityError};
use warren_session::spec::Tier;

const TIERS: [Tier; 5] = [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Journal, Tier::Strict];

/// A folder that moves, rotates and folds all the time.
pub fn folder(dir: &Path, dice: &mut Dice) -> Folder {
    let mut folder = Folder::new(dir);
    folder.keeper.journal_segments = 1;
    folder.keeper.tail_bytes = 20_000 << dice.below(6);
    folder.journal.segment_bytes = 4096 << dice.below(6);
    folder.journal.sync_interval = Duration::from_millis(1 + dice.below(50));
    folder.store.log_object_bytes = 1024 << dice.below(9);
    folder.store.segment_bytes = 4096 << dice.below(4);
    folder.store.sync_interval = Duration::from_millis(1 + dice.below(50));
    folder.store.move_interval = Duration::from_millis(1 + dice.below(30));
    folder
}

/// `None` when the disk is off.
pub fn open(folder: &Folder, disk: &SimulatedDisk) -> Result<Option<Keeper>, Wrong> {
    match folder.open_on(Arc::new(disk.clone()), host(), tokio::runtime::Handle::current()) {
        Ok((keeper, _)) => Ok(Some(keeper)),
        Err(_) if disk.is_off() => Ok(None),
        Err(error) => Err(format!("the folder cannot be opened: {error}")),
    }
}

/// One life of the process: compares what is there, works until the disk is off or there is nothing left to do.
fn live(folder: &Folder, disk: &SimulatedDisk, slots: &mut Vec<Slot>, steps: u64) -> Result<(), Wrong> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let lived = runtime.block_on(async {
        let Some(keeper) = open(folder, disk)? else { return Ok(()) };
        let off = || disk.is_off();
        for slot in slots.iter_mut() {
            let verified = slot.verify(&keeper, &off).await;
            if !verified.map_err(|wrong| format!("{:?} session {:?}: {wrong}", slot.tier, slot.id))? {
                return Ok(());
            }
        }
        let workers =
            std::mem::take(slots).into_iter().map(|slot| tokio::spawn(work(slot, keeper.clone(), disk.clone(), steps)));
        for worker in workers.collect::<Vec<_>>() {
            let (slot, wrong) = worker.await.map_err(|error| error.to_string())?;
            if let Some(wrong) = wrong {
                return Err(format!("{:?} session {:?}: {wrong}", slot.tier, slot.id));
            }
            slots.push(slot);
        }
        Ok(())
    });
    // What is on its way goes on until the machine is off.
    runtime.shutdown_background();
    lived
}

async fn work(mut slot: Slot, keeper: Keeper, disk: SimulatedDisk, steps: u64) -> (Slot, Option<Wrong>) {
    for _ in 0..steps {
        match slot.step(&keeper).await {
            Ok(()) => {}
            Err(_) if disk.is_off() => break,
            Err(DurabilityError::Busy) => {}
            Err(error) => return (slot, Some(format!("it failed without a reason: {error}"))),
        }
    }
    (slot, None)
}

/// All lives of one machine.
fn run(seed: u64, forgets: Option<&str>) -> Result<(), Wrong> {
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut folder = folder(dir.path(), &mut dice);
    let mut disk = SimulatedDisk::new(dice.roll());
    forgets.into_iter().for_each(|part| disk.forget_syncs(part));
    let mut slots: Vec<Slot> =
        TIERS.iter().zip(0..).map(|(tier, number)| Slot::new(*tier, number, dice.roll())).collect();
    for _ in 0..2 + dice.below(4) {
        disk.crash_after(match dice.below(3) {
            // While it is opened, or soon after.
            0 => dice.below(150),
            _ => dice.below(4000),
        });
        live(&folder, &disk, &mut slots, 5 + dice.below(30))?;
        let power = dice.below(4) > 0;
        disk = if power { disk.power_loss() } else { disk.process_death() };
        slots.iter_mut().for_each(|slot| slot.fail(power));
    }
    live(&folder, &disk, &mut slots, 10)?;
    disk = disk.process_death();
    slots.iter_mut().for_each(|slot| slot.fail(false));
    (folder.keeper.grace, folder.keeper.tombstones) = (Duration::from_millis(1), Duration::from_millis(1));
    clean(&folder, &disk, &mut slots)
}

/// All that was left lying is swept, and nothing else.
fn clean(folder: &Folder, disk: &SimulatedDisk, slots: &mut [Slot]) -> Result<(), Wrong> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let cleaned = runtime.block_on(async {
        let keeper = open(folder, disk)?.ok_or("it is off")?;
        let said = |error: DurabilityError| error.to_string();
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(3)).await;
            keeper.sweep(&tenant()).await.map_err(said)?;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
        let left = keeper.sweep(&tenant()).await.map_err(said)?;
        if (left.packs, left.waiting, left.objects) != (0, 0, 0) || !left.unreadable.is_empty() {
            return Err(format!("after three sweeps there is more: {left:?}"));
        }
        let keys = keeper.store().list("", None, 1000).await.map_err(|error| error.to_string())?.entries;
        for key in keys {
            let mut parts = key.key.as_str().split('/').skip(1);
            let kind = parts.next();
            if kind == Some("name") {
                let name = parts.next().unwrap_or_default().parse().expect("a name");
                let found = keeper.find(&tenant(), &name).await.map_err(said)?;
                found.ok_or_else(|| format!("the name {name} leads nowhere and stays"))?;
            }
            if kind == Some("s") {
                let record = format!("{}/rec/{}", tenant(), parts.next().unwrap_or_default());
                let key = record.parse().expect("a key");
                let found = keeper.store().get(&key).await.map_err(|error| error.to_string())?;
                found.ok_or_else(|| format!("{record} is gone, and its objects are not"))?;
            }
        }
        for slot in slots.iter_mut() {
            let verified = slot.verify(&keeper, &|| disk.is_off()).await;
            verified.map_err(|wrong| format!("after a sweep, {:?} session {:?}: {wrong}", slot.tier, slot.id))?;
        }
        Ok(())
    });
    runtime.shutdown_background();
    cleaned
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("POWER_SEEDS") else { return 0..24 };
    let (from, to) = range.split_once("..").expect("POWER_SEEDS is FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn what_was_acknowledged_survives_the_loss_of_power() {
    for seed in seeds() {
        run(seed, None).unwrap_or_else(|wrong| panic!("POWER_SEEDS={seed}..{}: {wrong}", seed + 1));
    }
}

#[test]
fn a_sync_that_is_forgotten_is_found_out() {
    for part in ["/journal", "/store/log", "/store/tmp", "sync_all"] {
        let caught = (1000..1060).find_map(|seed| run(seed, Some(part)).err());
        assert!(caught.is_some(), "without syncs of {part} nothing is missed");
    }
}
