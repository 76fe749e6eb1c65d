//! The side that answers: what a node fills in, and how requests reach it.

use crate::api::headers::{HOPS_MAX, MISDIRECTED, Origin, Route, strip_hop_by_hop, strip_peer};
use crate::api::messages::{ChunkName, Drain, Drained, MESSAGE_MAX, Offer, Offered, Problem, Renew, Status};
use crate::api::{CALL, FORWARD};
use crate::body::{self, Body};
use crate::limits::Deadline;
use crate::name::PeerId;
use crate::server::{self, Service};
use crate::trust::Credentials;
use crate::trust::folder::FolderError;
use crate::trust::renew;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Limited};
use hyper::ext::Protocol;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::Future;
use std::time::SystemTime;

/// What a node answers to its peers. Each is dropped when its caller gives up or its deadline is over.
pub trait Handler: Send + Sync + 'static {
    /// A client's request, as its gateway took it: HTTP/1.1 in form, the client's own headers, a body as it comes. One that asks
    /// for an upgrade has the extension [`hyper::upgrade::OnUpgrade`], as a server of hyper's gives it; an answer of 101 opens it.
    fn forward(
        &self,
        from: PeerId,
        origin: Origin,
        request: Request<Body>,
        deadline: Deadline,
    ) -> impl Future<Output = Forwarded> + Send;

    /// How this node is.
    fn status(&self, from: PeerId) -> impl Future<Output = Result<Status, Refusal>> + Send;

    /// It is to hand its sessions over, or to stop that.
    fn drain(&self, from: PeerId, drain: Drain) -> impl Future<Output = Result<Drained, Refusal>> + Send;

    /// Whether it would take a session.
    fn offer(&self, from: PeerId, offer: Offer) -> impl Future<Output = Result<Offered, Refusal>> + Send;

    /// The bytes of a chunk.
    fn chunk(&self, from: PeerId, name: ChunkName) -> impl Future<Output = Result<Body, Refusal>> + Send;
}

/// What becomes of a client's request.
#[derive(Debug)]
pub enum Forwarded {
    /// It was answered here.
    Answer(Response<Body>),
    /// Nothing was done: the session is there. Its body was not read.
    Elsewhere(Route),
    /// Nothing was done: this node does not own the session and does not know who does.
    Unknown,
}

/// A call that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// The status of HTTP.
    pub status: StatusCode,
    /// A stable word.
    pub code: &'static str,
    /// A sentence.
    pub detail: String,
}

impl Refusal {
    /// One of these.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Refusal {
        Refusal { status, code, detail: detail.into() }
    }
}

/// Brings requests of peers to a [`Handler`].
pub struct Api<H> {
    handler: H,
    credentials: Option<Credentials>,
}

impl<H: Handler> Api<H> {
    /// Answers by `handler`, and signs for peers if `credentials` can.
    pub fn new(handler: H, credentials: Option<Credentials>) -> Api<H> {
        Api { handler, credentials }
    }

    /// What answers.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    async fn forwarded(&self, from: PeerId, mut request: Request<Body>, deadline: Deadline) -> Response<Body> {
        let origin = match Origin::take(request.headers_mut()) {
            Ok(origin) => origin,
            Err(error) => return server::refusal(StatusCode::BAD_REQUEST, "bad_header", &error.to_string()),
        };
        if origin.hops > HOPS_MAX {
            let detail = format!("{} nodes sent it on", origin.hops);
            return server::refusal(StatusCode::LOOP_DETECTED, "hops", &detail);
        }
        let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
        // The whole of it for `OPTIONS *`.
        let path = path.strip_prefix(FORWARD).filter(|path| !path.is_empty()).unwrap_or("*");
        let Ok(uri) = Uri::try_from(path) else {
            return server::refusal(StatusCode::BAD_REQUEST, "bad_path", "the path is none");
        };
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        let protocol = request.extensions_mut().remove::<Protocol>();
        let upgrades = protocol.is_some();
        if let Some(protocol) = protocol {
            let Ok(protocol) = HeaderValue::try_from(protocol.as_str()) else {
                return server::refusal(StatusCode::BAD_REQUEST, "bad_protocol", "the protocol is no header");
            };
            *request.method_mut() = Method::GET;
            request.headers_mut().insert(UPGRADE, protocol);
            request.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        } else if request.method() == Method::CONNECT {
            return server::refusal(StatusCode::BAD_REQUEST, "bad_method", "CONNECT without a protocol");
        }
        match self.handler.forward(from, origin, request, deadline).await {
            Forwarded::Answer(response) => answered(response, upgrades),
            Forwarded::Elsewhere(route) => {
                let detail = format!("the session is at {}", route.target);
                let mut response = server::refusal(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED, &detail);
                route.put(response.headers_mut());
                response
            }
            Forwarded::Unknown => {
                server::refusal(StatusCode::MISDIRECTED_REQUEST, MISDIRECTED, "the session is not here")
            }
        }
    }

    async fn called(&self, from: PeerId, name: &str, request: Request<Body>) -> Result<Response<Body>, Refusal> {
        if request.method() != Method::POST {
            let detail = format!("{name} is asked by POST");
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "bad_method", detail));
        }
        match name {
            "status" => said(&self.handler.status(from).await?),
            "drain" => said(&self.handler.drain(from, heard(request).await?).await?),
            "offer" => said(&self.handler.offer(from, heard(request).await?).await?),
            "chunk" => Ok(Response::new(self.handler.chunk(from, heard(request).await?).await?)),
            "renew" => said(&self.renew(from, heard(request).await?).await?),
            _ => {
                let detail = format!("this node knows no call `{}`", name.chars().take(64).collect::<String>());
                Err(Refusal::new(StatusCode::NOT_FOUND, "unknown_call", detail))
            }
        }
    }

    /// Signs for the node that asks, whatever it asks for.
    async fn renew(&self, from: PeerId, renew: Renew) -> Result<renew::Issued, Refusal> {
        let none = || {
            let detail = "this node does not hold the authority's key; ask the node that `warren cluster init` ran on";
            Refusal::new(StatusCode::CONFLICT, "no_authority", detail)
        };
        let folder = self.credentials.as_ref().ok_or_else(none)?.folder().clone();
        let request = STANDARD
            .decode(&renew.request)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "bad_request", "the signing request is not base64"))?;
        let issued =
            tokio::task::spawn_blocking(move || renew::issue(&folder, &request, from, SystemTime::now())).await;
        match issued {
            Ok(Ok(issued)) => {
                tracing::info!(peer = %from, "a certificate is renewed");
                Ok(issued)
            }
            Ok(Err(FolderError::NoAuthority(_))) => Err(none()),
            Ok(Err(FolderError::Sign(error))) => {
                Err(Refusal::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string()))
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(failed(&error)),
        }
    }
}

impl<H: Handler> Service for Api<H> {
    async fn call(&self, peer: PeerId, request: Request<Body>, deadline: Deadline) -> Response<Body> {
        let path = request.uri().path();
        if path == FORWARD || path.strip_prefix(FORWARD).is_some_and(|rest| rest.starts_with('/')) {
            return self.forwarded(peer, request, deadline).await;
        }
        let name = path.strip_prefix(CALL).unwrap_or_default().to_owned();
        self.called(peer, &name, request).await.unwrap_or_else(|refusal| {
            let problem = Problem { code: refusal.code.to_owned(), detail: refusal.detail };
            let mut response = said(&problem).unwrap_or_default();
            *response.status_mut() = refusal.status;
            response
        })
    }
}

impl<H> fmt::Debug for Api<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

/// An answer of HTTP/1.1 as one of HTTP/2: 200 opens what 101 opens there (RFC 8441, section 5).
fn answered(mut response: Response<Body>, upgrades: bool) -> Response<Body> {
    strip_peer(response.headers_mut());
    strip_hop_by_hop(response.headers_mut());
    if upgrades && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = body::empty();
    } else if upgrades && response.status().is_success() {
        // A success would open the tunnel; the client asked for an upgrade and is told that it has none.
        let detail = format!("the upgrade was answered with {} and no protocol", response.status());
        return server::refusal(StatusCode::BAD_GATEWAY, "bad_upgrade", &detail);
    } else if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return server::refusal(StatusCode::BAD_GATEWAY, "bad_upgrade", "nobody asked for an upgrade");
    }
    *response.version_mut() = Version::HTTP_2;
    response
}

async fn heard<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Refusal> {
    let limited = Limited::new(request.into_body(), MESSAGE_MAX as usize);
    let bytes = limited.collect().await.map_err(|error| {
        let detail = format!("the call did not come whole: {error}");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_body", detail)
    })?;
    serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad_request", error.to_string()))
}

fn said<T: Serialize>(answer: &T) -> Result<Response<Body>, Refusal> {
    let bytes = serde_json::to_vec(answer).map_err(|error| failed(&error))?;
    let mut response = Response::new(body::full(bytes));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn failed(error: &dyn fmt::Display) -> Refusal {
    tracing::error!(%error, "a call of a peer failed");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "something is wrong on the node that was asked")
}
