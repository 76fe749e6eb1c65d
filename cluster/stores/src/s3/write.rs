//! Conditional writes, whole and in parts, and what became of one that had no answer.
use super::answer::Failed;
use super::envelope::{Sealed, WriteId, write_of};
use super::{HEAD_BYTES, NO_TAG, S3Store, given_up, off_thread, version, within};
use crate::random;
use crate::retry::{Over, Tries};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use std::time::Instant;
use tokio::sync::SemaphorePermit;
use warren_storage::store::{Key, OBJECT_BYTES_MAX, PutError, StoreError, Version};

/// Parts on their way at a time.
const PARTS_AT_ONCE: usize = 4;

/// What a write demands of what is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition<'a> {
    Absent,
    Match(&'a Version),
}

impl Condition<'_> {
    fn if_none_match(self) -> Option<String> {
        matches!(self, Condition::Absent).then(|| "*".to_owned())
    }

    fn if_match(self) -> Option<String> {
        match self {
            Condition::Absent => None,
            Condition::Match(version) => Some(quoted(version)),
        }
    }
}

/// A tag as it is sent.
fn quoted(version: &Version) -> String {
    // What is no tag matches none; it must not end the header.
    let tag: String = version.as_str().chars().filter(|char| char.is_ascii_graphic() && *char != '"').collect();
    format!("\"{tag}\"")
}

/// Whose the object is that is there.
enum Whose {
    Ours(Version),
    Others,
    Nobodys,
}

impl S3Store {
    pub(super) async fn put(&self, key: &Key, bytes: Bytes, condition: Condition<'_>) -> Result<Version, PutError> {
        if bytes.len() > OBJECT_BYTES_MAX {
            return Err(StoreError::TooLarge { key: key.clone(), bytes: bytes.len() }.into());
        }
        let name = self.name(key);
        let (_turn, begun) = self.turn("write", &name).await?;
        let mut tries = self.tries(begun, bytes.len());
        let id = WriteId(random::bytes());
        let sealed = off_thread(bytes.len(), move || Sealed::new(id, bytes)).await;
        // Whether there was a try that may have been done, unknown to us.
        let mut doubt = false;
        loop {
            let failed = match self.put_once(&name, &sealed, condition, &tries).await {
                Ok(version) => {
                    tries.succeeded();
                    return Ok(version);
                }
                Err(failed) => failed,
            };
            let (said, silent) = match failed {
                Failed::Condition | Failed::NoKey | Failed::NoUpload if doubt => {
                    return self.resolve(&name, sealed.id(), begun).await;
                }
                Failed::Condition => return Err(PutError::Conflict),
                Failed::NoKey if matches!(condition, Condition::Match(_)) => return Err(PutError::Missing),
                // Somebody gave up our upload; it was not completed, or that would have been answered.
                Failed::NoUpload => ("the upload in parts was aborted".to_owned(), false),
                Failed::Refused(said) => (said, false),
                Failed::Doubt(said) => {
                    doubt = true;
                    (said, true)
                }
                Failed::Full if !doubt => return Err(StoreError::NoSpace.into()),
                Failed::Hopeless(said) => return Err(self.not_put(&name, &said, doubt).into()),
                other => return Err(self.not_put(&name, &other.to_string(), doubt).into()),
            };
            if let Err(over) = tries.pause(silent).await {
                let said = given_up(&said, tries.failed(), over);
                if doubt && over == Over::Budget {
                    // There is time left to look.
                    if let Ok(Whose::Ours(version)) = self.whose(&name, sealed.id(), begun).await {
                        return Ok(version);
                    }
                }
                return Err(self.not_put(&name, &said, doubt).into());
            }
        }
    }

    /// A later try was refused: an earlier one, which had no answer, may be why.
    async fn resolve(&self, name: &str, id: WriteId, begun: Instant) -> Result<Version, PutError> {
        match self.whose(name, id, begun).await {
            Err(error) => Err(self.not_put(name, &error.to_string(), true).into()),
            Ok(Whose::Ours(version)) => Ok(version),
            Ok(Whose::Others) => Err(self.not_put(name, "somebody else's write is there now", true).into()),
            Ok(Whose::Nobodys) => Err(self.not_put(name, "nothing is there now", true).into()),
        }
    }

    async fn whose(&self, name: &str, id: WriteId, begun: Instant) -> Result<Whose, StoreError> {
        Ok(match self.head(name, begun).await? {
            Some((head, version)) if write_of(&head) == Some(id) => Whose::Ours(version),
            Some(_) => Whose::Others,
            None => Whose::Nobodys,
        })
    }

    fn not_put(&self, name: &str, said: &str, doubt: bool) -> StoreError {
        let became = if doubt {
            "whether it was written is not known: read it before writing again"
        } else {
            "nothing was written"
        };
        self.unavailable("write", name, &format!("{said}; {became}"))
    }

    async fn put_once(
        &self,
        name: &str,
        sealed: &Sealed,
        condition: Condition<'_>,
        tries: &Tries<'_>,
    ) -> Result<Version, Failed> {
        if sealed.len() - HEAD_BYTES > self.options.multipart_bytes || self.options.multipart_bytes == 0 {
            return self.put_parts(name, sealed, condition, tries).await;
        }
        let (copy, attempt) = (sealed.clone(), tries.failed());
        let body = off_thread(sealed.len(), move || copy.part(attempt, 0, copy.len())).await;
        let request = self.client.put_object().bucket(&self.options.bucket).key(name).body(ByteStream::from(body));
        let request = request.set_if_none_match(condition.if_none_match()).set_if_match(condition.if_match());
        let answer = within(tries.attempt(), request.send()).await??;
        answer.e_tag.as_deref().map(version).ok_or_else(|| Failed::Hopeless(NO_TAG.to_owned()))
    }

    /// All of it in parts. Until the last request nothing is there, so nothing before it leaves a doubt.
    async fn put_parts(
        &self,
        name: &str,
        sealed: &Sealed,
        condition: Condition<'_>,
        tries: &Tries<'_>,
    ) -> Result<Version, Failed> {
        let begin = || self.client.create_multipart_upload().bucket(&self.options.bucket).key(name);
        let begun = self.step(tries, 0, || async { Ok(begin().send().await?) }).await?;
        let id =
            begun.upload_id.ok_or_else(|| Failed::Hopeless("the service named no upload; use another".to_owned()))?;
        let mut upload = Upload { client: &self.client, bucket: &self.options.bucket, name, id: Some(id.clone()) };
        let size = self.options.part_bytes;
        // A part beside another takes a turn of its own, if there is one now: this call has one, and waits for no more.
        let beside = (0..PARTS_AT_ONCE as u32).rev().find_map(|many| self.turns.try_acquire_many(many).ok());
        let at_once = 1 + beside.as_ref().map_or(0, SemaphorePermit::num_permits);
        let parts = (0..sealed.len().div_ceil(size)).map(|number| {
            let id = &id;
            async move {
                let (copy, attempt) = (sealed.clone(), tries.failed());
                let bytes = off_thread(size, move || copy.part(attempt, number, size)).await;
                let number = i32::try_from(number + 1).expect("few parts");
                let send = || {
                    let request = self.client.upload_part().bucket(&self.options.bucket).key(name).upload_id(id);
                    request.part_number(number).body(ByteStream::from(bytes.clone()))
                };
                let done = self.step(tries, bytes.len() * at_once, || async { Ok(send().send().await?) }).await?;
                Ok::<_, Failed>(CompletedPart::builder().part_number(number).set_e_tag(done.e_tag).build())
            }
        });
        let parts: Vec<_> = stream::iter(parts).buffered(at_once).try_collect().await?;
        drop(beside);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.options.bucket).key(name).upload_id(&id);
        let request = request.multipart_upload(parts);
        let request = request.set_if_none_match(condition.if_none_match()).set_if_match(condition.if_match());
        let answer = within(tries.attempt(), request.send()).await??;
        upload.id = None;
        answer.e_tag.as_deref().map(version).ok_or_else(|| Failed::Hopeless(NO_TAG.to_owned()))
    }

    /// Part of an upload, tried a few times by itself, each in the time that `bytes` take. That it had no answer says nothing of
    /// the object.
    async fn step<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        tries: &Tries<'_>,
        bytes: usize,
        once: impl Fn() -> F,
    ) -> Result<T, Failed> {
        let limits = crate::retry::Limits { deadline: tries.attempt(), ..self.options.limits.with_bytes(bytes) };
        let mut own = Tries::new(&self.budget, limits);
        loop {
            let done = within(own.attempt(), once()).await.and_then(|done| done);
            let (said, silent) = match done {
                Err(Failed::Refused(said)) => (said, false),
                Err(Failed::Doubt(said)) => (said, true),
                other => return other,
            };
            if own.pause(silent).await.is_err() {
                return Err(Failed::Refused(said));
            }
        }
    }

    /// Not all services tell a version that is not there from one that is another's, so that is looked at first. The delete
    /// itself is conditional: what is written between is not removed.
    pub(super) async fn remove(&self, key: &Key, wanted: &Version) -> Result<(), PutError> {
        let name = self.name(key);
        let (_turn, begun) = self.turn("delete", &name).await?;
        match self.head(&name, begun).await? {
            None => return Err(PutError::Missing),
            Some((_, there)) if there != *wanted => return Err(PutError::Conflict),
            Some(_) => {}
        }
        let mut tries = self.tries(begun, 0);
        let mut doubt = false;
        loop {
            let request = self.client.delete_object().bucket(&self.options.bucket).key(&name).if_match(quoted(wanted));
            let done = within(tries.attempt(), request.send()).await;
            let failed = match done.and_then(|answer| answer.map_err(Failed::from)) {
                Ok(_) => {
                    tries.succeeded();
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let not_known = "whether it was removed is not known: read it before writing again";
            let (said, silent) = match failed {
                Failed::Condition if !doubt => return Err(PutError::Conflict),
                Failed::NoKey if !doubt => return Err(PutError::Missing),
                Failed::Condition | Failed::NoKey => {
                    return Err(self.unavailable("delete", &name, &format!("it is gone; {not_known}")).into());
                }
                Failed::Refused(said) => (said, false),
                Failed::Doubt(said) => {
                    doubt = true;
                    (said, true)
                }
                Failed::Hopeless(said) => return Err(self.unavailable("delete", &name, &said).into()),
                other => return Err(self.unavailable("delete", &name, &other.to_string()).into()),
            };
            if let Err(over) = tries.pause(silent).await {
                let became = if doubt { not_known } else { "nothing was removed" };
                let said = format!("{}; {became}", given_up(&said, tries.failed(), over));
                return Err(self.unavailable("delete", &name, &said).into());
            }
        }
    }
}

/// An upload in parts that is aborted unless it was completed, also when its caller went away.
struct Upload<'a> {
    client: &'a Client,
    bucket: &'a str,
    name: &'a str,
    id: Option<String>,
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let request = self.client.abort_multipart_upload().bucket(self.bucket).key(self.name).upload_id(id);
        let name = self.name.to_owned();
        runtime.spawn(async move {
            let limit = std::time::Duration::from_secs(10);
            let aborted = tokio::time::timeout(limit, request.send()).await;
            if !matches!(aborted, Ok(Ok(_))) {
                tracing::debug!(name, "an upload in parts was left to the bucket's rule");
            }
        });
    }
}
