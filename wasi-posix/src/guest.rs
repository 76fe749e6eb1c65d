//! One process as a task: its store, its limits, and how it ends.
//!
//! ```text
//! run ─▶ instantiate ─▶ _start ──returns──▶ exit 0
//!   ▲                     ├── proc_exit ──▶ exit n
//!   └──── exec: next ─────┤── doomed, at a host call or an epoch tick ──▶ ended by the signal
//!                         └── trap ──▶ SIGILL, SIGSEGV, SIGFPE or SIGABRT, with an event
//! ```
//! A guest leaves its code only by returning or by an error from a host function, so its stack is always unwound.
//! Whatever happens, the session is told once that the process ended.

use crate::engine::{Linked, Wasm};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use warren_kernel::event::What;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::policy::Domain;
use warren_kernel::process::{ExitStatus, Strings, strings};
use warren_kernel::runtime::{Program, Runtime};
use warren_kernel::signal::{Doom, Signal, SignalSet};
use warren_kernel::vfs::inodes::ROOT_INO;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Kernel, Session};
use warren_share::Turns;
use wasmtime::{Memory, ResourceLimiter, Store, Trap, TypedFunc, UpdateDeadline};

/// What a host function knows of its guest.
pub struct Guest {
    /// The session's kernel.
    pub session: Session,
    /// The process.
    pub pid: Pid,
    /// Its mark, seen without the kernel's lock.
    pub doom: Arc<Doom>,
    /// Its arguments, as args_get gives them.
    pub arguments: Strings,
    /// Its environment, as environ_get gives it.
    pub environment: Strings,
    /// Its linear memory, once found.
    pub memory: Option<Memory>,
    /// The directories it finds open.
    pub preopens: Preopens,
    /// Permission bits for the next file it makes (host_fs.set_open_mode).
    pub open_mode: Option<Mode>,
    /// What runs its signal handlers, if it has any: `__wasi_signal_trampoline(signal)`.
    pub(crate) trampoline: Option<TypedFunc<i32, ()>>,
    /// Handlers that run now, one in another.
    pub(crate) handlers: u32,
    /// Stacks for handlers, shared by all guests of the engine.
    pub(crate) stacks: HandlerStacks,
    /// How often it has looked for an ended child in vain, and nothing else since.
    pub(crate) polls: Polls,
    pub(crate) turns: Arc<Turns>,
}

/// Counts calls of one kind in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Polls(u32);

impl Polls {
    /// One more; returns how many that makes.
    pub(crate) fn again(&mut self) -> u32 {
        self.0 = self.0.saturating_add(1);
        self.0
    }

    /// Something else was done.
    pub(crate) fn reset(&mut self) {
        self.0 = 0;
    }
}

/// Directories of the root that a program of plain WASI finds open, at most.
const TOP_LEVEL_MAX: usize = 64;

/// How a guest's libc learns of the file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Preopens {
    /// As the POSIX host ABI's libc expects: numbers with bit 30 set, apart from real descriptors.
    Virtual {
        /// The path of the working directory, which is the first of them; the root is the second.
        cwd: Vec<u8>,
    },
    /// As WASI says: real descriptors with these names.
    Real(Vec<(Fd, Vec<u8>)>),
}

/// How a guest's image came to an end.
pub enum End {
    /// By proc_exit, or by returning.
    Exited(u32),
    /// By a signal it did not catch.
    Signaled(Signal),
    /// By exec: this runs next, in the same process.
    Exec(Program, Arc<dyn Runtime>),
    /// By a fault of its own.
    Faulted(Signal, String),
}

/// Stacks that signal handlers may use at the same time, in all guests of an engine: a handler runs on a stack beside
/// that of the call it interrupts, and a guest must not take those that others need to begin.
#[derive(Clone, Debug)]
pub(crate) struct HandlerStacks(Arc<AtomicU64>);

/// One of [`HandlerStacks`], given back when dropped.
#[derive(Debug)]
pub(crate) struct HandlerStack(Arc<AtomicU64>);

impl HandlerStacks {
    /// `count` stacks.
    pub(crate) fn new(count: u64) -> HandlerStacks {
        HandlerStacks(Arc::new(AtomicU64::new(count)))
    }

    /// Takes one, if one is free.
    pub(crate) fn take(&self) -> Option<HandlerStack> {
        let taken = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1));
        taken.is_ok().then(|| HandlerStack(self.0.clone()))
    }
}

impl Drop for HandlerStack {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "End({self})")
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Exited(code) => write!(f, "exit {code}"),
            End::Signaled(signal) => write!(f, "ended by {signal}"),
            End::Exec(..) => f.write_str("exec"),
            End::Faulted(signal, reason) => write!(f, "{reason} ({signal})"),
        }
    }
}

impl std::error::Error for End {}

/// Runs a process to its end.
pub(crate) async fn run(wasm: Wasm, session: Session, pid: Pid, program: Program, turns: Arc<Turns>) {
    let mut obituary = Obituary { session: &session, pid, status: ExitStatus::Signaled(Signal::KILL), owed: true };
    let mut next = program;
    loop {
        let Ok(linked) = next.0.clone().downcast::<Linked>() else { return };
        let end = Box::pin(run_image(&wasm, &session, pid, linked, turns.clone())).await;
        session.with(|kernel| kernel.charge_cpu(pid, turns.take_used()));
        match end {
            End::Exited(code) => obituary.status = ExitStatus::Exited(code as u8),
            End::Signaled(signal) => obituary.status = ExitStatus::Signaled(signal),
            End::Faulted(signal, reason) => {
                session.with(|kernel| kernel.record(pid, What::Faulted { reason }));
                obituary.status = ExitStatus::Signaled(signal);
            }
            End::Exec(program, _) if program.0.is::<Linked>() => {
                next = program;
                continue;
            }
            End::Exec(program, runtime) => {
                obituary.owed = false;
                runtime.start(&session, pid, program);
            }
        }
        return;
    }
}

/// Tells the session that the process ended, even if the task is dropped or a host function panics.
struct Obituary<'a> {
    session: &'a Session,
    pid: Pid,
    status: ExitStatus,
    owed: bool,
}

impl Drop for Obituary<'_> {
    fn drop(&mut self) {
        if self.owed {
            self.session.with(|kernel| kernel.exit(self.pid, self.status));
        }
    }
}

async fn run_image(wasm: &Wasm, session: &Session, pid: Pid, linked: Arc<Linked>, turns: Arc<Turns>) -> End {
    let begun = session.with(|kernel| {
        let process = kernel.process(pid).ok()?;
        Some((process.doom.clone(), process.arguments.clone(), process.environment.clone(), process.signals.blocked))
    });
    let Some((doom, arguments, environment, blocked)) = begun else { return End::Signaled(Signal::KILL) };
    turns.watch(doom.clone());
    let cwd = session.with(|kernel| kernel.process(pid).ok().and_then(|process| kernel.path_of(&process.cwd)));
    let cwd = cwd.unwrap_or_else(|| b"/".to_vec());
    let (preopens, environment) = if linked.plain_wasi {
        let preopens = match wasm.preopens() {
            None => open_plain(session, pid).await,
            Some(named) => open_named(session, pid, named).await,
        };
        (preopens, environment)
    } else {
        let environment = with_pwd(&environment, &cwd);
        (Preopens::Virtual { cwd }, environment)
    };
    let guest = Guest {
        session: session.clone(),
        pid,
        doom,
        arguments,
        environment,
        memory: None,
        preopens,
        open_mode: None,
        trampoline: None,
        handlers: 0,
        stacks: wasm.handler_stacks(),
        polls: Polls::default(),
        turns,
    };
    let mut store = Store::new(wasm.engine(), guest);
    store.limiter(|guest| guest);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        let guest = context.data();
        // Also of slices that end early: whoever yields all the time reaches its limit too.
        if let Some(used) = guest.turns.take_used_if_much() {
            guest.session.with(|kernel| kernel.charge_cpu(guest.pid, used));
        }
        // An epoch is also how one guest is asked to end its slice: the others go on.
        if guest.doom.is_clear() && !guest.turns.slice_is_over() {
            return Ok(UpdateDeadline::Continue(1));
        }
        let used = guest.turns.take_used();
        guest.session.with(|kernel| kernel.charge_cpu(guest.pid, used));
        let over = guest.turns.give_way();
        match guest.doom.get() {
            Some(signal) => Err(End::Signaled(signal).into()),
            // A busy guest has no other safe point: if it is stopped, it waits here until it continues.
            None if !guest.doom.is_clear() => {
                let (session, pid) = (guest.session.clone(), guest.pid);
                Ok(UpdateDeadline::YieldCustom(
                    1,
                    Box::pin(async move {
                        // Killed meanwhile: the next tick sees it.
                        let _ = session.call(pid, |_, _| Ok(())).await;
                        over.await;
                    }),
                ))
            }
            None => Ok(UpdateDeadline::YieldCustom(1, Box::pin(over))),
        }
    });
    match start(&mut store, &linked, blocked).await {
        Ok(()) => End::Exited(0),
        Err(error) => end_of(error),
    }
}

async fn start(store: &mut Store<Guest>, linked: &Linked, blocked: SignalSet) -> wasmtime::Result<()> {
    let instance = linked.pre.instantiate_async(&mut *store).await?;
    store.data_mut().memory = instance.get_memory(&mut *store, "memory");
    store.data_mut().trampoline = instance.get_typed_func(&mut *store, "__wasi_signal_trampoline").ok();
    if blocked != SignalSet::default()
        && let Ok(set) = instance.get_typed_func::<(u32, u32), ()>(&mut *store, "__agentos_set_initial_sigmask")
    {
        set.call_async(&mut *store, (blocked.0 as u32, (blocked.0 >> 32) as u32)).await?;
    }
    let main = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    main.call_async(store, ()).await
}

/// What an error that ended a guest means to its parent.
pub(crate) fn end_of(error: wasmtime::Error) -> End {
    let error = match error.downcast::<End>() {
        Ok(end) => return end,
        Err(error) => error,
    };
    let signal = match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Signal::ABRT,
        Some(Trap::IntegerDivisionByZero | Trap::IntegerOverflow | Trap::BadConversionToInteger) => Signal::FPE,
        Some(Trap::IndirectCallToNull | Trap::BadSignature) => Signal::ILL,
        Some(_) => Signal::SEGV,
        // No trap: the engine could not make the instance (memory refused, pool full).
        None => Signal::KILL,
    };
    End::Faulted(signal, format!("{error:#}"))
}

/// The POSIX host ABI's libc keeps the working directory itself, and begins with PWD.
fn with_pwd(environment: &Strings, cwd: &[u8]) -> Strings {
    let pwd = [b"PWD=", cwd].concat();
    let kept = environment.iter().filter(|entry| !entry.starts_with(b"PWD=")).map(|entry| entry.to_vec());
    strings(kept.chain([pwd]))
}

/// Opens the working directory and the root for an older libc of the POSIX host ABI, which takes preopened directories
/// as real descriptors, at the lowest numbers from 3. It makes every path absolute itself, beginning with PWD.
pub(crate) async fn open_real(session: &Session, pid: Pid, cwd: Vec<u8>) -> Preopens {
    let both = vec![(At::Cwd, ".".to_owned(), cwd), (At::Root, "/".to_owned(), b"/".to_vec())];
    open_directories(session, pid, both).await
}

/// Opens what a program of plain WASI finds: the working directory as `.`, which is 3 and where such a libc looks for a
/// relative path, and the directories of the root by their paths. The root itself cannot be one of them: that libc takes
/// `.` and `/` for the same. It also takes `etc/x` and `/etc/x` for the same, so a name that the working directory has
/// too is left to it, and so are links (/bin, /lib).
async fn open_plain(session: &Session, pid: Pid) -> Preopens {
    let mut all = vec![(At::Cwd, ".".to_owned(), b".".to_vec())];
    for name in session.with(|kernel| top_level(kernel)) {
        let own = session.call(pid, |kernel, call| kernel.stat(call, At::Cwd, name.as_bytes(), false));
        if own.await.is_err() {
            all.push((At::Root, format!("/{name}"), format!("/{name}").into_bytes()));
        }
    }
    open_directories(session, pid, all).await
}

/// The names of the root's directories that the policy lets a session read.
fn top_level(kernel: &Kernel) -> Vec<String> {
    let root = kernel.root();
    let Ok(directory) = root.directory(ROOT_INO) else { return Vec::new() };
    let names = directory.entries.iter().filter(|(name, ino)| {
        root.inode(**ino).is_ok_and(|inode| inode.kind() == FileKind::Directory)
            && kernel.would_permit(Domain::Read, &[b"/", &name[..]].concat())
    });
    names.filter_map(|(name, _)| String::from_utf8(name.to_vec()).ok()).take(TOP_LEVEL_MAX).collect()
}

/// The same for directories the embedder names.
async fn open_named(session: &Session, pid: Pid, named: &[(String, String)]) -> Preopens {
    let all = named.iter().map(|(path, name)| (At::Cwd, path.clone(), name.as_bytes().to_vec()));
    open_directories(session, pid, all.collect()).await
}

/// Opens directories at the lowest numbers from 3. One that cannot be opened is left out.
async fn open_directories(session: &Session, pid: Pid, directories: Vec<(At, String, Vec<u8>)>) -> Preopens {
    let mut opened = Vec::new();
    for (at, path, name) in directories {
        let call = session.call(pid, |kernel, call| {
            let flags = OpenFlags::READ | OpenFlags::DIRECTORY | OpenFlags::CLOEXEC;
            kernel.open_from(call, Fd(3), at, path.as_bytes(), flags, Mode::new(0))
        });
        if let Ok(fd) = call.await {
            opened.push((fd, name));
        }
    }
    Preopens::Real(opened)
}

impl ResourceLimiter for Guest {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current) as u64;
        Ok(self.session.with(|kernel| kernel.charge_memory(self.pid, more)))
    }

    fn table_growing(&mut self, _current: usize, _desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        // The pool bounds tables to a fixed size that every instance has reserved.
        Ok(true)
    }
}
