//! All routes: one table, from which the router is made. No route can be there without saying who reaches it.

use super::auth::{Gate, authorize};
use super::openapi::{As, Description, Index, described};
use super::view::Listing;
use super::{App, archive, attach, audit, checkpoints, events, execs, files, keys, metrics, node, processes};
use super::{quotas, sessions, tenants, terminals, tokens, usage};
use axum::Json;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, head, patch, post, put};
use serde::Serialize;
use serde_json::json;
use std::sync::LazyLock;
use utoipa::openapi::OpenApi;
use warren_cluster::registry::Scope;

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Route {
    /// In lower case.
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) reach: Reach,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// Who does it: module and function.
    pub(crate) handler: &'static str,
}

impl Route {
    /// Whether it is another way to write a path that has a variable, for the empty one.
    pub(crate) fn is_alias(&self) -> bool {
        self.path.ends_with("/files") || self.path.ends_with("/files/")
    }

    /// Whether what it does is written down durably before it is answered.
    pub(crate) fn is_grave(&self) -> bool {
        let of_the_node = self.path.starts_with("/v1/keys") || self.path.starts_with("/v1/tenants");
        of_the_node || (self.method == "delete" && !self.path.contains("/files"))
    }
}

impl Route {
    /// Whether a WebSocket can be opened here.
    pub(super) fn upgrades(&self) -> bool {
        self.method == "get" && ["/attach", "/events", ":watch"].iter().any(|end| self.path.ends_with(end))
    }
}

/// Who reaches a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Whoever has a key with this scope; with `true` also a token, on its own session.
    Scope(Scope, bool),
    /// Everybody, without a key.
    Open,
}

/// A route as clients are told of it.
#[derive(Debug, Serialize)]
pub(crate) struct RouteView {
    method: String,
    path: &'static str,
    scope: Option<Scope>,
    token: bool,
}

/// By a key, and by a token of the session in the path.
const fn both(scope: Scope) -> Reach {
    Reach::Scope(scope, true)
}

/// By a key only.
const fn key(scope: Scope) -> Reach {
    Reach::Scope(scope, false)
}

macro_rules! routes {
    ($($method:ident $path:literal $reach:expr, $about:literal => $handler:path;)*) => {
        /// Every route there is.
        pub(crate) const ROUTES: &[Route] =
            &[$(Route {
                method: stringify!($method),
                path: $path,
                reach: $reach,
                about: $about,
                handler: stringify!($handler),
            }),*];

        /// The router of all of them, each behind its gate.
        pub(super) fn routes(app: &App) -> Router<App> {
            let mut rows = ROUTES.iter();
            let mut gate = || {
                let route = rows.next().expect("the table has a row for each of these");
                from_fn_with_state(Gate { app: app.clone(), route }, authorize)
            };
            Router::new()$(.route($path, $method($handler).route_layer(gate())))*
        }

        /// What each of them takes and gives, in the same order.
        fn descriptions() -> Vec<Description> {
            vec![$(described(&$handler)),*]
        }
    };
}

use Reach::Open;
use Scope::{
    AuditRead, Exec, FilesRead, FilesWrite, KeysManage, MetricsRead, SessionsRead, SessionsWrite, TenantsManage,
    UsageRead,
};

routes! {
    get "/healthz" Open, "Whether the process runs." => node::health;
    get "/readyz" Open, "Whether requests are taken." => node::ready;
    get "/v1" Open, "All routes, and the scope each needs." => index;
    get "/v1/openapi.json" Open, "This document." => openapi;
    get "/metrics" key(MetricsRead), "Figures of the node, for Prometheus." => metrics::get;
    get "/v1/templates" key(SessionsRead), "Templates of the configuration, without the values in them." => node::templates;

    get "/v1/sessions" key(SessionsRead), "Sessions of the tenant, in the order they were made." => sessions::list;
    post "/v1/sessions" key(SessionsWrite), "Makes a session." => sessions::create;
    post "/v1/sessions/import" key(SessionsWrite), "Makes a session of a tar archive." => archive::import;
    get "/v1/sessions/{session}" both(SessionsRead), "Shows a session, without waking it." => sessions::get;
    patch "/v1/sessions/{session}" both(SessionsWrite), "Changes what a session is called, or made of: all that is named, or nothing. One that rests rests again." => sessions::change;
    delete "/v1/sessions/{session}" both(SessionsWrite), "Deletes a session; its processes are killed." => sessions::delete;
    post "/v1/sessions/{session}/fork" key(SessionsWrite), "Makes a copy of a session as it is now." => sessions::fork;
    post "/v1/sessions/{session}/hibernate" both(SessionsWrite), "Puts a session to rest." => sessions::hibernate;
    post "/v1/sessions/{session}/wake" both(SessionsWrite), "Wakes a session." => sessions::wake;
    get "/v1/sessions/{session}/events" both(SessionsRead), "The log of a session as server-sent events: those of the past, then those to come." => events::events;
    post "/v1/sessions/{session}/tokens" key(SessionsRead), "Makes a token for this session." => tokens::create;

    post "/v1/sessions/{session}/checkpoint" both(SessionsWrite), "Makes a point to come back to." => checkpoints::make;
    get "/v1/sessions/{session}/checkpoints" both(SessionsRead), "Checkpoints of a session, oldest first." => checkpoints::list;
    post "/v1/sessions/{session}/rollback" both(SessionsWrite), "Takes a session back to a checkpoint; its processes are ended." => checkpoints::rollback;

    post "/v1/sessions/{session}/exec" both(Exec), "Runs a command: to its end, or with `detach` to its start, or as events while it runs." => execs::exec;
    get "/v1/sessions/{session}/execs" both(Exec), "Commands that run, and those that ended last." => execs::list;
    get "/v1/sessions/{session}/execs/{exec}" both(Exec), "A command as it is now." => execs::get;
    get "/v1/sessions/{session}/execs/{exec}/attach" both(Exec), "A command over a WebSocket: its output by offset, its input, its end." => attach::exec;
    get "/v1/sessions/{session}/execs/{exec}/output" both(Exec), "Bytes of a stream of a command, from an offset." => execs::output;
    post "/v1/sessions/{session}/execs/{exec}/stdin" both(Exec), "Writes to the standard input of a command." => execs::stdin;
    post "/v1/sessions/{session}/execs/{exec}/signal" both(Exec), "Signals the process group of a command." => execs::signal;
    post "/v1/sessions/{session}/execs/{exec}/resize" both(Exec), "Sets the window of a command's terminal." => execs::resize;
    get "/v1/sessions/{session}/terminals" both(SessionsRead), "Terminals of a session." => terminals::list;
    post "/v1/sessions/{session}/terminals" both(Exec), "Opens a terminal." => terminals::open;
    get "/v1/sessions/{session}/terminals/{terminal}" both(SessionsRead), "A terminal and what it shows." => terminals::get;
    delete "/v1/sessions/{session}/terminals/{terminal}" both(Exec), "Hangs up a terminal." => terminals::close;
    get "/v1/sessions/{session}/terminals/{terminal}/attach" both(SessionsRead), "A terminal over a WebSocket." => terminals::attach;
    get "/v1/sessions/{session}/processes" both(Exec), "Processes of a session." => processes::list;
    post "/v1/sessions/{session}/processes/{pid}/signal" both(Exec), "Signals one process." => processes::signal;

    get "/v1/sessions/{session}/files" both(FilesRead), "A file's bytes, or a directory's entries." => files::get;
    head "/v1/sessions/{session}/files" both(FilesRead), "A file's size, kind and mode." => files::head;
    put "/v1/sessions/{session}/files" both(FilesWrite), "Writes a file: whole, or not at all." => files::put;
    post "/v1/sessions/{session}/files" both(FilesWrite), "Makes a directory, or moves a file." => files::change;
    delete "/v1/sessions/{session}/files" both(FilesWrite), "Removes a file or directory." => files::delete;
    get "/v1/sessions/{session}/files/" both(FilesRead), "A file's bytes, or a directory's entries." => files::get;
    head "/v1/sessions/{session}/files/" both(FilesRead), "A file's size, kind and mode." => files::head;
    put "/v1/sessions/{session}/files/" both(FilesWrite), "Writes a file: whole, or not at all." => files::put;
    post "/v1/sessions/{session}/files/" both(FilesWrite), "Makes a directory, or moves a file." => files::change;
    delete "/v1/sessions/{session}/files/" both(FilesWrite), "Removes a file or directory." => files::delete;
    get "/v1/sessions/{session}/files/{*path}" both(FilesRead), "A file's bytes, or a directory's entries." => files::get;
    head "/v1/sessions/{session}/files/{*path}" both(FilesRead), "A file's size, kind and mode." => files::head;
    put "/v1/sessions/{session}/files/{*path}" both(FilesWrite), "Writes a file: whole, or not at all." => files::put;
    post "/v1/sessions/{session}/files/{*path}" both(FilesWrite), "Makes a directory, or moves a file." => files::change;
    delete "/v1/sessions/{session}/files/{*path}" both(FilesWrite), "Removes a file or directory." => files::delete;
    post "/v1/sessions/{session}/files:batch" both(FilesWrite), "Changes several files as one: all of it or nothing." => files::batch;
    post "/v1/sessions/{session}/files:read" both(FilesRead), "Reads several files: lines of JSON." => files::read;
    get "/v1/sessions/{session}/files:watch" both(FilesRead), "What becomes of files from now on, or behind a position." => files::watch;
    get "/v1/sessions/{session}/export" both(FilesRead), "A session's files as a tar archive." => archive::export;

    get "/v1/keys" key(KeysManage), "Keys of the tenant." => keys::list;
    post "/v1/keys" key(KeysManage), "Makes a key. Its text is in this answer and nowhere else." => keys::create;
    get "/v1/keys/{key}" key(KeysManage), "Shows a key." => keys::get;
    delete "/v1/keys/{key}" key(KeysManage), "Ends a key at once." => keys::revoke;
    post "/v1/keys/{key}/rotate" key(KeysManage), "Gives a key a new secret; the old one works on for a grace." => keys::rotate;

    get "/v1/quotas" key(UsageRead), "What a tenant may take, and has taken." => quotas::get;
    get "/v1/usage" key(UsageRead), "What a tenant used, by hour or by session." => usage::get;
    get "/v1/audit" key(AuditRead), "Who did what, oldest first." => audit::get;

    get "/v1/tenants" key(TenantsManage), "Tenants, in the order of their ids." => tenants::list;
    post "/v1/tenants" key(TenantsManage), "Makes a tenant." => tenants::create;
    get "/v1/tenants/{tenant}" key(TenantsManage), "Shows a tenant." => tenants::get;
    patch "/v1/tenants/{tenant}" key(TenantsManage), "Changes a tenant: all that is named, or nothing." => tenants::change;
    delete "/v1/tenants/{tenant}" key(TenantsManage), "Disables a tenant: its keys work no more." => tenants::disable;
}

/// `GET /v1`: the routes and the scope each needs. What is there is no secret.
async fn index() -> As<Index> {
    let view = |route: &Route| {
        let (scope, token) = match route.reach {
            Reach::Scope(scope, token) => (Some(scope), token),
            Reach::Open => (None, false),
        };
        RouteView { method: route.method.to_ascii_uppercase(), path: route.path, scope, token }
    };
    let routes = Listing::whole(ROUTES.iter().map(view).collect());
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "routes": routes })).into_response().into()
}

/// `GET /v1/openapi.json`.
async fn openapi() -> As<Index> {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_json().expect("it is plain data"));
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response().into()
}

/// The OpenAPI document of all routes.
pub(crate) fn document() -> OpenApi {
    super::openapi::document(ROUTES.iter().zip(descriptions()).collect())
}

#[cfg(test)]
mod tests;
