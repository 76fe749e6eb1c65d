//! A session's log over as many connections as it takes.
//!
//! ```text
//! GET events?after=the last seen ──▶ events ──▶ broken off, silent, the server restarts: wait, again
//! ```
//! The server sends no event twice behind a position, and none is left out: what it no longer has, it tells as `resync`.

use super::client::{Client, ClientError, escape};
use super::stream::{Events, Sent};
use std::time::{Duration, Instant};
use ureq::SendBody;

/// Between attempts to reach the server.
const BREATH: Duration = Duration::from_millis(300);

/// Events of a log, from a position on.
pub(crate) struct Follow<'a> {
    client: &'a Client,
    /// Path and query, without the position.
    path: String,
    /// How long the server may be gone.
    patience: Duration,
    last: Option<String>,
    open: Option<Events>,
    /// Since when nothing came, after something had.
    gone: Option<Instant>,
}

impl<'a> Follow<'a> {
    /// Events at this path, which has a query, behind the position `after`.
    pub(crate) fn new(client: &'a Client, path: String, after: Option<String>, patience: Duration) -> Follow<'a> {
        Follow { client, path, patience, last: after, open: None, gone: None }
    }

    /// The same, of which the first part is being answered already.
    pub(crate) fn begun(self, events: Events) -> Follow<'a> {
        Follow { open: Some(events), ..self }
    }

    /// The next event.
    ///
    /// # Errors
    /// The server refuses, or has been gone for too long.
    pub(crate) fn next(&mut self) -> Result<Sent, ClientError> {
        loop {
            let events = match &mut self.open {
                Some(events) => events,
                None => self.open.insert(open(self.client, &self.path, self.last.as_deref(), self.left())?),
            };
            if let Ok(Some(sent)) = events.next() {
                self.gone = None;
                if sent.id.is_some() {
                    self.last.clone_from(&sent.id);
                }
                return Ok(sent);
            }
            // It was there meanwhile, although nothing happened.
            if events.alive() {
                self.gone = None;
            }
            // A stream that is followed has no end of its own.
            self.open = None;
            self.gone.get_or_insert_with(Instant::now);
            if self.left().is_zero() {
                return Err(ClientError::Local("the connection to the server breaks again and again".to_owned()));
            }
            std::thread::sleep(BREATH);
        }
    }

    /// How long the server may still be gone: nothing, unless it was there.
    fn left(&self) -> Duration {
        self.gone.map_or(Duration::ZERO, |since| self.patience.saturating_sub(since.elapsed()))
    }
}

/// The events behind a position, when the server is there again, within `patience`.
pub(crate) fn open(
    client: &Client,
    path: &str,
    after: Option<&str>,
    patience: Duration,
) -> Result<Events, ClientError> {
    let since = Instant::now();
    let after = after.map(|after| format!("&after={}", escape(after, false))).unwrap_or_default();
    loop {
        match client.open("GET", &format!("{path}{after}"), &[], SendBody::none()) {
            Ok(answer) => return Ok(Events::of(answer)),
            Err(error) if error.is_gone() && since.elapsed() < patience => std::thread::sleep(BREATH),
            Err(error) => return Err(error),
        }
    }
}
