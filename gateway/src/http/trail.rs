//! What a request leaves behind: its id on the answer, a record in the audit log, and a place in what its tenant used.
//!
//! ```text
//! guard: RequestId, Peer ─▶ authorize: Trail ─▶ route, which says which session it meant ─▶ status, code, what was made
//!                                └──────── dropped on the way: its client went, and nobody knows ────────┘
//! ```
//! A record holds who, what, where and the outcome, and nothing of bodies, queries and paths of files. Those of keys,
//! tenants and deletions are durable before the answer; the others within a second ([`super::super::serve`] sees to it).

use super::App;
use super::problem::{Code, Problem};
use super::routes::Route;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use warren_cluster::audit::Deed;
use warren_cluster::registry::Caller;
use warren_kernel::host::Host;
use warren_session::id::{SessionId, TenantId};
use warren_wasi_posix::system::SystemHost;

/// Names a request, for its client and for the operator.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of an id that a client gives, at most.
const ID_MAX: usize = 128;
/// Bytes of an answer that is looked into for the id of what was made, at most.
const MADE_MAX: u64 = 64 * 1024;
/// What nginx calls a client that went before it was answered.
const CLIENT_GONE: u16 = 499;

/// Names a request.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Which session a request meant, once its route has found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meant(Arc<OnceLock<SessionId>>);

/// What is written of a request that is under way.
pub(crate) struct Trail {
    app: App,
    tenant: TenantId,
    route: &'static Route,
    /// `None` when nothing is to be written unless it is refused.
    deed: Option<Deed>,
    meant: Meant,
}

/// What the body of an answer says was made.
#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    checkpoint: Option<u64>,
}

impl RequestId {
    /// The client's own if it is a short word, else a new one.
    pub(crate) fn of(headers: &HeaderMap) -> RequestId {
        let given = headers.get(&REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_sane(id));
        given.map_or_else(RequestId::new, |id| RequestId(id.into()))
    }

    fn new() -> RequestId {
        static FIRST: OnceLock<(u64, AtomicU64)> = OnceLock::new();
        let (process, next) = FIRST.get_or_init(|| {
            let mut random = [0; 8];
            SystemHost.fill_random(&mut random);
            (u64::from_le_bytes(random), AtomicU64::new(0))
        });
        let number = next.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{process:016x}{number:08x}").into())
    }

    /// Puts it on an answer.
    pub(crate) fn put_on(&self, response: &mut Response) {
        let value = HeaderValue::from_str(&self.0).expect("letters, digits and a few signs are visible text");
        response.headers_mut().insert(REQUEST_ID, value);
    }
}

fn is_sane(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    (1..=ID_MAX).contains(&id.len()) && id.bytes().all(is_plain)
}

impl Peer {
    /// Where a request came from; what has no connection comes from here.
    pub(crate) fn of(request: &Request) -> IpAddr {
        request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0)
    }
}

impl Meant {
    /// This session.
    pub(crate) fn is(parts: &Parts, session: SessionId) {
        if let Some(meant) = parts.extensions.get::<Meant>() {
            let _ = meant.0.set(session);
        }
    }
}

impl Trail {
    /// Of a request that was let in. What a route could change is written down whatever comes of it.
    pub(crate) async fn begin(app: &App, route: &'static Route, caller: &Caller, request: Request) -> (Trail, Request) {
        let (mut parts, body) = request.into_parts();
        let meant = Meant::default();
        parts.extensions.insert(meant.clone());
        let writes = !matches!(parts.method, Method::GET | Method::HEAD);
        let deed = match writes {
            true => Some(Deed {
                key: Some(caller.key.to_string()),
                token: caller.session.is_some(),
                targets: targets(&mut parts).await,
                ..deed(route, &parts)
            }),
            false => None,
        };
        let trail = Trail { app: app.clone(), tenant: caller.tenant.clone(), route, deed, meant };
        (trail, Request::from_parts(parts, body))
    }

    /// The request is answered.
    pub(crate) async fn end(mut self, mut response: Response) -> Response {
        let session = self.meant.0.get().copied();
        self.app.usage.request(&self.tenant, session);
        let Some(mut deed) = self.deed.take() else { return response };
        if let Some(session) = session {
            deed.targets.insert("session_id".to_owned(), session.to_string());
        }
        if response.status() == StatusCode::CREATED {
            let (made, same) = look_for_made(response).await;
            response = same;
            deed.targets.extend(made);
        }
        deed.status = response.status().as_u16();
        deed.code = response.extensions().get::<Code>().map(|code| code.0.to_owned());
        let repeated = response.status() == StatusCode::TOO_MANY_REQUESTS;
        let full = self.app.audit.record(&self.tenant, deed, repeated);
        if (full || self.route.is_grave())
            && let Err(error) = self.app.audit.flush(&self.tenant).await
        {
            return not_written(&error);
        }
        response
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        let Some(mut deed) = self.deed.take() else { return };
        (deed.status, deed.code) = (CLIENT_GONE, Some("client_gone".to_owned()));
        self.app.audit.record(&self.tenant, deed, false);
    }
}

/// Writes down that a request was refused before its route saw it. Who is not known to be of a tenant is written into the
/// log of the node's own.
pub(crate) fn refused(
    app: &App,
    route: &'static Route,
    caller: Option<&Caller>,
    request: Request,
    response: &Response,
) {
    let (parts, _) = request.into_parts();
    let own = TenantId::embedded();
    let deed = Deed {
        key: caller.map(|caller| caller.key.to_string()),
        token: caller.is_some_and(|caller| caller.session.is_some()),
        status: response.status().as_u16(),
        code: response.extensions().get::<Code>().map(|code| code.0.to_owned()),
        ..deed(route, &parts)
    };
    app.audit.record(caller.map_or(&own, |caller| &caller.tenant), deed, true);
}

fn deed(route: &Route, parts: &Parts) -> Deed {
    let address = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    Deed {
        time: SystemHost.realtime(),
        request: parts.extensions.get::<RequestId>().map(|id| id.0.to_string()).unwrap_or_default(),
        address: address.to_string(),
        method: route.method.to_ascii_uppercase(),
        route: route.path.to_owned(),
        ..Deed::default()
    }
}

/// What the route's variables stand for; paths of files are their owner's business.
async fn targets(parts: &mut Parts) -> BTreeMap<String, String> {
    let given = RawPathParams::from_request_parts(parts, &()).await;
    let given = given.iter().flat_map(|given| given.iter()).filter(|(name, _)| *name != "path");
    given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The id in the body of an answer, which stays as it is.
async fn look_for_made(response: Response) -> (Vec<(String, String)>, Response) {
    if response.body().size_hint().exact().is_none_or(|bytes| bytes > MADE_MAX) {
        return (Vec::new(), response);
    }
    let (parts, body) = response.into_parts();
    // It is in memory and has so many bytes.
    let bytes = axum::body::to_bytes(body, MADE_MAX as usize).await.unwrap_or_default();
    let made: Option<Made<'_>> = serde_json::from_slice(&bytes).ok();
    let mut found = Vec::new();
    if let Some(made) = made {
        found.extend(made.id.map(|id| ("made".to_owned(), id.into_owned())));
        found.extend(made.checkpoint.map(|number| ("made".to_owned(), number.to_string())));
    }
    (found, Response::from_parts(parts, Body::from(bytes)))
}

fn not_written(error: &warren_cluster::audit::AuditError) -> Response {
    tracing::error!(%error, "the audit log could not be written");
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "audit_unavailable",
        "the audit log could not be written",
        "what was asked was done; it will be written down when the store answers again",
    )
    .into_response()
}

#[cfg(test)]
mod tests;
