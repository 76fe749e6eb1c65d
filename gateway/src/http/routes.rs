//! All routes: one table, from which the router is made. No route can be there without saying who reaches it.

use super::auth::{Gate, authorize};
use super::view::Listing;
use super::{
    App, archive, attach, checkpoints, events, execs, files, keys, node, processes, sessions, tenants, terminals,
    tokens,
};
use axum::Json;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, head, patch, post, put};
use serde::Serialize;
use serde_json::{Value, json};
use warren_cluster::registry::Scope;

/// One method of one path.
#[derive(Debug)]
pub(crate) struct Route {
    /// In lower case.
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) reach: Reach,
}

impl Route {
    /// Whether a WebSocket can be opened here.
    pub(super) fn upgrades(&self) -> bool {
        self.method == "get" && ["/attach", "/events"].iter().any(|end| self.path.ends_with(end))
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
    ($($method:ident $path:literal $reach:expr => $handler:path;)*) => {
        /// Every route there is.
        pub(crate) const ROUTES: &[Route] =
            &[$(Route { method: stringify!($method), path: $path, reach: $reach }),*];

        /// The router of all of them, each behind its gate.
        pub(super) fn routes(app: &App) -> Router<App> {
            let mut rows = ROUTES.iter();
            let mut gate = || {
                let route = rows.next().expect("the table has a row for each of these");
                from_fn_with_state(Gate { app: app.clone(), route }, authorize)
            };
            Router::new()$(.route($path, $method($handler).route_layer(gate())))*
        }
    };
}

use Reach::Open;
use Scope::{Exec, FilesRead, FilesWrite, KeysManage, SessionsRead, SessionsWrite, TenantsManage};

routes! {
    get "/healthz" Open => node::health;
    get "/readyz" Open => node::ready;
    get "/v1" Open => index;
    get "/v1/templates" key(SessionsRead) => node::templates;

    get "/v1/sessions" key(SessionsRead) => sessions::list;
    post "/v1/sessions" key(SessionsWrite) => sessions::create;
    post "/v1/sessions/import" key(SessionsWrite) => archive::import;
    get "/v1/sessions/{session}" both(SessionsRead) => sessions::get;
    delete "/v1/sessions/{session}" both(SessionsWrite) => sessions::delete;
    post "/v1/sessions/{session}/fork" key(SessionsWrite) => sessions::fork;
    post "/v1/sessions/{session}/hibernate" both(SessionsWrite) => sessions::hibernate;
    post "/v1/sessions/{session}/wake" both(SessionsWrite) => sessions::wake;
    get "/v1/sessions/{session}/events" both(SessionsRead) => events::events;
    post "/v1/sessions/{session}/tokens" key(SessionsRead) => tokens::create;

    post "/v1/sessions/{session}/checkpoint" both(SessionsWrite) => checkpoints::make;
    get "/v1/sessions/{session}/checkpoints" both(SessionsRead) => checkpoints::list;
    post "/v1/sessions/{session}/rollback" both(SessionsWrite) => checkpoints::rollback;

    post "/v1/sessions/{session}/exec" both(Exec) => execs::exec;
    get "/v1/sessions/{session}/execs" both(Exec) => execs::list;
    get "/v1/sessions/{session}/execs/{exec}" both(Exec) => execs::get;
    get "/v1/sessions/{session}/execs/{exec}/attach" both(Exec) => attach::exec;
    get "/v1/sessions/{session}/execs/{exec}/output" both(Exec) => execs::output;
    post "/v1/sessions/{session}/execs/{exec}/stdin" both(Exec) => execs::stdin;
    post "/v1/sessions/{session}/execs/{exec}/signal" both(Exec) => execs::signal;
    post "/v1/sessions/{session}/execs/{exec}/resize" both(Exec) => execs::resize;
    get "/v1/sessions/{session}/terminals" both(SessionsRead) => terminals::list;
    post "/v1/sessions/{session}/terminals" both(Exec) => terminals::open;
    get "/v1/sessions/{session}/terminals/{terminal}" both(SessionsRead) => terminals::get;
    delete "/v1/sessions/{session}/terminals/{terminal}" both(Exec) => terminals::close;
    get "/v1/sessions/{session}/terminals/{terminal}/attach" both(SessionsRead) => terminals::attach;
    get "/v1/sessions/{session}/processes" both(Exec) => processes::list;
    post "/v1/sessions/{session}/processes/{pid}/signal" both(Exec) => processes::signal;

    get "/v1/sessions/{session}/files" both(FilesRead) => files::get;
    head "/v1/sessions/{session}/files" both(FilesRead) => files::head;
    put "/v1/sessions/{session}/files" both(FilesWrite) => files::put;
    post "/v1/sessions/{session}/files" both(FilesWrite) => files::change;
    delete "/v1/sessions/{session}/files" both(FilesWrite) => files::delete;
    get "/v1/sessions/{session}/files/" both(FilesRead) => files::get;
    head "/v1/sessions/{session}/files/" both(FilesRead) => files::head;
    put "/v1/sessions/{session}/files/" both(FilesWrite) => files::put;
    post "/v1/sessions/{session}/files/" both(FilesWrite) => files::change;
    delete "/v1/sessions/{session}/files/" both(FilesWrite) => files::delete;
    get "/v1/sessions/{session}/files/{*path}" both(FilesRead) => files::get;
    head "/v1/sessions/{session}/files/{*path}" both(FilesRead) => files::head;
    put "/v1/sessions/{session}/files/{*path}" both(FilesWrite) => files::put;
    post "/v1/sessions/{session}/files/{*path}" both(FilesWrite) => files::change;
    delete "/v1/sessions/{session}/files/{*path}" both(FilesWrite) => files::delete;
    get "/v1/sessions/{session}/export" both(FilesRead) => archive::export;

    get "/v1/keys" key(KeysManage) => keys::list;
    post "/v1/keys" key(KeysManage) => keys::create;
    get "/v1/keys/{key}" key(KeysManage) => keys::get;
    delete "/v1/keys/{key}" key(KeysManage) => keys::revoke;
    post "/v1/keys/{key}/rotate" key(KeysManage) => keys::rotate;

    get "/v1/tenants" key(TenantsManage) => tenants::list;
    post "/v1/tenants" key(TenantsManage) => tenants::create;
    get "/v1/tenants/{tenant}" key(TenantsManage) => tenants::get;
    patch "/v1/tenants/{tenant}" key(TenantsManage) => tenants::change;
    delete "/v1/tenants/{tenant}" key(TenantsManage) => tenants::disable;
}

/// `GET /v1`: the routes and the scope each needs. What is there is no secret.
async fn index() -> Json<Value> {
    let view = |route: &Route| {
        let (scope, token) = match route.reach {
            Reach::Scope(scope, token) => (Some(scope), token),
            Reach::Open => (None, false),
        };
        RouteView { method: route.method.to_ascii_uppercase(), path: route.path, scope, token }
    };
    let routes = Listing::whole(ROUTES.iter().map(view).collect());
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "routes": routes }))
}

#[cfg(test)]
mod tests;
