//! `warren session watch`: what becomes of files, line by line, over as many connections as it takes.

use super::client::{Client, ClientError, escape};
use super::follow::Follow;
use super::server::Context;
use super::stream::Sent;
use super::table::text;
use crate::output;
use clap::Args;
use serde_json::Value;
use std::io::ErrorKind;
use std::time::Duration;

/// How long a server may be gone before watching is given up.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// The session's name or id.
    session: String,
    /// A file, or a directory with what lies in it.
    #[arg(default_value = "/")]
    path: String,
    /// All that lies beneath.
    #[arg(long, short)]
    recursive: bool,
    /// What came after this position; from now on without it.
    #[arg(long, value_name = "EPOCH.SEQ")]
    after: Option<String>,
}

/// Prints what becomes of files until the session is deleted, or nobody reads it any more.
pub(crate) fn watch(context: &Context, arguments: &WatchArguments) -> Result<(), ClientError> {
    let WatchArguments { session, path, recursive, after } = arguments;
    let query = format!("/files:watch?path={}&recursive={recursive}", escape(path, false));
    let mut follow = Follow::new(&context.client, Client::session(session, &query), after.clone(), PATIENCE);
    let mut begun = false;
    loop {
        let sent = match follow.next() {
            Ok(sent) => sent,
            Err(ClientError::Refused { status: 404 | 410, .. }) if begun => return Ok(()),
            Err(error) => return Err(error),
        };
        // Each connection begins with where it does; who watches began once.
        if sent.kind == "watching" && std::mem::replace(&mut begun, true) {
            continue;
        }
        for line in lines(context, &sent)? {
            match output::next_line(line) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(ClientError::Local(format!("standard output: {error}"))),
            }
        }
    }
}

/// What is printed of what was told: for a program all of it.
fn lines(context: &Context, sent: &Sent) -> Result<Vec<String>, ClientError> {
    Ok(match sent.kind.as_str() {
        "error" => return Err(ClientError::Local(text(&sent.data["detail"]))),
        _ if context.json => vec![sent.data.to_string()],
        "changes" => sent.data["changes"].as_array().into_iter().flatten().map(line).collect(),
        "resync" => vec!["resync      more changed than is told: look again".to_owned()],
        _ => Vec::new(),
    })
}

fn line(change: &Value) -> String {
    let from = change["from"].as_str().map(|_| format!("  from {}", text(&change["from"])));
    format!("{:<10}  {}{}", text(&change["change"]), text(&change["path"]), from.unwrap_or_default())
}
