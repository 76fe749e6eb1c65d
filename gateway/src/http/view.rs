//! How things look in JSON. Times are RFC 3339 in UTC; bytes are text where they are UTF-8, else base64, and say which.
//! Each look is a type, so that the OpenAPI document says what is really sent.

mod command;
mod event;
mod session;

pub(crate) use command::{Ended, ExecView, FinishedView, ProcessView, StartedView};
pub(crate) use event::{EndView, EventView, ResyncView};
pub(crate) use session::{CheckpointView, FileView, SessionView, kind};

use super::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Serialize;
use std::borrow::Cow;
use std::time::{Duration, SystemTime};
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use warren_kernel::host::{Host, Timestamp};
use warren_wasi_posix::system::SystemHost;

/// Part of a list, and where the rest begins.
#[derive(Debug, Serialize)]
pub(crate) struct Listing<T> {
    items: Vec<T>,
    /// Give it as `?after=` for the next part; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Listing<T> {
    /// A list that fits.
    pub(crate) fn whole(items: Vec<T>) -> Listing<T> {
        Listing { items, next: None }
    }

    /// Part of a list.
    pub(crate) fn part(items: Vec<T>, next: Option<String>) -> Listing<T> {
        Listing { items, next }
    }
}

impl<T: ToSchema> PartialSchema for Listing<T> {
    fn schema() -> RefOr<Schema> {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let list = ObjectBuilder::new().property("items", items).required("items");
        let about = "Give it as `?after=` for the next part; absent when there is none.";
        let next = ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).description(Some(about));
        list.property("next", next).build().into()
    }
}

impl<T: ToSchema> ToSchema for Listing<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(schemas);
    }
}

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl std::fmt::Display for Time {
    /// Times before 1970 are shown as its first moment.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = Duration::from_nanos(u64::try_from(self.0.0).unwrap_or(0));
        humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        time.format(Some(format)).description(Some("RFC 3339, in UTC.")).build().into()
    }
}

impl ToSchema for Time {}

/// The time now.
pub(crate) fn now() -> Timestamp {
    Host::realtime(&SystemHost)
}

/// The time `period` later.
pub(crate) fn after(time: Timestamp, period: Duration) -> Timestamp {
    Timestamp(time.0.saturating_add(i64::try_from(period.as_nanos()).unwrap_or(i64::MAX)))
}

/// Bytes as text, or as base64.
pub(crate) fn split(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

/// Bytes that a client sent as base64.
pub(crate) fn from_base64(text: &str) -> Result<Bytes, Problem> {
    BASE64.decode(text).map(Bytes::from).map_err(|error| Problem::invalid(format!("base64: {error}")))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
