//! The real world under a session: the machine's clocks and random bytes, and tokio to wait with.

use std::time::Duration;
use tokio::runtime::Handle;
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

/// CPU time the calling thread has used, in nanoseconds.
pub(crate) fn thread_cpu_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Drives sessions on a tokio runtime: blocking work on its blocking pool, deadlines as timers.
#[derive(Clone, Debug)]
pub struct TokioDriver {
    handle: Handle,
}

impl TokioDriver {
    /// A driver on this runtime.
    pub fn new(handle: Handle) -> TokioDriver {
        TokioDriver { handle }
    }
}

impl Driver for TokioDriver {
    fn offload(&self, work: Box<dyn FnOnce() + Send>) {
        self.handle.spawn_blocking(work);
    }

    fn arm(&self, session: &Session, at: Monotonic) {
        let session = session.clone();
        let delay = at.since(SystemHost.monotonic());
        self.handle.spawn(async move {
            tokio::time::sleep(delay.min(Duration::from_secs(86_400))).await;
            session.tick();
        });
    }
}
