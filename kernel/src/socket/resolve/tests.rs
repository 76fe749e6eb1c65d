use super::*;

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
fn a_name_has_at_most_so_many_addresses() {
    let text: String = (0..100).map(|at| format!("10.0.0.{at} many\n")).collect();
    assert_eq!(in_hosts(text.as_bytes(), "many").len(), ANSWERS_MAX);
}

#[test]
fn an_ipv6_socket_takes_ipv4_and_not_the_other_way() {
    let [four, six] = LOOPBACK;
    assert_eq!(choose(&[six, four], Family::Inet), Some(four));
    assert_eq!(choose(&[four, six], Family::Inet6), Some(six));
    assert_eq!(choose(&[four], Family::Inet6), Some(four));
    assert_eq!(choose(&[six], Family::Inet), None);
    assert_eq!(choose(&[], Family::Inet6), None);
}
