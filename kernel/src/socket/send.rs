//! send(), sendto(), sendmsg(): into the input of whoever receives.

use super::address::{Address, source_for};
use super::queue::{BUFFER_BYTES, Input, MESSAGE_COST, Message, STREAM_FLOOR};
use super::rights::RIGHTS_MAX;
use super::{Family, MessageFlags, Name, SocketId, SocketKind, Sockets, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::OpenId;
use crate::id::{Fd, Pid};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::wait::{Halt, Step, WaitKey};
use std::net::SocketAddr;

/// Bytes of a UDP datagram, at most: what IPv4's 65,535 leave.
pub const UDP_BYTES_MAX: usize = 65_507;
/// Bytes of one Unix datagram or sequenced packet, at most: one that has the buffer to itself.
pub const UNIX_MESSAGE_MAX: usize = BUFFER_BYTES - MESSAGE_COST;

/// What is to be sent, and how.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// The bytes, in order, as one.
    pub data: &'a [&'a [u8]],
    /// Where to, for datagrams.
    pub to: Option<&'a Address>,
    /// Descriptors that go with them (SCM_RIGHTS), over Unix sockets; at most [`RIGHTS_MAX`].
    pub rights: &'a [Fd],
    /// DONTWAIT, NOSIGNAL.
    pub flags: MessageFlags,
}

impl<'a> Outgoing<'a> {
    /// Plain bytes.
    pub fn bytes(data: &'a [&'a [u8]]) -> Outgoing<'a> {
        Outgoing { data, to: None, rights: &[], flags: MessageFlags::empty() }
    }

    fn len(&self) -> usize {
        self.data.iter().map(|part| part.len()).sum()
    }
}

impl Kernel {
    /// Sends a message, or as much of a stream's bytes as there is room for; returns how many bytes.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `EPIPE` (and SIGPIPE for a stream) when nothing can be sent any more, `ECONNRESET`,
    /// `ENOTCONN`, `EDESTADDRREQ`, `ECONNREFUSED`; `EMSGSIZE`; `EAGAIN` or `Wait` when there is no room; `ENOBUFS` at
    /// the session's limit of bytes; for rights `EINVAL`, `ETOOMANYREFS`; for an address what [`Kernel::connect`] says.
    ///
    /// # Standard
    /// POSIX.1-2017 sendmsg(), Linux tcp(7), udp(7), unix(7). As on Linux, a TCP socket that is not connected gets
    /// `EPIPE`, and a UDP datagram nobody takes is lost without a word, but for the next call of a connected sender.
    pub fn send(&mut self, call: &mut Call, fd: Fd, message: &Outgoing<'_>) -> Step<usize> {
        let (id, nonblock) = self.socket_at(call, fd)?;
        self.send_socket(call, id, nonblock, message)
    }

    pub(crate) fn send_socket(
        &mut self,
        call: &mut Call,
        id: SocketId,
        nonblock: bool,
        message: &Outgoing<'_>,
    ) -> Step<usize> {
        let nonblock = nonblock || message.flags.contains(MessageFlags::DONTWAIT);
        let socket = self.sockets.get(id)?;
        if let Some(address) = message.to {
            address.check(socket.family)?;
        }
        if !message.rights.is_empty() && (!socket.is_unix() || message.rights.len() > RIGHTS_MAX) {
            return Err(Errno::EINVAL.into());
        }
        match (socket.family, socket.kind) {
            (_, SocketKind::Stream) => self.send_stream(call, id, nonblock, message),
            (_, SocketKind::SequencedPacket) => self.send_packet(call, id, nonblock, message),
            (Family::Unix, SocketKind::Datagram) => self.send_unix_datagram(call, id, nonblock, message),
            _ => self.send_udp(call, id, message),
        }
    }

    fn send_stream(&mut self, call: &Call, id: SocketId, nonblock: bool, message: &Outgoing<'_>) -> Step<usize> {
        let socket = self.sockets.get_mut(id)?;
        let unix = socket.is_unix();
        if !unix && let Some(error) = socket.error.take() {
            return Err(self.broken(call.pid, error, message.flags));
        }
        let peer = match &socket.state {
            State::Connecting { .. } if nonblock => return Err(Errno::EAGAIN.into()),
            State::Connecting { .. } => return Err(Halt::on(WaitKey::SocketInput(id.0))),
            State::Connected { .. } if unix && message.to.is_some() => return Err(Errno::EISCONN.into()),
            State::Connected { peer, .. } if !socket.write_shut => *peer,
            State::Idle | State::Listening(_) if unix && message.to.is_some() => return Err(Errno::EOPNOTSUPP.into()),
            State::Idle | State::Listening(_) if unix && !socket.write_shut => return Err(Errno::ENOTCONN.into()),
            _ => return Err(self.broken(call.pid, Errno::EPIPE, message.flags)),
        };
        let wanted = message.len();
        let Some(peer) = peer else {
            // Closed at the other end, which TCP only learns by sending: these bytes are lost, and the next ones fail.
            socket.error = Some(Errno::EPIPE);
            (socket.read_shut, socket.write_shut) = (true, true);
            self.waiters.wake(WaitKey::SocketInput(id.0));
            return Ok(wanted);
        };
        if wanted == 0 {
            return Ok(0);
        }
        let (room, pressed) = self.sockets.stream_room(peer, self.limits.socket_bytes)?;
        if pressed {
            self.limit_reached(call.pid, "socket_bytes", Errno::EAGAIN);
        }
        if room == 0 {
            return Err(if nonblock { Errno::EAGAIN.into() } else { Halt::on(WaitKey::SocketRoom(peer.0)) });
        }
        let rights = self.send_rights(call, message.rights)?;
        let count = wanted.min(room);
        let budget =
            usize::try_from(self.limits.socket_bytes.saturating_sub(self.sockets.bytes())).unwrap_or(usize::MAX);
        self.sockets.with_input(peer, |input| {
            if let Input::Bytes(queue) = input {
                queue.push(message.data, count, rights, budget);
            }
        })?;
        self.waiters.wake(WaitKey::SocketInput(peer.0));
        Ok(count)
    }

    /// EPIPE with the signal a stream's writer is owed, or another error.
    fn broken(&mut self, pid: Pid, error: Errno, flags: MessageFlags) -> Halt {
        if error == Errno::EPIPE && !flags.contains(MessageFlags::NOSIGNAL) {
            self.signal_process(pid, Signal::PIPE);
        }
        error.into()
    }

    fn send_packet(&mut self, call: &Call, id: SocketId, nonblock: bool, message: &Outgoing<'_>) -> Step<usize> {
        let socket = self.sockets.get(id)?;
        if socket.write_shut {
            return Err(Errno::EPIPE.into());
        }
        let peer = socket.peer().ok_or(Errno::ENOTCONN)?;
        let from = socket.local.clone();
        self.put_message(call, peer, nonblock, message, from)
    }

    fn send_unix_datagram(
        &mut self,
        call: &mut Call,
        id: SocketId,
        nonblock: bool,
        message: &Outgoing<'_>,
    ) -> Step<usize> {
        if message.len() > UNIX_MESSAGE_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let to = match message.to {
            Some(address) => self.unix_target(call, address, SocketKind::Datagram)?,
            None => self.sockets.get(id)?.peer().ok_or(Errno::ENOTCONN)?,
        };
        let socket = self.sockets.get_mut(id)?;
        if socket.write_shut {
            return Err(Errno::EPIPE.into());
        }
        let from = socket.local.clone();
        match self.sockets.get(to) {
            Ok(other) if other.read_shut => return Err(Errno::EPIPE.into()),
            Ok(_) if !self.sockets.takes_from(to, id)? => return Err(Errno::EPERM.into()),
            Ok(_) => {}
            Err(_) => {
                // Whom it was connected to is gone.
                self.sockets.get_mut(id)?.state = State::Idle;
                return Err(Errno::ECONNREFUSED.into());
            }
        }
        self.put_message(call, to, nonblock, message, from)
    }

    /// Puts a message into a Unix socket's input, or waits for room there.
    fn put_message(
        &mut self,
        call: &Call,
        to: SocketId,
        nonblock: bool,
        message: &Outgoing<'_>,
        from: Name,
    ) -> Step<usize> {
        let len = message.len();
        if len > UNIX_MESSAGE_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let Input::Messages(queue) = &self.sockets.get(to)?.input else { return Err(Errno::EPROTOTYPE.into()) };
        if !queue.has_room(len, self.limits.datagrams) {
            return Err(if nonblock { Errno::EAGAIN.into() } else { Halt::on(WaitKey::SocketRoom(to.0)) });
        }
        if self.sockets.bytes() + (len + MESSAGE_COST) as u64 > self.limits.socket_bytes {
            return Err(self.limit_reached(call.pid, "socket_bytes", Errno::ENOBUFS).into());
        }
        let rights = self.send_rights(call, message.rights)?;
        self.deliver(to, Message { bytes: message.data.concat().into(), from, rights })?;
        Ok(len)
    }

    fn deliver(&mut self, to: SocketId, message: Message) -> Result<(), Errno> {
        self.sockets.with_input(to, |input| {
            if let Input::Messages(queue) = input {
                queue.push(message);
            }
        })?;
        self.waiters.wake(WaitKey::SocketInput(to.0));
        Ok(())
    }

    fn send_udp(&mut self, call: &mut Call, id: SocketId, message: &Outgoing<'_>) -> Step<usize> {
        let len = message.len();
        if len > UDP_BYTES_MAX {
            return Err(Errno::EMSGSIZE.into());
        }
        let socket = self.sockets.get(id)?;
        let to = match (message.to, &socket.state) {
            (Some(address), _) => {
                let family = socket.family;
                let to = self.datagram_target(call, family, address)?;
                if to.port() == 0 {
                    return Err(Errno::EINVAL.into());
                }
                to
            }
            (None, State::Connected { name: Name::Inet(to), .. }) => *to,
            (None, _) => return Err(Errno::EDESTADDRREQ.into()),
        };
        let socket = self.sockets.get_mut(id)?;
        if let Some(error) = socket.error.take() {
            return Err(error.into());
        }
        if socket.write_shut {
            return Err(Errno::EPIPE.into());
        }
        let from = self.udp_source(id, to)?;
        let Some(receiver) = self.sockets.receiver_at(to, from) else {
            // The refusal comes back to a connected sender, for its next call.
            let socket = self.sockets.get_mut(id)?;
            if matches!(socket.state, State::Connected { .. }) {
                socket.error = Some(Errno::ECONNREFUSED);
                self.waiters.wake(WaitKey::SocketInput(id.0));
            }
            return Ok(len);
        };
        let other = self.sockets.get(receiver)?;
        let Input::Messages(queue) = &other.input else { return Ok(len) };
        let full = !queue.has_room(len, self.limits.datagrams);
        if full || other.read_shut {
            // Lost, as a network may lose it.
            if queue.len() as u64 >= self.limits.datagrams {
                self.limit_reached(call.pid, "datagrams", Errno::EAGAIN);
            }
            return Ok(len);
        }
        if self.sockets.bytes() + (len + MESSAGE_COST) as u64 > self.limits.socket_bytes {
            return Err(self.limit_reached(call.pid, "socket_bytes", Errno::ENOBUFS).into());
        }
        let bytes = message.data.concat().into();
        self.deliver(receiver, Message { bytes, from: Name::Inet(from), rights: Vec::new() })?;
        Ok(len)
    }

    /// The address a datagram comes from; a socket without a port gets one at its first.
    fn udp_source(&mut self, id: SocketId, to: SocketAddr) -> Result<SocketAddr, Errno> {
        let any = super::bind::wildcard(self.sockets.get(id)?.family)?;
        self.sockets.take_any_port(id, any)?;
        let local = self.sockets.get(id)?.local.inet().ok_or(Errno::EINVAL)?;
        let address = if local.ip().is_unspecified() { source_for(to.ip()) } else { local.ip() };
        Ok(SocketAddr::new(address, local.port()))
    }

    /// Counts descriptors as in flight and holds what they are open on.
    fn send_rights(&mut self, call: &Call, rights: &[Fd]) -> Result<Vec<OpenId>, Errno> {
        if rights.is_empty() {
            return Ok(Vec::new());
        }
        let descriptors = &self.process(call.pid)?.descriptors;
        let opens: Vec<OpenId> =
            rights.iter().map(|fd| Ok(descriptors.get(*fd)?.open)).collect::<Result<_, Errno>>()?;
        if self.sockets.in_flight + opens.len() as u64 > self.limits.rights_in_flight {
            return Err(self.limit_reached(call.pid, "rights_in_flight", Errno::ETOOMANYREFS));
        }
        self.sockets.in_flight += opens.len() as u64;
        opens.iter().for_each(|open| self.files.retain(*open));
        Ok(opens)
    }
}

impl Sockets {
    /// Bytes a stream takes now, and whether the session's limit and not its own buffer says so.
    pub(super) fn stream_room(&self, to: SocketId, limit: u64) -> Result<(usize, bool), Errno> {
        let len = self.get(to)?.input.len();
        let own = BUFFER_BYTES.saturating_sub(len);
        let left = usize::try_from(limit.saturating_sub(self.bytes)).unwrap_or(usize::MAX);
        let room = own.min(left.max(STREAM_FLOOR.saturating_sub(len)));
        Ok((room, room == 0 && own > 0))
    }

    /// Whether a Unix datagram socket takes messages of `from`: one that is connected takes only its peer's.
    pub(super) fn takes_from(&self, id: SocketId, from: SocketId) -> Result<bool, Errno> {
        Ok(match self.get(id)?.state {
            State::Connected { peer: Some(peer), .. } => peer == from || id == from,
            _ => true,
        })
    }
}
