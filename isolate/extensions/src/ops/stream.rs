//! Streams: pipes, terminals and stream sockets, by the numbers of the guest's own descriptors.
//!
//! ```text
//! readStart ─▶ wait (readable) ─▶ read what is there ─▶ onread, again
//! write     ─▶ write what fits ─▶ write_all (the rest, as room comes) ─▶ oncomplete
//! ```
//! Waiting takes nothing, so a stream that is read no more has lost nothing, and one of two processes that share a pipe does not
//! take the other's bytes. Errors are libuv's: the number, negative.

use crate::guest::Guest;
use deno_core::{CancelFuture, CancelHandle, JsBuffer, OpState, ToV8, op2, v8};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use warren_kernel::id::Fd;
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::vfs::FileKind;
use warren_kernel::{Call, Errno, Kernel, Step};

/// Bytes one read gives, at most: what libuv suggests for its buffers.
const READ_BYTES_MAX: usize = 64 * 1024;
/// Waits of a guest at a time, at most: two for each descriptor it can have, and those of names.
pub(crate) const WAITS_MAX: usize = 16 * 1024;

/// What a guest waits for, by the numbers its handles chose.
#[derive(Default)]
pub struct Waits(HashMap<u32, Rc<CancelHandle>>);

/// A descriptor as a handle names it; no descriptor has a negative number.
pub(crate) fn descriptor(fd: i32) -> Fd {
    Fd(u32::try_from(fd).unwrap_or(u32::MAX))
}

/// An error as libuv has it.
pub(crate) fn uv(errno: Errno) -> i32 {
    -i32::from(errno.number())
}

/// The answer of a call that is about nothing but whether it did.
pub(crate) fn done(result: Result<(), Errno>) -> i32 {
    result.err().map_or(0, uv)
}

/// How many, or the error.
pub(crate) fn count(result: Result<usize, Errno>) -> i32 {
    result.map_or_else(uv, |count| i32::try_from(count).unwrap_or(i32::MAX))
}

/// Waits for a call under a number by which it can be called off: `ECANCELED` then.
pub(crate) async fn waiting<T>(
    state: Rc<RefCell<OpState>>,
    id: u32,
    op: impl AsyncFnOnce(Guest) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let cancel = CancelHandle::new_rc();
    let guest = {
        let mut state = state.borrow_mut();
        let guest = state.borrow::<Guest>().clone();
        let waits = &mut state.borrow_mut::<Waits>().0;
        if waits.len() >= WAITS_MAX {
            return Err(Errno::ENOBUFS);
        }
        waits.insert(id, cancel.clone());
        guest
    };
    let ended = op(guest).or_cancel(cancel).await;
    state.borrow_mut().borrow_mut::<Waits>().0.remove(&id);
    ended.unwrap_or(Err(Errno::ECANCELED))
}

/// Calls a wait off.
#[op2(fast)]
pub fn op_warren_cancel(state: &mut OpState, id: u32) {
    let waits = &mut state.borrow_mut::<Waits>().0;
    let found = waits.remove(&id);
    if let Some(cancel) = found {
        cancel.cancel();
    }
}

/// Gives a descriptor to a handle, which is to close it: 0, or the error when it is no stream.
#[op2(fast)]
pub fn op_warren_adopt(state: &mut OpState, fd: i32) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    let status = guest.call(|kernel, call| kernel.descriptor_status(call, descriptor(fd)));
    let adopted = status.and_then(|status| match status.kind {
        FileKind::Fifo | FileKind::Socket => Ok(()),
        _ if status.terminal => Ok(()),
        _ => Err(Errno::EINVAL),
    });
    done(adopted)
}

/// Closes a descriptor.
#[op2(fast)]
pub fn op_warren_close(state: &mut OpState, fd: i32) -> i32 {
    done(crate::ops::file::close(state, fd))
}

/// Waits until a read, or a write, would be answered at once.
#[op2(async(deferred), fast)]
pub async fn op_warren_wait(state: Rc<RefCell<OpState>>, id: u32, fd: i32, writes: bool) -> i32 {
    let events = if writes { PollEvents::OUT } else { PollEvents::IN };
    let ready = waiting(state, id, async move |guest| {
        let ready = guest.call_async(|kernel, call| {
            let mut polled = [PollFd { fd: Some(descriptor(fd)), events, found: PollEvents::empty() }];
            kernel.poll(call, &mut polled, None)
        });
        ready.await.map(|_| ())
    });
    done(ready.await)
}

/// What was read, or the error.
pub enum Taken {
    Bytes(Vec<u8>),
    Failed(Errno),
}

impl<'a> ToV8<'a> for Taken {
    type Error = std::convert::Infallible;

    fn to_v8(self, scope: &mut v8::PinScope<'a, '_>) -> Result<v8::Local<'a, v8::Value>, Self::Error> {
        Ok(match self {
            Taken::Bytes(bytes) => {
                let store = v8::ArrayBuffer::new_backing_store_from_vec(bytes).make_shared();
                v8::ArrayBuffer::with_backing_store(scope, &store).into()
            }
            Taken::Failed(errno) => v8::Integer::new(scope, uv(errno)).into(),
        })
    }
}

/// Reads what is there: an ArrayBuffer, empty at the end.
#[op2]
pub fn op_warren_read(state: &mut OpState, fd: i32) -> Taken {
    let mut bytes = Vec::new();
    let read = state.borrow::<Guest>().attempt(|kernel, call| {
        kernel.read(call, descriptor(fd), READ_BYTES_MAX, &mut |part| bytes.extend_from_slice(part))
    });
    read.map_or_else(Taken::Failed, |_| Taken::Bytes(bytes))
}

/// The same into a buffer; how many bytes.
#[op2(fast)]
pub fn op_warren_read_into(state: &mut OpState, fd: i32, #[buffer] buffer: &mut [u8]) -> i32 {
    let mut filled = 0;
    count(state.borrow::<Guest>().attempt(|kernel, call| {
        let want = buffer.len().min(READ_BYTES_MAX);
        kernel.read(call, descriptor(fd), want, &mut |part| {
            buffer[filled..filled + part.len()].copy_from_slice(part);
            filled += part.len();
        })
    }))
}

/// Writes what there is room for; how many bytes.
#[op2(fast)]
pub fn op_warren_write(state: &mut OpState, fd: i32, #[buffer] bytes: &[u8]) -> i32 {
    count(state.borrow::<Guest>().attempt(|kernel, call| kernel.write(call, descriptor(fd), &[bytes])))
}

/// Writes what there is room for of a text, in UTF-8 or Latin-1; how many bytes. `length` gets how many it has.
#[op2(fast)]
pub fn op_warren_write_text(
    state: &mut OpState,
    fd: i32,
    #[string] text: &str,
    latin1: bool,
    #[buffer] length: &mut [u32],
) -> i32 {
    let narrow: Vec<u8>;
    let bytes = if latin1 && !text.is_ascii() {
        narrow = text.chars().map(|character| character as u8).collect();
        &narrow
    } else {
        text.as_bytes()
    };
    if let Some(length) = length.first_mut() {
        *length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    }
    count(state.borrow::<Guest>().attempt(|kernel, call| kernel.write(call, descriptor(fd), &[bytes])))
}

/// Writes all of it, parking the guest until there was room for it.
#[op2(fast)]
pub fn op_warren_write_parked(state: &mut OpState, fd: i32, #[buffer] bytes: &[u8]) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    let mut written = 0;
    while written < bytes.len() {
        match guest.call(|kernel, call| kernel.write(call, descriptor(fd), &[&bytes[written..]])) {
            Ok(count) => written += count,
            Err(errno) => return uv(errno),
        }
    }
    count(Ok(written))
}

/// Writes all of it as there is room.
#[op2(async(deferred))]
pub async fn op_warren_write_all(state: Rc<RefCell<OpState>>, id: u32, fd: i32, #[buffer] bytes: JsBuffer) -> i32 {
    let written = waiting(state, id, async move |guest| {
        let mut written = 0;
        while written < bytes.len() {
            let part = |kernel: &mut Kernel, call: &mut Call| -> Step<usize> {
                kernel.write(call, descriptor(fd), &[&bytes[written..]])
            };
            written += guest.call_async(part).await?;
        }
        Ok(())
    });
    done(written.await)
}
