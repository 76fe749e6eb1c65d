//! A file's own blocks: which are new, which lie in the store already, and the map of both.

use super::blobs::Place;
use super::chunk::{ChunkRef, DATA_BYTES_MAX, Kind};
use super::format::{
    self, Cut, Extent, File, INLINE_EXTENTS, INLINE_PIECES, LIST_REFS, Outside, PIECE_BLOCKS, Piece, Pieces,
};
use super::write::Writer;
use super::{Shared, SnapshotError};
use fastcdc::v2020::FastCDC;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteArray;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use warren_kernel::extent::{BLOCK, Block, FileBytes};
use warren_kernel::id::Ino;
use warren_kernel::vfs::inode::Inode;

/// Bytes of a chunk where content decides: at least, on average. A file of less than the least is one chunk.
const CUT_MIN: usize = 16 * 1024;
const CUT_AVERAGE: usize = 64 * 1024;
/// Bytes of chunks a piece may hold on to without needing them, beside as many as it needs, before it is cut anew.
const OVERHANG_BYTES: u64 = 256 * 1024;

/// A piece of a stored file's map.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    Inline(Piece),
    At(ChunkRef),
}

impl Shared {
    /// All pieces of a stored file's map.
    pub(crate) fn pieces(self: &Arc<Self>, file: File) -> Result<BTreeMap<u32, Held>, SnapshotError> {
        let mut pieces: BTreeMap<u32, Held> =
            file.inline.into_iter().map(|(index, piece)| (index, Held::Inline(piece))).collect();
        pieces.extend(file.pieces.into_iter().map(|(index, at)| (index, Held::At(at))));
        for (list, at) in self.fetch_all(Kind::Maps, &file.lists)?.iter().zip(&file.lists) {
            let list: Pieces = format::decode(list, at)?;
            pieces.extend(list.pieces.into_iter().map(|(index, at)| (index, Held::At(at))));
        }
        Ok(pieces)
    }

    /// Entries of a list that lies outside its record.
    pub(crate) fn outside<T: DeserializeOwned>(
        self: &Arc<Self>,
        kind: Kind,
        refs: &[ChunkRef],
    ) -> Result<Vec<T>, SnapshotError> {
        let mut all = Vec::new();
        for (plain, at) in self.fetch_all(kind, refs)?.iter().zip(refs) {
            let outside: Outside<T> = format::decode(plain, at)?;
            all.extend(outside.entries);
        }
        Ok(all)
    }
}

/// Bytes of its pack an extent keeps alive.
pub(crate) fn share(extent: &Extent) -> u64 {
    u64::from(extent.2.stored) * u64::from(extent.0) / u64::from(extent.2.len.max(1))
}

impl Writer {
    /// Stores a file: all of it, or what changed since `known` was stored.
    pub(crate) fn file(
        &mut self,
        ino: Ino,
        after: &FileBytes,
        known: Option<(&FileBytes, File)>,
    ) -> Result<File, SnapshotError> {
        let base = after.base().map(|(blob, seen)| (ByteArray::new(blob.id().0), blob.len(), seen));
        let mut touched = BTreeSet::new();
        let mut touch = |index: &u64| {
            touched.insert((index / PIECE_BLOCKS) as u32);
        };
        let (before, mut pieces, lists) = match known {
            Some((before, file)) => {
                before.blocks().diff(after.blocks(), same_block, &mut |index, _, _| touch(index));
                if touched.is_empty() {
                    // Only its length, attributes or the base changed.
                    return Ok(File { len: after.len(), base, ..file });
                }
                let lists = file.lists.clone();
                (Some(before), self.shared.pieces(file)?, lists)
            }
            None => {
                after.blocks().iter().for_each(|(index, _)| touch(index));
                (None, BTreeMap::new(), Vec::new())
            }
        };
        let mut fresh = BTreeMap::new();
        for index in &touched {
            let old = pieces.remove(index);
            let cuts = match &old {
                Some(old) => self.take_out(old)?,
                None => BTreeMap::new(),
            };
            let piece = self.piece(ino, *index, after, before, cuts)?;
            if !piece.runs.is_empty() {
                fresh.insert(*index, piece);
            }
        }
        self.assemble(File { len: after.len(), base, ..File::default() }, pieces, fresh, &lists)
    }

    /// Puts a map together from pieces that are as they were and new ones.
    fn assemble(
        &mut self,
        mut file: File,
        kept: BTreeMap<u32, Held>,
        fresh: BTreeMap<u32, Piece>,
        old_lists: &[ChunkRef],
    ) -> Result<File, SnapshotError> {
        let mut all: BTreeMap<u32, Held> = kept;
        let mut refs = BTreeMap::new();
        all.extend(fresh.iter().map(|(index, piece)| (*index, Held::Inline(piece.clone()))));
        for (index, held) in all {
            match held {
                Held::At(at) => {
                    refs.insert(index, at);
                }
                Held::Inline(piece) => {
                    if fresh.contains_key(&index) {
                        piece.extents.iter().for_each(|extent| self.count_part_in(&extent.2, share(extent)));
                    }
                    if piece.extents.len() <= INLINE_EXTENTS && file.inline.len() < INLINE_PIECES {
                        file.inline.push((index, piece));
                    } else {
                        refs.insert(index, self.put_meta(Kind::Map, &format::encode(&piece), &[])?);
                    }
                }
            }
        }
        let file = self.with_pieces(file, refs.into_iter().collect(), old_lists)?;
        old_lists.iter().for_each(|at| self.count_out(at));
        Ok(file)
    }

    /// Enters the pieces of a map that are chunks, in lists when there are many.
    pub(crate) fn with_pieces(
        &mut self,
        mut file: File,
        refs: Vec<(u32, ChunkRef)>,
        old_lists: &[ChunkRef],
    ) -> Result<File, SnapshotError> {
        if refs.len() <= LIST_REFS {
            file.pieces = refs;
        } else {
            for list in refs.chunks(LIST_REFS) {
                let plain = format::encode(&Pieces { pieces: list.to_vec() });
                file.lists.push(self.put_meta(Kind::Maps, &plain, old_lists)?);
            }
        }
        Ok(file)
    }

    /// Counts out a piece, and takes it apart.
    fn take_out(&mut self, held: &Held) -> Result<BTreeMap<u8, Cut>, SnapshotError> {
        let (piece, damaged) = match held {
            Held::Inline(piece) => (piece.clone(), None),
            Held::At(at) => {
                let plain = self.shared.fetch(Kind::Map, at)?;
                let piece: Piece = format::decode(&plain, at)?;
                self.count_out(at);
                (piece, Some(*at))
            }
        };
        piece.extents.iter().for_each(|extent| self.count_part_out(&extent.2, share(extent)));
        piece.cuts().map_err(|reason| match damaged {
            Some(at) => at.damaged(reason),
            None => SnapshotError::Reference("a file's map in its inode's record makes no sense"),
        })
    }

    /// Counts out a whole file.
    pub(crate) fn drop_file(&mut self, file: File) -> Result<(), SnapshotError> {
        file.lists.iter().for_each(|at| self.count_out(at));
        for held in self.shared.pieces(file)?.values() {
            self.take_out(held)?;
        }
        Ok(())
    }

    /// Stores 8 MiB of a file, of which `old` is stored for the blocks that are still as `before` has them.
    fn piece(
        &mut self,
        ino: Ino,
        index: u32,
        after: &FileBytes,
        before: Option<&FileBytes>,
        mut old: BTreeMap<u8, Cut>,
    ) -> Result<Piece, SnapshotError> {
        let first = u64::from(index) * PIECE_BLOCKS;
        let mut cuts = BTreeMap::new();
        let mut dirty: Vec<(u8, Arc<Vec<u8>>)> = Vec::new();
        let blocks =
            after.blocks().range_from(Bound::Included(&first)).take_while(|(at, _)| **at < first + PIECE_BLOCKS);
        for (at, block) in blocks {
            let number = (at - first) as u8;
            let same =
                before.and_then(|before| before.blocks().get(at)).is_some_and(|before| same_block(before, block));
            let stored = old.remove(&number).filter(|cut| same && cut.len() == len_of(block));
            match (stored, block) {
                (Some(cut), _) => {
                    cuts.insert(number, cut);
                }
                (None, Block::Zero) => {
                    cuts.insert(number, Cut::Hole);
                }
                (None, Block::Data(data)) => dirty.push((number, data.clone())),
                (None, Block::Stored(blob)) => match Place::of(&blob.id()) {
                    Some(place) => {
                        let cut = self.shared.clone().locate(&place, &mut self.memo)?;
                        if cut.len() != len_of(block) {
                            let reason = "its snapshot lists it with another length".to_owned();
                            return Err(SnapshotError::Unloadable { ino: ino.0, block: *at, reason });
                        }
                        cuts.insert(number, cut);
                    }
                    None => {
                        let failed = |reason: String| SnapshotError::Unloadable { ino: ino.0, block: *at, reason };
                        blob.load().map_err(|errno| failed(format!("{errno:?}")))?;
                        let bytes = blob.bytes().ok_or_else(|| failed("it was not loaded".to_owned()))?;
                        dirty.push((number, Arc::new(bytes.to_vec())));
                    }
                },
            }
        }
        if overhang(&cuts) > OVERHANG_BYTES {
            self.cut_anew(first, after, &mut cuts, &mut dirty);
        }
        self.store_dirty(&dirty, &mut cuts)?;
        Ok(Piece::of(&cuts))
    }

    /// Stores again what is in memory, so that chunks of which little is left can go.
    fn cut_anew(
        &self,
        first: u64,
        after: &FileBytes,
        cuts: &mut BTreeMap<u8, Cut>,
        dirty: &mut Vec<(u8, Arc<Vec<u8>>)>,
    ) {
        cuts.retain(|number, cut| match after.blocks().get(&(first + u64::from(*number))) {
            Some(Block::Data(data)) if matches!(cut, Cut::Data(_)) => {
                dirty.push((*number, data.clone()));
                false
            }
            _ => true,
        });
        dirty.sort_by_key(|(number, _)| *number);
    }

    /// Cuts runs of new blocks into chunks, stores them, and enters what each block has of them.
    fn store_dirty(&mut self, dirty: &[(u8, Arc<Vec<u8>>)], cuts: &mut BTreeMap<u8, Cut>) -> Result<(), SnapshotError> {
        let side_by_side =
            |one: &(u8, Arc<Vec<u8>>), two: &(u8, Arc<Vec<u8>>)| one.0 + 1 == two.0 && one.1.len() as u64 == BLOCK;
        for run in dirty.chunk_by(side_by_side) {
            let joined;
            let bytes: &[u8] = match run {
                [(_, only)] => only,
                _ => {
                    joined = run.iter().map(|(_, data)| data.as_slice()).collect::<Vec<_>>().concat();
                    &joined
                }
            };
            let mut extents = Vec::new();
            for chunk in FastCDC::new(bytes, CUT_MIN, CUT_AVERAGE, DATA_BYTES_MAX) {
                let at = self.put_data(&bytes[chunk.offset..chunk.offset + chunk.length])?;
                extents.push(Extent(at.len, 0, at));
            }
            let mut extents = extents.into_iter();
            let mut left: Option<Extent> = None;
            for (number, data) in run {
                let mut wanted = data.len() as u32;
                let mut parts = Vec::new();
                while wanted > 0
                    && let Some(extent) = left.take().or_else(|| extents.next())
                {
                    let part = extent.0.min(wanted);
                    parts.push(Extent(part, extent.1, extent.2));
                    wanted -= part;
                    left = (part < extent.0).then_some(Extent(extent.0 - part, extent.1 + part, extent.2));
                }
                cuts.insert(*number, Cut::Data(parts));
            }
        }
        Ok(())
    }

    /// Extended attributes, in the record or outside of it.
    pub(crate) fn xattrs(
        &mut self,
        inode: &Inode,
        old: &[ChunkRef],
    ) -> Result<(Vec<format::Xattr>, Vec<ChunkRef>), SnapshotError> {
        let entries = inode
            .xattrs
            .iter()
            .map(|(name, value)| format::Xattr(name.to_vec().into(), value.to_vec().into()))
            .map(|entry| (entry.0.len() + entry.1.len(), false, entry))
            .collect();
        self.outside(Kind::Xattrs, entries, old)
    }

    /// Keeps a list, given as size of each entry and whether a cut behind it is good, in its record when it is short;
    /// else in chunks that stay the same where the list does. `old` are the chunks it had, which are counted out.
    pub(crate) fn outside<T: Serialize>(
        &mut self,
        kind: Kind,
        entries: Vec<(usize, bool, T)>,
        old: &[ChunkRef],
    ) -> Result<(Vec<T>, Vec<ChunkRef>), SnapshotError> {
        let bytes: usize = entries.iter().map(|(bytes, _, _)| bytes + format::ENTRY_BYTES).sum();
        let mut refs = Vec::new();
        let mut inline = Vec::new();
        if bytes <= format::INLINE_BYTES {
            inline = entries.into_iter().map(|(_, _, entry)| entry).collect();
        } else {
            let mut part = Vec::new();
            let mut size = 0;
            let mut entries = entries.into_iter().peekable();
            while let Some((bytes, cut, entry)) = entries.next() {
                part.push(entry);
                size += bytes + format::ENTRY_BYTES;
                let next = entries.peek().map_or(0, |(bytes, _, _)| bytes + format::ENTRY_BYTES);
                let full = size + next > format::OUTSIDE_BYTES;
                if full || (cut && size >= format::INLINE_BYTES) || entries.peek().is_none() {
                    let plain = format::encode(&Outside { entries: std::mem::take(&mut part) });
                    refs.push(self.put_meta(kind, &plain, old)?);
                    size = 0;
                }
            }
        }
        old.iter().for_each(|at| self.count_out(at));
        Ok((inline, refs))
    }
}

fn same_block(one: &Block, two: &Block) -> bool {
    match (one, two) {
        (Block::Data(one), Block::Data(two)) => Arc::ptr_eq(one, two),
        (Block::Stored(one), Block::Stored(two)) => one.id() == two.id() && one.len() == two.len(),
        (Block::Zero, Block::Zero) => true,
        _ => false,
    }
}

/// Bytes of a block; none of a hole.
fn len_of(block: &Block) -> Option<u32> {
    match block {
        Block::Data(data) => Some(data.len() as u32),
        Block::Stored(blob) => Some(blob.len() as u32),
        Block::Zero => None,
    }
}

/// Bytes of chunks that are kept for a part of them only, beyond as many as are needed.
fn overhang(cuts: &BTreeMap<u8, Cut>) -> u64 {
    let mut chunks = BTreeMap::new();
    let mut needed = 0;
    for cut in cuts.values() {
        if let Cut::Data(extents) = cut {
            for extent in extents {
                needed += u64::from(extent.0);
                chunks.insert(extent.2.id, u64::from(extent.2.len));
            }
        }
    }
    chunks.values().sum::<u64>().saturating_sub(2 * needed)
}
