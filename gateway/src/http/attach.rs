//! A command over a WebSocket: its output by offset, its input, signals, window and end.
//!
//! ```text
//! log ─▶ stdout, stderr from where the client says ─▶ frames          input ─▶ the command's, one part at a time:
//!                both at their end ─▶ `exit`, close 1000                       nothing more is read until it is taken
//! ```
//! Output is read from the session's log as the client takes it: a slow client holds up nobody, and learns by `gap` what is
//! no longer kept when its turn comes.

use super::App;
use super::execs::Size;
use super::openapi::{As, Switching};
use super::problem::Problem;
use super::request::{self, Exec, Query, Target};
use super::schema;
use super::socket::{self, Code, Gone, Heard, PART_MAX, Socket, Upgrade};
use super::view::ExecView;
use axum::extract::State;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, pending};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use warren_session::command::{ExecInfo, Output};
use warren_session::event::Stream;
use warren_session::id::ExecId;
use warren_session::{SessionError, SessionHandle};

/// Where a client's streams go on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Offsets {
    /// Bytes of standard output the client has.
    #[param(value_type = Option<schema::Count>, inline)]
    stdout: Option<u64>,
    /// Bytes of standard error the client has.
    #[param(value_type = Option<schema::Count>, inline)]
    stderr: Option<u64>,
}

/// What a client says, beside input.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Said {
    /// Its standard input is at its end.
    StdinEnd {},
    /// A signal for its process group.
    Signal {
        /// Name or number as text.
        signal: String,
    },
    /// Its window has this size now.
    Resize(Size),
}

/// What a client is told, beside output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Told {
    /// The first message: what it is attached to, as `GET .../execs/N` shows it.
    Attached(ExecView),
    /// Bytes of a stream that are no longer kept.
    Gap {
        /// Which.
        stream: Stream,
        /// The first.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// It has ended, and all its output was sent.
    Exit(ExecView),
}

/// `GET .../execs/{exec}/attach?stdout=&stderr=`, a WebSocket.
pub(crate) async fn exec(
    State(app): State<App>,
    target: Target,
    Exec(exec): Exec,
    Query(from): Query<Offsets>,
    upgrade: Upgrade,
) -> Result<As<Switching>, Problem> {
    upgrade.require()?;
    let session = target.wake(&app).await?;
    let info = session.exec_info(exec).await?;
    let offsets = [from.stdout.unwrap_or(0), from.stderr.unwrap_or(0)];
    upgrade
        .take(&app, async move |mut socket| {
            let attached = Attached { session, exec, offsets };
            let _ = attached.attend(&mut socket, info).await;
        })
        .map(As::from)
}

struct Attached {
    session: SessionHandle,
    exec: ExecId,
    offsets: [u64; 2],
}

/// The next bytes of a stream; never, once it is at its end.
type Next = BoxFuture<'static, Result<Output, SessionError>>;

impl Attached {
    async fn attend(mut self, socket: &mut Socket, info: ExecInfo) -> Result<(), Gone> {
        socket.send(&Told::Attached(info.into())).await?;
        let mut next = [self.read(Stream::Stdout), self.read(Stream::Stderr)];
        let mut open = [true; 2];
        let (mut taking, mut takes) = (pending().boxed(), false);
        let [stdout, stderr] = &mut next;
        while open != [false; 2] {
            // Sending is not part of the choice: what is half sent is sent.
            let turn = tokio::select! {
                output = &mut *stdout => Turn::Output(Stream::Stdout, output),
                output = &mut *stderr => Turn::Output(Stream::Stderr, output),
                taken = &mut taking, if takes => Turn::Taken(taken),
                turn = listen(socket, !takes) => turn?,
            };
            match turn {
                Turn::Output(stream, Ok(output)) => {
                    let index = stream as usize;
                    self.send(socket, stream, &output).await?;
                    open[index] = !output.end;
                    let again = if output.end { pending().boxed() } else { self.read(stream) };
                    *(if index == 0 { &mut *stdout } else { &mut *stderr }) = again;
                }
                Turn::Output(_, Err(SessionError::ShuttingDown)) | Turn::Over(Code::Restart) => {
                    socket.close(Code::Restart).await;
                    return Err(Gone);
                }
                Turn::Output(_, Err(error)) => {
                    socket.fail(error.into()).await;
                    return Err(Gone);
                }
                Turn::Taken(taken) => {
                    (taking, takes) = (pending().boxed(), false);
                    socket.was_not_read();
                    if let Err(problem) = taken {
                        socket.complain(&problem).await?;
                    }
                }
                Turn::Heard(heard) => match self.act(heard) {
                    Ok(acting) => (taking, takes) = (acting, true),
                    Err(problem) => {
                        socket.refuse(problem).await;
                        return Err(Gone);
                    }
                },
                Turn::Over(code) => {
                    socket.close(code).await;
                    return Err(Gone);
                }
            }
        }
        match self.session.wait(self.exec).await {
            Ok(info) => socket.send(&Told::Exit(info.into())).await?,
            Err(error) => {
                socket.fail(error.into()).await;
                return Err(Gone);
            }
        }
        socket.close(Code::Done).await;
        Ok(())
    }

    fn read(&self, stream: Stream) -> Next {
        let (session, exec, offset) = (self.session.clone(), self.exec, self.offsets[stream as usize]);
        async move { session.output(exec, stream, offset, PART_MAX, true).await }.boxed()
    }

    async fn send(&mut self, socket: &mut Socket, stream: Stream, output: &Output) -> Result<(), Gone> {
        let wanted = &mut self.offsets[stream as usize];
        if output.offset > *wanted {
            socket.send(&Told::Gap { stream, from: *wanted, to: output.offset }).await?;
        }
        *wanted = output.offset + output.bytes.len() as u64;
        match output.bytes.is_empty() {
            true => Ok(()),
            false => socket.send_part(1 + stream as u8, output.offset, &output.bytes).await,
        }
    }

    /// What a client said, to be done: nothing more is read until then.
    fn act(&self, heard: Heard) -> Result<BoxFuture<'static, Result<(), Problem>>, Problem> {
        let (session, exec) = (self.session.clone(), self.exec);
        let said = match heard {
            Heard::Input(bytes) => return Ok(write(session, exec, bytes).boxed()),
            Heard::Text(text) => socket::read::<Said>(&text)?,
        };
        let acting = match said {
            Said::StdinEnd {} => async move { Ok(session.close_stdin(exec).await?) }.boxed(),
            Said::Signal { signal } => {
                let signal = request::signal(&signal);
                async move { Ok(session.signal_exec(exec, signal?).await?) }.boxed()
            }
            Said::Resize(size) => async move { Ok(session.resize(exec, size.try_into()?).await?) }.boxed(),
        };
        Ok(acting)
    }
}

async fn write(session: SessionHandle, exec: ExecId, bytes: Bytes) -> Result<(), Problem> {
    if bytes.is_empty() {
        return Ok(());
    }
    Ok(session.write_stdin(exec, bytes).await?)
}

enum Turn {
    Output(Stream, Result<Output, SessionError>),
    Taken(Result<(), Problem>),
    Heard(Heard),
    Over(Code),
}

/// What the client says next, if anybody can act on it now; or that the socket is over.
async fn listen(socket: &mut Socket, hears: bool) -> Result<Turn, Gone> {
    match socket.next(hears).await? {
        Ok(heard) => Ok(Turn::Heard(heard)),
        Err(code) => Ok(Turn::Over(code)),
    }
}
