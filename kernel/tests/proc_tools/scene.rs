//! A session in the middle of its work: a process in each state, a terminal, pipes, sockets, locks.

use crate::common::outside::Outside;
use crate::common::{Machine, Proc, RW, WASM, opening, reading, spawn};
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::Call;
use warren_kernel::id::{Fd, Pgid, Pid};
use warren_kernel::lock::{LockKind, OnConflict};
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::strings;
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::socket::{Family, SocketKind};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::OpenFlags;

/// Monotonic nanoseconds at which the children began: 60 seconds after the boot.
const STARTED: u64 = 60_000_000_000;
/// And at which they are looked at.
const LOOKED: u64 = 100_500_000_000;
/// Bytes of memory of the process that runs.
pub(crate) const MEMORY: u64 = 8 << 20;
/// Bytes of memory of the session.
pub(crate) const MEMORY_TOTAL: u64 = 64 << 20;

/// Who is there. All but the daemon are user 1000's.
pub(crate) struct Scene<'a> {
    /// Root's, without a terminal.
    pub daemon: Proc<'a>,
    /// Leads a session on /dev/pts/0 and runs.
    pub shell: Proc<'a>,
    /// A script, the foreground group of the terminal; it runs, and used 2.5 seconds and 8 MiB.
    pub script: Proc<'a>,
    /// Waits for a pipe.
    pub sleeper: Proc<'a>,
    /// Was stopped.
    pub stopped: Proc<'a>,
    /// Ended with 3.
    pub zombie: Proc<'a>,
    /// Waits for the outside.
    pub disk: Proc<'a>,
}

/// Shows the scene to `look`, and ends what waits in it.
pub(crate) fn with_scene(look: impl FnOnce(&Scene<'_>)) {
    let machine = Machine::limited(|limits| limits.memory_bytes = MEMORY_TOTAL);
    let outside = Arc::new(Outside::default());
    machine
        .block(Pid::INIT, |kernel, call| kernel.mount(call, b"/mnt", Mounted::Driver(outside.clone()), false))
        .unwrap();
    machine.set_time(STARTED);
    let daemon = machine.root();
    let shell = shell(&machine);
    shell.put_executable("tool.sh", b"#!/bin/prog -v\n");
    let script = child(shell, &["./tool.sh", "a b"]);
    script.now(|kernel, call| {
        kernel.charge_cpu(call.pid, Duration::from_millis(2500));
        assert!(kernel.charge_memory(call.pid, MEMORY));
        kernel.sigaction(call, Signal::HUP, Disposition::Ignore).unwrap();
        kernel.sigaction(call, Signal::INT, Disposition::Catch { mask: SignalSet(0), flags: 0 }).unwrap();
        kernel.set_blocked(call, SignalSet::default().with(Signal::USR1)).unwrap();
    });
    script.signal(Signal::USR1);
    let group = Pgid(script.pid.0);
    shell.call(|kernel, call| kernel.tcsetpgrp(call, Fd(0), group)).unwrap();
    busy_descriptors(shell);
    let sleeper = child(shell, &["/bin/other"]);
    let (reader, _) = sleeper.pipe();
    let mut read = reading(sleeper, reader, 1);
    assert!(read.poll().is_none());
    let (stopped, zombie, disk) =
        (child(shell, &["/bin/prog", "stopped"]), child(shell, &["/bin/prog", "zombie"]), child(shell, &["/bin/prog"]));
    stopped.signal(Signal::STOP);
    zombie.exit(3);
    *machine.driver.hold.lock().unwrap() = true;
    let mut open = opening(disk, "/mnt/file", OpenFlags::READ);
    assert!(open.poll().is_none());
    *machine.driver.hold.lock().unwrap() = false;
    machine.set_time(LOOKED);
    look(&Scene { daemon, shell, script, sleeper, stopped, zombie, disk });
}

/// Memory of the session that is taken, in whole kilobytes as /proc shows it.
pub(crate) fn memory_used(scene: &Scene<'_>) -> u64 {
    scene.daemon.machine.usage().memory_bytes / 1024 * 1024
}

fn shell(machine: &Machine) -> Proc<'_> {
    let (_, slave) = machine.session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80))).unwrap();
    let dup = |to| FileAction::Duplicate { from: Fd::STDIN, to };
    let actions = vec![FileAction::InstallTerminal { fd: Fd::STDIN, open: slave }, dup(Fd::STDOUT), dup(Fd::STDERR)];
    let spawn = Spawn { actions, ..spawn("/bin/prog") };
    let pid = machine.block(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).unwrap();
    machine.session.with(|kernel| kernel.close_open(slave));
    let shell = Proc { machine, pid };
    shell.become_user(1000);
    shell.chdir("/home/agent").unwrap();
    shell
}

/// A child in a group of its own.
fn child<'a>(parent: Proc<'a>, arguments: &[&str]) -> Proc<'a> {
    let attributes = Attributes { group: Some(Pgid(0)), ..Attributes::default() };
    parent.spawn(&Spawn { arguments: strings(arguments), attributes, ..spawn(arguments[0]) }).unwrap()
}

/// Descriptors of each kind; the first is 3.
fn busy_descriptors(shell: Proc<'_>) {
    shell.put("file", b"0123456789");
    let file = shell.open("file", RW | OpenFlags::APPEND).unwrap();
    assert_eq!((file, shell.read(file, 4).unwrap().len()), (Fd(3), 4));
    shell.open("/bin", OpenFlags::READ | OpenFlags::DIRECTORY | OpenFlags::CLOEXEC).unwrap();
    shell.open("/dev/null", OpenFlags::WRITE).unwrap();
    shell.now(|kernel, call| kernel.pipe(call, OpenFlags::NONBLOCK)).unwrap();
    for (family, kind) in [(Family::Unix, SocketKind::Stream), (Family::Inet, SocketKind::Datagram)] {
        shell.now(|kernel, call| kernel.socket(call, family, kind, OpenFlags::empty())).unwrap();
    }
    shell.open("/bin", OpenFlags::PATH).unwrap();
    let lock = |kernel: &mut warren_kernel::Kernel, call: &mut Call| {
        kernel.flock(call, file, Some(LockKind::Exclusive), OnConflict::Fail)
    };
    shell.call(lock).unwrap();
    assert!(shell.get("/bin/prog").unwrap().starts_with(WASM));
}
