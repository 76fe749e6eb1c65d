//! A tenant beside one that takes all it can get: what it costs the quiet one, and whether each has its share.
//!
//! The noisy tenant has 64 sessions at once: busy loops, pipes, shells that start one short process after another, files
//! written over and over, snapshots, and clients that run one command after another. The quiet one has one session and
//! one client. As in `warren serve`, guests run on an executor of their own.

use super::Effort;
use super::durable::{World, binary, noise, put, request, run_true};
use crate::bed::{Bed, Failure};
use crate::crash::Stop;
use crate::crash::server::{Link, Server};
use crate::measure::{Measured, Timer};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use warren_kernel::signal::Signal;
use warren_session::command::{ExecRequest, Words};
use warren_session::id::TenantId;
use warren_session::spec::Tier;
use warren_session::{SessionHandle, Sessions};
use warren_wasi_posix::node::{Command, Node, Running};
use warren_wasi_posix::share::Share;

/// Commands that never end, each run in some sessions of the noisy tenant.
const NOISE: [&str; 4] = [
    "while :; do :; done",
    "while :; do seq 1 200000 | sort -rn | tail -1 > /dev/null; done",
    "while :; do true & true & true; wait; done",
    "while :; do head -c 4000000 /dev/zero > /tmp/file; done",
];
/// Sessions that run one of [`NOISE`] each.
const GUESTS: usize = 48;
/// Sessions of which a snapshot is made again and again, with this much changed. What is written over stays on the disk
/// for as long as it may be needed, and the disk is not what is measured: the other sessions keep nothing.
const SNAPSHOTS: usize = 4;
const SNAPSHOT_BYTES: usize = 512 << 10;
/// Sessions with a client that runs one command after another.
const CLIENTS: usize = 12;
/// The same over HTTP, each with a connection and a thread.
const HTTP_CLIENTS: usize = 8;
/// Busy loops of each tenant when shares are measured.
const BUSY: usize = 8;
/// Between two things the quiet tenant does.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the noise is left to itself before anything is measured.
const SETTLE: Duration = Duration::from_secs(2);

/// The noise, until it ends.
struct Noise {
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Result<(), Failure>>,
    /// What the clients had run.
    commands: Arc<AtomicU64>,
}

impl Noise {
    async fn begin(world: &World, tenant: &TenantId) -> Result<Noise, Failure> {
        let (stop, commands) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = JoinSet::new();
        for n in 0..GUESTS {
            let session = world.session_of(tenant, Tier::Scratch).await?;
            let command = Words::Line(NOISE[n % NOISE.len()].to_owned());
            session.exec(ExecRequest { command, ..request(&["sh"]) }).await?;
        }
        for n in 0..SNAPSHOTS as u64 {
            let session = world.session_of(tenant, Tier::Checkpoint).await?;
            tasks.spawn(snapshots(world.sessions(), tenant.clone(), session, n, stop.clone()));
        }
        for _ in 0..CLIENTS {
            let session = world.session_of(tenant, Tier::Checkpoint).await?;
            tasks.spawn(client(session, commands.clone(), stop.clone()));
        }
        tokio::time::sleep(SETTLE).await;
        Ok(Noise { stop, tasks, commands })
    }

    fn ran(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    async fn end(mut self) -> Result<(), Failure> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }
}

/// Puts a session to rest again and again: each time a snapshot of what changed.
async fn snapshots(
    sessions: Sessions,
    tenant: TenantId,
    session: SessionHandle,
    seed: u64,
    stop: Arc<AtomicBool>,
) -> Result<(), Failure> {
    let mut round = 0;
    while !stop.load(Ordering::Relaxed) {
        // Making it up is no client's work, and keeps none waiting.
        let bytes = tokio::task::spawn_blocking(move || noise(round << 8 | seed, SNAPSHOT_BYTES)).await?;
        put(&session, "/home/agent/changed", bytes).await?;
        sessions.hibernate(&tenant, session.id()).await?;
        round += 1;
    }
    Ok(())
}

async fn client(session: SessionHandle, ran: Arc<AtomicU64>, stop: Arc<AtomicBool>) -> Result<(), Failure> {
    while !stop.load(Ordering::Relaxed) {
        run_true(&session).await?;
        ran.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// What the quiet tenant does.
enum Quiet {
    /// `true`, through its session's actor.
    True(SessionHandle),
    /// A line to `cat` and back.
    Echo(Running),
}

impl Quiet {
    async fn once(&self) -> Result<(), Failure> {
        match self {
            Quiet::True(session) => run_true(session).await,
            Quiet::Echo(cat) => {
                let (Some(input), Some(output)) = (&cat.stdin, &cat.stdout) else { return Err("no pipes".into()) };
                // A whole line: `cat` writes no less.
                input.write_all(b"x\n").await?;
                match output.read(2, &mut Vec::new()).await? {
                    2 => Ok(()),
                    _ => Err("`cat` ended".into()),
                }
            }
        }
    }

    async fn times(&self, times: usize) -> Result<Measured, Failure> {
        let mut timer = Timer::begin()?;
        for _ in 0..times {
            let begun = Instant::now();
            self.once().await?;
            timer.record(begun);
            // A client that does something with the answer.
            tokio::time::sleep(PAUSE).await;
        }
        Ok(timer.end())
    }
}

pub(crate) fn neighbour_true(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let bed = Bed::of_a_server()?;
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node.clone()).await?;
        let session = world.session_of(&"quiet".parse()?, Tier::Scratch).await?;
        beside(&world, &node, effort, Quiet::True(session)).await
    })
}

pub(crate) fn neighbour_echo(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let bed = Bed::of_a_server()?;
    let node = bed.node();
    bed.drive(async move {
        let world = World::open(node.clone()).await?;
        let session = node.session_of(&node.shares().session("quiet"), node.template());
        let cat = Command::new(&node.template(), ["cat"]).launch(&session).await?;
        beside(&world, &node, effort, Quiet::Echo(cat)).await
    })
}

/// What it costs alone, and then beside the noise; and what the noise has without and with it.
async fn beside(world: &World, node: &Node, effort: Effort, quiet: Quiet) -> Result<Measured, Failure> {
    let times = effort.pick(3000, 30);
    quiet.times(times / 10).await?;
    let alone = quiet.times(times).await?;
    let noisy: TenantId = "noisy".parse()?;
    let noise = Noise::begin(world, &noisy).await?;
    let used = || (Instant::now(), node.shares().figures("noisy").unwrap_or_default().cpu, noise.ran());
    let rates = |(then, cpu, ran): (Instant, Duration, u64)| {
        let (now, later, more) = used();
        let wall = (now - then).as_secs_f64();
        ((later - cpu).as_secs_f64() / wall, (more - ran) as f64 / wall)
    };
    let without = used();
    tokio::time::sleep(effort.pick(Duration::from_secs(5), SETTLE)).await;
    let without = rates(without);
    let with = used();
    let measured = quiet.times(times).await?;
    let with = rates(with);
    let longest = node.shares().longest_turn();
    noise.end().await?;
    Ok(compared(measured, &alone)
        .with("noise", "processors", without.0)
        .with("noise beside", "processors", with.0)
        .with("commands", "/s", without.1)
        .with("commands beside", "/s", with.1)
        .with("longest turn", "ms", longest.as_secs_f64() * 1e3))
}

/// Two tenants of weight 1 and 3, each with more busy loops than there are processors.
pub(crate) fn shares(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let bed = Bed::of_a_server()?;
    let node = bed.node();
    bed.drive(async move {
        let mut running = Vec::new();
        for (tenant, weight) in [("one", 100), ("three", 300)] {
            node.shares().set(tenant, Share { weight, ..Share::default() });
            for _ in 0..BUSY {
                let session = node.session_of(&node.shares().session(tenant), node.template());
                running.push(Command::shell(&node.template(), NOISE[0]).launch(&session).await?);
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let cpu = |tenant| node.shares().figures(tenant).unwrap_or_default().cpu.as_secs_f64();
        let (timer, before) = (Timer::begin()?, (cpu("one"), cpu("three")));
        tokio::time::sleep(effort.pick(Duration::from_secs(5), Duration::from_millis(500))).await;
        let (one, three) = (cpu("one") - before.0, cpu("three") - before.1);
        let measured = timer.end();
        for one in running {
            one.session.with(|kernel| kernel.signal_process(one.pid, Signal::KILL));
            one.wait().await?;
        }
        let off = 100.0 * (three / one / 3.0 - 1.0).abs();
        Ok(measured.with("off", "%", off).with("one", "s", one).with("three", "s", three))
    })
}

/// As the first, over HTTP: a server's own process, with clients of both tenants here.
pub(crate) fn neighbour_http(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
    let server = Server::start(&binary()?, dir.path())?;
    let operator = server.link();
    let measured = over_http(&operator, effort).map_err(|stop| format!("{stop:?}"))?;
    server.stop()?;
    Ok(measured)
}

fn over_http(operator: &Link, effort: Effort) -> Result<Measured, Stop> {
    operator.post("/v1/tenants", &json!({ "id": "quiet" }))?.expect("a tenant", &[201])?;
    let made = operator.post("/v1/keys?tenant=quiet", &json!({ "name": "bench", "role": "member" }))?;
    let key = made.json("a key", 201)?["key"].as_str().unwrap_or_default().to_owned();
    let quiet = operator.with_key(&key);
    let id = create(&quiet, "scratch")?;
    let times = effort.pick(1000, 20);
    let run = |times: usize| -> Result<Measured, Stop> {
        let mut timer = Timer::begin().map_err(|error| Stop::Wrong(error.to_string()))?;
        for _ in 0..times {
            let begun = Instant::now();
            exec(&quiet, &id, &json!({ "argv": ["true"] }), 200)?;
            timer.record(begun);
            std::thread::sleep(PAUSE);
        }
        Ok(timer.end())
    };
    run(times / 10)?;
    let alone = run(times)?;
    // The noise is the operator's own tenant's.
    for n in 0..GUESTS {
        let id = create(operator, "scratch")?;
        exec(operator, &id, &json!({ "command": NOISE[n % NOISE.len()], "detach": true }), 202)?;
    }
    let clients = (0..HTTP_CLIENTS).map(|_| create(operator, "checkpoint")).collect::<Result<Vec<String>, Stop>>()?;
    let (stop, ran) = (AtomicBool::new(false), AtomicU64::new(0));
    let beside = std::thread::scope(|scope| {
        for id in &clients {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) && exec(operator, id, &json!({ "argv": ["true"] }), 200).is_ok() {
                    ran.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(SETTLE);
        let beside = run(times);
        stop.store(true, Ordering::Relaxed);
        beside
    })?;
    let ran = ran.load(Ordering::Relaxed);
    Ok(compared(beside, &alone).with("noisy commands", "", ran as f64))
}

fn create(link: &Link, durability: &str) -> Result<String, Stop> {
    let made = link.post("/v1/sessions", &json!({ "durability": durability }))?.json("create", 201)?;
    Ok(made["id"].as_str().unwrap_or_default().to_owned())
}

fn exec(link: &Link, id: &str, request: &Value, status: u16) -> Result<(), Stop> {
    link.post(&format!("/v1/sessions/{id}/exec"), request)?.expect("exec", &[status])
}

/// The figures of what was measured beside the noise, with those alone and how many times as long it took.
fn compared(beside: Measured, alone: &Measured) -> Measured {
    let times = (beside.p50_us / alone.p50_us, beside.p99_us / alone.p99_us);
    let beside = beside.with("times", "x its p99 alone", times.1).with("times p50", "x", times.0);
    beside.with("alone p50", "us", alone.p50_us).with("alone p99", "us", alone.p99_us)
}
