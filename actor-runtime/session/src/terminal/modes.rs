//! What a program told the terminal beside what is on the screen: modes that change what a client's terminal sends, where a
//! shell says it is, and what it asks.
//!
//! ```text
//! ESC [ ? 2004 h                 bracketed paste, mouse reports, focus reports: to be switched on for who comes later
//! ESC ] 7 ; file://host/path     the working directory, as shells tell terminal emulators (BEL or ESC \ at the end)
//! ESC [ 6 n   ESC [ c            where is the cursor, who are you: answered here, once
//! ```
//! Of a question the last byte is taken away (a CAN in its place ends it), so that none of the terminals that show the
//! stream answers too, and offsets stay as they are.

use std::collections::BTreeSet;

/// Modes that are kept: mouse (1000, 1002, 1003, 1005, 1006, 1015), focus (1004) and bracketed paste (2004).
const KEPT: [u16; 8] = [1000, 1002, 1003, 1004, 1005, 1006, 1015, 2004];
/// Bytes of a sequence that are looked at; a longer one is none of these.
const SEQUENCE_MAX: usize = 8192;
/// Bytes of a path.
const PATH_MAX: usize = 4096;

/// Ends a sequence without an effect.
const CAN: u8 = 0x18;

/// What a program asks its terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it works.
    Status,
    /// Where the cursor is.
    Cursor,
    /// What it is.
    Kind,
    /// Something that is not answered.
    Other,
}

/// Watches a terminal's output go by.
#[derive(Debug, Default)]
pub(super) struct Modes {
    on: BTreeSet<u16>,
    directory: Option<String>,
    state: State,
    sequence: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// `ESC [ ?` and what follows.
    Csi,
    /// `ESC ]` and what follows.
    Osc,
    /// An escape within that: its end, if `\` follows.
    OscEscape,
}

impl Modes {
    /// Looks at the next bytes, up to the first question: where that ends, and what it is.
    pub(super) fn feed(&mut self, bytes: &mut [u8]) -> Option<(usize, Question)> {
        for (index, byte) in bytes.iter_mut().enumerate() {
            if let Some(question) = self.asked(*byte) {
                *byte = CAN;
                self.state = State::Ground;
                return Some((index + 1, question));
            }
            self.take(*byte);
        }
        None
    }

    /// What switches the modes on that are on.
    pub(super) fn image(&self) -> String {
        self.on.iter().map(|mode| format!("\x1b[?{mode}h")).collect()
    }

    /// Where the shell last said it is.
    pub(super) fn directory(&self) -> Option<&str> {
        self.directory.as_deref()
    }

    /// What a program asks with this byte.
    fn asked(&self, byte: u8) -> Option<Question> {
        if self.state != State::Csi {
            return None;
        }
        match (&self.sequence[..], byte) {
            (b"5", b'n') => Some(Question::Status),
            (b"6", b'n') => Some(Question::Cursor),
            (b"" | b"0", b'c') => Some(Question::Kind),
            // Of a newer kind, and not answered by everyone.
            (b"?6" | b"?15" | b"?25" | b"?26", b'n') | (b">" | b">0" | b"=" | b"=0", b'c') => Some(Question::Other),
            _ => None,
        }
    }

    fn take(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            // CAN and SUB end whatever it was.
            (_, CAN | 0x1a) => State::Ground,
            (State::Osc, 0x1b) => State::OscEscape,
            (_, 0x1b) if self.state != State::OscEscape => State::Escape,
            (State::Ground, _) => State::Ground,
            (State::Escape, b'[') => self.begin(State::Csi),
            (State::Escape, b']') => self.begin(State::Osc),
            (State::Escape, b'c') => {
                self.on.clear();
                State::Ground
            }
            (State::Escape, _) => State::Ground,
            (State::Csi, 0x40..=0x7e) => {
                self.set_modes(byte);
                State::Ground
            }
            (State::Csi, _) => self.push(byte, State::Csi),
            (State::Osc, 0x07) | (State::OscEscape, b'\\') => {
                self.told();
                State::Ground
            }
            (State::Osc, _) => self.push(byte, State::Osc),
            (State::OscEscape, 0x1b) => State::Escape,
            (State::OscEscape, b'[') => self.begin(State::Csi),
            (State::OscEscape, b']') => self.begin(State::Osc),
            (State::OscEscape, _) => State::Ground,
        };
    }

    fn begin(&mut self, state: State) -> State {
        self.sequence.clear();
        state
    }

    fn push(&mut self, byte: u8, state: State) -> State {
        // What is too long is read to its end all the same, and is nothing.
        if self.sequence.len() <= SEQUENCE_MAX {
            self.sequence.push(byte);
        }
        state
    }

    fn set_modes(&mut self, last: u8) {
        let Some(numbers) = self.sequence.strip_prefix(b"?").and_then(|text| std::str::from_utf8(text).ok()) else {
            return;
        };
        let modes = numbers.split(';').filter_map(|number| number.parse().ok()).filter(|mode| KEPT.contains(mode));
        match last {
            b'h' => self.on.extend(modes),
            b'l' => modes.for_each(|mode| _ = self.on.remove(&mode)),
            _ => {}
        }
    }

    fn told(&mut self) {
        let Some(url) = self.sequence.strip_prefix(b"7;file://") else { return };
        let Some(begin) = url.iter().position(|byte| *byte == b'/') else { return };
        let path = String::from_utf8(decoded(&url[begin..])).ok();
        self.directory = path.filter(|path| path.len() <= PATH_MAX && !path.contains('\0')).or(self.directory.take());
    }
}

/// `%41` is `A`. Shells that escape nothing are understood too: what is no escape stays.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
