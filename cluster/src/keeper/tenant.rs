//! What belongs to a tenant: its keys, and its snapshots on the store.

use super::{Shared, lock, unavailable};
use crate::keys::{KeyEncryptionKey, TenantKeys};
use crate::snapshot::objects::{Listed, ObjectError, Objects};
use crate::snapshot::{SnapshotOptions, Snapshots};
use crate::store::{Flush, Key, PutError, Store, StoreError};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use tokio::runtime::Handle;
use warren_kernel::host::Host;
use warren_session::durability::DurabilityError;
use warren_session::id::TenantId;

/// Which of a tenant's keys is used; another one comes with rotation.
const KEY_ID: &str = "1";

/// A tenant, ready to be used. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub keys: Arc<TenantKeys>,
    pub snapshots: Snapshots,
}

/// Makes tenants.
pub(super) struct Tenants {
    objects: Arc<dyn Objects>,
    kek: KeyEncryptionKey,
    options: SnapshotOptions,
    /// Where blocks are fetched: threads of guests wait for it, so it must not be theirs.
    handle: Handle,
}

impl Tenants {
    pub(super) fn new(
        store: Arc<dyn Store>,
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        grace: std::time::Duration,
        handle: Handle,
    ) -> Tenants {
        let clock = host.clone();
        let now = Arc::new(move || clock.realtime());
        let options = SnapshotOptions { grace, now, ..SnapshotOptions::default() };
        Tenants { objects: Arc::new(StoreObjects(store)), kek, options, handle }
    }

    async fn open(&self, tenant: &TenantId) -> Result<Tenant, DurabilityError> {
        let keys = || TenantKeys::open_or_create(&self.objects, &self.kek, tenant, KEY_ID);
        let of_snapshots = keys().await.map_err(|error| unavailable(&error))?;
        let keys = keys().await.map_err(|error| unavailable(&error))?;
        let snapshots = Snapshots::new(self.objects.clone(), of_snapshots, self.handle.clone(), self.options.clone());
        Ok(Tenant { keys: Arc::new(keys), snapshots })
    }
}

impl Shared {
    /// A tenant's keys and snapshots, made when they are first asked for.
    pub(super) async fn tenant(&self, tenant: &TenantId) -> Result<Tenant, DurabilityError> {
        if let Some(known) = lock(&self.tenants).get(tenant) {
            return Ok(known.clone());
        }
        let made = self.tenancy.open(tenant).await?;
        // Another call may have made it too: both lead to the same key, and one set of caches is kept.
        Ok(lock(&self.tenants).entry(tenant.clone()).or_insert(made).clone())
    }
}

/// A store as snapshots see it.
struct StoreObjects(Arc<dyn Store>);

impl Objects for StoreObjects {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        async move {
            let object = self.0.get(&parsed(key)?).await.map_err(said)?;
            Ok(object.map(|object| object.bytes))
        }
        .boxed()
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        async move { self.0.get_range(&parsed(key)?, range).await.map_err(said) }.boxed()
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<bool, ObjectError>> {
        async move {
            match self.0.put_if_absent(&parsed(key)?, bytes, Flush::Now).await {
                Ok(_) => Ok(true),
                Err(PutError::Conflict | PutError::Missing) => Ok(false),
                Err(PutError::Store(error)) => Err(said(error)),
            }
        }
        .boxed()
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        async move { self.0.delete(&parsed(key)?).await.map_err(said) }.boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Listed>, ObjectError>> {
        async move {
            let after = after.map(parsed).transpose()?;
            let page = self.0.list(prefix, after.as_ref(), limit).await.map_err(said)?;
            let listed = |entry: crate::store::Entry| Listed {
                key: entry.key.as_str().to_owned(),
                bytes: entry.bytes,
                modified: super::sweep::timestamp(entry.modified),
            };
            Ok(page.entries.into_iter().map(listed).collect())
        }
        .boxed()
    }
}

fn parsed(key: &str) -> Result<Key, ObjectError> {
    key.parse().map_err(|error| ObjectError::Unavailable(format!("{key}: {error}")))
}

fn said(error: StoreError) -> ObjectError {
    match error {
        StoreError::Corrupt { key, reason } => ObjectError::Corrupt { key: key.as_str().to_owned(), reason },
        StoreError::NoSpace | StoreError::ReadOnly => ObjectError::NoSpace(error.to_string()),
        other => ObjectError::Unavailable(other.to_string()),
    }
}
