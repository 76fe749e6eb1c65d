//! A client's body, of which the first part is kept: until more of it was sent, the request can be sent again elsewhere.

use crate::body::{Body, BodyError};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// Bytes that are kept, at most.
pub(crate) const KEPT_MAX: usize = 64 * 1024;
/// Parts that are kept, at most.
const PARTS_MAX: usize = 1024;

/// The body, for as many tries as can be made.
#[derive(Clone)]
pub(crate) struct Replay(Arc<Mutex<Kept>>);

struct Kept {
    source: Body,
    parts: Vec<Part>,
    bytes: usize,
    ended: bool,
    /// More was sent than is kept, or the source failed.
    gone: bool,
    /// The try that may read; earlier ones are over.
    latest: u64,
}

#[derive(Clone)]
enum Part {
    Data(Bytes),
    Trailers(HeaderMap),
}

/// The body for one try.
struct Try {
    kept: Replay,
    number: u64,
    next: usize,
}

impl Replay {
    pub(crate) fn new(source: Body) -> Replay {
        let kept = Kept { source, parts: Vec::new(), bytes: 0, ended: false, gone: false, latest: 0 };
        Replay(Arc::new(Mutex::new(kept)))
    }

    /// Whether it can be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        !self.kept().gone
    }

    /// It, from its beginning. What was given before ends.
    pub(crate) fn again(&self) -> Body {
        let number = {
            let mut kept = self.kept();
            kept.latest += 1;
            kept.latest
        };
        Try { kept: self.clone(), number, next: 0 }.boxed_unsync()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    fn frame(self) -> Frame<Bytes> {
        match self {
            Part::Data(bytes) => Frame::data(bytes),
            Part::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl Kept {
    fn keep(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if self.gone {
            return frame;
        }
        let part = match frame.into_data() {
            Ok(bytes) => Part::Data(bytes),
            Err(frame) => match frame.into_trailers() {
                Ok(trailers) => Part::Trailers(trailers),
                Err(frame) => return frame,
            },
        };
        if let Part::Data(bytes) = &part {
            self.bytes += bytes.len();
        }
        if self.bytes > KEPT_MAX || self.parts.len() >= PARTS_MAX {
            self.gone = true;
            self.parts = Vec::new();
        } else {
            self.parts.push(part.clone());
        }
        part.frame()
    }
}

impl HttpBody for Try {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let replay = self.kept.clone();
        let mut kept = replay.kept();
        if kept.latest != self.number {
            return Poll::Ready(Some(Err(BodyError::Broken("it is sent elsewhere".to_owned()))));
        }
        if let Some(part) = kept.parts.get(self.next) {
            let frame = part.clone().frame();
            self.next += 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        if kept.ended {
            return Poll::Ready(None);
        }
        let part = ready!(Pin::new(&mut kept.source).poll_frame(cx));
        self.next += 1;
        Poll::Ready(match part {
            Some(Ok(frame)) => Some(Ok(kept.keep(frame))),
            Some(Err(error)) => {
                kept.gone = true;
                kept.ended = true;
                Some(Err(error))
            }
            None => {
                kept.ended = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        let kept = self.kept.kept();
        self.next >= kept.parts.len() && (kept.ended || kept.source.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.next == 0 && self.kept.kept().parts.is_empty() {
            self.kept.kept().source.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]
    use super::{KEPT_MAX, Replay};
    use crate::body;
    use bytes::Bytes;
    use futures_util::{FutureExt, stream};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    fn source(parts: usize, length: usize) -> body::Body {
        let parts = (0..parts).map(move |n| Ok(Frame::data(Bytes::from(vec![n as u8; length]))));
        StreamBody::new(stream::iter(parts)).boxed_unsync()
    }

    #[test]
    fn a_small_body_is_sent_again_from_any_point() {
        let replay = Replay::new(source(8, KEPT_MAX / 8));
        let mut first = replay.again();
        for _ in 0..3 {
            first.frame().now_or_never().unwrap().unwrap().unwrap();
        }
        assert!(replay.is_whole());
        let second = replay.again();
        let bytes = second.collect().now_or_never().unwrap().unwrap().to_bytes();
        let wanted: Vec<u8> = (0..8).flat_map(|n| vec![n; KEPT_MAX / 8]).collect();
        assert!(bytes == wanted, "all of it, in its order");
        assert!(first.frame().now_or_never().unwrap().unwrap().is_err(), "the first try is over");
        assert!(replay.is_whole(), "exactly as much as is kept");
        assert_eq!(replay.again().collect().now_or_never().unwrap().unwrap().to_bytes().len(), KEPT_MAX);
    }

    #[test]
    fn a_larger_one_is_not() {
        let replay = Replay::new(source(9, KEPT_MAX / 8));
        let bytes = replay.again().collect().now_or_never().unwrap().unwrap().to_bytes();
        assert_eq!(bytes.len(), KEPT_MAX / 8 * 9, "but it goes through once");
        assert!(!replay.is_whole());
    }

    #[test]
    fn none_at_all_has_an_end_at_once() {
        assert!(http_body::Body::is_end_stream(&Replay::new(body::empty()).again()));
    }
}
