//! Sessions as clients have them: actors, kept on a folder of this machine.
//!
//! The figures of a disk are worth what the disk is worth: each row gives, of the same run, what an fdatasync(2) of 4 KiB
//! costs there.

use super::Effort;
use crate::bed::{Bed, Failure};
use crate::crash::folder::{bytes_below, resident};
use crate::crash::server::Server;
use crate::machine::{cpu_time, resident_bytes};
use crate::measure::{Measured, Timer};
use bytes::Bytes;
use futures_util::StreamExt;
use rustix::fs::fdatasync;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Handle;
use warren_cluster::folder::Folder;
use warren_kernel::process::ExitStatus;
use warren_session::command::{ExecRequest, Stdin, Words, WriteOptions};
use warren_session::event::End;
use warren_session::id::TenantId;
use warren_session::spec::{SessionSpec, Tier};
use warren_session::{Options, Secrets, SessionHandle, Sessions, Software};
use warren_wasi_posix::node::Node;
use warren_wasi_posix::system::SystemHost;

/// Runs before timing.
const WARM_UP: usize = 50;
/// Sessions made at once, where many are made.
const MAKING: usize = 64;
/// Bytes of one write before an fdatasync(2), as a small batch of the journal has.
const SYNCED: usize = 4096;

/// Sessions on a folder that goes with them.
pub(super) struct World {
    sessions: Sessions,
    tenant: TenantId,
    dir: TempDir,
}

struct One(Node);

impl Software for One {
    fn node(&self, _: Option<&[String]>) -> Result<(Node, Vec<String>), String> {
        Ok((self.0.clone(), Vec::new()))
    }
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn get(&self, _: &TenantId, _: &str) -> Option<String> {
        None
    }
}

impl World {
    pub(super) async fn open(node: Node) -> Result<World, Failure> {
        let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
        let (path, handle) = (dir.path().to_owned(), Handle::current());
        let opened = tokio::task::spawn_blocking(move || Folder::new(path).open(Arc::new(SystemHost), handle)).await?;
        let options = Options {
            secrets: Arc::new(NoSecrets),
            software: Arc::new(One(node)),
            awake_max: 1_000_000,
            quotas: Default::default(),
            meter: Arc::new(warren_session::NoMeter),
            egress: Default::default(),
            grace: Duration::from_millis(100),
        };
        let sessions = Sessions::start(Arc::new(opened?.0), options).await;
        Ok(World { sessions, tenant: TenantId::embedded(), dir })
    }

    async fn session(&self, tier: Tier) -> Result<SessionHandle, Failure> {
        self.session_of(&self.tenant, tier).await
    }

    /// All sessions.
    pub(super) fn sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// A new session of a tenant.
    pub(super) async fn session_of(&self, tenant: &TenantId, tier: Tier) -> Result<SessionHandle, Failure> {
        let mut spec = SessionSpec { durability: tier, user: Some("root".to_owned()), ..SessionSpec::default() };
        spec.limits.set("file_bytes", 4 << 30)?;
        let made = self.sessions.create(tenant, None, spec).await?;
        Ok(self.sessions.session(tenant, made.id).await?)
    }
}

pub(super) fn request(words: &[&str]) -> ExecRequest {
    ExecRequest {
        command: Words::Argv(words.iter().map(|&word| word.to_owned()).collect()),
        environment: BTreeMap::new(),
        cwd: None,
        stdin: Stdin::Null,
        terminal: None,
        timeout: None,
        key: None,
        trace: None,
    }
}

pub(super) async fn run_true(session: &SessionHandle) -> Result<(), Failure> {
    let finished = session.run(request(&["true"]), 0).await?;
    match finished.info.ended {
        Some((End::Status(ExitStatus::Exited(0)), _)) => Ok(()),
        other => Err(format!("`true` ended as {other:?}").into()),
    }
}

pub(super) async fn put(session: &SessionHandle, path: &str, bytes: Bytes) -> Result<(), Failure> {
    let options = WriteOptions { parents: true, ..WriteOptions::default() };
    session.write_file(path, options, futures_util::stream::iter([Ok(bytes)]).boxed()).await?;
    Ok(())
}

/// Bytes that do not compress, the same for the same seed.
pub(super) fn noise(seed: u64, count: usize) -> Bytes {
    Bytes::from(crate::crash::random::Random::new(seed).bytes(count))
}

/// What the folder's disk needs for a write of [`SYNCED`] bytes behind a file's end and an fdatasync(2).
fn raw_sync(dir: &Path, effort: Effort) -> Result<(f64, f64), Failure> {
    let mut file = std::fs::File::create(dir.join("raw"))?;
    let mut timer = Timer::begin()?;
    for _ in 0..effort.pick(300, 20) {
        let begun = Instant::now();
        file.write_all(&[7; SYNCED])?;
        fdatasync(&file)?;
        timer.record(begun);
    }
    std::fs::remove_file(dir.join("raw"))?;
    let measured = timer.end();
    Ok((measured.p50_us, measured.p99_us))
}

trait WithSync: Sized {
    fn with_sync(self, sync: (f64, f64)) -> Self;
}

impl WithSync for Measured {
    fn with_sync(self, (p50, p99): (f64, f64)) -> Measured {
        self.with("fdatasync p50", "us", p50).with("fdatasync p99", "us", p99)
    }
}

pub(crate) fn true_scratch(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    exec_true(bed, effort, Tier::Scratch)
}

pub(crate) fn true_checkpoint(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    exec_true(bed, effort, Tier::Checkpoint)
}

pub(crate) fn true_strict(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    exec_true(bed, effort, Tier::Strict)
}

fn exec_true(bed: &Bed, effort: Effort, tier: Tier) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let times = if tier < Tier::Journal { effort.pick(5000, 100) } else { effort.pick(1000, 30) };
        let measured = timed_true(&world, tier, times).await?;
        Ok(measured.with_sync(raw_sync(world.dir.path(), effort)?))
    })
}

async fn timed_true(world: &World, tier: Tier, times: usize) -> Result<Measured, Failure> {
    let session = world.session(tier).await?;
    for _ in 0..WARM_UP {
        run_true(&session).await?;
    }
    let mut timer = Timer::begin()?;
    for _ in 0..times {
        let begun = Instant::now();
        run_true(&session).await?;
        timer.record(begun);
    }
    Ok(timer.end())
}

/// The figure is what the journal adds to the tier below it, in fdatasyncs of the same run.
pub(crate) fn true_journal(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let below = timed_true(&world, Tier::Checkpoint, effort.pick(1000, 30)).await?;
        let sync = raw_sync(world.dir.path(), effort)?;
        let measured = timed_true(&world, Tier::Journal, effort.pick(1000, 30)).await?;
        let added = (measured.p50_us - below.p50_us) / sync.0;
        Ok(measured.with("adds", "fdatasyncs", added).with_sync(sync))
    })
}

/// Callers at once, each with a session of its own: how many commands share an fdatasync.
pub(crate) fn journal_64(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    const CALLERS: usize = 64;
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let mut handles = Vec::new();
        for _ in 0..CALLERS {
            let session = world.session(Tier::Journal).await?;
            run_true(&session).await?;
            handles.push(session);
        }
        let each = effort.pick(100, 3);
        let timer = Arc::new(std::sync::Mutex::new(Timer::begin()?));
        let mut running = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for session in handles {
            let timer = timer.clone();
            running.spawn(async move {
                for _ in 0..each {
                    let begun = Instant::now();
                    run_true(&session).await?;
                    timer.lock().expect("nothing panics with it").record(begun);
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        let rate = (CALLERS * each) as f64 / begun.elapsed().as_secs_f64();
        let timer = Arc::into_inner(timer).ok_or("a caller still runs")?.into_inner()?;
        Ok(timer.end().with("rate", "exec/s", rate).with_sync(raw_sync(world.dir.path(), effort)?))
    })
}

/// The figure is what is beyond one fdatasync.
pub(crate) fn checkpoint_10(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let session = world.session(Tier::Checkpoint).await?;
        let mut timer = Timer::begin()?;
        for round in 0..effort.pick(50, 5) {
            for file in 0..10 {
                put(&session, &format!("/home/agent/f{file}"), noise(round * 10 + file, 4096)).await?;
            }
            let begun = Instant::now();
            session.checkpoint(None).await?;
            timer.record(begun);
        }
        let (measured, sync) = (timer.end(), raw_sync(world.dir.path(), effort)?);
        let beyond = (measured.p50_us - sync.0) / 1e3;
        Ok(measured.with("beyond", "ms", beyond).with_sync(sync))
    })
}

/// A fork of a session whose files the store has, but for one that changed.
pub(crate) fn fork_1gib(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let (files, bytes) = effort.pick((10_000_u64, 107_374), (100, 10_000));
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let session = world.session(Tier::Checkpoint).await?;
        for file in 0..files {
            put(&session, &format!("/home/agent/d{}/f{file}", file % 100), noise(file, bytes)).await?;
        }
        session.checkpoint(None).await?;
        let mut timer = Timer::begin()?;
        for round in 0..effort.pick(50, 5) {
            put(&session, "/home/agent/changed", noise(round, 1000)).await?;
            let begun = Instant::now();
            let fork = world.sessions.fork(&world.tenant, session.id(), None).await?;
            timer.record(begun);
            world.sessions.delete(&world.tenant, fork.id).await?;
        }
        Ok(timer.end().with("files", "", files as f64).with_sync(raw_sync(world.dir.path(), effort)?))
    })
}

/// From rest to awake; the chunks of its files are in memory.
pub(crate) fn wake(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let session = world.session(Tier::Checkpoint).await?;
        for file in 0..100 {
            put(&session, &format!("/home/agent/f{file}"), noise(file, 10_000)).await?;
        }
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(300, 10) {
            world.sessions.hibernate(&world.tenant, session.id()).await?;
            let begun = Instant::now();
            world.sessions.wake(&world.tenant, session.id()).await?;
            timer.record(begun);
            session.read_file("/home/agent/f0", 0..10_000).await?;
        }
        Ok(timer.end().with_sync(raw_sync(world.dir.path(), effort)?))
    })
}

/// Makes `count` sessions, some at once, each with a small file; `rests` puts them to rest again.
async fn make_many(world: &World, count: usize, rests: bool) -> Result<Measured, Failure> {
    let timer = std::sync::Mutex::new(Timer::begin()?);
    let one = async |_| {
        let begun = Instant::now();
        let session = world.session(Tier::Checkpoint).await?;
        put(&session, "/home/agent/note", Bytes::from_static(b"remember the milk\n")).await?;
        if rests {
            world.sessions.hibernate(&world.tenant, session.id()).await?;
        }
        timer.lock().expect("nothing panics with it").record(begun);
        Ok::<(), Failure>(())
    };
    let mut making = futures_util::stream::iter(0..count).map(one).buffer_unordered(MAKING);
    while let Some(made) = making.next().await {
        made?;
    }
    drop(making);
    Ok(timer.into_inner()?.end())
}

pub(crate) fn idle_100k(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let count = effort.pick(100_000, 500);
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        make_many(&world, 100, false).await?;
        let before = resident_bytes()?;
        let measured = make_many(&world, count, false).await?;
        let grown = resident_bytes()?.saturating_sub(before) as f64;
        let all = grown / count as f64 * 100_000.0 / (1 << 30) as f64;
        let measured = measured.with("resident", "GiB for 100,000", all);
        Ok(measured.with("each", "KiB", grown / count as f64 / 1024.0).with("sessions", "", count as f64))
    })
}

/// Of a server that is started on them: sessions at rest cost it nothing but what its store keeps in memory.
pub(crate) fn hibernated_100k(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let count = effort.pick(100_000, 500);
    let node = bed.node();
    let (measured, dir) = bed.drive(async move {
        let world = World::open(node).await?;
        let measured = make_many(&world, count, true).await?;
        world.sessions.stop().await;
        Ok((measured, world.dir))
    })?;
    std::thread::sleep(Duration::from_millis(200));
    let disk = bytes_below(dir.path())? as f64;
    let server = Server::start(&binary()?, dir.path())?;
    let listing = server.link().get("/v1/sessions?limit=1000").map_err(|stop| format!("{stop:?}"))?;
    listing.expect("list", &[200]).map_err(|stop| format!("{stop:?}"))?;
    let held = resident(server.pid())? as f64;
    server.stop()?;
    let measured = measured.with("resident", "MiB", held / f64::from(1 << 20));
    Ok(measured.with("on disk", "bytes each", disk / count as f64).with("sessions", "", count as f64))
}

/// The server's binary.
pub(super) fn binary() -> Result<std::path::PathBuf, Failure> {
    let binary = std::env::current_exe()?.with_file_name("warren");
    match binary.exists() {
        true => Ok(binary),
        false => Err(format!("{} is not built; `cargo build -p warren`", binary.display()).into()),
    }
}

/// Over HTTP: a session is made and a command's first byte is read.
pub(crate) fn http_create(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    over_http(effort, true)
}

/// Over HTTP: `true` in a session.
pub(crate) fn http_true(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let over = over_http(effort, false)?;
    // The same without the gateway, and with a client that does as little as it can, in the same run: what the gateway adds.
    let (within, lean) = (exec_true(bed, effort, Tier::Checkpoint)?, super::load::exec_true(effort, 1)?);
    let (p50, p99) = (lean.p50_us - within.p50_us, lean.p99_us - within.p99_us);
    Ok(over.with("gateway p50", "us", p50).with("gateway p99", "us", p99))
}

fn over_http(effort: Effort, makes: bool) -> Result<Measured, Failure> {
    let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
    let server = Server::start(&binary()?, dir.path())?;
    let link = server.link();
    let create = || -> Result<String, crate::crash::Stop> {
        let made = link.post("/v1/sessions", &json!({ "durability": "checkpoint" }))?.json("create", 201)?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    };
    let exec = |id: &str, command: &str| {
        let done = link.post(&format!("/v1/sessions/{id}/exec"), &json!({ "argv": [command] }))?.json("exec", 200)?;
        match done["status"].as_i64() {
            Some(0) => Ok(()),
            _ => Err(crate::crash::Stop::Wrong(format!("`{command}`: {done}"))),
        }
    };
    let worked = || -> Result<Measured, crate::crash::Stop> {
        let wrong = |error: Failure| crate::crash::Stop::Wrong(error.to_string());
        let id = create()?;
        for _ in 0..WARM_UP {
            exec(&id, "true")?;
        }
        let mut timer = Timer::begin().map_err(wrong)?;
        for _ in 0..effort.pick(500, 10) {
            let begun = Instant::now();
            if makes {
                exec(&create()?, "pwd")?;
            } else {
                exec(&id, "true")?;
            }
            timer.record(begun);
        }
        Ok(timer.end())
    };
    let measured = worked().map_err(|stop| format!("{stop:?}"))?;
    server.stop()?;
    Ok(measured.with_sync(raw_sync(dir.path(), effort)?))
}

/// The first snapshot of text: what it costs in CPU time, all threads.
pub(crate) fn snapshot_text(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let session = world.session(Tier::Scratch).await?;
        let (count, total) = put_text(&session, effort.pick(200 << 20, 2 << 20)).await?;
        let mut timer = Timer::begin()?;
        let (begun, before) = (Instant::now(), cpu_time());
        session.checkpoint(None).await?;
        timer.record(begun);
        let rate = total as f64 / 1e6 / (cpu_time() - before).as_secs_f64();
        let measured = timer.end().with("rate", "MB/s a core", rate).with("text", "MB", total as f64 / 1e6);
        let stored = bytes_below(world.dir.path())? as f64 / 1e6;
        Ok(measured.with("files", "", count as f64).with("stored", "MB", stored))
    })
}

/// Text of this machine, as source and documents are: files of the system's documentation and headers.
async fn put_text(session: &SessionHandle, most: usize) -> Result<(usize, usize), Failure> {
    let mut dirs: Vec<std::path::PathBuf> =
        ["/usr/include", "/usr/share/doc", "/usr/share/perl", "/usr/lib/python3"].map(Into::into).to_vec();
    dirs.extend(std::env::var_os("CARGO_HOME").map(|home| Path::new(&home).join("registry/src")));
    dirs.extend(std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo/registry/src")));
    let (mut count, mut total) = (0, 0);
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if total >= most {
                return Ok((count, total));
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => dirs.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.metadata().is_ok_and(|data| data.len() < 1 << 20) => {
                    let Ok(bytes) = std::fs::read(entry.path()) else { continue };
                    if std::str::from_utf8(&bytes).is_ok() && !bytes.is_empty() {
                        (count, total) = (count + 1, total + bytes.len());
                        put(session, &format!("/home/agent/d{}/f{count}", count % 100), bytes.into()).await?;
                    }
                }
                _ => {}
            }
        }
    }
    match count {
        0 => Err("there is no text on this machine to make a snapshot of".into()),
        _ => Ok((count, total)),
    }
}

/// Commands that two guests run while a third session's snapshot is made, against while none is.
pub(crate) fn snapshot_loss(bed: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node).await?;
        let large = world.session(Tier::Scratch).await?;
        let (pause, bytes) = effort.pick((Duration::from_secs(2), 200 << 20), (Duration::from_millis(200), 1 << 20));
        let (ran, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let session = world.session(Tier::Scratch).await?;
        run_true(&session).await?;
        let (count, over) = (ran.clone(), stop.clone());
        let guest = tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                run_true(&session).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Failure>(())
        });
        let mut timer = Timer::begin()?;
        let (mut alone, mut beside) = (0.0, 0.0);
        for round in 0..effort.pick(3, 1) {
            put_text_again(&large, round, bytes).await?;
            alone += rate(&ran, tokio::time::sleep(pause)).await;
            let begun = Instant::now();
            let mut made = Ok(());
            beside += rate(&ran, async { made = large.checkpoint(None).await.map(drop) }).await;
            made?;
            timer.record(begun);
        }
        stop.store(true, Ordering::Relaxed);
        guest.await??;
        Ok(timer.end().with("loss", "%", (100.0 * (1.0 - beside / alone)).max(0.0)))
    })
}

async fn put_text_again(session: &SessionHandle, round: u64, bytes: usize) -> Result<(), Failure> {
    const PART: usize = 1 << 20;
    for part in 0..bytes.div_ceil(PART) as u64 {
        put(session, &format!("/home/agent/f{part}"), noise(round << 32 | part, PART)).await?;
    }
    Ok(())
}

/// Commands a second while something happens.
async fn rate(ran: &AtomicU64, meanwhile: impl Future<Output = ()>) -> f64 {
    let (begun, before) = (Instant::now(), ran.load(Ordering::Relaxed));
    meanwhile.await;
    (ran.load(Ordering::Relaxed) - before) as f64 / begun.elapsed().as_secs_f64()
}
