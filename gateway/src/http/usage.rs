//! `/v1/usage`: what a tenant used, by the hour or the session, as JSON or as a table of commas.

use super::App;
use super::auth::By;
use super::openapi::{As, Csv, HeaderNames, Headers};
use super::problem::Problem;
use super::quotas;
use super::request::Query;
use super::schema;
use super::view::{self, Listing, Time};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::SystemTime;
use utoipa::{IntoParams, ToSchema};
use warren_cluster::usage::{Amounts, HOURS_MAX, Hour, Row, UsageError};
use warren_kernel::host::Timestamp;
use warren_session::id::{SessionId, TenantId};

/// Hours that are shown when nothing is said.
const HOURS: u64 = 24;
/// Rows of one answer, at most.
const ROWS_MAX: usize = 100_000;
/// Milliseconds of an hour, and bytes of a GiB.
const HOUR_MS: f64 = 3_600_000.0;
const GIB: f64 = (1u64 << 30) as f64;
const COLUMNS: &str = "hour,session,cpu_ms,memory_gib_s,stored_gib_h,requests,events,egress_bytes,ingress_bytes\n";

/// Which usage.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// RFC 3339; the hour it lies in is the first.
    #[param(format = DateTime)]
    from: Option<String>,
    /// RFC 3339; the hour it lies in is the last.
    #[param(format = DateTime)]
    to: Option<String>,
    /// How it is added up.
    #[param(inline)]
    by: Option<SumBy>,
    /// The caller's own unless said otherwise.
    #[param(value_type = Option<schema::TenantId>, inline)]
    tenant: Option<TenantId>,
}

/// How it is added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SumBy {
    /// All sessions of an hour together.
    #[default]
    Hour,
    /// All hours of a session together.
    Session,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
pub(crate) struct UsageRow {
    /// When it begins; absent of all hours together.
    #[serde(skip_serializing_if = "Option::is_none")]
    hour: Option<Time>,
    /// By which session; absent of all together, and of what belongs to no single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::SessionId>)]
    session: Option<SessionId>,
    /// Milliseconds of processor time of guests.
    cpu_ms: f64,
    /// Memory of guests: GiB times seconds.
    memory_gib_s: f64,
    /// What was stored: GiB times hours. It belongs to no single session: they share what they have in common.
    stored_gib_h: f64,
    /// Requests that were let in.
    requests: u64,
    /// Events of logs.
    events: u64,
    /// Bytes that sessions sent to the outside.
    egress_bytes: u64,
    /// Bytes that they received from there.
    ingress_bytes: u64,
}

impl UsageRow {
    fn new(hour: Option<Hour>, session: Option<SessionId>, amounts: Amounts) -> UsageRow {
        UsageRow {
            hour: hour.map(|hour| Time(hour.begins())),
            session,
            cpu_ms: amounts.cpu_ns as f64 / 1e6,
            memory_gib_s: amounts.memory_byte_ms as f64 / 1000.0 / GIB,
            stored_gib_h: amounts.stored_byte_s as f64 * 1000.0 / HOUR_MS / GIB,
            requests: amounts.requests,
            events: amounts.events,
            egress_bytes: amounts.egress_bytes,
            ingress_bytes: amounts.ingress_bytes,
        }
    }

    fn csv(&self) -> String {
        format!(
            "{},{},{},{},{},{},{},{},{}\n",
            self.hour.map(|hour| hour.to_string()).unwrap_or_default(),
            self.session.map(|session| session.to_string()).unwrap_or_default(),
            self.cpu_ms,
            self.memory_gib_s,
            self.stored_gib_h,
            self.requests,
            self.events,
            self.egress_bytes,
            self.ingress_bytes,
        )
    }
}

/// What is looked at beside.
pub(crate) struct Wanted;

impl HeaderNames for Wanted {
    const NAMES: &'static [(&'static str, &'static str)] = &[("accept", "`text/csv` for a table.")];
}

/// `GET /v1/usage?from=&to=&by=hour|session&tenant=`.
pub(crate) async fn get(
    State(app): State<App>,
    By(caller): By,
    Headers(headers, _): Headers<Wanted>,
    Query(asked): Query<Asked>,
) -> Result<As<(axum::Json<Listing<UsageRow>>, Csv)>, Problem> {
    let tenant = quotas::meant(&app, &caller, asked.tenant).await?;
    let now = Hour::of(view::now());
    let to = hour("to", asked.to.as_deref())?.unwrap_or(now);
    let from = hour("from", asked.from.as_deref())?.unwrap_or(Hour(to.0.saturating_sub(HOURS - 1)));
    if from > to || to.0 - from.0 >= HOURS_MAX {
        return Err(Problem::invalid(format!("from and to: in this order, and at most {HOURS_MAX} hours apart")));
    }
    app.sessions.measure(Some(&tenant));
    let rows = app.usage.rows(&tenant, from, Hour(to.0 + 1)).await?;
    let rows = added_up(&rows, asked.by.unwrap_or_default());
    if rows.len() > ROWS_MAX {
        return Err(Problem::invalid(format!("from and to: there are more than {ROWS_MAX} rows; ask for fewer hours")));
    }
    let csv = headers.get_all(ACCEPT).iter().any(|accept| accept.to_str().is_ok_and(|it| it.contains("text/csv")));
    if !csv {
        return Ok(axum::Json(Listing::whole(rows)).into_response().into());
    }
    let text: String = std::iter::once(COLUMNS.to_owned()).chain(rows.iter().map(UsageRow::csv)).collect();
    Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response().into())
}

fn added_up(rows: &[Row], by: SumBy) -> Vec<UsageRow> {
    let mut sums: BTreeMap<(Option<Hour>, Option<SessionId>), Amounts> = BTreeMap::new();
    for row in rows {
        let place = match by {
            SumBy::Hour => (Some(row.hour), None),
            SumBy::Session => (None, row.session),
        };
        sums.entry(place).or_default().add(row.amounts);
    }
    sums.into_iter().map(|((hour, session), amounts)| UsageRow::new(hour, session, amounts)).collect()
}

fn hour(field: &str, text: Option<&str>) -> Result<Option<Hour>, Problem> {
    let Some(text) = text else { return Ok(None) };
    // One that is too far off to be counted is no hour.
    let time = moment(text).filter(|time| time.0 < i64::MAX).ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
            format!("{field}: has to be a time since 1970 as in 2026-11-22T23:00:00Z or 2026-11-23T01:00:00+02:00"),
            "the `+` of an offset is `%2B` in a query",
        )
    })?;
    Ok(Some(Hour::of(time)))
}

/// A time as RFC 3339 has it, in UTC or with an offset; none before 1970. What is beyond the year 2262 is the last
/// that can be counted.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let (local, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        None => {
            let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            (local, seconds(offset)?)
        }
    };
    let (whole, part) = local.split_at_checked("2026-11-22T23:00:00".len())?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain =
        matches!(whole.as_bytes()[10], b'T' | b't') && (part.is_empty() || part.strip_prefix('.').is_some_and(digits));
    let part: i64 = format!("{:0<9.9}", part.trim_start_matches('.')).parse().ok().filter(|_| plain)?;
    let time = humantime::parse_rfc3339_weak(&whole.replace('t', "T")).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
    let nanos = nanos.saturating_sub(offset * 1_000_000_000).saturating_add(part);
    (nanos >= 0).then_some(Timestamp(nanos))
}

/// How far `+02:00` is ahead of UTC.
fn seconds(offset: &str) -> Option<i64> {
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let number = |text: &str, end: i64| {
        let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|number| plain && (0..end).contains(number))
    };
    Some(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60))
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Problem {
        tracing::error!(%error, "what was used cannot be read");
        match error {
            UsageError::Store(_) | UsageError::Contended => Problem::store_unavailable(),
            UsageError::Damaged { .. } => Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "usage_damaged",
                "what is kept of an hour cannot be read",
                "the server's log says which; ask for other hours",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
