//! Reading all of a snapshot to know that it can be read.

use super::chunk::{ChunkRef, Kind, PackId};
use super::file::Held;
use super::format::{self, Content, Piece};
use super::reference::SnapshotRef;
use super::{Shared, SnapshotError, read};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Faults listed, at most; the others are counted.
const FAULTS_MAX: usize = 1000;
/// Chunks of data fetched at once.
const AT_ONCE: usize = 128;

/// What reading all of a snapshot found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Inodes that differ from the layer's.
    pub inodes: u64,
    /// Chunks of data, each once.
    pub chunks: u64,
    /// Plain bytes in them.
    pub bytes: u64,
    /// What cannot be read.
    pub faults: Vec<Fault>,
    /// Faults that are not listed.
    pub more: u64,
}

/// Something that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The inode it belongs to, if it is one's.
    pub ino: Option<u64>,
    /// Why.
    pub error: SnapshotError,
}

impl Report {
    fn fault(&mut self, ino: Option<u64>, error: SnapshotError) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { ino, error });
        } else {
            self.more += 1;
        }
    }
}

/// Reads everything, past the cache where it is of data. On a blocking thread.
pub(crate) fn verify(shared: &Arc<Shared>, root: &SnapshotRef) -> Report {
    shared.forget_cached();
    let mut report = Report::default();
    let mut seen: BTreeSet<(PackId, u32)> = BTreeSet::new();
    let pages = read::each_page(shared, root, &mut |_, page| {
        for record in page.inodes {
            report.inodes += 1;
            let ino = record.ino;
            if let Err(error) = shared.outside::<format::Xattr>(Kind::Xattrs, &record.xattrs_at) {
                report.fault(Some(ino), error);
            }
            let refs = match record.content {
                Content::File(file) => extents(shared, file),
                Content::Directory(directory) => {
                    shared.outside::<format::Entry>(Kind::Names, &directory.names_at).map(|_| Vec::new())
                }
                _ => Ok(Vec::new()),
            };
            match refs {
                Ok(mut refs) => {
                    refs.retain(|at| seen.insert((at.pack, at.offset)));
                    chunks(shared, &mut report, ino, &refs);
                }
                Err(error) => report.fault(Some(ino), error),
            }
        }
        Ok(())
    });
    if let Err(error) = pages {
        report.fault(None, error);
    }
    report
}

/// The chunks a file's bytes lie in.
pub(crate) fn extents(shared: &Arc<Shared>, file: format::File) -> Result<Vec<ChunkRef>, SnapshotError> {
    let mut refs = Vec::new();
    for held in shared.pieces(file)?.into_values() {
        let piece: Piece = match held {
            Held::Inline(piece) => piece,
            Held::At(at) => {
                let plain = shared.fetch(Kind::Map, &at)?;
                let piece: Piece = format::decode(&plain, &at)?;
                piece.cuts().map_err(|reason| at.damaged(reason))?;
                piece
            }
        };
        refs.extend(piece.extents.iter().map(|extent| extent.2));
    }
    Ok(refs)
}

fn chunks(shared: &Arc<Shared>, report: &mut Report, ino: u64, refs: &[ChunkRef]) {
    for part in refs.chunks(AT_ONCE) {
        let fetched = shared.fetch_each(Kind::Data, part, &mut |index, plain| {
            report.chunks += 1;
            report.bytes += u64::from(part[index].len);
            if let Err(error) = plain {
                report.fault(Some(ino), error);
            }
            Ok(())
        });
        if let Err(error) = fetched {
            report.fault(Some(ino), error);
        }
    }
}

/// References a snapshot makes, as its table counts them.
pub(crate) fn count_refs(shared: &Arc<Shared>, root: &SnapshotRef) -> Result<u64, SnapshotError> {
    let mut refs = 0;
    read::each_node(shared, root, &mut |_, _, _| {
        refs += 1;
        Ok(())
    })?;
    read::each_page(shared, root, &mut |_, page| {
        refs += 1;
        for record in page.inodes {
            refs += record.xattrs_at.len() as u64;
            match record.content {
                Content::File(file) => {
                    refs += file.lists.len() as u64;
                    let maps = shared.pieces(file.clone())?;
                    refs += maps.values().filter(|held| matches!(held, Held::At(_))).count() as u64;
                    refs += extents(shared, file)?.len() as u64;
                }
                Content::Directory(directory) => refs += directory.names_at.len() as u64,
                _ => {}
            }
        }
        Ok(())
    })?;
    Ok(refs)
}
