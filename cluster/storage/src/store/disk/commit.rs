//! Writing: a change is judged, takes its place in the log, and becomes visible when the log acknowledges it.
use super::change::{self, Held, What};
use super::{DiskStore, InFlight, Inner, io_error, object};
use crate::store::{Condition, Flush, Key, PutError, StoreError, Version, check_length};
use crate::wal::{AppendError, Level, WalError};
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

impl DiskStore {
    pub(super) async fn put(
        &self,
        key: &Key,
        bytes: Bytes,
        condition: Condition<'_>,
        flush: Flush,
    ) -> Result<Version, PutError> {
        check_length(key, &bytes)?;
        let (version, modified) = (self.inner.number(), change::now());
        let (held, staged) = if bytes.len() <= self.inner.options.log_object_bytes {
            (Held { version, modified, what: What::Bytes(bytes) }, None)
        } else {
            // Judged once before the work, and again when it counts.
            condition.allows(self.current(key).await?)?;
            let length = bytes.len() as u64;
            let named = key.clone();
            let staged = self.blocking(move |inner| inner.stage(&named, version, modified, &bytes)).await?;
            (Held { version, modified, what: What::File { file: staged.file, length } }, Some(staged))
        };
        // The file of a large object is durable by now; the log alone decides the rest.
        let level = match flush {
            Flush::Now => Level::Synced,
            Flush::Soon => Level::Buffered,
        };
        let committed = self.commit(key, held, staged, condition, level).await?;
        debug_assert!(committed, "a put always changes something");
        Ok(Version::numbered(version))
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), StoreError> {
        let held = Held { version: self.inner.number(), modified: change::now(), what: What::Deleted };
        match self.commit(key, held, None, Condition::Any, Level::Synced).await {
            Ok(_) => Ok(()),
            Err(PutError::Store(error)) => Err(error),
            Err(PutError::Conflict | PutError::Missing) => unreachable!("a deletion has no condition"),
        }
    }

    pub(super) async fn remove_version(&self, key: &Key, version: &Version) -> Result<(), PutError> {
        let held = Held { version: self.inner.number(), modified: change::now(), what: What::Deleted };
        self.commit(key, held, None, Condition::Match(version), Level::Synced).await.map(drop)
    }

    /// Puts a change into the log as soon as its condition can be judged, and waits for its acknowledgement. Goes on by
    /// itself when the caller does not wait any more. Returns whether there was anything to change.
    async fn commit(
        &self,
        key: &Key,
        held: Held,
        mut staged: Option<Staged>,
        condition: Condition<'_>,
        level: Level,
    ) -> Result<bool, PutError> {
        let mut held = held;
        let mut entry = held.encode(key);
        let deletes = held.what == What::Deleted;
        let mut at_rest = None;
        loop {
            match self.try_commit(key, &held, entry, &mut staged, condition, level, at_rest)? {
                Turn::Committed(outcome) => {
                    let outcome = outcome.await.unwrap_or(Err(WalError::Closed));
                    return outcome.map(|()| true).map_err(|error| PutError::Store(error.into()));
                }
                Turn::Nothing => return Ok(false),
                Turn::Again(wait, back) => {
                    entry = back;
                    at_rest = match wait {
                        Wait::Look { rounds } => {
                            let named = key.clone();
                            let looked = self.blocking(move |inner| inner.version_at_rest(&named)).await;
                            let found = match looked {
                                // A damaged object is one: it can be deleted, and not be matched.
                                Err(StoreError::Corrupt { .. }) if deletes => Some(0),
                                Err(StoreError::Corrupt { .. }) if matches!(condition, Condition::Absent) => Some(0),
                                looked => looked?,
                            };
                            Some((rounds, found))
                        }
                        Wait::Settled(settled) => {
                            settled.await;
                            None
                        }
                        Wait::Room(room) => {
                            room.await;
                            if let Some(error) = self.inner.table().move_error.clone() {
                                return Err(error.into());
                            }
                            None
                        }
                        Wait::Log => {
                            self.wal.ready(entry.len()).await;
                            None
                        }
                    };
                }
            }
        }
    }

    /// One try under the lock. `at_rest` is what the key's file was found to be, as of a round of the mover.
    #[expect(clippy::too_many_arguments, reason = "one call, of the loop above, which owns all of them")]
    fn try_commit(
        &self,
        key: &Key,
        held: &Held,
        entry: Bytes,
        staged: &mut Option<Staged>,
        condition: Condition<'_>,
        level: Level,
        at_rest: Option<(u64, Option<u64>)>,
    ) -> Result<Turn, PutError> {
        let mut table = self.inner.table();
        if let Some(in_flight) = table.in_flight.get(key) {
            return Ok(Turn::Again(Wait::Settled(in_flight.settled.clone().notified_owned().boxed()), entry));
        }
        let current = match (table.overlay.get(key), at_rest) {
            (Some(held), _) => held.live(),
            (None, Some((rounds, found))) if rounds == table.rounds => found,
            (None, _) => return Ok(Turn::Again(Wait::Look { rounds: table.rounds }, entry)),
        };
        condition.allows(current)?;
        if held.what == What::Deleted && current.is_none() {
            // A change that the log failed with may come back when it is opened again: nobody can say that it is gone.
            self.wal.check().map_err(StoreError::from)?;
            return Ok(Turn::Nothing);
        }
        if table.is_full() {
            table.hurry = true;
            self.inner.move_wanted.notify_one();
            // Made under the lock, without which no round ends: it hears the next end.
            let room = self.inner.room.clone().notified_owned().boxed();
            return Ok(Turn::Again(Wait::Room(room), entry));
        }
        let (sender, outcome) = oneshot::channel();
        let settled = Arc::new(Notify::new());
        let done = Settle { inner: self.inner.clone(), key: key.clone(), held: held.clone(), sender };
        let position = match self.wal.append_then(entry, level, move |result| done.settle(result)) {
            Ok(position) => position,
            Err(AppendError::Full(entry)) => return Ok(Turn::Again(Wait::Log, entry)),
            Err(AppendError::Refused(error)) => return Err(PutError::Store(error.into())),
            Err(AppendError::TooLarge { bytes }) => {
                return Err(PutError::Store(StoreError::TooLarge { key: key.clone(), bytes }));
            }
        };
        if let Some(staged) = staged.take() {
            staged.keep();
        }
        table.in_flight.insert(key.clone(), InFlight { position, settled });
        Ok(Turn::Committed(outcome))
    }

    /// The version that is there now, by the look of it.
    async fn current(&self, key: &Key) -> Result<Option<u64>, StoreError> {
        if let Some(held) = self.inner.table().overlay.get(key) {
            return Ok(held.live());
        }
        let named = key.clone();
        match self.blocking(move |inner| inner.version_at_rest(&named)).await {
            Err(StoreError::Corrupt { .. }) => Ok(Some(0)),
            current => current,
        }
    }
}

/// What came of a try to commit.
enum Turn {
    Committed(oneshot::Receiver<Result<(), WalError>>),
    /// There was nothing to delete.
    Nothing,
    /// With the entry, which was not taken.
    Again(Wait, Bytes),
}

/// What has to happen before the next try.
enum Wait {
    /// The file of the key is looked at.
    Look { rounds: u64 },
    /// The change of the key that is in flight ends.
    Settled(BoxFuture<'static, ()>),
    /// The mover makes room.
    Room(BoxFuture<'static, ()>),
    /// The log has room.
    Log,
}

/// Ends a change that was in flight, on a thread of the log.
struct Settle {
    inner: Arc<Inner>,
    key: Key,
    held: Held,
    sender: oneshot::Sender<Result<(), WalError>>,
}

impl Settle {
    fn settle(self, result: Result<(), WalError>) {
        let mut table = self.inner.table();
        let in_flight = table.in_flight.remove(&self.key);
        match (&result, &self.held.what) {
            (Ok(()), _) => table.insert(self.key, self.held),
            // Surely not in the log. After any other failure the file stays until the store is opened again.
            (Err(WalError::NoSpace { .. }), What::File { file, .. }) => table.garbage.push(*file),
            (Err(_), _) => {}
        }
        let wake = table.since.is_some();
        drop(table);
        if wake {
            self.inner.move_wanted.notify_one();
        }
        if let Some(in_flight) = in_flight {
            in_flight.settled.notify_waiters();
        }
        let _ = self.sender.send(result); // Nobody waits if the caller went away.
    }
}

/// A large object in `tmp/` that is not in the log yet. Dropped, it is left to the mover to remove.
#[derive(Debug)]
struct Staged {
    inner: Arc<Inner>,
    file: u64,
    kept: bool,
}

impl Staged {
    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let mut table = self.inner.table();
            table.garbage.push(self.file);
            table.since.get_or_insert_with(Instant::now);
            drop(table);
            self.inner.move_wanted.notify_one();
        }
    }
}

impl Inner {
    /// Writes a large object to a file of its own and makes it durable, with its name.
    fn stage(self: &Arc<Inner>, key: &Key, version: u64, modified: u64, bytes: &Bytes) -> Result<Staged, StoreError> {
        let staged = Staged { inner: self.clone(), file: version, kept: false };
        let write = || -> io::Result<()> {
            let file = self.disk.create(&self.tmp_path(staged.file))?;
            let front = object::front(key, version, modified, bytes);
            file.write_at(&front, 0)?;
            file.write_at(bytes, front.len() as u64)?;
            file.sync_data()?;
            self.disk.sync_dir(&self.tmp)
        };
        match write() {
            Ok(()) => Ok(staged),
            Err(error) => {
                // At once: on a full disk its part is wanted. If that fails, the mover tries again.
                if self.disk.remove(&self.tmp_path(staged.file)).is_ok() {
                    staged.keep();
                }
                Err(io_error("write an object", &error))
            }
        }
    }
}
