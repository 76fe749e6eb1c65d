//! All a client may see of a session: one log of events, each with a position.
//!
//! ```text
//! 1.1 epoch_began  1.2 created  1.3 started  1.4 output  1.5 files_changed  1.6 exited │ 2.7 epoch_began{previous 1.6} …
//! ```
//! No event is handed out before it is as durable as its session promises. Output is part of the log: a stream of a command
//! is what its output events say, by offset.

use crate::id::{ExecId, SessionId, SessionName, TerminalName};
use crate::position::Position;
use crate::terminal::Kept;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use warren_kernel::event::What as KernelEvent;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Lsn, Pid};
use warren_kernel::process::ExitStatus;
use warren_kernel::vfs::FileKind;
use warren_kernel::vfs::change;

/// Bytes of one output event, at most.
pub const OUTPUT_EVENT_BYTES_MAX: usize = 64 * 1024;
/// Paths one event of changed files lists, at most.
pub const CHANGED_PATHS_MAX: usize = 64;

/// Paths it lists while somebody watches files.
pub const WATCHED_PATHS_MAX: usize = 1024;

/// Bytes of the paths of one event of changed files, and of what became of them, about.
pub const CHANGED_BYTES_MAX: usize = 256 * 1024;

/// Something a client may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Where it stands.
    pub position: Position,
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// An owner took the session; everything after `previous` that a client saw was lost. The first of each epoch.
    EpochBegan {
        /// The last event of the epoch before that is kept.
        previous: Position,
    },
    /// The session was made.
    Created {
        /// The session it is a fork of.
        forked_from: Option<SessionId>,
    },
    /// A client's command started.
    Started {
        /// Its number.
        exec: ExecId,
        /// Its process; pids are given again after a wake.
        pid: Pid,
        /// Its words, lossy if not UTF-8, cut at 4 KiB.
        command: Vec<String>,
    },
    /// A command wrote something.
    Output {
        /// Which.
        exec: ExecId,
        /// Where to.
        stream: Stream,
        /// Bytes of the stream before these.
        offset: u64,
        /// The bytes; 1 to [`OUTPUT_EVENT_BYTES_MAX`].
        bytes: Bytes,
    },
    /// A command ended.
    Exited {
        /// Which.
        exec: ExecId,
        /// How.
        end: End,
    },
    /// Files changed.
    FilesChanged {
        /// After this mutation.
        from: Lsn,
        /// Up to this one.
        to: Lsn,
        /// Where, as absolute paths (lossy if not UTF-8), in order; at most [`CHANGED_PATHS_MAX`], or while somebody watches
        /// [`WATCHED_PATHS_MAX`].
        paths: Vec<String>,
        /// What became of each of them. Not there in logs of servers that did not know.
        #[serde(default)]
        changes: Vec<PathChange>,
        /// More places changed than are listed.
        more: bool,
    },
    /// Its life took a turn.
    Lifecycle {
        /// Where to.
        state: State,
    },
    /// It has another name, or is made of something else.
    Updated {
        /// What its owner calls it now.
        name: Option<SessionName>,
        /// Which fields are not what they were.
        fields: Vec<String>,
    },
    /// A point to come back to was made.
    Checkpointed {
        /// Its number, for rollback.
        checkpoint: u64,
        /// What its maker calls it.
        name: Option<String>,
    },
    /// Files are as they were at a checkpoint.
    RolledBack {
        /// Which.
        checkpoint: u64,
    },
    /// A copy was made.
    Forked {
        /// The copy.
        child: SessionId,
    },
    /// The kernel has something to say: a refusal, a limit, a fault.
    Kernel {
        /// Which process caused it.
        pid: Pid,
        /// What.
        what: KernelEvent,
    },
    /// A terminal was opened, is another size or in another directory, or has another command; or was closed.
    Terminal {
        /// Which.
        terminal: TerminalName,
        /// What is kept of it from now on; nothing once it is closed.
        kept: Option<Box<Kept>>,
    },
    /// Someone did something to the session that is not a command: for the operator to look up later.
    Audit {
        /// What, as a verb: `write`, `remove`, `signal`, `delete`...
        verb: String,
        /// To what.
        subject: String,
    },
}

/// What became of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathChange {
    /// What became of it.
    pub how: How,
    /// What is there, or was if nothing is; `None` for what came and went.
    pub kind: Option<FileKind>,
}

/// See [`warren_kernel::vfs::change::How`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Nothing was there before.
    Created,
    /// Other bytes are there, or another file.
    Modified,
    /// Its mode, owner, time of change or extended attributes are others.
    Attributes,
    /// Nothing is there any more.
    Removed,
    /// What is there was elsewhere before.
    Moved {
        /// Where.
        from: String,
    },
    /// What was there is elsewhere now.
    Left,
    /// It is as it was.
    Nothing,
}

/// A command's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output; for a command on a terminal all it shows.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself or by a signal.
    Status(ExitStatus),
    /// It was killed because its time was up.
    TimedOut,
    /// It never began: the errno's name, `ENOENT` for a program that is not there.
    NotStarted(String),
    /// Its session was hibernated, rolled back or lost its process; whether it had an effect nobody can say.
    Interrupted,
}

/// Where a session's life stands, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Being made.
    Creating,
    /// Takes commands.
    Active,
    /// On its way to rest.
    Hibernating,
    /// At rest: it costs its node nothing, and wakes on use.
    Hibernated,
    /// On its way back.
    Waking,
    /// On its way to another node.
    Moving,
    /// Cannot be used; its record says why.
    Failed,
    /// Gone; its id is never used again.
    Deleted,
}

impl From<&change::PathChange> for PathChange {
    fn from(change: &change::PathChange) -> PathChange {
        let how = match &change.how {
            change::How::Created => How::Created,
            change::How::Modified => How::Modified,
            change::How::Attributes => How::Attributes,
            change::How::Removed => How::Removed,
            change::How::Moved(from) => How::Moved { from: String::from_utf8_lossy(from).into_owned() },
            change::How::Left => How::Left,
            change::How::Nothing => How::Nothing,
        };
        PathChange { how, kind: change.kind }
    }
}

impl PathChange {
    /// Bytes it holds in memory, about.
    pub(crate) fn weight(&self) -> usize {
        let from = if let How::Moved { from } = &self.how { from.len() } else { 0 };
        size_of::<PathChange>() + from
    }
}

impl What {
    /// The word for it, as clients are told: `files_changed`.
    pub fn word(&self) -> &'static str {
        match self {
            What::EpochBegan { .. } => "epoch_began",
            What::Created { .. } => "created",
            What::Started { .. } => "started",
            What::Output { .. } => "output",
            What::Exited { .. } => "exited",
            What::FilesChanged { .. } => "files_changed",
            What::Lifecycle { .. } => "lifecycle",
            What::Updated { .. } => "updated",
            What::Checkpointed { .. } => "checkpointed",
            What::RolledBack { .. } => "rolled_back",
            What::Forked { .. } => "forked",
            What::Kernel { .. } => "kernel",
            What::Terminal { .. } => "terminal",
            What::Audit { .. } => "audit",
        }
    }
}

impl Event {
    /// Bytes it holds in memory, about.
    pub fn weight(&self) -> usize {
        let text = |words: &[String]| words.iter().map(|word| word.len() + 24).sum::<usize>();
        let content = match &self.what {
            What::Output { bytes, .. } => bytes.len(),
            What::Started { command, .. } => text(command),
            What::FilesChanged { paths, changes, .. } => {
                text(paths) + changes.iter().map(PathChange::weight).sum::<usize>()
            }
            What::Updated { fields, .. } => 64 + text(fields),
            What::Audit { verb, subject } => verb.len() + subject.len(),
            What::Terminal { kept, .. } => kept.as_deref().map_or(64, |kept| 512 + kept.lives.len() * 160),
            What::Kernel { .. } => 64,
            What::EpochBegan { .. }
            | What::Created { .. }
            | What::Exited { .. }
            | What::Lifecycle { .. }
            | What::Checkpointed { .. }
            | What::RolledBack { .. }
            | What::Forked { .. } => 0,
        };
        size_of::<Event>() + content
    }
}
