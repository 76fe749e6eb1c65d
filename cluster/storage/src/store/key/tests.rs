//! Keys are safe wherever they go.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::*;

#[test]
fn keys_are_safe_as_paths() {
    let longest = [&"a".repeat(SEGMENT_BYTES_MAX)[..]; 3].join("/") + "/" + &"b".repeat(125);
    for good in ["a", "A-9_.z/..x/x../...", &longest] {
        assert_eq!(Key::new(good).unwrap().as_str(), good);
    }
    assert_eq!(longest.len(), KEY_BYTES_MAX);
    assert_eq!(Key::new(&(longest + "b")), Err(KeyError::TooLong(513)));
    for (bad, segment) in [
        ("", ""),
        ("/a", ""),
        ("a/", ""),
        ("a//b", ""),
        ("a/./b", "."),
        ("../b", ".."),
        ("a b", "a b"),
        ("a\0", "a\0"),
        ("a/\u{e4}", "\u{e4}"),
        (&"a".repeat(129), &"a".repeat(129)),
    ] {
        assert_eq!(Key::new(bad), Err(KeyError::Segment(segment.to_owned())), "{bad:?}");
    }
}
