//! Who is let in, and who stays.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]
mod common;

use common::{another, cluster, deadline, first, get, limits, ok, serve, soon, until};
use http_body_util::BodyExt;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use warren_ownership::name::NodeId;
use warren_peers::api::Calls;
use warren_peers::api::calls::CallsError;
use warren_peers::client::CallError;
use warren_peers::trust::join::{JoinError, Refused, join};
use warren_peers::trust::{Credentials, Folder, Token, Tokens};
use warren_peers::wire::tls::Tls;
use warren_peers::wire::{Dial, DialError};
use warren_peers::{Peers, Target};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_node_joins_and_is_known_by_all() {
    let nodes = cluster(3, limits()).await;
    for asks in &nodes {
        for asked in &nodes {
            let status = Calls::new(asks.peers.clone()).status(&asked.target(), deadline()).await.unwrap();
            assert_eq!(status.node, asked.id, "n{} asks n{}", asks.id.0, asked.id.0);
        }
    }
    for node in &nodes {
        for file in std::fs::read_dir(node.trust().path()).unwrap().flatten() {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            let wanted = if file.metadata().unwrap().is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode, wanted, "{}", file.path().display());
        }
    }
    assert!(!nodes[1].trust().path().join("authority.pem").exists(), "the authority's key stays where it was made");
    let again = nodes[1].trust().init(NodeId(9), SystemTime::now()).unwrap_err();
    assert!(again.to_string().contains("has a node's key already"), "{again}");
}

#[tokio::test]
async fn a_token_lets_one_node_in_once_and_not_after_its_time() {
    let node = first(limits()).await;
    let (tokens, address) = (Tokens::of(&node.trust()), node.address.to_string());
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Folder::new(folder.path().join(name));
    let now = SystemTime::now();
    let refused = |error: JoinError| match error {
        JoinError::Refused { code, detail, .. } => (code, detail),
        other => panic!("{other}"),
    };

    let token = tokens.make(&node.credentials, NodeId(2), now, HOUR).unwrap();
    let printed: Token = token.to_string().parse().unwrap();
    assert_eq!(printed, token);
    assert!(!format!("{token:?}").contains(&token.to_string()[40..]), "its secret is not printed by chance");
    join(&at("two"), &address, &printed).await.unwrap();
    let (code, detail) = refused(join(&at("again"), &address, &token).await.unwrap_err());
    assert_eq!(code, Refused::TokenUsed, "{detail}");
    assert!(!at("again").path().exists(), "nothing is kept of a node that was not let in");

    let expired = tokens.make(&node.credentials, NodeId(3), now - HOUR, HOUR).unwrap();
    assert_eq!(refused(join(&at("late"), &address, &expired).await.unwrap_err()).0, Refused::TokenExpired);
    let text = token.to_string();
    let wrong: Token = format!("{}{}", &text[..text.len() - 64], "0".repeat(64)).parse().unwrap();
    assert_eq!(refused(join(&at("wrong"), &address, &wrong).await.unwrap_err()).0, Refused::TokenWrong);
    for not_one in ["", "warren1", "warren2.x.n1.a.b", &text[1..], &format!("{text}0"), &format!("{text}.x")] {
        assert!(not_one.parse::<Token>().is_err(), "{not_one}");
    }
    // Of the token only its hash is kept.
    for file in std::fs::read_dir(node.trust().path().join("tokens")).unwrap().flatten() {
        let kept = format!("{} {}", file.path().display(), std::fs::read_to_string(file.path()).unwrap());
        assert!(!kept.contains(&text[text.len() - 64..]), "{kept}");
    }
}

#[tokio::test]
async fn the_secret_is_shown_to_nobody_but_the_authority_of_the_token() {
    let (ours, theirs) = (first(limits()).await, first(limits()).await);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| Folder::new(folder.path().join(name));
    let token = Tokens::of(&ours.trust()).make(&ours.credentials, NodeId(2), SystemTime::now(), HOUR).unwrap();

    let error = join(&at("a"), &theirs.address.to_string(), &token).await.unwrap_err();
    assert!(matches!(error, JoinError::Foreign { .. }), "{error}");
    let mut other = token.clone();
    other.fingerprint = [7; 32];
    let error = join(&at("b"), &ours.address.to_string(), &other).await.unwrap_err();
    assert!(matches!(&error, JoinError::Fingerprint { pinned, .. } if *pinned == "07".repeat(32)), "{error}");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = join(&at("c"), &nobody.to_string(), &token).await.unwrap_err();
    assert!(matches!(error, JoinError::Unreachable { .. }), "{error}");
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = web.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = web.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let error = join(&at("d"), &address.to_string(), &token).await.unwrap_err();
    assert!(matches!(error, JoinError::Protocol { .. }), "{error}");

    // None of that has used it up.
    join(&at("e"), &ours.address.to_string(), &token).await.unwrap();
    // A node that does not hold the authority's key says who does.
    let second = serve_folder(folder.path().join("e")).await;
    let token = Tokens::of(&second.trust()).make(&second.credentials, NodeId(3), SystemTime::now(), HOUR).unwrap();
    let error = join(&at("f"), &second.address.to_string(), &token).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused { code: Refused::NoAuthority, .. }), "{error}");
}

async fn serve_folder(path: std::path::PathBuf) -> common::Node {
    let folder = tempfile::tempdir().unwrap();
    std::fs::rename(path, folder.path().join("cluster")).unwrap();
    common::start(folder, limits()).await
}

#[tokio::test]
async fn who_shows_no_certificate_of_this_cluster_gets_nothing() {
    let (ours, theirs) = (first(limits()).await, first(limits()).await);
    ours.double().answers(|_, _, _, _| async { ok("let in") });

    // Of another cluster: neither trusts the other.
    let foreign = Tls::new(theirs.credentials.clone()).dial(&ours.target()).await.unwrap_err();
    assert!(matches!(foreign, DialError::Untrusted { .. }), "{foreign}");
    let call = theirs.peers.call(&ours.target(), common::direct("/", warren_peers::body::empty()), deadline()).await;
    assert!(matches!(call, Err(CallError::Unreachable { .. })), "{call:?}");

    // Without a certificate: the handshake ends with an alert, and no answer comes.
    let answer = bare(ours.address, &[&b"h2"[..]]).await;
    assert!(!answer.windows(6).any(|part| part == b"let in"), "{answer:?}");
    assert_eq!(ours.running(), 0);
    // In the clear.
    let mut stream = TcpStream::connect(ours.address).await.unwrap();
    stream.write_all(b"GET /call/status HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon("the connection is closed", stream.read_to_end(&mut answer)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

/// A TLS client that trusts anybody and shows nothing.
async fn bare(to: std::net::SocketAddr, protocols: &[&[u8]]) -> Vec<u8> {
    #[derive(Debug)]
    struct Anybody;
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &rustls::DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
        }
    }
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(to).await.unwrap();
    let name = "anybody.example".try_into().unwrap();
    let mut stream = match tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => stream,
        Err(_) => return Vec::new(),
    };
    let _ = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut answer = Vec::new();
    let _ = soon("the connection is closed", stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn a_call_to_a_node_reaches_that_node_or_none() {
    let nodes = cluster(3, limits()).await;
    let wrong = Target::new(NodeId(3), &nodes[1].address.to_string());
    let error = Tls::new(nodes[0].credentials.clone()).dial(&wrong).await.unwrap_err();
    assert!(matches!(&error, DialError::Other { found, .. } if found.contains("n2.")), "{error}");
    let error = Calls::new(nodes[0].peers.clone()).status(&wrong, deadline()).await.unwrap_err();
    assert!(matches!(error, CallsError::Call(CallError::Unreachable { .. })), "{error}");
    let right = nodes[2].target();
    let status = Calls::new(nodes[0].peers.clone()).status(&right, deadline()).await.unwrap();
    assert_eq!(status.node, NodeId(3), "a new address is used at once");
}

#[tokio::test]
async fn a_revoked_certificate_ends_what_is_there_and_what_is_to_come() {
    let nodes = cluster(2, limits()).await;
    nodes[0].double().answers(|_, _, _, _| async {
        std::future::pending::<()>().await;
        ok("")
    });
    let (peers, to) = (nodes[1].peers.clone(), nodes[0].target());
    let call = tokio::spawn(async move {
        peers.call(&to, common::direct("/", warren_peers::body::empty()), deadline()).await.map(drop)
    });
    until("it runs", || nodes[0].running() == 1).await;
    let revoked = nodes[0].trust().path().join("revoked");
    std::fs::write(&revoked, "# lost\nn2\n").unwrap();
    std::fs::set_permissions(&revoked, std::fs::Permissions::from_mode(0o600)).unwrap();
    nodes[0].credentials.reload().unwrap();
    let error = soon("the call ends", call).await.unwrap().unwrap_err();
    assert!(!error.is_nothing_done(), "{error}");
    until("the request ends", || nodes[0].running() == 0).await;
    let calls = Calls::new(nodes[1].peers.clone());
    let error = calls.status(&nodes[0].target(), deadline()).await.unwrap_err();
    assert!(matches!(error, CallsError::Call(_)), "{error}");
    let calls = Calls::new(nodes[0].peers.clone());
    let error = calls.status(&nodes[1].target(), deadline()).await.unwrap_err().to_string();
    assert!(error.contains("revoked"), "{error}");
    // What cannot be read is refused, and what counted before goes on.
    std::fs::write(&revoked, "node two\n").unwrap();
    assert!(nodes[0].credentials.reload().unwrap_err().to_string().contains("node two"));
    std::fs::set_permissions(&revoked, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(nodes[0].credentials.reload().unwrap_err().to_string().contains("chmod 600"));
}

#[tokio::test]
async fn a_node_renews_its_certificate_while_it_runs() {
    let nodes = cluster(2, limits()).await;
    let calls = Calls::new(nodes[1].peers.clone());
    let key = std::fs::read_to_string(nodes[1].trust().path().join("node.pem")).unwrap();
    let until_then = nodes[1].credentials.until();
    assert!(nodes[1].credentials.renew_at() < until_then);
    calls.renew(&nodes[0].target(), &nodes[1].credentials, deadline()).await.unwrap();
    let renewed = std::fs::read_to_string(nodes[1].trust().path().join("node.pem")).unwrap();
    assert_ne!(renewed, key, "with a new key");
    assert!(nodes[1].credentials.until() >= until_then);
    calls.status(&nodes[0].target(), deadline()).await.unwrap();
    let fresh = Peers::new(Tls::new(nodes[1].credentials.clone()), limits());
    Calls::new(fresh).status(&nodes[0].target(), deadline()).await.unwrap();
    // A node without the authority's key does not sign.
    let other = Calls::new(nodes[0].peers.clone());
    let error = other.renew(&nodes[1].target(), &nodes[0].credentials, deadline()).await.unwrap_err();
    assert!(matches!(&error, CallsError::Refused { code, .. } if code == "no_authority"), "{error}");
}

/// A first node whose authority and certificate were made so many days ago.
async fn made_days_ago(days: u32) -> common::Node {
    let folder = tempfile::tempdir().unwrap();
    let then = SystemTime::now() - HOUR * 24 * days;
    Folder::new(folder.path().join("cluster")).init(NodeId(1), then).unwrap();
    common::start(folder, limits()).await
}

#[tokio::test]
async fn a_certificate_is_renewed_by_itself_before_it_ends_and_counts_no_more_after() {
    let node = made_days_ago(25).await;
    let (before, own) = (node.credentials.until(), node.target());
    let calls = Calls::new(node.peers.clone());
    // Nobody is known that signs: it goes on with what it has.
    let nobody = calls.keep_renewed(&node.credentials, Vec::new, &node.stop);
    assert!(tokio::time::timeout(Duration::from_millis(50), nobody).await.is_err(), "it waits");
    assert_eq!(node.credentials.until(), before);
    let (stop, credentials) = (node.stop.clone(), node.credentials.clone());
    let keeping = tokio::spawn(async move { calls.keep_renewed(&credentials, || vec![own.clone()], &stop).await });
    until("it is renewed", || node.credentials.until() > before + HOUR * 24 * 20).await;
    assert!(node.credentials.renew_at() > SystemTime::now());
    node.stop.cancel();
    soon("it stops with the node", keeping).await.unwrap();

    let over = made_days_ago(31).await;
    let error = Tls::new(over.credentials.clone()).dial(&over.target()).await.unwrap_err();
    assert!(matches!(&error, DialError::Untrusted { reason, .. } if reason.contains("xpired")), "{error}");
}

#[tokio::test]
async fn the_authority_is_changed_while_nodes_run() {
    let nodes = cluster(3, limits()).await;
    let signer = &nodes[0];
    let all_talk = async |when: &str| {
        for asks in &nodes {
            for asked in &nodes {
                // New connections, with what each shows and trusts now.
                let calls = Calls::new(Peers::new(Tls::new(asks.credentials.clone()), limits()));
                let status = calls.status(&asked.target(), deadline()).await;
                assert!(status.is_ok(), "{when}: n{} asks n{}: {status:?}", asks.id.0, asked.id.0);
            }
        }
    };
    let all_renew = async || {
        for node in &nodes[1..] {
            let calls = Calls::new(Peers::new(Tls::new(node.credentials.clone()), limits()));
            calls.renew(&signer.target(), &node.credentials, deadline()).await.unwrap();
        }
    };
    let old = signer.credentials.authority_fingerprint();
    assert!(signer.trust().switch_authority(SystemTime::now()).is_err(), "there is none to switch to");
    signer.trust().begin_rotation(SystemTime::now()).unwrap();
    signer.credentials.reload().unwrap();
    assert!(signer.trust().begin_rotation(SystemTime::now()).is_err(), "one change at a time");
    assert!(signer.trust().end_rotation().is_err(), "not before the switch");
    all_talk("begun").await;
    all_renew().await;
    all_talk("both count").await;
    signer.trust().switch_authority(SystemTime::now()).unwrap();
    signer.credentials.reload().unwrap();
    assert_ne!(signer.credentials.authority_fingerprint(), old);
    all_talk("switched").await;
    all_renew().await;
    all_talk("all have new ones").await;
    signer.trust().end_rotation().unwrap();
    signer.credentials.reload().unwrap();
    all_talk("ended at the signer").await;
    all_renew().await;
    all_talk("over").await;
    let trusted = std::fs::read_to_string(nodes[2].trust().path().join("authorities.pem")).unwrap();
    assert_eq!(trusted.matches("BEGIN CERTIFICATE").count(), 1, "the old one counts no more");
    // A node may join by the new one.
    another(signer, 4).await;
}

#[tokio::test]
async fn an_answer_that_is_not_the_authoritys_is_not_taken() {
    let (ours, theirs) = (cluster(2, limits()).await, first(limits()).await);
    // A node that is let in, and signs with an authority that is not ours.
    let evil = tempfile::tempdir().unwrap();
    let to = evil.path().join("cluster");
    std::fs::create_dir(&to).unwrap();
    for (from, file) in [(&ours[1], "node.pem"), (&ours[1], "authorities.pem"), (&theirs, "authority.pem")] {
        std::fs::copy(from.trust().path().join(file), to.join(file)).unwrap();
    }
    let credentials = Credentials::load(&Folder::new(&to)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let evil = serve(evil, credentials, listener, limits());
    let before = std::fs::read(ours[0].trust().path().join("authorities.pem")).unwrap();
    let calls = Calls::new(ours[0].peers.clone());
    let error = calls.renew(&evil.target(), &ours[0].credentials, deadline()).await.unwrap_err();
    assert!(matches!(error, CallsError::Issue(_)), "{error}");
    assert_eq!(std::fs::read(ours[0].trust().path().join("authorities.pem")).unwrap(), before);
}

#[tokio::test]
async fn a_gateway_tells_a_client_why_nobody_answers() {
    let nodes = cluster(2, limits()).await;
    let places = common::Places::of(vec![Err("its owner is being found".to_owned())]);
    let gateway = common::gateway(&nodes[0], places).await;
    let response = common::client(gateway).await.send_request(get("/v1")).await.unwrap();
    assert_eq!(response.status(), 502);
    let said = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&said).contains("its owner is being found"), "{said:?}");
}
