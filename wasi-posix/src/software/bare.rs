//! BARE, the binary encoding of a package's metadata: a cursor over bytes that are not trusted.
//!
//! Integers are little-endian and fixed, but for `uint`, which is LEB128 in its shortest form. Text is a `uint` length
//! and UTF-8. A list is a `uint` count and its items; because every item takes at least one byte, a count larger than
//! the bytes that are left is a lie, and is refused before memory is reserved for it.
//!
//! # Standard
//! BARE (draft-devault-bare), the subset the package format uses: uint, u8, u16, u32, u64, i64, bool, str, optional,
//! list, map, enum.

use std::collections::BTreeMap;

/// What was wrong, and the offset within the chunk at which it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {fault}")]
pub struct BareError {
    pub at: usize,
    pub fault: BareFault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BareFault {
    #[error("{wanted} bytes wanted, {left} left")]
    Truncated { wanted: u64, left: usize },
    #[error("an integer of more than 64 bits, or not in its shortest form")]
    Uint,
    #[error("text that is not UTF-8")]
    Utf8,
    #[error("text of {length} bytes; at most {max} are allowed here")]
    LongText { length: u64, max: usize },
    #[error("{count} items; at most {max} are allowed here")]
    LongList { count: u64, max: usize },
    #[error("{value} where 0 or 1 was expected")]
    Flag { value: u8 },
    #[error("a map with the same key twice")]
    DuplicateKey,
    #[error("{left} bytes after the end of the data")]
    Trailing { left: usize },
}

/// Reads values from the front of a chunk.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes, at: 0 }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Succeeds only when every byte was read.
    pub fn finish(self) -> Result<(), BareError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.error(BareFault::Trailing { left })),
        }
    }

    pub fn u8(&mut self) -> Result<u8, BareError> {
        self.array().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, BareError> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, BareError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, BareError> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, BareError> {
        self.array().map(i64::from_le_bytes)
    }

    /// LEB128, at most 64 bits, shortest form only.
    pub fn uint(&mut self) -> Result<u64, BareError> {
        let start = self.clone();
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    break;
                }
                return Ok(value);
            }
        }
        Err(start.error(BareFault::Uint))
    }

    pub fn bool(&mut self) -> Result<bool, BareError> {
        let start = self.clone();
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(start.error(BareFault::Flag { value })),
        }
    }

    /// Text of at most `max` bytes, borrowed from the chunk.
    pub fn str(&mut self, max: usize) -> Result<&'a str, BareError> {
        let start = self.clone();
        let length = self.uint()?;
        if length > max as u64 {
            return Err(start.error(BareFault::LongText { length, max }));
        }
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| start.error(BareFault::Utf8))
    }

    pub fn string(&mut self, max: usize) -> Result<String, BareError> {
        self.str(max).map(str::to_owned)
    }

    pub fn optional<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, BareError>,
    ) -> Result<Option<T>, BareError> {
        if self.bool()? { value(self).map(Some) } else { Ok(None) }
    }

    /// A list of at most `max` items. Memory is reserved for what the bytes that are left could hold, no more.
    pub fn list<T>(
        &mut self,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, BareError>,
    ) -> Result<Vec<T>, BareError> {
        let count = self.count(max)?;
        let mut items = Vec::with_capacity(count.min(1024));
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A map of text to text with at most `max` pairs.
    pub fn text_map(&mut self, max: usize, text_max: usize) -> Result<BTreeMap<String, String>, BareError> {
        let mut map = BTreeMap::new();
        for _ in 0..self.count(max)? {
            let start = self.clone();
            let key = self.string(text_max)?;
            if map.insert(key, self.string(text_max)?).is_some() {
                return Err(start.error(BareFault::DuplicateKey));
            }
        }
        Ok(map)
    }

    fn count(&mut self, max: usize) -> Result<usize, BareError> {
        let start = self.clone();
        let count = self.uint()?;
        if count > max as u64 {
            return Err(start.error(BareFault::LongList { count, max }));
        }
        if count > self.rest.len() as u64 {
            return Err(start.error(BareFault::Truncated { wanted: count, left: self.rest.len() }));
        }
        Ok(count as usize)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BareError> {
        match self.rest.split_first_chunk() {
            Some((array, rest)) => {
                self.rest = rest;
                self.at += N;
                Ok(*array)
            }
            None => Err(self.error(BareFault::Truncated { wanted: N as u64, left: self.rest.len() })),
        }
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], BareError> {
        let left = self.rest.len();
        let taken = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (bytes, rest) = taken.ok_or_else(|| self.error(BareFault::Truncated { wanted: length, left }))?;
        self.rest = rest;
        self.at += bytes.len();
        Ok(bytes)
    }

    fn error(&self, fault: BareFault) -> BareError {
        BareError { at: self.at, fault }
    }
}

#[cfg(test)]
mod tests;
