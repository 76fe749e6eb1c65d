//! What the chunks of metadata hold: records of inodes in pages, pages under a radix tree by inode number.
//!
//! ```text
//! root ─▶ node (level 2) ─▶ node (level 1) ─▶ page: inodes 32·n .. 32·n + 31 that differ from the layer's
//!                                               ├─ file: map pieces of 8 MiB ─▶ chunks of data
//!                                               ├─ directory: names that differ from the layer's directory
//!                                               └─ attributes, link targets, extended attributes
//! ```
//! All of it is MessagePack with named fields behind a version byte; what a newer version leaves out is absent.

use super::SnapshotError;
use super::chunk::ChunkRef;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::{ByteArray, ByteBuf};
use std::collections::BTreeMap;
use warren_kernel::extent::BLOCK;

/// The version written; older ones are read.
pub(crate) const VERSION: u8 = 1;
/// Inodes in a page, as bits.
pub(crate) const PAGE_BITS: u32 = 5;
/// Children of a node, as bits.
pub(crate) const NODE_BITS: u32 = 6;
/// Levels of nodes, at most: enough for every inode number there can be (2^56).
pub(crate) const HEIGHT_MAX: u8 = 9;
/// Blocks covered by one piece of a file's map: 8 MiB.
pub(crate) const PIECE_BLOCKS: u64 = 128;
/// Extents a piece has inline in its inode's record, at most.
pub(crate) const INLINE_EXTENTS: usize = 4;
/// Pieces a file has inline, at most; behind them, each is a chunk.
pub(crate) const INLINE_PIECES: usize = 16;
/// References to pieces in a record, at most; more are grouped into lists of that many.
pub(crate) const LIST_REFS: usize = 256;
/// Bytes of names, or of extended attributes, that a record has inline.
pub(crate) const INLINE_BYTES: usize = 4096;
/// Bytes counted for an entry of a list beside its names: numbers and lengths.
pub(crate) const ENTRY_BYTES: usize = 16;
/// Bytes of a chunk of names or extended attributes, at most, unless one entry has more.
pub(crate) const OUTSIDE_BYTES: usize = 128 * 1024;

/// Inodes that differ from the layer's, of one range of numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Page {
    /// The first inode number shifted by [`PAGE_BITS`].
    pub(crate) number: u64,
    #[serde(default)]
    pub(crate) inodes: Vec<Record>,
    /// Inodes of the layer that are no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gone: Vec<u64>,
}

/// A node of the radix tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// 1 above pages.
    pub(crate) level: u8,
    /// The number of the first page below, shifted by the bits below this level.
    pub(crate) prefix: u64,
    pub(crate) children: Vec<(u8, ChunkRef)>,
}

/// An inode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) ino: u64,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    /// Access, modification, change: nanoseconds.
    pub(crate) times: [i64; 3],
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) xattrs: Vec<Xattr>,
    /// Extended attributes that are too long to be in the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) xattrs_at: Vec<ChunkRef>,
    pub(crate) content: Content,
}

/// Name and value of an extended attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Xattr(pub(crate) ByteBuf, pub(crate) ByteBuf);

/// What is particular to a kind of inode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Content {
    File(File),
    Directory(Directory),
    Symlink(ByteBuf),
    Fifo,
    Socket,
    Character(u64),
    Block(u64),
}

/// A regular file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) len: u64,
    /// The layer's content below: id, length, bytes still seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<(ByteArray<32>, u64, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) inline: Vec<(u32, Piece)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pieces: Vec<(u32, ChunkRef)>,
    /// Lists of pieces, when there are more than [`LIST_REFS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lists: Vec<ChunkRef>,
}

/// A list of pieces of a large file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pieces {
    pub(crate) pieces: Vec<(u32, ChunkRef)>,
}

/// A directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Directory {
    pub(crate) parent: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names: Vec<Entry>,
    /// Runs of names in order, when they are too long to be in the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) names_at: Vec<ChunkRef>,
}

/// A name and the inode it refers to; none was removed from the layer's directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry(pub(crate) ByteBuf, pub(crate) Option<u64>);

/// Names, or extended attributes, outside of their record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outside<T> {
    pub(crate) entries: Vec<T>,
}

/// The blocks of 8 MiB of a file: which there are, and where their bytes lie.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Piece {
    pub(crate) runs: Vec<Run>,
    /// Bytes of the runs of data, one behind the other.
    pub(crate) extents: Vec<Extent>,
}

/// Blocks side by side: the first (within its piece), how many, and the length of the last one's data; those before it
/// are full. No length: holes punched over the layer's content.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run(pub(crate) u8, pub(crate) u8, pub(crate) Option<u32>);

/// Bytes of a chunk: how many, from where in its plain bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Extent(pub(crate) u32, pub(crate) u32, pub(crate) ChunkRef);

/// One block of a piece, by itself.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cut {
    Hole,
    /// Extents whose lengths add up to the block's.
    Data(Vec<Extent>),
}

impl Cut {
    pub(crate) fn len(&self) -> Option<u32> {
        match self {
            Cut::Hole => None,
            Cut::Data(extents) => Some(extents.iter().map(|extent| extent.0).sum()),
        }
    }
}

impl Piece {
    /// Puts blocks together. Numbers are within the piece.
    pub(crate) fn of(blocks: &BTreeMap<u8, Cut>) -> Piece {
        let mut piece = Piece::default();
        for (block, cut) in blocks {
            let len = cut.len();
            let joins = |run: &&mut Run| {
                let full = match (run.2, len) {
                    (Some(tail), Some(_)) => u64::from(tail) == BLOCK,
                    (None, None) => true,
                    _ => false,
                };
                full && u32::from(run.0) + u32::from(run.1) == u32::from(*block)
            };
            match piece.runs.last_mut().filter(joins) {
                Some(run) => *run = Run(run.0, run.1 + 1, len),
                None => piece.runs.push(Run(*block, 1, len)),
            }
            if let Cut::Data(extents) = cut {
                for extent in extents {
                    piece.push_extent(*extent);
                }
            }
        }
        piece
    }

    fn push_extent(&mut self, extent: Extent) {
        match self.extents.last_mut() {
            Some(last) if last.2 == extent.2 && last.1 + last.0 == extent.1 => last.0 += extent.0,
            _ => self.extents.push(extent),
        }
    }

    /// Takes the piece apart, or tells why it is none. It is input.
    pub(crate) fn cuts(&self) -> Result<BTreeMap<u8, Cut>, &'static str> {
        let mut cuts = BTreeMap::new();
        let mut extents = self.extents.iter().copied();
        let mut left: Option<Extent> = None;
        let mut next = 0;
        for Run(first, count, tail) in &self.runs {
            let end = u64::from(*first) + u64::from(*count);
            if u64::from(*first) < next || *count == 0 || end > PIECE_BLOCKS {
                return Err("its blocks are not in order");
            }
            next = end;
            if tail.is_some_and(|tail| u64::from(tail) > BLOCK) {
                return Err("a block is longer than a block");
            }
            for block in u64::from(*first)..end {
                let Some(tail) = tail else {
                    cuts.insert(block as u8, Cut::Hole);
                    continue;
                };
                let mut wanted = if block + 1 == end { *tail } else { BLOCK as u32 };
                let mut parts = Vec::new();
                while wanted > 0 {
                    let extent = left.take().or_else(|| extents.next()).ok_or("bytes of its blocks are missing")?;
                    let inside = extent.1.checked_add(extent.0).is_some_and(|end| end <= extent.2.len);
                    if extent.0 == 0 || !inside {
                        return Err("it refers to bytes a chunk does not have");
                    }
                    let part = extent.0.min(wanted);
                    parts.push(Extent(part, extent.1, extent.2));
                    wanted -= part;
                    left = (part < extent.0).then_some(Extent(extent.0 - part, extent.1 + part, extent.2));
                }
                cuts.insert(block as u8, Cut::Data(parts));
            }
        }
        if left.is_some() || extents.next().is_some() { Err("it has bytes no block has") } else { Ok(cuts) }
    }
}

/// As bytes.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write_named(&mut bytes, value).expect("plain data in memory can be written to memory");
    bytes
}

/// From bytes, which were authenticated but may be of another version.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], at: &ChunkRef) -> Result<T, SnapshotError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => {
            rmp_serde::from_slice(rest).map_err(|error| at.damaged(format!("it cannot be parsed: {error}")))
        }
        Some((version, _)) => Err(SnapshotError::Version(*version)),
        None => Err(at.damaged("it is empty")),
    }
}
