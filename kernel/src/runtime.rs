//! The one trait a guest runtime implements: WebAssembly today, JavaScript and the shell's own language later.
//!
//! An image is dispatched by its first bytes, as exec() does: a runtime claims it, `#!` names an interpreter, and
//! anything else is ENOEXEC. Loading (compiling) happens outside the lock and before spawn or exec has any effect.

use crate::blob::BlobId;
use crate::errno::Errno;
use crate::fetch::Image;
use crate::id::Pid;
use crate::session::Session;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A loaded image, shared by every process that runs it. What is inside is the runtime's own.
#[derive(Clone)]
pub struct Program(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

/// Why an image cannot be run: the number for the guest, the reason for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct LoadError {
    /// `ENOEXEC` for an image that is not valid or needs what this runtime does not offer; `ENOMEM`, `EIO`.
    pub errno: Errno,
    /// In words.
    pub reason: String,
}

impl LoadError {
    /// An error with this number and reason.
    pub fn new(errno: Errno, reason: impl Into<String>) -> LoadError {
        LoadError { errno, reason: reason.into() }
    }
}

/// Runs the processes whose image it claims.
pub trait Runtime: Send + Sync {
    /// Whether an image that begins with these bytes (up to 256) is this runtime's.
    fn claims(&self, head: &[u8]) -> bool;

    /// The program of this content if it is at hand; called with the kernel locked, so it only looks.
    fn cached(&self, id: &BlobId) -> Option<Program>;

    /// Makes a program of an image: parses, checks, compiles. Called outside every lock; may take seconds.
    ///
    /// # Errors
    /// [`LoadError`]; the spawn or exec then fails with its number, and the session notes its reason.
    fn load(&self, image: &Image) -> Result<Program, LoadError>;

    /// Begins to run `pid`, whose image is `program`, and returns at once. The runtime then owes the session one
    /// [`crate::Kernel::exit`] for it, whatever happens.
    fn start(&self, session: &Session, pid: Pid, program: Program);
}
