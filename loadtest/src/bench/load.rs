//! A server under as many requests as it can answer, from clients on the same processors.
//!
//! A client is a connection of its own that has one request under way. They share a thread and do as little as a client can: bytes
//! that were made before go out, the status and length of an answer are looked at.

use super::Effort;
use super::durable::binary;
use crate::bed::{Bed, Failure};
use crate::crash::server::Server;
use crate::measure::{Measured, Timer};
use serde_json::json;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Clients at once.
const CLIENTS: usize = 32;
/// Sessions they use.
const SESSIONS: usize = 16;
/// Bytes of the file that is read.
const FILE: usize = 4096;
/// Ticks a second of the times in /proc, as Linux shows them everywhere.
const TICKS: f64 = 100.0;

/// `true`, as often as can be.
pub(crate) fn http_load_exec(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    exec_true(effort, CLIENTS)
}

/// `true` by so many clients.
pub(super) fn exec_true(effort: Effort, clients: usize) -> Result<Measured, Failure> {
    let body = json!({ "argv": ["true"] }).to_string();
    let length = body.len();
    loaded(effort, clients, "\"status\":0", |session, head| {
        format!(
            "POST /v1/sessions/{session}/exec HTTP/1.1\r\n{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    })
}

/// A file of 4 KiB, as often as can be.
pub(crate) fn http_load_read(_: &Bed, effort: Effort) -> Result<Measured, Failure> {
    loaded(effort, CLIENTS, "xxxx", |session, head| {
        format!("GET /v1/sessions/{session}/files/home/agent/f HTTP/1.1\r\n{head}\r\n")
    })
}

fn loaded(
    effort: Effort,
    clients: usize,
    wanted: &str,
    request: impl Fn(&str, &str) -> String,
) -> Result<Measured, Failure> {
    let dir = tempfile::Builder::new().prefix("warren-bench-").tempdir()?;
    let server = Server::start(&binary()?, dir.path())?;
    let link = server.link();
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS.min(clients) {
        let made = link.post("/v1/sessions", &json!({ "durability": "checkpoint" }));
        let made = made.and_then(|made| made.json("create", 201)).map_err(|stop| format!("{stop:?}"))?;
        let id = made["id"].as_str().unwrap_or_default().to_owned();
        let line = format!("head -c {FILE} /dev/zero | tr '\\0' x > f");
        let wrote = link.post(&format!("/v1/sessions/{id}/exec"), &json!({ "command": line }));
        wrote.and_then(|wrote| wrote.expect("exec", &[200])).map_err(|stop| format!("{stop:?}"))?;
        sessions.push(id);
    }
    let address = server.address()?;
    let head = format!("host: {address}\r\nauthorization: {}\r\n", server.bearer());
    let requests: Vec<String> = (0..clients).map(|n| request(&sessions[n % sessions.len()], &head)).collect();
    let all = effort.pick(Duration::from_secs(5), Duration::from_millis(300));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (measured, cpu) = runtime.block_on(async {
        // The first of each connection and session are not counted.
        let warm = RefCell::new(Timer::begin()?);
        run(address, &requests, wanted, Instant::now() + all / 10, &warm).await?;
        let (timer, before) = (RefCell::new(Timer::begin()?), cpu_of(server.pid())?);
        run(address, &requests, wanted, Instant::now() + all, &timer).await?;
        Ok::<_, Failure>((timer.into_inner().end(), cpu_of(server.pid())? - before))
    })?;
    server.stop()?;
    let (count, wall) = (measured.operations as f64, measured.wall_ms / 1e3);
    let measured = measured.with("rate", "/s", count / wall).with("server CPU", "us each", cpu / count * 1e6);
    let own = measured.cpu_ms / count * 1e3;
    Ok(measured.with("client CPU", "us each", own).with("clients", "", clients as f64))
}

/// All clients, until their time is over.
async fn run(
    address: SocketAddr,
    requests: &[String],
    wanted: &str,
    until: Instant,
    timer: &RefCell<Timer>,
) -> Result<(), Failure> {
    let clients = requests.iter().map(|request| client(address, request, wanted, until, timer));
    futures_util::future::try_join_all(clients).await?;
    Ok(())
}

async fn client(
    address: SocketAddr,
    request: &str,
    wanted: &str,
    until: Instant,
    timer: &RefCell<Timer>,
) -> Result<(), Failure> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(2 * FILE);
    while Instant::now() < until {
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        let length = loop {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server closed".into());
            }
            let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            break end + 4 + content_length(&buffer[..end])?;
        };
        while buffer.len() < length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Err("the server closed".into());
            }
        }
        timer.borrow_mut().record(begun);
        let is_right =
            buffer.starts_with(b"HTTP/1.1 200 ") && buffer.windows(wanted.len()).any(|it| it == wanted.as_bytes());
        if !is_right {
            return Err(String::from_utf8_lossy(&buffer).into_owned().into());
        }
    }
    Ok(())
}

fn content_length(head: &[u8]) -> Result<usize, Failure> {
    let head = std::str::from_utf8(head)?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(length.ok_or_else(|| format!("no length: {head}"))?.trim().parse()?)
}

/// Processor time of a process so far, in seconds (proc_pid_stat(5)).
fn cpu_of(pid: u32) -> Result<f64, Failure> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = text.rsplit_once(')').ok_or("no name")?.1.split_whitespace().collect();
    let ticks: Result<Vec<f64>, _> = [11, 12].iter().map(|at| fields.get(*at).unwrap_or(&"").parse::<f64>()).collect();
    Ok(ticks?.iter().sum::<f64>() / TICKS)
}
