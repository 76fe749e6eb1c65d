//! Sockets as `/proc/net` shows them.

use super::{Family, Name, Socket, SocketId, SocketKind, State};
use crate::kernel::Kernel;
use std::collections::HashSet;

/// One socket to be shown.
pub(crate) struct ShownSocket {
    /// Its inode; 0 while nobody has accepted it.
    pub number: u64,
    pub family: Family,
    pub kind: SocketKind,
    pub phase: Phase,
    /// Where it is.
    pub local: Name,
    /// Whom it is connected to.
    pub remote: Name,
    /// Bytes that wait to be received; for a listener, connections that wait to be accepted.
    pub received: u64,
}

/// What a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody is at the other end.
    Idle,
    /// It takes connections.
    Listening,
    /// It waits for a listener.
    Connecting,
    /// Both ends may send.
    Connected,
    /// It has said that it sends nothing more; the other end has not.
    Closing,
    /// The other end has said so, and it has not.
    Ended,
    /// Both have.
    Closed,
}

impl Socket {
    fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Listening(_) => Phase::Listening,
            State::Connecting { .. } => Phase::Connecting,
            State::Connected { .. } if !self.is_tcp() => Phase::Connected,
            State::Connected { peer, .. } => match (self.write_shut, self.ended || peer.is_none()) {
                (false, false) => Phase::Connected,
                (true, false) => Phase::Closing,
                (false, true) => Phase::Ended,
                (true, true) => Phase::Closed,
            },
        }
    }

    fn shown(&self, number: u64) -> ShownSocket {
        let remote = match &self.state {
            State::Connecting { to, .. } => Name::Inet(*to),
            State::Connected { name, .. } => name.clone(),
            State::Idle | State::Listening(_) => Name::unbound(self.family),
        };
        let received = self.listener().map_or(self.input.len(), |listener| listener.accepted_next.len());
        ShownSocket {
            number,
            family: self.family,
            kind: self.kind,
            phase: self.phase(),
            local: self.local.clone(),
            remote,
            received: received as u64,
        }
    }
}

impl Kernel {
    /// Every socket, in order of its number.
    pub(crate) fn shown_sockets(&self) -> Vec<ShownSocket> {
        let table = &self.sockets.table;
        let waiting: HashSet<SocketId> =
            table.values().filter_map(Socket::listener).flat_map(|it| it.accepted_next.iter().copied()).collect();
        let mut ids: Vec<SocketId> = table.keys().copied().collect();
        ids.sort_unstable();
        let number = |id: SocketId| if waiting.contains(&id) { 0 } else { id.0 };
        ids.into_iter().filter_map(|id| Some(table.get(&id)?.shown(number(id)))).collect()
    }
}
