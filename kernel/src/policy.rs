//! What a session may do: rules over paths, connections, listeners, images, environment entries and host tools.
//!
//! Denied is an errno at once and one [`crate::event::Event`], never a hang. In each domain the last rule that
//! matches decides, else the domain's default. [`Policy::default`] denies everything; [`Policy::session`] is what a
//! session gets when nobody said otherwise: all of its own virtual files and programs, nothing outside.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Rules of one domain at most, and bytes of one pattern.
pub const RULES_MAX: usize = 1024;
/// Bytes of a pattern at most.
pub const PATTERN_MAX: usize = 1024;

/// The rules of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Paths that may be opened for reading, listed, or looked up.
    pub read: Rules,
    /// Paths that may be made, changed or removed.
    pub write: Rules,
    /// Images that may be executed, by path.
    pub execute: Rules,
    /// Environment entries that may be passed in from outside, by name.
    pub environment: Rules,
    /// Outbound connections, as `host:port`.
    pub connect: Rules,
    /// Listeners, as `address:port` or a socket path.
    pub listen: Rules,
    /// Host tools, by name.
    pub tool: Rules,
}

/// Ordered rules and what holds when none matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// What holds when no rule matches.
    pub default: Effect,
    /// The last that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it says.
    pub effect: Effect,
    /// `?` is one byte and `*` any run of them, neither of them `/`; `**` is any run at all.
    pub pattern: String,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Refused, with an event.
    #[default]
    Deny,
    /// Done.
    Allow,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// Reading a path.
    Read,
    /// Changing a path.
    Write,
    /// Executing an image.
    Execute,
    /// Passing an environment entry in.
    Environment,
    /// Connecting outward.
    Connect,
    /// Listening.
    Listen,
    /// Calling a host tool.
    Tool,
}

/// A policy that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A domain has too many rules.
    #[error("policy domain `{0}` has {1} rules; at most {RULES_MAX} are allowed")]
    TooManyRules(Domain, usize),
    /// A pattern is too long or empty.
    #[error("policy domain `{0}`: a pattern has 1 to {PATTERN_MAX} bytes, this one {1}")]
    PatternLength(Domain, usize),
}

impl Policy {
    /// What a session may do when nobody said otherwise: everything inside itself, nothing outside. Of its own
    /// addresses those two are named that programs use: a pattern for all of 127.0.0.0/8 would match host names too.
    pub fn session() -> Policy {
        let allow = || Rules { default: Effect::Allow, rules: Vec::new() };
        let inside = |pattern: &str| Rule { effect: Effect::Allow, pattern: pattern.to_owned() };
        Policy {
            read: allow(),
            write: allow(),
            execute: allow(),
            environment: allow(),
            connect: Rules { default: Effect::Deny, rules: vec![inside("127.0.0.1:*"), inside("[::1]:*")] },
            listen: allow(),
            ..Policy::default()
        }
    }

    /// As [`Policy::session`], where a way out decides what is reached outside: the policy leaves that to it.
    pub fn with_way_out() -> Policy {
        Policy { connect: Rules { default: Effect::Allow, rules: Vec::new() }, ..Policy::session() }
    }

    /// Checks sizes, so that every later match is bounded.
    ///
    /// # Errors
    /// [`PolicyError`], naming the domain.
    pub fn validate(&self) -> Result<(), PolicyError> {
        for domain in Domain::ALL {
            let rules = &self.rules(domain).rules;
            if rules.len() > RULES_MAX {
                return Err(PolicyError::TooManyRules(domain, rules.len()));
            }
            if let Some(rule) = rules.iter().find(|rule| rule.pattern.is_empty() || rule.pattern.len() > PATTERN_MAX) {
                return Err(PolicyError::PatternLength(domain, rule.pattern.len()));
            }
        }
        Ok(())
    }

    /// What the rules of `domain` say of `subject`.
    pub fn decide(&self, domain: Domain, subject: &[u8]) -> Effect {
        let rules = self.rules(domain);
        rules
            .rules
            .iter()
            .rev()
            .find(|rule| matches(rule.pattern.as_bytes(), subject))
            .map_or(rules.default, |rule| rule.effect)
    }

    /// Whether `domain` has no rule, so that its default answers for every subject.
    pub fn is_uniform(&self, domain: Domain) -> Option<Effect> {
        let rules = self.rules(domain);
        rules.rules.is_empty().then_some(rules.default)
    }

    fn rules(&self, domain: Domain) -> &Rules {
        match domain {
            Domain::Read => &self.read,
            Domain::Write => &self.write,
            Domain::Execute => &self.execute,
            Domain::Environment => &self.environment,
            Domain::Connect => &self.connect,
            Domain::Listen => &self.listen,
            Domain::Tool => &self.tool,
        }
    }
}

impl Domain {
    const ALL: [Domain; 7] = [
        Domain::Read,
        Domain::Write,
        Domain::Execute,
        Domain::Environment,
        Domain::Connect,
        Domain::Listen,
        Domain::Tool,
    ];
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Domain::Read => "read",
            Domain::Write => "write",
            Domain::Execute => "execute",
            Domain::Environment => "environment",
            Domain::Connect => "connect",
            Domain::Listen => "listen",
            Domain::Tool => "tool",
        })
    }
}

/// Matches in time proportional to pattern times subject: a set of pattern positions steps over the subject, so no
/// pattern of a tenant can make it run away.
fn matches(pattern: &[u8], subject: &[u8]) -> bool {
    let mut here = vec![false; pattern.len() + 1];
    here[0] = true;
    skip_stars(pattern, &mut here);
    for &byte in subject {
        let mut next = vec![false; pattern.len() + 1];
        for at in (0..pattern.len()).filter(|at| here[*at]) {
            match pattern[at] {
                b'*' if byte != b'/' || is_double(pattern, at) => next[at] = true,
                b'*' => {}
                b'?' if byte != b'/' => next[at + 1] = true,
                literal if literal == byte => next[at + 1] = true,
                _ => {}
            }
        }
        skip_stars(pattern, &mut next);
        here = next;
    }
    here[pattern.len()]
}

/// A star may match nothing: where one can be reached, so can the place behind it.
fn skip_stars(pattern: &[u8], reached: &mut [bool]) {
    for at in 0..pattern.len() {
        if reached[at] && pattern[at] == b'*' {
            reached[at + 1] = true;
        }
    }
}

/// Whether the star at `at` is one of a pair.
fn is_double(pattern: &[u8], at: usize) -> bool {
    pattern.get(at + 1) == Some(&b'*') || (at > 0 && pattern[at - 1] == b'*')
}

#[cfg(test)]
mod tests;
