//! Open files by the numbers of the process's own descriptors: what `node:fs` does with an `fd`.
//!
//! ```text
//! fs.writeSync ─▶ write_whole(Parking)  this process waits, until a signal ends it
//! fs.write     ─▶ write_whole(Waiting)  its event loop goes on; closing the number ends the wait
//! ```
//! There is no table beside the kernel's: a number is looked up when it is used, so files, pipes, sockets, terminals and what a
//! parent gave are named alike.

use crate::errno::FileError;
use crate::file::{read, whence};
use crate::fs::calls::{Calls, Parking, Waiting, at_once};
use crate::fs::open::{self, PART};
use crate::fs::{fs_stat, group, owner, set_time};
use crate::guest::Guest;
use crate::ops::stream::{WAITS_MAX, descriptor};
use deno_core::{CancelFuture, CancelHandle, JsBuffer, OpState, ToV8, op2};
use deno_io::fs::FsStat;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::SeekFrom;
use std::rc::Rc;
use warren_kernel::id::Fd;
use warren_kernel::vfs::Mode;
use warren_kernel::vfs::open::At;
use warren_kernel::{Call, Errno, Kernel, Step};

/// Operations on descriptors that wait, by number: closing it calls them off.
#[derive(Default)]
pub struct Pending {
    by_number: HashMap<i32, (Rc<CancelHandle>, usize)>,
    count: usize,
}

impl Pending {
    fn begin(&mut self, fd: i32) -> Result<Rc<CancelHandle>, Errno> {
        if self.count >= WAITS_MAX {
            return Err(Errno::EAGAIN);
        }
        self.count += 1;
        let (cancel, waiting) = self.by_number.entry(fd).or_insert_with(|| (CancelHandle::new_rc(), 0));
        *waiting += 1;
        Ok(cancel.clone())
    }

    fn end(&mut self, fd: i32, cancel: &Rc<CancelHandle>) {
        self.count -= 1;
        if let Some((same, waiting)) = self.by_number.get_mut(&fd)
            && Rc::ptr_eq(same, cancel)
        {
            *waiting -= 1;
            if *waiting == 0 {
                self.by_number.remove(&fd);
            }
        }
    }

    fn close(&mut self, fd: i32) {
        if let Some((cancel, _)) = self.by_number.remove(&fd) {
            cancel.cancel();
        }
    }
}

/// Closes a descriptor; what waits on it is called off.
pub(crate) fn close(state: &mut OpState, fd: i32) -> Result<(), Errno> {
    state.borrow_mut::<Pending>().close(fd);
    state.borrow::<Guest>().with(|kernel, call| kernel.close(call, descriptor(fd)))
}

/// Waits for what is done with a descriptor: `EBADF` when it is closed meanwhile.
async fn waiting<T>(
    state: Rc<RefCell<OpState>>,
    fd: i32,
    syscall: &'static str,
    op: impl AsyncFnOnce(&Waiting<'_>) -> Result<T, Errno>,
) -> Result<T, FileError> {
    let (guest, begun) = {
        let mut state = state.borrow_mut();
        let guest = state.borrow::<Guest>().clone();
        (guest, state.borrow_mut::<Pending>().begin(fd))
    };
    let failed = FileError::of(syscall);
    let cancel = begun.map_err(&failed)?;
    let waiting = Waiting::new(&guest);
    let ended = op(&waiting).or_cancel(&cancel).await;
    state.borrow_mut().borrow_mut::<Pending>().end(fd, &cancel);
    ended.unwrap_or(Err(Errno::EBADF)).map_err(failed)
}

/// One call, with this thread parked.
fn parked<T>(
    state: &OpState,
    syscall: &'static str,
    op: impl FnMut(&mut Kernel, &mut Call) -> Step<T>,
) -> Result<T, FileError> {
    state.borrow::<Guest>().clone().call(op).map_err(FileError::of(syscall))
}

/// A place in a file, if it is one: a negative number is the file's own.
fn place(position: i64) -> Option<u64> {
    u64::try_from(position).ok()
}

/// Writes all there is room for in the end. What was written before an error is told, and the error the next time.
pub(crate) async fn write_whole(calls: &impl Calls, fd: Fd, at: Option<u64>, bytes: &[u8]) -> Result<usize, Errno> {
    let mut written = 0;
    loop {
        let part = &bytes[written..bytes.len().min(written + PART)];
        let count = calls.call(|kernel, call| match at {
            Some(at) => kernel.pwrite(call, fd, at.saturating_add(written as u64), &[part]),
            None => kernel.write(call, fd, &[part]),
        });
        match count.await {
            Ok(count) => written += count,
            Err(_) if written > 0 => return Ok(written),
            Err(errno) => return Err(errno),
        }
        if written == bytes.len() {
            return Ok(written);
        }
    }
}

#[op2(fast)]
#[smi]
pub fn op_node_open_sync(
    state: &mut OpState,
    #[string] path: &str,
    #[smi] flags: i32,
    #[smi] mode: u32,
) -> Result<i32, FileError> {
    let guest = state.borrow::<Guest>().clone();
    let opened = at_once(open::open_by_flags(&Parking(&guest), path.as_bytes(), flags, mode));
    opened.map(number).map_err(|errno| FileError::at("open", path, errno))
}

#[op2(async(deferred), fast)]
#[smi]
pub async fn op_node_open(
    state: Rc<RefCell<OpState>>,
    #[string] path: String,
    #[smi] flags: i32,
    #[smi] mode: u32,
) -> Result<i32, FileError> {
    // Nobody has the number yet, so none is closed.
    const NONE: i32 = -1;
    let opened =
        waiting(state, NONE, "open", async |calls| open::open_by_flags(calls, path.as_bytes(), flags, mode).await);
    opened.await.map(number).map_err(|error| error.with_path(&path))
}

/// unlink(): never of a directory.
#[op2(fast)]
pub fn op_warren_unlink_file_sync(state: &mut OpState, #[string] path: &str) -> Result<(), FileError> {
    let unlinked = parked(state, "unlink", |kernel, call| kernel.unlink(call, At::Cwd, path.as_bytes()));
    unlinked.map_err(|error| error.with_path(path))
}

#[op2(async(deferred), fast)]
pub async fn op_warren_unlink_file(state: Rc<RefCell<OpState>>, #[string] path: String) -> Result<(), FileError> {
    const NONE: i32 = -1;
    let unlinked = waiting(state, NONE, "unlink", async |calls| {
        calls.call(|kernel, call| kernel.unlink(call, At::Cwd, path.as_bytes())).await
    });
    unlinked.await.map_err(|error| error.with_path(&path))
}

fn number(fd: Fd) -> i32 {
    i32::try_from(fd.0).unwrap_or(i32::MAX)
}

#[op2(fast)]
pub fn op_node_fs_close(state: &mut OpState, fd: i32) -> Result<(), FileError> {
    close(state, fd).map_err(FileError::of("close"))
}

#[op2(fast)]
#[smi]
pub fn op_node_fs_read_sync(
    state: &mut OpState,
    fd: i32,
    #[buffer] buffer: &mut [u8],
    #[bigint] position: i64,
) -> Result<u32, FileError> {
    let guest = state.borrow::<Guest>().clone();
    let count = at_once(read(&Parking(&guest), descriptor(fd), place(position), buffer));
    count.map(|count| count as u32).map_err(FileError::of("read"))
}

#[op2(async(deferred))]
#[smi]
pub async fn op_node_fs_read_deferred(
    state: Rc<RefCell<OpState>>,
    fd: i32,
    #[buffer] buffer: JsBuffer,
    #[bigint] position: i64,
) -> Result<u32, FileError> {
    let mut buffer = buffer;
    let count =
        waiting(state, fd, "read", async |calls| read(calls, descriptor(fd), place(position), &mut buffer).await);
    count.await.map(|count| count as u32)
}

#[op2(fast)]
#[smi]
pub fn op_node_fs_write_sync(
    state: &mut OpState,
    fd: i32,
    #[buffer] bytes: &[u8],
    #[number] position: i64,
) -> Result<u32, FileError> {
    let guest = state.borrow::<Guest>().clone();
    let count = at_once(write_whole(&Parking(&guest), descriptor(fd), place(position), bytes));
    count.map(|count| count as u32).map_err(FileError::of("write"))
}

#[op2(async(deferred))]
#[smi]
pub async fn op_node_fs_write_deferred(
    state: Rc<RefCell<OpState>>,
    fd: i32,
    #[buffer] bytes: JsBuffer,
    #[number] position: i64,
) -> Result<u32, FileError> {
    let count =
        waiting(state, fd, "write", async |calls| write_whole(calls, descriptor(fd), place(position), &bytes).await);
    count.await.map(|count| count as u32)
}

fn seek_from(offset: i64, whence: i32) -> Result<SeekFrom, Errno> {
    Ok(match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::EINVAL)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::EINVAL),
    })
}

#[op2(fast)]
#[number]
pub fn op_node_fs_seek_sync(
    state: &mut OpState,
    fd: i32,
    #[number] offset: i64,
    #[smi] whence_number: i32,
) -> Result<u64, FileError> {
    parked(state, "lseek", |kernel, call| {
        let (offset, whence) = whence(seek_from(offset, whence_number)?)?;
        kernel.seek(call, descriptor(fd), offset, whence)
    })
}

#[op2(async(deferred), fast)]
#[number]
pub async fn op_node_fs_seek(
    state: Rc<RefCell<OpState>>,
    fd: i32,
    #[number] offset: i64,
    #[smi] whence_number: i32,
) -> Result<u64, FileError> {
    let sought = waiting(state, fd, "lseek", async |calls| {
        let (offset, whence) = whence(seek_from(offset, whence_number)?)?;
        calls.call(|kernel, call| kernel.seek(call, descriptor(fd), offset, whence)).await
    });
    sought.await
}

/// What fstat() tells, as scripts have it.
#[derive(ToV8)]
pub struct Stat {
    pub is_file: bool,
    pub is_directory: bool,
    pub is_symlink: bool,
    pub size: f64,
    pub mtime_ms: Option<f64>,
    pub atime_ms: Option<f64>,
    pub birthtime_ms: Option<f64>,
    pub ctime_ms: Option<f64>,
    pub dev: f64,
    pub ino: f64,
    pub mode: u32,
    pub nlink: f64,
    pub uid: u32,
    pub gid: u32,
    pub rdev: f64,
    pub blksize: f64,
    pub blocks: f64,
    pub is_block_device: bool,
    pub is_char_device: bool,
    pub is_fifo: bool,
    pub is_socket: bool,
}

impl From<FsStat> for Stat {
    fn from(stat: FsStat) -> Stat {
        Stat {
            is_file: stat.is_file,
            is_directory: stat.is_directory,
            is_symlink: stat.is_symlink,
            size: stat.size as f64,
            mtime_ms: stat.mtime.map(|time| time as f64),
            atime_ms: stat.atime.map(|time| time as f64),
            birthtime_ms: stat.birthtime.map(|time| time as f64),
            ctime_ms: stat.ctime.map(|time| time as f64),
            dev: stat.dev as f64,
            ino: stat.ino.unwrap_or(0) as f64,
            mode: stat.mode,
            nlink: stat.nlink.unwrap_or(0) as f64,
            uid: stat.uid,
            gid: stat.gid,
            rdev: stat.rdev as f64,
            blksize: stat.blksize as f64,
            blocks: stat.blocks.unwrap_or(0) as f64,
            is_block_device: stat.is_block_device,
            is_char_device: stat.is_char_device,
            is_fifo: stat.is_fifo,
            is_socket: stat.is_socket,
        }
    }
}

#[op2]
pub fn op_node_fs_fstat_sync(state: &mut OpState, fd: i32) -> Result<Stat, FileError> {
    parked(state, "fstat", |kernel, call| kernel.fstat(call, descriptor(fd))).map(|stat| fs_stat(&stat).into())
}

#[op2(async(deferred), fast)]
pub async fn op_node_fs_fstat(state: Rc<RefCell<OpState>>, fd: i32) -> Result<Stat, FileError> {
    let stat =
        waiting(state, fd, "fstat", async |calls| calls.call(|kernel, call| kernel.fstat(call, descriptor(fd))).await);
    stat.await.map(|stat| fs_stat(&stat).into())
}

/// An operation that is one call and tells nothing, in both its ways.
macro_rules! plain {
    ($syscall:literal, $sync:ident, $deferred:ident, |$fd:ident $(, #[$how:ident] $name:ident: $type:ident)*| $call:expr) => {
        #[op2(fast)]
        pub fn $sync(state: &mut OpState, number: i32 $(, #[$how] $name: $type)*) -> Result<(), FileError> {
            let $fd = descriptor(number);
            parked(state, $syscall, $call)
        }

        #[op2(async(deferred), fast)]
        pub async fn $deferred(
            state: Rc<RefCell<OpState>>,
            number: i32
            $(, #[$how] $name: $type)*
        ) -> Result<(), FileError> {
            let $fd = descriptor(number);
            waiting(state, number, $syscall, async |calls| calls.call($call).await).await
        }
    };
}

plain!("ftruncate", op_node_fs_ftruncate_sync, op_node_fs_ftruncate, |fd, #[number] len: u64| {
    |kernel, call| kernel.set_len(call, fd, len)
});
plain!("fsync", op_node_fs_fsync_sync, op_node_fs_fsync, |fd| |kernel, call| kernel.sync(call, fd));
plain!("fdatasync", op_node_fs_fdatasync_sync, op_node_fs_fdatasync, |fd| |kernel, call| kernel.sync(call, fd));
plain!("fchmod", op_node_fs_fchmod_sync, op_node_fs_fchmod, |fd, #[smi] mode: u32| {
    |kernel, call| kernel.fchmod(call, fd, Mode::new(mode))
});
plain!("fchown", op_node_fs_fchown_sync, op_node_fs_fchown, |fd, #[smi] uid: u32, #[smi] gid: u32| {
    |kernel, call| kernel.fchown(call, fd, owner(Some(uid)), group(Some(gid)))
});
plain!(
    "futime",
    op_node_fs_futimes_sync,
    op_node_fs_futimes,
    |fd, #[number] atime: i64, #[smi] atime_nanos: u32, #[number] mtime: i64, #[smi] mtime_nanos: u32| {
        |kernel, call| kernel.set_times_open(call, fd, set_time(atime, atime_nanos)?, set_time(mtime, mtime_nanos)?)
    }
);

/// What a file is told that cannot be read whole: Node asks for its size first.
fn whole_failed(errno: Errno) -> FileError {
    FileError::of(if errno == Errno::EBADF { "fstat" } else { "read" })(errno)
}

#[op2]
#[buffer]
pub fn op_node_fs_read_file_sync(state: &mut OpState, fd: i32) -> Result<Vec<u8>, FileError> {
    let guest = state.borrow::<Guest>().clone();
    at_once(open::read_all(&Parking(&guest), descriptor(fd))).map_err(whole_failed)
}

#[op2(async(deferred), fast)]
#[buffer]
pub async fn op_node_fs_read_file(state: Rc<RefCell<OpState>>, fd: i32) -> Result<Vec<u8>, FileError> {
    waiting(state, fd, "read", async |calls| open::read_all(calls, descriptor(fd)).await).await
}
