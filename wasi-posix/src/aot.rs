//! Code compiled ahead of time, kept on disk; and files of the store, mapped. All the unsafe code of this crate.
//!
//! ```text
//! <cache>/code/<engine>/<content>.cwasm   what the engine made of one module
//! <cache>/code/<engine>/<content>.sum     keyed blake3 of it
//! <cache>/code/key                        32 random bytes, mode 0600: who has it may plant code
//! ```
//! Compiled code is machine code: loading a file someone else wrote would run it. A file is loaded only if it and
//! its folder belong to this user, nobody else may write them, and its checksum under this host's key matches; the
//! bytes checked are the bytes mapped, since one open file is used for both.
#![allow(unsafe_code, reason = "the two operations here have no safe form; each says why it holds")]

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use warren_kernel::Errno;
use warren_kernel::blob::{BlobId, SharedBytes};
use wasmtime::{Engine, Module};

/// Why a code cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AotError {
    /// The folder cannot be made or read.
    #[error("code cache {path}: {source}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Someone else could write code into it.
    #[error("code cache {path} must belong to this user and be writable by nobody else (owner {owner}, mode {mode:o})")]
    NotPrivate {
        /// Which file or folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// Compiled code of this host, by content.
#[derive(Debug)]
pub struct CodeCache {
    folder: PathBuf,
    key: [u8; 32],
}

impl CodeCache {
    /// Opens the cache below `root` for this engine, making it if needed.
    ///
    /// # Errors
    /// [`AotError`].
    pub fn open(root: &Path, engine: &Engine) -> Result<CodeCache, AotError> {
        let code = root.join("code");
        let folder = code.join(engine_name(engine));
        std::fs::create_dir_all(&folder).map_err(|source| AotError::Io { path: folder.clone(), source })?;
        for path in [&code, &folder] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
                .and_then(|()| std::fs::symlink_metadata(path))
                .map_err(|source| AotError::Io { path: path.clone(), source })
                .and_then(|metadata| private(path, &metadata))?;
        }
        let key = host_key(&code.join("key"))?;
        Ok(CodeCache { folder, key })
    }

    /// Whether there is code for this content; it is checked only when loaded.
    pub fn contains(&self, id: &BlobId) -> bool {
        self.path(id, "cwasm").exists()
    }

    /// The module of this content. `None` when there is none, or none that this host wrote for this engine.
    pub fn load(&self, engine: &Engine, id: &BlobId) -> Option<Module> {
        let path = self.path(id, "cwasm");
        let mut file = open_own(&path)?;
        let said = std::fs::read(self.path(id, "sum")).ok()?;
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&id.0);
        hasher.update_reader(&mut file).ok()?;
        if said != hasher.finalize().as_bytes() {
            tracing::warn!(path = %path.display(), "compiled code does not match its checksum and is made anew");
            return None;
        }
        file.rewind().ok()?;
        // SAFETY: `deserialize_open_file` requires that the bytes come from this engine's `precompile_module` and do
        // not change while mapped. The keyed checksum just matched on this very open file, and only this user has
        // the key; files are written under another name, renamed into place and never written again.
        unsafe { Module::deserialize_open_file(engine, file) }.ok()
    }

    /// Keeps what the engine made. A failure is only a slower next start.
    pub fn keep(&self, id: &BlobId, code: &[u8]) {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&id.0);
        hasher.update(code);
        let kept = write_new(&self.path(id, "sum"), hasher.finalize().as_bytes())
            .and_then(|()| write_new(&self.path(id, "cwasm"), code));
        if let Err(error) = kept {
            tracing::warn!(%error, folder = %self.folder.display(), "compiled code cannot be kept");
        }
    }

    fn path(&self, id: &BlobId, extension: &str) -> PathBuf {
        self.folder.join(format!("{id}.{extension}"))
    }
}

/// The engine's name in the cache: version, configuration and processor, as the engine itself compares them.
fn engine_name(engine: &Engine) -> String {
    use std::hash::{Hash, Hasher};
    struct Blake(blake3::Hasher);
    impl Hasher for Blake {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut hasher = Blake(blake3::Hasher::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.0.finalize().to_hex()[..32].to_owned()
}

fn host_key(path: &Path) -> Result<[u8; 32], AotError> {
    let io = |source| AotError::Io { path: path.to_owned(), source };
    loop {
        if let Ok(metadata) = std::fs::symlink_metadata(path) {
            private(path, &metadata)?;
            let mut key = [0; 32];
            File::open(path).and_then(|mut file| file.read_exact(&mut key)).map_err(io)?;
            return Ok(key);
        }
        let mut key = [0; 32];
        warren_kernel::host::Host::fill_random(&crate::system::SystemHost, &mut key);
        write_new(path, &key).map_err(io)?;
    }
}

/// Opens a regular file of this user that nobody else may write.
fn open_own(path: &Path) -> Option<File> {
    let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let file = File::from(fd);
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && private(path, &metadata).is_ok()).then_some(file)
}

fn private(path: &Path, metadata: &std::fs::Metadata) -> Result<(), AotError> {
    let owner = metadata.uid();
    let mode = metadata.permissions().mode() & 0o7777;
    if owner == rustix::process::geteuid().as_raw() && mode & 0o022 == 0 && !metadata.is_symlink() {
        Ok(())
    } else {
        Err(AotError::NotPrivate { path: path.to_owned(), owner, mode })
    }
}

/// Writes a file that appears whole or not at all; one that is there already is replaced.
fn write_new(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut suffix = [0; 8];
    warren_kernel::host::Host::fill_random(&crate::system::SystemHost, &mut suffix);
    let temporary = path.with_extension(format!("{:016x}.tmp", u64::from_le_bytes(suffix)));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// A file of the store, mapped: its pages are shared by all sessions and given back by the system when it needs to.
struct Mapping {
    start: *const u8,
    len: usize,
}

// SAFETY: the mapping is read-only and private, and nothing hands out a mutable view of it; reading shared immutable
// memory from several threads is sound.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl AsRef<[u8]> for Mapping {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `start..start + len` was mapped by `map` and stays so until drop. The store's files are written
        // once, made read-only and never changed or truncated by us; a user who truncates them under a running node
        // gets SIGBUS, as with every mapped executable.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `map` made exactly this mapping and no reference to it outlives `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.cast_mut().cast(), self.len) };
    }
}

/// Maps a file of `len` bytes.
///
/// # Errors
/// `EIO` when it is missing, has another length, or cannot be mapped.
pub fn map(path: &Path, len: u64) -> Result<SharedBytes, Errno> {
    let file = File::open(path).map_err(|_| Errno::EIO)?;
    if file.metadata().map_err(|_| Errno::EIO)?.len() != len {
        return Err(Errno::EIO);
    }
    let len = usize::try_from(len).map_err(|_| Errno::EIO)?;
    if len == 0 {
        return Ok(Arc::new(Vec::new()));
    }
    // SAFETY: a new private read-only mapping at an address the system chooses aliases no Rust object; `file` is
    // open for reading and at least `len` bytes long.
    let start = unsafe {
        rustix::mm::mmap(
            std::ptr::null_mut(),
            len,
            rustix::mm::ProtFlags::READ,
            rustix::mm::MapFlags::PRIVATE,
            &file,
            0,
        )
    }
    .map_err(|_| Errno::EIO)?;
    Ok(Arc::new(Mapping { start: start.cast_const().cast(), len }))
}

#[cfg(test)]
mod tests;
