use super::*;

#[test]
fn a_host_has_one_spelling() {
    for (text, expected) in [
        ("Example.COM", Some("example.com")),
        ("example.com.", Some("example.com")),
        ("127.0.0.1", Some("127.0.0.1")),
        ("::ffff:10.0.0.1", Some("10.0.0.1")),
        ("0:0:0:0:0:0:0:1", Some("[::1]")),
        ("db_1", Some("db_1")),
        ("", None),
        (".", None),
        ("a b", None),
        ("a/b", None),
        ("127.1", None),
        ("2130706433", None),
        ("0x7f000001", None),
        ("0x7f.0.0.0x1", None),
        ("fe80::1%eth0", None),
        ("b\u{fc}cher.example", None),
    ] {
        assert_eq!(Host::parse(text).map(|host| host.to_string()).as_deref(), expected, "{text}");
    }
    assert_eq!(Host::parse(&"a".repeat(HOST_MAX + 1)), None);
}

#[test]
fn loopback_is_the_session_itself() {
    for (text, expected) in [
        ("127.8.9.10", true),
        ("::1", true),
        ("0.0.0.0", true),
        ("localhost", true),
        ("api.localhost", true),
        ("localhost.example.com", false),
        ("10.0.0.1", false),
    ] {
        assert_eq!(Host::parse(text).map(|host| host.is_loopback()), Some(expected), "{text}");
    }
}
