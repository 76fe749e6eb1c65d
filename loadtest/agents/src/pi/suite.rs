//! What each version does, with each provider, wherever it runs.

use super::{PATIENCE, Pi, Rpc, Start, each, prompt};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use warren_pinned_npm::told;
use warren_scripted_llm::agents::PI_PROVIDERS;
use warren_scripted_llm::{End, Server};

/// One tool is called, and the model sees what it gave.
pub fn runs_a_tool_and_says_what_it_gave(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start) {
    let script = json!({ "turns": [
        {
            "thinking": "A tool is needed.",
            "text": "I look.",
            "calls": [{ "name": "bash", "arguments": { "command": "echo made-$((6 * 7)) | tee made.txt" } }],
        },
        { "expect": { "tool_result": "made-42", "system": "bash" }, "text": "It says: {{tool_result}}" },
    ] });
    each(server, start, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            assert_eq!(pi.print(provider, &prompt(&script)).trim(), "It says: made-42", "{provider}");
            assert_eq!(fs::read_to_string(pi.work().join("made.txt")).unwrap(), "made-42\n");
            fs::remove_file(pi.work().join("made.txt")).unwrap();
            assert_eq!(server.complaints(), Vec::<String>::new());
            let seen: Vec<_> = server.requests().iter().map(|entry| (entry.turn, entry.stream, entry.end)).collect();
            assert_eq!(seen, [(Some(0), true, End::Whole), (Some(1), true, End::Whole)], "{provider}");
        }
    });
}

/// `write`, `edit`, `read` and `bash`, several at once, and ones that fail.
pub fn does_as_its_tools_are_told(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start) {
    let text = "first line\nGrüße 🐇\n";
    let edits = json!([{ "oldText": "first", "newText": "1st" }, { "oldText": "🐇", "newText": "🦊" }]);
    let script = json!({
        "pace": { "delta_chars": 2, "wire_bytes": 5 },
        "turns": [
            { "calls": [{ "name": "write", "arguments": { "path": "deep/a.txt", "content": text } }] },
            { "calls": [{ "name": "edit", "arguments": { "path": "deep/a.txt", "edits": edits } }] },
            { "calls": [{ "name": "read", "arguments": { "path": "deep/a.txt" } }] },
            {
                "expect": { "tool_result": "1st line\nGrüße 🦊" },
                "calls": [
                    { "name": "bash", "arguments": { "command": "wc -l < deep/a.txt" } },
                    { "name": "bash", "arguments": { "command": "exit 3" } },
                    { "name": "read", "arguments": { "path": "not-there" } },
                ],
            },
            { "expect": { "tool_result": ["2\n", "code 3", "ENOENT"] }, "text": "All done." },
        ],
    });
    each(server, start, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            let said = pi.print(provider, &prompt(&script));
            assert_eq!(server.complaints(), Vec::<String>::new(), "{provider}");
            assert_eq!(said.trim(), "All done.", "{provider}");
            assert_eq!(fs::read_to_string(pi.work().join("deep/a.txt")).unwrap(), "1st line\nGrüße 🦊\n");
            fs::remove_dir_all(pi.work().join("deep")).unwrap();
        }
    });
}

/// Refusals, overload and answers that break off are asked again, and no tool runs twice.
pub fn tries_again_after_errors(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start) {
    let faults = json!([{ "status": 429, "retry_after": 0.01 }, { "status": 529 }, { "cut": "close", "after": 4 }]);
    let script = json!({ "pace": { "delta_chars": 3 }, "turns": [
        { "calls": [{ "name": "bash", "arguments": { "command": "echo once >> log" } }], "faults": faults },
        { "text": "Nevertheless.", "faults": [{ "cut": "close", "after": 5 }] },
    ] });
    each(server, start, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            assert_eq!(pi.print(provider, &prompt(&script)).trim(), "Nevertheless.", "{provider}");
            assert_eq!(fs::read_to_string(pi.work().join("log")).unwrap(), "once\n");
            fs::remove_file(pi.work().join("log")).unwrap();
            let faults: Vec<_> = server.requests().into_iter().map(|entry| entry.fault.unwrap_or_default()).collect();
            assert_eq!(faults, ["status 429", "status 529", "closed after 4", "", "closed after 5", ""], "{provider}");
        }
    });
}

/// An error that is no use to try again ends it, and it says so.
pub fn ends_with_a_final_error(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start) {
    let script = json!({ "turns": [{ "text": "No.", "expect": { "prompt": "the word" } }] });
    each(server, start, |pi| {
        for provider in PI_PROVIDERS {
            let done = pi.command(provider, &["-p", &prompt(&script)]).output().unwrap();
            assert!(!done.status.success() && told(&done).contains("the prompt has to contain"), "{}", told(&done));
        }
    });
    assert!(server.requests().iter().all(|entry| entry.unmet.len() == 1));
}

/// `--mode rpc`: prompts one after another, and an answer that hangs is given up when it is told to.
pub fn is_driven_by_lines(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start) {
    each(server, start, |pi| {
        let work = start(pi).work.display().to_string();
        for provider in PI_PROVIDERS {
            server.clear();
            let mut rpc = Rpc::start(pi, provider);
            let first = json!({ "turns": [
                { "calls": [{ "name": "bash", "arguments": { "command": "pwd" } }] },
                { "expect": { "tool_result": work }, "text": "I am in {{tool_result}}" },
            ] });
            rpc.send(&json!({ "id": "1", "type": "prompt", "message": prompt(&first) }));
            let lines = rpc.until(pi.last_event);
            let answered = |line: &Value| line["type"] == "response" && line["id"] == "1" && line["success"] == true;
            assert!(lines.iter().any(answered), "{lines:#?}");
            assert_eq!(heard(&lines).trim(), format!("I am in {work}"), "{provider}");

            // A second prompt of the same conversation begins its own script.
            let second = json!({ "turns": [{ "text": "Another.", "expect": { "turn": 0 } }] });
            rpc.send(&json!({ "type": "prompt", "message": prompt(&second) }));
            assert_eq!(heard(&rpc.until(pi.last_event)), "Another.", "{provider}");
            assert_eq!(server.complaints(), Vec::<String>::new());

            let faults = json!([{ "cut": "hang", "after": 6 }]);
            let third = json!({ "pace": { "delta_chars": 1 }, "turns": [{ "text": "This hangs.", "faults": faults }] });
            rpc.send(&json!({ "type": "prompt", "message": prompt(&third) }));
            rpc.until("message_update");
            rpc.send(&json!({ "type": "abort" }));
            rpc.until(pi.last_event);
            let began = Instant::now();
            while !server.requests().last().is_some_and(|entry| entry.end == End::Left) {
                assert!(began.elapsed() < PATIENCE, "it has not left");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
}

/// The text of the pieces that came.
fn heard(lines: &[Value]) -> String {
    let updates = lines.iter().map(|line| &line["assistantMessageEvent"]).filter(|event| event["type"] == "text_delta");
    updates.map(|event| event["delta"].as_str().unwrap()).collect()
}
