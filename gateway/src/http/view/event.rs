//! Events, and the gap where some are lost.

use super::command::Ended;
use super::{Time, split};
use crate::http::schema;
use serde::Serialize;
use utoipa::ToSchema;
use warren_kernel::event::What as KernelEvent;
use warren_session::event::{Event, State, Stream, What};
use warren_session::id::{SessionId, SessionName, TerminalName};
use warren_session::position::Position;

/// Something that happened to a session: `type` says which other members there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView<'a> {
    #[schema(value_type = schema::Position)]
    position: Position,
    time: Time,
    #[serde(flatten)]
    what: Told<'a>,
}

/// What happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventKind)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    /// An owner took the session; what a client saw after `previous` was lost. The first of each epoch.
    EpochBegan {
        #[schema(value_type = schema::Position)]
        previous: Position,
    },
    /// The session was made.
    Created {
        #[schema(value_type = Option<schema::SessionId>, required)]
        forked_from: Option<SessionId>,
    },
    /// A command started.
    Started { exec: u64, pid: u32, command: &'a [String] },
    /// A command wrote something.
    Output {
        exec: u64,
        #[schema(value_type = schema::Stream)]
        stream: Stream,
        /// Bytes of the stream before these.
        offset: u64,
        /// The bytes, if they are UTF-8.
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a str>,
        /// The bytes in base64, if they are not.
        #[serde(skip_serializing_if = "Option::is_none")]
        data_base64: Option<String>,
    },
    /// A command ended.
    Exited {
        exec: u64,
        #[serde(flatten)]
        #[schema(inline)]
        ended: Ended,
    },
    /// Files changed: between two of the kernel's change numbers, at these places, and perhaps `more`.
    FilesChanged { from: u64, to: u64, paths: &'a [String], more: bool },
    /// The session's life took a turn.
    Lifecycle {
        #[schema(value_type = schema::State)]
        state: State,
    },
    /// The session has another name, or is made of something else: `fields` are not what they were.
    Updated {
        #[schema(value_type = Option<schema::SessionName>, required)]
        name: Option<&'a SessionName>,
        fields: &'a [String],
    },
    /// A point to come back to was made.
    Checkpointed {
        checkpoint: u64,
        #[schema(required)]
        name: Option<&'a str>,
    },
    /// Files are as they were at a checkpoint.
    RolledBack { checkpoint: u64 },
    /// A copy was made.
    Forked {
        #[schema(value_type = schema::SessionId)]
        child: SessionId,
    },
    /// The kernel refused something, or a limit was reached.
    Kernel {
        pid: u32,
        #[schema(value_type = schema::KernelEvent)]
        what: &'a KernelEvent,
    },
    /// A terminal was opened, is another size or in another directory, or has another command; or was closed.
    Terminal {
        #[schema(value_type = String)]
        terminal: &'a TerminalName,
        closed: bool,
        #[serde(flatten)]
        #[schema(inline)]
        kept: TerminalKept<'a>,
    },
    /// Someone did something to the session that is not a command.
    Audit { verb: &'a str, subject: &'a str },
}

/// What holds of a terminal from now on; nothing once it is closed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TerminalKept<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<u16>,
    /// The last directory it was known to be in.
    #[serde(skip_serializing_if = "Option::is_none")]
    cwd: Option<&'a str>,
    /// The command that runs on it, or ran last.
    #[serde(skip_serializing_if = "Option::is_none")]
    exec: Option<u64>,
}

impl<'a> From<&'a Event> for EventView<'a> {
    fn from(event: &'a Event) -> EventView<'a> {
        let what = match &event.what {
            What::EpochBegan { previous } => Told::EpochBegan { previous: *previous },
            What::Created { forked_from } => Told::Created { forked_from: *forked_from },
            What::Started { exec, pid, command } => Told::Started { exec: exec.0, pid: pid.0, command },
            What::Output { exec, stream, offset, bytes } => {
                let (data, data_base64) = split(bytes);
                Told::Output { exec: exec.0, stream: *stream, offset: *offset, data, data_base64 }
            }
            What::Exited { exec, end } => Told::Exited { exec: exec.0, ended: end.into() },
            What::FilesChanged { from, to, paths, more, .. } => {
                Told::FilesChanged { from: from.0, to: to.0, paths, more: *more }
            }
            What::Lifecycle { state } => Told::Lifecycle { state: *state },
            What::Updated { name, fields } => Told::Updated { name: name.as_ref(), fields },
            What::Checkpointed { checkpoint, name } => {
                Told::Checkpointed { checkpoint: *checkpoint, name: name.as_deref() }
            }
            What::RolledBack { checkpoint } => Told::RolledBack { checkpoint: *checkpoint },
            What::Forked { child } => Told::Forked { child: *child },
            What::Kernel { pid, what } => Told::Kernel { pid: pid.0, what },
            What::Terminal { terminal, kept } => {
                let kept = kept.as_deref();
                let now = TerminalKept {
                    rows: kept.map(|kept| kept.rows),
                    columns: kept.map(|kept| kept.columns),
                    cwd: kept.and_then(|kept| kept.cwd.as_deref()),
                    exec: kept.and_then(|kept| Some(kept.lives.last()?.exec.0)),
                };
                Told::Terminal { terminal, closed: kept.is_none(), kept: now }
            }
            What::Audit { verb, subject } => Told::Audit { verb, subject },
        };
        EventView { position: event.position, time: Time(event.time), what }
    }
}

/// Events between two numbers are no longer kept: read the session's state anew.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Resync)]
pub(crate) struct ResyncView {
    /// Always `resync`.
    #[schema(value_type = schema::ResyncWord, inline)]
    r#type: &'static str,
    from: u64,
    to: u64,
}

impl ResyncView {
    /// The gap between two events.
    pub(crate) fn new(from: u64, to: u64) -> ResyncView {
        ResyncView { r#type: "resync", from, to }
    }
}

/// The last of a stream that was to end: what was asked for was sent, and the connection did not only break.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndOfEvents)]
pub(crate) struct EndView {
    /// Always `end`.
    #[schema(value_type = schema::EndWord, inline)]
    r#type: &'static str,
    /// The event that was the last of the log: `after` goes on behind it.
    #[schema(value_type = schema::Position)]
    position: Position,
}

impl EndView {
    /// The end at this event.
    pub(crate) fn new(position: Position) -> EndView {
        EndView { r#type: "end", position }
    }
}
