//! Redis goes, comes back empty, and the bucket goes: what is acknowledged by what, and what is told meanwhile.

use crate::cluster::{Cluster, Wall, same_files, until};
use crate::world::{Owner, tenant};
use warren_s3_double::faults::{Fault, Operation};
use warren_session::durability::{Durability, DurabilityError};
use warren_session::spec::Tier;

/// The hot journal acknowledges, the tail goes to the bucket, and the journal is trimmed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_is_in_redis_first_and_in_the_bucket_soon() {
    let Some(cluster) = Cluster::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let a = cluster.process(1, &dir).await;
    a.is_up(1).await;
    let mut owner = Owner::create(a.keeper(), Tier::Journal, None).await;
    let id = owner.id;
    for number in 0..5 {
        owner.run("file", &[number; 100]).await.unwrap();
    }
    assert!(cluster.journal(id).await >= 1, "it is in Redis");
    until("the bucket has it, and Redis has forgotten it", async || {
        cluster.record(id).await.ownership.unwrap().durable >= 5 && cluster.journal(id).await == 0
    })
    .await;
    // While the bucket is away, Redis alone acknowledges.
    let before = cluster.double.script().asked(Operation::Write);
    owner.run("file", b"more").await.unwrap();
    assert_eq!(cluster.double.script().asked(Operation::Write), before, "no write of the bucket was waited for");
    let stored = cluster.record(id).await.ownership.unwrap();
    assert!(stored.segments.len() <= 5, "{stored:?}");
}

/// Redis is away: the bucket acknowledges. Redis is back, and empty: it is used again. The owner dies: nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_goes_and_comes_back_empty() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut journal = Owner::create(a.keeper(), Tier::Journal, None).await;
    let mut checkpoint = Owner::create(a.keeper(), Tier::Checkpoint, None).await;
    let mut strict = Owner::create(a.keeper(), Tier::Strict, None).await;
    let id = journal.id;
    for owner in [&mut journal, &mut checkpoint, &mut strict] {
        owner.run("with", b"redis").await.unwrap();
    }
    cluster.kill_redis();
    for number in 0..3 {
        for owner in [&mut journal, &mut checkpoint, &mut strict] {
            owner.run(&format!("without{number}"), b"redis").await.unwrap();
        }
    }
    until("no lease holds", async || !a.node.may_act()).await;
    for owner in [&mut journal, &mut checkpoint, &mut strict] {
        owner.run("without a lease", b"the record says so").await.unwrap();
    }
    // A session that rests needs no Redis to be woken, and one that has an owner is not taken without.
    let refused = b.keeper().claim(&tenant(), id).await.unwrap_err();
    assert!(matches!(refused, DurabilityError::Unavailable(_)), "whether its owner lives cannot be said: {refused}");
    strict.hibernate().await.unwrap();
    let made = Owner::create(b.keeper(), Tier::Journal, None).await;
    assert_eq!(made.epoch.get(), 1, "new ones are made");
    cluster.restart_redis();
    a.is_up(2).await;
    b.is_up(2).await;
    for _ in 0..600 {
        journal.run("with another", b"redis").await.unwrap();
        if cluster.journal(id).await > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(cluster.journal(id).await > 0, "the journal is used again");
    let (files, last) = (journal.shown(), journal.last.seq);
    a.die_with_its_disk();
    let (mut next, _) = b.claim(id).await;
    same_files(&files, &next);
    assert_eq!((next.epoch.get(), next.last.seq), (2, last + 1));
    next.run("goes on", b"yes").await.unwrap();
}

/// What only the old Redis had is brought to the bucket by its owner, who lives.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_only_the_old_redis_had_is_not_lost() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owner = Owner::create(a.keeper(), Tier::Journal, None).await;
    let id = owner.id;
    for number in 0..4 {
        owner.run(&format!("file{number}"), b"only there").await.unwrap();
    }
    cluster.redis.ask(&["FLUSHALL"]);
    until("it is in the bucket", async || cluster.record(id).await.ownership.unwrap().durable >= 4).await;
    let files = owner.shown();
    a.die_with_its_disk();
    let (next, _) = b.claim(id).await;
    same_files(&files, &next);
}

/// The bucket is away for one process: its journal sessions go on, its strict ones wait, and nothing is told twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_bucket_goes_and_comes_back() {
    let Some(cluster) = Cluster::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let redis = Wall::before(cluster.redis.port).await;
    let store = Wall::before(cluster.double.address().port()).await;
    let a = cluster.process_behind(1, &dir, Some((&redis, &store))).await;
    a.is_up(1).await;
    let mut journal = Owner::create(a.keeper(), Tier::Journal, None).await;
    let mut strict = Owner::create(a.keeper(), Tier::Strict, None).await;
    let strict_id = strict.id;
    journal.run("before", b"yes").await.unwrap();
    strict.run("before", b"yes").await.unwrap();
    store.shut();
    for number in 0..5 {
        journal.run(&format!("without{number}"), b"the bucket").await.unwrap();
    }
    strict.put("waits", b"for the bucket");
    let batch = strict.batch();
    let waits = tokio::spawn(strict.claim.append(batch, Tier::Strict.level().unwrap()));
    let durable = cluster.record(strict_id).await.ownership.unwrap().durable;
    assert!(!waits.is_finished());
    store.open();
    waits.await.unwrap().unwrap();
    strict.run("after", b"yes").await.unwrap();
    journal.run("after", b"yes").await.unwrap();
    assert!(strict.last.seq > durable);
    journal.hibernate().await.unwrap();
    strict.hibernate().await.unwrap();
}

/// A hot journal that is full takes no more: what comes then waits for the bucket, and is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_that_is_full_waits_for_the_bucket() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let redis = Wall::before(cluster.redis.port).await;
    let store = Wall::before(cluster.double.address().port()).await;
    let a = cluster.process_behind(1, &dirs[0], Some((&redis, &store))).await;
    let b = cluster.process(2, &dirs[1]).await;
    a.is_up(2).await;
    b.is_up(2).await;
    let mut owner = Owner::create(a.keeper(), Tier::Journal, None).await;
    let id = owner.id;
    owner.run("before", b"yes").await.unwrap();
    store.shut();
    // 75 times 200 KiB fit into 16 MiB, 85 do not.
    let mut waiting = Vec::new();
    for number in 0..85_u8 {
        owner.put(&format!("file{number}"), &vec![number; 200 << 10]);
        let batch = owner.batch();
        let told = owner.claim.append(batch, Tier::Journal.level().unwrap());
        if number < 75 {
            told.await.unwrap();
        } else {
            waiting.push(tokio::spawn(told));
        }
    }
    assert!(waiting.iter().any(|told| !told.is_finished()), "Redis did not take all of it");
    store.open();
    for told in waiting {
        told.await.unwrap().unwrap();
    }
    owner.run("after", b"yes").await.unwrap();
    let files = owner.shown();
    a.die_with_its_disk();
    let (next, _) = b.claim(id).await;
    same_files(&files, &next);
}

/// Answers of writes that were done are lost, one by one: every write is recognised, and none is done twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_that_are_lost_change_nothing() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    for fault in [Fault::LostAfterApply, Fault::ErrorAfterApply, Fault::Status(503), Fault::Status(409), Fault::Reset] {
        let lose = || {
            for _ in 0..3 {
                cluster.double.script().once(Some(Operation::Write), fault);
            }
        };
        lose();
        let mut owner = Owner::create(a.keeper(), Tier::Strict, None).await;
        let id = owner.id;
        lose();
        owner.run("one", b"1").await.unwrap();
        lose();
        owner.run("two", b"2").await.unwrap();
        let files = owner.shown();
        lose();
        owner.hibernate().await.unwrap();
        lose();
        let mut next = b.claim(id).await.0;
        same_files(&files, &next);
        assert_eq!(next.epoch.get(), 2, "{fault:?}");
        lose();
        next.run("three", b"3").await.unwrap();
        assert_eq!(b.events(id).await.last().unwrap().position, next.last, "{fault:?}");
    }
}
