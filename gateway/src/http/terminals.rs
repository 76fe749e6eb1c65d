//! Terminals of a session: opened, listed, looked at, attached to, closed.

use super::App;
use super::auth::{By, lacking};
use super::openapi::{As, Created, NoContent, Switching};
use super::problem::Problem;
use super::request::{Json, Query, Target, Terminal};
use super::schema;
use super::socket::Upgrade;
use super::terminal_socket::Attached;
use super::view::{Listing, Time};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::registry::Scope;
use warren_kernel::pty::WindowSize;
use warren_session::command::Words;
use warren_session::id::{ExecId, TerminalName};
use warren_session::terminal::{Shot, TerminalInfo, TerminalRequest};

/// The size of a terminal, unless said otherwise.
const ROWS: u16 = 24;
/// See [`ROWS`].
const COLUMNS: u16 = 80;

/// A terminal to open.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTerminal)]
pub(crate) struct Open {
    /// What to call it; else it gets a name.
    #[schema(value_type = Option<schema::TerminalName>)]
    name: Option<TerminalName>,
    /// A line for the shell; without it and `argv` the shell itself runs.
    #[schema(min_length = 1, pattern = r"^[^\x00]*$")]
    command: Option<String>,
    /// A program and its arguments.
    #[schema(value_type = Option<Vec<schema::Word>>, min_items = 1)]
    argv: Option<Vec<String>>,
    /// Environment entries beside the session's own.
    #[serde(default)]
    #[schema(value_type = schema::Environment)]
    env: BTreeMap<String, String>,
    /// Where it begins.
    #[schema(pattern = r"^/[^\x00]*$")]
    cwd: Option<String>,
    /// 24 unless said otherwise.
    #[schema(minimum = 1, maximum = 200)]
    rows: Option<u16>,
    /// 80 unless said otherwise.
    #[schema(minimum = 1, maximum = 400)]
    columns: Option<u16>,
}

/// A terminal.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Terminal)]
pub(crate) struct TerminalView {
    #[schema(value_type = schema::TerminalName)]
    terminal: TerminalName,
    /// Its command runs. If not, the next who attaches to write starts it anew.
    running: bool,
    /// The command that runs or ran last.
    #[schema(value_type = Option<u64>, required)]
    exec: Option<ExecId>,
    rows: u16,
    columns: u16,
    /// The last directory it was known to be in.
    #[schema(required)]
    cwd: Option<String>,
    created: Time,
    viewers: usize,
}

/// A terminal with what it shows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Screen)]
pub(crate) struct ScreenView {
    #[serde(flatten)]
    terminal: TerminalView,
    /// The lines of its screen, without the spaces at their ends.
    screen: Vec<String>,
    cursor: CursorView,
    /// Bytes of its stream so far.
    offset: u64,
}

/// Where a cursor is, from 0.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cursor)]
pub(crate) struct CursorView {
    row: u16,
    column: u16,
    visible: bool,
}

/// What may be done by who attaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// All, with the scope `exec`.
    #[default]
    Write,
    /// Look.
    View,
}

/// How a client attaches.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachAsked {
    /// Bytes of the stream that the client has.
    #[param(value_type = Option<schema::Count>, inline)]
    offset: Option<u64>,
    #[param(inline)]
    mode: Option<Mode>,
}

impl From<TerminalInfo> for TerminalView {
    fn from(info: TerminalInfo) -> TerminalView {
        TerminalView {
            running: info.running,
            exec: info.kept.lives.last().map(|life| life.exec),
            rows: info.kept.rows,
            columns: info.kept.columns,
            cwd: info.kept.cwd,
            created: Time(info.kept.created),
            viewers: info.viewers,
            terminal: info.name,
        }
    }
}

impl Open {
    fn request(self) -> Result<TerminalRequest, Problem> {
        let command = match (self.command, self.argv) {
            (None, None) => None,
            (Some(line), None) => Some(Words::Line(line)),
            (None, Some(words)) => Some(Words::Argv(words)),
            (Some(_), Some(_)) => return Err(Problem::invalid("give `command` or `argv`, or neither for a shell")),
        };
        let size = WindowSize::new(self.rows.unwrap_or(ROWS), self.columns.unwrap_or(COLUMNS));
        Ok(TerminalRequest { name: self.name, command, environment: self.env, cwd: self.cwd, size })
    }
}

/// `POST .../terminals`.
pub(crate) async fn open(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Open>,
) -> Result<Created<TerminalView>, Problem> {
    let request = asked.request()?;
    let opened = target.wake(&app).await?.open_terminal(request).await?;
    Ok(Created(opened.into()))
}

/// `GET .../terminals`.
pub(crate) async fn list(State(app): State<App>, target: Target) -> Result<axum::Json<Listing<TerminalView>>, Problem> {
    let all = target.wake(&app).await?.terminals().await?;
    Ok(axum::Json(Listing::whole(all.into_iter().map(TerminalView::from).collect())))
}

/// `GET .../terminals/{terminal}`: what it shows. Nothing is started.
pub(crate) async fn get(
    State(app): State<App>,
    target: Target,
    Terminal(name): Terminal,
) -> Result<axum::Json<ScreenView>, Problem> {
    let (info, shot) = target.wake(&app).await?.terminal(&name).await?;
    let Shot { lines: screen, column, row, cursor: visible, offset } = shot;
    Ok(axum::Json(ScreenView { terminal: info.into(), screen, cursor: CursorView { row, column, visible }, offset }))
}

/// `DELETE .../terminals/{terminal}`: hangs up.
pub(crate) async fn close(
    State(app): State<App>,
    target: Target,
    Terminal(name): Terminal,
) -> Result<NoContent, Problem> {
    target.wake(&app).await?.close_terminal(&name).await?;
    Ok(NoContent)
}

/// `GET .../terminals/{terminal}/attach?offset=&mode=`, a WebSocket.
pub(crate) async fn attach(
    State(app): State<App>,
    target: Target,
    By(caller): By,
    Terminal(name): Terminal,
    Query(asked): Query<AttachAsked>,
    upgrade: Upgrade,
) -> Result<As<Switching>, Problem> {
    let writes = asked.mode.unwrap_or_default() == Mode::Write;
    if writes && !caller.scopes.has(Scope::Exec) {
        return Err(lacking([Scope::Exec].into_iter().collect()));
    }
    upgrade.require()?;
    let session = target.wake(&app).await?;
    let view = session.view_terminal(&name, asked.offset, writes).await?;
    let (info, _) = session.terminal(&name).await?;
    let attached = Attached { session, name, writes };
    upgrade.take(&app, async move |socket| attached.attend(socket, view, info.into()).await).map(As::from)
}
