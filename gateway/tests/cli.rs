//! Commands of the command line that are more than one request: events that are followed, commands that others started,
//! completions.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{LIMIT, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// It ended well and printed this.
fn says(output: &Output, stdout: &str) {
    let got = (output.status.code(), text(&output.stdout));
    assert_eq!(got, (Some(0), stdout.to_owned()), "{}", text(&output.stderr));
}

fn as_json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", text(&output.stdout)))
}

/// A command that prints a line now and then.
struct Lines {
    child: Child,
    lines: Receiver<String>,
}

impl Lines {
    fn of(mut command: Command) -> Lines {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Lines { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line comes")
    }

    /// Events until one of this type; all of them.
    fn until(&self, kind: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let event: Value = serde_json::from_str(&self.next()).unwrap();
            seen.push(event.clone());
            if event["type"] == kind {
                return seen;
            }
        }
    }

    fn ends(mut self) -> Option<i32> {
        while self.lines.recv_timeout(LIMIT).is_ok() {}
        self.child.wait().unwrap().code()
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sequence(event: &Value) -> u64 {
    event["position"].as_str().unwrap().split_once('.').unwrap().1.parse().unwrap()
}

#[test]
fn events_are_followed_through_a_server_that_dies() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a", "durability": "journal" })).status, 201);
    let all = Lines::of(server.client(&["events", "a", "--follow", "--json"]));
    let some = Lines::of(server.client(&["events", "a", "-f", "--type", "exited,checkpointed"]));
    server.exec("a", "echo one");
    let mut seen = all.until("exited");
    let address = server.address().to_owned();
    server.kill();
    let server = Server::start_at(dir.path(), &address);
    server.exec("a", "echo two");
    seen.extend(all.until("exited"));
    // Lost and doubled events would show in their numbers.
    let numbers: Vec<u64> = seen.iter().map(sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(
        seen.iter()
            .any(|event| event["type"] == "epoch_began" && event["position"] == format!("2.{}", sequence(event)))
    );
    for expected in ["exited", "exited"] {
        let line = some.next();
        assert!(line.contains(expected), "{line}");
    }
    let position = seen.last().unwrap()["position"].as_str().unwrap().to_owned();
    // From there on, and what is there only.
    let rest = server.client(&["events", "a", "--after", &position]).output().unwrap();
    assert!(rest.status.success() && !text(&rest.stdout).contains("two"), "{}", text(&rest.stdout));
    let rest = server.cli(&["logs", "a", "--type", "output"]);
    let words: Vec<String> =
        text(&rest.stdout).lines().map(|line| line.split_whitespace().last().unwrap().to_owned()).collect();
    assert_eq!(words, ["one", "two"]);
    let wrong = server.client(&["events", "a", "--after", "1"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(125), "{}", text(&wrong.stdout));
    let none = server.client(&["events", "none", "--follow"]).output().unwrap();
    assert!(none.status.code() == Some(125) && text(&none.stderr).contains("session_not_found"));
    // The end of the session is the end of its events.
    assert_eq!(server.request("DELETE", "/v1/sessions/a", &[], b"").status, 204);
    assert_eq!((all.ends(), some.ends()), (Some(0), Some(0)));
}

#[test]
fn a_log_that_is_cut_off_is_not_taken_for_the_whole() {
    // Between two events no bytes tell a proxy that broke from the end of the log.
    let event =
        "id: 1.7\nevent: lifecycle\ndata: {\"position\":\"1.7\",\"type\":\"lifecycle\",\"state\":\"active\"}\n\n";
    let end = "event: end\ndata: {\"type\":\"end\",\"position\":\"1.7\"}\n\n";
    for (body, status) in [(format!("{event}{end}"), 0), (event.to_owned(), 125), (String::new(), 125)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = BufReader::new(stream.try_clone().unwrap());
            assert!(asked.lines().any(|line| line.unwrap().is_empty()), "the head of a request");
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        });
        let mut command = common::warren();
        command.args(["events", "a"]).env("WARREN_URL", url).env("WARREN_KEY", "wrn_key");
        let shown = command.output().unwrap();
        server.join().unwrap();
        let complaint = text(&shown.stderr);
        assert_eq!(shown.status.code(), Some(status), "{complaint}");
        assert!(status == 0 || complaint.contains("before its end"), "{complaint}");
        assert_eq!(
            complaint.contains("--after 1.7"),
            status != 0 && text(&shown.stdout).contains("1.7"),
            "{complaint}"
        );
    }
}

#[test]
fn events_that_were_lost_are_told() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a", "durability": "scratch" })).status, 201);
    // What it is at rest is kept; what it does afterwards is not, before it rests again.
    assert_eq!(server.post("/v1/sessions/a/hibernate", json!({})).status, 200);
    let follower = Lines::of(server.client(&["events", "a", "--follow", "--type", "exited", "--json"]));
    server.exec("a", "echo lost");
    follower.until("exited");
    let address = server.address().to_owned();
    server.kill();
    let server = Server::start_at(dir.path(), &address);
    server.exec("a", "echo kept");
    // It is told although only others were asked for.
    let seen = follower.until("exited");
    assert_eq!(seen[0]["type"], "resync", "{seen:?}");
    assert!(seen[0]["from"].is_u64() && seen[0]["to"].is_u64());
}

#[test]
fn commands_that_others_started() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let line = "read a; echo got $a; echo no >&2; read b; exit 3";
    let started = server.post("/v1/sessions/a/exec", json!({ "command": line, "stdin": "open", "detach": true }));
    assert_eq!(started.json()["exec"], 1, "{}", started.text());
    let file = dir.path().join("input");
    std::fs::write(&file, "some\n").unwrap();
    says(&server.cli(&["execs", "stdin", "a", "1", "--keep-open", "--from", file.to_str().unwrap()]), "");
    let follow = Lines::of(server.command(&["execs", "follow", "a", "1"]));
    assert_eq!(follow.next(), "got some");
    assert_eq!(as_json(&server.cli(&["execs", "get", "a", "1", "--json"]))["running"], true);
    assert!(text(&server.cli(&["execs", "list", "a"]).stdout).contains("EXEC"));
    // The end of input ends it.
    says(&server.cli(&["execs", "stdin", "a", "1"]), "");
    assert_eq!(follow.ends(), Some(3), "the status is the command's");
    says(&server.cli(&["execs", "output", "a", "1"]), "got some\n");
    says(&server.cli(&["execs", "output", "a", "1", "--stream", "stderr"]), "no\n");
    says(&server.cli(&["execs", "output", "a", "1", "--offset", "4", "--limit", "2"]), "so");
    let again = server.cli(&["execs", "follow", "a", "1"]);
    assert_eq!(
        (again.status.code(), text(&again.stdout), text(&again.stderr)),
        (Some(3), "got some\n".into(), "no\n".into())
    );
    let none = server.cli(&["execs", "follow", "a", "99"]);
    assert!(none.status.code() == Some(125) && text(&none.stderr).contains("exec_not_found"));
    // More than one answer has.
    server.exec("a", "head -c 3000000 /dev/zero");
    assert_eq!(server.cli(&["execs", "output", "a", "2"]).stdout.len(), 3_000_000);

    let terminal = json!({ "argv": ["sleep", "600"], "terminal": { "rows": 5, "columns": 5 }, "detach": true });
    assert_eq!(server.post("/v1/sessions/a/exec", terminal).status, 202);
    says(&server.cli(&["execs", "resize", "a", "3", "40", "100"]), "");
    let found = as_json(&server.cli(&["ps", "a", "--json"]));
    let sleep = found.as_array().unwrap().iter().find(|it| it["command"][0] == "sleep").unwrap()["pid"].to_string();
    assert!(text(&server.cli(&["ps", "a"]).stdout).contains("sleep 600"));
    says(&server.cli(&["kill", "a", &sleep, "--signal", "KILL"]), "");
    let killed = server.cli(&["execs", "follow", "a", "3"]);
    assert_eq!(killed.status.code(), Some(137), "{}", text(&killed.stderr));
    let bad = server.cli(&["kill", "a", "1", "-s", "NOPE"]);
    assert!(bad.status.code() == Some(125) && text(&bad.stderr).contains("NOPE"));
    let started = server.post("/v1/sessions/a/exec", json!({ "argv": ["sleep", "600"], "detach": true })).json();
    says(&server.cli(&["execs", "signal", "a", &started["exec"].to_string()]), "");
    assert_eq!(server.cli(&["execs", "follow", "a", &started["exec"].to_string()]).status.code(), Some(143));
}

#[test]
fn terminals_tokens_templates_and_files() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let open = [
        "terminals",
        "open",
        "a",
        "t",
        "--rows",
        "10",
        "--columns",
        "40",
        "--",
        "echo hi on $(tput cols 2>/dev/null); cat",
    ];
    assert!(text(&server.cli(&open).stdout).contains("40"));
    assert_eq!(server.cli(&open).status.code(), Some(125), "it is there");
    let shown = || text(&server.cli(&["terminals", "get", "a", "t"]).stdout);
    let since = std::time::Instant::now();
    while !shown().contains("hi on") {
        assert!(since.elapsed() < LIMIT, "{}", shown());
    }
    let listed = as_json(&server.cli(&["terminals", "list", "a", "--json"]));
    assert_eq!((&listed[0]["terminal"], &listed[0]["rows"]), (&json!("t"), &json!(10)));
    says(&server.cli(&["terminals", "close", "a", "t"]), "");
    says(&server.cli(&["terminals", "list", "a", "--json"]), "[]\n");

    let token = text(&server.cli(&["token", "a", "--scope", "sessions:read,files:read", "--life", "5m"]).stdout);
    assert!(token.starts_with("wrt_"), "{token}");
    let with = |arguments: &[&str]| server.command(arguments).env("WARREN_KEY", token.trim()).output().unwrap();
    assert!(with(&["get", "a"]).status.success());
    assert!(text(&with(&["list"]).stderr).contains("token_bound"));
    assert!(text(&with(&["exec", "a", "true"]).stderr).contains("scope_missing"));
    assert_eq!(server.cli(&["token", "a"]).status.code(), Some(2), "a token has scopes");

    assert!(text(&server.cli(&["templates"]).stdout).starts_with("NAME"));
    says(&server.cli(&["files", "mkdir", "a", "/tmp/x/y", "--parents"]), "");
    assert_eq!(server.cli(&["files", "mkdir", "a", "/tmp/x"]).status.code(), Some(125));
    server.exec("a", "echo hi > /tmp/x/f; chmod 640 /tmp/x/f; ln -s f /tmp/x/l");
    says(&server.cli(&["files", "mv", "a", "/tmp/x/f", "/tmp/x/y/g h"]), "");
    says(&server.cli(&["files", "cat", "a", "/tmp/x/y/g h"]), "hi\n");
    let stat = as_json(&server.cli(&["files", "stat", "a", "/tmp/x/y/g h", "--json"]));
    assert_eq!((&stat["mode"], &stat["size"], &stat["kind"]), (&json!("0640"), &json!(3), &json!("file")));
    assert!(text(&server.cli(&["files", "stat", "a", "/tmp/x/l"]).stdout).contains("symlink"));
    assert_eq!(as_json(&server.cli(&["files", "mkdir", "a", "/tmp/z", "--json"]))["kind"], "directory");

    let own =
        as_json(&server.client(&["key", "list", "--json"]).output().unwrap())[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(as_json(&server.client(&["key", "get", &own, "--json"]).output().unwrap())["role"], "operator");
    let verified = as_json(&server.client(&["audit", "--verify", "--json"]).output().unwrap());
    assert!(verified["records"].as_u64().unwrap() > 0, "{verified}");
    let shown = as_json(&common::warren().args(["config", "show", "--json"]).output().unwrap());
    assert!(shown.as_array().unwrap().iter().any(|it| it["key"] == "server.listen" && it["origin"].is_string()));
    let wrong = dir.path().join("wrong.toml");
    std::fs::write(&wrong, "[server]\nlisten = 1\n").unwrap();
    let checked = common::warren().args(["config", "check", "--json", wrong.to_str().unwrap()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(125));
    let told: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(told["problems"][0]["key"], "server.listen", "{told}");
    assert!(
        as_json(&common::warren().args(["software", "list", "--available", "--json"]).output().unwrap()).is_array()
    );
}

#[test]
fn shells_complete_commands_and_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let made = common::warren().args(["completions", shell]).output().unwrap();
        assert!(made.status.success());
        for word in ["doctor", "completions", "hibernate", "durability"] {
            assert!(text(&made.stdout).contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(common::warren().args(["completions", "cmd"]).output().unwrap().status.code(), Some(2));
    let complete = |words: &str| {
        let script = format!(
            "source <(\"$0\" completions bash); COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _warren warren \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        Command::new("bash").args(["--norc", "-c", &script, env!("CARGO_BIN_EXE_warren")]).output()
    };
    let Ok(first) = complete("warren doc") else {
        println!("skipped: there is no bash");
        return;
    };
    says(&first, "doctor\n");
    says(&complete("warren session files mk").unwrap(), "mkdir\n");
    assert!(text(&complete("warren session create --dur").unwrap().stdout).contains("--durability"));
}
