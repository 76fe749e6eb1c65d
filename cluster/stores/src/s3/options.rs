//! What a store in a bucket is told, and what of it is nonsense.
use crate::redis::without_password;
use crate::retry::Limits;
use std::fmt;
use warren_storage::store::Key;

/// Bytes of the smallest part S3 takes, the last excepted.
const PART_BYTES_MIN: usize = 5 << 20;

/// Which bucket, where, and as whom.
#[derive(Clone, Debug)]
pub struct S3Options {
    /// Its name. It has to be there.
    pub bucket: String,
    /// What all keys begin with; empty, or ends with `/`. Default empty.
    pub prefix: String,
    /// Its region. Default: as the environment or the profile says, and `us-east-1` if an endpoint is given.
    pub region: Option<String>,
    /// The address of a service that is not AWS.
    pub endpoint: Option<String>,
    /// The bucket is in the path, not in the name of the host. Default: if an endpoint is given.
    pub path_style: Option<bool>,
    /// Default: the standard chain of environment, profile, web identity, container and machine.
    pub credentials: Option<S3Credentials>,
    /// How long things may take.
    pub limits: Limits,
    /// Objects to which more bytes were put go in parts. Default 16 MiB.
    pub multipart_bytes: usize,
    /// Bytes of a part, at least 5 MiB. Default 8 MiB.
    pub part_bytes: usize,
    /// Calls that are on their way at a time; others wait, up to their deadline. Each part that goes beside another of its object
    /// counts as one. Default 128.
    pub calls_max: usize,
}

impl S3Options {
    /// The defaults for a bucket.
    pub fn new(bucket: impl Into<String>) -> S3Options {
        S3Options {
            bucket: bucket.into(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            path_style: None,
            credentials: None,
            limits: Limits::default(),
            multipart_bytes: 16 << 20,
            part_bytes: 8 << 20,
            calls_max: 128,
        }
    }
}

/// An access key. The secret parts are not printed.
#[derive(Clone)]
pub struct S3Credentials {
    /// Its name.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Of one that was lent.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Why a store cannot be made of what is said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum S3OpenError {
    /// No bucket has this name.
    #[error("{0:?} is no name of a bucket: 3 to 63 of a-z 0-9 . -, beginning and ending with a letter or digit")]
    Bucket(String),
    /// It cannot be put before keys.
    #[error("{0:?} is no prefix: it is empty, or ends with / after segments of A-Z a-z 0-9 . _ -")]
    Prefix(String),
    /// It is no address.
    #[error("{0:?} is no endpoint: http:// or https:// and a host, without a path, a user or a password")]
    Endpoint(String),
    /// It is shorter than S3 takes.
    #[error("parts of {0} bytes are too short: S3 takes {PART_BYTES_MIN} at least")]
    PartBytes(usize),
    /// The authorities of this machine cannot be used.
    #[error("TLS cannot be used on this machine: {0}")]
    Tls(String),
}

/// Whether they make sense.
pub(super) fn check(options: &S3Options) -> Result<(), S3OpenError> {
    let S3Options { bucket, prefix, endpoint, part_bytes, .. } = options;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let ends = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let bytes = bucket.as_bytes();
    let named = (3..=63).contains(&bytes.len()) && bytes.iter().all(|byte| allowed(*byte));
    if !named || !ends(bytes.first()) || !ends(bytes.last()) || bucket.contains("..") {
        return Err(S3OpenError::Bucket(bucket.clone()));
    }
    let segments = prefix.strip_suffix('/').unwrap_or(prefix);
    if !prefix.is_empty() && (!prefix.ends_with('/') || Key::new(segments).is_err()) {
        return Err(S3OpenError::Prefix(prefix.clone()));
    }
    if let Some(text) = endpoint {
        let parsed = text.parse::<http::Uri>().ok();
        let good = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && matches!(uri.path(), "" | "/")
        });
        if !good || text.contains('@') {
            return Err(S3OpenError::Endpoint(without_password(text)));
        }
    }
    if *part_bytes < PART_BYTES_MIN {
        return Err(S3OpenError::PartBytes(*part_bytes));
    }
    Ok(())
}
