//! What a request says, taken apart strictly: unknown fields are refused, sizes are bounded, every mistake is named.

use super::App;
use super::admission::Flight;
use super::auth::By;
use super::body;
use super::objects;
use super::problem::Problem;
use super::trail::Meant;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::error::Error;
use std::sync::Arc;
use warren_cluster::registry::KeyId;
use warren_kernel::id::Pid;
use warren_kernel::signal::Signal;
use warren_session::id::{ExecId, SessionId, TenantId, TerminalName};
use warren_session::{SessionError, SessionHandle};

/// Values in the JSON body of a request, at most.
pub(crate) const VALUES_MAX: usize = 65_536;

/// A JSON body; an empty one is an empty object.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// What stands behind the `?`.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The session a path names, by id or name. It is not woken.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) tenant: TenantId,
    pub(crate) id: SessionId,
}

/// The command a path names.
#[derive(Debug)]
pub(crate) struct Exec(pub(crate) ExecId);

/// The terminal a path names.
#[derive(Debug)]
pub(crate) struct Terminal(pub(crate) TerminalName);

/// The process a path names.
#[derive(Debug)]
pub(crate) struct Process(pub(crate) Pid);

/// The key a path names, by its id.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) KeyId);

/// The tenant a path names.
#[derive(Debug)]
pub(crate) struct Tenant(pub(crate) TenantId);

/// The file a path names, absolute.
#[derive(Debug)]
pub(crate) struct FilePath(pub(crate) String);

impl Target {
    /// The session, awake.
    pub(crate) async fn wake(&self, app: &App) -> Result<SessionHandle, Problem> {
        Ok(app.sessions.session(&self.tenant, self.id).await?)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Json<T>, Problem> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok());
        let media = media.map(|media| media.split(';').next().unwrap_or(media).trim().to_ascii_lowercase());
        let flight = request.extensions().get::<Arc<Flight>>().cloned();
        let flight = flight.filter(|_| request.extensions().get::<body::Counted>().is_none());
        let bytes = body::whole(request.into_body(), app, flight.as_deref()).await?;
        if bytes.is_empty() {
            return read(b"{}").map(Json);
        }
        // A page of another site cannot send this type without asking first.
        if media.as_deref() != Some("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not_json",
                "the body has to be JSON",
                "send `Content-Type: application/json`",
            ));
        }
        read(&bytes).map(Json)
    }
}

/// Reads JSON; serde_json bounds how deep it is nested, and [`VALUES_MAX`] how much memory it can become: a value of two bytes
/// takes a hundred.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if values(bytes) > VALUES_MAX {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body has more than {VALUES_MAX} values"),
            "ask for it in parts",
        ));
    }
    objects::read(bytes).map_err(|error| {
        let (status, code) = match error.classify() {
            serde_json::error::Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request"),
            _ => (StatusCode::BAD_REQUEST, "bad_json"),
        };
        Problem::new(status, code, format!("the body: {error}"), "docs/api.md lists the fields")
    })
}

/// Values in JSON, at most: what separates or begins them, outside of texts. Of what is no JSON it says nothing.
fn values(bytes: &[u8]) -> usize {
    let (mut count, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b',' | b'[' | b'{' => count += 1,
            b'"' => {
                at += 1;
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    count
}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Query<T>, Problem> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(query) => Ok(Query(query.0)),
            // What axum says in front of it is that there is a query.
            Err(error) => {
                let why = error.source().map_or_else(|| error.body_text(), ToString::to_string);
                Err(Problem::invalid(format!("the query: {why}")))
            }
        }
    }
}

impl FromRequestParts<App> for Target {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Target, Problem> {
        let By(caller) = By::from_request_parts(parts, app).await?;
        let text = part(parts, app, "session").await?.unwrap_or_default();
        let id = app.sessions.resolve(&caller.tenant, &text).await?;
        // For a token every session but its own is none.
        if caller.session.is_some_and(|own| own != id) {
            return Err(SessionError::NotFound(text).into());
        }
        Meant::is(parts, id);
        Ok(Target { tenant: caller.tenant, id })
    }
}

impl FromRequestParts<App> for Exec {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Exec, Problem> {
        number(parts, app, "exec").await.map(|number| Exec(ExecId(number)))
    }
}

impl FromRequestParts<App> for Terminal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Terminal, Problem> {
        let text = part(parts, app, "terminal").await?.unwrap_or_default();
        text.parse().map(Terminal).map_err(|error| SessionError::Name(error).into())
    }
}

impl FromRequestParts<App> for Process {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Process, Problem> {
        let number = number(parts, app, "pid").await?;
        let pid = u32::try_from(number).ok().filter(|pid| (1..=i32::MAX as u32).contains(pid));
        pid.map(|pid| Process(Pid(pid))).ok_or_else(|| Problem::invalid(format!("`{number}` is no process id")))
    }
}

impl FromRequestParts<App> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Key, Problem> {
        let text = part(parts, app, "key").await?.unwrap_or_default();
        text.parse().map(Key).map_err(|_| Problem::invalid("a key's id has 16 characters of 0-9 and a-v"))
    }
}

impl FromRequestParts<App> for Tenant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Tenant, Problem> {
        let text = part(parts, app, "tenant").await?.unwrap_or_default();
        text.parse().map(Tenant).map_err(|error| Problem::invalid(format!("{error}")))
    }
}

impl FromRequestParts<App> for FilePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<FilePath, Problem> {
        absolute(&part(parts, app, "path").await?.unwrap_or_default()).map(FilePath)
    }
}

/// A path of a session as a client gives it: bounded, absolute, without a NUL. Where `..` leads, the session's own kernel
/// decides; nothing of this machine is there.
pub(crate) fn absolute(text: &str) -> Result<String, Problem> {
    const PATH_MAX: usize = 4096;
    if text.len() >= PATH_MAX || text.contains('\0') {
        return Err(Problem::invalid(format!("a path has fewer than {PATH_MAX} bytes and no NUL")));
    }
    Ok(format!("/{}", text.trim_start_matches('/')))
}

/// A signal by name or number: `TERM`, `SIGTERM`, `15`.
pub(crate) fn signal(text: &str) -> Result<Signal, Problem> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let signals = (1..=Signal::COUNT as u32).filter_map(|number| Signal::new(number).ok());
    let found = signals.into_iter().find(|signal| signal.name() == name || signal.number().to_string() == text);
    found.ok_or_else(|| {
        let text: String = text.chars().take(32).collect();
        Problem::invalid(format!("`{text}` is no signal: give a name or number, for example TERM or 15"))
    })
}

async fn part(parts: &mut Parts, app: &App, name: &str) -> Result<Option<String>, Problem> {
    let given = RawPathParams::from_request_parts(parts, app).await;
    let given = given.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "bad_path", "the path is not UTF-8", ""))?;
    Ok(given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned()))
}

async fn number(parts: &mut Parts, app: &App, name: &str) -> Result<u64, Problem> {
    let text = part(parts, app, name).await?.unwrap_or_default();
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or_else(|| {
        let text: String = text.chars().take(32).collect();
        Problem::invalid(format!("`{text}` has to be a whole number"))
    })
}

#[cfg(test)]
mod tests {
    use super::{VALUES_MAX, read, values};
    use serde_json::Value;

    #[test]
    fn values_are_counted_outside_of_texts() {
        for (text, count) in [
            ("", 0),
            ("7", 0),
            ("{}", 1),
            (r#"{"a":1,"b":[2,3]}"#, 4),
            (r#"{"a,b[{":"c,\"d,[","e":""}"#, 2),
            (r#"["\\",1]"#, 2),
            (r#"["\\\",1]"#, 1),
            (r#"["no end, [ {"#, 1),
            ("[\"\\", 1),
        ] {
            assert_eq!(values(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn a_body_has_so_many_values_and_no_more() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert!(read::<Value>(list(VALUES_MAX - 1).as_bytes()).is_ok());
        assert!(read::<Value>(list(VALUES_MAX + 1).as_bytes()).is_err());
    }
}
