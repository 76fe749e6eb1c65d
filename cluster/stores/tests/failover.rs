//! What a Redis says of itself, and what is on its replicas, when servers change places.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::proxy::Proxy;
use servers::redis::{Server, client};
use servers::until;
use std::sync::Arc;
use std::time::Duration;
use warren_ownership::name::SessionId;
use warren_ownership::position::Epoch;
use warren_storage::store::{Flush, Key, PutError, Store, StoreError};
use warren_stores::redis::{Changed, Hot, Raised, RedisStore, RedisStoreOptions};

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn reason(error: impl Into<PutError>) -> String {
    match error.into() {
        PutError::Store(StoreError::Unavailable { reason }) => reason,
        other => panic!("{other:?} is another error"),
    }
}

fn copied(within: Duration) -> RedisStoreOptions {
    RedisStoreOptions { replicas: 1, replicas_in: within, ..RedisStoreOptions::default() }
}

/// A server that was primary, then a replica, and is primary again, may lack what it was told before: the process and its mark
/// are the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_comes_back_is_another() {
    let Some(one) = Server::start(&[]) else { return };
    let two = one.replica();
    let hot = Hot::new(one.client());
    let (id, entry) = (SessionId(1), [Bytes::from_static(b"one")]);
    let first = hot.raise(id, Epoch::FIRST).await.unwrap().home;
    assert_eq!(hot.seed(id, first, Epoch::FIRST, 0).await.unwrap().what, Changed::Done);
    assert_eq!(one.ask(&["WAIT", "1", "10000"]), "1");
    // The next owner's fence is not on the replica when that takes over.
    assert_eq!(two.ask(&["REPLICAOF", "NO", "ONE"]), "OK");
    let fence = Epoch::new(2).unwrap();
    assert!(matches!(hot.raise(id, fence).await.unwrap().what, Raised::Journal(_)));
    assert_eq!(one.ask(&["REPLICAOF", "127.0.0.1", &two.port.to_string()]), "OK");
    until("the first has what the second has", || one.ask(&["INFO", "replication"]).contains("master_link_status:up"));
    assert_eq!(one.ask(&["REPLICAOF", "NO", "ONE"]), "OK");
    // The old owner goes on with the Redis that it knows.
    let answered = hot.append(id, Some(first), Epoch::FIRST, 1, &entry).await.unwrap();
    assert_eq!(answered.what, Changed::Forgotten);
    assert_ne!(answered.home, first);
}

/// A write whose first answer was lost is proven by its second: a connection that wrote nothing waits for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_tried_again_waits_for_its_replicas() {
    let Some(server) = Server::start(&[]) else { return };
    let replica = server.replica();
    let proxy = Proxy::before(server.port).await;
    let store =
        RedisStore::new(client(&format!("redis://127.0.0.1:{}", proxy.port)), copied(Duration::from_millis(200)));
    until_written(&store).await;
    let version = store.put_if_absent(&key("gone"), Bytes::new(), Flush::Now).await.unwrap();
    replica.freeze();
    proxy.cut_once();
    let told = reason(store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await.unwrap_err());
    assert!(told.contains("0 of 1 replicas have it; it was done and may be lost"), "{told}");
    assert!(store.get(&key("a")).await.unwrap().is_some());
    proxy.cut_once();
    let told = reason(store.delete(&key("gone")).await.unwrap_err());
    assert!(told.contains("0 of 1 replicas have it"), "{told}");
    // What is refused is told as such, whatever the replicas do.
    assert_eq!(store.put_if_match(&key("gone"), Bytes::new(), &version, Flush::Now).await, Err(PutError::Missing));
}

/// A replica may be attached, and have nothing yet.
async fn until_written(store: &RedisStore) {
    for number in 0..500 {
        if store.put_if_absent(&key(&format!("first/{number}")), Bytes::new(), Flush::Now).await.is_ok() {
            return;
        }
    }
    panic!("no write reached the replica");
}

/// While a write waits for a replica that is away, leases and journals of the same client go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_waits_holds_up_nobody() {
    let Some(server) = Server::start(&[]) else { return };
    let redis = server.client();
    let store = Arc::new(RedisStore::new(redis.clone(), copied(Duration::from_secs(20))));
    let hot = Hot::new(redis);
    hot.peek(SessionId(1)).await.unwrap();
    let write = tokio::spawn(async move { store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await });
    until("it waits", || server.ask(&["CLIENT", "LIST"]).contains("cmd=wait"));
    for _ in 0..20 {
        hot.raise(SessionId(1), Epoch::FIRST).await.unwrap();
    }
    assert!(server.ask(&["CLIENT", "LIST"]).contains("cmd=wait"), "it waits still");
    write.abort();
}

/// The same on a cluster, where what is written and what waits has to go to one of its servers.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_waits_for_its_replicas() {
    let Some(node) = Server::start(&["--cluster-enabled", "yes"]) else { return };
    assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    until("the cluster is up", || node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let store = RedisStore::new(
        client(&format!("redis-cluster://127.0.0.1:{}", node.port)),
        copied(Duration::from_millis(100)),
    );
    let told = reason(store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await.unwrap_err());
    assert!(told.contains("0 of 1 replicas have it"), "{told}");
    let replica = Server::start(&["--cluster-enabled", "yes"]).unwrap();
    assert_eq!(replica.ask(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()]), "OK");
    let id = node.ask(&["CLUSTER", "MYID"]);
    until("they know each other", || replica.ask(&["CLUSTER", "REPLICATE", &id]) == "OK");
    until("the replica is there", || node.ask(&["INFO", "replication"]).contains("state=online"));
    until_written(&store).await;
}
