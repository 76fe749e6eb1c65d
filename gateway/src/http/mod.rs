//! The HTTP interface, `/v1`: what clients may ask of sessions, and how the answers look.
//!
//! ```text
//! connection ──▶ guard: host, origin ──▶ route ──▶ request: bounded, strict ──▶ warren_session ──▶ view ──▶ JSON, bytes, SSE
//!                                          └── anything wrong ──▶ problem: RFC 9457, a stable code, a hint
//! ```
//! One file for each noun of a path. Nothing here holds state of a session; an answer that is a stream ends when the
//! server is told to stop.

mod archive;
mod body;
mod checkpoints;
mod events;
mod execs;
mod files;
mod guard;
mod node;
mod problem;
mod processes;
mod request;
mod sessions;
mod view;

use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use warren_config::Config;
use warren_session::Sessions;

/// What every request can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) sessions: Sessions,
    pub(crate) config: Arc<Config>,
    /// Cancelled when the server is told to stop: open streams end.
    pub(crate) stop: CancellationToken,
}

/// All routes.
pub(crate) fn router(app: App) -> Router {
    let session = Router::new()
        .route("/", get(sessions::get).delete(sessions::delete))
        .route("/exec", post(execs::exec))
        .route("/execs", get(execs::list))
        .route("/execs/{exec}", get(execs::get))
        .route("/execs/{exec}/output", get(execs::output))
        .route("/execs/{exec}/stdin", post(execs::stdin))
        .route("/execs/{exec}/signal", post(execs::signal))
        .route("/execs/{exec}/resize", post(execs::resize))
        .route("/processes", get(processes::list))
        .route("/processes/{pid}/signal", post(processes::signal))
        .route("/files", get(files::get).head(files::head).put(files::put).delete(files::delete).post(files::change))
        .route("/files/", get(files::get).head(files::head).put(files::put).delete(files::delete).post(files::change))
        .route(
            "/files/{*path}",
            get(files::get).head(files::head).put(files::put).delete(files::delete).post(files::change),
        )
        .route("/events", get(events::events))
        .route("/checkpoint", post(checkpoints::make))
        .route("/checkpoints", get(checkpoints::list))
        .route("/rollback", post(checkpoints::rollback))
        .route("/fork", post(sessions::fork))
        .route("/hibernate", post(sessions::hibernate))
        .route("/wake", post(sessions::wake))
        .route("/export", get(archive::export));
    let v1 = Router::new()
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route("/sessions/import", post(archive::import))
        .nest("/sessions/{session}", session)
        .route("/templates", get(node::templates));
    Router::new()
        .nest("/v1", v1)
        .route("/healthz", get(node::health))
        .route("/readyz", get(node::ready))
        .fallback(node::no_route)
        .method_not_allowed_fallback(node::no_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
