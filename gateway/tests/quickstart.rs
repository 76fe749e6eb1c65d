//! The lines of README's quickstart, as a reader types them: one shell, real curl, and what they are said to print.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test")]

pub mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const README: &str = include_str!("../../README.md");
const SECTION: &str = "### Over HTTP\n";
/// The port that the README says.
const PORT: &str = "7717";

/// What is typed, and what it is said to print.
fn steps() -> Vec<(String, String)> {
    let section = README.split_once(SECTION).expect("the README has the section").1;
    let block = section.split_once("```console\n").unwrap().1.split_once("```").unwrap().0;
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), String::new())),
            (None, Some((_, said))) => said.push_str(&format!("{line}\n")),
            (None, None) => panic!("output of nothing: {line}"),
        }
    }
    steps
}

/// Whether `text` is `pattern`, in which `...` is anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.trim_end().split("...");
    let Some(mut rest) = text.trim_end().strip_prefix(parts.next().unwrap()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.split_once(part) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A shell that is typed into.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn types(&mut self, line: &str) -> String {
        // Job control tells of jobs, and so does the server, in its own time.
        writeln!(self.input, "{line}\nprintf '\\n@end@\\n'").unwrap();
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the shell ended: {said}");
            if line == "@end@\n" {
                return said;
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = writeln!(self.input, "kill -9 $(jobs -p) 2>/dev/null; exit");
        let _ = self.child.wait();
    }
}

#[test]
fn the_quickstart_does_what_it_says() {
    if !common::software() {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: this machine has no curl");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let binary = common::warren().get_program().to_owned();
    let folder = std::path::Path::new(&binary).parent().unwrap().to_owned();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc"]).env("PATH", path).env("HOME", home.path());
    command.env("WARREN_SERVER__LISTEN", format!("127.0.0.1:{port}")).env("XDG_CONFIG_HOME", home.path());
    command.env("WARREN_CACHE", common::cache()).env_remove("XDG_STATE_HOME").env_remove("STATE_DIRECTORY");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut shell = Shell { child, input, output };
    shell.types("set -m");
    let steps = steps();
    assert!(steps.len() > 10 && steps.iter().any(|(command, _)| command.contains("kill -9")));
    for (command, pattern) in steps {
        let begins = command.contains("warren serve &");
        let said = shell.types(&command.replace(PORT, &port).replace("serve &", "serve > /dev/null &"));
        assert!(is_like(&said, &pattern), "$ {command}\n{said}\n  is not\n{pattern}");
        // A reader types slower than a server starts.
        let since = Instant::now();
        while begins && !shell.types(&format!("curl -s http://127.0.0.1:{port}/healthz")).starts_with("ok") {
            assert!(since.elapsed() < common::server::LIMIT, "the server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_pattern_is_what_it_is_like() {
    assert!(is_like("a b c\n", "a...c\n") && is_like("abc", "...") && is_like("abc", "abc"));
    assert!(
        !is_like("abc", "ab") && !is_like("abd", "a...c") && !is_like("xabc", "a...c") && is_like("a1b2c", "a...b...c")
    );
}
