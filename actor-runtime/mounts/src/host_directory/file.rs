//! An open regular file of the host.

use super::answer;
use super::attributes::{View, host_times};
use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs;
use rustix::io::{self, ReadWriteFlags};
use std::io::IoSlice;
use std::sync::{Arc, Mutex, PoisonError};
use warren_kernel::Errno;
use warren_kernel::io::TRANSFER_MAX;
use warren_kernel::vfs::driver::{DriverFile, DriverHandle, DriverStat, SetAttributes};

/// pwritev2()'s offset that means the descriptor's own position.
const OWN_POSITION: u64 = u64::MAX;

/// A descriptor on a regular file, opened with no more access than was asked for.
#[derive(Debug)]
pub(super) struct HostFile {
    fd: OwnedFd,
    view: View,
    /// Held by the append that moves the descriptor's own position, which nothing else uses, until it has read
    /// where it ended.
    appending: Mutex<()>,
    /// Counts this file as open.
    _slot: Arc<()>,
}

impl HostFile {
    pub(super) fn handle(fd: OwnedFd, view: View, slot: Arc<()>) -> DriverHandle {
        DriverHandle(Arc::new(HostFile { fd, view, appending: Mutex::new(()), _slot: slot }))
    }

    /// Appends as O_APPEND does: the host's kernel finds the end and writes there in one step, so appends of any
    /// descriptor and any process never overwrite each other. RWF_APPEND asks for that in one write of a descriptor
    /// without O_APPEND, whose other writes go where they are told; Linux ignores pwrite()'s offset with O_APPEND.
    fn append(&self, data: &[u8]) -> Result<(usize, u64), Errno> {
        if data.is_empty() {
            // Writes nothing and moves no position, so there is none to read.
            return Ok((0, self.stat()?.size));
        }
        let _appending = self.appending.lock().unwrap_or_else(PoisonError::into_inner);
        let write = || io::pwritev2(&self.fd, &[IoSlice::new(data)], OWN_POSITION, ReadWriteFlags::APPEND);
        let count = io::retry_on_intr(write).map_err(answer)?;
        Ok((count, fs::tell(&self.fd).map_err(answer)?))
    }

    fn require_writable(&self) -> Result<(), Errno> {
        if self.view.read_only { Err(Errno::EROFS) } else { Ok(()) }
    }
}

impl DriverFile for HostFile {
    /// At most [`TRANSFER_MAX`] bytes: the buffer is Warren's memory, and its size the guest's wish.
    fn read_at(&self, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
        let len = len.min(TRANSFER_MAX);
        if len == 0 {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::with_capacity(len);
        io::retry_on_intr(|| io::pread(&self.fd, spare_capacity(&mut bytes), offset)).map_err(answer)?;
        // The allocator may have given more room than was asked for.
        bytes.truncate(len);
        Ok(bytes)
    }

    fn write_at(&self, offset: Option<u64>, data: &[u8]) -> Result<(usize, u64), Errno> {
        self.require_writable()?;
        let Some(offset) = offset else { return self.append(data) };
        let count = io::retry_on_intr(|| io::pwrite(&self.fd, data, offset)).map_err(answer)?;
        Ok((count, offset.saturating_add(count as u64)))
    }

    fn stat(&self) -> Result<DriverStat, Errno> {
        self.view.show(&fs::fstat(&self.fd).map_err(answer)?)
    }

    fn set_len(&self, len: u64) -> Result<(), Errno> {
        self.require_writable()?;
        set_len(&self.fd, len)
    }

    fn set_attributes(&self, set: &SetAttributes) -> Result<(), Errno> {
        self.require_writable()?;
        let keeps_owner = set.uid.is_none_or(|uid| uid == self.view.uid);
        if !keeps_owner || set.gid.is_some_and(|gid| gid != self.view.gid) {
            return Err(Errno::EPERM);
        }
        if let Some(mode) = set.mode {
            // A session gives no file of the host set-id bits.
            fs::fchmod(&self.fd, fs::Mode::from_raw_mode(mode.bits() & 0o777)).map_err(answer)?;
        }
        if set.atime.is_some() || set.mtime.is_some() {
            fs::futimens(&self.fd, &host_times(set.atime, set.mtime)).map_err(answer)?;
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Errno> {
        io::retry_on_intr(|| fs::fsync(&self.fd)).map_err(answer)
    }
}

/// ftruncate(); `EFBIG` for a length no file has.
pub(super) fn set_len(file: impl AsFd, len: u64) -> Result<(), Errno> {
    if i64::try_from(len).is_err() {
        return Err(Errno::EFBIG);
    }
    io::retry_on_intr(|| fs::ftruncate(file.as_fd(), len)).map_err(answer)
}
