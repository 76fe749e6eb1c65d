//! Installing a folder of the host as it is: files, modes, times and links; all owned by root in the guest.
//!
//! The folder is read without following links, and a link has to stay inside. Commands are the programs in `bin/`. An
//! `agentos-package.json` gives name, version, agent and provided files, and is not installed itself; without one the
//! folder's name and version 0.0.0 are used.

use super::super::path::{self, PathRule};
use super::super::progress::{Progress, Report};
use super::super::record::{Agent, Command, ENTRIES_MAX, Entry, Layout, ManPage, Node, PACKAGE_BYTES_MAX, Provides};
use super::super::store::{StoreError, StoreLock};
use super::{Contents, Followed, InstallError, follow};
use rustix::fs::OFlags;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DEPTH_MAX: usize = 128;
const MANIFEST: &str = "/agentos-package.json";
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// Why a folder was refused.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryFault {
    #[error("cannot read `{path}`: {source}")]
    Io { path: String, source: io::Error },
    #[error("it has no `bin/` folder; commands are the programs in it")]
    NoBin,
    #[error("`{path}` has a name that is not UTF-8")]
    NotUtf8 { path: String },
    #[error("`{path}` is refused: {rule}")]
    Path { path: String, rule: PathRule },
    #[error(
        "`{path}` is a link to `{target}`, which is outside of the folder; make it relative, or copy what it leads to"
    )]
    LinkOut { path: String, target: String },
    #[error("`{path}` is neither a file, nor a folder, nor a link")]
    Special { path: String },
    #[error("`{path}` changed while it was read; try again")]
    Changed { path: String },
    #[error("it is more than {DEPTH_MAX} folders deep at `{path}`")]
    TooDeep { path: String },
    #[error("it holds more than {ENTRIES_MAX} paths")]
    TooManyEntries,
    #[error("it holds more than {PACKAGE_BYTES_MAX} bytes")]
    TooManyBytes,
    #[error("its name `{name}` cannot be a package name ({rule}); rename it, or write one into agentos-package.json")]
    Name { name: String, rule: PathRule },
    #[error("its agentos-package.json is not usable: {reason}")]
    Manifest { reason: String },
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SourceManifest {
    name: Option<String>,
    version: Option<String>,
    agent: Option<SourceAgent>,
    provides: Provides,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceAgent {
    acp_entrypoint: String,
    #[serde(default)]
    snapshot: bool,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    launch_args: Vec<String>,
}

enum WalkError {
    Fault(DirectoryFault),
    Store(StoreError),
}

impl From<DirectoryFault> for WalkError {
    fn from(fault: DirectoryFault) -> WalkError {
        WalkError::Fault(fault)
    }
}

pub(super) fn unpack(lock: &StoreLock<'_>, root: &Path, report: Report<'_>) -> Result<Contents, InstallError> {
    read(lock, root, report).map_err(|error| match error {
        WalkError::Store(error) => InstallError::Store(error),
        WalkError::Fault(fault) => InstallError::Directory { path: root.to_owned(), fault },
    })
}

fn read(lock: &StoreLock<'_>, root: &Path, report: Report<'_>) -> Result<Contents, WalkError> {
    let mut manifest = read_manifest(root)?;
    let name = match manifest.name {
        Some(name) => name,
        None => folder_name(root)?,
    };
    path::check_identifier(&name).map_err(|rule| DirectoryFault::Name { name: name.clone(), rule })?;
    for file in &mut manifest.provides.files {
        file.source =
            path::in_package(&file.source).map_err(|rule| DirectoryFault::Path { path: file.source.clone(), rule })?;
    }
    let mut walk = Walk { lock, root, name: &name, report, entries: Vec::new(), bytes: 0, programs: Vec::new() };
    walk.folder("/", 0)?;
    let (mut entries, programs) = (walk.entries, walk.programs);
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    if !entries.iter().any(|entry| entry.path == "/bin" && entry.node == Node::Directory) {
        return Err(DirectoryFault::NoBin.into());
    }
    let commands = programs
        .into_iter()
        // A link in `bin/` to a folder is no command.
        .filter(|entry| !matches!(follow(&entries, entry), Followed::Nothing))
        .map(|entry| Command { name: path::base_name(&entry).to_owned(), entry })
        .collect();
    Ok(Contents {
        version: manifest.version.unwrap_or_else(|| "0.0.0".to_owned()),
        layout: Layout::Package,
        commands,
        man_pages: man_pages(&entries),
        provides: manifest.provides,
        agent: manifest.agent.map(|agent| Agent {
            acp_entrypoint: agent.acp_entrypoint,
            snapshot: agent.snapshot,
            env: agent.env,
            launch_args: agent.launch_args,
        }),
        snapshot_bundle: None,
        entries,
        name,
    })
}

fn read_manifest(root: &Path) -> Result<SourceManifest, DirectoryFault> {
    let failed = |source| DirectoryFault::Io { path: MANIFEST.to_owned(), source };
    let file = match File::open(root.join(&MANIFEST[1..])) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(SourceManifest::default()),
        opened => opened.map_err(failed)?,
    };
    let mut text = Vec::new();
    file.take(MANIFEST_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    serde_json::from_slice(&text).map_err(|error| DirectoryFault::Manifest { reason: error.to_string() })
}

fn folder_name(root: &Path) -> Result<String, DirectoryFault> {
    let real = fs::canonicalize(root).map_err(|source| DirectoryFault::Io { path: "/".to_owned(), source })?;
    let name = real.file_name().unwrap_or_default();
    let text = name.to_str().ok_or_else(|| DirectoryFault::NotUtf8 { path: name.to_string_lossy().into_owned() })?;
    Ok(text.to_owned())
}

/// Pages in `share/man/man<section>/`.
fn man_pages(entries: &[Entry]) -> Vec<ManPage> {
    let page = |entry: &Entry| {
        let (section, name) = entry.path.strip_prefix("/share/man/man")?.split_once('/')?;
        let usable = entry.node != Node::Directory && !name.contains('/');
        usable.then(|| ManPage { section: section.to_owned(), page: entry.path[1..].to_owned() })
    };
    entries.iter().filter_map(page).collect()
}

struct Walk<'a> {
    lock: &'a StoreLock<'a>,
    root: &'a Path,
    name: &'a str,
    report: Report<'a>,
    entries: Vec<Entry>,
    bytes: u64,
    /// Paths of the programs in `/bin`.
    programs: Vec<String>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &str, depth: usize) -> Result<(), WalkError> {
        if depth > DEPTH_MAX {
            return Err(DirectoryFault::TooDeep { path: path.to_owned() }.into());
        }
        let failed = |source| DirectoryFault::Io { path: path.to_owned(), source };
        let mut names = Vec::new();
        for item in fs::read_dir(self.host(path)).map_err(failed)? {
            let name = item.map_err(failed)?.file_name();
            let text = name.to_str();
            let text = text.ok_or_else(|| DirectoryFault::NotUtf8 {
                path: path::join(path, &format!("/{}", name.to_string_lossy())),
            })?;
            names.push(text.to_owned());
            if names.len() > ENTRIES_MAX {
                return Err(DirectoryFault::TooManyEntries.into());
            }
        }
        names.sort();
        for name in names {
            let below = path::join(path, &format!("/{name}"));
            if below != MANIFEST {
                self.item(below, depth)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, path: String, depth: usize) -> Result<(), WalkError> {
        path::check_absolute(&path).map_err(|rule| DirectoryFault::Path { path: path.clone(), rule })?;
        if self.entries.len() >= ENTRIES_MAX {
            return Err(DirectoryFault::TooManyEntries.into());
        }
        let failed = |source| DirectoryFault::Io { path: path.clone(), source };
        let metadata = fs::symlink_metadata(self.host(&path)).map_err(failed)?;
        let kind = metadata.file_type();
        let in_bin = path::parent(&path) == Some("/bin");
        if kind.is_symlink() {
            let target = self.link(&path)?;
            if in_bin {
                self.programs.push(path.clone());
            }
            self.push(path, &metadata, 0o777, Node::Symlink { target });
        } else if kind.is_dir() {
            self.push(path.clone(), &metadata, metadata.mode() & 0o7777, Node::Directory);
            self.folder(&path, depth + 1)?;
        } else if kind.is_file() {
            let (node, is_program) = self.file(&path)?;
            if in_bin && (is_program || metadata.mode() & 0o111 != 0) {
                self.programs.push(path.clone());
            }
            self.push(path, &metadata, metadata.mode() & 0o7777, node);
        } else {
            return Err(DirectoryFault::Special { path }.into());
        }
        Ok(())
    }

    fn push(&mut self, path: String, metadata: &Metadata, mode: u32, node: Node) {
        self.entries.push(Entry { path, mode, uid: 0, gid: 0, mtime_seconds: metadata.mtime(), node });
    }

    fn link(&self, path: &str) -> Result<String, DirectoryFault> {
        let failed = |source| DirectoryFault::Io { path: path.to_owned(), source };
        let target = fs::read_link(self.host(path)).map_err(failed)?;
        let target = target.to_str().ok_or_else(|| DirectoryFault::NotUtf8 { path: path.to_owned() })?;
        path::check_link_target(target).map_err(|rule| DirectoryFault::Path { path: path.to_owned(), rule })?;
        match path::resolve_link(path, target) {
            Some(_) => Ok(target.to_owned()),
            None => Err(DirectoryFault::LinkOut { path: path.to_owned(), target: target.to_owned() }),
        }
    }

    /// Stores a file, and says whether it begins as a program does.
    fn file(&mut self, path: &str) -> Result<(Node, bool), WalkError> {
        let failed = |source| DirectoryFault::Io { path: path.to_owned(), source };
        // The path may have become something else since it was looked at: no link is followed, no pipe waited for.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(self.host(path)).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() {
            return Err(DirectoryFault::Changed { path: path.to_owned() }.into());
        }
        self.bytes = self.bytes.saturating_add(metadata.len());
        if self.bytes > PACKAGE_BYTES_MAX {
            return Err(DirectoryFault::TooManyBytes.into());
        }
        let mut first = Vec::new();
        (&file).take(4).read_to_end(&mut first).map_err(failed)?;
        let is_program = first == *b"\0asm" || first.starts_with(b"#!");
        let added = self.lock.add_blob(first.chain(&file), metadata.len());
        let blob = added.map_err(|error| match error {
            StoreError::Source(source) => WalkError::Fault(failed(source)),
            StoreError::TooLarge { .. } => DirectoryFault::Changed { path: path.to_owned() }.into(),
            other => WalkError::Store(other),
        })?;
        (self.report)(Progress::Unpacking { package: self.name, done: self.bytes, total: self.bytes });
        Ok((Node::File { size: blob.size, blob: blob.id }, is_program))
    }

    fn host(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}
