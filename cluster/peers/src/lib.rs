//! What nodes of a cluster say to each other: who is one, how bytes flow between two, and what is asked over them.
//!
//! ```text
//! trust      an authority of the cluster's own ─ a certificate a node ─ a token lets a new node in
//! wire       a stream of bytes to a peer that is known: TCP with mutual TLS 1.3, or a Unix socket
//! client ──▶ HTTP/2 over one wire a peer: kept, pinged, bounded ──▶ server ──▶ Handler
//! api        forward: a client's request to the owner of its session; calls: status, drain, offer, chunk
//! ```
//! Read in this order. [`name`] is what a node is called; [`trust`] has certificates; a [`wire`] carries bytes and knows whom it
//! leads to; [`limits`] are all bounds; [`client`] and [`server`] speak HTTP/2 over wires and know nothing of sessions;
//! [`api`] is what is said, and knows nothing of TCP or TLS.
//!
//! Locks are held for a look or a change and never across a wait; none is taken while another is held.
#![forbid(unsafe_code)]

pub mod name;

pub mod trust;

pub mod wire;

pub mod limits;

pub mod body;

pub mod client;

pub mod server;

pub mod api;

mod hex;
mod random;

pub use body::Body;
pub use client::Peers;
pub use limits::Limits;
pub use name::{ClusterId, PeerId};
pub use server::Server;
pub use wire::Target;
