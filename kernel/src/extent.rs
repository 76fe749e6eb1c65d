//! The bytes of one file: immutable, shared extents under a sparse map of 64 KiB blocks.
//!
//! ```text
//! len ─────────────────────────────────────────────┐
//! base   [ blob, shared with every session         ]   read through until a block covers it
//! blocks        [ 1: Data ]            [ 4: Zero ]     written copy-on-write; a hole where neither is
//! ```
//! A clone shares everything (a snapshot is a clone); a write to a block that a snapshot also holds copies that
//! block and no more. A data block may be shorter than 64 KiB: what is behind its end reads as zeros.
//! Differs from Linux: holes are as coarse as a block, so a write of one byte far into a file allocates from the
//! start of its block.

use crate::blob::Blob;
use crate::errno::Errno;
use crate::fetch::Fetch;
use crate::pmap::PMap;
use crate::wait::{Halt, Step};
use std::ops::Bound;
use std::sync::Arc;

/// Bytes covered by one block.
pub const BLOCK: u64 = 64 * 1024;
/// Granularity in which stored bytes are charged, and st_blocks counted (as 8 sectors of 512).
pub const PAGE: u64 = 4096;
/// Largest file offset: Linux's MAX_LFS_FILESIZE on 64 bits is larger, but 2^52 keeps all arithmetic exact.
pub const FILE_SIZE_MAX: u64 = 1 << 52;

/// One block of a file's own bytes.
#[derive(Clone, Debug)]
pub enum Block {
    /// Bytes from the block's start; at most [`BLOCK`].
    Data(Arc<Vec<u8>>),
    /// A hole punched over the base.
    Zero,
}

/// What a file holds. Cloning is cheap and shares all bytes.
#[derive(Clone, Debug, Default)]
pub struct FileBytes {
    len: u64,
    base: Option<Base>,
    blocks: PMap<u64, Block>,
    charged: u64,
}

#[derive(Clone, Debug)]
struct Base {
    blob: Arc<Blob>,
    /// Bytes of the blob still seen; a truncation lowers it for good.
    len: u64,
}

/// A run of bytes of a file, for a reader that must not copy twice.
enum Run<'a> {
    Bytes(&'a [u8]),
    Zeros(usize),
}

impl FileBytes {
    /// The bytes of `blob`, shared.
    pub fn from_blob(blob: Arc<Blob>) -> FileBytes {
        let len = blob.len();
        let base = (len > 0).then_some(Base { blob, len });
        FileBytes { len, base, blocks: PMap::new(), charged: 0 }
    }

    /// Length in bytes, holes included.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the length is zero.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory this file alone pins, in whole pages: what quotas count. Shared bases cost nothing.
    pub fn charged(&self) -> u64 {
        self.charged
    }

    /// Units of 512 bytes allocated, as st_blocks: own blocks and the base's bytes, in whole pages.
    pub fn sectors(&self) -> u64 {
        let base = self.base.as_ref().map_or(0, |base| {
            let shown_under = |index: u64| base.len.saturating_sub(index * BLOCK).min(BLOCK).div_ceil(PAGE);
            let covered: u64 = self.blocks.iter().map(|(index, _)| shown_under(*index)).sum();
            base.len.div_ceil(PAGE) - covered
        });
        let own: u64 = self.blocks.iter().map(|(_, block)| block.stored().div_ceil(PAGE)).sum();
        (base + own) * (PAGE / 512)
    }

    /// The blob that is the whole content, if nothing was written since it came from there.
    pub fn as_blob(&self) -> Option<&Arc<Blob>> {
        let base = self.base.as_ref()?;
        (self.blocks.is_empty() && base.len == self.len && base.len == base.blob.len()).then_some(&base.blob)
    }

    /// The blob under the file's own blocks, and how many of its bytes are still seen.
    pub fn base(&self) -> Option<(&Arc<Blob>, u64)> {
        self.base.as_ref().map(|base| (&base.blob, base.len))
    }

    /// The file's own blocks by index.
    pub fn blocks(&self) -> &PMap<u64, Block> {
        &self.blocks
    }

    /// Gives up to `want` bytes from `offset` to `put`, in order, and returns how many: 0 at or past the end.
    ///
    /// # Errors
    /// `Fetch` when bytes of an unloaded base are needed and none was given before them.
    pub fn read(&self, offset: u64, want: usize, mut put: impl FnMut(&[u8])) -> Step<usize> {
        const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
        let end = self.len.min(offset.saturating_add(want as u64));
        let mut at = offset;
        while at < end {
            let run = match self.run(at, end) {
                Ok(run) => run,
                Err(_) if at > offset => break,
                Err(halt) => return Err(halt),
            };
            match run {
                Run::Bytes(bytes) => {
                    put(bytes);
                    at += bytes.len() as u64;
                }
                Run::Zeros(count) => {
                    let mut left = count;
                    while left > 0 {
                        let part = left.min(ZEROS.len());
                        put(&ZEROS[..part]);
                        left -= part;
                    }
                    at += count as u64;
                }
            }
        }
        Ok(at.saturating_sub(offset) as usize)
    }

    /// All bytes, for loading an image. `limit` bounds the copy.
    ///
    /// # Errors
    /// `EFBIG` above `limit`; `Fetch` as [`FileBytes::read`].
    pub fn to_vec(&self, limit: u64) -> Step<Vec<u8>> {
        if self.len > limit {
            return Err(Errno::EFBIG.into());
        }
        let mut all = Vec::with_capacity(self.len as usize);
        while (all.len() as u64) < self.len {
            let at = all.len() as u64;
            self.read(at, self.len as usize, |bytes| all.extend_from_slice(bytes))?;
        }
        Ok(all)
    }

    /// The longest run of one kind from `at`, within its block and before `end`.
    fn run(&self, at: u64, end: u64) -> Step<Run<'_>> {
        let index = at / BLOCK;
        let start = index * BLOCK;
        let stop = end.min(start + BLOCK);
        let skip = (at - start) as usize;
        let (bytes, zeros_to) = match self.blocks.get(&index) {
            Some(Block::Data(data)) => (data.get(skip..).unwrap_or(&[]), stop),
            Some(Block::Zero) => (&[][..], stop),
            None => match &self.base {
                Some(base) if at < base.len => {
                    let all = base.blob.bytes().ok_or_else(|| Halt::Fetch(Box::new(Fetch::Blob(base.blob.clone()))))?;
                    (&all[at as usize..stop.min(base.len) as usize], stop)
                }
                _ => (&[][..], stop),
            },
        };
        let room = (stop - at) as usize;
        if bytes.is_empty() {
            Ok(Run::Zeros((zeros_to - at) as usize))
        } else {
            Ok(Run::Bytes(&bytes[..bytes.len().min(room)]))
        }
    }

    /// How many of `count` bytes can be written at `offset` before more than `free` bytes are charged.
    pub fn fitting(&self, offset: u64, count: u64, free: u64) -> u64 {
        let end = offset + count;
        let mut left = free;
        let mut at = offset;
        while at < end {
            let index = at / BLOCK;
            let start = index * BLOCK;
            let block = self.blocks.get(&index);
            let stored = block.map_or(0, Block::charge);
            // A block of the base is copied as a whole before a part of it is written.
            let under = match (&self.base, block) {
                (Some(base), None) => base.len.saturating_sub(start).min(BLOCK),
                _ => 0,
            };
            let stop = end.min(start + BLOCK);
            let wanted = capacity_for(under.max(stop - start)).max(stored);
            if wanted - stored > left {
                let most = if capacity_for(under) > stored + left { 0 } else { length_within(stored + left) };
                at = at.max(start + most);
                break;
            }
            left -= wanted - stored;
            at = stop;
        }
        at - offset
    }

    /// Writes `data` at `offset`, extending the file if it ends behind it. The caller has checked the quota by
    /// [`FileBytes::fitting`] and the size by [`FILE_SIZE_MAX`].
    ///
    /// # Errors
    /// `Fetch` when a partly overwritten block's base is not loaded; nothing was written then.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Step<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset + data.len() as u64;
        self.base_loaded_for(offset, end)?;
        let mut rest = data;
        let mut at = offset;
        while !rest.is_empty() {
            let skip = (at % BLOCK) as usize;
            let part = rest.len().min(BLOCK as usize - skip);
            self.write_block(at / BLOCK, skip, &rest[..part]);
            rest = &rest[part..];
            at += part as u64;
        }
        self.len = self.len.max(end);
        Ok(())
    }

    /// Asks for the base when `from..to` overwrites part of a block that still shows it.
    fn base_loaded_for(&self, from: u64, to: u64) -> Step<()> {
        let Some(base) = &self.base else { return Ok(()) };
        if base.blob.bytes().is_some() {
            return Ok(());
        }
        let partial = |at: u64| {
            !at.is_multiple_of(BLOCK) && at / BLOCK * BLOCK < base.len && !self.blocks.contains_key(&(at / BLOCK))
        };
        if partial(from) || partial(to) {
            return Err(Halt::Fetch(Box::new(Fetch::Blob(base.blob.clone()))));
        }
        Ok(())
    }

    fn write_block(&mut self, index: u64, skip: usize, part: &[u8]) {
        if !matches!(self.blocks.get(&index), Some(Block::Data(_))) {
            let under = self.base_block(index, skip, part.len());
            let before = self.blocks.insert(index, Block::Data(Arc::new(under)));
            debug_assert!(matches!(before, None | Some(Block::Zero)), "a data block is written in place");
        } else {
            self.charged -= self.blocks.get(&index).map_or(0, Block::charge);
        }
        if let Some(Block::Data(data)) = self.blocks.get_mut(&index) {
            let data = Arc::make_mut(data);
            let end = skip + part.len();
            if data.len() < end {
                let wanted = capacity_for(end as u64) as usize;
                if data.capacity() < wanted {
                    data.reserve_exact(wanted - data.len());
                }
                if skip == data.len() {
                    data.extend_from_slice(part);
                } else {
                    data.resize(end, 0);
                    data[skip..end].copy_from_slice(part);
                }
            } else {
                data[skip..end].copy_from_slice(part);
            }
        }
        self.charged += self.blocks.get(&index).map_or(0, Block::charge);
    }

    /// What block `index` shows of the base, unless the coming write of `len` bytes at `skip` hides all of it.
    fn base_block(&self, index: u64, skip: usize, len: usize) -> Vec<u8> {
        let start = index * BLOCK;
        let Some(base) = self.base.as_ref().filter(|base| base.len > start) else { return Vec::new() };
        let shown = (base.len - start).min(BLOCK) as usize;
        if self.blocks.contains_key(&index) || (skip == 0 && len >= shown) {
            return Vec::new();
        }
        match base.blob.bytes() {
            Some(bytes) => bytes[start as usize..start as usize + shown].to_vec(),
            None => Vec::new(),
        }
    }

    /// Sets the length: cuts, or extends with a hole. Needs no bytes: a cut only shortens what is seen of the base.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            let first_gone = len.div_ceil(BLOCK);
            for (_, block) in self.blocks.remove_from(&first_gone) {
                self.charged -= block.charge();
            }
            let last = len / BLOCK;
            if !len.is_multiple_of(BLOCK)
                && let Some(Block::Data(data)) = self.blocks.get_mut(&last)
            {
                let keep = (len % BLOCK) as usize;
                if data.len() > keep {
                    let before = capacity_for(data.len() as u64);
                    *data = Arc::new(data[..keep].to_vec());
                    self.charged = self.charged - before + capacity_for(keep as u64);
                }
            }
            if let Some(base) = &mut self.base {
                base.len = base.len.min(len);
                if base.len == 0 {
                    self.base = None;
                }
            }
        }
        self.len = len;
    }

    /// Makes `offset..offset + count` read as zeros without changing the length (fallocate's punch hole).
    ///
    /// # Errors
    /// `Fetch` as [`FileBytes::write`].
    pub fn punch(&mut self, offset: u64, count: u64) -> Step<()> {
        let end = self.len.min(offset.saturating_add(count));
        if offset >= end {
            return Ok(());
        }
        self.base_loaded_for(offset, if end == self.len { end.next_multiple_of(BLOCK) } else { end })?;
        let mut at = offset;
        while let Some(kept) = self.next_kept(at).filter(|kept| *kept < end) {
            at = kept;
            let index = at / BLOCK;
            let stop = end.min((index + 1) * BLOCK);
            let whole = at.is_multiple_of(BLOCK) && (stop.is_multiple_of(BLOCK) || stop == self.len);
            let shows_base = self.base.as_ref().is_some_and(|base| base.len > index * BLOCK);
            if whole {
                let before =
                    if shows_base { self.blocks.insert(index, Block::Zero) } else { self.blocks.remove(&index) };
                self.charged -= before.map_or(0, |block| block.charge());
            } else if shows_base || matches!(self.blocks.get(&index), Some(Block::Data(_))) {
                let zeros = vec![0; (stop - at) as usize];
                self.write_block(index, (at % BLOCK) as usize, &zeros);
            }
            at = stop;
        }
        Ok(())
    }

    /// The next offset at or after `from` where the base is seen or an own block is. What lies between is a hole already,
    /// and may be longer than could be walked block by block.
    fn next_kept(&self, from: u64) -> Option<u64> {
        if self.base.as_ref().is_some_and(|base| base.len > from / BLOCK * BLOCK) {
            return Some(from);
        }
        let (index, _) = self.blocks.range_from(Bound::Included(&(from / BLOCK))).next()?;
        Some(from.max(index * BLOCK))
    }

    /// The next offset at or after `from` that holds data, or `None` past the last (SEEK_DATA).
    pub fn next_data(&self, from: u64) -> Option<u64> {
        if from >= self.len {
            return None;
        }
        let shown = |at: u64| match self.blocks.get(&(at / BLOCK)) {
            Some(Block::Data(_)) => true,
            Some(Block::Zero) => false,
            None => self.base.as_ref().is_some_and(|base| at < base.len),
        };
        if shown(from) {
            return Some(from);
        }
        let own = self
            .blocks
            .range_from(Bound::Excluded(&(from / BLOCK)))
            .find(|(_, block)| matches!(block, Block::Data(_)))
            .map(|(index, _)| index * BLOCK);
        let mut base = None;
        if let Some(limit) = self.base.as_ref().map(|base| base.len) {
            let mut at = (from / BLOCK + 1) * BLOCK;
            while at < limit && at < own.unwrap_or(u64::MAX) {
                if shown(at) {
                    base = Some(at);
                    break;
                }
                at += BLOCK;
            }
        }
        own.into_iter().chain(base).min().filter(|at| *at < self.len)
    }

    /// The next offset at or after `from` that is a hole; the end of the file counts as one (SEEK_HOLE).
    pub fn next_hole(&self, from: u64) -> Option<u64> {
        if from >= self.len {
            return None;
        }
        let mut at = from;
        while at < self.len {
            match self.blocks.get(&(at / BLOCK)) {
                Some(Block::Data(_)) => {}
                Some(Block::Zero) => return Some(at),
                None => match &self.base {
                    Some(base) if at < base.len => {
                        // As far as the base is seen without an own block over it, at once.
                        let own = self.blocks.range_from(Bound::Excluded(&(at / BLOCK))).next();
                        match own.map(|(index, _)| index * BLOCK).filter(|own| *own < base.len) {
                            Some(own) => at = own,
                            None if base.len.is_multiple_of(BLOCK) => at = base.len,
                            None => return Some(base.len),
                        }
                        continue;
                    }
                    _ => return Some(at),
                },
            }
            at = (at / BLOCK + 1) * BLOCK;
        }
        Some(self.len)
    }

    /// Puts back a block of a saved file. For restoring and applying deltas only.
    pub(crate) fn put_block(&mut self, index: u64, block: Option<Block>) {
        let before = match block {
            Some(block) => {
                self.charged += block.charge();
                self.blocks.insert(index, block)
            }
            None => self.blocks.remove(&index),
        };
        self.charged -= before.map_or(0, |block| block.charge());
    }

    /// Puts back the length and the seen part of the base. For restoring and applying deltas only.
    pub(crate) fn put_shape(&mut self, len: u64, base: Option<(Arc<Blob>, u64)>) {
        self.len = len;
        self.base = base.map(|(blob, len)| Base { blob, len });
    }
}

impl Block {
    fn stored(&self) -> u64 {
        match self {
            Block::Data(data) => data.len() as u64,
            Block::Zero => 0,
        }
    }

    /// Bytes of memory charged for this block.
    fn charge(&self) -> u64 {
        match self {
            Block::Data(data) => capacity_for(data.len() as u64),
            Block::Zero => 0,
        }
    }
}

/// Memory reserved for a block of `len` bytes: whole pages, and above four of them in steps of four so that a
/// sequential writer does not move its bytes for every page.
fn capacity_for(len: u64) -> u64 {
    if len <= 4 * PAGE { len.next_multiple_of(PAGE) } else { len.next_multiple_of(4 * PAGE) }
}

/// The longest block whose memory is at most `bytes`.
fn length_within(bytes: u64) -> u64 {
    let pages = bytes / PAGE;
    (if pages <= 4 { pages } else { pages / 4 * 4 } * PAGE).min(BLOCK)
}

#[cfg(test)]
mod tests;
