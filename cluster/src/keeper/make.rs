//! Sessions are made, taken by an owner, and given up.

use super::batch::FilesImage;
use super::claim::{Base, ClaimInner, ClaimState, Facts, KeeperClaim};
use super::ownership::Ours;
use super::tail::Kept;
use super::{Shared, SharedTail, Tenant, damaged_record, lock, of_put, of_session};
use crate::record::{Body, Record, Standing, places};
use crate::snapshot::SnapshotRef;
use crate::store::{Flush, PutError, Version};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use warren_kernel::id::Lsn;
use warren_kernel::vfs::inodes::Inodes;
use warren_session::durability::{Claimed, Counters, DurabilityError, Files, Held, NewSession};
use warren_session::event::State;
use warren_session::id::{SessionId, SessionName, TenantId};
use warren_session::position::{Epoch, Position};
use warren_session::spec::Tier;

/// Others that want the same session at the same time, before this one gives up.
const TRIES: usize = 16;

/// A fork's beginning: its snapshot, the tree it is of, the last mutation, the next pid.
pub(super) type Origin = (Option<SnapshotRef>, Inodes, Lsn, u32);

impl Shared {
    pub(super) async fn make(
        self: &Arc<Self>,
        new: NewSession,
        origin: Option<Origin>,
    ) -> Result<Claimed, DurabilityError> {
        let tenant = self.tenant(&new.tenant).await?;
        let _making = self.making(new.id);
        let flush = if new.spec.durability >= Tier::Journal { Flush::Now } else { Flush::Soon };
        if let Some(name) = &new.name {
            // The record, which follows it in the same log of the store, makes it as durable as itself.
            self.take_name(&new.tenant, name, (new.id, 0), Flush::Soon).await?;
        }
        let next_pid = origin.as_ref().map_or(0, |origin| origin.3);
        let body = Body {
            name: new.name.clone(),
            spec: new.spec.clone(),
            created: new.created,
            forked_from: new.forked_from,
            counters: Counters { next_pid, ..Counters::default() },
            keys: Vec::new(),
            unfinished: Vec::new(),
            terminals: Default::default(),
        };
        let mut record = Record {
            id: new.id,
            standing: Standing::Owned { incarnation: self.incarnation },
            epoch: Epoch::FIRST,
            position: Position::START,
            lsn: origin.as_ref().map_or(Lsn::ZERO, |origin| origin.2),
            number: 0,
            naming: 0,
            snapshot: origin.as_ref().and_then(|origin| origin.0.clone()),
            checkpoints: Vec::new(),
            segments: Vec::new(),
            first_event: 1,
            held: origin.as_ref().map_or(Held::default(), |origin| Held::of(&origin.1)),
            ownership: None,
            body: Bytes::new(),
        };
        record.seal(&tenant.keys, &body);
        let made = match &self.ownership {
            None => {
                let key = places::record(&new.tenant, new.id);
                let made = self.store.put_if_absent(&key, record.to_bytes(), flush).await;
                made.map(|version| (version, None)).map_err(|error| of_put(new.id, error))
            }
            Some(ownership) => self.make_ours(ownership, &new, &record).await,
        };
        let (version, ours) = match made {
            Ok(made) => made,
            Err(error) => {
                if let Some(name) = &new.name {
                    let _ = self.free_name(&new.tenant, name, new.id).await;
                }
                return Err(error);
            }
        };
        let files = match &origin {
            None => Files::Fresh,
            Some((_, inodes, lsn, _)) => Files::Live { inodes: inodes.clone(), lsn: *lsn },
        };
        let base = origin.map(|(at, tree, lsn, _)| Base { at, tree, lsn });
        Ok(self.own((&new.tenant, tenant, ours), (record, version, body), base, files))
    }

    /// Makes this process the owner.
    pub(super) async fn take(
        self: &Arc<Self>,
        tenant_id: &TenantId,
        id: SessionId,
    ) -> Result<Claimed, DurabilityError> {
        let tenant = self.tenant(tenant_id).await?;
        if let Some(ownership) = &self.ownership {
            return self.take_ours(ownership, tenant_id, tenant, id).await;
        }
        // Until its claim is among the live ones nobody else may find it without an owner.
        let _taking = self.taking(id)?;
        for _ in 0..TRIES {
            let (old, version) = self.record(tenant_id, id).await?;
            match &old.standing {
                Standing::Deleted { .. } => return Err(DurabilityError::Deleted(id)),
                Standing::Failed { reason } => return Err(DurabilityError::Damaged { id, reason: reason.clone() }),
                // Another process of this folder is gone, or we could not have opened it.
                Standing::Resting | Standing::Owned { .. } => {}
            }
            let body = old.open(&tenant.keys).map_err(|error| damaged_record(id, &error))?;
            if let Some(before) = self.claim_of(id) {
                if before.is_held() {
                    return Err(DurabilityError::Owned(id));
                }
                // What it has on its way is in the log, or refused, once it has had its turn.
                let _ = before.settled().await;
                before.end(DurabilityError::Fenced(id));
                drop(before.turn.lock().await);
            }
            let record = Record {
                standing: Standing::Owned { incarnation: self.incarnation },
                epoch: old.epoch.next(),
                ..old.clone()
            };
            let key = places::record(tenant_id, id);
            match self.store.put_if_match(&key, record.to_bytes(), &version, Flush::Now).await {
                Ok(version) => {
                    let base = self.gather(tenant_id, &tenant, &record).await?;
                    let (facts, at, then) = replay(&tenant, &record, &body, &base)?;
                    let files = self.files(&tenant, id, at.as_ref(), then).await?;
                    return Ok(self.own_with((tenant_id, tenant, None), (record, version, body), facts, files));
                }
                Err(PutError::Conflict | PutError::Missing) => {}
                Err(PutError::Store(error)) => return Err(of_session(id, error)),
            }
        }
        Err(DurabilityError::Owned(id))
    }

    /// What the journal and the store's batches hold of a session beyond its record.
    async fn gather(
        &self,
        tenant_id: &TenantId,
        tenant: &Tenant,
        record: &Record,
    ) -> Result<Vec<Kept>, DurabilityError> {
        let id = record.id;
        let body = record.open(&tenant.keys).map_err(|error| damaged_record(id, &error))?;
        let tail = self.tail_made(id);
        let stored = match body.spec.durability {
            Tier::Strict => self.stored_entries(tenant_id, id, record.epoch).await?.0,
            _ => Vec::new(),
        };
        let stored = stored.into_iter().filter(|entry| entry.number > record.number);
        let stored = stored.map(|entry| Kept { entry, wal: None, in_flight: false });
        wait_for_log(&tail).await;
        let mut given_up = Vec::new();
        let kept: Vec<Kept> = {
            let mut tail = lock(&tail);
            given_up.extend(tail.forget(record.number));
            let mut entries = tail.take_all();
            entries.extend(stored);
            entries.sort_by_key(|kept| (kept.entry.epoch, kept.entry.number, kept.wal.is_none()));
            for kept in entries {
                given_up.extend(tail.push(kept));
            }
            if !tail.follows(record.number) {
                let reason = format!("the journal does not go on after entry {}", record.number);
                return Err(DurabilityError::Damaged { id, reason });
            }
            tail.iter().cloned().collect()
        };
        self.unpin(&given_up);
        Ok(kept)
    }

    fn own(
        self: &Arc<Self>,
        whose: (&TenantId, Tenant, Option<Arc<dyn Ours>>),
        (record, version, body): (Record, Version, Body),
        base: Option<Base>,
        files: Files,
    ) -> Claimed {
        let facts = Facts::of(&record, &body);
        let claimed = self.own_with(whose, (record, version, body), (facts, None, 0), files);
        if let (Some(base), Some(claim)) = (base, self.claim_of(claimed.summary.id)) {
            lock(&claim.state).base = Some(base);
        }
        claimed
    }

    pub(super) fn own_with(
        self: &Arc<Self>,
        (tenant_id, tenant, ours): (&TenantId, Tenant, Option<Arc<dyn Ours>>),
        (record, version, body): (Record, Version, Body),
        (facts, journalled, number): (Facts, Option<(SnapshotRef, Lsn)>, u64),
        files: Files,
    ) -> Claimed {
        let id = record.id;
        let mut summary = record.summary(&body);
        (summary.state, summary.position) = (State::Waking, facts.position);
        let (epoch, spec) = (record.epoch, body.spec.clone());
        let number = number.max(record.number);
        let claim = Arc::new(ClaimInner {
            shared: self.clone(),
            tenant_id: tenant_id.clone(),
            tenant,
            id,
            epoch,
            tail: self.tail_made(id),
            ours,
            stream: crate::wal::Stream::default(),
            state: Mutex::new(ClaimState {
                ended: None,
                given_up: false,
                record,
                version,
                body,
                layer: None,
                base: None,
                journalled,
                files: None,
                number,
                facts: facts.clone(),
                lane: VecDeque::new(),
                lane_runs: false,
                strict: VecDeque::new(),
                strict_runs: false,
                folding: false,
            }),
            turn: tokio::sync::Mutex::default(),
            meter: OnceLock::new(),
        });
        lock(&self.live).insert(id, Arc::downgrade(&claim));
        claim.ends_with_ownership();
        Claimed {
            claim: Arc::new(KeeperClaim(claim)),
            epoch,
            summary,
            spec,
            files,
            counters: facts.counters,
            last: facts.position,
            keys: facts.keys.into_iter().collect(),
            unfinished: facts.unfinished.into_iter().collect(),
            terminals: facts.terminals,
        }
    }

    /// A claim is over.
    pub(super) fn disown(&self, claim: &Arc<ClaimInner>) {
        let mut live = lock(&self.live);
        if live.get(&claim.id).is_some_and(|known| Weak::ptr_eq(known, &Arc::downgrade(claim))) {
            live.remove(&claim.id);
        }
        drop(live);
        let mut tails = lock(&self.tails);
        // Whoever is taking the session now has it too, and will write to it.
        let is_ours = |tail: &SharedTail| Arc::ptr_eq(tail, &claim.tail) && Arc::strong_count(tail) == 2;
        // In a cluster what is in it is elsewhere too, or does not count.
        let is_needed = |tail: &SharedTail| claim.ours.is_none() && !lock(tail).is_empty();
        if tails.get(&claim.id).is_some_and(|tail| is_ours(tail) && !is_needed(tail)) {
            tails.remove(&claim.id);
        }
    }

    /// Deletes a session nobody has.
    pub(super) async fn delete_unclaimed(
        self: &Arc<Self>,
        tenant_id: &TenantId,
        id: SessionId,
    ) -> Result<(), DurabilityError> {
        let _taking = self.taking(id)?;
        if let Some(claim) = self.claim_of(id)
            && claim.is_held()
        {
            return Err(DurabilityError::Owned(id));
        }
        let tenant = self.tenant(tenant_id).await?;
        if let Some(ownership) = &self.ownership {
            return self.delete_ours(ownership, tenant_id, &tenant, id).await;
        }
        for _ in 0..TRIES {
            let (record, version) = self.record(tenant_id, id).await?;
            if matches!(record.standing, Standing::Deleted { .. }) {
                return Err(DurabilityError::Deleted(id));
            }
            // Even one that cannot be opened can be deleted; its name then leads nowhere.
            let name = record.open(&tenant.keys).ok().and_then(|body| body.name);
            let mut grave = record.buried(self.host.realtime());
            grave.epoch = record.epoch.next();
            match self.store.put_if_match(&places::record(tenant_id, id), grave.to_bytes(), &version, Flush::Now).await
            {
                Ok(_) => {
                    self.bury(tenant_id, id, name.as_ref()).await;
                    return Ok(());
                }
                Err(PutError::Conflict | PutError::Missing) => {}
                Err(PutError::Store(error)) => return Err(of_session(id, error)),
            }
        }
        Err(DurabilityError::Owned(id))
    }

    /// Clears away what a deleted session leaves; what fails is collected later.
    pub(super) async fn bury(&self, tenant: &TenantId, id: SessionId, name: Option<&SessionName>) {
        if let Some(name) = name {
            let _ = self.free_name(tenant, name, id).await;
        }
        let tail = lock(&self.tails).remove(&id);
        if let Some(tail) = tail {
            let places = lock(&tail).forget(u64::MAX);
            self.unpin(&places);
        }
        let _ = self.clear_session(tenant, id).await;
    }
}

/// Waits until the log has said of every entry whether it took it: what an owner left on its way counts or does not.
async fn wait_for_log(tail: &SharedTail) {
    let answered = lock(tail).answered();
    loop {
        let heard = answered.notified();
        tokio::pin!(heard);
        heard.as_mut().enable();
        if !lock(tail).is_in_flight() {
            return;
        }
        heard.await;
    }
}

pub(super) type Replayed =
    ((Facts, Option<(SnapshotRef, Lsn)>, u64), Option<SnapshotRef>, Vec<warren_kernel::vfs::change::Delta>);

/// Goes through the entries after a record: where everything stands, and which files to begin with and what to apply.
pub(super) fn replay(
    tenant: &Tenant,
    record: &Record,
    body: &Body,
    entries: &[Kept],
) -> Result<Replayed, DurabilityError> {
    let mut facts = Facts::of(record, body);
    let (mut at, mut journalled, mut then) = (record.snapshot.clone(), None, Vec::new());
    for kept in entries {
        let image = kept.entry.open(&tenant.keys).map_err(|reason| DurabilityError::Damaged {
            id: record.id,
            reason: format!("entry {} of the journal: {reason}", kept.entry.number),
        })?;
        facts.after(&image);
        match image.files {
            Some(FilesImage::Delta(delta)) => then.push(delta),
            Some(FilesImage::Snapshot { at: newer, lsn }) => {
                at = Some(newer.clone());
                journalled = Some((newer, lsn));
                then.clear();
            }
            None => {}
        }
    }
    let number = entries.last().map_or(record.number, |kept| kept.entry.number);
    Ok(((facts, journalled, number), at, then))
}
