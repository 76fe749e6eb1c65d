//! What was asked and what was answered, for tests to read.

use crate::protocol::Protocol;
use crate::wire::End;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

/// Bytes of bodies that are kept; the oldest requests go first.
pub const LOG_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Headers that may hold a secret: that they were there is kept, not what they were.
const SECRET: &[&str] = &["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// One request, and what became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Entry {
    /// From 1, in the order in which answers were begun.
    pub number: u64,
    pub method: String,
    /// As the client sent it, with its query.
    pub path: String,
    /// `None` if it is for no model.
    pub protocol: Option<Protocol>,
    pub headers: BTreeMap<String, String>,
    /// As it came; in JSON, the value, or `null` if it is none.
    #[serde(serialize_with = "as_json")]
    pub body: Bytes,
    pub stream: bool,
    /// Assistant turns that were there, by the script's scope.
    pub turn: Option<usize>,
    /// Which turn of the script answered.
    pub answered_by: Option<usize>,
    /// Attempts at the same turn before this.
    pub attempt: u32,
    pub status: u16,
    /// The fault that came instead, as `status 429`.
    pub fault: Option<String>,
    /// Why the server refused.
    pub error: Option<String>,
    /// What the script expected and the request did not have.
    pub unmet: Vec<String>,
    pub end: End,
}

impl Entry {
    /// The body as JSON; `null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// The last requests.
#[derive(Debug)]
pub(crate) struct Log {
    kept: Mutex<Kept>,
    entries_max: usize,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The number of the last one.
    last: u64,
    /// How many are no longer there.
    dropped: u64,
}

/// What `GET /_log` answers.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    entries: Vec<Entry>,
    dropped: u64,
}

impl Log {
    pub(crate) fn new(entries_max: usize) -> Log {
        Log { kept: Mutex::default(), entries_max: entries_max.max(1) }
    }

    /// Takes a request, and answers its number.
    pub(crate) fn add(&self, mut entry: Entry) -> u64 {
        let mut kept = self.lock();
        kept.last += 1;
        entry.number = kept.last;
        kept.bytes += entry.body.len();
        kept.entries.push_back(entry);
        while kept.entries.len() > self.entries_max || (kept.bytes > LOG_BYTES_MAX && kept.entries.len() > 1) {
            let oldest = kept.entries.pop_front().expect("there is more than one");
            kept.bytes -= oldest.body.len();
            kept.dropped += 1;
        }
        kept.last
    }

    pub(crate) fn end(&self, number: u64, end: End) {
        let mut kept = self.lock();
        if let Some(entry) = kept.entries.iter_mut().rev().find(|entry| entry.number == number) {
            entry.end = end;
        }
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().entries.iter().cloned().collect()
    }

    /// Those after a number.
    pub(crate) fn view(&self, after: u64) -> View {
        let kept = self.lock();
        let entries = kept.entries.iter().filter(|entry| entry.number > after).cloned().collect();
        View { entries, dropped: kept.dropped }
    }

    pub(crate) fn clear(&self) {
        let mut kept = self.lock();
        kept.entries.clear();
        kept.bytes = 0;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no holder of the log panics")
    }
}

/// Headers as the log keeps them.
pub(crate) fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let pairs = headers.iter().map(|(name, value)| {
        let value = match SECRET.contains(&name.as_str()) {
            true => "(secret)".to_owned(),
            false => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        (name.as_str().to_owned(), value)
    });
    pairs.collect()
}

fn as_json<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_slice::<Value>(body).unwrap_or(Value::Null).serialize(serializer)
}
