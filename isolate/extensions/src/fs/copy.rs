//! Copying a file, and whole trees: part by part, so that neither is in memory at once.

use super::calls::{Calls, Kept, open_and};
use super::names::{LIST, bytes, entries, join, path_buf};
use super::tree::make_directory;
use std::path::{Path, PathBuf};
use warren_kernel::vfs::open::{At, OpenFlags};
use warren_kernel::vfs::{FileKind, Mode, Stat};
use warren_kernel::{Call, Errno, Kernel, Step};

/// Bytes copied while the kernel is locked once.
const PART: usize = 256 * 1024;

/// Copies a regular file's bytes and permission bits over what is at the new path. One onto itself stays as it is.
///
/// # Errors
/// `EISDIR` for a directory, `EINVAL` for what else is no regular file; those of open() and write(). What was written
/// before a failure stays.
pub(crate) async fn copy_file(calls: &impl Calls, from: &[u8], to: &[u8]) -> Result<(), Errno> {
    let (source, stat) = open_source(calls, from).await?;
    let Some(target) = open_target(calls, to, &stat).await? else { return Ok(()) };
    let mut part = Vec::new();
    part.try_reserve_exact(PART).map_err(|_| Errno::ENOMEM)?;
    // What someone appends meanwhile is not followed for ever; a file of unknown size, as those of /proc, has an end.
    let size = if stat.size > 0 { stat.size } else { u64::MAX };
    let mut done = 0;
    while done < size {
        let want = usize::try_from(size - done).unwrap_or(PART).min(PART);
        let copied = calls.call(|kernel, call| {
            part.clear();
            match kernel.pread(call, source.fd, done, want, &mut |bytes| part.extend_from_slice(bytes))? {
                0 => Ok(None),
                _ => Ok(Some(kernel.write(call, target.fd, &[&part])?)),
            }
        });
        match copied.await? {
            None => break,
            Some(0) => return Err(Errno::EIO),
            Some(count) => done += count as u64,
        }
    }
    Ok(())
}

async fn open_source(calls: &impl Calls, path: &[u8]) -> Result<(Kept, Stat), Errno> {
    let opened = calls.call(|kernel, call| {
        // Before it is opened: a FIFO would have the call wait for its other end.
        match kernel.stat(call, At::Cwd, path, true)?.kind {
            FileKind::Regular => {}
            FileKind::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        let how = (At::Cwd, path, OpenFlags::READ, Mode::new(0));
        open_and(kernel, call, how, |kernel, call, fd| kernel.fstat(call, fd))
    });
    let (fd, stat) = opened.await?;
    Ok((calls.keep(fd), stat))
}

/// The file to copy to, empty and with the bits of the source; `None` when it is the source.
async fn open_target(calls: &impl Calls, path: &[u8], source: &Stat) -> Result<Option<Kept>, Errno> {
    let flags = OpenFlags::WRITE | OpenFlags::CREATE;
    let opened = calls.call(|kernel, call| {
        let how = (At::Cwd, path, flags, source.mode);
        let (fd, is_source) = open_and(kernel, call, how, |kernel, call, fd| {
            let stat = kernel.fstat(call, fd)?;
            let is_source = (stat.device, stat.ino) == (source.device, source.ino);
            if !is_source && stat.kind == FileKind::Regular {
                kernel.set_len(call, fd, 0)?;
                kernel.fchmod(call, fd, source.mode)?;
            }
            Ok(is_source)
        })?;
        Ok((fd, is_source))
    });
    let (fd, is_source) = opened.await?;
    let target = calls.keep(fd);
    Ok((!is_source).then_some(target))
}

/// Copies what is at a path with all below it, links as links; into the directory at the new path if only that is one.
///
/// # Errors
/// `EINVAL` for a socket, and for one file onto itself; those of the calls it takes. What was copied before stays.
pub(crate) async fn copy_tree(calls: &impl Calls, from: &Path, to: &Path) -> Result<(), Errno> {
    let source = look(calls, from, false).await?;
    let into = matches!(look(calls, to, true).await, Ok(stat) if stat.kind == FileKind::Directory)
        && matches!(look(calls, from, true).await, Ok(stat) if stat.kind != FileKind::Directory);
    let target = if into { to.join(from.file_name().ok_or(Errno::EINVAL)?) } else { to.to_path_buf() };
    if matches!(look(calls, &target, false).await, Ok(stat) if (stat.device, stat.ino) == (source.device, source.ino)) {
        return Err(Errno::EINVAL);
    }
    let mut rest = vec![(from.to_path_buf(), target)];
    while let Some((from, to)) = rest.pop() {
        copy_one(calls, &from, &to, &mut rest).await?;
    }
    Ok(())
}

async fn look(calls: &impl Calls, path: &Path, follow: bool) -> Result<Stat, Errno> {
    calls.call(|kernel, call| kernel.stat(call, At::Cwd, bytes(path), follow)).await
}

/// Copies one file, or makes one directory and leaves what is in it for later. Paths are bounded, so trees are too.
async fn copy_one(calls: &impl Calls, from: &Path, to: &Path, rest: &mut Vec<(PathBuf, PathBuf)>) -> Result<(), Errno> {
    let (old, new) = (bytes(from), bytes(to));
    let stat = look(calls, from, false).await?;
    match stat.kind {
        FileKind::Directory => {
            // Listed first: what is made in it now, when it is copied into itself, is not copied again.
            let names = entries(calls, old, LIST | OpenFlags::NOFOLLOW).await?;
            match calls.call(|kernel, call| kernel.mkdir(call, At::Cwd, new, stat.mode)).await {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            let pair = |name: &[u8]| (path_buf(join(old, name)), path_buf(join(new, name)));
            rest.extend(names.iter().map(|entry| pair(&entry.name)));
            Ok(())
        }
        FileKind::Symlink => calls.call(|kernel, call| copy_link(kernel, call, old, new)).await,
        FileKind::Socket => Err(Errno::EINVAL),
        _ => {
            if let Some(above) = to.parent().filter(|above| !above.as_os_str().is_empty()) {
                make_directory(calls, above, true, None).await?;
            }
            copy_file(calls, old, new).await
        }
    }
}

fn copy_link(kernel: &mut Kernel, call: &mut Call, old: &[u8], new: &[u8]) -> Step<()> {
    let target = kernel.readlink(call, At::Cwd, old)?;
    kernel.symlink(call, &target, At::Cwd, new)
}
