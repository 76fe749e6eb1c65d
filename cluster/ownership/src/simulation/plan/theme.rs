//! What some runs are about: several faults that have to meet within a moment are met by chance too seldom.

use super::{Command, Failure, Fault, NodeId, Place, Plan, Random, Tier, Way, Wish};

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    /// Nothing in particular.
    Any,
    /// Without Redis owners read the record; one is stopped while it does, for long.
    OldRead,
    /// An owner whose clock is slow is cut from a Redis whose clock is fast, and asked while its lease ends.
    LeaseEnds,
    /// Requests to Redis are late, and writes of the store.
    Late,
    /// Redis and an owner are lost at once, and then an old copy takes the place of Redis.
    OldJournal,
    /// An owner is stopped until another has its session, and then Redis is replaced by a copy from before.
    OldFence,
    /// A lease lapses, its next grant is late, and another lapse follows.
    LateGrant,
    /// Two of three nodes die with many sessions, which all are asked for.
    Masses,
}

impl Theme {
    pub(super) fn of(random: &mut Random) -> Theme {
        match random.below(20) {
            0 | 1 => Theme::OldRead,
            2 | 3 => Theme::LeaseEnds,
            4..=6 => Theme::Late,
            7 => Theme::OldJournal,
            8 => Theme::Masses,
            9 | 10 => Theme::OldFence,
            11 | 12 => Theme::LateGrant,
            _ => Theme::Any,
        }
    }

    pub(super) fn sessions(self, random: &mut Random) -> u32 {
        match self {
            Theme::Any => random.pick(&[1, 2, 2, 3, 5]),
            Theme::Masses => 8,
            Theme::OldJournal => 3,
            Theme::OldRead | Theme::LeaseEnds | Theme::Late | Theme::OldFence | Theme::LateGrant => 2,
        }
    }

    pub(super) fn tiers(self) -> &'static [Tier] {
        match self {
            Theme::Any | Theme::Masses => {
                &[Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Journal, Tier::Strict]
            }
            Theme::OldRead | Theme::LeaseEnds | Theme::LateGrant => &[Tier::Scratch, Tier::Checkpoint],
            Theme::Late => &[Tier::Scratch, Tier::Checkpoint, Tier::Journal, Tier::Journal],
            Theme::OldJournal | Theme::OldFence => &[Tier::Journal],
        }
    }

    /// Its own faults instead of some of those that were drawn. Most are about one node.
    pub(super) fn faults(self, random: &mut Random, plan: &mut Plan) -> usize {
        let at = random.within(4000, 8000);
        let node = usize::try_from(random.below(3)).unwrap_or(0);
        let fault = |at: u64, length: u64, what: Failure| Fault { at, length, what };
        let crash = |node: usize| Failure::Crash { node, effect: 0, before: true, wiped: false };
        let mine = match self {
            Theme::Any => return node,
            Theme::OldRead => {
                let away = random.within(5000, 9000);
                let pause = at + random.within(3500, away);
                vec![
                    fault(at, away, Failure::RedisAway),
                    fault(pause, 12_000, Failure::Pause { node }),
                    fault(at, away + 4000, Failure::Slow(500, 50)),
                ]
            }
            Theme::LeaseEnds => {
                plan.nodes = vec![96; 3];
                plan.redis_rate = 104;
                let cut = fault(at, 5000, Failure::Cut { node, from: Place::Redis, way: Way::Both });
                let step = fault(at + 1000, 0, Failure::Step { node, by: -3_600_000 });
                if random.percent(50) { vec![step, cut] } else { vec![cut] }
            }
            Theme::OldFence => {
                let length = random.within(4500, 7000);
                let copied = at + length + random.below(400) - 300;
                vec![
                    fault(copied, 0, Failure::RedisStale(copied - at + random.within(100, 400))),
                    fault(at, length, Failure::Pause { node }),
                ]
            }
            Theme::LateGrant => {
                let cut =
                    |at: u64, length: u64| fault(at, length, Failure::Cut { node, from: Place::Redis, way: Way::Both });
                let again = at + 5500 + random.below(900);
                vec![
                    cut(at, 4000),
                    fault(at + 3500, 1300, Failure::RedisSlow(6000, 60)),
                    fault(again + 2500, 3000, Failure::Slow(2000, 60)),
                    cut(again, random.within(2800, 3800)),
                ]
            }
            Theme::Late => vec![
                fault(at, 15_000, Failure::RedisSlow(random.pick(&[1500, 6000]), 50)),
                fault(at, 15_000, Failure::Slow(random.pick(&[500, 3000]), 50)),
                fault(at + random.within(1000, 12_000), 8000, crash(node)),
            ],
            Theme::OldJournal => {
                let (second, third) = ((node + 1) % 3, (node + 2) % 3);
                let again = at + random.within(6000, 9000);
                vec![
                    fault(at, 0, Failure::RedisFlushed),
                    fault(at, 9000, crash(node)),
                    fault(at, 9000, crash(second)),
                    fault(again, 0, Failure::RedisStale(again - at + random.within(1, 600))),
                    fault(again, 9000, crash(third)),
                ]
            }
            Theme::Masses => {
                vec![fault(at, 12_000, crash(node)), fault(at + random.below(400), 12_000, crash((node + 1) % 3))]
            }
        };
        plan.faults.truncate(if random.percent(50) { 0 } else { 2 });
        plan.faults.extend(mine);
        node
    }

    /// Its own commands besides.
    pub(super) fn commands(self, random: &mut Random, plan: &mut Plan, node: usize) {
        let Some(fault) = plan.faults.last().copied() else { return };
        let sessions = plan.sessions.len() as u64;
        let (from, to, count) = match self {
            Theme::Any => return,
            Theme::OldRead => (fault.at.saturating_sub(2500), fault.at + 5500, 25),
            Theme::LeaseEnds => (fault.at + 1700, fault.at + 3400, 40),
            Theme::Late => (fault.at.saturating_sub(9000), fault.at + 7000, 25),
            Theme::OldJournal => (fault.at.saturating_sub(10_000), fault.at + 3000, 40),
            Theme::OldFence => (fault.at.saturating_sub(800), fault.at + fault.length + 600, 50),
            Theme::LateGrant => (fault.at.saturating_sub(1500), fault.at + 6500, 60),
            Theme::Masses => (fault.at + 2800, fault.at + 5500, 30),
        };
        if self != Theme::Masses && self != Theme::Late {
            // Where it is to happen.
            let to = NodeId(u32::try_from(node).unwrap_or(0));
            for session in 0..plan.sessions.len() {
                plan.commands.push(Command { at: 1500, session, what: Wish::Move(to) });
            }
        }
        for _ in 0..count {
            let session = usize::try_from(random.below(sessions)).unwrap_or(0);
            let what = random.pick(&[Wish::Do, Wish::Do, Wish::Follow, Wish::Run]);
            plan.commands.push(Command { at: random.within(from, to), session, what });
        }
    }
}
