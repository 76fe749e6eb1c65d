//! Runs a sequence of system calls, and what must hold while it runs and when everything has ended.

use crate::common::outside::Outside;
use crate::common::{Machine, Pending, Proc};
use crate::operation::Operation;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use warren_kernel::id::{Lsn, Pid};
use warren_kernel::image::SessionImage;
use warren_kernel::kernel::Usage;
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;
use warren_kernel::process::ExitStatus;
use warren_kernel::socket::STREAM_FLOOR;
use warren_kernel::vfs::change::{delta_between, delta_since};
use warren_kernel::vfs::driver::{FileSystem, FsAnswer, FsRequest};
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Errno, Session};

/// Calls of one sequence, at most: what is longer only repeats itself.
const CALLS_MAX: usize = 400;
/// Calls that wait at once, at most; the oldest is given up then.
const WAITING_MAX: usize = 6;
const FILE_BYTES: u64 = 1 << 20;
/// Changed paths that are asked for.
const PATHS: usize = 64;
const OPEN_FILES: u64 = 30;
const PIPES: u64 = 4;
const PROCESSES: u64 = 10;
const LOCKS: u64 = 6;
const TERMINALS: u64 = 2;
const SOCKETS: u64 = 8;
const SOCKET_BYTES: u64 = 200_000;
/// What sockets may hold above their limit: each a floor.
const SOCKET_SLACK: u64 = SOCKETS * STREAM_FLOOR as u64;
const RIGHTS: u64 = 5;

/// Makes the calls one after the other, by three processes: one of root's and two of a user's.
pub fn run(operations: &[Operation]) {
    let machine = machine();
    let clean = machine.usage();
    let processes = cast(&machine);
    let mut waiting: VecDeque<Pending<'_, ()>> = VecDeque::new();
    for operation in &operations[..operations.len().min(CALLS_MAX)] {
        beside(&machine, *operation);
        let pid = processes[usize::from(operation.who) % processes.len()].pid;
        let mut pending = calling(&machine.session, pid, *operation);
        let mut polls = 0;
        // A fetch is done at once, so it needs another look; a wait stays.
        while pending.poll().is_none() {
            polls += 1;
            if polls > 6 {
                waiting.push_back(pending);
                break;
            }
        }
        if waiting.len() > WAITING_MAX {
            waiting.pop_front();
        }
        waiting.retain_mut(|pending| pending.poll().is_none());
        check_limits(&machine);
    }
    drop(waiting);
    *machine.driver.hold.lock().expect("no fetch panics") = false;
    while machine.driver.release() {}
    everyone_exits(&machine);
    check_parked(&machine);
    empty(Proc { machine: &machine, pid: Pid::INIT }, "/");
    check_nothing_is_left(&machine, clean);
}

/// The pretend file system outside has its files in memory, so it must not take every length the kernel does.
struct Bounded(Outside);

impl FileSystem for Bounded {
    fn type_name(&self) -> &'static str {
        self.0.type_name()
    }

    fn perform(&self, request: &FsRequest) -> Result<FsAnswer, Errno> {
        let end = match request {
            FsRequest::Write(_, offset, data) => offset.unwrap_or(0).saturating_add(data.len() as u64),
            FsRequest::SetLen(_, len) => *len,
            _ => 0,
        };
        if end > FILE_BYTES { Err(Errno::EFBIG) } else { self.0.perform(request) }
    }
}

fn machine() -> Machine {
    let limits = Limits {
        file_bytes: FILE_BYTES,
        file_size: 1 << 52,
        inodes: 25,
        open_files: OPEN_FILES,
        pipes: PIPES,
        processes: PROCESSES,
        locks: LOCKS,
        ptys: TERMINALS,
        sockets: SOCKETS,
        socket_bytes: SOCKET_BYTES,
        rights_in_flight: RIGHTS,
        ..Limits::default()
    };
    let machine = Machine::with(limits, Policy::session());
    let outside = Outside::default();
    outside.files.lock().expect("it is new").insert(b"file".to_vec(), Arc::new(Mutex::new(b"outside".to_vec())));
    let outside: Arc<dyn FileSystem> = Arc::new(Bounded(outside));
    let mounted =
        machine.block(Pid::INIT, |kernel, call| kernel.mount(call, b"/mnt", Mounted::Driver(outside.clone()), false));
    mounted.expect("it is mounted");
    machine
}

fn cast(machine: &Machine) -> [Proc<'_>; 3] {
    let setup = machine.root();
    setup.call(|kernel, call| kernel.mkdir(call, At::Root, b"/w", Mode::new(0o777))).expect("made");
    setup.chmod("/w", 0o777).expect("changed");
    setup.put_executable("/w/script", b"#!/bin/prog -x\n");
    let processes = [machine.root(), machine.root(), machine.root()];
    for process in processes {
        process.chdir("/w").expect("there");
    }
    processes[1].become_user(1000);
    processes[2].become_user(1000);
    processes
}

fn calling(session: &Session, pid: Pid, operation: Operation) -> Pending<'_, ()> {
    Pending::new(session.call(pid, move |kernel, call| operation.perform(kernel, call)))
}

/// What happens beside the calls: time passes, fetches take their time, a process exits, the log's readers go on.
fn beside(machine: &Machine, operation: Operation) {
    match operation.who {
        240..=243 => {
            machine.set_time(u64::from(operation.what) << 32);
            machine.session.tick();
        }
        244 | 245 => *machine.driver.hold.lock().expect("no fetch panics") = true,
        246 | 247 => *machine.driver.hold.lock().expect("no fetch panics") = false,
        248..=251 => drop(machine.driver.release()),
        252 => machine.session.with(|kernel| {
            let last = kernel.processes().map(|process| process.pid).max();
            if let Some(pid) = last.filter(|pid| pid.0 > 5) {
                kernel.exit(pid, ExitStatus::Exited(operation.what));
            }
        }),
        253 => machine.session.with(|kernel| {
            let newest = kernel.root().log().newest();
            kernel.forget_changes_until(Lsn(newest.0 / 2));
        }),
        _ => {}
    }
}

fn check_limits(machine: &Machine) {
    machine.session.with(|kernel| {
        let used = kernel.usage();
        assert!(
            used.file_bytes <= FILE_BYTES
                && used.open_files as u64 <= OPEN_FILES
                && used.pipes as u64 <= PIPES
                && used.processes as u64 <= PROCESSES
                && used.locks as u64 <= LOCKS
                && used.terminals as u64 <= TERMINALS
                && used.sockets as u64 <= SOCKETS
                && used.socket_bytes <= SOCKET_BYTES + SOCKET_SLACK
                && used.rights_in_flight <= RIGHTS
                && used.waiting_calls <= WAITING_MAX
                && used.memory_bytes <= kernel.limits().memory_bytes,
            "{used:?}"
        );
    });
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

/// A session without processes can be saved, its image says the same after a trip through bytes, and both ways to
/// compare the tree with what it began as find the same names.
fn check_parked(machine: &Machine) {
    let image = machine.session.with(|kernel| kernel.save()).expect("nothing runs");
    let again = SessionImage::from_bytes(&image.to_bytes()).expect("it was just made");
    assert_eq!(again, image);
    machine.session.with(|kernel| {
        let (tree, layer) = (kernel.root(), machine.template.layer.inodes());
        let newest = tree.log().newest();
        let between = delta_between(&layer, tree.inodes(), Lsn::ZERO, newest);
        if let Ok(since) = delta_since(tree.inodes(), tree.log(), Lsn::ZERO) {
            let blobs: Arc<dyn warren_kernel::blob::Blobs> =
                Arc::new(crate::common::outside::Store { bytes: None, loads: Mutex::new(0) });
            let apply = |delta| warren_kernel::vfs::change::apply(&layer, delta, &blobs).expect("it is a tree's own");
            let (one, two) = (apply(&between), apply(&since));
            let left = delta_between(&one, &two, Lsn::ZERO, newest);
            assert!(left.names.is_empty() && left.gone.is_empty(), "{left:?}");
        }
        let told = kernel.changed_paths(Lsn::ZERO, PATHS);
        assert!(told.paths.len() <= PATHS && told.paths.iter().all(|path| path.starts_with(b"/")), "{told:?}");
    });
}

/// Removes all in a directory, but not what is mounted.
fn empty(init: Proc<'_>, directory: &str) {
    for name in init.names(directory).expect("a directory") {
        let path = format!("{directory}/{name}");
        match init.lstat(&path).expect("just listed").kind {
            _ if name == "." || name == ".." || ["//proc", "//mnt", "//dev/pts"].contains(&path.as_str()) => {}
            FileKind::Directory => {
                empty(init, &path);
                // It stays for what is mounted below.
                if path != "//dev" {
                    init.rmdir(&path).expect("it is empty");
                }
            }
            _ => init.unlink(&path).expect("root may"),
        }
    }
}

/// The root directory and what is mounted on are there, with what attributes they were given, and nothing else.
fn check_nothing_is_left(machine: &Machine, clean: Usage) {
    let left = machine.usage();
    let (inodes, charged) = machine.session.with(|kernel| {
        let inodes = kernel.root().inodes();
        (inodes.len(), inodes.iter().map(|(_, inode)| inode.charged()).sum::<u64>())
    });
    assert_eq!((inodes, charged), (5, left.file_bytes));
    assert!(left.inodes <= 5, "{left:?}");
    assert_eq!(Usage { inodes: 0, file_bytes: 0, ..left }, clean);
}
