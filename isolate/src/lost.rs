//! Guests whose threads were given up, since nothing could end them: a session has few of them, and a tenant.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Guests a session may lose so; then it runs no `node` any more.
const OF_SESSION_MAX: usize = 4;
/// Those of all sessions of a tenant, also of sessions that rested and woke; then none of them begins a `node` any more.
const OF_TENANT_MAX: usize = 16;

/// How many a session has lost, and its tenant; and how many of its are on their way out.
#[derive(Debug)]
pub(crate) struct Lost {
    session: AtomicUsize,
    leaving: AtomicUsize,
    tenant: Arc<AtomicUsize>,
}

impl Lost {
    /// One more.
    pub(crate) fn add(&self) {
        self.session.fetch_add(1, Ordering::AcqRel);
        self.tenant.fetch_add(1, Ordering::AcqRel);
    }

    /// One of those came to its end after all.
    pub(crate) fn give_back(&self) {
        self.session.fetch_sub(1, Ordering::AcqRel);
        self.tenant.fetch_sub(1, Ordering::AcqRel);
    }

    /// One has told its end, and gives its memory back next.
    pub(crate) fn leaves(&self) {
        self.leaving.fetch_add(1, Ordering::AcqRel);
    }

    /// One of those has given it back.
    pub(crate) fn has_left(&self) {
        self.leaving.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether there are some.
    pub(crate) fn are_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire) > 0
    }

    /// Whether the session has lost as many as it may.
    pub(crate) fn is_spent(&self) -> bool {
        self.session.load(Ordering::Acquire) >= OF_SESSION_MAX
    }

    /// Whether it, or its tenant, begins no more of them.
    pub(crate) fn begins_none(&self) -> bool {
        self.is_spent() || self.tenant.load(Ordering::Acquire) >= OF_TENANT_MAX
    }
}

/// Of all tenants.
#[derive(Debug, Default)]
pub(crate) struct LostOfTenants(Mutex<HashMap<String, Weak<AtomicUsize>>>);

impl LostOfTenants {
    /// For a session of this tenant. What a tenant lost is known for as long as it is lost, or it has a session.
    pub(crate) fn session(&self, tenant: &str) -> Arc<Lost> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tenant = match all.get(tenant).and_then(Weak::upgrade) {
            Some(known) => known,
            None => {
                all.retain(|_, known| known.strong_count() > 0);
                let new = Arc::default();
                all.insert(tenant.to_owned(), Arc::downgrade(&new));
                new
            }
        };
        Arc::new(Lost { session: AtomicUsize::new(0), leaving: AtomicUsize::new(0), tenant })
    }
}

#[cfg(test)]
mod tests {
    use super::{LostOfTenants, OF_SESSION_MAX, OF_TENANT_MAX};

    #[test]
    fn a_session_loses_few_and_a_tenant_not_many_more() {
        let tenants = LostOfTenants::default();
        let other = tenants.session("other");
        let mut kept = Vec::new();
        for made in 0..OF_TENANT_MAX / OF_SESSION_MAX {
            let session = tenants.session("one");
            assert!(!session.begins_none(), "{made}");
            (0..OF_SESSION_MAX).for_each(|_| session.add());
            assert!(session.is_spent() && session.begins_none());
            kept.push(session);
        }
        let woken = tenants.session("one");
        assert!(woken.begins_none() && !woken.is_spent(), "its tenant's, though it has lost none itself");
        kept[0].give_back();
        assert!(!woken.begins_none() && !kept[0].is_spent());
        assert!(!other.begins_none());
        drop((kept, woken));
        assert!(!tenants.session("one").begins_none(), "nobody is left who lost one");
    }
}
