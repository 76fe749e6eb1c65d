//! Who makes a request, and whether they may: asked for each route, before its handler sees anything of the request.
//!
//! ```text
//! Authorization: Bearer ─▶ registry ─▶ Caller ─▶ has the route's scope? ─▶ handler
//!        └ missing, unknown, expired, revoked: one and the same 401  └ 403 with the scope's name
//! ```
//! A token reaches the routes of its session and nothing else. A stream of events ends when whoever reads it is no longer
//! let in.

use super::App;
use super::admission::{self, Flight, refused_too_often};
use super::once;
use super::problem::Problem;
use super::routes::{Reach, Route};
use super::socket;
use super::trace;
use super::trail::{self, Peer, Trail};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use warren_cluster::registry::{AuthError, Caller, RegistryError, Scope, Scopes};

/// How often it is asked whether the reader of a stream is still let in. There may be tens of thousands of them.
const STREAM_CHECK: Duration = Duration::from_secs(5);

/// What stands before one route.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) app: App,
    pub(super) route: &'static Route,
}

/// Whoever made the request.
#[derive(Clone, Debug)]
pub(crate) struct By(pub(crate) Caller);

/// What whoever made the request proved themselves with, for what goes on for long and asks again.
#[derive(Clone)]
pub(crate) struct Proof(pub(crate) String);

/// Lets a request through to its route, if whoever made it may.
pub(super) async fn authorize(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    trace::name(gate.route);
    let mut response = through(gate.clone(), request, next).await;
    response.extensions_mut().insert(gate.route);
    response
}

async fn through(gate: Gate, mut request: Request, next: Next) -> Response {
    let Reach::Scope(scope, _) = gate.route.reach else { return next.run(request).await };
    let headers = request.headers();
    let bearer = match gate.route.upgrades() && socket::is_upgrade(headers) {
        true => either(bearer(headers), socket::bearer(headers), headers),
        false => bearer(headers),
    };
    let bearer = bearer.map(str::to_owned);
    let mut known = None;
    let (peer, streams) = (Peer::of(&request), is_for_a_stream(gate.route, &request));
    let entered = match prove(&gate.app, bearer.as_deref().unwrap_or_default(), peer).await {
        Ok(caller) => enter(&gate, known.insert(caller), scope, streams),
        Err(problem) => Err(problem),
    };
    let (caller, flight) = match (entered, known) {
        (Ok(flight), Some(caller)) => (caller, Arc::new(flight)),
        (entered, known) => {
            let problem = entered.err().unwrap_or_else(Problem::internal);
            let response = problem.into_response();
            trail::refused(&gate.app, gate.route, known.as_ref(), request, &response);
            return response;
        }
    };
    request.extensions_mut().insert(By(caller.clone()));
    request.extensions_mut().insert(Proof(bearer.clone().unwrap_or_default()));
    request.extensions_mut().insert(flight.clone());
    let (trail, request) = Trail::begin(&gate.app, gate.route, &caller, request).await;
    let mut response = trail.end(once::answer(&gate, &caller, request, next).await).await;
    flight.say(response.headers_mut());
    let response = admission::held(response, flight);
    let streams = response.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static("text/event-stream"));
    match bearer {
        Some(bearer) if streams => until_refused(response, gate.app, bearer),
        _ => response,
    }
}

/// The problem of a caller that lacks a right.
pub(crate) fn lacking(scopes: Scopes) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "scope_missing",
        format!("the key has not the scope {scopes}"),
        "use a key that has it; docs/security.md says what each scope allows",
    )
}

fn enter(gate: &Gate, caller: &Caller, scope: Scope, streams: bool) -> Result<Flight, Problem> {
    may(gate, caller, scope)?;
    gate.app.admission.enter(caller, streams)
}

/// Whether what is answered may be a stream, whose place has to be there before anything is done. A WebSocket has a place
/// of its own.
fn is_for_a_stream(route: &Route, request: &Request) -> bool {
    let accepts = |accept: &HeaderValue| accept.to_str().is_ok_and(|accept| accept.contains("text/event-stream"));
    let headers = request.headers();
    let upgrades = headers.contains_key(UPGRADE);
    !upgrades && (route.path.ends_with("/events") || headers.get_all(ACCEPT).iter().any(accepts))
}

/// Whose key or token it is. An address that has shown too many that are not valid has no further one looked for: what it
/// shows has to be known already.
async fn prove(app: &App, bearer: &str, address: IpAddr) -> Result<Caller, Problem> {
    let refused = app.admission.is_refused(address);
    if let Some(wait) = refused
        && !app.registry.has_seen(bearer)
    {
        return Err(refused_too_often(wait));
    }
    match app.registry.authenticate(bearer).await {
        Err(AuthError::Refused) => {
            app.admission.refused(address);
            Err(refused.map_or_else(Problem::unauthorized, refused_too_often))
        }
        proved => Ok(proved?),
    }
}

fn may(gate: &Gate, caller: &Caller, scope: Scope) -> Result<(), Problem> {
    if !caller.scopes.has(scope) {
        return Err(lacking([scope].into_iter().collect()));
    }
    if caller.session.is_some() && !matches!(gate.route.reach, Reach::Scope(_, true)) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "token_bound",
            "a token reaches its session and nothing else",
            "use a key",
        ));
    }
    Ok(())
}

/// What stands behind `Bearer`; nothing unless there is exactly one header of that kind.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let (scheme, bearer) = given.next()?.to_str().ok()?.split_once(' ')?;
    let only = given.next().is_none() && scheme.eq_ignore_ascii_case("bearer");
    only.then_some(bearer.trim())
}

/// A key that stands in a header, or among the subprotocols of a WebSocket; none if it stands in both.
fn either<'a>(header: Option<&'a str>, subprotocol: Option<&'a str>, headers: &HeaderMap) -> Option<&'a str> {
    match subprotocol {
        Some(_) if headers.contains_key(AUTHORIZATION) => None,
        Some(subprotocol) => Some(subprotocol),
        None => header,
    }
}

/// The stream, until its reader would be refused.
fn until_refused(response: Response, app: App, bearer: String) -> Response {
    let refused = async move {
        loop {
            tokio::time::sleep(STREAM_CHECK).await;
            // A store that does not answer for a moment is no reason to end it.
            if app.registry.authenticate(&bearer).await == Err(AuthError::Refused) {
                return;
            }
        }
    };
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(Box::pin(refused))))
}

impl FromRequestParts<App> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<By, Problem> {
        // Every route that asks stands behind the gate.
        parts.extensions.get::<By>().cloned().ok_or_else(Problem::internal)
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Problem {
        match error {
            AuthError::Refused => Problem::unauthorized(),
            AuthError::Registry(error) => error.into(),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Problem {
        let problem = |status, code, hint| Problem::new(status, code, error.to_string(), hint);
        match &error {
            RegistryError::NoTenant(_) => {
                problem(StatusCode::NOT_FOUND, "tenant_not_found", "GET /v1/tenants lists them")
            }
            RegistryError::TenantExists(_) => problem(StatusCode::CONFLICT, "tenant_exists", ""),
            RegistryError::OwnTenant(_) => problem(StatusCode::CONFLICT, "own_tenant", ""),
            RegistryError::TooManyTenants => problem(StatusCode::CONFLICT, "too_many_tenants", ""),
            RegistryError::NoKey(_) => problem(StatusCode::NOT_FOUND, "key_not_found", "GET /v1/keys lists them"),
            RegistryError::DeadKey(_) => problem(StatusCode::CONFLICT, "key_dead", "make another"),
            RegistryError::TooManyKeys => problem(StatusCode::CONFLICT, "too_many_keys", ""),
            RegistryError::Invalid { .. } => problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", ""),
            RegistryError::Contended => problem(StatusCode::CONFLICT, "contended", "try again"),
            RegistryError::Damaged { .. } => {
                tracing::error!(%error, "the registry is damaged");
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "registry_damaged",
                    "what is kept of a tenant or key cannot be read",
                    "the server's log says what was found",
                )
            }
            RegistryError::Store(_) => {
                tracing::error!(%error, "a request failed");
                Problem::store_unavailable()
            }
        }
    }
}

#[cfg(test)]
mod tests;
