//! `/v1/tenants`, for the operator: made, listed, named, disabled.

use super::App;
use super::openapi::{Created, NoContent};
use super::problem::Problem;
use super::request::{self, Json, Query};
use super::schema;
use super::view::{Listing, Time};
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use warren_cluster::registry::Tenant;
use warren_session::id::TenantId;

/// A tenant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(crate) struct Make {
    #[schema(value_type = schema::TenantId)]
    id: TenantId,
    /// What people call it.
    #[schema(min_length = 1, max_length = 128)]
    title: Option<String>,
}

/// What to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantChange)]
pub(crate) struct Change {
    /// Absent: as it is. `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    title: Option<Option<String>>,
    enabled: Option<bool>,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// Those after this tenant.
    #[param(value_type = Option<schema::TenantId>, inline)]
    after: Option<TenantId>,
    /// How many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `GET /v1/tenants?after=&limit=`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<axum::Json<Listing<TenantView>>, Problem> {
    let limit = super::sessions::page(asked.limit)?;
    let (found, more) = app.registry.tenants(asked.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(axum::Json(Listing::part(found.iter().map(|tenant| TenantView::new(tenant)).collect(), next)))
}

/// `POST /v1/tenants`.
pub(crate) async fn create(State(app): State<App>, Json(asked): Json<Make>) -> Result<Created<TenantView>, Problem> {
    let made = app.registry.create_tenant(&asked.id, asked.title).await?;
    Ok(Created(TenantView::new(&made)))
}

/// `GET /v1/tenants/{tenant}`.
pub(crate) async fn get(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<axum::Json<TenantView>, Problem> {
    Ok(axum::Json(TenantView::new(&*app.registry.tenant(&id).await?)))
}

/// `PATCH /v1/tenants/{tenant}`.
pub(crate) async fn change(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
    Json(asked): Json<Change>,
) -> Result<axum::Json<TenantView>, Problem> {
    // What may be refused comes first, so that nothing is half done.
    if let Some(enabled) = asked.enabled {
        app.registry.set_enabled(&id, enabled).await?;
    }
    if let Some(title) = asked.title {
        app.registry.name_tenant(&id, title).await?;
    }
    Ok(axum::Json(TenantView::new(&*app.registry.tenant(&id).await?)))
}

/// `DELETE /v1/tenants/{tenant}`: its keys work no more. What it has stays, and it can be enabled again.
pub(crate) async fn disable(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<NoContent, Problem> {
    app.registry.set_enabled(&id, false).await?;
    Ok(NoContent)
}

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    #[schema(value_type = schema::TenantId)]
    id: TenantId,
    #[schema(required)]
    title: Option<String>,
    enabled: bool,
    created: Time,
    /// Since when its keys do not work.
    #[schema(required)]
    disabled: Option<Time>,
}

impl TenantView {
    fn new(tenant: &Tenant) -> TenantView {
        TenantView {
            id: tenant.id.clone(),
            title: tenant.title.clone(),
            enabled: tenant.disabled.is_none(),
            created: Time(tenant.created),
            disabled: tenant.disabled.map(Time),
        }
    }
}
