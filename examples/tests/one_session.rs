//! Runs the example as a user would, and looks at what it prints.

use std::path::PathBuf;
use std::process::Command;

/// `cargo test -p warren-examples` has built the example beside this test's folder.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.parent().and_then(|deps| deps.parent()).expect("tests lie in target/PROFILE/deps");
    target.join("examples").join(name)
}

#[test]
fn one_session_shows_output_and_refusal() {
    let done = Command::new(example("one_session")).output().expect("`cargo test -p warren-examples` builds it");
    let (stdout, stderr) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{stdout}{stderr}");
    if stdout.contains("no software is installed") {
        assert!(stdout.contains("software add"), "{stdout}");
        return;
    }
    assert!(stdout.contains("2 apple"), "{stdout}");
    assert!(stdout.contains("policy: connect example.com:443 denied"), "{stdout}");
}

#[test]
fn without_software_it_says_how_to_add_it() {
    let empty = std::env::temp_dir().join(format!("warren-examples-{}", std::process::id()));
    let done = Command::new(example("one_session")).env("WARREN_CACHE", &empty).output();
    let _ = std::fs::remove_dir_all(&empty);
    let done = done.expect("`cargo test -p warren-examples` builds it");
    assert!(done.status.success());
    assert!(String::from_utf8_lossy(&done.stdout).contains("software add"));
}
