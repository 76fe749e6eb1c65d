//! What a running node shows to others, and what it trusts.

use crate::name::PeerId;
use crate::trust::authority::NodeKey;
use crate::trust::certificate::{CertificateError, Facts, facts, fingerprint, names_issuer};
use crate::trust::folder::{Folder, FolderError, Revoked};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use tokio::sync::watch;

/// What peers call what they speak (ALPN, RFC 7301): HTTP/2.
pub(crate) const ALPN_PEERS: &[u8] = b"h2";
/// What those who want to join speak.
pub(crate) const ALPN_JOIN: &[u8] = b"warren-join/1";

/// The node's key, certificate and trust. Cheap to clone; all clones change together.
#[derive(Clone)]
pub struct Credentials {
    shared: Arc<Shared>,
}

struct Shared {
    folder: Folder,
    me: PeerId,
    current: RwLock<Arc<Current>>,
    version: watch::Sender<u64>,
}

pub(crate) struct Current {
    pub(crate) facts: Facts,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
    /// The one that signed this node's certificate.
    pub(crate) authority: CertificateDer<'static>,
    pub(crate) revoked: Revoked,
    pub(crate) client: Arc<ClientConfig>,
    pub(crate) server: Arc<ServerConfig>,
    pub(crate) join: Arc<ServerConfig>,
}

/// Why a node has nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No authority of those that count has signed it.
    #[error("no authority in authorities.pem has signed this node's certificate; join the cluster again")]
    Unsigned,
    /// The folder is another node's now.
    #[error("the folder is that of {found} now, and this process is {me}; start it again")]
    Changed {
        /// What it was.
        me: PeerId,
        /// What it is.
        found: PeerId,
    },
    /// TLS does not take them.
    #[error("the certificates cannot be used: {0}")]
    Tls(String),
}

/// Why a peer is none of ours, though the connection is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// It shows none.
    #[error("it shows no certificate")]
    Bare,
    /// It shows one that names no node.
    #[error(transparent)]
    Nameless(#[from] CertificateError),
    /// It is of another cluster.
    #[error("it is {found}, and this is cluster {ours}")]
    Foreign {
        /// What it is.
        found: PeerId,
        /// Which one this is.
        ours: crate::name::ClusterId,
    },
    /// Its certificate counts no more.
    #[error("the certificate {serial} of {peer} is revoked")]
    Revoked {
        /// Whose.
        peer: PeerId,
        /// Which.
        serial: String,
    },
}

impl Credentials {
    /// From a folder. Blocks for a few file operations.
    ///
    /// # Errors
    /// See [`CredentialsError`].
    pub fn load(folder: &Folder) -> Result<Credentials, CredentialsError> {
        let current = Current::load(folder)?;
        let me = current.facts.peer;
        let (folder, current) = (folder.clone(), RwLock::new(Arc::new(current)));
        Ok(Credentials { shared: Arc::new(Shared { folder, me, current, version: watch::Sender::new(0) }) })
    }

    /// The same again: for a change of the files. Connections are looked at anew: one of a peer that counts no more ends.
    ///
    /// # Errors
    /// See [`CredentialsError`]; what was before goes on.
    pub fn reload(&self) -> Result<(), CredentialsError> {
        let current = Current::load(&self.shared.folder)?;
        if current.facts.peer != self.shared.me {
            return Err(CredentialsError::Changed { me: self.shared.me, found: current.facts.peer });
        }
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        self.shared.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Who this is.
    pub fn me(&self) -> PeerId {
        self.shared.me
    }

    /// Where it is kept.
    pub fn folder(&self) -> &Folder {
        &self.shared.folder
    }

    /// Until when this node's certificate is valid.
    pub fn until(&self) -> SystemTime {
        self.current().facts.until
    }

    /// When it should be renewed: after two thirds of its time.
    pub fn renew_at(&self) -> SystemTime {
        let current = self.current();
        let (since, until) = (current.facts.since, current.facts.until);
        since + until.duration_since(since).unwrap_or_default() * 2 / 3
    }

    /// SHA-256 of the authority that signed this node's certificate: what a token pins.
    pub fn authority_fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.current().authority)
    }

    /// Whose certificate this is, if it counts here. Its signature was checked by TLS.
    pub(crate) fn recognise(&self, chain: Option<&[CertificateDer<'_>]>) -> Result<Facts, Stranger> {
        let certificate = chain.and_then(<[_]>::first).ok_or(Stranger::Bare)?;
        let facts = facts(certificate)?;
        self.still(&facts)?;
        Ok(facts)
    }

    /// Whether a certificate that counted still does.
    pub(crate) fn still(&self, facts: &Facts) -> Result<(), Stranger> {
        let (ours, peer) = (self.shared.me.cluster, facts.peer);
        if peer.cluster != ours {
            return Err(Stranger::Foreign { found: peer, ours });
        }
        let current = self.current();
        if current.revoked.nodes.contains(&peer.node) || current.revoked.serials.contains(&facts.serial) {
            return Err(Stranger::Revoked { peer, serial: facts.serial.clone() });
        }
        Ok(())
    }

    /// Counts up with each change.
    pub(crate) fn versions(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes over what an authority answered to a request, and begins to use it. Blocks.
    pub(crate) fn replace(
        &self,
        key: &NodeKey,
        certificate: &CertificateDer<'_>,
        authorities: &[CertificateDer<'_>],
    ) -> Result<(), CredentialsError> {
        self.shared.folder.replace(key, certificate, authorities)?;
        self.reload()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("me", &self.shared.me).finish_non_exhaustive()
    }
}

impl Current {
    fn load(folder: &Folder) -> Result<Current, CredentialsError> {
        let material = folder.load()?;
        let facts = facts(&material.certificate)?;
        let authority = material.authorities.iter().find(|one| names_issuer(&material.certificate, one));
        let authority = authority.ok_or(CredentialsError::Unsigned)?.clone();
        let tls = |error: rustls::Error| CredentialsError::Tls(error.to_string());
        let roots = Arc::new(roots(&material.authorities)?);
        let chain = vec![material.certificate.clone()];
        let other = |error: rustls::server::VerifierBuilderError| CredentialsError::Tls(error.to_string());
        let peers = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider()).build().map_err(other)?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(other)?;

        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_webpki_verifier(servers)
            .with_client_auth_cert(chain.clone(), material.key.clone_key())
            .map_err(tls)?;
        client.alpn_protocols = vec![ALPN_PEERS.to_vec()];
        // A connection that goes on from an earlier one would not show its certificate again.
        client.resumption = Resumption::disabled();

        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_client_cert_verifier(peers)
            .with_single_cert(chain.clone(), material.key.clone_key())
            .map_err(tls)?;
        // Who joins knows the authority by its fingerprint only: it is shown to them.
        let join = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(tls)?
            .with_no_client_auth()
            .with_single_cert(vec![material.certificate, authority.clone()], material.key)
            .map_err(tls)?;
        let (client, server, join) = (Arc::new(client), plain(server, ALPN_PEERS), plain(join, ALPN_JOIN));
        let (authorities, revoked) = (material.authorities, material.revoked);
        Ok(Current { facts, authorities, authority, revoked, client, server, join })
    }
}

fn plain(mut config: ServerConfig, alpn: &[u8]) -> Arc<ServerConfig> {
    config.alpn_protocols = vec![alpn.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// The same for all of the process, whatever its default is.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|error| CredentialsError::Tls(error.to_string()))?;
    }
    Ok(roots)
}
