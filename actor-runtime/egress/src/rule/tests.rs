use super::{RULE_BYTES_MAX, RULES_MAX, Rule, RuleError, Rules};

fn rule(text: &str) -> Rule {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_rule_is_written_in_one_way() {
    for (text, written) in [
        ("Example.COM.", "example.com"),
        ("example.com:443", "example.com:443"),
        ("example.com:443-443", "example.com:443"),
        ("example.com:1-65535", "example.com"),
        ("*.example.com:8000-8100", "*.example.com:8000-8100"),
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7/32", "192.0.2.7"),
        ("10.1.0.0/16:80", "10.1.0.0/16:80"),
        ("fd00::1", "[fd00::1]"),
        ("fd00::/48", "[fd00::/48]"),
        ("[fd00::/48]:80", "[fd00::/48]:80"),
        ("[::ffff:10.0.0.1]:80", "10.0.0.1:80"),
        ("public", "public"),
        ("public:443", "public:443"),
        ("local:db.internal:5432", "local:db.internal:5432"),
        ("local:80", "local:80"),
        ("local", "local"),
    ] {
        assert_eq!(rule(text).to_string(), written, "{text}");
        assert_eq!(rule(written), rule(text), "{text}");
    }
}

#[test]
fn what_names_nothing_is_said_so() {
    for text in [
        "*",
        "*:443",
        "*.",
        "a b",
        "exämple.com",
        "http://example.com",
        "example.com/path",
        "example.com:",
        ":443",
        "example.com:0",
        "example.com:65536",
        "example.com:+1",
        "example.com:9-8",
        "example.com:1-2-3",
        "127.1",
        "0x7f000001",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "0.0.0.0/0",
        "128.0.0.0/7",
        "::/0",
        "2000::/3",
        "::ffff:10.0.0.0/104",
        "[fd00::1",
        "[fd00::1]80",
        "fd00::1]:80",
        "*.10.0.0.1",
        "*.example.*",
        "local:",
        "local:db",
        "local:db:1-2",
        "local:10.0.0.1:80",
        "local:*.db:80",
        "example.com:443 ",
    ] {
        let wrong = text.parse::<Rule>().expect_err(text);
        assert!(wrong.to_string().starts_with(&format!("`{text}`: ")), "{wrong}");
    }
    assert!(matches!("".parse::<Rule>(), Err(RuleError::Length(_))));
    assert!(matches!("a".repeat(RULE_BYTES_MAX + 1).parse::<Rule>(), Err(RuleError::Length(text)) if text.len() == 64));
    let longest = format!("*.{}:10000-20000", ["a".repeat(62).as_str(); 4].join(".").get(..251).unwrap());
    assert!(longest.parse::<Rule>().is_ok());
    assert_eq!(Rules::parse(&vec!["a"; RULES_MAX]).map(|rules| rules.iter().count()), Ok(RULES_MAX));
    assert_eq!(Rules::parse(&vec!["a"; RULES_MAX + 1]), Err(RuleError::TooMany(RULES_MAX + 1)));
}

#[test]
fn a_suffix_is_whole_labels_below_it() {
    let rules = Rules::parse(&["*.example.com"]).unwrap();
    assert!(rules.names_host("a.example.com", Some(1)) && rules.names_host("a.b.example.com", None));
    for other in ["example.com", ".example.com", "badexample.com", "example.com.evil", "a.example.comx"] {
        assert!(!rules.names_host(other, None), "{other}");
    }
}

#[test]
fn ports_are_those_of_the_rule() {
    let rules = Rules::parse(&["a:80", "b:100-200", "10.0.0.0/8:53"]).unwrap();
    for (host, port, expected) in
        [("a", 80, true), ("a", 81, false), ("b", 99, false), ("b", 100, true), ("b", 200, true), ("b", 201, false)]
    {
        assert_eq!(rules.names_host(host, Some(port)), expected, "{host}:{port}");
    }
    let inner = "10.9.9.9".parse().unwrap();
    assert!(rules.names_address(inner, None, Some(53)) && !rules.names_address(inner, None, Some(54)));
}

#[test]
fn what_is_not_public_is_known_of_a_rule() {
    for text in [
        "10.0.0.0/8",
        "127.0.0.1:80",
        "169.254.169.254:80",
        "local:a:1",
        "fd00::/8",
        "::1",
        "192.0.0.0/16",
        "100.0.0.0/8",
        "172.0.0.0/8",
        "198.0.0.0/8",
        "2001::/16",
        "2000::/8",
        "fe80::/10",
        "255.255.255.255",
        "168.63.129.16",
    ] {
        assert!(rule(text).is_private(), "{text}");
    }
    for text in ["example.com", "*.example.com:443", "public", "8.8.8.8", "8.0.0.0/8", "2606:4700::/32", "192.1.0.0/16"]
    {
        assert!(!rule(text).is_private(), "{text}");
    }
}

#[test]
fn one_rule_lies_within_another() {
    for (inner, outer, expected) in [
        ("10.1.2.3:80", "10.0.0.0/8", true),
        ("10.0.0.0/8:80", "10.0.0.0/8:80-90", true),
        ("10.0.0.0/8", "10.0.0.0/8:80", false),
        ("10.0.0.0/8", "10.0.0.0/9", false),
        ("11.0.0.1", "10.0.0.0/8", false),
        ("fd00::1", "fd00::/8", true),
        ("169.254.169.254", "169.254.0.0/16", false),
        ("169.254.169.254:80", "169.254.169.254", true),
        ("local:a:1", "local:a:1", true),
        ("local:a:1", "local:a:2", false),
        ("local:a:1", "public", false),
    ] {
        assert_eq!(rule(inner).is_within(&rule(outer)), expected, "{inner} in {outer}");
    }
}
