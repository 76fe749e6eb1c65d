//! An object store with the semantics the protocol needs: conditional writes, reads and lists that see what was written.
//! What becomes of requests and answers on their way is the network's.

use crate::entry::Entry;
use crate::message::{StoreAnswer, StoreFailure, StoreRequest, Version};
use crate::name::SessionId;
use crate::position::Epoch;
use crate::record::Record;
use std::collections::BTreeMap;

/// Everything that is in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bucket {
    records: BTreeMap<SessionId, (Record, Version)>,
    segments: BTreeMap<(SessionId, Epoch, u64), Vec<Entry>>,
    versions: u64,
}

impl Bucket {
    /// Does what is asked, at once and whole.
    ///
    /// # Errors
    /// `Mismatch`.
    pub fn apply(&mut self, request: &StoreRequest) -> Result<StoreAnswer, StoreFailure> {
        match request {
            StoreRequest::Read(id) => {
                let found = self.records.get(id).map(|(record, version)| (Box::new(record.clone()), *version));
                Ok(StoreAnswer::Record(found))
            }
            StoreRequest::Write(id, condition, record) => {
                if self.records.get(id).map(|(_, version)| *version) != *condition {
                    return Err(StoreFailure::Mismatch);
                }
                self.versions += 1;
                let version = Version(self.versions);
                self.records.insert(*id, ((**record).clone(), version));
                Ok(StoreAnswer::Written(version))
            }
            StoreRequest::Put(id, epoch, entries) => {
                let Some(first) = entries.first() else { return Ok(StoreAnswer::Put) };
                let key = (*id, *epoch, first.seq);
                if self.segments.contains_key(&key) {
                    return Err(StoreFailure::Mismatch);
                }
                self.segments.insert(key, entries.clone());
                Ok(StoreAnswer::Put)
            }
            StoreRequest::List(id, epoch, after) => {
                let range = (*id, *epoch, after + 1)..=(*id, *epoch, u64::MAX);
                Ok(StoreAnswer::Entries(self.segments.range(range).map(|(_, entries)| entries.clone()).collect()))
            }
            StoreRequest::Remove(id, version) => {
                if self.records.get(id).is_none_or(|(_, there)| there != version) {
                    return Err(StoreFailure::Mismatch);
                }
                self.records.remove(id);
                Ok(StoreAnswer::Removed)
            }
        }
    }

    /// A session's record.
    pub fn record(&self, id: SessionId) -> Option<&Record> {
        self.records.get(&id).map(|(record, _)| record)
    }

    /// Entries of one object.
    pub fn segment(&self, id: SessionId, epoch: Epoch, first: u64) -> Option<&[Entry]> {
        self.segments.get(&(id, epoch, first)).map(Vec::as_slice)
    }
}
