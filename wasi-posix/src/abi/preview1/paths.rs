//! What is done with a path.

use super::descriptors::{RIGHT_FD_READ, RIGHT_FD_WRITE, put_filestat, put_filestat_old, set_times};
use crate::abi::cx::{Cx, Stop};
use crate::memory;
use warren_kernel::Errno;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::vfs::{Mode, Stat};

type Done = Result<(), Stop>;

pub async fn path_create_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Done {
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    let mode = cx.guest_mut().open_mode.take().unwrap_or(Mode::new(0o777));
    cx.call(|kernel, call, _| kernel.mkdir(call, at, &path, mode)).await
}

pub async fn path_filestat_get(cx: &mut Cx<'_>, fd: u32, flags: u32, path: u32, len: u32, out: u32) -> Done {
    cx.check(&[(out, 64)])?;
    let stat = stat_path(cx, fd, flags, path, len).await?;
    put_filestat(cx.memory(), out, &stat)
}

pub async fn path_filestat_get_old(cx: &mut Cx<'_>, fd: u32, flags: u32, path: u32, len: u32, out: u32) -> Done {
    cx.check(&[(out, 56)])?;
    let stat = stat_path(cx, fd, flags, path, len).await?;
    put_filestat_old(cx.memory(), out, &stat)
}

pub(crate) async fn stat_path(cx: &mut Cx<'_>, fd: u32, flags: u32, path: u32, len: u32) -> Result<Stat, Stop> {
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.stat(call, at, &path, flags & 1 != 0)).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_filestat_set_times(
    cx: &mut Cx<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    atim: u64,
    mtim: u64,
    fst: u32,
) -> Done {
    let (atime, mtime) = set_times(atim, mtim, fst)?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.set_times(call, at, &path, flags & 1 != 0, atime, mtime)).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_link(
    cx: &mut Cx<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    to: u32,
    new: u32,
    new_len: u32,
) -> Done {
    let (old_at, old) = (cx.at(fd), cx.path(path, len)?);
    let (new_at, new) = (cx.at(to), cx.path(new, new_len)?);
    cx.call(|kernel, call, _| kernel.link(call, old_at, &old, flags & 1 != 0, new_at, &new)).await
}

#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn path_open(
    cx: &mut Cx<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    len: u32,
    oflags: u32,
    base: u64,
    _inheriting: u64,
    fdflags: u32,
    out: u32,
) -> Done {
    cx.check(&[(out, 4)])?;
    let mode = cx.guest_mut().open_mode.take().unwrap_or(Mode::new(0o666));
    let flags = open_flags(lookup, oflags, base, fdflags)?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    // Plain WASI keeps its preopened directories at 3 and 4; the POSIX libc numbers them apart.
    let opened = cx.call(|kernel, call, _| kernel.open(call, at, &path, flags, mode)).await?;
    Ok(memory::put_u32(cx.memory(), out, opened.0)?)
}

/// oflags: 1 CREAT, 2 DIRECTORY, 4 EXCL, 8 TRUNC. What the descriptor is for is in the rights.
fn open_flags(lookup: u32, oflags: u32, base: u64, fdflags: u32) -> Result<OpenFlags, Errno> {
    if oflags & !0xf != 0 || fdflags & !0x3f != 0 || lookup & !1 != 0 {
        return Err(Errno::EINVAL);
    }
    let mut flags = OpenFlags::empty();
    flags.set(OpenFlags::READ, base & RIGHT_FD_READ != 0);
    flags.set(OpenFlags::WRITE, base & RIGHT_FD_WRITE != 0);
    flags.set(OpenFlags::CREATE, oflags & 1 != 0);
    flags.set(OpenFlags::DIRECTORY, oflags & 2 != 0);
    flags.set(OpenFlags::EXCLUSIVE, oflags & 4 != 0);
    flags.set(OpenFlags::TRUNCATE, oflags & 8 != 0);
    flags.set(OpenFlags::APPEND, fdflags & 1 != 0);
    flags.set(OpenFlags::NONBLOCK, fdflags & 4 != 0);
    flags.set(OpenFlags::NOFOLLOW, lookup & 1 == 0);
    if flags.contains(OpenFlags::DIRECTORY) {
        // WASI's libc asks for every right it may have on a directory.
        flags.remove(OpenFlags::WRITE);
    }
    Ok(flags)
}

pub async fn path_readlink(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32) -> Done {
    cx.check(&[(buf, buf_len), (out, 4)])?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    let target = cx.call(|kernel, call, _| kernel.readlink(call, at, &path)).await?;
    let count = target.len().min(buf_len as usize);
    memory::put(cx.memory(), buf, &target[..count])?;
    Ok(memory::put_u32(cx.memory(), out, count as u32)?)
}

pub async fn path_remove_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Done {
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.rmdir(call, at, &path)).await
}

pub async fn path_rename(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32, to: u32, new: u32, new_len: u32) -> Done {
    let (old_at, old) = (cx.at(fd), cx.path(path, len)?);
    let (new_at, new) = (cx.at(to), cx.path(new, new_len)?);
    cx.call(|kernel, call, _| kernel.rename(call, old_at, &old, new_at, &new, Replace::Yes)).await
}

pub async fn path_symlink(cx: &mut Cx<'_>, target: u32, target_len: u32, fd: u32, path: u32, len: u32) -> Done {
    let target = cx.path(target, target_len)?;
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.symlink(call, &target, at, &path)).await
}

pub async fn path_unlink_file(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Done {
    let (at, path) = (cx.at(fd), cx.path(path, len)?);
    cx.call(|kernel, call, _| kernel.unlink(call, at, &path)).await
}
