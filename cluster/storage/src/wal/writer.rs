//! The thread that writes: all that is queued in one go, then tells those who wait for no more than that.
use super::segment::Tail;
use super::{Done, Level, Queued, Segment, Shared, Unsynced, WalError, frame};
use crate::metrics;
use std::time::Instant;

/// Bytes written at once, if one entry alone is not longer.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Runs until the log is closed and the queue is empty.
pub(super) fn run(shared: &Shared, mut tail: Tail) {
    let mut buffer = Vec::new();
    // After a batch that failed positions are left out, which only the start of a segment may do.
    let mut gap = false;
    while let Some((batch, synced)) = next_batch(shared) {
        let written = write_batch(shared, &mut tail, &mut gap, &batch, synced, &mut buffer);
        buffer.clear();
        buffer.shrink_to(BATCH_BYTES);
        match written {
            Ok(()) => finish(shared, &tail, batch),
            Err(error) => {
                gap = true;
                refuse(shared, &tail, batch, &error);
            }
        }
    }
    shared.lock().writer_ended = true;
    shared.sync_wanted.notify_one();
}

/// Waits for entries and takes as many as go into a write, with the mark up to which the log is durable.
fn next_batch(shared: &Shared) -> Option<(Vec<Queued>, u64)> {
    let mut state = shared.lock();
    while state.queue.is_empty() {
        if state.closing {
            return None;
        }
        state = shared.write_wanted.wait(state).expect("nobody panics holding the log's state");
    }
    let mut batch = Vec::new();
    let mut bytes = 0;
    while let Some(queued) = state.queue.front() {
        let length = queued.body.as_ref().map_or(0, |body| body.len());
        if !batch.is_empty() && bytes + length > BATCH_BYTES {
            break;
        }
        bytes += length + frame::FRAME_BYTES;
        state.queued_bytes -= length;
        batch.extend(state.queue.pop_front());
    }
    let synced = state.synced;
    drop(state);
    shared.room.notify_waiters();
    Some((batch, synced))
}

fn write_batch(
    shared: &Shared,
    tail: &mut Tail,
    gap: &mut bool,
    batch: &[Queued],
    synced: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), WalError> {
    let Some(first) = batch.iter().find(|queued| queued.body.is_some()).map(|queued| queued.position) else {
        return Ok(());
    };
    if *gap || (tail.offset >= shared.options.segment_bytes && !tail.is_empty()) {
        let new = Tail::create(&shared.disk, shared.path(first), first, tail.last_entry(), synced)?;
        *gap = false;
        rotate(shared, tail, &new);
        *tail = new;
    }
    let mut last = tail.last;
    for queued in batch {
        if let Some(body) = &queued.body {
            frame::put(buffer, &tail.key, queued.position, synced, body);
            last = queued.position;
        }
    }
    if let Err(error) = tail.file.write_at(buffer, tail.offset) {
        let error = WalError::from_io("write to", &tail.path, &error);
        if matches!(error, WalError::NoSpace { .. }) {
            // Give back what the torn part took; nobody reads past it, but the room is wanted.
            // Synced, or a loss of power could bring it back in front of what is written after it.
            let cut = tail.file.set_len(tail.offset).and_then(|()| tail.file.sync_data());
            cut.map_err(|error| WalError::from_io("cut", &tail.path, &error).finally())?;
        }
        return Err(error);
    }
    ::metrics::counter!(metrics::LOG_ENTRIES).increment(batch.len() as u64);
    ::metrics::counter!(metrics::LOG_BYTES).increment(buffer.len() as u64);
    tail.offset += buffer.len() as u64;
    tail.last = last;
    Ok(())
}

/// Hands the segment that is complete to those who sync and release, and announces the new one.
fn rotate(shared: &Shared, old: &Tail, new: &Tail) {
    if old.is_empty() {
        // A full disk left nothing in it: another try must not leave another one.
        if let Err(error) = shared.disk.remove(&old.path) {
            tracing::warn!(%error, segment = %old.path.display(), "an empty segment of a log could not be removed");
        }
    }
    let mut state = shared.lock();
    if !old.is_empty() {
        state.segments.push_back(Segment { last: old.last, path: old.path.clone() });
    }
    state.unsynced.push(Unsynced { first: new.first, file: new.file.clone(), name_too: true });
}

fn finish(shared: &Shared, tail: &Tail, batch: Vec<Queued>) {
    let mut buffered = Vec::new();
    let mut wake = false;
    let mut state = shared.lock();
    let wrote = tail.last_entry() > state.written;
    state.written = tail.last_entry();
    if wrote && state.unsynced.last().is_none_or(|unsynced| unsynced.first != tail.first) {
        state.unsynced.push(Unsynced { first: tail.first, file: tail.file.clone(), name_too: false });
    }
    if wrote && state.dirty_since.is_none() {
        state.dirty_since = Some(Instant::now());
        wake = true; // The syncer sets its alarm.
    }
    for queued in batch {
        match queued.level {
            Level::Buffered => buffered.push(queued.done),
            Level::Synced => {
                // Somebody who waits for a sync alone may have come after positions that were refused.
                state.waiting.push_back((queued.position.min(tail.last_entry()), queued.done));
                wake = true;
            }
        }
    }
    // The syncer may have failed meanwhile; then nobody else will tell those who wait.
    let failed = state.failed.clone();
    if let Some(error) = &failed {
        buffered.extend(state.fail(error));
    }
    drop(state);
    if wake {
        shared.sync_wanted.notify_one();
    }
    tell_all(buffered, failed);
}

/// Fails a batch and all that queued behind it: an entry must not be in the log when one before it is not.
fn refuse(shared: &Shared, tail: &Tail, batch: Vec<Queued>, error: &WalError) {
    let mut state = shared.lock();
    // Under the lock, under which entries are taken: none of those behind comes in between.
    batch.iter().chain(&state.queue).for_each(|queued| queued.break_stream(error));
    let mut done: Vec<Done> = batch.into_iter().map(|queued| queued.done).collect();
    done.extend(state.drain_queue());
    if !matches!(error, WalError::NoSpace { .. }) {
        done.extend(state.fail(error));
    }
    drop(state);
    ::metrics::counter!(metrics::LOG_FAILURES).increment(1);
    tracing::warn!(%error, segment = %tail.path.display(), "entries of a log were not written");
    shared.room.notify_waiters();
    tell_all(done, Some(error.clone()));
}

fn tell_all(done: Vec<Done>, error: Option<WalError>) {
    for done in done {
        done.tell(error.clone().map_or(Ok(()), Err));
    }
}
