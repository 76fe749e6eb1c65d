//! What a user means by `a:/notes`, `./notes` and `-`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Of a session, by name or id; the path is absolute.
    Session { session: String, path: PathBuf },
    /// Of this machine.
    Here(PathBuf),
    /// Standard input or output.
    Standard,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        match text.split_once(':') {
            _ if text == "-" => Ok(Place::Standard),
            _ if text.is_empty() => Err("a path has at least one character".to_owned()),
            Some((session, path)) if !session.is_empty() && !session.contains('/') => match path.starts_with('/') {
                true => Ok(Place::Session { session: session.to_owned(), path: PathBuf::from(path) }),
                false => Err(format!(
                    "give an absolute path, as in {session}:/home/agent/{path}, or ./{text} for a file here"
                )),
            },
            _ => Ok(Place::Here(PathBuf::from(text))),
        }
    }
}

impl Place {
    /// Its path; `-` of what has none.
    pub(super) fn path(&self) -> &Path {
        match self {
            Place::Session { path, .. } | Place::Here(path) => path,
            Place::Standard => Path::new("-"),
        }
    }

    /// The name it keeps in a directory; none when only what is in it is meant: `a:/`, `dir/.`.
    pub(super) fn name(&self) -> Option<&OsStr> {
        let text = self.path().as_os_str().as_encoded_bytes();
        match self {
            Place::Standard => None,
            _ if text.ends_with(b"/.") => None,
            _ => self.path().file_name(),
        }
    }

    /// Whether it says itself that it is a directory.
    pub(super) fn is_directory(&self) -> bool {
        let text = self.path().as_os_str().as_encoded_bytes();
        *self != Place::Standard && (text.ends_with(b"/") || text.ends_with(b"/."))
    }
}
