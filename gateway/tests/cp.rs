//! `warren cp` against a real server: files and trees in every direction, odd names, links, and what breaks in the middle.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::proxy::{Then, Way, between};
use common::server::{LIMIT, Server};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

struct Bench {
    server: Server,
    dir: tempfile::TempDir,
}

impl Bench {
    /// A server with the sessions `a` and `b`; `None` without software.
    fn new() -> Option<Bench> {
        if !common::software() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(&dir.path().join("data"));
        for name in ["a", "b"] {
            assert_eq!(server.post("/v1/sessions", json!({ "name": name })).status, 201);
        }
        Some(Bench { server, dir })
    }

    fn here(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn cp(&self, arguments: &[&str]) -> Output {
        let mut command = self.server.client(&["cp"]);
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// It was copied, and nothing is said.
    fn copies(&self, arguments: &[&str]) {
        let done = self.cp(arguments);
        let said = (text(&done.stdout), text(&done.stderr));
        assert_eq!((done.status.code(), said), (Some(0), (String::new(), String::new())), "{arguments:?}");
    }

    /// It was not, for a reason that has each of these words.
    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let done = self.cp(arguments);
        assert_eq!(done.status.code(), Some(125), "{arguments:?}: {}", text(&done.stderr));
        for word in words {
            assert!(text(&done.stderr).contains(word), "`{word}` is not in: {}", text(&done.stderr));
        }
    }

    fn says(&self, session: &str, line: &str) -> String {
        self.server.exec(session, line)["stdout"].as_str().unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Names in a directory.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(path).unwrap().map(|entry| text(entry.unwrap().file_name().as_bytes())).collect();
    names.sort();
    names
}

#[test]
fn files_go_in_out_and_across() {
    let Some(bench) = Bench::new() else { return };
    let bytes = noise(3 << 20);
    std::fs::write(bench.here("f"), &bytes).unwrap();
    std::fs::set_permissions(bench.here("f"), std::fs::Permissions::from_mode(0o751)).unwrap();
    bench.copies(&["f", "a:/tmp/g"]);
    bench.copies(&["a:/tmp/g", "b:/home/agent"]);
    bench.copies(&["b:/home/agent/g", "back"]);
    assert!(std::fs::read(bench.here("back")).unwrap() == bytes);
    assert_eq!(mode(&bench.here("back")), 0o751);
    let stat = bench.server.get("/v1/sessions/b/files/home/agent/g?stat=true").json();
    let modified = humantime::parse_rfc3339(stat["modified"].as_str().unwrap()).unwrap();
    assert_eq!(std::fs::metadata(bench.here("back")).unwrap().modified().unwrap(), modified);
    // What was there is replaced, mode and all.
    std::fs::write(bench.here("back"), "x").unwrap();
    bench.copies(&["back", "a:/tmp/g"]);
    assert_eq!(bench.says("a", "cat /tmp/g"), "x");
    // Empty files, and names that mean something to somebody.
    for name in ["e f%?#&", "ümläut", "new\nline", "-x", "a:b", "%2e%2e", "~"] {
        let here = bench.here(name);
        std::fs::write(&here, "").unwrap();
        let place = format!("a:/tmp/{name}");
        bench.copies(&[here.to_str().unwrap(), &place]);
        std::fs::remove_file(&here).unwrap();
        bench.copies(&["--", &place, "."]);
        assert_eq!(std::fs::read(&here).unwrap(), b"", "{name:?}");
    }
    // A link that is named is followed; what is behind a link that is written to is written.
    symlink("back", bench.here("link")).unwrap();
    bench.copies(&["link", "a:/tmp/through"]);
    assert_eq!(bench.says("a", "cat /tmp/through; ln -s through /tmp/link; ln -s . /tmp/self"), "x");
    bench.copies(&["a:/tmp/link", "out"]);
    assert_eq!(std::fs::read(bench.here("out")).unwrap(), b"x");
    std::fs::write(bench.here("y"), "y").unwrap();
    bench.copies(&["y", "link"]);
    assert_eq!(std::fs::read(bench.here("back")).unwrap(), b"y");
    assert!(bench.here("link").is_symlink());
    bench.copies(&["y", "a:/tmp/self/"]);
    assert_eq!(bench.says("a", "cat /tmp/y"), "y");
    bench.copies(&["a:/tmp/y", "/dev/null"]);
    bench.copies(&["--parents", "y", "a:/tmp/new/deep/y"]);
    bench.copies(&["-p", "a:/tmp/y", "new/deep/y"]);
    assert_eq!(std::fs::read(bench.here("new/deep/y")).unwrap(), b"y");
}

#[test]
fn standard_input_and_output() {
    let Some(bench) = Bench::new() else { return };
    let bytes = noise(1 << 20);
    let mut command = bench.server.client(&["cp", "-", "a:/tmp/in"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(child.wait().unwrap().success());
    let out = bench.cp(&["a:/tmp/in", "-", "--json"]);
    assert!(out.status.success() && out.stdout == bytes, "{}", text(&out.stderr));
    bench.refuses(&["-", "a:/tmp"], &["has no name"]);
    bench.refuses(&["-r", "a:/tmp", "-"], &["is a directory"]);
    let full =
        bench.server.client(&["cp", "a:/tmp/in", "-"]).stdout(std::fs::File::create("/dev/full").unwrap()).output();
    assert_eq!(full.unwrap().status.code(), Some(125));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.here("f"), "f").unwrap();
    std::fs::create_dir(bench.here("d")).unwrap();
    bench.refuses(&["none", "a:/tmp"], &["none", "nothing"]);
    bench.refuses(&["a:/none", "."], &["a:/none", "nothing"]);
    bench.refuses(&["f", "none:/tmp/f"], &["`none`", "session_not_found"]);
    bench.refuses(&["d", "a:/tmp"], &["d: is a directory", "-r"]);
    bench.refuses(&["a:/tmp", "d"], &["a:/tmp: is a directory", "-r"]);
    bench.refuses(&["f", "a:/none/f"], &["/none", "file_not_found"]);
    bench.refuses(&["f", "none/f"], &["none/f"]);
    bench.refuses(&["a:/dev/null", "x"], &["not_a_file"]);
    bench.refuses(&["-r", "d", "a:/etc/passwd"], &["a:/etc/passwd", "is no directory"]);
    bench.refuses(&["-r", "a:/tmp", "f"], &["f: is no directory"]);
    bench.refuses(&["-r", "a:/tmp", "a:/tmp/below"], &["into itself"]);
    bench.refuses(&["-r", "d", "d/e"], &["into itself"]);
    let id = bench.server.get("/v1/sessions/a").json()["id"].as_str().unwrap().to_owned();
    bench.refuses(&["-r", "a:/tmp", &format!("{id}:/tmp/below")], &["into itself"]);
    let relative = bench.cp(&["f", "a:f"]);
    assert_eq!(relative.status.code(), Some(2));
    assert!(text(&relative.stderr).contains("a:/home/agent/f"), "{}", text(&relative.stderr));
    let mut gone = common::warren();
    gone.args(["cp", "f", "a:/f"]).env("WARREN_URL", "http://127.0.0.1:1").current_dir(bench.dir.path());
    let gone = gone.output().unwrap();
    assert!(text(&gone.stderr).contains("no server"), "{}", text(&gone.stderr));
    assert_eq!(names(bench.dir.path()), ["d", "data", "f"], "nothing was made");
}

/// A tree with what a tree can have.
fn tree(root: &Path) {
    std::fs::create_dir_all(root.join("deep/er")).unwrap();
    std::fs::create_dir(root.join("empty")).unwrap();
    std::fs::write(root.join("deep/er/x"), noise(100_000)).unwrap();
    std::fs::write(root.join("deep/run me"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(root.join("deep/run me"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(root.join("nothing"), "").unwrap();
}

#[test]
fn trees_go_in_out_and_across() {
    let Some(bench) = Bench::new() else { return };
    tree(&bench.here("t"));
    bench.copies(&["-r", "t", "a:/tmp/new"]);
    bench.copies(&["-r", "t", "a:/tmp"]);
    assert_eq!(
        bench.says("a", "cd /tmp; find new | wc -l; find t | wc -l; diff -r new t && echo same"),
        "7\n7\nsame\n"
    );
    bench.copies(&["-r", "a:/tmp/t", "b:/home/agent/"]);
    bench.copies(&["-r", "b:/home/agent/t", "back"]);
    bench.copies(&["-r", "b:/home/agent/t/.", "d"]);
    for copy in ["back", "d"] {
        assert_eq!(names(&bench.here(copy)), ["deep", "empty", "nothing"]);
        assert!(std::fs::read(bench.here(copy).join("deep/er/x")).unwrap() == noise(100_000));
        assert_eq!(mode(&bench.here(copy).join("deep/run me")), 0o755);
    }
    // Over what is there; what is not in the source stays.
    std::fs::write(bench.here("back/own"), "own").unwrap();
    std::fs::write(bench.here("back/nothing"), "something").unwrap();
    let again = bench.cp(&["-r", "b:/home/agent/t/.", "back", "--json"]);
    let told: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(told, json!({ "files": 3, "directories": 4, "bytes": 100_010, "left_out": [] }));
    assert_eq!(std::fs::read(bench.here("back/nothing")).unwrap(), b"");
    assert_eq!(std::fs::read(bench.here("back/own")).unwrap(), b"own");
    // A whole session, and more names than one answer has.
    bench.says("b", "mkdir /tmp/many; cd /tmp/many; i=0; while [ $i -lt 1050 ]; do : > f$i; i=$((i+1)); done");
    bench.copies(&["-r", "b:/tmp", "all"]);
    assert_eq!(names(&bench.here("all/many")).len(), 1050);
}

#[test]
fn what_has_no_bytes_is_left_out_and_told() {
    let Some(bench) = Bench::new() else { return };
    tree(&bench.here("t"));
    symlink("/etc", bench.here("t/deep/etc")).unwrap();
    symlink("x", bench.here("t/deep/er/inside")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, bench.here("t/fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    std::fs::write(bench.here("t").join(std::ffi::OsStr::from_bytes(b"no\xffutf8")), "x").unwrap();
    let done = bench.cp(&["-r", "t", "a:/tmp/t", "--json"]);
    assert_eq!(done.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((told["files"].as_u64(), told["left_out"].as_array().unwrap().len()), (Some(3), 4), "{told}");
    for words in
        [["t/deep/etc", "symbolic link, to /etc"], ["er/inside", "to x"], ["t/fifo", "a fifo"], ["no", "UTF-8"]]
    {
        let line = text(&done.stderr).lines().find(|line| line.contains(words[0])).map(str::to_owned);
        assert!(line.is_some_and(|line| line.contains(words[1])), "{words:?}: {}", text(&done.stderr));
    }
    assert_eq!(bench.says("a", "find /tmp/t | wc -l"), "7\n");
    // Out of a session nothing is followed either, and nothing written through what is here.
    bench.says(
        "a",
        "cd /tmp/t; ln -s /etc/passwd p; ln -s . loop; mkfifo q; echo over > deep/link; mkdir dir; echo in > dir/in",
    );
    std::fs::create_dir_all(bench.here("back/deep")).unwrap();
    std::fs::create_dir(bench.here("outside")).unwrap();
    std::fs::write(bench.here("outside/kept"), "kept").unwrap();
    symlink("../../outside/kept", bench.here("back/deep/link")).unwrap();
    symlink("../outside", bench.here("back/dir")).unwrap();
    let done = bench.cp(&["-r", "a:/tmp/t/.", "back"]);
    assert_eq!(done.status.code(), Some(1));
    for words in ["a:/tmp/t/p: a symbolic link, to /etc/passwd", "loop", "a fifo", "not written through", "4 left out"]
    {
        assert!(text(&done.stderr).contains(words), "{words}: {}", text(&done.stderr));
    }
    assert_eq!(std::fs::read(bench.here("outside/kept")).unwrap(), b"kept");
    assert_eq!(names(&bench.here("outside")), ["kept"]);
    assert_eq!(std::fs::read(bench.here("back/deep/link")).unwrap(), b"over\n");
}

#[test]
fn what_breaks_in_the_middle_leaves_nothing() {
    let Some(bench) = Bench::new() else { return };
    std::fs::write(bench.here("big"), noise(8 << 20)).unwrap();
    bench.copies(&["big", "a:/tmp/big"]);
    std::fs::create_dir(bench.here("to")).unwrap();
    std::fs::write(bench.here("to/old"), "old").unwrap();
    let through = |way, then| between(bench.server.address(), way, 2 << 20, then);
    let start = |url: &str, arguments: &[&str]| {
        let mut command = bench.server.client(&["cp"]);
        command.args(arguments).env("WARREN_URL", url).current_dir(bench.dir.path());
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let in_session = || bench.says("a", "ls -A /tmp; cat /tmp/old");
    bench.says("a", "echo kept > /tmp/old");
    for then in [Then::Cut, Then::Stall] {
        for (way, arguments) in [
            (Way::ToClient, ["a:/tmp/big", "to/old"]),
            (Way::ToClient, ["a:/tmp/big", "to/new"]),
            (Way::ToServer, ["big", "a:/tmp/old"]),
            (Way::ToServer, ["big", "a:/tmp/new"]),
            (Way::ToServer, ["a:/tmp/big", "a:/tmp/new"]),
        ] {
            let proxy = through(way, then);
            let child = start(&proxy.url, &arguments);
            proxy.stopped.recv_timeout(LIMIT).unwrap();
            if then == Then::Stall {
                let pid = rustix::process::Pid::from_child(&child);
                rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            }
            let done = child.wait_with_output().unwrap();
            let expected = if then == Then::Stall { 130 } else { 125 };
            assert_eq!(done.status.code(), Some(expected), "{arguments:?}: {}", text(&done.stderr));
            assert_eq!(names(&bench.here("to")), ["old"], "{arguments:?}");
            assert_eq!(std::fs::read(bench.here("to/old")).unwrap(), b"old");
            assert_eq!(in_session(), "big\nold\nkept\n", "{arguments:?}");
        }
    }
    // Of a tree, what was copied is whole.
    let (one, two) = (bench.here("pair/one"), bench.here("pair/two"));
    std::fs::create_dir(bench.here("pair")).unwrap();
    std::fs::write(&one, noise(1 << 20)).unwrap();
    std::fs::write(&two, noise(4 << 20)).unwrap();
    let proxy = through(Way::ToServer, Then::Cut);
    let done = start(&proxy.url, &["-r", "pair", "a:/tmp/pair"]).wait_with_output().unwrap();
    assert!(text(&done.stderr).contains("1 files had been copied"), "{}", text(&done.stderr));
    assert_eq!(bench.says("a", "cd /tmp/pair; ls -A; wc -c < one"), "one\n1048576\n");
}
