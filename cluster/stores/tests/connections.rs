//! How a client of Redis connects, and what becomes of requests when it cannot.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use futures_util::future::join_all;
use servers::proxy::Proxy;
use servers::redis::{Server, client};
use servers::until;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use warren_ownership::name::SessionId;
use warren_ownership::position::Epoch;
use warren_stores::redis::{Hot, Notices, Redis, RedisOptions, Trouble};

/// A port that takes connections and says nothing; and how many it took.
async fn silent() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicU64::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    (port, count)
}

#[tokio::test]
async fn many_that_wait_share_one_connection_that_is_not_made() {
    let (port, count) = silent().await;
    let options = RedisOptions {
        connect: Duration::from_secs(60),
        answer: Duration::from_millis(700),
        ..RedisOptions::new(format!("redis://127.0.0.1:{port}"))
    };
    let hot = Hot::new(Redis::new(options).unwrap());
    for told in join_all((0..200).map(|number| hot.peek(SessionId(number)))).await {
        assert!(matches!(told, Err(Trouble::Refused(_))), "nothing was sent: {told:?}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_host_of_several_is_passed_over() {
    let Some(node) = Server::start(&["--cluster-enabled", "yes"]) else { return };
    assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    until("the cluster is up", || node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let primary = Server::start(&[]).unwrap();
    let sentinel = Server::sentinel(&primary);
    let (dead, _) = silent().await;
    let id = SessionId(1);
    for url in [
        format!("redis-sentinel://127.0.0.1:{dead},127.0.0.1:{}/main", sentinel.port),
        format!("redis-cluster://127.0.0.1:{dead},127.0.0.1:{}", node.port),
    ] {
        // The answer's time is the whole's: what is tested is that the dead host does not use it up.
        let options = RedisOptions {
            answer: Duration::from_secs(20),
            connect: Duration::from_secs(20),
            ..RedisOptions::new(&url)
        };
        let options = RedisOptions { connect_host: Duration::from_secs(2), ..options };
        let redis = Redis::new(options).unwrap();
        let raised = Hot::new(redis.clone()).raise(id, Epoch::FIRST).await;
        assert!(raised.is_ok(), "{url}: {raised:?}");
        let notices = Notices::new(redis);
        let mut wakes = notices.wakes().await.unwrap_or_else(|why| panic!("{url}: {why}"));
        notices.wake(id).await.unwrap();
        assert_eq!(wakes.next().await, Some(id), "{url}");
    }
}

/// A request that fails on a connection which was given up already does not take the next one with it.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_connection_that_failed_is_given_up() {
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::before(server.port).await;
    let hot = Hot::new(client(&format!("redis://127.0.0.1:{}", proxy.port)));
    hot.peek(SessionId(1)).await.unwrap();
    assert_eq!(proxy.connections(), 1);
    // Two are on the first connection, which answers no more; the second was sent later and fails later.
    proxy.hold();
    let asked = |number| {
        let (hot, before) = (hot.clone(), proxy.sent());
        let task = tokio::spawn(async move { hot.peek(SessionId(number)).await });
        (task, before)
    };
    let (one, before) = asked(2);
    until("it is sent", || proxy.sent() > before);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (two, before) = asked(3);
    until("it is sent", || proxy.sent() > before);
    assert!(matches!(one.await.unwrap(), Err(Trouble::Doubt(_))));
    hot.peek(SessionId(4)).await.unwrap();
    assert_eq!(proxy.connections(), 2);
    assert!(matches!(two.await.unwrap(), Err(Trouble::Doubt(_))));
    hot.peek(SessionId(5)).await.unwrap();
    assert_eq!(proxy.connections(), 2, "the second is good still");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_notices_that_the_other_end_is_silent() {
    let (dead, _) = silent().await;
    let options =
        RedisOptions { connect: Duration::from_millis(300), ..RedisOptions::new(format!("redis://127.0.0.1:{dead}")) };
    let told = Notices::new(Redis::new(options).unwrap()).wakes().await;
    assert!(matches!(told, Err(Trouble::Refused(_))), "{told:?}");
    let Some(server) = Server::start(&[]) else { return };
    let proxy = Proxy::before(server.port).await;
    let notices = Notices::new(client(&format!("redis://127.0.0.1:{}", proxy.port)));
    let mut wakes = notices.wakes_within(Duration::from_millis(100)).await.unwrap();
    // It is quiet, and the other end is there: a wake after that is heard.
    let heard = tokio::spawn(async move {
        let first = wakes.next().await;
        (first, wakes)
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    notices.wake(SessionId(7)).await.unwrap();
    let (first, mut wakes) = heard.await.unwrap();
    assert_eq!(first, Some(SessionId(7)));
    proxy.hold();
    assert_eq!(wakes.next().await, None);
}
