//! Events in the store: objects of consecutive events, packed and sealed.

use crate::envelope::{EnvelopeError, Kind, from_slice, to_vec};
use crate::keys::TenantKeys;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use warren_session::event::Event;
use warren_session::id::SessionId;

const SEGMENT: Kind = Kind { magic: *b"WRNE", version: 1, name: "event segment", bytes_max: 64 << 20 };
/// Bytes of a segment's events before they are packed, at most.
const SEGMENT_BYTES_MAX: usize = 32 << 20;
/// A segment gets no more events behind so many bytes of them: readers unpack it whole.
pub(crate) const SEGMENT_FULL: usize = 4 << 20;
const LEVEL: i32 = 3;

#[derive(Serialize, Deserialize)]
struct Object {
    first: u64,
    last: u64,
    /// Bytes of the events before they were packed.
    plain: u64,
    sealed: Bytes,
}

/// Consecutive events as an object.
pub(crate) fn encode(keys: &TenantKeys, id: SessionId, events: &[Event]) -> Bytes {
    let mut plain = Vec::new();
    to_vec(&events, &mut plain);
    let packed = zstd::bulk::compress(&plain, LEVEL).expect("a buffer of any size can be packed");
    let (first, last) = bounds(events);
    let sealed = keys.seal(&aad(id, first, last), &packed);
    SEGMENT.encode(&Object { first, last, plain: plain.len() as u64, sealed }).into()
}

/// The events of an object, which must be those `first..=last` of session `id`.
pub(crate) fn decode(
    keys: &TenantKeys,
    id: SessionId,
    first: u64,
    last: u64,
    bytes: &[u8],
) -> Result<Vec<Event>, String> {
    let object: Object = SEGMENT.decode(bytes).map_err(|error: EnvelopeError| error.to_string())?;
    if (object.first, object.last) != (first, last) || object.plain > SEGMENT_BYTES_MAX as u64 {
        return Err(format!("it says it holds events {} to {}", object.first, object.last));
    }
    let packed = keys.open(&aad(id, first, last), &object.sealed).map_err(|error| error.to_string())?;
    let plain = zstd::bulk::decompress(&packed, object.plain as usize).map_err(|error| error.to_string())?;
    let events: Vec<Event> = from_slice(&plain)?;
    let numbered = events.iter().zip(first..).all(|(event, number)| event.position.seq == number);
    if !numbered || bounds(&events) != (first, last) {
        return Err("its events are not numbered one by one".to_owned());
    }
    Ok(events)
}

fn bounds(events: &[Event]) -> (u64, u64) {
    let number = |event: Option<&Event>| event.map_or(0, |event| event.position.seq);
    (number(events.first()), number(events.last()))
}

fn aad(id: SessionId, first: u64, last: u64) -> Vec<u8> {
    format!("events {id} {first} {last}").into_bytes()
}
