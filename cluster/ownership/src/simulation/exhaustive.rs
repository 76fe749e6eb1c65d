//! A cluster so small that everything that can happen to it can be tried: two nodes, one session, a few commands, a few
//! faults, in every order.
//!
//! The nodes, the store and Redis are those of the simulator; only who is next is tried out instead of drawn. Leases and the
//! local log answer at once: what they can do wrong is that a node is stopped while time goes on, and that is tried with
//! node 0, which had the session first. It is also the one that dies.
#![allow(clippy::print_stdout, reason = "a test")]

use super::bucket::Bucket;
use super::checker::{Checker, Excuse, Violation};
use super::redis::Redis;
use crate::acknowledge::Tier;
use crate::entry::What;
use crate::lease::{Home, Peer};
use crate::message::{
    Answer, Asked, Effect, Event, HotRequest, LocalAnswer, LocalRequest, Request, StoreAnswer, StoreFailure,
    StoreRequest, Unknown,
};
use crate::name::{Incarnation, NodeId, Owner, RequestId, SessionId, TenantId};
use crate::node::{Node, Options};
use crate::rule::{Rule, Rules};
use crate::time::{Monotonic, Now, Wall};
use stateright::{Checker as _, Model, Property};

const SESSION: SessionId = SessionId(7);
/// Milliseconds time goes on by at once: two of these and a lease that was not renewed has ended.
const LEAP: u64 = 1700;

/// What is tried.
#[derive(Clone, Debug)]
struct Small {
    tier: Tier,
    rules: Rules,
    /// In this order, each of this node.
    asks: Vec<(usize, Asked)>,
    leaps: u8,
    /// Node 0 may be stopped while time goes on.
    stops: bool,
    /// Answers lost, requests late, processes killed, what Redis knew lost.
    budget: Budget,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Budget {
    deaf: u8,
    late: u8,
    crashes: u8,
    redis: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    nodes: [Option<Box<Node>>; 2],
    incarnations: [u64; 2],
    bucket: Bucket,
    redis: Redis,
    homes: u64,
    /// Requests that nobody has looked at; `true`: whoever asked has given up.
    flying: Vec<(usize, u64, Effect, bool)>,
    asked: usize,
    leaps: u8,
    budget: Budget,
    checker: Checker,
    broken: Option<Violation>,
    done: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Action {
    /// A client asks for the next thing.
    Ask,
    /// A request is done and answered.
    Answer(usize),
    /// A request is done, and the answer lost.
    Deaf(usize),
    /// Who asked gives up; the request is on its way still.
    Late(usize),
    /// Node 0 looks at the time.
    Timer,
    /// Time goes on.
    Leap,
    /// Node 0 dies.
    Crash,
    /// Redis forgets everything.
    Flush,
}

impl Small {
    fn now(state: &State) -> Now {
        Now { mono: Monotonic(state.now), wall: Wall(0) }
    }

    fn handle(&self, state: &mut State, node: usize, event: Event) {
        let mut out = Vec::new();
        let now = Small::now(state);
        let Some(one) = &mut state.nodes[node] else { return };
        one.handle(now, event, &mut out);
        let incarnation = state.incarnations[node];
        for effect in out {
            match effect {
                Effect::Hot(op, request @ (HotRequest::Renew(..) | HotRequest::Grant(..) | HotRequest::Lease(_))) => {
                    let answer = hot(state, &request);
                    self.handle(state, node, Event::Hot(op, Ok(answer)));
                }
                Effect::Local(op, LocalRequest::Append(..)) => {
                    self.handle(state, node, Event::Local(op, LocalAnswer::Appended));
                }
                Effect::Local(op, LocalRequest::Read(_)) => {
                    self.handle(state, node, Event::Local(op, LocalAnswer::Entries(Vec::new())));
                }
                Effect::Reply(request, answer) => self.reply(state, node, request, &answer),
                Effect::Serve(id, epoch) => {
                    let served = state.checker.served(id, epoch, owner(node, incarnation));
                    note(state, served);
                }
                Effect::Run(..) | Effect::Stop(..) => {}
                Effect::Store(..) | Effect::Hot(..) => state.flying.push((node, incarnation, effect, false)),
            }
        }
    }

    fn reply(&self, state: &mut State, node: usize, request: RequestId, answer: &Answer) {
        let Answer::Done { position, proof } = answer else { return };
        let by = owner(node, state.incarnations[node]);
        let record = state.bucket.record(SESSION).cloned();
        let acted = state.checker.acted(SESSION, by, None, *proof, record.as_ref());
        note(state, acted);
        let index = usize::try_from(request.0).unwrap_or(0);
        if let Some((_, Asked::Do(number))) = self.asks.get(index) {
            let told = state.checker.told((state.now, by), SESSION, (*position, What::Plain(*number)), false);
            note(state, told);
            state.done += 1;
        }
    }

    /// A request is done; the answer.
    fn done(state: &mut State, node: usize, incarnation: u64, effect: &Effect) -> Option<Event> {
        match effect {
            Effect::Store(op, request) => Some(Event::Store(*op, store(state, owner(node, incarnation), request))),
            Effect::Hot(op, request) => Some(Event::Hot(*op, Ok(hot(state, request)))),
            _ => None,
        }
    }

    fn give_up(effect: &Effect) -> Option<Event> {
        match effect {
            Effect::Store(op, _) => Some(Event::Store(*op, Err(StoreFailure::Unknown))),
            Effect::Hot(op, _) => Some(Event::Hot(*op, Err(Unknown))),
            _ => None,
        }
    }
}

fn owner(node: usize, incarnation: u64) -> Owner {
    Owner { node: NodeId(u32::try_from(node).unwrap_or(0)), incarnation: Incarnation(incarnation) }
}

fn note(state: &mut State, checked: Result<(), Violation>) {
    if let Err(violation) = checked {
        state.broken.get_or_insert(violation);
    }
}

fn store(state: &mut State, by: Owner, request: &StoreRequest) -> Result<StoreAnswer, StoreFailure> {
    let old = state.bucket.record(SESSION).cloned();
    let answer = state.bucket.apply(request);
    if answer.is_ok() && matches!(request, StoreRequest::Write(..)) {
        let new = state.bucket.record(SESSION).cloned();
        let wrote = state.checker.wrote((state.now, by), SESSION, old.as_ref(), new.as_ref(), &state.bucket);
        note(state, wrote);
    }
    answer
}

fn hot(state: &mut State, request: &HotRequest) -> (Home, crate::message::HotAnswer) {
    state.redis.apply(request, state.now, |owner| Peer { owner, free_mib: 1, draining: false })
}

impl Model for Small {
    type State = State;
    type Action = Action;

    /// Node 0 has just made the session, and both know Redis for longer than a lease lives.
    fn init_states(&self) -> Vec<State> {
        let mut checker = Checker::default();
        checker.add(SESSION, "s".to_owned(), self.tier);
        let options = Options { rules: self.rules, ..Options::default() };
        let node = |number: usize| Some(Box::new(Node::new(owner(number, 1), Vec::new(), options)));
        let mut state = State {
            now: 0,
            nodes: [node(0), node(1)],
            incarnations: [1, 1],
            bucket: Bucket::default(),
            redis: Redis::new(Home(1), self.rules),
            homes: 1,
            flying: Vec::new(),
            asked: 0,
            leaps: self.leaps,
            budget: self.budget,
            checker,
            broken: None,
            done: 0,
        };
        for now in [0, 1000, 2000, 3000, 4000] {
            state.now = now;
            self.handle(&mut state, 0, Event::Timer);
            self.handle(&mut state, 1, Event::Timer);
        }
        let create = Asked::Create(TenantId(1), self.tier);
        let request = Request { id: RequestId(999), session: SESSION, seen: None, hops: 1, what: create };
        self.handle(&mut state, 0, Event::Request(request));
        while let Some((node, incarnation, effect, _)) = state.flying.pop() {
            if let Some(answer) = Small::done(&mut state, node, incarnation, &effect) {
                self.handle(&mut state, node, answer);
            }
        }
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() {
            return;
        }
        let budget = state.budget;
        for (index, (node, incarnation, effect, given_up)) in state.flying.iter().enumerate() {
            actions.push(Action::Answer(index));
            let lives = state.nodes[*node].is_some() && state.incarnations[*node] == *incarnation;
            // A read that nobody hears of is as if it was not.
            let write =
                matches!(effect, Effect::Hot(..) | Effect::Store(_, StoreRequest::Write(..) | StoreRequest::Put(..)));
            if lives && write && !given_up && budget.deaf > 0 {
                actions.push(Action::Deaf(index));
            }
            if lives && write && !given_up && budget.late > 0 {
                actions.push(Action::Late(index));
            }
        }
        if state.asked < self.asks.len() {
            actions.push(Action::Ask);
        }
        // Node 0 may be stopped: it looks at the time, or does not. Node 1 always does.
        if state.nodes[0].as_ref().is_some_and(|one| one.next_deadline() <= Small::now(state).mono) {
            actions.push(Action::Timer);
        }
        if state.nodes[0].is_some() && budget.crashes > 0 {
            actions.push(Action::Crash);
        }
        if state.leaps > 0 {
            actions.push(Action::Leap);
        }
        if budget.redis > 0 {
            actions.push(Action::Flush);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Ask => {
                let (node, what) = *self.asks.get(state.asked)?;
                let id = RequestId(state.asked as u64);
                state.asked += 1;
                let request = Request { id, session: SESSION, seen: None, hops: 1, what };
                self.handle(&mut state, node, Event::Request(request));
            }
            Action::Answer(index) => {
                let (node, incarnation, effect, given_up) = state.flying.remove(index);
                let answer = Small::done(&mut state, node, incarnation, &effect)?;
                if !given_up {
                    self.handle(&mut state, node, answer);
                }
            }
            Action::Deaf(index) => {
                state.budget.deaf -= 1;
                let (node, incarnation, effect, _) = state.flying.remove(index);
                Small::done(&mut state, node, incarnation, &effect)?;
                self.handle(&mut state, node, Small::give_up(&effect)?);
            }
            Action::Late(index) => {
                state.budget.late -= 1;
                let (node, _, effect, given_up) = state.flying.get_mut(index)?;
                *given_up = true;
                let (node, event) = (*node, Small::give_up(effect)?);
                self.handle(&mut state, node, event);
            }
            Action::Timer => self.handle(&mut state, 0, Event::Timer),
            Action::Leap => {
                state.leaps -= 1;
                state.now += LEAP;
                self.handle(&mut state, 1, Event::Timer);
                if !self.stops {
                    self.handle(&mut state, 0, Event::Timer);
                }
            }
            Action::Crash => {
                state.budget.crashes -= 1;
                let now = state.now;
                state.checker.excuses.push(Excuse::Node(NodeId(0), now, now + 60_000));
                state.nodes[0] = None;
                // A read that nobody waits for changes nothing.
                state.flying.retain(|(of, _, effect, _)| {
                    let read = matches!(effect, Effect::Store(_, StoreRequest::Read(_) | StoreRequest::List(..)));
                    *of != 0 || !read
                });
            }
            Action::Flush => {
                state.budget.redis -= 1;
                state.homes += 1;
                state.redis = Redis::new(Home(state.homes), self.rules);
                state.checker.excuses.push(Excuse::RedisLost(state.now));
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("what must hold holds", |_, state: &State| state.broken.is_none()),
            Property::sometimes("all that is asked is done", |model: &Small, state: &State| {
                usize::from(state.done) == model.asks.iter().filter(|ask| matches!(ask, (_, Asked::Do(_)))).count()
            }),
            Property::sometimes("the other node takes the session", |_, state: &State| {
                state.bucket.record(SESSION).is_some_and(|record| record.epoch.get() >= 2 && record.is_settled())
            }),
        ]
    }
}

/// Everything that can happen; what does not hold, if something does not.
fn explore(name: &str, model: Small) -> Option<Violation> {
    let checker = model.checker().threads(1).spawn_bfs().join();
    println!("{name}: {} states, {} deep", checker.unique_state_count(), checker.max_depth());
    if let Some(path) = checker.discovery("what must hold holds") {
        let last = path.last_state().broken.clone();
        println!("{:?}: {last:?}", path.into_actions());
        return last;
    }
    assert!(checker.discovery("all that is asked is done").is_some(), "{name}");
    assert!(checker.discovery("the other node takes the session").is_some(), "{name}");
    None
}

const NO_FAULT: Budget = Budget { deaf: 0, late: 0, crashes: 0, redis: 0 };

fn small(tier: Tier, asks: &[(usize, Asked)], leaps: u8, budget: Budget) -> Small {
    Small { tier, rules: Rules::ALL, asks: asks.to_vec(), leaps, stops: budget.redis == 0, budget }
}

fn models() -> Vec<(&'static str, Small)> {
    let (one, two) = ((0, Asked::Do(1)), (1, Asked::Do(2)));
    let (to, rest) = ((0, Asked::Move(owner(1, 1))), (0, Asked::Rest));
    vec![
        ("strict, an answer lost", small(Tier::Strict, &[one, two], 2, Budget { deaf: 1, ..NO_FAULT })),
        ("strict, a request late", small(Tier::Strict, &[one, two], 2, Budget { late: 1, ..NO_FAULT })),
        ("strict, a crash", small(Tier::Strict, &[one, two], 2, Budget { crashes: 1, ..NO_FAULT })),
        ("journal, an answer lost", small(Tier::Journal, &[one, two], 2, Budget { deaf: 1, ..NO_FAULT })),
        ("journal, a crash", small(Tier::Journal, &[one, two], 2, Budget { crashes: 1, ..NO_FAULT })),
        ("journal, a request late", small(Tier::Journal, &[one, two], 2, Budget { late: 1, ..NO_FAULT })),
        // A single failure: an owner that is stopped as well may take with it what only that Redis had.
        ("journal, Redis emptied", small(Tier::Journal, &[one, rest, two], 2, Budget { redis: 1, ..NO_FAULT })),
        ("scratch, a rest", small(Tier::Scratch, &[one, rest, two], 2, Budget { deaf: 1, ..NO_FAULT })),
        ("scratch, a move", small(Tier::Scratch, &[one, to, two], 2, Budget { deaf: 1, ..NO_FAULT })),
    ]
}

#[test]
fn whatever_happens_to_two_nodes_what_must_hold_holds() {
    for (name, model) in models() {
        assert_eq!(explore(name, model), None, "{name}");
    }
}

#[test]
fn broken_rules_are_found_in_the_smallest_cluster_too() {
    for rule in [
        Rule::RereadBeforeAck,
        Rule::ClaimBeforeList,
        Rule::FenceJournalFirst,
        Rule::OwnerMustBeDead,
        Rule::EpochPerOwner,
        Rule::FlushBeforeRest,
    ] {
        let found = models().into_iter().find_map(|(name, model)| {
            explore(name, Small { rules: Rules::breaking(rule), ..model }).map(|violation| (name, violation))
        });
        assert!(found.is_some(), "{rule} is not noticed");
    }
}
