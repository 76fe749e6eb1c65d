//! Where a session that nobody owns is opened.
//!
//! Rendezvous hashing weighted by free memory: every gateway that sees the same nodes names the same one, and a node more
//! or less moves no more than its share. Only for sessions without an owner: of one that has an owner, the record says
//! where it is. Protects: a session has one place, whatever two nodes think of the cluster.

use crate::lease::Peer;
use crate::name::{Owner, SessionId};

/// The node that opens a session, among those that are not draining; `None` without any.
pub fn place(session: SessionId, peers: &[Peer]) -> Option<Owner> {
    let candidates = peers.iter().filter(|peer| !peer.draining);
    let best = candidates.max_by(|one, two| score(session, one).total_cmp(&score(session, two)));
    best.map(|peer| peer.owner)
}

/// Weighted rendezvous: -weight / ln(u) for a uniform u. The highest wins in proportion to weights.
fn score(session: SessionId, peer: &Peer) -> f64 {
    let hash = mix(mix(mix(session.0 as u64) ^ (session.0 >> 64) as u64) ^ u64::from(peer.owner.node.0));
    // 53 bits, never 0 nor 1.
    let uniform = ((hash >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -f64::from(peer.free_mib.max(1)) / uniform.ln()
}

/// The finaliser of `SplitMix64`: every bit of the result depends on every bit of the number.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
