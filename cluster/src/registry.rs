//! Who may use the node: tenants, their keys, and short-lived tokens.
//!
//! ```text
//! Authorization: Bearer ─▶ authenticate ─┬▶ wrn_…: id ─▶ cache ─▶ store      hash compared, alive?, tenant enabled? ─▶ Caller
//!                                        └▶ wrt_…: MAC, time, session ─▶ the key it was made with, as above
//! create, rotate, revoke ─▶ one conditional write of one object ─▶ the cache forgets it ─▶ answered
//! ```
//! Everything lies in the node's own store ([`kept`]). The cache holds what was read; whoever changes a thing makes it
//! forget before the change is answered, so a revoked key works for no request that begins after that. There is one lock
//! for the cache, never held across a wait; `turn` orders those who make keys and tenants, so that limits hold.

mod base32;
mod cache;
mod first;
mod kept;
mod keys;
mod scope;
mod tenants;
mod text;
mod token;

pub use first::FirstError;
pub use kept::{ApiKey, Tenant};
pub use keys::NewKey;
pub use scope::{Role, Scope, ScopeError, Scopes};
pub use tenants::TenantChange;
pub use text::{KEY_PREFIX, KeyId, KeyText, KeyTextError};
pub use token::{TOKEN_LIFE_MAX, TOKEN_PREFIX, TokenAsked};

use crate::envelope::{EnvelopeError, Kind};
use crate::store::{Flush, Key, PutError, Store, StoreError};
use bytes::Bytes;
use cache::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use warren_kernel::host::{Host, Timestamp};
use warren_session::id::{SessionId, TenantId};

/// Tenants of a node, at most.
pub const TENANTS_MAX: usize = 10_000;
/// Keys of a tenant, at most. At the limit those that do not work any more are forgotten.
pub const KEYS_MAX: usize = 1000;
/// Characters of the name of a key or the title of a tenant, at most.
pub const NAME_MAX: usize = 128;
/// How long the secret before a rotation may go on working, at most.
pub const GRACE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often the last use of a key is written, at most.
pub const USED_EVERY: Duration = Duration::from_secs(60);
/// Bytes of what a client gives as a key or token, at most.
const BEARER_MAX: usize = 1024;
/// Others that change the same object at the same time, before this one gives up.
const TRIES: usize = 16;

/// Tenants, keys and tokens. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    host: Arc<dyn Host>,
    /// What tokens are authenticated with.
    token_key: [u8; 32],
    cache: Mutex<Cache>,
    turn: tokio::sync::Mutex<()>,
}

/// Who makes a request, proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose sessions it can reach.
    pub tenant: TenantId,
    /// The key that was given, or that the token was made with.
    pub key: KeyId,
    /// What it may do.
    pub scopes: Scopes,
    /// With a token: the one session it can reach.
    pub session: Option<SessionId>,
}

/// Why somebody is nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Unknown, malformed, expired, revoked, of a disabled tenant: they are not told apart.
    #[error("the key or token is not valid")]
    Refused,
    /// The store could not be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Why the registry did not do what it was asked to. Nothing was changed, unless the store says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No tenant of this id.
    #[error("there is no tenant `{0}`")]
    NoTenant(TenantId),
    /// The id is in use, or was.
    #[error("there is a tenant `{0}` already")]
    TenantExists(TenantId),
    /// Nobody could manage the node any more.
    #[error("the tenant `{0}` is the node's own and stays enabled")]
    OwnTenant(TenantId),
    /// Too many tenants.
    #[error("the node has {TENANTS_MAX} tenants, and that is the most")]
    TooManyTenants,
    /// The tenant has no key of this id.
    #[error("there is no key {0}")]
    NoKey(KeyId),
    /// It does not work, so it cannot be rotated.
    #[error("the key {0} is revoked or expired")]
    DeadKey(KeyId),
    /// Too many keys.
    #[error("the tenant has {KEYS_MAX} keys that work, and that is the most; revoke some")]
    TooManyKeys,
    /// A field makes no sense.
    #[error("{field}: {reason}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wrong, and what would be right.
        reason: String,
    },
    /// Others changed the same thing again and again.
    #[error("somebody else is changing the same thing; try again")]
    Contended,
    /// What is kept cannot be read.
    #[error("{key} in the registry cannot be read: {error}")]
    Damaged {
        /// Which object.
        key: Key,
        /// What is wrong with it.
        error: EnvelopeError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// The registry in `store`. `secret` is the node's, the same at every start: tokens are authenticated with it.
    pub fn new(store: Arc<dyn Store>, host: Arc<dyn Host>, secret: [u8; 32]) -> Registry {
        let token_key = blake3::derive_key("warren 2026 session tokens v1", &secret);
        let inner = Inner { store, host, token_key, cache: Mutex::default(), turn: tokio::sync::Mutex::default() };
        Registry { inner: Arc::new(inner) }
    }

    /// Who this key or token is of.
    ///
    /// # Errors
    /// `Refused` for everything that does not hold; `Registry` when that could not be found out.
    pub async fn authenticate(&self, bearer: &str) -> Result<Caller, AuthError> {
        if bearer.len() > BEARER_MAX {
            return Err(AuthError::Refused);
        }
        match bearer.starts_with(TOKEN_PREFIX) {
            true => self.inner.caller_of_token(bearer).await,
            false => self.inner.caller_of_key(bearer).await,
        }
    }

    /// Whether a key was read before, or a token was made here: finding out whether it is valid costs nothing then.
    pub fn has_seen(&self, bearer: &str) -> bool {
        match bearer.starts_with(TOKEN_PREFIX) {
            _ if bearer.len() > BEARER_MAX => false,
            true => self.inner.is_token(bearer),
            false => bearer.parse::<KeyText>().is_ok_and(|text| self.inner.cache().has_key(text.id())),
        }
    }

    /// Whether what made this caller still holds: neither its key was revoked nor its tenant disabled since.
    ///
    /// # Errors
    /// As [`Registry::authenticate`].
    pub async fn is_still(&self, caller: &Caller) -> Result<(), AuthError> {
        self.inner.living_key(caller.key).await.map(drop)
    }

    fn now(&self) -> Timestamp {
        self.inner.host.realtime()
    }
}

impl Inner {
    async fn caller_of_key(&self, bearer: &str) -> Result<Caller, AuthError> {
        let text: KeyText = bearer.parse().map_err(|_| AuthError::Refused)?;
        let given = text.hash();
        let key = self.living_key(text.id()).await?;
        let now = self.host.realtime();
        if !key.is_proved_by(&given, now) {
            return Err(AuthError::Refused);
        }
        self.cache().used(key.id, now);
        Ok(Caller { tenant: key.tenant.clone(), key: key.id, scopes: key.scopes, session: None })
    }

    /// A key that works, of a tenant that is enabled.
    async fn living_key(&self, id: KeyId) -> Result<Arc<ApiKey>, AuthError> {
        let key = self.known_key(id).await?.ok_or(AuthError::Refused)?;
        let tenant = self.known_tenant(&key.tenant).await?.ok_or(AuthError::Refused)?;
        let works = key.is_live(self.host.realtime()) && tenant.disabled.is_none();
        works.then_some(key).ok_or(AuthError::Refused)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while it is held, and it is whole after each change.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read<T: DeserializeOwned>(&self, kind: Kind, key: &Key) -> Result<Option<T>, RegistryError> {
        let Some(object) = self.store.get(key).await? else { return Ok(None) };
        decode(kind, key, &object.bytes).map(Some)
    }

    /// Writes what is not there yet; whether it was not.
    async fn add<T: Serialize + Sync>(&self, kind: Kind, key: &Key, value: &T) -> Result<bool, RegistryError> {
        match self.store.put_if_absent(key, Bytes::from(kind.encode(value)), Flush::Now).await {
            Ok(_) => Ok(true),
            Err(PutError::Conflict | PutError::Missing) => Ok(false),
            Err(PutError::Store(error)) => Err(error.into()),
        }
    }

    /// Changes what is there, by a conditional write, as often as others come in between. `None` when there is nothing.
    async fn change<T: Serialize + DeserializeOwned + PartialEq + Clone + Send + Sync>(
        &self,
        kind: Kind,
        key: &Key,
        change: impl Fn(&mut T) -> Result<(), RegistryError> + Send,
    ) -> Result<Option<T>, RegistryError> {
        for _ in 0..TRIES {
            let Some(object) = self.store.get(key).await? else { return Ok(None) };
            let old: T = decode(kind, key, &object.bytes)?;
            let mut new = old.clone();
            change(&mut new)?;
            if new == old {
                return Ok(Some(new));
            }
            match self.store.put_if_match(key, kind.encode(&new).into(), &object.version, Flush::Now).await {
                Ok(_) => return Ok(Some(new)),
                Err(PutError::Conflict | PutError::Missing) => {}
                Err(PutError::Store(error)) => return Err(error.into()),
            }
        }
        Err(RegistryError::Contended)
    }
}

/// Does something to its end even if whoever asked for it goes away: the cache must not keep what was changed.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, RegistryError>> + Send + 'static,
) -> Result<T, RegistryError> {
    let stopped = |_| StoreError::Unavailable { reason: "the server stops".to_owned() };
    tokio::spawn(work).await.map_err(stopped)?
}

fn decode<T: DeserializeOwned>(kind: Kind, key: &Key, bytes: &[u8]) -> Result<T, RegistryError> {
    kind.decode(bytes).map_err(|error| RegistryError::Damaged { key: key.clone(), error })
}

/// A name or title that people give: 1 to [`NAME_MAX`] characters, none a control character.
fn check_name(field: &'static str, text: &str) -> Result<(), RegistryError> {
    let count = text.chars().count();
    if (1..=NAME_MAX).contains(&count) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let reason = format!("has to have 1 to {NAME_MAX} characters, and no control characters");
    Err(RegistryError::Invalid { field, reason })
}

fn after(now: Timestamp, period: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(period.as_nanos()).unwrap_or(i64::MAX)))
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

#[cfg(test)]
mod tests;
