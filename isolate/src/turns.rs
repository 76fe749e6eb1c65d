//! How an isolate keeps to its turns: it is interrupted when its slice is over, and its thread waits for the next.
//!
//! Two things cannot be interrupted: a loop in the engine's own code (`[].includes.call({ length: 2 ** 53 })`), and the engine's end
//! when it is out of memory. Then the process ends in its session, and its thread is given up: the one goes on behind all others,
//! the other stands still. So does one on which native code panics: its frames are among the engine's, through which nothing unwinds.
//! Their memory is not given back while the server runs, so there are few of them ([`Lost`]), and what they have stays counted in what
//! their tenant may have.

use crate::lost::Lost;
use crate::memory::{Buffers, Weight};
use crate::worker::Limits;
use deno_core::v8;
use std::cell::RefCell;
use std::ffi::c_void;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};
use warren_isolate_extensions::guest::{Ending, Guest};
use warren_isolate_extensions::reserved;
use warren_kernel::id::Fd;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;
use warren_share::Turns;
use warren_wasi_posix::system::ThreadNumber;

/// Ticks, of 5 ms of processor time or more, after which a guest is given up that is to end and does not look.
const OVERDUE_TICKS: u32 = 800;
/// How long memory of programs that have ended is waited for, and how often it is looked for.
const LEAVING_MAX: Duration = Duration::from_millis(500);
const LEAVING_PAUSE: Duration = Duration::from_millis(2);

thread_local! {
    /// What runs on this thread.
    static HERE: RefCell<Option<Arc<Running>>> = const { RefCell::new(None) };
}

/// A guest that runs.
pub(crate) struct Running {
    isolate: v8::IsolateHandle,
    turns: Arc<Turns>,
    guest: Guest,
    limits: Limits,
    /// What buffers it has.
    buffers: Arc<Buffers>,
    /// What its session was charged for it.
    weight: Weight,
    /// It was asked to look, and has not yet.
    asked: AtomicBool,
    /// Ticks since it was to end and has not looked.
    overdue: AtomicU32,
    fate: Mutex<Fate>,
    thread: Option<ThreadNumber>,
    /// Guests of its session whose threads were given up.
    lost: Arc<Lost>,
}

/// What became of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Runs,
    Leaves,
    Lost,
    Over,
}

impl Running {
    /// The guest of this thread.
    pub(crate) fn new(
        isolate: v8::IsolateHandle,
        turns: Arc<Turns>,
        guest: Guest,
        (limits, buffers): (Limits, Arc<Buffers>),
        lost: Arc<Lost>,
    ) -> Arc<Running> {
        let (asked, overdue, fate) = (AtomicBool::new(false), AtomicU32::new(0), Mutex::new(Fate::Runs));
        let (thread, weight) = (ThreadNumber::here(), Weight::default());
        let running = Running { isolate, turns, guest, limits, buffers, weight, asked, overdue, fate, thread, lost };
        let running = Arc::new(running);
        HERE.with(|here| *here.borrow_mut() = Some(running.clone()));
        running
    }

    /// Makes it look whether its slice is over, if it runs: from the ticker's thread.
    pub(crate) fn kick(&self) {
        if !self.turns.is_running() {
            return;
        }
        self.ask();
        if self.lost.is_spent() && self.guest.ending().is_none() {
            self.guest
                .end(Ending::Limit("FATAL ERROR: the session has lost too many programs, and runs no more".to_owned()));
        }
        if self.guest.must_stop() && self.overdue.fetch_add(1, Ordering::AcqRel) == OVERDUE_TICKS {
            tracing::warn!(pid = self.guest.pid().0, "a node program is in the middle of something that does not end");
            self.lose(0);
            // Whatever it does goes on behind all others.
            if let Some(thread) = self.thread {
                thread.put_last();
            }
        }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends its process without its thread, which cannot be ended. So many bytes it has at least.
    fn lose(&self, has: usize) {
        let mut fate = self.fate();
        match *fate {
            Fate::Runs => {}
            Fate::Leaves => self.lost.has_left(),
            Fate::Lost | Fate::Over => return,
        }
        *fate = Fate::Lost;
        self.lost.add();
        self.turns.abandon();
        if let Some(Ending::Limit(why)) = self.guest.ending() {
            // As much as there is room for: nobody may read it.
            let text = format!("\n{why}\n");
            let _ = self.guest.attempt(|kernel, call| kernel.write(call, Fd::STDERR, &[text.as_bytes()]));
        }
        let status = match self.guest.ending() {
            Some(Ending::Exit(code)) => ExitStatus::Exited(*code),
            Some(Ending::Signal(signal)) => ExitStatus::Signaled(*signal),
            Some(Ending::Limit(_)) | None => ExitStatus::Signaled(Signal::ABRT),
        };
        self.guest.with(|kernel, call| self.weight.forfeit(kernel, call.pid, has));
        self.guest.exit(status, Duration::ZERO);
    }

    /// Its process ends next, and its isolate after that: what it has stays counted until then.
    pub(crate) fn is_leaving(&self) {
        let mut fate = self.fate();
        if *fate == Fate::Runs {
            *fate = Fate::Leaves;
            self.lost.leaves();
        }
        self.guest.with(|kernel, call| self.weight.forfeit(kernel, call.pid, 0));
    }

    /// Its thread came to its end, and has nothing any more.
    pub(crate) fn is_over(&self) {
        let mut fate = self.fate();
        self.guest.with(|kernel, _| self.weight.recover(kernel));
        match *fate {
            Fate::Leaves => self.lost.has_left(),
            Fate::Lost => self.lost.give_back(),
            Fate::Runs | Fate::Over => {}
        }
        *fate = Fate::Over;
    }

    /// The engine cannot go on, and would end the host now. On the isolate's thread, which stays where it is; so many bytes it has at
    /// least.
    fn stands_still(&self, why: &str, has: usize) -> ! {
        tracing::warn!(
            pid = self.guest.pid().0,
            why,
            "a node program cannot go on; its thread and its memory are lost"
        );
        self.guest.end(Ending::Limit(why.to_owned()));
        self.lose(has);
        loop {
            std::thread::park();
        }
    }

    /// Makes it look, at its next instruction: on any thread.
    pub(crate) fn ask(&self) {
        if !self.asked.swap(true, Ordering::AcqRel) {
            self.isolate.request_interrupt(interrupted, std::ptr::null_mut());
        }
    }

    fn look(&self, isolate: &mut v8::Isolate) {
        self.asked.store(false, Ordering::Release);
        self.overdue.store(0, Ordering::Release);
        if self.guest.must_stop() {
            self.isolate.terminate_execution();
            return;
        }
        // It ends when what it loads is there. Until then nothing is asked of it: to collect garbage at each look, which takes
        // longer than it is to the next, would leave it no instruction.
        if self.guest.ending().is_some() || !self.turns.is_running() {
            return;
        }
        let is_over = |isolate: &mut v8::Isolate| {
            let outside = isolate.get_heap_statistics().external_memory();
            outside.saturating_add(reserved::bytes(isolate)) > self.limits.outside
        };
        if is_over(isolate) {
            // What nobody has any more is none of it.
            isolate.low_memory_notification();
        }
        if self.buffers.are_over() || is_over(isolate) {
            self.guest.end(Ending::Limit("FATAL ERROR: JavaScript buffers out of memory".to_owned()));
            self.isolate.terminate_execution();
            return;
        }
        if !self.weigh(isolate) {
            self.isolate.terminate_execution();
            return;
        }
        if let Some(used) = self.turns.take_used_if_much() {
            self.guest.charge(used);
        }
        if self.turns.slice_is_over() {
            self.turns.pause();
            self.turns.resume();
        }
        // A busy guest has no other safe point: if it is stopped, it waits here until it continues.
        if self.guest.is_stopped() {
            let _ = self.guest.call(|_, _| Ok(()));
        }
    }
}

impl Running {
    /// Charges its session with what it has now. `false`: the session has no room for it, and it ends.
    fn weigh(&self, isolate: &mut v8::Isolate) -> bool {
        if self.weight.charge(&self.guest, isolate, &self.buffers) {
            return true;
        }
        // What nobody has any more is none of it.
        isolate.low_memory_notification();
        let mut charged = self.weight.charge(&self.guest, isolate, &self.buffers);
        // What programs had that have just ended is there in a moment.
        let until = Instant::now() + LEAVING_MAX;
        while !charged && self.lost.are_leaving() && !self.guest.must_stop() && Instant::now() < until {
            self.turns.pause();
            std::thread::sleep(LEAVING_PAUSE);
            self.turns.resume();
            charged = self.weight.charge(&self.guest, isolate, &self.buffers);
        }
        if charged {
            return true;
        }
        self.guest.end(Ending::Limit("FATAL ERROR: out of memory: the session has no more".to_owned()));
        false
    }
}

/// Charges the session of this thread's guest with what it has now; whether it may go on.
pub(crate) fn weigh_here(isolate: &mut v8::Isolate) -> bool {
    HERE.with(|here| here.borrow().clone()).is_none_or(|running| running.weigh(isolate))
}

/// Has the guest of this thread look, if there is one.
pub(crate) fn ask_here() {
    if let Some(running) = HERE.with(|here| here.borrow().clone()) {
        running.ask();
    }
}

/// Ends the guest of this thread for what the engine cannot make. If there is one, this does not come back.
pub(crate) fn exhaust_here(why: &str) {
    if let Some(running) = here() {
        running.stands_still(why, running.limits.heap);
    }
}

/// Ends the guest of this thread, on which native code panicked. If there is one, this does not come back.
pub(crate) fn fail_here() {
    if let Some(running) = here() {
        running.stands_still("FATAL ERROR: this program's runtime failed", 0);
    }
}

/// The guest of this thread, also while it is being looked for.
fn here() -> Option<Arc<Running>> {
    HERE.try_with(|here| here.try_borrow().ok().and_then(|here| here.clone())).ok().flatten()
}

/// On the isolate's thread, between two instructions of its script.
extern "C" fn interrupted(isolate: v8::UnsafeRawIsolatePtr, _: *mut c_void) {
    let running = HERE.with(|here| here.borrow().clone());
    if let Some(running) = running {
        // SAFETY: the engine calls this on the isolate's thread, with the isolate, which is there until it returns.
        running.look(&mut unsafe { v8::Isolate::from_raw_isolate_ptr(isolate) });
    }
}

/// A future on a thread of its own, which every wake-up unparks: who waits in the middle of a poll hears it too.
pub(crate) struct OnThread<F> {
    future: Pin<Box<F>>,
    waker: Option<Waker>,
}

struct Both {
    executor: Waker,
    thread: Thread,
}

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.executor.wake_by_ref();
        self.thread.unpark();
    }
}

impl<F: Future> OnThread<F> {
    /// For the thread it is polled on.
    pub(crate) fn new(future: F) -> OnThread<F> {
        OnThread { future: Box::pin(future), waker: None }
    }
}

impl<F: Future> Future for OnThread<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // The executor's stays the same: it has but this one.
        let both = || Waker::from(Arc::new(Both { executor: context.waker().clone(), thread: std::thread::current() }));
        let waker = self.waker.get_or_insert_with(both).clone();
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}
