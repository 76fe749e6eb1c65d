//! A client's request to the owner of its session, and the answer back.
//!
//! ```text
//! client ─▶ gateway ─ Forwarder ─ directory: who? ─▶ owner ─▶ Handler::forward
//!                        ▲  421: look again ────────────┘   at most 3 nodes
//! ```
//! Sent again is only what certainly was not begun: the node was not reached, refused it, or is not the owner; and what may be
//! asked twice (GET, HEAD, OPTIONS: RFC 9110, 9.2.1). Of a body the first 64 KiB are kept for that; when more was sent, the client
//! is told to ask again.
//!
//! A WebSocket goes by extended CONNECT (RFC 8441): one stream of the connection there is, with the flow control, limits and
//! cancellation of all others. A connection of its own for each would need ports, handshakes and pings of its own.

use crate::api::FORWARD;
use crate::api::headers::{HOPS_MAX, HeaderError, MISDIRECTED, Origin, Route, refused, strip_hop_by_hop, strip_peer};
use crate::api::replay::Replay;
use crate::body::{self, Body};
use crate::client::tunnel::Tunnel;
use crate::client::{CallError, Peers, Tunneled};
use crate::limits::Deadline;
use crate::name::{PeerId, node_text};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, RETRY_AFTER, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::Body as HttpBody;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warren_ownership::name::NodeId;

/// How long to wait before the same node is asked again.
const BREATH: Duration = Duration::from_millis(100);
/// How long a WebSocket whose one side has ended waits for the other.
const LINGER: Duration = Duration::from_secs(10);

/// Who owns which session.
pub trait Directory: Send + Sync {
    /// What names a session.
    type Session: Sync + ?Sized;

    /// Who owns it, by the hint of what was found out since it was last asked: nothing, the first time. May wait, for a
    /// take-over; it is dropped when the request's deadline is over.
    ///
    /// # Errors
    /// Nobody does, or it cannot be said now, as a sentence.
    fn owner(&self, session: &Self::Session, hint: Hint<'_>) -> impl Future<Output = Result<Route, String>> + Send;
}

/// What was found out about the last answer of a [`Directory`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// Nothing yet.
    None,
    /// It is not there; this is where that node says it is, if it knows.
    Moved {
        /// Who was asked.
        asked: NodeId,
        /// Who owns it, as that one says.
        now: Option<Route>,
    },
    /// That node does not answer.
    Gone {
        /// Which.
        node: NodeId,
        /// Why.
        error: &'a CallError,
    },
}

/// Sends clients' requests on.
#[derive(Debug)]
pub struct Forwarder<D> {
    peers: Peers,
    directory: D,
    me: PeerId,
    tunnels: TaskTracker,
    stop: CancellationToken,
}

/// What became of a request.
pub enum Outcome {
    /// An answer; one of 101 belongs to a WebSocket that goes on by itself.
    Answer(Response<Body>),
    /// The session is this node's own: nothing was sent.
    Here(Box<Request<Body>>, Route),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForwardError {
    /// Nobody owns the session, or nobody can say who.
    #[error("no node serves the session: {0}")]
    NoOwner(String),
    /// The nodes that were asked do not own it.
    #[error("{HOPS_MAX} nodes were asked and none serves the session: {0}")]
    TooManyHops(String),
    /// The owner has no place for it. Nothing was done.
    #[error("{} has no place for the request", node_text(*.node))]
    Busy {
        /// The owner.
        node: NodeId,
        /// When to come again.
        retry_after: Duration,
    },
    /// The session is elsewhere and more of the body was sent than is kept. Nothing was done: ask again.
    #[error("the session moved while the request was sent; nothing was done: send it again")]
    Moved,
    /// The deadline is over.
    #[error("no answer in time; {}", if *.sent { "whether it was done is not known" } else { "nothing was done" })]
    Deadline {
        /// Whether anything of it was sent.
        sent: bool,
    },
    /// The client's own body ended before its end.
    #[error("the body of the request: {0}")]
    Body(body::BodyError),
    /// The owner went away in the middle.
    #[error("{} went away, and whether the request was done is not known: {reason}", node_text(*.node))]
    Interrupted {
        /// The owner.
        node: NodeId,
        /// How.
        reason: String,
    },
    /// The owner refuses what this node said.
    #[error("{} refuses the request: {code}", node_text(*.node))]
    Refused {
        /// The owner.
        node: NodeId,
        /// Why, as a word.
        code: String,
    },
    /// What is to be said beside the request cannot be.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// What one node made of it.
enum Tried {
    Answer(Response<Body>),
    Missed(Missed),
}

/// Why one node has no answer.
enum Missed {
    Moved(Option<Route>),
    Failed(CallError),
}

impl<D: Directory> Forwarder<D> {
    /// Of this node. WebSockets that go through it end with `stop`.
    pub fn new(peers: Peers, directory: D, me: PeerId, stop: CancellationToken) -> Forwarder<D> {
        Forwarder { peers, directory, me, tunnels: TaskTracker::new(), stop }
    }

    /// Where sessions are.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// Waits until no WebSocket goes through.
    pub async fn closed(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// Sends a client's request to the owner of its session. The head of the answer comes by the deadline, which for an upload is
    /// after all of it was sent; then the body flows as long as it moves.
    ///
    /// # Errors
    /// See [`ForwardError`].
    pub async fn forward<B>(
        &self,
        session: &D::Session,
        request: Request<B>,
        origin: &Origin,
        deadline: Deadline,
    ) -> Result<Outcome, ForwardError>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: fmt::Display,
    {
        let mut request = request.map(body::from);
        strip_peer(request.headers_mut());
        let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let mut route = self.owner(session, Hint::None, deadline).await?;
        if route.target.node == self.me.node {
            return Ok(Outcome::Here(Box::new(request), route));
        }
        let upgrade = upgrade_of(&mut request);
        let (parts, source) = request.into_parts();
        let source = Replay::new(source);
        let (mut hops, mut why) = (origin.hops, String::new());
        for asked in 1..=HOPS_MAX {
            hops = hops.saturating_add(1);
            if hops > HOPS_MAX {
                break;
            }
            let said = Origin { hops, epoch: route.epoch.or(origin.epoch), ..origin.clone() };
            let to = &route.target;
            let tried = match &upgrade {
                Some((protocol, on)) => self.tunnel(&route, &parts, &said, protocol, on, deadline).await?,
                None => {
                    let head = head(&parts, &said, to, self.me)?;
                    tried(self.peers.call(to, Request::from_parts(head, source.again()), deadline).await)
                }
            };
            let missed = match tried {
                Tried::Answer(response) => return answer(response, to.node),
                Tried::Missed(missed) => missed,
            };
            let hint = match &missed {
                Missed::Moved(now) => {
                    why = now.as_ref().map_or("it does not know who does".to_owned(), |now| now.target.to_string());
                    why = format!("{to} was asked last and says: {why}");
                    Hint::Moved { asked: to.node, now: now.clone() }
                }
                Missed::Failed(error) => {
                    let lost = matches!(error, CallError::Interrupted { .. });
                    let again = matches!(error, CallError::Unreachable { .. } | CallError::NotDone { .. });
                    if !(again || lost && safe && upgrade.is_none()) {
                        return Err(failed(error.clone()));
                    }
                    why = error.to_string();
                    Hint::Gone { node: to.node, error }
                }
            };
            if !source.is_whole() {
                return Err(match missed {
                    Missed::Failed(error) if !error.is_nothing_done() => failed(error),
                    _ => ForwardError::Moved,
                });
            }
            if asked == HOPS_MAX {
                break;
            }
            let next = self.owner(session, hint, deadline).await?;
            if next.target == *to {
                tokio::time::timeout_at(deadline.at(), tokio::time::sleep(BREATH))
                    .await
                    .map_err(|_| ForwardError::Deadline { sent: false })?;
            }
            route = next;
            if route.target.node == self.me.node {
                let mut request = Request::from_parts(parts, source.again());
                if let Some((_, on)) = upgrade {
                    request.extensions_mut().insert(on);
                }
                return Ok(Outcome::Here(Box::new(request), route));
            }
        }
        Err(ForwardError::TooManyHops(why))
    }

    async fn owner(&self, session: &D::Session, hint: Hint<'_>, deadline: Deadline) -> Result<Route, ForwardError> {
        let found = tokio::time::timeout_at(deadline.at(), self.directory.owner(session, hint)).await;
        found.map_err(|_| ForwardError::Deadline { sent: false })?.map_err(ForwardError::NoOwner)
    }

    async fn tunnel(
        &self,
        route: &Route,
        parts: &request::Parts,
        said: &Origin,
        protocol: &str,
        on: &OnUpgrade,
        deadline: Deadline,
    ) -> Result<Tried, ForwardError> {
        let mut head = head(parts, said, &route.target, self.me)?;
        head.method = Method::CONNECT;
        head.headers.remove(CONTENT_LENGTH);
        head.extensions.insert(h2::ext::Protocol::from(protocol));
        match self.peers.tunnel(&route.target, Request::from_parts(head, ()), deadline).await {
            Ok(Tunneled::Open(response, tunnel)) => {
                self.carry(on.clone(), tunnel);
                let mut response = response.map(|()| body::empty());
                *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                *response.version_mut() = Version::HTTP_11;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                let protocol = HeaderValue::try_from(protocol).expect("it was a header");
                response.headers_mut().insert(UPGRADE, protocol);
                Ok(Tried::Answer(response))
            }
            Ok(Tunneled::Answer(response)) => Ok(tried(Ok(response))),
            Err(error) => Ok(tried(Err(error))),
        }
    }

    /// Carries bytes both ways until both sides end, or this node stops.
    fn carry(&self, on: OnUpgrade, tunnel: Tunnel) {
        let stop = self.stop.clone();
        self.tunnels.spawn(async move {
            let Ok(upgraded) = on.await else { return };
            if let Some(Err(error)) = stop.run_until_cancelled(carried(TokioIo::new(upgraded), tunnel)).await {
                tracing::debug!(%error, "a WebSocket to another node ended");
            }
        });
    }
}

/// Carries bytes both ways. When one way has ended, the other may go on for a little: a client that is gone says nothing more.
async fn carried(client: impl AsyncRead + AsyncWrite, tunnel: Tunnel) -> io::Result<()> {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_owner, mut to_owner) = tokio::io::split(tunnel);
    let up = async {
        tokio::io::copy(&mut from_client, &mut to_owner).await?;
        to_owner.shutdown().await
    };
    let down = async {
        tokio::io::copy(&mut from_owner, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::pin!(up, down);
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::select! {
        ended = &mut up => {
            ended?;
            tokio::time::timeout(LINGER, down).await.map_err(late)?
        }
        ended = &mut down => {
            ended?;
            tokio::time::timeout(LINGER, up).await.map_err(late)?
        }
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answer(response) => f.debug_tuple("Answer").field(&response.status()).finish(),
            Outcome::Here(_, route) => f.debug_tuple("Here").field(route).finish(),
        }
    }
}

/// The protocol and the connection of a request that asks for an upgrade and can have one.
fn upgrade_of(request: &mut Request<Body>) -> Option<(String, OnUpgrade)> {
    let headers = request.headers();
    let asks = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let asks = asks.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = headers.get(UPGRADE)?.to_str().ok()?.to_owned();
    if !asks || request.method() != Method::GET {
        return None;
    }
    let on = request.extensions_mut().remove::<OnUpgrade>()?;
    Some((protocol, on))
}

/// The head of a request as a peer gets it.
fn head(
    parts: &request::Parts,
    said: &Origin,
    to: &crate::wire::Target,
    me: PeerId,
) -> Result<request::Parts, ForwardError> {
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.version_mut() = Version::HTTP_2;
    let authority = PeerId { cluster: me.cluster, node: to.node }.dns();
    let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let path = if path == "*" { String::from(FORWARD) } else { format!("{FORWARD}{path}") };
    let uri = Uri::builder().scheme("https").authority(authority).path_and_query(path).build();
    *request.uri_mut() = uri.expect("a path with something before it is a path");
    let mut headers: HeaderMap = parts.headers.clone();
    strip_hop_by_hop(&mut headers);
    // This node asked for the body itself.
    headers.remove(EXPECT);
    said.put(&mut headers)?;
    *request.headers_mut() = headers;
    Ok(request.into_parts().0)
}

fn tried(called: Result<Response<Body>, CallError>) -> Tried {
    match called {
        Ok(response) => match refused(response.headers()) {
            Some(MISDIRECTED) => Tried::Missed(Missed::Moved(Route::read(response.headers()))),
            _ => Tried::Answer(response),
        },
        Err(error) => Tried::Missed(Missed::Failed(error)),
    }
}

/// The owner's answer as the client gets it; what the other node's server said itself is an error here.
fn answer(mut response: Response<Body>, node: NodeId) -> Result<Outcome, ForwardError> {
    let code = refused(response.headers()).map(str::to_owned);
    match code.as_deref() {
        None => {
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                strip_hop_by_hop(response.headers_mut());
            }
            strip_peer(response.headers_mut());
            *response.version_mut() = Version::HTTP_11;
            Ok(Outcome::Answer(response))
        }
        Some("busy") => {
            let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            Err(ForwardError::Busy { node, retry_after: Duration::from_secs(seconds.unwrap_or(1)) })
        }
        Some(code) => Err(ForwardError::Refused { node, code: code.to_owned() }),
    }
}

fn failed(error: CallError) -> ForwardError {
    match error {
        CallError::Full { node, retry_after } => ForwardError::Busy { node, retry_after },
        CallError::Deadline { sent, .. } => ForwardError::Deadline { sent },
        CallError::Body { error, .. } => ForwardError::Body(error),
        CallError::Interrupted { node, reason }
        | CallError::Unreachable { node, reason }
        | CallError::NotDone { node, reason } => ForwardError::Interrupted { node, reason },
    }
}
