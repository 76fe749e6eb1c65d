//! What the decisions ask of the object store, done.
//!
//! An answer that says nothing of what became of a write is `Unknown`; one that says that nothing was written is `Conflict`.

use bytes::Bytes;
use warren_cluster::keeper::ownership::{pack, unpack};
use warren_cluster::record::{Record, places};
use warren_ownership::message::StoreFailure;
use warren_ownership::position::Epoch;
use warren_session::id::{SessionId, TenantId};
use warren_storage::store::{Flush, Key, PutError, Store, StoreError, Version};

/// An entry, and which it is: of whom, and its number.
pub(crate) type Numbered = (Epoch, u64, Bytes);

/// A record, and its tag.
pub(crate) type Found = Option<(Result<Record, String>, Version)>;

pub(crate) async fn read(store: &dyn Store, key: &Key) -> Result<Found, StoreFailure> {
    match store.get(key).await {
        Ok(None) => Ok(None),
        Ok(Some(object)) => {
            let id = key.as_str().rsplit('/').next().and_then(|name| name.parse::<SessionId>().ok());
            let id = id.ok_or(StoreFailure::Unknown)?;
            Ok(Some((Record::from_bytes(id, &object.bytes).map_err(|error| error.to_string()), object.version)))
        }
        Err(error) => Err(failure(key, &error)),
    }
}

pub(crate) async fn write(
    store: &dyn Store,
    key: &Key,
    version: Option<&Version>,
    bytes: Bytes,
) -> Result<Version, StoreFailure> {
    let written = match version {
        None => store.put_if_absent(key, bytes, Flush::Now).await,
        Some(version) => store.put_if_match(key, bytes, version, Flush::Now).await,
    };
    written.map_err(|error| refused(key, &error))
}

pub(crate) async fn put(store: &dyn Store, key: &Key, entries: &[Bytes]) -> Result<(), StoreFailure> {
    let object = pack(entries).map_err(|reason| {
        tracing::error!(%key, reason, "an entry is none");
        StoreFailure::Conflict
    })?;
    match store.put_if_absent(key, object, Flush::Now).await {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(key, &error)),
    }
}

/// The entries in objects under an epoch's prefix whose first is behind one, object by object.
pub(crate) async fn list(
    store: &dyn Store,
    (tenant, id): (&TenantId, SessionId),
    epoch: Epoch,
    after: u64,
) -> Result<Vec<Vec<Numbered>>, StoreFailure> {
    let at = |first: u64| places::batch(tenant, id, crate::state::session_epoch(epoch), first);
    let start = at(after);
    // The names of an epoch's objects of entries differ in their last characters.
    let prefix = start.as_str().trim_end_matches(|character: char| character.is_ascii_digit()).to_owned();
    let (mut objects, mut last) = (Vec::new(), Some(start));
    loop {
        let page = store.list(&prefix, last.as_ref(), 1000).await;
        let page = page.map_err(|error| failure_at(&prefix, &error))?;
        for found in &page.entries {
            let object = store.get(&found.key).await.map_err(|error| failure(&found.key, &error))?;
            // It is gone since: the record names what counts, and it is read again.
            let object = object.ok_or(StoreFailure::Unknown)?;
            let entries = unpack(&object.bytes).map_err(|reason| {
                tracing::error!(key = %found.key, reason, "an object of entries cannot be read");
                StoreFailure::Unknown
            })?;
            let mine = entries.into_iter().filter(|(head, _)| head.id == id);
            objects
                .push(mine.map(|(head, bytes)| (crate::state::core_epoch(head.epoch), head.number, bytes)).collect());
        }
        match page.entries.last() {
            Some(entry) if page.more => last = Some(entry.key.clone()),
            _ => return Ok(objects),
        }
    }
}

fn refused(key: &Key, error: &PutError) -> StoreFailure {
    match error {
        PutError::Conflict | PutError::Missing => StoreFailure::Mismatch,
        PutError::Store(error) => failure(key, error),
    }
}

fn failure(key: &Key, error: &StoreError) -> StoreFailure {
    failure_at(key.as_str(), error)
}

fn failure_at(key: &str, error: &StoreError) -> StoreFailure {
    tracing::warn!(key, %error, "the store did not do what it was asked to");
    match error {
        StoreError::Unavailable { .. } | StoreError::Corrupt { .. } => StoreFailure::Unknown,
        StoreError::NoSpace | StoreError::ReadOnly | StoreError::TooLarge { .. } => StoreFailure::Conflict,
    }
}
