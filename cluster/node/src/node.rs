//! A process of a cluster, put together.
//!
//! ```text
//! DIR/lock      held while the process lives
//! DIR/owners    what processes of this folder called themselves, the last first
//! DIR/journal   the local log
//! ```

use crate::clock;
use crate::directory::Place;
use crate::effects::{Driver, Limits};
use crate::local::LocalLog;
use crate::ours::Cluster;
use crate::state::{State, core_id};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use warren_cluster::keeper::{Keeper, KeeperOptions};
use warren_cluster::keys::KeyEncryptionKey;
use warren_kernel::host::Host;
use warren_ownership::message::{Answer, Asked, Event, Refused};
use warren_ownership::name::{Incarnation, NodeId, Owner};
use warren_ownership::node::{Here, Node, Options};
use warren_session::durability::DurabilityError;
use warren_session::id::{SessionId, TenantId};
use warren_storage::disk::{Disk, LockError, RealDisk};
use warren_storage::store::Store;
use warren_storage::wal::{Wal, WalError, WalOptions};
use warren_stores::redis::{Hot, Notices, Redis};

/// Processes of a folder that are remembered.
const OWNERS_MAX: usize = 64;

/// How a process of a cluster is run.
#[derive(Clone)]
pub struct NodeOptions {
    /// Which node: no two that live have the same number.
    pub node: u32,
    /// Where other nodes reach it: no spaces, up to 256 bytes.
    pub address: String,
    /// The folder of its local log; made if it is missing.
    pub dir: PathBuf,
    /// MiB of memory it has left for sessions: asked with each renewal of its lease.
    pub free_mib: Arc<dyn Fn() -> u32 + Send + Sync>,
    /// Sessions restored at once. Default 32.
    pub restores: usize,
    /// One thing asked of the store may take this long. Default 10 s.
    pub store_limit: Duration,
    /// One append to the local log may take this long; then its session is let go. Default 30 s.
    pub local_limit: Duration,
    /// One thing asked of Redis may take this long. Default 1.5 s.
    pub redis_limit: Duration,
    /// A session that is asked for, or a change of its record, may take this long. Default 30 s.
    pub answer_limit: Duration,
    /// How the local log behaves.
    pub journal: WalOptions,
    /// How sessions are kept.
    pub keeper: KeeperOptions,
}

impl NodeOptions {
    /// A node with everything as usual.
    pub fn new(node: u32, address: impl Into<String>, dir: impl Into<PathBuf>) -> NodeOptions {
        NodeOptions {
            node,
            address: address.into(),
            dir: dir.into(),
            free_mib: Arc::new(|| 1024),
            restores: 32,
            store_limit: Duration::from_secs(10),
            local_limit: Duration::from_secs(30),
            redis_limit: Duration::from_millis(1500),
            answer_limit: Duration::from_secs(30),
            journal: WalOptions::default(),
            keeper: KeeperOptions::default(),
        }
    }
}

impl std::fmt::Debug for NodeOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeOptions")
            .field("node", &self.node)
            .field("address", &self.address)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Why a process of a cluster does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder cannot be used.
    #[error("{path}: {source}")]
    Folder {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Its log cannot be read.
    #[error("{path}: {source}")]
    Journal {
        /// Which.
        path: PathBuf,
        /// Why.
        source: WalError,
    },
}

/// A process of a cluster. Cheap to clone; ends when the last is dropped, with its keeper.
#[derive(Clone)]
pub struct ClusterNode {
    driver: Arc<Driver>,
    keeper: Keeper,
}

impl std::fmt::Debug for ClusterNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterNode").field("address", &self.driver.address).finish_non_exhaustive()
    }
}

impl ClusterNode {
    /// Starts a process on `store` and `redis`, which all nodes share, as they do the key-encryption key. Blocks: the local
    /// log is read. What it does runs on `handle`, which guests must not be able to keep busy.
    ///
    /// # Errors
    /// [`OpenError`], naming the path.
    pub fn open(
        options: NodeOptions,
        (store, redis): (Arc<dyn Store>, Redis),
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        handle: Handle,
    ) -> Result<ClusterNode, OpenError> {
        let dir = options.dir.clone();
        std::fs::create_dir_all(&dir).map_err(|source| OpenError::Folder { path: dir.clone(), source })?;
        let lock = RealDisk.lock(&dir.join("lock"))?;
        let mut random = [0; 8];
        host.fill_random(&mut random);
        let me = Owner { node: NodeId(options.node), incarnation: Incarnation(u64::from_le_bytes(random)) };
        let owners = dir.join("owners");
        let before = note_owner(&owners, me).map_err(|source| OpenError::Folder { path: owners, source })?;
        let journal = |source| OpenError::Journal { path: dir.join("journal"), source };
        let (wal, recovery) = Wal::open(&dir.join("journal"), options.journal.clone()).map_err(journal)?;
        let local = LocalLog::open(wal, recovery).map_err(journal)?;
        let decisions = Options { restores: options.restores, ..Options::default() };
        let driver = Driver::new(
            State::new(Node::new(me, before, decisions)),
            (store.clone(), Hot::new(redis.clone()), Notices::new(redis)),
            (local, lock),
            Limits {
                store: options.store_limit,
                hot: options.redis_limit,
                local: options.local_limit,
                answer: options.answer_limit,
            },
            (options.address, options.free_mib),
            handle.clone(),
        );
        let ownership = Arc::new(Cluster(driver.clone()));
        let keeper = Keeper::open_shared(store, ownership, kek, host, handle, options.keeper);
        Ok(ClusterNode { driver, keeper })
    }

    /// Its sessions.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// What it calls itself.
    pub fn me(&self) -> Owner {
        self.driver.lock().node.me()
    }

    /// The processes that live, and where they are reached, as Redis said last.
    pub fn peers(&self) -> Vec<(Owner, String)> {
        self.driver.lock().peers.iter().map(|(owner, about)| (*owner, about.address.clone())).collect()
    }

    /// Whether it may reach out of itself for its sessions now: its lease holds.
    pub fn may_act(&self) -> bool {
        self.driver.lock().node.may_act(clock::now())
    }

    /// Whether it serves a session now.
    pub fn serves(&self, id: SessionId) -> bool {
        matches!(self.driver.lock().node.here(core_id(id)), Here::Owned(_))
    }

    /// Resolves when a session is not served here any more; at once if it is not now. What runs it here is to be ended then.
    pub async fn over(&self, id: SessionId) {
        let over = {
            let mut state = self.driver.lock();
            let serving = state.session(core_id(id)).and_then(|session| session.serving.as_ref());
            serving.map(|serving| serving.over.subscribe())
        };
        if let Some(mut over) = over {
            // When its sender is gone it is over, too.
            let _ = over.wait_for(|over| *over).await;
        }
    }

    /// Where a session is by its record, which is the truth: for who was told by the process [`ClusterNode::locate`] named that
    /// it has it not.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Damaged`, `Unavailable`.
    pub async fn whose(&self, tenant: &TenantId, id: SessionId) -> Result<Place, DurabilityError> {
        self.driver.whose(tenant, id).await
    }

    /// Where a request for a session goes: by what is served here, by a hint that may be old, or by its record.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Damaged`, `Unavailable`.
    pub async fn locate(&self, tenant: &TenantId, id: SessionId) -> Result<Place, DurabilityError> {
        self.driver.locate(tenant, id).await
    }

    /// Where a new session is made.
    pub fn place(&self, id: SessionId) -> Place {
        self.driver.place(id)
    }

    /// Hands a session that is served here over to another process. What was appended is there; what is appended from now on
    /// is refused. Whoever is asked for it there takes it at once.
    ///
    /// # Errors
    /// `Owned` by another, `Missing`, `Deleted`, `Unavailable`.
    pub async fn hand_over(&self, tenant: &TenantId, id: SessionId, to: Owner) -> Result<(), DurabilityError> {
        if !self.serves(id) {
            return Err(DurabilityError::Owned(id));
        }
        match self.driver.ask(tenant, id, Asked::Move(to)).await?.answer {
            Answer::Done { .. } => Ok(()),
            Answer::Refused(Refused::Fenced) => Err(DurabilityError::Fenced(id)),
            Answer::Refused(why) => Err(DurabilityError::Unavailable(why.to_string())),
            _ => Err(DurabilityError::Unavailable("the session answered something else".to_owned())),
        }
    }

    /// Looks after a tenant's sessions whose owners are not known to live, and takes those whose owners are dead: what only
    /// Redis has of them is in the bucket then. Answers with how many it looked after; how many it takes at a time is bounded.
    ///
    /// # Errors
    /// `Unavailable`; those looked after by then stay so.
    pub async fn look_after(&self, tenant: &TenantId) -> Result<usize, DurabilityError> {
        self.driver.look_after(tenant).await
    }

    /// Gives up all it has: to other nodes, or to rest if there is none. It takes no session any more.
    pub fn drain(&self) {
        self.driver.feed(|_| Event::Drain);
    }

    /// Whether all sessions have left.
    pub fn is_drained(&self) -> bool {
        self.driver.lock().node.is_drained()
    }
}

/// Writes down what this process calls itself, and says what those before it did.
fn note_owner(path: &Path, me: Owner) -> std::io::Result<Vec<Owner>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let owner = |line: &str| {
        let (node, incarnation) = line.split_once(' ')?;
        let incarnation = u64::from_str_radix(incarnation, 16).ok()?;
        Some(Owner { node: NodeId(node.parse().ok()?), incarnation: Incarnation(incarnation) })
    };
    let before: Vec<Owner> = text.lines().filter_map(owner).take(OWNERS_MAX).collect();
    let line = |owner: &Owner| format!("{} {:016x}\n", owner.node.0, owner.incarnation.0);
    let text: String = std::iter::once(&me).chain(&before).take(OWNERS_MAX).map(line).collect();
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    Ok(before)
}
