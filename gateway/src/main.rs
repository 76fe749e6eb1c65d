//! The `warren` binary: the command line, and the only crate that knows every concrete type.
//!
//! `warren run` makes one session in this process and runs a command in it ([`run`]); `warren software` manages what
//! sessions can run ([`software`]).
#![forbid(unsafe_code)]

mod output;
mod run;
mod software;
mod terminal;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(name = "warren", version, about = "Runs AI-agent sessions: each a virtual POSIX system of its own")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one command in a session of its own and ends with its status.
    Run(run::RunArguments),
    /// Manages the software sessions can run.
    #[command(subcommand)]
    Software(software::SoftwareCommand),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Software(command) => software::main(&command).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        output::error(&*error);
        // As a shell's: the command was not run.
        ExitCode::from(125)
    })
}
