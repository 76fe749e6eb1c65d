//! A store in a folder of this machine.
//!
//! ```text
//!                        ┌──▶ log/ (Wal): the commit point of every change, many share one fdatasync
//! put ─▶ tmp/ if large ──┤
//!                        └──▶ overlay in memory, once the log acknowledged ──mover──▶ objects/a/b=
//! get ─▶ overlay, else objects/
//! ```
//!
//! A change is one entry of the log. Small objects lie in it; a large one is first written to a file in `tmp/`, made
//! durable, and named in it. What the log acknowledged is visible in the overlay. The mover carries the overlay to the files
//! of the objects, makes them durable all at once, and only then forgets the overlay's part and releases the log; a key that
//! was written often is moved once. So a replace of a file that is torn by a loss of power is done again from the log, and
//! an object that does not fit its checksums ([`object`]) is rot, which its readers are told.
//!
//! **Conditions** are judged against the overlay and the file under one short lock, in which the change takes its place in
//! the log. While a change of a key is in flight, others of that key wait for its outcome, and readers see what was before:
//! nobody acts on what a full disk or a loss of power may yet undo. The file of a key that is not in the overlay changes
//! only by the mover, which counts its rounds: what was read of a file holds as long as no round ended since.
//!
//! Nothing is in memory for an object at rest. The overlay is bounded by [`OVERLAY_BYTES_MAX`] and [`OVERLAY_KEYS_MAX`]; who
//! writes faster than the disk can move waits.
//!
//! Lock order: the table, then the log's state. Neither is held while anything waits.
use super::{
    Condition, Entry, Flush, Key, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version, check_length,
};
use crate::disk::{Disk, DiskLock, LockError, RealDisk, create_dir_all};
use crate::wal::{AppendError, Level, Position, Wal, WalError, WalOptions};
use bytes::Bytes;
use change::{Held, What};
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::{Bound, ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, oneshot};

mod change;
mod mover;
mod object;
mod walk;

/// Bytes of an object that goes into the log. Above, a file of its own is cheaper than writing it twice.
const SMALL_BYTES_MAX: usize = 16 * 1024;
/// Bytes of the overlay at which writers wait for the mover.
const OVERLAY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Keys of the overlay at which writers wait for the mover.
const OVERLAY_KEYS_MAX: usize = 64 * 1024;
/// Calls that may use a thread for files at a time.
const BLOCKING_MAX: usize = 32;
/// How often a file is looked for again that was replaced between the look at the overlay and the opening.
const LOOKS_MAX: usize = 16;

/// How a store on disk behaves.
#[derive(Clone, Debug)]
pub struct DiskStoreOptions {
    /// The longest that a change stays in the log before it is moved to its file. Default 30 s.
    pub move_interval: Duration,
    /// The longest that a [`Flush::Soon`] takes to be durable. Default 2 s.
    pub sync_interval: Duration,
    /// Bytes of a segment of the log. Default 8 MiB: what is moved is released in such pieces.
    pub segment_bytes: u64,
}

impl Default for DiskStoreOptions {
    fn default() -> DiskStoreOptions {
        DiskStoreOptions {
            move_interval: Duration::from_secs(30),
            sync_interval: Duration::from_secs(2),
            segment_bytes: 8 << 20,
        }
    }
}

/// Why a store on disk cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or this one, has it open, or its lock cannot be taken.
    #[error("the store cannot be locked: {0}")]
    Lock(#[from] LockError),
    /// Its log cannot be opened.
    #[error("the store's log cannot be opened: {0}")]
    Log(#[from] WalError),
    /// Its folder cannot be used.
    #[error("cannot {doing} {path}: {error}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// The store. Dropping it waits until its log is durable.
#[derive(Debug)]
pub struct DiskStore {
    inner: Arc<Inner>,
    wal: Arc<Wal>,
    mover: Option<JoinHandle<()>>,
    _lock: DiskLock,
}

/// What the store shares with its mover and with changes in flight.
#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    objects: PathBuf,
    tmp: PathBuf,
    options: DiskStoreOptions,
    table: Mutex<Table>,
    /// There is something for the mover.
    move_wanted: Condvar,
    /// The mover made room, or failed to.
    room: Arc<Notify>,
    blocking: Arc<Semaphore>,
    /// The next number of a version or of a file in `tmp/`: above all that were ever used.
    numbers: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    overlay: BTreeMap<Key, Held>,
    overlay_bytes: usize,
    /// Changes the log has not acknowledged, one a key.
    in_flight: HashMap<Key, InFlight>,
    /// Rounds of the mover that ended.
    rounds: u64,
    /// Files in `tmp/` that nobody needs once the log is durable up to now.
    garbage: Vec<u64>,
    /// When the oldest part of the overlay came.
    since: Option<Instant>,
    /// Somebody waits for room, or asked for everything to be moved.
    hurry: bool,
    /// How the mover's last round failed, if it did.
    move_error: Option<StoreError>,
    closing: bool,
}

#[derive(Debug)]
struct InFlight {
    position: Position,
    settled: Arc<Notify>,
}

impl Table {
    fn is_full(&self) -> bool {
        self.overlay_bytes >= OVERLAY_BYTES_MAX || self.overlay.len() >= OVERLAY_KEYS_MAX
    }

    fn insert(&mut self, key: Key, held: Held) {
        self.overlay_bytes += held.weight(&key);
        if let Some(old) = self.overlay.insert(key.clone(), held) {
            self.forget(&key, &old);
        }
        self.since.get_or_insert_with(Instant::now);
    }

    /// Takes what was in the overlay out of the account.
    fn forget(&mut self, key: &Key, old: &Held) {
        self.overlay_bytes -= old.weight(key);
        if let What::File { file, .. } = old.what {
            self.garbage.push(file);
        }
    }
}

impl Inner {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("nobody panics holding a store's table")
    }

    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    fn tmp_path(&self, file: u64) -> PathBuf {
        self.tmp.join(format!("{file:016x}"))
    }

    /// The version of the file of an object; `None` when there is none.
    fn version_at_rest(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        match self.disk.open(&walk::path(&self.objects, key)) {
            Ok(file) => Ok(Some(object::head(&*file, key)?.version)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(io_error("open an object", &error)),
        }
    }

    /// A part of an object, or all of it.
    fn read(&self, key: &Key, range: &Range<u64>) -> Result<Option<Object>, StoreError> {
        for _ in 0..LOOKS_MAX {
            let held = self.table().overlay.get(key).cloned();
            let (staged, version) = match held {
                Some(Held { what: What::Deleted, .. }) => return Ok(None),
                Some(Held { what: What::Bytes(bytes), version, .. }) => {
                    let part = super::within(range, bytes.len() as u64);
                    let bytes = bytes.slice(part.start as usize..part.end as usize);
                    return Ok(Some(Object { bytes, version: Version::numbered(version) }));
                }
                Some(Held { what: What::File { file, .. }, version, .. }) => (Some(file), Some(version)),
                None => (None, None),
            };
            // The mover may have given a file its name, and still be busy making that durable.
            let opened = match staged.map(|file| self.disk.open(&self.tmp_path(file))) {
                Some(Err(error)) if is_absent(&error) => self.disk.open(&walk::path(&self.objects, key)),
                Some(opened) => opened,
                None => self.disk.open(&walk::path(&self.objects, key)),
            };
            match opened {
                Ok(file) => {
                    let head = object::head(&*file, key)?;
                    if version.is_some_and(|version| version != head.version) {
                        continue; // It was replaced between the two looks.
                    }
                    let bytes = object::part(&*file, key, &head, range)?;
                    return Ok(Some(Object { bytes, version: Version::numbered(head.version) }));
                }
                Err(error) if is_absent(&error) && staged.is_some() => {} // Deleted between the two looks.
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(io_error("open an object", &error)),
            }
        }
        Err(StoreError::Corrupt { key: key.clone(), reason: "its file is not there".to_owned() })
    }

    fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
            _ => Bound::Included(prefix),
        };
        let overlay: Vec<(Key, Option<(u64, u64)>)> = {
            let table = self.table();
            let range = table.overlay.range::<str, _>((from, Bound::Unbounded));
            let found = range.take_while(|(key, _)| key.as_str().starts_with(prefix));
            found.map(|(key, held)| (key.clone(), held.live().map(|_| (held.length(), held.modified)))).collect()
        };
        // Up to one more than asked for; those with no numbers lie in their files.
        let mut keys: Vec<(Key, Option<(u64, u64)>)> = Vec::new();
        let mut overlay = overlay.into_iter().peekable();
        let walked = walk::walk(&*self.disk, &self.objects, prefix, after, &mut |key| {
            while let Some((held, live)) = overlay.next_if(|(held, _)| *held < key) {
                keys.extend(live.map(|live| (held, Some(live))));
            }
            match overlay.next_if(|(held, _)| *held == key) {
                Some((held, live)) => keys.extend(live.map(|live| (held, Some(live)))),
                None => keys.push((key, None)),
            }
            if keys.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        walked.map_err(|error| io_error("list objects", &error))?;
        if keys.len() <= limit {
            keys.extend(overlay.filter_map(|(held, live)| Some((held, Some(live?)))));
        }
        let more = keys.len() > limit;
        keys.truncate(limit);
        let mut page = Page { entries: Vec::with_capacity(keys.len()), more };
        for (key, numbers) in keys {
            let numbers = match numbers {
                Some(numbers) => Some(numbers),
                None => self.numbers_at_rest(&key)?,
            };
            if let Some((bytes, modified)) = numbers {
                page.entries.push(Entry { key, bytes, modified: change::time(modified) });
            }
        }
        Ok(page)
    }

    /// Length and time of an object at rest; of one that is damaged, those of its file, so that it can be found.
    fn numbers_at_rest(&self, key: &Key) -> Result<Option<(u64, u64)>, StoreError> {
        let file = match self.disk.open(&walk::path(&self.objects, key)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None), // Deleted since it was listed.
            Err(error) => return Err(io_error("open an object", &error)),
        };
        match object::head(&*file, key) {
            Ok(head) => Ok(Some((head.length, head.modified))),
            Err(StoreError::Corrupt { .. }) => {
                Ok(Some((file.len().map_err(|error| io_error("read an object", &error))?, 0)))
            }
            Err(error) => Err(error),
        }
    }
}

impl DiskStore {
    /// Opens the store in a folder of this machine; see [`DiskStore::open_on`].
    pub fn open(dir: &Path) -> Result<DiskStore, OpenError> {
        DiskStore::open_on(Arc::new(RealDisk), dir, DiskStoreOptions::default())
    }

    /// Opens the store in a folder, which is created if it is missing, and locks it. Blocks: the log is read.
    ///
    /// # Errors
    /// `Lock` when somebody has it open, and when the folder cannot be written.
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, options: DiskStoreOptions) -> Result<DiskStore, OpenError> {
        let (objects, tmp, log) = (dir.join("objects"), dir.join("tmp"), dir.join("log"));
        for path in [&objects, &tmp] {
            create_dir_all(&*disk, path).map_err(|error| OpenError::Io {
                doing: "create",
                path: path.clone(),
                error,
            })?;
        }
        let lock = disk.lock(&dir.join("lock"))?;
        let wal_options = WalOptions {
            segment_bytes: options.segment_bytes,
            sync_interval: options.sync_interval,
            ..WalOptions::default()
        };
        let (wal, recovery) = Wal::open_on(disk.clone(), &log, wal_options)?;
        let mut table = Table::default();
        for entry in recovery {
            let entry = entry?;
            match Held::decode(&entry.body) {
                Some((key, held)) => table.insert(key, held),
                None => {
                    tracing::error!(position = %entry.position, "the log of a store has an entry that is no change")
                }
            }
        }
        table.garbage.clear(); // Those files go with all others that the overlay does not name.
        let inner = Inner {
            numbers: AtomicU64::new(wal.next().as_u64()),
            root: dir.to_path_buf(),
            disk,
            objects,
            tmp,
            options,
            table: Mutex::new(table),
            move_wanted: Condvar::new(),
            room: Arc::new(Notify::new()),
            blocking: Arc::new(Semaphore::new(BLOCKING_MAX)),
        };
        let path = inner.tmp.clone();
        inner.settle_files().map_err(|error| OpenError::Io { doing: "clear", path, error })?;
        let (inner, wal) = (Arc::new(inner), Arc::new(wal));
        let (for_mover, log) = (inner.clone(), wal.clone());
        let mover = std::thread::Builder::new().name("store-move".to_owned()).spawn(move || {
            mover::run(&for_mover, &log);
        });
        let mover = mover.map_err(|error| OpenError::Io { doing: "start a thread for", path: dir.into(), error })?;
        Ok(DiskStore { inner, wal, mover: Some(mover), _lock: lock })
    }

    /// Moves everything in the overlay to its files, and resolves when that is done or failed. Not needed for durability:
    /// for a tidy folder before it is copied, and for tests.
    ///
    /// # Errors
    /// How the mover failed.
    pub async fn settle(&self) -> Result<(), StoreError> {
        loop {
            let room = self.inner.room.notified();
            {
                let mut table = self.inner.table();
                if table.overlay.is_empty() && table.in_flight.is_empty() {
                    return Ok(());
                }
                table.move_error = None;
                table.hurry = true;
            }
            self.inner.move_wanted.notify_one();
            room.await;
            if let Some(error) = self.inner.table().move_error.clone() {
                return Err(error);
            }
        }
    }

    /// Sets a damaged object aside in the folder `corrupt`, so that its key can be written again. Returns whether it was
    /// damaged; an intact one, or none, is left alone.
    ///
    /// # Errors
    /// When the files cannot be read or renamed.
    pub async fn set_corrupt_aside(&self, key: &Key) -> Result<bool, StoreError> {
        match self.get(key).await {
            Ok(_) => return Ok(false),
            Err(StoreError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let named = key.clone();
        self.blocking(move |inner| inner.keep_copy_aside(&named)).await?;
        // The deletion is a change like any other, so that the log does not bring the object back.
        self.delete(key).await?;
        tracing::error!(%key, "a damaged object was set aside");
        Ok(true)
    }

    async fn put(&self, key: &Key, bytes: Bytes, condition: Condition<'_>, flush: Flush) -> Result<Version, PutError> {
        check_length(key, &bytes)?;
        let (version, modified) = (self.inner.number(), change::now());
        let (held, staged) = if bytes.len() <= SMALL_BYTES_MAX {
            (Held { version, modified, what: What::Bytes(bytes) }, None)
        } else {
            // Judged once before the work, and again when it counts.
            condition.allows(self.current(key).await?)?;
            let length = bytes.len() as u64;
            let named = key.clone();
            let staged = self.blocking(move |inner| inner.stage(&named, version, modified, &bytes)).await?;
            (Held { version, modified, what: What::File { file: staged.file, length } }, Some(staged))
        };
        // The file of a large object is durable by now; the log alone decides the rest.
        let level = match flush {
            Flush::Now => Level::Synced,
            Flush::Soon => Level::Buffered,
        };
        let committed = self.commit(key, held, staged, condition, level).await?;
        debug_assert!(committed, "a put always changes something");
        Ok(Version::numbered(version))
    }

    /// Puts a change into the log as soon as its condition can be judged, and waits for its acknowledgement. Goes on by
    /// itself when the caller does not wait any more. Returns whether there was anything to change.
    async fn commit(
        &self,
        key: &Key,
        held: Held,
        mut staged: Option<Staged>,
        condition: Condition<'_>,
        level: Level,
    ) -> Result<bool, PutError> {
        let mut held = held;
        let mut entry = held.encode(key);
        let deletes = held.what == What::Deleted;
        let mut at_rest = None;
        loop {
            match self.try_commit(key, &held, entry, &mut staged, condition, level, at_rest)? {
                Turn::Committed(outcome) => {
                    let outcome = outcome.await.unwrap_or(Err(WalError::Closed));
                    return outcome.map(|()| true).map_err(|error| PutError::Store(error.into()));
                }
                Turn::Nothing => return Ok(false),
                Turn::Again(wait, back) => {
                    entry = back;
                    at_rest = match wait {
                        Wait::Look { rounds } => {
                            let named = key.clone();
                            let looked = self.blocking(move |inner| inner.version_at_rest(&named)).await;
                            let found = match looked {
                                // A damaged object is one: it can be deleted, and not be matched.
                                Err(StoreError::Corrupt { .. }) if deletes => Some(0),
                                Err(StoreError::Corrupt { .. }) if matches!(condition, Condition::Absent) => Some(0),
                                looked => looked?,
                            };
                            Some((rounds, found))
                        }
                        Wait::Settled(settled) => {
                            settled.await;
                            None
                        }
                        Wait::Room(room) => {
                            room.await;
                            if let Some(error) = self.inner.table().move_error.clone() {
                                return Err(error.into());
                            }
                            None
                        }
                        Wait::Log => {
                            self.wal.ready(entry.len()).await;
                            None
                        }
                    };
                }
            }
        }
    }

    /// One try under the lock. `at_rest` is what the key's file was found to be, as of a round of the mover.
    #[expect(clippy::too_many_arguments, reason = "one call, of the loop above, which owns all of them")]
    fn try_commit(
        &self,
        key: &Key,
        held: &Held,
        entry: Bytes,
        staged: &mut Option<Staged>,
        condition: Condition<'_>,
        level: Level,
        at_rest: Option<(u64, Option<u64>)>,
    ) -> Result<Turn, PutError> {
        let mut table = self.inner.table();
        if let Some(in_flight) = table.in_flight.get(key) {
            return Ok(Turn::Again(Wait::Settled(in_flight.settled.clone().notified_owned().boxed()), entry));
        }
        let current = match (table.overlay.get(key), at_rest) {
            (Some(held), _) => held.live(),
            (None, Some((rounds, found))) if rounds == table.rounds => found,
            (None, _) => return Ok(Turn::Again(Wait::Look { rounds: table.rounds }, entry)),
        };
        condition.allows(current)?;
        if held.what == What::Deleted && current.is_none() {
            // A change that the log failed with may come back when it is opened again: nobody can say that it is gone.
            self.wal.check().map_err(StoreError::from)?;
            return Ok(Turn::Nothing);
        }
        if table.is_full() {
            table.hurry = true;
            self.inner.move_wanted.notify_one();
            // Made under the lock, without which no round ends: it hears the next end.
            let room = self.inner.room.clone().notified_owned().boxed();
            return Ok(Turn::Again(Wait::Room(room), entry));
        }
        let (sender, outcome) = oneshot::channel();
        let settled = Arc::new(Notify::new());
        let done = Settle { inner: self.inner.clone(), key: key.clone(), held: held.clone(), sender };
        let position = match self.wal.append_then(entry, level, move |result| done.settle(result)) {
            Ok(position) => position,
            Err(AppendError::Full(entry)) => return Ok(Turn::Again(Wait::Log, entry)),
            Err(AppendError::Refused(error)) => return Err(PutError::Store(error.into())),
            Err(AppendError::TooLarge { bytes }) => {
                return Err(PutError::Store(StoreError::TooLarge { key: key.clone(), bytes }));
            }
        };
        if let Some(staged) = staged.take() {
            staged.keep();
        }
        table.in_flight.insert(key.clone(), InFlight { position, settled });
        Ok(Turn::Committed(outcome))
    }

    /// The version that is there now, by the look of it.
    async fn current(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        if let Some(held) = self.inner.table().overlay.get(key) {
            return Ok(held.live());
        }
        let named = key.clone();
        match self.blocking(move |inner| inner.version_at_rest(&named)).await {
            Err(StoreError::Corrupt { .. }) => Ok(Some(0)),
            current => current,
        }
    }

    /// Runs work on files on a thread for such, of which there are so many.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.inner.blocking.clone().acquire_owned().await.expect("never closed");
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&inner);
            drop(permit);
            done
        });
        match done.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(StoreError::Unavailable { reason: "the node is shutting down".to_owned() }),
        }
    }
}

/// What came of a try to commit.
enum Turn {
    Committed(oneshot::Receiver<Result<(), WalError>>),
    /// There was nothing to delete.
    Nothing,
    /// With the entry, which was not taken.
    Again(Wait, Bytes),
}

/// What has to happen before the next try.
enum Wait {
    /// The file of the key is looked at.
    Look { rounds: u64 },
    /// The change of the key that is in flight ends.
    Settled(BoxFuture<'static, ()>),
    /// The mover makes room.
    Room(BoxFuture<'static, ()>),
    /// The log has room.
    Log,
}

/// Ends a change that was in flight, on a thread of the log.
struct Settle {
    inner: Arc<Inner>,
    key: Key,
    held: Held,
    sender: oneshot::Sender<Result<(), WalError>>,
}

impl Settle {
    fn settle(self, result: Result<(), WalError>) {
        let mut table = self.inner.table();
        let in_flight = table.in_flight.remove(&self.key);
        match (&result, &self.held.what) {
            (Ok(()), _) => table.insert(self.key, self.held),
            // Surely not in the log. After any other failure the file stays until the store is opened again.
            (Err(WalError::NoSpace { .. }), What::File { file, .. }) => table.garbage.push(*file),
            (Err(_), _) => {}
        }
        let wake = table.since.is_some();
        drop(table);
        if wake {
            self.inner.move_wanted.notify_one();
        }
        if let Some(in_flight) = in_flight {
            in_flight.settled.notify_waiters();
        }
        let _ = self.sender.send(result); // Nobody waits if the caller went away.
    }
}

/// A large object in `tmp/` that is not in the log yet. Dropped, it is left to the mover to remove.
#[derive(Debug)]
struct Staged {
    inner: Arc<Inner>,
    file: u64,
    kept: bool,
}

impl Staged {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let mut table = self.inner.table();
            table.garbage.push(self.file);
            table.since.get_or_insert_with(Instant::now);
            drop(table);
            self.inner.move_wanted.notify_one();
        }
    }
}

impl Inner {
    /// Writes a large object to a file of its own and makes it durable, with its name.
    fn stage(self: &Arc<Inner>, key: &Key, version: u64, modified: u64, bytes: &Bytes) -> Result<Staged, StoreError> {
        let staged = Staged { inner: self.clone(), file: version, kept: false };
        let write = || -> io::Result<()> {
            let file = self.disk.create(&self.tmp_path(staged.file))?;
            let front = object::front(key, version, modified, bytes);
            file.write_at(&front, 0)?;
            file.write_at(bytes, front.len() as u64)?;
            file.sync_data()?;
            self.disk.sync_dir(&self.tmp)
        };
        match write() {
            Ok(()) => Ok(staged),
            Err(error) => {
                // At once: on a full disk its part is wanted. If that fails, the mover tries again.
                if self.disk.remove(&self.tmp_path(staged.file)).is_ok() {
                    staged.keep();
                }
                Err(io_error("write an object", &error))
            }
        }
    }
}

impl Store for DiskStore {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        async move {
            if let Some(held) = self.inner.table().overlay.get(key) {
                match &held.what {
                    What::Deleted => return Ok(None),
                    What::File { .. } => {}
                    What::Bytes(bytes) => {
                        return Ok(Some(Object { bytes: bytes.clone(), version: Version::numbered(held.version) }));
                    }
                }
            }
            let key = key.clone();
            self.blocking(move |inner| inner.read(&key, &(0..u64::MAX))).await
        }
        .boxed()
    }

    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        let key = key.clone();
        async move {
            let read = self.blocking(move |inner| inner.read(&key, &range)).await?;
            Ok(read.map(|object| object.bytes))
        }
        .boxed()
    }

    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        self.put(key, bytes, Condition::Absent, flush).boxed()
    }

    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        self.put(key, bytes, Condition::Match(version), flush).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let held = Held { version: self.inner.number(), modified: change::now(), what: What::Deleted };
            match self.commit(key, held, None, Condition::Any, Level::Synced).await {
                Ok(_) => Ok(()),
                Err(PutError::Store(error)) => Err(error),
                Err(PutError::Conflict | PutError::Missing) => unreachable!("a deletion has no condition"),
            }
        }
        .boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        let limit = limit.clamp(1, PAGE_ENTRIES_MAX);
        async move { self.blocking(move |inner| inner.list(&prefix, after.as_ref(), limit)).await }.boxed()
    }
}

impl Drop for DiskStore {
    fn drop(&mut self) {
        self.inner.table().closing = true;
        self.inner.move_wanted.notify_one();
        if let Some(mover) = self.mover.take()
            && mover.join().is_err()
        {
            tracing::error!("the mover of a store had panicked");
        }
    }
}

impl From<WalError> for StoreError {
    fn from(error: WalError) -> StoreError {
        match error {
            WalError::NoSpace { .. } => StoreError::NoSpace,
            WalError::ReadOnly { .. } => StoreError::ReadOnly,
            WalError::Failed { .. } | WalError::Newer { .. } | WalError::Closed => {
                StoreError::Unavailable { reason: error.to_string() }
            }
        }
    }
}

fn io_error(doing: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace,
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        _ => StoreError::Unavailable { reason: format!("cannot {doing}: {error}") },
    }
}

/// Whether there is no such file; a segment above it that is no folder counts, though no key leads there.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
