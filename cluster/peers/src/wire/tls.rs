//! TCP with mutual TLS 1.3 (RFC 8446). Each side shows a certificate of this cluster; the one that dials asks for a node by its name
//! and gets that node or nothing. No session is resumed, so that each connection checks certificates anew.

use crate::trust::certificate::Facts;
use crate::trust::credentials::{ALPN_JOIN, ALPN_PEERS, Credentials};
use crate::wire::{Dial, DialError, Ended, Target, Wire};
use crate::{name::PeerId, trust::credentials::Stranger};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::{CertificateError, Error};
use std::io;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

/// Dials peers of a node.
#[derive(Clone, Debug)]
pub struct Tls {
    credentials: Credentials,
}

impl Tls {
    /// With what this node shows and trusts.
    pub fn new(credentials: Credentials) -> Tls {
        Tls { credentials }
    }

    async fn connect(&self, to: &Target) -> Result<Wire, DialError> {
        let unreachable = |error: io::Error| DialError::Unreachable { target: to.clone(), reason: error.to_string() };
        let wanted = PeerId { cluster: self.credentials.me().cluster, node: to.node };
        let stream = TcpStream::connect(&*to.address).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let config = self.credentials.current().client.clone();
        let name = ServerName::try_from(wanted.dns()).expect("a node and a cluster are DNS labels");
        let connected = TlsConnector::from(config).connect(name, stream).await;
        let stream = connected.map_err(|error| refusal(to, &error))?;
        let (_, connection) = stream.get_ref();
        let facts = self.credentials.recognise(connection.peer_certificates());
        let facts = facts.map_err(|stranger| untrusted(to, &stranger))?;
        if facts.peer != wanted {
            return Err(DialError::Other { target: to.clone(), found: facts.peer.to_string() });
        }
        if connection.alpn_protocol() != Some(ALPN_PEERS) {
            return Err(DialError::Other { target: to.clone(), found: "it does not speak HTTP/2".to_owned() });
        }
        Ok(Wire { io: Box::new(stream), peer: wanted, ended: ended(self.credentials.clone(), facts) })
    }
}

impl Dial for Tls {
    fn dial<'a>(&'a self, to: &'a Target) -> BoxFuture<'a, Result<Wire, DialError>> {
        self.connect(to).boxed()
    }
}

fn untrusted(to: &Target, reason: &dyn std::fmt::Display) -> DialError {
    DialError::Untrusted { target: to.clone(), reason: reason.to_string() }
}

fn refusal(to: &Target, error: &io::Error) -> DialError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })) => {
            DialError::Other { target: to.clone(), found: presented.join(", ") }
        }
        Some(error) => untrusted(to, error),
        None => DialError::Unreachable { target: to.clone(), reason: error.to_string() },
    }
}

/// Who came in.
pub(crate) enum Entered {
    /// A peer.
    Peer(Wire),
    /// Somebody who wants to join, and has shown nothing.
    Newcomer(Box<TlsStream<TcpStream>>),
}

/// Why somebody does not come in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnterError {
    #[error("no TLS handshake: {0}")]
    Handshake(#[from] io::Error),
    #[error(transparent)]
    Stranger(#[from] Stranger),
    #[error("it does not speak HTTP/2")]
    Protocol,
}

/// The handshake of one that dialled this node.
pub(crate) async fn enter(stream: TcpStream, credentials: &Credentials) -> Result<Entered, EnterError> {
    stream.set_nodelay(true)?;
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let newcomer = start.client_hello().alpn().is_some_and(|mut all| all.any(|one| one == ALPN_JOIN));
    let current = credentials.current();
    if newcomer {
        return Ok(Entered::Newcomer(Box::new(start.into_stream(current.join.clone()).await?)));
    }
    let stream = start.into_stream(current.server.clone()).await?;
    let (_, connection) = stream.get_ref();
    let facts = credentials.recognise(connection.peer_certificates())?;
    if connection.alpn_protocol() != Some(ALPN_PEERS) {
        return Err(EnterError::Protocol);
    }
    Ok(Entered::Peer(Wire { peer: facts.peer, ended: ended(credentials.clone(), facts), io: Box::new(stream) }))
}

/// Returns when the peer's certificate ends or counts no more.
fn ended(credentials: Credentials, facts: Facts) -> BoxFuture<'static, Ended> {
    async move {
        let mut versions = credentials.versions();
        loop {
            if let Err(stranger) = credentials.still(&facts) {
                return Ended::Refused(stranger.to_string());
            }
            let Ok(left) = facts.until.duration_since(SystemTime::now()) else { return Ended::Expired };
            // In steps: a clock that is set while this waits is seen.
            tokio::select! {
                () = tokio::time::sleep(left.min(Duration::from_secs(60))) => {}
                changed = versions.changed() => if changed.is_err() { return Ended::Expired },
            }
        }
    }
    .boxed()
}
