//! Which names the session has looked up outside, and what they stood for: a program looks a name up and then connects to
//! an address, and what it may reach is said by name.
//!
//! Only answers of the way out are pinned, never what a session says itself (`/etc/hosts`). A name keeps the addresses of
//! several lookups, the newest first, since one that stands for many is answered with others each time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

/// Names that are remembered, at most: those looked up last.
const NAMES_MAX: usize = 256;
/// Addresses of one name, at most.
const ADDRESSES_MAX: usize = 64;
/// Names an address is said to have, at most: those looked up last. Each is asked of the policy under the lock.
pub(super) const NAMES_OF_ONE_MAX: usize = 16;

/// What names stood for. The one looked up last is the last.
#[derive(Debug, Default)]
pub(super) struct Pins {
    names: VecDeque<Pin>,
}

#[derive(Debug)]
struct Pin {
    name: Arc<str>,
    addresses: Vec<IpAddr>,
}

impl Pins {
    /// A name was looked up and stands for these addresses.
    pub(super) fn note(&mut self, name: &str, addresses: &[IpAddr]) {
        let known = self.names.iter().position(|pin| &*pin.name == name).and_then(|at| self.names.remove(at));
        let mut pin = known.unwrap_or_else(|| Pin { name: name.into(), addresses: Vec::new() });
        let older = std::mem::take(&mut pin.addresses);
        pin.addresses = addresses.to_vec();
        pin.addresses.extend(older.into_iter().filter(|address| !addresses.contains(address)));
        pin.addresses.truncate(ADDRESSES_MAX);
        pin.addresses.shrink_to_fit();
        if self.names.len() == NAMES_MAX {
            self.names.pop_front();
        }
        self.names.push_back(pin);
    }

    /// The names an address was found by, the newest first; at most [`NAMES_OF_ONE_MAX`].
    pub(super) fn names_of(&self, address: IpAddr) -> Vec<Arc<str>> {
        let found = self.names.iter().rev().filter(|pin| pin.addresses.contains(&address));
        found.take(NAMES_OF_ONE_MAX).map(|pin| pin.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
