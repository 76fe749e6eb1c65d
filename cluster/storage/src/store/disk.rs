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
use super::{Condition, Flush, Key, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version};
use crate::disk::{Disk, DiskLock, LockError, RealDisk, create_dir_all};
use crate::wal::{Position, Wal, WalError, WalOptions};
use bytes::Bytes;
use change::{Held, What};
use futures_util::future::{BoxFuture, FutureExt};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};

mod change;
mod commit;
mod mover;
mod object;
mod read;
mod walk;

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
    /// Bytes of the largest object that goes into the log. Default 256 KiB. It is written twice, but costs no sync of its
    /// own; a file of its own costs those of its data and its folder beside the log's.
    pub log_object_bytes: usize,
}

impl Default for DiskStoreOptions {
    fn default() -> DiskStoreOptions {
        DiskStoreOptions {
            move_interval: Duration::from_secs(30),
            sync_interval: Duration::from_secs(2),
            segment_bytes: 8 << 20,
            log_object_bytes: 256 << 10,
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

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.wal.sync()?.await?;
            Ok(())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        self.remove(key).boxed()
    }

    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        self.remove_version(key, version).boxed()
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
