//! What is asked in S3's words, done on [`Objects`].
use crate::objects::{Condition, Held, Objects, Refusal};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput, CompleteMultipartUploadOutput,
    CreateBucketInput, CreateBucketOutput, CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput,
    DeleteObjectOutput, ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, Object, PutObjectInput,
    PutObjectOutput, StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
};
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use std::sync::Arc;

/// Changes that this request's list does not know of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind(pub usize);

/// What is done wrong with this request's range.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ranges {
    Ignored,
    Shifted,
}

#[derive(Clone, Debug)]
pub(crate) struct Service(pub Arc<Objects>);

impl From<Refusal> for S3Error {
    fn from(refusal: Refusal) -> S3Error {
        match refusal {
            Refusal::NoBucket => s3_error!(NoSuchBucket, "The specified bucket does not exist"),
            Refusal::NoKey => s3_error!(NoSuchKey, "The specified key does not exist."),
            Refusal::Condition => {
                s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
            }
            Refusal::NoUpload => s3_error!(NoSuchUpload, "The specified upload does not exist."),
            Refusal::InvalidPart => s3_error!(InvalidPart, "One or more of the specified parts could not be found."),
            Refusal::Folder(reason) => S3Error::with_message(S3ErrorCode::InternalError, reason),
        }
    }
}

#[async_trait]
impl S3 for Service {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.0.create_bucket(&req.input.bucket);
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        if !self.0.has_bucket(&req.input.bucket) {
            return Err(Refusal::NoBucket.into());
        }
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        let condition = condition(input.if_match, input.if_none_match)?;
        let bytes = collect(input.body).await?;
        let tag = self.0.put(&input.bucket, &input.key, bytes, &condition).await?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(ETag::Strong(tag)), ..PutObjectOutput::default() }))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let ranges = req.extensions.get::<Ranges>().copied();
        let input = req.input;
        let held = self.0.get(&input.bucket, &input.key)?.ok_or(Refusal::NoKey)?;
        let length = held.bytes.len() as u64;
        let wanted = input.range.filter(|_| !matches!(ranges, Some(Ranges::Ignored)));
        let (bytes, content_range) = match wanted {
            None => (held.bytes.clone(), None),
            Some(range) => {
                let mut part = range.check(length)?;
                if matches!(ranges, Some(Ranges::Shifted)) && part.start + 1 < part.end {
                    part.start += 1;
                }
                let told = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                (held.bytes.slice(part.start as usize..part.end as usize), Some(told))
            }
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::from(Body::from(bytes))),
            content_range,
            e_tag: Some(ETag::Strong(held.tag)),
            last_modified: Some(Timestamp::from(held.modified)),
            accept_ranges: Some("bytes".to_owned()),
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let held = self.0.get(&req.input.bucket, &req.input.key)?.ok_or(Refusal::NoKey)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(held.bytes.len() as i64),
            e_tag: Some(ETag::Strong(held.tag)),
            last_modified: Some(Timestamp::from(held.modified)),
            ..HeadObjectOutput::default()
        }))
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        self.0.delete(&input.bucket, &input.key, &condition(input.if_match, None)?).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        let behind = req.extensions.get::<Behind>().map_or(0, |behind| behind.0);
        let input = req.input;
        if input.delimiter.is_some() {
            return Err(s3_error!(NotImplemented, "lists with a delimiter"));
        }
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.continuation_token.clone().or_else(|| input.start_after.clone()).unwrap_or_default();
        let limit = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        let (found, more) = self.0.list(&input.bucket, &prefix, &after, limit as usize, behind)?;
        let next = more.then(|| found.last().map(|(key, _)| key.clone())).flatten();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            key_count: Some(found.len() as i32),
            is_truncated: Some(more),
            contents: Some(found.into_iter().map(listed).collect()),
            next_continuation_token: next,
            max_keys: Some(limit),
            prefix: input.prefix,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        let upload = self.0.begin_upload(&input.bucket, &input.key)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = req.input;
        let bytes = collect(input.body).await?;
        let tag = self.0.put_part(&input.bucket, &input.key, &input.upload_id, input.part_number, bytes)?;
        Ok(S3Response::new(UploadPartOutput { e_tag: Some(ETag::Strong(tag)), ..UploadPartOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let condition = condition(input.if_match, input.if_none_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let parts: Option<Vec<_>> =
            parts.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value()))).collect();
        let parts = parts.ok_or(Refusal::InvalidPart)?;
        let done = self.0.complete_upload(&input.bucket, &input.key, &input.upload_id, &parts, &condition).await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(done)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        if !self.0.abort_upload(&req.input.bucket, &req.input.upload_id) {
            return Err(Refusal::NoUpload.into());
        }
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn condition(matching: Option<ETagCondition>, absent: Option<ETagCondition>) -> S3Result<Condition> {
    match (matching, absent) {
        (None, None) => Ok(Condition::None),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Condition::Tag(tag.into_value())),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        _ => Err(s3_error!(NotImplemented, "this combination of If-Match and If-None-Match")),
    }
}

async fn collect(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let whole = body.try_fold(BytesMut::new(), async |mut whole, part| {
        whole.extend_from_slice(&part);
        Ok(whole)
    });
    match whole.await {
        Ok(whole) => Ok(whole.freeze()),
        Err(error) => Err(S3Error::with_message(S3ErrorCode::IncompleteBody, error.to_string())),
    }
}

fn listed((key, held): (String, Held)) -> Object {
    Object {
        key: Some(key),
        size: Some(held.bytes.len() as i64),
        e_tag: Some(ETag::Strong(held.tag)),
        last_modified: Some(Timestamp::from(held.modified)),
        ..Object::default()
    }
}
