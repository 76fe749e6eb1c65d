//! A cluster at work while its parts fail one after the other: what was acknowledged is there, and no epoch has two owners.

use crate::cluster::{Cluster, Process};
use crate::world::{Owner, Shown, new_session, tenant, try_shown};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use warren_cluster::keeper::Keeper;
use warren_kernel::vfs::inodes::ROOT_INO;
use warren_s3_double::faults::{Chance, Fault, Script};
use warren_session::durability::{Durability, DurabilityError};
use warren_session::id::SessionId;
use warren_session::position::Position;
use warren_session::spec::Tier;

/// What a client waits for anything.
const PATIENCE: Duration = Duration::from_secs(8);

/// Processes by their place, and who owned which epoch.
#[derive(Default)]
struct Shared {
    keepers: Mutex<Vec<Option<(u64, Keeper)>>>,
    owners: Mutex<BTreeMap<(SessionId, u64), u64>>,
    over: AtomicBool,
    done: AtomicU64,
    taken: AtomicU64,
}

/// A client of one session: it writes a file a command, remembers what it was told, and looks after each move.
struct Client {
    shared: Arc<Shared>,
    id: SessionId,
    tier: Tier,
    /// What each file holds for sure, as was acknowledged, and what it may hold beside.
    told: BTreeMap<String, Vec<u8>>,
    maybe: BTreeMap<String, Vec<Vec<u8>>>,
    last: Position,
    number: u64,
    seed: u64,
}

impl Client {
    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % below
    }

    fn keeper(&mut self) -> Option<(u64, Keeper)> {
        let count = self.shared.keepers.lock().unwrap().len() as u64;
        let at = self.random(count) as usize;
        self.shared.keepers.lock().unwrap()[at].clone()
    }

    /// The session in some process's hands.
    async fn take(&mut self, until: Instant) -> Option<(u64, Owner)> {
        while Instant::now() < until {
            if let Some((process, keeper)) = self.keeper() {
                match tokio::time::timeout(PATIENCE, keeper.claim(&tenant(), self.id)).await {
                    Ok(Ok(claimed)) => {
                        let epoch = claimed.epoch.get();
                        let before = self.shared.owners.lock().unwrap().insert((self.id, epoch), process);
                        assert_eq!(before, None, "{} epoch {epoch} was served before", self.id);
                        self.shared.taken.fetch_add(1, Ordering::SeqCst);
                        let told = (self.tier, self.last, claimed.last, epoch, process);
                        assert!(claimed.last.seq >= self.last.seq, "events that were told are there: {told:?}");
                        let owner = Owner::of(claimed);
                        // Its bytes cannot be read when the process dies now.
                        if let Some(shown) = try_shown(owner.tree.inodes()) {
                            self.check(&owner, shown);
                            return Some((process, owner));
                        }
                    }
                    Ok(Err(
                        DurabilityError::Owned(_) | DurabilityError::Unavailable(_) | DurabilityError::Fenced(_),
                    ))
                    | Err(_) => {}
                    Ok(Err(other)) => panic!("{}: {other}", self.id),
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Every file holds what was told of it, or what was asked for after that.
    fn check(&mut self, owner: &Owner, shown: Vec<Shown>) {
        let files: BTreeMap<_, _> = shown.into_iter().map(|(ino, _, bytes, ..)| (ino, bytes)).collect();
        for (name, bytes) in &self.told {
            let ino = owner.tree.lookup(ROOT_INO, name.as_bytes());
            let ino = ino.unwrap_or_else(|_| panic!("{}: {name} was acknowledged and is gone", self.id));
            let there = &files[&ino];
            let later = self.maybe.get(name).is_some_and(|maybe| maybe.contains(there));
            assert!(there == bytes || later, "{}: {name} holds something else", self.id);
        }
        // What is there now stays.
        for (name, maybe) in std::mem::take(&mut self.maybe) {
            if let Ok(ino) = owner.tree.lookup(ROOT_INO, name.as_bytes())
                && maybe.contains(&files[&ino])
            {
                self.told.insert(name, files[&ino].clone());
            }
        }
    }

    async fn dies(&self, process: u64) {
        let lives = || self.shared.keepers.lock().unwrap().iter().flatten().any(|(number, _)| *number == process);
        while lives() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn command(&mut self, process: u64, owner: &mut Owner) -> bool {
        self.number += 1;
        let name = format!("file{}", self.random(12));
        let size = if self.random(20) == 0 { 300 << 10 } else { 10 + self.random(3000) as usize };
        let mut bytes = vec![self.number as u8; size];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        let done = tokio::select! {
            done = tokio::time::timeout(PATIENCE, owner.run(&name, &bytes)) => done,
            // As a gateway sees that a connection broke.
            () = self.dies(process) => Ok(Err(DurabilityError::Unavailable("it is gone".to_owned()))),
        };
        match done {
            Ok(Ok(())) => {
                self.told.insert(name, bytes);
                self.last = owner.last;
                self.shared.done.fetch_add(1, Ordering::SeqCst);
                true
            }
            Ok(Err(DurabilityError::Fenced(_) | DurabilityError::Unavailable(_) | DurabilityError::Busy)) | Err(_) => {
                self.maybe.entry(name).or_default().push(bytes);
                false
            }
            Ok(Err(other)) => panic!("{}: {other}", self.id),
        }
    }

    async fn live(mut self) -> Client {
        while !self.shared.over.load(Ordering::SeqCst) {
            let Some((process, mut owner)) = self.take(Instant::now() + Duration::from_secs(60)).await else {
                panic!("{} was not taken within 60 s", self.id)
            };
            loop {
                if self.shared.over.load(Ordering::SeqCst) {
                    break;
                }
                if !self.command(process, &mut owner).await {
                    break;
                }
                if self.random(60) == 0 {
                    // Whether it rests is known when it is next taken.
                    let _ = tokio::time::timeout(PATIENCE, owner.hibernate()).await;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20 + self.seed % 50)).await;
            }
        }
        self
    }
}

struct Processes {
    shared: Arc<Shared>,
    running: Vec<Option<Process>>,
    dirs: Vec<TempDir>,
    started: u64,
}

impl Processes {
    async fn start(&mut self, cluster: &Cluster, at: usize) {
        let process = cluster.process(at as u32 + 1, &self.dirs[at]).await;
        self.started += 1;
        self.shared.keepers.lock().unwrap()[at] = Some((self.started, process.keeper().clone()));
        self.running[at] = Some(process);
    }

    fn kill(&mut self, at: usize, with_disk: bool) {
        self.shared.keepers.lock().unwrap()[at] = None;
        let Some(process) = self.running[at].take() else { return };
        if with_disk {
            process.die_with_its_disk();
            self.dirs[at] = tempfile::tempdir().unwrap();
        } else {
            process.die();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_acknowledged_is_lost_whatever_fails() {
    let Some(mut cluster) = Cluster::start().await else { return };
    let shared = Arc::new(Shared::default());
    shared.keepers.lock().unwrap().resize(3, None);
    let dirs = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let mut processes = Processes { shared: shared.clone(), running: (0..3).map(|_| None).collect(), dirs, started: 0 };
    for at in 0..3 {
        processes.start(&cluster, at).await;
    }
    for process in processes.running.iter().flatten() {
        process.is_up(3).await;
    }
    let mut clients = Vec::new();
    for (number, tier) in
        [Tier::Journal, Tier::Journal, Tier::Journal, Tier::Strict, Tier::Strict].into_iter().enumerate()
    {
        let new = new_session(tier, None);
        let id = new.id;
        let owner = Owner::of(processes.running[number % 3].as_ref().unwrap().keeper().create(new).await.unwrap());
        owner.hibernate().await.unwrap();
        shared.owners.lock().unwrap().insert((id, 1), number as u64 % 3 + 1);
        let client = Client {
            shared: shared.clone(),
            id,
            tier,
            told: BTreeMap::new(),
            maybe: BTreeMap::new(),
            last: Position::START,
            number: 0,
            seed: 77 + number as u64,
        };
        clients.push(tokio::spawn(client.live()));
    }
    let pause = |seconds: f64| tokio::time::sleep(Duration::from_secs_f64(seconds));
    let weather = |per_mille: u16| {
        let faults = [
            Fault::Status(503),
            Fault::LostAfterApply,
            Fault::ErrorAfterApply,
            Fault::Reset,
            Fault::Status(409),
            Fault::Slow(Duration::from_millis(300)),
        ];
        Script::new(5, faults.map(|fault| Chance { per_mille, fault }).into())
    };
    pause(2.0).await;
    // A process dies with its disk, in good weather and in bad.
    processes.kill(0, true);
    pause(5.0).await;
    *cluster.double.script() = weather(20);
    processes.start(&cluster, 0).await;
    pause(3.0).await;
    processes.kill(1, true);
    pause(5.0).await;
    processes.start(&cluster, 1).await;
    // One that keeps its disk is back at once.
    processes.kill(2, false);
    processes.start(&cluster, 2).await;
    pause(5.0).await;
    // Redis dies, is away, and is back empty; every owner lives.
    cluster.kill_redis();
    pause(4.0).await;
    cluster.restart_redis();
    pause(8.0).await;
    cluster.redis.ask(&["FLUSHALL"]);
    pause(8.0).await;
    // Then a process dies again.
    processes.kill(0, true);
    pause(5.0).await;
    *cluster.double.script() = weather(0);
    processes.start(&cluster, 0).await;
    pause(2.0).await;
    shared.over.store(true, Ordering::SeqCst);
    for client in clients {
        let mut client = client.await.unwrap();
        let (_, owner) = client.take(Instant::now() + Duration::from_secs(30)).await.expect("it is reachable");
        assert!(owner.last.seq > client.last.seq);
        assert!(!client.told.is_empty(), "{} did something", client.id);
    }
    let (done, taken) = (shared.done.load(Ordering::SeqCst), shared.taken.load(Ordering::SeqCst));
    let faults = cluster.double.script().done();
    println!("{done} commands acknowledged, {taken} times taken, {faults} faults of the bucket since the last change");
    assert!(done > 200 && taken > 10, "{done} commands, {taken} times taken");
}
