//! One system call of a sequence: what an input's bytes say, and how it is made.

use crate::common::spawn;
use crate::number::Number;
use arbitrary::Arbitrary;
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::host::{Monotonic, Timestamp};
use warren_kernel::id::{Fd, Gid, Pgid, Pid, Uid};
use warren_kernel::lock::{LockKind, LockRange, OnConflict};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::group::Target;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::wait::{Patience, Watch, Which};
use warren_kernel::process::{Resource, ResourceLimit, strings};
use warren_kernel::pty::WindowSize;
use warren_kernel::pty::control::{Queue, When};
use warren_kernel::pty::termios::{CONTROL_CHARACTERS, InputModes, LocalModes};
use warren_kernel::seek::Whence;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::socket::receive::Incoming;
use warren_kernel::socket::send::Outgoing;
use warren_kernel::socket::{Address, Family, Host, MessageFlags, Shutdown, SocketKind, SocketOption};
use warren_kernel::user::Access;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Errno, Kernel, Step};

/// One call: what, by whom, on which paths and descriptors, with which numbers.
#[derive(Clone, Copy, Debug, Arbitrary)]
pub struct Operation {
    /// Which call.
    pub what: u8,
    /// Which of the processes makes it; what is beside the call, such as the passing of time, too.
    pub who: u8,
    path: u8,
    other: u8,
    fd: u8,
    second: u8,
    flags: u16,
    number: Number,
    count: Number,
}

/// Names that meet one another, that lead astray, and that lead to each kind of file there is.
const PATHS: [&[u8]; 52] = [
    b"/w/a",
    b"/w/b",
    b"/w/c",
    b"/w/d",
    b"/w/a/x",
    b"/w/b/x",
    b"/w/a/x/y",
    b"/w",
    b"/w/",
    b"/w/a/",
    b"/w/b/..",
    b".",
    b"..",
    b"a",
    b"b/c",
    b"/w/../w/c",
    b"/proc/self/fd/0",
    b"/proc/self/fd/1",
    b"/proc/self/fd/2/x",
    b"/proc/self/cwd/a",
    b"/proc/self/exe",
    b"/dev/null",
    b"/dev/zero",
    b"/bin/prog",
    b"/proc/self/status",
    b"/w/a/b/c/d",
    b"",
    b"/",
    b"a\0b",
    b"/mnt/file",
    b"/mnt/a",
    b"/mnt",
    b"/proc",
    b"/proc/self/stat",
    b"/proc/2/cmdline",
    b"/proc/mounts",
    b"/dev/full",
    b"/dev/urandom",
    b"/dev/random",
    b"/dev/tty",
    b"/etc/shadow",
    b"/bin/broken",
    b"/bin/text",
    b"/w/script",
    b"/tmp/a",
    b"/proc/self/environ",
    b"/dev/fd/3",
    b"/proc/self/../self/maps",
    b"/dev/ptmx",
    b"/dev/pts/0",
    b"/dev/pts/1",
    b"/dev/pts",
];

impl Operation {
    fn path(&self) -> &'static [u8] {
        PATHS[usize::from(self.path) % PATHS.len()]
    }

    fn other(&self) -> &'static [u8] {
        PATHS[usize::from(self.other) % PATHS.len()]
    }

    /// Mostly a descriptor that can be open; now and then one that cannot.
    fn descriptor(byte: u8) -> Fd {
        match byte {
            0..=247 => Fd(u32::from(byte) % 10),
            248..=251 => Fd(u32::MAX - u32::from(byte)),
            _ => Fd(1 << (byte % 32)),
        }
    }

    fn at(&self) -> At {
        match self.flags >> 13 {
            0 => At::Root,
            1 | 2 => At::Fd(Operation::descriptor(self.second)),
            _ => At::Cwd,
        }
    }

    fn pid(byte: u8) -> Pid {
        Pid(u32::from(byte) % 14)
    }

    fn even(&self) -> bool {
        self.flags.is_multiple_of(2)
    }

    fn set_times(&self) -> [SetTime; 2] {
        let one = |number: Number| match number.long() % 4 {
            0 => SetTime::Now,
            1 => SetTime::Omit,
            _ => SetTime::To(Timestamp(number.long() as i64)),
        };
        [one(self.number), one(self.count)]
    }

    fn signal(&self) -> Step<Signal> {
        Ok(Signal::new(u32::from(self.second) % 33)?)
    }

    fn child(&self) -> Spawn {
        let (fd, second) = (Operation::descriptor(self.fd), Operation::descriptor(self.second));
        let all = [
            FileAction::Duplicate { from: fd, to: second },
            FileAction::Open {
                fd: second,
                path: self.other().into(),
                flags: OpenFlags::from_bits_truncate(u32::from(self.flags)),
                mode: Mode::new(self.number.word()),
            },
            FileAction::Close(fd),
            FileAction::ChangeDirectory(self.path().into()),
            FileAction::ChangeDirectoryTo(second),
            FileAction::CloseFrom(second),
        ];
        let chosen = self.count.word();
        let actions = all.into_iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0).map(|(_, it)| it);
        let attributes = Attributes {
            reset_ids: chosen & 64 != 0,
            group: (chosen & 128 != 0).then_some(Pgid(self.number.word() % 14)),
            new_session: chosen & 256 != 0,
            default_signals: (chosen & 512 != 0).then_some(SignalSet(self.number.long())),
            blocked_signals: (chosen & 1024 != 0).then_some(SignalSet(self.number.long())),
            shielded_signals: SignalSet(if chosen & (1 << 14) != 0 { self.number.long() } else { 0 }),
            uid: None,
            gid: None,
        };
        let command = if chosen & 2048 != 0 { self.path() } else { b"/bin/prog" };
        Spawn {
            command: command.into(),
            search: (chosen & 4096 != 0).then(|| Arc::from(&b"/bin::/w:a"[..])),
            cwd: (chosen & 8192 != 0).then(|| self.other().into()),
            actions: actions.collect(),
            attributes,
            ..spawn("/bin/prog")
        }
    }

    /// Makes the call.
    pub fn perform(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        match self.what % 5 {
            0 => self.on_descriptors(kernel, call),
            1 => self.on_paths(kernel, call),
            2 => self.on_processes(kernel, call),
            3 => self.on_terminals(kernel, call),
            _ => self.on_sockets(kernel, call),
        }
    }

    fn on_descriptors(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        let (fd, second) = (Operation::descriptor(self.fd), Operation::descriptor(self.second));
        let (number, small) = (self.number.long(), self.count.small());
        match self.what / 5 % 27 {
            0 => Ok(kernel.close(call, fd)?),
            1 => kernel.read(call, fd, small, &mut |_| ()).map(drop),
            2 => kernel.pread(call, fd, number, small, &mut |_| ()).map(drop),
            3 | 4 => kernel.write(call, fd, &[&vec![1; small], b"x"]).map(drop),
            5 => kernel.pwrite(call, fd, number, &[b"#!/bin/prog\n", &vec![2; small]]).map(drop),
            6 => {
                let all = [Whence::Set, Whence::Current, Whence::End, Whence::Data, Whence::Hole];
                kernel.seek(call, fd, number as i64, all[usize::from(self.second) % 5]).map(drop)
            }
            7 => kernel.set_len(call, fd, number),
            8 => kernel.punch_hole(call, fd, number, self.count.long()),
            9 => kernel.allocate(call, fd, number, self.count.long()),
            10 => kernel.fchdir(call, fd),
            11 => Ok(kernel.pipe(call, OpenFlags::from_bits_truncate(u32::from(self.flags))).map(drop)?),
            12 => Ok(kernel.duplicate_to(call, fd, second, self.even()).map(drop)?),
            13 => Ok(kernel.duplicate(call, fd, second, self.even()).map(drop)?),
            14 => kernel.fstat(call, fd).map(drop),
            15 => {
                let mut left = small % 64;
                kernel.readdir(call, fd, number, &mut |_| {
                    left = left.saturating_sub(1);
                    left > 0
                })
            }
            16 => kernel.sync(call, fd),
            17 => kernel.data_extent(call, fd, self.number.word()).map(drop),
            18 => Ok(kernel.close_from(call, fd)?),
            19 => Ok(kernel.set_close_on_exec(call, fd, self.even())?),
            20 => Ok(kernel.set_status(call, fd, self.even(), self.second.is_multiple_of(2))?),
            21 => kernel.descriptor_status(call, fd).map(drop),
            22 => kernel.fchmod(call, fd, Mode::new(self.number.word())),
            23 => kernel.fchown(call, fd, Some(Uid(self.number.word())), self.even().then_some(Gid(self.count.word()))),
            24 => {
                let [atime, mtime] = self.set_times();
                kernel.set_times_open(call, fd, atime, mtime)
            }
            25 => self.on_attributes(kernel, call, Subject::Fd(fd)),
            _ => {
                let events = |bits: u16| PollEvents::from_bits_truncate(bits);
                let wants = |fd, bits| PollFd { fd: Some(fd), events: events(bits), found: PollEvents::empty() };
                let deadline = self.even().then_some(Monotonic(number));
                kernel.poll(call, &mut [wants(fd, self.flags), wants(second, !self.flags)], deadline).map(drop)
            }
        }
    }

    fn on_attributes(&self, kernel: &mut Kernel, call: &mut Call, subject: Subject<'_>) -> Step<()> {
        let name: &[u8] =
            [&b"user.x"[..], b"user.y", b"user.", b"security.x", b"", b"trusted.z"][usize::from(self.fd) % 6];
        match self.second % 4 {
            0 => kernel.getxattr(call, subject, name).map(drop),
            1 => kernel.listxattr(call, subject).map(drop),
            2 => kernel.removexattr(call, subject, name),
            _ => {
                let how = [SetXattr::Either, SetXattr::Create, SetXattr::Replace][usize::from(self.other) % 3];
                kernel.setxattr(call, subject, name, &vec![0; self.count.small()], how)
            }
        }
    }

    fn on_paths(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        let (path, other, at) = (self.path(), self.other(), self.at());
        let (fd, second) = (Operation::descriptor(self.fd), Operation::descriptor(self.second));
        let mode = Mode::new(self.number.word());
        let flags = OpenFlags::from_bits_truncate(u32::from(self.flags));
        match self.what / 5 % 27 {
            0..=3 => kernel.open(call, at, path, flags, mode).map(drop),
            4 => kernel.open(call, At::Fd(fd), other, flags, mode).map(drop),
            5 => kernel.open_unnamed(call, at, path, flags, mode).map(drop),
            6 => kernel.open_from(call, second, at, path, flags, mode).map(drop),
            7 | 8 => kernel.mkdir(call, at, path, mode),
            9 => kernel.rmdir(call, at, path),
            10 => kernel.unlink(call, at, path),
            11 => kernel.symlink(call, other, at, path),
            12 => kernel.link(call, at, path, self.even(), At::Cwd, other),
            13 => kernel.link_open(call, fd, at, path),
            14 | 15 => {
                let how = [Replace::Yes, Replace::No, Replace::Exchange][usize::from(self.fd) % 3];
                kernel.rename(call, at, path, At::Cwd, other, how)
            }
            16 => {
                let all =
                    [FileKind::Fifo, FileKind::Regular, FileKind::Socket, FileKind::Character, FileKind::Directory];
                kernel.mknod(call, at, path, all[usize::from(self.fd) % 5], mode, self.count.long())
            }
            17 => kernel.chdir(call, at, path),
            18 => kernel.stat(call, at, path, self.even()).map(drop),
            19 => kernel.access(call, at, path, access(self.fd), self.even()),
            20 => kernel.readlink(call, at, path).map(drop),
            21 => kernel.chmod(call, at, path, mode),
            22 => {
                kernel.chown(call, at, path, self.even(), Some(Uid(self.number.word())), Some(Gid(self.count.word())))
            }
            23 => {
                let [atime, mtime] = self.set_times();
                kernel.set_times(call, at, path, self.even(), atime, mtime)
            }
            24 => kernel.statfs(call, at, path).map(drop),
            25 => self.on_attributes(kernel, call, Subject::Path(at, path, self.even())),
            _ => kernel.read_file(call, path, self.count.small()).map(drop),
        }
    }

    fn on_processes(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        let fd = Operation::descriptor(self.fd);
        let number = self.number.long();
        match self.what / 5 % 19 {
            0 | 1 => kernel.spawn(call, &self.child()).map(drop),
            2 => {
                let image = if self.even() { ExecImage::Path(self.path().into()) } else { ExecImage::Descriptor(fd) };
                let also = [Operation::descriptor(self.second)];
                kernel.exec(call, &image, strings(["x", "y"]), strings(["A=b"]), &also).map(drop)
            }
            3 => {
                let patience = [Patience::None, Patience::Forever, Patience::Until(Monotonic(number))];
                let watch = Watch { stopped: self.even(), continued: self.path.is_multiple_of(2) };
                let which = match self.second % 3 {
                    0 => Which::Any,
                    1 => Which::Child(Operation::pid(self.fd)),
                    _ => Which::Group(Pgid(u32::from(self.fd) % 14)),
                };
                kernel.waitpid(call, which, watch, patience[usize::from(self.other) % 3]).map(drop)
            }
            4 => {
                let catch = Disposition::Catch { mask: SignalSet(number), flags: self.count.word() };
                let all = [Disposition::Ignore, Disposition::Default, catch];
                Ok(kernel.sigaction(call, self.signal()?, all[usize::from(self.fd) % 3])?)
            }
            5 => Ok(kernel.set_blocked(call, SignalSet(number)).map(drop)?),
            6 => {
                let target = match self.other % 4 {
                    0 => Target::Process(Operation::pid(self.fd)),
                    1 => Target::Group(Pgid(u32::from(self.fd) % 14)),
                    2 => Target::OwnGroup,
                    _ => Target::Everyone,
                };
                // Most signals would end the processes that the rest of the sequence is about.
                let signal = if self.count.word() % 8 == 0 { self.signal()? } else { Signal::CHLD };
                Ok(kernel.kill(call, target, (self.path != 0).then_some(signal))?)
            }
            7 => Ok(kernel.setpgid(call, Operation::pid(self.fd), Pgid(u32::from(self.second) % 14))?),
            8 => Ok(kernel.setsid(call).map(drop)?),
            9 => Ok(kernel.umask(call, self.number.word()).map(drop)?),
            10 => {
                let resource = Resource::new(u32::from(self.fd) % 12);
                let limit = ResourceLimit { soft: number, hard: self.count.long() };
                resource.map_or(Ok(()), |resource| Ok(kernel.setrlimit(call, resource, limit)?))
            }
            11 => kernel.sleep_until(Monotonic(number)),
            12 => {
                let (uid, gid) = (Uid(u32::from(self.fd) % 3 * 500), Gid(u32::from(self.second) % 3 * 500));
                Ok(kernel.set_credentials(call, |who| {
                    who.set_gid(gid)?;
                    who.set_res_uid(self.even().then_some(uid), Some(uid), None)
                })?)
            }
            13 => {
                kernel.charge_memory(call.pid, number);
                Ok(())
            }
            14 => {
                kernel.next_delivery(call.pid);
                Ok(())
            }
            15 => {
                let time = |number: Number| Duration::from_nanos(number.long());
                Ok(kernel.setitimer(call, time(self.number), time(self.count)).map(drop)?)
            }
            16 => kernel.flock(call, fd, self.lock_kind(), self.on_conflict()),
            17 => {
                let range = LockRange::new(number as i64, self.count.long() as i64).map_err(Errno::from)?;
                kernel.record_lock(call, fd, self.lock_kind(), range, self.on_conflict())
            }
            _ => {
                let range = LockRange::new(self.count.long() as i64, number as i64).map_err(Errno::from)?;
                Ok(kernel.test_record_lock(call, fd, LockKind::Exclusive, range).map(drop)?)
            }
        }
    }

    fn lock_kind(&self) -> Option<LockKind> {
        [None, Some(LockKind::Shared), Some(LockKind::Exclusive)][usize::from(self.other) % 3]
    }

    fn on_conflict(&self) -> OnConflict {
        if self.even() { OnConflict::Wait } else { OnConflict::Fail }
    }

    fn on_terminals(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        let fd = Operation::descriptor(self.fd);
        match self.what / 5 % 12 {
            0 | 1 => Ok(kernel.pty(call, OpenFlags::from_bits_truncate(u32::from(self.flags))).map(drop)?),
            2 => Ok(kernel.tcgetattr(call, fd).map(drop)?),
            3 | 4 => {
                let mut termios = kernel.tcgetattr(call, fd)?;
                if self.even() {
                    termios.local = LocalModes::from_bits_retain(termios.local.bits() ^ self.number.word());
                    termios.input = InputModes::from_bits_retain(termios.input.bits() ^ self.count.word());
                } else {
                    termios.characters[usize::from(self.path) % CONTROL_CHARACTERS] = self.other;
                }
                let when = if self.second.is_multiple_of(2) { When::Now } else { When::Flush };
                kernel.tcsetattr(call, fd, termios, when)
            }
            5 => kernel.tcflush(call, fd, [Queue::Input, Queue::Output, Queue::Both][usize::from(self.other) % 3]),
            6 => Ok(kernel.window_size(call, fd).map(drop)?),
            7 => {
                let size = WindowSize { rows: self.flags, columns: self.flags, width: 0, height: 0 };
                Ok(kernel.set_window_size(call, fd, size)?)
            }
            8 => Ok(kernel.tcgetpgrp(call, fd).map(drop)?),
            9 => kernel.tcsetpgrp(call, fd, Pgid(u32::from(self.second) % 14)),
            10 => Ok(kernel.tcgetsid(call, fd).map(drop)?),
            // What a person types: lines, an interrupt, a stop, an end of file.
            _ => {
                let typed = [&b"line\n"[..], b"\x03", b"\x1a", b"\x04", b"\x13", b"\x11", b"\x16\x7f\x15"];
                kernel.write(call, fd, &[typed[usize::from(self.other) % typed.len()]]).map(drop)
            }
        }
    }

    fn address(&self) -> Address {
        let host = || Host::parse(["127.0.0.1", "::1", "0.0.0.0", "localhost"][usize::from(self.path) % 4]);
        match self.other % 6 {
            0 | 1 => host().map_or(Address::Autobind, |host| Address::Inet(host, self.number.word() as u16 % 4)),
            2 => Address::Path(self.path().to_vec()),
            3 => Address::Path([b"/w/s", b"/w/t"][usize::from(self.path) % 2].to_vec()),
            4 => Address::Abstract(vec![b's'; usize::from(self.path) % 120]),
            _ => Address::Autobind,
        }
    }

    fn on_sockets(&self, kernel: &mut Kernel, call: &mut Call) -> Step<()> {
        let (fd, second) = (Operation::descriptor(self.fd), Operation::descriptor(self.second));
        let flags = OpenFlags::from_bits_truncate(u32::from(self.flags));
        let kind = [SocketKind::Stream, SocketKind::Datagram, SocketKind::SequencedPacket][usize::from(self.other) % 3];
        match self.what / 5 % 15 {
            0 | 1 => {
                let family = [Family::Inet, Family::Inet6, Family::Unix][usize::from(self.path) % 3];
                Ok(kernel.socket(call, family, kind, flags).map(drop)?)
            }
            2 => Ok(kernel.socket_pair(call, kind, flags).map(drop)?),
            3 => kernel.bind(call, fd, &self.address()),
            4 => Ok(kernel.listen(call, fd, self.number.word())?),
            5 => kernel.connect(call, fd, &self.address()),
            6 => kernel.accept(call, fd, flags).map(drop),
            7 | 8 => {
                let (to, bytes) = (self.address(), vec![3; self.count.small()]);
                let rights = [second, Fd(u32::from(self.path) % 10)];
                let message = Outgoing {
                    data: &[b"x", &bytes],
                    to: self.even().then_some(&to),
                    rights: &rights[..usize::from(self.path) % 3],
                    flags: MessageFlags::from_bits_truncate(self.number.word()),
                };
                kernel.send(call, fd, &message).map(drop)
            }
            9 | 10 => {
                let incoming = Incoming {
                    want: self.count.small(),
                    rights: self.even().then_some(usize::from(self.path) % 4),
                    flags: MessageFlags::from_bits_truncate(self.number.word()),
                };
                kernel.receive(call, fd, &incoming, &mut |_| ()).map(drop)
            }
            11 => {
                let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][usize::from(self.other) % 3];
                Ok(kernel.shutdown(call, fd, how)?)
            }
            12 => {
                let time = Duration::from_nanos(self.number.long());
                let option = match self.other % 5 {
                    0 => SocketOption::ReuseAddress(self.even()),
                    1 => SocketOption::KeepAlive(self.even()),
                    2 => SocketOption::Linger(self.even().then_some(self.number.word())),
                    3 => SocketOption::ReceiveTimeout(self.even().then_some(time)),
                    _ => SocketOption::NoDelay(self.even()),
                };
                Ok(kernel.set_socket_option(call, fd, option)?)
            }
            13 => {
                kernel.socket_name(call, fd)?;
                kernel.socket_status(call, fd)?;
                kernel.take_socket_error(call, fd)?;
                Ok(kernel.peer_name(call, fd).map(drop)?)
            }
            _ => {
                let host = Host::parse(["localhost", "127.0.0.1", "example.org"][usize::from(self.other) % 3]);
                let host = host.ok_or(Errno::EINVAL)?;
                kernel.resolve(call, &host, "80").map(drop)
            }
        }
    }
}

fn access(bits: u8) -> Access {
    Access { read: bits & 4 != 0, write: bits & 2 != 0, execute: bits & 1 != 0 }
}
