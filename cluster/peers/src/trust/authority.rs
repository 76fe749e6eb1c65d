//! The authority of a cluster: a key that signs which key is which node's.
//!
//! ECDSA on P-256 throughout: it is what TLS 1.3 has everywhere. Who holds the key can make any node; it lies on the node that
//! `init` ran on, and wherever its operator copied it.

use crate::name::{ClusterId, PeerId};
use crate::random;
use crate::trust::certificate::{seconds, valid_until};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use std::fmt;
use std::time::{Duration, SystemTime};
use time::OffsetDateTime;

/// How long an authority is valid: ten years.
pub const AUTHORITY_VALID: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How long a node's certificate is valid: 30 days. It is renewed after two thirds of that.
pub const NODE_VALID: Duration = Duration::from_secs(30 * 86_400);
/// A certificate is valid from so long ago, for clocks that are behind.
pub const CLOCKS_APART: Duration = Duration::from_secs(300);
/// Bytes of a signing request, at most.
pub const REQUEST_MAX: usize = 4 * 1024;

/// The authority: its key, and its certificate.
pub struct Authority {
    cluster: ClusterId,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// Why nothing is signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not a signing request.
    #[error("not a signing request (PKCS #10) whose signature is right: {0}")]
    Form(String),
    /// A key of another kind.
    #[error("the key of the signing request is not ECDSA on P-256; make one of that kind")]
    Kind,
    /// The authority itself ends.
    #[error("the authority of the cluster has ended; make another (docs/cluster.md, Between nodes)")]
    Ended,
    /// The library's.
    #[error("the certificate could not be made: {0}")]
    Make(String),
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn create(cluster: ClusterId, now: SystemTime) -> Result<Authority, SignError> {
        let key = new_key()?;
        let mut params = params(now, now + AUTHORITY_VALID);
        // A name of its own, so that two authorities of one cluster are told apart.
        let number = crate::hex::encode(&random::bytes::<4>());
        params.distinguished_name.push(DnType::CommonName, format!("authority {number} of cluster {cluster}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(made)?.der().clone();
        Ok(Authority { cluster, issuer: Issuer::new(params, key), certificate })
    }

    /// From its key and its certificate, as they were kept.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn load(
        cluster: ClusterId,
        key_pem: &str,
        certificate: CertificateDer<'static>,
    ) -> Result<Authority, SignError> {
        let key = KeyPair::from_pem(key_pem).map_err(made)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(made)?;
        Ok(Authority { cluster, issuer, certificate })
    }

    /// Signs that the key of this request is the key of that node. Nothing else of the request counts.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn sign(
        &self,
        request: &[u8],
        node: warren_ownership::name::NodeId,
        now: SystemTime,
        valid: Duration,
    ) -> Result<CertificateDer<'static>, SignError> {
        if request.len() > REQUEST_MAX {
            return Err(SignError::Form(format!("{} bytes, more than {REQUEST_MAX}", request.len())));
        }
        let der = CertificateSigningRequestDer::from(request);
        let parsed =
            CertificateSigningRequestParams::from_der(&der).map_err(|error| SignError::Form(error.to_string()))?;
        if parsed.public_key.algorithm() != &PKCS_ECDSA_P256_SHA256 {
            return Err(SignError::Kind);
        }
        let ends = valid_until(&self.certificate).unwrap_or(now);
        let until = (now + valid).min(ends);
        if until <= now {
            return Err(SignError::Ended);
        }
        let peer = PeerId { cluster: self.cluster, node };
        let mut params = params(now, until);
        params.distinguished_name.push(DnType::CommonName, format!("node {} of cluster {}", node.0, self.cluster));
        let name = |text: String| text.try_into().map_err(made);
        params.subject_alt_names = vec![
            SanType::URI(name(peer.uri())?),
            SanType::DnsName(name(peer.dns())?),
            SanType::DnsName(name(self.cluster.dns())?),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&parsed.public_key, &self.issuer).map_err(made)?.der().clone())
    }

    /// Of which cluster.
    pub fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its key, to be kept.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

/// A key of a node, which never leaves it, and the request that asks to have it signed.
pub struct NodeKey {
    key: KeyPair,
    request: Vec<u8>,
}

impl NodeKey {
    /// A new one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn create() -> Result<NodeKey, SignError> {
        let key = new_key()?;
        // Names are the authority's to give: the request has none.
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(made)?.der().to_vec();
        Ok(NodeKey { key, request })
    }

    /// PKCS #10, DER.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    pub(crate) fn pem(&self) -> String {
        self.key.serialize_pem()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeKey").finish_non_exhaustive()
    }
}

fn new_key() -> Result<KeyPair, SignError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(made)
}

fn params(now: SystemTime, until: SystemTime) -> CertificateParams {
    let at = |time| OffsetDateTime::from_unix_timestamp(seconds(time)).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let mut params = CertificateParams::default();
    params.not_before = at(now - CLOCKS_APART);
    params.not_after = at(until);
    let mut serial = random::bytes::<16>();
    serial[0] = serial[0] & 0x7f | 0x40; // positive, and always of 16 bytes
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.distinguished_name = DistinguishedName::new();
    params
}

fn made(error: rcgen::Error) -> SignError {
    SignError::Make(error.to_string())
}
