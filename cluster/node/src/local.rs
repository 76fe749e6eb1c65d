//! The local log of `checkpoint` sessions: what their owner wrote, for a process that comes after it on the same folder.

use crate::bucket::Numbered;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use warren_cluster::keeper::ownership::head;
use warren_ownership::position::Epoch;
use warren_session::id::SessionId;
use warren_storage::wal::{AppendError, Level, Position, Recovery, Wal, WalError};

/// The log, and where in it each session's entries are.
pub(crate) struct LocalLog {
    wal: Wal,
    kept: Mutex<Kept>,
}

/// Entries by whose they are and their number, and where in the log.
type Entries = BTreeMap<(Epoch, u64), (Bytes, u64)>;

#[derive(Default)]
struct Kept {
    sessions: HashMap<SessionId, Entries>,
    /// Places that are needed.
    pins: BTreeSet<u64>,
}

impl LocalLog {
    /// What is in it already is read.
    pub(crate) fn open(wal: Wal, recovery: Recovery) -> Result<LocalLog, WalError> {
        let mut kept = Kept::default();
        for found in recovery {
            let found = found?;
            let place = found.position.as_u64();
            match head(&found.body) {
                Ok(head) => kept.keep(head.id, (crate::state::core_epoch(head.epoch), head.number), found.body, place),
                Err(reason) => {
                    tracing::warn!(place, reason, "an entry of the local log makes no sense and is left out")
                }
            }
        }
        Ok(LocalLog { wal, kept: Mutex::new(kept) })
    }

    /// Appends entries of one session, and resolves when they survive the process.
    pub(crate) async fn append(&self, id: SessionId, entries: Vec<((Epoch, u64), Bytes)>) -> Result<(), String> {
        let mut pending = Vec::with_capacity(entries.len());
        for (name, bytes) in entries {
            loop {
                // The place is needed before anybody could release it.
                let appended = {
                    let mut kept = self.lock();
                    let appended = self.wal.append(bytes.clone(), Level::Buffered);
                    if let Ok(pending) = &appended {
                        kept.keep(id, name, bytes.clone(), pending.position().as_u64());
                    }
                    appended
                };
                match appended {
                    Ok(appended) => {
                        pending.push(appended);
                        break;
                    }
                    Err(AppendError::Full(bytes)) => self.wal.ready(bytes.len()).await,
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
        for one in pending {
            one.await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// All there is of a session, of any epoch.
    pub(crate) fn recall(&self, id: SessionId) -> Vec<Numbered> {
        let kept = self.lock();
        let entries = kept.sessions.get(&id).into_iter().flatten();
        entries.map(|((epoch, seq), (bytes, _))| (*epoch, *seq, bytes.clone())).collect()
    }

    /// The record knows a session's entries up to this one.
    pub(crate) fn forget(&self, id: SessionId, upto: u64) {
        let mut kept = self.lock();
        let Kept { sessions, pins } = &mut *kept;
        let Some(entries) = sessions.get_mut(&id) else { return };
        entries.retain(|(_, seq), (_, place)| {
            let stays = *seq > upto;
            if !stays {
                pins.remove(place);
            }
            stays
        });
        if entries.is_empty() {
            sessions.remove(&id);
        }
        // With no place needed, all there are: the next is given under this lock.
        let needed = pins.first().map_or_else(|| self.wal.next(), |place| Position::from_u64(*place));
        self.wal.release(needed.before());
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, id: SessionId, name: (Epoch, u64), bytes: Bytes, place: u64) {
        self.pins.insert(place);
        if let Some((_, before)) = self.sessions.entry(id).or_default().insert(name, (bytes, place)) {
            self.pins.remove(&before);
        }
    }
}
