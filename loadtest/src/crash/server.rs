//! The server under test: a process that is started and killed, and the way clients reach it.

use super::Stop;
use crate::bed::Failure;
use serde_json::Value;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use ureq::{Agent, SendBody};

/// No answer of a server that runs takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of an answer.
const ANSWER_MAX: u64 = 64 << 20;

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    url: String,
    /// What requests prove themselves with.
    bearer: String,
    /// Set before it is killed: a connection that breaks then is no fault of the server's.
    killed: Arc<AtomicBool>,
}

/// How a client reaches the server of its time.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    url: String,
    bearer: String,
    agent: Agent,
    killed: Arc<AtomicBool>,
}

/// What the server said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Starts `binary serve` on a free port; answers once it says where it is.
    pub(crate) fn start(binary: &Path, dir: &Path) -> Result<Server, Failure> {
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir);
        // Nothing of this machine's configuration.
        command.env("XDG_CONFIG_HOME", dir).env_remove("WARREN_CONFIG").env("WARREN_LOG__LEVEL", "warn");
        command.env("WARREN_SESSIONS__GRACE", "200ms");
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let Some(url) = line.split_whitespace().find(|word| word.starts_with("http://")) else {
            let _ = child.kill();
            return Err(format!("the server did not start ({:?}), and said {line:?}", child.wait()).into());
        };
        let url = url.trim_end_matches(',').to_owned();
        // Its own key, which it made before it said where it is.
        let bearer = format!("Bearer {}", std::fs::read_to_string(dir.join("client.key"))?.trim());
        Ok(Server { child, url, bearer, killed: Arc::default() })
    }

    /// A way to it, with connections of its own.
    pub(crate) fn link(&self) -> Link {
        Link {
            url: self.url.clone(),
            bearer: self.bearer.clone(),
            agent: agent(Some(LIMIT)),
            killed: self.killed.clone(),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<std::net::SocketAddr, Failure> {
        Ok(self.url.trim_start_matches("http://").parse()?)
    }

    /// What requests prove themselves with.
    pub(crate) fn bearer(&self) -> &str {
        &self.bearer
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power switch of the process would. Fails if it had ended before.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.killed.store(true, Ordering::SeqCst);
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the server ended by itself: {status}").into());
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.killed.store(true, Ordering::SeqCst);
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM)?;
        let since = Instant::now();
        while since.elapsed() < LIMIT {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("told to stop, the server ended with {status}").into()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        Err(format!("the server does not end within {} s of SIGTERM", LIMIT.as_secs()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A body that comes piece by piece; an empty piece is its end.
pub(crate) struct Pieces {
    coming: Receiver<Vec<u8>>,
    piece: Cursor<Vec<u8>>,
    /// No more came, and its end did not either.
    is_given_up: bool,
}

impl Pieces {
    pub(crate) fn new(coming: Receiver<Vec<u8>>) -> Pieces {
        Pieces { coming, piece: Cursor::default(), is_given_up: false }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.piece.read(into)?;
        if count > 0 || into.is_empty() {
            return Ok(count);
        }
        match self.coming.recv() {
            Ok(piece) => self.piece = Cursor::new(piece),
            Err(_) => {
                self.is_given_up = true;
                return Err(ErrorKind::BrokenPipe.into());
            }
        }
        self.piece.read(into)
    }
}

fn agent(limit: Option<Duration>) -> Agent {
    let config = Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(limit);
    Agent::new_with_config(config.build())
}

impl Link {
    /// The same way with another key.
    pub(crate) fn with_key(&self, key: &str) -> Link {
        Link { bearer: format!("Bearer {key}"), agent: agent(Some(LIMIT)), ..self.clone() }
    }

    /// A request and the whole of its answer.
    pub(crate) fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, Stop> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header("authorization", &self.bearer);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut bytes = body;
        let answer = if matches!(method, "GET" | "DELETE") {
            let request = request.body(()).map_err(|error| Stop::Wrong(error.to_string()))?;
            self.agent.run(request)
        } else {
            let length = body.len().to_string();
            let request = request.header("content-length", length).body(SendBody::from_reader(&mut bytes));
            self.agent.run(request.map_err(|error| Stop::Wrong(error.to_string()))?)
        };
        let what = || format!("{method} {path}");
        let mut answer = answer.map_err(|error| self.broken(&what(), &error))?;
        let read = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
        let answer =
            Answer { status: answer.status().as_u16(), body: read.map_err(|error| self.broken(&what(), &error))? };
        Ok(answer)
    }

    /// A PUT whose body comes piece by piece, `length` bytes in all. A body that ends before has been given up by its
    /// client, and so has the answer: `None`.
    pub(crate) fn upload(&self, path: &str, length: usize, mut body: Pieces) -> Result<Option<Answer>, Stop> {
        let request = ureq::http::Request::put(format!("{}{path}", self.url));
        let request = request.header("authorization", &self.bearer).header("content-length", length.to_string());
        let request = request.body(SendBody::from_reader(&mut body)).map_err(|error| Stop::Wrong(error.to_string()))?;
        // A connection of its own: one that was left in the middle is good for nothing else.
        let answer = agent(Some(LIMIT)).run(request);
        if body.is_given_up {
            return Ok(None);
        }
        let broken = |error| self.broken(&format!("PUT {path}"), &error);
        let mut answer = answer.map_err(broken)?;
        let read = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
        Ok(Some(Answer { status: answer.status().as_u16(), body: read.map_err(broken)? }))
    }

    pub(crate) fn get(&self, path: &str) -> Result<Answer, Stop> {
        self.call("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Answer, Stop> {
        self.call("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The lines of an answer that goes on until the server ends.
    pub(crate) fn lines(&self, path: &str) -> impl Iterator<Item = String> + use<> {
        let request = ureq::http::Request::get(format!("{}{path}", self.url));
        let request = request.header("authorization", &self.bearer).body(());
        let answer = request.ok().and_then(|request| agent(None).run(request).ok());
        let reader = answer.map(|answer| BufReader::new(answer.into_body().into_reader()));
        reader.into_iter().flat_map(|reader| reader.lines().map_while(Result::ok))
    }

    /// A connection broke: because the server was killed, or else it is at fault.
    fn broken(&self, what: &str, error: &ureq::Error) -> Stop {
        let since = Instant::now();
        while since.elapsed() < Duration::from_secs(5) {
            if self.killed.load(Ordering::SeqCst) {
                return Stop::Down;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Stop::Wrong(format!("{what}: {error}, and nobody had killed the server"))
    }
}

impl Answer {
    /// The JSON of an answer with this status.
    pub(crate) fn json(&self, what: &str, status: u16) -> Result<Value, Stop> {
        self.expect(what, &[status])?;
        serde_json::from_slice(&self.body).map_err(|error| Stop::Wrong(format!("{what}: {error}: {}", self.text())))
    }

    /// Fails unless it has one of these.
    pub(crate) fn expect(&self, what: &str, statuses: &[u16]) -> Result<(), Stop> {
        match statuses.contains(&self.status) {
            true => Ok(()),
            false => Err(Stop::Wrong(format!("{what}: {} instead of {statuses:?}: {}", self.status, self.text()))),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(2000).collect()
    }
}
