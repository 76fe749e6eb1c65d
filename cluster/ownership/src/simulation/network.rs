//! What is between nodes, the store, Redis and clients: latencies, and all that the faults of a plan do to requests and
//! answers. A request that is late is done late, whoever still waits for it.

use super::plan::{Failure, Fault, Place, Plan, Way};
use super::random::Random;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    /// When it arrives; `None`: never.
    pub arrives: Option<u64>,
    /// What is said instead of doing it, or after.
    pub instead: Option<Instead>,
    /// How long the answer takes; `None`: it is lost.
    pub answer: Option<u64>,
}

/// What a service does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// 409, nothing done.
    Conflict,
    /// 503, nothing done.
    Refused,
    /// 503, done.
    Done,
}

/// The faults of a plan, as the network sees them.
#[derive(Clone, Debug)]
pub(super) struct Network {
    seed: u64,
    faults: Vec<Fault>,
}

impl Network {
    pub(super) fn new(plan: &Plan) -> Network {
        Network { seed: plan.seed, faults: plan.faults.clone() }
    }

    fn active(&self, now: u64) -> impl Iterator<Item = &Failure> {
        let faults = self.faults.iter().filter(move |fault| fault.at <= now && now < fault.at + fault.length);
        faults.map(|fault| &fault.what)
    }

    fn is_cut(&self, now: u64, node: usize, from: Place, lost: Way) -> bool {
        self.active(now).any(|failure| match failure {
            Failure::Cut { node: cut, from: place, way } => {
                (*cut, *place) == (node, from) && (*way == lost || *way == Way::Both)
            }
            _ => false,
        })
    }

    /// Of a request of a node's to the store or Redis; `number` is its own.
    pub(super) fn request(&self, now: u64, node: usize, incarnation: u64, number: u64, to: Place) -> Fate {
        let mut random = Random::of(self.seed, &[2, node as u64, incarnation, number]);
        let (mut there, back) = match to {
            Place::Store => (random.within(4, 30), random.within(4, 30)),
            Place::Redis | Place::Clients => (random.within(1, 3), random.within(1, 2)),
        };
        let mut fate = Fate { arrives: None, instead: None, answer: Some(back) };
        for failure in self.active(now) {
            match (*failure, to) {
                (Failure::Deaf(often), Place::Store) if random.percent(often) => fate.answer = None,
                (Failure::Slow(most, often), Place::Store) | (Failure::RedisSlow(most, often), Place::Redis)
                    if random.percent(often) =>
                {
                    there += random.within(most / 4, most);
                }
                (Failure::Conflicts(often), Place::Store) if random.percent(often) => {
                    fate.instead = Some(Instead::Conflict);
                }
                (Failure::Busy(often), Place::Store) if random.percent(often) => {
                    fate.instead = Some(if random.percent(50) { Instead::Done } else { Instead::Refused });
                }
                (Failure::RedisAway, Place::Redis) => return fate,
                _ => {}
            }
        }
        if !self.is_cut(now, node, to, Way::To) {
            fate.arrives = Some(now + there);
        }
        fate
    }

    /// Whether an answer that leaves now gets to the node.
    pub(super) fn answers(&self, now: u64, node: usize, from: Place) -> bool {
        let away = from == Place::Redis && self.active(now).any(|failure| *failure == Failure::RedisAway);
        !away && !self.is_cut(now, node, from, Way::From)
    }

    /// Whether a client's request that leaves now gets to a node.
    pub(super) fn reaches(&self, now: u64, node: usize) -> bool {
        !self.is_cut(now, node, Place::Clients, Way::To)
    }
}
