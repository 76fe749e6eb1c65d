//! Tenants: made, listed, renamed, disabled. None is ever deleted: its id must not come to mean somebody else.

use super::kept::{self, Tenant};
use super::{Inner, Registry, RegistryError, TENANTS_MAX, check_name, whole};
use crate::store::{Key, PAGE_ENTRIES_MAX};
use std::sync::Arc;
use warren_session::id::TenantId;

impl Registry {
    /// Makes a tenant.
    ///
    /// # Errors
    /// `TenantExists`, `TooManyTenants`, `Invalid`, those of the store.
    pub async fn create_tenant(&self, id: &TenantId, title: Option<String>) -> Result<Tenant, RegistryError> {
        if let Some(title) = &title {
            check_name("title", title)?;
        }
        let _turn = self.inner.turn.lock().await;
        if self.inner.count_tenants().await? >= TENANTS_MAX {
            return Err(RegistryError::TooManyTenants);
        }
        let tenant = Tenant { id: id.clone(), title, created: self.now(), disabled: None };
        match self.inner.add(kept::TENANT, &kept::tenant(id), &tenant).await? {
            true => Ok(tenant),
            false => Err(RegistryError::TenantExists(id.clone())),
        }
    }

    /// A tenant.
    ///
    /// # Errors
    /// `NoTenant`.
    pub async fn tenant(&self, id: &TenantId) -> Result<Arc<Tenant>, RegistryError> {
        self.inner.known_tenant(id).await?.ok_or_else(|| RegistryError::NoTenant(id.clone()))
    }

    /// Tenants in the order of their ids, behind `after`, at most `limit`; whether there are more.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<(Vec<Arc<Tenant>>, bool), RegistryError> {
        let after = after.map(kept::tenant);
        let page = self.inner.store.list(kept::TENANTS, after.as_ref(), limit).await?;
        let mut tenants = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let id = entry.key.as_str().strip_prefix(kept::TENANTS).and_then(|id| id.parse().ok());
            if let Some(id) = id {
                tenants.extend(self.inner.known_tenant(&id).await?);
            }
        }
        Ok((tenants, page.more))
    }

    /// Ids of all tenants, disabled ones among them.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all_tenants(&self) -> Result<Vec<TenantId>, RegistryError> {
        self.inner.tenant_ids().await
    }

    /// Calls a tenant something else.
    ///
    /// # Errors
    /// `NoTenant`, `Invalid`, those of the store.
    pub async fn name_tenant(&self, id: &TenantId, title: Option<String>) -> Result<Tenant, RegistryError> {
        if let Some(title) = &title {
            check_name("title", title)?;
        }
        self.change_tenant(id, move |tenant| tenant.title.clone_from(&title)).await
    }

    /// Makes the keys of a tenant not work, or work again. When this is answered it holds on this node. The node's own
    /// tenant cannot be disabled: nobody could take that back.
    ///
    /// # Errors
    /// `NoTenant`, `OwnTenant`, those of the store.
    pub async fn set_enabled(&self, id: &TenantId, enabled: bool) -> Result<Tenant, RegistryError> {
        if !enabled && *id == TenantId::embedded() {
            return Err(RegistryError::OwnTenant(id.clone()));
        }
        let now = self.now();
        let set = move |tenant: &mut Tenant| match enabled {
            true => tenant.disabled = None,
            false => tenant.disabled = tenant.disabled.or(Some(now)),
        };
        self.change_tenant(id, set).await
    }

    async fn change_tenant(
        &self,
        id: &TenantId,
        change: impl Fn(&mut Tenant) + Send + Sync + 'static,
    ) -> Result<Tenant, RegistryError> {
        let (inner, of) = (self.inner.clone(), id.clone());
        let changed = whole(async move {
            let change = |tenant: &mut Tenant| {
                change(tenant);
                Ok(())
            };
            let changed = inner.change(kept::TENANT, &kept::tenant(&of), change).await;
            inner.cache().forget_tenant(&of);
            changed
        });
        changed.await?.ok_or_else(|| RegistryError::NoTenant(id.clone()))
    }
}

impl Inner {
    async fn count_tenants(&self) -> Result<usize, RegistryError> {
        Ok(self.tenant_ids().await?.len())
    }

    async fn tenant_ids(&self) -> Result<Vec<TenantId>, RegistryError> {
        let (mut ids, mut after): (Vec<TenantId>, Option<Key>) = (Vec::new(), None);
        loop {
            let page = self.store.list(kept::TENANTS, after.as_ref(), PAGE_ENTRIES_MAX).await?;
            let id = |key: &Key| key.as_str().strip_prefix(kept::TENANTS)?.parse().ok();
            ids.extend(page.entries.iter().filter_map(|entry| id(&entry.key)));
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(ids),
            }
        }
    }
}
