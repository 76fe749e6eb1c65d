use super::*;
use crate::signal::Signal;
use proptest::prelude::*;

const NOTHING: SignalSet = SignalSet(0);

fn new(change: impl FnOnce(&mut Termios)) -> Line {
    let mut termios = Termios::default();
    change(&mut termios);
    Line::new(termios)
}

fn cooked() -> Line {
    new(|_| ())
}

fn raw() -> Line {
    Line::new(Termios::default().raw())
}

/// Types, and returns the signals.
fn key(line: &mut Line, bytes: &[u8]) -> SignalSet {
    let (count, signals) = line.type_bytes(bytes);
    assert_eq!(count, bytes.len());
    signals
}

fn read(line: &mut Line, want: usize) -> Vec<u8> {
    let mut got = Vec::new();
    let (count, _) = line.read(want, &mut |bytes| got.extend_from_slice(bytes));
    assert_eq!(count, got.len());
    got
}

fn screen(line: &mut Line) -> String {
    let mut got = Vec::new();
    line.take_output(usize::MAX, &mut |bytes| got.extend_from_slice(bytes));
    String::from_utf8_lossy(&got).into_owned()
}

/// What a line that was typed so is read as, and what was shown.
fn typed(change: impl FnOnce(&mut Termios), bytes: &[u8]) -> (String, String) {
    let mut line = new(change);
    key(&mut line, bytes);
    (String::from_utf8_lossy(&read(&mut line, 8192)).into_owned(), screen(&mut line))
}

fn both(read: &str, shown: &str) -> (String, String) {
    (read.to_owned(), shown.to_owned())
}

fn local(modes: LocalModes) -> impl Fn(&mut Termios) {
    move |termios| termios.local.toggle(modes)
}

#[test]
fn a_line_is_read_whole_when_it_ends() {
    let mut line = cooked();
    key(&mut line, b"hel");
    assert_eq!((line.readable(), screen(&mut line).as_str()), (0, "hel"));
    key(&mut line, b"lo\rnext\n");
    assert_eq!(line.readable(), 11);
    assert_eq!(screen(&mut line), "lo\r\nnext\r\n");
    assert_eq!(read(&mut line, 3), b"hel");
    assert_eq!(read(&mut line, 99), b"lo\n", "one line at a time");
    assert_eq!(read(&mut line, 99), b"next\n");
    assert_eq!((line.readable(), read(&mut line, 99)), (0, Vec::new()));
}

#[test]
fn end_of_file_ends_a_line_without_a_byte() {
    let mut line = cooked();
    key(&mut line, b"abc\x04\x04");
    assert_eq!(read(&mut line, 99), b"abc");
    assert_eq!((line.readable(), read(&mut line, 99)), (1, Vec::new()), "alone it is the end");
    assert_eq!(line.readable(), 0);
    // Right behind what fills the buffer it is no end of its own.
    key(&mut line, b"abc\x04");
    assert_eq!((read(&mut line, 3), line.readable()), (b"abc".to_vec(), 0));
    assert_eq!(screen(&mut line), "abcabc", "it is not shown");
}

#[test]
fn other_characters_may_end_a_line() {
    let eol = |termios: &mut Termios| {
        termios.set_character(Control::Eol, b';');
        termios.set_character(Control::Eol2, b'!');
    };
    assert_eq!(typed(eol, b"a;b").0, "a;");
    assert_eq!(typed(eol, b"a!b"), both("a!", "a!b"));
    let without = |termios: &mut Termios| {
        eol(termios);
        termios.local.remove(LocalModes::IEXTEN);
    };
    assert_eq!(typed(without, b"a!b\n").0, "a!b\n");
}

#[test]
fn erasing_wipes_what_was_shown() {
    assert_eq!(typed(|_| (), b"ab\x7fc\n"), both("ac\n", "ab\x08 \x08c\r\n"));
    assert_eq!(typed(|_| (), b"\x7f\x7fa\n"), both("a\n", "a\r\n"), "nothing there is nothing done");
    assert_eq!(
        typed(|_| (), b"\x01\x7f\n"),
        both("\n", "^A\x08 \x08\x08 \x08\r\n"),
        "a control character has two columns"
    );
    assert_eq!(typed(local(LocalModes::ECHOCTL), b"\x01\x7f\n"), both("\n", "\x01\r\n"));
    assert_eq!(typed(local(LocalModes::ECHOE), b"ab\x7f\n"), both("a\n", "ab^?\r\n"));
    assert_eq!(typed(local(LocalModes::ECHO), b"ab\x7f\n"), both("a\n", ""));
    // Not beyond the start of the line.
    let mut line = cooked();
    key(&mut line, b"done\n\x7f\x15\x17x\n");
    assert_eq!((read(&mut line, 99), read(&mut line, 99)), (b"done\n".to_vec(), b"x\n".to_vec()));
}

#[test]
fn erasing_takes_whole_characters_of_utf8() {
    let utf8 = |termios: &mut Termios| termios.input.insert(InputModes::IUTF8);
    assert_eq!(typed(utf8, "né\x7f\n".as_bytes()), both("n\n", "né\x08 \x08\r\n"));
    assert_eq!(typed(utf8, "€\x7f\x7f\n".as_bytes()).0, "\n");
    assert_eq!(typed(utf8, b"\xa9\x7f\n").0.chars().count(), 2, "a lone rest of a character stays");
    let mut line = cooked();
    key(&mut line, "é\x7f\n".as_bytes());
    assert_eq!(read(&mut line, 9), b"\xc3\n", "without it a byte");
}

#[test]
fn erasing_a_tab_goes_back_to_where_it_began() {
    assert_eq!(typed(|_| (), b"ab\t\x7fc\n"), both("abc\n", "ab\t\x08\x08\x08\x08\x08\x08c\r\n"));
    assert_eq!(typed(|_| (), b"\t\t\x7f\n").1, "\t\t\x08\x08\x08\x08\x08\x08\x08\x08\r\n");
    // A prompt before the line is counted.
    let mut line = cooked();
    line.write(b"$ ");
    key(&mut line, b"\t\x7f");
    assert_eq!(screen(&mut line), "$ \t\x08\x08\x08\x08\x08\x08");
}

#[test]
fn words_and_lines_are_erased() {
    assert_eq!(typed(|_| (), b"one two_3  \x17x\n").0, "one x\n");
    assert_eq!(typed(|_| (), "à é\x17\n".as_bytes()).0, "à \n");
    assert_eq!(typed(local(LocalModes::IEXTEN), b"a b\x17\n").0, "a b\x17\n");
    assert_eq!(typed(|_| (), b"ab\x15c\n"), both("c\n", "ab\x08 \x08\x08 \x08c\r\n"));
    assert_eq!(typed(local(LocalModes::ECHOKE), b"ab\x15c\n"), both("c\n", "ab^U\r\nc\r\n"));
    assert_eq!(typed(local(LocalModes::ECHOKE | LocalModes::ECHOK), b"ab\x15c\n"), both("c\n", "ab^Uc\r\n"));
    assert_eq!(typed(local(LocalModes::ECHO), b"ab\x15c\n"), both("c\n", ""));
}

#[test]
fn a_printing_terminal_shows_what_is_erased() {
    assert_eq!(typed(local(LocalModes::ECHOPRT), b"abc\x7f\x7fd\n"), both("ad\n", "abc\\cb/d\r\n"));
    let utf8 = |termios: &mut Termios| {
        termios.local.insert(LocalModes::ECHOPRT);
        termios.input.insert(InputModes::IUTF8);
    };
    assert_eq!(typed(utf8, "né\x7f\n".as_bytes()), both("n\n", "né\\é\r\n"), "a newline closes nothing, as on Linux");
}

#[test]
fn the_next_character_can_be_taken_literally() {
    assert_eq!(typed(|_| (), b"a\x16\x7fb\n"), both("a\x7fb\n", "a^\x08^?b\r\n"));
    let mut line = cooked();
    assert_eq!(key(&mut line, b"\x16\x03"), NOTHING);
    key(&mut line, b"\x16\n\n");
    assert_eq!(read(&mut line, 9), b"\x03\n\n", "a newline too");
    assert_eq!(typed(local(LocalModes::ECHO), b"\x16\x15\n"), both("\x15\n", ""));
}

#[test]
fn the_line_can_be_shown_again() {
    assert_eq!(typed(|_| (), b"old\nab\x12\n").1, "old\r\nab^R\r\nab\r\n");
    assert_eq!(typed(local(LocalModes::ECHO), b"ab\x12\n"), both("ab\x12\n", ""));
}

#[test]
fn echo_follows_its_modes() {
    assert_eq!(typed(|_| (), b"\x01\x1b[A\t\n").1, "^A^[[A\t\r\n");
    assert_eq!(typed(local(LocalModes::ECHO | LocalModes::ECHONL), b"ab\n").1, "\r\n", "ECHONL alone");
    let plain = |termios: &mut Termios| termios.output.remove(OutputModes::OPOST);
    assert_eq!(typed(plain, b"a\n").1, "a\n");
    let upper = |termios: &mut Termios| termios.output.insert(OutputModes::OLCUC);
    assert_eq!(typed(upper, b"ab\n").1, "AB\r\n");
}

#[test]
fn signals_come_from_their_characters_and_flush() {
    let mut line = cooked();
    line.write(b"much output");
    key(&mut line, b"line\nhalf");
    assert_eq!(key(&mut line, b"\x03"), NOTHING.with(Signal::INT));
    assert_eq!((line.readable(), screen(&mut line).as_str()), (0, "^C"));
    assert_eq!(key(&mut line, b"\x1c\x1a"), NOTHING.with(Signal::QUIT).with(Signal::TSTP));
    key(&mut line, b"rest\n");
    assert_eq!(read(&mut line, 9), b"rest\n", "half of a line is gone with the signal");

    let mut line = new(local(LocalModes::NOFLSH));
    line.write(b"out");
    key(&mut line, b"half\x03\n");
    assert_eq!((read(&mut line, 9), screen(&mut line)), (b"half\n".to_vec(), "outhalf^C\r\n".to_owned()));

    let mut line = new(local(LocalModes::ISIG));
    assert_eq!(key(&mut line, b"\x03\n"), NOTHING);
    assert_eq!(read(&mut line, 9), b"\x03\n");

    let mut line = new(|termios| termios.set_character(Control::Intr, 0));
    assert_eq!(key(&mut line, b"\0\x03\n"), NOTHING, "0 is no character");
    assert_eq!(read(&mut line, 9), b"\0\x03\n");
}

#[test]
fn output_stops_and_starts() {
    let mut line = cooked();
    line.write(b"one ");
    key(&mut line, b"\x13typed");
    assert_eq!((line.write(b"two"), line.is_writable()), (0, false));
    assert_eq!(screen(&mut line), "one ", "echo waits too, and what was written is there");
    key(&mut line, b"\x11");
    assert_eq!(line.write(b"two"), 3);
    assert_eq!(screen(&mut line), "typedtwo");
    key(&mut line, b"\n");
    assert_eq!(read(&mut line, 9), b"typed\n", "START and STOP are no input");

    key(&mut line, b"\x13");
    assert_eq!(key(&mut line, b"\x03"), NOTHING.with(Signal::INT));
    assert!(line.is_writable(), "a signal starts it");
    key(&mut line, b"\x13x");
    assert!(!line.is_writable());

    let mut line = new(|termios| termios.input.insert(InputModes::IXANY));
    key(&mut line, b"\x13x");
    assert!(line.is_writable());
    let mut line = new(|termios| termios.input.remove(InputModes::IXON));
    key(&mut line, b"\x13\n");
    assert_eq!((line.is_writable(), read(&mut line, 9)), (true, b"\x13\n".to_vec()));
}

#[test]
fn a_terminal_held_when_flow_control_ends_goes_on() {
    let mut line = cooked();
    key(&mut line, b"\x13x");
    let mut termios = *line.termios();
    termios.input.remove(InputModes::IXON);
    line.set_termios(termios);
    assert_eq!((line.is_writable(), screen(&mut line).as_str()), (true, "x"));
}

#[test]
fn input_is_mapped() {
    let input = |on: InputModes, off: InputModes| {
        move |termios: &mut Termios| {
            termios.input.insert(on);
            termios.input.remove(off);
        }
    };
    assert_eq!(typed(input(InputModes::empty(), InputModes::ICRNL), b"a\rb\n").0, "a\rb\n");
    assert_eq!(typed(input(InputModes::IGNCR, InputModes::empty()), b"a\rb\n").0, "ab\n");
    let swapped = input(InputModes::INLCR, InputModes::empty());
    assert_eq!(typed(swapped, b"a\nb\r").0, "a\rb\n");
    assert_eq!(typed(input(InputModes::ISTRIP, InputModes::empty()), b"\xe1\x8a").0, "a\n");
    assert_eq!(typed(input(InputModes::IUCLC, InputModes::empty()), b"ABc\n").0, "abc\n");
    let mut line = new(input(InputModes::IUCLC, InputModes::empty()));
    key(&mut line, b"\xc4\xd7\n");
    assert_eq!(read(&mut line, 9), b"\xe4\xd7\n", "Latin-1, as in Linux");
    let mut line = new(input(InputModes::PARMRK, InputModes::empty()));
    key(&mut line, b"a\xffb\n");
    assert_eq!(read(&mut line, 9), b"a\xff\xffb\n");
}

#[test]
fn output_is_processed() {
    let shown = |change: &dyn Fn(&mut OutputModes), bytes: &[u8]| {
        let mut line = new(|termios| change(&mut termios.output));
        assert_eq!(line.write(bytes), bytes.len());
        screen(&mut line)
    };
    assert_eq!(shown(&|_| (), b"a\nb\r\n"), "a\r\nb\r\r\n");
    assert_eq!(shown(&|modes| modes.remove(OutputModes::ONLCR), b"a\nb"), "a\nb");
    assert_eq!(shown(&|modes| modes.remove(OutputModes::OPOST), b"a\n\tb"), "a\n\tb");
    assert_eq!(shown(&|modes| modes.insert(OutputModes::OCRNL), b"a\rb"), "a\nb");
    assert_eq!(shown(&|modes| modes.insert(OutputModes::ONOCR), b"\ra\rb\n\r"), "a\rb\r\n");
    let newline_returns = |modes: &mut OutputModes| {
        modes.remove(OutputModes::ONLCR);
        modes.insert(OutputModes::ONLRET | OutputModes::ONOCR);
    };
    assert_eq!(shown(&newline_returns, b"a\n\rb"), "a\nb", "column 0 already");
    assert_eq!(shown(&|modes| modes.insert(OutputModes::OLCUC), b"az{\n"), "AZ{\r\n");
    assert_eq!(shown(&|modes| modes.insert(OutputModes::XTABS), b"ab\tc\t\n"), "ab      c       \r\n");
    assert_eq!(shown(&|modes| modes.insert(OutputModes::XTABS), b"abc\x08\x1b\t"), "abc\x08\x1b      ");
}

#[test]
fn columns_of_utf8_are_characters() {
    let mut line = new(|termios| {
        termios.input.insert(InputModes::IUTF8);
        termios.output.insert(OutputModes::XTABS);
    });
    line.write("éé\t|".as_bytes());
    assert_eq!(screen(&mut line), "éé      |");
}

#[test]
fn a_full_output_takes_no_half_of_a_newline() {
    let mut line = cooked();
    assert_eq!(line.write(&vec![b'x'; OUTPUT_MAX - 1]), OUTPUT_MAX - 1);
    assert_eq!(line.write(b"\nx"), 0);
    assert!(!line.is_writable());
    let mut one = Vec::new();
    line.take_output(1, &mut |bytes| one.extend_from_slice(bytes));
    assert_eq!((line.write(b"\nx"), line.output_len()), (1, OUTPUT_MAX));
    assert_eq!(line.write(b"x"), 0);
}

#[test]
fn echo_that_finds_no_room_waits_and_is_bounded() {
    let mut line = cooked();
    line.write(&vec![b'x'; OUTPUT_MAX]);
    key(&mut line, b"echo\n");
    assert_eq!(line.output_len(), OUTPUT_MAX);
    assert!(screen(&mut line).ends_with('x'));
    assert_eq!(screen(&mut line), "echo\r\n");
    key(&mut line, b"\x13");
    for _ in 0..10_000 {
        key(&mut line, b"x\x7f");
    }
    assert_eq!(line.echoes.len(), ECHO_MAX);
    key(&mut line, b"\x11");
    assert_eq!(screen(&mut line).len(), ECHO_MAX);
}

#[test]
fn a_line_too_long_keeps_its_start_and_its_end() {
    let mut line = new(|termios| termios.input.insert(InputModes::IMAXBEL));
    key(&mut line, &[b'a'; 5000]);
    assert_eq!((line.readable(), line.input.len()), (0, INPUT_MAX));
    assert_eq!(screen(&mut line).matches('\x07').count(), 5000 - INPUT_MAX);
    key(&mut line, b"\n");
    let got = read(&mut line, 9999);
    assert_eq!((got.len(), got[4094], got[4095]), (4096, b'a', b'\n'));
    // Editing goes on there too.
    key(&mut line, &[b'a'; 5000]);
    key(&mut line, b"\x15short\n");
    assert_eq!(read(&mut line, 9999), b"short\n");
}

#[test]
fn who_does_not_read_holds_the_typist_back() {
    for mut line in [cooked(), raw()] {
        let lines = vec![b'\n'; INPUT_MAX + TYPED_MAX + 100];
        let (count, _) = line.type_bytes(&lines);
        assert_eq!(count, INPUT_MAX - 1 + TYPED_MAX);
        assert_eq!((line.typing_room(), line.type_bytes(b"x").0), (0, 0));
        let mut got = 0;
        while line.readable() > 0 {
            got += read(&mut line, 1 << 20).len();
        }
        assert_eq!((got, line.typing_room()), (count, TYPED_MAX));
    }
}

#[test]
fn a_signal_behind_a_full_input_comes_when_it_is_read() {
    let mut line = cooked();
    assert_eq!(key(&mut line, &[b'\n'; INPUT_MAX]), NOTHING);
    assert_eq!(key(&mut line, b"\x03"), NOTHING);
    let (_, signals) = line.read(9, &mut |_| ());
    assert_eq!(signals, NOTHING, "room for the newline");
    let (_, signals) = line.read(9, &mut |_| ());
    assert_eq!((signals, line.readable()), (NOTHING.with(Signal::INT), 0));
}

#[test]
fn switching_modes_keeps_what_was_typed() {
    let mut line = cooked();
    key(&mut line, b"line\nhalf\x04rest");
    line.set_termios(line.termios().raw());
    assert_eq!(line.readable(), 14);
    assert_eq!(read(&mut line, 99), b"line\nhalf\0rest", "an end of file is a byte 0");

    let mut line = raw();
    key(&mut line, b"some bytes\n\x03");
    line.set_termios(line.termios().cooked());
    assert_eq!((line.readable(), read(&mut line, 4)), (12, b"some".to_vec()), "a line");
    assert_eq!(read(&mut line, 99), b" bytes\n\x03");
    key(&mut line, b"on\n");
    assert_eq!(read(&mut line, 99), b"on\n");

    let mut line = raw();
    line.set_termios(line.termios().cooked());
    assert_eq!(line.readable(), 0, "nothing is no line");
}

#[test]
fn bytes_that_waited_are_looked_at_in_the_new_mode() {
    let mut line = raw();
    key(&mut line, &[b'x'; INPUT_MAX]);
    key(&mut line, b"\x03");
    assert_eq!(line.set_termios(Termios::default()), NOTHING, "there is still no room");
    let (_, signals) = line.read(INPUT_MAX, &mut |_| ());
    assert_eq!(signals, NOTHING.with(Signal::INT));
}

#[test]
fn flushing_drops_both_ways() {
    let mut line = cooked();
    line.write(b"out");
    key(&mut line, b"in\nhalf");
    line.discard_input();
    assert_eq!(line.readable(), 0);
    key(&mut line, b"x\n");
    assert_eq!(read(&mut line, 9), b"x\n");
    line.discard_output();
    assert_eq!(screen(&mut line), "");
}

#[test]
fn raw_and_back_is_the_same() {
    let termios = Termios::default();
    assert_eq!(termios.raw().cooked(), termios);
    assert_eq!(termios.raw().raw(), termios.raw());
    assert!(!termios.raw().local.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG));
}

/// A byte that takes two places has them, where a line that is too long gives its last one away.
#[test]
fn a_marked_byte_at_the_end_of_a_long_line_keeps_the_bound() {
    let mut line = Line::new(Termios::default());
    line.type_bytes(&[b'a'; 2 * INPUT_MAX]);
    assert_eq!(line.input.len(), INPUT_MAX);
    let mut marked = *line.termios();
    marked.input.insert(InputModes::PARMRK);
    marked.input.remove(InputModes::ISTRIP);
    line.set_termios(marked);
    for _ in 0..3 {
        line.type_bytes(&[0xff]);
        assert!(line.input.len() <= INPUT_MAX, "{}", line.input.len());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Type(Vec<u8>),
    Read(usize),
    Write(Vec<u8>),
    Take(usize),
    Set(u32, u32, u32, [u8; CONTROL]),
    Discard,
}

const CONTROL: usize = crate::pty::termios::CONTROL_CHARACTERS;

/// Bytes among which control characters are frequent.
fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(prop_oneof![0u8..0x20, any::<u8>(), Just(0x7f)], 0..64),
        (any::<u8>(), 0..most).prop_map(|(byte, count)| vec![byte; count]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => bytes(9000).prop_map(Step::Type),
        3 => (0usize..9000).prop_map(Step::Read),
        3 => bytes(40_000).prop_map(Step::Write),
        3 => (0usize..90_000).prop_map(Step::Take),
        2 => (any::<u32>(), any::<u32>(), any::<u32>(), prop::array::uniform19(0u8..0x20))
            .prop_map(|(input, output, local, characters)| Step::Set(input, output, local, characters)),
        1 => Just(Step::Discard),
    ]
}

fn check(line: &Line) {
    assert!(line.input.len() <= INPUT_MAX);
    assert!(line.typed.len() <= TYPED_MAX);
    assert!(line.output.len() <= OUTPUT_MAX);
    assert!(line.echoes.len() <= ECHO_MAX);
    assert!(line.complete <= line.input.len());
    assert!(line.ends.len() <= line.complete);
    assert!(line.ends.iter().all(|end| (line.taken..line.taken + line.complete as u64).contains(end)));
    assert!(line.ends.iter().zip(line.ends.iter().skip(1)).all(|(one, next)| one < next));
    if line.is_canonical() && line.complete > 0 {
        assert_eq!(line.ends.back(), Some(&(line.taken + line.complete as u64 - 1)), "lines end where they end");
    }
}

/// A line shown again for each of so many characters would be a thousand million bytes.
#[test]
fn a_line_is_not_shown_again_where_nothing_can_be_seen() {
    let mut line = cooked();
    key(&mut line, &[1; 4000]);
    let again = vec![0x12; TYPED_MAX];
    for _ in 0..8 {
        key(&mut line, &again);
        assert!(line.output_len() <= OUTPUT_MAX && line.echoes.len() <= ECHO_MAX);
    }
    assert!(line.output_len() + line.echoes.len() > OUTPUT_MAX, "as long as there was room it was shown");
    screen(&mut line);
    screen(&mut line);
    key(&mut line, b"\x12");
    assert_eq!(screen(&mut line), format!("^R\r\n{}", "^A".repeat(4000)), "and when there is room again");
    key(&mut line, b"\n");
    assert_eq!(read(&mut line, 8192).len(), 4001);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_breaks_the_bounds(steps in prop::collection::vec(step(), 0..40)) {
        let mut line = cooked();
        for step in steps {
            match step {
                Step::Type(bytes) => {
                    let (count, _) = line.type_bytes(&bytes);
                    prop_assert!(count == bytes.len() || line.typing_room() == 0);
                }
                Step::Read(want) => {
                    let there = line.readable();
                    let mut got = 0;
                    let (count, _) = line.read(want, &mut |bytes| got += bytes.len());
                    prop_assert!(got == count && count <= want);
                    prop_assert!(!line.is_canonical() || count <= there);
                }
                Step::Write(bytes) => prop_assert!(line.write(&bytes) <= bytes.len()),
                Step::Take(want) => {
                    let there = line.output_len();
                    prop_assert_eq!(line.take_output(want, &mut |_| ()), want.min(there));
                }
                Step::Set(input, output, local, characters) => {
                    line.set_termios(Termios {
                        input: InputModes::from_bits_retain(input),
                        output: OutputModes::from_bits_retain(output),
                        control: 0,
                        local: LocalModes::from_bits_retain(local),
                        characters,
                    });
                }
                Step::Discard => line.discard_input(),
            }
            check(&line);
        }
    }

    #[test]
    fn raw_mode_changes_nothing(parts in prop::collection::vec((bytes(6000), bytes(30_000)), 0..20)) {
        let mut line = raw();
        let (mut sent, mut got) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (typed, written) in parts {
            let (count, signals) = line.type_bytes(&typed);
            prop_assert_eq!(signals, NOTHING);
            sent.0.extend_from_slice(&typed[..count]);
            let count = line.write(&written);
            sent.1.extend_from_slice(&written[..count]);
            got.0.extend(read(&mut line, 5000));
            line.take_output(20_000, &mut |bytes| got.1.extend_from_slice(bytes));
        }
        while line.readable() > 0 {
            got.0.extend(read(&mut line, 5000));
        }
        line.take_output(usize::MAX, &mut |bytes| got.1.extend_from_slice(bytes));
        prop_assert_eq!(sent, got);
    }

    #[test]
    fn how_bytes_are_split_makes_no_difference(bytes in bytes(3000), splits in prop::collection::vec(1usize..50, 1..200)) {
        let (mut whole, mut parts) = (cooked(), cooked());
        let signals = whole.type_bytes(&bytes).1;
        let mut rest = bytes.as_slice();
        let mut other = NOTHING;
        for split in splits.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, behind) = rest.split_at(rest.len().min(*split));
            other = other.plus(parts.type_bytes(part).1);
            rest = behind;
        }
        prop_assert_eq!(signals, other);
        prop_assert_eq!(&whole.input, &parts.input);
        prop_assert_eq!(&whole.ends, &parts.ends);
        prop_assert_eq!(screen(&mut whole), screen(&mut parts));
    }
}
