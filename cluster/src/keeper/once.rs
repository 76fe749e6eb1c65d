//! Requests that are done at most once: what was answered is kept under the key its client chose.
//!
//! ```text
//! begin ─▶ nothing there: a note that it begins, durable ─▶ done ─▶ done(answer): the answer, sealed, in its place
//!       └▶ an answer: the same again      └▶ a note and nobody at it: the server stopped in between, nobody knows
//! ```
//! A note is written before the request is done, so a server that dies in between never does it twice.

use super::{Shared, lock};
use crate::envelope::Kind;
use crate::record::places;
use crate::store::{Flush, Key, PutError, Version};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::OnceCell;
use warren_kernel::host::Timestamp;
use warren_session::durability::DurabilityError;
use warren_session::id::{CommandKey, TenantId};

/// How long an answer is kept.
pub const KEPT_FOR: Duration = Duration::from_secs(24 * 3600);
/// Requests with a key that are remembered of one tenant, at most: about one in a second. More are refused until the oldest
/// are forgotten.
pub const NOTES_MAX: usize = 100_000;
/// Bytes of an answer that is kept, at most.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;
const NOTE: Kind = Kind { magic: *b"WRNO", version: 1, name: "request", bytes_max: ANSWER_BYTES_MAX + 64 * 1024 };

/// Answers by key. Cheap to clone.
#[derive(Clone)]
pub struct Once {
    shared: Arc<Shared>,
    running: Arc<Mutex<HashSet<Key>>>,
    notes_max: usize,
    /// Of tenants who have used keys since the server began.
    counts: Arc<Mutex<HashMap<TenantId, Arc<Count>>>>,
}

/// How many requests of a tenant are remembered. Exact after each sweep.
#[derive(Debug, Default)]
struct Count(OnceCell<AtomicUsize>);

/// Whose key it is: the same text of another caller is another key.
#[derive(Clone, Debug)]
pub struct Whose {
    /// The tenant; its key seals the answer.
    pub tenant: TenantId,
    /// Which caller of the tenant.
    pub caller: String,
    /// What the client calls the request.
    pub key: CommandKey,
    /// A hash of all that the request says.
    pub request: [u8; 32],
}

/// An answer, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its media type.
    pub media: Option<String>,
    /// Its body.
    pub body: Bytes,
}

/// What a request with a key is.
#[derive(Debug)]
pub enum Begun {
    /// New: to be done now.
    New(Ticket),
    /// Done: this was the answer.
    Done(Answered),
    /// Being done by another call.
    Running,
    /// Another request has this key.
    Reused,
    /// As many requests of the tenant are remembered as may be.
    Full,
    /// It began, and whether it was done nobody can say: the server stopped in between, or failed.
    Unknown,
}

/// The right to do a request. When it is dropped without an answer, nobody can say what was done.
#[derive(Debug)]
#[must_use = "the answer is to be kept, or the key freed"]
pub struct Ticket {
    once: Once,
    place: Key,
    whose: Whose,
    began: Timestamp,
    version: Version,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    request: [u8; 32],
    began: Timestamp,
    /// An [`Answered`].
    answer: Option<Bytes>,
}

impl Once {
    pub(super) fn new(shared: Arc<Shared>) -> Once {
        Once { shared, running: Arc::default(), notes_max: NOTES_MAX, counts: Arc::default() }
    }

    /// Looks what a request is, and if it is new notes that it begins.
    ///
    /// # Errors
    /// Those of the store; the request is not to be done then.
    pub async fn begin(&self, whose: Whose) -> Result<Begun, DurabilityError> {
        let place = place(&whose);
        if !lock(&self.running).insert(place.clone()) {
            return Ok(Begun::Running);
        }
        // From here on the place is freed whatever happens.
        let began = self.shared.host.realtime();
        let mut ticket = Ticket { once: self.clone(), place, whose, began, version: Version::new("") };
        let store = &self.shared.store;
        let note = NOTE.encode(&Note { request: ticket.whose.request, began, answer: None });
        let found = store.get(&ticket.place).await.map_err(super::unavailable_store)?;
        let written = match found {
            None => {
                let count = self.count(&ticket.whose.tenant).await?;
                if count.fetch_add(1, Ordering::Relaxed) >= self.notes_max {
                    count.fetch_sub(1, Ordering::Relaxed);
                    return Ok(Begun::Full);
                }
                store.put_if_absent(&ticket.place, note.into(), Flush::Now).await
            }
            Some(found) => {
                let old: Note = NOTE.decode(&found.bytes).map_err(|error| super::unavailable(&error))?;
                if began.0.saturating_sub(old.began.0) < KEPT_FOR.as_nanos() as i64 {
                    return self.again(&ticket, &old).await;
                }
                store.put_if_match(&ticket.place, note.into(), &found.version, Flush::Now).await
            }
        };
        match written {
            Ok(version) => {
                ticket.version = version;
                Ok(Begun::New(ticket))
            }
            Err(PutError::Conflict | PutError::Missing) => Ok(Begun::Running),
            Err(PutError::Store(error)) => Err(super::unavailable_store(error)),
        }
    }

    async fn again(&self, ticket: &Ticket, old: &Note) -> Result<Begun, DurabilityError> {
        if old.request != ticket.whose.request {
            return Ok(Begun::Reused);
        }
        let Some(sealed) = &old.answer else { return Ok(Begun::Unknown) };
        let keys = self.shared.tenant(&ticket.whose.tenant).await?.keys;
        let plain = keys.open(ticket.place.as_str().as_bytes(), sealed).map_err(|error| super::unavailable(&error))?;
        let answer = crate::envelope::from_slice(&plain).map_err(DurabilityError::Unavailable)?;
        Ok(Begun::Done(answer))
    }

    /// How many requests of a tenant are remembered; looked up once.
    async fn count(&self, tenant: &TenantId) -> Result<CountOf, DurabilityError> {
        let count = lock(&self.counts).entry(tenant.clone()).or_default().clone();
        count.0.get_or_try_init(|| async { self.look(tenant).await.map(AtomicUsize::new) }).await?;
        Ok(CountOf(count))
    }

    async fn look(&self, tenant: &TenantId) -> Result<usize, DurabilityError> {
        let (prefix, mut count, mut after) = (format!("{PLACE}{tenant}/"), 0, None);
        loop {
            let page = self.shared.store.list(&prefix, after.as_ref(), PAGE).await.map_err(super::unavailable_store)?;
            count += page.entries.len();
            match page.entries.last() {
                Some(last) if page.more && count < self.notes_max => after = Some(last.key.clone()),
                _ => return Ok(count),
            }
        }
    }

    /// Deletes what is kept no longer. Looks at every note's age, and into those that are old enough.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn sweep(&self) -> Result<usize, DurabilityError> {
        let (mut deleted, mut after) = (0, None);
        let mut left: HashMap<String, usize> = HashMap::new();
        let now = self.shared.host.realtime();
        let kept = i64::try_from(KEPT_FOR.as_nanos()).unwrap_or(i64::MAX);
        loop {
            let page = self.shared.store.list(PLACE, after.as_ref(), PAGE).await.map_err(super::unavailable_store)?;
            for entry in &page.entries {
                let tenant = entry.key.as_str()[PLACE.len()..].split('/').next().unwrap_or_default();
                *left.entry(tenant.to_owned()).or_default() += 1;
                // It began before it was written last.
                let written = entry.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                if now.0.saturating_sub(i64::try_from(written.as_nanos()).unwrap_or(i64::MAX)) < kept {
                    continue;
                }
                let Some(found) = self.shared.store.get(&entry.key).await.map_err(super::unavailable_store)? else {
                    continue;
                };
                let old = NOTE
                    .decode::<Note>(&found.bytes)
                    .is_ok_and(|note| now.0.saturating_sub(note.began.0) < kept || note.began > now);
                if !old && self.shared.store.delete_if_match(&entry.key, &found.version).await.is_ok() {
                    deleted += 1;
                    left.entry(tenant.to_owned()).and_modify(|count| *count -= 1);
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => break,
            }
        }
        for (tenant, count) in lock(&self.counts).iter() {
            if let Some(known) = count.0.get() {
                known.store(left.get(tenant.as_str()).copied().unwrap_or_default(), Ordering::Relaxed);
            }
        }
        Ok(deleted)
    }

    /// The same with another bound than [`NOTES_MAX`], for tests.
    #[must_use]
    pub fn with_notes_max(self, notes_max: usize) -> Once {
        Once { notes_max, ..self }
    }
}

/// The count of one tenant, once it is known.
struct CountOf(Arc<Count>);

impl std::ops::Deref for CountOf {
    type Target = AtomicUsize;

    fn deref(&self) -> &AtomicUsize {
        self.0.0.get().expect("it was looked up")
    }
}

impl Ticket {
    /// The request was done, and this is the answer.
    ///
    /// # Errors
    /// Those of the store: the answer may not be there the next time.
    pub async fn done(self, answer: &Answered) -> Result<(), DurabilityError> {
        let shared = self.once.shared.clone();
        let keys = shared.tenant(&self.whose.tenant).await?.keys;
        let mut plain = Vec::with_capacity(answer.body.len() + 64);
        crate::envelope::to_vec(answer, &mut plain);
        let sealed = keys.seal(self.place.as_str().as_bytes(), &plain);
        let note = NOTE.encode(&Note { request: self.whose.request, began: self.began, answer: Some(sealed) });
        let written = shared.store.put_if_match(&self.place, note.into(), &self.version, Flush::Now).await;
        match written {
            Ok(_) | Err(PutError::Conflict | PutError::Missing) => Ok(()),
            Err(PutError::Store(error)) => Err(super::unavailable_store(error)),
        }
    }

    /// The request was refused and changed nothing: its key is free.
    ///
    /// # Errors
    /// Those of the store: the key may stay taken.
    pub async fn free(self) -> Result<(), DurabilityError> {
        match self.once.shared.store.delete_if_match(&self.place, &self.version).await {
            Ok(()) | Err(PutError::Conflict | PutError::Missing) => {
                let count = self.once.count(&self.whose.tenant).await?;
                let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
                Ok(())
            }
            Err(PutError::Store(error)) => Err(super::unavailable_store(error)),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.once.running).remove(&self.place);
    }
}

impl std::fmt::Debug for Once {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Once")
    }
}

const PLACE: &str = "_once/";
/// Notes that are listed at once.
const PAGE: usize = 1000;

fn place(whose: &Whose) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key("warren 2026 request keys v1");
    for part in [&whose.caller, whose.key.as_str()] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let text = format!("{PLACE}{}/{}", whose.tenant, hasher.finalize().to_hex());
    places::request(text)
}
