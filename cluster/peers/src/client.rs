//! The side that asks.
//!
//! ```text
//! Peers ─▶ one keeper a peer: dial, ping, dial again ─▶ Connection ─▶ a stream of HTTP/2 a request
//!   └ places: 503 when full            └ backoff             ├ pump: the request's body, with flow control
//!                                                            └ Answer: dropped before its end, the stream is reset
//! ```
//! Read in this order. [`error`] is what can be told of a call that failed, above all whether anything was done;
//! `connection` is one connection; `pool` keeps one a peer; a [`tunnel`] is a stream of bytes both ways inside one.

use crate::body::{Body, Bounded, Merged};
use crate::limits::{Deadline, Limits};
use crate::server::{DEADLINE, OVER, REFUSED};
use crate::wire::{Dial, Target};
use connection::{Opened, pump};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use pool::Pool;
use std::sync::Arc;
use tokio::sync::oneshot;
use tunnel::Tunnel;
use warren_ownership::name::NodeId;

mod connection;

pub mod error;

mod pool;

pub mod tunnel;

pub use error::CallError;

/// The peers of a node, and a connection to each that is asked anything. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peers {
    pool: Arc<Pool>,
}

/// What a request for a tunnel leads to.
#[derive(Debug)]
pub enum Tunneled {
    /// There is one: the head of the answer, whose status is 200, and the bytes.
    Open(Response<()>, Tunnel),
    /// There is none, but an answer.
    Answer(Response<Body>),
}

impl Peers {
    /// Nobody is dialled yet.
    pub fn new(dial: impl Dial, limits: Limits) -> Peers {
        Peers { pool: Arc::new(Pool::new(Arc::new(dial), limits)) }
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.pool.limits
    }

    /// Asks a peer, and has its answer's head by the deadline. The bodies of both flow as long as they move.
    ///
    /// # Errors
    /// See [`CallError`]; it says whether anything may have been done.
    pub async fn call(
        &self,
        to: &Target,
        request: Request<Body>,
        deadline: Deadline,
    ) -> Result<Response<Body>, CallError> {
        let (head, body) = request.into_parts();
        let last = body.is_end_stream();
        let opened = self.open(to, Request::from_parts(head, ()), last, deadline).await?;
        let (failed, mut failure) = oneshot::channel();
        let stall = self.pool.limits.body_stall;
        let pumped = if last {
            None
        } else {
            let bounded = Bounded::new(body, self.pool.limits.request_bytes, stall, ());
            pump(Merged::new(bounded), opened.send, stall, failed)
        };
        let answered = tokio::select! {
            biased;
            answered = opened.response => answered.map_err(|error| match failure.try_recv() {
                // The stream was reset because the body failed.
                Ok(error) => CallError::Body { node: to.node, error },
                Err(_) => CallError::of_stream(to.node, &error),
            }),
            Ok(error) = &mut failure => Err(CallError::Body { node: to.node, error }),
            () = tokio::time::sleep_until(deadline.at()) => Err(CallError::Deadline { node: to.node, sent: true }),
        };
        let (head, stream) = answered?.into_parts();
        in_time(to.node, &head.headers)?;
        let answer = connection::Answer::new(stream, (pumped, opened.places, opened.connection));
        let limits = &self.pool.limits;
        let body = Bounded::new(answer, limits.answer_bytes, limits.answer_stall, ());
        Ok(Response::from_parts(head, body.boxed_unsync()))
    }

    /// Asks a peer for a stream of bytes both ways: a request of extended CONNECT (RFC 8441), whose `:protocol` is an extension
    /// of the request ([`h2::ext::Protocol`]).
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn tunnel(&self, to: &Target, request: Request<()>, deadline: Deadline) -> Result<Tunneled, CallError> {
        let opened = self.open(to, request, false, deadline).await?;
        let answered = tokio::time::timeout_at(deadline.at(), opened.response).await;
        let answered = answered.map_err(|_| CallError::Deadline { node: to.node, sent: true })?;
        let (head, stream) = answered.map_err(|error| CallError::of_stream(to.node, &error))?.into_parts();
        in_time(to.node, &head.headers)?;
        if head.status == http::StatusCode::OK {
            let tunnel = Tunnel::new(opened.send, stream, Box::new((opened.places, opened.connection)));
            return Ok(Tunneled::Open(Response::from_parts(head, ()), tunnel));
        }
        let answer = connection::Answer::new(stream, (None, opened.places, opened.connection));
        let limits = &self.pool.limits;
        let body = Bounded::new(answer, limits.answer_bytes, limits.answer_stall, opened.send);
        Ok(Tunneled::Answer(Response::from_parts(head, body.boxed_unsync())))
    }

    /// Lets go of a peer that is a node no more. Requests on their way go on.
    pub fn forget(&self, node: NodeId) {
        self.pool.forget(node);
    }

    /// Whether there is a connection to a peer now.
    pub fn is_connected(&self, node: NodeId) -> bool {
        self.pool.is_connected(node)
    }

    async fn open(
        &self,
        to: &Target,
        mut head: Request<()>,
        last: bool,
        deadline: Deadline,
    ) -> Result<Opened, CallError> {
        let entry = self.pool.entry(to)?;
        let places = self.pool.places(&entry, to.node)?;
        loop {
            let connection = entry.connection(to.node, deadline).await?;
            let mut send = connection.send.clone();
            let ready = std::future::poll_fn(|cx| send.poll_ready(cx));
            let ready = tokio::time::timeout_at(deadline.at(), ready).await;
            match ready.map_err(|_| CallError::Deadline { node: to.node, sent: false })? {
                Ok(()) => {}
                // It was to end: another is made.
                Err(_) => {
                    connection.retired.cancel();
                    continue;
                }
            }
            if deadline.left().is_zero() {
                return Err(CallError::Deadline { node: to.node, sent: false });
            }
            let left = HeaderValue::try_from(deadline.text()).expect("digits are a header");
            head.headers_mut().insert(DEADLINE, left);
            match send.send_request(head.clone(), last) {
                Ok((response, send)) => return Ok(Opened { response, send, places, connection }),
                Err(error) if error.is_io() || error.is_go_away() => connection.retired.cancel(),
                Err(error) => return Err(CallError::NotDone { node: to.node, reason: error.to_string() }),
            }
        }
    }
}

/// The other side's clock may be the first that says that the deadline is over.
fn in_time(node: NodeId, headers: &HeaderMap) -> Result<(), CallError> {
    let unbegun = headers.get(&REFUSED).is_some_and(|word| word == OVER);
    match unbegun || headers.contains_key(&DEADLINE) {
        true => Err(CallError::Deadline { node, sent: !unbegun }),
        false => Ok(()),
    }
}
