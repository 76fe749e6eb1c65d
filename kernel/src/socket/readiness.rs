//! What poll() says of a socket, bit by bit as Linux does (tcp_poll(), unix_poll(), datagram_poll()).

use super::queue::BUFFER_BYTES;
use super::{Family, Socket, SocketId, SocketKind, State};
use crate::kernel::Kernel;
use crate::poll::PollEvents;
use crate::wait::WaitKey;

impl Kernel {
    /// What a socket is ready for; adds what would change that to `keys`.
    pub(crate) fn socket_readiness(&self, id: SocketId, keys: &mut Vec<WaitKey>) -> PollEvents {
        let Ok(socket) = self.sockets.get(id) else { return PollEvents::NVAL };
        keys.push(WaitKey::SocketInput(id.0));
        if let Some(peer) = socket.peer() {
            keys.push(WaitKey::SocketRoom(peer.0));
        }
        let mut found = PollEvents::empty();
        found.set(PollEvents::ERR, socket.error.is_some());
        let waiting = match &socket.state {
            State::Listening(listener) => !listener.accepted_next.is_empty(),
            _ => !socket.input.is_empty() || socket.read_shut,
        };
        found.set(PollEvents::IN | PollEvents::RDNORM, waiting);
        found.set(PollEvents::RDHUP, socket.read_shut);
        let connects = socket.kind != SocketKind::Datagram;
        let hung_up = socket.read_shut && socket.write_shut || connects && matches!(socket.state, State::Idle);
        found.set(PollEvents::HUP, hung_up);
        found.set(PollEvents::OUT | PollEvents::WRNORM, self.takes_more(socket));
        found
    }

    /// Whether a send would be answered at once: taken, or refused.
    fn takes_more(&self, socket: &Socket) -> bool {
        let State::Connected { peer, .. } = &socket.state else {
            return matches!(socket.state, State::Idle);
        };
        let Some(peer) = peer.filter(|_| !socket.write_shut) else { return true };
        let Ok(other) = self.sockets.get(peer) else { return true };
        match (socket.kind, &other.input) {
            (SocketKind::Stream, _) => {
                let enough = if socket.family == Family::Unix { BUFFER_BYTES / 4 } else { BUFFER_BYTES / 3 * 2 };
                let room = self.sockets.stream_room(peer, self.limits.socket_bytes);
                room.is_ok_and(|(room, _)| room > 0) && other.input.len() <= enough
            }
            (_, super::queue::Input::Messages(queue)) => queue.has_room(1, self.limits.datagrams),
            (_, super::queue::Input::Bytes(_)) => true,
        }
    }
}
