//! `POST /v1/sessions/{session}/tokens`: a short-lived token for one session, for a browser or another program.

use super::App;
use super::auth::By;
use super::openapi::Created;
use super::problem::Problem;
use super::request::{Json, Target};
use super::schema;
use super::view::Time;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use warren_cluster::registry::{Scopes, TokenAsked};
use warren_config::value::Period;
use warren_session::id::SessionId;

/// How long a token lives, unless said otherwise.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// A token to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(crate) struct Make {
    /// What it may do there; the key that makes it has to have them.
    #[schema(value_type = Vec<schema::TokenScope>, min_items = 1)]
    scopes: Scopes,
    /// How long it works: 15 minutes unless said otherwise, an hour at most.
    life: Option<Period>,
}

/// Makes one. Nothing is kept of it.
pub(crate) async fn create(
    State(app): State<App>,
    By(caller): By,
    target: Target,
    Json(asked): Json<Make>,
) -> Result<Created<TokenView>, Problem> {
    let life = asked.life.map_or(LIFE, |life| life.0);
    let asked = TokenAsked { session: target.id, scopes: asked.scopes, life };
    let (token, ends) = app.registry.mint(&caller, &asked)?;
    Ok(Created(TokenView { token, session: target.id, scopes: asked.scopes, expires: Time(ends) }))
}

/// A token, which is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct TokenView {
    /// `wrt_...`: sent as `Authorization: Bearer`.
    token: String,
    #[schema(value_type = schema::SessionId)]
    session: SessionId,
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Scopes,
    expires: Time,
}
