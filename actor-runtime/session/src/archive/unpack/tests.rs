use super::*;

#[test]
fn names_stay_inside() {
    assert_eq!(checked(b"./a//b/").unwrap(), b"/a/b");
    assert_eq!(checked(b".").unwrap(), b"");
    for wrong in [&b"/a"[..], b"..", b"a/../b", b"a/..", b"a\0b", &[b'a'; 300], &b"a/".repeat(3000)] {
        assert!(checked(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
    }
}

#[test]
fn times_have_fractions_and_signs() {
    assert_eq!(nanoseconds("1.5"), Some(1_500_000_000));
    assert_eq!(nanoseconds("12"), Some(12_000_000_000));
    assert_eq!(nanoseconds("-0.25"), Some(-250_000_000));
    assert_eq!(nanoseconds("1.123456789123"), Some(1_123_456_789));
    for wrong in ["", "x", "1.x", "1.-5", "99999999999999999999", "9999999999999"] {
        assert_eq!(nanoseconds(wrong), None, "{wrong}");
    }
}

#[test]
fn extended_headers_are_read_exactly() {
    let mut extensions = Extensions::default();
    extensions.read(b"13 path=a\nb/c\n").unwrap_or(());
    let mut extensions = Extensions::default();
    extensions.read(b"12 path=a/b\n20 SCHILY.xattr.u=\0\n").unwrap();
    assert_eq!(extensions.path.as_deref(), Some(&b"a/b"[..]));
    assert_eq!(extensions.xattrs, [(b"u".to_vec(), vec![0])]);
    for wrong in [&b"x"[..], b"3 a", b"99 path=a\n", b"0 \n", b"1 \n", b"5 ab\n", b"18446744073709551615 a=b\n"] {
        assert!(Extensions::default().read(wrong).is_err(), "{:?}", String::from_utf8_lossy(wrong));
    }
}
