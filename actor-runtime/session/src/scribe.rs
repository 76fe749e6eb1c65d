//! The one place that numbers a session's events, and the door through which everything durable goes.
//!
//! ```text
//! record ─▶ positions, root clone, Claim::append ─▶ [ batch ][ batch ][ held ] ─resolved, in order─▶ Log ─▶ followers
//!                                                                     └─────────────────────────────▶ Ticket::wait
//! ```
//! A batch carries what the files became up to the moment it is made, so whoever waits for its ticket waits for
//! everything the call did. Nothing is handed out before the batches in front of it are as durable as they must be. The
//! first append that fails ends it: from then on nothing is acknowledged, and nobody is told anything more.
//!
//! Locks: the scribe's, then the kernel's or the log's. None is held while anything waits.

use crate::durability::{Batch, Claim, Claimed, Counters, FileChange, KeyedCommand, Level, Pending, Point};
use crate::error::SessionError;
use crate::event::{CHANGED_BYTES_MAX, CHANGED_PATHS_MAX, Event, PathChange, WATCHED_PATHS_MAX, What};
use crate::id::{CommandKey, ExecId, SessionId, TerminalName};
use crate::log::Log;
use crate::metrics;
use crate::position::{Epoch, Position};
use crate::spec::Tier;
use crate::terminal::Kept;
use futures_util::FutureExt;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tracing::{Instrument, debug_span};
use warren_kernel::event::What as KernelWhat;
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::PathChange as Became;
use warren_kernel::vfs::inodes::Inodes;
use warren_kernel::{Kernel, Session};

/// Keyed commands remembered; the oldest that has ended is forgotten first.
pub(crate) const KEYS_MAX: usize = 1024;

/// Numbers events, keeps them, and hands them out.
pub(crate) struct Scribe {
    id: SessionId,
    tier: Tier,
    session: Session,
    layer: Inodes,
    runtime: Handle,
    log: Arc<Log>,
    book: Mutex<Book>,
    settled: Notify,
    /// Called once when nothing can be acknowledged any more.
    on_halt: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

struct Book {
    claim: Option<Arc<dyn Claim>>,
    epoch: Epoch,
    /// The last event numbered.
    last: Position,
    /// The last event given to the claim.
    appended: Position,
    counters: Counters,
    /// The files as the last batch left them.
    tree: Inodes,
    lsn: Lsn,
    keys: Keys,
    unfinished: BTreeSet<ExecId>,
    terminals: BTreeMap<TerminalName, Kept>,
    /// Events of the kernel before this one were taken over.
    kernel_events: u64,
    queue: VecDeque<Entry>,
    publishing: bool,
    /// Batches made and batches settled, counted from the claim on.
    made: u64,
    settled: u64,
    /// Written, and to be handed out with the next batch of the session's own level.
    held: Vec<Event>,
    halted: Option<SessionError>,
}

/// A batch on its way.
struct Entry {
    events: Vec<Event>,
    pending: Option<Pending>,
    hold: bool,
    settles: bool,
}

/// How soon a batch has to be how safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Someone waits for it to be as safe as the session promises.
    Call,
    /// As [`Urgency::Call`], and it survives the process even if the session promises less: what must not be run twice.
    Key,
    /// Nobody waits for it: it survives the process.
    Background,
    /// As [`Urgency::Background`], handed out only with what follows: a command's start whose end is waited for.
    Held,
}

/// What to write down.
#[derive(Default)]
pub(crate) struct Record {
    /// What happened, in order.
    pub(crate) events: Vec<What>,
    /// Keyed commands that started or ended.
    pub(crate) keys: Vec<(CommandKey, KeyedCommand)>,
    /// With what the files became.
    pub(crate) files: bool,
}

/// A batch that was made, to wait for.
#[must_use = "what is not waited for is not acknowledged"]
pub(crate) struct Ticket {
    number: u64,
    /// The last event before it.
    pub(crate) before: Position,
    /// Its last event.
    pub(crate) last: Position,
}

/// The keyed commands of a session, in order of their start.
#[derive(Default)]
struct Keys {
    by_key: HashMap<CommandKey, KeyedCommand>,
    order: VecDeque<CommandKey>,
}

impl Scribe {
    /// For an owner that has just claimed the session, whose files are kept as `tree` at `lsn`; its kernel is `session`.
    pub(crate) fn new(
        claimed: &Claimed,
        session: Session,
        layer: Inodes,
        (tree, lsn): (Inodes, Lsn),
        log: Arc<Log>,
        runtime: Handle,
    ) -> Arc<Scribe> {
        let mut keys = Keys::default();
        for (key, command) in &claimed.keys {
            keys.put(key.clone(), command.clone());
        }
        log.begin(claimed.last);
        Arc::new(Scribe {
            id: claimed.summary.id,
            tier: claimed.spec.durability,
            session,
            layer,
            runtime,
            log,
            book: Mutex::new(Book {
                claim: Some(claimed.claim.clone()),
                epoch: claimed.epoch,
                last: claimed.last,
                appended: claimed.last,
                counters: claimed.counters,
                tree,
                lsn,
                keys,
                unfinished: BTreeSet::new(),
                terminals: claimed.terminals.clone(),
                kernel_events: 0,
                queue: VecDeque::new(),
                publishing: false,
                made: 0,
                settled: 0,
                held: Vec::new(),
                halted: None,
            }),
            settled: Notify::new(),
            on_halt: OnceLock::new(),
        })
    }

    /// What to do when nothing can be acknowledged any more.
    pub(crate) fn on_halt(&self, call: impl Fn() + Send + Sync + 'static) {
        let _ = self.on_halt.set(Box::new(call));
    }

    /// Writes down what happened.
    ///
    /// # Errors
    /// Why nothing is written any more.
    pub(crate) fn record(self: &Arc<Self>, record: Record, urgency: Urgency) -> Result<Ticket, SessionError> {
        let mut book = self.lock();
        self.record_in(&mut book, record, urgency)
    }

    /// Writes down that something happened and waits until that is acknowledged.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn acknowledge(self: &Arc<Self>, events: Vec<What>) -> Result<Ticket, SessionError> {
        let ticket = self.record(Record { events, files: true, ..Record::default() }, Urgency::Call)?;
        self.wait(&ticket).await?;
        Ok(ticket)
    }

    /// Waits until a batch, and all before it, are as safe as was asked.
    ///
    /// # Errors
    /// Why it will never be.
    pub(crate) async fn wait(&self, ticket: &Ticket) -> Result<(), SessionError> {
        self.settled(ticket).instrument(debug_span!("persist_events")).await
    }

    async fn settled(&self, ticket: &Ticket) -> Result<(), SessionError> {
        loop {
            let notified = self.settled.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            {
                let book = self.lock();
                if book.settled >= ticket.number {
                    return Ok(());
                }
                if let Some(error) = &book.halted {
                    return Err(error.clone());
                }
            }
            notified.await;
        }
    }

    /// Whether a batch is as safe as was asked.
    pub(crate) fn is_settled(&self, ticket: &Ticket) -> bool {
        self.lock().settled >= ticket.number
    }

    /// The session at this moment, with everything before it on its way; the ticket is of the last batch.
    ///
    /// # Errors
    /// Why nothing is written any more.
    pub(crate) fn point(self: &Arc<Self>, events: Vec<What>) -> Result<(Point, Ticket), SessionError> {
        let mut book = self.lock();
        let record = Record { events, files: true, ..Record::default() };
        let ticket = self.record_in(&mut book, record, Urgency::Call)?;
        let unkept = if self.tier.level().is_none() { self.unkept(&book) } else { Vec::new() };
        let point = Point {
            files: book.tree.clone(),
            lsn: book.lsn,
            layer: self.layer.clone(),
            position: unkept.last().map_or(book.appended, |event| event.position),
            counters: book.counters,
            events: unkept,
            keys: book.keys.all(),
            unfinished: book.unfinished.iter().copied().collect(),
            terminals: book.terminals.clone(),
        };
        Ok((point, ticket))
    }

    /// What a scratch session, which appends nothing, has said since its last point. What is no longer in memory is lost,
    /// and followers are told; what waits to be handed out is not in the log yet.
    fn unkept(&self, book: &Book) -> Vec<Event> {
        let waiting = book.held.iter().chain(book.queue.iter().flat_map(|entry| &entry.events));
        let waiting = waiting.filter(|event| event.position > book.appended).cloned();
        self.log.since(book.appended).0.into_iter().chain(waiting).collect()
    }

    /// A point of a scratch session is kept: its events need not be kept again.
    pub(crate) fn kept(&self, point: &Point) {
        if let Some(last) = point.events.last() {
            let mut book = self.lock();
            book.appended = book.appended.max(last.position);
        }
    }

    /// The right to write, for checkpoints and the end.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn claim(&self) -> Result<Arc<dyn Claim>, SessionError> {
        let book = self.lock();
        if let Some(error) = &book.halted {
            return Err(error.clone());
        }
        book.claim.clone().ok_or(SessionError::Failed(self.id))
    }

    /// Whether files changed since the last batch.
    pub(crate) fn is_behind(&self) -> bool {
        let book = self.lock();
        book.halted.is_none() && (!book.held.is_empty() || self.session.with(|kernel| newest(kernel)) != book.lsn)
    }

    /// Writes down what changed in the background, and hands out what was held.
    pub(crate) fn catch_up(self: &Arc<Self>) {
        let mut book = self.lock();
        let urgency = if book.held.is_empty() { Urgency::Background } else { Urgency::Call };
        if book.halted.is_none() {
            let _ = self.record_in(&mut book, Record { files: true, ..Record::default() }, urgency);
        }
    }

    /// Hands out what was held, without what the files became.
    pub(crate) fn hand_out_held(self: &Arc<Self>) {
        let mut book = self.lock();
        if book.halted.is_none() && !book.held.is_empty() {
            let _ = self.record_in(&mut book, Record::default(), Urgency::Call);
        }
    }

    /// The number of a new command.
    pub(crate) fn next_exec(&self) -> ExecId {
        let mut book = self.lock();
        book.counters.execs += 1;
        ExecId(book.counters.execs)
    }

    /// The number of a new checkpoint.
    pub(crate) fn next_checkpoint(&self) -> u64 {
        let mut book = self.lock();
        book.counters.checkpoints += 1;
        book.counters.checkpoints
    }

    /// What is known of a key; if nothing, it is from now on a command that `make` makes of its number.
    pub(crate) fn keyed<T>(
        &self,
        key: &CommandKey,
        request: [u8; 16],
        make: impl FnOnce(ExecId) -> T,
    ) -> Result<(KeyedCommand, T), KeyedCommand> {
        let mut book = self.lock();
        if let Some(known) = book.keys.by_key.get(key) {
            return Err(known.clone());
        }
        book.counters.execs += 1;
        let exec = ExecId(book.counters.execs);
        let command = KeyedCommand { exec, after: book.last, request, end: None };
        book.keys.put(key.clone(), command.clone());
        Ok((command, make(exec)))
    }

    /// The keyed command of this number.
    pub(crate) fn keyed_by_exec(&self, exec: ExecId) -> Option<KeyedCommand> {
        self.lock().keys.by_key.values().find(|command| command.exec == exec).cloned()
    }

    /// The last event numbered.
    pub(crate) fn last(&self) -> Position {
        self.lock().last
    }

    /// The owner's epoch.
    pub(crate) fn epoch(&self) -> Epoch {
        self.lock().epoch
    }

    /// Nothing is acknowledged from now on; the right to write is given up.
    pub(crate) fn halt(&self, error: SessionError) {
        self.halt_in(&mut self.lock(), error);
    }

    /// As [`Scribe::halt`], as it should be: the session is at rest or gone.
    pub(crate) fn retire(&self, error: SessionError) {
        let mut book = self.lock();
        if book.halted.is_none() {
            book.halted = Some(error);
            book.claim = None;
            self.settled.notify_waiters();
        }
    }

    /// Why nothing is acknowledged any more, if that is so.
    pub(crate) fn halted(&self) -> Option<SessionError> {
        self.lock().halted.clone()
    }

    fn halt_in(&self, book: &mut Book, error: SessionError) {
        if book.halted.is_some() {
            return;
        }
        book.halted = Some(error);
        book.claim = None;
        book.queue.clear();
        book.held.clear();
        self.settled.notify_waiters();
        if let Some(call) = self.on_halt.get() {
            call();
        }
    }

    fn record_in(self: &Arc<Self>, book: &mut Book, record: Record, urgency: Urgency) -> Result<Ticket, SessionError> {
        if let Some(error) = &book.halted {
            return Err(error.clone());
        }
        let claim = book.claim.clone().ok_or(SessionError::Failed(self.id))?;
        let before = book.last;
        let mut batch = Batch { keys: record.keys, ..Batch::default() };
        let mut events = Vec::with_capacity(record.events.len() + 1);
        let mut happened = record.events.into_iter().peekable();
        // The first event of an epoch says so, whatever changed before its owner could speak.
        let is_first = |what: &What| matches!(what, What::EpochBegan { .. } | What::Created { .. });
        while let Some(first) = happened.next_if(is_first) {
            events.push(first);
        }
        let now = self.session.with(|kernel| {
            if record.files {
                self.take_files(book, kernel, &mut batch, &mut events);
                self.take_kernel_events(book, kernel, &mut events);
            }
            book.counters.next_pid = kernel.next_pid();
            kernel.now()
        });
        events.extend(happened);
        ::metrics::counter!(metrics::EVENTS).increment(events.len() as u64);
        for what in events {
            book.last = Position { epoch: book.epoch, seq: book.last.seq + 1 };
            book.note(&what);
            batch.events.push(Event { position: book.last, time: now, what });
        }
        for (key, command) in &batch.keys {
            book.keys.put(key.clone(), command.clone());
        }
        batch.counters = book.counters;
        book.made += 1;
        let ticket = Ticket { number: book.made, before, last: book.last };
        self.send(book, &*claim, batch, urgency);
        match &book.halted {
            Some(error) => Err(error.clone()),
            None => Ok(ticket),
        }
    }

    /// Gives a batch to the claim, if it is to be kept, and hands it out as soon as it may be.
    fn send(self: &Arc<Self>, book: &mut Book, claim: &dyn Claim, batch: Batch, urgency: Urgency) {
        let tier = self.tier.level();
        let level = match urgency {
            Urgency::Call => tier,
            Urgency::Key => Some(tier.unwrap_or(Level::Buffered)),
            Urgency::Background | Urgency::Held => tier.map(|_| Level::Buffered),
        };
        let is_empty = batch.events.is_empty() && batch.files.is_none() && batch.keys.is_empty();
        // An empty batch is made for what is in front of it: only to wait, not to keep.
        let wanted = !is_empty || level > Some(Level::Buffered);
        let Some(level) = level.filter(|_| wanted) else {
            let entry = Entry { events: batch.events, pending: None, hold: false, settles: true };
            return self.queue(book, entry);
        };
        let events = batch.events.clone();
        if tier.is_none() {
            // A scratch session keeps its keys and nothing else: what it said is kept with its next point.
            let kept = Batch { events: Vec::new(), files: None, ..batch };
            return self.append(book, claim, kept, level, (events, false, true));
        }
        book.appended = book.last;
        let hold = urgency == Urgency::Held && tier > Some(Level::Buffered);
        let settles = Some(level) >= tier;
        self.append(book, claim, batch, level, (events, hold, settles));
    }

    fn append(
        self: &Arc<Self>,
        book: &mut Book,
        claim: &dyn Claim,
        batch: Batch,
        level: Level,
        (events, hold, settles): (Vec<Event>, bool, bool),
    ) {
        let is_first = book.queue.is_empty();
        // A journal that panics must not take a client's request with it, nor the lock.
        let appended = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let mut pending = claim.append(batch, level);
            let now = is_first.then(|| pending.poll_unpin(&mut Context::from_waker(Waker::noop())));
            (pending, now)
        }));
        let pending = match appended {
            Ok((_, Some(Poll::Ready(Ok(()))))) => None,
            Ok((_, Some(Poll::Ready(Err(error))))) => return self.halt_in(book, error.into()),
            Ok((pending, Some(Poll::Pending) | None)) => Some(pending),
            Err(_) => return self.halt_in(book, SessionError::Failed(self.id)),
        };
        self.queue(book, Entry { events, pending, hold, settles });
    }

    fn queue(self: &Arc<Self>, book: &mut Book, entry: Entry) {
        if book.queue.is_empty() && entry.pending.is_none() {
            return self.hand_out(book, entry);
        }
        book.queue.push_back(entry);
        if !book.publishing {
            book.publishing = true;
            self.runtime.spawn(self.clone().publish());
        }
    }

    /// Waits for the batches on their way, one after the other, and hands them out. Ends when none is left.
    async fn publish(self: Arc<Self>) {
        loop {
            let pending = {
                let mut book = self.lock();
                match book.queue.front_mut() {
                    Some(entry) => entry.pending.take(),
                    None => {
                        book.publishing = false;
                        return;
                    }
                }
            };
            let kept = match pending {
                Some(pending) => AssertUnwindSafe(pending).catch_unwind().await,
                None => Ok(Ok(())),
            };
            let mut book = self.lock();
            match kept {
                Ok(Ok(())) => {
                    if let Some(entry) = book.queue.pop_front() {
                        self.hand_out(&mut book, entry);
                    }
                }
                Ok(Err(error)) => self.halt_in(&mut book, error.into()),
                Err(_) => self.halt_in(&mut book, SessionError::Failed(self.id)),
            }
        }
    }

    fn hand_out(&self, book: &mut Book, entry: Entry) {
        book.settled += 1;
        if entry.hold || !(entry.settles || book.held.is_empty()) {
            book.held.extend(entry.events);
        } else {
            let held = std::mem::take(&mut book.held);
            if !held.is_empty() || !entry.events.is_empty() {
                self.log.publish(held.into_iter().chain(entry.events));
            }
        }
        self.settled.notify_waiters();
    }

    fn take_files(&self, book: &mut Book, kernel: &mut Kernel, batch: &mut Batch, events: &mut Vec<What>) {
        let to = newest(kernel);
        if to == book.lsn {
            return;
        }
        let is_watched = self.log.watchers.load(Ordering::Relaxed) > 0;
        let most = if is_watched { WATCHED_PATHS_MAX } else { CHANGED_PATHS_MAX };
        let changed = kernel.changes(book.lsn, &book.tree, most);
        let more = changed.more > 0 || !changed.complete;
        // Times of access alone are kept and no news.
        if more || !changed.changes.is_empty() {
            let (paths, changes, cut) = listed(&changed.changes);
            let more = more || cut;
            events.push(What::FilesChanged { from: book.lsn, to, paths, changes, more });
        }
        // Nobody else reads the kernel's own log of changes.
        kernel.forget_changes_until(to);
        let after = kernel.root().snapshot();
        let before = std::mem::replace(&mut book.tree, after.clone());
        let from = std::mem::replace(&mut book.lsn, to);
        batch.files = Some(FileChange { from, to, before, after });
    }

    fn take_kernel_events(&self, book: &mut Book, kernel: &Kernel, events: &mut Vec<What>) {
        let (_, news) = kernel.events_since(book.kernel_events);
        for event in news {
            book.kernel_events = event.seq + 1;
            if !matches!(event.what, KernelWhat::Exited { .. }) {
                events.push(What::Kernel { pid: event.pid, what: event.what });
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn note(&mut self, what: &What) {
        match what {
            What::Started { exec, .. } => _ = self.unfinished.insert(*exec),
            What::Exited { exec, .. } => _ = self.unfinished.remove(exec),
            What::Terminal { terminal, kept } => crate::terminal::note(&mut self.terminals, terminal, kept.as_deref()),
            _ => {}
        }
    }
}

impl Keys {
    fn put(&mut self, key: CommandKey, command: KeyedCommand) {
        if self.by_key.insert(key.clone(), command).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > KEYS_MAX {
            let ended = |key: &CommandKey| self.by_key.get(key).is_none_or(|command| command.end.is_some());
            let oldest = self.order.iter().position(ended).unwrap_or(0);
            if let Some(key) = self.order.remove(oldest) {
                self.by_key.remove(&key);
            }
        }
    }

    fn all(&self) -> Vec<(CommandKey, KeyedCommand)> {
        self.order.iter().filter_map(|key| Some((key.clone(), self.by_key.get(key)?.clone()))).collect()
    }
}

impl std::fmt::Debug for Scribe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scribe").field("id", &self.id).finish_non_exhaustive()
    }
}

fn newest(kernel: &Kernel) -> Lsn {
    kernel.root().log().newest()
}

/// What is listed of what changed, and whether something is left out.
fn listed(all: &[Became]) -> (Vec<String>, Vec<PathChange>, bool) {
    let (mut paths, mut changes, mut bytes) = (Vec::new(), Vec::new(), 0);
    for one in all {
        let (path, change) = (String::from_utf8_lossy(&one.path).into_owned(), PathChange::from(one));
        bytes += path.len() + change.weight();
        if bytes > CHANGED_BYTES_MAX {
            return (paths, changes, true);
        }
        paths.push(path);
        changes.push(change);
    }
    (paths, changes, false)
}
