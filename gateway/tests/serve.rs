//! `warren serve` and `warren session`, as a user types them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{Server, serve};
use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It ended well and printed this.
fn says(output: &Output, stdout: &str) {
    let got = (output.status.code(), text(&output.stdout));
    assert_eq!(got, (Some(0), stdout.to_owned()), "{}", text(&output.stderr));
}

/// It was not done, and the note has each of these words.
fn refused(output: &Output, words: &[&str]) {
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(125), String::new()), "{}", text(&output.stderr));
    for word in words {
        assert!(text(&output.stderr).contains(word), "`{word}` is not in: {}", text(&output.stderr));
    }
}

/// Where each line of `logs` stands.
fn positions(output: &Output) -> Vec<(u64, u64)> {
    let line = |line: &str| {
        let (epoch, seq) = line.split_whitespace().next()?.split_once('.')?;
        Some((epoch.parse().ok()?, seq.parse().ok()?))
    };
    text(&output.stdout).lines().filter_map(line).collect()
}

/// The acceptance of durable sessions: the server dies, and what it acknowledged is there.
#[test]
fn a_session_outlives_its_server() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert!(server.cli(&["create", "--name", "a"]).status.success());
    says(&server.cli(&["exec", "a", "echo hi > f"]), "");
    let before = positions(&server.cli(&["logs", "a"]));
    let last = *before.last().unwrap();
    server.kill();

    let server = Server::start(dir.path());
    says(&server.cli(&["exec", "a", "cat f"]), "hi\n");
    let after = server.cli(&["logs", "a", "--after", &format!("{}.{}", last.0, last.1)]);
    let after = positions(&after);
    assert!(after[0].0 > last.0, "another epoch: {after:?}");
    let seqs: Vec<u64> = before.iter().chain(&after).map(|(_, seq)| *seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "no gap and no duplicate");
    assert_eq!(server.stop(), Some(0));

    // An orderly end keeps everything too.
    let server = Server::start(dir.path());
    says(&server.cli(&["exec", "a", "cat f"]), "hi\n");
}

#[test]
fn a_life_by_the_command_line() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let made = server.cli(&["create", "--name", "a", "--env", "GREETING=hello", "--label", "x=y", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!((made["name"].as_str(), made["labels"]["x"].as_str()), (Some("a"), Some("y")));
    says(&server.cli(&["exec", "a", "echo $GREETING $PWD"]), "hello /home/agent\n");
    says(&server.cli(&["exec", "--cwd", "/tmp", "--env", "A=1", "a", "--", "sh", "-c", "pwd; echo $A"]), "/tmp\n1\n");

    says(
        &server.cli(&[
            "files",
            "put",
            "a",
            "/tmp/d/e f%?#",
            "--parents",
            "--from",
            file!().trim_start_matches("gateway/"),
        ]),
        "",
    );
    let cat = server.cli(&["files", "cat", "a", "/tmp/d/e f%?#"]);
    assert_eq!(cat.stdout, std::fs::read(file!().trim_start_matches("gateway/")).unwrap());
    assert!(text(&server.cli(&["files", "ls", "a", "/tmp/d"]).stdout).contains("e f%?#"));

    says(&server.cli(&["checkpoint", "a", "--name", "before"]), "1\n");
    says(&server.cli(&["files", "rm", "a", "/tmp/d", "--recursive"]), "");
    refused(&server.cli(&["files", "cat", "a", "/tmp/d/e"]), &["file_not_found"]);
    assert!(text(&server.cli(&["checkpoints", "a"]).stdout).contains("before"));
    assert!(server.cli(&["rollback", "a", "1"]).status.success());
    says(&server.cli(&["exec", "a", "ls /tmp/d"]), "e f%?#\n");

    assert!(server.cli(&["fork", "a", "--name", "b"]).status.success());
    says(&server.cli(&["exec", "b", "rm -r /tmp/d; ls /tmp"]), "");
    says(&server.cli(&["exec", "a", "ls /tmp"]), "d\n");
    assert!(text(&server.cli(&["hibernate", "b"]).stdout).contains("hibernated"));
    assert!(text(&server.cli(&["wake", "b"]).stdout).contains("active"));

    let archive = dir.path().join("a.tar");
    says(&server.cli(&["export", "a", "-o", archive.to_str().unwrap()]), "");
    assert!(server.cli(&["import", archive.to_str().unwrap(), "--name", "c"]).status.success());
    says(&server.cli(&["exec", "c", "ls /tmp"]), "d\n");
    let update =
        ["update", "c", "--name", "d", "--label", "x=z", "--env", "GREETING=bye", "--time-to-live", "never", "--json"];
    let changed: serde_json::Value = serde_json::from_slice(&server.cli(&update).stdout).unwrap();
    assert_eq!((changed["name"].as_str(), changed["labels"]["x"].as_str()), (Some("d"), Some("z")));
    says(&server.cli(&["exec", "d", "echo $GREETING"]), "bye\n");
    assert!(server.cli(&["update", "d", "--no-env", "GREETING", "--no-label", "x", "--name", "c"]).status.success());
    says(&server.cli(&["exec", "c", "echo ${GREETING-none}"]), "none\n");
    refused(&server.cli(&["update", "c"]), &["nothing is to change"]);
    refused(&server.cli(&["update", "c", "--name", "a"]), &["name_taken"]);
    says(&server.cli(&["delete", "c"]), "");
    refused(&server.cli(&["get", "c"]), &["session_not_found"]);
    let list = text(&server.cli(&["list"]).stdout);
    assert_eq!(list.lines().count(), 3, "{list}");
}

#[test]
fn exec_passes_status_streams_and_input() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.cli(&["create", "--name", "a"]);
    let both = server.cli(&["exec", "a", "echo out; echo err >&2; exit 7"]);
    assert_eq!((both.status.code(), text(&both.stdout), text(&both.stderr)), (Some(7), "out\n".into(), "err\n".into()));
    let killed = server.cli(&["exec", "a", "kill -9 $$"]);
    assert_eq!(killed.status.code(), Some(137));
    let missing = server.cli(&["exec", "a", "--", "no-such-program"]);
    assert_eq!(missing.status.code(), Some(127), "{}", text(&missing.stderr));
    let late = server.cli(&["exec", "--timeout", "200ms", "a", "sleep 600"]);
    assert_eq!(late.status.code(), Some(124), "{}", text(&late.stderr));

    // Input larger than any buffer on its way, in bytes that are no text.
    let input: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    let mut child =
        server.command(&["exec", "-i", "a", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let copy = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.stdout == input, "{} bytes came back", output.stdout.len());

    // The same key runs it once.
    for _ in 0..2 {
        says(&server.cli(&["exec", "--idempotency-key", "k", "a", "echo once | tee -a /tmp/log"]), "once\n");
    }
    says(&server.cli(&["exec", "a", "cat /tmp/log"]), "once\n");
    refused(&server.cli(&["exec", "--idempotency-key", "k", "a", "echo other"]), &["key_reused"]);
}

#[test]
fn an_interrupt_is_the_commands() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    server.cli(&["create", "--name", "a"]);
    let line = "echo ready; while :; do sleep 0.05; done";
    let mut child = server.command(&["exec", "a", line]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready", "output comes before the end");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(lines.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let logs = text(&server.cli(&["logs", "a"]).stdout);
    assert!(logs.contains("signaled 130"), "it was the command's signal, not ours: {logs}");
}

#[test]
fn following_logs_goes_on_over_a_restart() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path());
    let address = first.address().to_owned();
    first.cli(&["create", "--name", "a"]);
    let mut follower = first.command(&["logs", "a", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut until = |word: &str| {
        let mut seen = Vec::new();
        loop {
            let line = lines.next().unwrap().unwrap();
            seen.push(line.split_whitespace().next().unwrap().split_once('.').unwrap().1.parse::<u64>().unwrap());
            if line.contains(word) {
                return seen;
            }
        }
    };
    says(&first.cli(&["exec", "a", "echo one-$((1+1))"]), "one-2\n");
    let mut seqs = until("one-2");
    first.kill();
    let second = Server::start_at(dir.path(), &address);
    says(&second.cli(&["exec", "a", "echo two-$((1+1))"]), "two-2\n");
    seqs.extend(until("two-2"));
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "no gap and no duplicate");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn refusals_name_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let mut nobody = common::warren();
    let nobody = nobody.args(["session", "list", "--url", "http://127.0.0.1:1"]).output().unwrap();
    refused(&nobody, &["no server at http://127.0.0.1:1", "warren serve"]);
    let mut wrong = common::warren();
    refused(&wrong.args(["session", "list", "--url", "localhost"]).output().unwrap(), &["no URL"]);
    let mut remote = common::warren();
    let remote = remote.args(["serve", "--listen", "0.0.0.0:0", "--dir"]).arg(dir.path()).output().unwrap();
    refused(&remote, &["--listen", "not encrypted", "allow_remote"]);
    let mut blocked = common::warren();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let blocked = blocked.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(&file).output().unwrap();
    refused(&blocked, &["data folder", file.to_str().unwrap()]);
}

#[test]
fn one_server_for_a_data_folder() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let first = Server::start(dir.path());
    let second = serve(dir.path()).output().unwrap();
    refused(&second, &["another server", dir.path().to_str().unwrap(), first.address()]);
    assert_eq!(first.get("/readyz").status, 200, "the first is not disturbed");
}

#[test]
fn configuration_is_checked_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[server]\nlisen = 3\ndrain = 4\n").unwrap();
    let config = |arguments: &[&str]| common::warren().arg("config").args(arguments).output().unwrap();
    let name = file.to_str().unwrap();
    refused(&config(&["check", name]), &[name, "server.lisen", "server.drain"]);
    std::fs::write(&file, "[server]\ndrain = \"4s\"\n").unwrap();
    assert!(config(&["check", name]).status.success());
    let shown = text(&config(&["show", "--config", name, "--origin"]).stdout);
    assert!(shown.contains(&format!("server.drain = \"4s\"  # {name}")), "{shown}");
    assert!(shown.contains("server.listen = \"127.0.0.1:7717\"  # default"), "{shown}");
    toml::from_str::<toml::Table>(&shown).unwrap();
    std::fs::write(&file, "[log]\nlevel = \"a=b=c\"\n").unwrap();
    refused(&config(&["check", name]), &["log.level"]);
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/systemd/warren.service");
    let text = std::fs::read_to_string(unit).unwrap();
    for line in ["Type=notify", "DynamicUser=yes", "StateDirectory=warren", "Restart=always"] {
        assert!(text.lines().any(|known| known == line), "{line}");
    }
    // Verified as it is, but for a binary that is there.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("warren.service");
    std::fs::write(&copy, text.replace("/usr/local/bin/warren", env!("CARGO_BIN_EXE_warren"))).unwrap();
    match std::process::Command::new("systemd-analyze").arg("verify").arg(&copy).output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => println!("skipped: no systemd-analyze here"),
    }
}
