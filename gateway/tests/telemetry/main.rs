//! What an operator sees of a server: its figures, its traces, its log.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "../common/mod.rs"]
mod common;

mod collector;

use collector::{Collector, Kept};
use common::server::{LIMIT, Server};
use serde_json::json;
use std::collections::HashSet;
use std::time::Instant;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The value of a metric, summed over the lines that have all these labels.
fn figure(text: &str, name: &str, labels: &[&str]) -> f64 {
    let is_of = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
    };
    let values = text.lines().filter(is_of).map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    values.fold(f64::NAN, |sum, value| if sum.is_nan() { value } else { sum + value })
}

fn scrape(server: &Server) -> String {
    let answer = server.get("/metrics");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"));
    answer.text()
}

#[test]
fn figures_follow_what_happens() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let before = scrape(&server);
    assert_eq!(figure(&before, "warren_sessions_awake", &[]).max(0.0), 0.0);
    assert_eq!(figure(&before, "warren_build_info", &[concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")]), 1.0);
    server.post("/v1/sessions", json!({ "name": "a", "durability": "journal" }));
    server.exec("a", "exit 3");
    server.get("/v1/sessions/nobody").refused(404, "session_not_found");
    server.get("/no/such/route").refused(404, "no_route");
    let after = scrape(&server);
    let route = "route=\"/v1/sessions/{session}/exec\"";
    assert_eq!(figure(&after, "warren_http_requests_total", &[route, "method=\"POST\"", "status=\"200\""]), 1.0);
    assert_eq!(figure(&after, "warren_http_request_duration_seconds_count", &[route]), 1.0);
    assert_eq!(figure(&after, "warren_http_requests_total", &["route=\"none\"", "status=\"404\""]), 1.0);
    assert_eq!(figure(&after, "warren_http_refusals_total", &["code=\"session_not_found\""]), 1.0);
    assert_eq!(figure(&after, "warren_execs_ended_total", &["end=\"exited\""]), 1.0);
    assert_eq!(figure(&after, "warren_sessions_awake", &[]), 1.0);
    assert_eq!(figure(&after, "warren_execs_running", &[]), 0.0);
    assert_eq!(figure(&after, "warren_session_wakes_total", &["outcome=\"woken\""]), 1.0);
    assert!(figure(&after, "warren_log_sync_duration_seconds_count", &[]) >= 1.0, "{after}");
    assert!(figure(&after, "warren_log_entries_total", &[]) >= 1.0);
    assert!(figure(&after, "warren_store_operation_duration_seconds_count", &["operation=\"put\""]) >= 1.0);
    assert_eq!(figure(&after, "warren_log_failures_total", &[]), 0.0);
    assert!(figure(&after, "process_resident_memory_bytes", &[]) > 1e6);
    assert!(figure(&after, "process_cpu_seconds_total", &[]) > 0.0);
    assert!(figure(&after, "process_open_fds", &[]) >= 3.0);
    // The scrape itself is the one that is active.
    assert_eq!(figure(&after, "warren_http_requests_active", &[]), 1.0);
    server.post("/v1/sessions/a/hibernate", json!({}));
    let rested = scrape(&server);
    assert_eq!(figure(&rested, "warren_sessions_awake", &[]), 0.0);
    assert_eq!(figure(&rested, "warren_session_turn_duration_seconds_count", &["turn=\"hibernate\""]), 1.0);
    // Each name is told of, and no label is a client's word.
    for line in rested.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!([base, name].iter().any(|name| rested.contains(&format!("# HELP {name} "))), "{name}");
        assert!(!line.contains("nobody") && !line.contains("/no/such"), "{line}");
    }
}

#[test]
fn figures_are_the_operators() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.request_as_it_is("GET", "/metrics", &[], b"").refused(401, "unauthorized");
    // Not an administrator's, and no other tenant can have the scope.
    let admin = server.post("/v1/keys", json!({ "name": "admin", "role": "admin" })).json();
    let bearer = |key: &serde_json::Value| format!("Bearer {}", key["key"].as_str().or(key["text"].as_str()).unwrap());
    let asked = server.request_as_it_is("GET", "/metrics", &[("authorization", &bearer(&admin))], b"");
    asked.refused(403, "scope_missing");
    let scraper = server.post("/v1/keys", json!({ "name": "scraper", "scopes": ["metrics:read"] })).json();
    let scraper = bearer(&scraper);
    assert_eq!(server.request_as_it_is("GET", "/metrics", &[("authorization", &scraper)], b"").status, 200);
    server.request_as_it_is("GET", "/v1/sessions", &[("authorization", &scraper)], b"").refused(403, "scope_missing");
    assert_eq!(server.post("/v1/tenants", json!({ "id": "acme" })).status, 201);
    let other = server.post("/v1/keys?tenant=acme", json!({ "name": "x", "scopes": ["metrics:read"] }));
    other.refused(422, "invalid_request");
    assert!(other.json()["detail"].as_str().unwrap().contains("metrics:read"));
}

fn traced(collector: &Collector, sampled: &str) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("WARREN_TELEMETRY__OTLP_ENDPOINT", collector.url()), ("WARREN_TELEMETRY__SAMPLED", sampled)];
    let server = Server::start_with(dir.path(), &variables);
    (dir, server)
}

/// Waits until the collector has spans of these names in one trace; all of that trace.
fn wait_for(collector: &Collector, trace: &str, names: &[&str]) -> Vec<Kept> {
    let since = Instant::now();
    loop {
        let spans: Vec<Kept> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        if names.iter().all(|name| spans.iter().any(|span| span.name == *name)) {
            return spans;
        }
        let there: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert!(since.elapsed() < LIMIT, "of {names:?} there are {there:?}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_request_is_one_trace_from_its_client_to_its_process() {
    let collector = Collector::start();
    let (_dir, server) = traced(&collector, "1");
    server.post("/v1/sessions", json!({ "name": "a", "durability": "journal" }));
    server.post("/v1/sessions/a/hibernate", json!({}));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", parent.as_str()),
        ("tracestate", "vendor=secret-of-mine"),
    ];
    let body = json!({ "command": "echo $TRACEPARENT $TRACESTATE" }).to_string();
    let answer = server.request("POST", "/v1/sessions/a/exec", &headers, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    // The program is told where it is, and so is the client.
    let said = answer.json()["stdout"].as_str().unwrap().trim().to_owned();
    let (inside, state) = said.split_once(' ').unwrap();
    assert!(inside.starts_with(&format!("00-{TRACE}-")) && inside.ends_with("-01"), "{said}");
    assert_eq!(state, "vendor=secret-of-mine");
    assert_eq!(answer.header("traceparent"), inside);

    let root = "POST /v1/sessions/{session}/exec";
    let names = [
        root,
        "start_command",
        "wake_session",
        "claim_session",
        "build_kernel",
        "spawn_process",
        "run_process",
        "persist_events",
        "append_journal",
    ];
    let spans = wait_for(&collector, TRACE, &names);
    let roots: Vec<&Kept> = spans.iter().filter(|span| span.name == root).collect();
    assert_eq!(roots.len(), 1);
    assert_eq!(roots[0].parent, PARENT, "it hangs below the client's");
    assert_eq!(inside.split('-').nth(2), Some(roots[0].id.as_str()), "and the program's below it");
    let known: HashSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    for span in spans.iter().filter(|span| span.name != root) {
        assert!(known.contains(span.parent.as_str()), "{span:?} hangs in the air");
    }
    assert_eq!(roots[0].attributes["http.response.status_code"], "200");
    assert_eq!(roots[0].attributes["request_id"], answer.header("x-request-id"));
    let run = spans.iter().find(|span| span.name == "run_process").unwrap();
    assert_eq!(run.attributes["end"], "exited");
    assert!(run.attributes["cpu_us"].parse::<u64>().unwrap() > 0);
    // Nothing of what was given.
    let all = format!("{spans:?}");
    assert!(!all.contains("secret-of-mine") && !all.contains("echo") && !all.contains(&server.key));

    // Another request is another trace, and what is no context is none.
    let headers = [("content-type", "application/json"), ("traceparent", "00-zz-yy-01")];
    let answer = server.request("POST", "/v1/sessions/a/exec", &headers, body.as_bytes());
    let own = answer.header("traceparent").split('-').nth(1).unwrap().to_owned();
    assert!(own.len() == 32 && own != TRACE, "{own}");
    let spans = wait_for(&collector, &own, &[root]);
    assert_eq!(spans.iter().find(|span| span.name == root).unwrap().parent, "");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn what_is_not_sampled_is_not_sent_and_passes_on_all_the_same() {
    let collector = Collector::start();
    let (_dir, server) = traced(&collector, "0");
    server.post("/v1/sessions", json!({ "name": "a" }));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    let body = json!({ "command": "echo $TRACEPARENT" }).to_string();
    let answer = server.request("POST", "/v1/sessions/a/exec", &headers, body.as_bytes());
    let said = answer.json()["stdout"].as_str().unwrap().trim().to_owned();
    assert!(said.starts_with(&format!("00-{TRACE}-")) && said.ends_with("-00"), "{said}");
    assert_eq!(server.stop(), Some(0));
    assert_eq!(collector.spans(), []);
}

#[test]
fn without_a_collector_a_clients_context_reaches_its_programs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.post("/v1/sessions", json!({ "name": "a" }));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let said = |traceparent: &str, body: serde_json::Value| {
        let headers = [("content-type", "application/json"), ("traceparent", traceparent)];
        let answer = server.request("POST", "/v1/sessions/a/exec", &headers, body.to_string().as_bytes());
        assert_eq!(answer.header("traceparent"), "");
        answer.json()["stdout"].as_str().unwrap().trim().to_owned()
    };
    assert_eq!(said(&parent, json!({ "command": "echo $TRACEPARENT" })), parent);
    // What the client says of the environment wins, and what is no context is not passed on.
    let own = json!({ "command": "echo $TRACEPARENT", "env": { "TRACEPARENT": "mine" } });
    assert_eq!(said(&parent, own), "mine");
    assert_eq!(said("$(evil)", json!({ "command": "echo x$TRACEPARENT" })), "x");
}

#[test]
fn a_collector_that_is_down_costs_no_request_anything() {
    let collector = Collector::start();
    let url = collector.url().to_owned();
    drop(collector);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[("WARREN_TELEMETRY__OTLP_ENDPOINT", &url)]);
    server.post("/v1/sessions", json!({ "name": "a" }));
    assert_eq!(server.exec("a", "echo hi")["stdout"], "hi\n");
    let since = Instant::now();
    while figure(&scrape(&server), "warren_trace_exports_failed_total", &[]) < 1.0 {
        assert!(since.elapsed() < LIMIT, "the failure is not counted");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(server.stop(), Some(0));
    // An address that is none is refused before anything begins.
    let mut command = common::server::serve(dir.path());
    let refused = command.env("WARREN_TELEMETRY__OTLP_ENDPOINT", "collector:4318").output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("otlp_endpoint") && said.contains("http://"), "{said}");
}

#[test]
fn lines_of_the_log_name_the_request_and_nothing_that_was_given() {
    use std::process::Stdio;
    let dir = tempfile::tempdir().unwrap();
    let mut command = common::server::serve(dir.path());
    let log = dir.path().join("log");
    command.env("WARREN_LOG__FORMAT", "json").env("WARREN_LOG__LEVEL", "debug");
    command.stderr(Stdio::from(std::fs::File::create(&log).unwrap()));
    let server = Server::launch(command, dir.path(), &[]);
    server.post("/v1/sessions", json!({ "name": "a" }));
    let headers = [("content-type", "application/json"), ("x-request-id", "the-one")];
    let body =
        json!({ "command": "cat", "stdin": { "text": "payload-of-a-client" }, "env": { "TOKEN": "env-of-a-client" } });
    let answer = server.request("POST", "/v1/sessions/a/exec", &headers, body.to_string().as_bytes());
    assert_eq!((answer.status, answer.json()["stdout"].as_str()), (200, Some("payload-of-a-client")));
    server.request("PUT", "/v1/sessions/a/files/path-of-a-client", &[("x-request-id", "two")], b"file-of-a-client");
    let key = server.key.clone();
    assert_eq!(server.stop(), Some(0));
    let text = std::fs::read_to_string(&log).unwrap();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    for secret in ["payload-of-a-client", "env-of-a-client", "file-of-a-client", "path-of-a-client", &key] {
        assert!(!text.contains(secret), "the log has {secret}");
    }
}
