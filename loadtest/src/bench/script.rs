//! JavaScript: how long `node` takes to begin, with and without code that is kept, and what programs that wait take.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::machine;
use crate::measure::{Measured, Timer, median};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use warren_isolate::{CodeOptions, Isolates, Options};
use warren_kernel::{Session, Template};
use warren_wasi_posix::node::{Command, Node, Stdio};
use warren_wasi_posix::software::project;
use warren_wasi_posix::{Wasm, layer};

/// Functions of the large script, each of some 430 bytes.
const FUNCTIONS: usize = 20_000;
/// Of which every so many-th is called.
const CALLED: usize = 10;
/// Time in which a pool is full again.
const FULL_AFTER: Duration = Duration::from_millis(400);
/// Time without events after which an isolate gives memory back, here.
const QUIET: Duration = Duration::from_millis(500);

/// Sessions that have `node`.
struct Scripts {
    node: Node,
    isolates: Isolates,
    executor: tokio::runtime::Runtime,
}

impl Scripts {
    fn open(warm: usize, code: CodeOptions) -> Result<Scripts, Failure> {
        let executor = warren_wasi_posix::system::guests_executor()?;
        let handle = executor.handle().clone();
        let wasm = Wasm::new(&bed::options()?, handle.clone())?;
        let options = Options { warm, quiet: QUIET, code, ..Options::default() };
        let isolates = Isolates::new(options, wasm.shares(), handle.clone());
        let blobs: Arc<dyn warren_kernel::blob::Blobs> = Arc::new(NoBlobs);
        let layer = layer::build_with(&project(&[]), &blobs, &[warren_isolate::COMMAND])?;
        let node = Node::new(wasm, layer, [], handle).with_guests(Arc::new(isolates.clone()));
        Ok(Scripts { node, isolates, executor })
    }

    fn session(&self) -> Session {
        self.node.session(self.node.template())
    }

    /// Runs it to its end; what it writes must be this. How long it took.
    fn run(&self, session: &Session, words: &[&str], right: &str) -> Result<Duration, Failure> {
        let command = command(&self.node.template(), words);
        let begun = Instant::now();
        let finished = self.executor.block_on(bed::finish(session, &command))?;
        let took = begun.elapsed();
        if finished.stdout != right.as_bytes() {
            return Err(format!("unexpected output: {}", String::from_utf8_lossy(&finished.stdout)).into());
        }
        Ok(took)
    }
}

fn command(template: &Template, words: &[&str]) -> Command {
    let words = std::iter::once("node").chain(words.iter().copied());
    Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..Command::new(template, words) }
}

#[derive(Debug)]
struct NoBlobs;

impl warren_kernel::blob::Blobs for NoBlobs {
    fn load(
        &self,
        _: &warren_kernel::blob::BlobId,
        _: u64,
    ) -> Result<warren_kernel::blob::SharedBytes, warren_kernel::Errno> {
        Err(warren_kernel::Errno::EIO)
    }
}

pub(crate) fn start(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let scripts = Scripts::open(4, CodeOptions::default())?;
    let session = scripts.session();
    scripts.run(&session, &["-e", "0"], "")?;
    let mut timer = Timer::begin()?;
    for _ in 0..effort.pick(200, 10) {
        std::thread::sleep(FULL_AFTER);
        let begun = Instant::now();
        scripts.run(&session, &["-e", "0"], "")?;
        timer.record(begun);
    }
    let without = Scripts::open(0, CodeOptions::default())?;
    let session = without.session();
    let times: Result<Vec<f64>, Failure> =
        (0..effort.pick(20, 3)).map(|_| Ok(ms(without.run(&session, &["-e", "0"], "")?))).collect();
    Ok(timer.end().with("without pool", "ms", median(times?.into_iter())))
}

/// A script of many functions, as bundlers make them.
fn script() -> String {
    let mut text = String::with_capacity(FUNCTIONS * 450);
    text.push_str("'use strict';\nconst table = Object.create(null);\n");
    for index in 0..FUNCTIONS {
        let _ = write!(
            text,
            "table.part{index} = function part{index}(input, options = {{}}) {{\n  const {{ depth = {index}, label = 'part {index}' }} = \
             options;\n  const seen = new Map();\n  for (const [key, value] of Object.entries(input)) {{\n    if (typeof value === 'number' \
             && value % {} === 0) seen.set(key, value * depth);\n    else if (Array.isArray(value)) seen.set(key, value.map((item) => \
             `${{label}}:${{item}}`).join(','));\n    else seen.set(key, String(value));\n  }}\n  return seen.size + depth;\n}};\n",
            index % 7 + 1
        );
    }
    let _ = write!(
        text,
        "let sum = 0;\nfor (let i = 0; i < {FUNCTIONS}; i += {CALLED}) sum += table['part' + i]({{ a: i, b: [i], c: 'x' }});\nconsole.log(sum);\n"
    );
    text
}

pub(crate) fn bundle(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let place = tempfile::tempdir()?;
    let kept = || CodeOptions { folder: Some(place.path().join("scripts")), ..CodeOptions::default() };
    let text = script();
    let calls = FUNCTIONS / CALLED;
    let right = format!("{}\n", calls * 3 + (0..FUNCTIONS).step_by(CALLED).sum::<usize>());
    let scripts = Scripts::open(2, kept())?;
    let run = |scripts: &Scripts| -> Result<Duration, Failure> {
        let session = scripts.session();
        bed::put_file(&session, "/home/agent/bundle.js", text.as_bytes())?;
        std::thread::sleep(FULL_AFTER);
        scripts.run(&session, &["bundle.js"], &right)
    };
    let cold = run(&scripts)?;
    // Twice, since what is called later is added.
    run(&scripts)?;
    run(&scripts)?;
    let mut times = Vec::new();
    let mut timer = Timer::begin()?;
    for _ in 0..effort.pick(40, 3) {
        let took = run(&scripts)?;
        timer.record(Instant::now().checked_sub(took).unwrap_or_else(Instant::now));
        times.push(ms(took));
    }
    let measured = timer.end();
    let found = scripts.isolates.code_counts();
    drop(scripts);
    let from_disk = run(&Scripts::open(2, kept())?)?;
    let times_run = times.len();
    let ours = median(times.into_iter());
    let measured = measured
        .with("size", "MB", text.len() as f64 / 1e6)
        .with("cold", "ms", ms(cold))
        .with("from disk", "ms", ms(from_disk))
        .with("kept", "MB", found.bytes as f64 / 1e6);
    let file = place.path().join("bundle.js");
    std::fs::write(&file, &text)?;
    let cpu = measured.cpu_ms / times_run as f64;
    let measured = measured.with("CPU", "ms", cpu);
    Ok(match of_host(&file, effort.pick(10, 2))? {
        Some((host, host_cpu)) => measured
            .with("host's", "ms", host)
            .with("ours/host's", "x", ours / host)
            .with("host's CPU", "ms", host_cpu)
            .with("CPU of ours/host's", "x", cpu / host_cpu),
        None => measured,
    })
}

/// The host's `node`, if it has one, without a code cache: milliseconds, and those of CPU time.
fn of_host(file: &Path, times: usize) -> Result<Option<(f64, f64)>, Failure> {
    let run = || {
        let begun = Instant::now();
        let done = std::process::Command::new("node").arg(file).output().ok().filter(|done| done.status.success());
        done.map(|_| ms(begun.elapsed()))
    };
    if run().is_none() {
        return Ok(None);
    }
    let before = machine::children_cpu_time()?;
    let wall = median((0..times).filter_map(|_| run()));
    Ok(Some((wall, ms(machine::children_cpu_time()? - before) / times as f64)))
}

pub(crate) fn idle(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let scripts = Scripts::open(0, CodeOptions::default())?;
    let count = effort.pick(40, 4);
    let session = scripts.session();
    // The first takes what all share.
    scripts.run(&session, &["-e", "0"], "")?;
    let before = machine::resident_bytes()?;
    let work = "const all = []; for (let i = 0; i < 2e5; i++) all.push({ i, text: 'item ' + i }); console.log('ready'); \
                process.stdin.resume()";
    let line = Command {
        stdio: [Stdio::Pipe, Stdio::Pipe, Stdio::Null],
        ..Command::new(&scripts.node.template(), ["node", "-e", work])
    };
    let timer = Timer::begin()?;
    let mut running = Vec::new();
    for _ in 0..count {
        let session = scripts.session();
        let program = scripts.executor.block_on(async {
            let program = line.launch(&session).await?;
            let mut said = Vec::new();
            while !said.ends_with(b"ready\n") {
                program.stdout.as_ref().ok_or("no output")?.read(64, &mut said).await?;
            }
            Ok::<_, Failure>(program)
        })?;
        running.push(program);
    }
    let each = |now: u64| now.saturating_sub(before) as f64 / count as f64 / f64::from(1 << 20);
    let at_once = each(machine::resident_bytes()?);
    std::thread::sleep(QUIET * 6);
    let rested = each(machine::resident_bytes()?);
    Ok(timer.end().with("each", "MiB", rested).with("before", "MiB", at_once))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
