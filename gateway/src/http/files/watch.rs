//! `GET .../files:watch`: what becomes of files, as server-sent events or over a WebSocket, to be resumed as the log is.

use crate::http::App;
use crate::http::events::{HEARTBEAT, Last, failed};
use crate::http::events_socket::Said;
use crate::http::openapi::{As, Events, Headers, Switching};
use crate::http::problem::Problem;
use crate::http::request::{self, Query, Target};
use crate::http::schema;
use crate::http::socket::{self, Code, Gone, Heard, Socket, Upgrade};
use crate::http::view::{Time, kind};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::stream::{BoxStream, StreamExt};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::{IntoParams, ToSchema};
use warren_session::event::How;
use warren_session::id::{SessionId, TenantId};
use warren_session::position::Position;
use warren_session::watch::{Changed, Scope, Watched};
use warren_session::{SessionError, Sessions};

/// What is watched.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// A file or directory, absolute; the root without it. It need not be there yet, and links are not followed.
    path: Option<String>,
    /// Not only what lies in it, but all beneath.
    recursive: Option<bool>,
    /// Changes behind this position; those from now on without it.
    #[param(value_type = Option<schema::Position>, inline)]
    after: Option<Position>,
}

/// What a watcher is told: `type` says which other members there are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = FileWatch)]
pub(crate) enum Told {
    /// First: changes behind this position are told. What is listed from here on and changed by them is never too old.
    Watching {
        #[schema(value_type = schema::Position)]
        position: Position,
    },
    /// These changed.
    Changes {
        #[schema(value_type = schema::Position)]
        position: Position,
        time: Time,
        changes: Vec<ChangeView>,
    },
    /// More changed than can be told: list anew what you know.
    Resync {
        #[schema(value_type = Option<schema::Position>, required)]
        position: Option<Position>,
    },
    /// Nothing that is watched changed up to here.
    Reached {
        #[schema(value_type = schema::Position)]
        position: Position,
    },
}

/// What became of a file.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FileChange)]
pub(crate) struct ChangeView {
    change: ChangeKind,
    path: String,
    /// Of `moved`: where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What is there, or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Kind>)]
    kind: Option<&'static str>,
}

/// In a word.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = FileChangeKind)]
enum ChangeKind {
    Created,
    Modified,
    Attributes,
    Removed,
    Moved,
}

type Stream = BoxStream<'static, Result<Watched, SessionError>>;

/// A watch of one session.
struct Watch {
    sessions: Sessions,
    tenant: TenantId,
    id: SessionId,
    scope: Scope,
}

/// `GET .../files:watch?path=&recursive=&after=`, also with `Last-Event-ID`, also as a WebSocket. The session is not woken.
pub(crate) async fn watch(
    State(app): State<App>,
    target: Target,
    Headers(headers, _): Headers<Last>,
    Query(asked): Query<Asked>,
    upgrade: Upgrade,
) -> Result<As<(Events, Switching)>, Problem> {
    let after = crate::http::events::last(&headers, asked.after)?;
    let path = request::absolute(asked.path.as_deref().unwrap_or("/"))?;
    let scope = Scope::new(&path, asked.recursive.unwrap_or(false))?;
    let watch = Watch { sessions: app.sessions.clone(), tenant: target.tenant, id: target.id, scope };
    let (from, seen) = watch.from(after).await?;
    if upgrade.is_asked() {
        return upgrade.take(&app, async move |socket| watch.send(socket, from, seen).await).map(As::from);
    }
    let first = futures_util::stream::iter([sent(&Told::Watching { position: from })]);
    let mut over = false;
    let rest = seen.take_while(move |seen| {
        // A stream that has begun says why it ends, and then ends.
        let goes_on = !over;
        over = seen.is_err();
        std::future::ready(goes_on)
    });
    let rest = rest.map(|seen| match seen {
        Ok(watched) => sent(&watched.into()),
        Err(error) => failed(&error),
    });
    let all = first.chain(rest).map(Ok::<Sent, Infallible>).take_until(app.stop.clone().cancelled_owned());
    Ok(Sse::new(all).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response().into())
}

impl Watch {
    async fn from(&self, after: Option<Position>) -> Result<(Position, Stream), SessionError> {
        self.sessions.watch(&self.tenant, self.id, self.scope.clone(), after).await
    }

    /// Sends what comes, until the end, the client's or the server's.
    async fn send(self, mut socket: Socket, from: Position, seen: Stream) {
        if let Ok(code) = self.attend(&mut socket, from, seen).await {
            socket.close(code).await;
        }
    }

    async fn attend(&self, socket: &mut Socket, from: Position, mut seen: Stream) -> Result<Code, Gone> {
        socket.send(&Told::Watching { position: from }).await?;
        loop {
            let next = tokio::select! {
                next = seen.next() => Ok(next),
                heard = socket.next(true) => Err(heard?),
            };
            match next {
                Ok(Some(Ok(watched))) => socket.send(&Told::from(watched)).await?,
                Ok(None) => return Ok(socket.ending()),
                Ok(Some(Err(error))) => {
                    socket.complain(&error.into()).await?;
                    return Ok(Code::Failed);
                }
                Err(Err(code)) => return Ok(code),
                Err(Ok(heard)) => match self.resume(heard, &mut seen).await {
                    Ok(position) => socket.send(&Told::Watching { position }).await?,
                    Err(problem) => {
                        socket.complain(&problem).await?;
                        return Ok(Code::Refused);
                    }
                },
            }
        }
    }

    async fn resume(&self, heard: Heard, seen: &mut Stream) -> Result<Position, Problem> {
        let Heard::Text(text) = heard else {
            let (detail, hint) = ("there is no input to a watch", "send `resume`, or nothing");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_frame", detail, hint));
        };
        let Said::Resume { after } = socket::read(&text)?;
        // Its place among those that follow the log is free for the next.
        *seen = futures_util::stream::empty().boxed();
        let position;
        (position, *seen) = self.from(after).await?;
        Ok(position)
    }
}

impl From<Watched> for Told {
    fn from(watched: Watched) -> Told {
        match watched {
            Watched::Changes { position, time, changes } => {
                let changes = changes.into_iter().filter_map(ChangeView::of).collect();
                Told::Changes { position, time: Time(time), changes }
            }
            Watched::Resync { position } => Told::Resync { position },
            Watched::Reached(position) => Told::Reached { position },
        }
    }
}

impl ChangeView {
    fn of(changed: Changed) -> Option<ChangeView> {
        let (change, from) = match changed.how {
            How::Created => (ChangeKind::Created, None),
            How::Modified => (ChangeKind::Modified, None),
            How::Attributes => (ChangeKind::Attributes, None),
            How::Removed => (ChangeKind::Removed, None),
            How::Moved { from } => (ChangeKind::Moved, Some(from)),
            How::Left | How::Nothing => return None,
        };
        Some(ChangeView { change, path: changed.path, from, kind: changed.kind.map(kind) })
    }
}

fn sent(told: &Told) -> Sent {
    let (word, position) = match told {
        Told::Watching { position } => ("watching", Some(position)),
        Told::Changes { position, .. } => ("changes", Some(position)),
        Told::Resync { position } => ("resync", position.as_ref()),
        Told::Reached { position } => ("reached", Some(position)),
    };
    let event = Sent::default().event(word).data(serde_json::to_string(told).expect("views are plain data"));
    match position {
        Some(position) => event.id(position.to_string()),
        None => event,
    }
}
