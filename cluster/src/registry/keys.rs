//! Keys: made, listed, rotated, revoked.

use super::kept::{self, ApiKey};
use super::text::{KeyId, KeyText};
use super::{GRACE_MAX, Inner, KEYS_MAX, Registry, RegistryError, Role, Scopes, check_name};
use crate::store::{Key, PAGE_ENTRIES_MAX};
use std::time::Duration;
use warren_kernel::host::Timestamp;
use warren_session::id::TenantId;

const _: () = assert!(KEYS_MAX <= PAGE_ENTRIES_MAX, "the keys of a tenant are one page");

/// A key to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Whose.
    pub tenant: TenantId,
    /// What people call it.
    pub name: String,
    /// The role its scopes are of, if they are.
    pub role: Option<Role>,
    /// What it may do.
    pub scopes: Scopes,
    /// From when on it does not work.
    pub expires: Option<Timestamp>,
}

impl Registry {
    /// Makes a key. Its text is nowhere else.
    ///
    /// # Errors
    /// `NoTenant`, `TooManyKeys`, `Invalid`, those of the store.
    pub async fn create_key(&self, new: NewKey) -> Result<(ApiKey, KeyText), RegistryError> {
        let text = KeyText::generate(&*self.inner.host);
        Ok((self.admit(new, &text).await?, text))
    }

    /// Makes a key that has this text.
    pub(super) async fn admit(&self, new: NewKey, text: &KeyText) -> Result<ApiKey, RegistryError> {
        let (inner, now) = (&self.inner, self.now());
        check_name("name", &new.name)?;
        let invalid = |field, reason: &str| RegistryError::Invalid { field, reason: reason.to_owned() };
        if new.scopes.is_empty() {
            return Err(invalid("scopes", "a key without any can do nothing; give a role or at least one scope"));
        }
        let of_the_node = new.scopes.and(Scopes::of_the_node());
        if !of_the_node.is_empty() && new.tenant != TenantId::embedded() {
            let reason = format!("{of_the_node}: only for keys of the node's own tenant");
            return Err(RegistryError::Invalid { field: "scopes", reason });
        }
        if new.expires.is_some_and(|end| end <= now) {
            return Err(invalid("expires", "lies in the past"));
        }
        let _turn = inner.turn.lock().await;
        if inner.known_tenant(&new.tenant).await?.is_none() {
            return Err(RegistryError::NoTenant(new.tenant));
        }
        inner.make_room(&new.tenant, now).await?;
        let key = ApiKey {
            id: text.id(),
            tenant: new.tenant,
            name: new.name,
            role: new.role,
            scopes: new.scopes,
            created: now,
            expires: new.expires,
            used: None,
            revoked: None,
            rotated: None,
            hash: text.hash(),
            before: None,
        };
        // First where it is listed: a key that works and that nobody sees must not be.
        inner.add(kept::INDEX, &kept::key_of(&key.tenant, key.id), &()).await?;
        match inner.add(kept::KEY, &kept::key(key.id), &key).await? {
            true => Ok(key),
            false => Err(RegistryError::Contended),
        }
    }

    /// The keys of a tenant, also those that do not work any more, in the order they were made.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, RegistryError> {
        let mut keys = Vec::new();
        for id in self.inner.ids_of(tenant).await? {
            keys.extend(self.inner.read::<ApiKey>(kept::KEY, &kept::key(id)).await?);
        }
        keys.iter_mut().for_each(|key| self.as_it_is(key));
        keys.sort_by_key(|key| (key.created, key.id));
        Ok(keys)
    }

    /// One key of a tenant.
    ///
    /// # Errors
    /// `NoKey`, also when it is another tenant's.
    pub async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<ApiKey, RegistryError> {
        self.inner.check_is_of(tenant, id).await?;
        let found = self.inner.read::<ApiKey>(kept::KEY, &kept::key(id)).await?;
        let mut key = found.filter(|key| key.tenant == *tenant).ok_or(RegistryError::NoKey(id))?;
        self.as_it_is(&mut key);
        Ok(key)
    }

    /// Ends a key. When this is answered it works for nobody on this node. One that is revoked already stays so.
    ///
    /// # Errors
    /// `NoKey`, those of the store.
    pub async fn revoke_key(&self, tenant: &TenantId, id: KeyId) -> Result<ApiKey, RegistryError> {
        self.inner.check_is_of(tenant, id).await?;
        let (now, whose) = (self.now(), tenant.clone());
        let revoke = move |key: &mut ApiKey| {
            owned(key, &whose)?;
            key.revoked.get_or_insert(now);
            key.before = None;
            Ok(())
        };
        let mut key = self.inner.change_key(id, revoke).await?;
        self.as_it_is(&mut key);
        Ok(key)
    }

    /// Gives a key a new secret; the present one works on for `grace`, the one before that not any more.
    ///
    /// # Errors
    /// `NoKey`, `DeadKey`, `Invalid` for a grace above [`GRACE_MAX`], those of the store.
    pub async fn rotate_key(
        &self,
        tenant: &TenantId,
        id: KeyId,
        grace: Duration,
    ) -> Result<(ApiKey, KeyText), RegistryError> {
        if grace > GRACE_MAX {
            let reason = format!("is at most {} days", GRACE_MAX.as_secs() / (24 * 3600));
            return Err(RegistryError::Invalid { field: "grace", reason });
        }
        self.inner.check_is_of(tenant, id).await?;
        let (now, whose) = (self.now(), tenant.clone());
        let text = KeyText::of(id, &*self.inner.host);
        let hash = text.hash();
        let rotate = move |key: &mut ApiKey| {
            owned(key, &whose)?;
            if !key.is_live(now) {
                return Err(RegistryError::DeadKey(id));
            }
            key.rotate(hash, now, super::after(now, grace));
            Ok(())
        };
        let mut key = self.inner.change_key(id, rotate).await?;
        self.as_it_is(&mut key);
        Ok((key, text))
    }

    /// Writes which keys were used since the last call. To be called about once in [`super::USED_EVERY`].
    ///
    /// # Errors
    /// Those of the store; what was not written is tried again.
    pub async fn write_used(&self) -> Result<(), RegistryError> {
        let all = self.inner.cache().all_used();
        for (id, at) in all {
            self.inner.write_used(id, at).await?;
        }
        Ok(())
    }

    fn as_it_is(&self, key: &mut ApiKey) {
        key.used = key.used.max(self.inner.cache().last_used(key.id));
    }
}

impl Inner {
    /// Looks for a key where the tenant's own are listed, and nowhere else: as much is done for another tenant's as for one
    /// that is not there.
    async fn check_is_of(&self, tenant: &TenantId, id: KeyId) -> Result<(), RegistryError> {
        self.store.get(&kept::key_of(tenant, id)).await?.map(drop).ok_or(RegistryError::NoKey(id))
    }

    /// Ids of a tenant's keys.
    async fn ids_of(&self, tenant: &TenantId) -> Result<Vec<KeyId>, RegistryError> {
        let prefix = kept::keys_of(tenant);
        let (mut ids, mut after): (Vec<KeyId>, Option<Key>) = (Vec::new(), None);
        loop {
            let page = self.store.list(&prefix, after.as_ref(), PAGE_ENTRIES_MAX).await?;
            let id = |key: &Key| key.as_str().strip_prefix(&prefix)?.parse::<KeyId>().ok();
            ids.extend(page.entries.iter().filter_map(|entry| id(&entry.key)));
            match page.entries.last() {
                Some(last) if page.more && ids.len() <= KEYS_MAX => after = Some(last.key.clone()),
                _ => return Ok(ids),
            }
        }
    }

    /// Makes room for one more key, if need be by forgetting those that do not work any more.
    async fn make_room(&self, tenant: &TenantId, now: Timestamp) -> Result<(), RegistryError> {
        let ids = self.ids_of(tenant).await?;
        if ids.len() < KEYS_MAX {
            return Ok(());
        }
        let mut left = ids.len();
        for id in ids {
            let found = self.read::<ApiKey>(kept::KEY, &kept::key(id)).await?;
            if found.is_some_and(|key| key.is_live(now)) {
                continue;
            }
            self.store.delete(&kept::key(id)).await?;
            self.cache().forget_key(id);
            self.store.delete(&kept::key_of(tenant, id)).await?;
            left -= 1;
        }
        if left < KEYS_MAX { Ok(()) } else { Err(RegistryError::TooManyKeys) }
    }
}

/// Another tenant's key is none.
fn owned(key: &ApiKey, tenant: &TenantId) -> Result<(), RegistryError> {
    if key.tenant == *tenant { Ok(()) } else { Err(RegistryError::NoKey(key.id)) }
}
