//! `warren software`: what sessions can run, fetched, listed, removed, verified, compiled.

use crate::output;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use warren_kernel::blob::Blobs;
use warren_kernel::fetch::Image;
use warren_wasi_posix::layer::StoreBlobs;
use warren_wasi_posix::software::{
    InstallError, PackageKind, PackageRecord, Pin, Progress, Projection, Registry, Source, Store, StoreError, install,
    project,
};
use warren_wasi_posix::{EngineOptions, Wasm};

#[derive(Debug, Args)]
pub(crate) struct SoftwareArguments {
    /// Prints what was done or found as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: SoftwareCommand,
}

#[derive(Debug, Subcommand)]
enum SoftwareCommand {
    /// Fetches and installs packages by their pinned names; without a name, the default set.
    Add {
        /// Names, as `warren software list --available` shows them.
        names: Vec<String>,
        /// Installs this file or folder instead of fetching (a .tgz, an .aospkg, or a plain folder).
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// Leaves compiling to the first use of each command.
        #[arg(long)]
        no_compile: bool,
    },
    /// Lists installed packages.
    List {
        /// Lists what can be added instead.
        #[arg(long)]
        available: bool,
    },
    /// Removes a package.
    Remove {
        /// Its name.
        name: String,
    },
    /// Reads every file of one or all packages again and compares it with what was installed.
    Verify {
        /// One package only.
        name: Option<String>,
    },
    /// Compiles what has not been compiled yet.
    Compile,
}

/// Why a software command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SoftwareError {
    #[error("no cache folder: set WARREN_CACHE or HOME to a folder of yours")]
    NoCache,
    #[error("no package is called `{name}`; there are: {known}")]
    Unknown { name: String, known: String },
    #[error("`--from` installs one package: give at most one name with it")]
    OneName,
    #[error("{count} problems found; `warren software add NAME` repairs a package")]
    Damaged { count: usize },
    #[error(
        "no software is installed and it could not be fetched: {source}\n  on a machine with a network: `warren software add`, or here `warren software add commands --from FILE.tgz`"
    )]
    Missing { source: Box<SoftwareError> },
    #[error(transparent)]
    Pins(#[from] warren_config::SoftwarePinsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error(transparent)]
    Registry(#[from] warren_wasi_posix::software::npm::NpmConfigError),
    #[error(transparent)]
    Engine(#[from] warren_wasi_posix::engine::EngineError),
    #[error("cannot start the executor: {0}")]
    Executor(std::io::Error),
}

pub(crate) fn main(arguments: &SoftwareArguments) -> Result<(), Box<dyn std::error::Error>> {
    let store = open_store()?;
    let json = arguments.json;
    match &arguments.command {
        SoftwareCommand::Add { names, from, no_compile } => {
            let added = add(&store, names, from.as_deref())?;
            match json {
                true => show_packages(&added, json)?,
                false => {
                    added.iter().for_each(|it| output::line(format!("{} {} commands", it.label(), it.commands.len())))
                }
            }
            if !no_compile {
                compile_all(&store)?;
            }
        }
        SoftwareCommand::List { available: true } => show_available(json)?,
        SoftwareCommand::List { .. } => show_packages(&store.packages()?, json)?,
        SoftwareCommand::Remove { name } => {
            let removed = store.lock()?.remove(name)?;
            match json {
                true => output::line(serde_json::to_string(&removed)?),
                false => output::line(format!("removed {}", removed.label())),
            }
        }
        SoftwareCommand::Verify { name } => {
            let problems = store.verify(name.as_deref())?;
            if json {
                output::line(json!(problems.iter().map(ToString::to_string).collect::<Vec<_>>()));
            } else {
                problems.iter().for_each(output::line);
            }
            match problems.len() {
                0 if json => {}
                0 => output::line("all files are as installed"),
                count => return Err(SoftwareError::Damaged { count }.into()),
            }
        }
        SoftwareCommand::Compile => compile_all(&store)?,
    }
    Ok(())
}

fn show_packages(packages: &[PackageRecord], json: bool) -> Result<(), serde_json::Error> {
    if json {
        output::line(serde_json::to_string_pretty(packages)?);
        return Ok(());
    }
    for record in packages {
        let commands = record.commands.len();
        output::line(format!("{:<24} {commands:>4} commands  {}", record.label(), record.installed_at));
    }
    Ok(())
}

fn show_available(json: bool) -> Result<(), SoftwareError> {
    let pins = warren_config::software()?;
    if json {
        let view = |pin: &warren_config::Pin| {
            json!({
                "name": pin.name, "package": pin.package, "version": pin.version, "licence": pin.licence, "size": pin.size,
            })
        };
        output::line(serde_json::Value::Array(pins.all().iter().map(view).collect()));
        return Ok(());
    }
    for pin in pins.all() {
        let size = pin.size.map_or(String::new(), |size| format!("{} MB", size / 1_000_000));
        output::line(format!("{:<14} {} {} {} {size}", pin.name, pin.package, pin.version, pin.licence));
    }
    Ok(())
}

/// The store of this user.
pub(crate) fn open_store() -> Result<Store, SoftwareError> {
    let root = Store::default_root(&|name| std::env::var_os(name)).ok_or(SoftwareError::NoCache)?;
    Ok(Store::open(root)?)
}

/// Everything installed, laid out for a session; at first use the default set is fetched.
pub(crate) fn installed(store: &Store) -> Result<Projection, SoftwareError> {
    let mut packages = store.packages()?;
    let pins = warren_config::software()?;
    let is_there = |pin: &warren_config::Pin| {
        packages.iter().any(|record| record.is_called(&pin.name) || record.is_called(&pin.package))
    };
    if !pins.defaults().all(is_there) {
        output::note("first start: fetching the default commands (46 MB, once)");
        add(store, &[], None).map_err(|source| SoftwareError::Missing { source: Box::new(source) })?;
        compile_in_background();
        packages = store.packages()?;
    }
    Ok(project(&packages))
}

fn add(store: &Store, names: &[String], from: Option<&Path>) -> Result<Vec<PackageRecord>, SoftwareError> {
    let pins = warren_config::software()?;
    let find = |name: &String| {
        pins.find(name).map(as_pin).ok_or_else(|| SoftwareError::Unknown {
            name: name.clone(),
            known: pins.all().iter().map(|pin| pin.name.as_str()).collect::<Vec<_>>().join(", "),
        })
    };
    let bars = Bars::default();
    if let Some(path) = from {
        let pin = match names {
            [] => None,
            [name] => Some(find(name)?),
            _ => return Err(SoftwareError::OneName),
        };
        let source = Source::from_path(path, pin.as_ref())?;
        return Ok(vec![install(store, source, &|progress| bars.show(&progress))?]);
    }
    let wanted: Vec<Pin> = if names.is_empty() {
        pins.defaults().map(as_pin).collect()
    } else {
        names.iter().map(find).collect::<Result<_, _>>()?
    };
    let registry = Registry::from_environment(&|name| std::env::var_os(name), Path::new("."))?;
    let mut records = Vec::new();
    for pin in &wanted {
        records.push(install(store, Source::Pin { pin, registry: &registry }, &|progress| bars.show(&progress))?);
    }
    Ok(records)
}

fn as_pin(pin: &warren_config::Pin) -> Pin {
    Pin {
        name: pin.name.clone(),
        package: pin.package.clone(),
        version: pin.version.clone(),
        integrity: pin.integrity.clone(),
        size: pin.size,
        kind: match pin.kind {
            warren_config::PinKind::Commands => PackageKind::Commands,
            warren_config::PinKind::Aospkg => PackageKind::Aospkg,
        },
    }
}

/// Compiles every WebAssembly file of the store that this host has not compiled for this engine.
fn compile_all(store: &Store) -> Result<(), SoftwareError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(SoftwareError::Executor)?;
    let options = EngineOptions { cache: Some(store.root().to_owned()), processes: 1, ..EngineOptions::default() };
    let wasm = Wasm::new(&options, runtime.handle().clone())?;
    let blobs = StoreBlobs(Store::open(store.root())?);
    let mut contents: Vec<_> = store.packages()?.iter().flat_map(|record| record.blobs().collect::<Vec<_>>()).collect();
    contents.sort_unstable();
    contents.dedup();
    let work = std::sync::Mutex::new(Vec::new());
    for (blob, size) in contents {
        let id = warren_kernel::blob::BlobId(*blob.as_bytes());
        if let Ok(bytes) = blobs.load(&id, size)
            && (*bytes).as_ref().starts_with(b"\0asm")
            && !wasm.is_prepared(&id)
            && let Ok(mut work) = work.lock()
        {
            work.push(Image { id, bytes, shared: true });
        }
    }
    let total = work.lock().map_or(0, |work| work.len()) as u64;
    let bar = Arc::new(bar(total, "compiling", "{pos}/{len} modules"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(image) = work.lock().ok().and_then(|mut work| work.pop()) {
                    // A module that does not compile says so when it is run; here it is skipped.
                    let _ = wasm.prepare(&image);
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    Ok(())
}

/// Compiles in a process of its own, so that the first command need not wait for the others.
fn compile_in_background() {
    if let Ok(own) = std::env::current_exe() {
        let null = std::process::Stdio::null;
        let _ = std::process::Command::new(own)
            .args(["software", "compile"])
            .stdin(null())
            .stdout(null())
            .stderr(null())
            .spawn();
    }
}

/// Progress bars on standard error; none where that is no terminal.
#[derive(Default)]
struct Bars {
    present: RefCell<Option<(String, ProgressBar)>>,
}

impl Bars {
    fn show(&self, progress: &Progress<'_>) {
        let (name, done, total) = match progress {
            Progress::Downloading { package, done, total } => {
                (format!("fetching {package}"), *done, total.unwrap_or(0))
            }
            Progress::Unpacking { package, done, total } => (format!("unpacking {package}"), *done, *total),
            Progress::Compiling { package, done, total } => (format!("compiling {package}"), *done, *total),
            Progress::Verifying { package } => (format!("verifying {package}"), 0, 0),
            Progress::Waiting { what } => return output::note(format!("waiting for {what}")),
            Progress::Retrying { package, attempt, reason } => {
                return output::note(format!("fetching {package} failed ({reason}); try {attempt}"));
            }
        };
        let mut present = self.present.borrow_mut();
        if present.as_ref().is_none_or(|(shown, _)| *shown != name) {
            if let Some((_, old)) = present.take() {
                old.finish_and_clear();
            }
            *present = Some((name.clone(), bar(total, &name, "{bytes}/{total_bytes} {bytes_per_sec}")));
        }
        if let Some((_, bar)) = present.as_ref() {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some((_, bar)) = self.present.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: u64, name: &str, numbers: &str) -> ProgressBar {
    let template = format!("{{msg}} [{{bar:30}}] {numbers}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style).with_message(name.to_owned())
}
