//! What clusters and their nodes are called, in certificates and in what is said.
//!
//! ```text
//! cluster  0r8k2c4v9m1tq3ea       16 characters of base32hex in lower case: 80 random bits
//! node     n7                     a number; which process runs there is not in a certificate
//! URI      spiffe://0r8k2c4v9m1tq3ea/node/7                  SPIFFE ID, section 2
//! DNS      n7.0r8k2c4v9m1tq3ea.warren.internal               what TLS asks for; .internal is nobody's
//! ```

use crate::random;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use warren_ownership::name::NodeId;

/// Characters of a [`ClusterId`].
pub const CLUSTER_ID_LEN: usize = 16;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// A cluster, for ever: which authority's certificates count is bound to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterId([u8; CLUSTER_ID_LEN]);

/// A node of a cluster, as its certificate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId {
    /// Of which cluster.
    pub cluster: ClusterId,
    /// Which node.
    pub node: NodeId,
}

/// A text that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a cluster.
    #[error("`{0}` is not the id of a cluster: {CLUSTER_ID_LEN} of 0-9 and a-v")]
    Cluster(String),
    /// Not a node.
    #[error("`{0}` is not a node: n and a number, as n7")]
    Node(String),
    /// Not the name in a certificate.
    #[error("`{0}` is not the name of a node in a certificate: spiffe://CLUSTER/node/NUMBER")]
    Uri(String),
}

impl ClusterId {
    /// One that nobody has.
    pub fn random() -> ClusterId {
        ClusterId(random::bytes::<CLUSTER_ID_LEN>().map(|byte| ALPHABET[usize::from(byte & 31)]))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("all of it is ASCII")
    }

    /// The DNS name all nodes of the cluster have.
    pub fn dns(&self) -> String {
        format!("{self}.warren.internal")
    }
}

impl FromStr for ClusterId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ClusterId, NameError> {
        let wrong = || NameError::Cluster(text.chars().take(64).collect());
        let bytes: [u8; CLUSTER_ID_LEN] = text.as_bytes().try_into().map_err(|_| wrong())?;
        if bytes.iter().all(|byte| ALPHABET.contains(byte)) { Ok(ClusterId(bytes)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for ClusterId {
    type Error = NameError;

    fn try_from(text: String) -> Result<ClusterId, NameError> {
        text.parse()
    }
}

impl From<ClusterId> for String {
    fn from(id: ClusterId) -> String {
        id.as_str().to_owned()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PeerId {
    /// The name in a certificate.
    pub fn uri(&self) -> String {
        format!("spiffe://{}/node/{}", self.cluster, self.node.0)
    }

    /// The name TLS asks for.
    pub fn dns(&self) -> String {
        format!("n{}.{}", self.node.0, self.cluster.dns())
    }

    /// From the name in a certificate.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_uri(uri: &str) -> Result<PeerId, NameError> {
        let wrong = || NameError::Uri(uri.chars().take(128).collect());
        let (cluster, node) =
            uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once("/node/")).ok_or_else(wrong)?;
        let node = number(node).ok_or_else(wrong)?;
        Ok(PeerId { cluster: cluster.parse().map_err(|_| wrong())?, node })
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{} of cluster {}", self.node.0, self.cluster)
    }
}

/// A node as text: `n7`.
pub fn node_text(node: NodeId) -> String {
    format!("n{}", node.0)
}

/// The node a text names.
///
/// # Errors
/// Anything but `n` and a number without leading zeros.
pub fn parse_node(text: &str) -> Result<NodeId, NameError> {
    text.strip_prefix('n').and_then(number).ok_or_else(|| NameError::Node(text.chars().take(64).collect()))
}

/// One spelling a number.
fn number(digits: &str) -> Option<NodeId> {
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(NodeId(number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::{ClusterId, PeerId, parse_node};
    use warren_ownership::name::NodeId;

    #[test]
    fn names_have_one_spelling() {
        let peer = PeerId { cluster: ClusterId::random(), node: NodeId(7) };
        assert_eq!(PeerId::from_uri(&peer.uri()).unwrap(), peer);
        assert_eq!(parse_node("n7").unwrap(), NodeId(7));
        assert_eq!(parse_node("n4294967295").unwrap(), NodeId(u32::MAX));
        for wrong in ["7", "n", "n07", "n+7", "n-1", "n4294967296", "N7", "n7 "] {
            assert!(parse_node(wrong).is_err(), "{wrong}");
        }
        let cluster = peer.cluster;
        for wrong in [
            format!("spiffe://{cluster}/node/07"),
            format!("spiffe://{cluster}/node/7/x"),
            format!("https://{cluster}/node/7"),
            "spiffe://x/node/7".to_owned(),
            String::new(),
        ] {
            assert!(PeerId::from_uri(&wrong).is_err(), "{wrong}");
        }
        assert!("0r8k2c4v9m1tq3e".parse::<ClusterId>().is_err(), "one character short");
        assert!("0r8k2c4v9m1tq3ew".parse::<ClusterId>().is_err(), "w is not of the alphabet");
    }
}
