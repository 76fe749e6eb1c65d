//! host_net: sockets. Arguments are checked and texts become addresses here; the rest is the kernel's.
//!
//! `address` has the texts, `transfer` moves bytes and descriptors, `option` and `name` are what they say.

mod address;
mod name;
mod option;
mod transfer;

pub use name::{net_dns_query, net_getaddrinfo};
pub use option::{net_getsockopt, net_setsockopt};
pub use transfer::{
    fd_recvmsg_rights, fd_sendmsg_rights, net_recv, net_recvfrom, net_send, net_sendto, sock_recv, sock_send,
};

use super::cx::{Cx, FdRef, Stop};
use super::process::poll_records;
use crate::memory;
use address::{NameOut, address};
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::socket::{Family, Shutdown, SocketKind};
use warren_kernel::vfs::open::OpenFlags;

type Done = Result<(), Stop>;

/// wasi-libc's numbers for socket(). It has none for sequenced packets; 7 is the next.
mod libc_socket {
    pub(super) const INET: u32 = 1;
    pub(super) const INET6: u32 = 2;
    pub(super) const UNIX: u32 = 3;
    pub(super) const KIND: u32 = 0xf;
    pub(super) const DATAGRAM: u32 = 5;
    pub(super) const STREAM: u32 = 6;
    pub(super) const SEQUENCED_PACKET: u32 = 7;
    pub(super) const CLOEXEC: u32 = 0x2000;
    pub(super) const NONBLOCK: u32 = 0x4000;
    pub(super) const TCP: u32 = 6;
    pub(super) const UDP: u32 = 17;
}

// ---- making and naming

pub async fn net_socket(cx: &mut Cx<'_>, domain: u32, kind: u32, protocol: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let family = match domain {
        libc_socket::INET => Family::Inet,
        libc_socket::INET6 => Family::Inet6,
        libc_socket::UNIX => Family::Unix,
        _ => return Err(Errno::EAFNOSUPPORT.into()),
    };
    if kind & !(libc_socket::KIND | libc_socket::CLOEXEC | libc_socket::NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (socket, own) = match kind & libc_socket::KIND {
        libc_socket::STREAM => (SocketKind::Stream, libc_socket::TCP),
        libc_socket::DATAGRAM => (SocketKind::Datagram, libc_socket::UDP),
        libc_socket::SEQUENCED_PACKET => (SocketKind::SequencedPacket, 0),
        _ => return Err(Errno::EPROTONOSUPPORT.into()),
    };
    if protocol != 0 && (family == Family::Unix || protocol != own) {
        return Err(Errno::EPROTONOSUPPORT.into());
    }
    let flags = open_flags(kind & libc_socket::NONBLOCK != 0, kind & libc_socket::CLOEXEC != 0);
    let fd = cx.with(|kernel, call| kernel.socket(call, family, socket, flags))?;
    Ok(memory::put_u32(cx.memory(), out, fd.0)?)
}

/// socketpair() of Unix sockets: 1 streams, 2 datagrams, 3 sequenced packets.
pub async fn fd_socketpair(
    cx: &mut Cx<'_>,
    kind: u32,
    nonblock: u32,
    close_on_exec: u32,
    out_a: u32,
    out_b: u32,
) -> Done {
    cx.check(&[(out_a, 4), (out_b, 4)])?;
    let kind = match kind {
        1 => SocketKind::Stream,
        2 => SocketKind::Datagram,
        3 => SocketKind::SequencedPacket,
        _ => return Err(Errno::EPROTONOSUPPORT.into()),
    };
    let flags = open_flags(nonblock != 0, close_on_exec != 0);
    let (a, b) = cx.with(|kernel, call| kernel.socket_pair(call, kind, flags))?;
    memory::put_u32(cx.memory(), out_a, a.0)?;
    Ok(memory::put_u32(cx.memory(), out_b, b.0)?)
}

fn open_flags(nonblock: bool, close_on_exec: bool) -> OpenFlags {
    let mut flags = OpenFlags::empty();
    flags.set(OpenFlags::NONBLOCK, nonblock);
    flags.set(OpenFlags::CLOEXEC, close_on_exec);
    flags
}

pub async fn net_connect(cx: &mut Cx<'_>, fd: u32, addr: u32, len: u32) -> Done {
    let (fd, address) = (socket(cx, fd)?, address(cx, addr, len)?);
    cx.call(|kernel, call, _| kernel.connect(call, fd, &address)).await
}

pub async fn net_bind(cx: &mut Cx<'_>, fd: u32, addr: u32, len: u32) -> Done {
    let (fd, address) = (socket(cx, fd)?, address(cx, addr, len)?);
    cx.call(|kernel, call, _| kernel.bind(call, fd, &address)).await
}

pub async fn net_listen(cx: &mut Cx<'_>, fd: u32, backlog: u32) -> Done {
    let fd = socket(cx, fd)?;
    Ok(cx.with(|kernel, call| kernel.listen(call, fd, backlog))?)
}

pub async fn net_accept(cx: &mut Cx<'_>, fd: u32, out: u32, addr: u32, len: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let peer = NameOut::new(cx, addr, len)?;
    let fd = socket(cx, fd)?;
    let (new, name) = cx.call(|kernel, call, _| kernel.accept(call, fd, OpenFlags::empty())).await?;
    peer.put(cx, Some(&name))?;
    Ok(memory::put_u32(cx.memory(), out, new.0)?)
}

/// preview1's accept(); of its flags a socket has O_NONBLOCK alone.
pub async fn sock_accept(cx: &mut Cx<'_>, fd: u32, flags: u32, out: u32) -> Done {
    const NONBLOCK: u32 = 4;
    cx.check(&[(out, 4)])?;
    let fd = socket(cx, fd)?;
    if flags & !NONBLOCK != 0 {
        return Err(Errno::EINVAL.into());
    }
    let flags = open_flags(flags & NONBLOCK != 0, false);
    let (new, _) = cx.call(|kernel, call, _| kernel.accept(call, fd, flags)).await?;
    Ok(memory::put_u32(cx.memory(), out, new.0)?)
}

/// Whether a descriptor is a socket.
pub async fn net_validate(cx: &mut Cx<'_>, fd: u32) -> Done {
    socket(cx, fd)?;
    Ok(())
}

pub async fn net_getsockname(cx: &mut Cx<'_>, fd: u32, out: u32, len: u32) -> Done {
    let place = NameOut::new(cx, out, len)?;
    let fd = socket(cx, fd)?;
    let name = cx.with(|kernel, call| kernel.socket_name(call, fd))?;
    Ok(place.put(cx, Some(&name))?)
}

pub async fn net_getpeername(cx: &mut Cx<'_>, fd: u32, out: u32, len: u32) -> Done {
    let place = NameOut::new(cx, out, len)?;
    let fd = socket(cx, fd)?;
    let name = cx.with(|kernel, call| kernel.peer_name(call, fd))?;
    Ok(place.put(cx, Some(&name))?)
}

/// shutdown(): 1 reading, 2 writing, 3 both.
pub async fn sock_shutdown(cx: &mut Cx<'_>, fd: u32, how: u32) -> Done {
    let fd = socket(cx, fd)?;
    let how = match how {
        1 => Shutdown::Read,
        2 => Shutdown::Write,
        3 => Shutdown::Both,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(cx.with(|kernel, call| kernel.shutdown(call, fd, how))?)
}

/// TLS spoken by the host over a connection. Programs bring their own: what they trust is theirs to say.
pub async fn net_tls_connect(cx: &mut Cx<'_>, fd: u32, _host: u32, _len: u32) -> Done {
    let fd = socket(cx, fd)?;
    cx.with(|kernel, call| kernel.peer_name(call, fd))?;
    Err(Errno::EOPNOTSUPP.into())
}

/// The socket a number means. A preopened directory is open, and none.
fn socket(cx: &mut Cx<'_>, fd: u32) -> Result<Fd, Errno> {
    match cx.fd(fd) {
        FdRef::Real(fd) => cx.with(|kernel, call| kernel.socket_status(call, fd)).map(|_| fd),
        FdRef::Preopened(_) => Err(Errno::ENOTSOCK),
    }
}

// ---- readiness

/// poll() over any descriptors; a negative timeout is none.
pub async fn net_poll(cx: &mut Cx<'_>, fds: u32, count: u32, timeout_ms: u32, out: u32) -> Done {
    let timeout = u64::try_from(timeout_ms as i32).ok().map(Duration::from_millis);
    poll_records(cx, fds, count, timeout, out).await
}

/// Sets or clears O_NONBLOCK of any descriptor.
pub async fn net_set_nonblock(cx: &mut Cx<'_>, fd: u32, on: u32) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| {
        let append = kernel.descriptor_status(call, fd)?.append;
        Ok(kernel.set_status(call, fd, append, on != 0)?)
    })
    .await
}
