//! How everything we store begins: what it is, in which version, and whether it is whole.
//!
//! ```text
//! magic (4) | version u16 LE | blake3 of the rest, first 16 bytes | MessagePack with named fields
//! ```
//! A reader takes the versions it knows and refuses others by number; fields added later have defaults, so an old object
//! can be read for ever.

use rmp_serde::config::BytesMode;
use serde::Serialize;
use serde::de::DeserializeOwned;

const HEADER: usize = 4 + 2 + 16;

/// What kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its first four bytes.
    pub magic: [u8; 4],
    /// The version written, and the newest that is read. From 1.
    pub version: u16,
    /// What it is called in an error.
    pub name: &'static str,
    /// Bytes, at most.
    pub bytes_max: usize,
}

/// Why bytes are not an object of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Other first bytes.
    #[error("not a {0}")]
    Magic(&'static str),
    /// Written by a newer Warren.
    #[error("a {kind} of version {found}; this Warren reads up to {known}")]
    Version {
        /// What it is.
        kind: &'static str,
        /// In it.
        found: u16,
        /// The newest that is read.
        known: u16,
    },
    /// Too long to be one.
    #[error("a {kind} of {bytes} bytes; {most} is the most")]
    TooLong {
        /// What it is.
        kind: &'static str,
        /// In it.
        bytes: usize,
        /// The most.
        most: usize,
    },
    /// Changed since it was written.
    #[error("a {0} whose checksum does not match its bytes")]
    Checksum(&'static str),
    /// The checksum matches and the content makes no sense.
    #[error("a {kind} that is malformed: {reason}")]
    Malformed {
        /// What it is.
        kind: &'static str,
        /// Where the reader stopped.
        reason: String,
    },
}

impl Kind {
    /// A value as bytes.
    pub fn encode(&self, value: &impl Serialize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.resize(HEADER, 0);
        to_vec(value, &mut bytes);
        let hash = blake3::hash(&bytes[HEADER..]);
        bytes[6..HEADER].copy_from_slice(&hash.as_bytes()[..16]);
        bytes
    }

    /// A value from bytes, trusting nothing.
    ///
    /// # Errors
    /// [`EnvelopeError`], naming what is wrong.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, EnvelopeError> {
        if bytes.len() > self.bytes_max {
            return Err(EnvelopeError::TooLong { kind: self.name, bytes: bytes.len(), most: self.bytes_max });
        }
        let (header, body) = bytes.split_at_checked(HEADER).ok_or(EnvelopeError::Magic(self.name))?;
        if header[..4] != self.magic {
            return Err(EnvelopeError::Magic(self.name));
        }
        let found = u16::from_le_bytes([header[4], header[5]]);
        if found == 0 || found > self.version {
            return Err(EnvelopeError::Version { kind: self.name, found, known: self.version });
        }
        if blake3::hash(body).as_bytes()[..16] != header[6..] {
            return Err(EnvelopeError::Checksum(self.name));
        }
        from_slice(body).map_err(|reason| EnvelopeError::Malformed { kind: self.name, reason })
    }
}

/// Plain data as MessagePack with named fields, appended to `to`.
pub(crate) fn to_vec(value: &impl Serialize, to: &mut Vec<u8>) {
    // Without this, each byte above 127 of a name or a block would take two.
    let mut serializer = rmp_serde::Serializer::new(to).with_struct_map().with_bytes(BytesMode::ForceAll);
    value.serialize(&mut serializer).expect("plain data always has a MessagePack form");
}

/// Plain data from MessagePack, all of it.
pub(crate) fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut reader).map_err(|error| error.to_string())?;
    Ok(value)
}

#[cfg(test)]
mod tests;
