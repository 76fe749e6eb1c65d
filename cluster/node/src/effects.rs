//! Carries out what the decisions want, each in a task of its own with a time limit of its own, and feeds back what came of it.

use crate::hot::Said;
use crate::local::LocalLog;
use crate::state::State;
use crate::{bucket, clock, hot};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use warren_ownership::lease::Home;
use warren_ownership::message::{Event, HotAnswer, HotRequest, LocalAnswer, Op, StoreAnswer, StoreFailure, Unknown};
use warren_ownership::name::SessionId as CoreId;
use warren_ownership::position::Epoch;
use warren_session::id::{SessionId, TenantId};
use warren_storage::store::{Key, Store, Version};
use warren_stores::redis::{About, Hot, Notices};

/// The decisions look at the time no oftener than this by themselves.
const TICK_MIN: Duration = Duration::from_millis(2);

/// What is to be done, with everything it needs.
pub(crate) enum Job {
    Read(Op, Key),
    Write(Op, Key, Option<Version>, Bytes),
    Put(Op, Key, Vec<Bytes>),
    List(Op, TenantId, SessionId, Epoch, u64),
    /// With whether this process takes no more sessions.
    Hot(Op, HotJob, bool),
    Append(Op, SessionId, Vec<((Epoch, u64), Bytes)>),
    Recall(Op, SessionId),
    /// It is known at once.
    Answer(Event),
    /// Tell where the session is.
    Hint(CoreId, Epoch),
    /// The record knows entries up to this one.
    Forget(SessionId, u64),
    /// Objects that nobody needs.
    Remove(Vec<Key>),
}

/// What is asked of Redis, with its bytes.
pub(crate) enum HotJob {
    Append(CoreId, Option<Home>, Epoch, u64, Vec<Bytes>),
    Other(HotRequest),
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub store: Duration,
    pub hot: Duration,
    pub local: Duration,
    pub answer: Duration,
}

/// A process of the cluster.
pub(crate) struct Driver {
    state: Mutex<State>,
    pub store: Arc<dyn Store>,
    pub hot: Hot,
    pub notices: Notices,
    pub local: LocalLog,
    pub limits: Limits,
    pub address: String,
    pub free_mib: Arc<dyn Fn() -> u32 + Send + Sync>,
    handle: Handle,
    /// The decisions may have something to do sooner.
    sooner: Notify,
    /// Holds the folder.
    _lock: warren_storage::disk::DiskLock,
}

impl Driver {
    pub(crate) fn new(
        state: State,
        (store, hot, notices): (Arc<dyn Store>, Hot, Notices),
        (local, lock): (LocalLog, warren_storage::disk::DiskLock),
        limits: Limits,
        (address, free_mib): (String, Arc<dyn Fn() -> u32 + Send + Sync>),
        handle: Handle,
    ) -> Arc<Driver> {
        let state = Mutex::new(state);
        let driver = Driver {
            state,
            store,
            hot,
            notices,
            local,
            limits,
            address,
            free_mib,
            handle,
            sooner: Notify::new(),
            _lock: lock,
        };
        let driver = Arc::new(driver);
        driver.handle.spawn(keep_time(Arc::downgrade(&driver)));
        driver
    }

    /// Never held across a wait.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the decisions handle an event now.
    pub(crate) fn feed(self: &Arc<Self>, event: impl FnOnce(&mut State) -> Event) {
        self.with(|state, jobs| {
            let event = event(state);
            state.handle(clock::now(), event, jobs);
        });
    }

    /// Does something with the state and then what comes of it.
    pub(crate) fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State, &mut Vec<Job>) -> T) -> T {
        let mut jobs = Vec::new();
        let done = act(&mut self.lock(), &mut jobs);
        self.sooner.notify_one();
        for job in jobs {
            self.handle.spawn(self.clone().carry_out(job));
        }
        done
    }

    /// Runs something beside.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    async fn carry_out(self: Arc<Self>, job: Job) {
        match job {
            Job::Read(op, key) => {
                let read = tokio::time::timeout(self.limits.store, bucket::read(&*self.store, &key)).await;
                match read.unwrap_or(Err(StoreFailure::Unknown)) {
                    Ok(found) => self.feed(|state| state.was_read(op, found)),
                    Err(failure) => self.feed(|_| Event::Store(op, Err(failure))),
                }
            }
            Job::Write(op, key, version, bytes) => {
                let writing = bucket::write(&*self.store, &key, version.as_ref(), bytes);
                let written = tokio::time::timeout(self.limits.store, writing).await;
                match written.unwrap_or(Err(StoreFailure::Unknown)) {
                    Ok(tag) => self.feed(|state| state.was_written(op, tag)),
                    Err(failure) => self.feed(|_| Event::Store(op, Err(failure))),
                }
            }
            Job::Put(op, key, entries) => {
                let put = tokio::time::timeout(self.limits.store, bucket::put(&*self.store, &key, &entries)).await;
                let put = put.unwrap_or(Err(StoreFailure::Unknown));
                self.feed(|_| Event::Store(op, put.map(|()| StoreAnswer::Put)));
            }
            Job::List(op, tenant, id, epoch, after) => {
                let listing = bucket::list(&*self.store, (&tenant, id), epoch, after);
                let listed = tokio::time::timeout(self.limits.store, listing).await;
                match listed.unwrap_or(Err(StoreFailure::Unknown)) {
                    Ok(objects) => self.feed(|state| {
                        let objects = objects.into_iter().map(|object| state.were_found(op, object)).collect();
                        Event::Store(op, Ok(StoreAnswer::Entries(objects)))
                    }),
                    Err(failure) => self.feed(|_| Event::Store(op, Err(failure))),
                }
            }
            Job::Hot(op, job, draining) => {
                let about = About { address: self.address.clone(), free_mib: (self.free_mib)(), draining };
                let said = tokio::time::timeout(self.limits.hot, hot::ask(&self.hot, job, &about)).await;
                self.feed(|state| match said.unwrap_or(Err(Unknown)) {
                    Err(Unknown) => Event::Hot(op, Err(Unknown)),
                    Ok((home, Said::Answer(answer))) => Event::Hot(op, Ok((home, answer))),
                    Ok((home, Said::Peers(peers))) => {
                        let held = HotAnswer::Held(hot::peers(&peers));
                        state.peers = peers;
                        Event::Hot(op, Ok((home, held)))
                    }
                    Ok((home, Said::Journal(journal))) => {
                        let entries = state.were_found(op, journal);
                        Event::Hot(op, Ok((home, HotAnswer::Journal(entries))))
                    }
                });
            }
            Job::Append(op, id, entries) => {
                let appended = tokio::time::timeout(self.limits.local, self.local.append(id, entries)).await;
                match appended.unwrap_or_else(|_| Err("it did not answer in time".to_owned())) {
                    Ok(()) => self.feed(|_| Event::Local(op, LocalAnswer::Appended)),
                    Err(reason) => {
                        // What it was to keep is in no place: the session is taken again from what is.
                        tracing::error!(session = %id, reason, "the local log failed, and the session is let go");
                        self.feed(|_| Event::Crashed(crate::state::core_id(id)));
                    }
                }
            }
            Job::Recall(op, id) => {
                let found = self.local.recall(id);
                self.feed(|state| {
                    let entries = state.were_found(op, found);
                    Event::Local(op, LocalAnswer::Entries(entries))
                });
            }
            Job::Answer(event) => self.feed(|_| event),
            Job::Hint(id, epoch) => {
                // Nothing rests on it.
                let told = self.notices.set_hint(id, epoch, &self.address);
                let _ = tokio::time::timeout(self.limits.hot, told).await;
            }
            Job::Forget(id, upto) => self.local.forget(id, upto),
            Job::Remove(keys) => {
                for key in keys {
                    // What stays is collected with the session.
                    let _ = self.store.delete(&key).await;
                }
            }
        }
    }
}

/// Tells the decisions that it is time, when they want to know.
async fn keep_time(driver: Weak<Driver>) {
    loop {
        let Some(alive) = driver.upgrade() else { return };
        let now = clock::now();
        let deadline = alive.lock().node.next_deadline();
        if deadline <= now.mono {
            alive.feed(|_| Event::Timer);
            drop(alive);
            tokio::time::sleep(TICK_MIN).await;
            continue;
        }
        // A notice may come between: who looks again within a second is late by that, not wrong.
        let until = Duration::from_millis(deadline.0 - now.mono.0).min(Duration::from_secs(1));
        let sooner = alive.sooner.notified();
        let _ = tokio::time::timeout(until, sooner).await;
        drop(alive);
        tokio::time::sleep(TICK_MIN).await;
    }
}
