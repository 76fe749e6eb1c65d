//! Random system calls of two processes: nothing panics, and when they are gone and their files removed, nothing is
//! left.

#[cfg(test)]
mod common;

use common::{Machine, Pending, Proc, spawn};
use proptest::prelude::*;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pgid, Pid};
use warren_kernel::kernel::Usage;
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::ExitStatus;
use warren_kernel::process::exec::ExecImage;
use warren_kernel::process::group::Target;
use warren_kernel::process::spawn::{Attributes, FileAction, Spawn};
use warren_kernel::process::strings;
use warren_kernel::process::wait::Which;
use warren_kernel::seek::Whence;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Kernel, Session, Step};

/// One random call: what, by whom, on which path and descriptor, with which number.
#[derive(Clone, Copy, Debug)]
struct Op {
    what: u8,
    who: usize,
    path: usize,
    other: usize,
    fd: u32,
    number: u64,
    flags: u32,
}

const PATHS: [&str; 26] = [
    "/w/a",
    "/w/b",
    "/w/c",
    "/w/d",
    "/w/a/x",
    "/w/b/x",
    "/w/a/x/y",
    "/w",
    "/w/",
    "/w/a/",
    "/w/b/..",
    ".",
    "..",
    "a",
    "b/c",
    "/w/../w/c",
    "/proc/self/fd/0",
    "/proc/self/fd/1",
    "/proc/self/fd/2/x",
    "/proc/self/cwd/a",
    "/proc/self/exe",
    "/dev/null",
    "/dev/zero",
    "/bin/prog",
    "/proc/self/status",
    "/w/a/b/c/d",
];

fn op() -> impl Strategy<Value = Op> {
    let number = prop_oneof![0..10u64, 0..200_000u64, Just(u64::MAX), Just(1 << 52), Just(i64::MAX as u64)];
    (0..44u8, 0..2usize, 0..PATHS.len(), 0..PATHS.len(), 0..8u32, number, 0..2048u32)
        .prop_map(|(what, who, path, other, fd, number, flags)| Op { what, who, path, other, fd, number, flags })
}

fn perform(kernel: &mut Kernel, call: &mut Call, op: Op) -> Step<()> {
    let (path, other) = (PATHS[op.path].as_bytes(), PATHS[op.other].as_bytes());
    let (fd, second) = (Fd(op.fd), Fd(op.number as u32 % 9));
    let mode = Mode::new(op.number as u32);
    let signal = Signal::new(op.number as u32 % 31 + 1)?;
    let flags = OpenFlags::from_bits_truncate(op.flags);
    let replace = [Replace::Yes, Replace::No, Replace::Exchange][op.fd as usize % 3];
    let small = (op.number % 70_000) as usize;
    match op.what {
        0..=4 => kernel.open(call, At::Cwd, path, flags, mode).map(drop),
        5 => kernel.open(call, At::Fd(fd), other, flags, mode).map(drop),
        6 => kernel.open_unnamed(call, At::Cwd, path, flags, mode).map(drop),
        7 => Ok(kernel.close(call, fd)?),
        8 => kernel.read(call, fd, op.number as usize, &mut |_| ()).map(drop),
        9 => kernel.pread(call, fd, op.number, 100, &mut |_| ()).map(drop),
        10 | 11 => kernel.write(call, fd, &[&vec![1; small], b"x"]).map(drop),
        12 => kernel.pwrite(call, fd, op.number, &[&vec![2; small % 100]]).map(drop),
        13 => {
            let whence = [Whence::Set, Whence::Current, Whence::End, Whence::Data, Whence::Hole][op.path % 5];
            kernel.seek(call, fd, op.number as i64, whence).map(drop)
        }
        14 => kernel.set_len(call, fd, op.number),
        15 => kernel.punch_hole(call, fd, op.number, small as u64),
        16 => kernel.allocate(call, fd, op.number, small as u64),
        17 | 18 => kernel.mkdir(call, At::Cwd, path, Mode::new(0o777)),
        19 => kernel.rmdir(call, At::Cwd, path),
        20 => kernel.unlink(call, At::Cwd, path),
        21 => kernel.symlink(call, other, At::Cwd, path),
        22 => kernel.link(call, At::Cwd, path, op.fd.is_multiple_of(2), At::Cwd, other),
        23 => kernel.link_open(call, fd, At::Cwd, path),
        24 | 25 => kernel.rename(call, At::Cwd, path, At::Cwd, other, replace),
        26 => kernel.mknod(call, At::Cwd, path, FileKind::Fifo, Mode::new(0o666), 0),
        27 => kernel.chdir(call, At::Cwd, path),
        28 => kernel.fchdir(call, fd),
        29 => Ok(kernel.pipe(call, flags).map(drop)?),
        30 => Ok(kernel.duplicate_to(call, fd, second, op.path.is_multiple_of(2)).map(drop)?),
        31 => Ok(kernel.duplicate(call, fd, second, op.path.is_multiple_of(2)).map(drop)?),
        32 => kernel.stat(call, At::Cwd, path, op.fd.is_multiple_of(2)).map(drop),
        33 => kernel.fstat(call, fd).map(drop),
        34 => kernel.readdir(call, fd, op.number % 5, &mut |entry| entry.next < 50),
        35 => kernel.setxattr(call, Subject::Path(At::Cwd, path, true), b"user.x", &vec![0; small], SetXattr::Either),
        36 => {
            kernel.set_times(call, At::Cwd, path, true, SetTime::Now, SetTime::To(warren_kernel::host::Timestamp(-1)))
        }
        37 => kernel.chmod(call, At::Cwd, path, mode),
        38 => {
            let actions = vec![
                FileAction::Duplicate { from: fd, to: second },
                FileAction::Open { fd: second, path: other.into(), flags, mode },
                FileAction::Close(fd),
                FileAction::ChangeDirectory(path.into()),
            ];
            let attributes = Attributes { group: (op.fd == 1).then_some(Pgid(0)), ..Attributes::default() };
            kernel.spawn(call, &Spawn { actions, attributes, ..spawn("/bin/prog") }).map(drop)
        }
        39 => {
            let image = if op.fd < 4 { ExecImage::Path(path.into()) } else { ExecImage::Descriptor(fd) };
            kernel.exec(call, &image, strings(["x"]), strings(["A=b"]), &[second]).map(drop)
        }
        40 => kernel
            .waitpid(
                call,
                Which::Any,
                warren_kernel::process::wait::Watch::default(),
                if op.fd.is_multiple_of(2) {
                    warren_kernel::process::wait::Patience::Forever
                } else {
                    warren_kernel::process::wait::Patience::None
                },
            )
            .map(drop),
        41 => {
            kernel.sigaction(call, signal, if op.fd < 4 { Disposition::Ignore } else { Disposition::Default })?;
            kernel.set_blocked(call, SignalSet(op.number))?;
            let target = [Target::OwnGroup, Target::Everyone, Target::Process(Pid(op.fd))][op.path % 3];
            Ok(kernel.kill(call, target, Some(Signal::CHLD))?)
        }
        42 => {
            let wants =
                |fd| PollFd { fd: Some(fd), events: PollEvents::IN | PollEvents::OUT, found: PollEvents::empty() };
            kernel.poll(call, &mut [wants(fd), wants(second)], Some(Monotonic(op.number))).map(drop)
        }
        _ => kernel.readlink(call, At::Cwd, path).map(drop),
    }
}

fn calling(session: &Session, pid: Pid, op: Op) -> Pending<'_, ()> {
    Pending::new(session.call(pid, move |kernel, call| perform(kernel, call, op)))
}

/// Removes all in a directory, but not what is mounted.
fn empty(init: Proc<'_>, directory: &str) {
    for name in init.names(directory).expect("a directory") {
        let path = format!("{directory}/{name}");
        match init.lstat(&path).expect("just listed").kind {
            _ if name == "." || name == ".." || path == "//proc" || path == "//dev/pts" => {}
            FileKind::Directory => {
                empty(init, &path);
                if path == "//dev" {
                    continue; // It has a mount point.
                }
                init.rmdir(&path).expect("it is empty");
            }
            _ => init.unlink(&path).expect("root may"),
        }
    }
}

fn everyone_exits(machine: &Machine) {
    for _ in 0..2 {
        machine.session.with(|kernel| {
            let pids: Vec<Pid> =
                kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect();
            for pid in pids {
                kernel.exit(pid, ExitStatus::Exited(0));
                let _ = kernel.collect(pid);
            }
        });
    }
}

fn run(ops: &[Op]) {
    let limits =
        Limits { file_bytes: 1 << 20, inodes: 25, open_files: 30, pipes: 4, processes: 8, ..Limits::default() };
    let machine = Machine::with(limits, Policy::session());
    let clean = machine.usage();
    let setup = machine.root();
    setup.call(|kernel, call| kernel.mkdir(call, At::Root, b"/w", Mode::new(0o777))).expect("made");
    setup.chmod("/w", 0o777).expect("changed");
    let processes = [machine.root(), machine.root()];
    for process in processes {
        process.chdir("/w").expect("there");
    }
    processes[1].become_user(1000);
    let mut waiting: Vec<Pending<'_, ()>> = Vec::new();
    for op in ops {
        let mut pending = calling(&machine.session, processes[op.who].pid, *op);
        let mut polls = 0;
        // A fetch is done at once, so it needs another look; a wait stays.
        while pending.poll().is_none() {
            polls += 1;
            if polls > 6 {
                waiting.push(pending);
                break;
            }
        }
        if waiting.len() > 3 {
            drop(waiting.remove(0));
        }
        waiting.retain_mut(|pending| pending.poll().is_none());
        machine.session.with(|kernel| {
            let used = kernel.usage();
            assert!(used.file_bytes <= 1 << 20 && used.open_files <= 30 && used.pipes <= 4, "{used:?}");
        });
    }
    drop(waiting);
    everyone_exits(&machine);
    empty(Proc { machine: &machine, pid: Pid::INIT }, "/");
    let left = machine.usage();
    // The root directory and where /proc and /dev/pts are mounted, with what attributes they were given.
    let (inodes, charged) = machine.session.with(|kernel| {
        let inodes = kernel.root().inodes();
        (inodes.len(), inodes.iter().map(|(_, inode)| inode.charged()).sum::<u64>())
    });
    assert_eq!((inodes, charged), (4, left.file_bytes));
    assert!(left.inodes <= 4);
    assert_eq!(Usage { inodes: 0, file_bytes: 0, ..left }, clean);
    machine.session.with(|kernel| kernel.save()).expect("nothing runs");
}

proptest! {
    #![proptest_config(common::config(2000))]

    #[test]
    fn nothing_panics_and_nothing_is_left(ops in prop::collection::vec(op(), 1..80)) {
        run(&ops);
    }
}
