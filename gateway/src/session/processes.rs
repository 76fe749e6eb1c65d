//! `warren session ps` and `warren session kill`: processes of a session.

use super::client::{Client, ClientError};
use super::server::Context;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(crate) struct KillArguments {
    /// The session's name or id.
    session: String,
    /// The process.
    pid: u32,
    /// Which signal, by name or number.
    #[arg(long, short, value_name = "SIGNAL", default_value = "TERM")]
    signal: String,
}

pub(crate) fn list(context: &Context, session: &str) -> Result<(), ClientError> {
    let fields = ["pid", "parent", "state", "cpu_ms", "memory_bytes", "descriptors", "command"];
    context.items(&Client::session(session, "/processes"), &fields)
}

pub(crate) fn kill(context: &Context, arguments: &KillArguments) -> Result<(), ClientError> {
    let path = Client::session(&arguments.session, &format!("/processes/{}/signal", arguments.pid));
    context.client.post(&path, &json!({ "signal": arguments.signal })).map(drop)
}
