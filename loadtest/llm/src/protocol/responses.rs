//! OpenAI's responses: `POST /v1/responses`.
//!
//! ```text
//! created ─▶ in_progress ─▶ (output_item.added ─▶ … ─▶ output_item.done) … ─▶ completed, or incomplete
//!            message:       content_part.added ─▶ output_text.delta … ─▶ output_text.done ─▶ content_part.done
//!            function_call: function_call_arguments.delta … ─▶ function_call_arguments.done
//!            reasoning:     reasoning_summary_part.added ─▶ reasoning_summary_text.delta … ─▶ … .done
//! ```

use super::{Meta, add_line, flag, model, openai_kind, string, text_of};
use crate::choice::{Said, SaidCall};
use crate::conversation::{Ask, Offered};
use crate::script::{Stop, Usage};
use crate::wire::{Event, deltas};
use serde_json::{Value, json};

pub(crate) fn read(body: &Value) -> Result<Ask, String> {
    let mut ask = Ask { model: model(body)?, stream: flag(body, "stream")?, ..Ask::default() };
    ask.system = string(&body["instructions"]);
    ask.label = format!("{}\n{}", string(&body["prompt_cache_key"]), string(&body["user"]));
    for tool in body["tools"].as_array().into_iter().flatten() {
        ask.tools.push(Offered { name: string(&tool["name"]), custom: tool["type"] == "custom" });
    }
    match &body["input"] {
        Value::String(text) => ask.history.prompt(text.clone()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                input(&mut ask, item).map_err(|why| format!("input[{index}]{why}"))?;
            }
        }
        Value::Null => return Err("input: field required".to_owned()),
        _ => return Err("input: a text or a list is required".to_owned()),
    }
    Ok(ask)
}

/// Takes one item of the input. Kinds of items that say nothing of turns are passed over.
fn input(ask: &mut Ask, item: &Value) -> Result<(), String> {
    if !item.is_object() {
        return Err(": an object is required".to_owned());
    }
    match item["type"].as_str().unwrap_or("message") {
        "message" => match item["role"].as_str() {
            Some("user") => ask.history.prompt(text_of(&item["content"])),
            Some("assistant") => ask.history.said(Vec::new()),
            Some("system" | "developer") => add_line(&mut ask.system, &text_of(&item["content"])),
            _ => return Err(".role: has to be `user`, `assistant`, `system` or `developer`".to_owned()),
        },
        "function_call" | "custom_tool_call" => ask.history.said(vec![string(&item["call_id"])]),
        "function_call_output" | "custom_tool_call_output" => {
            ask.history.result(string(&item["call_id"]), text_of(&item["output"]));
        }
        _ => {}
    }
    Ok(())
}

pub(crate) fn whole(said: &Said, ask: &Ask, meta: &Meta, body: &Value) -> Value {
    let mut response = response(ask, meta, body);
    finish(&mut response, said, items(said, meta));
    response
}

pub(crate) fn stream(said: &Said, ask: &Ask, meta: &Meta, body: &Value) -> Vec<Event> {
    let mut events = Stream::default();
    let mut response = response(ask, meta, body);
    events.push("response.created", json!({ "response": response }));
    events.push("response.in_progress", json!({ "response": response }));
    let items = items(said, meta);
    for (index, item) in items.iter().enumerate() {
        let id = string(&item["id"]);
        let at = json!({ "item_id": id, "output_index": index });
        events.push("response.output_item.added", json!({ "output_index": index, "item": begun(item) }));
        match item["type"].as_str() {
            Some("reasoning") => reasoning(&mut events, &at, &said.thinking, meta),
            Some("message") => message(&mut events, &at, &said.text, meta),
            Some("custom_tool_call") => {
                let kind = ["response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"];
                call(&mut events, &at, kind, "input", &string(&item["input"]), meta);
            }
            _ => {
                let kind = ["response.function_call_arguments.delta", "response.function_call_arguments.done"];
                call(&mut events, &at, kind, "arguments", &string(&item["arguments"]), meta);
            }
        }
        events.push("response.output_item.done", json!({ "output_index": index, "item": item }));
    }
    finish(&mut response, said, items);
    let last = if response["status"] == "completed" { "response.completed" } else { "response.incomplete" };
    events.push(last, json!({ "response": response }));
    events.events
}

pub(crate) fn failure_event(status: u16, message: &str) -> Event {
    let (kind, code) = openai_kind(status);
    let code = if code.is_null() { json!(kind) } else { code };
    let data = json!({ "type": "error", "code": code, "message": message, "param": null, "sequence_number": 0 });
    Event::named("error", data)
}

/// Events with their numbers.
#[derive(Debug, Default)]
struct Stream {
    events: Vec<Event>,
}

impl Stream {
    fn push(&mut self, name: &'static str, mut data: Value) {
        data["type"] = json!(name);
        data["sequence_number"] = json!(self.events.len());
        self.events.push(Event::named(name, data));
    }

    /// An event of an item, with more fields.
    fn push_at(&mut self, name: &'static str, at: &Value, more: Value) {
        let mut data = at.clone();
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        self.push(name, data);
    }
}

fn message(events: &mut Stream, at: &Value, text: &str, meta: &Meta) {
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] });
    events.push_at("response.content_part.added", at, json!({ "content_index": 0, "part": part("") }));
    for piece in deltas(text, meta.delta_chars) {
        let more = json!({ "content_index": 0, "delta": piece, "logprobs": [] });
        events.push_at("response.output_text.delta", at, more);
    }
    let more = json!({ "content_index": 0, "text": text, "logprobs": [] });
    events.push_at("response.output_text.done", at, more);
    events.push_at("response.content_part.done", at, json!({ "content_index": 0, "part": part(text) }));
}

fn reasoning(events: &mut Stream, at: &Value, text: &str, meta: &Meta) {
    let part = |text: &str| json!({ "summary_index": 0, "part": { "type": "summary_text", "text": text } });
    events.push_at("response.reasoning_summary_part.added", at, part(""));
    for piece in deltas(text, meta.delta_chars) {
        let more = json!({ "summary_index": 0, "delta": piece });
        events.push_at("response.reasoning_summary_text.delta", at, more);
    }
    let more = json!({ "summary_index": 0, "text": text });
    events.push_at("response.reasoning_summary_text.done", at, more);
    events.push_at("response.reasoning_summary_part.done", at, part(text));
}

fn call(events: &mut Stream, at: &Value, kind: [&'static str; 2], field: &str, arguments: &str, meta: &Meta) {
    for piece in deltas(arguments, meta.delta_chars) {
        events.push_at(kind[0], at, json!({ "delta": piece }));
    }
    events.push_at(kind[1], at, json!({ field: arguments }));
}

/// What the model gave, each item as it is when it is done.
fn items(said: &Said, meta: &Meta) -> Vec<Value> {
    let mut items = Vec::new();
    if !said.thinking.is_empty() {
        let summary = json!([{ "type": "summary_text", "text": said.thinking }]);
        items.push(json!({ "id": format!("rs_{}", meta.id), "type": "reasoning", "summary": summary }));
    }
    if !said.text.is_empty() {
        items.push(json!({
            "id": format!("msg_{}", meta.id),
            "type": "message",
            "status": if said.stop == Stop::MaxTokens { "incomplete" } else { "completed" },
            "role": "assistant",
            "content": [{ "type": "output_text", "text": said.text, "annotations": [], "logprobs": [] }],
        }));
    }
    items.extend(said.calls.iter().enumerate().map(|(number, call)| call_item(call, number, meta)));
    items
}

fn call_item(call: &SaidCall, number: usize, meta: &Meta) -> Value {
    let id = &meta.id;
    let (kind, prefix, field) = match call.custom {
        true => ("custom_tool_call", "ctc", "input"),
        false => ("function_call", "fc", "arguments"),
    };
    json!({
        "id": format!("{prefix}_{id}{number:02x}"),
        "type": kind,
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        field: call.arguments,
    })
}

/// An item before anything of it was said.
fn begun(item: &Value) -> Value {
    let mut item = item.clone();
    for (field, empty) in
        [("content", json!([])), ("summary", json!([])), ("arguments", json!("")), ("input", json!(""))]
    {
        if !item[field].is_null() {
            item[field] = empty;
        }
    }
    if !item["status"].is_null() {
        item["status"] = json!("in_progress");
    }
    if let Value::Object(item) = &mut item {
        item.retain(|_, value| !value.is_null());
    }
    item
}

/// The response before anything of it was said. What the request chose is repeated.
fn response(ask: &Ask, meta: &Meta, body: &Value) -> Value {
    let or = |field: &str, default: Value| match &body[field] {
        Value::Null => default,
        value => value.clone(),
    };
    json!({
        "id": format!("resp_{}", meta.id),
        "object": "response",
        "created_at": meta.created,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"],
        "metadata": or("metadata", json!({})),
        "model": ask.model,
        "output": [],
        "parallel_tool_calls": or("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "reasoning": or("reasoning", json!({ "effort": null, "summary": null })),
        "service_tier": "default",
        "store": or("store", json!(true)),
        "temperature": or("temperature", json!(1.0)),
        "text": or("text", json!({ "format": { "type": "text" } })),
        "tool_choice": or("tool_choice", json!("auto")),
        "tools": or("tools", json!([])),
        "top_p": or("top_p", json!(1.0)),
        "truncation": or("truncation", json!("disabled")),
        "usage": null,
        "user": null,
    })
}

fn finish(response: &mut Value, said: &Said, items: Vec<Value>) {
    let incomplete = match said.stop {
        Stop::MaxTokens => Some("max_output_tokens"),
        Stop::Refusal => Some("content_filter"),
        Stop::End | Stop::Tool | Stop::StopSequence => None,
    };
    response["status"] = json!(if incomplete.is_some() { "incomplete" } else { "completed" });
    if let Some(reason) = incomplete {
        response["incomplete_details"] = json!({ "reason": reason });
    }
    response["output"] = Value::Array(items);
    response["usage"] = usage(&said.usage);
}

fn usage(usage: &Usage) -> Value {
    let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
    json!({
        "input_tokens": input,
        "input_tokens_details": { "cached_tokens": usage.cache_read },
        "output_tokens": usage.output,
        "output_tokens_details": { "reasoning_tokens": usage.thinking },
        "total_tokens": input.saturating_add(usage.output),
    })
}
