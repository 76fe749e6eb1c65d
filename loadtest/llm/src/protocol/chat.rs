//! OpenAI's chat completions: `POST /v1/chat/completions`.
//!
//! A stream is chunks without names: the role, then text and arguments in pieces, then why it ends, then the usage if it
//! was asked for, then `[DONE]`.

use super::{Meta, add_line, flag, list, model, string, text_of};
use crate::choice::Said;
use crate::conversation::{Ask, Offered};
use crate::script::{Stop, Usage};
use crate::wire::{Event, deltas};
use serde_json::{Value, json};

pub(crate) fn read(body: &Value) -> Result<Ask, String> {
    let mut ask = Ask { model: model(body)?, stream: flag(body, "stream")?, ..Ask::default() };
    ask.usage_in_stream = flag(&body["stream_options"], "include_usage")?;
    if !ask.stream && !body["stream_options"].is_null() {
        return Err("stream_options: only goes with `stream`".to_owned());
    }
    ask.label = format!("{}\n{}", string(&body["prompt_cache_key"]), string(&body["user"]));
    for tool in body["tools"].as_array().into_iter().flatten() {
        let custom = tool["type"] == "custom";
        let name = string(&tool[if custom { "custom" } else { "function" }]["name"]);
        ask.tools.push(Offered { name, custom });
    }
    for (index, message) in list(body, "messages")?.iter().enumerate() {
        let content = &message["content"];
        match message["role"].as_str() {
            Some("user") => ask.history.prompt(text_of(content)),
            Some("assistant") => {
                let calls = message["tool_calls"].as_array().into_iter().flatten();
                ask.history.said(calls.map(|call| string(&call["id"])).collect());
            }
            Some("tool") => ask.history.result(string(&message["tool_call_id"]), text_of(content)),
            Some("system" | "developer") => add_line(&mut ask.system, &text_of(content)),
            _ => {
                return Err(format!(
                    "messages[{index}].role: has to be `system`, `developer`, `user`, `assistant` or `tool`"
                ));
            }
        }
    }
    Ok(ask)
}

pub(crate) fn whole(said: &Said, ask: &Ask, meta: &Meta) -> Value {
    let mut message = json!({ "role": "assistant", "content": null, "refusal": null, "annotations": [] });
    if !said.text.is_empty() || said.calls.is_empty() {
        message["content"] = json!(said.text);
    }
    if !said.thinking.is_empty() {
        message["reasoning_content"] = json!(said.thinking);
    }
    if !said.calls.is_empty() {
        let calls = said.calls.iter().map(|call| match call.custom {
            true => json!({
                "id": call.id, "type": "custom", "custom": { "name": call.name, "input": call.arguments },
            }),
            false => json!({
                "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments },
            }),
        });
        message["tool_calls"] = calls.collect();
    }
    let choice = json!({
        "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(said.stop),
    });
    let mut answer = head("chat.completion", ask, meta);
    answer["choices"] = json!([choice]);
    answer["usage"] = usage(&said.usage);
    answer
}

pub(crate) fn stream(said: &Said, ask: &Ask, meta: &Meta) -> Vec<Event> {
    let mut events = Vec::new();
    let mut chunk = |delta: Value, finish_reason: Value| {
        let mut chunk = head("chat.completion.chunk", ask, meta);
        chunk["choices"] = json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }]);
        if ask.usage_in_stream {
            chunk["usage"] = Value::Null;
        }
        events.push(Event::unnamed(chunk));
    };
    let content = if said.text.is_empty() { Value::Null } else { json!("") };
    chunk(json!({ "role": "assistant", "content": content, "refusal": null }), Value::Null);
    // No field of OpenAI's, but that of most services that speak like it.
    for piece in deltas(&said.thinking, meta.delta_chars) {
        chunk(json!({ "reasoning_content": piece }), Value::Null);
    }
    for piece in deltas(&said.text, meta.delta_chars) {
        chunk(json!({ "content": piece }), Value::Null);
    }
    for (index, call) in said.calls.iter().enumerate() {
        let (kind, field) = if call.custom { ("custom", "input") } else { ("function", "arguments") };
        let begin = json!({
            "index": index, "id": call.id, "type": kind, kind: { "name": call.name, field: "" },
        });
        chunk(json!({ "tool_calls": [begin] }), Value::Null);
        for piece in deltas(&call.arguments, meta.delta_chars) {
            chunk(json!({ "tool_calls": [{ "index": index, kind: { field: piece } }] }), Value::Null);
        }
    }
    chunk(json!({}), json!(finish_reason(said.stop)));
    if ask.usage_in_stream {
        let mut last = head("chat.completion.chunk", ask, meta);
        last["choices"] = json!([]);
        last["usage"] = usage(&said.usage);
        events.push(Event::unnamed(last));
    }
    events.push(Event::done());
    events
}

fn head(object: &str, ask: &Ask, meta: &Meta) -> Value {
    json!({
        "id": format!("chatcmpl-{}", meta.id),
        "object": object,
        "created": meta.created,
        "model": ask.model,
        "service_tier": "default",
        "system_fingerprint": "fp_scripted",
    })
}

fn usage(usage: &Usage) -> Value {
    let prompt = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt.saturating_add(usage.output),
        "prompt_tokens_details": { "cached_tokens": usage.cache_read, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": usage.thinking, "audio_tokens": 0 },
    })
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::StopSequence => "stop",
        Stop::Tool => "tool_calls",
        Stop::MaxTokens => "length",
        Stop::Refusal => "content_filter",
    }
}
