//! A session's record: the only object of a session that ever changes, and only by a conditional write.
//!
//! ```text
//! {tenant}/rec/{id} ─▶ epoch, owner, where files, events and checkpoints are   (clear: what ownership and collection need)
//!                      body: spec, numbers, keys, name, labels                 (sealed by the tenant's key)
//! ```
//! Take-over, checkpoint, hibernation and deletion are each one conditional write of it, so a writer that lost the session
//! can change nothing any more. A deleted session's record stays as a tombstone.

use crate::envelope::{EnvelopeError, Kind};
use crate::keys::TenantKeys;
use crate::seal::SealError;
use crate::snapshot::SnapshotRef;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use warren_kernel::host::Timestamp;
use warren_kernel::id::Lsn;
use warren_session::durability::{Checkpoint, Counters, Held, KeyedCommand, Summary};
use warren_session::event::State;
use warren_session::id::{CommandKey, ExecId, SessionId, SessionName, TenantId, TerminalName};
use warren_session::position::{Epoch, Position};
use warren_session::spec::{SessionSpec, Tier};
use warren_session::terminal::Kept;

const RECORD: Kind = Kind { magic: *b"WRNR", version: 1, name: "session record", bytes_max: 4 << 20 };

/// Checkpoints a session keeps, at most.
pub const CHECKPOINTS_MAX: usize = 64;
/// Keyed commands that are remembered, at most: the latest.
pub const KEYS_MAX: usize = 1024;

/// What is kept of a session, apart from its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Which session.
    pub id: SessionId,
    /// Who has it.
    pub standing: Standing,
    /// The epoch of the last owner.
    pub epoch: Epoch,
    /// The last event in the store; later ones are in the journal.
    pub position: Position,
    /// The last mutation in `snapshot`.
    pub lsn: Lsn,
    /// Number of the journal's last entry that is in the store.
    #[serde(default)]
    pub number: u64,
    /// Which pointer made its name: a name leads to it while the pointer says the same. 0 is the one it was made with.
    #[serde(default)]
    pub naming: u64,
    /// Its files; `None` are those of its template.
    pub snapshot: Option<SnapshotRef>,
    /// Points it can come back to, oldest first.
    pub checkpoints: Vec<KeptCheckpoint>,
    /// Its events, oldest first.
    pub segments: Vec<Segment>,
    /// Number of the first event that is still kept; 1 unless old ones were dropped.
    pub first_event: u64,
    /// What its files take.
    #[serde(default)]
    pub held: Held,
    /// Where several processes share a store: who has it, by the rules of a cluster, and where entries behind `number` are.
    /// `standing` and `epoch` say the same then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<Box<warren_ownership::record::Record>>,
    /// [`Body`], sealed.
    pub body: Bytes,
}

/// Who has a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Nobody: it rests.
    Resting,
    /// The process that calls itself so.
    Owned {
        /// Random, new each start of a process.
        incarnation: u64,
    },
    /// Nobody can: what is kept of it cannot be read.
    Failed {
        /// What was found.
        reason: String,
    },
    /// Nobody ever again.
    Deleted {
        /// Since when.
        at: Timestamp,
    },
}

/// A checkpoint and its files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptCheckpoint {
    /// As clients see it.
    pub checkpoint: Checkpoint,
    /// The files then; `None` are those of the template.
    pub snapshot: Option<SnapshotRef>,
}

/// Events in one object of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The owner that wrote it.
    pub epoch: Epoch,
    /// Number of its first event.
    pub first: u64,
    /// Number of its last event.
    pub last: u64,
    /// Bytes of the object.
    pub bytes: u64,
}

/// The sealed part of a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Its name.
    pub name: Option<SessionName>,
    /// What it is made of.
    pub spec: Arc<SessionSpec>,
    /// When it was made.
    pub created: Timestamp,
    /// The session it is a fork of.
    pub forked_from: Option<SessionId>,
    /// Where its numbers go on.
    pub counters: Counters,
    /// Keyed commands, oldest first.
    #[serde(default)]
    pub keys: Vec<(CommandKey, KeyedCommand)>,
    /// Commands that had no end when this was written.
    #[serde(default)]
    pub unfinished: Vec<ExecId>,
    /// Terminals, as their last events say.
    #[serde(default)]
    pub terminals: BTreeMap<TerminalName, Kept>,
}

/// Why a record cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RecordError {
    /// Its form is wrong.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Its body cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// It is another session's.
    #[error("the record of session {0} lies in its place")]
    Swapped(SessionId),
    /// Its body makes no sense.
    #[error("its body is malformed: {0}")]
    Body(String),
}

impl Record {
    /// As bytes.
    pub fn to_bytes(&self) -> Bytes {
        RECORD.encode(self).into()
    }

    /// The record of session `id` from bytes.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn from_bytes(id: SessionId, bytes: &[u8]) -> Result<Record, RecordError> {
        let record: Record = RECORD.decode(bytes)?;
        if record.id != id {
            return Err(RecordError::Swapped(record.id));
        }
        Ok(record)
    }

    /// The body.
    ///
    /// # Errors
    /// `Seal` with another tenant's key, `Body`.
    pub fn open(&self, keys: &TenantKeys) -> Result<Body, RecordError> {
        let plain = keys.open(&aad(self.id), &self.body)?;
        crate::envelope::from_slice(&plain).map_err(RecordError::Body)
    }

    /// Puts a body in.
    pub fn seal(&mut self, keys: &TenantKeys, body: &Body) {
        let mut plain = Vec::with_capacity(512);
        crate::envelope::to_vec(body, &mut plain);
        self.body = keys.seal(&aad(self.id), &plain);
    }

    /// What stays of it when the session is deleted.
    #[must_use]
    pub fn buried(&self, at: Timestamp) -> Record {
        Record {
            standing: Standing::Deleted { at },
            snapshot: None,
            checkpoints: Vec::new(),
            segments: Vec::new(),
            ..self.clone()
        }
    }

    /// All snapshots it needs.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotRef> {
        let kept = self.checkpoints.iter().filter_map(|kept| kept.snapshot.as_ref());
        self.snapshot.iter().chain(kept)
    }

    /// What clients learn of it.
    pub fn summary(&self, body: &Body) -> Summary {
        let (state, failure) = match &self.standing {
            Standing::Resting => (State::Hibernated, None),
            // An owner that is gone left it so; it is woken on use like any other.
            Standing::Owned { .. } => (State::Hibernated, None),
            Standing::Failed { reason } => (State::Failed, Some(reason.clone())),
            Standing::Deleted { .. } => (State::Deleted, None),
        };
        Summary {
            id: self.id,
            name: body.name.clone(),
            state,
            failure,
            durability: body.spec.durability,
            epoch: self.epoch,
            position: self.position,
            created: body.created,
            expires: expires(&body.spec, body.created),
            idle_timeout: body.spec.idle_timeout,
            forked_from: body.forked_from,
            template: body.spec.template.clone(),
            labels: body.spec.labels.clone(),
            egress: body.spec.egress.clone(),
            held: self.held,
        }
    }

    /// What is left to say of one whose body cannot be read.
    pub fn blank_summary(id: SessionId, reason: String) -> Summary {
        Summary {
            id,
            name: None,
            state: State::Failed,
            failure: Some(reason),
            durability: Tier::default(),
            epoch: Epoch::FIRST,
            position: Position::START,
            created: Timestamp(0),
            expires: None,
            idle_timeout: None,
            forked_from: None,
            template: None,
            labels: BTreeMap::new(),
            egress: Vec::new(),
            held: Held::default(),
        }
    }
}

/// When a session is deleted by itself.
fn expires(spec: &SessionSpec, created: Timestamp) -> Option<Timestamp> {
    let nanos = i64::try_from(spec.time_to_live?.as_nanos()).unwrap_or(i64::MAX);
    Some(Timestamp(created.0.saturating_add(nanos)))
}

fn aad(id: SessionId) -> Vec<u8> {
    format!("record {id}").into_bytes()
}

/// Where a tenant's objects are in the store.
pub mod places {
    use super::{Segment, SessionId, SessionName, TenantId};
    use crate::store::Key;

    /// The record of a session.
    pub fn record(tenant: &TenantId, id: SessionId) -> Key {
        key(format!("{tenant}/rec/{id}"))
    }

    /// Before the records of a tenant.
    pub fn records(tenant: &TenantId) -> String {
        format!("{tenant}/rec/")
    }

    /// What a name leads to.
    pub fn name(tenant: &TenantId, name: &SessionName) -> Key {
        key(format!("{tenant}/name/{name}"))
    }

    /// Before the names of a tenant.
    pub fn names(tenant: &TenantId) -> String {
        format!("{tenant}/name/")
    }

    /// Before the objects of a session.
    pub fn session(tenant: &TenantId, id: SessionId) -> String {
        format!("{tenant}/s/{id}/")
    }

    /// Events of a session. Under the epoch of whoever wrote them: an owner that was fenced can only litter its own.
    pub fn segment(tenant: &TenantId, id: SessionId, segment: &Segment) -> Key {
        key(format!("{tenant}/s/{id}/e{:020}/j{:020}-{:020}", segment.epoch.get(), segment.first, segment.last))
    }

    /// A batch of entries: of a `strict` session those that the record does not know yet, in a cluster all that are in no
    /// snapshot yet.
    pub fn batch(tenant: &TenantId, id: SessionId, epoch: super::Epoch, first: u64) -> Key {
        key(format!("{tenant}/s/{id}/e{:020}/b{first:020}", epoch.get()))
    }

    /// What is kept of a request, at a place that is no tenant's.
    pub fn request(text: String) -> Key {
        key(text)
    }

    fn key(text: String) -> Key {
        text.parse().expect("tenants, names, ids and numbers are segments of a key")
    }
}
