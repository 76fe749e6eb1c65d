//! open(): from a path to an open file description and a descriptor.

use super::device::Device;
use super::driver::{DriverOpen, FsAnswer, FsRequest};
use super::inode::Content;
use super::inodes::Birth;
use super::path::{Found, driver_join};
use super::{FileKind, Mode, Name, Node};
use crate::errno::Errno;
use crate::extent::FileBytes;
use crate::fd::Descriptor;
use crate::fetch::Call;
use crate::file::{OpenFile, OpenId, Opened};
use crate::id::{Fd, Gid, Ino, MountId, Pid};
use crate::io::TRANSFER_MAX;
use crate::kernel::Kernel;
use crate::pipe::PipeId;
use crate::policy::Domain;
use crate::process::Resource;
use crate::user::Access;
use crate::wait::{Halt, Step, WaitKey};
use bitflags::bitflags;

bitflags! {
    /// How to open.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct OpenFlags: u32 {
        /// Reads will be made.
        const READ = 1;
        /// Writes will be made.
        const WRITE = 1 << 1;
        /// Make the file if it is missing.
        const CREATE = 1 << 2;
        /// With CREATE: fail if it exists, links included.
        const EXCLUSIVE = 1 << 3;
        /// Cut the file to nothing.
        const TRUNCATE = 1 << 4;
        /// Each write goes to the end.
        const APPEND = 1 << 5;
        /// EAGAIN instead of waiting.
        const NONBLOCK = 1 << 6;
        /// Fail unless it is a directory.
        const DIRECTORY = 1 << 7;
        /// Fail if the last name is a symbolic link.
        const NOFOLLOW = 1 << 8;
        /// Closed by exec.
        const CLOEXEC = 1 << 9;
        /// Only to name the file.
        const PATH = 1 << 10;
        /// A session leader does not acquire the terminal it opens.
        const NOCTTY = 1 << 11;
    }
}

impl OpenFlags {
    /// What means something beside PATH; the rest is ignored then, as on Linux.
    const KEPT_BY_PATH: OpenFlags =
        OpenFlags::PATH.union(OpenFlags::DIRECTORY).union(OpenFlags::NOFOLLOW).union(OpenFlags::CLOEXEC);
}

/// Where a relative path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The working directory.
    Cwd,
    /// The root directory.
    Root,
    /// An open directory.
    Fd(Fd),
}

impl Kernel {
    /// Opens a file and gives it the lowest free descriptor.
    ///
    /// # Errors
    /// POSIX open()'s; `EMFILE`, `ENFILE` at the limits; `Wait` while a FIFO has no other end.
    ///
    /// # Standard
    /// POSIX.1-2017 open(). O_CREAT is EISDIR with a path that ends in `/` and EINVAL with O_DIRECTORY, as on Linux.
    pub fn open(&mut self, call: &mut Call, at: At, path: &[u8], flags: OpenFlags, mode: Mode) -> Step<Fd> {
        self.open_from(call, Fd(0), at, path, flags, mode)
    }

    /// As [`Kernel::open`], at the lowest free descriptor from `from` on.
    ///
    /// # Errors
    /// As [`Kernel::open`].
    pub fn open_from(
        &mut self,
        call: &mut Call,
        from: Fd,
        at: At,
        path: &[u8],
        flags: OpenFlags,
        mode: Mode,
    ) -> Step<Fd> {
        let fd = self.free_fd(call.pid, from)?;
        if let Some((open, others)) = call.take_opening() {
            // The FIFO may have lost its name meanwhile; the end is open.
            let open = self.finish_fifo(call, open, others)?;
            return Ok(self.install(call.pid, fd, open, flags.contains(OpenFlags::CLOEXEC))?);
        }
        self.room_for_open(call.pid)?;
        let flags = if flags.contains(OpenFlags::PATH) { flags & OpenFlags::KEPT_BY_PATH } else { flags };
        if flags.contains(OpenFlags::CREATE | OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL.into());
        }
        if flags.contains(OpenFlags::CREATE) && path.ends_with(b"/") {
            self.walk_name(call, at, path)?;
            return Err(Errno::EISDIR.into());
        }
        let follow = !flags.contains(OpenFlags::NOFOLLOW) && !flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        let found = self.walk(call, at, path, follow)?;
        if flags.contains(OpenFlags::READ) || !flags.contains(OpenFlags::WRITE) {
            self.permit_found(call, Domain::Read, &found)?;
        }
        if flags.intersects(OpenFlags::WRITE | OpenFlags::TRUNCATE)
            || (flags.contains(OpenFlags::CREATE) && found.node.is_none())
        {
            self.permit_found(call, Domain::Write, &found)?;
        }
        let open = match &found.node {
            None => self.create_and_open(call, &found, flags, mode)?,
            Some(_) if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => return Err(Errno::EEXIST.into()),
            Some(node) => self.open_node(call, &node.clone(), flags)?,
        };
        self.remember_place(open, found);
        Ok(self.install(call.pid, fd, open, flags.contains(OpenFlags::CLOEXEC))?)
    }

    /// Makes a file without a name in the directory at `path` and opens it (O_TMPFILE).
    ///
    /// # Errors
    /// As [`Kernel::open`]; `EOPNOTSUPP` on a mounted driver.
    pub fn open_unnamed(&mut self, call: &mut Call, at: At, path: &[u8], flags: OpenFlags, mode: Mode) -> Step<Fd> {
        let fd = self.free_fd(call.pid, Fd(0))?;
        self.room_for_open(call.pid)?;
        let found = self.walk(call, at, path, true)?;
        self.permit_found(call, Domain::Write, &found)?;
        let directory = found.existing()?;
        self.require_directory(call, &directory)?;
        self.check_access(call, &directory, Access::CHANGE_NAMES)?;
        self.require_writable(&directory)?;
        if !flags.contains(OpenFlags::WRITE) {
            return Err(Errno::EINVAL.into());
        }
        let Node::Tree(mount, parent) = directory else { return Err(Errno::EOPNOTSUPP.into()) };
        let birth = self.birth(call.pid, mount, parent, FileKind::Regular, mode)?;
        let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
        let ino = tree
            .create_unnamed(Content::File(FileBytes::default()), birth)
            .map_err(|errno| self.quota_reached(call.pid, "inodes", errno))?;
        let open = self.add_open(call.pid, with_flags(OpenFile::new(Opened::File(mount, ino), false, false), flags))?;
        Ok(self.install(call.pid, fd, open, flags.contains(OpenFlags::CLOEXEC))?)
    }

    /// All bytes of a regular file, with the caller's rights and without a descriptor: for files the kernel's side of a
    /// call looks things up in, as /etc/passwd.
    ///
    /// # Errors
    /// Those of a walk; `EFBIG` above `max`; `EISDIR` and `EINVAL` for what has no bytes.
    pub fn read_file(&mut self, call: &mut Call, path: &[u8], max: usize) -> Step<Vec<u8>> {
        let node = self.locate(call, At::Root, path, true, Domain::Read)?;
        self.check_access(call, &node, Access::READ)?;
        let bytes = match &node {
            Node::Tree(mount, ino) => self.mounts.tree(*mount).ok_or(Errno::EIO)?.file(*ino)?.to_vec(max as u64)?,
            Node::Proc(_, proc) => self.proc_text(call.pid, proc)?,
            Node::Driver(mount, path) => {
                let driver = self.mounts.driver(*mount).ok_or(Errno::EIO)?;
                let open = DriverOpen { read: true, write: false, create: None, exclusive: false, truncate: false };
                let FsAnswer::Opened(handle) = call.ask(&driver, FsRequest::Open(path.clone(), open))? else {
                    return Err(Errno::EIO.into());
                };
                // A driver gives less than was asked for where it likes. What it gave is joined once all is there: the
                // call begins again for each answer.
                let (mut parts, mut len) = (Vec::new(), 0);
                while len <= max {
                    let want = (max - len).saturating_add(1).min(TRANSFER_MAX);
                    match call.ask(&driver, FsRequest::Read(handle.clone(), len as u64, want))? {
                        FsAnswer::Data(part) if part.is_empty() => break,
                        FsAnswer::Data(part) => {
                            len += part.len();
                            parts.push(part);
                        }
                        _ => return Err(Errno::EIO.into()),
                    }
                }
                let mut bytes = Vec::with_capacity(len);
                parts.iter().for_each(|part| bytes.extend_from_slice(part));
                bytes
            }
            Node::Open(_) => return Err(Errno::EINVAL.into()),
        };
        if bytes.len() > max { Err(Errno::EFBIG.into()) } else { Ok(bytes) }
    }

    fn create_and_open(&mut self, call: &mut Call, found: &Found, flags: OpenFlags, mode: Mode) -> Step<OpenId> {
        if !flags.contains(OpenFlags::CREATE) {
            return Err(Errno::ENOENT.into());
        }
        if found.must_be_directory {
            return Err(Errno::EISDIR.into()); // A link's target ended in `/`.
        }
        let (directory, name) = found.place()?.clone();
        self.check_access(call, &directory, Access::CHANGE_NAMES)?;
        self.require_writable(&directory)?;
        match directory {
            Node::Tree(mount, parent) => {
                let ino = self.create_in(call.pid, mount, parent, &name, Content::File(FileBytes::default()), mode)?;
                self.add_open(call.pid, with_flags(OpenFile::new(Opened::File(mount, ino), false, false), flags))
                    .map_err(Halt::from)
            }
            Node::Driver(mount, path) => self.open_driver(call, mount, &driver_join(&path, &name), flags, Some(mode)),
            Node::Proc(..) | Node::Open(_) => Err(Errno::EACCES.into()),
        }
    }

    /// Opens what is there.
    fn open_node(&mut self, call: &mut Call, node: &Node, flags: OpenFlags) -> Step<OpenId> {
        let stat = self.stat_node(call, node)?;
        if flags.contains(OpenFlags::DIRECTORY) && stat.kind != FileKind::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        if flags.contains(OpenFlags::PATH) {
            return Ok(self.add_open(call.pid, OpenFile::new(Opened::Path(node.clone()), false, false))?);
        }
        if stat.kind == FileKind::Symlink {
            return Err(Errno::ELOOP.into());
        }
        let writes = flags.contains(OpenFlags::WRITE);
        if stat.kind == FileKind::Directory
            && flags.intersects(OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE)
        {
            return Err(Errno::EISDIR.into());
        }
        let read = flags.contains(OpenFlags::READ) || !writes;
        let write = writes || flags.contains(OpenFlags::TRUNCATE);
        self.check_access(call, node, Access { read, write, execute: false })?;
        if write && matches!(stat.kind, FileKind::Regular) {
            self.require_writable(node)?;
        }
        match stat.kind {
            FileKind::Directory => {
                let file = with_flags(OpenFile::new(Opened::Directory(node.clone(), None), false, false), flags);
                Ok(self.add_open(call.pid, file)?)
            }
            FileKind::Fifo => self.open_fifo(call, node, flags),
            FileKind::Character => {
                if let Some(open) = self.open_terminal_device(call, stat.rdev, flags)? {
                    let file = self.files.get_mut(open)?;
                    file.write = write;
                    file.read = read;
                    file.nonblock = flags.contains(OpenFlags::NONBLOCK);
                    return Ok(open);
                }
                let device = Device::of(stat.rdev).ok_or(Errno::ENXIO)?;
                Ok(self.add_open(
                    call.pid,
                    with_flags(OpenFile::new(Opened::Device(device, node.clone()), false, false), flags),
                )?)
            }
            FileKind::Socket | FileKind::Block => Err(Errno::ENXIO.into()),
            FileKind::Regular => self.open_regular(call, node, flags),
            FileKind::Symlink => Err(Errno::ELOOP.into()),
        }
    }

    fn open_regular(&mut self, call: &mut Call, node: &Node, flags: OpenFlags) -> Step<OpenId> {
        match node {
            Node::Tree(mount, ino) => {
                if flags.contains(OpenFlags::TRUNCATE) {
                    let now = self.now();
                    let tree = self.mounts.tree_mut(*mount).ok_or(Errno::EIO)?;
                    tree.set_len(*ino, 0, now)?;
                }
                Ok(self
                    .add_open(call.pid, with_flags(OpenFile::new(Opened::File(*mount, *ino), false, false), flags))?)
            }
            Node::Proc(mount, proc) => {
                let text = self.proc_text(call.pid, proc)?;
                let pinned = text.len() as u64;
                let file = OpenFile::new(Opened::Text(*mount, *proc, text.into()), false, false);
                let open = self.add_open(call.pid, with_flags(file, flags))?;
                // Nobody refers to it yet: one holder less closes it.
                self.pin_open(call.pid, open, pinned).inspect_err(|_| self.release_open(open))?;
                Ok(open)
            }
            Node::Driver(mount, path) => self.open_driver(call, *mount, path, flags, None),
            Node::Open(_) => Err(Errno::EIO.into()),
        }
    }

    fn open_driver(
        &mut self,
        call: &mut Call,
        mount: MountId,
        path: &[u8],
        flags: OpenFlags,
        create: Option<Mode>,
    ) -> Step<OpenId> {
        let driver = self.mounts.driver(mount).ok_or(Errno::EIO)?;
        let umask = self.process(call.pid)?.umask;
        let open = DriverOpen {
            read: flags.contains(OpenFlags::READ) || !flags.contains(OpenFlags::WRITE),
            write: flags.contains(OpenFlags::WRITE),
            create: create.map(|mode| mode.without(umask)),
            exclusive: flags.contains(OpenFlags::EXCLUSIVE),
            truncate: flags.contains(OpenFlags::TRUNCATE),
        };
        let path: super::driver::DriverPath = path.into();
        match call.ask(&driver, FsRequest::Open(path.clone(), open))? {
            FsAnswer::Opened(handle) => {
                let file = with_flags(OpenFile::new(Opened::Driver(mount, path, handle), false, false), flags);
                Ok(self.add_open(call.pid, file)?)
            }
            _ => Err(Errno::EIO.into()),
        }
    }

    /// Opens one more end of a pipe, reached through `/proc/self/fd/<n>`.
    fn reopen_pipe(&mut self, pid: Pid, open: OpenId, flags: OpenFlags) -> Step<OpenId> {
        match self.files.get(open)?.what {
            Opened::PipeReader(id) | Opened::PipeWriter(id) | Opened::PipeBoth(id) => self.add_pipe_end(pid, id, flags),
            _ => Err(Errno::ENXIO.into()),
        }
    }

    fn open_fifo(&mut self, call: &mut Call, node: &Node, flags: OpenFlags) -> Step<OpenId> {
        let (mount, ino) = match node {
            Node::Tree(mount, ino) => (*mount, *ino),
            Node::Open(open) => return self.reopen_pipe(call.pid, *open, flags),
            // A FIFO of the outside would let the host block the session and the session talk past its policy.
            Node::Driver(..) | Node::Proc(..) => return Err(Errno::ENXIO.into()),
        };
        let writes = flags.contains(OpenFlags::WRITE);
        let reads = flags.contains(OpenFlags::READ) || !writes;
        let id = match self.fifos.get(&(mount, ino)) {
            Some(id) => *id,
            None => {
                let id = self.new_pipe(call.pid)?;
                self.fifos.insert((mount, ino), id);
                self.hold_node(node);
                id
            }
        };
        let pipe = self.pipes.get(&id).ok_or(Errno::EIO)?;
        let nonblock = flags.contains(OpenFlags::NONBLOCK);
        if writes && !reads && nonblock && pipe.readers == 0 {
            if pipe.writers == 0 {
                self.pipes.remove(&id);
                self.fifos.remove(&(mount, ino));
                self.release_node(node);
            }
            return Err(Errno::ENXIO.into());
        }
        let others = if reads { pipe.writers_ever } else { pipe.readers_ever };
        let other_is_there = if reads { pipe.writers > 0 } else { pipe.readers > 0 };
        let open = self.add_pipe_end(call.pid, id, flags)?;
        if (reads && writes) || nonblock || other_is_there {
            return Ok(open);
        }
        self.finish_fifo(call, open, others)
    }

    /// A FIFO's end is open; the call returns when the other end has been opened since.
    fn finish_fifo(&mut self, call: &mut Call, open: OpenId, others: u64) -> Step<OpenId> {
        let (id, came) = match &self.files.get(open)?.what {
            Opened::PipeReader(id) => (*id, self.pipes.get(id).is_some_and(|pipe| pipe.writers_ever > others)),
            Opened::PipeWriter(id) => (*id, self.pipes.get(id).is_some_and(|pipe| pipe.readers_ever > others)),
            _ => return Err(Errno::EIO.into()),
        };
        if came {
            return Ok(open);
        }
        call.keep_opening(open, others);
        Err(Halt::on(WaitKey::Pipe(id.0)))
    }

    /// Makes a pipe; its two descriptors are the lowest free.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`.
    pub fn pipe(&mut self, call: &Call, flags: OpenFlags) -> Result<(Fd, Fd), Errno> {
        let read_fd = self.free_fd(call.pid, Fd(0))?;
        let write_fd = self.free_fd(call.pid, Fd(read_fd.0 + 1))?;
        let id = self.new_pipe(call.pid)?;
        let keep = flags & OpenFlags::NONBLOCK;
        let reader = self.add_pipe_end(call.pid, id, keep | OpenFlags::READ).inspect_err(|_| {
            self.pipes.remove(&id);
        });
        let reader = match reader {
            Ok(open) => open,
            Err(Halt::Fail(errno)) => return Err(errno),
            Err(_) => return Err(Errno::EIO),
        };
        let read_fd = self.install(call.pid, read_fd, reader, flags.contains(OpenFlags::CLOEXEC))?;
        let writer = match self.add_pipe_end(call.pid, id, keep | OpenFlags::WRITE) {
            Ok(open) => open,
            Err(halt) => {
                let _ = self.close(call, read_fd);
                return Err(if let Halt::Fail(errno) = halt { errno } else { Errno::EIO });
            }
        };
        let write_fd = self.install(call.pid, write_fd, writer, flags.contains(OpenFlags::CLOEXEC))?;
        Ok((read_fd, write_fd))
    }

    /// Makes a pipe of which one end is for someone outside: both ends as open file descriptions without a
    /// descriptor.
    ///
    /// # Errors
    /// `ENFILE`.
    pub fn open_pipe(&mut self, pid: Pid) -> Result<(OpenId, OpenId), Errno> {
        let id = self.new_pipe(pid)?;
        let mut ends = [None, None];
        for (end, flags) in ends.iter_mut().zip([OpenFlags::READ, OpenFlags::WRITE]) {
            match self.add_pipe_end(pid, id, flags) {
                Ok(open) => *end = Some(open),
                Err(_) => break,
            }
        }
        match ends {
            [Some(reader), Some(writer)] => {
                self.files.retain(reader);
                self.files.retain(writer);
                Ok((reader, writer))
            }
            [Some(reader), None] => {
                self.files.retain(reader);
                self.release_open(reader);
                Err(Errno::ENFILE)
            }
            _ => {
                self.pipes.remove(&id);
                Err(Errno::ENFILE)
            }
        }
    }

    fn new_pipe(&mut self, pid: Pid) -> Result<PipeId, Errno> {
        if self.pipes.len() as u64 >= self.limits.pipes {
            return Err(self.limit_reached(pid, "pipes", Errno::ENFILE));
        }
        let id = PipeId(self.next_pipe);
        self.next_pipe += 1;
        self.pipes.insert(id, Default::default());
        Ok(id)
    }

    fn add_pipe_end(&mut self, pid: Pid, id: PipeId, flags: OpenFlags) -> Step<OpenId> {
        let write = flags.contains(OpenFlags::WRITE);
        let read = flags.contains(OpenFlags::READ) || !write;
        let what = match (read, write) {
            (true, true) => Opened::PipeBoth(id),
            (false, true) => Opened::PipeWriter(id),
            _ => Opened::PipeReader(id),
        };
        let open = self.add_open(pid, with_flags(OpenFile::new(what, false, false), flags))?;
        let pipe = self.pipes.get_mut(&id).ok_or(Errno::EIO)?;
        pipe.readers += u32::from(read);
        pipe.readers_ever += u64::from(read);
        pipe.writers += u32::from(write);
        pipe.writers_ever += u64::from(write);
        self.waiters.wake(WaitKey::Pipe(id.0));
        Ok(open)
    }

    /// Fails at the session's limit, before a file is made or cut for nothing.
    fn room_for_open(&mut self, pid: Pid) -> Result<(), Errno> {
        if (self.files.len() as u64) < self.limits.open_files {
            Ok(())
        } else {
            Err(self.limit_reached(pid, "open_files", Errno::ENFILE))
        }
    }

    /// The lowest free descriptor at or above `from`.
    pub(crate) fn free_fd(&mut self, pid: Pid, from: Fd) -> Result<Fd, Errno> {
        let process = self.process(pid)?;
        let limit = process.limit(Resource::NOFILE).soft;
        process.descriptors.lowest_free(from, limit).inspect_err(|_| {
            self.limit_reached(pid, "descriptors", Errno::EMFILE);
        })
    }

    /// Gives an open file description the descriptor `fd`, which is free.
    pub(crate) fn install(&mut self, pid: Pid, fd: Fd, open: OpenId, close_on_exec: bool) -> Result<Fd, Errno> {
        self.files.retain(open);
        self.process_mut(pid)?.descriptors.put(fd, Descriptor { open, close_on_exec });
        Ok(fd)
    }

    /// Owner, group, bits and times of a new file in a tree's directory.
    pub(crate) fn birth(
        &self,
        pid: Pid,
        mount: MountId,
        parent: Ino,
        kind: FileKind,
        mode: Mode,
    ) -> Result<Birth, Errno> {
        let process = self.process(pid)?;
        let directory = self.mounts.tree(mount).ok_or(Errno::EIO)?.inode(parent)?;
        let inherits = directory.mode.has(Mode::SETGID);
        let gid: Gid = if inherits { directory.gid } else { process.credentials.egid };
        let mode = mode.without(process.umask);
        let mode = if inherits && kind == FileKind::Directory { mode.with(Mode::SETGID) } else { mode };
        Ok(Birth { mode, uid: process.credentials.euid, gid, now: self.now() })
    }

    /// Makes a file of any kind named `name` in a tree's directory.
    pub(crate) fn create_in(
        &mut self,
        pid: Pid,
        mount: MountId,
        parent: Ino,
        name: &Name,
        content: Content,
        mode: Mode,
    ) -> Result<Ino, Errno> {
        let birth = self.birth(pid, mount, parent, content.kind(), mode)?;
        let tree = self.mounts.tree_mut(mount).ok_or(Errno::EIO)?;
        tree.create(parent, name, content, birth).map_err(|errno| self.quota_reached(pid, "inodes", errno))
    }
}

fn with_flags(mut file: OpenFile, flags: OpenFlags) -> OpenFile {
    file.write = flags.contains(OpenFlags::WRITE);
    file.read = flags.contains(OpenFlags::READ) || !file.write;
    file.append = flags.contains(OpenFlags::APPEND);
    file.nonblock = flags.contains(OpenFlags::NONBLOCK);
    file
}
