//! What a tenant may take of a node, as numbers that an operator sets.
//!
//! ```text
//! the tenant's own number ─┐
//! the node's [quotas] ─────┴▶ Terms: what holds ─▶ account (counts) ─▶ done, or QuotaError: quota, limit, use
//! ```
//! A number that nobody gave is no limit. [`Terms`] are plain data; who counts is [`crate::account`], and for requests and
//! connections the gateway.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use warren_kernel::limits::{Limits, UnknownLimit};

/// How much a tenant's guests get of the processors when all want them, unless it is said otherwise.
pub const WEIGHT: u32 = 100;
/// Weights go up to this.
pub const WEIGHT_MAX: u32 = 10_000;

macro_rules! quotas {
    ($($(#[doc = $doc:literal])* $Name:ident $name:ident;)*) => {
        /// What a tenant may take. `None` is no limit, or what the node says for all.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Quotas { $($(#[doc = $doc])* pub $name: Option<u64>,)* }

        /// One of [`Quotas`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Quota { $($(#[doc = $doc])* $Name,)* }

        impl Quota {
            /// All there are.
            pub const ALL: &'static [Quota] = &[$(Quota::$Name),*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Quota::$Name => stringify!($name),)* }
            }

            /// What is counted, with its unit.
            pub const fn about(self) -> &'static str {
                match self { $(Quota::$Name => concat!($($doc),*),)* }
            }
        }

        impl Quotas {
            /// One of them.
            pub fn get(&self, quota: Quota) -> Option<u64> {
                match quota { $(Quota::$Name => self.$name,)* }
            }

            /// Sets one of them.
            pub fn set(&mut self, quota: Quota, most: Option<u64>) {
                match quota { $(Quota::$Name => self.$name = most,)* }
            }

            /// These, and where they say nothing the others.
            #[must_use]
            pub fn or(self, others: Quotas) -> Quotas {
                Quotas { $($name: self.$name.or(others.$name),)* }
            }
        }
    };
}

quotas! {
    /// Sessions there are, awake or at rest.
    Sessions sessions;
    /// Sessions awake at once.
    SessionsAwake sessions_awake;
    /// Bytes of memory of all processes of all sessions together.
    MemoryBytes memory_bytes;
    /// Bytes in the store: files, checkpoints and events of all sessions, packed; without what waits to be collected.
    StoredBytes stored_bytes;
    /// Bytes in the store that were written over or deleted and wait to be collected, or are so new that this is not known.
    UncollectedBytes uncollected_bytes;
    /// Files that all sessions made or changed.
    Inodes inodes;
    /// Checkpoints kept of one session.
    Checkpoints checkpoints;
    /// Events a second of all sessions together. Output beyond it waits.
    EventsPerS events_per_s;
    /// Milliseconds of processor time in a second for all guests. Beyond it they wait.
    CpuMsPerS cpu_ms_per_s;
    /// Requests under way at once; each holds a connection.
    Connections connections;
    /// Streams open at once: events, output as it comes.
    Streams streams;
    /// WebSockets open at once.
    Websockets websockets;
    /// Requests a second, for a long time.
    RequestsPerS requests_per_s;
    /// Requests at once after a time without any.
    RequestsBurst requests_burst;
    /// Bytes of JSON bodies that are being read or worked on at once.
    BodyBytes body_bytes;
    /// Bytes a second that sessions send to the outside, and as many that they receive from it. Beyond it they wait.
    EgressBytesPerS egress_bytes_per_s;
}

/// A name that is no quota's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no quota is called `{name}`; there are: {}", Quota::ALL.iter().map(|quota| quota.as_str()).collect::<Vec<_>>().join(", "))]
pub struct UnknownQuota {
    /// As given.
    pub name: String,
}

impl std::str::FromStr for Quota {
    type Err = UnknownQuota;

    fn from_str(text: &str) -> Result<Quota, UnknownQuota> {
        let found = Quota::ALL.iter().copied().find(|quota| quota.as_str() == text);
        found.ok_or_else(|| UnknownQuota { name: text.chars().take(64).collect() })
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What holds for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Which state of the tenant's record this is: one higher with each change.
    pub revision: u64,
    /// What it may take.
    pub quotas: Quotas,
    /// What a session's limits may be at most, by name; a name that is missing is not bounded.
    pub limits_max: BTreeMap<String, u64>,
    /// Its share of the processors, against those of the others.
    pub weight: u32,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms { revision: 0, quotas: Quotas::default(), limits_max: BTreeMap::new(), weight: WEIGHT }
    }
}

/// A limit that is higher than it may be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limits.{name}: {asked} is more than {most}, the most there is for this tenant")]
pub struct TooHigh {
    /// Which limit.
    pub name: String,
    /// What was asked for.
    pub asked: u64,
    /// The most.
    pub most: u64,
}

impl Terms {
    /// Checks limits that were asked for by name.
    ///
    /// # Errors
    /// The first that is higher than it may be. Of those for which 0 is no limit, 0 is.
    pub fn check_limits(&self, asked: impl Iterator<Item = (String, u64)>) -> Result<(), TooHigh> {
        for (name, asked) in asked {
            if let Some(most) = self.limits_max.get(&name).copied()
                && is_above(&name, asked, most)
            {
                return Err(TooHigh { name, asked, most });
            }
        }
        Ok(())
    }

    /// Brings what nobody asked for, and is still higher than it may be, down to that.
    ///
    /// # Errors
    /// A name that is no limit's.
    pub fn lower(&self, limits: &mut Limits) -> Result<(), UnknownLimit> {
        for (name, most) in &self.limits_max {
            if is_above(name, limits.get(name)?, *most) {
                limits.set(name, *most)?;
            }
        }
        Ok(())
    }
}

/// `cpu_ms` of 0 is no limit.
fn is_above(name: &str, asked: u64, most: u64) -> bool {
    asked > most || (name == "cpu_ms" && asked == 0 && most > 0)
}

/// A tenant has taken what it may. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tenant's quota `{quota}` is {limit}, and {used} are in use{}", if *.asked > 1 { format!(" ({asked} more were asked for)") } else { String::new() })]
pub struct QuotaError {
    /// Which.
    pub quota: Quota,
    /// The most.
    pub limit: u64,
    /// What is taken.
    pub used: u64,
    /// What was to be taken beside.
    pub asked: u64,
    /// When it is worth trying again; `None` when time alone changes nothing.
    pub retry_after: Option<Duration>,
}

impl QuotaError {
    /// Whether it is about what is stored: nothing that is tried again soon works before something is removed.
    pub fn is_storage(&self) -> bool {
        matches!(self.quota, Quota::StoredBytes | Quota::UncollectedBytes | Quota::Inodes)
    }
}

#[cfg(test)]
mod tests;
