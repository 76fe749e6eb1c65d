//! What may change of a session that is there: its name, and those choices of its spec that are looked at anew whenever they
//! are needed. What its files, its kernel or its journal were made by stays.

use crate::durability::Summary;
use crate::id::SessionName;
use crate::spec::SessionSpec;
use std::collections::BTreeMap;
use std::time::Duration;

/// A change of entries: absent, they stay; `None`, all of them go; of those named, `None` goes and the others are set.
pub type Entries = Option<Option<BTreeMap<String, Option<String>>>>;

/// What is to change, as a merge patch (RFC 7396) says it: `None` is as it was, `Some(None)` is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What its owner calls it.
    pub name: Option<Option<SessionName>>,
    /// For its owner to find it by.
    pub labels: Entries,
    /// Environment entries of commands that start from now on.
    pub environment: Entries,
    /// Environment entries with values of secrets, of commands that start from now on.
    pub secrets: Entries,
    /// Where commands begin from now on; none is the user's home.
    pub cwd: Option<Option<String>>,
    /// Hibernated after this long without a command or a client; none is never.
    pub idle_timeout: Option<Option<Duration>>,
    /// Deleted this long after it was made; none is never.
    pub time_to_live: Option<Option<Duration>>,
    /// What it reaches outside from now on; none is nothing. Connections it would not allow are broken off.
    pub egress: Option<Option<Vec<String>>>,
}

/// What a session is called and made of after a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Changed {
    pub(crate) name: Option<SessionName>,
    pub(crate) spec: SessionSpec,
    /// Which fields are not what they were.
    pub(crate) fields: Vec<&'static str>,
}

impl Change {
    /// Nothing is to change.
    pub fn is_nothing(&self) -> bool {
        *self == Change::default()
    }

    /// A session after it.
    pub(crate) fn over(&self, known: &Summary, spec: &SessionSpec) -> Changed {
        let name = self.name.clone().unwrap_or_else(|| known.name.clone());
        let changed = SessionSpec {
            labels: merged(&spec.labels, &self.labels),
            environment: merged(&spec.environment, &self.environment),
            secrets: merged(&spec.secrets, &self.secrets),
            cwd: self.cwd.clone().unwrap_or_else(|| spec.cwd.clone()),
            idle_timeout: self.idle_timeout.unwrap_or(spec.idle_timeout),
            time_to_live: self.time_to_live.unwrap_or(spec.time_to_live),
            egress: self.egress.clone().map_or_else(|| spec.egress.clone(), Option::unwrap_or_default),
            ..spec.clone()
        };
        let fields = [
            ("name", name != known.name),
            ("labels", changed.labels != spec.labels),
            ("environment", changed.environment != spec.environment),
            ("secrets", changed.secrets != spec.secrets),
            ("cwd", changed.cwd != spec.cwd),
            ("idle_timeout", changed.idle_timeout != spec.idle_timeout),
            ("time_to_live", changed.time_to_live != spec.time_to_live),
            ("egress", changed.egress != spec.egress),
        ];
        let fields = fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
        Changed { name, spec: changed, fields }
    }
}

fn merged(base: &BTreeMap<String, String>, change: &Entries) -> BTreeMap<String, String> {
    let change = match change {
        None => return base.clone(),
        Some(None) => return BTreeMap::new(),
        Some(Some(change)) => change,
    };
    let mut merged = base.clone();
    for (name, value) in change {
        match value {
            Some(value) => merged.insert(name.clone(), value.clone()),
            None => merged.remove(name),
        };
    }
    merged
}
