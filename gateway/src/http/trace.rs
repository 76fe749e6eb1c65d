//! What is seen of a request from outside: its span, its place in a trace, its figures.
//!
//! ```text
//! traceparent ─▶ handle_request ─┬▶ start_command ─▶ spawn_process, run_process ─▶ TRACEPARENT of the program
//!                                └▶ persist_events, append_journal, write_snapshot, put_object …
//! ```
//! A span has the route and never the path, and nothing of queries, headers and bodies.

use super::problem::Code;
use super::routes::Route;
use super::trail::RequestId;
use crate::metrics::{self, Counted};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use std::time::Instant;
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use warren_session::command::TraceContext;

/// Bytes of a `tracestate` that are passed on, at most (W3C Trace Context, 3.3.1.5).
const STATE_MAX: usize = 512;

/// A request that has no answer yet.
pub(super) struct Seen {
    pub(super) span: Span,
    method: &'static str,
    begun: Instant,
    _active: Counted,
}

impl Seen {
    /// Of a request that has just come in.
    pub(super) fn new(request: &Request, id: &RequestId) -> Seen {
        let method = known(request.method());
        let span = info_span!(
            "handle_request",
            otel.name = Empty,
            otel.kind = "server",
            otel.status_code = Empty,
            trace_id = Empty,
            request_id = &*id.0,
            http.request.method = method,
            http.route = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        if request.headers().contains_key("traceparent") {
            // What is no context is none: the trace begins here.
            let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(request.headers())));
        }
        Seen { span, method, begun: Instant::now(), _active: Counted::new(metrics::REQUESTS_ACTIVE) }
    }

    /// The answer's head is there.
    pub(super) fn answered(self, response: &mut Response) {
        let status = response.status();
        let route = response.extensions().get::<&'static Route>().map_or("none", |route| route.path);
        let code = response.extensions().get::<Code>().map(|code| code.0);
        self.span.record("http.response.status_code", status.as_u16());
        if let Some(code) = code {
            self.span.record("error.type", code);
            ::metrics::counter!(metrics::REFUSALS, "code" => code).increment(1);
        }
        if status.is_server_error() {
            self.span.record("otel.status_code", "ERROR");
        }
        let status = status_text(status.as_u16());
        let labels = [("method", self.method), ("route", route), ("status", status)];
        ::metrics::counter!(metrics::REQUESTS, &labels).increment(1);
        ::metrics::histogram!(metrics::REQUEST, "route" => route).record(self.begun.elapsed());
        let context = self.span.context();
        if context.span().span_context().is_valid() {
            TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(response.headers_mut()));
        }
    }
}

/// The route of the request that is being handled is known.
pub(super) fn name(route: &'static Route) {
    let span = Span::current();
    if span.is_disabled() {
        return;
    }
    span.record("http.route", route.path);
    // Before anybody asks for the span's context: from then on its name stays as it is.
    span.record("otel.name", format!("{} {}", route.method.to_ascii_uppercase(), route.path));
    let context = span.context();
    if context.span().span_context().is_valid() {
        span.record("trace_id", context.span().span_context().trace_id().to_string());
    }
}

/// Where in a trace the request that is being handled is.
pub(super) fn current(headers: &HeaderMap) -> Option<TraceContext> {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        let mut fields = HashMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut fields);
        let state = fields.remove("tracestate").filter(|state| !state.is_empty());
        return Some(TraceContext { parent: fields.remove("traceparent")?, state });
    }
    // Nothing is traced here: what the client is part of, its programs are part of.
    let context = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    if !context.span().span_context().is_valid() {
        return None;
    }
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    let state = headers.get("tracestate").and_then(text).filter(|state| (1..=STATE_MAX).contains(&state.len()));
    Some(TraceContext { parent: headers.get("traceparent").and_then(text)?, state })
}

/// A method as a label: a client may send any word.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

/// A status as a label.
fn status_text(status: u16) -> &'static str {
    macro_rules! texts {
        ($($code:literal)*) => {
            match status { $($code => stringify!($code),)* 400..500 => "4xx", 500.. => "5xx", _ => "other" }
        };
    }
    texts!(101 200 201 202 204 206 304 400 401 403 404 405 408 409 410 412 413 415 416 421 422 426 429 499 500 503 507)
}
