//! The root of a snapshot: all a session's record says about its files.

use super::SnapshotError;
use super::chunk::{ChunkRef, Kind, PackId};
use super::format::{HEIGHT_MAX, VERSION};
use super::pack::{PACK_BYTES, PACK_BYTES_MAX};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use warren_kernel::id::Lsn;

/// Packs of a snapshot, at most: 512 GiB of them.
pub(crate) const PACKS_MAX: usize = 65_536;
/// Packs a snapshot may have without being compacted, however little they hold.
const PACKS_FREE: usize = 64;
/// Bytes a table must have for it to be worth compacting because little of it is live.
const COMPACT_BYTES_MIN: u64 = 1 << 20;
/// Bytes of a row in the table.
const ROW_BYTES: usize = 16 + 3 * 8;

/// Which snapshot, and where it lies. Small: two numbers, a place, and 40 bytes for each pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRef {
    version: u8,
    /// The last mutation in it.
    lsn: Lsn,
    /// The next free inode number.
    next_ino: u64,
    /// Levels of nodes.
    #[serde(default)]
    height: u8,
    /// The topmost node; none when nothing differs from the layer.
    #[serde(default)]
    node: Option<ChunkRef>,
    /// Rows of all packs it needs.
    #[serde(default)]
    packs: ByteBuf,
}

/// A pack in the table of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRow {
    /// Its name.
    pub pack: PackId,
    /// Bytes in it; 0 is not known.
    pub bytes: u64,
    /// Bytes of it the snapshot needs, about: what two files share counts twice.
    pub live: u64,
    /// References to chunks in it, exactly.
    pub refs: u64,
}

/// The packs a snapshot needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct PackTable {
    rows: BTreeMap<PackId, PackRow>,
}

impl SnapshotRef {
    pub(crate) fn new(lsn: Lsn, next_ino: u64, height: u8, node: Option<ChunkRef>, table: &PackTable) -> SnapshotRef {
        SnapshotRef { version: VERSION, lsn, next_ino, height, node, packs: table.to_bytes() }
    }

    /// The last mutation in it.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// The next free inode number.
    pub fn next_ino(&self) -> u64 {
        self.next_ino
    }

    /// Whether nothing differs from the layer.
    pub fn is_empty(&self) -> bool {
        self.node.is_none()
    }

    /// The packs it needs.
    ///
    /// # Errors
    /// `Reference` when the table makes no sense.
    pub fn packs(&self) -> Result<Vec<PackRow>, SnapshotError> {
        Ok(self.table()?.rows.into_values().collect())
    }

    /// The same files at a later mutation that did not change them.
    pub(crate) fn at(&self, lsn: Lsn, next_ino: u64) -> SnapshotRef {
        SnapshotRef { lsn, next_ino, ..self.clone() }
    }

    pub(crate) fn height(&self) -> u8 {
        self.height
    }

    /// The topmost node, if the reference makes sense.
    pub(crate) fn node(&self) -> Result<Option<ChunkRef>, SnapshotError> {
        if self.version != VERSION {
            return Err(SnapshotError::Version(self.version));
        }
        if self.height > HEIGHT_MAX || self.node.is_some() != (self.height > 0) {
            return Err(SnapshotError::Reference("its tree has no such height"));
        }
        if let Some(node) = &self.node {
            node.check(Kind::Node)?;
        }
        Ok(self.node)
    }

    pub(crate) fn table(&self) -> Result<PackTable, SnapshotError> {
        if self.version != VERSION {
            return Err(SnapshotError::Version(self.version));
        }
        PackTable::of_bytes(&self.packs)
    }

    /// Whether it lies in more, or emptier, packs than it has to. One whose table cannot be read wants nothing.
    pub(crate) fn wants_compaction(&self) -> bool {
        let Ok(table) = self.table() else { return false };
        let live: u64 = table.rows.values().map(PackRow::live_at_most).sum();
        let bytes: u64 = table.rows.values().map(|row| row.bytes).sum();
        self.has_too_many_packs() || (bytes >= COMPACT_BYTES_MIN && live * 2 < bytes)
    }

    /// Whether it lies in many more packs than what it needs would fill.
    pub(crate) fn has_too_many_packs(&self) -> bool {
        let Ok(table) = self.table() else { return false };
        let needed = table.rows.values().map(PackRow::live_at_most).sum::<u64>().div_ceil(PACK_BYTES as u64);
        table.rows.len() as u64 > (PACKS_FREE as u64).max(2 * needed)
    }
}

impl PackRow {
    /// Live bytes, no more than there are.
    pub(crate) fn live_at_most(&self) -> u64 {
        if self.bytes == 0 { self.live } else { self.live.min(self.bytes) }
    }
}

impl PackTable {
    /// Counts a reference to `bytes` of a chunk.
    pub(crate) fn add(&mut self, pack: PackId, bytes: u64, size: impl FnOnce() -> u64) {
        let row = self.rows.entry(pack).or_insert_with(|| PackRow { pack, bytes: size(), live: 0, refs: 0 });
        row.live = row.live.saturating_add(bytes);
        row.refs = row.refs.saturating_add(1);
    }

    /// Takes back what [`PackTable::add`] counted. The last reference takes the pack away.
    pub(crate) fn sub(&mut self, pack: PackId, bytes: u64) {
        if let Some(row) = self.rows.get_mut(&pack) {
            row.live = row.live.saturating_sub(bytes);
            row.refs = row.refs.saturating_sub(1);
            if row.refs == 0 {
                self.rows.remove(&pack);
            }
        }
    }

    /// A table with no reference in it yet, for a snapshot made of the packs of another.
    pub(crate) fn of_sizes(other: &PackTable) -> PackTable {
        let empty = |row: &PackRow| PackRow { live: 0, refs: 0, ..*row };
        PackTable { rows: other.rows.iter().map(|(pack, row)| (*pack, empty(row))).collect() }
    }

    /// Leaves out packs nothing refers to.
    pub(crate) fn settle(&mut self) {
        self.rows.retain(|_, row| row.refs > 0);
    }

    pub(crate) fn set_bytes(&mut self, pack: PackId, bytes: u64) {
        if let Some(row) = self.rows.get_mut(&pack) {
            row.bytes = bytes;
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &PackRow> {
        self.rows.values()
    }

    fn to_bytes(&self) -> ByteBuf {
        let mut bytes = Vec::with_capacity(self.rows.len() * ROW_BYTES);
        for row in self.rows.values() {
            bytes.extend_from_slice(&row.pack.0);
            [row.bytes, row.live, row.refs].iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        ByteBuf::from(bytes)
    }

    fn of_bytes(bytes: &[u8]) -> Result<PackTable, SnapshotError> {
        if bytes.len() > PACKS_MAX * ROW_BYTES || !bytes.len().is_multiple_of(ROW_BYTES) {
            return Err(SnapshotError::Reference("its table of packs has no such length"));
        }
        let mut table = PackTable::default();
        for row in bytes.chunks_exact(ROW_BYTES) {
            let mut pack = [0; 16];
            pack.copy_from_slice(&row[..16]);
            let number = |at: usize| row[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let row = PackRow { pack: PackId(pack), bytes: number(16), live: number(24), refs: number(32) };
            if row.bytes > PACK_BYTES_MAX as u64 || row.refs == 0 {
                return Err(SnapshotError::Reference("its table has a pack of impossible size"));
            }
            if table.rows.insert(row.pack, row).is_some() {
                return Err(SnapshotError::Reference("its table has a pack twice"));
            }
        }
        Ok(table)
    }
}
