//! Where installed software rests on the host: a folder of blobs, and a record for each package.
//!
//! ```text
//! ROOT/blobs/ab/ab12...      a file's bytes, named by their BLAKE3; mode 0444, never written to again
//!     /packages/N@V.json     an installed package; written last, so half an installation is never seen
//!     /downloads/            partial downloads, see `npm`
//!     /tmp/                  files being written; what is there while nobody holds the lock is left over from a crash
//!     /lock                  held by whoever changes the store
//! ```
//! Reading needs no lock: blobs are complete when their name appears, and so are records. Changing goes through a
//! [`StoreLock`]. An interrupted installation leaves a file in `tmp/` and blobs nobody refers to; the next holder of the
//! lock removes the first, and [`StoreLock::collect`] the others.
//!
//! Durability: a blob is flushed before it gets its name, its directory before the record is written, and the record
//! before it gets its name; so after a power cut, a record that exists has its blobs.

mod lock;
mod verify;

use super::blob::BlobId;
use super::record::{PackageRecord, RecordFault};
pub use lock::{AddedBlob, StoreLock, TempFile};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
pub use verify::{Problem, ProblemKind};

/// Bytes of a record's JSON. The largest published package (16,279 paths) needs about 3 MB.
pub const RECORD_BYTES_MAX: u64 = 256 << 20;

/// A store of software. Cheap to clone; it holds nothing but its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    root: PathBuf,
}

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot {verb} {path}: {source}", path = path.display())]
    Io { verb: &'static str, path: PathBuf, source: io::Error },
    #[error("the bytes to store cannot be read: {0}")]
    Source(io::Error),
    #[error("the bytes to store are more than {max}")]
    TooLarge { max: u64 },
    #[error("the record {path} is not usable: {fault}; remove that file and add the package again", path = path.display())]
    Record { path: PathBuf, fault: RecordFault },
    #[error("the record {path} cannot be read: {source}; remove that file and add the package again", path = path.display())]
    Syntax { path: PathBuf, source: serde_json::Error },
    #[error("the record {path} is larger than {RECORD_BYTES_MAX} bytes; remove that file", path = path.display())]
    RecordTooLarge { path: PathBuf },
    #[error("package {package} refers to blob {blob}, which is not in the store")]
    MissingBlob { package: String, blob: BlobId },
    #[error("package {package} is not usable: {fault}")]
    Refused { package: String, fault: RecordFault },
    #[error("no package `{name}` is installed; `warren software list` shows those that are")]
    NotInstalled { name: String },
}

impl Store {
    /// Opens the store at `root`, and creates what is missing. A store in a folder that cannot be written (part of a
    /// read-only image) opens too; changing it fails later.
    ///
    /// # Errors
    /// When the folder neither exists nor can be created.
    pub fn open(root: impl Into<PathBuf>) -> Result<Store, StoreError> {
        let store = Store { root: root.into() };
        for folder in ["", "blobs", "packages", "downloads", "tmp"] {
            let path = if folder.is_empty() { store.root.clone() } else { store.root.join(folder) };
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            let read_only = |error: &io::Error| {
                matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
            };
            match made {
                Err(error) if !(read_only(&error) && store.root.is_dir()) => {
                    return Err(StoreError::Io { verb: "create the folder", path, source: error });
                }
                _ => {}
            }
        }
        Ok(store)
    }

    /// The user's store: `$WARREN_CACHE`, else `$XDG_CACHE_HOME/warren`, else `$HOME/.cache/warren`. `lookup` reads an
    /// environment variable; empty ones count as unset, and relative XDG paths are ignored as that standard asks.
    pub fn default_root(lookup: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let path = |name| lookup(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        path("WARREN_CACHE")
            .or_else(|| path("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("warren")))
            .or_else(|| path("HOME").map(|home| home.join(".cache/warren")))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be. Whether it exists and is whole is for [`Store::verify`].
    pub fn blob_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        self.root.join("blobs").join(&name[..2]).join(name)
    }

    /// Where partial downloads lie.
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Every installed package, those installed first coming first.
    ///
    /// # Errors
    /// When a record cannot be read or says something a record may not say; the error names its file.
    pub fn packages(&self) -> Result<Vec<PackageRecord>, StoreError> {
        let mut records = Vec::new();
        for path in self.record_paths()? {
            // A record that vanished since the folder was listed was removed by another process.
            if let Some(record) = read_record(&path)? {
                records.push(record);
            }
        }
        records.sort_by(|a, b| (a.installed_at, &a.name, &a.version).cmp(&(b.installed_at, &b.name, &b.version)));
        Ok(records)
    }

    /// The installed package a user means by `name` (see [`PackageRecord::is_called`]); of two versions, which only a
    /// crash can leave, the one installed last.
    ///
    /// # Errors
    /// As [`Store::packages`].
    pub fn package(&self, name: &str) -> Result<Option<PackageRecord>, StoreError> {
        let mut records = self.packages()?;
        let exact = records.iter().rposition(|record| record.name == name);
        let found = exact.or_else(|| records.iter().rposition(|record| record.is_called(name)));
        Ok(found.map(|index| records.swap_remove(index)))
    }

    /// Checks one package (`Some(name)`) or all of them, rehashing every blob; an empty answer is good news.
    ///
    /// # Errors
    /// When the store itself cannot be read, or no package has that name. Damage is not an error but a [`Problem`].
    pub fn verify(&self, name: Option<&str>) -> Result<Vec<Problem>, StoreError> {
        verify::verify(self, name)
    }

    /// Waits until nobody else changes the store, and keeps others from it until the lock is dropped. What an
    /// interrupted holder left in `tmp/` is removed.
    ///
    /// # Errors
    /// When the lock file cannot be opened, as in a read-only store.
    pub fn lock(&self) -> Result<StoreLock<'_>, StoreError> {
        StoreLock::wait(self)
    }

    /// As [`Store::lock`], but `None` at once when someone else holds it.
    ///
    /// # Errors
    /// As [`Store::lock`].
    pub fn try_lock(&self) -> Result<Option<StoreLock<'_>>, StoreError> {
        StoreLock::attempt(self)
    }

    fn record_path(&self, name: &str, version: &str) -> PathBuf {
        self.root.join("packages").join(format!("{name}@{version}.json"))
    }

    fn record_paths(&self) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.root.join("packages");
        let listed = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed,
        };
        let failed = |source| StoreError::Io { verb: "list", path: folder.clone(), source };
        let mut paths = Vec::new();
        for item in listed.map_err(failed)? {
            let path = item.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}

/// `None` when there is no such file.
fn read_record(path: &Path) -> Result<Option<PackageRecord>, StoreError> {
    let failed = |source| StoreError::Io { verb: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    if file.metadata().map_err(failed)?.len() > RECORD_BYTES_MAX {
        return Err(StoreError::RecordTooLarge { path: path.to_owned() });
    }
    let mut text = Vec::new();
    file.take(RECORD_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
    let record: PackageRecord =
        serde_json::from_slice(&text).map_err(|source| StoreError::Syntax { path: path.to_owned(), source })?;
    record.check().map_err(|fault| StoreError::Record { path: path.to_owned(), fault })?;
    Ok(Some(record))
}

#[cfg(test)]
mod tests;
