//! A disk that is full, or takes no writes, at every kind of operation: calls say so, nothing that was acknowledged is lost,
//! and when there is room again the sessions work on.

use crate::model::{Dice, Slot, noise};
use crate::power::{folder, open};
use crate::world::{Owner, new_session, tenant};
use std::io::ErrorKind;
use std::time::Duration;
use warren_cluster::disk::{Operation, SimulatedDisk};
use warren_cluster::folder::Folder;
use warren_cluster::keeper::Keeper;
use warren_session::durability::{Durability, DurabilityError, Level};
use warren_session::position::Position;
use warren_session::spec::Tier;

const TIERS: [Tier; 4] = [Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Strict];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shortage {
    Bytes(u64),
    Of(Operation, ErrorKind),
}

impl Shortage {
    fn begin(self, disk: &SimulatedDisk) {
        match self {
            Shortage::Bytes(left) => disk.set_capacity(disk.used_bytes() + left),
            Shortage::Of(operation, kind) => disk.fail_always(operation, kind),
        }
    }

    /// Whether everything works on by itself when it is over. What failed to be made durable, or could not be written for
    /// another reason than room, closes a log until the node starts again.
    fn passes(self) -> bool {
        match self {
            Shortage::Bytes(_) => true,
            Shortage::Of(Operation::Rename | Operation::Remove, _) => true,
            Shortage::Of(Operation::Create, kind) => kind == ErrorKind::StorageFull,
            // Not even what is torn can be cut off then.
            Shortage::Of(..) => false,
        }
    }
}

/// What a call may say when the disk is the reason: that it is full, or read-only, and what to do.
fn is_clear(error: &DurabilityError) -> bool {
    let text = error.to_string();
    let names = ["full", "read-only", "opened again"].iter().any(|part| text.contains(part));
    names && matches!(error, DurabilityError::NoSpace(_) | DurabilityError::Unavailable(_))
}

async fn verify(slots: &mut [Slot], keeper: &Keeper, when: &str) {
    for slot in slots {
        slot.fail(false);
        let verified = slot.verify(keeper, &|| false).await;
        assert_eq!(verified, Ok(true), "{when}, {:?}", slot.tier);
    }
}

async fn survive(shortage: Shortage, seed: u64) {
    let mut dice = Dice(seed);
    let dir = tempfile::tempdir().unwrap();
    let folder = folder(dir.path(), &mut dice);
    let disk = SimulatedDisk::new(seed);
    let keeper = open(&folder, &disk).unwrap().unwrap();
    let mut slots: Vec<Slot> =
        TIERS.iter().zip(0..).map(|(tier, number)| Slot::new(*tier, number, dice.roll())).collect();
    for slot in &mut slots {
        for _ in 0..4 {
            slot.step(&keeper).await.unwrap();
        }
        slot.works(&keeper).await.unwrap();
    }
    shortage.begin(&disk);
    for slot in &mut slots {
        for _ in 0..12 {
            if let Err(error) = slot.step(&keeper).await {
                assert!(is_clear(&error), "{shortage:?}, {:?}: {error}", slot.tier);
                slot.owner = None;
            }
        }
        // Whatever became of it, what is kept can be read.
        let Some(id) = slot.id.filter(|_| slot.is_sure()) else { continue };
        keeper.describe(&tenant(), id).await.unwrap();
        keeper.events(&tenant(), id, Position::START, 1 << 20).await.unwrap();
    }
    keeper.list(&tenant(), None, 100).await.unwrap();
    disk.heal();
    if shortage.passes() {
        verify(&mut slots, &keeper, &format!("after {shortage:?}")).await;
        for slot in &mut slots {
            slot.works(&keeper).await.unwrap_or_else(|error| panic!("after {shortage:?}, {:?}: {error}", slot.tier));
        }
    } else {
        for slot in &mut slots {
            slot.owner = None;
            if let Err(error) = slot.works(&keeper).await {
                assert!(is_clear(&error), "{shortage:?}, {:?}: {error}", slot.tier);
            }
        }
    }
    let disk = disk.power_loss();
    drop(keeper);
    slots.iter_mut().for_each(|slot| slot.fail(true));
    let keeper = open(&folder, &disk).unwrap().unwrap();
    verify(&mut slots, &keeper, &format!("after {shortage:?} and a loss of power")).await;
    for slot in &mut slots {
        slot.works(&keeper).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortage_at_any_kind_of_operation_loses_nothing() {
    for operation in [
        Operation::Create,
        Operation::Write,
        Operation::Sync,
        Operation::SyncDir,
        Operation::Rename,
        Operation::Remove,
        Operation::Any,
    ] {
        for kind in [ErrorKind::StorageFull, ErrorKind::ReadOnlyFilesystem] {
            // Nothing can be read either when everything fails.
            if operation != Operation::Any {
                survive(Shortage::Of(operation, kind), 7).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_loses_nothing() {
    for (seed, left) in [0, 10, 300, 5_000, 20_000, 300_000, 600_000].into_iter().enumerate() {
        survive(Shortage::Bytes(left), seed as u64).await;
    }
}

/// A keeper on a disk of memory, which does nothing by itself.
fn quiet(dir: &std::path::Path, disk: &SimulatedDisk) -> Keeper {
    let mut folder = Folder::new(dir);
    (folder.journal.sync_interval, folder.store.sync_interval) = (Duration::from_secs(3600), Duration::from_secs(3600));
    open(&folder, disk).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_behind_what_a_full_disk_refused() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(1);
    let keeper = quiet(dir.path(), &disk);
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    owner.run("f", b"kept").await.unwrap();
    let (id, shown, last) = (owner.id, owner.shown(), owner.last);
    disk.set_capacity(disk.used_bytes() + 10);
    owner.put("f", b"refused");
    let batch = owner.batch();
    // Nobody hears the answer, and there is room again before the next.
    drop(owner.claim.append(batch, Level::Synced));
    // It fails with what is before it, unless that has been refused already: either way the log has had its turn.
    let _ = keeper.sync().await;
    disk.heal();
    let refused = owner.run("g", b"behind it").await.unwrap_err();
    assert!(matches!(refused, DurabilityError::NoSpace(_)), "{refused}");
    drop(owner);
    let claimed = keeper.claim(&tenant(), id).await.unwrap();
    assert_eq!(claimed.last, last, "what was refused has not happened");
    let mut owner = Owner::of(claimed);
    assert_eq!(owner.shown(), shown);
    owner.run("h", b"goes on").await.unwrap();
    let shown = owner.shown();
    drop(owner);
    let disk = disk.power_loss();
    drop(keeper);
    let keeper = quiet(dir.path(), &disk);
    assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_without_room_leaves_its_session_at_work() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(2);
    let keeper = quiet(dir.path(), &disk);
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    // Together too large for the log of the store: they go to a file.
    owner.run("f", &noise(1, 200_000)).await.unwrap();
    owner.run("e", &noise(2, 200_000)).await.unwrap();
    disk.fail_always(Operation::Create, ErrorKind::StorageFull);
    for _ in 0..3 {
        let point = owner.point();
        let refused = owner.claim.checkpoint(point, None).await.unwrap_err();
        assert!(matches!(refused, DurabilityError::NoSpace(_)), "{refused}");
    }
    owner.run("g", b"the journal has room").await.unwrap();
    let mut other = Owner::of(keeper.create(new_session(Tier::Journal, None)).await.unwrap());
    other.run("f", b"and so has another session").await.unwrap();
    let (point, id, shown) = (owner.point(), owner.id, owner.shown());
    disk.heal();
    owner.claim.checkpoint(point, None).await.unwrap();
    let disk = disk.power_loss();
    drop((owner, other, keeper));
    let keeper = quiet(dir.path(), &disk);
    assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_change_without_room_ends_its_claim_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SimulatedDisk::new(3);
    let keeper = quiet(dir.path(), &disk);
    let mut owner = Owner::create(&keeper, Tier::Journal, None).await;
    owner.run("f", b"kept").await.unwrap();
    let mut other = Owner::create(&keeper, Tier::Journal, None).await;
    let (id, shown) = (owner.id, owner.shown());
    disk.fail_always(Operation::Create, ErrorKind::StorageFull);
    let noise = noise(1, 400_000);
    owner.put("large", &noise);
    let large = owner.batch();
    let large = owner.claim.append(large, Level::Synced);
    owner.put("small", b"behind it");
    let small = owner.batch();
    let small = owner.claim.append(small, Level::Synced);
    for refused in [large.await.unwrap_err(), small.await.unwrap_err()] {
        assert!(matches!(refused, DurabilityError::NoSpace(_)), "{refused}");
    }
    other.run("f", b"not its trouble").await.unwrap();
    disk.heal();
    drop(owner);
    let mut owner = Owner::claim(&keeper, id).await;
    assert_eq!(owner.shown(), shown);
    owner.run("large", &noise).await.unwrap();
}
