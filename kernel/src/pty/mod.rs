//! Pseudo-terminals: pairs of a master, which a terminal emulator holds, and a slave, which programs take for a
//! terminal; and job control by them.
//!
//! ```text
//! emulator ──▶ master ──▶ [ line ] ──▶ slave ──▶ foreground group of the session
//!          ◀──        ◀── [      ] ◀──       ◀── (a background group is stopped)
//! ```
//! [`termios`] has the attributes, [`line`] what becomes of the bytes, as plain state; [`terminal`] has the system calls
//! that read, write, open and close the ends; [`control`] has attributes, window size, controlling terminals, foreground
//! groups and hang-ups; [`device`] has `/dev/ptmx`, `/dev/tty` and `/dev/pts`.
//!
//! A terminal lives as long as one of its ends is open, and has its number, the lowest free one, as long. `/dev/pts`
//! is a mount ([`crate::vfs::mount::Mounted::Terminals`]) whose nodes are computed, as `/proc`'s are: a terminal is
//! listed while its master is open. The slave of `/dev/ptmx` needs no unlocking.
//!
//! A terminal is the controlling terminal of one POSIX session at most; a session's is found by looking through the
//! terminals, so there is no second table to keep in step.
//!
//! # From outside
//!
//! Whoever drives a session holds the master as an open file of the kernel, as it holds the ends of pipes:
//!
//! ```no_run
//! use warren_kernel::id::{Fd, Pid};
//! use warren_kernel::process::spawn::{FileAction, Spawn};
//! use warren_kernel::pty::WindowSize;
//! use warren_kernel::{CallError, Session};
//!
//! async fn shell(session: &Session, mut spawn: Spawn) -> Result<(), CallError> {
//!     let (master, slave) = session.with(|kernel| kernel.open_terminal(WindowSize::new(24, 80)))?;
//!     // Standard input is the child's controlling terminal; output and errors share it.
//!     spawn.actions.push(FileAction::InstallTerminal { fd: Fd::STDIN, open: slave });
//!     spawn.actions.push(FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDOUT });
//!     spawn.actions.push(FileAction::Duplicate { from: Fd::STDIN, to: Fd::STDERR });
//!     let launched = session.call(Pid::INIT, |kernel, call| kernel.launch(call, &spawn)).await;
//!     session.with(|kernel| kernel.close_open(slave));
//!     let pid = launched.inspect_err(|_| session.with(|kernel| kernel.close_open(master)))?;
//!
//!     // Keys go in; 0x03 is Ctrl-C and becomes SIGINT of the foreground group.
//!     session.call(Pid::INIT, |kernel, call| kernel.write_open(call, master, None, &[b"ls\r"])).await?;
//!     // The screen comes out. EIO is the end: nobody has the terminal open any more.
//!     let mut screen = Vec::new();
//!     session
//!         .call(Pid::INIT, |kernel, call| {
//!             kernel.read_open(call, master, None, 65_536, &mut |bytes| screen.extend_from_slice(bytes))
//!         })
//!         .await?;
//!     // A new size is SIGWINCH of the foreground group.
//!     session.with(|kernel| kernel.resize_terminal(master, WindowSize::new(50, 132)))?;
//!     // Closing the master hangs up: SIGHUP for the session's leader and its foreground group.
//!     session.with(|kernel| kernel.close_open(master));
//!     session.wait(pid).await?;
//!     Ok(())
//! }
//! ```

pub mod control;
pub mod device;
pub mod line;
pub mod terminal;
pub mod termios;

use crate::host::{Monotonic, Timestamp};
use crate::id::{Gid, Pgid, Sid, Uid};
use crate::vfs::Mode;
use line::Line;
use std::collections::BTreeMap;

/// A terminal's number in its session: N of `/dev/pts/N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TerminalId(pub u32);

/// Which end of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The emulator's.
    Master,
    /// The programs'.
    Slave,
}

/// struct winsize: 0 is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines of characters.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl WindowSize {
    /// This many lines and columns, pixels unknown.
    pub const fn new(rows: u16, columns: u16) -> WindowSize {
        WindowSize { rows, columns, width: 0, height: 0 }
    }
}

/// One pseudo-terminal.
#[derive(Debug)]
pub struct Terminal {
    line: Line,
    size: WindowSize,
    /// Open descriptions of the master.
    masters: u32,
    /// Open descriptions of the slave.
    slaves: u32,
    /// The slave was open before: with none left, the master reads EIO.
    slave_was_open: bool,
    /// The POSIX session whose controlling terminal it is, and that session's foreground group.
    session: Option<Sid>,
    foreground: Option<Pgid>,
    /// When a byte was typed last, for TIME.
    typed_at: Monotonic,
    /// What `/dev/pts/N` shows.
    owner: Uid,
    group: Gid,
    mode: Mode,
    made_at: Timestamp,
}

impl Terminal {
    /// Whether the master is gone: the slave reads the end and writes EIO, for good.
    fn is_hung_up(&self) -> bool {
        self.masters == 0
    }
}

/// The terminals of a session, each with an end that is open.
#[derive(Debug, Default)]
pub struct Terminals {
    list: BTreeMap<TerminalId, Terminal>,
}

impl Terminals {
    /// Terminals there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The controlling terminal of a POSIX session.
    fn of_session(&self, session: Sid) -> Option<TerminalId> {
        self.list.iter().find(|(_, terminal)| terminal.session == Some(session)).map(|(id, _)| *id)
    }

    /// The lowest number no terminal has.
    fn free_id(&self) -> TerminalId {
        let taken = self.list.keys().zip(0..).take_while(|(id, number)| id.0 == *number).count();
        TerminalId(taken as u32)
    }
}
