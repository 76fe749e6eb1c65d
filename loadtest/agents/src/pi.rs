//! Pi, in two versions.
//!
//! ```text
//! each(server, start, test) ─▶ for each version: packages, a home that knows the server, an empty folder ─▶ Pi ─▶ test
//! ```

mod suite;

pub use suite::{
    does_as_its_tools_are_told, ends_with_a_final_error, is_driven_by_lines, runs_a_tool_and_says_what_it_gave,
    tries_again_after_errors,
};

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;
use warren_pinned_npm::{installed, skipped, told};
use warren_scripted_llm::Server;
use warren_scripted_llm::agents::{PI_MODEL, pi_models};

/// How long Pi may take for one line.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A version of Pi: its name in `loadtest/npm/packages`, its program in `node_modules` there, and the event after which it
/// does nothing more.
const VERSIONS: &[(&str, &str, &str)] = &[
    ("pi", "@earendil-works/pi-coding-agent/dist/bundle/cli.js", "agent_settled"),
    ("pi-mariozechner", "@mariozechner/pi-coding-agent/dist/cli.js", "agent_end"),
];

/// How a test starts Pi.
#[derive(Debug)]
pub struct Start {
    /// Its program's command; arguments are added.
    pub command: Command,
    /// What it calls the folder [`Pi::work`].
    pub work: PathBuf,
}

/// One version of Pi, with a home of its own that names the server, and an empty folder to work in.
pub struct Pi<'a> {
    name: &'static str,
    program: PathBuf,
    packages: PathBuf,
    last_event: &'static str,
    folder: TempDir,
    start: &'a dyn Fn(&Pi<'_>) -> Start,
}

impl std::fmt::Debug for Pi<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pi").field("name", &self.name).field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Each version of Pi, for a server; none, with the reason printed, where it cannot be had.
pub fn each(server: &Server, start: &dyn Fn(&Pi<'_>) -> Start, mut test: impl FnMut(&Pi<'_>)) {
    for (name, program, last_event) in VERSIONS {
        let packages = match installed(name) {
            Ok(found) => found,
            Err(why) => {
                skipped(name, &why);
                continue;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let program = Path::new("node_modules").join(program);
        let pi = Pi { name, program, packages, last_event, folder, start };
        let agent = pi.home().join(".pi/agent");
        fs::create_dir_all(&agent).unwrap();
        fs::create_dir_all(pi.work()).unwrap();
        fs::write(agent.join("models.json"), pi_models(&server.url(), name).to_string()).unwrap();
        let settings = json!({ "retry": { "enabled": true, "maxRetries": 5, "baseDelayMs": 1 } });
        fs::write(agent.join("settings.json"), settings.to_string()).unwrap();
        test(&pi);
        say(&format!("{name} did as the script says; the server answered {} requests so far", server.requests().len()));
    }
}

/// A prompt that brings its script.
pub fn prompt(script: &Value) -> String {
    format!("Do it. [[script: {script}]]")
}

impl Pi<'_> {
    /// Its name in `loadtest/npm/packages`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The folder its packages are in.
    pub fn packages(&self) -> &Path {
        &self.packages
    }

    /// Its program, in that folder.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its home folder, on this machine.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Its working folder, on this machine.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// What begins it with one of the providers and further arguments.
    pub fn command(&self, provider: &str, arguments: &[&str]) -> Command {
        let mut command = (self.start)(self).command;
        command.args(arguments).args(["--no-session", "--provider", provider, "--model", PI_MODEL]);
        command.stdin(Stdio::null());
        command
    }

    /// What it prints for one prompt.
    pub fn print(&self, provider: &str, prompt: &str) -> String {
        let done = self.command(provider, &["-p", prompt]).output().unwrap();
        assert!(done.status.success(), "{} by {provider}: {} {}", self.name, done.status, told(&done));
        String::from_utf8(done.stdout).unwrap()
    }
}

/// A Pi that is spoken to by lines of JSON (`--mode rpc`). It is killed when dropped.
#[derive(Debug)]
pub struct Rpc {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
}

impl Rpc {
    /// Starts one.
    pub fn start(pi: &Pi<'_>, provider: &str) -> Rpc {
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

    /// Sends one line.
    pub fn send(&mut self, line: &Value) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// All lines until one of a type.
    pub fn until(&self, kind: &str) -> Vec<Value> {
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

#[allow(clippy::print_stdout, reason = "it is what a test prints")]
fn say(text: &str) {
    println!("{text}");
}
