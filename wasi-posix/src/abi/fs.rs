//! host_fs: what POSIX says of files and WASI preview1 cannot.
//!
//! A file is named by a directory and a path, or by a descriptor; a preopened root directory is the path `.` there.
//! Once it is found ([`File`]) both forms go the same way. The first functions of libc's stat() answer directly, and
//! cannot say why they failed.

use super::cx::{Cx, FdRef, Long, LongOrZero, Stop, Word};
use crate::memory;
use warren_kernel::id::{Fd, Gid, Uid};
use warren_kernel::user::Access;
use warren_kernel::vfs::driver::Capacity;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::xattr::{SetXattr, Subject, XATTR_NAME_MAX, XATTR_SIZE_MAX};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Errno, Step};

type Done = Result<(), Stop>;

/// wasi-libc's open() flags, as open_tmpfile gets them; the others mean nothing to a file without a name. O_EXCL is
/// one of them: it would forbid fd_link, and the kernel keeps no such mark. O_DIRECT has no cache to pass by.
mod libc_open {
    pub(super) const APPEND: u32 = 1;
    pub(super) const NONBLOCK: u32 = 4;
    pub(super) const READ: u32 = 0x0400_0000;
    pub(super) const WRITE: u32 = 0x1000_0000;
}

/// Bytes of remount's options, at most.
const OPTIONS_MAX: usize = 4096;

/// The file a call is about.
enum File {
    /// At a path; `true` follows a symbolic link.
    At(At, Vec<u8>, bool),
    /// Open.
    Open(Fd),
}

impl File {
    fn at(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: bool) -> Result<File, Errno> {
        Ok(File::At(cx.at(fd), cx.path(path, len)?, follow))
    }

    fn open(cx: &mut Cx<'_>, fd: u32) -> File {
        match cx.fd(fd) {
            FdRef::Real(fd) => File::Open(fd),
            FdRef::Preopened(at) => File::At(at, b".".to_vec(), true),
        }
    }

    fn subject(&self) -> Subject<'_> {
        match self {
            File::At(at, path, follow) => Subject::Path(*at, path, *follow),
            File::Open(fd) => Subject::Fd(*fd),
        }
    }
}

// ---- what the next path_open makes

/// Permission bits of the file the next path_open makes.
pub async fn set_open_mode(cx: &mut Cx<'_>, mode: u32) -> Done {
    cx.guest_mut().open_mode = Some(Mode::new(mode));
    Ok(())
}

/// O_DIRECT for the next path_open: accepted, since there is no cache to pass by.
pub async fn set_open_direct(_cx: &mut Cx<'_>, _on: u32) -> Done {
    Ok(())
}

// ---- attributes

pub async fn path_mode(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: u32) -> Result<Word, Stop> {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    Ok(Word(stat(cx, &file).await?.full_mode()))
}

pub async fn path_size(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: u32) -> Result<Long, Stop> {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    Ok(Long(stat(cx, &file).await?.size))
}

/// Units of 512 bytes, as st_blocks.
pub async fn path_blocks(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: u32) -> Result<Long, Stop> {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    Ok(Long(stat(cx, &file).await?.sectors))
}

pub async fn path_rdev(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: u32) -> Result<LongOrZero, Stop> {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    Ok(LongOrZero(stat(cx, &file).await?.rdev))
}

pub async fn fd_mode(cx: &mut Cx<'_>, fd: u32) -> Result<Word, Stop> {
    let file = File::open(cx, fd);
    Ok(Word(stat(cx, &file).await?.full_mode()))
}

pub async fn fd_size(cx: &mut Cx<'_>, fd: u32) -> Result<Long, Stop> {
    let file = File::open(cx, fd);
    Ok(Long(stat(cx, &file).await?.size))
}

pub async fn fd_blocks(cx: &mut Cx<'_>, fd: u32) -> Result<Long, Stop> {
    let file = File::open(cx, fd);
    Ok(Long(stat(cx, &file).await?.sectors))
}

pub async fn path_owner(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, follow: u32, uid: u32, gid: u32) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    owner(cx, &file, uid, gid).await
}

pub async fn fd_owner(cx: &mut Cx<'_>, fd: u32, uid: u32, gid: u32) -> Done {
    let file = File::open(cx, fd);
    owner(cx, &file, uid, gid).await
}

async fn owner(cx: &mut Cx<'_>, file: &File, uid: u32, gid: u32) -> Done {
    cx.check(&[(uid, 4), (gid, 4)])?;
    let stat = stat(cx, file).await?;
    memory::put_u32(cx.memory(), uid, stat.uid.0)?;
    Ok(memory::put_u32(cx.memory(), gid, stat.gid.0)?)
}

async fn stat(cx: &mut Cx<'_>, file: &File) -> Result<Stat, Stop> {
    cx.call(|kernel, call, _| match file {
        File::At(at, path, follow) => kernel.stat(call, *at, path, *follow),
        File::Open(fd) => kernel.fstat(call, *fd),
    })
    .await
}

pub async fn chmod(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, mode: u32) -> Done {
    let file = File::at(cx, fd, path, len, true)?;
    set_mode(cx, &file, mode).await
}

pub async fn fchmod(cx: &mut Cx<'_>, fd: u32, mode: u32) -> Done {
    let file = File::open(cx, fd);
    set_mode(cx, &file, mode).await
}

async fn set_mode(cx: &mut Cx<'_>, file: &File, mode: u32) -> Done {
    let mode = Mode::new(mode);
    cx.call(|kernel, call, _| match file {
        File::At(at, path, _) => kernel.chmod(call, *at, path, mode),
        File::Open(fd) => kernel.fchmod(call, *fd, mode),
    })
    .await
}

/// All ones keeps an id.
pub async fn path_chown(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, uid: u32, gid: u32, follow: u32) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    set_owner(cx, &file, uid, gid).await
}

pub async fn fd_chown(cx: &mut Cx<'_>, fd: u32, uid: u32, gid: u32) -> Done {
    let file = File::open(cx, fd);
    set_owner(cx, &file, uid, gid).await
}

async fn set_owner(cx: &mut Cx<'_>, file: &File, uid: u32, gid: u32) -> Done {
    let uid = (uid != u32::MAX).then_some(Uid(uid));
    let gid = (gid != u32::MAX).then_some(Gid(gid));
    cx.call(|kernel, call, _| match file {
        File::At(at, path, follow) => kernel.chown(call, *at, path, *follow, uid, gid),
        File::Open(fd) => kernel.fchown(call, *fd, uid, gid),
    })
    .await
}

/// R_OK 4, W_OK 2, X_OK 1; none asks whether it is there.
pub async fn path_access(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, mode: u32, effective: u32) -> Done {
    if mode & !0o7 != 0 {
        return Err(Errno::EINVAL.into());
    }
    let want = Access { read: mode & 4 != 0, write: mode & 2 != 0, execute: mode & 1 != 0 };
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.access(call, at, &path, want, effective != 0)).await
}

/// Bytes in all, used and free for the caller, then inodes in all and free.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_statfs(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    total: u32,
    used: u32,
    free: u32,
    inodes: u32,
    inodes_free: u32,
) -> Done {
    let out = [total, used, free, inodes, inodes_free];
    cx.check(&out.map(|at| (at, 8)))?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    let capacity: Capacity = cx.call(|kernel, call, _| kernel.statfs(call, at, &path)).await?;
    let used = capacity.bytes.saturating_sub(capacity.bytes_free);
    let values = [capacity.bytes, used, capacity.bytes_free, capacity.inodes, capacity.inodes_free];
    for (at, value) in out.into_iter().zip(values) {
        memory::put_u64(cx.memory(), at, value)?;
    }
    Ok(())
}

// ---- names

pub async fn open_tmpfile(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, flags: u32, mode: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    let mut open = OpenFlags::empty();
    for (bit, flag) in [
        (libc_open::READ, OpenFlags::READ),
        (libc_open::WRITE, OpenFlags::WRITE),
        (libc_open::APPEND, OpenFlags::APPEND),
        (libc_open::NONBLOCK, OpenFlags::NONBLOCK),
    ] {
        open.set(flag, flags & bit != 0);
    }
    let opened = cx.call(|kernel, call, _| kernel.open_unnamed(call, at, &path, open, Mode::new(mode))).await?;
    Ok(memory::put_u32(cx.memory(), out, opened.0)?)
}

/// Gives an open file a name. A directory, and so the preopened one, never has a second.
pub async fn fd_link(cx: &mut Cx<'_>, fd: u32, to: u32, path: u32, len: u32) -> Done {
    let FdRef::Real(fd) = cx.fd(fd) else { return Err(Errno::EPERM.into()) };
    let (to, path) = (cx.at(to), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.link_open(call, fd, to, &path)).await
}

/// `mode` has S_IFMT's bits, none for a plain file; `dev` is packed as makedev() does.
pub async fn path_mknod(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, mode: u32, dev: u64) -> Done {
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    let kind = match mode & 0o170_000 {
        0 => FileKind::Regular,
        bits => FileKind::from_bits(bits).ok_or(Errno::EINVAL)?,
    };
    cx.call(|kernel, call, _| kernel.mknod(call, at, &path, kind, Mode::new(mode), dev)).await
}

/// RENAME_NOREPLACE 1, RENAME_EXCHANGE 2; both, or another, is EINVAL.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_renameat2(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    to: u32,
    new: u32,
    new_len: u32,
    flags: u32,
) -> Done {
    let replace = match flags {
        0 => Replace::Yes,
        1 => Replace::No,
        2 => Replace::Exchange,
        _ => return Err(Errno::EINVAL.into()),
    };
    let (from, old) = (cx.at(fd), cx.path(path, len)?);
    let (to, new) = (cx.at(to), cx.path(new, new_len)?);
    cx.call(|kernel, call, _| kernel.rename(call, from, &old, to, &new, replace)).await
}

/// Options separated by commas: `ro`, `rw` and `remount`; the last of the first two holds, `rw` when neither is there,
/// as mount() has it.
pub async fn remount(cx: &mut Cx<'_>, path: u32, len: u32, options: u32, options_len: u32) -> Done {
    let path = cx.path(path, len)?;
    let options = cx.bytes(options, options_len, OPTIONS_MAX, Errno::EINVAL)?;
    let mut read_only = false;
    for option in options.split(|byte| *byte == b',') {
        match option {
            b"ro" => read_only = true,
            b"rw" => read_only = false,
            b"remount" | b"" => {}
            _ => return Err(Errno::EINVAL.into()),
        }
    }
    cx.call(|kernel, call, _| kernel.remount(call, &path, read_only)).await
}

// ---- ranges

/// The data extent of this index; past the last is ENODATA. No extent is unwritten, so `flags` gets 0.
pub async fn fd_fiemap(cx: &mut Cx<'_>, fd: u32, index: u32, start: u32, end: u32, flags: u32) -> Done {
    cx.check(&[(start, 8), (end, 8), (flags, 4)])?;
    let fd = cx.real(fd)?;
    let found = cx.call(|kernel, call, _| kernel.data_extent(call, fd, index)).await?;
    let (from, to) = found.ok_or(Errno::ENODATA)?;
    memory::put_u64(cx.memory(), start, from)?;
    memory::put_u64(cx.memory(), end, to)?;
    Ok(memory::put_u32(cx.memory(), flags, 0)?)
}

pub async fn fd_punch_hole(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| kernel.punch_hole(call, fd, offset, len)).await
}

/// Makes a range read as zeros; unless `keep_size`, the file then reaches at least to its end.
pub async fn fd_zero_range(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64, keep_size: u32) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| {
        // Only the first may ask for bytes from outside; the second ends the call.
        kernel.punch_hole(call, fd, offset, len)?;
        if keep_size == 0 { kernel.allocate(call, fd, offset, len) } else { Ok(()) }
    })
    .await
}

/// Files cannot be shifted.
pub async fn unsupported_range(_cx: &mut Cx<'_>, _fd: u32, _offset: u64, _len: u64) -> Done {
    Err(Errno::EOPNOTSUPP.into())
}

// ---- extended attributes

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_getxattr(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    name: u32,
    name_len: u32,
    value: u32,
    cap: u32,
    follow: u32,
    out: u32,
) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    getxattr(cx, &file, (name, name_len), Room { at: value, cap, out }).await
}

pub async fn fd_getxattr(cx: &mut Cx<'_>, fd: u32, name: u32, name_len: u32, value: u32, cap: u32, out: u32) -> Done {
    let file = File::open(cx, fd);
    getxattr(cx, &file, (name, name_len), Room { at: value, cap, out }).await
}

async fn getxattr(cx: &mut Cx<'_>, file: &File, name: (u32, u32), room: Room) -> Done {
    room.check(cx)?;
    let name = xattr_name(cx, name)?;
    cx.call(|kernel, call, memory| room.give(memory, &kernel.getxattr(call, file.subject(), &name)?)).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_listxattr(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    list: u32,
    cap: u32,
    follow: u32,
    out: u32,
) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    listxattr(cx, &file, Room { at: list, cap, out }).await
}

pub async fn fd_listxattr(cx: &mut Cx<'_>, fd: u32, list: u32, cap: u32, out: u32) -> Done {
    let file = File::open(cx, fd);
    listxattr(cx, &file, Room { at: list, cap, out }).await
}

async fn listxattr(cx: &mut Cx<'_>, file: &File, room: Room) -> Done {
    room.check(cx)?;
    cx.call(|kernel, call, memory| {
        let names = kernel.listxattr(call, file.subject())?;
        let list: Vec<u8> = names.iter().flat_map(|name| name.iter().copied().chain([0])).collect();
        room.give(memory, &list)
    })
    .await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_setxattr(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
    flags: u32,
    follow: u32,
) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    setxattr(cx, &file, (name, name_len), (value, value_len), flags).await
}

pub async fn fd_setxattr(
    cx: &mut Cx<'_>,
    fd: u32,
    name: u32,
    name_len: u32,
    value: u32,
    value_len: u32,
    flags: u32,
) -> Done {
    let file = File::open(cx, fd);
    setxattr(cx, &file, (name, name_len), (value, value_len), flags).await
}

/// XATTR_CREATE 1, XATTR_REPLACE 2; another, or both, is EINVAL.
async fn setxattr(cx: &mut Cx<'_>, file: &File, name: (u32, u32), value: (u32, u32), flags: u32) -> Done {
    let how = match flags {
        0 => SetXattr::Either,
        1 => SetXattr::Create,
        2 => SetXattr::Replace,
        _ => return Err(Errno::EINVAL.into()),
    };
    let name = xattr_name(cx, name)?;
    let value = cx.bytes(value.0, value.1, XATTR_SIZE_MAX, Errno::E2BIG)?;
    cx.call(|kernel, call, _| kernel.setxattr(call, file.subject(), &name, &value, how)).await
}

pub async fn path_removexattr(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    name: u32,
    name_len: u32,
    follow: u32,
) -> Done {
    let file = File::at(cx, fd, path, len, follow != 0)?;
    removexattr(cx, &file, (name, name_len)).await
}

pub async fn fd_removexattr(cx: &mut Cx<'_>, fd: u32, name: u32, name_len: u32) -> Done {
    let file = File::open(cx, fd);
    removexattr(cx, &file, (name, name_len)).await
}

async fn removexattr(cx: &mut Cx<'_>, file: &File, name: (u32, u32)) -> Done {
    let name = xattr_name(cx, name)?;
    cx.call(|kernel, call, _| kernel.removexattr(call, file.subject(), &name)).await
}

fn xattr_name(cx: &mut Cx<'_>, (at, len): (u32, u32)) -> Result<Vec<u8>, Errno> {
    cx.bytes(at, len, XATTR_NAME_MAX, Errno::ERANGE)
}

/// Where an attribute's value, or the names, go.
#[derive(Clone, Copy)]
struct Room {
    at: u32,
    /// Bytes there are; 0 only asks for the size.
    cap: u32,
    /// Gets the size, also when it is too large.
    out: u32,
}

impl Room {
    fn check(self, cx: &mut Cx<'_>) -> Result<(), Errno> {
        cx.check(&[(self.at, self.cap), (self.out, 4)])
    }

    fn give(self, memory: &mut [u8], bytes: &[u8]) -> Step<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::ERANGE)?;
        memory::put_u32(memory, self.out, len)?;
        if self.cap == 0 {
            return Ok(());
        }
        if len > self.cap {
            return Err(Errno::ERANGE.into());
        }
        Ok(memory::put(memory, self.at, bytes)?)
    }
}
