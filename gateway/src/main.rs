//! The `warren` binary: the command line, and the only crate that knows every concrete type.
//!
//! `warren run` makes one session in this process and runs a command in it ([`run`]); `warren software` manages what
//! sessions can run ([`software`]). `warren serve` keeps sessions for clients that come and go ([`serve`]), who reach them
//! over HTTP ([`http`]); `warren session`, `warren attach` and `warren events` are such clients ([`session`]), `warren cp`
//! moves files ([`copy`]), `warren key` and `warren tenant` say who may be one ([`admin`]), `warren quotas`, `warren usage` and
//! `warren audit` what they may take, used and did ([`accounts`]). `warren config` shows what a server is told ([`config`]);
//! `warren doctor` says what is wrong with all of it ([`doctor`]).
#![forbid(unsafe_code)]

mod accounts;
mod admin;
mod config;
mod copy;
mod doctor;
mod http;
mod metrics;
mod output;
mod run;
mod serve;
mod session;
mod software;
mod terminal;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use std::process::ExitCode;

/// What a guest has no memory for ends that guest.
#[global_allocator]
static ALLOCATOR: warren_isolate::Allocator = warren_isolate::Allocator;

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
    /// Serves sessions over HTTP until it is told to stop.
    Serve(serve::ServeArguments),
    /// Uses the sessions of a server.
    Session(session::SessionArguments),
    /// Puts this terminal at a terminal of a session, which goes on without it.
    Attach(session::attach::AttachArguments),
    /// Prints what happened in a session, and follows what happens.
    Events(session::events::EventsCommand),
    /// Copies files into a session, out of one, or from one to another.
    Cp(copy::CopyArguments),
    /// Makes, rotates and revokes keys of a server.
    Key(admin::KeyArguments),
    /// Manages the tenants of a server.
    Tenant(admin::TenantArguments),
    /// Shows what a tenant may take and has taken.
    Quotas(accounts::QuotasArguments),
    /// Shows what a tenant used.
    Usage(accounts::UsageArguments),
    /// Shows or verifies who did what.
    Audit(accounts::AuditArguments),
    /// Shows and checks the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Manages the software sessions can run.
    Software(software::SoftwareArguments),
    /// Says what is wrong with this machine, its configuration and its server, how to mend it, and which limits hold.
    Doctor(doctor::DoctorArguments),
    /// Prints what a shell needs to complete commands and options of this one.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Session(arguments) => session::main(&arguments),
        Command::Attach(arguments) => session::attach::main(&arguments),
        Command::Events(command) => session::events::main(&command),
        Command::Cp(arguments) => copy::main(&arguments),
        Command::Key(arguments) => admin::keys(&arguments),
        Command::Tenant(arguments) => admin::tenants(&arguments),
        Command::Quotas(arguments) => accounts::quotas(&arguments),
        Command::Usage(arguments) => accounts::usage(&arguments),
        Command::Audit(arguments) => accounts::audit(&arguments),
        Command::Config(command) => config::main(&command).map(|()| ExitCode::SUCCESS),
        Command::Software(arguments) => software::main(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "warren", &mut script);
            output::bytes(&script);
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        output::error(&*error);
        // As a shell's: the command was not run.
        ExitCode::from(125)
    })
}

#[cfg(test)]
mod tests;
