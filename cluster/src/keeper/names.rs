//! Names: objects that lead to ids.
//!
//! A name is taken before the record it leads to is made, so that two sessions never have one name. What a process left
//! half made when it died is a name that leads nowhere: whoever wants it next takes it over. A session that gets another name
//! takes it first, with a number of its own; the name leads to it from the moment its record has that number.

use super::{Shared, lock, of_put, of_session, unavailable_store};
use crate::envelope::Kind;
use crate::record::{Standing, places};
use crate::store::{Flush, Key, PutError};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Mutex;
use warren_session::durability::DurabilityError;
use warren_session::id::{SessionId, SessionName, TenantId};

const POINTER: Kind = Kind { magic: *b"WRNN", version: 1, name: "session name", bytes_max: 4096 };
/// Others that want the same name at the same time, before this one gives up.
const TRIES: usize = 16;

#[derive(Serialize, Deserialize)]
struct Pointer {
    id: SessionId,
    /// As in the record.
    #[serde(default)]
    naming: u64,
}

/// Keeps a session marked as being made, or taken.
pub(super) struct Mark<'a> {
    among: &'a Mutex<HashSet<SessionId>>,
    id: SessionId,
}

impl Shared {
    pub(super) fn making(&self, id: SessionId) -> Mark<'_> {
        lock(&self.making).insert(id);
        Mark { among: &self.making, id }
    }

    /// Of many that want a session at once, one goes on.
    pub(super) fn taking(&self, id: SessionId) -> Result<Mark<'_>, DurabilityError> {
        if lock(&self.taking).insert(id) {
            Ok(Mark { among: &self.taking, id })
        } else {
            Err(DurabilityError::Owned(id))
        }
    }

    /// The session a name leads to.
    pub(super) async fn find(
        &self,
        tenant: &TenantId,
        name: &SessionName,
    ) -> Result<Option<SessionId>, DurabilityError> {
        let Some(object) = self.store.get(&places::name(tenant, name)).await.map_err(unavailable_store)? else {
            return Ok(None);
        };
        let Ok(pointer) = POINTER.decode::<Pointer>(&object.bytes) else { return Ok(None) };
        Ok(self.leads(tenant, &pointer).await?.then_some(pointer.id))
    }

    /// Makes a name lead to `id`, once its record says `naming`.
    pub(super) async fn take_name(
        &self,
        tenant: &TenantId,
        name: &SessionName,
        (id, naming): (SessionId, u64),
        flush: Flush,
    ) -> Result<(), DurabilityError> {
        let key = places::name(tenant, name);
        let pointer = bytes::Bytes::from(POINTER.encode(&Pointer { id, naming }));
        for _ in 0..TRIES {
            match self.store.put_if_absent(&key, pointer.clone(), flush).await {
                Ok(_) => return Ok(()),
                Err(PutError::Store(error)) => return Err(of_session(id, error)),
                Err(PutError::Conflict | PutError::Missing) => {}
            }
            let Some(there) = self.store.get(&key).await.map_err(unavailable_store)? else { continue };
            // Its own is what an attempt before this one left, that never became its name.
            if let Ok(other) = POINTER.decode::<Pointer>(&there.bytes)
                && other.id != id
                && (lock(&self.making).contains(&other.id) || self.leads(tenant, &other).await?)
            {
                return Err(DurabilityError::NameTaken(name.clone()));
            }
            match self.store.put_if_match(&key, pointer.clone(), &there.version, flush).await {
                Ok(_) => return Ok(()),
                Err(PutError::Store(error)) => return Err(of_session(id, error)),
                Err(PutError::Conflict | PutError::Missing) => {}
            }
        }
        Err(DurabilityError::NameTaken(name.clone()))
    }

    /// Writes a name again that leads to `id`, whose record is there now. In a cluster somebody may have seen it lead nowhere
    /// and be about to take it: their conditional write fails then.
    ///
    /// # Errors
    /// `NameTaken` when they were first.
    pub(super) async fn confirm_name(
        &self,
        tenant: &TenantId,
        name: &SessionName,
        id: SessionId,
    ) -> Result<(), DurabilityError> {
        let key = places::name(tenant, name);
        let taken = || DurabilityError::NameTaken(name.clone());
        let there = self.store.get(&key).await.map_err(unavailable_store)?.ok_or_else(taken)?;
        if POINTER.decode::<Pointer>(&there.bytes).ok().is_none_or(|pointer| pointer.id != id) {
            return Err(taken());
        }
        match self.store.put_if_match(&key, there.bytes, &there.version, Flush::Now).await {
            Ok(_) => Ok(()),
            Err(PutError::Conflict | PutError::Missing) => Err(taken()),
            Err(PutError::Store(error)) => Err(of_session(id, error)),
        }
    }

    /// Frees a name, if it leads to `id`.
    pub(super) async fn free_name(
        &self,
        tenant: &TenantId,
        name: &SessionName,
        id: SessionId,
    ) -> Result<(), DurabilityError> {
        let key = places::name(tenant, name);
        let Some(object) = self.store.get(&key).await.map_err(unavailable_store)? else { return Ok(()) };
        if POINTER.decode::<Pointer>(&object.bytes).is_ok_and(|pointer| pointer.id == id) {
            match self.store.delete_if_match(&key, &object.version).await {
                Ok(()) | Err(PutError::Conflict | PutError::Missing) => {}
                Err(error) => return Err(of_put(id, error)),
            }
        }
        Ok(())
    }

    /// Removes a name that leads nowhere; whether it did.
    pub(super) async fn clear_name(&self, tenant: &TenantId, key: &Key) -> Result<bool, DurabilityError> {
        let Some(object) = self.store.get(key).await.map_err(unavailable_store)? else { return Ok(false) };
        if let Ok(pointer) = POINTER.decode::<Pointer>(&object.bytes)
            && (lock(&self.making).contains(&pointer.id) || self.leads(tenant, &pointer).await?)
        {
            return Ok(false);
        }
        // Whoever takes the name over meanwhile changes it.
        match self.store.delete_if_match(key, &object.version).await {
            Ok(()) => Ok(true),
            Err(PutError::Conflict | PutError::Missing) => Ok(false),
            Err(PutError::Store(error)) => Err(unavailable_store(error)),
        }
    }

    /// Whether there is a session at the end of a pointer, and it says so too.
    async fn leads(&self, tenant: &TenantId, pointer: &Pointer) -> Result<bool, DurabilityError> {
        let id = pointer.id;
        if id == SessionId::NONE {
            return Ok(false);
        }
        match self.record(tenant, id).await {
            Ok((record, _)) => {
                Ok(!matches!(record.standing, Standing::Deleted { .. }) && record.naming == pointer.naming)
            }
            Err(DurabilityError::Missing(_)) => Ok(false),
            // It is there, whatever became of it.
            Err(DurabilityError::Damaged { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Mark<'_> {
    fn drop(&mut self) {
        lock(self.among).remove(&self.id);
    }
}
