//! What the resolver's traits answer with: an open file, an entry of a directory, attributes.

use super::KernelSys;
use crate::errno::io_error;
use crate::file::{lock_kind, read, whence};
use crate::fs::calls::{Kept, Parking, at_once};
use crate::guest::Guest;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use sys_traits::boxed::BoxedFsMetadataValue;
use sys_traits::{
    BaseFsMetadata, FileType, FsDirEntry, FsFile, FsFileAsRaw, FsFileIsTerminal, FsFileLock, FsFileLockMode,
    FsFileMetadata, FsFileSetLen, FsFileSetPermissions, FsFileSetTimes, FsFileSyncAll, FsFileSyncData, FsFileTimes,
    FsMetadataValue,
};
use warren_kernel::extent::PAGE;
use warren_kernel::host::Timestamp;
use warren_kernel::lock::{LockKind, OnConflict};
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Call, Kernel, Step};

/// An open file. Its calls park the thread.
#[derive(Debug)]
pub struct SysFile(Kept);

impl SysFile {
    pub(super) fn new(kept: Kept) -> SysFile {
        SysFile(kept)
    }

    fn call<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> io::Result<T> {
        self.guest().call(op).map_err(io_error)
    }

    fn guest(&self) -> &Guest {
        self.0.guest()
    }

    fn lock(&self, kind: Option<LockKind>, conflict: OnConflict) -> io::Result<()> {
        self.call(|kernel, call| kernel.flock(call, self.0.fd, kind, conflict))
    }
}

impl FsFile for SysFile {}

impl Read for SysFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        at_once(read(&Parking(self.guest()), self.0.fd, None, buf)).map_err(io_error)
    }
}

impl Write for SysFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.call(|kernel, call| kernel.write(call, self.0.fd, &[buf]))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SysFile {
    fn seek(&mut self, from: SeekFrom) -> io::Result<u64> {
        let (offset, whence) = whence(from).map_err(io_error)?;
        self.call(|kernel, call| kernel.seek(call, self.0.fd, offset, whence))
    }
}

impl FsFileIsTerminal for SysFile {
    fn fs_file_is_terminal(&self) -> bool {
        self.call(|kernel, call| kernel.descriptor_status(call, self.0.fd)).is_ok_and(|status| status.terminal)
    }
}

impl FsFileLock for SysFile {
    fn fs_file_lock(&mut self, mode: FsFileLockMode) -> io::Result<()> {
        self.lock(Some(lock_kind(matches!(mode, FsFileLockMode::Exclusive))), OnConflict::Wait)
    }

    fn fs_file_try_lock(&mut self, mode: FsFileLockMode) -> io::Result<()> {
        self.lock(Some(lock_kind(matches!(mode, FsFileLockMode::Exclusive))), OnConflict::Fail)
    }

    fn fs_file_unlock(&mut self) -> io::Result<()> {
        self.lock(None, OnConflict::Fail)
    }
}

impl FsFileMetadata for SysFile {
    fn fs_file_metadata(&self) -> io::Result<BoxedFsMetadataValue> {
        let stat = self.call(|kernel, call| kernel.fstat(call, self.0.fd))?;
        Ok(BoxedFsMetadataValue::new(SysMetadata::new(stat)))
    }
}

impl FsFileSetPermissions for SysFile {
    fn fs_file_set_permissions(&mut self, mode: u32) -> io::Result<()> {
        self.call(|kernel, call| kernel.fchmod(call, self.0.fd, Mode::new(mode)))
    }
}

impl FsFileSetTimes for SysFile {
    fn fs_file_set_times(&mut self, times: FsFileTimes) -> io::Result<()> {
        let set = |time: Option<SystemTime>| time.map_or(SetTime::Omit, |time| SetTime::To(timestamp(time)));
        let (atime, mtime) = (set(times.accessed), set(times.modified));
        self.call(|kernel, call| kernel.set_times_open(call, self.0.fd, atime, mtime))
    }
}

impl FsFileSetLen for SysFile {
    fn fs_file_set_len(&mut self, size: u64) -> io::Result<()> {
        self.call(|kernel, call| kernel.set_len(call, self.0.fd, size))
    }
}

impl FsFileSyncAll for SysFile {
    fn fs_file_sync_all(&mut self) -> io::Result<()> {
        self.call(|kernel, call| kernel.sync(call, self.0.fd))
    }
}

impl FsFileSyncData for SysFile {
    fn fs_file_sync_data(&mut self) -> io::Result<()> {
        self.fs_file_sync_all()
    }
}

impl FsFileAsRaw for SysFile {
    /// None: the host has no descriptor of it.
    fn fs_file_as_raw_fd(&self) -> Option<RawFd> {
        None
    }
}

/// An entry of a directory.
#[derive(Debug)]
pub struct SysEntry {
    sys: KernelSys,
    path: PathBuf,
    kind: FileKind,
}

impl SysEntry {
    pub(super) fn new(sys: KernelSys, path: PathBuf, kind: FileKind) -> SysEntry {
        SysEntry { sys, path, kind }
    }
}

impl FsDirEntry for SysEntry {
    type Metadata = SysMetadata;

    fn file_name(&self) -> Cow<'_, OsStr> {
        Cow::Borrowed(self.path.file_name().unwrap_or_default())
    }

    fn file_type(&self) -> io::Result<FileType> {
        Ok(file_type(self.kind))
    }

    fn metadata(&self) -> io::Result<SysMetadata> {
        self.sys.base_fs_symlink_metadata(&self.path)
    }

    fn path(&self) -> Cow<'_, Path> {
        Cow::Borrowed(&self.path)
    }
}

/// What stat() told.
#[derive(Clone, Debug)]
pub struct SysMetadata(Stat);

impl SysMetadata {
    pub(super) fn new(stat: Stat) -> SysMetadata {
        SysMetadata(stat)
    }

    fn is(&self, kind: FileKind) -> io::Result<bool> {
        Ok(self.0.kind == kind)
    }
}

impl FsMetadataValue for SysMetadata {
    fn file_type(&self) -> FileType {
        file_type(self.0.kind)
    }

    fn len(&self) -> u64 {
        self.0.size
    }

    fn accessed(&self) -> io::Result<SystemTime> {
        Ok(system_time(self.0.atime))
    }

    fn created(&self) -> io::Result<SystemTime> {
        Ok(system_time(self.0.ctime))
    }

    fn changed(&self) -> io::Result<SystemTime> {
        Ok(system_time(self.0.ctime))
    }

    fn modified(&self) -> io::Result<SystemTime> {
        Ok(system_time(self.0.mtime))
    }

    fn dev(&self) -> io::Result<u64> {
        Ok(self.0.device)
    }

    fn ino(&self) -> io::Result<u64> {
        Ok(self.0.ino.0)
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(self.0.full_mode())
    }

    fn nlink(&self) -> io::Result<u64> {
        Ok(u64::from(self.0.links))
    }

    fn uid(&self) -> io::Result<u32> {
        Ok(self.0.uid.0)
    }

    fn gid(&self) -> io::Result<u32> {
        Ok(self.0.gid.0)
    }

    fn rdev(&self) -> io::Result<u64> {
        Ok(self.0.rdev)
    }

    fn blksize(&self) -> io::Result<u64> {
        Ok(PAGE)
    }

    fn blocks(&self) -> io::Result<u64> {
        Ok(self.0.sectors)
    }

    fn is_block_device(&self) -> io::Result<bool> {
        self.is(FileKind::Block)
    }

    fn is_char_device(&self) -> io::Result<bool> {
        self.is(FileKind::Character)
    }

    fn is_fifo(&self) -> io::Result<bool> {
        self.is(FileKind::Fifo)
    }

    fn is_socket(&self) -> io::Result<bool> {
        self.is(FileKind::Socket)
    }

    fn file_attributes(&self) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn file_type(kind: FileKind) -> FileType {
    match kind {
        FileKind::Regular => FileType::File,
        FileKind::Directory => FileType::Dir,
        FileKind::Symlink => FileType::Symlink,
        FileKind::Fifo | FileKind::Socket | FileKind::Character | FileKind::Block => FileType::Unknown,
    }
}

fn system_time(time: Timestamp) -> SystemTime {
    let distance = Duration::from_nanos(time.0.unsigned_abs());
    if time.0 < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// The nearest time the kernel can keep.
fn timestamp(time: SystemTime) -> Timestamp {
    let nanoseconds = |distance: Duration| i64::try_from(distance.as_nanos()).unwrap_or(i64::MAX);
    Timestamp(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => nanoseconds(after),
        Err(before) => -nanoseconds(before.duration()),
    })
}
