//! Clients of a server that something in front does TLS for, with a certificate of the test's own.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

pub mod common;

use common::screen::Screen;
use common::server::Server;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Does TLS in front of a server.
struct Front {
    port: u16,
    /// What a client has to trust.
    authority: PathBuf,
    _runtime: Runtime,
}

/// The certificate is for these names, of an authority whose own is put into `dir`.
fn front(server: &Server, dir: &std::path::Path, names: &[&str]) -> Front {
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let file = dir.join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap();
    let certificate = certificate.signed_by(&key, &Issuer::new(params, authority_key)).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = server.address().to_owned();
    runtime.spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (acceptor, address) = (acceptor.clone(), address.clone());
            tokio::spawn(async move {
                // Who does not trust the certificate goes away here.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Front { port, authority: file, _runtime: runtime }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn requests_go_over_tls_to_who_is_trusted() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let front = front(&server, dir.path(), &["127.0.0.1", "localhost"]);
    let run = |url: &str, trusted: bool, arguments: &[&str]| -> Output {
        let mut command = server.client(arguments);
        command.env("WARREN_URL", url).env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        if trusted {
            command.env("SSL_CERT_FILE", &front.authority);
        }
        command.output().unwrap()
    };
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{}", front.port);
        let listed = run(&url, true, &["session", "list"]);
        assert!(listed.status.success() && text(&listed.stdout).contains("active"), "{}", text(&listed.stderr));
        let ran = run(&url, true, &["session", "exec", "a", "echo over tls"]);
        assert_eq!(text(&ran.stdout), "over tls\n", "{}", text(&ran.stderr));
    }
    let url = format!("https://127.0.0.1:{}", front.port);
    let seen = run(&url, true, &["doctor", "--json"]);
    let seen: serde_json::Value = serde_json::from_slice(&seen.stdout).unwrap();
    let of = |check: &str| seen["findings"].as_array().unwrap().iter().find(|it| it["check"] == check).unwrap();
    assert_eq!((&of("server")["level"], &of("key")["level"]), (&json!("ok"), &json!("ok")), "{seen}");
    // Who is not trusted is told nothing, the key least of all; who speaks no TLS is no server.
    let refused = run(&url, false, &["session", "list"]);
    assert_eq!(refused.status.code(), Some(125));
    assert!(text(&refused.stderr).contains("SSL_CERT_FILE"), "{}", text(&refused.stderr));
    let plain = run(&format!("https://{}", server.address()), true, &["session", "list"]);
    assert!(text(&plain.stderr).contains("TLS"), "{}", text(&plain.stderr));
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let front = front(&server, dir.path(), &["warren.example"]);
    let mut command = server.client(&["session", "list"]);
    command.env("WARREN_URL", format!("https://localhost:{}", front.port)).env("SSL_CERT_FILE", &front.authority);
    let refused = command.output().unwrap();
    assert_eq!(refused.status.code(), Some(125));
    assert!(text(&refused.stderr).contains("TLS"), "{}", text(&refused.stderr));
}

#[test]
fn a_terminal_is_attached_over_tls() {
    if !common::software() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    assert_eq!(server.post("/v1/sessions", json!({ "name": "a" })).status, 201);
    let front = front(&server, dir.path(), &["localhost"]);
    let url = format!("https://localhost:{}", front.port);
    let trusted = front.authority.to_str().unwrap();
    let variables = [("WARREN_URL", &*url), ("WARREN_KEY", &*server.key), ("SSL_CERT_FILE", trusted)];
    let Some(mut screen) = Screen::open(&["attach", "a"], &variables) else { return };
    screen.sees("$ ");
    screen.keys("echo se\"\"cret\r");
    screen.sees("secret\r\n");
    screen.keys("\x10\x11");
    screen.sees("detached");
    assert_eq!(screen.ends(), Some(0));
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let untrusted = [("WARREN_URL", &*url), ("WARREN_KEY", &*server.key), ("SSL_CERT_FILE", empty.to_str().unwrap())];
    let mut screen = Screen::open(&["attach", "a", "--read-only"], &untrusted).unwrap();
    screen.sees("no TLS with the server");
    assert_eq!(screen.ends(), Some(125));
}
