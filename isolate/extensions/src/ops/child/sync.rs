//! `spawnSync`: a child that is started and waited for while its parent's thread stands still.
//!
//! Input is fed, output is read and the end is waited for at the same time, so neither a child that reads late nor one
//! that writes much holds up the others. When it takes too long or says too much it is sent its signal and nothing more
//! is read, as Node does; what it started itself may go on. Whatever ends the parent ends this.

use super::request::Request;
use super::stdio::{Ends, Stdio};
use super::{Status, collect, start};
use crate::errno::SystemError;
use crate::guest::Guest;
use crate::sys::Environment;
use deno_core::convert::Uint8Array;
use deno_core::{OpState, ToV8, op2};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use warren_kernel::Errno;
use warren_kernel::host::Monotonic;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::process::ExitStatus;
use warren_kernel::process::group::Target;
use warren_kernel::signal::Signal;

/// Bytes of output that are kept, whatever `maxBuffer` says.
const OUTPUT_BYTES_MAX: usize = 128 << 20;
/// Bytes of one read or write.
const CHUNK: usize = 64 << 10;

/// How a child ended, and what it wrote.
#[derive(ToV8)]
pub struct Output {
    pub pid: u32,
    pub status: Status,
    pub stdout: Option<Uint8Array>,
    pub stderr: Option<Uint8Array>,
    /// What came by its descriptors from 3 on.
    pub more: Vec<Option<Uint8Array>>,
    pub killed_by_timeout: bool,
    pub killed_by_max_buffer: bool,
}

/// Why a child was sent its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    TooLate,
    TooMuch,
}

/// Starts a child and waits for it.
#[op2]
pub fn op_spawn_sync(state: &mut OpState, #[serde] request: Request) -> Result<Output, SystemError> {
    let guest = state.borrow::<Guest>().clone();
    let environment = state.borrow::<Environment>().clone();
    let failed = SystemError::of("spawnSync");
    let stdio = request.stdio().map_err(&failed)?;
    let signal = match &request.kill_signal {
        Some(named) => named.signal().map_err(&failed)?.unwrap_or(Signal::TERM),
        None => Signal::TERM,
    };
    let mut ends = Ends::make(&guest, &stdio).map_err(&failed)?;
    let what = request.spawn(&environment, &ends).map_err(&failed)?;
    let pid = start(&guest, &what).map_err(&failed)?;
    let mut ours = ends.take_ours();
    drop(ends);
    let mut take = |at: usize| ours.get_mut(at).and_then(Option::take).map(|fd| End { guest: guest.clone(), fd });
    let bounded = |bytes: f64| if bytes < OUTPUT_BYTES_MAX as f64 { bytes.max(0.0) as usize } else { OUTPUT_BYTES_MAX };
    let run = Run {
        guest: &guest,
        pid,
        signal,
        until: request.timeout.filter(|timeout| *timeout > 0.0).map(|timeout| deadline(&guest, timeout)),
        room: Cell::new(request.max_buffer.map_or(OUTPUT_BYTES_MAX, bounded)),
        killed: Cell::new(None),
    };
    let stdin = take(0);
    let pipes: Vec<Option<End>> = (1..stdio.len()).map(take).collect();
    let read: Vec<RefCell<Vec<u8>>> = pipes.iter().map(|_| RefCell::new(Vec::new())).collect();
    let input: &[u8] = request.input.as_deref().unwrap_or_default();
    let ended = guest.wait_for(run.to_its_end((stdin, input), pipes, &read));
    let status = ended.map_err(&failed)?.into();
    let mut written = stdio
        .iter()
        .skip(1)
        .zip(read)
        .map(|(kind, bytes)| (*kind == Stdio::Piped).then(|| Uint8Array::from(bytes.into_inner())));
    Ok(Output {
        pid: pid.0,
        status,
        stdout: written.next().flatten(),
        stderr: written.next().flatten(),
        more: written.collect(),
        killed_by_timeout: run.killed.get() == Some(Killed::TooLate),
        killed_by_max_buffer: run.killed.get() == Some(Killed::TooMuch),
    })
}

/// So many milliseconds from now.
fn deadline(guest: &Guest, milliseconds: f64) -> Monotonic {
    let nanoseconds = (milliseconds * 1e6) as u64;
    guest.with(|kernel, _| Monotonic(kernel.monotonic().0.saturating_add(nanoseconds)))
}

/// Our end of a pipe, closed with the value.
struct End {
    guest: Guest,
    fd: Fd,
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.guest.with(|kernel, call| kernel.close(call, self.fd));
    }
}

/// One child that is waited for.
struct Run<'a> {
    guest: &'a Guest,
    pid: Pid,
    /// What it is sent when it takes too long or writes too much.
    signal: Signal,
    until: Option<Monotonic>,
    /// Bytes it may still write.
    room: Cell<usize>,
    killed: Cell<Option<Killed>>,
}

impl Run<'_> {
    async fn to_its_end(
        &self,
        (stdin, input): (Option<End>, &[u8]),
        pipes: Vec<Option<End>>,
        read: &[RefCell<Vec<u8>>],
    ) -> Result<ExitStatus, Errno> {
        let mut feeding = pin!(running(self.feed(stdin, input)));
        let mut reading: Vec<_> =
            pipes.into_iter().zip(read).map(|(end, to)| Box::pin(running(self.read(end, to)))).collect();
        let mut late = pin!(running(self.late()));
        let mut ending = pin!(self.guest.call_async(|kernel, call| collect(kernel, call, self.pid)));
        let mut ended = None;
        poll_fn(|context| {
            if self.killed.get().is_none() {
                step(&mut feeding, context);
                reading.iter_mut().for_each(|pipe| step(pipe, context));
                step(&mut late, context);
            }
            if self.killed.get().is_some() {
                // Nothing more is fed or read: our ends are closed.
                feeding.set(None);
                reading.iter_mut().for_each(|pipe| pipe.set(None));
                late.set(None);
            }
            if ended.is_none()
                && let Poll::Ready(status) = ending.as_mut().poll(context)
            {
                ended = Some(status);
            }
            // An error of the waiting is the parent's own end.
            let silent = reading.iter().all(|pipe| pipe.is_none());
            match ended {
                Some(Err(errno)) => Poll::Ready(Err(errno)),
                Some(Ok(status)) if silent => Poll::Ready(Ok(status)),
                _ => Poll::Pending,
            }
        })
        .await
    }

    async fn feed(&self, end: Option<End>, mut input: &[u8]) {
        let Some(end) = end else { return };
        while !input.is_empty() {
            let chunk = &input[..input.len().min(CHUNK)];
            match self.guest.call_async(|kernel, call| kernel.write(call, end.fd, &[chunk])).await {
                Ok(count) => input = &input[count..],
                // It reads no more.
                Err(_) => return,
            }
        }
    }

    async fn read(&self, end: Option<End>, to: &RefCell<Vec<u8>>) {
        let Some(end) = end else { return };
        loop {
            let read = self.guest.call_async(|kernel, call| {
                let mut to = to.borrow_mut();
                kernel.read(call, end.fd, CHUNK, &mut |bytes| to.extend_from_slice(bytes))
            });
            match read.await {
                Ok(0) | Err(_) => return,
                Ok(count) if count > self.room.get() => return self.kill(Killed::TooMuch),
                Ok(count) => self.room.set(self.room.get() - count),
            }
        }
    }

    async fn late(&self) {
        let Some(until) = self.until else { return std::future::pending().await };
        // Interrupted it would begin anew; it has an end and loses nothing.
        if self.guest.call_async(|kernel, _| kernel.sleep_until(until)).await.is_ok() {
            self.kill(Killed::TooLate);
        }
    }

    fn kill(&self, why: Killed) {
        self.killed.set(Some(why));
        let sent = self.guest.with(|kernel, call| kernel.kill(call, Target::Process(self.pid), Some(self.signal)));
        if !matches!(sent, Ok(()) | Err(Errno::ESRCH)) {
            let _ = self.guest.with(|kernel, call| kernel.kill(call, Target::Process(self.pid), Some(Signal::KILL)));
        }
    }
}

/// Something that may be done, or given up.
fn running<F: Future<Output = ()>>(future: F) -> Option<F> {
    Some(future)
}

/// Lets it go on; it is none when it is done.
fn step<F: Future<Output = ()>>(
    running: &mut Pin<impl std::ops::DerefMut<Target = Option<F>>>,
    context: &mut Context<'_>,
) {
    let done = match running.as_mut().as_pin_mut() {
        Some(future) => future.poll(context).is_ready(),
        None => false,
    };
    if done {
        running.set(None);
    }
}
