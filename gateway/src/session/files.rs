//! `warren session files`: a session's files, in and out.

use super::client::{Client, ClientError, escape};
use super::table::{self, Table};
use super::{Context, all, save};
use clap::Subcommand;
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;
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

fn place(session: &str, path: &str) -> String {
    Client::session(session, &format!("/files/{}", escape(path.trim_start_matches('/'), true)))
}

pub(crate) fn files(context: &Context, command: &FilesCommand) -> Result<(), ClientError> {
    let client = &context.client;
    match command {
        FilesCommand::Ls { session, path } => {
            let entries = all(client, &place(session, path))?;
            context.show(&json!(entries), || {
                let mut table = Table::new(&["MODE", "KIND", "SIZE", "MODIFIED", "NAME"]);
                for entry in &entries {
                    table.row(["mode", "kind", "size", "modified", "name"].map(|field| table::text(&entry[field])));
                }
                table.to_string()
            });
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
            client.open("PUT", &path, &headers, SendBody::from_reader(&mut input))?;
        }
        FilesCommand::Rm { session, path, recursive } => {
            client.delete(&format!("{}?recursive={recursive}", place(session, path)))?;
        }
    }
    Ok(())
}
