//! A session's log over a WebSocket: one message an event, as the same event has over SSE. A client may go to another place
//! of the log at any time.

use super::events::Which;
use super::problem::Problem;
use super::socket::{self, Code, Gone, Heard, Socket};
use axum::http::StatusCode;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use serde::Deserialize;
use warren_session::id::{SessionId, TenantId};
use warren_session::position::Position;
use warren_session::{Seen, SessionError, Sessions};

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Said {
    /// Events from here on, in place of those that would have come.
    Resume {
        /// Behind this one; from the first that is kept without it.
        after: Option<Position>,
    },
}

/// The log of a session.
pub(crate) struct Log {
    pub(crate) sessions: Sessions,
    pub(crate) tenant: TenantId,
    pub(crate) id: SessionId,
}

type Events = BoxStream<'static, Result<Seen, SessionError>>;

impl Log {
    /// Sends what comes, until the end, the client's or the server's.
    pub(crate) async fn send(self, mut socket: Socket, seen: Events, which: Which) {
        if let Ok(code) = self.attend(&mut socket, seen, which).await {
            socket.close(code).await;
        }
    }

    async fn attend(&self, socket: &mut Socket, mut seen: Events, which: Which) -> Result<Code, Gone> {
        loop {
            let next = tokio::select! {
                next = seen.next() => Ok(next),
                heard = socket.next(true) => Err(heard?),
            };
            match next {
                Ok(Some(Ok(next))) => {
                    if let Some(data) = which.data(&next) {
                        socket.send(&data).await?;
                    }
                    if which.ends_with(&next) {
                        return Ok(Code::Done);
                    }
                }
                Ok(None) => return Ok(socket.ending()),
                Ok(Some(Err(error))) => {
                    socket.complain(&error.into()).await?;
                    return Ok(Code::Failed);
                }
                Err(Err(code)) => return Ok(code),
                Err(Ok(heard)) => match self.resume(heard, &mut seen).await {
                    Ok(()) => {}
                    Err(problem) => {
                        socket.complain(&problem).await?;
                        return Ok(Code::Refused);
                    }
                },
            }
        }
    }

    async fn resume(&self, heard: Heard, seen: &mut Events) -> Result<(), Problem> {
        let Heard::Text(text) = heard else {
            let (detail, hint) = ("there is no input to a log", "send `resume`, or nothing");
            return Err(Problem::new(StatusCode::BAD_REQUEST, "bad_frame", detail, hint));
        };
        let Said::Resume { after } = socket::read(&text)?;
        // Its place among those that follow the log is free for the next.
        *seen = futures_util::stream::empty().boxed();
        *seen = self.sessions.events(&self.tenant, self.id, after).await?;
        Ok(())
    }
}
