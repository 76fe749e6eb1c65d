//! What every request passes before a route sees it.
//!
//! The server has no keys yet; what protects it is that only this machine can reach it. A web browser on this machine
//! can too, on behalf of any page, so requests are refused that only such a page would make: to a host name that is not
//! ours (a name of the page's own that leads to loopback), or with the origin of another site.

use super::App;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use warren_config::Config;

/// Refuses foreign requests, and makes an answer of a panic.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Err(problem) = check(&app.config, request.headers(), request.uri()) {
        return problem.into_response();
    }
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        // The panic's own text went to the log by the panic hook.
        Err(_) => Problem::internal().into_response(),
    }
}

fn check(config: &Config, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(|it| it.as_str()));
    let mut hosts = headers.get_all(HOST).iter();
    if !host.is_some_and(|host| is_ours(config, host)) || hosts.nth(1).is_some() {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host_refused",
            "the request is for a host name that is not this server's",
            "use 127.0.0.1 or localhost, or add the name to server.hosts",
        ));
    }
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    // The same host and port as the request was sent to: a page that this server itself would serve.
    if authority.is_some() && authority == host {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin_refused",
        "the request comes from a web page of another origin",
        "call the server from a program, not from a page",
    ))
}

/// Whether `host`, as a client writes it, with or without a port, leads here.
fn is_ours(config: &Config, host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.trim_end_matches('.');
    let address = name.parse::<IpAddr>().ok();
    let loopback = address.map_or(name.eq_ignore_ascii_case("localhost"), |address| address.is_loopback());
    let configured = config.server.hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    // An address is nobody's name: a page cannot make one of its own lead here.
    loopback || configured || (config.server.allow_remote && address.is_some())
}

#[cfg(test)]
mod tests;
