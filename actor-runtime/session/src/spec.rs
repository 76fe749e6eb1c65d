//! What a session is made of, as data that outlives every process: a template's choices and the client's own.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use warren_kernel::limits::Limits;
use warren_kernel::policy::Policy;

/// Labels of a session, at most.
pub const LABELS_MAX: usize = 32;
/// Bytes of all environment entries of a spec, at most.
pub const ENVIRONMENT_BYTES_MAX: usize = 64 * 1024;
/// Files a spec brings, at most.
pub const FILES_MAX: usize = 256;
/// Bytes of all files a spec brings, at most.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// How durable what is acknowledged is.
///
/// | tier | what an acknowledged call has survived |
/// | --- | --- |
/// | `scratch` | nothing, until a checkpoint, fork or hibernation |
/// | `checkpoint` | the end of the server's process at once; power loss within seconds |
/// | `journal` | the end of the process, and power loss |
/// | `strict` | as `journal`, and it is in the store (the bucket) |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Kept when it is parked, and not before.
    Scratch,
    /// At most 5 seconds may be lost, and only to power loss.
    #[default]
    Checkpoint,
    /// Nothing that was acknowledged is lost by a single failure.
    Journal,
    /// In the store before it is acknowledged.
    Strict,
}

/// What a session is made of. Kept with it; a template may change without changing the sessions made from it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionSpec {
    /// The template it was made from, for people to read.
    pub template: Option<String>,
    /// Packages in its base layer, `name@version`; `None` is what the node has installed as defaults.
    pub software: Option<Vec<String>>,
    /// Environment entries beside the usual ones.
    pub environment: BTreeMap<String, String>,
    /// Environment entries whose values are asked of the operator's secret source whenever a command starts: name in
    /// the session, name of the secret. The values are never stored.
    pub secrets: BTreeMap<String, String>,
    /// Where commands begin; `None` is the user's home.
    pub cwd: Option<String>,
    /// The user commands run as: `agent`, `root`, `nobody` or `UID[:GID]`; `None` is `agent`.
    pub user: Option<String>,
    /// Files put there when it is made.
    pub files: Vec<SpecFile>,
    /// What it may do; `None` is [`Policy::with_way_out`].
    pub policy: Option<Policy>,
    /// What it may hold.
    pub limits: Limits,
    /// How durable it is.
    pub durability: Tier,
    /// Hibernated after this long without a command or a client; `None` is never.
    #[serde(with = "duration")]
    pub idle_timeout: Option<Duration>,
    /// Deleted this long after it was made; `None` is never.
    #[serde(with = "duration")]
    pub time_to_live: Option<Duration>,
    /// For its owner to find it by.
    pub labels: BTreeMap<String, String>,
    /// What it reaches outside, as [`warren_egress::rule`] reads it; without a rule, nothing.
    pub egress: Vec<String>,
}

/// A file a session begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecFile {
    /// Absolute path; directories on the way are made.
    pub path: String,
    /// What is in it.
    pub content: String,
    /// Permission bits.
    #[serde(default = "SpecFile::mode")]
    pub mode: u32,
}

impl SpecFile {
    fn mode() -> u32 {
        0o644
    }
}

/// Durations as people write them: `90s`, `15m`, `1h 30m`.
mod duration {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.collect_str(&humantime::format_duration(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        let parse = |text: String| humantime::parse_duration(&text).map_err(serde::de::Error::custom);
        text.map(parse).transpose()
    }
}
