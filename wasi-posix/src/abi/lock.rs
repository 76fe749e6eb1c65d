//! host_process: flock() and record locks.

use super::cx::{Cx, Stop};
use crate::memory;
use warren_kernel::Errno;
use warren_kernel::lock::{LockKind, LockRange, OnConflict};

/// LOCK_SH 1, LOCK_EX 2, LOCK_NB 4, LOCK_UN 8.
pub async fn fd_flock(cx: &mut Cx<'_>, fd: u32, op: u32) -> Result<(), Stop> {
    const NONBLOCK: u32 = 4;
    let kind = match op & !NONBLOCK {
        1 => Some(LockKind::Shared),
        2 => Some(LockKind::Exclusive),
        8 => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    let conflict = if op & NONBLOCK == 0 { OnConflict::Wait } else { OnConflict::Fail };
    let fd = cx.real(fd)?;
    cx.call(|kernel, call, _| kernel.flock(call, fd, kind, conflict)).await
}

/// F_RDLCK.
const READ: u32 = 0;
/// F_WRLCK.
const WRITE: u32 = 1;
/// F_UNLCK.
const UNLOCK: u32 = 2;

/// A range is as in `struct flock` with SEEK_SET: both numbers are signed, and the length may be negative.
#[allow(clippy::too_many_arguments, reason = "the ABI's signature")]
pub async fn fd_record_lock(
    cx: &mut Cx<'_>,
    fd: u32,
    cmd: u32,
    kind: u32,
    start: u64,
    len: u64,
    out_kind: u32,
    out_pid: u32,
    out_start: u32,
    out_len: u32,
) -> Result<(), Stop> {
    const GETLK: u32 = 12;
    const SETLK: u32 = 13;
    const SETLKW: u32 = 14;
    let fd = cx.real(fd)?;
    cx.with(|kernel, call| kernel.process(call.pid)?.descriptors.get(fd))?;
    let kind = match kind {
        READ => Some(LockKind::Shared),
        WRITE => Some(LockKind::Exclusive),
        UNLOCK => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    let range = LockRange::new(start as i64, len as i64).map_err(Errno::from)?;
    let conflict = match (cmd, kind) {
        (SETLK, _) => OnConflict::Fail,
        (SETLKW, _) => OnConflict::Wait,
        (GETLK, Some(kind)) => {
            cx.check(&[(out_kind, 4), (out_pid, 4), (out_start, 8), (out_len, 8)])?;
            let held = cx.with(|kernel, call| kernel.test_record_lock(call, fd, kind, range))?;
            let (kind, pid, start, len) = held.map_or((UNLOCK, 0, start, len), |held| {
                let kind = if held.kind == LockKind::Shared { READ } else { WRITE };
                (kind, held.pid.0, held.range.l_start(), held.range.l_len())
            });
            let memory = cx.memory();
            memory::put_u32(memory, out_kind, kind)?;
            memory::put_u32(memory, out_pid, pid)?;
            memory::put_u64(memory, out_start, start)?;
            return Ok(memory::put_u64(memory, out_len, len)?);
        }
        _ => return Err(Errno::EINVAL.into()),
    };
    cx.call(|kernel, call, _| kernel.record_lock(call, fd, kind, range, conflict)).await
}
