//! How a file operation waits: each is written once, and made in two ways.
//!
//! ```text
//! readFileSync ─▶ at_once(read_file(Parking)) ─▶ Guest::call         the guest's thread is parked in the call
//! readFile     ─▶ read_file(Waiting).await    ─▶ Guest::call_async   its event loop goes on
//! ```

use crate::guest::Guest;
use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use warren_kernel::id::Fd;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::{Call, Errno, Kernel, Step};

/// Makes the calls of one operation.
pub(crate) trait Calls {
    /// Makes one; `op` is made again after a wait, and has no effect before it is ready.
    async fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno>;

    /// Whose they are.
    fn guest(&self) -> &Guest;

    /// A descriptor that is closed with the value.
    fn keep(&self, fd: Fd) -> Kept {
        Kept { guest: self.guest().clone(), fd }
    }
}

/// Parks the guest's thread.
pub(crate) struct Parking<'a>(pub &'a Guest);

/// Gives the event loop its turn, when a call waits and now and then when none does.
pub(crate) struct Waiting<'a> {
    guest: &'a Guest,
    made: Cell<u32>,
}

/// Calls made in a row that do not wait: what else the guest does would stand still while a large tree is removed.
const IN_A_ROW: u32 = 16;

impl<'a> Waiting<'a> {
    /// For one operation of this guest.
    pub(crate) fn new(guest: &'a Guest) -> Waiting<'a> {
        Waiting { guest, made: Cell::new(0) }
    }
}

impl Calls for Parking<'_> {
    async fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        self.0.call(op)
    }

    fn guest(&self) -> &Guest {
        self.0
    }
}

impl Calls for Waiting<'_> {
    async fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        let made = self.made.get() + 1;
        self.made.set(made % IN_A_ROW);
        // Before the call: one that made something must not be given up between that and whoever keeps it.
        if made == IN_A_ROW {
            tokio::task::yield_now().await;
        }
        self.guest.call_async(op).await
    }

    fn guest(&self) -> &Guest {
        self.guest
    }
}

/// The result of an operation whose calls park.
pub(crate) fn at_once<T>(operation: impl Future<Output = T>) -> T {
    match pin!(operation).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("an operation whose calls park waits for nothing else"),
    }
}

/// A descriptor the operation uses for itself.
#[derive(Debug)]
pub(crate) struct Kept {
    guest: Guest,
    pub(crate) fd: Fd,
}

impl Kept {
    /// Whose it is.
    pub(crate) fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Where a name in it begins.
    pub(crate) fn at(&self) -> At {
        At::Fd(self.fd)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // It is open unless the guest closed the number itself, or the process is gone.
        let _ = self.guest.with(|kernel, call| kernel.close(call, self.fd));
    }
}

/// Opens a file and does something with it in the same call. It is closed again unless that is done: the call may be
/// made once more.
pub(crate) fn open_and<T>(
    kernel: &mut Kernel,
    call: &mut Call,
    (at, path, flags, mode): (At, &[u8], OpenFlags, Mode),
    then: impl FnOnce(&mut Kernel, &mut Call, Fd) -> Step<T>,
) -> Step<(Fd, T)> {
    // Children get what they are told to, and nothing beside.
    let fd = kernel.open(call, at, path, flags | OpenFlags::CLOEXEC, mode)?;
    match then(kernel, call, fd) {
        Ok(value) => Ok((fd, value)),
        Err(halt) => {
            let _ = kernel.close(call, fd);
            Err(halt)
        }
    }
}
