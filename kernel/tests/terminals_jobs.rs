//! Job control: controlling terminals, foreground groups, hang-ups, and who gets which signal.
#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(test)]
mod common;

use common::{Machine, Pending, Proc, R, RW, W, reading, spawn};
use warren_kernel::file::OpenId;
use warren_kernel::id::{Fd, Pgid, Pid, Sid};
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::pty::WindowSize;
use warren_kernel::pty::control::When;
use warren_kernel::pty::termios::{LocalModes, Termios};
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{CallError, Errno, Kernel};

const HEARD: [Signal; 8] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TSTP, Signal::CONT, Signal::TTIN, Signal::TTOU, Signal::WINCH];

/// A terminal as an emulator holds it, and the leader of the session on it.
struct Desk<'a> {
    master: OpenId,
    leader: Proc<'a>,
}

impl<'a> Desk<'a> {
    fn new(machine: &'a Machine) -> Desk<'a> {
        let (master, slave) = machine.session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80))).unwrap();
        let actions = vec![
            FileAction::InstallTerminal { fd: Fd::STDIN, open: slave },
            FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDOUT },
        ];
        let spawn = Spawn { actions, ..spawn("/bin/prog") };
        let pid = machine.block(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).unwrap();
        machine.session.with(|kernel| kernel.close_open(slave));
        Desk { master, leader: listening(Proc { machine, pid }) }
    }

    fn key(&self, bytes: &[u8]) {
        let master = self.master;
        let count =
            self.leader.machine.block(Pid::INIT, |kernel, call| kernel.write_open(call, master, None, &[bytes]));
        assert_eq!(count, Ok(bytes.len()));
    }

    /// A child in a group of its own.
    fn job(&self) -> Proc<'a> {
        let attributes = Attributes { group: Some(Pgid(0)), ..Attributes::default() };
        listening(self.leader.spawn(&Spawn { attributes, ..spawn("/bin/prog") }).unwrap())
    }

    fn foreground(&self, group: Pgid) {
        set_foreground(self.leader, group).unwrap();
    }

    fn hang_up(&self) {
        self.leader.machine.session.with(|kernel| kernel.close_open(self.master));
    }
}

/// Makes a process catch what it may be sent, so that the test can see it pending.
fn listening(process: Proc<'_>) -> Proc<'_> {
    let caught = Disposition::Catch { mask: SignalSet::default(), flags: 0 };
    for signal in HEARD {
        process.now(|kernel, call| kernel.sigaction(call, signal, caught)).unwrap();
    }
    process
}

/// What a process was sent since the last time it was asked.
fn heard(process: Proc<'_>) -> Vec<Signal> {
    let pending = process.now(|kernel, call| kernel.process(call.pid).unwrap().signals.pending);
    let heard = HEARD.into_iter().filter(|signal| pending.contains(*signal)).collect();
    // Ignored for a moment: what is pending is discarded.
    for signal in HEARD {
        process.now(|kernel, call| kernel.sigaction(call, signal, Disposition::Ignore)).unwrap();
    }
    listening(process);
    heard
}

fn set_foreground(process: Proc<'_>, group: Pgid) -> Result<(), Errno> {
    process.call(|kernel, call| kernel.tcsetpgrp(call, Fd::STDIN, group))
}

/// Whether a call has no answer, because its process was told to stop; it is taken back. A caught signal may end it.
fn waits<T>(mut call: Pending<'_, T>) -> bool {
    !matches!(call.poll(), Some(Ok(_) | Err(CallError::Failed(Errno::EIO))))
}

fn tostop(desk: &Desk<'_>) {
    let mut termios = desk.leader.now(|kernel, call| kernel.tcgetattr(call, Fd::STDIN)).unwrap();
    termios.local.insert(LocalModes::TOSTOP);
    desk.leader.call(|kernel, call| kernel.tcsetattr(call, Fd::STDIN, termios, When::Now)).unwrap();
}

fn writing<'a>(process: Proc<'a>) -> Pending<'a, usize> {
    Pending::new(process.machine.session.call(process.pid, |kernel, call| kernel.write(call, Fd::STDOUT, &[b"x"])))
}

fn on_stdin<T>(process: Proc<'_>, op: fn(&Kernel, &warren_kernel::Call, Fd) -> Result<T, Errno>) -> Result<T, Errno> {
    process.now(|kernel, call| op(kernel, call, Fd::STDIN))
}

#[test]
fn a_launched_leader_has_its_terminal() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let leader = desk.leader;
    assert_eq!(on_stdin(leader, Kernel::tcgetsid), Ok(Sid(leader.pid.0)));
    assert_eq!(on_stdin(leader, Kernel::tcgetpgrp), Ok(Pgid(leader.pid.0)));
    desk.key(b"hello\n");
    assert_eq!(leader.read(Fd::STDIN, 9), Ok(b"hello\n".to_vec()));
    assert_eq!(leader.child().read(Fd::STDIN, 0), Ok(Vec::new()), "a child of its group is in the foreground");
    let stat = leader.text("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.split(' ').collect();
    assert_eq!([fields[6], fields[7]], [(136 << 8).to_string(), leader.pid.to_string()]);
}

#[test]
fn installing_asks_for_a_slave_that_is_nobodys() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let (master, slave) = machine.session.with(|kernel| kernel.open_terminal(WindowSize::default())).unwrap();
    let launch = |open| {
        let actions = vec![FileAction::InstallTerminal { fd: Fd::STDIN, open }];
        let spawn = Spawn { actions, ..spawn("/bin/prog") };
        machine.block(Pid::INIT, |kernel, call| kernel.launch(call, &spawn))
    };
    let before = machine.usage();
    assert_eq!(launch(master), Err(Errno::ENOTTY));
    assert_eq!(launch(OpenId(999)), Err(Errno::EBADF));
    assert!(launch(slave).is_ok());
    assert_eq!(launch(slave), Err(Errno::EPERM), "it has a session");
    assert_eq!(machine.usage().processes, before.processes + 1);
    // A second terminal for a session, or one for who leads none.
    let actions = vec![FileAction::InstallTerminal { fd: Fd(5), open: slave }];
    assert_eq!(desk.leader.spawn(&Spawn { actions, ..spawn("/bin/prog") }).map(|_| ()), Err(Errno::EPERM));
}

#[test]
fn a_session_leader_acquires_what_it_opens() {
    let machine = Machine::new();
    let holder = machine.agent();
    holder.open("/dev/ptmx", RW).unwrap();
    let leader = machine.agent();
    assert_eq!(leader.open("/dev/tty", RW), Err(Errno::ENXIO));
    leader.open("/dev/pts/0", RW | OpenFlags::NOCTTY).unwrap();
    assert_eq!(leader.open("/dev/tty", RW), Err(Errno::ENXIO));
    let child = leader.child();
    child.open("/dev/pts/0", RW).unwrap();
    assert_eq!(child.open("/dev/tty", RW), Err(Errno::ENXIO), "it leads nothing");
    let root = machine.root();
    root.open("/dev/pts/0", W).unwrap();
    assert_eq!(root.open("/dev/tty", RW), Err(Errno::ENXIO), "not by writing");
    leader.open("/dev/pts/0", RW).unwrap();
    for process in [leader, child] {
        let tty = process.open("/dev/tty", RW).unwrap();
        assert_eq!(process.readlink(&format!("/proc/self/fd/{tty}")), Ok("/dev/pts/0".to_owned()));
    }
    // Somebody's is nobody else's, and one session has one.
    root.open("/dev/pts/0", RW).unwrap();
    assert_eq!(root.open("/dev/tty", RW), Err(Errno::ENXIO));
    holder.open("/dev/ptmx", RW).unwrap();
    leader.open("/dev/pts/1", RW).unwrap();
    assert_eq!(on_stdin(leader, Kernel::tcgetsid), Ok(Sid(leader.pid.0)));
    assert_eq!(leader.now(|kernel, call| kernel.tcgetsid(call, Fd(3))), Err(Errno::ENOTTY));
    // A master controls nobody, and tells of its slave.
    assert_eq!(holder.now(|kernel, call| kernel.tcgetsid(call, Fd(0))), Ok(Sid(leader.pid.0)));
    assert_eq!(holder.now(|kernel, call| kernel.tcgetsid(call, Fd(1))), Err(Errno::ENOTTY));
}

#[test]
fn keys_are_signals_for_the_foreground_group() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    let second = listening(job.child());
    desk.key(b"\x03");
    assert_eq!((heard(desk.leader), heard(job)), (vec![Signal::INT], vec![]));
    desk.foreground(job.pid.as_group());
    desk.key(b"\x03\x1c\x1a");
    assert_eq!(heard(job), [Signal::INT, Signal::QUIT, Signal::TSTP]);
    assert_eq!(heard(second), [Signal::INT, Signal::QUIT, Signal::TSTP]);
    assert_eq!(heard(desk.leader), []);
    job.exit(0);
    second.exit(0);
    desk.key(b"\x03");
    assert_eq!(heard(desk.leader), [], "an empty group hears nothing");
}

#[test]
fn a_key_behind_a_full_input_is_a_signal_when_it_is_read() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    desk.key(&[b'\n'; 4096]);
    desk.key(b"\x03");
    assert_eq!(heard(desk.leader), []);
    desk.leader.read(Fd::STDIN, 1).unwrap();
    desk.leader.read(Fd::STDIN, 1).unwrap();
    assert_eq!(heard(desk.leader), [Signal::INT]);
}

#[test]
fn a_new_size_is_a_signal() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    desk.foreground(job.pid.as_group());
    let resize = |size| machine.session.with(|kernel| kernel.resize_terminal(desk.master, size)).unwrap();
    resize(WindowSize::new(24, 80));
    assert_eq!(heard(job), [], "it is no new one");
    resize(WindowSize::new(25, 80));
    assert_eq!((heard(job), heard(desk.leader)), (vec![Signal::WINCH], vec![]));
    job.now(|kernel, call| kernel.set_window_size(call, Fd::STDIN, WindowSize::new(1, 1))).unwrap();
    assert_eq!(heard(job), [Signal::WINCH]);
}

#[test]
fn a_background_reader_is_stopped() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    let beside = listening(job.child());
    desk.key(b"line\n");
    assert!(waits(reading(job, Fd::STDIN, 9)));
    assert_eq!((heard(job), heard(beside)), (vec![Signal::TTIN], vec![Signal::TTIN]), "all of its group");
    assert!(waits(reading(job, Fd::STDIN, 0)), "also for nothing");
    heard(job);
    // In the foreground it goes on.
    desk.foreground(job.pid.as_group());
    assert_eq!(job.read(Fd::STDIN, 9), Ok(b"line\n".to_vec()));
    // The leader is a background process now.
    assert_eq!(heard(desk.leader), []);
    assert_eq!(desk.leader.read(Fd::STDIN, 9), Err(Errno::EIO), "nobody could continue it");
    assert_eq!(heard(desk.leader), []);
}

#[test]
fn a_background_reader_that_does_not_hear_gets_eio() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    job.now(|kernel, call| kernel.sigaction(call, Signal::TTIN, Disposition::Ignore)).unwrap();
    assert_eq!(job.read(Fd::STDIN, 9), Err(Errno::EIO));
    let job = desk.job();
    job.now(|kernel, call| kernel.set_blocked(call, SignalSet::default().with(Signal::TTIN))).unwrap();
    assert_eq!(job.read(Fd::STDIN, 9), Err(Errno::EIO));
    // An orphaned group: its only tie to the session is gone.
    let parent = desk.job();
    let attributes = Attributes { group: Some(Pgid(0)), ..Attributes::default() };
    let orphan = listening(parent.spawn(&Spawn { attributes, ..spawn("/bin/prog") }).unwrap());
    assert!(waits(reading(orphan, Fd::STDIN, 9)));
    heard(orphan);
    parent.exit(0);
    heard(orphan);
    assert_eq!(orphan.read(Fd::STDIN, 9), Err(Errno::EIO));
    assert_eq!(heard(orphan), []);
}

#[test]
fn a_background_writer_is_stopped_when_the_terminal_says_so() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    assert_eq!(job.write(Fd::STDOUT, b"x"), Ok(1));
    tostop(&desk);
    assert!(waits(writing(job)));
    assert_eq!(heard(job), [Signal::TTOU]);
    job.now(|kernel, call| kernel.sigaction(call, Signal::TTOU, Disposition::Ignore)).unwrap();
    assert_eq!(job.write(Fd::STDOUT, b"x"), Ok(1), "who ignores it writes");
    desk.foreground(job.pid.as_group());
    assert_eq!(desk.leader.write(Fd::STDOUT, b"x"), Err(Errno::EIO), "an orphaned group");
}

#[test]
fn a_background_process_does_not_change_the_terminal() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let job = desk.job();
    let set = Pending::new(
        machine
            .session
            .call(job.pid, |kernel, call| kernel.tcsetattr(call, Fd::STDIN, Termios::default().raw(), When::Now)),
    );
    assert!(waits(set));
    assert_eq!(heard(job), [Signal::TTOU]);
    let set =
        Pending::new(machine.session.call(job.pid, |kernel, call| kernel.tcsetpgrp(call, Fd::STDIN, Pgid(call.pid.0))));
    assert!(waits(set));
    assert_eq!(heard(job), [Signal::TTOU]);
    let leader_group = desk.leader.pid.as_group();
    assert_eq!(on_stdin(job, Kernel::tcgetpgrp), Ok(leader_group), "looking is allowed");
    assert!(on_stdin(job, Kernel::tcgetattr).is_ok());
    // A shell takes the terminal back with SIGTTOU blocked.
    desk.foreground(job.pid.as_group());
    assert_eq!(set_foreground(desk.leader, leader_group), Err(Errno::ENOTTY), "its group is orphaned");
    let blocked = SignalSet::default().with(Signal::TTOU);
    desk.leader.now(|kernel, call| kernel.set_blocked(call, blocked)).unwrap();
    assert_eq!(set_foreground(desk.leader, leader_group), Ok(()));
    assert_eq!(heard(desk.leader), []);
}

#[test]
fn only_groups_of_the_session_come_to_the_foreground() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let stranger = machine.agent();
    assert_eq!(set_foreground(desk.leader, Pgid(9999)), Err(Errno::ESRCH));
    assert_eq!(set_foreground(desk.leader, stranger.pid.as_group()), Err(Errno::EPERM));
    let fd = stranger.open("/dev/ptmx", RW).unwrap();
    assert_eq!(stranger.call(|kernel, call| kernel.tcsetpgrp(call, fd, Pgid(call.pid.0))), Err(Errno::ENOTTY));
    let null = desk.leader.open("/dev/null", RW).unwrap();
    assert_eq!(desk.leader.call(|kernel, call| kernel.tcsetpgrp(call, null, Pgid(1))), Err(Errno::ENOTTY));
    assert_eq!(desk.leader.call(|kernel, call| kernel.tcsetpgrp(call, Fd(99), Pgid(1))), Err(Errno::EBADF));
    // Another session's process on the same terminal is in no background, and controls nothing.
    let child = desk.leader.child();
    child.now(|kernel, call| kernel.setsid(call)).unwrap();
    assert_eq!(on_stdin(child, Kernel::tcgetpgrp), Err(Errno::ENOTTY));
    assert_eq!(child.open("/dev/tty", R), Err(Errno::ENXIO));
    desk.key(b"for anybody\n");
    assert_eq!(child.read(Fd::STDIN, 99), Ok(b"for anybody\n".to_vec()));
}

#[test]
fn hanging_up_tells_the_leader_and_the_foreground() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let (job, background) = (desk.job(), desk.job());
    desk.foreground(job.pid.as_group());
    let mut read = reading(job, Fd::STDIN, 9);
    assert!(read.poll().is_none());
    desk.hang_up();
    for process in [desk.leader, job] {
        assert_eq!(heard(process), [Signal::HUP, Signal::CONT]);
        assert_eq!(process.read(Fd::STDIN, 9), Ok(Vec::new()));
        assert_eq!(process.write(Fd::STDOUT, b"x"), Err(Errno::EIO));
        assert_eq!(process.open("/dev/tty", RW), Err(Errno::ENXIO));
        assert_eq!(on_stdin(process, Kernel::tcgetpgrp), Err(Errno::EIO));
        assert_eq!(set_foreground(process, process.pid.as_group()), Err(Errno::ENOTTY));
    }
    assert!(read.rings() > 0, "who waits is told");
    assert_eq!((heard(background), background.read(Fd::STDIN, 9)), (vec![], Ok(Vec::new())));
    for process in [job, background, desk.leader] {
        process.exit(0);
    }
    assert_eq!((machine.usage().terminals, machine.usage().open_files), (0, 0));
}

#[test]
fn a_leader_that_hears_it_once_is_in_the_foreground() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    desk.hang_up();
    assert_eq!(heard(desk.leader), [Signal::HUP, Signal::CONT]);
}

#[test]
fn the_leaders_end_frees_the_terminal() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let (job, background) = (desk.job(), desk.job());
    desk.foreground(job.pid.as_group());
    desk.leader.exit(0);
    assert!(heard(job).contains(&Signal::HUP));
    assert!(!heard(background).contains(&Signal::HUP));
    assert_eq!(job.open("/dev/tty", RW), Err(Errno::ENXIO));
    assert_eq!(job.write(Fd::STDOUT, b"x"), Ok(1), "the terminal is there, and nobody's");
    let next = machine.root();
    next.open("/dev/pts/0", RW).unwrap();
    assert_eq!(on_stdin(next, Kernel::tcgetsid), Ok(Sid(next.pid.0)));
    // The end of who leads no session frees nothing.
    next.child().exit(0);
    assert_eq!(on_stdin(next, Kernel::tcgetsid), Ok(Sid(next.pid.0)));
}

#[test]
fn a_session_that_ends_ends_the_masters_reading() {
    let machine = Machine::new();
    let desk = Desk::new(&machine);
    let master = desk.master;
    desk.leader.write(Fd::STDOUT, b"bye").unwrap();
    desk.leader.exit(0);
    let read = |want| {
        machine.block(Pid::INIT, |kernel, call| {
            let mut got = Vec::new();
            kernel.read_open(call, master, None, want, &mut |bytes| got.extend_from_slice(bytes))?;
            Ok(got)
        })
    };
    assert_eq!(read(99), Ok(b"bye".to_vec()));
    assert_eq!(read(99), Err(Errno::EIO));
}
