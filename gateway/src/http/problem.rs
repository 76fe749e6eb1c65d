//! What went wrong, as RFC 9457 problem details: a status, a stable code, and what to do.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;
use warren_kernel::Errno;
use warren_session::SessionError;
use warren_session::durability::DurabilityError;
use warren_session::event::State;
use warren_session::quota::QuotaError;

/// Media type of the body.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// What a client has to prove itself with.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"warren\"");

/// An answer to a request that was not done. Nothing was changed, unless `detail` says so.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<&'static str>,
    retry_after: Option<Duration>,
    errno: Option<&'static str>,
    quota: Option<Box<Exceeded>>,
    operation: Option<usize>,
}

/// The code of a problem, beside its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) &'static str);

/// What a tenant has taken all of.
#[derive(Clone, Copy, Debug)]
struct Exceeded {
    quota: &'static str,
    limit: u64,
    used: u64,
}

/// What was not done, and why (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView<'a> {
    /// In a message of a WebSocket: `error`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    title: &'a str,
    status: u16,
    /// Stable: programs may depend on it.
    code: &'a str,
    /// What is wrong with what was asked.
    detail: &'a str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    /// Of a file operation that failed: `ENOENT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<&'a str>,
    /// Of a batch: which operation it is about, from 0. None was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<usize>,
    /// Of `quota_exceeded`: which quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<&'a str>,
    /// How much it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// How much is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<u64>,
}

impl Problem {
    /// A problem with a hint what to do.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        hint: &'static str,
    ) -> Problem {
        let hint = (!hint.is_empty()).then_some(hint);
        Problem {
            status,
            code,
            detail: detail.into(),
            hint,
            retry_after: None,
            errno: None,
            quota: None,
            operation: None,
        }
    }

    /// A part of the request makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", detail, "")
    }

    /// A fault of ours.
    pub(crate) fn internal() -> Problem {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server made a mistake; its log has more",
            "what was asked may or may not have been done; look before you try again",
        )
    }

    /// Whoever asks has proved nothing. Why not is not told apart.
    pub(crate) fn unauthorized() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "the request has no valid key",
            "send `Authorization: Bearer KEY`; `warren serve` shows a key at its first start, and keeps it in client.key \
             of its data folder",
        )
    }

    /// The store does not answer.
    pub(crate) fn store_unavailable() -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store_unavailable",
            "the server's store does not answer",
            "try again",
        )
        .retry_after(Duration::from_secs(1))
    }

    /// The body of the answer.
    pub(crate) fn to_json(&self) -> String {
        self.body(None)
    }

    /// As a message of a WebSocket.
    pub(crate) fn to_message(&self) -> String {
        self.body(Some("error"))
    }

    fn body(&self, kind: Option<&str>) -> String {
        let body = ProblemView {
            kind,
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            hint: self.hint,
            errno: self.errno,
            operation: self.operation,
            quota: self.quota.as_ref().map(|exceeded| exceeded.quota),
            limit: self.quota.as_ref().map(|exceeded| exceeded.limit),
            used: self.quota.as_ref().map(|exceeded| exceeded.used),
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    /// Its code.
    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// When to ask again.
    pub(crate) fn retry_after(self, after: Duration) -> Problem {
        Problem { retry_after: Some(after), ..self }
    }

    /// It is about one of several operations.
    pub(crate) fn of_operation(self, index: usize) -> Problem {
        Problem { operation: Some(index), detail: format!("operation {index}: {}", self.detail), ..self }
    }

    /// A file operation's errno. `ENOENT` is 404, and so on.
    pub(crate) fn file(path: &str, errno: Errno) -> Problem {
        let (status, code, hint) = match errno {
            Errno::ENOENT => (StatusCode::NOT_FOUND, "file_not_found", ""),
            Errno::EACCES | Errno::EPERM | Errno::EROFS => {
                (StatusCode::FORBIDDEN, "file_denied", "the session's policy or the file's owner says no")
            }
            Errno::EEXIST => (StatusCode::CONFLICT, "file_exists", "remove it first, or choose another name"),
            Errno::ENOTDIR => (StatusCode::CONFLICT, "not_a_directory", ""),
            Errno::EISDIR => (StatusCode::CONFLICT, "is_a_directory", ""),
            Errno::ENOTEMPTY => {
                (StatusCode::CONFLICT, "directory_not_empty", "add ?recursive=true, or in a batch \"recursive\": true")
            }
            Errno::EBUSY | Errno::ETXTBSY => (StatusCode::CONFLICT, "file_busy", ""),
            Errno::EDQUOT | Errno::ENOSPC => {
                (StatusCode::INSUFFICIENT_STORAGE, "session_full", "remove files, or give the session higher limits")
            }
            Errno::EFBIG => (StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", ""),
            Errno::EIO => (StatusCode::INTERNAL_SERVER_ERROR, "file_unreadable", "the server's log has more"),
            Errno::E2BIG | Errno::ETIMEDOUT => {
                (StatusCode::UNPROCESSABLE_ENTITY, "file_error", "do it in several batches")
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "file_error", ""),
        };
        let detail = format!("{path}: {errno}");
        Problem { errno: Some(errno.name()), ..Problem::new(status, code, detail, hint) }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Problem {
        let detail = error.to_string();
        let problem = |status, code, hint| Problem::new(status, code, detail.clone(), hint);
        match error {
            SessionError::Durability(error) => error.into(),
            SessionError::NotFound(_) => problem(StatusCode::NOT_FOUND, "session_not_found", SEE_SESSIONS),
            SessionError::Name(_) => problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_name", ""),
            SessionError::Invalid { .. } => problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", ""),
            SessionError::Overloaded { retry_after, .. } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "session_overloaded", "").retry_after(retry_after)
            }
            SessionError::Quota(error) => error.into(),
            SessionError::DiskLow => problem(
                StatusCode::INSUFFICIENT_STORAGE,
                "no_space",
                "free space where the server keeps its data (data.reserve is what it leaves), then try again",
            ),
            SessionError::WrongState { state, .. } => match state {
                State::Deleted => problem(StatusCode::GONE, "session_deleted", ""),
                State::Failed => problem(StatusCode::INTERNAL_SERVER_ERROR, "session_failed", SEE_FAILURE),
                State::Creating
                | State::Active
                | State::Hibernating
                | State::Hibernated
                | State::Waking
                | State::Moving => problem(StatusCode::CONFLICT, "wrong_state", "wait until its state has changed"),
            },
            SessionError::File { path, errno } => Problem::file(&path, errno),
            SessionError::Operation { index, error } => Problem::from(*error).of_operation(index),
            SessionError::NoExec { .. } => problem(StatusCode::NOT_FOUND, "exec_not_found", "GET .../execs lists them"),
            SessionError::NoInput(_) => {
                problem(StatusCode::CONFLICT, "no_input", "start the command with \"stdin\": \"open\"")
            }
            SessionError::ExecOver(_) => problem(StatusCode::CONFLICT, "exec_over", ""),
            SessionError::NotOnTerminal(_) => {
                problem(StatusCode::CONFLICT, "no_terminal", "start the command with a `terminal`")
            }
            SessionError::NoProcess(_) => {
                problem(StatusCode::NOT_FOUND, "process_not_found", "GET .../processes lists them")
            }
            SessionError::NoTerminal(_) => {
                problem(StatusCode::NOT_FOUND, "terminal_not_found", "GET .../terminals lists them")
            }
            SessionError::TerminalExists(_) => problem(StatusCode::CONFLICT, "terminal_exists", ""),
            SessionError::TerminalOver(_) => problem(StatusCode::CONFLICT, "terminal_over", ""),
            SessionError::TooManyTerminals { .. } => problem(StatusCode::CONFLICT, "too_many_terminals", ""),
            SessionError::KeyReused => problem(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", ""),
            SessionError::TooManyExecs { .. } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "too_many_execs", "").retry_after(Duration::from_secs(1))
            }
            SessionError::Busy { .. } => {
                problem(StatusCode::CONFLICT, "session_busy", "end its processes, then try again")
            }
            SessionError::Archive(_) => problem(StatusCode::UNPROCESSABLE_ENTITY, "archive_refused", ""),
            SessionError::Software(_) => problem(
                StatusCode::UNPROCESSABLE_ENTITY,
                "software_missing",
                "`warren software list` shows what the server has",
            ),
            SessionError::ShuttingDown => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", "").retry_after(Duration::from_secs(1))
            }
            SessionError::Failed(_) => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "session_restarting", "").retry_after(Duration::from_secs(1))
            }
        }
    }
}

impl From<QuotaError> for Problem {
    fn from(error: QuotaError) -> Problem {
        let (status, hint) = match error.is_storage() {
            true => (
                StatusCode::INSUFFICIENT_STORAGE,
                "delete files or sessions; what was deleted counts until it is collected, half an hour at most",
            ),
            false => (
                StatusCode::TOO_MANY_REQUESTS,
                "nothing was done; GET /v1/quotas shows what is in use, and the operator sets what may be",
            ),
        };
        let exceeded = Exceeded { quota: error.quota.as_str(), limit: error.limit, used: error.used };
        let problem = Problem::new(status, "quota_exceeded", error.to_string(), hint);
        Problem { quota: Some(Box::new(exceeded)), retry_after: error.retry_after, ..problem }
    }
}

impl From<DurabilityError> for Problem {
    fn from(error: DurabilityError) -> Problem {
        let detail = error.to_string();
        let problem = |status, code, hint| Problem::new(status, code, detail.clone(), hint);
        // What the store says of its own files is for the operator: it names folders of this machine.
        let hidden = |status, code, detail: String, hint| {
            tracing::error!(error = %error, "a request failed");
            Problem::new(status, code, detail, hint)
        };
        match &error {
            DurabilityError::Missing(_) => problem(StatusCode::NOT_FOUND, "session_not_found", SEE_SESSIONS),
            DurabilityError::Deleted(_) => problem(StatusCode::GONE, "session_deleted", ""),
            DurabilityError::NameTaken(_) => problem(StatusCode::CONFLICT, "name_taken", ""),
            DurabilityError::Owned(_) => problem(StatusCode::CONFLICT, "owned_elsewhere", ""),
            DurabilityError::Fenced(_) => problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "moved",
                "what was asked may or may not have been done; look before you try again",
            ),
            DurabilityError::NoCheckpoint(..) => {
                problem(StatusCode::NOT_FOUND, "checkpoint_not_found", "GET .../checkpoints lists them")
            }
            DurabilityError::TooManyCheckpoints(..) => problem(StatusCode::CONFLICT, "too_many_checkpoints", ""),
            DurabilityError::Damaged { id, .. } => hidden(
                StatusCode::INTERNAL_SERVER_ERROR,
                "session_damaged",
                format!("what is kept of session {id} cannot be read"),
                "other sessions are not affected; the server's log says what was found",
            ),
            DurabilityError::NoSpace(_) => hidden(
                StatusCode::INSUFFICIENT_STORAGE,
                "no_space",
                "the server has no space left to keep this".to_owned(),
                "free space where the server keeps its data, then try again",
            ),
            DurabilityError::Unavailable(_) => {
                tracing::error!(error = %error, "a request failed");
                Problem::store_unavailable()
            }
            DurabilityError::Busy => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "journal_behind", "").retry_after(Duration::from_secs(1))
            }
        }
    }
}

const SEE_SESSIONS: &str = "GET /v1/sessions lists them";
const SEE_FAILURE: &str = "`failure` of the session says why";

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.to_json()).into_response();
        response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
        response.extensions_mut().insert(Code(self.code));
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, never 0: that would ask for a busy loop.
            let seconds = after.as_millis().div_ceil(1000).max(1) as u64;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests;
