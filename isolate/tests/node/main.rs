//! Node programs in sessions.
#![allow(clippy::unwrap_used, reason = "a test")]

mod children;
mod forks;
mod harness;
mod http;
mod limits;
mod net;
mod programs;
mod signals;
mod stdio;
