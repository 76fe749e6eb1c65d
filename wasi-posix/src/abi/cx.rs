//! What a host function works with: the guest's memory, its session, and the ways it can stop.

use crate::errno::wasi;
use crate::guest::{End, Guest, Preopens, end_of};
use crate::memory;
use warren_kernel::id::Fd;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::open::At;
use warren_kernel::{Call, CallError, Errno, Kernel, Step};
use wasmtime::{AsContext, AsContextMut, Caller};

/// Handlers that may run one in another (each has a stack of its own); a signal beyond that waits.
const HANDLERS_MAX: u32 = 8;
/// Signals handled at one safe point; more wait for the next.
const DELIVERIES_MAX: u32 = 64;

/// A host function's call.
pub struct Cx<'a> {
    caller: Caller<'a, Guest>,
}

/// Why a host function gave no value.
#[derive(Debug)]
pub enum Stop {
    /// The guest gets this number.
    Errno(Errno),
    /// The guest's image ends here.
    End(End),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Stop {
        Stop::Errno(errno)
    }
}

fn ended(stop: Stop) -> wasmtime::Error {
    match stop {
        Stop::End(end) => end.into(),
        Stop::Errno(errno) => End::Faulted(Signal::KILL, errno.to_string()).into(),
    }
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Stop {
        match error {
            CallError::Interrupted { .. } => Stop::Errno(Errno::EINTR),
            CallError::Failed(errno) => Stop::Errno(errno),
            CallError::Doomed(signal) => Stop::End(End::Signaled(signal)),
        }
    }
}

/// What a host function may answer, and how a failure looks to the guest.
pub(crate) trait Answer: Sized {
    /// The WebAssembly result.
    type Wasm;
    /// A value.
    fn value(self) -> Self::Wasm;
    /// A failure.
    fn failure(errno: Errno) -> Self::Wasm;
}

impl Answer for () {
    type Wasm = i32;
    fn value(self) -> i32 {
        0
    }
    fn failure(errno: Errno) -> i32 {
        i32::from(wasi(errno))
    }
}

/// A word given back directly; a failure is 0.
#[derive(Debug)]
pub struct Word(pub u32);

impl Answer for Word {
    type Wasm = i32;
    fn value(self) -> i32 {
        self.0 as i32
    }
    fn failure(_: Errno) -> i32 {
        0
    }
}

/// A long word given back directly; a failure is all ones.
#[derive(Debug)]
pub struct Long(pub u64);

impl Answer for Long {
    type Wasm = i64;
    fn value(self) -> i64 {
        self.0 as i64
    }
    fn failure(_: Errno) -> i64 {
        -1
    }
}

/// A long word given back directly; a failure is 0.
#[derive(Debug)]
pub struct LongOrZero(pub u64);

impl Answer for LongOrZero {
    type Wasm = i64;
    fn value(self) -> i64 {
        self.0 as i64
    }
    fn failure(_: Errno) -> i64 {
        0
    }
}

/// Linux's number given back directly instead of WASI's; 0 is success.
#[derive(Debug)]
pub struct LinuxErrno;

impl Answer for LinuxErrno {
    type Wasm = i32;
    fn value(self) -> i32 {
        0
    }
    fn failure(errno: Errno) -> i32 {
        i32::from(errno.number())
    }
}

/// Never given: the guest has ended.
#[derive(Debug)]
pub enum Never {}

impl Answer for Never {
    type Wasm = ();
    fn value(self) {
        match self {}
    }
    fn failure(_: Errno) {}
}

/// The bit of a descriptor number that names a preopened directory.
const PREOPEN_BIT: u32 = 0x4000_0000;
/// The working directory, preopened; paths relative to it have this number without the bit in some of the ABI's calls.
const PREOPEN_CWD: u32 = 3;
/// The root directory, preopened.
const PREOPEN_ROOT: u32 = 4;

/// What a descriptor number of the guest means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FdRef {
    /// A descriptor of the process.
    Real(Fd),
    /// A preopened directory: the working directory or the root.
    Preopened(At),
}

impl<'a> Cx<'a> {
    /// A safe point: a process that was killed ends here, before the call has any effect; one that is stopped waits;
    /// one that catches a signal handles it.
    pub(crate) async fn enter(caller: Caller<'a, Guest>) -> wasmtime::Result<Cx<'a>> {
        let mut cx = Cx { caller };
        if !cx.guest().doom.is_clear() {
            cx.handle_signals().await.map_err(ended)?;
        }
        Ok(cx)
    }

    /// The answer in WebAssembly's terms, and another safe point.
    pub(crate) async fn leave<T: Answer>(mut self, answer: Result<T, Stop>) -> wasmtime::Result<T::Wasm> {
        let answer = match answer {
            Ok(value) => value.value(),
            Err(Stop::Errno(errno)) => T::failure(errno),
            Err(Stop::End(end)) => return Err(end.into()),
        };
        if !self.guest().doom.is_clear() {
            self.handle_signals().await.map_err(ended)?;
        }
        Ok(answer)
    }

    /// Runs the handlers of the signals that have arrived, in order, each through the guest's trampoline. `None` if there
    /// was none to run; otherwise whether all were set with SA_RESTART.
    async fn handle_signals(&mut self) -> Result<Option<bool>, Stop> {
        let mut restart = None;
        for _ in 0..DELIVERIES_MAX {
            let guest = self.guest();
            let pid = guest.pid;
            let next = match (guest.trampoline.clone(), guest.handlers < HANDLERS_MAX, guest.stacks.take()) {
                (Some(trampoline), true, Some(stack)) => Some((trampoline, stack)),
                // Nothing to run it with now: it stays pending.
                _ => None,
            };
            let session = guest.session.clone();
            // Made as a call, so that a stopped process waits here and a killed one ends.
            let delivery = session.call(pid, |kernel, _| {
                if next.is_some() {
                    return Ok(kernel.next_delivery(pid));
                }
                kernel.attended(pid);
                Ok(None)
            });
            let delivery = delivery.await;
            let (Some(delivery), Some((trampoline, _stack))) = (delivery?, next) else { return Ok(restart) };
            restart = Some(restart.unwrap_or(true) && delivery.restarts);
            self.guest_mut().handlers += 1;
            let signal = i32::from(delivery.signal.number());
            let handled = trampoline.call_async(&mut *self, signal).await;
            self.guest_mut().handlers -= 1;
            handled.map_err(|error| Stop::End(end_of(error)))?;
            self.with(|kernel, call| kernel.set_blocked(call, delivery.before))?;
        }
        Ok(restart)
    }

    /// The guest.
    pub fn guest(&self) -> &Guest {
        self.caller.data()
    }

    /// The guest, to change what its libc has set.
    pub fn guest_mut(&mut self) -> &mut Guest {
        self.caller.data_mut()
    }

    /// Its memory; none is empty, and every access a fault.
    pub fn memory(&mut self) -> &mut [u8] {
        self.split().0
    }

    fn split(&mut self) -> (&mut [u8], &mut Guest) {
        if self.caller.data().memory.is_none() {
            let found = self.caller.get_export("memory").and_then(wasmtime::Extern::into_memory);
            self.caller.data_mut().memory = found;
        }
        match self.caller.data().memory {
            Some(memory) => memory.data_and_store_mut(&mut self.caller),
            None => (&mut [], self.caller.data_mut()),
        }
    }

    /// Makes a system call that may wait; `op` also gets the memory, which nobody else touches meanwhile.
    ///
    /// # Errors
    /// The call's errno, or the end of the process.
    pub async fn call<T>(
        &mut self,
        op: impl FnMut(&mut Kernel, &mut Call, &mut [u8]) -> Step<T> + Unpin,
    ) -> Result<T, Stop> {
        self.guest_mut().polls.reset();
        self.call_quietly(op).await
    }

    /// As [`Cx::call`], for a call that a guest may make in a loop while it waits for something.
    pub(crate) async fn call_quietly<T>(
        &mut self,
        mut op: impl FnMut(&mut Kernel, &mut Call, &mut [u8]) -> Step<T> + Unpin,
    ) -> Result<T, Stop> {
        loop {
            let (memory, guest) = self.split();
            let pid = guest.pid;
            match guest.session.call(pid, |kernel, call| op(kernel, call, memory)).await {
                Err(CallError::Interrupted { restarts }) => match self.handle_signals().await? {
                    // Another process may have taken the signal back: no handler, no interruption.
                    None if self.guest().doom.is_clear() => {}
                    Some(true) if restarts => {}
                    _ => return Err(Errno::EINTR.into()),
                },
                result => return Ok(result?),
            }
        }
    }

    /// Between two parts of a long call: others have their turn if this guest's slice is over.
    pub(crate) async fn breathe(&self) {
        if self.guest().turns.slice_is_over() {
            self.guest().turns.give_way().await;
        }
    }

    /// Makes a system call that cannot wait.
    pub fn with<T>(&mut self, op: impl FnOnce(&mut Kernel, &Call) -> T) -> T {
        let guest = self.guest();
        let call = Call::new(guest.pid);
        guest.session.with(|kernel| op(kernel, &call))
    }

    /// A path argument, copied: at most PATH_MAX bytes and the kernel checks the rest.
    ///
    /// # Errors
    /// `EFAULT`; `ENAMETOOLONG`.
    pub fn path(&mut self, at: u32, len: u32) -> Result<Vec<u8>, Errno> {
        if len as usize > warren_kernel::vfs::PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(memory::slice(self.memory(), at, len)?.to_vec())
    }

    /// Bytes of an argument, copied; longer than `max` is refused with `too_long`.
    ///
    /// # Errors
    /// `EFAULT`; `too_long`.
    pub fn bytes(&mut self, at: u32, len: u32, max: usize, too_long: Errno) -> Result<Vec<u8>, Errno> {
        if len as usize > max {
            return Err(too_long);
        }
        Ok(memory::slice(self.memory(), at, len)?.to_vec())
    }

    /// Checks that these ranges can be written, before any effect.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn check(&mut self, ranges: &[(u32, u32)]) -> Result<(), Errno> {
        let memory = self.memory();
        ranges.iter().try_for_each(|(at, len)| memory::check(memory, *at, *len))
    }

    /// What a descriptor number means. Only a number with the bit is a preopened directory: 3 without it is what the
    /// program opened there, and nothing after it closed that.
    pub fn fd(&mut self, number: u32) -> FdRef {
        let is_virtual = matches!(self.guest().preopens, Preopens::Virtual { .. });
        match number & !PREOPEN_BIT {
            PREOPEN_CWD if is_virtual && number & PREOPEN_BIT != 0 => FdRef::Preopened(At::Cwd),
            PREOPEN_ROOT if is_virtual && number & PREOPEN_BIT != 0 => FdRef::Preopened(At::Root),
            _ => FdRef::Real(Fd(number)),
        }
    }

    /// A descriptor that must be real.
    ///
    /// # Errors
    /// `EBADF` for a preopened directory.
    pub fn real(&mut self, number: u32) -> Result<Fd, Errno> {
        match self.fd(number) {
            FdRef::Real(fd) => Ok(fd),
            FdRef::Preopened(_) => Err(Errno::EBADF),
        }
    }

    /// Where a path relative to this descriptor begins; all ones is the working directory. Some of the ABI's calls give
    /// 3 and 4 for the preopened directories whatever else 3 and 4 are; no path is relative to a descriptor that is no
    /// directory.
    pub fn at(&mut self, number: u32) -> At {
        if number == u32::MAX {
            return At::Cwd;
        }
        let fd = match self.fd(number) {
            FdRef::Real(fd) => fd,
            FdRef::Preopened(at) => return at,
        };
        if !matches!(number, PREOPEN_CWD | PREOPEN_ROOT) || !matches!(self.guest().preopens, Preopens::Virtual { .. }) {
            return At::Fd(fd);
        }
        let (is_open, is_directory) = self.with(|kernel, call| {
            let open = kernel.process(call.pid).is_ok_and(|process| process.descriptors.get(fd).is_ok());
            (open, kernel.is_directory(call, fd))
        });
        match number {
            PREOPEN_CWD if !is_directory => At::Cwd,
            PREOPEN_ROOT if !is_open => At::Root,
            _ => At::Fd(fd),
        }
    }
}

impl std::fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx").field("pid", &self.guest().pid).finish_non_exhaustive()
    }
}

impl AsContext for Cx<'_> {
    type Data = Guest;
    fn as_context(&self) -> wasmtime::StoreContext<'_, Guest> {
        self.caller.as_context()
    }
}

impl AsContextMut for Cx<'_> {
    fn as_context_mut(&mut self) -> wasmtime::StoreContextMut<'_, Guest> {
        self.caller.as_context_mut()
    }
}
