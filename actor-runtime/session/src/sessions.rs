//! The sessions of a node, for whoever serves clients: makes them, finds them, wakes them on use.

use crate::actor::{Asked, Begin, Message, Refused, Reply, SessionActor};
use crate::awake::{Awake, Built};
use crate::durability::{Claimed, Durability, DurabilityError, KeyedCommand, NewSession, Summary};
use crate::error::SessionError;
use crate::event::{End, Event, State, What};
use crate::follow::follow;
use crate::handle::SessionHandle;
use crate::id::{SessionId, SessionName, TenantId};
use crate::lifecycle::{Life, Turn};
use crate::position::Position;
use crate::scribe::{Record, Urgency};
use crate::seat::Seat;
use crate::spec::SessionSpec;
use crate::supervisor::Supervisor;
use crate::ticker::Ticker;
use crate::{archive, files, template};
use futures_util::FutureExt;
use futures_util::stream::{BoxStream, StreamExt};
use ractor::{Actor, ActorId, ActorRef};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use warren_wasi_posix::node::Node as Base;
use warren_wasi_posix::system::SystemHost;

/// Sessions put to rest at once when the node stops.
const STOPPING_AT_ONCE: usize = 16;
/// How often a request that met a session on its way to rest tries again.
const ATTEMPTS: usize = 4;
/// Sessions of a page when expiries are looked for.
const PAGE: usize = 1000;

/// All sessions of a node. Cheap to clone. When the last clone is dropped without [`Sessions::stop`], everything ends as
/// if the process had died.
#[derive(Clone)]
pub struct Sessions {
    node: Arc<Node>,
    _alive: Arc<Alive>,
}

/// Ends a node's sessions when nobody has the node any more.
struct Alive(Arc<Node>);

/// What the sessions of a node share.
pub(crate) struct Node {
    pub(crate) durability: Arc<dyn Durability>,
    pub(crate) options: Options,
    pub(crate) runtime: Handle,
    pub(crate) ticker: Ticker,
    pub(crate) stopped: Stopped,
    stop: watch::Sender<bool>,
    supervisor: OnceLock<ActorRef<crate::supervisor::Nothing>>,
    seats: Mutex<HashMap<(TenantId, SessionId), Weak<Seat>>>,
    actors: Mutex<HashMap<ActorId, (Arc<Seat>, Arc<Awake>)>>,
}

/// Tells when the node stops.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(watch::Receiver<bool>);

/// What sessions need of whoever runs them.
pub struct Options {
    /// Where secrets' values come from.
    pub secrets: Arc<dyn Secrets>,
    /// Makes the base layer of a session from the names of its software.
    pub software: Arc<dyn Software>,
    /// Sessions awake at once, at most. At the limit the one that has been idle longest is put to rest.
    pub awake_max: usize,
    /// How long a session's processes have to end after SIGTERM when it is hibernated.
    pub grace: Duration,
}

/// Where secrets' values come from; they are never stored with a session.
pub trait Secrets: Send + Sync {
    /// The value of a tenant's secret.
    fn get(&self, tenant: &TenantId, name: &str) -> Option<String>;
}

/// The base layers sessions are made of.
pub trait Software: Send + Sync {
    /// The node (engine, merged layer, environment) for these packages; the same value for the same packages. `None`
    /// is what is installed by default; the answer names what was chosen, so that a session keeps it.
    ///
    /// # Errors
    /// In words: which package is not there and how to get it.
    fn node(&self, packages: Option<&[String]>) -> Result<(Base, Vec<String>), String>;
}

/// What a client sees of a log: events in order, or that some are lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The next event.
    Event(Event),
    /// Events with these numbers can no longer be had (the first and the last), or were seen and lost with an owner
    /// that had not made them safe; then what follows was given their numbers again.
    Resync {
        /// The first that is lost.
        from: u64,
        /// The last that is lost.
        to: u64,
    },
}

impl Sessions {
    /// Begins to serve the sessions `durability` keeps.
    pub async fn start(durability: Arc<dyn Durability>, options: Options) -> Sessions {
        let (stop, stopped) = watch::channel(false);
        let node = Arc::new(Node {
            durability,
            options,
            runtime: Handle::current(),
            ticker: Ticker::default(),
            stopped: Stopped(stopped),
            stop,
            supervisor: OnceLock::new(),
            seats: Mutex::default(),
            actors: Mutex::default(),
        });
        let spawned = Actor::spawn(None, Supervisor, Arc::downgrade(&node)).await;
        let (supervisor, _) = spawned.expect("an actor without a name whose start does nothing starts");
        let _ = node.supervisor.set(supervisor);
        node.runtime.spawn(Ticker::run(Arc::downgrade(&node)));
        node.runtime.spawn(find_expiries(Arc::downgrade(&node), TenantId::embedded()));
        Sessions { _alive: Arc::new(Alive(node.clone())), node }
    }

    /// Makes a session.
    ///
    /// # Errors
    /// `Invalid` with the field, `Software`, `NameTaken`; nothing was made then.
    pub async fn create(
        &self,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: SessionSpec,
    ) -> Result<Summary, SessionError> {
        let (spec, base) = self.node.choose(spec)?;
        let built = self.node.build_new(&base, &spec).await?;
        self.node.make(tenant, name, spec, built).await
    }

    /// The session of this name or id.
    ///
    /// # Errors
    /// `NotFound`; `Name` for a text that can be neither.
    pub async fn resolve(&self, tenant: &TenantId, text: &str) -> Result<SessionId, SessionError> {
        if let Ok(id) = text.parse::<SessionId>() {
            return match self.node.durability.describe(tenant, id).await {
                Ok(_) => Ok(id),
                Err(DurabilityError::Missing(_)) => Err(SessionError::NotFound(text.to_owned())),
                Err(error) => Err(error.into()),
            };
        }
        let name: SessionName = text.parse()?;
        let found = self.node.durability.find(tenant, &name).await?;
        found.ok_or_else(|| SessionError::NotFound(text.to_owned()))
    }

    /// What is known of a session, without waking it.
    ///
    /// # Errors
    /// `Missing`.
    pub async fn get(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        let summary = self.node.durability.describe(tenant, id).await?;
        Ok(self.node.as_it_is(tenant, summary))
    }

    /// As [`Durability::list`]; live ones as they are now.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(
        &self,
        tenant: &TenantId,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<Summary>, bool), SessionError> {
        let (page, more) = self.node.durability.list(tenant, after, limit).await?;
        Ok((page.into_iter().map(|summary| self.node.as_it_is(tenant, summary)).collect(), more))
    }

    /// The session, woken if it rests.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn session(&self, tenant: &TenantId, id: SessionId) -> Result<SessionHandle, SessionError> {
        let seat = self.node.seat(tenant, id);
        seat.enter(&self.node).await?;
        Ok(SessionHandle::new(self.node.clone(), seat))
    }

    /// Events after `after` (`None`: from the first that is kept), then those to come, also over hibernation and
    /// wake. Does not wake it. Ends when the session is deleted or the node stops.
    ///
    /// # Errors
    /// `Missing`, `Deleted`.
    pub async fn events(
        &self,
        tenant: &TenantId,
        id: SessionId,
        after: Option<Position>,
    ) -> Result<BoxStream<'static, Result<Seen, SessionError>>, SessionError> {
        let summary = self.node.durability.describe(tenant, id).await?;
        if summary.state == State::Deleted {
            return Err(DurabilityError::Deleted(id).into());
        }
        Ok(follow(&self.node, self.node.seat(tenant, id), after))
    }

    /// Puts a session to rest. Its processes are ended: SIGTERM, a grace, SIGKILL. One that rests already stays so.
    ///
    /// # Errors
    /// `Busy`, and those of the store; it stays awake then.
    pub async fn hibernate(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        let seat = self.node.seat(tenant, id);
        if seat.look(|life| life.awake().is_some()) {
            // It was put to rest by someone else, if there is no answer.
            match self.node.ask(&seat, Asked::Hibernate).await {
                Ok(()) | Err(Unanswered::Left) => {}
                Err(Unanswered::Refused(error)) => return Err(error),
            }
        }
        drop(seat);
        self.get(tenant, id).await
    }

    /// Wakes it.
    ///
    /// # Errors
    /// Why it cannot be woken.
    pub async fn wake(&self, tenant: &TenantId, id: SessionId) -> Result<Summary, SessionError> {
        let _awake = self.session(tenant, id).await?;
        self.get(tenant, id).await
    }

    /// Deletes it; its processes are killed.
    ///
    /// # Errors
    /// `Missing`, `Deleted`, those of the store.
    pub async fn delete(&self, tenant: &TenantId, id: SessionId) -> Result<(), SessionError> {
        self.node.delete(tenant, id).await
    }

    /// A copy of it as it is now.
    ///
    /// # Errors
    /// `NameTaken`, those of the store; nothing was made then.
    pub async fn fork(
        &self,
        tenant: &TenantId,
        id: SessionId,
        name: Option<SessionName>,
    ) -> Result<Summary, SessionError> {
        let seat = self.node.seat(tenant, id);
        let claimed = self.node.turn(&seat, |reply| Asked::Fork(name.clone(), reply)).await?;
        self.node.begin(tenant, claimed, None).await
    }

    /// A new session whose root holds what a tar archive brings (over its template's files).
    ///
    /// # Errors
    /// `Archive` with the entry that was refused; nothing was made then.
    pub async fn import(
        &self,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: SessionSpec,
        archive: impl std::io::Read + Send + 'static,
    ) -> Result<Summary, SessionError> {
        let (spec, base) = self.node.choose(spec)?;
        let built = self.node.build_new(&base, &spec).await?;
        let (session, user) = (built.session.clone(), built.template.user.clone());
        let unpacked = tokio::task::spawn_blocking(move || archive::unpack(&session, &user, archive));
        unpacked.await.map_err(|_| SessionError::Archive("it made the server fail".to_owned()))??;
        self.node.make(tenant, name, spec, built).await
    }

    /// Ends serving: sessions are checkpointed as their tier says, and put to rest.
    pub async fn stop(&self) {
        let _ = self.node.stop.send(true);
        let seats: Vec<Arc<Seat>> = self.node.actors().values().map(|(seat, _)| seat.clone()).collect();
        futures_util::stream::iter(seats)
            .for_each_concurrent(STOPPING_AT_ONCE, |seat| async move {
                if let Err(Unanswered::Refused(error)) = self.node.ask(&seat, Asked::Hibernate).await {
                    tracing::warn!(session = %seat.id, %error, "a session could not be put to rest");
                }
            })
            .await;
        if let Some(supervisor) = self.node.supervisor.get() {
            supervisor.stop(None);
        }
    }
}

/// Why a turn that was asked for has no outcome.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The session said no.
    Refused(SessionError),
    /// Its actor left before it came to this turn.
    Left,
}

impl Node {
    /// Checks a spec and finds the node its software runs on, which it names from then on.
    fn choose(&self, mut spec: SessionSpec) -> Result<(Arc<SessionSpec>, Base), SessionError> {
        if self.stopped.is_set() {
            return Err(SessionError::ShuttingDown);
        }
        template::check(&spec)?;
        let chosen = self.options.software.node(spec.software.as_deref());
        let (base, packages) = chosen.map_err(SessionError::Software)?;
        spec.software = Some(packages);
        Ok((Arc::new(spec), base))
    }

    /// The kernel of a new session, with the files its spec brings.
    async fn build_new(&self, base: &Base, spec: &SessionSpec) -> Result<Built, SessionError> {
        let template = template::materialise(spec, base.template())?;
        let id = SessionId::generate(&SystemHost);
        let built = Built::of(id, base, template, &crate::durability::Files::Fresh, 0)?;
        files::put_all(&built.session, &built.template.user, &spec.files).await?;
        Ok(built)
    }

    async fn make(
        self: &Arc<Self>,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: Arc<SessionSpec>,
        built: Built,
    ) -> Result<Summary, SessionError> {
        let created = built.session.with(|kernel| kernel.now());
        let id = SessionId::generate(&SystemHost);
        let new = NewSession { tenant: tenant.clone(), id, name, spec, created, forked_from: None };
        self.make_room(id)?;
        let claimed = self.durability.create(new).await?;
        self.begin(tenant, claimed, Some(built)).await
    }

    /// Brings up a session that has just been made.
    async fn begin(
        self: &Arc<Self>,
        tenant: &TenantId,
        claimed: Claimed,
        built: Option<Built>,
    ) -> Result<Summary, SessionError> {
        let (id, summary) = (claimed.summary.id, claimed.summary.clone());
        let seat = self.seat(tenant, id);
        seat.begin_wake();
        self.wake_with(&seat, Some((claimed, built)));
        drop(seat.enter(self).await?);
        if let Some(life) = self.life_left(&summary) {
            self.ticker.expire(tenant, id, life);
        }
        Ok(self.as_it_is(tenant, summary))
    }

    /// Wakes a session whose seat has taken the turn to be woken.
    pub(crate) fn wake(self: &Arc<Self>, seat: &Arc<Seat>) {
        self.wake_with(seat, None);
    }

    fn wake_with(self: &Arc<Self>, seat: &Arc<Seat>, made: Option<(Claimed, Option<Built>)>) {
        let (node, seat) = (self.clone(), seat.clone());
        self.runtime.spawn(async move {
            let woken = AssertUnwindSafe(node.bring_up(&seat, made)).catch_unwind().await;
            let woken = woken.unwrap_or(Err(SessionError::Failed(seat.id)));
            if let Err(error) = &woken {
                tracing::warn!(session = %seat.id, %error, "a session could not be woken");
            }
            seat.wake_ended(woken);
        });
    }

    async fn bring_up(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        made: Option<(Claimed, Option<Built>)>,
    ) -> Result<(Arc<Awake>, ActorRef<Message>), SessionError> {
        if self.stopped.is_set() {
            return Err(SessionError::ShuttingDown);
        }
        let is_new = made.is_some();
        let (mut claimed, built) = match made {
            Some(made) => made,
            None => {
                self.make_room(seat.id)?;
                (self.durability.claim(&seat.tenant, seat.id).await?, None)
            }
        };
        let built = match built {
            Some(built) => built,
            None => self.build(&claimed).await?,
        };
        // The owner before is gone: what it had not finished it never will.
        let mut events = vec![What::EpochBegan { previous: claimed.last }];
        if is_new {
            events.push(What::Created { forked_from: claimed.summary.forked_from });
        }
        events.extend(claimed.unfinished.iter().map(|exec| What::Exited { exec: *exec, end: End::Interrupted }));
        events.push(What::Lifecycle { state: State::Active });
        let mut keys = Vec::new();
        for (key, command) in claimed.keys.iter_mut().filter(|(_, command)| command.end.is_none()) {
            *command = KeyedCommand { end: Some(End::Interrupted), ..command.clone() };
            keys.push((key.clone(), command.clone()));
        }
        let awake = Awake::new(self, seat, &claimed, built);
        drop(claimed);
        let ticket = awake.scribe.record(Record { events, keys, files: true }, Urgency::Call)?;
        awake.scribe.wait(&ticket).await?;
        let supervisor = self.supervisor.get().ok_or(SessionError::ShuttingDown)?.get_cell();
        let begin = Begin { node: self.clone(), seat: seat.clone(), awake: awake.clone() };
        let spawned = Actor::spawn_linked(None, SessionActor, begin, supervisor).await;
        let (actor, _) = spawned.map_err(|_| SessionError::ShuttingDown)?;
        self.ticker.woken(&awake);
        Ok((awake, actor))
    }

    async fn build(&self, claimed: &Claimed) -> Result<Built, SessionError> {
        let chosen = self.options.software.node(claimed.spec.software.as_deref());
        let (base, _) = chosen.map_err(SessionError::Software)?;
        let template = template::materialise(&claimed.spec, base.template())?;
        let (id, files, next_pid) = (claimed.summary.id, claimed.files.clone(), claimed.counters.next_pid);
        if let crate::durability::Files::Stored { .. } = files {
            // Takes time in proportion to what changed.
            let built = tokio::task::spawn_blocking(move || Built::of(id, &base, template, &files, next_pid));
            return built.await.map_err(|_| SessionError::Failed(id))?;
        }
        Built::of(id, &base, template, &files, next_pid)
    }

    /// Room for one more that is awake; the one that has been idle longest is asked to rest.
    fn make_room(&self, id: SessionId) -> Result<(), SessionError> {
        let longest = {
            let actors = self.actors();
            if actors.len() < self.options.awake_max {
                return Ok(());
            }
            let idle = actors.values().filter_map(|(seat, awake)| Some((awake.idle_since()?, seat.clone())));
            idle.min_by_key(|(since, _)| *since).map(|(_, seat)| seat)
        };
        if let Some(seat) = longest {
            let _ = seat.post(Asked::HibernateIdle(Duration::ZERO));
        }
        Err(SessionError::Overloaded { id, retry_after: Duration::from_millis(500) })
    }

    /// The seat of a session; a new one if nobody is interested in it yet.
    pub(crate) fn seat(self: &Arc<Self>, tenant: &TenantId, id: SessionId) -> Arc<Seat> {
        let mut seats = lock(&self.seats);
        let entry = seats.entry((tenant.clone(), id)).or_default();
        if let Some(seat) = entry.upgrade() {
            return seat;
        }
        let seat = Seat::new(Arc::downgrade(self), tenant.clone(), id);
        *entry = Arc::downgrade(&seat);
        seat
    }

    fn known_seat(&self, tenant: &TenantId, id: SessionId) -> Option<Arc<Seat>> {
        lock(&self.seats).get(&(tenant.clone(), id))?.upgrade()
    }

    /// Nobody is interested in a session any more.
    pub(crate) fn seat_left(&self, tenant: &TenantId, id: SessionId) {
        let mut seats = lock(&self.seats);
        let key = (tenant.clone(), id);
        if seats.get(&key).is_some_and(|seat| seat.strong_count() == 0) {
            seats.remove(&key);
        }
    }

    /// An actor begins.
    pub(crate) fn began(&self, actor: ActorId, seat: &Arc<Seat>, awake: &Arc<Awake>) {
        self.actors().insert(actor, (seat.clone(), awake.clone()));
    }

    /// An actor has ended.
    pub(crate) fn ended(&self, actor: ActorId) -> Option<(Arc<Seat>, Arc<Awake>)> {
        self.actors().remove(&actor)
    }

    /// Asks for a turn of a session that is awake.
    pub(crate) async fn ask<T>(
        &self,
        seat: &Arc<Seat>,
        asked: impl FnOnce(Reply<T>) -> Asked,
    ) -> Result<T, Unanswered> {
        let (reply, answer) = oneshot::channel();
        if let Err(Refused { error, asked }) = seat.post(asked(reply)) {
            drop(asked);
            return Err(match error {
                SessionError::Failed(_) => Unanswered::Left,
                error => Unanswered::Refused(error),
            });
        }
        match answer.await {
            Ok(answer) => answer.map_err(Unanswered::Refused),
            Err(_) => Err(Unanswered::Left),
        }
    }

    /// Asks for a turn of a session, waking it if it rests.
    ///
    /// # Errors
    /// Why it was not made.
    pub(crate) async fn turn<T>(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        asked: impl Fn(Reply<T>) -> Asked,
    ) -> Result<T, SessionError> {
        for _ in 0..ATTEMPTS {
            drop(seat.enter(self).await?);
            match self.ask(seat, &asked).await {
                Ok(answer) => return Ok(answer),
                Err(Unanswered::Refused(error)) => return Err(error),
                Err(Unanswered::Left) => {}
            }
        }
        Err(SessionError::Failed(seat.id))
    }

    async fn delete(self: &Arc<Self>, tenant: &TenantId, id: SessionId) -> Result<(), SessionError> {
        let seat = self.seat(tenant, id);
        for _ in 0..ATTEMPTS {
            if seat.begin_wake() {
                // Nobody wakes it meanwhile.
                let deleted = self.durability.delete(tenant, id).await;
                return match deleted {
                    Ok(()) => {
                        seat.log.end();
                        seat.turn(Turn::Gone);
                        Ok(())
                    }
                    Err(error) => {
                        seat.wake_ended(Err(error.clone().into()));
                        Err(error.into())
                    }
                };
            }
            if seat.look(|life| matches!(life, Life::Deleted)) {
                return Err(DurabilityError::Deleted(id).into());
            }
            match self.ask(&seat, Asked::Delete).await {
                Ok(()) => return Ok(()),
                Err(Unanswered::Refused(error)) => return Err(error),
                Err(Unanswered::Left) => {}
            }
            // It failed, is on its way up, or has just come to rest.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(SessionError::Failed(id))
    }

    /// A session's time is over.
    pub(crate) fn expired(self: &Arc<Self>, tenant: TenantId, id: SessionId) {
        let node = self.clone();
        self.runtime.spawn(async move {
            match node.delete(&tenant, id).await {
                Ok(()) | Err(SessionError::Durability(DurabilityError::Deleted(_) | DurabilityError::Missing(_))) => {}
                Err(error) => {
                    tracing::warn!(session = %id, %error, "a session whose time is over could not be deleted");
                    node.ticker.expire(&tenant, id, Duration::from_secs(60));
                }
            }
        });
    }

    fn life_left(&self, summary: &Summary) -> Option<Duration> {
        let expires = summary.expires?;
        let now = warren_kernel::host::Host::realtime(&SystemHost);
        Some(Duration::from_nanos(u64::try_from(expires.0.saturating_sub(now.0)).unwrap_or(0)))
    }

    /// A summary with what this node knows better.
    fn as_it_is(&self, tenant: &TenantId, mut summary: Summary) -> Summary {
        let Some(seat) = self.known_seat(tenant, summary.id) else {
            // Whoever had it is gone without a word.
            if summary.state == State::Active {
                summary.state = State::Hibernated;
            }
            return summary;
        };
        seat.look(|life| {
            match life.state() {
                Some(state) => summary.state = state,
                None if summary.state == State::Active => summary.state = State::Hibernated,
                None => {}
            }
            if let Life::Failed { reason, .. } = life {
                summary.failure = Some(reason.clone());
            }
            if let Some(awake) = life.awake() {
                summary.epoch = awake.scribe.epoch();
            }
        });
        if let Some(head) = seat.log.head() {
            summary.position = summary.position.max(head);
        }
        summary
    }

    fn actors(&self) -> MutexGuard<'_, HashMap<ActorId, (Arc<Seat>, Arc<Awake>)>> {
        lock(&self.actors)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let _ = self.0.stop.send(true);
        if let Some(supervisor) = self.0.supervisor.get() {
            supervisor.stop(None);
        }
        let left = std::mem::take(&mut *self.0.actors());
        for (seat, awake) in left.into_values() {
            seat.turn(Turn::Lost);
            awake.abandon(SessionError::ShuttingDown);
        }
    }
}

impl Stopped {
    /// Whether it stops.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it does.
    pub(crate) async fn wait(mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

/// Looks at all sessions of a tenant once, for those that are to be deleted at some time.
async fn find_expiries(node: Weak<Node>, tenant: TenantId) {
    let mut after = None;
    loop {
        let Some(node) = node.upgrade() else { return };
        let Ok((page, more)) = node.durability.list(&tenant, after, PAGE).await else { return };
        for summary in &page {
            if let Some(life) = node.life_left(summary) {
                node.ticker.expire(&tenant, summary.id, life);
            }
        }
        after = page.last().map(|summary| summary.id);
        if !more {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("awake", &self.node.actors().len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Node")
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("awake_max", &self.awake_max)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}
