//! The server, if one answers: whether it can be used, by whom, and how much of it is left.

use super::{Limit, Report};
use crate::session::client::{Client, ClientError, escape};
use crate::session::server::ServerArguments;
use serde_json::Value;
use std::time::{Duration, SystemTime};
use ureq::SendBody;
use warren_config::Config;

/// What answers later than this is not well, whatever it is.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// A key that ends so soon is told.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);
/// Routes that show whether a key has a scope, and change nothing.
const SCOPES: &[(&str, &str)] = &[
    ("sessions:read", "/v1/sessions?limit=1"),
    ("usage:read", "/v1/quotas"),
    ("audit:read", "/v1/audit?limit=1"),
    ("keys:manage", "/v1/keys"),
    ("tenants:manage", "/v1/tenants?limit=1"),
];
/// How much of a quota may be taken before it is told, in hundredths.
const NEARLY: u64 = 90;
/// The same of what waits to be collected: from here on the server writes less often.
const PRESSED: u64 = 50;

pub(super) fn check(report: &mut Report, arguments: &ServerArguments, config: Option<&Config>) {
    let client = match arguments.context_of(config) {
        Ok(context) => context.client.within(ANSWER_MAX),
        Err(error) => return report.error("server", error.to_string(), "name it by --url or WARREN_URL"),
    };
    let answer = match client.get("/v1") {
        Ok(answer) => answer,
        Err(error @ ClientError::NoServer(_)) if arguments.url().is_none() => {
            return report.warning("server", error.to_string(), "`warren serve`");
        }
        Err(error) => {
            let mend = "start it, or name another by --url or WARREN_URL";
            return report.error("server", error.to_string(), mend);
        }
    };
    let own = env!("CARGO_PKG_VERSION");
    match answer["version"].as_str() {
        Some(version) if version == own => report.ok("server", format!("{} answers, version {version}", client.url())),
        Some(version) => report.warning(
            "server",
            format!("{} has the version {version}, this command {own}", client.url()),
            "use the command of the server's version",
        ),
        None => {
            let what = ClientError::Strange(client.url().to_owned()).to_string();
            return report.error("server", what, "name a warren server by --url or WARREN_URL");
        }
    }
    match client.open("GET", "/readyz", &[], SendBody::none()) {
        Ok(_) => report.ok("server.ready", "requests are taken"),
        Err(error) => report.error("server.ready", error.to_string(), "wait until it has started again"),
    }
    if key(report, arguments, &client) {
        quotas(report, &client);
    }
}

/// Whether the key works, and what it may do.
fn key(report: &mut Report, arguments: &ServerArguments, client: &Client) -> bool {
    const ANOTHER: &str = "`warren key create` by whoever has one, or `warren serve --new-key` by the server's owner; then \
                           --key or WARREN_KEY";
    let Some(bearer) = client.bearer() else {
        report.error("key", "there is no key to use the server with", ANOTHER);
        return false;
    };
    let from = match arguments.key() {
        Some(_) => "the key that was named",
        None => "the key of this user's own server",
    };
    // wrn_ID_SECRET
    let id =
        bearer.to_str().ok().and_then(|text| Some(text.strip_prefix("Bearer wrn_")?.split_once('_')?.0.to_owned()));
    let is_token = bearer.to_str().is_ok_and(|text| text.starts_with("Bearer wrt_"));
    let shown = match &id {
        Some(id) => client.get(&format!("/v1/keys/{}", escape(id, false))),
        None => client.get("/v1/keys"),
    };
    match shown {
        Ok(key) if id.is_some() => {
            told(report, from, &key);
            true
        }
        Err(ClientError::Refused { code, .. }) if code == "unauthorized" => {
            let what = format!("{from} is not valid: it is unknown, revoked or expired, or its tenant is disabled");
            report.error("key", what, ANOTHER);
            false
        }
        Ok(_) | Err(ClientError::Refused { status: 403 | 404, .. }) if is_token => {
            report.ok("key", format!("{from} is a token, which reaches its session and nothing else"));
            false
        }
        Ok(_) | Err(ClientError::Refused { status: 403, .. }) => {
            // It may not look at itself; what it may do shows when it is done.
            let has = SCOPES.iter().filter(|(_, path)| client.get(path).is_ok()).map(|(scope, _)| *scope);
            let has: Vec<&str> = has.collect();
            let seen = if has.is_empty() { "none of those that can be tried".to_owned() } else { has.join(" ") };
            report.ok("key", format!("{from} is valid; scopes seen: {seen}"));
            true
        }
        Err(error) => {
            report.error("key", error.to_string(), "look at the server's log");
            false
        }
    }
}

/// A key that may see itself.
fn told(report: &mut Report, from: &str, key: &Value) {
    let word = |name: &str| crate::session::table::text(&key[name]);
    let scopes: Vec<&str> = key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let what =
        format!("{from} is `{}` ({}) of tenant {}: {}", word("name"), word("id"), word("tenant"), scopes.join(" "));
    let ends = key["expires"].as_str().and_then(|time| humantime::parse_rfc3339(time).ok());
    match ends.filter(|ends| *ends < SystemTime::now() + SOON) {
        Some(_) => report.warning(
            "key",
            format!("{what}; it ends at {}", word("expires")),
            "make another in time: `warren key create`",
        ),
        None => report.ok("key", what),
    }
}

fn quotas(report: &mut Report, client: &Client) {
    match client.get("/v1/sessions?limit=1") {
        Ok(_) | Err(ClientError::Refused { status: 403, .. }) => {}
        Err(error) => report.error("server.store", error.to_string(), "look at the server's log"),
    }
    let found = match client.get("/v1/quotas") {
        Ok(found) => found,
        Err(ClientError::Refused { status: 403, .. }) => {
            return report.ok("quotas", "not looked at: the key has not the scope usage:read");
        }
        Err(error) => return report.error("quotas", error.to_string(), "look at the server's log"),
    };
    let mut fine = true;
    for (name, quota) in found["quotas"].as_object().into_iter().flatten() {
        let (limit, used) = (quota["limit"].as_u64(), quota["used"].as_u64());
        let Some(limit) = limit else { continue };
        report.limits.push(Limit {
            name: format!("tenant.{name}"),
            value: limit.to_string(),
            used: used.map(|used| used.to_string()),
            origin: if quota["own"] == true { "the tenant's own" } else { "the server" }.to_owned(),
        });
        let Some(used) = used else { continue };
        let told = if name == "uncollected_bytes" { PRESSED } else { NEARLY };
        let mend = match name.as_str() {
            "uncollected_bytes" => {
                "write less; it is collected within half an hour. `warren tenant set --quota` raises it"
            }
            _ => "delete what is not needed, or have the operator raise it: `warren tenant set --quota`",
        };
        if used >= limit && limit > 0 {
            fine = false;
            report.error("quotas", format!("all of `{name}` is taken: {used} of {limit}"), mend);
        } else if u128::from(used) * 100 >= u128::from(limit) * u128::from(told) && limit > 0 {
            fine = false;
            report.warning("quotas", format!("much of `{name}` is taken: {used} of {limit}"), mend);
        }
    }
    if fine {
        report.ok("quotas", "no quota of the tenant is nearly taken");
    }
}
