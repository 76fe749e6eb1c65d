//! An installed package, as the store remembers it: every path, its mode and owner, and the blob or link behind it.
//!
//! Records are JSON files that a person can read. They are checked again whenever they are read: a store may be shared,
//! copied or edited, and what a record says becomes paths inside a guest.

use super::blob::BlobId;
use super::path::{self, PathRule};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The version of the record's own format. Raised when an older Warren could misread a newer record.
pub const RECORD_FORMAT: u32 = 1;
/// Files, directories and links in one package.
pub const ENTRIES_MAX: usize = 200_000;
/// Bytes of all files of one package together.
pub const PACKAGE_BYTES_MAX: u64 = 4 << 30;

/// One installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    pub format: u32,
    /// The package's own name, one path component: `/opt/agentos/pkgs/<name>`.
    pub name: String,
    pub version: String,
    pub layout: Layout,
    pub origin: Origin,
    /// `sha512-...` of the tarball it came from, when it came from one.
    pub integrity: Option<String>,
    /// Seconds since 1970, UTC.
    pub installed_at: u64,
    pub commands: Vec<Command>,
    #[serde(default)]
    pub man_pages: Vec<ManPage>,
    /// Sorted by the bytes of the path, so parents come first; every parent is a directory of the list, or `/`.
    pub entries: Vec<Entry>,
    #[serde(default)]
    pub provides: Provides,
    #[serde(default)]
    pub agent: Option<Agent>,
    /// A JavaScript bundle inside the package to build a startup snapshot from.
    #[serde(default)]
    pub snapshot_bundle: Option<String>,
}

/// How the package is laid out in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Loose commands, real files in `/usr/bin`.
    Commands,
    /// A tree under `/opt/agentos/pkgs`, with links to its commands.
    Package,
}

/// Where the package came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Origin {
    /// An npm registry (which one is the user's npm configuration, and not kept).
    Registry { pin: String, package: String },
    /// A local tarball; `pin` when it was checked against one.
    Tarball { pin: Option<String>, package: String },
    /// A local package file.
    Aospkg,
    /// A local directory.
    Directory,
}

/// A command: `name` runs the file at `entry`, an absolute path in the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub name: String,
    pub entry: String,
}

/// A manual page, as its manifest writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManPage {
    pub section: String,
    pub page: String,
}

/// One path of the package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Absolute within the package: `/bin/ls`.
    pub path: String,
    /// Permission bits, `0o7777` at most.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime_seconds: i64,
    #[serde(flatten)]
    pub node: Node,
}

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Node {
    File { size: u64, blob: BlobId },
    Directory,
    Symlink { target: String },
}

/// What a package adds outside its own tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provides {
    /// Environment defaults; the first package wins and nothing set by the caller is overridden.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub files: Vec<ProvidedFile>,
}

/// A file or directory of the package that also appears at an absolute guest path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvidedFile {
    /// Absolute within the package.
    pub source: String,
    /// Absolute within the guest.
    pub target: String,
}

/// How to start the package's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The command that speaks ACP on its standard streams.
    pub acp_entrypoint: String,
    /// Whether the agent is built into a startup snapshot.
    #[serde(default)]
    pub snapshot: bool,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub launch_args: Vec<String>,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    #[error("it has format {found}, and this Warren reads format {RECORD_FORMAT}")]
    Format { found: u32 },
    #[error("its name or version `{text}` cannot be a file name: {rule}")]
    Identifier { text: String, rule: PathRule },
    #[error("it lists {found} paths; the limit is {ENTRIES_MAX}")]
    TooManyEntries { found: usize },
    #[error("its files are more than {PACKAGE_BYTES_MAX} bytes together")]
    TooManyBytes,
    #[error("its path `{path}` is refused: {rule}")]
    Path { path: String, rule: PathRule },
    #[error("its paths are not sorted: `{path}` comes too late")]
    Unsorted { path: String },
    #[error("it lists `{path}` twice")]
    Duplicate { path: String },
    #[error("`{path}` lies in `{parent}`, which is not a directory of the package")]
    Parent { path: String, parent: String },
    #[error("`{path}` has mode {mode:o}, which is more than permission bits")]
    Mode { path: String, mode: u32 },
    #[error("its command `{command}` runs `{entry}`, which the package does not have")]
    CommandEntry { command: String, entry: String },
    #[error("it provides an environment variable whose name or value is not usable: `{name}`")]
    Environment { name: String },
}

impl PackageRecord {
    /// Whether a user who types `name` means this package: its own name, its pin's, or its npm package's.
    pub fn is_called(&self, name: &str) -> bool {
        let (pin, package) = match &self.origin {
            Origin::Registry { pin, package } => (Some(pin.as_str()), Some(package.as_str())),
            Origin::Tarball { pin, package } => (pin.as_deref(), Some(package.as_str())),
            Origin::Aospkg | Origin::Directory => (None, None),
        };
        self.name == name || pin == Some(name) || package == Some(name)
    }

    /// The blobs this package needs, with their sizes; a blob used twice comes twice.
    pub fn blobs(&self) -> impl Iterator<Item = (BlobId, u64)> + '_ {
        self.entries.iter().filter_map(|entry| match entry.node {
            Node::File { size, blob } => Some((blob, size)),
            Node::Directory | Node::Symlink { .. } => None,
        })
    }

    /// The entry at `path`.
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        self.entries.get(index)
    }

    /// The entries below the directory `path`, without itself.
    pub fn entries_below(&self, path: &str) -> &[Entry] {
        let prefix = if path == "/" { "/".to_owned() } else { format!("{path}/") };
        let start = self.entries.partition_point(|entry| entry.path <= prefix);
        let below = &self.entries[start..];
        let count = below.partition_point(|entry| entry.path.starts_with(&prefix));
        &below[..count]
    }

    /// `name@version`
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Checks everything that later code relies on.
    pub fn check(&self) -> Result<(), RecordFault> {
        if self.format != RECORD_FORMAT {
            return Err(RecordFault::Format { found: self.format });
        }
        for text in [&self.name, &self.version] {
            path::check_identifier(text).map_err(|rule| RecordFault::Identifier { text: text.clone(), rule })?;
        }
        check_entries(&self.entries)?;
        self.check_commands()?;
        let targets = self.provides.files.iter().flat_map(|file| [&file.source, &file.target]);
        for path in targets.chain(&self.snapshot_bundle) {
            path::check_absolute(path).map_err(|rule| RecordFault::Path { path: path.clone(), rule })?;
        }
        let agent_env = self.agent.iter().flat_map(|agent| &agent.env);
        for (name, value) in self.provides.env.iter().chain(agent_env) {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                return Err(RecordFault::Environment { name: name.escape_default().to_string() });
            }
        }
        Ok(())
    }

    fn check_commands(&self) -> Result<(), RecordFault> {
        let files: HashSet<&str> = self
            .entries
            .iter()
            .filter(|entry| entry.node != Node::Directory)
            .map(|entry| entry.path.as_str())
            .collect();
        let mut names = HashSet::new();
        for Command { name, entry } in &self.commands {
            path::check_component(name).map_err(|rule| RecordFault::Path { path: name.clone(), rule })?;
            if !names.insert(name) {
                return Err(RecordFault::Duplicate { path: name.clone() });
            }
            if !files.contains(entry.as_str()) {
                return Err(RecordFault::CommandEntry { command: name.clone(), entry: entry.clone() });
            }
        }
        Ok(())
    }
}

fn check_entries(entries: &[Entry]) -> Result<(), RecordFault> {
    if entries.len() > ENTRIES_MAX {
        return Err(RecordFault::TooManyEntries { found: entries.len() });
    }
    let mut directories: HashMap<&str, bool> = HashMap::new();
    let mut bytes = 0u64;
    for entry in entries {
        let path = &entry.path;
        path::check_absolute(path).map_err(|rule| RecordFault::Path { path: path.clone(), rule })?;
        if entry.mode & !0o7777 != 0 {
            return Err(RecordFault::Mode { path: path.clone(), mode: entry.mode });
        }
        match &entry.node {
            Node::File { size, .. } => bytes = bytes.saturating_add(*size),
            Node::Directory => {}
            Node::Symlink { target } => {
                path::check_link_target(target).map_err(|rule| RecordFault::Path { path: target.clone(), rule })?;
            }
        }
        if directories.insert(path, entry.node == Node::Directory).is_some() {
            return Err(RecordFault::Duplicate { path: path.clone() });
        }
    }
    if bytes > PACKAGE_BYTES_MAX {
        return Err(RecordFault::TooManyBytes);
    }
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].path > pair[1].path) {
        return Err(RecordFault::Unsorted { path: pair[1].path.clone() });
    }
    for entry in entries {
        let Some(parent) = path::parent(&entry.path) else { continue };
        let is_directory = directories.get(parent).copied().unwrap_or(parent == "/");
        if !is_directory {
            return Err(RecordFault::Parent { path: entry.path.clone(), parent: parent.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
