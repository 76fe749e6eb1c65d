//! Events of the past: from segments in the store, then from what the journal holds.

use super::{Shared, damaged_record, lock, of_session, segment};
use crate::keys::TenantKeys;
use crate::record::{Record, Segment, Standing, places};
use crate::store::Key;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;
use warren_session::durability::{DurabilityError, Past};
use warren_session::event::{Event, What};
use warren_session::id::{SessionId, TenantId};
use warren_session::position::Position;

impl Shared {
    pub(super) async fn events(
        &self,
        tenant: &TenantId,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> Result<Past, DurabilityError> {
        let keys = self.tenant(tenant).await?.keys;
        let mut seen = None;
        loop {
            // A checkpoint moves events from the tail to a segment: the tail is read first, so that none is missed between.
            let newer = self.tail_events(&keys, id, after, bytes)?;
            let (record, version) = self.record(tenant, id).await?;
            if matches!(record.standing, Standing::Deleted { .. }) {
                return Err(DurabilityError::Deleted(id));
            }
            record.open(&keys).map_err(|error| damaged_record(id, &error))?;
            if let Some(ownership) = &self.ownership
                && matches!(record.standing, Standing::Owned { .. })
                && seen.as_ref() != Some(&version)
                && self.claim_of(id).is_none()
            {
                ownership.settle(tenant, id).await?;
                seen = Some(self.record(tenant, id).await?.1);
                continue;
            }
            let page = async {
                let newer = match &record.ownership {
                    Some(_) if self.claim_of(id).is_none() => self.elsewhere(&keys, tenant, &record, after).await?,
                    _ => newer,
                };
                self.page(tenant, &keys, &record, newer, after, bytes).await
            };
            match page.await {
                // A segment that is not there was replaced since, if the record is another now.
                Err(error @ DurabilityError::Damaged { .. }) if seen.as_ref() == Some(&version) => return Err(error),
                Err(DurabilityError::Damaged { .. }) => seen = Some(version),
                page => return page,
            }
        }
    }

    /// Events from the segments of a record, then `newer` ones.
    async fn page(
        &self,
        tenant: &TenantId,
        keys: &Arc<TenantKeys>,
        record: &Record,
        newer: Newer,
        after: Position,
        bytes: usize,
    ) -> Result<Past, DurabilityError> {
        let mut past = Past::default();
        if record.first_event > after.seq + 1 {
            past.lost = Some((after.seq + 1, record.first_event - 1));
        }
        let mut taken = 0;
        for found in record.segments.iter().filter(|segment| segment.last > after.seq) {
            let events = self.unpacked(tenant, keys, record.id, found).await?;
            let seen = events.partition_point(|event| event.position.seq <= after.seq);
            for event in &events[seen..] {
                if taken >= bytes {
                    past.more = true;
                    return Ok(past);
                }
                taken += 128 + weight(event);
                past.events.push(event.clone());
            }
        }
        let known = past.events.last().map_or(after.seq, |event| event.position.seq);
        past.more = newer.more;
        for event in newer.events.into_iter().filter(|event| event.position.seq > known) {
            if taken >= bytes {
                past.more = true;
                break;
            }
            taken += 128 + weight(&event);
            past.events.push(event);
        }
        Ok(past)
    }

    /// What the journal holds after a position, up to about `bytes` of it: a reader takes a long tail part by part, and
    /// many readers do not each hold all of it.
    fn tail_events(
        &self,
        keys: &TenantKeys,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> Result<Newer, DurabilityError> {
        let Some(tail) = self.tail_of(id) else { return Ok(Newer::default()) };
        let entries: Vec<_> = {
            let tail = lock(&tail);
            tail.iter().filter(|kept| kept.entry.last_event > after.seq).map(|kept| kept.entry.clone()).collect()
        };
        let (mut newer, mut taken) = (Newer::default(), 0);
        for entry in entries {
            if taken >= bytes {
                newer.more = true;
                break;
            }
            let image = entry
                .open(keys)
                .map_err(|reason| DurabilityError::Damaged { id, reason: format!("in the journal: {reason}") })?;
            let events = image.events.into_iter().filter(|event| event.position.seq > after.seq);
            newer.events.extend(events.inspect(|event| taken += 128 + weight(event)));
        }
        Ok(newer)
    }

    /// The events of one segment.
    pub(super) async fn segment(
        &self,
        tenant: &TenantId,
        keys: &Arc<TenantKeys>,
        id: SessionId,
        found: &Segment,
    ) -> Result<Vec<Event>, DurabilityError> {
        let key = places::segment(tenant, id, found);
        let damaged = |reason: String| DurabilityError::Damaged { id, reason: format!("{}: {reason}", key.as_str()) };
        let object = self.store.get(&key).await.map_err(|error| of_session(id, error))?;
        let object = object.ok_or_else(|| damaged("it is missing".to_owned()))?;
        let (keys, found) = (keys.clone(), *found);
        // Beside whoever else is answered by this thread: there may be 32 MiB of them.
        let decode = move || segment::decode(&keys, id, found.first, found.last, &object.bytes);
        let events = tokio::task::spawn_blocking(decode).await;
        events.unwrap_or_else(|_| Err("it made the server fail".to_owned())).map_err(damaged)
    }

    /// As [`Shared::segment`], for readers, who take a log part by part: so many segments are unpacked at once, and the
    /// latest stay.
    async fn unpacked(
        &self,
        tenant: &TenantId,
        keys: &Arc<TenantKeys>,
        id: SessionId,
        found: &Segment,
    ) -> Result<Arc<Vec<Event>>, DurabilityError> {
        let key = places::segment(tenant, id, found);
        if let Some(events) = self.unpacked.get(&key) {
            return Ok(events);
        }
        let _turn = self.unpacked.turns.acquire().await.expect("the semaphore is never closed");
        // Another reader may have been faster.
        if let Some(events) = self.unpacked.get(&key) {
            return Ok(events);
        }
        let events = Arc::new(self.segment(tenant, keys, id, found).await?);
        self.unpacked.put(key, events.clone());
        Ok(events)
    }
}

/// Events that are in no segment yet.
#[derive(Default)]
pub(super) struct Newer {
    pub events: Vec<Event>,
    /// There are others behind them.
    pub more: bool,
}

/// Segments that are unpacked at once, and stay so: each has about 4 MiB of events, 32 MiB at most.
const UNPACKED_MAX: usize = 2;

/// The segments that were read last. They never change under their keys.
pub(super) struct Unpacked {
    turns: Semaphore,
    latest: Mutex<VecDeque<(Key, Arc<Vec<Event>>)>>,
}

impl Default for Unpacked {
    fn default() -> Unpacked {
        Unpacked { turns: Semaphore::new(UNPACKED_MAX), latest: Mutex::default() }
    }
}

impl Unpacked {
    fn get(&self, key: &Key) -> Option<Arc<Vec<Event>>> {
        lock(&self.latest).iter().find(|(known, _)| known == key).map(|(_, events)| events.clone())
    }

    fn put(&self, key: Key, events: Arc<Vec<Event>>) {
        let mut latest = lock(&self.latest);
        latest.retain(|(known, _)| *known != key);
        latest.push_back((key, events));
        if latest.len() > UNPACKED_MAX {
            latest.pop_front();
        }
    }
}

/// About how many bytes an event takes.
pub(super) fn weight(event: &Event) -> usize {
    match &event.what {
        What::Output { bytes, .. } => bytes.len(),
        What::FilesChanged { .. } => event.weight(),
        What::Started { command, .. } => command.iter().map(|word| 8 + word.len()).sum(),
        _ => 64,
    }
}
