//! Sessions kept in memory: for a node without a data folder, and for tests.
//!
//! They live as long as the value does. [`Volatile::restart`] is the next process on the same memory, as a disk would
//! give it after the death of this one: what the old one still holds is no longer an owner.

use super::{
    Batch, Checkpoint, Claim, Claimed, Counters, Durability, DurabilityError, Files, Held, Keep, KeyedCommand, Level,
    NewSession, Past, Pending, Point, Summary,
};
use crate::event::{Event, State, What};
use crate::id::{CommandKey, ExecId, SessionId, SessionName, TenantId, TerminalName};
use crate::position::{Epoch, Position};
use crate::spec::SessionSpec;
use crate::terminal::{Kept, note};
use futures_util::future::{BoxFuture, ready};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Lsn;
use warren_kernel::vfs::inodes::Inodes;

/// Bytes of events kept of a session; older ones are lost.
pub const EVENT_BYTES_KEPT: usize = 8 << 20;
/// Keyed commands kept of a session; older ones are forgotten.
pub const KEYS_KEPT: usize = 1024;
/// Checkpoints kept of a session.
pub const CHECKPOINTS_MAX: usize = 64;

/// Keeps sessions in memory.
#[derive(Debug)]
pub struct Volatile {
    shared: Arc<Mutex<Shared>>,
    process: u64,
}

#[derive(Debug, Default)]
struct Shared {
    processes: u64,
    claims: u64,
    sessions: BTreeMap<(TenantId, SessionId), Record>,
    names: HashMap<(TenantId, SessionName), SessionId>,
}

#[derive(Debug)]
struct Record {
    summary: Summary,
    spec: Arc<SessionSpec>,
    files: Option<(Inodes, Lsn)>,
    counters: Counters,
    events: VecDeque<Event>,
    event_bytes: usize,
    /// The last event that is no longer kept.
    lost: u64,
    keys: VecDeque<(CommandKey, KeyedCommand)>,
    unfinished: BTreeSet<ExecId>,
    terminals: BTreeMap<TerminalName, Kept>,
    checkpoints: Vec<(Checkpoint, Inodes, Lsn)>,
    owner: Option<Owner>,
}

#[derive(Debug)]
struct Owner {
    claim: u64,
    process: u64,
    alive: Weak<()>,
}

#[derive(Debug)]
struct VolatileClaim {
    shared: Arc<Mutex<Shared>>,
    process: u64,
    tenant: TenantId,
    id: SessionId,
    number: u64,
    _alive: Arc<()>,
}

impl Default for Volatile {
    fn default() -> Volatile {
        Volatile::new()
    }
}

impl Volatile {
    /// Nothing is kept yet.
    pub fn new() -> Volatile {
        Volatile { shared: Arc::default(), process: 0 }
    }

    /// The next process on what this one kept. What this one still holds is fenced as soon as the next claims it.
    #[must_use]
    pub fn restart(&self) -> Volatile {
        let mut shared = lock(&self.shared);
        shared.processes += 1;
        Volatile { shared: self.shared.clone(), process: shared.processes }
    }

    fn answer<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Shared) -> Result<T, DurabilityError>,
    ) -> BoxFuture<'static, Result<T, DurabilityError>> {
        let answer = what(&mut lock(&self.shared));
        Box::pin(ready(answer))
    }
}

impl Durability for Volatile {
    fn create(&self, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        let process = self.process;
        self.answer(|shared| create(shared, &self.shared, process, new, None))
    }

    fn claim<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Claimed, DurabilityError>> {
        let process = self.process;
        self.answer(|shared| {
            let record = record(shared, tenant, id)?;
            if record.is_owned_in(process) {
                return Err(DurabilityError::Owned(id));
            }
            record.summary.epoch = record.summary.epoch.next();
            Ok(claim(shared, &self.shared, process, tenant, id))
        })
    }

    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a SessionName,
    ) -> BoxFuture<'a, Result<Option<SessionId>, DurabilityError>> {
        self.answer(|shared| Ok(shared.names.get(&(tenant.clone(), name.clone())).copied()))
    }

    fn describe<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Summary, DurabilityError>> {
        self.answer(|shared| {
            let found = shared.sessions.get(&(tenant.clone(), id)).ok_or(DurabilityError::Missing(id))?;
            Ok(found.summary.clone())
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<Summary>, bool), DurabilityError>> {
        self.answer(|shared| {
            let of_tenant = |(key, _): &(&(TenantId, SessionId), &Record)| key.0 == *tenant;
            let mut live = (shared.sessions.iter())
                .filter(of_tenant)
                .filter(|(key, record)| after.is_none_or(|after| key.1 > after) && !record.is_deleted())
                .map(|(_, record)| record.summary.clone());
            let page = live.by_ref().take(limit).collect();
            Ok((page, live.next().is_some()))
        })
    }

    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Past, DurabilityError>> {
        self.answer(|shared| {
            let found = shared.sessions.get(&(tenant.clone(), id)).ok_or(DurabilityError::Missing(id))?;
            Ok(found.past(after, bytes))
        })
    }

    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>> {
        let process = self.process;
        self.answer(|shared| {
            if record(shared, tenant, id)?.is_owned_in(process) {
                return Err(DurabilityError::Owned(id));
            }
            bury(shared, tenant, id);
            Ok(())
        })
    }
}

impl VolatileClaim {
    /// Does something to the session, if it is still this claim's.
    fn write<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Shared) -> Result<T, DurabilityError>,
    ) -> BoxFuture<'static, Result<T, DurabilityError>> {
        let mut shared = lock(&self.shared);
        let answer = self.check(&shared).and_then(|()| what(&mut shared));
        Box::pin(ready(answer))
    }

    fn check(&self, shared: &Shared) -> Result<(), DurabilityError> {
        let record = shared.sessions.get(&(self.tenant.clone(), self.id));
        let owner = record.and_then(|record| record.owner.as_ref());
        if owner.is_some_and(|owner| owner.claim == self.number) {
            Ok(())
        } else {
            Err(DurabilityError::Fenced(self.id))
        }
    }
}

impl Claim for VolatileClaim {
    fn append(&self, batch: Batch, _level: Level) -> Pending {
        self.write(|shared| record(shared, &self.tenant, self.id)?.append(batch))
    }

    fn checkpoint(&self, point: Point, keep: Option<Keep>) -> BoxFuture<'_, Result<Checkpoint, DurabilityError>> {
        self.write(|shared| record(shared, &self.tenant, self.id)?.checkpoint(point, keep))
    }

    fn amend(&self, name: Option<SessionName>, spec: Arc<SessionSpec>) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.write(|shared| {
            let key = |name: SessionName| (self.tenant.clone(), name);
            if let Some(name) = &name {
                let there = *shared.names.entry(key(name.clone())).or_insert(self.id);
                if there != self.id {
                    return Err(DurabilityError::NameTaken(name.clone()));
                }
            }
            let record = record(shared, &self.tenant, self.id)?;
            let before = std::mem::replace(&mut record.summary.name, name.clone());
            record.summary.expires = spec.time_to_live.map(|life| later(record.summary.created, life));
            record.summary.idle_timeout = spec.idle_timeout;
            record.summary.labels = spec.labels.clone();
            record.summary.egress = spec.egress.clone();
            record.spec = spec;
            if let Some(before) = before.filter(|before| name.as_ref() != Some(before)) {
                shared.names.remove(&key(before));
            }
            Ok(())
        })
    }

    fn hibernate(&self, point: Point) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.write(|shared| {
            let record = record(shared, &self.tenant, self.id)?;
            record.stand_at(point)?;
            record.owner = None;
            record.summary.state = State::Hibernated;
            Ok(())
        })
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        let shared = lock(&self.shared);
        let record = shared.sessions.get(&(self.tenant.clone(), self.id));
        record.map_or_else(Vec::new, |record| record.checkpoints.iter().map(|(kept, ..)| kept.clone()).collect())
    }

    fn rollback(&self, checkpoint: u64) -> BoxFuture<'_, Result<Files, DurabilityError>> {
        self.write(|shared| {
            let record = record(shared, &self.tenant, self.id)?;
            let kept = record.checkpoints.iter().find(|(kept, ..)| kept.number == checkpoint);
            let (_, inodes, lsn) = kept.ok_or(DurabilityError::NoCheckpoint(self.id, checkpoint))?;
            Ok(Files::Live { inodes: inodes.clone(), lsn: *lsn })
        })
    }

    fn fork(&self, point: Point, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        let files = (point.files, point.lsn, point.counters);
        self.write(|shared| create(shared, &self.shared, self.process, new, Some(files)))
    }

    fn delete(&self) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.write(|shared| {
            bury(shared, &self.tenant, self.id);
            Ok(())
        })
    }
}

fn create(
    shared: &mut Shared,
    handle: &Arc<Mutex<Shared>>,
    process: u64,
    new: NewSession,
    files: Option<(Inodes, Lsn, Counters)>,
) -> Result<Claimed, DurabilityError> {
    if let Some(name) = &new.name
        && shared.names.contains_key(&(new.tenant.clone(), name.clone()))
    {
        return Err(DurabilityError::NameTaken(name.clone()));
    }
    let expires = new.spec.time_to_live.map(|life| later(new.created, life));
    let summary = Summary {
        id: new.id,
        name: new.name.clone(),
        state: State::Active,
        failure: None,
        durability: new.spec.durability,
        epoch: Epoch::FIRST,
        position: Position::START,
        created: new.created,
        expires,
        idle_timeout: new.spec.idle_timeout,
        forked_from: new.forked_from,
        template: new.spec.template.clone(),
        labels: new.spec.labels.clone(),
        egress: new.spec.egress.clone(),
        held: Held::default(),
    };
    let (files, next_pid) = match files {
        Some((inodes, lsn, counters)) => (Some((inodes, lsn)), counters.next_pid),
        None => (None, 0),
    };
    let record = Record {
        summary,
        spec: new.spec,
        files,
        counters: Counters { next_pid, ..Counters::default() },
        events: VecDeque::new(),
        event_bytes: 0,
        lost: 0,
        keys: VecDeque::new(),
        unfinished: BTreeSet::new(),
        terminals: BTreeMap::new(),
        checkpoints: Vec::new(),
        owner: None,
    };
    if let Some(name) = new.name {
        shared.names.insert((new.tenant.clone(), name), new.id);
    }
    shared.sessions.insert((new.tenant.clone(), new.id), record);
    Ok(claim(shared, handle, process, &new.tenant, new.id))
}

/// Gives a session that is there to a new owner.
fn claim(shared: &mut Shared, handle: &Arc<Mutex<Shared>>, process: u64, tenant: &TenantId, id: SessionId) -> Claimed {
    shared.claims += 1;
    let number = shared.claims;
    let alive = Arc::new(());
    let record = shared.sessions.get_mut(&(tenant.clone(), id)).expect("the caller found it");
    record.owner = Some(Owner { claim: number, process, alive: Arc::downgrade(&alive) });
    record.summary.state = State::Active;
    let files = match &record.files {
        Some((inodes, lsn)) => Files::Live { inodes: inodes.clone(), lsn: *lsn },
        None => Files::Fresh,
    };
    let claim = VolatileClaim { shared: handle.clone(), process, tenant: tenant.clone(), id, number, _alive: alive };
    Claimed {
        claim: Arc::new(claim),
        epoch: record.summary.epoch,
        summary: record.summary.clone(),
        spec: record.spec.clone(),
        files,
        counters: record.counters,
        last: record.summary.position,
        keys: record.keys.iter().cloned().collect(),
        unfinished: record.unfinished.iter().copied().collect(),
        terminals: record.terminals.clone(),
    }
}

fn record<'a>(shared: &'a mut Shared, tenant: &TenantId, id: SessionId) -> Result<&'a mut Record, DurabilityError> {
    let found = shared.sessions.get_mut(&(tenant.clone(), id)).ok_or(DurabilityError::Missing(id))?;
    if found.is_deleted() { Err(DurabilityError::Deleted(id)) } else { Ok(found) }
}

/// Leaves a tombstone: a summary and nothing else.
fn bury(shared: &mut Shared, tenant: &TenantId, id: SessionId) {
    if let Some(record) = shared.sessions.get_mut(&(tenant.clone(), id)) {
        if let Some(name) = record.summary.name.take() {
            shared.names.remove(&(tenant.clone(), name));
        }
        record.summary.state = State::Deleted;
        record.owner = None;
        record.files = None;
        record.events.clear();
        record.event_bytes = 0;
        record.lost = record.summary.position.seq;
        record.keys.clear();
        record.checkpoints.clear();
    }
}

impl Record {
    fn is_deleted(&self) -> bool {
        self.summary.state == State::Deleted
    }

    /// Whether an owner of this process is alive; those of earlier ones died with them.
    fn is_owned_in(&self, process: u64) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.process >= process && owner.alive.strong_count() > 0)
    }

    fn append(&mut self, batch: Batch) -> Result<(), DurabilityError> {
        self.keep_events(batch.events)?;
        if let Some(change) = batch.files {
            self.files = Some((change.after, change.to));
        }
        for (key, command) in batch.keys {
            self.keep_key(key, command);
        }
        self.counters = batch.counters;
        Ok(())
    }

    fn checkpoint(&mut self, point: Point, keep: Option<Keep>) -> Result<Checkpoint, DurabilityError> {
        if keep.is_some() && self.checkpoints.len() >= CHECKPOINTS_MAX {
            return Err(DurabilityError::TooManyCheckpoints(self.summary.id, self.checkpoints.len()));
        }
        let (files, lsn) = (point.files.clone(), point.lsn);
        self.stand_at(point)?;
        let (number, name, time) = match keep {
            Some(keep) => (keep.number, keep.name, keep.time),
            None => (0, None, Timestamp::default()),
        };
        let checkpoint = Checkpoint { number, name, time, position: self.summary.position };
        if number > 0 {
            self.checkpoints.push((checkpoint.clone(), files, lsn));
        }
        Ok(checkpoint)
    }

    fn stand_at(&mut self, point: Point) -> Result<(), DurabilityError> {
        self.keep_events(point.events)?;
        // What was appended behind the point stays.
        if self.files.as_ref().is_none_or(|(_, lsn)| *lsn <= point.lsn) {
            self.files = Some((point.files, point.lsn));
        }
        self.counters = Counters {
            next_pid: point.counters.next_pid,
            execs: self.counters.execs.max(point.counters.execs),
            checkpoints: self.counters.checkpoints.max(point.counters.checkpoints),
        };
        for (key, command) in point.keys {
            self.keep_key(key, command);
        }
        Ok(())
    }

    fn keep_events(&mut self, events: Vec<Event>) -> Result<(), DurabilityError> {
        for event in events {
            if event.position.seq != self.summary.position.seq + 1 {
                let reason = format!("event {} follows {}", event.position, self.summary.position);
                return Err(DurabilityError::Damaged { id: self.summary.id, reason });
            }
            match &event.what {
                What::Started { exec, .. } => _ = self.unfinished.insert(*exec),
                What::Exited { exec, .. } => _ = self.unfinished.remove(exec),
                What::Terminal { terminal, kept } => note(&mut self.terminals, terminal, kept.as_deref()),
                _ => {}
            }
            self.summary.position = event.position;
            self.event_bytes += event.weight();
            self.events.push_back(event);
            while self.event_bytes > EVENT_BYTES_KEPT
                && let Some(first) = self.events.pop_front()
            {
                self.event_bytes -= first.weight();
                self.lost = first.position.seq;
            }
        }
        Ok(())
    }

    fn keep_key(&mut self, key: CommandKey, command: KeyedCommand) {
        match self.keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = command,
            None => self.keys.push_back((key, command)),
        }
        if self.keys.len() > KEYS_KEPT {
            self.keys.pop_front();
        }
    }

    fn past(&self, after: Position, bytes: usize) -> Past {
        let lost = (self.lost > after.seq).then_some((after.seq + 1, self.lost));
        let start = self.events.partition_point(|event| event.position <= after);
        let mut past = Past { events: Vec::new(), lost, more: false };
        let mut taken = 0;
        for event in self.events.range(start..) {
            if taken >= bytes.max(1) {
                past.more = true;
                break;
            }
            taken += event.weight();
            past.events.push(event.clone());
        }
        past
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
