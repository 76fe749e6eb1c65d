//! Scripts that are good, and what is said of those that are not.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::{Cut, Fault, FaultKind, Pattern, Script, Stop, TURNS_MAX, Turn, embedded};
use serde_json::{Value, json};

fn wrong(text: &str) -> String {
    Script::parse(text).unwrap_err().to_string()
}

#[test]
fn json_and_toml_are_the_same_script() {
    let json = Script::parse(
        r#"{"name": "n", "repeat": true, "scope": "conversation", "turns": [
            {"text": "a", "calls": [{"name": "bash", "arguments": {"command": "ls"}}]},
            {"when": {"prompt": ["x", {"regex": "y+"}]}, "stop": "max_tokens", "faults": [{"status": 429, "times": 2}]}]}"#,
    )
    .unwrap();
    let toml = Script::parse(
        r#"
        name = "n"
        repeat = true
        scope = "conversation"
        [[turns]]
        text = "a"
        calls = [{ name = "bash", arguments = { command = "ls" } }]
        [[turns]]
        when.prompt = ["x", { regex = "y+" }]
        stop = "max_tokens"
        faults = [{ status = 429, times = 2 }]
        "#,
    )
    .unwrap();
    assert_eq!(json, toml);
    assert_eq!(json.turns[1].stop, Some(Stop::MaxTokens));
    assert_eq!(json.turns[1].faults, [Fault::status(429).times(2)]);
    assert_eq!(Script::from_value(serde_json::to_value(&json).unwrap()).unwrap(), json);
}

#[test]
fn an_error_names_the_turn_and_the_field() {
    let cases = [
        (r#"{"turns": []}"#, "bad script: turns: there are none"),
        (r#"{"turns": [{}]}"#, "turns[0]: says nothing"),
        (r#"{"turns": [{"text": "a"}, {"text": 5}]}"#, "turns[1].text: invalid type: integer `5`"),
        (r#"{"turns": [{"txt": "a"}]}"#, "turns[0].txt: unknown field `txt`"),
        (r#"{"turns": [{"calls": [{"arguments": {}}]}]}"#, "turns[0].calls[0]: missing field `name`"),
        (r#"{"turns": [{"calls": [{"name": ""}]}]}"#, "turns[0].calls[0].name: is empty"),
        (r#"{"turns": [{"text": "a", "stop": "tool"}]}"#, "turns[0].stop: is `tool`"),
        (r#"{"turns": [{"text": "a", "pace": {"wire_bytes": 0}}]}"#, "turns[0].pace.wire_bytes: has to be at least 1"),
        (r#"{"turns": [{"text": "a"}], "pace": {"between_ms": 600001}}"#, "pace.between_ms: may be 600000"),
        (r#"{"turns": [{"text": "a", "faults": [{"status": 200}]}]}"#, "turns[0].faults[0].status: is 200"),
        (r#"{"turns": [{"text": "a", "faults": [{"status": 500, "cut": "end"}]}]}"#, "faults[0]: needs exactly one of"),
        (r#"{"turns": [{"text": "a", "faults": [{"cut": "end", "retry_after": 1}]}]}"#, "go with `status`"),
        (r#"{"turns": [{"text": "a", "faults": [{"status": 500, "times": 0}]}]}"#, "faults[0].times"),
        (r#"{"turns": [{"text": "a", "faults": [{"status": 500, "retry_after": -1}]}]}"#, "faults[0].retry_after"),
        (
            r#"{"turns": [{"text": "a", "when": {"prompt": {"regex": "("}}}]}"#,
            "turns[0].when.prompt: regex parse error",
        ),
        (
            r#"{"turns": [{"text": "a", "expect": {"tool_result": 5}}]}"#,
            "turns[0].expect.tool_result: has to be a text",
        ),
        (r#"{"turns": [{"text": "a", "expect": {"body": {"x": 1}}}]}"#, "turns[0].expect.body: `x` is no JSON pointer"),
        (r#"{"turns": "#, "bad script: JSON: EOF"),
        ("turns = 5", "bad script: turns: invalid type"),
        ("turns = [", "bad script: TOML: "),
    ];
    for (text, why) in cases {
        let said = wrong(text);
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn a_script_has_bounds() {
    let turns = |number| json!({ "turns": vec![json!({ "text": "a" }); number] });
    assert!(Script::from_value(turns(TURNS_MAX)).is_ok());
    assert!(Script::from_value(turns(TURNS_MAX + 1)).unwrap_err().to_string().contains("turns: there are 1025"));
    assert!(wrong(&" ".repeat(super::SCRIPT_BYTES_MAX + 1)).contains("has 1048577 bytes"));
    let expressions =
        |number| json!({ "turns": [{ "text": "a", "when": { "prompt": vec![json!({ "regex": "a" }); number] } }] });
    assert!(Script::from_value(expressions(256)).is_ok());
    assert!(Script::from_value(expressions(257)).unwrap_err().to_string().contains("there are 257, and may be 256"));
    // An expression that would become large is refused, and deep nesting is.
    assert!(Pattern::regex("(a{1000}){1000}").is_err());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(embedded::find(&format!("[[script: {deep}]]")).is_err());
}

#[test]
fn patterns_hold_or_not() {
    let pattern = |value: Value| Pattern::try_from(value).unwrap();
    assert!(pattern(json!("b")).holds("abc"));
    assert!(pattern(json!({ "contains": "b" })).holds("abc"));
    assert!(!pattern(json!({ "lacks": "b" })).holds("abc"));
    assert!(!pattern(json!({ "equals": "b" })).holds("abc"));
    assert!(pattern(json!({ "regex": r"^a\wc$" })).holds("abc"));
    assert!(pattern(json!([])).holds(""));
    assert!(!pattern(json!(["a", { "lacks": "c" }])).holds("abc"));
    assert_eq!(pattern(json!(["a", { "lacks": "c" }])).to_string(), "contain \"a\" and lack \"c\"");
}

#[test]
fn a_prompt_brings_a_script_in_a_block_or_a_mark() {
    let script = Script::new([Turn::text("]] and ``` \n```\n in it")]);
    let found = |prompt: &str| embedded::find(prompt).unwrap().map(|(_, script)| script);
    assert_eq!(found(&format!("Do {} now", script.encoded())), Some(script.clone()));
    assert_eq!(found(&format!("Do {} now", script.embedded())), Some(script));
    let text = Some("b".to_owned());
    let first_text = |prompt: &str| found(prompt).map(|script| script.turns[0].text.clone());
    assert_eq!(first_text("Do:\n```script\n{\"turns\": [{\"text\": \"b\"}]}\n```\nnow"), text);
    assert_eq!(first_text("```script\r\n[[turns]]\r\ntext = \"b\"\r\n```"), text);
    let without = |prompt: &str| {
        let (range, _) = embedded::find(prompt).unwrap().unwrap();
        [&prompt[..range.start], &prompt[range.end..]].concat()
    };
    assert_eq!(without("Do [[script: {\"turns\": [{\"text\": \"b\"}]} ]] it"), "Do  it");
    assert_eq!(without(&format!("Do {} it", Script::new([Turn::text("b")]).encoded())), "Do  it");
    assert_eq!(without("Do:\n```script\n{\"turns\": [{\"text\": \"b\"}]}\n```\nnow"), "Do:\nnow");
    // The first of both kinds is the one.
    assert_eq!(first_text("[[script:{\"turns\":[{\"text\":\"b\"}]}]]\n```script\n```"), text);
    assert_eq!(found("no ```script here, and [[ neither"), None);
    assert_eq!(found("```scripts\n```"), None);
    assert_eq!(found(&"```script ".repeat(100_000)), None);
    let wrong = |prompt: &str| embedded::find(prompt).unwrap_err().to_string();
    assert!(wrong("```script\n{}").contains("in the prompt, the script: its block has no end"));
    assert!(wrong("[[script: {\"turns\": []}]]").contains("in the prompt, turns: there are none"));
    assert!(wrong("[[script: {\"turns\": []}").contains("its mark has no end"));
    assert!(wrong("[[script: {\"turns\": [").contains("in the prompt, JSON: EOF"));
    assert!(wrong("[[script:").contains("its mark has no end"));
    assert!(wrong("[[script: {\\\"turns\\\": 5} ]]").contains("in the prompt, JSON: key must be a string"));
    assert!(wrong("[[script: e30]]").contains("is neither JSON nor base64"));
    assert!(wrong("[[script: e30=]]").contains("in the prompt, turns: there are none"));
}

#[test]
fn faults_say_what_they_are() {
    let faults: Vec<Fault> = serde_json::from_value(json!([
        { "status": 529, "after": 3 }, { "cut": "hang" }, { "malformed": true, "after": 0, "times": 7 },
    ]))
    .unwrap();
    let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
    assert_eq!(said, ["status 529 after 3", "hanging after 2", "malformed after 0"]);
    assert_eq!(faults[1].kind, FaultKind::Cut { how: Cut::Hang, after: 2 });
    assert_eq!(faults[2].times, 7);
}
