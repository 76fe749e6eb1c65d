//! Processes of a session.

use super::App;
use super::problem::Problem;
use super::request::{self, Json, Process, Target};
use super::view::Listing;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use warren_session::command::ProcessInfo;

/// A signal to send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Send {
    /// Name or number as text: `TERM`, `SIGTERM`, `15`.
    pub(crate) signal: String,
}

/// `GET .../processes`.
pub(crate) async fn list(State(app): State<App>, target: Target) -> Result<axum::Json<Listing<ProcessInfo>>, Problem> {
    Ok(axum::Json(Listing::whole(target.wake(&app).await?.processes().await?)))
}

/// `POST .../processes/{pid}/signal`.
pub(crate) async fn signal(
    State(app): State<App>,
    target: Target,
    Process(pid): Process,
    Json(asked): Json<Send>,
) -> Result<StatusCode, Problem> {
    let signal = request::signal(&asked.signal)?;
    target.wake(&app).await?.signal(pid, signal).await?;
    Ok(StatusCode::NO_CONTENT)
}
