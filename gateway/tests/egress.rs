//! Sessions that reach the hosts they are allowed, and nothing else, by the commands of the default software.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::network::{LARGE, NAME, OTHER, OUTSIDE, Pages, inside};
use common::server::{LIMIT, Server};
use common::warren;
use serde_json::{Value, json};
use std::process::Output;
use std::time::Instant;

/// `warren run` with these rules and this line.
fn run(rules: &[&str], line: &str) -> Output {
    let mut command = warren();
    command.arg("run");
    for rule in rules {
        command.args(["--allow-net", rule]);
    }
    command.arg(line).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_fetches_from_what_is_allowed() {
    if !common::software() || !inside("a_command_fetches_from_what_is_allowed") {
        return;
    }
    let pages = Pages::serve();
    let (by_address, by_name) = (format!("{OUTSIDE}:{}", pages.port), format!("local:{NAME}:{}", pages.port));
    let fetched = run(&[&by_address], &format!("curl -sS {}", pages.url(OUTSIDE, "/")));
    assert_eq!((out(&fetched).as_str(), err(&fetched).as_str()), ("page\n", ""));
    let fetched = run(&[&by_name], &format!("curl -sS {}", pages.url(NAME, "/")));
    assert_eq!((out(&fetched).as_str(), err(&fetched).as_str()), ("page\n", ""));
    let fetched = run(&[&by_name], &format!("wget -q -O - {}", pages.url(NAME, "/")));
    assert_eq!((out(&fetched).as_str(), err(&fetched).as_str()), ("page\n", ""));
    let (head, _) = pages.asked.recv().unwrap();
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");

    // Many bytes, down and up.
    let line = format!("curl -sS {} | wc -c", pages.url(OUTSIDE, "/large"));
    assert_eq!(out(&run(&[&by_address], &line)).trim(), LARGE.to_string());
    while pages.asked.try_recv().is_ok() {}
    let line = format!("head -c 3000000 /dev/zero > /tmp/up; curl -sS -T /tmp/up {}", pages.url(OUTSIDE, "/up"));
    let sent = run(&[&by_address], &line);
    assert_eq!(out(&sent), "page\n", "{}", err(&sent));
    assert_eq!(pages.asked.recv().unwrap().1, 3_000_000);
}

#[test]
fn a_command_is_refused_what_is_not() {
    if !common::software() || !inside("a_command_is_refused_what_is_not") {
        return;
    }
    let pages = Pages::serve();
    let port = pages.port;
    let url = pages.url(OUTSIDE, "/");
    let allowed = format!("{OUTSIDE}:{port}");
    // Without a rule, at another port, by a name that no rule is about, by one that is pointed inwards.
    for (rules, url, subject, reason) in [
        (vec![], url.clone(), format!("{OUTSIDE}:{port}"), "no rule of the session's egress allows it"),
        (vec!["198.18.0.1:1"], url.clone(), format!("{OUTSIDE}:{port}"), "no rule"),
        (vec!["public"], url, format!("{OUTSIDE}:{port}"), "documentation address"),
        (vec!["public"], pages.url(NAME, "/"), NAME.to_owned(), "documentation address"),
        (vec![NAME], pages.url(NAME, "/"), NAME.to_owned(), "documentation address"),
        (vec![allowed.as_str()], pages.url(NAME, "/"), NAME.to_owned(), "no rule"),
        (vec!["*.test"], "http://169.254.169.254/".to_owned(), "169.254.169.254:80".to_owned(), "no rule"),
        (vec!["public"], "http://10.0.0.1/".to_owned(), "10.0.0.1:80".to_owned(), "private address"),
        (vec!["public"], "http://[fd00:ec2::254]/".to_owned(), "[fd00:ec2::254]:80".to_owned(), "metadata address"),
        (vec!["public"], "http://[64:ff9b::a00:1]/".to_owned(), "[64:ff9b::a00:1]:80".to_owned(), "private address"),
    ] {
        let refused = run(&rules, &format!("curl -sS -m 30 '{url}'"));
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{url}: {}", out(&refused));
        let told = format!("warren: egress: {subject}");
        assert!(err(&refused).contains(&told) && err(&refused).contains(reason), "{url}: {}", err(&refused));
        assert!(err(&refused).contains("--allow-net"), "it says what to do: {}", err(&refused));
    }
    // A redirect is followed to where a rule leads, and no further.
    let line = format!("curl -sS -L -m 30 {}", pages.url(OUTSIDE, "/to-metadata"));
    let refused = run(&[&allowed, "public"], &line);
    assert!(
        err(&refused).contains("egress: 169.254.169.254:80 refused: it stands for a metadata"),
        "{}",
        err(&refused)
    );
    assert!(out(&refused).is_empty(), "{}", out(&refused));
    // The session's own loopback is not this machine's.
    let own = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = own.local_addr().unwrap().port();
    let refused = run(&["127.0.0.0/8", "public"], &format!("curl -sS -m 30 http://127.0.0.1:{at}/"));
    assert!(!refused.status.success(), "{}", out(&refused));
    own.set_nonblocking(true).unwrap();
    assert!(own.accept().is_err(), "nobody came");
    // What cannot be read is said before anything runs.
    let wrong = run(&["http://example.com"], "true");
    assert_eq!(wrong.status.code(), Some(125));
    assert!(err(&wrong).contains("--allow-net `http://example.com`: "), "{}", err(&wrong));
}

fn items(server: &Server, path: &str) -> Vec<Value> {
    server.get(path).json()["items"].as_array().unwrap_or_else(|| panic!("no list at {path}")).clone()
}

#[test]
fn a_session_has_rules_that_may_change() {
    if !common::software() || !inside("a_session_has_rules_that_may_change") {
        return;
    }
    let (pages, dir) = (Pages::serve(), tempfile::tempdir().unwrap());
    let server = Server::start(dir.path());
    let rule = format!("local:{NAME}:{}", pages.port);
    let made = server.cli(&["create", "--name", "a", "--allow-net", &rule, "--allow-net", "*.example.com:443"]);
    assert!(made.status.success(), "{}", err(&made));
    assert_eq!(server.get("/v1/sessions/a").json()["egress"], json!([rule, "*.example.com:443"]));
    let fetch = format!("curl -sS -m 30 {}", pages.url(NAME, "/"));
    assert_eq!(server.exec("a", &fetch)["stdout"], "page\n");

    // What is refused is an event and a record.
    assert_ne!(server.exec("a", &format!("curl -sS -m 30 {}", pages.url(OTHER, "/")))["status"], 0);
    let events = server.get("/v1/sessions/a/events?follow=false").text();
    assert!(events.contains("no rule of the session's egress allows it"), "{events}");
    let since = Instant::now();
    let record = loop {
        let found = items(&server, "/v1/audit?limit=1000").into_iter().find(|it| it["code"] == "egress_refused");
        match found {
            Some(record) => break record,
            None => assert!(since.elapsed() < LIMIT, "it is not written down"),
        }
    };
    assert_eq!((&record["method"], &record["targets"]["host"]), (&json!("CONNECT"), &json!(OTHER)));
    assert_eq!(record["targets"]["session_id"], server.get("/v1/sessions/a").json()["id"]);

    // Bytes count.
    let usage = items(&server, "/v1/usage?by=session");
    let row = usage.iter().find(|row| row["session"] == record["targets"]["session_id"]).expect("it used something");
    assert!(row["egress_bytes"].as_u64() > Some(50) && row["ingress_bytes"].as_u64() > Some(50), "{row}");
    let figures = server.get("/metrics").text();
    assert!(figures.contains("warren_egress_attempts_total{outcome=\"connected\"} 1"), "{figures}");

    // A fork has them too; a change holds at once, for it alone.
    assert_eq!(server.post("/v1/sessions/a/fork", json!({ "name": "b" })).status, 201);
    let changed =
        server.request("PATCH", "/v1/sessions/a", &[("content-type", "application/json")], br#"{"egress": null}"#);
    assert_eq!((changed.status, &changed.json()["egress"]), (200, &json!([])));
    assert_ne!(server.exec("a", &fetch)["status"], 0);
    assert_eq!(server.exec("b", &fetch)["stdout"], "page\n");
    assert!(server.cli(&["update", "a", "--allow-net", &rule]).status.success());
    assert_eq!(server.exec("a", &fetch)["stdout"], "page\n");
    assert!(server.cli(&["update", "a", "--no-net"]).status.success());
    assert_eq!(server.get("/v1/sessions/a").json()["egress"], json!([]));
    for wrong in [json!({ "egress": ["a b"] }), json!({ "egress": vec!["a"; 129] }), json!({ "egress": "public" })] {
        server.post("/v1/sessions", wrong.clone()).refused(422, "invalid_request");
        let body = wrong.to_string();
        let headers = [("content-type", "application/json")];
        server.request("PATCH", "/v1/sessions/a", &headers, body.as_bytes()).refused(422, "invalid_request");
    }
}

#[test]
fn connections_end_with_the_session_and_are_made_anew() {
    if !common::software() || !inside("connections_end_with_the_session_and_are_made_anew") {
        return;
    }
    let (pages, dir) = (Pages::serve(), tempfile::tempdir().unwrap());
    let server = Server::start(dir.path());
    let rule = format!("{OUTSIDE}:{}", pages.port);
    assert!(server.cli(&["create", "--name", "a", "--durability", "journal", "--allow-net", &rule]).status.success());
    let wait = json!({ "command": format!("curl -sS {}", pages.url(OUTSIDE, "/wait")), "detach": true });
    let fetch = format!("curl -sS -m 30 {}", pages.url(OUTSIDE, "/"));
    let open = |server: &Server| {
        let begun = server.post("/v1/sessions/a/exec", wait.clone());
        assert!(begun.status < 300, "{}", begun.text());
        while !pages.asked.recv_timeout(LIMIT).expect("it asks").0.starts_with("GET /wait") {}
        assert!(server.get("/metrics").text().contains("warren_egress_connections 1\n"));
    };
    // Put to rest, the connection is gone, and after a wake it can be made again.
    open(&server);
    assert!(server.cli(&["hibernate", "a"]).status.success());
    pages.broken.recv_timeout(LIMIT).expect("the server outside is told");
    assert!(server.get("/metrics").text().contains("warren_egress_connections 0\n"));
    assert_eq!(server.exec("a", &fetch)["stdout"], "page\n", "the rules are still there");
    // The server dies, and is there again.
    open(&server);
    server.kill();
    pages.broken.recv_timeout(LIMIT).expect("the server outside is told");
    let server = Server::start(dir.path());
    assert_eq!(server.exec("a", &fetch)["stdout"], "page\n");
    open(&server);
    assert_eq!(server.stop(), Some(0), "it stops with connections open");
    pages.broken.recv_timeout(LIMIT).expect("the server outside is told");
    // Deleted, too.
    let server = Server::start(dir.path());
    assert_eq!(server.exec("a", &fetch)["stdout"], "page\n");
    open(&server);
    assert!(server.cli(&["delete", "a"]).status.success());
    pages.broken.recv_timeout(LIMIT).expect("the server outside is told");
}

#[test]
fn another_tenant_reaches_the_internet_and_not_the_operators_network() {
    if !common::software() || !inside("another_tenant_reaches_the_internet_and_not_the_operators_network") {
        return;
    }
    let (pages, dir) = (Pages::serve(), tempfile::tempdir().unwrap());
    let network = format!("[\"198.18.0.0/15:{}\"]", pages.port);
    let server = Server::start_with(dir.path(), &[("WARREN_EGRESS__PRIVATE", network.as_str())]);
    assert_eq!(server.post("/v1/tenants", json!({ "id": "acme" })).status, 201);
    let key = server.post("/v1/keys?tenant=acme", json!({ "name": "k", "role": "admin" })).json()["key"].clone();
    let bearer = format!("Bearer {}", key.as_str().unwrap());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let call = |method: &str, path: &str, body: Value| {
        server.request_as_it_is(method, path, &headers, body.to_string().as_bytes())
    };
    let inner = format!("{OUTSIDE}:{}", pages.port);
    for wrong in ["10.0.0.0/8", "169.254.169.254", "local:db.internal:5432", "127.0.0.1:7717", "198.18.0.1"] {
        let refused = call("POST", "/v1/sessions", json!({ "egress": [wrong] }));
        refused.refused(422, "invalid_request");
        assert!(refused.text().contains("egress.private"), "{}", refused.text());
    }
    let made = call("POST", "/v1/sessions", json!({ "name": "a", "egress": ["public", inner] }));
    assert_eq!(made.status, 201, "{}", made.text());
    let line = json!({ "command": format!("curl -sS -m 30 {}", pages.url(OUTSIDE, "/")) });
    assert_eq!(call("POST", "/v1/sessions/a/exec", line.clone()).json()["stdout"], "page\n", "the operator allows it");
    call("PATCH", "/v1/sessions/a", json!({ "egress": ["10.0.0.0/8"] })).refused(422, "invalid_request");
    assert_eq!(call("PATCH", "/v1/sessions/a", json!({ "egress": ["public"] })).status, 200);
    assert_ne!(call("POST", "/v1/sessions/a/exec", line).json()["status"], 0);

    // A tenant's pace holds, and what goes slowly comes whole.
    let slow = json!({ "quotas": { "egress_bytes_per_s": 4_000_000 } });
    let headers = [("content-type", "application/json")];
    let set = server.request("PATCH", "/v1/tenants/acme", &headers, slow.to_string().as_bytes());
    assert_eq!(set.status, 200, "{}", set.text());
    assert_eq!(call("PATCH", "/v1/sessions/a", json!({ "egress": [inner] })).status, 200);
    let large = json!({ "command": format!("curl -sS {} | wc -c", pages.url(OUTSIDE, "/large")) });
    let counted = call("POST", "/v1/sessions/a/exec", large).json();
    assert_eq!(counted["stdout"].as_str().map(str::trim), Some(LARGE.to_string().as_str()));
}
