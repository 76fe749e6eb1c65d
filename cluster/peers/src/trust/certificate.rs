//! What a certificate says (X.509, RFC 5280).

use crate::hex;
use crate::name::PeerId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime};
use x509_parser::extensions::GeneralName;

/// Bytes of a certificate, at most: ours have about 600.
pub const CERTIFICATE_MAX: usize = 8 * 1024;

/// What is read from a node's certificate. Whether its signature counts is not asked here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whose it is.
    pub peer: PeerId,
    /// Its number, in hexadecimal digits.
    pub serial: String,
    /// From when.
    pub since: SystemTime,
    /// Until when.
    pub until: SystemTime,
}

/// A certificate that names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not one at all.
    #[error("not a certificate: {0}")]
    Form(String),
    /// It names none of our nodes, or several.
    #[error("the certificate names no node of a cluster: {0}")]
    Name(String),
}

/// Reads a node's certificate.
///
/// # Errors
/// It is none, or has not exactly one URI that names a node.
pub fn facts(certificate: &CertificateDer<'_>) -> Result<Facts, CertificateError> {
    if certificate.len() > CERTIFICATE_MAX {
        return Err(CertificateError::Form(format!("{} bytes, more than {CERTIFICATE_MAX}", certificate.len())));
    }
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|error| CertificateError::Form(error.to_string()))?;
    let names = parsed.subject_alternative_name().map_err(|error| CertificateError::Form(error.to_string()))?;
    let mut uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let uri = uris.next().ok_or_else(|| CertificateError::Name("it has no URI".to_owned()))?;
    if uris.next().is_some() {
        return Err(CertificateError::Name("it has several URIs".to_owned()));
    }
    let peer = PeerId::from_uri(uri).map_err(|error| CertificateError::Name(error.to_string()))?;
    let validity = parsed.validity();
    Ok(Facts {
        peer,
        serial: hex::encode(parsed.raw_serial()),
        since: time(validity.not_before.timestamp()),
        until: time(validity.not_after.timestamp()),
    })
}

/// Until when an authority's certificate is valid.
pub(crate) fn valid_until(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(time(parsed.validity().not_after.timestamp()))
}

/// Whether `authority` is the one that a certificate says it is signed by. Our authorities have names of their own.
pub(crate) fn names_issuer(certificate: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> bool {
    let issuer = x509_parser::parse_x509_certificate(certificate).ok();
    let subject = x509_parser::parse_x509_certificate(authority).ok();
    issuer.zip(subject).is_some_and(|((_, one), (_, other))| one.issuer().as_raw() == other.subject().as_raw())
}

/// The public key of a certificate (`SubjectPublicKeyInfo`, DER), hashed.
pub(crate) fn key_print(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Some(Sha256::digest(parsed.public_key().raw).into())
}

/// SHA-256 of a certificate: what a token pins.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// As text in the form of RFC 7468.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII"));
    let body = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

fn time(seconds: i64) -> SystemTime {
    let length = Duration::from_secs(seconds.unsigned_abs());
    let sum = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(length),
        false => SystemTime::UNIX_EPOCH.checked_add(length),
    };
    sum.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |length| i64::try_from(length.as_secs()).unwrap_or(i64::MAX))
}
