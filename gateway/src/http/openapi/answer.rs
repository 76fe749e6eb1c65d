//! What handlers give.

use super::Description;
use crate::http::problem::Problem;
use crate::http::view::EventView;
use axum::Json;
use axum::http::StatusCode;
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::marker::PhantomData;
use utoipa::ToSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// The result of a handler.
pub(crate) trait Answer {
    /// Says how it may look.
    fn describe(to: &mut Description);
}

/// 201, and the thing that was made.
pub(crate) struct Created<T>(pub(crate) T);

/// 202: it has begun.
pub(crate) struct Accepted<T>(PhantomData<T>);

/// 204: it was done.
pub(crate) struct NoContent;

/// An answer that was made by hand, and looks as `A` says.
pub(crate) struct As<A>(Response, PhantomData<A>);

impl<A> From<Response> for As<A> {
    fn from(response: Response) -> As<A> {
        As(response, PhantomData)
    }
}

/// Bytes of a file, all of them or some.
pub(crate) struct FileBytes;

/// What there is to say of a file without its bytes.
pub(crate) struct FileHead;

/// Bytes of a command's stream.
pub(crate) struct OutputBytes;

/// Events as they are sent.
pub(crate) struct Events;

/// A tar archive.
pub(crate) struct TarArchive;

/// A table, its cells parted by commas.
pub(crate) struct Csv;

/// Objects, a line each.
pub(crate) struct JsonLines;

/// A WebSocket.
pub(crate) struct Switching;

/// A line of text.
pub(crate) struct Text;

/// Another document of JSON.
pub(crate) struct Index;

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<A> IntoResponse for As<A> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<R: Answer> Answer for Result<R, Problem> {
    fn describe(to: &mut Description) {
        R::describe(to);
    }
}

impl<A: Answer> Answer for As<A> {
    fn describe(to: &mut Description) {
        A::describe(to);
    }
}

impl<A: Answer, B: Answer> Answer for (A, B) {
    fn describe(to: &mut Description) {
        A::describe(to);
        B::describe(to);
    }
}

impl<A: Answer, B: Answer, C: Answer> Answer for (A, B, C) {
    fn describe(to: &mut Description) {
        A::describe(to);
        B::describe(to);
        C::describe(to);
    }
}

impl<T: ToSchema> Answer for Json<T> {
    fn describe(to: &mut Description) {
        let schema = to.schema::<T>();
        to.content("200", "It was done.", "application/json", schema);
    }
}

impl<T: ToSchema> Answer for Created<T> {
    fn describe(to: &mut Description) {
        let schema = to.schema::<T>();
        to.content("201", "It was made.", "application/json", schema);
    }
}

impl<T: ToSchema> Answer for Accepted<T> {
    fn describe(to: &mut Description) {
        let schema = to.schema::<T>();
        to.content("202", "It has begun.", "application/json", schema);
    }
}

impl Answer for NoContent {
    fn describe(to: &mut Description) {
        to.response("204", ResponseBuilder::new().description("It was done."));
    }
}

impl<S> Answer for Sse<S> {
    fn describe(to: &mut Description) {
        Events::describe(to);
    }
}

impl Answer for Events {
    fn describe(to: &mut Description) {
        to.schema::<EventView<'_>>();
        to.schema::<crate::http::view::ResyncView>();
        to.schema::<crate::http::view::EndView>();
        to.schema::<crate::http::files::Told>();
        let about = "Server-sent events: `data` of each is an Event, with `event: resync` a Resync, with `event: end` an \
                     EndOfEvents; of `files:watch` a FileWatch.";
        to.content("200", about, "text/event-stream", ObjectBuilder::new().schema_type(Type::String));
    }
}

impl Answer for FileBytes {
    fn describe(to: &mut Description) {
        bytes(to, "200", "All of the file.", "application/octet-stream");
        bytes(to, "206", "The range that was asked for.", "application/octet-stream");
    }
}

impl Answer for FileHead {
    fn describe(to: &mut Description) {
        let text = || HeaderBuilder::new().schema(ObjectBuilder::new().schema_type(Type::String)).build();
        let response = ResponseBuilder::new().description("There is such a file.");
        to.response("200", response.header("Warren-Kind", text()).header("Warren-Mode", text()));
    }
}

impl Answer for OutputBytes {
    fn describe(to: &mut Description) {
        bytes(to, "200", "Bytes of the stream.", "application/octet-stream");
        let header = |about: &str, kind| {
            HeaderBuilder::new().description(Some(about)).schema(ObjectBuilder::new().schema_type(kind)).build()
        };
        let response = to.responses.remove("200").unwrap_or_default();
        let response = ResponseBuilder::from(response)
            .header("Warren-Offset", header("Where the bytes begin.", Type::Integer))
            .header("Warren-End", header("`true` when nothing follows.", Type::String));
        to.response("200", response);
    }
}

impl Answer for TarArchive {
    fn describe(to: &mut Description) {
        bytes(to, "200", "The archive.", "application/x-tar");
    }
}

impl Answer for Csv {
    fn describe(to: &mut Description) {
        to.content("200", "It was done.", "text/csv", ObjectBuilder::new().schema_type(Type::String));
    }
}

impl Answer for JsonLines {
    fn describe(to: &mut Description) {
        to.content("200", "It was done.", "application/jsonl", ObjectBuilder::new().schema_type(Type::String));
    }
}

impl Answer for Text {
    fn describe(to: &mut Description) {
        to.content("200", "It is so.", "text/plain", ObjectBuilder::new().schema_type(Type::String));
    }
}

impl Answer for Switching {
    fn describe(to: &mut Description) {
        let about = "The connection is a WebSocket of the subprotocol `warren.v1`; docs/api.md says what is sent.";
        to.response("101", ResponseBuilder::new().description(about));
    }
}

impl Answer for &'static str {
    fn describe(to: &mut Description) {
        Text::describe(to);
    }
}

impl Answer for Index {
    fn describe(to: &mut Description) {
        to.content("200", "The document.", "application/json", ObjectBuilder::new().schema_type(Type::Object));
    }
}

fn bytes(to: &mut Description, status: &str, about: &str, media: &str) {
    to.content(status, about, media, ObjectBuilder::new().schema_type(Type::String).content_media_type(media));
}
