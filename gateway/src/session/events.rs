//! `warren session events` and `warren events`: what happened in a session, line by line, each with the position to go on
//! from.

use super::client::{Client, ClientError};
use super::exec::bytes;
use super::follow::{self, Follow};
use super::server::{Context, ServerArguments};
use super::stream::Sent;
use super::table::{printable, text};
use crate::output;
use clap::Args;
use serde_json::Value;
use std::io::ErrorKind;
use std::process::ExitCode;
use std::time::Duration;

/// How long a server may be gone before following it is given up.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(crate) struct EventsCommand {
    #[command(flatten)]
    server: ServerArguments,
    #[command(flatten)]
    events: EventsArguments,
}

#[derive(Debug, Args)]
pub(crate) struct EventsArguments {
    /// The session's name or id.
    session: String,
    /// Only what came after this position.
    #[arg(long, value_name = "EPOCH.SEQ")]
    after: Option<String>,
    /// Goes on with what comes, until the session is deleted.
    #[arg(long, short)]
    follow: bool,
    /// Only events of these types, and what was lost (`resync`): exited, output, files_changed and so on.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    types: Vec<String>,
}

pub(crate) fn main(command: &EventsCommand) -> Result<ExitCode, Box<dyn std::error::Error>> {
    events(&command.server.context()?, &command.events)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn events(context: &Context, arguments: &EventsArguments) -> Result<(), ClientError> {
    let path = Client::session(&arguments.session, &format!("/events?follow={}", arguments.follow));
    if arguments.follow {
        let mut follow = Follow::new(&context.client, path, arguments.after.clone(), PATIENCE);
        loop {
            let sent = follow.next()?;
            let read = print(context, arguments, &sent)?;
            if !read || sent.kind == "lifecycle" && sent.data["state"] == "deleted" {
                return Ok(());
            }
        }
    }
    let mut events = follow::open(&context.client, &path, arguments.after.as_deref(), Duration::ZERO)?;
    let mut last = arguments.after.clone();
    while let Some(sent) = events.next().map_err(|error| context.client.failed(ureq::Error::Io(error)))? {
        if sent.kind == "end" || !print(context, arguments, &sent)? {
            return Ok(());
        }
        last = sent.id.or(last);
    }
    let on = last.map_or_else(String::new, |last| format!("; go on with --after {last}"));
    Err(ClientError::Local(format!("the server ended the log before its end{on}")))
}

/// Prints an event, if it is wanted; whether there is still somebody who reads.
fn print(context: &Context, arguments: &EventsArguments, sent: &Sent) -> Result<bool, ClientError> {
    if sent.kind == "error" {
        return Err(ClientError::Local(text(&sent.data["detail"])));
    }
    // What is no event of the log says that some are missing, whatever is asked for.
    let wanted = sent.id.is_none() || arguments.types.is_empty() || arguments.types.contains(&sent.kind);
    if !wanted {
        return Ok(true);
    }
    let line = match context.json {
        true => sent.data.to_string(),
        false => {
            let (position, time) = (printable(sent.id.as_deref().unwrap_or("-")), text(&sent.data["time"]));
            format!("{position:<8}  {time}  {}", what(&sent.kind, &sent.data)).trim_end().to_owned()
        }
    };
    match output::next_line(line) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(ClientError::Local(format!("standard output: {error}"))),
    }
}

/// An event in words: its type, then what it says.
fn what(kind: &str, data: &Value) -> String {
    let field = |name: &str| text(&data[name]);
    let words = |name: &str| {
        let words = data[name].as_array().into_iter().flatten();
        words.map(text).collect::<Vec<_>>().join(" ")
    };
    let says = match kind {
        "epoch_began" => format!("previous {}", field("previous")),
        "started" => format!("{} {}", field("exec"), words("command")),
        "output" => {
            let bytes = bytes(data);
            let shown = printable(String::from_utf8_lossy(&bytes).trim_end_matches('\n'));
            format!("{} {} {} {shown}", field("exec"), field("stream"), field("offset"))
        }
        "exited" => format!("{} {} {}", field("exec"), field("end"), field("status")),
        "files_changed" => words("paths"),
        "lifecycle" => field("state"),
        "updated" => words("fields"),
        "checkpointed" | "rolled_back" => field("checkpoint"),
        "forked" => field("child"),
        "audit" => format!("{} {}", field("verb"), field("subject")),
        "kernel" => field("what"),
        "terminal" if data["closed"] == true => format!("{} closed", field("terminal")),
        "terminal" => format!("{} {}x{} {}", field("terminal"), field("rows"), field("columns"), field("cwd")),
        "resync" => format!("events {} to {} are no longer kept, or are replaced", field("from"), field("to")),
        _ => String::new(),
    };
    format!("{:<14}  {says}", printable(kind))
}
