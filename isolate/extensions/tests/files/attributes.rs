//! What a file is, and what can be changed of that.

use crate::world::{Place, errno, owned, path, wait};
use deno_fs::FileSystem;
use deno_io::fs::FsError;
use warren_kernel::Errno;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Mode, makedev};

#[test]
fn stat_tells_what_the_kernel_knows() {
    let place = Place::new();
    place.put("file", b"12345");
    place.fs.symlink_sync(&path("file"), &path("link"), None).unwrap();
    let stat = place.fs.stat_sync(&path("link")).unwrap();
    assert!(stat.is_file && !stat.is_directory && !stat.is_symlink);
    assert_eq!((stat.size, stat.mode, stat.nlink, stat.blksize), (5, 0o100_644, Some(1), 4096));
    assert_eq!((stat.uid, stat.gid, stat.rdev), (1000, 1000, 0));
    assert!(stat.ino.is_some_and(|ino| ino > 0) && stat.blocks == Some(8) && stat.dev > 0);
    assert!(stat.mtime.is_some_and(|time| time > 1_700_000_000_000) && stat.birthtime == stat.ctime);
    let link = wait(place.fs.lstat_async(owned("link"))).unwrap();
    assert!(link.is_symlink && !link.is_file && link.size == 4 && link.ino != stat.ino);
    assert!(place.fs.lstat_sync(&path("link/.")).is_err());
    place.call(|kernel, call| kernel.mknod(call, At::Cwd, b"fifo", FileKind::Fifo, Mode::new(0o600), 0));
    assert!(place.fs.stat_sync(&path("fifo")).unwrap().is_fifo);
    let null = wait(place.fs.stat_async(owned("/dev/null"))).unwrap();
    assert!(null.is_char_device && null.rdev == makedev(1, 3));
    assert_eq!(errno(place.fs.stat_sync(&path("none"))), Errno::ENOENT);
    assert_eq!(errno(place.fs.lstat_sync(&path("file/x"))), Errno::ENOTDIR);
}

#[test]
fn existence_is_asked_without_a_failure() {
    let place = Place::new();
    place.put("file", b"");
    place.fs.symlink_sync(&path("none"), &path("dangling"), None).unwrap();
    for (at, want) in
        [("file", true), (".", true), ("none", false), ("dangling", false), ("file/x", false), ("", false)]
    {
        assert_eq!(place.fs.exists_sync(&path(at)), want, "{at}");
        assert_eq!(wait(place.fs.exists_async(owned(at))).unwrap(), want, "{at}");
    }
    assert!(place.fs.is_file_sync(&path("file")) && !place.fs.is_file_sync(&path(".")));
    assert!(place.fs.is_dir_sync(&path(".")) && !place.fs.is_dir_sync(&path("none")));
}

#[test]
fn permissions_are_changed_by_the_owner() {
    let place = Place::new();
    place.put("file", b"");
    place.fs.chmod_sync(&path("file"), 0o4751).unwrap();
    assert_eq!(place.fs.stat_sync(&path("file")).unwrap().mode, 0o104_751);
    wait(place.fs.chmod_async(owned("file"), 0)).unwrap();
    assert_eq!(errno(place.fs.read_file_sync(&path("file"), deno_fs::OpenOptions::read())), Errno::EACCES);
    assert_eq!(errno(place.fs.chmod_sync(&path("/lib/small"), 0)), Errno::EPERM);
    assert_eq!(errno(place.fs.chmod_sync(&path("none"), 0)), Errno::ENOENT);
    assert!(matches!(place.fs.lchmod_sync(&path("file"), 0), Err(FsError::NotSupported)));
    assert!(matches!(wait(place.fs.lchmod_async(owned("file"), 0)), Err(FsError::NotSupported)));
}

#[test]
fn owners_are_changed_by_root_alone() {
    let place = Place::new();
    place.put("file", b"");
    place.fs.symlink_sync(&path("/lib/small"), &path("link"), None).unwrap();
    place.fs.chown_sync(&path("file"), Some(1000), None).unwrap();
    place.fs.chown_sync(&path("file"), Some(u32::MAX), Some(u32::MAX)).unwrap();
    wait(place.fs.chown_async(owned("file"), None, Some(1000))).unwrap();
    assert_eq!(errno(place.fs.chown_sync(&path("file"), Some(0), None)), Errno::EPERM);
    // The link is the guest's, what it leads to is not.
    place.fs.lchown_sync(&path("link"), Some(1000), None).unwrap();
    wait(place.fs.lchown_async(owned("link"), None, Some(1000))).unwrap();
    assert_eq!(errno(place.fs.chown_sync(&path("link"), Some(1000), None)), Errno::EPERM);
}

#[test]
fn times_are_set_of_a_file_or_of_a_link() {
    let place = Place::new();
    place.put("file", b"");
    place.fs.symlink_sync(&path("file"), &path("link"), None).unwrap();
    place.fs.utime_sync(&path("link"), 1, 999_999_999, -2, 0).unwrap();
    place.fs.lutime_sync(&path("link"), 5, 0, 6, 0).unwrap();
    let times = |follow: bool| {
        let stat = if follow { place.fs.stat_sync(&path("link")) } else { place.fs.lstat_sync(&path("link")) }.unwrap();
        (stat.atime, stat.mtime)
    };
    assert_eq!((times(true), times(false)), ((Some(1999), Some(-2000)), (Some(5000), Some(6000))));
    wait(place.fs.utime_async(owned("link"), i64::MAX, 0, 0, 0)).unwrap();
    wait(place.fs.lutime_async(owned("link"), 7, 0, 8, 0)).unwrap();
    // What the kernel cannot keep is its latest time.
    assert_eq!((times(true), times(false)), ((Some(i64::MAX / 1_000_000), Some(0)), (Some(7000), Some(8000))));
    assert_eq!(errno(place.fs.utime_sync(&path("file"), 0, 1_000_000_000, 0, 0)), Errno::EINVAL);
    assert_eq!(errno(place.fs.utime_sync(&path("/lib/small"), 0, 0, 0, 0)), Errno::EPERM);
}

#[test]
fn a_length_is_set_by_name() {
    let place = Place::new();
    place.put("file", b"12345");
    place.fs.truncate_sync(&path("file"), 2).unwrap();
    assert_eq!(place.get("file"), b"12");
    wait(place.fs.truncate_async(owned("file"), 4)).unwrap();
    assert_eq!(place.get("file"), b"12\0\0");
    assert_eq!(errno(place.fs.truncate_sync(&path("none"), 0)), Errno::ENOENT);
    assert_eq!(errno(place.fs.truncate_sync(&path("."), 0)), Errno::EISDIR);
    assert_eq!(errno(place.fs.truncate_sync(&path("file"), u64::MAX)), Errno::EFBIG);
    assert_eq!(place.descriptors(), 0);
}

#[test]
fn a_file_system_tells_what_it_can_hold() {
    let place = Place::with(|limits| (limits.file_bytes, limits.inodes) = (1 << 20, 100));
    place.put("file", &[1; 5000]);
    let own = place.fs.statfs_sync(&path("file"), false).unwrap();
    assert_eq!((own.bsize, own.blocks, own.files), (4096, 256, 100));
    assert!(own.bfree < own.blocks && own.bavail == own.bfree && own.ffree < own.files && own.typ != 0);
    let outside = wait(place.fs.statfs_async(owned("/mnt"), true)).unwrap();
    assert_eq!((outside.blocks, outside.bfree, outside.files, outside.ffree), (2, 1, 2, 1));
    assert_eq!(errno(place.fs.statfs_sync(&path("none"), false)), Errno::ENOENT);
}
