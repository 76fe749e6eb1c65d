//! A session's files as a tar archive, out and in.

use super::App;
use super::auth::By;
use super::body;
use super::openapi::{As, Created, HeaderNames, Headers, Tar, TarArchive};
use super::problem::Problem;
use super::request::{Query, Target};
use super::schema;
use super::sessions;
use super::view::SessionView;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use std::io::{self, Read};
use tokio::sync::mpsc;
use utoipa::IntoParams;
use warren_config::Template;
use warren_session::SessionError;
use warren_session::id::SessionName;
use warren_session::spec::Tier;

/// Parts of an upload that wait to be unpacked.
const PARTS_WAITING: usize = 4;

/// What an imported session is made of, beside its files.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The name of the session.
    #[param(value_type = Option<schema::SessionName>, inline)]
    name: Option<SessionName>,
    /// A template of the configuration.
    template: Option<String>,
    /// How durable what it acknowledges is.
    #[param(value_type = Option<schema::Durability>, inline)]
    durability: Option<Tier>,
}

/// `GET .../export`.
pub(crate) async fn export(State(app): State<App>, target: Target) -> Result<As<TarArchive>, Problem> {
    let mut parts = target.wake(&app).await?.export().await?;
    // Errors of the first part still have a status of their own.
    let first = parts.next().await.transpose()?;
    let first = futures_util::stream::iter(first.map(Ok::<Bytes, io::Error>));
    let rest = parts.map(|part| part.map_err(|error| io::Error::other(error.to_string())));
    Ok(([(CONTENT_TYPE, "application/x-tar")], Body::from_stream(first.chain(rest))).into_response().into())
}

/// `POST /v1/sessions/import?name=&template=&durability=`: the body is a tar archive.
pub(crate) async fn import(
    State(app): State<App>,
    By(caller): By,
    Headers(headers, _): Headers<Media>,
    Query(asked): Query<Asked>,
    Tar(upload): Tar,
) -> Result<Created<SessionView>, Problem> {
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    if !matches!(media, "application/x-tar" | "application/octet-stream") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_tar",
            "the body has to be a tar archive",
            "send `Content-Type: application/x-tar`",
        ));
    }
    let choices = Template { durability: asked.durability, ..Template::default() };
    let spec = sessions::spec(&app, &caller.tenant, asked.template.as_deref(), &choices)?;
    let (mut parts, fate) = body::parts(upload, &app);
    let (send, receive) = mpsc::channel(PARTS_WAITING);
    let pump = async move {
        while let Some(part) = parts.next().await {
            // Whoever unpacks may have had enough: it has seen the end of the archive, or refused it.
            if send.send(part).await.is_err() {
                return;
            }
        }
    };
    let archive = Upload { parts: receive, part: Bytes::new() };
    let import = app.sessions.import(&caller.tenant, asked.name, spec, archive);
    let ((), made) = tokio::join!(pump, import);
    let made = made.map_err(|error: SessionError| fate.or(error))?;
    Ok(Created(made.into()))
}

/// What the body is.
pub(crate) struct Media;

impl HeaderNames for Media {
    // The document says it of the body.
    const NAMES: &[(&str, &str)] = &[];
}

/// An upload as whoever unpacks it on a thread reads it.
struct Upload {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    part: Bytes,
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.part.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.part = part?,
                None => return Ok(0),
            }
        }
        let count = self.part.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.part.split_to(count));
        Ok(count)
    }
}
