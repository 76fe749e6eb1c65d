//! How a keeper sees a process of the cluster.

use crate::clock;
use crate::effects::{Driver, Job};
use crate::state::{Told, core_id, session_epoch};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use warren_cluster::keeper::ownership::{Ours, Ownership, Taken, unpack};
use warren_cluster::record::{Record, Standing, places};
use warren_ownership::acknowledge::Tier as CoreTier;
use warren_ownership::message::{Answer, Asked, Event, Refused};
use warren_ownership::name::{SessionId as CoreId, TenantId as CoreTenant};
use warren_ownership::position::{Epoch, Position};
use warren_session::durability::{DurabilityError, Pending};
use warren_session::id::{SessionId, TenantId};
use warren_session::spec::Tier;

/// Entries of one session that may be on their way; the decisions let as many wait, twice.
const ENTRIES_MAX: usize = 512;
/// Bytes of entries of one session that its record does not know, at most, but for one that is larger by itself.
const BYTES_MAX: usize = 32 << 20;
/// How long an owner that gave up is waited for to hear of what it has on its way.
const GIVE_UP: Duration = Duration::from_secs(2);
/// Who waits for room looks again after this.
const ROOM: Duration = Duration::from_millis(100);

/// A process of the cluster, for a keeper.
pub(crate) struct Cluster(pub(crate) Arc<Driver>);

/// A session that is served here, in one epoch.
struct Seat {
    driver: Arc<Driver>,
    tenant: TenantId,
    id: SessionId,
    epoch: Epoch,
    over: watch::Receiver<bool>,
}

impl Ownership for Cluster {
    fn create<'a>(
        &'a self,
        tenant: &'a TenantId,
        tier: Tier,
        record: Record,
    ) -> BoxFuture<'a, Result<Arc<dyn Ours>, DurabilityError>> {
        async move {
            let id = record.id;
            let asked = Asked::Create(core_tenant(tenant), core_tier(tier));
            let is_new = self.0.with(|state, _| {
                let is_new = state.session(core_id(id)).is_none();
                if is_new {
                    state.known(tenant, id).note(0, record);
                }
                is_new
            });
            // One that is made or opened here already is another's, though it has the same id.
            if !is_new {
                return Err(DurabilityError::Fenced(id));
            }
            let told = self.0.ask(tenant, id, asked).await?;
            match told.answer {
                Answer::Done { .. } => Ok(Arc::new(self.seat(tenant, id)?) as Arc<dyn Ours>),
                Answer::Refused(Refused::Exists) => Err(DurabilityError::Fenced(id)),
                _ => Err(refused(id, told)),
            }
        }
        .boxed()
    }

    fn take<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<Taken, DurabilityError>> {
        async move {
            self.0.wait_for_given_up(id).await;
            self.open(tenant, id).await?;
            let seat = self.seat(tenant, id)?;
            let record = self.0.lock().whole(core_id(id)).ok_or(DurabilityError::Fenced(id))?;
            let entries = match self.entries(tenant, &record).await {
                Ok(entries) => entries,
                Err(why) => {
                    seat.give_up();
                    return Err(why);
                }
            };
            Ok(Taken { ours: Arc::new(seat), record, entries })
        }
        .boxed()
    }

    fn settle<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>> {
        async move {
            self.0.wait_for_given_up(id).await;
            self.open(tenant, id).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, tenant: &'a TenantId, id: SessionId) -> BoxFuture<'a, Result<(), DurabilityError>> {
        async move {
            self.0.wait_for_given_up(id).await;
            let told = self.0.ask(tenant, id, Asked::Delete).await?;
            if matches!(told.answer, Answer::Done { .. }) { Ok(()) } else { Err(refused(id, told)) }
        }
        .boxed()
    }
}

impl Cluster {
    /// Sees to it that a session is served here.
    async fn open(&self, tenant: &TenantId, id: SessionId) -> Result<(), DurabilityError> {
        let told = self.0.ask(tenant, id, Asked::Follow(Position::START)).await?;
        let is_open = matches!(told.answer, Answer::Events { .. } | Answer::Resync { .. });
        if is_open { Ok(()) } else { Err(refused(id, told)) }
    }

    fn seat(&self, tenant: &TenantId, id: SessionId) -> Result<Seat, DurabilityError> {
        let mut state = self.0.lock();
        let serving = state.session(core_id(id)).and_then(|session| session.serving.as_ref());
        let serving = serving.ok_or(DurabilityError::Fenced(id))?;
        Ok(Seat {
            driver: self.0.clone(),
            tenant: tenant.clone(),
            id,
            epoch: serving.epoch,
            over: serving.over.subscribe(),
        })
    }

    /// The entries behind those that a record's snapshot knows: in the objects it names.
    async fn entries(&self, tenant: &TenantId, record: &Record) -> Result<Vec<Bytes>, DurabilityError> {
        let (id, mut found) = (record.id, Vec::new());
        let damaged = |reason: String| DurabilityError::Damaged { id, reason };
        for segment in record.ownership.iter().flat_map(|ownership| &ownership.segments) {
            let key = places::batch(tenant, id, session_epoch(segment.epoch), segment.first);
            let object = self.0.store.get(&key).await;
            let object = object.map_err(|error| DurabilityError::Unavailable(error.to_string()))?;
            let object = object.ok_or_else(|| damaged(format!("{key} is missing")))?;
            let entries = unpack(&object.bytes).map_err(|reason| damaged(format!("{key}: {reason}")))?;
            let counts = segment.first.max(record.number + 1)..=segment.last;
            found.extend(entries.into_iter().filter(|(head, _)| counts.contains(&head.number)).map(|(_, bytes)| bytes));
        }
        Ok(found)
    }
}

impl Driver {
    /// Asks the decisions something of a session.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        tenant: &TenantId,
        id: SessionId,
        what: Asked,
    ) -> Result<Told, DurabilityError> {
        let answer = self.with(|state, jobs| {
            state.known(tenant, id);
            state.ask(clock::now(), core_id(id), what, jobs)
        });
        self.hear(id, answer).await
    }

    async fn hear(&self, id: SessionId, answer: oneshot::Receiver<Told>) -> Result<Told, DurabilityError> {
        match tokio::time::timeout(self.limits.answer, answer).await {
            Ok(answer) => answer.map_err(|_| closing()),
            Err(_) => {
                let seconds = self.limits.answer.as_secs();
                Err(DurabilityError::Unavailable(format!("session {id} did not answer within {seconds} s")))
            }
        }
    }

    /// One that nobody here writes to any more is let go first.
    async fn wait_for_given_up(&self, id: SessionId) {
        let over = {
            let mut state = self.lock();
            let serving = state.session(core_id(id)).and_then(|session| session.serving.as_ref());
            serving.filter(|serving| serving.given_up).map(|serving| serving.over.subscribe())
        };
        if let Some(mut over) = over {
            // When its sender is gone it is over, too.
            let _ = tokio::time::timeout(GIVE_UP * 2, over.wait_for(|over| *over)).await;
        }
    }
}

impl Seat {
    fn core(&self) -> CoreId {
        core_id(self.id)
    }

    /// Removes objects of entries that the record does not name any more.
    fn remove(&self, upto: u64, known: Vec<(Epoch, u64, u64)>) {
        let gone = known.into_iter().filter(|(_, _, last)| *last <= upto);
        let keys: Vec<_> =
            gone.map(|(epoch, first, _)| places::batch(&self.tenant, self.id, session_epoch(epoch), first)).collect();
        if !keys.is_empty() {
            self.driver.with(|_, jobs| jobs.push(Job::Remove(keys)));
        }
    }
}

impl Ours for Seat {
    fn append(&self, number: u64, entry: Bytes, fenced: bool) -> Result<Pending, Bytes> {
        let (id, core) = (self.id, self.core());
        let over = |why: DurabilityError| Ok(std::future::ready(Err(why)).boxed());
        let answer = self.driver.with(|state, jobs| {
            let held = state.session(core).map_or(0, |session| session.held);
            let serving = state.session(core).and_then(|session| session.serving.as_mut());
            let Some(serving) = serving.filter(|serving| serving.epoch == self.epoch && !serving.given_up) else {
                return Ok(Err(DurabilityError::Fenced(id)));
            };
            if serving.waiting >= ENTRIES_MAX || (held > 0 && held + entry.len() > BYTES_MAX) {
                return Err(entry);
            }
            if number != serving.made + 1 {
                let reason = format!("entry {number} of session {id} does not follow on {}", serving.made);
                return Ok(Err(DurabilityError::Unavailable(reason)));
            }
            serving.made = number;
            serving.waiting += 1;
            if let Some(session) = state.session(core) {
                session.hold(self.epoch, number, entry);
            }
            let asked = if fenced { Asked::Keep(number) } else { Asked::Do(number) };
            let mut answer = state.ask(clock::now(), core, asked, jobs);
            // What is refused at once was not taken; nothing may come behind it.
            match answer.try_recv() {
                Ok(Told { answer: Answer::Refused(why), .. }) if why != Refused::Fenced => {
                    if let Some(session) = state.session(core) {
                        session.drop_entry(self.epoch, number);
                        if let Some(serving) = &mut session.serving {
                            serving.made = number - 1;
                        }
                    }
                    Ok(Err(DurabilityError::Unavailable(why.to_string())))
                }
                Ok(told) => Ok(Ok((Some(told), answer))),
                Err(_) => Ok(Ok((None, answer))),
            }
        });
        match answer? {
            Err(why) => over(why),
            Ok((told, answer)) => Ok(async move {
                let told = match told {
                    Some(told) => told,
                    None => answer.await.map_err(|_| closing())?,
                };
                if matches!(told.answer, Answer::Done { .. }) { Ok(()) } else { Err(refused(id, told)) }
            }
            .boxed()),
        }
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        let room = {
            let mut state = self.driver.lock();
            let serving = state.session(self.core()).and_then(|session| session.serving.as_ref());
            serving.map(|serving| serving.room.clone())
        };
        async move {
            if let Some(room) = room {
                let _ = tokio::time::timeout(ROOM, room.notified()).await;
            }
        }
        .boxed()
    }

    fn change(&self, record: Record) -> BoxFuture<'_, Result<(), DurabilityError>> {
        async move {
            let (core, upto) = (self.core(), record.number);
            let rests = record.standing == Standing::Resting;
            let is_deleted = matches!(record.standing, Standing::Deleted { .. });
            let (answers, known) = self.driver.with(|state, jobs| {
                let now = clock::now();
                let session = state.session(core).filter(|session| {
                    session.serving.as_ref().is_some_and(|serving| serving.epoch == self.epoch && !serving.given_up)
                });
                let Some(session) = session else { return (Vec::new(), Vec::new()) };
                if is_deleted {
                    return (vec![state.ask(now, core, Asked::Delete, jobs)], Vec::new());
                }
                let Some(serving) = &mut session.serving else { return (Vec::new(), Vec::new()) };
                serving.part += 1;
                let part = serving.part;
                let note = session.note(part, record);
                let mut answers = vec![state.ask(now, core, Asked::Note(note), jobs)];
                if rests {
                    answers.push(state.ask(now, core, Asked::Rest, jobs));
                }
                // One that rests has put all its objects by now, or does so under these numbers.
                let serving = state.session(core).and_then(|session| session.serving.as_ref());
                let known = serving.map(|serving| serving.objects.iter().copied().collect()).unwrap_or_default();
                (answers, known)
            });
            if answers.is_empty() {
                return Err(DurabilityError::Fenced(self.id));
            }
            for answer in answers {
                let told = self.driver.hear(self.id, answer).await?;
                if !matches!(told.answer, Answer::Done { .. }) {
                    return Err(refused(self.id, told));
                }
            }
            if !is_deleted {
                self.driver.with(|state, _| {
                    let serving = state.session(core).and_then(|session| session.serving.as_mut());
                    if let Some(serving) = serving.filter(|serving| serving.epoch == self.epoch) {
                        serving.objects.retain(|(_, _, last)| *last > upto);
                    }
                });
                self.remove(upto, known);
            }
            Ok(())
        }
        .boxed()
    }

    fn objects(&self) -> usize {
        let mut state = self.driver.lock();
        let serving = state.session(self.core()).and_then(|session| session.serving.as_ref());
        serving.map_or(0, |serving| serving.objects.len())
    }

    fn over(&self) -> BoxFuture<'static, ()> {
        let mut over = self.over.clone();
        async move {
            // When its sender is gone it is over, too.
            let _ = over.wait_for(|over| *over).await;
        }
        .boxed()
    }

    fn give_up(&self) {
        let (core, epoch, driver) = (self.core(), self.epoch, self.driver.clone());
        let room = {
            let mut state = driver.lock();
            let serving = state.session(core).and_then(|session| session.serving.as_mut());
            let Some(serving) = serving.filter(|serving| serving.epoch == epoch && !serving.given_up) else { return };
            serving.given_up = true;
            serving.room.clone()
        };
        driver.clone().spawn(async move {
            let heard = async {
                loop {
                    let waiting = {
                        let mut state = driver.lock();
                        let serving = state.session(core).and_then(|session| session.serving.as_ref());
                        serving.filter(|serving| serving.epoch == epoch).map_or(0, |serving| serving.waiting)
                    };
                    if waiting == 0 {
                        return;
                    }
                    let _ = tokio::time::timeout(ROOM, room.notified()).await;
                }
            };
            let _ = tokio::time::timeout(GIVE_UP, heard).await;
            driver.with(|state, jobs| {
                let serving = state.session(core).and_then(|session| session.serving.as_ref());
                if serving.is_some_and(|serving| serving.epoch == epoch) {
                    state.handle(clock::now(), Event::Crashed(core), jobs);
                }
            });
        });
    }
}

fn refused(id: SessionId, told: Told) -> DurabilityError {
    match told.answer {
        Answer::Refused(Refused::Missing) => DurabilityError::Missing(id),
        Answer::Refused(Refused::Deleted) => DurabilityError::Deleted(id),
        Answer::Refused(Refused::Misdirected { .. }) => DurabilityError::Owned(id),
        Answer::Refused(Refused::Failed) => {
            let reason = told.trouble.unwrap_or_else(|| "its record says that its owner could not read it".to_owned());
            DurabilityError::Damaged { id, reason }
        }
        Answer::Refused(Refused::Fenced) => DurabilityError::Fenced(id),
        Answer::Refused(why) => DurabilityError::Unavailable(why.to_string()),
        _ => DurabilityError::Unavailable("the session answered something else".to_owned()),
    }
}

fn closing() -> DurabilityError {
    DurabilityError::Unavailable("this node is shutting down".to_owned())
}

fn core_tier(tier: Tier) -> CoreTier {
    match tier {
        Tier::Scratch => CoreTier::Scratch,
        Tier::Checkpoint => CoreTier::Checkpoint,
        Tier::Journal => CoreTier::Journal,
        Tier::Strict => CoreTier::Strict,
    }
}

/// Tenants take turns by this number; two that share one share a turn.
fn core_tenant(tenant: &TenantId) -> CoreTenant {
    let hash = blake3::hash(tenant.as_str().as_bytes());
    let mut number = [0; 4];
    number.copy_from_slice(&hash.as_bytes()[..4]);
    CoreTenant(u32::from_le_bytes(number))
}
