//! Sessions of a cluster, on a bucket's double and a real Redis: what was acknowledged outlives the process that said so.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod cluster;
#[path = "../../../stores/tests/servers/mod.rs"]
mod servers;
#[path = "../../../tests/keeper/world.rs"]
#[allow(dead_code, reason = "a single node's tests use the rest")]
mod world;

mod failover;
mod faults;
mod harm;
mod measure;
mod moves;
mod services;
mod suite;
