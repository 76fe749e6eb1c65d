//! The few file operations that the log and the store on disk are made of, as a seam.
//!
//! ```text
//! wal, DiskStore ──▶ Disk ──▶ RealDisk        this machine's file system
//!                         ──▶ SimulatedDisk   memory that loses power: tears, drops, fills up, fails
//! ```
//!
//! What the callers rely on, and no more: bytes of a file are durable after [`DiskFile::sync_data`] on it; a name (after
//! create, rename or remove) is durable after [`Disk::sync_dir`] on its folder; a rename replaces at once or not at all.
//! Nothing that was not synced may be assumed to be there, nor to be gone.
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

mod real;
mod simulated;

pub use real::RealDisk;
pub use simulated::{Operation, SimulatedDisk};

/// A file system. Paths are absolute or relative to the process, as the caller likes; calls block.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a file for reading and writing; one that exists is `AlreadyExists`.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name; a file that has it is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates one folder in one that exists; one that exists already is `AlreadyExists`.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// What is in a folder, in no order. Names that are not UTF-8 are left out: no caller makes such.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes everything durable that was written to the file system that holds `path`, names and bytes.
    fn sync_all(&self, path: &Path) -> io::Result<()>;
    /// Takes a lock that no second opener gets, in this process or another, until the guard is dropped or the process
    /// ends. The file is created if need be and names the process that holds the lock.
    fn lock(&self, path: &Path) -> Result<DiskLock, LockError>;
    /// Fills `buf` with random bytes.
    fn fill_random(&self, buf: &mut [u8]) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`. After an error any part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads at `offset` and returns how much; 0 is the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts the file, or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes the bytes and the length durable (fdatasync).
    fn sync_data(&self) -> io::Result<()>;
    /// When the file was last written to.
    fn modified(&self) -> io::Result<SystemTime>;
}

/// Reads at `offset` until `buf` is full; returns how much there was.
pub(crate) fn read_full(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Creates a folder and those above it that are missing, and makes their names durable: also of those that exist, which a
/// process may have created that died before it synced them.
pub(crate) fn create_dir_all(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    let mut at = path;
    loop {
        match disk.create_dir(at) {
            Ok(()) => break missing.push(at.to_path_buf()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => break,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(at.to_path_buf());
                at = at.parent().filter(|above| !above.as_os_str().is_empty()).ok_or(error)?;
            }
            Err(error) => return Err(error),
        }
    }
    for dir in missing.iter().rev() {
        match disk.create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
        match disk.sync_dir(above) {
            // Somebody else's folder, which was there before us.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => break,
            synced => synced?,
        }
    }
    Ok(())
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name within the folder.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_dir: bool,
}

/// Holds a lock of [`Disk::lock`] for as long as it lives.
pub type DiskLock = Box<dyn Guard>;

/// What a [`DiskLock`] is made of: something that gives the lock back when dropped.
pub trait Guard: Debug + Send + Sync {}

/// Why a lock was not given.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody has it.
    #[error("{path} is held by {holder}; end that one or use another folder")]
    Held {
        /// The lock's file.
        path: PathBuf,
        /// The process that holds it, as far as the file tells.
        holder: String,
    },
    /// The file could not be made or opened.
    #[error("cannot lock {path}: {error}")]
    Io {
        /// The lock's file.
        path: PathBuf,
        /// What the file system said.
        error: io::Error,
    },
}

#[cfg(test)]
mod tests;
