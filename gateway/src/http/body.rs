//! Bodies of requests: never longer than they may be, and never waited for without end.

use super::App;
use super::admission::Flight;
use super::problem::Problem;
use axum::body::Body;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{BoxStream, StreamExt, unfold};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why an upload ended early, for the answer: what reads the parts only sees an I/O error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fate(Arc<Mutex<Option<Problem>>>);

impl Fate {
    /// The upload's own problem, else the one that its reader had.
    pub(crate) fn or(&self, other: impl Into<Problem>) -> Problem {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| other.into())
    }

    fn set(&self, problem: Problem) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
    }
}

/// A body that has come in and counts for its tenant already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted;

/// All of a small body, which counts for its tenant as it comes in.
pub(crate) async fn whole(body: Body, app: &App, flight: Option<&Flight>) -> Result<Bytes, Problem> {
    let (mut parts, fate) = limited(body, app, app.config.server.request_bytes_max.0);
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| fate.or(Problem::internal()))?;
        flight.map_or(Ok(()), |flight| flight.read(part.len() as u64))?;
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}

/// A large body in parts, as they arrive.
pub(crate) fn parts(body: Body, app: &App) -> (BoxStream<'static, io::Result<Bytes>>, Fate) {
    limited(body, app, app.config.server.upload_bytes_max.0)
}

/// A body that is longer than it may be.
pub(crate) fn too_large(most: u64) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body has more than {most} bytes"),
        "server.request_bytes_max and server.upload_bytes_max are the limits",
    )
}

fn limited(body: Body, app: &App, most: u64) -> (BoxStream<'static, io::Result<Bytes>>, Fate) {
    let fate = Fate::default();
    let pause = app.config.server.body_timeout.0;
    let reading = Reading { parts: Some(body.into_data_stream().boxed()), left: most, most, pause, fate: fate.clone() };
    (unfold(reading, |mut reading| async { reading.next().await.map(|part| (part, reading)) }).boxed(), fate)
}

struct Reading {
    /// `None` after an error: nothing follows it.
    parts: Option<BoxStream<'static, Result<Bytes, axum::Error>>>,
    left: u64,
    most: u64,
    pause: Duration,
    fate: Fate,
}

impl Reading {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        let next = tokio::time::timeout(self.pause, self.parts.as_mut()?.next()).await;
        let problem = match next {
            Ok(None) => return None,
            Ok(Some(Ok(part))) if part.len() as u64 <= self.left => {
                self.left -= part.len() as u64;
                return Some(Ok(part));
            }
            Ok(Some(Ok(_))) => too_large(self.most),
            Ok(Some(Err(_))) => Problem::new(StatusCode::BAD_REQUEST, "body_cut", "the body ended before its end", ""),
            Err(_) => Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                format!("no byte of the body came for {} s", self.pause.as_secs()),
                "server.body_timeout is the limit",
            ),
        };
        self.parts = None;
        self.fate.set(problem);
        Some(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the upload ended early")))
    }
}
