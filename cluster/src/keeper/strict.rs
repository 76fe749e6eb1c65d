//! `strict` sessions: an entry is in the store, and the session still ours, before it is acknowledged.
//!
//! Entries that arrive while an object is on its way go together in the next one. An entry that needs no more than the log
//! waits for the next that does: the store alone, without this node's journal, has them all up to some number.

use super::batch::Entry;
use super::claim::{ClaimInner, ClaimState};
use super::{lock, of_put, of_session};
use crate::envelope::Kind;
use crate::record::{Standing, places};
use crate::store::{Flush, PutError};
use futures_util::FutureExt;
use std::sync::Arc;
use tokio::sync::oneshot;
use warren_session::durability::{DurabilityError, Pending};
use warren_session::id::{SessionId, TenantId};
use warren_session::position::Epoch;

pub(super) const BATCH: Kind = Kind { magic: *b"WRNB", version: 1, name: "batch of entries", bytes_max: 64 << 20 };
/// Bytes of entries in one object, at most, but for one that is larger by itself.
const BATCH_BYTES: usize = 8 << 20;
/// Entries that may wait for one that somebody waits for.
const LATER_MAX: usize = 64;
/// Batches a session may have in the store that its record does not know.
const BATCHES_MAX: usize = 100_000;

/// An entry on its way to the store.
pub(super) struct Waiting {
    entry: Entry,
    /// `None`: nobody waits, and it goes with one that somebody waits for.
    reply: Option<oneshot::Sender<Result<(), DurabilityError>>>,
}

impl Waiting {
    pub(super) fn refuse(self, why: &DurabilityError) {
        self.answer(Err(why.clone()));
    }

    fn answer(self, stored: Result<(), DurabilityError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(stored); // Whoever waited may have gone.
        }
    }
}

impl ClaimInner {
    pub(super) fn store_entry(self: &Arc<Self>, state: &mut ClaimState, entry: Entry) -> Pending {
        let (reply, answer) = oneshot::channel();
        state.strict.push_back(Waiting { entry, reply: Some(reply) });
        self.run_strict(state);
        async move {
            answer.await.unwrap_or_else(|_| Err(DurabilityError::Unavailable("this node is shutting down".to_owned())))
        }
        .boxed()
    }

    /// An entry of a `strict` session that is acknowledged without the store. Those behind it are not to be there without it.
    pub(super) fn store_entry_later(self: &Arc<Self>, state: &mut ClaimState, entry: Entry) {
        state.strict.push_back(Waiting { entry, reply: None });
        if state.strict.len() > LATER_MAX {
            self.run_strict(state);
        }
    }

    /// The record knows everything up to `covered`: what nobody waits for need not be stored.
    pub(super) fn forget_waiting(&self, covered: u64) {
        let mut state = lock(&self.state);
        state.strict.retain(|one| one.reply.is_some() || one.entry.number > covered);
    }

    fn run_strict(self: &Arc<Self>, state: &mut ClaimState) {
        if !state.strict_runs {
            state.strict_runs = true;
            tokio::spawn(self.clone().drain_strict());
        }
    }

    async fn drain_strict(self: Arc<Self>) {
        loop {
            let waiting = {
                let mut state = lock(&self.state);
                let mut bytes = 0;
                let mut count = 0;
                for one in &state.strict {
                    bytes += one.entry.sealed.len();
                    if count > 0 && bytes > BATCH_BYTES {
                        break;
                    }
                    count += 1;
                }
                let is_waited_for = state.strict.iter().any(|one| one.reply.is_some());
                if count == 0 || (!is_waited_for && state.strict.len() <= LATER_MAX) {
                    state.strict_runs = false;
                    return;
                }
                state.strict.drain(..count).collect::<Vec<_>>()
            };
            let entries: Vec<&Entry> = waiting.iter().map(|one| &one.entry).collect();
            let stored = self.store_batch(&entries).await;
            if let Err(why) = &stored {
                self.end(why.clone());
            }
            for one in waiting {
                one.answer(stored.clone());
            }
        }
    }

    async fn store_batch(&self, entries: &[&Entry]) -> Result<(), DurabilityError> {
        let first = entries.first().map_or(0, |entry| entry.number);
        let key = places::batch(&self.tenant_id, self.id, self.epoch, first);
        match self.shared.store.put_if_absent(&key, BATCH.encode(&entries).into(), Flush::Now).await {
            // It is there already: an answer that was lost on the way. Nobody else writes under our epoch.
            Ok(_) | Err(PutError::Conflict) => {}
            Err(error) => return Err(of_put(self.id, error)),
        }
        // Whoever takes the session over changes the record before it looks for batches: either it sees this one, or
        // we see its epoch and acknowledge nothing.
        let (record, _) = self.shared.record(&self.tenant_id, self.id).await?;
        let ours =
            record.epoch == self.epoch && record.standing == Standing::Owned { incarnation: self.shared.incarnation };
        if ours { Ok(()) } else { Err(DurabilityError::Fenced(self.id)) }
    }
}

impl super::Shared {
    /// The entries in a session's batches, and the keys of those.
    pub(super) async fn stored_entries(
        &self,
        tenant: &TenantId,
        id: SessionId,
        upto: Epoch,
    ) -> Result<(Vec<Entry>, Vec<crate::store::Key>), DurabilityError> {
        let prefix = places::session(tenant, id);
        let (mut entries, mut keys): (Vec<Entry>, Vec<crate::store::Key>) = (Vec::new(), Vec::new());
        let mut after = None;
        loop {
            let page = self.store.list(&prefix, after.as_ref(), 1000).await.map_err(|error| of_session(id, error))?;
            for found in &page.entries {
                let name = found.key.as_str().rsplit('/').next().unwrap_or_default();
                if !name.starts_with('b') {
                    continue;
                }
                if keys.len() == BATCHES_MAX {
                    let reason = format!("more than {BATCHES_MAX} batches lie in the store");
                    return Err(DurabilityError::Damaged { id, reason });
                }
                let object = self.store.get(&found.key).await.map_err(|error| of_session(id, error))?;
                let Some(object) = object else { continue };
                let batch: Vec<Entry> = BATCH.decode(&object.bytes).map_err(|error| DurabilityError::Damaged {
                    id,
                    reason: format!("{}: {error}", found.key.as_str()),
                })?;
                entries.extend(batch.into_iter().filter(|entry| entry.id == id && entry.epoch <= upto));
                keys.push(found.key.clone());
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok((entries, keys)),
            }
        }
    }
}
