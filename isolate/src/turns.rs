//! How an isolate keeps to its turns: it is interrupted when its slice is over, and its thread waits for the next.

use deno_core::v8;
use std::cell::RefCell;
use std::ffi::c_void;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use warren_isolate_extensions::guest::{Ending, Guest};
use warren_share::Turns;

thread_local! {
    /// What runs on this thread.
    static HERE: RefCell<Option<Arc<Running>>> = const { RefCell::new(None) };
}

/// A guest that runs.
pub(crate) struct Running {
    isolate: v8::IsolateHandle,
    turns: Arc<Turns>,
    guest: Guest,
    /// Bytes its buffers and WebAssembly memories may have, outside the heap.
    outside_max: usize,
    /// It was asked to look, and has not yet.
    asked: AtomicBool,
}

impl Running {
    /// The guest of this thread.
    pub(crate) fn new(isolate: v8::IsolateHandle, turns: Arc<Turns>, guest: Guest, outside_max: usize) -> Arc<Running> {
        let running = Arc::new(Running { isolate, turns, guest, outside_max, asked: AtomicBool::new(false) });
        HERE.with(|here| *here.borrow_mut() = Some(running.clone()));
        running
    }

    /// Makes it look whether its slice is over, if it runs: from the ticker's thread.
    pub(crate) fn kick(&self) {
        if self.turns.is_running() {
            self.ask();
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
        if self.guest.must_stop() {
            self.isolate.terminate_execution();
            return;
        }
        if !self.turns.is_running() {
            return;
        }
        if isolate.get_heap_statistics().external_memory() > self.outside_max {
            self.guest.end(Ending::Limit("FATAL ERROR: JavaScript buffers out of memory".to_owned()));
            self.isolate.terminate_execution();
            return;
        }
        if let Some(used) = self.turns.take_used_if_much() {
            self.guest.with(|kernel, call| kernel.charge_cpu(call.pid, used));
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
