//! host_net: sockets, of which there is only the front. Arguments are checked, addresses are parsed and asked of the
//! policy, so that a refusal is an event with the address in it; behind that nothing is ever connected.
//!
//! Addresses are texts: `host:port`, `[v6]:port`, `unix:/path` and its variants. Names are resolved from /etc/hosts
//! alone. A name the policy allows, and nothing here knows, is EHOSTUNREACH: there is no resolver yet, and EAGAIN
//! would have programs ask again for ever.

use super::cx::{Cx, FdRef, Stop};
use super::process::poll_records;
use crate::memory;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use warren_kernel::policy::Domain;
use warren_kernel::socket::{Address, Family, HOST_MAX, Host, Socket, SocketKind};
use warren_kernel::vfs::PATH_MAX;
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{Call, Errno, Halt, Kernel, Step};

type Done = Result<(), Stop>;

/// Bytes of an address' text, at most: a path in hexadecimal, and the word before it.
const ADDRESS_MAX: usize = 2 * PATH_MAX + 16;
/// Bytes of a service's name, at most (RFC 6335 has 15).
const SERVICE_MAX: usize = 32;
/// Bytes of /etc/hosts, at most.
const HOSTS_MAX: usize = 1 << 20;
/// Addresses of one name, at most.
const ANSWERS_MAX: usize = 32;

/// wasi-libc's numbers for socket().
mod libc_socket {
    pub(super) const INET: u32 = 1;
    pub(super) const INET6: u32 = 2;
    pub(super) const UNIX: u32 = 3;
    pub(super) const KIND: u32 = 0xf;
    pub(super) const DATAGRAM: u32 = 5;
    pub(super) const STREAM: u32 = 6;
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
        _ => return Err(Errno::EPROTONOSUPPORT.into()),
    };
    if protocol != 0 && (family == Family::Unix || protocol != own) {
        return Err(Errno::EPROTONOSUPPORT.into());
    }
    let mut flags = OpenFlags::empty();
    flags.set(OpenFlags::CLOEXEC, kind & libc_socket::CLOEXEC != 0);
    flags.set(OpenFlags::NONBLOCK, kind & libc_socket::NONBLOCK != 0);
    let fd = cx.with(|kernel, call| kernel.socket(call, family, socket, flags))?;
    Ok(memory::put_u32(cx.memory(), out, fd.0)?)
}

pub async fn net_connect(cx: &mut Cx<'_>, fd: u32, addr: u32, len: u32) -> Done {
    socket(cx, fd)?;
    let (fd, address) = (cx.real(fd)?, address(cx, addr, len)?);
    cx.call(|kernel, call, _| kernel.connect(call, fd, &address)).await
}

pub async fn net_bind(cx: &mut Cx<'_>, fd: u32, addr: u32, len: u32) -> Done {
    socket(cx, fd)?;
    let (fd, address) = (cx.real(fd)?, address(cx, addr, len)?);
    Ok(cx.with(|kernel, call| kernel.bind(call, fd, &address))?)
}

pub async fn net_listen(cx: &mut Cx<'_>, fd: u32, _backlog: u32) -> Done {
    socket(cx, fd)?;
    let fd = cx.real(fd)?;
    Ok(cx.with(|kernel, call| kernel.listen(call, fd))?)
}

/// Whether a descriptor is a socket.
pub async fn net_validate(cx: &mut Cx<'_>, fd: u32) -> Done {
    socket(cx, fd)?;
    Ok(())
}

/// The socket a number means. A preopened directory is open, and none.
fn socket(cx: &mut Cx<'_>, fd: u32) -> Result<Socket, Errno> {
    match cx.fd(fd) {
        FdRef::Real(fd) => cx.with(|kernel, call| kernel.socket_of(call, fd)),
        FdRef::Preopened(_) => Err(Errno::ENOTSOCK),
    }
}

fn address(cx: &mut Cx<'_>, at: u32, len: u32) -> Result<Address, Errno> {
    let text = cx.bytes(at, len, ADDRESS_MAX, Errno::ENAMETOOLONG)?;
    parse_address(&text).ok_or(Errno::EINVAL)
}

/// An address from its text. The libc of older packages writes IPv6 without brackets, and a Unix path as it is.
fn parse_address(text: &[u8]) -> Option<Address> {
    if let Some(path) = text.strip_prefix(b"unix:") {
        return (!path.is_empty()).then(|| Address::Path(path.to_vec()));
    }
    if let Some(hex) = text.strip_prefix(b"unix-path-hex:") {
        return unhex(hex).filter(|path| !path.is_empty()).map(Address::Path);
    }
    if let Some(hex) = text.strip_prefix(b"unix-abstract:") {
        return unhex(hex).map(Address::Abstract);
    }
    match text {
        b"unix-autobind" => return Some(Address::Autobind),
        b"unix-unnamed" | b"" => return None,
        _ if text[0] == b'/' || !text.contains(&b':') => return Some(Address::Path(text.to_vec())),
        _ => {}
    }
    let (host, port) = std::str::from_utf8(text).ok()?.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']').filter(|host| host.contains(':'))?,
        None => host,
    };
    let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    Some(Address::Inet(Host::parse(host)?, port))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

// ---- moving bytes

macro_rules! needs_connection {
    ($($(#[$doc:meta])* $name:ident($($arg:ident),*);)*) => {$(
        $(#[$doc])*
        #[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
        pub async fn $name(cx: &mut Cx<'_>, fd: u32, $($arg: u32),*) -> Done {
            unconnected(cx, fd)
        }
    )*};
}

needs_connection! {
    /// A function of two arguments that needs a connected socket.
    not_a_socket2(_b);
    /// Of three.
    not_a_socket3(_b, _c);
    /// Of four.
    not_a_socket4(_b, _c, _d);
    /// Of five.
    not_a_socket5(_b, _c, _d, _e);
    /// Of six.
    not_a_socket6(_b, _c, _d, _e, _f);
    /// Of seven.
    not_a_socket7(_b, _c, _d, _e, _f, _g);
    /// Of nine.
    not_a_socket9(_b, _c, _d, _e, _f, _g, _h, _i);
    /// Of three: the names of either end, and TLS over a connection.
    not_connected(_b, _c);
    /// Of seven: recvfrom().
    not_connected7(_b, _c, _d, _e, _f, _g);
}

/// No socket is ever connected: EBADF, ENOTSOCK, or ENOTCONN.
fn unconnected(cx: &mut Cx<'_>, fd: u32) -> Done {
    socket(cx, fd)?;
    Err(Errno::ENOTCONN.into())
}

/// send(). libc tries it for write() too: what is no socket must be ENOTSOCK.
pub async fn net_send(cx: &mut Cx<'_>, fd: u32, buf: u32, len: u32, _flags: u32, out: u32) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    unconnected(cx, fd)
}

/// recv(). As [`net_send`], for read().
pub async fn net_recv(cx: &mut Cx<'_>, fd: u32, buf: u32, len: u32, _flags: u32, out: u32) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    unconnected(cx, fd)
}

/// sendto(): to an address, as connect() with it; to none, EDESTADDRREQ or ENOTCONN.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_sendto(
    cx: &mut Cx<'_>,
    fd: u32,
    buf: u32,
    len: u32,
    _flags: u32,
    addr: u32,
    addr_len: u32,
    out: u32,
) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let socket = socket(cx, fd)?;
    if addr_len == 0 {
        let datagram = socket.kind == SocketKind::Datagram;
        return Err(if datagram { Errno::EDESTADDRREQ } else { Errno::ENOTCONN }.into());
    }
    let (fd, address) = (cx.real(fd)?, address(cx, addr, addr_len)?);
    cx.call(|kernel, call, _| kernel.connect(call, fd, &address)).await
}

/// A function of two arguments that cannot be had yet.
pub async fn unsupported2(_cx: &mut Cx<'_>, _a: u32, _b: u32) -> Done {
    Err(Errno::EOPNOTSUPP.into())
}

/// Of five.
pub async fn unsupported5(_cx: &mut Cx<'_>, _a: u32, _b: u32, _c: u32, _d: u32, _e: u32) -> Done {
    Err(Errno::EOPNOTSUPP.into())
}

// ---- options and readiness

/// Bytes an option's value must have; `None` for an option nobody knows.
fn option_len(level: u32, name: u32) -> Option<u32> {
    const SOCKET: [u32; 2] = [1, 0x7fff_ffff];
    match (SOCKET.contains(&level), level, name) {
        (true, _, 2) => Some(4),        // SO_REUSEADDR
        (true, _, 13) => Some(8),       // SO_LINGER
        (true, _, 20 | 66) => Some(16), // SO_RCVTIMEO, in both of its numbers
        (true, _, 9) => Some(0),        // SO_KEEPALIVE
        // TCP_NODELAY, IP_TOS, IPV6_TCLASS
        (false, 6, 1) | (false, 0, 1) | (false, 41, 67) => Some(0),
        _ => None,
    }
}

/// Checks an option. None has an effect on a socket that is never connected.
pub async fn net_setsockopt(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, value: u32, len: u32) -> Done {
    socket(cx, fd)?;
    let wanted = option_len(level, name).filter(|wanted| *wanted <= len).ok_or(Errno::EINVAL)?;
    cx.check(&[(value, wanted)])?;
    if wanted == 16 {
        let at = value.checked_add(8).ok_or(Errno::EFAULT)?;
        let (seconds, micros) = (memory::get_u64(cx.memory(), value)?, memory::get_u64(cx.memory(), at)?);
        if (seconds as i64) < 0 || micros >= 1_000_000 {
            return Err(Errno::EDOM.into());
        }
    }
    Ok(())
}

/// SO_ERROR alone: a socket that was refused said so at once, and has no error left.
pub async fn net_getsockopt(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, value: u32, len: u32) -> Done {
    const SO_ERROR: u32 = 4;
    let room = memory::get_u32(cx.memory(), len)?;
    cx.check(&[(value, room.min(4))])?;
    socket(cx, fd)?;
    if !matches!(level, 1 | 0x7fff_ffff) || name != SO_ERROR || room < 4 {
        return Err(Errno::EINVAL.into());
    }
    memory::put_u32(cx.memory(), value, 0)?;
    Ok(memory::put_u32(cx.memory(), len, 4)?)
}

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

// ---- names

/// Addresses of a host, as JSON: `[{"addr":"1.2.3.4","family":4}]`. `len` has the room there is, and gets the bytes
/// there are, also when they do not fit (ENOBUFS). A name only the policy can judge is asked as `host:service`, or
/// `host:*` without a service; no address of the wanted family is ENOENT.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_getaddrinfo(
    cx: &mut Cx<'_>,
    host: u32,
    host_len: u32,
    service: u32,
    service_len: u32,
    family: u32,
    out: u32,
    len: u32,
) -> Done {
    let room = memory::get_u32(cx.memory(), len)?;
    cx.check(&[(out, room)])?;
    let host = cx.bytes(host, host_len, HOST_MAX + 2, Errno::ENAMETOOLONG)?;
    let service = cx.bytes(service, service_len, SERVICE_MAX, Errno::EINVAL)?;
    if !matches!(family, 0 | 4 | 6) {
        return Err(Errno::EAFNOSUPPORT.into());
    }
    let service = service_text(&service).ok_or(Errno::EINVAL)?;
    let found = if host.is_empty() {
        LOOPBACK.to_vec()
    } else {
        let host = std::str::from_utf8(&host).ok().and_then(Host::parse).ok_or(Errno::ENOENT)?;
        cx.call(|kernel, call, _| resolve(kernel, call, &host, service)).await?
    };
    let json = addresses_json(&found, family).ok_or(Errno::ENOENT)?;
    memory::put_u32(cx.memory(), len, json.len() as u32)?;
    if json.len() > room as usize {
        return Err(Errno::ENOBUFS.into());
    }
    Ok(memory::put(cx.memory(), out, json.as_bytes())?)
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A service as a policy's subject has it; libc says `0` when it was not told one.
fn service_text(service: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match service {
        b"" | b"0" => Some("*"),
        _ if service.iter().all(plain) => std::str::from_utf8(service).ok(),
        _ => None,
    }
}

fn resolve(kernel: &mut Kernel, call: &mut Call, host: &Host, service: &str) -> Step<Vec<IpAddr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![*address]),
        Host::Name(name) => name,
    };
    let hosts = match kernel.read_file(call, b"/etc/hosts", HOSTS_MAX) {
        Ok(text) => text,
        Err(Halt::Fail(_)) => Vec::new(),
        Err(halt) => return Err(halt),
    };
    let found = in_hosts(&hosts, name);
    if !found.is_empty() {
        return Ok(found);
    }
    if host.is_loopback() {
        return Ok(LOOPBACK.to_vec());
    }
    kernel.permit(call, Domain::Connect, format!("{host}:{service}").as_bytes())?;
    Err(Errno::EHOSTUNREACH.into())
}

/// The addresses /etc/hosts has for a name, in its order.
fn in_hosts(text: &[u8], name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
        if found.len() == ANSWERS_MAX {
            break;
        }
    }
    found
}

/// The addresses of a family (0 is either) as JSON; `None` if there is none.
fn addresses_json(addresses: &[IpAddr], family: u32) -> Option<String> {
    let mut entries = Vec::new();
    for address in addresses {
        let its = if address.is_ipv4() { 4 } else { 6 };
        if family == 0 || family == its {
            entries.push(format!("{{\"addr\":\"{address}\",\"family\":{its}}}"));
        }
    }
    (!entries.is_empty()).then(|| format!("[{}]", entries.join(",")))
}

/// PTR (12) and SSHFP (44) records. The policy is asked for `name:53`; what it allows finds no resolver.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn net_dns_query(
    cx: &mut Cx<'_>,
    name: u32,
    len: u32,
    record: u32,
    out: u32,
    cap: u32,
    out_len: u32,
    out_ttl: u32,
    out_flags: u32,
) -> Done {
    cx.check(&[(out, cap), (out_len, 4), (out_ttl, 4), (out_flags, 4)])?;
    let name = cx.bytes(name, len, HOST_MAX + 2, Errno::ENAMETOOLONG)?;
    if !matches!(record, 12 | 44) {
        return Err(Errno::EINVAL.into());
    }
    let name = std::str::from_utf8(&name).ok().and_then(Host::parse).ok_or(Errno::EINVAL)?;
    cx.with(|kernel, call| kernel.permit(call, Domain::Connect, format!("{name}:53").as_bytes()))?;
    Err(Errno::EHOSTUNREACH.into())
}

#[cfg(test)]
mod tests;
