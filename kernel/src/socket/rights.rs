//! Descriptors on their way through Unix sockets (SCM_RIGHTS).
//!
//! A descriptor in flight holds its open file description as a descriptor of a process does. A socket that is in flight
//! to itself, directly or through others, would so live for ever once no process has it: whenever a socket loses a
//! descriptor while some are in flight, what cannot be reached any more is found and released.
//!
//! ```text
//! a process' descriptor ─▶ socket ─▶ its input ─▶ rights ─▶ socket ─▶ ...      reached: stays
//!                          socket ─▶ its input ─▶ rights ─▶ the same socket    not reached: released
//! ```

use super::{SocketId, Sockets};
use crate::file::{OpenId, Opened};
use crate::kernel::Kernel;
use std::collections::{HashMap, HashSet};

/// Descriptors of one message, at most (Linux's SCM_MAX_FD).
pub const RIGHTS_MAX: usize = 253;

impl Kernel {
    /// Lets go of descriptors that were in flight.
    pub(super) fn drop_rights(&mut self, rights: Vec<OpenId>) {
        self.sockets.in_flight -= rights.len() as u64;
        for open in rights {
            self.release_open(open);
        }
    }

    /// Takes the rights out of the inputs of sockets that nobody can reach, to be released.
    pub(crate) fn unreachable_rights(&mut self) -> Vec<OpenId> {
        let mut in_flight: HashMap<OpenId, u32> = HashMap::new();
        for open in self.sockets.table.values().flat_map(|socket| socket.input.rights()) {
            *in_flight.entry(open).or_default() += 1;
        }
        let socket_of = |open: OpenId| match self.files.get(open).ok()?.what {
            Opened::Socket(id) => Some(id),
            _ => None,
        };
        if !in_flight.keys().any(|open| socket_of(*open).is_some()) {
            return Vec::new();
        }
        let held = self.files.entries().filter_map(|(open, file)| match file.what {
            Opened::Socket(id) if file.refs > in_flight.get(&open).copied().unwrap_or(0) => Some(id),
            _ => None,
        });
        let mut reached: HashSet<SocketId> = HashSet::new();
        let mut next: Vec<SocketId> = held.collect();
        while let Some(id) = next.pop() {
            if !reached.insert(id) {
                continue;
            }
            let Ok(socket) = self.sockets.get(id) else { continue };
            next.extend(socket.input.rights().filter_map(socket_of));
            next.extend(socket.listener().into_iter().flat_map(|listener| &listener.accepted_next));
        }
        self.sockets.take_rights_but_of(&reached)
    }
}

impl Sockets {
    fn take_rights_but_of(&mut self, reached: &HashSet<SocketId>) -> Vec<OpenId> {
        let mut rights = Vec::new();
        for (id, socket) in &mut self.table {
            if !reached.contains(id) {
                rights.extend(socket.input.take_rights());
            }
        }
        self.in_flight -= rights.len() as u64;
        rights
    }
}
