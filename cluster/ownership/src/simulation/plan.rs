//! What happens in a run: the cluster, its sessions, what clients ask, what fails. All of it follows from the seed, and can
//! be cut down to find what of it matters.

use super::random::Random;
use crate::acknowledge::Tier;
use crate::name::{NodeId, SessionId, TenantId};
use std::fmt;

mod theme;

use theme::Theme;

/// When everything that fails is mended, in milliseconds of true time.
pub const HEALED: u64 = 30_000;
/// The last moment a fault begins at.
const LAST_FAULT: u64 = 26_000;
/// Commands of clients in a run, at least.
pub const COMMANDS_MIN: u64 = 20;

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it is made of; also decides about latencies.
    pub seed: u64,
    /// Rates of the nodes' clocks, in percent of true time.
    pub nodes: Vec<u64>,
    /// Rate of the clock of Redis.
    pub redis_rate: u64,
    /// Sessions, made in the first second.
    pub sessions: Vec<(SessionId, TenantId, Tier)>,
    /// What clients ask.
    pub commands: Vec<Command>,
    /// What fails.
    pub faults: Vec<Fault>,
}

/// What a client asks of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// When, in milliseconds.
    pub at: u64,
    /// Of which session, by its place in the plan.
    pub session: usize,
    /// What.
    pub what: Wish,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// The session.
    Create,
    /// Something done, once at most, without a key.
    Do,
    /// Something run, once, with a key.
    Run,
    /// To see what happened.
    Follow,
    /// The session at rest.
    Rest,
    /// The session on another node.
    Move(NodeId),
    /// The session gone.
    Delete,
}

/// Something that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it begins.
    pub at: u64,
    /// How long it lasts.
    pub length: u64,
    /// What.
    pub what: Failure,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A process dies at its `effect`th effect from then on, and is started again after the length.
    Crash {
        /// Whose.
        node: usize,
        /// Counted from 0.
        effect: u64,
        /// That effect is not done any more.
        before: bool,
        /// Its disk is gone.
        wiped: bool,
    },
    /// SIGSTOP, then SIGCONT.
    Pause {
        /// Whose.
        node: usize,
    },
    /// Nothing gets through, one way or both.
    Cut {
        /// Between this node.
        node: usize,
        /// And this.
        from: Place,
        /// What is lost.
        way: Way,
    },
    /// The store does not answer as often as this percentage, after it did what was asked.
    Deaf(u64),
    /// Requests to the store take up to so many milliseconds, this often of a hundred.
    Slow(u64, u64),
    /// The store says 409.
    Conflicts(u64),
    /// The store says 503; every other time after it did what was asked.
    Busy(u64),
    /// Requests to Redis take up to so many milliseconds, this often of a hundred.
    RedisSlow(u64, u64),
    /// Redis answers nobody.
    RedisAway,
    /// Redis forgets everything.
    RedisFlushed,
    /// Redis is replaced by a copy that is so many milliseconds old.
    RedisStale(u64),
    /// A wall clock steps by so many milliseconds.
    Step {
        /// Whose.
        node: usize,
        /// How far.
        by: i64,
    },
    /// What runs sessions of a node ends by a fault of its own; the process lives.
    Actors {
        /// Whose.
        node: usize,
    },
    /// A node is told to drain; it is started anew when the fault ends.
    Drain {
        /// Which.
        node: usize,
    },
}

/// The other end of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The store.
    Store,
    /// Redis.
    Redis,
    /// Clients and other nodes.
    Clients,
}

/// What is lost of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Requests.
    To,
    /// Answers.
    From,
    /// Both.
    Both,
}

/// How many kinds of failures there are, for tables.
pub const FAILURES: &[&str] = &[
    "crash before effect",
    "crash after effect",
    "disk wiped",
    "pause",
    "cut from store",
    "cut from redis",
    "cut from clients",
    "cut one way",
    "answers of store lost",
    "store slow",
    "store 409",
    "store 503",
    "redis slow",
    "redis away",
    "redis flushed",
    "redis stale",
    "wall clock steps",
    "drain",
    "actors crash",
];

impl Failure {
    /// Its lines in the table of [`FAILURES`].
    pub fn kinds(&self) -> Vec<&'static str> {
        match *self {
            Failure::Crash { before, wiped, .. } => {
                let mut kinds = vec![if before { FAILURES[0] } else { FAILURES[1] }];
                kinds.extend(wiped.then_some(FAILURES[2]));
                kinds
            }
            Failure::Pause { .. } => vec![FAILURES[3]],
            Failure::Cut { from, way, .. } => {
                let mut kinds = vec![match from {
                    Place::Store => FAILURES[4],
                    Place::Redis => FAILURES[5],
                    Place::Clients => FAILURES[6],
                }];
                kinds.extend((way != Way::Both).then_some(FAILURES[7]));
                kinds
            }
            Failure::Deaf(_) => vec![FAILURES[8]],
            Failure::Slow(..) => vec![FAILURES[9]],
            Failure::Conflicts(_) => vec![FAILURES[10]],
            Failure::Busy(_) => vec![FAILURES[11]],
            Failure::RedisSlow(..) => vec![FAILURES[12]],
            Failure::RedisAway => vec![FAILURES[13]],
            Failure::RedisFlushed => vec![FAILURES[14]],
            Failure::RedisStale(_) => vec![FAILURES[15]],
            Failure::Step { .. } => vec![FAILURES[16]],
            Failure::Drain { .. } => vec![FAILURES[17]],
            Failure::Actors { .. } => vec![FAILURES[18]],
        }
    }
}

impl Plan {
    /// The run of a seed: three nodes, at least one fault and [`COMMANDS_MIN`] commands.
    pub fn of(seed: u64) -> Plan {
        let mut random = Random::of(seed, &[1]);
        let rate = |random: &mut Random| random.pick(&[96, 97, 100, 100, 103, 104]);
        let nodes: Vec<u64> = (0..3).map(|_| rate(&mut random)).collect();
        let redis_rate = rate(&mut random);
        let theme = Theme::of(&mut random);
        let mut plan =
            Plan { seed, nodes, redis_rate, sessions: Vec::new(), commands: Vec::new(), faults: faults(&mut random) };
        let count: u32 = theme.sessions(&mut random);
        plan.sessions = (0..count)
            .map(|number| {
                let id = SessionId(u128::from(random.draw()) << 64 | u128::from(number));
                (id, TenantId(1 + u32::from(number % 3 == 2)), random.pick(theme.tiers()))
            })
            .collect();
        let node = theme.faults(&mut random, &mut plan);
        plan.commands = commands(&mut random, plan.sessions.len(), &plan.faults);
        theme.commands(&mut random, &mut plan, node);
        plan.commands.sort_by_key(|command| command.at);
        plan
    }
}

fn faults(random: &mut Random) -> Vec<Fault> {
    let count = random.pick(&[1, 2, 3, 4, 5, 6]);
    let mut faults: Vec<Fault> = Vec::new();
    while faults.len() < count {
        // Faults that meet are worth more than those that do not.
        let at = match faults.last() {
            Some(before) if random.percent(60) => before.at + random.within(0, 4000),
            _ => random.within(1500, 22_000),
        };
        let at = at.min(LAST_FAULT);
        let node = usize::try_from(random.below(3)).unwrap_or(0);
        let often = random.pick(&[20, 50, 100]);
        let what = match random.below(25) {
            0..=4 => {
                Failure::Crash { node, effect: random.below(12), before: random.percent(50), wiped: random.percent(50) }
            }
            5..=7 => Failure::Pause { node },
            8..=11 => Failure::Cut {
                node,
                from: random.pick(&[Place::Store, Place::Redis, Place::Redis, Place::Clients]),
                way: random.pick(&[Way::Both, Way::To, Way::From]),
            },
            12 | 13 => Failure::Deaf(often),
            14 => Failure::Slow(random.pick(&[500, 3000, 15_000]), often),
            15 => Failure::Conflicts(often),
            16 => Failure::Busy(often),
            17 => Failure::RedisSlow(random.pick(&[100, 1000, 6000]), often),
            18 => Failure::RedisAway,
            19 => Failure::RedisFlushed,
            20 | 21 => Failure::RedisStale(random.pick(&[50, 500, 3000, 10_000])),
            22 => Failure::Actors { node },
            23 => Failure::Step { node, by: random.pick(&[-3_600_000, 3_600_000, -5000, 5000]) },
            _ => Failure::Drain { node },
        };
        let length = random.pick(&[300, 1500, 4000, 8000, 15_000]);
        faults.push(Fault { at, length: length.min(HEALED.saturating_sub(at)), what });
    }
    faults
}

fn commands(random: &mut Random, sessions: usize, faults: &[Fault]) -> Vec<Command> {
    let mut commands: Vec<Command> =
        (0..sessions).map(|session| Command { at: random.within(0, 600), session, what: Wish::Create }).collect();
    let count = COMMANDS_MIN + random.below(25);
    // What changes hands is rare in most runs, and most of what happens in some.
    let restless = random.percent(35);
    for _ in 0..count {
        let mut session = usize::try_from(random.below(sessions as u64)).unwrap_or(0);
        let at = if let Some(before) = commands.last()
            && before.what != Wish::Create
            && random.percent(30)
        {
            // Commands that meet are worth more than those that do not.
            session = before.session;
            before.at + random.below(60)
        } else if random.percent(65) {
            // While something fails, or just after.
            let index = usize::try_from(random.below(faults.len() as u64)).unwrap_or(0);
            let fault = faults[index];
            let until = (fault.length + 3500).min(9000);
            (fault.at + random.below(until)).saturating_sub(300)
        } else {
            random.within(1000, HEALED - 2000)
        };
        let what = match random.below(100) {
            0..=44 => Wish::Do,
            45..=64 => Wish::Run,
            65..=83 => Wish::Follow,
            84 | 85 if restless => Wish::Delete,
            86 => Wish::Create,
            87..=92 if restless => Wish::Rest,
            93..=98 if restless => Wish::Move(NodeId(u32::try_from(random.below(3)).unwrap_or(0))),
            _ => Wish::Do,
        };
        commands.push(Command { at, session, what });
    }
    commands
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: clocks at {:?} %, Redis at {} %", self.seed, self.nodes, self.redis_rate)?;
        for (number, (_, tenant, tier)) in self.sessions.iter().enumerate() {
            writeln!(f, "  session s{number} of tenant {}, {tier:?}", tenant.0)?;
        }
        for fault in &self.faults {
            writeln!(f, "  {:>6} ms for {:>5} ms: {:?}", fault.at, fault.length, fault.what)?;
        }
        writeln!(f, "  {} commands", self.commands.len())
    }
}
