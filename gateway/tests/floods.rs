//! Clients that send or hold as much as they can: what each attack costs the server is printed and bounded, and somebody
//! else's requests are answered all the while.
//!
//! One process and one server, so that the figures are of the attack alone; the attacks come one after another.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{LIMIT, Server};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Bytes of memory that an attack may cost at its height, beyond what is in the buffers of the system. Each of them sends or
/// asks for many times as much.
const GROWTH_MAX: u64 = 96 << 20;

struct Stage {
    server: Server,
    /// The key of who does it.
    key: String,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let settings = [
            ("WARREN_SERVER__HEADER_TIMEOUT", "2s"),
            ("WARREN_SERVER__BODY_TIMEOUT", "2s"),
            ("WARREN_SERVER__CONNECTIONS_PER_ADDRESS", "1024"),
        ];
        let server = Server::start_with(dir.path(), &settings);
        assert_eq!(server.post("/v1/tenants", json!({ "id": "harm" })).status, 201);
        let made = server.post("/v1/keys?tenant=harm", json!({ "name": "k", "role": "admin" })).json();
        let key = made["key"].as_str().or(made["text"].as_str()).unwrap().to_owned();
        let stage = Stage { server, key, _dir: dir };
        assert_eq!(stage.server.post("/v1/sessions", json!({ "name": "bystander" })).status, 201);
        assert_eq!(stage.post("/v1/sessions", &json!({ "name": "a" })).0, 201);
        stage.server.exec("bystander", "echo file > f");
        stage
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_write_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// The head of a request of the attacker; what ends it is not sent.
    fn head(&self, line: &str) -> String {
        format!("{line} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", self.key)
    }

    /// Status and body of a request as it is on the wire.
    fn raw(&self, bytes: &[u8]) -> (u16, String) {
        let answer = self.server.raw(bytes);
        (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), answer)
    }

    fn post(&self, path: &str, body: &Value) -> (u16, String) {
        self.post_bytes(path, body.to_string().as_bytes())
    }

    fn post_bytes(&self, path: &str, body: &[u8]) -> (u16, String) {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = self.server.request_as_it_is("POST", path, &headers, body);
        (answer.status, answer.text())
    }

    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    fn during(&self, what: &str, harm: impl FnOnce()) {
        self.during_with(what, 0, harm);
    }

    /// Does harm, while a bystander works; prints what it cost and holds it to its bound, which is above the `owned`
    /// bytes that are content of a session's files while it lasts: those are held by its quota.
    fn during_with(&self, what: &str, owned: u64, harm: impl FnOnce()) {
        // The height from here on (proc(5), clear_refs).
        std::fs::write(format!("/proc/{}/clear_refs", self.server.pid()), "5").unwrap();
        let (before, over, answered) = (self.memory("VmRSS"), AtomicBool::new(false), AtomicUsize::new(0));
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) || answered.load(Ordering::Relaxed) < 3 {
                    assert_eq!(self.server.get("/v1/sessions/bystander/files/home/agent/f").text(), "file\n");
                    assert_eq!(self.server.exec("bystander", "echo hi")["stdout"], "hi\n");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
            // However it ends, the bystander does too.
            struct Over<'a>(&'a AtomicBool);
            impl Drop for Over<'_> {
                fn drop(&mut self) {
                    self.0.store(true, Ordering::Release);
                }
            }
            let _over = Over(&over);
            harm();
        });
        let (height, after) = (self.memory("VmHWM"), self.memory("VmRSS"));
        println!(
            "{what}: {:.1} MiB before, {:.1} at its height, {:.1} after; {:.1} s, the bystander worked {} times",
            before as f64 / f64::from(1 << 20),
            height as f64 / f64::from(1 << 20),
            after as f64 / f64::from(1 << 20),
            begun.elapsed().as_secs_f64(),
            answered.load(Ordering::Relaxed),
        );
        assert!(height.saturating_sub(before) <= owned + GROWTH_MAX, "{what}: {} bytes more", height - before);
    }
}

/// Sends what can be sent; a server that has heard enough may close.
fn pour(stream: &mut TcpStream, part: &[u8], times: usize) {
    for _ in 0..times {
        if stream.write_all(part).is_err() {
            return;
        }
    }
}

#[test]
fn attacks_cost_little_and_nobody_else() {
    if !common::software() {
        return;
    }
    let stage = Stage::new();
    heads(&stage);
    bodies(&stage);
    targets(&stage);
    framing(&stage);
    half_open(&stage);
    uploads(&stage);
    unread(&stage);
    sockets(&stage);
    replays(&stage);
    // Nothing of it is left.
    let left = stage.server.request_as_it_is(
        "GET",
        "/v1/sessions",
        &[("authorization", &format!("Bearer {}", stage.key))],
        b"",
    );
    assert_eq!(left.json()["items"].as_array().unwrap().len(), 1, "{}", left.text());
}

fn heads(stage: &Stage) {
    stage.during("64 heads of 10 MB at once", || {
        let part = format!("x-{}: {}\r\n", "a".repeat(50), "b".repeat(9_940));
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut stream = stage.connect();
                    stream.write_all(stage.head("GET /v1/sessions").as_bytes()).unwrap();
                    pour(&mut stream, part.as_bytes(), 1000);
                    let mut answer = String::new();
                    let _ = stream.read_to_string(&mut answer);
                    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
                });
            }
        });
    });
    stage.during("64 heads that are one line of 10 MB", || {
        let part = vec![b'a'; 10_000];
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut stream = stage.connect();
                    stream.write_all(b"GET /").unwrap();
                    pour(&mut stream, &part, 1000);
                    let mut answer = String::new();
                    let _ = stream.read_to_string(&mut answer);
                    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
                });
            }
        });
    });
}

fn bodies(stage: &Stage) {
    let deep = |open: &str, close: &str, depth: usize| format!("{}{}", open.repeat(depth), close.repeat(depth));
    let many = format!("{{{}\"z\":1}}", (0..500_000).map(|n| format!("\"k{n}\":1,")).collect::<String>());
    let entries = (0..400_000).map(|n| format!("\"A{n}\":\"b\",")).collect::<String>();
    let env = format!("{{\"command\":\"true\",\"env\":{{{entries}\"A\":\"\"}}}}");
    let cases = [
        ("brackets", deep("[", "]", 4_000_000)),
        ("braces", deep("{\"a\":", "}", 1_000_000)),
        ("brackets in a field", format!("{{\"command\":{}}}", deep("[", "]", 3_000_000))),
        ("many fields", many),
        ("many entries", env),
        ("a long number", format!("{{\"timeout\":{}}}", "9".repeat(4_000_000))),
        ("a long text", format!("{{\"command\":\"{}\"}}", "\\u0000".repeat(1_300_000))),
    ];
    for (name, body) in &cases {
        stage.during(&format!("JSON of {} KB: {name}, 8 at once", body.len() / 1000), || {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let (status, answer) = stage.post_bytes("/v1/sessions/a/exec", body.as_bytes());
                        assert!((400..500).contains(&status), "{name}: {status} {answer}");
                        assert!(answer.len() < 4096, "{name}: an answer of {} bytes", answer.len());
                    });
                }
            });
        });
    }
    let wrong = [
        json!(null),
        json!([]),
        json!("text"),
        json!(7),
        json!({ "command": 7 }),
        json!({ "command": "true", "argv": ["true"] }),
        json!({ "argv": "true" }),
        json!({ "argv": [7] }),
        json!({ "command": "true", "env": ["A=b"] }),
        json!({ "command": "true", "env": { "A": 1 } }),
        json!({ "command": "true", "timeout": -1 }),
        json!({ "command": "true", "timeout": "forever" }),
        json!({ "command": "true", "terminal": { "rows": 1e9, "columns": 80 } }),
        json!({ "command": "true", "stdin": { "base64": "?" } }),
        json!({ "command": "true", "detach": "yes" }),
        json!({ "command": "true", "unknown": 1 }),
    ];
    for body in &wrong {
        let (status, answer) = stage.post("/v1/sessions/a/exec", body);
        assert!(matches!(status, 400 | 422), "{body}: {status} {answer}");
    }
}

fn targets(stage: &Stage) {
    let folder = tempfile::tempdir().unwrap();
    let secret = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
    std::fs::write(secret.path(), "of this machine").unwrap();
    stage.during("path tricks in 14 encodings, 60 deep", || {
        let ups = [
            "..",
            ".%2e",
            "%2e%2e",
            "%2E%2E",
            "..%2f",
            "%2e%2e%2f",
            "..%5c",
            "%252e%252e",
            "%c0%ae%c0%ae",
            "%e0%80%ae%e0%80%ae",
            "%ef%bc%8e%ef%bc%8e",
            "..;",
            "..%00",
            ".%0d%0a.",
        ];
        for up in ups {
            // A file of this machine; in the session it is nowhere.
            let path = format!("{}{}", vec![up; 60].join("/"), secret.path().display());
            for method in ["GET", "DELETE", "PUT"] {
                let head = stage.head(&format!("{method} /v1/sessions/a/files/{path}"));
                let (status, answer) =
                    stage.raw(format!("{head}connection: close\r\ncontent-length: 0\r\n\r\n").as_bytes());
                assert!((400..500).contains(&status), "{method} {up}: {answer}");
                assert!(!answer.contains("of this machine"), "{up}");
            }
        }
        assert_eq!(std::fs::read_to_string(secret.path()).unwrap(), "of this machine");
    });
}

fn framing(stage: &Stage) {
    stage.during("framing that two readers could read in two ways", || {
        let head = stage.head("POST /v1/sessions/a/exec");
        let smuggled = "GET /v1/sessions HTTP/1.1\r\nhost: localhost\r\n\r\n";
        let cases = [
            "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned() + smuggled,
            "content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef".to_owned(),
            "content-length: -1\r\n\r\n".to_owned(),
            "content-length: 99999999999999999999\r\n\r\n".to_owned(),
            "transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\nx".to_owned(),
            "transfer-encoding: chunked\r\n\r\n-1\r\nx".to_owned(),
            "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n".to_owned() + smuggled,
            format!("transfer-encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(100_000)),
            "x : y\r\n\r\n".to_owned(),
            " folded: line\r\n\r\n".to_owned(),
            "x: a\0b\r\n\r\n".to_owned(),
        ];
        for case in &cases {
            let (status, answer) = stage.raw(format!("{head}content-type: application/json\r\n{case}").as_bytes());
            assert!(status == 0 || (400..500).contains(&status), "{case:.60}: {answer}");
            // What came behind is no request of its own.
            assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{case:.60}: {answer}");
        }
        for line in ["GET  /v1", "GET /v1 HTTP/9.9\r\n\r\nGET /v1", "\0\0\0\0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let (status, answer) = stage.raw(format!("{line}\r\n\r\n").as_bytes());
            assert!(status == 0 || (400..506).contains(&status), "{line}: {answer}");
        }
    });
}

fn half_open(stage: &Stage) {
    stage.during("400 connections that begin a head and say no more", || {
        let mut open: Vec<TcpStream> = (0..400).map(|_| stage.connect()).collect();
        for (index, stream) in open.iter_mut().enumerate() {
            stream.write_all(&b"GET /v1/sessions HTTP/1.1\r\nhost: local"[..index % 38]).unwrap();
        }
        for stream in &mut open {
            // Closed by the server, after its timeout.
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(!answer.starts_with(b"HTTP/1.1 2"));
        }
    });
}

fn uploads(stage: &Stage) {
    stage.during_with("32 uploads of 1 GiB that vanish after 4 MiB", 128 << 20, || {
        let part = vec![7; 1 << 20];
        std::thread::scope(|scope| {
            for index in 0..32 {
                let part = &part;
                scope.spawn(move || {
                    let head = stage.head(&format!("PUT /v1/sessions/a/files/tmp/half{index}"));
                    let mut stream = stage.connect();
                    stream.write_all(format!("{head}content-length: {}\r\n\r\n", 1_u64 << 30).as_bytes()).unwrap();
                    pour(&mut stream, part, 4);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        let (status, answer) = stage.post("/v1/sessions/a/exec", &json!({ "command": "ls /tmp | wc -l" }));
        assert!(status == 200 && answer.contains("\"stdout\":\"0\\n\""), "{answer}");
    });
}

fn unread(stage: &Stage) {
    let (status, answer) =
        stage.post("/v1/sessions/a/exec", &json!({ "command": "head -c 200000000 /dev/zero > /tmp/large" }));
    assert_eq!(status, 200, "{answer}");
    stage.during("32 clients that ask for 200 MB each and read nothing", || {
        let head = stage.head("GET /v1/sessions/a/files/tmp/large");
        let mut open: Vec<TcpStream> = (0..32).map(|_| stage.connect()).collect();
        for stream in &mut open {
            stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        }
        for stream in &mut open {
            // Some of it came; then the server had waited long enough.
            std::thread::sleep(std::time::Duration::from_millis(100));
            let mut first = [0; 12];
            stream.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
        }
    });
    stage.during("32 readers of a flood of events that read nothing", || {
        let head = stage.head("GET /v1/sessions/a/events");
        let mut open: Vec<TcpStream> = (0..32).map(|_| stage.connect()).collect();
        for stream in &mut open {
            stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        }
        let (status, answer) =
            stage.post("/v1/sessions/a/exec", &json!({ "command": "head -c 30000000 /dev/zero | tr '\\0' 'x'" }));
        assert_eq!(status, 200, "{:.300}", answer);
    });
}

fn sockets(stage: &Stage) {
    stage.during("400 WebSockets that follow a flood of events and read nothing", || {
        let bearer = format!("Bearer {}", stage.key);
        let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "warren.v1")];
        let open = || stage.server.socket_with("/v1/sessions/a/events", &headers);
        let mut held = Vec::new();
        let mut refused = 0;
        for _ in 0..400 {
            match open() {
                Ok(socket) => held.push(socket),
                Err((status, body)) => {
                    assert!(status == 429, "{status} {body}");
                    refused += 1;
                }
            }
        }
        assert!(held.len() >= 200, "{} of 400", held.len());
        println!("  {} were open, {refused} refused", held.len());
        let (status, answer) =
            stage.post("/v1/sessions/a/exec", &json!({ "command": "head -c 10000000 /dev/zero | tr '\\0' 'x'" }));
        assert_eq!(status, 200, "{:.300}", answer);
    });
}

fn replays(stage: &Stage) {
    stage.during("2,000 replays of one key with other bodies", || {
        let bearer = format!("Bearer {}", stage.key);
        let headers =
            [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "one")];
        let body = json!({ "rows": 24, "columns": 80, "name": "t" }).to_string();
        let first = stage.server.request_as_it_is("POST", "/v1/sessions/a/terminals", &headers, body.as_bytes());
        assert_eq!(first.status, 201, "{}", first.text());
        for index in 0..2000 {
            let body = json!({ "rows": 24, "columns": 80, "name": format!("t{index}") }).to_string();
            let answer = stage.server.request_as_it_is("POST", "/v1/sessions/a/terminals", &headers, body.as_bytes());
            answer.refused(422, "key_reused");
        }
    });
}
