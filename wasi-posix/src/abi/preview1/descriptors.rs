//! What is done with a descriptor.

use crate::abi::cx::{Cx, FdRef, Stop};
use crate::guest::{Preopens, open_real};
use crate::memory;
use crate::memory::{Buffer, Scatter};
use warren_kernel::Errno;
use warren_kernel::descriptor::DescriptorStatus;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Fd;
use warren_kernel::seek::Whence;
use warren_kernel::vfs::attr::SetTime;
use warren_kernel::vfs::open::At;
use warren_kernel::vfs::{FileKind, Stat};

type Done = Result<(), Stop>;

/// Bytes of one read or write that are moved in one lock hold, some tens of microseconds; between two, others of the node
/// have their turn if the slice is over.
const CHUNK: usize = 256 << 10;

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
pub(super) const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_SEEK: u64 = 1 << 2;
const RIGHT_FD_TELL: u64 = 1 << 5;
pub(super) const RIGHT_FD_WRITE: u64 = 1 << 6;

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

pub(super) fn put_filestat(memory: &mut [u8], out: u32, stat: &Stat) -> Done {
    memory::put(memory, out, &[0; 64])?;
    memory::put_u64(memory, out, stat.device)?;
    memory::put_u64(memory, out + 8, stat.ino.0)?;
    memory::put(memory, out + 16, &[file_type(stat.kind)])?;
    memory::put_u64(memory, out + 24, u64::from(stat.links))?;
    memory::put_u64(memory, out + 32, stat.size)?;
    Ok(put_times(memory, out + 40, stat)?)
}

pub(super) fn put_filestat_old(memory: &mut [u8], out: u32, stat: &Stat) -> Done {
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
pub(super) fn set_times(atim: u64, mtim: u64, flags: u32) -> Result<(SetTime, SetTime), Errno> {
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
    let mut scatter = Scatter::new(&buffers);
    let mut read = 0;
    loop {
        let want = scatter.room().min(CHUNK);
        let attempt = cx
            .call(|kernel, call, memory| {
                let mut put = |bytes: &[u8]| scatter.put(memory, bytes);
                match offset {
                    None => kernel.read(call, fd, want, &mut put),
                    Some(offset) => kernel.pread(call, fd, offset.saturating_add(read as u64), want, &mut put),
                }
            })
            .await;
        match attempt {
            Ok(count) => read += count,
            Err(Stop::Errno(_)) if read > 0 => break,
            Err(stop) => return Err(stop),
        }
        // A whole chunk is a file's; anything less is all there is now.
        if read % CHUNK != 0 || read == 0 || scatter.room() == 0 {
            break;
        }
        cx.breathe().await;
    }
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
                let parts = rest_of(memory, &buffers, written, CHUNK);
                match offset {
                    None => kernel.write(call, fd, &parts),
                    Some(offset) => kernel.pwrite(call, fd, offset.saturating_add(written as u64), &parts),
                }
            })
            .await;
        match attempt {
            Ok(count) => {
                written += count;
                if written >= total || count == 0 {
                    break;
                }
                if count == CHUNK {
                    cx.breathe().await;
                }
            }
            Err(Stop::Errno(_)) if written > 0 => break,
            Err(stop) => return Err(stop),
        }
    }
    Ok(memory::put_u32(cx.memory(), out, written as u32)?)
}

/// At most `most` bytes of `buffers` behind the first `skip`; every range was checked.
pub(crate) fn rest_of<'m>(memory: &'m [u8], buffers: &[Buffer], skip: usize, most: usize) -> Vec<&'m [u8]> {
    let (mut skip, mut left) = (skip, most);
    let mut parts = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        let bytes = memory::slice(memory, buffer.at, buffer.len).unwrap_or(&[]);
        let passed = skip.min(bytes.len());
        skip -= passed;
        let part = &bytes[passed..(passed + left).min(bytes.len())];
        if !part.is_empty() {
            parts.push(part);
            left -= part.len();
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
