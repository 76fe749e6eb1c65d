//! A server of the binary under test, on a free port and a folder of its own, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use ureq::http::HeaderMap;
use ureq::{Agent, SendBody};

/// Nothing a test waits for takes this long, unless it will never come.
pub const LIMIT: Duration = Duration::from_secs(60);

pub struct Server {
    child: Child,
    pub url: String,
    /// The key of the node's own tenant.
    pub key: String,
    pub dir: PathBuf,
    agent: Agent,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// It is a problem of this status and code, and its body is one.
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())));
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
    }
}

impl Server {
    pub fn start(dir: &Path) -> Server {
        Server::launch(serve(dir), dir, &[])
    }

    /// At an address that another had before.
    pub fn start_at(dir: &Path, address: &str) -> Server {
        Server::launch(serve_at(dir, address), dir, &[])
    }

    pub fn start_with(dir: &Path, variables: &[(&str, &str)]) -> Server {
        Server::launch(serve(dir), dir, variables)
    }

    pub fn launch(mut command: Command, dir: &Path, variables: &[(&str, &str)]) -> Server {
        command.envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("the server does not say where it is: {line:?}"));
        let url = url.trim_end_matches(',').to_owned();
        let config =
            Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(Some(LIMIT)).build();
        let key = std::fs::read_to_string(dir.join("client.key")).unwrap().trim().to_owned();
        Server { child, url, key, dir: dir.to_owned(), agent: Agent::new_with_config(config) }
    }

    /// Ends it with this process, its folder too: what a `static` holds is not dropped.
    #[allow(dead_code, reason = "not every suite shares one")]
    pub fn end_with_this_process(&self) {
        let script = "cat > /dev/null; kill -9 \"$0\"; rm -rf \"$1\"";
        let mut watcher = Command::new("sh");
        watcher.args(["-c", script, &self.pid().to_string()]).arg(&self.dir).stdin(Stdio::piped());
        // The pipe is open for as long as this process is.
        std::mem::forget(watcher.spawn().unwrap());
    }

    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// A request with the server's own key.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.request_as_it_is(method, path, &all, body)
    }

    /// A request with nothing added.
    pub fn request_as_it_is(&self, method: &str, path: &str, headers: &[(&str, &str)], mut body: &[u8]) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(SendBody::from_reader(&mut body)).unwrap();
        let mut response = self.agent.run(request).unwrap();
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body: bytes }
    }

    pub fn get(&self, path: &str) -> Answer {
        let request = ureq::http::Request::get(format!("{}{path}", self.url));
        let request = request.header("authorization", format!("Bearer {}", self.key)).body(()).unwrap();
        let mut response = self.agent.run(request).unwrap();
        let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body: bytes }
    }

    pub fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.request("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// The outcome of a line in a session.
    pub fn exec(&self, session: &str, line: &str) -> serde_json::Value {
        let answer = self.post(&format!("/v1/sessions/{session}/exec"), serde_json::json!({ "command": line }));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Bytes as they are on the wire, and all that comes back until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `warren session ...` against it.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.client(&["session"]);
        command.args(arguments);
        command
    }

    /// Any command of the binary, as a client of it.
    pub fn client(&self, arguments: &[&str]) -> Command {
        let mut command = super::warren();
        command.args(arguments).env("WARREN_URL", &self.url).env("WARREN_KEY", &self.key);
        command
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power switch would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end; its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let since = Instant::now();
        while since.elapsed() < LIMIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `warren serve` with nothing of this machine's configuration.
pub fn serve(dir: &Path) -> Command {
    serve_at(dir, "127.0.0.1:0")
}

fn serve_at(dir: &Path, address: &str) -> Command {
    let mut command = super::warren();
    command.args(["serve", "--listen", address, "--dir"]).arg(dir);
    command.env("XDG_CONFIG_HOME", dir).env_remove("WARREN_CONFIG").env("WARREN_LOG__LEVEL", "warn");
    command
}
