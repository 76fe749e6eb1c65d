//! The seam to a cluster: who may have a session where several processes share a store, and when what its owner writes may be told.
//!
//! ```text
//! single node:  Claim ── entries ─▶ Wal             record ─▶ Store
//! cluster:      Claim ── entries, record ─▶ Ours ─▶ hot journal, bucket, local log, as the rules of ownership say
//! ```
//! A keeper with an [`Ownership`] makes the same records, entries, snapshots and segments of events as one without. It asks it
//! for every session it makes, takes or deletes, gives it every entry in order, and never writes a record itself.

use super::batch::Entry;
use super::strict::BATCH;
use crate::record::Record;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use warren_session::durability::{DurabilityError, Pending};
use warren_session::id::{SessionId, TenantId};
use warren_session::position::Epoch;
use warren_session::spec::Tier;

/// Decides whose sessions are.
pub trait Ownership: Send + Sync + 'static {
    /// Makes a session that is ours, with this record.
    ///
    /// # Errors
    /// `Fenced` when there is one of this id, `Unavailable`.
    fn create<'a>(
        &'a self,
        tenant: &'a TenantId,
        tier: Tier,
        record: Record,
    ) -> BoxFuture<'a, Result<Arc<dyn Ours>, DurabilityError>>;

    /// Takes a session that is at rest, was given to us, or whose owner is dead.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Owned`, `Damaged`, `Unavailable`.
    fn take<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Taken, DurabilityError>>;

    /// Sees to it that the store has everything that counts of a session nobody here writes to: one whose owner is dead is
    /// taken.
    ///
    /// # Errors
    /// As [`Ownership::take`]: `Owned` by one that lives, who knows more.
    fn settle<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>>;

    /// Deletes a session nobody has, but for what lies beside its record.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, `Owned`, `Unavailable`.
    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>>;
}

/// A session that is ours now.
pub struct Taken {
    /// To write to it.
    pub ours: Arc<dyn Ours>,
    /// As it lies in the store.
    pub record: Record,
    /// Its entries behind those the record's snapshot knows, in their order.
    pub entries: Vec<Bytes>,
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("record", &self.record).finish_non_exhaustive()
    }
}

/// A session while it is ours.
pub trait Ours: Send + Sync + 'static {
    /// Takes the entry of this number, one higher than the last. Resolves when it may be told: it is as durable as the
    /// session's tier says, or as a journal's if it is `fenced`, and the session was still ours then.
    ///
    /// # Errors
    /// Given back when too many are on their way; [`Ours::room`] says when to try again.
    fn append(&self, number: u64, entry: Bytes, fenced: bool) -> Result<Pending, Bytes>;

    /// Resolves when there may be room for another entry.
    fn room(&self) -> BoxFuture<'_, ()>;

    /// Makes this the record, if the session is still ours, with everything appended up to its `number` in the store. One
    /// that rests or is deleted by it is ours no more.
    ///
    /// # Errors
    /// `Fenced`; `Unavailable`: whether it was written is not known, and it may yet be.
    fn change(&self, record: Record) -> BoxFuture<'_, Result<(), DurabilityError>>;

    /// Objects of entries that the record names.
    fn objects(&self) -> usize;

    /// Resolves when the session is not ours any more.
    fn over(&self) -> BoxFuture<'static, ()>;

    /// Nobody here writes to it any more, and it was not let go in order: it may be taken again, also by us.
    fn give_up(&self);
}

/// Which entry some bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub tenant: TenantId,
    /// Of which session.
    pub id: SessionId,
    /// Of which owner.
    pub epoch: Epoch,
    /// One higher each of a session.
    pub number: u64,
}

/// Says which entry this is.
///
/// # Errors
/// It is none: says why.
pub fn head(entry: &[u8]) -> Result<Head, String> {
    let Entry { tenant, id, epoch, number, .. } = Entry::from_bytes(entry)?;
    Ok(Head { tenant, id, epoch, number })
}

/// Entries as one object.
///
/// # Errors
/// One of them is none: says why.
pub fn pack(entries: &[Bytes]) -> Result<Bytes, String> {
    let entries: Vec<Entry> = entries.iter().map(|bytes| Entry::from_bytes(bytes)).collect::<Result<_, _>>()?;
    Ok(BATCH.encode(&entries).into())
}

/// The entries of an object.
///
/// # Errors
/// It is none: says why.
pub fn unpack(object: &[u8]) -> Result<Vec<(Head, Bytes)>, String> {
    let entries: Vec<Entry> = BATCH.decode(object).map_err(|error| error.to_string())?;
    let head =
        |entry: &Entry| Head { tenant: entry.tenant.clone(), id: entry.id, epoch: entry.epoch, number: entry.number };
    Ok(entries.iter().map(|entry| (head(entry), entry.to_bytes())).collect())
}
