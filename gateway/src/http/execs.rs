//! Commands: started, waited for, fed, signalled, and their output read by offset.

use super::App;
use super::events::{self, Which};
use super::input::Input;
use super::openapi::{Accepted, As, Events, HeaderNames, Headers, NoContent, OutputBytes};
use super::problem::Problem;
use super::processes::Send;
use super::request::{self, Exec, Json, Query, Target};
use super::schema;
use super::view::{self, ExecView, FinishedView, Listing, StartedView};
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Deserialize;
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use warren_config::value::Period;
use warren_kernel::pty::WindowSize;
use warren_session::SessionError;
use warren_session::command::{ExecRequest, Stdin, Words};
use warren_session::event::Stream;
use warren_session::id::CommandKey;
use warren_session::position::Position;
use warren_session::terminal::{COLUMNS_MAX, ROWS_MAX, check_size};

/// Bytes of a stream in one answer, at most.
const OUTPUT_MAX: usize = 1 << 20;
const OFFSET: HeaderName = HeaderName::from_static("warren-offset");
const END: HeaderName = HeaderName::from_static("warren-end");

/// A command to run.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewExec)]
pub(crate) struct Run {
    /// A line for the shell.
    #[schema(min_length = 1, pattern = r"^[^\x00]*$")]
    command: Option<String>,
    /// A program and its arguments.
    #[schema(value_type = Option<Vec<schema::Word>>, min_items = 1)]
    argv: Option<Vec<String>>,
    /// Environment entries beside the session's own; they win.
    #[serde(default)]
    #[schema(value_type = schema::Environment)]
    env: BTreeMap<String, String>,
    /// Where it begins.
    #[schema(pattern = r"^/[^\x00]*$")]
    cwd: Option<String>,
    /// Its standard input; without it there is none.
    stdin: Option<Input>,
    /// It is killed after this long.
    timeout: Option<Period>,
    /// A terminal of this size instead of pipes.
    terminal: Option<Size>,
    /// Answer when it has started, not when it has ended.
    #[serde(default)]
    detach: bool,
}

/// A terminal's size, in characters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WindowSize)]
pub(crate) struct Size {
    #[schema(minimum = 1, maximum = 200)]
    rows: u16,
    #[schema(minimum = 1, maximum = 400)]
    columns: u16,
}

const _: () = assert!(ROWS_MAX == 200 && COLUMNS_MAX == 400, "the document says the same of windows and terminals");

/// Which bytes of a command's output.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OutputAsked {
    /// `stdout` unless said otherwise.
    #[param(value_type = Option<schema::Stream>, inline)]
    stream: Option<Stream>,
    /// Bytes of the stream before those that are sent.
    #[param(value_type = Option<schema::Count>, inline)]
    offset: Option<u64>,
    /// How many bytes.
    #[param(minimum = 1, maximum = 1048576)]
    limit: Option<usize>,
    /// Waits until there is at least one, or the end.
    wait: Option<bool>,
}

/// Whether what is sent is all.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StdinAsked {
    /// Ends it behind these bytes.
    close: Option<bool>,
}

impl TryFrom<Size> for WindowSize {
    type Error = Problem;

    fn try_from(size: Size) -> Result<WindowSize, Problem> {
        let size = WindowSize::new(size.rows, size.columns);
        check_size(size)?;
        Ok(size)
    }
}

impl Run {
    fn request(self, key: Option<CommandKey>) -> Result<ExecRequest, Problem> {
        let command = match (self.command, self.argv) {
            (Some(line), None) => Words::Line(line),
            (None, Some(words)) if !words.is_empty() => Words::Argv(words),
            (None, Some(_)) => return Err(Problem::invalid("argv: has to have at least the program")),
            _ => {
                return Err(Problem::invalid(
                    "give either `command`, a line for the shell, or `argv`, a list of words",
                ));
            }
        };
        let stdin = match self.stdin {
            None => Stdin::Null,
            Some(Input::Open) => Stdin::Open,
            Some(Input::Text(text)) => Stdin::Bytes(Bytes::from(text)),
            Some(Input::Base64(text)) => Stdin::Bytes(view::from_base64(&text)?),
        };
        Ok(ExecRequest {
            command,
            environment: self.env,
            cwd: self.cwd,
            stdin,
            terminal: self.terminal.map(WindowSize::try_from).transpose()?,
            timeout: self.timeout.map(|timeout| timeout.0),
            key,
            trace: None,
        })
    }
}

/// How a command is answered.
pub(crate) struct Asks;

impl HeaderNames for Asks {
    // The document says of every POST that it has a key.
    const NAMES: &[(&str, &str)] = &[];
}

/// `POST .../exec`. Waits for the end; with `detach` for the start; with `Accept: text/event-stream` it sends what
/// happens. A command goes on when its client does not.
pub(crate) async fn exec(
    State(app): State<App>,
    target: Target,
    Headers(headers, _): Headers<Asks>,
    Json(run): Json<Run>,
) -> Result<As<(axum::Json<FinishedView>, Accepted<StartedView>, Events)>, Problem> {
    let key = super::once::key(&headers)?;
    let detach = run.detach;
    let request = ExecRequest { trace: super::trace::current(&headers), ..run.request(key)? };
    let streams = headers.get_all(ACCEPT).iter().any(|accept| {
        accept.to_str().is_ok_and(|accept| accept.split(',').any(|media| media.trim().starts_with("text/event-stream")))
    });
    let session = target.wake(&app).await?;
    if !detach && !streams {
        let most = app.config.sessions.output_bytes_max.bytes();
        let finished = session.run(request, most).await?;
        return Ok(axum::Json(FinishedView::from(finished)).into_response().into());
    }
    let started = session.exec(request).await?;
    if detach {
        return Ok((StatusCode::ACCEPTED, axum::Json(StartedView::from(started))).into_response().into());
    }
    let before = Position { seq: started.position.seq.saturating_sub(1), ..started.position };
    let seen = app.sessions.events(&target.tenant, target.id, Some(before)).await?;
    // Of a command of the past the end may no longer be in the log, only that it was.
    let ended = match started.replayed {
        true => session.exec_info(started.exec).await.ok().and_then(|info| info.ended),
        false => None,
    };
    let which = Which { until: ended.map(|(_, position)| position), exec: Some(started.exec), ..Which::default() };
    let mut response = events::stream(seen, which, app.stop.clone()).into_response();
    response.headers_mut().insert(HeaderName::from_static("warren-exec"), started.exec.0.into());
    Ok(response.into())
}

/// `GET .../execs`. The session is not woken.
pub(crate) async fn list(State(app): State<App>, target: Target) -> Result<axum::Json<Listing<ExecView>>, Problem> {
    let known = app.sessions.execs(&target.tenant, target.id).await?;
    Ok(axum::Json(Listing::whole(known.into_iter().map(ExecView::from).collect())))
}

/// `GET .../execs/{exec}`.
pub(crate) async fn get(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
) -> Result<axum::Json<ExecView>, Problem> {
    Ok(axum::Json(target.wake(&app).await?.exec_info(exec).await?.into()))
}

/// `GET .../execs/{exec}/output?stream=&offset=&limit=&wait=`.
pub(crate) async fn output(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
    Query(asked): Query<OutputAsked>,
) -> Result<As<OutputBytes>, Problem> {
    let stream = asked.stream.unwrap_or(Stream::Stdout);
    let limit = asked.limit.unwrap_or(OUTPUT_MAX);
    if limit == 0 || limit > OUTPUT_MAX {
        return Err(Problem::invalid(format!("limit: {limit} is not 1 to {OUTPUT_MAX}")));
    }
    let session = target.wake(&app).await?;
    let read = session.output(exec, stream, asked.offset.unwrap_or(0), limit, asked.wait.unwrap_or(false));
    let output = tokio::select! {
        output = read => output?,
        () = app.stop.cancelled() => return Err(SessionError::ShuttingDown.into()),
    };
    let end = if output.end { "true" } else { "false" };
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (OFFSET, output.offset.to_string()),
        (END, end.to_owned()),
    ];
    Ok((headers, output.bytes).into_response().into())
}

/// `POST .../execs/{exec}/stdin?close=`: the body's bytes, and the end if `close`.
pub(crate) async fn stdin(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
    Query(asked): Query<StdinAsked>,
    body: Body,
) -> Result<NoContent, Problem> {
    let session = target.wake(&app).await?;
    let (mut parts, fate) = super::body::parts(body, &app);
    let mut taken = false;
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| fate.or(Problem::internal()))?;
        if !part.is_empty() {
            session.write_stdin(exec, part).await?;
            taken = true;
        }
    }
    if asked.close.unwrap_or(false) {
        match session.close_stdin(exec).await {
            // It ended of these bytes, and its input with it: what was asked for is so.
            Err(SessionError::NoInput(_)) if taken => {}
            closed => closed?,
        }
    }
    Ok(NoContent)
}

/// `POST .../execs/{exec}/signal`: to the command's process group.
pub(crate) async fn signal(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
    Json(asked): Json<Send>,
) -> Result<NoContent, Problem> {
    let signal = request::signal(&asked.signal)?;
    target.wake(&app).await?.signal_exec(exec, signal).await?;
    Ok(NoContent)
}

/// `POST .../execs/{exec}/resize`.
pub(crate) async fn resize(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
    Json(size): Json<Size>,
) -> Result<NoContent, Problem> {
    let size = size.try_into()?;
    target.wake(&app).await?.resize(exec, size).await?;
    Ok(NoContent)
}
