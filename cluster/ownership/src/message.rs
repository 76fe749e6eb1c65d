//! What goes into a node's decisions and what comes out: events and effects.
//!
//! Every [`Effect`] with an [`Op`] is answered by one [`Event`] with the same one, unless the process dies before. The shell
//! gives each a time limit of its own and answers `Unknown` when that is over or a connection breaks: the effect may have
//! happened, may happen later, or never.

use crate::acknowledge::{Proof, Tier};
use crate::entry::{Entry, What};
use crate::lease::{Home, Peer, Term};
use crate::name::{CommandKey, NodeId, Owner, RequestId, SessionId, TenantId};
use crate::position::{Epoch, Position};
use crate::record::{Note, Record, Segment};

/// Names an effect; its answer carries it. Given once by a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Op {
    /// Which session asked; `None`: the node.
    pub session: Option<SessionId>,
    /// Its number.
    pub number: u64,
}

/// Which write of an object a read returned: an entity tag. Opaque, and never used again for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The time of [`crate::node::Node::next_deadline`] has come.
    Timer,
    /// A client's request, as a gateway passed it on.
    Request(Request),
    /// The store answered.
    Store(Op, Result<StoreAnswer, StoreFailure>),
    /// Redis answered. `Err`: nothing is known of what became of it.
    Hot(Op, Result<(Home, HotAnswer), Unknown>),
    /// The local log answered.
    Local(Op, LocalAnswer),
    /// A keyed command that was told to run has an outcome.
    Ran {
        /// Where.
        session: SessionId,
        /// Under which epoch it was run.
        epoch: Epoch,
        /// Which.
        key: CommandKey,
    },
    /// The sweep found a session whose record may name a dead owner.
    Look(SessionId),
    /// What ran a session here ended by a fault of ours: all of it in memory is gone, the process lives. It is taken again
    /// when somebody asks, as from a dead owner.
    Crashed(SessionId),
    /// The node is to give up all it has.
    Drain,
}

/// Nothing is known of what became of a request: it may have happened, may yet, or may never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unknown;

/// What a client asks of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The answer carries it.
    pub id: RequestId,
    /// Of whom.
    pub session: SessionId,
    /// The highest epoch the client has seen an event of: an owner of an older one looks whether it still is.
    pub seen: Option<Epoch>,
    /// How often it was passed on to another node because of placement. One that was is opened where it is.
    pub hops: u8,
    /// What.
    pub what: Asked,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// A new session under an id the client chose, so that it can ask again.
    Create(TenantId, Tier),
    /// A command that is done as it arrives.
    Do(u64),
    /// The same, as durable as a journal's entry whatever the tier: the start of a keyed command whose keys the shell keeps.
    Keep(u64),
    /// A command that is run at most once.
    Run(CommandKey),
    /// What the shell keeps beside the record is this, from the next write of it on. Done when that is written. Each has a
    /// higher number than the one before, and speaks of entries there are.
    Note(Note),
    /// Events behind a cursor.
    Follow(Position),
    /// To rest.
    Rest,
    /// To be on another node.
    Move(Owner),
    /// To be gone.
    Delete,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It is done; a command's event is there, as durable as the tier promises.
    Done {
        /// The event; for others, the last one.
        position: Position,
        /// Why this may be said.
        proof: Proof,
    },
    /// The keyed command began under an owner that is gone, and may or may not have been run. It is never run again.
    Interrupted {
        /// Its start.
        position: Position,
        /// Why this may be said.
        proof: Proof,
    },
    /// Events behind `after` up to `upto`.
    Events {
        /// Where the client's cursor stood.
        after: u64,
        /// The last that may be seen.
        upto: u64,
        /// Those that the record does not know.
        tail: Vec<Entry>,
        /// Where those before are.
        segments: Vec<Segment>,
        /// Why this may be said.
        proof: Proof,
    },
    /// The client has events that were not kept: it forgets those behind `kept`.
    Resync {
        /// The last of its own that stands.
        kept: u64,
        /// The last it has.
        had: u64,
        /// Why this may be said.
        proof: Proof,
    },
    /// It was not done.
    Refused(Refused),
}

/// Why a request was not done, and what the client does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refused {
    /// HTTP 421: another node has it, or is to open it.
    #[error("node {} has the session", .to.0)]
    Misdirected {
        /// Which.
        to: NodeId,
        /// Because it is placed there, not because it has it.
        placed: bool,
    },
    /// There is none.
    #[error("there is no such session")]
    Missing,
    /// It was deleted.
    #[error("the session was deleted")]
    Deleted,
    /// What is kept of it cannot be read.
    #[error("the session failed")]
    Failed,
    /// There is one of this id.
    #[error("there is a session of this id")]
    Exists,
    /// Its owner does not answer, and it cannot be said yet whether it is dead: Redis is away, or new.
    #[error("whether the session's owner lives cannot be said now")]
    CannotJudge,
    /// Too many requests or restores wait.
    #[error("the node has no room to wait in")]
    Busy,
    /// It goes to rest, to another node, or is being deleted.
    #[error("the session is on its way elsewhere")]
    Parting,
    /// This node takes no sessions.
    #[error("the node is draining and knows no other")]
    Draining,
    /// This node lost the session before it could say whether the request was done.
    #[error("the session was taken over; whether the request was done is not known")]
    Fenced,
}

impl Refused {
    /// Whether the request had no effect and never will.
    pub fn is_harmless(self) -> bool {
        self != Refused::Fenced
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Ask the object store.
    Store(Op, StoreRequest),
    /// Ask Redis.
    Hot(Op, HotRequest),
    /// Ask the local log.
    Local(Op, LocalRequest),
    /// Tell a client.
    Reply(RequestId, Answer),
    /// The session is served here from now on, under this epoch.
    Serve(SessionId, Epoch),
    /// The session is not served here any more: its processes end.
    Stop(SessionId, Epoch),
    /// Run a keyed command, whose start is this event. Its [`Event::Ran`] follows.
    Run(SessionId, Position, CommandKey),
}

/// What is asked of the object store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreRequest {
    /// A session's record and its version.
    Read(SessionId),
    /// Write a record, if the one there has this version; `None`: if there is none.
    Write(SessionId, Option<Version>, Box<Record>),
    /// Write entries as an object under an epoch's prefix, named by the first, if there is none of that name.
    Put(SessionId, Epoch, Vec<Entry>),
    /// All entries in objects under an epoch's prefix behind an event: a strong list, then reads.
    List(SessionId, Epoch, u64),
    /// Remove a record. Only the garbage collector's, and of old tombstones.
    Remove(SessionId, Version),
}

/// What the store says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreAnswer {
    /// The record, if there is one.
    Record(Option<(Box<Record>, Version)>),
    /// The record was written.
    Written(Version),
    /// The segment was written.
    Put,
    /// What lies there: objects in the order of their names.
    Entries(Vec<Vec<Entry>>),
    /// It was removed.
    Removed,
}

/// Why a store did not answer as hoped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreFailure {
    /// S3's 412 or 404: the condition did not hold when this request was looked at. An earlier try of the same write may be why.
    #[error("the condition does not hold")]
    Mismatch,
    /// S3's 409: nothing was done; ask again.
    #[error("another write is going on")]
    Conflict,
    /// A time limit, a broken connection, 503: it may have happened, may yet, or may never.
    #[error("no answer")]
    Unknown,
}

/// What is asked of Redis; each is one script, and atomic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HotRequest {
    /// Prolong this process's lease, if it is there and of this term.
    Renew(Owner, Term),
    /// Make a lease of this term, if there is none of a later one.
    Grant(Owner, Term),
    /// Whether this process has a lease.
    Lease(Owner),
    /// Raise a session's fence to an epoch, and read its journal.
    Raise(SessionId, Epoch),
    /// Read a journal as it is. Nobody asks this but cores that break a rule.
    Peek(SessionId),
    /// Empty a session's journal, which goes on behind this event, if the fence is this epoch's and this is that Redis. One
    /// that this epoch seeded before and has later events stays as it is: this request was late.
    Seed(SessionId, Home, Epoch, u64),
    /// Append, if the fence is this epoch's, this is that Redis, and nothing is missing before. `None`: any Redis.
    Append(SessionId, Option<Home>, Epoch, Vec<Entry>),
    /// Forget entries up to this event: the record knows them.
    Trim(SessionId, Home, Epoch, u64),
}

/// What Redis says. Every answer comes with which Redis it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HotAnswer {
    /// The lease is held, and these processes have one.
    Held(Vec<Peer>),
    /// There is no such lease, or it is of another term.
    Lapsed,
    /// Whether there is one.
    Alive(bool),
    /// The fence is raised, and this is the journal.
    Journal(Vec<Entry>),
    /// Done.
    Done,
    /// The fence is of a later epoch.
    Fenced,
    /// It is another Redis, or has forgotten the session.
    Forgotten,
}

/// What is asked of the node's own log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LocalRequest {
    /// Append entries, and say when they survive the process.
    Append(SessionId, Vec<Entry>),
    /// All there is of a session, of any epoch.
    Read(SessionId),
}

/// What the local log says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LocalAnswer {
    /// Done.
    Appended,
    /// What there is.
    Entries(Vec<Entry>),
}

/// What is there to be told of an entry, for traces.
impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let position = self.position();
        match self.what {
            What::Plain(number) => write!(f, "{position} do {number}"),
            What::Started(key) => write!(f, "{position} start {}", key.0),
            What::Ended(key) => write!(f, "{position} end {}", key.0),
        }
    }
}
