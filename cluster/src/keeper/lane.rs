//! Appends of one session, in order.
//!
//! ```text
//! append ─▶ small, and nobody before it waits ─▶ the log at once
//!       └─▶ else: lane ─▶ one task: snapshot if large, room in the log if there was none ─▶ the log
//! ```
//! A batch that cannot be kept ends the claim: those after it would be acknowledged without it.

use super::batch::{Entry, FilesImage, Image, LARGE_BYTES, weight};
use super::claim::{Base, ClaimInner, ClaimState};
use super::tail::Kept;
use super::{from_wal, lock, of_session, of_snapshot};
use crate::{metrics, wal};
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;
use tracing::{Instrument, debug_span};
use warren_kernel::id::Lsn;
use warren_kernel::vfs::change::{BlockImage, Delta, delta_between};
use warren_session::durability::{Batch, DurabilityError, FileChange, Level, Pending};
use warren_session::spec::Tier;

/// An append that has to wait its turn, or someone who waits for those before.
pub(super) enum Job {
    Append { batch: Batch, number: u64, level: Level, reply: oneshot::Sender<Result<(), DurabilityError>> },
    Fence(oneshot::Sender<Result<(), DurabilityError>>),
}

impl Job {
    pub(super) fn refuse(self, why: &DurabilityError) {
        let (Job::Append { reply, .. } | Job::Fence(reply)) = self;
        let _ = reply.send(Err(why.clone()));
    }
}

/// What became of an attempt to write at once.
enum Attempt {
    Written(Pending),
    /// It is too large, or the log is full: in the lane.
    Later(Batch),
}

impl ClaimInner {
    pub(super) fn append(self: &Arc<Self>, batch: Batch, level: Level) -> Pending {
        let mut state = lock(&self.state);
        if let Some(why) = &state.ended {
            return std::future::ready(Err(why.clone())).boxed();
        }
        state.number += 1;
        let number = state.number;
        state.facts.advance(&batch.events, &batch.keys, batch.counters);
        if let Some(change) = &batch.files {
            state.facts.lsn = change.to;
            state.files = Some((change.after.clone(), change.to));
        }
        let batch = if state.lane_runs {
            batch
        } else {
            match self.try_write(&mut state, batch, number, level) {
                Attempt::Written(pending) => {
                    drop(state);
                    self.fold_if_long();
                    return pending;
                }
                Attempt::Later(batch) => batch,
            }
        };
        let (reply, answer) = oneshot::channel();
        state.lane.push_back(Job::Append { batch, number, level, reply });
        self.run_lane(&mut state);
        drop(state);
        waited(answer)
    }

    /// Waits until everything appended before has gone to the log.
    pub(super) async fn settled(self: &Arc<Self>) -> Result<(), DurabilityError> {
        let answer = {
            let mut state = lock(&self.state);
            if let Some(why) = &state.ended {
                return Err(why.clone());
            }
            if !state.lane_runs {
                return Ok(());
            }
            let (reply, answer) = oneshot::channel();
            state.lane.push_back(Job::Fence(reply));
            answer
        };
        waited(answer).await
    }

    fn run_lane(self: &Arc<Self>, state: &mut ClaimState) {
        if !state.lane_runs {
            state.lane_runs = true;
            tokio::spawn(self.clone().drain_lane());
        }
    }

    fn try_write(self: &Arc<Self>, state: &mut ClaimState, batch: Batch, number: u64, level: Level) -> Attempt {
        let delta = match &batch.files {
            None => None,
            Some(change) => match small(change) {
                Some(delta) => Some(FilesImage::Delta(delta)),
                None => return Attempt::Later(batch),
            },
        };
        let image = Image { events: batch.events, files: delta, keys: batch.keys, counters: batch.counters };
        match self.write(state, &image, number, level) {
            Ok(pending) => Attempt::Written(pending),
            // Full: once there is room. Anything else is found again there.
            Err(_) => Attempt::Later(Batch { events: image.events, keys: image.keys, ..batch }),
        }
    }

    /// Seals an entry and gives it to the log.
    ///
    /// # Errors
    /// The log is behind.
    fn write(
        self: &Arc<Self>,
        state: &mut ClaimState,
        image: &Image,
        number: u64,
        level: Level,
    ) -> Result<Pending, wal::AppendError> {
        let before = lock(&self.tail)
            .last()
            .map_or((state.record.position.seq, state.record.lsn), |kept| (kept.entry.last_event, Lsn(kept.entry.lsn)));
        let last_event = image.events.last().map_or(before.0, |event| event.position.seq);
        let lsn = image.files.as_ref().map_or(before.1, FilesImage::lsn);
        let whose = (&self.tenant_id, self.id);
        let entry = Entry::seal(&self.tenant.keys, whose, self.epoch, number, (last_event, lsn), image);
        if let Some(ours) = &self.ours {
            return self.write_ours(ours, entry, image);
        }
        let wal_level = if level == Level::Buffered { wal::Level::Buffered } else { wal::Level::Synced };
        let (bytes, (reply, answer)) = (entry.to_bytes(), oneshot::channel());
        let (answered, epoch) = (self.tail.clone(), self.epoch);
        let done = move |written: Result<(), wal::WalError>| {
            lock(&answered).answer(epoch, number, written.is_ok());
            let _ = reply.send(written); // Nobody waits if the answer was dropped.
        };
        {
            // Under the tail's lock, so that the log's answer finds the entry there.
            let mut tail = lock(&self.tail);
            let place = self.shared.append_pinned(whose, |wal| wal.append_in(&self.stream, bytes, wal_level, done))?;
            tail.push(Kept { entry: entry.clone(), wal: Some(place), in_flight: true });
        }
        let claim = self.clone();
        let span = debug_span!("append_journal", entry = number, ?level);
        let logged = async move {
            let written = answer.await.unwrap_or(Err(wal::WalError::Closed)).map_err(from_wal);
            if let Err(why) = &written {
                claim.end(why.clone());
            }
            written
        };
        let logged = logged.instrument(span);
        if level < Level::Stored {
            if state.body.spec.durability == Tier::Strict {
                self.store_entry_later(state, entry);
            }
            return Ok(logged.boxed());
        }
        let stored = self.store_entry(state, entry).instrument(debug_span!("store_entry"));
        Ok(async move {
            let (logged, stored) = futures_util::future::join(logged, stored).await;
            logged.and(stored)
        }
        .boxed())
    }

    async fn drain_lane(self: Arc<Self>) {
        loop {
            let job = {
                let mut state = lock(&self.state);
                match state.lane.pop_front() {
                    Some(job) if state.ended.is_none() => job,
                    other => {
                        let why = state.ended.clone();
                        if let (Some(job), Some(why)) = (other, &why) {
                            job.refuse(why);
                            continue;
                        }
                        state.lane_runs = false;
                        return;
                    }
                }
            };
            match job {
                Job::Fence(reply) => {
                    let _ = reply.send(Ok(()));
                }
                Job::Append { batch, number, level, reply } => match self.write_later(batch, number, level).await {
                    Ok(pending) => {
                        // The next one need not wait until this one is durable.
                        tokio::spawn(async move { reply.send(pending.await) });
                    }
                    Err(why) => {
                        tracing::warn!(session = %self.id, error = %why, "a batch could not be kept");
                        let _ = reply.send(Err(why.clone()));
                        self.end(why);
                    }
                },
            }
        }
    }

    async fn write_later(
        self: &Arc<Self>,
        batch: Batch,
        number: u64,
        level: Level,
    ) -> Result<Pending, DurabilityError> {
        let files = match &batch.files {
            None => None,
            Some(change) => Some(match small(change) {
                Some(delta) => FilesImage::Delta(delta),
                None => self.store_files(change).await?,
            }),
        };
        let image = Image { events: batch.events, files, keys: batch.keys, counters: batch.counters };
        loop {
            let bytes = {
                let mut state = lock(&self.state);
                if let Some(why) = &state.ended {
                    return Err(why.clone());
                }
                match self.write(&mut state, &image, number, level) {
                    Ok(pending) => return Ok(pending),
                    Err(wal::AppendError::Full(bytes)) => bytes.len(),
                    Err(wal::AppendError::Refused(error)) => return Err(from_wal(error)),
                    Err(error @ wal::AppendError::TooLarge { .. }) => {
                        return Err(DurabilityError::Unavailable(error.to_string()));
                    }
                }
            };
            match (&self.ours, &self.shared.wal) {
                (Some(ours), _) => ours.room().await,
                (None, Some(wal)) => wal.ready(bytes).await,
                (None, None) => return Err(DurabilityError::Unavailable("there is no journal".to_owned())),
            }
        }
    }

    /// Puts files into the store before the journal speaks of them.
    async fn store_files(self: &Arc<Self>, change: &FileChange) -> Result<FilesImage, DurabilityError> {
        let _turn = self.turn.lock().await;
        self.check()?;
        let (base, layer) = {
            let state = lock(&self.state);
            (state.base.clone(), state.layer.clone())
        };
        let at = self.snapshot(base, layer.as_ref(), &change.after, change.to).await?;
        // The journal is another log than the store's: it must not speak of what a loss of power may yet take.
        self.shared.store.flush().await.map_err(|error| of_session(self.id, error))?;
        let tree = change.after.clone();
        lock(&self.state).base = Some(Base { at: Some(at.clone()), tree, lsn: change.to });
        Ok(FilesImage::Snapshot { at, lsn: change.to })
    }

    /// A snapshot of `after`, as the difference to what is stored.
    pub(super) async fn snapshot(
        &self,
        base: Option<Base>,
        layer: Option<&warren_kernel::vfs::inodes::Inodes>,
        after: &warren_kernel::vfs::inodes::Inodes,
        lsn: warren_kernel::id::Lsn,
    ) -> Result<crate::snapshot::SnapshotRef, DurabilityError> {
        let layer = layer.ok_or_else(|| DurabilityError::Unavailable("the session has not begun".to_owned()))?;
        let (at, before) = match &base {
            Some(Base { at: Some(at), tree, .. }) => (Some(at), tree),
            _ => (None, layer),
        };
        let meter = self.meter.get().cloned();
        let begun = Instant::now();
        let writing = self.tenant.snapshots.write_metered(at, before, after, layer, lsn, meter);
        let written = writing.instrument(debug_span!("write_snapshot")).await;
        ::metrics::histogram!(metrics::SNAPSHOT).record(begun.elapsed());
        if written.is_err() {
            ::metrics::counter!(metrics::SNAPSHOT_FAILURES).increment(1);
        }
        written.map_err(|error| of_snapshot(self.id, error))
    }
}

/// The change as a delta, if it may ride in the journal.
fn small(change: &FileChange) -> Option<Delta> {
    let delta = delta_between(&change.before, &change.after, change.from, change.to);
    // Blocks that lie in the store already (a rollback's) are named by a snapshot only.
    let stored = |block: &BlockImage| matches!(block, BlockImage::Stored(..));
    let names_store = delta.blocks.iter().any(|range| range.blocks.iter().any(|(_, block)| stored(block)));
    (!names_store && weight(&delta) <= LARGE_BYTES).then_some(delta)
}

fn waited(answer: oneshot::Receiver<Result<(), DurabilityError>>) -> Pending {
    async move {
        answer.await.unwrap_or_else(|_| Err(DurabilityError::Unavailable("this node is shutting down".to_owned())))
    }
    .boxed()
}
