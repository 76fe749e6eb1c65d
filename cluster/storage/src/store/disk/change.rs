//! What the log of a store on disk holds: one change of one key an entry.
//!
//! ```text
//! kind u8 · version u64 · modified u64 (ms since 1970) · key length u16 · key · bytes | file u64 · length u64 | nothing
//! ```
use super::super::Key;
use bytes::{BufMut, Bytes, BytesMut};
use std::time::{Duration, SystemTime};

const FRONT_BYTES: usize = 1 + 8 + 8 + 2;

/// The newest state of a key, until it is moved to its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) version: u64,
    /// Milliseconds since 1970.
    pub(super) modified: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The object itself.
    Bytes(Bytes),
    /// The object lies in a file of its own, complete and durable, which only has to get its name.
    File { file: u64, length: u64 },
    /// There is no object.
    Deleted,
}

impl Held {
    /// The version of the object, if there is one.
    pub(super) fn live(&self) -> Option<u64> {
        (self.what != What::Deleted).then_some(self.version)
    }

    pub(super) fn length(&self) -> u64 {
        match &self.what {
            What::Bytes(bytes) => bytes.len() as u64,
            What::File { length, .. } => *length,
            What::Deleted => 0,
        }
    }

    /// Bytes of memory it takes, roughly.
    pub(super) fn weight(&self, key: &Key) -> usize {
        let bytes = match &self.what {
            What::Bytes(bytes) => bytes.len(),
            What::File { .. } | What::Deleted => 0,
        };
        bytes + key.as_str().len() + 128
    }

    /// The entry for the log. What this holds shares its memory from here on.
    pub(super) fn encode(&mut self, key: &Key) -> Bytes {
        let name = key.as_str().as_bytes();
        let mut entry = BytesMut::with_capacity(FRONT_BYTES + name.len() + 16 + self.length().min(1 << 20) as usize);
        entry.put_u8(match self.what {
            What::Bytes(_) => 1,
            What::File { .. } => 2,
            What::Deleted => 3,
        });
        entry.put_u64_le(self.version);
        entry.put_u64_le(self.modified);
        entry.put_u16_le(name.len() as u16);
        entry.put_slice(name);
        match &self.what {
            What::Bytes(bytes) => entry.put_slice(bytes),
            What::File { file, length } => {
                entry.put_u64_le(*file);
                entry.put_u64_le(*length);
            }
            What::Deleted => {}
        }
        let entry = entry.freeze();
        if let What::Bytes(bytes) = &mut self.what {
            *bytes = entry.slice(FRONT_BYTES + name.len()..);
        }
        entry
    }

    /// Reads an entry; `None` when it is not one of ours.
    pub(super) fn decode(entry: &Bytes) -> Option<(Key, Held)> {
        let front = entry.get(..FRONT_BYTES)?;
        let number = |at: usize| u64::from_le_bytes(front[at..at + 8].try_into().expect("eight bytes"));
        let name_end = FRONT_BYTES + usize::from(u16::from_le_bytes([front[17], front[18]]));
        let key = Key::new(std::str::from_utf8(entry.get(FRONT_BYTES..name_end)?).ok()?).ok()?;
        let rest = entry.slice(name_end..);
        let what = match front[0] {
            1 => What::Bytes(rest),
            2 if rest.len() == 16 => What::File {
                file: u64::from_le_bytes(rest[..8].try_into().expect("eight bytes")),
                length: u64::from_le_bytes(rest[8..].try_into().expect("eight bytes")),
            },
            3 if rest.is_empty() => What::Deleted,
            _ => return None,
        };
        Some((key, Held { version: number(1), modified: number(9), what }))
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

pub(super) fn time(modified: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(modified)).unwrap_or(SystemTime::UNIX_EPOCH)
}
