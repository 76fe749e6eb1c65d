//! Sessions as their clients meet them: small guests in real kernels, kept in memory.

mod commands;
mod world;
