//! What a client does with one session. Each call wakes it if it rests.

use crate::actor::Asked;
use crate::awake::Pass;
use crate::command::{
    ExecInfo, ExecRequest, ExecStarted, FileInfo, Finished, Operation, Output, ProcessInfo, WriteOptions,
};
use crate::durability::Checkpoint;
use crate::error::SessionError;
use crate::event::{Stream, What};
use crate::exec::{Capture, Exec, Started};
use crate::id::{ExecId, SessionId};
use crate::node::Node;
use crate::seat::Seat;
use crate::{archive, files};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::ops::Range;
use std::sync::Arc;
use tracing::{Instrument, debug_span};
use warren_kernel::Errno;
use warren_kernel::id::Pid;
use warren_kernel::process::State;
use warren_kernel::pty::WindowSize;
use warren_kernel::signal::Signal;
use warren_wasi_posix::share::Figures;

/// One session. Cheap to clone; does not keep it awake, and wakes it on use.
#[derive(Clone)]
pub struct SessionHandle {
    node: Arc<Node>,
    seat: Arc<Seat>,
}

impl SessionHandle {
    pub(crate) fn new(node: Arc<Node>, seat: Arc<Seat>) -> SessionHandle {
        SessionHandle { node, seat }
    }

    /// Which.
    pub fn id(&self) -> SessionId {
        self.seat.id
    }

    /// Before the session is woken for it.
    fn check_growth(&self) -> Result<(), SessionError> {
        self.node.check_growth(&self.node.accounts.of(&self.seat.tenant))
    }

    /// Files that its processes change are written down from now on.
    pub(crate) fn watch(&self, pass: &Pass) {
        self.node.ticker.watch(pass);
    }

    /// Does something to its end, even if whoever asked for it goes away.
    pub(crate) async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SessionError>> + Send + 'static,
    ) -> Result<T, SessionError> {
        self.node.runtime.spawn(work.in_current_span()).await.map_err(|_| SessionError::Failed(self.id()))?
    }

    pub(crate) async fn enter(&self) -> Result<Pass, SessionError> {
        self.seat.enter(&self.node).await
    }

    /// Starts a command; answers when its start is as durable as it must be.
    ///
    /// # Errors
    /// `Invalid`, `KeyReused`, `TooManyExecs`, and why nothing is acknowledged. A program that is not there is no error:
    /// the command ends `NotStarted`.
    pub async fn exec(&self, request: ExecRequest) -> Result<ExecStarted, SessionError> {
        Ok(self.start(request, Capture::No).await?.0)
    }

    /// Starts a command and waits for its end; keeps at most `output_max` bytes of each stream.
    ///
    /// # Errors
    /// As [`SessionHandle::exec`].
    pub async fn run(&self, request: ExecRequest, output_max: usize) -> Result<Finished, SessionError> {
        let (started, found) = self.start(request, Capture::Up(output_max)).await?;
        let info = match found {
            Started::Now(exec) => {
                let info = exec.wait().await?;
                let ([stdout, stderr], cut) = exec.captured().unwrap_or_default();
                return Ok(Finished { info, stdout, stderr, cut });
            }
            Started::Before(exec) => exec.wait().await?,
            Started::Past => self.wait(started.exec).await?,
        };
        // It was started before with the same key: its output is read from the log.
        let mut streams = [Bytes::new(), Bytes::new()];
        let mut cut = false;
        for (index, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let (bytes, lost) = self.read_output(started.exec, stream, output_max).await?;
            cut |= lost || (bytes.len() as u64) < info.written[index];
            streams[index] = bytes;
        }
        let [stdout, stderr] = streams;
        Ok(Finished { info, stdout, stderr, cut })
    }

    async fn read_output(&self, exec: ExecId, stream: Stream, max: usize) -> Result<(Bytes, bool), SessionError> {
        let mut all = Vec::new();
        let mut lost = false;
        while all.len() < max {
            let part = self.output(exec, stream, all.len() as u64, max - all.len(), false).await?;
            lost |= part.offset > all.len() as u64;
            if part.bytes.is_empty() || lost {
                break;
            }
            all.extend_from_slice(&part.bytes);
            if part.end {
                break;
            }
        }
        Ok((all.into(), lost))
    }

    async fn start(&self, request: ExecRequest, capture: Capture) -> Result<(ExecStarted, Started), SessionError> {
        self.node.check_churn(&self.seat.tenant)?;
        let span = debug_span!("start_command", session = %self.id());
        let pass = self.enter().instrument(span.clone()).await?;
        self.node.ticker.watch(&pass);
        if request.key.is_none() {
            return pass.start(&pass, request, capture).instrument(span).await;
        }
        // A client that goes away must not leave a key that started nothing.
        let start = async move { pass.start(&pass, request, capture).await };
        let started = self.node.runtime.spawn(start.instrument(span));
        started.await.map_err(|_| SessionError::Failed(self.id()))?
    }

    /// Waits until it has ended, and that is acknowledged.
    ///
    /// # Errors
    /// `NoExec`; why its end will never be acknowledged.
    pub async fn wait(&self, exec: ExecId) -> Result<ExecInfo, SessionError> {
        let found = {
            let pass = self.enter().await?;
            match pass.execs.get(exec) {
                Some(found) => found,
                None => return self.past_info(&pass, exec).await,
            }
        };
        found.wait().await
    }

    /// Commands that run, and those that ended last.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn execs(&self) -> Result<Vec<ExecInfo>, SessionError> {
        Ok(self.enter().await?.execs.all().iter().map(|exec| exec.info()).collect())
    }

    /// A command as it is now.
    ///
    /// # Errors
    /// `NoExec`.
    pub async fn exec_info(&self, exec: ExecId) -> Result<ExecInfo, SessionError> {
        let pass = self.enter().await?;
        match pass.execs.get(exec) {
            Some(found) => Ok(found.info()),
            None => self.past_info(&pass, exec).await,
        }
    }

    async fn past_info(&self, pass: &Pass, exec: ExecId) -> Result<ExecInfo, SessionError> {
        let keyed = pass.past_keyed(exec).ok_or(SessionError::NoExec { id: self.id(), exec })?;
        pass.past_info(&self.node, keyed).await
    }

    /// Bytes of a command's stream from `offset`, at most `max`; waits for at least one, or the end, if `wait`.
    ///
    /// # Errors
    /// `NoExec`, and those of the store.
    pub async fn output(
        &self,
        exec: ExecId,
        stream: Stream,
        offset: u64,
        max: usize,
        wait: bool,
    ) -> Result<Output, SessionError> {
        let pass = self.enter().await?;
        match pass.execs.get(exec) {
            Some(found) => {
                let awake = Arc::clone(&pass);
                // It may wait for long, and a turn of the session's life must not wait for it.
                drop(pass);
                awake.output(&self.node, &found, (stream, offset), max, wait).await
            }
            None => {
                let keyed = pass.past_keyed(exec).ok_or(SessionError::NoExec { id: self.id(), exec })?;
                pass.past_output(&self.node, &keyed, (stream, offset), max).await
            }
        }
    }

    async fn exec_entry(&self, exec: ExecId) -> Result<(Pass, Arc<Exec>), SessionError> {
        let pass = self.enter().await?;
        let found = pass.execs.get(exec).ok_or(SessionError::NoExec { id: self.id(), exec })?;
        Ok((pass, found))
    }

    /// Writes to a command's standard input, waiting for room.
    ///
    /// # Errors
    /// `NoExec`; `NoInput` when it has none, or no longer.
    pub async fn write_stdin(&self, exec: ExecId, bytes: Bytes) -> Result<(), SessionError> {
        // What is typed is not waited for with the gate held: a command that does not read cannot keep a session awake.
        let (_, found) = self.exec_entry(exec).await?;
        found.write(&bytes).await
    }

    /// Ends a command's standard input.
    ///
    /// # Errors
    /// As [`SessionHandle::write_stdin`].
    pub async fn close_stdin(&self, exec: ExecId) -> Result<(), SessionError> {
        let (_, found) = self.exec_entry(exec).await?;
        found.close_input().await
    }

    /// The window of a command's terminal has this size now.
    ///
    /// # Errors
    /// `NoExec`; `ExecOver` when it has ended; `NotOnTerminal` for one on pipes.
    pub async fn resize(&self, exec: ExecId, size: WindowSize) -> Result<(), SessionError> {
        let (_pass, found) = self.exec_entry(exec).await?;
        match found.terminal() {
            Some(terminal) => terminal.resize(size).map_err(|_| SessionError::ExecOver(exec)),
            None if found.running_pid().is_some() => Err(SessionError::NotOnTerminal(exec)),
            None => Err(SessionError::ExecOver(exec)),
        }
    }

    /// To the process group of a command.
    ///
    /// # Errors
    /// `NoExec`; `ExecOver` when it has ended.
    pub async fn signal_exec(&self, exec: ExecId, signal: Signal) -> Result<(), SessionError> {
        let (pass, found) = self.exec_entry(exec).await?;
        let Some(pid) = found.running_pid() else {
            return Err(SessionError::ExecOver(exec));
        };
        pass.session.with(|kernel| kernel.signal_group(pid.as_group(), signal));
        let subject = format!("{} to command {exec}", signal.name());
        pass.acknowledge(vec![What::Audit { verb: "signal".to_owned(), subject }]).await
    }

    /// To a process.
    ///
    /// # Errors
    /// `NoProcess` when there is none of this number.
    pub async fn signal(&self, pid: Pid, signal: Signal) -> Result<(), SessionError> {
        let pass = self.enter().await?;
        let is_there = pass.session.with(|kernel| {
            let is_there = pid != Pid::INIT && kernel.process(pid).is_ok_and(|process| !process.is_zombie());
            if is_there {
                kernel.signal_process(pid, signal);
            }
            is_there
        });
        if !is_there {
            return Err(SessionError::NoProcess(pid));
        }
        let subject = format!("{} to process {pid}", signal.name());
        pass.acknowledge(vec![What::Audit { verb: "signal".to_owned(), subject }]).await
    }

    /// Processor time it has used since it was made or woke last, its snapshots included, and how long it was kept
    /// waiting for it.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn processor_time(&self) -> Result<Figures, SessionError> {
        Ok(self.enter().await?.share.figures())
    }

    /// Processes there are, but init.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn processes(&self) -> Result<Vec<ProcessInfo>, SessionError> {
        let pass = self.enter().await?;
        let list = pass.session.with(|kernel| {
            let own = kernel.processes().filter(|process| process.pid != Pid::INIT);
            own.map(|process| ProcessInfo {
                pid: process.pid,
                parent: process.parent,
                command: process.arguments.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
                state: match process.state {
                    State::Running => 'R',
                    State::Stopped(_) => 'T',
                    State::Zombie(_) => 'Z',
                },
                cpu_ms: u64::try_from(process.cpu.as_millis()).unwrap_or(u64::MAX),
                memory_bytes: process.memory,
                descriptors: process.descriptors.iter().count(),
            })
            .collect()
        });
        Ok(list)
    }

    /// A file's attributes; a symbolic link's own.
    ///
    /// # Errors
    /// `File` with the errno.
    pub async fn stat(&self, path: &str) -> Result<FileInfo, SessionError> {
        files::stat(&self.enter().await?, path).await
    }

    /// Entries in order of name after `after`, at most `limit`.
    ///
    /// # Errors
    /// `File` with the errno.
    pub async fn list_directory(
        &self,
        path: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FileInfo>, SessionError> {
        files::list(&self.enter().await?, path, after, limit).await
    }

    /// Part of a file; at most 1 MiB a call.
    ///
    /// # Errors
    /// `File` with the errno.
    pub async fn read_file(&self, path: &str, range: Range<u64>) -> Result<Bytes, SessionError> {
        files::read(&self.enter().await?, path, range).await
    }

    /// Writes a file whole, atomically (a nameless file that takes the name at the end), from parts that arrive one by
    /// one. Files belong to the session's user.
    ///
    /// # Errors
    /// `File` with the errno; `WrongState` when the session was put to rest meanwhile. Nothing is left then.
    pub async fn write_file(
        &self,
        path: &str,
        options: WriteOptions,
        parts: BoxStream<'static, Result<Bytes, std::io::Error>>,
    ) -> Result<FileInfo, SessionError> {
        self.check_growth()?;
        files::write(self.enter().await?, path, &options, parts).await
    }

    /// Makes a directory, and with `parents` those on the way.
    ///
    /// # Errors
    /// `File` with the errno; `EEXIST` unless `parents`.
    pub async fn make_directory(&self, path: &str, parents: bool) -> Result<FileInfo, SessionError> {
        self.check_growth()?;
        files::make_directory(&self.enter().await?, path, parents).await
    }

    /// Removes a file, an empty directory, or with `recursive` all that is in it.
    ///
    /// # Errors
    /// `File` with the errno.
    pub async fn remove(&self, path: &str, recursive: bool) -> Result<(), SessionError> {
        files::remove(self.enter().await?, path, recursive).await
    }

    /// Gives a file another name, replacing what has it.
    ///
    /// # Errors
    /// `File` with the errno.
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), SessionError> {
        files::rename(&self.enter().await?, from, to).await
    }

    /// Makes several changes as one: all of them, or none. What is at each place afterwards; nothing of what was removed.
    ///
    /// # Errors
    /// `Operation` with the index of the one that failed and its errno: `EXDEV` when it is about a mount, `E2BIG` when
    /// [`REMOVED_MAX`](crate::files::batch::REMOVED_MAX) names would go, `ETIMEDOUT` when it would take more
    /// CPU time than [`HELD_MAX`](crate::files::batch::HELD_MAX). `Invalid` for too many operations; `Overloaded` when as
    /// many batches of the session wait for their turn as may.
    pub async fn batch(&self, operations: Vec<Operation>) -> Result<Vec<Option<FileInfo>>, SessionError> {
        self.check_growth()?;
        files::batch::check_all(&operations)?;
        let operations = Arc::<[Operation]>::from(operations);
        let _waiting = self.seat.batch()?;
        loop {
            // One whose turn did not come before the session's gate was closed comes in again when it is open.
            let pass = self.enter().await?;
            if operations.is_empty() {
                return Ok(Vec::new());
            }
            if let files::batch::Turn::Done(done) = files::batch::batch(pass, operations.clone()).await? {
                return Ok(done);
            }
        }
    }

    /// Makes a point to come back to; guests go on.
    ///
    /// # Errors
    /// `TooManyCheckpoints`, and those of the store.
    pub async fn checkpoint(&self, name: Option<String>) -> Result<Checkpoint, SessionError> {
        self.check_growth()?;
        self.node.turn(&self.seat, |reply| Asked::Checkpoint(name.clone(), reply)).await
    }

    /// The points there are, oldest first.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn checkpoints(&self) -> Result<Vec<Checkpoint>, SessionError> {
        Ok(self.enter().await?.scribe.claim()?.checkpoints())
    }

    /// Ends its processes and brings its files back.
    ///
    /// # Errors
    /// `NoCheckpoint`; nothing was done then.
    pub async fn rollback(&self, checkpoint: u64) -> Result<(), SessionError> {
        self.node.turn(&self.seat, |reply| Asked::Rollback(checkpoint, reply)).await
    }

    /// Its own files as a tar archive, in parts: `/home`, and whatever differs from the software it is made of, so that
    /// an import with the same software gives the same files. What was removed of the software is there again then.
    ///
    /// # Errors
    /// Why it cannot be woken; `Overloaded` when as many archives are on their way as may; a part that cannot be read
    /// ends the stream with its error.
    pub async fn export(&self) -> Result<BoxStream<'static, Result<Bytes, SessionError>>, SessionError> {
        let share = self.seat.export()?;
        let pass = self.enter().await?;
        Ok(archive::pack(&pass, (self.seat.clone(), share)))
    }
}

impl std::fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionHandle").field("id", &self.id()).finish_non_exhaustive()
    }
}

/// A file operation that failed.
pub(crate) fn file_error(path: &str, errno: Errno) -> SessionError {
    SessionError::File { path: path.chars().take(256).collect(), errno }
}
