//! host_tty: terminals, of which there are none yet. Standard input is read as a pipe is, with a timeout; every
//! question about a terminal is ENOTTY for a descriptor that is open and EBADF for one that is not.

use super::cx::{Cx, FdRef, LinuxErrno, Stop, Word};
use crate::memory::{Buffer, Scatter};
use std::time::Duration;
use warren_kernel::Errno;
use warren_kernel::id::Fd;
use warren_kernel::poll::{PollEvents, PollFd};

/// Reads from standard input: how many bytes, and 0 at the end, at the timeout and when it cannot be read. A timeout
/// of all ones is none.
pub async fn read(cx: &mut Cx<'_>, buf: u32, cap: u32, timeout_ms: u32) -> Result<Word, Stop> {
    cx.check(&[(buf, cap)])?;
    if cap == 0 {
        return Ok(Word(0));
    }
    let now = cx.with(|kernel, _| kernel.monotonic());
    let deadline = (timeout_ms != u32::MAX).then(|| now + Duration::from_millis(u64::from(timeout_ms)));
    let buffers = [Buffer { at: buf, len: cap }];
    let count = cx
        .call(|kernel, call, memory| {
            let mut input = [PollFd { fd: Some(Fd::STDIN), events: PollEvents::IN, found: PollEvents::empty() }];
            if kernel.poll(call, &mut input, deadline)? == 0 {
                return Ok(0);
            }
            let mut scatter = Scatter::new(&buffers);
            kernel.read(call, Fd::STDIN, cap as usize, &mut |bytes| scatter.put(memory, bytes))
        })
        .await?;
    Ok(Word(count as u32))
}

/// 0 or 1, directly.
pub async fn isatty(_cx: &mut Cx<'_>, _fd: u32) -> Result<Word, Stop> {
    Ok(Word(0))
}

/// Fails with Linux's number, as libc's TIOCGWINSZ expects.
pub async fn get_size(cx: &mut Cx<'_>, fd: u32, _cols: u32, _rows: u32) -> Result<LinuxErrno, Stop> {
    Err(no_terminal(cx, fd).into())
}

/// TIOCSWINSZ.
pub async fn set_size(cx: &mut Cx<'_>, fd: u32, _cols: u32, _rows: u32) -> Result<(), Stop> {
    Err(no_terminal(cx, fd).into())
}

/// Raw mode of the controlling terminal. There is none, so it is never on: turning it off has been done.
pub async fn set_raw_mode(_cx: &mut Cx<'_>, on: u32) -> Result<(), Stop> {
    if on == 0 { Ok(()) } else { Err(Errno::ENOTTY.into()) }
}

/// tcgetattr() and tcsetattr().
pub async fn get_attr(cx: &mut Cx<'_>, fd: u32, _flags: u32, _cc: u32) -> Result<(), Stop> {
    Err(no_terminal(cx, fd).into())
}

/// tcgetpgrp(), tcsetpgrp() and tcgetsid().
pub async fn set_pgrp(cx: &mut Cx<'_>, fd: u32, _group: u32) -> Result<(), Stop> {
    Err(no_terminal(cx, fd).into())
}

fn no_terminal(cx: &mut Cx<'_>, fd: u32) -> Errno {
    match cx.fd(fd) {
        FdRef::Preopened(_) => Errno::ENOTTY,
        FdRef::Real(fd) => {
            let open = cx.with(|kernel, call| kernel.process(call.pid)?.descriptors.get(fd).map(|_| ()));
            open.err().unwrap_or(Errno::ENOTTY)
        }
    }
}
