//! What is said, and when: a script as its author writes it, in JSON or TOML, or as a Rust value.
//!
//! Every field is described where it is declared; [`Script::parse`] says of a bad script which turn and field it is.

pub(crate) mod embedded;
mod fault;
mod pattern;
#[cfg(test)]
mod tests;

pub use fault::{Cut, Fault, FaultKind};
pub use pattern::Pattern;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of a script's text.
pub const SCRIPT_BYTES_MAX: usize = 1024 * 1024;
/// Turns of a script.
pub const TURNS_MAX: usize = 1024;
/// Tool calls of one turn.
pub const CALLS_MAX: usize = 128;
/// Milliseconds that any one delay may take: ten minutes, which is longer than every client's patience.
pub const DELAY_MS_MAX: u64 = 600_000;
/// How often one fault may come.
pub const FAULT_TIMES_MAX: u32 = 1_000_000;

/// What a server answers, turn by turn.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What the log and errors call it.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// From where assistant turns are counted.
    #[serde(skip_serializing_if = "is_default")]
    pub scope: Scope,
    /// Starts again at the first turn after the last; otherwise a request beyond it is an error.
    #[serde(skip_serializing_if = "is_default")]
    pub repeat: bool,
    /// The answer to requests that offer no tools when some turn calls one: agents ask for titles and summaries so.
    #[serde(skip_serializing_if = "is_default")]
    pub aside: Option<String>,
    /// How fast and in which pieces, for every turn that says nothing else.
    #[serde(skip_serializing_if = "is_default")]
    pub pace: Pace,
    /// At least one. Those without `when` answer in their order; one with `when` whatever it matches.
    pub turns: Vec<Turn>,
}

/// From where the assistant turns in a request are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The last prompt: each starts the script anew.
    #[default]
    Prompt,
    /// The first prompt, or the one that brought the script: later prompts go on in it.
    Conversation,
}

/// One answer of the model: thinking, then text, then tool calls. Each may be missing, not all.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Turn {
    /// Answers any request that this holds for, before the turns that have none.
    #[serde(skip_serializing_if = "is_default")]
    pub when: Option<Condition>,
    /// What has to hold for the request that it answers. If not, the answer is an error, and the log says what.
    #[serde(skip_serializing_if = "is_default")]
    pub expect: Condition,
    /// What a model thinks aloud before it speaks.
    #[serde(skip_serializing_if = "is_default")]
    pub thinking: String,
    /// `{{prompt}}` and `{{tool_result}}` stand for the last prompt and the last results, here and in arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub text: String,
    #[serde(skip_serializing_if = "is_default")]
    pub calls: Vec<Call>,
    /// Why the model stops; by default what follows from the calls.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: Option<Stop>,
    /// By default a quarter of the bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: Option<Usage>,
    #[serde(skip_serializing_if = "is_default")]
    pub pace: Pace,
    /// What happens instead, before the turn is answered: the first attempts meet the first fault, and so on.
    #[serde(skip_serializing_if = "is_default")]
    pub faults: Vec<Fault>,
}

/// A tool that the model calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub name: String,
    /// Any JSON, by default `{}`. A string for tools that take text in a form of their own.
    #[serde(default = "no_arguments")]
    pub arguments: Value,
    /// By default one that is made of the conversation and the turn, and so always the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub id: Option<String>,
    /// Calls it even if the request does not offer it; otherwise that is an error, most often a wrong name.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unoffered: bool,
    /// What is sent instead of the arguments, as it stands: JSON that is wrong.
    #[serde(default, skip_serializing_if = "is_default")]
    pub raw_arguments: Option<String>,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    End,
    Tool,
    MaxTokens,
    StopSequence,
    Refusal,
}

/// Tokens, counted as Anthropic does: what was read from or written to a cache is not in `input`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_read: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub cache_write: u64,
    /// Of `output`, what was thinking.
    #[serde(skip_serializing_if = "is_default")]
    pub thinking: u64,
}

/// How fast and in which pieces an answer comes. What a turn leaves out, the script says; then the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Milliseconds before the status line.
    #[serde(skip_serializing_if = "is_default")]
    pub first_byte_ms: Option<u64>,
    /// Milliseconds between the pieces that are sent.
    #[serde(skip_serializing_if = "is_default")]
    pub between_ms: Option<u64>,
    /// Characters of text or arguments in one event; by default 16. A block comes in at most 10,000 events, in larger
    /// ones if need be.
    #[serde(skip_serializing_if = "is_default")]
    pub delta_chars: Option<usize>,
    /// Bytes of one piece, wherever it cuts events, lines and characters. By default an event is a piece.
    #[serde(skip_serializing_if = "is_default")]
    pub wire_bytes: Option<usize>,
    /// Writes `\u00e9` for `é`, also in arguments: a cut can then fall between the halves of a surrogate pair.
    #[serde(skip_serializing_if = "is_default")]
    pub ascii: Option<bool>,
    /// Ends the lines of events with CR LF.
    #[serde(skip_serializing_if = "is_default")]
    pub crlf: Option<bool>,
}

/// What a request can be asked about. All that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// The number of assistant turns that are already there, by `scope`.
    #[serde(skip_serializing_if = "is_default")]
    pub turn: Option<usize>,
    /// The last message of the user that is not a tool's result, without the script in it.
    #[serde(skip_serializing_if = "is_default")]
    pub prompt: Option<Pattern>,
    /// The results since the last assistant turn, line by line; nothing if there are none.
    #[serde(skip_serializing_if = "is_default")]
    pub tool_result: Option<Pattern>,
    #[serde(skip_serializing_if = "is_default")]
    pub system: Option<Pattern>,
    #[serde(skip_serializing_if = "is_default")]
    pub model: Option<Pattern>,
    /// Names of tools that are offered, among others.
    #[serde(skip_serializing_if = "is_default")]
    pub tools: Vec<String>,
    /// By name, in whatever case. A header that is not there is an empty text.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, Pattern>,
    /// Values of the body by JSON pointer, as `/stream_options/include_usage`; `null` also stands for nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub body: BTreeMap<String, Value>,
}

/// A script that cannot be used, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad script: {place}: {reason}")]
pub struct ScriptError {
    /// The turn and field, as `turns[1].calls[0].name`, or the line of what is no JSON or TOML.
    pub place: String,
    pub reason: String,
}

impl Script {
    pub fn new(turns: impl IntoIterator<Item = Turn>) -> Script {
        Script { turns: turns.into_iter().collect(), ..Script::default() }
    }

    /// Reads JSON, when the first thing is `{`, or TOML.
    ///
    /// # Errors
    /// What is wrong, with the turn and field.
    pub fn parse(text: &str) -> Result<Script, ScriptError> {
        if text.len() > SCRIPT_BYTES_MAX {
            return Err(error("the script", format!("has {} bytes, and may have {SCRIPT_BYTES_MAX}", text.len())));
        }
        let value: Value = match text.trim_start().starts_with('{') {
            true => serde_json::from_str(text).map_err(|why| error("JSON", why))?,
            false => toml::from_str(text).map_err(|why| error("TOML", why.to_string().trim_end()))?,
        };
        Script::from_value(value)
    }

    /// Reads a JSON value.
    ///
    /// # Errors
    /// What is wrong, with the turn and field.
    pub fn from_value(value: Value) -> Result<Script, ScriptError> {
        within("fields `regex`", pattern::expressions(&value), pattern::EXPRESSIONS_MAX)?;
        let script: Script = at_path(value)?;
        script.check()?;
        Ok(script)
    }

    /// Checks what types cannot say: bounds, and turns that say nothing.
    ///
    /// # Errors
    /// What is wrong, with the turn and field.
    pub fn check(&self) -> Result<(), ScriptError> {
        if self.turns.is_empty() {
            return Err(error("turns", "there are none: a script has at least one turn"));
        }
        within("turns", self.turns.len(), TURNS_MAX)?;
        self.pace.check("pace")?;
        for (index, turn) in self.turns.iter().enumerate() {
            turn.check(&format!("turns[{index}]"))?;
        }
        Ok(())
    }

    /// The script as a mark for the text of a prompt: whoever is sent that prompt answers by this script.
    pub fn embedded(&self) -> String {
        // A `]]` within its texts does not end it: it is read as one JSON value.
        format!("[[script: {}]]", serde_json::to_string(self).expect("a script is JSON"))
    }

    /// The same in base64, for clients that quote or escape what they are told.
    pub fn encoded(&self) -> String {
        format!("[[script: {}]]", BASE64.encode(serde_json::to_string(self).expect("a script is JSON")))
    }

    /// Whether any of its turns calls a tool.
    pub(crate) fn calls(&self) -> bool {
        self.turns.iter().any(|turn| !turn.calls.is_empty())
    }
}

impl Turn {
    /// A turn that only speaks.
    pub fn text(text: impl Into<String>) -> Turn {
        Turn { text: text.into(), ..Turn::default() }
    }

    /// A turn that calls one tool.
    pub fn call(name: impl Into<String>, arguments: Value) -> Turn {
        Turn { calls: vec![Call::new(name, arguments)], ..Turn::default() }
    }

    /// The same turn, after a fault.
    #[must_use]
    pub fn after(mut self, fault: Fault) -> Turn {
        self.faults.push(fault);
        self
    }

    /// The same turn, if the results of tools contain a text.
    #[must_use]
    pub fn expecting(mut self, tool_result: impl Into<String>) -> Turn {
        self.expect.tool_result = Some(Pattern::Contains(tool_result.into()));
        self
    }

    fn check(&self, place: &str) -> Result<(), ScriptError> {
        let silent = self.text.is_empty() && self.thinking.is_empty() && self.calls.is_empty();
        if silent && self.stop.is_none() {
            return Err(error(place, "says nothing: it needs `text`, `thinking`, `calls` or, to be silent, `stop`"));
        }
        if self.stop == Some(Stop::Tool) && self.calls.is_empty() {
            return Err(error(&format!("{place}.stop"), "is `tool`, and there are no `calls`"));
        }
        within(&format!("{place}.calls"), self.calls.len(), CALLS_MAX)?;
        for (index, call) in self.calls.iter().enumerate() {
            if call.name.is_empty() {
                return Err(error(&format!("{place}.calls[{index}].name"), "is empty"));
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            fault.check(&format!("{place}.faults[{index}]"))?;
        }
        self.expect.check(&format!("{place}.expect"))?;
        if let Some(when) = &self.when {
            when.check(&format!("{place}.when"))?;
        }
        self.pace.check(&format!("{place}.pace"))
    }
}

impl Call {
    pub fn new(name: impl Into<String>, arguments: Value) -> Call {
        Call { name: name.into(), arguments, ..Call::default() }
    }
}

impl Pace {
    /// These, and those of `base` where nothing is said.
    #[must_use]
    pub fn or(self, base: Pace) -> Pace {
        Pace {
            first_byte_ms: self.first_byte_ms.or(base.first_byte_ms),
            between_ms: self.between_ms.or(base.between_ms),
            delta_chars: self.delta_chars.or(base.delta_chars),
            wire_bytes: self.wire_bytes.or(base.wire_bytes),
            ascii: self.ascii.or(base.ascii),
            crlf: self.crlf.or(base.crlf),
        }
    }

    pub(crate) fn check(&self, place: &str) -> Result<(), ScriptError> {
        for (field, value) in [("first_byte_ms", self.first_byte_ms), ("between_ms", self.between_ms)] {
            if value.is_some_and(|value| value > DELAY_MS_MAX) {
                return Err(error(&format!("{place}.{field}"), format!("may be {DELAY_MS_MAX} at most")));
            }
        }
        for (field, value) in [("delta_chars", self.delta_chars), ("wire_bytes", self.wire_bytes)] {
            if value == Some(0) {
                return Err(error(&format!("{place}.{field}"), "has to be at least 1"));
            }
        }
        Ok(())
    }
}

impl Condition {
    fn check(&self, place: &str) -> Result<(), ScriptError> {
        match self.body.keys().find(|pointer| !pointer.is_empty() && !pointer.starts_with('/')) {
            Some(pointer) => {
                Err(error(&format!("{place}.body"), format!("`{pointer}` is no JSON pointer: these begin with `/`")))
            }
            None => Ok(()),
        }
    }
}

/// Reads a value, and says of an error where it is.
fn at_path<T: DeserializeOwned>(value: Value) -> Result<T, ScriptError> {
    serde_path_to_error::deserialize(value).map_err(|why| {
        let place = match why.path().to_string() {
            path if path == "." => "the script".to_owned(),
            path => path,
        };
        error(&place, why.inner())
    })
}

fn within(place: &str, number: usize, max: usize) -> Result<(), ScriptError> {
    if number > max {
        return Err(error(place, format!("there are {number}, and may be {max}")));
    }
    Ok(())
}

fn error(place: &str, reason: impl std::fmt::Display) -> ScriptError {
    ScriptError { place: place.to_owned(), reason: reason.to_string() }
}

fn no_arguments() -> Value {
    Value::Object(serde_json::Map::new())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
