//! The bytes of a segment: a header, then frames one after another.
//!
//! ```text
//! header   magic "WRNL" · format u32 · first u64 · previous u64 · synced u64 · flags u32 · key [32] · check [8]
//! frame    length u32 · check [8] · position u64 · synced u64 · body [length]
//! ```
//! All numbers are little-endian. `previous` is the position before `first` in this log, so a missing segment is noticed;
//! `synced` is up to where the log was durable when the header or frame was written. The check of a frame is the start of a
//! blake3 hash over position, synced, length and body under the key of the segment. The key is random, and the position is
//! stored under a mask taken from it: the body of an entry is a guest's to choose, and must not be taken for frames when
//! the log is searched for the next intact one behind a damaged place.

/// What every segment begins with.
pub(super) const MAGIC: [u8; 4] = *b"WRNL";
/// The format this version writes, and the highest it reads.
pub(super) const FORMAT: u32 = 1;
/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: usize = 76;
/// Bytes before the body of an entry.
pub(super) const FRAME_BYTES: usize = 28;
/// The segment was repaired: positions within it may leave some out.
const REPAIRED: u32 = 1;

/// A segment's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: u64,
    pub(super) previous: u64,
    pub(super) synced: u64,
    pub(super) repaired: bool,
    pub(super) key: Key,
}

/// What a header turns out to be.
#[derive(Debug)]
pub(super) enum Read {
    Header(Header),
    Damaged,
    Newer(u32),
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.previous.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced.to_le_bytes());
        bytes[32..36].copy_from_slice(&(if self.repaired { REPAIRED } else { 0 }).to_le_bytes());
        bytes[36..68].copy_from_slice(&self.key.0);
        let check = blake3::hash(&bytes[..68]);
        bytes[68..].copy_from_slice(&check.as_bytes()[..8]);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Read {
        if bytes[..4] != MAGIC || blake3::hash(&bytes[..68]).as_bytes()[..8] != bytes[68..] {
            return Read::Damaged;
        }
        let format = u32_at(bytes, 4);
        if format != FORMAT {
            return Read::Newer(format);
        }
        let mut key = [0; 32];
        key.copy_from_slice(&bytes[36..68]);
        Read::Header(Header {
            first: u64_at(bytes, 8),
            previous: u64_at(bytes, 16),
            synced: u64_at(bytes, 24),
            repaired: u32_at(bytes, 32) & REPAIRED != 0,
            key: Key(key),
        })
    }
}

/// The key of a segment's checks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(pub(super) [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn mask(&self) -> u64 {
        u64_at(&self.0, 0)
    }

    fn check(&self, position: u64, synced: u64, body: &[u8]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        let mut front = [0; 20];
        front[..8].copy_from_slice(&position.to_le_bytes());
        front[8..16].copy_from_slice(&synced.to_le_bytes());
        front[16..].copy_from_slice(&(body.len() as u32).to_le_bytes());
        hasher.update(&front);
        hasher.update(body);
        let mut check = [0; 8];
        check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        check
    }
}

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) position: u64,
    pub(super) synced: u64,
    pub(super) length: usize,
    check: [u8; 8],
}

impl Frame {
    pub(super) fn decode(bytes: &[u8; FRAME_BYTES], key: &Key) -> Frame {
        let mut check = [0; 8];
        check.copy_from_slice(&bytes[4..12]);
        Frame {
            length: u32_at(bytes, 0) as usize,
            check,
            position: u64_at(bytes, 12) ^ key.mask(),
            synced: u64_at(bytes, 20),
        }
    }

    pub(super) fn fits(&self, body: &[u8], key: &Key) -> bool {
        self.check == key.check(self.position, self.synced, body)
    }
}

/// Appends a frame with its body to `out`.
pub(super) fn put(out: &mut Vec<u8>, key: &Key, position: u64, synced: u64, body: &[u8]) {
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&key.check(position, synced, body));
    out.extend_from_slice(&(position ^ key.mask()).to_le_bytes());
    out.extend_from_slice(&synced.to_le_bytes());
    out.extend_from_slice(body);
}

/// The file name of the segment that begins with this position.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:016x}.wal")
}

/// The first position of the segment with this file name, if it is one.
pub(super) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".wal")?;
    if digits.len() != 16 || !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
