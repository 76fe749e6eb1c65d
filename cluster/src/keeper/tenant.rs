//! What belongs to a tenant: its keys, and its snapshots on the store.

use super::stored::{Counted, Stored};
use super::{Shared, lock, unavailable, unavailable_store};
use crate::keys::{KeyEncryptionKey, TenantKeys};
use crate::snapshot::objects::Objects;
use crate::snapshot::{SnapshotOptions, Snapshots, StoreObjects};
use crate::store::{Flush, Store};
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
        (store, stored): (Arc<dyn Store>, Arc<Stored>),
        kek: KeyEncryptionKey,
        host: Arc<dyn Host>,
        grace: std::time::Duration,
        handle: Handle,
    ) -> Tenants {
        let clock = host.clone();
        let now = Arc::new(move || clock.realtime());
        let options = SnapshotOptions { grace, now, ..SnapshotOptions::default() };
        // A record that names a pack follows it in the same store; the journal waits for [`Store::flush`] before it does.
        let objects = Arc::new(StoreObjects::new(store, Flush::Soon));
        Tenants { objects: Arc::new(Counted { objects, stored }), kek, options, handle }
    }

    /// A secret of the node for one purpose.
    pub(super) fn derive(&self, purpose: &'static str) -> [u8; crate::keys::KEY_BYTES] {
        self.kek.derive(purpose)
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
        // The journal holds what is sealed with its keys.
        self.store.flush().await.map_err(unavailable_store)?;
        // Another call may have made it too: both lead to the same key, and one set of caches is kept.
        Ok(lock(&self.tenants).entry(tenant.clone()).or_insert(made).clone())
    }
}
