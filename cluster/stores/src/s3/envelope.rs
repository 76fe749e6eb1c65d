//! What an object is in a bucket: a head that makes each write unlike any other, then the bytes that were put.
//!
//! ```text
//! 0        8                20        24         32          48
//! ┌────────┬────────────────┬─────────┬──────────┬───────────┬─────────
//! │WarrenO1│ write, random  │ attempt │ length   │ hash      │ bytes ...
//! └────────┴────────────────┴─────────┴──────────┴───────────┴─────────
//! ```
//! A bucket names a write by an entity tag that is a hash of its bytes: the same bytes, written again, have the same one, and
//! a conditional write would not notice what was between. With the head no two tries have the same bytes. And who reads it
//! sees whose write it is: how a write ended that had no answer. Numbers are big-endian; the hash is blake3's first half.
use bytes::Bytes;

/// Bytes before those that were put.
pub(crate) const HEAD_BYTES: usize = 48;
const MAGIC: &[u8; 8] = b"WarrenO1";

/// Names one write: a call, whatever it takes to do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteId(pub [u8; 12]);

/// The bytes of a write, hashed once for all its tries.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    id: WriteId,
    hash: [u8; 16],
    bytes: Bytes,
}

impl Sealed {
    pub(crate) fn new(id: WriteId, bytes: Bytes) -> Sealed {
        Sealed { id, hash: hash(&bytes), bytes }
    }

    pub(crate) fn id(&self) -> WriteId {
        self.id
    }

    /// Bytes with their head.
    pub(crate) fn len(&self) -> usize {
        HEAD_BYTES + self.bytes.len()
    }

    /// What is sent in a try: part `number` of those that are `part_bytes` long, counted from 0.
    pub(crate) fn part(&self, attempt: u32, number: usize, part_bytes: usize) -> Bytes {
        let from = number * part_bytes;
        let to = (from + part_bytes).min(self.len());
        if from >= HEAD_BYTES {
            return self.bytes.slice(from - HEAD_BYTES..to - HEAD_BYTES);
        }
        let mut part = Vec::with_capacity(to - from);
        part.extend_from_slice(MAGIC);
        part.extend_from_slice(&self.id.0);
        part.extend_from_slice(&attempt.to_be_bytes());
        part.extend_from_slice(&(self.bytes.len() as u64).to_be_bytes());
        part.extend_from_slice(&self.hash);
        part.extend_from_slice(&self.bytes[..to - HEAD_BYTES]);
        part.into()
    }
}

/// Whose write a head is of; `None`: not of ours.
pub(crate) fn write_of(head: &[u8]) -> Option<WriteId> {
    let head = head.get(..HEAD_BYTES)?;
    head.starts_with(MAGIC).then(|| WriteId(head[8..20].try_into().expect("12 bytes")))
}

/// The bytes that were put.
///
/// # Errors
/// What does not fit.
pub(crate) fn open(object: &Bytes) -> Result<Bytes, String> {
    let Some(head) = object.get(..HEAD_BYTES).filter(|head| head.starts_with(MAGIC)) else {
        return Err("it does not begin as an object of a session does".to_owned());
    };
    let said = u64::from_be_bytes(head[24..32].try_into().expect("8 bytes"));
    let bytes = object.slice(HEAD_BYTES..);
    if bytes.len() as u64 != said {
        return Err(format!("it has {} of {said} bytes", bytes.len()));
    }
    if hash(&bytes) != head[32..48] {
        return Err("its bytes are not those that were put".to_owned());
    }
    Ok(bytes)
}

fn hash(bytes: &[u8]) -> [u8; 16] {
    blake3::hash(bytes).as_bytes()[..16].try_into().expect("half of 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::{HEAD_BYTES, Sealed, WriteId, open, write_of};
    use bytes::Bytes;

    #[test]
    fn what_is_sealed_opens_and_is_told_apart_by_try() {
        for length in [0usize, 1, 100, 5000] {
            let bytes: Bytes = (0..length).map(|at| at as u8).collect();
            let sealed = Sealed::new(WriteId([7; 12]), bytes.clone());
            let whole = sealed.part(0, 0, sealed.len());
            assert_eq!(open(&whole).unwrap(), bytes);
            assert_eq!(write_of(&whole), Some(WriteId([7; 12])));
            assert_ne!(whole, sealed.part(1, 0, sealed.len()));
            for part_bytes in [HEAD_BYTES, 100, 1024] {
                let parts = (0..sealed.len().div_ceil(part_bytes)).map(|at| sealed.part(0, at, part_bytes));
                assert_eq!(Bytes::from(parts.collect::<Vec<_>>().concat()), whole, "{part_bytes}");
            }
        }
    }

    #[test]
    fn what_is_damaged_does_not() {
        let whole = Sealed::new(WriteId([7; 12]), Bytes::from_static(b"something")).part(0, 0, 1000);
        for at in [0, 26, 40, 50] {
            let mut wrong = whole.to_vec();
            wrong[at] ^= 1;
            open(&wrong.into()).unwrap_err();
        }
        for length in [0, 10, HEAD_BYTES, whole.len() - 1] {
            open(&whole.slice(..length)).unwrap_err();
        }
        assert_eq!(write_of(b"something else, of forty-eight bytes or of some more"), None);
        assert_eq!(write_of(b"WarrenO1"), None);
    }
}
