use super::*;

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
