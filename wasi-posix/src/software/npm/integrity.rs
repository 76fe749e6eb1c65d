//! npm's notation for the hash of a tarball.
//!
//! # Standard
//! W3C Subresource Integrity: hashes separated by spaces, each `algorithm-base64`, options after `?`. npm publishes
//! SHA-512 (and once published SHA-1, which proves nothing any more, so a text without SHA-512 is refused).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};
use std::fmt;
use std::io::{self, Read};

/// SHA-512 of a whole file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Integrity([u8; 64]);

/// A text in which there is no SHA-512.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` has no SHA-512 in it; expected `sha512-` and 88 base64 characters, as npm's dist.integrity has")]
pub struct IntegrityError {
    text: String,
}

impl Integrity {
    /// # Errors
    /// When no SHA-512 is in the text, or two that differ.
    pub fn parse(text: &str) -> Result<Integrity, IntegrityError> {
        let refused = || IntegrityError { text: text.chars().take(200).collect() };
        let mut found = None;
        for hash in text.split_ascii_whitespace() {
            let Some(encoded) = hash.strip_prefix("sha512-") else { continue };
            let encoded = encoded.split('?').next().unwrap_or(encoded);
            let bytes = STANDARD.decode(encoded).map_err(|_| refused())?;
            let hash = Integrity(bytes.try_into().map_err(|_| refused())?);
            if found.replace(hash).is_some_and(|other| other != hash) {
                return Err(refused());
            }
        }
        found.ok_or_else(refused)
    }

    /// Hashes everything `reader` gives.
    ///
    /// # Errors
    /// When reading fails.
    pub fn of(mut reader: impl Read) -> io::Result<Integrity> {
        let mut hasher = Sha512::new();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Integrity(hasher.finalize().into())),
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha512-{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Integrity({self})")
    }
}
