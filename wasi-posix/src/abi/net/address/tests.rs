use super::*;

fn inet(host: &str, port: u16) -> Option<Address> {
    Some(Address::Inet(Host::parse(host).unwrap(), port))
}

#[test]
fn addresses_are_read_in_all_their_forms() {
    let path = |path: &[u8]| Some(Address::Path(path.to_vec()));
    for (text, expected) in [
        (&b"127.0.0.1:80"[..], inet("127.0.0.1", 80)),
        (b"Example.com:443", inet("example.com", 443)),
        (b"[::1]:8080", inet("::1", 8080)),
        (b"::1:8080", inet("::1", 8080)),
        (b"[::ffff:1.2.3.4]:1", inet("1.2.3.4", 1)),
        (b"unix:/run/a", path(b"/run/a")),
        (b"unix-path-hex:2f61ff", path(b"/a\xff")),
        (b"/run/a:1", path(b"/run/a:1")),
        (b"socket", path(b"socket")),
        (b"unix-abstract:00ff", Some(Address::Abstract(vec![0, 255]))),
        (b"unix-autobind", Some(Address::Autobind)),
    ] {
        assert_eq!(parse_address(text), expected, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        &b""[..],
        b"unix:",
        b"unix-unnamed",
        b"unix-path-hex:",
        b"unix-path-hex:2f6",
        b"unix-abstract:zz",
        b":80",
        b"host:",
        b"host:65536",
        b"host:+80",
        b"host:80x",
        b"[host]:80",
        b"[::1:80",
        b"[::1]80:1",
        b"127.1:80",
        b"\xff:80",
    ] {
        assert_eq!(parse_address(text), None, "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn names_are_told_as_they_are_read() {
    for (name, text) in [
        (Name::Unnamed, "unix-unnamed"),
        (Name::Inet("127.0.0.1:80".parse().unwrap()), "127.0.0.1:80"),
        (Name::Inet("[::1]:80".parse().unwrap()), "[::1]:80"),
        (Name::Inet("[::ffff:127.0.0.1]:80".parse().unwrap()), "[::ffff:127.0.0.1]:80"),
        (Name::Path(b"/run/a b".as_slice().into()), "unix:/run/a b"),
        (Name::Path(b"/\xff".as_slice().into()), "unix-path-hex:2fff"),
        (Name::Path(b"a\nb".as_slice().into()), "unix-path-hex:610a62"),
        (Name::Abstract(b"\0x".as_slice().into()), "unix-abstract:0078"),
    ] {
        assert_eq!(name_text(&name), text);
    }
}
