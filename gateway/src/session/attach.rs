//! `warren attach`: a terminal of a session, as if it were this one.
//!
//! ```text
//! keys ──thread──▶ detach keys? ──▶ input ──▶ ┌─────────┐
//! SIGWINCH ──────────────────────▶ resize ──▶ │ socket  │ ◀──▶ the server's terminal
//! screen ◀──── screen, bytes by offset ◀───── └─────────┘      broken off: wait, again with `offset`
//! ```
//! The terminal belongs to its session: when this client ends, it goes on. Ours is raw meanwhile, and is what it was before
//! however this ends.

use super::client::{Client, ClientError, escape};
use super::server::{Context, ServerArguments};
use super::socket::{self, Connection, Said};
use crate::output;
use crate::terminal::{RawMode, TerminalError, window_size};
use clap::Args;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};

/// Bytes of keys read at once.
const KEYS: usize = 4096;
/// Reads of keys that wait to be sent, at most; then our terminal holds them.
const KEYS_WAITING: usize = 16;
/// How long a server may be gone.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Before the first attempt to come back; doubled with each, up to [`BREATH_MAX`].
const BREATH: Duration = Duration::from_millis(100);
/// See [`BREATH`].
const BREATH_MAX: Duration = Duration::from_secs(5);
/// What begins our screen: nothing of before, so that what the terminal shows stands where it stood.
const FRESH: &[u8] = b"\x1b[?1049l\x1b[r\x1b[m\x1b[H\x1b[2J";
/// What switches off whatever the terminal's programs may have switched on.
const PLAIN: &[u8] =
    b"\x18\x1b[?1049l\x1b[?6l\x1b[r\x1b[999;1H\x1b[?7h\x1b[?25h\x1b[?1l\x1b[?1000l\x1b[?1002l\x1b[?1003l\
    \x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b>\x1b(B\x1b[m\r\n";

#[derive(Debug, Args)]
pub(crate) struct AttachArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The session's name or id.
    session: String,
    /// The terminal; it is opened if it is not there.
    #[arg(default_value = "main")]
    terminal: String,
    /// Looks and does not type; nothing is opened or started.
    #[arg(long)]
    read_only: bool,
    /// Keys that leave the terminal running: letters, or ctrl- and a letter or one of @[\]^_.
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: Keys,
}

/// Keys that mean something to us, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys(Vec<u8>);

impl std::str::FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Keys, String> {
        let wrong = |key: &str| format!("`{key}` is no key: give letters, or ctrl- and a letter or one of @[\\]^_");
        let key = |key: &str| match (key.strip_prefix("ctrl-").map(str::as_bytes), key.as_bytes()) {
            (Some([letter]), _) => match letter.to_ascii_uppercase() {
                upper @ b'@'..=b'_' => Ok(upper - b'@'),
                _ => Err(wrong(key)),
            },
            (None, [plain @ 0x21..=0x7e]) => Ok(*plain),
            _ => Err(wrong(key)),
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Keys)
    }
}

/// Finds keys among what is typed.
#[derive(Debug)]
struct Watch {
    keys: Keys,
    /// So many of them were typed last, and are held back.
    held: usize,
}

impl Watch {
    /// What is to be sent of what was typed; `None` once all keys were typed in a row.
    fn take(&mut self, typed: &[u8]) -> Option<Vec<u8>> {
        let mut send = Vec::with_capacity(typed.len());
        for byte in typed {
            if self.keys.0[self.held] == *byte {
                self.held += 1;
                if self.held == self.keys.0.len() {
                    return None;
                }
                continue;
            }
            send.extend_from_slice(&self.keys.0[..self.held]);
            self.held = 0;
            if self.keys.0[0] == *byte && self.keys.0.len() > 1 {
                self.held = 1;
            } else {
                send.push(*byte);
            }
        }
        Some(send)
    }
}

/// How a connection, or all of it, ended.
#[derive(Debug)]
enum Ended {
    /// By the detach keys.
    Detached,
    /// The terminal's command has ended; the status a shell would give that.
    Over(u8, String),
    /// We were told to end.
    Told(u8),
    /// The way to the server broke.
    Lost,
}

pub(crate) fn main(arguments: &AttachArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    if !std::io::stdin().is_terminal() {
        return Err(Box::new(ClientError::Local(
            "standard input is no terminal; `warren session exec -i` pipes".into(),
        )));
    }
    if !arguments.read_only {
        open(&context, arguments)?;
    }
    let failed = |error: std::io::Error| ClientError::Local(format!("cannot start the executor: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let raw = RawMode::enter().map_err(|error| match error {
        TerminalError::NoTerminal => ClientError::Local("standard input is no terminal".into()),
        other => ClientError::Local(other.to_string()),
    })?;
    let attached = runtime.block_on(attach(&context.client, arguments));
    write(PLAIN);
    drop(raw);
    // A thread may still wait for a key.
    runtime.shutdown_background();
    match attached? {
        Ended::Detached => {
            output::note(format!("detached; `warren attach {} {}` comes back", arguments.session, arguments.terminal));
            Ok(ExitCode::SUCCESS)
        }
        Ended::Over(status, why) => {
            if !why.is_empty() {
                output::note(why);
            }
            Ok(ExitCode::from(status))
        }
        Ended::Told(status) => Ok(ExitCode::from(status)),
        Ended::Lost => Err(Box::new(ClientError::Local("the server did not come back".into()))),
    }
}

/// Opens the terminal, unless it is there.
fn open(context: &Context, arguments: &AttachArguments) -> Result<(), ClientError> {
    let size = window_size();
    let env = match std::env::var("TERM") {
        Ok(name) if !name.is_empty() => json!({ "TERM": name }),
        _ => json!({}),
    };
    let body = json!({ "name": arguments.terminal, "rows": size.rows, "columns": size.columns, "env": env });
    match context.client.post(&Client::session(&arguments.session, "/terminals"), &body) {
        Err(ClientError::Refused { code, .. }) if code == "terminal_exists" => Ok(()),
        opened => opened.map(drop),
    }
}

/// Attaches, and comes back as often as the connection breaks.
async fn attach(client: &Client, arguments: &AttachArguments) -> Result<Ended, ClientError> {
    let mut this = Attached {
        keys: keys(),
        watch: Watch { keys: arguments.detach_keys.clone(), held: 0 },
        read_only: arguments.read_only,
        offset: None,
        signals: Signals::new().map_err(|error| ClientError::Local(format!("cannot wait for signals: {error}")))?,
    };
    let terminal = format!("/terminals/{}/attach", escape(&arguments.terminal, false));
    let mode = if arguments.read_only { "view" } else { "write" };
    let (mut breath, mut lost): (Duration, Option<Instant>) = (BREATH, None);
    loop {
        let offset = this.offset.map(|offset| format!("&offset={offset}")).unwrap_or_default();
        let path = Client::session(&arguments.session, &format!("{terminal}?mode={mode}{offset}"));
        match socket::connect(client, &path).await {
            Ok(mut connection) => {
                let ended = this.serve(&mut connection).await?;
                if !matches!(ended, Ended::Lost) {
                    return Ok(ended);
                }
                if this.offset.is_some() {
                    (breath, lost) = (BREATH, None);
                }
            }
            // Only a terminal that was seen is worth waiting for.
            Err(error) if error.is_gone() && this.offset.is_some() => {}
            Err(error) => return Err(error),
        }
        let since = *lost.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE {
            return Ok(Ended::Lost);
        }
        if let Some(ended) = this.rest(breath).await {
            return Ok(ended);
        }
        breath = (breath * 2).min(BREATH_MAX);
    }
}

struct Signals {
    resized: tokio::signal::unix::Signal,
    terminated: tokio::signal::unix::Signal,
    hung_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            resized: signal(SignalKind::window_change())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }
}

struct Attached {
    keys: Receiver<Vec<u8>>,
    watch: Watch,
    read_only: bool,
    /// Bytes of the stream that were shown.
    offset: Option<u64>,
    signals: Signals,
}

impl Attached {
    /// Passes keys, screen and window size on until the connection ends.
    async fn serve(&mut self, connection: &mut Connection) -> Result<Ended, ClientError> {
        if !self.read_only && connection.say(&resize()).await.is_err() {
            return Ok(Ended::Lost);
        }
        loop {
            tokio::select! {
                said = connection.next() => match said {
                    Some(said) => {
                        if let Some(ended) = self.show(said)? {
                            return Ok(ended);
                        }
                    }
                    None => return Ok(Ended::Lost),
                },
                typed = self.keys.recv() => match typed.as_deref().map(|typed| self.watch.take(typed)) {
                    // Our terminal is gone.
                    None => return Ok(Ended::Told(129)),
                    Some(None) => return Ok(Ended::Detached),
                    Some(Some(keys)) if self.read_only || keys.is_empty() => {}
                    Some(Some(keys)) => if connection.input(&keys).await.is_err() {
                        return Ok(Ended::Lost);
                    },
                },
                _ = self.signals.resized.recv() => {
                    if !self.read_only && connection.say(&resize()).await.is_err() {
                        return Ok(Ended::Lost);
                    }
                }
                _ = self.signals.terminated.recv() => return Ok(Ended::Told(143)),
                _ = self.signals.hung_up.recv() => return Ok(Ended::Told(129)),
            }
        }
    }

    fn show(&mut self, said: Said) -> Result<Option<Ended>, ClientError> {
        let message = match said {
            Said::Bytes { stream: 3, offset, bytes } => {
                if offset == 0 {
                    write(FRESH);
                }
                write(&bytes);
                return Ok(None);
            }
            Said::Bytes { offset, bytes, .. } => {
                write(&bytes);
                self.offset = Some(offset + bytes.len() as u64);
                return Ok(None);
            }
            Said::Message(message) => message,
        };
        let text = |field: &str| super::table::text(&message[field]);
        match message["type"].as_str() {
            Some("screen") => {
                self.offset = message["offset"].as_u64();
                if message["bytes"] == 0 {
                    write(FRESH);
                }
            }
            Some("exit") => return Ok(Some(over(&message))),
            Some("closed") => return Ok(Some(Ended::Over(129, "the terminal was closed".into()))),
            Some("error") => {
                let hint = message["hint"].as_str().map(super::table::printable);
                let (status, detail, code) =
                    (message["status"].as_u64().unwrap_or(500) as u16, text("detail"), text("code"));
                return Err(ClientError::Refused { status, code, detail, hint });
            }
            // Attached, a size that another's window has, a gap before a screen; or of a newer kind.
            _ => {}
        }
        Ok(None)
    }

    /// Waits before the next attempt; the detach keys and signals still count.
    async fn rest(&mut self, breath: Duration) -> Option<Ended> {
        let until = tokio::time::sleep(breath);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return None,
                typed = self.keys.recv() => match typed {
                    None => return Some(Ended::Told(129)),
                    // What is typed into nothing is nothing.
                    Some(typed) => if self.watch.take(&typed).is_none() {
                        return Some(Ended::Detached);
                    },
                },
                _ = self.signals.terminated.recv() => return Some(Ended::Told(143)),
                _ = self.signals.hung_up.recv() => return Some(Ended::Told(129)),
            }
        }
    }
}

fn over(exit: &Value) -> Ended {
    let why = match exit["end"].as_str() {
        Some("not_started") => {
            format!("the terminal's command was not started: {}", super::table::text(&exit["errno"]))
        }
        Some("interrupted") => "the session was put to rest, and the shell with it; attach again to wake it".to_owned(),
        _ => String::new(),
    };
    Ended::Over(exit["status"].as_u64().and_then(|status| u8::try_from(status).ok()).unwrap_or(125), why)
}

fn resize() -> Value {
    let size = window_size();
    // The server's bounds: a window beyond them shows a terminal of the largest size there is.
    json!({ "type": "resize", "rows": size.rows.min(200), "columns": size.columns.min(400) })
}

/// What is typed here, as it comes.
fn keys() -> Receiver<Vec<u8>> {
    let (sender, keys) = channel(KEYS_WAITING);
    std::thread::spawn(move || {
        let mut buffer = [0; KEYS];
        let mut input = std::io::stdin().lock();
        while let Ok(count @ 1..) = input.read(&mut buffer) {
            if sender.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    keys
}

/// Shows bytes. A screen that went away is noticed by its keys.
fn write(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
