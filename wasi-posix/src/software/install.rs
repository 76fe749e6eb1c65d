//! Bringing a package from wherever it is into the store.
//!
//! Every source becomes the same thing: a list of entries whose files are blobs, and a record that is written last. A
//! download happens before the store is locked; unpacking happens under the lock, and streams: the largest thing held
//! in memory is the list of entries.

mod directory;
mod package_file;
mod tarball;

use super::aospkg::{self, AospkgError};
use super::npm::{Integrity, IntegrityError, NpmError, Registry};
use super::path::resolve_link;
use super::pin::{PackageKind, Pin};
use super::progress::{Progress, Report};
use super::record::{Agent, Command, Entry, Layout, ManPage, Node, Origin, PackageRecord, Provides, RECORD_FORMAT};
use super::store::{Store, StoreError, StoreLock};
use crate::system::SystemHost;
pub use directory::DirectoryFault;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
pub use tarball::TarballFault;
use warren_kernel::host::Host;

/// Where a package is to come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A pinned npm package, downloaded.
    Pin { pin: &'a Pin, registry: &'a Registry },
    /// An npm tarball on this machine; with a pin, it has to be exactly the pinned one.
    Tarball { path: &'a Path, pin: Option<&'a Pin> },
    /// A package file on this machine.
    Aospkg { path: &'a Path },
    /// A folder with `bin/` in it, and perhaps an `agentos-package.json`.
    Directory { path: &'a Path },
}

impl<'a> Source<'a> {
    /// What `path` is, by what it begins with: the `--from` of the command line.
    ///
    /// # Errors
    /// When it cannot be read, or is none of the three.
    pub fn from_path(path: &'a Path, pin: Option<&'a Pin>) -> Result<Source<'a>, InstallError> {
        let failed = |source| InstallError::Io { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.is_dir() {
            return Ok(Source::Directory { path });
        }
        let mut first = Vec::new();
        File::open(path).and_then(|file| file.take(4).read_to_end(&mut first)).map_err(failed)?;
        match first.as_slice() {
            magic if magic == aospkg::MAGIC => Ok(Source::Aospkg { path }),
            [0x1f, 0x8b, ..] => Ok(Source::Tarball { path, pin }),
            _ => Err(InstallError::Unrecognised { path: path.to_owned() }),
        }
    }
}

/// Why an installation failed. Nothing of it is visible then; bytes already stored help the next try.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error(transparent)]
    Npm(#[from] NpmError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Aospkg(#[from] AospkgError),
    #[error("tarball {tarball}: {fault}")]
    Tarball { tarball: String, fault: TarballFault },
    #[error("folder {path}: {fault}", path = path.display())]
    Directory { path: PathBuf, fault: DirectoryFault },
    #[error("cannot read {path}: {source}", path = path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{path} is neither a folder, nor an npm tarball (.tgz), nor a package file (.aospkg)",
        path = path.display()
    )]
    Unrecognised { path: PathBuf },
    #[error("{path} is not the {name} that is pinned: expected {expected}, found {found}", path = path.display())]
    NotThePin { path: PathBuf, name: String, expected: String, found: String },
    #[error("the pin of {name}: {source}")]
    Pin { name: String, source: IntegrityError },
    #[error("package {package}: command `{command}` is `{entry}`, which is not a file of the package")]
    CommandEntry { package: String, command: String, entry: String },
}

/// What every kind of source is reduced to.
pub(super) struct Contents {
    name: String,
    version: String,
    layout: Layout,
    commands: Vec<Command>,
    man_pages: Vec<ManPage>,
    provides: Provides,
    agent: Option<Agent>,
    snapshot_bundle: Option<String>,
    entries: Vec<Entry>,
}

/// Installs a package, in place of any other version of it, and returns its record. Installing again what is installed
/// repairs damaged blobs and changes nothing else.
///
/// # Errors
/// See [`InstallError`]; each names the file or package, and what to do where something can be done.
pub fn install(store: &Store, source: Source<'_>, report: Report<'_>) -> Result<PackageRecord, InstallError> {
    match source {
        Source::Pin { pin, registry } => install_pin(store, pin, registry, report),
        Source::Tarball { path, pin } => install_tarball(store, path, pin, report),
        Source::Aospkg { path } => {
            let file = open(path)?;
            let lock = lock(store, report)?;
            let contents = package_file::unpack(&lock, &path.display().to_string(), file, report)?;
            commit(&lock, contents, Origin::Aospkg, None)
        }
        Source::Directory { path } => {
            let lock = lock(store, report)?;
            let contents = directory::unpack(&lock, path, report)?;
            commit(&lock, contents, Origin::Directory, None)
        }
    }
}

fn install_pin(
    store: &Store,
    pin: &Pin,
    registry: &Registry,
    report: Report<'_>,
) -> Result<PackageRecord, InstallError> {
    let download = registry.fetch(&store.downloads(), pin, report)?;
    let lock = lock(store, report)?;
    let named = format!("{}@{}", pin.package, pin.version);
    let tarball = tarball::Tarball { name: &named, file: download.file(), size: download.size() };
    let unpacked = tarball::unpack(&lock, &tarball, Some(pin), report)?;
    let origin = Origin::Registry { pin: pin.name.clone(), package: pin.package.clone() };
    let record = commit(&lock, unpacked.contents, origin, Some(pin.integrity.clone()))?;
    download.discard();
    Ok(record)
}

fn install_tarball(
    store: &Store,
    path: &Path,
    pin: Option<&Pin>,
    report: Report<'_>,
) -> Result<PackageRecord, InstallError> {
    let failed = |source| InstallError::Io { path: path.to_owned(), source };
    let mut file = open(path)?;
    let size = file.metadata().map_err(failed)?.len();
    let found = Integrity::of(&file).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if let Some(pin) = pin {
        let parsed = Integrity::parse(&pin.integrity);
        let expected = parsed.map_err(|source| InstallError::Pin { name: pin.name.clone(), source })?;
        if found != expected {
            let (expected, found) = (expected.to_string(), found.to_string());
            return Err(InstallError::NotThePin { path: path.to_owned(), name: pin.name.clone(), expected, found });
        }
    }
    let lock = lock(store, report)?;
    let named = path.display().to_string();
    let tarball = tarball::Tarball { name: &named, file: &file, size };
    let unpacked = tarball::unpack(&lock, &tarball, pin, report)?;
    let origin = Origin::Tarball { pin: pin.map(|pin| pin.name.clone()), package: unpacked.package };
    commit(&lock, unpacked.contents, origin, Some(found.to_string()))
}

fn open(path: &Path) -> Result<File, InstallError> {
    File::open(path).map_err(|source| InstallError::Io { path: path.to_owned(), source })
}

fn lock<'a>(store: &'a Store, report: Report<'_>) -> Result<StoreLock<'a>, InstallError> {
    if let Some(lock) = store.try_lock()? {
        return Ok(lock);
    }
    report(Progress::Waiting { what: "the software store" });
    Ok(store.lock()?)
}

fn commit(
    lock: &StoreLock<'_>,
    mut contents: Contents,
    origin: Origin,
    integrity: Option<String>,
) -> Result<PackageRecord, InstallError> {
    contents.entries.sort_by(|a, b| a.path.cmp(&b.path));
    make_commands_executable(&mut contents)?;
    let now = SystemHost.realtime().seconds().max(0) as u64;
    let record = PackageRecord {
        format: RECORD_FORMAT,
        name: contents.name,
        version: contents.version,
        layout: contents.layout,
        origin,
        integrity,
        installed_at: now,
        commands: contents.commands,
        man_pages: contents.man_pages,
        entries: contents.entries,
        provides: contents.provides,
        agent: contents.agent,
        snapshot_bundle: contents.snapshot_bundle,
    };
    lock.install_record(&record)?;
    Ok(record)
}

/// A command runs even if its packer forgot the x bit. A command that is a link in the package makes what it leads to
/// executable; one that leads out of the package is left alone.
fn make_commands_executable(contents: &mut Contents) -> Result<(), InstallError> {
    for command in &contents.commands {
        match follow(&contents.entries, &command.entry) {
            Followed::File(index) => {
                let entry = &mut contents.entries[index];
                // x for whoever may read, as chmod +x does under the usual umask.
                entry.mode |= (entry.mode & 0o444) >> 2 | 0o100;
            }
            Followed::Elsewhere => {}
            Followed::Nothing => {
                return Err(InstallError::CommandEntry {
                    package: contents.name.clone(),
                    command: command.name.clone(),
                    entry: command.entry.clone(),
                });
            }
        }
    }
    Ok(())
}

/// What a path leads to when links are followed.
enum Followed {
    /// The index of a regular file.
    File(usize),
    /// A link that leads out of the package, or that only a guest can follow (through a link to a directory).
    Elsewhere,
    /// A directory, or no entry.
    Nothing,
}

/// Follows the links at `path`. The entries are sorted.
fn follow(entries: &[Entry], path: &str) -> Followed {
    const LINKS_MAX: usize = 40;
    let mut at = path.to_owned();
    for links in 0..LINKS_MAX {
        let Ok(index) = entries.binary_search_by(|entry| entry.path.as_str().cmp(&at)) else {
            return if links == 0 { Followed::Nothing } else { Followed::Elsewhere };
        };
        match &entries[index].node {
            Node::File { .. } => return Followed::File(index),
            Node::Directory => return Followed::Nothing,
            Node::Symlink { target } => match resolve_link(&at, target) {
                Some(next) => at = next,
                None => return Followed::Elsewhere,
            },
        }
    }
    Followed::Nothing
}

/// The kinds a tarball may turn out to be.
fn accepts(pin: Option<&Pin>, kind: PackageKind) -> bool {
    pin.is_none_or(|pin| pin.kind == kind)
}

#[cfg(test)]
mod tests;
