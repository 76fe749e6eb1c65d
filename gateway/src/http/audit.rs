//! `/v1/audit`: who did what, as it is chained.

use super::App;
use super::auth::By;
use super::openapi::{As, HeaderNames, Headers, JsonLines};
use super::problem::Problem;
use super::quotas;
use super::request::Query;
use super::schema;
use super::view::Listing;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::audit::{Audit, AuditError, PAGE_MAX};
use warren_session::id::TenantId;

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The number of a record: those behind it.
    #[param(value_type = Option<schema::Count>, inline)]
    after: Option<u64>,
    /// How many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// The caller's own unless said otherwise.
    #[param(value_type = Option<schema::TenantId>, inline)]
    tenant: Option<TenantId>,
}

/// What is looked at beside.
pub(crate) struct Wanted;

impl HeaderNames for Wanted {
    const NAMES: &'static [(&'static str, &'static str)] =
        &[("accept", "`application/jsonl` for all records behind `after`, a line each, exactly as they were hashed.")];
}

/// Something that was done, or refused.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AuditRecord {
    /// Its number.
    seq: u64,
    #[schema(format = DateTime)]
    time: String,
    /// The request's id.
    request: String,
    /// The id of the key.
    #[schema(required)]
    key: Option<String>,
    /// It was made with a token of that key.
    token: bool,
    /// Where it came from.
    address: String,
    method: String,
    /// As the list of routes has it.
    route: String,
    /// What the route's variables stood for; `session_id`, the session that was meant; `made`, the id of what was made.
    targets: BTreeMap<String, String>,
    /// The answer's status; 499 when the client was gone before it.
    status: u16,
    /// The answer's code, of a refusal.
    #[schema(required)]
    code: Option<String>,
    /// Records in front of it that were left out because there were too many alike.
    skipped: u64,
    /// The hash of the record before.
    prev: String,
    /// SHA-256 of the record's line without this.
    hash: String,
}

/// `GET /v1/audit?after=&limit=&tenant=`. As `application/jsonl` all records behind `after`, a line each, exactly as they
/// were hashed.
pub(crate) async fn get(
    State(app): State<App>,
    By(caller): By,
    Headers(headers, _): Headers<Wanted>,
    Query(asked): Query<Asked>,
) -> Result<As<(axum::Json<Listing<AuditRecord>>, JsonLines)>, Problem> {
    let limit = super::sessions::page(asked.limit)?;
    let tenant = quotas::meant(&app, &caller, asked.tenant).await?;
    app.audit.flush(&tenant).await?;
    let after = asked.after.unwrap_or(0);
    let lines = headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|it| it.contains("jsonl")));
    if lines {
        let most = asked.limit.map_or(u64::MAX, |limit| limit as u64);
        return Ok(export(app.audit, tenant, after, most).into());
    }
    let (lines, more) = app.audit.read(&tenant, after, limit).await?;
    let next = lines.last().filter(|_| more).and_then(|line| number_of(line)).map(|number| number.to_string());
    let record = |line: &String| serde_json::from_str(line).map_err(|_| Problem::internal());
    let records: Vec<AuditRecord> = lines.iter().map(record).collect::<Result<_, _>>()?;
    Ok(axum::Json(Listing::part(records, next)).into_response().into())
}

/// Records as lines, read as they are sent.
fn export(audit: Audit, tenant: TenantId, after: u64, left: u64) -> Response {
    let parts = try_unfold(Some((after, left)), move |place| {
        let (audit, tenant) = (audit.clone(), tenant.clone());
        async move {
            let Some((after, left)) = place.filter(|(_, left)| *left > 0) else { return Ok(None) };
            let limit = usize::try_from(left).unwrap_or(PAGE_MAX).min(PAGE_MAX);
            let (lines, more) = audit.read(&tenant, after, limit).await.map_err(std::io::Error::other)?;
            let next = lines.last().filter(|_| more).and_then(|line| number_of(line));
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            Ok::<_, std::io::Error>(Some((Bytes::from(text), next.map(|next| (next, left - lines.len() as u64)))))
        }
    });
    ([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(parts)).into_response()
}

fn number_of(line: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        seq: u64,
    }
    serde_json::from_str::<Numbered>(line).ok().map(|record| record.seq)
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Problem {
        tracing::error!(%error, "the audit log cannot be read");
        match error {
            AuditError::Store(_) | AuditError::Contended => Problem::store_unavailable(),
            AuditError::Damaged { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "audit_damaged",
                "a part of the audit log cannot be read",
                "the server's log says which; ?after= reads what is behind it",
            ),
        }
    }
}
