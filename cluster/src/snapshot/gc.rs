//! Deleting packs that no snapshot names.
//!
//! ```text
//! put ── at least a grace ──▶ condemned, if nothing names it ── at least a grace ──▶ looked for again, then deleted
//! ```
//! A snapshot may refer to a pack that nothing else names any more: it found the chunk in the index of known chunks. Such
//! an entry is used for half a grace after its pack was put, and a snapshot is in a record within half a grace, so
//! nothing new finds a pack that way once it is old enough to be condemned. What a record names can still move to another
//! while records are looked at one by one: a fork is made behind the look, and its origin deleted in front of it. Such a
//! pass may condemn the pack; the one that would delete it looks at all records again, at least a grace later.
//! The names are looked for before the packs are listed, and a pack in use by blobs in memory is named too. The clock of
//! the store that dates its objects must be right to within a fraction of the grace.

use super::chunk::PackId;
use super::reference::SnapshotRef;
use super::{SnapshotError, Snapshots, pack};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;
use warren_kernel::host::Timestamp;

/// Packs condemned at once, at most; others wait for their turn.
pub const CONDEMNED_MAX: usize = 100_000;
/// Objects listed at once.
const LISTED: usize = 1000;

/// Packs that will be deleted if nothing names them when their time has come. To be kept between passes; a caller that
/// loses it only delays them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Condemned {
    packs: BTreeMap<PackId, Timestamp>,
}

/// The packs all snapshots of a tenant name.
#[derive(Clone, Debug, Default)]
pub struct Named {
    packs: BTreeSet<PackId>,
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Packs that are named.
    pub named: u64,
    /// Packs condemned and not deleted yet.
    pub condemned: u64,
    /// Packs deleted.
    pub deleted: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes in packs that are named.
    pub named_bytes: u64,
    /// Bytes in packs that nothing names and that are not deleted yet.
    pub unnamed_bytes: u64,
    /// Objects in the folder of packs that are none; they are left alone.
    pub strangers: u64,
}

impl Named {
    /// Adds what a snapshot names.
    ///
    /// # Errors
    /// `Reference` when its table makes no sense; nothing may be deleted then.
    pub fn add(&mut self, root: &SnapshotRef) -> Result<(), SnapshotError> {
        self.packs.extend(root.packs()?.iter().map(|row| row.pack));
        Ok(())
    }
}

impl Condemned {
    /// Condemns packs put at these times that nothing names, and tells which may be deleted. `now` is before the names
    /// were looked for.
    pub fn judge(
        &mut self,
        now: Timestamp,
        grace: Duration,
        named: &Named,
        packs: &[(PackId, Timestamp)],
    ) -> Vec<PackId> {
        let grace = i64::try_from(grace.as_nanos()).unwrap_or(i64::MAX);
        let is_past = |time: Timestamp| time.0.saturating_add(grace) <= now.0;
        let mut doomed = Vec::new();
        for (pack, put) in packs {
            if named.packs.contains(pack) || !is_past(*put) {
                self.packs.remove(pack);
            } else if let Some(since) = self.packs.get(pack) {
                if is_past(*since) {
                    doomed.push(*pack);
                }
            } else if self.packs.len() < CONDEMNED_MAX {
                self.packs.insert(*pack, now);
            }
        }
        doomed
    }
}

impl Snapshots {
    /// One pass over the tenant's packs. `named` is called once, when the pass has begun: it gives what all records name
    /// from then on (heads, kept checkpoints, and what a journal goes on from).
    ///
    /// # Errors
    /// Those of the store and of `named`; what was deleted by then was garbage.
    pub async fn sweep<F, N>(&self, condemned: &mut Condemned, named: F) -> Result<Sweep, SnapshotError>
    where
        F: FnOnce() -> N,
        N: Future<Output = Result<Named, SnapshotError>>,
    {
        let shared = &self.shared;
        let now = (shared.options.now)();
        let mut named = named().await?;
        named.packs.extend(self.pinned());
        let mut sweep = Sweep { named: named.packs.len() as u64, ..Sweep::default() };
        let prefix = pack::prefix(shared.keys.tenant());
        let mut seen = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let page = shared.store.list(&prefix, after.as_deref(), LISTED).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let mut packs = Vec::new();
            let mut sizes = BTreeMap::new();
            for listed in &page {
                match pack::id_of(&listed.key) {
                    Some(id) => {
                        packs.push((id, listed.modified));
                        sizes.insert(id, listed.bytes);
                        match named.packs.contains(&id) {
                            true => sweep.named_bytes += listed.bytes,
                            false => sweep.unnamed_bytes += listed.bytes,
                        }
                    }
                    None => sweep.strangers += 1,
                }
            }
            seen.extend(packs.iter().map(|(id, _)| *id).filter(|id| condemned.packs.contains_key(id)));
            for id in condemned.judge(now, shared.options.grace, &named, &packs) {
                shared.store.delete(&pack::key(shared.keys.tenant(), id)).await?;
                condemned.packs.remove(&id);
                sweep.deleted += 1;
                let size = sizes.get(&id).copied().unwrap_or(0);
                sweep.bytes += size;
                sweep.unnamed_bytes = sweep.unnamed_bytes.saturating_sub(size);
            }
            seen.extend(packs.iter().map(|(id, _)| *id).filter(|id| condemned.packs.contains_key(id)));
        }
        // What is no longer there was deleted by someone else.
        condemned.packs.retain(|id, _| seen.contains(id));
        sweep.condemned = condemned.packs.len() as u64;
        Ok(sweep)
    }
}
