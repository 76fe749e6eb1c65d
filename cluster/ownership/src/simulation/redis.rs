//! A Redis as its scripts see it, which they have to agree with: leases that end by its own clock, journals behind fences, and a home that changes whenever
//! it may have forgotten something.

use crate::entry::Entry;
use crate::lease::{Home, Peer, TTL, Term};
use crate::message::{HotAnswer, HotRequest};
use crate::name::{Owner, SessionId};
use crate::position::Epoch;
use crate::rule::{Rule, Rules};
use std::collections::BTreeMap;

/// Everything that is in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    home: Home,
    /// The term, and when it ends by the clock of Redis.
    leases: BTreeMap<Owner, (Term, u64)>,
    journals: BTreeMap<SessionId, Journal>,
    rules: Rules,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Journal {
    fence: Epoch,
    /// The epoch that seeded it, and its last event or the one before its first.
    seeded: Option<(Epoch, u64)>,
    entries: Vec<Entry>,
}

impl Redis {
    /// An empty one.
    pub fn new(home: Home, rules: Rules) -> Redis {
        Redis { home, leases: BTreeMap::new(), journals: BTreeMap::new(), rules }
    }

    /// Which one.
    pub fn home(&self) -> Home {
        self.home
    }

    /// What a replica knew that takes its place: it is another one.
    #[must_use]
    pub fn as_home(&self, home: Home) -> Redis {
        Redis { home, ..self.clone() }
    }

    /// Does what is asked, at once and whole, at `now` of its own clock. `load` is what nodes say of themselves.
    pub fn apply(&mut self, request: &HotRequest, now: u64, load: impl Fn(Owner) -> Peer) -> (Home, HotAnswer) {
        self.leases.retain(|_, (_, ends)| *ends > now);
        (self.home, self.answer(request, now, load))
    }

    fn answer(&mut self, request: &HotRequest, now: u64, load: impl Fn(Owner) -> Peer) -> HotAnswer {
        let peers =
            |leases: &BTreeMap<Owner, (Term, u64)>| HotAnswer::Held(leases.keys().map(|one| load(*one)).collect());
        match request {
            HotRequest::Renew(owner, term) => match self.leases.get_mut(owner) {
                Some((held, ends)) if held == term => {
                    *ends = now + TTL.0;
                    peers(&self.leases)
                }
                _ => HotAnswer::Lapsed,
            },
            HotRequest::Grant(owner, term) => match self.leases.get(owner) {
                Some((held, _)) if held > term => HotAnswer::Lapsed,
                _ => {
                    self.leases.insert(*owner, (*term, now + TTL.0));
                    peers(&self.leases)
                }
            },
            HotRequest::Lease(owner) => HotAnswer::Alive(self.leases.contains_key(owner)),
            HotRequest::Raise(id, epoch) => {
                let empty = Journal { fence: *epoch, seeded: None, entries: Vec::new() };
                let journal = self.journals.entry(*id).or_insert(empty);
                if journal.fence > *epoch {
                    return HotAnswer::Fenced;
                }
                journal.fence = *epoch;
                HotAnswer::Journal(journal.entries.clone())
            }
            HotRequest::Peek(id) => {
                HotAnswer::Journal(self.journals.get(id).map(|journal| journal.entries.clone()).unwrap_or_default())
            }
            HotRequest::Seed(id, home, epoch, after) => {
                let keeps = self.rules.keep(Rule::LateSeedKeeps);
                self.fenced(*id, Some(*home), *epoch, |journal| {
                    match journal.seeded {
                        // One that is late: what was appended since stays.
                        Some((by, last)) if by == *epoch && last > *after && keeps => {}
                        _ => {
                            journal.entries.clear();
                            journal.seeded = Some((*epoch, *after));
                        }
                    }
                    HotAnswer::Done
                })
            }
            HotRequest::Append(id, home, epoch, entries) => self.fenced(*id, *home, *epoch, |journal| {
                let (Some((by, last)), Some(first)) = (journal.seeded, entries.first()) else {
                    return HotAnswer::Forgotten;
                };
                if by != *epoch || first.seq > last + 1 {
                    return HotAnswer::Forgotten;
                }
                let new: Vec<Entry> = entries.iter().filter(|entry| entry.seq > last).copied().collect();
                journal.seeded = Some((*epoch, new.last().map_or(last, |entry| entry.seq)));
                journal.entries.extend(new);
                HotAnswer::Done
            }),
            HotRequest::Trim(id, home, epoch, upto) => self.fenced(*id, Some(*home), *epoch, |journal| {
                journal.entries.retain(|entry| entry.seq > *upto);
                HotAnswer::Done
            }),
        }
    }

    fn fenced(
        &mut self,
        id: SessionId,
        home: Option<Home>,
        epoch: Epoch,
        change: impl FnOnce(&mut Journal) -> HotAnswer,
    ) -> HotAnswer {
        if home.is_some_and(|home| home != self.home) {
            return HotAnswer::Forgotten;
        }
        match self.journals.get_mut(&id) {
            None => HotAnswer::Forgotten,
            Some(journal) if journal.fence > epoch => HotAnswer::Fenced,
            Some(journal) if journal.fence < epoch => HotAnswer::Forgotten,
            Some(journal) => change(journal),
        }
    }
}
