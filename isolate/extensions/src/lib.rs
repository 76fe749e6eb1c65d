//! What a JavaScript guest of a session is made of: Node's modules from Deno's extension crates, with every door to the
//! host replaced by one to the session's kernel.
//!
//! ```text
//! list     the extensions ──▶ gate: each operation pure, ours or denied ──▶ the snapshot, and every run
//! guest    the process      fs, file, sys   its files      ops   the rest of it      packages   node_modules
//! code     what was compiled, for the next guest           stack   errors and their places as Node shows them
//! parse    its scripts, where something is to be known of them before they run
//! reserved memory that the engine counts nowhere          wasm    modules that define some     wire    values, serialized
//! ```

mod blobs;
pub mod code;
pub mod errno;
pub mod file;
pub mod fs;
pub mod gate;
pub mod guest;
pub mod list;
pub mod ops;
pub mod packages;
pub mod parse;
pub mod permissions;
pub mod reserved;
pub mod stack;
pub mod sys;
pub mod transpile;
pub mod wasm;
pub mod wire;

/// Where the `node` command is in a session.
pub const NODE_PATH: &str = "/usr/bin/node";

/// What every context of a guest's begins with, beside the main one, which has it with the extensions' scripts.
pub const BOUNDS: &str = include_str!("js/bounds.js");
