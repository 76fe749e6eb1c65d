//! A network of a test's own: a namespace in which this machine has another address than its loopback's, so that a
//! session has something outside to reach. Nothing leaves it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The address outside, and the names it has there.
pub const OUTSIDE: &str = "198.18.0.1";
pub const NAME: &str = "server.test";
/// Another name of that address.
pub const OTHER: &str = "other.test";

const HERE: &str = "TEST_NETWORK_OF_ITS_OWN";

/// Whether this process is in such a network. If not, the test of this name is run again in one, and its outcome is this
/// one's; where the system makes none, it says so and passes.
pub fn inside(test: &str) -> bool {
    if std::env::var_os(HERE).is_some() {
        return true;
    }
    let hosts = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(hosts.path(), format!("127.0.0.1 localhost\n{OUTSIDE} {NAME} {OTHER}\n")).unwrap();
    let script = "set -e; ip link set lo up; ip address add \"$1/32\" dev lo; mount --bind \"$2\" /etc/hosts; shift 2; \
                  echo made; exec \"$@\"";
    let root = rustix::process::geteuid().is_root();
    let mut again = Command::new("unshare");
    again.args(if root { &["-n", "-m"][..] } else { &["-r", "-n", "-m"][..] });
    again.args(["sh", "-c", script, "sh", OUTSIDE]).arg(hosts.path());
    again.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(HERE, "1");
    let Ok(output) = again.output() else {
        println!("skipped: there is no unshare (Debian: util-linux)");
        return false;
    };
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !out.starts_with("made") {
        println!("skipped: no network of one's own can be made here: {err}");
        return false;
    }
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "it is called {test}: {out}");
    false
}

/// A server of web pages at the address outside.
pub struct Pages {
    pub port: u16,
    /// The head of each request, and how many bytes came behind it.
    pub asked: Receiver<(String, usize)>,
    /// Connections that ended before they were answered.
    pub broken: Receiver<()>,
}

/// Bytes of `/large`.
pub const LARGE: usize = 5_000_000;

impl Pages {
    /// Serves until the process ends: `/` a word, `/large` many bytes, `/to-metadata` a redirect, `/wait` nothing at all.
    pub fn serve() -> Pages {
        let listener = TcpListener::bind((OUTSIDE, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ((tell, asked), (tell_broken, broken)) = (channel(), channel());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (tell, tell_broken) = (tell.clone(), tell_broken.clone());
                std::thread::spawn(move || answer(stream.unwrap(), &tell, &tell_broken));
            }
        });
        Pages { port, asked, broken }
    }

    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }
}

/// Reads one request, says so, and answers it; `None` when the other side went.
fn answer(stream: TcpStream, asked: &Sender<(String, usize)>, broken: &Sender<()>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if head.to_ascii_lowercase().contains("expect: 100-continue") {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    reader.read_exact(&mut body).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    asked.send((head, body.len())).ok()?;
    if path == "/wait" {
        // Until the other side goes.
        let _ = reader.read(&mut [0; 1]);
        return broken.send(()).ok();
    }
    let large = if path == "/large" { LARGE } else { 0 };
    let (status, more) = match path.as_str() {
        "/to-metadata" => ("302 Found", "Location: http://169.254.169.254/latest/meta-data/\r\n"),
        _ => ("200 OK", ""),
    };
    let text = if large > 0 { vec![b'x'; large] } else { b"page\n".to_vec() };
    let reply = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n", text.len());
    let stream = reader.get_mut();
    stream.write_all(reply.as_bytes()).ok()?;
    stream.write_all(&text).ok()
}
