//! The small calls, as JSON. Unknown fields are passed over, so that nodes of two versions understand each other.

use serde::{Deserialize, Serialize};
use warren_ownership::name::{Incarnation, NodeId, SessionId};
use warren_ownership::position::Epoch;

/// Bytes of a small call, and of its answer, at most.
pub const MESSAGE_MAX: u64 = 1 << 20;
/// Bytes of a chunk, at most.
pub const CHUNK_MAX: u64 = 64 << 20;

/// How a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Which.
    pub node: NodeId,
    /// Which process of it.
    pub incarnation: Incarnation,
    /// Its version, as `warren --version` says it.
    pub version: String,
    /// Whether it hands its sessions over and takes none.
    pub draining: bool,
    /// Sessions it owns.
    pub sessions: u64,
    /// Memory it has left, in MiB.
    pub free_mib: u32,
}

/// A node is to hand its sessions over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Whether it is to begin, or to take sessions again.
    pub begin: bool,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Sessions it still owns.
    pub left: u64,
}

/// A session that its owner would hand over. Nothing is handed over by this: that is one write of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which.
    pub session: SessionId,
    /// Whose it is, as the registry calls them.
    pub tenant: String,
    /// The epoch of its owner now; whoever takes it has the next.
    pub epoch: Epoch,
    /// Who offers it.
    pub from: Incarnation,
    /// Memory it has now, in bytes.
    pub memory_bytes: u64,
    /// Chunks that are worth having first, as text of 64 hexadecimal digits; at most 4,096.
    pub chunks: Vec<String>,
}

/// Whether it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offered {
    /// It may be handed over to this process.
    Taken {
        /// Which.
        by: Incarnation,
    },
    /// Not now.
    Declined {
        /// Why.
        reason: String,
        /// Milliseconds after which it may be offered again; none if it should not be.
        again_ms: Option<u64>,
    },
}

/// A chunk of a tenant's snapshots. Whoever asks checks that what comes has this hash: the asked node is not trusted with that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkName {
    /// Whose.
    pub tenant: String,
    /// Its hash, as text of 64 hexadecimal digits.
    pub hash: String,
}

/// A node's signing request (PKCS #10), to a node that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Renew {
    /// Base64.
    pub(crate) request: String,
}

/// A call that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    pub(crate) code: String,
    pub(crate) detail: String,
}
