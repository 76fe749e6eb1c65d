//! The channel of messages between a child that was forked and its parent: a socket of the kernel's with frames on it.
//!
//! ```text
//! process.send() ─▶ js/channel.js: value ─▶ bytes ─▶ write ─▶ socket ─▶ read ─▶ bytes ─▶ value ─▶ 'message'
//! ```
//! A frame is a line of JSON, or four bytes of length, the highest first, and V8's serialisation. The bytes are the guest's
//! own making on both sides; here they are counted and cut apart.

use crate::errno::SystemError;
use crate::guest::Guest;
use crate::sys::Environment;
use deno_core::convert::Uint8Array;
use deno_core::{
    AsyncRefCell, CancelFuture, CancelHandle, ExternalOpsTracker, JsBuffer, OpState, RcRef, Resource, ResourceId, op2,
};
use deno_error::JsErrorBox;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use warren_kernel::Errno;
use warren_kernel::id::Fd;

/// The variable that names a child's channel to it.
pub const NUMBER: &str = "NODE_CHANNEL_FD";
/// The variable that says what its frames are.
pub const MODE: &str = "NODE_CHANNEL_SERIALIZATION_MODE";

/// Bytes of one message, at most.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes that wait to be sent, at most.
const QUEUED_BYTES_MAX: usize = 64 << 20;
/// Bytes of one read.
const CHUNK: usize = 64 << 10;
/// Bytes of a frame's length.
const LENGTH: usize = 4;

/// The channel this process was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// Its descriptor.
    pub fd: Fd,
    advanced: bool,
}

impl Inherited {
    /// As the environment names it. The variables are taken away: they are not the program's, nor its children's.
    pub fn take(environment: &Environment) -> Option<Inherited> {
        let number = environment.get(NUMBER.as_bytes());
        let mode = environment.get(MODE.as_bytes());
        environment.remove(NUMBER.as_bytes());
        environment.remove(MODE.as_bytes());
        let fd = Fd(std::str::from_utf8(&number?).ok()?.parse().ok()?);
        Some(Inherited { fd, advanced: mode.is_some_and(|mode| mode == b"advanced") })
    }
}

struct Channel {
    guest: Guest,
    fd: Fd,
    incoming: AsyncRefCell<Incoming>,
    /// Held by who writes: a frame goes out whole.
    writing: AsyncRefCell<()>,
    queued: Cell<usize>,
    closed: Rc<CancelHandle>,
    /// Whether it keeps the event loop.
    kept: Cell<bool>,
    loop_: ExternalOpsTracker,
}

impl Resource for Channel {
    fn name(&self) -> Cow<'_, str> {
        "channel".into()
    }

    /// Nothing more is read. What was sent before goes out, and then the descriptor is closed.
    fn close(self: Rc<Self>) {
        self.closed.cancel();
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.keep(false);
        let _ = self.guest.with(|kernel, call| kernel.close(call, self.fd));
    }
}

impl Channel {
    fn keep(&self, keep: bool) {
        match (self.kept.replace(keep), keep) {
            (false, true) => self.loop_.ref_op(),
            (true, false) => self.loop_.unref_op(),
            _ => {}
        }
    }
}

/// Makes a channel of one end of a connection.
pub(super) fn open(state: &mut OpState, fd: Fd, advanced: bool) -> ResourceId {
    let channel = Channel {
        guest: state.borrow::<Guest>().clone(),
        fd,
        incoming: AsyncRefCell::new(Incoming { bytes: Vec::new(), advanced }),
        writing: AsyncRefCell::new(()),
        queued: Cell::new(0),
        closed: CancelHandle::new_rc(),
        kept: Cell::new(false),
        loop_: state.external_ops_tracker.clone(),
    };
    state.resource_table.add(channel)
}

/// What was read and is no whole frame yet.
struct Incoming {
    bytes: Vec<u8>,
    advanced: bool,
}

impl Incoming {
    /// Takes the first frame, if it is there.
    fn frame(&mut self, looked: usize) -> Result<Option<Vec<u8>>, Errno> {
        let (start, end, next) = if self.advanced {
            let Some(length) = self.bytes.first_chunk::<LENGTH>() else { return Ok(None) };
            let length = u32::from_be_bytes(*length) as usize;
            if length > MESSAGE_BYTES_MAX {
                return Err(Errno::EMSGSIZE);
            }
            (LENGTH, LENGTH + length, LENGTH + length)
        } else {
            let Some(end) = self.bytes.iter().skip(looked).position(|byte| *byte == b'\n') else { return Ok(None) };
            (0, looked + end, looked + end + 1)
        };
        if self.bytes.len() < next {
            return Ok(None);
        }
        let rest = self.bytes.split_off(next);
        let mut frame = std::mem::replace(&mut self.bytes, rest);
        frame.truncate(end);
        frame.drain(..start);
        Ok(Some(frame))
    }
}

fn channel(state: &OpState, id: ResourceId) -> Result<Rc<Channel>, JsErrorBox> {
    state.resource_table.get::<Channel>(id).map_err(JsErrorBox::from_err)
}

fn failed(syscall: &'static str) -> impl Fn(Errno) -> JsErrorBox {
    move |errno| JsErrorBox::from_err(SystemError::of(syscall)(errno))
}

/// The next message's bytes; none when the other side is gone, an error of class `Interrupted` when we closed it.
#[op2]
pub async fn op_warren_channel_read(
    state: Rc<RefCell<OpState>>,
    #[smi] id: ResourceId,
) -> Result<Option<Uint8Array>, JsErrorBox> {
    let channel = channel(&state.borrow(), id)?;
    let closed = channel.closed.clone();
    let read = async {
        let mut incoming = RcRef::map(&channel, |channel| &channel.incoming).borrow_mut().await;
        let mut looked = 0;
        loop {
            if let Some(frame) = incoming.frame(looked).map_err(failed("read"))? {
                return Ok(Some(Uint8Array::from(frame)));
            }
            looked = incoming.bytes.len();
            if looked > MESSAGE_BYTES_MAX {
                return Err(failed("read")(Errno::EMSGSIZE));
            }
            let fd = channel.fd;
            let bytes = &mut incoming.bytes;
            let read = channel
                .guest
                .call_async(|kernel, call| kernel.read(call, fd, CHUNK, &mut |more| bytes.extend_from_slice(more)));
            match read.await {
                Ok(0) | Err(Errno::ECONNRESET | Errno::EINTR) => return Ok(None),
                Ok(_) => {}
                Err(errno) => return Err(failed("read")(errno)),
            }
        }
    };
    read.or_cancel(closed).await.map_err(JsErrorBox::from_err)?
}

/// Sends one frame, after those before it.
#[op2]
pub async fn op_warren_channel_write(
    state: Rc<RefCell<OpState>>,
    #[smi] id: ResourceId,
    #[buffer] frame: JsBuffer,
) -> Result<(), JsErrorBox> {
    let channel = channel(&state.borrow(), id)?;
    let queued = channel.queued.get() + frame.len();
    if queued > QUEUED_BYTES_MAX {
        return Err(failed("write")(Errno::ENOBUFS));
    }
    channel.queued.set(queued);
    let written = {
        let _turn = RcRef::map(&channel, |channel| &channel.writing).borrow_mut().await;
        write(&channel, &frame).await
    };
    channel.queued.set(channel.queued.get() - frame.len());
    written.map_err(failed("write"))
}

async fn write(channel: &Channel, mut frame: &[u8]) -> Result<(), Errno> {
    while !frame.is_empty() {
        let chunk = &frame[..frame.len().min(CHUNK)];
        let count = channel.guest.call_async(|kernel, call| kernel.write(call, channel.fd, &[chunk])).await?;
        frame = &frame[count..];
    }
    Ok(())
}

/// Bytes that wait to be sent.
#[op2(fast)]
#[smi]
pub fn op_warren_channel_queued(state: &mut OpState, #[smi] id: ResourceId) -> u32 {
    channel(state, id).map_or(0, |channel| channel.queued.get() as u32)
}

/// Keeps the event loop until it is let go.
#[op2(fast)]
pub fn op_node_ipc_ref(state: &mut OpState, #[smi] id: ResourceId, _json: bool) {
    if let Ok(channel) = channel(state, id) {
        channel.keep(true);
    }
}

/// Lets the event loop end.
#[op2(fast)]
pub fn op_node_ipc_unref(state: &mut OpState, #[smi] id: ResourceId, _json: bool) {
    if let Ok(channel) = channel(state, id) {
        channel.keep(false);
    }
}

/// Whether this process was forked with a channel.
#[op2(fast)]
pub fn op_node_has_child_ipc_pipe(state: &mut OpState) -> bool {
    state.has::<Inherited>()
}

/// Its channel, once, and 1 when the messages are V8's serialisation.
#[op2]
pub fn op_node_child_ipc_pipe(state: &mut OpState) -> Option<(ResourceId, u8)> {
    let Inherited { fd, advanced } = state.try_take::<Inherited>()?;
    Some((open(state, fd, advanced), u8::from(advanced)))
}
