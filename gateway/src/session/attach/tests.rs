#![allow(clippy::unwrap_used, reason = "a test")]
use super::*;

fn watch(keys: &str) -> Watch {
    Watch { keys: keys.parse().unwrap(), held: 0 }
}

#[test]
fn keys_have_names() {
    let of = |text: &str| text.parse::<Keys>().map(|keys| keys.0);
    assert_eq!(of("ctrl-p,ctrl-q"), Ok(vec![0x10, 0x11]));
    assert_eq!(of("ctrl-],x,~"), Ok(vec![0x1d, b'x', b'~']));
    assert_eq!(of("ctrl-@"), Ok(vec![0]));
    for bad in ["", ",", "ctrl-", "ctrl-1", "ctrl-pp", "xy", "é", "ctrl-p,"] {
        assert!(of(bad).is_err(), "{bad}");
    }
}

#[test]
fn keys_that_detach_are_not_sent_and_others_are() {
    let mut one = watch("ctrl-p,ctrl-q");
    assert_eq!(one.take(b"ab").as_deref(), Some(&b"ab"[..]));
    assert_eq!(one.take(b"a\x10").as_deref(), Some(&b"a"[..]), "held back");
    assert_eq!(one.take(b"b").as_deref(), Some(&b"\x10b"[..]), "it was no more than itself");
    assert_eq!(one.take(b"\x10\x10x").as_deref(), Some(&b"\x10\x10x"[..]));
    assert_eq!(one.take(b"x\x10").as_deref(), Some(&b"x"[..]));
    assert_eq!(one.take(b"\x11"), None);
    let mut one = watch("ctrl-p,ctrl-q");
    assert_eq!(one.take(b"\x10\x10\x11"), None, "the last of the first keys counts");
    assert_eq!(watch("x").take(b"ax"), None);
}
