//! Small things of a tenant, sealed: records' bodies, entries of the journal, events.
//!
//! ```text
//! nonce (24, random) | XChaCha20-Poly1305 by the tenant's data key, with what it is and where it belongs as associated data
//! ```
//! What was sealed for one place does not open in another.

use crate::keys::{TenantKeys, random};
use bytes::Bytes;
use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};

const NONCE_BYTES: usize = 24;

/// Sealed bytes that do not open: they were changed, are another's, or belong elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not open with the tenant's key: it was changed, or it belongs elsewhere")]
pub struct SealError;

impl TenantKeys {
    /// Seals bytes for the place `aad` says.
    pub(crate) fn seal(&self, aad: &[u8], plain: &[u8]) -> Bytes {
        // Linux has had getrandom() since 3.17 and it cannot fail once seeded; without it no key is safe.
        let nonce: [u8; NONCE_BYTES] = random().expect("the system gives random bytes");
        let payload = Payload { msg: plain, aad: &self.place(aad) };
        let sealed = self.cipher().encrypt(&XNonce::from(nonce), payload).expect("memory is the only limit");
        let mut bytes = Vec::with_capacity(NONCE_BYTES + sealed.len());
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&sealed);
        bytes.into()
    }

    /// Opens what was sealed for the place `aad` says.
    pub(crate) fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>().ok_or(SealError)?;
        let payload = Payload { msg: sealed, aad: &self.place(aad) };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError)
    }

    /// The first byte keeps these apart from chunks, which are sealed by the same key.
    fn place(&self, aad: &[u8]) -> Vec<u8> {
        let tenant = self.tenant().as_str().as_bytes();
        [b"seal ", tenant, b" ", aad].concat()
    }
}

#[cfg(test)]
mod tests;
