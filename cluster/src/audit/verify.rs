//! Whether lines of an audit log are what was written: for whoever has them, with no store and no key.

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// What the first record of all is chained to.
pub(super) const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const HASH: &str = ",\"hash\":\"";
const END: &str = "\"}";

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Hash of the last: whoever keeps it can tell later whether records behind it were taken away.
    pub hash: String,
}

/// A chain that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {reason}")]
pub struct Broken {
    /// The record, as it numbers itself, or as it should be.
    pub seq: u64,
    /// What is wrong.
    pub reason: &'static str,
}

#[derive(Deserialize)]
struct Chained {
    seq: u64,
    prev: String,
}

/// Verifies records in order. The first may be any: older ones may be gone. `None` for no records.
///
/// # Errors
/// The first record that does not fit.
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a str>) -> Result<Option<Verified>, Broken> {
    let mut verified: Option<Verified> = None;
    for line in lines {
        let expected = verified.as_ref().map(|before| before.last + 1);
        let broken = |seq: Option<u64>, reason| Broken { seq: seq.or(expected).unwrap_or(0), reason };
        let (plain, hash) = split(line).ok_or_else(|| broken(None, "has no hash at its end"))?;
        let chained: Chained = serde_json::from_str(line).map_err(|_| broken(None, "is no record"))?;
        if hash_of(&plain) != hash {
            return Err(broken(Some(chained.seq), "was changed: its hash is another"));
        }
        match &verified {
            Some(before) if before.last + 1 != chained.seq => {
                return Err(broken(Some(chained.seq), "does not come next"));
            }
            Some(before) if before.hash != chained.prev => {
                return Err(broken(Some(chained.seq), "is not chained to the record before"));
            }
            None if chained.seq == 1 && chained.prev != FIRST => {
                return Err(broken(Some(chained.seq), "is the first and chained to another"));
            }
            _ => {}
        }
        let (records, first) = verified.map_or((0, chained.seq), |before| (before.records, before.first));
        verified = Some(Verified { records: records + 1, first, last: chained.seq, hash: hash.to_owned() });
    }
    Ok(verified)
}

/// A line without its hash, and the hash.
pub(super) fn split(line: &str) -> Option<(String, &str)> {
    let (plain, hash) = line.strip_suffix(END)?.rsplit_once(HASH)?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| (format!("{plain}}}"), hash))
}

/// Puts a hash behind a line that has none.
pub(super) fn with_hash(mut line: String, hash: &str) -> String {
    line.pop();
    line.push_str(HASH);
    line.push_str(hash);
    line.push_str(END);
    line
}

pub(super) fn hash_of(plain: &str) -> String {
    let digest = Sha256::digest(plain.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
