//! A disk in memory that loses power, fills up and fails, for tests of whatever must survive that.
//!
//! Every file has its bytes as the processes see them and its bytes on the platter, with the writes in between that no
//! sync has carried over; names likewise. [`SimulatedDisk::power_loss`] keeps of what was not synced what its seed says:
//! nothing, all, a part cut at any byte, or any of its sectors. A failed sync forgets: what it should have carried over
//! stays visible and is never carried over, as on Linux. [`SimulatedDisk::process_death`] loses nothing that was written.
use super::{Disk, DiskFile, DiskLock, Guard, Listed, LockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

mod platter;

use platter::{Bytes, Change, Fault, NameChange, Node, Platter, off};

/// A kind of operation, to say which one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Whatever comes.
    Any,
    /// Creating a file or folder.
    Create,
    /// Opening a file, or reading from it.
    Read,
    /// Writing to a file, or cutting it.
    Write,
    /// Making a file durable.
    Sync,
    /// Making names durable, or everything.
    SyncDir,
    /// Renaming a file.
    Rename,
    /// Removing a file or folder.
    Remove,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk {
    disk: Arc<Mutex<Platter>>,
}

impl SimulatedDisk {
    /// An empty disk, with a root folder `/`. The seed decides what a loss of power takes.
    pub fn new(seed: u64) -> SimulatedDisk {
        let mut platter = Platter { random: seed, ..Platter::default() };
        platter.names.insert(PathBuf::from("/"), Node::Folder);
        platter.names_durable.insert(PathBuf::from("/"), Node::Folder);
        SimulatedDisk { disk: Arc::new(Mutex::new(platter)) }
    }

    /// The disk after the power went and came back. Handles of the one before only fail from here on.
    pub fn power_loss(&self) -> SimulatedDisk {
        self.succeed(Platter::after_power_loss)
    }

    /// The disk as a new process finds it after the old one was killed. The old one's handles only fail from here on.
    pub fn process_death(&self) -> SimulatedDisk {
        self.succeed(|_| {})
    }

    /// Whether the machine is off: every operation fails.
    pub fn is_off(&self) -> bool {
        self.lock().off
    }

    /// Operations so far: a scale for [`SimulatedDisk::crash_after`].
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// After so many more operations every one fails; one that writes does a part of it first.
    pub fn crash_after(&self, operations: u64) {
        let mut platter = self.lock();
        platter.crash_at = Some(platter.operations + operations);
    }

    /// Makes one operation of this kind fail, after `skip` that do not.
    pub fn fail_once(&self, operation: Operation, skip: u64, error: io::ErrorKind) {
        self.lock().faults.push(Fault { operation, skip, error, stays: false });
    }

    /// Makes all operations of this kind fail, until [`SimulatedDisk::heal`].
    pub fn fail_always(&self, operation: Operation, error: io::ErrorKind) {
        self.lock().faults.push(Fault { operation, skip: 0, error, stays: true });
    }

    /// From here on, syncs of files and folders with this in their path answer well and do nothing: a disk that lies, or
    /// callers that forget to ask. For tests of tests. Moving everything at once is called `sync_all`.
    pub fn forget_syncs(&self, of: &str) {
        self.lock().forgetful.push(of.to_owned());
    }

    /// Takes all faults and the limit of capacity away.
    pub fn heal(&self) {
        let mut platter = self.lock();
        platter.faults.clear();
        platter.capacity_bytes = None;
    }

    /// Bytes the files may have together; a write past that writes what fits and fails with `StorageFull`.
    pub fn set_capacity(&self, bytes: u64) {
        self.lock().capacity_bytes = Some(bytes);
    }

    /// Bytes in all files, as the processes see them.
    pub fn used_bytes(&self) -> u64 {
        self.lock().used_bytes()
    }

    /// Flips one bit of a file, seen and on the platter, as rot does.
    ///
    /// # Errors
    /// `NotFound` when no such file or byte is there.
    pub fn rot(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let mut platter = self.lock();
        let file = platter.file(path)?;
        let bytes = &mut platter.files[file];
        let at = usize::try_from(offset).map_err(|_| io::ErrorKind::NotFound)?;
        *bytes.seen.get_mut(at).ok_or(io::ErrorKind::NotFound)? ^= 1 << (bit % 8);
        if let Some(byte) = bytes.durable.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        Ok(())
    }

    fn succeed(&self, change: impl FnOnce(&mut Platter)) -> SimulatedDisk {
        let mut old = self.lock();
        let mut platter = std::mem::take(&mut *old);
        old.off = true;
        platter.off = false;
        platter.crash_at = None;
        platter.faults.clear();
        platter.locks.clear();
        change(&mut platter);
        SimulatedDisk { disk: Arc::new(Mutex::new(platter)) }
    }

    fn lock(&self) -> MutexGuard<'_, Platter> {
        self.disk.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    file: usize,
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl Guard for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.lock().locks.remove(&self.path);
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut platter = self.lock();
        platter.begin(Operation::Create)?;
        let file = platter.files.len();
        platter.link(path, Node::File(file))?;
        platter.files.push(Bytes::default());
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut platter = self.lock();
        platter.begin(Operation::Read)?;
        Ok(Arc::new(SimulatedFile { disk: self.clone(), file: platter.file(path)? }))
    }

    fn open_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::Rename)?;
        let node = Node::File(platter.file(from)?);
        platter.folder_of(to)?;
        if platter.names.get(to) == Some(&Node::Folder) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let change = NameChange::Rename { from: from.to_path_buf(), to: to.to_path_buf(), node };
        change.apply(&mut platter.names);
        platter.names_pending.push(change);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::Remove)?;
        platter.file(path)?;
        platter.names.remove(path);
        platter.names_pending.push(NameChange::Unlink { path: path.to_path_buf() });
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::Create)?;
        platter.link(path, Node::Folder)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::Remove)?;
        if platter.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if platter.names.keys().any(|other| other.parent() == Some(path)) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        platter.names.remove(path);
        platter.names_pending.push(NameChange::Unlink { path: path.to_path_buf() });
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let mut platter = self.lock();
        platter.begin(Operation::Read)?;
        if platter.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let below = platter.names.range(path.to_path_buf()..).take_while(|(name, _)| name.starts_with(path));
        let direct = below.filter(|(name, _)| name.parent() == Some(path));
        Ok(direct
            .filter_map(|(name, node)| {
                let name = name.file_name()?.to_str()?.to_owned();
                Some(Listed { name, is_dir: *node == Node::Folder })
            })
            .collect())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::SyncDir)?;
        if platter.names.get(path) != Some(&Node::Folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !platter.forgets(&path.to_string_lossy()) {
            platter.carry_names_over(|folder| folder == path);
        }
        Ok(())
    }

    fn sync_all(&self, _path: &Path) -> io::Result<()> {
        let mut platter = self.lock();
        platter.begin(Operation::SyncDir)?;
        if platter.forgets("sync_all") {
            return Ok(());
        }
        platter.carry_names_over(|_| true);
        for file in 0..platter.files.len() {
            platter.carry_over(file);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<DiskLock, LockError> {
        let io = |error: io::Error| LockError::Io { path: path.to_path_buf(), error };
        let mut platter = self.lock();
        platter.begin(Operation::Create).map_err(|stop| io(stop.error))?;
        if !platter.locks.insert(path.to_path_buf()) {
            return Err(LockError::Held { path: path.to_path_buf(), holder: "this test".to_owned() });
        }
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn fill_random(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut platter = self.lock();
        for piece in buf.chunks_mut(8) {
            let random = platter.random().to_le_bytes();
            piece.copy_from_slice(&random[..piece.len()]);
        }
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut platter = self.disk.lock();
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut fits = bytes.len();
        let mut outcome = Ok(());
        if let Err(stop) = platter.begin(Operation::Write) {
            if !stop.crashing && stop.error.kind() != io::ErrorKind::StorageFull {
                return Err(stop.error);
            }
            fits = platter.below(bytes.len());
            outcome = Err(stop.error);
        } else if let Some(capacity) = platter.capacity_bytes {
            let grows = (offset + bytes.len()).saturating_sub(platter.files[self.file].seen.len()) as u64;
            let free = capacity.saturating_sub(platter.used_bytes());
            if grows > free {
                fits = bytes.len().saturating_sub((grows - free) as usize);
                outcome = Err(io::ErrorKind::StorageFull.into());
            }
        }
        if fits > 0 {
            platter.change(self.file, Change::Write { offset, bytes: bytes[..fits].to_vec() });
        }
        outcome
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut platter = self.disk.lock();
        platter.begin(Operation::Read)?;
        let seen = &platter.files[self.file].seen;
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(seen.len());
        let count = buf.len().min(seen.len() - from);
        buf[..count].copy_from_slice(&seen[from..from + count]);
        Ok(count)
    }

    fn len(&self) -> io::Result<u64> {
        let platter = self.disk.lock();
        if platter.off { Err(off()) } else { Ok(platter.files[self.file].seen.len() as u64) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.disk.lock();
        platter.begin(Operation::Write)?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
        platter.change(self.file, Change::Cut { len });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.lock();
        if let Err(stop) = platter.begin(Operation::Sync) {
            if !platter.off {
                // The kernel calls the pages clean after it failed to write them: no later sync brings them back.
                platter.files[self.file].pending.clear();
            }
            return Err(stop.error);
        }
        let forgotten = platter.name_of(self.file).is_some_and(|name| platter.forgets(&name.to_string_lossy()));
        if !forgotten {
            platter.carry_over(self.file);
        }
        Ok(())
    }

    fn modified(&self) -> io::Result<SystemTime> {
        let platter = self.disk.lock();
        if platter.off {
            return Err(off());
        }
        Ok(SystemTime::UNIX_EPOCH + Duration::from_secs(platter.files[self.file].modified))
    }
}
