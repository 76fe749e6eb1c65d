//! A WebSocket of a server, for commands that are more than a question and an answer.

use super::client::{Client, ClientError};
use super::tls::{self, Wire};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a server may take to take a connection, and to answer on it.
const WITHIN: Duration = Duration::from_secs(10);
/// A ping is sent when nothing was heard for this long.
const QUIET: Duration = Duration::from_secs(15);
/// The server is gone when nothing was heard for this long, not even an answer to a ping.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Bytes of a message, at most: an event of 64 KiB, escaped at its worst.
const MESSAGE_MAX: usize = 1 << 20;
/// Bytes before those of a binary frame.
const HEADER: usize = 9;

/// An open WebSocket.
pub(crate) struct Connection {
    ws: WebSocketStream<Box<dyn Wire>>,
    heard: Instant,
}

/// What a server says.
#[derive(Debug)]
pub(crate) enum Said {
    /// Bytes of a stream, from an offset on.
    Bytes { stream: u8, offset: u64, bytes: Bytes },
    /// A message.
    Message(Value),
}

/// The connection is over.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where a server is.
#[derive(Debug, PartialEq)]
struct Place<'a> {
    secure: bool,
    /// Without the brackets of an address of IPv6.
    host: &'a str,
    port: u16,
    /// All behind the scheme.
    rest: &'a str,
}

impl Place<'_> {
    fn of(url: &str) -> Option<Place<'_>> {
        let (secure, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let usual = if secure { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            // A colon of an address within brackets is none before a port.
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, usual),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (!host.is_empty()).then_some(Place { secure, host, port, rest })
    }
}

/// Opens a WebSocket at a path of the server.
///
/// # Errors
/// As a request's: the server is gone, or refuses.
pub(crate) async fn connect(client: &Client, path: &str) -> Result<Connection, ClientError> {
    let url = client.url();
    let place = Place::of(url).ok_or_else(|| ClientError::Local(format!("`{url}` is no URL of a server")))?;
    let local = |error: tungstenite::Error| ClientError::Local(format!("{url}{path}: {error}"));
    let (scheme, rest) = (if place.secure { "wss" } else { "ws" }, place.rest);
    let mut request = format!("{scheme}://{rest}{path}").into_client_request().map_err(local)?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("warren.v1"));
    if let Some(bearer) = client.bearer() {
        request.headers_mut().insert("authorization", bearer.clone());
    }
    let no_server = || ClientError::NoServer(url.to_owned());
    let stream = timeout(WITHIN, TcpStream::connect((place.host, place.port))).await;
    let stream = stream.ok().and_then(Result::ok).ok_or_else(no_server)?;
    let _ = stream.set_nodelay(true);
    let stream: Box<dyn Wire> = match place.secure {
        false => Box::new(stream),
        true => match timeout(WITHIN, tls::secure(stream, place.host)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(tls::reason(&error).map_or_else(no_server, |reason| client.no_tls(reason)));
            }
            Err(_) => return Err(no_server()),
        },
    };
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    match timeout(WITHIN, client_async_with_config(request, stream, Some(config))).await {
        Ok(Ok((ws, _))) => Ok(Connection { ws, heard: Instant::now() }),
        Ok(Err(tungstenite::Error::Http(refused))) => {
            let status = refused.status().as_u16();
            let problem = refused.body().as_deref().and_then(|body| serde_json::from_slice::<Value>(body).ok());
            let problem = problem.unwrap_or_default();
            let word = |name: &str| problem[name].as_str().map(str::to_owned);
            match (word("code"), word("detail")) {
                (Some(code), Some(detail)) => Err(ClientError::Refused { status, code, detail, hint: word("hint") }),
                _ => Err(ClientError::Strange(url.to_owned())),
            }
        }
        Ok(Err(tungstenite::Error::Io(_))) | Err(_) => Err(no_server()),
        Ok(Err(_)) => Err(ClientError::Strange(url.to_owned())),
    }
}

impl Connection {
    /// What the server says next; `None` when the connection is over. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        loop {
            let message = match timeout(QUIET, self.ws.next()).await {
                Ok(message) => message?.ok()?,
                Err(_) if self.heard.elapsed() < SILENCE_MAX => {
                    self.ws.send(Message::Ping(Bytes::new())).await.ok()?;
                    continue;
                }
                Err(_) => return None,
            };
            self.heard = Instant::now();
            match message {
                Message::Text(text) => return Some(Said::Message(serde_json::from_str(&text).ok()?)),
                Message::Binary(bytes) if bytes.len() >= HEADER => {
                    let offset = u64::from_be_bytes(bytes[1..HEADER].try_into().ok()?);
                    return Some(Said::Bytes { stream: bytes[0], offset, bytes: bytes.slice(HEADER..) });
                }
                Message::Close(_) => return None,
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Says something.
    pub(crate) async fn say(&mut self, message: &Value) -> Result<(), Gone> {
        self.ws.send(Message::Text(message.to_string().into())).await.map_err(|_| Gone)
    }

    /// Sends input.
    pub(crate) async fn input(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let mut frame = vec![0; HEADER];
        frame.extend_from_slice(bytes);
        self.ws.send(Message::Binary(Bytes::from(frame))).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests;
