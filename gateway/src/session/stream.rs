//! Server-sent events, as the server writes them.
//!
//! ```text
//! answer ──thread──▶ lines ──▶ events, comments ──bounded queue──▶ next(), which waits so long and no longer
//! ```
//! A server says something every 15 seconds, if only a comment. A connection whose other end is gone without a word is
//! noticed by its silence.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;
use ureq::Body;
use ureq::http::Response;

/// Bytes of one line, at most: an output event of 64 KiB, escaped at its worst, with room to spare.
const LINE_MAX: u64 = 1 << 20;
/// A connection is broken when nothing was heard for so long, not even a comment.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Events that were read and not yet taken, at most; the server waits meanwhile.
const AHEAD: usize = 16;

/// Events of an answer.
pub(crate) struct Events {
    heard: Receiver<io::Result<Heard>>,
    silence_max: Duration,
    /// Whether anything was heard, if only a comment.
    alive: bool,
}

/// What a server says.
enum Heard {
    /// That it is there.
    Comment,
    /// An event.
    Event(Sent),
}

/// The answer itself, read on a thread of its own.
struct Lines {
    lines: BufReader<Box<dyn Read + Send + Sync>>,
}

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sent {
    /// Its position in the log; absent for what is no event of the log.
    pub(crate) id: Option<String>,
    /// What it is.
    pub(crate) kind: String,
    /// What it says.
    pub(crate) data: Value,
}

impl Events {
    /// The events of an answer.
    pub(crate) fn of(response: Response<Body>) -> Events {
        Events::read(Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()), SILENCE_MAX)
    }

    fn read(from: Box<dyn Read + Send + Sync>, silence_max: Duration) -> Events {
        let (say, heard) = sync_channel(AHEAD);
        let mut lines = Lines { lines: BufReader::new(from) };
        // It ends with the connection, or when nobody listens any more.
        std::thread::spawn(move || {
            while let Some(next) = lines.next().transpose() {
                let over = next.is_err();
                if say.send(next).is_err() || over {
                    return;
                }
            }
        });
        Events { heard, silence_max, alive: false }
    }

    /// Whether anything was heard on this connection, if only that the server is there.
    pub(crate) fn alive(&self) -> bool {
        self.alive
    }

    /// The next event; `None` at the end of the answer.
    ///
    /// # Errors
    /// The connection broke or fell silent, or a line is too long.
    pub(crate) fn next(&mut self) -> io::Result<Option<Sent>> {
        loop {
            let heard = self.heard.recv_timeout(self.silence_max);
            self.alive |= matches!(heard, Ok(Ok(_)));
            match heard {
                Ok(Ok(Heard::Event(sent))) => return Ok(Some(sent)),
                Ok(Ok(Heard::Comment)) => {}
                Ok(Err(error)) => return Err(error),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(io::Error::new(ErrorKind::TimedOut, "the server has fallen silent"));
                }
            }
        }
    }
}

impl Lines {
    fn next(&mut self) -> io::Result<Option<Heard>> {
        let mut sent = Sent::default();
        let mut data = String::new();
        loop {
            let mut line = String::new();
            let read = (&mut self.lines).take(LINE_MAX).read_line(&mut line)?;
            if read as u64 == LINE_MAX {
                return Err(io::Error::other("a line of the event stream is too long"));
            }
            if !line.ends_with('\n') {
                // What is cut off in the middle was not sent.
                return Ok(None);
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if data.is_empty() {
                    continue;
                }
                sent.data = serde_json::from_str(&data).map_err(io::Error::other)?;
                return Ok(Some(Heard::Event(sent)));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                // Between events it is how the server says that it is there.
                "" if data.is_empty() => return Ok(Some(Heard::Comment)),
                "id" => sent.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut sent.kind),
                "data" if data.len() as u64 + value.len() as u64 > LINE_MAX => {
                    return Err(io::Error::other("an event of the stream is too long"));
                }
                "data" => data.push_str(value),
                // A field of a newer kind.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
