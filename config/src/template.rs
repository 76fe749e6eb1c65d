//! What sessions are made of, as an operator or a client says it: only what differs from the defaults.

use crate::schema;
use crate::value::{Size, Timeout};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use warren_egress::{RuleError, Rules as EgressRules};
use warren_kernel::limits::UnknownLimit;
use warren_kernel::policy::{Policy, PolicyError, Rules};
use warren_session::spec::{SessionSpec, SpecFile, Tier};

/// Choices for a session; what is not chosen stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Template {
    /// Packages in its base layer, `name` or `name@version`. By default all that are installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub software: Option<Vec<String>>,
    /// Environment entries, added to those there are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = schema::Environment)]
    pub environment: BTreeMap<String, String>,
    /// Environment entries with the value of a secret: name in the session, name in `secrets`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = schema::Environment)]
    pub secrets: BTreeMap<String, String>,
    /// Directory where commands begin. By default the user's home.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^/[^\x00]*$")]
    pub cwd: Option<String>,
    /// The user that commands run as: `agent` (the default), `root`, `nobody` or `UID[:GID]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^(agent|root|nobody|[0-9]{1,9}(:[0-9]{1,9})?)$")]
    pub user: Option<String>,
    /// Files to begin with, added to those there are: `path`, `content`, `mode`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::NewFile>)]
    pub files: Vec<SpecFile>,
    /// What it may do; a domain that is not named keeps what sessions may do anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyChoice>,
    /// Limits by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = schema::LimitsByName)]
    pub limits: BTreeMap<String, Size>,
    /// How durable what it acknowledged is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Durability>)]
    pub durability: Option<Tier>,
    /// Hibernated after this long without a command or a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<Timeout>,
    /// Deleted this long after it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<Timeout>,
    /// For its owner to find it by.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = schema::Labels)]
    pub labels: BTreeMap<String, String>,
    /// What it reaches outside, in place of what was chosen before: `HOST`, `HOST:PORT`, `*.HOST`, an address or a network,
    /// `public`, `local:HOST:PORT`. Without any, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::EgressRules>)]
    pub egress: Option<Vec<String>>,
}

/// Rules for some domains.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the domains are those of `Policy`, and are explained there")]
pub struct PolicyChoice {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub read: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub write: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub execute: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub environment: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub connect: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub listen: Option<Rules>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Rules>)]
    pub tool: Option<Rules>,
}

/// A choice that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A limit that is none.
    #[error(transparent)]
    Limit(#[from] UnknownLimit),
    /// Rules that are too many or too long.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A rule of what it reaches outside that is none.
    #[error("egress: {0}")]
    Egress(#[from] RuleError),
}

impl Template {
    /// Makes these choices in a session's spec.
    ///
    /// # Errors
    /// A limit has an unknown name, the policy is too large, or a rule names nothing; the spec is then to be thrown away.
    pub fn apply(&self, spec: &mut SessionSpec) -> Result<(), TemplateError> {
        if let Some(software) = &self.software {
            spec.software = Some(software.clone());
        }
        let add = |to: &mut BTreeMap<String, String>, from: &BTreeMap<String, String>| {
            to.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
        };
        add(&mut spec.environment, &self.environment);
        add(&mut spec.secrets, &self.secrets);
        add(&mut spec.labels, &self.labels);
        if let Some(cwd) = &self.cwd {
            spec.cwd = Some(cwd.clone());
        }
        if let Some(user) = &self.user {
            spec.user = Some(user.clone());
        }
        spec.files.extend(self.files.iter().cloned());
        if let Some(choice) = &self.policy {
            let policy = choice.over(spec.policy.take().unwrap_or_else(Policy::with_way_out));
            policy.validate()?;
            spec.policy = Some(policy);
        }
        for (name, value) in &self.limits {
            spec.limits.set(name, value.0)?;
        }
        if let Some(rules) = &self.egress {
            EgressRules::parse(rules)?;
            spec.egress.clone_from(rules);
        }
        if let Some(durability) = self.durability {
            spec.durability = durability;
        }
        if let Some(timeout) = self.idle_timeout {
            spec.idle_timeout = timeout.0;
        }
        if let Some(timeout) = self.time_to_live {
            spec.time_to_live = timeout.0;
        }
        Ok(())
    }
}

impl PolicyChoice {
    fn over(&self, base: Policy) -> Policy {
        let choose = |choice: &Option<Rules>, base: Rules| choice.clone().unwrap_or(base);
        Policy {
            read: choose(&self.read, base.read),
            write: choose(&self.write, base.write),
            execute: choose(&self.execute, base.execute),
            environment: choose(&self.environment, base.environment),
            connect: choose(&self.connect, base.connect),
            listen: choose(&self.listen, base.listen),
            tool: choose(&self.tool, base.tool),
        }
    }
}

#[cfg(test)]
mod tests;
