//! Blocks of stored files as blobs that know where they lie.
//!
//! A block's [`BlobId`] is not a hash but a place: the chunk of metadata that lists the file's blocks, and which block.
//! So a source needs no table, a block in memory costs its blob and no more, and a block of one snapshot can be stored
//! by reference in another, whatever file it is in by then.
//!
//! ```text
//!  0    1         2        18       22       25     26       31
//! │'w'│version│ pack id │ offset │ stored │ slot │ block  │ check │    slot: inode within a page, or 255: a map piece
//! ```

use super::chunk::{ChunkRef, Kind, PackId};
use super::format::{self, Content, Cut, PAGE_BITS, PIECE_BLOCKS, Page, Piece};
use super::reference::SnapshotRef;
use super::{Shared, SnapshotError, lock};
use std::collections::BTreeMap;
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::blob::{BlobId, Blobs, SharedBytes};

const MARK: [u8; 2] = [b'w', format::VERSION];
/// The slot of a block listed in a piece of a map.
const IN_MAP: u8 = u8::MAX;

/// Where a block is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) pack: PackId,
    pub(crate) offset: u32,
    pub(crate) stored: u32,
    slot: u8,
    /// Of the file.
    pub(crate) block: u64,
}

/// Pack, offset, slot and the number of the piece.
type PlaceOfPiece = (PackId, u32, u8, u64);

/// What was decoded last: neighbours are listed together.
#[derive(Default)]
pub(crate) struct Memo {
    last: Option<(PlaceOfPiece, BTreeMap<u8, Cut>)>,
}

impl Place {
    /// A block of the inode in this slot of a page.
    pub(crate) fn in_page(page: &ChunkRef, ino: u64, block: u64) -> Place {
        let slot = (ino & ((1 << PAGE_BITS) - 1)) as u8;
        Place { pack: page.pack, offset: page.offset, stored: page.stored, slot, block }
    }

    /// A block of this piece of a map.
    pub(crate) fn in_map(map: &ChunkRef, block: u64) -> Place {
        Place { pack: map.pack, offset: map.offset, stored: map.stored, slot: IN_MAP, block }
    }

    pub(crate) fn id(&self) -> BlobId {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&MARK);
        id[2..18].copy_from_slice(&self.pack.0);
        id[18..22].copy_from_slice(&self.offset.to_le_bytes());
        id[22..25].copy_from_slice(&self.stored.to_le_bytes()[..3]);
        id[25] = self.slot;
        id[26..31].copy_from_slice(&self.block.to_le_bytes()[..5]);
        id[31] = check(&id);
        BlobId(id)
    }

    /// The place an id names; `None` for the id of another content.
    pub(crate) fn of(id: &BlobId) -> Option<Place> {
        let id = &id.0;
        let slot = id[25];
        if id[..2] != MARK || id[31] != check(id) || (slot != IN_MAP && u32::from(slot) >= 1 << PAGE_BITS) {
            return None;
        }
        let mut pack = [0; 16];
        pack.copy_from_slice(&id[2..18]);
        Some(Place {
            pack: PackId(pack),
            offset: u32::from_le_bytes([id[18], id[19], id[20], id[21]]),
            stored: u32::from_le_bytes([id[22], id[23], id[24], 0]),
            slot,
            block: u64::from_le_bytes([id[26], id[27], id[28], id[29], id[30], 0, 0, 0]),
        })
    }
}

/// A sum over all bytes but the last, so that another content's id is not taken for a place.
fn check(id: &[u8; 32]) -> u8 {
    id[..31].iter().fold(0x5a, |sum, byte| sum.rotate_left(1) ^ byte)
}

impl Shared {
    /// The bytes of a block, by place: as extents.
    pub(crate) fn locate(self: &Arc<Self>, place: &Place, memo: &mut Memo) -> Result<Cut, SnapshotError> {
        let piece = place.block / PIECE_BLOCKS;
        let block = (place.block % PIECE_BLOCKS) as u8;
        let key = (place.pack, place.offset, place.slot, piece);
        let found = match &memo.last {
            Some((last, cuts)) if *last == key => cuts.get(&block).cloned(),
            _ => {
                let cuts = self.listed(place, piece)?;
                let found = cuts.get(&block).cloned();
                memo.last = Some((key, cuts));
                found
            }
        };
        found.ok_or_else(|| place.damaged("it does not list the block"))
    }

    fn listed(self: &Arc<Self>, place: &Place, piece: u64) -> Result<BTreeMap<u8, Cut>, SnapshotError> {
        let kind = if place.slot == IN_MAP { Kind::Map } else { Kind::Page };
        let (at, plain) = self.fetch_node(kind, place.pack, place.offset, place.stored)?;
        let piece: Piece = if place.slot == IN_MAP {
            format::decode(&plain, &at)?
        } else {
            let page: Page = format::decode(&plain, &at)?;
            let ino = page.number << PAGE_BITS | u64::from(place.slot);
            let record = page.inodes.into_iter().find(|record| record.ino == ino);
            let Some(Content::File(file)) = record.map(|record| record.content) else {
                return Err(place.damaged("it does not list the file"));
            };
            let listed = file.inline.into_iter().find(|(index, _)| u64::from(*index) == piece);
            listed.map(|(_, piece)| piece).ok_or_else(|| place.damaged("it does not list the block"))?
        };
        piece.cuts().map_err(|reason| place.damaged(reason))
    }

    /// The bytes of a block.
    pub(crate) fn load_block(self: &Arc<Self>, id: &BlobId, len: u64) -> Result<Vec<u8>, SnapshotError> {
        let place = Place::of(id).ok_or(SnapshotError::Reference("the content asked for is not one of a snapshot"))?;
        let Cut::Data(extents) = self.locate(&place, &mut Memo::default())? else {
            return Err(place.damaged("it lists a hole where a block is asked for"));
        };
        let refs: Vec<ChunkRef> = extents.iter().map(|extent| extent.2).collect();
        let chunks = self.fetch_all(Kind::Data, &refs)?;
        let mut bytes = Vec::with_capacity(len as usize);
        for (extent, chunk) in extents.iter().zip(&chunks) {
            let part = chunk.get(extent.1 as usize..(extent.1 + extent.0) as usize);
            bytes.extend_from_slice(part.ok_or_else(|| place.damaged("it refers to bytes a chunk does not have"))?);
        }
        if bytes.len() as u64 != len {
            return Err(place.damaged("it lists a block of another length"));
        }
        Ok(bytes)
    }
}

impl Place {
    fn damaged(&self, reason: &str) -> SnapshotError {
        SnapshotError::Damaged { pack: self.pack, offset: self.offset, reason: reason.to_owned() }
    }
}

/// Loads blocks; while it lives, the packs of its snapshot are not collected.
pub(crate) struct SnapshotBlobs {
    shared: Arc<Shared>,
    pins: Vec<PackId>,
}

impl SnapshotBlobs {
    /// Pins what a root names; one whose table cannot be read names nothing, and cannot be read either.
    pub(crate) fn pin(shared: Arc<Shared>, root: &SnapshotRef) -> Arc<SnapshotBlobs> {
        let pins: Vec<PackId> = root.packs().unwrap_or_default().iter().map(|row| row.pack).collect();
        let mut pinned = lock(&shared.pinned);
        for pack in &pins {
            *pinned.entry(*pack).or_default() += 1;
        }
        drop(pinned);
        Arc::new(SnapshotBlobs { shared, pins })
    }

    pub(crate) fn unpinned(shared: Arc<Shared>) -> Arc<SnapshotBlobs> {
        Arc::new(SnapshotBlobs { shared, pins: Vec::new() })
    }
}

impl Drop for SnapshotBlobs {
    fn drop(&mut self) {
        let mut pinned = lock(&self.shared.pinned);
        for pack in &self.pins {
            if let Some(count) = pinned.get_mut(pack) {
                *count -= 1;
                if *count == 0 {
                    pinned.remove(pack);
                }
            }
        }
    }
}

impl Blobs for SnapshotBlobs {
    fn load(&self, id: &BlobId, len: u64) -> Result<SharedBytes, Errno> {
        match self.shared.load_block(id, len) {
            Ok(bytes) => Ok(Arc::new(bytes)),
            Err(error) => {
                tracing::warn!(%error, tenant = self.shared.keys.tenant().as_str(), "a stored block cannot be read");
                Err(Errno::EIO)
            }
        }
    }
}
