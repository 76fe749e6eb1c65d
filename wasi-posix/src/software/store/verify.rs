//! Looking for damage: what the records promise, against what the disk holds.

use super::super::blob::BlobId;
use super::super::record::{Node, PackageRecord};
use super::lock::hash_file;
use super::{Store, StoreError, read_record};
use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

/// Something wrong with an installed package, and how to repair it (as its text says).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The package, `name@version`, or the record's file when it cannot be read.
    pub package: String,
    /// A path in the package that is affected; empty when it is the record.
    pub path: String,
    pub kind: ProblemKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    Missing { blob: BlobId },
    WrongSize { blob: BlobId, expected: u64, found: u64 },
    Damaged { blob: BlobId, found: BlobId },
    WrongMode { blob: BlobId, found: u32 },
    Unreadable { blob: BlobId, reason: String },
    Record { reason: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { package, path, kind } = self;
        match kind {
            ProblemKind::Record { reason } => return write!(f, "{package}: {reason}"),
            ProblemKind::Missing { blob } => write!(f, "{package}: {path}: blob {blob} is missing"),
            ProblemKind::WrongSize { blob, expected, found } => {
                write!(f, "{package}: {path}: blob {blob} has {found} bytes instead of {expected}")
            }
            ProblemKind::Damaged { blob, found } => {
                write!(f, "{package}: {path}: blob {blob} is damaged: its bytes hash to {found}")
            }
            ProblemKind::WrongMode { blob, found } => {
                write!(f, "{package}: {path}: blob {blob} has mode {found:o} instead of 444")
            }
            ProblemKind::Unreadable { blob, reason } => {
                write!(f, "{package}: {path}: blob {blob} cannot be read: {reason}")
            }
        }?;
        f.write_str("; add the package again to repair it")
    }
}

pub(super) fn verify(store: &Store, name: Option<&str>) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    let mut records = Vec::new();
    for path in store.record_paths()? {
        match read_record(&path) {
            Ok(record) => records.extend(record),
            Err(error) => problems.push(Problem {
                package: path.display().to_string(),
                path: String::new(),
                kind: ProblemKind::Record { reason: error.to_string() },
            }),
        }
    }
    if let Some(name) = name {
        records.retain(|record| record.is_called(name));
        if records.is_empty() && problems.is_empty() {
            return Err(StoreError::NotInstalled { name: name.to_owned() });
        }
    }
    let mut checked = HashMap::new();
    for record in &records {
        verify_record(store, record, &mut checked, &mut problems);
    }
    Ok(problems)
}

/// One problem for each pair of package and blob: an alias of a damaged file says nothing new.
fn verify_record(
    store: &Store,
    record: &PackageRecord,
    checked: &mut HashMap<(BlobId, u64), Option<ProblemKind>>,
    problems: &mut Vec<Problem>,
) {
    let mut seen = std::collections::HashSet::new();
    for entry in &record.entries {
        let Node::File { size, blob } = entry.node else { continue };
        if !seen.insert((blob, size)) {
            continue;
        }
        let kind = checked.entry((blob, size)).or_insert_with(|| verify_blob(store, blob, size));
        if let Some(kind) = kind {
            let package = record.label();
            problems.push(Problem { package, path: entry.path.clone(), kind: kind.clone() });
        }
    }
}

fn verify_blob(store: &Store, blob: BlobId, expected: u64) -> Option<ProblemKind> {
    let path = store.blob_path(&blob);
    let unreadable = |error: io::Error| ProblemKind::Unreadable { blob, reason: error.to_string() };
    let metadata = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some(ProblemKind::Missing { blob }),
        Err(error) => return Some(unreadable(error)),
    };
    if !metadata.is_file() {
        return Some(ProblemKind::Unreadable { blob, reason: "it is not a regular file".to_owned() });
    }
    if metadata.len() != expected {
        return Some(ProblemKind::WrongSize { blob, expected, found: metadata.len() });
    }
    match hash_file(&path) {
        Err(error) => return Some(unreadable(error)),
        Ok(found) if found != blob => return Some(ProblemKind::Damaged { blob, found }),
        Ok(_) => {}
    }
    let found = metadata.permissions().mode() & 0o7777;
    (found != 0o444).then_some(ProblemKind::WrongMode { blob, found })
}
