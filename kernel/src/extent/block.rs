//! One block of a file's own bytes: in memory, outside, or a hole.

use super::{BLOCK, PAGE};
use crate::blob::Blob;
use std::sync::Arc;

/// One block of a file's own bytes.
#[derive(Clone, Debug)]
pub enum Block {
    /// Bytes from the block's start; at most [`BLOCK`].
    Data(Arc<Vec<u8>>),
    /// Bytes from the block's start that lie outside until they are needed: 1 to [`BLOCK`] of them. They count and show
    /// as if they were [`Block::Data`], so a session that was parked cannot be told from one that never was.
    Stored(Arc<Blob>),
    /// A hole punched over the base.
    Zero,
}

impl Block {
    /// Bytes from the block's start; zeros are behind them.
    pub(super) fn stored(&self) -> u64 {
        match self {
            Block::Data(data) => data.len() as u64,
            Block::Stored(blob) => blob.len(),
            Block::Zero => 0,
        }
    }

    /// Bytes of memory charged for this block.
    pub(super) fn charge(&self) -> u64 {
        capacity_for(self.stored())
    }

    /// Whether it holds bytes: what is no hole for SEEK_HOLE.
    pub(super) fn is_data(&self) -> bool {
        !matches!(self, Block::Zero)
    }

    /// The content that must be loaded before its bytes can be seen.
    pub(super) fn unloaded(&self) -> Option<&Arc<Blob>> {
        match self {
            Block::Stored(blob) if blob.bytes().is_none() => Some(blob),
            Block::Data(_) | Block::Stored(_) | Block::Zero => None,
        }
    }

    /// Its bytes; `None` when they are not loaded.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Block::Data(data) => Some(data),
            Block::Stored(blob) => blob.bytes(),
            Block::Zero => Some(&[]),
        }
    }

    /// Whether both are the same without looking at bytes: one buffer, one content, or two holes.
    pub(crate) fn is_same(&self, other: &Block) -> bool {
        match (self, other) {
            (Block::Data(one), Block::Data(two)) => Arc::ptr_eq(one, two),
            (Block::Stored(one), Block::Stored(two)) => {
                Arc::ptr_eq(one, two) || (one.id() == two.id() && one.len() == two.len())
            }
            (Block::Zero, Block::Zero) => true,
            (Block::Data(_) | Block::Stored(_) | Block::Zero, _) => false,
        }
    }
}

/// Memory reserved for a block of `len` bytes: whole pages, and above four of them in steps of four so that a
/// sequential writer does not move its bytes for every page.
pub(super) fn capacity_for(len: u64) -> u64 {
    if len <= 4 * PAGE { len.next_multiple_of(PAGE) } else { len.next_multiple_of(4 * PAGE) }
}

/// The longest block whose memory is at most `bytes`.
pub(super) fn length_within(bytes: u64) -> u64 {
    let pages = bytes / PAGE;
    (if pages <= 4 { pages } else { pages / 4 * 4 } * PAGE).min(BLOCK)
}
