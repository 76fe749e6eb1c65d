//! The store in a bucket.
//!
//! ```text
//! call ─▶ tries (deadline, budget) ─▶ answer: done │ refused ─▶ again
//!                                            │     │ no answer ─▶ again, and then: whose write is there?
//!                                            ▼     ▼
//!                                        told  Unavailable: it may have been written
//! ```
//! **Conditions** are S3's: `If-None-Match: *` and `If-Match` on PutObject, CompleteMultipartUpload and DeleteObject. The
//! version of an object is its entity tag, which no two writes share (see the envelope).
//!
//! **A write without an answer** is tried again under the same condition. When that is refused, the object that is there says
//! whose it is: if it is this write's, the write is done; else the caller is told `Unavailable`, since it may have been written
//! before somebody else's. `Conflict` and `Missing` are only said of a write whose every try was answered. A try that is
//! given up may still arrive: nothing makes that impossible, and the condition makes it harmless but for a create after which
//! the object was deleted, which can come back. `S3Store::delete` of a key that is written again has the same flaw.
//!
//! **Small and large.** Objects above [`S3Options::multipart_bytes`] go in parts, each tried by itself; an upload that is not
//! completed is aborted, and what a killed process leaves, a rule of the bucket has to remove (`AbortIncompleteMultipartUpload`).
//!
//! Keys are `prefix + key`. In the bucket an object has [`HEAD_BYTES`] more than what was put; objects of others are not shown.
use crate::retry::{Budget, Over, Tries};
use answer::{Failed, silence};
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures_util::future::{BoxFuture, FutureExt, ready};
use std::ops::Range;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use warren_storage::store::{
    Entry, Flush, Key, OBJECT_BYTES_MAX, Object, PAGE_ENTRIES_MAX, Page, PutError, Store, StoreError, Version,
};
use write::Condition;

mod answer;
mod envelope;
mod http;
mod options;
mod write;

pub(crate) use envelope::HEAD_BYTES;
pub use options::{S3Credentials, S3OpenError, S3Options};

/// The region of services that have none.
const NO_REGION: &str = "us-east-1";
/// Objects in a bucket.
#[derive(Debug)]
pub struct S3Store {
    client: Client,
    options: S3Options,
    budget: Budget,
    turns: Semaphore,
}

impl S3Store {
    /// A store in a bucket. Asks the machine for its region if it has to; the bucket is not asked for anything.
    ///
    /// # Errors
    /// When an option is nonsense.
    pub async fn open(options: S3Options) -> Result<S3Store, S3OpenError> {
        options::check(&options)?;
        let http = http::client().map_err(|error| S3OpenError::Tls(error.to_string()))?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .retry_config(RetryConfig::disabled()) // It does not tell what may have happened; the tries here do.
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let region = options.region.clone().or_else(|| options.endpoint.is_some().then(|| NO_REGION.to_owned()));
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = &options.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(one) = &options.credentials {
            let token = one.session_token.clone();
            loader =
                loader.credentials_provider(Credentials::new(&one.access_key, &one.secret_key, token, None, "given"));
        }
        let shared = loader.load().await;
        let config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(options.path_style.unwrap_or(options.endpoint.is_some()))
            // The signature covers the bytes on their way, the envelope what is kept; not every service knows the rest.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        let turns = Semaphore::new(options.calls_max.clamp(1, Semaphore::MAX_PERMITS));
        Ok(S3Store { client: Client::from_conf(config), options, budget: Budget::default(), turns })
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.options.prefix)
    }

    /// The tries of a call that began then.
    fn tries(&self, begun: Instant, bytes: usize) -> Tries<'_> {
        Tries::since(begun, &self.budget, self.options.limits.with_bytes(bytes))
    }

    /// Waits until a call may begin; when it did, for what it has time.
    async fn turn(&self, doing: &str, name: &str) -> Result<(SemaphorePermit<'_>, Instant), StoreError> {
        let begun = Instant::now();
        match tokio::time::timeout(self.options.limits.deadline, self.turns.acquire()).await {
            Ok(turn) => Ok((turn.expect("never closed"), begun)),
            Err(_) => {
                let said = format!("{} other calls are on their way, and nothing was done", self.options.calls_max);
                Err(self.unavailable(doing, name, &said))
            }
        }
    }

    /// One error for all: which bucket, which key, what was said.
    fn unavailable(&self, doing: &str, name: &str, said: &str) -> StoreError {
        let reason = format!("cannot {doing} {name:?} in bucket {:?}: {said}", self.options.bucket);
        StoreError::Unavailable { reason }
    }

    /// Tries something that can be done again until there is an answer. A try ends by itself, in the time it is given and what
    /// its bytes take.
    async fn read<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        doing: &str,
        name: &str,
        begun: Instant,
        once: impl Fn(Duration) -> F,
    ) -> Result<Result<T, Failed>, StoreError> {
        let mut tries = self.tries(begun, 0);
        loop {
            let (said, silent) = match once(tries.attempt()).await {
                Err(Failed::Refused(said)) => (said, false),
                Err(Failed::Doubt(said)) => (said, true),
                Err(Failed::Hopeless(said)) => return Err(self.unavailable(doing, name, &said)),
                Err(Failed::Full) => return Err(StoreError::NoSpace),
                other => {
                    tries.succeeded();
                    return Ok(other);
                }
            };
            if let Err(over) = tries.pause(silent).await {
                return Err(self.unavailable(doing, name, &given_up(&said, tries.failed(), over)));
            }
        }
    }

    /// Bytes of an object as it lies there, with its tag; both ends included.
    async fn fetch(&self, name: &str, range: Option<(u64, u64)>, limit: Duration) -> Result<(Bytes, Version), Failed> {
        let mut request = self.client.get_object().bucket(&self.options.bucket).key(name);
        if let Some((first, last)) = range {
            request = request.range(format!("bytes={first}-{last}"));
        }
        let answer = within(limit, request.send()).await??;
        let tag = answer.e_tag.as_deref().map(version).ok_or_else(|| Failed::Hopeless(NO_TAG.to_owned()))?;
        let told = answer.content_range.as_deref();
        if let Some((first, _)) = range {
            part_of(told, first, answer.content_length)?;
        }
        let most = range.map_or(HEAD_BYTES + OBJECT_BYTES_MAX, |(first, last)| (last - first + 1) as usize);
        let said = answer.content_length.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let length = said.unwrap_or(0);
        if length > most {
            return Err(Failed::TooLong);
        }
        let limit = self.options.limits.with_bytes(length).attempt;
        let whole = within(limit, collect(answer.body, length, most)).await??;
        if said.is_some_and(|said| said != whole.len()) {
            return Err(Failed::Doubt(format!("{} of {length} bytes came", whole.len())));
        }
        Ok((whole, tag))
    }

    /// The head of an object.
    async fn head(&self, name: &str, begun: Instant) -> Result<Option<(Bytes, Version)>, StoreError> {
        let once = |limit| self.fetch(name, Some((0, HEAD_BYTES as u64 - 1)), limit);
        match self.read("read", name, begun, once).await? {
            Ok(found) => Ok(Some(found)),
            Err(Failed::Range) => Ok(Some((Bytes::new(), Version::new("")))), // It is empty: not ours.
            Err(Failed::NoKey) => Ok(None),
            Err(other) => Err(self.unavailable("read", name, &format!("{other}: that is no answer to a range"))),
        }
    }

    /// Pages of the service until there are entries or no more of them: objects of others are not entries, so that a page of
    /// the service may have none.
    async fn page(&self, prefix: &str, after: Option<&Key>, entries_max: usize) -> Result<Page, StoreError> {
        let (prefix, own) = (format!("{}{prefix}", self.options.prefix), self.options.prefix.len());
        let (_turn, begun) = self.turn("list", &prefix).await?;
        let start = after.map(|after| self.name(after));
        let (mut token, mut ask): (Option<String>, _) = (None, entries_max);
        loop {
            let (prefix, start, from) = (&prefix, &start, &token);
            let once = |limit| async move {
                let request = self.client.list_objects_v2().bucket(&self.options.bucket).prefix(prefix);
                let request = request.set_start_after(start.clone()).set_continuation_token(from.clone());
                Ok::<_, Failed>(within(limit, request.max_keys(ask as i32).send()).await??)
            };
            let answer = match self.read("list", prefix, begun, once).await? {
                Ok(answer) => answer,
                Err(other) => {
                    return Err(self.unavailable("list", prefix, &format!("{other}: that is no answer to a list")));
                }
            };
            let more = answer.is_truncated.unwrap_or(false);
            let entries = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let key = Key::new(object.key?.get(own..)?).ok()?;
                let bytes = u64::try_from(object.size?).ok()?.checked_sub(HEAD_BYTES as u64)?;
                let modified = object.last_modified.and_then(|at| SystemTime::try_from(at).ok());
                Some(Entry { key, bytes, modified: modified.unwrap_or(SystemTime::UNIX_EPOCH) })
            });
            let mut entries: Vec<Entry> = entries.collect();
            if !entries.is_empty() || !more {
                let more = more || entries.len() > entries_max;
                entries.truncate(entries_max);
                return Ok(Page { entries, more });
            }
            token = answer.next_continuation_token;
            let said = if token.is_none() {
                "the service says there is more, and not where; use another"
            } else if self.options.limits.deadline <= begun.elapsed() {
                "there are too many objects of others; its time is over"
            } else {
                ask = PAGE_ENTRIES_MAX;
                continue;
            };
            return Err(self.unavailable("list", prefix, said));
        }
    }

    /// The same store, but that all objects go in parts: for the probe.
    pub(crate) fn in_parts(&self) -> S3Store {
        S3Store {
            client: self.client.clone(),
            options: S3Options { multipart_bytes: 0, ..self.options.clone() },
            budget: Budget::default(),
            turns: Semaphore::new(self.options.calls_max.clamp(1, Semaphore::MAX_PERMITS)),
        }
    }
}

/// Whether what came is what was asked for, and not the whole object or another part.
fn part_of(told: Option<&str>, first: u64, length: Option<i64>) -> Result<(), Failed> {
    let parsed = told.and_then(|told| told.strip_prefix("bytes ")?.split_once('/')?.0.split_once('-'));
    let parsed = parsed.and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    match parsed {
        None => {
            Err(Failed::Hopeless("the service does not answer with the range it was asked for; use another".to_owned()))
        }
        Some((from, to)) => {
            let many = to.checked_sub(from).map(|less| less + 1);
            let fits = length.is_none_or(|length| u64::try_from(length).ok() == many);
            if from == first && many.is_some() && fits {
                return Ok(());
            }
            Err(Failed::Hopeless(format!("the service answered with {told:?} for a range from {first}; use another")))
        }
    }
}

/// A try that ends. It is on the heap: what the SDK makes of a request is large.
fn within<T>(limit: Duration, work: impl Future<Output = T>) -> impl Future<Output = Result<T, Failed>> {
    let work = Box::pin(tokio::time::timeout(limit, work));
    async move { work.await.map_err(|_| silence(limit)) }
}

/// A body of about `length` bytes, and `most` at most.
async fn collect(mut body: ByteStream, length: usize, most: usize) -> Result<Bytes, Failed> {
    let mut whole = BytesMut::with_capacity(length);
    while let Some(part) = body.next().await {
        let part = part.map_err(|error| Failed::Doubt(http::causes(&error)))?;
        if whole.len() + part.len() > most {
            return Err(Failed::TooLong);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// What a service has to say of each object.
const NO_TAG: &str = "the service sent no entity tag; use another";

/// A tag as it is compared: without its quotes, which some leave out.
fn version(tag: &str) -> Version {
    Version::new(tag.trim_matches('"'))
}

fn given_up(said: &str, failed: u32, over: Over) -> String {
    let times = if failed == 1 { "once".to_owned() } else { format!("{failed} times") };
    format!("{said}; tried {times}, and {over}")
}

impl Store for S3Store {
    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Object>, StoreError>> {
        async move {
            let name = self.name(key);
            let (_turn, begun) = self.turn("read", &name).await?;
            match self.read("read", &name, begun, |limit| self.fetch(&name, None, limit)).await? {
                Ok((found, version)) => {
                    let opened = off_thread(found.len(), move || envelope::open(&found)).await;
                    let corrupt = |reason| StoreError::Corrupt { key: key.clone(), reason };
                    Ok(Some(Object { bytes: opened.map_err(corrupt)?, version }))
                }
                Err(Failed::NoKey) => Ok(None),
                Err(Failed::TooLong) => {
                    let reason = "it is longer than what a store takes".to_owned();
                    Err(StoreError::Corrupt { key: key.clone(), reason })
                }
                Err(other) => Err(self.unavailable("read", &name, &format!("{other}: that is no answer to a read"))),
            }
        }
        .boxed()
    }

    fn get_range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Option<Bytes>, StoreError>> {
        async move {
            let name = self.name(key);
            let (_turn, begun) = self.turn("read", &name).await?;
            let end = range.end.min(OBJECT_BYTES_MAX as u64);
            if range.start >= end {
                return Ok(self.head(&name, begun).await?.map(|_| Bytes::new()));
            }
            let head = HEAD_BYTES as u64;
            let part = Some((head + range.start, head + end - 1));
            match self.read("read", &name, begun, |limit| self.fetch(&name, part, limit)).await? {
                Ok((found, _)) => Ok(Some(found)),
                Err(Failed::TooLong) => {
                    Err(self.unavailable("read", &name, "the service sent more than the range; use another"))
                }
                Err(Failed::Range) => Ok(Some(Bytes::new())),
                Err(Failed::NoKey) => Ok(None),
                Err(other) => Err(self.unavailable("read", &name, &format!("{other}: that is no answer to a read"))),
            }
        }
        .boxed()
    }

    /// Durable when it is acknowledged, whatever `flush` says: a bucket knows nothing else.
    fn put_if_absent<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        self.put(key, bytes, Condition::Absent).boxed()
    }

    fn put_if_match<'a>(
        &'a self,
        key: &'a Key,
        bytes: Bytes,
        version: &'a Version,
        _flush: Flush,
    ) -> BoxFuture<'a, Result<Version, PutError>> {
        self.put(key, bytes, Condition::Match(version)).boxed()
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        ready(Ok(())).boxed()
    }

    fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), StoreError>> {
        async move {
            let name = self.name(key);
            let (_turn, begun) = self.turn("delete", &name).await?;
            let name = &name;
            let once = |limit| async move {
                let request = self.client.delete_object().bucket(&self.options.bucket).key(name);
                within(limit, request.send()).await??;
                Ok::<_, Failed>(())
            };
            match self.read("delete", name, begun, once).await? {
                Ok(()) | Err(Failed::NoKey) => Ok(()),
                Err(other) => Err(self.unavailable("delete", name, &format!("{other}: that is no answer to a delete"))),
            }
        }
        .boxed()
    }

    fn delete_if_match<'a>(&'a self, key: &'a Key, version: &'a Version) -> BoxFuture<'a, Result<(), PutError>> {
        self.remove(key, version).boxed()
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a Key>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.page(prefix, after, limit.clamp(1, PAGE_ENTRIES_MAX)).boxed()
    }
}

/// Hashes and copies of much are not done where others wait.
async fn off_thread<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= 1 << 20 {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The process ends; who waits for this is not polled again.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
