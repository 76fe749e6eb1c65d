//! One segment: created and appended to, or read and searched.
use super::frame::{self, FRAME_BYTES, Frame, HEADER_BYTES, Header, Key, Read};
use super::{ENTRY_BYTES_MAX, RUN, WalError};
use crate::disk::{Disk, DiskFile, read_full};
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes read at a time.
const WINDOW_BYTES: usize = 256 * 1024;

/// The segment being written, by whoever writes it.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) path: PathBuf,
    pub(super) first: u64,
    /// The last position before it.
    pub(super) previous: u64,
    /// The last position in it; the one before `first` while it is empty.
    pub(super) last: u64,
    /// Where the next frame goes.
    pub(super) offset: u64,
    pub(super) key: Key,
}

impl Tail {
    /// Creates a segment and writes its header. Nothing is synced. What is left after an error is removed.
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        path: PathBuf,
        first: u64,
        previous: u64,
        synced: u64,
    ) -> Result<Tail, WalError> {
        let failed = |doing, error: &std::io::Error| WalError::from_io(doing, &path, error);
        let mut key = [0; 32];
        disk.fill_random(&mut key).map_err(|error| failed("find a key for", &error))?;
        let header = Header { first, previous, synced, repaired: false, key: Key(key) };
        let file = disk.create(&path).map_err(|error| failed("create", &error))?;
        if let Err(error) = file.write_at(&header.encode(), 0) {
            let _ = disk.remove(&path); // The first error is the one to tell.
            return Err(failed("write to", &error));
        }
        let key = header.key;
        Ok(Tail { file, path, first, previous, last: first - 1, offset: HEADER_BYTES as u64, key })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.last < self.first
    }

    /// The position of the last entry of the log.
    pub(super) fn last_entry(&self) -> u64 {
        if self.is_empty() { self.previous } else { self.last }
    }

    pub(super) fn next(&self) -> u64 {
        self.last + 1
    }
}

/// Reads a segment from front to back.
#[derive(Debug)]
pub(super) struct Reader {
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    end: u64,
    offset: u64,
    /// Bytes of the file from `window_at` on.
    window: Vec<u8>,
    window_at: u64,
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum At {
    Frame(Frame),
    /// The end, exactly.
    End,
    /// Something else, or a frame that is cut off.
    Damaged,
}

impl Reader {
    pub(super) fn open(disk: &Arc<dyn Disk>, path: &Path) -> Result<Reader, WalError> {
        let failed = |error: std::io::Error| WalError::from_io("read", path, &error);
        let file = disk.open(path).map_err(failed)?;
        let end = file.len().map_err(failed)?;
        Ok(Reader { file, path: path.to_path_buf(), end, offset: 0, window: Vec::new(), window_at: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of the file, or where the caller said that it ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Treats the file as if it ended here.
    pub(super) fn end_at(&mut self, end: u64) {
        self.end = self.end.min(end);
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the header and goes behind it; `None` when it is damaged.
    pub(super) fn header(&mut self) -> Result<Option<Header>, WalError> {
        if self.end < HEADER_BYTES as u64 {
            return Ok(None);
        }
        let bytes: [u8; HEADER_BYTES] = self.peek(0, HEADER_BYTES)?.try_into().expect("as many as asked for");
        self.offset = HEADER_BYTES as u64;
        match Header::decode(&bytes) {
            Read::Header(header) => Ok(Some(header)),
            Read::Damaged => Ok(None),
            Read::Newer(found) => {
                let file = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(WalError::Newer { file, found, known: frame::FORMAT })
            }
        }
    }

    /// The intact frame at the current place, if there is one. Does not move.
    pub(super) fn look(&mut self, key: &Key) -> Result<At, WalError> {
        if self.offset == self.end {
            return Ok(At::End);
        }
        Ok(self.look_at(self.offset, key, |_| true)?.map_or(At::Damaged, At::Frame))
    }

    /// Goes behind a frame that [`Reader::look`] found.
    pub(super) fn pass(&mut self, frame: &Frame) {
        self.offset += (FRAME_BYTES + frame.length) as u64;
    }

    /// The body of a frame that [`Reader::look`] found; goes behind it.
    pub(super) fn take(&mut self, frame: &Frame) -> Result<Bytes, WalError> {
        let body = Bytes::copy_from_slice(self.peek(self.offset + FRAME_BYTES as u64, frame.length)?);
        self.pass(frame);
        Ok(body)
    }

    /// Goes to the next intact frame behind a damaged place, or to the end. A frame there has a position above `last`.
    pub(super) fn search(&mut self, key: &Key, last: u64) -> Result<(), WalError> {
        let mut at = self.offset + 1;
        while at < self.end {
            let plausible = |frame: &Frame| frame.position > last && frame.position - last <= RUN;
            if self.look_at(at, key, plausible)?.is_some() {
                break;
            }
            at += 1;
        }
        self.offset = at.min(self.end);
        Ok(())
    }

    fn look_at(
        &mut self,
        at: u64,
        key: &Key,
        plausible: impl FnOnce(&Frame) -> bool,
    ) -> Result<Option<Frame>, WalError> {
        let rest = self.end - at;
        if rest < FRAME_BYTES as u64 {
            return Ok(None);
        }
        let front: [u8; FRAME_BYTES] = self.peek(at, FRAME_BYTES)?.try_into().expect("as many as asked for");
        let frame = Frame::decode(&front, key);
        let whole = (FRAME_BYTES + frame.length) as u64;
        if frame.length > ENTRY_BYTES_MAX || whole > rest || !plausible(&frame) {
            return Ok(None);
        }
        let body = self.peek(at + FRAME_BYTES as u64, frame.length)?;
        Ok(frame.fits(body, key).then_some(frame))
    }

    /// Bytes of the file, which the caller knows to be there. They stay in the window until others are asked for.
    fn peek(&mut self, at: u64, count: usize) -> Result<&[u8], WalError> {
        let inside = at >= self.window_at && at + count as u64 <= self.window_at + self.window.len() as u64;
        if !inside {
            let wanted = count.max(WINDOW_BYTES).min((self.end - at) as usize);
            self.window.resize(wanted, 0);
            self.window.shrink_to(4 * WINDOW_BYTES);
            self.window_at = at;
            let failed = |error: &std::io::Error| WalError::from_io("read", &self.path, error);
            let found = read_full(&*self.file, &mut self.window, at).map_err(|error| failed(&error))?;
            if found < count {
                self.window.clear();
                return Err(failed(&std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.window.truncate(found);
        }
        let from = (at - self.window_at) as usize;
        Ok(&self.window[from..from + count])
    }
}
