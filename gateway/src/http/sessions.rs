//! `/v1/sessions`: made, found, listed, changed, forked, put to rest, woken, deleted.

mod change;
mod list;

pub(crate) use change::change;
pub(crate) use list::list;

use super::App;
use super::auth::By;
use super::openapi::{Created, NoContent};
use super::problem::Problem;
use super::request::{Json, Target, read};
use super::schema;
use super::view::SessionView;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use warren_config::Template;
use warren_egress::Rule;
use warren_session::durability::{DurabilityError, Summary};
use warren_session::event::State as Life;
use warren_session::id::{SessionName, TenantId};
use warren_session::spec::SessionSpec;

/// Sessions or other things in one answer, at most and unless said otherwise.
pub(crate) const PAGE_MAX: usize = 1000;
const PAGE: usize = 100;

/// What may be said of a fork.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fork {
    /// The name of the copy.
    #[schema(value_type = Option<schema::SessionName>)]
    name: Option<SessionName>,
}

/// A session to be made: `name`, `template`, and any field of a template over it.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Wanted(Value);

impl PartialSchema for Wanted {
    fn schema() -> RefOr<Schema> {
        let null = || ObjectBuilder::new().schema_type(Type::Null);
        let text = |about| {
            let types = SchemaType::from_iter([Type::String, Type::Null]);
            ObjectBuilder::new().schema_type(types).description(Some(about))
        };
        let RefOr::T(Schema::Object(template)) = Template::schema() else {
            unreachable!("a template is an object with members")
        };
        let template = ObjectBuilder::from(template);
        let name = OneOfBuilder::new().item(null()).item(Ref::from_schema_name(schema::SessionName::name()));
        let template = template.property("name", name);
        let named = text("A template of the configuration, whose choices hold where none is made here.");
        template.property("template", named).description(Some("A session to be made.")).build().into()
    }
}

impl ToSchema for Wanted {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NewSession")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((schema::SessionName::name().into_owned(), schema::SessionName::schema()));
        Template::schemas(schemas);
    }
}

/// How many entries an answer has.
pub(crate) fn page(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=PAGE_MAX => Ok(limit),
        other => Err(Problem::invalid(format!("limit: {other} is not 1 to {PAGE_MAX}"))),
    }
}

/// A session to be made, as a client says it: `name`, `template`, and any field of a template.
pub(crate) fn wanted(
    app: &App,
    tenant: &TenantId,
    mut body: Value,
) -> Result<(Option<SessionName>, SessionSpec), Problem> {
    let Some(object) = body.as_object_mut() else {
        return Err(Problem::invalid("the body has to be an object"));
    };
    let mut text = |name: &str| match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::invalid(format!("{name}: has to be text"))),
    };
    let (name, template) = (text("name")?, text("template")?);
    let name = name.map(|name| name.parse()).transpose().map_err(warren_session::SessionError::Name)?;
    let choices: Template = read(body.to_string().as_bytes())?;
    Ok((name, spec(app, tenant, template.as_deref(), &choices)?))
}

/// The spec that a template of the configuration, and choices over it, make.
pub(crate) fn spec(
    app: &App,
    tenant: &TenantId,
    template: Option<&str>,
    choices: &Template,
) -> Result<SessionSpec, Problem> {
    let config = &app.config;
    let mut spec = SessionSpec {
        durability: config.sessions.default_durability,
        idle_timeout: config.sessions.idle_timeout.0,
        ..SessionSpec::default()
    };
    let invalid = |error: warren_config::template::TemplateError| Problem::invalid(error.to_string());
    let node = Template { limits: config.limits.clone(), ..Template::default() };
    node.apply(&mut spec).map_err(invalid)?;
    let named = template.unwrap_or("default");
    match config.templates.get(named) {
        Some(found) => {
            found.apply(&mut spec).map_err(invalid)?;
            spec.template = Some(named.to_owned());
        }
        None if template.is_none() => {}
        None => {
            let named: String = named.chars().take(64).collect();
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "template_not_found",
                format!("there is no template `{named}`"),
                "GET /v1/templates lists them",
            ));
        }
    }
    let of_the_operator = spec.egress.clone();
    choices.apply(&mut spec).map_err(invalid)?;
    check_egress(app, tenant, &of_the_operator, choices.egress.iter().flatten())?;
    let terms = app.sessions.accounts().of(tenant).terms();
    let asked = choices.limits.iter().map(|(name, size)| (name.clone(), size.0));
    terms.check_limits(asked).map_err(|error| Problem::invalid(error.to_string()))?;
    terms.lower(&mut spec.limits).map_err(|error| Problem::invalid(error.to_string()))?;
    check_secrets(app, tenant, spec.secrets.values().map(String::as_str))?;
    Ok(spec)
}

/// Whether a tenant may give its session these rules: what is not public is the operator's network. `default` is the
/// operator; another tenant may name what the template or the configuration does.
fn check_egress<'a>(
    app: &App,
    tenant: &TenantId,
    of_the_template: &[String],
    rules: impl Iterator<Item = &'a String>,
) -> Result<(), Problem> {
    if *tenant == TenantId::embedded() {
        return Ok(());
    }
    let parse = |rule: &String| rule.parse::<Rule>().map_err(|error| Problem::invalid(format!("egress: {error}")));
    let allowed = of_the_template.iter().chain(&app.config.egress.private).map(parse).collect::<Result<Vec<_>, _>>()?;
    for rule in rules {
        let rule = parse(rule)?;
        if rule.is_private() && !allowed.iter().any(|wider| rule.is_within(wider)) {
            return Err(Problem::invalid(format!(
                "egress: `{rule}` reaches what is not public; ask the operator to allow it in `egress.private`"
            )));
        }
    }
    Ok(())
}

/// Whether the server has these secrets for the tenant.
fn check_secrets<'a>(app: &App, tenant: &TenantId, mut named: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let known = |secret: &str| app.config.secrets.contains_key(secret) && crate::serve::has_secrets(tenant);
    match named.find(|secret| !known(secret)) {
        Some(secret) => {
            let secret: String = secret.chars().take(64).collect();
            Err(Problem::invalid(format!("secrets: the server knows no secret `{secret}`")))
        }
        None => Ok(()),
    }
}

/// `POST /v1/sessions`.
pub(crate) async fn create(
    State(app): State<App>,
    By(caller): By,
    Json(Wanted(body)): Json<Wanted>,
) -> Result<Created<SessionView>, Problem> {
    let (name, spec) = wanted(&app, &caller.tenant, body)?;
    let made = app.sessions.create(&caller.tenant, name, spec).await?;
    Ok(Created(made.into()))
}

/// `GET /v1/sessions/{session}`. It is not woken. One that was deleted is gone, as with every other request for it.
pub(crate) async fn get(State(app): State<App>, target: Target) -> Result<axum::Json<SessionView>, Problem> {
    match app.sessions.get(&target.tenant, target.id).await? {
        Summary { state: Life::Deleted, .. } => Err(DurabilityError::Deleted(target.id).into()),
        summary => Ok(axum::Json(summary.into())),
    }
}

/// `DELETE /v1/sessions/{session}`.
pub(crate) async fn delete(State(app): State<App>, target: Target) -> Result<NoContent, Problem> {
    app.sessions.delete(&target.tenant, target.id).await?;
    Ok(NoContent)
}

/// `POST /v1/sessions/{session}/fork`.
pub(crate) async fn fork(
    State(app): State<App>,
    target: Target,
    Json(asked): Json<Fork>,
) -> Result<Created<SessionView>, Problem> {
    let made = app.sessions.fork(&target.tenant, target.id, asked.name).await?;
    Ok(Created(made.into()))
}

/// `POST /v1/sessions/{session}/hibernate`.
pub(crate) async fn hibernate(State(app): State<App>, target: Target) -> Result<axum::Json<SessionView>, Problem> {
    Ok(axum::Json(app.sessions.hibernate(&target.tenant, target.id).await?.into()))
}

/// `POST /v1/sessions/{session}/wake`.
pub(crate) async fn wake(State(app): State<App>, target: Target) -> Result<axum::Json<SessionView>, Problem> {
    Ok(axum::Json(app.sessions.wake(&target.tenant, target.id).await?.into()))
}
