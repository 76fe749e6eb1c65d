//! What a session needs of whoever keeps what it acknowledged.
//!
//! ```text
//! create / claim ──▶ Claimed { epoch, spec, files, log } + Arc<dyn Claim>
//! Claim::append(batch, level) ──▶ Pending       in the order of the calls; resolves when it is that durable
//! Claim::checkpoint(point)    ──▶ files as a snapshot; what was appended up to the point need not be kept twice
//! Claim::hibernate(point)     ──▶ the claim is over; whoever claims next goes on from the point
//! ```
//! A claim is one owner's right to write: once another owner has claimed the session, every call of the old claim is
//! `Fenced` and the old owner must stop, tell nobody anything more, and drop what it holds.

use crate::event::{End, Event, State};
use crate::id::{CommandKey, ExecId, SessionId, SessionName, TenantId, TerminalName};
use crate::position::{Epoch, Position};
use crate::spec::{SessionSpec, Tier};
use crate::terminal::Kept;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(any(test, feature = "testing"))]
pub mod suite;
pub mod volatile;

use warren_kernel::blob::Blobs;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::Delta;
use warren_kernel::vfs::inodes::Inodes;

/// How safe something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It survives the end of this process.
    Buffered,
    /// It survives power loss too.
    Synced,
    /// It is in the store: in a cluster, it survives the node.
    Stored,
}

impl Tier {
    /// What a session of this tier waits for before it acknowledges; `None` waits for nothing and keeps nothing.
    pub fn level(self) -> Option<Level> {
        match self {
            Tier::Scratch => None,
            Tier::Checkpoint => Some(Level::Buffered),
            Tier::Journal => Some(Level::Synced),
            Tier::Strict => Some(Level::Stored),
        }
    }
}

/// When a write is as durable as was asked.
pub type Pending = BoxFuture<'static, Result<(), DurabilityError>>;

/// Keeps the sessions of a node, or of a cluster.
pub trait Durability: Send + Sync + 'static {
    /// Makes a session, claimed by the caller. Durable as its tier says when this returns; with a name, the name leads
    /// to it.
    ///
    /// # Errors
    /// `NameTaken`; nothing was made then.
    fn create(&self, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>>;

    /// Takes a session that is at rest, or whose owner is gone.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Owned` by someone alive, `Damaged`.
    fn claim<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Claimed, DurabilityError>>;

    /// The session a name leads to.
    ///
    /// # Errors
    /// Those of the store.
    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a SessionName,
    ) -> BoxFuture<'a, Result<Option<SessionId>, DurabilityError>>;

    /// What is known of a session without waking it.
    ///
    /// # Errors
    /// `Missing`; a deleted one has a summary for as long as its tombstone is kept.
    fn describe<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Summary, DurabilityError>>;

    /// Sessions in order of id, those after `after`, at most `limit` (deleted ones are left out); `true` when there are
    /// more.
    ///
    /// # Errors
    /// Those of the store.
    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<Summary>, bool), DurabilityError>>;

    /// Events after a position that are kept, oldest first, until about `bytes` bytes; none when there are none after
    /// it. Works for sessions at rest too.
    ///
    /// # Errors
    /// `Missing`, `Damaged`.
    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Past, DurabilityError>>;

    /// Deletes a session nobody has claimed: its name is free again, its id is not.
    ///
    /// # Errors
    /// `Owned` when a claim is alive (delete by that), `Missing`.
    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>>;
}

/// Takes down processor time that was used for a session, outside its guests.
pub type Meter = Arc<dyn Fn(Duration) + Send + Sync>;

/// One owner's right to write to a session.
pub trait Claim: Send + Sync + 'static {
    /// Tells where the files stand once the kernel is made, before anything else is asked: the layer, the tree of the
    /// snapshot that was given ([`Files::Stored::delta`] applied; the layer for [`Files::Fresh`], the same for
    /// [`Files::Live`]), and the tree the session begins with. Counts once.
    fn attach(&self, layer: Inodes, base: Inodes, now: Inodes) {
        let _ = (layer, base, now);
    }

    /// Tells where to take down the processor time that is used for the session's snapshots. Counts once.
    fn charge_to(&self, meter: Meter) {
        let _ = meter;
    }

    /// Keeps a batch, after all batches given before. The batch counts from this call on; the answer resolves when it is
    /// as durable as `level`. An answer that is dropped takes nothing back.
    fn append(&self, batch: Batch, level: Level) -> Pending;

    /// Makes a snapshot of the files at `point` and notes it as where the session stands, in the store. With `keep`, it
    /// is also a point to come back to. Everything appended up to the point may be forgotten by the journal.
    fn checkpoint(&self, point: Point, keep: Option<Keep>) -> BoxFuture<'_, Result<Checkpoint, DurabilityError>>;

    /// From now on the session is called `name` and made of `spec`, whose tier, software, limits and files are as they
    /// were. Durable as its tier says when this returns: the new name leads to it then, and the old one is free.
    ///
    /// # Errors
    /// `NameTaken`; nothing was changed then.
    fn amend(&self, name: Option<SessionName>, spec: Arc<SessionSpec>) -> BoxFuture<'_, Result<(), DurabilityError>>;

    /// Makes a snapshot and ends the claim: the session is at rest.
    fn hibernate(&self, point: Point) -> BoxFuture<'_, Result<(), DurabilityError>>;

    /// The checkpoints kept, oldest first.
    fn checkpoints(&self) -> Vec<Checkpoint>;

    /// The files of a kept checkpoint, to go back to. The caller then appends a batch whose file change leads there.
    fn rollback(&self, checkpoint: u64) -> BoxFuture<'_, Result<Files, DurabilityError>>;

    /// Makes a session that begins with this one's files at `point`, which are made durable with it. Answers as
    /// [`Durability::create`].
    fn fork(&self, point: Point, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>>;

    /// Ends the session: its name is free, its id never again. Durable when this returns.
    fn delete(&self) -> BoxFuture<'_, Result<(), DurabilityError>>;
}

/// A session to make.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: Option<SessionName>,
    /// What it is made of.
    pub spec: Arc<SessionSpec>,
    /// When it was made.
    pub created: Timestamp,
    /// The session it is a fork of.
    pub forked_from: Option<SessionId>,
}

/// A session in its new owner's hands.
pub struct Claimed {
    /// To write to it.
    pub claim: Arc<dyn Claim>,
    /// The owner's epoch.
    pub epoch: Epoch,
    /// What is known of it.
    pub summary: Summary,
    /// What it is made of.
    pub spec: Arc<SessionSpec>,
    /// Its files.
    pub files: Files,
    /// Where the kernel's process ids and the numbers of commands and checkpoints go on.
    pub counters: Counters,
    /// The last event kept; the next has its number plus one.
    pub last: Position,
    /// Commands that were started with a key and what became of them; those without an outcome were interrupted.
    pub keys: Vec<(CommandKey, KeyedCommand)>,
    /// Commands that had started and whose end is not kept.
    pub unfinished: Vec<ExecId>,
    /// Terminals, as their last events say.
    pub terminals: BTreeMap<TerminalName, Kept>,
}

impl fmt::Debug for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claimed").field("epoch", &self.epoch).field("last", &self.last).finish_non_exhaustive()
    }
}

/// A session's files when it is claimed.
#[derive(Clone)]
pub enum Files {
    /// Those of its template.
    Fresh,
    /// The template's layer and what differs from it; blocks load themselves from `blobs`.
    Stored {
        /// From the layer to the session.
        delta: Arc<Delta>,
        /// Where bytes come from.
        blobs: Arc<dyn Blobs>,
        /// Deltas to apply after it, in order: what the journal kept since the snapshot.
        then: Vec<Delta>,
    },
    /// As they are in memory: a fork of a live session.
    Live {
        /// The tree.
        inodes: Inodes,
        /// Its last mutation.
        lsn: Lsn,
    },
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Files::Fresh => "Fresh",
            Files::Stored { .. } => "Stored",
            Files::Live { .. } => "Live",
        })
    }
}

/// Numbers that go on where they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The kernel's next pid; 0 is a new kernel's.
    pub next_pid: u32,
    /// The last command's number.
    pub execs: u64,
    /// The last checkpoint's number.
    pub checkpoints: u64,
}

/// What belongs together and is kept or lost as one.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Events, positions one higher each.
    pub events: Vec<Event>,
    /// What the files became.
    pub files: Option<FileChange>,
    /// Keyed commands that start or end.
    pub keys: Vec<(CommandKey, KeyedCommand)>,
    /// Where the numbers stand.
    pub counters: Counters,
}

/// Files at two points of a session's life. Both trees are pointers.
#[derive(Clone, Debug)]
pub struct FileChange {
    /// The mutation `before` stands at; the last change appended led here.
    pub from: Lsn,
    /// The mutation `after` stands at.
    pub to: Lsn,
    /// The tree before.
    pub before: Inodes,
    /// The tree after.
    pub after: Inodes,
}

/// A command started with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyedCommand {
    /// Its number.
    pub exec: ExecId,
    /// The last event before it started: all that is kept of it stands behind.
    pub after: Position,
    /// A hash of what was asked, so that a key is not used for something else.
    pub request: [u8; 16],
    /// How it ended; `None` has started.
    pub end: Option<End>,
}

/// A moment of a session at which nothing is half done.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its files.
    pub files: Inodes,
    /// The last mutation in them.
    pub lsn: Lsn,
    /// The layer they differ from.
    pub layer: Inodes,
    /// The last event given to [`Claim::append`], or the last of `events`.
    pub position: Position,
    /// Where the numbers stand.
    pub counters: Counters,
    /// Events that were not appended (a `scratch` session's), to be kept now.
    pub events: Vec<Event>,
    /// Keyed commands there are.
    pub keys: Vec<(CommandKey, KeyedCommand)>,
    /// Commands that run.
    pub unfinished: Vec<ExecId>,
    /// Terminals there are.
    pub terminals: BTreeMap<TerminalName, Kept>,
}

/// A checkpoint to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Its number: one higher each of the session.
    pub number: u64,
    /// What its maker calls it.
    pub name: Option<String>,
    /// When.
    pub time: Timestamp,
}

/// A point a session can come back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its number; 0 is one that was not asked to be kept.
    pub number: u64,
    /// What its maker calls it.
    pub name: Option<String>,
    /// When.
    pub time: Timestamp,
    /// The last event before it.
    pub position: Position,
}

/// What is known of a session without waking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its id.
    pub id: SessionId,
    /// Its name.
    pub name: Option<SessionName>,
    /// Where its life stands.
    pub state: State,
    /// Why it cannot be used.
    pub failure: Option<String>,
    /// How durable it is.
    pub durability: Tier,
    /// The last owner's epoch.
    pub epoch: Epoch,
    /// The last event that is kept; a live session may be ahead.
    pub position: Position,
    /// When it was made.
    pub created: Timestamp,
    /// When it will be deleted.
    pub expires: Option<Timestamp>,
    /// Hibernated after this long without use.
    #[serde(default)]
    pub idle_timeout: Option<Duration>,
    /// The session it is a fork of.
    pub forked_from: Option<SessionId>,
    /// The template it was made from.
    pub template: Option<String>,
    /// Its labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// What it reaches outside.
    #[serde(default)]
    pub egress: Vec<String>,
    /// What its files were when it was last brought into the store.
    #[serde(default)]
    pub held: Held,
}

/// What a session's files take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Bytes of its own, in whole pages a file.
    pub file_bytes: u64,
    /// Files it made or changed.
    pub inodes: u64,
}

impl Held {
    /// Of these files.
    pub fn of(files: &Inodes) -> Held {
        Held { file_bytes: files.own_bytes(), inodes: files.own_inodes() }
    }
}

/// Events of the past.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Oldest first.
    pub events: Vec<Event>,
    /// Events after the asked position that are no longer kept: the numbers of the first and the last.
    pub lost: Option<(u64, u64)>,
    /// More are kept behind these.
    pub more: bool,
}

/// Why something could not be kept, or found.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DurabilityError {
    /// There is no such session.
    #[error("there is no session {0}")]
    Missing(SessionId),
    /// It was deleted.
    #[error("session {0} was deleted")]
    Deleted(SessionId),
    /// Another session has the name.
    #[error("the name `{0}` is taken; choose another or delete the session that has it")]
    NameTaken(SessionName),
    /// Another process owns it.
    #[error("session {0} is owned by another process")]
    Owned(SessionId),
    /// Another owner has claimed the session since.
    #[error("another owner has session {0} now")]
    Fenced(SessionId),
    /// There is no such checkpoint.
    #[error("session {0} keeps no checkpoint {1}")]
    NoCheckpoint(SessionId, u64),
    /// More checkpoints would be kept than may be.
    #[error("session {0} keeps {1} checkpoints, the most it may; delete one")]
    TooManyCheckpoints(SessionId, usize),
    /// What is kept of it cannot be read. Other sessions are not affected.
    #[error("session {id} cannot be read: {reason}")]
    Damaged {
        /// The session.
        id: SessionId,
        /// What was found where.
        reason: String,
    },
    /// The disk or the bucket is full.
    #[error("there is no space left to keep it: {0}")]
    NoSpace(String),
    /// The store or the journal does not work now; it may later.
    #[error("the store does not answer: {0}; try again")]
    Unavailable(String),
    /// More is on its way to the journal than it takes; the same request will be taken later.
    #[error("the journal is behind; try again")]
    Busy,
}
