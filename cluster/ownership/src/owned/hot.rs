//! The hot journal of an owner: entries in Redis, behind a fence that only the newest epoch passes.
//!
//! ```text
//! raise the fence ─▶ learn which Redis ─▶ record read since ─▶ seed: goes on behind the store ─▶ append, append ...
//!        ▲                                                                                          │
//!        └──────────── Redis forgot: what only it had goes to the store first ◀─────────────────────┘
//! ```
//! A Redis that was flushed or replaced may have forgotten that somebody else raised the fence. So which Redis it is comes
//! with every answer, each append names the one that was verified, and one is verified only by a read of the record that
//! began after it was known. Protects: what an append acknowledges is where the next owner looks.

use super::{Context, FRESH, HotAnswer, HotRequest, Monotonic, Op, Owned, Rule, Slot, Tier};
use crate::lease::Home;
use crate::message::{Effect, Unknown};

/// Where the hot journal stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hot {
    /// The Redis whose fence we raised.
    pub home: Option<Home>,
    /// The record was ours after we knew it.
    pub verified: bool,
    seeded: bool,
    /// The last event in it, or before it.
    appended: u64,
    /// What is in the store of entries only an older Redis had, before this one is used.
    pub flush_to: u64,
    /// It did not answer: journals go to the store meanwhile.
    pub away: bool,
    trimmed: u64,
    pub slot: Slot<HotOp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum HotOp {
    Raise,
    Seed(u64),
    Append { upto: u64, sent: Monotonic },
    Trim(u64),
}

impl Hot {
    pub(super) fn new(home: Option<Home>) -> Hot {
        Hot {
            verified: home.is_some(),
            home,
            seeded: false,
            appended: 0,
            flush_to: 0,
            away: false,
            trimmed: 0,
            slot: Slot::default(),
        }
    }

    /// Whether the record is to be read so that this Redis can be used.
    pub(super) fn wants_record(&self) -> bool {
        self.home.is_some() && !self.verified
    }

    /// A read of the record that began when `home` was known found it ours.
    pub(super) fn confirmed(&mut self, home: Option<Home>) {
        if home.is_some() && home == self.home {
            self.verified = true;
        }
    }
}

impl Owned {
    /// Redis is another, or has forgotten this session: nothing in it counts any more.
    fn hot_forgot(&mut self, cx: &Context<'_>) {
        let hot = &mut self.hot;
        if cx.rules.keep(Rule::FlushAfterRedisLoss) {
            hot.flush_to = self.marks.hot.max(hot.flush_to);
            self.marks.hot = 0;
        }
        (hot.home, hot.verified, hot.seeded) = (None, false, false);
    }

    /// Some answer came from this Redis.
    pub(crate) fn redis_is(&mut self, cx: &Context<'_>, home: Home) {
        if self.hot.home.is_some_and(|known| known != home) && cx.rules.keep(Rule::AppendNamesHome) {
            self.hot_forgot(cx);
        }
    }

    pub(super) fn advance_hot(&mut self, cx: &mut Context<'_>) {
        if self.record.tier != Tier::Journal || !self.hot.slot.is_free(cx.now) {
            return;
        }
        let (id, epoch, made) = (self.id, self.record.epoch, self.marks.made);
        // Nothing to write: Redis is left alone.
        if made <= self.marks.stored.max(self.marks.hot) && self.hot.trimmed >= self.record.durable {
            return;
        }
        let (request, what) = match self.hot.home {
            None => (HotRequest::Raise(id, epoch), HotOp::Raise),
            Some(home) => {
                if !self.hot.verified || self.marks.stored < self.hot.flush_to {
                    return;
                }
                let stored = self.marks.stored;
                // What is behind its end was committed meanwhile, and is not here any more.
                self.hot.seeded &= self.hot.appended >= self.record.durable;
                if !self.hot.seeded {
                    // Without the flush: as if the new one had what the old one had.
                    let after =
                        if cx.rules.keep(Rule::FlushAfterRedisLoss) { stored } else { stored.max(self.marks.hot) };
                    (HotRequest::Seed(id, home, epoch, after), HotOp::Seed(after))
                } else if made > self.hot.appended {
                    let named = cx.rules.keep(Rule::AppendNamesHome).then_some(home);
                    let entries = self.entries(self.hot.appended + 1, made);
                    if !cx.rules.keep(Rule::AckAfterDurable) {
                        self.marks.hot = made;
                    }
                    (HotRequest::Append(id, named, epoch, entries), HotOp::Append { upto: made, sent: cx.now.mono })
                } else if self.hot.trimmed < self.record.durable {
                    let durable = self.record.durable;
                    (HotRequest::Trim(id, home, epoch, durable), HotOp::Trim(durable))
                } else {
                    return;
                }
            }
        };
        let op = cx.op(id);
        self.hot.slot.fill(op, what);
        cx.out.push(Effect::Hot(op, request));
    }

    /// Redis answered.
    pub(crate) fn hot_answer(&mut self, cx: &mut Context<'_>, op: Op, answer: Result<(Home, HotAnswer), Unknown>) {
        let Some(asked) = self.hot.slot.take(op) else { return };
        let Ok((home, answer)) = answer else {
            // It may have happened: the same again does no harm, since of an epoch and number there is one entry.
            self.hot.away = true;
            return self.hot.slot.pause(cx.now);
        };
        self.hot.away = false;
        match (asked, answer) {
            (HotOp::Raise, HotAnswer::Journal(_)) => {
                self.hot.home = Some(home);
                self.hot.verified = !cx.rules.keep(Rule::ReverifyAfterRedisLoss);
                self.hot.seeded = false;
            }
            (HotOp::Seed(after), HotAnswer::Done) if self.hot.home == Some(home) => {
                self.hot.seeded = true;
                self.hot.appended = after;
            }
            // This process was stopped since: that Redis may have forgotten it, and another may own the session. Asked again.
            (HotOp::Append { sent, .. }, HotAnswer::Done)
                if cx.now.mono >= sent.plus(FRESH) && cx.rules.keep(Rule::FreshAnswer) => {}
            (HotOp::Append { upto, .. }, HotAnswer::Done) => {
                // It was the Redis that was verified, for the script looked; it still is unless we heard otherwise since.
                if self.hot.home == Some(home) || !cx.rules.keep(Rule::AppendNamesHome) {
                    self.hot.appended = upto;
                    self.marks.hot = self.marks.hot.max(upto);
                }
            }
            (HotOp::Trim(upto), HotAnswer::Done) => self.hot.trimmed = upto,
            (_, HotAnswer::Fenced) => {
                self.must_read = true;
                self.hot.slot.pause(cx.now);
            }
            (_, HotAnswer::Forgotten) => {
                self.hot_forgot(cx);
            }
            _ => self.hot.slot.pause(cx.now),
        }
    }
}
