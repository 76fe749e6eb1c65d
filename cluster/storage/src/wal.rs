//! An append log that many share: entries go in from any thread, one thread writes them, one makes them durable.
//!
//! ```text
//! append() ──▶ [ queue, bounded ] ──▶ writer: one write(2) for all that waits ──▶ Buffered entries are acknowledged
//!                                        │
//!                                        └──▶ syncer: one fdatasync for all written ──▶ Synced entries are acknowledged
//! ```
//!
//! A [`Position`] numbers an entry. Positions rise by one within a run of the log and are never used twice: opening the log
//! begins a new run, 2^32 further on, so that what a crash took with it (acknowledged as [`Level::Buffered`] or not at all)
//! never shares a number with what comes after. The bytes lie in segments, `%016x.wal` after their first position, with the
//! layout in [`frame`]. [`Wal::release`] removes the segments that nobody needs any more.
//!
//! **What a crash leaves.** Every frame says up to where the log was durable when it was written. A damaged place at or
//! below the highest such mark was durable once: that is corruption, it is reported, the segment is kept aside as
//! `*.corrupt`, and what is intact before and after it is served. Damage above the mark is the torn end of a log that lost
//! power: the log ends there, whatever lies behind.
//!
//! **What an error leaves.** A full disk fails what was queued, rolls the torn part back and goes on once there is room. Any
//! other failure of a write or a sync closes the log until it is opened again: after a failed fdatasync nobody can say
//! which of the bytes written before it are durable, and no later success says so either.
//!
//! Lock order: a caller's lock, then the log's state. Neither thread holds the state while it writes or syncs, nor while it
//! completes an append.
use crate::disk::Disk;
use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

mod frame;
mod recover;
mod segment;
mod syncer;
mod writer;

pub use recover::{Damage, Entry, Missing, Recovery, RecoveryReport, Torn};

/// Bytes of the longest entry.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Appends that may wait for their acknowledgement at a time.
pub const WAITING_MAX: usize = 1 << 20;
/// Positions that opening a log leaves out, to be above everything that may have been lost.
const RUN: u64 = 1 << 32;

/// The number of an entry in its log. Starts above 0; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position with this number, as it was written down elsewhere.
    pub fn from_u64(number: u64) -> Position {
        Position(number)
    }

    /// Its number, to be written down elsewhere.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// The position before this one: what to release up to, to keep this one.
    pub fn before(self) -> Position {
        Position(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// What an acknowledged entry survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The death of this process: the bytes are with the kernel. Within [`WalOptions::sync_interval`] they are synced too.
    Buffered,
    /// The loss of power: the bytes are on the disk.
    Synced,
}

/// How a log behaves.
#[derive(Clone, Debug)]
pub struct WalOptions {
    /// Bytes after which a new segment begins. A segment exceeds it by at most one batch. Default 64 MiB.
    pub segment_bytes: u64,
    /// Bytes of entries that may wait to be written; at least one entry always may. Default 64 MiB.
    pub queue_bytes: usize,
    /// The longest that written bytes stay unsynced. Default 2 s.
    pub sync_interval: Duration,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions { segment_bytes: 64 << 20, queue_bytes: 64 << 20, sync_interval: Duration::from_secs(2) }
    }
}

/// Why a log cannot be opened, or an entry was not acknowledged. Files are named without their folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalError {
    /// The entry is not in the log. The log goes on once there is room.
    #[error("the disk is full: the log could not {doing} {file}; free some space and try again")]
    NoSpace {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        file: String,
    },
    /// The log's file system takes no writes.
    #[error(
        "the file system is read-only: the log could not {doing} {file} and takes nothing until it is opened again; make it writable and restart"
    )]
    ReadOnly {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        file: String,
    },
    /// Whether the entry is in the log is known only when it is opened again.
    #[error("the log could not {doing} {file} and takes nothing until it is opened again: {reason}")]
    Failed {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// A segment was written by a newer version.
    #[error("{file} has format {found}, and this version reads up to {known}; use the version that wrote it")]
    Newer {
        /// The segment.
        file: String,
        /// Its format.
        found: u32,
        /// The format of this version.
        known: u32,
    },
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

impl WalError {
    /// The same, where nothing can be rolled back: the log ends with it.
    fn finally(self) -> WalError {
        match self {
            WalError::NoSpace { doing, file } => {
                WalError::Failed { doing, file, reason: "the disk is full".to_owned() }
            }
            other => other,
        }
    }

    fn from_io(doing: &'static str, file: &Path, error: &std::io::Error) -> WalError {
        let file = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => WalError::NoSpace { doing, file },
            std::io::ErrorKind::ReadOnlyFilesystem => WalError::ReadOnly { doing, file },
            _ => WalError::Failed { doing, file, reason: error.to_string() },
        }
    }
}

/// Why an entry was not taken. What can be tried again is given back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Too much waits to be written; [`Wal::ready`] says when to try again.
    #[error("the log's queue is full; wait until it is ready")]
    Full(Bytes),
    /// The entry is longer than [`ENTRY_BYTES_MAX`].
    #[error("an entry of {bytes} bytes is longer than the {ENTRY_BYTES_MAX} a log takes")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The log takes nothing.
    #[error(transparent)]
    Refused(#[from] WalError),
}

/// Entries of which none is in the log when one before it is not: after one was refused, those behind it are too. Cheap to
/// clone; a new one has no past.
#[derive(Clone, Debug, Default)]
pub struct Stream(Arc<OnceLock<WalError>>);

/// An entry on its way: resolves with its position once it is what its [`Level`] promises. Dropping it changes nothing for
/// the entry.
#[derive(Debug)]
#[must_use = "an append is acknowledged when this resolves"]
pub struct Pending {
    position: Position,
    outcome: oneshot::Receiver<Result<(), WalError>>,
}

impl Pending {
    /// Where the entry will be. Known before it is there.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits on a thread that is none of an executor's.
    pub fn wait(self) -> Result<Position, WalError> {
        let position = self.position;
        self.outcome.blocking_recv().unwrap_or(Err(WalError::Closed)).map(|()| position)
    }
}

impl Future for Pending {
    type Output = Result<Position, WalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let position = self.position;
        Pin::new(&mut self.outcome).poll(cx).map(|outcome| outcome.unwrap_or(Err(WalError::Closed)).map(|()| position))
    }
}

/// The log. Dropping it waits until what was queued is written and synced.
#[derive(Debug)]
pub struct Wal {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Wal {
    /// Opens the log in a folder of this machine; see [`Wal::open_on`].
    pub fn open(dir: &Path, options: WalOptions) -> Result<(Wal, Recovery), WalError> {
        Wal::open_on(Arc::new(crate::disk::RealDisk), dir, options)
    }

    /// Opens the log in a folder, which is created if it is missing. The caller sees to it that nobody else opens it. Blocks:
    /// all that is in the log is read and checked. The entries are in the [`Recovery`]; release none before they are read.
    ///
    /// # Errors
    /// When the folder cannot be read or written. Damaged entries are no error but in [`Recovery::report`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: WalOptions) -> Result<(Wal, Recovery), WalError> {
        let (recovery, tail, segments) = recover::recover(&disk, dir)?;
        let state = State {
            next: tail.next(),
            written: recovery.durable(),
            segments,
            synced: recovery.durable(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            write_wanted: Condvar::new(),
            sync_wanted: Condvar::new(),
            room: Notify::new(),
            disk,
            dir: dir.to_path_buf(),
            options,
        });
        let wal = Wal { shared: shared.clone(), threads: Mutex::new(Vec::new()) };
        let spawn = |name: &str, body: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|error| WalError::Failed {
                doing: "start a thread for",
                file: dir.display().to_string(),
                reason: error.to_string(),
            })
        };
        // The syncer first: if the writer does not start, dropping `wal` ends the syncer.
        shared.lock().writer_ended = true;
        let for_syncer = shared.clone();
        let syncer = spawn("wal-sync", Box::new(move || syncer::run(&for_syncer)))?;
        wal.threads.lock().expect("nobody panics holding it").push(syncer);
        shared.lock().writer_ended = false;
        let for_writer = shared.clone();
        match spawn("wal-write", Box::new(move || writer::run(&for_writer, tail))) {
            Ok(writer) => wal.threads.lock().expect("nobody panics holding it").push(writer),
            Err(error) => {
                shared.lock().writer_ended = true;
                return Err(error);
            }
        }
        Ok((wal, recovery))
    }

    /// Queues an entry behind all before it. Returns at once.
    ///
    /// # Errors
    /// `Full` when the queue has no room, `TooLarge`, and `Refused` when the log failed or is closed.
    pub fn append(&self, body: Bytes, level: Level) -> Result<Pending, AppendError> {
        let (sender, outcome) = oneshot::channel();
        let position = self.append_then(body, level, move |result| {
            let _ = sender.send(result); // Nobody waits if the Pending was dropped.
        })?;
        Ok(Pending { position, outcome })
    }

    /// Queues an entry as [`Wal::append`] does; `then` is called with the outcome, on a thread of the log, which it must not
    /// hold up.
    pub fn append_then(
        &self,
        body: Bytes,
        level: Level,
        then: impl FnOnce(Result<(), WalError>) + Send + 'static,
    ) -> Result<Position, AppendError> {
        self.put(body, level, None, Box::new(then))
    }

    /// As [`Wal::append_then`], of a stream.
    ///
    /// # Errors
    /// As [`Wal::append`]; `Refused` also with why the first entry of the stream was that was refused.
    pub fn append_in(
        &self,
        stream: &Stream,
        body: Bytes,
        level: Level,
        then: impl FnOnce(Result<(), WalError>) + Send + 'static,
    ) -> Result<Position, AppendError> {
        self.put(body, level, Some(stream), Box::new(then))
    }

    fn put(&self, body: Bytes, level: Level, stream: Option<&Stream>, then: Then) -> Result<Position, AppendError> {
        if body.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: body.len() });
        }
        let mut state = self.shared.lock();
        state.accepts()?;
        if let Some(error) = stream.and_then(|stream| stream.0.get()) {
            return Err(error.clone().into());
        }
        if !state.has_room(body.len(), &self.shared.options) {
            return Err(AppendError::Full(body));
        }
        let position = state.next;
        state.next += 1;
        state.queued_bytes += body.len();
        state.queue.push_back(Queued { position, body: Some(body), level, stream: stream.cloned(), done: Done(then) });
        drop(state);
        self.shared.write_wanted.notify_one();
        Ok(Position(position))
    }

    /// Queues an entry once there is room for it, and resolves when it is acknowledged.
    ///
    /// # Errors
    /// As [`Wal::append`], without `Full`.
    pub async fn append_wait(&self, mut body: Bytes, level: Level) -> Result<Position, AppendError> {
        loop {
            let length = body.len();
            match self.append(body, level) {
                Ok(pending) => return Ok(pending.await?),
                Err(AppendError::Full(back)) => body = back,
                Err(error) => return Err(error),
            }
            self.ready(length).await;
        }
    }

    /// Resolves when an entry of this many bytes would be taken, or none will be ever. Others may be quicker.
    pub async fn ready(&self, bytes: usize) {
        loop {
            let room = self.shared.room.notified();
            {
                let state = self.shared.lock();
                if state.accepts().is_err() || state.has_room(bytes, &self.shared.options) {
                    return;
                }
            }
            room.await;
        }
    }

    /// Resolves when all that was appended before is synced; with the last position of that.
    pub fn sync(&self) -> Result<Pending, WalError> {
        let (sender, outcome) = oneshot::channel();
        let mut state = self.shared.lock();
        state.accepts()?;
        let position = state.next - 1;
        let done = Done(Box::new(move |result| {
            let _ = sender.send(result); // Nobody waits if the Pending was dropped.
        }));
        state.queue.push_back(Queued { position, body: None, level: Level::Synced, stream: None, done });
        drop(state);
        self.shared.write_wanted.notify_one();
        Ok(Pending { position: Position(position), outcome })
    }

    /// Whether the log takes entries.
    ///
    /// # Errors
    /// Why it does not.
    pub fn check(&self) -> Result<(), WalError> {
        self.shared.lock().accepts()
    }

    /// The position of the next entry.
    pub fn next(&self) -> Position {
        Position(self.shared.lock().next)
    }

    /// Says that no entry up to here, this one included, is needed any more. Segments of which that holds for every entry
    /// are removed, some time later; the one being written stays.
    pub fn release(&self, up_to: Position) {
        let mut state = self.shared.lock();
        let mut found = false;
        while state.segments.front().is_some_and(|segment| segment.last <= up_to.0) {
            let segment = state.segments.pop_front().expect("just seen");
            state.released.push_back(segment.path);
            found = true;
        }
        drop(state);
        if found {
            self.shared.sync_wanted.notify_one();
        }
    }

    /// How many segments there are, with the one being written.
    pub fn segments(&self) -> usize {
        self.shared.lock().segments.len() + 1
    }

    /// Takes no more entries, waits until all queued ones are written and synced, and ends the threads. Blocks.
    ///
    /// # Errors
    /// What failed, if the last of it could not be made durable.
    pub fn close(&self) -> Result<(), WalError> {
        self.shared.lock().closing = true;
        self.shared.write_wanted.notify_one();
        self.shared.sync_wanted.notify_one();
        self.shared.room.notify_waiters();
        let threads = std::mem::take(&mut *self.threads.lock().expect("nobody panics holding it"));
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        self.shared.lock().failed.clone().map_or(Ok(()), Err)
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "a log was closed after it had failed");
        }
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Something is queued, or the log closes.
    write_wanted: Condvar,
    /// Something waits for a sync or is newly dirty, segments are to be removed, or the writer ended.
    sync_wanted: Condvar,
    /// The queue got shorter, or the log takes nothing any more.
    room: Notify,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: WalOptions,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics holding the log's state")
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(frame::segment_name(first))
    }
}

/// What the callers and the two threads share. All of it is bounded: the queue and the waiting by bytes and number, the
/// segments by whoever releases them.
#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// The next position.
    next: u64,
    /// The last position in the file.
    written: u64,
    /// Appends that are written and wait for the sync, in order of position.
    waiting: VecDeque<(u64, Done)>,
    /// Files with bytes that were not synced, oldest first.
    unsynced: Vec<Unsynced>,
    /// When the oldest of these bytes was written.
    dirty_since: Option<Instant>,
    /// Complete segments, oldest first.
    segments: VecDeque<Segment>,
    /// The log is durable up to here.
    synced: u64,
    /// Segments to be removed, oldest first.
    released: VecDeque<PathBuf>,
    /// Why the log takes nothing any more.
    failed: Option<WalError>,
    closing: bool,
    writer_ended: bool,
}

impl State {
    fn accepts(&self) -> Result<(), WalError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.closing => Err(WalError::Closed),
            None => Ok(()),
        }
    }

    fn has_room(&self, bytes: usize, options: &WalOptions) -> bool {
        let number = self.queue.len() + self.waiting.len();
        number < WAITING_MAX && (self.queue.is_empty() || self.queued_bytes + bytes <= options.queue_bytes)
    }

    /// Takes the log out of service and returns all that waits, for the caller to tell without the lock.
    fn fail(&mut self, error: &WalError) -> Vec<Done> {
        self.failed.get_or_insert_with(|| error.clone());
        let mut done = self.drain_queue();
        done.extend(self.waiting.drain(..).map(|(_, done)| done));
        done
    }

    fn drain_queue(&mut self) -> Vec<Done> {
        self.queued_bytes = 0;
        self.queue.drain(..).map(|queued| queued.done).collect()
    }
}

/// An entry that waits to be written; without a body, somebody who waits for a sync.
#[derive(Debug)]
struct Queued {
    position: u64,
    body: Option<Bytes>,
    level: Level,
    stream: Option<Stream>,
    done: Done,
}

impl Queued {
    /// It is not in the log: nothing of its stream is from here on.
    fn break_stream(&self, error: &WalError) {
        if let Some(stream) = &self.stream {
            let _ = stream.0.set(error.clone()); // The first reason stays.
        }
    }
}

type Then = Box<dyn FnOnce(Result<(), WalError>) + Send>;

/// Whom to tell how it ended.
struct Done(Then);

impl Done {
    fn tell(self, result: Result<(), WalError>) {
        (self.0)(result);
    }
}

impl fmt::Debug for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Done")
    }
}

#[derive(Debug)]
struct Unsynced {
    first: u64,
    file: Arc<dyn crate::disk::DiskFile>,
    /// Its name was not synced either.
    name_too: bool,
}

#[derive(Clone, Debug)]
struct Segment {
    last: u64,
    path: PathBuf,
}

#[cfg(test)]
mod tests;
