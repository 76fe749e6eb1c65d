//! Pieces of texts.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::{DELTAS_MAX, ascii, deltas, pieces};
use bytes::Bytes;

#[test]
fn a_text_comes_in_pieces_of_characters() {
    let cut = |text: &'static str, chars| deltas(text, chars).collect::<Vec<_>>();
    assert_eq!(cut("aé🐇b", 1), ["a", "é", "🐇", "b"]);
    assert_eq!(cut("aé🐇b", 3), ["aé🐇", "b"]);
    assert_eq!(cut("ab", 2), ["ab"]);
    assert_eq!(cut("", 2), Vec::<&str>::new());
    let long = "é".repeat(DELTAS_MAX * 2 + 1);
    assert!(deltas(&long, 1).count() <= DELTAS_MAX);
    assert_eq!(deltas(&long, 1).collect::<String>(), long);
}

#[test]
fn bytes_are_cut_wherever_they_are() {
    let frames = || vec![Bytes::from("aé"), Bytes::from("b")];
    assert_eq!(pieces(frames(), None), frames());
    assert_eq!(pieces(frames(), Some(2)), [&b"a\xc3"[..], b"\xa9b"]);
    assert_eq!(pieces(frames(), Some(100)), [Bytes::from("aéb")]);
    assert!(pieces(Vec::new(), Some(1)).is_empty());
}

#[test]
fn json_in_ascii_is_the_same_json() {
    let text = r#"{"a":"é🐇\n"}"#;
    assert_eq!(ascii(text), r#"{"a":"\u00e9\ud83d\udc07\n"}"#);
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(&ascii(text)), value(text));
}
