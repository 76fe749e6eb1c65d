//! Files of a session: raw bytes in and out, in parts, with bounded memory.

mod batch;
mod read;
mod watch;

pub(crate) use batch::batch;
pub(crate) use read::read;
pub(crate) use watch::{Told, watch};

use super::App;
use super::body;
use super::openapi::{As, Created, FileBytes, FileHead, HeaderNames, Headers, NoContent};
use super::problem::Problem;
use super::request::{self, FilePath, Query, Target};
use super::sessions::page;
use super::view::{self, FileView, Listing};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, RANGE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use serde::Deserialize;
use std::borrow::Cow;
use std::io;
use std::ops::Range;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{Ref, RefOr, Required, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use warren_kernel::Errno;
use warren_kernel::vfs::FileKind;
use warren_session::command::{FileInfo, WriteOptions};
use warren_session::{SessionError, SessionHandle};

/// Bytes that are read at a time.
const PART: u64 = 256 * 1024;
const KIND: HeaderName = HeaderName::from_static("warren-kind");
const MODE: HeaderName = HeaderName::from_static("warren-mode");

/// Which part of a directory.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct GetAsked {
    /// Of a directory: entries behind this name.
    after: Option<String>,
    /// Of a directory: how many entries.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Attributes as JSON instead of the bytes.
    stat: Option<bool>,
}

/// How a file is written.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutAsked {
    /// Permission bits in octal, of a new file.
    #[param(pattern = "^[0-7]{1,4}$")]
    mode: Option<String>,
    /// Makes directories on the way.
    parents: Option<bool>,
    /// Written behind what is there, rather than in its place.
    append: Option<bool>,
}

/// How a file is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteAsked {
    /// A directory with all in it.
    recursive: Option<bool>,
}

/// What is done with a file.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Change {
    /// A directory is made.
    Mkdir { parents: Option<String> },
    /// It gets another path.
    Rename { to: String },
}

/// Which bytes of a file.
pub(crate) struct Part;

impl HeaderNames for Part {
    const NAMES: &[(&str, &str)] = &[("range", "Some of the bytes: `bytes=0-99`.")];
}

/// When a file is not written.
pub(crate) struct Condition;

impl HeaderNames for Condition {
    const NAMES: &[(&str, &str)] = &[("if-none-match", "`*` does not replace a file that is there.")];
}

/// What JSON says of a path: a file's attributes, or a directory's entries.
pub(crate) struct Shown;

impl PartialSchema for Shown {
    fn schema() -> RefOr<Schema> {
        let either = [FileView::name(), Listing::<FileView>::name()].map(Ref::from_schema_name);
        RefOr::T(either.into_iter().fold(OneOfBuilder::new(), OneOfBuilder::item).build().into())
    }
}

impl ToSchema for Shown {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FileOrList")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Listing::<FileView>::name().into_owned(), Listing::<FileView>::schema()));
        Listing::<FileView>::schemas(schemas);
    }
}

impl IntoParams for Change {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let parameter = |name: &str, about: &str, schema: ObjectBuilder| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            parameter.description(Some(about)).schema(Some(schema))
        };
        let op = parameter("op", "What is done.", text().enum_values(Some(["mkdir", "rename"])));
        let parents = text().enum_values(Some(["true", "false"]));
        vec![
            op.required(Required::True).build(),
            parameter("parents", "With `mkdir`: makes directories on the way.", parents).build(),
            parameter("to", "With `rename`: its new path, absolute.", text()).build(),
        ]
    }
}

/// `GET .../files/{path}`: a file's bytes, or a directory's entries.
pub(crate) async fn get(
    State(app): State<App>,
    target: Target,
    FilePath(path): FilePath,
    Headers(headers, _): Headers<Part>,
    Query(asked): Query<GetAsked>,
) -> Result<As<(FileBytes, axum::Json<Shown>)>, Problem> {
    let limit = page(asked.limit)?;
    let session = target.wake(&app).await?;
    if asked.stat.unwrap_or(false) {
        return Ok(axum::Json(FileView::from(session.stat(&path).await?)).into_response().into());
    }
    let info = follow(&session, &path).await?;
    match info.kind {
        FileKind::Directory => {
            let mut entries = session.list_directory(&path, asked.after.as_deref(), limit + 1).await?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let next = entries.last().filter(|_| more).map(|last| last.name.clone());
            let entries = entries.into_iter().map(FileView::from).collect();
            Ok(axum::Json(Listing::part(entries, next)).into_response().into())
        }
        FileKind::Regular => content(session, path, &info, &headers).await.map(As::from),
        _ => Err(Problem::new(
            StatusCode::CONFLICT,
            "not_a_file",
            format!("{path} is a {}, and has no bytes to send", view::kind(info.kind)),
            "add ?stat=true for its attributes",
        )),
    }
}

/// The attributes of what a path leads to.
async fn follow(session: &SessionHandle, path: &str) -> Result<FileInfo, SessionError> {
    /// As many as Linux follows.
    const LINKS_MAX: usize = 40;
    let mut place = path.to_owned();
    for _ in 0..LINKS_MAX {
        let info = session.stat(&place).await?;
        let Some(link) = info.target.as_deref().filter(|_| info.kind == FileKind::Symlink) else { return Ok(info) };
        place = match link.starts_with('/') {
            true => link.to_owned(),
            // The kernel walks the whole of it, so that `..` means what it means there.
            false => {
                format!("{}/{link}", place.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent))
            }
        };
        if place.len() > 4096 {
            return Err(SessionError::File { path: path.to_owned(), errno: Errno::ENAMETOOLONG });
        }
    }
    Err(SessionError::File { path: path.to_owned(), errno: Errno::ELOOP })
}

/// `HEAD .../files/{path}`: its size, kind and mode.
pub(crate) async fn head(
    State(app): State<App>,
    target: Target,
    FilePath(path): FilePath,
) -> Result<As<FileHead>, Problem> {
    let info = follow(&target.wake(&app).await?, &path).await?;
    let mut response = StatusCode::OK.into_response();
    describe(response.headers_mut(), &info);
    if info.kind == FileKind::Regular {
        response.headers_mut().insert(CONTENT_LENGTH, info.size.into());
    }
    Ok(response.into())
}

/// `PUT .../files/{path}?mode=&parents=&append=`: the body is the file. It is there whole, or not at all.
/// `If-None-Match: *` refuses to replace one.
pub(crate) async fn put(
    State(app): State<App>,
    target: Target,
    FilePath(path): FilePath,
    Headers(headers, _): Headers<Condition>,
    Query(asked): Query<PutAsked>,
    body: Body,
) -> Result<axum::Json<FileView>, Problem> {
    let exclusive = headers.get(IF_NONE_MATCH).is_some_and(|value| value == "*");
    let options = WriteOptions {
        mode: asked.mode.map(|text| mode(&text)).transpose()?,
        parents: asked.parents.unwrap_or(false),
        exclusive,
        append: asked.append.unwrap_or(false),
    };
    let most = app.config.server.upload_bytes_max.0;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(body::too_large(most));
    }
    let session = target.wake(&app).await?;
    let (parts, fate) = body::parts(body, &app);
    match session.write_file(&path, options, parts).await {
        Ok(info) => Ok(axum::Json(info.into())),
        Err(SessionError::File { errno: Errno::EEXIST, .. }) if exclusive => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "file_exists",
            format!("{path} is there already"),
            "leave out If-None-Match to replace it",
        )),
        Err(error) => Err(fate.or(error)),
    }
}

/// Permission bits in octal.
fn mode(text: &str) -> Result<u32, Problem> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| plain);
    mode.ok_or_else(|| {
        let text: String = text.chars().take(32).collect();
        Problem::invalid(format!("mode: `{text}` has to be octal, as in 0644"))
    })
}

/// `DELETE .../files/{path}?recursive=`.
pub(crate) async fn delete(
    State(app): State<App>,
    target: Target,
    FilePath(path): FilePath,
    Query(asked): Query<DeleteAsked>,
) -> Result<NoContent, Problem> {
    target.wake(&app).await?.remove(&path, asked.recursive.unwrap_or(false)).await?;
    Ok(NoContent)
}

/// `POST .../files/{path}?op=mkdir&parents=` and `?op=rename&to=`.
pub(crate) async fn change(
    State(app): State<App>,
    target: Target,
    FilePath(path): FilePath,
    Query(change): Query<Change>,
) -> Result<As<(axum::Json<FileView>, Created<FileView>)>, Problem> {
    let session = target.wake(&app).await?;
    match change {
        Change::Mkdir { parents } => {
            let parents = match parents.as_deref() {
                None | Some("false") => false,
                Some("true") => true,
                Some(_) => return Err(Problem::invalid("parents: has to be true or false")),
            };
            let info = session.make_directory(&path, parents).await?;
            Ok(Created(FileView::from(info)).into_response().into())
        }
        Change::Rename { to } => {
            let to = request::absolute(&to)?;
            session.rename(&path, &to).await?;
            Ok(axum::Json(FileView::from(session.stat(&to).await?)).into_response().into())
        }
    }
}

async fn content(
    session: SessionHandle,
    path: String,
    info: &FileInfo,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (status, range) = match headers.get(RANGE).map(|range| parse_range(range, info.size)) {
        None | Some(Asked::Whole) => (StatusCode::OK, 0..info.size),
        Some(Asked::Part(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Some(Asked::Outside) => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "range_outside",
                format!("{path} has {} bytes", info.size),
                "",
            );
            let mut response = problem.into_response();
            put(response.headers_mut(), CONTENT_RANGE, format!("bytes */{}", info.size));
            return Ok(response);
        }
    };
    let length = range.end - range.start;
    let content_range = format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), info.size);
    let mut parts = reading(session, path, range);
    // Errors of the first part still have a status of their own.
    let first = parts.next().await.transpose()?;
    let first = futures_util::stream::iter(first.map(Ok::<Bytes, io::Error>));
    let rest = parts.map(|part| part.map_err(|error| io::Error::other(error.to_string())));
    let mut response = (status, Body::from_stream(first.chain(rest))).into_response();
    describe(response.headers_mut(), info);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    if status == StatusCode::PARTIAL_CONTENT {
        put(response.headers_mut(), CONTENT_RANGE, content_range);
    }
    return Ok(response);

    fn put(headers: &mut HeaderMap, name: HeaderName, text: String) {
        headers.insert(name, HeaderValue::try_from(text).expect("digits and plain signs"));
    }
}

/// The bytes of a range, part by part. A file that becomes shorter ends the answer before its length, which the client
/// sees.
fn reading(session: SessionHandle, path: String, range: Range<u64>) -> BoxStream<'static, Result<Bytes, SessionError>> {
    unfold(Some((session, path, range)), |state| async {
        let (session, path, range) = state.filter(|(_, _, range)| !range.is_empty())?;
        let end = range.end.min(range.start + PART);
        match session.read_file(&path, range.start..end).await {
            Ok(bytes) if bytes.is_empty() => {
                let shorter = SessionError::File { path, errno: Errno::EIO };
                Some((Err(shorter), None))
            }
            Ok(bytes) => {
                let next = range.start + bytes.len() as u64;
                Some((Ok(bytes), Some((session, path, next..range.end))))
            }
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

enum Asked {
    Whole,
    Part(Range<u64>),
    Outside,
}

/// One range of bytes (RFC 9110, 14.1.2). Several at once, or none that can be read, are answered with the whole file, as
/// the standard allows.
fn parse_range(value: &HeaderValue, size: u64) -> Asked {
    let spec = value.to_str().ok().and_then(|text| text.strip_prefix("bytes="));
    let Some((first, last)) = spec.filter(|spec| !spec.contains(',')).and_then(|spec| spec.trim().split_once('-'))
    else {
        return Asked::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if last < first => Asked::Whole,
        (Some(first), _) if first >= size => Asked::Outside,
        (Some(first), Some(last)) => Asked::Part(first..last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => Asked::Part(first..size),
        (None, Some(0)) if first.is_empty() => Asked::Outside,
        (None, Some(count)) if first.is_empty() => match size {
            0 => Asked::Outside,
            _ => Asked::Part(size.saturating_sub(count)..size),
        },
        _ => Asked::Whole,
    }
}

fn describe(headers: &mut HeaderMap, info: &FileInfo) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(KIND, HeaderValue::from_static(view::kind(info.kind)));
    let mode = format!("{:04o}", info.mode & 0o7777);
    headers.insert(MODE, HeaderValue::try_from(mode).expect("digits"));
}

#[cfg(test)]
mod tests;
