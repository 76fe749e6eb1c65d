//! How keys look: `wrn_` id `_` secret, made once and shown once.
//!
//! ```text
//! wrn_8k2c0qinr51v6ssu_0v3…52 characters…g      80 bits that say which key, 256 that prove it
//! ```
//! What is kept of a secret is a hash. 256 random bits cannot be guessed, so no slow hash is needed.

use super::base32;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::hint::black_box;
use std::str::FromStr;
use subtle::ConstantTimeEq;
use warren_kernel::host::Host;

/// What a key's text begins with.
pub const KEY_PREFIX: &str = "wrn_";
const ID_BYTES: usize = 10;
const SECRET_BYTES: usize = 32;

/// Which key. No secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; ID_BYTES]);

/// A text that is no key, or no id of one. Does not hold the text: it may be a secret that was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("that is no key: wrn_, 16 characters, _ and 52 characters of 0-9 and a-v")]
pub struct KeyTextError;

/// A key as its owner has it. Nothing prints the secret but [`KeyText::reveal`].
pub struct KeyText {
    id: KeyId,
    secret: [u8; SECRET_BYTES],
}

/// What is kept of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct SecretHash([u8; 32]);

impl KeyId {
    /// A new one.
    pub(super) fn generate(host: &dyn Host) -> KeyId {
        let mut bytes = [0; ID_BYTES];
        host.fill_random(&mut bytes);
        KeyId(bytes)
    }
}

impl KeyText {
    /// A new key.
    pub fn generate(host: &dyn Host) -> KeyText {
        KeyText::of(KeyId::generate(host), host)
    }

    /// A new secret for a key.
    pub(super) fn of(id: KeyId, host: &dyn Host) -> KeyText {
        let mut secret = [0; SECRET_BYTES];
        host.fill_random(&mut secret);
        KeyText { id, secret }
    }

    /// Which key it is.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The text, for its owner.
    pub fn reveal(&self) -> String {
        format!("{KEY_PREFIX}{}_{}", self.id, base32::encode(&self.secret))
    }

    /// What is kept of it.
    pub(super) fn hash(&self) -> SecretHash {
        SecretHash(blake3::derive_key("warren 2026 api key secret v1", &self.secret))
    }
}

impl SecretHash {
    /// Whether both are of the same secret, in a time that does not tell where they differ.
    pub(super) fn is(&self, other: &SecretHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Drop for KeyText {
    fn drop(&mut self) {
        // The box keeps the compiler from leaving out a write nobody reads.
        *black_box(&mut self.secret) = [0; SECRET_BYTES];
    }
}

impl FromStr for KeyText {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<KeyText, KeyTextError> {
        let (id, secret) = text.strip_prefix(KEY_PREFIX).and_then(|rest| rest.split_once('_')).ok_or(KeyTextError)?;
        let secret = base32::decode_array(secret).ok_or(KeyTextError)?;
        Ok(KeyText { id: id.parse()?, secret })
    }
}

impl FromStr for KeyId {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<KeyId, KeyTextError> {
        base32::decode_array(text).map(KeyId).ok_or(KeyTextError)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32::encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KEY_PREFIX}{}_(hidden)", self.id)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<KeyId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
