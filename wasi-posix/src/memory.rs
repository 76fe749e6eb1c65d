//! A guest's linear memory, as host functions see it: every access is checked, every failure is EFAULT.
//!
//! Numbers are little-endian and need no alignment (WASI says aligned; guests get it wrong and no host minds).

use warren_kernel::Errno;

/// Elements of one iovec, poll or subscription array, at most (the ABI's limit).
pub const VECTORS_MAX: u32 = 1024;

/// One buffer of an iovec array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Where it begins.
    pub at: u32,
    /// Its bytes.
    pub len: u32,
}

/// The bytes `at..at + len`.
///
/// # Errors
/// `EFAULT` when they are not all inside the memory.
pub fn slice(memory: &[u8], at: u32, len: u32) -> Result<&[u8], Errno> {
    let start = at as usize;
    start.checked_add(len as usize).and_then(|end| memory.get(start..end)).ok_or(Errno::EFAULT)
}

/// The bytes `at..at + len`, to write.
///
/// # Errors
/// As [`slice`].
pub fn slice_mut(memory: &mut [u8], at: u32, len: u32) -> Result<&mut [u8], Errno> {
    let start = at as usize;
    start.checked_add(len as usize).and_then(|end| memory.get_mut(start..end)).ok_or(Errno::EFAULT)
}

/// Checks that `len` bytes at `at` can be written, before a call has any effect.
///
/// # Errors
/// As [`slice`].
pub fn check(memory: &[u8], at: u32, len: u32) -> Result<(), Errno> {
    slice(memory, at, len).map(|_| ())
}

/// Writes bytes.
///
/// # Errors
/// As [`slice`].
pub fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<(), Errno> {
    let len = u32::try_from(bytes.len()).map_err(|_| Errno::EFAULT)?;
    slice_mut(memory, at, len)?.copy_from_slice(bytes);
    Ok(())
}

/// Writes a u16.
///
/// # Errors
/// As [`slice`].
pub fn put_u16(memory: &mut [u8], at: u32, value: u16) -> Result<(), Errno> {
    put(memory, at, &value.to_le_bytes())
}

/// Writes a u32.
///
/// # Errors
/// As [`slice`].
pub fn put_u32(memory: &mut [u8], at: u32, value: u32) -> Result<(), Errno> {
    put(memory, at, &value.to_le_bytes())
}

/// Writes a u64.
///
/// # Errors
/// As [`slice`].
pub fn put_u64(memory: &mut [u8], at: u32, value: u64) -> Result<(), Errno> {
    put(memory, at, &value.to_le_bytes())
}

/// Reads a u32.
///
/// # Errors
/// As [`slice`].
pub fn get_u32(memory: &[u8], at: u32) -> Result<u32, Errno> {
    let bytes = slice(memory, at, 4)?;
    Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

/// Reads a u64.
///
/// # Errors
/// As [`slice`].
pub fn get_u64(memory: &[u8], at: u32) -> Result<u64, Errno> {
    let (low, high) = (get_u32(memory, at)?, get_u32(memory, at.checked_add(4).ok_or(Errno::EFAULT)?)?);
    Ok(u64::from(high) << 32 | u64::from(low))
}

/// Decodes an array of `count` buffers (WASI's iovec and ciovec) and checks each.
///
/// # Errors
/// `EINVAL` above [`VECTORS_MAX`] or past 2^31 - 1 bytes in all; `EFAULT`.
pub fn buffers(memory: &[u8], at: u32, count: u32) -> Result<Vec<Buffer>, Errno> {
    if count > VECTORS_MAX {
        return Err(Errno::EINVAL);
    }
    let table = slice(memory, at, count * 8)?;
    let mut total = 0u64;
    let mut buffers = Vec::with_capacity(count as usize);
    for entry in table.chunks_exact(8) {
        let buffer = Buffer {
            at: u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]),
            len: u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]),
        };
        check(memory, buffer.at, buffer.len)?;
        total += u64::from(buffer.len);
        buffers.push(buffer);
    }
    if total > i32::MAX as u64 { Err(Errno::EINVAL) } else { Ok(buffers) }
}

/// Spreads bytes over buffers, in order, across calls.
#[derive(Debug)]
pub struct Scatter<'a> {
    buffers: &'a [Buffer],
    filled: u32,
}

impl<'a> Scatter<'a> {
    /// Begins with the first byte of the first buffer; the buffers were checked by [`buffers`].
    pub fn new(buffers: &'a [Buffer]) -> Scatter<'a> {
        Scatter { buffers, filled: 0 }
    }

    /// Bytes all buffers hold.
    pub fn room(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.len as usize).sum::<usize>() - self.filled as usize
    }

    /// Puts the next bytes; what no buffer has room for is dropped, which a kernel asked for `room` never gives.
    pub fn put(&mut self, memory: &mut [u8], mut bytes: &[u8]) {
        while let (Some(first), false) = (self.buffers.first(), bytes.is_empty()) {
            let count = bytes.len().min((first.len - self.filled) as usize);
            let start = first.at as usize + self.filled as usize;
            if let Some(target) = memory.get_mut(start..start + count) {
                target.copy_from_slice(&bytes[..count]);
            }
            bytes = &bytes[count..];
            self.filled += count as u32;
            if self.filled == first.len {
                self.buffers = &self.buffers[1..];
                self.filled = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests;
