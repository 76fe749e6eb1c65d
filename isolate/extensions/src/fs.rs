//! The file system of a JavaScript guest: the kernel's, asked through the guest's process.
//!
//! What `node:fs` does comes here as a [`FileSystem`] call, and what it does with an open file as one of
//! [`KernelFile`]'s. Each operation is written once in a module below, and made parked or waiting ([`calls`]). Nothing
//! here opens, reads or names a file of the host.

mod attributes;
pub(crate) mod calls;
mod copy;
mod names;
pub(crate) mod open;
mod tree;

pub(crate) use attributes::{fs_stat, group, owner, set_time};
pub(crate) use names::{bytes, path_buf, read_entries, real_path, working_directory};

use crate::errno::fs_error;
use crate::file::KernelFile;
use crate::guest::Guest;
use attributes::fs_capacity;
use calls::{Calls, Parking, Waiting, at_once};
use deno_fs::sync::new_rc;
use deno_fs::{FileSystem, FsDirEntry, FsFileType, FsReadDirRc, OpenOptions};
use deno_io::fs::{File, FsError, FsResult, FsStat, FsStatFs};
use deno_permissions::{CheckedPath, CheckedPathBuf};
use names::{OpenDirectory, read_dir};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::At;
use warren_kernel::{Call, Errno, Kernel, Step};

/// Where temporary files go.
const TEMPORARY: &str = "/tmp";

/// The session's files, as one guest may use them.
#[derive(Clone, Debug)]
pub struct KernelFs {
    guest: Guest,
}

impl KernelFs {
    /// The files of this guest's session.
    pub fn new(guest: Guest) -> KernelFs {
        KernelFs { guest }
    }

    /// Opens a file for the guest.
    ///
    /// # Errors
    /// POSIX open()'s.
    pub fn open(&self, path: &Path, options: &OpenOptions) -> Result<KernelFile, Errno> {
        let fd = at_once(open::open(&self.parking(), bytes(path), options))?;
        Ok(KernelFile::new(self.guest.clone(), fd, Some(path.to_path_buf())))
    }

    /// As [`KernelFs::open`], without parking the thread while the call waits.
    ///
    /// # Errors
    /// POSIX open()'s.
    pub async fn open_waiting(&self, path: PathBuf, options: &OpenOptions) -> Result<KernelFile, Errno> {
        let fd = open::open(&self.waiting(), bytes(&path), options).await?;
        Ok(KernelFile::new(self.guest.clone(), fd, Some(path)))
    }

    /// The path without links, `.` and `..`; all of it must be there.
    ///
    /// # Errors
    /// POSIX realpath()'s.
    pub fn real_path(&self, path: &Path) -> Result<PathBuf, Errno> {
        at_once(real_path(&self.parking(), bytes(path)))
    }

    fn parking(&self) -> Parking<'_> {
        Parking(&self.guest)
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(&self.guest)
    }

    /// One call that parks.
    fn park<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> FsResult<T> {
        self.guest.call(op).map_err(fs_error)
    }

    /// One call that waits.
    async fn wait<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> FsResult<T> {
        self.guest.call_async(op).await.map_err(fs_error)
    }
}

/// A call about a path, as one of [`KernelFs::park`] and [`KernelFs::wait`] makes it.
mod once {
    use super::*;
    use warren_kernel::vfs::Stat;

    pub(super) type Kc<'a, 'b> = (&'a mut Kernel, &'b mut Call);

    pub(super) fn chmod((kernel, call): Kc<'_, '_>, path: &Path, mode: u32) -> Step<()> {
        kernel.chmod(call, At::Cwd, bytes(path), Mode::new(mode))
    }

    pub(super) fn chown((kernel, call): Kc<'_, '_>, path: &Path, follow: bool, ids: [Option<u32>; 2]) -> Step<()> {
        kernel.chown(call, At::Cwd, bytes(path), follow, owner(ids[0]), group(ids[1]))
    }

    pub(super) fn stat((kernel, call): Kc<'_, '_>, path: &Path, follow: bool) -> Step<Stat> {
        kernel.stat(call, At::Cwd, bytes(path), follow)
    }

    pub(super) fn statfs((kernel, call): Kc<'_, '_>, path: &Path) -> Step<FsStatFs> {
        Ok(fs_capacity(&kernel.statfs(call, At::Cwd, bytes(path))?))
    }

    pub(super) fn rename((kernel, call): Kc<'_, '_>, old: &Path, new: &Path) -> Step<()> {
        kernel.rename(call, At::Cwd, bytes(old), At::Cwd, bytes(new), Replace::Yes)
    }

    pub(super) fn rmdir((kernel, call): Kc<'_, '_>, path: &Path) -> Step<()> {
        kernel.rmdir(call, At::Cwd, bytes(path))
    }

    pub(super) fn link((kernel, call): Kc<'_, '_>, old: &Path, new: &Path) -> Step<()> {
        kernel.link(call, At::Cwd, bytes(old), false, At::Cwd, bytes(new))
    }

    pub(super) fn symlink((kernel, call): Kc<'_, '_>, target: &Path, path: &Path) -> Step<()> {
        kernel.symlink(call, bytes(target), At::Cwd, bytes(path))
    }

    pub(super) fn readlink((kernel, call): Kc<'_, '_>, path: &Path) -> Step<PathBuf> {
        Ok(path_buf(kernel.readlink(call, At::Cwd, bytes(path))?.to_vec()))
    }

    /// Seconds and nanoseconds of access, then of change.
    pub(super) type Times = [(i64, u32); 2];

    pub(super) fn utime((kernel, call): Kc<'_, '_>, path: &Path, follow: bool, times: Times) -> Step<()> {
        let [atime, mtime] = times.map(|(seconds, nanoseconds)| set_time(seconds, nanoseconds));
        kernel.set_times(call, At::Cwd, bytes(path), follow, atime?, mtime?)
    }
}

/// truncate(): the kernel has it for what is open.
async fn truncate(calls: &impl Calls, path: &Path, len: u64) -> FsResult<()> {
    let options = OpenOptions { write: true, ..OpenOptions::default() };
    let kept = calls.keep(open::open(calls, bytes(path), &options).await.map_err(fs_error)?);
    calls.call(|kernel, call| kernel.set_len(call, kept.fd, len)).await.map_err(fs_error)
}

#[async_trait::async_trait(?Send)]
impl FileSystem for KernelFs {
    fn cwd(&self) -> FsResult<PathBuf> {
        self.guest.with(|kernel, call| working_directory(kernel, call)).map(path_buf).map_err(fs_error)
    }

    fn tmp_dir(&self) -> FsResult<PathBuf> {
        Ok(PathBuf::from(TEMPORARY))
    }

    fn chdir(&self, path: &CheckedPath) -> FsResult<()> {
        self.park(|kernel, call| kernel.chdir(call, At::Cwd, bytes(path)))
    }

    fn umask(&self, mask: Option<u32>) -> FsResult<u32> {
        let set = |kernel: &mut Kernel, call: &mut Call| match mask {
            Some(mask) => kernel.umask(call, mask),
            None => Ok(kernel.process(call.pid)?.umask),
        };
        self.guest.with(set).map_err(fs_error)
    }

    fn open_sync(&self, path: &CheckedPath, options: OpenOptions) -> FsResult<Rc<dyn File>> {
        Ok(Rc::new(self.open(path, &options).map_err(fs_error)?))
    }

    async fn open_async<'a>(&'a self, path: CheckedPathBuf, options: OpenOptions) -> FsResult<Rc<dyn File>> {
        Ok(Rc::new(self.open_waiting(path.into_path_buf(), &options).await.map_err(fs_error)?))
    }

    fn mkdir_sync(&self, path: &CheckedPath, recursive: bool, mode: Option<u32>) -> FsResult<()> {
        at_once(tree::make_directory(&self.parking(), path, recursive, mode)).map_err(fs_error)
    }

    async fn mkdir_async(&self, path: CheckedPathBuf, recursive: bool, mode: Option<u32>) -> FsResult<()> {
        tree::make_directory(&self.waiting(), &path, recursive, mode).await.map_err(fs_error)
    }

    fn chmod_sync(&self, path: &CheckedPath, mode: u32) -> FsResult<()> {
        self.park(|kernel, call| once::chmod((kernel, call), path, mode))
    }

    async fn chmod_async(&self, path: CheckedPathBuf, mode: u32) -> FsResult<()> {
        self.wait(|kernel, call| once::chmod((kernel, call), &path, mode)).await
    }

    fn chown_sync(&self, path: &CheckedPath, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.park(|kernel, call| once::chown((kernel, call), path, true, [uid, gid]))
    }

    async fn chown_async(&self, path: CheckedPathBuf, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.wait(|kernel, call| once::chown((kernel, call), &path, true, [uid, gid])).await
    }

    // A link has no permissions of its own on Linux.
    fn lchmod_sync(&self, _path: &CheckedPath, _mode: u32) -> FsResult<()> {
        Err(FsError::NotSupported)
    }

    async fn lchmod_async(&self, _path: CheckedPathBuf, _mode: u32) -> FsResult<()> {
        Err(FsError::NotSupported)
    }

    fn lchown_sync(&self, path: &CheckedPath, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.park(|kernel, call| once::chown((kernel, call), path, false, [uid, gid]))
    }

    async fn lchown_async(&self, path: CheckedPathBuf, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.wait(|kernel, call| once::chown((kernel, call), &path, false, [uid, gid])).await
    }

    fn remove_sync(&self, path: &CheckedPath, recursive: bool) -> FsResult<()> {
        at_once(tree::remove(&self.parking(), bytes(path), recursive)).map_err(fs_error)
    }

    async fn remove_async(&self, path: CheckedPathBuf, recursive: bool) -> FsResult<()> {
        tree::remove(&self.waiting(), bytes(&path), recursive).await.map_err(fs_error)
    }

    fn copy_file_sync(&self, oldpath: &CheckedPath, newpath: &CheckedPath) -> FsResult<()> {
        at_once(copy::copy_file(&self.parking(), bytes(oldpath), bytes(newpath))).map_err(fs_error)
    }

    async fn copy_file_async(&self, oldpath: CheckedPathBuf, newpath: CheckedPathBuf) -> FsResult<()> {
        copy::copy_file(&self.waiting(), bytes(&oldpath), bytes(&newpath)).await.map_err(fs_error)
    }

    fn cp_sync(&self, path: &CheckedPath, new_path: &CheckedPath) -> FsResult<()> {
        at_once(copy::copy_tree(&self.parking(), path, new_path)).map_err(fs_error)
    }

    async fn cp_async(&self, path: CheckedPathBuf, new_path: CheckedPathBuf) -> FsResult<()> {
        copy::copy_tree(&self.waiting(), &path, &new_path).await.map_err(fs_error)
    }

    fn stat_sync(&self, path: &CheckedPath) -> FsResult<FsStat> {
        self.park(|kernel, call| once::stat((kernel, call), path, true)).map(|stat| fs_stat(&stat))
    }

    async fn stat_async(&self, path: CheckedPathBuf) -> FsResult<FsStat> {
        self.wait(|kernel, call| once::stat((kernel, call), &path, true)).await.map(|stat| fs_stat(&stat))
    }

    fn lstat_sync(&self, path: &CheckedPath) -> FsResult<FsStat> {
        self.park(|kernel, call| once::stat((kernel, call), path, false)).map(|stat| fs_stat(&stat))
    }

    async fn lstat_async(&self, path: CheckedPathBuf) -> FsResult<FsStat> {
        self.wait(|kernel, call| once::stat((kernel, call), &path, false)).await.map(|stat| fs_stat(&stat))
    }

    fn statfs_sync(&self, path: &CheckedPath, _bigint: bool) -> FsResult<FsStatFs> {
        self.park(|kernel, call| once::statfs((kernel, call), path))
    }

    async fn statfs_async(&self, path: CheckedPathBuf, _bigint: bool) -> FsResult<FsStatFs> {
        self.wait(|kernel, call| once::statfs((kernel, call), &path)).await
    }

    fn realpath_sync(&self, path: &CheckedPath) -> FsResult<PathBuf> {
        at_once(real_path(&self.parking(), bytes(path))).map_err(fs_error)
    }

    async fn realpath_async(&self, path: CheckedPathBuf) -> FsResult<PathBuf> {
        real_path(&self.waiting(), bytes(&path)).await.map_err(fs_error)
    }

    fn read_dir_sync(&self, path: &CheckedPath) -> FsResult<Vec<FsDirEntry>> {
        at_once(read_dir(&self.parking(), bytes(path))).map_err(fs_error)
    }

    async fn read_dir_async(&self, path: CheckedPathBuf) -> FsResult<FsReadDirRc> {
        Ok(new_rc(OpenDirectory::open(&self.guest, bytes(&path)).await.map_err(fs_error)?))
    }

    fn rename_sync(&self, oldpath: &CheckedPath, newpath: &CheckedPath) -> FsResult<()> {
        self.park(|kernel, call| once::rename((kernel, call), oldpath, newpath))
    }

    async fn rename_async(&self, oldpath: CheckedPathBuf, newpath: CheckedPathBuf) -> FsResult<()> {
        self.wait(|kernel, call| once::rename((kernel, call), &oldpath, &newpath)).await
    }

    fn rmdir_sync(&self, path: &CheckedPath) -> FsResult<()> {
        self.park(|kernel, call| once::rmdir((kernel, call), path))
    }

    async fn rmdir_async(&self, path: CheckedPathBuf) -> FsResult<()> {
        self.wait(|kernel, call| once::rmdir((kernel, call), &path)).await
    }

    fn link_sync(&self, oldpath: &CheckedPath, newpath: &CheckedPath) -> FsResult<()> {
        self.park(|kernel, call| once::link((kernel, call), oldpath, newpath))
    }

    async fn link_async(&self, oldpath: CheckedPathBuf, newpath: CheckedPathBuf) -> FsResult<()> {
        self.wait(|kernel, call| once::link((kernel, call), &oldpath, &newpath)).await
    }

    fn symlink_sync(
        &self,
        oldpath: &CheckedPath,
        newpath: &CheckedPath,
        _file_type: Option<FsFileType>,
    ) -> FsResult<()> {
        self.park(|kernel, call| once::symlink((kernel, call), oldpath, newpath))
    }

    async fn symlink_async(
        &self,
        oldpath: CheckedPathBuf,
        newpath: CheckedPathBuf,
        _file_type: Option<FsFileType>,
    ) -> FsResult<()> {
        self.wait(|kernel, call| once::symlink((kernel, call), &oldpath, &newpath)).await
    }

    fn read_link_sync(&self, path: &CheckedPath) -> FsResult<PathBuf> {
        self.park(|kernel, call| once::readlink((kernel, call), path))
    }

    async fn read_link_async(&self, path: CheckedPathBuf) -> FsResult<PathBuf> {
        self.wait(|kernel, call| once::readlink((kernel, call), &path)).await
    }

    fn truncate_sync(&self, path: &CheckedPath, len: u64) -> FsResult<()> {
        at_once(truncate(&self.parking(), path, len))
    }

    async fn truncate_async(&self, path: CheckedPathBuf, len: u64) -> FsResult<()> {
        truncate(&self.waiting(), &path, len).await
    }

    fn utime_sync(
        &self,
        path: &CheckedPath,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.park(|kernel, call| once::utime((kernel, call), path, true, times))
    }

    async fn utime_async(
        &self,
        path: CheckedPathBuf,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.wait(|kernel, call| once::utime((kernel, call), &path, true, times)).await
    }

    fn lutime_sync(
        &self,
        path: &CheckedPath,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.park(|kernel, call| once::utime((kernel, call), path, false, times))
    }

    async fn lutime_async(
        &self,
        path: CheckedPathBuf,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.wait(|kernel, call| once::utime((kernel, call), &path, false, times)).await
    }

    fn write_file_sync(&self, path: &CheckedPath, options: OpenOptions, data: &[u8]) -> FsResult<()> {
        at_once(open::write_file(&self.parking(), bytes(path), &options, data)).map_err(fs_error)
    }

    async fn write_file_async<'a>(
        &'a self,
        path: CheckedPathBuf,
        options: OpenOptions,
        data: Box<[u8]>,
    ) -> FsResult<()> {
        open::write_file(&self.waiting(), bytes(&path), &options, &data).await.map_err(fs_error)
    }

    fn read_file_sync(&self, path: &CheckedPath, options: OpenOptions) -> FsResult<Cow<'static, [u8]>> {
        at_once(open::read_file(&self.parking(), bytes(path), &options)).map(Cow::Owned).map_err(fs_error)
    }

    async fn read_file_async<'a>(&'a self, path: CheckedPathBuf, options: OpenOptions) -> FsResult<Cow<'static, [u8]>> {
        open::read_file(&self.waiting(), bytes(&path), &options).await.map(Cow::Owned).map_err(fs_error)
    }

    fn exists_sync(&self, path: &CheckedPath) -> bool {
        self.park(|kernel, call| once::stat((kernel, call), path, true)).is_ok()
    }

    async fn exists_async(&self, path: CheckedPathBuf) -> FsResult<bool> {
        Ok(self.wait(|kernel, call| once::stat((kernel, call), &path, true)).await.is_ok())
    }
}
