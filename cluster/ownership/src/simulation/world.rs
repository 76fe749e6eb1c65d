//! The world of a run: what happens when, in one queue.

use super::bucket::Bucket;
use super::checker::{Checker, Excuse, Invariant, Violation};
use super::client::{Client, Next, PATIENCE};
use super::coverage::{Coverage, kind};
use super::network::{Fate, Instead, Network};
use super::plan::{Command, Failure, HEALED, Place, Plan, Wish};
use super::random::Random;
use super::redis::Redis;
use crate::entry::{Entry, What};
use crate::lease::{Home, Peer};
use crate::message::{
    Answer, Effect, Event, HotRequest, LocalAnswer, LocalRequest, Op, StoreAnswer, StoreFailure, StoreRequest, Unknown,
};
use crate::name::{Incarnation, NodeId, Owner, RequestId, SessionId, TenantId};
use crate::node::{Here, Node, Options};
use crate::record;
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

    /// A process handles an event, unless it is stopped or gone.
    fn handle(&mut self, node: usize, incarnation: u64, event: Event) -> Step {
        if self.hosts[node].incarnation != incarnation || self.hosts[node].node.is_none() {
            return Ok(());
        }
        if self.hosts[node].paused_until > self.now {
            let until = self.hosts[node].paused_until;
            self.at(until, Happening::Handle(node, incarnation, event));
            return Ok(());
        }
        let now = self.clock(node);
        let me = self.owner(node);
        if self.trace.is_some() && event != Event::Timer {
            let text = self.event_text(&event);
            self.note(|| format!("{me} <- {text}"));
        }
        let mut out = Vec::new();
        let Some(mut taken) = self.hosts[node].node.take() else { return Ok(()) };
        let (running, waiting) = (taken.admission().running().clone(), taken.admission().waiting().clone());
        taken.handle(now, event, &mut out);
        self.restores(node, &taken, &running, &waiting)?;
        let deadline = taken.next_deadline();
        self.hosts[node].node = Some(taken);
        for effect in out {
            let kind = kind(&effect);
            if let Some((left, before, ..)) = &mut self.hosts[node].dies {
                if *left == 0 {
                    let before = *before;
                    self.coverage.count("deaths", format!("{} {kind}", if before { "before" } else { "after" }));
                    if !before {
                        self.effect(node, effect)?;
                    }
                    self.die(node);
                    return Ok(());
                }
                // Renewals go on by themselves; what matters is between the others.
                if kind != "redis renew" && kind != "redis lease" {
                    *left -= 1;
                }
            }
            self.coverage.count("effects", kind);
            self.effect(node, effect)?;
        }
        let at = self.when(node, deadline);
        if self.hosts[node].timer.is_none_or(|timer| timer > at || timer <= self.now) {
            self.hosts[node].timer = Some(at);
            self.at(at, Happening::Timer(node, incarnation));
        }
        Ok(())
    }

    /// No more restores than may be, and turns for tenants.
    fn restores(
        &mut self,
        host: usize,
        node: &Node,
        before: &BTreeSet<SessionId>,
        waited: &BTreeMap<TenantId, std::collections::VecDeque<SessionId>>,
    ) -> Step {
        let running = node.admission().running();
        if running.len() > RESTORES {
            let how = format!("n{host} restores {} sessions at once", running.len());
            return Err(Violation { what: Invariant::RestoresBounded, how });
        }
        for id in running.difference(before) {
            let of = waited.iter().find(|(_, queue)| queue.contains(id));
            let Some((tenant, _)) = of else { continue };
            let others: BTreeSet<TenantId> = waited.keys().filter(|other| *other != tenant).copied().collect();
            if let Some((last, waiting)) = &self.hosts[host].turn
                && last == tenant
                && waiting.intersection(&others).next().is_some()
            {
                let how = format!("n{host}: tenant {} twice while another waits", tenant.0);
                return Err(Violation { what: Invariant::RestoresBounded, how });
            }
            self.hosts[host].turn = Some((*tenant, others));
        }
        Ok(())
    }

    /// A process wants something done.
    fn effect(&mut self, node: usize, effect: Effect) -> Step {
        let me = self.owner(node);
        let incarnation = me.incarnation.0;
        if self.trace.is_some() {
            let text = self.effect_text(&effect);
            self.note(|| format!("{me} -> {text}"));
        }
        match effect {
            Effect::Store(op, request) => {
                let fate = self.network.request(self.now, node, incarnation, op.number, Place::Store);
                let unknown = Event::Store(op, Err(StoreFailure::Unknown));
                self.at(self.now + STORE_LIMIT, Happening::Handle(node, incarnation, unknown));
                if let Some(at) = fate.arrives {
                    self.at(at, Happening::Store(node, incarnation, op, request, fate));
                }
            }
            Effect::Hot(op, request) => {
                let fate = self.network.request(self.now, node, incarnation, op.number, Place::Redis);
                let unknown = Event::Hot(op, Err(Unknown));
                self.at(self.now + REDIS_LIMIT, Happening::Handle(node, incarnation, unknown));
                if let Some(at) = fate.arrives {
                    self.at(at, Happening::Hot(node, incarnation, op, request, fate));
                }
            }
            Effect::Local(op, request) => self.at(self.now + 1, Happening::Local(node, incarnation, op, request)),
            Effect::Reply(request, answer) => self.reply(node, request, answer)?,
            Effect::Serve(id, epoch) => self.checker.served(id, epoch, me)?,
            Effect::Stop(..) => {}
            Effect::Run(session, position, key) => {
                self.checker.told((self.now, me), session, (position, What::Started(key)), true)?;
                self.checker.ran(session, key)?;
                let Some(host) = &self.hosts[node].node else { return Ok(()) };
                let Here::Owned(record) = host.here(session) else { return Ok(()) };
                let event = Event::Ran { session, epoch: record.epoch, key };
                let takes = 1 + self.random.below(60);
                self.at(self.now + takes, Happening::Handle(node, incarnation, event));
            }
        }
        Ok(())
    }

    fn store(&mut self, node: usize, incarnation: u64, op: Op, request: &StoreRequest, fate: Fate) -> Step {
        let answer = match fate.instead {
            Some(Instead::Conflict) => Err(StoreFailure::Conflict),
            Some(Instead::Refused) => Err(StoreFailure::Unknown),
            Some(Instead::Done) => {
                let _ = self.apply(node, incarnation, request)?; // whatever came of it, it is not told
                Err(StoreFailure::Unknown)
            }
            None => self.apply(node, incarnation, request)?,
        };
        // Only writes are refused for other writes.
        let answer = match (request, answer) {
            (StoreRequest::Read(_) | StoreRequest::List(..), Err(StoreFailure::Conflict)) => self.bucket.apply(request),
            (_, answer) => answer,
        };
        if let Some(back) = fate.answer
            && self.network.answers(self.now, node, Place::Store)
        {
            self.at(self.now + back, Happening::Handle(node, incarnation, Event::Store(op, answer)));
        }
        Ok(())
    }

    fn apply(
        &mut self,
        node: usize,
        incarnation: u64,
        request: &StoreRequest,
    ) -> Result<Result<StoreAnswer, StoreFailure>, Violation> {
        let by = Owner { node: node_id(node), incarnation: Incarnation(incarnation) };
        let (StoreRequest::Write(id, ..) | StoreRequest::Remove(id, _)) = request else {
            return Ok(self.bucket.apply(request));
        };
        let old = self.bucket.record(*id).cloned();
        let answer = self.bucket.apply(request);
        let from = record::state(old.as_ref(), by);
        if answer.is_err() {
            self.coverage.count("record", format!("{from}: write refused"));
            return Ok(answer);
        }
        let new = self.bucket.record(*id);
        let to = record::state(new, by);
        let what = match (&old, new) {
            (Some(old), Some(new)) if from == to && old.durable == new.durable => " (reaffirmed)",
            (Some(_), Some(_)) if from == to => " (committed)",
            _ => "",
        };
        self.coverage.count("record", format!("{from} -> {to}{what}"));
        if self.trace.is_some() {
            let (name, new) = (self.name(*id), new.cloned());
            let text = new.map_or("none".to_owned(), |new| {
                format!(
                    "{:?} epoch {} open {:?} durable {}",
                    new.standing,
                    new.epoch,
                    new.open.map(|open| open.get()),
                    new.durable
                )
            });
            self.note(|| format!("    record of {name} by {by}: {text}"));
        }
        let new = self.bucket.record(*id);
        if new.is_none() {
            self.checker.removed(*id);
        }
        self.checker.wrote((self.now, by), *id, old.as_ref(), new, &self.bucket)?;
        Ok(answer)
    }

    fn hot(&mut self, node: usize, incarnation: u64, op: Op, request: &HotRequest, fate: Fate) {
        let redis_now = self.now * self.plan.redis_rate / 100;
        let hosts = &self.hosts;
        let load = |owner: Owner| {
            let index = owner.node.0;
            let host = hosts.get(usize::try_from(index).unwrap_or(0));
            Peer { owner, free_mib: 1000 + index * 500, draining: host.is_some_and(|host| host.draining) }
        };
        let answer = self.redis.apply(request, redis_now, load);
        if let Some(back) = fate.answer
            && self.network.answers(self.now, node, Place::Redis)
        {
            self.at(self.now + back, Happening::Handle(node, incarnation, Event::Hot(op, Ok(answer))));
        }
    }

    fn local(&mut self, node: usize, incarnation: u64, op: Op, request: LocalRequest) {
        // A process that died has no more to say to its disk.
        if self.hosts[node].incarnation != incarnation || self.hosts[node].node.is_none() {
            return;
        }
        let disk = &mut self.hosts[node].disk;
        let answer = match request {
            LocalRequest::Append(id, entries) => {
                disk.entry(id).or_default().extend(entries);
                LocalAnswer::Appended
            }
            LocalRequest::Read(id) => LocalAnswer::Entries(disk.get(&id).cloned().unwrap_or_default()),
        };
        self.at(self.now, Happening::Handle(node, incarnation, Event::Local(op, answer)));
    }

    /// A process answers a client: it has said so now, whether the client hears it or not.
    fn reply(&mut self, node: usize, request: RequestId, answer: Answer) -> Step {
        let (index, attempt) = Client::of(request);
        let me = self.owner(node);
        let client = &self.clients[index];
        let (id, event, key, is_final) = (client.session, client.event(), client.key(), client.is_final);
        let mut entries = Vec::new();
        let line = match &answer {
            Answer::Refused(why) => format!("refused {why:?}").split([' ', '{']).take(2).collect::<Vec<_>>().join(" "),
            Answer::Done { proof, .. } => format!("done by {proof:?}"),
            Answer::Interrupted { .. } => "interrupted".to_owned(),
            Answer::Events { .. } => "events".to_owned(),
            Answer::Resync { .. } => "resync".to_owned(),
        };
        self.coverage.count("answers", line);
        let record = self.bucket.record(id);
        match &answer {
            Answer::Done { position, proof } => {
                self.checker.acted(id, me, None, *proof, record)?;
                if let Some(what) = event {
                    self.checker.told((self.now, me), id, (*position, what), false)?;
                }
            }
            Answer::Interrupted { position, proof } => {
                self.checker.acted(id, me, None, *proof, record)?;
                self.checker.told((self.now, me), id, (*position, What::Started(key)), true)?;
            }
            Answer::Events { after, upto, tail, proof, .. } => {
                self.checker.acted(id, me, None, *proof, record)?;
                for seq in after + 1..=*upto {
                    let there = tail.iter().find(|entry| entry.seq == seq).copied();
                    let Some(entry) = there.or_else(|| self.checker.content(id, seq)) else {
                        let how = format!("{}: event {seq} is shown and nowhere", self.name(id));
                        return Err(Violation { what: Invariant::NothingLost, how });
                    };
                    self.checker.told((self.now, me), id, (entry.position(), entry.what), false)?;
                    entries.push(entry);
                }
                if is_final {
                    self.checker.has_all(id, *upto)?;
                }
            }
            Answer::Resync { proof, .. } => self.checker.acted(id, me, None, *proof, record)?,
            Answer::Refused(_) => {}
        }
        if self.network.answers(self.now, node, Place::Clients) {
            self.at(self.now + 1, Happening::Answered(index, attempt, answer, entries));
        }
        Ok(())
    }

    fn client(&mut self, command: Command, until: u64) -> usize {
        let index = self.clients.len();
        let (id, ..) = self.plan.sessions[command.session];
        self.clients.push(Client::new(index, command, id, until));
        self.at(command.at, Happening::Send(index));
        index
    }

    fn send(&mut self, index: usize) {
        if self.clients[index].done {
            return;
        }
        let (id, what) = (self.clients[index].session, self.clients[index].command.what);
        // One client follows a session, one question at a time.
        if what == Wish::Follow && self.clients[index].attempt() == 0 && !self.following.insert(id) {
            self.clients[index].done = true;
            return;
        }
        if self.now > self.clients[index].until {
            return self.next(index, Next::Over);
        }
        let node = match self.clients[index].target {
            Some(node) => node,
            None => match self.owners.get(&id) {
                Some(owner) if self.random.percent(70) => *owner,
                _ => usize::try_from(self.random.below(self.hosts.len() as u64)).unwrap_or(0),
            },
        };
        let to = match what {
            Wish::Move(NodeId(to)) => {
                self.hosts.get(usize::try_from(to).unwrap_or(0)).map_or(0, |host| host.incarnation)
            }
            _ => 0,
        };
        let (cursor, (_, tenant, tier)) =
            (self.checker.cursor(id), self.plan.sessions[self.clients[index].command.session]);
        let request = self.clients[index].request(cursor, to, (tenant, tier));
        let attempt = self.clients[index].attempt();
        if self.clients[index].target.is_none() {
            self.clients[index].target = Some(node);
        }
        self.at(self.now + PATIENCE, Happening::GiveUp(index, attempt));
        if self.network.reaches(self.now, node) {
            let incarnation = self.hosts[node].incarnation;
            self.at(self.now + 1, Happening::Handle(node, incarnation, Event::Request(request)));
        }
    }

    fn answered(&mut self, index: usize, attempt: u64, answer: &Answer, entries: &[Entry]) -> Step {
        if self.clients[index].done || self.clients[index].attempt() != attempt {
            return Ok(());
        }
        let id = self.clients[index].session;
        if self.clients[index].command.what == Wish::Follow {
            match answer {
                Answer::Events { .. } => self.checker.saw(id, entries)?,
                Answer::Resync { kept, .. } => self.checker.forget(id, *kept)?,
                _ => {}
            }
        }
        if !matches!(answer, Answer::Refused(_))
            && let Some(target) = self.clients[index].target
        {
            self.owners.insert(id, target);
        }
        let mut next = self.clients[index].answered(answer);
        // At the end the client reads on until it has all.
        if self.clients[index].is_final && matches!(answer, Answer::Resync { .. }) {
            self.clients[index].succeeded = false;
            next = Next::Again(5);
        }
        self.next(index, next);
        Ok(())
    }

    fn next(&mut self, index: usize, next: Next) {
        match next {
            Next::Over => {
                self.clients[index].done = true;
                if self.clients[index].command.what == Wish::Follow {
                    self.following.remove(&self.clients[index].session);
                }
                self.after_final(index);
            }
            Next::Again(pause) => self.at(self.now + pause, Happening::Send(index)),
        }
    }

    /// Everything is mended: every session has to answer, take a command, and have everything that was told.
    fn last(&mut self) {
        self.note(|| "everything is mended".to_owned());
        for index in 0..self.clients.len() {
            self.clients[index].done = true;
        }
        self.following.clear();
        for session in 0..self.plan.sessions.len() {
            let created = |client: &Client| {
                client.command.session == session && client.command.what == Wish::Create && client.succeeded
            };
            if self.clients.iter().any(created) {
                let what = Wish::Run;
                let index = self.client(Command { at: self.now + 200, session, what }, self.now + REACHABLE_WITHIN);
                self.clients[index].is_final = true;
            }
        }
    }

    /// Who had its last command done reads everything from the first event.
    fn after_final(&mut self, index: usize) {
        let Client { is_final: true, succeeded: true, command, session, .. } = self.clients[index].clone() else {
            return;
        };
        if command.what != Wish::Follow {
            self.checker.begin_anew(session);
            let what = Wish::Follow;
            let again = self.client(Command { at: self.now + 1, what, ..command }, self.now + REACHABLE_WITHIN);
            self.clients[again].is_final = true;
        }
    }

    fn finish(&mut self) -> Step {
        for client in self.clients.iter().filter(|client| client.is_final) {
            if self.checker.is_deleted(client.session) {
                continue;
            }
            if !client.succeeded {
                let how = format!("{} does not answer {:?}", self.name(client.session), client.command.what);
                return Err(Violation { what: Invariant::Reachable, how });
            }
        }
        Ok(())
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
