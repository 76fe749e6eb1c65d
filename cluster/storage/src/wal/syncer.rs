//! The thread that makes durable what was written, for all who wait in one fdatasync, and removes released segments.
//!
//! It sleeps while nobody waits for a sync; bytes that nobody waits for set an alarm, [`super::WalOptions::sync_interval`]
//! after the first of them.
use super::{Shared, State, Unsynced, WalError};
use crate::metrics;
use std::sync::MutexGuard;
use std::time::Instant;

/// Runs until the log is closed, the writer ended and everything is synced.
pub(super) fn run(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        if !state.released.is_empty() {
            state = remove_released(shared, state);
            continue;
        }
        let now = Instant::now();
        let alarm = state.dirty_since.map(|since| since + shared.options.sync_interval);
        let due = alarm.is_some_and(|alarm| alarm <= now);
        let ending = state.closing && state.writer_ended;
        if state.failed.is_none() && (!state.waiting.is_empty() || due || (ending && state.dirty_since.is_some())) {
            state = sync(shared, state);
            continue;
        }
        if ending {
            return;
        }
        state = match alarm.filter(|_| state.failed.is_none()) {
            None => shared.sync_wanted.wait(state).expect("nobody panics holding the log's state"),
            Some(alarm) => {
                let (state, _) = shared
                    .sync_wanted
                    .wait_timeout(state, alarm.saturating_duration_since(now))
                    .expect("nobody panics holding the log's state");
                state
            }
        };
    }
}

fn sync<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    let unsynced = std::mem::take(&mut state.unsynced);
    let target = state.written;
    state.dirty_since = None;
    drop(state);

    let begun = Instant::now();
    let synced = unsynced.iter().try_for_each(|file| sync_one(shared, file));
    ::metrics::histogram!(metrics::LOG_SYNC).record(begun.elapsed());

    let mut state = shared.lock();
    match synced {
        Ok(()) => {
            state.synced = state.synced.max(target);
            let mut done = Vec::new();
            while state.waiting.front().is_some_and(|(position, _)| *position <= target) {
                done.extend(state.waiting.pop_front());
            }
            drop(state);
            for (_, done) in done {
                done.tell(Ok(()));
            }
        }
        Err(error) => {
            let done = state.fail(&error);
            drop(state);
            ::metrics::counter!(metrics::LOG_FAILURES).increment(1);
            tracing::error!(%error, "a log could not be made durable");
            shared.room.notify_waiters();
            for done in done {
                done.tell(Err(error.clone()));
            }
        }
    }
    shared.lock()
}

fn sync_one(shared: &Shared, unsynced: &Unsynced) -> Result<(), WalError> {
    let path = shared.path(unsynced.first);
    // A full disk that shows itself only now is as final as any failure to sync.
    let failed = |error: std::io::Error| WalError::from_io("sync", &path, &error).finally();
    unsynced.file.sync_data().map_err(failed)?;
    if unsynced.name_too {
        shared.disk.sync_dir(&shared.dir).map_err(failed)?;
    }
    Ok(())
}

/// One after another, each durable before the next: a log that lost power has lost segments at its front only.
fn remove_released<'a>(shared: &'a Shared, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    let released = std::mem::take(&mut state.released);
    drop(state);
    for path in released {
        let removed = shared.disk.remove(&path).and_then(|()| shared.disk.sync_dir(&shared.dir));
        if let Err(error) = removed {
            // It stays, costs room and is read once more by the next opening: no reason to end the log.
            tracing::warn!(%error, segment = %path.display(), "a released segment of a log could not be removed");
            break;
        }
    }
    shared.lock()
}
