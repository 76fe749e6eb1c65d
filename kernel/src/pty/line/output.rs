//! Written bytes and echo on their way out: newlines, tabs, columns (n_tty.c's do_output_char and its kin).

use super::{ECHO_MAX, Line, OUTPUT_MAX};
use crate::pty::termios::{LocalModes, OutputModes};

/// What one byte becomes: up to eight bytes, for a tab.
struct Processed {
    bytes: [u8; 8],
    len: usize,
}

impl Processed {
    fn one(byte: u8) -> Processed {
        Processed { bytes: [byte; 8], len: 1 }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Line {
    /// Takes written bytes as far as there is room.
    pub(super) fn process(&mut self, bytes: &[u8]) -> usize {
        if self.stopped || !self.echoes.is_empty() {
            return 0;
        }
        let room = OUTPUT_MAX - self.output.len();
        if !self.has_output(OutputModes::OPOST) {
            let count = bytes.len().min(room);
            self.output.extend(&bytes[..count]);
            return count;
        }
        // Gathered first: a ring takes one long run far sooner than many short ones.
        let mut out = Vec::with_capacity(room.min(bytes.len() * 2));
        let mut rest = bytes;
        while !rest.is_empty() {
            let reach = &rest[..rest.len().min(room - out.len())];
            let run = reach.iter().position(|byte| self.written_special[usize::from(*byte)]).unwrap_or(reach.len());
            if run > 0 {
                self.move_columns(&rest[..run]);
                out.extend_from_slice(&rest[..run]);
                rest = &rest[run..];
                continue;
            }
            let columns = (self.column, self.line_column);
            let processed = self.process_byte(rest[0]);
            if processed.len > room - out.len() {
                (self.column, self.line_column) = columns;
                break;
            }
            out.extend_from_slice(processed.bytes());
            rest = &rest[1..];
        }
        self.output.extend(&out);
        bytes.len() - rest.len()
    }

    /// One byte through OPOST.
    fn process_byte(&mut self, byte: u8) -> Processed {
        match byte {
            b'\n' => {
                if self.has_output(OutputModes::ONLRET) {
                    self.column = 0;
                }
                if self.has_output(OutputModes::ONLCR) {
                    (self.column, self.line_column) = (0, 0);
                    return Processed { bytes: *b"\r\n      ", len: 2 };
                }
                self.line_column = self.column;
                Processed::one(byte)
            }
            b'\r' if self.has_output(OutputModes::ONOCR) && self.column == 0 => Processed { bytes: [0; 8], len: 0 },
            b'\r' if self.has_output(OutputModes::OCRNL) => {
                if self.has_output(OutputModes::ONLRET) {
                    (self.column, self.line_column) = (0, 0);
                }
                Processed::one(b'\n')
            }
            b'\r' => {
                (self.column, self.line_column) = (0, 0);
                Processed::one(byte)
            }
            b'\t' => {
                let blanks = 8 - (self.column & 7);
                self.column += blanks;
                if self.has_output(OutputModes::XTABS) {
                    return Processed { bytes: [b' '; 8], len: blanks };
                }
                Processed::one(byte)
            }
            0x08 => {
                self.column = self.column.saturating_sub(1);
                Processed::one(byte)
            }
            _ => {
                self.move_columns(&[byte]);
                Processed::one(if self.has_output(OutputModes::OLCUC) { upper(byte) } else { byte })
            }
        }
    }

    /// Counts the columns of bytes that are no control characters with a meaning of their own.
    fn move_columns(&mut self, bytes: &[u8]) {
        if !self.has_output(OutputModes::OPOST) {
            return;
        }
        let wide = match bytes {
            [byte] => usize::from(!byte.is_ascii_control() && !self.is_continuation(*byte)),
            _ if self.has_input(crate::pty::termios::InputModes::IUTF8) => {
                bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
            }
            _ => bytes.len(),
        };
        self.column = self.column.wrapping_add(wide);
    }

    // ---- echo

    /// Bytes of echo as they are.
    fn echo_out(&mut self, bytes: &[u8]) {
        if !self.stopped && self.echoes.is_empty() && self.output.len() + bytes.len() <= OUTPUT_MAX {
            self.output.extend(bytes);
        } else if self.echoes.len() + bytes.len() <= ECHO_MAX {
            self.echoes.extend(bytes);
        }
    }

    /// Whether any echo would be kept.
    pub(super) fn has_echo_room(&self) -> bool {
        let goes_out = !self.stopped && self.echoes.is_empty() && self.output.len() < OUTPUT_MAX;
        goes_out || self.echoes.len() < ECHO_MAX
    }

    /// Echoes a byte as if it were written.
    pub(super) fn echo_plain(&mut self, byte: u8) {
        if self.has_output(OutputModes::OPOST) {
            let processed = self.process_byte(byte);
            self.echo_out(processed.bytes());
        } else {
            self.echo_out(&[byte]);
        }
    }

    /// Echoes a typed byte, a control character as ^X.
    pub(super) fn echo(&mut self, byte: u8) {
        if self.has(LocalModes::ECHOCTL) && byte.is_ascii_control() && byte != b'\t' {
            self.echo_out(&[b'^', byte ^ 0x40]);
            self.column += 2;
        } else {
            self.echo_plain(byte);
        }
    }

    /// Echoes a run of typed bytes.
    pub(super) fn echo_run(&mut self, bytes: &[u8]) {
        let special = self.has_output(OutputModes::OLCUC);
        let mut rest = bytes;
        while !rest.is_empty() {
            let run = rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len());
            if run == 0 || special {
                self.echo(rest[0]);
                rest = &rest[1..];
            } else {
                self.move_columns(&rest[..run]);
                self.echo_out(&rest[..run]);
                rest = &rest[run..];
            }
        }
    }

    /// Goes back over an erased tab; `columns` were used before it since the line began, or since another tab.
    pub(super) fn echo_erased_tab(&mut self, columns: usize, after_tab: bool) {
        let used = if after_tab { columns } else { columns + self.line_column };
        let back = 8 - (used & 7);
        self.echo_out(&[0x08; 8][..back]);
        self.column = self.column.saturating_sub(back);
    }

    /// One column back without output, for the further bytes of a character.
    pub(super) fn move_back(&mut self) {
        self.column = self.column.saturating_sub(1);
    }

    /// Ends the / of ECHOPRT.
    pub(super) fn finish_erasing(&mut self) {
        if self.erasing {
            self.erasing = false;
            self.echo_plain(b'/');
        }
    }

    /// Sends echo that waited, as far as there is room.
    pub(super) fn send_echoes(&mut self) {
        if self.stopped || self.echoes.is_empty() {
            return;
        }
        let count = self.echoes.len().min(OUTPUT_MAX - self.output.len());
        self.output.extend(self.echoes.drain(..count));
    }

    /// Output goes on (START).
    pub fn start(&mut self) {
        self.stopped = false;
        self.send_echoes();
    }

    /// Output is held (STOP).
    pub fn stop(&mut self) {
        self.stopped = true;
    }
}

/// Upper case, Latin-1's letters included (the kernel's toupper()).
fn upper(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | 0xdf..=0xf6 | 0xf8..=0xff => byte - 0x20,
        _ => byte,
    }
}
