//! What a system call may need from outside the session's lock, and the answers it is made again with.
//!
//! ```text
//! call ──lock──▶ Halt::Fetch(request) ──unlock──▶ perform() ──lock──▶ the same call, with the answer in its Call
//! ```
//! Content ([`Fetch::Blob`]) lands where every session finds it. Answers of a mounted driver and loaded programs
//! belong to the one call that asked: nothing of a host directory is cached, so what the host changes is seen. A
//! call makes its requests in a fixed order and each retry replays the answers so far; it has no effect inside the
//! kernel before the last one, so no effect is repeated and no answer is lost. Two effects must come earlier, and the
//! call remembers them so that a retry goes on behind them: the end of a FIFO whose other end is awaited, and the
//! child of a spawn, whose file actions may themselves wait.

use crate::blob::{Blob, BlobId, SharedBytes};
use crate::errno::Errno;
use crate::file::OpenId;
use crate::host::Monotonic;
use crate::id::Pid;
use crate::runtime::{LoadError, Program, Runtime};
use crate::socket::egress::{Egress, Unreached};
use crate::vfs::driver::{FileSystem, FsAnswer, FsRequest};
use crate::wait::{Halt, Step};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something needed from outside the lock.
pub enum Fetch {
    /// The bytes of a shared content.
    Blob(Arc<Blob>),
    /// An operation of a mounted driver.
    Driver(Arc<dyn FileSystem>, FsRequest),
    /// A program made from an image.
    Program(Arc<dyn Runtime>, Image),
    /// The addresses of a host outside.
    Resolve(Arc<dyn Egress>, String),
}

/// An executable's bytes, as a runtime loads them.
#[derive(Clone)]
pub struct Image {
    /// The content's name: a runtime caches by it.
    pub id: BlobId,
    /// The whole file.
    pub bytes: SharedBytes,
    /// It is a layer's, which many sessions run; otherwise a session wrote it.
    pub shared: bool,
}

/// What came back from outside.
pub enum Fetched {
    /// The blob is loaded, or cannot be.
    Blob(Result<(), Errno>),
    /// The driver's answer to this request.
    Driver(FsRequest, Result<FsAnswer, Errno>),
    /// The program of this image.
    Program(BlobId, Result<Program, LoadError>),
    /// The addresses of this host.
    Resolved(String, Result<Arc<[IpAddr]>, Unreached>),
}

impl Fetch {
    /// Does it. May block; never called with a kernel locked.
    pub fn perform(self) -> Fetched {
        match self {
            Fetch::Blob(blob) => Fetched::Blob(blob.load()),
            Fetch::Driver(filesystem, request) => {
                let answer = filesystem.perform(&request);
                Fetched::Driver(request, answer)
            }
            Fetch::Program(runtime, image) => {
                let program = runtime.load(&image);
                Fetched::Program(image.id, program)
            }
            Fetch::Resolve(egress, name) => {
                let addresses = egress.resolve(&name);
                Fetched::Resolved(name, addresses)
            }
        }
    }
}

/// One system call in progress: who makes it, and what was fetched for it so far.
#[derive(Debug)]
pub struct Call {
    /// The calling process.
    pub pid: Pid,
    answers: Vec<Fetched>,
    replayed: usize,
    /// What questions without an effect were answered: each is asked once in a call, which so sees one state.
    known: Vec<(FsRequest, Result<FsAnswer, Errno>)>,
    /// Which call this is, and the open file whose offset it has the turn to use.
    id: u64,
    turn: Option<OpenId>,
    /// The call is among those that wait for a lock.
    lock_wait: bool,
    /// A FIFO's end this call opened and waits with, and how often its other end had been opened then.
    opening: Option<(OpenId, u64)>,
    /// When it was made first, for a call that gives itself a deadline.
    began: Option<Monotonic>,
    /// A child this call made, and how many of its actions are done.
    preparing: Option<(Pid, usize)>,
}

impl Call {
    /// A call by `pid` that has fetched nothing yet.
    pub fn new(pid: Pid) -> Call {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Call {
            pid,
            answers: Vec::new(),
            replayed: 0,
            known: Vec::new(),
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            turn: None,
            lock_wait: false,
            opening: None,
            began: None,
            preparing: None,
        }
    }

    /// The call is about to be made (again): answers are replayed from the first.
    pub fn rewind(&mut self) {
        self.replayed = 0;
    }

    /// Keeps an answer for the next attempt.
    ///
    /// # Errors
    /// A blob that cannot be loaded ends the call with `EIO`.
    pub fn keep(&mut self, fetched: Fetched) -> Result<(), Errno> {
        match fetched {
            Fetched::Blob(loaded) => loaded,
            Fetched::Driver(request, answer) if request.is_question() => {
                self.known.push((request, answer));
                Ok(())
            }
            other => {
                self.answers.push(other);
                Ok(())
            }
        }
    }

    /// What was asked so far had its effect: the next attempt goes on from here and asks only what comes after.
    pub(crate) fn commit(&mut self) {
        self.answers.drain(..self.replayed);
        self.replayed = 0;
        self.known.clear();
    }

    /// The child an earlier attempt made. A spawn keeps it while it waits, so that no file action is done twice.
    pub(crate) fn take_preparing(&mut self) -> Option<(Pid, usize)> {
        self.preparing.take()
    }

    /// Keeps a child for the next attempt.
    pub(crate) fn keep_preparing(&mut self, child: Pid, done: usize) {
        self.preparing = Some((child, done));
    }

    /// The FIFO's end an earlier attempt opened: the other end can only come when it sees this one.
    pub(crate) fn take_opening(&mut self) -> Option<(OpenId, u64)> {
        self.opening.take()
    }

    /// Keeps a FIFO's end for the next attempt.
    pub(crate) fn keep_opening(&mut self, open: OpenId, others: u64) {
        self.opening = Some((open, others));
    }

    /// When the first attempt was made that asked: `now`, unless an earlier one has.
    pub(crate) fn began(&mut self, now: Monotonic) -> Monotonic {
        *self.began.get_or_insert(now)
    }

    /// Which call this is.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Remembers that this call has the turn on an open file's offset.
    pub(crate) fn keep_turn(&mut self, open: OpenId) {
        self.turn = Some(open);
    }

    /// The open file whose offset this call has the turn to use.
    pub(crate) fn take_turn(&mut self) -> Option<OpenId> {
        self.turn.take()
    }

    /// Remembers that this call is among those that wait for a lock.
    pub(crate) fn keep_lock_wait(&mut self) {
        self.lock_wait = true;
    }

    /// Whether the call was among those that wait for a lock; it is about to be taken out.
    pub(crate) fn take_lock_wait(&mut self) -> bool {
        std::mem::take(&mut self.lock_wait)
    }

    /// The driver's answer to `request`: replayed, or a reason to fetch it.
    pub(crate) fn ask(&mut self, filesystem: &Arc<dyn FileSystem>, request: FsRequest) -> Step<FsAnswer> {
        if let Some((_, answer)) = self.known.iter().find(|(asked, _)| *asked == request) {
            return Ok(answer.clone()?);
        }
        match self.answers.get(self.replayed) {
            Some(Fetched::Driver(asked, answer)) if *asked == request => {
                self.replayed += 1;
                Ok(answer.clone()?)
            }
            _ => {
                // The kernel's own state moved between two attempts: what was fetched beyond here answers
                // questions no longer asked.
                self.answers.truncate(self.replayed);
                Err(Halt::Fetch(Box::new(Fetch::Driver(filesystem.clone(), request))))
            }
        }
    }

    /// The addresses of a host outside: replayed, or a reason to fetch them.
    pub(crate) fn resolve(&mut self, egress: &Arc<dyn Egress>, name: &str) -> Step<Result<Arc<[IpAddr]>, Unreached>> {
        match self.answers.get(self.replayed) {
            Some(Fetched::Resolved(asked, addresses)) if asked == name => {
                self.replayed += 1;
                Ok(addresses.clone())
            }
            _ => {
                self.answers.truncate(self.replayed);
                Err(Halt::Fetch(Box::new(Fetch::Resolve(egress.clone(), name.to_owned()))))
            }
        }
    }

    /// The program of `image`: cached by its runtime, replayed, or a reason to fetch it.
    pub(crate) fn program(&mut self, runtime: &Arc<dyn Runtime>, image: Image) -> Step<Result<Program, LoadError>> {
        if let Some(program) = runtime.cached(&image.id) {
            return Ok(Ok(program));
        }
        match self.answers.get(self.replayed) {
            Some(Fetched::Program(id, program)) if *id == image.id => {
                self.replayed += 1;
                Ok(program.clone())
            }
            _ => {
                self.answers.truncate(self.replayed);
                Err(Halt::Fetch(Box::new(Fetch::Program(runtime.clone(), image))))
            }
        }
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fetch::Blob(blob) => write!(f, "Fetch::Blob({blob:?})"),
            Fetch::Driver(_, request) => write!(f, "Fetch::Driver({request:?})"),
            Fetch::Program(_, image) => write!(f, "Fetch::Program({image:?})"),
            Fetch::Resolve(_, name) => write!(f, "Fetch::Resolve({name})"),
        }
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fetched::Blob(loaded) => write!(f, "Fetched::Blob({loaded:?})"),
            Fetched::Driver(request, answer) => write!(f, "Fetched::Driver({request:?}, {answer:?})"),
            Fetched::Program(id, program) => write!(f, "Fetched::Program({id:?}, {})", program.is_ok()),
            Fetched::Resolved(name, addresses) => write!(f, "Fetched::Resolved({name}, {addresses:?})"),
        }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({:?}, {} bytes)", self.id, (*self.bytes).as_ref().len())
    }
}
