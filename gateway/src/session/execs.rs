//! `warren session execs`: commands that run or ended last, also those that somebody else started.

use super::client::{Client, ClientError};
use super::exec;
use super::server::Context;
use super::table::Table;
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use ureq::SendBody;

/// Bytes of output that are asked for at a time, at most; the server gives no more.
const OUTPUT_MAX: u64 = 1 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum ExecsCommand {
    /// Lists them.
    List {
        /// The session's name or id.
        session: String,
    },
    /// Shows one.
    Get {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
    },
    /// Prints all that one writes until it ends, and ends with its status; Ctrl-C goes to the command.
    Follow {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
    },
    /// Writes bytes of a stream of one to standard output, those that there are now.
    Output {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
        /// Which stream.
        #[arg(long, value_enum, default_value_t = Stream::Stdout)]
        stream: Stream,
        /// Bytes of the stream before the first that is wanted.
        #[arg(long, default_value_t = 0)]
        offset: u64,
        /// How many bytes; all without it.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Writes to the standard input of one that was started with it open.
    Stdin {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
        /// What is written; standard input without it.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Leaves it open for more.
        #[arg(long)]
        keep_open: bool,
    },
    /// Signals the process group of one.
    Signal {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
        /// Which signal, by name or number.
        #[arg(default_value = "TERM")]
        signal: String,
    },
    /// Sets the window of the terminal of one.
    Resize {
        /// The session's name or id.
        session: String,
        /// The command's number.
        exec: u64,
        /// How many lines.
        rows: u16,
        /// How many characters a line has.
        columns: u16,
    },
}

/// What a command writes to.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

const FIELDS: &[&str] =
    &["exec", "running", "end", "status", "pid", "started", "stdout_bytes", "stderr_bytes", "command"];

pub(crate) fn execs(context: &Context, command: &ExecsCommand) -> Result<ExitCode, ClientError> {
    let client = &context.client;
    let of = |session: &str, exec: u64, rest: &str| Client::session(session, &format!("/execs/{exec}{rest}"));
    match command {
        ExecsCommand::List { session } => context.items(&Client::session(session, "/execs"), FIELDS)?,
        ExecsCommand::Get { session, exec } => {
            let found = client.get(&of(session, *exec, ""))?;
            context.show(&found, || Table::of(&json!([found]), FIELDS).to_string());
        }
        ExecsCommand::Follow { session, exec } => return follow(context, session, *exec),
        ExecsCommand::Output { session, exec, stream, offset, limit } => {
            let stream = match stream {
                Stream::Stdout => "stdout",
                Stream::Stderr => "stderr",
            };
            output(client, &of(session, *exec, &format!("/output?stream={stream}")), *offset, *limit)?;
        }
        ExecsCommand::Stdin { session, exec, from, keep_open } => {
            let mut input: Box<dyn Read> = match from {
                Some(from) => {
                    let wrong = |error| ClientError::Local(format!("{}: {error}", from.display()));
                    Box::new(File::open(from).map_err(wrong)?)
                }
                None => Box::new(io::stdin().lock()),
            };
            let path = of(session, *exec, &format!("/stdin?close={}", !keep_open));
            let headers = [("content-type", "application/octet-stream"), ("expect", "100-continue")];
            client.open("POST", &path, &headers, SendBody::from_reader(&mut input))?;
        }
        ExecsCommand::Signal { session, exec, signal } => {
            client.post(&of(session, *exec, "/signal"), &json!({ "signal": signal }))?;
        }
        ExecsCommand::Resize { session, exec, rows, columns } => {
            client.post(&of(session, *exec, "/resize"), &json!({ "rows": rows, "columns": columns }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// All that a command wrote and writes. Of one that ended long ago the log may have no end any more; its record has.
fn follow(context: &Context, session: &str, exec: u64) -> Result<ExitCode, ClientError> {
    let found = context.client.get(&Client::session(session, &format!("/execs/{exec}")))?;
    if found["running"] == Value::Bool(true) {
        return exec::follow(&context.client, session, exec);
    }
    for stream in ["stdout", "stderr"] {
        let path = Client::session(session, &format!("/execs/{exec}/output?stream={stream}"));
        let to: &mut dyn Write = if stream == "stdout" { &mut io::stdout() } else { &mut io::stderr() };
        pour(&context.client, &path, 0, None, to)?;
    }
    Ok(exec::end(&found))
}

fn output(client: &Client, path: &str, offset: u64, limit: Option<u64>) -> Result<(), ClientError> {
    pour(client, path, offset, limit, &mut io::stdout().lock())
}

/// Writes the bytes of a stream that there are, part by part.
fn pour(
    client: &Client,
    path: &str,
    mut offset: u64,
    limit: Option<u64>,
    to: &mut dyn Write,
) -> Result<(), ClientError> {
    let mut left = limit.unwrap_or(u64::MAX);
    while left > 0 {
        let asked = format!("{path}&offset={offset}&limit={}", left.min(OUTPUT_MAX));
        let mut answer = client.open("GET", &asked, &[], SendBody::none())?;
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (at, end) = (header("warren-offset").and_then(|at| at.parse().ok()), header("warren-end"));
        // What is exactly as long as the limit counts as longer.
        let bytes = answer.body_mut().with_config().limit(OUTPUT_MAX + 1).read_to_vec();
        let bytes = bytes.map_err(|error| client.failed(error))?;
        if at.is_some_and(|at: u64| at > offset) {
            crate::output::note("some of the output is no longer kept");
        }
        let written = to.write_all(&bytes).and_then(|()| to.flush());
        written.map_err(|error| ClientError::Local(format!("standard output: {error}")))?;
        offset = at.unwrap_or(offset) + bytes.len() as u64;
        left -= (bytes.len() as u64).min(left);
        if bytes.is_empty() || end.as_deref() == Some("true") {
            return Ok(());
        }
    }
    Ok(())
}
