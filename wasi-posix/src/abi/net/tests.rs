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
fn hosts_are_looked_up_by_every_name_of_a_line() {
    let text = b"127.0.0.1 localhost\n::1\tlocalhost ip6\n# 9.9.9.9 db\n10.0.0.1  DB db.local # primary\nbad db\n10.0.0.1 db\n";
    let addresses = |name| in_hosts(text, name).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(addresses("localhost"), ["127.0.0.1", "::1"]);
    assert_eq!(addresses("db"), ["10.0.0.1"]);
    assert_eq!(addresses("db.local"), ["10.0.0.1"]);
    assert!(addresses("primary").is_empty());
}

#[test]
fn answers_are_json_of_the_wanted_family() {
    let both = addresses_json(&LOOPBACK, 0);
    assert_eq!(both.as_deref(), Some(r#"[{"addr":"127.0.0.1","family":4},{"addr":"::1","family":6}]"#));
    assert_eq!(addresses_json(&LOOPBACK, 6).as_deref(), Some(r#"[{"addr":"::1","family":6}]"#));
    assert_eq!(addresses_json(&LOOPBACK[..1], 6), None);
}

#[test]
fn a_service_is_a_word_or_missing() {
    for (service, expected) in
        [("80", Some("80")), ("https", Some("https")), ("", Some("*")), ("0", Some("*")), ("a b", None), ("*", None)]
    {
        assert_eq!(service_text(service.as_bytes()), expected, "{service}");
    }
}

#[test]
fn known_options_have_a_length() {
    assert_eq!(option_len(1, 2), Some(4));
    assert_eq!(option_len(0x7fff_ffff, 66), Some(16));
    assert_eq!(option_len(6, 1), Some(0));
    assert_eq!(option_len(1, 1), None);
    assert_eq!(option_len(6, 2), None);
}
