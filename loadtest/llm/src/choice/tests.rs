//! Which turn answers, and what becomes of its placeholders.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::{Asked, Choice, FILLED_BYTES_MAX, Said, choose};
use crate::conversation::{Ask, Offered};
use crate::script::{Script, Stop, Turn};
use axum::http::HeaderMap;
use serde_json::{Value, json};

fn ask(prompt: &str) -> Ask {
    let mut ask = Ask { model: "m".to_owned(), ..Ask::default() };
    ask.tools.push(Offered { name: "bash".to_owned(), custom: false });
    ask.history.prompt(prompt.to_owned());
    ask
}

/// What a turn says to a prompt.
fn said(turn: &Turn, prompt: &str, identity: u64) -> Result<Said, String> {
    let (ask, headers) = (ask(prompt), HeaderMap::new());
    let asked = Asked { ask: &ask, headers: &headers, body: &Value::Null, turn: 0, prompt };
    Said::new(turn, asked, identity, "call_")
}

/// The index of the turn that answers, or why there is none.
fn chosen(script: &Value, prompt: &str, turn: usize) -> Result<Option<usize>, String> {
    let (script, ask) = (Script::from_value(script.clone()).unwrap(), ask(prompt));
    let asked = Asked { ask: &ask, headers: &HeaderMap::new(), body: &Value::Null, turn, prompt };
    choose(&script, asked).map(|choice| match choice {
        Choice::Turn(index, _) => Some(index),
        Choice::Aside(_) => None,
    })
}

#[test]
fn turns_answer_in_order_and_those_with_a_condition_before_them() {
    let script = json!({ "turns": [
        { "text": "first" },
        { "text": "if x", "when": { "prompt": "x" } },
        { "text": "if x, later", "when": { "prompt": "x", "turn": 1 } },
        { "text": "second" },
        { "text": "third of y", "when": { "prompt": "y", "turn": 2 } },
    ] });
    assert_eq!(chosen(&script, "", 0), Ok(Some(0)));
    assert_eq!(chosen(&script, "", 1), Ok(Some(3)));
    assert_eq!(chosen(&script, "x", 1), Ok(Some(1)));
    assert_eq!(chosen(&script, "y", 2), Ok(Some(4)));
    assert!(chosen(&script, "", 2).unwrap_err().contains("has no turn 2: 2 answer"));
}

#[test]
fn a_script_that_repeats_has_no_end() {
    let script = json!({ "repeat": true, "turns": [{ "text": "a" }, { "text": "b" }] });
    assert_eq!((0..5).map(|turn| chosen(&script, "", turn).unwrap().unwrap()).collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
    let only = json!({ "repeat": true, "turns": [{ "text": "a", "when": { "prompt": "x" } }] });
    assert!(chosen(&only, "", 0).is_err());
}

#[test]
fn placeholders_are_filled_once_and_bounded() {
    let said = |turn: &Turn, prompt: &str| said(turn, prompt, 1).unwrap();
    let turn = Turn { text: "{{prompt}}, {{tool_result}}, {{other}} {{".to_owned(), ..Turn::default() };
    assert_eq!(said(&turn, "{{prompt}}").text, "{{prompt}}, , {{other}} {{");
    let turn = Turn::call("bash", json!({ "command": ["{{prompt}}", { "{{prompt}}": 5 }] }));
    assert_eq!(said(&turn, "ls").calls[0].value, Some(json!({ "command": ["ls", { "{{prompt}}": 5 }] })));
    let turn = Turn::text("{{prompt}}".repeat(100));
    let prompt = "é".repeat(FILLED_BYTES_MAX / 4 + 1);
    assert!(said(&turn, &prompt).text.len() <= FILLED_BYTES_MAX);
}

#[test]
fn what_follows_from_a_turn() {
    let silent = Turn { stop: Some(Stop::Refusal), ..Turn::default() };
    let silence = said(&silent, "12345678", 1).unwrap();
    assert_eq!((silence.stop, silence.usage.input, silence.usage.output), (Stop::Refusal, 2, 0));
    let call = said(&Turn::call("bash", json!({})), "x", 0xab).unwrap();
    assert_eq!((call.stop, call.calls[0].id.as_str()), (Stop::Tool, "call_00000000000000ab00"));
    let mut turn = Turn::call("fetch", json!({}));
    assert!(said(&turn, "x", 1).unwrap_err().contains("calls \"fetch\""));
    turn.calls[0].unoffered = true;
    turn.calls[0].raw_arguments = Some("{\"a\":".to_owned());
    let raw = said(&turn, "x", 1).unwrap();
    assert_eq!((raw.calls[0].arguments.as_str(), &raw.calls[0].value), ("{\"a\":", &None));
}
