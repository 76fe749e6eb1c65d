//! A bucket, a Redis, and processes that can be killed.
#![allow(dead_code, reason = "each test uses some of it")]

use crate::servers::redis::Server;
use crate::servers::{double, open, options};
use crate::world::{Owner, host, shown, tenant};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use warren_cluster::keys::KeyEncryptionKey;
use warren_cluster::record::{Record, places};
use warren_node::{ClusterNode, NodeOptions};
use warren_ownership::name::SessionId as CoreId;
use warren_s3_double::Double;
use warren_session::durability::{Durability, DurabilityError};
use warren_session::event::Event;
use warren_session::id::SessionId;
use warren_session::position::Position;
use warren_storage::store::Store;
use warren_stores::redis::{Hot, Redis, RedisOptions};
use warren_stores::retry::Limits;
use warren_stores::s3::S3Options;

/// Threads of a process.
const THREADS: usize = 2;

/// What the processes of a cluster share.
pub(crate) struct Cluster {
    pub(crate) double: Arc<Double>,
    pub(crate) redis: Arc<Server>,
    bucket: S3Options,
    namespace: String,
}

/// A way to a service that can be shut.
pub(crate) struct Wall {
    port: u16,
    open: watch::Sender<bool>,
}

/// A process: all its tasks run on a runtime of its own.
pub(crate) struct Process {
    pub(crate) node: ClusterNode,
    pub(crate) dir: PathBuf,
    runtime: Option<Runtime>,
}

impl Cluster {
    /// `None`, with a printed reason, where there is no Redis to start.
    pub(crate) async fn start() -> Option<Cluster> {
        let redis = Arc::new(Server::start(&[])?);
        let double = Arc::new(double().await);
        let limits =
            Limits { attempt: Duration::from_millis(800), deadline: Duration::from_secs(4), ..Limits::default() };
        let bucket = S3Options { limits, ..options(&double.endpoint()) };
        Some(Cluster { double, redis, bucket, namespace: "outlive".to_owned() })
    }

    pub(crate) fn client(&self, port: u16) -> Redis {
        let url = format!("redis://127.0.0.1:{port}");
        Redis::new(RedisOptions { namespace: self.namespace.clone(), ..RedisOptions::new(url) }).unwrap()
    }

    /// Another cluster on the same services.
    pub(crate) fn elsewhere(&self) -> Cluster {
        let bucket = options(&self.double.endpoint());
        let namespace = format!("outlive-{}", bucket.prefix.trim_end_matches('/'));
        let bucket = S3Options { limits: self.bucket.limits, ..bucket };
        Cluster { double: self.double.clone(), redis: self.redis.clone(), bucket, namespace }
    }

    /// Redis ends at once.
    pub(crate) fn kill_redis(&mut self) {
        Arc::get_mut(&mut self.redis).expect("one cluster uses it").kill();
    }

    /// Redis is there again, and knows nothing.
    pub(crate) fn restart_redis(&mut self) {
        Arc::get_mut(&mut self.redis).expect("one cluster uses it").restart();
    }

    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        open(self.bucket.clone()).await
    }

    /// A process on this folder.
    pub(crate) async fn process(&self, number: u32, dir: &TempDir) -> Process {
        self.process_behind(number, dir, None).await
    }

    /// The same with walls before its Redis and its bucket.
    pub(crate) async fn process_behind(&self, number: u32, dir: &TempDir, walls: Option<(&Wall, &Wall)>) -> Process {
        let mut bucket = self.bucket.clone();
        let mut port = self.redis.port;
        if let Some((redis, store)) = walls {
            port = redis.port;
            bucket.endpoint = Some(format!("http://127.0.0.1:{}", store.port));
        }
        let store = open(bucket).await;
        let mut process_options = NodeOptions::new(number, format!("10.0.0.{number}:7000"), dir.path());
        process_options.answer_limit = Duration::from_secs(20);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let parts = (store as Arc<dyn Store>, self.client(port));
        let key = KeyEncryptionKey::from_bytes([7; 32]);
        let node = ClusterNode::open(process_options, parts, key, host(), handle).unwrap();
        Process { node, dir: dir.path().to_owned(), runtime: Some(runtime) }
    }

    /// Whether a process has a lease, as Redis says.
    pub(crate) async fn has_lease(&self, owner: warren_ownership::name::Owner) -> bool {
        Hot::new(self.client(self.redis.port)).look(owner).await.unwrap().what.0
    }

    /// Entries in a session's hot journal.
    pub(crate) async fn journal(&self, id: SessionId) -> usize {
        Hot::new(self.client(self.redis.port)).peek(CoreId(id.number())).await.unwrap().what.len()
    }

    /// A session's record.
    pub(crate) async fn record(&self, id: SessionId) -> Record {
        let object = self.store().await.get(&places::record(&tenant(), id)).await.unwrap().expect("there is a record");
        Record::from_bytes(id, &object.bytes).unwrap()
    }
}

impl Process {
    pub(crate) fn keeper(&self) -> &warren_cluster::keeper::Keeper {
        self.node.keeper()
    }

    /// Ends it at once: none of its tasks goes on.
    pub(crate) fn die(mut self) {
        self.runtime.take().unwrap().shutdown_background();
        // Of a process that died nobody would have handles any more; here some do, and its lock with them.
        std::fs::remove_file(self.dir.join("lock")).unwrap();
    }

    /// Ends it, and its disk is gone.
    pub(crate) fn die_with_its_disk(self) {
        let dir = self.dir.clone();
        self.die();
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// Stops it, as SIGSTOP does: none of its threads goes on until the answer is dropped.
    pub(crate) fn stop(&self) -> std::sync::mpsc::Sender<()> {
        let (go_on, stopped) = std::sync::mpsc::channel();
        let stopped = Arc::new(std::sync::Mutex::new(stopped));
        let held = Arc::new(std::sync::Barrier::new(THREADS + 1));
        for _ in 0..THREADS {
            let (stopped, held) = (stopped.clone(), held.clone());
            self.runtime.as_ref().unwrap().spawn(async move {
                held.wait();
                let _ = stopped.lock().unwrap().recv(); // the sender is dropped
            });
        }
        tokio::task::block_in_place(|| held.wait());
        go_on
    }

    /// Its lease holds, and it knows so many others.
    pub(crate) async fn is_up(&self, processes: usize) {
        until("the processes know each other", || async {
            self.node.may_act() && self.node.peers().len() >= processes
        })
        .await;
    }

    /// Takes a session as soon as it may be; why it might not before.
    pub(crate) async fn claim(&self, id: SessionId) -> (Owner, Vec<DurabilityError>) {
        let (begun, mut refused) = (Instant::now(), Vec::new());
        loop {
            match self.keeper().claim(&tenant(), id).await {
                Ok(claimed) => return (Owner::of(claimed), refused),
                Err(why @ (DurabilityError::Owned(_) | DurabilityError::Unavailable(_))) => refused.push(why),
                Err(other) => panic!("{other}"),
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never taken: {:?}", refused.last());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// All events of a session there are.
    pub(crate) async fn events(&self, id: SessionId) -> Vec<Event> {
        let (mut all, mut after): (Vec<Event>, _) = (Vec::new(), Position::START);
        loop {
            let past = self.keeper().events(&tenant(), id, after, 10_000).await.unwrap();
            assert_eq!(past.lost, None);
            all.extend(past.events);
            after = all.last().map_or(after, |event| event.position);
            if !past.more {
                break;
            }
        }
        for (event, number) in all.iter().zip(1..) {
            assert_eq!(event.position.seq, number, "no gap and no repetition");
        }
        all
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Wall {
    pub(crate) async fn before(port: u16) -> Wall {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wall = Wall { port: listener.local_addr().unwrap().port(), open: watch::Sender::new(true) };
        let mut open = wall.open.subscribe();
        tokio::spawn(async move {
            loop {
                let Ok((mut client, _)) = listener.accept().await else { continue };
                if !*open.borrow_and_update() {
                    continue;
                }
                let mut shut = open.clone();
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = shut.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        wall
    }

    pub(crate) fn shut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

/// Waits until something holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, holds: impl Fn() -> F) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("{what}: not within 30 s");
}

/// A session's files are the same in two owners' hands.
pub(crate) fn same_files(one: &[crate::world::Shown], other: &Owner) {
    assert_eq!(one, shown(other.tree.inodes()), "the files are as they were acknowledged");
}
