//! The decisions, and the bytes they know by numbers.
//!
//! ```text
//! Entry { epoch, seq }     ─▶ Session::entries: a sealed batch of the keeper
//! Record { noted: part }   ─▶ Session::parts:   the keeper's record, written in the same object
//! Version                  ─▶ Session::versions: an entity tag
//! RequestId                ─▶ who waits
//! ```
//! [`State::handle`] is called with the lock held: it decides, and makes jobs of the effects that have all they need in them.

use crate::bucket::Numbered;
use crate::effects::{HotJob, Job};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{Notify, oneshot, watch};
use warren_cluster::record::{Record, Standing, places};
use warren_kernel::host::Timestamp;
use warren_ownership::entry::{Entry, What};
use warren_ownership::message::{
    Answer, Asked, Effect, Event, HotRequest, LocalRequest, Op, Request, StoreAnswer, StoreFailure, StoreRequest,
    Unknown, Version,
};
use warren_ownership::name::{Owner, RequestId, SessionId as CoreId};
use warren_ownership::node::{Here, Node};
use warren_ownership::position::Epoch;
use warren_ownership::record::{Note, Record as Owning, Standing as CoreStanding};
use warren_ownership::time::Now;
use warren_session::id::{SessionId, TenantId};
use warren_storage::store::Version as Tag;
use warren_stores::redis::About;

/// Entity tags of one record that are remembered: those that a write or a comparison may still name.
const TAGS_MAX: usize = 64;

/// What a process knows.
pub(crate) struct State {
    pub node: Node,
    pub peers: Vec<(Owner, About)>,
    pub draining: bool,
    sessions: HashMap<CoreId, Session>,
    waiting: HashMap<RequestId, Waiting>,
    requests: u64,
}

/// Somebody who waits for an answer.
struct Waiting {
    session: CoreId,
    /// It is an entry's.
    is_entry: bool,
    reply: oneshot::Sender<Told>,
}

/// An answer.
pub(crate) struct Told {
    pub answer: Answer,
    /// Why the session's record cannot be read, if it cannot.
    pub trouble: Option<String>,
}

/// The bytes of a session that is being opened, or is served.
pub(crate) struct Session {
    pub tenant: TenantId,
    pub id: SessionId,
    tags: VecDeque<(Version, Tag)>,
    tags_given: u64,
    /// What lies beside the record, by its number in [`Note`].
    parts: BTreeMap<u64, Arc<Record>>,
    /// Entries that the record does not know.
    entries: BTreeMap<(Epoch, u64), Bytes>,
    /// Bytes of those.
    pub held: usize,
    pub serving: Option<Serving>,
    /// Why it cannot be read.
    trouble: Option<String>,
}

/// What a session has while it is served.
pub(crate) struct Serving {
    pub epoch: Epoch,
    /// Number of the last entry.
    pub made: u64,
    /// Number of the last part.
    pub part: u64,
    /// Entries on their way.
    pub waiting: usize,
    /// There is room again, or fewer are on their way.
    pub room: Arc<Notify>,
    /// Nobody writes to it any more.
    pub given_up: bool,
    pub over: watch::Sender<bool>,
    /// Objects of entries there are: whose, and the numbers of their first and last.
    pub objects: BTreeSet<(Epoch, u64, u64)>,
}

impl State {
    pub(crate) fn new(node: Node) -> State {
        State {
            node,
            peers: Vec::new(),
            draining: false,
            sessions: HashMap::new(),
            waiting: HashMap::new(),
            requests: 0,
        }
    }

    pub(crate) fn session(&mut self, id: CoreId) -> Option<&mut Session> {
        self.sessions.get_mut(&id)
    }

    /// The session, known from now on until it is neither opened nor served here.
    pub(crate) fn known(&mut self, tenant: &TenantId, id: SessionId) -> &mut Session {
        self.sessions.entry(core_id(id)).or_insert_with(|| Session::new(tenant.clone(), id))
    }

    /// Asks the decisions something; the answer may be there at once.
    pub(crate) fn ask(
        &mut self,
        now: Now,
        session: CoreId,
        what: Asked,
        jobs: &mut Vec<Job>,
    ) -> oneshot::Receiver<Told> {
        self.requests += 1;
        let id = RequestId(self.requests);
        let (reply, answer) = oneshot::channel();
        let is_entry = matches!(what, Asked::Do(_) | Asked::Keep(_));
        self.waiting.insert(id, Waiting { session, is_entry, reply });
        // Whoever asks has looked where it is placed.
        self.handle(now, Event::Request(Request { id, session, seen: None, hops: 1, what }), jobs);
        answer
    }

    /// Decides, and adds what is to be done.
    pub(crate) fn handle(&mut self, now: Now, event: Event, jobs: &mut Vec<Job>) {
        let mut touched = BTreeSet::new();
        touched.extend(match &event {
            Event::Store(op, _) | Event::Hot(op, _) | Event::Local(op, _) => op.session,
            Event::Request(request) => Some(request.session),
            Event::Look(id) | Event::Crashed(id) | Event::Ran { session: id, .. } => Some(*id),
            Event::Timer | Event::Drain => None,
        });
        if event == Event::Drain {
            self.draining = true;
        }
        let mut effects = Vec::new();
        self.node.handle(now, event, &mut effects);
        for effect in effects {
            match effect {
                Effect::Store(op, request) => {
                    touched.extend(op.session);
                    jobs.push(self.store(op, request));
                }
                Effect::Hot(op, request) => {
                    touched.extend(op.session);
                    jobs.push(self.hot(op, request));
                }
                Effect::Local(op, request) => {
                    touched.extend(op.session);
                    jobs.push(self.local(op, request));
                }
                Effect::Reply(request, answer) => touched.extend(self.reply(request, answer)),
                Effect::Serve(id, epoch) => {
                    touched.insert(id);
                    jobs.extend(self.serve(id, epoch));
                }
                Effect::Stop(id, epoch) => {
                    touched.insert(id);
                    self.stop(id, epoch);
                }
                // Keyed commands are the sessions' own; nobody asks for one here.
                Effect::Run(..) => {}
            }
        }
        for id in touched {
            jobs.extend(self.tidy(id));
        }
    }

    fn reply(&mut self, request: RequestId, answer: Answer) -> Option<CoreId> {
        let Waiting { session, is_entry, reply } = self.waiting.remove(&request)?;
        if is_entry && let Some(serving) = self.sessions.get_mut(&session).and_then(|found| found.serving.as_mut()) {
            serving.waiting = serving.waiting.saturating_sub(1);
            serving.room.notify_waiters();
        }
        let trouble = self.sessions.get(&session).and_then(|session| session.trouble.clone());
        let _ = reply.send(Told { answer, trouble }); // whoever waited may have gone
        Some(session)
    }

    fn serve(&mut self, id: CoreId, epoch: Epoch) -> Option<Job> {
        let Here::Owned(record) = self.node.here(id) else { return None };
        let session = self.sessions.get_mut(&id)?;
        let objects = record.segments.iter().map(|segment| (segment.epoch, segment.first, segment.last)).collect();
        session.serving = Some(Serving {
            epoch,
            made: record.durable,
            part: record.noted.part,
            waiting: 0,
            room: Arc::default(),
            given_up: false,
            over: watch::Sender::new(false),
            objects,
        });
        tracing::info!(session = %session.id, %epoch, "the session is served here");
        Some(Job::Hint(id, epoch))
    }

    fn stop(&mut self, id: CoreId, epoch: Epoch) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        if session.serving.as_ref().is_some_and(|serving| serving.epoch == epoch)
            && let Some(serving) = session.serving.take()
        {
            tracing::info!(session = %session.id, %epoch, "the session is not served here any more");
            serving.over.send_replace(true);
            serving.room.notify_waiters();
        }
    }

    /// Forgets bytes that the record knows, and sessions that are not here.
    fn tidy(&mut self, id: CoreId) -> Option<Job> {
        let session = self.sessions.get_mut(&id)?;
        match self.node.here(id) {
            Here::Nothing => {
                self.sessions.remove(&id);
                None
            }
            Here::Opening(_) => None,
            Here::Owned(record) => {
                session.parts.retain(|part, _| *part >= record.noted.part);
                let before = session.entries.len();
                session.entries.retain(|(_, seq), _| *seq > record.durable);
                if before == session.entries.len() {
                    return None;
                }
                session.held = session.entries.values().map(Bytes::len).sum();
                if let Some(serving) = &session.serving {
                    serving.room.notify_waiters();
                }
                Some(Job::Forget(session.id, record.durable))
            }
        }
    }

    fn store(&mut self, op: Op, request: StoreRequest) -> Job {
        let unknown = Job::Answer(Event::Store(op, Err(StoreFailure::Unknown)));
        let Some(session) = op.session.and_then(|id| self.sessions.get_mut(&id)) else { return unknown };
        match request {
            StoreRequest::Read(_) => Job::Read(op, places::record(&session.tenant, session.id)),
            StoreRequest::Write(_, version, record) => {
                let tag = version.map(|version| session.tag(version));
                match (session.part(&record), tag) {
                    (Some(whole), None) => {
                        Job::Write(op, places::record(&session.tenant, session.id), None, whole.to_bytes())
                    }
                    (Some(whole), Some(Some(tag))) => {
                        Job::Write(op, places::record(&session.tenant, session.id), Some(tag), whole.to_bytes())
                    }
                    // A version so old that it is not remembered is not the one that is there.
                    (Some(_), Some(None)) => Job::Answer(Event::Store(op, Err(StoreFailure::Mismatch))),
                    (None, _) => {
                        tracing::error!(session = %session.id, part = record.noted.part, "a record without what lies beside it");
                        unknown
                    }
                }
            }
            StoreRequest::Put(_, epoch, entries) => {
                let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                    return Job::Answer(Event::Store(op, Ok(StoreAnswer::Put)));
                };
                let key = places::batch(&session.tenant, session.id, session_epoch(epoch), first.seq);
                if let Some(serving) = &mut session.serving {
                    serving.objects.insert((epoch, first.seq, last.seq));
                }
                session.bytes(&entries).map_or(unknown, |bytes| Job::Put(op, key, bytes))
            }
            StoreRequest::List(_, epoch, after) => Job::List(op, session.tenant.clone(), session.id, epoch, after),
            // Tombstones are the sweep's.
            StoreRequest::Remove(..) => unknown,
        }
    }

    fn hot(&mut self, op: Op, request: HotRequest) -> Job {
        let job = match request {
            HotRequest::Append(id, home, epoch, entries) => {
                let first = entries.first().map_or(0, |entry| entry.seq);
                match self.sessions.get(&id).and_then(|session| session.bytes(&entries)) {
                    Some(bytes) => HotJob::Append(id, home, epoch, first, bytes),
                    None => return Job::Answer(Event::Hot(op, Err(Unknown))),
                }
            }
            other => HotJob::Other(other),
        };
        Job::Hot(op, job, self.draining)
    }

    fn local(&mut self, op: Op, request: LocalRequest) -> Job {
        let (LocalRequest::Append(id, _) | LocalRequest::Read(id)) = request;
        let Some(session) = self.sessions.get(&id) else { return Job::Answer(Event::Crashed(id)) };
        match request {
            LocalRequest::Append(_, entries) => match session.bytes(&entries) {
                Some(bytes) => {
                    let named = entries.iter().map(|entry| (entry.epoch, entry.seq)).zip(bytes).collect();
                    Job::Append(op, session.id, named)
                }
                None => Job::Answer(Event::Crashed(id)),
            },
            LocalRequest::Read(_) => Job::Recall(op, session.id),
        }
    }

    /// Takes in a record as it was read. `Err`: what is there is none; it is treated as one that failed, which can only be deleted.
    pub(crate) fn was_read(&mut self, op: Op, found: Option<(Result<Record, String>, Tag)>) -> Event {
        let Some(session) = op.session.and_then(|id| self.sessions.get_mut(&id)) else {
            return Event::Store(op, Err(StoreFailure::Unknown));
        };
        let found = found.map(|(record, tag)| {
            let version = session.version(tag);
            let read = record.and_then(|mut record| {
                let ownership = record.ownership.take();
                let owning = ownership.ok_or("it was kept by a single node, not by a cluster")?;
                Ok((record, owning))
            });
            let (record, owning) = read.unwrap_or_else(|reason| {
                session.trouble = Some(reason.clone());
                failed(session.id, reason)
            });
            session.parts.insert(owning.noted.part, Arc::new(record));
            (owning, version)
        });
        Event::Store(op, Ok(StoreAnswer::Record(found)))
    }

    /// A record was written, and has this tag.
    pub(crate) fn was_written(&mut self, op: Op, tag: Tag) -> Event {
        let session = op.session.and_then(|id| self.sessions.get_mut(&id));
        let answer = session.map(|session| StoreAnswer::Written(session.version(tag)));
        Event::Store(op, answer.ok_or(StoreFailure::Unknown))
    }

    /// Takes in entries that were found somewhere, as the decisions know them.
    pub(crate) fn were_found(&mut self, op: Op, found: Vec<Numbered>) -> Vec<Entry> {
        let Some(session) = op.session.and_then(|id| self.sessions.get_mut(&id)) else { return Vec::new() };
        let entries = found.iter().map(|(epoch, seq, _)| entry(*epoch, *seq)).collect();
        for (epoch, seq, bytes) in found {
            session.hold(epoch, seq, bytes);
        }
        entries
    }

    /// The record of a session that is served here, with what lies beside it.
    pub(crate) fn whole(&self, id: CoreId) -> Option<Record> {
        let Here::Owned(record) = self.node.here(id) else { return None };
        self.sessions.get(&id)?.part(record)
    }
}

impl Session {
    fn new(tenant: TenantId, id: SessionId) -> Session {
        Session {
            tenant,
            id,
            tags: VecDeque::new(),
            tags_given: 0,
            parts: BTreeMap::new(),
            entries: BTreeMap::new(),
            held: 0,
            serving: None,
            trouble: None,
        }
    }

    /// The number of an entity tag: the same for the same.
    fn version(&mut self, tag: Tag) -> Version {
        if let Some((version, _)) = self.tags.iter().find(|(_, known)| *known == tag) {
            return *version;
        }
        self.tags_given += 1;
        let version = Version(self.tags_given);
        self.tags.push_back((version, tag));
        if self.tags.len() > TAGS_MAX {
            self.tags.pop_front();
        }
        version
    }

    fn tag(&self, version: Version) -> Option<Tag> {
        self.tags.iter().find(|(known, _)| *known == version).map(|(_, tag)| tag.clone())
    }

    /// What is to lie beside the record from its note `part` on.
    pub(crate) fn note(&mut self, part: u64, record: Record) -> Note {
        let note = Note { part, upto: record.number };
        self.parts.insert(part, Arc::new(record));
        note
    }

    /// A record with what lies beside it, as one object.
    fn part(&self, owning: &Owning) -> Option<Record> {
        let part = self.parts.get(&owning.noted.part)?;
        let standing = match owning.standing {
            CoreStanding::Owned(owner) => Standing::Owned { incarnation: owner.incarnation.0 },
            CoreStanding::Resting => Standing::Resting,
            CoreStanding::Failed => Standing::Failed { reason: "its owner could not read it".to_owned() },
            CoreStanding::Deleted { at } => Standing::Deleted { at: Timestamp(at.0.saturating_mul(1_000_000)) },
        };
        let mut whole = match &standing {
            Standing::Deleted { at } => part.buried(*at),
            _ => (**part).clone(),
        };
        whole.epoch = session_epoch(owning.epoch);
        whole.standing = standing;
        whole.ownership = Some(Box::new(owning.clone()));
        Some(whole)
    }

    pub(crate) fn hold(&mut self, epoch: Epoch, seq: u64, bytes: Bytes) {
        self.held += bytes.len();
        if let Some(before) = self.entries.insert((epoch, seq), bytes) {
            self.held -= before.len();
        }
    }

    pub(crate) fn drop_entry(&mut self, epoch: Epoch, seq: u64) {
        if let Some(bytes) = self.entries.remove(&(epoch, seq)) {
            self.held -= bytes.len();
        }
    }

    fn bytes(&self, entries: &[Entry]) -> Option<Vec<Bytes>> {
        let found: Option<Vec<Bytes>> =
            entries.iter().map(|entry| self.entries.get(&(entry.epoch, entry.seq)).cloned()).collect();
        if found.is_none() {
            tracing::error!(session = %self.id, "an entry without its bytes");
        }
        found
    }
}

/// An entry as the decisions know it: its bytes are known by the same numbers.
fn entry(epoch: Epoch, seq: u64) -> Entry {
    Entry { epoch, seq, what: What::Plain(seq) }
}

/// What stands for a record that cannot be read.
fn failed(id: SessionId, reason: String) -> (Record, Box<Owning>) {
    use warren_ownership::acknowledge::Tier;
    use warren_ownership::position::Lineage;
    let owning = Owning {
        tenant: warren_ownership::name::TenantId(0),
        tier: Tier::Strict,
        epoch: Epoch::FIRST,
        standing: CoreStanding::Failed,
        open: None,
        durable: 0,
        lineage: Lineage::first(),
        segments: Vec::new(),
        keys: Default::default(),
        noted: Note::default(),
        writes: 1,
    };
    let record = Record {
        id,
        standing: Standing::Failed { reason },
        epoch: warren_session::position::Epoch::FIRST,
        position: warren_session::position::Position::START,
        lsn: warren_kernel::id::Lsn::ZERO,
        number: 0,
        naming: 0,
        snapshot: None,
        checkpoints: Vec::new(),
        segments: Vec::new(),
        first_event: 1,
        held: Default::default(),
        ownership: None,
        body: Bytes::new(),
    };
    (record, Box::new(owning))
}

pub(crate) fn core_id(id: SessionId) -> CoreId {
    CoreId(id.number())
}

pub(crate) fn core_epoch(epoch: warren_session::position::Epoch) -> Epoch {
    Epoch::new(epoch.get()).expect("neither has an epoch 0")
}

pub(crate) fn session_epoch(epoch: Epoch) -> warren_session::position::Epoch {
    warren_session::position::Epoch::new(epoch.get()).expect("neither has an epoch 0")
}
