//! Keys, tenants and tokens over real connections: who gets in, how far, and that another tenant's things are like none.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::server::{Answer, LIMIT, Server, serve};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use warren_cluster::store::{DiskStore, Store};

/// One who calls a server, with a key of their own.
struct Caller<'a> {
    server: &'a Server,
    key: String,
}

impl Caller<'_> {
    fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.server.request_as_it_is(method, path, &headers, text.as_bytes())
    }

    fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null)
    }

    fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, &body)
    }
}

fn own(server: &Server) -> Caller<'_> {
    Caller { server, key: server.key.clone() }
}

/// A new key of a tenant.
fn key<'a>(server: &'a Server, tenant: &str, body: Value) -> (Caller<'a>, String) {
    let made = own(server).post(&format!("/v1/keys?tenant={tenant}"), body);
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let text = made["key"].as_str().unwrap().to_owned();
    (Caller { server, key: text }, made["id"].as_str().unwrap().to_owned())
}

fn tenant<'a>(server: &'a Server, id: &str) -> Caller<'a> {
    assert_eq!(own(server).post("/v1/tenants", json!({ "id": id })).status, 201);
    key(server, id, json!({ "name": "first", "role": "admin" })).0
}

/// What of an answer a client can compare with another.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "x-request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status, headers.collect(), answer.text())
}

/// A route as the server itself lists it.
struct Route {
    method: String,
    path: String,
    scope: Option<String>,
    token: bool,
}

impl Route {
    fn all(server: &Server) -> Vec<Route> {
        let listed = server.request_as_it_is("GET", "/v1", &[], b"").json();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let routes: Vec<Route> = listed["routes"]["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|route| Route {
                method: text(&route["method"]).unwrap(),
                path: text(&route["path"]).unwrap(),
                scope: text(&route["scope"]),
                token: route["token"].as_bool().unwrap(),
            })
            .collect();
        assert!(routes.len() > 40, "{} routes", routes.len());
        routes
    }

    /// The path with these in place of its variables.
    fn at(&self, session: &str, key: &str, tenant: &str) -> String {
        let path = self.path.replace("{session}", session).replace("{key}", key).replace("{tenant}", tenant);
        let path = path
            .replace("{exec}", "1")
            .replace("{pid}", "1")
            .replace("{terminal}", "main")
            .replace("{*path}", "home/agent/f");
        assert!(!path.contains('{'), "a new kind of variable: say here what stands for it: {path}");
        path
    }

    /// A body the route would take.
    fn body(&self) -> Value {
        match self.path.rsplit('/').next().unwrap() {
            _ if matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE") => Value::Null,
            "exec" => json!({ "command": "echo here > /home/agent/f" }),
            "signal" => json!({ "signal": "KILL" }),
            "resize" => json!({ "rows": 1, "columns": 1 }),
            "rollback" => json!({ "checkpoint": 1 }),
            "files:batch" => json!({ "operations": [{ "op": "write", "path": "/home/agent/f", "content": "here" }] }),
            "files:read" => json!({ "paths": ["/home/agent/f"] }),
            "tokens" => json!({ "scopes": ["exec"] }),
            _ => json!({}),
        }
    }
}

#[test]
fn without_a_valid_key_there_is_one_answer() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (revoked, id) = key(&server, "default", json!({ "name": "r", "role": "admin" }));
    assert_eq!(revoked.get("/v1/sessions").status, 200);
    assert_eq!(own(&server).call("DELETE", &format!("/v1/keys/{id}"), &Value::Null).status, 204);
    let (expired, _) = key(&server, "default", json!({ "name": "e", "role": "admin", "expires_in": "1ms" }));
    std::thread::sleep(std::time::Duration::from_millis(5));
    let other = tenant(&server, "off");
    assert_eq!(own(&server).call("DELETE", "/v1/tenants/off", &Value::Null).status, 204);
    let wrong = format!("{}{}", &server.key[..21], "0".repeat(52));
    let bearer = |key: &str| format!("Bearer {key}");
    let given = [
        bearer(&revoked.key),
        bearer(&expired.key),
        bearer(&other.key),
        bearer(&wrong),
        bearer("wrn_"),
        bearer("wrt_0_0"),
        bearer(""),
        format!("Basic {}", server.key),
        server.key.clone(),
    ];
    for route in Route::all(&server) {
        let path = route.at("a", &id, "default");
        let call = |headers: &[(&str, &str)]| server.request_as_it_is(&route.method, &path, headers, b"");
        let none = call(&[]);
        if route.scope.is_none() {
            assert_eq!(none.status, 200, "{path}");
            continue;
        }
        assert_eq!((none.status, none.header("www-authenticate")), (401, "Bearer realm=\"warren\""), "{path}");
        if route.method != "HEAD" {
            none.refused(401, "unauthorized");
        }
        for given in &given {
            assert_eq!(seen(&call(&[("authorization", given)])), seen(&none), "{given} at {} {path}", route.method);
        }
        let (good, bad) = (bearer(&server.key), bearer(&wrong));
        let two = call(&[("authorization", &good), ("authorization", &bad)]);
        assert_eq!(seen(&two), seen(&none), "two keys are none");
    }
}

#[test]
fn each_route_needs_its_scope() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let routes = Route::all(&server);
    let scopes: BTreeSet<String> = routes.iter().filter_map(|route| route.scope.clone()).collect();
    assert_eq!(scopes.len(), 10, "{scopes:?}");
    for lacked in &scopes {
        let others: Vec<&String> = scopes.iter().filter(|scope| *scope != lacked).collect();
        let (caller, _) = key(&server, "default", json!({ "name": "k", "scopes": others }));
        for route in &routes {
            let answer = caller.call(&route.method, &route.at("none", &"0".repeat(16), "none"), &route.body());
            let refused = answer.status == 403 && (route.method == "HEAD" || answer.text().contains(lacked));
            assert_eq!(
                refused,
                route.scope.as_ref() == Some(lacked),
                "{} {}: {}",
                route.method,
                route.path,
                answer.text()
            );
        }
    }
}

/// Every route, with the key of another tenant: as if there were nothing.
#[test]
fn another_tenants_things_are_like_none() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = serve(dir.path());
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    command.stderr(log);
    let server = Server::launch(command, dir.path(), &[]);
    let (a, b) = (tenant(&server, "a"), tenant(&server, "b"));
    let made = a.post("/v1/sessions", json!({ "name": "secret-1" }));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let ran = a.post("/v1/sessions/secret-1/exec", json!({ "command": "echo mine > f" }));
    assert_eq!(ran.json()["status"], 0, "{}", ran.text());
    assert_eq!(a.post("/v1/sessions/secret-1/checkpoint", json!({})).status, 201);
    let key_id = a.get("/v1/keys").json()["items"][0]["id"].as_str().unwrap().to_owned();
    let before = (a.get("/v1/sessions/secret-1").text(), a.get("/v1/keys").json()["items"].clone());
    let logged = std::fs::read(dir.path().join("log")).unwrap();

    // As long as the true ones, and nobody's.
    let no_id = format!("{}{}", &id[..25], if id.ends_with('0') { '1' } else { '0' });
    let no_key = format!("{}{}", &key_id[..15], if key_id.ends_with('0') { '1' } else { '0' });
    let mut compared = 0;
    for route in Route::all(&server).iter().filter(|route| route.path.contains('{')) {
        for (theirs, none) in [(&id, &no_id), (&"secret-1".to_owned(), &"secret-2".to_owned())] {
            let body = route.body();
            let theirs_at = route.at(theirs, &key_id, "a");
            let answer = b.call(&route.method, &theirs_at, &body);
            let nothing = b.call(&route.method, &route.at(none, &no_key, "z"), &body);
            let expected = if route.path.contains("{tenant}") { 403 } else { 404 };
            assert_eq!(answer.status, expected, "{} {theirs_at}: {}", route.method, answer.text());
            let (status, headers, text) = seen(&nothing);
            let text = text.replace(none, theirs).replace(&no_key, &key_id);
            assert_eq!(seen(&answer), (status, headers, text), "{} {theirs_at}", route.method);
            compared += 1;
        }
    }
    println!("{compared} pairs of answers were the same");
    // Lists hold nothing of it, and a list cannot be begun behind it to learn anything.
    for path in ["/v1/sessions".to_owned(), format!("/v1/sessions?after={id}"), format!("/v1/sessions?after={no_id}")] {
        assert_eq!(b.get(&path).json()["items"], json!([]), "{path}");
    }
    assert_eq!(b.get("/v1/keys").json()["items"].as_array().unwrap().len(), 1);
    b.get("/v1/keys?tenant=a").refused(403, "scope_missing");
    b.get("/v1/keys?tenant=z").refused(403, "scope_missing");
    // What was deleted is gone for its owner, and nothing for others.
    let gone = a.post("/v1/sessions", json!({ "name": "gone" })).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(a.call("DELETE", "/v1/sessions/gone", &Value::Null).status, 204);
    a.get(&format!("/v1/sessions/{gone}")).refused(410, "session_deleted");
    let (theirs, nothing) = (b.get(&format!("/v1/sessions/{gone}")), b.get(&format!("/v1/sessions/{no_id}")));
    let (status, headers, text) = seen(&nothing);
    assert_eq!((seen(&theirs), status), ((status, headers, text.replace(&no_id, &gone)), 404));
    // A name is taken within a tenant only.
    assert_eq!(b.post("/v1/sessions", json!({ "name": "secret-1" })).status, 201);
    assert_eq!(b.call("DELETE", "/v1/sessions/secret-1", &Value::Null).status, 204);

    let after = (a.get("/v1/sessions/secret-1").text(), a.get("/v1/keys").json()["items"].clone());
    assert_eq!(after.0, before.0, "nothing happened to it");
    let ids = |keys: &Value| keys.as_array().unwrap().iter().map(|key| key["state"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&after.1), ids(&before.1));
    assert_eq!(std::fs::read(dir.path().join("log")).unwrap(), logged, "nothing was logged");
}

#[test]
fn a_key_makes_no_key_that_may_do_more() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (small, small_id) = key(&server, "default", json!({ "name": "s", "scopes": ["keys:manage", "exec"] }));
    let (_, large_id) = key(&server, "default", json!({ "name": "l", "role": "admin" }));
    small.post("/v1/keys", json!({ "name": "x", "role": "viewer" })).refused(403, "scope_missing");
    small.post("/v1/keys", json!({ "name": "x", "scopes": ["tenants:manage"] })).refused(403, "scope_missing");
    small.post(&format!("/v1/keys/{large_id}/rotate"), json!({})).refused(403, "scope_missing");
    small.call("DELETE", &format!("/v1/keys/{large_id}"), &Value::Null).refused(403, "scope_missing");
    assert_eq!(small.post("/v1/keys", json!({ "name": "x", "scopes": ["exec"] })).status, 201);
    let made = small.get(&format!("/v1/keys/{large_id}"));
    assert_eq!((made.status, made.text().contains("wrn_")), (200, false));
    // Not even the operator makes an operator of another tenant.
    tenant(&server, "t");
    own(&server).post("/v1/keys?tenant=t", json!({ "name": "o", "role": "operator" })).refused(422, "invalid_request");
    own(&server)
        .post("/v1/keys?tenant=none", json!({ "name": "o", "role": "viewer" }))
        .refused(404, "tenant_not_found");
    for bad in [
        json!({ "name": "x" }),
        json!({ "name": "x", "role": "viewer", "scopes": ["exec"] }),
        json!({ "name": "", "role": "viewer" }),
        json!({ "name": "x", "role": "root" }),
        json!({ "name": "x", "scopes": [] }),
        json!({ "name": "x", "scopes": ["everything"] }),
        json!({ "name": "x", "role": "viewer", "tenant": "t" }),
    ] {
        own(&server).post("/v1/keys", bad).refused(422, "invalid_request");
    }
    own(&server).get("/v1/keys/x").refused(422, "invalid_request");
    own(&server).call("DELETE", "/v1/tenants/default", &Value::Null).refused(409, "own_tenant");
    own(&server).post("/v1/tenants", json!({ "id": "t" })).refused(409, "tenant_exists");
    own(&server).post("/v1/tenants", json!({ "id": "_registry" })).refused(422, "invalid_request");

    // Rotation: both secrets for the grace, then one.
    let rotated = small.post(&format!("/v1/keys/{small_id}/rotate"), json!({ "grace": "1h" })).json();
    let new = Caller { server: &server, key: rotated["key"].as_str().unwrap().to_owned() };
    assert_eq!((small.get("/v1/keys").status, new.get("/v1/keys").status), (200, 200));
    let rotated = new.post(&format!("/v1/keys/{small_id}/rotate"), json!({ "grace": "0s" }));
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    assert_eq!((small.get("/v1/keys").status, new.get("/v1/keys").status), (401, 401));
}

#[test]
fn a_token_is_for_one_session_and_its_verbs() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let (admin, admin_id) = key(&server, "default", json!({ "name": "k", "role": "admin" }));
    for name in ["a", "b"] {
        assert_eq!(admin.post("/v1/sessions", json!({ "name": name })).status, 201);
    }
    let scopes = ["sessions:read", "sessions:write", "exec", "files:read", "files:write"];
    let made = admin.post("/v1/sessions/a/tokens", json!({ "scopes": scopes }));
    assert_eq!(made.status, 201, "{}", made.text());
    let token = Caller { server: &server, key: made.json()["token"].as_str().unwrap().to_owned() };
    let ran = token.post("/v1/sessions/a/exec", json!({ "command": "echo hi" }));
    assert_eq!(ran.json()["stdout"], "hi\n", "{}", ran.text());
    for route in Route::all(&server).iter().filter(|route| route.scope.is_some()) {
        let answer = token.call(&route.method, &route.at("b", &admin_id, "default"), &route.body());
        let nothing = token.call(&route.method, &route.at("c", &admin_id, "default"), &route.body());
        let expected = if route.token { 404 } else { 403 };
        assert_eq!(answer.status, expected, "{} {}: {}", route.method, route.path, answer.text());
        assert_eq!(answer.text(), nothing.text().replace("`c`", "`b`"), "{} {}", route.method, route.path);
    }
    let some = admin.post("/v1/sessions/a/tokens", json!({ "scopes": ["files:read"], "life": "1m" })).json();
    let some = Caller { server: &server, key: some["token"].as_str().unwrap().to_owned() };
    some.post("/v1/sessions/a/exec", json!({ "command": "true" })).refused(403, "scope_missing");
    assert_eq!(some.get("/v1/sessions/a/files/").status, 200);
    for bad in [
        json!({ "scopes": [] }),
        json!({ "scopes": ["keys:manage"] }),
        json!({ "scopes": ["exec"], "life": "61m" }),
        json!({ "scopes": ["exec"], "life": "0s" }),
    ] {
        admin.post("/v1/sessions/a/tokens", bad).refused(422, "invalid_request");
    }
    // A token ends with its key, and so does a stream that it reads.
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head =
        format!("GET /v1/sessions/a/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n", token.key);
    write!(stream, "{head}connection: close\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    assert_eq!(own(&server).call("DELETE", &format!("/v1/keys/{admin_id}"), &Value::Null).status, 204);
    for dead in [&token, &some, &admin] {
        dead.get("/v1/sessions/a").refused(401, "unauthorized");
    }
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the stream ends as it should: {rest}");
}

#[test]
fn secrets_of_the_configuration_are_the_nodes_own() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("value"), "for the operator").unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, format!("[secrets.s]\nfile = \"{}\"\n", dir.path().join("value").display())).unwrap();
    let server = Server::start_with(dir.path(), &[("WARREN_CONFIG", file.to_str().unwrap())]);
    let spec = json!({ "name": "s", "secrets": { "A": "s" } });
    assert_eq!(own(&server).post("/v1/sessions", spec.clone()).status, 201);
    assert_eq!(server.exec("s", "echo $A")["stdout"], "for the operator\n");
    let other = tenant(&server, "t");
    let refused = other.post("/v1/sessions", spec);
    refused.refused(422, "invalid_request");
    let none = other.post("/v1/sessions", json!({ "name": "s", "secrets": { "A": "x" } }));
    assert_eq!(refused.text(), none.text().replace("`x`", "`s`"));
}

#[test]
fn keys_and_tenants_outlive_the_server() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let made = tenant(&server, "t");
    assert_eq!(made.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let (revoked, id) = key(&server, "t", json!({ "name": "r", "role": "member" }));
    assert_eq!(own(&server).call("DELETE", &format!("/v1/keys/{id}?tenant=t"), &Value::Null).status, 204);
    let (made, revoked) = (made.key, revoked.key);
    server.kill();
    let server = Server::start(dir.path());
    assert_eq!(Caller { server: &server, key: made }.get("/v1/sessions/a").status, 200);
    Caller { server: &server, key: revoked }.get("/v1/sessions").refused(401, "unauthorized");
    own(&server).get("/v1/sessions/a").refused(404, "session_not_found");
}

/// A data folder of a version that knew no keys: its sessions are those of the tenant that is made.
#[test]
fn a_folder_without_keys_gets_its_first() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    assert_eq!(own(&server).post("/v1/sessions", json!({ "name": "a" })).status, 201);
    server.exec("a", "echo old > f");
    let old = server.key.clone();
    assert_eq!(server.stop(), Some(0));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = DiskStore::open(&dir.path().join("store")).unwrap();
    let gone = runtime.block_on(async {
        let page = store.list("_registry/", None, 1000).await.unwrap();
        for entry in &page.entries {
            store.delete(&entry.key).await.unwrap();
        }
        page.entries.len()
    });
    assert_eq!(gone, 3, "a tenant, a key, and that the tenant has it");
    drop(store);
    std::fs::remove_file(dir.path().join("client.key")).unwrap();

    let server = Server::start(dir.path());
    assert_ne!(server.key, old);
    assert_eq!(server.exec("a", "cat f")["stdout"], "old\n");
    Caller { server: &server, key: old }.get("/v1/sessions").refused(401, "unauthorized");
}

#[test]
fn the_first_key_is_shown_once_and_kept_for_the_own_clients() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let shown = |arguments: &[&str]| {
        let mut child =
            serve(dir.path()).args(arguments).stdout(Stdio::piped()).env_remove("JOURNAL_STREAM").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("warren serves at "), "{first}");
        // A client of this machine needs to be told nothing but where the data is.
        let url = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap().trim_end_matches(',');
        let mut client = common::warren();
        client.args(["session", "list", "--url", url]).env("WARREN_DATA__DIR", dir.path()).env_remove("WARREN_KEY");
        let listed = client.output().unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(child.wait().unwrap().success());
        rest
    };
    let key = || format!("key: {}", std::fs::read_to_string(dir.path().join("client.key")).unwrap().trim());
    let first = shown(&[]);
    assert_eq!(first, [key()]);
    assert_eq!(shown(&[]), Vec::<String>::new());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(dir.path().join("client.key")).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    let again = shown(&["--new-key"]);
    assert_eq!(again, [key()]);
    assert_ne!(again, first);
}

#[test]
fn keys_and_tenants_by_the_command_line() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let run = |arguments: &[&str]| {
        let mut command = common::warren();
        command.args(arguments).env("WARREN_URL", &server.url).env("WARREN_KEY", &server.key);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let good = |arguments: &[&str]| {
        let (code, out, err) = run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {err}");
        out
    };
    assert!(good(&["tenant", "create", "acme", "--title", "Acme"]).contains("acme"));
    let key = good(&["key", "create", "ci", "--role", "member", "--tenant", "acme"]);
    let key = key.trim();
    assert!(good(&["session", "--key", key, "create", "--name", "a"]).contains('a'));
    assert!(!good(&["session", "list"]).contains(" a "), "another tenant's");
    let listed: Value = serde_json::from_str(&good(&["key", "list", "--tenant", "acme", "--json"])).unwrap();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((listed[0]["name"].as_str(), key.contains(&id)), (Some("ci"), true));
    let table = good(&["key", "list", "--tenant", "acme"]);
    assert!(table.starts_with("ID ") && table.contains("member") && !table.contains("wrn_"), "{table}");
    let new = good(&["key", "rotate", &id, "--tenant", "acme", "--grace", "0s"]);
    let (code, _, err) = run(&["session", "list", "--key", key]);
    assert_eq!(code, Some(125));
    assert!(err.contains("unauthorized") && err.contains("client.key"), "{err}");
    good(&["session", "list", "--key", new.trim()]);
    assert!(good(&["tenant", "disable", "acme"]).contains("false"));
    assert_eq!(run(&["session", "list", "--key", new.trim()]).0, Some(125));
    assert!(good(&["tenant", "enable", "acme"]).contains("true"));
    good(&["session", "list", "--key", new.trim()]);
    good(&["key", "revoke", &id, "--tenant", "acme"]);
    assert_eq!(run(&["session", "list", "--key", new.trim()]).0, Some(125));
    assert_eq!(good(&["tenant", "list"]).lines().count(), 3);
    assert!(run(&["key", "create", "x"]).2.contains("--role"));
}
