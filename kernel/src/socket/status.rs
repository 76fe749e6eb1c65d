//! Sockets as `/proc/net` shows them.

use super::{Family, Name, Socket, SocketId, SocketKind, Sockets, State};
use std::collections::HashSet;
use std::net::SocketAddr;

/// What a socket does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nobody is at the other end.
    Idle,
    /// It waits for whoever comes.
    Listening,
    /// It waits for a place in a listener's queue, or for the outside.
    Connecting,
    /// Both ends send.
    Connected,
    /// This end sends nothing more.
    WriteShut,
    /// The other end sends nothing more.
    PeerEnded,
    /// Neither does.
    Closed,
}

/// A socket as `/proc/net` shows it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its inode; 0 while nobody has accepted it.
    pub number: u64,
    pub family: Family,
    pub kind: SocketKind,
    pub phase: Phase,
    /// Where it is; none before it is bound, and of a Unix socket.
    pub local: Option<SocketAddr>,
    /// Whom it is connected to.
    pub remote: Option<SocketAddr>,
    /// Bytes that wait to be received; at a listener, connections that wait to be accepted.
    pub received: u64,
    /// A Unix socket's name as it is shown: empty without, `@` before an abstract one.
    pub name: Vec<u8>,
}

impl Sockets {
    /// Every socket but far ends, in no order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let waiting: HashSet<SocketId> =
            self.table.values().filter_map(Socket::listener).flat_map(|it| it.accepted_next.iter().copied()).collect();
        let own = self.table.iter().filter(|(id, _)| !self.far.contains(id));
        own.map(move |(id, socket)| socket.row(if waiting.contains(id) { 0 } else { id.0 }))
    }
}

impl Socket {
    fn row(&self, number: u64) -> Row {
        Row {
            number,
            family: self.family,
            kind: self.kind,
            phase: self.phase(),
            local: self.local.inet().filter(|at| at.port() != 0),
            remote: match &self.state {
                State::Connected { name, .. } => name.inet(),
                State::Connecting { to, .. } => Some(*to),
                State::Idle | State::Listening(_) => None,
            },
            received: self.listener().map_or(self.input.waiting(), |it| it.accepted_next.len()) as u64,
            name: match &self.local {
                Name::Path(path) => path.to_vec(),
                Name::Abstract(name) => [b"@", &name[..]].concat(),
                Name::Unnamed | Name::Inet(_) => Vec::new(),
            },
        }
    }

    fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Listening(_) => Phase::Listening,
            State::Connecting { .. } => Phase::Connecting,
            State::Connected { .. } if self.ended && self.write_shut => Phase::Closed,
            State::Connected { .. } if self.ended => Phase::PeerEnded,
            State::Connected { .. } if self.write_shut => Phase::WriteShut,
            State::Connected { .. } => Phase::Connected,
        }
    }
}
