//! What a client asks to be run, and what it learns of it.

use crate::event::End;
use crate::id::{CommandKey, ExecId};
use crate::position::Position;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Fd, Gid, Ino, Pid, Uid};
use warren_kernel::pty::WindowSize;
use warren_kernel::vfs::FileKind;

/// Something to run.
#[derive(Clone, Debug)]
pub struct ExecRequest {
    /// What.
    pub command: Words,
    /// Environment entries beside the session's own; they win.
    pub environment: BTreeMap<String, String>,
    /// Where it begins; `None` is where the session's commands begin.
    pub cwd: Option<String>,
    /// Its standard input.
    pub stdin: Stdin,
    /// A terminal of this size instead of pipes.
    pub terminal: Option<WindowSize>,
    /// It is killed after this long.
    pub timeout: Option<Duration>,
    /// Run at most once for this key, whatever happens to client, server or machine.
    pub key: Option<CommandKey>,
    /// The trace that it is part of, for its programs (`TRACEPARENT`, `TRACESTATE`), unless `environment` or the session
    /// says otherwise. It does not tell one request with a key from another.
    pub trace: Option<TraceContext>,
}

/// Where in a trace something happens.
///
/// # Standard
/// W3C Trace Context; its carriage in environment variables is OpenTelemetry's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The value of a `traceparent` header.
    pub parent: String,
    /// That of a `tracestate` header.
    pub state: Option<String>,
}

impl ExecRequest {
    /// These words and nothing else said.
    pub fn of(command: Words) -> ExecRequest {
        let (environment, stdin) = (BTreeMap::new(), Stdin::Null);
        ExecRequest { command, environment, cwd: None, stdin, terminal: None, timeout: None, key: None, trace: None }
    }
}

/// A command's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Words {
    /// A line for the session's shell.
    Line(String),
    /// Program and arguments; at least one.
    Argv(Vec<String>),
}

/// A command's standard input.
#[derive(Clone, Debug, Default)]
pub enum Stdin {
    /// Nothing: /dev/null.
    #[default]
    Null,
    /// These bytes and the end.
    Bytes(Bytes),
    /// What the client writes later ([`crate::SessionHandle::write_stdin`]) until it closes it.
    Open,
}

/// A command that was started, or had been with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecStarted {
    /// Its number.
    pub exec: ExecId,
    /// Where its `started` event stands; events after the one before it tell all of it.
    pub position: Position,
    /// It had been started before with this key.
    pub replayed: bool,
}

/// A command as it is now.
#[derive(Clone, Debug)]
pub struct ExecInfo {
    /// Its number.
    pub exec: ExecId,
    /// Its process; pids are given again after a wake.
    pub pid: Option<Pid>,
    /// Its words.
    pub command: Vec<String>,
    /// When it started.
    pub started: Timestamp,
    /// How it ended, and where the event stands.
    pub ended: Option<(End, Position)>,
    /// CPU time it and what it waited for used, once it has ended.
    pub cpu: Duration,
    /// Bytes written to standard output and standard error so far.
    pub written: [u64; 2],
}

/// A command that has ended, with its output.
#[derive(Clone, Debug)]
pub struct Finished {
    /// As [`ExecInfo`].
    pub info: ExecInfo,
    /// Standard output, from its beginning, cut at what was asked.
    pub stdout: Bytes,
    /// Standard error, from its beginning, cut at what was asked.
    pub stderr: Bytes,
    /// Output was cut, or is no longer kept.
    pub cut: bool,
}

/// Part of a command's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where `bytes` begin. Later than asked when what is before is no longer kept.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// Nothing will follow.
    pub end: bool,
}

/// A process of the session.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: Pid,
    /// Its parent.
    pub parent: Pid,
    /// Its words, lossy.
    pub command: Vec<String>,
    /// One of Linux's letters: R, S, T, Z.
    pub state: char,
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// A file's attributes, as stat() says them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileInfo {
    /// Absolute path asked for, or the name in a listing; lossy if not UTF-8.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: Uid,
    /// Group.
    pub gid: Gid,
    /// Number.
    pub ino: Ino,
    /// Names it has.
    pub links: u32,
    /// Last change of content.
    pub modified: Timestamp,
    /// Where it leads, if it is a symbolic link.
    pub target: Option<String>,
}

/// How a file is written from outside.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Permission bits of a new file; 0644.
    pub mode: Option<u32>,
    /// Make directories on the way.
    pub parents: bool,
    /// Fail with `EEXIST` when it is there.
    pub exclusive: bool,
    /// Written behind what is there, rather than in its place.
    pub append: bool,
}

/// A change of files, one of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A file, whole; in the place of what is there.
    Write {
        /// Where; links are followed.
        path: String,
        /// What is in it.
        content: Bytes,
        /// Permission bits; those of the file that was there, or 0644.
        mode: Option<u32>,
        /// Make directories on the way.
        parents: bool,
        /// Fail with `EEXIST` when it is there.
        exclusive: bool,
    },
    /// A directory.
    MakeDirectory {
        /// Where.
        path: String,
        /// Permission bits; 0755.
        mode: Option<u32>,
        /// Make those on the way, and be content with one that is there.
        parents: bool,
    },
    /// Another name.
    Move {
        /// The name it has.
        from: String,
        /// The one it gets; what has it is replaced.
        to: String,
        /// Fail with `EEXIST` when that is taken.
        exclusive: bool,
    },
    /// A file or directory goes.
    Remove {
        /// Which; a link itself.
        path: String,
        /// A directory with all in it.
        recursive: bool,
    },
    /// Permission bits.
    ChangeMode {
        /// Of which; a link is followed.
        path: String,
        /// All of them.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// Where.
        path: String,
        /// Where it leads.
        target: String,
    },
}

impl Operation {
    /// What it is about.
    pub fn path(&self) -> &str {
        match self {
            Operation::Write { path, .. }
            | Operation::MakeDirectory { path, .. }
            | Operation::Remove { path, .. }
            | Operation::ChangeMode { path, .. }
            | Operation::Link { path, .. } => path,
            Operation::Move { from, .. } => from,
        }
    }

    /// Where there is something to look at afterwards.
    pub fn shown(&self) -> Option<&str> {
        match self {
            Operation::Remove { .. } => None,
            Operation::Move { to, .. } => Some(to),
            other => Some(other.path()),
        }
    }
}

/// A descriptor of standard input, output, error by name: for messages.
pub const STDIO: [Fd; 3] = [Fd::STDIN, Fd::STDOUT, Fd::STDERR];
