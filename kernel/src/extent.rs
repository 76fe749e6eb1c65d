//! The bytes of one file: immutable, shared extents under a sparse map of 64 KiB blocks.
//!
//! ```text
//! len ─────────────────────────────────────────────┐
//! base   [ blob, shared with every session         ]   read through until a block covers it
//! blocks        [ 1: Data ] [ 2: Stored ] [ 4: Zero ]  written copy-on-write; a hole where neither is
//! ```
//! What lies outside (the base, a stored block) is loaded as a whole when a byte of it is needed: to be read, or to be
//! kept beside what overwrites the rest. Every operation asks for all it needs before it has any effect.
//!
//! A clone shares everything (a snapshot is a clone); a write to a block that a snapshot also holds copies that
//! block and no more. A data block may be shorter than 64 KiB: what is behind its end reads as zeros.
//! Differs from Linux: holes are as coarse as a block, so a write of one byte far into a file allocates from the
//! start of its block.

mod block;

pub use block::Block;

use crate::blob::Blob;
use crate::errno::Errno;
use crate::fetch::Fetch;
use crate::pmap::PMap;
use crate::wait::{Halt, Step};
use block::{capacity_for, length_within};
use std::ops::Bound;
use std::sync::Arc;

/// Bytes covered by one block.
pub const BLOCK: u64 = 64 * 1024;
/// Granularity in which stored bytes are charged, and st_blocks counted (as 8 sectors of 512).
pub const PAGE: u64 = 4096;
/// Largest file offset: Linux's MAX_LFS_FILESIZE on 64 bits is larger, but 2^52 keeps all arithmetic exact.
pub const FILE_SIZE_MAX: u64 = 1 << 52;

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

    /// Gives up to `want` bytes from `offset` to `put`, in order, and returns how many: 0 at or past the end. What is
    /// loaded already does not make a read shorter.
    ///
    /// # Errors
    /// `Fetch` when bytes are needed that are not loaded; none was given then.
    pub fn read(&self, offset: u64, want: usize, mut put: impl FnMut(&[u8])) -> Step<usize> {
        const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];
        let end = self.len.min(offset.saturating_add(want as u64));
        let mut at = offset;
        // Within one block, the run itself asks.
        if at < end && at / BLOCK != (end - 1) / BLOCK {
            self.loaded_to_read(at, end)?;
        }
        while at < end {
            match self.run(at, end)? {
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

    /// Asks for the first content in `from..to` that is not loaded.
    fn loaded_to_read(&self, from: u64, to: u64) -> Step<()> {
        let (first, behind) = (from / BLOCK, to.div_ceil(BLOCK));
        let own = self.blocks.range_from(Bound::Included(&first)).take_while(|(index, _)| **index < behind);
        let mut gap = first; // The first block that is not the file's own; a base is seen there or nowhere behind.
        for (index, block) in own {
            if let Some(blob) = block.unloaded() {
                return Err(fetch(blob));
            }
            gap += u64::from(*index == gap);
        }
        match &self.base {
            Some(base) if gap < behind && gap * BLOCK < base.len && base.blob.bytes().is_none() => {
                Err(fetch(&base.blob))
            }
            _ => Ok(()),
        }
    }

    /// The longest run of one kind from `at`, within its block and before `end`.
    fn run(&self, at: u64, end: u64) -> Step<Run<'_>> {
        let index = at / BLOCK;
        let start = index * BLOCK;
        let stop = end.min(start + BLOCK);
        let skip = (at - start) as usize;
        let bytes = match self.blocks.get(&index) {
            Some(Block::Data(data)) => data.get(skip..).unwrap_or(&[]),
            Some(Block::Stored(blob)) => match blob.bytes() {
                Some(bytes) => bytes.get(skip..).unwrap_or(&[]),
                None if skip as u64 >= blob.len() => &[],
                None => return Err(fetch(blob)),
            },
            Some(Block::Zero) => &[],
            None => match &self.base {
                Some(base) if at < base.len => {
                    let all = base.blob.bytes().ok_or_else(|| fetch(&base.blob))?;
                    &all[at as usize..stop.min(base.len) as usize]
                }
                _ => &[],
            },
        };
        let room = (stop - at) as usize;
        if bytes.is_empty() { Ok(Run::Zeros(room)) } else { Ok(Run::Bytes(&bytes[..bytes.len().min(room)])) }
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
    /// `Fetch` when a partly overwritten block's bytes are not loaded; nothing was written then.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> Step<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = offset + data.len() as u64;
        self.loaded_to_write(offset, end)?;
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

    /// Asks for what is needed to overwrite `from..to`: the bytes of its first and last block, where they are seen beside
    /// what is written. The kernel asks for all parts of a write before it writes the first.
    ///
    /// # Errors
    /// `Fetch`.
    pub fn loaded_to_write(&self, from: u64, to: u64) -> Step<()> {
        let (first, last) = (from / BLOCK, to.saturating_sub(1) / BLOCK);
        if from < to {
            self.loaded_beside(first, from % BLOCK, (to - first * BLOCK).min(BLOCK))?;
        }
        if first < last {
            self.loaded_beside(last, 0, to - last * BLOCK)?;
        }
        Ok(())
    }

    /// Asks for the bytes of block `index` unless `from..to` of it hides all of them.
    fn loaded_beside(&self, index: u64, from: u64, to: u64) -> Step<()> {
        let (blob, shown) = match (self.blocks.get(&index), &self.base) {
            (Some(Block::Stored(blob)), _) => (blob, blob.len()),
            (Some(_), _) | (None, None) => return Ok(()),
            (None, Some(base)) => (&base.blob, base.len.saturating_sub(index * BLOCK).min(BLOCK)),
        };
        let hidden = shown == 0 || (from == 0 && to >= shown);
        if hidden || blob.bytes().is_some() { Ok(()) } else { Err(fetch(blob)) }
    }

    fn write_block(&mut self, index: u64, skip: usize, part: &[u8]) {
        self.charged -= self.blocks.get(&index).map_or(0, Block::charge);
        if !matches!(self.blocks.get(&index), Some(Block::Data(_))) {
            let under = self.bytes_beside(index, skip, part.len());
            self.blocks.insert(index, Block::Data(Arc::new(under)));
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

    /// What block `index` shows of its stored content or the base, unless the coming write of `len` bytes at `skip` hides
    /// all of it.
    fn bytes_beside(&self, index: u64, skip: usize, len: usize) -> Vec<u8> {
        let shown = match (self.blocks.get(&index), &self.base) {
            (Some(block), _) => block.bytes(),
            (None, Some(base)) if base.len > index * BLOCK => {
                let end = base.len.min((index + 1) * BLOCK);
                base.blob.bytes().map(|bytes| &bytes[(index * BLOCK) as usize..end as usize])
            }
            (None, _) => None,
        };
        match shown {
            Some(shown) if skip > 0 || len < shown.len() => shown.to_vec(),
            _ => Vec::new(), // Hidden, or there is nothing: what is needed was loaded.
        }
    }

    /// Sets the length: cuts, or extends with a hole. Of the base a cut only shortens what is seen.
    ///
    /// # Errors
    /// `Fetch` when a stored block is cut in two and not loaded; the length is as before then.
    pub fn set_len(&mut self, len: u64) -> Step<()> {
        if len < self.len {
            let last = len / BLOCK;
            let keep = len % BLOCK;
            if let Some(block) = self.blocks.get(&last).filter(|block| 0 < keep && keep < block.stored()) {
                let kept = match block.bytes() {
                    Some(bytes) => Arc::new(bytes[..keep as usize].to_vec()),
                    None => return Err(block.unloaded().map_or(Errno::EIO.into(), fetch)),
                };
                self.put_block(last, Some(Block::Data(kept)));
            }
            let first_gone = len.div_ceil(BLOCK);
            for (_, block) in self.blocks.remove_from(&first_gone) {
                self.charged -= block.charge();
            }
            if let Some(base) = &mut self.base {
                base.len = base.len.min(len);
                if base.len == 0 {
                    self.base = None;
                }
            }
        }
        self.len = len;
        Ok(())
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
        self.loaded_to_write(offset, if end == self.len { end.next_multiple_of(BLOCK) } else { end })?;
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
            } else if shows_base || self.blocks.get(&index).is_some_and(Block::is_data) {
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
            Some(block) => block.is_data(),
            None => self.base.as_ref().is_some_and(|base| at < base.len),
        };
        if shown(from) {
            return Some(from);
        }
        let own = self
            .blocks
            .range_from(Bound::Excluded(&(from / BLOCK)))
            .find(|(_, block)| block.is_data())
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
                Some(block) if block.is_data() => {}
                Some(_) => return Some(at),
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

/// The request for a content that is not loaded.
fn fetch(blob: &Arc<Blob>) -> Halt {
    Halt::Fetch(Box::new(Fetch::Blob(blob.clone())))
}

#[cfg(test)]
mod tests;
