//! Terminals through the system calls: their two ends, their nodes, their attributes.

#[cfg(test)]
mod common;

use common::{Machine, Pending, Proc, R, RW, W, reading};
use warren_kernel::Errno;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Gid, Pid, Uid};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::pty::WindowSize;
use warren_kernel::pty::control::{Queue, When};
use warren_kernel::pty::line::{OUTPUT_MAX, TYPED_MAX};
use warren_kernel::pty::termios::{Control, InputModes, LocalModes, Termios};
use warren_kernel::seek::Whence;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, makedev};

const INPUT: PollEvents = PollEvents::IN.union(PollEvents::RDNORM);
const OUTPUT: PollEvents = PollEvents::OUT.union(PollEvents::WRNORM);

/// A process with a terminal of which it holds both ends.
fn pty(machine: &Machine) -> (Proc<'_>, Fd, Fd) {
    let process = machine.agent();
    let (master, slave) = process.now(|kernel, call| kernel.pty(call, OpenFlags::empty())).expect("a terminal");
    (process, master, slave)
}

fn attributes(process: Proc<'_>, fd: Fd) -> Termios {
    process.now(|kernel, call| kernel.tcgetattr(call, fd)).expect("a terminal")
}

fn set(process: Proc<'_>, fd: Fd, change: impl FnOnce(&mut Termios)) {
    let mut termios = attributes(process, fd);
    change(&mut termios);
    process.call(|kernel, call| kernel.tcsetattr(call, fd, termios, When::Now)).expect("a terminal");
}

/// Raw mode with this MIN and TIME.
fn raw(process: Proc<'_>, fd: Fd, min: u8, time: u8) {
    set(process, fd, |termios| {
        *termios = termios.raw();
        termios.set_character(Control::Min, min);
        termios.set_character(Control::Time, time);
    });
}

fn poll(process: Proc<'_>, fd: Fd) -> PollEvents {
    let mut fds = [PollFd { fd: Some(fd), events: PollEvents::all(), found: PollEvents::empty() }];
    process.call(|kernel, call| kernel.poll(call, &mut fds, Some(Monotonic(0)))).expect("polled");
    fds[0].found
}

fn writing<'a>(process: Proc<'a>, fd: Fd, count: usize) -> Pending<'a, usize> {
    Pending::new(
        process.machine.session.call(process.pid, move |kernel, call| kernel.write(call, fd, &[&vec![b'x'; count]])),
    )
}

#[test]
fn a_line_typed_at_the_master_is_read_at_the_slave() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    let mut read = reading(process, slave, 100);
    assert!(read.poll().is_none());
    process.write(master, b"hel").unwrap();
    assert!(read.poll().is_none(), "no line yet");
    process.write(master, b"lo\r").unwrap();
    assert_eq!(read.poll(), Some(Ok(b"hello\n".to_vec())));
    assert_eq!(process.write(slave, b"out\n"), Ok(4));
    assert_eq!(process.read(master, 100), Ok(b"hello\r\nout\r\n".to_vec()));
    let mut read = reading(process, master, 100);
    assert!(read.poll().is_none());
    process.write(slave, b"more").unwrap();
    assert_eq!(read.poll(), Some(Ok(b"more".to_vec())));
    process.write(master, b"\x04").unwrap();
    assert_eq!(process.read(slave, 100), Ok(Vec::new()), "end of file");
    assert_eq!(process.read(slave, 0), Ok(Vec::new()));
    assert_eq!((process.write(slave, b""), process.write(master, b"")), (Ok(0), Ok(0)));
}

#[test]
fn a_terminal_is_no_file() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    for fd in [master, slave] {
        assert_eq!(process.seek(fd, 0, Whence::Set), Err(Errno::ESPIPE));
        assert_eq!(process.call(|kernel, call| kernel.pread(call, fd, 0, 1, &mut |_| ())), Err(Errno::ESPIPE));
        assert_eq!(process.call(|kernel, call| kernel.pwrite(call, fd, 0, &[b"x"])), Err(Errno::ESPIPE));
        assert_eq!(process.set_len(fd, 0), Err(Errno::EINVAL));
        assert_eq!(process.call(|kernel, call| kernel.sync(call, fd)), Err(Errno::EINVAL));
        let status = process.call(|kernel, call| kernel.descriptor_status(call, fd)).unwrap();
        assert!(status.terminal && status.read && status.write && status.kind == FileKind::Character);
    }
    let null = process.open("/dev/null", RW).unwrap();
    assert_eq!(process.now(|kernel, call| kernel.tcgetattr(call, null)), Err(Errno::ENOTTY));
    assert_eq!(process.now(|kernel, call| kernel.window_size(call, Fd(99))), Err(Errno::EBADF));
}

#[test]
fn without_waiting_there_is_eagain() {
    let machine = Machine::new();
    let process = machine.agent();
    let (master, slave) = process.now(|kernel, call| kernel.pty(call, OpenFlags::NONBLOCK)).unwrap();
    assert_eq!((process.read(master, 9), process.read(slave, 9)), (Err(Errno::EAGAIN), Err(Errno::EAGAIN)));
    assert_eq!(process.write(slave, &vec![b'x'; OUTPUT_MAX + 9]), Ok(OUTPUT_MAX));
    assert_eq!(process.write(slave, b"x"), Err(Errno::EAGAIN));
    raw(process, slave, 5, 0);
    process.write(master, b"abc").unwrap();
    assert_eq!(process.read(slave, 9), Ok(b"abc".to_vec()), "what there is, as Linux");
    raw(process, slave, 0, 0);
    assert_eq!(process.read(slave, 9), Ok(Vec::new()));
}

#[test]
fn a_full_output_holds_the_program_back() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    assert_eq!(process.write(slave, &vec![b'x'; OUTPUT_MAX + 9]), Ok(OUTPUT_MAX), "what there is room for");
    let mut write = writing(process, slave, 100);
    assert!(write.poll().is_none());
    assert!(!poll(process, slave).contains(OUTPUT));
    process.read(master, 199).unwrap();
    assert!(write.poll().is_none(), "a small write is not split");
    process.read(master, 1).unwrap();
    assert_eq!(write.poll(), Some(Ok(100)));
}

#[test]
fn who_does_not_read_holds_the_typist_back() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    raw(process, slave, 1, 0);
    assert_eq!(process.write(master, &vec![b'x'; TYPED_MAX * 2]), Ok(TYPED_MAX + 4095));
    assert!(!poll(process, master).contains(OUTPUT));
    let mut write = writing(process, master, 1);
    assert!(write.poll().is_none());
    process.read(slave, 1).unwrap();
    assert_eq!(write.poll(), Some(Ok(1)));
}

#[test]
fn stop_and_start_hold_and_release_a_writer() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    process.write(master, b"\x13").unwrap();
    assert!(!poll(process, slave).contains(OUTPUT));
    let mut write = writing(process, slave, 3);
    assert!(write.poll().is_none());
    process.write(master, b"\x11").unwrap();
    assert_eq!(write.poll(), Some(Ok(3)));
}

#[test]
fn min_bytes_are_waited_for() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    raw(process, slave, 3, 0);
    let mut read = reading(process, slave, 10);
    process.write(master, b"ab").unwrap();
    assert!(read.poll().is_none());
    assert!(!poll(process, slave).contains(PollEvents::IN));
    process.write(master, b"c").unwrap();
    assert!(poll(process, slave).contains(INPUT));
    assert_eq!(read.poll(), Some(Ok(b"abc".to_vec())));
    let mut small = reading(process, slave, 2);
    process.write(master, b"de").unwrap();
    assert_eq!(small.poll(), Some(Ok(b"de".to_vec())), "no more than asked for");
    raw(process, slave, 0, 0);
    assert_eq!(process.read(slave, 9), Ok(Vec::new()), "none are waited for");
    process.write(master, b"f").unwrap();
    assert_eq!(process.read(slave, 9), Ok(b"f".to_vec()));
}

#[test]
fn time_without_min_is_from_the_call() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    raw(process, slave, 0, 2);
    machine.set_time(1_000_000_000);
    let mut read = reading(process, slave, 9);
    assert!(read.poll().is_none());
    assert_eq!(machine.driver.armed.lock().unwrap().last(), Some(&Monotonic(1_200_000_000)));
    machine.set_time(1_199_999_999);
    machine.session.tick();
    assert!(read.poll().is_none(), "a call made again has no more time");
    machine.set_time(1_200_000_000);
    machine.session.tick();
    assert_eq!(read.poll(), Some(Ok(Vec::new())));
    let mut read = reading(process, slave, 9);
    assert!(read.poll().is_none());
    process.write(master, b"a").unwrap();
    assert_eq!(read.poll(), Some(Ok(b"a".to_vec())), "a byte is enough");
}

#[test]
fn time_with_min_is_between_bytes() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    raw(process, slave, 5, 1);
    let mut read = reading(process, slave, 9);
    assert!(read.poll().is_none());
    assert_eq!(machine.driver.armed.lock().unwrap().last(), None, "the first byte is waited for without end");
    machine.set_time(500_000_000);
    process.write(master, b"a").unwrap();
    assert!(read.poll().is_none());
    machine.set_time(590_000_000);
    process.write(master, b"b").unwrap();
    assert!(read.poll().is_none());
    machine.set_time(680_000_000);
    machine.session.tick();
    assert!(read.poll().is_none(), "each byte begins anew");
    machine.set_time(690_000_000);
    machine.session.tick();
    assert_eq!(read.poll(), Some(Ok(b"ab".to_vec())));
    process.write(master, b"cdefg").unwrap();
    assert_eq!(process.read(slave, 9), Ok(b"cdefg".to_vec()));
}

#[test]
fn the_last_slave_ends_the_masters_reading() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    process.write(slave, b"last words").unwrap();
    process.close(slave).unwrap();
    assert_eq!(poll(process, master), INPUT | OUTPUT | PollEvents::HUP);
    assert_eq!(process.read(master, 99), Ok(b"last words".to_vec()));
    assert_eq!(process.read(master, 99), Err(Errno::EIO));
    // It can be opened again.
    let slave = process.open("/dev/pts/0", RW | OpenFlags::NOCTTY).unwrap();
    let mut read = reading(process, master, 99);
    assert!(read.poll().is_none());
    process.close(slave).unwrap();
    assert_eq!(read.poll(), Some(Err(Errno::EIO.into())), "who waits is told");
}

#[test]
fn a_master_nobody_has_opened_the_slave_of_waits() {
    let machine = Machine::new();
    let process = machine.agent();
    let master = process.open("/dev/ptmx", RW).unwrap();
    let mut read = reading(process, master, 9);
    assert!(read.poll().is_none());
    assert_eq!(poll(process, master), OUTPUT);
    assert_eq!(process.write(master, b"early\n"), Ok(6));
    assert_eq!(read.poll(), Some(Ok(b"early\r\n".to_vec())), "echo");
    let slave = process.open("/dev/pts/0", R).unwrap();
    assert_eq!(process.read(slave, 9), Ok(b"early\n".to_vec()));
    assert_eq!(process.write(slave, b"x"), Err(Errno::EBADF), "opened for reading");
}

#[test]
fn without_its_master_a_slave_is_hung_up() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    process.write(master, b"typed\n").unwrap();
    assert_eq!(poll(process, slave), INPUT | OUTPUT);
    let path_only = process.open("/dev/pts/0", OpenFlags::PATH).unwrap();
    process.read(slave, 9).unwrap();
    let mut read = reading(process, slave, 9);
    assert!(read.poll().is_none());
    process.write(master, b"unread\n").unwrap();
    process.close(master).unwrap();
    assert_eq!(read.poll(), Some(Ok(Vec::new())), "the end, and what was typed is gone");
    assert_eq!(process.read(slave, 9), Ok(Vec::new()));
    assert_eq!(process.write(slave, b"x"), Err(Errno::EIO));
    assert_eq!(poll(process, slave), INPUT | OUTPUT | PollEvents::ERR | PollEvents::HUP);
    assert_eq!(process.now(|kernel, call| kernel.tcgetattr(call, slave)), Err(Errno::EIO));
    assert_eq!(process.now(|kernel, call| kernel.window_size(call, slave)), Err(Errno::EIO));
    assert_eq!(process.open("/dev/pts/0", RW), Err(Errno::ENOENT));
    assert_eq!(process.open(&format!("/proc/self/fd/{path_only}"), RW), Err(Errno::ENOENT));
    assert_eq!(process.readlink(&format!("/proc/self/fd/{slave}")), Ok("/dev/pts/0 (deleted)".to_owned()));
    // Its number is free when the last end is gone.
    let (other, _) = process.now(|kernel, call| kernel.pty(call, OpenFlags::empty())).unwrap();
    assert_eq!(process.names("/dev/pts").unwrap(), [".", "..", "1"]);
    process.close(other).unwrap();
    process.close(slave).unwrap();
    assert_eq!(machine.usage().terminals, 1, "its slave is open");
    process.exit(0);
    assert_eq!(machine.usage().terminals, 0);
}

#[test]
fn slaves_have_nodes() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    let second = process.open("/dev/ptmx", RW).unwrap();
    assert_eq!(process.names("/dev/pts").unwrap(), [".", "..", "0", "1"]);
    let stat = process.stat("/dev/pts/1").unwrap();
    assert_eq!((stat.kind, stat.rdev, stat.mode.bits()), (FileKind::Character, makedev(136, 1), 0o620));
    assert_eq!((stat.uid, stat.gid), (Uid(1000), Gid(5)));
    assert_eq!(process.fstat(slave), process.stat("/dev/pts/0"));
    assert_eq!(process.fstat(master).map(|stat| stat.rdev), Ok(makedev(5, 2)));
    assert_eq!(process.readlink(&format!("/proc/self/fd/{slave}")), Ok("/dev/pts/0".to_owned()));
    assert_eq!(process.readlink(&format!("/proc/self/fd/{master}")), Ok("/dev/ptmx".to_owned()));
    assert_eq!(process.stat("/dev/pts/2").map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(process.stat("/dev/pts/00").map(|_| ()), Err(Errno::ENOENT));
    assert_eq!(process.stat("/dev/pts/0/..").map(|_| ()), Err(Errno::ENOTDIR));
    assert_eq!(process.stat("/dev/pts/../null").map(|stat| stat.rdev), Ok(makedev(1, 3)));
    assert_eq!(process.unlink("/dev/pts/0"), Err(Errno::EACCES));
    assert_eq!(machine.root().unlink("/dev/pts/0"), Err(Errno::EPERM), "nor root");
    assert_eq!(process.mkdir("/dev/pts/x"), Err(Errno::EACCES));
    process.chdir("/dev/pts").unwrap();
    assert_eq!(process.cwd().as_deref(), Some("/dev/pts"));
    let again = process.open("1", W).unwrap();
    process.write(again, b"to the second").unwrap();
    assert_eq!(process.read(second, 99), Ok(b"to the second".to_vec()));
}

#[test]
fn a_node_is_its_owners() {
    let machine = Machine::new();
    let (process, _, slave) = pty(&machine);
    let other = machine.user(2000);
    assert_eq!(other.open("/dev/pts/0", W), Err(Errno::EACCES));
    assert_eq!(other.chmod("/dev/pts/0", 0o666), Err(Errno::EPERM));
    process.chmod("/dev/pts/0", 0o622).unwrap();
    assert!(other.open("/dev/pts/0", W).is_ok());
    assert_eq!(other.open("/dev/pts/0", R), Err(Errno::EACCES));
    process.call(|kernel, call| kernel.fchmod(call, slave, warren_kernel::vfs::Mode::new(0o600))).unwrap();
    assert_eq!(other.open("/dev/pts/0", W), Err(Errno::EACCES));
    machine.root().chown("/dev/pts/0", Some(2000), None).unwrap();
    assert!(other.open("/dev/pts/0", RW).is_ok());
}

#[test]
fn a_descriptors_link_opens_the_slave_once_more() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    let again = process.open(&format!("/proc/self/fd/{slave}"), W | OpenFlags::TRUNCATE).unwrap();
    process.close(slave).unwrap();
    process.write(again, b"x").unwrap();
    assert_eq!(process.read(master, 9), Ok(b"x".to_vec()));
    let other = process.open(&format!("/proc/self/fd/{master}"), RW).unwrap();
    assert_eq!(process.names("/dev/pts").unwrap(), [".", "..", "0", "1"], "a master's is /dev/ptmx");
    process.close(other).unwrap();
    assert_eq!(machine.usage().terminals, 1);
}

#[test]
fn attributes_are_the_same_at_both_ends() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    assert_eq!(attributes(process, slave), Termios::default());
    set(process, master, |termios| termios.local.remove(LocalModes::ECHO));
    assert!(!attributes(process, slave).local.contains(LocalModes::ECHO));
    process.write(master, b"secret\nmore\n").unwrap();
    assert_eq!(process.read(slave, 99), Ok(b"secret\n".to_vec()));
    assert_eq!(poll(process, master), OUTPUT, "no echo");
    let termios = attributes(process, slave);
    process.call(|kernel, call| kernel.tcsetattr(call, slave, termios, When::Flush)).unwrap();
    assert!(!poll(process, slave).contains(INPUT), "what was typed is dropped");
    process.write(slave, b"out").unwrap();
    process.write(master, b"in\n").unwrap();
    process.call(|kernel, call| kernel.tcflush(call, slave, Queue::Output)).unwrap();
    assert_eq!((poll(process, master), poll(process, slave)), (OUTPUT, INPUT | OUTPUT));
    process.call(|kernel, call| kernel.tcflush(call, slave, Queue::Both)).unwrap();
    assert_eq!(poll(process, slave), OUTPUT);
}

#[test]
fn a_reader_sees_a_change_of_mode() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    process.write(master, b"half").unwrap();
    let mut read = reading(process, slave, 9);
    assert!(read.poll().is_none());
    raw(process, slave, 1, 0);
    assert_eq!(read.poll(), Some(Ok(b"half".to_vec())));
}

#[test]
fn the_window_has_a_size() {
    let machine = Machine::new();
    let (process, master, slave) = pty(&machine);
    let size = |fd| process.now(|kernel, call| kernel.window_size(call, fd)).unwrap();
    assert_eq!(size(slave), WindowSize::default());
    let large = WindowSize { rows: 50, columns: 132, width: 1000, height: 800 };
    process.now(|kernel, call| kernel.set_window_size(call, master, large)).unwrap();
    assert_eq!((size(slave), size(master)), (large, large));
}

#[test]
fn one_made_outside_knows_utf8_and_its_size() {
    let machine = Machine::new();
    let (master, slave) = machine.session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80))).unwrap();
    let process = machine.root();
    let fd = process.open("/dev/pts/0", RW | OpenFlags::NOCTTY).unwrap();
    assert!(attributes(process, fd).input.contains(InputModes::IUTF8));
    assert_eq!(process.now(|kernel, call| kernel.window_size(call, fd)), Ok(WindowSize::new(24, 80)));
    let typed =
        machine.block(Pid::INIT, |kernel, call| kernel.write_open(call, master, None, &["é\x7fx\n".as_bytes()]));
    assert_eq!(typed, Ok(5));
    assert_eq!(process.read(fd, 9), Ok(b"x\n".to_vec()));
    let resized = machine.session.with(|kernel| kernel.resize_terminal(slave, WindowSize::new(1, 2)));
    assert_eq!(resized, Ok(()));
    assert_eq!(process.now(|kernel, call| kernel.window_size(call, fd)), Ok(WindowSize::new(1, 2)));
    let null = machine.session.with(|kernel| kernel.open_device(warren_kernel::vfs::device::Device::Null)).unwrap();
    let wrong = machine.session.with(|kernel| kernel.resize_terminal(null, WindowSize::new(1, 2)));
    assert_eq!(wrong, Err(Errno::ENOTTY));
    machine.session.with(|kernel| [master, slave, null].map(|open| kernel.close_open(open)));
    assert_eq!(process.write(fd, b"x"), Err(Errno::EIO));
}

#[test]
fn a_refused_opening_leaves_nothing() {
    let machine = Machine::limited(|limits| {
        limits.open_files = 3;
        limits.ptys = 2;
    });
    let process = machine.agent();
    let (master, slave) = process.now(|kernel, call| kernel.pty(call, OpenFlags::empty())).unwrap();
    process.open("/dev/null", R).unwrap();
    let before = machine.usage();
    assert_eq!(process.now(|kernel, call| kernel.pty(call, OpenFlags::empty())), Err(Errno::ENFILE));
    assert_eq!(process.open("/dev/ptmx", RW), Err(Errno::ENFILE));
    assert_eq!(machine.session.with(|kernel| kernel.open_terminal(WindowSize::default())), Err(Errno::ENFILE));
    assert_eq!(machine.usage(), before);
    process.close(Fd(2)).unwrap();
    let before = machine.usage();
    assert_eq!(
        process.now(|kernel, call| kernel.pty(call, OpenFlags::empty())),
        Err(Errno::ENFILE),
        "room for one end"
    );
    assert_eq!(machine.session.with(|kernel| kernel.open_terminal(WindowSize::default())), Err(Errno::ENFILE));
    assert_eq!(machine.usage(), before);
    process.close(master).unwrap();
    process.close(slave).unwrap();
    assert_eq!((machine.usage().terminals, machine.usage().open_files), (0, 0));
}

#[test]
fn the_mount_shows_in_proc() {
    let machine = Machine::new();
    let process = machine.agent();
    assert!(process.text("/proc/mounts").unwrap().contains("devpts /dev/pts devpts rw"));
    assert!(process.text("/proc/filesystems").unwrap().contains("devpts"));
    let capacity = process.call(|kernel, call| kernel.statfs(call, At::Root, b"/dev/pts")).unwrap();
    assert_eq!(capacity.bytes, 0);
}
