//! The world of a run: what happens when, in one queue.

mod clients;
mod process;
mod stores;

use super::bucket::Bucket;
use super::checker::{Checker, Excuse, Violation};
use super::client::Client;
use super::coverage::Coverage;
use super::network::{Fate, Network};
use super::plan::{Failure, HEALED, Plan};
use super::random::Random;
use super::redis::Redis;
use crate::entry::Entry;
use crate::lease::Home;
use crate::message::{Answer, Effect, Event, HotRequest, LocalRequest, Op, StoreRequest};
use crate::name::{Incarnation, NodeId, Owner, SessionId, TenantId};
use crate::node::{Node, Options};
use crate::rule::Rules;
use crate::time::{Monotonic, Now, Wall};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Milliseconds after everything is mended within which every session answers.
pub const REACHABLE_WITHIN: u64 = 15_000;
/// Milliseconds after which a node stops waiting for the store, for Redis.
const STORE_LIMIT: u64 = 1500;
const REDIS_LIMIT: u64 = 500;
/// Sessions a node restores at once.
const RESTORES: usize = 1;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What did not hold, and when.
    pub violation: Option<(u64, Violation)>,
    /// Events that happened.
    pub steps: u64,
    /// What it went through.
    pub coverage: Coverage,
    /// What happened, if it was to be written down.
    pub trace: Vec<String>,
}

enum Happening {
    Handle(usize, u64, Event),
    Timer(usize, u64),
    Store(usize, u64, Op, StoreRequest, Fate),
    Hot(usize, u64, Op, HotRequest, Fate),
    Local(usize, u64, Op, LocalRequest),
    Send(usize),
    GiveUp(usize, u64),
    Answered(usize, u64, Answer, Vec<Entry>),
    Begins(usize),
    Ends(usize),
    CopyRedis(usize),
    Kill(usize, u64),
    Start(usize),
    Sweep(usize),
    Final,
    Over,
}

struct Host {
    node: Option<Node>,
    incarnation: u64,
    rate: u64,
    wall: i64,
    paused_until: u64,
    disk: BTreeMap<SessionId, Vec<Entry>>,
    /// At which version of a record its process asked last to keep something beside it.
    noted: BTreeMap<SessionId, u64>,
    before: Vec<Owner>,
    /// Effects it still has before it dies, and whether the last one is not done.
    dies: Option<(u64, bool, bool, u64)>,
    timer: Option<u64>,
    draining: bool,
    /// The tenant whose turn was the last with a restore, and who waited then.
    turn: Option<(TenantId, BTreeSet<TenantId>)>,
}

struct World<'a> {
    plan: &'a Plan,
    rules: Rules,
    now: u64,
    number: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    happenings: BTreeMap<u64, Happening>,
    hosts: Vec<Host>,
    bucket: Bucket,
    redis: Redis,
    copies: BTreeMap<usize, Redis>,
    homes: u64,
    network: Network,
    clients: Vec<Client>,
    owners: BTreeMap<SessionId, usize>,
    following: BTreeSet<SessionId>,
    random: Random,
    checker: Checker,
    coverage: Coverage,
    trace: Option<Vec<String>>,
    steps: u64,
    over: bool,
}

type Step = Result<(), Violation>;

/// Runs a plan until something does not hold, or all of it held.
pub fn run(plan: &Plan, rules: Rules, traced: bool) -> Outcome {
    let mut world = World::new(plan, rules, traced);
    let violation = world.run().err().map(|violation| (world.now, violation));
    if let Some((_, violation)) = &violation {
        let line = format!("VIOLATION {violation}");
        world.note(|| line);
    }
    Outcome { violation, steps: world.steps, coverage: world.coverage, trace: world.trace.unwrap_or_default() }
}

impl World<'_> {
    fn new(plan: &Plan, rules: Rules, traced: bool) -> World<'_> {
        let host = |rate: &u64| Host {
            node: None,
            incarnation: 0,
            rate: *rate,
            wall: 0,
            paused_until: 0,
            disk: BTreeMap::new(),
            noted: BTreeMap::new(),
            before: Vec::new(),
            dies: None,
            timer: None,
            draining: false,
            turn: None,
        };
        let mut checker = Checker::default();
        for (number, (id, _, tier)) in plan.sessions.iter().enumerate() {
            checker.add(*id, format!("s{number}"), *tier);
        }
        let mut world = World {
            plan,
            rules,
            now: 0,
            number: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            hosts: plan.nodes.iter().map(host).collect(),
            bucket: Bucket::default(),
            redis: Redis::new(Home(1), rules),
            copies: BTreeMap::new(),
            homes: 1,
            network: Network::new(plan),
            clients: Vec::new(),
            owners: BTreeMap::new(),
            following: BTreeSet::new(),
            random: Random::of(plan.seed, &[3]),
            checker,
            coverage: Coverage::default(),
            trace: traced.then(Vec::new),
            steps: 0,
            over: false,
        };
        for node in 0..world.hosts.len() {
            world.at(0, Happening::Start(node));
            world.at(1000 + 137 * node as u64, Happening::Sweep(node));
        }
        for (index, fault) in plan.faults.iter().enumerate() {
            world.at(fault.at, Happening::Begins(index));
            world.at(fault.at + fault.length, Happening::Ends(index));
            if let Failure::RedisStale(age) = fault.what {
                world.at(fault.at.saturating_sub(age), Happening::CopyRedis(index));
            }
            let until = fault.at + fault.length + 4000;
            world.checker.excuses.push(match fault.what {
                Failure::Crash { node, .. }
                | Failure::Pause { node }
                | Failure::Cut { node, .. }
                | Failure::Step { node, .. }
                | Failure::Actors { node }
                | Failure::Drain { node } => Excuse::Node(node_id(node), fault.at, until),
                Failure::RedisFlushed | Failure::RedisStale(_) => Excuse::RedisLost(fault.at),
                Failure::Deaf(_)
                | Failure::Slow(..)
                | Failure::Conflicts(_)
                | Failure::Busy(_)
                | Failure::RedisSlow(..)
                | Failure::RedisAway => Excuse::Service(fault.at, until),
            });
        }
        for command in &plan.commands {
            world.client(*command, command.at + 20_000);
        }
        world.at(HEALED, Happening::Final);
        world.at(HEALED + REACHABLE_WITHIN, Happening::Over);
        world
    }

    fn at(&mut self, at: u64, what: Happening) {
        self.number += 1;
        self.queue.push(Reverse((at.max(self.now), self.number)));
        self.happenings.insert(self.number, what);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>6} {}", line()));
        }
    }

    fn run(&mut self) -> Step {
        while let Some(Reverse((at, number))) = self.queue.pop() {
            let Some(what) = self.happenings.remove(&number) else { continue };
            self.now = at;
            self.steps += 1;
            self.happen(what)?;
            if self.over || (at > HEALED && self.clients.iter().all(|client| client.done)) {
                break;
            }
        }
        self.finish()
    }

    fn happen(&mut self, what: Happening) -> Step {
        match what {
            Happening::Handle(node, incarnation, event) => self.handle(node, incarnation, event),
            Happening::Timer(node, incarnation) => {
                let host = &mut self.hosts[node];
                if host.incarnation != incarnation || host.timer != Some(self.now) {
                    return Ok(());
                }
                host.timer = None;
                self.handle(node, incarnation, Event::Timer)
            }
            Happening::Store(node, incarnation, op, request, fate) => self.store(node, incarnation, op, &request, fate),
            Happening::Hot(node, incarnation, op, request, fate) => {
                self.hot(node, incarnation, op, &request, fate);
                Ok(())
            }
            Happening::Local(node, incarnation, op, request) => {
                self.local(node, incarnation, op, request);
                Ok(())
            }
            Happening::Send(client) => {
                self.send(client);
                Ok(())
            }
            Happening::GiveUp(client, attempt) => {
                if !self.clients[client].done && self.clients[client].attempt() == attempt {
                    let next = self.clients[client].unanswered();
                    self.next(client, next);
                }
                Ok(())
            }
            Happening::Answered(client, attempt, answer, entries) => self.answered(client, attempt, &answer, &entries),
            Happening::Begins(index) => {
                self.begins(index);
                Ok(())
            }
            Happening::Ends(index) => {
                self.ends(index);
                Ok(())
            }
            Happening::CopyRedis(index) => {
                self.copies.insert(index, self.redis.clone());
                Ok(())
            }
            Happening::Kill(node, incarnation) => {
                if self.hosts[node].incarnation == incarnation && self.hosts[node].dies.is_some() {
                    self.coverage.count("deaths", "at no effect");
                    self.die(node);
                }
                Ok(())
            }
            Happening::Start(node) => {
                self.start(node);
                Ok(())
            }
            Happening::Sweep(node) => self.sweep(node),
            Happening::Final => {
                self.last();
                Ok(())
            }
            Happening::Over => {
                self.over = true;
                Ok(())
            }
        }
    }

    fn owner(&self, node: usize) -> Owner {
        Owner { node: node_id(node), incarnation: Incarnation(self.hosts[node].incarnation) }
    }

    fn clock(&self, node: usize) -> Now {
        let host = &self.hosts[node];
        let mono = 1_000_000 * (node as u64 + 1) + self.now * host.rate / 100;
        Now { mono: Monotonic(mono), wall: Wall(i64::try_from(self.now).unwrap_or(0) + host.wall) }
    }

    /// When a node's clock says so.
    fn when(&self, node: usize, at: Monotonic) -> u64 {
        let since = at.0.saturating_sub(1_000_000 * (node as u64 + 1));
        (since * 100).div_ceil(self.hosts[node].rate).max(self.now + 1)
    }

    /// A process starts.
    fn start(&mut self, node: usize) {
        if self.hosts[node].node.is_some() {
            return;
        }
        let host = &mut self.hosts[node];
        host.incarnation += 1;
        host.dies = None;
        host.timer = None;
        host.draining = false;
        host.turn = None;
        host.noted.clear();
        let me = self.owner(node);
        let options = Options { restores: RESTORES, restores_waiting: 100, rules: self.rules };
        let before = self.hosts[node].before.clone();
        self.hosts[node].node = Some(Node::new(me, before, options));
        self.hosts[node].before.push(me);
        self.note(|| format!("{me} starts"));
        self.at(self.now, Happening::Handle(node, me.incarnation.0, Event::Timer));
    }

    fn die(&mut self, node: usize) {
        let (_, _, wiped, down) = self.hosts[node].dies.take().unwrap_or((0, false, false, 500));
        let me = self.owner(node);
        let host = &mut self.hosts[node];
        host.node = None;
        if wiped {
            host.disk.clear();
            host.before.clear();
            self.checker.excuses.push(Excuse::Wiped(node_id(node), self.now));
        }
        self.note(|| format!("{me} dies{}", if wiped { ", its disk is gone" } else { "" }));
        self.at((self.now + down).min(HEALED.max(self.now + 1)), Happening::Start(node));
    }

    fn begins(&mut self, index: usize) {
        let fault = self.plan.faults[index];
        self.note(|| format!("FAULT for {} ms: {:?}", fault.length, fault.what));
        for name in fault.what.kinds() {
            self.coverage.count("faults", name);
        }
        match fault.what {
            Failure::Crash { node, .. } if self.hosts[node].node.is_none() => {}
            Failure::Crash { node, effect, before, wiped } => {
                self.hosts[node].dies = Some((effect, before, wiped, fault.length));
                let incarnation = self.hosts[node].incarnation;
                self.at(self.now + 3000, Happening::Kill(node, incarnation));
            }
            Failure::Pause { node } => {
                let until = self.now + fault.length;
                self.hosts[node].paused_until = self.hosts[node].paused_until.max(until);
            }
            Failure::RedisFlushed => {
                self.homes += 1;
                self.redis = Redis::new(Home(self.homes), self.rules);
            }
            Failure::RedisStale(_) => {
                self.homes += 1;
                let copy = self.copies.remove(&index).unwrap_or_else(|| self.redis.clone());
                self.redis = copy.as_home(Home(self.homes));
            }
            Failure::Actors { node } => {
                let incarnation = self.hosts[node].incarnation;
                for (id, ..) in &self.plan.sessions {
                    self.at(self.now, Happening::Handle(node, incarnation, Event::Crashed(*id)));
                }
            }
            Failure::Step { node, by } => self.hosts[node].wall += by,
            Failure::Drain { node } => {
                self.hosts[node].draining = true;
                let incarnation = self.hosts[node].incarnation;
                self.at(self.now, Happening::Handle(node, incarnation, Event::Drain));
            }
            _ => {}
        }
    }

    fn ends(&mut self, index: usize) {
        if let Failure::Drain { node } = self.plan.faults[index].what
            && self.hosts[node].draining
            && self.hosts[node].node.is_some()
        {
            let drained = self.hosts[node].node.as_ref().is_some_and(Node::is_drained);
            self.coverage.count("drains", if drained { "empty at its end" } else { "with sessions at its end" });
            self.die(node);
        }
    }

    fn sweep(&mut self, node: usize) -> Step {
        self.at(self.now + 1700, Happening::Sweep(node));
        let index = self.random.below(self.plan.sessions.len() as u64);
        let (id, ..) = self.plan.sessions[usize::try_from(index).unwrap_or(0)];
        let incarnation = self.hosts[node].incarnation;
        self.handle(node, incarnation, Event::Look(id))
    }

    fn name(&self, id: SessionId) -> String {
        let number = self.plan.sessions.iter().position(|(one, ..)| *one == id);
        number.map_or_else(|| "?".to_owned(), |number| format!("s{number}"))
    }

    fn event_text(&self, event: &Event) -> String {
        self.named(format!("{event:?}"))
    }

    fn effect_text(&self, effect: &Effect) -> String {
        self.named(format!("{effect:?}"))
    }

    /// Sessions by their names, in a text that has their ids.
    fn named(&self, mut text: String) -> String {
        for (number, (id, ..)) in self.plan.sessions.iter().enumerate() {
            text = text.replace(&format!("{id:?}"), &format!("s{number}"));
        }
        text.chars().take(300).collect()
    }
}

fn node_id(node: usize) -> NodeId {
    NodeId(u32::try_from(node).unwrap_or(u32::MAX))
}
