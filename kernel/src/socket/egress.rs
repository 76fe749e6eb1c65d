//! What the kernel asks of the outside for a session's network. Whoever places sessions fills it in; without it, and
//! before the policy allowed it, a session reaches nothing but itself.

use crate::errno::Errno;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// The way out of a session. Called outside every lock, and may block.
///
/// Only names are looked up yet: no implementation carries connections, and the kernel answers `ENETUNREACH` for one
/// that the policy allows.
pub trait Egress: Send + Sync {
    /// Addresses of a host outside, best first. The policy has allowed the name; which addresses it may stand for
    /// (none of a private or metadata range, unless named) is for the implementation to hold.
    ///
    /// # Errors
    /// `ENOENT` when there is no such name, `EACCES` when its addresses are refused, `EHOSTUNREACH` when nobody can be
    /// asked.
    fn resolve(&self, name: &str) -> Result<Arc<[IpAddr]>, Errno>;
}

impl fmt::Debug for dyn Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Egress")
    }
}
