//! How bytes reach a peer, and who that is.
//!
//! ```text
//! Dial ──▶ Wire: bytes both ways, to a peer that is known, until it counts no more ◀── accepted
//! ```
//! HTTP/2 runs over any [`Wire`]. Nodes have TCP with mutual TLS 1.3 ([`tls`]); a process that its parent started gets one end of
//! a Unix socket, and who is at the other end is known because nobody else could be ([`Wire::local`]).

use crate::name::{PeerId, node_text};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use warren_ownership::name::NodeId;

pub mod tls;

/// Bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A stream of bytes to a peer that is known.
pub struct Wire {
    pub(crate) io: Box<dyn Io>,
    pub(crate) peer: PeerId,
    pub(crate) ended: BoxFuture<'static, Ended>,
}

/// Why a wire should be used no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The certificate it was made with ends: what is on its way may go on for a little.
    Expired,
    /// The peer counts no more: at once.
    Refused(String),
}

impl Wire {
    /// One to somebody who is known in another way, for ever.
    pub fn local(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: PeerId) -> Wire {
        Wire { io: Box::new(io), peer, ended: std::future::pending().boxed() }
    }

    /// Whom it leads to.
    pub fn peer(&self) -> PeerId {
        self.peer
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("peer", &self.peer).finish_non_exhaustive()
    }
}

/// A node, and where it said it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Which.
    pub node: NodeId,
    /// Where: what [`Dial`] understands, `host:port` for TLS.
    pub address: Arc<str>,
}

impl Target {
    /// A node there.
    pub fn new(node: NodeId, address: &str) -> Target {
        Target { node, address: address.into() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", node_text(self.node), self.address)
    }
}

/// Makes wires.
pub trait Dial: Send + Sync + 'static {
    /// A wire to that node and no other.
    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, Result<Wire, DialError>>;
}

/// Why there is no wire.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nobody answers there.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// Whom.
        target: Target,
        /// Why.
        reason: String,
    },
    /// Somebody else answers there.
    #[error("{target} is not who answers there: {found}")]
    Other {
        /// Whom.
        target: Target,
        /// Who answers, as far as it says.
        found: String,
    },
    /// One of the two does not trust the other.
    #[error("{target} and this node do not trust each other: {reason}")]
    Untrusted {
        /// Whom.
        target: Target,
        /// Why.
        reason: String,
    },
}
