//! From a snapshot to a delta: metadata level by level, file bytes by place only.

use super::blobs::Place;
use super::chunk::{ChunkRef, Kind};
use super::file::Held;
use super::format::{self, Content, Cut, NODE_BITS, Node, PIECE_BLOCKS, Page, Piece, Record};
use super::radix::decode_node;
use super::reference::SnapshotRef;
use super::write::decode_page;
use super::{Shared, SnapshotError};
use std::sync::Arc;
use warren_kernel::blob::BlobId;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Gid, Ino, Lsn, Uid};
use warren_kernel::vfs::change::{BlockImage, BlockRange, ContentImage, Delta, InodeImage};
use warren_kernel::vfs::{FileKind, Mode};

/// Chunks of metadata fetched and decoded at once.
const AT_ONCE: usize = 256;

/// Reads a snapshot. On a blocking thread.
pub(crate) fn read(shared: &Arc<Shared>, root: &SnapshotRef) -> Result<Delta, SnapshotError> {
    for row in root.packs()?.iter().filter(|row| row.bytes > 0) {
        super::lock(&shared.sizes).insert(row.pack, row.bytes, 1);
    }
    let mut delta = Delta {
        from: Lsn::ZERO,
        to: root.lsn(),
        next_ino: root.next_ino(),
        inodes: Vec::new(),
        blocks: Vec::new(),
        names: Vec::new(),
        gone: Vec::new(),
    };
    each_page(shared, root, &mut |at, page| {
        let gone = page.gone.iter().map(|ino| Ino(*ino));
        delta.gone.extend(gone);
        page.inodes.into_iter().try_for_each(|record| add(shared, &mut delta, at, record))
    })?;
    Ok(delta)
}

/// Gives every page, in order.
pub(crate) fn each_page(
    shared: &Arc<Shared>,
    root: &SnapshotRef,
    take: &mut dyn FnMut(&ChunkRef, Page) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let pages = each_node(shared, root, &mut |_, _, _| Ok(()))?;
    for part in pages.chunks(AT_ONCE) {
        let refs: Vec<ChunkRef> = part.iter().map(|(_, at)| *at).collect();
        for ((number, at), plain) in part.iter().zip(shared.fetch_all(Kind::Page, &refs)?) {
            take(at, decode_page(&plain, at, *number)?)?;
        }
    }
    Ok(())
}

/// Gives every node, highest first, with its level; then returns the pages, by number.
pub(crate) fn each_node(
    shared: &Arc<Shared>,
    root: &SnapshotRef,
    take: &mut dyn FnMut(u8, &ChunkRef, &Node) -> Result<(), SnapshotError>,
) -> Result<Vec<(u64, ChunkRef)>, SnapshotError> {
    let Some(top) = root.node()? else { return Ok(Vec::new()) };
    let mut here = vec![(0, top)];
    for level in (1..=root.height()).rev() {
        let mut below = Vec::new();
        for part in here.chunks(AT_ONCE) {
            let refs: Vec<ChunkRef> = part.iter().map(|(_, at)| *at).collect();
            for ((prefix, at), plain) in part.iter().zip(shared.fetch_all(Kind::Node, &refs)?) {
                let node = decode_node(&plain, at, level, *prefix)?;
                take(level, at, &node)?;
                let children = node.children.iter().map(|(slot, at)| (prefix << NODE_BITS | u64::from(*slot), *at));
                below.extend(children);
            }
        }
        here = below;
    }
    Ok(here)
}

fn add(shared: &Arc<Shared>, delta: &mut Delta, page: &ChunkRef, record: Record) -> Result<(), SnapshotError> {
    let ino = Ino(record.ino);
    let mut xattrs = record.xattrs;
    xattrs.extend(shared.outside::<format::Xattr>(Kind::Xattrs, &record.xattrs_at)?);
    let content = match record.content {
        Content::File(file) => {
            let base = file.base.map(|(id, len, seen)| (BlobId(id.into_array()), len, seen));
            let len = file.len;
            add_blocks(shared, delta, page, ino, file)?;
            ContentImage::File { len, base }
        }
        Content::Directory(directory) => {
            let mut names = directory.names;
            names.extend(shared.outside::<format::Entry>(Kind::Names, &directory.names_at)?);
            delta.names.extend(names.into_iter().map(|entry| (ino, entry.0.into_vec().into(), entry.1.map(Ino))));
            ContentImage::Directory(Ino(directory.parent))
        }
        Content::Symlink(target) => ContentImage::Symlink(target.into_vec().into()),
        Content::Fifo => ContentImage::Special(FileKind::Fifo, 0),
        Content::Socket => ContentImage::Special(FileKind::Socket, 0),
        Content::Character(rdev) => ContentImage::Special(FileKind::Character, rdev),
        Content::Block(rdev) => ContentImage::Special(FileKind::Block, rdev),
    };
    delta.inodes.push(InodeImage {
        ino,
        mode: Mode::new(record.mode),
        uid: Uid(record.uid),
        gid: Gid(record.gid),
        links: record.links,
        times: record.times.map(Timestamp),
        xattrs: xattrs.into_iter().map(|entry| (entry.0.into_vec().into(), entry.1.into_vec().into())).collect(),
        content,
    });
    Ok(())
}

fn add_blocks(
    shared: &Arc<Shared>,
    delta: &mut Delta,
    page: &ChunkRef,
    ino: Ino,
    file: format::File,
) -> Result<(), SnapshotError> {
    let pieces: Vec<(u32, Held)> = shared.pieces(file)?.into_iter().collect();
    for part in pieces.chunks(AT_ONCE) {
        let refs: Vec<ChunkRef> = part
            .iter()
            .filter_map(|(_, held)| match held {
                Held::At(at) => Some(*at),
                Held::Inline(_) => None,
            })
            .collect();
        let mut maps = shared.fetch_all(Kind::Map, &refs)?.into_iter();
        for (index, held) in part {
            let first = u64::from(*index) * PIECE_BLOCKS;
            let range = match held {
                Held::Inline(piece) => images(piece, page, first, |block| Place::in_page(page, ino.0, block))?,
                Held::At(at) => {
                    let plain = maps.next().ok_or(SnapshotError::Stopped)?;
                    let piece: Piece = format::decode(&plain, at)?;
                    images(&piece, at, first, |block| Place::in_map(at, block))?
                }
            };
            delta.blocks.push(BlockRange { ino, from: first, to: first + PIECE_BLOCKS, blocks: range });
        }
    }
    Ok(())
}

fn images(
    piece: &Piece,
    at: &ChunkRef,
    first: u64,
    place: impl Fn(u64) -> Place,
) -> Result<Vec<(u64, BlockImage)>, SnapshotError> {
    let cuts = piece.cuts().map_err(|reason| at.damaged(reason))?;
    let image = |(number, cut): (u8, Cut)| {
        let block = first + u64::from(number);
        let image = match cut.len() {
            None => BlockImage::Hole,
            Some(0) => BlockImage::Bytes(Arc::default()),
            Some(len) => BlockImage::Stored(place(block).id(), len.into()),
        };
        (block, image)
    };
    Ok(cuts.into_iter().map(image).collect())
}
