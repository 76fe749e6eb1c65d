//! Leases and journals on a real Redis do what the model does that the decisions were proven with.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use proptest::prelude::*;
use servers::redis::{Server, client};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use warren_ownership::entry::{Entry, What};
use warren_ownership::lease::{Home, Peer, TTL, Term};
use warren_ownership::message::{HotAnswer, HotRequest};
use warren_ownership::name::{Incarnation, NodeId, Owner, SessionId};
use warren_ownership::position::Epoch;
use warren_ownership::rule::Rules;
use warren_ownership::simulation::Redis as Model;
use warren_stores::redis::{
    About, Answered, Changed, Held, Hot, HotEntry, Looked, Notices, Quota, Raised, Redis, RedisOptions, Trouble,
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

fn peer(of: Owner) -> Peer {
    let About { free_mib, draining, .. } = about(of);
    Peer { owner: of, free_mib, draining }
}

/// What is asked. Epochs and numbers are said by how far they are from where the journal stands, so that most of them meet.
#[derive(Clone, Debug)]
enum Step {
    Renew(u8, u64),
    Grant(u8, u64),
    Look(u8),
    Raise(usize, i64),
    Peek(usize),
    Seed(usize, Meant, i64, i64),
    Append(usize, Meant, i64, i64, u64),
    Trim(usize, Meant, i64, i64),
    /// Time goes on by milliseconds: leases end so much earlier.
    Wait(u64),
    /// The Redis forgets everything.
    Flush,
}

#[derive(Clone, Copy, Debug)]
enum Meant {
    This,
    Before,
    Any,
}

fn step() -> impl Strategy<Value = Step> {
    let (owner, session, term) = (1..4u8, 0..2usize, 1..4u64);
    let epoch = || prop_oneof![8 => Just(0i64), 1 => Just(-1), 1 => Just(1)];
    let seq = || prop_oneof![4 => Just(0i64), 4 => -4..4i64];
    let meant = || prop_oneof![10 => Just(Meant::This), 1 => Just(Meant::Before)];
    let any = prop_oneof![10 => Just(Meant::This), 1 => Just(Meant::Before), 1 => Just(Meant::Any)];
    prop_oneof![
        4 => (owner.clone(), term.clone()).prop_map(|(owner, term)| Step::Renew(owner, term)),
        6 => (owner.clone(), term).prop_map(|(owner, term)| Step::Grant(owner, term)),
        3 => owner.prop_map(Step::Look),
        6 => (session.clone(), prop_oneof![2 => Just(0i64), 2 => Just(1), 1 => Just(-1)])
            .prop_map(|(session, epoch)| Step::Raise(session, epoch)),
        6 => session.clone().prop_map(Step::Peek),
        12 => (session.clone(), meant(), epoch(), seq()).prop_map(|(id, home, epoch, seq)| Step::Seed(id, home, epoch, seq)),
        30 => (session.clone(), any, epoch(), seq(), 1..5u64)
            .prop_map(|(id, home, epoch, first, many)| Step::Append(id, home, epoch, first, many)),
        10 => (session, meant(), epoch(), seq()).prop_map(|(id, home, epoch, upto)| Step::Trim(id, home, epoch, upto)),
        2 => prop_oneof![Just(500u64), Just(1500), Just(3100)].prop_map(Step::Wait),
        1 => Just(Step::Flush),
    ]
}

/// What an entry's bytes are.
fn entry(epoch: Epoch, seq: u64) -> Entry {
    Entry { epoch, seq, what: What::Plain(epoch.get() * 1000 + seq) }
}

fn bytes(entry: Entry) -> Bytes {
    let What::Plain(number) = entry.what else { unreachable!() };
    Bytes::from(number.to_string())
}

fn same_journal(found: &[HotEntry], expected: &[Entry]) {
    let expected: Vec<_> =
        expected.iter().map(|one| HotEntry { epoch: one.epoch, seq: one.seq, bytes: bytes(*one) }).collect();
    assert_eq!(found, expected);
}

struct Pair {
    hot: Hot,
    server: u16,
    namespace: String,
    model: Model,
    home: Option<Home>,
    before: Home,
    /// Milliseconds that the model is ahead.
    ahead: u64,
    /// The fence and the last number of each session.
    stands: [(u64, u64); 2],
    /// What was answered to what.
    seen: BTreeMap<(&'static str, &'static str), u32>,
}

fn names(request: &HotRequest, answer: &HotAnswer) -> (&'static str, &'static str) {
    let asked = match request {
        HotRequest::Renew(..) => "renew",
        HotRequest::Grant(..) => "grant",
        HotRequest::Lease(_) => "look",
        HotRequest::Raise(..) => "raise",
        HotRequest::Peek(_) => "peek",
        HotRequest::Seed(..) => "seed",
        HotRequest::Append(..) => "append",
        HotRequest::Trim(..) => "trim",
    };
    let said = match answer {
        HotAnswer::Held(_) => "held",
        HotAnswer::Lapsed => "lapsed",
        HotAnswer::Alive(true) => "alive",
        HotAnswer::Alive(false) => "dead",
        HotAnswer::Journal(entries) if entries.is_empty() => "an empty journal",
        HotAnswer::Journal(_) => "a journal",
        HotAnswer::Done => "done",
        HotAnswer::Fenced => "fenced",
        HotAnswer::Forgotten => "forgotten",
    };
    (asked, said)
}

impl Pair {
    /// Both say the same, at the time the Redis says it is.
    fn expect<T>(&mut self, request: &HotRequest, answered: &Answered<T>) -> HotAnswer {
        if self.home != Some(answered.home) {
            if let Some(known) = self.home {
                self.before = known;
            }
            self.model = self.model.as_home(answered.home);
            self.home = Some(answered.home);
        }
        let answer = self.model.apply(request, answered.clock + self.ahead, peer).1;
        *self.seen.entry(names(request, &answer)).or_default() += 1;
        answer
    }

    fn meant(&self, meant: Meant) -> Option<Home> {
        match meant {
            Meant::This => Some(self.home.unwrap_or(self.before)),
            Meant::Before => Some(self.before),
            Meant::Any => None,
        }
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let mut command = std::process::Command::new("redis-cli");
        let done = command.args(["-p", &self.server.to_string()]).args(arguments).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    async fn run(&mut self, step: &Step) {
        let session = |number: usize| SessionId(number as u128 + 1);
        let stands = self.stands;
        let epoch_near = |id: usize, off: i64| epoch(stands[id].0.saturating_add_signed(off).max(1));
        let seq_near = |id: usize, off: i64| stands[id].1.saturating_add_signed(off);
        match step.clone() {
            Step::Renew(of, term) => {
                let said = self.hot.renew(owner(of), Term(term), &about(owner(of))).await.unwrap();
                let expected = self.expect(&HotRequest::Renew(owner(of), Term(term)), &said);
                same_lease(&said.what, &expected);
            }
            Step::Grant(of, term) => {
                let said = self.hot.grant(owner(of), Term(term), &about(owner(of))).await.unwrap();
                let expected = self.expect(&HotRequest::Grant(owner(of), Term(term)), &said);
                same_lease(&said.what, &expected);
            }
            Step::Look(of) => {
                let said = self.hot.look(owner(of)).await.unwrap();
                let expected = self.expect(&HotRequest::Lease(owner(of)), &said);
                assert_eq!(expected, HotAnswer::Alive(said.what == Looked(true)));
            }
            Step::Raise(id, off) => {
                let number = epoch_near(id, off);
                let said = self.hot.raise(session(id), number).await.unwrap();
                if said.what != Raised::Fenced {
                    self.stands[id].0 = number.get();
                }
                match (self.expect(&HotRequest::Raise(session(id), number), &said), said.what) {
                    (HotAnswer::Journal(expected), Raised::Journal(found)) => same_journal(&found, &expected),
                    (HotAnswer::Fenced, Raised::Fenced) => {}
                    (expected, found) => panic!("{found:?} for {expected:?}"),
                }
            }
            Step::Peek(id) => {
                let said = self.hot.peek(session(id)).await.unwrap();
                match self.expect(&HotRequest::Peek(session(id)), &said) {
                    HotAnswer::Journal(expected) => same_journal(&said.what, &expected),
                    other => panic!("{other:?}"),
                }
            }
            Step::Seed(id, meant, off, after) => {
                let (home, number, after) = (self.meant(meant).unwrap(), epoch_near(id, off), seq_near(id, after));
                let said = self.hot.seed(session(id), home, number, after).await.unwrap();
                let expected = self.expect(&HotRequest::Seed(session(id), home, number, after), &said);
                same_change(said.what, &expected);
                if said.what == Changed::Done {
                    self.stands[id].1 = after;
                }
            }
            Step::Append(id, meant, off, first, many) => {
                let (home, number, first) = (self.meant(meant), epoch_near(id, off), seq_near(id, first + 1).max(1));
                let entries: Vec<_> = (first..first + many).map(|seq| entry(number, seq)).collect();
                let sent: Vec<_> = entries.iter().map(|one| bytes(*one)).collect();
                let said = self.hot.append(session(id), home, number, first, &sent).await.unwrap();
                let expected = self.expect(&HotRequest::Append(session(id), home, number, entries), &said);
                same_change(said.what, &expected);
                if said.what == Changed::Done {
                    self.stands[id].1 = stands[id].1.max(first + many - 1);
                }
            }
            Step::Trim(id, meant, off, upto) => {
                let (home, number, upto) = (self.meant(meant).unwrap(), epoch_near(id, off), seq_near(id, upto));
                let said = self.hot.trim(session(id), home, number, upto).await.unwrap();
                let expected = self.expect(&HotRequest::Trim(session(id), home, number, upto), &said);
                same_change(said.what, &expected);
            }
            // The clock of Redis cannot be set: what it compares with it, is.
            Step::Wait(millis) => {
                self.ahead += millis;
                let leases = format!("{{{}}}:leases", self.namespace);
                let held = self.cli(&["HGETALL", &leases]);
                let lines: Vec<&str> = held.lines().collect();
                for pair in lines.chunks_exact(2) {
                    let mut parts = pair[1].splitn(3, ' ');
                    let (term, ends, rest) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
                    let ends = ends.parse::<u64>().unwrap().saturating_sub(millis);
                    self.cli(&["HSET", &leases, pair[0], &format!("{term} {ends} {rest}")]);
                }
            }
            Step::Flush => {
                for name in
                    ["home", "leases", "j:00000000000000000000000000000001", "j:00000000000000000000000000000002"]
                {
                    self.cli(&["DEL", &format!("{{{}}}:{name}", self.namespace)]);
                }
                // Another Redis: the next answer says which.
                self.model = Model::new(Home(0), Rules::ALL);
            }
        }
    }
}

fn same_lease(found: &Held, expected: &HotAnswer) {
    match (found, expected) {
        (Held::Held(found), HotAnswer::Held(expected)) => {
            let found: Vec<_> = found.iter().map(|(of, said)| (*of, said.free_mib, said.draining)).collect();
            let expected: Vec<_> = expected.iter().map(|one| (one.owner, one.free_mib, one.draining)).collect();
            assert_eq!(found, expected);
        }
        (Held::Lapsed, HotAnswer::Lapsed) => {}
        _ => panic!("{found:?} for {expected:?}"),
    }
}

fn same_change(found: Changed, expected: &HotAnswer) {
    let same = matches!(
        (found, expected),
        (Changed::Done, HotAnswer::Done)
            | (Changed::Fenced, HotAnswer::Fenced)
            | (Changed::Forgotten, HotAnswer::Forgotten)
    );
    assert!(same, "{found:?} for {expected:?}");
}

#[test]
fn the_scripts_do_what_the_model_does() {
    let Some(server) = Server::start(&[]) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let count = std::cell::Cell::new(0u32);
    let seen = std::cell::RefCell::new(BTreeMap::<_, u32>::new());
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in prop::collection::vec(step(), 1..60))| {
        count.set(count.get() + 1);
        let namespace = format!("case-{}", count.get());
        let redis = Redis::new(RedisOptions { namespace: namespace.clone(), ..RedisOptions::new(server.url()) }).unwrap();
        let mut pair = Pair {
            hot: Hot::new(redis),
            server: server.port,
            namespace,
            model: Model::new(Home(0), Rules::ALL),
            home: None,
            before: Home(1),
            ahead: 0,
            stands: [(1, 0); 2],
            seen: BTreeMap::new(),
        };
        runtime.block_on(async {
            for step in &steps {
                pair.run(step).await;
            }
        });
        for (what, many) in pair.seen {
            *seen.borrow_mut().entry(what).or_default() += many;
        }
    });
    let seen = seen.into_inner();
    for ((asked, said), many) in &seen {
        println!("{asked:<7}{said:<17}{many}");
    }
    // A run that only ever heard `forgotten` proves nothing.
    for asked in ["seed", "append", "trim"] {
        for said in ["done", "fenced", "forgotten"] {
            assert!(seen.get(&(asked, said)).is_some_and(|many| *many >= 10), "{asked} {said}");
        }
    }
    for expected in [
        ("raise", "a journal"),
        ("raise", "fenced"),
        ("peek", "a journal"),
        ("renew", "held"),
        ("renew", "lapsed"),
        ("grant", "lapsed"),
        ("look", "alive"),
        ("look", "dead"),
    ] {
        assert!(seen.get(&expected).is_some_and(|many| *many >= 10), "{expected:?}");
    }
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
}

fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}: not within 30 s");
}
