//! Long random sequences of system calls, answered by the kernel and by a [`model`] of it: they must agree on every
//! answer, on every descriptor, signal and lock after each call, and on every file at the end.
//!
//! `PROPTEST_CASES` is how many sequences; a failure prints its seed, which `PROPTEST_RNG_SEED` takes.

#[path = "../common/mod.rs"]
#[cfg(test)]
mod common;
mod model;

use common::{Machine, Pending, Proc, spawn};
use model::{DESCRIPTORS, IN, Inode, LOCKED, Model, OUT, PROCESSES, State};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use std::collections::BTreeMap;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::limits::Limits;
use warren_kernel::lock::{LockKind, LockRange, OnConflict};
use warren_kernel::policy::Policy;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::ExitStatus;
use warren_kernel::process::group::Target;
use warren_kernel::process::wait::{Change, Patience, Watch, Which};
use warren_kernel::seek::Whence;
use warren_kernel::signal::{Disposition, Signal, SignalSet};
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, CallError, Errno, Kernel, Step};

/// Calls of one sequence.
const CALLS: usize = 150;
/// Sequences, unless the environment says otherwise.
const CASES: u32 = 400;

/// Names below `/w`.
type Path = &'static [&'static str];

const PATHS: [Path; 8] =
    [&["a"], &["b"], &["c"], &["a", "a"], &["a", "b"], &["b", "a"], &["a", "b", "c"], &["none", "a"]];

#[derive(Clone, Debug)]
enum Op {
    Open {
        path: Path,
        read: bool,
        write: bool,
        create: bool,
        exclusive: bool,
        truncate: bool,
        append: bool,
    },
    Close(u32),
    Read(u32, usize),
    Write(u32, u8, usize),
    /// From the end, or from the present offset.
    Seek(u32, i64, bool),
    Duplicate(u32),
    DuplicateTo(u32, u32),
    Pipe,
    Spawn,
    /// Forever, or WNOHANG.
    Wait(bool),
    Kill(usize, Signal),
    Block(Vec<Signal>),
    Ignore(Signal, bool),
    MakeDirectory(Path),
    RemoveDirectory(Path),
    Unlink(Path),
    Rename(Path, Path),
    Link(Path, Path),
    Stat(Path),
    Flock(u32, Option<LockKind>),
    /// Of bytes from the first to the last, which stands for all behind it when it is the model's last.
    Lock(u32, Option<LockKind>, usize, usize),
    Poll(u32),
}

/// One step of a sequence.
#[derive(Clone, Debug)]
enum Move {
    /// A call of one of the living processes.
    Call(usize, Op),
    /// A living process ends.
    Exit(usize, u8),
    /// Someone outside sends a signal.
    Signal(usize, Signal),
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Numbers(Vec<u64>),
    Bytes(Vec<u8>),
    Fails(Errno),
    Waits,
    Ends(CallError),
    /// The model has no opinion.
    Any,
}

impl From<Errno> for Answer {
    fn from(errno: Errno) -> Answer {
        Answer::Fails(errno)
    }
}

// ---- what may come

fn fd() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..6u32, 1 => 0..DESCRIPTORS + 2]
}

fn path() -> impl Strategy<Value = Path> {
    prop::sample::select(&PATHS[..])
}

fn kind() -> impl Strategy<Value = Option<LockKind>> {
    prop::sample::select(vec![None, Some(LockKind::Shared), Some(LockKind::Exclusive)])
}

/// Signals that may be blocked and ignored.
const ENDING: [Signal; 3] = [Signal::USR1, Signal::PIPE, Signal::TERM];

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(vec![Signal::KILL, Signal::STOP, Signal::CONT, Signal::CONT, Signal::USR1, Signal::TERM])
}

fn opening() -> impl Strategy<Value = Op> {
    (path(), any::<[bool; 2]>(), prop::bool::weighted(0.6), any::<bool>(), any::<[bool; 2]>()).prop_map(
        |(path, [read, write], create, exclusive, [truncate, append])| {
            let exclusive = exclusive && create && truncate;
            Op::Open { path, read, write, create, exclusive, truncate: truncate && append, append }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => opening(),
        2 => fd().prop_map(Op::Close),
        4 => (fd(), 0..40usize).prop_map(|(fd, want)| Op::Read(fd, want)),
        5 => (fd(), any::<u8>(), 1..40usize).prop_map(|(fd, byte, count)| Op::Write(fd, byte, count)),
        2 => (fd(), -20..20i64, any::<bool>()).prop_map(|(fd, offset, end)| Op::Seek(fd, offset, end)),
        1 => fd().prop_map(Op::Duplicate),
        1 => (fd(), fd()).prop_map(|(fd, to)| Op::DuplicateTo(fd, to)),
        2 => Just(Op::Pipe),
        3 => Just(Op::Spawn),
        2 => any::<bool>().prop_map(Op::Wait),
        1 => (0..PROCESSES, signal()).prop_map(|(target, signal)| Op::Kill(target, signal)),
        1 => prop::sample::subsequence(&ENDING[..], 0..=3).prop_map(Op::Block),
        1 => (prop::sample::select(&ENDING[..]), any::<bool>()).prop_map(|(signal, on)| Op::Ignore(signal, on)),
        2 => path().prop_map(Op::MakeDirectory),
        1 => path().prop_map(Op::RemoveDirectory),
        1 => path().prop_map(Op::Unlink),
        3 => (path(), path()).prop_map(|(old, new)| Op::Rename(old, new)),
        1 => (path(), path()).prop_map(|(old, new)| Op::Link(old, new)),
        2 => path().prop_map(Op::Stat),
        3 => (fd(), kind()).prop_map(|(fd, kind)| Op::Flock(fd, kind)),
        4 => (fd(), kind(), 0..LOCKED, 0..LOCKED)
            .prop_map(|(fd, kind, one, other)| Op::Lock(fd, kind, one.min(other), one.max(other))),
        2 => fd().prop_map(Op::Poll),
    ]
}

fn step() -> impl Strategy<Value = Move> {
    prop_oneof![
        60 => (0..PROCESSES, op()).prop_map(|(who, op)| Move::Call(who, op)),
        1 => (0..PROCESSES, 0..4u8).prop_map(|(who, code)| Move::Exit(who, code)),
        2 => (0..PROCESSES, signal()).prop_map(|(who, signal)| Move::Signal(who, signal)),
    ]
}

// ---- the kernel's side

fn full(path: Path) -> Vec<u8> {
    format!("/w/{}", path.join("/")).into_bytes()
}

fn perform(kernel: &mut Kernel, call: &mut Call, op: &Op, target: Pid) -> Step<Answer> {
    let done = Answer::Numbers(Vec::new());
    let number = |number: u64| Answer::Numbers(vec![number]);
    let at = At::Root;
    let mode = Mode::new(0o777);
    Ok(match op {
        Op::Open { path, read, write, create, exclusive, truncate, append } => {
            let flags = [
                (*read, OpenFlags::READ),
                (*write, OpenFlags::WRITE),
                (*create, OpenFlags::CREATE),
                (*exclusive, OpenFlags::EXCLUSIVE),
                (*truncate, OpenFlags::TRUNCATE),
                (*append, OpenFlags::APPEND),
            ];
            let flags = flags.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag).collect();
            number(kernel.open(call, at, &full(path), flags, mode)?.0.into())
        }
        Op::Close(fd) => kernel.close(call, Fd(*fd)).map(|()| done)?,
        Op::Read(fd, want) => {
            let mut got = Vec::new();
            kernel.read(call, Fd(*fd), *want, &mut |bytes| got.extend_from_slice(bytes))?;
            Answer::Bytes(got)
        }
        Op::Write(fd, byte, count) => number(kernel.write(call, Fd(*fd), &[&vec![*byte; *count]])? as u64),
        Op::Seek(fd, offset, end) => {
            let whence = if *end { Whence::End } else { Whence::Current };
            number(kernel.seek(call, Fd(*fd), *offset, whence)?)
        }
        Op::Duplicate(fd) => number(kernel.duplicate(call, Fd(*fd), Fd(0), false)?.0.into()),
        Op::DuplicateTo(fd, to) => number(kernel.duplicate_to(call, Fd(*fd), Fd(*to), false)?.0.into()),
        Op::Pipe => {
            let (read, write) = kernel.pipe(call, OpenFlags::empty())?;
            Answer::Numbers(vec![read.0.into(), write.0.into()])
        }
        Op::Spawn => number(kernel.spawn(call, &spawn("/bin/prog"))?.0.into()),
        Op::Wait(blocking) => {
            let patience = if *blocking { Patience::Forever } else { Patience::None };
            match kernel.waitpid(call, Which::Any, Watch::default(), patience)? {
                Some((pid, Change::Ended(status))) => Answer::Numbers(vec![pid.0.into(), status.raw().into()]),
                Some((_, change)) => panic!("nobody asked for {change:?}"),
                None => done,
            }
        }
        Op::Kill(_, signal) => kernel.kill(call, Target::Process(target), Some(*signal)).map(|()| done)?,
        Op::Block(signals) => {
            let set = signals.iter().fold(SignalSet::default(), |set, signal| set.with(*signal));
            kernel.set_blocked(call, set).map(|_| done)?
        }
        Op::Ignore(signal, ignore) => {
            let disposition = if *ignore { Disposition::Ignore } else { Disposition::Default };
            kernel.sigaction(call, *signal, disposition).map(|()| done)?
        }
        Op::MakeDirectory(path) => kernel.mkdir(call, at, &full(path), mode).map(|()| done)?,
        Op::RemoveDirectory(path) => kernel.rmdir(call, at, &full(path)).map(|()| done)?,
        Op::Unlink(path) => kernel.unlink(call, at, &full(path)).map(|()| done)?,
        Op::Rename(old, new) => kernel.rename(call, at, &full(old), at, &full(new), Replace::Yes).map(|()| done)?,
        Op::Link(old, new) => kernel.link(call, at, &full(old), false, at, &full(new)).map(|()| done)?,
        Op::Stat(path) => {
            let stat = kernel.stat(call, at, &full(path), true)?;
            let directory = stat.kind == FileKind::Directory;
            Answer::Numbers(if directory { vec![1] } else { vec![0, stat.size, stat.links.into()] })
        }
        Op::Flock(fd, kind) => kernel.flock(call, Fd(*fd), *kind, OnConflict::Fail).map(|()| done)?,
        Op::Lock(fd, kind, start, end) => {
            let len = if *end == LOCKED - 1 { 0 } else { end - start + 1 };
            let range = LockRange::new(*start as i64, len as i64).map_err(Errno::from)?;
            kernel.record_lock(call, Fd(*fd), *kind, range, OnConflict::Fail).map(|()| done)?
        }
        Op::Poll(fd) => {
            let events = PollEvents::from_bits_truncate((IN | OUT) as u16);
            let mut fds = [PollFd { fd: Some(Fd(*fd)), events, found: PollEvents::empty() }];
            let ready = kernel.poll(call, &mut fds, Some(Monotonic(0)))?;
            Answer::Numbers(vec![ready as u64, fds[0].found.bits().into()])
        }
    })
}

/// Makes a call. One that waits is given up, which must leave no trace.
fn answer(machine: &Machine, pid: Pid, op: &Op, target: Pid) -> Answer {
    let mut pending = Pending::new(machine.session.call(pid, |kernel, call| perform(kernel, call, op, target)));
    loop {
        let rings = pending.rings();
        match pending.poll() {
            Some(Ok(answer)) => return answer,
            Some(Err(CallError::Failed(errno))) => return Answer::Fails(errno),
            Some(Err(other)) => return Answer::Ends(other),
            None if pending.rings() == rings => return Answer::Waits,
            None => {}
        }
    }
}

// ---- both

struct Both {
    machine: Machine,
    model: Model,
}

impl Both {
    fn new() -> Both {
        let descriptors = u64::from(DESCRIPTORS);
        let limits = Limits { descriptors, processes: PROCESSES as u64, ..Limits::default() };
        let machine = Machine::with(limits, Policy::session());
        Proc { machine: &machine, pid: Pid::INIT }.mkdir("/w").expect("made");
        Both { machine, model: Model::new() }
    }

    fn step(&mut self, step: &Move) -> Result<(), String> {
        let mut living = self.model.living();
        while living.len() < 2 && self.model.processes.len() < PROCESSES {
            let pid = self.machine.root().pid;
            self.model.launched(pid);
            living.push(pid);
        }
        match step {
            Move::Call(who, op) => {
                let pid = living[who % living.len()];
                let target = if let Op::Kill(at, _) = op { self.model.nth_process(*at) } else { pid };
                let found = answer(&self.machine, pid, op, target);
                let new = match (op, &found) {
                    (Op::Spawn, Answer::Numbers(child)) => Some(Pid(child[0] as u32)),
                    _ => None,
                };
                let expected = self.model.answer(pid, op, new);
                if found != expected && expected != Answer::Any {
                    return Err(format!("pid {pid}: {op:?} is {found:?} and should be {expected:?}"));
                }
            }
            Move::Exit(who, code) => {
                let pid = living[who % living.len()];
                if self.model.processes[&pid].state == State::Running {
                    self.exit(pid, ExitStatus::Exited(*code));
                }
            }
            Move::Signal(who, signal) => {
                let pid = self.model.nth_process(*who);
                self.machine.session.with(|kernel| kernel.signal_process(pid, *signal));
                self.model.signal(pid, *signal);
            }
        }
        self.end_the_doomed()?;
        self.compare()
    }

    /// What a guest's runtime does at its next safe point.
    fn end_the_doomed(&mut self) -> Result<(), String> {
        for pid in self.model.living() {
            let found = self.machine.session.with(|kernel| kernel.process(pid).ok().and_then(|it| it.doom.get()));
            let expected = self.model.processes[&pid].doom;
            if found != expected {
                return Err(format!("pid {pid}: its end is {found:?} and should be {expected:?}"));
            }
            if let Some(signal) = expected {
                self.exit(pid, ExitStatus::Signaled(signal));
            }
        }
        Ok(())
    }

    fn exit(&mut self, pid: Pid, status: ExitStatus) {
        let awaited = self.model.processes[&pid].awaited;
        self.machine.session.with(|kernel| kernel.exit(pid, status));
        if awaited {
            let collected = self.machine.block(Pid::INIT, |kernel, _| kernel.collect(pid));
            assert_eq!(collected.map(|(status, _)| status), Ok(status));
        }
        self.model.exit(pid, status);
    }

    fn compare(&self) -> Result<(), String> {
        let usage = self.machine.usage();
        let (open, pipes, locks) = self.model.usage();
        let found = (usage.processes, usage.open_files, usage.pipes, usage.locks, usage.waiting_calls);
        let expected = (self.model.processes.len(), open, pipes, locks, 0);
        if found != expected {
            return Err(format!(
                "processes, open files, pipes, locks and waiting calls are {found:?} and should be {expected:?}"
            ));
        }
        self.machine.session.with(|kernel| self.compare_processes(kernel))
    }

    /// Each process is in its state, and descriptors are open on the same description where the model's are.
    fn compare_processes(&self, kernel: &Kernel) -> Result<(), String> {
        let (mut forth, mut back) = (BTreeMap::new(), BTreeMap::new());
        for (pid, expected) in &self.model.processes {
            let process = kernel.process(*pid).map_err(|_| format!("pid {pid} is gone"))?;
            let state = match expected.state {
                State::Running => !process.is_stopped() && !process.is_zombie(),
                State::Stopped => process.is_stopped(),
                State::Zombie(_) => process.is_zombie(),
            };
            if !state || process.parent != expected.parent {
                return Err(format!("pid {pid}: {:?} of {}, not {expected:?}", process.state, process.parent));
            }
            let fds: Vec<_> = process.descriptors.iter().map(|(fd, descriptor)| (fd.0, descriptor.open)).collect();
            let same = fds.len() == expected.fds.len()
                && fds.iter().zip(&expected.fds).all(|((fd, open), (number, description))| {
                    fd == number
                        && *forth.entry(*description).or_insert(*open) == *open
                        && *back.entry(*open).or_insert(*description) == *description
                });
            if !same {
                return Err(format!("pid {pid}: descriptors are {fds:?} and should be {:?}", expected.fds));
            }
        }
        Ok(())
    }

    fn compare_files(&self) -> Result<(), String> {
        let init = Proc { machine: &self.machine, pid: Pid::INIT };
        let mut left = vec![("/w".to_owned(), 0)];
        while let Some((path, inode)) = left.pop() {
            match &self.model.inodes[inode] {
                Inode::File(bytes) => {
                    let found = init.get(&path).map_err(|errno| format!("{path}: {errno}"))?;
                    if found != *bytes {
                        return Err(format!("{path} is {found:?} and should be {bytes:?}"));
                    }
                }
                Inode::Directory(entries) => {
                    let mut found = init.names(&path).map_err(|errno| format!("{path}: {errno}"))?;
                    found.retain(|name| name != "." && name != "..");
                    found.sort();
                    let expected: Vec<&str> = entries.keys().copied().collect();
                    if found != expected {
                        return Err(format!("{path} has {found:?} and should have {expected:?}"));
                    }
                    left.extend(entries.iter().map(|(name, inode)| (format!("{path}/{name}"), *inode)));
                }
            }
        }
        Ok(())
    }
}

#[test]
fn the_kernel_does_what_the_model_says() {
    let mut config = common::config(CASES);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(TestRunner::default().rng().random());
    }
    let seed = config.rng_seed;
    let failed = TestRunner::new(config).run(&prop::collection::vec(step(), 1..CALLS), |steps| {
        let mut both = Both::new();
        for (at, step) in steps.iter().enumerate() {
            both.step(step).map_err(|wrong| TestCaseError::fail(format!("step {at}: {wrong}")))?;
        }
        both.compare_files().map_err(TestCaseError::fail)
    });
    if let Err(wrong) = failed {
        panic!("{seed:?}: {wrong}");
    }
}
