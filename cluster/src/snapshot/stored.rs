//! The objects of snapshots in a [`Store`].

use super::objects::{Listed, ObjectError, Objects};
use crate::store::{Flush, Key, PutError, Store, StoreError};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::ops::Range;
use std::sync::Arc;
use std::time::UNIX_EPOCH;
use warren_kernel::host::Timestamp;

/// A store as snapshots see it.
#[derive(Clone, Debug)]
pub struct StoreObjects {
    store: Arc<dyn Store>,
    flush: Flush,
}

impl StoreObjects {
    /// Objects in `store`, as durable as `flush` says when they are put. With [`Flush::Soon`] whoever names one elsewhere
    /// than in this store flushes the store before.
    pub fn new(store: Arc<dyn Store>, flush: Flush) -> StoreObjects {
        StoreObjects { store, flush }
    }
}

/// A key we made ourselves of a tenant and numbers, unless a root in a record lied.
fn key(text: &str) -> Result<Key, ObjectError> {
    let corrupt =
        |error: crate::store::KeyError| ObjectError::Corrupt { key: text.to_owned(), reason: error.to_string() };
    Key::new(text).map_err(corrupt)
}

impl From<StoreError> for ObjectError {
    fn from(error: StoreError) -> ObjectError {
        let text = error.to_string();
        match error {
            StoreError::Unavailable { .. } => ObjectError::Unavailable(text),
            StoreError::NoSpace | StoreError::ReadOnly => ObjectError::NoSpace(text),
            StoreError::Corrupt { key, reason } => ObjectError::Corrupt { key: key.to_string(), reason },
            StoreError::TooLarge { .. } => ObjectError::NoSpace(text),
        }
    }
}

impl Objects for StoreObjects {
    fn get<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        Box::pin(async move { Ok(self.store.get(&key(text)?).await?.map(|object| object.bytes)) })
    }

    fn get_range<'a>(&'a self, text: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, ObjectError>> {
        Box::pin(async move { Ok(self.store.get_range(&key(text)?, range).await?) })
    }

    fn put_if_absent<'a>(&'a self, text: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<bool, ObjectError>> {
        Box::pin(async move {
            match self.store.put_if_absent(&key(text)?, bytes, self.flush).await {
                Ok(_) => Ok(true),
                Err(PutError::Conflict | PutError::Missing) => Ok(false),
                Err(PutError::Store(error)) => Err(error.into()),
            }
        })
    }

    fn delete<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<(), ObjectError>> {
        Box::pin(async move { Ok(self.store.delete(&key(text)?).await?) })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Listed>, ObjectError>> {
        Box::pin(async move {
            let after = after.map(key).transpose()?;
            let page = self.store.list(prefix, after.as_ref(), limit).await?;
            if page.entries.is_empty() && page.more {
                let reason = "a list came back empty with more to come".to_owned();
                return Err(ObjectError::Unavailable(reason));
            }
            let listed = page.entries.into_iter().map(|entry| {
                let since = entry.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
                Listed {
                    key: entry.key.as_str().to_owned(),
                    bytes: entry.bytes,
                    modified: Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
                }
            });
            Ok(listed.collect())
        })
    }
}
