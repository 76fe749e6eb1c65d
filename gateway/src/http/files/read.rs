//! `POST .../files:read`: several files in one answer, a line each part, read as they are sent.
//!
//! ```text
//! file ─▶ data, data, … ─▶ file ─▶ error ─▶ file ─▶ cut ─▶ … ─▶ end
//! ```
//! One part of one file is in memory at a time, and the next is read when the client has taken it.

use super::{PART, follow};
use crate::http::App;
use crate::http::openapi::{As, JsonLines};
use crate::http::problem::Problem;
use crate::http::request::{self, Json, Target};
use crate::http::schema;
use crate::http::view::{FileView, split};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::stream::unfold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;
use std::convert::Infallible;
use utoipa::ToSchema;
use warren_kernel::vfs::FileKind;
use warren_session::SessionHandle;

/// Files of one request, at most.
const PATHS_MAX: usize = 1000;
/// Bytes of all of them, unless the client says otherwise, and at most.
const BYTES: u64 = 16 << 20;
const BYTES_MAX: u64 = 1 << 30;

/// Which files.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileRead)]
pub(crate) struct Asked {
    /// In the order in which they are answered; links are followed.
    #[schema(max_items = 1000, value_type = Vec<schema::Path>)]
    paths: Vec<String>,
    /// Bytes of content of all of them together, after which no more is sent.
    #[schema(minimum = 0, maximum = 1073741824)]
    bytes_max: Option<u64>,
    /// Attributes alone, without the bytes.
    #[serde(default)]
    stat: bool,
}

/// A line of the answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    /// The next path, and what is there; `index` is which of the paths it is, from 0.
    File { index: usize, path: &'a str, file: FileView },
    /// Bytes of it.
    Data {
        index: usize,
        path: &'a str,
        offset: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        data_base64: Option<String>,
    },
    /// It cannot be read, or not to its end.
    Error { index: usize, path: &'a str, error: Value },
    /// From here on its bytes are left out: as many were sent as may be.
    Cut { index: usize, path: &'a str, offset: u64 },
    /// All was said.
    End { files: usize, bytes: u64 },
}

/// Where an answer stands.
struct Reading {
    session: SessionHandle,
    paths: VecDeque<String>,
    /// The file whose bytes are being sent: what is read next, and its end.
    now: Option<(String, u64, u64)>,
    stat: bool,
    left: u64,
    files: usize,
    bytes: u64,
    over: bool,
}

/// `POST .../files:read`.
pub(crate) async fn read(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Asked>,
) -> Result<As<JsonLines>, Problem> {
    if asked.paths.len() > PATHS_MAX {
        return Err(Problem::invalid(format!("paths: {}; at most {PATHS_MAX} are read at once", asked.paths.len())));
    }
    let left = asked.bytes_max.unwrap_or(BYTES);
    if left > BYTES_MAX {
        return Err(Problem::invalid(format!("bytes_max: {left} is more than {BYTES_MAX}")));
    }
    let paths = asked.paths.iter().map(|path| request::absolute(path)).collect::<Result<_, _>>()?;
    let session = target.wake(&app).await?;
    let reading = Reading { session, paths, now: None, stat: asked.stat, left, files: 0, bytes: 0, over: false };
    let lines = unfold(reading, |mut reading| async {
        let line = reading.line().await?;
        Some((Ok::<Bytes, Infallible>(line), reading))
    });
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response().into())
}

impl Reading {
    async fn line(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some((path, offset, end)) = self.now.take() {
            return Some(self.data(path, offset, end).await);
        }
        let Some(path) = self.paths.pop_front() else {
            self.over = true;
            return Some(text(&Line::End { files: self.files, bytes: self.bytes }));
        };
        let index = self.files;
        self.files += 1;
        Some(match follow(&self.session, &path).await {
            Ok(info) => {
                let line_is_all = self.stat || info.kind != FileKind::Regular || info.size == 0;
                let size = info.size;
                let line = text(&Line::File { index, path: &path, file: info.into() });
                self.now = (!line_is_all).then_some((path, 0, size));
                line
            }
            Err(error) => failed(index, &path, &error.into()),
        })
    }

    /// The next bytes of a file, which has as many as when it was begun, or fewer.
    async fn data(&mut self, path: String, offset: u64, end: u64) -> Bytes {
        let index = self.files.saturating_sub(1);
        if self.left == 0 {
            return text(&Line::Cut { index, path: &path, offset });
        }
        let until = end.min(offset + PART.min(self.left));
        match self.session.read_file(&path, offset..until).await {
            Ok(bytes) if bytes.is_empty() => text(&Line::Cut { index, path: &path, offset }),
            Ok(bytes) => {
                let (count, (data, data_base64)) = (bytes.len() as u64, split(&bytes));
                self.left -= count;
                self.bytes += count;
                let line = text(&Line::Data { index, path: &path, offset, data, data_base64 });
                self.now = (offset + count < end).then_some((path, offset + count, end));
                line
            }
            Err(error) => failed(index, &path, &error.into()),
        }
    }
}

fn failed(index: usize, path: &str, problem: &Problem) -> Bytes {
    let error = serde_json::from_str(&problem.to_json()).unwrap_or_default();
    text(&Line::Error { index, path, error })
}

fn text(line: &Line<'_>) -> Bytes {
    let mut text = serde_json::to_vec(line).expect("lines are plain data");
    text.push(b'\n');
    text.into()
}
