//! Ordinary lives: made, used, left, taken again, forked, rolled back, deleted.

use crate::world::{Owner, new_session, open, open_with, tenant};
use std::time::Duration;
use warren_cluster::record::Record;
use warren_cluster::store::Flush;
use warren_kernel::id::Lsn;
use warren_session::durability::{Durability, DurabilityError, Files, Keep, Level};
use warren_session::event::State;
use warren_session::position::Position;
use warren_session::spec::Tier;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_the_process_is_gone() {
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let dir = tempfile::tempdir().unwrap();
        let (id, shown, last) = {
            let keeper = open(dir.path());
            let mut owner = Owner::create(&keeper, tier, Some("a")).await;
            for number in 0..20 {
                owner.run(&format!("f{}", number % 7), &vec![number; 10_000]).await.unwrap();
            }
            owner.run("large", &vec![9; 1 << 20]).await.unwrap();
            owner.run("f1", b"after the large one").await.unwrap();
            (owner.id, owner.shown(), owner.last)
        };
        let keeper = open(dir.path());
        assert_eq!(keeper.find(&tenant(), &"a".parse().unwrap()).await.unwrap(), Some(id));
        let claimed = keeper.claim(&tenant(), id).await.unwrap();
        assert_eq!(claimed.last, last, "{tier:?}");
        assert_eq!(claimed.epoch, last.epoch.next());
        assert_eq!(claimed.counters.execs, 22);
        let owner = Owner::of(claimed);
        assert_eq!(owner.shown(), shown, "{tier:?}");
        let past = keeper.events(&tenant(), id, Position::START, 1 << 30).await.unwrap();
        let numbers: Vec<u64> = past.events.iter().map(|event| event.position.seq).collect();
        assert_eq!(numbers, (1..=last.seq).collect::<Vec<_>>(), "no gap and none twice");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_session_is_what_its_last_checkpoint_says() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Scratch, None).await;
    owner.run("kept", b"1").await.unwrap();
    let point = owner.point();
    let kept = owner.claim.checkpoint(point, None).await.unwrap();
    let shown = owner.shown();
    owner.run("lost", b"2").await.unwrap();
    let id = owner.id;
    drop(owner);
    let claimed = keeper.claim(&tenant(), id).await.unwrap();
    assert_eq!(claimed.last, kept.position);
    assert_eq!(Owner::of(claimed).shown(), shown);
    let past = keeper.events(&tenant(), id, Position::START, 1 << 20).await.unwrap();
    assert_eq!(past.events.last().map(|event| event.position), Some(kept.position));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sleeps_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Checkpoint, None).await;
    owner.put("empty", b"");
    owner.put("two blocks", &[1; 100_000]);
    let ino = owner.put("sparse", b"begin");
    owner.tree.write(ino, 10 << 20, b"end", warren_kernel::host::Timestamp(7)).unwrap();
    owner.run("f", b"x").await.unwrap();
    let (id, shown) = (owner.id, owner.shown());
    owner.hibernate().await.unwrap();
    let mut packs = None;
    for round in 0..100 {
        let claimed = keeper.claim(&tenant(), id).await.unwrap();
        assert!(matches!(claimed.files, Files::Stored { ref then, .. } if then.is_empty()), "round {round}");
        let owner = Owner::of(claimed);
        if round % 10 == 0 {
            assert_eq!(owner.shown(), shown, "round {round}");
        }
        owner.hibernate().await.unwrap();
        let now = keeper.store().list("default/c/", None, 1000).await.unwrap().entries.len();
        assert_eq!(*packs.get_or_insert(now), now, "a sleep without a change stores no files");
    }
    assert_eq!(keeper.describe(&tenant(), id).await.unwrap().state, State::Hibernated);
    assert_eq!(keeper.describe(&tenant(), id).await.unwrap().epoch.get(), 101);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_and_its_parent_go_separate_ways() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut parent = Owner::create(&keeper, Tier::Journal, Some("parent")).await;
    parent.run("shared", &[1; 300_000]).await.unwrap();
    let point = parent.point();
    let mut new = new_session(Tier::Journal, Some("child"));
    new.forked_from = Some(parent.id);
    let child_id = new.id;
    let mut child = Owner::of(parent.claim.fork(point, new).await.unwrap());
    assert_eq!(child.shown(), parent.shown());
    child.run("shared", b"the child's").await.unwrap();
    parent.run("own", b"the parent's").await.unwrap();
    let (id, of_parent, of_child) = (parent.id, parent.shown(), child.shown());
    assert_ne!(of_parent, of_child);
    drop((parent, child, keeper));
    let keeper = open(dir.path());
    assert_eq!(Owner::claim(&keeper, id).await.shown(), of_parent);
    assert_eq!(Owner::claim(&keeper, child_id).await.shown(), of_child);
    assert_eq!(keeper.describe(&tenant(), child_id).await.unwrap().forked_from, Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_back_to_a_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Checkpoint, None).await;
    owner.run("f", b"first").await.unwrap();
    let (then, point) = (owner.shown(), owner.point());
    let keep = Keep { number: 1, name: Some("good".into()), time: warren_kernel::host::Timestamp(3) };
    owner.claim.checkpoint(point, Some(keep)).await.unwrap();
    owner.run("f", b"second").await.unwrap();
    owner.run("g", &[3; 500_000]).await.unwrap();
    let missing = owner.claim.rollback(2).await.unwrap_err();
    assert!(matches!(missing, DurabilityError::NoCheckpoint(_, 2)), "{missing}");
    let files = owner.claim.rollback(1).await.unwrap();
    let Files::Stored { delta, blobs, then: more } = files else { panic!("{files:?}") };
    assert!(more.is_empty());
    let back = warren_kernel::vfs::change::apply(&crate::world::layer(), &delta, &blobs).unwrap();
    let lsn = Lsn(owner.tree.log().newest().0 + 1);
    owner.tree = warren_kernel::vfs::memory::Tree::resume(back, crate::world::QUOTA, lsn);
    owner.acknowledge().await.unwrap();
    let id = owner.id;
    assert_eq!(owner.claim.checkpoints().len(), 1);
    drop(owner);
    let owner = Owner::claim(&keeper, id).await;
    assert_eq!(owner.shown(), then);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_taken_once_and_freed() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let first = Owner::create(&keeper, Tier::Checkpoint, Some("a")).await;
    let taken = keeper.create(new_session(Tier::Checkpoint, Some("a"))).await.unwrap_err();
    assert!(matches!(taken, DurabilityError::NameTaken(_)), "{taken}");
    let racing = (0..16).map(|_| keeper.create(new_session(Tier::Checkpoint, Some("b"))));
    let made = futures_util::future::join_all(racing).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    assert_eq!(keeper.list(&tenant(), None, 100).await.unwrap().0.len(), 2);
    first.claim.delete().await.unwrap();
    let id = first.id;
    assert!(matches!(keeper.claim(&tenant(), id).await.unwrap_err(), DurabilityError::Deleted(_)));
    assert_eq!(keeper.describe(&tenant(), id).await.unwrap().state, State::Deleted);
    assert_eq!(keeper.find(&tenant(), &"a".parse().unwrap()).await.unwrap(), None);
    let again = Owner::create(&keeper, Tier::Checkpoint, Some("a")).await;
    assert_eq!(keeper.find(&tenant(), &"a".parse().unwrap()).await.unwrap(), Some(again.id));
}

/// What a server that dies in the middle leaves: a name that was taken, and a record that does not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_its_session_does_not_know_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open_with(dir.path(), |folder| folder.keeper.grace = GRACE);
    let first = Owner::create(&keeper, Tier::Journal, Some("a")).await;
    let spec = std::sync::Arc::new(warren_session::spec::SessionSpec {
        durability: Tier::Journal,
        ..warren_session::spec::SessionSpec::default()
    });
    let name = |text: &str| text.parse::<warren_session::id::SessionName>().unwrap();
    let place = |text: &str| warren_cluster::record::places::name(&tenant(), &name(text));
    first.claim.amend(Some(name("b")), spec.clone()).await.unwrap();
    let pointer = keeper.store().get(&place("b")).await.unwrap().unwrap().bytes;
    first.claim.amend(Some(name("c")), spec.clone()).await.unwrap();
    for left in ["b", "d", "e"] {
        keeper.store().put_if_absent(&place(left), pointer.clone(), Flush::Now).await.unwrap();
        assert_eq!(keeper.find(&tenant(), &name(left)).await.unwrap(), None);
    }
    assert_eq!(keeper.find(&tenant(), &name("c")).await.unwrap(), Some(first.id));
    // Others can have it, the session itself too, and what nobody wants is collected.
    let second = Owner::create(&keeper, Tier::Journal, Some("b")).await;
    first.claim.amend(Some(name("d")), spec).await.unwrap();
    assert_eq!(keeper.find(&tenant(), &name("b")).await.unwrap(), Some(second.id));
    assert_eq!(keeper.find(&tenant(), &name("d")).await.unwrap(), Some(first.id));
    settle(&keeper).await;
    assert!(keeper.store().get(&place("e")).await.unwrap().is_none());
    assert_eq!(keeper.find(&tenant(), &name("d")).await.unwrap(), Some(first.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_lost_the_session_can_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut old = Owner::create(&keeper, Tier::Strict, None).await;
    old.run("f", b"1").await.unwrap();
    let (id, shown) = (old.id, old.shown());
    assert!(matches!(keeper.claim(&tenant(), id).await.unwrap_err(), DurabilityError::Owned(_)), "it has an owner");
    // What another process of a cluster does.
    let key = format!("default/rec/{id}").parse().unwrap();
    let object = keeper.store().get(&key).await.unwrap().unwrap();
    let mut record = Record::from_bytes(id, &object.bytes).unwrap();
    record.epoch = record.epoch.next();
    keeper.store().put_if_match(&key, record.to_bytes(), &object.version, Flush::Now).await.unwrap();
    let refused = old.run("f", b"2").await.unwrap_err();
    assert!(matches!(refused, DurabilityError::Fenced(_)), "{refused}");
    let point = old.point();
    assert!(old.claim.checkpoint(point, None).await.is_err());
    assert!(old.claim.delete().await.is_err());
    drop(old);
    // The entry that was not acknowledged lies under the old epoch; whether it counts is the next owner's to say.
    let found = Owner::claim(&keeper, id).await.shown();
    assert_eq!(found.len(), shown.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn space_returns_when_sessions_are_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open_with(dir.path(), |folder| (folder.keeper.grace, folder.keeper.tombstones) = (GRACE, GRACE));
    let first = Owner::create(&keeper, Tier::Checkpoint, Some("stays")).await;
    let mut stays = first;
    stays.run("f", &[1; 400_000]).await.unwrap();
    let point = stays.point();
    stays.claim.checkpoint(point, None).await.unwrap();
    settle(&keeper).await;
    let baseline = keys(&keeper).await;
    for number in 0..10u8 {
        let mut owner = Owner::create(&keeper, Tier::Strict, Some(&format!("gone{number}"))).await;
        owner.run("f", &random(number, 400_000)).await.unwrap();
        owner.run("g", b"small").await.unwrap();
        if number % 2 == 0 {
            let id = owner.id;
            owner.hibernate().await.unwrap();
            keeper.delete(&tenant(), id).await.unwrap();
        } else {
            owner.claim.delete().await.unwrap();
        }
    }
    settle(&keeper).await;
    assert_eq!(keys(&keeper).await, baseline);
    let (id, shown) = (stays.id, stays.shown());
    drop(stays);
    assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_stays_when_what_lay_under_it_has_gone() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open_with(dir.path(), |folder| folder.keeper.grace = GRACE);
    let mut owner = Owner::create(&keeper, Tier::Strict, Some("gone")).await;
    owner.run("f", &random(1, 400_000)).await.unwrap();
    owner.claim.delete().await.unwrap();
    settle(&keeper).await;
    let left = keys(&keeper).await;
    assert_eq!(left.iter().filter(|key| key.contains("/pack/") || key.contains("/name/")).count(), 0, "{left:?}");
    let gone = keeper.describe(&tenant(), owner.id).await.unwrap();
    assert_eq!(gone.state, State::Deleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_journal_is_brought_into_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open_with(dir.path(), |folder| folder.keeper.tail_bytes = 100_000);
    let mut owner = Owner::create(&keeper, Tier::Checkpoint, None).await;
    for number in 0..50u8 {
        owner.run("f", &random(number, 20_000)).await.unwrap();
    }
    let point = owner.point();
    owner.claim.checkpoint(point, None).await.unwrap();
    let described = keeper.describe(&tenant(), owner.id).await.unwrap();
    assert_eq!(described.position, owner.last);
    let (id, shown, last) = (owner.id, owner.shown(), owner.last.seq);
    drop(owner);
    assert_eq!(Owner::claim(&keeper, id).await.shown(), shown);
    let past = keeper.events(&tenant(), id, Position::START, 1 << 30).await.unwrap();
    assert_eq!(past.events.len() as u64, last);
    // In parts, each going on where the one before ended.
    let (mut after, mut seen) = (Position::START, 0);
    loop {
        let part = keeper.events(&tenant(), id, after, 1000).await.unwrap();
        let Some(last) = part.events.last() else { break };
        (after, seen) = (last.position, seen + part.events.len() as u64);
    }
    assert_eq!(seen, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_session_needs_no_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (id, shown) = {
        let keeper = open(dir.path());
        let mut owner = Owner::create(&keeper, Tier::Strict, None).await;
        owner.run("f", &[1; 1000]).await.unwrap();
        owner.run("big", &[2; 600_000]).await.unwrap();
        owner.run("f", &[3; 1000]).await.unwrap();
        (owner.id, owner.shown())
    };
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::claim(&keeper, id).await;
    assert_eq!(owner.shown(), shown);
    owner.acknowledge_at(Level::Stored).await.unwrap();
}

/// What is acknowledged with the journal alone must not be missing before what is in the store.
#[tokio::test(flavor = "multi_thread")]
async fn in_the_store_of_a_strict_session_nothing_is_missing_between() {
    for later in [1, 3, 200] {
        let dir = tempfile::tempdir().unwrap();
        let keeper = open(dir.path());
        let mut owner = Owner::create(&keeper, Tier::Strict, None).await;
        owner.run("f", &[1; 1000]).await.unwrap();
        for number in 0..later {
            owner.put(&format!("g{number}"), &[2; 10]);
            owner.acknowledge_at(Level::Buffered).await.unwrap();
        }
        owner.run("f", &[3; 1000]).await.unwrap();
        let (id, shown) = (owner.id, owner.shown());
        // Nobody waits for the store with this one: it may go with the journal, and with nothing else.
        owner.put("h", &[4; 10]);
        owner.acknowledge_at(Level::Buffered).await.unwrap();
        drop((owner, keeper));
        std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
        let keeper = open(dir.path());
        let mut owner = Owner::claim(&keeper, id).await;
        assert_eq!(owner.shown(), shown, "{later} entries between");
        owner.run("f", &[5; 1000]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_store_is_forgotten_once_the_record_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = open(dir.path());
    let mut owner = Owner::create(&keeper, Tier::Strict, None).await;
    owner.put("f", &[1; 10]);
    owner.acknowledge_at(Level::Buffered).await.unwrap();
    let id = owner.id;
    let shown = owner.shown();
    owner.hibernate().await.unwrap();
    // An id may begin with a `b` too.
    let is_batch =
        |key: &String| key.contains("/s/") && key.rsplit('/').next().is_some_and(|name| name.starts_with('b'));
    let batches = || async { keys(&keeper).await.into_iter().filter(is_batch).count() };
    // What went there before the record knew it is cleared away behind it.
    let gone = async {
        while batches().await > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("it is forgotten");
    let mut owner = Owner::claim(&keeper, id).await;
    assert_eq!(owner.shown(), shown);
    owner.run("f", &[2; 10]).await.unwrap();
    assert_eq!(batches().await, 1);
}

/// How long what nobody names is kept here.
const GRACE: Duration = Duration::from_secs(2);

/// Old enough, condemned, old enough again, collected.
async fn settle(keeper: &warren_cluster::keeper::Keeper) {
    for _ in 0..3 {
        tokio::time::sleep(GRACE + Duration::from_millis(100)).await;
        keeper.sweep(&tenant()).await.unwrap();
    }
}

async fn keys(keeper: &warren_cluster::keeper::Keeper) -> Vec<String> {
    let page = keeper.store().list("", None, 100_000).await.unwrap();
    assert!(!page.more);
    page.entries.into_iter().map(|entry| entry.key.to_string()).collect()
}

fn random(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// An upload has no name until it is whole. What the journal says of it then builds on what was stored of it before.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_gets_its_name_later_is_whole() {
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        // Large enough for the store, and small enough for the journal with a checkpoint in between.
        for (size, checkpoints) in [(5 << 20, false), (5 << 20, true), (100_000, true), (100_000, false)] {
            let dir = tempfile::tempdir().unwrap();
            let keeper = open(dir.path());
            let mut owner = Owner::create(&keeper, tier, None).await;
            let ino = owner.put_unnamed(&vec![7; size]);
            owner.acknowledge().await.unwrap();
            if checkpoints {
                let point = owner.point();
                owner.claim.checkpoint(point, None).await.unwrap();
            }
            owner.name(ino, "upload", size as u64, b"the end");
            owner.acknowledge().await.unwrap();
            let (id, shown) = (owner.id, owner.shown());
            drop((owner, keeper));
            let owner = Owner::claim(&open(dir.path()), id).await;
            assert!(owner.shown() == shown, "{tier:?}, {size} bytes, checkpoint: {checkpoints}");
        }
    }
}
