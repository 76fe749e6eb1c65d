//! `/v1/keys`: made, listed, rotated, revoked. No key can make, replace or end one that may do more than itself.

use super::App;
use super::auth::{By, lacking};
use super::openapi::{Created, NoContent};
use super::problem::Problem;
use super::request::{self, Json, Query};
use super::schema;
use super::view::{self, Listing, Time};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::registry::{ApiKey, Caller, KeyId, KeyText, NewKey, Role, Scope, Scopes};
use warren_config::value::Period;
use warren_kernel::host::Timestamp;
use warren_session::id::TenantId;

/// How long the old secret of a rotated key works, unless said otherwise.
const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long a key lives, at most, when it is said: some 100 years.
const LIFE_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewKey)]
pub(crate) struct Make {
    /// What people call it.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    /// Either this or `scopes`.
    #[schema(value_type = Option<schema::Role>)]
    role: Option<Role>,
    #[schema(value_type = Option<Vec<schema::Scope>>, min_items = 1)]
    scopes: Option<Scopes>,
    /// It works for this long; for ever without it.
    expires_in: Option<Period>,
}

/// How to rotate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotate {
    /// How long the old secret works on: 24 hours unless said otherwise, 30 days at most.
    grace: Option<Period>,
}

/// Whose keys; only the operator can mean another tenant's.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// The caller's own unless said otherwise.
    #[param(value_type = Option<schema::TenantId>, inline)]
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
) -> Result<axum::Json<Listing<KeyView>>, Problem> {
    let keys = app.registry.keys(&whose.of(&caller)?).await?;
    let now = view::now();
    Ok(axum::Json(Listing::whole(keys.iter().map(|key| KeyView::new(key, now)).collect())))
}

/// `POST /v1/keys?tenant=`. The answer has the key, and nothing else ever has.
pub(crate) async fn create(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    Json(asked): Json<Make>,
) -> Result<Created<NewKeyView>, Problem> {
    let (role, scopes) = match (asked.role, asked.scopes) {
        (Some(role), None) => (Some(role), role.scopes()),
        (None, Some(scopes)) => (None, scopes),
        _ => return Err(Problem::invalid("give either `role` or `scopes`, a list")),
    };
    may(&caller, scopes)?;
    let expires = asked.expires_in.map(|life| view::after(view::now(), life.0.min(LIFE_MAX)));
    let new = NewKey { tenant: whose.of(&caller)?, name: asked.name, role, scopes, expires };
    let (key, text) = app.registry.create_key(new).await?;
    Ok(Created(NewKeyView::new(&key, &text)))
}

/// `GET /v1/keys/{key}?tenant=`.
pub(crate) async fn get(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
) -> Result<axum::Json<KeyView>, Problem> {
    let key = app.registry.key(&whose.of(&caller)?, id).await?;
    Ok(axum::Json(KeyView::new(&key, view::now())))
}

/// `DELETE /v1/keys/{key}?tenant=`: from the answer on it works for nobody.
pub(crate) async fn revoke(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
) -> Result<NoContent, Problem> {
    let tenant = manageable(&app, &caller, whose, id).await?;
    app.registry.revoke_key(&tenant, id).await?;
    Ok(NoContent)
}

/// `POST /v1/keys/{key}/rotate?tenant=`: a new secret; the old one works for the grace.
pub(crate) async fn rotate(
    State(app): State<App>,
    By(caller): By,
    Query(whose): Query<Whose>,
    request::Key(id): request::Key,
    Json(asked): Json<Rotate>,
) -> Result<axum::Json<NewKeyView>, Problem> {
    let tenant = manageable(&app, &caller, whose, id).await?;
    let grace = asked.grace.map_or(GRACE, |grace| grace.0);
    let (key, text) = app.registry.rotate_key(&tenant, id, grace).await?;
    Ok(axum::Json(NewKeyView::new(&key, &text)))
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

/// A key, without what proves it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(crate) struct KeyView {
    #[schema(value_type = schema::KeyId)]
    id: KeyId,
    #[schema(value_type = schema::TenantId)]
    tenant: TenantId,
    name: String,
    /// `active`, `revoked` or `expired`.
    state: &'static str,
    #[schema(value_type = Option<schema::Role>, required)]
    role: Option<Role>,
    #[schema(value_type = Vec<schema::Scope>)]
    scopes: Scopes,
    created: Time,
    #[schema(required)]
    expires: Option<Time>,
    /// To the minute.
    #[schema(required)]
    last_used: Option<Time>,
    #[schema(required)]
    revoked: Option<Time>,
    #[schema(required)]
    rotated: Option<Time>,
    /// Until then the secret before the last rotation works too.
    #[schema(required)]
    old_secret_until: Option<Time>,
}

/// A key with its text, which is shown once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeyWithText)]
pub(crate) struct NewKeyView {
    #[serde(flatten)]
    view: KeyView,
    /// `wrn_...`: sent as `Authorization: Bearer`.
    key: String,
}

impl KeyView {
    fn new(key: &ApiKey, now: Timestamp) -> KeyView {
        let state = match key.is_live(now) {
            true => "active",
            false if key.revoked.is_some() => "revoked",
            false => "expired",
        };
        KeyView {
            id: key.id,
            tenant: key.tenant.clone(),
            name: key.name.clone(),
            state,
            role: key.role,
            scopes: key.scopes,
            created: Time(key.created),
            expires: key.expires.map(Time),
            last_used: key.used.map(Time),
            revoked: key.revoked.map(Time),
            rotated: key.rotated.map(Time),
            old_secret_until: key.grace_until().filter(|until| now < *until).map(Time),
        }
    }
}

impl NewKeyView {
    fn new(key: &ApiKey, text: &KeyText) -> NewKeyView {
        NewKeyView { view: KeyView::new(key, view::now()), key: text.reveal() }
    }
}
