//! The scripts on a real Redis do what the model does that the decisions were proven with.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod servers;

use bytes::Bytes;
use proptest::prelude::*;
use servers::redis::Server;
use std::collections::BTreeMap;
use warren_ownership::entry::{Entry, What};
use warren_ownership::lease::{Home, Peer, Term};
use warren_ownership::message::{HotAnswer, HotRequest};
use warren_ownership::name::{Incarnation, NodeId, Owner, SessionId};
use warren_ownership::position::Epoch;
use warren_ownership::rule::Rules;
use warren_ownership::simulation::Redis as Model;
use warren_stores::redis::{About, Answered, Changed, Held, Hot, HotEntry, Looked, Raised, Redis, RedisOptions};

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

/// No two have the same bytes, so that one which replaces another is seen.
fn entry(epoch: Epoch, seq: u64, made: &mut u64) -> Entry {
    *made += 1;
    Entry { epoch, seq, what: What::Plain(*made) }
}

/// What an entry's bytes are.
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
    /// Entries that were made.
    made: u64,
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
                let entries: Vec<_> = (first..first + many).map(|seq| entry(number, seq, &mut self.made)).collect();
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
    proptest!(config, |(steps in prop::collection::vec(step(), 1..80))| {
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
            made: 0,
            seen: BTreeMap::new(),
        };
        runtime.block_on(async {
            let begin = (0..2).flat_map(|id| [Step::Raise(id, 0), Step::Seed(id, Meant::This, 0, 0)]);
            for step in begin.chain(steps) {
                pair.run(&step).await;
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
