//! A chunk: the unit that is hashed, compressed, encrypted and fetched.
//!
//! ```text
//! plain ──blake3, tenant's key──▶ id
//!   └──zstd 1, unless it does not shrink──▶ codec u8 │ length u32 │ payload ──XChaCha20-Poly1305──▶ stored
//!                                                              nonce = pack id │ offset; bound to tenant and kind
//! ```
//! A pack has a random id and each of its offsets is written once, so no nonce is used twice under a tenant's key, none
//! is stored, and a chunk cannot be passed off as one of another place, kind or tenant.

use super::SnapshotError;
use crate::keys::TenantKeys;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, AeadInOut, Payload};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_bytes::ByteArray;
use std::cell::RefCell;
use std::fmt;

/// Bytes of a chunk of file data, at most.
pub(crate) const DATA_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a chunk of metadata, at most: a page of inodes whose every list is as long inline as it may be is smaller.
pub(crate) const NODE_BYTES_MAX: usize = 4 << 20;
/// Bytes a stored chunk has beside its payload: codec, length and tag.
pub(crate) const OVERHEAD: usize = 1 + 4 + 16;
/// The level data is compressed with: the fastest, since a checkpoint's time is a session's time.
const LEVEL: i32 = 1;
const RAW: u8 = 0;
const ZSTD: u8 = 1;
/// Bytes of a stored [`ChunkRef`].
const REF_BYTES: usize = 32 + 16 + 3 * 4;

/// The keyed hash of a chunk's plain bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChunkId(pub(crate) [u8; 32]);

/// The name of a pack: random, given once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PackId(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// Where a chunk lies, and which it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ChunkRef {
    pub(crate) id: ChunkId,
    pub(crate) pack: PackId,
    /// In the pack.
    pub(crate) offset: u32,
    /// Bytes in the pack.
    pub(crate) stored: u32,
    /// Plain bytes.
    pub(crate) len: u32,
}

/// What a chunk holds. Part of what is authenticated, so that none is taken for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Data = 0,
    Page = 1,
    Node = 2,
    Map = 3,
    Maps = 4,
    Names = 5,
    Xattrs = 6,
}

impl Kind {
    pub(crate) fn plain_max(self) -> usize {
        if self == Kind::Data { DATA_BYTES_MAX } else { NODE_BYTES_MAX }
    }
}

impl ChunkId {
    pub(crate) fn of(keys: &TenantKeys, plain: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(keys.hash_key(), plain).as_bytes())
    }
}

impl ChunkRef {
    /// Where the chunk ends in its pack.
    pub(crate) fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.stored)
    }

    /// Checks what can be known without the chunk.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), SnapshotError> {
        let fits = |bytes: u32, max: usize| bytes as usize <= max;
        if !fits(self.len, kind.plain_max())
            || !fits(self.stored, kind.plain_max() + OVERHEAD)
            || (self.stored as usize) < OVERHEAD
            || self.end() > super::pack::PACK_BYTES_MAX as u64
        {
            return Err(self.damaged("a reference names more bytes than a chunk has"));
        }
        Ok(())
    }

    pub(crate) fn damaged(&self, reason: impl Into<String>) -> SnapshotError {
        SnapshotError::Damaged { pack: self.pack, offset: self.offset, reason: reason.into() }
    }
}

/// Compresses a chunk; what is sealed afterwards.
pub(crate) fn pack_up(compressor: &mut zstd::bulk::Compressor<'_>, plain: &[u8]) -> Vec<u8> {
    let header = |codec: u8| [&[codec][..], &(plain.len() as u32).to_le_bytes()].concat();
    // The room a payload that shrinks needs; a compressor that needs more fails, and the chunk stays as it is.
    let mut squeezed = vec![0; plain.len()];
    match compressor.compress_to_buffer(plain, squeezed.as_mut_slice()) {
        Ok(count) if count < plain.len() => [header(ZSTD).as_slice(), &squeezed[..count]].concat(),
        _ => [header(RAW).as_slice(), plain].concat(),
    }
}

/// The compressor of one thread.
pub(crate) fn compressor() -> zstd::bulk::Compressor<'static> {
    zstd::bulk::Compressor::new(LEVEL).expect("a compressor without a dictionary is only memory")
}

/// Encrypts what [`pack_up`] made for its place, appending it to the pack.
pub(crate) fn seal(keys: &TenantKeys, kind: Kind, pack: PackId, into: &mut Vec<u8>, body: &[u8]) -> (u32, u32) {
    let offset = into.len() as u32;
    let start = into.len();
    into.extend_from_slice(body);
    let tag = keys
        .cipher()
        .encrypt_inout_detached(&nonce(pack, offset), &associated(keys, kind), into[start..].as_mut().into())
        .expect("a chunk is not too long to encrypt");
    into.extend_from_slice(&tag);
    (offset, (into.len() - start) as u32)
}

/// Decrypts and decompresses the chunk stored at `offset` of `pack`.
pub(crate) fn open(
    keys: &TenantKeys,
    kind: Kind,
    pack: PackId,
    offset: u32,
    stored: &[u8],
) -> Result<Vec<u8>, SnapshotError> {
    let damaged = |reason: &str| SnapshotError::Damaged { pack, offset, reason: reason.to_owned() };
    let body = keys
        .cipher()
        .decrypt(&nonce(pack, offset), Payload { msg: stored, aad: &associated(keys, kind) })
        .map_err(|_| damaged("its bytes are not those that were written, or another tenant's key wrote them"))?;
    let (header, payload) = body.split_at_checked(5).ok_or_else(|| damaged("it is too short"))?;
    let len = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
    if len > kind.plain_max() {
        return Err(damaged("it says it is longer than a chunk may be"));
    }
    let plain = match header[0] {
        RAW => payload.to_vec(),
        ZSTD => decompress(payload, len).map_err(|_| damaged("it does not decompress"))?,
        _ => return Err(damaged("it is compressed in a way this version of warren does not know")),
    };
    if plain.len() != len { Err(damaged("it is not as long as it says")) } else { Ok(plain) }
}

/// Decompresses to at most `len` bytes, with a context of this thread: making one costs more than a small chunk.
fn decompress(payload: &[u8], len: usize) -> std::io::Result<Vec<u8>> {
    thread_local! {
        static CONTEXT: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    CONTEXT.with_borrow_mut(|context| {
        let context = match context {
            Some(context) => context,
            None => context.insert(zstd::bulk::Decompressor::new()?),
        };
        context.decompress(payload, len)
    })
}

fn nonce(pack: PackId, offset: u32) -> XNonce {
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(&pack.0);
    nonce[16..20].copy_from_slice(&offset.to_le_bytes());
    XNonce::from(nonce)
}

fn associated(keys: &TenantKeys, kind: Kind) -> Vec<u8> {
    let mut bytes = b"warren snapshot v1\0".to_vec();
    bytes.push(kind as u8);
    bytes.extend_from_slice(keys.tenant().as_str().as_bytes());
    bytes
}

impl Serialize for ChunkRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = [0; REF_BYTES];
        bytes[..32].copy_from_slice(&self.id.0);
        bytes[32..48].copy_from_slice(&self.pack.0);
        bytes[48..52].copy_from_slice(&self.offset.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.stored.to_le_bytes());
        bytes[56..].copy_from_slice(&self.len.to_le_bytes());
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for ChunkRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChunkRef, D::Error> {
        let bytes = ByteArray::<REF_BYTES>::deserialize(deserializer)?;
        let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (mut id, mut pack) = ([0; 32], [0; 16]);
        id.copy_from_slice(&bytes[..32]);
        pack.copy_from_slice(&bytes[32..48]);
        Ok(ChunkRef { id: ChunkId(id), pack: PackId(pack), offset: number(48), stored: number(52), len: number(56) })
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackId({self})")
    }
}

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkId(")?;
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}
