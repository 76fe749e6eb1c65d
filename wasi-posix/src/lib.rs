//! WebAssembly guests: WASI preview1 and the POSIX host ABI against the kernel, and the software they come in.
//!
//! Read in this order. [`engine::Wasm`] is the kernel's runtime for images that begin with `\0asm`: it compiles a
//! module once per content ([`aot`] keeps the result on disk) and runs each process as a task ([`guest`]), in the turns
//! on the processor that its tenant's [`share`] gives it. What a
//! module may import is one table ([`abi`]): each function decodes its arguments from the guest's [`memory`], checks
//! them before any effect, and makes a system call. [`software`] fetches, verifies and lists packages; [`layer`]
//! turns what is installed into the files a session begins with, [`node`] makes sessions of it all and launches commands
//! in them, and [`system`] has the real clocks and the executor.
//!
//! Unsafe code is in [`aot`] alone: loading code this host compiled, and mapping the store's immutable files.
#![deny(unsafe_code)]

pub mod abi;
pub mod aot;
pub mod engine;
pub mod errno;
pub mod guest;
pub mod layer;
pub mod memory;
pub mod metrics;
pub mod node;
pub mod shape;
pub mod software;
pub mod system;

pub use engine::{EngineOptions, Wasm};
pub use warren_share as share;
