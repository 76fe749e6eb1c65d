//! Leases and hot journals, as the decisions of `warren-ownership` ask for them. Each request is one script, and each answer
//! says which Redis it is and what its clock says.
//!
//! What the scripts do is what `warren_ownership::simulation::redis` says, and a test holds them against each other. Nothing is
//! tried twice here: the decisions are made for answers that do not come. A [`Home`] that changed means that what this Redis
//! knew may be forgotten, and an owner reads its record before the next acknowledgement; [`Hot::home`] tells without asking.
use super::connection::{Redis, Trouble};
use crate::random;
use bytes::Bytes;
use redis::{FromRedisValue, Script, Value};
use std::time::Duration;
use tokio::sync::watch;
use warren_ownership::lease::{Home, TTL, Term};
use warren_ownership::name::{Incarnation, NodeId, Owner, SessionId};
use warren_ownership::position::Epoch;

/// The largest epoch or number that a script compares exactly.
const NUMBER_MAX: u64 = 1 << 53;
/// A journal that nobody touches for this long is forgotten; what is in it is in the bucket for as long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// What a journal that is full is read at least with, in a second.
const READ_BYTES_PER_S: u64 = 16 << 20;
/// What a node says of itself begins with; what begins with something else is a newer node's.
const ABOUT: &str = "1 ";
/// Bytes of a node's address, at most.
const ADDRESS_BYTES_MAX: usize = 256;

/// The hot side of a Redis. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hot {
    redis: Redis,
    lease: Script,
    journal: Script,
    bounds: Bounds,
    home: watch::Sender<Option<Home>>,
}

/// What a session's journal holds, at most. It grows while the bucket is away, and is read in one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of its entries. Default 16 MiB.
    pub bytes: u64,
    /// Entries. Default 50,000.
    pub entries: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { bytes: 16 << 20, entries: 50_000 }
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// Which Redis gave it.
    pub home: Home,
    /// Milliseconds since 1970 by its clock.
    pub clock: u64,
    /// What it said.
    pub what: T,
}

/// What a node says of itself with its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Where other nodes reach it: no spaces, up to 256 bytes.
    pub address: String,
    /// MiB of memory it has left for sessions.
    pub free_mib: u32,
    /// It takes no more sessions.
    pub draining: bool,
}

/// What becomes of a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is held, and these processes have one; this one among them.
    Held(Vec<(Owner, About)>),
    /// There is none, or one of another term.
    Lapsed,
}

/// Whether a process has a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked(pub bool);

/// What becomes of a fence that is raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raised {
    /// It is raised, and this is the journal.
    Journal(Vec<HotEntry>),
    /// It is higher.
    Fenced,
}

/// What becomes of a change of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is made.
    Done,
    /// The fence is of a later epoch.
    Fenced,
    /// It is another Redis, or has forgotten the session, or something is missing before.
    Forgotten,
    /// The journal has no room for this: nothing was appended. It has again when it is trimmed.
    Full,
}

/// An entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotEntry {
    /// Whose.
    pub epoch: Epoch,
    /// Which.
    pub seq: u64,
    /// What.
    pub bytes: Bytes,
}

/// An answer before its kind is looked at.
struct Raw {
    kind: String,
    rest: Vec<Value>,
}

impl Hot {
    /// The hot side of a Redis.
    pub fn new(redis: Redis) -> Hot {
        Hot::bounded(redis, Bounds::default())
    }

    /// The same with other bounds of a journal.
    pub fn bounded(redis: Redis, bounds: Bounds) -> Hot {
        let home = include_str!("scripts/home.lua");
        Hot {
            redis,
            bounds,
            lease: Script::new(&format!("{home}{}", include_str!("scripts/lease.lua"))),
            journal: Script::new(&format!("{home}{}", include_str!("scripts/journal.lua"))),
            home: watch::Sender::new(None),
        }
    }

    /// The Redis that answered last, and when that changes.
    pub fn home(&self) -> watch::Receiver<Option<Home>> {
        self.home.subscribe()
    }

    /// Prolongs a process's lease by 3 s, if it is there and of this term.
    ///
    /// # Errors
    /// `Doubt`: it may have been done.
    pub async fn renew(&self, owner: Owner, term: Term, about: &About) -> Result<Answered<Held>, Trouble> {
        self.hold("renew", owner, term, about).await
    }

    /// Makes a lease of this term, if there is none of a later one.
    ///
    /// # Errors
    /// `Doubt`: it may have been done.
    pub async fn grant(&self, owner: Owner, term: Term, about: &About) -> Result<Answered<Held>, Trouble> {
        self.hold("grant", owner, term, about).await
    }

    async fn hold(&self, what: &str, owner: Owner, term: Term, about: &About) -> Result<Answered<Held>, Trouble> {
        let answer = self.ask_lease(what, owner, term, &about.encode()?).await?;
        answer.map(|raw| match raw.kind.as_str() {
            "held" => {
                // One that says of itself what is not understood is left out: that is no reason to lose a lease of ours.
                let peer =
                    |pair: &[Value]| decode_owner(&text(&pair[0]).ok()?).zip(About::decode(&text(&pair[1]).ok()?));
                let mut peers: Vec<_> = raw.rest.chunks_exact(2).filter_map(peer).collect();
                peers.sort_unstable_by_key(|(owner, _)| *owner);
                Ok(Held::Held(peers))
            }
            "lapsed" => Ok(Held::Lapsed),
            other => Err(odd_kind(other)),
        })
    }

    /// Whether a process has a lease.
    ///
    /// # Errors
    /// When it cannot be said.
    pub async fn look(&self, owner: Owner) -> Result<Answered<Looked>, Trouble> {
        self.ask_lease("look", owner, Term(0), "").await?.map(|raw| match raw.kind.as_str() {
            "alive" => Ok(Looked(true)),
            "dead" => Ok(Looked(false)),
            other => Err(odd_kind(other)),
        })
    }

    /// Raises a session's fence to an epoch, and reads its journal.
    ///
    /// # Errors
    /// `Doubt`: it may have been raised.
    pub async fn raise(&self, session: SessionId, epoch: Epoch) -> Result<Answered<Raised>, Trouble> {
        self.ask_journal("raise", session, None, epoch, &[], &[]).await?.map(|raw| match raw.kind.as_str() {
            "journal" => Ok(Raised::Journal(entries(&raw.rest)?)),
            "fenced" => Ok(Raised::Fenced),
            other => Err(odd_kind(other)),
        })
    }

    /// Reads a journal as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn peek(&self, session: SessionId) -> Result<Answered<Vec<HotEntry>>, Trouble> {
        let answer = self.ask_journal("peek", session, None, Epoch::FIRST, &[], &[]).await?;
        answer.map(|raw| entries(&raw.rest))
    }

    /// Empties a session's journal, which goes on behind `after`, if the fence is this epoch's and this is that Redis. One
    /// that this epoch seeded before and has later entries stays as it is.
    ///
    /// # Errors
    /// `Doubt`: it may have been done.
    pub async fn seed(
        &self,
        session: SessionId,
        home: Home,
        epoch: Epoch,
        after: u64,
    ) -> Result<Answered<Changed>, Trouble> {
        self.change("seed", session, Some(home), epoch, after, &[]).await
    }

    /// Appends entries, the first of them number `first`, if the fence is this epoch's, this is that Redis (`None`: any), and
    /// nothing is missing before. What is there already stays. `Full` beyond the [`Bounds`].
    ///
    /// # Errors
    /// `Doubt`: they may be there. `Hopeless` when there are none.
    pub async fn append(
        &self,
        session: SessionId,
        home: Option<Home>,
        epoch: Epoch,
        first: u64,
        entries: &[Bytes],
    ) -> Result<Answered<Changed>, Trouble> {
        if entries.is_empty() {
            return Err(Trouble::Hopeless("there is nothing to append".to_owned()));
        }
        self.change("append", session, home, epoch, first, entries).await
    }

    /// Forgets entries up to this one.
    ///
    /// # Errors
    /// `Doubt`: it may have been done.
    pub async fn trim(
        &self,
        session: SessionId,
        home: Home,
        epoch: Epoch,
        upto: u64,
    ) -> Result<Answered<Changed>, Trouble> {
        self.change("trim", session, Some(home), epoch, upto, &[]).await
    }

    async fn change(
        &self,
        what: &str,
        session: SessionId,
        home: Option<Home>,
        epoch: Epoch,
        number: u64,
        entries: &[Bytes],
    ) -> Result<Answered<Changed>, Trouble> {
        self.ask_journal(what, session, home, epoch, &[number], entries).await?.map(|raw| match raw.kind.as_str() {
            "done" => Ok(Changed::Done),
            "fenced" => Ok(Changed::Fenced),
            "forgotten" => Ok(Changed::Forgotten),
            "full" => Ok(Changed::Full),
            other => Err(odd_kind(other)),
        })
    }

    async fn ask_lease(&self, what: &str, owner: Owner, term: Term, about: &str) -> Result<Answered<Raw>, Trouble> {
        exact(term.0)?;
        let mut script = self.lease.prepare_invoke();
        script.key(self.redis.key("home")).key(self.redis.key("leases"));
        script.arg(random::hex::<16>()).arg(what).arg(encode_owner(owner)).arg(term.0).arg(TTL.0).arg(about);
        let value = self.redis.run(&script, self.redis.answer_in()).await?;
        self.answered(value)
    }

    async fn ask_journal(
        &self,
        what: &str,
        session: SessionId,
        home: Option<Home>,
        epoch: Epoch,
        numbers: &[u64],
        entries: &[Bytes],
    ) -> Result<Answered<Raw>, Trouble> {
        let mut script = self.journal.prepare_invoke();
        script.key(self.redis.key("home")).key(self.redis.key(&format!("j:{:032x}", session.0)));
        let home = home.map_or(String::new(), |home| format!("{:016x}", home.0));
        script.arg(random::hex::<16>()).arg(what).arg(KEPT.as_millis() as u64).arg(home).arg(exact(epoch.get())?);
        script.arg(self.bounds.bytes).arg(self.bounds.entries);
        for number in numbers {
            script.arg(exact(number.saturating_add(entries.len() as u64)).map(|_| *number)?);
        }
        for entry in entries {
            script.arg(entry.as_ref());
        }
        // What reads a journal has time for one that is full.
        let reads = matches!(what, "raise" | "peek");
        let more = if reads { self.bounds.bytes.saturating_mul(1000) / READ_BYTES_PER_S } else { 0 };
        let value = self.redis.run(&script, self.redis.answer_in() + Duration::from_millis(more)).await?;
        self.answered(value)
    }

    fn answered(&self, value: Value) -> Result<Answered<Raw>, Trouble> {
        let Value::Array(all) = value else { return Err(odd(&value)) };
        let [home, clock, kind, rest @ ..] = all.as_slice() else {
            return Err(Trouble::Hopeless("the Redis answered with nothing".to_owned()));
        };
        let home = Home(u64::from_str_radix(&text(home)?, 16).map_err(|_| odd(home))?);
        let clock = text(clock)?.parse().map_err(|_| odd(clock))?;
        self.home.send_if_modified(|known| {
            let before = known.replace(home);
            if before.is_some_and(|before| before != home) {
                tracing::warn!(%home, "this is another Redis, or it was emptied: owners verify their records");
            }
            before != Some(home)
        });
        Ok(Answered { home, clock, what: Raw { kind: text(kind)?, rest: rest.to_vec() } })
    }
}

impl Answered<Raw> {
    fn map<T>(self, what: impl FnOnce(Raw) -> Result<T, Trouble>) -> Result<Answered<T>, Trouble> {
        Ok(Answered { home: self.home, clock: self.clock, what: what(self.what)? })
    }
}

impl About {
    fn encode(&self) -> Result<String, Trouble> {
        let fits = !self.address.is_empty() && self.address.len() <= ADDRESS_BYTES_MAX;
        if !fits || self.address.contains(char::is_whitespace) {
            return Err(Trouble::Hopeless(format!("{:?} is no address of a node", self.address)));
        }
        Ok(format!("{ABOUT}{} {} {}", self.free_mib, u8::from(self.draining), self.address))
    }

    fn decode(text: &str) -> Option<About> {
        let (free, rest) = text.strip_prefix(ABOUT)?.split_once(' ')?;
        let (draining, address) = rest.split_once(' ')?;
        Some(About { address: address.to_owned(), free_mib: free.parse().ok()?, draining: draining == "1" })
    }
}

fn exact(number: u64) -> Result<u64, Trouble> {
    if number >= NUMBER_MAX {
        return Err(Trouble::Hopeless(format!("{number} is more than a script counts to")));
    }
    Ok(number)
}

fn encode_owner(owner: Owner) -> String {
    format!("{}-{:016x}", owner.node.0, owner.incarnation.0)
}

fn decode_owner(text: &str) -> Option<Owner> {
    let (node, incarnation) = text.split_once('-')?;
    let incarnation = u64::from_str_radix(incarnation, 16).ok()?;
    Some(Owner { node: NodeId(node.parse().ok()?), incarnation: Incarnation(incarnation) })
}

/// The epoch, the first number, the entries.
fn entries(rest: &[Value]) -> Result<Vec<HotEntry>, Trouble> {
    let [epoch, first, entries @ ..] = rest else { return Err(odd_kind("a journal without a head")) };
    let number = |value: &Value| text(value)?.parse::<u64>().map_err(|_| odd(value));
    let (epoch, first) = (number(epoch)?, number(first)?);
    let Some(epoch) = Epoch::new(epoch) else { return Ok(Vec::new()) };
    let entry = |(at, value): (usize, &Value)| match value {
        Value::BulkString(bytes) => {
            Ok(HotEntry { epoch, seq: first + at as u64, bytes: Bytes::copy_from_slice(bytes) })
        }
        other => Err(odd(other)),
    };
    entries.iter().enumerate().map(entry).collect()
}

fn text(value: &Value) -> Result<String, Trouble> {
    String::from_redis_value_ref(value).map_err(|_| odd(value))
}

fn odd(value: &Value) -> Trouble {
    Trouble::Hopeless(format!("the Redis answered with {value:?}; is its namespace used by something else?"))
}

fn odd_kind(kind: &str) -> Trouble {
    Trouble::Hopeless(format!("the Redis answered with {kind:?}; is its namespace used by something else?"))
}
