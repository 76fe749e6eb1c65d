//! What is stored, what waits to be collected, and what is left of the disk.

use super::common::server::{Answer, Server};
use super::{Caller, common, configured, own, set, tenant, until};
use serde_json::{Value, json};

/// Bytes that do not become fewer.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 32) as u8
    };
    (0..bytes).map(|_| next(&mut state)).collect()
}

fn put(caller: &Caller<'_>, path: &str, bytes: &[u8]) -> Answer {
    let bearer = format!("Bearer {}", caller.key);
    caller.server.request_as_it_is("PUT", path, &[("authorization", &bearer)], bytes)
}

#[test]
fn whoever_writes_over_what_it_has_stored_is_stopped_and_can_still_read_and_delete() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    for caller in [&a, &b] {
        assert_eq!(caller.post("/v1/sessions", json!({ "name": "s" })).status, 201);
    }
    set(&server, "a", json!({ "quotas": { "uncollected_bytes": "3MiB" } }));
    let file = "/v1/sessions/s/files/home/agent/f";
    let mut number = 0;
    let refused = until(
        || {
            number += 1;
            put(&a, file, &noise(number, 600_000))
        },
        |answer| answer.status != 200,
    );
    refused.refused(507, "quota_exceeded");
    assert_eq!((refused.json()["quota"].as_str(), refused.header("retry-after")), (Some("uncollected_bytes"), "60"));
    assert!(refused.json()["used"].as_u64() >= Some(3 << 20), "{}", refused.text());
    assert!(number > 4, "not before there was so much: {number}");
    a.post("/v1/sessions/s/exec", json!({ "command": "true" })).refused(507, "quota_exceeded");
    a.post("/v1/sessions", json!({})).refused(507, "quota_exceeded");
    a.post("/v1/sessions/s/fork", json!({})).refused(507, "quota_exceeded");
    a.post("/v1/sessions/s/checkpoint", json!({})).refused(507, "quota_exceeded");
    assert_eq!(a.get(file).body.len(), 600_000);
    assert_eq!(a.delete(file).status, 204);
    assert_eq!(a.post("/v1/sessions/s/hibernate", json!({})).status, 200);
    // Another tenant writes on.
    assert_eq!(put(&b, file, &noise(1, 600_000)).status, 200);
    set(&server, "a", json!({ "quotas": { "uncollected_bytes": "1GiB" } }));
    assert_eq!(put(&a, file, b"again").status, 200);
}

#[test]
fn what_is_stored_has_an_end_for_files_and_for_guests() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let a = tenant(&server, "a");
    assert_eq!(a.post("/v1/sessions", json!({ "name": "s" })).status, 201);
    assert_eq!(put(&a, "/v1/sessions/s/files/home/agent/f", &noise(1, 2_000_000)).status, 200);
    set(&server, "a", json!({ "quotas": { "stored_bytes": "1MiB" } }));
    let used = || a.get("/v1/quotas");
    until(used, |answer| answer.json()["quotas"]["stored_bytes"]["used"].as_u64() >= Some(1 << 20));
    let refused = put(&a, "/v1/sessions/s/files/home/agent/g", b"more");
    refused.refused(507, "quota_exceeded");
    assert_eq!(refused.json()["quota"], "stored_bytes");
    // A guest may run: it is how one removes what is too much. It may not grow.
    let ran = a.post(
        "/v1/sessions/s/exec",
        json!({ "command": "sleep 1.5; head -c 100000 /dev/zero > h && echo grew; rm f && echo removed" }),
    );
    assert_eq!(ran.json()["stdout"], "removed\n", "{}", ran.text());
    set(&server, "a", json!({ "quotas": { "stored_bytes": null } }));
    let ran = a.post("/v1/sessions/s/exec", json!({ "command": "sleep 1; head -c 100000 /dev/zero > h && echo grew" }));
    assert_eq!(ran.json()["stdout"], "grew\n", "{}", ran.text());
}

#[test]
fn inodes_of_all_sessions_count_awake_or_not() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    for name in ["one", "two"] {
        assert_eq!(own(&server).post("/v1/sessions", json!({ "name": name })).status, 201);
        assert_eq!(server.exec(name, "for i in $(seq 1 100); do : > f$i; done")["status"], 0);
    }
    assert_eq!(own(&server).post("/v1/sessions/one/hibernate", json!({})).status, 200);
    let inodes = |server: &Server| own(server).get("/v1/quotas").json()["quotas"]["inodes"]["used"].as_u64().unwrap();
    let used = || own(&server).get("/v1/quotas");
    until(used, |answer| answer.json()["quotas"]["inodes"]["used"].as_u64() >= Some(200));
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(dir.path());
    let used = || own(&server).get("/v1/quotas");
    until(used, |answer| answer.json()["quotas"]["sessions"]["used"] == 2);
    assert!(inodes(&server) >= 200, "both rest: {}", inodes(&server));
    set(&server, "default", json!({ "quotas": { "inodes": 50 } }));
    put(&own(&server), "/v1/sessions/one/files/home/agent/g", b"x").refused(507, "quota_exceeded");
    for name in ["one", "two"] {
        assert_eq!(own(&server).delete(&format!("/v1/sessions/{name}")).status, 204);
    }
    assert_eq!(inodes(&server), 0);
    assert_eq!(own(&server).post("/v1/sessions", json!({})).status, 201);
}

#[test]
fn below_its_reserve_of_disk_a_server_begins_nothing_new() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(own(&server).post("/v1/sessions", json!({ "name": "s" })).status, 201);
    assert_eq!(server.exec("s", "echo kept > f")["status"], 0);
    assert_eq!(server.stop(), Some(0));
    // No disk has so much.
    let server = configured(dir.path(), "[data]\nreserve = \"1048576TiB\"\n");
    let refused = until(|| own(&server).post("/v1/sessions", json!({})), |answer| answer.status != 201);
    refused.refused(507, "no_space");
    let file = "/v1/sessions/s/files/home/agent/f";
    put(&own(&server), file, b"x").refused(507, "no_space");
    own(&server).post("/v1/sessions/s/exec", json!({ "command": "true" })).refused(507, "no_space");
    assert_eq!(own(&server).get(file).text(), "kept\n");
    assert_eq!(own(&server).call("DELETE", file, &Value::Null).status, 204);
    assert_eq!(server.stop(), Some(0));
}
