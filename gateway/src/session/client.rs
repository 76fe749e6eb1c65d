//! Requests to a server, and what its refusals mean to whoever typed the command.

use super::tls;
use serde_json::Value;
use std::time::Duration;
use ureq::http::{HeaderValue, Response};
use ureq::{Agent, Body, SendBody};

/// How long a server on this machine may take to take a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a JSON answer, at most.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A server.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    url: String,
    agent: Agent,
    /// What requests prove themselves with: `Bearer` and the key.
    bearer: Option<HeaderValue>,
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("no server at {0}; start one with `warren serve`, or name another by --url")]
    NoServer(String),
    #[error("the server at {url}: {source}")]
    Broken { url: String, source: Box<ureq::Error> },
    #[error("{detail} ({code}){}", hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Refused { status: u16, code: String, detail: String, hint: Option<String> },
    #[error(
        "no TLS with the server at {url}: {reason}; SSL_CERT_FILE can name a file of certificates to trust, and a server \
         that nothing does TLS for is at http://"
    )]
    Tls { url: String, reason: String },
    #[error("the server at {0} does not answer as a warren server does")]
    Strange(String),
    #[error("{0}")]
    Local(String),
}

impl ClientError {
    /// Whether the server, or the way to it, is gone or has too much to do, rather than unwilling.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            ClientError::NoServer(_) | ClientError::Broken { .. } => true,
            ClientError::Refused { status, .. } => matches!(*status, 429 | 503),
            ClientError::Tls { .. } | ClientError::Strange(_) | ClientError::Local(_) => false,
        }
    }
}

fn agent(limit: Option<Duration>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(limit)
        // A server on this machine, or one that was named; what the environment says of proxies is not about it.
        .proxy(None)
        .max_redirects(0)
        .tls_config(tls::for_requests())
        .build();
    Agent::new_with_config(config)
}

impl Client {
    /// Of a server at this URL, with this key if there is one.
    pub(crate) fn new(url: &str, key: Option<&str>) -> Result<Client, ClientError> {
        let bearer = key.map(|key| HeaderValue::from_str(&format!("Bearer {key}"))).transpose();
        let mut bearer = bearer.map_err(|_| ClientError::Local("the key is no text that a key can be".to_owned()))?;
        if let Some(bearer) = &mut bearer {
            bearer.set_sensitive(true);
        }
        Ok(Client { url: url.trim_end_matches('/').to_owned(), agent: agent(None), bearer })
    }

    /// The same, whose every call fails when its answer is not there within `limit`.
    pub(crate) fn within(self, limit: Duration) -> Client {
        Client { agent: agent(Some(limit)), ..self }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What requests prove themselves with.
    pub(crate) fn bearer(&self) -> Option<&HeaderValue> {
        self.bearer.as_ref()
    }

    /// The path of a session's resource, its name escaped.
    pub(crate) fn session(name: &str, rest: &str) -> String {
        format!("/v1/sessions/{}{rest}", escape(name, false))
    }

    /// What a GET answers.
    pub(crate) fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.json(self.open("GET", path, &[], SendBody::none())?)
    }

    /// What a POST of an object answers.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.json(self.send(path, body, &[])?)
    }

    /// A POST of an object; the answer is still to be read.
    pub(crate) fn send(
        &self,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> Result<Response<Body>, ClientError> {
        let text = body.to_string();
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.open("POST", path, &all, SendBody::from_reader(&mut text.as_bytes()))
    }

    /// What a PATCH with an object answers.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        let text = body.to_string();
        let headers = [("content-type", "application/json")];
        self.json(self.open("PATCH", path, &headers, SendBody::from_reader(&mut text.as_bytes()))?)
    }

    /// Does a DELETE.
    pub(crate) fn delete(&self, path: &str) -> Result<(), ClientError> {
        self.open("DELETE", path, &[], SendBody::none()).map(drop)
    }

    /// A request whose answer, a good one, is still to be read.
    pub(crate) fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: SendBody<'_>,
    ) -> Result<Response<Body>, ClientError> {
        let url = format!("{}{path}", self.url);
        let mut request = ureq::http::Request::builder().method(method).uri(&url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(bearer) = &self.bearer {
            request = request.header("authorization", bearer.clone());
        }
        let request = request.body(body).map_err(|error| ClientError::Local(format!("{url}: {error}")))?;
        let mut response = self.agent.run(request).map_err(|error| self.failed(error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let problem: Value = text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let word = |name: &str| problem[name].as_str().map(str::to_owned);
        match (word("code"), word("detail")) {
            (Some(code), Some(detail)) => Err(ClientError::Refused { status, code, detail, hint: word("hint") }),
            _ => Err(ClientError::Strange(self.url.clone())),
        }
    }

    /// The way to the server failed.
    pub(crate) fn failed(&self, error: ureq::Error) -> ClientError {
        use std::io::ErrorKind;
        match error {
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => ClientError::NoServer(self.url.clone()),
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => {
                ClientError::NoServer(self.url.clone())
            }
            ureq::Error::Rustls(error) => self.no_tls(error.to_string()),
            ureq::Error::Io(error) if let Some(reason) = tls::reason(&error) => self.no_tls(reason),
            source => ClientError::Broken { url: self.url.clone(), source: Box::new(source) },
        }
    }

    /// What protects the way to the server cannot be set up.
    pub(super) fn no_tls(&self, reason: String) -> ClientError {
        ClientError::Tls { url: self.url.clone(), reason }
    }

    /// The object of an answer.
    pub(crate) fn json(&self, mut response: Response<Body>) -> Result<Value, ClientError> {
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.failed(error))?;
        match text.is_empty() {
            true => Ok(Value::Null),
            false => serde_json::from_str(&text).map_err(|_| ClientError::Strange(self.url.clone())),
        }
    }
}

/// A part of a path or query with all that could be taken for something else escaped; `/` may stay.
pub(crate) fn escape(text: &str, slashes: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => escaped.push(byte as char),
            b'/' if slashes => escaped.push('/'),
            // A lone `.` or `..` would be taken out on the way.
            b'.' if !matches!(text, "." | "..") && !text.split('/').any(|part| matches!(part, "." | "..")) => {
                escaped.push('.');
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}
