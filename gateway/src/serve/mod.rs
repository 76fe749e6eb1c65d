//! `warren serve`: the sessions of this machine, for clients that come and go.
//!
//! ```text
//! config ──▶ data folder, locked ──▶ engine ──▶ Sessions ──▶ listener ──▶ "warren serves at …" ──▶ a signal
//!                                                                                                     │
//!   exit 0 ◀── sessions at rest, all kept ◀── requests end, streams are closed ◀── nothing accepted ◀─┘
//! ```
//! There are two executors: guests run on one, clients are answered on the other, whose threads the system prefers, so
//! that a busy guest costs no client its answer.

mod base;
mod bookkeeping;
mod listener;
mod log;
mod notify;
mod refusals;
mod traces;

use crate::http::admission::{self, Admission};
use crate::http::{self, App};
use crate::metrics::Metrics;
use crate::output;
use crate::software::{self, SoftwareError};
pub(crate) use base::has_secrets;
use base::{Configured, Installed};
use clap::Args;
use refusals::Refusals;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use warren_cluster::audit::{Audit, AuditOptions};
use warren_cluster::folder::Folder;
use warren_cluster::keeper::{Keeper, Once};
use warren_cluster::registry::{KeyText, Registry, USED_EVERY};
use warren_cluster::usage::Usage;
use warren_config::{Config, ConfigError, Sources};
use warren_isolate::{CodeOptions, Isolates, Options as IsolateOptions};
use warren_session::Sessions;
use warren_session::durability::Durability;
use warren_session::id::TenantId;
use warren_session::sessions::Options;
use warren_wasi_posix::share::Shares;
use warren_wasi_posix::system::{SystemHost, guests_executor};
use warren_wasi_posix::{EngineOptions, Wasm};

/// The file in the data folder that a server holds locked; it says which server.
pub(crate) const LOCK: &str = "server.lock";
/// The file in the data folder with the key that was made at the first start, for this user's own clients.
pub(crate) const KEY_FILE: &str = "client.key";
/// How long a folder that another process has is waited for, and how often it is looked at.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// How often the journal is looked at.
const TIDY: Duration = Duration::from_secs(5);
/// How long it is between two looks for what nobody refers to, at least.
const SWEEP: Duration = Duration::from_secs(60);
/// How often old answers are looked for.
const FORGET: Duration = Duration::from_secs(3600);
/// How many times as long as the look before took it is then, at least: looking goes through all sessions.
const SWEEP_REST: u32 = 20;

#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// The configuration file, instead of $WARREN_CONFIG, $XDG_CONFIG_HOME/warren/config.toml or
    /// /etc/warren/config.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address and port to listen on (`server.listen`); port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Folder of all that is kept (`data.dir`).
    #[arg(long, value_name = "DIR")]
    dir: Option<String>,
    /// Makes one more key that may do everything, for an owner who has lost all others.
    #[arg(long)]
    new_key: bool,
    /// Which lines are logged (`log.level`).
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("log.level: {0}; give error, warn, info, debug or trace, or PART=LEVEL with commas between")]
    Level(String),
    #[error("spans cannot be sent: {0}; look at telemetry.otlp_endpoint and the OTEL_EXPORTER_OTLP variables")]
    Telemetry(String),
    #[error("the data folder {path} cannot be used: {source}; give another by --dir or data.dir")]
    Data { path: PathBuf, source: std::io::Error },
    #[error(
        "another server uses the data folder {path} ({holder}); stop it, or give this one a folder of its own by --dir"
    )]
    Locked { path: PathBuf, holder: String },
    #[error("cannot listen on {address}: {source}; another server may be there: give another port by --listen")]
    Listen { address: String, source: std::io::Error },
    #[error("the data folder cannot be opened: {0}")]
    Keeper(#[from] warren_cluster::folder::OpenError),
    #[error(transparent)]
    Keys(#[from] warren_cluster::registry::FirstError),
    #[error("the tenants cannot be read: {0}")]
    Tenants(#[from] warren_cluster::registry::RegistryError),
    #[error(transparent)]
    Software(#[from] SoftwareError),
    #[error(transparent)]
    Engine(#[from] warren_wasi_posix::engine::EngineError),
    #[error("cannot start the executor: {0}")]
    Executor(std::io::Error),
}

pub(crate) fn serve(arguments: &ServeArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let config = Arc::new(arguments.sources().load().map_err(ServeError::Config)?.config);
    let traces = log::start(&config)?;
    let lock = lock(&config.data.dir)?;
    let guests = guests_executor().map_err(ServeError::Executor)?;
    let mut clients = Builder::new_multi_thread();
    let clients = clients.enable_all().thread_name("clients").build().map_err(ServeError::Executor)?;
    clients.block_on(run(&config, &guests, lock, arguments.new_key))?;
    traces.end();
    // Whatever of a guest still runs has nobody left to run for.
    guests.shutdown_background();
    clients.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

impl ServeArguments {
    fn sources(&self) -> Sources {
        let flags = [("server.listen", &self.listen), ("data.dir", &self.dir), ("log.level", &self.level)];
        Sources {
            file: self.config.clone(),
            flags: flags.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect(),
            ..Sources::of_this_process()
        }
    }
}

/// What the configuration's types alone do not say.
pub(crate) fn check_level(settings: &warren_config::settings::Log) -> Result<(), ServeError> {
    log::filter(settings).map(drop).map_err(ServeError::Level)
}

async fn run(config: &Arc<Config>, guests: &Runtime, mut lock: File, new_key: bool) -> Result<(), ServeError> {
    // Asked for before anything is served: no signal is lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Executor)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Executor)?;
    let address = config.server.listen;
    let refused = |source| ServeError::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let told = writeln!(lock, "process {} at http://{address}", std::process::id()).and_then(|()| lock.sync_all());
    told.map_err(|source| ServeError::Data { path: config.data.dir.clone(), source })?;
    // Before anything is there to be measured.
    let _ = Metrics::of_this_process();
    let keeper = keeper(config).await?;
    let registry = keeper.registry();
    let key_file = config.data.dir.join(KEY_FILE);
    let key = match (registry.begin(&key_file).await?, new_key) {
        (None, true) => Some(registry.new_first(&key_file).await?),
        (first, _) => first,
    };
    let usage = Usage::new(keeper.store().clone(), Arc::new(SystemHost));
    let kept = AuditOptions { keep: config.audit.keep.0, bytes_max: config.audit.bytes_max.0 };
    let audit = Audit::new(keeper.store().clone(), Arc::new(SystemHost), kept);
    let (sessions, shares) = sessions(config, guests, Arc::new(keeper.clone()), usage.clone(), audit.clone()).await?;
    let app = app(config, &keeper, &registry, &sessions, (&usage, audit), shares, guests.handle());
    for tenant in registry.all_tenants().await? {
        http::quotas::apply(&app, &*registry.tenant(&tenant).await?);
        if tenant != TenantId::embedded() {
            sessions.look_after(&tenant);
        }
    }
    let kept_up = tokio::spawn(upkeep(keeper.clone(), registry.clone(), app.once.clone(), app.stop.clone()));
    let counted = tokio::spawn(bookkeeping::run(app.clone(), keeper.clone()));
    let stop = app.stop.clone();
    let told = tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
        notify::stopping();
        stop.cancel();
    });
    output::line(format!("warren serves at http://{address}, data in {}", config.data.dir.display()));
    if let Some(key) = key {
        show(&key, &key_file);
    }
    notify::ready();
    listener::listen(listener, http::router(app.clone()), &app).await;
    told.abort();
    sessions.stop().await;
    kept_up.abort();
    counted.abort();
    bookkeeping::end(&app).await;
    if let Err(error) = registry.write_used().await {
        tracing::warn!(%error, "when keys were last used could not be written");
    }
    if let Err(error) = keeper.sync().await {
        tracing::error!(%error, "the journal could not be synced");
    }
    tracing::info!("stopped");
    drop(lock);
    Ok(())
}

fn app(
    config: &Arc<Config>,
    keeper: &Keeper,
    registry: &Registry,
    sessions: &Sessions,
    (usage, audit): (&Usage, Audit),
    shares: Shares,
    guests: &Handle,
) -> App {
    App {
        metrics: Metrics::of_this_process(),
        guests: guests.clone(),
        sessions: sessions.clone(),
        registry: registry.clone(),
        once: keeper.once(),
        sockets: http::Sockets::new(config.server.websockets_max),
        shares,
        config: config.clone(),
        admission: Arc::new(Admission::new(config, sessions.accounts().clone())),
        audit,
        usage: usage.clone(),
        stop: CancellationToken::new(),
    }
}

async fn sessions(
    config: &Config,
    guests: &Runtime,
    durability: Arc<dyn Durability>,
    usage: Usage,
    audit: Audit,
) -> Result<(Sessions, Shares), ServeError> {
    let store = software::open_store()?;
    // The first start fetches the default commands. Without a network it serves what there is: files, and no command.
    if let Err(error) = software::installed(&store) {
        output::error(&error);
        output::note("sessions have no commands until there is software");
    }
    let root = store.root().to_owned();
    let wasm =
        Wasm::new(&EngineOptions { cache: Some(root.clone()), ..EngineOptions::default() }, guests.handle().clone())?;
    let isolates = IsolateOptions {
        warm: config.node.isolates_ready.min(ISOLATES_READY_MAX),
        quiet: config.node.quiet.0,
        code: CodeOptions {
            memory_bytes: usize::try_from(config.node.code_bytes_max.0).unwrap_or(usize::MAX),
            folder_bytes: config.node.code_disk_bytes_max.0,
            ..code_of_scripts(&root)
        },
        ..IsolateOptions::default()
    };
    let isolates = Isolates::new(isolates, wasm.shares(), guests.handle().clone());
    let shares = wasm.shares().clone();
    let options = Options {
        secrets: Arc::new(Configured(config.secrets.clone())),
        software: Arc::new(Installed::new(root, wasm, isolates, guests.handle().clone())),
        awake_max: config.sessions.awake_max,
        quotas: admission::node_quotas(config),
        meter: Arc::new(usage),
        egress: warren_egress::Options {
            witness: Arc::new(Refusals(audit)),
            connections_max: config.egress.connections_max,
            ..warren_egress::Options::default()
        },
        grace: config.sessions.grace.0,
    };
    Ok((Sessions::start(durability, options).await, shares))
}

/// Isolates that wait for a program, however many are asked for.
const ISOLATES_READY_MAX: usize = 256;

/// Where compiled code of JavaScript is kept, below the store's folder.
pub(crate) fn code_of_scripts(root: &std::path::Path) -> CodeOptions {
    CodeOptions { folder: Some(root.join("scripts")), ..CodeOptions::default() }
}

/// What keeps the sessions. Reads the journal, so that everything acknowledged is there before a client is answered.
async fn keeper(config: &Config) -> Result<Keeper, ServeError> {
    let folder = Folder { key_file: config.data.key_file.clone(), ..Folder::new(&config.data.dir) };
    // Files of sessions are fetched beside the clients, where no guest can be in the way.
    let clients = Handle::current();
    let opened = tokio::task::spawn_blocking(move || folder.open(Arc::new(SystemHost), clients)).await;
    let (keeper, found) = opened.map_err(|error| ServeError::Executor(error.into()))??;
    if found.entries > 0 {
        tracing::info!(sessions = found.sessions, entries = found.entries, "read the journal");
    }
    if !found.unreadable.is_empty() || !found.log.damage.is_empty() || !found.log.missing.is_empty() {
        tracing::error!(found = ?found, "parts of the journal are damaged; the sessions that need them will say so");
    }
    Ok(keeper)
}

/// Shows a new key to whoever started the server. A log keeps what it is told for long and for many, so it is told only
/// where the key is.
fn show(key: &KeyText, file: &Path) {
    match std::env::var_os("JOURNAL_STREAM") {
        None => output::line(format!("key: {}", key.reveal())),
        Some(_) => output::line(format!("a new key is in {}", file.display())),
    }
}

/// Keeps the journal short, clears away what nobody refers to, and writes when keys were last used.
async fn upkeep(keeper: Keeper, registry: Registry, once: Once, stop: CancellationToken) {
    let sweeping = async {
        loop {
            let begun = Instant::now();
            sweep_all(&keeper, &registry).await;
            tokio::time::sleep(SWEEP.max(begun.elapsed() * SWEEP_REST)).await;
        }
    };
    let forgetting = async {
        let mut due = tokio::time::interval(FORGET);
        loop {
            due.tick().await;
            if let Err(error) = once.sweep().await {
                tracing::warn!(%error, "answers that are kept no longer could not be cleared away");
            }
        }
    };
    let tidying = async {
        let mut tidy = tokio::time::interval(TIDY);
        loop {
            tidy.tick().await;
            keeper.tidy().await;
        }
    };
    let noting = async {
        let mut used = tokio::time::interval(USED_EVERY);
        loop {
            used.tick().await;
            if let Err(error) = registry.write_used().await {
                tracing::warn!(%error, "when keys were last used could not be written");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = sweeping => {}
        () = forgetting => {}
        () = tidying => {}
        () = noting => {}
    }
}

async fn sweep_all(keeper: &Keeper, registry: &Registry) {
    let tenants = match registry.all_tenants().await {
        Ok(tenants) => tenants,
        Err(error) => return tracing::warn!(%error, "the tenants could not be read; nothing is cleared away"),
    };
    for tenant in tenants {
        match keeper.sweep(&tenant).await {
            Ok(swept) => tracing::debug!(%tenant, ?swept, "cleared away what nobody refers to"),
            Err(error) => tracing::warn!(%tenant, %error, "what nobody refers to could not be cleared away"),
        }
    }
}

/// Takes the data folder for this process; the system gives it back however the process ends.
fn lock(folder: &Path) -> Result<File, ServeError> {
    let wrong = |source| ServeError::Data { path: folder.to_owned(), source };
    make_private(folder).map_err(wrong)?;
    let path = folder.join(LOCK);
    let mut options = File::options();
    let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(wrong)?;
    let begun = Instant::now();
    let locked = loop {
        match file.try_lock() {
            // A server that was killed a moment ago may still be on its way out.
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
            locked => break locked,
        }
    };
    match locked {
        Ok(()) => {
            file.set_len(0).and_then(|()| file.rewind()).map_err(wrong)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.take(256).read_to_string(&mut holder);
            Err(ServeError::Locked { path: folder.to_owned(), holder: holder.trim().to_owned() })
        }
        Err(TryLockError::Error(source)) => Err(wrong(source)),
    }
}

/// A folder that only this user can look into.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
