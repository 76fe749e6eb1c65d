//! Reading and writing through descriptors.

use crate::errno::Errno;
use crate::extent::FILE_SIZE_MAX;
use crate::fetch::Call;
use crate::file::{OpenId, Opened};
use crate::id::{Fd, Ino, MountId, Pid};
use crate::kernel::Kernel;
use crate::pipe::{PipeId, ReadError, WriteError};
use crate::process::{Resource, ResourceLimit};
use crate::signal::Signal;
use crate::socket::receive::Incoming;
use crate::socket::send::Outgoing;
use crate::vfs::Node;
use crate::vfs::device::Device;
use crate::vfs::driver::{DriverHandle, FsAnswer, FsRequest};
use crate::wait::{Halt, Step, WaitKey};
use std::sync::Arc;

/// Bytes one call moves to or from a driver or a device; more is a short read or write.
pub const TRANSFER_MAX: usize = 1 << 20;

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
        if let (Ok(count), Ok(process)) = (&read, self.process_mut(call.pid)) {
            process.account.io.reads += 1;
            process.account.io.read_bytes += *count as u64;
        }
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
            Opened::Terminal(..) if at.is_some() => return Err(Errno::ESPIPE.into()),
            Opened::Terminal(id, end) => {
                let (id, end) = (*id, *end);
                return self.read_terminal(call, id, end, nonblock, want, put);
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
            Opened::Watch(_) | Opened::Socket(_) if at.is_some() => return Err(Errno::ESPIPE.into()),
            Opened::Watch(id) => {
                let id = *id;
                return self.read_watch(id, nonblock, want, put);
            }
            Opened::Socket(id) => {
                let id = *id;
                return Ok(self.receive_socket(call, id, nonblock, &Incoming::bytes(want), put)?.count);
            }
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
            Device::Tty | Device::Ptmx => return Err(Errno::ENXIO.into()),
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
        if let (Ok(count), Ok(process)) = (&written, self.process_mut(call.pid)) {
            process.account.io.writes += 1;
            process.account.io.written_bytes += *count as u64;
        }
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
            Opened::Terminal(..) if at.is_some() => Err(Errno::ESPIPE.into()),
            Opened::Terminal(id, end) => {
                let (id, end) = (*id, *end);
                self.write_terminal(call, id, end, nonblock, data)
            }
            Opened::Device(device, _) => match device {
                Device::Null | Device::Zero | Device::Random => Ok(data.iter().map(|part| part.len()).sum()),
                Device::Full => Err(Errno::ENOSPC.into()),
                Device::Tty | Device::Ptmx => Err(Errno::ENXIO.into()),
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
            Opened::Socket(id) => {
                let id = *id;
                self.send_socket(call, id, nonblock, &Outgoing::bytes(data))
            }
            Opened::Directory(..) | Opened::PipeReader(_) | Opened::Path(_) | Opened::Watch(_) => {
                Err(Errno::EBADF.into())
            }
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
        if data.len() > 1 {
            // All that a part would ask for, before the first is written: a write is not cut short by what is not loaded.
            let bytes = tree.file(ino)?;
            let mut at = start;
            for part in data {
                let end = at.saturating_add(part.len() as u64);
                bytes.loaded_to_write(at, end)?;
                at = end;
            }
        }
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
}
