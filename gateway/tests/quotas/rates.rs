//! Rates of requests, shares of connections and streams, ids of requests.

use super::common::server::{LIMIT, Server};
use super::{Caller, common, configured, own, set, tenant, until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_tenant_that_asks_too_fast_is_told_when_to_come_again() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    set(&server, "a", json!({ "quotas": { "requests_per_s": 1, "requests_burst": 4 } }));
    let first = a.get("/v1/sessions");
    assert_eq!((first.status, first.header("ratelimit-policy")), (200, "\"tenant\";q=4;w=4"));
    assert!(first.header("ratelimit").starts_with("\"tenant\";r=3;t="), "{}", first.header("ratelimit"));
    let answers: Vec<_> = (0..20).map(|_| a.post("/v1/sessions", json!({}))).collect();
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(refused.len() > 10, "{}", refused.len());
    refused[0].refused(429, "rate_limited");
    assert_eq!(refused[0].header("retry-after"), "1");
    assert!(b.get("/v1/sessions").header("ratelimit").is_empty());
    assert_eq!((0..20).filter(|_| b.get("/v1/sessions").status == 200).count(), 20);
    until(|| a.get("/v1/sessions"), |answer| answer.status == 200);
}

#[test]
fn keys_and_addresses_have_rates_too() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server =
        configured(dir.path(), "[server]\nrequests_per_key = 1\nrequests_per_address = 3\nrefusals_per_address = 1\n");
    let statuses: Vec<u16> = (0..20).map(|_| own(&server).get("/v1/quotas").status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 10, "ten seconds' worth: {statuses:?}");
    // Keys that are not valid: after ten no more are looked for, and a key that works still does.
    let wrong = |number: usize| {
        let bearer = format!("Bearer wrn_{number:016}_{}", "0".repeat(52));
        server.request_as_it_is("GET", "/v1/sessions", &[("authorization", &bearer)], b"")
    };
    let answers: Vec<_> = (0..10).map(wrong).collect();
    assert!(answers.iter().filter(|answer| answer.status == 429).count() < 10);
    let last = until(|| wrong(11), |answer| answer.status == 429);
    last.refused(429, "rate_limited");
    assert!(!last.header("retry-after").is_empty());
    assert_eq!(until(|| own(&server).get("/v1/quotas"), |answer| answer.status == 200).status, 200);
    // In the end not even what needs no key.
    let health = || server.request_as_it_is("GET", "/healthz", &[], b"");
    until(health, |answer| answer.status == 429).refused(429, "rate_limited");
}

/// A connection from this address, and whether the server answers on it.
fn connects_from(server: &Server, from: [u8; 4]) -> Option<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let to = server.address().parse().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    });
    let mut stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut answer = [0; 12];
    let answered = stream.read_exact(&mut answer).is_ok() && &answer == b"HTTP/1.1 200";
    answered.then_some(stream)
}

#[test]
fn one_address_leaves_places_for_the_others() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = configured(dir.path(), "[server]\nconnections_per_address = 3\nconnections_max = 5\n");
    let from = |last: u8| connects_from(&server, [127, 0, 0, last]);
    let mut held: Vec<TcpStream> = (0..6).filter_map(|_| from(2)).collect();
    assert_eq!(held.len(), 3);
    assert!(from(3).is_some(), "another address finds a place");
    held.pop();
    let mut again = None;
    until(
        || {
            again = from(2);
            server.request_as_it_is("GET", "/healthz", &[], b"")
        },
        |answer| answer.status == 200,
    );
}

/// Opens a stream of events; the status line.
fn stream(caller: &Caller<'_>, session: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(caller.server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let path = format!("/v1/sessions/{session}/events");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n", caller.key).unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    (stream, String::from_utf8_lossy(&line).into_owned())
}

#[test]
fn streams_have_a_share_and_give_it_back() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    set(&server, "a", json!({ "quotas": { "streams": 2 } }));
    for caller in [&a, &b] {
        assert_eq!(caller.post("/v1/sessions", json!({ "name": "s" })).status, 201);
    }
    let open: Vec<_> = (0..2).map(|_| stream(&a, "s")).collect();
    assert!(open.iter().all(|(_, line)| line.ends_with("200")));
    assert!(stream(&a, "s").1.ends_with("429"));
    // A command whose output is to be streamed is not begun.
    let sse = [("accept", "text/event-stream")];
    let touch = json!({ "command": "touch /home/agent/began" });
    let refused = a.call_with("POST", "/v1/sessions/s/exec", &sse, &touch);
    refused.refused(429, "quota_exceeded");
    assert_eq!(refused.json()["quota"], "streams");
    assert_eq!(a.get("/v1/sessions/s/files/home/agent/began").status, 404);
    assert!(stream(&b, "s").1.ends_with("200"), "another tenant's are its own");
    assert_eq!(a.get("/v1/quotas").json()["quotas"]["streams"]["used"], 2);
    drop(open);
    until(|| a.get("/v1/quotas"), |answer| answer.json()["quotas"]["streams"]["used"] == 0);
    assert!(stream(&a, "s").1.ends_with("200"));

    // Bodies.
    set(&server, "a", json!({ "quotas": { "body_bytes": 100 } }));
    let long = json!({ "command": format!("echo {}", "x".repeat(200)) });
    a.post("/v1/sessions/s/exec", long.clone()).refused(429, "quota_exceeded");
    assert_eq!(a.post("/v1/sessions/s/exec", json!({ "command": "true" })).json()["status"], 0);
    assert_eq!(b.post("/v1/sessions/s/exec", long).json()["status"], 0);
    assert_eq!(a.get("/v1/quotas").json()["quotas"]["body_bytes"]["used"], 0);
}

#[test]
fn websockets_have_a_share_for_as_long_as_they_are_open() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("WARREN_SERVER__WEBSOCKETS_MAX", "4")]);
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    for caller in [&a, &b] {
        assert_eq!(caller.post("/v1/sessions", json!({ "name": "s" })).status, 201);
    }
    let open = |caller: &Caller| {
        let bearer = format!("Bearer {}", caller.key);
        let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "warren.v1")];
        server.socket_with("/v1/sessions/s/events", &headers)
    };
    let used = || a.get("/v1/quotas").json()["quotas"]["websockets"].clone();
    assert_eq!((used()["limit"].as_u64(), used()["used"].as_u64()), (Some(3), Some(0)), "three quarters of four");
    // One tenant cannot have all of them.
    let mut held: Vec<_> = (0..3).map(|_| open(&a).unwrap()).collect();
    let (status, body) = open(&a).map(drop).unwrap_err();
    assert!(status == 429 && body.contains("\"quota\":\"websockets\""), "{status} {body}");
    assert_eq!(used()["used"], 3);
    let other = open(&b).unwrap();
    // Beyond all of them is another refusal, and takes nothing of the tenant's.
    let (status, body) = open(&b).map(drop).unwrap_err();
    assert!(status == 503 && body.contains("too_many_websockets"), "{status} {body}");
    drop(other);
    held.pop();
    until(|| a.get("/v1/quotas"), |answer| answer.json()["quotas"]["websockets"]["used"] == 2);
    until(|| b.get("/v1/quotas"), |answer| answer.json()["quotas"]["websockets"]["used"] == 0);
    held.push(open(&a).unwrap());
    // A number of the tenant's own holds for those to come.
    set(&server, "a", json!({ "quotas": { "websockets": 1 } }));
    assert_eq!(open(&a).map(drop).unwrap_err().0, 429);
    held.clear();
    until(|| a.get("/v1/quotas"), |answer| answer.json()["quotas"]["websockets"]["used"] == 0);
    open(&a).unwrap();
}

#[test]
fn each_answer_has_the_id_of_its_request() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let mut seen = std::collections::BTreeSet::new();
    for path in ["/healthz", "/v1", "/v1/sessions", "/none", "/v1/sessions/none"] {
        let answer = server.request_as_it_is("GET", path, &[], b"");
        assert_eq!(answer.header("x-request-id").len(), 24, "{path}");
        assert!(seen.insert(answer.header("x-request-id").to_owned()));
        let answer = server.request_as_it_is("GET", path, &[("x-request-id", "mine-1")], b"");
        assert_eq!(answer.header("x-request-id"), "mine-1", "{path}");
        let answer = server.request_as_it_is("GET", path, &[("x-request-id", "<script>")], b"");
        assert_ne!(answer.header("x-request-id"), "<script>", "{path}");
    }
    let foreign = server.request_as_it_is("GET", "/v1", &[("origin", "http://evil.example")], b"");
    assert_eq!((foreign.status, foreign.header("x-request-id").len()), (403, 24));
}
