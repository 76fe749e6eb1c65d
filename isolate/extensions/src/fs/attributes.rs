//! What a file is, as the extensions tell it.

use deno_io::fs::{FsStat, FsStatFs};
use warren_kernel::Errno;
use warren_kernel::extent::PAGE;
use warren_kernel::host::Timestamp;
use warren_kernel::id::{Gid, Uid};
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::driver::Capacity;
use warren_kernel::vfs::{FileKind, Stat};

/// The type statfs() tells: the files of a session are in memory (TMPFS_MAGIC).
const FILE_SYSTEM_TYPE: u64 = 0x0102_1994;

/// stat()'s answer.
pub(crate) fn fs_stat(stat: &Stat) -> FsStat {
    let is = |kind| stat.kind == kind;
    FsStat {
        is_file: is(FileKind::Regular),
        is_directory: is(FileKind::Directory),
        is_symlink: is(FileKind::Symlink),
        size: stat.size,
        mtime: Some(milliseconds(stat.mtime)),
        atime: Some(milliseconds(stat.atime)),
        // The kernel keeps none; libuv tells the change time where a file system has no time of birth.
        birthtime: Some(milliseconds(stat.ctime)),
        ctime: Some(milliseconds(stat.ctime)),
        dev: stat.device,
        ino: Some(stat.ino.0),
        mode: stat.full_mode(),
        nlink: Some(u64::from(stat.links)),
        uid: stat.uid.0,
        gid: stat.gid.0,
        rdev: stat.rdev,
        blksize: PAGE,
        blocks: Some(stat.sectors),
        is_block_device: is(FileKind::Block),
        is_char_device: is(FileKind::Character),
        is_fifo: is(FileKind::Fifo),
        is_socket: is(FileKind::Socket),
    }
}

/// Since the epoch, rounded down.
fn milliseconds(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000_000)
}

/// statfs()'s answer.
pub(crate) fn fs_capacity(capacity: &Capacity) -> FsStatFs {
    FsStatFs {
        typ: FILE_SYSTEM_TYPE,
        bsize: PAGE,
        blocks: capacity.bytes / PAGE,
        bfree: capacity.bytes_free / PAGE,
        bavail: capacity.bytes_free / PAGE,
        files: capacity.inodes,
        ffree: capacity.inodes_free,
    }
}

/// A time to set, from whole seconds and nanoseconds since them. One beyond what the kernel keeps is its nearest.
///
/// # Errors
/// `EINVAL` for a second of nanoseconds or more.
pub(crate) fn set_time(seconds: i64, nanoseconds: u32) -> Result<SetTime, Errno> {
    if nanoseconds >= 1_000_000_000 {
        return Err(Errno::EINVAL);
    }
    let whole = Timestamp::from_seconds(seconds).0;
    Ok(SetTime::To(Timestamp(whole.saturating_add(i64::from(nanoseconds)))))
}

/// chown()'s user: all ones keeps it.
pub(crate) fn owner(uid: Option<u32>) -> Option<Uid> {
    uid.filter(|uid| *uid != u32::MAX).map(Uid)
}

/// chown()'s group: all ones keeps it.
pub(crate) fn group(gid: Option<u32>) -> Option<Gid> {
    gid.filter(|gid| *gid != u32::MAX).map(Gid)
}
