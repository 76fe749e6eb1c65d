//! Isolates ahead of need, and the threads they live on.
//!
//! ```text
//! ahead of need   thread: isolate ─▶ waits for a process ─▶ its turns: program … ─▶ Kernel::exit ─▶ isolate dropped, thread ends
//! none is there   process ─▶ its session's place among those that are made ─▶ thread: its turns: isolate, program … ─▶ the same
//!                                                                                          ▲
//!                                 ticker: a slice is over, a limit is reached ─ interrupt ─┘
//! ```
//! An isolate takes tens of milliseconds to make. Whoever asks pays: what was made ahead is charged to the session that takes it, and
//! one that was not is made in the turns of the process it is for. A session has [`MAKING_MAX`] made at once; others of its processes
//! wait for that without a thread.

use crate::MAGIC;
use crate::allocator::is_for_guest;
use crate::code::{CodeCounts, CodeOptions, Codes};
use crate::ending::Obituary;
use crate::fatal;
use crate::lost::{Lost, LostOfTenants};
use crate::turns::{OnThread, Running};
use crate::worker::{Limits, Worker};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use warren_isolate_extensions::code::CodeStore;
use warren_isolate_extensions::guest::{Ending, Guest};
use warren_isolate_extensions::reserved;
use warren_kernel::Session;
use warren_kernel::blob::BlobId;
use warren_kernel::fetch::Image;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::runtime::{LoadError, Program, Runtime};
use warren_kernel::signal::Signal;
use warren_share::{Place, SessionShare, Shares};
use warren_wasi_posix::node::Guests;
use warren_wasi_posix::system::{ThreadNumber, be_a_guests_thread, thread_cpu_time};

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
/// Code is not guarded by protection keys: threads of guests are not children of the thread the engine was begun on, and could not read
/// it on a processor that has them. No context has shared buffers but the one that they are given to, with a bound.
const ENGINE_FLAGS: &str = "--no-turboshaft-loop-unrolling --wasm-max-mem-pages=8192 --no-memory-protection-keys \
    --enable-sharedarraybuffer-per-context";
/// Isolates a session has made for it at once.
pub(crate) const MAKING_MAX: usize = 2;
/// How long work that blocks may go on after its guest has ended.
const LEFT_FOR: Duration = Duration::from_millis(250);
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
    lost: Arc<Lost>,
    /// Places for those whose isolate is made.
    making: Arc<Semaphore>,
}

struct Inner {
    options: Options,
    make: Make,
    /// Where signals of guests are waited for.
    executor: Handle,
    warm: Mutex<VecDeque<Sender<Job>>>,
    running: Mutex<Vec<Arc<Running>>>,
    codes: Arc<Codes>,
    lost: LostOfTenants,
    /// Tells the thread that fills the pool.
    taken: Option<Sender<()>>,
}

/// Makes an isolate, on the thread it is to run on. [`Worker::new`], but in tests.
pub(crate) type Make = fn(Limits, Duration, Arc<dyn CodeStore>) -> Worker;

/// A process that is to run.
struct Job {
    guest: Guest,
    share: Arc<SessionShare>,
    lost: Arc<Lost>,
    /// Until its isolate is there.
    making: Option<OwnedSemaphorePermit>,
    obituary: Obituary,
}

/// The program: there is but one.
struct Node;

impl Isolates {
    /// Isolates whose guests take turns by these shares, and whose signals are waited for on this executor. Makes the first.
    pub fn new(options: Options, shares: &Shares, executor: Handle) -> Isolates {
        Isolates::made_by(Worker::new, options, shares, executor)
    }

    pub(crate) fn made_by(make: Make, options: Options, shares: &Shares, executor: Handle) -> Isolates {
        deno_core::v8::V8::set_flags_from_string(ENGINE_FLAGS);
        fatal::watch();
        // The engine's own threads compile and collect for guests; they are behind others as the thread is that makes them.
        let platform = thread::Builder::new().name("node-engine".to_owned()).spawn(|| {
            be_a_guests_thread();
            deno_core::JsRuntime::init_platform(None);
        });
        if platform.map_or(true, |made| made.join().is_err()) {
            deno_core::JsRuntime::init_platform(None);
        }
        let codes = Arc::new(Codes::open(options.code.clone()));
        let (taken, asked) = channel();
        let taken = (options.warm > 0).then_some(taken);
        let (warm, running) = (Mutex::default(), Mutex::default());
        let isolates = Isolates {
            inner: Arc::new(Inner {
                options,
                make,
                executor,
                warm,
                running,
                codes,
                lost: LostOfTenants::default(),
                taken,
            }),
        };
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
            let (made, is_made) = channel();
            let Some(sender) = self.ahead(made) else { return };
            self.inner.warm().push_back(sender);
            if is_made.recv().is_err() {
                // Its thread could not make one, and has said why. It is found to be gone by who would take it.
                return;
            }
        }
    }

    /// A thread with an isolate that waits for a process.
    fn ahead(&self, made: Sender<()>) -> Option<Sender<Job>> {
        let (sender, jobs) = channel::<Job>();
        let (make, limits, quiet, codes) = self.inner.parts();
        // The pool is not kept by those who wait in it.
        let inner = Arc::downgrade(&self.inner);
        let thread = thread_with_executor(move |runtime| {
            let inside = runtime.enter();
            let before = thread_cpu_time();
            let worker = make(limits, quiet, codes);
            let cost = thread_cpu_time().saturating_sub(before);
            let _ = made.send(());
            let job = jobs.recv().ok()?;
            job.share.charge(cost);
            let lost = job.lost.clone();
            inner.upgrade()?.run(runtime, || worker, job);
            drop(inside);
            Some(lost)
        });
        thread.ok().map(|()| sender)
    }

    /// Gives a process an isolate: one that waits, or one that is made for it.
    fn begin(&self, mut job: Job) {
        loop {
            let Some(waiting) = self.inner.warm().pop_front() else { break };
            let sent = waiting.send(job);
            if let Some(taken) = &self.inner.taken {
                let _ = taken.send(());
            }
            match sent {
                Ok(()) => return,
                // Its thread could not make an isolate.
                Err(back) => job = back.0,
            }
        }
        let inner = self.inner.clone();
        let thread = thread_with_executor(move |runtime| {
            let (make, limits, quiet, codes) = inner.parts();
            let lost = job.lost.clone();
            inner.run(runtime, || make(limits, quiet, codes), job);
            Some(lost)
        });
        if let Err(error) = thread {
            // The process ended with it, and said so.
            tracing::warn!(%error, "no thread for a node program");
        }
    }
}

impl Inner {
    /// What an isolate is made with.
    fn parts(&self) -> (Make, Limits, Duration, Arc<Codes>) {
        (self.make, self.options.limits, self.options.quiet, self.codes.clone())
    }

    /// Runs a process in its turns, to its end. Making its isolate is the first of what it does in them.
    fn run(&self, runtime: &tokio::runtime::Runtime, make: impl FnOnce() -> Worker, job: Job) {
        let Job { guest, share, lost, making, mut obituary } = job;
        let doom = guest.doom();
        let place = Place::new(&share, || Some(doom.clone()));
        let turns = place.turns();
        turns.watch(doom);
        guest.takes(turns.clone());
        runtime.block_on(OnThread::new(place.take_turns(async {
            // It may have been killed before it began.
            if let Some(Ending::Signal(signal)) = guest.ending() {
                obituary.is_over(ExitStatus::Signaled(*signal));
                return;
            }
            let mut worker = make();
            drop(making);
            obituary.has_begun();
            // Making it is more than a slice, and is not interrupted.
            if turns.slice_is_over() {
                turns.pause();
                turns.resume();
            }
            let memory = (self.options.limits, worker.buffers());
            let running = Running::new(worker.handle(), turns.clone(), guest.clone(), memory, lost);
            let listed = Listed::new(self, running.clone());
            let looks = Arc::downgrade(&running);
            guest.runs_in(move || {
                if let Some(running) = looks.upgrade() {
                    running.ask();
                }
            });
            if guest.is_stopped() {
                running.ask();
            }
            let status = worker.run(guest.clone()).await;
            obituary.is_over(status);
            listed.running.is_leaving();
            guest.exit(status, turns.take_used());
            // Whoever waits for the process does not wait for the rest.
            reserved::clear();
            drop(worker);
            guest.charge(turns.take_used());
            drop(listed);
        })));
    }

    fn warm(&self) -> MutexGuard<'_, VecDeque<Sender<Job>>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guest that the ticker knows of, for as long as it runs.
struct Listed<'a> {
    inner: &'a Inner,
    running: Arc<Running>,
}

impl Listed<'_> {
    fn new(inner: &Inner, running: Arc<Running>) -> Listed<'_> {
        inner.running().push(running.clone());
        Listed { inner, running }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.inner.running().retain(|other| !Arc::ptr_eq(other, &self.running));
        self.running.is_over();
    }
}

/// A thread that can run an isolate, with an executor of its own. `work` returns where guests are counted whose threads were given up.
///
/// What blocks (keys derived, files packed) has threads of its own, behind all others of the machine: it takes no turns. A guest can
/// leave work there that goes on when it has ended, and nothing can stop; then its session has lost a thread until that is done.
fn thread_with_executor(
    work: impl FnOnce(&tokio::runtime::Runtime) -> Option<Arc<Lost>> + Send + 'static,
) -> std::io::Result<()> {
    let thread = thread::Builder::new().name("node".to_owned()).stack_size(STACK_BYTES);
    thread.spawn(move || {
        be_a_guests_thread();
        is_for_guest();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let blocking = Arc::new(AtomicUsize::new(0));
        let (begun, ended) = (blocking.clone(), blocking.clone());
        runtime.on_thread_start(move || {
            is_for_guest();
            begun.fetch_add(1, Ordering::AcqRel);
            if let Some(thread) = ThreadNumber::here() {
                thread.put_last();
            }
        });
        runtime.on_thread_stop(move || {
            ended.fetch_sub(1, Ordering::AcqRel);
        });
        let runtime = match runtime.enable_all().max_blocking_threads(BLOCKING_THREADS).build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::warn!(%error, "no executor for a node program"),
        };
        let Some(lost) = work(&runtime) else { return };
        runtime.shutdown_timeout(LEFT_FOR);
        if blocking.load(Ordering::Acquire) > 0 {
            lost.add();
            while blocking.load(Ordering::Acquire) > 0 {
                thread::sleep(LEFT_FOR);
            }
            lost.give_back();
        }
    })?;
    Ok(())
}

impl Guests for Isolates {
    fn for_session(&self, share: &Arc<SessionShare>) -> Arc<dyn Runtime> {
        Arc::new(OfSession {
            isolates: self.clone(),
            share: share.clone(),
            lost: self.inner.lost.session(share.tenant()),
            making: Arc::new(Semaphore::new(MAKING_MAX)),
        })
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
        if self.lost.begins_none() {
            tracing::warn!(
                pid = pid.0,
                "a session or its tenant has lost too many node programs and runs no more of them"
            );
            session.with(|kernel| kernel.exit(pid, ExitStatus::Signaled(Signal::KILL)));
            return;
        }
        let Some(guest) = Guest::new(session.clone(), pid) else { return };
        let obituary = Obituary::new(&guest);
        let (executor, making) = (&self.isolates.inner.executor, self.making.clone());
        executor.spawn(guest.clone().watch());
        let mut job = Job { guest, share: self.share.clone(), lost: self.lost.clone(), making: None, obituary };
        // Fails if others wait, so nobody is overtaken.
        if let Ok(place) = making.clone().try_acquire_owned() {
            job.making = Some(place);
            self.isolates.begin(job);
            return;
        }
        let isolates = self.isolates.clone();
        executor.spawn(async move {
            let place = tokio::select! {
                biased;
                () = job.guest.ended() => None,
                place = making.acquire_owned() => place.ok(),
            };
            match job.guest.ending() {
                Some(Ending::Signal(signal)) => {
                    let signal = *signal;
                    job.obituary.is_over(ExitStatus::Signaled(signal));
                }
                _ => {
                    job.making = place;
                    isolates.begin(job);
                }
            }
        });
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

#[cfg(test)]
mod tests;
