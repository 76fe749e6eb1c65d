//! `/v1/tenants`, for the operator: made, listed, named, disabled.

use super::App;
use super::openapi::{Created, NoContent};
use super::problem::Problem;
use super::quotas::{self, QuotaChange, QuotasView, given};
use super::request::{self, Json, Query};
use super::schema;
use super::view::{Listing, Time};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::registry::{Tenant, TenantChange};
use warren_config::value::Size;
use warren_session::id::TenantId;

/// A tenant to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTenant)]
pub(crate) struct Make {
    #[schema(value_type = schema::TenantId)]
    id: TenantId,
    /// What people call it.
    #[schema(min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    title: Option<String>,
}

/// What to change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TenantChange)]
pub(crate) struct Change {
    /// Absent: as it is. `null`: none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    title: Option<Option<String>>,
    enabled: Option<bool>,
    /// By name; `null` is what the server says for all.
    #[serde(default)]
    #[schema(value_type = schema::QuotaChanges)]
    quotas: BTreeMap<String, Option<Size>>,
    /// What limits of its sessions may be at most, by name; `null` is what the server says for all.
    #[serde(default)]
    #[schema(value_type = schema::LimitChanges)]
    limits_max: BTreeMap<String, Option<Size>>,
    /// Its share of the processors; `null` is the usual one.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10000)]
    weight: Option<Option<u32>>,
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

/// `GET /v1/tenants?after=&limit=`.
pub(crate) async fn list(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<axum::Json<Listing<TenantView>>, Problem> {
    let limit = super::sessions::page(asked.limit)?;
    let (found, more) = app.registry.tenants(asked.after.as_ref(), limit).await?;
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    Ok(axum::Json(Listing::part(found.iter().map(|tenant| TenantView::new(&app, tenant)).collect(), next)))
}

/// `POST /v1/tenants`.
pub(crate) async fn create(State(app): State<App>, Json(asked): Json<Make>) -> Result<Created<TenantView>, Problem> {
    let made = app.registry.create_tenant(&asked.id, asked.title).await?;
    quotas::apply(&app, &made);
    app.sessions.look_after(&made.id);
    Ok(Created(TenantView::new(&app, &made)))
}

/// `GET /v1/tenants/{tenant}`.
pub(crate) async fn get(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
) -> Result<axum::Json<TenantView>, Problem> {
    Ok(axum::Json(TenantView::new(&app, &*app.registry.tenant(&id).await?)))
}

/// `PATCH /v1/tenants/{tenant}`.
pub(crate) async fn change(
    State(app): State<App>,
    request::Tenant(id): request::Tenant,
    Json(asked): Json<Change>,
) -> Result<axum::Json<TenantView>, Problem> {
    let change = TenantChange { title: asked.title, enabled: asked.enabled, ..TenantChange::default() };
    let quotas = QuotaChange { quotas: asked.quotas, limits_max: asked.limits_max, weight: asked.weight };
    let changed = app.registry.change_tenant(&id, quotas.over(change)?).await?;
    quotas::apply(&app, &changed);
    Ok(axum::Json(TenantView::new(&app, &changed)))
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
    #[serde(flatten)]
    taken: QuotasView,
}

impl TenantView {
    fn new(app: &App, tenant: &Tenant) -> TenantView {
        TenantView {
            id: tenant.id.clone(),
            title: tenant.title.clone(),
            enabled: tenant.disabled.is_none(),
            created: Time(tenant.created),
            disabled: tenant.disabled.map(Time),
            taken: quotas::view(app, tenant),
        }
    }
}
