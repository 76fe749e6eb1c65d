//! Clients: what they ask, and what they were told.

use super::super::checker::{Invariant, Violation};
use super::super::client::{Client, Next, PATIENCE};
use super::super::plan::{Command, Wish};
use super::{Happening, REACHABLE_WITHIN, Step, World};
use crate::entry::Entry;
use crate::message::{Answer, Event};
use crate::name::NodeId;

impl World<'_> {
    pub(super) fn client(&mut self, command: Command, until: u64) -> usize {
        let index = self.clients.len();
        let (id, ..) = self.plan.sessions[command.session];
        self.clients.push(Client::new(index, command, id, until));
        self.at(command.at, Happening::Send(index));
        index
    }

    pub(super) fn send(&mut self, index: usize) {
        if self.clients[index].done {
            return;
        }
        let (id, what) = (self.clients[index].session, self.clients[index].command.what);
        // One client follows a session, one question at a time.
        if what == Wish::Follow && self.clients[index].attempt() == 0 && !self.following.insert(id) {
            self.clients[index].done = true;
            return;
        }
        if self.now > self.clients[index].until {
            return self.next(index, Next::Over);
        }
        let node = match self.clients[index].target {
            Some(node) => node,
            None => match self.owners.get(&id) {
                Some(owner) if self.random.percent(70) => *owner,
                _ => usize::try_from(self.random.below(self.hosts.len() as u64)).unwrap_or(0),
            },
        };
        let to = match what {
            Wish::Move(NodeId(to)) => {
                self.hosts.get(usize::try_from(to).unwrap_or(0)).map_or(0, |host| host.incarnation)
            }
            _ => 0,
        };
        let (cursor, (_, tenant, tier)) =
            (self.checker.cursor(id), self.plan.sessions[self.clients[index].command.session]);
        let request = self.clients[index].request(cursor, to, (tenant, tier));
        let attempt = self.clients[index].attempt();
        if self.clients[index].target.is_none() {
            self.clients[index].target = Some(node);
        }
        self.at(self.now + PATIENCE, Happening::GiveUp(index, attempt));
        if self.network.reaches(self.now, node) {
            let incarnation = self.hosts[node].incarnation;
            self.at(self.now + 1, Happening::Handle(node, incarnation, Event::Request(request)));
        }
    }

    pub(super) fn answered(&mut self, index: usize, attempt: u64, answer: &Answer, entries: &[Entry]) -> Step {
        if self.clients[index].done || self.clients[index].attempt() != attempt {
            return Ok(());
        }
        let id = self.clients[index].session;
        if self.clients[index].command.what == Wish::Follow {
            match answer {
                Answer::Events { .. } => self.checker.saw(id, entries)?,
                Answer::Resync { kept, .. } => self.checker.forget(id, *kept)?,
                _ => {}
            }
        }
        if !matches!(answer, Answer::Refused(_))
            && let Some(target) = self.clients[index].target
        {
            self.owners.insert(id, target);
        }
        let mut next = self.clients[index].answered(answer);
        // At the end the client reads on until it has all.
        if self.clients[index].is_final && matches!(answer, Answer::Resync { .. }) {
            self.clients[index].succeeded = false;
            next = Next::Again(5);
        }
        self.next(index, next);
        Ok(())
    }

    pub(super) fn next(&mut self, index: usize, next: Next) {
        match next {
            Next::Over => {
                self.clients[index].done = true;
                if self.clients[index].command.what == Wish::Follow {
                    self.following.remove(&self.clients[index].session);
                }
                self.after_final(index);
            }
            Next::Again(pause) => self.at(self.now + pause, Happening::Send(index)),
        }
    }

    /// Everything is mended: every session has to answer, take a command, and have everything that was told.
    pub(super) fn last(&mut self) {
        self.note(|| "everything is mended".to_owned());
        for index in 0..self.clients.len() {
            self.clients[index].done = true;
        }
        self.following.clear();
        for session in 0..self.plan.sessions.len() {
            let created = |client: &Client| {
                client.command.session == session && client.command.what == Wish::Create && client.succeeded
            };
            if self.clients.iter().any(created) {
                let what = Wish::Run;
                let index = self.client(Command { at: self.now + 200, session, what }, self.now + REACHABLE_WITHIN);
                self.clients[index].is_final = true;
            }
        }
    }

    /// Who had its last command done reads everything from the first event.
    fn after_final(&mut self, index: usize) {
        let Client { is_final: true, succeeded: true, command, session, .. } = self.clients[index].clone() else {
            return;
        };
        if command.what != Wish::Follow {
            self.checker.begin_anew(session);
            let what = Wish::Follow;
            let again = self.client(Command { at: self.now + 1, what, ..command }, self.now + REACHABLE_WITHIN);
            self.clients[again].is_final = true;
        }
    }

    pub(super) fn finish(&mut self) -> Step {
        for client in self.clients.iter().filter(|client| client.is_final) {
            if self.checker.is_deleted(client.session) {
                continue;
            }
            if !client.succeeded {
                let how = format!("{} does not answer {:?}", self.name(client.session), client.command.what);
                return Err(Violation { what: Invariant::Reachable, how });
            }
        }
        Ok(())
    }
}
