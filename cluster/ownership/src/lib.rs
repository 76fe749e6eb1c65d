//! Who owns a session, what may be acknowledged, and what to do when anything fails: decisions without I/O.
//!
//! ```text
//! event, time ─▶ Node ─┬─ own lease, who else lives           ─▶ effects: reads and conditional writes of the store,
//!                      ├─ sessions being opened (opening)      │           scripts of Redis, appends to the local log,
//!                      └─ sessions owned here (owned)          │           answers to clients
//!                             └─ record, acknowledge           ┘
//! ```
//! Read in this order. A [`position`] is where an event stands; an [`entry`] is what an owner writes of it; [`acknowledge`]
//! says when a client may be told. A [`record`] is the one object that says who owns a session, and its state machine; a
//! [`lease`] is the hint that saves reading it. [`place`] and [`admission`] say where a session is opened and when. A
//! [`message`] goes in or out; a [`node`] is what decides. A [`rule`] is something all this rests on, and can be broken for a
//! test; [`simulation`] runs clusters of nodes from seeds against a store, a Redis, clocks and a network that fail.
//!
//! Nothing here reads a clock, waits, or has a thread.
#![forbid(unsafe_code)]

pub mod name;
pub mod time;

pub mod entry;
pub mod position;

pub mod acknowledge;
pub mod lease;
pub mod record;
pub mod rule;

pub mod admission;
pub mod place;

pub mod message;
pub mod node;

pub mod simulation;

mod opening;
mod owned;
