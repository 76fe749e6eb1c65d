//! `/v1/quotas`, and what `/v1/tenants` says and takes of them: what a tenant may take, and what it has taken.

use super::App;
use super::auth::{By, lacking};
use super::problem::Problem;
use super::request::Query;
use super::schema;
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::registry::{Caller, Scope, Tenant, TenantChange};
use warren_config::Config;
use warren_config::value::Size;
use warren_session::id::TenantId;
use warren_session::quota::{Quota, Terms};
use warren_wasi_posix::share::Share;

/// Whose; only the operator can mean another tenant's.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// The caller's own unless said otherwise.
    #[param(value_type = Option<schema::TenantId>, inline)]
    tenant: Option<TenantId>,
}

/// What holds for a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quotas)]
pub(crate) struct QuotasView {
    /// By name.
    #[schema(value_type = BTreeMap<String, QuotaView>)]
    quotas: BTreeMap<&'static str, QuotaView>,
    /// What a session's limits may be at most, by name.
    limits_max: BTreeMap<String, u64>,
    /// Its share of the processors, against those of the others.
    weight: u32,
}

/// One quota.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quota)]
pub(crate) struct QuotaView {
    /// What is counted, with its unit.
    about: &'static str,
    /// `null` is no limit.
    #[schema(required)]
    limit: Option<u64>,
    /// Whether the number is the tenant's own, and not what the node says for all.
    own: bool,
    /// What is taken, where that is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

/// What a change says of quotas. A name that is absent stays as it is; `None` is what the node says.
#[derive(Debug, Default)]
pub(crate) struct QuotaChange {
    pub(crate) quotas: BTreeMap<String, Option<Size>>,
    pub(crate) limits_max: BTreeMap<String, Option<Size>>,
    pub(crate) weight: Option<Option<u32>>,
}

/// Absent, or given, perhaps as `null`.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl QuotaChange {
    /// Puts it into a change of a tenant.
    ///
    /// # Errors
    /// A name that no quota has.
    pub(crate) fn over(self, change: TenantChange) -> Result<TenantChange, Problem> {
        let mut quotas = BTreeMap::new();
        for (name, most) in self.quotas {
            let quota: Quota = name.parse().map_err(|error| Problem::invalid(format!("quotas: {error}")))?;
            quotas.insert(quota, most.map(|most| most.0));
        }
        let limits_max = self.limits_max.into_iter().map(|(name, most)| (name, most.map(|most| most.0))).collect();
        Ok(TenantChange { quotas, limits_max, weight: self.weight, ..change })
    }
}

/// The tenant that is meant, which is there.
///
/// # Errors
/// Another's, without being the operator; one that is not there.
pub(crate) async fn meant(app: &App, caller: &Caller, asked: Option<TenantId>) -> Result<TenantId, Problem> {
    match asked {
        Some(tenant) if tenant != caller.tenant => {
            if !caller.scopes.has(Scope::TenantsManage) {
                return Err(lacking([Scope::TenantsManage].into_iter().collect()));
            }
            Ok(app.registry.tenant(&tenant).await?.id.clone())
        }
        _ => Ok(caller.tenant.clone()),
    }
}

/// Ceilings of the configuration.
pub(crate) fn node_limits(config: &Config) -> BTreeMap<String, u64> {
    config.limits_max.iter().map(|(name, most)| (name.clone(), most.0)).collect()
}

/// Makes what a tenant's record says hold.
pub(crate) fn apply(app: &App, tenant: &Tenant) {
    let account = app.sessions.accounts();
    account.set_terms(&tenant.id, tenant.terms(&node_limits(&app.config)));
    let terms = account.of(&tenant.id).terms();
    // Nothing at all would be a session that never ends a call: the least is a millisecond.
    let most = terms.quotas.get(Quota::CpuMsPerS).map(|most| u32::try_from(most.max(1)).unwrap_or(u32::MAX));
    let share = Share { weight: terms.weight, cpu_ms_per_s: most.and_then(NonZeroU32::new) };
    app.shares.set(tenant.id.as_str(), share);
}

/// What holds for a tenant, and what it has taken.
pub(crate) fn view(app: &App, tenant: &Tenant) -> QuotasView {
    let account = app.sessions.accounts().of(&tenant.id);
    let (terms, taken): (_, _) = (account.terms(), account.taken());
    let used = |quota| match quota {
        Quota::Sessions => taken.sessions,
        Quota::SessionsAwake => Some(taken.sessions_awake),
        Quota::MemoryBytes => Some(taken.memory_bytes),
        Quota::StoredBytes => Some(taken.stored.bytes),
        Quota::UncollectedBytes => Some(taken.stored.uncollected),
        Quota::Inodes => Some(taken.inodes),
        other => app.admission.under_way(&tenant.id, other),
    };
    let one = |quota: &Quota| {
        let own = tenant.quotas.get(*quota).is_some();
        let view = QuotaView { about: quota.about().trim(), limit: terms.quotas.get(*quota), own, used: used(*quota) };
        (quota.as_str(), view)
    };
    let Terms { limits_max, weight, .. } = (*terms).clone();
    QuotasView { quotas: Quota::ALL.iter().map(one).collect(), limits_max, weight }
}

/// `GET /v1/quotas?tenant=`.
pub(crate) async fn get(
    State(app): State<App>,
    By(caller): By,
    Query(asked): Query<Whose>,
) -> Result<axum::Json<QuotasView>, Problem> {
    let tenant = meant(&app, &caller, asked.tenant).await?;
    Ok(axum::Json(view(&app, &*app.registry.tenant(&tenant).await?)))
}
