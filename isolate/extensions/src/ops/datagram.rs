//! Datagrams: UDP inside the session.

use crate::guest::Guest;
use crate::ops::net::{Place, inet};
use crate::ops::stream::{count, descriptor, uv, waiting};
use deno_core::{JsBuffer, OpState, ToV8, op2};
use std::cell::RefCell;
use std::rc::Rc;
use warren_kernel::Errno;
use warren_kernel::socket::MessageFlags;
use warren_kernel::socket::receive::Incoming;
use warren_kernel::socket::send::Outgoing;

/// Sends one; how many bytes, or `EAGAIN` when its receiver has no room.
#[op2(fast)]
pub fn op_warren_send_to(state: &mut OpState, fd: i32, #[buffer] bytes: &[u8], #[string] host: &str, port: u32) -> i32 {
    let guest = state.borrow::<Guest>();
    count(inet(host, port).and_then(|to| {
        guest.attempt(|kernel, call| {
            let data = [bytes];
            let flags = MessageFlags::NOSIGNAL;
            kernel.send(call, descriptor(fd), &Outgoing { data: &data, to: Some(&to), rights: &[], flags })
        })
    }))
}

/// The same when there is room.
#[op2(async(deferred))]
pub async fn op_warren_send_to_waiting(
    state: Rc<RefCell<OpState>>,
    id: u32,
    fd: i32,
    #[buffer] bytes: JsBuffer,
    #[string] host: String,
    port: u32,
) -> i32 {
    let sent = waiting(state, id, async move |guest| {
        let to = inet(&host, port)?;
        let sent = guest.call_async(|kernel, call| {
            let data = [&bytes[..]];
            let flags = MessageFlags::NOSIGNAL;
            kernel.send(call, descriptor(fd), &Outgoing { data: &data, to: Some(&to), rights: &[], flags })
        });
        sent.await
    });
    count(sent.await)
}

/// A datagram that came.
#[derive(ToV8)]
pub struct Datagram {
    /// Bytes of it there was room for; negative is an error.
    pub count: i32,
    pub from: Option<Place>,
}

/// Takes the oldest datagram into a buffer.
#[op2]
pub fn op_warren_receive_from(state: &mut OpState, fd: i32, #[buffer] buffer: &mut [u8]) -> Datagram {
    let mut filled = 0;
    let wanted = Incoming::bytes(buffer.len());
    let received = state.borrow::<Guest>().attempt(|kernel, call| {
        kernel.receive(call, descriptor(fd), &wanted, &mut |part| {
            buffer[filled..filled + part.len()].copy_from_slice(part);
            filled += part.len();
        })
    });
    match received {
        Ok(received) => Datagram { count: count(Ok(received.count)), from: received.from.as_ref().and_then(Place::of) },
        Err(errno) => Datagram { count: uv(errno), from: None },
    }
}

const _: () = assert!(Errno::EAGAIN as u16 == 11, "scripts know it by its number");
