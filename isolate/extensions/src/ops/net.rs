//! Sockets: of the session's own network, and through it to the outside, as the kernel and its policy have it.

use crate::guest::Guest;
use crate::ops::stream::{descriptor, done, uv, waiting};
use deno_core::{OpState, ToV8, op2};
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::socket::{Address, Family, Host, Name, Shutdown, SocketKind, SocketOption};
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::{At, OpenFlags};

/// Kinds of socket, as the handles number them.
fn kind_of(number: u32) -> Option<(Family, SocketKind)> {
    Some(match number {
        0 => (Family::Inet, SocketKind::Stream),
        1 => (Family::Inet6, SocketKind::Stream),
        2 => (Family::Unix, SocketKind::Stream),
        3 => (Family::Inet, SocketKind::Datagram),
        4 => (Family::Inet6, SocketKind::Datagram),
        _ => return None,
    })
}

/// A descriptor's number, or the error.
pub(crate) fn numbered(result: Result<Fd, Errno>) -> i32 {
    result.map_or_else(uv, |fd| i32::try_from(fd.0).unwrap_or(i32::MAX))
}

/// Where a socket is to be, or to reach. What is no host is told as libuv tells it.
pub(crate) fn inet(host: &str, port: u32) -> Result<Address, Errno> {
    // A scope (`fe80::1%eth0`) names an interface, and a session has none but loopback.
    let host = host.split('%').next().unwrap_or(host);
    let host = Host::parse(host).ok_or(Errno::EINVAL)?;
    Ok(Address::Inet(host, u16::try_from(port).map_err(|_| Errno::EINVAL)?))
}

/// A Unix socket's name: a path, or after a zero one that is in no directory.
fn unix(path: &str) -> Address {
    match path.strip_prefix('\0') {
        Some(name) => Address::Abstract(name.as_bytes().to_vec()),
        None => Address::Path(path.as_bytes().to_vec()),
    }
}

/// A new socket.
#[op2(fast)]
pub fn op_warren_socket(state: &mut OpState, kind: u32) -> i32 {
    let Some((family, kind)) = kind_of(kind) else { return uv(Errno::EINVAL) };
    numbered(state.borrow::<Guest>().with(|kernel, call| kernel.socket(call, family, kind, OpenFlags::CLOEXEC)))
}

/// Gives a socket an address. `shares`: as libuv has it for TCP, one that was used before is free at once.
#[op2(fast)]
pub fn op_warren_bind(state: &mut OpState, fd: i32, #[string] host: &str, port: u32, shares: bool) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    done(inet(host, port).and_then(|address| {
        guest.call(|kernel, call| {
            kernel.set_socket_option(call, descriptor(fd), SocketOption::ReuseAddress(shares))?;
            kernel.bind(call, descriptor(fd), &address)
        })
    }))
}

/// Gives a Unix socket a name.
#[op2(fast)]
pub fn op_warren_bind_unix(state: &mut OpState, fd: i32, #[string] path: &str) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    done(guest.call(|kernel, call| kernel.bind(call, descriptor(fd), &unix(path))))
}

/// Lets others reach a Unix socket that was bound to a path.
#[op2(fast)]
pub fn op_warren_chmod(state: &mut OpState, #[string] path: &str, mode: u32) -> i32 {
    let guest = state.borrow::<Guest>().clone();
    done(guest.call(|kernel, call| kernel.chmod(call, At::Cwd, path.as_bytes(), Mode::new(mode))))
}

/// Takes the path of a Unix socket away with it, as libuv does.
#[op2(fast)]
pub fn op_warren_unlink(state: &mut OpState, #[string] path: &str) {
    let guest = state.borrow::<Guest>().clone();
    // Whoever moved or removed it first has had it.
    let _ = guest.call(|kernel, call| kernel.unlink(call, At::Cwd, path.as_bytes()));
}

#[op2(fast)]
pub fn op_warren_listen(state: &mut OpState, fd: i32, backlog: i32) -> i32 {
    let backlog = u32::try_from(backlog).unwrap_or(0);
    done(state.borrow::<Guest>().with(|kernel, call| kernel.listen(call, descriptor(fd), backlog)))
}

/// The oldest connection that waits: its descriptor, or `EAGAIN`.
#[op2(fast)]
pub fn op_warren_accept(state: &mut OpState, fd: i32) -> i32 {
    let guest = state.borrow::<Guest>();
    numbered(guest.attempt(|kernel, call| kernel.accept(call, descriptor(fd), OpenFlags::CLOEXEC)).map(|(fd, _)| fd))
}

/// Connects to a host's port.
#[op2(async(deferred), fast)]
pub async fn op_warren_connect(
    state: Rc<RefCell<OpState>>,
    id: u32,
    fd: i32,
    #[string] host: String,
    port: u32,
) -> i32 {
    let connected = waiting(state, id, async move |guest| {
        let address = inet(&host, port)?;
        guest.call_async(|kernel, call| kernel.connect(call, descriptor(fd), &address)).await
    });
    done(connected.await)
}

/// Connects to a Unix socket.
#[op2(async(deferred), fast)]
pub async fn op_warren_connect_unix(state: Rc<RefCell<OpState>>, id: u32, fd: i32, #[string] path: String) -> i32 {
    let connected = waiting(state, id, async move |guest| {
        let address = unix(&path);
        guest.call_async(|kernel, call| kernel.connect(call, descriptor(fd), &address)).await
    });
    done(connected.await)
}

/// Ends what is sent. A pipe's end is that of its descriptor.
#[op2(fast)]
pub fn op_warren_shutdown(state: &mut OpState, fd: i32) -> i32 {
    let guest = state.borrow::<Guest>();
    match guest.with(|kernel, call| kernel.shutdown(call, descriptor(fd), Shutdown::Write)) {
        Err(Errno::ENOTSOCK) => 0,
        result => done(result),
    }
}

/// An option of a socket: 0 TCP_NODELAY, 1 SO_KEEPALIVE, 2 SO_LINGER of no time.
#[op2(fast)]
pub fn op_warren_option(state: &mut OpState, fd: i32, option: u32, on: bool) -> i32 {
    let option = match option {
        0 => SocketOption::NoDelay(on),
        1 => SocketOption::KeepAlive(on),
        2 => SocketOption::Linger(on.then_some(0)),
        _ => return uv(Errno::EINVAL),
    };
    done(state.borrow::<Guest>().with(|kernel, call| kernel.set_socket_option(call, descriptor(fd), option)))
}

/// An address and a port as scripts have them.
#[derive(ToV8)]
pub struct Place {
    pub address: String,
    pub family: &'static str,
    pub port: u32,
}

impl Place {
    pub(crate) fn of(name: &Name) -> Option<Place> {
        let Name::Inet(at) = name else { return None };
        let family = if matches!(at.ip(), IpAddr::V4(_)) { "IPv4" } else { "IPv6" };
        Some(Place { address: at.ip().to_string(), family, port: u32::from(at.port()) })
    }
}

/// Where a socket is, or its peer; nothing when it has no such address. `error` gets why, Linux's number.
#[op2]
pub fn op_warren_name(state: &mut OpState, fd: i32, peer: bool, #[buffer] error: &mut [u32]) -> Option<Place> {
    let named = state.borrow::<Guest>().with(|kernel, call| {
        if peer { kernel.peer_name(call, descriptor(fd)) } else { kernel.socket_name(call, descriptor(fd)) }
    });
    if let Some(error) = error.first_mut() {
        *error = named.as_ref().err().map_or(0, |errno| u32::from(errno.number()));
    }
    named.ok().as_ref().and_then(Place::of)
}
