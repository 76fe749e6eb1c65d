//! Where installed packages lie in a guest: a pure function from records to a list of layer entries.
//!
//! ```text
//!  loose commands           /usr/bin/<command>                    real files
//!  a package                /opt/agentos/pkgs/<name>/<version>/   its tree
//!                           /opt/agentos/pkgs/<name>/current      -> <version>
//!    its commands           /opt/agentos/bin/<command>            -> ../pkgs/<name>/current/<entry>
//!    its manual pages       /opt/agentos/share/man/man<N>/<page>  -> ../../../pkgs/<name>/current/<page>
//!    provided files         wherever they ask for                 the same blobs again
//! ```
//! Where two packages want the same path, the first wins and a [`Warning`] tells of it. PATH has `/opt/agentos/bin` before
//! `/usr/bin`, so a package's command hides a loose one; that is meant, and a warning of its own.

use super::blob::BlobId;
use super::path;
use super::record::{ENTRIES_MAX, Entry, Layout, ManPage, Node, PackageRecord};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

const PACKAGES: &str = "/opt/agentos/pkgs";
const PACKAGE_COMMANDS: &str = "/opt/agentos/bin";
const MANUAL: &str = "/opt/agentos/share/man";
const LOOSE_COMMANDS: &str = "/usr/bin";
/// Paths one package may provide outside its own tree.
const PROVIDED_MAX: usize = ENTRIES_MAX;

/// What a set of packages adds to a guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Projection {
    /// Each path once; every path's parents come before it, up to but without `/`.
    pub entries: Vec<LayerEntry>,
    /// Defaults for the environment: for names that nothing else sets.
    pub env: BTreeMap<String, String>,
    pub warnings: Vec<Warning>,
}

/// One path of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEntry {
    pub path: String,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime_seconds: i64,
    pub content: LayerContent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerContent {
    File {
        size: u64,
        blob: BlobId,
    },
    /// `implied`: it is here because something lies in it; where the layer below has the directory, that one's mode
    /// and owner stay.
    Directory {
        implied: bool,
    },
    Symlink {
        target: String,
    },
}

/// Something a package asked for and did not get, or got in another's place. `package` is `name@version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// An earlier package has the command already.
    CommandTaken { command: String, package: String, by: String },
    /// A package's command hides a loose one of the same name.
    CommandHidden { command: String, package: String, by: String },
    /// An earlier package has something else at the path.
    PathTaken { path: String, package: String, by: String },
    /// An earlier package set the variable.
    EnvTaken { name: String, package: String, by: String },
    /// The package names something that is not in it.
    Absent { path: String, package: String },
    /// The package provides more paths than one package may.
    TooManyProvided { package: String },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::CommandTaken { command, package, by } => {
                write!(f, "command `{command}` of {package} is not used: {by} comes first and has one")
            }
            Warning::CommandHidden { command, package, by } => {
                write!(f, "command `{command}` of {by} is found before that of {package}")
            }
            Warning::PathTaken { path, package, by } => {
                write!(f, "`{path}` of {package} is not used: {by} comes first and has something there")
            }
            Warning::EnvTaken { name, package, by } => {
                write!(f, "variable {name} of {package} is not used: {by} comes first and sets it")
            }
            Warning::Absent { path, package } => {
                write!(f, "{package} refers to `{path}`, which is not in it")
            }
            Warning::TooManyProvided { package } => {
                write!(f, "{package} provides more than {PROVIDED_MAX} paths; the rest is left out")
            }
        }
    }
}

/// Lays packages out in a guest, the first winning where two want the same. Records are those of a store: their paths
/// have been checked.
pub fn project<'a>(packages: impl IntoIterator<Item = &'a PackageRecord>) -> Projection {
    let mut builder = Builder::default();
    for (owner, package) in packages.into_iter().enumerate() {
        builder.labels.push(package.label());
        let newest = package.entries.iter().map(|entry| entry.mtime_seconds).max().unwrap_or(0);
        let mut layer = Layer { builder: &mut builder, package, owner, mtime_seconds: newest };
        match package.layout {
            Layout::Commands => layer.loose_commands(),
            Layout::Package => layer.tree(),
        }
        layer.env();
    }
    builder.warn_of_hidden_commands();
    builder.projection
}

#[derive(Default)]
struct Builder {
    projection: Projection,
    /// For each path, the index of its entry and of the package that put it there.
    paths: HashMap<String, (usize, usize)>,
    env_owners: HashMap<String, usize>,
    labels: Vec<String>,
}

impl Builder {
    /// Adds an entry and its parents. When something else is in the way, nothing changes and its owner is returned.
    fn put(&mut self, entry: LayerEntry, owner: usize) -> Result<(), usize> {
        if let Some(parent) = path::parent(&entry.path).filter(|parent| *parent != "/") {
            self.put_parents(parent, entry.mtime_seconds, owner)?;
        }
        let Some(&(index, other)) = self.paths.get(&entry.path) else {
            self.push(entry, owner);
            return Ok(());
        };
        let existing = &mut self.projection.entries[index];
        match (&existing.content, &entry.content) {
            (LayerContent::Directory { implied: true }, LayerContent::Directory { .. }) => {
                *existing = entry;
                Ok(())
            }
            (LayerContent::Directory { .. }, LayerContent::Directory { .. }) => Ok(()),
            (old, new) if old == new => Ok(()),
            _ => Err(other),
        }
    }

    fn put_parents(&mut self, directory: &str, mtime_seconds: i64, owner: usize) -> Result<(), usize> {
        if let Some(&(index, other)) = self.paths.get(directory) {
            let content = &self.projection.entries[index].content;
            return if matches!(content, LayerContent::Directory { .. }) { Ok(()) } else { Err(other) };
        }
        // From the top down, so that parents come first; a path has at most 2,048 components.
        let ends = directory.match_indices('/').map(|(at, _)| at).filter(|at| *at > 0).chain([directory.len()]);
        for end in ends {
            let path = &directory[..end];
            match self.paths.get(path) {
                Some(&(index, other)) => {
                    if !matches!(self.projection.entries[index].content, LayerContent::Directory { .. }) {
                        return Err(other);
                    }
                }
                None => {
                    let content = LayerContent::Directory { implied: true };
                    let path = path.to_owned();
                    self.push(LayerEntry { path, mode: 0o755, uid: 0, gid: 0, mtime_seconds, content }, owner);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, entry: LayerEntry, owner: usize) {
        self.paths.insert(entry.path.clone(), (self.projection.entries.len(), owner));
        self.projection.entries.push(entry);
    }

    fn warn_of_hidden_commands(&mut self) {
        for entry in &self.projection.entries {
            let Some(command) = entry.path.strip_prefix(LOOSE_COMMANDS).and_then(|name| name.strip_prefix('/')) else {
                continue;
            };
            let linked = self.paths.get(&format!("{PACKAGE_COMMANDS}/{command}"));
            let (Some(&(_, by)), Some(&(_, owner))) = (linked, self.paths.get(&entry.path)) else { continue };
            self.projection.warnings.push(Warning::CommandHidden {
                command: command.to_owned(),
                package: self.labels[owner].clone(),
                by: self.labels[by].clone(),
            });
        }
    }
}

/// One package, being laid out.
struct Layer<'a> {
    builder: &'a mut Builder,
    package: &'a PackageRecord,
    owner: usize,
    /// For what the package does not give a time: its newest one, so that a layer is the same on every machine.
    mtime_seconds: i64,
}

impl Layer<'_> {
    fn loose_commands(&mut self) {
        for command in &self.package.commands {
            match self.package.entry(&command.entry) {
                Some(entry) => {
                    let put = self.put_copy(entry, format!("{LOOSE_COMMANDS}/{}", command.name));
                    self.command_taken(put, &command.name);
                }
                None => self.absent(&command.entry),
            }
        }
    }

    fn tree(&mut self) {
        let package = self.package;
        let home = format!("{PACKAGES}/{}", package.name);
        let root = format!("{home}/{}", package.version);
        if self.builder.paths.contains_key(&root) {
            let by = self.builder.paths[&root].1;
            self.warn_path(root, by);
            return;
        }
        if package.entry("/").is_none() {
            let put = self.put(root.clone(), 0o755, LayerContent::Directory { implied: false });
            self.path_taken(put, &root);
        }
        for entry in &package.entries {
            let path = path::join(&root, &entry.path);
            let put = self.put_copy(entry, path.clone());
            self.path_taken(put, &path);
        }
        // Of two versions, `current` is the first; the second's commands then name their version.
        let current = format!("{home}/current");
        let put = self.put_link(current.clone(), package.version.clone());
        let via = if put.is_ok() { "current" } else { package.version.as_str() };
        self.path_taken(put, &current);
        for command in &package.commands {
            let target = format!("../pkgs/{}/{via}{}", package.name, command.entry);
            let put = self.put_link(format!("{PACKAGE_COMMANDS}/{}", command.name), target);
            self.command_taken(put, &command.name);
        }
        for page in &package.man_pages {
            self.man_page(page, via);
        }
        self.provided_files();
    }

    /// A manifest may name a page by its path in the package, or by its name alone.
    fn man_page(&mut self, page: &ManPage, via: &str) {
        let section = page.section.strip_prefix("man").unwrap_or(&page.section);
        let candidates = [page.page.clone(), format!("share/man/man{section}/{}", page.page)];
        let found = candidates.iter().find_map(|page| self.package.entry(&path::in_package(page).ok()?));
        let folder = format!("man{section}");
        let Some(entry) = found.filter(|_| path::check_component(&folder).is_ok()) else {
            return self.absent(&page.page);
        };
        let link = format!("{MANUAL}/{folder}/{}", path::base_name(&entry.path));
        let target = format!("../../../pkgs/{}/{via}{}", self.package.name, entry.path);
        let put = self.put_link(link.clone(), target);
        self.path_taken(put, &link);
    }

    fn provided_files(&mut self) {
        let package = self.package;
        let mut count = 0;
        for file in &package.provides.files {
            let top = package.entry(&file.source);
            let below = package.entries_below(&file.source);
            if top.is_none() && below.is_empty() {
                self.absent(&file.source);
                continue;
            }
            for entry in top.into_iter().chain(below) {
                count += 1;
                if count > PROVIDED_MAX {
                    let package = self.label();
                    self.builder.projection.warnings.push(Warning::TooManyProvided { package });
                    return;
                }
                let suffix = entry.path.strip_prefix(file.source.trim_end_matches('/')).unwrap_or(&entry.path);
                let path = match suffix {
                    "" | "/" => file.target.clone(),
                    suffix => path::join(&file.target, suffix),
                };
                // `/` is the guest's own.
                if path != "/" && path::check_absolute(&path).is_ok() {
                    let put = self.put_copy(entry, path.clone());
                    self.path_taken(put, &path);
                }
            }
        }
    }

    fn env(&mut self) {
        for (name, value) in &self.package.provides.env {
            match self.builder.env_owners.get(name) {
                None => {
                    self.builder.env_owners.insert(name.clone(), self.owner);
                    self.builder.projection.env.insert(name.clone(), value.clone());
                }
                Some(_) if self.builder.projection.env.get(name) == Some(value) => {}
                Some(&by) => {
                    let by = self.builder.labels[by].clone();
                    let (name, package) = (name.clone(), self.label());
                    self.builder.projection.warnings.push(Warning::EnvTaken { name, package, by });
                }
            }
        }
    }

    fn put_copy(&mut self, entry: &Entry, path: String) -> Result<(), usize> {
        let content = match &entry.node {
            Node::File { size, blob } => LayerContent::File { size: *size, blob: *blob },
            Node::Directory => LayerContent::Directory { implied: false },
            Node::Symlink { target } => LayerContent::Symlink { target: target.clone() },
        };
        let Entry { mode, uid, gid, mtime_seconds, .. } = *entry;
        self.builder.put(LayerEntry { path, mode, uid, gid, mtime_seconds, content }, self.owner)
    }

    fn put_link(&mut self, path: String, target: String) -> Result<(), usize> {
        self.put(path, 0o777, LayerContent::Symlink { target })
    }

    fn put(&mut self, path: String, mode: u32, content: LayerContent) -> Result<(), usize> {
        let entry = LayerEntry { path, mode, uid: 0, gid: 0, mtime_seconds: self.mtime_seconds, content };
        self.builder.put(entry, self.owner)
    }

    fn label(&self) -> String {
        self.builder.labels[self.owner].clone()
    }

    fn absent(&mut self, path: &str) {
        let package = self.label();
        self.builder.projection.warnings.push(Warning::Absent { path: path.to_owned(), package });
    }

    fn command_taken(&mut self, put: Result<(), usize>, command: &str) {
        if let Err(by) = put {
            let (package, by) = (self.label(), self.builder.labels[by].clone());
            let command = command.to_owned();
            self.builder.projection.warnings.push(Warning::CommandTaken { command, package, by });
        }
    }

    fn path_taken(&mut self, put: Result<(), usize>, path: &str) {
        if let Err(by) = put {
            self.warn_path(path.to_owned(), by);
        }
    }

    fn warn_path(&mut self, path: String, by: usize) {
        let (package, by) = (self.label(), self.builder.labels[by].clone());
        self.builder.projection.warnings.push(Warning::PathTaken { path, package, by });
    }
}

#[cfg(test)]
mod tests;
