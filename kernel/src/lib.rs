//! A POSIX kernel in one address space: the state behind every system call a session makes.
//!
//! Read in this order. A [`session::Session`] is the handle that locks a [`kernel::Kernel`] and the only place where
//! a call waits ([`mod@wait`]) or asks for something from outside the lock ([`fetch`]). A [`process`] owns an [`fd`]
//! table; a descriptor names an open [`file`], which may be a [`pipe`], a [`socket`], a terminal ([`pty`]), a device or
//! a [`vfs`] node; every answer a guest can get is an [`errno`].
//!
//! The crate has no thread, clock, socket or file of its own: time and randomness come from a [`host::Host`], files
//! of the outside from a [`vfs::driver::FileSystem`], guests run in a [`runtime::Runtime`], and whoever drives the
//! session implements [`session::Driver`].
//!
//! Lock order: a session's kernel is one lock and nothing else is locked under it. It is never held while anything
//! waits, and wakers, runtimes and drivers are called after it is let go.
#![forbid(unsafe_code)]

pub mod errno;
pub mod id;

pub mod fetch;
pub mod host;
pub mod kernel;
pub mod runtime;
pub mod session;
#[cfg(not(loom))]
mod sync;
#[cfg(loom)]
pub mod sync;
pub mod wait;

pub mod budget;
pub mod charge;
pub mod event;
pub mod limits;
pub mod policy;
pub mod process;
pub mod signal;
pub mod timer;
pub mod user;

pub mod descriptor;
pub mod fd;
pub mod file;
pub mod io;
pub mod lock;
pub mod pipe;
pub mod poll;
pub mod pty;
pub mod relief;
pub mod seek;
pub mod socket;

pub mod blob;
pub mod extent;
pub mod pmap;
pub mod vfs;

pub mod image;

pub use errno::Errno;
pub use fetch::Call;
pub use kernel::{Kernel, Template, World};
pub use session::{CallError, Session};
pub use wait::{Halt, Step};
