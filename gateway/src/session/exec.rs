//! `warren session exec`: a command of a session, as if it ran here.
//!
//! ```text
//! POST exec, as events ──▶ output ──▶ our stdout, stderr          broken off: GET events?exec=N&after=the last seen
//!                     └──▶ exited ──▶ our status                  Ctrl-C: POST signal INT
//! our stdin (--stdin) ──▶ POST stdin, part by part
//! ```
//! The command belongs to its session: when this client ends, it goes on.

use super::client::{Client, ClientError};
use super::follow::Follow;
use super::pairs;
use super::server::Context;
use super::stream::{Events, Sent};
use crate::output;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::Args;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use ureq::SendBody;

/// How long a server may be gone before a command that it ran is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of standard input that are sent at a time.
const PART: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ExecArguments {
    /// The session's name or id.
    session: String,
    /// Sets an environment variable.
    #[arg(long = "env", value_name = "K=V")]
    environment: Vec<String>,
    /// Begins in this directory of the session.
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// Kills it after this long: 90s, 5m.
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Runs it at most once for this key, whatever happens; the same command with the same key prints what the first did.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Passes standard input on.
    #[arg(long, short = 'i')]
    stdin: bool,
    /// Prints the command's number and does not wait for it.
    #[arg(long, conflicts_with = "stdin")]
    detach: bool,
    /// One argument is a line for the shell, several are a command and its arguments.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) fn exec(context: &Context, arguments: &ExecArguments) -> Result<ExitCode, ClientError> {
    let client = &context.client;
    let path = Client::session(&arguments.session, "/exec");
    let body = request(arguments, context.json)?;
    let mut headers = Vec::new();
    if let Some(key) = &arguments.idempotency_key {
        headers.push(("idempotency-key", key.as_str()));
    }
    if arguments.detach || context.json {
        let mut answer = client.send(&path, &body, &headers)?;
        let text = answer.body_mut().with_config().limit(64 << 20).read_to_string();
        let text = text.map_err(|error| client.failed(error))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        context.show(&answer, || super::table::text(&answer["exec"]));
        let status = answer["status"].as_u64().and_then(|status| u8::try_from(status).ok());
        return Ok(ExitCode::from(if arguments.detach { 0 } else { status.unwrap_or(125) }));
    }
    headers.push(("accept", "text/event-stream"));
    let answer = client.send(&path, &body, &headers)?;
    let number = answer.headers().get("warren-exec").and_then(|number| number.to_str().ok()?.parse().ok());
    let number: u64 =
        number.ok_or_else(|| ClientError::Local("the server does not say which command it started".into()))?;
    let this = Client::session(&arguments.session, &format!("/execs/{number}"));
    on_interrupt(client, &this)?;
    if arguments.stdin {
        let client = client.clone();
        std::thread::spawn(move || feed(&client, &this));
    }
    print(events(client, &arguments.session, number).begun(Events::of(answer)))
}

/// Prints all that a running command wrote and writes; Ctrl-C goes to it.
pub(super) fn follow(client: &Client, session: &str, number: u64) -> Result<ExitCode, ClientError> {
    on_interrupt(client, &Client::session(session, &format!("/execs/{number}")))?;
    print(events(client, session, number))
}

fn events<'a>(client: &'a Client, session: &str, number: u64) -> Follow<'a> {
    Follow::new(client, Client::session(session, &format!("/events?exec={number}")), None, PATIENCE)
}

fn request(arguments: &ExecArguments, json: bool) -> Result<Value, ClientError> {
    let mut body = match arguments.command.as_slice() {
        [line] => json!({ "command": line }),
        words => json!({ "argv": words }),
    };
    body["env"] = pairs("--env", &arguments.environment)?;
    if let Some(cwd) = &arguments.cwd {
        body["cwd"] = json!(cwd);
    }
    if let Some(timeout) = &arguments.timeout {
        body["timeout"] = json!(timeout);
    }
    if arguments.detach {
        body["detach"] = json!(true);
    }
    if arguments.stdin && json {
        let mut input = Vec::new();
        std::io::stdin()
            .lock()
            .read_to_end(&mut input)
            .map_err(|error| ClientError::Local(format!("stdin: {error}")))?;
        body["stdin"] = json!({ "base64": BASE64.encode(input) });
    } else if arguments.stdin {
        body["stdin"] = json!("open");
    }
    Ok(body)
}

/// Prints a command's output until it ends.
fn print(mut follow: Follow<'_>) -> Result<ExitCode, ClientError> {
    loop {
        if let Some(status) = act(&follow.next()?)? {
            return Ok(status);
        }
    }
}

/// Does what an event says; the status when it is the end.
fn act(sent: &Sent) -> Result<Option<ExitCode>, ClientError> {
    let data = &sent.data;
    match sent.kind.as_str() {
        "output" => {
            let bytes = bytes(data);
            let stderr = data["stream"] == "stderr";
            let written = match stderr {
                true => std::io::stderr().write_all(&bytes),
                false => std::io::stdout().write_all(&bytes).and_then(|()| std::io::stdout().flush()),
            };
            // A reader that went away ends us, as it would end the command here.
            Ok(written.is_err().then_some(ExitCode::from(141)))
        }
        "resync" => {
            output::note("some of the output is no longer kept");
            Ok(None)
        }
        "error" => Err(ClientError::Local(super::table::text(&data["detail"]))),
        "exited" => Ok(Some(end(data))),
        _ => Ok(None),
    }
}

/// The status for how it ended.
pub(super) fn end(data: &Value) -> ExitCode {
    match data["end"].as_str() {
        Some("timed_out") => output::note("the command was killed: its time was up"),
        Some("interrupted") => {
            output::note(
                "the command was interrupted: its session lost its processes; what it did until then nobody can say",
            );
        }
        Some("not_started") => {
            output::note(format!("the command was not started: {}", super::table::text(&data["errno"])))
        }
        _ => {}
    }
    ExitCode::from(data["status"].as_u64().and_then(|status| u8::try_from(status).ok()).unwrap_or(125))
}

/// The bytes of an output event.
pub(crate) fn bytes(data: &Value) -> Vec<u8> {
    match (data["data"].as_str(), data["data_base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(text)) => BASE64.decode(text).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}

/// Ctrl-C is the command's; a second one, when the first changed nothing, is ours.
fn on_interrupt(client: &Client, exec: &str) -> Result<(), ClientError> {
    let unheard = |error: std::io::Error| ClientError::Local(format!("cannot wait for signals: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(unheard)?;
    // From here on it is caught, before the first output is seen.
    let mut interrupts = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt()).map_err(unheard)?
    };
    let (client, path) = (client.clone(), format!("{exec}/signal"));
    std::thread::spawn(move || {
        let mut sent = false;
        while runtime.block_on(interrupts.recv()).is_some() {
            if sent || client.post(&path, &json!({ "signal": "INT" })).is_err() {
                output::note("gone; the command may still run");
                std::process::exit(130);
            }
            sent = true;
        }
    });
    Ok(())
}

/// Sends standard input until its end, or the command's.
fn feed(client: &Client, exec: &str) {
    let path = format!("{exec}/stdin");
    let mut buffer = vec![0; PART];
    let mut input = std::io::stdin().lock();
    loop {
        let count = input.read(&mut buffer).unwrap_or(0);
        let (path, part) =
            if count == 0 { (format!("{path}?close=true"), &[][..]) } else { (path.clone(), &buffer[..count]) };
        let headers = [("content-type", "application/octet-stream")];
        let sent = client.open("POST", &path, &headers, SendBody::from_reader(&mut &*part));
        if count == 0 || sent.is_err() {
            return;
        }
    }
}
