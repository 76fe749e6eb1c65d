//! What addresses did, in a table that does not grow with their number.
//!
//! An address of IPv6 counts as its network (/64): whoever has one has all of it. A part of the table that is full forgets
//! whoever has nothing to be remembered for; while there is nobody, all that are new share one entry.

use super::rate::Bucket;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

/// Parts of the table, each with a lock.
const PARTS: usize = 16;
/// Entries of a part, at most.
const PART_MAX: usize = 4096;
/// Nanoseconds between two looks through a full part.
const LOOK_EVERY: u64 = 1_000_000_000;

/// Whom an address belongs to, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Network {
        let v6 = |address: Ipv6Addr| Network::V6((u128::from(address) >> 64) as u64);
        match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(address),
            IpAddr::V6(address) => v6(address),
        }
    }
}

/// What is remembered of one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: Bucket,
    pub(super) refusals: Bucket,
}

#[derive(Default)]
struct Part {
    entries: HashMap<Network, Counts>,
    /// For all there is no room for.
    others: Counts,
    looked: Option<u64>,
}

/// What is remembered of all.
#[derive(Default)]
pub(super) struct Addresses {
    parts: [Mutex<Part>; PARTS],
}

impl Addresses {
    /// Changes what is remembered of an address.
    pub(super) fn with<T>(&self, address: IpAddr, now: u64, change: impl FnOnce(&mut Counts) -> T) -> T {
        let network = Network::from(address);
        let mut part = self.part(network);
        if part.entries.len() >= PART_MAX && !part.entries.contains_key(&network) {
            part.look_through(now);
            if part.entries.len() >= PART_MAX {
                return change(&mut part.others);
            }
        }
        change(part.entries.entry(network).or_default())
    }

    /// What is remembered of an address, if anything is.
    pub(super) fn known<T>(&self, address: IpAddr, look: impl FnOnce(&Counts) -> T) -> Option<T> {
        let network = Network::from(address);
        let part = self.part(network);
        match part.entries.get(&network) {
            Some(known) => Some(look(known)),
            None if part.entries.len() >= PART_MAX => Some(look(&part.others)),
            None => None,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).entries.len()).sum()
    }

    fn part(&self, network: Network) -> std::sync::MutexGuard<'_, Part> {
        // The last bits of what tells networks apart: whoever has many of them fills all parts alike, or one.
        let number = match network {
            Network::V4(address) => u64::from(u32::from(address)),
            Network::V6(first) => first,
        };
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        self.parts[mixed as usize % PARTS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Forgets whoever has nothing missing, not too often.
    fn look_through(&mut self, now: u64) {
        if self.looked.is_some_and(|looked| now < looked.saturating_add(LOOK_EVERY)) {
            return;
        }
        self.looked = Some(now);
        self.entries.retain(|_, counts| !(counts.requests.is_full(now) && counts.refusals.is_full(now)));
    }
}
