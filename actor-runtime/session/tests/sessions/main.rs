//! Sessions as their clients meet them: small guests in real kernels, kept in memory.

mod archives;
mod commands;
mod failures;
mod files;
mod following;
mod keys;
mod lifecycle;
mod specs;
mod world;
