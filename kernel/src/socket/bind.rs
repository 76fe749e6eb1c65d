//! Which socket has which name: bind(), ports of the kernel's choice, and who is found at a name.

use super::address::{Address, covers};
use super::resolve::subject;
use super::{Bound, Family, Name, SocketId, SocketKind, Sockets, State, UnixName};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::Fd;
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::user::Access;
use crate::vfs::inode::Content;
use crate::vfs::open::At;
use crate::vfs::path::join;
use crate::vfs::{Mode, Node};
use crate::wait::{Halt, Step};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Ports of the kernel's choice (Linux's net.ipv4.ip_local_port_range).
pub(crate) const EPHEMERAL_PORTS: RangeInclusive<u16> = 32_768..=60_999;
/// Ports below this are root's.
const UNPRIVILEGED_PORT: u16 = 1024;
/// Names of the kernel's choice, five hexadecimal digits.
const AUTOBIND_NAMES: u32 = 1 << 20;

impl Kernel {
    /// bind(). The policy is asked for the address with the port given (0 is the kernel's choice), for the real path,
    /// or for `@name`. A path is made as a file of kind socket.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT`; `EINVAL` when it has a name; `EACCES` when the policy refuses, or a port
    /// below 1024 unless root; `EADDRNOTAVAIL`, `EADDRINUSE`; for a path those of mknod().
    ///
    /// # Standard
    /// POSIX.1-2017 bind(), Linux ip(7), unix(7). Two sockets may share a port when their addresses do not meet (a
    /// wildcard meets all of its family, the IPv6 one also IPv4), or when both have SO_REUSEADDR and none listens.
    pub fn bind(&mut self, call: &mut Call, fd: Fd, address: &Address) -> Step<()> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        address.check(socket.family)?;
        let bound = !matches!(socket.bound, Bound::Nothing);
        // As on Linux, what is wrong with a path is told first.
        if bound && !matches!(address, Address::Path(_)) {
            return Err(Errno::EINVAL.into());
        }
        match address {
            Address::Inet(host, port) => {
                let family = socket.family;
                let place = SocketAddr::new(self.inet_place(call, family, host)?, *port);
                self.permit(call, Domain::Listen, subject(place).as_bytes())?;
                Ok(self.bind_port(call, id, place)?)
            }
            Address::Path(path) => self.bind_path(call, id, path, bound),
            Address::Abstract(name) => {
                self.permit(call, Domain::Listen, &[b"@", name.as_slice()].concat())?;
                Ok(self.bind_abstract(id, name.as_slice().into())?)
            }
            Address::Autobind => {
                self.permit(call, Domain::Listen, b"@")?;
                let name = self.sockets.free_abstract_name().ok_or(Errno::ENOSPC)?;
                Ok(self.bind_abstract(id, name)?)
            }
        }
    }

    fn bind_port(&mut self, call: &Call, id: SocketId, place: SocketAddr) -> Result<(), Errno> {
        let privileged = (1..UNPRIVILEGED_PORT).contains(&place.port());
        if privileged && !self.process(call.pid)?.credentials.is_root() {
            return Err(Errno::EACCES);
        }
        self.sockets.take_port(id, place)
    }

    fn bind_path(&mut self, call: &mut Call, id: SocketId, path: &[u8], bound: bool) -> Step<()> {
        let found = self.walk_name(call, At::Cwd, path)?;
        if found.node.is_some() {
            return Err(Errno::EADDRINUSE.into());
        }
        let (directory, name) = self.place_for_file(call, &found)?;
        let real = self.path_of(&directory).map(|directory| join(directory, &name));
        self.permit(call, Domain::Listen, real.as_deref().unwrap_or(path))?;
        let Node::Tree(mount, parent) = directory else {
            // As Linux answers for a file system that has no sockets.
            return Err(Errno::EPERM.into());
        };
        if bound {
            return Err(Errno::EINVAL.into());
        }
        let ino = self.create_in(call.pid, mount, parent, &name, Content::Socket, Mode::new(0o777))?;
        self.hold_node(&Node::Tree(mount, ino));
        let key = UnixName::File(mount, ino);
        self.sockets.names.insert(key.clone(), id);
        let socket = self.sockets.get_mut(id)?;
        socket.bound = Bound::Name(key);
        socket.local = Name::Path(path.into());
        Ok(())
    }

    fn bind_abstract(&mut self, id: SocketId, name: Arc<[u8]>) -> Result<(), Errno> {
        let key = UnixName::Abstract(name.clone());
        if self.sockets.names.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        self.sockets.names.insert(key.clone(), id);
        let socket = self.sockets.get_mut(id)?;
        socket.bound = Bound::Name(key);
        socket.local = Name::Abstract(name);
        Ok(())
    }

    /// The Unix socket at an address, for connect() and sendto(). A path needs the right to write to it.
    ///
    /// # Errors
    /// Those of a walk; `EACCES`; `ECONNREFUSED` when nobody is bound there, `EPROTOTYPE` when it is of another kind.
    pub(super) fn unix_target(&mut self, call: &mut Call, address: &Address, kind: SocketKind) -> Step<SocketId> {
        let key = match address {
            Address::Path(path) => {
                let node = self.locate(call, At::Cwd, path, true, Domain::Write)?;
                self.check_access(call, &node, Access::WRITE)?;
                match node {
                    Node::Tree(mount, ino) => UnixName::File(mount, ino),
                    Node::Proc(..) | Node::Driver(..) | Node::Open(_) => return Err(Errno::ECONNREFUSED.into()),
                }
            }
            Address::Abstract(name) => UnixName::Abstract(name.as_slice().into()),
            Address::Autobind | Address::Inet(..) => return Err(Errno::EINVAL.into()),
        };
        let id = *self.sockets.names.get(&key).ok_or(Errno::ECONNREFUSED)?;
        if self.sockets.get(id)?.kind == kind { Ok(id) } else { Err(Halt::Fail(Errno::EPROTOTYPE)) }
    }

    /// Gives back the name of a socket that is gone.
    pub(super) fn release_name(&mut self, id: SocketId, kind: SocketKind, bound: Bound) {
        match bound {
            Bound::Nothing => {}
            Bound::Port(port) => {
                if let Some(holders) = self.sockets.ports.get_mut(&(kind, port)) {
                    holders.retain(|other| *other != id);
                    if holders.is_empty() {
                        self.sockets.ports.remove(&(kind, port));
                    }
                }
            }
            Bound::Name(key) => {
                self.sockets.names.remove(&key);
                if let UnixName::File(mount, ino) = key {
                    self.release_node(&Node::Tree(mount, ino));
                }
            }
        }
    }

    /// getsockname().
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub fn socket_name(&self, call: &Call, fd: Fd) -> Result<Name, Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        Ok(socket.local.shown_to(socket.family))
    }

    /// getpeername().
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `ENOTCONN`.
    pub fn peer_name(&self, call: &Call, fd: Fd) -> Result<Name, Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        match &socket.state {
            State::Connected { name, .. } => Ok(name.shown_to(socket.family)),
            State::Idle | State::Listening(_) | State::Connecting { .. } => Err(Errno::ENOTCONN),
        }
    }
}

impl Sockets {
    /// Binds a socket to an address and a port; port 0 is one nobody has.
    ///
    /// # Errors
    /// `EADDRINUSE`.
    pub(super) fn take_port(&mut self, id: SocketId, place: SocketAddr) -> Result<(), Errno> {
        let socket = self.get(id)?;
        let kind = socket.kind;
        let port = match place.port() {
            0 => self.free_port(kind).ok_or(Errno::EADDRINUSE)?,
            port => {
                let reuse = socket.options.reuse_address;
                if self.at_port(kind, port).any(|other| self.meets(other, place.ip(), reuse)) {
                    return Err(Errno::EADDRINUSE);
                }
                port
            }
        };
        self.ports.entry((kind, port)).or_default().push(id);
        let socket = self.get_mut(id)?;
        socket.bound = Bound::Port(port);
        socket.local = Name::Inet(SocketAddr::new(place.ip(), port));
        Ok(())
    }

    /// Binds a socket that has no name to a port of the kernel's choice at `address`.
    ///
    /// # Errors
    /// `EADDRINUSE` when every port is taken.
    pub(super) fn take_any_port(&mut self, id: SocketId, address: IpAddr) -> Result<(), Errno> {
        match self.get(id)?.bound {
            Bound::Nothing => self.take_port(id, SocketAddr::new(address, 0)),
            Bound::Port(_) | Bound::Name(_) => Ok(()),
        }
    }

    /// The sockets bound to a port.
    pub(super) fn at_port(&self, kind: SocketKind, port: u16) -> impl Iterator<Item = SocketId> + '_ {
        self.ports.get(&(kind, port)).into_iter().flatten().copied()
    }

    /// Whether a socket stands in the way of another one at `address` and its own port.
    fn meets(&self, other: SocketId, address: IpAddr, reuse: bool) -> bool {
        let Ok(other) = self.get(other) else { return false };
        let Some(local) = other.local.inet().map(|at| at.ip()) else { return false };
        let overlap = covers(local, address) || covers(address, local);
        let shares = reuse && other.options.reuse_address && !matches!(other.state, State::Listening(_));
        overlap && !shares
    }

    /// Whether another socket listens where `id` is bound.
    pub(super) fn is_listened_at(&self, id: SocketId, at: SocketAddr) -> bool {
        self.at_port(SocketKind::Stream, at.port()).filter(|other| *other != id).any(|other| {
            self.get(other).is_ok_and(|other| {
                let local = other.local.inet().map(|local| local.ip());
                other.listener().is_some()
                    && local.is_some_and(|local| covers(local, at.ip()) || covers(at.ip(), local))
            })
        })
    }

    /// Who listens for connections to an address: one bound to it before a wildcard.
    pub(super) fn listener_at(&self, to: SocketAddr) -> Option<SocketId> {
        let candidates = self.at_port(SocketKind::Stream, to.port()).filter_map(|id| {
            let socket = self.get(id).ok()?;
            let local = socket.local.inet()?.ip();
            (socket.listener().is_some() && covers(local, to.ip())).then_some((local == to.ip(), id))
        });
        candidates.max_by_key(|(exact, _)| *exact).map(|(_, id)| id)
    }

    /// Who receives a datagram: one connected to its sender before one that is not, one bound to the address before a
    /// wildcard, the one bound last among equals.
    pub(super) fn receiver_at(&self, to: SocketAddr, from: SocketAddr) -> Option<SocketId> {
        let candidates = self.at_port(SocketKind::Datagram, to.port()).filter_map(|id| {
            let socket = self.get(id).ok()?;
            let local = socket.local.inet()?.ip();
            let connected = match &socket.state {
                State::Connected { name, .. } if name.inet() != Some(from) => return None,
                state => matches!(state, State::Connected { .. }),
            };
            covers(local, to.ip()).then_some((connected, local == to.ip(), id))
        });
        candidates.max_by_key(|(connected, exact, _)| (*connected, *exact)).map(|(.., id)| id)
    }

    fn free_port(&mut self, kind: SocketKind) -> Option<u16> {
        let (first, last) = (*EPHEMERAL_PORTS.start(), *EPHEMERAL_PORTS.end());
        for _ in EPHEMERAL_PORTS {
            let port = self.next_port.clamp(first, last);
            self.next_port = if port == last { first } else { port + 1 };
            if !self.ports.contains_key(&(kind, port)) {
                return Some(port);
            }
        }
        None
    }

    fn free_abstract_name(&mut self) -> Option<Arc<[u8]>> {
        for _ in 0..AUTOBIND_NAMES {
            let name: Arc<[u8]> = format!("{:05x}", self.next_autobind).as_bytes().into();
            self.next_autobind = (self.next_autobind + 1) % AUTOBIND_NAMES;
            if !self.names.contains_key(&UnixName::Abstract(name.clone())) {
                return Some(name);
            }
        }
        None
    }
}

/// The wildcard address of a family.
pub(super) fn wildcard(family: Family) -> Result<IpAddr, Errno> {
    Name::unbound(family).inet().map(|at| at.ip()).ok_or(Errno::EINVAL)
}
