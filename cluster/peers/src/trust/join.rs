//! A new node asks to be let in.
//!
//! ```text
//! new node                                   a node that signs, on the port where its peers reach it
//!   makes its key
//!   TLS 1.3, ALPN warren-join/1 ───────────▶ shows its certificate and its authority's
//!   is the authority's SHA-256 the token's?
//!   u32 length | {cluster, secret, request} ▶ the token: known, not used, not expired; then it signs
//!   takes the certificate ◀─────────────────── u32 length | {issued} or {refused}
//! ```
//! The secret is sent only to who has shown the pinned authority's signature. Lengths are big endian, 16 KiB at most.

use crate::name::PeerId;
use crate::trust::authority::{NodeKey, SignError};
use crate::trust::certificate::{CertificateError, facts, fingerprint};
use crate::trust::credentials::{ALPN_JOIN, Credentials, provider};
use crate::trust::folder::{Folder, FolderError};
use crate::trust::renew::{IssueError, Issued, accept, issue, request_key_print, signed_by};
use crate::trust::token::{Token, TokenError, Tokens};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long all of it may take.
pub const JOIN_TIME: Duration = Duration::from_secs(10);
/// Bytes of a message, at most.
const MESSAGE_MAX: u32 = 16 * 1024;

/// Why a node is not let in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Nobody answers there, or not in time.
    #[error("{address} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        reason: String,
    },
    /// Whoever answers has another authority than the token says.
    #[error(
        "{address} shows the authority {found}, and the token pins {pinned}; \
         something is between, or the token is of an older authority"
    )]
    Fingerprint {
        /// Where.
        address: String,
        /// What it shows.
        found: String,
        /// What the token says.
        pinned: String,
    },
    /// Whoever answers is of another cluster than the token.
    #[error("the token leads into cluster {wanted}, and {address} is {found}")]
    Foreign {
        /// Where.
        address: String,
        /// Who answers.
        found: String,
        /// What the token says.
        wanted: crate::name::ClusterId,
    },
    /// Whoever answers is none of our kind.
    #[error("{address} does not answer as a node does: {reason}")]
    Protocol {
        /// Where.
        address: String,
        /// What it did.
        reason: String,
    },
    /// It does not let this node in.
    #[error("{address} refuses: {detail}")]
    Refused {
        /// Where.
        address: String,
        /// Why, as a word.
        code: Refused,
        /// Why, as a sentence.
        detail: String,
    },
    /// What it answered is not right.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No key.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Why a node that signs refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The token is unknown.
    TokenWrong,
    /// It was used.
    TokenUsed,
    /// It expired.
    TokenExpired,
    /// It is of another cluster.
    ForeignCluster,
    /// This node does not hold the authority's key.
    NoAuthority,
    /// The request is not one that can be signed.
    BadRequest,
    /// Something is wrong here.
    Failed,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    cluster: String,
    secret: String,
    request: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Issued(Issued),
    Refused { code: Refused, detail: String },
}

/// Lets this machine be a node: makes a key in `folder`, has it signed at `address` (`host:port`), and keeps what came.
///
/// # Errors
/// See [`JoinError`]. Nothing is kept then.
pub async fn join(folder: &Folder, address: &str, token: &Token) -> Result<PeerId, JoinError> {
    if folder.path().join("node.pem").exists() {
        return Err(FolderError::Taken(folder.path().display().to_string()).into());
    }
    let key = NodeKey::create()?;
    let late = || JoinError::Unreachable {
        address: address.to_owned(),
        reason: format!("no answer within {} s", JOIN_TIME.as_secs()),
    };
    let (issued, authority) =
        tokio::time::timeout(JOIN_TIME, ask(address, token, &key)).await.map_err(|_| late())??;
    let peer = PeerId { cluster: token.cluster, node: token.node };
    let accepted = accept(&issued, peer, &key, &[authority], SystemTime::now())?;
    folder.enter(&key, &accepted.certificate, &accepted.authorities)?;
    Ok(peer)
}

async fn ask(address: &str, token: &Token, key: &NodeKey) -> Result<(Issued, CertificateDer<'static>), JoinError> {
    let unreachable =
        |error: io::Error| JoinError::Unreachable { address: address.to_owned(), reason: error.to_string() };
    let protocol = |reason: String| JoinError::Protocol { address: address.to_owned(), reason };
    let pinned = Arc::new(Pinned { token: token.clone(), address: address.to_owned(), found: Mutex::default() });
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| protocol(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(pinned.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_JOIN.to_vec()];
    let name = ServerName::try_from(token.cluster.dns()).expect("an id is a DNS label");
    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    let found = pinned.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    let authority = match found {
        Some(Ok(authority)) => authority,
        Some(Err(problem)) => return Err(problem),
        None => return Err(protocol(connected.err().map_or("no certificate".to_owned(), |error| error.to_string()))),
    };
    let mut stream = connected.map_err(|error| protocol(error.to_string()))?;
    let (cluster, secret) = (token.cluster.to_string(), crate::hex::encode(&token.secret));
    let request = STANDARD.encode(key.request());
    let message = serde_json::to_vec(&Ask { cluster, secret, request }).expect("texts have a form");
    write(&mut stream, &message).await.map_err(unreachable)?;
    let answer = read(&mut stream).await.map_err(unreachable)?;
    match serde_json::from_slice(&answer).map_err(|error| protocol(error.to_string()))? {
        Answer::Issued(issued) => Ok((issued, authority)),
        Answer::Refused { code, detail } => {
            Err(JoinError::Refused { address: address.to_owned(), code, detail: detail.chars().take(500).collect() })
        }
    }
}

/// Answers one that wants to join. Whoever it is has shown nothing yet.
pub(crate) async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    credentials: &Credentials,
) -> io::Result<()> {
    let message = read(stream).await?;
    let credentials = credentials.clone();
    let answered = tokio::task::spawn_blocking(move || judge(&credentials, &message, SystemTime::now())).await;
    let answer = match answered.map_err(io::Error::other)? {
        Ok((peer, issued)) => {
            tracing::info!(%peer, "a node joined");
            Answer::Issued(issued)
        }
        Err((code, detail)) => {
            tracing::warn!(?code, detail, "a node was not let in");
            Answer::Refused { code, detail }
        }
    };
    write(stream, &serde_json::to_vec(&answer).expect("texts have a form")).await?;
    stream.shutdown().await
}

fn judge(credentials: &Credentials, message: &[u8], now: SystemTime) -> Result<(PeerId, Issued), (Refused, String)> {
    let bad = |detail: &str| (Refused::BadRequest, detail.to_owned());
    let ask: Ask = serde_json::from_slice(message).map_err(|error| (Refused::BadRequest, error.to_string()))?;
    let me = credentials.me();
    if ask.cluster != me.cluster.as_str() {
        let detail = format!("the token is of another cluster than {}", me.cluster);
        return Err((Refused::ForeignCluster, detail));
    }
    let secret = crate::hex::decode(&ask.secret).ok_or_else(|| bad("the secret has not the form of one"))?;
    let request = STANDARD.decode(&ask.request).map_err(|_| bad("the signing request is not base64"))?;
    let key = request_key_print(&request).ok_or_else(|| bad("the signing request is none (PKCS #10)"))?;
    // Before the token is used up: who cannot sign leaves it as it is.
    credentials.folder().authority().map_err(|error| refusal(&error))?;
    let spent = Tokens::of(credentials.folder()).spend(&secret, &key, now);
    let node = spent.map_err(|error| match &error {
        TokenError::Wrong => (Refused::TokenWrong, error.to_string()),
        TokenError::Used => (Refused::TokenUsed, error.to_string()),
        TokenError::Expired => (Refused::TokenExpired, error.to_string()),
        TokenError::Folder(error) => refusal(error),
        TokenError::TooMany | TokenError::TooLong => (Refused::Failed, error.to_string()),
    })?;
    let peer = PeerId { cluster: me.cluster, node };
    let issued = issue(credentials.folder(), &request, peer, now).map_err(|error| refusal(&error))?;
    Ok((peer, issued))
}

fn refusal(error: &FolderError) -> (Refused, String) {
    match error {
        FolderError::NoAuthority(_) => {
            let detail = "this node does not hold the authority's key; ask the node that `warren cluster init` ran on";
            (Refused::NoAuthority, detail.to_owned())
        }
        FolderError::Sign(error) => (Refused::BadRequest, error.to_string()),
        // Paths are nobody's business who is not let in.
        error => {
            tracing::error!(%error, "a node cannot be let in");
            (Refused::Failed, "something is wrong on the node that was asked; its log says what".to_owned())
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|length| *length <= MESSAGE_MAX);
    let length = length.ok_or_else(|| io::Error::other("a message that is too long"))?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    stream.flush().await
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if length > MESSAGE_MAX {
        return Err(io::Error::other(format!("a message of {length} bytes, more than {MESSAGE_MAX}")));
    }
    let mut message = vec![0; length as usize];
    stream.read_exact(&mut message).await?;
    Ok(message)
}

/// Trusts the authority whose fingerprint is in the token, for nodes of its cluster.
#[derive(Debug)]
struct Pinned {
    token: Token,
    address: String,
    /// The authority, or what is wrong with what was shown.
    found: Mutex<Option<Result<CertificateDer<'static>, JoinError>>>,
}

impl Pinned {
    fn look(
        &self,
        shown: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<CertificateDer<'static>, JoinError> {
        let address = self.address.clone();
        let protocol = |reason: String| JoinError::Protocol { address: self.address.clone(), reason };
        let who = facts(shown).map_err(|error: CertificateError| protocol(error.to_string()))?.peer;
        if who.cluster != self.token.cluster {
            return Err(JoinError::Foreign { address, found: who.to_string(), wanted: self.token.cluster });
        }
        let Some(authority) = rest.iter().find(|one| fingerprint(one) == self.token.fingerprint) else {
            let found = rest.first().map_or("none".to_owned(), |one| crate::hex::encode(&fingerprint(one)));
            let pinned = crate::hex::encode(&self.token.fingerprint);
            return Err(JoinError::Fingerprint { address, found, pinned });
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        signed_by(shown, std::slice::from_ref(authority), at).map_err(protocol)?;
        let parsed = ParsedCertificate::try_from(shown).map_err(|error| protocol(error.to_string()))?;
        verify_server_name(&parsed, name).map_err(|error| protocol(error.to_string()))?;
        Ok(authority.clone().into_owned())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let looked = self.look(shown, rest, name, now);
        let good = looked.is_ok();
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(looked);
        match good {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
