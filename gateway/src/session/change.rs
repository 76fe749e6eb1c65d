//! `warren session update`: what a session is called and made of.

use super::client::{Client, ClientError};
use super::pairs;
use super::server::Context;
use clap::Args;
use serde_json::{Value, json};

/// What to change; what is not named stays as it is.
#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    /// Its name or id.
    session: String,
    /// What to call it; empty is no name.
    #[arg(long)]
    name: Option<String>,
    /// Sets a label.
    #[arg(long = "label", value_name = "K=V")]
    labels: Vec<String>,
    /// Takes a label away.
    #[arg(long = "no-label", value_name = "K")]
    no_labels: Vec<String>,
    /// Sets an environment variable of commands that start from now on.
    #[arg(long = "env", value_name = "K=V")]
    environment: Vec<String>,
    /// Takes an environment variable away.
    #[arg(long = "no-env", value_name = "K")]
    no_environment: Vec<String>,
    /// Where commands begin; empty is the user's home.
    #[arg(long, value_name = "PATH")]
    cwd: Option<String>,
    /// Hibernates it after this long without use; `never` does not.
    #[arg(long, value_name = "TIME")]
    idle_timeout: Option<String>,
    /// Deletes it this long after it was made; `never` does not.
    #[arg(long, value_name = "TIME")]
    time_to_live: Option<String>,
    /// What it reaches outside from now on, in place of what it did: HOST, HOST:PORT, *.HOST, a network, `public`.
    #[arg(long = "allow-net", value_name = "HOST[:PORT]", conflicts_with = "no_net")]
    egress: Vec<String>,
    /// It reaches nothing outside from now on.
    #[arg(long)]
    no_net: bool,
}

pub(super) fn update(context: &Context, arguments: &UpdateArguments) -> Result<(), ClientError> {
    let body = wanted(arguments)?;
    if body == json!({}) {
        return Err(ClientError::Local(
            "nothing is to change; `warren session update --help` says what can".to_owned(),
        ));
    }
    context.session(&context.client.patch(&Client::session(&arguments.session, ""), &body)?);
    Ok(())
}

fn wanted(arguments: &UpdateArguments) -> Result<Value, ClientError> {
    let mut body = json!({});
    let entries = [
        ("labels", "--label", &arguments.labels, &arguments.no_labels),
        ("environment", "--env", &arguments.environment, &arguments.no_environment),
    ];
    for (field, flag, set, gone) in entries {
        if set.is_empty() && gone.is_empty() {
            continue;
        }
        body[field] = pairs(flag, set)?;
        for name in gone {
            body[field][name] = Value::Null;
        }
    }
    for (field, value) in [("name", &arguments.name), ("cwd", &arguments.cwd)] {
        if let Some(value) = value {
            body[field] = if value.is_empty() { Value::Null } else { json!(value) };
        }
    }
    for (field, value) in [("idle_timeout", &arguments.idle_timeout), ("time_to_live", &arguments.time_to_live)] {
        if let Some(value) = value {
            body[field] = json!(value);
        }
    }
    if arguments.no_net || !arguments.egress.is_empty() {
        body["egress"] = json!(arguments.egress);
    }
    Ok(body)
}
