//! What the journal held when it was opened.

use super::batch::Entry;
use super::tail::Kept;
use super::{Shared, lock};
use crate::record::Standing;
use crate::wal::{Recovery, RecoveryReport, WalError};
use std::collections::HashMap;
use tokio::sync::oneshot;
use warren_session::durability::DurabilityError;

/// What was found at the start.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Sessions with something in the journal; most of it may be in their records already.
    pub sessions: usize,
    /// Entries of the journal.
    pub entries: usize,
    /// Entries that make no sense, by their place in the log; they are left out, and a session that needs one says so.
    pub unreadable: Vec<u64>,
    /// What the log says of itself: a torn end, damaged parts.
    pub log: RecoveryReport,
}

impl Shared {
    /// Reads the journal into tails by session. What a record knows already is dropped when its session is next taken,
    /// or by a sweep.
    pub(super) fn recover(&self, recovery: Recovery) -> Result<Recovered, WalError> {
        let log = recovery.report().clone();
        let (mut entries, mut unreadable) = (0, Vec::new());
        let mut found_of: HashMap<_, Vec<Kept>> = HashMap::new();
        for found in recovery {
            let found = found?;
            let place = found.position.as_u64();
            let Ok(entry) = Entry::from_bytes(&found.body) else {
                unreadable.push(place);
                continue;
            };
            entries += 1;
            let (tenant, id) = (entry.tenant.clone(), entry.id);
            self.pin(place, &tenant, id);
            found_of.entry(id).or_default().push(Kept { entry, wal: Some(place), in_flight: false });
        }
        for (id, mut found) in found_of {
            // Not in the order of the log: what was moved to its end stands behind what followed it.
            found.sort_by_key(|kept| (kept.entry.epoch, kept.entry.number, std::cmp::Reverse(kept.wal)));
            let tail = self.tail_made(id);
            for kept in found {
                let given_up = lock(&tail).push(kept);
                self.unpin(&given_up);
            }
        }
        let sessions = lock(&self.tails).len();
        Ok(Recovered { sessions, entries, unreadable, log })
    }

    /// Forgets what the records of sessions nobody has taken know already, and writes again what holds back the oldest
    /// part of the log; live sessions are asked to bring theirs into the store.
    pub(super) async fn tidy_journal(self: &std::sync::Arc<Self>) -> usize {
        let Some(wal) = &self.wal else { return 0 };
        let next = wal.next().as_u64();
        let oldest = lock(&self.pins).keys().next().copied().unwrap_or(next);
        let mut moved = 0;
        // Places are numbers of entries: what they weigh is not known, so the log's own segments are the measure.
        if wal.segments() as u64 <= self.options.journal_segments {
            return moved;
        }
        let until = oldest + (next - oldest) / 2;
        let held: Vec<_> = lock(&self.pins).range(..until).map(|(place, whose)| (*place, whose.clone())).collect();
        let mut seen = std::collections::HashSet::new();
        for (_, (tenant, id)) in held {
            if !seen.insert(id) {
                continue;
            }
            match self.claim_of(id) {
                Some(claim) if claim.check().is_ok() => claim.fold_soon(),
                _ => moved += self.move_tail(&tenant, id).await,
            }
        }
        moved
    }

    /// Appends again what the journal holds of a session nobody has.
    async fn move_tail(&self, tenant: &warren_session::id::TenantId, id: warren_session::id::SessionId) -> usize {
        let Some(tail) = self.tail_of(id) else { return 0 };
        if self.forget_known(tenant, id).await.is_err() {
            return 0;
        }
        let mut moved = 0;
        let entries = lock(&tail).logged();
        for (which, bytes) in entries {
            let (sender, written) = oneshot::channel();
            let then = move |result| drop(sender.send(result));
            let appended =
                self.append_pinned((tenant, id), |wal| wal.append_then(bytes, crate::wal::Level::Synced, then));
            let Ok(place) = appended else { break };
            if !matches!(written.await, Ok(Ok(()))) {
                self.unpin(&[place]);
                break;
            }
            // One that was forgotten meanwhile is needed at neither place.
            let old = lock(&tail).moved(which, place).unwrap_or(place);
            self.unpin(&[old]);
            moved += 1;
        }
        moved
    }

    /// Forgets what the journal holds of a session that its record knows already; all of it when the session is gone.
    /// Ids are never given again, and a record is there before the first entry: nothing that is needed is forgotten.
    pub(super) async fn forget_known(
        &self,
        tenant: &warren_session::id::TenantId,
        id: warren_session::id::SessionId,
    ) -> Result<(), DurabilityError> {
        let Some(tail) = self.tail_of(id) else { return Ok(()) };
        let known = match self.record(tenant, id).await {
            Ok((record, _)) if matches!(record.standing, Standing::Deleted { .. }) => u64::MAX,
            Ok((record, _)) => record.number,
            // It was deleted long ago, or never acknowledged.
            Err(DurabilityError::Missing(_)) => u64::MAX,
            Err(error) => return Err(error),
        };
        let places = lock(&tail).forget(known);
        self.unpin(&places);
        Ok(())
    }
}
