//! How two sockets part: shutdown(), and the end of a socket.

use super::{Awaits, Bound, Socket, SocketId, SocketKind, State};
use crate::errno::Errno;
use crate::fetch::Call;
use crate::file::OpenId;
use crate::id::Fd;
use crate::kernel::Kernel;
use crate::wait::WaitKey;

/// Which half of a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Nothing more is received.
    Read,
    /// Nothing more is sent.
    Write,
    /// Both.
    Both,
}

impl Shutdown {
    fn reads(self) -> bool {
        self != Shutdown::Write
    }

    fn writes(self) -> bool {
        self != Shutdown::Read
    }
}

/// What the other end of a connection finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The end, behind what was sent.
    End,
    /// Something was lost: an error, and then the end.
    Reset,
}

impl Kernel {
    /// shutdown(). What was sent before is still received.
    ///
    /// # Errors
    /// `EBADF`, `ENOTSOCK`; `ENOTCONN`, but for Unix sockets.
    ///
    /// # Standard
    /// POSIX.1-2017 shutdown(), Linux: a TCP listener whose reading ends listens no more; the reading half of TCP is
    /// nothing to its other end, that of a Unix socket is (`EPIPE`).
    pub fn shutdown(&mut self, call: &Call, fd: Fd, how: Shutdown) -> Result<(), Errno> {
        let (id, _) = self.socket_at(call, fd)?;
        let socket = self.sockets.get_mut(id)?;
        let (tcp, unix, peer) = (socket.is_tcp(), socket.is_unix(), socket.peer());
        match socket.state {
            State::Listening(_) if tcp && how.reads() => {
                let rights = self.stop_listening(id);
                self.drop_rights(rights);
                self.wake_socket(id);
                return Ok(());
            }
            State::Listening(_) if tcp => return Ok(()),
            State::Connecting { .. } => {
                self.stop_connecting(id);
                self.wake_socket(id);
                return Ok(());
            }
            State::Idle if tcp => return Err(Errno::ENOTCONN),
            _ => {}
        }
        let connected = matches!(socket.state, State::Connected { .. });
        socket.read_shut |= how.reads();
        socket.write_shut |= how.writes();
        self.wake_socket(id);
        let mutual = socket_is_mutual(self.sockets.get(id)?);
        if let Some(peer) = peer.filter(|_| mutual)
            && let Ok(other) = self.sockets.get_mut(peer)
        {
            other.read_shut |= how.writes();
            other.ended |= tcp && how.writes();
            other.write_shut |= unix && how.reads();
            self.wake_socket(peer);
        }
        // Linux ends the halves of an unconnected UDP socket all the same.
        if connected || unix { Ok(()) } else { Err(Errno::ENOTCONN) }
    }

    /// Ends a socket whose last descriptor is gone; returns what was in flight to it, to be released.
    pub(crate) fn close_socket(&mut self, id: SocketId) -> Vec<OpenId> {
        let rights = self.remove_socket(id);
        self.sockets.in_flight -= rights.len() as u64;
        rights
    }

    /// Ends a socket; returns the descriptors that are still counted as in flight to it.
    pub(super) fn remove_socket(&mut self, id: SocketId) -> Vec<OpenId> {
        let mut rights = self.stop_listening(id);
        self.stop_connecting(id);
        let Some(mut socket) = self.sockets.table.remove(&id) else { return rights };
        self.sockets.far.remove(&id);
        self.sockets.bytes -= socket.input.charge() as u64;
        rights.extend(socket.input.take_rights());
        let bound = std::mem::replace(&mut socket.bound, Bound::Nothing);
        self.release_name(id, socket.kind, bound);
        if let Some(peer) = socket.peer().filter(|_| socket_is_mutual(&socket)) {
            let lost = !socket.input.is_empty() || (socket.is_tcp() && socket.options.linger == Some(0));
            self.part(peer, if lost { Farewell::Reset } else { Farewell::End });
        }
        self.wake_socket(id);
        rights
    }

    /// Tells a socket that its other end is gone.
    pub(super) fn part(&mut self, id: SocketId, farewell: Farewell) {
        let Ok(socket) = self.sockets.get_mut(id) else { return };
        let State::Connected { peer, .. } = &mut socket.state else { return };
        *peer = None;
        match (socket.is_tcp(), farewell) {
            (true, Farewell::End) => {
                socket.ended = true;
                socket.read_shut = true;
            }
            (true, Farewell::Reset) => {
                socket.error = Some(if socket.ended { Errno::EPIPE } else { Errno::ECONNRESET });
                (socket.read_shut, socket.write_shut) = (true, true);
                socket.state = State::Idle;
            }
            (false, farewell) => {
                (socket.read_shut, socket.write_shut) = (true, true);
                if farewell == Farewell::Reset {
                    socket.error = Some(Errno::ECONNRESET);
                }
            }
        }
        self.wake_socket(id);
    }

    /// Ends a listener, and what waits at it: connections are reset, attempts refused.
    fn stop_listening(&mut self, id: SocketId) -> Vec<OpenId> {
        let Ok(socket) = self.sockets.get_mut(id) else { return Vec::new() };
        if socket.listener().is_none() {
            return Vec::new();
        }
        let State::Listening(listener) = std::mem::replace(&mut socket.state, State::Idle) else { return Vec::new() };
        for client in listener.connecting {
            if let Ok(socket) = self.sockets.get_mut(client) {
                socket.state = State::Idle;
                socket.error = Some(Errno::ECONNREFUSED);
                self.wake_socket(client);
            }
        }
        let mut rights = Vec::new();
        for accepted in listener.accepted_next {
            let client = self.sockets.get(accepted).ok().and_then(Socket::peer);
            if let Some(client) = client {
                self.part(client, Farewell::Reset);
            }
            // Parted from its client already, so that closing says nothing more.
            if let Ok(socket) = self.sockets.get_mut(accepted) {
                socket.state = State::Idle;
            }
            rights.extend(self.remove_socket(accepted));
        }
        rights
    }

    /// Takes back an attempt to connect.
    fn stop_connecting(&mut self, id: SocketId) {
        let Ok(socket) = self.sockets.get_mut(id) else { return };
        let State::Connecting { awaits, .. } = socket.state else { return };
        socket.state = State::Idle;
        match awaits {
            Awaits::Listener(listener) => {
                if let Ok(socket) = self.sockets.get_mut(listener)
                    && let Some(listener) = socket.listener_mut()
                {
                    listener.connecting.retain(|other| *other != id);
                }
            }
            Awaits::Outside(far) => self.part(far, Farewell::Reset),
        }
    }

    /// Everyone who waits for this socket, on either side, looks again.
    pub(super) fn wake_socket(&mut self, id: SocketId) {
        self.waiters.wake(WaitKey::SocketInput(id.0));
        self.waiters.wake(WaitKey::SocketRoom(id.0));
        if let Some(peer) = self.sockets.get(id).ok().and_then(Socket::peer) {
            self.waiters.wake(WaitKey::SocketRoom(peer.0));
        }
    }
}

/// Whether the other end is connected to this one as well: always, but for a Unix datagram socket that chose a peer.
fn socket_is_mutual(socket: &Socket) -> bool {
    socket.kind != SocketKind::Datagram
}
