#![allow(clippy::unwrap_used, reason = "a test")]
use super::read;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Inner {
    rows: u16,
    columns: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(transparent)]
struct Around(Inner);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    Plain,
    Named { rows: u16, columns: u16 },
    Held(Inner),
    Pair(Inner, u8),
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Outer<'a> {
    title: Option<String>,
    enabled: bool,
    #[serde(borrow)]
    borrowed: Option<&'a str>,
    maybe: Option<Inner>,
    list: Vec<Inner>,
    map: BTreeMap<String, Inner>,
    around: Option<Around>,
    choice: Option<Choice>,
    words: Vec<String>,
    bytes: (u8, u8),
    any: Value,
    number: Option<i64>,
    fraction: Option<f64>,
    letter: Option<char>,
}

/// As [`read`], of what borrows.
fn outer(text: &str) -> Result<Outer<'_>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    Outer::deserialize(super::Objects(&mut json))
}

fn inner() -> Inner {
    Inner { rows: 1, columns: 2 }
}

#[test]
fn what_serde_json_reads_is_read_the_same() {
    let text = json!({
        "title": "t\n", "enabled": true, "borrowed": "b", "maybe": { "rows": 1, "columns": 2 }, "list": [{}, { "rows": 1 }],
        "map": { "a": { "columns": 2 } }, "around": { "rows": 1, "columns": 2 }, "words": ["a", "b"], "bytes": [1, 2],
        "any": [1, { "a": [null, -1.5] }], "number": -7, "fraction": 0.5, "letter": "x",
    });
    let text = text.to_string();
    assert_eq!(outer(&text).unwrap(), serde_json::from_str(&text).unwrap());
    assert_eq!(outer(&text).unwrap().list, [Inner::default(), Inner { rows: 1, columns: 0 }]);
    assert_eq!(outer(&text).unwrap().borrowed, Some("b"));
    for (text, choice) in [
        (r#""plain""#, Choice::Plain),
        (r#"{"named":{"rows":1,"columns":2}}"#, Choice::Named { rows: 1, columns: 2 }),
        (r#"{"held":{"rows":1,"columns":2}}"#, Choice::Held(inner())),
        (r#"{"pair":[{"rows":1,"columns":2},3]}"#, Choice::Pair(inner(), 3)),
    ] {
        assert_eq!(read::<Choice>(text.as_bytes()).unwrap(), choice, "{text}");
    }
    assert_eq!(read::<Option<Inner>>(b" null ").unwrap(), None);
    assert_eq!(read::<Vec<u8>>(b"[1, 2]").unwrap(), [1, 2]);
}

#[test]
fn no_struct_is_made_of_an_array() {
    for text in [
        r#"["My title", false]"#,
        "[]",
        r#"{"maybe": [0, 0]}"#,
        r#"{"list": [[0, 0]]}"#,
        r#"{"list": [{}, []]}"#,
        r#"{"map": {"a": [1]}}"#,
        r#"{"around": [1, 2]}"#,
        r#"{"choice": {"named": [1, 2]}}"#,
        r#"{"choice": {"held": [1, 2]}}"#,
        r#"{"choice": {"pair": [[1, 2], 3]}}"#,
    ] {
        let error = outer(text).unwrap_err();
        assert!(error.is_data(), "{text}: {error}");
        assert!(error.to_string().starts_with("invalid type: sequence, expected an object"), "{text}: {error}");
    }
    // Beside it, what is wrong is said as before.
    let text = r#"{"maybe": {"rows": 1, "row": 2}}"#;
    let error = outer(text).unwrap_err().to_string();
    assert_eq!(error, serde_json::from_str::<Outer>(text).unwrap_err().to_string());
    assert!(error.starts_with("unknown field `row`, expected `rows` or `columns` at line 1"), "{error}");
}

#[test]
fn what_is_no_json_or_more_than_one_value_is_told_apart() {
    assert!(read::<Inner>(b"{").unwrap_err().is_eof());
    assert!(read::<Inner>(b"{} {}").unwrap_err().is_syntax());
    assert!(read::<Inner>(br#"{"rows": 1e999}"#).unwrap_err().is_syntax());
    assert!(read::<Value>("[".repeat(10_000).as_bytes()).unwrap_err().is_syntax());
    assert!(read::<Inner>(br#"{"rows": 65536}"#).unwrap_err().is_data());
}
