//! host_tty: terminals. Without one every question is ENOTTY for a descriptor that is open and EBADF for one that is
//! not.
//!
//! Attributes go over in six flags and seven control characters; what else a terminal has stays as it is.
//!
//! ```text
//! flags: 1 ICRNL, 2 OPOST, 4 ONLCR, 8 ICANON, 16 ECHO, 32 ISIG
//! cc:    INTR, QUIT, SUSP, EOF, ERASE, KILL, WERASE
//! ```

use super::cx::{Cx, FdRef, LinuxErrno, Stop, Word};
use crate::memory::{self, Buffer, Scatter};
use std::time::Duration;
use warren_kernel::id::{Fd, Pgid};
use warren_kernel::poll::{PollEvents, PollFd};
use warren_kernel::pty::WindowSize;
use warren_kernel::pty::control::When;
use warren_kernel::pty::termios::{Control, InputModes, LocalModes, OutputModes, Termios};
use warren_kernel::vfs::open::OpenFlags;
use warren_kernel::{Call, Errno, Kernel};

type Done = Result<(), Stop>;

/// The control characters of an attribute record, in its order.
const CHARACTERS: [Control; 7] =
    [Control::Intr, Control::Quit, Control::Susp, Control::Eof, Control::Erase, Control::Kill, Control::WordErase];

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
pub async fn isatty(cx: &mut Cx<'_>, fd: u32) -> Result<Word, Stop> {
    Ok(Word(u32::from(is_terminal(cx, fd).await? == Some(true))))
}

/// Whether a descriptor is a terminal; `None` for one that is not open.
pub(super) async fn is_terminal(cx: &mut Cx<'_>, fd: u32) -> Result<Option<bool>, Stop> {
    let FdRef::Real(fd) = cx.fd(fd) else { return Ok(Some(false)) };
    match cx.call(|kernel, call, _| kernel.descriptor_status(call, fd)).await {
        Ok(status) => Ok(Some(status.terminal)),
        Err(Stop::Errno(_)) => Ok(None),
        Err(end) => Err(end),
    }
}

/// Fails with Linux's number, as libc's TIOCGWINSZ expects.
pub async fn get_size(cx: &mut Cx<'_>, fd: u32, columns: u32, rows: u32) -> Result<LinuxErrno, Stop> {
    let size = on(cx, fd, |kernel, call, fd| kernel.window_size(call, fd))?;
    cx.check(&[(columns, 2), (rows, 2)])?;
    memory::put_u16(cx.memory(), columns, size.columns)?;
    memory::put_u16(cx.memory(), rows, size.rows)?;
    Ok(LinuxErrno)
}

/// TIOCSWINSZ; the size in pixels becomes unknown.
pub async fn set_size(cx: &mut Cx<'_>, fd: u32, columns: u32, rows: u32) -> Done {
    let size = match (u16::try_from(rows), u16::try_from(columns)) {
        (Ok(rows), Ok(columns)) => WindowSize::new(rows, columns),
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(on(cx, fd, |kernel, call, fd| kernel.set_window_size(call, fd, size))?)
}

/// Raw mode of standard input, or else of the controlling terminal. Without one it is never on, so turning it off has
/// been done.
pub async fn set_raw_mode(cx: &mut Cx<'_>, on: u32) -> Done {
    let change = if on == 0 { Termios::cooked } else { Termios::raw };
    let set = cx.call(|kernel, call, _| kernel.change_own_terminal(call, change));
    match set.await {
        Err(Stop::Errno(Errno::ENOTTY)) if on == 0 => Ok(()),
        done => done,
    }
}

/// tcgetattr().
pub async fn get_attr(cx: &mut Cx<'_>, fd: u32, flags: u32, cc: u32) -> Done {
    let termios = on(cx, fd, |kernel, call, fd| kernel.tcgetattr(call, fd))?;
    cx.check(&[(flags, 4), (cc, CHARACTERS.len() as u32)])?;
    memory::put_u32(cx.memory(), flags, flags_of(&termios))?;
    Ok(memory::put(cx.memory(), cc, &CHARACTERS.map(|which| termios.character(which)))?)
}

/// tcsetattr(), at once.
pub async fn set_attr(cx: &mut Cx<'_>, fd: u32, flags: u32, cc: u32) -> Done {
    let characters: [u8; CHARACTERS.len()] =
        memory::slice(cx.memory(), cc, CHARACTERS.len() as u32)?.try_into().map_err(|_| Errno::EFAULT)?;
    if flags & !FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let fd = real(cx, fd)?;
    cx.call(|kernel, call, _| {
        let mut termios = kernel.tcgetattr(call, fd)?;
        set_flags(&mut termios, flags);
        for (which, byte) in CHARACTERS.into_iter().zip(characters) {
            termios.set_character(which, byte);
        }
        kernel.tcsetattr(call, fd, termios, When::Now)
    })
    .await
}

/// The flags of an attribute record.
const ICRNL: u32 = 1;
const OPOST: u32 = 1 << 1;
const ONLCR: u32 = 1 << 2;
const ICANON: u32 = 1 << 3;
const ECHO: u32 = 1 << 4;
const ISIG: u32 = 1 << 5;
const FLAGS: u32 = ICRNL | OPOST | ONLCR | ICANON | ECHO | ISIG;

fn flags_of(termios: &Termios) -> u32 {
    let flag = |on: bool, flag: u32| if on { flag } else { 0 };
    flag(termios.input.contains(InputModes::ICRNL), ICRNL)
        | flag(termios.output.contains(OutputModes::OPOST), OPOST)
        | flag(termios.output.contains(OutputModes::ONLCR), ONLCR)
        | flag(termios.local.contains(LocalModes::ICANON), ICANON)
        | flag(termios.local.contains(LocalModes::ECHO), ECHO)
        | flag(termios.local.contains(LocalModes::ISIG), ISIG)
}

fn set_flags(termios: &mut Termios, flags: u32) {
    termios.input.set(InputModes::ICRNL, flags & ICRNL != 0);
    termios.output.set(OutputModes::OPOST, flags & OPOST != 0);
    termios.output.set(OutputModes::ONLCR, flags & ONLCR != 0);
    termios.local.set(LocalModes::ICANON, flags & ICANON != 0);
    termios.local.set(LocalModes::ECHO, flags & ECHO != 0);
    termios.local.set(LocalModes::ISIG, flags & ISIG != 0);
}

/// tcgetpgrp().
pub async fn get_pgrp(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    let group = on(cx, fd, |kernel, call, fd| kernel.tcgetpgrp(call, fd))?;
    Ok(memory::put_u32(cx.memory(), out, group.0)?)
}

/// tcsetpgrp().
pub async fn set_pgrp(cx: &mut Cx<'_>, fd: u32, group: u32) -> Done {
    let fd = real(cx, fd)?;
    if i32::try_from(group).is_err() {
        return Err(Errno::EINVAL.into());
    }
    cx.call(|kernel, call, _| kernel.tcsetpgrp(call, fd, Pgid(group))).await
}

/// tcgetsid().
pub async fn get_sid(cx: &mut Cx<'_>, fd: u32, out: u32) -> Done {
    let session = on(cx, fd, |kernel, call, fd| kernel.tcgetsid(call, fd))?;
    Ok(memory::put_u32(cx.memory(), out, session.0)?)
}

/// openpty().
pub async fn pty_open(cx: &mut Cx<'_>, out_master: u32, out_slave: u32) -> Done {
    cx.check(&[(out_master, 4), (out_slave, 4)])?;
    let (master, slave) = cx.with(|kernel, call| kernel.pty(call, OpenFlags::empty()))?;
    memory::put_u32(cx.memory(), out_master, master.0)?;
    Ok(memory::put_u32(cx.memory(), out_slave, slave.0)?)
}

/// A call on a descriptor that does not wait.
fn on<T>(cx: &mut Cx<'_>, fd: u32, op: impl FnOnce(&mut Kernel, &Call, Fd) -> Result<T, Errno>) -> Result<T, Errno> {
    let fd = real(cx, fd)?;
    cx.with(|kernel, call| op(kernel, call, fd))
}

/// A descriptor that may be a terminal: a preopened directory is none.
fn real(cx: &mut Cx<'_>, fd: u32) -> Result<Fd, Errno> {
    match cx.fd(fd) {
        FdRef::Preopened(_) => Err(Errno::ENOTTY),
        FdRef::Real(fd) => Ok(fd),
    }
}
