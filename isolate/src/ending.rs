//! How the session learns that a process of its ended, whatever happened.

use std::pin::pin;
use std::task::{Context, Waker};
use warren_kernel::Call;
use warren_kernel::Session;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Tells the session that a process ended, when it is dropped: by its program's end, or since the host failed it.
pub(crate) struct Obituary {
    session: Session,
    pid: Pid,
    status: ExitStatus,
    /// What is said on its standard error.
    why: Option<&'static str>,
}

impl Obituary {
    /// Of a process that has no isolate yet.
    pub(crate) fn new(session: &Session, pid: Pid) -> Obituary {
        let why = Some("FATAL ERROR: no isolate could be made for this program\n");
        Obituary { session: session.clone(), pid, status: ExitStatus::Signaled(Signal::ABRT), why }
    }

    /// It has one.
    pub(crate) fn has_begun(&mut self) {
        self.why = Some("FATAL ERROR: this program's runtime failed\n");
    }

    /// It came to its end.
    pub(crate) fn is_over(&mut self, status: ExitStatus) {
        self.status = status;
        self.why = None;
    }
}

impl Drop for Obituary {
    fn drop(&mut self) {
        if let Some(why) = self.why {
            // As much as there is room for: nobody may read it.
            let say = self
                .session
                .call(self.pid, |kernel, call: &mut Call| kernel.write(call, Fd::STDERR, &[why.as_bytes()]));
            let _ = pin!(say).poll(&mut Context::from_waker(Waker::noop()));
        }
        self.session.with(|kernel| kernel.exit(self.pid, self.status));
    }
}
