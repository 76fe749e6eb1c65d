//! Bodies: streams of bytes that are never held whole, and what bounds them.
//!
//! ```text
//! source ─▶ Bounded: bytes, silence ─▶ Merged: small parts that are there become one ─▶ frames of HTTP/2
//! ```

use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The body of a request or an answer. Dropping it before its end tells the other side to stop.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why a body ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing came, or nothing was taken, for so long.
    #[error("the body has not moved for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    /// It is larger than may be.
    #[error("the body has more than {0} bytes")]
    TooLarge(u64),
    /// The connection ended, or whoever sent it gave up.
    #[error("the body ended before its end: {0}")]
    Broken(String),
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// All of it at once.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// Anyone's.
pub fn from<B>(body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: fmt::Display,
{
    body.map_err(|error| BodyError::Broken(error.to_string())).boxed_unsync()
}

/// What is there already of a small body is sent as one: up to this many bytes.
const MERGED_MAX: usize = 16 * 1024;
/// A part that is smaller waits for nothing but takes what is there.
const SMALL: usize = 4 * 1024;

type Part = Option<Result<Frame<Bytes>, BodyError>>;

/// A body of bounded size, from which something comes every so often. Keeps `K` until it is dropped.
pub(crate) struct Bounded<B, K> {
    inner: B,
    most: u64,
    left: u64,
    patience: Duration,
    silence: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    _keep: K,
}

impl<B, K> Bounded<B, K> {
    pub(crate) fn new(inner: B, most: u64, patience: Duration, keep: K) -> Bounded<B, K> {
        Bounded { inner, most, left: most, patience, silence: None, waiting: false, _keep: keep }
    }

    fn silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = Instant::now() + self.patience;
        let sleep = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            sleep.as_mut().reset(until);
            self.waiting = true;
        }
        sleep.as_mut().poll(cx)
    }
}

impl<B, K> HttpBody for Bounded<B, K>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
    K: Unpin,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Part> {
        let Poll::Ready(part) = Pin::new(&mut self.inner).poll_frame(cx) else {
            ready!(self.silence(cx));
            return Poll::Ready(Some(Err(BodyError::Stalled(self.patience))));
        };
        self.waiting = false;
        Poll::Ready(part.map(|part| {
            let frame = part.map_err(Into::into)?;
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.left = self.left.checked_sub(bytes).ok_or(BodyError::TooLarge(self.most))?;
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A body whose small parts are put together, as far as they are there: nothing waits. A thousand parts of a byte each would
/// be a thousand frames, which the other side counts.
pub(crate) struct Merged<B> {
    inner: B,
    next: Option<Part>,
}

impl<B> Merged<B> {
    pub(crate) fn new(inner: B) -> Merged<B> {
        Merged { inner, next: None }
    }
}

impl<B: HttpBody<Data = Bytes, Error = BodyError> + Unpin> HttpBody for Merged<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Part> {
        let first = match self.next.take() {
            Some(part) => part,
            None => ready!(Pin::new(&mut self.inner).poll_frame(cx)),
        };
        let data = match first.map(|part| part.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => data,
            Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(None),
        };
        if data.len() >= SMALL || self.inner.is_end_stream() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let (first, mut merged) = (data, BytesMut::new());
        while first.len() + merged.len() < MERGED_MAX {
            let Poll::Ready(part) = Pin::new(&mut self.inner).poll_frame(cx) else { break };
            match part {
                Some(Ok(frame)) if frame.data_ref().is_some_and(|data| data.len() < SMALL) => {
                    if merged.is_empty() {
                        merged.extend_from_slice(&first);
                    }
                    merged.extend_from_slice(frame.data_ref().expect("it was looked at"));
                }
                other => {
                    self.next = Some(other);
                    break;
                }
            }
        }
        let data = if merged.is_empty() { first } else { merged.freeze() };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.next.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.next.is_some() { SizeHint::default() } else { self.inner.size_hint() }
    }
}

/// Since when a part of an answer waits to be taken.
#[derive(Debug)]
pub(crate) struct Moves {
    base: Instant,
    /// Milliseconds after `base`, and one; 0 if none waits.
    waits: AtomicU64,
}

impl Moves {
    pub(crate) fn new() -> Arc<Moves> {
        Arc::new(Moves { base: Instant::now(), waits: AtomicU64::new(0) })
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Returns when a part has waited for so long.
    pub(crate) async fn stalled(&self, patience: Duration) {
        let patient = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        loop {
            tokio::time::sleep(patience / 4).await;
            let waits = self.waits.load(Ordering::Relaxed);
            if waits != 0 && (self.millis() + 1).saturating_sub(waits) >= patient {
                return;
            }
        }
    }
}

/// An answer that is being sent: notes when its parts are taken. Keeps `K` until it is dropped.
pub(crate) struct Sent<K> {
    inner: Merged<Body>,
    moves: Arc<Moves>,
    _keep: K,
}

impl<K> Sent<K> {
    pub(crate) fn new(body: Body, moves: Arc<Moves>, keep: K) -> Sent<K> {
        Sent { inner: Merged::new(body), moves, _keep: keep }
    }
}

impl<K: Unpin> HttpBody for Sent<K> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Part> {
        // Who asks for more has taken what was before.
        self.moves.waits.store(0, Ordering::Relaxed);
        let part = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if matches!(&part, Some(Ok(_))) {
            self.moves.waits.store(self.moves.millis() + 1, Ordering::Relaxed);
        }
        Poll::Ready(part)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
