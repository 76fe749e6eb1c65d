//! Pipes and FIFOs: a bounded run of bytes between writers and readers.
//!
//! ```text
//! write() ──▶ [ ring of up to 64 KiB ] ──▶ read()
//! ```
//! Memory is taken when bytes arrive and given back when the pipe is empty, so an idle pipe costs nothing. The pipe
//! knows how many ends are open; who waits for it is parked under its key, and each method says when to wake.

use crate::errno::Errno;
use std::collections::VecDeque;

/// Bytes a pipe holds. Linux's default: 16 pages of 4 KiB.
pub const PIPE_CAPACITY: usize = 64 * 1024;
/// Bytes that are written in whole or not at all (Linux's PIPE_BUF).
pub const PIPE_BUF: usize = 4096;
const _: () = assert!(PIPE_BUF <= PIPE_CAPACITY, "an atomic write must fit an empty pipe");

/// A pipe's number in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PipeId(pub u64);

/// One pipe.
#[derive(Debug, Default)]
pub struct Pipe {
    bytes: VecDeque<u8>,
    /// Open read ends.
    pub readers: u32,
    /// Open write ends.
    pub writers: u32,
    /// Bytes beyond [`PIPE_CAPACITY`] it may hold, because nobody could ever read while it is full.
    pub relief: usize,
    /// Read ends ever opened: a FIFO's writer waits for one, not for one that is still there.
    pub readers_ever: u64,
    /// Write ends ever opened.
    pub writers_ever: u64,
}

/// Why nothing was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Empty, and a writer may come.
    #[error("the pipe is empty")]
    WouldBlock,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The caller owes the process SIGPIPE.
    #[error("no read end is open")]
    BrokenPipe,
    /// Full, or an atomic write does not fit.
    #[error("{wanted} bytes wanted, {free} free")]
    WouldBlock {
        /// Bytes of the write.
        wanted: usize,
        /// Room now.
        free: usize,
    },
}

impl From<ReadError> for Errno {
    fn from(error: ReadError) -> Errno {
        match error {
            ReadError::WouldBlock => Errno::EAGAIN,
        }
    }
}

impl From<WriteError> for Errno {
    fn from(error: WriteError) -> Errno {
        match error {
            WriteError::BrokenPipe => Errno::EPIPE,
            WriteError::WouldBlock { .. } => Errno::EAGAIN,
        }
    }
}

impl Pipe {
    /// Gives up to `want` bytes to `put` and returns how many: 0 when empty with no writer left.
    ///
    /// # Errors
    /// `WouldBlock` when empty and a write end is open.
    ///
    /// # Standard
    /// POSIX.1-2017 read(), pipe().
    pub fn read(&mut self, want: usize, mut put: impl FnMut(&[u8])) -> Result<usize, ReadError> {
        if want == 0 {
            return Ok(0);
        }
        if self.bytes.is_empty() {
            return if self.writers == 0 { Ok(0) } else { Err(ReadError::WouldBlock) };
        }
        let count = want.min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let first = count.min(front.len());
        put(&front[..first]);
        if count > first {
            put(&back[..count - first]);
        }
        if count == self.bytes.len() {
            // The ring stays while both ends are busy; a pipe that ends gives it back at once.
            self.bytes.clear();
            if self.bytes.capacity() > PIPE_CAPACITY * 2 {
                self.bytes = VecDeque::new();
            }
            if self.writers == 0 {
                self.bytes = VecDeque::new();
            }
        } else {
            self.bytes.drain(..count);
        }
        Ok(count)
    }

    /// Takes as many of `data`'s bytes as there is room for and returns how many. Up to [`PIPE_BUF`] bytes go in
    /// whole or not at all.
    ///
    /// # Errors
    /// `BrokenPipe` when no read end is open; `WouldBlock` when full.
    ///
    /// # Standard
    /// POSIX.1-2017 write(), pipe(). Differs from Linux: capacity is fixed, F_SETPIPE_SZ answers EINVAL.
    pub fn write(&mut self, data: &[&[u8]]) -> Result<usize, WriteError> {
        let wanted: usize = data.iter().map(|part| part.len()).sum();
        if wanted == 0 {
            return Ok(0); // As Linux, whether or not there is a reader.
        }
        if self.readers == 0 {
            return Err(WriteError::BrokenPipe);
        }
        let free = (PIPE_CAPACITY + self.relief).saturating_sub(self.bytes.len());
        if free == 0 || (wanted <= PIPE_BUF && wanted > free) {
            return Err(WriteError::WouldBlock { wanted, free });
        }
        let mut left = wanted.min(free);
        for part in data {
            let count = part.len().min(left);
            self.bytes.extend(&part[..count]);
            left -= count;
        }
        Ok(wanted.min(free))
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether a read would not block.
    pub fn is_readable(&self) -> bool {
        !self.bytes.is_empty() || self.writers == 0
    }

    /// Whether a write of up to [`PIPE_BUF`] bytes would not block.
    pub fn is_writable(&self) -> bool {
        PIPE_CAPACITY.saturating_sub(self.bytes.len()) >= PIPE_BUF || self.readers == 0
    }
}

#[cfg(test)]
mod tests;
