//! `/v1/tenants`, for the operator: made, listed, named, disabled.

use super::App;
use super::problem::Problem;
use super::quotas::{self, QuotaChange, QuotasView, given};
use super::request::{self, Json, Query};
use super::view::{self, Listing};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use warren_cluster::registry::{Tenant, TenantChange};
use warren_config::value::Size;
use warren_session::id::TenantId;

/// A tenant to make.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Make {
    id: TenantId,
    title: Option<String>,
}

/// What to change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Absent: as it is. `null`: none.
    #[serde(default, deserialize_with = "given")]
    title: Option<Option<String>>,
    enabled: Option<bool>,
    #[serde(default)]
    quotas: BTreeMap<String, Option<Size>>,
    #[serde(default)]
    limits_max: BTreeMap<String, Option<Size>>,
    #[serde(default, deserialize_with = "given")]
    weight: Option<Option<u32>>,
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<TenantId>,
    limit: Option<usize>,
}

/// `GET /v1/tenants?after=&limit=`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<axum::Json<Listing<Value>>, Problem> {
    let limit = super::sessions::page(asked.limit)?;
    let (found, more) = app.registry.tenants(asked.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(axum::Json(Listing::part(found.iter().map(|tenant| tenant_view(&app, tenant)).collect(), next)))
}

/// `POST /v1/tenants`.
pub(crate) async fn create(
    State(app): State<App>,
    Json(asked): Json<Make>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let made = app.registry.create_tenant(&asked.id, asked.title).await?;
    quotas::apply(&app, &made);
    app.sessions.look_after(&made.id);
    Ok((StatusCode::CREATED, axum::Json(tenant_view(&app, &made))))
}

/// `GET /v1/tenants/{tenant}`.
pub(crate) async fn get(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<axum::Json<Value>, Problem> {
    Ok(axum::Json(tenant_view(&app, &*app.registry.tenant(&id).await?)))
}

/// `PATCH /v1/tenants/{tenant}`.
pub(crate) async fn change(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
    Json(asked): Json<Change>,
) -> Result<axum::Json<Value>, Problem> {
    let change = TenantChange { title: asked.title, enabled: asked.enabled, ..TenantChange::default() };
    let quotas = QuotaChange { quotas: asked.quotas, limits_max: asked.limits_max, weight: asked.weight };
    let changed = app.registry.change_tenant(&id, quotas.over(change)?).await?;
    quotas::apply(&app, &changed);
    Ok(axum::Json(tenant_view(&app, &changed)))
}

/// `DELETE /v1/tenants/{tenant}`: its keys work no more. What it has stays, and it can be enabled again.
pub(crate) async fn disable(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<StatusCode, Problem> {
    app.registry.set_enabled(&id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tenant_view(app: &App, tenant: &Tenant) -> Value {
    let QuotasView { quotas, limits_max, weight, .. } = quotas::view(app, tenant);
    json!({
        "id": tenant.id,
        "title": tenant.title,
        "enabled": tenant.disabled.is_none(),
        "created": view::time(tenant.created),
        "disabled": tenant.disabled.map(view::time),
        "quotas": quotas,
        "limits_max": limits_max,
        "weight": weight,
    })
}
