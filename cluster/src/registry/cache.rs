//! What was read of the registry, and which keys were used since that was last written.
//!
//! A thing that was read while it was being changed must not come in behind the change: whoever reads takes the
//! generation first, and what they found is kept only if nothing has been forgotten since.

use super::kept::{self, ApiKey, Tenant};
use super::text::KeyId;
use super::{Inner, RegistryError, USED_EVERY};
use std::collections::HashMap;
use std::sync::Arc;
use warren_kernel::host::Timestamp;
use warren_session::id::TenantId;

/// Things of each kind that are remembered, at most; then all of them are read again.
const CACHED_MAX: usize = 16 * 1024;

#[derive(Default)]
pub(super) struct Cache {
    generation: u64,
    keys: HashMap<KeyId, Arc<ApiKey>>,
    tenants: HashMap<TenantId, Arc<Tenant>>,
    /// Last uses that are not written yet.
    used: HashMap<KeyId, Timestamp>,
}

impl Cache {
    /// A key was used now.
    pub(super) fn used(&mut self, id: KeyId, now: Timestamp) {
        if self.used.len() < CACHED_MAX || self.used.contains_key(&id) {
            self.used.insert(id, now);
        }
    }

    /// Its last use, as far as it is not written yet.
    pub(super) fn last_used(&self, id: KeyId) -> Option<Timestamp> {
        self.used.get(&id).copied()
    }

    /// Last uses to be written.
    pub(super) fn all_used(&self) -> Vec<(KeyId, Timestamp)> {
        self.used.iter().map(|(id, at)| (*id, *at)).collect()
    }

    /// This use is written.
    pub(super) fn wrote_used(&mut self, id: KeyId, at: Timestamp) {
        if self.used.get(&id) == Some(&at) {
            self.used.remove(&id);
        }
    }

    /// Whether a key was read before.
    pub(super) fn has_key(&self, id: KeyId) -> bool {
        self.keys.contains_key(&id)
    }

    /// A key was changed.
    pub(super) fn forget_key(&mut self, id: KeyId) {
        self.generation += 1;
        self.keys.remove(&id);
    }

    /// A tenant was changed.
    pub(super) fn forget_tenant(&mut self, id: &TenantId) {
        self.generation += 1;
        self.tenants.remove(id);
    }
}

impl Inner {
    pub(super) async fn known_key(&self, id: KeyId) -> Result<Option<Arc<ApiKey>>, RegistryError> {
        let generation = {
            let cache = self.cache();
            if let Some(known) = cache.keys.get(&id) {
                return Ok(Some(known.clone()));
            }
            cache.generation
        };
        // What is not there is not remembered: those who try ids at random fill nothing.
        let Some(found) = self.read::<ApiKey>(kept::KEY, &kept::key(id)).await? else { return Ok(None) };
        let found = Arc::new(found);
        let mut cache = self.cache();
        if cache.generation == generation {
            if cache.keys.len() >= CACHED_MAX {
                cache.keys.clear();
            }
            cache.keys.insert(id, found.clone());
        }
        Ok(Some(found))
    }

    pub(super) async fn known_tenant(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, RegistryError> {
        let generation = {
            let cache = self.cache();
            if let Some(known) = cache.tenants.get(id) {
                return Ok(Some(known.clone()));
            }
            cache.generation
        };
        let Some(found) = self.read::<Tenant>(kept::TENANT, &kept::tenant(id)).await? else { return Ok(None) };
        let found = Arc::new(found);
        let mut cache = self.cache();
        if cache.generation == generation {
            if cache.tenants.len() >= CACHED_MAX {
                cache.tenants.clear();
            }
            cache.tenants.insert(id.clone(), found.clone());
        }
        Ok(Some(found))
    }

    /// Changes a key, and forgets it whatever comes of that: a write that failed may have happened.
    pub(super) async fn change_key(
        self: &Arc<Self>,
        id: KeyId,
        change: impl Fn(&mut ApiKey) -> Result<(), RegistryError> + Send + Sync + 'static,
    ) -> Result<ApiKey, RegistryError> {
        let inner = self.clone();
        let changed = super::whole(async move {
            let changed = inner.change(kept::KEY, &kept::key(id), change).await;
            inner.cache().forget_key(id);
            changed
        });
        changed.await?.ok_or(RegistryError::NoKey(id))
    }

    /// Writes when a key was last used, if what is written is older than [`USED_EVERY`].
    pub(super) async fn write_used(self: &Arc<Self>, id: KeyId, at: Timestamp) -> Result<(), RegistryError> {
        let due = |used: Option<Timestamp>| used.is_none_or(|used| super::after(used, USED_EVERY) <= at);
        let known = self.known_key(id).await?;
        if known.is_some_and(|key| due(key.used)) {
            self.change_key(id, move |key| {
                key.used = key.used.max(Some(at));
                Ok(())
            })
            .await?;
        }
        self.cache().wrote_used(id, at);
        Ok(())
    }
}
