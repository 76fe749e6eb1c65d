//! `warren run`: one session in this process, one command in it.
//!
//! ```text
//! our stdin ──thread──▶ pipe ──▶ command ──▶ pipe ──thread──▶ our stdout, stderr
//! ```
//! The status is the command's, 128 + n when a signal ended it. What the policy refused and which faults ended
//! processes is said on standard error afterwards.

use crate::output;
use crate::serve::code_of_scripts;
use crate::software::{self, SoftwareError};
use crate::terminal::{self, TerminalError};
use clap::Args;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use warren_egress::{Carrier, RuleError, Rules, Way};
use warren_isolate::{Isolates, Options as IsolateOptions};
use warren_kernel::event::{Event, What};
use warren_kernel::id::{Gid, Pid, Uid};
use warren_kernel::policy::{Domain, Effect, Policy, PolicyError};
use warren_kernel::process::{ExitStatus, strings};
use warren_kernel::user::Credentials;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::mount::Mounted;
use warren_kernel::vfs::open::At;
use warren_kernel::{CallError, Errno, Halt, Session, Template};
use warren_mounts::host_directory::{HostDirectory, OpenError, Options};
use warren_wasi_posix::layer::{self, StoreBlobs};
use warren_wasi_posix::node::{Command, Finished, Node, PipeEnd, Running, Stdio};
use warren_wasi_posix::{EngineOptions, Wasm};

/// Processes that can live at once in one `warren run`.
const PROCESSES: u32 = 300;
/// How long what a command sent outside may take to be sent on when it has ended.
const DRAINED_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// What the session may do (TOML); without it everything inside the session and nothing outside.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Sets an environment variable. Nothing of this process's environment is passed in.
    #[arg(long = "env", value_name = "K=V")]
    environment: Vec<String>,
    /// Mounts a folder of this machine, read-only unless `:rw` is added.
    #[arg(long = "mount", value_name = "HOST:GUEST[:rw]")]
    mounts: Vec<String>,
    /// Sets a limit; see `docs/limits.md` for names. Sizes may end in k, m or g.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
    /// Lets it reach this outside: HOST, HOST:PORT, *.HOST, an address or a network, `public` for all of the internet,
    /// local:HOST:PORT where the host is in a network of yours. Without it, nothing.
    #[arg(long = "allow-net", value_name = "HOST[:PORT]")]
    allow_net: Vec<String>,
    /// Runs as this user of the session: root, agent, nobody, or UID[:GID].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Begins in this directory of the session.
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Captures the output and prints one JSON object: status, signal, stdout, stderr, times, events.
    #[arg(long)]
    json: bool,
    /// Runs the command on a terminal of its own, which is this one: keys, window size, Ctrl-C and Ctrl-Z go to it. TERM is
    /// passed in. Without a command it is a shell.
    #[arg(short, long, conflicts_with = "json")]
    tty: bool,
    /// One argument is a line for the shell, several are a command and its arguments.
    #[arg(
        required_unless_present = "tty",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

/// Why the command was not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("--env {0}: give NAME=VALUE")]
    Environment(String),
    #[error("--env {0}: the policy does not let this variable in (domain `environment`)")]
    EnvironmentDenied(String),
    #[error("--allow-net {0}")]
    Egress(#[from] RuleError),
    #[error("--limit {0}: give NAME=VALUE with a whole number, e.g. --limit processes=64 or file_bytes=512m")]
    Limit(String),
    #[error("--limit: {0}")]
    UnknownLimit(#[from] warren_kernel::limits::UnknownLimit),
    #[error("--mount {0}: give HOST:GUEST or HOST:GUEST:rw, GUEST being an absolute path")]
    Mount(String),
    #[error("--mount {0}: {1}")]
    MountOpen(String, OpenError),
    #[error("--mount {0}: cannot mount there: {1}")]
    MountAt(String, Errno),
    #[error("--user {0}: no such user; give root, agent, nobody, or UID[:GID]")]
    User(String),
    #[error("--cwd {0}: give an absolute path of the session")]
    Cwd(String),
    #[error("--policy {path}: {source}")]
    PolicyRead { path: PathBuf, source: std::io::Error },
    #[error("--policy {path}: {source}")]
    PolicyParse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("--policy: {0}")]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Software(#[from] SoftwareError),
    #[error(transparent)]
    Engine(#[from] warren_wasi_posix::engine::EngineError),
    #[error("the installed software cannot be laid out: {0}; `warren software remove` the package")]
    Layer(#[from] warren_kernel::vfs::layer::LayerError),
    #[error(transparent)]
    Store(#[from] warren_wasi_posix::software::StoreError),
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    #[error("cannot start the executor: {0}")]
    Executor(std::io::Error),
}

pub(crate) fn run(arguments: &RunArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Executor)?;
    let code = run_on(arguments, runtime.handle())?;
    // A thread may still wait for our standard input, which nothing here can interrupt.
    runtime.shutdown_background();
    let _ = std::io::stdout().flush();
    Ok(code)
}

fn run_on(arguments: &RunArguments, handle: &Handle) -> Result<ExitCode, RunError> {
    if arguments.tty && !std::io::stdin().is_terminal() {
        return Err(TerminalError::NoTerminal.into());
    }
    let store = software::open_store()?;
    let projection = software::installed(&store)?;
    let root = store.root().to_owned();
    let options = EngineOptions { cache: Some(root.clone()), processes: PROCESSES, ..EngineOptions::default() };
    let wasm = Wasm::new(&options, handle.clone())?;
    let layer = layer::build_with(&projection, &(Arc::new(StoreBlobs(store)) as _), &[warren_isolate::COMMAND])?;
    // One is made when the command asks for it.
    let isolates = Isolates::new(
        IsolateOptions { warm: 0, code: code_of_scripts(&root), ..IsolateOptions::default() },
        wasm.shares(),
        handle.clone(),
    );
    let node = Node::new(wasm, layer, projection.env, handle.clone()).with_guests(Arc::new(isolates));
    let template = template(arguments, node.template())?;
    let way = way_out(arguments, handle)?;
    let session = node.through(Arc::new(way.clone())).session(template.clone());
    for mount in &arguments.mounts {
        handle.block_on(add_mount(&session, &template, mount))?;
    }
    let command = command(arguments, &template);
    let started = Instant::now();
    let code = match (arguments.json, arguments.tty) {
        (true, _) => captured(&session, &command, handle, started),
        (false, true) => on_terminal(&session, &command, handle)?,
        (false, false) => passed_through(&session, &command, handle),
    };
    // Whatever is left ends, and what was sent last goes out.
    end_session(&session);
    let _ = handle.block_on(async { tokio::time::timeout(DRAINED_WITHIN, way.drained()).await });
    Ok(code)
}

/// The way out that the arguments ask for.
fn way_out(arguments: &RunArguments, handle: &Handle) -> Result<Way, RuleError> {
    let carrier = Carrier::new(warren_egress::Options::default(), handle.clone());
    Ok(Way::new(&carrier, "default", Arc::default(), Rules::parse(&arguments.allow_net)?))
}

fn on_terminal(session: &Session, command: &Command, handle: &Handle) -> Result<ExitCode, RunError> {
    let launched = handle.block_on(command.launch_on_terminal(session, terminal::window_size()));
    let running = match launched {
        Ok(running) => running,
        Err(error) => return Ok(not_launched(session, command, error)),
    };
    let status = terminal::attend(running, handle, end_session)?;
    say(&session.with(|kernel| kernel.events_since(0)).1);
    Ok(ExitCode::from(status.shell_code()))
}

fn template(arguments: &RunArguments, mut template: Template) -> Result<Template, RunError> {
    template.policy = Arc::new(Policy::with_way_out());
    if let Some(path) = &arguments.policy {
        let text =
            std::fs::read_to_string(path).map_err(|source| RunError::PolicyRead { path: path.clone(), source })?;
        template.policy = Arc::new(
            policy(&text).map_err(|source| RunError::PolicyParse { path: path.clone(), source: Box::new(source) })?,
        );
    }
    template.policy.validate()?;
    for limit in &arguments.limits {
        let parsed = limit.split_once('=').and_then(|(name, value)| Some((name, size(value)?)));
        let (name, value) = parsed.ok_or_else(|| RunError::Limit(limit.clone()))?;
        template.limits.set(name, value)?;
    }
    let mut environment: Vec<Vec<u8>> = template.environment.iter().map(|entry| entry.to_vec()).collect();
    if let Some(name) = &arguments.user {
        let (credentials, account) = user(name).ok_or_else(|| RunError::User(name.clone()))?;
        template.user = credentials;
        if let Some((name, home)) = account {
            set(&mut environment, "USER", name);
            set(&mut environment, "LOGNAME", name);
            set(&mut environment, "HOME", home);
            template.cwd = home.as_bytes().into();
        }
    }
    for entry in &arguments.environment {
        let (name, value) = entry
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| RunError::Environment(entry.clone()))?;
        if template.policy.decide(Domain::Environment, name.as_bytes()) == Effect::Deny {
            return Err(RunError::EnvironmentDenied(name.to_owned()));
        }
        set(&mut environment, name, value);
    }
    if arguments.tty && !environment.iter().any(|entry| entry.starts_with(b"TERM=")) {
        let name = std::env::var("TERM").ok().filter(|name| !name.is_empty());
        set(&mut environment, "TERM", name.as_deref().unwrap_or("xterm-256color"));
    }
    template.environment = strings(environment);
    if let Some(cwd) = &arguments.cwd {
        if !cwd.starts_with('/') {
            return Err(RunError::Cwd(cwd.clone()));
        }
        template.cwd = cwd.as_bytes().into();
    }
    Ok(template)
}

/// A policy file: a domain it does not name keeps what a session may do anyway.
fn policy(text: &str) -> Result<Policy, toml::de::Error> {
    let given: toml::Table = toml::from_str(text)?;
    let mut whole = toml::Table::try_from(Policy::with_way_out()).map_err(serde::de::Error::custom)?;
    for (domain, rules) in given {
        whole.insert(domain, rules);
    }
    whole.try_into()
}

fn set(environment: &mut Vec<Vec<u8>>, name: &str, value: &str) {
    let prefix = format!("{name}=");
    environment.retain(|entry| !entry.starts_with(prefix.as_bytes()));
    environment.push(format!("{name}={value}").into_bytes());
}

/// A whole number, perhaps of k, m or g (1024 each).
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.to_ascii_lowercase().chars().last()? {
        'k' => (&text[..text.len() - 1], 10),
        'm' => (&text[..text.len() - 1], 20),
        'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

type Account = (&'static str, &'static str);

fn user(name: &str) -> Option<(Credentials, Option<Account>)> {
    let known = |uid, name, home| Some((Credentials::new(Uid(uid), Gid(uid)), Some((name, home))));
    match name {
        "root" => known(0, "root", "/root"),
        "agent" => known(layer::USER_ID, layer::USER, layer::HOME),
        "nobody" => known(65_534, "nobody", "/"),
        _ => {
            let (uid, gid) = name.split_once(':').unwrap_or((name, name));
            Some((Credentials::new(Uid(uid.parse().ok()?), Gid(gid.parse().ok()?)), None))
        }
    }
}

async fn add_mount(session: &Session, template: &Template, text: &str) -> Result<(), RunError> {
    let (spec, read_only) = match text.strip_suffix(":rw") {
        Some(spec) => (spec, false),
        None => (text.strip_suffix(":ro").unwrap_or(text), true),
    };
    let (host, guest) = spec
        .rsplit_once(':')
        .filter(|(host, guest)| !host.is_empty() && guest.starts_with('/'))
        .ok_or_else(|| RunError::Mount(text.to_owned()))?;
    let options = Options { read_only, owner: (template.user.uid, template.user.gid) };
    let directory = HostDirectory::open(host, options).map_err(|error| RunError::MountOpen(text.to_owned(), error))?;
    let driver: Arc<dyn warren_kernel::vfs::driver::FileSystem> = Arc::new(directory);
    let mounted = session
        .call(Pid::INIT, |kernel, call| {
            // The mount point is made like mkdir -p, so that any path can be one.
            let mut path = Vec::new();
            for part in guest.split('/').filter(|part| !part.is_empty()) {
                path.push(b'/');
                path.extend_from_slice(part.as_bytes());
                match kernel.mkdir(call, At::Root, &path, Mode::new(0o755)) {
                    Ok(()) | Err(Halt::Fail(Errno::EEXIST)) => {}
                    Err(halt) => return Err(halt),
                }
            }
            kernel.mount(call, guest.as_bytes(), Mounted::Driver(driver.clone()), read_only)
        })
        .await;
    match mounted {
        Ok(_) => Ok(()),
        Err(CallError::Failed(errno)) => Err(RunError::MountAt(text.to_owned(), errno)),
        Err(CallError::Doomed(_) | CallError::Interrupted { .. }) => {
            Err(RunError::MountAt(text.to_owned(), Errno::EIO))
        }
    }
}

fn command(arguments: &RunArguments, template: &Template) -> Command {
    match arguments.command.as_slice() {
        [] => Command::new(template, ["bash"]),
        [program] if arguments.tty && !program.contains(char::is_whitespace) => Command::new(template, [program]),
        [line] => Command::shell(template, line),
        words => Command::new(template, words),
    }
}

/// Launches, or says why not and which status a shell would give that.
async fn launch(session: &Session, command: &Command) -> Result<Running, ExitCode> {
    command.launch(session).await.map_err(|error| not_launched(session, command, error))
}

fn not_launched(session: &Session, command: &Command, error: CallError) -> ExitCode {
    let (errno, code) = refusal(error);
    say(&session.with(|kernel| kernel.events_since(0)).1);
    output::note(format!("{}: {errno}", String::from_utf8_lossy(&command.program)));
    ExitCode::from(code)
}

/// Why a command was not started, and the status a shell would give that.
fn refusal(error: CallError) -> (Errno, u8) {
    let errno = match error {
        CallError::Failed(errno) => errno,
        CallError::Doomed(_) | CallError::Interrupted { .. } => Errno::EIO,
    };
    (errno, if errno == Errno::ENOENT { 127 } else { 126 })
}

fn passed_through(session: &Session, command: &Command, handle: &Handle) -> ExitCode {
    let mut running = match handle.block_on(launch(session, command)) {
        Ok(running) => running,
        Err(code) => return code,
    };
    if let Some(end) = running.stdin.take() {
        let handle = handle.clone();
        std::thread::spawn(move || pump_in(&handle, &end));
    }
    let outputs = [(running.stdout.take(), 1), (running.stderr.take(), 2)].map(|(end, to)| {
        let handle = handle.clone();
        std::thread::spawn(move || end.map(|end| pump_out(&handle, &end, to)))
    });
    let status = handle.block_on(running.wait()).map_or(ExitStatus::Exited(1), |(status, _)| status);
    end_session(session);
    for output in outputs {
        let _ = output.join();
    }
    say(&session.with(|kernel| kernel.events_since(0)).1);
    ExitCode::from(status.shell_code())
}

/// The command has ended, and with it the session: what it left running is killed.
fn end_session(session: &Session) {
    session.with(|kernel| {
        let left: Vec<Pid> = kernel.processes().map(|process| process.pid).collect();
        for pid in left {
            kernel.signal_process(pid, warren_kernel::signal::Signal::KILL);
        }
    });
}

fn pump_in(handle: &Handle, end: &PipeEnd) {
    let mut buffer = vec![0; 64 * 1024];
    let mut input = std::io::stdin().lock();
    while let Ok(count @ 1..) = input.read(&mut buffer) {
        if handle.block_on(end.write_all(&buffer[..count])).is_err() {
            return;
        }
    }
}

fn pump_out(handle: &Handle, end: &PipeEnd, to: i32) {
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        buffer.clear();
        match handle.block_on(end.read(64 * 1024, &mut buffer)) {
            Ok(1..) => {}
            _ => return,
        }
        let written = if to == 1 {
            let mut out = std::io::stdout().lock();
            out.write_all(&buffer).and_then(|()| out.flush())
        } else {
            std::io::stderr().lock().write_all(&buffer)
        };
        if written.is_err() {
            return;
        }
    }
}

/// The outcome of `--json`.
#[derive(serde::Serialize)]
struct Report<'a> {
    status: u8,
    signal: Option<String>,
    /// Why the command was not started, by the name of its errno.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    stdout: std::borrow::Cow<'a, str>,
    stderr: std::borrow::Cow<'a, str>,
    cpu_ms: f64,
    wall_ms: f64,
    events: Vec<Event>,
}

fn captured(session: &Session, command: &Command, handle: &Handle, started: Instant) -> ExitCode {
    let command = Command { stdio: [Stdio::Null, Stdio::Pipe, Stdio::Pipe], ..command.clone() };
    let (finished, error) = match handle.block_on(command.launch(session)) {
        Ok(running) => match handle.block_on(running.finish()) {
            Ok(finished) => (finished, None),
            Err(errno) => {
                output::note(errno);
                return ExitCode::FAILURE;
            }
        },
        Err(error) => {
            let (errno, code) = refusal(error);
            let status = ExitStatus::Exited(code);
            (Finished { status, cpu: Duration::ZERO, stdout: Vec::new(), stderr: Vec::new() }, Some(errno.name()))
        }
    };
    let signal = match finished.status {
        ExitStatus::Exited(_) => None,
        ExitStatus::Signaled(signal) => Some(signal.to_string()),
    };
    let report = Report {
        status: finished.status.shell_code(),
        signal,
        error,
        stdout: String::from_utf8_lossy(&finished.stdout),
        stderr: String::from_utf8_lossy(&finished.stderr),
        cpu_ms: finished.cpu.as_secs_f64() * 1e3,
        wall_ms: started.elapsed().as_secs_f64() * 1e3,
        events: session.with(|kernel| kernel.events_since(0)).1,
    };
    match serde_json::to_string(&report) {
        Ok(text) => output::line(text),
        Err(error) => output::note(error),
    }
    ExitCode::from(finished.status.shell_code())
}

/// Says what the policy refused, which limits were reached and which faults ended processes; each once.
fn say(events: &[Event]) {
    let mut said = Vec::new();
    for event in events {
        let text = match &event.what {
            What::Denied { domain, subject } => {
                format!("policy: {domain} {subject} denied; allow it in the file given by --policy, domain `{domain}`")
            }
            What::LimitReached { limit, errno } => {
                format!("limit `{limit}` reached ({errno:?}); raise it by --limit {limit}=N")
            }
            What::Refused { subject, reason, .. } => {
                format!("egress: {subject} refused: {reason}; `--allow-net` lets it out")
            }
            What::Faulted { reason } => format!("process {}: {reason}", event.pid),
            What::Exited { .. } => continue,
        };
        if !said.contains(&text) {
            output::note(&text);
            said.push(text);
        }
    }
}
