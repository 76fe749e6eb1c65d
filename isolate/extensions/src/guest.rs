//! The process a JavaScript guest is, as its operations see it.
//!
//! ```text
//! fs.readFileSync ─▶ op ─▶ Guest::call ─▶ Session::call ─▶ the kernel      waits: the guest's own thread is parked
//! fs.readFile     ─▶ op ─▶ Guest::call_async ─▶ …                          waits: its event loop goes on
//! ```
//! A guest has a thread of its own, so a call that blocks holds up nobody else. A caught signal interrupts no call: it is
//! counted, as libuv does, and its listener is called from the event loop ([`signals`]). A signal that ends the process
//! ends the call and stops the isolate.

pub mod signals;

use signals::Listening;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;
use tokio::sync::Notify;
use warren_kernel::id::Pid;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::{Doom, Signal};
use warren_kernel::wait::Halt;
use warren_kernel::{Call, CallError, Errno, Kernel, Session, Step};
use warren_share::Turns;

/// A process whose image is JavaScript. Cheap to clone, and may be used on any thread.
#[derive(Clone)]
pub struct Guest(Arc<Inner>);

struct Inner {
    session: Session,
    pid: Pid,
    doom: Arc<Doom>,
    /// Who listens for what, and what arrived.
    signals: Mutex<Listening>,
    signalled: Notify,
    /// Has the isolate look, at its next instruction, whether it is to end.
    look: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Scripts of the extensions that are being loaded, which cannot be stopped halfway.
    loading: AtomicU32,
    /// Its turns on the processor.
    turns: OnceLock<Arc<Turns>>,
    /// Something wants the guest to end: a signal, `process.exit`, a limit.
    ending: OnceLock<Ending>,
    ended: Notify,
    /// The session was told that it ended.
    is_over: AtomicBool,
    /// Bytes the host holds for it beside its isolate.
    held: AtomicUsize,
}

/// Makes the calls of a guest that is over: its number may be another process's. No process has this one.
const NOBODY: Pid = Pid(0);

/// Why a guest ends before its event loop is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `process.exit` or `process.reallyExit`.
    Exit(u8),
    /// A signal it does not catch.
    Signal(Signal),
    /// A limit of ours was reached: what is said on its standard error.
    Limit(String),
}

thread_local! {
    static IN_KERNEL: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in a call of a guest's, under the lock of its kernel: a panic is caught there.
pub fn is_in_kernel() -> bool {
    IN_KERNEL.get()
}

/// Runs what has the kernel; `None` if it panicked.
fn in_kernel<T>(work: impl FnOnce() -> T) -> Option<T> {
    let before = IN_KERNEL.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IN_KERNEL.set(before);
    done.ok()
}

/// Again, now that the kernel is let go: what it was for cannot go on.
fn failed() -> ! {
    panic!("a call of the session's kernel panicked")
}

impl Guest {
    /// The process `pid` of this session; `None` when it is not there any more.
    pub fn new(session: Session, pid: Pid) -> Option<Guest> {
        let doom = session.with(|kernel| kernel.process(pid).ok().map(|process| process.doom.clone()))?;
        Some(Guest(Arc::new(Inner {
            session,
            pid,
            doom,
            signals: Mutex::default(),
            signalled: Notify::new(),
            look: OnceLock::new(),
            loading: AtomicU32::new(0),
            turns: OnceLock::new(),
            ending: OnceLock::new(),
            ended: Notify::new(),
            is_over: AtomicBool::new(false),
            held: AtomicUsize::new(0),
        })))
    }

    /// The session.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.0.pid
    }

    /// What has the isolate that runs it look, on its own thread, whether it is to end ([`Guest::must_stop`]).
    pub fn runs_in(&self, look: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.look.set(Box::new(look));
        if self.0.ending.get().is_some() {
            self.stop();
        }
    }

    /// Whether what runs is to be stopped now. Not while a script of the extensions is loaded: the engine cannot be stopped in
    /// the middle of that.
    pub fn must_stop(&self) -> bool {
        self.0.ending.get().is_some() && self.0.loading.load(Ordering::Acquire) == 0
    }

    /// A script of the extensions is being loaded, or has been. Whether what runs is to be stopped now.
    pub fn loads(&self, begins: bool) -> bool {
        if begins {
            self.0.loading.fetch_add(1, Ordering::AcqRel);
        } else {
            // As often as it was begun: whoever calls it too often has nothing of it.
            let less = |count: u32| count.checked_sub(1);
            let _ = self.0.loading.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        }
        self.must_stop()
    }

    /// Its turns, which it gives up while its thread waits.
    pub fn takes(&self, turns: Arc<Turns>) {
        let _ = self.0.turns.set(turns);
    }

    /// Runs a future on this thread, which is parked while it waits and leaves the processor to others. For futures that
    /// need no executor.
    pub fn wait_for<T>(&self, future: impl Future<Output = T>) -> T {
        let waker = Waker::from(Arc::new(Parked(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        let turns = self.0.turns.get().filter(|turns| turns.is_running());
        if let Some(turns) = turns {
            turns.pause();
        }
        loop {
            std::thread::park();
            match future.as_mut().poll(&mut context) {
                Poll::Ready(value) => {
                    if let Some(turns) = turns {
                        turns.resume();
                    }
                    return value;
                }
                Poll::Pending => {
                    if let Some(turns) = turns {
                        turns.stay_paused();
                    }
                }
            }
        }
    }

    /// Makes a call that cannot wait.
    ///
    /// # Errors
    /// The call's.
    pub fn with<T>(&self, op: impl FnOnce(&mut Kernel, &mut Call) -> T) -> T {
        let done = self.0.session.with(|kernel| in_kernel(|| op(kernel, &mut Call::new(self.caller()))));
        done.unwrap_or_else(|| failed())
    }

    /// Makes a call, and parks this thread while it waits.
    ///
    /// # Errors
    /// The call's; `EINTR` when the process ends.
    pub fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        self.wait_for(self.call_async(op))
    }

    /// Makes a call that does not wait, though it could: `EAGAIN` where it would.
    ///
    /// # Errors
    /// The call's; `EAGAIN`; `EINTR` when the process ends.
    pub fn attempt<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        match pin!(self.call_async(op)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            // What waits is taken back with the future.
            Poll::Pending => Err(Errno::EAGAIN),
        }
    }

    /// Makes a call that may wait.
    ///
    /// # Errors
    /// The call's; `EINTR` when the process ends.
    pub async fn call_async<T>(&self, mut op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        let mut panicked = false;
        loop {
            let caller = self.caller();
            let made = |kernel: &mut Kernel, call: &mut Call| {
                // It ended while the call waited, and its number may be another's.
                if caller != self.caller() {
                    return Err(Halt::Fail(Errno::ESRCH));
                }
                in_kernel(|| op(kernel, call)).unwrap_or_else(|| {
                    panicked = true;
                    Err(Halt::Fail(Errno::EIO))
                })
            };
            let answer = self.0.session.call(caller, made).await;
            if panicked {
                failed();
            }
            match answer {
                Ok(value) => return Ok(value),
                Err(CallError::Failed(errno)) => return Err(errno),
                Err(CallError::Doomed(signal)) => {
                    self.end(Ending::Signal(signal));
                    return Err(Errno::EINTR);
                }
                Err(CallError::Interrupted { .. }) => self.take_signals(),
            }
        }
    }

    /// Ends it: what it runs is stopped at its next instruction, and its event loop turns no more.
    pub fn end(&self, ending: Ending) {
        if self.0.ending.set(ending).is_ok() {
            self.stop();
            self.0.ended.notify_waiters();
        }
    }

    /// Tells the session that it ended, and what processor time it used. Its calls fail from now on, and telling it again has no
    /// effect.
    pub fn exit(&self, status: ExitStatus, used: Duration) {
        self.0.session.with(|kernel| {
            if !self.0.is_over.swap(true, Ordering::AcqRel) {
                kernel.charge_cpu(self.0.pid, used);
                kernel.exit(self.0.pid, status);
            }
        });
    }

    /// Adds processor time it used; that of a guest that is over is its session's.
    pub fn charge(&self, used: Duration) {
        self.with(|kernel, call| kernel.charge_cpu(call.pid, used));
    }

    fn caller(&self) -> Pid {
        if self.0.is_over.load(Ordering::Acquire) { NOBODY } else { self.0.pid }
    }

    /// The host holds so many bytes more for it; how many it holds now.
    pub(crate) fn hold(&self, bytes: usize) -> usize {
        self.0.held.fetch_add(bytes, Ordering::AcqRel).saturating_add(bytes)
    }

    /// The host holds so many bytes less.
    pub(crate) fn let_go(&self, bytes: usize) {
        self.0.held.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Bytes the host holds for it beside its isolate: its blobs.
    pub fn held(&self) -> usize {
        self.0.held.load(Ordering::Acquire)
    }

    /// Why it ends, if it does.
    pub fn ending(&self) -> Option<&Ending> {
        self.0.ending.get()
    }

    /// Waits until it ends.
    pub async fn ended(&self) {
        let ended = self.0.ended.notified();
        let mut ended = pin!(ended);
        ended.as_mut().enable();
        if self.0.ending.get().is_none() {
            ended.await;
        }
    }

    /// Its mark.
    pub fn doom(&self) -> Arc<Doom> {
        self.0.doom.clone()
    }

    /// Whether it was stopped by a signal, or has something else to attend to.
    pub fn is_stopped(&self) -> bool {
        !self.0.doom.is_clear()
            && self.with(|kernel, call| kernel.process(call.pid).is_ok_and(|process| process.is_stopped()))
    }

    /// Whether a signal ends it, seen without the kernel's lock.
    pub fn is_doomed(&self) -> bool {
        self.0.doom.get().is_some()
    }

    /// Has the isolate look at its next instruction, however busy it is: whether it is to end, or stands still.
    fn stop(&self) {
        if let Some(look) = self.0.look.get() {
            look();
        }
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("pid", &self.0.pid).finish_non_exhaustive()
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
