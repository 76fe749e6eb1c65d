//! Pi, unchanged from npm, does in a session what the script says: its own process, files and shell are the session's, and
//! the model is reached by a rule of its egress.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::network::{OUTSIDE, inside};
use common::warren;
use serde_json::json;
use std::path::{Path, PathBuf};
use warren_driven_agents::pi::{self, Pi, Start, each, prompt};
use warren_pinned_npm::told;
use warren_scripted_llm::agents::PI_PROVIDERS;
use warren_scripted_llm::{Options, Server};

/// A server outside the sessions, for prompts that bring their scripts; none where a session has no software, or nothing
/// outside. The test of this name runs where it is outside.
fn server(test: &str) -> Option<Server> {
    if !common::software() || !inside(test) {
        return None;
    }
    let listen = format!("{OUTSIDE}:0").parse().unwrap();
    Some(Server::start(Options { listen, ..Options::default() }).unwrap())
}

/// Where the server is, as a rule of egress has it.
fn place(server: &Server) -> String {
    server.url().trim_start_matches("http://").to_owned()
}

/// Starts it in a session that may reach one place, with a home and a working folder of this machine.
fn reaching(place: String) -> impl Fn(&Pi<'_>) -> Start {
    move |pi| {
        let (packages, work) = (format!("/opt/{}", pi.name()), PathBuf::from("/work"));
        let mut command = warren();
        command.args(["run", "--allow-net", &place, "--env", "HOME=/home/agent", "--env", "PI_OFFLINE=1"]);
        command.arg("--mount").arg(format!("{}:{packages}", pi.packages().display()));
        command.arg("--mount").arg(format!("{}:/home/agent:rw", pi.home().display()));
        command.arg("--mount").arg(format!("{}:{}:rw", pi.work().display(), work.display()));
        command.arg("--cwd").arg(&work).args(["--", "node"]).arg(Path::new(&packages).join(pi.program()));
        Start { command, work }
    }
}

#[test]
fn it_runs_a_tool_and_says_what_that_gave() {
    let Some(server) = server("it_runs_a_tool_and_says_what_that_gave") else { return };
    pi::runs_a_tool_and_says_what_it_gave(&server, &reaching(place(&server)));
}

#[test]
fn each_of_its_tools_does_as_it_is_told() {
    let Some(server) = server("each_of_its_tools_does_as_it_is_told") else { return };
    pi::does_as_its_tools_are_told(&server, &reaching(place(&server)));
}

#[test]
fn it_tries_again_after_errors() {
    let Some(server) = server("it_tries_again_after_errors") else { return };
    pi::tries_again_after_errors(&server, &reaching(place(&server)));
}

#[test]
fn an_error_that_is_final_is_its_error() {
    let Some(server) = server("an_error_that_is_final_is_its_error") else { return };
    pi::ends_with_a_final_error(&server, &reaching(place(&server)));
}

#[test]
fn it_is_driven_by_lines() {
    let Some(server) = server("it_is_driven_by_lines") else { return };
    pi::is_driven_by_lines(&server, &reaching(place(&server)));
}

#[test]
fn a_model_that_no_rule_names_is_not_reached() {
    let Some(server) = server("a_model_that_no_rule_names_is_not_reached") else { return };
    each(&server, &reaching(format!("{OUTSIDE}:1")), |pi| {
        let script = json!({ "turns": [{ "text": "No." }] });
        let done = pi.command(PI_PROVIDERS[0], &["-p", &prompt(&script)]).output().unwrap();
        let refused = format!("egress: {} refused", place(&server));
        assert!(!done.status.success() && told(&done).contains(&refused), "{}", told(&done));
    });
    assert!(server.requests().is_empty(), "nobody came");
}
