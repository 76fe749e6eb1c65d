//! `warren attach` on a real terminal of this machine: detaching, several at once, and a server that is killed and started
//! again meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::screen::{Screen, resize};
use common::server::{LIMIT, Server};
use common::socket::Got;
use serde_json::json;

fn attach(server: &Server, arguments: &[&str]) -> Option<Screen> {
    let all: Vec<&str> = ["attach"].iter().chain(arguments).copied().collect();
    Screen::open(&all, &[("WARREN_URL", &server.url), ("WARREN_KEY", &server.key)])
}

/// Waits until something holds.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !holds() {
        assert!(since.elapsed() < LIMIT, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn a_terminal_is_left_found_again_and_survives_its_server() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let Some(mut screen) = attach(&server, &["a"]) else { return };
    screen.sees("$ ");
    assert!(screen.is_raw());
    screen.keys("mkdir -p deep/er && cd deep/er\r");
    screen.sees("$ ");
    screen.keys("echo one$((1+1))three; pwd\r");
    screen.sees("one2three\r\n/home/agent/deep/er\r\n");
    screen.sees("$ ");
    resize(&screen.slave, 30, 100);
    eventually("the window's size", || {
        let shown = server.get("/v1/sessions/a/terminals/main").json();
        (shown["rows"].as_u64(), shown["columns"].as_u64()) == (Some(30), Some(100))
    });
    // Left by its keys, found again with what it showed.
    screen.keys("\x10\x11");
    screen.sees("detached");
    assert_eq!(screen.ends(), Some(0));
    assert_eq!(server.get("/v1/sessions/a/terminals/main").json()["running"], true);
    let mut screen = attach(&server, &["a", "main", "--detach-keys", "ctrl-]"]).unwrap();
    screen.sees("one2three");
    screen.keys("echo be\"\"fore\r");
    screen.sees("before\r\n");
    screen.sees("$ ");

    // Where it is was kept, a moment after it was told.
    eventually("a change of directory is kept", || {
        server.get("/v1/sessions/a/events?follow=false").text().contains(r#""cwd":"/home/agent/deep/er""#)
    });
    let address = server.address().to_owned();
    server.kill();
    server = Server::start_at(dir.path(), &address);
    // It comes back by itself, to a new shell in the directory of the old one.
    screen.sees("[warren: a new shell");
    screen.sees("$ ");
    screen.keys("pwd; echo af\"\"ter\r");
    screen.sees("/home/agent/deep/er\r\nafter\r\n");
    screen.sees("$ ");
    let text = server.get("/v1/sessions/a/terminals/main").text();
    for line in ["one2three", "before", "[warren: a new shell", "after"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Who comes now has all of it above.
    let mut late = attach(&server, &["a", "main", "--read-only"]).unwrap();
    late.sees("one2three");
    late.sees("[warren: a new shell");
    late.sees("after");
    // What is typed there is not typed, and what is typed elsewhere is seen.
    late.keys("echo no\"\"thing\r");
    screen.keys("echo a\"\"live\r");
    late.sees("alive\r\n");
    late.keys("\x10\x11");
    assert_eq!(late.ends(), Some(0));
    assert!(!server.get("/v1/sessions/a/terminals/main").text().contains("nothing"));
    screen.sees("alive\r\n");
    screen.keys("exit 3\r");
    assert_eq!(screen.ends(), Some(3), "the status is the shell's");
}

#[test]
fn a_terminal_over_a_socket() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let path = "/v1/sessions/a/terminals";
    let opened = server.post(path, json!({ "argv": ["cat"], "rows": 10, "columns": 40, "env": { "A": "b" } }));
    assert_eq!((opened.status, opened.json()["terminal"].as_str()), (201, Some("1")), "{}", opened.text());
    server.post(path, json!({ "name": "1" })).refused(409, "terminal_exists");
    server.post(path, json!({ "name": "No" })).refused(422, "invalid_request");
    server.post(path, json!({ "rows": 0 })).refused(422, "invalid_request");
    server.post(path, json!({ "command": "x", "argv": ["x"] })).refused(422, "invalid_request");
    server.get(&format!("{path}/none")).refused(404, "terminal_not_found");
    server.get(&format!("{path}/No")).refused(422, "invalid_name");
    server.get(&format!("{path}/1/attach")).refused(426, "upgrade_required");
    let attach = format!("{path}/1/attach");
    let mut one = server.socket(&attach);
    assert_eq!(one.told("attached")["running"], true);
    assert_eq!(one.told("size"), json!({ "type": "size", "rows": 10, "columns": 40 }));
    assert_eq!(one.told("screen")["offset"], 0);
    one.input(b"hello\n");
    let (_, at) = one.shows(1, "hello\r\nhello\r\n");
    assert_eq!(at, 14);
    // One with its offset gets what is missing and nothing else.
    let mut back = server.socket(&format!("{attach}?offset=7"));
    back.told("size");
    assert_eq!(back.gets(), Got::Part(1, 7, b"hello\r\n".to_vec()));
    // One whose offset is ahead has it of another life, and misses nothing but the screen.
    let mut ahead = server.socket(&format!("{attach}?offset={}", u64::MAX));
    ahead.told("size");
    let Got::Told(screen) = ahead.gets() else { panic!("there is a screen") };
    assert_eq!((screen["type"].as_str(), screen["offset"].as_u64()), (Some("screen"), Some(14)));
    // One who may only look.
    let token = server.post("/v1/sessions/a/tokens", json!({ "scopes": ["sessions:read"] })).json();
    let entry = format!("warren.v1, bearer.{}", token["token"].as_str().unwrap());
    let protocol = [("sec-websocket-protocol", entry.as_str())];
    let refused = server.socket_with(&attach, &protocol).err().unwrap();
    assert!(refused.0 == 403 && refused.1.contains("exec"), "{refused:?}");
    let mut looks = server.socket_with(&format!("{attach}?mode=view"), &protocol).unwrap();
    looks.shows(3, "hello");
    back.say(json!({ "type": "resize", "rows": 20, "columns": 60 }));
    for socket in [&mut one, &mut back, &mut looks] {
        assert_eq!(socket.told("size")["rows"], 20);
    }
    back.say(json!({ "type": "resize", "rows": 0, "columns": 60 }));
    let Got::Told(problem) = back.gets() else { panic!("a size is refused") };
    assert_eq!(problem["code"], "invalid_request");
    one.input(b"\x04");
    for socket in [&mut one, &mut looks] {
        let exit = socket.told("exit");
        assert_eq!((exit["end"].as_str(), exit["status"].as_i64()), (Some("exited"), Some(0)));
        assert_eq!(socket.closes(), Some(1000));
    }
    // Who looks at one that is over sees it; who types into what they may only look at is sent away.
    let mut looks = server.socket(&format!("{attach}?mode=view"));
    looks.shows(3, "hello");
    assert_eq!(looks.told("exit")["status"], 0);
    let mut again = server.socket(&attach);
    again.shows(3, "a new shell");
    let mut looks = server.socket(&format!("{attach}?mode=view"));
    looks.input(b"x");
    assert_eq!(looks.closes(), Some(1008));
    assert_eq!(server.request("DELETE", &format!("{path}/1"), &[], b"").status, 204);
    again.told("closed");
    assert_eq!(again.closes(), Some(1000));
    assert_eq!(server.get(path).json()["items"], json!([]));
}
