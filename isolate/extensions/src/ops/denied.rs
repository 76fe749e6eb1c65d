//! What a guest cannot do, and is told so at once.

use deno_core::op2;
use deno_error::JsErrorBox;

/// The class scripts see: what Node's permission errors are.
fn refused() -> JsErrorBox {
    JsErrorBox::new("NotCapable", "this is not available in a session")
}

/// In the place of an operation that returns at once.
#[op2(fast)]
pub fn op_denied() -> Result<(), JsErrorBox> {
    Err(refused())
}

/// In the place of one that returns a promise.
#[op2]
pub async fn op_denied_async() -> Result<(), JsErrorBox> {
    Err(refused())
}

/// Raw mode of a terminal goes by its descriptor, not by a resource.
#[op2(fast)]
pub fn op_set_raw() -> Result<(), JsErrorBox> {
    Err(refused())
}

/// A native addon would be code of the host's.
#[op2(fast)]
pub fn op_napi_open() -> Result<(), JsErrorBox> {
    Err(JsErrorBox::generic("native addons (.node files) cannot be loaded in a session"))
}

/// node:sqlite opens files of the host's.
#[op2]
pub async fn op_node_database_backup() -> Result<(), JsErrorBox> {
    Err(refused())
}

/// Threads of a guest's own are not there yet.
#[op2(fast)]
pub fn op_create_worker() -> Result<(), JsErrorBox> {
    Err(JsErrorBox::generic("worker threads are not available in a session"))
}

/// `Deno.serveHttp`.
#[op2(fast)]
pub fn op_http_start() -> Result<(), JsErrorBox> {
    Err(refused())
}

/// Nobody debugs a guest from within.
#[op2(fast)]
pub fn op_inspector_enabled() -> bool {
    false
}

/// Which terminals a guest may open: those it has descriptors of.
#[op2(fast)]
pub fn op_tty_check_fd_permission(_fd: i32) {}
