//! WebSockets: how one is asked for, what it may send, and how it ends.
//!
//! ```text
//! GET + Upgrade ─▶ auth, session, subprotocol ─▶ a place among `server.websockets_max` ─▶ 101 ─▶ one task
//!   binary frame: stream u8 | offset u64, big endian | bytes            text frame: one JSON object with a `type`
//!   every 5 s: is its client still let in?   every 20 s: ping   silent for 60 s: gone   server stops: close 1012
//! ```
//! A task reads when it can act on what it reads, and writes when there is something to say, so a client that does neither
//! holds two small buffers of its own and nobody else's. What is not taken for `server.body_timeout` ends the connection
//! (`serve/listener.rs`).

use super::App;
use super::admission::Flight;
use super::auth::Proof;
use super::objects;
use super::problem::Problem;
use crate::metrics::{self, Counted};
use axum::extract::FromRequestParts;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::header::{SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_cluster::registry::{AuthError, Registry};

/// The subprotocol that `docs/api.md` describes.
pub(crate) const PROTOCOL: &str = "warren.v1";
/// What a subprotocol entry begins with that is a key or token.
const BEARER: &str = "bearer.";
/// Bytes before those of a binary frame: the stream, and the offset.
pub(crate) const HEADER: usize = 9;
/// Bytes of a stream in one frame, at most.
pub(crate) const PART_MAX: usize = 64 * 1024;
/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = PART_MAX + HEADER;
/// Bytes that are read at once: what an idle socket holds for it.
const READ_BUFFER: usize = 4 * 1024;
/// Bytes that wait to be written, at most: a frame and what is said beside it.
const WRITE_MAX: usize = 4 * MESSAGE_MAX;
/// How often it is asked whether the client is still let in.
const CHECK: Duration = Duration::from_secs(5);
/// A ping is sent every so many checks.
const CHECKS_A_PING: u32 = 4;
/// A client that has said nothing for this long, not even that it got a ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a client has to take the last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a socket is closed, as a WebSocket says it (RFC 6455, 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// All was said.
    Done = 1000,
    /// The client said something that is not of the protocol, or is no longer let in.
    Refused = 1008,
    /// Something went wrong here; an `error` message came before.
    Failed = 1011,
    /// The server stops; it is worth coming back.
    Restart = 1012,
}

/// The sockets there are.
#[derive(Clone, Debug)]
pub(crate) struct Sockets {
    free: Arc<Semaphore>,
    open: TaskTracker,
}

impl Sockets {
    /// Room for so many.
    pub(crate) fn new(most: usize) -> Sockets {
        Sockets { free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))), open: TaskTracker::new() }
    }

    /// Waits until none is open. None is opened from now on.
    pub(crate) async fn closed(&self) {
        self.free.close();
        self.open.close();
        self.open.wait().await;
    }
}

/// What a request says of an upgrade; nothing if it asks for none.
pub(crate) struct Upgrade(Option<(WebSocketUpgrade, Proof, Arc<Flight>)>);

impl FromRequestParts<App> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Upgrade, Problem> {
        if !is_upgrade(&parts.headers) {
            return Ok(Upgrade(None));
        }
        let proof = parts.extensions.get::<Proof>().cloned().ok_or_else(Problem::internal)?;
        let flight = parts.extensions.get::<Arc<Flight>>().cloned().ok_or_else(Problem::internal)?;
        let mut upgrade = WebSocketUpgrade::from_request_parts(parts, app).await.map_err(|refused| {
            let detail = format!("the upgrade: {}", refused.body_text());
            Problem::new(StatusCode::BAD_REQUEST, "bad_upgrade", detail, "RFC 6455 says what a WebSocket begins with")
        })?;
        let offered: Vec<bool> = upgrade.requested_protocols().map(|protocol| protocol == PROTOCOL).collect();
        let plain = offered.is_empty();
        if offered.contains(&true) {
            upgrade.set_selected_protocol(HeaderValue::from_static(PROTOCOL));
        } else if !plain {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "subprotocol_unknown",
                "the client speaks no subprotocol of this server",
                "offer `warren.v1`; a key or token may stand beside it as `bearer.KEY`",
            ));
        }
        Ok(Upgrade(Some((upgrade, proof, flight))))
    }
}

impl Upgrade {
    /// Whether the request asks for a WebSocket.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.is_some()
    }

    /// Fails with what to do unless the request asks for a WebSocket.
    pub(crate) fn require(&self) -> Result<(), Problem> {
        match self.0 {
            Some(_) => Ok(()),
            None => Err(Problem::new(
                StatusCode::UPGRADE_REQUIRED,
                "upgrade_required",
                "this is a WebSocket and nothing else",
                "send `Upgrade: websocket`, as a WebSocket client does",
            )),
        }
    }

    /// Takes the socket over: `attend` has it until it returns.
    ///
    /// # Errors
    /// When as many are open as may be, of the tenant or of all.
    pub(crate) fn take<F: Future<Output = ()> + Send + 'static>(
        self,
        app: &App,
        attend: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Result<Response, Problem> {
        self.require()?;
        let Some((upgrade, proof, flight)) = self.0 else { return Err(Problem::internal()) };
        let own = flight.socket()?;
        drop(flight);
        let place = app.sockets.free.clone().try_acquire_owned().map_err(|_| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_many_websockets",
                "as many WebSockets are open as may be",
                "close some; server.websockets_max is the limit",
            )
            .retry_after(Duration::from_secs(1))
        })?;
        let counted = app.sockets.open.token();
        let (registry, stop) = (app.registry.clone(), app.stop.clone());
        let upgrade = upgrade
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_MAX)
            .max_message_size(MESSAGE_MAX)
            .max_frame_size(MESSAGE_MAX);
        Ok(upgrade.on_upgrade(async move |ws| {
            let _places = (place, own, counted, Counted::new(metrics::WEBSOCKETS));
            let mut checks = interval_at(Instant::now() + CHECK, CHECK);
            checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            attend(Socket { ws, proof, registry, stop, checks, passed: 0, heard: Instant::now() }).await;
        }))
    }
}

/// Whether the request asks for a WebSocket.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|asked| asked.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The key among the subprotocols; nothing unless there is exactly one. A browser can set no header on a WebSocket.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let mut given = offered.flat_map(|value| value.split(',')).filter_map(|entry| entry.trim().strip_prefix(BEARER));
    let bearer = given.next()?;
    given.next().is_none().then_some(bearer)
}

/// An open WebSocket.
pub(crate) struct Socket {
    ws: WebSocket,
    proof: Proof,
    registry: Registry,
    stop: CancellationToken,
    checks: Interval,
    passed: u32,
    heard: Instant,
}

/// What a client said.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Bytes of its input.
    Input(Bytes),
    /// A message.
    Text(String),
}

/// The socket is over; nobody is left to be told anything.
#[derive(Debug)]
pub(crate) struct Gone;

impl Socket {
    /// What the client says next, or why the socket has to end: the server stops, or the client is no longer let in. Pings it
    /// meanwhile. With `hears` false nothing is read. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The client is gone, or broke the protocol and was told so.
    pub(crate) async fn next(&mut self, hears: bool) -> Result<Result<Heard, Code>, Gone> {
        loop {
            let message = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(Err(Code::Restart)),
                _ = self.checks.tick() => None,
                message = self.ws.recv(), if hears => Some(message),
            };
            match message {
                None => {
                    if let Some(code) = self.look(hears).await? {
                        return Ok(Err(code));
                    }
                }
                Some(Some(Ok(message))) => {
                    if let Some(heard) = self.take_in(message).await? {
                        return Ok(Ok(heard));
                    }
                }
                Some(Some(Err(_)) | None) => return Err(Gone),
            }
        }
    }

    async fn take_in(&mut self, message: Message) -> Result<Option<Heard>, Gone> {
        self.heard = Instant::now();
        match message {
            Message::Text(text) => Ok(Some(Heard::Text(text.to_string()))),
            Message::Binary(bytes) if bytes.len() >= HEADER && bytes[0] == 0 => {
                Ok(Some(Heard::Input(bytes.slice(HEADER..))))
            }
            Message::Binary(_) => {
                let detail = format!("a binary frame of a client has a 0, {} bytes of offset, and input", HEADER - 1);
                self.refuse(Problem::new(StatusCode::BAD_REQUEST, "bad_frame", detail, "docs/api.md has the form"))
                    .await;
                Err(Gone)
            }
            // Pings are answered below this; a pong is a sign of life.
            Message::Ping(_) | Message::Pong(_) => Ok(None),
            Message::Close(_) => Err(Gone),
        }
    }

    /// Looks whether the client is there and let in, and pings it.
    async fn look(&mut self, hears: bool) -> Result<Option<Code>, Gone> {
        self.passed = self.passed.wrapping_add(1);
        if hears && self.heard.elapsed() > SILENCE_MAX {
            return Err(Gone);
        }
        // A store that does not answer for a moment is no reason to end it.
        if self.registry.authenticate(&self.proof.0).await == Err(AuthError::Refused) {
            return Ok(Some(Code::Refused));
        }
        if self.passed.is_multiple_of(CHECKS_A_PING) {
            self.ws.send(Message::Ping(Bytes::new())).await.map_err(|_| Gone)?;
        }
        Ok(None)
    }

    /// Why what it was sent is at its end: because the server is, or by itself.
    pub(crate) fn ending(&self) -> Code {
        if self.stop.is_cancelled() { Code::Restart } else { Code::Done }
    }

    /// Nothing was read on purpose, for as long as that: it says nothing of the client.
    pub(crate) fn was_not_read(&mut self) {
        self.heard = Instant::now();
    }

    /// Sends bytes of a stream.
    ///
    /// # Errors
    /// The client is gone, or does not read.
    pub(crate) async fn send_part(&mut self, stream: u8, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        let mut frame = BytesMut::with_capacity(HEADER + bytes.len());
        frame.put_u8(stream);
        frame.put_u64(offset);
        frame.put_slice(bytes);
        self.ws.send(Message::Binary(frame.freeze())).await.map_err(|_| Gone)
    }

    /// Sends a message.
    ///
    /// # Errors
    /// As [`Socket::send_part`].
    pub(crate) async fn send(&mut self, message: &impl Serialize) -> Result<(), Gone> {
        let text = serde_json::to_string(message).map_err(|_| Gone)?;
        self.ws.send(Message::Text(text.into())).await.map_err(|_| Gone)
    }

    /// Says what went wrong; the socket goes on.
    ///
    /// # Errors
    /// As [`Socket::send_part`].
    pub(crate) async fn complain(&mut self, problem: &Problem) -> Result<(), Gone> {
        self.ws.send(Message::Text(problem.to_message().into())).await.map_err(|_| Gone)
    }

    /// Says what the client did wrong, and ends it.
    pub(crate) async fn refuse(&mut self, problem: Problem) {
        if self.complain(&problem).await.is_ok() {
            self.close(Code::Refused).await;
        }
    }

    /// Says what went wrong here, and ends it.
    pub(crate) async fn fail(&mut self, problem: Problem) {
        if self.complain(&problem).await.is_ok() {
            self.close(Code::Failed).await;
        }
    }

    /// Ends it, for a reason.
    pub(crate) async fn close(&mut self, code: Code) {
        let reason = match code {
            Code::Done => "done",
            Code::Refused => "refused",
            Code::Failed => "failed",
            Code::Restart => "the server stops",
        };
        let last = async {
            let frame = CloseFrame { code: code as u16, reason: reason.into() };
            if self.ws.send(Message::Close(Some(frame))).await.is_ok() {
                // The client's own close; until then the connection has to stay, or what was sent last may be lost.
                while let Some(Ok(_)) = self.ws.recv().await {}
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, last).await;
    }
}

/// Reads a message of a client.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let wrong = |why: &dyn std::fmt::Display| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_message", format!("the message: {why}"), "docs/api.md lists them")
    };
    // An array would do for an enum with a tag: the tag, and then what is beside it.
    match text.trim_ascii_start().starts_with('{') {
        true => objects::read(text.as_bytes()).map_err(|error| wrong(&error)),
        false => Err(wrong(&"it has to be an object")),
    }
}

#[cfg(test)]
mod tests;
