use super::{Seen, look, was_read};

#[test]
fn values_are_whole_where_they_end() {
    for text in [
        &b"_"[..],
        b"\0\0T",
        b"I\x02",
        b"N\0\0\0\0\0\0\0\0",
        b"Z\x10\x01\0\0\0\0\0\0\0",
        b"\"\x03a~b",
        b"\0c\x02~\0",
        b"o\"\x01aI\x02\"\x01bo{\0{\x02",
        b"A\x03I\x02-I\x04$\0\x03",
        b"a\x05U\x01_@\x01\x05",
        b";\"\x01a_:\x02",
        b"'\"\x01a,\x01",
        b"R\"\x01~\0",
        b"s\"\x01~",
        b"rTm\"\x01~s\"\x02~~.",
        b"B\x02~~VB\0\x02\0",
        b"^\x01",
        b"u\x01VB\0\x02\0",
    ] {
        assert_eq!(look(text), Seen::Whole, "{}", text.escape_ascii());
        assert_eq!(look(&[text, b"~"].concat()), Seen::Whole, "what follows is no part of it");
    }
}

#[test]
fn a_buffer_that_grows_is_seen_wherever_it_is() {
    for text in [
        &b"~\x04\x08\0\0\0\0"[..],
        b"\0\0~\0\x01",
        b"o\"\x01a~\0\x01{\x01",
        b"o~\0\x01\"\x01a{\x01",
        b"A\x01~\0\x01$\0\x01",
        b"a\x01U\0~\0\x01@\x01\x01",
        b";~\0\x01",
        b"'~\0\x01",
        b"rc~\0\x01",
        b"s~\0\x01",
        b"A\x02\\\x0a\x01~~\0\x01",
    ] {
        assert_eq!(look(text), Seen::Growing, "{}", text.escape_ascii());
    }
}

#[test]
fn what_is_none_of_the_format_is_refused() {
    for text in [
        &b""[..],
        b"\0\0",
        b"\"\x05ab",
        b"\"\xff\xff\xff\xff\x1fa",
        b"I\x80\x80\x80\x80\x80\x01",
        b"o\"\x01a",
        b"A\xff\xff\xff\xff\x0f",
        b"rX.",
        b"V",
        b"p\x01",
        b"w\x01",
        b"R\\\0\0\0",
        b"\x7f",
    ] {
        assert_eq!(look(text), Seen::Unreadable, "{}", text.escape_ascii());
    }
    let deep = [b"A\x01".repeat(3 << 20), b"~".to_vec()].concat();
    assert_eq!(look(&deep), Seen::Unreadable, "nested too deep");
}

#[test]
fn behind_an_object_of_a_program_nothing_is_certain() {
    for text in [&b"\\\x0a\x02~~"[..], b"A\x01\\\x0a\x02~~$\0\x01", b"A\x02\\\x0a\x02~~\x7f"] {
        assert_eq!(look(text), Seen::UpToObject, "{}", text.escape_ascii());
    }
}

#[test]
fn an_object_that_was_read_otherwise_leaves_nothing_to_misread() {
    let text = b"A\x02\\\x0a\x02~~\"\x01~$\0\x02";
    assert!(was_read(text, 3, 7), "as Node writes it");
    assert!(!was_read(text, 3, 5), "its bytes would be read as values");
    assert!(was_read(text, 3, 10), "nothing behind it is one");
    assert!(!was_read(text, 3, text.len() + 1) && !was_read(text, usize::MAX, 7), "out of the text");
}
