//! Sockets: what socket() makes, and who may be reached with one.
//!
//! There is no transport yet, so no socket is ever bound or connected. What is decided here is what comes before
//! that: a connection is asked of the policy in one spelling of its address, and what the policy allows finds
//! nobody. Loopback has no listener; the outside has no route.

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenFile, Opened};
use crate::id::Fd;
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::user::Access;
use crate::vfs::open::{At, OpenFlags};
use crate::wait::Step;
use std::fmt;
use std::net::IpAddr;

/// Bytes of a host's name, at most (RFC 1035's 255 octets, without the length of its first label and the root's).
pub const HOST_MAX: usize = 253;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
    /// Unix.
    Unix,
}

/// How bytes go through a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// In order, without borders.
    Stream,
    /// Message by message.
    Datagram,
}

/// A socket, not connected to anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its inode number: from the same row as the pipes', so that no two are alike.
    pub number: u64,
    /// Its family.
    pub family: Family,
    /// Its kind.
    pub kind: SocketKind,
}

/// A host in the one spelling that policies are written for: an address in its canonical form, an IPv4 address
/// mapped into IPv6 as IPv4, a name in lower case without the root's dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// By address.
    Address(IpAddr),
    /// By name.
    Name(String),
}

/// Where to connect or listen.
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
            Host::Address(address) => address.is_loopback() || address.is_unspecified(),
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
    /// What a policy's rules match.
    fn subject(&self) -> Vec<u8> {
        match self {
            Address::Inet(host, port) => format!("{host}:{port}").into_bytes(),
            Address::Path(path) => path.clone(),
            Address::Abstract(name) => [b"@", name.as_slice()].concat(),
            Address::Autobind => b"@".to_vec(),
        }
    }
}

impl Kernel {
    /// socket(): `flags` may have NONBLOCK and CLOEXEC.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`; `EPROTONOSUPPORT` for Unix datagrams.
    pub fn socket(&mut self, call: &Call, family: Family, kind: SocketKind, flags: OpenFlags) -> Result<Fd, Errno> {
        if family == Family::Unix && kind == SocketKind::Datagram {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let fd = self.free_fd(call.pid, Fd(0))?;
        let socket = Socket { number: self.next_pipe, family, kind };
        let mut file = OpenFile::new(Opened::Socket(socket), true, true);
        file.nonblock = flags.contains(OpenFlags::NONBLOCK);
        let open = self.add_open(call.pid, file)?;
        self.next_pipe += 1;
        self.install(call.pid, fd, open, flags.contains(OpenFlags::CLOEXEC))
    }

    /// The socket a descriptor is open on.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub fn socket_of(&self, call: &Call, fd: Fd) -> Result<Socket, Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        match &self.files.get(open)?.what {
            Opened::Socket(socket) => Ok(*socket),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    /// connect(), or a datagram to an address. Hosts are asked of the policy, Unix sockets follow their path's rights.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `EACCES` when the policy refuses; `ECONNREFUSED` inside the session, `ENETUNREACH`
    /// outside; `EAFNOSUPPORT` and `EINVAL` for an address of another family.
    pub fn connect(&mut self, call: &mut Call, fd: Fd, address: &Address) -> Step<()> {
        check_family(self.socket_of(call, fd)?.family, address)?;
        match address {
            Address::Inet(host, _) => {
                self.permit(call, Domain::Connect, &address.subject())?;
                Err(if host.is_loopback() { Errno::ECONNREFUSED } else { Errno::ENETUNREACH }.into())
            }
            Address::Path(path) => {
                let node = self.locate(call, At::Cwd, path, true, Domain::Write)?;
                self.check_access(call, &node, Access::WRITE)?;
                Err(Errno::ECONNREFUSED.into())
            }
            Address::Abstract(_) => Err(Errno::ECONNREFUSED.into()),
            Address::Autobind => Err(Errno::EINVAL.into()),
        }
    }

    /// bind(): asks the policy, and cannot do it yet.
    ///
    /// # Errors
    /// As [`Kernel::connect`] for descriptor, policy and family; `EOPNOTSUPP`.
    pub fn bind(&mut self, call: &Call, fd: Fd, address: &Address) -> Result<(), Errno> {
        check_family(self.socket_of(call, fd)?.family, address)?;
        self.permit(call, Domain::Listen, &address.subject())?;
        Err(Errno::EOPNOTSUPP)
    }

    /// listen() on a socket that is not bound: any port of any address, asked of the policy as port 0. It cannot be
    /// done yet.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `EACCES` when the policy refuses; `EINVAL` for a Unix socket, which has no such default;
    /// `EOPNOTSUPP`.
    pub fn listen(&mut self, call: &Call, fd: Fd) -> Result<(), Errno> {
        let socket = self.socket_of(call, fd)?;
        if socket.kind == SocketKind::Datagram {
            return Err(Errno::EOPNOTSUPP);
        }
        match socket.family {
            Family::Inet => self.permit(call, Domain::Listen, b"0.0.0.0:0")?,
            Family::Inet6 => self.permit(call, Domain::Listen, b"[::]:0")?,
            Family::Unix => return Err(Errno::EINVAL),
        }
        Err(Errno::EOPNOTSUPP)
    }
}

/// Linux's errors for an address of another family.
fn check_family(family: Family, address: &Address) -> Result<(), Errno> {
    match (family, address) {
        (Family::Unix, Address::Inet(..)) => Err(Errno::EINVAL),
        (Family::Inet | Family::Inet6, Address::Path(_) | Address::Abstract(_) | Address::Autobind) => {
            Err(Errno::EAFNOSUPPORT)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
