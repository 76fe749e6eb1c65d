//! Why a session could not do what it was asked.

use crate::durability::DurabilityError;
use crate::event::State;
use crate::id::{ExecId, NameError, SessionId, TerminalName};
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::Pid;

/// Why a session could not do what it was asked. Nothing was done then, unless the variant says so.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SessionError {
    /// What keeps sessions says no.
    #[error(transparent)]
    Durability(#[from] DurabilityError),
    /// No session of the tenant has this name or id.
    #[error("there is no session `{0}`")]
    NotFound(String),
    /// A text that names nothing.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What was asked makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which part of the request.
        field: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// Too many requests wait for the session.
    #[error("session {id} has as many requests waiting as it takes; try again in {} ms", retry_after.as_millis())]
    Overloaded {
        /// The session.
        id: SessionId,
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// Its tenant has taken what it may.
    #[error(transparent)]
    Quota(#[from] crate::quota::QuotaError),
    /// The node's disk has less left than is kept in reserve, for what has to be written whatever comes.
    #[error("the server's disk has too little space left to begin something new")]
    DiskLow,
    /// The session is not in a state for this.
    #[error("session {id} is {state:?}")]
    WrongState {
        /// The session.
        id: SessionId,
        /// Where its life stands.
        state: State,
    },
    /// A file operation failed.
    #[error("{path}: {errno}")]
    File {
        /// The path it was asked for.
        path: String,
        /// Why.
        errno: Errno,
    },
    /// One of several operations failed, and none was done.
    #[error("operation {index}: {error}")]
    Operation {
        /// Which, from 0.
        index: usize,
        /// Why.
        error: Box<SessionError>,
    },
    /// There is no such command, or it is forgotten.
    #[error("session {id} knows no command {exec}")]
    NoExec {
        /// The session.
        id: SessionId,
        /// The command's number.
        exec: ExecId,
    },
    /// The command's input is closed, or it never had one.
    #[error("command {0} takes no input")]
    NoInput(ExecId),
    /// The command has ended: nothing can be sent to it any more.
    #[error("command {0} has ended")]
    ExecOver(ExecId),
    /// The command runs on pipes.
    #[error("command {0} has no terminal")]
    NotOnTerminal(ExecId),
    /// There is no such process, or nobody may signal it.
    #[error("there is no process {0}")]
    NoProcess(Pid),
    /// There is no such terminal.
    #[error("there is no terminal `{0}`")]
    NoTerminal(TerminalName),
    /// There is a terminal of this name.
    #[error("there is a terminal `{0}`; attach to it, or choose another name")]
    TerminalExists(TerminalName),
    /// The terminal's command has ended.
    #[error("the command of terminal `{0}` has ended; attach to it to start it anew")]
    TerminalOver(TerminalName),
    /// More terminals are open than may be.
    #[error("session {id} has {limit} terminals, the most it may; close one")]
    TooManyTerminals {
        /// The session.
        id: SessionId,
        /// The most.
        limit: usize,
    },
    /// The key was used for another request.
    #[error("the idempotency key was used for another request; use a new key")]
    KeyReused,
    /// More commands run than may.
    #[error("session {id} runs {limit} commands, the most it may; wait for one to end")]
    TooManyExecs {
        /// The session.
        id: SessionId,
        /// The most.
        limit: usize,
    },
    /// Processes that must end first do not.
    #[error("session {id} has {left} processes that did not end")]
    Busy {
        /// The session.
        id: SessionId,
        /// How many.
        left: usize,
    },
    /// An archive to import was refused; nothing was made.
    #[error("the archive was refused: {0}")]
    Archive(String),
    /// The software a session is made of is not there.
    #[error("{0}")]
    Software(String),
    /// The node is shutting down.
    #[error("this node is shutting down; try again")]
    ShuttingDown,
    /// A fault of ours ended the session's actor; it is brought back from what it acknowledged.
    #[error("session {0} failed and is being brought back; try again")]
    Failed(SessionId),
}
