//! Typed bytes: editing, signals, flow control, echo (n_tty.c's n_tty_receive_buf and its kin).

use super::{END_OF_FILE, INPUT_MAX, Line};
use crate::pty::termios::{Control, InputModes, LocalModes};
use crate::signal::{Signal, SignalSet};

/// What an editing character takes away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erase {
    Character,
    Word,
    Line,
}

const BELL: u8 = 0x07;
const BACKSPACE: u8 = 0x08;

impl Line {
    /// Looks at typed bytes as far as the input has room, and returns how many.
    pub(super) fn receive(&mut self, bytes: &[u8], signals: &mut SignalSet) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            // A byte 255 takes two places then.
            let places = if self.has_input(InputModes::PARMRK) { 2 } else { 1 };
            let mut room = (INPUT_MAX - 1).saturating_sub(self.input.len()) / places;
            if room == 0 {
                if !self.is_canonical() || self.complete > 0 {
                    break; // Someone will read and make room.
                }
                // A line too long: its last place is given to byte after byte, so that a newline can end it.
                room = 1;
                while self.input.len() > INPUT_MAX - places {
                    self.input.pop_back();
                    if self.has_input(InputModes::IMAXBEL) {
                        self.echo_plain(BELL);
                    }
                }
            }
            let end = bytes.len().min(at + room);
            self.receive_part(&bytes[at..end], signals);
            at = end;
        }
        at
    }

    /// Looks at bytes there is room for.
    fn receive_part(&mut self, bytes: &[u8], signals: &mut SignalSet) {
        let strips = self.has_input(InputModes::ISTRIP);
        let lowers = self.has_input(InputModes::IUCLC) && self.has(LocalModes::IEXTEN);
        if !strips && !lowers {
            return self.receive_mapped(bytes, signals);
        }
        let map = |byte: &u8| {
            let byte = if strips { byte & 0x7f } else { *byte };
            if lowers { lower(byte) } else { byte }
        };
        let mapped: Vec<u8> = bytes.iter().map(map).collect();
        self.receive_mapped(&mapped, signals);
    }

    fn receive_mapped(&mut self, bytes: &[u8], signals: &mut SignalSet) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.literal {
                self.literal = false;
                self.receive_plain(&rest[..1]);
                rest = &rest[1..];
                continue;
            }
            let run = rest.iter().position(|byte| self.typed_special[usize::from(*byte)]).unwrap_or(rest.len());
            if run > 0 {
                self.receive_plain(&rest[..run]);
                rest = &rest[run..];
            } else {
                self.receive_special(rest[0], signals);
                rest = &rest[1..];
            }
        }
    }

    /// Bytes without a meaning of their own.
    fn receive_plain(&mut self, bytes: &[u8]) {
        self.start_by_any();
        if self.has(LocalModes::ECHO) {
            self.finish_erasing();
            self.note_line_column();
            self.echo_run(bytes);
        }
        self.keep(bytes);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if bytes == [0xff] && self.has_input(InputModes::PARMRK) {
            self.input.push_back(0xff);
        }
        self.input.extend(bytes);
    }

    fn receive_special(&mut self, byte: u8, signals: &mut SignalSet) {
        if self.has_input(InputModes::IXON) {
            if self.is(Control::Start, byte) {
                return self.start();
            }
            if self.is(Control::Stop, byte) {
                return self.stop();
            }
        }
        if self.has(LocalModes::ISIG) {
            let wanted = [(Control::Intr, Signal::INT), (Control::Quit, Signal::QUIT), (Control::Susp, Signal::TSTP)];
            if let Some((_, signal)) = wanted.into_iter().find(|(which, _)| self.is(*which, byte)) {
                return self.interrupt(byte, signal, signals);
            }
        }
        self.start_by_any();
        let byte = match byte {
            b'\r' if self.has_input(InputModes::IGNCR) => return,
            b'\r' if self.has_input(InputModes::ICRNL) => b'\n',
            b'\n' if self.has_input(InputModes::INLCR) => b'\r',
            _ => byte,
        };
        if self.is_canonical() && self.edit(byte) {
            return;
        }
        if self.has(LocalModes::ECHO) {
            self.finish_erasing();
            if byte == b'\n' {
                self.echo_plain(byte);
            } else {
                self.note_line_column();
                self.echo(byte);
            }
        }
        self.keep(&[byte]);
    }

    /// INTR, QUIT or SUSP.
    fn interrupt(&mut self, byte: u8, signal: Signal, signals: &mut SignalSet) {
        *signals = signals.with(signal);
        if !self.has(LocalModes::NOFLSH) {
            self.discard_output();
            self.forget_input();
        }
        if self.has_input(InputModes::IXON) {
            self.start();
        }
        if self.has(LocalModes::ECHO) {
            self.echo(byte);
        }
    }

    /// A byte in canonical mode; `false` if it is a byte of the line like any other.
    fn edit(&mut self, byte: u8) -> bool {
        let extended = self.has(LocalModes::IEXTEN);
        let echoes = self.has(LocalModes::ECHO);
        if self.is(Control::Erase, byte) {
            self.erase(Erase::Character);
        } else if self.is(Control::Kill, byte) {
            self.kill();
        } else if extended && self.is(Control::WordErase, byte) {
            self.erase(Erase::Word);
        } else if extended && self.is(Control::LiteralNext, byte) {
            self.literal = true;
            if echoes {
                self.finish_erasing();
                if self.has(LocalModes::ECHOCTL) {
                    self.echo_plain(b'^');
                    self.echo_plain(BACKSPACE);
                }
            }
        } else if extended && echoes && self.is(Control::Reprint, byte) {
            // Without room nothing of it would be seen, and a line is a thousand times its character.
            if !self.has_echo_room() {
                return true;
            }
            self.finish_erasing();
            self.echo(byte);
            self.echo_plain(b'\n');
            let line: Vec<u8> = self.input.range(self.complete..).copied().collect();
            self.echo_run(&line);
        } else if byte == b'\n' {
            if echoes || self.has(LocalModes::ECHONL) {
                self.echo_plain(byte);
            }
            self.end_line(byte);
        } else if self.is(Control::Eof, byte) {
            self.end_line(END_OF_FILE);
        } else if self.is(Control::Eol, byte) || (extended && self.is(Control::Eol2, byte)) {
            if echoes {
                self.note_line_column();
                self.echo(byte);
            }
            self.end_line(byte);
        } else {
            return false;
        }
        true
    }

    fn end_line(&mut self, byte: u8) {
        self.input.push_back(byte);
        self.complete = self.input.len();
        self.ends.push_back(self.taken + self.complete as u64 - 1);
    }

    /// KILL: wipes the line, or says that it is gone.
    fn kill(&mut self) {
        if self.input.len() == self.complete {
            return;
        }
        let wipes = LocalModes::ECHO | LocalModes::ECHOK | LocalModes::ECHOKE | LocalModes::ECHOE;
        if self.has(wipes) {
            return self.erase(Erase::Line);
        }
        self.input.truncate(self.complete);
        if self.has(LocalModes::ECHO) {
            self.finish_erasing();
            self.echo(self.termios.character(Control::Kill));
            if self.has(LocalModes::ECHOK) {
                self.echo_plain(b'\n');
            }
        }
    }

    fn erase(&mut self, what: Erase) {
        if self.input.len() == self.complete {
            return;
        }
        let mut word = false;
        while self.input.len() > self.complete {
            let mut head = self.input.len() - 1;
            while self.is_continuation(self.input[head]) && head > self.complete {
                head -= 1;
            }
            let first = self.input[head];
            if self.is_continuation(first) {
                break; // No character begins in this line: nothing is erased in part.
            }
            if what == Erase::Word {
                if is_of_word(first) {
                    word = true;
                } else if word {
                    break;
                }
            }
            let character: Vec<u8> = self.input.drain(head..).collect();
            if self.has(LocalModes::ECHO) {
                self.echo_erased(&character, what);
            }
            if what == Erase::Character {
                break;
            }
        }
        if self.input.len() == self.complete && self.has(LocalModes::ECHO) {
            self.finish_erasing();
        }
    }

    /// Shows that a character, which is no longer in the input, was erased.
    fn echo_erased(&mut self, character: &[u8], what: Erase) {
        let first = character[0];
        if self.has(LocalModes::ECHOPRT) {
            if !self.erasing {
                self.erasing = true;
                self.echo_plain(b'\\');
            }
            self.echo(first);
            for byte in &character[1..] {
                self.echo_plain(*byte);
                self.move_back();
            }
        } else if what == Erase::Character && !self.has(LocalModes::ECHOE) {
            self.echo(self.termios.character(Control::Erase));
        } else if first == b'\t' {
            let (columns, after_tab) = self.columns_before();
            self.echo_erased_tab(columns, after_tab);
        } else {
            let wipes = match (first.is_ascii_control(), self.has(LocalModes::ECHOCTL)) {
                (true, true) => 2,
                (true, false) => 0,
                (false, _) => 1,
            };
            for _ in 0..wipes {
                [BACKSPACE, b' ', BACKSPACE].into_iter().for_each(|byte| self.echo_plain(byte));
            }
        }
    }

    /// Columns that the line being edited takes, since it began or since its last tab.
    fn columns_before(&self) -> (usize, bool) {
        let mut columns = 0;
        for byte in self.input.range(self.complete..).rev() {
            match byte {
                b'\t' => return (columns, true),
                byte if byte.is_ascii_control() => columns += if self.has(LocalModes::ECHOCTL) { 2 } else { 0 },
                byte => columns += usize::from(!self.is_continuation(*byte)),
            }
        }
        (columns, false)
    }

    /// Remembers where the first byte of a line is shown.
    fn note_line_column(&mut self) {
        if self.input.len() == self.complete {
            self.line_column = self.column;
        }
    }

    fn start_by_any(&mut self) {
        if self.stopped && self.has_input(InputModes::IXON | InputModes::IXANY) {
            self.start();
        }
    }
}

/// Letters and digits, Latin-1's and the first bytes of UTF-8's included (the kernel's isalnum()), and `_`.
fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7)
}

/// Lower case, Latin-1's letters included (the kernel's tolower()).
fn lower(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' | 0xc0..=0xd6 | 0xd8..=0xde => byte + 0x20,
        _ => byte,
    }
}
