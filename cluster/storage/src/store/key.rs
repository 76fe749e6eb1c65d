//! The names of objects: checked once, then safe as paths, in URLs and in logs.
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Bytes of the longest key.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of the longest segment of a key.
pub const SEGMENT_BYTES_MAX: usize = 128;

/// An object's name: segments of `[A-Za-z0-9._-]`, joined by `/`; no segment is empty, `.` or `..`. Ordered by its bytes.
/// Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The whole is too long.
    #[error("a key of {0} bytes is longer than {KEY_BYTES_MAX}")]
    TooLong(usize),
    /// A segment is empty, too long, `.` or `..`, or has another character.
    #[error("{0:?} is no segment of a key: 1 to {SEGMENT_BYTES_MAX} of A-Z a-z 0-9 . _ -, and neither . nor ..")]
    Segment(String),
}

impl Key {
    /// Checks a text.
    ///
    /// # Errors
    /// When it is no key; says which part.
    pub fn new(text: &str) -> Result<Key, KeyError> {
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong(text.len()));
        }
        match text.split('/').find(|segment| !is_segment(segment)) {
            Some(segment) => Err(KeyError::Segment(segment.to_owned())),
            None => Ok(Key(text.into())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a text is one segment of a key.
pub(super) fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= SEGMENT_BYTES_MAX && !matches!(text, "." | "..") && text.bytes().all(allowed)
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        Key::new(text)
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
