//! `warren key` and `warren tenant`: who may use a server.

use crate::session::all;
use crate::session::client::{Client, ClientError, escape};
use crate::session::server::{Context, ServerArguments};
use crate::session::table::{Table, text};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::process::ExitCode;

/// What is shown of a key.
const COLUMNS: &[&str] = &["id", "name", "state", "role", "scopes", "expires", "last_used"];

#[derive(Debug, Args)]
pub(crate) struct KeyArguments {
    #[command(flatten)]
    server: ServerArguments,
    /// The tenant whose keys are meant; by default that of the key in use. For the operator.
    #[arg(long, global = true, value_name = "ID")]
    tenant: Option<String>,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Makes a key and prints it. It is shown this once.
    Create {
        /// What to call it.
        name: String,
        /// operator, admin, member or viewer.
        #[arg(long, conflicts_with = "scopes", required_unless_present = "scopes")]
        role: Option<String>,
        /// Single scopes instead of a role: sessions:read, sessions:write, exec, files:read, files:write, usage:read,
        /// audit:read, metrics:read, keys:manage, tenants:manage.
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        /// Ends it after this long: 12h, 30d.
        #[arg(long, value_name = "TIME")]
        expires_in: Option<String>,
    },
    /// Lists keys.
    List,
    /// Shows one.
    Get {
        /// Its id.
        id: String,
    },
    /// Gives a key a new secret and prints it.
    Rotate {
        /// Its id.
        id: String,
        /// How long the old secret goes on working.
        #[arg(long, value_name = "TIME")]
        grace: Option<String>,
    },
    /// Ends a key at once.
    Revoke {
        /// Its id.
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TenantArguments {
    #[command(flatten)]
    server: ServerArguments,
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Debug, Subcommand)]
enum TenantCommand {
    /// Makes a tenant. `warren key create --tenant ID` makes its first key.
    Create {
        /// Its id, for ever: 1 to 63 of a-z, 0-9 and `-`.
        id: String,
        /// What people call it.
        #[arg(long)]
        title: Option<String>,
    },
    /// Lists tenants.
    List,
    /// Shows one, with what it may take and has taken.
    Get {
        /// Its id.
        id: String,
    },
    /// Changes a tenant, all of it or nothing.
    Set {
        /// Its id.
        id: String,
        /// What people call it.
        #[arg(long)]
        title: Option<String>,
        /// What it may take, by the names of `warren quotas`: sessions=10, stored_bytes=5GiB; `default` is what the
        /// server says for all.
        #[arg(long = "quota", value_name = "NAME=NUMBER")]
        quotas: Vec<String>,
        /// What a limit of its sessions may be at most: file_bytes=1GiB, or `default`.
        #[arg(long = "limit-max", value_name = "NAME=NUMBER")]
        limits_max: Vec<String>,
        /// Its share of the processors, 1 to 10000; others have 100.
        #[arg(long)]
        weight: Option<u32>,
    },
    /// Makes the keys of a tenant not work.
    Disable {
        /// Its id.
        id: String,
    },
    /// Makes them work again.
    Enable {
        /// Its id.
        id: String,
    },
}

pub(crate) fn keys(arguments: &KeyArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let client = &context.client;
    let query = arguments.tenant.as_ref().map(|id| format!("?tenant={}", escape(id, false))).unwrap_or_default();
    let of = |id: &str, verb: &str| format!("/v1/keys/{}{verb}{query}", escape(id, false));
    match &arguments.command {
        KeyCommand::Create { name, role, scopes, expires_in } => {
            let mut body = json!({ "name": name });
            match role {
                Some(role) => body["role"] = json!(role),
                None => body["scopes"] = json!(scopes),
            }
            if let Some(life) = expires_in {
                body["expires_in"] = json!(life);
            }
            shown(&context, &client.post(&format!("/v1/keys{query}"), &body)?);
        }
        KeyCommand::List => {
            let mut answer = client.get(&format!("/v1/keys{query}"))?;
            let keys = answer["items"].take();
            context.show(&keys, || table(&keys, COLUMNS));
        }
        KeyCommand::Get { id } => {
            let key = client.get(&of(id, ""))?;
            context.show(&key, || table(&json!([key]), COLUMNS));
        }
        KeyCommand::Rotate { id, grace } => {
            let body = grace.as_ref().map_or(json!({}), |grace| json!({ "grace": grace }));
            shown(&context, &client.post(&of(id, "/rotate"), &body)?);
        }
        KeyCommand::Revoke { id } => client.delete(&of(id, ""))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn tenants(arguments: &TenantArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = arguments.server.context()?;
    let client = &context.client;
    let columns = ["id", "title", "enabled", "created"];
    let one = |tenant: Value| context.show(&tenant, || table(&json!([tenant]), &columns));
    match &arguments.command {
        TenantCommand::Create { id, title } => {
            one(client.post("/v1/tenants", &json!({ "id": id, "title": title }))?);
        }
        TenantCommand::List => {
            let found = json!(all(client, "/v1/tenants")?);
            context.show(&found, || table(&found, &columns));
        }
        TenantCommand::Get { id } => {
            let tenant = client.get(&format!("/v1/tenants/{}", escape(id, false)))?;
            context.show(&tenant, || crate::accounts::quotas_table(&tenant));
        }
        TenantCommand::Set { id, title, quotas, limits_max, weight } => {
            let mut body = json!({ "quotas": numbers(quotas)?, "limits_max": numbers(limits_max)? });
            if let Some(title) = title {
                body["title"] = json!(title);
            }
            if let Some(weight) = weight {
                body["weight"] = json!(weight);
            }
            let tenant = client.patch(&format!("/v1/tenants/{}", escape(id, false)), &body)?;
            context.show(&tenant, || crate::accounts::quotas_table(&tenant));
        }
        TenantCommand::Disable { id } => one(enable(client, id, false)?),
        TenantCommand::Enable { id } => one(enable(client, id, true)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// `NAME=NUMBER` as the server takes them; `default` is `null`.
fn numbers(words: &[String]) -> Result<Value, ClientError> {
    let mut object = json!({});
    for word in words {
        let Some((name, number)) = word.split_once('=') else {
            return Err(ClientError::Local(format!("`{word}`: write NAME=NUMBER, for example sessions=10")));
        };
        object[name] = match (number, number.parse::<u64>()) {
            ("default", _) => Value::Null,
            (_, Ok(number)) => json!(number),
            (text, Err(_)) => json!(text),
        };
    }
    Ok(object)
}

fn enable(client: &Client, id: &str, enabled: bool) -> Result<Value, ClientError> {
    client.patch(&format!("/v1/tenants/{}", escape(id, false)), &json!({ "enabled": enabled }))
}

/// A new key: for a script the text alone.
fn shown(context: &Context, key: &Value) {
    context.show(key, || text(&key["key"]));
}

fn table(items: &Value, columns: &[&str]) -> String {
    Table::of(items, columns).to_string()
}
