//! The sessions of a node, for whoever serves clients: makes them, finds them, wakes them on use.

use crate::account::Accounts;
use crate::actor::{Asked, Then};
use crate::archive;
use crate::awake::Awake;
use crate::change::Change;
use crate::command::ExecInfo;
use crate::durability::{Durability, DurabilityError, Summary};
use crate::error::SessionError;
use crate::event::{Event, State};
use crate::filter::Filter;
use crate::follow::follow;
use crate::handle::SessionHandle;
use crate::id::{SessionId, SessionName, TenantId};
use crate::lifecycle::{Life, Turn};
use crate::meter::Meter;
use crate::node::{Node, Unanswered, look_through};
use crate::position::Position;
use crate::quota::Quotas;
use crate::seat::Seat;
use crate::spec::SessionSpec;
use crate::supervisor::Supervisor;
use crate::ticker::Ticker;
use crate::watch::{Scope, Watched, watch};
use futures_util::stream::{BoxStream, StreamExt};
use ractor::Actor;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use warren_wasi_posix::node::Node as Base;
use warren_wasi_posix::system::SystemHost;

/// Sessions put to rest at once when the node stops.
const STOPPING_AT_ONCE: usize = 16;

/// Sessions that are looked at for one part of a list, at most.
pub const SCANNED_MAX: usize = 2000;
/// Sessions that are looked at in one go.
const SCANNED_AT_ONCE: usize = 250;

/// All sessions of a node. Cheap to clone. When the last clone is dropped without [`Sessions::stop`], everything ends as
/// if the process had died.
#[derive(Clone)]
pub struct Sessions {
    node: Arc<Node>,
    _alive: Arc<Alive>,
}

/// Ends a node's sessions when nobody has the node any more.
struct Alive(Arc<Node>);

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
    /// What each tenant may take that has no numbers of its own.
    pub quotas: Quotas,
    /// Is told what sessions used.
    pub meter: Arc<dyn Meter>,
    /// How connections to the outside are carried.
    pub egress: warren_egress::Options,
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
        let node = Arc::new(Node::new(durability, options, Handle::current()));
        let spawned = Actor::spawn(None, Supervisor, Arc::downgrade(&node)).await;
        let (supervisor, _) = spawned.expect("an actor without a name whose start does nothing starts");
        let _ = node.supervisor.set(supervisor);
        node.runtime.spawn(Ticker::run(Arc::downgrade(&node)));
        node.runtime.spawn(look_through(Arc::downgrade(&node), TenantId::embedded()));
        Sessions { _alive: Arc::new(Alive(node.clone())), node }
    }

    /// Deletes the sessions of a tenant that were made before this node started when their time is up, and counts them.
    /// Once for each tenant, also one that is made while the node runs; for the embedded tenant that is done by itself.
    pub fn look_after(&self, tenant: &TenantId) {
        self.node.runtime.spawn(look_through(Arc::downgrade(&self.node), tenant.clone()));
    }

    /// What tenants may take, and have taken.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.node.accounts
    }

    /// Measures sessions that are awake now, of one tenant or of all: see [`Meter`].
    pub fn measure(&self, of: Option<&TenantId>) {
        let now = Instant::now();
        let awake: Vec<_> = {
            let actors = self.node.actors();
            let meant = |awake: &&Arc<Awake>| of.is_none_or(|tenant| *tenant == awake.tenant);
            actors.values().map(|(_, awake)| awake).filter(meant).cloned().collect()
        };
        for awake in awake {
            self.node.measure(&awake, now);
        }
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
        self.node.check_growth(&self.node.accounts.of(tenant))?;
        let (spec, base) = self.node.choose(spec)?;
        let built = self.node.build_new(tenant, &base, &spec).await?;
        self.node.make_whole(tenant, name, spec, built).await
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

    /// Sessions in order of id that are meant, those after `after`, at most `limit`; and the one to go on behind, if there may
    /// be more. At most [`SCANNED_MAX`] are looked at, so there may be fewer than asked for.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn find(
        &self,
        tenant: &TenantId,
        after: Option<SessionId>,
        limit: usize,
        filter: &Filter,
    ) -> Result<(Vec<Summary>, Option<SessionId>), SessionError> {
        let (mut found, mut last, mut scanned) = (Vec::new(), after, 0);
        loop {
            // Of those that are all meant as many as are wanted are looked at, and no more.
            let part = if *filter == Filter::default() { limit } else { SCANNED_AT_ONCE.min(SCANNED_MAX - scanned) };
            let (page, more) = self.list(tenant, last, part).await?;
            scanned += page.len();
            for (at, summary) in page.iter().enumerate() {
                last = Some(summary.id);
                if filter.takes(summary) {
                    found.push(summary.clone());
                }
                if found.len() == limit {
                    let rest = more || at + 1 < page.len();
                    return Ok((found, last.filter(|_| rest)));
                }
            }
            if !more || page.is_empty() {
                return Ok((found, None));
            }
            if scanned >= SCANNED_MAX {
                return Ok((found, last));
            }
        }
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

    /// Commands that run, and those that ended last. Of a session that rests none are known; it is not woken.
    ///
    /// # Errors
    /// `Missing`, `Deleted`.
    pub async fn execs(&self, tenant: &TenantId, id: SessionId) -> Result<Vec<ExecInfo>, SessionError> {
        let summary = self.node.durability.describe(tenant, id).await?;
        if summary.state == State::Deleted {
            return Err(DurabilityError::Deleted(id).into());
        }
        let awake = self.node.seat(tenant, id).look(|life| life.awake().cloned());
        Ok(awake.map_or_else(Vec::new, |awake| awake.execs.all().iter().map(|exec| exec.info()).collect()))
    }

    /// Events after `after` (`None`: from the first that is kept), then those to come, also over hibernation and
    /// wake. Does not wake it. Ends when the session is deleted or the node stops.
    ///
    /// # Errors
    /// `Missing`, `Deleted`; `Overloaded` when as many follow it as may.
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
        follow(&self.node, self.node.seat(tenant, id), after)
    }

    /// What becomes of files behind `after` (`None`: from now on), also over hibernation and wake, and where that is. Does not
    /// wake it. Ends as [`Sessions::events`] does, and takes a place as those do.
    ///
    /// # Errors
    /// As [`Sessions::events`].
    pub async fn watch(
        &self,
        tenant: &TenantId,
        id: SessionId,
        scope: Scope,
        after: Option<Position>,
    ) -> Result<(Position, BoxStream<'static, Result<Watched, SessionError>>), SessionError> {
        let after = match after {
            Some(after) => after,
            None => self.get(tenant, id).await?.position,
        };
        let seen = self.events(tenant, id, Some(after)).await?;
        Ok((after, watch(seen, self.node.seat(tenant, id).log.clone(), scope)))
    }

    /// Puts a session to rest. Its processes are ended: SIGTERM, a grace, SIGKILL. One that rests already stays so.
    ///
    /// # Errors
    /// `Busy`, and those of the store; it stays awake then. `Deleted`.
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
        match self.get(tenant, id).await? {
            Summary { state: State::Deleted, .. } => Err(DurabilityError::Deleted(id).into()),
            summary => Ok(summary),
        }
    }

    /// Changes what it is called, or made of: all that is named, or nothing. One that rests is woken for it, and rests again.
    ///
    /// # Errors
    /// `Invalid` with the field, `NameTaken`, `Deleted`, those of the store; nothing was changed then.
    pub async fn update(&self, tenant: &TenantId, id: SessionId, change: Change) -> Result<Summary, SessionError> {
        if !change.is_nothing() {
            let seat = self.node.seat(tenant, id);
            let rests = seat.look(|life| matches!(life, Life::Resting | Life::Leaving(..)));
            let then = if rests { Then::Rest } else { Then::Stay };
            let change = Box::new(change);
            self.node.turn(&seat, |reply| Asked::Update(change.clone(), then, reply)).await?;
        }
        match self.get(tenant, id).await? {
            Summary { state: State::Deleted, .. } => Err(DurabilityError::Deleted(id).into()),
            summary => Ok(summary),
        }
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
        let (mut place, room) = self.node.make_places(tenant, id).await?;
        place.is_for(SessionId::generate(&SystemHost));
        let (place, seat) = (Arc::new(place), self.node.seat(tenant, id));
        let asked = |reply| Asked::Fork(name.clone(), place.clone(), reply);
        let claimed = self.node.turn(&seat, asked).await?;
        self.node.begin(tenant, claimed, None, room).await
    }

    /// A new session whose root holds what a tar archive brings (over its template's files).
    ///
    /// # Errors
    /// `Archive` with the entry that was refused; `Overloaded` when as many come in as may; nothing was made then.
    pub async fn import(
        &self,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: SessionSpec,
        archive: impl std::io::Read + Send + 'static,
    ) -> Result<Summary, SessionError> {
        self.node.check_growth(&self.node.accounts.of(tenant))?;
        let (spec, base) = self.node.choose(spec)?;
        // It holds a thread for as long as its client takes to send it.
        let retry_after = Duration::from_secs(1);
        let import = self.node.imports.clone().try_acquire_owned();
        let import =
            import.map_err(|_| SessionError::Overloaded { id: SessionId::generate(&SystemHost), retry_after })?;
        let built = self.node.build_new(tenant, &base, &spec).await?;
        let (session, user) = (built.session.clone(), built.template.user.clone());
        let unpacked = tokio::task::spawn_blocking(move || {
            let _import = import;
            archive::unpack(&session, &user, archive)
        });
        unpacked.await.map_err(|_| SessionError::Archive("it made the server fail".to_owned()))??;
        self.node.make_whole(tenant, name, spec, built).await
    }

    /// Ends serving: sessions are checkpointed as their tier says, and put to rest.
    pub async fn stop(&self) {
        self.node.begin_to_stop();
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

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.begin_to_stop();
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

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").field("awake", &self.node.actors().len()).finish_non_exhaustive()
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
