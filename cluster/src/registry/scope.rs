//! What a key may do: a small, closed set of verbs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A text that is no scope, or no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Not a scope.
    #[error("`{}` is no scope; there are: {}", .0, Scope::ALL.map(Scope::as_str).join(", "))]
    Scope(String),
    /// Not a role.
    #[error("`{}` is no role; there are: {}", .0, Role::ALL.map(Role::as_str).join(", "))]
    Role(String),
}

macro_rules! named {
    ($(#[doc = $about:literal])* $Type:ident, $wrong:expr, { $($(#[doc = $doc:literal])* $name:ident = $text:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Type { $($(#[doc = $doc])* $name,)* }

        impl $Type {
            /// All there are.
            pub const ALL: [$Type; [$($text),*].len()] = [$($Type::$name),*];

            /// As it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $($Type::$name => $text,)* }
            }
        }

        impl FromStr for $Type {
            type Err = ScopeError;

            fn from_str(text: &str) -> Result<$Type, ScopeError> {
                let found = $Type::ALL.into_iter().find(|known| known.as_str() == text);
                found.ok_or_else(|| $wrong(text.chars().take(64).collect()))
            }
        }

        impl fmt::Display for $Type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $Type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $Type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$Type, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

named! {
    /// One thing that a request needs the right to do.
    Scope, ScopeError::Scope, {
        /// See sessions, and their events, which hold what commands wrote.
        SessionsRead = "sessions:read",
        /// Make, fork, import, hibernate, wake, roll back and delete sessions.
        SessionsWrite = "sessions:write",
        /// Run commands, feed and signal them, read their output.
        Exec = "exec",
        /// Read files, and export all of them.
        FilesRead = "files:read",
        /// Write, move and delete files.
        FilesWrite = "files:write",
        /// Make, rotate and revoke keys of the own tenant that may do no more than the key that does it.
        KeysManage = "keys:manage",
        /// See what the own tenant used and has taken.
        UsageRead = "usage:read",
        /// See the audit log of the own tenant.
        AuditRead = "audit:read",
        /// See the figures of the node, which are those of all tenants together.
        MetricsRead = "metrics:read",
        /// Operate the node: make and disable tenants, manage the keys of each.
        TenantsManage = "tenants:manage",
    }
}

named! {
    /// A set of scopes by name, for whoever makes a key.
    Role, ScopeError::Role, {
        /// Everything, also over tenants.
        Operator = "operator",
        /// Everything in the own tenant.
        Admin = "admin",
        /// Sessions, commands and files, but no keys.
        Member = "member",
        /// Sees sessions and reads files.
        Viewer = "viewer",
    }
}

impl Role {
    /// What a key of this role may do.
    pub fn scopes(self) -> Scopes {
        let all: Scopes = Scope::ALL.into_iter().collect();
        match self {
            Role::Operator => all,
            Role::Admin => all.without(Scope::TenantsManage).without(Scope::MetricsRead),
            Role::Member => {
                [Scope::SessionsRead, Scope::SessionsWrite, Scope::Exec, Scope::FilesRead, Scope::FilesWrite]
                    .into_iter()
                    .collect()
            }
            Role::Viewer => [Scope::SessionsRead, Scope::FilesRead].into_iter().collect(),
        }
    }
}

/// A set of scopes; as data it is a list of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

const _: () = assert!(Scope::ALL.len() <= 16, "a set is 16 bits");

impl Scopes {
    /// Those a session-bound token can have: none of them reaches beyond a session.
    pub fn of_a_session() -> Scopes {
        Role::Member.scopes()
    }

    /// Those that reach beyond a tenant; only keys of the operator's own have them.
    pub fn of_the_node() -> Scopes {
        [Scope::TenantsManage, Scope::MetricsRead].into_iter().collect()
    }

    /// Whether a scope is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// Whether all of `others` are among them.
    pub fn cover(self, others: Scopes) -> bool {
        others.0 & !self.0 == 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The others.
    #[must_use]
    pub fn without(self, scope: Scope) -> Scopes {
        Scopes(self.0 & !bit(scope))
    }

    /// Those that are in both.
    #[must_use]
    pub fn and(self, others: Scopes) -> Scopes {
        Scopes(self.0 & others.0)
    }

    /// Those of `others` that are not among them.
    #[must_use]
    pub fn lacks(self, others: Scopes) -> Scopes {
        Scopes(others.0 & !self.0)
    }

    /// Each of them, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.has(*scope))
    }
}

fn bit(scope: Scope) -> u16 {
    1 << scope as u16
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |set, scope| set | bit(scope)))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(", "))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().collect::<Vec<_>>())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
        // A repeated name changes nothing, so a set can always be written again as short as its names.
        Ok(Vec::<Scope>::deserialize(deserializer)?.into_iter().collect())
    }
}
