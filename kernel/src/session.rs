//! The handle to a session's kernel: one lock, and the only place where a call waits.
//!
//! ```text
//! Session::call ─▶ lock ─▶ op ─▶ Ready  ─▶ unlock, wake others, start new processes, return
//!                           ├──▶ Wait   ─▶ park the waker, unlock; woken: from the start
//!                           │              (a caught signal is pending: unlock, Interrupted)
//!                           └──▶ Fetch  ─▶ unlock, perform elsewhere; done: from the start
//! ```
//! Lock order: the kernel's lock is the only one held while a call runs; wakers, runtimes, drivers and the way out are
//! called after it is let go. Any executor can poll the futures here: nothing in them knows one.

use crate::errno::Errno;
use crate::fetch::{Call, Fetch, Fetched};
use crate::host::Monotonic;
use crate::id::Pid;
use crate::kernel::Kernel;
use crate::process::Process;
use crate::signal::Signal;
use crate::socket::egress::Outbound;
use crate::sync::{Mistake, Mutex, MutexGuard, makes};
use crate::wait::{Halt, Step, Wait, WaitKey, WaiterId};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

/// What a session needs of whoever drives it.
pub trait Driver: Send + Sync {
    /// Runs `work` on a thread that may block.
    fn offload(&self, work: Box<dyn FnOnce() + Send>);

    /// Calls [`Session::tick`] at `at` or soon after. Called again whenever an earlier time is due.
    fn arm(&self, session: &Session, at: Monotonic);
}

/// A session's kernel, shared by everything that makes calls on it. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    inner: Arc<Inner>,
}

/// A session's handle that does not keep it: for whoever is to call later, and need not if it is gone by then.
#[derive(Clone)]
pub struct WeakSession {
    inner: Weak<Inner>,
}

struct Inner {
    kernel: Mutex<Kernel>,
    driver: Arc<dyn Driver>,
    /// The earliest time the driver was told of and has not yet come.
    armed: Mutex<Option<Monotonic>>,
}

/// Why a call gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It failed; the guest gets this number.
    #[error(transparent)]
    Failed(#[from] Errno),
    /// The process was ended by this signal: its runtime unwinds and calls exit.
    #[error("ended by {0}")]
    Doomed(Signal),
    /// A caught signal is to be handled first ([`Kernel::next_delivery`]). The call has had no effect: afterwards it is
    /// made again if it `restarts` and every handler was set with SA_RESTART, and is EINTR otherwise.
    #[error("interrupted by a signal")]
    Interrupted {
        /// Whether SA_RESTART makes it again.
        restarts: bool,
    },
}

impl Session {
    /// Puts a kernel behind its lock.
    pub fn new(kernel: Kernel, driver: Arc<dyn Driver>) -> Session {
        Session { inner: Arc::new(Inner { kernel: Mutex::new(kernel), driver, armed: Mutex::new(None) }) }
    }

    /// A handle that does not keep the session.
    pub fn downgrade(&self) -> WeakSession {
        WeakSession { inner: Arc::downgrade(&self.inner) }
    }

    /// Runs `op` with the kernel locked; for calls that cannot wait. Afterwards wakes whom it woke and starts what
    /// it spawned.
    pub fn with<T>(&self, op: impl FnOnce(&mut Kernel) -> T) -> T {
        let mut kernel = self.lock();
        let value = op(&mut kernel);
        self.unlock(kernel);
        value
    }

    /// Makes a system call of `pid` that may wait. `op` is called again after each wait or fetch, and must have no
    /// effect before it is ready. Dropping the future takes the call back.
    pub fn call<T, F>(&self, pid: Pid, op: F) -> CallFuture<'_, F>
    where
        F: FnMut(&mut Kernel, &mut Call) -> Step<T>,
    {
        CallFuture { session: self, op, call: Call::new(pid), parked: None, fetching: None }
    }

    /// Waits for a process that was launched from outside and collects it.
    ///
    /// # Errors
    /// `ECHILD` when there is no such process.
    pub async fn wait(&self, pid: Pid) -> Result<(crate::process::ExitStatus, std::time::Duration), Errno> {
        let collected = self.call(Pid::INIT, |kernel, _| kernel.collect(pid)).await;
        collected.map_err(|error| match error {
            CallError::Failed(errno) => errno,
            CallError::Doomed(_) | CallError::Interrupted { .. } => Errno::ECHILD,
        })
    }

    /// The time the driver was armed for has come.
    pub fn tick(&self) {
        *self.inner.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.with(Kernel::advance);
    }

    fn lock(&self) -> MutexGuard<'_, Kernel> {
        // A panic under the lock is a bug of ours that the guest's runtime contains; the kernel's state is kept
        // consistent call by call, so other sessions and the operator's view must not go down with it.
        self.inner.kernel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unlock(&self, mut kernel: MutexGuard<'_, Kernel>) {
        kernel.tell_watchers();
        let woken = kernel.waiters.take_woken();
        let starts = std::mem::take(&mut kernel.starts);
        let dials = std::mem::take(&mut kernel.dials);
        let egress = if dials.is_empty() { None } else { kernel.world.egress.clone() };
        let deadline = kernel.next_deadline();
        drop(kernel);
        woken.into_iter().for_each(Waker::wake);
        for start in starts {
            start.runtime.start(self, start.pid, start.program);
        }
        for dial in dials {
            let outbound = Outbound::new(self, dial);
            // Without a way out nothing is dialled; dropped, it would fail.
            if let Some(egress) = &egress {
                egress.carry(outbound);
            }
        }
        if let Some(deadline) = deadline {
            let mut armed = self.inner.armed.lock().unwrap_or_else(PoisonError::into_inner);
            if armed.is_none_or(|at| deadline < at) {
                *armed = Some(deadline);
                drop(armed);
                self.inner.driver.arm(self, deadline);
            }
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

impl WeakSession {
    /// The session, if anyone keeps it.
    pub fn upgrade(&self) -> Option<Session> {
        self.inner.upgrade().map(|inner| Session { inner })
    }
}

impl std::fmt::Debug for WeakSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WeakSession")
    }
}

/// A system call in progress.
#[must_use = "a call does nothing until it is awaited"]
pub struct CallFuture<'a, F> {
    session: &'a Session,
    op: F,
    call: Call,
    parked: Option<WaiterId>,
    fetching: Option<Arc<Mutex<Fetching>>>,
}

/// A fetch on its way: done, or who waits for it.
#[derive(Default)]
struct Fetching {
    done: Option<Fetched>,
    waker: Option<Waker>,
}

impl<T, F> Future for CallFuture<'_, F>
where
    F: FnMut(&mut Kernel, &mut Call) -> Step<T> + Unpin,
{
    type Output = Result<T, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(fetching) = &this.fetching {
            let mut fetching = fetching.lock().unwrap_or_else(PoisonError::into_inner);
            match fetching.done.take() {
                Some(fetched) => {
                    drop(fetching);
                    this.fetching = None;
                    if let Err(errno) = this.call.keep(fetched) {
                        return Poll::Ready(Err(errno.into()));
                    }
                }
                None => {
                    // Killed while fetching: the answer is not waited for.
                    fetching.waker = Some(context.waker().clone());
                    drop(fetching);
                    return this.park_for_kill(context);
                }
            }
        }
        let mut kernel = this.session.lock();
        if let Some(id) = this.parked.take() {
            kernel.waiters.unpark(id);
        }
        // Under the lock, so that a process that was killed makes no more calls: it cannot spawn a child that whoever
        // killed it did not see.
        if let Some(signal) = doom_of(&kernel, this.call.pid) {
            this.session.unlock(kernel);
            return Poll::Ready(Err(CallError::Doomed(signal)));
        }
        if this.is_stopped(&kernel) {
            this.park(kernel, Wait::for_process(this.call.pid), context);
            return Poll::Pending;
        }
        this.call.rewind();
        match (this.op)(&mut kernel, &mut this.call) {
            Ok(value) => {
                this.session.unlock(kernel);
                Poll::Ready(Ok(value))
            }
            Err(Halt::Fail(errno)) => {
                this.session.unlock(kernel);
                Poll::Ready(Err(errno.into()))
            }
            Err(Halt::Wait(mut wait)) => {
                if let Some(signal) = doom_of(&kernel, this.call.pid) {
                    this.session.unlock(kernel);
                    return Poll::Ready(Err(CallError::Doomed(signal)));
                }
                if kernel.is_interrupted(this.call.pid) {
                    this.session.unlock(kernel);
                    return Poll::Ready(Err(CallError::Interrupted { restarts: wait.restarts }));
                }
                wait.keys.push(WaitKey::Process(this.call.pid));
                this.park(kernel, wait, context);
                Poll::Pending
            }
            Err(Halt::Fetch(fetch)) => {
                this.session.unlock(kernel);
                this.fetching = Some(this.session.begin(*fetch, context.waker().clone()));
                this.park_for_kill(context)
            }
        }
    }
}

impl<F> CallFuture<'_, F> {
    /// While something is fetched, only a kill can end the call early.
    fn park_for_kill<T>(&mut self, context: &mut Context<'_>) -> Poll<Result<T, CallError>> {
        let mut kernel = self.session.lock();
        if let Some(id) = self.parked.take() {
            kernel.waiters.unpark(id);
        }
        if let Some(signal) = doom_of(&kernel, self.call.pid).filter(|_| !makes(Mistake::ForgetsTheKill)) {
            self.session.unlock(kernel);
            return Poll::Ready(Err(CallError::Doomed(signal)));
        }
        self.park(kernel, Wait::for_process(self.call.pid), context);
        Poll::Pending
    }

    fn park(&mut self, kernel: MutexGuard<'_, Kernel>, wait: Wait, context: &Context<'_>) {
        let mut kernel = if makes(Mistake::ParksLate) {
            drop(kernel);
            self.session.lock()
        } else {
            kernel
        };
        self.parked = Some(kernel.waiters.park(wait, context.waker().clone()));
        self.session.unlock(kernel);
    }

    /// A stopped process makes no call, and one it was in does not go on.
    fn is_stopped(&self, kernel: &Kernel) -> bool {
        kernel.processes.get(&self.call.pid).is_some_and(Process::is_stopped)
    }
}

impl Session {
    /// Performs a fetch on a thread that may block, and wakes the call when it is done.
    fn begin(&self, fetch: Fetch, waker: Waker) -> Arc<Mutex<Fetching>> {
        let fetching = Arc::new(Mutex::new(Fetching { done: None, waker: Some(waker) }));
        let shared = fetching.clone();
        self.inner.driver.offload(Box::new(move || {
            let fetched = fetch.perform();
            let mut fetching = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let waker = fetching.waker.take();
            if makes(Mistake::WakesEarly) {
                drop(fetching);
                waker.into_iter().for_each(Waker::wake);
                shared.lock().unwrap_or_else(PoisonError::into_inner).done = Some(fetched);
                return;
            }
            fetching.done = Some(fetched);
            drop(fetching);
            waker.into_iter().for_each(Waker::wake);
        }));
        fetching
    }
}

impl<F> Drop for CallFuture<'_, F> {
    fn drop(&mut self) {
        let (parked, opening, preparing) = (self.parked.take(), self.call.take_opening(), self.call.take_preparing());
        let (turn, lock_wait) = (self.call.take_turn(), self.call.take_lock_wait());
        if parked.is_none() && opening.is_none() && preparing.is_none() && turn.is_none() && !lock_wait {
            return;
        }
        let mut kernel = self.session.lock();
        if let Some(open) = turn {
            kernel.end_turn(self.call.id(), open);
        }
        if lock_wait {
            kernel.end_lock_wait(self.call.id());
        }
        if let Some(id) = parked {
            kernel.waiters.unpark(id);
        }
        if let Some((open, _)) = opening {
            kernel.files.retain(open);
            kernel.release_open(open);
        }
        if let Some((child, _)) = preparing {
            kernel.discard_child(child);
        }
        self.session.unlock(kernel);
    }
}

impl<F> std::fmt::Debug for CallFuture<'_, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFuture").field("call", &self.call).finish_non_exhaustive()
    }
}

fn doom_of(kernel: &Kernel, pid: Pid) -> Option<Signal> {
    kernel.processes.get(&pid).and_then(|process| process.doom.get())
}
