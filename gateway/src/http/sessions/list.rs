//! `GET /v1/sessions`: those that are meant, in parts.

use super::page;
use crate::http::App;
use crate::http::auth::By;
use crate::http::problem::Problem;
use crate::http::request::Query;
use crate::http::schema;
use crate::http::usage::moment;
use crate::http::view::{Listing, SessionView};
use axum::extract::State;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use utoipa::IntoParams;
use warren_kernel::host::Timestamp;
use warren_session::event;
use warren_session::filter::Filter;
use warren_session::id::SessionId;

/// Labels that are asked for at once, at most.
const LABELS_MAX: usize = 32;
/// Nanoseconds of what times are shown in.
const MILLISECOND: i64 = 1_000_000;

/// Which sessions, and which part of them.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    after: Option<SessionId>,
    limit: Option<usize>,
    filter: Filter,
}

/// How [`Asked`] looks in a query: members of one name may come again, which derived code does not take.
#[derive(IntoParams)]
#[expect(dead_code, reason = "it is there for its description")]
struct Written {
    /// Those after this session.
    #[param(value_type = Option<schema::SessionId>, inline)]
    after: Option<SessionId>,
    /// How many. With a filter there may be fewer, and `next` all the same.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Those in this state.
    #[param(value_type = Option<schema::State>, inline)]
    state: Option<event::State>,
    /// Those whose name begins so.
    name_prefix: Option<String>,
    /// Those with this label, as `name=value`; several are all meant.
    #[param(max_items = 32, value_type = Option<Vec<schema::LabelWith>>, inline)]
    label: Option<Vec<String>>,
    /// Those made from this template.
    template: Option<String>,
    /// Those made after this (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime, pattern = "^(19[7-9][0-9]|[2-9][0-9]{3})-")]
    created_after: Option<Timestamp>,
    /// Those made before this (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime, pattern = "^(19[7-9][0-9]|[2-9][0-9]{3})-")]
    created_before: Option<Timestamp>,
}

impl IntoParams for Asked {
    fn into_params(
        given: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        Written::into_params(given)
    }
}

/// `GET /v1/sessions?after=&limit=` and what they have to be. Of very many sessions that are not meant a part may be short.
pub(crate) async fn list(
    State(app): State<App>,
    By(caller): By,
    Query(asked): Query<Asked>,
) -> Result<axum::Json<Listing<SessionView>>, Problem> {
    let limit = page(asked.limit)?;
    let (found, next) = app.sessions.find(&caller.tenant, asked.after, limit, &asked.filter).await?;
    let found = found.into_iter().map(SessionView::from).collect();
    Ok(axum::Json(Listing::part(found, next.map(|next| next.to_string()))))
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Asked, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

/// What can be asked for.
const FIELDS: [&str; 8] =
    ["after", "limit", "state", "name_prefix", "label", "template", "created_after", "created_before"];

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Asked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("which sessions")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Asked, A::Error> {
        let mut asked = Asked::default();
        while let Some((name, value)) = members.next_entry::<String, String>()? {
            asked.take(&name, value).map_err(|reason| A::Error::custom(format!("{}: {reason}", short(&name))))?;
        }
        Ok(asked)
    }
}

impl Asked {
    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        let filter = &mut self.filter;
        match name {
            "after" => once(&mut self.after, value.parse::<SessionId>().map_err(|error| error.to_string())?),
            "limit" => {
                once(&mut self.limit, value.parse::<usize>().map_err(|_| format!("`{}` is no number", short(&value)))?)
            }
            "state" => once(&mut filter.state, state(&value)?),
            "name_prefix" => once(&mut filter.name_prefix, value),
            "template" => once(&mut filter.template, value),
            "created_after" => once(&mut filter.created_after, after(time(&value)?)),
            "created_before" => once(&mut filter.created_before, before(time(&value)?)),
            "label" if filter.labels.len() == LABELS_MAX => Err(format!("at most {LABELS_MAX} can be asked for")),
            "label" => {
                let (name, value) = value
                    .split_once('=')
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| format!("`{}` has to be name=value", short(&value)))?;
                filter.labels.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
            _ => {
                let known = FIELDS.map(|field| format!("`{field}`")).join(", ");
                Err(format!("unknown field `{}`, expected one of {known}", short(name)))
            }
        }
    }
}

fn once<T>(member: &mut Option<T>, value: T) -> Result<(), String> {
    match member.replace(value) {
        None => Ok(()),
        Some(_) => Err("it is given twice".to_owned()),
    }
}

fn state(text: &str) -> Result<event::State, String> {
    let state = event::State::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text));
    state.map_err(|_| format!("`{}` is no state", short(text)))
}

fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = "has to be a time since 1970 as in 2026-11-22T23:00:00.5Z; the `+` of an offset is `%2B` in a query";
    moment(text).ok_or_else(|| format!("`{}` {wrong}", short(text)))
}

/// The end of the millisecond it is in: times are shown without what is below, and a session is not made after the time that is
/// shown of it.
fn after(Timestamp(time): Timestamp) -> Timestamp {
    Timestamp((time - time % MILLISECOND).saturating_add(MILLISECOND - 1))
}

/// The beginning of the next millisecond, unless it is the beginning of one.
fn before(Timestamp(time): Timestamp) -> Timestamp {
    match time % MILLISECOND {
        0 => Timestamp(time),
        rest => Timestamp((time - rest).saturating_add(MILLISECOND)),
    }
}

fn short(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests;
