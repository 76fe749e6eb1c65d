//! How two sockets meet: connect(), listen(), accept().

use super::address::{Address, source_for};
use super::bind::wildcard;
use super::resolve::{Target, subject};
use super::{Awaits, Bound, Family, Listener, Name, Socket, SocketId, SocketKind, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::id::{Fd, Pid};
use crate::kernel::Kernel;
use crate::policy::Domain;
use crate::vfs::open::OpenFlags;
use crate::wait::{Halt, Step, WaitKey};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Largest backlog of a listener; a larger one is cut (Linux's net.core.somaxconn).
pub const BACKLOG_MAX: u32 = 4096;

impl Kernel {
    /// connect(). Datagram sockets only remember whom they send to and take from.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`, `EAFNOSUPPORT`, `EINVAL`; `EACCES` when the policy, a path's rights or the way out refuse;
    /// `ECONNREFUSED` when nobody listens; `EISCONN`, `EALREADY`. When the listener's queue is full: `Wait`; without
    /// waiting `EAGAIN` (Unix) or `EINPROGRESS` (TCP). `ENOBUFS` at the session's limit of sockets.
    ///
    /// Outside (TCP): `Wait`, or `EINPROGRESS`, until it is there or not, and then what the way out says, now or as
    /// SO_ERROR; `ENETUNREACH` without a way out and for datagrams; `ENOBUFS` at the limit `outbound`.
    ///
    /// # Standard
    /// POSIX.1-2017 connect(). A wait that a signal ends leaves no attempt at a listener behind; on Linux, and here to the
    /// outside, it goes on.
    pub fn connect(&mut self, call: &mut Call, fd: Fd, address: &Address) -> Step<()> {
        let (id, nonblock) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        address.check(socket.family)?;
        match (socket.family, socket.kind) {
            (Family::Unix, SocketKind::Datagram) => self.associate_unix(call, id, address),
            (Family::Unix, _) => self.connect_unix(call, id, nonblock, address),
            (_, SocketKind::Datagram) => self.associate_udp(call, id, address),
            _ => self.connect_tcp(call, id, nonblock, address),
        }
    }

    fn connect_tcp(&mut self, call: &mut Call, id: SocketId, nonblock: bool, address: &Address) -> Step<()> {
        let socket = self.sockets.get_mut(id)?;
        let family = socket.family;
        match &mut socket.state {
            State::Idle => {}
            State::Listening(_) => return Err(Errno::EISCONN.into()),
            State::Connecting { .. } if nonblock => return Err(Errno::EALREADY.into()),
            State::Connecting { .. } => return Err(Halt::on(WaitKey::SocketInput(id.0))),
            State::Connected { fresh, .. } if *fresh => {
                *fresh = false;
                return Ok(());
            }
            State::Connected { .. } => return Err(Errno::EISCONN.into()),
        }
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        let to = match self.inet_target(call, family, address)? {
            Target::Inside(to) => to,
            Target::Outside(host, port) => return self.connect_outside(call, id, nonblock, &host, port),
        };
        let listener = self.sockets.listener_at(to).ok_or(Errno::ECONNREFUSED)?;
        if self.sockets.get(listener)?.listener().is_some_and(Listener::has_room) {
            self.name_for(id, to)?;
            return Ok(self.establish(call.pid, id, listener, Name::Inet(to), false)?);
        }
        if !nonblock {
            return Err(Halt::on(WaitKey::SocketRoom(listener.0)));
        }
        self.name_for(id, to)?;
        self.sockets.get_mut(id)?.state = State::Connecting { awaits: Awaits::Listener(listener), to };
        if let Some(listener) = self.sockets.get_mut(listener)?.listener_mut() {
            listener.connecting.push_back(id);
        }
        Err(Errno::EINPROGRESS.into())
    }

    /// Gives a socket that sends to `to` the name it sends from.
    pub(super) fn name_for(&mut self, id: SocketId, to: SocketAddr) -> Result<(), Errno> {
        let source = source_for(to.ip());
        self.sockets.take_any_port(id, source)?;
        let socket = self.sockets.get_mut(id)?;
        if let Some(local) = socket.local.inet().filter(|local| local.ip().is_unspecified()) {
            socket.local = Name::Inet(SocketAddr::new(source, local.port()));
        }
        Ok(())
    }

    fn connect_unix(&mut self, call: &mut Call, id: SocketId, nonblock: bool, address: &Address) -> Step<()> {
        let socket = self.sockets.get(id)?;
        let kind = socket.kind;
        match socket.state {
            State::Idle => {}
            State::Listening(_) => return Err(Errno::EINVAL.into()),
            State::Connecting { .. } | State::Connected { .. } => return Err(Errno::EISCONN.into()),
        }
        let target = self.unix_target(call, address, kind)?;
        let to = self.sockets.get(target)?;
        let Some(listener) = to.listener().filter(|_| !to.read_shut) else { return Err(Errno::ECONNREFUSED.into()) };
        if listener.has_room() {
            let name = to.local.clone();
            return Ok(self.establish(call.pid, id, target, name, false)?);
        }
        Err(if nonblock { Errno::EAGAIN.into() } else { Halt::on(WaitKey::SocketRoom(target.0)) })
    }

    /// Makes the listener's end of a connection and puts it in its queue. `name` is what the client connected to.
    fn establish(
        &mut self,
        pid: Pid,
        client: SocketId,
        listener: SocketId,
        name: Name,
        fresh: bool,
    ) -> Result<(), Errno> {
        let from = self.sockets.get(client)?.local.clone();
        let at = self.sockets.get(listener)?;
        let mut accepted = Socket::new(at.family, at.kind);
        accepted.options = at.options;
        accepted.local = name.clone();
        accepted.state = State::Connected { peer: Some(client), name: from, fresh: false };
        let accepted = self.add_socket(pid, accepted, Errno::ENOBUFS)?;
        let socket = self.sockets.get_mut(client)?;
        socket.state = State::Connected { peer: Some(accepted), name, fresh };
        (socket.read_shut, socket.write_shut, socket.ended) = (false, false, false);
        if let Some(listener) = self.sockets.get_mut(listener)?.listener_mut() {
            listener.accepted_next.push_back(accepted);
        }
        self.waiters.wake(WaitKey::SocketInput(listener.0));
        self.waiters.wake(WaitKey::SocketInput(client.0));
        Ok(())
    }

    fn associate_udp(&mut self, call: &mut Call, id: SocketId, address: &Address) -> Step<()> {
        let family = self.sockets.get(id)?.family;
        let to = self.datagram_target(call, family, address)?;
        self.name_for(id, to)?;
        let connected = State::Connected { peer: None, name: Name::Inet(to), fresh: false };
        self.sockets.get_mut(id)?.state = connected;
        Ok(())
    }

    fn associate_unix(&mut self, call: &mut Call, id: SocketId, address: &Address) -> Step<()> {
        let peer = self.unix_target(call, address, SocketKind::Datagram)?;
        if !self.sockets.takes_from(peer, id)? {
            return Err(Errno::EPERM.into());
        }
        let name = self.sockets.get(peer)?.local.clone();
        self.sockets.get_mut(id)?.state = State::Connected { peer: Some(peer), name, fresh: false };
        Ok(())
    }

    /// listen(): one more than `backlog` connections may wait to be accepted, at most [`BACKLOG_MAX`]. A TCP socket
    /// without a name gets a port of the kernel's choice, which the policy is asked as port 0 of any address.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `EOPNOTSUPP` for datagrams; `EINVAL` when it is connected, or a Unix socket without a
    /// name; `EADDRINUSE` when another one listens there; `EACCES` when the policy refuses.
    pub fn listen(&mut self, call: &Call, fd: Fd, backlog: u32) -> Result<(), Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        let (family, backlog) = (socket.family, backlog.min(BACKLOG_MAX) as usize);
        let unbound = matches!(socket.bound, Bound::Nothing);
        match (socket.kind, &socket.state) {
            (SocketKind::Datagram, _) => return Err(Errno::EOPNOTSUPP),
            (_, State::Connected { .. } | State::Connecting { .. }) => return Err(Errno::EINVAL),
            (_, State::Listening(_)) => {
                if let Some(listener) = self.sockets.get_mut(id)?.listener_mut() {
                    listener.backlog = backlog;
                }
                self.waiters.wake(WaitKey::SocketRoom(id.0));
                return Ok(());
            }
            (_, State::Idle) => {}
        }
        if unbound {
            let any = wildcard(family)?;
            self.permit(call, Domain::Listen, subject(SocketAddr::new(any, 0)).as_bytes())?;
            self.sockets.take_any_port(id, any)?;
        }
        if let Some(at) = self.sockets.get(id)?.local.inet()
            && self.sockets.is_listened_at(id, at)
        {
            return Err(Errno::EADDRINUSE);
        }
        let socket = self.sockets.get_mut(id)?;
        socket.state =
            State::Listening(Listener { backlog, accepted_next: VecDeque::new(), connecting: VecDeque::new() });
        (socket.read_shut, socket.write_shut, socket.error) = (false, false, None);
        Ok(())
    }

    /// accept(): the oldest connection, and the name of its other end. `flags` may have NONBLOCK and CLOEXEC.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `EINVAL` when it does not listen, `EOPNOTSUPP` for datagrams; `EMFILE`, `ENFILE`, and the
    /// connection stays; `EAGAIN` or `Wait` when there is none, `EAGAIN` also after SO_RCVTIMEO.
    pub fn accept(&mut self, call: &mut Call, fd: Fd, flags: OpenFlags) -> Step<(Fd, Name)> {
        let (id, nonblock) = self.socket_at(call, fd)?;
        let socket = self.sockets.get(id)?;
        if socket.kind == SocketKind::Datagram {
            return Err(Errno::EOPNOTSUPP.into());
        }
        let Some(accepted) = socket.listener().ok_or(Errno::EINVAL)?.accepted_next.front().copied() else {
            return Err(self.await_input(call, id, nonblock)?);
        };
        let new = self.free_fd(call.pid, Fd(0))?;
        if self.files.len() as u64 >= self.limits.open_files {
            return Err(self.limit_reached(call.pid, "open_files", Errno::ENFILE).into());
        }
        if let Some(listener) = self.sockets.get_mut(id)?.listener_mut() {
            listener.accepted_next.pop_front();
        }
        let new = self.open_socket(call, accepted, new, flags)?;
        let socket = self.sockets.get(accepted)?;
        let name = match &socket.state {
            State::Connected { name, .. } => name.shown_to(socket.family),
            // Reset before it was accepted: Linux gives it all the same, and the next call tells.
            State::Idle | State::Listening(_) | State::Connecting { .. } => Name::unbound(socket.family),
        };
        self.admit(call.pid, id);
        self.waiters.wake(WaitKey::SocketRoom(id.0));
        Ok((new, name))
    }

    /// Lets sockets that wait for a place in a listener's queue in, oldest first.
    fn admit(&mut self, pid: Pid, id: SocketId) {
        loop {
            let Ok(socket) = self.sockets.get_mut(id) else { return };
            let Some(listener) = socket.listener_mut().filter(|listener| listener.has_room()) else { return };
            let Some(client) = listener.connecting.pop_front() else { return };
            let Ok(State::Connecting { to, .. }) = self.sockets.get(client).map(|client| &client.state) else {
                continue;
            };
            let name = Name::Inet(*to);
            if let Err(errno) = self.establish(pid, client, id, name, true)
                && let Ok(socket) = self.sockets.get_mut(client)
            {
                socket.state = State::Idle;
                socket.error = Some(errno);
                self.waiters.wake(WaitKey::SocketInput(client.0));
            }
        }
    }
}
