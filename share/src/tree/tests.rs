//! The decisions, with slices and a clock that are made up.

use super::*;
use crate::{WEIGHT_MAX, WEIGHT_USUAL};
use proptest::prelude::*;
use std::collections::HashMap;
use std::num::NonZeroU32;

const MS: u64 = 1_000_000;

/// A process of the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name(u64, usize);

impl Name {
    fn id(self) -> TaskId {
        TaskId { index: self.1, number: self.0 }
    }
}

/// A tree, its clock, and what runs.
struct World {
    tree: Tree<Name>,
    now: u64,
    running: Vec<(Name, u64)>,
    used: HashMap<Name, u64>,
}

fn weight(weight: u32) -> Share {
    Share { weight, cpu_ms_per_s: None }
}

fn quota(ms: u32) -> Share {
    Share { weight: WEIGHT_USUAL, cpu_ms_per_s: NonZeroU32::new(ms) }
}

impl World {
    fn new(slots: usize) -> World {
        World { tree: Tree::new(slots), now: 0, running: Vec::new(), used: HashMap::new() }
    }

    fn tenant(&mut self, share: Share) -> usize {
        self.tree.add_tenant(share, self.now)
    }

    /// A session with so many processes that never wait for anything.
    fn busy_session(&mut self, tenant: usize, processes: usize) -> (usize, Vec<Name>) {
        let session = self.tree.add_session(tenant);
        let made: Vec<Name> = (0..processes).map(|_| self.process(session)).collect();
        for name in &made {
            self.ready(*name);
        }
        (session, made)
    }

    fn process(&mut self, session: usize) -> Name {
        self.tree.add_task(session, |id| Name(id.number, id.index))
    }

    fn ready(&mut self, name: Name) -> Option<Name> {
        let news = self.tree.ready(name.id(), self.now);
        self.take(news)
    }

    /// Begins what was granted; gives who was asked to end its slice.
    fn take(&mut self, news: News<Name>) -> Option<Name> {
        for name in news.granted.iter().chain(&news.more) {
            assert!(self.tree.begin(name.id(), self.now), "{name:?} was given a slot and does not have it");
            self.running.push((*name, self.now));
        }
        news.asked[0]
    }

    /// Ends a slice of one that runs.
    fn end(&mut self, name: Name, turn: Turn) {
        let at = self.running.iter().position(|(running, _)| *running == name).unwrap();
        let (_, since) = self.running.remove(at);
        let used = self.now - since;
        *self.used.entry(name).or_default() += used;
        let news = self.tree.end(name.id(), Duration::from_nanos(used), turn, self.now);
        self.take(news);
    }

    /// Ends a slice of one that goes on.
    fn yields(&mut self, name: Name) {
        assert!(self.ready(name).is_none());
        self.end(name, Turn::Waits);
    }

    /// Lets time pass, whoever runs being busy all the time; at each step everybody's slice ends.
    fn run(&mut self, for_ms: u64, step: u64) {
        let until = self.now + for_ms * MS;
        while self.now < until {
            self.now += step;
            let news = self.tree.tick(self.now);
            self.take(news);
            for (name, _) in self.running.clone() {
                self.yields(name);
            }
            self.check();
        }
    }

    fn cpu(&self, tenant: usize) -> f64 {
        self.tree.tenant_figures(tenant, self.now).cpu.as_secs_f64()
    }

    /// What holds at all times.
    fn check(&mut self) {
        let tree = &self.tree;
        let (mut holding, mut waiting) = (0, 0);
        for (_, task) in tree.tasks.iter() {
            holding += usize::from(matches!(task.state, State::Granted { .. } | State::Running { .. }));
            let waits = matches!(task.state, State::Waiting { .. });
            waiting += usize::from(waits);
            assert_eq!(task.place.is_some(), waits && !task.express, "{task:?}");
        }
        assert_eq!((tree.taken, tree.waiting, tree.holders.len()), (holding, waiting, holding));
        assert!(holding <= tree.slots, "{holding} hold {} slots", tree.slots);
        for (index, session) in tree.sessions.iter() {
            assert_eq!(session.place.is_some(), !session.level.is_empty(), "session {index}");
        }
        for (index, tenant) in tree.tenants.iter() {
            assert_eq!(tenant.place.is_some(), !tenant.level.is_empty() && tenant.throttled.is_none(), "{index}");
        }
        // No slot is free while somebody could have it.
        assert!(holding == tree.slots || tree.level.is_empty() && tree.express.is_empty());
    }
}

fn about(value: f64, wanted: f64) {
    assert!((value / wanted - 1.0).abs() < 0.02, "{value} is not about {wanted}");
}

#[test]
fn tenants_have_their_weights_share_however_many_processes_they_have() {
    for slots in [1, 2, 3, 16] {
        let mut world = World::new(slots);
        let (light, heavy) = (world.tenant(weight(100)), world.tenant(weight(300)));
        for _ in 0..40 {
            world.busy_session(light, 3);
        }
        world.busy_session(heavy, 16);
        world.run(20_000, 5 * MS);
        about(world.cpu(heavy) / world.cpu(light), 3.0);
        about(world.cpu(heavy) + world.cpu(light), 20.0 * slots as f64);
    }
}

#[test]
fn sessions_of_a_tenant_have_the_same_and_so_have_the_processes_of_a_session() {
    let mut world = World::new(2);
    let tenant = world.tenant(weight(100));
    let (_, few) = world.busy_session(tenant, 2);
    let (_, many) = world.busy_session(tenant, 20);
    world.run(20_000, 5 * MS);
    let sum = |names: &[Name]| names.iter().map(|name| world.used[name]).sum::<u64>() as f64;
    about(sum(&few) / sum(&many), 1.0);
    for name in &many {
        let fair = sum(&many) / 20.0;
        assert!((world.used[name] as f64 - fair).abs() <= (10 * MS) as f64, "{} of {fair}", world.used[name]);
    }
}

#[test]
fn the_lightest_tenant_is_not_starved_by_the_heaviest() {
    let mut world = World::new(2);
    let (light, heavy) = (world.tenant(weight(1)), world.tenant(weight(WEIGHT_MAX)));
    world.busy_session(light, 1);
    world.busy_session(heavy, 50);
    world.run(200_000, 5 * MS);
    let share = world.cpu(light) / 400.0;
    assert!((0.5 / 10_001.0..2.5 / 10_001.0).contains(&share), "{share}");
}

#[test]
fn who_slept_goes_on_at_once_and_has_no_more_than_the_credit_before_the_others() {
    let mut world = World::new(1);
    let (busy, sleeper) = (world.tenant(weight(100)), world.tenant(weight(100)));
    world.busy_session(busy, 4);
    let session = world.tree.add_session(sleeper);
    let first = world.process(session);
    world.run(60_000, 5 * MS);
    world.now += 2 * MS;
    let asked = world.ready(first).expect("a slice of the busy tenant's ends early");
    world.yields(asked);
    assert_eq!(world.running, [(first, world.now)]);
    // It never stops again: after the credit it has every other slice, and nothing of the minute it slept.
    let before = world.cpu(busy);
    world.run(1000, 5 * MS);
    let behind = 1.0 - 2.0 * (world.cpu(busy) - before);
    assert!(behind <= 0.021, "{behind} s more than its share");
    about(world.cpu(sleeper), 0.5);
}

#[test]
fn who_has_a_slot_and_has_not_begun_gives_it_to_one_that_is_far_behind() {
    let mut world = World::new(1);
    let (busy, sleeper) = (world.tenant(weight(100)), world.tenant(weight(100)));
    let (_, busy) = world.busy_session(busy, 2);
    let session = world.tree.add_session(sleeper);
    let (first, second) = (world.process(session), world.process(session));
    world.run(1000, 5 * MS);
    // The slice ends, and the next has its slot without having been seen to run.
    let (running, since) = world.running.remove(0);
    let news = world.tree.end(running.id(), Duration::from_nanos(world.now - since), Turn::Waits, world.now);
    let next = news.granted.or_else(|| world.tree.ready(running.id(), world.now).granted).unwrap();
    assert!(busy.contains(&next));
    let news = world.tree.ready(first.id(), world.now);
    assert_eq!((news.granted, news.asked), (Some(first), [None, None]));
    assert!(!world.tree.begin(next.id(), world.now), "it waits again");
    assert!(world.tree.begin(first.id(), world.now));
    // One of the same session that comes then takes nothing from it, and who waits has the slot next.
    assert_eq!(world.tree.ready(second.id(), world.now).granted, None);
    world.now += 20 * MS;
    let news = world.tree.end(first.id(), Duration::from_millis(20), Turn::Waits, world.now);
    assert_eq!(news.granted, Some(next));
    assert!(world.tree.begin(next.id(), world.now));
}

#[test]
fn what_went_before_all_keeps_its_slot() {
    let mut world = World::new(1);
    let (busy, sleeper) = (world.tenant(weight(100)), world.tenant(weight(100)));
    let (_, processes) = world.busy_session(busy, 2);
    let session = world.tree.add_session(sleeper);
    let first = world.process(session);
    world.run(1000, 5 * MS);
    let (running, since) = world.running.remove(0);
    let doomed = *processes.iter().find(|process| **process != running).unwrap();
    world.tree.hurry(doomed.id(), world.now);
    let news = world.tree.end(running.id(), Duration::from_nanos(world.now - since), Turn::Waits, world.now);
    assert_eq!(news.granted, Some(doomed));
    assert_eq!(world.tree.ready(first.id(), world.now).granted, None);
    assert!(world.tree.begin(doomed.id(), world.now));
}

#[test]
fn who_used_its_share_ends_nobodys_slice() {
    let mut world = World::new(1);
    let (one, other) = (world.tenant(weight(100)), world.tenant(weight(100)));
    world.busy_session(one, 2);
    let (session, _) = world.busy_session(other, 2);
    world.run(1000, 5 * MS);
    world.now += MS / 2;
    let late = world.process(session);
    // A new process of a session that is as far as the others.
    if world.running[0].0 != late {
        assert_eq!(world.ready(late), None);
    }
    world.check();
}

#[test]
fn a_process_never_ends_a_slice_of_its_own_session() {
    let mut world = World::new(1);
    let tenant = world.tenant(weight(100));
    let (session, _) = world.busy_session(tenant, 1);
    world.run(1000, 5 * MS);
    world.now += 4 * MS;
    let other = world.process(session);
    assert_eq!(world.ready(other), None);
}

#[test]
fn a_quota_is_kept_and_throttles() {
    for (slots, ms) in [(1, 100), (2, 1), (4, 1500)] {
        let mut world = World::new(slots);
        let (limited, free) = (world.tenant(quota(ms)), world.tenant(weight(100)));
        world.busy_session(limited, 10);
        world.busy_session(free, 10);
        world.run(20_000, 5 * MS);
        let most = f64::from(ms) / 1000.0 * 21.0 + 0.005 * slots as f64;
        assert!(world.cpu(limited) <= most, "{} s of {most}", world.cpu(limited));
        assert!(world.cpu(limited) >= most * 0.9 - 0.005 * slots as f64 - f64::from(ms) / 1000.0);
        // The others have all the rest.
        about(world.cpu(limited) + world.cpu(free), 20.0 * slots as f64);
        let figures = world.tree.tenant_figures(limited, world.now);
        assert!(figures.throttles > 0 && figures.throttled > Duration::from_secs(10), "{figures:?}");
        assert_eq!(world.tree.tenant_figures(free, world.now).throttles, 0);
    }
}

#[test]
fn a_quota_holds_on_an_idle_machine_and_can_be_lifted() {
    let mut world = World::new(2);
    let tenant = world.tenant(quota(500));
    world.busy_session(tenant, 2);
    world.run(10_000, 5 * MS);
    assert!(world.cpu(tenant) <= 5.5 + 0.01);
    let news = world.tree.set(tenant, weight(100), world.now);
    world.take(news);
    world.check();
    let before = world.cpu(tenant);
    world.run(1000, 5 * MS);
    about(world.cpu(tenant) - before, 2.0);
}

#[test]
fn weights_can_be_changed_while_everybody_runs() {
    let mut world = World::new(2);
    let (one, other) = (world.tenant(weight(100)), world.tenant(weight(100)));
    world.busy_session(one, 4);
    world.busy_session(other, 4);
    world.run(5000, 5 * MS);
    about(world.cpu(one), world.cpu(other));
    let news = world.tree.set(one, weight(400), world.now);
    world.take(news);
    let before = (world.cpu(one), world.cpu(other));
    world.run(20_000, 5 * MS);
    about((world.cpu(one) - before.0) / (world.cpu(other) - before.1), 4.0);
}

#[test]
fn work_of_the_hosts_is_charged_to_who_caused_it() {
    let mut world = World::new(1);
    let (one, other) = (world.tenant(weight(100)), world.tenant(weight(100)));
    let (session, _) = world.busy_session(one, 2);
    world.busy_session(other, 2);
    world.run(1000, 5 * MS);
    world.tree.charge(session, Duration::from_secs(2), world.now);
    world.check();
    world.run(6000, 5 * MS);
    // Both have had the same, the work included.
    about(world.cpu(one), world.cpu(other));
}

#[test]
fn what_the_host_did_is_owed_within_a_bound() {
    let mut world = World::new(1);
    let tenant = world.tenant(quota(100));
    let session = world.tree.add_session(tenant);
    for _ in 0..5 {
        world.tree.charge(session, Duration::from_secs(3600), world.now);
    }
    let name = world.process(session);
    world.ready(name);
    assert!(world.running.is_empty());
    world.run(9_000, 5 * MS);
    assert_eq!(world.used.get(&name), None);
    world.run(2_000, 5 * MS);
    assert!(world.used[&name] > 0);
}

#[test]
fn what_is_to_end_goes_before_all_and_before_its_quota() {
    let mut world = World::new(1);
    let (limited, free) = (world.tenant(quota(1)), world.tenant(weight(100)));
    let (_, names) = world.busy_session(limited, 3);
    world.busy_session(free, 30);
    world.run(1000, 5 * MS);
    let waits = *names.iter().find(|name| world.running.iter().all(|(running, _)| running != *name)).unwrap();
    let news = world.tree.hurry(waits.id(), world.now);
    world.take(news);
    let runs = world.running[0].0;
    world.yields(runs);
    assert_eq!(world.running[0].0, waits);
    world.end(waits, Turn::Ends);
    world.check();
    // Once more says nothing, nor does a word to one that is gone.
    assert!(world.tree.hurry(waits.id(), world.now).granted.is_none());
    assert!(world.tree.ready(waits.id(), world.now).granted.is_none());
    assert!(!world.tree.begin(waits.id(), world.now));
}

#[test]
fn a_process_and_its_session_can_go_at_any_moment() {
    let mut world = World::new(1);
    let tenant = world.tenant(weight(100));
    let (gone, names) = world.busy_session(tenant, 3);
    let (_, stays) = world.busy_session(tenant, 1);
    world.run(50, 5 * MS);
    // One of them is in the middle of its slice, the others wait.
    world.now += 2 * MS;
    for name in names {
        let news = world.tree.remove(name.id(), world.now);
        world.running.retain(|(running, _)| *running != name);
        world.take(news);
        world.check();
    }
    world.tree.remove_session(gone);
    world.run(50, 5 * MS);
    assert_eq!(world.running[0].0, stays[0]);
    // An index that is used again is another process's.
    let (_, again) = world.busy_session(tenant, 3);
    assert_eq!(again.len(), 3);
    world.run(100, 5 * MS);
}

#[test]
fn what_happens_during_a_turn_is_not_lost() {
    let mut world = World::new(1);
    let tenant = world.tenant(weight(100));
    let (_, names) = world.busy_session(tenant, 1);
    world.now += MS;
    assert_eq!(world.ready(names[0]), None);
    world.end(names[0], Turn::Waits);
    assert_eq!(world.running, [(names[0], world.now)]);
    world.end(names[0], Turn::Waits);
    assert!(world.running.is_empty() && !world.tree.is_busy());
}

#[test]
fn slots_that_come_free_at_once_are_not_all_one_tenants() {
    let mut world = World::new(8);
    let (one, other) = (world.tenant(weight(100)), world.tenant(weight(100)));
    world.busy_session(one, 16);
    world.busy_session(other, 16);
    world.run(500, 5 * MS);
    let (ones, others) = (&world.tree.tenants[one], &world.tree.tenants[other]);
    assert_eq!((ones.holding, others.holding), (4, 4));
}

/// One thing that happens in a world of three tenants.
#[derive(Clone, Debug)]
enum Step {
    Make(usize),
    Wake(usize),
    Yield(usize),
    Sleep(usize),
    Exit(usize),
    Hurry(usize),
    Tick(u64),
    Set(usize, u32, u32),
    Charge(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..64usize;
    prop_oneof![
        2 => any().prop_map(Step::Make),
        6 => any().prop_map(Step::Wake),
        6 => any().prop_map(Step::Yield),
        4 => any().prop_map(Step::Sleep),
        1 => any().prop_map(Step::Exit),
        1 => any().prop_map(Step::Hurry),
        6 => (0..20 * MS).prop_map(Step::Tick),
        1 => (0..3usize, 1..=WEIGHT_MAX, 0..3000u32).prop_map(|(tenant, weight, ms)| Step::Set(tenant, weight, ms)),
        1 => (any(), 0..20_000 * MS).prop_map(|(session, time)| Step::Charge(session, time)),
    ]
}

proptest! {
    /// Whatever happens in whatever order: no slot is lost, given twice or free while somebody could have it, nobody is
    /// forgotten, and nobody waits for ever.
    #[test]
    fn no_slot_is_lost_and_nobody_forgotten(slots in 1..5usize, steps in prop::collection::vec(step(), 1..400)) {
        let mut world = World::new(slots);
        let tenants: Vec<usize> = (0..3).map(|_| world.tenant(weight(100))).collect();
        let sessions: Vec<usize> = (0..6).map(|n| world.tree.add_session(tenants[n % 3])).collect();
        let mut names: Vec<Name> = Vec::new();
        for step in steps {
            let pick = |n: usize, names: &[Name]| (!names.is_empty()).then(|| names[n % names.len()]);
            let running: Vec<Name> = world.running.iter().map(|(name, _)| *name).collect();
            match step {
                Step::Make(n) => {
                    let name = world.process(sessions[n % 6]);
                    names.push(name);
                    world.ready(name);
                }
                Step::Wake(n) => _ = pick(n, &names).map(|name| world.ready(name)),
                Step::Yield(n) => _ = pick(n, &running).map(|name| world.yields(name)),
                Step::Sleep(n) => _ = pick(n, &running).map(|name| world.end(name, Turn::Waits)),
                Step::Exit(n) => {
                    if let Some(name) = pick(n, &names) {
                        names.retain(|other| *other != name);
                        world.running.retain(|(running, _)| *running != name);
                        let news = world.tree.remove(name.id(), world.now);
                        world.take(news);
                    }
                }
                Step::Hurry(n) => {
                    if let Some(name) = pick(n, &names) {
                        let news = world.tree.hurry(name.id(), world.now);
                        world.take(news);
                    }
                }
                Step::Tick(time) => {
                    world.now += time;
                    let news = world.tree.tick(world.now);
                    world.take(news);
                }
                Step::Set(tenant, weight, ms) => {
                    let share = Share { weight, cpu_ms_per_s: NonZeroU32::new(ms) };
                    let news = world.tree.set(tenants[tenant], share, world.now);
                    world.take(news);
                }
                Step::Charge(n, time) => {
                    world.tree.charge(sessions[n % 6], Duration::from_nanos(time), world.now);
                }
            }
            world.check();
        }
        // Whoever waits now has its turn, once the longest debt there can be is paid and the heaviest has had its part.
        for tenant in &tenants {
            let news = world.tree.set(*tenant, Share { weight: 100, cpu_ms_per_s: None }, world.now);
            world.take(news);
        }
        let waiting: Vec<Name> = world.tree.waiters().map(|(_, name)| *name).collect();
        let before = world.used.clone();
        world.run(150_000, 50 * MS);
        for name in waiting {
            prop_assert!(world.used.get(&name) > before.get(&name), "{name:?} never ran");
        }
    }

    /// Of two tenants that always want to run, each has its part within a few slices, whatever the weights and whatever
    /// a third one does beside them.
    #[test]
    fn shares_are_kept(slots in 1..4usize, one in 1..=1000u32, other in 1..=1000u32, naps in 1..50u64) {
        let mut world = World::new(slots);
        let (a, b, c) = (world.tenant(weight(one)), world.tenant(weight(other)), world.tenant(weight(100)));
        world.busy_session(a, 8);
        world.busy_session(b, 8);
        let session = world.tree.add_session(c);
        let napper = world.process(session);
        for round in 0..400 {
            if round % naps == 0 {
                world.ready(napper);
            }
            world.run(50, 5 * MS);
            if world.running.iter().any(|(name, _)| *name == napper) {
                world.end(napper, Turn::Waits);
            }
        }
        let (a, b) = (world.cpu(a) / f64::from(one), world.cpu(b) / f64::from(other));
        // In processor time of weight 1: a slice of each slot, and the credit, of the lighter of the two.
        let slack = (0.005 * (slots as f64 + 2.0) + 0.01) / f64::from(one.min(other));
        prop_assert!((a - b).abs() <= slack * 2.0, "{a} and {b}, {slack}");
    }
}
