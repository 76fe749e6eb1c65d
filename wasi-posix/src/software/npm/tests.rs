#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]
use super::super::pin::PackageKind;
use super::*;
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A registry of one file on this machine, which misbehaves as told.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// What the server does with one request: the number of the request, its head, and where to write.
type Handler = Box<dyn Fn(usize, &str, &mut TcpStream) + Send>;

impl Server {
    fn start(handler: Handler) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/npm/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).unwrap() > 2 {}
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(head.clone());
                    seen.len()
                };
                handler(number, &head, &mut stream);
            }
        });
        Server { url, requests }
    }

    fn head(&self, number: usize) -> String {
        self.requests.lock().unwrap()[number - 1].clone()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn respond(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    let _ = stream.write_all(body);
}

/// A server that knows Range, and drops the first `drops` connections after half of what they asked for.
fn good(body: Vec<u8>, etag: &'static str, drops: usize) -> Handler {
    Box::new(move |number, head, stream| {
        let start = header(head, "range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok())
            .filter(|_| header(head, "if-range").is_none_or(|tag| tag == etag));
        let rest = &body[start.unwrap_or(0)..];
        let sent = if number <= drops { &rest[..rest.len() / 2] } else { rest };
        let tag = if etag.is_empty() { String::new() } else { format!("ETag: {etag}\r\n") };
        let length = format!("{tag}Content-Length: {}\r\n", rest.len());
        match start {
            None => respond(stream, "200 OK", &length, sent),
            Some(start) => {
                let range = format!("{length}Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
                respond(stream, "206 Partial Content", &range, sent);
            }
        }
    })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn body() -> Vec<u8> {
    (0..200_000u32).flat_map(|number| number.to_le_bytes()).collect()
}

fn pin(body: &[u8]) -> Pin {
    Pin {
        name: "tool".into(),
        package: "@scope/tool-set".into(),
        version: "1.2.3".into(),
        integrity: Integrity::of(body).unwrap().to_string(),
        size: Some(body.len() as u64),
        kind: PackageKind::Commands,
    }
}

fn registry(url: &str, folder: &Path) -> Registry {
    let value = OsString::from(url);
    let lookup = move |name: &str| (name == "npm_config_registry").then(|| value.clone());
    Registry::from_environment(&lookup, folder).unwrap().without_proxy().with_retry_pause(Duration::from_millis(1))
}

fn fetch(handler: Handler, pin: &Pin) -> (Result<Vec<u8>, NpmError>, Server, tempfile::TempDir) {
    let server = Server::start(handler);
    let folder = tempfile::tempdir().unwrap();
    let result = registry(&server.url, folder.path())
        .fetch(folder.path(), pin, &|_| {})
        .map(|download| fs::read(download.path()).unwrap());
    (result, server, folder)
}

#[test]
fn a_tarball_comes_from_where_npm_would_get_it() {
    let body = body();
    let (result, server, _folder) = fetch(good(body.clone(), "", 0), &pin(&body));
    assert_eq!(result.unwrap(), body);
    assert!(server.head(1).starts_with("GET /npm/@scope/tool-set/-/tool-set-1.2.3.tgz HTTP/1.1"), "{}", server.head(1));
    assert_eq!(header(&server.head(1), "range"), None);
}

#[test]
fn a_broken_connection_is_resumed() {
    for etag in ["", "\"v1\""] {
        let body = body();
        let (result, server, _folder) = fetch(good(body.clone(), etag, 2), &pin(&body));
        assert_eq!(result.unwrap(), body);
        assert_eq!(server.count(), 3);
        assert_eq!(header(&server.head(2), "range"), Some("bytes=400000-"));
        assert_eq!(header(&server.head(2), "if-range"), Some(etag).filter(|etag| !etag.is_empty()));
        assert_eq!(header(&server.head(3), "range"), Some("bytes=600000-"));
    }
}

#[test]
fn a_file_that_changed_meanwhile_starts_again() {
    let body = body();
    let served = body.clone();
    let handler: Handler = Box::new(move |number, head, stream| {
        let etag = if number == 1 { "\"old\"" } else { "\"new\"" };
        good(served.clone(), etag, if number == 1 { 1 } else { 0 })(number, head, stream);
    });
    let (result, server, _folder) = fetch(handler, &pin(&body));
    assert_eq!(result.unwrap(), body);
    assert_eq!(header(&server.head(2), "if-range"), Some("\"old\""));
}

#[test]
fn an_interrupted_download_goes_on_in_the_next_process() {
    let body = body();
    let pin = pin(&body);
    let server = Server::start(good(body.clone(), "", 0));
    let folder = tempfile::tempdir().unwrap();
    let part = folder.path().join("@scope+tool-set@1.2.3.part");
    fs::write(&part, &body[..1000]).unwrap();
    let registry = registry(&server.url, folder.path());
    let download = registry.fetch(folder.path(), &pin, &|_| {}).unwrap();
    assert_eq!(header(&server.head(1), "range"), Some("bytes=1000-"));
    assert_eq!((download.size(), download.path()), (body.len() as u64, part.as_path()));
    drop(download);
    // Complete, but not installed: the next try needs no network.
    let download = registry.fetch(folder.path(), &pin, &|_| {}).unwrap();
    assert_eq!(server.count(), 1);
    download.discard();
    assert!(!part.exists());
}

#[test]
fn a_server_without_ranges_starts_again() {
    let body = body();
    let served = body.clone();
    let handler: Handler = Box::new(move |number, _, stream| {
        let length = format!("Content-Length: {}\r\n", served.len());
        let sent = if number == 1 { &served[..9000] } else { &served[..] };
        respond(stream, "200 OK", &length, sent);
    });
    let (result, server, _folder) = fetch(handler, &pin(&body));
    assert_eq!(result.unwrap(), body);
    assert_eq!(server.count(), 2);
}

#[test]
fn wrong_bytes_are_deleted_and_both_hashes_named() {
    let body = body();
    let mut wrong = body.clone();
    wrong[5] ^= 1;
    let (result, _server, folder) = fetch(good(wrong.clone(), "\"x\"", 0), &pin(&body));
    let error = result.unwrap_err();
    let message = error.to_string();
    assert!(matches!(error, NpmError::Integrity { .. }), "{message}");
    for bytes in [&body, &wrong] {
        assert!(message.contains(&Integrity::of(&bytes[..]).unwrap().to_string()), "{message}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_wrong_part_is_not_appended() {
    let body = body();
    let served = body.clone();
    let handler: Handler = Box::new(move |number, head, stream| {
        if number == 2 {
            let range = format!("Content-Length: 10\r\nContent-Range: bytes 0-9/{}\r\n", served.len());
            return respond(stream, "206 Partial Content", &range, &[0; 10]);
        }
        good(served.clone(), "", 1)(number, head, stream);
    });
    let (result, server, _folder) = fetch(handler, &pin(&body));
    assert_eq!(result.unwrap(), body);
    assert_eq!(header(&server.head(3), "range"), None);
}

#[test]
fn sizes_are_checked_before_the_bytes() {
    let body = body();
    let mut short = pin(&body);
    short.size = Some(1000);
    let (result, _server, folder) = fetch(good(body.clone(), "", 0), &short);
    assert!(matches!(result, Err(NpmError::WrongSize { expected: 1000, found: 800_000, .. })), "{result:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    // Without a length in the answer, the bytes are counted as they come.
    let endless: Handler = Box::new(|_, _, stream| {
        respond(stream, "200 OK", "", &[]);
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    let (result, _server, folder) = fetch(endless, &pin(&body));
    assert!(matches!(result, Err(NpmError::WrongSize { .. })), "{result:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_size_that_is_not_pinned_is_learnt() {
    let body = body();
    let mut unsized_pin = pin(&body);
    unsized_pin.size = None;
    let (result, server, _folder) = fetch(good(body.clone(), "", 1), &unsized_pin);
    assert_eq!(result.unwrap(), body);
    assert_eq!(server.count(), 2);
    // A complete part of unknown size: the server says that there is no more.
    let served = body.len();
    let server = Server::start(Box::new(move |_, _, stream| {
        respond(
            stream,
            "416 Range Not Satisfiable",
            &format!("Content-Range: bytes */{served}\r\nContent-Length: 0\r\n"),
            &[],
        );
    }));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("@scope+tool-set@1.2.3.part"), &body).unwrap();
    assert!(registry(&server.url, folder.path()).fetch(folder.path(), &unsized_pin, &|_| {}).is_ok());
}

#[test]
fn three_tries_then_the_user_is_told_what_to_do() {
    let body = body();
    let handler: Handler = Box::new(|_, _, stream| respond(stream, "503 Busy", "Content-Length: 0\r\n", &[]));
    let (result, server, _folder) = fetch(handler, &pin(&body));
    let message = result.unwrap_err().to_string();
    assert_eq!(server.count(), 3);
    assert!(message.contains("503") && message.contains("warren software add tool --from"), "{message}");
}

#[test]
fn nobody_listening_is_being_offline() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tries = RefCell::new(0);
    let registry = registry(&format!("http://{unused}/"), folder.path());
    let result = registry.fetch(folder.path(), &pin(&body()), &|progress| {
        *tries.borrow_mut() += u32::from(matches!(progress, Progress::Retrying { .. }));
    });
    let error = result.unwrap_err();
    assert!(matches!(error, NpmError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("@scope/tool-set@1.2.3"), "{error}");
    assert_eq!(*tries.borrow(), 2);
}

#[test]
fn refusals_are_not_tried_again() {
    let body = body();
    let not_found: Handler = Box::new(|_, _, stream| respond(stream, "404 No", "Content-Length: 0\r\n", &[]));
    let (result, server, _folder) = fetch(not_found, &pin(&body));
    assert!(matches!(result, Err(NpmError::NotFound { .. })));
    assert_eq!(server.count(), 1);
    let forbidden: Handler = Box::new(|_, _, stream| respond(stream, "401 No", "Content-Length: 0\r\n", &[]));
    let (result, _server, _folder) = fetch(forbidden, &pin(&body));
    assert!(matches!(result, Err(NpmError::Forbidden { status: 401, .. })));
}

#[test]
fn a_second_process_waits_and_then_finds_the_bytes() {
    let body = body();
    let server = Server::start(good(body.clone(), "", 0));
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&server.url, folder.path());
    let first = registry.fetch(folder.path(), &pin(&body), &|_| {}).unwrap();
    let second = std::thread::scope(|scope| {
        let second =
            scope.spawn(|| registry.fetch(folder.path(), &pin(&body), &|_| {}).map(|download| download.size()));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap()
    });
    assert_eq!(second.unwrap(), body.len() as u64);
    assert_eq!(server.count(), 1);
}

fn configured(files: &[(&str, &str)], environment: &[(&str, &str)]) -> (Registry, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let home = folder.path().join("home");
    let lookup = |name: &str| match name {
        "HOME" => Some(home.clone().into()),
        _ => environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into()),
    };
    let registry = Registry::from_environment(&lookup, &folder.path().join("work/deep")).unwrap();
    (registry, folder)
}

fn asked(files: &[(&str, &str)], environment: &[(&str, &str)]) -> (String, Option<String>) {
    let (registry, _folder) = configured(files, environment);
    let request = registry.request(&pin(b"")).unwrap();
    (request.url, request.authorization)
}

const TARBALL: &str = "@scope/tool-set/-/tool-set-1.2.3.tgz";

#[test]
fn registries_are_chosen_as_npm_chooses_them() {
    let default = deno_npmrc::NPM_DEFAULT_REGISTRY;
    assert_eq!(asked(&[], &[]).0, format!("{default}/{TARBALL}"));
    let user = ("home/.npmrc", "registry=https://user.test/r\n");
    let project = ("work/.npmrc", "registry = https://project.test/\n");
    let package = ("work/package.json", "{}");
    let scoped = ("work/.npmrc", "@scope:registry=https://scoped.test/npm\n");
    assert_eq!(asked(&[user], &[]).0, format!("https://user.test/r/{TARBALL}"));
    assert_eq!(asked(&[user, project, package], &[]).0, format!("https://project.test/{TARBALL}"));
    assert_eq!(asked(&[user, scoped, package], &[]).0, format!("https://scoped.test/npm/{TARBALL}"));
    for name in ["npm_config_registry", "NPM_CONFIG_REGISTRY"] {
        let environment = [(name, "https://env.test/x")];
        assert_eq!(asked(&[user, project, package], &environment).0, format!("https://env.test/x/{TARBALL}"));
        assert_eq!(asked(&[scoped, package], &environment).0, format!("https://scoped.test/npm/{TARBALL}"));
    }
}

#[test]
fn credentials_go_only_where_they_belong() {
    let ask = |text: &str| asked(&[("home/.npmrc", text)], &[("SECRET", "s3cret")]).1;
    let registry = "registry=https://user.test/r/\n";
    assert_eq!(ask(registry), None);
    assert_eq!(ask(&format!("{registry}//user.test/r/:_authToken=${{SECRET}}\n")).unwrap(), "Bearer s3cret");
    assert_eq!(ask(&format!("{registry}//user.test/:_auth=Zm9v\n")).unwrap(), "Basic Zm9v");
    assert_eq!(ask(&format!("{registry}//other.test/:_authToken=x\n")), None);
    let pair = format!("{registry}//user.test/r/:username=me\n//user.test/r/:_password=cGFzcw==\n");
    assert_eq!(ask(&pair).unwrap(), "Basic bWU6cGFzcw==");
}

#[test]
fn unusable_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let from = |value: &'static str| {
        let lookup = move |name: &str| (name == "NPM_CONFIG_REGISTRY").then(|| value.into());
        Registry::from_environment(&lookup, folder.path())
    };
    assert!(matches!(from("not a url"), Err(NpmConfigError::Environment)));
    assert!(from("").is_ok(), "an empty variable is an unset one");
    fs::write(folder.path().join(".npmrc"), [0xff, 0xfe]).unwrap();
    assert!(matches!(from(""), Err(NpmConfigError::NotText { .. })));
    fs::write(folder.path().join(".npmrc"), "registry=::::\n").unwrap();
    assert!(matches!(from(""), Err(NpmConfigError::Url { .. })));
}

#[test]
fn messages_and_debug_output_hold_no_credentials() {
    let (registry, _folder) =
        configured(&[("home/.npmrc", "registry=https://me:hush@user.test/\n//user.test/:_authToken=hush\n")], &[]);
    assert!(!registry.request(&pin(b"")).unwrap().registry.contains("hush"));
    assert!(!format!("{registry:?}").contains("hush"));
}

#[test]
fn names_that_would_reach_elsewhere_are_refused() {
    let (registry, _folder) = configured(&[], &[]);
    for package in ["../x", "@a/../b", "https://evil.test/x", "@scope", "a/b/c", "", "@/x", "a+b"] {
        let pin = Pin { package: package.into(), ..pin(b"") };
        assert!(registry.request(&pin).is_err(), "{package}");
    }
    let pin = Pin { version: "1/../../x".into(), ..pin(b"") };
    assert!(registry.request(&pin).is_err());
}

#[test]
fn only_sha512_is_an_integrity() {
    let hash = Integrity::of(&b"x"[..]).unwrap();
    assert_eq!(Integrity::parse(&hash.to_string()), Ok(hash));
    assert_eq!(Integrity::parse(&format!("sha1-abc {hash}?opt")), Ok(hash));
    let other = Integrity::of(&b"y"[..]).unwrap();
    for bad in [String::new(), "sha1-abcd".into(), "sha512-abcd".into(), "sha512-!".into(), format!("{hash} {other}")] {
        assert!(Integrity::parse(&bad).is_err(), "{bad}");
    }
}
