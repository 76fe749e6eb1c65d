//! Clearing away what nobody refers to any more.
//!
//! A sweep goes through a tenant's records once: what they name stays. Objects of sessions that are gone, segments no
//! record names and names that lead nowhere go after the grace, tombstones after a day; packs are collected by the snapshots' own
//! collector, from what the records, the claims and the journal name.

use super::{Shared, lock, of_session, unavailable, unavailable_store};
use crate::record::{Record, Standing, places};
use crate::snapshot::gc::Named;
use crate::snapshot::{SnapshotError, SnapshotRef};
use crate::store::Key;
use std::collections::HashSet;
use warren_kernel::host::Timestamp;
use warren_session::durability::DurabilityError;
use warren_session::id::{SessionId, TenantId};

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records that were looked at.
    pub records: usize,
    /// Tombstones that were old enough.
    pub tombstones: usize,
    /// Objects of sessions that were deleted: segments, batches, names.
    pub objects: usize,
    /// Packs that were deleted.
    pub packs: usize,
    /// Packs nobody names whose grace is not over.
    pub waiting: usize,
    /// Bytes of packs and segments that stay.
    pub kept_bytes: u64,
    /// Bytes of packs nobody names whose grace is not over.
    pub waiting_bytes: u64,
    /// Records that cannot be read; nothing of the tenant's packs is deleted while there is one.
    pub unreadable: Vec<SessionId>,
}

impl super::Keeper {
    /// Clears away what nobody refers to any more of one tenant. Safe at any time, beside any work.
    ///
    /// # Errors
    /// Those of the store; what was cleared by then stays cleared.
    pub async fn sweep(&self, tenant: &TenantId) -> Result<Swept, DurabilityError> {
        self.shared.sweep(tenant).await
    }

    /// Keeps the journal short: see [`super::KeeperOptions::journal_segments`]. To be called now and then.
    pub async fn tidy(&self) -> usize {
        self.shared.tidy_journal().await
    }
}

impl Shared {
    async fn sweep(&self, tenant_id: &TenantId) -> Result<Swept, DurabilityError> {
        // What others of a cluster name and have not written down yet is not known here: nothing is cleared away.
        if self.ownership.is_some() {
            return Ok(Swept::default());
        }
        let tenant = self.tenant(tenant_id).await?;
        let before = self.stored.fresh(tenant_id);
        let mut swept = Swept::default();
        let mut failure = None;
        let mut condemned = lock(&self.condemned).remove(tenant_id).unwrap_or_default();
        let (told, failed) = (&mut swept, &mut failure);
        let names = move || async move {
            self.forget_gone(tenant_id).await;
            // The collector is told nothing rather than half of what is named.
            match self.go_through(tenant_id, told).await {
                Ok(named) => named.ok_or(SnapshotError::Stopped),
                Err(error) => {
                    *failed = Some(error);
                    Err(SnapshotError::Stopped)
                }
            }
        };
        let collected = tenant.snapshots.sweep(&mut condemned, names).await;
        lock(&self.condemned).insert(tenant_id.clone(), condemned);
        if let Some(error) = failure {
            return Err(error);
        }
        match collected {
            Ok(collected) => {
                (swept.packs, swept.waiting) = (collected.deleted as usize, collected.condemned as usize);
                swept.kept_bytes += collected.named_bytes;
                swept.waiting_bytes = collected.unnamed_bytes;
                self.stored.swept(tenant_id, before, swept.kept_bytes, swept.waiting_bytes);
            }
            Err(SnapshotError::Stopped) if !swept.unreadable.is_empty() => {}
            Err(error) => return Err(unavailable(&error)),
        }
        Ok(swept)
    }

    /// Forgets what the journal holds of sessions nobody has taken since the start, as far as their records know it: it
    /// would keep packs and the log alive.
    async fn forget_gone(&self, tenant: &TenantId) {
        let tails: Vec<_> = lock(&self.tails).iter().map(|(id, tail)| (*id, tail.clone())).collect();
        for (id, tail) in tails {
            let is_ours = lock(&tail).last().is_some_and(|kept| kept.entry.tenant == *tenant);
            // One that cannot be read is counted when its record is.
            if is_ours && self.claim_of(id).is_none() {
                let _ = self.forget_known(tenant, id).await;
            }
        }
    }

    /// Looks at every record of a tenant and clears away what is none of theirs. Answers with the packs they name;
    /// `None` when one of them cannot be read.
    async fn go_through(&self, tenant_id: &TenantId, swept: &mut Swept) -> Result<Option<Named>, DurabilityError> {
        let now = self.host.realtime();
        let mut named = Named::default();
        let mut there = HashSet::new();
        let prefix = places::records(tenant_id);
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.list(&prefix, after.as_ref(), 1000).await.map_err(unavailable_store)?;
            for entry in &page.entries {
                let Some(id) = super::id_of(&prefix, entry.key.as_str()) else { continue };
                swept.records += 1;
                match self.record(tenant_id, id).await {
                    Ok((Record { standing: Standing::Deleted { at }, .. }, _)) => {
                        if has_passed(self.options.tombstones, at, now) {
                            self.clear_session(tenant_id, id).await?;
                            self.store.delete(&entry.key).await.map_err(|error| of_session(id, error))?;
                            swept.tombstones += 1;
                        }
                    }
                    Ok((record, _)) => {
                        swept.objects += self.clear_unnamed(tenant_id, &record, now).await?;
                        swept.kept_bytes += record.segments.iter().map(|segment| segment.bytes).sum::<u64>();
                        for snapshot in record.snapshots() {
                            named.add(snapshot).map_err(|error| super::of_snapshot(id, error))?;
                        }
                        there.insert(id);
                    }
                    Err(DurabilityError::Missing(_)) => {}
                    Err(DurabilityError::Damaged { .. }) => {
                        swept.unreadable.push(id);
                        there.insert(id);
                    }
                    Err(error) => return Err(error),
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => break,
            }
        }
        swept.objects += self.clear_orphans(tenant_id, &there, now).await?;
        swept.objects += self.clear_names(tenant_id, now).await?;
        for snapshot in self.journalled(tenant_id) {
            named.add(&snapshot).map_err(|error| unavailable(&error))?;
        }
        Ok(swept.unreadable.is_empty().then_some(named))
    }

    /// Snapshots that the journal and the claims of this process name.
    fn journalled(&self, tenant: &TenantId) -> Vec<SnapshotRef> {
        let tails: Vec<_> = lock(&self.tails).values().cloned().collect();
        let mut named = Vec::new();
        for tail in tails {
            let tail = lock(&tail);
            let ours = tail.iter().filter(|kept| kept.entry.tenant == *tenant);
            named.extend(ours.filter_map(|kept| kept.entry.snapshot.clone()));
        }
        let claims: Vec<_> = lock(&self.live).values().filter_map(std::sync::Weak::upgrade).collect();
        for claim in claims.iter().filter(|claim| claim.tenant_id == *tenant) {
            named.extend(lock(&claim.state).base.as_ref().and_then(|base| base.at.clone()));
        }
        named
    }

    fn is_old(&self, at: Timestamp, now: Timestamp) -> bool {
        has_passed(self.options.grace, at, now)
    }

    /// Segments of a session that its record does not name: left by an owner that was fenced or died, or replaced.
    async fn clear_unnamed(
        &self,
        tenant: &TenantId,
        record: &Record,
        now: Timestamp,
    ) -> Result<usize, DurabilityError> {
        let named: HashSet<Key> =
            record.segments.iter().map(|segment| places::segment(tenant, record.id, segment)).collect();
        let is_segment = |key: &Key| key.as_str().rsplit('/').next().is_some_and(|name| name.starts_with('j'));
        self.clear(&places::session(tenant, record.id), |key, modified| {
            is_segment(key) && !named.contains(key) && self.is_old(modified, now)
        })
        .await
    }

    /// Objects of sessions that have no record.
    async fn clear_orphans(
        &self,
        tenant: &TenantId,
        there: &HashSet<SessionId>,
        now: Timestamp,
    ) -> Result<usize, DurabilityError> {
        let prefix = format!("{tenant}/s/");
        self.clear(&prefix, |key, modified| {
            let id = key.as_str().strip_prefix(&prefix).and_then(|rest| rest.split('/').next());
            let id = id.and_then(|id| id.parse::<SessionId>().ok());
            id.is_none_or(|id| !there.contains(&id)) && self.is_old(modified, now)
        })
        .await
    }

    /// Names that lead nowhere: of sessions whose maker died between the name and the record, or of which only the name was
    /// durable when the power went.
    async fn clear_names(&self, tenant: &TenantId, now: Timestamp) -> Result<usize, DurabilityError> {
        let prefix = places::names(tenant);
        let (mut cleared, mut after): (usize, Option<Key>) = (0, None);
        loop {
            let page = self.store.list(&prefix, after.as_ref(), 1000).await.map_err(unavailable_store)?;
            for entry in &page.entries {
                if self.is_old(timestamp(entry.modified), now) && self.clear_name(tenant, &entry.key).await? {
                    cleared += 1;
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(cleared),
            }
        }
    }

    /// Everything of a session but its record.
    pub(super) async fn clear_session(&self, tenant: &TenantId, id: SessionId) -> Result<usize, DurabilityError> {
        self.clear(&places::session(tenant, id), |_, _| true).await
    }

    async fn clear(
        &self,
        prefix: &str,
        goes: impl Fn(&Key, Timestamp) -> bool + Send + Sync,
    ) -> Result<usize, DurabilityError> {
        let mut cleared = 0;
        let mut after: Option<Key> = None;
        loop {
            let page = self.store.list(prefix, after.as_ref(), 1000).await.map_err(unavailable_store)?;
            for entry in &page.entries {
                if goes(&entry.key, timestamp(entry.modified)) {
                    self.store.delete(&entry.key).await.map_err(unavailable_store)?;
                    cleared += 1;
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(cleared),
            }
        }
    }
}

fn has_passed(time: std::time::Duration, since: Timestamp, now: Timestamp) -> bool {
    now.0.saturating_sub(since.0) >= i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// A time of the store's as sessions have it.
pub(super) fn timestamp(time: std::time::SystemTime) -> Timestamp {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
