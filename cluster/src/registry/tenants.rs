//! Tenants: made, listed, renamed, disabled. None is ever deleted: its id must not come to mean somebody else.

use super::kept::{self, Tenant};
use super::{Inner, Registry, RegistryError, TENANTS_MAX, check_name, whole};
use crate::store::{Key, PAGE_ENTRIES_MAX};
use std::collections::BTreeMap;
use std::sync::Arc;
use warren_kernel::host::Timestamp;
use warren_kernel::limits::Limits;
use warren_session::id::TenantId;
use warren_session::quota::{Quota, WEIGHT_MAX};

/// What to change of a tenant; what is not said stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantChange {
    /// What people call it; `Some(None)` is nothing.
    pub title: Option<Option<String>>,
    /// Whether its keys work.
    pub enabled: Option<bool>,
    /// Numbers of its own, or `None` for the node's.
    pub quotas: BTreeMap<Quota, Option<u64>>,
    /// Ceilings of its own, by the names of limits, or `None` for the node's.
    pub limits_max: BTreeMap<String, Option<u64>>,
    /// A share of the processors of its own, or `Some(None)` for the usual one.
    pub weight: Option<Option<u32>>,
}

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
        let tenant = Tenant::new(id.clone(), title, self.now());
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

    /// Changes a tenant, all of it or nothing. When this is answered it holds on this node.
    ///
    /// # Errors
    /// `NoTenant`, `Invalid`; `OwnTenant` for disabling the node's own, which nobody could take back; those of the store.
    pub async fn change_tenant(&self, id: &TenantId, change: TenantChange) -> Result<Tenant, RegistryError> {
        if change.enabled == Some(false) && *id == TenantId::embedded() {
            return Err(RegistryError::OwnTenant(id.clone()));
        }
        change.check()?;
        let (inner, of, now) = (self.inner.clone(), id.clone(), self.now());
        let changed = whole(async move {
            let make = |tenant: &mut Tenant| {
                let before = tenant.clone();
                change.make(tenant, now);
                tenant.revision += u64::from(*tenant != before);
                Ok(())
            };
            let changed = inner.change(kept::TENANT, &kept::tenant(&of), make).await;
            inner.cache().forget_tenant(&of);
            changed
        });
        changed.await?.ok_or_else(|| RegistryError::NoTenant(id.clone()))
    }

    /// Makes the keys of a tenant not work, or work again: a [`Registry::change_tenant`] of nothing else.
    ///
    /// # Errors
    /// As there.
    pub async fn set_enabled(&self, id: &TenantId, enabled: bool) -> Result<Tenant, RegistryError> {
        self.change_tenant(id, TenantChange { enabled: Some(enabled), ..TenantChange::default() }).await
    }
}

impl TenantChange {
    fn check(&self) -> Result<(), RegistryError> {
        if let Some(Some(title)) = &self.title {
            check_name("title", title)?;
        }
        let invalid = |field, reason| Err(RegistryError::Invalid { field, reason });
        if let Some(Some(weight)) = self.weight
            && !(1..=WEIGHT_MAX).contains(&weight)
        {
            return invalid("weight", format!("has to be 1 to {WEIGHT_MAX}"));
        }
        for name in self.limits_max.keys() {
            if let Err(error) = Limits::default().get(name) {
                return invalid("limits_max", error.to_string());
            }
        }
        Ok(())
    }

    fn make(&self, tenant: &mut Tenant, now: Timestamp) {
        if let Some(title) = &self.title {
            tenant.title.clone_from(title);
        }
        match self.enabled {
            Some(true) => tenant.disabled = None,
            Some(false) => tenant.disabled = tenant.disabled.or(Some(now)),
            None => {}
        }
        for (quota, most) in &self.quotas {
            tenant.quotas.set(*quota, *most);
        }
        for (name, most) in &self.limits_max {
            match most {
                Some(most) => _ = tenant.limits_max.insert(name.clone(), *most),
                None => _ = tenant.limits_max.remove(name),
            }
        }
        if let Some(weight) = self.weight {
            tenant.weight = weight;
        }
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
