//! How the session learns that a process of its ended, whatever happened.

use std::time::Duration;
use warren_isolate_extensions::guest::Guest;
use warren_kernel::id::Fd;
use warren_kernel::process::ExitStatus;
use warren_kernel::signal::Signal;

/// Tells the session that a process ended, when it is dropped: by its program's end, or since the host failed it. What was told before
/// holds.
pub(crate) struct Obituary {
    guest: Guest,
    status: ExitStatus,
    /// What is said on its standard error.
    why: Option<&'static str>,
}

impl Obituary {
    /// Of a process that has no isolate yet.
    pub(crate) fn new(guest: &Guest) -> Obituary {
        let why = Some("FATAL ERROR: no isolate could be made for this program\n");
        Obituary { guest: guest.clone(), status: ExitStatus::Signaled(Signal::ABRT), why }
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
            let _ = self.guest.attempt(|kernel, call| kernel.write(call, Fd::STDERR, &[why.as_bytes()]));
        }
        self.guest.exit(self.status, Duration::ZERO);
    }
}
