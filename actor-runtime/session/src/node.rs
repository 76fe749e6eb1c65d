//! What the sessions of a node share: their seats, their actors, and how one is made, woken and let go.

use crate::account::Accounts;
use crate::actor::{Asked, Begin, Message, Refused, Reply, SessionActor};
use crate::awake::{Awake, Built};
use crate::durability::{Claimed, Durability, DurabilityError, Files, KeyedCommand, NewSession, Summary};
use crate::error::SessionError;
use crate::event::{End, State, What};
use crate::id::{SessionId, SessionName, TenantId};
use crate::lifecycle::Life;
use crate::metrics;
use crate::position::Position;
use crate::room::Room;
use crate::scribe::{Record, Urgency};
use crate::seat::Seat;
use crate::sessions::Options;
use crate::spec::SessionSpec;
use crate::ticker::Ticker;
use crate::{files, template};
use futures_util::FutureExt;
use ractor::{Actor, ActorId, ActorRef};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot, watch};
use tracing::{Instrument, debug_span};
use warren_egress::{Carrier, Way};
use warren_wasi_posix::node::Node as Base;
use warren_wasi_posix::system::SystemHost;

mod end;

/// How often a request that met a session on its way to rest tries again.
const ATTEMPTS: usize = 4;
/// How long it waits before that.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
/// Archives that come in at once: each holds a thread, of which there are some hundred for all that takes time.
pub(crate) const IMPORTS_MAX: usize = 64;
/// Lines of the log that clients can cause within [`LINES_WITHIN`], at most.
const LINES_MAX: usize = 20;
/// See [`LINES_MAX`].
const LINES_WITHIN: Duration = Duration::from_secs(60);
/// Sessions of a page when expiries are looked for.
const PAGE: usize = 1000;
/// How long to wait before a list that could not be read is asked for again.
const LIST_AGAIN: Duration = Duration::from_secs(1);

/// The sessions that have an actor.
type Actors = HashMap<ActorId, (Arc<Seat>, Arc<Awake>)>;

/// What the sessions of a node share.
pub(crate) struct Node {
    pub(crate) durability: Arc<dyn Durability>,
    pub(crate) options: Options,
    /// What tenants have taken.
    pub(crate) accounts: Arc<Accounts>,
    /// Carries connections of sessions to the outside.
    pub(crate) carrier: Carrier,
    pub(crate) runtime: Handle,
    pub(crate) ticker: Ticker,
    pub(crate) stopped: Stopped,
    stop: watch::Sender<bool>,
    pub(crate) supervisor: OnceLock<ActorRef<crate::supervisor::Nothing>>,
    /// Archives that may come in.
    pub(crate) imports: Arc<Semaphore>,
    /// Sessions on their way to being awake.
    pub(crate) rising: Arc<AtomicUsize>,
    /// Lines of the log that clients cause.
    lines: Lines,
    seats: Mutex<HashMap<(TenantId, SessionId), Weak<Seat>>>,
    actors: Mutex<Actors>,
}

/// Tells when the node stops.
#[derive(Clone, Debug)]
pub(crate) struct Stopped(watch::Receiver<bool>);

/// How many lines of the log clients may still cause in this minute.
#[derive(Default)]
struct Lines(Mutex<Option<(Instant, usize)>>);

impl Lines {
    /// Whether there is one more.
    fn take(&self) -> bool {
        let now = Instant::now();
        let mut lines = lock(&self.0);
        let (since, count) = lines.filter(|(since, _)| now.duration_since(*since) < LINES_WITHIN).unwrap_or((now, 0));
        *lines = Some((since, count.saturating_add(1)));
        count < LINES_MAX
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
    /// A node whose supervisor and ticker are yet to begin.
    pub(crate) fn new(durability: Arc<dyn Durability>, options: Options, runtime: Handle) -> Node {
        let (stop, stopped) = watch::channel(false);
        Node {
            durability,
            accounts: Arc::new(Accounts::new(options.quotas)),
            carrier: Carrier::new(options.egress.clone(), runtime.clone()),
            options,
            runtime,
            ticker: Ticker::default(),
            stopped: Stopped(stopped),
            stop,
            supervisor: OnceLock::new(),
            imports: Arc::new(Semaphore::new(IMPORTS_MAX)),
            rising: Arc::default(),
            lines: Lines::default(),
            seats: Mutex::default(),
            actors: Mutex::default(),
        }
    }

    /// Nothing is made or woken from now on, and followers' streams end.
    pub(crate) fn begin_to_stop(&self) {
        let _ = self.stop.send(true);
    }

    /// Checks a spec and finds the node its software runs on, which it names from then on.
    pub(crate) fn choose(&self, mut spec: SessionSpec) -> Result<(Arc<SessionSpec>, Base), SessionError> {
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
    pub(crate) async fn build_new(
        &self,
        tenant: &TenantId,
        base: &Base,
        spec: &SessionSpec,
    ) -> Result<Built, SessionError> {
        let template = template::materialise(spec, base.template())?;
        let id = SessionId::generate(&SystemHost);
        let way = self.way(tenant, spec)?;
        let built = Built::of((tenant, id), base, way, template, &Files::Fresh, 0)?;
        files::put_all(&built.session, &built.template.user, &spec.files).await?;
        Ok(built)
    }

    /// The way out of a session that is made of this.
    fn way(&self, tenant: &TenantId, spec: &SessionSpec) -> Result<Way, SessionError> {
        let pace = self.accounts.of(tenant).pace();
        Ok(Way::new(&self.carrier, tenant.as_str(), pace, template::way_out(spec)?))
    }

    /// Makes a session, to the end even if whoever asked for it goes away: none is left half made.
    pub(crate) async fn make_whole(
        self: &Arc<Self>,
        tenant: &TenantId,
        name: Option<SessionName>,
        spec: Arc<SessionSpec>,
        built: Built,
    ) -> Result<Summary, SessionError> {
        let (node, tenant) = (self.clone(), tenant.clone());
        let make = async move { node.make(&tenant, name, spec, built).await };
        let made = self.runtime.spawn(make.instrument(debug_span!("create_session")));
        made.await.map_err(|_| SessionError::ShuttingDown)?
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
        let (mut place, room) = self.make_places(tenant, id).await?;
        place.is_for(id);
        let claimed = self.durability.create(new).await?;
        place.keep();
        self.begin(tenant, claimed, Some(built), room).await
    }

    /// Brings up a session that has just been made.
    pub(crate) async fn begin(
        self: &Arc<Self>,
        tenant: &TenantId,
        claimed: Claimed,
        built: Option<Built>,
        room: Room,
    ) -> Result<Summary, SessionError> {
        let (id, summary) = (claimed.summary.id, claimed.summary.clone());
        let seat = self.seat(tenant, id);
        seat.begin_wake();
        self.wake_with(&seat, Some((claimed, built, room)));
        drop(seat.enter(self).await?);
        self.expires(tenant, &summary);
        Ok(self.as_it_is(tenant, summary))
    }

    /// Wakes a session whose seat has taken the turn to be woken.
    pub(crate) fn wake(self: &Arc<Self>, seat: &Arc<Seat>) {
        self.wake_with(seat, None);
    }

    fn wake_with(self: &Arc<Self>, seat: &Arc<Seat>, made: Option<(Claimed, Option<Built>, Room)>) {
        let (node, seat) = (self.clone(), seat.clone());
        let (span, begun) = (debug_span!("wake_session", session = %seat.id), Instant::now());
        let wake = async move {
            let woken = AssertUnwindSafe(node.bring_up(&seat, made)).catch_unwind().await;
            let woken = woken.unwrap_or(Err(SessionError::Failed(seat.id)));
            ::metrics::histogram!(metrics::WAKE).record(begun.elapsed());
            let outcome = if woken.is_ok() { "woken" } else { "failed" };
            ::metrics::counter!(metrics::WAKES, "outcome" => outcome).increment(1);
            if let Err(error) = &woken {
                node.tell_not_woken(seat.id, error);
            }
            seat.wake_ended(woken);
        };
        self.runtime.spawn(wake.instrument(span));
    }

    /// A client can ask for the same session again and again: what is nobody's fault is no news, and what is one is told
    /// so often and no more.
    fn tell_not_woken(&self, id: SessionId, error: &SessionError) {
        let expected = match error {
            SessionError::Durability(error) => {
                matches!(error, DurabilityError::Deleted(_) | DurabilityError::Missing(_) | DurabilityError::Owned(_))
            }
            SessionError::Overloaded { .. } | SessionError::ShuttingDown | SessionError::Quota(_) => true,
            _ => false,
        };
        if !expected && self.lines.take() {
            tracing::warn!(session = %id, %error, "a session could not be woken");
        } else {
            tracing::debug!(session = %id, %error, "a session could not be woken");
        }
    }

    async fn bring_up(
        self: &Arc<Self>,
        seat: &Arc<Seat>,
        made: Option<(Claimed, Option<Built>, Room)>,
    ) -> Result<(Arc<Awake>, ActorRef<Message>), SessionError> {
        if self.stopped.is_set() {
            return Err(SessionError::ShuttingDown);
        }
        let (mut claimed, built, room) = match made {
            // Whoever made it has made room too.
            Some(made) => made,
            None => {
                let room = self.make_room(&seat.tenant, seat.id)?;
                (
                    self.durability.claim(&seat.tenant, seat.id).instrument(debug_span!("claim_session")).await?,
                    None,
                    room,
                )
            }
        };
        let built = match built {
            Some(built) => built,
            None => self.build(&seat.tenant, &claimed).instrument(debug_span!("build_kernel")).await?,
        };
        // The owner before is gone: what it had not finished it never will.
        let mut events = vec![What::EpochBegan { previous: claimed.last }];
        if claimed.last == Position::START {
            // New, or nothing was kept of it so far.
            events.push(What::Created { forked_from: claimed.summary.forked_from });
        }
        events.extend(claimed.unfinished.iter().map(|exec| What::Exited { exec: *exec, end: End::Interrupted }));
        events.push(What::Lifecycle { state: State::Active });
        let mut keys = Vec::new();
        for (key, command) in claimed.keys.iter_mut().filter(|(_, command)| command.end.is_none()) {
            *command = KeyedCommand { end: Some(End::Interrupted), ..command.clone() };
            keys.push((key.clone(), command.clone()));
        }
        let (_rising, place) = room;
        let awake = Awake::new(self, seat, &claimed, built, place);
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

    async fn build(&self, tenant: &TenantId, claimed: &Claimed) -> Result<Built, SessionError> {
        let chosen = self.options.software.node(claimed.spec.software.as_deref());
        let (base, _) = chosen.map_err(SessionError::Software)?;
        let template = template::materialise(&claimed.spec, base.template())?;
        let way = self.way(tenant, &claimed.spec)?;
        let (id, files, next_pid) = (claimed.summary.id, claimed.files.clone(), claimed.counters.next_pid);
        if let Files::Stored { .. } = files {
            // Takes time in proportion to what changed.
            let tenant = tenant.clone();
            let built =
                tokio::task::spawn_blocking(move || Built::of((&tenant, id), &base, way, template, &files, next_pid));
            return built.await.map_err(|_| SessionError::Failed(id))?;
        }
        let built = Built::of((tenant, id), &base, way, template, &files, next_pid)?;
        if let Files::Fresh = files {
            // What it was made with was not kept: it is made so again.
            files::put_all(&built.session, &built.template.user, &claimed.spec.files).await?;
        }
        Ok(built)
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
        let ended = self.actors().remove(&actor);
        if let Some((_, awake)) = &ended {
            self.measure(awake, Instant::now());
            awake.gave_up_place();
        }
        ended
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
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(SessionError::WrongState { state: State::Hibernated, .. })) => Err(Unanswered::Left),
            Ok(Err(error)) => Err(Unanswered::Refused(error)),
            // Its turn failed, and it with it: once more would be once too often.
            Err(_) => Err(Unanswered::Refused(SessionError::Failed(seat.id))),
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
                // It comes to rest, or is brought back.
                Err(Unanswered::Left) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        }
        Err(SessionError::Failed(seat.id))
    }

    /// A summary with what this node knows better.
    pub(crate) fn as_it_is(&self, tenant: &TenantId, mut summary: Summary) -> Summary {
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

    /// The sessions that have an actor.
    pub(crate) fn actors(&self) -> MutexGuard<'_, Actors> {
        lock(&self.actors)
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

/// Looks at all sessions of a tenant once: counts them, and finds those that are to be deleted at some time.
pub(crate) async fn look_through(node: Weak<Node>, tenant: TenantId) {
    let Some(recount) = node.upgrade().map(|node| node.accounts.recount(&tenant)) else { return };
    let mut after = None;
    loop {
        let Some(node) = node.upgrade() else { return };
        let Ok((page, more)) = node.durability.list(&tenant, after, PAGE).await else {
            drop(node);
            tokio::time::sleep(LIST_AGAIN).await;
            continue;
        };
        recount.page(page.iter().map(|summary| (summary.id, summary.held.inodes)));
        for summary in &page {
            node.expires(&tenant, summary);
        }
        after = page.last().map(|summary| summary.id).or(after);
        if !more {
            return recount.end();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Node")
    }
}
