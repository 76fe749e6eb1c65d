//! Scripts in prompts, what goes wrong as they say, bounds, and the log.
#![allow(clippy::unwrap_used, reason = "a test")]

pub mod common;

use common::{PATHS, chunk, eventually, first, get, head, post, prompt, request, sent, served, server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use warren_scripted_llm::{Cut, End, Fault, Options, Script, Server, Turn};

#[test]
fn any_number_of_conversations_bring_their_own_scripts() {
    let server = server();
    std::thread::scope(|scope| {
        for number in 0..100 {
            let server = &server;
            scope.spawn(move || {
                let path = PATHS[number % PATHS.len()];
                let turns = [Turn::call("bash", json!({ "command": format!("echo {number}") })), Turn::text("Done")];
                let prompt = format!("Number {number}. {}", Script::new(turns).embedded());
                let answer = post(server, path, &first(path, &prompt, number % 2 == 0));
                assert_eq!(answer.status, 200, "{}", answer.text());
                let text: String = answer.text().split(|c: char| !c.is_ascii_digit()).collect();
                assert!(text.contains(&number.to_string()));
            });
        }
    });
    assert_eq!(server.requests().len(), 100);
    assert_eq!(server.complaints(), Vec::<String>::new());
}

#[test]
fn a_fault_comes_so_often_and_then_the_answer() {
    let server = server();
    let faults = [Fault::status(429).times(2).retry_after(0.0), Fault::status(500)];
    let turn = faults.into_iter().fold(Turn::text("At last"), Turn::after);
    let prompt = Script::new([turn]).embedded();
    for path in PATHS {
        let statuses: Vec<u16> = (0..5).map(|_| post(&server, path, &first(path, &prompt, false)).status).collect();
        // Each protocol counts for itself.
        assert_eq!(statuses, [429, 429, 500, 200, 200], "{path}");
    }
    let other = request(
        server.address(),
        "POST",
        PATHS[0],
        &[("authorization", "Bearer other")],
        first(PATHS[0], &prompt, false).to_string().as_bytes(),
    );
    assert_eq!(other.status, 429);
    let entries = server.requests();
    assert_eq!(entries[0].fault.as_deref(), Some("status 429"));
    assert_eq!((entries[3].fault.as_deref(), entries[3].attempt), (None, 3));
    assert_eq!(server.complaints(), Vec::<String>::new());
}

#[test]
fn connections_are_cut_after_so_many_events() {
    let server = server();
    for path in PATHS {
        for (how, after, whole) in [(Cut::Close, 3, false), (Cut::End, 3, true), (Cut::Close, 0, false)] {
            let turn = Turn::text("A text that comes in more than one event, by far.").after(Fault::cut(how, after));
            let prompt = format!("{how:?} {after} {}", Script::new([turn]).embedded());
            let answer = post(&server, path, &first(path, &prompt, true));
            assert_eq!((answer.status, answer.events().len(), answer.whole), (200, after, whole), "{path} {how:?}");
            assert_eq!(server.requests().pop().unwrap().end, End::Cut);
            let again = post(&server, path, &first(path, &prompt, true));
            assert!(again.whole && again.events().len() > 4, "{path} {how:?}");
        }
    }
}

#[test]
fn an_answer_that_is_no_stream_is_cut_in_its_middle() {
    let server = server();
    let turn = Turn::text("Half").after(Fault::cut(Cut::Close, 1));
    let answer = post(&server, PATHS[0], &first(PATHS[0], &Script::new([turn]).embedded(), false));
    assert!(!answer.whole && answer.bytes().starts_with(b"{") && !answer.bytes().ends_with(b"}"), "{answer:?}");
    let script = json!({ "turns": [{ "text": "Half", "faults": [{ "malformed": true }] }] });
    let answer = post(&server, PATHS[1], &first(PATHS[1], &prompt(&script), false));
    assert!(answer.whole && serde_json::from_slice::<Value>(&answer.bytes()).is_err(), "{answer:?}");
}

#[test]
fn one_event_is_malformed_and_the_others_are_not() {
    let server = server();
    for path in PATHS {
        let script =
            json!({ "turns": [{ "text": "Pieces, to be sure.", "faults": [{ "malformed": true, "after": 3 }] }] });
        let answer = post(&server, path, &first(path, &prompt(&script), true));
        let events = answer.events();
        let broken = events.iter().enumerate().filter(|(_, (_, data))| data.is_string() && data != "[DONE]");
        assert_eq!(broken.map(|(index, _)| index).collect::<Vec<_>>(), [3], "{path}");
        assert!(answer.whole);
    }
}

#[test]
fn an_error_comes_in_the_middle_of_a_stream() {
    let server = server();
    for path in PATHS {
        let script = json!({ "turns": [{ "text": "Pieces", "faults": [{ "status": 500, "after": 2 }] }] });
        let answer = post(&server, path, &first(path, &prompt(&script), true));
        let (name, last) = answer.events().pop().unwrap();
        assert_eq!((answer.status, answer.events().len(), answer.whole), (200, 3, true), "{path}");
        assert_eq!(name, if *path == "/v1/chat/completions" { "" } else { "error" });
        assert!(last.to_string().contains("The service failed."), "{last}");
        let again = post(&server, path, &first(path, &prompt(&script), true));
        assert!(!again.text().contains("The service failed."), "{path}");
        // What is no stream has a status of its own.
        let script = json!({ "name": "whole", "turns": [{ "text": "a", "faults": [{ "status": 500, "after": 2 }] }] });
        assert_eq!(post(&server, path, &first(path, &prompt(&script), false)).status, 500);
    }
}

#[test]
fn a_client_that_leaves_a_hanging_answer_is_seen_to_leave() {
    let server = server();
    let turn = Turn::text("This text hangs in its middle.").after(Fault::cut(Cut::Hang, 3));
    let body = first(PATHS[0], &Script::new([turn]).embedded(), true).to_string();
    let mut stream = sent(server.address(), "POST", PATHS[0], &[], body.as_bytes());
    let mut reader = BufReader::new(&mut stream);
    assert_eq!(head(&mut reader).status, 200);
    for _ in 0..3 {
        assert!(chunk(&mut reader).is_some_and(|chunk| !chunk.is_empty()));
    }
    assert_eq!(server.requests()[0].end, End::Open);
    drop(stream);
    eventually("the client is seen to leave", || server.requests()[0].end == End::Left);
    // Before the answer begins, too.
    let script = json!({ "turns": [{ "text": "Late", "pace": { "first_byte_ms": 600_000 } }] });
    let body = first(PATHS[0], &prompt(&script), true).to_string();
    let stream = sent(server.address(), "POST", PATHS[0], &[], body.as_bytes());
    std::thread::sleep(std::time::Duration::from_millis(100));
    drop(stream);
    eventually("it stands in the log", || server.requests().len() == 2);
    assert_eq!((server.requests()[1].status, server.requests()[1].end), (0, End::Left));
}

#[test]
fn pieces_are_cut_wherever_the_bytes_say() {
    let server = server();
    let text = "é🐇 and \"quotes\" and a line\n";
    for (wire_bytes, crlf, ascii) in [(1, false, false), (7, true, false), (5, false, true)] {
        let pace = json!({ "wire_bytes": wire_bytes, "crlf": crlf, "ascii": ascii, "delta_chars": 2 });
        let call = json!({ "name": "bash", "arguments": { "command": text } });
        let script = json!({ "pace": pace, "turns": [{ "text": text, "calls": [call] }] });
        for path in PATHS {
            let answer = post(&server, path, &first(path, &prompt(&script), true));
            let (last, rest) = answer.pieces.split_last().unwrap();
            assert!(rest.iter().all(|piece| piece.len() == wire_bytes) && last.len() <= wire_bytes, "{path}");
            assert_eq!(answer.text().contains("\r\n"), crlf);
            assert_eq!(answer.text().is_ascii(), ascii);
            let joined: String = deltas(path, &answer.events());
            let arguments: Value = serde_json::from_str(joined.strip_prefix(text).unwrap()).unwrap();
            assert_eq!(arguments["command"], text, "{path}");
        }
    }
}

/// Text and arguments of a stream, one after the other.
fn deltas(path: &str, events: &[(String, Value)]) -> String {
    let fields: &[&str] = match path {
        "/v1/messages" => &["/delta/text", "/delta/partial_json"],
        "/v1/chat/completions" => &["/choices/0/delta/content", "/choices/0/delta/tool_calls/0/function/arguments"],
        _ => &["/delta"],
    };
    let found = events.iter().flat_map(|(_, data)| fields.iter().filter_map(|field| data.pointer(field)?.as_str()));
    found.collect()
}

#[test]
fn a_delay_goes_before_the_first_byte_and_between_pieces() {
    let server = server();
    let pace = json!({ "first_byte_ms": 30, "between_ms": 10 });
    let script = json!({ "turns": [{ "text": "Slow.", "pace": pace }] });
    let started = std::time::Instant::now();
    let answer = post(&server, PATHS[0], &first(PATHS[0], &prompt(&script), true));
    // Not sooner; how much later is this machine's affair.
    let least = 30 + 10 * (answer.pieces.len() as u128 - 1);
    assert!(answer.pieces.len() > 3 && started.elapsed().as_millis() >= least, "{:?}", started.elapsed());
}

#[test]
fn what_is_not_as_expected_is_an_error_and_recorded() {
    let server = served(json!({ "turns": [{
        "text": "Fine",
        "expect": {
            "prompt": { "regex": "^Go$" }, "system": { "lacks": "evil" }, "model": { "equals": "m" }, "tools": ["bash"],
            "headers": { "X-Api-Key": "secret" }, "body": { "/max_tokens": 100, "/temperature": null }, "turn": 0,
        },
    }] }));
    let body = first(PATHS[0], "Go", false);
    let bytes = body.to_string();
    let good = request(server.address(), "POST", PATHS[0], &[("x-api-key", "a secret")], bytes.as_bytes());
    assert_eq!(good.status, 200, "{}", good.text());
    let mut wrong = body;
    wrong["messages"][0]["content"] = json!("Stay");
    wrong["system"] = json!("Be evil.");
    wrong["max_tokens"] = json!(5);
    wrong["tools"] = json!([]);
    let bad = request(server.address(), "POST", PATHS[0], &[("x-api-key", "hidden")], wrong.to_string().as_bytes());
    assert_eq!((bad.status, &bad.json()["error"]["type"]), (400, &json!("invalid_request_error")));
    let entry = server.requests().pop().unwrap();
    assert_eq!(entry.unmet.len(), 5, "{:?}", entry.unmet);
    for part in
        ["the prompt has to match /^Go$/, and is \"Stay\"", "lack \"evil\"", "/max_tokens has to be 100, and is \"5\""]
    {
        assert!(entry.unmet.iter().any(|why| why.contains(part)), "{part}: {:?}", entry.unmet);
    }
    assert!(!entry.unmet.concat().contains("hidden"));
    let log = get(&server, "/_log").text();
    assert!(!log.contains("hidden") && !log.contains("a secret"), "{log}");
    assert_eq!(server.complaints().len(), 1);
}

#[test]
fn a_script_that_does_not_fit_says_why() {
    let server = server();
    let message = |prompt: &str| {
        let answer = post(&server, PATHS[0], &first(PATHS[0], prompt, true));
        assert_eq!(answer.status, 400);
        answer.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(message("No script").contains("there is no script"));
    let unknown = json!({ "turns": [{ "calls": [{ "name": "bahs", "arguments": {} }] }] });
    assert!(message(&prompt(&unknown)).contains("calls \"bahs\", and the request offers bash"));
    let wrong = message("```script\nturns = [{ text = 5 }]\n```\n");
    assert!(wrong.contains("in the prompt, turns[0].text"), "{wrong}");
    let done = served(json!({ "name": "short", "turns": [{ "text": "One" }] }));
    let mut body = first(PATHS[0], "Go", false);
    body["messages"] = json!([
        { "role": "user", "content": "Go" }, { "role": "assistant", "content": "One" },
    ]);
    let answer = post(&done, PATHS[0], &body);
    assert!(answer.text().contains("\\\"short\\\" has no turn 1"), "{}", answer.text());
}

#[test]
fn a_request_without_tools_is_an_aside() {
    let server = served(json!({ "aside": "A title", "turns": [{ "calls": [{ "name": "bash" }] }] }));
    for path in PATHS {
        let mut body = first(path, "Name this conversation", false);
        body["tools"] = json!([]);
        assert!(post(&server, path, &body).text().contains("A title"), "{path}");
        assert!(!post(&server, path, &first(path, "Go", false)).text().contains("A title"), "{path}");
    }
    let none = common::server();
    let mut body = first(PATHS[0], "Name this conversation", false);
    body["tools"] = json!([]);
    assert!(post(&none, PATHS[0], &body).text().contains("An aside"));
    assert_eq!(post(&none, PATHS[0], &first(PATHS[0], "Go", false)).status, 400);
}

#[test]
fn bodies_and_keys_and_the_log_have_bounds() {
    let script = Script::new([Turn::text("Yes")]);
    let options = Options {
        script: Some(script),
        key: Some("k".to_owned()),
        body_bytes_max: 1_000,
        log_entries_max: 3,
        ..Options::default()
    };
    let server = Server::start(options).unwrap();
    let body = first(PATHS[0], "Go", false).to_string();
    let status =
        |headers: &[(&str, &str)], body: &[u8]| request(server.address(), "POST", PATHS[0], headers, body).status;
    assert_eq!(status(&[("x-api-key", "k")], body.as_bytes()), 200);
    assert_eq!(status(&[("authorization", "Bearer k")], body.as_bytes()), 200);
    assert_eq!(status(&[("x-api-key", "wrong")], body.as_bytes()), 401);
    assert_eq!(status(&[], body.as_bytes()), 401);
    assert_eq!(status(&[("x-api-key", "k")], b"{\"model\":"), 400);
    assert_eq!(status(&[("x-api-key", "k")], b"[]"), 400);
    assert_eq!(status(&[("x-api-key", "k"), ("content-encoding", "gzip")], body.as_bytes()), 415);
    let exact = format!("{}{}", body, " ".repeat(1_000 - body.len()));
    assert_eq!(status(&[("x-api-key", "k")], exact.as_bytes()), 200);
    assert_eq!(status(&[("x-api-key", "k")], format!("{exact} ").as_bytes()), 413);
    let entries = server.requests();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [7, 8, 9]);
    assert_eq!(entries[1].json()["model"], "m");
    let log = get(&server, "/_log?after=8").json();
    assert_eq!((log["entries"].as_array().unwrap().len(), &log["dropped"]), (1, &json!(6)));
    assert_eq!(log["entries"][0]["status"], 413);
    assert_eq!(get(&server, "/_log?after=x").status, 400);
    assert_eq!(request(server.address(), "DELETE", "/_log", &[], b"").status, 200);
    assert!(server.requests().is_empty());
}

#[test]
fn a_server_ends_when_it_is_dropped() {
    let server = server();
    let address = server.address();
    let taken = Server::start(Options { listen: address, ..Options::default() }).unwrap_err();
    assert!(taken.to_string().contains(&address.to_string()), "{taken}");
    let mut open = sent(address, "GET", "/v1/models", &[], b"");
    drop(server);
    let mut rest = Vec::new();
    let _ = open.read_to_end(&mut rest);
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_server_can_be_used_from_a_runtime() {
    let server = served(json!({ "turns": [{ "text": "Yes" }] }));
    let url = server.url();
    assert_eq!(url, format!("http://{}", server.address()));
    let answer = tokio::task::spawn_blocking(move || {
        let answer = post(&server, PATHS[1], &first(PATHS[1], "Go", false));
        (server, answer)
    });
    let (server, answer) = answer.await.unwrap();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Yes");
    // Neither starting nor ending one needs a thread that may block.
    drop(server);
}

#[test]
fn the_binary_prints_its_address_and_names_what_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.toml"), folder.path().join("bad.json"));
    std::fs::write(&good, "[[turns]]\ntext = \"From a file\"\n").unwrap();
    std::fs::write(&bad, r#"{"turns": [{"text": "a"}, {"text": "b", "calls": [{"nme": "bash"}]}]}"#).unwrap();
    let binary = env!("CARGO_BIN_EXE_warren-scripted-llm");
    let failed = Command::new(binary).arg("--script").arg(&bad).output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(!failed.status.success() && failed.stdout.is_empty());
    assert!(said.contains("bad.json: bad script: turns[1].calls[0]") && said.contains("nme"), "{said}");

    let mut child = Command::new(binary)
        .arg("--script")
        .arg(&good)
        .args(["--delta-chars", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().parse().unwrap();
    let body = first(PATHS[0], "Go", true).to_string();
    let answer = request(address, "POST", PATHS[0], &[], body.as_bytes());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.names().iter().filter(|name| *name == "content_block_delta").count(), "From a file".len());
}
