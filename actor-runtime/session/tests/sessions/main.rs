//! Sessions as their clients meet them: small guests in real kernels, kept in memory.

#![allow(clippy::unwrap_used, reason = "a test that meets an error it does not expect fails")]

mod archives;
mod batches;
mod changes;
mod commands;
mod failures;
mod figures;
mod files;
mod following;
mod keys;
mod lifecycle;
mod shares;
mod specs;
mod terminals;
mod world;
