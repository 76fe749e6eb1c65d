//! What nodes ask of each other.
//!
//! ```text
//! /forward/v1/sessions/...      a client's request, as it came, to the owner of its session; CONNECT for a WebSocket
//! /call/status|drain|offer|chunk|renew     small calls: JSON there and back, a chunk's bytes
//! ```
//! All a client can choose lies behind `/forward`. Read in this order. [`headers`] is what a node says beside a client's request;
//! [`messages`] are the small calls; a [`handler`] answers; [`forward`] and [`calls`] ask.

pub mod headers;

pub mod messages;

pub mod handler;

mod replay;

pub mod forward;

pub mod calls;

pub use calls::Calls;
pub use forward::{Directory, ForwardError, Forwarder, Hint, Outcome};
pub use handler::{Api, Forwarded, Handler, Refusal};
pub use headers::{Origin, Route};

/// Before the path of a client's request.
pub(crate) const FORWARD: &str = "/forward";
/// Before the name of a call.
pub(crate) const CALL: &str = "/call/";
