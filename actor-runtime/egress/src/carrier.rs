//! What the ways out of all sessions of a node share: who resolves, how many connections there may be, who is told.

use crate::resolver::{Resolver, SystemResolver};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Names being looked up at once on the node, at most: each holds a thread.
const LOOKUPS_MAX: usize = 64;
/// A tenant has at most this part of the connections: a half.
const TENANTS_PART: usize = 2;

/// Is told what was refused.
pub trait Witness: Send + Sync {
    /// A session wanted to reach this host and port, or look it up, and may not; `skipped` before it were not told. Called
    /// under no lock, and must not wait.
    fn refused(&self, tenant: &str, session: &str, subject: &str, skipped: u64);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoWitness;

impl Witness for NoWitness {
    fn refused(&self, _: &str, _: &str, _: &str, _: u64) {}
}

/// What a carrier needs of whoever runs it. Cheap to clone.
#[derive(Clone)]
pub struct Options {
    /// Finds addresses.
    pub resolver: Arc<dyn Resolver>,
    /// Is told what was refused.
    pub witness: Arc<dyn Witness>,
    /// Connections of all sessions together, at most, and of one tenant half as many: each is a descriptor of this process.
    pub connections_max: usize,
}

impl Options {
    /// Connections of all sessions together, unless said otherwise.
    pub const CONNECTIONS_MAX: usize = 1024;
}

impl Default for Options {
    fn default() -> Options {
        Options {
            resolver: Arc::new(SystemResolver),
            witness: Arc::new(NoWitness),
            connections_max: Options::CONNECTIONS_MAX,
        }
    }
}

/// What the ways out of a node share. Cheap to clone.
#[derive(Clone)]
pub struct Carrier {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) runtime: Handle,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) witness: Arc<dyn Witness>,
    pub(crate) connections: Arc<Semaphore>,
    /// What one tenant has of them, at most: the others are to find some.
    per_tenant: usize,
    held: Mutex<HashMap<String, usize>>,
    pub(crate) lookups: Semaphore,
}

impl Carrier {
    /// A node's. Connections are moved on this runtime; not where guests run.
    pub fn new(options: Options, runtime: Handle) -> Carrier {
        let Options { resolver, witness, connections_max } = options;
        let per_tenant = connections_max.div_ceil(TENANTS_PART);
        let connections = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
        let lookups = Semaphore::new(LOOKUPS_MAX);
        Carrier {
            inner: Arc::new(Inner {
                runtime,
                resolver,
                witness,
                connections,
                per_tenant,
                held: Mutex::default(),
                lookups,
            }),
        }
    }
}

/// A tenant's connection, until it is dropped.
pub(crate) struct Held {
    carrier: Carrier,
    tenant: String,
    _permit: OwnedSemaphorePermit,
}

impl Carrier {
    /// One more connection of a tenant, if it may have one and there is one.
    pub(crate) fn hold(&self, tenant: &str) -> Option<Held> {
        let permit = self.inner.connections.clone().try_acquire_owned().ok()?;
        let mut held = self.held();
        let count = held.entry(tenant.to_owned()).or_default();
        if *count >= self.inner.per_tenant {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Held { carrier: self.clone(), tenant: tenant.to_owned(), _permit: permit })
    }

    /// Nothing panics while it is held.
    fn held(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.carrier.held();
        if let Some(count) = held.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.tenant);
            }
        }
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.inner.connections.available_permits();
        f.debug_struct("Carrier").field("connections_free", &free).finish_non_exhaustive()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("connections_max", &self.connections_max).finish_non_exhaustive()
    }
}
