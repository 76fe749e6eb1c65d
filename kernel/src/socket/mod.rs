//! Sockets: TCP and UDP over the session's own loopback, Unix sockets, and TCP to the outside.
//!
//! ```text
//! send() ──▶ the receiver's input ──▶ receive()
//!                 │ full: Wait(SocketRoom receiver)        empty: Wait(SocketInput receiver)
//! connect() ─▶ listener's queue of new sockets ─▶ accept()
//!                 │ full: Wait(SocketRoom listener)        empty: Wait(SocketInput listener)
//! ```
//! There is no wire: what is sent is put straight into the socket that will receive it, and a connection is two
//! sockets that know each other. A socket has one open file description and ends with it; one that waits to be
//! accepted has none, and its listener keeps it; nor has the far end of a connection to the outside, which whoever carries
//! it holds:
//!
//! ```text
//! connect() ─▶ Connecting ─ unlock ─▶ Egress::carry(Outbound) ─▶ FarEnd: connected, refused or failed
//! send() ──▶ the far end's input ──▶ FarEnd::receive ══ the world ══ FarEnd::send ──▶ the socket's input ──▶ receive()
//! ```
//!
//! Read in this order: [`address`] (where a socket is), `queue` (what waits in one), `bind` (which socket has a
//! name), `connect` (how two meet), `send`, `receive`, `close` (how they part), `rights` (descriptors on their way),
//! `readiness` (what poll() says), [`option`], [`resolve`] and `pins` (names), [`egress`] and `outside` (the way out).
//!
//! Who may: a connection inside the session is asked of the policy by address (`127.0.0.1:80`), one to the outside as it
//! was named, or by the names its address was looked up by; a listener by address or path. A Unix socket's path follows
//! the path's rights. What the policy allows outside, the [`egress::Egress`] still decides.
//!
//! # Standard
//! POSIX.1-2017, and Linux where it differs: tcp(7), udp(7), unix(7). Deliberately simpler than Linux:
//! - nothing is ever lost, delayed or reordered, so a connection to a listener with room is there at once, and there is
//!   no TIME_WAIT: a port is free when its socket is closed;
//! - accepted connections do not hold their listener's port;
//! - the IPv6 wildcard always takes IPv4 too (there is no IPV6_V6ONLY);
//! - no out-of-band data, broadcast, multicast, or credentials messages;
//! - to the outside there is TCP alone.

pub mod address;
pub mod egress;
pub mod option;
pub mod receive;
pub mod resolve;
pub mod send;

mod bind;
mod close;
mod connect;
mod outside;
mod pins;
mod queue;
mod readiness;
mod rights;
pub(crate) mod status;

pub use address::{Address, HOST_MAX, Host, Name};
pub(crate) use bind::EPHEMERAL_PORTS;
pub use close::Shutdown;
pub use connect::BACKLOG_MAX;
pub use option::{Options, SocketOption, SocketStatus};
pub use queue::{BUFFER_BYTES, MESSAGE_COST, STREAM_FLOOR};
pub use rights::RIGHTS_MAX;

use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::{OpenFile, Opened};
use crate::id::{Fd, Ino, MountId, Pid};
use crate::kernel::Kernel;
use crate::vfs::open::OpenFlags;
use bitflags::bitflags;
use pins::Pins;
use queue::{ByteQueue, Input, MessageQueue};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// A socket's number in its session: its inode number, from the same row as the pipes', so that no two are alike and
/// none comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u64);

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// In order, without borders.
    Stream,
    /// Message by message.
    Datagram,
    /// Message by message over a connection; Unix sockets only.
    SequencedPacket,
}

bitflags! {
    /// What send() and receive() are told beside the bytes, in Linux's numbers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MessageFlags: u32 {
        /// Leaves what is received where it is.
        const PEEK = 0x2;
        /// Tells a message's whole length; a TCP socket drops the bytes instead of giving them.
        const TRUNC = 0x20;
        /// As if O_NONBLOCK were set.
        const DONTWAIT = 0x40;
        /// Waits for all the bytes asked for. For whoever loops: one call of the kernel gives what is there.
        const WAITALL = 0x100;
        /// EPIPE without SIGPIPE.
        const NOSIGNAL = 0x4000;
        /// Received descriptors are closed by exec.
        const CMSG_CLOEXEC = 0x4000_0000;
    }
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) family: Family,
    pub(crate) kind: SocketKind,
    options: Options,
    /// SO_ERROR: told by the next call, once.
    error: Option<Errno>,
    local: Name,
    /// What it has to give back when it is closed.
    bound: Bound,
    state: State,
    input: Input,
    /// Nothing more is received once the input is empty.
    read_shut: bool,
    /// Nothing more may be sent.
    write_shut: bool,
    /// The other end of a TCP connection will send nothing more, and said so.
    ended: bool,
}

/// What a socket holds of the session's names.
#[derive(Debug)]
enum Bound {
    Nothing,
    Port(u16),
    Name(UnixName),
}

/// A Unix socket's name: a path is known by its inode, so that it may be moved, and be gone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum UnixName {
    File(MountId, Ino),
    Abstract(Arc<[u8]>),
}

/// Whom a socket is connected to.
#[derive(Debug)]
enum State {
    /// Nobody.
    Idle,
    /// Whoever comes.
    Listening(Listener),
    /// Nobody yet (TCP).
    Connecting { awaits: Awaits, to: SocketAddr },
    /// This one. Without `peer`, whoever has the name when something is sent (UDP), or nobody any more. `fresh` until
    /// connect() has told that it is done.
    Connected { peer: Option<SocketId>, name: Name, fresh: bool },
}

/// What a socket that connects waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// A place in this listener's queue, which is full (without waiting).
    Listener(SocketId),
    /// Whoever holds this far end.
    Outside(SocketId),
}

/// What waits at a listening socket.
#[derive(Debug)]
struct Listener {
    /// One more than this many may wait to be accepted, as on Linux.
    backlog: usize,
    accepted_next: VecDeque<SocketId>,
    /// Sockets that wait for a place in the queue, and whose callers do not.
    connecting: VecDeque<SocketId>,
}

/// The sockets of a session, and who has which name.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    table: HashMap<SocketId, Socket>,
    /// The sockets at each port, by SOCK_STREAM (TCP) and SOCK_DGRAM (UDP).
    ports: HashMap<(SocketKind, u16), Vec<SocketId>>,
    names: HashMap<UnixName, SocketId>,
    /// Far ends of connections to the outside: nobody but whoever carries them has them.
    far: HashSet<SocketId>,
    pins: Pins,
    /// Bytes all inputs are charged with.
    bytes: u64,
    /// Descriptors in flight.
    in_flight: u64,
    next_port: u16,
    next_autobind: u32,
}

impl Socket {
    fn new(family: Family, kind: SocketKind) -> Socket {
        Socket {
            family,
            kind,
            options: Options::default(),
            error: None,
            local: Name::unbound(family),
            bound: Bound::Nothing,
            state: State::Idle,
            input: match kind {
                SocketKind::Stream => Input::Bytes(ByteQueue::default()),
                SocketKind::Datagram | SocketKind::SequencedPacket => Input::Messages(MessageQueue::default()),
            },
            read_shut: false,
            write_shut: false,
            ended: false,
        }
    }

    fn is_tcp(&self) -> bool {
        self.family != Family::Unix && self.kind == SocketKind::Stream
    }

    fn is_unix(&self) -> bool {
        self.family == Family::Unix
    }

    /// The socket at the other end, if it is still there.
    fn peer(&self) -> Option<SocketId> {
        if let State::Connected { peer, .. } = self.state { peer } else { None }
    }

    fn listener(&self) -> Option<&Listener> {
        if let State::Listening(listener) = &self.state { Some(listener) } else { None }
    }

    fn listener_mut(&mut self) -> Option<&mut Listener> {
        if let State::Listening(listener) = &mut self.state { Some(listener) } else { None }
    }
}

impl Listener {
    fn has_room(&self) -> bool {
        self.accepted_next.len() <= self.backlog
    }
}

impl Sockets {
    fn get(&self, id: SocketId) -> Result<&Socket, Errno> {
        self.table.get(&id).ok_or(Errno::EBADF)
    }

    fn get_mut(&mut self, id: SocketId) -> Result<&mut Socket, Errno> {
        self.table.get_mut(&id).ok_or(Errno::EBADF)
    }

    /// Connections to the outside, those being made included, until their far ends are gone.
    pub(crate) fn outbound(&self) -> usize {
        self.far.len()
    }

    /// Sockets there are, those that wait to be accepted included.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes all inputs are charged with.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Descriptors in flight.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Changes an input and counts what it has allocated before and after.
    fn with_input<T>(&mut self, id: SocketId, change: impl FnOnce(&mut Input) -> T) -> Result<T, Errno> {
        let input = &mut self.table.get_mut(&id).ok_or(Errno::EBADF)?.input;
        let before = input.charge() as u64;
        let value = change(input);
        self.bytes = self.bytes + input.charge() as u64 - before;
        Ok(value)
    }
}

impl Kernel {
    /// socket(): `flags` may have NONBLOCK and CLOEXEC.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`; `EPROTONOSUPPORT` for sequenced packets of another family than Unix.
    pub fn socket(&mut self, call: &Call, family: Family, kind: SocketKind, flags: OpenFlags) -> Result<Fd, Errno> {
        if kind == SocketKind::SequencedPacket && family != Family::Unix {
            return Err(Errno::EPROTONOSUPPORT);
        }
        let fd = self.free_fd(call.pid, Fd(0))?;
        let id = self.add_socket(call.pid, Socket::new(family, kind), Errno::ENFILE)?;
        self.open_socket(call, id, fd, flags)
    }

    /// socketpair() of Unix sockets: two that are connected to each other.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`.
    pub fn socket_pair(&mut self, call: &Call, kind: SocketKind, flags: OpenFlags) -> Result<(Fd, Fd), Errno> {
        let first_fd = self.free_fd(call.pid, Fd(0))?;
        let second_fd = self.free_fd(call.pid, Fd(first_fd.0 + 1))?;
        let first = self.add_socket(call.pid, Socket::new(Family::Unix, kind), Errno::ENFILE)?;
        let second = match self.add_socket(call.pid, Socket::new(Family::Unix, kind), Errno::ENFILE) {
            Ok(second) => second,
            Err(errno) => {
                self.sockets.table.remove(&first);
                return Err(errno);
            }
        };
        for (one, other) in [(first, second), (second, first)] {
            let connected = State::Connected { peer: Some(other), name: Name::Unnamed, fresh: false };
            self.sockets.get_mut(one)?.state = connected;
        }
        let opened = self.open_socket(call, first, first_fd, flags).inspect_err(|_| {
            self.sockets.table.remove(&second);
        });
        opened?;
        if let Err(errno) = self.open_socket(call, second, second_fd, flags) {
            self.close(call, first_fd)?;
            return Err(errno);
        }
        Ok((first_fd, second_fd))
    }

    /// The socket a descriptor is open on, and whether its calls wait.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`.
    pub(crate) fn socket_at(&self, call: &Call, fd: Fd) -> Result<(SocketId, bool), Errno> {
        let open = self.process(call.pid)?.descriptors.get(fd)?.open;
        let file = self.files.get(open)?;
        match &file.what {
            Opened::Socket(id) => Ok((*id, file.nonblock)),
            Opened::Path(_) => Err(Errno::EBADF),
            _ => Err(Errno::ENOTSOCK),
        }
    }

    /// Adds a socket nobody has open yet; `full` is the answer at the session's limit.
    fn add_socket(&mut self, pid: Pid, socket: Socket, full: Errno) -> Result<SocketId, Errno> {
        if self.sockets.len() as u64 >= self.limits.sockets {
            return Err(self.limit_reached(pid, "sockets", full));
        }
        let id = SocketId(self.next_pipe);
        self.next_pipe += 1;
        self.sockets.table.insert(id, socket);
        Ok(id)
    }

    /// Gives a socket its open file description and the free descriptor `fd`. If it cannot, the socket is gone.
    fn open_socket(&mut self, call: &Call, id: SocketId, fd: Fd, flags: OpenFlags) -> Result<Fd, Errno> {
        let mut file = OpenFile::new(Opened::Socket(id), true, true);
        file.nonblock = flags.contains(OpenFlags::NONBLOCK);
        let open = self.add_open(call.pid, file).inspect_err(|_| {
            self.sockets.table.remove(&id);
        })?;
        self.install(call.pid, fd, open, flags.contains(OpenFlags::CLOEXEC))
    }
}
