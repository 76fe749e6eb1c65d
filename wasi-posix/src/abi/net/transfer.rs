//! Moving bytes and descriptors through sockets.

use super::address::{NameOut, address};
use super::{Done, socket};
use crate::abi::cx::{Cx, Stop};
use crate::abi::preview1::rest_of;
use crate::memory::{self, Buffer, Scatter};
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::socket::receive::{Incoming, Received};
use warren_kernel::socket::send::Outgoing;
use warren_kernel::socket::{Address, Family, MessageFlags, RIGHTS_MAX, SocketKind, SocketStatus};

/// Bytes of one send that are looked at in one lock hold: more than any socket takes.
const CHUNK: usize = 4 << 20;

/// send(). libc tries it for write() too: what is no socket must be ENOTSOCK.
pub async fn net_send(cx: &mut Cx<'_>, fd: u32, buf: u32, len: u32, flags: u32, out: u32) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let fd = socket(cx, fd)?;
    let sent = send(cx, fd, &[Buffer { at: buf, len }], None, &[], flags).await?;
    Ok(memory::put_u32(cx.memory(), out, sent)?)
}

/// sendto(); without an address, as [`net_send`].
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_sendto(
    cx: &mut Cx<'_>,
    fd: u32,
    buf: u32,
    len: u32,
    flags: u32,
    addr: u32,
    addr_len: u32,
    out: u32,
) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let fd = socket(cx, fd)?;
    let to = if addr_len == 0 { None } else { Some(address(cx, addr, addr_len)?) };
    let sent = send(cx, fd, &[Buffer { at: buf, len }], to.as_ref(), &[], flags).await?;
    Ok(memory::put_u32(cx.memory(), out, sent)?)
}

/// recv(). As [`net_send`], for read(). With MSG_TRUNC the answer is a message's whole length.
pub async fn net_recv(cx: &mut Cx<'_>, fd: u32, buf: u32, len: u32, flags: u32, out: u32) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let fd = socket(cx, fd)?;
    let received = receive(cx, fd, &[Buffer { at: buf, len }], None, flags).await?;
    Ok(memory::put_u32(cx.memory(), out, told(&received, flags))?)
}

/// recvfrom(): the sender of a datagram; a stream has none, and an address of no bytes.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_recvfrom(
    cx: &mut Cx<'_>,
    fd: u32,
    buf: u32,
    len: u32,
    flags: u32,
    out: u32,
    addr: u32,
    addr_len: u32,
) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let fd = socket(cx, fd)?;
    let from = NameOut::new(cx, addr, addr_len)?;
    let received = receive(cx, fd, &[Buffer { at: buf, len }], None, flags).await?;
    from.put(cx, received.from.as_ref())?;
    Ok(memory::put_u32(cx.memory(), out, told(&received, flags))?)
}

/// sendmsg() with descriptors. Without any, and unless it is a Unix stream, the answer is ENOTSOCK: libc then takes
/// sendto(), which has the address this call has no room for.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn fd_sendmsg_rights(
    cx: &mut Cx<'_>,
    fd: u32,
    data: u32,
    len: u32,
    rights: u32,
    count: u32,
    flags: u32,
    out: u32,
) -> Done {
    if count as usize > RIGHTS_MAX {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(data, len), (rights, count * 4), (out, 4)])?;
    let fd = socket(cx, fd)?;
    let status = cx.with(|kernel, call| kernel.socket_status(call, fd))?;
    if count == 0 && has_addresses(&status) {
        return Err(Errno::ENOTSOCK.into());
    }
    // Linux passes over descriptors for a socket that cannot send any.
    let count = if has_addresses(&status) { 0 } else { count };
    let mut fds = Vec::with_capacity(count as usize);
    for index in 0..count {
        let number = memory::get_u32(cx.memory(), rights + index * 4)?;
        fds.push(cx.real(number)?);
    }
    let sent = send(cx, fd, &[Buffer { at: data, len }], None, &fds, flags).await?;
    Ok(memory::put_u32(cx.memory(), out, sent)?)
}

/// recvmsg() with room for descriptors. `out_flags` has bit 0 for cut data, bit 1 for descriptors there was no room
/// for, and above them the message's whole length. ENOTSOCK as in [`fd_sendmsg_rights`], when there is no room for any.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn fd_recvmsg_rights(
    cx: &mut Cx<'_>,
    fd: u32,
    data: u32,
    cap: u32,
    rights: u32,
    rights_cap: u32,
    flags: u32,
    out: u32,
    out_rights: u32,
    out_flags: u32,
) -> Done {
    let room = rights_cap.min(RIGHTS_MAX as u32);
    cx.check(&[(data, cap), (rights, room * 4), (out, 4), (out_rights, 4), (out_flags, 4)])?;
    let fd = socket(cx, fd)?;
    let status = cx.with(|kernel, call| kernel.socket_status(call, fd))?;
    if status.family != Family::Unix || room == 0 && has_addresses(&status) {
        return Err(Errno::ENOTSOCK.into());
    }
    let received = receive(cx, fd, &[Buffer { at: data, len: cap }], Some(room as usize), flags).await?;
    let memory = cx.memory();
    for (index, fd) in received.rights.iter().enumerate() {
        memory::put_u32(memory, rights + index as u32 * 4, fd.0)?;
    }
    let cut = u32::from(received.count < received.whole) | u32::from(received.rights_truncated) << 1;
    memory::put_u32(memory, out_rights, received.rights.len() as u32)?;
    memory::put_u32(memory, out_flags, cut | (received.whole as u32) << 2)?;
    Ok(memory::put_u32(memory, out, received.count as u32)?)
}

/// Whether messages of this socket have addresses.
fn has_addresses(status: &SocketStatus) -> bool {
    status.family != Family::Unix || status.kind == SocketKind::Datagram
}

// ---- preview1

/// preview1's numbers.
mod preview1_flags {
    pub(super) const PEEK: u32 = 1;
    pub(super) const WAITALL: u32 = 2;
    pub(super) const DATA_TRUNCATED: u16 = 1;
}

/// preview1's sock_recv().
pub async fn sock_recv(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32) -> Done {
    cx.check(&[(out, 4), (out_flags, 2)])?;
    let buffers = memory::buffers(cx.memory(), iovs, count)?;
    let fd = socket(cx, fd)?;
    if flags & !(preview1_flags::PEEK | preview1_flags::WAITALL) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut linux = MessageFlags::empty();
    linux.set(MessageFlags::PEEK, flags & preview1_flags::PEEK != 0);
    linux.set(MessageFlags::WAITALL, flags & preview1_flags::WAITALL != 0);
    let received = receive(cx, fd, &buffers, None, linux.bits()).await?;
    let cut = if received.count < received.whole { preview1_flags::DATA_TRUNCATED } else { 0 };
    memory::put_u16(cx.memory(), out_flags, cut)?;
    Ok(memory::put_u32(cx.memory(), out, received.count as u32)?)
}

/// preview1's sock_send(), which has no flags.
pub async fn sock_send(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, flags: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let buffers = memory::buffers(cx.memory(), iovs, count)?;
    let fd = socket(cx, fd)?;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let sent = send(cx, fd, &buffers, None, &[], 0).await?;
    Ok(memory::put_u32(cx.memory(), out, sent)?)
}

// ---- what they share

/// Sends all of it, as a blocking send() does: a stream takes what fits and the rest when there is room again. What
/// went in before an error counts; the error shows at the next call.
async fn send(
    cx: &mut Cx<'_>,
    fd: Fd,
    buffers: &[Buffer],
    to: Option<&Address>,
    rights: &[Fd],
    flags: u32,
) -> Result<u32, Stop> {
    let flags = MessageFlags::from_bits_truncate(flags);
    let total: usize = buffers.iter().map(|buffer| buffer.len as usize).sum();
    let mut sent = 0;
    loop {
        // Descriptors went with the first bytes.
        let rights = if sent == 0 { rights } else { &[] };
        let attempt = cx
            .call(|kernel, call, memory| {
                let data = rest_of(memory, buffers, sent, CHUNK);
                kernel.send(call, fd, &Outgoing { data: &data, to, rights, flags })
            })
            .await;
        match attempt {
            Ok(count) => {
                sent += count;
                if sent >= total || count == 0 {
                    break;
                }
            }
            Err(Stop::Errno(_)) if sent > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(sent as u32)
}

/// Receives what there is; with MSG_WAITALL, a stream's bytes until the buffers are full, the stream ends, or
/// descriptors came.
async fn receive(
    cx: &mut Cx<'_>,
    fd: Fd,
    buffers: &[Buffer],
    rights: Option<usize>,
    flags: u32,
) -> Result<Received, Stop> {
    let flags = MessageFlags::from_bits_truncate(flags);
    let mut scatter = Scatter::new(buffers);
    let mut all: Option<Received> = None;
    loop {
        let wanted = Incoming { want: scatter.room(), rights, flags };
        let attempt = cx
            .call(|kernel, call, memory| kernel.receive(call, fd, &wanted, &mut |bytes| scatter.put(memory, bytes)))
            .await;
        let received = match (attempt, all.take()) {
            (Ok(more), None) => more,
            (Ok(more), Some(before)) => {
                let ended = more.count == 0;
                let sum = Received { count: before.count + more.count, whole: before.whole + more.whole, ..more };
                if ended {
                    return Ok(sum);
                }
                sum
            }
            (Err(Stop::Errno(_)), Some(before)) => return Ok(before),
            (Err(stop), _) => return Err(stop),
        };
        let goes_on = flags.contains(MessageFlags::WAITALL) && !flags.contains(MessageFlags::PEEK);
        let came = !received.rights.is_empty() || received.rights_truncated;
        if !goes_on || came || received.count == 0 || scatter.room() == 0 || received.from.is_some() {
            return Ok(received);
        }
        if cx.with(|kernel, call| kernel.socket_status(call, fd))?.kind != SocketKind::Stream {
            return Ok(received);
        }
        all = Some(received);
    }
}

/// The length recv() tells.
fn told(received: &Received, flags: u32) -> u32 {
    let whole = flags & MessageFlags::TRUNC.bits() != 0;
    (if whole { received.whole } else { received.count }) as u32
}
