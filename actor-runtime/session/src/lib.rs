//! Sessions as actors: a kernel with a name, an event log and a life of its own.
//!
//! ```text
//! Sessions ──▶ supervisor ──▶ one actor per live session ──▶ kernel::Session ──▶ guests
//!    │                              │ Scribe: numbers events, waits until they are durable, hands them out
//!    └── a session that rests ◀──── Durability (a trait; the cluster crate fills it in)
//! ```
//! Read in this order. An [`id`] names a session for ever; a [`position`] names an event in its log; a [`spec`] says what
//! it is made of; an [`event`] is all a client may see; [`durability`] is what the actor needs of whoever keeps what it
//! acknowledged.
#![forbid(unsafe_code)]

pub mod command;
pub mod durability;
pub mod error;
pub mod event;
pub mod id;
pub mod position;
pub mod sessions;
pub mod spec;

pub use error::SessionError;
pub use sessions::{SessionHandle, Sessions};
