//! WebSockets over real connections: commands, events, who is let in, and what clients cannot take from each other.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::Server;
use common::socket::Got;
use serde_json::{Value, json};
use std::sync::OnceLock;
use tokio_tungstenite::tungstenite::Message;

/// One server for the tests of this file; each makes sessions of its own. `None` without software.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let started = SERVER.get_or_init(|| {
        if !common::software() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap().keep();
        let server = Server::start(&dir);
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

/// A command that runs, and the path of it.
fn started(server: &Server, path: &str, mut body: Value) -> String {
    body["detach"] = json!(true);
    let started = server.post(&format!("{path}/exec"), body);
    assert_eq!(started.status, 202, "{}", started.text());
    format!("{path}/execs/{}", started.json()["exec"])
}

fn code(refused: &(u16, String)) -> (u16, String) {
    let problem: Value = serde_json::from_str(&refused.1).unwrap_or_default();
    (refused.0, problem["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_command_is_fed_read_and_ends() {
    let Some(server) = server() else { return };
    let path = session(server, "fed");
    let line = "read a; echo got $a; read b; echo then $b >&2; exit 3";
    let exec = started(server, &path, json!({ "command": line, "stdin": "open" }));
    let mut socket = server.socket(&format!("{exec}/attach"));
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "warren.v1");
    assert_eq!(socket.told("attached")["running"], true);
    socket.input(b"some\n");
    assert_eq!(socket.shows(1, "got some\n"), ("got some\n".to_owned(), 9));
    // Another one begins where it likes, and both see what follows.
    let mut late = server.socket(&format!("{exec}/attach?stdout=4"));
    assert_eq!(late.shows(1, "some\n").0, "some\n");
    late.input(b"more");
    late.say(json!({ "type": "stdin_end" }));
    for socket in [&mut socket, &mut late] {
        assert_eq!(socket.shows(2, "\n").0.len(), "then more\n".len());
        let exit = socket.told("exit");
        assert_eq!((exit["end"].as_str(), exit["status"].as_i64()), (Some("exited"), Some(3)));
        assert_eq!(socket.closes(), Some(1000));
    }
    // What is over is read again, from any place.
    let mut again = server.socket(&format!("{exec}/attach?stdout=9&stderr=5"));
    assert_eq!(again.told("attached")["running"], false);
    assert_eq!(again.gets(), Got::Part(2, 5, b"more\n".to_vec()));
    assert_eq!(again.told("exit")["status"], 3);
}

#[test]
fn a_command_on_a_terminal_is_resized_and_signalled() {
    let Some(server) = server() else { return };
    let path = session(server, "window");
    let body = json!({ "argv": ["sleep", "600"], "terminal": { "rows": 24, "columns": 80 }, "stdin": "open" });
    let exec = started(server, &path, body);
    let mut socket = server.socket(&format!("{exec}/attach"));
    socket.say(json!({ "type": "resize", "rows": 50, "columns": 132 }));
    for wrong in [
        json!({ "type": "signal", "signal": "NOPE" }),
        json!({ "type": "resize", "rows": 0, "columns": 80 }),
        json!({ "type": "resize", "rows": 24, "columns": 401 }),
    ] {
        socket.say(wrong);
        let problem = loop {
            match socket.gets() {
                Got::Told(value) if value["type"] == "error" => break value,
                Got::Told(_) | Got::Part(..) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((problem["code"].as_str(), problem["status"].as_i64()), (Some("invalid_request"), Some(422)));
    }
    socket.say(json!({ "type": "signal", "signal": "TERM" }));
    assert_eq!(socket.told("exit")["signal"], "SIGTERM");
    assert_eq!(socket.closes(), Some(1000));
}

#[test]
fn much_output_arrives_whole_and_a_client_that_does_not_read_holds_up_nobody() {
    let Some(server) = server() else { return };
    let path = session(server, "much");
    const SIZE: u64 = 16_000_000;
    let exec = started(server, &path, json!({ "command": format!("head -c {SIZE} /dev/zero; echo done >&2") }));
    let _unread = server.socket(&format!("{exec}/attach"));
    let mut socket = server.socket(&format!("{exec}/attach"));
    let mut at = 0;
    let exit = loop {
        match socket.gets() {
            Got::Part(1, offset, bytes) => {
                assert_eq!(offset, at);
                at += bytes.len() as u64;
            }
            Got::Told(value) if value["type"] == "exit" => break value,
            Got::Part(2, ..) | Got::Told(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((at, exit["status"].as_i64(), exit["stdout_bytes"].as_u64()), (SIZE, Some(0), Some(SIZE)));
}

#[test]
fn what_is_not_of_the_protocol_is_refused() {
    let Some(server) = server() else { return };
    let path = session(server, "wrong");
    let exec = started(server, &path, json!({ "argv": ["sleep", "600"] }));
    let attach = format!("{exec}/attach");
    server.get(&attach).refused(426, "upgrade_required");
    server.get(&format!("{path}/execs/99/attach")).refused(426, "upgrade_required");
    let bearer = format!("Bearer {}", server.key);
    let refused = |path: &str, headers: &[(&str, &str)]| {
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        code(&server.socket_with(path, &all).err().unwrap())
    };
    assert_eq!(refused(&format!("{path}/execs/99/attach"), &[]), (404, "exec_not_found".to_owned()));
    assert_eq!(refused("/v1/sessions/none/events", &[]), (404, "session_not_found".to_owned()));
    let other = [("sec-websocket-protocol", "warren.v2")];
    assert_eq!(refused(&attach, &other), (400, "subprotocol_unknown".to_owned()));
    assert_eq!(refused(&format!("{attach}?stdout=x"), &[]), (422, "invalid_request".to_owned()));
    // A page of another site, and one that this server itself would serve.
    assert_eq!(refused(&attach, &[("origin", "http://evil.example")]), (403, "origin_refused".to_owned()));
    let own = format!("http://{}", server.address());
    assert!(server.socket_with(&attach, &[("authorization", &bearer), ("origin", &own)]).is_ok());
    for bad in [
        Message::Text("{".into()),
        Message::Text(r#"{"type":"nothing"}"#.into()),
        Message::Text(r#"{"type":"stdin_end","more":1}"#.into()),
        Message::Text(r#"["stdin_end"]"#.into()),
        Message::Text(r#" ["resize",24,80]"#.into()),
        Message::Binary(vec![1; 20].into()),
        Message::Binary(vec![0; 8].into()),
    ] {
        let mut socket = server.socket(&attach);
        socket.ws.send(bad.clone()).unwrap();
        assert_eq!(socket.closes(), Some(1008), "{bad:?}");
    }
    let mut socket = server.socket(&attach);
    let _ = socket.ws.send(Message::Binary(vec![0; 1 << 20].into()));
    assert_ne!(socket.closes(), Some(1000), "a message is so long and no longer");
    // It still runs, and takes no input.
    let mut socket = server.socket(&attach);
    socket.input(b"x");
    assert_eq!(socket.gets(), Got::Told(server_view(server, &exec)));
    let Got::Told(problem) = socket.gets() else { panic!("it has no input") };
    assert_eq!(problem["code"], "no_input");
    server.post(&format!("{exec}/signal"), json!({ "signal": "KILL" }));
}

/// What `attached` says of a command.
fn server_view(server: &Server, exec: &str) -> Value {
    let mut view = server.get(exec).json();
    view["type"] = json!("attached");
    view
}

#[test]
fn a_browser_proves_itself_by_a_subprotocol() {
    let Some(server) = server() else { return };
    let path = session(server, "browser");
    let made = server.post(&format!("{path}/tokens"), json!({ "scopes": ["sessions:read"] }));
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let entry = format!("warren.v1, bearer.{token}");
    let events = format!("{path}/events");
    let mut socket = server.socket_with(&events, &[("sec-websocket-protocol", &entry)]).unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "warren.v1", "the token is not echoed");
    assert_eq!(socket.told("created")["forked_from"], Value::Null);
    let refused = |path: &str, headers: &[(&str, &str)]| server.socket_with(path, headers).err().unwrap().0;
    let bearer = format!("Bearer {}", server.key);
    fn protocol(entry: &str) -> (&str, &str) {
        ("sec-websocket-protocol", entry)
    }
    assert_eq!(refused(&events, &[protocol(&format!("bearer.{token}"))]), 400, "only beside the protocol");
    assert_eq!(refused(&events, &[protocol("warren.v1, bearer.wrn_0_0")]), 401);
    assert_eq!(refused(&events, &[protocol("warren.v1")]), 401);
    assert_eq!(refused(&events, &[protocol(&entry), ("authorization", &bearer)]), 401, "two keys are none");
    assert_eq!(refused(&format!("{path}/execs/1/attach"), &[protocol(&entry)]), 403, "not a scope it has");
    // Where no WebSocket can be, it proves nothing.
    let header = [("sec-websocket-protocol", entry.as_str())];
    assert_eq!(server.request_as_it_is("GET", &events, &header, b"").status, 401);
    let upgrade = [("sec-websocket-protocol", entry.as_str()), ("upgrade", "websocket")];
    assert_eq!(server.request_as_it_is("GET", &path, &upgrade, b"").status, 401);
}

#[test]
fn the_log_is_followed_left_and_resumed() {
    let Some(server) = server() else { return };
    let path = session(server, "log");
    assert_eq!(server.exec("log", "echo one")["status"], 0);
    let shown = server.get(&format!("{path}/events?follow=false")).text();
    let data = shown.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut over_sse: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    assert_eq!(over_sse.pop().unwrap()["type"], "end", "a close code says that here");
    let mut socket = server.socket(&format!("{path}/events?follow=false"));
    let mut over_socket = Vec::new();
    let end = loop {
        match socket.gets() {
            Got::Told(event) => over_socket.push(event),
            other => break other,
        }
    };
    assert_eq!((over_socket, end), (over_sse.clone(), Got::Closed(1000)), "both say the same");
    let last = over_sse.last().unwrap()["position"].as_str().unwrap().to_owned();
    let mut socket = server.socket(&format!("{path}/events?after={last}"));
    assert_eq!(server.exec("log", "echo two")["status"], 0);
    assert_eq!(socket.told("output")["data"], "two\n");
    socket.say(json!({ "type": "resume", "after": "1.2" }));
    assert_eq!(socket.told("output")["data"], "one\n");
    // Positions that were never given: told once, the same in both ways.
    socket.say(json!({ "type": "resume", "after": "1.1000" }));
    let resync = socket.told("resync");
    let mut short = server.socket(&format!("{path}/events?follow=false&after=1.1000"));
    assert_eq!((short.told("resync"), short.gets()), (resync.clone(), Got::Closed(1000)));
    let mut other = server.socket(&format!("{path}/events?after=1.1000"));
    assert_eq!(other.told("resync"), resync);
    assert_eq!(resync["to"], 1000);
    assert_eq!(server.exec("log", "echo three")["status"], 0);
    for socket in [&mut socket, &mut other] {
        assert_eq!(socket.told("output")["data"], "three\n");
    }
    let bearer = format!("Bearer {}", server.key);
    let cursor = [("authorization", bearer.as_str()), ("last-event-id", "1.1000")];
    assert_eq!(server.socket_with(&format!("{path}/events"), &cursor).unwrap().told("resync")["to"], 1000);
    socket.say(json!({ "type": "resume", "after": "1" }));
    assert_eq!(socket.closes(), Some(1008));
    // A command by itself, until its end.
    let mut one = server.socket(&format!("{path}/events?exec=1"));
    assert_eq!(one.told("exited")["exec"], 1);
    assert_eq!(one.closes(), Some(1000));
}

#[test]
fn a_server_that_stops_and_a_key_that_is_revoked_end_a_socket_with_a_code() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("WARREN_SERVER__WEBSOCKETS_MAX", "2")]);
    let path = session(&server, "a");
    let made = server.post("/v1/keys", json!({ "name": "k", "role": "viewer" })).json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let events = format!("{path}/events");
    let mut revoked = server.socket_with(&events, &[("authorization", &bearer)]).unwrap();
    let exec = started(&server, &path, json!({ "argv": ["sleep", "600"] }));
    let mut attached = server.socket(&format!("{exec}/attach"));
    attached.told("attached");
    let own = format!("Bearer {}", server.key);
    let refused = server.socket_with(&events, &[("authorization", &own)]).err().unwrap();
    assert_eq!(code(&refused), (503, "too_many_websockets".to_owned()));
    assert_eq!(server.request("DELETE", &format!("/v1/keys/{}", made["id"].as_str().unwrap()), &[], b"").status, 204);
    assert_eq!(revoked.closes(), Some(1008));
    drop(revoked);
    // Its place is free a moment later.
    let since = std::time::Instant::now();
    let mut following = loop {
        match server.socket_with(&events, &[("authorization", &own)]) {
            Ok(socket) => break socket,
            Err(refused) => assert!(since.elapsed() < common::server::LIMIT, "{refused:?}"),
        }
    };
    following.told("created");
    let stopping = std::thread::spawn(move || server.stop());
    assert_eq!((attached.closes(), following.closes()), (Some(1012), Some(1012)));
    assert_eq!(stopping.join().unwrap(), Some(0));
}
