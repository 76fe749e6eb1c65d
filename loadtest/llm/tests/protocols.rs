//! The protocols as they stand on the wire, with a plain client.
#![allow(clippy::unwrap_used, reason = "a test")]

pub mod common;

use common::{PATHS, first, get, post, prompt, request, served, server};
use serde_json::{Value, json};

/// A script whose turn thinks, speaks and calls.
fn all() -> Value {
    json!({ "turns": [{
        "thinking": "I think.",
        "text": "Grüße, 🐇!",
        "calls": [{ "name": "bash", "arguments": { "command": "echo é🐇" } }, { "name": "bash", "arguments": {} }],
        "usage": { "input": 10, "output": 20, "cache_read": 3, "cache_write": 4, "thinking": 5 },
        "pace": { "delta_chars": 4 },
    }] })
}

#[test]
fn messages_come_whole() {
    let server = served(all());
    let answer = post(&server, "/v1/messages", &first("/v1/messages", "Go", false));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = answer.json();
    assert_eq!(message["type"], "message");
    assert_eq!(message["role"], "assistant");
    assert_eq!(message["model"], "m");
    assert_eq!(message["stop_reason"], "tool_use");
    assert_eq!(message["stop_sequence"], Value::Null);
    let kinds: Vec<&str> = message["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use", "tool_use"]);
    assert_eq!(message["content"][1]["text"], "Grüße, 🐇!");
    assert_eq!(message["content"][2]["input"], json!({ "command": "echo é🐇" }));
    assert_ne!(message["content"][2]["id"], message["content"][3]["id"]);
    assert_eq!(
        message["usage"],
        json!({ "input_tokens": 10, "output_tokens": 20, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 4 })
    );
    assert!(answer.header("request-id").unwrap().starts_with("req_"));
}

#[test]
fn messages_come_as_a_stream() {
    let server = served(all());
    let answer = post(&server, "/v1/messages", &first("/v1/messages", "Go", true));
    assert_eq!(answer.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = answer.events();
    assert!(events.iter().all(|(name, data)| data["type"] == name.as_str()), "{events:?}");
    let mut names = answer.names();
    names.dedup();
    assert_eq!(names[..4], ["message_start", "content_block_start", "ping", "content_block_delta"]);
    assert_eq!(names[names.len() - 3..], ["content_block_stop", "message_delta", "message_stop"]);
    assert_eq!(names.iter().filter(|name| *name == "content_block_start").count(), 4);
    let joined = |kind: &str, field: &str, index: u64| -> String {
        let deltas = events.iter().filter(|(_, data)| data["index"] == index && data["delta"]["type"] == kind);
        deltas.map(|(_, data)| data["delta"][field].as_str().unwrap()).collect()
    };
    assert_eq!(joined("thinking_delta", "thinking", 0), "I think.");
    assert_ne!(joined("signature_delta", "signature", 0), "");
    assert_eq!(joined("text_delta", "text", 1), "Grüße, 🐇!");
    assert_eq!(joined("input_json_delta", "partial_json", 2), r#"{"command":"echo é🐇"}"#);
    assert_eq!(joined("input_json_delta", "partial_json", 3), "{}");
    let (_, delta) = events.iter().find(|(name, _)| name == "message_delta").unwrap();
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
    assert_eq!(delta["usage"]["output_tokens"], 20);
    let start = &events[0].1["message"];
    assert_eq!((&start["content"], &start["stop_reason"]), (&json!([]), &Value::Null));
}

#[test]
fn chat_completions_come_whole() {
    let server = served(all());
    let answer = post(&server, "/v1/chat/completions", &first("/v1/chat/completions", "Go", false)).json();
    assert_eq!(answer["object"], "chat.completion");
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Grüße, 🐇!");
    assert_eq!(choice["message"]["tool_calls"][0]["function"]["arguments"], r#"{"command":"echo é🐇"}"#);
    assert_eq!(choice["message"]["tool_calls"][0]["type"], "function");
    assert_eq!(answer["usage"]["prompt_tokens"], 17);
    assert_eq!(answer["usage"]["completion_tokens"], 20);
    assert_eq!(answer["usage"]["total_tokens"], 37);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
}

#[test]
fn chat_completions_come_as_a_stream() {
    let server = served(all());
    let mut body = first("/v1/chat/completions", "Go", true);
    body["stream_options"] = json!({ "include_usage": true });
    let answer = post(&server, "/v1/chat/completions", &body);
    let events = answer.events();
    assert!(events.iter().all(|(name, _)| name.is_empty()), "{events:?}");
    assert_eq!(events.last().unwrap().1, "[DONE]");
    let chunks: Vec<&Value> = events[..events.len() - 1].iter().map(|(_, data)| data).collect();
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"]));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    let (usage, rest) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["total_tokens"], 37);
    assert!(rest.iter().all(|chunk| chunk["usage"].is_null()));
    assert_eq!(rest.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    let text: String = rest.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Grüße, 🐇!");
    let calls: Vec<&Value> = rest
        .iter()
        .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    let arguments: String = calls
        .iter()
        .filter(|call| call["index"] == 0)
        .map(|call| call["function"]["arguments"].as_str().unwrap())
        .collect();
    assert_eq!(arguments, r#"{"command":"echo é🐇"}"#);
    // A call has its id and name once.
    assert_eq!(calls.iter().filter(|call| !call["id"].is_null()).count(), 2);

    body.as_object_mut().unwrap().remove("stream_options");
    let without = post(&server, "/v1/chat/completions", &body);
    assert!(!without.text().contains("usage"), "{}", without.text());
}

#[test]
fn responses_come_whole_and_as_the_same_stream() {
    let server = served(all());
    let whole = post(&server, "/v1/responses", &first("/v1/responses", "Go", false)).json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    let kinds: Vec<&str> =
        whole["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "function_call", "function_call"]);
    assert_eq!(whole["output"][1]["content"][0]["text"], "Grüße, 🐇!");
    assert_eq!(whole["output"][2]["arguments"], r#"{"command":"echo é🐇"}"#);
    assert_eq!(whole["usage"]["total_tokens"], 37);
    assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 5);

    let answer = post(&server, "/v1/responses", &first("/v1/responses", "Go", true));
    let events = answer.events();
    for (number, (name, data)) in events.iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(number)));
    }
    let mut names = answer.names();
    names.dedup();
    let message = [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ];
    assert_eq!(names[..2], ["response.created", "response.in_progress"]);
    assert!(names.windows(message.len()).any(|window| window == message), "{names:?}");
    let call = [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
    ];
    assert!(names.windows(call.len()).any(|window| window == call), "{names:?}");
    let (name, last) = events.last().unwrap();
    assert_eq!(name, "response.completed");
    // Ids differ between two answers, and are the same within one.
    let done: Vec<&Value> =
        events.iter().filter(|(name, _)| name == "response.output_item.done").map(|(_, data)| &data["item"]).collect();
    assert_eq!(json!(done), last["response"]["output"]);
    assert_eq!(last["response"]["output"][2]["arguments"], whole["output"][2]["arguments"]);
    assert_eq!(last["response"]["usage"], whole["usage"]);
}

#[test]
fn tokens_end_an_answer() {
    let server = served(json!({ "turns": [{ "text": "Half of", "stop": "max_tokens" }] }));
    let ends = PATHS.iter().map(|path| {
        let answer = post(&server, path, &first(path, "Go", false)).json();
        (answer["stop_reason"].clone(), answer["choices"][0]["finish_reason"].clone(), answer["status"].clone())
    });
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends[0].0, "max_tokens");
    assert_eq!(ends[1].1, "length");
    assert_eq!(ends[2].2, "incomplete");
    let stream = post(&server, "/v1/responses", &first("/v1/responses", "Go", true));
    assert_eq!(stream.names().last().unwrap(), "response.incomplete");
}

#[test]
fn results_of_tools_choose_the_next_turn() {
    let server = served(json!({ "turns": [
        { "calls": [{ "name": "bash", "arguments": { "command": "date" } }, { "name": "bash", "arguments": {} }] },
        { "expect": { "tool_result": "noon" }, "text": "It is {{tool_result}}" },
    ] }));
    // Messages.
    let mut body = first("/v1/messages", "When?", false);
    let said = post(&server, "/v1/messages", &body).json();
    let results = |ids: [&Value; 2]| {
        json!([
            { "type": "tool_result", "tool_use_id": ids[0], "content": "noon" },
            { "type": "tool_result", "tool_use_id": ids[1], "content": [{ "type": "text", "text": "or so" }] },
            { "type": "text", "text": "<reminder>Be brief.</reminder>" },
        ])
    };
    let content = results([&said["content"][0]["id"], &said["content"][1]["id"]]);
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({ "role": "assistant", "content": said["content"] }));
    messages.push(json!({ "role": "user", "content": content }));
    assert_eq!(post(&server, "/v1/messages", &body).json()["content"][0]["text"], "It is noon\nor so");

    // Chat completions.
    let mut body = first("/v1/chat/completions", "When?", false);
    let said = post(&server, "/v1/chat/completions", &body).json()["choices"][0]["message"].clone();
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(said.clone());
    for (call, text) in said["tool_calls"].as_array().unwrap().iter().zip(["noon", "or so"]) {
        messages.push(json!({ "role": "tool", "tool_call_id": call["id"], "content": text }));
    }
    let answer = post(&server, "/v1/chat/completions", &body).json();
    assert_eq!(answer["choices"][0]["message"]["content"], "It is noon\nor so");

    // Responses, with each result behind its call.
    let mut body = first("/v1/responses", "When?", false);
    let said = post(&server, "/v1/responses", &body).json();
    let mut input = vec![json!({ "role": "user", "content": [{ "type": "input_text", "text": "When?" }] })];
    for (call, text) in said["output"].as_array().unwrap().iter().zip(["noon", "or so"]) {
        input.push(call.clone());
        input.push(json!({ "type": "function_call_output", "call_id": call["call_id"], "output": text }));
    }
    body["input"] = json!(input);
    let answer = post(&server, "/v1/responses", &body).json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "It is noon\nor so");
    assert_eq!(server.complaints(), Vec::<String>::new());
    assert_eq!(
        server.requests().iter().map(|entry| entry.turn).collect::<Vec<_>>(),
        [0, 1].repeat(3).into_iter().map(Some).collect::<Vec<_>>()
    );
}

#[test]
fn a_response_is_gone_on_from_by_its_id() {
    let server = served(json!({ "turns": [
        { "calls": [{ "name": "bash", "arguments": {} }] },
        { "expect": { "tool_result": "ok", "prompt": "Go" }, "text": "Good" },
    ] }));
    let mut body = first("/v1/responses", "Go", false);
    body.as_object_mut().unwrap().remove("store");
    let said = post(&server, "/v1/responses", &body).json();
    let output = json!({ "type": "function_call_output", "call_id": said["output"][0]["call_id"], "output": "ok" });
    body["previous_response_id"] = said["id"].clone();
    body["input"] = json!([output]);
    let answer = post(&server, "/v1/responses", &body).json();
    assert_eq!(answer["output"][0]["content"][0]["text"], "Good");
    body["previous_response_id"] = json!("resp_other");
    let refused = post(&server, "/v1/responses", &body);
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("resp_other"));
}

#[test]
fn a_tool_that_takes_text_gets_text() {
    let server = served(json!({ "turns": [{ "calls": [{ "name": "patch", "arguments": "*** Begin\n+é" }] }] }));
    let mut body = first("/v1/responses", "Go", true);
    body["tools"] = json!([{ "type": "custom", "name": "patch" }]);
    let answer = post(&server, "/v1/responses", &body);
    let (_, last) = answer.events().pop().unwrap();
    assert_eq!(last["response"]["output"][0]["type"], "custom_tool_call");
    assert_eq!(last["response"]["output"][0]["input"], "*** Begin\n+é");
    assert!(answer.names().contains(&"response.custom_tool_call_input.delta".to_owned()));
}

#[test]
fn tokens_are_counted() {
    let server = server();
    let mut body = first("/v1/messages", "12345678", false);
    body.as_object_mut().unwrap().remove("max_tokens");
    let counted = post(&server, "/v1/messages/count_tokens?beta=true", &body);
    assert_eq!(counted.json(), json!({ "input_tokens": 2 }));
    body["messages"] = json!([]);
    assert_eq!(post(&server, "/v1/messages/count_tokens", &body).status, 400);
}

#[test]
fn models_are_listed_in_both_forms() {
    let server = server();
    let list = get(&server, "/v1/models").json();
    assert_eq!((&list["object"], &list["data"][0]["id"]), (&json!("list"), &json!("scripted")));
    let headers = [("anthropic-version", "2023-06-01")];
    let list = request(server.address(), "GET", "/v1/models", &headers, b"").json();
    assert_eq!((&list["has_more"], &list["data"][0]["type"]), (&json!(false), &json!("model")));
    assert_eq!(get(&server, "/v1/models/vendor/any").json()["id"], "vendor/any");
}

#[test]
fn the_prefix_of_a_path_is_the_clients_choice() {
    let server = served(json!({ "turns": [{ "text": "Here." }] }));
    for prefix in ["", "/v1", "/v1/v1", "/api/v1", "/anthropic", "/openai/v1/"] {
        for path in PATHS {
            let service = path.strip_prefix("/v1").unwrap();
            let answer = post(&server, &format!("{prefix}{service}"), &first(path, "Go", false));
            assert_eq!(answer.status, 200, "{prefix}{service}: {}", answer.text());
        }
    }
    for path in ["/", "/v2/messages", "/v1/completions", "/v1/messages/batches", "/v1/chat", "/v1/responses/resp_1"] {
        let answer = post(&server, path, &json!({}));
        assert_eq!(answer.status, 404, "{path}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(&format!("POST {path} is not served")) && message.contains("/v1/messages"),
            "{message}"
        );
    }
    assert_eq!(get(&server, "/v1/messages").status, 404);
}

#[test]
fn what_the_services_refuse_is_refused() {
    let server = served(json!({ "turns": [{ "text": "Here." }] }));
    let unanswered = json!([
        { "role": "user", "content": "Go" },
        { "role": "assistant", "content": [{ "type": "tool_use", "id": "toolu_1", "name": "bash", "input": {} }] },
        { "role": "user", "content": "And?" },
    ]);
    let unasked = json!([{ "role": "tool", "tool_call_id": "call_1", "content": "?" }]);
    let cases: &[(&str, &str, Value, &str)] = &[
        ("/v1/messages", "model", Value::Null, "model: field required"),
        ("/v1/messages", "max_tokens", Value::Null, "max_tokens: field required"),
        ("/v1/messages", "max_tokens", json!(0), "max_tokens"),
        ("/v1/messages", "messages", json!([]), "messages: at least one"),
        ("/v1/messages", "messages", json!([{ "role": "robot", "content": "" }]), "messages.0.role"),
        ("/v1/messages", "messages", json!([{ "role": "user" }]), "messages.0.content"),
        ("/v1/messages", "messages", unanswered, "\"toolu_1\" has no tool result"),
        ("/v1/messages", "stream", json!("yes"), "stream"),
        ("/v1/chat/completions", "messages", json!("hi"), "messages: a list"),
        ("/v1/chat/completions", "messages", unasked, "\"call_1\" belongs to no tool call"),
        ("/v1/chat/completions", "stream_options", json!({ "include_usage": true }), "stream_options"),
        ("/v1/responses", "input", Value::Null, "input: field required"),
        ("/v1/responses", "input", json!([]), "there is no message"),
        ("/v1/responses", "input", json!([{ "role": "robot" }]), "input[0].role"),
        ("/v1/responses", "input", json!([5]), "input[0]: an object"),
    ];
    for (path, field, value, wrong) in cases {
        let mut body = first(path, "Go", false);
        body[*field] = value.clone();
        let answer = post(&server, path, &body);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400, "{path} {field}");
        assert!(message.contains(wrong), "{path} {field}: {message}");
    }
    assert_eq!(server.complaints().len(), cases.len());
}

#[test]
fn errors_have_the_form_of_their_service() {
    let server = server();
    let script =
        json!({ "turns": [{ "text": "Never", "faults": [{ "status": 529, "times": 9, "retry_after": 1.2 }] }] });
    let answers: Vec<_> = PATHS.iter().map(|path| post(&server, path, &first(path, &prompt(&script), true))).collect();
    assert!(answers.iter().all(|answer| answer.status == 529));
    assert_eq!(answers[0].header("retry-after"), Some("2"));
    assert_eq!(answers[0].header("retry-after-ms"), Some("1200"));
    let [first, second, third] = [0, 1, 2].map(|index: usize| answers[index].json());
    assert_eq!((&first["type"], &first["error"]["type"]), (&json!("error"), &json!("overloaded_error")));
    assert_eq!(second["error"]["type"], "server_error");
    assert!(second["error"].as_object().unwrap().contains_key("param"));
    assert_eq!(third["error"], second["error"]);
}
