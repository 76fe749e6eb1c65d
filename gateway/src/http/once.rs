//! `Idempotency-Key`: a POST with a key is done at most once, and answered the same way again.
//!
//! A command is not done here: its session itself knows its keys, in the same journal as what the command did, and so also
//! after a crash in the middle of it.

use super::App;
use super::admission::Flight;
use super::auth::Gate;
use super::problem::Problem;
use super::{body, routes::Route};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use warren_cluster::keeper::{ANSWER_BYTES_MAX, Answered, Begun, NOTES_MAX, Ticket, Whose};
use warren_cluster::registry::Caller;
use warren_session::id::CommandKey;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// When it is worth coming back after too many: old ones are looked for so often.
const FULL_FOR: Duration = Duration::from_secs(3600);
/// Handlers that know keys themselves.
const OWN: &[&str] = &["execs::exec"];
/// Handlers that change nothing: done again is as good as answered again.
const READING: &[&str] = &["files::read"];
/// Handlers whose bodies are read as they arrive: of those the length is compared, and not the content. What is cut off then
/// is undone. Input is not among them: a body with a key is whole before a byte of it is taken, since a refusal frees the key.
const STREAMED: &[&str] = &["archive::import"];

/// The key of a request, if it has one.
///
/// # Errors
/// It is no key.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<CommandKey>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().unwrap_or_default().parse::<CommandKey>();
    key.map(Some).map_err(|error| Problem::invalid(format!("Idempotency-Key: {error}")))
}

/// Answers a request: once, if it has a key.
pub(super) async fn answer(gate: &Gate, caller: &Caller, request: Request, next: Next) -> Response {
    let is_own = [OWN, READING].iter().any(|handlers| handlers.contains(&gate.route.handler));
    if request.method() != Method::POST || is_own {
        return next.run(request).await;
    }
    match key(request.headers()) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => match keyed(gate, caller, key, request, next).await {
            Ok(response) => response,
            Err(problem) => problem.into_response(),
        },
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(
    gate: &Gate,
    caller: &Caller,
    key: CommandKey,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (hash, request) = hashed(&gate.app, gate.route, request).await?;
    let of = caller.session.map(|session| session.to_string()).unwrap_or_default();
    let whose = Whose { tenant: caller.tenant.clone(), caller: format!("{} {of}", caller.key), key, request: hash };
    let refused = |code, detail: &str, hint| Problem::new(StatusCode::CONFLICT, code, detail, hint);
    match gate.app.once.begin(whose).await? {
        Begun::Done(answered) => Ok(again(answered)),
        Begun::Running => Err(refused("key_running", "a request with this key is being done", "ask again later")
            .retry_after(Duration::from_secs(1))),
        Begun::Unknown => Err(refused(
            "outcome_unknown",
            "the server stopped while it did the first request with this key",
            "it may or may not have been done: look, then use another key",
        )),
        Begun::Full => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "request_keys_full",
            format!("{NOTES_MAX} requests of the tenant with an Idempotency-Key are remembered, as many as may be"),
            "each is for 24 hours: come back later, or send what may be done twice without a key",
        )
        .retry_after(FULL_FOR)),
        Begun::Reused => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "key_reused",
            "another request had this key",
            "use a new key for each request",
        )),
        // It is done to its end, also when its client goes away.
        Begun::New(ticket) => tokio::spawn(async move { keep(next.run(request).await, ticket).await })
            .await
            .map_err(|_| Problem::internal()),
    }
}

/// Keeps an answer under its key.
async fn keep(response: Response, ticket: Ticket) -> Response {
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        return response;
    }
    if !status.is_success() {
        // Nothing was done then.
        if let Err(error) = ticket.free().await {
            tracing::warn!(%error, "a request's key could not be freed");
        }
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, ANSWER_BYTES_MAX).await else {
        tracing::error!("an answer was too long to be kept");
        return Problem::internal().into_response();
    };
    let media = parts.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).map(str::to_owned);
    let answered = Answered { status: status.as_u16(), media, body: bytes.clone() };
    if let Err(error) = ticket.done(&answered).await {
        tracing::warn!(%error, "an answer could not be kept");
    }
    Response::from_parts(parts, Body::from(bytes))
}

fn again(answered: Answered) -> Response {
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::OK);
    let mut response = (status, answered.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    if let Some(media) = answered.media.and_then(|media| HeaderValue::try_from(media).ok()) {
        headers.insert(CONTENT_TYPE, media);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// A hash of all that a request says, and the request.
async fn hashed(app: &App, route: &Route, request: Request) -> Result<([u8; 32], Request), Problem> {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(request.uri().path_and_query().map_or("", |path| path.as_str()).as_bytes());
    add(request.headers().get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes));
    if STREAMED.contains(&route.handler) {
        add(request.headers().get(CONTENT_LENGTH).map_or(&[][..], HeaderValue::as_bytes));
        return Ok((hasher.finalize().into(), request));
    }
    let (mut parts, body) = request.into_parts();
    let flight = parts.extensions.get::<Arc<Flight>>().cloned();
    let bytes = body::whole(body, app, flight.as_deref()).await?;
    add(&bytes);
    parts.extensions.insert(body::Counted);
    Ok((hasher.finalize().into(), Request::from_parts(parts, Body::from(bytes))))
}
