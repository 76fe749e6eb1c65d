//! The HTTP interface, `/v1`: what clients may ask of sessions, and how the answers look.
//!
//! ```text
//! connection ──▶ guard: host, origin ──▶ routes: the table ──▶ auth: key, scope ──▶ request: bounded, strict
//!                  └ admission: rates, shares ────┴────────────────┘ └▶ trail: audit, usage
//!                       ┌───────────────────────────────────────────────────────────────────┘
//!                       └▶ warren_session ──▶ view ──▶ JSON, bytes, SSE, WebSocket
//!        anything wrong ──▶ problem: RFC 9457, a stable code, a hint
//! ```
//! One file for each noun of a path. Nothing here holds state of a session; an answer that is a stream ends when the
//! server is told to stop.

pub(crate) mod admission;
mod archive;
mod attach;
mod audit;
mod auth;
mod body;
mod checkpoints;
mod events;
mod events_socket;
mod execs;
mod files;
mod guard;
mod input;
mod keys;
mod metrics;
mod node;
mod objects;
mod once;
mod openapi;
mod problem;
mod processes;
pub(crate) mod quotas;
mod request;
pub(crate) mod routes;
mod schema;
mod sessions;
mod socket;
mod tenants;
mod terminal_socket;
mod terminals;
mod tokens;
mod trace;
mod trail;
mod usage;
mod view;

use admission::Admission;
use axum::Router;
pub(crate) use socket::Sockets;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
pub(crate) use trail::Peer;
use warren_cluster::audit::Audit;
use warren_cluster::keeper::Once;
use warren_cluster::registry::Registry;
use warren_cluster::usage::Usage;
use warren_config::Config;
use warren_session::Sessions;
use warren_wasi_posix::share::Shares;

/// What every request can reach. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    /// The figures, for whoever looks at them.
    pub(crate) metrics: crate::metrics::Metrics,
    /// The executor of guests.
    pub(crate) guests: tokio::runtime::Handle,
    pub(crate) sessions: Sessions,
    pub(crate) registry: Registry,
    /// Answers of requests with an `Idempotency-Key`.
    pub(crate) once: Once,
    pub(crate) config: Arc<Config>,
    /// Who may come in now.
    pub(crate) admission: Arc<Admission>,
    /// How the processors are shared.
    pub(crate) shares: Shares,
    /// Who did what.
    pub(crate) audit: Audit,
    /// What was used.
    pub(crate) usage: Usage,
    pub(crate) sockets: Sockets,
    /// Cancelled when the server is told to stop: open streams end.
    pub(crate) stop: CancellationToken,
}

/// All routes, and what every request passes before.
pub(crate) fn router(app: App) -> Router {
    routes::routes(&app)
        .fallback(node::no_route)
        .method_not_allowed_fallback(node::no_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
