//! Whether a store can be trusted with who owns a session. Documents do not say it: it is tried.
//!
//! Sixteen writers at a time create the same object, replace the same version, and remove it; one of them may win, and what is
//! there afterwards is what it wrote. A store that does not compare and write at once has two winners sooner or later, so each
//! race is run [`ProbeOptions::rounds`] times. All objects of a probe lie under [`PREFIX`] and are removed.
use crate::random;
use crate::s3::S3Store;
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use warren_storage::store::{Flush, Key, PutError, Store, StoreError, Version};

/// What the keys of a probe begin with.
pub const PREFIX: &str = "probe";
/// Entries of a page when a list is walked.
const PAGE: usize = 3;
/// Writers in a race.
pub const WRITERS: usize = 16;

/// How hard a store is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeOptions {
    /// How often each race is run. Default 8.
    pub rounds: usize,
}

impl Default for ProbeOptions {
    fn default() -> ProbeOptions {
        ProbeOptions { rounds: 8 }
    }
}

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// It can be reached, and lets us.
    Reach,
    /// Of many that create an object, one does.
    CreateRace,
    /// Of many that replace a version, one does.
    ReplaceRace,
    /// Of many that remove a version, one does.
    DeleteRace,
    /// A read that begins after a write was acknowledged sees it.
    ReadAfterWrite,
    /// A list that begins after a write or a delete was acknowledged sees it.
    ListAfterWrite,
    /// A range of an object is that part of it.
    RangeRead,
    /// Of many that create or replace an object in parts, one does. Only of a bucket.
    PartsRace,
}

impl Check {
    /// Those of every store, in the order they are tried.
    pub const ALL: [Check; 7] = [
        Check::Reach,
        Check::CreateRace,
        Check::ReplaceRace,
        Check::DeleteRace,
        Check::ReadAfterWrite,
        Check::ListAfterWrite,
        Check::RangeRead,
    ];
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Check::Reach => "reach",
            Check::CreateRace => "create-race",
            Check::ReplaceRace => "replace-race",
            Check::DeleteRace => "delete-race",
            Check::ReadAfterWrite => "read-after-write",
            Check::ListAfterWrite => "list-after-write",
            Check::RangeRead => "range-read",
            Check::PartsRace => "parts-race",
        })
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds as far as it was tried.
    Passed,
    /// It does not hold.
    Failed,
    /// The store did not answer, so nothing is known.
    Unknown,
    /// Not tried, since one before it did not pass.
    Skipped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
            Outcome::Skipped => "skipped",
        })
    }
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What was tried.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One for each check that is of this kind of store.
    pub rows: Vec<Row>,
}

/// Why a store is not used by more than one node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the store is not used by more than one node: {check} {outcome}: {detail}. Use a store whose conditional writes hold, or run \
     a single node"
)]
pub struct Refused {
    /// The first check that did not pass.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen.
    pub detail: String,
}

impl Report {
    /// Whether more than one node may use the store.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn judge(&self) -> Result<(), Refused> {
        match self.rows.iter().find(|row| row.outcome != Outcome::Passed) {
            None => Ok(()),
            Some(Row { check, outcome, detail }) => {
                Err(Refused { check: *check, outcome: *outcome, detail: detail.clone() })
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { check, outcome, detail } in &self.rows {
            writeln!(f, "{:<17} {:<8} {detail}", check.to_string(), outcome.to_string())?;
        }
        Ok(())
    }
}

/// Why a check did not pass.
enum Wrong {
    Failed(String),
    Unknown(StoreError),
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Wrong {
        Wrong::Unknown(error)
    }
}

impl From<PutError> for Wrong {
    fn from(error: PutError) -> Wrong {
        match error {
            PutError::Store(error) => Wrong::Unknown(error),
            other => Wrong::Failed(format!("a write whose condition holds was refused: {other}")),
        }
    }
}

fn failed(text: String) -> Wrong {
    Wrong::Failed(text)
}

/// Tries a store.
pub async fn probe(store: Arc<dyn Store>, options: ProbeOptions) -> Report {
    tried(store, None, options).await
}

/// Tries a store in a bucket: also the conditions of objects that go in parts, which a service keeps at another place than
/// those of others.
pub async fn probe_bucket(store: &Arc<S3Store>, options: ProbeOptions) -> Report {
    tried(store.clone(), Some(Arc::new(store.in_parts())), options).await
}

async fn tried(store: Arc<dyn Store>, parts: Option<Arc<dyn Store>>, options: ProbeOptions) -> Report {
    let id: u64 = u64::from_le_bytes(random::bytes());
    let checks = Check::ALL.into_iter().chain(parts.is_some().then_some(Check::PartsRace));
    let probe = Probe { store, parts, folder: format!("{PREFIX}/{id:016x}"), rounds: options.rounds.max(1) };
    let mut rows = Vec::new();
    let mut reached = true;
    for check in checks {
        if !reached {
            rows.push(Row { check, outcome: Outcome::Skipped, detail: "the store cannot be reached".to_owned() });
            continue;
        }
        let (outcome, detail) = match probe.run(check).await {
            Ok(detail) => (Outcome::Passed, detail),
            Err(Wrong::Failed(detail)) => (Outcome::Failed, detail),
            Err(Wrong::Unknown(error)) => (Outcome::Unknown, error.to_string()),
        };
        reached = check != Check::Reach || outcome == Outcome::Passed;
        rows.push(Row { check, outcome, detail });
    }
    if reached {
        probe.clean().await;
    }
    Report { rows }
}

struct Probe {
    store: Arc<dyn Store>,
    /// The same, in parts.
    parts: Option<Arc<dyn Store>>,
    folder: String,
    rounds: usize,
}

impl Probe {
    fn key(&self, name: &str) -> Key {
        Key::new(&format!("{}/{name}", self.folder)).expect("segments of letters and digits")
    }

    async fn run(&self, check: Check) -> Result<String, Wrong> {
        match check {
            Check::Reach => self.reach().await,
            Check::CreateRace => self.create_race(&self.store, "create", self.rounds).await,
            Check::ReplaceRace => self.replace_race(&self.store, "replace", self.rounds).await,
            Check::DeleteRace => self.delete_race().await,
            Check::ReadAfterWrite => self.read_after_write().await,
            Check::ListAfterWrite => self.list_after_write().await,
            Check::RangeRead => self.range_read().await,
            Check::PartsRace => self.parts_race().await,
        }
    }

    async fn reach(&self) -> Result<String, Wrong> {
        let found = self.store.get(&self.key("none")).await?;
        if found.is_some() {
            return Err(failed("an object is there that nobody wrote".to_owned()));
        }
        self.store.list(&self.folder, None, 1).await?;
        Ok("it answers reads and lists".to_owned())
    }

    /// Runs the same write by many at once; which of them were done.
    async fn race<T: Send + 'static>(
        store: &Arc<dyn Store>,
        write: impl Fn(Arc<dyn Store>, usize) -> futures_util::future::BoxFuture<'static, Result<T, PutError>>,
    ) -> Result<Vec<(usize, T)>, Wrong> {
        let tasks = (0..WRITERS).map(|writer| tokio::spawn(write(store.clone(), writer)));
        let mut winners = Vec::new();
        for (writer, done) in join_all(tasks).await.into_iter().enumerate() {
            match done.expect("a write does not panic") {
                Ok(won) => winners.push((writer, won)),
                Err(PutError::Conflict | PutError::Missing) => {}
                Err(PutError::Store(error)) => return Err(Wrong::Unknown(error)),
            }
        }
        Ok(winners)
    }

    async fn one_winner(&self, what: &str, round: usize, key: &Key, winners: &[(usize, Version)]) -> Result<(), Wrong> {
        let [(writer, version)] = winners else {
            return Err(failed(format!("round {}: {} of {WRITERS} writers {what}", round + 1, winners.len())));
        };
        match self.store.get(key).await? {
            Some(found) if found.bytes == body(*writer) && found.version == *version => Ok(()),
            _ => Err(failed(format!("round {}: what is there is not what the winner wrote", round + 1))),
        }
    }

    async fn create_race(&self, store: &Arc<dyn Store>, name: &str, rounds: usize) -> Result<String, Wrong> {
        for round in 0..rounds {
            let key = self.key(&format!("{name}-{round}"));
            let winners = Probe::race(store, |store, writer| {
                let key = key.clone();
                Box::pin(async move { store.put_if_absent(&key, body(writer), Flush::Now).await })
            });
            self.one_winner("created the same object", round, &key, &winners.await?).await?;
        }
        Ok(format!("{rounds} rounds of {WRITERS} writers, one winner each"))
    }

    async fn replace_race(&self, store: &Arc<dyn Store>, name: &str, rounds: usize) -> Result<String, Wrong> {
        let key = self.key(name);
        let mut version = store.put_if_absent(&key, Bytes::from_static(b"first"), Flush::Now).await?;
        for round in 0..rounds {
            let winners = Probe::race(store, |store, writer| {
                let (key, version) = (key.clone(), version.clone());
                Box::pin(async move { store.put_if_match(&key, body(writer), &version, Flush::Now).await })
            });
            let winners = winners.await?;
            self.one_winner("replaced the same version", round, &key, &winners).await?;
            let before = std::mem::replace(&mut version, winners[0].1.clone());
            match store.put_if_match(&key, Bytes::new(), &before, Flush::Now).await {
                Err(PutError::Conflict) => {}
                Err(PutError::Store(error)) => return Err(Wrong::Unknown(error)),
                Ok(_) => return Err(failed("a version that was replaced was written on".to_owned())),
                Err(PutError::Missing) => return Err(failed("an object that is there was missed".to_owned())),
            }
        }
        Ok(format!("{rounds} rounds of {WRITERS} writers, one winner each, old versions refused"))
    }

    /// Both races in two rounds: an object in parts is three requests.
    async fn parts_race(&self) -> Result<String, Wrong> {
        let Some(store) = &self.parts else { return Ok("there are no parts".to_owned()) };
        let rounds = self.rounds.min(2);
        self.create_race(store, "parts-create", rounds).await?;
        self.replace_race(store, "parts-replace", rounds).await
    }

    async fn delete_race(&self) -> Result<String, Wrong> {
        for round in 0..self.rounds {
            let key = self.key(&format!("delete-{round}"));
            let version = self.store.put_if_absent(&key, Bytes::from_static(b"first"), Flush::Now).await?;
            // Half of them replace what the others remove.
            let winners = Probe::race(&self.store, |store, writer| {
                let (key, version) = (key.clone(), version.clone());
                Box::pin(async move {
                    if writer % 2 == 0 {
                        return store.delete_if_match(&key, &version).await;
                    }
                    store.put_if_match(&key, body(writer), &version, Flush::Now).await.map(|_| ())
                })
            });
            let winners = winners.await?;
            let there = self.store.get(&key).await?;
            match winners.as_slice() {
                [(writer, ())] if there.is_none() == (writer % 2 == 0) => {}
                [_] => return Err(failed(format!("round {}: what is there is not what the winner did", round + 1))),
                many => {
                    let text = format!(
                        "round {}: {} of {WRITERS} removed or replaced the same version",
                        round + 1,
                        many.len()
                    );
                    return Err(failed(text));
                }
            }
        }
        Ok(format!("{} rounds of {WRITERS}, half removing and half replacing, one winner each", self.rounds))
    }

    async fn read_after_write(&self) -> Result<String, Wrong> {
        let key = self.key("read");
        let mut version = None;
        for round in 0..self.rounds * 4 {
            let bytes = body(round);
            let written = match &version {
                None => self.store.put_if_absent(&key, bytes.clone(), Flush::Now).await?,
                Some(before) => self.store.put_if_match(&key, bytes.clone(), before, Flush::Now).await?,
            };
            match self.store.get(&key).await? {
                Some(found) if found.bytes == bytes && found.version == written => {}
                _ => return Err(failed(format!("read {}: an older object was read", round + 1))),
            }
            version = Some(written);
        }
        self.store.delete(&key).await?;
        if self.store.get(&key).await?.is_some() {
            return Err(failed("an object was read after it was deleted".to_owned()));
        }
        Ok(format!("{} writes and a delete, each seen", self.rounds * 4))
    }

    async fn list_after_write(&self) -> Result<String, Wrong> {
        let mut expected = BTreeSet::new();
        let prefix = format!("{}/list-", self.folder);
        for round in 0..self.rounds * 4 {
            let key = self.key(&format!("list-{:04}", (round * 7919) % 10_000));
            if round % 3 == 2 {
                let gone = expected.pop_first().expect("more are made than removed");
                self.store.delete(&gone).await?;
            }
            self.store.put_if_absent(&key, body(round), Flush::Now).await?;
            expected.insert(key);
            let page = self.store.list(&prefix, None, 1000).await?;
            let listed: Vec<Key> = page.entries.into_iter().map(|entry| entry.key).collect();
            same_list(&format!("list {}", round + 1), &listed, &expected)?;
        }
        // The same in pages of three, each behind the last of the one before.
        let mut walked: Vec<Key> = Vec::new();
        loop {
            let page = self.store.list(&prefix, walked.last(), PAGE).await?;
            if page.entries.len() > PAGE || (page.entries.is_empty() && page.more) {
                let text = format!("a page of {PAGE} has {} and says there are more", page.entries.len());
                return Err(failed(text));
            }
            let more = page.more;
            walked.extend(page.entries.into_iter().map(|entry| entry.key));
            if !more || walked.len() > expected.len() {
                break;
            }
        }
        same_list("in pages", &walked, &expected)?;
        Ok(format!("{} writes with deletes between, each seen in order, and in pages of {PAGE}", self.rounds * 4))
    }

    async fn range_read(&self) -> Result<String, Wrong> {
        let key = self.key("range");
        let bytes: Bytes = (0..100_000u32).map(|at| (at % 251) as u8).collect();
        self.store.put_if_absent(&key, bytes.clone(), Flush::Now).await?;
        for range in [0..1u64, 99_999..100_000, 65_530..65_550, 0..100_000, 99_990..200_000, 100_000..100_001] {
            let expected = bytes.slice((range.start as usize).min(bytes.len())..(range.end as usize).min(bytes.len()));
            if self.store.get_range(&key, range.clone()).await? != Some(expected) {
                return Err(failed(format!("bytes {} to {} are not those of the object", range.start, range.end)));
            }
        }
        Ok("6 ranges".to_owned())
    }

    /// What cannot be removed now is found under [`PREFIX`] by who looks.
    async fn clean(&self) {
        let folder = format!("{}/", self.folder);
        while let Ok(page) = self.store.list(&folder, None, 1000).await {
            let removed = join_all(page.entries.iter().map(|entry| self.store.delete(&entry.key))).await;
            if page.entries.is_empty() || removed.iter().any(Result::is_err) {
                return;
            }
        }
    }
}

fn same_list(what: &str, listed: &[Key], expected: &BTreeSet<Key>) -> Result<(), Wrong> {
    if listed.iter().eq(expected) {
        return Ok(());
    }
    Err(failed(format!("{what}: {} listed, or not in order; {} are there", listed.len(), expected.len())))
}

/// What a writer writes: nobody else's.
fn body(writer: usize) -> Bytes {
    Bytes::from(format!("writer {writer}"))
}
