//! A WebSocket of a server under test.

use super::server::{LIMIT, Server};
use serde_json::Value;
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::{Bytes, Error, HandshakeError, Message, WebSocket, client};

pub struct Socket {
    pub ws: WebSocket<TcpStream>,
    pub response: Response,
}

/// What a server sends.
#[derive(Debug, PartialEq)]
pub enum Got {
    /// A message.
    Told(Value),
    /// Bytes of a stream, from an offset.
    Part(u8, u64, Vec<u8>),
    /// The end, with its code.
    Closed(u16),
    /// The connection broke.
    Broken,
}

impl Server {
    /// A WebSocket with the server's own key.
    pub fn socket(&self, path: &str) -> Socket {
        let bearer = format!("Bearer {}", self.key);
        self.socket_with(path, &[("authorization", &bearer), ("sec-websocket-protocol", "warren.v1")]).unwrap()
    }

    /// A WebSocket with these headers; the status and body of the answer if it is refused.
    pub fn socket_with(&self, path: &str, headers: &[(&str, &str)]) -> Result<Socket, (u16, String)> {
        let mut request = format!("ws://{}{path}", self.address()).into_client_request().unwrap();
        for (name, value) in headers {
            let name: ureq::http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        match client(request, stream) {
            Ok((ws, response)) => Ok(Socket { ws, response }),
            Err(HandshakeError::Failure(Error::Http(refused))) => {
                let body = refused.body().clone().unwrap_or_default();
                Err((refused.status().as_u16(), String::from_utf8_lossy(&body).into_owned()))
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

impl Socket {
    pub fn gets(&mut self) -> Got {
        loop {
            match self.ws.read() {
                Ok(Message::Text(text)) => return Got::Told(serde_json::from_str(&text).unwrap()),
                Ok(Message::Binary(bytes)) => {
                    let offset = u64::from_be_bytes(bytes[1..9].try_into().unwrap());
                    return Got::Part(bytes[0], offset, bytes[9..].to_vec());
                }
                Ok(Message::Close(frame)) => return Got::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Ok(_) => {}
                Err(_) => return Got::Broken,
            }
        }
    }

    /// The next message of this type; parts before it are thrown away.
    pub fn told(&mut self, kind: &str) -> Value {
        loop {
            match self.gets() {
                Got::Told(value) if value["type"] == kind => return value,
                Got::Told(value) if value["type"] == "error" => panic!("{value}"),
                Got::Told(_) | Got::Part(..) => {}
                other => panic!("no {kind}: {other:?}"),
            }
        }
    }

    /// Reads until a stream has shown this; all that it showed, and the offset behind it.
    pub fn shows(&mut self, stream: u8, text: &str) -> (String, u64) {
        let mut shown = Vec::new();
        loop {
            match self.gets() {
                Got::Part(from, offset, bytes) if from == stream => {
                    let end = offset + bytes.len() as u64;
                    shown.extend(bytes);
                    let all = String::from_utf8_lossy(&shown).into_owned();
                    if all.contains(text) {
                        return (all, end);
                    }
                }
                Got::Part(..) | Got::Told(_) => {}
                other => panic!("`{text}` was not shown: {:?}, {other:?}", String::from_utf8_lossy(&shown)),
            }
        }
    }

    /// Reads until the end; its code.
    pub fn closes(&mut self) -> Option<u16> {
        loop {
            match self.gets() {
                Got::Closed(code) => return Some(code),
                Got::Broken => return None,
                _ => {}
            }
        }
    }

    pub fn say(&mut self, message: Value) {
        self.ws.send(Message::Text(message.to_string().into())).unwrap();
    }

    pub fn input(&mut self, bytes: &[u8]) {
        let mut frame = vec![0; 9];
        frame.extend_from_slice(bytes);
        self.ws.send(Message::Binary(Bytes::from(frame))).unwrap();
    }
}
