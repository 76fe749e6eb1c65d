//! The bucket, Redis, disks, and what processes answer.

use super::super::checker::{Invariant, Violation};
use super::super::client::Client;
use super::super::network::{Fate, Instead};
use super::super::plan::Place;
use super::process::NOTE;
use super::{Happening, Step, World, node_id};
use crate::entry::What;
use crate::lease::Peer;
use crate::message::{
    Answer, Event, HotRequest, LocalAnswer, LocalRequest, Op, StoreAnswer, StoreFailure, StoreRequest,
};
use crate::name::{Incarnation, Owner, RequestId};
use crate::record;

impl World<'_> {
    pub(super) fn store(&mut self, node: usize, incarnation: u64, op: Op, request: &StoreRequest, fate: Fate) -> Step {
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

    pub(super) fn hot(&mut self, node: usize, incarnation: u64, op: Op, request: &HotRequest, fate: Fate) {
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

    pub(super) fn local(&mut self, node: usize, incarnation: u64, op: Op, request: LocalRequest) {
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
    pub(super) fn reply(&mut self, node: usize, request: RequestId, answer: Answer) -> Step {
        let (index, attempt) = Client::of(request);
        let me = self.owner(node);
        if request == NOTE {
            return Ok(());
        }
        let client = &self.clients[index];
        let fenced = client.is_fenced();
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
                    self.checker.told((self.now, me), id, (*position, what), fenced)?;
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
}
