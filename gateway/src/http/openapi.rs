//! The OpenAPI 3.1 document, made of the table of routes and the types of their handlers.
//!
//! ```text
//! a handler's arguments ─▶ parameters, request body      each type says itself how it looks (`Part`)
//! a handler's result    ─▶ responses                     (`Answer`)
//! the table             ─▶ method, path, summary, scope
//! ```
//! Nothing is written twice, so nothing can be forgotten: a handler that takes another type is documented with it.

mod answer;
mod part;

pub(super) use answer::{
    Accepted, Answer, As, Created, Csv, Events, FileBytes, FileHead, Index, JsonLines, NoContent, OutputBytes,
    Switching, TarArchive,
};
pub(super) use part::{HeaderNames, Headers, Part, Tar};

use super::problem::ProblemView;
use super::routes::{Reach, Route};
use serde_json::json;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ComponentsBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Schema};

/// What is known of one operation.
#[derive(Default)]
pub(crate) struct Description {
    parameters: Vec<Parameter>,
    body: Option<RequestBody>,
    responses: BTreeMap<String, Response>,
    schemas: BTreeMap<String, RefOr<Schema>>,
}

/// A handler whose types say what it takes and gives.
pub(crate) trait Handles<Arguments> {
    /// Adds it.
    fn describe(description: &mut Description);
}

macro_rules! handles {
    ($($Part:ident)*) => {
        impl<Handler, Given, $($Part,)*> Handles<($($Part,)*)> for Handler
        where
            Handler: Fn($($Part),*) -> Given,
            Given: Future,
            Given::Output: Answer,
            $($Part: Part,)*
        {
            fn describe(description: &mut Description) {
                $($Part::describe(description);)*
                Given::Output::describe(description);
            }
        }
    };
}

handles!();
handles!(A);
handles!(A B);
handles!(A B C);
handles!(A B C D);
handles!(A B C D E);
handles!(A B C D E F);

/// Describes a handler.
pub(crate) fn described<Arguments, Handler: Handles<Arguments>>(_: &Handler) -> Description {
    let mut description = Description::default();
    Handler::describe(&mut description);
    description
}

impl Description {
    /// A reference to a type's schema, which becomes a component.
    fn schema<T: ToSchema>(&mut self) -> Ref {
        let mut found = Vec::new();
        T::schemas(&mut found);
        self.schemas.extend(found);
        self.schemas.insert(T::name().into_owned(), T::schema());
        Ref::from_schema_name(T::name())
    }

    fn parameter(&mut self, parameter: impl Into<Parameter>) {
        self.parameters.push(parameter.into());
    }

    fn response(&mut self, status: &str, response: impl Into<Response>) {
        self.responses.insert(status.to_owned(), response.into());
    }

    /// A response with a body of one media type.
    fn content(&mut self, status: &str, about: &str, media: &str, schema: impl Into<RefOr<Schema>>) {
        let content = ContentBuilder::new().schema(Some(schema)).build();
        // One status may have several media types.
        let response = self.responses.remove(status).unwrap_or_else(|| Response::new(about));
        let response = ResponseBuilder::from(response).content(media, content);
        self.responses.insert(status.to_owned(), response.build());
    }

    /// A required variable of the path.
    fn variable(&mut self, name: &str, about: &str, schema: impl Into<RefOr<Schema>>) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
        self.parameter(parameter.description(Some(about)).schema(Some(schema)));
    }

    fn header(&mut self, name: &str, about: &str, text: ObjectBuilder) {
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
        self.parameter(parameter.required(Required::False).description(Some(about)).schema(Some(text)));
    }
}

/// A noun of the table, and what is said of it.
const TAGS: &[(&str, &str)] = &[
    ("sessions", "Made, found, changed, forked, put to rest, woken, deleted."),
    ("checkpoints", "Points of a session to come back to."),
    ("execs", "Commands: run to their end, or started, fed, watched and signalled."),
    ("attach", "Commands over WebSockets."),
    ("terminals", "Terminals of a session, which outlive those who look at them."),
    ("processes", "Processes of a session."),
    ("files", "Files of a session: bytes in and out."),
    ("archive", "A session's files as a tar archive."),
    ("events", "A session's log, from any position on."),
    ("tokens", "Short-lived tokens for one session."),
    ("keys", "Keys of a tenant."),
    ("tenants", "Tenants, for the operator."),
    ("quotas", "What a tenant may take, and has taken."),
    ("usage", "What a tenant used."),
    ("audit", "Who did what in a tenant."),
    ("node", "The server itself."),
];

/// The document. `rows` are the table's, each with what its handler says.
pub(crate) fn document(rows: Vec<(&'static Route, Description)>) -> OpenApi {
    let mut components = ComponentsBuilder::new();
    let mut schemas = BTreeMap::new();
    let mut paths = Paths::new();
    let mut problem = Description::default();
    problem.schema::<ProblemView>();
    schemas.extend(problem.schemas);
    for (route, mut description) in rows {
        if route.is_alias() {
            continue;
        }
        schemas.append(&mut description.schemas);
        let path = route.path.replace("{*", "{");
        let item = PathItem::new(method(route), operation(route, description));
        match paths.paths.get_mut(&path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(path, item);
            }
        }
    }
    choices(&mut schemas);
    components = components.schemas_from_iter(schemas);
    let about = "A key of a tenant (`wrn_...`), or a token for one session (`wrt_...`).";
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about)).build();
    components = components.security_scheme("bearer", SecurityScheme::Http(bearer));
    let info = InfoBuilder::new()
        .title("Warren")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()));
    let tags = TAGS.iter().map(|(name, about)| TagBuilder::new().name(*name).description(Some(*about)).build());
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).tags(Some(tags)).build()
}

/// Bodies that have one of two members, and not both; and whether they have to have one.
const CHOICES: &[(&str, [&str; 2], bool)] = &[
    ("NewExec", ["command", "argv"], true),
    ("NewKey", ["role", "scopes"], true),
    ("NewTerminal", ["command", "argv"], false),
];

/// Whether a body has to have one of two members.
fn is_choice(name: &str) -> bool {
    CHOICES.iter().any(|(known, _, one)| *known == name && *one)
}

/// Adds what no attribute of a type says.
fn choices(schemas: &mut BTreeMap<String, RefOr<Schema>>) {
    for &(name, [one, other], has_one) in CHOICES {
        let Some(RefOr::T(Schema::Object(object))) = schemas.get_mut(name) else {
            unreachable!("{name} is a body of a route")
        };
        // What is `null` is not given.
        let given = json!({ "not": { "type": "null" } });
        let (keyword, rule) = match has_one {
            true => {
                let only = |member: &str| json!({ "required": [member], "properties": { member: given.clone() } });
                ("oneOf", json!([only(one), only(other)]))
            }
            false => ("not", json!({ "required": [one, other], "properties": { one: given, other: given } })),
        };
        // A schema of utoipa's has no such member beside its own: what it calls extensions are written where they belong.
        object.extensions = Some([(keyword, rule)].into_iter().collect());
    }
}

const ABOUT: &str = "Sessions for agents: made, driven, watched, forked and brought back over HTTP. Within `/v1` members, \
                     routes, event types and codes are only added; clients have to ignore what they do not know. What \
                     would break a client becomes `/v2`, and `/v1` stays beside it for at least a year.";

fn method(route: &Route) -> HttpMethod {
    match route.method {
        "get" => HttpMethod::Get,
        "put" => HttpMethod::Put,
        "post" => HttpMethod::Post,
        "delete" => HttpMethod::Delete,
        "head" => HttpMethod::Head,
        "patch" => HttpMethod::Patch,
        other => unreachable!("the table has no method {other}"),
    }
}

fn operation(route: &Route, mut description: Description) -> OperationBuilder {
    if route.method == "post" && route.path.starts_with("/v1") {
        let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[!-~]{1,255}$"));
        description.header("Idempotency-Key", IDEMPOTENCY, key);
    }
    let refused = ContentBuilder::new().schema(Some(Ref::from_schema_name(ProblemView::name()))).build();
    let refused = ResponseBuilder::new()
        .description("It was not done: problem details (RFC 9457). `code` is stable.")
        .content("application/problem+json", refused);
    description.response("default", refused);
    let (tag, name) = route.handler.split_once("::").unwrap_or(("node", route.handler));
    let mut operation = OperationBuilder::new()
        .operation_id(Some(format!("{}_{}", tag.trim(), name.trim())))
        .tag(tag.trim())
        .summary(Some(route.about))
        .request_body(description.body);
    if let Reach::Scope(scope, token) = route.reach {
        let reach = if token { " A token of the session with that scope reaches it too." } else { "" };
        operation = operation
            .security(SecurityRequirement::new("bearer", [scope.as_str()]))
            .description(Some(format!("Needs the scope `{scope}`.{reach}")));
    }
    operation = description.parameters.into_iter().fold(operation, OperationBuilder::parameter);
    description
        .responses
        .into_iter()
        .fold(operation, |operation, (status, response)| operation.response(status, response))
}

const IDEMPOTENCY: &str = "Done at most once with this key: 1 to 255 characters of ASCII. The same request with the same \
                           key is answered as the first was, for 24 hours.";

#[cfg(test)]
mod tests;
