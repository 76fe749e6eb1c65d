//! Points of a session to come back to.

use super::App;
use super::problem::Problem;
use super::request::{Json, Target};
use super::view::{self, Listing};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

/// Bytes of a checkpoint's name, at most.
const NAME_MAX: usize = 255;

/// A checkpoint to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Make {
    name: Option<String>,
}

/// A checkpoint to go back to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Back {
    checkpoint: u64,
}

/// `POST .../checkpoint`.
pub(crate) async fn make(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Make>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    if asked.name.as_ref().is_some_and(|name| name.is_empty() || name.len() > NAME_MAX) {
        return Err(Problem::invalid(format!("name: has to have 1 to {NAME_MAX} bytes")));
    }
    let made = target.wake(&app).await?.checkpoint(asked.name).await?;
    Ok((StatusCode::CREATED, axum::Json(view::checkpoint(&made))))
}

/// `GET .../checkpoints`, oldest first.
pub(crate) async fn list(State(app): State<App>, target: Target) -> Result<axum::Json<Listing<Value>>, Problem> {
    let kept = target.wake(&app).await?.checkpoints().await?;
    Ok(axum::Json(Listing::whole(kept.iter().map(view::checkpoint).collect())))
}

/// `POST .../rollback`. Its processes are ended, and its files are as they were.
pub(crate) async fn rollback(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Back>,
) -> Result<axum::Json<Value>, Problem> {
    target.wake(&app).await?.rollback(asked.checkpoint).await?;
    Ok(axum::Json(view::summary(&app.sessions.get(&target.tenant, target.id).await?)))
}
