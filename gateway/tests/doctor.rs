//! `warren doctor` on machines and servers that are well, and on each thing that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{Server, serve};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

/// `warren doctor` with nothing of this machine's configuration, for a server that would listen on a free port.
fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = common::warren();
    command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).args(arguments);
    for name in ["WARREN_URL", "WARREN_KEY", "WARREN_CONFIG"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", dir.join("none"));
    command
}

/// What it says, and its status.
struct Seen(Value, Option<i32>);

fn seen(output: Output) -> Seen {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = serde_json::from_str(&text);
    Seen(value.unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr))), output.status.code())
}

fn doctor(dir: &Path, arguments: &[&str]) -> Seen {
    seen(command(dir, arguments).output().unwrap())
}

impl Seen {
    fn findings(&self) -> &Vec<Value> {
        self.0["findings"].as_array().unwrap()
    }

    /// It found this, at this level, in these words; what is wrong has a mend with the last of them.
    fn says(&self, level: &str, check: &str, words: &[&str]) {
        let of_it = || self.findings().iter().filter(|it| it["check"] == check && it["level"] == level);
        let all = |it: &Value| {
            let told = format!("{} {}", it["what"], it["mend"]);
            words.iter().all(|word| told.contains(word))
        };
        assert!(of_it().any(all), "{level} {check} {words:?}: {:#}", self.0["findings"]);
        assert!(of_it().all(|it| it["mend"].is_string() == (level != "ok")));
    }

    /// Nothing is wrong; what may become so depends on the machine.
    fn is_well(&self) {
        assert_eq!((self.1, &self.0["errors"]), (Some(0), &json!(0)), "{:#}", self.0["findings"]);
    }

    fn is_ill(&self) {
        assert_eq!(self.1, Some(1), "{:#}", self.0["findings"]);
        assert!(self.0["errors"].as_u64().unwrap() > 0);
    }
}

#[test]
fn a_server_that_is_well() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), &[]);
    let found = doctor(dir.path(), &[]);
    found.is_well();
    found.says("ok", "data.write", &["renamed"]);
    found.says("ok", "data.lock", &[&format!("process {}", server.pid()), &server.url]);
    found.says("ok", "data.client_key", &["client.key"]);
    found.says("ok", "port", &[&server.url]);
    found.says("ok", "server", &[&server.url, env!("CARGO_PKG_VERSION")]);
    found.says("ok", "server.ready", &[]);
    found.says("ok", "key", &["tenant default", "tenants:manage"]);
    found.says("ok", "quotas", &[]);
    found.says("ok", "software", &["packages"]);
    found.says("ok", "clock", &[]);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("doctor")), "{left:?}");
    // Limits, and who said them.
    let found = seen(command(dir.path(), &[]).env("WARREN_SERVER__WEBSOCKETS_MAX", "77").output().unwrap());
    let limit = |name: &str| {
        let limits = found.0["limits"].as_array().unwrap();
        limits.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
    };
    let sockets = limit("server.websockets_max");
    assert_eq!((&sockets["value"], &sockets["origin"]), (&json!("77"), &json!("WARREN_SERVER__WEBSOCKETS_MAX")));
    assert_eq!(limit("limits.processes")["value"], "256");
    assert_eq!(limit("limits.processes")["origin"], "default");
    assert!(limit("tenant.streams")["used"].is_string());
    assert!(limit("system.open_files")["value"].is_string());
    // For people.
    let table =
        common::warren().args(["doctor", "--dir"]).arg(dir.path()).env("WARREN_URL", &server.url).output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        table.starts_with("LEVEL") && table.contains("\nLIMIT") && table.trim_end().ends_with("warnings"),
        "{table}"
    );

    // Keys that may do less, and one that is none.
    let made = server.post("/v1/keys", json!({ "name": "looks", "role": "viewer" })).json();
    let found = doctor(dir.path(), &["--url", &server.url, "--key", made["key"].as_str().unwrap()]);
    found.is_well();
    found.says("ok", "key", &["valid", "sessions:read"]);
    found.says("ok", "quotas", &["usage:read"]);
    let made = server.post("/v1/keys", json!({ "name": "soon", "role": "admin", "expires_in": "1d" })).json();
    let found = doctor(dir.path(), &["--key", made["key"].as_str().unwrap()]);
    found.says("warning", "key", &["soon", "it ends at", "warren key create"]);
    let wrong = format!("wrn_8k2c0qinr51v6ssu_{}", "0".repeat(52));
    let found = doctor(dir.path(), &["--key", &wrong]);
    found.is_ill();
    found.says("error", "key", &["not valid", "--new-key"]);
    assert!(!found.0.to_string().contains(&wrong), "a key is not shown");
    // A session's token.
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let token = server.post("/v1/sessions/a/tokens", json!({ "scopes": ["exec"] })).json();
    doctor(dir.path(), &["--key", token["token"].as_str().unwrap()]).says("ok", "key", &["token"]);
    // Quotas that are taken.
    let quotas = json!({ "quotas": { "sessions": 1 } });
    let headers = [("content-type", "application/json")];
    let path = "/v1/tenants/default";
    assert_eq!(server.request("PATCH", path, &headers, quotas.to_string().as_bytes()).status, 200);
    let found = doctor(dir.path(), &[]);
    found.is_ill();
    found.says("error", "quotas", &["`sessions`", "1 of 1"]);
}

#[test]
fn no_server_is_a_warning_unless_it_was_named() {
    let dir = tempfile::tempdir().unwrap();
    let new = dir.path().join("new");
    let found = doctor(&new, &[]);
    found.says("ok", "data.folder", &["a server makes it"]);
    found.says("warning", "server", &["no server", "warren serve"]);
    assert!(!new.exists(), "nothing is made");
    let found = doctor(&new, &["--url", "http://127.0.0.1:1"]);
    found.is_ill();
    found.says("error", "server", &["http://127.0.0.1:1", "--url"]);
    let found = doctor(&new, &["--url", "http://192.0.2.1:1", "--key", "no key\n"]);
    found.says("ok", "machine", &["elsewhere"]);
    // What answers is no server of ours.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
        }
    });
    let found = doctor(&new, &["--url", &url]);
    found.is_ill();
    found.says("error", "server", &["does not answer as a warren server does"]);
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_who_said_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, "[server]\nlisten = 7\n[data]\nreserv = 1\n").unwrap();
    let found = doctor(dir.path(), &["--config", file.to_str().unwrap()]);
    found.is_ill();
    found.says("error", "config", &["config.toml", "data.reserv"]);
    let found = seen(command(dir.path(), &[]).env("WARREN_LOG__LEVEL", "shouting=loud").output().unwrap());
    found.says("error", "config", &["log.level"]);
    // A secret that has no value is told, and not its name's value.
    std::fs::write(&file, "[secrets.git]\nfile = \"/none\"\n[secrets.api]\nenv = \"NO_SUCH_VARIABLE\"\n").unwrap();
    let found = doctor(dir.path(), &["--config", file.to_str().unwrap()]);
    found.says("warning", "secrets", &["`git`", "/none"]);
    found.says("warning", "secrets", &["`api`", "NO_SUCH_VARIABLE"]);
}

#[test]
fn a_data_folder_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700)).unwrap();
    doctor(&data, &[]).says("ok", "data.folder", &["only"]);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    doctor(&data, &[]).says("warning", "data.folder", &["0755", "chmod 700"]);
    let found = seen(command(&data, &[]).env("WARREN_DATA__RESERVE", "1000000TiB").output().unwrap());
    found.is_ill();
    found.says("error", "data.space", &["data.reserve is 1000000TiB", "nothing new", "free space"]);
    // Keys that others can read.
    for name in ["client.key", "node.key"] {
        std::fs::write(data.join(name), "x").unwrap();
        std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let found = doctor(&data, &[]);
    found.is_ill();
    found.says("error", "data.client_key", &["0644", "chmod 600"]);
    found.says("error", "data.node_key", &["0644", "chmod 600"]);
    // What is kept cannot be read without its key.
    std::fs::create_dir_all(data.join("store/x")).unwrap();
    std::fs::remove_file(data.join("node.key")).unwrap();
    doctor(&data, &[]).says("error", "data.node_key", &["is not there", "backup"]);
    // The clock went back.
    let file = std::fs::File::create(data.join("server.lock")).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(7200)).unwrap();
    let found = doctor(&data, &[]);
    found.says("error", "clock", &["behind", "NTP"]);
    found.says("ok", "data.lock", &["no server"]);
    // A file in the way.
    std::fs::write(dir.path().join("file"), "").unwrap();
    doctor(&dir.path().join("file"), &[]).says("error", "data.folder", &["is no folder"]);
}

#[test]
fn a_data_folder_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for (path, mode) in [(dir.path(), 0o755), (data.as_path(), 0o755)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    // Where the binary lies, others may not be let in.
    let binary = dir.path().join("warren");
    std::fs::copy(env!("CARGO_BIN_EXE_warren"), &binary).unwrap();
    let run = |folder: &Path| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        command.args(["doctor", "--json", "--listen", "127.0.0.1:0", "--dir"]).arg(folder);
        command.env_clear().env("HOME", "/nonexistent").output()
    };
    let Ok(output) = run(&data) else {
        println!("skipped: there is no `setpriv` (Debian: apt-get install util-linux)");
        return;
    };
    let found = seen(output);
    found.is_ill();
    found.says("error", "data.write", &["denied", "run the server as user 0"]);
    found.says("warning", "data.folder", &["belongs to user 0", "as the user"]);
    let found = seen(run(&data.join("new")).unwrap());
    found.is_ill();
    found.says("error", "data.folder", &["cannot be made", "data.dir"]);
}

#[test]
fn a_port_that_is_taken_and_too_few_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let run = |address: &str| {
        let mut command = common::warren();
        command.args(["doctor", "--json", "--listen", address, "--dir"]).arg(dir.path());
        seen(command.env_remove("WARREN_URL").env_remove("WARREN_KEY").output().unwrap())
    };
    let found = run(&address);
    found.is_ill();
    found.says("error", "port", &[&address, &format!("process {}", std::process::id()), "--listen"]);
    drop(listener);
    run(&address).says("ok", "port", &["free"]);
    let mut command = Command::new("bash");
    command.args([
        "-c",
        "ulimit -n 256; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_warren"),
        "doctor",
        "--json",
        "--dir",
    ]);
    let Ok(output) = command.arg(dir.path()).env_remove("WARREN_URL").output() else {
        println!("skipped: there is no bash");
        return;
    };
    seen(output).says("warning", "descriptors", &["256 files", "server.websockets_max", "ulimit -n"]);
}

#[test]
fn a_server_of_another_configuration_is_told() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::launch(serve(dir.path()), dir.path(), &[]);
    let mut command = common::warren();
    command.args(["doctor", "--json", "--listen", "127.0.0.1:1", "--dir"]).arg(dir.path());
    let found = seen(command.env_remove("WARREN_URL").env_remove("WARREN_KEY").output().unwrap());
    found.says("warning", "port", &[&server.url, "127.0.0.1:1", "restart"]);
    found.says("ok", "server", &[&server.url]);
}
