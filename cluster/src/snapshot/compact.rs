//! Moving what is live out of packs that are mostly dead, or too small to be worth a request each.

use super::chunk::{ChunkRef, DATA_BYTES_MAX, Kind, PackId};
use super::file::{Held, share};
use super::format::{self, Content, Extent, File, Page, Piece, Record};
use super::pack::PACK_BYTES;
use super::radix::Radix;
use super::read;
use super::reference::{PackTable, SnapshotRef};
use super::write::Writer;
use super::{Shared, SnapshotError};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Moves a tree; what it does not move it refers to as before.
struct Mover {
    writer: Writer,
    victims: BTreeSet<PackId>,
    /// Bytes moved: from where, to which extent.
    moved: HashMap<(PackId, u32, u32, u32), Extent>,
}

/// The same tree in fewer, fuller packs. On a blocking thread.
pub(crate) fn compact(shared: &Arc<Shared>, root: &SnapshotRef) -> Result<SnapshotRef, SnapshotError> {
    let table = root.table()?;
    let victims: BTreeSet<PackId> = if root.has_too_many_packs() {
        table.rows().filter(|row| row.live_at_most() < PACK_BYTES as u64 * 3 / 4).map(|row| row.pack).collect()
    } else {
        table.rows().filter(|row| row.live_at_most() * 2 < row.bytes).map(|row| row.pack).collect()
    };
    if victims.is_empty() || root.is_empty() {
        return Ok(root.clone());
    }
    let writer = Writer::new(shared.clone(), PackTable::of_sizes(&table));
    let mut mover = Mover { writer, victims, moved: HashMap::new() };
    let mut pages = Vec::new();
    read::each_page(shared, root, &mut |at, page| {
        let number = page.number;
        let page = mover.page(page)?;
        pages.push((number, mover.meta(Kind::Page, &format::encode(&page), &[*at])?));
        Ok(())
    })?;
    let mut radix = Radix::over(root.height(), &pages);
    let top = radix.finish(&mut mover.writer)?;
    let table = mover.writer.finish()?;
    Ok(SnapshotRef::new(root.lsn(), root.next_ino(), root.height(), top, &table))
}

impl Mover {
    fn page(&mut self, mut page: Page) -> Result<Page, SnapshotError> {
        page.inodes = page.inodes.into_iter().map(|record| self.record(record)).collect::<Result<_, _>>()?;
        Ok(page)
    }

    fn record(&mut self, mut record: Record) -> Result<Record, SnapshotError> {
        record.xattrs_at = self.metas(Kind::Xattrs, record.xattrs_at)?;
        record.content = match record.content {
            Content::File(file) => Content::File(self.file(file)?),
            Content::Directory(mut directory) => {
                directory.names_at = self.metas(Kind::Names, directory.names_at)?;
                Content::Directory(directory)
            }
            other => other,
        };
        Ok(record)
    }

    fn file(&mut self, mut file: File) -> Result<File, SnapshotError> {
        let lists = std::mem::take(&mut file.lists);
        let shape = File { inline: Vec::new(), pieces: Vec::new(), ..file.clone() };
        let mut refs = BTreeMap::new();
        let mut inline = BTreeMap::new();
        for (index, held) in self.writer.shared.pieces(File { lists: lists.clone(), ..file })? {
            match held {
                Held::Inline(piece) => {
                    inline.insert(index, self.piece(piece)?);
                }
                Held::At(at) => {
                    let plain = self.writer.shared.fetch(Kind::Map, &at)?;
                    let piece = self.piece(format::decode(&plain, &at)?)?;
                    refs.insert(index, self.meta(Kind::Map, &format::encode(&piece), &[at])?);
                }
            }
        }
        let kept: Vec<ChunkRef> = lists.into_iter().filter(|at| !self.victims.contains(&at.pack)).collect();
        let mut file = self.writer.with_pieces(shape, refs.into_iter().collect(), &kept)?;
        file.inline = inline.into_iter().collect();
        Ok(file)
    }

    fn piece(&mut self, piece: Piece) -> Result<Piece, SnapshotError> {
        let mut extents = Vec::with_capacity(piece.extents.len());
        for extent in piece.extents {
            let extent = self.extent(extent)?;
            self.writer.count_part_in(&extent.2, share(&extent));
            extents.push(extent);
        }
        Ok(Piece { extents, ..piece })
    }

    /// Where the bytes of an extent are now. Of a chunk of which less than half is used, only that is moved.
    fn extent(&mut self, extent: Extent) -> Result<Extent, SnapshotError> {
        let Extent(len, skip, at) = extent;
        if !self.victims.contains(&at.pack) {
            return Ok(extent);
        }
        let inside = skip.checked_add(len).is_some_and(|end| end <= at.len) && at.len as usize <= DATA_BYTES_MAX;
        if !inside {
            return Err(at.damaged("an extent refers to bytes it does not have"));
        }
        let (from, count) = if u64::from(len) * 2 < u64::from(at.len) { (skip, len) } else { (0, at.len) };
        let place = (at.pack, at.offset, from, count);
        if let Some(moved) = self.moved.get(&place) {
            return Ok(Extent(len, skip - from, moved.2));
        }
        let plain = self.writer.shared.fetch(Kind::Data, &at)?;
        let to = self.writer.put_anew(&plain[from as usize..(from + count) as usize])?;
        self.moved.insert(place, Extent(count, 0, to));
        Ok(Extent(len, skip - from, to))
    }

    fn metas(&mut self, kind: Kind, refs: Vec<ChunkRef>) -> Result<Vec<ChunkRef>, SnapshotError> {
        let mut moved = Vec::with_capacity(refs.len());
        for at in refs {
            if self.victims.contains(&at.pack) {
                let plain = self.writer.shared.fetch(kind, &at)?;
                moved.push(self.meta(kind, &plain, &[])?);
            } else {
                self.writer.count_in(&at);
                moved.push(at);
            }
        }
        Ok(moved)
    }

    /// Stores metadata, unless it is what it was where it was.
    fn meta(&mut self, kind: Kind, plain: &[u8], old: &[ChunkRef]) -> Result<ChunkRef, SnapshotError> {
        let old: Vec<ChunkRef> = old.iter().filter(|at| !self.victims.contains(&at.pack)).copied().collect();
        self.writer.put_meta(kind, plain, &old)
    }
}
