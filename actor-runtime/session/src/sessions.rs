//! The sessions of a node, for whoever serves clients: makes them, finds them, wakes them on use.

use crate::command::{ExecInfo, ExecRequest, ExecStarted, FileInfo, Finished, Output, ProcessInfo, WriteOptions};
use crate::durability::{Checkpoint, Durability, Summary};
use crate::error::SessionError;
use crate::event::{Event, Stream};
use crate::id::{ExecId, SessionId, SessionName, TenantId};
use crate::position::Position;
use crate::spec::SessionSpec;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use warren_kernel::id::Pid;
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::Signal;
use warren_wasi_posix::node::Node;

/// All sessions of a node. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {}

/// A session that is awake. Cheap to clone; does not keep it awake.
#[derive(Clone)]
pub struct SessionHandle {
    inner: Arc<Inner>,
}

/// What sessions need of whoever runs them.
pub struct Options {
    /// Where secrets' values come from.
    pub secrets: Arc<dyn Secrets>,
    /// Makes the base layer of a session from the names of its software.
    pub software: Arc<dyn Software>,
    /// Sessions awake at once, at most.
    pub awake_max: usize,
    /// How long a session's processes have to end after SIGTERM when it is hibernated or deleted.
    pub grace: Duration,
}

/// Where secrets' values come from; they are never stored with a session.
pub trait Secrets: Send + Sync {
    /// The value of a tenant's secret.
    fn get(&self, tenant: &TenantId, name: &str) -> Option<String>;
}

/// The base layers sessions are made of.
pub trait Software: Send + Sync {
    /// The node (engine, merged layer, environment) for these packages; the same value for the same packages. `None`
    /// is what is installed by default; the answer names what was chosen, so that a session keeps it.
    ///
    /// # Errors
    /// In words: which package is not there and how to get it.
    fn node(&self, packages: Option<&[String]>) -> Result<(Node, Vec<String>), String>;
}

/// What a client sees of a log: events in order, or that some are lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The next event.
    Event(Event),
    /// Events with these numbers can no longer be had (the first and the last); the next event follows the last.
    Resync {
        /// The first that is lost.
        from: u64,
        /// The last that is lost.
        to: u64,
    },
}

impl Sessions {
    /// Begins to serve the sessions `durability` keeps.
    pub async fn start(durability: Arc<dyn Durability>, options: Options) -> Sessions {
        unimplemented!()
    }

    /// Makes a session.
    pub async fn create(
        &self,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: SessionSpec,
    ) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// The session of this name or id.
    pub async fn resolve(&self, tenant: &TenantId, text: &str) -> Result<SessionId, SessionError> {
        unimplemented!()
    }

    /// What is known of a session, without waking it.
    pub async fn get(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// As [`Durability::list`]; live ones as they are now.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Summary>, bool), SessionError> {
        unimplemented!()
    }

    /// The session, woken if it rests.
    pub async fn session(&self, tenant: &TenantId, id: SessionId) -> Result<SessionHandle, SessionError> {
        unimplemented!()
    }

    /// Events after `after` (`None`: from the first that is kept), then those to come, also over hibernation and
    /// wake. Does not wake it. Ends when the session is deleted or the node stops.
    pub async fn events(
        &self,
        tenant: &TenantId,
        id: SessionId,
        after: Option<Position>,
    ) -> Result<BoxStream<'static, Result<Seen, SessionError>>, SessionError> {
        unimplemented!()
    }

    /// Puts a session to rest. Its processes are ended: SIGTERM, a grace, SIGKILL.
    pub async fn hibernate(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// Wakes it.
    pub async fn wake(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// Deletes it; its processes are killed.
    pub async fn delete(&self, tenant: &TenantId, id: SessionId) -> Result<(), SessionError> {
        unimplemented!()
    }

    /// A copy of it as it is now.
    pub async fn fork(
        &self,
        tenant: &TenantId,
        id: SessionId,
        name: Option<SessionName>,
    ) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// A new session whose root holds what a tar archive brings (over its template's files).
    pub async fn import(
        &self,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: SessionSpec,
        archive: impl std::io::Read + Send + 'static,
    ) -> Result<Summary, SessionError> {
        unimplemented!()
    }

    /// Ends serving: sessions are checkpointed as their tier says, and put to rest.
    pub async fn stop(&self) {
        unimplemented!()
    }
}

impl SessionHandle {
    pub fn id(&self) -> SessionId {
        unimplemented!()
    }

    /// Starts a command; answers when its start is as durable as it must be.
    pub async fn exec(&self, request: ExecRequest) -> Result<ExecStarted, SessionError> {
        unimplemented!()
    }

    /// Starts a command and waits for its end; keeps at most `output_max` bytes of each stream.
    pub async fn run(&self, request: ExecRequest, output_max: usize) -> Result<Finished, SessionError> {
        unimplemented!()
    }

    /// Waits until it has ended, and that is acknowledged.
    pub async fn wait(&self, exec: ExecId) -> Result<ExecInfo, SessionError> {
        unimplemented!()
    }

    pub async fn execs(&self) -> Result<Vec<ExecInfo>, SessionError> {
        unimplemented!()
    }

    pub async fn exec_info(&self, exec: ExecId) -> Result<ExecInfo, SessionError> {
        unimplemented!()
    }

    /// Bytes of a command's stream from `offset`, at most `max`; waits for at least one, or the end, if `wait`.
    pub async fn output(
        &self,
        exec: ExecId,
        stream: Stream,
        offset: u64,
        max: usize,
        wait: bool,
    ) -> Result<Output, SessionError> {
        unimplemented!()
    }

    pub async fn write_stdin(&self, exec: ExecId, bytes: Bytes) -> Result<(), SessionError> {
        unimplemented!()
    }
    pub async fn close_stdin(&self, exec: ExecId) -> Result<(), SessionError> {
        unimplemented!()
    }
    pub async fn resize(&self, exec: ExecId, size: WindowSize) -> Result<(), SessionError> {
        unimplemented!()
    }
    /// To the process group of a command.
    pub async fn signal_exec(&self, exec: ExecId, signal: Signal) -> Result<(), SessionError> {
        unimplemented!()
    }
    pub async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), SessionError> {
        unimplemented!()
    }
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>, SessionError> {
        unimplemented!()
    }

    pub async fn stat(&self, path: &str) -> Result<FileInfo, SessionError> {
        unimplemented!()
    }
    /// Entries in order of name after `after`, at most `limit`.
    pub async fn list_directory(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, SessionError> {
        unimplemented!()
    }
    /// Part of a file; at most 1 MiB a call.
    pub async fn read_file(&self, path: &str, range: Range<u64>) -> Result<Bytes, SessionError> {
        unimplemented!()
    }
    /// Writes a file whole, atomically (a temporary name and a rename), from parts that arrive one by one.
    pub async fn write_file(
        &self,
        path: &str,
        options: WriteOptions,
        parts: BoxStream<'static, Result<Bytes, std::io::Error>>,
    ) -> Result<FileInfo, SessionError> {
        unimplemented!()
    }
    pub async fn make_directory(&self, path: &str, parents: bool) -> Result<FileInfo, SessionError> {
        unimplemented!()
    }
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<(), SessionError> {
        unimplemented!()
    }
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), SessionError> {
        unimplemented!()
    }

    pub async fn checkpoint(&self, name: Option<String>) -> Result<Checkpoint, SessionError> {
        unimplemented!()
    }
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, SessionError> {
        unimplemented!()
    }
    /// Ends its processes and brings its files back.
    pub async fn rollback(&self, checkpoint: u64) -> Result<(), SessionError> {
        unimplemented!()
    }

    /// Its root as a tar archive, in parts.
    pub async fn export(&self) -> Result<BoxStream<'static, Result<Bytes, SessionError>>, SessionError> {
        unimplemented!()
    }
}
