//! WebSockets of a server: what idle ones cost it, and how long a key takes to be seen.

use super::Effort;
use super::durable::binary;
use crate::bed::{Bed, Failure};
use crate::crash::folder::resident;
use crate::crash::server::Server;
use crate::measure::{Measured, Timer};
use futures_util::{SinkExt, StreamExt};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Message};

/// Sockets that follow one session; the server takes 256.
const FOLLOWERS: usize = 250;
/// Addresses of this machine that clients come from, so that none runs out of ports.
const SOURCES: usize = 8;
/// Descriptors of each process beside its sockets.
const DESCRIPTORS: usize = 1000;
/// Between two keys: a quick typist's is longer.
const BETWEEN_KEYS: Duration = Duration::from_millis(20);
/// Bytes before those of a binary frame.
const HEADER: usize = 9;

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// Sockets that follow the logs of sessions in which nothing happens.
pub(crate) fn idle_websockets(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    // Where there may not be as many descriptors, there are as many sockets as there may: the figure says how many.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)?;
    let most = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let count = effort.pick(20_000, 250).min(most.saturating_sub(DESCRIPTORS)).max(2);
    let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
    let server = Server::start(&binary()?, dir.path())?;
    let link = server.link();
    let mut paths = Vec::new();
    for _ in 0..count.div_ceil(FOLLOWERS) {
        let made =
            link.post("/v1/sessions", &json!({ "durability": "scratch" })).map_err(|stop| format!("{stop:?}"))?;
        let made = made.json("create", 201).map_err(|stop| format!("{stop:?}"))?;
        let (id, at) = (made["id"].as_str().unwrap_or_default(), made["position"].as_str().unwrap_or_default());
        paths.push(format!("/v1/sessions/{id}/events?after={at}"));
    }
    let (address, bearer) = (server.address()?, server.bearer().to_owned());
    runtime()?.block_on(async {
        // The server's own tables have grown by then.
        let mut open = vec![opened(address, 0, &paths[0], &bearer).await?];
        let before = resident(server.pid())?;
        let mut timer = Timer::begin()?;
        for index in 1..count {
            let begun = Instant::now();
            open.push(opened(address, index % SOURCES, &paths[index / FOLLOWERS], &bearer).await?);
            timer.record(begun);
        }
        let grown = resident(server.pid())?.saturating_sub(before) as f64;
        for socket in open.iter_mut().step_by(97) {
            answers(socket).await?;
        }
        let measured = timer.end().with("each", "KiB each", grown / (count - 1) as f64 / 1024.0);
        Ok(measured.with("sockets", "", count as f64))
    })
}

/// A WebSocket without what a client of one keeps for it.
async fn opened(to: SocketAddr, source: usize, path: &str, bearer: &str) -> Result<TcpStream, Failure> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2 + source as u8), 0)))?;
    let mut stream = socket.connect(to).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {to}\r\nauthorization: {bearer}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await?);
    }
    match answer.starts_with(b"HTTP/1.1 101 ") {
        true => Ok(stream),
        false => Err(format!("no WebSocket: {}", String::from_utf8_lossy(&answer)).into()),
    }
}

/// A ping has its pong.
async fn answers(stream: &mut TcpStream) -> Result<(), Failure> {
    // Final, ping; masked with zeros, four bytes.
    stream.write_all(b"\x89\x84\0\0\0\0ping").await?;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\x8a\x04ping") {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await;
        seen.push(read.map_err(|_| "an idle socket does not answer")??);
    }
    Ok(())
}

/// A byte typed into a terminal of a session until it is back.
pub(crate) fn terminal_echo(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
    let server = Server::start(&binary()?, dir.path())?;
    let link = server.link();
    let asked = |path: &str, body| {
        let made = link.post(path, &body).and_then(|answer| answer.json(path, 201));
        made.map_err(|stop| format!("{stop:?}"))
    };
    asked("/v1/sessions", json!({ "name": "a" }))?;
    asked("/v1/sessions/a/terminals", json!({ "name": "main", "argv": ["cat"] }))?;
    let (address, bearer) = (server.address()?, server.bearer().to_owned());
    runtime()?.block_on(async {
        let mut request = format!("ws://{address}/v1/sessions/a/terminals/main/attach").into_client_request()?;
        request.headers_mut().insert("authorization", bearer.parse()?);
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut ws, _) = client_async(request, stream).await?;
        let mut timer = Timer::begin()?;
        for _ in 0..effort.pick(500, 20) {
            // Typed, and erased, so that the line stays short.
            for (key, echo, timed) in [(b'x', &b"x"[..], true), (0x7f, b"\x08 \x08", false)] {
                tokio::time::sleep(BETWEEN_KEYS).await;
                let mut frame = vec![0; HEADER];
                frame.push(key);
                let begun = Instant::now();
                ws.send(Message::Binary(Bytes::from(frame))).await?;
                let mut shown = Vec::new();
                while shown != echo {
                    match ws.next().await.ok_or("the socket ended")?? {
                        Message::Binary(bytes) if bytes[0] == 1 => shown.extend_from_slice(&bytes[HEADER..]),
                        _ => {}
                    }
                }
                if timed {
                    timer.record(begun);
                }
            }
        }
        Ok(timer.end())
    })
}
