//! What tenants may take, over real connections: places, rates, storage; what they used; who did what.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../common/mod.rs"]
pub mod common;

mod rates;
mod records;
mod storage;

use common::server::{Answer, LIMIT, Server, serve};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// One who calls a server, with a key of their own.
pub(crate) struct Caller<'a> {
    pub(crate) server: &'a Server,
    pub(crate) key: String,
}

impl Caller<'_> {
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.call_with(method, path, &[], body)
    }

    pub(crate) fn call_with(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.server.request_as_it_is(method, path, &all, text.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    pub(crate) fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &body)
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, &Value::Null)
    }
}

pub(crate) fn own(server: &Server) -> Caller<'_> {
    Caller { server, key: server.key.clone() }
}

/// A new tenant with a key that may do everything in it.
pub(crate) fn tenant<'a>(server: &'a Server, id: &str) -> Caller<'a> {
    assert_eq!(own(server).post("/v1/tenants", json!({ "id": id })).status, 201);
    let made = own(server).post(&format!("/v1/keys?tenant={id}"), json!({ "name": "first", "role": "admin" }));
    Caller { server, key: made.json()["key"].as_str().unwrap().to_owned() }
}

pub(crate) fn set(server: &Server, id: &str, change: Value) -> Value {
    let answer = own(server).call("PATCH", &format!("/v1/tenants/{id}"), &change);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// A server with this configuration.
pub(crate) fn configured(dir: &Path, config: &str) -> Server {
    let file = dir.join("config.toml");
    std::fs::write(&file, config).unwrap();
    Server::start_with(dir, &[("WARREN_CONFIG", file.to_str().unwrap())])
}

/// Asks until the answer is as it should be, which must come.
pub(crate) fn until(mut ask: impl FnMut() -> Answer, is: impl Fn(&Answer) -> bool) -> Answer {
    let since = Instant::now();
    loop {
        let answer = ask();
        if is(&answer) {
            return answer;
        }
        assert!(since.elapsed() < LIMIT, "the last answer: {} {}", answer.status, answer.text());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn of_many_creates_at_once_as_many_are_made_as_there_may_be() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let a = tenant(&server, "a");
    set(&server, "a", json!({ "quotas": { "sessions": 3 } }));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let create = || a.post("/v1/sessions", json!({})).status;
        let all: Vec<_> = (0..12).map(|_| scope.spawn(create)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 3, "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 201 | 429)), "{statuses:?}");
    let listed = a.get("/v1/sessions").json()["items"].clone();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 3, "a refused one left nothing");
    let refused = a.post("/v1/sessions", json!({}));
    refused.refused(429, "quota_exceeded");
    let problem = refused.json();
    assert_eq!((&problem["quota"], &problem["limit"], &problem["used"]), (&json!("sessions"), &json!(3), &json!(3)));
    a.post(&format!("/v1/sessions/{}/fork", ids[0]), json!({})).refused(429, "quota_exceeded");
    let tar = [("content-type", "application/x-tar")];
    let bearer = format!("Bearer {}", a.key);
    let headers = [("authorization", bearer.as_str()), tar[0]];
    server.request_as_it_is("POST", "/v1/sessions/import", &headers, &[0; 1024]).refused(429, "quota_exceeded");

    // Another tenant is not concerned, and a place that is given back is there.
    assert_eq!(own(&server).post("/v1/sessions", json!({})).status, 201);
    assert_eq!(a.delete(&format!("/v1/sessions/{}", ids[0])).status, 204);
    assert_eq!(a.post(&format!("/v1/sessions/{}/fork", ids[1]), json!({})).status, 201);
    a.post("/v1/sessions", json!({})).refused(429, "quota_exceeded");

    // The count is the same after a death of the server, and a name that is taken takes no place.
    let a_key = a.key;
    server.kill();
    let server = Server::start(dir.path());
    let a = Caller { server: &server, key: a_key };
    a.post("/v1/sessions", json!({})).refused(429, "quota_exceeded");
    set(&server, "a", json!({ "quotas": { "sessions": 4 } }));
    let named = a.post("/v1/sessions", json!({ "name": "n" }));
    assert_eq!(named.status, 201, "{}", named.text());
    set(&server, "a", json!({ "quotas": { "sessions": 5 } }));
    a.post("/v1/sessions", json!({ "name": "n" })).refused(409, "name_taken");
    assert_eq!(a.get("/v1/quotas").json()["quotas"]["sessions"]["used"], 4);
    assert_eq!(a.post("/v1/sessions", json!({})).status, 201);
}

#[test]
fn what_is_awake_has_a_quota_and_so_has_its_memory() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let a = tenant(&server, "a");
    set(&server, "a", json!({ "quotas": { "sessions_awake": 1 } }));
    assert_eq!(a.post("/v1/sessions", json!({ "name": "one" })).status, 201);
    let refused = a.post("/v1/sessions", json!({ "name": "two" }));
    refused.refused(429, "quota_exceeded");
    assert_eq!((refused.json()["quota"].as_str(), refused.header("retry-after")), (Some("sessions_awake"), "1"));
    assert_eq!(a.get("/v1/sessions").json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(a.post("/v1/sessions/one/hibernate", json!({})).status, 200);
    assert_eq!(a.post("/v1/sessions", json!({ "name": "two" })).status, 201);
    a.post("/v1/sessions/one/wake", json!({})).refused(429, "quota_exceeded");
    a.post("/v1/sessions/one/exec", json!({ "command": "true" })).refused(429, "quota_exceeded");
    assert_eq!(a.get("/v1/sessions/one").json()["state"], "hibernated");
    assert_eq!(a.delete("/v1/sessions/two").status, 204);
    assert_eq!(a.post("/v1/sessions/one/exec", json!({ "command": "true" })).json()["status"], 0);

    // Memory: what one session holds another of the tenant cannot have.
    set(&server, "a", json!({ "quotas": { "sessions_awake": null, "memory_bytes": "4MiB" } }));
    let ran = a.post("/v1/sessions/one/exec", json!({ "command": "seq 1 200000 | sort -n | tail -n 1" }));
    assert_ne!(ran.json()["stdout"], "200000\n", "{}", ran.text());
    set(&server, "a", json!({ "quotas": { "memory_bytes": "512MiB" } }));
    let ran = a.post("/v1/sessions/one/exec", json!({ "command": "seq 1 200000 | sort -n | tail -n 1" }));
    assert_eq!(ran.json()["stdout"], "200000\n", "{}", ran.text());
    let used = || a.get("/v1/quotas");
    until(used, |answer| answer.json()["quotas"]["memory_bytes"]["used"] == 0);
}

#[test]
fn a_change_of_a_tenant_is_whole_and_shown() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = configured(dir.path(), "[quotas]\nsessions = 7\n[limits_max]\nprocesses = 50\n");
    let a = tenant(&server, "a");
    // What is in use changes by itself.
    let shown = || {
        let mut tenant = own(&server).get("/v1/tenants/a").json();
        let quotas = tenant["quotas"].as_object_mut().unwrap();
        quotas.values_mut().for_each(|quota| _ = quota.as_object_mut().unwrap().remove("used"));
        tenant
    };
    let before = shown();
    assert_eq!(
        before["quotas"]["sessions"],
        json!({ "about": before["quotas"]["sessions"]["about"], "limit": 7, "own": false })
    );
    assert_eq!((&before["limits_max"]["processes"], &before["weight"]), (&json!(50), &json!(100)));
    for wrong in [
        json!({ "enabled": false, "title": "" }),
        json!({ "enabled": false, "quotas": { "none": 1 } }),
        json!({ "enabled": false, "quotas": { "sessions": -1 } }),
        json!({ "enabled": false, "limits_max": { "none": 1 } }),
        json!({ "enabled": false, "weight": 0 }),
        json!({ "enabled": false, "weight": 10_001 }),
        json!({ "title": "Acme", "enabled": "no" }),
    ] {
        own(&server).call("PATCH", "/v1/tenants/a", &wrong).refused(422, "invalid_request");
        assert_eq!(shown(), before, "{wrong}");
    }
    own(&server)
        .call("PATCH", "/v1/tenants/default", &json!({ "enabled": false, "title": "x" }))
        .refused(409, "own_tenant");
    assert_eq!(own(&server).get("/v1/tenants/default").json()["title"], Value::Null);

    let changed = set(
        &server,
        "a",
        json!({ "title": "A", "weight": 5, "quotas": { "sessions": 2, "stored_bytes": "5GiB" }, "limits_max": { "file_bytes": "1MiB" } }),
    );
    assert_eq!((&changed["title"], &changed["weight"]), (&json!("A"), &json!(5)));
    assert_eq!(
        (&changed["quotas"]["stored_bytes"]["limit"], &changed["quotas"]["sessions"]["own"]),
        (&json!(5u64 << 30), &json!(true))
    );
    // What a client may ask for ends there, and what it does not ask for is brought down to it.
    let asks = |limits: Value| a.post("/v1/sessions", json!({ "limits": limits }));
    asks(json!({ "processes": 51 })).refused(422, "invalid_request");
    let high = asks(json!({ "file_bytes": "2MiB" }));
    high.refused(422, "invalid_request");
    assert!(high.text().contains("file_bytes") && high.text().contains("1048576"), "{}", high.text());
    assert_eq!(asks(json!({ "file_bytes": "1MiB", "processes": 50 })).status, 201);
    assert_eq!(a.post("/v1/sessions", json!({ "name": "d" })).status, 201);
    let ran = a.post("/v1/sessions/d/exec", json!({ "command": "head -c 3000000 /dev/zero > f" }));
    assert_ne!(ran.json()["status"], 0, "{}", ran.text());
    set(&server, "a", json!({ "quotas": { "sessions": null }, "limits_max": { "file_bytes": null } }));
    assert_eq!(a.post("/v1/sessions", json!({ "limits": { "file_bytes": "2MiB" } })).status, 201);
    // A tenant sees what holds for it, and cannot change it.
    assert_eq!(a.get("/v1/quotas").json()["quotas"]["sessions"]["limit"], 7);
    a.get("/v1/quotas?tenant=default").refused(403, "scope_missing");
    a.call("PATCH", "/v1/tenants/a", &json!({ "quotas": {} })).refused(403, "scope_missing");
    own(&server).get("/v1/quotas?tenant=none").refused(404, "tenant_not_found");

    let run = |arguments: &[&str]| {
        let mut command = common::warren();
        let output = command.args(arguments).env("WARREN_URL", &server.url).env("WARREN_KEY", &server.key).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = run(&[
        "tenant",
        "set",
        "a",
        "--quota",
        "streams=9",
        "--quota",
        "stored_bytes=default",
        "--limit-max",
        "locks=3",
        "--weight",
        "7",
    ]);
    assert!(
        shown.lines().any(|line| line.starts_with("streams") && line.contains(" 9 ") && line.ends_with("true")),
        "{shown}"
    );
    assert!(run(&["tenant", "get", "a"]).contains("limit locks"), "{shown}");
    assert!(run(&["quotas", "--tenant", "a", "--json"]).contains("\"weight\":7"));
    // All of it outlives the server.
    assert_eq!(server.stop(), Some(0));
    let server = configured(dir.path(), "");
    let after = own(&server).get("/v1/tenants/a").json();
    assert_eq!(
        (&after["quotas"]["streams"]["limit"], &after["quotas"]["sessions"]["limit"]),
        (&json!(9), &Value::Null)
    );
}

#[test]
fn checkpoints_have_a_quota() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    set(&server, "default", json!({ "quotas": { "checkpoints": 2 } }));
    assert_eq!(own(&server).post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let make = || own(&server).post("/v1/sessions/a/checkpoint", json!({}));
    assert_eq!((make().status, make().status), (201, 201));
    let refused = make();
    refused.refused(429, "quota_exceeded");
    assert_eq!((refused.json()["used"].as_u64(), refused.header("retry-after")), (Some(2), ""));
    assert_eq!(own(&server).get("/v1/sessions/a/checkpoints").json()["items"].as_array().unwrap().len(), 2);
}

/// Kept here so that the helpers of the server are all used.
#[test]
fn a_server_starts_with_an_empty_configuration() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::launch(serve(dir.path()), dir.path(), &[]);
    let quotas = own(&server).get("/v1/quotas").json()["quotas"].clone();
    assert_eq!((&quotas["connections"]["limit"], &quotas["streams"]["limit"]), (&json!(768), &json!(512)));
    assert_eq!(quotas["sessions"]["limit"], Value::Null);
}
