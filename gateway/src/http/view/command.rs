//! Commands and processes.

use super::{Time, milliseconds, split};
use crate::http::schema;
use serde::Serialize;
use utoipa::ToSchema;
use warren_kernel::process::ExitStatus;
use warren_session::command::{ExecInfo, ExecStarted, Finished, ProcessInfo};
use warren_session::event::End;
use warren_session::position::Position;

/// A command as it is now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Exec)]
pub(crate) struct ExecView {
    /// Its number in its session.
    exec: u64,
    /// Its process; pids are given again after a wake.
    #[schema(required)]
    pid: Option<u32>,
    /// Its words.
    command: Vec<String>,
    started: Time,
    running: bool,
    /// Bytes written to standard output so far.
    stdout_bytes: u64,
    /// Bytes written to standard error so far.
    stderr_bytes: u64,
    /// How it ended; absent while it runs, and so are those below.
    #[serde(flatten)]
    #[schema(inline)]
    ended: Ended,
    /// Where the event of its end stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Position>)]
    position: Option<Position>,
    /// CPU time it and what it waited for used.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_ms: Option<f64>,
}

/// How a command ended.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Ended {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::End>)]
    end: Option<&'static str>,
    /// What a shell would call it; `null` when nobody can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    status: Option<Option<i32>>,
    /// The signal that ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    /// Why it never began.
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<String>,
}

impl From<&End> for Ended {
    fn from(end: &End) -> Ended {
        let ended = |word, status| Ended { end: Some(word), status: Some(status), ..Ended::default() };
        match end {
            End::Status(ExitStatus::Exited(code)) => ended("exited", Some(i32::from(*code))),
            End::Status(ExitStatus::Signaled(signal)) => Ended {
                signal: Some(signal.to_string()),
                ..ended("signaled", Some(ExitStatus::Signaled(*signal).shell_code().into()))
            },
            // As timeout(1) says it.
            End::TimedOut => ended("timed_out", Some(124)),
            End::NotStarted(errno) => Ended {
                errno: Some(errno.clone()),
                ..ended("not_started", Some(if errno == "ENOENT" { 127 } else { 126 }))
            },
            End::Interrupted => ended("interrupted", None),
        }
    }
}

impl From<ExecInfo> for ExecView {
    fn from(info: ExecInfo) -> ExecView {
        ExecView {
            exec: info.exec.0,
            pid: info.pid.map(|pid| pid.0),
            command: info.command,
            started: Time(info.started),
            running: info.ended.is_none(),
            stdout_bytes: info.written[0],
            stderr_bytes: info.written[1],
            cpu_ms: info.ended.is_some().then(|| milliseconds(info.cpu)),
            position: info.ended.as_ref().map(|(_, position)| *position),
            ended: info.ended.as_ref().map(|(end, _)| Ended::from(end)).unwrap_or_default(),
        }
    }
}

/// A command that has ended, with its output.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Finished)]
pub(crate) struct FinishedView {
    #[serde(flatten)]
    exec: ExecView,
    /// Standard output, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout: Option<String>,
    /// Standard output in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stdout_base64: Option<String>,
    /// Standard error, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr: Option<String>,
    /// Standard error in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    stderr_base64: Option<String>,
    /// Output was cut, or is no longer kept: the rest is read by offset.
    cut: bool,
}

impl From<Finished> for FinishedView {
    fn from(finished: Finished) -> FinishedView {
        let (stdout, stdout_base64) = split(&finished.stdout);
        let (stderr, stderr_base64) = split(&finished.stderr);
        FinishedView {
            stdout: stdout.map(str::to_owned),
            stdout_base64,
            stderr: stderr.map(str::to_owned),
            stderr_base64,
            cut: finished.cut,
            exec: finished.info.into(),
        }
    }
}

/// A command that was started and is not waited for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Started)]
pub(crate) struct StartedView {
    /// Its number in its session.
    exec: u64,
    /// Where its `started` event stands; events after the one before it tell all of it.
    #[schema(value_type = schema::Position)]
    position: Position,
    /// It had been started before with this key.
    replayed: bool,
}

impl From<ExecStarted> for StartedView {
    fn from(started: ExecStarted) -> StartedView {
        StartedView { exec: started.exec.0, position: started.position, replayed: started.replayed }
    }
}

/// A process of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Process)]
pub(crate) struct ProcessView {
    pid: u32,
    parent: u32,
    /// Its words, lossy if they are not UTF-8.
    command: Vec<String>,
    /// One of Linux's letters: R, S, T, Z.
    state: String,
    cpu_ms: u64,
    memory_bytes: u64,
    /// Open descriptors.
    descriptors: usize,
}

impl From<ProcessInfo> for ProcessView {
    fn from(info: ProcessInfo) -> ProcessView {
        ProcessView {
            pid: info.pid.0,
            parent: info.parent.0,
            command: info.command,
            state: info.state.to_string(),
            cpu_ms: info.cpu_ms,
            memory_bytes: info.memory_bytes,
            descriptors: info.descriptors,
        }
    }
}
