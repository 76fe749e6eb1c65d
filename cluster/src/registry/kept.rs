//! What is kept of tenants and keys, one object each.
//!
//! ```text
//! _registry/tenant/{tenant}           a tenant
//! _registry/key/{key}                 a key, found by the id in its text
//! _registry/keys-of/{tenant}/{key}    says that the tenant has the key; written before it
//! ```
//! No tenant can be called `_registry`, so nothing here is ever within a tenant's own keys, which the sweep goes through.

use super::scope::{Role, Scopes};
use super::text::{KeyId, SecretHash};
use crate::envelope::Kind;
use crate::store::Key;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use warren_kernel::host::Timestamp;
use warren_session::id::TenantId;
use warren_session::quota::{Quotas, Terms, WEIGHT};

pub(super) const TENANT: Kind = Kind { magic: *b"WRNT", version: 1, name: "tenant", bytes_max: 64 * 1024 };
pub(super) const KEY: Kind = Kind { magic: *b"WRNA", version: 1, name: "key", bytes_max: 64 * 1024 };
/// What lies under an index entry: nothing but its header.
pub(super) const INDEX: Kind = Kind { magic: *b"WRNI", version: 1, name: "key of a tenant", bytes_max: 4096 };

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// What it is called in the store, for ever.
    pub id: TenantId,
    /// What people call it.
    pub title: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Since when its keys do not work.
    pub disabled: Option<Timestamp>,
    /// How often this record was changed.
    #[serde(default)]
    pub revision: u64,
    /// What it may take, as far as it has numbers of its own.
    #[serde(default)]
    pub quotas: Quotas,
    /// What limits of its sessions may be at most, as far as it has numbers of its own.
    #[serde(default)]
    pub limits_max: BTreeMap<String, u64>,
    /// Its share of the processors, if it has one of its own.
    #[serde(default)]
    pub weight: Option<u32>,
}

impl Tenant {
    /// One that is made now.
    pub(super) fn new(id: TenantId, title: Option<String>, created: Timestamp) -> Tenant {
        Tenant {
            id,
            title,
            created,
            disabled: None,
            revision: 0,
            quotas: Quotas::default(),
            limits_max: BTreeMap::new(),
            weight: None,
        }
    }

    /// What holds for it, where `limits_max` is what the node says for all.
    pub fn terms(&self, limits_max: &BTreeMap<String, u64>) -> Terms {
        let mut most = limits_max.clone();
        most.extend(self.limits_max.iter().map(|(name, most)| (name.clone(), *most)));
        Terms { revision: self.revision, quotas: self.quotas, limits_max: most, weight: self.weight.unwrap_or(WEIGHT) }
    }
}

/// A key, without what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Which key.
    pub id: KeyId,
    /// Whose.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// The role it was made with, if it was not made with single scopes.
    pub role: Option<Role>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it does not work.
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute; later uses may be known in memory.
    pub used: Option<Timestamp>,
    /// Since when it does not work.
    pub revoked: Option<Timestamp>,
    /// When its secret was last replaced.
    pub rotated: Option<Timestamp>,
    /// Of its secret.
    pub(super) hash: SecretHash,
    /// The secret before, which works for some time.
    pub(super) before: Option<Before>,
}

/// A secret that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    pub hash: SecretHash,
    pub until: Timestamp,
}

impl ApiKey {
    /// Whether it works at this time, for whoever has its secret.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }

    /// Until when the secret before the last rotation works.
    pub fn grace_until(&self) -> Option<Timestamp> {
        self.before.map(|before| before.until)
    }

    /// Whether this text proves it.
    pub(super) fn is_proved_by(&self, given: &SecretHash, now: Timestamp) -> bool {
        // Both are always compared.
        let new = self.hash.is(given);
        let before = self.before.is_some_and(|before| before.hash.is(given) & (now < before.until));
        new | before
    }

    /// Puts another secret in; the present one works until `until`.
    pub(super) fn rotate(&mut self, hash: SecretHash, now: Timestamp, until: Timestamp) {
        self.before = (now < until).then_some(Before { hash: self.hash, until });
        self.hash = hash;
        self.rotated = Some(now);
    }
}

pub(super) const TENANTS: &str = "_registry/tenant/";

pub(super) fn tenant(id: &TenantId) -> Key {
    place(&format!("{TENANTS}{id}"))
}

pub(super) fn key(id: KeyId) -> Key {
    place(&format!("_registry/key/{id}"))
}

pub(super) fn keys_of(tenant: &TenantId) -> String {
    format!("_registry/keys-of/{tenant}/")
}

pub(super) fn key_of(tenant: &TenantId, id: KeyId) -> Key {
    place(&format!("{}{id}", keys_of(tenant)))
}

fn place(text: &str) -> Key {
    Key::new(text).expect("tenants and ids of keys are segments of a key")
}
