//! Node programs: what starting one costs, what an idle one holds, and how fast it calls the kernel; beside the pinned Node
//! of this machine, where npm has one.

use super::Effort;
use crate::bed::{self, Bed, Failure};
use crate::machine::resident_bytes;
use crate::measure::{Measured, Timer, median};
use std::path::{Path, PathBuf};
use std::process::{Command as Host, Stdio as HostStdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use warren_kernel::Session;
use warren_kernel::id::Pid;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::At;
use warren_mounts::host_directory::{HostDirectory, Options};
use warren_pinned_npm::{installed, pinned_node};
use warren_wasi_posix::node::{Command, Running, Stdio};

const HELLO: &str = "console.log('hello')";
/// What makes room in the pool again before the next start is timed.
const REFILL: Duration = Duration::from_millis(150);

/// Reads a file of 1 KiB again and again, and says how many it read in a second.
const READS: &str = "const fs = require('fs'); fs.writeFileSync('k', 'x'.repeat(1024)); let read = 0;
    const times = Number(process.argv[1] ?? process.argv[2]); for (let n = 0; n < 1000; n++) fs.readFileSync('k');
    const begun = process.hrtime.bigint(); for (let n = 0; n < times; n++) read += fs.readFileSync('k').length;
    const took = Number(process.hrtime.bigint() - begun) / 1e9;
    if (read !== times * 1024) throw Error(`read ${read}`); console.log(times / took);";

/// A server, a process of its own, and 32 requests at once to it; says how many were answered in a second.
const REQUESTS: &str = "const http = require('http'), times = Number(process.argv[1] ?? process.argv[2]);
    const serve = `require('http').createServer((_, answer) => answer.end('hello')).listen(0, '127.0.0.1', function () {
        console.log(this.address().port) })`;
    const server = require('child_process').spawn(process.execPath, ['-e', serve], { stdio: ['ignore', 'pipe', 'inherit'] });
    server.stdout.once('data', async text => {
        const agent = new http.Agent({ keepAlive: true, maxSockets: 32 }), port = Number(String(text));
        const ask = () => new Promise((done, failed) => http.get({ port, host: '127.0.0.1', agent }, answer => {
            let got = ''; answer.on('data', part => got += part).on('end', () => got === 'hello' ? done() : failed(Error(got)));
        }).on('error', failed));
        const several = async count => { let left = count;
            await Promise.all(Array.from({ length: 32 }, async () => { while (left-- > 0) await ask(); })) };
        await several(500);
        const begun = process.hrtime.bigint(); await several(times);
        console.log(times / (Number(process.hrtime.bigint() - begun) / 1e9));
        server.kill(); process.exit();
    });";

/// Pi's folder in a session, its program there.
const PI: (&str, &str) = ("/opt/pi", "node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js");
/// What it is asked as soon as it runs: it answers when it is ready.
const PI_QUESTION: &[u8] = b"{\"id\":\"1\",\"type\":\"get_state\"}\n";
const PI_ARGUMENTS: [&str; 3] = ["--mode", "rpc", "--no-session"];

pub(crate) fn hello(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    started(2, effort.pick(100, 5))
}

pub(crate) fn hello_cold(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    started(0, effort.pick(100, 5))
}

/// Sessions made, each with `node -e` in it, one after another.
fn started(warm: usize, times: usize) -> Result<Measured, Failure> {
    let bed = Bed::with_isolates(warm)?;
    let node = bed.node();
    let measured = bed.drive(async move {
        let template = node.template();
        let command = bed::command(&template, ["node", "-e", HELLO], [Stdio::Pipe; 2]);
        for _ in 0..5 {
            bed::finish(&node.session(template.clone()), &command).await?;
            tokio::time::sleep(REFILL).await;
        }
        let mut timer = Timer::begin()?;
        for _ in 0..times {
            let begun = Instant::now();
            let session = node.session(template.clone());
            let finished = bed::finish(&session, &command).await?;
            timer.record(begun);
            if finished.stdout != b"hello\n" {
                return Err(format!("unexpected output: {}", String::from_utf8_lossy(&finished.stdout)).into());
            }
            drop(session);
            tokio::time::sleep(REFILL).await;
        }
        Ok(timer.end())
    })?;
    let mut beside = Vec::new();
    for _ in 0..if times > 10 { 15 } else { 1 } {
        let Some(mut host) = host_node() else { break };
        let begun = Instant::now();
        let done = host.args(["-e", HELLO]).output()?;
        beside.push(begun.elapsed().as_secs_f64() * 1e3);
        if done.stdout != b"hello\n" {
            return Err("the host's node does not say hello".into());
        }
    }
    Ok(with_host(measured, "host p50", "ms", median(beside.into_iter())))
}

pub(crate) fn idle(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let bed = Bed::with_isolates(0)?;
    let node = bed.node();
    bed.drive(async move {
        let template = node.template();
        let script = "console.log('up'); setInterval(() => {}, 1e9)";
        let command = Command::new(&template, ["node", "-e", script]);
        let up = async || -> Result<(Session, Running), Failure> {
            let session = node.session(template.clone());
            let running = command.launch(&session).await?;
            heard(&running, b"up\n").await?;
            Ok((session, running))
        };
        let first = up().await?;
        tokio::time::sleep(settled(effort)).await;
        let before = resident_bytes()?;
        let mut timer = Timer::begin()?;
        let mut kept = vec![first];
        let count = effort.pick(50, 4);
        for _ in 0..count {
            let begun = Instant::now();
            kept.push(up().await?);
            timer.record(begun);
        }
        let measured = timer.end();
        tokio::time::sleep(settled(effort)).await;
        let each = resident_bytes()?.saturating_sub(before) as f64 / count as f64 / 1024.0 / 1024.0;
        Ok(measured.with("each", "MiB", each))
    })
}

/// How long isolates that do nothing may take until they hold what they go on to hold.
fn settled(effort: Effort) -> Duration {
    effort.pick(Duration::from_secs(8), Duration::from_millis(200))
}

pub(crate) fn read_file(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    rate(READS, effort.pick(600_000, 2_000))
}

pub(crate) fn http(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    rate(REQUESTS, effort.pick(60_000, 500))
}

/// What a script says it did a second, in a session and by the host's Node.
fn rate(script: &'static str, times: usize) -> Result<Measured, Failure> {
    let bed = Bed::with_isolates(2)?;
    let node = bed.node();
    let measured = bed.drive(async move {
        let session = node.session(node.template());
        let command = bed::command(&node.template(), ["node", "-e", script, &times.to_string()], [Stdio::Pipe; 2]);
        let mut timer = Timer::begin()?;
        let begun = Instant::now();
        let finished = bed::finish(&session, &command).await?;
        timer.record(begun);
        let said = String::from_utf8_lossy(&finished.stdout).trim().parse()?;
        Ok(timer.end().with("rate", "/s", said))
    })?;
    let Some(mut host) = host_node() else { return Ok(measured) };
    let folder = tempfile::tempdir()?;
    let done = host.args(["-e", script, &times.to_string()]).current_dir(folder.path()).output()?;
    let said = String::from_utf8_lossy(&done.stdout).trim().parse().map_err(|_| warren_pinned_npm::told(&done))?;
    Ok(with_host(measured, "host", "/s", said))
}

pub(crate) fn pi_ready(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let packages = installed("pi")?;
    let bed = Bed::with_isolates(2)?;
    let node = bed.node();
    let times = effort.pick(10, 1);
    let inside = packages.clone();
    let (measured, ready) = bed.drive(async move {
        let mut took = Vec::new();
        // The first ones make what is cached.
        for _ in 0..effort.pick(3, 1) {
            drop(pi(&node, &inside).await?);
            tokio::time::sleep(settled(effort)).await;
        }
        let mut timer = Timer::begin()?;
        for _ in 0..times {
            let begun = Instant::now();
            let ready = pi(&node, &inside).await?;
            took.push(timer.record(begun).as_secs_f64() * 1e3);
            drop(ready);
            tokio::time::sleep(REFILL).await;
        }
        Ok((timer.end(), median(took.into_iter())))
    })?;
    let home = tempfile::tempdir()?;
    let mut beside = Vec::new();
    for _ in 0..times {
        let Some(host) = host_node() else { return Ok(measured) };
        beside.push(pi_beside(host, &packages, home.path())?);
    }
    let beside = median(beside.into_iter());
    Ok(measured.with("host p50", "ms", beside).with("ready", "x host", ready / beside))
}

pub(crate) fn pi_idle(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let packages = installed("pi")?;
    let bed = Bed::with_isolates(2)?;
    let node = bed.node();
    bed.drive(async move {
        let first = pi(&node, &packages).await?;
        tokio::time::sleep(settled(effort)).await;
        let before = resident_bytes()?;
        let count = effort.pick(200, 2);
        let mut timer = Timer::begin()?;
        let mut kept = vec![first];
        for _ in 0..count {
            let begun = Instant::now();
            kept.push(pi(&node, &packages).await?);
            timer.record(begun);
        }
        let measured = timer.end();
        tokio::time::sleep(settled(effort)).await;
        let resident = resident_bytes()?;
        let each = resident.saturating_sub(before) as f64 / f64::from(count) / 1024.0 / 1024.0;
        let all = resident as f64 / 1024.0 / 1024.0 / 1024.0;
        Ok(measured.with("each", "MiB", each).with("resident", "GiB", all))
    })
}

/// A session whose Pi waits for a prompt.
async fn pi(node: &warren_wasi_posix::node::Node, packages: &Path) -> Result<(Session, Running), Failure> {
    let mut template = node.template();
    let environment = template.environment.iter().cloned().chain([Arc::from(&b"PI_OFFLINE=1"[..])]);
    template.environment = environment.collect();
    let session = node.session(template.clone());
    let owner = (template.user.uid, template.user.gid);
    let folder = HostDirectory::open(packages, Options { read_only: true, owner })?;
    let folder: Arc<dyn warren_kernel::vfs::driver::FileSystem> = Arc::new(folder);
    let mounted = session.call(Pid::INIT, |kernel, call| {
        for path in ["/opt", PI.0] {
            match kernel.mkdir(call, At::Root, path.as_bytes(), Mode::new(0o755)) {
                Ok(()) | Err(warren_kernel::Halt::Fail(warren_kernel::Errno::EEXIST)) => {}
                Err(halt) => return Err(halt),
            }
        }
        kernel.mount(call, PI.0.as_bytes(), Mounted::Driver(folder.clone()), true)
    });
    mounted.await.map_err(|error| format!("{} cannot be mounted: {error:?}", PI.0))?;
    let program = format!("{}/{}", PI.0, PI.1);
    let command = Command::new(&template, ["node", &program].into_iter().chain(PI_ARGUMENTS));
    let running = command.launch(&session).await?;
    running.stdin.as_ref().ok_or("it has an input")?.write_all(PI_QUESTION).await?;
    heard(&running, b"\"get_state\"").await?;
    Ok((session, running))
}

/// How many milliseconds the host's Node takes until its Pi is ready.
fn pi_beside(mut host: Host, packages: &Path, home: &Path) -> Result<f64, Failure> {
    use std::io::{BufRead, Write};
    host.arg(packages.join(PI.1)).args(PI_ARGUMENTS).env_clear().env("PATH", "/usr/bin:/bin").env("PI_OFFLINE", "1");
    host.env("HOME", home).current_dir(home).stdin(HostStdio::piped()).stdout(HostStdio::piped());
    let begun = Instant::now();
    let mut child = host.spawn()?;
    child.stdin.as_mut().ok_or("it has an input")?.write_all(PI_QUESTION)?;
    let mut lines = std::io::BufReader::new(child.stdout.take().ok_or("it has an output")?).lines();
    let ready = lines.any(|line| line.is_ok_and(|line| line.contains("\"get_state\"")));
    let took = begun.elapsed().as_secs_f64() * 1e3;
    child.kill()?;
    child.wait()?;
    if ready { Ok(took) } else { Err("the host's Pi does not get ready".into()) }
}

/// Reads its output until this is in it.
async fn heard(running: &Running, what: &[u8]) -> Result<(), Failure> {
    let mut said = Vec::new();
    let output = running.stdout.as_ref().ok_or("it has an output")?;
    while !said.windows(what.len()).any(|part| part == what) {
        if output.read(64 * 1024, &mut said).await? == 0 {
            let mut why = Vec::new();
            if let Some(errors) = &running.stderr {
                while errors.read(64 * 1024, &mut why).await? > 0 {}
            }
            let (said, why) = (String::from_utf8_lossy(&said), String::from_utf8_lossy(&why));
            return Err(format!("it ended before it was ready: {said} {why}").into());
        }
    }
    Ok(())
}

fn host_node() -> Option<Host> {
    pinned_node().ok().map(|path: PathBuf| Host::new(path))
}

fn with_host(measured: Measured, name: &str, unit: &str, value: f64) -> Measured {
    if value.is_nan() { measured } else { measured.with(name, unit, value) }
}
