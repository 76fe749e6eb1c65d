//! What cannot be used is told of, and harms nobody else.

use crate::cluster::{Cluster, same_files};
use crate::world::{Owner, host, new_session, tenant};
use bytes::Bytes;
use std::sync::Arc;
use tokio::runtime::Handle;
use warren_cluster::keeper::{Keeper, KeeperOptions};
use warren_cluster::keys::KeyEncryptionKey;
use warren_cluster::record::places;
use warren_node::{ClusterNode, NodeOptions, OpenError};
use warren_session::durability::{Durability, DurabilityError};
use warren_session::position::Epoch;
use warren_session::spec::Tier;
use warren_storage::store::Flush;
use warren_storage::wal::{Wal, WalOptions};

fn key() -> KeyEncryptionKey {
    KeyEncryptionKey::from_bytes([7; 32])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_has_one_process() {
    let Some(cluster) = Cluster::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let first = cluster.process(1, &dir).await;
    let parts = (cluster.store().await, cluster.client(cluster.redis.port));
    let options = NodeOptions::new(2, "10.0.0.2:7000", dir.path());
    let second = ClusterNode::open(options, parts, key(), host(), Handle::current());
    assert!(matches!(second, Err(OpenError::Lock(_))), "{second:?}");
    drop(first);
    let parts = (cluster.store().await, cluster.client(cluster.redis.port));
    let options = NodeOptions::new(2, "10.0.0.2:7000", dir.path().join("owners"));
    let file = ClusterNode::open(options, parts, key(), host(), Handle::current()).unwrap_err();
    assert!(file.to_string().contains("owners"), "it names the path: {file}");
}

/// Only who certainly had the folder is dead for sure: a line that says nothing is nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_folder_remembers_who_had_it() {
    let Some(cluster) = Cluster::start().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let owners = dir.path().join("owners");
    let many: String = (0..100).map(|number| format!("7 {number:016x}\n")).collect();
    std::fs::write(&owners, format!("nonsense\n7 xyz\n-1 0000000000000001\n8 \n\n{many}")).unwrap();
    let process = cluster.process(7, &dir).await;
    let me = format!("7 {:016x}", process.node.me().incarnation.0);
    process.die();
    let text = std::fs::read_to_string(&owners).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1]), (64, me.as_str(), "7 0000000000000000"), "so many, the last first");
    let again = cluster.process(7, &dir).await;
    let text = std::fs::read_to_string(&owners).unwrap();
    assert_eq!(text.lines().nth(1), Some(me.as_str()));
    again.die();
    std::fs::remove_file(&owners).unwrap();
    std::fs::create_dir(&owners).unwrap();
    let parts = (cluster.store().await, cluster.client(cluster.redis.port));
    let options = NodeOptions::new(7, "10.0.0.7:7000", dir.path());
    let refused = ClusterNode::open(options, parts, key(), host(), Handle::current()).unwrap_err();
    assert!(refused.to_string().contains("owners"), "{refused}");
}

/// A record of a single node's, one that is none, and a session whose journal is gone: each is told of, and can be deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_cannot_be_read_is_damaged_and_can_be_deleted() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let a = cluster.process(1, &dirs[0]).await;
    a.is_up(1).await;
    let store = cluster.store().await;
    let wal = Wal::open(dirs[1].path(), WalOptions::default()).unwrap();
    let alone = Keeper::open(store.clone(), wal, key(), host(), Handle::current(), KeeperOptions::default()).unwrap().0;
    let single = Owner::create(&alone, Tier::Journal, None).await;
    let other = new_session(Tier::Journal, None).id;
    let nonsense = Bytes::from_static(b"nonsense");
    store.put_if_absent(&places::record(&tenant(), other), nonsense, Flush::Now).await.unwrap();
    let mut strict = Owner::create(a.keeper(), Tier::Strict, None).await;
    let mut whole = Owner::create(a.keeper(), Tier::Strict, None).await;
    strict.run("file", b"one").await.unwrap();
    whole.run("file", b"two").await.unwrap();
    let (strict_id, whole_id, files) = (strict.id, whole.id, whole.shown());
    a.node.hand_over(&tenant(), strict_id, a.node.me()).await.unwrap();
    for owner in [strict, whole] {
        drop(owner);
    }
    // Taken once, so that the record names the object.
    let owner = Owner::of(a.keeper().claim(&tenant(), strict_id).await.unwrap());
    drop(owner);
    let owning = cluster.record(strict_id).await.ownership.unwrap();
    let named = owning.segments.first().expect("its entries are in an object");
    let epoch = Epoch::new(named.epoch.get()).unwrap();
    store.delete(&places::batch(&tenant(), strict_id, epoch, named.first)).await.unwrap();
    for id in [single.id, other, strict_id] {
        let claimed = a.keeper().claim(&tenant(), id).await.unwrap_err();
        assert!(matches!(claimed, DurabilityError::Damaged { .. }), "{claimed}");
    }
    let claimed = a.keeper().claim(&tenant(), single.id).await.unwrap_err();
    assert!(claimed.to_string().contains("single node"), "{claimed}");
    same_files(&files, &Owner::of(a.keeper().claim(&tenant(), whole_id).await.unwrap()));
    for id in [single.id, strict_id] {
        a.keeper().delete(&tenant(), id).await.unwrap();
        let claimed = a.keeper().claim(&tenant(), id).await.unwrap_err();
        assert!(matches!(claimed, DurabilityError::Deleted(_)), "{claimed}");
    }
    // Of the single node's claim nothing comes any more: its record is a tombstone.
    let point = { single }.point();
    assert_eq!(point.position.seq, 1);
}

/// An id that is taken is not made again, and what is there stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_is_given_once() {
    let Some(cluster) = Cluster::start().await else { return };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (a, b) = (cluster.process(1, &dirs[0]).await, cluster.process(2, &dirs[1]).await);
    a.is_up(2).await;
    b.is_up(2).await;
    let new = new_session(Tier::Strict, None);
    let mut owner = Owner::of(a.keeper().create(new.clone()).await.unwrap());
    owner.run("file", b"mine").await.unwrap();
    for keeper in [a.keeper(), b.keeper()] {
        assert!(keeper.create(new.clone()).await.is_err());
    }
    owner.run("file", b"still mine").await.unwrap();
    let many: Vec<_> = (0..8).map(|number| if number % 2 == 0 { a.keeper() } else { b.keeper() }).collect();
    let new = Arc::new(new_session(Tier::Journal, None));
    let made = futures_util::future::join_all(many.iter().map(|keeper| keeper.create((*new).clone()))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
}
