#![allow(clippy::unwrap_used, reason = "a test")]

use super::{Description, Unusable};

#[test]
fn every_field_may_be_there_or_missing() {
    let text = r#"{"args": ["a", ""], "dirs": ["one", "two/three"], "root": "top", "env": {"K": "v"},
        "exit_code": 33, "stdout": "out\n", "stderr": ""}"#;
    let description = Description::parse(text).unwrap();
    assert_eq!(description.args, ["a", ""]);
    assert_eq!(description.env["K"], "v");
    assert_eq!((description.exit_code, description.stdout.as_deref()), (33, Some("out\n")));
    assert_eq!(description.stderr.as_deref(), Some(""));
    assert_eq!(description.directories().collect::<Vec<_>>(), ["one", "two/three", "top"]);
    let preopens = [("one", "one"), ("two/three", "two/three"), ("top", "/")];
    assert_eq!(description.preopens(), preopens.map(|(path, name)| (path.to_owned(), name.to_owned())));
    let default = Description::parse("{}").unwrap();
    assert_eq!(default, Description::default());
    assert_eq!((default.exit_code, default.stdout), (0, None));
}

#[test]
fn a_field_we_do_not_know_is_told_apart_from_a_mistake() {
    let unknown = Description::parse(r#"{"proposals": ["sockets"], "operations": []}"#);
    assert!(matches!(unknown, Err(Unusable::Unknown(reason)) if reason.contains('`')));
    for broken in
        ["", "{", "[]", "{\"args\": [],}", r#"{"args": "a"}"#, r#"{"exit_code": "0"}"#, r#"{"env": {"K": 1}}"#]
    {
        assert!(matches!(Description::parse(broken), Err(Unusable::Broken(_))), "{broken}");
    }
}

#[test]
fn a_directory_elsewhere_is_a_mistake() {
    for outside in ["", "..", "/etc", "a/../../b", "."] {
        let text = serde_json::json!({ "dirs": [outside] }).to_string();
        assert!(matches!(Description::parse(&text), Err(Unusable::Broken(_))), "{outside}");
        let text = serde_json::json!({ "root": outside }).to_string();
        assert!(matches!(Description::parse(&text), Err(Unusable::Broken(_))), "{outside}");
    }
}
