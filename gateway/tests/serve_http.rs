//! The HTTP interface over real connections: what it promises, and what hostile clients try.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{LIMIT, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::Instant;

/// One server for the tests of this file; each makes sessions of its own. `None` without software.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let started = SERVER.get_or_init(|| {
        if !common::software() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap().keep();
        let settings = [
            ("WARREN_SERVER__REQUEST_BYTES_MAX", "64KiB"),
            ("WARREN_SERVER__UPLOAD_BYTES_MAX", "8MiB"),
            ("WARREN_SERVER__BODY_TIMEOUT", "700ms"),
            ("WARREN_SERVER__HEADER_TIMEOUT", "700ms"),
            ("WARREN_SESSIONS__OUTPUT_BYTES_MAX", "64KiB"),
        ];
        let server = Server::start_with(&dir, &settings);
        server.end_with_this_process();
        Some(server)
    });
    started.as_ref()
}

/// A new session of this name, and the path of it.
fn session(server: &Server, name: &str) -> String {
    let made = server.post("/v1/sessions", json!({ "name": name }));
    assert_eq!(made.status, 201, "{}", made.text());
    format!("/v1/sessions/{name}")
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < LIMIT, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn sessions_are_made_found_listed_and_deleted() {
    let Some(server) = server() else { return };
    let made = server.post("/v1/sessions", json!({ "name": "made", "labels": { "a": "b" }, "durability": "journal" }));
    assert_eq!(made.status, 201);
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/sessions/{id}")).json()["name"], "made");
    assert_eq!(server.get("/v1/sessions/made").json()["durability"], "journal");
    server.post("/v1/sessions", json!({ "name": "made" })).refused(409, "name_taken");
    let page = server.get("/v1/sessions?limit=1").json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.request("DELETE", "/v1/sessions/made", &[], b"").status, 204);
    server.get("/v1/sessions/made").refused(404, "session_not_found");
    server.get(&format!("/v1/sessions/{id}")).refused(410, "session_deleted");
    server.post(&format!("/v1/sessions/{id}/exec"), json!({ "command": "true" })).refused(410, "session_deleted");
    // The name is free again, the id is not.
    let again = server.post("/v1/sessions", json!({ "name": "made" })).json();
    assert_ne!(again["id"], made["id"]);
}

#[test]
fn commands_answer_with_their_outcome() {
    let Some(server) = server() else { return };
    let path = session(server, "outcome");
    let done = server.exec("outcome", "echo hi; echo no >&2; exit 3");
    assert_eq!((done["end"].as_str(), done["status"].as_i64()), (Some("exited"), Some(3)));
    assert_eq!((done["stdout"].as_str(), done["stderr"].as_str()), (Some("hi\n"), Some("no\n")));
    let killed = server.exec("outcome", "kill -TERM $$");
    assert_eq!((killed["end"].as_str(), killed["signal"].as_str()), (Some("signaled"), Some("SIGTERM")));
    let bytes = server.exec("outcome", "printf '\\377\\000'");
    assert_eq!(bytes["stdout_base64"], "/wA=");
    let cut = server.exec("outcome", "head -c 100000 /dev/zero | tr '\\0' x");
    assert_eq!((cut["cut"].as_bool(), cut["stdout"].as_str().unwrap().len()), (Some(true), 64 * 1024));
    let rest = server.get(&format!("{path}/execs/{}/output?offset=65536", cut["exec"]));
    assert_eq!((rest.body.len(), rest.header("warren-offset"), rest.header("warren-end")), (34464, "65536", "true"));
    let fed = server.post(&format!("{path}/exec"), json!({ "argv": ["cat"], "stdin": { "base64": "/wA=" } })).json();
    assert_eq!(fed["stdout_base64"], "/wA=");
    let none = server.post(&format!("{path}/exec"), json!({ "argv": ["no-such-program"] })).json();
    assert_eq!(
        (none["end"].as_str(), none["errno"].as_str(), none["status"].as_i64()),
        (Some("not_started"), Some("ENOENT"), Some(127))
    );
    let window =
        |rows: u32, columns: u32| json!({ "command": "true", "terminal": { "rows": rows, "columns": columns } });
    for (rows, columns) in [(1, 1), (200, 400)] {
        assert_eq!(server.post(&format!("{path}/exec"), window(rows, columns)).status, 200);
    }
    for wrong in [
        json!({}),
        json!({ "command": "x", "argv": ["x"] }),
        json!({ "command": "x", "wrokdir": "/" }),
        json!({ "command": "x", "stdin": { "text": "a", "base64": "" } }),
        window(0, 80),
        window(24, 0),
        window(201, 80),
        window(24, 401),
        // An array is no object, with its values in the order of the fields.
        json!(["echo hi", null, {}, null, null, null, null, false]),
        json!({ "command": "true", "terminal": [24, 80] }),
    ] {
        server.post(&format!("{path}/exec"), wrong).refused(422, "invalid_request");
    }
    server.get(&format!("{path}/execs/999")).refused(404, "exec_not_found");
}

#[test]
fn a_detached_command_is_fed_signalled_and_read() {
    let Some(server) = server() else { return };
    let path = session(server, "detached");
    let line = "read a; echo got $a; read b; echo then $b";
    let started = server.post(&format!("{path}/exec"), json!({ "command": line, "stdin": "open", "detach": true }));
    assert_eq!(started.status, 202);
    let exec = format!("{path}/execs/{}", started.json()["exec"]);
    assert_eq!(server.request("POST", &format!("{exec}/stdin"), &[], b"some\n").status, 204);
    assert_eq!(server.get(&format!("{exec}/output?wait=true")).text(), "got some\n");
    assert_eq!(server.request("POST", &format!("{exec}/stdin?close=true"), &[], b"more").status, 204);
    eventually("it ends", || server.get(&exec).json()["running"] == false);
    assert_eq!(server.get(&format!("{exec}/output?offset=9")).text(), "then more\n");
    server.request("POST", &format!("{exec}/stdin"), &[], b"more").refused(409, "no_input");

    let started = server.post(&format!("{path}/exec"), json!({ "argv": ["sleep", "600"], "detach": true })).json();
    let exec = format!("{path}/execs/{}", started["exec"]);
    let found = server.get(&format!("{path}/processes")).json();
    assert!(found["items"].as_array().unwrap().iter().any(|process| process["command"][0] == "sleep"), "{found}");
    server.post(&format!("{exec}/signal"), json!({ "signal": "NOPE" })).refused(422, "invalid_request");
    assert_eq!(server.post(&format!("{exec}/signal"), json!({ "signal": "SIGKILL" })).status, 204);
    eventually("sleep ends", || server.get(&exec).json()["signal"] == "SIGKILL");
    server.post(&format!("{exec}/signal"), json!({ "signal": "TERM" })).refused(409, "exec_over");
    let size = json!({ "rows": 24, "columns": 80 });
    server.post(&format!("{exec}/resize"), size.clone()).refused(409, "exec_over");
    server.post(&format!("{path}/processes/777/signal"), json!({ "signal": "TERM" })).refused(404, "process_not_found");

    let started = server.post(&format!("{path}/exec"), json!({ "argv": ["sleep", "600"], "detach": true })).json();
    let exec = format!("{path}/execs/{}", started["exec"]);
    server.post(&format!("{exec}/resize"), size).refused(409, "no_terminal");
    server.post(&format!("{exec}/resize"), json!({ "rows": 0, "columns": 80 })).refused(422, "invalid_request");
    server.post(&format!("{exec}/resize"), json!([24, 80])).refused(422, "invalid_request");
    assert_eq!(server.post(&format!("{exec}/signal"), json!({ "signal": "9" })).status, 204);
}

#[test]
fn a_key_runs_a_command_once() {
    let Some(server) = server() else { return };
    let path = session(server, "keyed");
    let run = |key: &str, line: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let body = json!({ "command": line }).to_string();
        server.request("POST", &format!("{path}/exec"), &headers, body.as_bytes())
    };
    let first = run("k1", "echo x >> f; wc -l < f").json();
    let second = run("k1", "echo x >> f; wc -l < f").json();
    assert_eq!(first["stdout"], "1\n");
    assert_eq!((&first["exec"], &first["stdout"]), (&second["exec"], &second["stdout"]));
    run("k1", "something else").refused(422, "key_reused");
    run("", "true").refused(422, "invalid_request");
}

#[test]
fn files_go_in_and_out() {
    let Some(server) = server() else { return };
    let path = session(server, "files");
    let file = format!("{path}/files/tmp/a/b%20c%25");
    let bytes: Vec<u8> = (0..2_000_000u32).map(|number| (number % 253) as u8).collect();
    server.request("PUT", &file, &[], &bytes).refused(404, "file_not_found");
    let put = server.request("PUT", &format!("{file}?parents=true&mode=0750"), &[], &bytes);
    assert_eq!((put.status, put.json()["mode"].as_str()), (200, Some("0750")), "{}", put.text());
    let got = server.get(&file);
    assert!(got.body == bytes);
    assert_eq!((got.header("warren-kind"), got.header("warren-mode")), ("file", "0750"));
    let part = server.request("GET", &file, &[("range", "bytes=10-19")], b"");
    assert_eq!(
        (part.status, part.header("content-range"), part.body.as_slice()),
        (206, "bytes 10-19/2000000", &bytes[10..20])
    );
    let tail = server.request("GET", &file, &[("range", "bytes=-3")], b"");
    assert_eq!(tail.body, &bytes[bytes.len() - 3..]);
    server.request("GET", &file, &[("range", "bytes=2000000-")], b"").refused(416, "range_outside");
    let head = server.request("HEAD", &file, &[], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "2000000", 0));
    assert_eq!(server.exec("files", "wc -c < '/tmp/a/b c%'")["stdout"], "2000000\n");
    server.request("PUT", &file, &[("if-none-match", "*")], b"x").refused(412, "file_exists");
    server.request("PUT", &file, &[("if-none-match", "*")], &bytes).refused(412, "file_exists");
    assert!(server.get(&file).body == bytes, "nothing was changed");

    let moved = server.request("POST", &format!("{file}?op=rename&to=/tmp/a/d"), &[], b"");
    assert_eq!(moved.json()["name"], "/tmp/a/d", "{}", moved.text());
    assert_eq!(server.request("POST", &format!("{path}/files/tmp/a/sub?op=mkdir"), &[], b"").status, 201);
    let first = server.get(&format!("{path}/files/tmp/a?limit=1")).json();
    assert_eq!((first["items"][0]["name"].as_str(), first["next"].as_str()), (Some("d"), Some("d")));
    let second = server.get(&format!("{path}/files/tmp/a?limit=1&after=d")).json();
    assert_eq!((second["items"][0]["kind"].as_str(), second["next"].as_str()), (Some("directory"), None));
    assert_eq!(server.get(&format!("{path}/files/")).json()["items"][0]["name"], "bin");
    // A limit is one, whatever the path turns out to be.
    for wrong in ["limit=0", "limit=1001", "limit=0&stat=true"] {
        server.get(&format!("{path}/files/tmp/a/d?{wrong}")).refused(422, "invalid_request");
    }
    assert_eq!(server.get(&format!("{path}/files/tmp/a/d?limit=1000")).status, 200);
    server.exec("files", "ln -s d /tmp/a/link; ln -s loop /tmp/a/loop");
    assert!(server.get(&format!("{path}/files/tmp/a/link")).body == bytes, "a link is followed");
    server.get(&format!("{path}/files/tmp/a/loop")).refused(422, "file_error");
    server.request("DELETE", &format!("{path}/files/tmp/a"), &[], b"").refused(409, "directory_not_empty");
    assert_eq!(server.request("DELETE", &format!("{path}/files/tmp/a?recursive=true"), &[], b"").status, 204);
}

#[test]
fn paths_cannot_leave_the_session() {
    let Some(server) = server() else { return };
    let key = &server.key;
    let path = session(server, "paths");
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "of this machine").unwrap();
    let name = secret.path().to_str().unwrap();
    let up = ["..", "%2e%2e", "..%2f..", "%2e%2e%2f"].map(|up| format!("{path}/files/{up}/{up}/{up}{name}"));
    for target in &up {
        let answer = server.raw(
            format!(
                "GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
            )
            .as_bytes(),
        );
        assert!(answer.starts_with("HTTP/1.1 404"), "{target}: {answer}");
        assert!(!answer.contains("of this machine"));
    }
    for (target, status) in [("a%00b", "422"), ("%ff", "400"), (&"x/".repeat(3000), "4")] {
        let request = format!(
            "GET {path}/files/{target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        assert!(server.raw(request.as_bytes()).starts_with(&format!("HTTP/1.1 {status}")), "{target}");
    }
    server.get("/v1/sessions/..%2f..%2fetc").refused(422, "invalid_name");
}

/// Reads events from a stream until `last` says it was the last.
fn events(server: &Server, path: &str, headers: &str, mut last: impl FnMut(&Value) -> bool) -> Vec<(String, Value)> {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n{headers}\r\n",
        server.key
    )
    .unwrap();
    let (mut events, mut id) = (Vec::new(), String::new());
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(position) = line.strip_prefix("id: ") {
            id = position.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            let data: Value = serde_json::from_str(data).unwrap();
            let over = last(&data);
            events.push((id.clone(), data));
            if over {
                break;
            }
        }
    }
    events
}

#[test]
fn events_are_resumed_without_gap_or_duplicate() {
    let Some(server) = server() else { return };
    let path = session(server, "events");
    for number in 0..5 {
        server.exec("events", &format!("echo {number}"));
    }
    let mut all = events(server, &format!("{path}/events?follow=false"), "", |_| false);
    // The end is told, and is no part of the log.
    let end = all.pop().unwrap().1;
    assert_eq!(end, json!({ "type": "end", "position": all.last().unwrap().0 }));
    assert!(all.iter().all(|(id, data)| data["position"] == *id));
    let seqs: Vec<u64> = all.iter().map(|(id, _)| id.split_once('.').unwrap().1.parse().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    for at in [0, 7, all.len() - 1] {
        let header = format!("Last-Event-ID: {}\r\n", all[at].0);
        for (after, headers) in [(all[at].0.as_str(), ""), ("1.1", &*header)] {
            let mut rest = events(server, &format!("{path}/events?follow=false&after={after}"), headers, |_| false);
            assert_eq!(rest.pop().unwrap().1, end);
            assert_eq!(rest, all[at + 1..], "after {}", all[at].0);
        }
    }
    // Behind the last there is: what the client has is of no log, and it is told which numbers.
    let seq = seqs.len() as u64;
    for beyond in [seq + 1, i64::MAX as u64] {
        let told = events(server, &format!("{path}/events?follow=false&after=1.{beyond}"), "", |_| false);
        let told: Vec<Value> = told.into_iter().map(|(_, data)| data).collect();
        assert_eq!(told, [json!({ "type": "resync", "from": seq + 1, "to": beyond }), end.clone()]);
    }
    let one = events(server, &format!("{path}/events?follow=false&exec=1"), "", |_| false);
    assert_eq!((&one[one.len() - 2].1["type"], &one[one.len() - 1].1), (&json!("exited"), &end));
    let followed = events(server, &format!("{path}/events?exec=1"), "", |_| false);
    assert_eq!(followed.last().unwrap().1["type"], "exited", "what is followed has no end of its own");
    server.get(&format!("{path}/events?after=x")).refused(422, "invalid_request");
    server.get(&format!("{path}/events?after=0.1")).refused(422, "invalid_request");

    // Those to come arrive as they happen.
    let last = all.last().unwrap().0.clone();
    std::thread::scope(|scope| {
        let follower =
            scope.spawn(|| events(server, &format!("{path}/events?after={last}"), "", |data| data["type"] == "exited"));
        server.exec("events", "echo new");
        let new = follower.join().unwrap();
        assert!(new.iter().any(|(_, data)| data["data"] == "new\n"), "{new:?}");
    });
}

#[test]
fn input_that_ends_its_command_is_taken() {
    let Some(server) = server() else { return };
    let path = session(server, "fed");
    for number in 1..=16 {
        let command = json!({ "command": "read line; echo $line", "stdin": "open", "detach": true });
        assert_eq!(server.post(&format!("{path}/exec"), command).status, 202);
        // It ends of the line, before or after its input is closed.
        let stdin = format!("{path}/execs/{number}/stdin?close=true");
        let fed = server.request("POST", &stdin, &[], b"hello\n");
        assert_eq!(fed.status, 204, "{}", fed.text());
        assert_eq!(server.get(&format!("{path}/execs/{number}/output?wait=true")).text(), "hello\n");
        server.request("POST", &stdin, &[], b"").refused(409, "no_input");
        server.request("POST", &stdin, &[], b"more\n").refused(409, "no_input");
    }
}

#[test]
fn a_stream_of_one_command_ends_with_it() {
    let Some(server) = server() else { return };
    let path = session(server, "stream");
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let answer =
        server.request("POST", &format!("{path}/exec"), &headers, br#"{"command":"echo a; echo b >&2; exit 4"}"#);
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let text = answer.text();
    let types: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((types[0], *types.last().unwrap()), ("started", "exited"), "{text}");
    assert!(types[1..types.len() - 1].iter().all(|kind| *kind == "output"), "{types:?}");
}

#[test]
fn checkpoints_forks_and_archives() {
    let Some(server) = server() else { return };
    let path = session(server, "points");
    server.exec("points", "echo 1 > f");
    let point = server.post(&format!("{path}/checkpoint"), json!({ "name": "one" }));
    assert_eq!((point.status, point.json()["checkpoint"].as_u64()), (201, Some(1)));
    server.exec("points", "echo 2 > f");
    server.post(&format!("{path}/rollback"), json!({ "checkpoint": 9 })).refused(404, "checkpoint_not_found");
    assert_eq!(server.post(&format!("{path}/rollback"), json!({ "checkpoint": 1 })).status, 200);
    assert_eq!(server.exec("points", "cat f")["stdout"], "1\n");
    assert_eq!(server.post(&format!("{path}/fork"), json!({ "name": "points-2" })).status, 201);
    server.exec("points-2", "echo 3 > f");
    assert_eq!(server.exec("points", "cat f")["stdout"], "1\n");
    assert_eq!(server.post(&format!("{path}/hibernate"), json!({})).json()["state"], "hibernated");
    assert_eq!(server.get(&path).json()["state"], "hibernated", "looking does not wake it");
    assert_eq!(server.exec("points", "cat f")["stdout"], "1\n");

    let tar = server.get(&format!("{path}/export"));
    assert_eq!(tar.header("content-type"), "application/x-tar");
    let import = |headers: &[(&str, &str)], body: &[u8]| {
        server.request("POST", "/v1/sessions/import?name=points-3", headers, body)
    };
    import(&[], &tar.body).refused(415, "not_tar");
    import(&[("content-type", "application/x-tar")], &vec![b'x'; 4096]).refused(422, "archive_refused");
    server.get("/v1/sessions/points-3").refused(404, "session_not_found");
    assert_eq!(import(&[("content-type", "application/x-tar")], &tar.body).status, 201);
    assert_eq!(server.exec("points-3", "cat f")["stdout"], "1\n");
}

#[test]
fn requests_that_make_no_sense_are_refused_in_the_same_way() {
    let Some(server) = server() else { return };
    let json_type = [("content-type", "application/json")];
    server.request("POST", "/v1/sessions", &json_type, b"{").refused(400, "bad_json");
    let deep = "[".repeat(10_000);
    server.request("POST", "/v1/sessions", &json_type, deep.as_bytes()).refused(400, "bad_json");
    server.request("POST", "/v1/sessions", &json_type, b"[]").refused(422, "invalid_request");
    server.request("POST", "/v1/sessions", &[("content-type", "text/plain")], b"{}").refused(415, "not_json");
    server.post("/v1/sessions", json!({ "nmae": "x" })).refused(422, "invalid_request");
    server.post("/v1/sessions", json!({ "name": "No Name" })).refused(422, "invalid_name");
    server.post("/v1/sessions", json!({ "template": "none" })).refused(422, "template_not_found");
    server.post("/v1/sessions", json!({ "limits": { "proceses": 1 } })).refused(422, "invalid_request");
    server.post("/v1/sessions", json!({ "secrets": { "A": "none" } })).refused(422, "invalid_request");
    server.post("/v1/sessions", json!({ "software": ["no-such-package"] })).refused(422, "software_missing");
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(70_000));
    server.request("POST", "/v1/sessions", &json_type, large.as_bytes()).refused(413, "body_too_large");
    server.get("/v1/sessions?limit=0").refused(422, "invalid_request");
    let refused = server.get("/v1/sessions?limt=1");
    refused.refused(422, "invalid_request");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.starts_with("the query: limt: unknown field `limt`, expected one of `after`, `limit`, "),
        "{detail}"
    );
    let refused = server.request("POST", "/v1/keys", &json_type, br#"["n", "viewer", null, null]"#);
    refused.refused(422, "invalid_request");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("the body: invalid type: sequence, expected an object"), "{detail}");
    let policy = br#"{"policy": {"read": ["deny", []]}}"#;
    server.request("POST", "/v1/sessions", &json_type, policy).refused(422, "invalid_request");
    let rule = br#"{"policy": {"read": {"rules": [["deny", "/x"]]}}}"#;
    server.request("POST", "/v1/sessions", &json_type, rule).refused(422, "invalid_request");
    let file = br#"{"files": [["/x", "text", 420]]}"#;
    server.request("POST", "/v1/sessions", &json_type, file).refused(422, "invalid_request");
    server.get("/v1/nothing").refused(404, "no_route");
    server.request("PUT", "/v1/sessions", &[], b"").refused(405, "no_method");
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/v1/templates").json()["items"], json!([]));
}

#[test]
fn web_pages_of_others_are_refused() {
    let Some(server) = server() else { return };
    let get =
        |headers: &str| server.raw(format!("GET /healthz HTTP/1.1\r\nconnection: close\r\n{headers}\r\n").as_bytes());
    for good in ["host: localhost\r\n", "host: 127.0.0.1:1\r\n", "host: [::1]:80\r\n", "host: LOCALHOST\r\n"] {
        assert!(get(good).starts_with("HTTP/1.1 200"), "{good}");
    }
    for bad in [
        "",
        "host: rebound.example\r\n",
        "host: 10.0.0.1\r\n",
        "host: localhost.example\r\n",
        "host: localhost\r\nhost: x\r\n",
    ] {
        assert!(get(bad).starts_with("HTTP/1.1 4"), "{bad}");
    }
    for bad in ["http://evil.example", "null", "http://localhost:1"] {
        let answer = get(&format!("host: localhost\r\norigin: {bad}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("origin_refused"), "{bad}: {answer}");
    }
    assert!(get("host: localhost\r\norigin: http://localhost\r\n").starts_with("HTTP/1.1 200"));
}

#[test]
fn slow_clients_cost_a_bounded_time() {
    let Some(server) = server() else { return };
    let key = &server.key;
    let path = session(server, "slow");
    // A head that never ends is cut off; a body that never comes is answered.
    assert!(!server.raw(b"GET /healthz HTTP/1.1\r\nhost: local").starts_with("HTTP/1.1 200"));
    let head = format!(
        "PUT {path}/files/tmp/slow HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf"
    );
    let answer = server.raw(head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("body_too_slow"), "{answer}");
    server.get(&format!("{path}/files/tmp/slow")).refused(404, "file_not_found");
    // A client that does not read what it asked for is cut off, and the server answers others meanwhile.
    server.exec("slow", "head -c 7000000 /dev/zero > /tmp/large");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "GET {path}/files/tmp/large HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n")
        .unwrap();
    assert_eq!(server.exec("slow", "echo meanwhile")["stdout"], "meanwhile\n");
    drop(stream);
}

#[test]
fn clients_that_go_away_leave_nothing_half_done() {
    let Some(server) = server() else { return };
    let key = &server.key;
    let path = session(server, "gone");
    // In the middle of an upload: the file is not there.
    let mut upload = TcpStream::connect(server.address()).unwrap();
    write!(upload, "PUT {path}/files/tmp/half HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: 1000000\r\n\r\n").unwrap();
    upload.write_all(&[b'x'; 100_000]).unwrap();
    drop(upload);
    // Too large: refused, whether it says so beforehand or not.
    let large = vec![0; 9 << 20];
    server.request("PUT", &format!("{path}/files/tmp/half"), &[], &large).refused(413, "body_too_large");
    let head = format!(
        "PUT {path}/files/tmp/half HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: 99999999\r\nconnection: close\r\n\r\n"
    );
    assert!(server.raw(head.as_bytes()).starts_with("HTTP/1.1 413"));
    server.get(&format!("{path}/files/tmp/half")).refused(404, "file_not_found");
    // In the middle of a command: it belongs to the session, and goes on.
    let mut exec = TcpStream::connect(server.address()).unwrap();
    let body = json!({ "command": "echo begun > /tmp/p; sleep 0.3; echo ended > /tmp/p" }).to_string();
    write!(exec, "POST {path}/exec HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    eventually("the command begins", || server.get(&format!("{path}/files/tmp/p")).status == 200);
    drop(exec);
    eventually("the command goes on", || server.get(&format!("{path}/files/tmp/p")).text() == "ended\n");
    let listed = server.get(&format!("{path}/execs")).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
}

#[test]
fn an_orderly_end_closes_streams() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let key = &server.key;
    let path = session(&server, "a");
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(server.stop(), Some(0));
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends as it should: {rest}");
}
