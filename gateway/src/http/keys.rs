//! `/v1/keys`: made, listed, rotated, revoked. No key can make, replace or end one that may do more than itself.

use super::App;
use super::auth::{By, lacking};
use super::problem::Problem;
use super::request::{self, Json, Query};
use super::view::{self, Listing};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;
use warren_cluster::registry::{ApiKey, Caller, KeyId, NewKey, Role, Scope, Scopes};
use warren_config::value::Period;
use warren_kernel::host::Timestamp;
use warren_session::id::TenantId;

/// How long the old secret of a rotated key works, unless said otherwise.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long a key lives, at most, when it is said: some 100 years.
const LIFE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A key to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Make {
    name: String,
    role: Option<Role>,
    scopes: Option<Scopes>,
    expires_in: Option<Period>,
}

/// How to rotate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotate {
    grace: Option<Period>,
}

/// Whose keys; only the operator can mean another tenant's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    tenant: Option<TenantId>,
}

impl Whose {
    fn of(self, caller: &Caller) -> Result<TenantId, Problem> {
        match self.tenant {
            Some(tenant) if tenant != caller.tenant && !caller.scopes.has(Scope::TenantsManage) => {
                Err(lacking([Scope::TenantsManage].into_iter().collect()))
            }
            Some(tenant) => Ok(tenant),
            None => Ok(caller.tenant.clone()),
        }
    }
}

/// `GET /v1/keys?tenant=`.
pub(crate) async fn list(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
) -> Result<axum::Json<Listing<Value>>, Problem> {
    let keys = app.registry.keys(&whose.of(&caller)?).await?;
    let now = view::now();
    Ok(axum::Json(Listing::whole(keys.iter().map(|key| key_view(key, now)).collect())))
}

/// `POST /v1/keys?tenant=`. The answer has the key, and nothing else ever has.
pub(crate) async fn create(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    Json(asked): Json<Make>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let (role, scopes) = match (asked.role, asked.scopes) {
        (Some(role), None) => (Some(role), role.scopes()),
        (None, Some(scopes)) => (None, scopes),
        _ => return Err(Problem::invalid("give either `role` or `scopes`, a list")),
    };
    may(&caller, scopes)?;
    let expires = asked.expires_in.map(|life| view::after(view::now(), life.0.min(LIFE_MAX)));
    let new = NewKey { tenant: whose.of(&caller)?, name: asked.name, role, scopes, expires };
    let (key, text) = app.registry.create_key(new).await?;
    Ok((StatusCode::CREATED, axum::Json(with_text(&key, &text.reveal()))))
}

/// `GET /v1/keys/{key}?tenant=`.
pub(crate) async fn get(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
) -> Result<axum::Json<Value>, Problem> {
    let key = app.registry.key(&whose.of(&caller)?, id).await?;
    Ok(axum::Json(key_view(&key, view::now())))
}

/// `DELETE /v1/keys/{key}?tenant=`: from the answer on it works for nobody.
pub(crate) async fn revoke(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
) -> Result<StatusCode, Problem> {
    let tenant = manageable(&app, &caller, whose, id).await?;
    app.registry.revoke_key(&tenant, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/keys/{key}/rotate?tenant=`: a new secret; the old one works for the grace.
pub(crate) async fn rotate(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
    Json(asked): Json<Rotate>,
) -> Result<axum::Json<Value>, Problem> {
    let tenant = manageable(&app, &caller, whose, id).await?;
    let grace = asked.grace.map_or(GRACE, |grace| grace.0);
    let (key, text) = app.registry.rotate_key(&tenant, id, grace).await?;
    Ok(axum::Json(with_text(&key, &text.reveal())))
}

/// The tenant of a key that this caller may change.
async fn manageable(app: &App, caller: &Caller, whose: Whose, id: KeyId) -> Result<TenantId, Problem> {
    let tenant = whose.of(caller)?;
    // A key's scopes never change: what is found here holds for what follows.
    may(caller, app.registry.key(&tenant, id).await?.scopes)?;
    Ok(tenant)
}

fn may(caller: &Caller, scopes: Scopes) -> Result<(), Problem> {
    if caller.scopes.cover(scopes) { Ok(()) } else { Err(lacking(caller.scopes.lacks(scopes))) }
}

fn with_text(key: &ApiKey, text: &str) -> Value {
    let mut view = key_view(key, view::now());
    view["key"] = json!(text);
    view
}

/// A key, without what proves it.
fn key_view(key: &ApiKey, now: Timestamp) -> Value {
    let state = match key.is_live(now) {
        true => "active",
        false if key.revoked.is_some() => "revoked",
        false => "expired",
    };
    json!({
        "id": key.id,
        "tenant": key.tenant,
        "name": key.name,
        "state": state,
        "role": key.role,
        "scopes": key.scopes,
        "created": view::time(key.created),
        "expires": key.expires.map(view::time),
        "last_used": key.used.map(view::time),
        "revoked": key.revoked.map(view::time),
        "rotated": key.rotated.map(view::time),
        "old_secret_until": key.grace_until().filter(|until| now < *until).map(view::time),
    })
}
