//! The line discipline: what a terminal makes of the bytes typed into it and written to it. Plain state, without a
//! clock, processes or anybody who waits.
//!
//! ```text
//!              typed           receive (input.rs)          input
//! master ──▶ [ ≤ 64 KiB ] ──▶ editing, signals, echo ──▶ [ ≤ 4096 ] ──▶ slave reads
//!                                     │ echo
//!             output                  ▼     process (output.rs)
//! master ◀── [ ≤ 64 KiB ] ◀────── echoes ◀── columns, newlines ◀────────── slave writes
//! ```
//! Typed bytes wait unprocessed while the input has no room, as in Linux's flip buffer; so an INTR behind a full input
//! comes when the input is read. Echo that cannot go out, because output is stopped or full, waits in `echoes`, and
//! what does not fit there is lost. Every method moves runs of ordinary bytes at once.
//!
//! The behaviour is that of Linux's `drivers/tty/n_tty.c`. Differs: written bytes are never split inside a call but by
//! a full output; with a small read in raw mode, MIN is met by bytes that are there and never taken early.

mod input;
mod output;

use super::termios::{Control, InputModes, LocalModes, OutputModes, Termios};
use crate::signal::SignalSet;
use std::collections::VecDeque;

/// Bytes of input that wait to be read, the line being edited included (Linux's N_TTY_BUF_SIZE): a line has up to
/// 4095 bytes and its end.
pub const INPUT_MAX: usize = 4096;
/// Bytes typed and not looked at yet.
pub const TYPED_MAX: usize = 64 * 1024;
/// Bytes written and not yet taken by the master.
pub const OUTPUT_MAX: usize = 64 * 1024;
/// Bytes of echo that wait for the output.
pub const ECHO_MAX: usize = 4096;
/// What stands in the input for the EOF character, with the mark of a line's end (Linux's __DISABLED_CHAR).
const END_OF_FILE: u8 = 0;

/// One terminal's line discipline.
#[derive(Debug)]
pub struct Line {
    termios: Termios,
    /// Complete lines, then the line being edited; in raw mode just bytes.
    input: VecDeque<u8>,
    /// Bytes at the front of `input` that are complete lines.
    complete: usize,
    /// Where lines end, as counts from the first byte there ever was; each is in `taken..taken + complete`.
    ends: VecDeque<u64>,
    /// Bytes taken out of `input`, ever.
    taken: u64,
    typed: VecDeque<u8>,
    output: VecDeque<u8>,
    echoes: VecDeque<u8>,
    /// Where the cursor is, and where it was when the line being edited began.
    column: usize,
    line_column: usize,
    /// The next byte is no control character (LNEXT was typed).
    literal: bool,
    /// Inside \ and / of ECHOPRT.
    erasing: bool,
    /// STOP was typed.
    stopped: bool,
    /// Bytes that need a look when typed, and when written.
    typed_special: [bool; 256],
    written_special: [bool; 256],
}

impl Line {
    /// A terminal's line with these attributes, nothing typed or written.
    pub fn new(termios: Termios) -> Line {
        let mut line = Line {
            termios,
            input: VecDeque::new(),
            complete: 0,
            ends: VecDeque::new(),
            taken: 0,
            typed: VecDeque::new(),
            output: VecDeque::new(),
            echoes: VecDeque::new(),
            column: 0,
            line_column: 0,
            literal: false,
            erasing: false,
            stopped: false,
            typed_special: [false; 256],
            written_special: [false; 256],
        };
        line.prepare_tables();
        line
    }

    /// The attributes in force.
    pub fn termios(&self) -> &Termios {
        &self.termios
    }

    /// Changes the attributes; returns signals that bytes waiting to be looked at asked for.
    ///
    /// Leaving canonical mode makes the line being edited readable as it is, an EOF in it as a byte 0. Entering it makes
    /// what is there a line.
    pub fn set_termios(&mut self, termios: Termios) -> SignalSet {
        let before = std::mem::replace(&mut self.termios, termios);
        let changed = before.local.symmetric_difference(termios.local);
        if changed.contains(LocalModes::ICANON) {
            self.ends.clear();
            self.complete = 0;
            if self.is_canonical() && !self.input.is_empty() {
                self.complete = self.input.len();
                self.ends.push_back(self.taken + self.complete as u64 - 1);
            }
            self.erasing = false;
            self.literal = false;
        }
        self.prepare_tables();
        if before.input.contains(InputModes::IXON) && !self.has_input(InputModes::IXON) {
            self.start();
        }
        self.pump()
    }

    /// Bytes from the keyboard: how many were taken, in order, and the signals they asked for. Fewer than given when
    /// [`TYPED_MAX`] bytes wait already.
    pub fn type_bytes(&mut self, bytes: &[u8]) -> (usize, SignalSet) {
        let mut signals = SignalSet::default();
        let mut count = 0;
        if self.typed.is_empty() {
            count = self.receive(bytes, &mut signals);
        }
        let kept = (bytes.len() - count).min(TYPED_MAX - self.typed.len());
        self.typed.extend(&bytes[count..count + kept]);
        (count + kept, signals)
    }

    /// Room for typed bytes.
    pub fn typing_room(&self) -> usize {
        TYPED_MAX - self.typed.len()
    }

    /// Looks at typed bytes the input has room for.
    fn pump(&mut self) -> SignalSet {
        let mut signals = SignalSet::default();
        while !self.typed.is_empty() {
            let typed = std::mem::take(&mut self.typed);
            let count = self.receive(typed.as_slices().0, &mut signals);
            self.typed = typed;
            self.typed.drain(..count);
            if count == 0 {
                break;
            }
        }
        signals
    }

    /// Bytes a read would find: in canonical mode complete lines only.
    pub fn readable(&self) -> usize {
        if self.is_canonical() { self.complete } else { self.input.len() }
    }

    /// Gives the reader up to `want` bytes, in canonical mode of one line; 0 is an end of file, or nothing there.
    /// Returns how many, and the signals that typed bytes asked for which now had room.
    pub fn read(&mut self, want: usize, put: &mut dyn FnMut(&[u8])) -> (usize, SignalSet) {
        if self.is_canonical() {
            let count = self.read_line(want, put);
            return (count, self.pump());
        }
        let (mut count, mut signals) = (0, SignalSet::default());
        while count < want && !self.is_canonical() && !self.input.is_empty() {
            let part = (want - count).min(self.input.len());
            give(&self.input, part, put);
            self.take_input(part);
            count += part;
            signals = signals.plus(self.pump());
        }
        (count, signals)
    }

    fn read_line(&mut self, want: usize, put: &mut dyn FnMut(&[u8])) -> usize {
        let most = want.min(self.complete);
        let end = self.ends.front().map_or(usize::MAX, |end| (end - self.taken) as usize);
        if end >= most {
            // The line is longer than the buffer; an EOF right behind is not read as an end of its own.
            give(&self.input, most, put);
            self.take_input(most);
            if most > 0 && self.ends.front() == Some(&self.taken) && self.input.front() == Some(&END_OF_FILE) {
                self.ends.pop_front();
                self.take_input(1);
            }
            return most;
        }
        let count = if self.input[end] == END_OF_FILE { end } else { end + 1 };
        give(&self.input, count, put);
        self.ends.pop_front();
        self.take_input(end + 1);
        count
    }

    fn take_input(&mut self, count: usize) {
        self.input.drain(..count);
        self.taken += count as u64;
        self.complete = self.complete.saturating_sub(count);
    }

    /// Bytes the program writes: how many were taken. None while output is stopped or full.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.send_echoes();
        self.process(bytes)
    }

    /// Whether a write would be taken, at least in part.
    pub fn is_writable(&self) -> bool {
        // A tab may need eight columns.
        !self.stopped && self.echoes.is_empty() && OUTPUT_MAX - self.output.len() >= 8
    }

    /// Gives the master up to `want` bytes of output and returns how many.
    pub fn take_output(&mut self, want: usize, put: &mut dyn FnMut(&[u8])) -> usize {
        let count = want.min(self.output.len());
        give(&self.output, count, put);
        if count == self.output.len() {
            self.output.clear();
        } else {
            self.output.drain(..count);
        }
        self.send_echoes();
        count
    }

    /// Room for written bytes, whether or not output is held.
    pub fn output_room(&self) -> usize {
        OUTPUT_MAX - self.output.len()
    }

    /// Bytes the master would find.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Drops what was typed and not read (TCIFLUSH).
    pub fn discard_input(&mut self) {
        self.typed.clear();
        self.forget_input();
    }

    /// Drops what was written and not taken (TCOFLUSH).
    pub fn discard_output(&mut self) {
        self.output.clear();
        self.echoes.clear();
    }

    /// Gives back memory nobody uses, when an end is closed.
    pub fn shrink(&mut self) {
        for bytes in [&mut self.input, &mut self.typed, &mut self.output, &mut self.echoes] {
            bytes.shrink_to_fit();
        }
    }

    fn forget_input(&mut self) {
        self.taken += self.input.len() as u64;
        self.input.clear();
        self.ends.clear();
        self.complete = 0;
        self.erasing = false;
        self.literal = false;
    }

    fn is_canonical(&self) -> bool {
        self.has(LocalModes::ICANON)
    }

    fn has(&self, modes: LocalModes) -> bool {
        self.termios.local.contains(modes)
    }

    fn has_input(&self, modes: InputModes) -> bool {
        self.termios.input.contains(modes)
    }

    fn has_output(&self, modes: OutputModes) -> bool {
        self.termios.output.contains(modes)
    }

    /// Whether `byte` is this control character. 0 is none.
    fn is(&self, which: Control, byte: u8) -> bool {
        byte != 0 && self.termios.character(which) == byte
    }

    fn is_continuation(&self, byte: u8) -> bool {
        self.has_input(InputModes::IUTF8) && byte & 0xc0 == 0x80
    }

    /// Which bytes need a look.
    fn prepare_tables(&mut self) {
        let mut characters = Vec::new();
        if self.has_input(InputModes::IXON) {
            characters.extend([Control::Start, Control::Stop]);
        }
        if self.has(LocalModes::ISIG) {
            characters.extend([Control::Intr, Control::Quit, Control::Susp]);
        }
        if self.is_canonical() {
            characters.extend([Control::Erase, Control::Kill, Control::Eof, Control::Eol]);
            if self.has(LocalModes::IEXTEN) {
                characters.extend([Control::WordErase, Control::LiteralNext, Control::Eol2, Control::Reprint]);
            }
        }
        let mut typed = [false; 256];
        for which in characters {
            typed[usize::from(self.termios.character(which))] = true;
        }
        typed[0] = false;
        typed[usize::from(b'\r')] |= self.termios.input.intersects(InputModes::IGNCR | InputModes::ICRNL);
        typed[usize::from(b'\n')] |= self.is_canonical() || self.has_input(InputModes::INLCR);
        typed[0xff] |= self.has_input(InputModes::PARMRK);
        self.typed_special = typed;
        let mut written = [false; 256];
        if self.has_output(OutputModes::OPOST) {
            (0..0x20).chain([0x7f]).for_each(|byte: usize| written[byte] = true);
            if self.has_output(OutputModes::OLCUC) {
                (b'a'..=b'z').chain(0xdf..=0xff).for_each(|byte| written[usize::from(byte)] = true);
            }
        }
        self.written_special = written;
    }
}

/// Hands the first `count` bytes on.
fn give(from: &VecDeque<u8>, count: usize, put: &mut dyn FnMut(&[u8])) {
    let (front, back) = from.as_slices();
    let first = count.min(front.len());
    if first > 0 {
        put(&front[..first]);
    }
    if count > first {
        put(&back[..count - first]);
    }
}

#[cfg(test)]
mod tests;
