//! Changing a store: whoever holds the lock may add blobs, write and remove records, and collect what nobody uses.

use super::super::blob::BlobId;
use super::super::record::PackageRecord;
use super::{Store, StoreError};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const COPY_BUFFER_BYTES: usize = 128 * 1024;

/// The right to change a store. Held until it is dropped; the kernel releases it if the process dies.
#[derive(Debug)]
pub struct StoreLock<'a> {
    store: &'a Store,
    _held: File,
    next_temp: Cell<u64>,
    /// Blobs known whole because this lock wrote or compared them; saves comparing an alias again.
    whole: RefCell<HashSet<BlobId>>,
}

/// What [`StoreLock::add_blob`] stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddedBlob {
    pub id: BlobId,
    pub size: u64,
    /// Whether these bytes were not in the store before, or only in a damaged form.
    pub is_new: bool,
}

/// A file in the store's `tmp/`, removed when this is dropped.
#[derive(Debug)]
pub struct TempFile {
    pub file: File,
    path: PathBuf,
    keep: bool,
}

impl TempFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its final name, replacing what had it.
    fn persist(mut self, to: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, to).map_err(failed("rename a finished file to", to))?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.keep {
            // If this fails the next holder of the lock removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl<'a> StoreLock<'a> {
    pub(super) fn wait(store: &'a Store) -> Result<StoreLock<'a>, StoreError> {
        let (path, file) = open_lock_file(store)?;
        while let Err(error) = flock(&file, FlockOperation::LockExclusive) {
            if error != Errno::INTR {
                return Err(failed("lock", &path)(error.into()));
            }
        }
        Self::held(store, file)
    }

    pub(super) fn attempt(store: &'a Store) -> Result<Option<StoreLock<'a>>, StoreError> {
        let (path, file) = open_lock_file(store)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Self::held(store, file).map(Some),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed("lock", &path)(error.into())),
        }
    }

    fn held(store: &'a Store, file: File) -> Result<StoreLock<'a>, StoreError> {
        let temp = store.root.join("tmp");
        for item in fs::read_dir(&temp).map_err(failed("list", &temp))? {
            let path = item.map_err(failed("list", &temp))?.path();
            fs::remove_file(&path).map_err(failed("remove the left-over", &path))?;
        }
        Ok(StoreLock { store, _held: file, next_temp: Cell::new(0), whole: RefCell::default() })
    }

    /// A new, empty, private file that vanishes when dropped.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn temp_file(&self) -> Result<TempFile, StoreError> {
        let number = self.next_temp.replace(self.next_temp.get() + 1);
        let path = self.store.root.join("tmp").join(format!("{}-{number}", std::process::id()));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = opened.map_err(failed("create", &path))?;
        Ok(TempFile { file, path, keep: false })
    }

    /// Stores what `reader` gives, of which at most `max` bytes are accepted, and names it by its hash. A blob that is
    /// already there is compared and kept; a damaged one is replaced, so adding a package again repairs it.
    ///
    /// # Errors
    /// When reading or writing fails, or there are more than `max` bytes.
    pub fn add_blob(&self, mut reader: impl Read, max: u64) -> Result<AddedBlob, StoreError> {
        let mut temp = self.temp_file()?;
        let (id, size) = copy_and_hash(&mut reader, &mut temp, max)?;
        let path = self.store.blob_path(&id);
        if self.is_whole(&id, &path, size) {
            return Ok(AddedBlob { id, size, is_new: false });
        }
        temp.file.set_permissions(Permissions::from_mode(0o444)).map_err(failed("write", &temp.path))?;
        temp.file.sync_data().map_err(failed("write", &temp.path))?;
        let shard = path.parent().unwrap_or(self.store.root());
        DirBuilder::new().recursive(true).mode(0o700).create(shard).map_err(failed("create the folder", shard))?;
        temp.persist(&path)?;
        self.whole.borrow_mut().insert(id);
        Ok(AddedBlob { id, size, is_new: true })
    }

    /// Makes a package visible, in one step, in place of any other version of it. The record is checked, and its blobs
    /// have to be in the store.
    ///
    /// # Errors
    /// When the record is refused, lacks a blob, or cannot be written.
    pub fn install_record(&self, record: &PackageRecord) -> Result<(), StoreError> {
        let package = || record.label();
        record.check().map_err(|fault| StoreError::Refused { package: package(), fault })?;
        let mut shards = BTreeSet::new();
        let mut seen = HashSet::new();
        for (blob, size) in record.blobs().filter(|(blob, _)| seen.insert(*blob)) {
            let path = self.store.blob_path(&blob);
            if !fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() == size) {
                return Err(StoreError::MissingBlob { package: package(), blob });
            }
            shards.extend(path.parent().map(Path::to_owned));
        }
        // The names of the blobs have to be on disk before a record that refers to them is.
        for folder in shards.iter().chain([&self.store.root.join("blobs")]) {
            sync_folder(folder)?;
        }
        let path = self.store.record_path(&record.name, &record.version);
        let mut temp = self.temp_file()?;
        let mut text =
            serde_json::to_vec_pretty(record).map_err(|source| StoreError::Syntax { path: path.clone(), source })?;
        text.push(b'\n');
        temp.file.write_all(&text).map_err(failed("write", &temp.path))?;
        temp.file.sync_all().map_err(failed("write", &temp.path))?;
        temp.persist(&path)?;
        self.remove_records(|other, other_path| other.name == record.name && other_path != path)?;
        sync_folder(&self.store.root.join("packages"))
    }

    /// Removes a package, and the blobs that no other package uses. Returns what was removed.
    ///
    /// # Errors
    /// When no package has that name, or files cannot be removed.
    pub fn remove(&self, name: &str) -> Result<PackageRecord, StoreError> {
        let installed = self.store.package(name)?;
        let record = installed.ok_or_else(|| StoreError::NotInstalled { name: name.to_owned() })?;
        self.remove_records(|other, _| other.name == record.name)?;
        sync_folder(&self.store.root.join("packages"))?;
        self.collect()?;
        Ok(record)
    }

    /// Removes blobs that no package refers to, and returns how many bytes that freed. A blob that a running process
    /// has mapped stays readable to it.
    ///
    /// # Errors
    /// When a record cannot be read: then nothing is removed, for that record might need it.
    pub fn collect(&self) -> Result<u64, StoreError> {
        let used: HashSet<BlobId> = self
            .store
            .packages()?
            .iter()
            .flat_map(|record| record.blobs().map(|(blob, _)| blob).collect::<Vec<_>>())
            .collect();
        let mut freed = 0;
        let blobs = self.store.root.join("blobs");
        for shard in fs::read_dir(&blobs).map_err(failed("list", &blobs))? {
            let shard = shard.map_err(failed("list", &blobs))?.path();
            for blob in fs::read_dir(&shard).map_err(failed("list", &shard))? {
                let blob = blob.map_err(failed("list", &shard))?;
                let id = blob.file_name().to_str().and_then(BlobId::parse);
                if id.is_some_and(|id| used.contains(&id)) {
                    continue;
                }
                freed += blob.metadata().map(|metadata| metadata.len()).unwrap_or(0);
                fs::remove_file(blob.path()).map_err(failed("remove", &blob.path()))?;
            }
        }
        Ok(freed)
    }

    fn remove_records(&self, matches: impl Fn(&PackageRecord, &Path) -> bool) -> Result<(), StoreError> {
        for path in self.store.record_paths()? {
            match super::read_record(&path) {
                Ok(Some(record)) if matches(&record, &path) => {
                    fs::remove_file(&path).map_err(failed("remove", &path))?;
                }
                // Someone else's broken record must not keep this package from being installed or removed.
                Ok(_)
                | Err(StoreError::Record { .. } | StoreError::Syntax { .. } | StoreError::RecordTooLarge { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn is_whole(&self, id: &BlobId, path: &Path, size: u64) -> bool {
        let right_size = fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_file() && found.len() == size && found.permissions().mode() & 0o7777 == 0o444);
        if !right_size {
            return false;
        }
        if self.whole.borrow().contains(id) {
            return true;
        }
        let whole = hash_file(path).is_ok_and(|found| found == *id);
        if whole {
            self.whole.borrow_mut().insert(*id);
        }
        whole
    }
}

/// The hash of a file's bytes, read piece by piece.
pub(super) fn hash_file(path: &Path) -> io::Result<BlobId> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(BlobId::new(*hasher.finalize().as_bytes())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
}

fn copy_and_hash(reader: &mut impl Read, temp: &mut TempFile, max: u64) -> Result<(BlobId, u64), StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    let mut size = 0u64;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok((BlobId::new(*hasher.finalize().as_bytes()), size)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(StoreError::Source(error)),
        };
        size += count as u64;
        if size > max {
            return Err(StoreError::TooLarge { max });
        }
        hasher.update(&buffer[..count]);
        temp.file.write_all(&buffer[..count]).map_err(failed("write", &temp.path))?;
    }
}

fn open_lock_file(store: &Store) -> Result<(PathBuf, File), StoreError> {
    let path = store.root.join("lock");
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = opened.map_err(failed("open the lock file", &path))?;
    Ok((path, file))
}

fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("flush", path))
}

fn failed<'p>(verb: &'static str, path: &'p Path) -> impl Fn(io::Error) -> StoreError + use<'p> {
    move |source| StoreError::Io { verb, path: path.to_owned(), source }
}
