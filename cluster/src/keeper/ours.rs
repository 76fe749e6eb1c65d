//! Sessions of a keeper whose store other processes share: what differs from a single node.

use super::batch::{Entry, Image};
use super::claim::ClaimInner;
use super::events::Newer;
use super::make::replay;
use super::ownership::{Ours, Ownership, Taken, unpack};
use super::tail::{Kept, Tail};
use super::{Shared, Tenant, damaged_record, lock, of_session};
use crate::keys::TenantKeys;
use crate::record::{Record, Standing, places};
use crate::store::Version;
use crate::wal;
use futures_util::FutureExt;
use std::sync::Arc;
use tracing::{Instrument, debug_span};
use warren_session::durability::{Claimed, DurabilityError, NewSession, Pending};
use warren_session::id::{SessionId, TenantId};
use warren_session::position::{Epoch, Position};

type Made = (Version, Option<Arc<dyn Ours>>);

impl Shared {
    /// Makes a session's record. Its name is its own only when nobody took it before there was the record.
    pub(super) async fn make_ours(
        &self,
        ownership: &Arc<dyn Ownership>,
        new: &NewSession,
        record: &Record,
    ) -> Result<Made, DurabilityError> {
        let ours = ownership.create(&new.tenant, new.spec.durability, record.clone()).await?;
        if let Some(name) = &new.name
            && let Err(why) = self.confirm_name(&new.tenant, name, new.id).await
        {
            let _ = ours.change(record.buried(self.host.realtime())).await;
            return Err(why);
        }
        Ok((nowhere(), Some(ours)))
    }

    /// Takes a session as the cluster decides.
    pub(super) async fn take_ours(
        self: &Arc<Self>,
        ownership: &Arc<dyn Ownership>,
        tenant_id: &TenantId,
        tenant: Tenant,
        id: SessionId,
    ) -> Result<Claimed, DurabilityError> {
        let _taking = self.taking(id)?;
        if let Some(before) = self.claim_of(id) {
            if before.is_held() {
                return Err(DurabilityError::Owned(id));
            }
            let _ = before.settled().await;
            before.end(DurabilityError::Fenced(id));
            drop(before.turn.lock().await);
        }
        let Taken { ours, record, entries } = ownership.take(tenant_id, id).await?;
        let claimed = async {
            let body = record.open(&tenant.keys).map_err(|error| damaged_record(id, &error))?;
            let damaged = |reason: String| DurabilityError::Damaged { id, reason };
            let mut tail = Tail::default();
            for bytes in &entries {
                let entry = Entry::from_bytes(bytes).map_err(|reason| damaged(format!("in the journal: {reason}")))?;
                tail.push(Kept { entry, wal: None, in_flight: false });
            }
            if !tail.follows(record.number) {
                return Err(damaged(format!("the journal does not go on after entry {}", record.number)));
            }
            let kept: Vec<Kept> = tail.iter().cloned().collect();
            // What is left of an owner before is not to be gone on with.
            lock(&self.tails).insert(id, Arc::new(std::sync::Mutex::new(tail)));
            let (facts, at, then) = replay(&tenant, &record, &body, &kept)?;
            let files = self.files(&tenant, id, at.as_ref(), then).await?;
            let whose = (tenant_id, tenant.clone(), Some(ours.clone()));
            Ok(self.own_with(whose, (record.clone(), nowhere(), body), facts, files))
        };
        let claimed = claimed.await;
        if claimed.is_err() {
            ours.give_up();
        }
        claimed
    }

    /// Deletes a session nobody has.
    pub(super) async fn delete_ours(
        &self,
        ownership: &Arc<dyn Ownership>,
        tenant_id: &TenantId,
        tenant: &Tenant,
        id: SessionId,
    ) -> Result<(), DurabilityError> {
        let (record, _) = self.record(tenant_id, id).await?;
        // Even one that cannot be opened can be deleted; its name then leads nowhere.
        let name = record.open(&tenant.keys).ok().and_then(|body| body.name);
        ownership.delete(tenant_id, id).await?;
        self.bury(tenant_id, id, name.as_ref()).await;
        Ok(())
    }

    /// Events of a session that is not open here and are in no segment of events yet: those of the entries its record names.
    pub(super) async fn elsewhere(
        &self,
        keys: &TenantKeys,
        tenant: &TenantId,
        record: &Record,
        after: Position,
    ) -> Result<Newer, DurabilityError> {
        let id = record.id;
        let damaged = |reason: String| DurabilityError::Damaged { id, reason };
        let mut newer = Newer::default();
        for segment in record.ownership.iter().flat_map(|ownership| &ownership.segments) {
            let epoch = Epoch::new(segment.epoch.get()).ok_or_else(|| damaged("there is no epoch 0".to_owned()))?;
            let key = places::batch(tenant, id, epoch, segment.first);
            let object = self.store.get(&key).await.map_err(|error| of_session(id, error))?;
            let object = object.ok_or_else(|| damaged(format!("{key} is missing")))?;
            for (head, bytes) in unpack(&object.bytes).map_err(|reason| damaged(format!("{key}: {reason}")))? {
                if head.number <= record.number || head.number > segment.last {
                    continue;
                }
                let image = Entry::from_bytes(&bytes).and_then(|entry| entry.open(keys));
                let image = image.map_err(|reason| damaged(format!("{key}: {reason}")))?;
                newer.events.extend(image.events.into_iter().filter(|event| event.position.seq > after.seq));
            }
        }
        Ok(newer)
    }
}

impl ClaimInner {
    /// Gives an entry to whoever carries it.
    ///
    /// # Errors
    /// Too many are on their way.
    pub(super) fn write_ours(
        self: &Arc<Self>,
        ours: &Arc<dyn Ours>,
        entry: Entry,
        image: &Image,
    ) -> Result<Pending, wal::AppendError> {
        let number = entry.number;
        // A key whose command has begun: who forgets it would run it twice.
        let fenced = image.keys.iter().any(|(_, command)| command.end.is_none());
        let pending = {
            let mut tail = lock(&self.tail);
            let pending = ours.append(number, entry.to_bytes(), fenced).map_err(wal::AppendError::Full)?;
            tail.push(Kept { entry, wal: None, in_flight: false });
            pending
        };
        let claim = self.clone();
        let told = async move {
            let told = pending.await;
            if let Err(why) = &told {
                claim.end(why.clone());
            }
            told
        };
        Ok(told.instrument(debug_span!("append_journal", entry = number)).boxed())
    }

    /// Has the record written by whoever writes it.
    pub(super) async fn change_ours(
        &self,
        ours: &Arc<dyn Ours>,
        record: &Record,
        version: &Version,
    ) -> Result<Version, DurabilityError> {
        let changed = ours.change(record.clone()).await;
        if let Err(why) = &changed {
            // One that goes to rest, or for ever, may yet do so.
            let goes = matches!(record.standing, Standing::Resting | Standing::Deleted { .. });
            if goes || matches!(why, DurabilityError::Fenced(_)) {
                self.end(why.clone());
            }
        }
        changed.map(|()| version.clone())
    }

    /// The claim ends when the session is not ours any more.
    pub(super) fn ends_with_ownership(self: &Arc<Self>) {
        let Some(ours) = &self.ours else { return };
        let (over, claim) = (ours.over(), Arc::downgrade(self));
        tokio::spawn(async move {
            over.await;
            if let Some(claim) = claim.upgrade() {
                claim.end(DurabilityError::Fenced(claim.id));
                claim.shared.disown(&claim);
            }
        });
    }
}

/// The version of a record that another writes.
fn nowhere() -> Version {
    Version::new("")
}
