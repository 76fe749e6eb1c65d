//! Sessions, their checkpoints and their files.

use super::Time;
use crate::http::schema;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warren_config::schema::EgressRules;
use warren_config::value::Timeout;
use warren_kernel::vfs::FileKind;
use warren_session::command::FileInfo;
use warren_session::durability::{Checkpoint, Summary};
use warren_session::event::State;
use warren_session::id::{SessionId, SessionName};
use warren_session::position::{Epoch, Position};
use warren_session::spec::Tier;

/// A session, as it is known without waking it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// Its id, never given again.
    #[schema(value_type = schema::SessionId)]
    id: SessionId,
    /// Its name, which can pass to another session once this one is deleted.
    #[schema(value_type = Option<schema::SessionName>, required)]
    name: Option<SessionName>,
    #[schema(value_type = schema::State)]
    state: State,
    /// Why it cannot be used.
    #[schema(required)]
    failure: Option<String>,
    #[schema(value_type = schema::Durability)]
    durability: Tier,
    /// Counts its owners.
    #[schema(value_type = u64, minimum = 1)]
    epoch: Epoch,
    /// The last event that is kept; of a session that is awake there may be later ones.
    #[schema(value_type = schema::Position)]
    position: Position,
    created: Time,
    /// When it will be deleted.
    #[schema(required)]
    expires: Option<Time>,
    /// Hibernated after this long without a command or a client.
    idle_timeout: Timeout,
    /// The session it is a fork of.
    #[schema(value_type = Option<schema::SessionId>, required)]
    forked_from: Option<SessionId>,
    /// The template it was made from.
    #[schema(required)]
    template: Option<String>,
    labels: BTreeMap<String, String>,
    /// What it reaches outside; without a rule, nothing.
    #[schema(value_type = EgressRules)]
    egress: Vec<String>,
}

impl From<Summary> for SessionView {
    fn from(summary: Summary) -> SessionView {
        SessionView {
            id: summary.id,
            name: summary.name,
            state: summary.state,
            failure: summary.failure,
            durability: summary.durability,
            epoch: summary.epoch,
            position: summary.position,
            created: Time(summary.created),
            expires: summary.expires.map(Time),
            idle_timeout: Timeout(summary.idle_timeout),
            forked_from: summary.forked_from,
            template: summary.template,
            labels: summary.labels,
            egress: summary.egress,
        }
    }
}

/// A point of a session to come back to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Checkpoint)]
pub(crate) struct CheckpointView {
    /// Its number, for a rollback.
    checkpoint: u64,
    /// What its maker calls it.
    #[schema(required)]
    name: Option<String>,
    time: Time,
    /// The last event before it.
    #[schema(value_type = schema::Position)]
    position: Position,
}

impl From<Checkpoint> for CheckpointView {
    fn from(checkpoint: Checkpoint) -> CheckpointView {
        CheckpointView {
            checkpoint: checkpoint.number,
            name: checkpoint.name,
            time: Time(checkpoint.time),
            position: checkpoint.position,
        }
    }
}

/// A file's attributes, as stat() says them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = File)]
pub(crate) struct FileView {
    /// The path that was asked for, or the name in a listing.
    name: String,
    #[schema(value_type = schema::Kind)]
    kind: &'static str,
    /// Bytes.
    size: u64,
    /// Permission bits in octal.
    #[schema(examples("0644"))]
    mode: String,
    uid: u32,
    gid: u32,
    ino: u64,
    /// Names it has.
    links: u32,
    /// Last change of content.
    modified: Time,
    /// Where it leads, if it is a symbolic link.
    #[schema(required)]
    target: Option<String>,
}

impl From<FileInfo> for FileView {
    fn from(info: FileInfo) -> FileView {
        FileView {
            name: info.name,
            kind: kind(info.kind),
            size: info.size,
            mode: format!("{:04o}", info.mode & 0o7777),
            uid: info.uid.0,
            gid: info.gid.0,
            ino: info.ino.0,
            links: info.links,
            modified: Time(info.modified),
            target: info.target,
        }
    }
}

/// A kind of file, as a word.
pub(crate) fn kind(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::Character => "character",
        FileKind::Block => "block",
    }
}
