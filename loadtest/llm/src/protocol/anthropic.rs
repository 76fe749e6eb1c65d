//! Anthropic's Messages API: `POST /v1/messages`, and `count_tokens` beside it.
//!
//! ```text
//! message_start ─▶ (content_block_start ─▶ content_block_delta … ─▶ content_block_stop) … ─▶ message_delta ─▶ message_stop
//! ```
//! A `ping` comes after the first block has begun, as it does there.

use super::{Meta, add_line, flag, list, model, string, text_of};
use crate::choice::Said;
use crate::conversation::{Ask, Offered};
use crate::script::{Stop, Usage};
use crate::wire::{Event, deltas};
use serde_json::{Value, json};

/// A signature for what was thought. Clients send it back, and nobody verifies it here.
const SIGNATURE: &str = "c2NyaXB0ZWQ=";

pub(crate) fn read(body: &Value) -> Result<Ask, String> {
    let mut ask = Ask { model: model(body)?, stream: flag(body, "stream")?, ..Ask::default() };
    ask.system = text_of(&body["system"]);
    ask.label = string(&body["metadata"]["user_id"]);
    for tool in body["tools"].as_array().into_iter().flatten() {
        ask.tools.push(Offered { name: string(&tool["name"]), custom: false });
    }
    for (index, message) in list(body, "messages")?.iter().enumerate() {
        let content = &message["content"];
        if !content.is_string() && !content.is_array() {
            return Err(format!("messages.{index}.content: field required"));
        }
        match message["role"].as_str() {
            Some("user") => user(&mut ask, content),
            Some("assistant") => ask.history.said(calls(content)),
            Some("system") => add_line(&mut ask.system, &text_of(content)),
            _ => return Err(format!("messages.{index}.role: has to be `user`, `assistant` or `system`")),
        }
    }
    Ok(ask)
}

/// What only `POST /v1/messages` requires, and counting does not.
pub(crate) fn require_max_tokens(body: &Value) -> Result<(), String> {
    match body["max_tokens"].as_u64() {
        Some(tokens) if tokens > 0 => Ok(()),
        _ if body["max_tokens"].is_null() => Err("max_tokens: field required".to_owned()),
        _ => Err("max_tokens: has to be a whole number above 0".to_owned()),
    }
}

/// A message with results is the client's, whatever stands beside them: clients put reminders there.
fn user(ask: &mut Ask, content: &Value) {
    let mut found = false;
    for block in content.as_array().into_iter().flatten() {
        if block["type"] == "tool_result" {
            ask.history.result(string(&block["tool_use_id"]), text_of(&block["content"]));
            found = true;
        }
    }
    if !found {
        ask.history.prompt(text_of(content));
    }
}

fn calls(content: &Value) -> Vec<String> {
    let blocks = content.as_array().into_iter().flatten();
    blocks.filter(|block| block["type"] == "tool_use").map(|block| string(&block["id"])).collect()
}

pub(crate) fn whole(said: &Said, ask: &Ask, meta: &Meta) -> Value {
    let mut content = Vec::new();
    if !said.thinking.is_empty() {
        content.push(json!({ "type": "thinking", "thinking": said.thinking, "signature": SIGNATURE }));
    }
    if !said.text.is_empty() {
        content.push(json!({ "type": "text", "text": said.text, "citations": null }));
    }
    for call in &said.calls {
        let input = call.value.clone().unwrap_or_else(|| json!(call.arguments));
        content.push(json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": input, "caller": { "type": "direct" },
        }));
    }
    let mut message = message(ask, meta, usage(&said.usage, said.usage.output));
    message["content"] = Value::Array(content);
    message["stop_reason"] = json!(stop_reason(said.stop));
    message
}

pub(crate) fn stream(said: &Said, ask: &Ask, meta: &Meta) -> Vec<Event> {
    let mut events = Vec::new();
    let start = message(ask, meta, usage(&said.usage, said.usage.output.min(1)));
    events.push(event("message_start", json!({ "message": start })));
    let mut index = 0;
    let mut block = |begin: Value, deltas: Vec<Value>| {
        events.push(event("content_block_start", json!({ "index": index, "content_block": begin })));
        if index == 0 {
            events.push(event("ping", json!({})));
        }
        for delta in deltas {
            events.push(event("content_block_delta", json!({ "index": index, "delta": delta })));
        }
        events.push(event("content_block_stop", json!({ "index": index })));
        index += 1;
    };
    if !said.thinking.is_empty() {
        let pieces = deltas(&said.thinking, meta.delta_chars);
        let mut deltas: Vec<Value> =
            pieces.map(|piece| json!({ "type": "thinking_delta", "thinking": piece })).collect();
        deltas.push(json!({ "type": "signature_delta", "signature": SIGNATURE }));
        block(json!({ "type": "thinking", "thinking": "", "signature": "" }), deltas);
    }
    if !said.text.is_empty() {
        let pieces = deltas(&said.text, meta.delta_chars);
        let deltas = pieces.map(|piece| json!({ "type": "text_delta", "text": piece })).collect();
        block(json!({ "type": "text", "text": "", "citations": null }), deltas);
    }
    for call in &said.calls {
        let pieces = deltas(&call.arguments, meta.delta_chars);
        // The service begins every input with an empty piece.
        let pieces = std::iter::once("").chain(pieces);
        let deltas = pieces.map(|piece| json!({ "type": "input_json_delta", "partial_json": piece })).collect();
        let begin = json!({
            "type": "tool_use", "id": call.id, "name": call.name, "input": {}, "caller": { "type": "direct" },
        });
        block(begin, deltas);
    }
    events.push(event(
        "message_delta",
        json!({
            "delta": { "stop_reason": stop_reason(said.stop), "stop_sequence": null },
            "usage": usage(&said.usage, said.usage.output),
        }),
    ));
    events.push(event("message_stop", json!({})));
    events
}

pub(crate) fn failure(status: u16, message: &str, id: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        status if status < 500 => "invalid_request_error",
        504 => "timeout_error",
        503 | 529 => "overloaded_error",
        _ => "api_error",
    };
    json!({ "type": "error", "error": { "type": kind, "message": message }, "request_id": format!("req_{id}") })
}

fn message(ask: &Ask, meta: &Meta, usage: Value) -> Value {
    json!({
        "id": format!("msg_{}", meta.id),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage,
    })
}

fn usage(usage: &Usage, output: u64) -> Value {
    json!({
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": output,
    })
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::Tool => "tool_use",
        Stop::MaxTokens => "max_tokens",
        Stop::StopSequence => "stop_sequence",
        Stop::Refusal => "refusal",
    }
}

/// An event whose data names its type, too.
fn event(name: &'static str, mut data: Value) -> Event {
    data["type"] = json!(name);
    Event::named(name, data)
}
