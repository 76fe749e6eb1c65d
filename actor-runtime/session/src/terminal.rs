//! Terminals: shells that have a name and a screen, outlive their viewers, and are there again after their session was.
//!
//! ```text
//! command on a terminal (exec/) ─▶ output events ─▶ log ─▶ feed ─▶ screen: for who comes now
//!        ▲                                                     └─▶ recent bytes, by offset: for who came before
//!        └── input, window size ◀── viewers, any number that may write
//! ```
//! A terminal's stream is what its commands wrote, one life after the other, with a line of ours between two: offsets go on
//! over all of them. What is kept of it is an event each time it changes ([`Kept`]): what to run where, its size, and from
//! which event on its output tells what it shows. A terminal nobody has looked at since its session woke is no more than that;
//! the first look replays its output from the log. Its command ends with the session's processes as all commands do, and
//! is started anew by the next who attaches to write.

mod live;
mod modes;
mod screen;
mod table;
mod view;

use crate::command::Words;
use crate::event::End;
use crate::id::{ExecId, TerminalName};
use crate::position::Position;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use warren_kernel::host::Timestamp;
use warren_kernel::pty::WindowSize;

pub use screen::{COLUMNS_MAX, ROWS_MAX, SCROLLBACK_MAX};
pub(crate) use table::Terminals;
pub use table::check_size;
pub use view::View;

/// Terminals of a session, at most.
pub const TERMINALS_MAX: usize = 16;
/// Viewers of a terminal, at most.
pub const VIEWERS_MAX: usize = 64;
/// Bytes of output that are replayed to make a screen again, about: what is before is not shown.
const REPLAYED: u64 = 768 * 1024;
/// Bytes of output that a viewer who comes back gets one by one; who missed more gets the screen.
const RECENT_MAX: usize = 256 * 1024;
/// Lives that are replayed, at most.
const LIVES_MAX: usize = 32;

/// A terminal to open.
#[derive(Clone, Debug)]
pub struct TerminalRequest {
    /// What to call it; `None` is the next free of `1`, `2`...
    pub name: Option<TerminalName>,
    /// What runs on it; `None` is the session's shell.
    pub command: Option<Words>,
    /// Environment entries beside the session's own; they win.
    pub environment: BTreeMap<String, String>,
    /// Where it begins; `None` is where the session's commands begin.
    pub cwd: Option<String>,
    /// How large it is.
    pub size: WindowSize,
}

/// What is kept of a terminal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// What runs on it.
    pub command: Option<Words>,
    /// Environment entries beside the session's own.
    pub environment: BTreeMap<String, String>,
    /// The last directory it was known to be in.
    pub cwd: Option<String>,
    /// Its rows.
    pub rows: u16,
    /// Its columns.
    pub columns: u16,
    /// When it was opened.
    pub created: Timestamp,
    /// The commands whose output it shows, oldest first.
    pub lives: Vec<Life>,
    /// All that makes its screen stands behind this event.
    pub after: Position,
}

/// A command of a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Which.
    pub exec: ExecId,
    /// Bytes of the terminal's stream before its first.
    pub base: u64,
    /// What was said before it began; the last bytes of those.
    pub said: String,
}

/// A terminal as it is now.
#[derive(Clone, Debug)]
pub struct TerminalInfo {
    /// Its name.
    pub name: TerminalName,
    /// What is kept of it.
    pub kept: Kept,
    /// The command on it runs.
    pub running: bool,
    /// Who looks at it.
    pub viewers: usize,
}

/// What a terminal shows now.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Its lines, without the spaces at their ends.
    pub lines: Vec<String>,
    /// Column of the cursor, from 0.
    pub column: u16,
    /// Row of the cursor, from 0.
    pub row: u16,
    /// The cursor is shown.
    pub cursor: bool,
    /// Bytes of its stream so far.
    pub offset: u64,
}

/// What a viewer sees next.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Its size; told first, and when it changes.
    Size(WindowSize),
    /// Bytes that make an empty terminal of that size look like it; its stream goes on at `offset`.
    Screen {
        /// Where.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// The next bytes of its stream.
    Bytes {
        /// Where they begin.
        offset: u64,
        /// The bytes; not none.
        bytes: Bytes,
    },
    /// The viewer is too late for these bytes; a screen follows.
    Gap {
        /// The first.
        from: u64,
        /// The first behind them.
        to: u64,
    },
    /// Its command has ended, and all it wrote was shown. Nothing follows.
    Ended(End),
    /// It was closed. Nothing follows.
    Closed,
}

/// What is kept of a session's terminals after an event of one: for whoever keeps them.
pub fn note(terminals: &mut BTreeMap<TerminalName, Kept>, terminal: &TerminalName, kept: Option<&Kept>) {
    match kept {
        Some(kept) => _ = terminals.insert(terminal.clone(), kept.clone()),
        None => _ = terminals.remove(terminal),
    }
}

impl Kept {
    /// Its size.
    pub fn size(&self) -> WindowSize {
        WindowSize::new(self.rows, self.columns)
    }
}
