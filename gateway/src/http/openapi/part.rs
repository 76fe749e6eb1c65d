//! What handlers take.

use super::{Description, is_choice};
use crate::http::App;
use crate::http::auth::By;
use crate::http::request::{Exec, FilePath, Json, Key, Process, Query, Target, Tenant, Terminal};
use crate::http::schema;
use crate::http::socket::Upgrade;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::marker::PhantomData;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};
use utoipa::{IntoParams, ToSchema};

/// An argument of a handler.
pub(crate) trait Part {
    /// Says what of a request it is.
    fn describe(to: &mut Description);
}

/// Headers that a handler looks at, and which.
pub(crate) struct Headers<N>(pub(crate) HeaderMap, pub(crate) PhantomData<N>);

/// Names of headers, each with what it does.
pub(crate) trait HeaderNames {
    /// In lower case.
    const NAMES: &'static [(&'static str, &'static str)];

    /// What one of them looks like.
    fn schema(_: &str) -> ObjectBuilder {
        text()
    }
}

/// A body that is a tar archive.
pub(crate) struct Tar(pub(crate) Body);

impl<N> FromRequestParts<App> for Headers<N> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Headers<N>, Infallible> {
        Ok(Headers(parts.headers.clone(), PhantomData))
    }
}

impl FromRequest<App> for Tar {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &App) -> Result<Tar, Infallible> {
        Ok(Tar(request.into_body()))
    }
}

impl<S> Part for State<S> {
    fn describe(_: &mut Description) {}
}

impl Part for By {
    fn describe(_: &mut Description) {}
}

impl<N: HeaderNames> Part for Headers<N> {
    fn describe(to: &mut Description) {
        N::NAMES.iter().for_each(|(name, about)| to.header(name, about, N::schema(name)));
    }
}

impl<T: ToSchema> Part for Json<T> {
    fn describe(to: &mut Description) {
        // An empty body is an empty object.
        let required = match T::schema() {
            RefOr::T(Schema::Object(object)) if object.required.is_empty() && !is_choice(&T::name()) => Required::False,
            _ => Required::True,
        };
        let content = ContentBuilder::new().schema(Some(to.schema::<T>())).build();
        let body = RequestBodyBuilder::new().required(Some(required)).content("application/json", content);
        to.body = Some(body.build());
    }
}

impl<T: IntoParams> Part for Query<T> {
    fn describe(to: &mut Description) {
        T::into_params(|| Some(ParameterIn::Query)).into_iter().for_each(|parameter| to.parameter(parameter));
    }
}

impl Part for Body {
    fn describe(to: &mut Description) {
        bytes(to, "application/octet-stream", Required::False);
    }
}

impl Part for Tar {
    fn describe(to: &mut Description) {
        bytes(to, "application/x-tar", Required::True);
    }
}

fn bytes(to: &mut Description, media: &str, required: Required) {
    let content = ContentBuilder::new().schema(Some(text().content_media_type(media))).build();
    to.body = Some(RequestBodyBuilder::new().required(Some(required)).content(media, content).build());
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn number(least: u64) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least))
}

impl Part for Target {
    fn describe(to: &mut Description) {
        to.variable("session", "A session's name or id.", text().pattern(Some(schema::NAME)));
    }
}

impl Part for Exec {
    fn describe(to: &mut Description) {
        to.variable("exec", "A command's number in its session.", number(0).maximum(Some(u64::MAX)));
    }
}

impl Part for Terminal {
    fn describe(to: &mut Description) {
        let name = to.schema::<crate::http::schema::TerminalName>();
        to.variable("terminal", "A terminal's name.", name);
    }
}

impl Part for Upgrade {
    fn describe(_: &mut Description) {}
}

impl Part for Process {
    fn describe(to: &mut Description) {
        to.variable("pid", "A process's number in its session.", number(1).maximum(Some(i32::MAX)));
    }
}

impl Part for Key {
    fn describe(to: &mut Description) {
        let id = to.schema::<crate::http::schema::KeyId>();
        to.variable("key", "A key's id.", id);
    }
}

impl Part for Tenant {
    fn describe(to: &mut Description) {
        let id = to.schema::<crate::http::schema::TenantId>();
        to.variable("tenant", "A tenant's id.", id);
    }
}

impl Part for FilePath {
    fn describe(to: &mut Description) {
        let about = "Absolute in the session, without the first `/`; its other `/` may stand as they are.";
        to.variable("path", about, text());
    }
}
