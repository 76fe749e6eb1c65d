//! Sessions as actors: a kernel with a name, an event log and a life of its own.
//!
//! ```text
//! Sessions ──▶ supervisor ──▶ one actor per live session ──▶ kernel::Session ──▶ guests
//!    │                              │ Scribe: numbers events, waits until they are durable, hands them out
//!    └── a session that rests ◀──── Durability (a trait; the cluster crate fills it in)
//! ```
//! Read in this order. An [`id`] names a session for ever; a [`position`] names an event in its log; a [`spec`] says what
//! it is made of, and a [`change`] what may be otherwise later; an [`event`] is all a client may see; [`durability`] is what the actor needs of whoever keeps what it
//! acknowledged; a [`quota`] bounds what a tenant takes, and an [`account`] counts it.
//!
//! Then how it is done. Of a session that is awake, [`scribe`] numbers what happens and keeps it, [`log`] has the latest of
//! it in memory and [`follow`] shows it to clients, [`watch`] what of it is about some files; [`template`] makes the kernel, [`exec`] runs commands, [`files`] and
//! [`archive`] reach into the tree, [`terminal`] keeps screens of commands that outlive their viewers; all of it hangs on [`awake`]. Whether it is awake is its [`seat`]'s to know;
//! [`lifecycle`] has the turns a life can take, [`actor`] makes them one by one, [`supervisor`] brings an actor that
//! panicked back, and [`ticker`] knows what is due, a [`meter`] hears what was used, [`room`] is what one more needs of the node and its
//! tenant, [`node`] has all of them. [`sessions`] and [`handle`] are what others call.
//!
//! Locks, in order: a seat's life, its gate, the scribe's book, the table of commands, one command, the kernel, the log.
//! A tenant's account comes last: nothing is taken while it is held.
#![forbid(unsafe_code)]
#![allow(rustdoc::private_intra_doc_links)] // The reading order names private files.

pub mod change;
pub mod command;
pub mod durability;
pub mod error;
pub mod event;
pub mod filter;
pub mod id;
pub mod position;
pub mod quota;
pub mod spec;
pub mod terminal;
pub mod watch;

pub mod account;

mod archive;
mod awake;
mod exec;
mod files;
mod follow;
mod log;
pub mod metrics;
mod scribe;
mod template;

mod actor;
mod handle;
mod lifecycle;
pub mod meter;
mod node;
mod room;
mod seat;
pub mod sessions;
mod supervisor;
mod ticker;

pub use error::SessionError;
pub use handle::SessionHandle;
pub use meter::{Meter, NoMeter, Used};
pub use sessions::{Options, Secrets, Seen, Sessions, Software};
