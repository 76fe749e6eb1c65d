//! Processes of a session.

use super::App;
use super::openapi::NoContent;
use super::problem::Problem;
use super::request::{self, Json, Process, Target};
use super::schema;
use super::view::{Listing, ProcessView};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

/// A signal to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Signal)]
pub(crate) struct Send {
    /// Name or number as text: `TERM`, `SIGTERM`, `15`.
    #[schema(value_type = schema::SignalName, inline)]
    pub(crate) signal: String,
}

/// `GET .../processes`.
pub(crate) async fn list(State(app): State<App>, target: Target) -> Result<axum::Json<Listing<ProcessView>>, Problem> {
    let found = target.wake(&app).await?.processes().await?;
    Ok(axum::Json(Listing::whole(found.into_iter().map(ProcessView::from).collect())))
}

/// `POST .../processes/{pid}/signal`.
pub(crate) async fn signal(
    State(app): State<App>,
    target: Target,
    Process(pid): Process,
    Json(asked): Json<Send>,
) -> Result<NoContent, Problem> {
    let signal = request::signal(&asked.signal)?;
    target.wake(&app).await?.signal(pid, signal).await?;
    Ok(NoContent)
}
