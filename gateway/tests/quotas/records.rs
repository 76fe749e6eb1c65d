//! What tenants used, and who did what.

use super::common::server::Server;
use super::{Caller, common, own, tenant, until};
use serde_json::{Value, json};
use std::process::Output;
use warren_cluster::audit::verify;

fn warren(server: &Server, arguments: &[&str]) -> Output {
    let mut command = common::warren();
    command.args(arguments).env("WARREN_URL", &server.url).env("WARREN_KEY", &server.key).output().unwrap()
}

fn sum(caller: &Caller<'_>, query: &str) -> Value {
    let answer = caller.get(&format!("/v1/usage{query}"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let rows = answer.json()["items"].clone();
    let add = |name: &str| rows.as_array().unwrap().iter().map(|row| row[name].as_f64().unwrap()).sum::<f64>();
    json!({ "requests": add("requests"), "cpu_ms": add("cpu_ms"), "events": add("events"), "memory": add("memory_gib_s") })
}

#[test]
fn what_was_used_is_counted_once_by_hour_and_by_session_over_restarts() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    let made = a.post("/v1/sessions", json!({ "name": "s" })).json();
    let burn = json!({ "command": "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done" });
    let mut cpu = 0.0;
    for _ in 0..3 {
        let ran = a.post("/v1/sessions/s/exec", burn.clone());
        cpu += ran.json()["cpu_ms"].as_f64().unwrap();
    }
    let before = sum(&a, "");
    assert_eq!(before["requests"], 4.0, "one create, three commands; this one is not over");
    assert!(before["cpu_ms"].as_f64().unwrap() >= cpu * 0.9 && cpu > 0.0, "{before} {cpu}");
    assert!(before["events"].as_f64().unwrap() >= 6.0, "{before}");
    assert_eq!(sum(&b, "")["requests"], 0.0, "another's is another's");
    let by = a.get("/v1/usage?by=session").json()["items"].clone();
    let of = |session: &Value| by.as_array().unwrap().iter().find(|row| row["session"] == *session).cloned().unwrap();
    assert_eq!(of(&made["id"])["requests"], 3, "what made it was of no session yet");
    // A server that ends in order has lost nothing.
    let a_key = a.key;
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(dir.path());
    let a = Caller { server: &server, key: a_key };
    let after = sum(&a, "");
    assert_eq!(after["requests"], 6.0, "and the two that asked: {after}");
    assert!(after["cpu_ms"].as_f64() >= before["cpu_ms"].as_f64());
    assert!(after["events"].as_f64() >= before["events"].as_f64());

    let csv = a.call_with("GET", "/v1/usage", &[("accept", "text/csv")], &Value::Null);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        csv.text()
            .starts_with("hour,session,cpu_ms,memory_gib_s,stored_gib_h,requests,events,egress_bytes,ingress_bytes\n")
    );
    assert!(csv.text().lines().count() >= 2, "{}", csv.text());
    a.get("/v1/usage?tenant=b").refused(403, "scope_missing");
    own(&server).get("/v1/usage?tenant=none").refused(404, "tenant_not_found");
    for wrong in [
        "?from=yesterday",
        "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "?from=2000-01-01T00:00:00Z",
        "?by=day",
    ] {
        a.get(&format!("/v1/usage{wrong}")).refused(422, "invalid_request");
    }
    assert_eq!(a.get("/v1/usage?from=2001-01-01T00:00:00Z&to=2001-01-02T00:00:00Z").json()["items"], json!([]));
    assert_eq!(a.get("/v1/usage?from=2001-01-01T00:00:00%2B01:00&to=2001-01-02T00:00:00-12:00").status, 200);
    a.get("/v1/usage?from=2001-01-01T00:00:00+01:00").refused(422, "invalid_request");
    let told = warren(&server, &["usage", "--tenant", "a", "--by", "session"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("SESSION") && told.contains(made["id"].as_str().unwrap()), "{told}");
    let told = warren(&server, &["usage", "--csv"]);
    assert!(String::from_utf8(told.stdout).unwrap().starts_with("hour,"));
}

fn records(caller: &Caller<'_>) -> Vec<Value> {
    let answer = caller.get("/v1/audit?limit=1000");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["items"].as_array().unwrap().clone()
}

#[test]
fn who_did_what_is_written_down_chained_and_without_secrets() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let a = tenant(&server, "a");
    let made = a.call_with("POST", "/v1/sessions", &[("x-request-id", "req-1")], &json!({ "name": "s" })).json();
    let command = json!({ "command": "echo hunter2 > /home/agent/hidden" });
    assert_eq!(a.post("/v1/sessions/s/exec", command).json()["status"], 0);
    a.post("/v1/sessions", json!({ "name": "s" })).refused(409, "name_taken");
    let viewer = a.post("/v1/keys", json!({ "name": "v", "role": "viewer" })).json();
    let viewer = Caller { server: &server, key: viewer["key"].as_str().unwrap().to_owned() };
    assert_eq!(viewer.get("/v1/sessions/s").status, 200);
    viewer.post("/v1/sessions/s/exec", json!({ "command": "true" })).refused(403, "scope_missing");
    let token = a.post("/v1/sessions/s/tokens", json!({ "scopes": ["exec"] })).json()["token"].clone();
    let token = Caller { server: &server, key: token.as_str().unwrap().to_owned() };
    assert_eq!(token.post("/v1/sessions/s/exec", json!({ "command": "true" })).status, 200);
    assert_eq!(a.delete("/v1/sessions/s/files/home/agent/hidden").status, 204);
    assert_eq!(a.delete("/v1/sessions/s").status, 204);

    let all = records(&a);
    let shown: Vec<(u64, &str, &str, u64)> = all
        .iter()
        .map(|it| {
            (
                it["seq"].as_u64().unwrap(),
                it["method"].as_str().unwrap(),
                it["route"].as_str().unwrap(),
                it["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (1, "POST", "/v1/sessions", 201),
            (2, "POST", "/v1/sessions/{session}/exec", 200),
            (3, "POST", "/v1/sessions", 409),
            (4, "POST", "/v1/keys", 201),
            (5, "POST", "/v1/sessions/{session}/exec", 403),
            (6, "POST", "/v1/sessions/{session}/tokens", 201),
            (7, "POST", "/v1/sessions/{session}/exec", 200),
            (8, "DELETE", "/v1/sessions/{session}/files/{*path}", 204),
            (9, "DELETE", "/v1/sessions/{session}", 204),
        ]
    );
    assert_eq!((&all[0]["request"], &all[0]["targets"]["made"]), (&json!("req-1"), &made["id"]));
    assert_eq!(all[1]["targets"], json!({ "session": "s", "session_id": made["id"] }));
    assert_eq!((&all[2]["code"], &all[4]["code"]), (&json!("name_taken"), &json!("scope_missing")));
    assert_eq!((&all[6]["token"], &all[1]["token"], &all[6]["key"]), (&json!(true), &json!(false), &all[1]["key"]));
    assert_eq!(all[0]["address"], "127.0.0.1");
    assert!(a.key.contains(all[0]["key"].as_str().unwrap()), "the id of the key");

    // As lines, as they were hashed; nothing of keys, bodies and paths of files is in them.
    let lines = a.call_with("GET", "/v1/audit", &[("accept", "application/jsonl")], &Value::Null);
    assert_eq!((lines.header("content-type"), lines.text().lines().count()), ("application/jsonl", 9));
    assert_eq!(verify(lines.text().lines()).unwrap().unwrap().records, 9);
    for secret in ["wrn_", "wrt_", "hunter2", "hidden", "echo", a.key.rsplit('_').next().unwrap()] {
        assert!(!lines.text().contains(secret), "{secret}");
    }
    let part = a.get("/v1/audit?after=3&limit=2").json();
    assert_eq!((part["items"][0]["seq"].as_u64(), part["items"].as_array().unwrap().len()), (Some(4), 2));
    assert_eq!(part["next"], "5");
    for behind in [1_u64 << 63, u64::MAX] {
        assert_eq!(a.get(&format!("/v1/audit?after={behind}")).json()["items"], json!([]));
    }
    viewer.get("/v1/audit").refused(403, "scope_missing");
    a.get("/v1/audit?tenant=default").refused(403, "scope_missing");
    let checked = warren(&server, &["audit", "--tenant", "a", "--verify"]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success() && text.contains("records, 1 to 1"), "{text}");
    let listed = warren(&server, &["audit", "--tenant", "a", "--after", "8"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("/v1/sessions/{session}"));
}

#[test]
fn what_must_not_be_forgotten_survives_a_death_at_once_and_strangers_are_noted() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let a = tenant(&server, "a");
    assert_eq!(a.post("/v1/keys", json!({ "name": "k", "role": "viewer" })).status, 201);
    let a_key = a.key;
    server.kill();
    let server = Server::start(dir.path());
    let a = Caller { server: &server, key: a_key };
    assert_eq!(records(&a)[0]["route"], "/v1/keys");
    // Whoever has no key at all is in the operator's log, not more than so often.
    for _ in 0..150 {
        server.request_as_it_is("POST", "/v1/sessions", &[], b"").refused(401, "unauthorized");
    }
    let refused = |all: &[Value]| all.iter().filter(|it| it["status"] == 401).count();
    let all = records(&own(&server));
    assert_eq!((refused(&all), refused(&records(&a))), (60, 0));
    assert_eq!(all.last().unwrap()["key"], Value::Null);
    assert_eq!(own(&server).post("/v1/sessions", json!({})).status, 201);
    let last = records(&own(&server)).last().unwrap().clone();
    assert_eq!((&last["skipped"], &last["status"]), (&json!(90), &json!(201)));
    // What the operator does to a tenant is in the operator's log.
    assert!(records(&own(&server)).iter().any(|it| it["route"] == "/v1/tenants" && it["targets"]["made"] == "a"));
    until(|| a.get("/v1/audit"), |answer| verify_items(answer.json()["items"].as_array().unwrap()));
}

/// The numbers follow one another.
fn verify_items(items: &[Value]) -> bool {
    items.iter().enumerate().all(|(index, it)| it["seq"] == json!(index + 1))
}
