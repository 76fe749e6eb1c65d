//! Node programs in V8 isolates, on a session's kernel.
//!
//! ```text
//! exec("/usr/bin/node") ─▶ Isolates::start ─▶ a thread with an isolate, made before ─▶ Worker::run ─▶ Kernel::exit
//! ```
//! The `node` command of a session is a file whose first bytes name this runtime. A process that runs it has a thread and an
//! isolate of its own, from a pool that is filled ahead of need; both end with it, so nothing of a guest is left for the
//! next. `command` reads its command line, `modules` finds its modules, `code` keeps what was made of them for the next
//! program, and the extensions and their gate are a crate of their own, which the snapshot is made of when this is built.

mod allocator;
mod code;
mod command;
mod ending;
mod fatal;
mod late;
mod lost;
mod memory;
mod modules;
mod pool;
mod quiet;
mod script;
mod turns;
mod words;
mod worker;

pub use allocator::Allocator;
pub use code::{CodeCounts, CodeOptions};

pub use command::{CommandError, CommandLine, InputType, Main, parse};
pub use pool::{Isolates, Options};
pub use worker::Limits;

/// The `node` command of a session: where it is, and what its file has.
pub const COMMAND: (&str, &[u8]) = (warren_isolate_extensions::NODE_PATH, MAGIC);
/// What the file of the `node` command begins with.
pub const MAGIC: &[u8] = b"\0warren:node\n";
