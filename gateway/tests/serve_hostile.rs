//! Clients and guests that mean harm: what they can take is bounded, and others go on.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{LIMIT, Server, serve};
use serde_json::json;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// A connection on which this was sent, with the server's key.
fn connection(server: &Server, bytes: &str) -> TcpStream {
    let bytes = bytes.replace("\r\n\r\n", &format!("\r\nauthorization: Bearer {}\r\n\r\n", server.key));
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    stream
}

fn head(stream: &mut TcpStream) -> String {
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    String::from_utf8_lossy(&head).into_owned()
}

#[test]
fn connections_are_so_many_and_more_wait() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = [("WARREN_SERVER__CONNECTIONS_MAX", "4"), ("WARREN_SERVER__HEADER_TIMEOUT", "700ms")];
    let server = Server::start_with(dir.path(), &settings);
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    // Connections that say nothing more are closed, and give their places up.
    let follow = "GET /v1/sessions/a/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut followers: Vec<TcpStream> = (0..4).map(|_| connection(&server, follow)).collect();
    followers.iter_mut().for_each(|follower| assert_eq!(head(follower), "HTTP/1.1 200"));
    let mut waits = connection(&server, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    waits.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let early = waits.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    followers.pop();
    waits.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(head(&mut waits), "HTTP/1.1 200");
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("WARREN_SERVER__CONNECTIONS_MAX", "1"),
        ("WARREN_SERVER__HEADER_TIMEOUT", "500ms"),
        ("WARREN_SERVER__BODY_TIMEOUT", "500ms"),
    ];
    let server = Server::start_with(dir.path(), &settings);
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    // More than the buffers of two sockets hold.
    const SIZE: usize = 64_000_000;
    assert_eq!(server.exec("a", &format!("head -c {SIZE} /dev/zero > /tmp/large"))["status"], 0);
    let mut unread = connection(&server, "GET /v1/sessions/a/files/tmp/large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(head(&mut unread), "HTTP/1.1 200");
    // There is one place: whoever is answered has it after the other was cut off.
    assert_eq!(server.get("/healthz").status, 200);
    let mut rest = Vec::new();
    let _ = unread.read_to_end(&mut rest);
    assert!(rest.len() < SIZE, "{} bytes came", rest.len());
}

/// A server whose configuration has this, and what it logs, all of it.
fn server_with(dir: &Path, config: &str, variables: &[(&str, &str)]) -> (Server, std::path::PathBuf) {
    let (file, log) = (dir.join("config.toml"), dir.join("log"));
    std::fs::write(&file, config).unwrap();
    let mut command = serve(&dir.join("data"));
    command.env("WARREN_CONFIG", file).env("WARREN_LOG__LEVEL", "debug").envs(variables.iter().copied());
    command.stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    (Server::launch(command, &dir.join("data"), &[]), log)
}

#[test]
fn a_secret_reaches_commands_and_nothing_else() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let secret = "correct-horse-battery";
    let config = "[secrets.token]\nenv = \"OF_THE_OPERATOR\"\n";
    let (server, log) = server_with(dir.path(), config, &[("OF_THE_OPERATOR", secret)]);
    let made = server.post("/v1/sessions", json!({ "name": "a", "secrets": { "TOKEN": "token" } }));
    assert_eq!(made.status, 201, "{}", made.text());
    // It prints a part of it, so that the whole is nowhere.
    assert_eq!(
        server.exec("a", "printf %s \"$TOKEN\" | cut -c1-13; printf %s \"$TOKEN\" | wc -c")["stdout"],
        "correct-horse\n21\n"
    );
    assert_eq!(server.exec("a", "echo ${OF_THE_OPERATOR-none}")["stdout"], "none\n");
    assert_eq!(server.post("/v1/sessions/a/hibernate", json!({})).status, 200);
    let told = ["events?follow=false", "execs", "", "checkpoints", "export"];
    for path in told.map(|part| format!("/v1/sessions/a/{part}").trim_end_matches('/').to_owned()) {
        let answer = server.get(&path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text().contains(secret), "{path}");
    }
    assert_eq!(server.exec("a", "printf %s \"$TOKEN\" | wc -c")["stdout"], "21\n");
    assert_eq!(server.stop(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("DEBUG") && !log.contains(secret));
}

#[test]
fn a_deleted_session_fills_no_log() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, log) = server_with(dir.path(), "", &[("WARREN_LOG__LEVEL", "warn")]);
    let made = server.post("/v1/sessions", json!({ "name": "a" })).json();
    let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
    // Busy with its files and its output while it goes.
    let busy = json!({ "command": "while :; do echo x; date > /tmp/f; done", "detach": true });
    assert_eq!(server.post("/v1/sessions/a/exec", busy).status, 202);
    assert_eq!(server.request("DELETE", "/v1/sessions/a", &[], b"").status, 204);
    for _ in 0..20 {
        server.get(&format!("{path}/files/tmp")).refused(410, "session_deleted");
        server.post(&format!("{path}/exec"), json!({ "command": "true" })).refused(410, "session_deleted");
        server.post(&format!("{path}/hibernate"), json!({})).refused(410, "session_deleted");
        server.request("DELETE", &path, &[], b"").refused(410, "session_deleted");
    }
    assert_eq!(server.stop(), Some(0));
    assert_eq!(std::fs::read_to_string(log).unwrap(), "");
}

#[test]
fn positions_from_nowhere_harm_nobody() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    for rests in [false, true] {
        if rests {
            assert_eq!(server.post("/v1/sessions/a/hibernate", json!({})).status, 200);
        }
        for beyond in ["1.18446744073709551615", "1.9223372036854775808"] {
            server.get(&format!("/v1/sessions/a/events?after={beyond}&follow=false")).refused(422, "invalid_request");
            let header = [("last-event-id", beyond)];
            server.request("GET", "/v1/sessions/a/events", &header, b"").refused(422, "invalid_request");
        }
        let last = "18446744073709551615.9223372036854775807";
        let told = server.get(&format!("/v1/sessions/a/events?after={last}&follow=false"));
        assert_eq!(told.status, 200);
        assert!(told.text().contains("event: resync") && told.text().contains("event: end"), "{}", told.text());
        let follow = format!("GET /v1/sessions/a/events?after={last} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        assert_eq!(head(&mut connection(&server, &follow)), "HTTP/1.1 200");
    }
    assert_eq!(server.exec("a", "echo hi")["stdout"], "hi\n");
}
