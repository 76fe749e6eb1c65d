//! What is asked of the server itself.

use super::App;
use super::problem::Problem;
use super::view::Listing;
use axum::Json;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;
use warren_config::Template;

/// One template a session can be made from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NamedTemplate)]
pub(crate) struct TemplateView {
    name: String,
    #[serde(flatten)]
    template: Template,
}

/// `GET /v1/templates`. The values of environment entries are the operator's business, and are left out.
pub(crate) async fn templates(State(app): State<App>) -> Json<Listing<TemplateView>> {
    let view = |(name, template): (&String, &Template)| {
        let mut template = template.clone();
        template.environment.values_mut().for_each(String::clear);
        template.files.iter_mut().for_each(|file| file.content.clear());
        TemplateView { name: name.clone(), template }
    };
    Json(Listing::whole(app.config.templates.iter().map(view).collect()))
}

/// `GET /healthz`: the process runs.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: requests are taken.
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    match app.stop.is_cancelled() {
        false => Ok("ready\n"),
        true => Err(warren_session::SessionError::ShuttingDown.into()),
    }
}

/// Whatever is at no route.
pub(crate) async fn no_route(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(256).collect();
    Problem::new(
        StatusCode::NOT_FOUND,
        "no_route",
        format!("there is nothing at {path}"),
        "docs/api.md lists the routes",
    )
}

/// A route that does not take the method.
pub(crate) async fn no_method(method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(256).collect();
    let detail = format!("{path} does not take {method}");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_method", detail, "docs/api.md lists the routes")
}
