//! Lists with filters; batches, reads and watches of files, at a real server.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::Server;
use common::socket::Got;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;

/// A server, and the folder it is in. `None` without software.
fn server() -> Option<(Server, tempfile::TempDir)> {
    if !common::software() {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    Some((Server::start_with(dir.path(), &[("WARREN_SERVER__REQUEST_BYTES_MAX", "1MiB")]), dir))
}

fn session(server: &Server, name: &str) -> String {
    let made = server.post("/v1/sessions", json!({ "name": name }));
    assert_eq!(made.status, 201, "{}", made.text());
    format!("/v1/sessions/{name}")
}

fn batch(server: &Server, path: &str, operations: &Value) -> Value {
    let done = server.post(&format!("{path}/files:batch"), json!({ "operations": operations }));
    assert_eq!(done.status, 200, "{}", done.text());
    done.json()["files"].take()
}

#[test]
fn sessions_are_found_by_what_they_are() {
    let Some((server, _dir)) = &server() else { return };
    for at in 0..6 {
        let body =
            json!({ "name": format!("found-{at}"), "labels": { "suite": "found", "odd": (at % 2).to_string() } });
        assert_eq!(server.post("/v1/sessions", body).status, 201);
    }
    assert_eq!(server.post("/v1/sessions/found-3/hibernate", json!({})).status, 200);
    let names = |query: &str| {
        let (mut names, mut after) = (Vec::new(), String::new());
        loop {
            let part = server.get(&format!("/v1/sessions?{query}{after}"));
            assert_eq!(part.status, 200, "{}", part.text());
            let part = part.json();
            let found = part["items"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
            names.extend(found);
            match part["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                // Those of one millisecond come in any order.
                None => {
                    names.sort();
                    return names.join(" ");
                }
            }
        }
    };
    assert_eq!(names("label=suite%3Dfound&label=odd%3D1&limit=1"), "found-1 found-3 found-5");
    assert_eq!(names("label=suite%3Dfound&state=hibernated"), "found-3");
    assert_eq!(names("name_prefix=found-&state=active&limit=2"), "found-0 found-1 found-2 found-4 found-5");
    assert_eq!(names("label=suite%3Dnone"), "");
    // Times are compared as they are shown: to the millisecond.
    let made: Vec<String> = (0..6)
        .map(|at| server.get(&format!("/v1/sessions/found-{at}")).json()["created"].as_str().unwrap().to_owned())
        .collect();
    let those = |is: &dyn Fn(&str) -> bool| {
        let meant = (0..6).filter(|at| is(&made[*at])).map(|at| format!("found-{at}"));
        meant.collect::<Vec<_>>().join(" ")
    };
    let third = made[3].as_str();
    assert_eq!(names(&format!("name_prefix=found-&created_before={third}")), those(&|one| one < third));
    assert_eq!(names(&format!("name_prefix=found-&created_after={third}")), those(&|one| one > third));
    for (query, word) in [
        ("state=asleep", "state: `asleep`"),
        ("label=x", "label: `x`"),
        ("created_after=yesterday", "created_after"),
        ("colour=red", "colour"),
        ("limit=2&limit=3", "limit"),
        ("after=x", "after"),
    ] {
        let refused = server.get(&format!("/v1/sessions?{query}"));
        refused.refused(422, "invalid_request");
        assert!(refused.json()["detail"].as_str().unwrap().contains(word), "{query}: {}", refused.text());
    }
    let listed = server.cli(&["list", "--label", "suite=found", "--state", "hibernated", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["name"]), (1, &json!("found-3")));
}

#[test]
fn a_batch_is_all_or_nothing() {
    let Some((server, _dir)) = &server() else { return };
    let path = session(server, "batch");
    let done = batch(
        server,
        &path,
        &json!([
            { "op": "mkdir", "path": "/srv/app", "parents": true },
            { "op": "write", "path": "/srv/app/run", "content": "#!/bin/sh\necho ran\n", "mode": "0755" },
            { "op": "write", "path": "/srv/app/bytes", "content_base64": "/wA=" },
            { "op": "symlink", "path": "/srv/app/link", "target": "run" },
            { "op": "move", "path": "/srv/app/bytes", "to": "/srv/app/moved", "exclusive": true },
            { "op": "chmod", "path": "/srv/app/moved", "mode": "600" },
            { "op": "remove", "path": "/srv/app/link" },
        ]),
    );
    let told: Vec<(&str, &str)> = done
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["name"].as_str().unwrap_or("-"), file["mode"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(told[..2], [("/srv/app", "0755"), ("/srv/app/run", "0755")]);
    assert_eq!(told[2..], [("-", "-"), ("-", "-"), ("/srv/app/moved", "0600"), ("/srv/app/moved", "0600"), ("-", "-")]);
    assert_eq!(server.exec("batch", "/srv/app/run; stat -c %U /srv/app/run")["stdout"], "ran\nagent\n");

    let good = json!({ "op": "write", "path": "/srv/app/new", "content": "x" });
    let wrong = [
        (json!({ "op": "remove", "path": "/nothing" }), 404, "file_not_found"),
        (json!({ "op": "write", "path": "/srv/app/run", "exclusive": true }), 409, "file_exists"),
        (json!({ "op": "write", "path": "/srv/app/new/x", "content": "" }), 409, "not_a_directory"),
        (json!({ "op": "remove", "path": "/srv" }), 409, "directory_not_empty"),
        (json!({ "op": "write", "path": "/f", "content": "", "content_base64": "" }), 422, "invalid_request"),
        (json!({ "op": "write", "path": "/f", "mode": "rwx" }), 422, "invalid_request"),
        (json!({ "op": "write", "path": "/f\u{0}" }), 422, "invalid_request"),
    ];
    for (bad, status, code) in wrong {
        let refused = server.post(&format!("{path}/files:batch"), json!({ "operations": [good, bad] }));
        refused.refused(status, code);
        assert_eq!(refused.json()["operation"], 1, "{}", refused.text());
    }
    for (unknown, word) in [
        (json!({ "op": "explode", "path": "/" }), "explode"),
        (json!({ "op": "chmod", "path": "/", "mode": "755", "content": "" }), "content"),
        (json!({ "op": "move", "path": "/" }), "`to`"),
        (json!({ "op": "mkdir", "path": "/a", "colour": 1 }), "colour"),
        (json!(["mkdir", "/a"]), "invalid type"),
    ] {
        let refused = server.post(&format!("{path}/files:batch"), json!({ "operations": [good, unknown] }));
        refused.refused(422, "invalid_request");
        assert!(refused.text().contains(word), "{}", refused.text());
    }
    server
        .post(&format!("{path}/files:batch"), json!({ "operations": vec![good; 1001] }))
        .refused(422, "invalid_request");
    let large = json!({ "operations": [{ "op": "write", "path": "/f", "content": "x".repeat(2 << 20) }] });
    server.post(&format!("{path}/files:batch"), large).refused(413, "body_too_large");
    server.get(&format!("{path}/files/srv/app/new")).refused(404, "file_not_found");
    // With a key it is done once.
    let once = json!({ "operations": [{ "op": "write", "path": "/tmp/once", "content": "1", "exclusive": true }] });
    for _ in 0..2 {
        let headers = [("content-type", "application/json"), ("idempotency-key", "batch-1")];
        let done = server.request("POST", &format!("{path}/files:batch"), &headers, once.to_string().as_bytes());
        assert_eq!(done.status, 200, "{}", done.text());
    }
}

#[test]
fn many_files_are_read_in_one_answer() {
    let Some((server, _dir)) = &server() else { return };
    let path = session(server, "read");
    server.exec(
        "read",
        "head -c 700000 /dev/zero | tr '\\0' x > /tmp/large; mkdir /tmp/d; ln -s large /tmp/l; : > /tmp/empty",
    );
    let lines = |body: Value| -> Vec<Value> {
        let answer = server.post(&format!("{path}/files:read"), body);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/jsonl"), "{}", answer.text());
        answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let told = |lines: &[Value]| lines.iter().map(|line| line["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let all = lines(json!({ "paths": ["/tmp/l", "/tmp/none", "/tmp/d", "/tmp/empty"] }));
    assert_eq!(told(&all), ["file", "data", "data", "data", "error", "file", "file", "end"]);
    let content: String = all[1..4].iter().map(|line| line["data"].as_str().unwrap()).collect();
    assert_eq!((content.len(), content.trim_matches('x')), (700_000, ""));
    assert_eq!((&all[2]["offset"], &all[0]["file"]["size"]), (&json!(262_144), &json!(700_000)));
    assert_eq!(all[4]["error"]["code"], "file_not_found");
    let indices: Vec<_> = all[..7].iter().map(|line| line["index"].as_u64().unwrap()).collect();
    assert_eq!(indices, [0, 0, 0, 0, 1, 2, 3]);
    assert_eq!(all[7], json!({ "type": "end", "files": 4, "bytes": 700_000 }));
    let cut = lines(json!({ "paths": ["/tmp/large", "/tmp/large"], "bytes_max": 300_000 }));
    assert_eq!(told(&cut), ["file", "data", "data", "cut", "file", "cut", "end"]);
    assert_eq!((&cut[3]["offset"], &cut[6]["bytes"]), (&json!(300_000), &json!(300_000)));
    assert_eq!(told(&lines(json!({ "paths": ["/tmp/large"], "stat": true }))), ["file", "end"]);
    assert_eq!(told(&lines(json!({ "paths": [] }))), ["end"]);
    server.post(&format!("{path}/files:read"), json!({ "paths": vec!["/f"; 1001] })).refused(422, "invalid_request");
    server
        .post(&format!("{path}/files:read"), json!({ "paths": [], "bytes_max": 1u64 << 31 }))
        .refused(422, "invalid_request");
    server.post(&format!("{path}/files:read"), json!({})).refused(422, "invalid_request");
}

/// A watch as server-sent events.
struct Watch(BufReader<TcpStream>);

impl Watch {
    fn open(server: &Server, path: &str, last: Option<&str>) -> Watch {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(common::server::LIMIT)).unwrap();
        let last = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n{last}\r\n", server.key)
            .unwrap();
        let mut watch = Watch(BufReader::new(stream));
        assert!(watch.line().starts_with("HTTP/1.1 200"));
        assert_eq!(watch.next()["type"], "watching");
        watch
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    /// What is told next.
    fn next(&mut self) -> Value {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the stream ended");
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// What becomes of which path, up to `last`, and the position of that. A command that takes long is told in parts.
    fn changes(&mut self, last: &str) -> (Vec<String>, String) {
        let mut all = Vec::new();
        loop {
            let told = self.next();
            assert_eq!(told["type"], "changes", "{told}");
            all.extend(words(&told));
            if all.iter().any(|word| word == last) {
                return (all, told["position"].as_str().unwrap().to_owned());
            }
        }
    }

    /// These come next, and nothing else.
    fn tells(&mut self, expected: &[&str]) -> String {
        let (told, position) = self.changes(expected.last().unwrap());
        assert_eq!(told, expected);
        position
    }
}

fn words(told: &Value) -> Vec<String> {
    let word = |change: &Value| {
        let from = change["from"].as_str().map_or(String::new(), |from| format!(" from {from}"));
        format!("{} {}{from}", change["change"].as_str().unwrap(), change["path"].as_str().unwrap())
    };
    told["changes"].as_array().unwrap().iter().map(word).collect()
}

#[test]
fn a_watch_goes_on_over_a_killed_server() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let path = session(&server, "watch");
    server.exec("watch", "mkdir -p /tmp/w/sub /tmp/other");
    let query = format!("{path}/files:watch?path=/tmp/w&recursive=true");
    let mut watch = Watch::open(&server, &query, None);
    server.exec("watch", "echo 1 > /tmp/other/x; echo 1 > /tmp/w/sub/a; mkdir /tmp/w/d; touch /tmp/w/t; rm /tmp/w/t");
    let first = watch.tells(&["created /tmp/w/sub/a", "created /tmp/w/d"]);
    server.exec("watch", "mv /tmp/w/sub/a /tmp/w/b; mv /tmp/w/d /tmp/out; mv /tmp/other/x /tmp/w/in");
    let moves =
        ["moved /tmp/w/b from /tmp/w/sub/a", "moved /tmp/out from /tmp/w/d", "moved /tmp/w/in from /tmp/other/x"];
    watch.tells(&moves);
    // While a command runs, what it does is told too.
    let running =
        server.post(&format!("{path}/exec"), json!({ "command": "chmod 600 /tmp/w/b; sleep 600", "detach": true }));
    assert_eq!(running.status, 202);
    watch.tells(&["attributes /tmp/w/b"]);
    assert_eq!(server.post(&format!("{path}/hibernate"), json!({})).status, 200);
    assert_eq!(server.request("PUT", &format!("{path}/files/tmp/w/b"), &[], b"2").status, 200);
    let last = watch.tells(&["modified /tmp/w/b"]);
    server.kill();

    let server = Server::start(dir.path());
    let mut watch = Watch::open(&server, &query, Some(&first));
    watch.tells(&moves);
    watch.tells(&["attributes /tmp/w/b"]);
    assert_eq!(watch.tells(&["modified /tmp/w/b"]), last);
    server.exec("watch", "rm -r /tmp/w");
    watch.tells(&["removed /tmp/w"]);
    // Only what lies in it, and not beneath.
    let mut flat = Watch::open(&server, &format!("{path}/files:watch?path=/tmp"), None);
    server.exec("watch", "mkdir -p /tmp/w/x; echo > /tmp/w/x/y");
    flat.tells(&["created /tmp/w"]);
    watch.tells(&["created /tmp/w", "created /tmp/w/x", "created /tmp/w/x/y"]);
    // More than is listed; then what is told is told again.
    server.exec("watch", "for i in $(seq 5000); do echo > /tmp/w/$i; done");
    while watch.next()["type"] != "resync" {}
    server.exec("watch", "echo 1 > /tmp/w/1");
    loop {
        let told = watch.next();
        if told["type"] == "changes" && words(&told).contains(&"modified /tmp/w/1".to_owned()) {
            break;
        }
    }
    for (query, word) in [("path=../x", "path"), ("path=/a/../b", "path"), ("after=x", "after"), ("depth=1", "depth")] {
        let refused = server.get(&format!("{path}/files:watch?{query}"));
        refused.refused(422, "invalid_request");
        assert!(refused.text().contains(word), "{}", refused.text());
    }
}

#[test]
fn a_watch_over_a_websocket_resumes() {
    let Some((server, _dir)) = &server() else { return };
    let path = session(server, "socket");
    let mut socket = server.socket(&format!("{path}/files:watch?path=/home/agent"));
    let Got::Told(watching) = socket.gets() else { panic!("it says where it begins") };
    assert_eq!(watching["type"], "watching");
    server.exec("socket", "echo 1 > f");
    let Got::Told(told) = socket.gets() else { panic!("it changed") };
    assert_eq!(words(&told), ["created /home/agent/f"]);
    socket.say(json!({ "type": "resume", "after": watching["position"] }));
    assert_eq!(socket.gets(), Got::Told(watching));
    assert_eq!(socket.gets(), Got::Told(told));
    socket.say(json!({ "type": "rewind" }));
    let Got::Told(problem) = socket.gets() else { panic!("it is refused") };
    assert_eq!((problem["type"].as_str(), problem["code"].as_str()), (Some("error"), Some("bad_message")));
    assert_eq!(socket.gets(), Got::Closed(1008));
}

#[test]
fn the_command_line_watches() {
    let Some((server, _dir)) = &server() else { return };
    let path = session(server, "cli");
    let after = server.get(&path).json()["position"].as_str().unwrap().to_owned();
    let mut command = server.command(&["watch", "cli", "/tmp", "--recursive", "--after", &after]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    server.exec("cli", "echo 1 > /tmp/a");
    server.exec("cli", "mv /tmp/a /tmp/b");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "created     /tmp/a");
    assert_eq!(lines.next().unwrap(), "moved       /tmp/b  from /tmp/a");
    child.kill().unwrap();
    child.wait().unwrap();
    // Watching ends with the session.
    let all =
        server.command(&["watch", "cli", "/tmp", "-r", "--after", &after, "--json"]).stdout(Stdio::piped()).spawn();
    let mut all = all.unwrap();
    let mut lines = BufReader::new(all.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    assert_eq!(next()["type"], "watching");
    assert_eq!(words(&next()), ["created /tmp/a"]);
    assert_eq!(words(&next()), ["moved /tmp/b from /tmp/a"]);
    assert_eq!(server.request("DELETE", &path, &[], b"").status, 204);
    assert!(all.wait().unwrap().success());
}

#[test]
fn the_command_line_does_batches() {
    let Some((server, _dir)) = &server() else { return };
    session(server, "cli");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("operations.json");
    let run = |operations: &str| {
        std::fs::write(&file, operations).unwrap();
        server.cli(&["files", "batch", "cli", file.to_str().unwrap(), "--json"])
    };
    let done = run(r#"[{"op": "write", "path": "/tmp/a", "content": "1"}, {"op": "remove", "path": "/tmp/a"}]"#);
    assert!(done.status.success(), "{done:?}");
    assert_eq!(serde_json::from_slice::<Value>(&done.stdout).unwrap(), json!([null, null]));
    let failed = run(r#"[{"op": "write", "path": "/tmp/b", "content": "1"}, {"op": "remove", "path": "/tmp/a"}]"#);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(!failed.status.success() && said.contains("operation 1") && said.contains("file_not_found"), "{said}");
    assert!(!server.cli(&["files", "cat", "cli", "/tmp/b"]).status.success(), "nothing was done");
    let wrong = run("[");
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no JSON"));
}

/// Who watches and does not read holds up nobody, and is told when it comes back to its senses.
#[test]
fn a_watcher_that_does_not_read_holds_up_nobody() {
    let Some((server, _dir)) = &server() else { return };
    let path = session(server, "slow");
    let mut watch = Watch::open(server, &format!("{path}/files:watch?path=/&recursive=true"), None);
    for round in 0..30 {
        let line = format!("for i in $(seq 900); do : > /tmp/{}-{round}-$i; done", "n".repeat(150));
        assert_eq!(server.exec("slow", &line)["status"], 0);
    }
    server.exec("slow", "echo > /tmp/last");
    let mut told = 0;
    loop {
        let next = watch.next();
        told += 1;
        if next["type"] == "changes" && words(&next).iter().any(|word| word == "created /tmp/last") {
            break;
        }
    }
    println!("{told} messages");
}
