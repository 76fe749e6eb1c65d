//! Points of a session to come back to.

use super::App;
use super::openapi::Created;
use super::problem::Problem;
use super::request::{Json, Target};
use super::schema;
use super::view::{CheckpointView, Listing, SessionView};
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

/// Bytes of a checkpoint's name, at most.
const NAME_MAX: usize = 255;

/// A checkpoint to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCheckpoint)]
pub(crate) struct Make {
    /// What to call it.
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
}

/// A checkpoint to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rollback)]
pub(crate) struct Back {
    /// Its number.
    #[schema(value_type = schema::Count, inline)]
    checkpoint: u64,
}

/// `POST .../checkpoint`.
pub(crate) async fn make(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Make>,
) -> Result<Created<CheckpointView>, Problem> {
    if asked.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > NAME_MAX) {
        return Err(Problem::invalid(format!("name: has to have 1 to {NAME_MAX} bytes")));
    }
    let made = target.wake(&app).await?.checkpoint(asked.name).await?;
    Ok(Created(made.into()))
}

/// `GET .../checkpoints`, oldest first.
pub(crate) async fn list(
    State(app): State<App>,
    target: Target,
) -> Result<axum::Json<Listing<CheckpointView>>, Problem> {
    let kept = target.wake(&app).await?.checkpoints().await?;
    Ok(axum::Json(Listing::whole(kept.into_iter().map(CheckpointView::from).collect())))
}

/// `POST .../rollback`. Its processes are ended, and its files are as they were.
pub(crate) async fn rollback(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Back>,
) -> Result<axum::Json<SessionView>, Problem> {
    target.wake(&app).await?.rollback(asked.checkpoint).await?;
    Ok(axum::Json(app.sessions.get(&target.tenant, target.id).await?.into()))
}
