//! The TypeScript client, built as its users build it, and its suite against servers of this binary.
//!
//! ```text
//! docs/openapi.json, sdk/typescript ──copy──▶ npm ci ──▶ npm test: models, build, suite ──▶ how many tests passed
//! ```
//! It is a copy so that nothing is made in the checkout. The suite starts its servers itself, because it kills them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use warren_pinned_npm::is_unreachable;

/// The oldest Node that the package says it runs on.
const NODE: (u32, u32) = (20, 16);
/// What is made, and not copied.
const MADE: &[&str] = &["node_modules", "dist", "build", "schema.ts"];
#[test]
fn the_suite_passes() {
    if let Err(reason) = node() {
        println!("skipped: the TypeScript client is not tested: {reason}");
        return;
    }
    if !common::software() {
        return;
    }
    let package = copied();
    let installed = npm(&package, &["ci", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"]);
    if !installed.status.success() {
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(is_unreachable(&said), "npm ci: {said}");
        println!("skipped: the TypeScript client is not tested: what builds it cannot be fetched: {said}");
        return;
    }
    let tested = npm(&package, &["test"]);
    let (out, err) = (String::from_utf8_lossy(&tested.stdout), String::from_utf8_lossy(&tested.stderr));
    assert!(tested.status.success(), "npm test: {}\n{out}\n{err}", tested.status);
    let [passed, failed, cancelled, skipped] = ["pass", "fail", "cancelled", "skipped"].map(|what| count(&out, what));
    println!("{passed} tests of the TypeScript client passed");
    assert!(passed > 0, "{out}");
    assert_eq!((failed, cancelled, skipped), (0, 0, 0), "{out}");
}

/// Whether there are a Node that is new enough and npm, and what is missing.
fn node() -> Result<(), String> {
    let said = Command::new("node").arg("--version").output().map_err(|error| format!("there is no node: {error}"))?;
    let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut numbers = said.trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < NODE {
        return Err(format!("node is {said}, and has to be {}.{} or newer", NODE.0, NODE.1));
    }
    let npm = Command::new("npm").arg("--version").output().map_err(|error| format!("there is no npm: {error}"))?;
    if npm.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&npm.stderr).into_owned()) }
}

/// The package in a folder of the build, beside the document that its models are made of.
fn copied() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sdk-typescript");
    let package = to.join("sdk/typescript");
    // What was renamed since the last time would be there twice; what npm installed is replaced by itself.
    for folder in ["src", "test", "dist", "build"] {
        let _ = fs::remove_dir_all(package.join(folder));
    }
    fs::create_dir_all(to.join("docs")).unwrap();
    fs::copy(root.join("docs/openapi.json"), to.join("docs/openapi.json")).unwrap();
    copy(&root.join("sdk/typescript"), &package);
    package
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if MADE.iter().any(|made| name == *made) {
            continue;
        }
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(name)),
            false => drop(fs::copy(entry.path(), to.join(name)).unwrap()),
        }
    }
}

fn npm(package: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(package).env("WARREN_BIN", env!("CARGO_BIN_EXE_warren"));
    command.env_remove("NODE_OPTIONS").env("npm_config_update_notifier", "false");
    if let Some(home) = std::env::var_os("HOME") {
        command.env("npm_config_cache", Path::new(&home).join(".cache/warren/npm"));
    }
    command.output().unwrap()
}

/// How many tests the suite says `what` of.
fn count(out: &str, what: &str) -> usize {
    let line = out.lines().rev().find_map(|line| line.strip_prefix(&format!("# {what} ")));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no count of `{what}`: {out}"))
}
