//! Reading and writing through descriptors, and what else is done with one: seek, dup, close, list.

use crate::errno::Errno;
use crate::extent::FILE_SIZE_MAX;
use crate::fd::Descriptor;
use crate::fetch::Call;
use crate::file::{DirectoryEntry, Listing, OpenFile, OpenId, Opened};
use crate::id::{Fd, Ino, MountId, Pid};
use crate::kernel::Kernel;
use crate::pipe::{PipeId, ReadError, WriteError};
use crate::process::{Resource, ResourceLimit};
use crate::signal::Signal;
use crate::vfs::device::Device;
use crate::vfs::driver::{DriverHandle, FsAnswer, FsRequest};
use crate::vfs::{FileKind, Name, Node};
use crate::wait::{Halt, Step, WaitKey};
use std::sync::Arc;

/// Bytes one call moves to or from a driver or a device; more is a short read or write.
pub const TRANSFER_MAX: usize = 1 << 20;

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

/// What a descriptor is open on, for those that only need to know the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorStatus {
    /// The kind of file.
    pub kind: FileKind,
    /// Reads are allowed.
    pub read: bool,
    /// Writes are allowed.
    pub write: bool,
    /// O_APPEND.
    pub append: bool,
    /// O_NONBLOCK.
    pub nonblock: bool,
    /// FD_CLOEXEC.
    pub close_on_exec: bool,
    /// It is a terminal.
    pub terminal: bool,
}

impl Kernel {
    /// read(): up to `want` bytes, handed to `put` in order. 0 is the end.
    ///
    /// # Errors
    /// `EBADF`, `EISDIR`; `EAGAIN` or `Wait` when there is nothing yet.
    pub fn read(&mut self, call: &mut Call, fd: Fd, want: usize, put: &mut dyn FnMut(&[u8])) -> Step<usize> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        self.read_open(call, open, None, want, put)
    }

    /// pread().
    ///
    /// # Errors
    /// As [`Kernel::read`]; `ESPIPE` for what has no offset.
    pub fn pread(
        &mut self,
        call: &mut Call,
        fd: Fd,
        offset: u64,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        self.read_open(call, open, Some(offset), want, put)
    }

    /// Reads from an open file description; at its own offset, or at one given.
    ///
    /// # Errors
    /// As [`Kernel::read`].
    pub fn read_open(
        &mut self,
        call: &mut Call,
        open: OpenId,
        at: Option<u64>,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        if at.is_none() {
            self.begin_turn(call, open)?;
        }
        let read = self.read_open_at(call, open, at, want, put);
        self.end_turn_unless_waiting(call, &read);
        read
    }

    fn read_open_at(
        &mut self,
        call: &mut Call,
        open: OpenId,
        at: Option<u64>,
        want: usize,
        put: &mut dyn FnMut(&[u8]),
    ) -> Step<usize> {
        let file = self.files.get(open)?;
        if !file.read {
            return Err(Errno::EBADF.into());
        }
        let offset = at.unwrap_or(file.offset);
        let nonblock = file.nonblock;
        let count = match &file.what {
            Opened::File(mount, ino) => {
                let (mount, ino) = (*mount, *ino);
                let count = self.mounts.tree(mount).ok_or(Errno::EIO)?.file(ino)?.read(offset, want, &mut *put)?;
                let now = self.now();
                if let Some(tree) = self.mounts.tree_mut(mount) {
                    tree.touch_read(ino, now);
                }
                count
            }
            Opened::PipeReader(id) | Opened::PipeBoth(id) => {
                let id = *id;
                if at.is_some() {
                    return Err(Errno::ESPIPE.into());
                }
                return self.read_pipe(id, nonblock, want, put);
            }
            Opened::Device(device, _) => return self.read_device(*device, want, put),
            Opened::Text(_, _, text) => {
                let start = text.len().min(offset as usize);
                let end = text.len().min(start.saturating_add(want));
                put(&text[start..end]);
                end - start
            }
            Opened::Driver(mount, _, handle) => {
                let request = FsRequest::Read(handle.clone(), offset, want.min(TRANSFER_MAX));
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let FsAnswer::Data(bytes) = call.ask(&driver, request)? else { return Err(Errno::EIO.into()) };
                let count = bytes.len().min(want);
                put(&bytes[..count]);
                count
            }
            Opened::Directory(..) => return Err(Errno::EISDIR.into()),
            Opened::Socket(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
            Opened::Socket(_) => return Err(Errno::ENOTCONN.into()),
            Opened::PipeWriter(_) | Opened::Path(_) => return Err(Errno::EBADF.into()),
        };
        if at.is_none() {
            self.files.get_mut(open)?.offset = offset + count as u64;
        }
        Ok(count)
    }

    fn read_pipe(&mut self, id: PipeId, nonblock: bool, want: usize, put: &mut dyn FnMut(&[u8])) -> Step<usize> {
        let pipe = self.pipes.get_mut(&id).ok_or(Errno::EIO)?;
        match pipe.read(want, &mut *put) {
            Ok(count) => {
                if count > 0 {
                    self.waiters.wake(WaitKey::Pipe(id.0));
                }
                Ok(count)
            }
            Err(error @ ReadError::WouldBlock) if nonblock => Err(Errno::from(error).into()),
            Err(ReadError::WouldBlock) => Err(Halt::on(WaitKey::Pipe(id.0))),
        }
    }

    fn read_device(&mut self, device: Device, want: usize, put: &mut dyn FnMut(&[u8])) -> Step<usize> {
        let mut chunk = [0; 4096];
        let want = want.min(TRANSFER_MAX);
        match device {
            Device::Null => return Ok(0),
            Device::Tty => return Err(Errno::ENXIO.into()),
            Device::Zero | Device::Full | Device::Random => {}
        }
        let mut left = want;
        while left > 0 {
            let part = left.min(chunk.len());
            if device == Device::Random {
                self.fill_random(&mut chunk[..part]);
            }
            put(&chunk[..part]);
            left -= part;
        }
        Ok(want)
    }

    /// write(): the parts in order, as one. May be short: at a quota, or when a pipe has room for some.
    ///
    /// # Errors
    /// `EBADF`; `EPIPE` and SIGPIPE; `EDQUOT`, `EFBIG`, `ENOSPC`; `EAGAIN` or `Wait` when there is no room.
    pub fn write(&mut self, call: &mut Call, fd: Fd, data: &[&[u8]]) -> Step<usize> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        self.write_open(call, open, None, data)
    }

    /// pwrite(). With O_APPEND the offset is ignored, as on Linux.
    ///
    /// # Errors
    /// As [`Kernel::write`]; `ESPIPE`.
    pub fn pwrite(&mut self, call: &mut Call, fd: Fd, offset: u64, data: &[&[u8]]) -> Step<usize> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        self.write_open(call, open, Some(offset), data)
    }

    /// Writes to an open file description.
    ///
    /// # Errors
    /// As [`Kernel::write`].
    pub fn write_open(&mut self, call: &mut Call, open: OpenId, at: Option<u64>, data: &[&[u8]]) -> Step<usize> {
        if at.is_none() {
            self.begin_turn(call, open)?;
        }
        let written = self.write_open_at(call, open, at, data);
        self.end_turn_unless_waiting(call, &written);
        written
    }

    /// A call that reads or writes a driver's file at its offset has the offset to itself until it is done, as Linux
    /// has it: two writers that share a description follow each other.
    fn begin_turn(&mut self, call: &mut Call, open: OpenId) -> Step<()> {
        let file = self.files.get_mut(open)?;
        if !matches!(file.what, Opened::Driver(..)) {
            return Ok(());
        }
        match file.turn {
            Some(other) if other != call.id() => Err(Halt::on(WaitKey::Offset(open))),
            _ => {
                file.turn = Some(call.id());
                call.keep_turn(open);
                Ok(())
            }
        }
    }

    fn end_turn_unless_waiting<T>(&mut self, call: &mut Call, result: &Step<T>) {
        if !matches!(result, Err(Halt::Wait(_) | Halt::Fetch(_)))
            && let Some(open) = call.take_turn()
        {
            self.end_turn(call.id(), open);
        }
    }

    pub(crate) fn end_turn(&mut self, call: u64, open: OpenId) {
        if let Ok(file) = self.files.get_mut(open)
            && file.turn == Some(call)
        {
            file.turn = None;
        }
        self.waiters.wake(WaitKey::Offset(open));
    }

    fn write_open_at(&mut self, call: &mut Call, open: OpenId, at: Option<u64>, data: &[&[u8]]) -> Step<usize> {
        let file = self.files.get(open)?;
        if !file.write {
            return Err(Errno::EBADF.into());
        }
        let (nonblock, append, offset) = (file.nonblock, file.append, at.unwrap_or(file.offset));
        match &file.what {
            Opened::File(mount, ino) => {
                let (mount, ino) = (*mount, *ino);
                let (count, end) = self.write_file(call.pid, mount, ino, (!append).then_some(offset), data)?;
                if at.is_none() {
                    self.files.get_mut(open)?.offset = end;
                }
                Ok(count)
            }
            Opened::PipeWriter(id) | Opened::PipeBoth(id) => {
                let id = *id;
                if at.is_some() {
                    return Err(Errno::ESPIPE.into());
                }
                self.write_pipe(call.pid, id, nonblock, data)
            }
            Opened::Device(device, _) => match device {
                Device::Null | Device::Zero | Device::Random => Ok(data.iter().map(|part| part.len()).sum()),
                Device::Full => Err(Errno::ENOSPC.into()),
                Device::Tty => Err(Errno::ENXIO.into()),
            },
            Opened::Driver(mount, _, handle) => {
                let (mount, handle) = (*mount, handle.clone());
                let (count, end) = self.write_driver(call, mount, handle, (!append).then_some(offset), data)?;
                if at.is_none() {
                    self.files.get_mut(open)?.offset = end;
                }
                Ok(count)
            }
            Opened::Text(..) => Err(Errno::EACCES.into()),
            Opened::Socket(_) if at.is_some() => Err(Errno::ESPIPE.into()),
            Opened::Socket(_) => Err(Errno::ENOTCONN.into()),
            Opened::Directory(..) | Opened::PipeReader(_) | Opened::Path(_) => Err(Errno::EBADF.into()),
        }
    }

    /// Writes the parts to a tree's file at `offset`, or at its end; returns how many bytes and where it ended.
    fn write_file(
        &mut self,
        pid: Pid,
        mount: MountId,
        ino: Ino,
        offset: Option<u64>,
        data: &[&[u8]],
    ) -> Step<(usize, u64)> {
        let now = self.now();
        let limit = self.process(pid)?.limit(Resource::FSIZE).soft;
        let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
        let start = match offset {
            Some(offset) => offset,
            None => tree.file(ino)?.len(),
        };
        let mut at = start;
        for part in data.iter().filter(|part| !part.is_empty()) {
            let room = if limit == ResourceLimit::INFINITE { u64::MAX } else { limit.saturating_sub(at) };
            if room == 0 && at == start {
                self.signal_process(pid, Signal::XFSZ);
                return Err(self.limit_reached(pid, "file_size", Errno::EFBIG).into());
            }
            let wanted = part.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
            match tree.write(ino, at, &part[..wanted], now) {
                Ok(count) => {
                    at += count as u64;
                    if count < part.len() {
                        break;
                    }
                }
                Err(_) if at > start => break,
                Err(Halt::Fail(errno)) => return Err(self.quota_reached(pid, "file_bytes", errno).into()),
                Err(halt) => return Err(halt),
            }
        }
        Ok(((at - start) as usize, at))
    }

    fn write_pipe(&mut self, pid: Pid, id: PipeId, nonblock: bool, data: &[&[u8]]) -> Step<usize> {
        let pipe = self.pipes.get_mut(&id).ok_or(Errno::EIO)?;
        match pipe.write(data) {
            Ok(count) => {
                if count > 0 {
                    self.waiters.wake(WaitKey::Pipe(id.0));
                }
                Ok(count)
            }
            Err(WriteError::BrokenPipe) => {
                self.signal_process(pid, Signal::PIPE);
                Err(Errno::EPIPE.into())
            }
            Err(error @ WriteError::WouldBlock { .. }) if nonblock => Err(Errno::from(error).into()),
            Err(WriteError::WouldBlock { .. }) if self.is_stuck(pid, id) => {
                self.relieve(pid, id)?;
                self.write_pipe(pid, id, nonblock, data)
            }
            Err(WriteError::WouldBlock { .. }) => Err(Halt::on(WaitKey::Pipe(id.0))),
        }
    }

    fn write_driver(
        &mut self,
        call: &mut Call,
        mount: MountId,
        handle: DriverHandle,
        offset: Option<u64>,
        data: &[&[u8]],
    ) -> Step<(usize, u64)> {
        let driver = self.mounts.driver(mount).ok_or(Errno::EIO)?;
        self.require_writable(&Node::Driver(mount, Arc::from(&b""[..])))?;
        let limit = self.process(call.pid)?.limit(Resource::FSIZE).soft;
        let start = match offset {
            _ if limit == ResourceLimit::INFINITE => 0,
            Some(offset) => offset,
            None => match call.ask(&driver, FsRequest::StatOpen(handle.clone()))? {
                FsAnswer::Stat(stat) => stat.size,
                _ => return Err(Errno::EIO.into()),
            },
        };
        let room = usize::try_from(limit.saturating_sub(start)).unwrap_or(usize::MAX).min(TRANSFER_MAX);
        if room == 0 && data.iter().any(|part| !part.is_empty()) {
            self.signal_process(call.pid, Signal::XFSZ);
            return Err(self.limit_reached(call.pid, "file_size", Errno::EFBIG).into());
        }
        let mut bytes: Vec<u8> = Vec::new();
        for part in data {
            let left = room - bytes.len();
            bytes.extend_from_slice(&part[..part.len().min(left)]);
        }
        match call.ask(&driver, FsRequest::Write(handle, offset, bytes.into()))? {
            FsAnswer::Written(count, end) => Ok((count, end)),
            _ => Err(Errno::EIO.into()),
        }
    }

    /// Refuses a file longer than RLIMIT_FSIZE or the kernel allows.
    pub(crate) fn check_size(&mut self, pid: Pid, len: u64) -> Result<(), Errno> {
        if len > FILE_SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        if len > self.process(pid)?.limit(Resource::FSIZE).soft {
            self.signal_process(pid, Signal::XFSZ);
            return Err(self.limit_reached(pid, "file_size", Errno::EFBIG));
        }
        Ok(())
    }

    /// lseek(), SEEK_DATA and SEEK_HOLE included.
    ///
    /// # Errors
    /// `ESPIPE` for a pipe; `EINVAL` for a negative result; `ENXIO` past the last data; `EOVERFLOW`.
    pub fn seek(&mut self, call: &mut Call, fd: Fd, offset: i64, whence: Whence) -> Step<u64> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get(open)?;
        let current = file.offset;
        let end = match &file.what {
            Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) | Opened::Socket(_) => {
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

    /// The entries of an open directory from `position`, handed to `put` until it answers `false`. Position 0
    /// freezes the listing; `.` and `..` come first.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF`.
    pub fn readdir(
        &mut self,
        call: &mut Call,
        fd: Fd,
        position: u64,
        put: &mut dyn FnMut(&DirectoryEntry) -> bool,
    ) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let (node, listing) = match &self.files.get(open)?.what {
            Opened::Directory(node, listing) => (node, listing),
            Opened::Path(_) => return Err(Errno::EBADF.into()),
            _ => return Err(Errno::ENOTDIR.into()),
        };
        let frozen = match listing {
            Some(listing) if position > 0 => listing.clone(),
            _ => {
                let node = node.clone();
                let listing = self.list(call, &node)?;
                if let Opened::Directory(_, slot) = &mut self.files.get_mut(open)?.what {
                    *slot = Some(listing.clone());
                }
                listing
            }
        };
        match &frozen {
            Listing::Fixed(entries) => {
                for (index, (name, ino, kind)) in entries.iter().enumerate().skip(position as usize) {
                    if !put(&DirectoryEntry { next: index as u64 + 1, ino: *ino, kind: *kind, name: name.clone() }) {
                        break;
                    }
                }
            }
            Listing::Tree { names, mount, dots } => self.list_tree(names, *mount, *dots, position, put),
        }
        Ok(())
    }

    fn list_tree(
        &self,
        names: &crate::pmap::PMap<Name, Ino>,
        mount: MountId,
        dots: [Ino; 2],
        position: u64,
        put: &mut dyn FnMut(&DirectoryEntry) -> bool,
    ) {
        for (index, name) in [b".".as_slice(), b".."].into_iter().enumerate().skip(position as usize) {
            let entry = DirectoryEntry {
                next: index as u64 + 1,
                ino: dots[index],
                kind: FileKind::Directory,
                name: name.into(),
            };
            if !put(&entry) {
                return;
            }
        }
        let first = position.saturating_sub(2) as usize;
        let Some((start, _)) = names.nth(first) else { return };
        let rest = names.range_from::<[u8]>(std::ops::Bound::Included(start));
        for (index, (name, ino)) in rest.enumerate() {
            let kind = self
                .mounts
                .tree(mount)
                .and_then(|tree| tree.inode(*ino).ok())
                .map_or(FileKind::Regular, |inode| inode.kind());
            let entry = DirectoryEntry { next: (first + index) as u64 + 3, ino: *ino, kind, name: name.clone() };
            if !put(&entry) {
                return;
            }
        }
    }

    /// Freezes the names of a directory.
    fn list(&mut self, call: &mut Call, node: &Node) -> Step<Listing> {
        match node {
            Node::Tree(mount, ino) => {
                let directory = self.mounts.tree(*mount).ok_or(Errno::EIO)?.directory(*ino)?;
                Ok(Listing::Tree { names: directory.entries.clone(), mount: *mount, dots: [*ino, directory.parent] })
            }
            Node::Proc(_, proc) => Ok(Listing::Fixed(self.proc_list(call.pid, proc)?.into())),
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let own = self.stat_node(call, node)?.ino;
                let FsAnswer::Names(names) = call.ask(&driver, FsRequest::List(path.clone()))? else {
                    return Err(Errno::EIO.into());
                };
                let dots = [(b".".as_slice(), own), (b"..", own)]
                    .map(|(name, ino)| (Name::from(name), ino, FileKind::Directory));
                Ok(Listing::Fixed(dots.into_iter().chain(names.iter().cloned()).collect()))
            }
            Node::Open(_) => Err(Errno::ENOTDIR.into()),
        }
    }

    /// fsync(). What is in memory is as durable as its session promises, not as this call.
    ///
    /// # Errors
    /// `EBADF`; `EINVAL` for a pipe.
    pub fn sync(&mut self, call: &mut Call, fd: Fd) -> Step<()> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match &self.files.get(open)?.what {
            Opened::Driver(mount, _, handle) => self.ask_done(call, *mount, FsRequest::Sync(handle.clone())),
            Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) | Opened::Socket(_) => {
                Err(Errno::EINVAL.into())
            }
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
        Ok(tree.set_len(ino, end, now)?)
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

    /// close().
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, call: &Call, fd: Fd) -> Result<(), Errno> {
        let descriptor = self.process_mut(call.pid)?.descriptors.take(fd)?;
        self.release_open(descriptor.open);
        Ok(())
    }

    /// closefrom().
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn close_from(&mut self, call: &Call, from: Fd) -> Result<(), Errno> {
        let closing: Vec<Fd> =
            self.process(call.pid)?.descriptors.iter().map(|(fd, _)| fd).filter(|fd| *fd >= from).collect();
        for fd in closing {
            self.close(call, fd)?;
        }
        Ok(())
    }

    /// dup() to the lowest free descriptor at or above `from` (F_DUPFD).
    ///
    /// # Errors
    /// `EBADF`, `EMFILE`; `EINVAL` when `from` is beyond the limit.
    pub fn duplicate(&mut self, call: &Call, fd: Fd, from: Fd, close_on_exec: bool) -> Result<Fd, Errno> {
        let process = self.process(call.pid)?;
        let open = process.descriptors.get(fd)?.open;
        if u64::from(from.0) >= process.limit(Resource::NOFILE).soft {
            return Err(Errno::EINVAL);
        }
        let to = self.free_fd(call.pid, from)?;
        self.install(call.pid, to, open, close_on_exec)
    }

    /// dup2(): closes what `to` was; the same number is left as it is.
    ///
    /// # Errors
    /// `EBADF`, also for a number beyond the limit.
    pub fn duplicate_to(&mut self, call: &Call, fd: Fd, to: Fd, close_on_exec: bool) -> Result<Fd, Errno> {
        let process = self.process(call.pid)?;
        let open = process.descriptors.get(fd)?.open;
        if fd == to {
            return Ok(to);
        }
        if u64::from(to.0) >= process.limit(Resource::NOFILE).soft.min(crate::fd::DESCRIPTORS_MAX) {
            return Err(Errno::EBADF);
        }
        self.files.retain(open);
        let before = self.process_mut(call.pid)?.descriptors.put(to, Descriptor { open, close_on_exec });
        if let Some(before) = before {
            self.release_open(before.open);
        }
        Ok(to)
    }

    /// Gives `pid` an open file at `fd`, replacing what was there.
    pub(crate) fn install_open(&mut self, pid: Pid, fd: Fd, open: OpenId) -> Result<(), Errno> {
        self.files.get(open)?;
        self.files.retain(open);
        let before = self.process_mut(pid)?.descriptors.put(fd, Descriptor { open, close_on_exec: false });
        if let Some(before) = before {
            self.release_open(before.open);
        }
        Ok(())
    }

    /// Adds an open file for someone outside: referred to once, released by [`Kernel::close_open`].
    ///
    /// # Errors
    /// `ENFILE`.
    pub fn open_device(&mut self, device: Device) -> Result<OpenId, Errno> {
        let node = self.root_node();
        let open = self.add_open(Pid::INIT, OpenFile::new(Opened::Device(device, node), true, true))?;
        self.files.retain(open);
        Ok(open)
    }

    /// Releases an open file that someone outside holds.
    pub fn close_open(&mut self, open: OpenId) {
        self.release_open(open);
    }

    /// Sets or clears FD_CLOEXEC.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_close_on_exec(&mut self, call: &Call, fd: Fd, close: bool) -> Result<(), Errno> {
        self.process_mut(call.pid)?.descriptors.set_close_on_exec(fd, close)
    }

    /// Sets the status flags O_APPEND and O_NONBLOCK (F_SETFL).
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_status(&mut self, call: &Call, fd: Fd, append: bool, nonblock: bool) -> Result<(), Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get_mut(open)?;
        file.append = append;
        file.nonblock = nonblock;
        Ok(())
    }

    /// Whether a descriptor is open on a directory.
    pub fn is_directory(&self, call: &Call, fd: Fd) -> bool {
        let open = self.process(call.pid).and_then(|process| process.descriptors.get(fd));
        let file = open.and_then(|descriptor| self.files.get(descriptor.open));
        file.is_ok_and(|file| matches!(file.what, Opened::Directory(..) | Opened::Path(_)))
    }

    /// Kind and flags of a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn descriptor_status(&self, call: &mut Call, fd: Fd) -> Step<DescriptorStatus> {
        let descriptor = self.process(call.pid)?.descriptors.get(fd)?;
        let file = self.files.get(descriptor.open)?;
        let kind = match &file.what {
            Opened::File(..) | Opened::Text(..) | Opened::Driver(..) => FileKind::Regular,
            Opened::Directory(..) => FileKind::Directory,
            Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) => FileKind::Fifo,
            Opened::Socket(_) => FileKind::Socket,
            Opened::Device(..) => FileKind::Character,
            Opened::Path(node) => self.stat_node(call, node)?.kind,
        };
        Ok(DescriptorStatus {
            kind,
            read: file.read,
            write: file.write,
            append: file.append,
            nonblock: file.nonblock,
            close_on_exec: descriptor.close_on_exec,
            terminal: false,
        })
    }
}
