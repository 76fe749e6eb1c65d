//! What goes wrong before a turn is answered.

use super::{DELAY_MS_MAX, FAULT_TIMES_MAX, ScriptError, error};
use serde::{Deserialize, Serialize};

/// Pieces that come before a connection is cut, unless said otherwise.
const AFTER: usize = 2;

/// Something that goes wrong, once unless said otherwise. In a script exactly one of `status`, `cut` and `malformed`:
///
/// ```json
/// [{"status": 429, "times": 2, "retry_after": 0.5}, {"cut": "close", "after": 3}, {"malformed": true}]
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Fault {
    pub kind: FaultKind,
    /// How many attempts meet it.
    pub times: u32,
}

/// What it is that goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// An error of the service.
    Status {
        /// From 400 to 599.
        status: u16,
        /// Seconds until the client should try again.
        retry_after: Option<f64>,
        /// By default what the service says of such a status.
        message: Option<String>,
        /// Says it in the stream after so many pieces, with status 200; an answer that is no stream says it at once.
        after: Option<usize>,
    },
    /// An answer that is not whole.
    Cut {
        how: Cut,
        /// Pieces that come before: events, or halves of an answer that is no stream.
        after: usize,
    },
    /// A piece with half of its JSON; the others come as they should.
    Malformed {
        /// Pieces that come before.
        after: usize,
    },
}

/// How an answer ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cut {
    /// The connection is closed within the body.
    Close,
    /// The body ends as if it were whole.
    End,
    /// Nothing more comes, until the client leaves or ten minutes have passed.
    Hang,
}

/// A fault as it is written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cut: Option<Cut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    times: Option<u32>,
}

impl Fault {
    /// An error of the service, once.
    pub fn status(status: u16) -> Fault {
        Fault { kind: FaultKind::Status { status, retry_after: None, message: None, after: None }, times: 1 }
    }

    /// A connection that is cut after so many pieces, once.
    pub fn cut(how: Cut, after: usize) -> Fault {
        Fault { kind: FaultKind::Cut { how, after }, times: 1 }
    }

    /// The same, so often.
    #[must_use]
    pub fn times(mut self, times: u32) -> Fault {
        self.times = times;
        self
    }

    /// The same, with the seconds until the client should try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: f64) -> Fault {
        if let FaultKind::Status { retry_after, .. } = &mut self.kind {
            *retry_after = Some(seconds);
        }
        self
    }

    pub(super) fn check(&self, place: &str) -> Result<(), ScriptError> {
        if self.times == 0 || self.times > FAULT_TIMES_MAX {
            return Err(error(&format!("{place}.times"), format!("has to be from 1 to {FAULT_TIMES_MAX}")));
        }
        let FaultKind::Status { status, retry_after, .. } = &self.kind else { return Ok(()) };
        if !(400..=599).contains(status) {
            return Err(error(&format!("{place}.status"), format!("is {status}, and has to be from 400 to 599")));
        }
        if retry_after.is_some_and(|seconds| !(0.0..=DELAY_MS_MAX as f64 / 1000.0).contains(&seconds)) {
            return Err(error(&format!("{place}.retry_after"), "has to be from 0 to 600 seconds"));
        }
        Ok(())
    }
}

impl TryFrom<Fields> for Fault {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Fault, String> {
        let Fields { status, retry_after, message, cut, malformed, after, times } = fields;
        let kind = match (status, cut, malformed.unwrap_or(false)) {
            (Some(status), None, false) => FaultKind::Status { status, retry_after, message, after },
            (None, ..) if retry_after.is_some() || message.is_some() => {
                return Err("`retry_after` and `message` go with `status`".to_owned());
            }
            (None, Some(how), false) => FaultKind::Cut { how, after: after.unwrap_or(AFTER) },
            (None, None, true) => FaultKind::Malformed { after: after.unwrap_or(AFTER) },
            _ => return Err("needs exactly one of `status`, `cut` and `malformed`".to_owned()),
        };
        Ok(Fault { kind, times: times.unwrap_or(1) })
    }
}

impl From<Fault> for Fields {
    fn from(fault: Fault) -> Fields {
        let times = Some(fault.times);
        match fault.kind {
            FaultKind::Status { status, retry_after, message, after } => {
                Fields { status: Some(status), retry_after, message, after, times, ..Fields::default() }
            }
            FaultKind::Cut { how, after } => Fields { cut: Some(how), after: Some(after), times, ..Fields::default() },
            FaultKind::Malformed { after } => {
                Fields { malformed: Some(true), after: Some(after), times, ..Fields::default() }
            }
        }
    }
}

/// What the log calls it.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            FaultKind::Status { status, after: None, .. } => write!(f, "status {status}"),
            FaultKind::Status { status, after: Some(after), .. } => write!(f, "status {status} after {after}"),
            FaultKind::Cut { how: Cut::Close, after } => write!(f, "closed after {after}"),
            FaultKind::Cut { how: Cut::End, after } => write!(f, "ended after {after}"),
            FaultKind::Cut { how: Cut::Hang, after } => write!(f, "hanging after {after}"),
            FaultKind::Malformed { after } => write!(f, "malformed after {after}"),
        }
    }
}
