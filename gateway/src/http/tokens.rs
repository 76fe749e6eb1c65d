//! `POST /v1/sessions/{session}/tokens`: a short-lived token for one session, for a browser or another program.

use super::App;
use super::auth::By;
use super::problem::Problem;
use super::request::{Json, Target};
use super::view;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use warren_cluster::registry::{Scopes, TokenAsked};
use warren_config::value::Period;

/// How long a token lives, unless said otherwise.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// A token to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Make {
    scopes: Scopes,
    life: Option<Period>,
}

/// Makes one. Nothing is kept of it.
pub(crate) async fn create(
    State(app): State<App>,
    By(caller): By,
    target: Target,
    Json(asked): Json<Make>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let life = asked.life.map_or(LIFE, |life| life.0);
    let asked = TokenAsked { session: target.id, scopes: asked.scopes, life };
    let (token, ends) = app.registry.mint(&caller, &asked)?;
    let view = json!({
        "token": token,
        "session": target.id,
        "scopes": asked.scopes,
        "expires": view::time(ends),
    });
    Ok((StatusCode::CREATED, axum::Json(view)))
}
