//! Events of the past: from segments in the store, then from what the journal holds.

use super::{Shared, damaged_record, lock, of_session, segment};
use crate::keys::TenantKeys;
use crate::record::{Record, Segment, Standing, places};
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
            let newer = self.tail_events(&keys, id, after)?;
            let (record, version) = self.record(tenant, id).await?;
            if matches!(record.standing, Standing::Deleted { .. }) {
                return Err(DurabilityError::Deleted(id));
            }
            record.open(&keys).map_err(|error| damaged_record(id, &error))?;
            match self.page(tenant, &keys, &record, newer, after, bytes).await {
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
        keys: &TenantKeys,
        record: &Record,
        mut newer: Vec<Event>,
        after: Position,
        bytes: usize,
    ) -> Result<Past, DurabilityError> {
        let mut past = Past::default();
        if record.first_event > after.seq + 1 {
            past.lost = Some((after.seq + 1, record.first_event - 1));
        }
        let mut taken = 0;
        for found in record.segments.iter().filter(|segment| segment.last > after.seq) {
            for event in self.segment(tenant, keys, record.id, found).await? {
                if event.position.seq <= after.seq {
                    continue;
                }
                if taken >= bytes {
                    past.more = true;
                    return Ok(past);
                }
                taken += 128 + weight(&event);
                past.events.push(event);
            }
        }
        let known = past.events.last().map_or(after.seq, |event| event.position.seq);
        newer.retain(|event| event.position.seq > known);
        for event in newer {
            if taken >= bytes {
                past.more = true;
                break;
            }
            taken += 128 + weight(&event);
            past.events.push(event);
        }
        Ok(past)
    }

    fn tail_events(&self, keys: &TenantKeys, id: SessionId, after: Position) -> Result<Vec<Event>, DurabilityError> {
        let Some(tail) = self.tail_of(id) else { return Ok(Vec::new()) };
        let entries: Vec<_> = {
            let tail = lock(&tail);
            tail.iter().filter(|kept| kept.entry.last_event > after.seq).map(|kept| kept.entry.clone()).collect()
        };
        let mut events = Vec::new();
        for entry in entries {
            let image = entry
                .open(keys)
                .map_err(|reason| DurabilityError::Damaged { id, reason: format!("in the journal: {reason}") })?;
            events.extend(image.events.into_iter().filter(|event| event.position.seq > after.seq));
        }
        Ok(events)
    }

    /// The events of one segment.
    pub(super) async fn segment(
        &self,
        tenant: &TenantId,
        keys: &TenantKeys,
        id: SessionId,
        found: &Segment,
    ) -> Result<Vec<Event>, DurabilityError> {
        let key = places::segment(tenant, id, found);
        let damaged = |reason: String| DurabilityError::Damaged { id, reason: format!("{}: {reason}", key.as_str()) };
        let object = self.store.get(&key).await.map_err(|error| of_session(id, error))?;
        let object = object.ok_or_else(|| damaged("it is missing".to_owned()))?;
        segment::decode(keys, id, found.first, found.last, &object.bytes).map_err(damaged)
    }
}

/// About how many bytes an event takes.
pub(super) fn weight(event: &Event) -> usize {
    match &event.what {
        What::Output { bytes, .. } => bytes.len(),
        What::FilesChanged { paths, .. } => paths.iter().map(|path| 8 + path.len()).sum(),
        What::Started { command, .. } => command.iter().map(|word| 8 + word.len()).sum(),
        _ => 64,
    }
}
