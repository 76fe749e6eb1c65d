//! The runner of WASI test suites, run on suites made here: programs in C for this machine's compiler, and descriptions
//! that are right, wrong and broken.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

/// Prints its arguments and environment, says something on standard error, and ends with 3.
const SPEAKS: &str = r#"
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) printf("[%s]", argv[i]);
    printf(" %s %s\n", getenv("NAME") ? getenv("NAME") : "(none)", getenv("HOME") ? "a home" : "no home");
    fputs("said\n", stderr);
    return 3;
}
"#;

/// Looks for what the suite has, and changes it.
const FILES: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char path[100], text[100] = {0};
    snprintf(path, sizeof path, "%s/deep/note.txt", argv[1]);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file) || strcmp(text, "a note\n") != 0) return 10;
    fclose(file);
    if (unlink(path) != 0) return 11;
    snprintf(path, sizeof path, "%s/made", argv[1]);
    if (mkdir(path, 0755) != 0) return 12;
    return access("/etc/passwd", F_OK) == 0 ? 13 : 0;
}
"#;

/// Never ends.
const STUCK: &str = "int main(void) { for (volatile int i = 0;; i++) {} }";
/// Cannot go on.
const TRAPS: &str = "int main(void) { __builtin_trap(); }";

/// A clang of this machine that makes programs for WASI; without one the tests say so and pass.
fn compile(source: &str, to: &Path) -> bool {
    let text = to.with_extension("c");
    fs::write(&text, source).unwrap();
    let clangs = ["clang".to_owned()].into_iter().chain((14..=24).rev().map(|version| format!("clang-{version}")));
    let made = clangs.into_iter().any(|clang| {
        let mut command = Command::new(clang);
        command.args(["--target=wasm32-wasi", "-O1", "-o"]).arg(to).arg(&text);
        command.output().is_ok_and(|output| output.status.success())
    });
    fs::remove_file(text).unwrap();
    if !made {
        println!("skipped: no clang here compiles for wasm32-wasi");
    }
    made
}

fn run(suite: &Path) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren-loadtest"));
    let output = command.args(["conformance", "--limit", "2"]).arg(suite).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

fn suite() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn programs_that_do_what_is_said_pass() {
    let suite = suite();
    let nested = suite.path().join("c/testsuite");
    fs::create_dir_all(nested.join("fs-tests.dir/deep")).unwrap();
    fs::write(nested.join("fs-tests.dir/deep/note.txt"), "a note\n").unwrap();
    fs::write(nested.join("manifest.json"), r#"{"name": "a suite"}"#).unwrap();
    if !compile(SPEAKS, &nested.join("speaks.wasm")) || !compile(FILES, &nested.join("files.wasm")) {
        return;
    }
    fs::write(
        nested.join("speaks.json"),
        r#"{"args": ["one", "", "t w o"], "env": {"NAME": "value"}, "exit_code": 3,
            "stdout": "[one][][t w o] value no home\n", "stderr": "said\n"}"#,
    )
    .unwrap();
    fs::write(nested.join("files.json"), r#"{"dirs": ["fs-tests.dir"], "args": ["fs-tests.dir"]}"#).unwrap();
    fs::copy(nested.join("files.wasm"), nested.join("root.wasm")).unwrap();
    fs::write(nested.join("root.json"), r#"{"root": "fs-tests.dir", "args": ["/"]}"#).unwrap();
    let (output, text) = run(suite.path());
    assert_eq!(text, "3 passed, 0 failed, 0 skipped\n", "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    // What the suite has is as it was.
    assert!(nested.join("fs-tests.dir/deep/note.txt").exists() && !nested.join("fs-tests.dir/made").exists());
}

#[test]
fn programs_that_do_otherwise_fail_with_the_reason() {
    let suite = suite();
    let at = |name: &str| suite.path().join(name);
    if !compile(SPEAKS, &at("code.wasm")) || !compile(TRAPS, &at("traps.wasm")) || !compile(STUCK, &at("stuck.wasm")) {
        return;
    }
    fs::write(at("code.json"), r#"{"exit_code": 4}"#).unwrap();
    fs::copy(at("code.wasm"), at("output.wasm")).unwrap();
    fs::write(at("output.json"), r#"{"exit_code": 3, "stdout": "something else"}"#).unwrap();
    fs::copy(at("code.wasm"), at("plain.wasm")).unwrap();
    fs::copy(at("code.wasm"), at("nodir.wasm")).unwrap();
    fs::write(at("nodir.json"), r#"{"dirs": ["missing"], "exit_code": 3}"#).unwrap();
    let (output, text) = run(suite.path());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.status.code(), Some(1));
    assert!(lines[0].starts_with("failed   code: exit code 3, expected 4; it said \"said\\n\""), "{text}");
    assert!(lines[1].starts_with("failed   nodir: ") && lines[1].contains("missing"), "{text}");
    assert_eq!(lines[2], r#"failed   output: stdout is " (none) no home\n", expected "something else""#);
    assert!(lines[3].starts_with("failed   plain: exit code 3, expected 0"), "{text}");
    assert_eq!(lines[4], "failed   stuck: did not end within 2s");
    assert!(lines[5].starts_with("failed   traps: exit code 134, expected 0"), "{text}");
    assert_eq!(lines[6..], ["0 passed, 6 failed, 0 skipped"]);
}

#[test]
fn broken_suites_are_told_and_newer_tests_skipped() {
    let suite = suite();
    let at = |name: &str| suite.path().join(name);
    // An empty module is none that can be run, and neither are these.
    fs::write(at("component.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    fs::write(at("component.json"), "{ not even JSON").unwrap();
    fs::write(at("malformed.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(at("malformed.json"), r#"{"args": [}"#).unwrap();
    fs::write(at("alone.json"), "{}").unwrap();
    fs::write(at("newer.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(at("newer.json"), r#"{"operations": []}"#).unwrap();
    fs::write(at("nothing.wasm"), b"").unwrap();
    let (output, text) = run(suite.path());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.status.code(), Some(1));
    assert!(lines[0].starts_with("failed   alone: ") && lines[0].contains("alone.wasm"), "{text}");
    assert_eq!(lines[1], "skipped  component: it is a component, and Warren runs modules");
    assert!(lines[2].starts_with("failed   malformed: ") && lines[2].contains("line 1 column 11"), "{text}");
    assert_eq!(lines[3], "skipped  newer: its description has `operations`, which is not supported");
    assert!(lines[4].starts_with("failed   nothing: "), "{text}");
    assert_eq!(lines[5..], ["0 passed, 3 failed, 2 skipped"]);
}

#[test]
fn a_suite_without_tests_is_a_mistake() {
    let suite = suite();
    for place in [suite.path().to_owned(), suite.path().join("missing")] {
        let (output, text) = run(&place);
        assert_eq!((output.status.code(), text.as_str()), (Some(1), ""));
        assert!(!output.stderr.is_empty());
    }
}
