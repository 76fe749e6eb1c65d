//! Isolates ahead of need, and the threads they live on.
//!
//! ```text
//! thread: executor ─▶ isolate ─▶ waits for a process ─▶ its turns: program … ─▶ Kernel::exit ─▶ isolate dropped, thread ends
//!                                                          ▲
//! ticker: a slice is over, a limit is reached ─ interrupt ─┘
//! ```

use crate::MAGIC;
use crate::turns::{LOST_MAX, OnThread, Running};
use crate::worker::{Limits, Worker};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use tokio::runtime::Handle;
use warren_isolate_extensions::guest::Guest;
use warren_kernel::Session;
use warren_kernel::blob::BlobId;
use warren_kernel::fetch::Image;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::signal::Signal;
use warren_share::{Place, SessionShare, Shares};
use warren_wasi_posix::node::Guests;
use warren_wasi_posix::system::be_a_guests_thread;

/// How isolates are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Isolates that wait for a program.
    pub warm: usize,
    /// What each may have.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Options {
        Options { warm: 2, limits: Limits::default() }
    }
}

/// Stack of a thread that runs an isolate: V8 takes up to 1 MiB of it, and native code under it the rest.
const STACK_BYTES: usize = 8 << 20;
/// Of the engine: its unrolling of loops takes the check for interrupts out of an endless loop around a finite one (such as
/// `for (;;) new Array(1000).fill({})`), which nothing could end any more then. A WebAssembly memory is of 512 MiB at most.
const ENGINE_FLAGS: &str = "--no-turboshaft-loop-unrolling --wasm-max-mem-pages=8192";
/// Threads a guest's blocking operations may have.
const BLOCKING_THREADS: usize = 2;

/// Runs processes whose image is the `node` command. Cheap to clone.
#[derive(Clone)]
pub struct Isolates {
    inner: Arc<Inner>,
}

/// The same for one session.
struct OfSession {
    isolates: Isolates,
    share: Arc<SessionShare>,
    /// Guests whose threads were given up.
    lost: Arc<AtomicUsize>,
}

struct Inner {
    options: Options,
    /// Where signals of guests are waited for.
    executor: Handle,
    warm: Mutex<VecDeque<Sender<Job>>>,
    running: Mutex<Vec<Arc<Running>>>,
}

struct Job {
    session: Session,
    pid: Pid,
    share: Arc<SessionShare>,
    lost: Arc<AtomicUsize>,
}

/// The program: there is but one.
struct Node;

impl Isolates {
    /// Isolates whose guests take turns by these shares, and whose signals are waited for on this executor. Makes the first.
    pub fn new(options: Options, shares: &Shares, executor: Handle) -> Isolates {
        deno_core::v8::V8::set_flags_from_string(ENGINE_FLAGS);
        deno_core::JsRuntime::init_platform(None);
        let (warm, running) = (Mutex::default(), Mutex::default());
        let isolates = Isolates { inner: Arc::new(Inner { options, executor, warm, running }) };
        let kicked = Arc::downgrade(&isolates.inner);
        shares.also_kick(move || {
            if let Some(inner) = kicked.upgrade() {
                inner.running().iter().for_each(|running| running.kick());
            }
        });
        isolates.fill();
        isolates
    }

    /// Makes isolates until as many wait as shall.
    fn fill(&self) {
        let mut warm = self.inner.warm.lock().unwrap_or_else(PoisonError::into_inner);
        while warm.len() < self.inner.options.warm {
            let Some(sender) = self.thread() else { return };
            warm.push_back(sender);
        }
    }

    /// A thread with an isolate that waits for a process.
    fn thread(&self) -> Option<Sender<Job>> {
        let (sender, jobs) = channel::<Job>();
        // The pool is not kept by those who wait in it.
        let (options, inner) = (self.inner.options, Arc::downgrade(&self.inner));
        let thread = thread::Builder::new().name("node".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn(move || {
            be_a_guests_thread();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build();
            let Ok(runtime) = runtime else { return };
            let inside = runtime.enter();
            let worker = Worker::new(options.limits);
            let Ok(job) = jobs.recv() else { return };
            let mut obituary =
                Obituary { session: &job.session, pid: job.pid, status: ExitStatus::Signaled(Signal::KILL) };
            let Some(inner) = inner.upgrade() else { return };
            let Some(guest) = Guest::new(job.session.clone(), job.pid) else { return };
            obituary.status = inner.run(&runtime, worker, guest, &job);
            drop(inside);
        });
        started.ok().map(|_| sender)
    }
}

impl Inner {
    /// Runs a process in its turns, to its end.
    fn run(&self, runtime: &tokio::runtime::Runtime, mut worker: Worker, guest: Guest, job: &Job) -> ExitStatus {
        self.executor.spawn(guest.clone().watch());
        let doom = guest.doom();
        let place = Place::new(&job.share, || Some(doom.clone()));
        let turns = place.turns();
        turns.watch(doom);
        guest.takes(turns.clone());
        let outside = (self.options.limits.outside, worker.buffers());
        let running = Running::new(worker.handle(), turns.clone(), guest.clone(), outside, job.lost.clone());
        self.running().push(running.clone());
        let looks = Arc::downgrade(&running);
        guest.runs_in(move || {
            if let Some(running) = looks.upgrade() {
                running.ask();
            }
        });
        let mut status = ExitStatus::Signaled(Signal::KILL);
        runtime.block_on(OnThread::new(place.take_turns(async {
            status = worker.run(guest.clone()).await;
            drop(worker);
            let used = turns.take_used();
            guest.with(|kernel, call| kernel.charge_cpu(call.pid, used));
        })));
        self.running().retain(|other| !Arc::ptr_eq(other, &running));
        running.is_over();
        status
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests for Isolates {
    fn for_session(&self, share: &Arc<SessionShare>) -> Arc<dyn Runtime> {
        Arc::new(OfSession { isolates: self.clone(), share: share.clone(), lost: Arc::default() })
    }
}

impl Runtime for OfSession {
    fn claims(&self, head: &[u8]) -> bool {
        head.starts_with(MAGIC)
    }

    fn cached(&self, _: &BlobId) -> Option<Program> {
        Some(Program(Arc::new(Node)))
    }

    fn load(&self, _: &Image) -> Result<Program, LoadError> {
        Ok(Program(Arc::new(Node)))
    }

    fn start(&self, session: &Session, pid: Pid, _: Program) {
        if self.lost.load(Ordering::Acquire) >= LOST_MAX {
            tracing::warn!(pid = pid.0, "a session has lost too many node programs and runs no more of them");
            session.with(|kernel| kernel.exit(pid, ExitStatus::Signaled(Signal::KILL)));
            return;
        }
        let (share, lost) = (self.share.clone(), self.lost.clone());
        let mut job = Job { session: session.clone(), pid, share, lost };
        loop {
            let waiting = self.isolates.inner.warm.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(thread) = waiting.or_else(|| self.isolates.thread()) else {
                session.with(|kernel| kernel.exit(pid, ExitStatus::Signaled(Signal::KILL)));
                return;
            };
            match thread.send(job) {
                Ok(()) => break,
                // Its thread could not make an isolate.
                Err(back) => job = back.0,
            }
        }
        self.isolates.fill();
    }
}

impl std::fmt::Debug for Isolates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolates").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// Tells the session that the process ended, whatever happened.
struct Obituary<'a> {
    session: &'a Session,
    pid: Pid,
    status: ExitStatus,
}

impl Drop for Obituary<'_> {
    fn drop(&mut self) {
        self.session.with(|kernel| kernel.exit(self.pid, self.status));
    }
}
