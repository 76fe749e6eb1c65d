//! A token lets one new node in, once, until it expires.
//!
//! ```text
//! warren1.0r8k2c4v9m1tq3ea.n7.5a…(64).91…(64)
//!         cluster          │  │       └ the secret: 256 random bits
//!                          │  └ SHA-256 of the authority that the new node pins
//!                          └ which node it will be
//! tokens/HASH.json   for which node, until when          HASH is SHA-256 of the secret: who reads it cannot join
//! tokens/HASH.used   the key it was used for             whoever creates this file has used it
//! ```

use crate::hex;
use crate::name::{ClusterId, node_text, parse_node};
use crate::random;
use crate::trust::certificate::seconds;
use crate::trust::folder::{FolderError, create_private, make_private, read_private};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime};
use warren_ownership::name::NodeId;

/// How long a token is valid unless told otherwise: an hour.
pub const TOKEN_VALID: Duration = Duration::from_secs(3600);
/// How long one may be valid, at most: a week.
pub const TOKEN_VALID_MAX: Duration = Duration::from_secs(7 * 86_400);
/// Tokens that are kept, at most. Those that expired a day ago are removed.
pub const TOKENS_MAX: usize = 1000;
const REMEMBERED: Duration = Duration::from_secs(86_400);
const PREFIX: &str = "warren1";

/// What the operator gives to a new node.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Which cluster it leads into.
    pub cluster: ClusterId,
    /// Which node the new one will be.
    pub node: NodeId,
    /// SHA-256 of the authority's certificate.
    pub fingerprint: [u8; 32],
    pub(crate) secret: [u8; 32],
}

/// A text that is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of a cluster; `warren cluster token` prints one, which is copied whole")]
pub struct TokenFormError;

/// Why a token lets nobody in.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was never made here.
    #[error("the token is unknown here; make one on the node that is asked")]
    Wrong,
    /// Another key was let in with it.
    #[error("the token was used before; a token lets one node in, once: make another")]
    Used,
    /// Its time is over.
    #[error("the token has expired; make another")]
    Expired,
    /// There are too many.
    #[error("{TOKENS_MAX} tokens are valid; wait until some have expired")]
    TooMany,
    /// It would be valid for too long.
    #[error("a token is valid for a week at most")]
    TooLong,
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// The tokens of a node that signs.
#[derive(Clone, Debug)]
pub struct Tokens {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    node: u32,
    expires: i64,
}

impl Tokens {
    /// Those of a folder.
    pub fn of(folder: &crate::trust::Folder) -> Tokens {
        Tokens { folder: folder.tokens() }
    }

    /// Makes one, for a node that will be called so. Blocks for a few file operations.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn make(
        &self,
        credentials: &crate::trust::Credentials,
        node: NodeId,
        now: SystemTime,
        valid: Duration,
    ) -> Result<Token, TokenError> {
        if valid > TOKEN_VALID_MAX {
            return Err(TokenError::TooLong);
        }
        make_private(&self.folder)?;
        if self.sweep(now)? >= TOKENS_MAX {
            return Err(TokenError::TooMany);
        }
        let secret = random::bytes::<32>();
        let kept = Kept { node: node.0, expires: seconds(now + valid) };
        let text = serde_json::to_vec(&kept).expect("two numbers have a form");
        let path = self.path(&secret, "json");
        create_private(&path, &text).map_err(|error| failed(&path, &error))?;
        let fingerprint = credentials.authority_fingerprint();
        Ok(Token { cluster: credentials.me().cluster, node, fingerprint, secret })
    }

    /// Uses one for a key (its hash). The same key may come again while the token is valid: its answer may have been lost.
    /// Blocks.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub(crate) fn spend(&self, secret: &[u8; 32], key: &[u8; 32], now: SystemTime) -> Result<NodeId, TokenError> {
        let path = self.path(secret, "json");
        let kept = read_private(&path)?.ok_or(TokenError::Wrong)?;
        let kept: Kept = serde_json::from_str(&kept).map_err(|error| failed(&path, &error))?;
        let used = self.path(secret, "used");
        let before = read_private(&used)?;
        let mine = hex::encode(key);
        if before.as_ref().is_some_and(|before| *before != mine) {
            return Err(TokenError::Used);
        }
        if kept.expires <= seconds(now) {
            return Err(TokenError::Expired);
        }
        if before.is_none()
            && !create_private(&used, mine.as_bytes()).map_err(|error| failed(&used, &error))?
            && read_private(&used)?.as_deref() != Some(mine.as_str())
        {
            return Err(TokenError::Used);
        }
        Ok(NodeId(kept.node))
    }

    /// Removes those that expired long ago, and says how many are left.
    fn sweep(&self, now: SystemTime) -> Result<usize, TokenError> {
        let entries = fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let mut left = 0;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let kept = read_private(&path)?.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
            if kept.is_some_and(|kept| kept.expires <= seconds(now) - REMEMBERED.as_secs() as i64) {
                let _ = fs::remove_file(path.with_extension("used"));
                let _ = fs::remove_file(&path);
            } else {
                left += 1;
            }
        }
        Ok(left)
    }

    fn path(&self, secret: &[u8; 32], extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", hex::encode(&Sha256::digest(secret))))
    }
}

fn failed(path: &std::path::Path, error: &dyn fmt::Display) -> FolderError {
    FolderError::File { path: path.display().to_string(), reason: error.to_string() }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (node, pin, secret) = (node_text(self.node), hex::encode(&self.fingerprint), hex::encode(&self.secret));
        write!(f, "{PREFIX}.{}.{node}.{pin}.{secret}", self.cluster)
    }
}

impl FromStr for Token {
    type Err = TokenFormError;

    fn from_str(text: &str) -> Result<Token, TokenFormError> {
        let parts: Vec<&str> = text.trim().splitn(6, '.').collect();
        let [PREFIX, cluster, node, fingerprint, secret] = parts[..] else { return Err(TokenFormError) };
        Ok(Token {
            cluster: cluster.parse().map_err(|_| TokenFormError)?,
            node: parse_node(node).map_err(|_| TokenFormError)?,
            fingerprint: hex::decode(fingerprint).ok_or(TokenFormError)?,
            secret: hex::decode(secret).ok_or(TokenFormError)?,
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("cluster", &self.cluster).field("node", &self.node).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::{REMEMBERED, TOKEN_VALID, TOKEN_VALID_MAX, TokenError, Tokens};
    use crate::trust::{Credentials, Folder};
    use std::time::{Duration, SystemTime};
    use warren_ownership::name::NodeId;

    #[test]
    fn of_many_keys_at_a_time_one_uses_a_token_and_may_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let trust = Folder::new(folder.path().join("cluster"));
        let now = SystemTime::now();
        trust.init(NodeId(1), now).unwrap();
        let credentials = Credentials::load(&trust).unwrap();
        let tokens = Tokens::of(&trust);
        let token = tokens.make(&credentials, NodeId(7), now, TOKEN_VALID).unwrap();
        let won: Vec<u8> = std::thread::scope(|scope| {
            let spend = |key| tokens.spend(&token.secret, &[key; 32], now).is_ok().then_some(key);
            let all: Vec<_> = (0..16).map(|key| scope.spawn(move || spend(key))).collect();
            all.into_iter().filter_map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1, "{won:?}");
        let again = tokens.spend(&token.secret, &[won[0]; 32], now);
        assert_eq!(again.unwrap(), NodeId(7), "its answer may have been lost");
        let last = now + TOKEN_VALID - Duration::from_secs(1);
        assert!(tokens.spend(&token.secret, &[won[0]; 32], last).is_ok());
        let over = tokens.spend(&token.secret, &[won[0]; 32], now + TOKEN_VALID);
        assert!(matches!(over, Err(TokenError::Expired)));
        assert!(matches!(
            tokens.make(&credentials, NodeId(7), now, TOKEN_VALID_MAX + TOKEN_VALID),
            Err(TokenError::TooLong)
        ));
        // A day after it expired it is forgotten, when another is made.
        let later = now + TOKEN_VALID + REMEMBERED + Duration::from_secs(1);
        tokens.make(&credentials, NodeId(8), later, TOKEN_VALID).unwrap();
        assert!(matches!(tokens.spend(&token.secret, &[won[0]; 32], later), Err(TokenError::Wrong)));
    }
}
