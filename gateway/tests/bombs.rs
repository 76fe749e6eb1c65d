//! Bombs: a guest takes all it can of one thing and keeps it, while a hundred other sessions answer.
//!
//! ```text
//! bomb ──▶ grows ──▶ "full <what> <errno>" ──▶ keeps all ──▶ SIGKILL ──▶ nothing is left, the session works on
//!                                                  └─ 100 neighbours run `echo ok`
//! ```
//! The bomb is `bombs/bomb.c`, one program whose first argument says of what; it is built as the cases of `posix` are.
//! Limits are the defaults unless a test says why not.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod common;
#[path = "posix/toolchain.rs"]
#[allow(dead_code, reason = "compilers for this machine and for Rust are for the cases")]
mod toolchain;

use std::future::Future;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::kernel::Usage;
use warren_kernel::limits::Limits;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Errno, Session, Template};
use warren_wasi_posix::node::{Command, Running, Stdio};

/// No part of a test takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// What the test's process may grow by, whatever the bomb takes and however many neighbours run.
const GROWTH_MAX: u64 = 512 << 20;
/// Sessions beside the bomb's.
const NEIGHBOURS: usize = 100;

/// One bomb at a time: each would be a neighbour of the others, and the memory of the process is looked at.
static TURN: Mutex<()> = Mutex::new(());

/// A bomb in its session.
struct Bomb {
    bench: &'static common::Bench,
    session: Session,
    template: Template,
    running: Running,
    /// Bytes of this process in memory before it began.
    resident: u64,
    _turn: MutexGuard<'static, ()>,
}

impl Bomb {
    /// Starts it, in a session whose limits are the defaults but for what `limit` changes. `None` without a compiler
    /// or software.
    fn start(arguments: &[&str], limit: impl FnOnce(&mut Limits)) -> Option<Bomb> {
        let program = program()?;
        let bench = common::bench()?;
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut template = bench.node.template();
        limit(&mut template.limits);
        let session = bench.node.session(template.clone());
        within(bench, install(&session, program));
        neighbours_answer(bench);
        let resident = resident();
        let arguments = [&["/run/bomb"], arguments].concat();
        let command = Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..Command::new(&template, arguments) };
        let running = within(bench, command.launch(&session)).unwrap();
        Some(Bomb { bench, session, template, running, resident, _turn: turn })
    }

    /// Waits until it says that it is full, and checks what of.
    fn is_full(&self, expected: &str) {
        let mut said = Vec::new();
        let stdout = self.running.stdout.as_ref().unwrap();
        within(self.bench, async {
            while !said.contains(&b'\n') && stdout.read(4096, &mut said).await.unwrap() > 0 {}
        });
        let said = String::from_utf8_lossy(&said);
        assert_eq!(said.lines().next(), Some(expected), "{:?}", self.usage());
        println!("{expected}: {:?}", self.usage());
    }

    /// The operator was told that this limit was reached, and what the guest got.
    fn reached(&self, limit: &str, errno: Errno) {
        let events = self.session.with(|kernel| kernel.events_since(0)).1;
        let what = What::LimitReached { limit: limit.to_owned(), errno };
        assert!(events.iter().any(|event| event.what == what), "no event for `{limit}` ({errno}): {events:?}");
    }

    fn usage(&self) -> Usage {
        self.session.with(|kernel| kernel.usage())
    }

    /// What the session holds but for what comes and goes with the calls of its processes.
    fn held(&self) -> String {
        format!("{:?}", Usage { waiting_calls: 0, memory_bytes: 0, ..self.usage() })
    }

    /// Waits until what the session holds is as told.
    fn comes_to_hold(&self, enough: impl Fn(&Usage) -> bool) {
        within(self.bench, async {
            while !enough(&self.usage()) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
    }

    /// While it holds all it has, the neighbours answer; killed, it leaves nothing; and its session works on.
    fn neighbours_answer_and_it_ends(self) {
        let held = self.held();
        neighbours_answer(self.bench);
        self.has_not_grown();
        assert_eq!(self.held(), held, "it let something go");
        assert!(
            !self.session.with(|kernel| kernel.process(self.running.pid).is_ok_and(|bomb| bomb.is_zombie())),
            "it ended"
        );
        let Bomb { running, bench, session, template, resident, _turn } = self;
        // Its output has a reader until it is killed.
        within(bench, kill_all(&session));
        drop(running);
        let usage = session.with(|kernel| {
            let ended: Vec<Pid> =
                kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect();
            ended.into_iter().for_each(|pid| drop(kernel.collect(pid)));
            kernel.usage()
        });
        // Files stay, and the working directory of init is held.
        let Usage { file_bytes, inodes, .. } = usage;
        let nothing = session_usage(&bench.node.session(template.clone()));
        assert_eq!(format!("{usage:?}"), format!("{:?}", Usage { file_bytes, inodes, ..nothing }));
        within(bench, answers(&template, &session));
        // Nothing that waits for something of the session keeps it.
        let gone = session.downgrade();
        drop(session);
        within(bench, async {
            while gone.upgrade().is_some() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let grown = crate::resident().saturating_sub(resident);
        assert!(grown < GROWTH_MAX, "grew by {} MiB", grown >> 20);
    }

    fn has_not_grown(&self) {
        let grown = resident().saturating_sub(self.resident);
        println!("grown by {} MiB", grown >> 20);
        assert!(grown < GROWTH_MAX, "grew by {} MiB", grown >> 20);
    }
}

fn session_usage(session: &Session) -> Usage {
    session.with(|kernel| kernel.usage())
}

fn within<T>(bench: &common::Bench, future: impl Future<Output = T>) -> T {
    bench.runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the test hangs") })
}

/// The bomb's module; `None`, with the reason printed, when it cannot be built here.
fn program() -> Option<&'static [u8]> {
    static PROGRAM: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let build = || {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let toolchain = toolchain::Toolchain::find(&tests.join("posix"))?;
        let module = toolchain.module(&tests.join("bombs/bomb.c")).unwrap_or_else(|error| panic!("{error}"));
        Some(std::fs::read(module).unwrap())
    };
    PROGRAM.get_or_init(build).as_deref()
}

/// Writes the program into a session, as root.
async fn install(session: &Session, program: &[u8]) {
    let install = session.call(Pid::INIT, |kernel, call| {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE;
        let fd = kernel.open(call, At::Root, b"/run/bomb", flags, Mode::new(0o755))?;
        let mut rest = program;
        while !rest.is_empty() {
            let count = kernel.write(call, fd, &[rest])?;
            rest = &rest[count..];
        }
        kernel.close(call, fd)?;
        kernel.chmod(call, At::Root, b"/run/bomb", Mode::new(0o755))
    });
    install.await.unwrap();
}

/// A hundred sessions, each of its own, run a command at the same time, and all are right.
fn neighbours_answer(bench: &'static common::Bench) {
    let template = bench.node.template();
    within(bench, async {
        let running: Vec<_> = (0..NEIGHBOURS)
            .map(|_| {
                let (template, session) = (template.clone(), bench.node.session(template.clone()));
                tokio::spawn(async move { answers(&template, &session).await })
            })
            .collect();
        for one in running {
            one.await.unwrap();
        }
    });
}

/// A shell in this session prints what it is told to.
async fn answers(template: &Template, session: &Session) {
    let finished = Command::shell(template, "echo ok").launch(session).await.unwrap().finish().await.unwrap();
    assert_eq!((finished.status, finished.stdout.as_slice()), (ExitStatus::Exited(0), &b"ok\n"[..]));
}

/// Kills all processes until there is none: one that was about to spawn when it was killed may still do so.
async fn kill_all(session: &Session) {
    loop {
        let left = session.with(|kernel| {
            let running = kernel.processes().filter(|process| process.pid != Pid::INIT && !process.is_zombie());
            let left: Vec<Pid> = running.map(|process| process.pid).collect();
            left.iter().for_each(|pid| kernel.signal_process(*pid, Signal::KILL));
            left.len()
        });
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

macro_rules! bomb {
    ($arguments:expr) => {
        bomb!($arguments, |_| {})
    };
    ($arguments:expr, $limit:expr) => {
        match Bomb::start(&$arguments, $limit) {
            Some(bomb) => bomb,
            None => return,
        }
    };
}

// ---- processes and memory

#[test]
fn processes() {
    let bomb = bomb!(["fork"]);
    bomb.is_full("full fork EAGAIN");
    bomb.reached("processes", Errno::EAGAIN);
    // Every one of them spawns until it cannot, and none ends.
    bomb.comes_to_hold(|usage| (usage.processes, usage.waiting_calls) == (256, 256));
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn memory_of_a_process() {
    let bomb = bomb!(["memory"]);
    bomb.is_full("full memory ENOMEM");
    bomb.reached("process_memory_bytes", Errno::ENOMEM);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn memory_of_all_processes() {
    let bomb = bomb!(["memory", "1000"]);
    bomb.is_full("full memory ENOMEM");
    bomb.reached("memory_bytes", Errno::ENOMEM);
    bomb.neighbours_answer_and_it_ends();
}

/// Memory that is written to is memory of the machine, so the limit is one it surely has.
#[test]
fn memory_that_is_written_to() {
    let bomb = bomb!(["touched-memory", "32"], |limits| limits.memory_bytes = 256 << 20);
    bomb.is_full("full touched-memory ENOMEM");
    bomb.reached("memory_bytes", Errno::ENOMEM);
    bomb.neighbours_answer_and_it_ends();
}

// ---- descriptors and what they are open on

#[test]
fn descriptors() {
    let bomb = bomb!(["descriptors"]);
    bomb.is_full("full descriptors EMFILE");
    bomb.reached("descriptors", Errno::EMFILE);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn open_files() {
    let bomb = bomb!(["open-files"]);
    bomb.is_full("full open-files ENFILE");
    bomb.reached("open_files", Errno::ENFILE);
    assert_eq!(bomb.usage().open_files, 8192);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn pipes() {
    let bomb = bomb!(["pipes"]);
    bomb.is_full("full pipes ENFILE");
    bomb.reached("pipes", Errno::ENFILE);
    assert_eq!(bomb.usage().pipes, 512);
    bomb.neighbours_answer_and_it_ends();
}

/// The memory is small so that it ends before the descriptors do.
#[test]
fn texts_of_proc() {
    let bomb = bomb!(["proc-text"], |limits| limits.memory_bytes = 48 << 20);
    bomb.is_full("full proc-text ENOMEM");
    bomb.reached("memory_bytes", Errno::ENOMEM);
    bomb.neighbours_answer_and_it_ends();
}

/// The memory is small so that it ends before the descriptors do.
#[test]
fn listings_of_a_directory_that_changes() {
    let bomb = bomb!(["listing"], |limits| limits.memory_bytes = 48 << 20);
    bomb.is_full("full listing ENOMEM");
    bomb.reached("memory_bytes", Errno::ENOMEM);
    bomb.neighbours_answer_and_it_ends();
}

// ---- files

#[test]
fn inodes() {
    let bomb = bomb!(["inodes"]);
    bomb.is_full("full inodes EDQUOT");
    bomb.reached("inodes", Errno::EDQUOT);
    assert_eq!(bomb.usage().inodes, 262_144);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn hard_links() {
    let bomb = bomb!(["names"]);
    bomb.is_full("full names EDQUOT");
    bomb.reached("inodes", Errno::EDQUOT);
    assert_eq!(bomb.usage().inodes, 262_144);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn a_tree_that_is_all_depth() {
    let bomb = bomb!(["depth"]);
    bomb.is_full("full depth EDQUOT");
    bomb.reached("inodes", Errno::EDQUOT);
    bomb.neighbours_answer_and_it_ends();
}

/// The quota is small, for what it allows is memory of the machine.
#[test]
fn holes() {
    let bomb = bomb!(["holes"], |limits| limits.file_bytes = 64 << 20);
    bomb.is_full("full holes EDQUOT");
    bomb.reached("file_bytes", Errno::EDQUOT);
    bomb.neighbours_answer_and_it_ends();
}

/// The quota is small, for what it allows is memory of the machine.
#[test]
fn files_of_a_byte() {
    let bomb = bomb!(["small-files"], |limits| limits.file_bytes = 64 << 20);
    bomb.is_full("full small-files EDQUOT");
    bomb.reached("file_bytes", Errno::EDQUOT);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn record_locks() {
    let bomb = bomb!(["locks"]);
    bomb.is_full("full locks ENOLCK");
    bomb.reached("locks", Errno::ENOLCK);
    assert_eq!(bomb.usage().locks, 1024);
    bomb.neighbours_answer_and_it_ends();
}

// ---- sockets and terminals

#[test]
fn sockets_never_accepted() {
    let bomb = bomb!(["sockets"]);
    bomb.is_full("full sockets ENOBUFS");
    bomb.reached("sockets", Errno::ENOBUFS);
    assert_eq!(bomb.usage().sockets, 512);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn streams_never_received() {
    let bomb = bomb!(["streams"]);
    bomb.is_full("full streams ENOBUFS");
    bomb.reached("sockets", Errno::ENOBUFS);
    bomb.reached("socket_bytes", Errno::EAGAIN);
    assert!(bomb.usage().socket_bytes <= (16 << 20) + 512 * 4096, "what each may hold however full: 4 KiB");
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn datagrams() {
    let bomb = bomb!(["datagrams"]);
    bomb.is_full("full datagrams ENOBUFS");
    bomb.reached("datagrams", Errno::EAGAIN);
    bomb.reached("socket_bytes", Errno::ENOBUFS);
    assert!(bomb.usage().socket_bytes <= 16 << 20);
    bomb.neighbours_answer_and_it_ends();
}

/// WASI has no ETOOMANYREFS: the guest sees ENOBUFS.
#[test]
fn descriptors_in_flight() {
    let bomb = bomb!(["rights"]);
    bomb.is_full("full rights ENOBUFS");
    bomb.reached("rights_in_flight", Errno::ETOOMANYREFS);
    assert_eq!((bomb.usage().rights_in_flight, bomb.usage().sockets), (1024, 3));
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn terminals() {
    let bomb = bomb!(["ptys"]);
    bomb.is_full("full ptys ENOSPC");
    bomb.reached("ptys", Errno::ENOSPC);
    assert_eq!(bomb.usage().terminals, 64);
    bomb.neighbours_answer_and_it_ends();
}

// ---- what has no end

#[test]
fn output_nobody_reads() {
    let bomb = bomb!(["output"]);
    bomb.is_full("full output EAGAIN");
    bomb.comes_to_hold(|usage| usage.waiting_calls == 1);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn a_timer_of_a_microsecond() {
    let bomb = bomb!(["timer"]);
    bomb.is_full("full timer -");
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn timers_of_a_microsecond() {
    let bomb = bomb!(["timer", "255"]);
    bomb.is_full("full timer -");
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn deadlines_each_earlier_than_the_last() {
    let bomb = bomb!(["deadlines"]);
    bomb.is_full("full deadlines -");
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn polls_that_never_wait() {
    let bomb = bomb!(["poll", "255"]);
    bomb.is_full("full poll -");
    bomb.comes_to_hold(|usage| usage.processes == 255);
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn signals() {
    let bomb = bomb!(["signals"]);
    bomb.is_full("full signals -");
    bomb.neighbours_answer_and_it_ends();
}

#[test]
fn a_poll_that_never_waits() {
    let bomb = bomb!(["poll"]);
    bomb.is_full("full poll -");
    bomb.neighbours_answer_and_it_ends();
}
