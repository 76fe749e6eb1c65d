//! Snapshots: the tree of a session's files in a store, so that a checkpoint costs what changed, a restore what is
//! read, a fork nothing, and nobody without the tenant's key learns anything.
//!
//! ```text
//! write: tree before ─┐ diff            ┌─▶ chunks of changed blocks ─┐
//!        tree after  ─┴─▶ changed inodes┼─▶ pages of records ─────────┼─▶ packs {tenant}/c/{pack id}, then
//!        tree at base ─▶ old records ───┘   nodes up to the root ─────┘   SnapshotRef, for the session's record
//! read:  SnapshotRef ─▶ nodes, pages, maps ─▶ Delta to the layer; blocks are blobs that name their place
//! ```
//! Read in this order. A [`chunk`] is what is hashed and encrypted, a [`pack`] the object it lies in; [`format`] is what
//! chunks of metadata hold, a [`reference`] the root of it; [`fetch`] gets chunks back; [`write`] and [`read`] go between
//! trees and chunks, [`file`] and [`directory`] between their contents; [`blobs`] loads a block; [`compact`] moves what is
//! live out of packs that are mostly dead; [`gc`] deletes packs nothing names.
//!
//! Everything a snapshot names is in the store before its reference is returned, and nothing in the store is changed
//! after it is there. All but the transfers runs on blocking threads, as many at once as there are processors.

mod blobs;
mod cache;
pub(crate) mod chunk;
mod compact;
mod directory;
mod fetch;
mod file;
mod format;
pub mod gc;
pub mod objects;
mod pack;
mod radix;
mod read;
mod reference;
mod stored;
mod verify;
mod write;

pub use chunk::PackId;
pub use reference::{PackRow, SnapshotRef};
pub use stored::StoreObjects;
pub use verify::{Fault, Report};

use crate::keys::TenantKeys;
use cache::Lru;
use chunk::{ChunkId, ChunkRef, Kind};
use objects::{ObjectError, Objects};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use warren_kernel::blob::Blobs;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::Delta;
use warren_kernel::vfs::inodes::Inodes;
use warren_session::durability::Meter;

/// What a tenant's snapshots may use.
#[derive(Clone)]
pub struct SnapshotOptions {
    /// Bytes of plain chunks kept for the next reader.
    pub cache_bytes: usize,
    /// Chunks remembered, so that the same bytes are stored once; about 150 bytes each.
    pub dedupe_entries: usize,
    /// How long a pack nothing names is kept. A snapshot must be in a record within half of it.
    pub grace: Duration,
    /// The time of day.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Random names for packs. No name may come twice.
    pub pack_ids: Arc<dyn Fn() -> Result<PackId, SnapshotError> + Send + Sync>,
}

/// The snapshots of one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Snapshots {
    shared: Arc<Shared>,
}

/// Kind, pack and offset.
type PlaceOfChunk = (Kind, PackId, u32);

pub(crate) struct Shared {
    store: Arc<dyn Objects>,
    keys: TenantKeys,
    options: SnapshotOptions,
    handle: Handle,
    /// Plain chunks by place.
    cache: Mutex<Lru<PlaceOfChunk, Arc<Vec<u8>>>>,
    /// Where chunks of data lie, and when they were put there.
    known: Mutex<Lru<ChunkId, (ChunkRef, Timestamp)>>,
    /// Bytes of packs seen in a root.
    sizes: Mutex<Lru<PackId, u64>>,
    /// Packs that blobs in memory may still be loaded from, with the number of roots that name them.
    pinned: Mutex<BTreeMap<PackId, usize>>,
    threads: Arc<Semaphore>,
}

/// Why a snapshot cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The store does not work, or holds an object damaged.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// A pack is not there.
    #[error("pack {pack} is missing from the store")]
    Missing {
        /// The pack.
        pack: PackId,
    },
    /// A chunk is not what was written.
    #[error("the chunk at byte {offset} of pack {pack} is damaged: {reason}")]
    Damaged {
        /// The pack it lies in.
        pack: PackId,
        /// Where.
        offset: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The reference itself makes no sense.
    #[error("the reference of the snapshot is damaged: {0}")]
    Reference(&'static str),
    /// It was written by a later version.
    #[error("the snapshot has version {0}; this version of warren reads up to 1")]
    Version(u8),
    /// A file shows content that lies outside and cannot be loaded.
    #[error("block {block} of inode {ino} cannot be loaded to be stored: {reason}")]
    Unloadable {
        /// The inode.
        ino: u64,
        /// The block.
        block: u64,
        /// Why.
        reason: String,
    },
    /// One list of metadata is longer than can be kept.
    #[error("inode page {0} is too large to be stored: its files have too many parts")]
    TooLarge(u64),
    /// What it refers to may be collected before it is in a record. Nothing is lost; the next attempt stores more itself.
    #[error("the snapshot took longer to write than unnamed packs are sure to be kept; try again")]
    TooSlow,
    /// The host gives no random bytes.
    #[error("no random bytes: {0}")]
    Random(String),
    /// The process is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl Default for SnapshotOptions {
    fn default() -> SnapshotOptions {
        SnapshotOptions {
            cache_bytes: 64 << 20,
            dedupe_entries: 100_000,
            grace: Duration::from_secs(3600),
            now: Arc::new(|| {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
            }),
            pack_ids: Arc::new(|| {
                crate::keys::random().map(PackId).map_err(|error| SnapshotError::Random(error.to_string()))
            }),
        }
    }
}

impl Snapshots {
    /// The snapshots of the tenant whose keys these are. Transfers run on `handle`'s runtime; it must be driven by
    /// threads of its own, since blocking threads wait for it.
    pub fn new(store: Arc<dyn Objects>, keys: TenantKeys, handle: Handle, options: SnapshotOptions) -> Snapshots {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let shared = Shared {
            cache: Mutex::new(Lru::new(options.cache_bytes)),
            known: Mutex::new(Lru::new(options.dedupe_entries)),
            sizes: Mutex::new(Lru::new(options.dedupe_entries)),
            pinned: Mutex::new(BTreeMap::new()),
            threads: Arc::new(Semaphore::new(threads)),
            store,
            keys,
            options,
            handle,
        };
        Snapshots { shared: Arc::new(shared) }
    }

    /// Stores what differs between `before` (the tree at `base`; without a base, the layer's) and `after`. Without a
    /// change, nothing is stored. The reference must be in a record within half the grace of garbage collection, counted
    /// from this call.
    ///
    /// # Errors
    /// Those of the store; damage of the base where it had to be read. What was stored by then is garbage.
    pub async fn write(
        &self,
        base: Option<&SnapshotRef>,
        before: &Inodes,
        after: &Inodes,
        layer: &Inodes,
        lsn: Lsn,
    ) -> Result<SnapshotRef, SnapshotError> {
        self.write_metered(base, before, after, layer, lsn, None).await
    }

    /// As [`Snapshots::write`]; `meter` hears what processor time it took, whether it was made or not.
    ///
    /// # Errors
    /// As [`Snapshots::write`].
    pub async fn write_metered(
        &self,
        base: Option<&SnapshotRef>,
        before: &Inodes,
        after: &Inodes,
        layer: &Inodes,
        lsn: Lsn,
        meter: Option<Meter>,
    ) -> Result<SnapshotRef, SnapshotError> {
        let (base, before, after, layer) = (base.cloned(), before.clone(), after.clone(), layer.clone());
        self.on_a_thread(meter, move |shared| {
            let root = write::write(&shared, base.as_ref(), &before, &after, &layer, lsn)?;
            if !root.wants_compaction() {
                return Ok(root);
            }
            Ok(compact::compact(&shared, &root).unwrap_or_else(|error| {
                tracing::warn!(%error, tenant = shared.keys.tenant().as_str(), "a snapshot could not be compacted");
                root
            }))
        })
        .await
    }

    /// The tree of a snapshot as what differs from its layer. Blocks load themselves when they are read, from packs that
    /// are pinned as long as one of the blobs, or the source, is in memory. Costs the metadata; no file bytes are read.
    ///
    /// # Errors
    /// Those of the store; `Damaged` and `Missing` name what cannot be read.
    pub async fn read(&self, root: &SnapshotRef) -> Result<(Delta, Arc<dyn Blobs>), SnapshotError> {
        let root = root.clone();
        self.blocking(move |shared| {
            let blobs = blobs::SnapshotBlobs::pin(shared.clone(), &root);
            Ok((read::read(&shared, &root)?, blobs as Arc<dyn Blobs>))
        })
        .await
    }

    /// A source of blocks named in deltas of any of the tenant's snapshots. Pins nothing.
    pub fn blobs(&self) -> Arc<dyn Blobs> {
        blobs::SnapshotBlobs::unpinned(self.shared.clone())
    }

    /// Reads every chunk of a snapshot and names what cannot be read.
    ///
    /// # Errors
    /// `Stopped`; damage is in the report.
    pub async fn verify(&self, root: &SnapshotRef) -> Result<Report, SnapshotError> {
        let root = root.clone();
        self.blocking(move |shared| Ok(verify::verify(&shared, &root))).await
    }

    /// The snapshot in packs of its own that hold little else. Blobs of the old one stay loadable while it is pinned.
    ///
    /// # Errors
    /// As [`Snapshots::write`].
    pub async fn compact(&self, root: &SnapshotRef) -> Result<SnapshotRef, SnapshotError> {
        let root = root.clone();
        self.blocking(move |shared| compact::compact(&shared, &root)).await
    }

    /// References to chunks the snapshot makes, counted by reading all its metadata: what the rows of its table add up
    /// to, if it is whole.
    ///
    /// # Errors
    /// As [`Snapshots::read`].
    pub async fn count_refs(&self, root: &SnapshotRef) -> Result<u64, SnapshotError> {
        let root = root.clone();
        self.blocking(move |shared| verify::count_refs(&shared, &root)).await
    }

    /// Packs that blobs in memory may still be loaded from: garbage collection keeps them.
    pub fn pinned(&self) -> Vec<PackId> {
        lock(&self.shared.pinned).keys().copied().collect()
    }

    /// Runs what may compute for long on a thread of its own, whose priority it may lower; as many at once as
    /// [`Snapshots::blocking`].
    async fn on_a_thread<T: Send + 'static>(
        &self,
        meter: Option<Meter>,
        work: impl FnOnce(Arc<Shared>) -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let shared = self.shared.clone();
        let permit = shared.threads.clone().acquire_owned().await.map_err(|_| SnapshotError::Stopped)?;
        let (sender, done) = tokio::sync::oneshot::channel();
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            let _permit = permit;
            let done = work(shared);
            if let Some(meter) = meter {
                // The thread is this snapshot's own: all it ever used.
                let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
                meter(Duration::new(used.tv_sec as u64, used.tv_nsec as u32));
            }
            let _ = sender.send(done); // Nobody waits when the caller is gone.
        });
        spawned.map_err(|error| ObjectError::Unavailable(format!("no thread for a snapshot: {error}")))?;
        // Without an answer the thread panicked, and said why.
        done.await.unwrap_or(Err(SnapshotError::Stopped))
    }

    /// Runs what computes on a blocking thread, as many at once as there are processors.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Shared>) -> Result<T, SnapshotError> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let shared = self.shared.clone();
        let permit = shared.threads.clone().acquire_owned().await.map_err(|_| SnapshotError::Stopped)?;
        let done = shared.handle.clone().spawn_blocking(move || {
            let _permit = permit;
            work(shared)
        });
        match done.await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(SnapshotError::Stopped),
        }
    }
}

impl fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("tenant", self.shared.keys.tenant()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SnapshotOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotOptions")
            .field("cache_bytes", &self.cache_bytes)
            .field("dedupe_entries", &self.dedupe_entries)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

/// A map nothing is left half done in: what panicked under its lock changed one entry or none.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
