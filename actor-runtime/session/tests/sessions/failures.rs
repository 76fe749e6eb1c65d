//! What breaks below a session: its neighbours do not notice, and what was acknowledged is there afterwards.

use crate::world::{World, events, get, names, options, put, request, within};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use warren_kernel::vfs::inodes::Inodes;
use warren_session::durability::volatile::Volatile;
use warren_session::durability::{
    Batch, Checkpoint, Claim, Claimed, Durability, DurabilityError, Files, Keep, Level, NewSession, Past, Pending,
    Point, Summary,
};
use warren_session::event::{End, State, What};
use warren_session::id::{SessionId, SessionName, TenantId};
use warren_session::position::Position;
use warren_session::spec::{SessionSpec, Tier};
use warren_session::{Options, SessionError};

/// What goes wrong in a session's claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Appends fail with this.
    NoSpace,
    /// An append panics as it is waited for.
    AppendPanics,
    /// A checkpoint panics.
    CheckpointPanics,
    /// Appends take a while.
    Slow,
}

struct Faulty {
    inner: Volatile,
    shared: Arc<Shared>,
}

struct Shared {
    victim: Mutex<Option<(SessionId, Fault)>>,
    appends: AtomicUsize,
    /// Claims wait for a permit of it.
    gate: Semaphore,
}

struct FaultyClaim {
    inner: Arc<dyn Claim>,
    id: SessionId,
    shared: Arc<Shared>,
}

impl Faulty {
    fn new(inner: Volatile) -> Faulty {
        Faulty {
            inner,
            shared: Arc::new(Shared {
                victim: Mutex::new(None),
                appends: AtomicUsize::new(0),
                gate: Semaphore::new(Semaphore::MAX_PERMITS),
            }),
        }
    }

    fn wrap(&self, claimed: Result<Claimed, DurabilityError>) -> Result<Claimed, DurabilityError> {
        claimed.map(|claimed| {
            let claim = FaultyClaim { inner: claimed.claim, id: claimed.summary.id, shared: self.shared.clone() };
            Claimed { claim: Arc::new(claim), ..claimed }
        })
    }
}

impl FaultyClaim {
    fn fault(&self) -> Fault {
        match *self.shared.victim.lock().unwrap() {
            Some((id, fault)) if id == self.id => fault,
            _ => Fault::None,
        }
    }
}

impl Durability for Faulty {
    fn create(&self, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        async { self.wrap(self.inner.create(new).await) }.boxed()
    }

    fn claim<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Claimed, DurabilityError>> {
        async move {
            let _permit = self.shared.gate.acquire().await;
            self.wrap(self.inner.claim(tenant, id).await)
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        tenant: &'a TenantId,
        name: &'a SessionName,
    ) -> BoxFuture<'a, Result<Option<SessionId>, DurabilityError>> {
        self.inner.find(tenant, name)
    }

    fn describe<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Summary, DurabilityError>> {
        self.inner.describe(tenant, id)
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<(Vec<Summary>, bool), DurabilityError>> {
        self.inner.list(tenant, after, limit)
    }

    fn events<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: SessionId,
        after: Position,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Past, DurabilityError>> {
        self.inner.events(tenant, id, after, bytes)
    }

    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>> {
        self.inner.delete(tenant, id)
    }
}

impl Claim for FaultyClaim {
    fn attach(&self, layer: Inodes, base: Inodes, now: Inodes) {
        self.inner.attach(layer, base, now);
    }

    fn append(&self, batch: Batch, level: Level) -> Pending {
        self.shared.appends.fetch_add(1, Ordering::Relaxed);
        match self.fault() {
            Fault::NoSpace => async { Err(DurabilityError::NoSpace("the disk is full".to_owned())) }.boxed(),
            Fault::AppendPanics => async { panic!("the journal broke") }.boxed(),
            Fault::Slow => {
                let kept = self.inner.append(batch, level);
                async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    kept.await
                }
                .boxed()
            }
            Fault::None | Fault::CheckpointPanics => self.inner.append(batch, level),
        }
    }

    fn checkpoint(&self, point: Point, keep: Option<Keep>) -> BoxFuture<'_, Result<Checkpoint, DurabilityError>> {
        if self.fault() == Fault::CheckpointPanics {
            return async { panic!("the snapshot broke") }.boxed();
        }
        self.inner.checkpoint(point, keep)
    }

    fn amend(&self, name: Option<SessionName>, spec: Arc<SessionSpec>) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.inner.amend(name, spec)
    }

    fn hibernate(&self, point: Point) -> BoxFuture<'_, Result<(), DurabilityError>> {
        if self.fault() == Fault::CheckpointPanics {
            return async { Err(DurabilityError::Unavailable("the bucket".to_owned())) }.boxed();
        }
        self.inner.hibernate(point)
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        self.inner.checkpoints()
    }

    fn rollback(&self, checkpoint: u64) -> BoxFuture<'_, Result<Files, DurabilityError>> {
        self.inner.rollback(checkpoint)
    }

    fn fork(&self, point: Point, new: NewSession) -> BoxFuture<'_, Result<Claimed, DurabilityError>> {
        self.inner.fork(point, new)
    }

    fn delete(&self) -> BoxFuture<'_, Result<(), DurabilityError>> {
        self.inner.delete()
    }
}

async fn faulty() -> (World, Arc<Shared>) {
    let faulty = Faulty::new(Volatile::new());
    let shared = faulty.shared.clone();
    (World::on(Arc::new(faulty)).await, shared)
}

impl Shared {
    fn strike(&self, id: SessionId, fault: Fault) {
        *self.victim.lock().unwrap() = Some((id, fault));
    }
}

#[test]
fn a_panic_in_a_turn_brings_the_session_back_and_leaves_the_others_alone() {
    within(async {
        let (world, shared) = faulty().await;
        let session = world.session(Tier::Checkpoint).await;
        let neighbour = world.session(Tier::Checkpoint).await;
        put(&session, "/tmp/a", b"kept").await;
        let runs = neighbour.exec(request(&["nap"])).await.unwrap().exec;
        shared.strike(session.id(), Fault::CheckpointPanics);
        assert!(session.checkpoint(None).await.is_err());
        assert_eq!(&get(&session, "/tmp/a").await[..], b"kept");
        assert!(world.sessions.get(&world.tenant, session.id()).await.unwrap().epoch.get() >= 2);
        assert!(matches!(neighbour.wait(runs).await.unwrap().ended.unwrap().0, End::Status(_)));
        assert_eq!(world.sessions.get(&world.tenant, neighbour.id()).await.unwrap().epoch.get(), 1);
    });
}

#[test]
fn one_that_fails_again_and_again_is_given_up_for_a_while() {
    within(async {
        let (world, shared) = faulty().await;
        let session = world.session(Tier::Checkpoint).await;
        shared.strike(session.id(), Fault::CheckpointPanics);
        let mut last = None;
        for _ in 0..8 {
            last = session.checkpoint(None).await.err();
        }
        let failed = SessionError::WrongState { id: session.id(), state: State::Failed };
        assert_eq!(last.unwrap().to_string(), failed.to_string());
        let summary = world.sessions.get(&world.tenant, session.id()).await.unwrap();
        assert_eq!(summary.state, State::Failed);
        assert!(summary.failure.unwrap().contains("the snapshot broke"));
    });
}

#[test]
fn a_journal_that_fails_is_told_and_nothing_is_acknowledged_until_it_works() {
    within(async {
        for fault in [Fault::NoSpace, Fault::AppendPanics] {
            let (world, shared) = faulty().await;
            let session = world.session(Tier::Journal).await;
            put(&session, "/tmp/a", b"kept").await;
            let sleeps = session.exec(request(&["sleep"])).await.unwrap().exec;
            let waiting = tokio::spawn({
                let session = session.clone();
                async move { session.wait(sleeps).await }
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
            shared.strike(session.id(), fault);
            let refused = session.make_directory("/tmp/lost", false).await;
            match (fault, refused) {
                (Fault::NoSpace, Err(SessionError::Durability(DurabilityError::NoSpace(_)))) => {}
                (Fault::AppendPanics, Err(SessionError::Failed(_))) => {}
                (_, other) => panic!("{fault:?}: {other:?}"),
            }
            assert!(waiting.await.unwrap().is_err(), "its end is never acknowledged");
            shared.strike(session.id(), Fault::None);
            // What was acknowledged is there, what was not is not.
            loop {
                match session.stat("/tmp/lost").await {
                    Err(SessionError::File { .. }) => break,
                    Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    Ok(info) => panic!("{info:?}"),
                }
            }
            assert_eq!(&get(&session, "/tmp/a").await[..], b"kept");
            let log = events(world.log(session.id()).await);
            let interrupted = |what: &What| matches!(what, What::Exited { end: End::Interrupted, .. });
            assert_eq!(log.iter().filter(|event| interrupted(&event.what)).count(), 1, "{:?}", names(&log));
        }
    });
}

#[test]
fn an_owner_that_was_fenced_tells_nobody_anything_more() {
    within(async {
        let memory = Volatile::new();
        let next = memory.restart();
        let old = World::on(Arc::new(memory)).await;
        let session = old.session(Tier::Journal).await;
        put(&session, "/tmp/a", b"one").await;
        let new = World::on(Arc::new(next)).await;
        let taken = new.handle(session.id()).await;
        let refused = session.make_directory("/tmp/d", false).await;
        assert!(matches!(refused, Err(SessionError::Durability(DurabilityError::Fenced(_)))), "{refused:?}");
        put(&taken, "/tmp/a", b"two").await;
        assert_eq!(&get(&taken, "/tmp/a").await[..], b"two");
        assert!(taken.stat("/tmp/d").await.is_err());
    });
}

#[test]
fn nothing_is_shown_before_it_is_kept() {
    within(async {
        let (world, shared) = faulty().await;
        let session = world.session(Tier::Journal).await;
        shared.strike(session.id(), Fault::Slow);
        let before = world.sessions.get(&world.tenant, session.id()).await.unwrap().position;
        let writing = session.make_directory("/tmp/d", false);
        tokio::pin!(writing);
        let early = tokio::time::timeout(Duration::from_millis(1), &mut writing).await;
        let seen = world.sessions.get(&world.tenant, session.id()).await.unwrap();
        if early.is_err() {
            assert!(seen.position.seq >= before.seq);
        }
        writing.await.unwrap();
        let log = events(world.log(session.id()).await);
        assert_eq!(names(&log).last(), Some(&"audit"));
    });
}

#[test]
fn a_session_that_cannot_rest_goes_on() {
    within(async {
        let (world, shared) = faulty().await;
        let session = world.session(Tier::Checkpoint).await;
        shared.strike(session.id(), Fault::CheckpointPanics);
        let refused = world.sessions.hibernate(&world.tenant, session.id()).await;
        assert!(matches!(refused, Err(SessionError::Durability(DurabilityError::Unavailable(_)))), "{refused:?}");
        session.run(request(&["true"]), 0).await.unwrap();
        let summary = world.sessions.get(&world.tenant, session.id()).await.unwrap();
        assert_eq!((summary.state, summary.epoch.get()), (State::Active, 1));
    });
}

#[test]
fn a_full_node_makes_room_of_what_is_idle() {
    within(async {
        let small = Options { awake_max: 2, ..options() };
        let world = World::with(Arc::new(Volatile::new()), small).await;
        let first = world.session(Tier::Checkpoint).await;
        let busy = world.session(Tier::Checkpoint).await;
        busy.exec(request(&["sleep"])).await.unwrap();
        let third = loop {
            match world.sessions.create(&world.tenant, None, Default::default()).await {
                Ok(made) => break made.id,
                Err(SessionError::Overloaded { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(other) => panic!("{other}"),
            }
        };
        let state = |id| world.sessions.get(&world.tenant, id);
        assert_eq!(state(first.id()).await.unwrap().state, State::Hibernated);
        assert_eq!(state(busy.id()).await.unwrap().state, State::Active);
        assert_eq!(state(third).await.unwrap().state, State::Active);
    });
}

#[test]
fn too_many_that_wait_are_refused_at_once() {
    within(async {
        let (world, shared) = faulty().await;
        let session = world.session(Tier::Checkpoint).await;
        world.sessions.hibernate(&world.tenant, session.id()).await.unwrap();
        let all = shared.gate.forget_permits(usize::MAX);
        let asked = futures_util::future::join_all((0..400).map(|_| session.stat("/tmp")));
        // All have asked when the gate opens.
        let (answers, ()) = tokio::join!(asked, async { shared.gate.add_permits(all.min(10)) });
        let refused = answers.iter().filter(|it| matches!(it, Err(SessionError::Overloaded { .. }))).count();
        let served = answers.iter().filter(|it| it.is_ok()).count();
        assert_eq!((refused, served), (400 - 256, 256));
    });
}

#[test]
fn a_full_node_takes_no_copies_either() {
    within(async {
        let small = Options { awake_max: 2, ..options() };
        let world = World::with(Arc::new(Volatile::new()), small).await;
        let first = world.session(Tier::Checkpoint).await;
        let second = world.session(Tier::Checkpoint).await;
        for busy in [&first, &second] {
            busy.exec(request(&["sleep"])).await.unwrap();
        }
        let forked = world.sessions.fork(&world.tenant, first.id(), None).await;
        assert!(matches!(forked, Err(SessionError::Overloaded { .. })), "{forked:?}");
        // Nor as many at once as find the node with one place left.
        world.sessions.delete(&world.tenant, second.id()).await.unwrap();
        let forks = (0..20).map(|_| world.sessions.fork(&world.tenant, first.id(), None));
        let made = futures_util::future::join_all(forks).await.iter().filter(|made| made.is_ok()).count();
        assert!(made <= 1, "{made}");
        let all = world.sessions.list(&world.tenant, None, 100).await.unwrap().0;
        assert_eq!(all.iter().filter(|summary| summary.state == State::Active).count(), 1 + made);
    });
}

#[test]
fn so_many_turns_wait_and_no_more() {
    // One thread: all have asked before the actor takes the first.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::new().await;
        let session = world.session(Tier::Checkpoint).await;
        let asked = (0..100).map(|_| world.sessions.hibernate(&world.tenant, session.id()));
        let answers = futures_util::future::join_all(asked).await;
        let refused = answers.iter().filter(|it| matches!(it, Err(SessionError::Overloaded { .. }))).count();
        let rested =
            answers.iter().filter(|it| matches!(it, Ok(summary) if summary.state == State::Hibernated)).count();
        assert_eq!((refused, rested), (100 - 64, 64));
        session.run(request(&["true"]), 0).await.unwrap();
    });
}
