//! `/v1/tenants`, for the operator: made, listed, named, disabled.

use super::App;
use super::problem::Problem;
use super::request::{self, Json, Query};
use super::view::{self, Listing};
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use warren_cluster::registry::Tenant;
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
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    after: Option<TenantId>,
    limit: Option<usize>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `GET /v1/tenants?after=&limit=`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<axum::Json<Listing<Value>>, Problem> {
    let limit = super::sessions::page(asked.limit)?;
    let (found, more) = app.registry.tenants(asked.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(axum::Json(Listing::part(found.iter().map(|tenant| tenant_view(tenant)).collect(), next)))
}

/// `POST /v1/tenants`.
pub(crate) async fn create(
    State(app): State<App>,
    Json(asked): Json<Make>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let made = app.registry.create_tenant(&asked.id, asked.title).await?;
    Ok((StatusCode::CREATED, axum::Json(tenant_view(&made))))
}

/// `GET /v1/tenants/{tenant}`.
pub(crate) async fn get(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<axum::Json<Value>, Problem> {
    Ok(axum::Json(tenant_view(&*app.registry.tenant(&id).await?)))
}

/// `PATCH /v1/tenants/{tenant}`.
pub(crate) async fn change(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
    Json(asked): Json<Change>,
) -> Result<axum::Json<Value>, Problem> {
    // What may be refused comes first, so that nothing is half done.
    if let Some(enabled) = asked.enabled {
        app.registry.set_enabled(&id, enabled).await?;
    }
    if let Some(title) = asked.title {
        app.registry.name_tenant(&id, title).await?;
    }
    Ok(axum::Json(tenant_view(&*app.registry.tenant(&id).await?)))
}

/// `DELETE /v1/tenants/{tenant}`: its keys work no more. What it has stays, and it can be enabled again.
pub(crate) async fn disable(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<StatusCode, Problem> {
    app.registry.set_enabled(&id, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tenant_view(tenant: &Tenant) -> Value {
    json!({
        "id": tenant.id,
        "title": tenant.title,
        "enabled": tenant.disabled.is_none(),
        "created": view::time(tenant.created),
        "disabled": tenant.disabled.map(view::time),
    })
}
