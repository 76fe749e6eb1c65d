//! Mount drivers: file systems outside the kernel, behind its [`FileSystem`](warren_kernel::vfs::driver::FileSystem)
//! trait.
//!
//! A driver is the one place where a session touches files that are not its own. It answers one request at a time,
//! outside every lock, and holds nothing of the session. There is one: a [`host_directory`] of the machine.
#![forbid(unsafe_code)]

pub mod host_directory;

pub use host_directory::{HostDirectory, OpenError, Options};
