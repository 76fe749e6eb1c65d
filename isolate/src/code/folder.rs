//! Entries on disk.
//!
//! ```text
//! <folder>/<key>     keyed blake3 of the key and the bytes, 32 bytes ─ the bytes
//! <folder>/key       32 random bytes, mode 0600: who has it may plant code
//! ```
//! The engine runs what it is given as it is. An entry is taken only from a regular file of this user's that nobody else may
//! write, in a folder of the same kind, and only if its checksum under this host's key matches.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use warren_isolate_extensions::code::Key;
use warren_kernel::host::Host;
use warren_wasi_posix::system::SystemHost;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// It cannot be made or read.
    #[error("code of scripts in {path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Someone else could write code into it.
    #[error("{0} must belong to this user and be writable by nobody else")]
    NotPrivate(PathBuf),
}

const SUM_BYTES: usize = 32;
const KEY_FILE: &str = "key";

/// A folder of entries.
pub(super) struct Folder {
    path: PathBuf,
    key: [u8; 32],
    bytes_max: u64,
    files: Mutex<Files>,
}

/// What is there, and when it was used last.
#[derive(Default)]
struct Files {
    by_key: HashMap<Key, (u64, SystemTime)>,
    bytes: u64,
}

impl Folder {
    /// Opens it, making it if needed.
    pub(super) fn open(path: &Path, bytes_max: u64) -> Result<Folder, FolderError> {
        let io = |source| FolderError::Io { path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(io)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
        let metadata = std::fs::symlink_metadata(path).map_err(io)?;
        if !metadata.is_dir() || !is_private(&metadata) {
            return Err(FolderError::NotPrivate(path.to_owned()));
        }
        let key = host_key(&path.join(KEY_FILE))?;
        let mut files = Files::default();
        for file in std::fs::read_dir(path).map_err(io)?.flatten() {
            let name = file.file_name();
            let Ok(metadata) = file.metadata() else { continue };
            if let Some(key) = name.to_str().and_then(key_of) {
                files.bytes += metadata.len();
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.by_key.insert(key, (metadata.len(), used));
            } else if name != KEY_FILE {
                // Of a writer that was ended.
                let _ = std::fs::remove_file(file.path());
            }
        }
        Ok(Folder { path: path.to_owned(), key, bytes_max, files: Mutex::new(files) })
    }

    /// An entry; `None` when there is none, or none that this host wrote.
    pub(super) fn read(&self, key: &Key) -> Option<Vec<u8>> {
        self.files().by_key.get(key)?;
        let read = self.read_file(key);
        match &read {
            Some(_) => {
                let now = SystemTime::now();
                if let Ok(file) = std::fs::File::options().write(true).open(self.file(key)) {
                    let _ = file.set_modified(now);
                }
                if let Some(known) = self.files().by_key.get_mut(key) {
                    known.1 = now;
                }
            }
            None => {
                tracing::warn!(path = %self.file(key).display(), "kept code does not match its checksum and is made anew");
                self.remove(key);
            }
        }
        read
    }

    fn read_file(&self, key: &Key) -> Option<Vec<u8>> {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::open(self.file(key), flags, rustix::fs::Mode::empty()).ok()?;
        let mut file = std::fs::File::from(file);
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || !is_private(&metadata) || metadata.len() > self.bytes_max {
            return None;
        }
        let mut said = [0; SUM_BYTES];
        file.read_exact(&mut said).ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        file.take(self.bytes_max).read_to_end(&mut bytes).ok()?;
        (self.sum(key, &bytes) == said).then_some(bytes)
    }

    /// Writes an entry, which appears whole or not at all, and removes what was used least lately if that is too much.
    pub(super) fn write(&self, key: &Key, bytes: &[u8]) {
        let len = (bytes.len() + SUM_BYTES) as u64;
        if len > self.bytes_max / 4 {
            return;
        }
        if let Err(error) = write_new(&self.file(key), &[&self.sum(key, bytes), bytes]) {
            tracing::warn!(%error, folder = %self.path.display(), "code of a script cannot be kept");
            return;
        }
        let gone = {
            let mut files = self.files();
            let before = files.by_key.insert(*key, (len, SystemTime::now()));
            files.bytes = files.bytes + len - before.map_or(0, |(len, _)| len);
            files.too_many(self.bytes_max)
        };
        gone.iter().for_each(|key| self.remove(key));
    }

    /// Removes an entry.
    pub(super) fn remove(&self, key: &Key) {
        let _ = std::fs::remove_file(self.file(key));
        let mut files = self.files();
        if let Some((len, _)) = files.by_key.remove(key) {
            files.bytes -= len;
        }
    }

    fn sum(&self, key: &Key, bytes: &[u8]) -> [u8; SUM_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&key.0).update(bytes);
        *hasher.finalize().as_bytes()
    }

    fn file(&self, key: &Key) -> PathBuf {
        self.path.join(blake3::Hash::from_bytes(key.0).to_hex().as_str())
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    /// Those that have to go, an eighth more than must.
    fn too_many(&self, bytes_max: u64) -> Vec<Key> {
        if self.bytes <= bytes_max {
            return Vec::new();
        }
        let mut by_age: Vec<_> = self.by_key.iter().map(|(key, (len, used))| (*used, *len, *key)).collect();
        by_age.sort_unstable();
        let mut over = self.bytes - (bytes_max - bytes_max / 8);
        let goes = by_age.into_iter().take_while(|(_, len, _)| {
            let goes = over > 0;
            over = over.saturating_sub(*len);
            goes
        });
        goes.map(|(_, _, key)| key).collect()
    }
}

fn key_of(name: &str) -> Option<Key> {
    blake3::Hash::from_hex(name).ok().map(|hash| Key(*hash.as_bytes()))
}

fn is_private(metadata: &std::fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.permissions().mode() & 0o022 == 0
}

fn host_key(path: &Path) -> Result<[u8; 32], FolderError> {
    let io = |source| FolderError::Io { path: path.to_owned(), source };
    let mut key = [0; 32];
    if std::fs::symlink_metadata(path).is_err() {
        SystemHost.fill_random(&mut key);
        write_new(path, &[&key]).map_err(io)?;
    }
    // Another process may have written it meanwhile.
    let metadata = std::fs::symlink_metadata(path).map_err(io)?;
    if !metadata.is_file() || !is_private(&metadata) {
        return Err(FolderError::NotPrivate(path.to_owned()));
    }
    #[allow(clippy::disallowed_methods, reason = "it is the host that keeps it")]
    let opened = std::fs::File::open(path);
    opened.and_then(|mut file| file.read_exact(&mut key)).map_err(io)?;
    Ok(key)
}

/// Writes a file that appears whole or not at all; one that is there already is replaced.
fn write_new(path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut suffix = [0; 8];
    SystemHost.fill_random(&mut suffix);
    let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_le_bytes(suffix)));
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| parts.iter().try_for_each(|part| file.write_all(part)))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
