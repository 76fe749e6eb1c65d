//! What a terminal shows: a screen kept by the server, for whoever comes later.
//!
//! ```text
//! output ─▶ UTF-8, what is broken replaced ─▶ avt: lines, cursor, both buffers ─▶ image: bytes that make a client's
//!       └─▶ modes: mouse, paste, directory                                          terminal look the same
//! ```
//! Output is a guest's, and may be anything. The emulator holds so many cells and no more, and if it should fail over some
//! sequence after all, its screen is empty from then on and nothing else is lost.

use super::modes::{Modes, Question};
use avt::{Cell, Color, Line, Pen, ScreenKind, Terminal};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use warren_kernel::pty::WindowSize;

/// Rows and columns of a terminal, at most.
pub const ROWS_MAX: u16 = 200;
/// See [`ROWS_MAX`].
pub const COLUMNS_MAX: u16 = 400;
/// Lines above the screen that are kept, at most.
pub const SCROLLBACK_MAX: usize = 1000;
/// Cells above the screen that are kept, at most: a terminal of more than 120 columns keeps fewer lines.
const SCROLLBACK_CELLS_MAX: usize = 120_000;
/// Bytes of an image, at most; of a longer one the oldest lines are left out.
const IMAGE_MAX: usize = 512 * 1024;

/// Bytes of answers to what was asked in one part of output, about: who asks more is not answered.
const ANSWERS_MAX: usize = 256;

/// A screen.
pub(crate) struct Screen {
    terminal: Terminal,
    modes: Modes,
    size: WindowSize,
    /// The beginning of a character whose end has not come yet.
    rest: Vec<u8>,
}

impl Screen {
    /// An empty one.
    pub(crate) fn new(size: WindowSize) -> Screen {
        let size = bounded(size);
        Screen { terminal: terminal(size), modes: Modes::default(), size, rest: Vec::new() }
    }

    /// How large it is.
    #[cfg(test)]
    pub(crate) fn size(&self) -> WindowSize {
        self.size
    }

    /// Shows what a program wrote, and takes out what it asks: the answers.
    pub(crate) fn feed(&mut self, bytes: &mut [u8]) -> Vec<u8> {
        let (mut rest, mut answers) = (bytes, Vec::new());
        while let Some((end, question)) = self.modes.feed(rest) {
            let (now, later) = rest.split_at_mut(end);
            self.show(now);
            rest = later;
            if answers.len() < ANSWERS_MAX {
                answers.extend(self.answer(question));
            }
        }
        self.show(rest);
        answers
    }

    fn answer(&self, question: Question) -> Vec<u8> {
        let (column, row, _) = self.cursor();
        match question {
            Question::Status => b"\x1b[0n".to_vec(),
            Question::Cursor => format!("\x1b[{};{}R", row + 1, column + 1).into_bytes(),
            // A VT100 with a second character set and the like, as most say.
            Question::Kind => b"\x1b[?1;2c".to_vec(),
            Question::Other => Vec::new(),
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        let whole;
        let bytes = if self.rest.is_empty() {
            bytes
        } else {
            self.rest.extend_from_slice(bytes);
            whole = std::mem::take(&mut self.rest);
            &whole
        };
        let (now, later) = bytes.split_at(bytes.len() - unfinished(bytes));
        self.rest = later.to_vec();
        let text = String::from_utf8_lossy(now);
        self.guarded(|terminal| terminal.feed(&*text));
    }

    /// It has this size now.
    pub(crate) fn resize(&mut self, size: WindowSize) {
        let size = bounded(size);
        if (size.rows, size.columns) == (self.size.rows, self.size.columns) {
            return;
        }
        let before = std::mem::replace(&mut self.size, size);
        if lines_kept(before) == lines_kept(size) {
            return self.guarded(|terminal| terminal.resize(usize::from(size.columns), usize::from(size.rows)));
        }
        // How many lines are kept is said when it is made: what is there is shown to a new one.
        let mut image = String::new();
        self.guarded(|terminal| {
            image = above(terminal);
            image.push_str(&terminal.dump());
        });
        self.terminal = terminal(size);
        self.guarded(|terminal| terminal.feed(&*image));
    }

    /// Shows, when the program is gone and another begins, that this is so, and returns what it showed: what had been switched
    /// on is switched off, and `words` stand on a line of their own below what was there.
    pub(crate) fn notice(&mut self, words: &str) -> String {
        let other = self.terminal.active_screen_kind() == ScreenKind::Alternate;
        let modes = self.modes.image().replace('h', "l");
        let mut said = format!("\x18{}{modes}", if other { "\x1b[?1049l" } else { "" });
        self.feed(&mut said.clone().into_bytes());
        // All of it scrolls again, which moves the cursor; no attributes; the cursor is seen.
        let (column, row) = cursor(&self.terminal);
        let begun = if column > 0 { "\r\n" } else { "" };
        let rest = format!(
            "\x1b[?6l\x1b[r\x1b[{};{}H\x1b[?7h\x1b[?25h\x1b[?1l\x1b(B\x1b[m{begun}[warren: {words}]\r\n",
            row + 1,
            column + 1
        );
        self.feed(&mut rest.clone().into_bytes());
        said.push_str(&rest);
        said
    }

    /// Bytes that make a client's empty terminal of this size look like it: lines above, the screen, cursor and modes.
    pub(crate) fn image(&mut self) -> Vec<u8> {
        let rows = usize::from(self.size.rows);
        let modes = self.modes.image();
        let mut image = String::new();
        self.guarded(|terminal| {
            let mut lines = above(terminal);
            if lines.len() > IMAGE_MAX {
                let from = lines.len() - IMAGE_MAX;
                let cut =
                    lines.as_bytes()[from..].iter().position(|byte| *byte == b'\n').map_or(from, |at| from + at + 1);
                lines = lines.split_off((cut..=lines.len()).find(|at| lines.is_char_boundary(*at)).unwrap_or(0));
            }
            // As many empty lines as it takes to push those above out of sight.
            let push = if lines.is_empty() { String::new() } else { "\r\n".repeat(rows - 1) };
            image = format!("{lines}{push}\x1b[H{}{modes}", terminal.dump());
        });
        image.into_bytes()
    }

    /// What is on the screen as text, line by line, without the spaces at their ends.
    pub(crate) fn text(&mut self) -> Vec<String> {
        let mut text = Vec::new();
        self.guarded(|terminal| {
            text = terminal.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect();
        });
        text
    }

    /// Column and row of the cursor, from 0, and whether it is shown.
    pub(crate) fn cursor(&self) -> (u16, u16, bool) {
        let (column, row) = cursor(&self.terminal);
        (column as u16, row as u16, self.terminal.cursor().visible)
    }

    /// Where the shell last said it is.
    pub(crate) fn directory(&self) -> Option<&str> {
        self.modes.directory()
    }

    /// Uses the emulator; if that fails, goes on with an empty one.
    fn guarded(&mut self, work: impl FnOnce(&mut Terminal)) {
        if catch_unwind(AssertUnwindSafe(|| work(&mut self.terminal))).is_err() {
            self.terminal = terminal(self.size);
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("size", &self.size).finish_non_exhaustive()
    }
}

/// A size that a terminal may have.
pub(crate) fn bounded(size: WindowSize) -> WindowSize {
    WindowSize::new(size.rows.clamp(1, ROWS_MAX), size.columns.clamp(1, COLUMNS_MAX))
}

fn lines_kept(size: WindowSize) -> usize {
    SCROLLBACK_MAX.min(SCROLLBACK_CELLS_MAX / usize::from(size.columns))
}

fn terminal(size: WindowSize) -> Terminal {
    let (columns, rows) = (usize::from(size.columns), usize::from(size.rows));
    Terminal::with_scrollback(columns, rows, Some(lines_kept(size))).expect("a bounded size is no 0 by 0")
}

fn cursor(terminal: &Terminal) -> (usize, usize) {
    let cursor = terminal.cursor();
    let (columns, rows) = terminal.size();
    (cursor.col.min(columns - 1), cursor.row.min(rows - 1))
}

/// Bytes at the end that may begin a character.
fn unfinished(bytes: &[u8]) -> usize {
    let last = &bytes[bytes.len().saturating_sub(3)..];
    (1..=last.len())
        .find(|count| match last[last.len() - count] {
            0xc2..=0xdf => *count < 2,
            0xe0..=0xef => *count < 3,
            0xf0..=0xf4 => *count < 4,
            _ => false,
        })
        .filter(|count| last[last.len() - count + 1..].iter().all(|byte| (0x80..0xc0).contains(byte)))
        .unwrap_or(0)
}

/// The lines above the first screen, each with its end.
fn above(terminal: &Terminal) -> String {
    let screen = terminal.primary_screen();
    let count = screen.all_lines().count() - screen.visible_lines().len();
    let mut text = String::new();
    let mut pen = Pen::default();
    for line in screen.all_lines().take(count) {
        write_line(line, &mut pen, &mut text);
        text.push_str("\r\n");
    }
    if !pen.is_default() {
        text.push_str("\x1b[m");
    }
    text
}

fn write_line(line: &Line, pen: &mut Pen, text: &mut String) {
    let is_blank = |cell: &Cell| cell.char() == ' ' && cell.pen().is_default();
    let end = line.cells().iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
    for cell in line.cells()[..end].iter().filter(|cell| cell.width() > 0) {
        if cell.pen() != pen {
            *pen = *cell.pen();
            attributes(pen, text);
        }
        text.push(cell.char());
    }
}

/// The sequence that sets all attributes.
fn attributes(pen: &Pen, text: &mut String) {
    text.push_str("\x1b[0");
    let flags = [
        (pen.is_bold(), 1),
        (pen.is_faint(), 2),
        (pen.is_italic(), 3),
        (pen.is_underline(), 4),
        (pen.is_blink(), 5),
        (pen.is_inverse(), 7),
        (pen.is_strikethrough(), 9),
    ];
    for (_, number) in flags.iter().filter(|(set, _)| *set) {
        let _ = write!(text, ";{number}");
    }
    for (color, ground) in [(pen.foreground(), 38), (pen.background(), 48)] {
        let _ = match color {
            Some(Color::Indexed(index)) => write!(text, ";{ground};5;{index}"),
            Some(Color::RGB(rgb)) => write!(text, ";{ground};2;{};{};{}", rgb.r, rgb.g, rgb.b),
            None => Ok(()),
        };
    }
    text.push('m');
}

#[cfg(test)]
mod tests;
