//! An open file of a guest: one of its process's descriptors.
//!
//! The extensions hold it in their own table and never see a descriptor of the host: there is none behind it.

use crate::errno::fs_error;
use crate::fs::calls::{Calls, Parking, Waiting, at_once};
use crate::fs::{fs_stat, group, open, owner, set_time};
use crate::guest::Guest;
use deno_core::{BufMutView, BufView, ResourceHandleFd, WriteOutcome};
use deno_io::fs::{File, FsError, FsResult, FsStat};
use std::borrow::Cow;
use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use warren_kernel::id::Fd;
use warren_kernel::lock::{LockKind, OnConflict};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::seek::Whence;
use warren_kernel::vfs::Mode;
use warren_kernel::{Call, Errno, Kernel, Step};

/// A descriptor of the guest's process.
#[derive(Debug)]
pub struct KernelFile {
    guest: Guest,
    fd: Fd,
    path: Option<PathBuf>,
    /// Closed with the value.
    owned: bool,
}

impl KernelFile {
    /// This descriptor, which is closed with the value.
    pub fn new(guest: Guest, fd: Fd, path: Option<PathBuf>) -> KernelFile {
        KernelFile { guest, fd, path, owned: true }
    }

    /// This descriptor, which somebody else closes: the standard ones stay open until the process ends.
    pub fn borrowed(guest: Guest, fd: Fd) -> KernelFile {
        KernelFile { guest, fd, path: None, owned: false }
    }

    /// Its number in the process.
    pub fn fd(&self) -> Fd {
        self.fd
    }

    /// Whose it is.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// One call that parks.
    pub(crate) fn park<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        self.guest.call(op)
    }

    /// One call that waits.
    async fn wait<T>(&self, op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>) -> Result<T, Errno> {
        self.guest.call_async(op).await
    }

    /// Parks until something can be written.
    fn room(&self) -> Result<(), Errno> {
        self.park(|kernel, call| {
            let mut polled = [PollFd { fd: Some(self.fd), events: PollEvents::OUT, found: PollEvents::empty() }];
            kernel.poll(call, &mut polled, None).map(|_| ())
        })
    }

    fn parking(&self) -> Parking<'_> {
        Parking(&self.guest)
    }

    fn waiting(&self) -> Waiting<'_> {
        Waiting::new(&self.guest)
    }
}

impl Drop for KernelFile {
    fn drop(&mut self) {
        if self.owned {
            // The process may be gone, and with it what it had open.
            let _ = self.guest.with(|kernel, call| kernel.close(call, self.fd));
        }
    }
}

/// Reads into a buffer, at an offset or at the file's own.
pub(crate) async fn read(calls: &impl Calls, fd: Fd, at: Option<u64>, buf: &mut [u8]) -> Result<usize, Errno> {
    let read = calls.call(|kernel, call| {
        let mut filled = 0;
        let want = buf.len();
        let mut put = |bytes: &[u8]| {
            buf[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        };
        match at {
            Some(offset) => kernel.pread(call, fd, offset, want, &mut put),
            None => kernel.read(call, fd, want, &mut put),
        }
    });
    read.await
}

/// As seek() counts it.
///
/// # Errors
/// `EINVAL` for a start no file has.
pub(crate) fn whence(from: SeekFrom) -> Result<(i64, Whence), Errno> {
    Ok(match from {
        SeekFrom::Start(offset) => (i64::try_from(offset).map_err(|_| Errno::EINVAL)?, Whence::Set),
        SeekFrom::Current(offset) => (offset, Whence::Current),
        SeekFrom::End(offset) => (offset, Whence::End),
    })
}

/// The lock that is asked for.
pub(crate) fn lock_kind(exclusive: bool) -> LockKind {
    if exclusive { LockKind::Exclusive } else { LockKind::Shared }
}

/// Whether a lock was got that was not waited for.
fn got(locked: Result<(), Errno>) -> FsResult<bool> {
    match locked {
        Ok(()) => Ok(true),
        Err(Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(fs_error(errno)),
    }
}

/// Operations on the file that are one call, for both ways of making it.
impl KernelFile {
    fn seek(&self, (kernel, call): (&mut Kernel, &mut Call), from: SeekFrom) -> Step<u64> {
        let (offset, whence) = whence(from)?;
        kernel.seek(call, self.fd, offset, whence)
    }

    fn chown(&self, (kernel, call): (&mut Kernel, &mut Call), uid: Option<u32>, gid: Option<u32>) -> Step<()> {
        kernel.fchown(call, self.fd, owner(uid), group(gid))
    }

    fn utime(&self, (kernel, call): (&mut Kernel, &mut Call), times: [(i64, u32); 2]) -> Step<()> {
        let [atime, mtime] = times.map(|(seconds, nanoseconds)| set_time(seconds, nanoseconds));
        kernel.set_times_open(call, self.fd, atime?, mtime?)
    }

    fn lock(&self, (kernel, call): (&mut Kernel, &mut Call), kind: Option<LockKind>, conflict: OnConflict) -> Step<()> {
        kernel.flock(call, self.fd, kind, conflict)
    }
}

#[async_trait::async_trait(?Send)]
impl File for KernelFile {
    fn maybe_path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn read_sync(self: Rc<Self>, buf: &mut [u8]) -> FsResult<usize> {
        at_once(read(&self.parking(), self.fd, None, buf)).map_err(fs_error)
    }

    async fn read_byob(self: Rc<Self>, mut buf: BufMutView) -> FsResult<(usize, BufMutView)> {
        let count = read(&self.waiting(), self.fd, None, &mut buf).await.map_err(fs_error)?;
        Ok((count, buf))
    }

    fn write_sync(self: Rc<Self>, buf: &[u8]) -> FsResult<usize> {
        loop {
            match self.park(|kernel, call| kernel.write(call, self.fd, &[buf])) {
                // A standard stream is written whatever its flags say, as libuv does.
                Err(Errno::EAGAIN) if !self.owned => self.room().map_err(fs_error)?,
                written => return written.map_err(fs_error),
            }
        }
    }

    async fn write(self: Rc<Self>, buf: BufView) -> FsResult<WriteOutcome> {
        let written = self.wait(|kernel, call| kernel.write(call, self.fd, &[&buf])).await.map_err(fs_error)?;
        Ok(if written < buf.len() {
            WriteOutcome::Partial { nwritten: written, view: buf }
        } else {
            WriteOutcome::Full { nwritten: written }
        })
    }

    fn write_all_sync(self: Rc<Self>, buf: &[u8]) -> FsResult<()> {
        at_once(open::write_all(&self.parking(), self.fd, buf)).map_err(fs_error)
    }

    async fn write_all(self: Rc<Self>, buf: BufView) -> FsResult<()> {
        open::write_all(&self.waiting(), self.fd, &buf).await.map_err(fs_error)
    }

    fn read_all_sync(self: Rc<Self>) -> FsResult<Cow<'static, [u8]>> {
        at_once(open::read_all(&self.parking(), self.fd)).map(Cow::Owned).map_err(fs_error)
    }

    async fn read_all_async(self: Rc<Self>) -> FsResult<Cow<'static, [u8]>> {
        open::read_all(&self.waiting(), self.fd).await.map(Cow::Owned).map_err(fs_error)
    }

    fn chmod_sync(self: Rc<Self>, mode: u32) -> FsResult<()> {
        self.park(|kernel, call| kernel.fchmod(call, self.fd, Mode::new(mode))).map_err(fs_error)
    }

    async fn chmod_async(self: Rc<Self>, mode: u32) -> FsResult<()> {
        self.wait(|kernel, call| kernel.fchmod(call, self.fd, Mode::new(mode))).await.map_err(fs_error)
    }

    fn chown_sync(self: Rc<Self>, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.park(|kernel, call| self.chown((kernel, call), uid, gid)).map_err(fs_error)
    }

    async fn chown_async(self: Rc<Self>, uid: Option<u32>, gid: Option<u32>) -> FsResult<()> {
        self.wait(|kernel, call| self.chown((kernel, call), uid, gid)).await.map_err(fs_error)
    }

    fn seek_sync(self: Rc<Self>, pos: SeekFrom) -> FsResult<u64> {
        self.park(|kernel, call| self.seek((kernel, call), pos)).map_err(fs_error)
    }

    async fn seek_async(self: Rc<Self>, pos: SeekFrom) -> FsResult<u64> {
        self.wait(|kernel, call| self.seek((kernel, call), pos)).await.map_err(fs_error)
    }

    fn datasync_sync(self: Rc<Self>) -> FsResult<()> {
        self.sync_sync()
    }

    async fn datasync_async(self: Rc<Self>) -> FsResult<()> {
        self.sync_async().await
    }

    fn sync_sync(self: Rc<Self>) -> FsResult<()> {
        self.park(|kernel, call| kernel.sync(call, self.fd)).map_err(fs_error)
    }

    async fn sync_async(self: Rc<Self>) -> FsResult<()> {
        self.wait(|kernel, call| kernel.sync(call, self.fd)).await.map_err(fs_error)
    }

    fn stat_sync(self: Rc<Self>) -> FsResult<FsStat> {
        self.park(|kernel, call| kernel.fstat(call, self.fd)).map(|stat| fs_stat(&stat)).map_err(fs_error)
    }

    async fn stat_async(self: Rc<Self>) -> FsResult<FsStat> {
        self.wait(|kernel, call| kernel.fstat(call, self.fd)).await.map(|stat| fs_stat(&stat)).map_err(fs_error)
    }

    fn lock_sync(self: Rc<Self>, exclusive: bool) -> FsResult<()> {
        let kind = Some(lock_kind(exclusive));
        self.park(|kernel, call| self.lock((kernel, call), kind, OnConflict::Wait)).map_err(fs_error)
    }

    async fn lock_async(self: Rc<Self>, exclusive: bool) -> FsResult<()> {
        let kind = Some(lock_kind(exclusive));
        self.wait(|kernel, call| self.lock((kernel, call), kind, OnConflict::Wait)).await.map_err(fs_error)
    }

    fn try_lock_sync(self: Rc<Self>, exclusive: bool) -> FsResult<bool> {
        let kind = Some(lock_kind(exclusive));
        got(self.park(|kernel, call| self.lock((kernel, call), kind, OnConflict::Fail)))
    }

    async fn try_lock_async(self: Rc<Self>, exclusive: bool) -> FsResult<bool> {
        let kind = Some(lock_kind(exclusive));
        got(self.wait(|kernel, call| self.lock((kernel, call), kind, OnConflict::Fail)).await)
    }

    fn unlock_sync(self: Rc<Self>) -> FsResult<()> {
        self.park(|kernel, call| self.lock((kernel, call), None, OnConflict::Fail)).map_err(fs_error)
    }

    async fn unlock_async(self: Rc<Self>) -> FsResult<()> {
        self.wait(|kernel, call| self.lock((kernel, call), None, OnConflict::Fail)).await.map_err(fs_error)
    }

    fn truncate_sync(self: Rc<Self>, len: u64) -> FsResult<()> {
        self.park(|kernel, call| kernel.set_len(call, self.fd, len)).map_err(fs_error)
    }

    async fn truncate_async(self: Rc<Self>, len: u64) -> FsResult<()> {
        self.wait(|kernel, call| kernel.set_len(call, self.fd, len)).await.map_err(fs_error)
    }

    fn utime_sync(
        self: Rc<Self>,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.park(|kernel, call| self.utime((kernel, call), times)).map_err(fs_error)
    }

    async fn utime_async(
        self: Rc<Self>,
        atime_secs: i64,
        atime_nanos: u32,
        mtime_secs: i64,
        mtime_nanos: u32,
    ) -> FsResult<()> {
        let times = [(atime_secs, atime_nanos), (mtime_secs, mtime_nanos)];
        self.wait(|kernel, call| self.utime((kernel, call), times)).await.map_err(fs_error)
    }

    fn read_at_sync(self: Rc<Self>, buf: &mut [u8], position: u64) -> FsResult<usize> {
        at_once(read(&self.parking(), self.fd, Some(position), buf)).map_err(fs_error)
    }

    async fn read_at_async(self: Rc<Self>, mut buf: BufMutView, position: u64) -> FsResult<(usize, BufMutView)> {
        let count = read(&self.waiting(), self.fd, Some(position), &mut buf).await.map_err(fs_error)?;
        Ok((count, buf))
    }

    fn write_at_sync(self: Rc<Self>, buf: &[u8], position: u64) -> FsResult<usize> {
        self.park(|kernel, call| kernel.pwrite(call, self.fd, position, &[buf])).map_err(fs_error)
    }

    /// A child of the guest is a process of the kernel, which is given the kernel's own descriptors.
    fn as_stdio(self: Rc<Self>) -> FsResult<Stdio> {
        Err(FsError::NotSupported)
    }

    /// Its number in the process, which is what scripts know it by and give to children. The gate has no operation that
    /// takes it for one of the host's.
    fn backing_fd(self: Rc<Self>) -> Option<ResourceHandleFd> {
        i32::try_from(self.fd.0).ok()
    }

    fn try_clone_inner(self: Rc<Self>) -> FsResult<Rc<dyn File>> {
        let fd = self.guest.with(|kernel, call| kernel.duplicate(call, self.fd, Fd(0), true)).map_err(fs_error)?;
        Ok(Rc::new(KernelFile::new(self.guest.clone(), fd, self.path.clone())))
    }
}
