//! A client that sees how an answer comes, not only what it says.
#![allow(dead_code, reason = "each test uses a part")]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use warren_scripted_llm::{Options, Script, Server};

/// An answer, piece by piece.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The chunks of the body as the server cut them; one if it gave a length.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the body has its end.
    pub whole: bool,
}

impl Answer {
    pub fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes()).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The events of a stream: names, and data where it is JSON.
    pub fn events(&self) -> Vec<(String, Value)> {
        let text = self.text().replace("\r\n", "\n");
        let blocks = text.split("\n\n").filter(|block| !block.is_empty());
        let events = blocks.map(|block| {
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default().to_owned()
            };
            let data = field("data:");
            (field("event:"), serde_json::from_str(&data).unwrap_or(Value::String(data)))
        });
        events.collect()
    }

    /// The names of its events.
    pub fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, _)| name).collect()
    }
}

/// A server with a script.
pub fn served(script: Value) -> Server {
    let script = Script::from_value(script).unwrap();
    Server::start(Options { script: Some(script), ..Options::default() }).unwrap()
}

/// A server without one.
pub fn server() -> Server {
    Server::start(Options::default()).unwrap()
}

pub fn post(server: &Server, path: &str, body: &Value) -> Answer {
    request(server.address(), "POST", path, &[("x-api-key", "k")], body.to_string().as_bytes())
}

pub fn get(server: &Server, path: &str) -> Answer {
    request(server.address(), "GET", path, &[], b"")
}

/// A prompt with a script of its own.
pub fn prompt(script: &Value) -> String {
    format!("Do it. [[script: {script}]]")
}

/// A request of each protocol with the same prompt and one tool.
pub fn first(path: &str, prompt: &str, stream: bool) -> Value {
    match path {
        "/v1/messages" => json!({
            "model": "m", "max_tokens": 100, "stream": stream,
            "messages": [{ "role": "user", "content": prompt }],
            "tools": [{ "name": "bash", "input_schema": { "type": "object" } }],
        }),
        "/v1/chat/completions" => json!({
            "model": "m", "stream": stream,
            "messages": [{ "role": "user", "content": prompt }],
            "tools": [{ "type": "function", "function": { "name": "bash", "parameters": { "type": "object" } } }],
        }),
        "/v1/responses" => json!({
            "model": "m", "stream": stream, "input": prompt, "store": false,
            "tools": [{ "type": "function", "name": "bash", "parameters": { "type": "object" } }],
        }),
        other => panic!("no request for {other}"),
    }
}

/// The paths of the three protocols.
pub const PATHS: &[&str] = &["/v1/messages", "/v1/chat/completions", "/v1/responses"];

/// Sends one request by a connection of its own, and reads until that ends.
pub fn request(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = sent(address, method, path, headers, body);
    let mut reader = BufReader::new(&mut stream);
    let mut answer = head(&mut reader);
    match answer.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
        Some(length) => {
            let mut bytes = vec![0; length];
            answer.whole = reader.read_exact(&mut bytes).is_ok();
            answer.pieces.push(bytes);
        }
        None => {
            while let Some(piece) = chunk(&mut reader) {
                answer.whole = piece.is_empty();
                if answer.whole {
                    break;
                }
                answer.pieces.push(piece);
            }
        }
    }
    answer
}

/// A connection on which a request was sent.
pub fn sent(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a body may close before it has all of it.
    let _ = stream.write_all(body);
    stream
}

/// Reads the status line and the headers.
pub fn head(reader: &mut impl BufRead) -> Answer {
    let mut answer = Answer::default();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    answer.status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status: {line:?}")).parse().unwrap();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { return answer };
        answer.headers.push((name.to_lowercase(), value.to_owned()));
    }
}

/// The next chunk of a body; the last one is empty. Nothing if the connection ends.
pub fn chunk(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let length = usize::from_str_radix(line.trim_end(), 16).ok()?;
    let mut bytes = vec![0; length + 2];
    reader.read_exact(&mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Waits until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not become true that {what}");
}
