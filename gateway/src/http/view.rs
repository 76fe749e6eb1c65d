//! How things look in JSON. Times are RFC 3339 in UTC; bytes are text where they are UTF-8, else base64, and say which.

use super::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use warren_kernel::host::{Host, Timestamp};
use warren_kernel::process::ExitStatus;
use warren_kernel::vfs::FileKind;
use warren_session::command::{ExecInfo, FileInfo, Finished};
use warren_session::durability::{Checkpoint, Summary};
use warren_session::event::{End, Event, What};
use warren_session::position::Position;
use warren_wasi_posix::system::SystemHost;

/// Part of a list, and where the rest begins.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    items: Vec<T>,
    /// Give it as `?after=` for the next part; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Listing<T> {
    /// A list that fits.
    pub(crate) fn whole(items: Vec<T>) -> Listing<T> {
        Listing { items, next: None }
    }

    /// Part of a list.
    pub(crate) fn part(items: Vec<T>, next: Option<String>) -> Listing<T> {
        Listing { items, next }
    }
}

/// A time as text. Times before 1970 are shown as its first moment.
pub(crate) fn time(time: Timestamp) -> String {
    let since = Duration::from_nanos(u64::try_from(time.0).unwrap_or(0));
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

/// The time now.
pub(crate) fn now() -> Timestamp {
    Host::realtime(&SystemHost)
}

/// The time `period` later.
pub(crate) fn after(time: Timestamp, period: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(period.as_nanos()).unwrap_or(i64::MAX)))
}

/// Bytes under `name`, or under `name_base64`.
fn put_bytes(object: &mut Value, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object[name] = json!(text),
        Err(_) => object[format!("{name}_base64")] = json!(BASE64.encode(bytes)),
    }
}

/// Bytes that a client sent as base64.
pub(crate) fn from_base64(text: &str) -> Result<Bytes, Problem> {
    BASE64.decode(text).map(Bytes::from).map_err(|error| Problem::invalid(format!("base64: {error}")))
}

/// A session.
pub(crate) fn summary(summary: &Summary) -> Value {
    json!({
        "id": summary.id,
        "name": summary.name,
        "state": summary.state,
        "failure": summary.failure,
        "durability": summary.durability,
        "epoch": summary.epoch,
        "position": summary.position,
        "created": time(summary.created),
        "expires": summary.expires.map(time),
        "forked_from": summary.forked_from,
        "template": summary.template,
        "labels": summary.labels,
    })
}

/// A checkpoint.
pub(crate) fn checkpoint(checkpoint: &Checkpoint) -> Value {
    json!({
        "checkpoint": checkpoint.number,
        "name": checkpoint.name,
        "time": time(checkpoint.time),
        "position": checkpoint.position,
    })
}

/// How a command ended: `end` is one of a few words, `status` what a shell would call it.
fn put_end(object: &mut Value, end: &End) {
    let (word, status) = match end {
        End::Status(ExitStatus::Exited(code)) => ("exited", Some(*code)),
        End::Status(ExitStatus::Signaled(signal)) => {
            object["signal"] = json!(signal.to_string());
            ("signaled", Some(ExitStatus::Signaled(*signal).shell_code()))
        }
        // As timeout(1) says it.
        End::TimedOut => ("timed_out", Some(124)),
        End::NotStarted(errno) => {
            object["errno"] = json!(errno);
            ("not_started", Some(if errno == "ENOENT" { 127 } else { 126 }))
        }
        End::Interrupted => ("interrupted", None),
    };
    object["end"] = json!(word);
    object["status"] = json!(status);
}

/// How a command ended, by itself.
pub(crate) fn end(end: &End) -> Value {
    let mut object = json!({});
    put_end(&mut object, end);
    object
}

/// A command as it is now.
pub(crate) fn exec(info: &ExecInfo) -> Value {
    let mut object = json!({
        "exec": info.exec,
        "pid": info.pid,
        "command": info.command,
        "started": time(info.started),
        "running": info.ended.is_none(),
        "stdout_bytes": info.written[0],
        "stderr_bytes": info.written[1],
    });
    if let Some((end, position)) = &info.ended {
        put_end(&mut object, end);
        object["position"] = json!(position);
        object["cpu_ms"] = json!(milliseconds(info.cpu));
    }
    object
}

/// A command that has ended, with its output.
pub(crate) fn finished(finished: &Finished) -> Value {
    let mut object = exec(&finished.info);
    put_bytes(&mut object, "stdout", &finished.stdout);
    put_bytes(&mut object, "stderr", &finished.stderr);
    object["cut"] = json!(finished.cut);
    object
}

/// A file's attributes.
pub(crate) fn file(info: &FileInfo) -> Value {
    json!({
        "name": info.name,
        "kind": kind(info.kind),
        "size": info.size,
        "mode": format!("{:04o}", info.mode & 0o7777),
        "uid": info.uid,
        "gid": info.gid,
        "ino": info.ino,
        "links": info.links,
        "modified": time(info.modified),
        "target": info.target,
    })
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

/// An event: `type` says which other members there are.
pub(crate) fn event(event: &Event) -> Value {
    let mut object = json!({ "position": event.position, "time": time(event.time), "type": event.what.word() });
    match &event.what {
        What::EpochBegan { previous } => object["previous"] = json!(previous),
        What::Created { forked_from } => object["forked_from"] = json!(forked_from),
        What::Started { exec, pid, command } => {
            object["exec"] = json!(exec);
            object["pid"] = json!(pid);
            object["command"] = json!(command);
        }
        What::Output { exec, stream, offset, bytes } => {
            object["exec"] = json!(exec);
            object["stream"] = json!(stream);
            object["offset"] = json!(offset);
            put_bytes(&mut object, "data", bytes);
        }
        What::Exited { exec, end } => {
            object["exec"] = json!(exec);
            put_end(&mut object, end);
        }
        What::FilesChanged { from, to, paths, more } => {
            object["from"] = json!(from);
            object["to"] = json!(to);
            object["paths"] = json!(paths);
            object["more"] = json!(more);
        }
        What::Lifecycle { state } => object["state"] = json!(state),
        What::Checkpointed { checkpoint, name } => {
            object["checkpoint"] = json!(checkpoint);
            object["name"] = json!(name);
        }
        What::RolledBack { checkpoint } => object["checkpoint"] = json!(checkpoint),
        What::Forked { child } => object["child"] = json!(child),
        What::Kernel { pid, what } => {
            object["pid"] = json!(pid);
            object["what"] = json!(what);
        }
        What::Terminal { terminal, kept } => {
            object["terminal"] = json!(terminal);
            object["closed"] = json!(kept.is_none());
            if let Some(kept) = kept {
                object["rows"] = json!(kept.rows);
                object["columns"] = json!(kept.columns);
                object["cwd"] = json!(kept.cwd);
                object["exec"] = json!(kept.lives.last().map(|life| life.exec));
            }
        }
        What::Audit { verb, subject } => {
            object["verb"] = json!(verb);
            object["subject"] = json!(subject);
        }
    }
    object
}

/// A command that was started and is not waited for.
pub(crate) fn started(exec: warren_session::id::ExecId, position: Position, replayed: bool) -> Value {
    json!({ "exec": exec, "position": position, "replayed": replayed })
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
