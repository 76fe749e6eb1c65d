//! A server that is killed under load loses nothing it acknowledged.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use warren_wasi_posix::software::Store;

/// Where a run of the test says where the server's binary is, when it is not beside this package's.
const BINARY: &str = "WARREN_BINARY";

/// The server's binary; without one the tests say so and pass. A build of the whole workspace has it.
fn warren() -> Option<PathBuf> {
    let named = std::env::var_os(BINARY).map(PathBuf::from);
    let binary = named.unwrap_or_else(|| Path::new(env!("CARGO_BIN_EXE_warren-loadtest")).with_file_name("warren"));
    if !binary.exists() {
        println!("skipped: {} is not built; `cargo build -p warren` does", binary.display());
        return None;
    }
    Some(binary)
}

/// Whether the default software is installed; the first test of a machine fetches it.
fn software(warren: &Path) -> bool {
    let root = Store::default_root(&|name| std::env::var_os(name)).unwrap();
    if !Store::open(root).unwrap().packages().unwrap().is_empty() {
        return true;
    }
    let added = Command::new(warren).args(["software", "add", "--no-compile"]).output().unwrap();
    if !added.status.success() {
        let why = String::from_utf8_lossy(&added.stderr);
        println!("skipped: the default software is not installed and cannot be fetched: {why}");
    }
    added.status.success()
}

fn crash(arguments: &[&str], binary: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warren-loadtest"));
    command.arg("crash").args(arguments).arg("--binary").arg(binary).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn twenty_kills_lose_nothing() {
    let Some(warren) = warren().filter(|warren| software(warren)) else { return };
    let done = crash(&["--kills", "20", "--seed", "4"], &warren);
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("20 kills in "), "{}", text(&done));
}

#[test]
fn no_kill_and_one_session_are_a_run_too() {
    let Some(warren) = warren().filter(|warren| software(warren)) else { return };
    let done = crash(&["--kills", "0", "--sessions", "1", "--seed", "1"], &warren);
    assert!(done.status.success(), "{}", text(&done));
}

/// What is wrong is found: here the server does not even start.
#[test]
fn a_server_that_does_not_start_is_a_failure() {
    let Some(warren) = warren().filter(|warren| software(warren)) else { return };
    drop(warren);
    let done = crash(&["--kills", "1"], Path::new("/bin/false"));
    assert!(!done.status.success());
    assert!(text(&done).contains("the server did not start"), "{}", text(&done));
}
