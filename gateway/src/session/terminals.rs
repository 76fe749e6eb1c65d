//! `warren session terminals`: terminals of a session, without sitting down at one.

use super::client::{Client, ClientError, escape};
use super::pairs;
use super::server::Context;
use super::table::{Table, text};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(crate) enum TerminalsCommand {
    /// Lists them.
    List {
        /// The session's name or id.
        session: String,
    },
    /// Opens one.
    Open {
        /// The session's name or id.
        session: String,
        /// What to call it; else it gets a name.
        name: Option<String>,
        /// How many lines it has.
        #[arg(long, default_value_t = 24)]
        rows: u16,
        /// How many characters a line has.
        #[arg(long, default_value_t = 80)]
        columns: u16,
        /// Begins in this directory of the session.
        #[arg(long, value_name = "DIR")]
        cwd: Option<String>,
        /// Sets an environment variable.
        #[arg(long = "env", value_name = "K=V")]
        environment: Vec<String>,
        /// What runs on it instead of a shell: one argument is a line for the shell, several are a command and its arguments.
        #[arg(last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Prints what one shows.
    Get {
        /// The session's name or id.
        session: String,
        /// The terminal.
        name: String,
    },
    /// Hangs one up.
    Close {
        /// The session's name or id.
        session: String,
        /// The terminal.
        name: String,
    },
}

const FIELDS: &[&str] = &["terminal", "running", "exec", "rows", "columns", "viewers", "cwd", "created"];

pub(crate) fn terminals(context: &Context, command: &TerminalsCommand) -> Result<(), ClientError> {
    let client = &context.client;
    let of = |session: &str, name: &str| Client::session(session, &format!("/terminals/{}", escape(name, false)));
    match command {
        TerminalsCommand::List { session } => context.items(&Client::session(session, "/terminals"), FIELDS)?,
        TerminalsCommand::Open { session, name, rows, columns, cwd, environment, command } => {
            let mut body = json!({ "rows": rows, "columns": columns, "env": pairs("--env", environment)? });
            match command.as_slice() {
                [] => {}
                [line] => body["command"] = json!(line),
                words => body["argv"] = json!(words),
            }
            for (field, value) in [("name", name), ("cwd", cwd)] {
                if let Some(value) = value {
                    body[field] = json!(value);
                }
            }
            let opened = client.post(&Client::session(session, "/terminals"), &body)?;
            context.show(&opened, || Table::of(&json!([opened]), FIELDS).to_string());
        }
        TerminalsCommand::Get { session, name } => {
            let shown = client.get(&of(session, name))?;
            context.show(&shown, || screen(&shown));
        }
        TerminalsCommand::Close { session, name } => client.delete(&of(session, name))?,
    }
    Ok(())
}

/// The lines of a screen, down to the last that has something.
fn screen(shown: &Value) -> String {
    let lines: Vec<String> = shown["screen"].as_array().into_iter().flatten().map(text).collect();
    lines.join("\n").trim_end().to_owned()
}
