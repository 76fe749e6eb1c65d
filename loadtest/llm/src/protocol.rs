//! The three ways in which models are spoken to: what a request means, and how an answer is written.
//!
//! [`anthropic`] is the Messages API, [`chat`] OpenAI's chat completions, [`responses`] OpenAI's responses. Each file has
//! the same functions: `read` a body, the `whole` answer, its `stream`, and a `failure` in both forms.

pub(crate) mod anthropic;
pub(crate) mod chat;
pub(crate) mod responses;

use crate::choice::Said;
use crate::conversation::Ask;
use crate::wire::Event;
use serde::Serialize;
use serde_json::{Value, json};

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Anthropic,
    Chat,
    Responses,
}

/// What an answer says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Meta {
    /// Different for every answer: what ids are made of.
    pub(crate) id: String,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// Characters in one event.
    pub(crate) delta_chars: usize,
}

impl Protocol {
    /// What a body asks for.
    ///
    /// # Errors
    /// The field that is wrong.
    pub(crate) fn read(self, body: &Value) -> Result<Ask, String> {
        match self {
            Protocol::Anthropic => anthropic::read(body),
            Protocol::Chat => chat::read(body),
            Protocol::Responses => responses::read(body),
        }
    }

    /// An answer in one piece.
    pub(crate) fn whole(self, said: &Said, ask: &Ask, meta: &Meta, body: &Value) -> Value {
        match self {
            Protocol::Anthropic => anthropic::whole(said, ask, meta),
            Protocol::Chat => chat::whole(said, ask, meta),
            Protocol::Responses => responses::whole(said, ask, meta, body),
        }
    }

    /// An answer as events.
    pub(crate) fn stream(self, said: &Said, ask: &Ask, meta: &Meta, body: &Value) -> Vec<Event> {
        match self {
            Protocol::Anthropic => anthropic::stream(said, ask, meta),
            Protocol::Chat => chat::stream(said, ask, meta),
            Protocol::Responses => responses::stream(said, ask, meta, body),
        }
    }

    /// The body of an error.
    pub(crate) fn failure(self, status: u16, message: &str, id: &str) -> Value {
        match self {
            Protocol::Anthropic => anthropic::failure(status, message, id),
            Protocol::Chat | Protocol::Responses => openai_failure(status, message),
        }
    }

    /// An error in the middle of a stream.
    pub(crate) fn failure_event(self, status: u16, message: &str, id: &str) -> Event {
        match self {
            Protocol::Anthropic => Event::named("error", anthropic::failure(status, message, id)),
            Protocol::Chat => Event::unnamed(openai_failure(status, message)),
            Protocol::Responses => responses::failure_event(status, message),
        }
    }

    /// What the ids of calls begin with.
    pub(crate) fn call_prefix(self) -> &'static str {
        match self {
            Protocol::Anthropic => "toolu_",
            Protocol::Chat | Protocol::Responses => "call_",
        }
    }

    /// The header that names an answer.
    pub(crate) fn id_header(self) -> &'static str {
        match self {
            Protocol::Anthropic => "request-id",
            Protocol::Chat | Protocol::Responses => "x-request-id",
        }
    }
}

/// The error of both of OpenAI's protocols.
fn openai_failure(status: u16, message: &str) -> Value {
    let (kind, code) = openai_kind(status);
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

fn openai_kind(status: u16) -> (&'static str, Value) {
    match status {
        401 => ("invalid_request_error", json!("invalid_api_key")),
        403 => ("invalid_request_error", json!("forbidden")),
        404 => ("invalid_request_error", json!("not_found")),
        429 => ("rate_limit_error", json!("rate_limit_exceeded")),
        status if status < 500 => ("invalid_request_error", Value::Null),
        503 => ("server_error", json!("overloaded")),
        _ => ("server_error", Value::Null),
    }
}

/// The list in a field of a body.
fn list<'a>(body: &'a Value, field: &str) -> Result<&'a [Value], String> {
    match &body[field] {
        Value::Array(list) if !list.is_empty() => Ok(list),
        Value::Array(_) => Err(format!("{field}: at least one is required")),
        Value::Null => Err(format!("{field}: field required")),
        _ => Err(format!("{field}: a list is required")),
    }
}

fn model(body: &Value) -> Result<String, String> {
    match body["model"].as_str() {
        Some(model) if !model.is_empty() => Ok(model.to_owned()),
        _ => Err("model: field required".to_owned()),
    }
}

fn flag(body: &Value, field: &str) -> Result<bool, String> {
    match &body[field] {
        Value::Bool(flag) => Ok(*flag),
        Value::Null => Ok(false),
        _ => Err(format!("{field}: true or false is required")),
    }
}

/// A content: a text, or the texts among its parts, line by line.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A text behind what was said before it, on a line of its own.
fn add_line(whole: &mut String, text: &str) {
    if !whole.is_empty() && !text.is_empty() {
        whole.push('\n');
    }
    whole.push_str(text);
}
