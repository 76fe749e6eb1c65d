//! The real world under a session: the machine's clocks and random bytes, and tokio to wait with.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use warren_kernel::Session;
use warren_kernel::host::{Host, Monotonic, Timestamp};
use warren_kernel::session::Driver;

/// The machine's clocks and randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemHost;

impl Host for SystemHost {
    fn monotonic(&self) -> Monotonic {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        Monotonic(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    }

    fn realtime(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        Timestamp(time.tv_sec * 1_000_000_000 + time.tv_nsec)
    }

    fn fill_random(&self, buf: &mut [u8]) {
        let mut filled = 0;
        while filled < buf.len() {
            match rustix::rand::getrandom(&mut buf[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                // Linux has had getrandom() since 3.17 and it cannot fail once seeded; without it no key is safe.
                Err(error) => panic!("getrandom: {error}"),
            }
        }
    }
}

/// How much nicer threads that run guests are than the process: beside a thread that answers clients they have about a
/// third of its part of a processor, and the system lets an answer go first. On a machine that has nothing else to do guests
/// have all of it.
pub const GUESTS_NICER: i32 = 5;

/// An executor for guests, of a thread for each processor. Its threads are behind others of the process
/// ([`GUESTS_NICER`]): who answers clients should run them on an executor of their own.
///
/// # Errors
/// The system's, when it gives no threads.
pub fn guests_executor() -> std::io::Result<tokio::runtime::Runtime> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all().thread_name("guests").on_thread_start(be_a_guests_thread);
    threads.build()
}

/// Puts the calling thread, which is to run guests, behind others of the process ([`GUESTS_NICER`]).
pub fn be_a_guests_thread() {
    // The number of the process is its first thread's, whose priority nobody changes.
    let nicer = rustix::process::getpriority_process(Some(rustix::process::getpid()))
        .and_then(|nice| rustix::process::setpriority_process(None, nice + GUESTS_NICER));
    if nicer.is_err() {
        tracing::debug!("a thread for guests keeps its priority");
    }
}

/// A thread's number.
#[derive(Clone, Copy, Debug)]
pub struct ThreadNumber(rustix::process::Pid);

impl ThreadNumber {
    /// The calling thread's.
    pub fn here() -> Option<ThreadNumber> {
        let link = std::fs::read_link("/proc/thread-self").ok()?;
        let number = link.file_name()?.to_str()?.parse().ok()?;
        rustix::process::Pid::from_raw(number).map(ThreadNumber)
    }

    /// Puts it behind all others of the machine.
    pub fn put_last(self) {
        const NICEST: i32 = 19;
        if rustix::process::setpriority_process(Some(self.0), NICEST).is_err() {
            tracing::debug!("a thread keeps its priority");
        }
    }
}

/// CPU time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    Duration::from_nanos(warren_share::thread_cpu_nanos())
}

/// Drives one session on a tokio runtime: blocking work on its blocking pool, deadlines as timers.
///
/// However often a guest moves its deadlines, one timer waits for the session: a later time finds an earlier one there
/// already, and an earlier one takes its place.
#[derive(Debug)]
pub struct TokioDriver {
    handle: Handle,
    timer: Arc<Mutex<Timer>>,
}

/// The timer that waits for a session, if one does.
#[derive(Debug, Default)]
struct Timer {
    waiting: Option<(Monotonic, AbortHandle)>,
    /// One higher each timer, so that one that was replaced while it went off does not take the next for itself.
    number: u64,
}

impl TokioDriver {
    /// A driver on this runtime.
    pub fn new(handle: Handle) -> TokioDriver {
        TokioDriver { handle, timer: Arc::default() }
    }
}

impl Driver for TokioDriver {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        self.handle.spawn_blocking(work);
    }

    fn arm(&self, session: &Session, at: Monotonic) {
        let mut timer = lock(&self.timer);
        if timer.waiting.as_ref().is_some_and(|(before, _)| *before <= at) {
            return;
        }
        timer.number += 1;
        let (number, shared, session) = (timer.number, self.timer.clone(), session.downgrade());
        let delay = at.since(SystemHost.monotonic());
        let task = self.handle.spawn(async move {
            tokio::time::sleep(delay.min(Duration::from_secs(86_400))).await;
            let mut timer = lock(&shared);
            if timer.number == number {
                timer.waiting = None;
            }
            drop(timer);
            if let Some(session) = session.upgrade() {
                session.tick();
            }
        });
        if let Some((_, before)) = timer.waiting.replace((at, task.abort_handle())) {
            before.abort();
        }
    }
}

impl Drop for TokioDriver {
    fn drop(&mut self) {
        if let Some((_, task)) = lock(&self.timer).waiting.take() {
            task.abort();
        }
    }
}

fn lock(timer: &Mutex<Timer>) -> MutexGuard<'_, Timer> {
    // Nothing panics while it is held.
    timer.lock().unwrap_or_else(PoisonError::into_inner)
}
