//! The services' own clients for Node, unchanged from npm, against the server.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use std::path::Path;
use std::process::Command;
use warren_pinned_npm::{installed, node, skipped, told};
use warren_scripted_llm::{End, Entry, Options, Server};

/// Runs a file of `tests/sdk`, and gives the number of its tests and the requests they made.
fn run(file: &str) -> Option<(usize, Vec<Entry>)> {
    let (node, packages) = match node().and_then(|node| Ok((node, installed("sdk")?))) {
        Ok(found) => found,
        Err(why) => {
            skipped(file, &why);
            return None;
        }
    };
    let server = Server::start(Options::default()).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(file);
    let mut command = Command::new(node);
    command.arg(&file).arg(server.url()).arg(packages).env_remove("NODE_OPTIONS");
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", told(&done));
    let passed = told(&done).lines().filter(|line| line.starts_with("ok ")).count();
    println!("{passed} tests of {} passed, by {} requests", file.display(), server.requests().len());
    Some((passed, server.requests()))
}

#[test]
fn anthropics_client_finds_its_service() {
    let Some((passed, requests)) = run("anthropic.mjs") else { return };
    assert_eq!(passed, 13);
    // The client that aborted was seen to leave; the only other refusal is that of the expectation.
    assert_eq!(requests.iter().filter(|entry| entry.end == End::Left).count(), 1);
    assert_eq!(requests.iter().filter(|entry| !entry.unmet.is_empty()).count(), 1);
    // Twice two refusals and a success; then two refusals.
    let limited: Vec<&Entry> = requests.iter().filter(|entry| entry.status == 429).collect();
    assert_eq!(limited.len(), 6);
    assert!(limited.iter().any(|entry| entry.headers["x-stainless-retry-count"] == "1"));
}

#[test]
fn openais_client_finds_its_service() {
    let Some((passed, requests)) = run("openai.mjs") else { return };
    assert_eq!(passed, 26);
    assert_eq!(requests.iter().filter(|entry| entry.status == 429).count(), 4 * 3);
    assert!(requests.iter().all(|entry| entry.unmet.is_empty()));
}
