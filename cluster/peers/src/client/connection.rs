//! One connection to a peer, and one request on it.

use crate::body::{Body, BodyError, Bounded, Merged};
use crate::client::pool::Places;
use crate::limits::{CONNECTION_WINDOW, FRAME, Limits};
use crate::server::saturated;
use crate::wire::{Ended, Io, Wire};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// A connection that requests are sent on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) send: SendRequest<Bytes>,
    /// Cancelled when no more requests should be sent on it.
    pub(crate) retired: CancellationToken,
}

/// A request whose head is sent.
pub(crate) struct Opened {
    pub(crate) response: ResponseFuture,
    pub(crate) send: SendStream<Bytes>,
    pub(crate) places: Places,
    /// Held so that the connection stays while the request does.
    pub(crate) connection: Connection,
}

type Driver = h2::client::Connection<Box<dyn Io>, Bytes>;

/// Makes a connection over a wire: once the peer has answered a ping, so that its settings are known too, and that it took our
/// certificate.
pub(crate) async fn establish(
    wire: Wire,
    limits: &Limits,
) -> Result<(Connection, BoxFuture<'static, String>), h2::Error> {
    let Wire { io, ended, .. } = wire;
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(limits.stream_window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(limits.header_bytes)
        .max_send_buffer_size(limits.stream_window as usize)
        .initial_max_send_streams(limits.requests_per_peer)
        .max_concurrent_streams(0)
        .max_concurrent_reset_streams(saturated(limits.requests_per_peer) as usize)
        .max_local_error_reset_streams(None)
        .enable_push(false);
    let (send, mut driver) = builder.handshake::<_, Bytes>(io).await?;
    let mut pings = driver.ping_pong().expect("it is taken once");
    tokio::select! {
        biased;
        pong = pings.ping(Ping::opaque()) => pong.map(drop)?,
        ended = &mut driver => return Err(ended.err().unwrap_or_else(|| Reason::NO_ERROR.into())),
    }
    let retired = CancellationToken::new();
    let connection = Connection { send, retired: retired.clone() };
    let (every, patience) = (limits.ping_every, limits.ping_patience);
    let driving = async move {
        let why = tokio::select! {
            biased;
            why = drive(driver, pings, every, patience) => why,
            why = until(ended, retired.clone()) => why,
        };
        retired.cancel();
        why
    };
    Ok((connection, driving.boxed()))
}

/// Moves bytes until the connection ends, or the peer answers no ping.
async fn drive(mut driver: Driver, mut pings: PingPong, every: Duration, patience: Duration) -> String {
    let heart = async {
        loop {
            tokio::time::sleep(every).await;
            match tokio::time::timeout(patience, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.to_string(),
                Err(_) => return format!("it answered no ping for {} s", patience.as_secs_f32()),
            }
        }
    };
    tokio::select! {
        biased;
        ended = &mut driver => ended.err().map_or_else(|| "it ended the connection".to_owned(), |error| error.to_string()),
        why = heart => why,
    }
}

/// Returns when the peer counts no more; when its certificate ends only no more requests are sent.
async fn until(ended: impl Future<Output = Ended>, retired: CancellationToken) -> String {
    match ended.await {
        Ended::Refused(why) => why,
        Ended::Expired => {
            retired.cancel();
            std::future::pending().await
        }
    }
}

/// Sends a request's body as the peer takes it, until its end, or until what is returned is dropped: then the stream is reset.
/// A body that is there and fits is sent at once, and nothing is returned.
pub(crate) fn pump(
    body: Merged<Bounded<Body, ()>>,
    mut send: SendStream<Bytes>,
    stall: Duration,
    failed: oneshot::Sender<BodyError>,
) -> Option<AbortOnDropHandle<()>> {
    let mut pumping = Box::pin(async move {
        match pumped(body, &mut send, stall).await {
            Ok(()) => {}
            Err(Some(error)) => {
                let _ = failed.send(error);
                send.send_reset(Reason::CANCEL);
            }
            // The peer wants no more of it: its answer says why.
            Err(None) => {}
        }
    });
    // The task polls it anew, and is woken then.
    match (&mut pumping).now_or_never() {
        Some(()) => None,
        None => Some(AbortOnDropHandle::new(tokio::spawn(pumping))),
    }
}

async fn pumped(
    mut body: Merged<Bounded<Body, ()>>,
    send: &mut SendStream<Bytes>,
    stall: Duration,
) -> Result<(), Option<BodyError>> {
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            _ = poll_fn(|cx| send.poll_reset(cx)) => return Err(None),
        };
        let Some(frame) = frame else { return send.send_data(Bytes::new(), true).map_err(|_| None) };
        match frame.map_err(Some)?.into_data() {
            Ok(mut data) => {
                while !data.is_empty() {
                    let room = tokio::time::timeout(stall, room(send, data.len())).await;
                    let room = room.map_err(|_| Some(BodyError::Stalled(stall)))?.ok_or(None)?;
                    let part = data.split_to(room.min(data.len()));
                    let last = data.is_empty() && body.is_end_stream();
                    send.send_data(part, last).map_err(|_| None)?;
                    if last {
                        return Ok(());
                    }
                }
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                return send.send_trailers(trailers).map_err(|_| None);
            }
        }
    }
}

/// How many of these bytes may be sent now; `None` if the stream is over.
pub(crate) async fn room(send: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    poll_fn(|cx| poll_room(send, wanted, cx)).await
}

pub(crate) fn poll_room(send: &mut SendStream<Bytes>, wanted: usize, cx: &mut Context<'_>) -> Poll<Option<usize>> {
    send.reserve_capacity(wanted);
    loop {
        let capacity = send.capacity();
        if capacity > 0 {
            return Poll::Ready(Some(capacity));
        }
        match ready!(send.poll_capacity(cx)) {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Poll::Ready(None),
        }
    }
}

/// An answer's body as it comes. What was taken may be sent anew.
pub(crate) struct Answer {
    stream: RecvStream,
    ended: bool,
    /// Dropped together: all that is left of the request.
    _held: (Option<AbortOnDropHandle<()>>, Places, Connection),
}

impl Answer {
    pub(crate) fn new(stream: RecvStream, held: (Option<AbortOnDropHandle<()>>, Places, Connection)) -> Answer {
        Answer { stream, ended: false, _held: held }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(self.stream.poll_data(cx)) {
            Some(Ok(data)) => {
                let _ = self.stream.flow_control().release_capacity(data.len());
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            Some(Err(error)) => {
                self.ended = true;
                return Poll::Ready(Some(Err(broken(&error))));
            }
            None => {}
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        self.ended = true;
        Poll::Ready(match trailers {
            Ok(Some(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Ok(None) => None,
            Err(error) => Some(Err(broken(&error))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn broken(error: &h2::Error) -> BodyError {
    BodyError::Broken(error.to_string())
}
