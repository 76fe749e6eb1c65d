//! Pi, unchanged from npm, does in a session what the script says: its own process, files and shell are the session's, and
//! the model is reached by a rule of its egress.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::network::{OUTSIDE, inside};
use common::warren;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use warren_pinned_npm::{installed, skipped, told};
use warren_scripted_llm::agents::{PI_MODEL, PI_PROVIDERS, pi_models};
use warren_scripted_llm::{End, Options, Server};

/// A version of Pi: its name in `loadtest/npm/packages`, its program there, and the event after which it does nothing more.
const VERSIONS: &[(&str, &str, &str)] = &[
    ("pi", "@earendil-works/pi-coding-agent/dist/bundle/cli.js", "agent_settled"),
    ("pi-mariozechner", "@mariozechner/pi-coding-agent/dist/cli.js", "agent_end"),
];
/// How long Pi may take for one line.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Pi in a session whose home and working folder are ours to look into.
struct Pi {
    name: &'static str,
    program: String,
    packages: PathBuf,
    last_event: &'static str,
    rule: String,
    folder: tempfile::TempDir,
}

impl Pi {
    fn command(&self, provider: &str, arguments: &[&str]) -> Command {
        let mut command = warren();
        command.args(["run", "--allow-net", &self.rule, "--env", "HOME=/home/agent", "--env", "PI_OFFLINE=1"]);
        command.arg("--mount").arg(format!("{}:/opt/{}", self.packages.display(), self.name));
        command.arg("--mount").arg(format!("{}:/home/agent:rw", self.home().display()));
        command.arg("--mount").arg(format!("{}:/work:rw", self.work().display()));
        command.args(["--cwd", "/work", "--", "node", &self.program]);
        command.args(arguments).args(["--no-session", "--provider", provider, "--model", PI_MODEL]);
        command.stdin(Stdio::null());
        command
    }

    /// What it prints for one prompt.
    fn print(&self, provider: &str, prompt: &str) -> String {
        let done = self.command(provider, &["-p", prompt]).output().unwrap();
        assert!(done.status.success(), "{} by {provider}: {} {}", self.name, done.status, told(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }
}

/// Each version of Pi, told of a server; none, with the reason printed, where it cannot be had.
fn each(server: &Server, mut test: impl FnMut(&Pi)) {
    for (name, program, last_event) in VERSIONS {
        let packages = match installed(name) {
            Ok(found) => found,
            Err(why) => {
                skipped(name, &why);
                continue;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let program = format!("/opt/{name}/node_modules/{program}");
        let rule = server.url().trim_start_matches("http://").to_owned();
        let pi = Pi { name, program, packages, last_event, rule, folder };
        let agent = pi.home().join(".pi/agent");
        fs::create_dir_all(&agent).unwrap();
        fs::create_dir_all(pi.work()).unwrap();
        fs::write(agent.join("models.json"), pi_models(&server.url(), name).to_string()).unwrap();
        let settings = json!({ "retry": { "enabled": true, "maxRetries": 5, "baseDelayMs": 1 } });
        fs::write(agent.join("settings.json"), settings.to_string()).unwrap();
        test(&pi);
        println!("{name} did as the script says; the server answered {} requests so far", server.requests().len());
    }
}

/// A server outside the sessions, for prompts that bring their scripts.
fn server() -> Server {
    let listen = format!("{OUTSIDE}:0").parse().unwrap();
    Server::start(Options { listen, ..Options::default() }).unwrap()
}

/// A prompt that brings its script.
fn prompt(script: &Value) -> String {
    format!("Do it. [[script: {script}]]")
}

#[test]
fn it_runs_a_tool_and_says_what_that_gave() {
    if !common::software() || !inside("it_runs_a_tool_and_says_what_that_gave") {
        return;
    }
    let server = server();
    let script = json!({ "turns": [
        {
            "thinking": "A tool is needed.",
            "text": "I look.",
            "calls": [{ "name": "bash", "arguments": { "command": "echo made-$((6 * 7)) | tee made.txt" } }],
        },
        { "expect": { "tool_result": "made-42", "system": "bash" }, "text": "It says: {{tool_result}}" },
    ] });
    each(&server, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            assert_eq!(pi.print(provider, &prompt(&script)).trim(), "It says: made-42", "{provider}");
            assert_eq!(fs::read_to_string(pi.work().join("made.txt")).unwrap(), "made-42\n");
            fs::remove_file(pi.work().join("made.txt")).unwrap();
            assert_eq!(server.complaints(), Vec::<String>::new());
            let seen: Vec<_> = server.requests().iter().map(|entry| (entry.turn, entry.stream, entry.end)).collect();
            assert_eq!(seen, [(Some(0), true, End::Whole), (Some(1), true, End::Whole)], "{provider}");
        }
    });
}

#[test]
fn each_of_its_tools_does_as_it_is_told() {
    if !common::software() || !inside("each_of_its_tools_does_as_it_is_told") {
        return;
    }
    let server = server();
    let text = "first line\nGr\u{fc}\u{df}e \u{1f407}\n";
    let edits = json!([{ "oldText": "first", "newText": "1st" }, { "oldText": "\u{1f407}", "newText": "\u{1f98a}" }]);
    let script = json!({
        "pace": { "delta_chars": 2, "wire_bytes": 5 },
        "turns": [
            { "calls": [{ "name": "write", "arguments": { "path": "deep/a.txt", "content": text } }] },
            { "calls": [{ "name": "edit", "arguments": { "path": "deep/a.txt", "edits": edits } }] },
            { "calls": [{ "name": "read", "arguments": { "path": "deep/a.txt" } }] },
            {
                "expect": { "tool_result": "1st line\nGr\u{fc}\u{df}e \u{1f98a}" },
                "calls": [
                    { "name": "bash", "arguments": { "command": "wc -l < deep/a.txt" } },
                    { "name": "bash", "arguments": { "command": "exit 3" } },
                    { "name": "read", "arguments": { "path": "not-there" } },
                ],
            },
            { "expect": { "tool_result": ["2\n", "code 3", "ENOENT"] }, "text": "All done." },
        ],
    });
    each(&server, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            let said = pi.print(provider, &prompt(&script));
            assert_eq!(server.complaints(), Vec::<String>::new(), "{provider}");
            assert_eq!(said.trim(), "All done.", "{provider}");
            let changed = fs::read_to_string(pi.work().join("deep/a.txt")).unwrap();
            assert_eq!(changed, "1st line\nGr\u{fc}\u{df}e \u{1f98a}\n");
            fs::remove_dir_all(pi.work().join("deep")).unwrap();
        }
    });
}

#[test]
fn it_tries_again_after_errors() {
    if !common::software() || !inside("it_tries_again_after_errors") {
        return;
    }
    let server = server();
    let faults = json!([{ "status": 429, "retry_after": 0.01 }, { "status": 529 }, { "cut": "close", "after": 4 }]);
    let script = json!({ "pace": { "delta_chars": 3 }, "turns": [
        { "calls": [{ "name": "bash", "arguments": { "command": "echo once >> log" } }], "faults": faults },
        { "text": "Nevertheless.", "faults": [{ "cut": "close", "after": 5 }] },
    ] });
    each(&server, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            assert_eq!(pi.print(provider, &prompt(&script)).trim(), "Nevertheless.", "{provider}");
            assert_eq!(fs::read_to_string(pi.work().join("log")).unwrap(), "once\n");
            fs::remove_file(pi.work().join("log")).unwrap();
            let faults: Vec<_> = server.requests().into_iter().map(|entry| entry.fault.unwrap_or_default()).collect();
            assert_eq!(faults, ["status 429", "status 529", "closed after 4", "", "closed after 5", ""], "{provider}");
        }
    });
}

#[test]
fn an_error_that_is_final_is_its_error() {
    if !common::software() || !inside("an_error_that_is_final_is_its_error") {
        return;
    }
    let server = server();
    let script = json!({ "turns": [{ "text": "No.", "expect": { "prompt": "the word" } }] });
    each(&server, |pi| {
        for provider in PI_PROVIDERS {
            let done = pi.command(provider, &["-p", &prompt(&script)]).output().unwrap();
            assert!(!done.status.success() && told(&done).contains("the prompt has to contain"), "{}", told(&done));
        }
    });
    assert!(server.requests().iter().all(|entry| entry.unmet.len() == 1));
}

#[test]
fn a_model_that_no_rule_names_is_not_reached() {
    if !common::software() || !inside("a_model_that_no_rule_names_is_not_reached") {
        return;
    }
    let server = server();
    each(&server, |pi| {
        let script = json!({ "turns": [{ "text": "No." }] });
        let elsewhere = format!("{OUTSIDE}:1");
        let mut command = pi.command(PI_PROVIDERS[0], &["-p", &prompt(&script)]);
        let words: Vec<_> = command.get_args().map(|word| word.to_owned()).collect();
        command = warren();
        command.args(words.iter().map(|word| if *word == *pi.rule { elsewhere.as_ref() } else { word.as_os_str() }));
        let done = command.stdin(Stdio::null()).output().unwrap();
        assert!(
            !done.status.success() && told(&done).contains(&format!("egress: {} refused", pi.rule)),
            "{}",
            told(&done)
        );
    });
    assert!(server.requests().is_empty(), "nobody came");
}

/// A Pi that is spoken to by lines of JSON.
struct Rpc {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
}

impl Rpc {
    fn start(pi: &Pi, provider: &str) -> Rpc {
        let mut command = pi.command(provider, &["--mode", "rpc"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Rpc { child, input, lines }
    }

    fn send(&mut self, line: &Value) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// All lines until one of a type.
    fn until(&self, kind: &str) -> Vec<Value> {
        let mut seen = Vec::new();
        loop {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|why| panic!("{why}: no {kind} after {seen:#?}"));
            let found = line["type"] == kind;
            seen.push(line);
            if found {
                return seen;
            }
        }
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The text of the pieces that came.
fn heard(lines: &[Value]) -> String {
    let updates = lines.iter().map(|line| &line["assistantMessageEvent"]).filter(|event| event["type"] == "text_delta");
    updates.map(|event| event["delta"].as_str().unwrap()).collect()
}

#[test]
fn it_is_driven_by_lines() {
    if !common::software() || !inside("it_is_driven_by_lines") {
        return;
    }
    let server = server();
    each(&server, |pi| {
        for provider in PI_PROVIDERS {
            server.clear();
            let mut rpc = Rpc::start(pi, provider);
            let first = json!({ "turns": [
                { "calls": [{ "name": "bash", "arguments": { "command": "pwd" } }] },
                { "expect": { "tool_result": "/work" }, "text": "I am in {{tool_result}}" },
            ] });
            rpc.send(&json!({ "id": "1", "type": "prompt", "message": prompt(&first) }));
            let lines = rpc.until(pi.last_event);
            let answered = |line: &Value| line["type"] == "response" && line["id"] == "1" && line["success"] == true;
            assert!(lines.iter().any(answered), "{lines:#?}");
            assert_eq!(heard(&lines).trim(), "I am in /work", "{provider}");

            // A second prompt of the same conversation begins its own script.
            let second = json!({ "turns": [{ "text": "Another.", "expect": { "turn": 0 } }] });
            rpc.send(&json!({ "type": "prompt", "message": prompt(&second) }));
            assert_eq!(heard(&rpc.until(pi.last_event)), "Another.", "{provider}");
            assert_eq!(server.complaints(), Vec::<String>::new());

            // An answer that hangs is given up when it is told to.
            let faults = json!([{ "cut": "hang", "after": 6 }]);
            let third = json!({ "pace": { "delta_chars": 1 }, "turns": [{ "text": "This hangs.", "faults": faults }] });
            rpc.send(&json!({ "type": "prompt", "message": prompt(&third) }));
            rpc.until("message_update");
            rpc.send(&json!({ "type": "abort" }));
            rpc.until(pi.last_event);
            let given_up = || server.requests().last().is_some_and(|entry| entry.end == End::Left);
            let began = std::time::Instant::now();
            while !given_up() {
                assert!(began.elapsed() < PATIENCE, "it has not left");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
}
