//! Sessions that change: what is named and nothing else, durably, and found by what they are now.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{Answer, Server};
use serde_json::{Value, json};

fn patch(server: &Server, session: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    server.request("PATCH", &format!("/v1/sessions/{session}"), &headers, body.to_string().as_bytes())
}

/// What was acknowledged is there after the server was killed, at every tier.
#[test]
fn a_change_survives_its_server() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let tiers = ["scratch", "checkpoint", "journal", "strict"];
    for tier in tiers {
        let body =
            json!({ "name": tier, "durability": tier, "labels": { "a": "1", "b": "2" }, "environment": { "A": "1" } });
        let made = server.post("/v1/sessions", body);
        assert_eq!(made.status, 201, "{}", made.text());
        // One that rests stays at rest.
        if tier == "journal" {
            assert_eq!(server.post("/v1/sessions/journal/hibernate", json!({})).status, 200);
        }
        let body = json!({ "name": format!("new-{tier}"), "labels": { "a": null, "c": "3" }, "environment": { "A": "2" },
            "idle_timeout": "30m", "time_to_live": "10h" });
        let changed = patch(&server, tier, &body);
        assert_eq!(changed.status, 200, "{}", changed.text());
        let changed = changed.json();
        assert_eq!(changed["labels"], json!({ "b": "2", "c": "3" }));
        assert_eq!(changed["state"], if tier == "journal" { "hibernated" } else { "active" });
    }
    server.kill();
    let server = Server::start(dir.path());
    for tier in tiers {
        server.get(&format!("/v1/sessions/{tier}")).refused(404, "session_not_found");
        let now = server.get(&format!("/v1/sessions/new-{tier}")).json();
        assert_eq!((&now["labels"], &now["idle_timeout"]), (&json!({ "b": "2", "c": "3" }), &json!("30m")));
        assert!(now["expires"].is_string());
        assert_eq!(server.exec(&format!("new-{tier}"), "echo $A")["stdout"], "2\n");
        let events = server.get(&format!("/v1/sessions/new-{tier}/events?follow=false")).text();
        assert_eq!(events.matches("event: updated").count(), usize::from(tier != "scratch"), "{events}");
        // Its name before can be taken again.
        assert_eq!(server.post("/v1/sessions", json!({ "name": tier })).status, 201);
    }
}

#[test]
fn what_is_wrong_with_a_change_is_named() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    for name in ["a", "b"] {
        assert_eq!(server.post("/v1/sessions", json!({ "name": name })).status, 201);
    }
    let before = server.get("/v1/sessions/a").json();
    let wrong = [
        (json!({ "name": "b", "labels": { "x": "y" } }), 409, "name_taken", "`b`"),
        (json!({ "name": "B" }), 422, "invalid_name", "`B`"),
        (json!({ "durability": "strict" }), 422, "invalid_request", "durability"),
        (json!({ "labels": { "": "x" } }), 422, "invalid_request", "labels"),
        (json!({ "labels": { "x": 1 } }), 422, "invalid_request", "string"),
        (json!({ "labels": { "x": "y".repeat(300) } }), 422, "invalid_request", "labels"),
        (json!({ "environment": { "A=B": "" } }), 422, "invalid_request", "environment"),
        (json!({ "secrets": { "A": "none" } }), 422, "invalid_request", "secrets"),
        (json!({ "cwd": "tmp" }), 422, "invalid_request", "cwd"),
        (json!({ "idle_timeout": "1ms" }), 422, "invalid_request", "idle_timeout"),
        (json!([]), 422, "invalid_request", "object"),
    ];
    for (body, status, code, word) in wrong {
        let answer = patch(&server, "a", &body);
        answer.refused(status, code);
        assert!(answer.json()["detail"].as_str().unwrap().contains(word), "{body}: {}", answer.text());
    }
    patch(&server, "none", &json!({})).refused(404, "session_not_found");
    assert_eq!(patch(&server, "a", &json!({})).status, 200);
    let after = server.get("/v1/sessions/a").json();
    assert_eq!(after, before, "nothing was changed");
    // Null takes away: the name too.
    assert_eq!(patch(&server, "a", &json!({ "name": null, "idle_timeout": null })).json()["idle_timeout"], "never");
    server.get("/v1/sessions/a").refused(404, "session_not_found");
}
