//! Clusters of nodes run from seeds against a store, a Redis, clocks, disks and a network that fail.
//!
//! ```text
//! seed ─▶ Plan: faults, commands ─▶ World ─▶ events to nodes ─▶ effects ─▶ fates of requests ─▶ events ...
//!                                     └──▶ Checker: after every step, what must hold ─▶ Violation, with a trace
//! ```
//! One thread, one queue of what happens when; the same seed gives the same run. A seed that fails is shrunk: faults and
//! commands are left out as long as it still fails.
//!
//! What is simulated is the world, not the core: nodes are [`crate::node::Node`], as they are.

mod bucket;
mod checker;
mod client;
mod coverage;
#[cfg(all(test, feature = "exhaustive"))]
mod exhaustive;
mod network;
mod plan;
mod random;
mod redis;
mod shrink;
mod world;

pub use bucket::Bucket;
pub use checker::{Checker, Invariant, Violation};
pub use coverage::{Coverage, EFFECTS, kind};
pub use plan::{COMMANDS_MIN, Command, FAILURES, Failure, Fault, HEALED, Place, Plan, Way, Wish};
pub use random::Random;
pub use redis::Redis;
pub use shrink::shrink;
pub use world::{Outcome, REACHABLE_WITHIN, run};
