//! What every request passes before a route sees it.
//!
//! What a request may do its key says ([`super::auth`]). Before that, and for what needs no key, requests are refused that
//! only a web page of somebody else would make, through a browser that reaches the server on the page's behalf: to a host name that is not
//! ours (a name of the page's own that leads to loopback), or with the origin of another site.

use super::App;
use super::problem::Problem;
use super::trace::Seen;
use super::trail::{Peer, RequestId};
use axum::body::{Body, BodyDataStream, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{EXPECT, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tracing::Instrument;
use warren_config::Config;

/// Bytes of a body that are read and thrown away behind a refusal, at most.
const READ_OUT_MAX: usize = 16 << 20;
/// How long that may take.
const READ_OUT_TIME: Duration = Duration::from_secs(2);

/// Refuses foreign requests, and makes an answer of a panic.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let seen = Seen::new(&request, &id);
    let span = seen.span.clone();
    let mut response = admitted(&app, &id, request, next).instrument(span).await;
    id.put_on(&mut response);
    seen.answered(&mut response);
    response
}

async fn admitted(app: &App, id: &RequestId, mut request: Request, next: Next) -> Response {
    let checked = check(&app.config, request.headers(), request.uri());
    if let Err(problem) = checked.and_then(|()| app.admission.address(Peer::of(&request))) {
        return problem.into_response();
    }
    request.extensions_mut().insert(id.clone());
    let (request, left) = lend(request);
    let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // The panic's own text went to the log by the panic hook.
        Err(_) => Problem::internal().into_response(),
    };
    // Of a refusal, or of an answer that is given again.
    left.read_out().await;
    response
}

/// The rest of a body that no route read to its end. A client that still sends sees a connection that is closed rather
/// than the refusal, so the rest is read and thrown away, if it is not too much.
#[derive(Clone, Default)]
struct Left(Arc<Mutex<Option<BodyDataStream>>>);

/// A body on loan: what is left of it when it is dropped goes back.
struct Lent {
    body: Option<BodyDataStream>,
    left: Left,
    /// The client waits to be asked for the body (`Expect: 100-continue`), and has not been: there is nothing to read.
    unasked: bool,
}

fn lend(request: Request) -> (Request, Left) {
    let (parts, body) = request.into_parts();
    let left = Left::default();
    // A body that is known to be none needs no care, and its route may ask whether there is one.
    if body.is_end_stream() {
        return (Request::from_parts(parts, body), left);
    }
    let unasked = parts.headers.contains_key(EXPECT);
    let lent = Lent { body: Some(body.into_data_stream()), left: left.clone(), unasked };
    (Request::from_parts(parts, Body::from_stream(lent)), left)
}

impl Left {
    async fn read_out(&self) {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = body else { return };
        let rest = async {
            let mut bytes = 0;
            while let Some(Ok(part)) = body.next().await {
                bytes += part.len();
                if bytes > READ_OUT_MAX {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(READ_OUT_TIME, rest).await;
    }
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.unasked = false;
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let part = ready!(body.poll_next_unpin(cx));
        if !matches!(part, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(part)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.left.0.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take().filter(|_| !self.unasked);
    }
}

fn check(config: &Config, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(|it| it.as_str()));
    let mut hosts = headers.get_all(HOST).iter();
    if !host.is_some_and(|host| is_ours(config, host)) || hosts.nth(1).is_some() {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host_refused",
            "the request is for a host name that is not this server's",
            "use 127.0.0.1 or localhost, or add the name to server.hosts",
        ));
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    // The same host and port as the request was sent to: a page that this server itself would serve.
    if authority.is_some() && authority == host {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin_refused",
        "the request comes from a web page of another origin",
        "call the server from a program, not from a page",
    ))
}

/// Whether `host`, as a client writes it, with or without a port, leads here.
fn is_ours(config: &Config, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    let address = name.parse::<IpAddr>().ok();
    let loopback = address.map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
    let configured = config.server.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    // An address is nobody's name: a page cannot make one of its own lead here.
    loopback || configured || (config.server.allow_remote && address.is_some())
}

#[cfg(test)]
mod tests;
