//! Node programs in sessions.
#![allow(clippy::unwrap_used, reason = "a test")]

mod children;
mod code;
mod command;
mod descriptors;
mod errors;
mod exchanges;
mod forks;
mod harness;
mod http;
mod limits;
mod loader;
mod net;
mod pipes;
mod programs;
mod signals;
mod sockets;
mod stdio;
mod watch;
