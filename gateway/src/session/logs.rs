//! `warren session logs`: what happened in a session, line by line, each with the position to go on from.

use super::client::{Client, ClientError};
use super::exec::bytes;
use super::server::Context;
use super::stream::{Events, Sent};
use super::table::{printable, text};
use clap::Args;
use serde_json::Value;
use std::time::{Duration, Instant};
use ureq::SendBody;

/// How long a server may be gone before following it is given up.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between attempts to reach it.
const BREATH: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The session's name or id.
    session: String,
    /// Only what came after this position.
    #[arg(long, value_name = "EPOCH.SEQ")]
    after: Option<String>,
    /// Goes on with what comes, until the session is deleted.
    #[arg(long, short)]
    follow: bool,
}

pub(crate) fn logs(context: &Context, arguments: &LogsArguments) -> Result<(), ClientError> {
    let mut last = arguments.after.clone();
    let mut gone: Option<Instant> = None;
    loop {
        let mut query = format!("/events?follow={}", arguments.follow);
        if let Some(last) = &last {
            query.push_str(&format!("&after={}", super::client::escape(last, false)));
        }
        let opened = context.client.open("GET", &Client::session(&arguments.session, &query), &[], SendBody::none());
        let mut events = match opened {
            Ok(answer) => Events::of(answer),
            // Only a log that was being read is worth waiting for.
            Err(error) if error.is_gone() && gone.is_some_and(|since| since.elapsed() < PATIENCE) => {
                std::thread::sleep(BREATH);
                continue;
            }
            Err(error) => return Err(error),
        };
        let ended = loop {
            match events.next() {
                Ok(Some(sent)) if sent.kind == "end" => return Ok(()),
                Ok(Some(sent)) => {
                    gone = None;
                    print(context, &sent)?;
                    last = sent.id.clone().or(last);
                    if sent.data["state"] == "deleted" {
                        return Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        match (arguments.follow, ended) {
            (true, _) => {
                gone.get_or_insert_with(Instant::now);
                std::thread::sleep(BREATH);
            }
            (false, Ok(())) => return Err(ClientError::Local("the server ended the log before its end".to_owned())),
            (false, Err(error)) => return Err(context.client.failed(ureq::Error::Io(error))),
        }
    }
}

fn print(context: &Context, sent: &Sent) -> Result<(), ClientError> {
    if sent.kind == "error" {
        return Err(ClientError::Local(text(&sent.data["detail"])));
    }
    let position = sent.id.as_deref().unwrap_or("-");
    context.show(&sent.data, || {
        let time = sent.data["time"].as_str().unwrap_or("-");
        format!("{position:<8}  {time}  {}", what(&sent.kind, &sent.data)).trim_end().to_owned()
    });
    Ok(())
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
        "checkpointed" | "rolled_back" => field("checkpoint"),
        "forked" => field("child"),
        "audit" => format!("{} {}", field("verb"), field("subject")),
        "kernel" => field("what"),
        "resync" => format!("events {} to {} are no longer kept, or are replaced", field("from"), field("to")),
        _ => String::new(),
    };
    format!("{kind:<14}  {says}")
}
