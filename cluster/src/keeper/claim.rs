//! One owner's right to write to a session, and what it knows of it.

use super::batch::{FilesImage, Image};
use super::commit::reached;
use super::ownership::Ours;
use super::{Shared, SharedTail, Tenant, lock};
use crate::record::{Body, KEYS_MAX, Record};
use crate::snapshot::SnapshotRef;
use crate::store::Version;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};
use warren_kernel::id::Lsn;
use warren_kernel::vfs::inodes::Inodes;
use warren_session::durability::{
    Batch, Checkpoint, Claim, Claimed, Counters, DurabilityError, Files, Keep, KeyedCommand, Level, Meter, NewSession,
    Pending, Point,
};
use warren_session::event::{Event, What};
use warren_session::id::{CommandKey, ExecId, SessionId, SessionName, TenantId, TerminalName};
use warren_session::position::{Epoch, Position};
use warren_session::spec::SessionSpec;
use warren_session::terminal::{Kept, note};

/// The handle a session's owner has. When it is dropped, whoever claims next goes on from what was appended.
pub(super) struct KeeperClaim(pub(super) Arc<ClaimInner>);

pub(crate) struct ClaimInner {
    pub(super) shared: Arc<Shared>,
    pub(super) tenant_id: TenantId,
    pub(super) tenant: Tenant,
    pub(super) id: SessionId,
    pub(super) epoch: Epoch,
    pub(super) tail: SharedTail,
    /// In a cluster: what carries its entries and its record.
    pub(super) ours: Option<Arc<dyn Ours>>,
    /// Its entries in the log: none without those before it.
    pub(super) stream: crate::wal::Stream,
    pub(super) state: Mutex<ClaimState>,
    /// Orders what writes snapshots and the record.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Where the processor time of its snapshots is taken down.
    pub(super) meter: OnceLock<Meter>,
}

/// What changes while a session is owned.
pub(super) struct ClaimState {
    /// Why nothing more can be written.
    pub ended: Option<DurabilityError>,
    /// The owner has dropped it: what is on its way goes on, and the session may be taken.
    pub given_up: bool,
    pub record: Record,
    pub version: Version,
    pub body: Body,
    /// The layer the files differ from.
    pub layer: Option<Inodes>,
    /// The newest snapshot, and the tree it was made of.
    pub base: Option<Base>,
    /// A snapshot the journal named when the session was taken.
    pub journalled: Option<(SnapshotRef, Lsn)>,
    /// The files as last appended.
    pub files: Option<(Inodes, Lsn)>,
    /// Number of the last entry.
    pub number: u64,
    pub facts: Facts,
    pub lane: VecDeque<super::lane::Job>,
    pub lane_runs: bool,
    pub strict: VecDeque<super::strict::Waiting>,
    pub strict_runs: bool,
    /// A fold has been asked for.
    pub folding: bool,
}

#[derive(Clone)]
pub(super) struct Base {
    pub at: Option<SnapshotRef>,
    pub tree: Inodes,
    pub lsn: Lsn,
}

/// Where a session's numbers stand, as far as its entries say.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub position: Position,
    pub lsn: Lsn,
    pub counters: Counters,
    pub keys: VecDeque<(CommandKey, KeyedCommand)>,
    pub unfinished: BTreeSet<ExecId>,
    pub terminals: BTreeMap<TerminalName, Kept>,
}

impl Drop for KeeperClaim {
    fn drop(&mut self) {
        lock(&self.0.state).given_up = true;
        if let Some(ours) = &self.0.ours {
            ours.give_up();
        }
    }
}

impl Facts {
    pub(super) fn of(record: &Record, body: &Body) -> Facts {
        Facts {
            position: record.position,
            lsn: record.lsn,
            counters: body.counters,
            keys: body.keys.iter().cloned().collect(),
            unfinished: body.unfinished.iter().copied().collect(),
            terminals: body.terminals.clone(),
        }
    }

    /// After these events, keys and counters.
    pub(super) fn advance(&mut self, events: &[Event], keys: &[(CommandKey, KeyedCommand)], counters: Counters) {
        for event in events {
            self.position = event.position;
            match &event.what {
                What::Started { exec, .. } => {
                    self.unfinished.insert(*exec);
                }
                What::Exited { exec, .. } => {
                    self.unfinished.remove(exec);
                }
                What::Terminal { terminal, kept } => note(&mut self.terminals, terminal, kept.as_deref()),
                _ => {}
            }
        }
        for (key, command) in keys {
            self.keys.retain(|(known, _)| known != key);
            self.keys.push_back((key.clone(), command.clone()));
        }
        while self.keys.len() > KEYS_MAX {
            self.keys.remove(forgotten_first(self.keys.iter()));
        }
        self.counters = Counters { next_pid: counters.next_pid, ..latest(self.counters, counters) };
    }

    pub(super) fn after(&mut self, image: &Image) {
        self.advance(&image.events, &image.keys, image.counters);
        if let Some(files) = &image.files {
            self.lsn = FilesImage::lsn(files);
        }
    }
}

/// Numbers never go back.
pub(super) fn latest(one: Counters, other: Counters) -> Counters {
    Counters {
        next_pid: one.next_pid.max(other.next_pid),
        execs: one.execs.max(other.execs),
        checkpoints: one.checkpoints.max(other.checkpoints),
    }
}

/// What is known of keys from several sides, in order of their commands: of two commands of a key the later, of one command
/// its end.
pub(super) fn remembered(told: impl Iterator<Item = (CommandKey, KeyedCommand)>) -> Vec<(CommandKey, KeyedCommand)> {
    let mut known: HashMap<CommandKey, KeyedCommand> = HashMap::new();
    for (key, command) in told {
        match known.entry(key) {
            Entry::Vacant(free) => drop(free.insert(command)),
            Entry::Occupied(mut taken) => {
                let before = taken.get();
                if command.exec > before.exec || (command.exec == before.exec && before.end.is_none()) {
                    taken.insert(command);
                }
            }
        }
    }
    let mut keys: Vec<_> = known.into_iter().collect();
    keys.sort_by_key(|(_, command)| command.exec);
    while keys.len() > KEYS_MAX {
        keys.remove(forgotten_first(keys.iter()));
    }
    keys
}

/// The oldest that has ended; one that runs is forgotten only when all do.
fn forgotten_first<'a>(mut keys: impl Iterator<Item = &'a (CommandKey, KeyedCommand)>) -> usize {
    keys.position(|(_, command)| command.end.is_some()).unwrap_or(0)
}

impl ClaimState {
    /// The record is at a point; one of a `scratch` session is ahead of what was appended.
    pub(super) fn stands_at(&mut self, point: &Point) {
        let position = reached(point);
        if position > self.facts.position {
            self.facts.position = position;
            self.facts.unfinished = point.unfinished.iter().copied().collect();
            self.facts.terminals = point.terminals.clone();
        }
        if point.lsn > self.facts.lsn {
            self.facts.lsn = point.lsn;
            self.files = Some((point.files.clone(), point.lsn));
        }
        self.facts.counters = latest(self.facts.counters, point.counters);
    }
}

impl ClaimInner {
    /// Nothing more is written by this claim; the first reason stays.
    pub(super) fn end(&self, why: DurabilityError) {
        let (jobs, waiting) = {
            let mut state = lock(&self.state);
            state.ended.get_or_insert(why.clone());
            (std::mem::take(&mut state.lane), std::mem::take(&mut state.strict))
        };
        for job in jobs {
            job.refuse(&why);
        }
        for one in waiting {
            one.refuse(&why);
        }
    }

    /// Whether an owner has it.
    pub(super) fn is_held(&self) -> bool {
        let state = lock(&self.state);
        state.ended.is_none() && !state.given_up
    }

    pub(super) fn check(&self) -> Result<(), DurabilityError> {
        lock(&self.state).ended.clone().map_or(Ok(()), Err)
    }
}

impl Claim for KeeperClaim {
    fn attach(&self, layer: Inodes, base: Inodes, now: Inodes) {
        let mut state = lock(&self.0.state);
        if state.layer.is_some() {
            return;
        }
        let (at, lsn) = match state.journalled.take() {
            Some((at, lsn)) => (Some(at), lsn),
            None => (state.record.snapshot.clone(), state.record.lsn),
        };
        state.base = Some(Base { at, tree: base, lsn });
        state.layer = Some(layer);
        let lsn = state.facts.lsn;
        state.files = Some((now, lsn));
    }

    fn charge_to(&self, meter: Meter) {
        let _ = self.0.meter.set(meter);
    }

    fn append(&self, batch: Batch, level: Level) -> Pending {
        self.0.append(batch, level)
    }

    fn checkpoint(&self, point: Point, keep: Option<Keep>) -> BoxFuture<'_, Result<Checkpoint, DurabilityError>> {
        self.0.checkpoint(point, keep).boxed()
    }

    fn amend(&self, name: Option<SessionName>, spec: Arc<SessionSpec>) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.0.amend(name, spec).boxed()
    }

    fn hibernate(&self, point: Point) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.0.hibernate(point).boxed()
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        lock(&self.0.state).record.checkpoints.iter().map(|kept| kept.checkpoint.clone()).collect()
    }

    fn rollback(&self, checkpoint: u64) -> BoxFuture<'_, Result<Files, DurabilityError>> {
        self.0.rollback(checkpoint).boxed()
    }

    fn fork(&self, point: Point, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        self.0.fork(point, new).boxed()
    }

    fn delete(&self) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.0.delete().boxed()
    }
}
