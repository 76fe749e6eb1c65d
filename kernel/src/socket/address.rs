//! Where a socket is: hosts in one spelling, the addresses a call names, and the names sockets have.

use super::Family;
use crate::errno::Errno;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Bytes of a host's name, at most (RFC 1035's 255 octets, without the length of its first label and the root's).
pub const HOST_MAX: usize = 253;
/// Bytes of a Unix socket's path, at most (Linux's `sun_path`).
pub const UNIX_PATH_MAX: usize = 108;
/// Bytes of a Unix socket's abstract name, at most: `sun_path` without its leading zero.
pub const UNIX_ABSTRACT_MAX: usize = UNIX_PATH_MAX - 1;

/// A host in the one spelling that policies are written for: an address in its canonical form, an IPv4 address
/// mapped into IPv6 as IPv4, a name in lower case without the root's dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By address.
    Address(IpAddr),
    /// By name.
    Name(String),
}

/// Where to connect, send or listen, as a call says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of a host.
    Inet(Host, u16),
    /// A Unix socket's path.
    Path(Vec<u8>),
    /// A Unix socket's name outside the file system.
    Abstract(Vec<u8>),
    /// A Unix socket's name of the kernel's choice; only to listen at.
    Autobind,
}

/// The name a socket has, as getsockname() and getpeername() tell it. Cheap to clone. An IPv4 address mapped into
/// IPv6 is kept as IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Name {
    /// A Unix socket that was bound to nothing.
    Unnamed,
    /// An address and a port; both zero when it was bound to nothing.
    Inet(SocketAddr),
    /// A path, as it was given to bind().
    Path(Arc<[u8]>),
    /// A name outside the file system.
    Abstract(Arc<[u8]>),
}

impl Host {
    /// The host of this text; `None` for what can be neither. Nor can what a C library might read as an IPv4 address
    /// (`127.1`, `0x7f000001`): a rule for the address would not see it.
    pub fn parse(text: &str) -> Option<Host> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Host::Address(address.to_canonical()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > HOST_MAX || !name.bytes().all(plain) {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            || last.bytes().all(|byte| byte.is_ascii_digit());
        (!numeric).then_some(Host::Name(name))
    }

    /// Whether it is the session itself.
    pub fn is_loopback(&self) -> bool {
        match self {
            // Linux connects the unspecified address to the host itself.
            Host::Address(address) => is_ours(*address),
            Host::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Host::Name(name) => f.write_str(name),
        }
    }
}

impl Address {
    /// Whether a socket of `family` can be given it at all.
    ///
    /// # Errors
    /// Linux's for an address of another family: `EINVAL` for a Unix socket, `EAFNOSUPPORT` for the others. `EINVAL`
    /// also for a Unix name that is too long.
    pub(crate) fn check(&self, family: Family) -> Result<(), Errno> {
        match (family, self) {
            (Family::Unix, Address::Inet(..)) => Err(Errno::EINVAL),
            (Family::Unix, Address::Path(path)) if path.len() > UNIX_PATH_MAX => Err(Errno::EINVAL),
            (Family::Unix, Address::Abstract(name)) if name.len() > UNIX_ABSTRACT_MAX => Err(Errno::EINVAL),
            (Family::Unix, _) | (Family::Inet6, Address::Inet(..)) => Ok(()),
            (Family::Inet, Address::Inet(Host::Address(IpAddr::V6(_)), _)) => Err(Errno::EAFNOSUPPORT),
            (Family::Inet, Address::Inet(..)) => Ok(()),
            (Family::Inet | Family::Inet6, _) => Err(Errno::EAFNOSUPPORT),
        }
    }
}

impl Name {
    /// What a socket of `family` is called before it is bound.
    pub(crate) fn unbound(family: Family) -> Name {
        match family {
            Family::Inet => Name::Inet(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
            Family::Inet6 => Name::Inet(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0)),
            Family::Unix => Name::Unnamed,
        }
    }

    /// The name as a socket of `family` is told it: to an IPv6 one, IPv4 addresses are mapped.
    pub(crate) fn shown_to(&self, family: Family) -> Name {
        match (family, self) {
            (Family::Inet6, Name::Inet(at)) => {
                let address = match at.ip() {
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                    IpAddr::V6(address) => address,
                };
                Name::Inet(SocketAddr::new(IpAddr::V6(address), at.port()))
            }
            _ => self.clone(),
        }
    }

    /// Address and port.
    pub(crate) fn inet(&self) -> Option<SocketAddr> {
        if let Name::Inet(at) = self { Some(*at) } else { None }
    }
}

/// Whether an address is the session's own: 127.0.0.0/8, ::1 and the unspecified ones.
pub(crate) fn is_ours(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// Where a connection to `address` goes: to the unspecified one, as on Linux, to the session itself.
pub(crate) fn reached(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        address => address,
    }
}

/// Where a session's connections to the outside come from, as its programs see it. Nobody is reached there.
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 15);

/// The address a packet to `address` comes from when its socket has none of its own.
pub(crate) fn source_for(address: IpAddr) -> IpAddr {
    match (address, is_ours(address)) {
        (IpAddr::V4(_), true) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        (IpAddr::V6(_), true) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        (IpAddr::V4(_), false) => IpAddr::V4(SOURCE_V4),
        (IpAddr::V6(_), false) => IpAddr::V6(SOURCE_V6),
    }
}

/// Whether what is sent to `to` reaches a socket bound to `local`. The IPv6 wildcard takes IPv4 too.
pub(crate) fn covers(local: IpAddr, to: IpAddr) -> bool {
    match (local, to) {
        (IpAddr::V6(local), _) if local.is_unspecified() => true,
        (IpAddr::V4(local), IpAddr::V4(_)) if local.is_unspecified() => true,
        _ => local == to,
    }
}

#[cfg(test)]
mod tests;
