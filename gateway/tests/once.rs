//! `Idempotency-Key` over real connections: once is once, for every POST, also after the server was killed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{Answer, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

fn keyed(server: &Server, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    server.request("POST", path, &headers, body.to_string().as_bytes())
}

fn count(server: &Server, path: &str) -> usize {
    server.get(path).json()["items"].as_array().unwrap().len()
}

#[test]
fn a_request_is_done_once_and_answered_alike() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let body = json!({ "name": "a" });
    let first = keyed(&server, "/v1/sessions", "k1", &body);
    let again = keyed(&server, "/v1/sessions", "k1", &body);
    assert_eq!((first.status, again.status), (201, 201), "{}", again.text());
    assert_eq!(first.text(), again.text());
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    // Another body, another path, a key that is none.
    keyed(&server, "/v1/sessions", "k1", &json!({ "name": "b" })).refused(422, "key_reused");
    keyed(&server, "/v1/sessions/a/fork", "k1", &body).refused(422, "key_reused");
    keyed(&server, "/v1/sessions", &"k".repeat(256), &body).refused(422, "invalid_request");
    keyed(&server, "/v1/sessions", &"k".repeat(255), &json!({ "name": "a" })).refused(409, "name_taken");
    assert_eq!(count(&server, "/v1/sessions"), 1);
    // What was refused changed nothing, and its key is free.
    keyed(&server, "/v1/sessions/a/rollback", "k2", &json!({ "checkpoint": 9 })).refused(404, "checkpoint_not_found");
    assert_eq!(keyed(&server, "/v1/sessions/a/checkpoint", "k2", &json!({})).status, 201);
    assert_eq!(keyed(&server, "/v1/sessions/a/checkpoint", "k2", &json!({})).status, 201);
    assert_eq!(count(&server, "/v1/sessions/a/checkpoints"), 1);
    // Input that is sent again is not written again.
    let body = json!({ "command": "cat", "stdin": "open", "detach": true });
    assert_eq!(keyed(&server, "/v1/sessions/a/exec", "k3", &body).status, 202);
    for _ in 0..2 {
        let headers = [("idempotency-key", "k4")];
        assert_eq!(server.request("POST", "/v1/sessions/a/execs/1/stdin", &headers, b"hello\n").status, 204);
    }
    assert_eq!(server.request("POST", "/v1/sessions/a/execs/1/stdin?close=true", &[], b"").status, 204);
    let path = "/v1/sessions/a/execs/1/output?wait=true";
    assert_eq!(server.get(path).text(), "hello\n");
}

#[test]
fn input_with_a_key_is_whole_before_any_of_it_is_taken() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let body = json!({ "command": "cat", "stdin": "open", "detach": true });
    assert_eq!(server.post("/v1/sessions/a/exec", body).status, 202);
    // Half of it comes, and the client is gone.
    let head = format!(
        "POST /v1/sessions/a/execs/1/stdin HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         idempotency-key: k\r\ncontent-length: 12\r\n\r\nhello\n",
        server.key
    );
    let mut cut = TcpStream::connect(server.address()).unwrap();
    cut.write_all(head.as_bytes()).unwrap();
    cut.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    cut.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains(" 204 "), "{answer}");
    // Then all of it with the same key, twice.
    for _ in 0..2 {
        let headers = [("idempotency-key", "k")];
        assert_eq!(server.request("POST", "/v1/sessions/a/execs/1/stdin", &headers, b"hello\nworld\n").status, 204);
    }
    let headers = [("idempotency-key", "k")];
    server.request("POST", "/v1/sessions/a/execs/1/stdin", &headers, b"hello\nother\n").refused(422, "key_reused");
    assert_eq!(server.request("POST", "/v1/sessions/a/execs/1/stdin?close=true", &[], b"").status, 204);
    assert_eq!(server.get("/v1/sessions/a/execs/1/output?wait=true").text(), "hello\nworld\n");
}

#[test]
fn of_many_at_once_one_is_done() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| keyed(&server, "/v1/sessions", "one", &json!({})))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let made: Vec<String> = answers.iter().filter(|answer| answer.status == 201).map(Answer::text).collect();
    assert!(!made.is_empty() && made.iter().all(|text| *text == made[0]), "{made:?}");
    answers.iter().filter(|answer| answer.status != 201).for_each(|answer| answer.refused(409, "key_running"));
    assert_eq!(count(&server, "/v1/sessions"), 1);
}

#[test]
fn an_answer_outlives_the_server_and_is_its_callers_only() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let body = json!({ "name": "ci", "role": "member" });
    let first = keyed(&server, "/v1/keys", "k", &body).json();
    server.kill();
    let server = Server::start(dir.path());
    let again = keyed(&server, "/v1/keys", "k", &body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json(), first);
    assert_eq!(count(&server, "/v1/keys"), 2);
    // For another key the same text is another request: nobody reads an answer, and the secret in it, that is not theirs.
    let made = server.post("/v1/keys", json!({ "name": "other", "role": "admin" })).json();
    let bearer = format!("Bearer {}", made["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k")];
    let other = server.request_as_it_is("POST", "/v1/keys", &headers, body.to_string().as_bytes());
    assert_eq!((other.status, other.header("idempotency-replayed")), (201, ""), "{}", other.text());
    assert_ne!(other.json()["key"], first["key"]);
    // The secret lies nowhere as it is.
    let secret = first["key"].as_str().unwrap().as_bytes();
    let mut folders = vec![dir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{}", path.display());
        }
    }
}
