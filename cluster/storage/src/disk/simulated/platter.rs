//! What lies on a simulated disk: files and names as processes see them, as they are durable, and the changes between.
use super::Operation;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes that reach the platter together.
const SECTOR_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Platter {
    pub(super) random: u64,
    pub(super) off: bool,
    pub(super) files: Vec<Bytes>,
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) names_durable: BTreeMap<PathBuf, Node>,
    pub(super) names_pending: Vec<NameChange>,
    pub(super) locks: BTreeSet<PathBuf>,
    pub(super) operations: u64,
    pub(super) crash_at: Option<u64>,
    pub(super) faults: Vec<Fault>,
    pub(super) capacity_bytes: Option<u64>,
    /// Parts of paths whose syncs do nothing.
    pub(super) forgetful: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    File(usize),
    Folder,
}

/// One file's bytes: as seen, on the platter, and what lies between.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    pub(super) modified: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Cut { len: usize },
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Link { path: PathBuf, node: Node },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, node: Node },
}

#[derive(Debug)]
pub(super) struct Fault {
    pub(super) operation: Operation,
    pub(super) skip: u64,
    pub(super) error: io::ErrorKind,
    pub(super) stays: bool,
}

impl Platter {
    /// splitmix64: enough for choosing what is lost, and the same on every machine.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.random() % (bound.max(1) as u64)) as usize
    }

    /// Counts an operation and says whether it fails; `crashing` is set for the one during which the power goes.
    pub(super) fn begin(&mut self, operation: Operation) -> Result<(), Stop> {
        if self.off {
            return Err(Stop { error: off(), crashing: false });
        }
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations > at) {
            self.off = true;
            return Err(Stop { error: off(), crashing: true });
        }
        for index in 0..self.faults.len() {
            let fault = &mut self.faults[index];
            if fault.operation != Operation::Any && fault.operation != operation {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            let error = io::Error::new(fault.error, "as the test ordered");
            if !fault.stays {
                self.faults.remove(index);
            }
            return Err(Stop { error, crashing: false });
        }
        Ok(())
    }

    pub(super) fn forgets(&self, path: &str) -> bool {
        self.forgetful.iter().any(|part| path.contains(part))
    }

    pub(super) fn name_of(&self, file: usize) -> Option<&Path> {
        let mut names = self.names.iter();
        names.find(|(_, node)| **node == Node::File(file)).map(|(name, _)| name.as_path())
    }

    pub(super) fn used_bytes(&self) -> u64 {
        let named: BTreeSet<_> = self
            .names
            .values()
            .filter_map(|node| match node {
                Node::File(file) => Some(*file),
                Node::Folder => None,
            })
            .collect();
        named.iter().map(|file| self.files[*file].seen.len() as u64).sum()
    }

    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent().and_then(|above| self.names.get(above)) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn link(&mut self, path: &Path, node: Node) -> io::Result<()> {
        self.folder_of(path)?;
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.names.insert(path.to_path_buf(), node);
        self.names_pending.push(NameChange::Link { path: path.to_path_buf(), node });
        Ok(())
    }

    pub(super) fn change(&mut self, file: usize, change: Change) {
        let now = self.operations;
        let bytes = &mut self.files[file];
        apply(&mut bytes.seen, &change);
        bytes.pending.push(change);
        bytes.modified = now;
    }

    pub(super) fn carry_over(&mut self, file: usize) {
        let bytes = &mut self.files[file];
        for change in std::mem::take(&mut bytes.pending) {
            apply(&mut bytes.durable, &change);
        }
    }

    /// Makes the changes of names durable that `wanted` picks by the folder they happen in.
    pub(super) fn carry_names_over(&mut self, wanted: impl Fn(&Path) -> bool) {
        let mut left: Vec<NameChange> = Vec::new();
        for change in std::mem::take(&mut self.names_pending) {
            if !change.folder().is_some_and(&wanted) {
                left.push(change);
                continue;
            }
            if let NameChange::Rename { from, .. } = &change {
                // The name it had before is gone with it, however it came to be.
                left.retain(|earlier| !matches!(earlier, NameChange::Link { path, .. } if path == from));
            }
            change.apply(&mut self.names_durable);
        }
        self.names_pending = left;
    }

    pub(super) fn after_power_loss(&mut self) {
        for index in 0..self.files.len() {
            let mut bytes = std::mem::take(&mut self.files[index]);
            let mut kept = std::mem::take(&mut bytes.durable);
            let changes = std::mem::take(&mut bytes.pending);
            match self.below(4) {
                0 => {}
                1 => changes.iter().for_each(|change| apply(&mut kept, change)),
                2 => {
                    let whole = self.below(changes.len() + 1);
                    changes[..whole].iter().for_each(|change| apply(&mut kept, change));
                    if let Some(Change::Write { offset, bytes }) = changes.get(whole) {
                        let part = self.below(bytes.len() + 1);
                        apply(&mut kept, &Change::Write { offset: *offset, bytes: bytes[..part].to_vec() });
                    }
                }
                _ => {
                    for change in &changes {
                        self.keep_sectors(&mut kept, change);
                    }
                }
            }
            self.files[index] = Bytes { seen: kept.clone(), durable: kept, pending: Vec::new(), modified: 0 };
        }
        for change in std::mem::take(&mut self.names_pending) {
            if self.below(2) == 0 {
                change.apply(&mut self.names_durable);
            }
        }
        self.drop_orphans();
        self.names = self.names_durable.clone();
    }

    pub(super) fn keep_sectors(&mut self, kept: &mut Vec<u8>, change: &Change) {
        match change {
            Change::Cut { .. } if self.below(2) == 0 => apply(kept, change),
            Change::Cut { .. } => {}
            Change::Write { offset, bytes } => {
                let mut at = 0;
                while at < bytes.len() {
                    let end = (at + SECTOR_BYTES - (offset + at) % SECTOR_BYTES).min(bytes.len());
                    if self.below(2) == 0 {
                        apply(kept, &Change::Write { offset: offset + at, bytes: bytes[at..end].to_vec() });
                    }
                    at = end;
                }
            }
        }
    }

    /// Names in a folder that was lost are lost with it.
    pub(super) fn drop_orphans(&mut self) {
        let mut lost = Vec::new();
        for path in self.names_durable.keys() {
            let gone = |above: &&Path| self.names_durable.get(*above) != Some(&Node::Folder);
            if path.ancestors().skip(1).any(|above| gone(&above)) {
                lost.push(path.clone());
            }
        }
        for path in lost {
            self.names_durable.remove(&path);
        }
    }
}

impl NameChange {
    /// The folder whose sync makes it durable; of a rename, the one it arrives in.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            NameChange::Link { path, .. } | NameChange::Unlink { path } => path.parent(),
            NameChange::Rename { to, .. } => to.parent(),
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            NameChange::Link { path, node } => {
                names.insert(path.clone(), *node);
            }
            NameChange::Unlink { path } => {
                names.remove(path);
            }
            NameChange::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

pub(super) fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { offset, bytes: new } => {
            let end = offset + new.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[*offset..end].copy_from_slice(new);
        }
        Change::Cut { len } => bytes.resize(*len, 0),
    }
}

/// Why an operation does not happen.
pub(super) struct Stop {
    pub(super) error: io::Error,
    pub(super) crashing: bool,
}

impl From<Stop> for io::Error {
    fn from(stop: Stop) -> io::Error {
        stop.error
    }
}

pub(super) fn off() -> io::Error {
    io::Error::other("the simulated machine is off")
}
