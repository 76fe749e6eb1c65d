//! Processes: what they are told, and what they want done.

use super::super::checker::{Invariant, Violation};
use super::super::coverage::kind;
use super::super::plan::Place;
use super::{Happening, REDIS_LIMIT, RESTORES, STORE_LIMIT, Step, World};
use crate::entry::What;
use crate::message::{Asked, Effect, Event, Request, StoreFailure, Unknown};
use crate::name::{RequestId, SessionId, TenantId};
use crate::node::{Here, Node};
use crate::record::Note;
use crate::time::Now;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Names what a shell asks of its own.
pub(super) const NOTE: RequestId = RequestId(u64::MAX);
/// Objects a record names before what is beside it speaks for them.
const SEGMENTS: usize = 3;

impl World<'_> {
    /// A process handles an event, unless it is stopped or gone.
    pub(super) fn handle(&mut self, node: usize, incarnation: u64, event: Event) -> Step {
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
        self.notes(node, &mut taken, now, &mut out);
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

    /// What is kept beside a record that names many objects is to speak for them, once for each version.
    fn notes(&mut self, host: usize, node: &mut Node, now: Now, out: &mut Vec<Effect>) {
        let plan = self.plan;
        for (id, ..) in plan.sessions.iter().copied() {
            let Here::Owned(record) = node.here(id) else { continue };
            let asked = self.hosts[host].noted.get(&id).copied().unwrap_or(0);
            if record.segments.len() < SEGMENTS || asked >= record.writes {
                continue;
            }
            let (writes, note) = (record.writes, Note { part: record.writes, upto: record.durable });
            self.hosts[host].noted.insert(id, writes);
            let request = Request { id: NOTE, session: id, seen: None, hops: 0, what: Asked::Note(note) };
            node.handle(now, Event::Request(request), out);
        }
    }

    /// No more restores than may be, and turns for tenants.
    fn restores(
        &mut self,
        host: usize,
        node: &Node,
        before: &BTreeSet<SessionId>,
        waited: &BTreeMap<TenantId, VecDeque<SessionId>>,
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
}
