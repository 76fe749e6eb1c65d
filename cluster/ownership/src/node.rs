//! One node's decisions: its lease, who else lives, the sessions it opens and owns.
//!
//! Feed [`Node::handle`] every event with the time it is handled at, and do the effects it gives, in any order and with any
//! delay. Call it with [`Event::Timer`] no later than [`Node::next_deadline`]; later is safe, only slower.

use crate::admission::Admission;
use crate::lease::{Ask, Lease, Peer, RENEW_EVERY, RETRY, Watch};
use crate::message::{Effect, Event, HotAnswer, HotRequest, LocalAnswer, Op, Refused, Request, Unknown};
use crate::name::{Owner, SessionId};
use crate::opening::{Opening, Surroundings, Turn};
use crate::owned::{Context, Owned, Parting, Still};
use crate::place::place;
use crate::position::Epoch;
use crate::record::Record;
use crate::rule::{Rule, Rules};
use crate::time::{Monotonic, Now};
use std::collections::{BTreeMap, BTreeSet};

/// How a node is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    /// Sessions restored at once.
    pub restores: usize,
    /// Sessions that may wait to be.
    pub restores_waiting: usize,
    /// All rules, outside tests.
    pub rules: Rules,
}

impl Default for Options {
    fn default() -> Options {
        Options { restores: 32, restores_waiting: 10_000, rules: Rules::ALL }
    }
}

/// A node's decisions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    me: Owner,
    before: Vec<Owner>,
    options: Options,
    lease: Lease,
    asked: Option<(u64, Ask, Now)>,
    renew_at: Monotonic,
    watch: Watch,
    peers: Vec<Peer>,
    draining: bool,
    sessions: BTreeMap<SessionId, Session>,
    served: BTreeMap<SessionId, Epoch>,
    found_dead: BTreeSet<Owner>,
    admission: Admission,
    ops: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Session {
    Opening(Box<Opening>),
    Owned(Box<Owned>),
}

/// What a node has of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here<'a> {
    /// Nothing.
    Nothing,
    /// It is being opened, and this is how far.
    Opening(&'static str),
    /// It is served, with this record as last written or read.
    Owned(&'a Record),
}

/// What one event changed in a session.
enum After {
    Nothing,
    Turn(Turn),
    Still(Still),
}

impl Node {
    /// A process that calls itself `me`. `before`: processes of this node that are certainly dead, since this one holds the
    /// lock of their data folder; their sessions are taken without waiting for their leases.
    pub fn new(me: Owner, before: Vec<Owner>, options: Options) -> Node {
        Node {
            me,
            before,
            options,
            lease: Lease::new(options.rules),
            asked: None,
            renew_at: Monotonic(0),
            watch: Watch::default(),
            peers: Vec::new(),
            draining: false,
            sessions: BTreeMap::new(),
            served: BTreeMap::new(),
            found_dead: BTreeSet::new(),
            admission: Admission::new(options.restores, options.restores_waiting, options.rules),
            ops: 0,
        }
    }

    /// Handles an event; what is to be done is added to `out`.
    pub fn handle(&mut self, now: Now, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Timer => self.timer(now, out),
            Event::Request(request) => self.request(now, request, out),
            Event::Look(id) => self.look(now, id, out),
            Event::Crashed(id) => self.crashed(now, id, out),
            Event::Drain => self.draining = true,
            Event::Ran { session, epoch, key } => self.session(now, session, out, |session, cx, _| match session {
                Session::Owned(owned) if owned.epoch() == epoch => {
                    owned.ran(cx, key);
                    After::Still(Still::Ours)
                }
                _ => After::Nothing,
            }),
            Event::Store(op, answer) => self.op(now, op, out, |session, cx, around| match session {
                Session::Opening(opening) => After::Turn(opening.store_answer(cx, around, op, answer)),
                Session::Owned(owned) => After::Still(owned.store_answer(cx, op, answer)),
            }),
            Event::Local(op, answer) => self.op(now, op, out, |session, cx, _| match (session, answer) {
                (Session::Opening(opening), answer) => After::Turn(opening.local_answer(cx, op, answer)),
                (Session::Owned(owned), LocalAnswer::Appended) => {
                    owned.local_answer(op);
                    After::Still(Still::Ours)
                }
                (Session::Owned(_), LocalAnswer::Entries(_)) => After::Nothing,
            }),
            Event::Hot(op, answer) => self.hot_answer(now, op, answer, out),
        }
        self.drain(now, out);
    }

    /// When it has something to do by itself.
    pub fn next_deadline(&self) -> Monotonic {
        let sessions = self.sessions.values().filter_map(|session| match session {
            Session::Opening(opening) => opening.wake(),
            Session::Owned(owned) => owned.wake(),
        });
        sessions.chain([self.renew_at]).min().unwrap_or(self.renew_at)
    }

    /// Whether this process may reach out of itself for a session now: connect to the outside, pass on the head of a
    /// request. Bytes that passed this check before are the documented residue.
    pub fn may_act(&self, now: Now) -> bool {
        self.lease.holds(now)
    }

    /// What it has of a session.
    pub fn here(&self, id: SessionId) -> Here<'_> {
        match self.sessions.get(&id) {
            None => Here::Nothing,
            Some(Session::Opening(opening)) => Here::Opening(opening.step()),
            Some(Session::Owned(owned)) => Here::Owned(owned.record()),
        }
    }

    /// Which process this is.
    pub fn me(&self) -> Owner {
        self.me
    }

    /// The processes that live, as the last renewal of its lease was told.
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// Who restores here, and who waits to.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Whether all sessions have left a node that drains.
    pub fn is_drained(&self) -> bool {
        self.draining && self.sessions.is_empty()
    }

    fn timer(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.lease.timer(now);
        if now.mono >= self.renew_at {
            self.renew(now, out);
        }
        let due: Vec<SessionId> = self
            .sessions
            .iter()
            .filter(|(_, session)| match session {
                Session::Opening(opening) => opening.wake().is_some_and(|at| at <= now.mono),
                Session::Owned(owned) => owned.wake().is_some_and(|at| at <= now.mono),
            })
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            self.session(now, id, out, |session, cx, _| match session {
                Session::Opening(opening) => {
                    opening.send(cx);
                    After::Nothing
                }
                Session::Owned(_) => After::Still(Still::Ours),
            });
        }
    }

    fn renew(&mut self, now: Now, out: &mut Vec<Effect>) {
        self.ops += 1;
        let op = Op { session: None, number: self.ops };
        let ask = self.lease.ask();
        self.asked = Some((op.number, ask, now));
        self.renew_at = now.mono.plus(RENEW_EVERY);
        out.push(Effect::Hot(
            op,
            match ask {
                Ask::Renew(term) => HotRequest::Renew(self.me, term),
                Ask::Grant(term) => HotRequest::Grant(self.me, term),
            },
        ));
    }

    fn hot_answer(
        &mut self,
        now: Now,
        op: Op,
        answer: Result<(crate::lease::Home, HotAnswer), Unknown>,
        out: &mut Vec<Effect>,
    ) {
        if let Ok((home, _)) = &answer {
            let home = *home;
            if self.watch.saw(home, now.mono) {
                // Every session learns that it has another journal, also those that have nothing to write.
                for id in self.sessions.keys().copied().collect::<Vec<_>>() {
                    self.session(now, id, out, |session, cx, _| match session {
                        Session::Owned(owned) => {
                            owned.redis_is(cx, home);
                            After::Still(Still::Ours)
                        }
                        Session::Opening(_) => After::Nothing,
                    });
                }
            }
        }
        if op.session.is_some() {
            let mut dead = None;
            self.op(now, op, out, |session, cx, around| match session {
                Session::Opening(opening) => {
                    let (turn, found) = opening.hot_answer(cx, around, op, answer);
                    dead = found;
                    After::Turn(turn)
                }
                Session::Owned(owned) => {
                    owned.hot_answer(cx, op, answer);
                    After::Still(Still::Ours)
                }
            });
            if !self.options.rules.keep(Rule::RecordBeforeLease) {
                self.found_dead.extend(dead);
            }
            return;
        }
        let Some((_, ask, sent)) = self.asked.filter(|(number, ..)| *number == op.number) else { return };
        self.asked = None;
        match answer {
            Ok((_, HotAnswer::Held(peers))) => {
                self.lease.held(ask, sent, now);
                self.peers = peers;
            }
            Ok((_, HotAnswer::Lapsed)) => {
                self.lease.lapsed(ask);
                self.renew(now, out);
            }
            _ => self.renew_at = self.renew_at.min(now.mono.plus(RETRY)),
        }
    }

    fn request(&mut self, now: Now, request: Request, out: &mut Vec<Effect>) {
        let id = request.session;
        if self.sessions.contains_key(&id) {
            return self.session(now, id, out, |session, cx, _| match session {
                Session::Opening(opening) => {
                    opening.request(cx, request);
                    After::Nothing
                }
                Session::Owned(owned) => {
                    owned.request(cx, request);
                    After::Still(Still::Ours)
                }
            });
        }
        self.open(now, id, Some(request), out);
    }

    /// The sweep's: opened if its owner is dead.
    fn look(&mut self, now: Now, id: SessionId, out: &mut Vec<Effect>) {
        if !self.sessions.contains_key(&id) {
            self.open(now, id, None, out);
        }
    }

    /// A session that is served here is forgotten; its record still names us.
    fn crashed(&mut self, now: Now, id: SessionId, out: &mut Vec<Effect>) {
        self.session(now, id, out, |session, _, _| match session {
            Session::Owned(_) => After::Still(Still::Lost(Refused::Fenced)),
            Session::Opening(_) => After::Nothing,
        });
    }

    fn open(&mut self, now: Now, id: SessionId, request: Option<Request>, out: &mut Vec<Effect>) {
        self.sessions.insert(id, Session::Opening(Box::new(Opening::new(id))));
        self.session(now, id, out, |session, cx, _| {
            if let Session::Opening(opening) = session {
                if let Some(request) = request {
                    opening.request(cx, request);
                }
                opening.send(cx);
            }
            After::Nothing
        });
    }

    fn op(
        &mut self,
        now: Now,
        op: Op,
        out: &mut Vec<Effect>,
        handle: impl FnOnce(&mut Session, &mut Context<'_>, &Surroundings<'_>) -> After,
    ) {
        if let Some(id) = op.session {
            self.session(now, id, out, handle);
        }
    }

    /// Lets a session handle something; others may then have their turn to be restored.
    fn session(
        &mut self,
        now: Now,
        id: SessionId,
        out: &mut Vec<Effect>,
        handle: impl FnOnce(&mut Session, &mut Context<'_>, &Surroundings<'_>) -> After,
    ) {
        let mut admitted = self.step(now, id, out, handle);
        while let Some(next) = admitted.pop() {
            admitted.extend(self.step(now, next, out, |session, cx, _| match session {
                Session::Opening(opening) => After::Turn(opening.admitted(cx)),
                Session::Owned(_) => After::Nothing,
            }));
        }
    }

    /// Lets a session handle something, and sees to what becomes of it. Who is to be restored next.
    fn step(
        &mut self,
        now: Now,
        id: SessionId,
        out: &mut Vec<Effect>,
        handle: impl FnOnce(&mut Session, &mut Context<'_>, &Surroundings<'_>) -> After,
    ) -> Vec<SessionId> {
        let Some(mut session) = self.sessions.remove(&id) else { return Vec::new() };
        let around = Surroundings {
            peers: &self.peers,
            watch: &self.watch,
            draining: self.draining,
            served: &self.served,
            before: &self.before,
            found_dead: &self.found_dead,
        };
        let rules = self.options.rules;
        let mut cx = Context { me: self.me, now, rules, lease: &self.lease, ops: &mut self.ops, out: &mut *out };
        let mut after = handle(&mut session, &mut cx, &around);
        let mut admitted_next = Vec::new();
        let mut served = None;
        let kept = loop {
            match after {
                After::Nothing | After::Turn(Turn::Stay) => break Some(session),
                After::Turn(Turn::Drop) => {
                    admitted_next = self.admission.done(id);
                    break None;
                }
                After::Turn(Turn::Admit(tenant)) => {
                    let Session::Opening(opening) = &mut session else { break Some(session) };
                    match self.admission.ask(tenant, id) {
                        Ok(true) => after = After::Turn(opening.admitted(&mut cx)),
                        Ok(false) => break Some(session),
                        Err(_) => after = After::Turn(opening.refuse(&mut cx, Refused::Busy)),
                    }
                }
                After::Turn(Turn::Serve(mut owned, requests)) => {
                    cx.out.push(Effect::Serve(id, owned.epoch()));
                    served = Some(owned.epoch());
                    admitted_next = self.admission.done(id);
                    for request in requests {
                        owned.request(&mut cx, request);
                    }
                    session = Session::Owned(owned);
                    after = After::Still(Still::Ours);
                }
                After::Still(Still::Ours) => {
                    if let Session::Owned(owned) = &mut session {
                        owned.advance(&mut cx);
                    }
                    break Some(session);
                }
                After::Still(Still::Lost(why)) => {
                    if let Session::Owned(owned) = &mut session {
                        owned.end(&mut cx, why);
                    }
                    break None;
                }
                After::Still(Still::Parted) => {
                    if let Session::Owned(owned) = &mut session {
                        owned.parted(&mut cx);
                    }
                    break None;
                }
            }
        };
        if let Some(epoch) = served {
            self.served.insert(id, epoch);
        }
        if let Some(session) = kept {
            self.sessions.insert(id, session);
        }
        admitted_next
    }

    /// While it drains, every session it has is moved to where it is placed, or else goes to rest.
    fn drain(&mut self, now: Now, out: &mut Vec<Effect>) {
        if !self.draining {
            return;
        }
        let others: Vec<Peer> = self.peers.iter().filter(|peer| peer.owner.node != self.me.node).copied().collect();
        let leaving = |session: &Session| matches!(session, Session::Owned(owned) if !owned.is_parting());
        let ids: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| leaving(session)).map(|(id, _)| *id).collect();
        for id in ids {
            let to = place(id, &others);
            self.session(now, id, out, |session, _, _| {
                if let Session::Owned(owned) = session {
                    owned.part(Parting::drained(to));
                }
                After::Still(Still::Ours)
            });
        }
    }
}
