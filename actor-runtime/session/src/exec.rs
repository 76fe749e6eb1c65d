//! Commands of clients: which run, how they ended, and what they wrote.
//!
//! ```text
//! start ─▶ launch ─▶ started ─┬─ pump: stdout ─▶ output events        at most 256 KiB on their way each:
//!                             ├─ pump: stderr ─▶ output events        a fast writer waits for the journal
//!                             └─ wait ──────────▶ exited, with the files as they are then
//! ```

mod output;
mod run;
mod start;

use crate::command::ExecInfo;
use crate::error::SessionError;
use crate::event::{End, Stream};
use crate::id::{ExecId, SessionId};
use crate::position::Position;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use warren_kernel::Errno;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Pid;
use warren_wasi_posix::node::{PipeEnd, Terminal};

pub(crate) use output::visit_kept;
pub(crate) use start::{Capture, Started, check};

/// Commands that run at once in a session.
pub(crate) const RUNNING_MAX: usize = 256;
/// Commands that have ended and are remembered.
pub(crate) const ENDED_MAX: usize = 256;
/// Bytes of input given with the commands of a session that wait to be read, at most: of a single one there may be as
/// much as it may have.
const GIVEN_MAX: usize = 64 << 20;
/// When it is worth trying again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Places of a stream that are remembered, so that a reader does not begin at its beginning.
const MARKS_MAX: usize = 512;

/// The commands of a session since it woke.
#[derive(Debug, Default)]
pub(crate) struct Execs {
    table: Mutex<Table>,
    /// A command ended.
    over: Notify,
    /// Bytes of input that wait to be written.
    given: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<ExecId, Arc<Exec>>,
    ended: VecDeque<ExecId>,
    running: usize,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) id: ExecId,
    command: Vec<String>,
    state: Mutex<State>,
    changed: Notify,
    /// Where its standard input comes in; a terminal is resized here. `None` once it is closed, or the command is over.
    input: Mutex<Option<Input>>,
    /// Held by who writes to its input, so that what one client sends stays together.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    /// Its process, once it has one.
    pid: Option<Pid>,
    started: Timestamp,
    /// Where its start stands, once that is acknowledged.
    position: Option<Position>,
    written: [u64; 2],
    /// Both streams are at their end.
    drained: bool,
    cpu: Duration,
    /// What became of it, once that is acknowledged.
    end: Option<Result<(End, Position), SessionError>>,
    /// Every so often: an offset of a stream, and the event before the one it is in.
    marks: [Vec<(u64, Position)>; 2],
    capture: Option<Captured>,
}

/// Output that is kept for whoever waits for the end, while they do.
#[derive(Debug)]
struct Captured {
    max: usize,
    bytes: [Vec<u8>; 2],
    cut: bool,
}

#[derive(Clone, Debug)]
enum Input {
    Pipe(Arc<PipeEnd>),
    Terminal(Arc<Terminal>),
}

impl Input {
    async fn write_all(&self, bytes: &[u8]) -> Result<(), Errno> {
        match self {
            Input::Pipe(end) => end.write_all(bytes).await,
            Input::Terminal(terminal) => terminal.write_all(bytes).await,
        }
    }
}

/// Someone who waits for a command's end, and has its output kept until then. Without them nothing is kept.
pub(crate) struct Waiter(Arc<Exec>);

/// Input that was given with commands and waits to be read takes so much of what the session may hold.
#[derive(Debug)]
struct Given {
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Execs {
    /// Room for input given with a command, until it is written.
    fn give(&self, session: SessionId, bytes: usize) -> Result<Given, SessionError> {
        let before = self.given.fetch_add(bytes, Ordering::Relaxed);
        let given = Given { bytes, all: self.given.clone() };
        match before.saturating_add(bytes) > GIVEN_MAX && before > 0 {
            true => Err(SessionError::Overloaded { id: session, retry_after: RETRY_AFTER }),
            false => Ok(given),
        }
    }

    /// Room for one more, which is taken by it.
    fn add(&self, session: SessionId, exec: Arc<Exec>) -> Result<(), SessionError> {
        let mut table = self.lock();
        if table.running >= RUNNING_MAX {
            return Err(SessionError::TooManyExecs { id: session, limit: RUNNING_MAX });
        }
        table.running += 1;
        table.entries.insert(exec.id, exec);
        Ok(())
    }

    fn has_room(&self, session: SessionId) -> Result<(), SessionError> {
        if self.lock().running >= RUNNING_MAX {
            return Err(SessionError::TooManyExecs { id: session, limit: RUNNING_MAX });
        }
        Ok(())
    }

    /// A command has ended: it is remembered until many others have.
    fn retire(&self, id: ExecId) {
        let mut table = self.lock();
        table.running -= 1;
        table.ended.push_back(id);
        if table.ended.len() > ENDED_MAX
            && let Some(oldest) = table.ended.pop_front()
        {
            table.entries.remove(&oldest);
        }
        drop(table);
        self.over.notify_waiters();
    }

    /// The command of this number.
    pub(crate) fn get(&self, id: ExecId) -> Option<Arc<Exec>> {
        self.lock().entries.get(&id).cloned()
    }

    /// All that are remembered, in order of number.
    pub(crate) fn all(&self) -> Vec<Arc<Exec>> {
        self.lock().entries.values().cloned().collect()
    }

    /// Commands that run.
    pub(crate) fn running(&self) -> usize {
        self.lock().running
    }

    /// Waits until none runs.
    pub(crate) async fn ended(&self) {
        loop {
            let over = self.over.notified();
            tokio::pin!(over);
            over.as_mut().enable();
            if self.running() == 0 {
                return;
            }
            over.await;
        }
    }

    /// Tells whoever waits for a command that nothing will be acknowledged.
    pub(crate) fn fail(&self, error: &SessionError) {
        for exec in self.all() {
            exec.settle(Err(error.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// The output that was kept, and whether some was cut; `None` the second time.
    pub(crate) fn captured(&self) -> Option<([Bytes; 2], bool)> {
        let captured = self.0.lock().capture.take()?;
        Some((captured.bytes.map(Bytes::from), captured.cut))
    }
}

impl std::ops::Deref for Waiter {
    type Target = Exec;

    fn deref(&self) -> &Exec {
        &self.0
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let kept = self.0.lock().capture.take();
        drop(kept);
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Exec {
    fn new(id: ExecId, command: Vec<String>, started: Timestamp, capture: Option<usize>) -> Arc<Exec> {
        let capture = capture.map(|max| Captured { max, bytes: [Vec::new(), Vec::new()], cut: false });
        Arc::new(Exec {
            id,
            command,
            state: Mutex::new(State {
                pid: None,
                started,
                position: None,
                written: [0; 2],
                drained: false,
                cpu: Duration::ZERO,
                end: None,
                marks: [Vec::new(), Vec::new()],
                capture,
            }),
            changed: Notify::new(),
            input: Mutex::new(None),
            writing: tokio::sync::Mutex::new(()),
        })
    }

    /// As it is now.
    pub(crate) fn info(&self) -> ExecInfo {
        let state = self.lock();
        ExecInfo {
            exec: self.id,
            pid: state.pid,
            command: self.command.clone(),
            started: state.started,
            ended: state.end.clone().and_then(Result::ok),
            cpu: state.cpu,
            written: state.written,
        }
    }

    /// Where its start stands; waits until that is acknowledged.
    ///
    /// # Errors
    /// Why it never will be.
    pub(crate) async fn position(&self) -> Result<Position, SessionError> {
        self.until(|state| match (&state.position, &state.end) {
            (Some(position), _) => Some(Ok(*position)),
            (None, Some(Err(error))) => Some(Err(error.clone())),
            (None, _) => None,
        })
        .await
    }

    /// Waits for its end, which is acknowledged then.
    ///
    /// # Errors
    /// Why it never will be.
    pub(crate) async fn wait(&self) -> Result<ExecInfo, SessionError> {
        self.until(|state| state.end.as_ref().map(|end| end.as_ref().map(|_| ()).map_err(Clone::clone))).await?;
        Ok(self.info())
    }

    /// Writes to its standard input, after what was written before.
    ///
    /// # Errors
    /// `NoInput` when it is closed, or nobody reads it any more.
    pub(crate) async fn write(&self, bytes: &[u8]) -> Result<(), SessionError> {
        let _alone = self.writing.lock().await;
        let input = self.input().clone().ok_or(SessionError::NoInput(self.id))?;
        if input.write_all(bytes).await.is_err() {
            self.release();
            return Err(SessionError::NoInput(self.id));
        }
        Ok(())
    }

    /// Ends its standard input, behind what is being written; on a terminal by the character that means that.
    ///
    /// # Errors
    /// `NoInput` when it is closed already.
    pub(crate) async fn close_input(&self) -> Result<(), SessionError> {
        let _alone = self.writing.lock().await;
        let input = self.input().clone().ok_or(SessionError::NoInput(self.id))?;
        match input {
            Input::Terminal(terminal) => terminal.write_all(b"\x04").await.map_err(|_| SessionError::NoInput(self.id)),
            Input::Pipe(_) => {
                self.release();
                Ok(())
            }
        }
    }

    /// The terminal it runs on.
    pub(crate) fn terminal(&self) -> Option<Arc<Terminal>> {
        match &*self.input() {
            Some(Input::Terminal(terminal)) => Some(terminal.clone()),
            Some(Input::Pipe(_)) | None => None,
        }
    }

    /// Lets go of its pipe or terminal: a command that is over holds none of the session's.
    fn release(&self) {
        // Closed behind the lock: the kernel has one of its own.
        let input = self.input().take();
        drop(input);
    }

    fn input(&self) -> MutexGuard<'_, Option<Input>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its process, while it runs.
    pub(crate) fn running_pid(&self) -> Option<Pid> {
        let state = self.lock();
        state.pid.filter(|_| state.end.is_none())
    }

    fn settle(&self, end: Result<(End, Position), SessionError>) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Notes output that was read, and returns its offset.
    fn add_output(&self, stream: Stream, bytes: &[u8]) -> u64 {
        let mut state = self.lock();
        let index = stream.index();
        let offset = state.written[index];
        state.written[index] += bytes.len() as u64;
        if let Some(capture) = &mut state.capture {
            let room = capture.max.saturating_sub(capture.bytes[index].len()).min(bytes.len());
            capture.bytes[index].extend_from_slice(&bytes[..room]);
            capture.cut |= room < bytes.len();
        }
        offset
    }

    /// Remembers that the bytes from `offset` on stand behind `before`.
    fn mark(&self, stream: Stream, offset: u64, before: Position) {
        let mut state = self.lock();
        let marks = &mut state.marks[stream.index()];
        let apart = 256 * 1024 * (1 + marks.len() as u64 / MARKS_MAX as u64);
        if marks.last().is_none_or(|(last, _)| offset >= last + apart) {
            marks.push((offset, before));
        }
        if marks.len() > 2 * MARKS_MAX {
            let mut index = 0;
            marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
        drop(state);
        self.changed.notify_waiters();
    }

    async fn until<T>(&self, look: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(found) = look(&self.lock()) {
                return found;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    const fn index(self) -> usize {
        match self {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
        }
    }
}
