//! `warren session files`: a session's files, in and out.

use super::client::{Client, ClientError, escape};
use super::table::Table;
use super::{Context, all, save};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use ureq::SendBody;

#[derive(Debug, Subcommand)]
pub(crate) enum FilesCommand {
    /// Lists a directory.
    Ls {
        /// The session's name or id.
        session: String,
        /// The directory.
        #[arg(default_value = "/")]
        path: String,
    },
    /// Shows the attributes of a file; a link's own.
    Stat {
        /// The session's name or id.
        session: String,
        /// What.
        path: String,
    },
    /// Writes a file's bytes to standard output.
    Cat {
        /// The session's name or id.
        session: String,
        /// The file.
        path: String,
    },
    /// Writes a file, whole or not at all.
    Put {
        /// The session's name or id.
        session: String,
        /// Where it is to be.
        path: String,
        /// What is to be in it; standard input without it.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Permission bits in octal.
        #[arg(long, value_name = "MODE")]
        mode: Option<String>,
        /// Makes directories on the way.
        #[arg(long)]
        parents: bool,
    },
    /// Makes a directory.
    Mkdir {
        /// The session's name or id.
        session: String,
        /// Where it is to be.
        path: String,
        /// Makes directories on the way; one that is there is fine.
        #[arg(long, short)]
        parents: bool,
    },
    /// Moves a file or directory; a file in its place is replaced.
    Mv {
        /// The session's name or id.
        session: String,
        /// What.
        from: String,
        /// Its new path.
        to: String,
    },
    /// Makes several changes as one: all of them, or none.
    Batch {
        /// The session's name or id.
        session: String,
        /// A JSON list of what to do, in order, as `POST .../files:batch` takes it; standard input without it.
        #[arg(value_name = "FILE")]
        operations: Option<PathBuf>,
    },
    /// Removes a file or directory.
    Rm {
        /// The session's name or id.
        session: String,
        /// What.
        path: String,
        /// And all that is in it.
        #[arg(long, short)]
        recursive: bool,
    },
}

/// Bytes of a batch that is read, at most; a server takes what it is set to.
const BATCH_BYTES_MAX: u64 = 256 << 20;
const FIELDS: &[&str] = &["mode", "kind", "size", "modified", "name", "target"];

fn shown(context: &Context, file: &Value) {
    context.show(file, || Table::of(&json!([file]), FIELDS).to_string());
}

/// What was made, for a program; to a person it is what they asked for.
fn made(context: &Context, file: &Value) {
    if context.json {
        shown(context, file);
    }
}

fn place(session: &str, path: &str) -> String {
    Client::session(session, &format!("/files/{}", escape(path.trim_start_matches('/'), true)))
}

pub(crate) fn files(context: &Context, command: &FilesCommand) -> Result<(), ClientError> {
    let client = &context.client;
    match command {
        FilesCommand::Ls { session, path } => {
            let entries = all(client, &place(session, path))?;
            let entries = json!(entries);
            context.show(&entries, || Table::of(&entries, FIELDS).to_string());
        }
        FilesCommand::Stat { session, path } => {
            shown(context, &client.get(&format!("{}?stat=true", place(session, path)))?)
        }
        FilesCommand::Cat { session, path } => {
            let answer = client.open("GET", &place(session, path), &[], SendBody::none())?;
            if answer.headers().get("warren-kind").is_none_or(|kind| kind != "file") {
                return Err(ClientError::Local(format!("{path}: is a directory")));
            }
            save(client, answer, None)?;
        }
        FilesCommand::Put { session, path, from, mode, parents } => {
            let mut query = vec![format!("parents={parents}")];
            query.extend(mode.as_ref().map(|mode| format!("mode={}", escape(mode, false))));
            let mut input: Box<dyn Read> = match from {
                Some(from) => {
                    let opened = std::fs::File::open(from);
                    Box::new(opened.map_err(|error| ClientError::Local(format!("{}: {error}", from.display())))?)
                }
                None => Box::new(std::io::stdin().lock()),
            };
            // A refusal comes before the bytes are sent.
            let headers = [("content-type", "application/octet-stream"), ("expect", "100-continue")];
            let path = format!("{}?{}", place(session, path), query.join("&"));
            let written = client.json(client.open("PUT", &path, &headers, SendBody::from_reader(&mut input))?)?;
            made(context, &written);
        }
        FilesCommand::Mkdir { session, path, parents } => {
            made(context, &client.post(&format!("{}?op=mkdir&parents={parents}", place(session, path)), &json!({}))?);
        }
        FilesCommand::Mv { session, from, to } => {
            let asked = format!("{}?op=rename&to={}", place(session, from), escape(to, false));
            made(context, &client.post(&asked, &json!({}))?);
        }
        FilesCommand::Batch { session, operations } => batch(context, session, operations.as_deref())?,
        FilesCommand::Rm { session, path, recursive } => {
            client.delete(&format!("{}?recursive={recursive}", place(session, path)))?;
        }
    }
    Ok(())
}

fn batch(context: &Context, session: &str, from: Option<&Path>) -> Result<(), ClientError> {
    let (name, input): (_, Box<dyn Read>) = match from {
        Some(from) => {
            let name = from.display().to_string();
            let opened = std::fs::File::open(from);
            let file = opened.map_err(|error| ClientError::Local(format!("{name}: {error}")))?;
            (name, Box::new(file))
        }
        None => ("standard input".to_owned(), Box::new(std::io::stdin().lock())),
    };
    let mut text = String::new();
    let read = input.take(BATCH_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| ClientError::Local(format!("{name}: {error}")))?;
    if text.len() as u64 > BATCH_BYTES_MAX {
        return Err(ClientError::Local(format!("{name}: more than {BATCH_BYTES_MAX} bytes; do it in several batches")));
    }
    let operations: Value =
        serde_json::from_str(&text).map_err(|error| ClientError::Local(format!("{name} is no JSON: {error}")))?;
    let body = json!({ "operations": operations });
    let done = context.client.post(&Client::session(session, "/files:batch"), &body)?;
    if context.json {
        context.show(&done["files"], String::new);
    }
    Ok(())
}
