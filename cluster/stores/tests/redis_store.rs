//! What a caller of the store in a Redis is told when it is full, away, or alone.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::redis::{Server, client};
use std::time::Duration;
use warren_ownership::name::SessionId;
use warren_ownership::position::Epoch;
use warren_storage::store::{Flush, Key, PutError, Store, StoreError};
use warren_stores::redis::{Hot, Redis, RedisOptions, RedisStore, RedisStoreOptions, Trouble};
use warren_stores::retry::Limits;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn store(redis: Redis) -> RedisStore {
    let limits =
        Limits { attempt: Duration::from_millis(300), deadline: Duration::from_millis(900), ..Limits::default() };
    RedisStore::new(redis, RedisStoreOptions { limits, ..RedisStoreOptions::default() })
}

fn reason(error: impl Into<PutError>) -> String {
    match error.into() {
        PutError::Store(StoreError::Unavailable { reason }) => reason,
        other => panic!("{other:?} is another error"),
    }
}

#[tokio::test]
async fn it_has_a_bound_and_room_again() {
    let Some(server) = Server::start(&[]) else { return };
    let options = RedisStoreOptions { bytes_max: 10_000, ..RedisStoreOptions::default() };
    let store = RedisStore::new(server.client(), options);
    let version = store.put_if_absent(&key("a"), Bytes::from(vec![1; 9_000]), Flush::Now).await.unwrap();
    let full = store.put_if_absent(&key("b"), Bytes::from(vec![1; 2_000]), Flush::Now).await.unwrap_err();
    assert_eq!(full, PutError::Store(StoreError::NoSpace));
    let version = store.put_if_match(&key("a"), Bytes::from(vec![1; 9_900]), &version, Flush::Now).await.unwrap();
    store.delete_if_match(&key("a"), &version).await.unwrap();
    store.put_if_absent(&key("b"), Bytes::from(vec![1; 9_900]), Flush::Now).await.unwrap();
}

#[tokio::test]
async fn a_redis_without_memory_is_full() {
    let Some(server) = Server::start(&["--maxmemory", "8mb", "--maxmemory-policy", "noeviction"]) else { return };
    let store = RedisStore::new(server.client(), RedisStoreOptions::default());
    let mut written = 0;
    let full = loop {
        match store.put_if_absent(&key(&format!("o/{written}")), Bytes::from(vec![1; 1 << 20]), Flush::Now).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 20);
    };
    assert_eq!(full, PutError::Store(StoreError::NoSpace));
    let there = store.get(&key("o/0")).await.unwrap().unwrap();
    assert_eq!(there.bytes.len(), 1 << 20, "reads are served");
    // So is what makes room, also when more is in use than there may be.
    server.ask(&["CONFIG", "SET", "maxmemory", "2mb"]);
    assert_eq!(
        store.put_if_absent(&key("b"), Bytes::new(), Flush::Now).await,
        Err(PutError::Store(StoreError::NoSpace))
    );
    store.delete_if_match(&key("o/0"), &there.version).await.unwrap();
    for number in 1..written {
        store.delete(&key(&format!("o/{number}"))).await.unwrap();
    }
    store.delete(&key("never")).await.unwrap();
    assert!(store.list("", None, 10).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_redis_that_drops_what_it_has_is_not_used() {
    let Some(server) = Server::start(&["--maxmemory-policy", "allkeys-lru"]) else { return };
    let store = RedisStore::new(server.client(), RedisStoreOptions::default());
    for _ in 0..2 {
        let told = reason(store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await.unwrap_err());
        assert!(told.contains("allkeys-lru") && told.contains("noeviction"), "{told}");
        reason(store.get(&key("a")).await.unwrap_err());
    }
    server.ask(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await.unwrap();
}

#[tokio::test]
async fn who_is_away_is_named_and_found_again() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let store = store(server.client());
    let first = store.put_if_absent(&key("a"), Bytes::from_static(b"one"), Flush::Now).await.unwrap();
    server.kill();
    // The connection that was there breaks: the write may have been done for all that is known.
    let told = reason(store.put_if_match(&key("a"), Bytes::new(), &first, Flush::Now).await.unwrap_err());
    assert!(told.contains("cannot write \"a\" in the Redis") && told.contains("not known"), "{told}");
    // No connection is made: it was not.
    let told = reason(store.put_if_match(&key("a"), Bytes::new(), &first, Flush::Now).await.unwrap_err());
    assert!(told.contains("nothing was done") && told.contains(&server.port.to_string()), "{told}");
    reason(store.get(&key("a")).await.unwrap_err());
    server.restart();
    let found = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((found.bytes, &found.version), (Bytes::from_static(b"one"), &first));
    store.put_if_match(&key("a"), Bytes::new(), &first, Flush::Now).await.unwrap();
    // One that hangs.
    server.ask(&["CLIENT", "PAUSE", "5000", "ALL"]);
    let told = reason(store.put_if_absent(&key("b"), Bytes::new(), Flush::Now).await.unwrap_err());
    assert!(told.contains("no answer within") && told.contains("not known"), "{told}");
}

#[tokio::test]
async fn who_wants_replicas_waits_for_them() {
    let Some(server) = Server::start(&[]) else { return };
    let options =
        RedisStoreOptions { replicas: 1, replicas_in: Duration::from_millis(100), ..RedisStoreOptions::default() };
    let store = RedisStore::new(server.client(), options);
    let told = reason(store.put_if_absent(&key("a"), Bytes::new(), Flush::Now).await.unwrap_err());
    assert!(told.contains("0 of 1 replicas have it") && told.contains("may be lost"), "{told}");
    let of = server.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &of, "--repl-diskless-sync-delay", "0"]).unwrap();
    let mut tries = 0;
    while let Err(error) = store.put_if_absent(&key(&format!("b/{tries}")), Bytes::new(), Flush::Now).await {
        tries += 1;
        assert!(tries < 200, "{error}");
    }
    assert!(replica.ask(&["DBSIZE"]).parse::<u32>().unwrap() >= 3, "an object, the names, their bytes");
}

/// A server that takes connections and says nothing: who waits for who connects, waits no longer.
#[tokio::test]
async fn many_that_wait_for_a_connection_give_up_together() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let connect = Duration::from_millis(200);
    let redis = Redis::new(RedisOptions { connect, ..RedisOptions::new(url) }).unwrap();
    let hot = Hot::new(redis);
    let asked = (0..100).map(|number| hot.raise(SessionId(number), Epoch::FIRST));
    let all = futures_util::future::join_all(asked);
    for told in tokio::time::timeout(Duration::from_secs(15), all).await.unwrap() {
        assert!(matches!(told, Err(Trouble::Refused(_))), "{told:?}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let Some(server) = Server::start(&["--requirepass", "secret"]) else {
        return;
    };
    let told = reason(store(client(&server.url())).get(&key("a")).await.unwrap_err());
    assert!(told.contains("NOAUTH") || told.contains("assword"), "{told}");
    let url = format!("redis://:wrong@127.0.0.1:{}", server.port);
    let told = reason(store(client(&url)).get(&key("a")).await.unwrap_err());
    assert!(!told.contains("wrong@"), "{told}");
    let url = format!("redis://:secret@127.0.0.1:{}", server.port);
    assert_eq!(store(client(&url)).get(&key("a")).await.unwrap(), None);
}
