//! Server-sent events, as the server writes them, read line by line.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use ureq::Body;
use ureq::http::Response;

/// Bytes of one line, at most: an output event of 64 KiB, escaped at its worst, with room to spare.
const LINE_MAX: u64 = 1 << 20;

/// Events of an answer.
pub(crate) struct Events {
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
        Events::read(Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn read(from: Box<dyn Read + Send + Sync>) -> Events {
        Events { lines: BufReader::new(from) }
    }

    /// The next event; `None` at the end of the answer.
    ///
    /// # Errors
    /// The connection broke, or a line is too long.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Sent>> {
        let mut sent = Sent::default();
        let mut data = String::new();
        loop {
            let mut line = String::new();
            let read = (&mut self.lines).take(LINE_MAX).read_line(&mut line)?;
            if read as u64 == LINE_MAX {
                return Err(std::io::Error::other("a line of the event stream is too long"));
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
                sent.data = serde_json::from_str(&data).map_err(std::io::Error::other)?;
                return Ok(Some(sent));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => sent.id = Some(value.to_owned()),
                "event" => value.clone_into(&mut sent.kind),
                "data" => data.push_str(value),
                // A comment, or a field of a newer kind.
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
