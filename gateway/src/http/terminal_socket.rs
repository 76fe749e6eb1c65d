//! A terminal over a WebSocket: what makes the client's screen right, then what comes; keys and sizes the other way.
//!
//! ```text
//! attached ─▶ size ─▶ screen, its bytes ─▶ bytes by offset ─▶ …          late: gap, screen      another's resize: size
//! ```
//! Many may be attached at once, and all see the same. One that is slow gets a new screen in place of what it missed.

use super::execs::Size;
use super::problem::Problem;
use super::socket::{self, Code, Gone, Heard, PART_MAX, Socket};
use super::terminals::TerminalView;
use super::view::Ended;
use axum::http::StatusCode;
use futures_util::future::{BoxFuture, FutureExt, pending};
use serde::{Deserialize, Serialize};
use warren_session::id::TerminalName;
use warren_session::terminal::{Shown, View};
use warren_session::{SessionError, SessionHandle};

/// The stream of a terminal, in binary frames.
const STREAM: u8 = 1;
/// Bytes that make a screen; their offset is that among themselves.
const SCREEN: u8 = 3;

/// What a client says, beside keys.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Said {
    /// The window has this size now, for everybody: the last one holds.
    Resize(Size),
}

/// What a client is told, beside bytes.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Told {
    /// The first message: what it is attached to.
    Attached(TerminalView),
    /// The terminal's size; told before its screen, and when it changes.
    Size {
        /// Its rows.
        rows: u16,
        /// Its columns.
        columns: u16,
    },
    /// So many bytes of stream 3 follow, which make an empty terminal look like it. Its stream goes on at `offset`.
    Screen {
        /// Where.
        offset: u64,
        /// How many.
        bytes: usize,
    },
    /// The client was too slow for these bytes of the stream, or they are no longer there. A screen follows.
    Gap {
        /// The first.
        from: u64,
        /// The first behind them.
        to: u64,
    },
    /// Its command has ended, and all it wrote was sent.
    Exit(Ended),
    /// It was closed.
    Closed,
}

/// A client at a terminal.
pub(crate) struct Attached {
    pub(crate) session: SessionHandle,
    pub(crate) name: TerminalName,
    /// The client may do more than look.
    pub(crate) writes: bool,
}

type Doing = BoxFuture<'static, Result<(), Problem>>;

enum Turn {
    Shown(Option<Shown>),
    Done(Result<(), Problem>),
    Heard(Result<Heard, Code>),
}

impl Attached {
    pub(crate) async fn attend(self, mut socket: Socket, view: View, terminal: TerminalView) {
        if let Ok(code) = self.serve(&mut socket, view, terminal).await {
            socket.close(code).await;
        }
    }

    async fn serve(&self, socket: &mut Socket, mut view: View, terminal: TerminalView) -> Result<Code, Gone> {
        socket.send(&Told::Attached(terminal)).await?;
        let (mut doing, mut does): (Doing, bool) = (pending().boxed(), false);
        loop {
            // Sending is not part of the choice: what is half sent is sent.
            let turn = tokio::select! {
                shown = view.next() => Turn::Shown(shown),
                done = &mut doing, if does => Turn::Done(done),
                heard = socket.next(!does) => Turn::Heard(heard?),
            };
            match turn {
                Turn::Shown(None) => return Ok(socket.ending()),
                Turn::Shown(Some(shown)) => {
                    if let Some(code) = show(socket, shown).await? {
                        return Ok(code);
                    }
                }
                Turn::Done(done) => {
                    (doing, does) = (pending().boxed(), false);
                    socket.was_not_read();
                    if let Err(problem) = done {
                        socket.complain(&problem).await?;
                    }
                }
                Turn::Heard(Err(code)) => return Ok(code),
                Turn::Heard(Ok(heard)) => match self.act(heard) {
                    Ok(acting) => (doing, does) = (acting, true),
                    Err(problem) => {
                        socket.complain(&problem).await?;
                        return Ok(Code::Refused);
                    }
                },
            }
        }
    }

    fn act(&self, heard: Heard) -> Result<Doing, Problem> {
        if !self.writes {
            let detail = "who attached to look can neither type nor resize";
            return Err(Problem::new(StatusCode::FORBIDDEN, "view_only", detail, "attach without `mode=view`"));
        }
        let (session, name) = (self.session.clone(), self.name.clone());
        let said = match heard {
            Heard::Input(bytes) => {
                return Ok(async move {
                    match session.type_into(&name, bytes).await {
                        // The end is on its way, and says more.
                        Ok(()) | Err(SessionError::TerminalOver(_) | SessionError::NoInput(_)) => Ok(()),
                        Err(error) => Err(error.into()),
                    }
                }
                .boxed());
            }
            Heard::Text(text) => socket::read::<Said>(&text)?,
        };
        let Said::Resize(size) = said;
        Ok(async move { Ok(session.resize_terminal(&name, size.try_into()?).await?) }.boxed())
    }
}

/// Sends what is seen; the code to end with if nothing follows.
async fn show(socket: &mut Socket, shown: Shown) -> Result<Option<Code>, Gone> {
    match shown {
        Shown::Size(size) => socket.send(&Told::Size { rows: size.rows, columns: size.columns }).await?,
        Shown::Screen { offset, bytes } => {
            socket.send(&Told::Screen { offset, bytes: bytes.len() }).await?;
            for (index, part) in bytes.chunks(PART_MAX).enumerate() {
                socket.send_part(SCREEN, (index * PART_MAX) as u64, part).await?;
            }
        }
        Shown::Bytes { offset, bytes } => socket.send_part(STREAM, offset, &bytes).await?,
        Shown::Gap { from, to } => socket.send(&Told::Gap { from, to }).await?,
        Shown::Ended(end) => {
            socket.send(&Told::Exit(Ended::from(&end))).await?;
            return Ok(Some(socket.ending()));
        }
        Shown::Closed => {
            socket.send(&Told::Closed).await?;
            return Ok(Some(Code::Done));
        }
    }
    Ok(None)
}
