#![allow(clippy::unwrap_used, reason = "a test")]
use super::{Body, BodyError, Bounded, MERGED_MAX, Merged};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use std::time::Duration;

fn parts(parts: Vec<Result<Frame<Bytes>, BodyError>>) -> Body {
    StreamBody::new(stream::iter(parts)).boxed_unsync()
}

fn data(length: usize) -> Result<Frame<Bytes>, BodyError> {
    Ok(Frame::data(Bytes::from(vec![7; length])))
}

#[test]
fn small_parts_that_are_there_become_one() {
    let mut trailers = HeaderMap::new();
    trailers.insert("sum", "9".parse().unwrap());
    let mut all: Vec<_> = (0..10_000).map(|_| data(3)).collect();
    all.push(data(100_000));
    all.push(data(1));
    all.push(Ok(Frame::trailers(trailers.clone())));
    let mut merged = Merged::new(parts(all));
    let (mut frames, mut bytes, mut last) = (0, 0, None);
    while let Some(frame) = merged.frame().now_or_never().unwrap() {
        match frame.unwrap().into_data() {
            Ok(data) => {
                frames += 1;
                bytes += data.len();
                assert!(data.len() < MERGED_MAX + 3 || data.len() == 100_000, "{}", data.len());
            }
            Err(frame) => last = frame.into_trailers().ok(),
        }
    }
    assert_eq!((bytes, last), (130_001, Some(trailers)));
    assert_eq!(frames, 30_000_usize.div_ceil(MERGED_MAX) + 2);
}

#[test]
fn an_error_comes_after_what_was_before_it() {
    let broken = BodyError::Broken("cut".to_owned());
    let mut merged = Merged::new(parts(vec![data(1), data(2), Err(broken.clone()), data(3)]));
    let mut next = || merged.frame().now_or_never().unwrap().unwrap();
    assert_eq!(next().unwrap().into_data().unwrap().len(), 3);
    assert_eq!(next().unwrap_err(), broken);
}

#[test]
fn a_body_may_have_as_many_bytes_as_it_may() {
    let exact = Bounded::new(parts(vec![data(3), data(5)]), 8, Duration::MAX / 4, ());
    let taken = exact.collect().now_or_never().unwrap().unwrap();
    assert_eq!(taken.to_bytes().len(), 8);
    let more = Bounded::new(parts(vec![data(3), data(6)]), 8, Duration::MAX / 4, ());
    assert_eq!(more.collect().now_or_never().unwrap().unwrap_err(), BodyError::TooLarge(8));
}

#[tokio::test]
async fn a_silent_body_ends_and_a_slow_one_does_not() {
    let patience = Duration::from_secs(1);
    let slow = stream::unfold(0, |count| async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (count < 8).then(|| (data(1), count + 1))
    });
    let slow = Bounded::new(StreamBody::new(Box::pin(slow)), 100, patience, ());
    assert_eq!(slow.collect().await.unwrap().to_bytes().len(), 8);
    let silent = Bounded::new(StreamBody::new(stream::pending::<Result<Frame<Bytes>, BodyError>>()), 100, patience, ());
    let error: BodyError = silent.collect().await.unwrap_err();
    assert_eq!(error, BodyError::Stalled(patience));
}
