//! What is done with a descriptor itself: close(), dup(), fcntl().

use crate::errno::Errno;
use crate::fd::Descriptor;
use crate::fetch::Call;
use crate::file::{OpenFile, OpenId, Opened};
use crate::id::{Fd, Pid};
use crate::kernel::Kernel;
use crate::process::Resource;
use crate::vfs::FileKind;
use crate::vfs::device::Device;
use crate::wait::Step;

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
    /// close().
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, call: &Call, fd: Fd) -> Result<(), Errno> {
        let descriptor = self.process_mut(call.pid)?.descriptors.take(fd)?;
        self.drop_record_locks(call.pid, descriptor.open);
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
            self.drop_record_locks(call.pid, before.open);
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
            Opened::File(..) | Opened::Text(..) | Opened::Driver(..) | Opened::Watch(_) => FileKind::Regular,
            Opened::Directory(..) => FileKind::Directory,
            Opened::PipeReader(_) | Opened::PipeWriter(_) | Opened::PipeBoth(_) => FileKind::Fifo,
            Opened::Socket(_) => FileKind::Socket,
            Opened::Device(..) | Opened::Terminal(..) => FileKind::Character,
            Opened::Path(node) => self.stat_node(call, node)?.kind,
        };
        Ok(DescriptorStatus {
            kind,
            read: file.read,
            write: file.write,
            append: file.append,
            nonblock: file.nonblock,
            close_on_exec: descriptor.close_on_exec,
            terminal: matches!(file.what, Opened::Terminal(..)),
        })
    }
}
