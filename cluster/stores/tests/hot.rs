//! Leases, journals and notices on real servers, and what tells that one may have forgotten.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use servers::redis::{Server, client};
use servers::until;
use std::time::{Duration, Instant};
use warren_ownership::lease::{TTL, Term};
use warren_ownership::name::{Incarnation, NodeId, Owner, SessionId};
use warren_ownership::position::Epoch;
use warren_stores::redis::{
    About, Bounds, Changed, Held, Hot, Looked, Notices, Quota, Raised, Redis, RedisOptions, Trouble,
};

fn owner(number: u8) -> Owner {
    Owner { node: NodeId(number.into()), incarnation: Incarnation(u64::from(number) << 40 | 7) }
}

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

fn about(of: Owner) -> About {
    About { address: format!("10.0.0.{}:7000", of.node.0), free_mib: of.node.0 * 100, draining: of.node.0 == 2 }
}

/// A life of a session, step by step: what each answer is when nothing is left to chance.
#[tokio::test]
async fn a_journal_changes_hands() {
    let Some(server) = Server::start(&[]) else { return };
    let hot = Hot::new(server.client());
    let id = SessionId(7);
    let sent = |from: u64, to: u64| (from..=to).map(|seq| Bytes::from(format!("event {seq}"))).collect::<Vec<_>>();
    let raised = hot.raise(id, epoch(3)).await.unwrap();
    let home = raised.home;
    assert_eq!(raised.what, Raised::Journal(Vec::new()));
    assert_eq!(
        hot.append(id, Some(home), epoch(3), 1, &sent(1, 1)).await.unwrap().what,
        Changed::Forgotten,
        "not seeded"
    );
    assert_eq!(hot.seed(id, home, epoch(3), 10).await.unwrap().what, Changed::Done);
    assert_eq!(hot.append(id, Some(home), epoch(3), 11, &sent(11, 13)).await.unwrap().what, Changed::Done);
    assert_eq!(
        hot.append(id, Some(home), epoch(3), 12, &sent(12, 15)).await.unwrap().what,
        Changed::Done,
        "again, and more"
    );
    assert_eq!(
        hot.append(id, Some(home), epoch(3), 17, &sent(17, 17)).await.unwrap().what,
        Changed::Forgotten,
        "a gap"
    );
    assert_eq!(hot.seed(id, home, epoch(3), 10).await.unwrap().what, Changed::Done, "late");
    assert_eq!(hot.trim(id, home, epoch(3), 12).await.unwrap().what, Changed::Done);
    let Raised::Journal(found) = hot.raise(id, epoch(4)).await.unwrap().what else { panic!() };
    let found: Vec<_> = found.iter().map(|one| (one.epoch.get(), one.seq, one.bytes.clone())).collect();
    assert_eq!(found, (13..=15).map(|seq| (3, seq, Bytes::from(format!("event {seq}")))).collect::<Vec<_>>());
    assert_eq!(hot.append(id, Some(home), epoch(3), 16, &sent(16, 16)).await.unwrap().what, Changed::Fenced);
    assert_eq!(hot.trim(id, home, epoch(3), 16).await.unwrap().what, Changed::Fenced);
    assert_eq!(hot.raise(id, epoch(3)).await.unwrap().what, Raised::Fenced);
    // Long ones are read whole.
    hot.seed(id, home, epoch(4), 15).await.unwrap();
    for first in (16..5016).step_by(500) {
        assert_eq!(
            hot.append(id, Some(home), epoch(4), first, &sent(first, first + 499)).await.unwrap().what,
            Changed::Done
        );
    }
    let found = hot.peek(id).await.unwrap().what;
    assert_eq!((found.len(), found[0].seq, found[4999].seq), (5000, 16, 5015));
    assert!(found.iter().all(|one| one.bytes == format!("event {}", one.seq)));
    // Numbers that a script cannot tell apart are not sent.
    let told = hot.append(id, None, epoch(4), 1 << 53, &sent(1, 1)).await.unwrap_err();
    assert!(matches!(told, Trouble::Hopeless(_)), "{told}");
    assert!(matches!(hot.append(id, None, epoch(4), 1, &[]).await, Err(Trouble::Hopeless(_))));
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    let Some(server) = Server::start(&[]) else { return };
    let hot = Hot::new(server.client());
    let one = owner(1);
    let granted = hot.grant(one, Term(1), &about(one)).await.unwrap();
    assert_eq!(granted.what, Held::Held(vec![(one, about(one))]));
    let began = granted.clock;
    loop {
        let looked = hot.look(one).await.unwrap();
        let lived = looked.clock - began;
        assert_eq!(looked.what, Looked(lived < TTL.0), "after {lived} ms");
        if lived >= TTL.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(hot.renew(one, Term(1), &about(one)).await.unwrap().what, Held::Lapsed);
    let odd = About { address: "a b".to_owned(), ..about(one) };
    assert!(matches!(hot.grant(one, Term(2), &odd).await, Err(Trouble::Hopeless(_))));
}

/// Whatever may have made it forget, is another Redis, and what names the one before is refused.
#[tokio::test]
async fn a_redis_that_may_have_forgotten_is_another() {
    let Some(mut server) = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    let hot = Hot::new(server.client());
    let mut homes = hot.home();
    let (id, one) = (SessionId(1), [Bytes::from_static(b"one")]);
    let first = hot.raise(id, epoch(1)).await.unwrap().home;
    hot.seed(id, first, epoch(1), 0).await.unwrap();
    assert_eq!(hot.append(id, Some(first), epoch(1), 1, &one).await.unwrap().what, Changed::Done);
    assert_eq!(*homes.borrow_and_update(), Some(first));

    // It is started again with all it had: nothing says so but the run_id.
    server.kill();
    let refused = hot.append(id, Some(first), epoch(1), 2, &one).await.unwrap_err();
    assert!(matches!(refused, Trouble::Doubt(_) | Trouble::Refused(_)), "{refused:?}");
    let refused = hot.append(id, Some(first), epoch(1), 2, &one).await.unwrap_err();
    assert!(matches!(refused, Trouble::Refused(_)), "nobody listens: {refused:?}");
    server.restart();
    let answered = hot.append(id, Some(first), epoch(1), 2, &one).await.unwrap();
    assert_eq!(answered.what, Changed::Forgotten);
    assert_ne!(answered.home, first);
    assert!(homes.has_changed().unwrap());
    let second = answered.home;
    assert_eq!(*homes.borrow_and_update(), Some(second));
    let Raised::Journal(kept) = hot.raise(id, epoch(1)).await.unwrap().what else { panic!() };
    assert_eq!(kept.len(), 1, "what it had is there for who asks anew");

    // It is emptied: the run_id is the same.
    server.ask(&["FLUSHALL"]);
    let answered = hot.append(id, Some(second), epoch(1), 2, &one).await.unwrap();
    assert_eq!(answered.what, Changed::Forgotten);
    assert!(answered.home != first && answered.home != second);
    assert!(homes.has_changed().unwrap());
}

/// A replica that takes over has the data and another run_id: behind a sentinel nobody else tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_takes_over_is_another() {
    let Some(mut primary) = Server::start(&[]) else { return };
    let of = primary.port.to_string();
    let replica = Server::start(&["--replicaof", "127.0.0.1", &of, "--repl-diskless-sync-delay", "0"]).unwrap();
    until("the replica is there", || primary.ask(&["INFO", "replication"]).contains("state=online"));
    let sentinel = Server::sentinel(&primary);
    until("the sentinel knows it", || {
        sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).contains(&replica.port.to_string())
    });
    let hot = Hot::new(client(&format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port)));
    let (id, one) = (SessionId(1), [Bytes::from_static(b"one")]);
    let first = hot.raise(id, epoch(1)).await.unwrap().home;
    hot.seed(id, first, epoch(1), 0).await.unwrap();
    hot.append(id, Some(first), epoch(1), 1, &one).await.unwrap();
    assert_eq!(primary.ask(&["WAIT", "1", "2000"]), "1");
    primary.kill();
    let begun = Instant::now();
    let answered = loop {
        match hot.append(id, Some(first), epoch(1), 2, &one).await {
            Ok(answered) => break answered,
            Err(trouble) => assert!(begun.elapsed() < Duration::from_secs(40), "{trouble}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(answered.what, Changed::Forgotten, "it was not verified");
    assert_ne!(answered.home, first);
    let Raised::Journal(kept) = hot.raise(id, epoch(1)).await.unwrap().what else { panic!() };
    assert_eq!(kept.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_does_the_same() {
    let Some(node) = Server::start(&["--cluster-enabled", "yes"]) else { return };
    assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    until("the cluster is up", || node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok"));
    let redis = client(&format!("redis-cluster://127.0.0.1:{}", node.port));
    let hot = Hot::new(redis.clone());
    let id = SessionId(1);
    let home = hot.raise(id, epoch(1)).await.unwrap().home;
    hot.seed(id, home, epoch(1), 0).await.unwrap();
    let one = [Bytes::from_static(b"one")];
    assert_eq!(hot.append(id, Some(home), epoch(1), 1, &one).await.unwrap().what, Changed::Done);
    assert_eq!(hot.grant(owner(1), Term(1), &about(owner(1))).await.unwrap().home, home, "all of it is on one server");
    let notices = Notices::new(redis);
    let mut wakes = notices.wakes().await.unwrap();
    notices.wake(id).await.unwrap();
    assert_eq!(wakes.next().await, Some(id));
}

#[tokio::test]
async fn hints_wakes_and_quotas() {
    let Some(server) = Server::start(&[]) else { return };
    let notices = Notices::new(server.client());
    let id = SessionId(u128::MAX);
    assert_eq!(notices.hint(id).await.unwrap(), None);
    assert!(notices.set_hint(id, epoch(5), "10.0.0.1:7000").await.unwrap());
    assert!(!notices.set_hint(id, epoch(4), "10.0.0.2:7000").await.unwrap(), "an older one is late");
    assert_eq!(notices.hint(id).await.unwrap(), Some((epoch(5), "10.0.0.1:7000".to_owned())));
    assert!(notices.set_hint(id, epoch(5), "10.0.0.3:7000").await.unwrap());

    let (mut one, mut other) = (notices.wakes().await.unwrap(), notices.wakes().await.unwrap());
    notices.wake(id).await.unwrap();
    notices.wake(SessionId(1)).await.unwrap();
    for listening in [&mut one, &mut other] {
        assert_eq!(listening.next().await, Some(id));
        assert_eq!(listening.next().await, Some(SessionId(1)));
    }

    let quota = Quota { per_s: 1, burst: 5 };
    assert_eq!(notices.take("a", quota, 6).await.unwrap(), Some(Duration::MAX), "never so many");
    assert_eq!(notices.take("a", quota, 3).await.unwrap(), None);
    assert_eq!(notices.take("a", quota, 2).await.unwrap(), None);
    let wait = notices.take("a", quota, 5).await.unwrap().unwrap();
    assert!(wait > Duration::ZERO && wait <= Duration::from_secs(5), "{wait:?}");
    assert_eq!(notices.take("b", quota, 5).await.unwrap(), None, "another's is its own");
    // More in a second than there are microseconds.
    let quota = Quota { per_s: 2_000_000, burst: 4_000_000_000 };
    assert_eq!(notices.take("c", quota, 4_000_000_000).await.unwrap(), None);
    let wait = notices.take("c", quota, 4_000_000_000).await.unwrap().unwrap();
    assert!(wait > Duration::from_secs(1000) && wait <= Duration::from_secs(2000), "{wait:?}");
}

/// A journal has a bound, and room again when it is trimmed.
#[tokio::test]
async fn a_journal_that_is_full_says_so() {
    let Some(server) = Server::start(&[]) else { return };
    let hot = Hot::bounded(server.client(), Bounds { bytes: 1000, entries: 20 });
    let id = SessionId(1);
    let home = hot.raise(id, epoch(1)).await.unwrap().home;
    hot.seed(id, home, epoch(1), 0).await.unwrap();
    let append = async |first: u64, many: usize, bytes: usize| {
        let entries = vec![Bytes::from(vec![7; bytes]); many];
        hot.append(id, Some(home), epoch(1), first, &entries).await.unwrap().what
    };
    assert_eq!(append(1, 9, 100).await, Changed::Done);
    assert_eq!(append(10, 1, 101).await, Changed::Full);
    assert_eq!(append(10, 1, 100).await, Changed::Done);
    assert_eq!(append(11, 1, 1).await, Changed::Full);
    assert_eq!(append(8, 3, 100).await, Changed::Done, "what is there already needs no room");
    assert_eq!(append(12, 1, 1).await, Changed::Forgotten, "a gap is one");
    assert_eq!(hot.peek(id).await.unwrap().what.len(), 10, "of what was refused nothing is there");
    hot.trim(id, home, epoch(1), 9).await.unwrap();
    assert_eq!(append(11, 19, 10).await, Changed::Done);
    assert_eq!(append(30, 1, 10).await, Changed::Full, "twenty entries");
    hot.trim(id, home, epoch(1), 29).await.unwrap();
    assert_eq!(append(30, 1, 1001).await, Changed::Full, "it never has room for this");
    assert_eq!(append(30, 10, 100).await, Changed::Done);
    hot.seed(id, home, epoch(1), 50).await.unwrap();
    assert_eq!(append(51, 10, 100).await, Changed::Done, "one that is begun anew is empty");
    // The largest is read in one answer.
    let hot = Hot::new(server.client());
    let home = hot.raise(id, epoch(1)).await.unwrap().home;
    hot.seed(id, home, epoch(1), 0).await.unwrap();
    let entries = vec![Bytes::from(vec![7; 1 << 20]); 4];
    for first in [1, 5, 9, 13] {
        assert_eq!(hot.append(id, Some(home), epoch(1), first, &entries).await.unwrap().what, Changed::Done);
    }
    assert_eq!(hot.append(id, Some(home), epoch(1), 17, &entries).await.unwrap().what, Changed::Full);
    let Raised::Journal(found) = hot.raise(id, epoch(2)).await.unwrap().what else { panic!() };
    assert!(found.len() == 16 && found.iter().all(|one| one.bytes.len() == 1 << 20));
}

/// A node that speaks of itself in another way is no reason for the others to lose their leases.
#[tokio::test]
async fn a_peer_that_is_not_understood_is_left_out() {
    let Some(server) = Server::start(&[]) else { return };
    let redis = Redis::new(RedisOptions { namespace: "odd".to_owned(), ..RedisOptions::new(server.url()) }).unwrap();
    let hot = Hot::new(redis);
    for (name, about) in [("9-0000000000000001", "2 another way"), ("9-0000000000000002", ""), ("odd", "1 2 0 a:1")] {
        server.ask(&["HSET", "{odd}:leases", name, &format!("1 99999999999999 {about}")]);
    }
    let one = owner(1);
    assert_eq!(hot.grant(one, Term(1), &about(one)).await.unwrap().what, Held::Held(vec![(one, about(one))]));
    assert_eq!(hot.renew(one, Term(1), &about(one)).await.unwrap().what, Held::Held(vec![(one, about(one))]));
}
