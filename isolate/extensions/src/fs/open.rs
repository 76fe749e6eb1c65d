//! Opening, and reading and writing whole files: small ones in one call, so that the kernel is locked once.

use super::calls::{Calls, open_and};
use deno_fs::OpenOptions;
use warren_kernel::id::{Fd, Pid};
use warren_kernel::io::TRANSFER_MAX;
use warren_kernel::process::Resource;
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode};
use warren_kernel::{Call, Errno, Kernel, Step};

/// Bytes read into one buffer, at most: more than a JavaScript array buffer is given by `fs.readFile`.
pub(crate) const READ_MAX: usize = 2 << 30;
/// Bytes moved while the kernel is locked once.
pub(crate) const PART: usize = TRANSFER_MAX;
/// Permission bits of a new file, before the process's umask.
const FILE_MODE: u32 = 0o666;

/// open()'s flags as the JavaScript side numbers them: this machine's, by its C library.
mod libc_open {
    const ARM: bool = cfg!(any(target_arch = "aarch64", target_arch = "arm"));
    pub(super) const ACCESS: i32 = 0o3;
    pub(super) const WRONLY: i32 = 0o1;
    pub(super) const RDWR: i32 = 0o2;
    pub(super) const CREAT: i32 = 0o100;
    pub(super) const EXCL: i32 = 0o200;
    pub(super) const NOCTTY: i32 = 0o400;
    pub(super) const TRUNC: i32 = 0o1_000;
    pub(super) const APPEND: i32 = 0o2_000;
    pub(super) const NONBLOCK: i32 = 0o4_000;
    pub(super) const DIRECTORY: i32 = if ARM { 0o40_000 } else { 0o200_000 };
    pub(super) const NOFOLLOW: i32 = if ARM { 0o100_000 } else { 0o400_000 };
    pub(super) const PATH: i32 = 0o10_000_000;
    /// Without the O_DIRECTORY that comes with it.
    pub(super) const TMPFILE: i32 = 0o20_000_000;
}

/// How to open, and the bits of a file that is made.
///
/// # Errors
/// `EINVAL` when nothing is to be done with it; `EOPNOTSUPP` for O_TMPFILE.
pub(crate) fn how(options: &OpenOptions) -> Result<(OpenFlags, Mode), Errno> {
    let mut flags = OpenFlags::empty();
    flags.set(OpenFlags::READ, options.read);
    flags.set(OpenFlags::WRITE, options.write || options.append);
    if flags.is_empty() {
        return Err(Errno::EINVAL);
    }
    flags.set(OpenFlags::APPEND, options.append);
    flags.set(OpenFlags::TRUNCATE, options.truncate);
    flags.set(OpenFlags::CREATE, options.create);
    if options.create_new {
        flags |= OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
    }
    let custom = options.custom_flags.unwrap_or(0);
    if custom & libc_open::TMPFILE != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok((flags | custom_flags(custom), Mode::new(options.mode.unwrap_or(FILE_MODE))))
}

/// Those of open()'s flags that the extensions have no name for. O_SYNC, O_DIRECT and their like mean nothing here: there is no
/// cache, and what is durable is the session's promise.
fn custom_flags(flags: i32) -> OpenFlags {
    let known = [
        (libc_open::NOCTTY, OpenFlags::NOCTTY),
        (libc_open::NONBLOCK, OpenFlags::NONBLOCK),
        (libc_open::DIRECTORY, OpenFlags::DIRECTORY),
        (libc_open::NOFOLLOW, OpenFlags::NOFOLLOW),
        (libc_open::PATH, OpenFlags::PATH),
    ];
    known.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, flag)| flag).collect()
}

/// Opens a file by open()'s own flags, as Node's scripts have them; `mode` is that of one that is made, before the umask.
///
/// # Errors
/// open()'s.
pub(crate) async fn open_by_flags(calls: &impl Calls, path: &[u8], flags: i32, mode: u32) -> Result<Fd, Errno> {
    let mut how = custom_flags(flags) | OpenFlags::CLOEXEC;
    how |= match flags & libc_open::ACCESS {
        0 => OpenFlags::READ,
        libc_open::WRONLY => OpenFlags::WRITE,
        libc_open::RDWR => OpenFlags::READ | OpenFlags::WRITE,
        _ => return Err(Errno::EINVAL),
    };
    let known = [
        (libc_open::CREAT, OpenFlags::CREATE),
        (libc_open::EXCL, OpenFlags::EXCLUSIVE),
        (libc_open::TRUNC, OpenFlags::TRUNCATE),
        (libc_open::APPEND, OpenFlags::APPEND),
    ];
    how.extend(known.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, flag)| flag));
    let mode = Mode::new(mode);
    if flags & libc_open::TMPFILE != 0 {
        return calls.call(|kernel, call| kernel.open_unnamed(call, At::Cwd, path, how, mode)).await;
    }
    calls.call(|kernel, call| kernel.open(call, At::Cwd, path, how, mode)).await
}

/// Opens a file.
pub(crate) async fn open(calls: &impl Calls, path: &[u8], options: &OpenOptions) -> Result<Fd, Errno> {
    let (flags, mode) = how(options)?;
    calls.call(|kernel, call| kernel.open(call, At::Cwd, path, flags | OpenFlags::CLOEXEC, mode)).await
}

/// Whether a file was read or written to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Yes,
    No,
}

/// All bytes of the file at a path.
pub(crate) async fn read_file(calls: &impl Calls, path: &[u8], options: &OpenOptions) -> Result<Vec<u8>, Errno> {
    let (flags, mode) = how(options)?;
    let mut content = Vec::new();
    let opened = calls.call(|kernel, call| {
        content.clear();
        let (fd, whole) = open_and(kernel, call, (At::Cwd, path, flags, mode), |kernel, call, fd| {
            read_first(kernel, call, fd, &mut content)
        })?;
        match whole {
            Whole::No => Ok(Some(fd)),
            Whole::Yes => {
                kernel.close(call, fd)?;
                Ok(None)
            }
        }
    });
    if let Some(fd) = opened.await? {
        let kept = calls.keep(fd);
        read_rest(calls, kept.fd, &mut content).await?;
    }
    Ok(content)
}

/// The first part of a regular file that was just opened; its offset moves when there is more.
fn read_first(kernel: &mut Kernel, call: &mut Call, fd: Fd, content: &mut Vec<u8>) -> Step<Whole> {
    if kernel.descriptor_status(call, fd)?.kind != FileKind::Regular {
        return Ok(Whole::No);
    }
    let size = kernel.fstat(call, fd)?.size;
    reserve(kernel, call.pid, content, size)?;
    let count = kernel.read(call, fd, PART, &mut |bytes| content.extend_from_slice(bytes))?;
    // A short read is the end of a tree's file; a driver's may end its reads where it likes.
    Ok(if count == 0 || (count < PART && count as u64 >= size) { Whole::Yes } else { Whole::No })
}

/// Reads to the end from the present offset.
pub(crate) async fn read_rest(calls: &impl Calls, fd: Fd, content: &mut Vec<u8>) -> Result<(), Errno> {
    loop {
        let before = content.len();
        let read = calls.call(|kernel, call| {
            content.truncate(before);
            let left = limit(kernel, call.pid)?.saturating_sub(before);
            // One byte more than there is room for tells whether it is too large.
            let count = kernel.read(call, fd, PART.min(left + 1), &mut |bytes| content.extend_from_slice(bytes))?;
            Ok((count, left))
        });
        match read.await? {
            (0, _) => return Ok(()),
            (count, left) if count > left => return Err(too_large(content.len() as u64)),
            _ => {}
        }
    }
}

/// All bytes of an open file from its offset on.
pub(crate) async fn read_all(calls: &impl Calls, fd: Fd) -> Result<Vec<u8>, Errno> {
    let mut content = Vec::new();
    let prepared = calls.call(|kernel, call| {
        if kernel.descriptor_status(call, fd)?.kind != FileKind::Regular {
            return Ok(());
        }
        let size = kernel.fstat(call, fd)?.size;
        let offset = kernel.seek(call, fd, 0, warren_kernel::seek::Whence::Current)?;
        reserve(kernel, call.pid, &mut content, size.saturating_sub(offset))
    });
    prepared.await?;
    read_rest(calls, fd, &mut content).await?;
    Ok(content)
}

/// Makes room for a file of this size.
fn reserve(kernel: &Kernel, pid: Pid, content: &mut Vec<u8>, size: u64) -> Step<()> {
    if size > limit(kernel, pid)? as u64 {
        return Err(too_large(size).into());
    }
    Ok(content.try_reserve_exact(size as usize).map_err(|_| Errno::ENOMEM)?)
}

/// Bytes a process may read into one buffer: what its memory may hold at all.
fn limit(kernel: &Kernel, pid: Pid) -> Result<usize, Errno> {
    let memory = kernel.process(pid)?.limit(Resource::AS).soft;
    Ok(READ_MAX.min(usize::try_from(memory).unwrap_or(READ_MAX)))
}

fn too_large(size: u64) -> Errno {
    if size > READ_MAX as u64 { Errno::EFBIG } else { Errno::ENOMEM }
}

/// Writes a file from its beginning, or behind its end, as the options say; `mode` is given to one that is there too.
pub(crate) async fn write_file(
    calls: &impl Calls,
    path: &[u8],
    options: &OpenOptions,
    data: &[u8],
) -> Result<(), Errno> {
    let (flags, mode) = how(options)?;
    let first = &data[..data.len().min(PART)];
    let opened = calls.call(|kernel, call| {
        let (fd, written) = open_and(kernel, call, (At::Cwd, path, flags, mode), |kernel, call, fd| {
            if let Some(mode) = options.mode {
                kernel.fchmod(call, fd, Mode::new(mode))?;
            }
            // A FIFO's reader would see the end if the write had to wait and the file were opened once more.
            if kernel.descriptor_status(call, fd)?.kind != FileKind::Regular || first.is_empty() {
                return Ok(0);
            }
            kernel.write(call, fd, &[first])
        })?;
        if written < data.len() {
            return Ok(Some((fd, written)));
        }
        kernel.close(call, fd)?;
        Ok(None)
    });
    if let Some((fd, written)) = opened.await? {
        let kept = calls.keep(fd);
        write_all(calls, kept.fd, &data[written..]).await?;
    }
    Ok(())
}

/// Writes all bytes at the present offset.
pub(crate) async fn write_all(calls: &impl Calls, fd: Fd, data: &[u8]) -> Result<(), Errno> {
    let mut rest = data;
    while !rest.is_empty() {
        let part = &rest[..rest.len().min(PART)];
        match calls.call(|kernel, call| kernel.write(call, fd, &[part])).await? {
            0 => return Err(Errno::EIO),
            written => rest = &rest[written..],
        }
    }
    Ok(())
}
