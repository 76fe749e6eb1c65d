//! WASI preview1, and the few functions of `wasi_unstable` (its predecessor) that differ.
//!
//! # Standard
//! WebAssembly/WASI, legacy/preview1. Extended as the POSIX host ABI does: fdflags 0x20 is O_DIRECT, whence 3 and 4
//! are SEEK_DATA and SEEK_HOLE, fd_readdir gives `.` and `..`.

use super::cx::{Cx, FdRef, Never, Stop};
use crate::guest::{End, Preopens, open_real};
use crate::memory::{self, Buffer, Scatter};
use std::time::Duration;
use warren_kernel::host::{Monotonic, Timestamp};
use warren_kernel::id::Fd;
use warren_kernel::io::{DescriptorStatus, Whence};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::process::Strings;
use warren_kernel::signal::Signal;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::namespace::Replace;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Errno, Halt, Step};

type Done = Result<(), Stop>;

/// Bytes random_get fills in one lock hold.
const RANDOM_CHUNK: usize = 64 * 1024;

// ---- arguments and environment

pub async fn args_get(cx: &mut Cx<'_>, argv: u32, buf: u32) -> Done {
    let list = cx.guest().arguments.clone();
    put_strings(cx, &list, argv, buf)
}

pub async fn args_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Done {
    let list = cx.guest().arguments.clone();
    put_sizes(cx, &list, count, size)
}

pub async fn environ_get(cx: &mut Cx<'_>, environ: u32, buf: u32) -> Done {
    let list = cx.guest().environment.clone();
    put_strings(cx, &list, environ, buf)
}

pub async fn environ_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Done {
    let list = cx.guest().environment.clone();
    put_sizes(cx, &list, count, size)
}

fn put_sizes(cx: &mut Cx<'_>, list: &Strings, count: u32, size: u32) -> Done {
    cx.check(&[(count, 4), (size, 4)])?;
    memory::put_u32(cx.memory(), count, list.len() as u32)?;
    Ok(memory::put_u32(cx.memory(), size, bytes_of(list))?)
}

fn put_strings(cx: &mut Cx<'_>, list: &Strings, table: u32, buf: u32) -> Done {
    cx.check(&[(table, list.len() as u32 * 4), (buf, bytes_of(list))])?;
    let memory = cx.memory();
    let mut at = buf;
    for (index, item) in list.iter().enumerate() {
        memory::put_u32(memory, table + index as u32 * 4, at)?;
        memory::put(memory, at, item)?;
        memory::put(memory, at + item.len() as u32, &[0])?;
        at += item.len() as u32 + 1;
    }
    Ok(())
}

/// With a NUL behind each; bounded by the session's `argument_bytes`, which fits 32 bits many times.
fn bytes_of(list: &Strings) -> u32 {
    list.iter().map(|item| item.len() as u32 + 1).sum()
}

// ---- clocks, randomness, the process itself

pub async fn clock_res_get(cx: &mut Cx<'_>, clock: u32, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    if clock > 3 {
        return Err(Errno::EINVAL.into());
    }
    Ok(memory::put_u64(cx.memory(), out, 1)?)
}

pub async fn clock_time_get(cx: &mut Cx<'_>, clock: u32, _precision: u64, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    let pid = cx.guest().pid;
    let time = match clock {
        0 => cx.with(|kernel, _| kernel.now().0 as u64),
        1 => cx.with(|kernel, _| kernel.uptime().as_nanos() as u64),
        // Process and thread CPU time: a guest has one thread. Charged at each tick, so as coarse as one.
        2 | 3 => cx.with(|kernel, _| kernel.process(pid).map_or(0, |process| process.cpu.as_nanos() as u64)),
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(memory::put_u64(cx.memory(), out, time)?)
}

pub async fn random_get(cx: &mut Cx<'_>, buf: u32, len: u32) -> Done {
    cx.check(&[(buf, len)])?;
    let mut at = buf as usize;
    let end = at + len as usize;
    while at < end {
        let stop = end.min(at + RANDOM_CHUNK);
        cx.call(|kernel, _, memory| {
            kernel.fill_random(&mut memory[at..stop]);
            Ok(())
        })
        .await?;
        at = stop;
    }
    Ok(())
}

pub async fn sched_yield(_cx: &mut Cx<'_>) -> Done {
    tokio::task::yield_now().await;
    Ok(())
}

pub async fn proc_exit(_cx: &mut Cx<'_>, code: u32) -> Result<Never, Stop> {
    Err(Stop::End(End::Exited(code)))
}

pub async fn proc_raise(cx: &mut Cx<'_>, signal: u32) -> Done {
    // WASI's numbers: 0 is none, and up to SIGSYS (30) they are Linux's without the gap for SIGSTKFLT.
    let signal = match signal {
        0 => return Ok(()),
        1..=15 => Signal::new(signal),
        16..=30 => Signal::new(signal + 1),
        _ => Err(Errno::EINVAL),
    }?;
    cx.with(|kernel, call| kernel.signal_process(call.pid, signal));
    Ok(())
}

// ---- descriptors

pub async fn fd_advise(cx: &mut Cx<'_>, fd: u32, _offset: u64, _len: u64, advice: u32) -> Done {
    let fd = cx.real(fd)?;
    let status = cx.call(|kernel, call, _| kernel.descriptor_status(call, fd)).await?;
    match status.kind {
        _ if advice > 5 => Err(Errno::EINVAL.into()),
        FileKind::Fifo | FileKind::Socket => Err(Errno::ESPIPE.into()),
        _ => Ok(()),
    }
}

pub async fn fd_allocate(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| kernel.allocate(call, fd, offset, len)).await
}

pub async fn fd_close(cx: &mut Cx<'_>, fd: u32) -> Done {
    match cx.fd(fd) {
        FdRef::Preopened(_) => Ok(()),
        FdRef::Real(fd) => {
            if let Preopens::Real(list) = &mut cx.guest_mut().preopens {
                list.retain(|(open, _)| *open != fd);
            }
            Ok(cx.with(|kernel, call| kernel.close(call, fd))?)
        }
    }
}

pub async fn fd_sync(cx: &mut Cx<'_>, fd: u32) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| kernel.sync(call, fd)).await
}

pub async fn fd_fdstat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 24)])?;
    let status = match cx.fd(fd) {
        FdRef::Real(fd) => cx.call(|kernel, call, _| kernel.descriptor_status(call, fd)).await?,
        FdRef::Preopened(_) => DescriptorStatus {
            kind: FileKind::Directory,
            read: true,
            write: false,
            append: false,
            nonblock: false,
            close_on_exec: true,
            terminal: false,
        },
    };
    let memory = cx.memory();
    let flags = u16::from(status.append) | u16::from(status.nonblock) << 2;
    memory::put(memory, out, &[0; 24])?;
    memory::put(memory, out, &[file_type(status.kind)])?;
    memory::put_u16(memory, out + 2, flags)?;
    memory::put_u64(memory, out + 8, rights(&status))?;
    Ok(memory::put_u64(memory, out + 16, if status.kind == FileKind::Directory { RIGHTS_ALL } else { 0 })?)
}

/// Every right preview1 names.
const RIGHTS_ALL: u64 = (1 << 30) - 1;
const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_SEEK: u64 = 1 << 2;
const RIGHT_FD_TELL: u64 = 1 << 5;
const RIGHT_FD_WRITE: u64 = 1 << 6;

/// Rights as libc reads them back: what the descriptor was opened for, and whether it can seek (a character device
/// that cannot is taken for a terminal).
fn rights(status: &DescriptorStatus) -> u64 {
    let mut rights = RIGHTS_ALL & !(RIGHT_FD_READ | RIGHT_FD_WRITE);
    rights |= if status.read { RIGHT_FD_READ } else { 0 } | if status.write { RIGHT_FD_WRITE } else { 0 };
    let seeks = !status.terminal && !matches!(status.kind, FileKind::Fifo | FileKind::Socket);
    if seeks { rights } else { rights & !(RIGHT_FD_SEEK | RIGHT_FD_TELL) }
}

const fn file_type(kind: FileKind) -> u8 {
    match kind {
        FileKind::Block => 1,
        FileKind::Character => 2,
        FileKind::Directory => 3,
        FileKind::Regular => 4,
        FileKind::Socket => 6,
        FileKind::Symlink => 7,
        // preview1 has no number for a pipe.
        FileKind::Fifo => 0,
    }
}

pub async fn fd_fdstat_set_flags(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Done {
    const KNOWN: u32 = 0x3f;
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL.into());
    }
    let fd = cx.real(fd)?;
    Ok(cx.with(|kernel, call| kernel.set_status(call, fd, flags & 1 != 0, flags & 4 != 0))?)
}

pub async fn fd_fdstat_set_rights(cx: &mut Cx<'_>, fd: u32, _base: u64, _inheriting: u64) -> Done {
    if let FdRef::Real(fd) = cx.fd(fd) {
        cx.call(|kernel, call, _| kernel.descriptor_status(call, fd)).await?;
    }
    Ok(())
}

pub async fn fd_filestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 64)])?;
    let stat = stat_fd(cx, fd).await?;
    put_filestat(cx.memory(), out, &stat)
}

pub async fn fd_filestat_get_old(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 56)])?;
    let stat = stat_fd(cx, fd).await?;
    put_filestat_old(cx.memory(), out, &stat)
}

pub(crate) async fn stat_fd(cx: &mut Cx<'_>, fd: u32) -> Result<Stat, Stop> {
    match cx.fd(fd) {
        FdRef::Real(fd) => cx.call(|kernel, call, _| kernel.fstat(call, fd)).await,
        FdRef::Preopened(at) => cx.call(|kernel, call, _| kernel.stat(call, at, b".", true)).await,
    }
}

fn put_filestat(memory: &mut [u8], out: u32, stat: &Stat) -> Done {
    memory::put(memory, out, &[0; 64])?;
    memory::put_u64(memory, out, stat.device)?;
    memory::put_u64(memory, out + 8, stat.ino.0)?;
    memory::put(memory, out + 16, &[file_type(stat.kind)])?;
    memory::put_u64(memory, out + 24, u64::from(stat.links))?;
    memory::put_u64(memory, out + 32, stat.size)?;
    Ok(put_times(memory, out + 40, stat)?)
}

fn put_filestat_old(memory: &mut [u8], out: u32, stat: &Stat) -> Done {
    memory::put(memory, out, &[0; 56])?;
    memory::put_u64(memory, out, stat.device)?;
    memory::put_u64(memory, out + 8, stat.ino.0)?;
    memory::put(memory, out + 16, &[file_type(stat.kind)])?;
    memory::put_u32(memory, out + 20, stat.links)?;
    memory::put_u64(memory, out + 24, stat.size)?;
    Ok(put_times(memory, out + 32, stat)?)
}

fn put_times(memory: &mut [u8], out: u32, stat: &Stat) -> Result<(), Errno> {
    for (index, time) in [stat.atime, stat.mtime, stat.ctime].into_iter().enumerate() {
        memory::put_u64(memory, out + index as u32 * 8, time.0 as u64)?;
    }
    Ok(())
}

pub async fn fd_filestat_set_size(cx: &mut Cx<'_>, fd: u32, size: u64) -> Done {
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| kernel.set_len(call, fd, size)).await
}

pub async fn fd_filestat_set_times(cx: &mut Cx<'_>, fd: u32, atim: u64, mtim: u64, flags: u32) -> Done {
    let (atime, mtime) = set_times(atim, mtim, flags)?;
    match cx.fd(fd) {
        FdRef::Real(fd) => cx.call(|kernel, call, _| kernel.set_times_open(call, fd, atime, mtime)).await,
        FdRef::Preopened(at) => cx.call(|kernel, call, _| kernel.set_times(call, at, b".", true, atime, mtime)).await,
    }
}

/// fstflags: 1 atim, 2 atim now, 4 mtim, 8 mtim now.
fn set_times(atim: u64, mtim: u64, flags: u32) -> Result<(SetTime, SetTime), Errno> {
    let one = |time: u64, set: bool, now: bool| match (set, now) {
        (true, true) => Err(Errno::EINVAL),
        (true, false) => Ok(SetTime::To(Timestamp(time as i64))),
        (false, true) => Ok(SetTime::Now),
        (false, false) => Ok(SetTime::Omit),
    };
    if flags & !0xf != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((one(atim, flags & 1 != 0, flags & 2 != 0)?, one(mtim, flags & 4 != 0, flags & 8 != 0)?))
}

pub async fn fd_prestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    if fd == 3
        && let Preopens::Virtual { cwd } = &cx.guest().preopens
    {
        // An older libc, which knows no other numbers than those of real descriptors.
        let (session, pid, cwd) = (cx.guest().session.clone(), cx.guest().pid, cwd.clone());
        cx.guest_mut().preopens = open_real(&session, pid, cwd).await;
    }
    let len = preopen_name(cx, fd)?.len() as u32;
    memory::put_u32(cx.memory(), out, 0)?;
    Ok(memory::put_u32(cx.memory(), out + 4, len)?)
}

pub async fn fd_prestat_dir_name(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Done {
    let name = preopen_name(cx, fd)?;
    if (len as usize) < name.len() {
        return Err(Errno::ENAMETOOLONG.into());
    }
    Ok(memory::put(cx.memory(), path, &name)?)
}

/// The name of a preopened directory: libc asks for one number after the other until one is none.
fn preopen_name(cx: &mut Cx<'_>, fd: u32) -> Result<Vec<u8>, Errno> {
    if let Preopens::Real(list) = &cx.guest().preopens {
        return list.iter().find(|(open, _)| open.0 == fd).map(|(_, name)| name.clone()).ok_or(Errno::EBADF);
    }
    match (cx.fd(fd), &cx.guest().preopens) {
        (FdRef::Preopened(At::Cwd), Preopens::Virtual { cwd }) => Ok(cwd.clone()),
        (FdRef::Preopened(_), _) => Ok(b"/".to_vec()),
        (FdRef::Real(_), _) => Err(Errno::EBADF),
    }
}

pub async fn fd_read(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Done {
    read_at(cx, fd, None, iovs, count, out).await
}

pub async fn fd_pread(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, offset: u64, out: u32) -> Done {
    read_at(cx, fd, Some(offset), iovs, count, out).await
}

async fn read_at(cx: &mut Cx<'_>, fd: u32, offset: Option<u64>, iovs: u32, count: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let buffers = memory::buffers(cx.memory(), iovs, count)?;
    let fd = match cx.fd(fd) {
        FdRef::Real(fd) => fd,
        FdRef::Preopened(_) => return Err(Errno::EISDIR.into()),
    };
    let read = cx
        .call(|kernel, call, memory| {
            let mut scatter = Scatter::new(&buffers);
            let want = scatter.room();
            let mut put = |bytes: &[u8]| scatter.put(memory, bytes);
            match offset {
                None => kernel.read(call, fd, want, &mut put),
                Some(offset) => kernel.pread(call, fd, offset, want, &mut put),
            }
        })
        .await?;
    Ok(memory::put_u32(cx.memory(), out, read as u32)?)
}

pub async fn fd_write(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Done {
    write_at(cx, fd, None, iovs, count, out).await
}

pub async fn fd_pwrite(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, offset: u64, out: u32) -> Done {
    write_at(cx, fd, Some(offset), iovs, count, out).await
}

/// Writes all of it, as a blocking write() does: a pipe takes what fits and the rest when there is room again. What
/// went in before an error counts; the error shows at the next call.
async fn write_at(cx: &mut Cx<'_>, fd: u32, offset: Option<u64>, iovs: u32, count: u32, out: u32) -> Done {
    cx.check(&[(out, 4)])?;
    let buffers = memory::buffers(cx.memory(), iovs, count)?;
    let fd = match cx.fd(fd) {
        FdRef::Real(fd) => fd,
        FdRef::Preopened(_) => return Err(Errno::EBADF.into()),
    };
    let total: usize = buffers.iter().map(|buffer| buffer.len as usize).sum();
    let mut written = 0;
    loop {
        let attempt = cx
            .call(|kernel, call, memory| {
                let parts = rest_of(memory, &buffers, written);
                match offset {
                    None => kernel.write(call, fd, &parts),
                    Some(offset) => kernel.pwrite(call, fd, offset + written as u64, &parts),
                }
            })
            .await;
        match attempt {
            Ok(count) => {
                written += count;
                if written >= total || count == 0 {
                    break;
                }
            }
            Err(Stop::Errno(_)) if written > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(memory::put_u32(cx.memory(), out, written as u32)?)
}

/// The bytes of `buffers` behind the first `skip`; every range was checked.
fn rest_of<'m>(memory: &'m [u8], buffers: &[Buffer], skip: usize) -> Vec<&'m [u8]> {
    let mut skip = skip;
    let mut parts = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let bytes = memory::slice(memory, buffer.at, buffer.len).unwrap_or(&[]);
        let passed = skip.min(bytes.len());
        skip -= passed;
        if passed < bytes.len() {
            parts.push(&bytes[passed..]);
        }
    }
    parts
}

pub async fn fd_readdir(cx: &mut Cx<'_>, fd: u32, buf: u32, len: u32, cookie: u64, out: u32) -> Done {
    cx.check(&[(buf, len), (out, 4)])?;
    let fd = match cx.fd(fd) {
        FdRef::Real(fd) => fd,
        FdRef::Preopened(_) => return Err(Errno::EBADF.into()),
    };
    let used = cx
        .call(|kernel, call, memory| {
            let target = memory::slice_mut(memory, buf, len)?;
            let mut used = 0;
            kernel.readdir(call, fd, cookie, &mut |entry| {
                let mut record = [0; 24];
                record[..8].copy_from_slice(&entry.next.to_le_bytes());
                record[8..16].copy_from_slice(&entry.ino.0.to_le_bytes());
                record[16..20].copy_from_slice(&(entry.name.len() as u32).to_le_bytes());
                record[20] = file_type(entry.kind);
                for part in [&record[..], &entry.name] {
                    let count = part.len().min(target.len() - used);
                    target[used..used + count].copy_from_slice(&part[..count]);
                    used += count;
                }
                used < target.len()
            })?;
            Ok(used)
        })
        .await?;
    Ok(memory::put_u32(cx.memory(), out, used as u32)?)
}

pub async fn fd_renumber(cx: &mut Cx<'_>, fd: u32, to: u32) -> Done {
    let (fd, to) = (cx.real(fd)?, Fd(to));
    if let Preopens::Real(list) = &mut cx.guest_mut().preopens {
        list.retain(|(open, _)| *open != to);
        list.iter_mut().filter(|(open, _)| *open == fd).for_each(|(open, _)| *open = to);
    }
    Ok(cx.with(|kernel, call| {
        kernel.duplicate_to(call, fd, to, false)?;
        if fd == to { Ok(()) } else { kernel.close(call, fd) }
    })?)
}

pub async fn fd_seek(cx: &mut Cx<'_>, fd: u32, offset: i64, whence: u32, out: u32) -> Done {
    let whence = match whence {
        0 => Whence::Set,
        1 => Whence::Current,
        2 => Whence::End,
        3 => Whence::Data,
        4 => Whence::Hole,
        _ => return Err(Errno::EINVAL.into()),
    };
    seek(cx, fd, offset, whence, out).await
}

pub async fn fd_seek_old(cx: &mut Cx<'_>, fd: u32, offset: i64, whence: u32, out: u32) -> Done {
    let whence = match whence {
        0 => Whence::Current,
        1 => Whence::End,
        2 => Whence::Set,
        _ => return Err(Errno::EINVAL.into()),
    };
    seek(cx, fd, offset, whence, out).await
}

pub async fn fd_tell(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    seek(cx, fd, 0, Whence::Current, out).await
}

async fn seek(cx: &mut Cx<'_>, fd: u32, offset: i64, whence: Whence, out: u32) -> Done {
    cx.check(&[(out, 8)])?;
    let fd = cx.real(fd)?;
    let at = cx.call(|kernel, call, _| kernel.seek(call, fd, offset, whence)).await?;
    Ok(memory::put_u64(cx.memory(), out, at)?)
}

// ---- paths

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

// ---- poll

/// Where the fields of a subscription and an event are.
struct Layout {
    subscription: u32,
    clock_id: u32,
    timeout: u32,
    clock_flags: u32,
    fd: u32,
}

const PREVIEW1: Layout = Layout { subscription: 48, clock_id: 16, timeout: 24, clock_flags: 40, fd: 16 };
/// `wasi_unstable` has an identifier before the clock's id.
const UNSTABLE: Layout = Layout { subscription: 56, clock_id: 24, timeout: 32, clock_flags: 48, fd: 16 };
const EVENT: u32 = 32;

pub async fn poll_oneoff(cx: &mut Cx<'_>, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    poll(cx, &PREVIEW1, subscriptions, events, count, out).await
}

pub async fn poll_oneoff_old(cx: &mut Cx<'_>, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    poll(cx, &UNSTABLE, subscriptions, events, count, out).await
}

struct Subscription {
    userdata: u64,
    what: Subject,
}

enum Subject {
    Clock(Monotonic),
    Fd(PollFd, u8),
    /// A clock there is none of, or a descriptor number that is a preopened directory.
    Never(u8, Errno),
}

async fn poll(cx: &mut Cx<'_>, layout: &Layout, subscriptions: u32, events: u32, count: u32, out: u32) -> Done {
    if count == 0 || count > memory::VECTORS_MAX {
        return Err(Errno::EINVAL.into());
    }
    cx.check(&[(subscriptions, count * layout.subscription), (events, count * EVENT), (out, 4)])?;
    let mut list = Vec::with_capacity(count as usize);
    for index in 0..count {
        list.push(subscription(cx, layout, subscriptions + index * layout.subscription)?);
    }
    let deadline = list.iter().filter_map(|one| if let Subject::Clock(at) = one.what { Some(at) } else { None }).min();
    let immediate = list.iter().any(|one| matches!(one.what, Subject::Never(..)));
    let mut fds: Vec<PollFd> =
        list.iter().filter_map(|one| if let Subject::Fd(poll, _) = one.what { Some(poll) } else { None }).collect();
    let now = cx
        .call(|kernel, call, _| {
            let until = if immediate { Some(kernel.monotonic()) } else { deadline };
            kernel.poll(call, &mut fds, until)?;
            Ok(kernel.monotonic())
        })
        .await?;
    let mut found = 0;
    let mut answers = fds.iter();
    for one in &list {
        let (kind, errno, flags) = match &one.what {
            Subject::Clock(at) if *at <= now => (0, 0, 0),
            Subject::Clock(_) => continue,
            Subject::Never(kind, errno) => (*kind, crate::errno::wasi(*errno), 0),
            Subject::Fd(_, kind) => match answers.next().map(|poll| poll.found) {
                Some(ready) if ready.contains(PollEvents::NVAL) => (*kind, crate::errno::wasi(Errno::EBADF), 0),
                Some(ready) if !ready.is_empty() => {
                    (*kind, 0, u16::from(ready.intersects(PollEvents::HUP | PollEvents::ERR)))
                }
                _ => continue,
            },
        };
        let at = events + found * EVENT;
        let memory = cx.memory();
        memory::put(memory, at, &[0; EVENT as usize])?;
        memory::put_u64(memory, at, one.userdata)?;
        memory::put_u16(memory, at + 8, errno)?;
        memory::put(memory, at + 10, &[kind])?;
        // How many bytes is not known; one says there is something.
        memory::put_u64(memory, at + 16, u64::from(kind != 0 && errno == 0))?;
        memory::put_u16(memory, at + 24, flags)?;
        found += 1;
    }
    Ok(memory::put_u32(cx.memory(), out, found)?)
}

fn subscription(cx: &mut Cx<'_>, layout: &Layout, at: u32) -> Result<Subscription, Stop> {
    let memory = cx.memory();
    let userdata = memory::get_u64(memory, at)?;
    let kind = memory::slice(memory, at + 8, 1)?[0];
    let what = match kind {
        0 => {
            let clock = memory::get_u32(memory, at + layout.clock_id)?;
            let timeout = memory::get_u64(memory, at + layout.timeout)?;
            let absolute = memory::slice(memory, at + layout.clock_flags, 1)?[0] & 1 != 0;
            match cx.with(|kernel, _| due(kernel, clock, timeout, absolute)) {
                Some(due) => Subject::Clock(due),
                None => Subject::Never(kind, Errno::EINVAL),
            }
        }
        1 | 2 => {
            let number = memory::get_u32(memory, at + layout.fd)?;
            match cx.fd(number) {
                FdRef::Preopened(_) => Subject::Never(kind, Errno::EBADF),
                FdRef::Real(fd) => {
                    let events = if kind == 1 { PollEvents::IN } else { PollEvents::OUT };
                    Subject::Fd(PollFd { fd: Some(fd), events, found: PollEvents::empty() }, kind)
                }
            }
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(Subscription { userdata, what })
}

/// When a clock subscription is due, on the kernel's monotonic clock.
fn due(kernel: &warren_kernel::Kernel, clock: u32, timeout: u64, absolute: bool) -> Option<Monotonic> {
    let elapsed = match (clock, absolute) {
        (0 | 1, false) => 0,
        (0, true) => kernel.now().0.max(0) as u64,
        (1, true) => kernel.uptime().as_nanos() as u64,
        _ => return None,
    };
    Some(kernel.monotonic() + Duration::from_nanos(timeout.saturating_sub(elapsed)))
}

/// A deadline `delay` from now, fixed before a call that may be made several times.
pub(crate) fn deadline_in(cx: &mut Cx<'_>, delay: Duration) -> Monotonic {
    cx.with(|kernel, _| kernel.monotonic() + delay)
}

/// Waits until `deadline`.
pub(crate) async fn sleep_until(cx: &mut Cx<'_>, deadline: Monotonic) -> Done {
    cx.call(|kernel, _, _| -> Step<()> { kernel.sleep_until(deadline).map_err(|halt: Halt| halt) }).await
}
