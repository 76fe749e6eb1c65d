//! Immutable bytes from outside a session: the contents of software and, later, of parked sessions.
//!
//! A [`Blob`] is named by its content, shared by every session that has it, and loaded on first use through the
//! [`Blobs`] it came from, outside the session's lock. Once loaded it stays as long as anything refers to it; a
//! mapped file costs the node one set of pages however many sessions read it.

use crate::errno::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Bytes of one content, at most: as many as a whole package has. What is made of a file's content block by block, such
/// as holes in it, is bounded by this.
pub const BLOB_BYTES_MAX: u64 = 4 << 30;

/// Bytes that many owners read and none changes: a mapping or a buffer.
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The blake3 hash of a blob's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The id of these bytes.
    pub fn of(bytes: &[u8]) -> BlobId {
        BlobId(*blake3::hash(bytes).as_bytes())
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// A place blobs are loaded from.
pub trait Blobs: Send + Sync {
    /// The bytes of `id`. Called outside every lock; may block.
    ///
    /// # Errors
    /// `EIO` when the blob is missing, has another length than `len`, or cannot be read.
    fn load(&self, id: &BlobId, len: u64) -> Result<SharedBytes, Errno>;
}

/// One immutable content, loaded at most once.
pub struct Blob {
    id: BlobId,
    len: u64,
    source: Option<Arc<dyn Blobs>>,
    bytes: OnceLock<SharedBytes>,
}

impl Blob {
    /// A blob whose bytes come from `source` when first read.
    pub fn lazy(id: BlobId, len: u64, source: Arc<dyn Blobs>) -> Arc<Blob> {
        Arc::new(Blob { id, len, source: Some(source), bytes: OnceLock::new() })
    }

    /// A blob that is in memory already.
    pub fn loaded(bytes: Vec<u8>) -> Arc<Blob> {
        let blob = Blob { id: BlobId::of(&bytes), len: bytes.len() as u64, source: None, bytes: OnceLock::new() };
        let shared: SharedBytes = Arc::new(bytes);
        let _ = blob.bytes.set(shared);
        Arc::new(blob)
    }

    /// The content's name.
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Bytes in it.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, if they were loaded.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get().map(|bytes| (**bytes).as_ref())
    }

    /// The bytes as a shared handle, if they were loaded.
    pub fn shared(&self) -> Option<SharedBytes> {
        self.bytes.get().cloned()
    }

    /// Loads the bytes. Outside the kernel's lock only. Two callers may load at once; one result is kept.
    ///
    /// # Errors
    /// As [`Blobs::load`]; a source that returns another length than promised is `EIO`.
    pub fn load(&self) -> Result<(), Errno> {
        if self.bytes.get().is_some() {
            return Ok(());
        }
        let source = self.source.as_ref().ok_or(Errno::EIO)?;
        let bytes = source.load(&self.id, self.len)?;
        if (*bytes).as_ref().len() as u64 != self.len {
            return Err(Errno::EIO);
        }
        let _ = self.bytes.set(bytes);
        Ok(())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob")
            .field("id", &self.id)
            .field("len", &self.len)
            .field("loaded", &self.bytes.get().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
