//! The side that is asked.
//!
//! ```text
//! TcpListener ─▶ handshake ─┬▶ newcomer: trust::join
//!                           └▶ Wire ─▶ HTTP/2 ─▶ a place of its peer's, one of all ─▶ deadline ─▶ Service ─▶ answer
//!                                        └ pings          └ 503                         └ 504
//! ```
//! A request that its caller gives up, or whose connection ends, is dropped where it is. Nothing is queued: what is too much is
//! refused at once, in words, and was not begun.

use crate::body::{self, Body, Bounded, Moves, Sent};
use crate::limits::{CONNECTION_WINDOW, Deadline, FRAME, Limits, REFUSED_IN_WORDS};
use crate::name::PeerId;
use crate::trust::Credentials;
use crate::trust::join::{self, JOIN_TIME};
use crate::wire::tls::{self, Entered};
use crate::wire::{Ended, Wire};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use warren_ownership::name::NodeId;

/// Milliseconds a request has left, as its caller says; in an answer, that none were left before it was done.
pub(crate) const DEADLINE: HeaderName = HeaderName::from_static("warren-peer-deadline");
/// In an answer: nothing was done, and why, as a word.
pub(crate) const REFUSED: HeaderName = HeaderName::from_static("warren-peer-refused");
/// The word for a request whose deadline was over when it came.
pub(crate) const OVER: &str = "deadline";
/// How long to wait when the system has no descriptor for another connection.
const BREATH: Duration = Duration::from_millis(100);
/// Newcomers that are answered at a time.
const NEWCOMERS: usize = 8;

/// What answers requests of peers.
pub trait Service: Send + Sync + 'static {
    /// Answers one. It is dropped when its caller gives up, and when the deadline is over.
    fn call(
        &self,
        peer: PeerId,
        request: Request<Body>,
        deadline: Deadline,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves requests of peers. Cheap to clone.
pub struct Server<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    service: S,
    limits: Limits,
    total: Arc<Semaphore>,
    peers: Mutex<HashMap<NodeId, Shares>>,
}

/// The places of one peer, while it has connections.
struct Shares {
    places: Arc<Semaphore>,
    connections: usize,
}

/// A connection of a peer; its places are gone with its last one.
struct Member<S> {
    shared: Arc<Shared<S>>,
    peer: NodeId,
    places: Arc<Semaphore>,
}

/// What a request holds while it is being answered.
type Places = Arc<(OwnedSemaphorePermit, OwnedSemaphorePermit)>;

impl<S: Service> Server<S> {
    /// One that answers by `service`.
    pub fn new(service: S, limits: Limits) -> Server<S> {
        let total = Arc::new(Semaphore::new(limits.requests_total.min(Semaphore::MAX_PERMITS)));
        Server { shared: Arc::new(Shared { service, limits, total, peers: Mutex::default() }) }
    }

    /// What answers.
    pub fn service(&self) -> &S {
        &self.shared.service
    }

    /// Requests that are being answered now.
    pub fn busy(&self) -> usize {
        self.shared.limits.requests_total.saturating_sub(self.shared.total.available_permits())
    }

    /// Accepts peers and newcomers until `stop`; then requests have [`Limits::grace`] to end.
    pub async fn listen(&self, listener: TcpListener, credentials: Credentials, stop: CancellationToken) {
        let limits = &self.shared.limits;
        let connections = Arc::new(Semaphore::new(limits.connections));
        let handshakes = Arc::new(Semaphore::new(limits.handshakes));
        let newcomers = Arc::new(Semaphore::new(NEWCOMERS));
        let mut tasks = JoinSet::new();
        loop {
            let places = async {
                let connection = connections.clone().acquire_owned().await;
                (connection, handshakes.clone().acquire_owned().await)
            };
            let accepted = tokio::select! {
                (places, accepted) = async { (places.await, listener.accept().await) } => (places, accepted),
                () = stop.cancelled() => break,
            };
            let ((Ok(connection), Ok(handshake)), accepted) = accepted else { break };
            match accepted {
                Ok((stream, _)) => {
                    let (server, credentials) = (self.clone(), credentials.clone());
                    let (newcomers, stop) = (newcomers.clone(), stop.clone());
                    tasks.spawn(async move {
                        server.entered(stream, &credentials, handshake, &newcomers, stop).await;
                        drop(connection);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of a peer could not be accepted");
                    tokio::time::sleep(BREATH).await;
                }
            }
            while tasks.try_join_next().is_some() {}
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }

    async fn entered(
        &self,
        stream: TcpStream,
        credentials: &Credentials,
        handshake: OwnedSemaphorePermit,
        newcomers: &Semaphore,
        stop: CancellationToken,
    ) {
        let entered = tokio::time::timeout(self.shared.limits.connect, tls::enter(stream, credentials)).await;
        match entered {
            Ok(Ok(Entered::Peer(wire))) => {
                drop(handshake);
                self.serve(wire, stop).await;
            }
            Ok(Ok(Entered::Newcomer(mut stream))) => {
                // One too many is cut off: it may come again.
                let Ok(_place) = newcomers.try_acquire() else { return };
                let answered = tokio::time::timeout(JOIN_TIME, join::answer(&mut *stream, credentials)).await;
                if let Ok(Err(error)) = answered {
                    tracing::debug!(%error, "a newcomer went away");
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "somebody is not let in"),
            Err(_) => tracing::debug!("a handshake took too long"),
        }
    }

    /// Serves one wire until it ends, `stop`, or its peer counts no more.
    pub async fn serve(&self, wire: Wire, stop: CancellationToken) {
        let Wire { io, peer, ended } = wire;
        let limits = self.shared.limits.clone();
        let member = Arc::new(Member::enter(&self.shared, peer.node));
        let service = service_fn(move |request: Request<Incoming>| {
            let moves = Moves::new();
            // The executor is given what answers this request next, before anything else happens.
            NEXT.set(Some((moves.clone(), member.shared.limits.body_stall)));
            answer(member.clone(), peer, request, moves)
        });
        let mut builder = http2::Builder::new(Watching);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(limits.stream_window)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .max_concurrent_streams(saturated(limits.requests_per_peer.saturating_add(REFUSED_IN_WORDS)))
            // Peers are known: what clients give up at once must not cost the connection that all others use.
            .max_pending_accept_reset_streams(limits.requests_per_peer.saturating_add(REFUSED_IN_WORDS))
            .max_local_error_reset_streams(Option::<usize>::None)
            .max_header_list_size(limits.header_bytes)
            .max_send_buf_size(limits.stream_window as usize)
            .keep_alive_interval(limits.ping_every)
            .keep_alive_timeout(limits.ping_patience)
            .enable_connect_protocol()
            .auto_date_header(false);
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
        let result = tokio::select! {
            result = connection.as_mut() => result,
            why = ended => {
                tracing::info!(%peer, ?why, "a connection of a peer is ended");
                if let Ended::Refused(_) = why {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(limits.grace, connection).await.unwrap_or(Ok(()))
            }
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(limits.grace, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = result {
            tracing::debug!(%peer, %error, "a connection of a peer ended");
        }
    }
}

impl<S> Clone for Server<S> {
    fn clone(&self) -> Server<S> {
        Server { shared: self.shared.clone() }
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("limits", &self.shared.limits).finish_non_exhaustive()
    }
}

impl<S> Member<S> {
    fn enter(shared: &Arc<Shared<S>>, peer: NodeId) -> Member<S> {
        let most = shared.limits.requests_per_peer.min(Semaphore::MAX_PERMITS);
        let mut peers = shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Shares { places: Arc::new(Semaphore::new(most)), connections: 0 };
        let shares = peers.entry(peer).or_insert_with(fresh);
        shares.connections += 1;
        Member { shared: shared.clone(), peer, places: shares.places.clone() }
    }

    fn places(&self) -> Option<Places> {
        let own = self.places.clone().try_acquire_owned().ok()?;
        Some(Arc::new((own, self.shared.total.clone().try_acquire_owned().ok()?)))
    }
}

impl<S> Drop for Member<S> {
    fn drop(&mut self) {
        let mut peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shares) = peers.get_mut(&self.peer) {
            shares.connections -= 1;
            if shares.connections == 0 {
                peers.remove(&self.peer);
            }
        }
    }
}

async fn answer<S: Service>(
    member: Arc<Member<S>>,
    peer: PeerId,
    request: Request<Incoming>,
    moves: Arc<Moves>,
) -> Result<Response<Sent<Option<Places>>>, Infallible> {
    let limits = &member.shared.limits;
    let Some(places) = member.places() else {
        let detail = "as many requests are being answered as may be";
        let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(response.map(|body| Sent::new(body, moves, None)));
    };
    let said = request.headers().get(&DEADLINE).map(|value| value.to_str().unwrap_or_default().to_owned());
    let deadline = match said.map(|text| Deadline::parse(&text, limits.deadline_max)) {
        None => Deadline::after(limits.deadline),
        Some(Ok(deadline)) => deadline,
        Some(Err(error)) => {
            let response = refusal(StatusCode::BAD_REQUEST, "bad_deadline", &error.to_string());
            return Ok(response.map(|body| Sent::new(body, moves, None)));
        }
    };
    if deadline.left().is_zero() {
        let response = refusal(StatusCode::GATEWAY_TIMEOUT, OVER, "its deadline was over when it came");
        return Ok(response.map(|body| Sent::new(body, moves, None)));
    }
    let request = request.map(|incoming| {
        let bounded = Bounded::new(body::from(incoming), limits.request_bytes, limits.body_stall, places.clone());
        http_body_util::BodyExt::boxed_unsync(bounded)
    });
    let answering = member.shared.service.call(peer, request, deadline);
    let response = match tokio::time::timeout_at(deadline.at(), answering).await {
        Ok(response) => response,
        Err(_) => late(),
    };
    Ok(response.map(|body| Sent::new(body, moves, Some(places))))
}

/// An answer that says that nothing was done.
pub(crate) fn refusal(status: StatusCode, code: &'static str, detail: &str) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(format!("{detail}\n"))));
    *response.status_mut() = status;
    response.headers_mut().insert(REFUSED, HeaderValue::from_static(code));
    response
}

/// What was begun may have been done or not.
fn late() -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from_static(b"the deadline is over\n")));
    *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    response.headers_mut().insert(DEADLINE, HeaderValue::from_static("0"));
    response
}

pub(crate) fn saturated(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX >> 1)
}

thread_local! {
    /// Of the request that was just taken: hyper calls the service and then, on the same thread and before anything else, executes
    /// what answers it. Whatever is executed at any other time finds none.
    static NEXT: Cell<Option<(Arc<Moves>, Duration)>> = const { Cell::new(None) };
}

/// Runs what answers a request until the other side takes nothing more of it for too long.
#[derive(Clone, Copy, Debug)]
struct Watching;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Watching {
    fn execute(&self, future: F) {
        match NEXT.take() {
            Some((moves, patience)) => {
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = future => {}
                        // Dropped in the middle: the stream is reset.
                        () = moves.stalled(patience) => tracing::debug!("nobody takes an answer: it is ended"),
                    }
                });
            }
            None => {
                tokio::spawn(future);
            }
        }
    }
}
