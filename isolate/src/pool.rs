//! Isolates ahead of need, and the threads they live on.
//!
//! ```text
//! thread: executor ─▶ isolate ─▶ waits for a process ─▶ its turns: program … ─▶ Kernel::exit ─▶ isolate dropped, thread ends
//!                                                          ▲
//! ticker: a slice is over, a limit is reached ─ interrupt ─┘
//! ```

use crate::MAGIC;
use crate::code::{CodeCounts, CodeOptions, Codes};
use crate::turns::{LOST_MAX, OnThread, Running};
use crate::worker::{Limits, Worker};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Isolates that wait for a program.
    pub warm: usize,
    /// What each may have.
    pub limits: Limits,
    /// Time without an event after which an isolate gives memory back that it does not need.
    pub quiet: Duration,
    /// What is kept of scripts, for all of them.
    pub code: CodeOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options { warm: 2, limits: Limits::default(), quiet: Duration::from_secs(3), code: CodeOptions::default() }
    }
}

/// The pool is filled again when no program began for this time,
const FILLED_AFTER: Duration = Duration::from_millis(20);
/// or this long after one took an isolate.
const FILLED_BY: Duration = Duration::from_millis(500);

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
    codes: Arc<Codes>,
    /// Tells the thread that fills the pool.
    taken: Option<Sender<()>>,
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
        let codes = Arc::new(Codes::open(options.code.clone()));
        let (taken, asked) = channel();
        let taken = (options.warm > 0).then_some(taken);
        let (warm, running) = (Mutex::default(), Mutex::default());
        let isolates = Isolates { inner: Arc::new(Inner { options, executor, warm, running, codes, taken }) };
        let kicked = Arc::downgrade(&isolates.inner);
        shares.also_kick(move || {
            if let Some(inner) = kicked.upgrade() {
                inner.running().iter().for_each(|running| running.kick());
            }
        });
        if let Some(taken) = &isolates.inner.taken {
            let _ = taken.send(());
            let pool = Arc::downgrade(&isolates.inner);
            // Without it each program waits for its isolate.
            let _ = thread::Builder::new().name("node-pool".to_owned()).spawn(move || keep_full(&pool, &asked));
        }
        isolates
    }

    /// How often what was kept of scripts was of use.
    pub fn code_counts(&self) -> CodeCounts {
        self.inner.codes.counts()
    }

    /// Makes isolates until as many wait as shall, each when the one before it is there.
    fn fill(&self) {
        while self.inner.warm().len() < self.inner.options.warm {
            let (ready, made) = channel();
            let Some(sender) = self.thread(Some(ready)) else { return };
            self.inner.warm().push_back(sender);
            // It is gone when its thread could not make one.
            let _ = made.recv();
        }
    }

    /// A thread with an isolate that waits for a process.
    fn thread(&self, ready: Option<Sender<()>>) -> Option<Sender<Job>> {
        let (sender, jobs) = channel::<Job>();
        // The pool is not kept by those who wait in it.
        let (limits, quiet, codes) = (self.inner.options.limits, self.inner.options.quiet, self.inner.codes.clone());
        let inner = Arc::downgrade(&self.inner);
        let thread = thread::Builder::new().name("node".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn(move || {
            be_a_guests_thread();
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build();
            let Ok(runtime) = runtime else { return };
            let inside = runtime.enter();
            let worker = Worker::new(limits, quiet, codes);
            drop(ready);
            let Ok(job) = jobs.recv() else { return };
            let mut obituary = Obituary { session: &job.session, pid: job.pid, guest: None };
            let Some(inner) = inner.upgrade() else { return };
            let Some(guest) = Guest::new(job.session.clone(), job.pid) else { return };
            obituary.guest = Some(guest.clone());
            inner.run(&runtime, worker, guest, &job);
            drop(inside);
        });
        started.ok().map(|_| sender)
    }
}

impl Inner {
    /// Runs a process in its turns, to its end.
    fn run(&self, runtime: &tokio::runtime::Runtime, mut worker: Worker, guest: Guest, job: &Job) {
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
        runtime.block_on(OnThread::new(place.take_turns(async {
            let status = worker.run(guest.clone()).await;
            guest.exit(status, turns.take_used());
            // Whoever waits for the process does not wait for this.
            drop(worker);
            guest.charge(turns.take_used());
        })));
        self.running().retain(|other| !Arc::ptr_eq(other, &running));
        running.is_over();
    }

    fn warm(&self) -> MutexGuard<'_, VecDeque<Sender<Job>>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
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
            let waiting = self.isolates.inner.warm().pop_front();
            let Some(thread) = waiting.or_else(|| self.isolates.thread(None)) else {
                session.with(|kernel| kernel.exit(pid, ExitStatus::Signaled(Signal::KILL)));
                return;
            };
            match thread.send(job) {
                Ok(()) => break,
                // Its thread could not make an isolate.
                Err(back) => job = back.0,
            }
        }
        if let Some(taken) = &self.isolates.inner.taken {
            let _ = taken.send(());
        }
    }
}

/// Fills the pool after isolates were taken, out of the way of those who took them.
fn keep_full(pool: &Weak<Inner>, asked: &Receiver<()>) {
    be_a_guests_thread();
    while asked.recv().is_ok() {
        let begun = Instant::now();
        while begun.elapsed() < FILLED_BY && asked.recv_timeout(FILLED_AFTER).is_ok() {}
        let Some(inner) = pool.upgrade() else { return };
        Isolates { inner }.fill();
    }
}

impl std::fmt::Debug for Isolates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolates").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

/// Tells the session that the process was killed, if nothing else was told when its thread ends.
struct Obituary<'a> {
    session: &'a Session,
    pid: Pid,
    guest: Option<Guest>,
}

impl Drop for Obituary<'_> {
    fn drop(&mut self) {
        let status = ExitStatus::Signaled(Signal::KILL);
        match &self.guest {
            Some(guest) => guest.exit(status, Duration::ZERO),
            None => self.session.with(|kernel| kernel.exit(self.pid, status)),
        }
    }
}
