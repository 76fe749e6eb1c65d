//! Guests that take all they can: each ends with an errno or a signal, and its neighbour notices nothing.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;
#[path = "hostile/wasm.rs"]
pub mod wasm;

use std::future::Future;
use std::time::Duration;
use warren_kernel::event::What;
use warren_kernel::id::Pid;
use warren_kernel::limits::Limits;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{CallError, Errno, Session, Template};
use warren_wasi_posix::node::{Command, Finished, Stdio};
use wasm::{Guest, Value, op};

/// No test here takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// What the test's process may grow by, whatever its guests do.
const GROWTH_MAX: u64 = 512 << 20;

// WASI's numbers.
const EAGAIN: u8 = 6;
const EDQUOT: u8 = 19;
const EMFILE: u8 = 33;
const ENFILE: u8 = 41;

/// A hostile session and its neighbour.
struct Arena {
    bench: &'static common::Bench,
    session: Session,
    template: Template,
    neighbour: Session,
    resident: u64,
}

impl Arena {
    /// `None` without software.
    fn new(limit: impl FnOnce(&mut Limits)) -> Option<Arena> {
        let bench = common::bench()?;
        let mut template = bench.node.template();
        let neighbour = bench.node.session(template.clone());
        limit(&mut template.limits);
        let session = bench.node.session(template.clone());
        let arena = Arena { bench, session, template, neighbour, resident: 0 };
        arena.neighbour_answers();
        Some(Arena { resident: resident(), ..arena })
    }

    fn within<T>(&self, future: impl Future<Output = T>) -> T {
        self.bench.runtime.block_on(async { tokio::time::timeout(LIMIT, future).await.expect("the test hangs") })
    }

    /// Writes a program into the session, as root.
    fn install(&self, path: &str, bytes: &[u8]) {
        self.within(self.session.call(Pid::INIT, |kernel, call| {
            let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let fd = kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(0o755))?;
            let mut rest = bytes;
            while !rest.is_empty() {
                let count = kernel.write(call, fd, &[rest])?;
                rest = &rest[count..];
            }
            kernel.close(call, fd)?;
            kernel.chmod(call, At::Root, path.as_bytes(), Mode::new(0o755))
        }))
        .unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let stdio = [Stdio::Null, Stdio::Pipe, Stdio::Pipe];
        Command { stdio, ..Command::new(&self.template, arguments) }
    }

    fn run(&self, arguments: &[&str]) -> Result<Finished, Errno> {
        self.within(async {
            match self.command(arguments).launch(&self.session).await {
                Ok(running) => Ok(running.finish().await.unwrap()),
                Err(CallError::Failed(errno)) => Err(errno),
                Err(error @ (CallError::Doomed(_) | CallError::Interrupted { .. })) => panic!("the launch: {error}"),
            }
        })
    }

    fn shell(&self, line: &str) -> Finished {
        self.run(&["sh", "-c", line]).unwrap()
    }

    /// Runs a guest; its status as a shell shows it.
    fn guest(&self, guest: &Guest) -> u8 {
        self.install("/run/guest", &guest.bytes());
        self.run(&["/run/guest"]).unwrap().status.shell_code()
    }

    /// The limit was reached, and its operator told.
    fn assert_reached(&self, limit: &str) {
        let events = self.session.with(|kernel| kernel.events_since(0)).1;
        let told = |what: &What| matches!(what, What::LimitReached { limit: its, .. } if its == limit);
        assert!(events.iter().any(|event| told(&event.what)), "no event for `{limit}`: {events:?}");
    }

    fn neighbour_answers(&self) {
        let template = self.bench.node.template();
        let finished = self.within(async {
            Command::shell(&template, "echo ok").launch(&self.neighbour).await.unwrap().finish().await.unwrap()
        });
        assert_eq!((finished.status, finished.stdout.as_slice()), (ExitStatus::Exited(0), &b"ok\n"[..]));
    }

    /// Kills all processes until there is none, and says how often that took: a process that was about to spawn when
    /// it was killed may still do so.
    fn kill_all(&self) -> usize {
        let mut rounds = 0;
        self.within(async {
            loop {
                let left = self.session.with(|kernel| {
                    let running = kernel.processes().filter(|process| process.pid != Pid::INIT && !process.is_zombie());
                    let left: Vec<Pid> = running.map(|process| process.pid).collect();
                    left.iter().for_each(|pid| kernel.signal_process(*pid, Signal::KILL));
                    left.len()
                });
                if left == 0 {
                    return rounds;
                }
                rounds += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    /// Kills what is left, and looks at what that leaves: nothing.
    fn end(self) {
        self.neighbour_answers();
        self.kill_all();
        let usage = self.session.with(|kernel| {
            let zombies: Vec<Pid> =
                kernel.processes().map(|process| process.pid).filter(|pid| *pid != Pid::INIT).collect();
            zombies.into_iter().for_each(|pid| drop(kernel.collect(pid)));
            kernel.usage()
        });
        assert_eq!(
            (usage.processes, usage.open_files, usage.pipes, usage.memory_bytes, usage.waiting_calls),
            (0, 0, 0, 0, 0),
            "{usage:?}"
        );
        let grown = resident().saturating_sub(self.resident);
        assert!(grown < GROWTH_MAX, "grew by {} MiB", grown >> 20);
    }
}

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

macro_rules! arena {
    ($limit:expr) => {
        match Arena::new($limit) {
            Some(arena) => arena,
            None => return,
        }
    };
}

fn defaults(_: &mut Limits) {}

// ---- time

#[test]
fn a_busy_guest_is_killed_by_a_signal() {
    let arena = arena!(defaults);
    arena.install("/run/guest", &Guest::new().body(&op::forever(&[])).bytes());
    let finished = arena.within(async {
        let running = arena.command(&["/run/guest"]).launch(&arena.session).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        arena.session.with(|kernel| kernel.signal_process(running.pid, Signal::KILL));
        running.finish().await.unwrap()
    });
    assert_eq!(finished.status, ExitStatus::Signaled(Signal::KILL));
    arena.end();
}

#[test]
fn a_busy_guest_is_ended_by_its_cpu_limit() {
    let arena = arena!(|limits| limits.cpu_ms = 100);
    // In its own code, in calls, and in code that is run before it starts.
    let call = Guest::new();
    let call = call.import("wasi_snapshot_preview1", "sched_yield", &[], true);
    let calls = call.body(&op::forever(&[op::call(0, &[]), vec![op::DROP]].concat()));
    for guest in [Guest::new().body(&op::forever(&[])), calls, Guest::new().body(&op::forever(&[])).starts()] {
        assert_eq!(arena.guest(&guest), 128 + 24);
    }
    arena.assert_reached("cpu_ms");
    arena.end();
}

#[test]
fn busy_guests_on_every_thread_leave_room_for_the_neighbour() {
    let arena = arena!(defaults);
    arena.install("/run/guest", &Guest::new().body(&op::forever(&[])).bytes());
    let running: Vec<_> =
        (0..16).map(|_| arena.within(arena.command(&["/run/guest"]).launch(&arena.session)).unwrap()).collect();
    for _ in 0..5 {
        arena.neighbour_answers();
    }
    drop(running);
    arena.end();
}

#[test]
fn recursion_ends_in_a_fault() {
    let arena = arena!(defaults);
    assert_eq!(arena.guest(&Guest::new().body(&[op::CALL, 0])), 139);
    let script = arena.shell("f() { f; }; f; echo after");
    println!("a shell function that calls itself: {:?}", script.status);
    arena.end();
}

// ---- processes

/// Spawns `path` until it fails, and ends with the errno.
fn spawner(path: &str) -> Guest {
    let guest = Guest::new().data(16, path.as_bytes());
    let guest = guest.import("host_process", "proc_spawn", &[Value::I32; 10], true);
    let len = path.len() as i32;
    guest.until_error(&[16, len, 0, 0, 0, 1, 2, 0, 0, 8])
}

#[test]
fn a_fork_bomb_ends_at_the_process_limit() {
    let arena = arena!(|limits| limits.processes = 64);
    // Each spawns children for ever, and they do the same: whoever finds no place ends, and makes some for the others.
    arena.install("/run/guest", &spawner("/run/guest").bytes());
    let first = arena.within(arena.command(&["/run/guest"]).launch(&arena.session)).unwrap();
    arena.within(async {
        let told = |what: &What| matches!(what, What::LimitReached { limit, .. } if limit == "processes");
        while !arena.session.with(|kernel| kernel.events_since(0)).1.iter().any(|event| told(&event.what)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    arena.neighbour_answers();
    assert!(arena.session.with(|kernel| kernel.usage()).processes <= 64);
    let rounds = arena.kill_all();
    println!("{rounds} rounds of SIGKILL ended the bomb");
    drop(first);
    // A child that waits keeps its place, so the parent alone reaches the limit.
    let guest = Guest::new().import("host_process", "sleep_ms", &[Value::I32], true);
    arena.install("/run/sleeper", &guest.body(&[op::call(0, &[i32::MAX]), vec![op::DROP]].concat()).bytes());
    arena.install("/run/bomb", &spawner("/run/sleeper").bytes());
    // Its children hold its standard output, so that only the kernel's word says when it has ended.
    let status = arena.within(async {
        let running = arena.command(&["/run/bomb"]).launch(&arena.session).await.unwrap();
        running.wait().await.unwrap().0
    });
    assert_eq!(status, ExitStatus::Exited(EAGAIN));
    arena.session.with(|kernel| assert!(kernel.usage().processes >= 60));
    arena.end();
}

#[test]
fn a_fork_bomb_of_the_shell_ends() {
    let arena = arena!(|limits| limits.processes = 32);
    let ended = arena.within(async {
        let running = arena.command(&["sh", "-c", "f() { sh -c 'sleep 100 & sleep 100 & sleep 100' & f; }; i=0; while [ $i -lt 100 ]; do sh -c 'sleep 100 & sleep 100 & sleep 100' & i=$((i+1)); done; exit 7"]).launch(&arena.session).await.unwrap();
        tokio::time::timeout(Duration::from_secs(20), running.wait()).await.is_ok()
    });
    println!("the shell ended by itself: {ended}");
    arena.assert_reached("processes");
    arena.end();
}

#[test]
fn arguments_that_are_too_large_are_refused() {
    let arena = arena!(defaults);
    let huge = "x".repeat(2 << 20);
    assert_eq!(arena.run(&["echo", &huge]).unwrap_err(), Errno::E2BIG);
    let many: Vec<&str> = std::iter::repeat_n("x", 200_000).collect();
    assert_eq!(arena.run(&[&["echo"], many.as_slice()].concat()).unwrap_err(), Errno::E2BIG);
    let finished = arena.shell("x=$(head -c 3000000 /dev/zero | tr '\\0' x); /bin/echo $x > /dev/null; echo $?");
    assert!(finished.stdout.as_slice() != b"0\n", "{}", String::from_utf8_lossy(&finished.stdout));
    arena.assert_reached("argument_bytes");
    arena.end();
}

// ---- memory

#[test]
fn a_memory_bomb_stops_growing_at_either_limit() {
    for limit in ["process_memory_bytes", "memory_bytes"] {
        let arena = arena!(|limits| limits.set(limit, 64 << 20).unwrap());
        // Grows a page at a time until -1, then ends with the size in MiB.
        let grow = [&[op::LOOP, 0x40][..], &op::i32(1), &[op::GROW, 0], &op::i32(-1), &[op::NE, op::BR_IF, 0, op::END]]
            .concat();
        let size = [&[op::SIZE, 0][..], &op::i32(16), &[op::DIV]].concat();
        let guest = Guest::new().import("wasi_snapshot_preview1", "proc_exit", &[Value::I32], false);
        let status = arena.guest(&guest.body(&[grow, size, vec![op::CALL, 0]].concat()));
        // Its arguments and environment are the session's memory too: the last whole MiB does not fit beside them.
        assert_eq!(status, if limit == "memory_bytes" { 63 } else { 64 });
        arena.assert_reached(limit);
        arena.end();
    }
}

/// Many processes that each touch all they may: together they stay below the session's limit.
#[test]
fn processes_together_stay_below_the_memory_limit() {
    let arena = arena!(|limits| limits.memory_bytes = 128 << 20);
    // Takes 1600 pages of 64 KiB if it can, fills what it has, and sleeps.
    let body = [
        op::i32(1600),
        vec![op::GROW, 0, op::DROP],
        op::i32(0),
        op::i32(1),
        vec![op::SIZE, 0],
        op::i32(16),
        vec![op::SHL],
        vec![0xfc, 0x0b, 0],
        op::call(0, &[i32::MAX]),
        vec![op::DROP],
    ]
    .concat();
    let guest = Guest::new().import("host_process", "sleep_ms", &[Value::I32], true).body(&body);
    arena.install("/run/guest", &guest.bytes());
    for _ in 0..20 {
        let running = arena.within(arena.command(&["/run/guest"]).launch(&arena.session)).unwrap();
        drop(running);
    }
    arena.within(async { tokio::time::sleep(Duration::from_millis(200)).await });
    arena.session.with(|kernel| assert!(kernel.usage().memory_bytes <= 128 << 20, "{:?}", kernel.usage()));
    arena.assert_reached("memory_bytes");
    arena.end();
}

// ---- descriptors, files, pipes

#[test]
fn a_descriptor_bomb_ends_at_its_limit() {
    let arena = arena!(defaults);
    let guest = Guest::new().import("host_process", "fd_dup", &[Value::I32; 2], true);
    assert_eq!(arena.guest(&guest.until_error(&[1, 8])), EMFILE);
    arena.end();
}

/// Opens the root directory until it fails, and ends with the errno.
fn opener() -> Guest {
    let parameters =
        [Value::I32, Value::I32, Value::I32, Value::I32, Value::I32, Value::I64, Value::I64, Value::I32, Value::I32];
    let guest = Guest::new().data(16, b"/etc/passwd").import("wasi_snapshot_preview1", "path_open", &parameters, true);
    guest.until_error(&[-1, 1, 16, 11, 0, 2, 0, 0, 8])
}

#[test]
fn an_open_file_bomb_ends_at_its_limit_across_processes() {
    let arena = arena!(|limits| limits.open_files = 512);
    assert_eq!(arena.guest(&opener()), ENFILE);
    arena.assert_reached("open_files");
    arena.session.with(|kernel| assert_eq!(kernel.usage().open_files, 0, "what it had open went with it"));
    // Four that keep what they have: each process alone stays below the limit of descriptors.
    let opener = opener();
    arena.install("/run/opener", &opener.then_sleeps().bytes());
    for _ in 0..4 {
        if let Ok(running) = arena.within(arena.command(&["/run/opener"]).launch(&arena.session)) {
            drop(running);
        }
    }
    // Launching takes a few for its pipes and gives them back, so the last free ones come and go.
    arena.within(async {
        while arena.session.with(|kernel| kernel.usage().open_files) < 480 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(arena.session.with(|kernel| kernel.usage().open_files) <= 512);
    arena.end();
}

#[test]
fn a_pipe_bomb_ends_at_its_limit() {
    let arena = arena!(|limits| limits.pipes = 100);
    let guest = Guest::new().import("host_process", "fd_pipe", &[Value::I32; 2], true);
    assert_eq!(arena.guest(&guest.until_error(&[8, 12])), ENFILE);
    arena.assert_reached("pipes");
    arena.session.with(|kernel| assert_eq!(kernel.usage().pipes, 0));
    arena.end();
}

// ---- files

#[test]
fn a_byte_bomb_ends_at_its_quota() {
    let arena = arena!(|limits| limits.file_bytes = 8 << 20);
    let finished = arena
        .shell("yes > /tmp/f; stat -c %s /tmp/f; echo after > /tmp/g; rm /tmp/f; echo again > /tmp/g && cat /tmp/g");
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    let size: u64 = said.lines().next().unwrap().parse().unwrap();
    assert!((7 << 20..=8 << 20).contains(&size), "{said}");
    assert!(said.ends_with("again\n"), "what is removed is free again: {said}");
    arena.assert_reached("file_bytes");
    arena.end();
}

#[test]
fn an_inode_bomb_ends_at_its_quota() {
    let arena = arena!(|limits| limits.inodes = 300);
    // Files without a name, kept open: the descriptors would last for a thousand.
    let guest = Guest::new().data(16, b"/tmp").import("host_fs", "open_tmpfile", &[Value::I32; 6], true);
    assert_eq!(arena.guest(&guest.until_error(&[-1, 16, 4, 0x1000_0000, 0o600, 8])), EDQUOT);
    arena.assert_reached("inodes");
    let finished = arena
        .shell("cd /tmp; seq 1 400 | xargs touch; ls | wc -l; mkdir d; ln -s x l; rm 1 2; touch again && ls again");
    let said = String::from_utf8_lossy(&finished.stdout);
    let made: u32 = said.lines().next().unwrap().parse().unwrap();
    assert!((250..300).contains(&made) && said.ends_with("again\n"), "{said}");
    arena.end();
}

#[test]
fn a_symlink_loop_and_a_long_chain_are_errors() {
    let arena = arena!(defaults);
    let finished = arena.shell(
        "cd /tmp; ln -s loop loop; cat loop; ln -s b a; ln -s a b; cat a/x; \
         mkdir d; ln -s ../d d/d; ls d/d/d/d/d/d > /dev/null && echo nested; \
         i=0; ln -s /etc/hostname l0; while [ $i -lt 60 ]; do j=$((i+1)); ln -s l$i l$j; i=$j; done; cat l30 && cat l60; \
         find -L /tmp 2> /dev/null | wc -l",
    );
    let said = String::from_utf8_lossy(&finished.stdout);
    assert!(said.starts_with("nested\nwarren\n"), "{said}{}", String::from_utf8_lossy(&finished.stderr));
    arena.end();
}

#[test]
fn a_directory_of_a_hundred_thousand_is_listed() {
    let arena = arena!(defaults);
    arena
        .within(arena.session.call(Pid::INIT, |kernel, call| {
            kernel.mkdir(call, At::Root, b"/srv/many", Mode::new(0o777))?;
            for index in 0..100_000 {
                let path = format!("/srv/many/{index:06}");
                let flags = OpenFlags::WRITE | OpenFlags::CREATE;
                let fd = kernel.open(call, At::Root, path.as_bytes(), flags, Mode::new(0o666))?;
                kernel.close(call, fd)?;
            }
            Ok(())
        }))
        .unwrap();
    let finished = arena.shell("ls -f /srv/many | wc -l; ls /srv/many | tail -1; find /srv/many -name '*999' | wc -l");
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "100002\n099999\n100\n");
    arena.end();
}

#[test]
fn a_tree_a_thousand_deep_is_made_listed_and_removed() {
    let arena = arena!(defaults);
    let finished = arena.shell(
        "cd /tmp; i=0; while [ $i -lt 300 ]; do mkdir dddddddddd && cd dddddddddd; i=$((i+1)); done; \
         cd /tmp; find dddddddddd | wc -l; du -s dddddddddd > /dev/null; rm -rf dddddddddd; ls",
    );
    let said = String::from_utf8_lossy(&finished.stdout);
    assert_eq!(said, "300\n", "{}", String::from_utf8_lossy(&finished.stderr));
    arena.end();
}

// ---- streams

#[test]
fn output_nobody_reads_waits_and_ends_with_the_session() {
    let arena = arena!(defaults);
    let running: Vec<_> =
        (0..8).map(|_| arena.within(arena.command(&["yes"]).launch(&arena.session)).unwrap()).collect();
    arena.within(async { tokio::time::sleep(Duration::from_millis(300)).await });
    let usage = arena.session.with(|kernel| kernel.usage());
    assert_eq!(usage.processes, 8);
    assert!(usage.waiting_calls >= 8, "each waits in its write: {usage:?}");
    arena.neighbour_answers();
    arena.session.with(|kernel| {
        let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
        left.into_iter().for_each(|pid| kernel.signal_process(pid, Signal::KILL));
    });
    for one in &running {
        let (status, _) = arena.within(one.wait()).unwrap();
        assert_eq!(status, ExitStatus::Signaled(Signal::KILL));
    }
    drop(running);
    arena.end();
}

#[test]
fn output_whose_reader_goes_away_ends_the_writer() {
    let arena = arena!(defaults);
    let status = arena.within(async {
        let mut running = arena.command(&["yes"]).launch(&arena.session).await.unwrap();
        let mut some = Vec::new();
        running.stdout.as_ref().unwrap().read(100, &mut some).await.unwrap();
        drop(running.stdout.take());
        running.wait().await.unwrap().0
    });
    // SIGPIPE, or yes' own end after EPIPE.
    assert_ne!(status, ExitStatus::Exited(0));
    arena.end();
}

// ---- sessions

#[test]
fn many_sessions_come_and_go() {
    let arena = arena!(defaults);
    let template = arena.bench.node.template();
    for _ in 0..10 {
        let sessions: Vec<Session> = (0..200).map(|_| arena.bench.node.session(template.clone())).collect();
        let one = &sessions[100];
        let finished = arena
            .within(async { Command::shell(&template, "echo ok").launch(one).await.unwrap().finish().await.unwrap() });
        assert_eq!(finished.stdout, b"ok\n");
    }
    arena.end();
}

// ---- modules

/// Runs, or is refused with a reason; the test's process is still there to say so.
fn runs_or_is_refused(arena: &Arena, bytes: &[u8]) -> Result<ExitStatus, Errno> {
    arena.install("/run/guest", bytes);
    let result = arena.run(&["/run/guest"]).map(|finished| finished.status);
    if let Err(errno) = result {
        assert!(matches!(errno, Errno::ENOEXEC | Errno::ENOMEM), "{errno}");
        let events = arena.session.with(|kernel| kernel.events_since(0)).1;
        assert!(events.iter().any(|event| matches!(event.what, What::Faulted { .. })));
    }
    result
}

#[test]
fn modules_larger_than_allowed_are_refused() {
    let arena = arena!(defaults);
    let refused = Err(Errno::ENOEXEC);
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().table(65_536).body(&[]).bytes()), Ok(ExitStatus::Exited(0)));
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().table(65_537).body(&[]).bytes()), refused);
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().table(u32::MAX).body(&[]).bytes()), refused);
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().pages(65_537).body(&[]).bytes()), refused);
    let killed = Ok(ExitStatus::Signaled(Signal::KILL));
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().pages(65_536).body(&[]).bytes()), killed);
    assert_eq!(runs_or_is_refused(&arena, &Guest::new().pages(20_000).body(&[]).bytes()), killed);
    arena.end();
}

#[test]
fn modules_of_extreme_shape_run_or_are_refused() {
    let arena = arena!(defaults);
    // 64k functions, blocks in blocks, a function of very many locals, and a long straight line.
    let shapes = [
        ("functions", Guest::new().body(&[]).functions(65_000, &[])),
        ("blocks 100", nested(100)),
        ("blocks 10000", nested(10_000)),
        ("blocks 200000", nested(200_000)),
        ("locals 1000", Guest::new().locals(1_000).body(&[])),
        ("locals 49000", Guest::new().locals(49_000).body(&[])),
        ("locals 50001", Guest::new().locals(50_001).body(&[])),
        ("locals 2^32 - 1", Guest::new().locals(u32::MAX).body(&[])),
        ("line 200000", Guest::new().body(&[op::i32(1), vec![op::DROP]].concat().repeat(200_000))),
    ];
    for (name, guest) in shapes {
        let started = std::time::Instant::now();
        let ended = runs_or_is_refused(&arena, &guest.bytes());
        println!("{name}: {ended:?} after {:?}", started.elapsed());
        assert!(matches!(ended, Ok(ExitStatus::Exited(0)) | Err(_)), "{name}: {ended:?}");
    }
    arena.end();
}

fn nested(depth: usize) -> Guest {
    Guest::new().body(&[[op::BLOCK, 0x40].repeat(depth), vec![op::END; depth]].concat())
}

/// A session that writes program after program: only some are kept.
#[test]
fn programs_a_session_writes_do_not_pile_up() {
    let arena = arena!(defaults);
    for index in 0..300 {
        let guest = Guest::new().body(&[op::i32(index), vec![op::DROP]].concat()).functions(200, &op::i32(index));
        assert_eq!(arena.guest(&guest), 0);
    }
    arena.end();
}
