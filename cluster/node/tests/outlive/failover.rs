//! A process ends without a goodbye, and another goes on.

use crate::cluster::{Cluster, Wall, same_files, until};
use crate::world::{Owner, tenant};
use warren_session::durability::{Durability, DurabilityError};
use warren_session::event::What;
use warren_session::spec::Tier;

/// Commands that write files: small ones ride in the journal, one of 400 KiB goes to the store first.
async fn work(owner: &mut Owner, from: usize, to: usize) {
    for number in from..to {
        let bytes = if number % 5 == 3 { vec![number as u8; 400 << 10] } else { vec![number as u8; 900 + number] };
        owner.run(&format!("file{number}"), &bytes).await.unwrap();
    }
}

async fn dies_with_its_disk(tier: Tier) {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owner = Owner::create(a.keeper(), tier, Some("outlives")).await;
    let (id, me) = (owner.id, a.node.me());
    work(&mut owner, 0, 12).await;
    let (files, last) = (owner.shown(), owner.last);
    let refused = b.keeper().claim(&tenant(), id).await.unwrap_err();
    assert!(matches!(refused, DurabilityError::Owned(_)), "its owner lives: {refused}");
    assert!(cluster.has_lease(me).await);
    a.die_with_its_disk();
    let (mut next, refused) = b.claim(id).await;
    assert!(!cluster.has_lease(me).await, "not before the lease has ended");
    assert!(!refused.is_empty(), "it was asked for before that");
    assert_eq!(next.epoch.get(), 2);
    same_files(&files, &next);
    assert_eq!(next.last.seq, last.seq + 1, "goes on behind the last event that was acknowledged");
    work(&mut next, 12, 15).await;
    let events = b.events(id).await;
    assert_eq!(events.last().unwrap().position, next.last);
    assert!(events.iter().any(|event| event.what == What::EpochBegan { previous: last }));
    assert_eq!(b.keeper().find(&tenant(), &"outlives".parse().unwrap()).await.unwrap(), Some(id));
    // The old owner's claim says nothing any more.
    owner.put("late", b"late");
    drop(owner);
    next.hibernate().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_session_outlives_its_process_and_disk() {
    dies_with_its_disk(Tier::Journal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_strict_session_outlives_its_process_and_disk() {
    dies_with_its_disk(Tier::Strict).await;
}

/// What a checkpoint session may lose with a disk is what was not committed; with the disk it loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_checkpoint_session_has_what_its_tier_promises() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let a = cluster.process(1, &dirs[0]).await;
    a.is_up(1).await;
    let mut owner = Owner::create(a.keeper(), Tier::Checkpoint, None).await;
    let id = owner.id;
    work(&mut owner, 0, 3).await;
    let (files, last) = (owner.shown(), owner.last.seq);
    drop(owner);
    a.die();
    // The same folder: its owner is certainly dead, and nobody waits for a lease.
    let a = cluster.process(1, &dirs[0]).await;
    let mut owner = Owner::of(a.keeper().claim(&tenant(), id).await.unwrap());
    same_files(&files, &owner);
    assert_eq!((owner.epoch.get(), owner.last.seq), (2, last + 1));
    work(&mut owner, 3, 6).await;
    let (files, last) = (owner.shown(), owner.last.seq);
    until("it is committed", async || cluster.record(id).await.ownership.unwrap().durable >= 6).await;
    owner.run("uncommitted", b"may go").await.unwrap();
    let b = cluster.process(2, &dirs[1]).await;
    b.is_up(2).await;
    a.die_with_its_disk();
    let (next, _) = b.claim(id).await;
    same_files(&files, &next);
    assert_eq!(next.last.seq, last + 1, "all that was committed, and no hole");
}

/// Of a scratch session what rested is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_scratch_session_has_what_it_rested_with() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owner = Owner::create(a.keeper(), Tier::Scratch, None).await;
    let id = owner.id;
    work(&mut owner, 0, 4).await;
    let files = owner.shown();
    owner.hibernate().await.unwrap();
    let mut owner = Owner::of(a.keeper().claim(&tenant(), id).await.unwrap());
    work(&mut owner, 4, 6).await;
    a.die_with_its_disk();
    let (next, _) = b.claim(id).await;
    same_files(&files, &next);
}

/// An owner that is cut off, is overtaken, and comes back: it acknowledges and commits nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stale_owner_says_and_writes_nothing() {
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let Some(cluster) = Cluster::start().await else { return };
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let redis = Wall::before(cluster.redis.port).await;
        let store = Wall::before(cluster.double.address().port()).await;
        let a = cluster.process_behind(1, &dirs[0], Some((&redis, &store))).await;
        let b = cluster.process(2, &dirs[1]).await;
        a.is_up(2).await;
        b.is_up(2).await;
        let mut owner = Owner::create(a.keeper(), tier, None).await;
        let id = owner.id;
        work(&mut owner, 0, 3).await;
        if tier == Tier::Checkpoint {
            until("it is committed", async || cluster.record(id).await.ownership.unwrap().durable >= 3).await;
        }
        let (files, last) = (owner.shown(), owner.last.seq);
        redis.shut();
        store.shut();
        until("its lease has ended", async || !a.node.may_act()).await;
        owner.put("stale", b"never acknowledged");
        let batch = owner.batch();
        let stale = tokio::spawn(owner.claim.append(batch, tier.level().unwrap()));
        let (mut next, _) = b.claim(id).await;
        assert_eq!(next.epoch.get(), 2);
        same_files(&files, &next);
        work(&mut next, 3, 5).await;
        assert!(!stale.is_finished(), "{tier:?}: nobody is told anything by who cannot know");
        redis.open();
        store.open();
        let told = stale.await.unwrap();
        assert!(matches!(told, Err(DurabilityError::Fenced(_))), "{tier:?}: {told:?}");
        until("it knows", async || !a.node.serves(id)).await;
        let again = owner.run("again", b"again").await;
        assert!(matches!(again, Err(DurabilityError::Fenced(_))), "{tier:?}: {again:?}");
        let point = owner.point();
        let point = owner.claim.checkpoint(point, None).await;
        assert!(matches!(point, Err(DurabilityError::Fenced(_))), "{tier:?}: {point:?}");
        work(&mut next, 5, 6).await;
        assert_eq!(cluster.record(id).await.epoch.get(), 2, "{tier:?}");
        assert!(next.last.seq > last);
        assert_eq!(b.events(id).await.last().unwrap().position, next.last, "{tier:?}");
    }
}

/// An owner that is stopped between a decision and what comes of it, is overtaken, and goes on: it tells nobody anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stopped_owner_that_goes_on_says_nothing() {
    for tier in [Tier::Checkpoint, Tier::Journal, Tier::Strict] {
        let Some(cluster) = Cluster::start().await else { return };
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
        a.is_up(2).await;
        b.is_up(2).await;
        let mut owner = Owner::create(a.keeper(), tier, None).await;
        let id = owner.id;
        work(&mut owner, 0, 3).await;
        if tier == Tier::Checkpoint {
            until("it is committed", async || cluster.record(id).await.ownership.unwrap().durable >= 3).await;
        }
        let files = owner.shown();
        let stopped = a.stop();
        owner.put("stale", b"never acknowledged");
        let batch = owner.batch();
        let stale = tokio::spawn(owner.claim.append(batch, tier.level().unwrap()));
        let (mut next, _) = b.claim(id).await;
        same_files(&files, &next);
        work(&mut next, 3, 5).await;
        assert!(!stale.is_finished());
        drop(stopped);
        let told = stale.await.unwrap();
        assert!(matches!(told, Err(DurabilityError::Fenced(_))), "{tier:?}: {told:?}");
        let rests = owner.hibernate().await;
        assert!(matches!(rests, Err(DurabilityError::Fenced(_))), "{tier:?}: {rests:?}");
        work(&mut next, 5, 6).await;
        let files = next.shown();
        next.hibernate().await.unwrap();
        let back = Owner::of(a.keeper().claim(&tenant(), id).await.unwrap());
        same_files(&files, &back);
        assert_eq!(back.epoch.get(), 3, "{tier:?}: the old owner may have it again, as a new one");
    }
}

/// Nobody asks for the sessions of a dead owner: they are taken all the same, so that Redis may go next.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_of_a_dead_owner_are_looked_after() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owners = Vec::new();
    for _ in 0..20 {
        let mut owner = Owner::create(a.keeper(), Tier::Journal, None).await;
        owner.run("file", b"only in Redis").await.unwrap();
        owners.push(owner);
    }
    let resting = Owner::create(a.keeper(), Tier::Journal, None).await;
    let resting_id = resting.id;
    resting.hibernate().await.unwrap();
    assert_eq!(b.node.look_after(&tenant()).await.unwrap(), 0, "its owner lives");
    a.die_with_its_disk();
    until("b has them all", async || {
        b.node.look_after(&tenant()).await.unwrap();
        owners.iter().all(|owner| b.node.serves(owner.id))
    })
    .await;
    assert!(!b.node.serves(resting_id), "one that rests stays where it is");
    cluster.kill_redis();
    cluster.restart_redis();
    for owner in &owners {
        let next = Owner::of(b.keeper().claim(&tenant(), owner.id).await.unwrap());
        same_files(&owner.shown(), &next);
        assert_eq!(next.epoch.get(), 2);
    }
}
