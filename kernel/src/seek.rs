//! Where in a file the next byte is, and which ranges of it are stored: lseek(), fallocate(), fsync().

use crate::errno::Errno;
use crate::extent::FILE_SIZE_MAX;
use crate::fetch::Call;
use crate::file::{OpenId, Opened};
use crate::id::{Fd, Ino, MountId};
use crate::kernel::Kernel;
use crate::vfs::driver::FsRequest;
use crate::wait::{Halt, Step};

/// Where seek() counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The start.
    Set,
    /// The present offset.
    Current,
    /// The end.
    End,
    /// The next data at or after the offset.
    Data,
    /// The next hole at or after the offset.
    Hole,
}

impl Kernel {
    /// lseek(), SEEK_DATA and SEEK_HOLE included.
    ///
    /// # Errors
    /// `ESPIPE` for a pipe; `EINVAL` for a negative result; `ENXIO` past the last data; `EOVERFLOW`.
    pub fn seek(&mut self, call: &mut Call, fd: Fd, offset: i64, whence: Whence) -> Step<u64> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get(open)?;
        let current = file.offset;
        let end = match &file.what {
            Opened::PipeReader(_)
            | Opened::PipeWriter(_)
            | Opened::PipeBoth(_)
            | Opened::Terminal(..)
            | Opened::Watch(_)
            | Opened::Socket(_) => {
                return Err(Errno::ESPIPE.into());
            }
            Opened::Device(..) => return Ok(0),
            Opened::Path(_) => return Err(Errno::EBADF.into()),
            Opened::Text(_, _, text) => text.len() as u64,
            Opened::File(..) | Opened::Directory(..) | Opened::Driver(..) => self.stat_open(call, open)?.size,
        };
        let base = match whence {
            Whence::Set => 0,
            Whence::Current => current,
            Whence::End => end,
            Whence::Data | Whence::Hole => {
                let from = u64::try_from(offset).map_err(|_| Errno::ENXIO)?;
                let found = self.next_data_or_hole(open, from, end, whence == Whence::Data).ok_or(Errno::ENXIO)?;
                self.files.get_mut(open)?.offset = found;
                return Ok(found);
            }
        };
        let target = i64::try_from(base).ok().and_then(|base| base.checked_add(offset)).ok_or(Errno::EOVERFLOW)?;
        let target = u64::try_from(target).map_err(|_| Errno::EINVAL)?;
        self.files.get_mut(open)?.offset = target;
        Ok(target)
    }

    fn next_data_or_hole(&self, open: OpenId, from: u64, end: u64, data: bool) -> Option<u64> {
        let file = self.files.get(open).ok()?;
        if let Opened::File(mount, ino) = &file.what {
            let bytes = self.mounts.tree(*mount)?.file(*ino).ok()?;
            return if data { bytes.next_data(from) } else { bytes.next_hole(from) };
        }
        // Anything else is all data.
        (from < end).then_some(if data { from } else { end })
    }

    /// fsync(). What is in memory is as durable as its session promises, not as this call.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` for a pipe.
    pub fn sync(&mut self, call: &mut Call, fd: Fd) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match &self.files.get(open)?.what {
            Opened::Driver(mount, _, handle) => self.ask_done(call, *mount, FsRequest::Sync(handle.clone())),
            Opened::PipeReader(_)
            | Opened::PipeWriter(_)
            | Opened::PipeBoth(_)
            | Opened::Terminal(..)
            | Opened::Watch(_)
            | Opened::Socket(_) => Err(Errno::EINVAL.into()),
            _ => Ok(()),
        }
    }

    /// Makes a range of a file a hole (FALLOC_FL_PUNCH_HOLE); the length stays.
    ///
    /// # Errors
    /// `EBADF` unless open for writing; `EOPNOTSUPP` for what is not a tree's file.
    pub fn punch_hole(&mut self, call: &mut Call, fd: Fd, offset: u64, count: u64) -> Step<()> {
        let (mount, ino) = self.writable_file(call, fd)?;
        if count == 0 || offset.checked_add(count).is_none_or(|end| end > FILE_SIZE_MAX) {
            return Err(Errno::EINVAL.into());
        }
        let now = self.now();
        match self.mounts.tree_mut(mount).ok_or(Errno::EIO)?.punch(ino, offset, count, now) {
            Err(Halt::Fail(errno)) => Err(self.quota_reached(call.pid, "file_bytes", errno).into()),
            done => done,
        }
    }

    /// posix_fallocate(): makes the file at least `offset + count` long. Space is not reserved: a later write may
    /// still meet the quota, which this call checks only for the whole.
    ///
    /// # Errors
    /// `EBADF`, `EFBIG`, `EDQUOT`, `EINVAL` for no bytes, `ESPIPE` for a pipe, `ENODEV` for what is no file.
    pub fn allocate(&mut self, call: &mut Call, fd: Fd, offset: u64, count: u64) -> Step<()> {
        let end = offset.checked_add(count).filter(|_| count > 0).ok_or(Errno::EINVAL)?;
        let (mount, ino) = self.writable_file(call, fd)?;
        self.check_size(call.pid, end)?;
        let now = self.now();
        let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
        let len = tree.file(ino)?.len();
        if end <= len {
            return Ok(());
        }
        let free = tree.quota().bytes.saturating_sub(tree.used().bytes);
        if end - len > free {
            return Err(self.limit_reached(call.pid, "file_bytes", Errno::EDQUOT).into());
        }
        tree.set_len(ino, end, now)
    }

    /// The data extent of this index, counted from the start of the file, without moving the offset (FIEMAP): where
    /// it begins and ends, or `None` past the last.
    ///
    /// # Errors
    /// `EBADF`; `EOPNOTSUPP` for what is no regular file.
    pub fn data_extent(&self, call: &mut Call, fd: Fd, index: u32) -> Step<Option<(u64, u64)>> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        if !matches!(self.files.get(open)?.what, Opened::File(..) | Opened::Text(..) | Opened::Driver(..)) {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let size = self.stat_open(call, open)?.size;
        let mut left = index;
        let mut from = 0;
        while let Some(start) = self.next_data_or_hole(open, from, size, true) {
            let end = self.next_data_or_hole(open, start, size, false).unwrap_or(size);
            if left == 0 {
                return Ok(Some((start, end)));
            }
            left -= 1;
            from = end;
        }
        Ok(None)
    }

    /// The tree's file a descriptor is open on for writing.
    pub(crate) fn writable_file(&self, call: &Call, fd: Fd) -> Result<(MountId, Ino), Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get(open)?;
        match &file.what {
            _ if !file.write => Err(Errno::EBADF),
            Opened::File(mount, ino) => Ok((*mount, *ino)),
            Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) => Err(Errno::ESPIPE),
            Opened::Driver(..) => Err(Errno::EOPNOTSUPP),
            _ => Err(Errno::ENODEV),
        }
    }
}
