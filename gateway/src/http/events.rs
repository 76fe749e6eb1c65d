//! A session's log as server-sent events or over a WebSocket, to be resumed where a client lost it.

use super::App;
use super::events_socket;
use super::openapi::{As, Events, HeaderNames, Headers, Switching};
use super::problem::Problem;
use super::request::{Query, Target};
use super::schema;
use super::socket::Upgrade;
use super::view::{EndView, EventView, ResyncView};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::stream::{BoxStream, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use warren_session::SessionError;
use warren_session::event::{Event, What};
use warren_session::id::ExecId;
use warren_session::position::Position;
use warren_session::sessions::Seen;

/// How often a comment is sent on a stream that is silent, so that whatever is between keeps it open.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// Those after this position; from the first that is kept without it.
    #[param(value_type = Option<schema::Position>, inline)]
    after: Option<Position>,
    /// `false` ends at the event that is the last now, and says so by an event `end`.
    follow: Option<bool>,
    /// Those of one command, until it ends.
    #[param(value_type = Option<schema::Count>, inline)]
    exec: Option<ExecId>,
}

/// Where a client that lost its stream goes on.
pub(crate) struct Last;

impl HeaderNames for Last {
    const NAMES: &[(&str, &str)] = &[("last-event-id", "The last event that was seen; it goes before `after`.")];

    fn schema(_: &str) -> ObjectBuilder {
        ObjectBuilder::new().schema_type(Type::String).pattern(Some(schema::POSITION))
    }
}

/// `GET .../events?after=&follow=&exec=`, also with `Last-Event-ID`, also as a WebSocket. The session is not woken.
pub(crate) async fn events(
    State(app): State<App>,
    target: Target,
    Headers(headers, _): Headers<Last>,
    Query(asked): Query<Asked>,
    upgrade: Upgrade,
) -> Result<As<(Events, Switching)>, Problem> {
    let after = last(&headers, asked.after)?;
    let until = match asked.follow {
        Some(false) => Some(app.sessions.get(&target.tenant, target.id).await?.position),
        _ => None,
    };
    let seen = app.sessions.events(&target.tenant, target.id, after).await?;
    let after = after.unwrap_or(Position::START);
    let (seen, none_left) = match until {
        Some(until) if until <= after => (futures_util::stream::iter(lost(until, after).map(Ok)).boxed(), true),
        _ => (seen, false),
    };
    let which = Which { until, exec: asked.exec, end: until.is_some(), none_left };
    if upgrade.is_asked() {
        let log = events_socket::Log { sessions: app.sessions.clone(), tenant: target.tenant, id: target.id };
        return upgrade.take(&app, async move |socket| log.send(socket, seen, which).await).map(As::from);
    }
    Ok(stream(seen, which, app.stop.clone()).into_response().into())
}

/// Behind which event a client goes on. One that reconnects sends the query of its first request again; what it saw last is
/// in the header.
pub(crate) fn last(headers: &HeaderMap, asked: Option<Position>) -> Result<Option<Position>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(asked) };
    let position = id.to_str().unwrap_or_default().parse();
    position.map(Some).map_err(|error| Problem::invalid(format!("Last-Event-ID: {error}")))
}

/// What is sent of a log.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Data<'a> {
    Event(EventView<'a>),
    Resync(ResyncView),
}

/// What of a log is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Which {
    /// The last event to be sent; `None` goes on.
    pub(crate) until: Option<Position>,
    /// Those of one command, until it ends.
    pub(crate) exec: Option<ExecId>,
    /// Its end is told, over SSE: there a stream that was cut off looks the same. A WebSocket closes with a code.
    pub(crate) end: bool,
    /// Nothing up to `until` is left to be sent: it is the end when there are no more.
    pub(crate) none_left: bool,
}

/// Sends events until their end, or the server's.
pub(crate) fn stream(
    seen: BoxStream<'static, Result<Seen, SessionError>>,
    which: Which,
    stop: CancellationToken,
) -> Sse<impl Stream<Item = Result<Sent, Infallible>>> {
    let mut over = false;
    // What ends by itself ends with `None`.
    let sent = seen
        .map(Some)
        .chain(futures_util::stream::once(std::future::ready(None)))
        .map(move |seen| {
            // Nothing is sent behind the end, which only the event itself shows.
            if over {
                return None;
            }
            let (text, ended) = match &seen {
                Some(Ok(seen)) => (which.text(seen), which.ends_with(seen)),
                Some(Err(error)) => (Some(failed(error)), false),
                None => (None, which.none_left),
            };
            over = ended || !matches!(seen, Some(Ok(_)));
            let end = which.until.filter(|_| ended && which.end).map(end);
            Some((text, end, over))
        })
        .take_while(|item| std::future::ready(item.is_some()))
        .flat_map(|item| {
            // The last one ends the stream with it, rather than when the next would come.
            let (text, end, over) = item.unwrap_or((None, None, true));
            let turns = text.into_iter().chain(end).map(Turn::Send);
            futures_util::stream::iter(turns.chain(over.then_some(Turn::End)))
        })
        .take_while(|turn| std::future::ready(!matches!(turn, Turn::End)))
        .filter_map(|turn| std::future::ready(turn.send().map(Ok)))
        .take_until(stop.cancelled_owned());
    Sse::new(sent).keep_alive(KeepAlive::new().interval(HEARTBEAT))
}

enum Turn {
    Send(Sent),
    End,
}

impl Turn {
    fn send(self) -> Option<Sent> {
        match self {
            Turn::Send(sent) => Some(sent),
            Turn::End => None,
        }
    }
}

impl Which {
    /// Whether nothing is sent behind it.
    pub(crate) fn ends_with(&self, seen: &Seen) -> bool {
        let Seen::Event(event) = seen else {
            // Numbers that were lost with an owner are given again: an event follows.
            return false;
        };
        let ended = matches!(event.what, What::Exited { exec, .. } if Some(exec) == self.exec);
        ended || self.until.is_some_and(|until| event.position >= until)
    }

    fn text(&self, seen: &Seen) -> Option<Sent> {
        let data = json(&self.data(seen)?);
        Some(match seen {
            Seen::Event(event) => Sent::default().id(event.position.to_string()).event(event.what.word()).data(data),
            Seen::Resync { .. } => Sent::default().event("resync").data(data),
        })
    }

    /// What is sent of it, if it is sent.
    pub(crate) fn data<'a>(&self, seen: &'a Seen) -> Option<Data<'a>> {
        match seen {
            Seen::Event(event) => {
                (self.exec.is_none() || exec_of(event) == self.exec).then(|| Data::Event(event.into()))
            }
            Seen::Resync { from, to } => Some(Data::Resync(ResyncView::new(*from, *to))),
        }
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("views are plain data")
}

/// What a client has lost whose position lies behind the last event there is.
fn lost(last: Position, after: Position) -> Option<Seen> {
    (last < after).then(|| Seen::Resync { from: last.seq.saturating_add(1).min(after.seq), to: after.seq })
}

/// The last of a stream that was to end.
fn end(last: Position) -> Sent {
    Sent::default().event("end").data(json(&EndView::new(last)))
}

/// A stream that has begun cannot answer with a status; it says why it ends.
pub(crate) fn failed(error: &SessionError) -> Sent {
    let problem = Problem::from(error.clone());
    Sent::default().event("error").data(problem.to_json())
}

fn exec_of(event: &Event) -> Option<ExecId> {
    match &event.what {
        What::Started { exec, .. } | What::Output { exec, .. } | What::Exited { exec, .. } => Some(*exec),
        What::EpochBegan { .. }
        | What::Created { .. }
        | What::FilesChanged { .. }
        | What::Lifecycle { .. }
        | What::Updated { .. }
        | What::Checkpointed { .. }
        | What::RolledBack { .. }
        | What::Forked { .. }
        | What::Kernel { .. }
        | What::Terminal { .. }
        | What::Audit { .. } => None,
    }
}
