use super::{Special, is_own, special};
use std::net::IpAddr;

fn of(text: &str) -> Option<Special> {
    special(text.parse::<IpAddr>().unwrap_or_else(|_| panic!("{text} is no address")))
}

/// Both ends of each block, and what lies next to them.
#[test]
fn ipv4_is_told_apart_at_the_borders() {
    use Special::{Broadcast, Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Reserved, Shared};
    let rows: &[(&str, Option<Special>)] = &[
        ("0.0.0.0", Some(Special::Unspecified)),
        ("0.255.255.255", Some(Special::Unspecified)),
        ("1.0.0.0", None),
        ("9.255.255.255", None),
        ("10.0.0.0", Some(Private)),
        ("10.255.255.255", Some(Private)),
        ("11.0.0.0", None),
        ("100.63.255.255", None),
        ("100.64.0.0", Some(Shared)),
        ("100.100.100.200", Some(Metadata)),
        ("100.127.255.255", Some(Shared)),
        ("100.128.0.0", None),
        ("126.255.255.255", None),
        ("127.0.0.0", Some(Loopback)),
        ("127.255.255.255", Some(Loopback)),
        ("128.0.0.0", None),
        ("168.63.129.15", None),
        ("168.63.129.16", Some(Metadata)),
        ("169.253.255.255", None),
        ("169.254.0.0", Some(LinkLocal)),
        ("169.254.169.253", Some(LinkLocal)),
        ("169.254.169.254", Some(Metadata)),
        ("169.254.170.2", Some(Metadata)),
        ("169.254.170.23", Some(Metadata)),
        ("169.254.255.255", Some(LinkLocal)),
        ("169.255.0.0", None),
        ("172.15.255.255", None),
        ("172.16.0.0", Some(Private)),
        ("172.31.255.255", Some(Private)),
        ("172.32.0.0", None),
        ("191.255.255.255", None),
        ("192.0.0.0", Some(Reserved)),
        ("192.0.0.192", Some(Metadata)),
        ("192.0.0.255", Some(Reserved)),
        ("192.0.1.0", None),
        ("192.0.2.0", Some(Documentation)),
        ("192.0.2.255", Some(Documentation)),
        ("192.0.3.0", None),
        ("192.88.99.0", Some(Reserved)),
        ("192.88.100.0", None),
        ("192.167.255.255", None),
        ("192.168.0.0", Some(Private)),
        ("192.168.255.255", Some(Private)),
        ("192.169.0.0", None),
        ("198.17.255.255", None),
        ("198.18.0.0", Some(Documentation)),
        ("198.19.255.255", Some(Documentation)),
        ("198.20.0.0", None),
        ("198.51.99.255", None),
        ("198.51.100.0", Some(Documentation)),
        ("198.51.100.255", Some(Documentation)),
        ("198.51.101.0", None),
        ("203.0.112.255", None),
        ("203.0.113.0", Some(Documentation)),
        ("203.0.113.255", Some(Documentation)),
        ("203.0.114.0", None),
        ("223.255.255.255", None),
        ("224.0.0.0", Some(Multicast)),
        ("239.255.255.255", Some(Multicast)),
        ("240.0.0.0", Some(Reserved)),
        ("255.255.255.254", Some(Reserved)),
        ("255.255.255.255", Some(Broadcast)),
        ("8.8.8.8", None),
    ];
    for (text, expected) in rows {
        assert_eq!(of(text), *expected, "{text}");
        // The same, said in IPv6.
        assert_eq!(of(&format!("::ffff:{text}")), *expected, "mapped {text}");
        assert_eq!(of(&format!("64:ff9b::{text}")), *expected, "translated {text}");
        let v4: std::net::Ipv4Addr = text.parse().unwrap();
        let [a, b, c, d] = v4.octets();
        assert_eq!(of(&format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1")), *expected, "6to4 {text}");
        assert_eq!(of(&format!("2a00::5efe:{text}")), *expected, "ISATAP {text}");
        assert_eq!(of(&format!("2a00::200:5efe:{text}")), *expected, "ISATAP {text}");
        assert!(of(&format!("::{text}")).is_some(), "compatible {text}");
        assert_eq!(of(&format!("::ffff:0:{text}")), Some(Reserved), "translated by RFC 2765 {text}");
        assert_eq!(of(&format!("64:ff9b:1::{text}")), Some(Private), "translated at home {text}");
        assert_eq!(of(&format!("2001::{text}")), Some(Reserved), "Teredo {text}");
    }
}

#[test]
fn ipv6_is_told_apart_at_the_borders() {
    use Special::{Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Reserved, Unspecified};
    let rows: &[(&str, Option<Special>)] = &[
        ("::", Some(Unspecified)),
        ("::1", Some(Loopback)),
        ("::2", Some(Reserved)),
        ("::ffff:ffff:ffff:ffff", Some(Reserved)),
        ("64:ff9b::1:0:0", Some(Reserved)),
        ("64:ff9b:1:ffff::", Some(Private)),
        ("64:ff9b:2::", Some(Reserved)),
        ("100::1", Some(Reserved)),
        ("1fff:ffff::", Some(Reserved)),
        ("2000::", None),
        ("2001::", Some(Reserved)),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Some(Reserved)),
        ("2001:2::", Some(Reserved)),
        ("2001:20::", Some(Reserved)),
        ("2001:1ff:ffff::", Some(Reserved)),
        ("2001:200::", None),
        ("2001:db7:ffff::", None),
        ("2001:db8::", Some(Documentation)),
        ("2001:db8:ffff:ffff::1", Some(Documentation)),
        ("2001:db9::", None),
        ("2606:4700:4700::1111", None),
        ("3ffe:ffff::", None),
        ("3fff::1", Some(Documentation)),
        ("3fff:fff:ffff::", Some(Documentation)),
        ("3fff:1000::", None),
        ("4000::", Some(Reserved)),
        ("5f00::1", Some(Reserved)),
        ("fbff::", Some(Reserved)),
        ("fc00::", Some(Private)),
        ("fd00:ec2::253", Some(Private)),
        ("fd00:ec2::254", Some(Metadata)),
        ("fd00:ec2::23", Some(Metadata)),
        ("fd20:ce::254", Some(Metadata)),
        ("fdff:ffff::", Some(Private)),
        ("fe00::", Some(Reserved)),
        ("fe80::1", Some(LinkLocal)),
        ("febf:ffff::", Some(LinkLocal)),
        ("fec0::1", Some(Private)),
        ("feff:ffff::", Some(Private)),
        ("ff00::", Some(Multicast)),
        ("ff02::1", Some(Multicast)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some(Multicast)),
    ];
    for (text, expected) in rows {
        assert_eq!(of(text), *expected, "{text}");
    }
}

#[test]
fn this_machine_knows_its_own_addresses() {
    assert!(is_own("127.0.0.1".parse().unwrap()));
    assert!(is_own("127.9.9.9".parse().unwrap()));
    assert!(!is_own("192.0.2.1".parse().unwrap()), "nobody has it");
}
