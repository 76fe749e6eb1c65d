//! The blobs of a guest, which the host holds for it: so many bytes together.

use crate::guest::{Ending, Guest};
use async_trait::async_trait;
use deno_core::url::Url;
use deno_web::{Blob, BlobPart, BlobStore, BlobStoreTrait};
use std::fmt::Debug;
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of all blobs of a guest. One that has more ends.
const BYTES_MAX: usize = 512 << 20;
/// What the host needs to keep one, or a URL of one.
const EACH_BYTES: usize = 512;

/// A guest's blobs.
#[derive(Debug)]
pub(crate) struct Blobs {
    guest: Guest,
    store: BlobStore,
}

/// Bytes that are counted until they are gone.
#[derive(Debug)]
struct Counted {
    part: Arc<dyn BlobPart + Send + Sync>,
    bytes: usize,
    guest: Guest,
}

impl Blobs {
    /// None yet.
    pub(crate) fn new(guest: Guest) -> Blobs {
        Blobs { guest, store: BlobStore::default() }
    }

    fn take(&self, bytes: usize) {
        if self.guest.hold(bytes) > BYTES_MAX {
            self.guest.end(Ending::Limit("FATAL ERROR: JavaScript blobs out of memory".to_owned()));
        }
    }
}

impl BlobStoreTrait for Blobs {
    fn insert_part(&self, part: Arc<dyn BlobPart + Send + Sync>) -> Uuid {
        let bytes = part.size().saturating_add(EACH_BYTES);
        self.take(bytes);
        self.store.insert_part(Arc::new(Counted { part, bytes, guest: self.guest.clone() }))
    }

    fn get_part(&self, id: &Uuid) -> Option<Arc<dyn BlobPart + Send + Sync>> {
        self.store.get_part(id)
    }

    fn remove_part(&self, id: &Uuid) -> Option<Arc<dyn BlobPart + Send + Sync>> {
        self.store.remove_part(id)
    }

    fn get_object_url(&self, url: Url) -> Option<Arc<Blob>> {
        self.store.get_object_url(url)
    }

    fn insert_object_url(&self, blob: Blob, location: Option<Url>) -> Url {
        self.take(EACH_BYTES);
        self.store.insert_object_url(blob, location)
    }

    fn remove_object_url(&self, url: &Url) {
        if self.store.get_object_url(url.clone()).is_some() {
            self.guest.let_go(EACH_BYTES);
        }
        self.store.remove_object_url(url);
    }

    fn clear(&self) {
        self.store.clear();
    }
}

#[async_trait]
impl BlobPart for Counted {
    async fn read<'a>(&'a self) -> &'a [u8] {
        self.part.read().await
    }

    fn size(&self) -> usize {
        self.part.size()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.guest.let_go(self.bytes);
    }
}
