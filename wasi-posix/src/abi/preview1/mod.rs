//! WASI preview1, and the few functions of `wasi_unstable` (its predecessor) that differ.
//!
//! # Standard
//! WebAssembly/WASI, legacy/preview1. Extended as the POSIX host ABI does: fdflags 0x20 is O_DIRECT, whence 3 and 4
//! are SEEK_DATA and SEEK_HOLE, fd_readdir gives `.` and `..`.

mod descriptors;
mod paths;
mod poll;
mod process;

pub use descriptors::*;
pub use paths::*;
pub use poll::*;
pub use process::*;
