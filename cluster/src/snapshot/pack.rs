//! Packs: immutable objects of many chunks, `{tenant}/c/{pack id}`.

use super::chunk::{self, ChunkId, ChunkRef, Kind, PackId};
use crate::keys::TenantKeys;
use warren_session::id::TenantId;

/// Bytes from which a pack is complete.
pub(crate) const PACK_BYTES: usize = 8 << 20;
/// Bytes of a pack, at most: the last chunk may be a large one.
pub(crate) const PACK_BYTES_MAX: usize = PACK_BYTES + chunk::NODE_BYTES_MAX + chunk::OVERHEAD;
const _: () = assert!(PACK_BYTES_MAX <= 16 << 20, "a place in a pack fits the 24 bits of a block's name");

/// A pack that grows.
pub(crate) struct PackBuilder {
    id: PackId,
    bytes: Vec<u8>,
}

impl PackBuilder {
    pub(crate) fn new(id: PackId) -> PackBuilder {
        PackBuilder { id, bytes: Vec::new() }
    }

    /// Adds what [`chunk::pack_up`] made of `len` plain bytes.
    pub(crate) fn add(&mut self, keys: &TenantKeys, kind: Kind, id: ChunkId, len: u32, body: &[u8]) -> ChunkRef {
        let (offset, stored) = chunk::seal(keys, kind, self.id, &mut self.bytes, body);
        ChunkRef { id, pack: self.id, offset, stored, len }
    }

    pub(crate) fn id(&self) -> PackId {
        self.id
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.bytes.len() >= PACK_BYTES
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The folder of a tenant's packs.
pub(crate) fn prefix(tenant: &TenantId) -> String {
    format!("{tenant}/c/")
}

/// The key of a pack.
pub(crate) fn key(tenant: &TenantId, id: PackId) -> String {
    format!("{tenant}/c/{id}")
}

/// The pack a key names.
pub(crate) fn id_of(key: &str) -> Option<PackId> {
    let hex = key.rsplit('/').next().filter(|hex| hex.len() == 32)?;
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    // Only the spelling we write, so that a key and its pack are one.
    Some(PackId(id)).filter(|id| id.to_string() == hex)
}
