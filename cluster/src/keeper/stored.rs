//! How many bytes each tenant has in the store.
//!
//! ```text
//! a pack or segment is put ─▶ fresh ─┐                      ┌▶ kept: a record names it
//!                                    └─ sweep: all there is ┴▶ uncollected: nothing does, and its grace is not over
//! ```
//! A sweep looks at everything and says exactly what is kept and what waits. What was put since counts as both, because
//! nobody knows: at most about a minute of writing. Records, names and what one put loses to another are not counted.

use super::lock;
use crate::snapshot::objects::{Listed, ObjectError, Objects};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use warren_session::id::TenantId;

/// Bytes of a tenant in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredBytes {
    /// What is kept, with what is so new that this is not known.
    pub bytes: u64,
    /// What waits to be collected, with the same.
    pub uncollected: u64,
}

/// Of all tenants.
#[derive(Debug, Default)]
pub(super) struct Stored(Mutex<HashMap<TenantId, Counts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    kept: u64,
    uncollected: u64,
    fresh: u64,
}

/// Objects that are counted when they are put.
pub(super) struct Counted {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) stored: Arc<Stored>,
}

impl super::Keeper {
    /// What each tenant that has anything, or was swept, has in the store.
    pub fn stored(&self) -> Vec<(TenantId, StoredBytes)> {
        self.shared.stored.all()
    }
}

impl Stored {
    /// Bytes were put under a key of a tenant.
    pub(super) fn put(&self, tenant: &TenantId, bytes: u64) {
        lock(&self.0).entry(tenant.clone()).or_default().fresh += bytes;
    }

    /// What was put until now: to be given to [`Stored::swept`] by a sweep that begins.
    pub(super) fn fresh(&self, tenant: &TenantId) -> u64 {
        lock(&self.0).get(tenant).map_or(0, |counts| counts.fresh)
    }

    /// A sweep has seen everything that was put before it began.
    pub(super) fn swept(&self, tenant: &TenantId, before: u64, kept: u64, uncollected: u64) {
        let mut all = lock(&self.0);
        let counts = all.entry(tenant.clone()).or_default();
        *counts = Counts { kept, uncollected, fresh: counts.fresh.saturating_sub(before) };
    }

    fn all(&self) -> Vec<(TenantId, StoredBytes)> {
        let bytes = |counts: &Counts| StoredBytes {
            bytes: counts.kept.saturating_add(counts.fresh),
            uncollected: counts.uncollected.saturating_add(counts.fresh),
        };
        lock(&self.0).iter().map(|(tenant, counts)| (tenant.clone(), bytes(counts))).collect()
    }
}

impl Objects for Counted {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        self.objects.get(key)
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        self.objects.get_range(key, range)
    }

    fn put_if_absent<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<bool, ObjectError>> {
        Box::pin(async move {
            let length = bytes.len() as u64;
            let put = self.objects.put_if_absent(key, bytes).await?;
            let tenant = key.split('/').next().and_then(|tenant| tenant.parse().ok());
            if let (true, Some(tenant)) = (put, tenant) {
                self.stored.put(&tenant, length);
            }
            Ok(put)
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.objects.delete(key)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Listed>, ObjectError>> {
        self.objects.list(prefix, after, limit)
    }
}

#[cfg(test)]
mod tests;
