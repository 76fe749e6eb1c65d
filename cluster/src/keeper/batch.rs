//! What one append puts into the journal: sealed, numbered, complete in itself.
//!
//! ```text
//! Entry (clear: whose, epoch, number) ─▶ sealed: Image { events, files: a delta or a snapshot, keys, counters }
//! ```
//! Numbers of a session's entries go up by one whatever the epoch; its record says up to which one everything is in the
//! store. A change of files of more than [`LARGE_BYTES`] is written to the store as a snapshot first, and the entry names it.

use crate::envelope::{from_slice, to_vec};
use crate::keys::TenantKeys;
use crate::snapshot::SnapshotRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::{BlockImage, Delta};
use warren_session::durability::{Counters, KeyedCommand};
use warren_session::event::Event;
use warren_session::id::{CommandKey, SessionId, TenantId};
use warren_session::position::Epoch;

/// Bytes of a change of files that still rides in the journal.
pub const LARGE_BYTES: usize = 256 * 1024;

/// One append of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub tenant: TenantId,
    pub id: SessionId,
    pub epoch: Epoch,
    pub number: u64,
    /// Number of the last event in it or before it.
    pub last_event: u64,
    /// The last mutation in it or before it.
    pub lsn: u64,
    /// The snapshot the image names, if it names one: for whoever collects what nobody needs.
    pub snapshot: Option<SnapshotRef>,
    /// An [`Image`].
    pub sealed: Bytes,
}

/// What a batch says, with files as they can be stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Image {
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub files: Option<FilesImage>,
    #[serde(default)]
    pub keys: Vec<(CommandKey, KeyedCommand)>,
    pub counters: Counters,
}

/// What the files became.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum FilesImage {
    /// What differs from the entry before.
    Delta(Delta),
    /// All of them, in the store.
    Snapshot {
        at: SnapshotRef,
        /// The last mutation in it.
        lsn: Lsn,
    },
}

impl FilesImage {
    pub(crate) fn lsn(&self) -> Lsn {
        match self {
            FilesImage::Delta(delta) => delta.to,
            FilesImage::Snapshot { lsn, .. } => *lsn,
        }
    }
}

impl Entry {
    pub(crate) fn seal(
        keys: &TenantKeys,
        (tenant, id): (&TenantId, SessionId),
        epoch: Epoch,
        number: u64,
        (last_event, lsn): (u64, Lsn),
        image: &Image,
    ) -> Entry {
        let mut plain = Vec::with_capacity(256);
        to_vec(image, &mut plain);
        let snapshot = match &image.files {
            Some(FilesImage::Snapshot { at, .. }) => Some(at.clone()),
            _ => None,
        };
        let sealed = keys.seal(&aad(id, epoch, number), &plain);
        Entry { tenant: tenant.clone(), id, epoch, number, last_event, lsn: lsn.0, snapshot, sealed }
    }

    pub(crate) fn open(&self, keys: &TenantKeys) -> Result<Image, String> {
        let plain =
            keys.open(&aad(self.id, self.epoch, self.number), &self.sealed).map_err(|error| error.to_string())?;
        from_slice(&plain)
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.sealed.len() + 128);
        to_vec(self, &mut bytes);
        bytes.into()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Entry, String> {
        from_slice(bytes)
    }
}

/// About how many bytes a delta takes.
pub(crate) fn weight(delta: &Delta) -> usize {
    let blocks = delta.blocks.iter().flat_map(|range| &range.blocks);
    let bytes: usize = blocks
        .map(|(_, block)| match block {
            BlockImage::Bytes(bytes) => bytes.len(),
            BlockImage::Hole | BlockImage::Stored(..) => 48,
        })
        .sum();
    let xattrs = |inode: &warren_kernel::vfs::change::InodeImage| -> usize {
        inode.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum()
    };
    let inodes: usize = delta.inodes.iter().map(|inode| 160 + xattrs(inode)).sum();
    let names: usize = delta.names.iter().map(|(_, name, _)| 24 + name.len()).sum();
    bytes + inodes + names + 10 * delta.gone.len()
}

fn aad(id: SessionId, epoch: Epoch, number: u64) -> Vec<u8> {
    format!("entry {id} {epoch} {number}").into_bytes()
}
