#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn screen(rows: u16, columns: u16) -> Screen {
    Screen::new(WindowSize::new(rows, columns))
}

impl Screen {
    fn feeds(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.feed(&mut bytes.to_vec())
    }
}

/// What a new terminal of the same size shows after the image.
fn again(screen: &mut Screen) -> Screen {
    let mut other = Screen::new(screen.size());
    other.feeds(&screen.image());
    other
}

fn lines(screen: &Screen) -> Vec<String> {
    screen.terminal.primary_screen().all_lines().map(|line| line.text().trim_end().to_owned()).collect()
}

#[test]
fn an_image_shows_the_same() {
    let mut one = screen(4, 20);
    for number in 0..30 {
        one.feeds(format!("\x1b[3{}mline {number}\x1b[m\r\n", number % 8).as_bytes());
    }
    one.feeds("\x1b[1mwide 界\x1b[m \x1b[?2004h$ ".as_bytes());
    let other = again(&mut one);
    let written = |screen: &Screen| {
        let all = lines(screen).into_iter();
        all.filter(|line| !line.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(written(&other), written(&one));
    let (mut other, cursor) = (other, one.cursor());
    assert_eq!((other.text(), other.cursor()), (one.text(), cursor));
    assert_eq!(other.modes.image(), "\x1b[?2004h");
    // An editor's screen, and the one below it.
    one.feeds(b"\x1b[?1049h\x1b[2J\x1b[2;3Heditor");
    let mut other = again(&mut one);
    assert_eq!((other.text(), other.cursor()), (one.text(), one.cursor()));
    for screen in [&mut one, &mut other] {
        screen.feeds(b"\x1b[?1049l");
    }
    assert_eq!(other.text(), one.text());
}

#[test]
fn a_notice_comes_back_from_wherever_the_program_was() {
    let mut one = screen(5, 60);
    one.feeds(b"$ vi\r\n\x1b[?1049h\x1b[?1000h\x1b[?2004h\x1b[2;3r\x1b[?25l\x1b[31mtext");
    let mut viewer = again(&mut one);
    let notice = one.notice("gone");
    viewer.feeds(notice.as_bytes());
    assert_eq!((viewer.text(), viewer.cursor()), (one.text(), one.cursor()), "whoever looks sees the same");
    let text = one.text();
    assert!(text.contains(&"[warren: gone]".to_owned()) && text[0] == "$ vi", "{text:?}");
    assert_eq!(one.modes.image(), "");
    assert!(one.cursor().2, "the cursor is seen");
    one.feeds(b"\n\n\n\n\n\nx");
    assert!(one.text()[4].contains('x'), "all of it scrolls");
}

#[test]
fn characters_come_in_pieces() {
    let text = "é界🎉 and \u{fffd}".as_bytes();
    let mut one = screen(2, 40);
    for byte in text {
        one.feeds(std::slice::from_ref(byte));
    }
    assert_eq!(one.text()[0], "é界🎉 and \u{fffd}");
    let mut broken = screen(2, 40);
    broken.feeds(b"a\xff\xfeb\xe7");
    broken.feeds(b"c");
    assert_eq!(broken.text()[0], "a\u{fffd}\u{fffd}b\u{fffd}c");
}

#[test]
fn a_shell_says_where_it_is() {
    let mut one = screen(2, 40);
    assert_eq!(one.directory(), None);
    one.feeds(b"\x1b]7;file://host/home/a%20b\x07$ ");
    assert_eq!(one.directory(), Some("/home/a b"));
    one.feeds(b"\x1b]7;file://host/t");
    one.feeds(b"mp\x1b\\");
    assert_eq!(one.directory(), Some("/tmp"));
    for bad in
        [&b"\x1b]7;file://host\x07"[..], b"\x1b]7;/x\x07", b"\x1b]7;file://h/%00\x07", b"\x1b]7;file://h/\xff\x07"]
    {
        one.feeds(bad);
    }
    one.feeds(format!("\x1b]7;file://h/{}\x07", "x".repeat(5000)).as_bytes());
    one.feeds(b"\x1b]7;file://h/cut\x18\x07");
    assert_eq!(one.directory(), Some("/tmp"));
}

#[test]
fn a_resize_keeps_what_there_is() {
    let mut one = screen(3, 100);
    for number in 0..20 {
        one.feeds(format!("line {number}\r\n").as_bytes());
    }
    for (rows, columns) in [(10, 300), (2, 20), (65535, 65535), (0, 0), (5, 100)] {
        one.resize(WindowSize::new(rows, columns));
        let size = one.size();
        assert!((1..=ROWS_MAX).contains(&size.rows) && (1..=COLUMNS_MAX).contains(&size.columns));
    }
    let mut one = screen(3, 100);
    one.feeds(b"first\r\nsecond\r\n");
    one.resize(WindowSize::new(6, 390));
    assert_eq!(&one.text()[..2], ["first", "second"]);
}

/// Sequences put together at random: nothing fails, nothing grows, and an image of it can be made at any moment.
#[test]
fn hostile_output_holds_so_much_and_no_more() {
    let pieces: &[&[u8]] = &[
        b"\x1b[",
        b"\x1b]",
        b"\x1b]7;file://",
        b"\x07",
        b"\x1b\\",
        b"\x1b[?1049h",
        b"\x1b[?1049l",
        b"\x1b[?47h",
        b"\x1b[?1000h",
        "界".as_bytes(),
        "e\u{301}".as_bytes(),
        "👨\u{200d}👩".as_bytes(),
        b"\xff",
        b"\xe7\x95",
        b"\r\n",
        b"abc",
        b"\x1b[2J",
        b"\x1b[3J",
        b"\x1b[H",
        b"\x1b[r",
        b"\x1b[2;3r",
        b"\x1b[99999P",
        b"\x1b[65535@",
        b"\x1b[65535L",
        b"\x1b[65535M",
        b"\x1b[65535S",
        b"\x1b[65535T",
        b"\x1b[65535b",
        b"\x1b7",
        b"\x1b8",
        b"\x1bc",
        b"\x1b[?6h",
        b"\t",
        b"\x1b[65535I",
        b"\x08",
        b"\x1b[65535;65535H",
        b"\x1b[38;2;1;2;3m",
        b"\x1b[?7l",
        b"0",
        b";",
        b"\x1bP",
        b"\x18",
        b"\x1b[8;65535;65535t",
        b"\n\n\n",
    ];
    let mut seed = 20_261_123_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for _ in 0..200 {
        let mut one = screen(random(8) as u16, random(12) as u16);
        for _ in 0..200 {
            match random(30) {
                0 => one.resize(WindowSize::new(random(9) as u16, random(300) as u16)),
                1 => drop(one.feeds(&(0..random(9)).map(|_| random(256) as u8).collect::<Vec<_>>())),
                _ => drop(one.feeds(pieces[random(pieces.len() as u64) as usize])),
            }
        }
        let cells: usize = one.terminal.primary_screen().all_lines().map(|line| line.cells().len()).sum();
        let most = SCROLLBACK_CELLS_MAX + usize::from(one.size().rows) * usize::from(one.size().columns);
        assert!(cells <= most, "{cells} cells");
        assert!(one.image().len() <= IMAGE_MAX * 2 && one.directory().is_none_or(|path| path.len() <= 4096));
        one.notice("x");
        assert_eq!(one.text().len(), usize::from(one.size().rows));
    }
}

#[test]
fn what_a_program_asks_is_answered_here_and_nowhere_else() {
    let mut one = screen(5, 40);
    let mut asked = b"ab\r\nc\x1b[6nd\x1b[5n\x1b[c\x1b[>c\x1b[6".to_vec();
    let length = asked.len();
    assert_eq!(one.feed(&mut asked), b"\x1b[2;2R\x1b[0n\x1b[?1;2c");
    assert_eq!(one.feeds(b"n"), b"\x1b[2;3R", "in two pieces");
    assert_eq!(one.text()[..2], ["ab", "cd"]);
    assert_eq!(asked, b"ab\r\nc\x1b[6\x18d\x1b[5\x18\x1b[\x18\x1b[>\x18\x1b[6", "the same length, and no question");
    assert_eq!(asked.len(), length);
    assert_eq!(one.feeds(b"\x1b[66n\x1b[1;2c\x1b]6n\x07"), b"");
    assert!(one.feeds(&b"\x1b[6n".repeat(10_000)).len() < 2 * ANSWERS_MAX);
}
