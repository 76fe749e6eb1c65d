//! How keys are signed for nodes that joined or renew, and what a node checks before it takes the answer.
//!
//! What comes back is taken only if the certificate in it is for the key that was just made, and signed by an authority that
//! counts here: only who holds the authority's key can answer so. The authorities named beside it count from then on, which is how
//! a change of the authority reaches all nodes.

use crate::name::PeerId;
use crate::trust::authority::{NODE_VALID, NodeKey, SignError};
use crate::trust::certificate::{CertificateError, facts, fingerprint, key_print, pem};
use crate::trust::credentials::{Credentials, CredentialsError, provider};
use crate::trust::folder::{AUTHORITIES_MAX, Folder, FolderError};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::SystemTime;

/// What an authority answers to a signing request.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// The node's certificate, PEM.
    pub certificate: String,
    /// The authorities that count, PEM, one after the other.
    pub authorities: String,
}

/// Why what was answered is not taken.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Not of the form.
    #[error("the answer holds no certificates: {0}")]
    Form(String),
    /// It is for another node.
    #[error("the certificate in the answer is for {found}, and this is {wanted}")]
    Other {
        /// Whom it names.
        found: PeerId,
        /// Who asked.
        wanted: PeerId,
    },
    /// It is for another key.
    #[error("the certificate in the answer is for another key")]
    Key,
    /// Nobody who counts has signed it.
    #[error("the certificate in the answer is signed by no authority that counts here: {0}")]
    Unsigned(String),
    /// It names nobody.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It was not signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// Signs a request for a node, on a node that can. Blocks.
pub(crate) fn issue(folder: &Folder, request: &[u8], peer: PeerId, now: SystemTime) -> Result<Issued, FolderError> {
    let authority = folder.authority()?;
    let certificate = authority.sign(request, peer.node, now, NODE_VALID)?;
    let authorities = folder.authorities()?.iter().map(pem).collect();
    Ok(Issued { certificate: pem(&certificate), authorities })
}

/// What was issued, once all of it is as it must be.
pub(crate) struct Accepted {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) authorities: Vec<CertificateDer<'static>>,
}

/// Checks an answer: for this node and key, and signed by one of `trusted`.
pub(crate) fn accept(
    issued: &Issued,
    wanted: PeerId,
    key: &NodeKey,
    trusted: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<Accepted, IssueError> {
    let form = |error: rustls::pki_types::pem::Error| IssueError::Form(error.to_string());
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).map_err(form)?;
    let authorities: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(issued.authorities.as_bytes()).collect();
    let authorities = authorities.map_err(form)?;
    if authorities.is_empty() || authorities.len() > AUTHORITIES_MAX {
        return Err(IssueError::Form(format!("{} authorities", authorities.len())));
    }
    let found = facts(&certificate)?.peer;
    if found != wanted {
        return Err(IssueError::Other { found, wanted });
    }
    if key_print(&certificate) != request_key_print(key.request()) {
        return Err(IssueError::Key);
    }
    signed_by(&certificate, trusted, now).map_err(IssueError::Unsigned)?;
    Ok(Accepted { certificate, authorities })
}

/// Whether one of `trusted` has signed it, and it is valid now.
pub(crate) fn signed_by(
    certificate: &CertificateDer<'_>,
    trusted: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for authority in trusted {
        roots.add(authority.clone()).map_err(|error| error.to_string())?;
    }
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| error.to_string())?;
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], UnixTime::since_unix_epoch(since_1970), algorithms)
        .map_err(|error| error.to_string())
}

/// The hash of the key in a signing request.
pub(crate) fn request_key_print(request: &[u8]) -> Option<[u8; 32]> {
    use x509_parser::prelude::FromDer;
    let (_, parsed) = x509_parser::certification_request::X509CertificationRequest::from_der(request).ok()?;
    Some(Sha256::digest(parsed.certification_request_info.subject_pki.raw).into())
}

/// Takes over what a renewal brought. Blocks.
pub(crate) fn take_over(credentials: &Credentials, key: &NodeKey, issued: &Issued) -> Result<(), IssueError> {
    let current = credentials.current();
    let accepted = accept(issued, credentials.me(), key, &current.authorities, SystemTime::now())?;
    let prints = accepted.authorities.iter().map(fingerprint);
    tracing::info!(authorities = prints.count(), "this node's certificate is renewed");
    credentials.replace(key, &accepted.certificate, &accepted.authorities)?;
    Ok(())
}
