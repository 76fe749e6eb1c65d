//! Why a call failed, and whether anything may have been done.

use crate::body::BodyError;
use crate::name::node_text;
use std::time::Duration;
use warren_ownership::name::NodeId;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no connection. Nothing was sent.
    #[error("{} cannot be reached: {reason}", node_text(*.node))]
    Unreachable {
        /// Whom.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// As many requests are on their way as may be, to this peer or to all. Nothing was sent.
    #[error("as many requests to {} are on their way as may be", node_text(*.node))]
    Full {
        /// Whom.
        node: NodeId,
        /// When to come again.
        retry_after: Duration,
    },
    /// The peer, or the connection, says that it did not begin it.
    #[error("{} did not begin it: {reason}", node_text(*.node))]
    NotDone {
        /// Whom.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// The deadline is over.
    #[error("{} did not answer in time", node_text(*.node))]
    Deadline {
        /// Whom.
        node: NodeId,
        /// Whether anything of it was sent.
        sent: bool,
    },
    /// The body of the request ended before its end: its source failed, was silent, or was not taken.
    #[error("the request to {}: {error}", node_text(*.node))]
    Body {
        /// Whom.
        node: NodeId,
        /// Why.
        error: BodyError,
    },
    /// The connection, or the stream of it, ended before an answer: whether it was done is not known.
    #[error("{} did not answer, and whether it was done is not known: {reason}", node_text(*.node))]
    Interrupted {
        /// Whom.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

impl CallError {
    /// Whether it is certain that nothing was done.
    pub fn is_nothing_done(&self) -> bool {
        match self {
            CallError::Unreachable { .. } | CallError::Full { .. } | CallError::NotDone { .. } => true,
            CallError::Deadline { sent, .. } => !sent,
            CallError::Body { .. } | CallError::Interrupted { .. } => false,
        }
    }

    /// From the end of a stream whose head was sent. A peer refuses a stream (RFC 9113, 8.7), or leaves it out of those it
    /// took before it went away (6.8): it did not begin either.
    pub(crate) fn of_stream(node: NodeId, error: &h2::Error) -> CallError {
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let left_out = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let reason = error.to_string();
        match error.is_remote() && (refused || left_out) {
            true => CallError::NotDone { node, reason },
            false => CallError::Interrupted { node, reason },
        }
    }
}
