//! Keeps the sessions of a node: a record each in the store, a journal of what came after, snapshots of files.
//!
//! ```text
//!            append ──▶ Entry, sealed ──▶ journal (one log for the node, group commit) ──▶ acknowledged
//! Claim ──┤                 └ files over 256 KiB ──▶ snapshot in the store first
//!            checkpoint ──▶ snapshot, events as a segment ──▶ record by one conditional write ──▶ journal released
//! start:  journal ──▶ tails by session;  claim: record (epoch + 1) + snapshot + tail ──▶ the session as it was acknowledged
//! ```
//! Locks, in this order, none held while anything waits: a claim's state, its tail, the pins of the log, the log's. A claim's `turn` (an
//! async mutex: a queue) orders what writes snapshots and the record.

mod batch;
mod claim;
mod commit;
mod events;
mod lane;
mod make;
mod names;
mod once;
mod ours;
pub mod ownership;
mod recover;
mod segment;
mod stored;
mod strict;
mod sweep;
mod tail;
mod tenant;

pub use batch::LARGE_BYTES;
pub use once::{ANSWER_BYTES_MAX, Answered, Begun, KEPT_FOR, NOTES_MAX, Once, Ticket, Whose};
pub use recover::Recovered;
pub use stored::StoredBytes;
pub use sweep::Swept;

use crate::keys::KeyEncryptionKey;
use crate::record::{Record, RecordError, Standing, places};
use crate::snapshot::SnapshotError;
use crate::snapshot::objects::ObjectError;
use crate::store::{Object, PutError, Store, StoreError, Version};
use crate::wal::{self, Wal, WalError};
use claim::ClaimInner;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ownership::Ownership;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tail::Tail;
use tenant::{Tenant, Tenants};
use tokio::runtime::Handle;
use warren_kernel::host::Host;
use warren_session::durability::{Claimed, Durability, DurabilityError, NewSession, Past, Summary};
use warren_session::id::{SessionId, SessionName, TenantId};
use warren_session::position::Position;

/// How sessions are kept.
#[derive(Clone, Debug)]
pub struct KeeperOptions {
    /// Segments of the journal's log above which the sessions that hold its oldest part are brought into the store.
    pub journal_segments: u64,
    /// Bytes of one session in the journal above which it is brought into the store.
    pub tail_bytes: usize,
    /// Bytes of events kept of a session, packed; the oldest are dropped.
    pub log_bytes: u64,
    /// How long what nobody refers to is left in the store before it is deleted. A snapshot that takes half of it to write
    /// is refused, so it is no shorter than minutes; and what a guest writes over is on the disk for two to three times
    /// as long, so it is no longer than that.
    pub grace: Duration,
    /// How long a deleted session is known to be deleted.
    pub tombstones: Duration,
}

impl Default for KeeperOptions {
    fn default() -> KeeperOptions {
        KeeperOptions {
            journal_segments: 4,
            tail_bytes: 1 << 20,
            log_bytes: 64 << 20,
            grace: Duration::from_secs(600),
            tombstones: Duration::from_secs(24 * 3600),
        }
    }
}

/// Keeps sessions. Cheap to clone.
#[derive(Clone)]
pub struct Keeper {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    store: Arc<dyn Store>,
    /// The log of a single node.
    wal: Option<Wal>,
    /// In a cluster: who decides whose sessions are, and carries what their owners write.
    ownership: Option<Arc<dyn Ownership>>,
    tenancy: Tenants,
    /// How much tenants have in the store.
    stored: Arc<stored::Stored>,
    host: Arc<dyn Host>,
    options: KeeperOptions,
    /// What this process calls itself in records.
    incarnation: u64,
    tenants: Mutex<HashMap<TenantId, Tenant>>,
    /// Claims of this process. The newest of a session is the owner.
    live: Mutex<HashMap<SessionId, Weak<ClaimInner>>>,
    /// What the journal holds, by session; also of sessions nobody has claimed since the start.
    tails: Mutex<HashMap<SessionId, SharedTail>>,
    /// Whose entry lies where in the log: the lowest place is how far back the log is needed.
    pins: Mutex<BTreeMap<u64, (TenantId, SessionId)>>,
    /// Packs nobody names, by tenant, whose time has not come.
    condemned: Mutex<HashMap<TenantId, crate::snapshot::gc::Condemned>>,
    /// Segments of events that were read last.
    unpacked: events::Unpacked,
    /// Sessions this process is making: their names lead to records that are not there yet.
    making: Mutex<HashSet<SessionId>>,
    /// Sessions that are being taken or deleted: they have an owner before there is a claim.
    taking: Mutex<HashSet<SessionId>>,
}

pub(crate) type SharedTail = Arc<Mutex<Tail>>;

impl Keeper {
    /// Begins to keep sessions in `store` and `wal`, whose entries `recovery` gives. Nothing else may write to either.
    /// Blocks of files are fetched on `handle`, which guests must not be able to keep busy.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(
        store: Arc<dyn Store>,
        (wal, recovery): (Wal, wal::Recovery),
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        handle: Handle,
        options: KeeperOptions,
    ) -> Result<(Keeper, Recovered), WalError> {
        let shared = Shared::new(store, (Some(wal), None), kek, host, handle, options);
        let recovered = shared.recover(recovery)?;
        Ok((Keeper { shared }, recovered))
    }

    /// Keeps sessions in a store that other processes share, as `ownership` decides: it has the journal, and writes the
    /// records. All of them have the same key-encryption key.
    pub fn open_shared(
        store: Arc<dyn Store>,
        ownership: Arc<dyn Ownership>,
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        handle: Handle,
        options: KeeperOptions,
    ) -> Keeper {
        Keeper { shared: Shared::new(store, (None, Some(ownership)), kek, host, handle, options) }
    }

    /// Waits until everything appended so far survives power loss.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn sync(&self) -> Result<(), DurabilityError> {
        let Some(wal) = &self.shared.wal else { return Ok(()) };
        wal.sync().map_err(from_wal)?.await.map(|_| ()).map_err(from_wal)
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shared.store
    }

    /// Answers of requests that are done at most once, in the same store.
    pub fn once(&self) -> Once {
        Once::new(self.shared.clone())
    }

    /// The registry of tenants and keys in the same store.
    pub fn registry(&self) -> crate::registry::Registry {
        let secret = self.shared.tenancy.derive("warren 2026 registry v1");
        crate::registry::Registry::new(self.shared.store.clone(), self.shared.host.clone(), secret)
    }
}

impl Durability for Keeper {
    fn create(&self, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        self.shared.make(new, None).boxed()
    }

    fn claim<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Claimed, DurabilityError>> {
        self.shared.take(tenant, id).boxed()
    }

    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a SessionName,
    ) -> BoxFuture<'a, Result<Option<SessionId>, DurabilityError>> {
        self.shared.find(tenant, name).boxed()
    }

    fn describe<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Summary, DurabilityError>> {
        self.shared.describe(tenant, id).boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<Summary>, bool), DurabilityError>> {
        self.shared.list(tenant, after, limit).boxed()
    }

    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Past, DurabilityError>> {
        self.shared.events(tenant, id, after, bytes).boxed()
    }

    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>> {
        self.shared.delete_unclaimed(tenant, id).boxed()
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

impl Shared {
    fn new(
        store: Arc<dyn Store>,
        (wal, ownership): (Option<Wal>, Option<Arc<dyn Ownership>>),
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        handle: Handle,
        options: KeeperOptions,
    ) -> Arc<Shared> {
        let mut random = [0; 8];
        host.fill_random(&mut random);
        let stored: Arc<stored::Stored> = Arc::default();
        Arc::new(Shared {
            tenancy: Tenants::new((store.clone(), stored.clone()), kek, host.clone(), options.grace, handle),
            stored,
            store,
            wal,
            ownership,
            host,
            options,
            incarnation: u64::from_le_bytes(random),
            tenants: Mutex::default(),
            live: Mutex::default(),
            tails: Mutex::default(),
            pins: Mutex::default(),
            condemned: Mutex::default(),
            unpacked: events::Unpacked::default(),
            making: Mutex::default(),
            taking: Mutex::default(),
        })
    }

    /// A session's record and the version to change it by.
    async fn record(&self, tenant: &TenantId, id: SessionId) -> Result<(Record, Version), DurabilityError> {
        let object = self.store.get(&places::record(tenant, id)).await.map_err(|error| of_session(id, error))?;
        let Object { bytes, version } = object.ok_or(DurabilityError::Missing(id))?;
        let record = Record::from_bytes(id, &bytes).map_err(|error| damaged_record(id, &error))?;
        Ok((record, version))
    }

    async fn describe(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, DurabilityError> {
        let keys = self.tenant(tenant).await?.keys;
        let (record, _) = self.record(tenant, id).await?;
        let body = record.open(&keys).map_err(|error| damaged_record(id, &error))?;
        let mut summary = record.summary(&body);
        if let Some(tail) = self.tail_of(id) {
            let newest = lock(&tail).last().map(|kept| (kept.entry.epoch, kept.entry.last_event));
            if let Some((epoch, seq)) = newest {
                summary.position = summary.position.max(Position { epoch, seq });
            }
        }
        Ok(summary)
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Summary>, bool), DurabilityError> {
        let keys = self.tenant(tenant).await?.keys;
        let prefix = places::records(tenant);
        let mut found = Vec::new();
        let mut after = after.map(|id| places::record(tenant, id));
        loop {
            let page =
                self.store.list(&prefix, after.as_ref(), limit.clamp(1, 1000)).await.map_err(unavailable_store)?;
            for entry in &page.entries {
                let Some(id) = id_of(&prefix, entry.key.as_str()) else { continue };
                if found.len() == limit {
                    return Ok((found, true));
                }
                match self.record(tenant, id).await {
                    Ok((Record { standing: Standing::Deleted { .. }, .. }, _)) | Err(DurabilityError::Missing(_)) => {}
                    Ok((record, _)) => found.push(match record.open(&keys) {
                        Ok(body) => record.summary(&body),
                        Err(error) => Record::blank_summary(id, error.to_string()),
                    }),
                    // One that cannot be read is shown as that; it must not hide the others.
                    Err(DurabilityError::Damaged { reason, .. }) => found.push(Record::blank_summary(id, reason)),
                    Err(error) => return Err(error),
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok((found, false)),
            }
        }
    }

    fn tail_of(&self, id: SessionId) -> Option<SharedTail> {
        lock(&self.tails).get(&id).cloned()
    }

    fn tail_made(&self, id: SessionId) -> SharedTail {
        lock(&self.tails).entry(id).or_default().clone()
    }

    /// The live claim of a session, if there is one.
    fn claim_of(&self, id: SessionId) -> Option<Arc<ClaimInner>> {
        lock(&self.live).get(&id).and_then(Weak::upgrade)
    }

    /// The log is needed from `place` on.
    fn pin(&self, place: u64, tenant: &TenantId, id: SessionId) {
        lock(&self.pins).insert(place, (tenant.clone(), id));
    }

    /// Appends, and pins the place before anybody could release it.
    fn append_pinned(
        &self,
        (tenant, id): (&TenantId, SessionId),
        append: impl FnOnce(&Wal) -> Result<wal::Position, wal::AppendError>,
    ) -> Result<u64, wal::AppendError> {
        let mut pins = lock(&self.pins);
        let wal = self.wal.as_ref().ok_or(wal::AppendError::Refused(WalError::Closed))?;
        let place = append(wal)?.as_u64();
        pins.insert(place, (tenant.clone(), id));
        Ok(place)
    }

    /// These places are not needed any more.
    fn unpin(&self, places: &[u64]) {
        let Some(wal) = self.wal.as_ref().filter(|_| !places.is_empty()) else { return };
        let needed = {
            let mut pins = lock(&self.pins);
            for place in places {
                pins.remove(place);
            }
            // With no place pinned, all there are: the next is given under this lock, and pinned at once.
            pins.keys().next().map_or_else(|| wal.next(), |place| wal::Position::from_u64(*place))
        };
        wal.release(needed.before());
    }
}

/// The id in a record's key.
fn id_of(prefix: &str, key: &str) -> Option<SessionId> {
    key.strip_prefix(prefix)?.parse().ok()
}

/// Nothing panics while one of these is held, and what they guard is whole after each change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unavailable(error: &dyn std::fmt::Display) -> DurabilityError {
    DurabilityError::Unavailable(error.to_string())
}

fn unavailable_store(error: StoreError) -> DurabilityError {
    match error {
        StoreError::NoSpace | StoreError::ReadOnly => DurabilityError::NoSpace(error.to_string()),
        other => DurabilityError::Unavailable(other.to_string()),
    }
}

/// What a store says about an object of one session.
fn of_session(id: SessionId, error: StoreError) -> DurabilityError {
    match error {
        StoreError::Corrupt { .. } => DurabilityError::Damaged { id, reason: error.to_string() },
        other => unavailable_store(other),
    }
}

fn of_put(id: SessionId, error: PutError) -> DurabilityError {
    match error {
        PutError::Store(error) => of_session(id, error),
        PutError::Conflict | PutError::Missing => DurabilityError::Fenced(id),
    }
}

fn of_snapshot(id: SessionId, error: SnapshotError) -> DurabilityError {
    match error {
        SnapshotError::Store(ObjectError::NoSpace(reason)) => DurabilityError::NoSpace(reason),
        SnapshotError::Store(ObjectError::Unavailable(reason)) => DurabilityError::Unavailable(reason),
        SnapshotError::Stopped => DurabilityError::Unavailable(error.to_string()),
        other => DurabilityError::Damaged { id, reason: other.to_string() },
    }
}

fn from_wal(error: WalError) -> DurabilityError {
    match error {
        WalError::NoSpace { .. } => DurabilityError::NoSpace(error.to_string()),
        other => DurabilityError::Unavailable(other.to_string()),
    }
}

fn damaged_record(id: SessionId, error: &RecordError) -> DurabilityError {
    DurabilityError::Damaged { id, reason: error.to_string() }
}
