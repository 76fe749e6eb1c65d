//! Terminal attributes: struct termios with Linux's bits and numbers.

use bitflags::bitflags;

bitflags! {
    /// c_iflag: what becomes of typed bytes. BRKINT, IGNBRK, IGNPAR and INPCK are kept and mean nothing without a line
    /// that can break; IXOFF likewise, since Linux's pseudo-terminals send no STOP either.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct InputModes: u32 {
        /// Ignore breaks.
        const IGNBRK = 0x1;
        /// A break is an interrupt.
        const BRKINT = 0x2;
        /// Ignore framing errors.
        const IGNPAR = 0x4;
        /// Mark errors; a byte 255 is doubled.
        const PARMRK = 0x8;
        /// Check parity.
        const INPCK = 0x10;
        /// Cut bytes to seven bits.
        const ISTRIP = 0x20;
        /// Newline becomes carriage return.
        const INLCR = 0x40;
        /// Drop carriage returns.
        const IGNCR = 0x80;
        /// Carriage return becomes newline.
        const ICRNL = 0x100;
        /// Upper case becomes lower case (with IEXTEN).
        const IUCLC = 0x200;
        /// STOP and START hold and release output.
        const IXON = 0x400;
        /// Any byte releases output.
        const IXANY = 0x800;
        /// Hold the typist back.
        const IXOFF = 0x1000;
        /// Ring the bell for a byte there is no room for.
        const IMAXBEL = 0x2000;
        /// Erasing takes whole UTF-8 characters.
        const IUTF8 = 0x4000;
        const _ = !0;
    }
}

bitflags! {
    /// c_oflag: what becomes of written bytes. Fill characters and delays are kept and mean nothing, as on Linux.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct OutputModes: u32 {
        /// The other bits mean something.
        const OPOST = 0x1;
        /// Lower case becomes upper case.
        const OLCUC = 0x2;
        /// Newline becomes carriage return and newline.
        const ONLCR = 0x4;
        /// Carriage return becomes newline.
        const OCRNL = 0x8;
        /// No carriage return at column 0.
        const ONOCR = 0x10;
        /// Newline returns the carriage too.
        const ONLRET = 0x20;
        /// Tabs become blanks.
        const XTABS = 0x1800;
        const _ = !0;
    }
}

bitflags! {
    /// c_lflag: editing, echo, signals.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct LocalModes: u32 {
        /// INTR, QUIT and SUSP send signals.
        const ISIG = 0x1;
        /// Input comes in lines that can be edited.
        const ICANON = 0x2;
        /// Echo what is typed.
        const ECHO = 0x8;
        /// ERASE and WERASE wipe the character they take.
        const ECHOE = 0x10;
        /// KILL ends the line it takes.
        const ECHOK = 0x20;
        /// Echo newlines without ECHO.
        const ECHONL = 0x40;
        /// A signal leaves what was typed and written.
        const NOFLSH = 0x80;
        /// A background process that writes is stopped.
        const TOSTOP = 0x100;
        /// Echo a control character as ^X.
        const ECHOCTL = 0x200;
        /// Echo what is erased, between \ and /.
        const ECHOPRT = 0x400;
        /// KILL wipes the line it takes.
        const ECHOKE = 0x800;
        /// WERASE, REPRINT, LNEXT, EOL2 and IUCLC work.
        const IEXTEN = 0x8000;
        const _ = !0;
    }
}

/// Control characters there are (Linux's NCCS in the kernel).
pub const CONTROL_CHARACTERS: usize = 19;

/// A place in c_cc, Linux's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "named as termios names them")]
pub enum Control {
    Intr = 0,
    Quit = 1,
    Erase = 2,
    Kill = 3,
    Eof = 4,
    Time = 5,
    Min = 6,
    Start = 8,
    Stop = 9,
    Susp = 10,
    Eol = 11,
    Reprint = 12,
    Discard = 13,
    WordErase = 14,
    LiteralNext = 15,
    Eol2 = 16,
}

/// The attributes of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termios {
    /// c_iflag.
    pub input: InputModes,
    /// c_oflag.
    pub output: OutputModes,
    /// c_cflag: size of bytes and speed, which a pseudo-terminal keeps and does not use.
    pub control: u32,
    /// c_lflag.
    pub local: LocalModes,
    /// c_cc; 0 is no character, but for MIN and TIME.
    pub characters: [u8; CONTROL_CHARACTERS],
}

impl Default for Termios {
    /// What Linux gives a new pseudo-terminal: lines, echo, signals, newlines mapped both ways.
    fn default() -> Termios {
        let mut characters = [0; CONTROL_CHARACTERS];
        for (at, byte) in [
            (Control::Intr, 0x03),
            (Control::Quit, 0x1c),
            (Control::Erase, 0x7f),
            (Control::Kill, 0x15),
            (Control::Eof, 0x04),
            (Control::Min, 1),
            (Control::Start, 0x11),
            (Control::Stop, 0x13),
            (Control::Susp, 0x1a),
            (Control::Reprint, 0x12),
            (Control::Discard, 0x0f),
            (Control::WordErase, 0x17),
            (Control::LiteralNext, 0x16),
        ] {
            characters[at as usize] = byte;
        }
        Termios {
            input: InputModes::ICRNL | InputModes::IXON,
            output: OutputModes::OPOST | OutputModes::ONLCR,
            control: 0xbf, // B38400, CS8, CREAD
            local: LocalModes::COOKED
                | LocalModes::ECHOE
                | LocalModes::ECHOK
                | LocalModes::ECHOCTL
                | LocalModes::ECHOKE,
            characters,
        }
    }
}

impl LocalModes {
    /// What raw mode takes away and cooked mode gives back.
    const COOKED: LocalModes =
        LocalModes::ISIG.union(LocalModes::ICANON).union(LocalModes::ECHO).union(LocalModes::IEXTEN);
}

impl Termios {
    /// A control character.
    pub const fn character(&self, which: Control) -> u8 {
        self.characters[which as usize]
    }

    /// Changes a control character.
    pub const fn set_character(&mut self, which: Control, byte: u8) {
        self.characters[which as usize] = byte;
    }

    /// With bytes passed on as they come, both ways: cfmakeraw().
    #[must_use]
    pub fn raw(mut self) -> Termios {
        self.input.remove(
            InputModes::IGNBRK
                | InputModes::BRKINT
                | InputModes::PARMRK
                | InputModes::ISTRIP
                | InputModes::INLCR
                | InputModes::IGNCR
                | InputModes::ICRNL
                | InputModes::IXON,
        );
        self.output.remove(OutputModes::OPOST);
        self.local.remove(LocalModes::COOKED | LocalModes::ECHONL);
        self.set_character(Control::Min, 1);
        self.set_character(Control::Time, 0);
        self
    }

    /// With lines, echo and signals as a new terminal has them; what raw mode leaves alone stays.
    #[must_use]
    pub fn cooked(mut self) -> Termios {
        self.input.remove(InputModes::INLCR | InputModes::IGNCR | InputModes::ISTRIP);
        self.input.insert(InputModes::ICRNL | InputModes::IXON);
        self.output.insert(OutputModes::OPOST | OutputModes::ONLCR);
        self.local.insert(LocalModes::COOKED);
        self
    }
}
