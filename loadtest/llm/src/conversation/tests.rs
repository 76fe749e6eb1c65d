//! Which turn a conversation asks for.
#![allow(clippy::unwrap_used, reason = "a test")]

use super::{History, call_id, turn_mark};
use crate::script::{Scope, Script, Turn};

fn history(parts: &[&str]) -> History {
    let mut history = History::default();
    for part in parts {
        match part.split_once(':') {
            Some(("prompt", text)) => history.prompt(text.to_owned()),
            Some(("call", id)) => history.said(vec![id.to_owned()]),
            Some(("result", id)) => history.result(id.to_owned(), format!("result of {id}")),
            _ => history.said(Vec::new()),
        }
    }
    history
}

fn turn(parts: &[&str]) -> usize {
    history(parts).place(None).unwrap().turn
}

#[test]
fn turns_are_counted_from_the_last_prompt() {
    assert_eq!(turn(&["prompt:a"]), 0);
    assert_eq!(turn(&["prompt:a", "call:1", "result:1"]), 1);
    assert_eq!(turn(&["prompt:a", "call:1", "call:2", "result:1", "result:2", "call:3", "result:3"]), 2);
    assert_eq!(turn(&["prompt:a", "call:1", "result:1", "text", "prompt:b"]), 0);
    assert_eq!(turn(&["prompt:a", "text", "prompt:b", "prompt:c", "text", "call:1", "result:1"]), 1);
    assert_eq!(turn(&["text"]), 1);
    assert_eq!(turn(&[]), 0);
}

#[test]
fn the_calls_of_one_turn_know_each_other() {
    let [a0, a1, b0] = [(7, 0), (7, 1), (8, 0)].map(|(turn, number)| call_id("call_", turn, number));
    let [a0, a1, b0] = [&a0, &a1, &b0].map(|id| id.as_str());
    let call = |id: &str| format!("call:{id}");
    let result = |id: &str| format!("result:{id}");
    let parts = ["prompt:x".to_owned(), call(a0), result(a0), call(a1), result(a1), call(b0), result(b0)];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    assert_eq!(turn(&parts[..5]), 1);
    assert_eq!(turn(&parts), 2);
    assert_eq!(history(&parts).last_results(), format!("result of {b0}"));
    // Others' ids say nothing, and stand for a turn each.
    assert_eq!(turn(&["prompt:x", "call:1", "result:1", "call:2", "result:2"]), 2);
    assert_eq!(turn_mark("call_short"), None);
    assert_eq!(turn_mark("call_00000000000000zz01"), None);
}

#[test]
fn the_last_script_of_a_prompt_is_the_one() {
    let script = |name: &str, scope| Script { name: name.to_owned(), scope, ..Script::new([Turn::text("t")]) };
    let [a, b] = [("a", Scope::Prompt), ("b", Scope::Conversation)].map(|(name, scope)| script(name, scope).embedded());
    let (a, b) = (format!("prompt:{a}"), format!("prompt:{b}"));
    let place = |parts: &[&str]| {
        let place = history(parts).place(Some(&script("served", Scope::Conversation))).unwrap();
        (place.script.map(|script| script.name).unwrap_or_default(), place.turn, place.prompt)
    };
    let is = |name: &str, turn, prompt: &str| (name.to_owned(), turn, prompt.to_owned());
    assert_eq!(place(&["prompt:x", "text", "prompt:y"]), is("", 1, "y"));
    assert_eq!(place(&[&a, "text"]), is("a", 1, ""));
    assert_eq!(place(&[&a, "text", "prompt:y", "text"]), is("a", 1, "y"));
    assert_eq!(place(&[&a, "text", &b, "text", "prompt:y", "text"]), is("b", 2, "y"));
    assert!(history(&["prompt:[[script: 5]]", "text"]).place(None).is_err());
}

#[test]
fn calls_and_results_belong_together() {
    assert_eq!(history(&["prompt:a", "call:1", "result:1", "prompt:b"]).check(), Ok(()));
    assert_eq!(history(&["prompt:a", "text", "text"]).check(), Ok(()));
    let wrong = |parts: &[&str]| history(parts).check().unwrap_err();
    assert!(wrong(&[]).contains("no message"));
    assert!(wrong(&["prompt:a", "result:1"]).contains("\"1\" belongs to no"));
    assert!(wrong(&["prompt:a", "call:1"]).contains("\"1\" has no tool result"));
    assert!(wrong(&["prompt:a", "call:1", "call:2", "result:1", "text"]).contains("\"2\" has no"));
    assert!(wrong(&["prompt:a", "call:1", "prompt:b", "result:1"]).contains("\"1\" has no"));
}

#[test]
fn what_was_said_before_goes_before() {
    let whole = history(&["result:1"]).following(history(&["prompt:a", "call:1"]));
    assert_eq!(
        (whole.check(), whole.place(None).unwrap().prompt.as_str(), whole.place(None).unwrap().turn),
        (Ok(()), "a", 1)
    );
    assert!(whole.bytes() > 0);
}
