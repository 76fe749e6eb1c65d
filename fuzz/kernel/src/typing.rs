//! A terminal's line discipline, used from both ends in any order; and beside it one that is given each byte by itself,
//! which must be no different as long as there is room for echo (echo that does not fit waits, or is lost, by runs).

use arbitrary::Arbitrary;
use warren_kernel::pty::line::{INPUT_MAX, Line, OUTPUT_MAX, TYPED_MAX};
use warren_kernel::pty::termios::{CONTROL_CHARACTERS, InputModes, LocalModes, OutputModes, Termios};
use warren_kernel::signal::SignalSet;

/// One thing that happens to a terminal.
#[derive(Debug, Arbitrary)]
pub enum Event {
    /// These bytes are typed.
    Type(Vec<u8>),
    /// This byte is typed so often.
    Repeat(u8, u16),
    /// A program writes these bytes.
    Write(Vec<u8>),
    /// A program writes this byte so often.
    Fill(u8, u16),
    /// A program reads.
    Read(u16),
    /// The master takes output.
    Take(u16),
    /// A mode changes: which of the three, which bit.
    Mode(u8, u8),
    /// A control character changes.
    Character(u8, u8),
    /// Bytes pass as they come from now on.
    Raw,
    /// Lines, echo and signals from now on.
    Cooked,
    /// TCIFLUSH.
    DiscardInput,
    /// TCOFLUSH.
    DiscardOutput,
    /// Memory is given back.
    Shrink,
}

/// Room for output below which echo may have to wait: a full line that is wiped takes three bytes for each of its own.
const ECHO_ROOM: usize = 4 * INPUT_MAX;

/// The two lines; the second is let go when echo of the first may have waited.
struct Pair {
    whole: Line,
    bytewise: Option<Line>,
}

/// Lets it all happen.
pub fn run(events: &[Event]) {
    let mut pair = Pair { whole: Line::new(Termios::default()), bytewise: Some(Line::new(Termios::default())) };
    for event in events {
        pair.happen(event);
        pair.check();
    }
    pair.end_raw();
}

impl Pair {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Type(bytes) => self.type_bytes(bytes),
            Event::Repeat(byte, count) => self.type_bytes(&vec![*byte; usize::from(*count)]),
            Event::Write(bytes) => self.write(bytes),
            Event::Fill(byte, count) => self.write(&vec![*byte; usize::from(*count)]),
            Event::Read(want) => drop(self.read(usize::from(*want))),
            Event::Take(want) => drop(self.take(usize::from(*want))),
            Event::Mode(which, bit) => self.change(|termios| {
                let bit = 1u32 << (bit % 32);
                match which % 3 {
                    0 => termios.input ^= InputModes::from_bits_retain(bit),
                    1 => termios.output ^= OutputModes::from_bits_retain(bit),
                    _ => termios.local ^= LocalModes::from_bits_retain(bit),
                }
            }),
            Event::Character(at, byte) => {
                self.change(|termios| termios.characters[usize::from(*at) % CONTROL_CHARACTERS] = *byte);
            }
            Event::Raw => self.change(|termios| *termios = termios.raw()),
            Event::Cooked => self.change(|termios| *termios = termios.cooked()),
            Event::DiscardInput => self.both(Line::discard_input),
            Event::DiscardOutput => self.both(Line::discard_output),
            Event::Shrink => self.whole.shrink(),
        }
    }

    fn both(&mut self, change: impl Fn(&mut Line)) {
        change(&mut self.whole);
        self.bytewise.as_mut().into_iter().for_each(change);
    }

    fn change(&mut self, change: impl Fn(&mut Termios)) {
        let mut termios = *self.whole.termios();
        change(&mut termios);
        let signals = self.whole.set_termios(termios);
        if let Some(line) = &mut self.bytewise {
            assert_eq!(line.set_termios(termios), signals);
        }
    }

    fn type_bytes(&mut self, bytes: &[u8]) {
        let (count, signals) = self.whole.type_bytes(bytes);
        assert!(count == bytes.len() || self.whole.typing_room() == 0);
        if !self.whole.is_writable() || self.whole.output_room() < ECHO_ROOM {
            self.bytewise = None;
        }
        let Some(line) = &mut self.bytewise else { return };
        let (mut one_by_one, mut sum) = (0, SignalSet::default());
        for byte in bytes {
            let (taken, signals) = line.type_bytes(&[*byte]);
            sum = sum.plus(signals);
            one_by_one += taken;
            if taken == 0 {
                break;
            }
        }
        assert_eq!((one_by_one, sum), (count, signals));
    }

    fn write(&mut self, bytes: &[u8]) {
        let writable = self.whole.is_writable();
        let count = self.whole.write(bytes);
        if let Some(line) = &mut self.bytewise {
            let one_by_one = bytes.iter().take_while(|byte| line.write(&[**byte]) == 1).count();
            assert_eq!(one_by_one, count);
        }
        assert!(count <= bytes.len() && (count > 0 || bytes.is_empty() || !writable));
    }

    fn read(&mut self, want: usize) -> Vec<u8> {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let readable = self.whole.readable();
        let (count, signals) = self.whole.read(want, &mut |bytes| one.extend_from_slice(bytes));
        if let Some(line) = &mut self.bytewise {
            let other = line.read(want, &mut |bytes| two.extend_from_slice(bytes));
            assert_eq!((count, signals), other);
            assert_eq!(one, two);
        }
        assert_eq!(one.len(), count);
        assert!(count <= want && (count == 0 || readable > 0));
        one
    }

    fn take(&mut self, want: usize) -> Vec<u8> {
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let there = self.whole.output_len();
        let count = self.whole.take_output(want, &mut |bytes| one.extend_from_slice(bytes));
        if let Some(line) = &mut self.bytewise {
            assert_eq!(line.take_output(want, &mut |bytes| two.extend_from_slice(bytes)), count);
            assert_eq!(one, two);
        }
        assert_eq!((one.len(), count), (count, want.min(there)));
        one
    }

    fn check(&self) {
        for line in [&self.whole].into_iter().chain(&self.bytewise) {
            assert!(line.readable() <= INPUT_MAX && line.output_len() <= OUTPUT_MAX && line.typing_room() <= TYPED_MAX);
            assert_eq!(line.output_room(), OUTPUT_MAX - line.output_len());
        }
        let shown = |line: &Line| (line.readable(), line.typing_room(), line.output_len(), line.is_writable());
        if let Some(line) = &self.bytewise {
            assert_eq!(shown(&self.whole), shown(line));
        }
    }

    /// Whatever it went through, a raw line passes every byte on as it is, both ways.
    fn end_raw(&mut self) {
        self.both(Line::discard_input);
        self.both(Line::discard_output);
        self.change(|termios| *termios = Termios::default().raw());
        self.both(Line::discard_input);
        self.both(Line::discard_output);
        let all: Vec<u8> = (0..=255).collect();
        self.type_bytes(&all);
        assert_eq!(self.read(1000), all);
        self.write(&all);
        assert_eq!(self.take(1000), all);
    }
}
