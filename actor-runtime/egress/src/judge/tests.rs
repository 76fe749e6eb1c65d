use super::{Verdict, judge, may_know, may_look_up};
use crate::address::Special;
use crate::rule::Rules;
use std::sync::Arc;

fn verdict(rules: &[&str], names: &[&str], address: &str, port: u16) -> Verdict {
    let names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(*name)).collect();
    judge(&Rules::parse(rules).unwrap(), &names, address.parse().unwrap(), port)
}

#[test]
fn nothing_is_reached_without_a_rule() {
    for address in ["8.8.8.8", "10.0.0.1", "127.0.0.1", "2606:4700::1", "::1"] {
        assert_eq!(verdict(&[], &["a.example"], address, 443), Verdict::NoRule, "{address}");
    }
}

#[test]
fn a_name_reaches_public_addresses_at_its_ports() {
    let rules = ["a.example:443"];
    assert_eq!(verdict(&rules, &["a.example"], "8.8.8.8", 443), Verdict::Allowed);
    assert_eq!(verdict(&rules, &["b.example", "a.example"], "8.8.8.8", 443), Verdict::Allowed);
    assert_eq!(verdict(&rules, &["a.example"], "8.8.8.8", 80), Verdict::NoRule);
    assert_eq!(verdict(&rules, &["b.example"], "8.8.8.8", 443), Verdict::NoRule);
    assert_eq!(verdict(&rules, &[], "8.8.8.8", 443), Verdict::NoRule, "an address nobody looked up");
}

#[test]
fn no_name_reaches_an_address_that_is_not_public() {
    for (address, special) in [
        ("10.0.0.1", Special::Private),
        ("::ffff:10.0.0.1", Special::Private),
        ("64:ff9b::10.0.0.1", Special::Private),
        ("2002:a00:1::1", Special::Private),
        ("::10.0.0.1", Special::Reserved),
        ("127.0.0.1", Special::Loopback),
        ("0.0.0.0", Special::Unspecified),
        ("169.254.169.254", Special::Metadata),
        ("64:ff9b::a9fe:a9fe", Special::Metadata),
        ("100.64.0.1", Special::Shared),
        ("fd00:ec2::254", Special::Metadata),
        ("fe80::1", Special::LinkLocal),
        ("255.255.255.255", Special::Broadcast),
        ("224.0.0.1", Special::Multicast),
    ] {
        for rules in [&["a.example"], &["*.example"], &["public"]] {
            assert_eq!(verdict(rules, &["a.example"], address, 80), Verdict::Special(special), "{address} {rules:?}");
        }
    }
}

#[test]
fn a_rule_that_names_the_address_reaches_it() {
    assert_eq!(verdict(&["10.0.0.0/8:80"], &[], "10.1.2.3", 80), Verdict::Allowed);
    assert_eq!(verdict(&["10.0.0.0/8:80"], &["any.example"], "::ffff:10.1.2.3", 80), Verdict::Allowed);
    assert_eq!(verdict(&["10.0.0.0/8:80"], &[], "10.1.2.3", 81), Verdict::NoRule);
    assert_eq!(verdict(&["10.0.0.0/8:80"], &[], "64:ff9b::10.1.2.3", 80), Verdict::NoRule, "it is another address");
    assert_eq!(verdict(&["127.0.0.1:80"], &[], "127.0.0.1", 80), Verdict::Allowed);
}

#[test]
fn a_local_rule_reaches_what_is_ones_own_and_no_clouds_secrets() {
    let rules = ["local:db.example:5432"];
    assert_eq!(verdict(&rules, &["db.example"], "10.1.2.3", 5432), Verdict::Allowed);
    assert_eq!(verdict(&rules, &["db.example"], "127.0.0.1", 5432), Verdict::Allowed);
    assert_eq!(verdict(&rules, &["db.example"], "8.8.8.8", 5432), Verdict::Allowed);
    assert_eq!(verdict(&rules, &["db.example"], "10.1.2.3", 5433), Verdict::NoRule);
    assert_eq!(verdict(&rules, &["a.example"], "10.1.2.3", 5432), Verdict::NoRule);
    let metadata = Verdict::Special(Special::Metadata);
    assert_eq!(verdict(&rules, &["db.example"], "169.254.169.254", 5432), metadata);
    assert_eq!(verdict(&["169.254.0.0/16", "public"], &[], "169.254.169.254", 80), metadata);
    assert_eq!(verdict(&["169.254.169.254:80"], &[], "169.254.169.254", 80), Verdict::Allowed);
}

#[test]
fn names_that_no_rule_is_about_are_not_looked_up() {
    let rules = Rules::parse(&["a.example:443", "*.b.example", "local:c.example:1", "10.0.0.0/8"]).unwrap();
    for (name, expected) in [
        ("a.example", true),
        ("x.b.example", true),
        ("b.example", false),
        ("c.example", true),
        ("secret-in-a-name.evil.example", false),
    ] {
        assert_eq!(may_look_up(&rules, name), expected, "{name}");
    }
    assert!(may_look_up(&Rules::parse(&["public:443"]).unwrap(), "any.example"));
    let name: Arc<str> = "a.example".into();
    let known = |address: &str| may_know(&rules, &name, address.parse().unwrap());
    assert_eq!(known("8.8.8.8"), Verdict::Allowed);
    assert_eq!(known("10.0.0.1"), Verdict::Allowed, "a rule names it");
    assert_eq!(known("192.168.0.1"), Verdict::Special(Special::Private));
}
