//! What changes a session's record: checkpoint, hibernation, another name or spec, rollback's files, deletion. One conditional write each.
//!
//! ```text
//! files ─▶ snapshot ┐
//! events of the tail ─▶ segment ┴─▶ record (if it is still the one we know) ─▶ the journal lets go of the tail
//! ```
//! Whatever fails before the record is written leaves objects nobody names, which are collected later.

use super::batch::Image;
use super::claim::{Base, ClaimInner, latest, remembered};
use super::{lock, of_put, of_session, segment};
use crate::record::{Body, CHECKPOINTS_MAX, KeptCheckpoint, Record, Segment, Standing, places};
use crate::snapshot::SnapshotRef;
use crate::store::{Flush, Key, PutError};
use std::sync::Arc;
use warren_kernel::vfs::change::Delta;
use warren_session::durability::{
    Checkpoint, Claimed, Counters, DurabilityError, Files, Held, Keep, NewSession, Point,
};
use warren_session::event::Event;
use warren_session::id::SessionName;
use warren_session::position::Position;
use warren_session::spec::{SessionSpec, Tier};

/// A segment below this is written again together with what comes after it.
const SEGMENT_SMALL: u64 = 64 * 1024;
/// Segments of a session, each a line of its record; events that pack well would make more of them than its bytes allow.
const SEGMENTS_MAX: usize = 4096;

/// Objects of entries of a session, each a line of its record in a cluster, above which what they say is brought into its snapshot.
const OBJECTS_MAX: usize = 64;

/// What the record is to become.
enum Turn {
    Checkpoint(Option<Keep>),
    Rest,
}

impl ClaimInner {
    pub(super) async fn checkpoint(
        self: &Arc<Self>,
        point: Point,
        keep: Option<Keep>,
    ) -> Result<Checkpoint, DurabilityError> {
        let position = reached(&point);
        let made = match &keep {
            Some(keep) => Checkpoint { number: keep.number, name: keep.name.clone(), time: keep.time, position },
            None => Checkpoint { number: 0, name: None, time: self.shared.host.realtime(), position },
        };
        self.commit(point, Turn::Checkpoint(keep)).await?;
        Ok(made)
    }

    pub(super) async fn hibernate(self: &Arc<Self>, point: Point) -> Result<(), DurabilityError> {
        self.commit(point, Turn::Rest).await?;
        self.end(DurabilityError::Fenced(self.id));
        self.shared.disown(self);
        Ok(())
    }

    pub(super) async fn fork(self: &Arc<Self>, point: Point, new: NewSession) -> Result<Claimed, DurabilityError> {
        let (tree, lsn, layer, counters) = (point.files.clone(), point.lsn, point.layer.clone(), point.counters);
        self.commit(point, Turn::Checkpoint(None)).await?;
        let base = lock(&self.state).base.clone();
        let at = match base {
            Some(base) if base.lsn == lsn => base.at,
            // Another checkpoint went past it meanwhile: what is stored has newer files.
            base => Some(self.snapshot(base, Some(&layer), &tree, lsn).await?),
        };
        self.shared.make(new, Some((at, tree, lsn, counters.next_pid))).await
    }

    pub(super) async fn rollback(self: &Arc<Self>, number: u64) -> Result<Files, DurabilityError> {
        self.check()?;
        let kept = {
            let state = lock(&self.state);
            let found = state.record.checkpoints.iter().find(|kept| kept.checkpoint.number == number);
            found.cloned().ok_or(DurabilityError::NoCheckpoint(self.id, number))?
        };
        self.shared.files(&self.tenant, self.id, kept.snapshot.as_ref(), Vec::new()).await
    }

    async fn commit(self: &Arc<Self>, point: Point, turn: Turn) -> Result<(), DurabilityError> {
        self.settled().await?;
        let _turn = self.turn.lock().await;
        self.check()?;
        let (base, old, version) = {
            let mut state = lock(&self.state);
            state.layer.get_or_insert_with(|| point.layer.clone());
            (state.base.clone(), state.record.clone(), state.version.clone())
        };
        if let Turn::Checkpoint(Some(_)) = turn
            && old.checkpoints.len() >= CHECKPOINTS_MAX
        {
            return Err(DurabilityError::TooManyCheckpoints(self.id, CHECKPOINTS_MAX));
        }
        // A point that came late: what the record knows already must not be undone.
        let is_late = reached(&point).seq < old.position.seq || point.lsn < old.lsn;
        if is_late && matches!(turn, Turn::Checkpoint(None)) {
            return Ok(());
        }
        let at = self.files_at(base, &old, &point).await?;
        let (mut record, body, covered, stale) = if is_late {
            (old, lock(&self.state).body.clone(), None, Vec::new())
        } else {
            self.advanced(old, at.clone(), &point).await?
        };
        match &turn {
            Turn::Checkpoint(Some(keep)) => {
                let (number, name, time) = (keep.number, keep.name.clone(), keep.time);
                let checkpoint = Checkpoint { number, name, time, position: reached(&point) };
                record.checkpoints.push(KeptCheckpoint { checkpoint, snapshot: at.clone() });
            }
            Turn::Checkpoint(None) => {}
            Turn::Rest => record.standing = Standing::Resting,
        }
        record.seal(&self.tenant.keys, &body);
        let version = self.change_record(&record, &version, Flush::Now).await?;
        {
            let mut state = lock(&self.state);
            (state.record, state.version, state.body) = (record, version, body);
            if !is_late {
                state.stands_at(&point);
                state.base = Some(Base { at, tree: point.files, lsn: point.lsn });
            }
        }
        self.let_go(covered, stale).await;
        Ok(())
    }

    /// The record and its body at a point, up to which entry they know the journal, and the objects they replace.
    async fn advanced(
        &self,
        old: Record,
        at: Option<SnapshotRef>,
        point: &Point,
    ) -> Result<(Record, Body, Option<u64>, Vec<Key>), DurabilityError> {
        let covered = lock(&self.tail).covered(point.position.seq, point.lsn);
        let images = self.images_until(covered)?;
        let number = covered.unwrap_or(old.number).max(old.number);
        let before = lock(&self.state).body.clone();
        // An entry without events or files may be newer than the point and is covered all the same: what it says of keys
        // and numbers counts.
        let keys = before.keys.into_iter().chain(images.iter().flat_map(|image| image.keys.iter().cloned()));
        let newest = images.iter().map(|image| image.counters).fold(before.counters, latest);
        let body = Body {
            keys: remembered(keys.chain(point.keys.iter().cloned())),
            counters: Counters { next_pid: point.counters.next_pid, ..latest(newest, point.counters) },
            unfinished: point.unfinished.clone(),
            terminals: point.terminals.clone(),
            ..before
        };
        let held = Held::of(&point.files);
        let mut record = Record { snapshot: at, lsn: point.lsn, position: reached(point), number, held, ..old };
        let events = images.into_iter().flat_map(|image| image.events).chain(point.events.iter().cloned());
        let stale = self.store_events(&mut record, events.collect()).await?;
        Ok((record, body, covered, stale))
    }

    /// The snapshot of the files at a point: the one there is, if nothing changed since.
    async fn files_at(
        &self,
        base: Option<Base>,
        old: &Record,
        point: &Point,
    ) -> Result<Option<SnapshotRef>, DurabilityError> {
        match base {
            Some(base) if base.lsn == point.lsn => Ok(base.at),
            None if old.lsn == point.lsn => Ok(old.snapshot.clone()),
            base => self.snapshot(base, Some(&point.layer), &point.files, point.lsn).await.map(Some),
        }
    }

    /// What the journal holds up to an entry.
    fn images_until(&self, covered: Option<u64>) -> Result<Vec<Image>, DurabilityError> {
        let sealed: Vec<_> = {
            let tail = lock(&self.tail);
            let upto = covered.unwrap_or(0);
            tail.iter().take_while(|kept| kept.entry.number <= upto).map(|kept| kept.entry.clone()).collect()
        };
        let damaged = |reason| DurabilityError::Damaged { id: self.id, reason: format!("in the journal: {reason}") };
        sealed.iter().map(|entry| entry.open(&self.tenant.keys).map_err(damaged)).collect()
    }

    /// Puts events into the store, together with the last segment if that is small, and drops the oldest when there are
    /// too many. Answers with the objects that are not needed once the record is written.
    async fn store_events(&self, record: &mut Record, mut events: Vec<Event>) -> Result<Vec<Key>, DurabilityError> {
        let mut stale = Vec::new();
        // Those of a scratch session may come again: it does not know of a point that was kept for a fork that failed.
        let known = record.segments.last().map_or(0, |segment| segment.last);
        events.retain(|event| event.position.seq > known);
        let Some(first) = events.first().map(|event| event.position.seq) else { return Ok(stale) };
        if let Some(last) = record.segments.last().copied()
            && last.bytes < SEGMENT_SMALL
            && last.last + 1 == first
        {
            // One that cannot be read stays as it is: its reader will be told.
            if let Ok(mut before) = self.shared.segment(&self.tenant_id, &self.tenant.keys, self.id, &last).await {
                before.append(&mut events);
                events = before;
                record.segments.pop();
                stale.push(places::segment(&self.tenant_id, self.id, &last));
            }
        }
        for part in parts(&events) {
            let bytes = segment::encode(&self.tenant.keys, self.id, part);
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let made = Segment {
                epoch: self.epoch,
                first: first.position.seq,
                last: last.position.seq,
                bytes: bytes.len() as u64,
            };
            let key = places::segment(&self.tenant_id, self.id, &made);
            stale.retain(|old| *old != key);
            match self.shared.store.put_if_absent(&key, bytes, Flush::Soon).await {
                // The same events under our own epoch: an attempt before this one got so far.
                Ok(_) | Err(PutError::Conflict) => {
                    self.shared.stored.put(&self.tenant_id, made.bytes);
                    record.segments.push(made);
                }
                Err(error) => return Err(of_put(self.id, error)),
            }
        }
        let mut kept: u64 = record.segments.iter().map(|segment| segment.bytes).sum();
        while (kept > self.shared.options.log_bytes && record.segments.len() > 1)
            || record.segments.len() > SEGMENTS_MAX
        {
            let oldest = record.segments.remove(0);
            kept -= oldest.bytes;
            record.first_event = oldest.last + 1;
            stale.push(places::segment(&self.tenant_id, self.id, &oldest));
        }
        Ok(stale)
    }

    /// Writes the record if it is still the one we know.
    pub(super) async fn change_record(
        &self,
        record: &Record,
        version: &crate::store::Version,
        flush: Flush,
    ) -> Result<crate::store::Version, DurabilityError> {
        if let Some(ours) = &self.ours {
            return self.change_ours(ours, record, version).await;
        }
        let key = places::record(&self.tenant_id, self.id);
        match self.shared.store.put_if_match(&key, record.to_bytes(), version, flush).await {
            Ok(version) => Ok(version),
            Err(PutError::Store(error)) => {
                // Nobody knows whether it was written. Whoever reads it next does.
                match self.shared.record(&self.tenant_id, self.id).await {
                    Ok((found, version)) if found == *record => return Ok(version),
                    Ok((found, now)) if now == *version && found.epoch == self.epoch => {}
                    _ => self.end(DurabilityError::Fenced(self.id)),
                }
                Err(of_session(self.id, error))
            }
            Err(PutError::Conflict | PutError::Missing) => {
                let why = DurabilityError::Fenced(self.id);
                self.end(why.clone());
                Err(why)
            }
        }
    }

    /// The record knows everything up to `covered`: the journal need not.
    async fn let_go(&self, covered: Option<u64>, stale: Vec<Key>) {
        if let Some(covered) = covered {
            self.forget_waiting(covered);
            let places = lock(&self.tail).forget(covered);
            self.shared.unpin(&places);
        }
        let strict = lock(&self.state).body.spec.durability == warren_session::spec::Tier::Strict;
        let mut old = stale;
        // In a cluster whoever carries the entries removes them.
        if strict
            && self.ours.is_none()
            && let Some(covered) = covered
            && let Ok((entries, keys)) = self.shared.stored_entries(&self.tenant_id, self.id, self.epoch).await
            && entries.iter().all(|entry| entry.number <= covered)
        {
            old.extend(keys);
        }
        for key in old {
            // What stays is found and collected later.
            let _ = self.shared.store.delete(&key).await;
        }
    }

    /// Brings what the journal holds into the store when it has become long.
    pub(super) fn fold_if_long(self: &Arc<Self>) {
        let objects = self.ours.as_ref().map_or(0, |ours| ours.objects());
        if lock(&self.tail).bytes() > self.shared.options.tail_bytes || objects > OBJECTS_MAX {
            self.fold_soon();
        }
    }

    pub(super) fn fold_soon(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        if state.folding || state.ended.is_some() {
            return;
        }
        state.folding = true;
        drop(state);
        let claim = self.clone();
        tokio::spawn(async move {
            let folded = claim.fold().await;
            lock(&claim.state).folding = false;
            if let Err(error) = folded {
                tracing::warn!(session = %claim.id, %error, "the journal's part could not be brought into the store");
            }
        });
    }

    /// A checkpoint at the last entry, without asking the session.
    async fn fold(self: &Arc<Self>) -> Result<(), DurabilityError> {
        self.settled().await?;
        let point = {
            let state = lock(&self.state);
            let (Some(layer), Some((files, lsn))) = (state.layer.clone(), state.files.clone()) else { return Ok(()) };
            let facts = &state.facts;
            Point {
                files,
                lsn,
                layer,
                position: facts.position,
                counters: facts.counters,
                events: Vec::new(),
                keys: facts.keys.iter().cloned().collect(),
                unfinished: facts.unfinished.iter().copied().collect(),
                terminals: facts.terminals.clone(),
            }
        };
        self.commit(point, Turn::Checkpoint(None)).await
    }

    /// Gives the session a name and a spec: the name first, then the record, then the name before is free.
    pub(super) async fn amend(
        self: &Arc<Self>,
        name: Option<SessionName>,
        spec: Arc<SessionSpec>,
    ) -> Result<(), DurabilityError> {
        let _turn = self.turn.lock().await;
        self.check()?;
        let (mut record, version, before) = {
            let state = lock(&self.state);
            (state.record.clone(), state.version.clone(), state.body.clone())
        };
        let flush = if spec.durability >= Tier::Journal { Flush::Now } else { Flush::Soon };
        let _making = self.shared.making(self.id);
        let renamed = name != before.name;
        if renamed {
            let mut random = [0; 8];
            self.shared.host.fill_random(&mut random);
            record.naming = u64::from_le_bytes(random);
        }
        let taken = name.as_ref().filter(|_| renamed);
        if let Some(name) = taken {
            // The record, which follows it in the same log of the store, makes it as durable as itself.
            let whose = (self.id, record.naming);
            self.shared.take_name(&self.tenant_id, name, whose, Flush::Soon).await?;
        }
        let body = Body { name: name.clone(), spec, ..before.clone() };
        record.seal(&self.tenant.keys, &body);
        let version = match self.change_record(&record, &version, flush).await {
            Ok(version) => version,
            Err(why) => {
                // Of one that is fenced nobody knows which name is its; the one that is not is collected later.
                if let Some(name) = taken.filter(|_| self.check().is_ok()) {
                    let _ = self.shared.free_name(&self.tenant_id, name, self.id).await;
                }
                return Err(why);
            }
        };
        {
            let mut state = lock(&self.state);
            (state.record, state.version, state.body) = (record, version, body);
        }
        if let Some(name) = before.name.filter(|_| renamed) {
            let _ = self.shared.free_name(&self.tenant_id, &name, self.id).await;
        }
        Ok(())
    }

    pub(super) async fn delete(self: &Arc<Self>) -> Result<(), DurabilityError> {
        let _turn = self.turn.lock().await;
        self.check()?;
        let (record, version, body) = {
            let state = lock(&self.state);
            (state.record.clone(), state.version.clone(), state.body.clone())
        };
        let grave = record.buried(self.shared.host.realtime());
        self.change_record(&grave, &version, Flush::Now).await?;
        self.end(DurabilityError::Deleted(self.id));
        self.shared.disown(self);
        self.shared.bury(&self.tenant_id, self.id, body.name.as_ref()).await;
        Ok(())
    }
}

/// The last event at a point: of those it brings, or else of those appended before it.
pub(super) fn reached(point: &Point) -> Position {
    point.events.last().map_or(point.position, |event| event.position)
}

impl super::Shared {
    /// The files of a snapshot and what came after it.
    pub(super) async fn files(
        &self,
        tenant: &super::Tenant,
        id: warren_session::id::SessionId,
        at: Option<&SnapshotRef>,
        then: Vec<Delta>,
    ) -> Result<Files, DurabilityError> {
        match at {
            None if then.is_empty() => Ok(Files::Fresh),
            None => Ok(Files::Stored { delta: Arc::new(Delta::nothing()), blobs: tenant.snapshots.blobs(), then }),
            Some(at) => {
                let (delta, blobs) = tenant.snapshots.read(at).await.map_err(|error| super::of_snapshot(id, error))?;
                Ok(Files::Stored { delta: Arc::new(delta), blobs, then })
            }
        }
    }
}

/// Events in parts that fit a segment each.
fn parts(events: &[Event]) -> impl Iterator<Item = &[Event]> {
    let mut rest = events;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut bytes = 0;
        let mut count = 0;
        for event in rest {
            bytes += 512 + super::events::weight(event);
            if count > 0 && bytes > segment::SEGMENT_FULL {
                break;
            }
            count += 1;
        }
        let (part, others) = rest.split_at(count);
        rest = others;
        Some(part)
    })
}
