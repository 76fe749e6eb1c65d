//! How an answer goes out: in which pieces, how fast, and what is spoiled on the way.
//!
//! ```text
//! events ─▶ frames ──fault──▶ frames, or a break ──wire_bytes──▶ pieces ──between_ms──▶ the connection
//! ```
#[cfg(test)]
mod tests;

use crate::script::{Cut, DELAY_MS_MAX, Fault, FaultKind, Pace};
use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::Duration;

/// Events that one block of an answer comes in.
pub(crate) const DELTAS_MAX: usize = 10_000;
/// Characters in one event, unless said otherwise.
pub(crate) const DELTA_CHARS: usize = 16;

/// A server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    name: Option<&'static str>,
    /// Nothing is the end of a stream of chat completions.
    data: Option<Value>,
}

impl Event {
    pub(crate) fn named(name: &'static str, data: Value) -> Event {
        Event { name: Some(name), data: Some(data) }
    }

    pub(crate) fn unnamed(data: Value) -> Event {
        Event { name: None, data: Some(data) }
    }

    pub(crate) fn done() -> Event {
        Event { name: None, data: None }
    }

    /// Its lines, and the empty one that ends it.
    pub(crate) fn frame(&self, pace: Pace) -> Bytes {
        let data = self.data.as_ref().map_or_else(|| "[DONE]".to_owned(), |data| text(data, pace));
        self.lines(&data, pace)
    }

    /// With half of its data.
    fn broken(&self, pace: Pace) -> Bytes {
        let data = self.data.as_ref().map_or_else(|| "[DO".to_owned(), |data| text(data, pace));
        self.lines(&data[..data.floor_char_boundary(data.len() / 2)], pace)
    }

    fn lines(&self, data: &str, pace: Pace) -> Bytes {
        let end = if pace.crlf.unwrap_or(false) { "\r\n" } else { "\n" };
        let name = self.name.map(|name| format!("event: {name}{end}")).unwrap_or_default();
        Bytes::from(format!("{name}data: {data}{end}{end}"))
    }
}

/// JSON as text.
pub(crate) fn text(value: &Value, pace: Pace) -> String {
    let text = value.to_string();
    if pace.ascii.unwrap_or(false) { ascii(&text) } else { text }
}

/// JSON with every character that is not ASCII as one or two escapes of four digits.
pub(crate) fn ascii(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}

/// A text in pieces of so many characters, or of more where there would be too many pieces.
pub(crate) fn deltas(text: &str, chars: usize) -> impl Iterator<Item = &str> {
    let chars = chars.max(text.chars().count().div_ceil(DELTAS_MAX));
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(chars).map_or(rest.len(), |(at, _)| at);
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// How sending an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Not yet.
    #[default]
    Open,
    /// All of it was sent.
    Whole,
    /// It was cut, as the script says.
    Cut,
    /// The client left before.
    Left,
}

/// What is sent, and what then happens to the connection.
#[derive(Debug)]
pub(crate) struct Plan {
    frames: Vec<Bytes>,
    cut: Option<Cut>,
}

impl Plan {
    /// A stream of events, spoiled if there is a fault. `failure` makes the event of an error.
    pub(crate) fn stream(
        events: &[Event],
        pace: Pace,
        fault: Option<&Fault>,
        failure: impl Fn(u16, Option<&str>) -> Event,
    ) -> Plan {
        let mut frames: Vec<Bytes> = events.iter().map(|event| event.frame(pace)).collect();
        let mut cut = None;
        match fault.map(|fault| &fault.kind) {
            None => {}
            Some(FaultKind::Status { status, message, after, .. }) => {
                frames.truncate(after.unwrap_or(0));
                frames.push(failure(*status, message.as_deref()).frame(pace));
            }
            Some(FaultKind::Cut { how, after }) => {
                frames.truncate(*after);
                cut = Some(*how);
            }
            Some(FaultKind::Malformed { after }) => {
                let at = (*after).min(frames.len().saturating_sub(1));
                if let Some(frame) = frames.get_mut(at) {
                    *frame = events[at].broken(pace);
                }
            }
        }
        Plan { frames, cut }
    }

    /// An answer in one piece, in two halves if it is spoiled.
    pub(crate) fn whole(body: Bytes, fault: Option<&Fault>) -> Plan {
        let half = body.len() / 2;
        match fault.map(|fault| &fault.kind) {
            Some(FaultKind::Cut { how, after }) => {
                let frames = [body.slice(..half), body.slice(half..)].into_iter().take(*after).collect();
                Plan { frames, cut: Some(*how) }
            }
            Some(FaultKind::Malformed { .. }) => Plan { frames: vec![body.slice(..half)], cut: None },
            Some(FaultKind::Status { .. }) | None => Plan { frames: vec![body], cut: None },
        }
    }

    /// A body that sends it, and tells `ended` how that went.
    pub(crate) fn body(self, pace: Pace, ended: impl FnOnce(End) + Send + 'static) -> Body {
        let between = Duration::from_millis(pace.between_ms.unwrap_or(0));
        let pieces = VecDeque::from(pieces(self.frames, pace.wire_bytes));
        let state = Sending { pieces, cut: self.cut, between, first: true, ended: Ended(Some(Box::new(ended))) };
        Body::from_stream(stream::unfold(state, Sending::next))
    }
}

/// Frames cut anew, each piece of so many bytes but the last.
fn pieces(frames: Vec<Bytes>, wire_bytes: Option<usize>) -> Vec<Bytes> {
    let Some(wire_bytes) = wire_bytes else { return frames };
    let mut whole = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| whole.extend_from_slice(frame));
    let mut whole = whole.freeze();
    let mut pieces = Vec::with_capacity(whole.len().div_ceil(wire_bytes));
    while !whole.is_empty() {
        pieces.push(whole.split_to(wire_bytes.min(whole.len())));
    }
    pieces
}

/// An answer on its way.
#[derive(Debug)]
struct Sending {
    pieces: VecDeque<Bytes>,
    cut: Option<Cut>,
    between: Duration,
    first: bool,
    ended: Ended,
}

impl Sending {
    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Sending)> {
        if !self.between.is_zero() && !self.first && !self.pieces.is_empty() {
            tokio::time::sleep(self.between).await;
        }
        self.first = false;
        if let Some(piece) = self.pieces.pop_front() {
            if self.pieces.is_empty() && self.cut.is_none() {
                self.ended.tell(End::Whole);
            }
            return Some((Ok(piece), self));
        }
        match self.cut.take() {
            None => {
                self.ended.tell(End::Whole);
                None
            }
            Some(Cut::End) => {
                self.ended.tell(End::Cut);
                None
            }
            Some(Cut::Close) => {
                self.ended.tell(End::Cut);
                // What was sent goes out first: an error would take what is still in the buffer with it.
                tokio::time::sleep(SETTLE).await;
                Some((Err(std::io::Error::other("cut as the script says")), self))
            }
            Some(Cut::Hang) => {
                tokio::time::sleep(Duration::from_millis(DELAY_MS_MAX)).await;
                self.ended.tell(End::Cut);
                Some((Err(std::io::Error::other("cut as the script says")), self))
            }
        }
    }
}

/// How long the pieces before a cut have to get out.
const SETTLE: Duration = Duration::from_millis(20);

/// Told once; by itself, when the client leaves.
struct Ended(Option<Box<dyn FnOnce(End) + Send>>);

impl Ended {
    fn tell(&mut self, end: End) {
        if let Some(ended) = self.0.take() {
            ended(end);
        }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.tell(End::Left);
    }
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "open" } else { "told" })
    }
}
