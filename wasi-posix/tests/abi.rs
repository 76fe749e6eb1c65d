//! The ABI as guests meet it: modules written as text, in sessions without any software.
//!
//! [`harness`] has scripts: guests that make one call after the other and say what each answered.
#![allow(clippy::new_without_default, clippy::unwrap_used, missing_debug_implementations, reason = "a test")]

#[path = "abi/errnos.rs"]
mod errnos;
#[path = "abi/files.rs"]
mod files;
#[path = "abi/harness.rs"]
pub mod harness;
#[path = "abi/locks.rs"]
mod locks;
#[path = "abi/modules.rs"]
mod modules;
#[path = "abi/pointers.rs"]
mod pointers;
#[path = "abi/processes.rs"]
mod processes;
#[path = "abi/shares.rs"]
mod shares;
#[path = "abi/sockets.rs"]
mod sockets;
#[path = "abi/terminals.rs"]
mod terminals;
