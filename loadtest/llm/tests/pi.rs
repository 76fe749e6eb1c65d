//! Pi, unchanged from npm, does what the script says: on this machine's Node, or one from npm.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use warren_driven_agents::pi::{self, Pi, Start, each, prompt};
use warren_pinned_npm::{node, skipped};
use warren_scripted_llm::agents::PI_PROVIDERS;
use warren_scripted_llm::{Options, Server};

/// A server, for prompts that bring their scripts, and a Node.
fn ready() -> Option<(Server, PathBuf)> {
    match node() {
        Ok(node) => Some((Server::start(Options::default()).unwrap(), node)),
        Err(why) => {
            skipped("Pi", &why);
            None
        }
    }
}

/// Starts it by a Node; nothing of this machine's settings reaches it.
fn on(node: PathBuf) -> impl Fn(&Pi<'_>) -> Start {
    move |pi| {
        let mut command = Command::new(&node);
        command.arg(pi.packages().join(pi.program())).current_dir(pi.work());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", pi.home()).env("PI_OFFLINE", "1");
        Start { command, work: fs::canonicalize(pi.work()).unwrap() }
    }
}

#[test]
fn it_runs_a_tool_and_says_what_that_gave() {
    let Some((server, node)) = ready() else { return };
    pi::runs_a_tool_and_says_what_it_gave(&server, &on(node));
}

#[test]
fn each_of_its_tools_does_as_it_is_told() {
    let Some((server, node)) = ready() else { return };
    pi::does_as_its_tools_are_told(&server, &on(node));
}

#[test]
fn it_tries_again_after_errors() {
    let Some((server, node)) = ready() else { return };
    pi::tries_again_after_errors(&server, &on(node));
}

#[test]
fn an_error_that_is_final_is_its_error() {
    let Some((server, node)) = ready() else { return };
    pi::ends_with_a_final_error(&server, &on(node));
}

#[test]
fn it_is_driven_by_lines() {
    let Some((server, node)) = ready() else { return };
    pi::is_driven_by_lines(&server, &on(node));
}

#[test]
fn several_at_once_have_their_own_scripts() {
    let Some((server, node)) = ready() else { return };
    each(&server, &on(node), |pi| {
        let started: Vec<_> = (0..4)
            .map(|number| {
                let command = format!("echo {number} > {number}.txt");
                let script = json!({ "turns": [
                    { "calls": [{ "name": "bash", "arguments": { "command": command } }] },
                    { "text": format!("Number {number}.") },
                ] });
                let mut command = pi.command(PI_PROVIDERS[number % PI_PROVIDERS.len()], &["-p", &prompt(&script)]);
                command.stdout(std::process::Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for (number, child) in started.into_iter().enumerate() {
            let done = child.wait_with_output().unwrap();
            assert!(done.status.success(), "{}", done.status);
            assert_eq!(String::from_utf8(done.stdout).unwrap().trim(), format!("Number {number}."));
            assert!(pi.work().join(format!("{number}.txt")).exists());
        }
    });
    assert_eq!(server.complaints(), Vec::<String>::new());
}
