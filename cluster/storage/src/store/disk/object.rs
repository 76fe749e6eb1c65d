//! The file of an object at rest.
//!
//! ```text
//! magic "WRNO" · format u32 · version u64 · modified u64 · length u64 · seal [32] · checks [16 a block] · bytes
//! ```
//! Numbers are little-endian. A check is the start of the blake3 hash of a block of 64 KiB, so a part of a large object can
//! be read and checked without the rest. The seal is the blake3 hash of the numbers, the key and the checks: a file under
//! another object's name, or one that was torn, does not fit.
use super::super::{Key, OBJECT_BYTES_MAX, StoreError, within};
use super::io_error;
use crate::disk::{DiskFile, read_full};
use bytes::Bytes;
use std::ops::Range;

const MAGIC: [u8; 4] = *b"WRNO";
const FORMAT: u32 = 1;
const NUMBERS_BYTES: usize = 32;
const HEAD_BYTES: usize = NUMBERS_BYTES + 32;
const CHECK_BYTES: usize = 16;
const BLOCK_BYTES: usize = 64 * 1024;

/// What the front of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) version: u64,
    pub(super) modified: u64,
    pub(super) length: u64,
    checks: Vec<u8>,
}

/// Everything that stands before the bytes of an object.
pub(super) fn front(key: &Key, version: u64, modified: u64, bytes: &[u8]) -> Vec<u8> {
    let mut checks = Vec::with_capacity(bytes.len().div_ceil(BLOCK_BYTES) * CHECK_BYTES);
    for block in bytes.chunks(BLOCK_BYTES) {
        checks.extend_from_slice(&blake3::hash(block).as_bytes()[..CHECK_BYTES]);
    }
    let mut front = Vec::with_capacity(HEAD_BYTES + checks.len());
    front.extend_from_slice(&MAGIC);
    front.extend_from_slice(&FORMAT.to_le_bytes());
    front.extend_from_slice(&version.to_le_bytes());
    front.extend_from_slice(&modified.to_le_bytes());
    front.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    let seal = seal(&front, key, &checks);
    front.extend_from_slice(&seal);
    front.extend_from_slice(&checks);
    front
}

fn seal(numbers: &[u8], key: &Key, checks: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(numbers);
    hasher.update(&(key.as_str().len() as u64).to_le_bytes());
    hasher.update(key.as_str().as_bytes());
    hasher.update(checks);
    *hasher.finalize().as_bytes()
}

/// Reads and checks all but the bytes.
pub(super) fn head(file: &dyn DiskFile, key: &Key) -> Result<Head, StoreError> {
    let failed = |error| io_error("read an object", &error);
    let corrupt = |reason: &str| StoreError::Corrupt { key: key.clone(), reason: reason.to_owned() };
    let mut front = [0; HEAD_BYTES];
    if read_full(file, &mut front, 0).map_err(failed)? < HEAD_BYTES {
        return Err(corrupt("its file is shorter than a header"));
    }
    if front[..4] != MAGIC {
        return Err(corrupt("its file does not begin as an object's does"));
    }
    let format = u32::from_le_bytes(front[4..8].try_into().expect("four bytes"));
    if format != FORMAT {
        return Err(corrupt(&format!("its file has format {format}, and this version reads {FORMAT}")));
    }
    let number = |at: usize| u64::from_le_bytes(front[at..at + 8].try_into().expect("eight bytes"));
    let length = number(24);
    if length > OBJECT_BYTES_MAX as u64 {
        return Err(corrupt("its header names more bytes than an object may have"));
    }
    let mut checks = vec![0; (length as usize).div_ceil(BLOCK_BYTES) * CHECK_BYTES];
    if read_full(file, &mut checks, HEAD_BYTES as u64).map_err(failed)? < checks.len() {
        return Err(corrupt("its file is shorter than its header says"));
    }
    if seal(&front[..NUMBERS_BYTES], key, &checks) != front[NUMBERS_BYTES..] {
        return Err(corrupt("its header does not fit its checksum"));
    }
    Ok(Head { version: number(8), modified: number(16), length, checks })
}

/// Reads and checks a part; bytes around it are read as far as they share a block with it.
pub(super) fn part(file: &dyn DiskFile, key: &Key, head: &Head, range: &Range<u64>) -> Result<Bytes, StoreError> {
    let part = within(range, head.length);
    if part.is_empty() {
        return Ok(Bytes::new());
    }
    let first = part.start as usize / BLOCK_BYTES;
    let blocks_start = first * BLOCK_BYTES;
    let blocks_end = (part.end as usize).next_multiple_of(BLOCK_BYTES).min(head.length as usize);
    let mut bytes = vec![0; blocks_end - blocks_start];
    let offset = (HEAD_BYTES + head.checks.len() + blocks_start) as u64;
    let found = read_full(file, &mut bytes, offset).map_err(|error| io_error("read an object", &error))?;
    if found < bytes.len() {
        return Err(StoreError::Corrupt { key: key.clone(), reason: "its file is cut short".to_owned() });
    }
    for (index, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
        let check = &head.checks[(first + index) * CHECK_BYTES..][..CHECK_BYTES];
        if blake3::hash(block).as_bytes()[..CHECK_BYTES] != *check {
            let reason = format!("block {} of its bytes does not fit its checksum", first + index);
            return Err(StoreError::Corrupt { key: key.clone(), reason });
        }
    }
    let start = part.start as usize - blocks_start;
    Ok(Bytes::from(bytes).slice(start..start + (part.end - part.start) as usize))
}
