//! How many sessions a node restores at once, and whose turn is next.
//!
//! A node that dies leaves hundreds of sessions that all want to be somewhere else. So many are restored at once as a node
//! can feed; the others wait, each tenant in a queue of its own, and tenants take turns. Protects: a failover cannot put a
//! second node down, and one tenant's thousand sessions do not stand before another's one.

use crate::name::{SessionId, TenantId};
use crate::rule::{Rule, Rules};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Who restores, and who waits to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    limit: usize,
    waiting_max: usize,
    running: BTreeSet<SessionId>,
    waiting: BTreeMap<TenantId, VecDeque<SessionId>>,
    /// Tenants that wait, whose turn is next first.
    turns: VecDeque<TenantId>,
    rules: Rules,
}

/// There is no more room to wait; the client tries again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("as many sessions wait to be restored as may")]
pub struct Full;

impl Admission {
    /// At most `limit` at once, and `waiting_max` that wait.
    pub fn new(limit: usize, waiting_max: usize, rules: Rules) -> Admission {
        let (running, waiting, turns) = Default::default();
        Admission { limit: limit.max(1), waiting_max, running, waiting, turns, rules }
    }

    /// Whether a session may be restored now; else it waits for its turn.
    ///
    /// # Errors
    /// [`Full`]: it does neither.
    pub fn ask(&mut self, tenant: TenantId, session: SessionId) -> Result<bool, Full> {
        if self.running.contains(&session) {
            return Ok(true);
        }
        if self.running.len() < self.limit || !self.rules.keep(Rule::RestoreAdmission) {
            self.running.insert(session);
            return Ok(true);
        }
        let queues = self.waiting.values();
        if queues.map(VecDeque::len).sum::<usize>() >= self.waiting_max {
            return Err(Full);
        }
        let queue = self.waiting.entry(tenant).or_default();
        if !queue.contains(&session) {
            queue.push_back(session);
            if !self.rules.keep(Rule::RestoreFairness) || !self.turns.contains(&tenant) {
                self.turns.push_back(tenant);
            }
        }
        Ok(false)
    }

    /// A session is restored, or is not to be any more. Who is next.
    pub fn done(&mut self, session: SessionId) -> Vec<SessionId> {
        self.running.remove(&session);
        for queue in self.waiting.values_mut() {
            queue.retain(|one| *one != session);
        }
        let mut next = Vec::new();
        while self.running.len() < self.limit {
            let Some(tenant) = self.turns.pop_front() else { break };
            let Some(queue) = self.waiting.get_mut(&tenant) else { continue };
            let session = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&tenant);
            } else if self.rules.keep(Rule::RestoreFairness) {
                self.turns.push_back(tenant);
            }
            if let Some(session) = session {
                self.running.insert(session);
                next.push(session);
            }
        }
        next
    }

    /// Sessions being restored.
    pub fn running(&self) -> &BTreeSet<SessionId> {
        &self.running
    }

    /// Sessions that wait, by tenant.
    pub fn waiting(&self) -> &BTreeMap<TenantId, VecDeque<SessionId>> {
        &self.waiting
    }
}

#[cfg(test)]
mod tests;
