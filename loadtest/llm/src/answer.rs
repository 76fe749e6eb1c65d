//! From a request to its answer.
//!
//! ```text
//! body ──protocol──▶ Ask ──script──▶ place ──▶ turn ──▶ expectations ──▶ fault, or what the turn says ──▶ the wire
//! ```
//! Whatever ends it before is an error of the protocol that the client speaks, and stands in the log.

use crate::choice::{ASIDE, Asked, Choice, Said, choose, input_tokens, unmet};
use crate::conversation::Ask;
use crate::log::{Entry, headers};
use crate::protocol::{Meta, Protocol, anthropic};
use crate::script::{Fault, FaultKind, Pace, Turn};
use crate::server::Inner;
use crate::wire::{DELTA_CHARS, End, Event, Plan, text};
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::OwnedSemaphorePermit;

/// The header by which some clients name a conversation.
const SESSION: &str = "session_id";

/// A request that gets an error.
#[derive(Debug)]
struct Refusal {
    status: u16,
    message: String,
}

/// What was decided for a request.
struct Decided {
    said: Said,
    fault: Option<Fault>,
    pace: Pace,
}

/// A request to a model, and what is known of it so far.
struct Exchange<'a> {
    inner: &'a Arc<Inner>,
    protocol: Protocol,
    entry: Entry,
    /// Different for every answer.
    id: String,
    logged: bool,
    /// Its place among those that are answered; given back when the answer is sent.
    slot: Option<OwnedSemaphorePermit>,
}

/// Answers a request to a model, and keeps it in the log.
pub(crate) async fn answer(
    inner: &Arc<Inner>,
    slot: OwnedSemaphorePermit,
    protocol: Protocol,
    counting: bool,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let entry = Entry {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        protocol: Some(protocol),
        headers: headers(&parts.headers),
        ..Entry::default()
    };
    let mut exchange = Exchange { inner, protocol, entry, id: inner.next_id(), logged: false, slot: Some(slot) };
    let read = match inner.allowed(&parts.headers) {
        true => exchange.read(&parts.headers, body).await,
        false => Err(refusal(401, "the key is not the one that this server was given")),
    };
    let value = match read {
        Ok(value) => value,
        Err(refusal) => return exchange.refuse(refusal),
    };
    let ask = match exchange.ask(&value, counting) {
        Ok(ask) => ask,
        Err(refusal) => return exchange.refuse(refusal),
    };
    if counting {
        return exchange.json(200, &json!({ "input_tokens": input_tokens(&ask) }));
    }
    let decided = match exchange.decide(&ask, &parts.headers, &value) {
        Ok(decided) => decided,
        Err(refusal) => return exchange.refuse(refusal),
    };
    tokio::time::sleep(Duration::from_millis(decided.pace.first_byte_ms.unwrap_or(0))).await;
    exchange.send(decided, &ask, &value)
}

impl Exchange<'_> {
    /// The body as JSON.
    async fn read(&mut self, headers: &HeaderMap, body: Body) -> Result<Value, Refusal> {
        if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|value| *value != "identity") {
            return Err(refusal(415, format!("content-encoding {encoding:?}: send the body as it is")));
        }
        let max = self.inner.options.body_bytes_max;
        let Ok(bytes) = axum::body::to_bytes(body, max).await else {
            return Err(refusal(413, format!("the body did not arrive whole, or has more than {max} bytes")));
        };
        self.entry.body = bytes.clone();
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(_) => Err(refusal(400, "the body has to be a JSON object")),
            Err(why) => Err(refusal(400, format!("the body is no JSON: {why}"))),
        }
    }

    /// What is asked for, with all that was said before.
    fn ask(&mut self, body: &Value, counting: bool) -> Result<Ask, Refusal> {
        let bad = |why: String| refusal(400, why);
        let mut ask = self.protocol.read(body).map_err(bad)?;
        self.entry.stream = ask.stream;
        if self.protocol == Protocol::Anthropic && !counting {
            anthropic::require_max_tokens(body).map_err(bad)?;
        }
        if let Some(previous) = body["previous_response_id"].as_str() {
            let before = self.inner.stored.get(previous);
            let before = before.ok_or_else(|| refusal(400, format!("previous_response_id: {previous:?} not found")))?;
            ask.history = std::mem::take(&mut ask.history).following(before);
        }
        ask.history.check().map_err(|why| bad(format!("messages: {why}")))?;
        Ok(ask)
    }

    fn decide(&mut self, ask: &Ask, headers: &HeaderMap, body: &Value) -> Result<Decided, Refusal> {
        let inner = self.inner;
        let place = ask.history.place(inner.options.script.as_ref()).map_err(|why| refusal(400, why.to_string()))?;
        self.entry.turn = Some(place.turn);
        let script = match (place.script, &inner.options.script) {
            (Some(script), _) => Cow::Owned(script),
            (None, Some(script)) => Cow::Borrowed(script),
            // Agents whose prompts bring scripts also ask about other things, in words of their own.
            (None, None) if ask.tools.is_empty() => {
                return Ok(Decided { said: Said::text(ASIDE, ask), fault: None, pace: inner.options.pace });
            }
            (None, None) => {
                return Err(refusal(400, "there is no script: neither the server nor the prompt brings one"));
            }
        };
        let asked = Asked { ask, headers, body, turn: place.turn, prompt: &place.prompt };
        let (turn, index) = match choose(&script, asked).map_err(|why| refusal(400, why))? {
            Choice::Turn(index, turn) => (turn.clone(), index),
            Choice::Aside(text) => {
                let (said, pace) = (Said::text(text, ask), script.pace.or(inner.options.pace));
                return Ok(Decided { said, fault: None, pace });
            }
        };
        self.entry.answered_by = Some(index);
        self.entry.unmet = unmet(&turn.expect, asked);
        if !self.entry.unmet.is_empty() {
            return Err(refusal(400, format!("turn {index} of the script: {}", self.entry.unmet.join("; "))));
        }
        let session = headers.get(SESSION).map(HeaderValue::as_bytes).unwrap_or_default();
        let identity = ask.identity(self.protocol, &inner.credential(headers), &String::from_utf8_lossy(session));
        let said = Said::new(&turn, asked, identity, self.protocol.call_prefix())
            .map_err(|why| refusal(400, format!("turn {index} of the script: {why}")))?;
        let fault = self.fault(&turn, identity);
        let pace = turn.pace.or(script.pace).or(inner.options.pace);
        Ok(Decided { said, fault, pace })
    }

    /// What goes wrong with this attempt.
    fn fault(&mut self, turn: &Turn, identity: u64) -> Option<Fault> {
        if turn.faults.is_empty() {
            return None;
        }
        self.entry.attempt = self.inner.attempts.count(identity);
        let mut before = self.entry.attempt;
        let fault = turn.faults.iter().find(|fault| {
            let meets = before < fault.times;
            before = before.saturating_sub(fault.times);
            meets
        });
        self.entry.fault = fault.map(|fault| fault.to_string());
        fault.cloned()
    }

    fn send(mut self, decided: Decided, ask: &Ask, body: &Value) -> Response<Body> {
        let Decided { said, fault, pace } = decided;
        if let Some(FaultKind::Status { status, retry_after, message, after }) = fault.as_ref().map(|fault| &fault.kind)
            && (after.is_none() || !ask.stream)
        {
            let mut response = self.refuse(failure(*status, message.as_deref()));
            retry(response.headers_mut(), *retry_after);
            return response;
        }
        let created = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        let delta_chars = pace.delta_chars.unwrap_or(DELTA_CHARS);
        let meta = Meta { id: self.id.clone(), created, delta_chars };
        let plan = match ask.stream {
            true => {
                let events: Vec<Event> = self.protocol.stream(&said, ask, &meta, body);
                Plan::stream(&events, pace, fault.as_ref(), |status, message| {
                    let failure = failure(status, message);
                    self.protocol.failure_event(failure.status, &failure.message, &self.id)
                })
            }
            false => {
                let whole = self.protocol.whole(&said, ask, &meta, body);
                Plan::whole(Bytes::from(text(&whole, pace)), fault.as_ref())
            }
        };
        if self.protocol == Protocol::Responses && body["store"] != json!(false) {
            let mut history = ask.history.clone();
            history.said(said.calls.iter().map(|call| call.id.clone()).collect());
            self.inner.stored.keep(format!("resp_{}", self.id), history);
        }
        self.entry.status = 200;
        let kind = if ask.stream { "text/event-stream; charset=utf-8" } else { "application/json" };
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if ask.stream {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
        self.name(response.headers_mut());
        let number = self.log();
        let (inner, slot) = (Arc::clone(self.inner), self.slot.take());
        *response.body_mut() = plan.body(pace, move |end| {
            inner.log.end(number, end);
            drop(slot);
        });
        response
    }

    /// An answer that the script has no part in.
    fn json(mut self, status: u16, value: &Value) -> Response<Body> {
        self.entry.status = status;
        self.entry.end = End::Whole;
        let mut response = json_response(status, value);
        self.name(response.headers_mut());
        self.log();
        response
    }

    fn refuse(mut self, refusal: Refusal) -> Response<Body> {
        let Refusal { status, message } = refusal;
        let value = self.protocol.failure(status, &message, &self.id);
        self.entry.error = Some(message);
        self.json(status, &value)
    }

    /// Puts it into the log as it is now, and answers its number there.
    fn log(&mut self) -> u64 {
        self.logged = true;
        self.inner.log.add(std::mem::take(&mut self.entry))
    }

    fn name(&self, headers: &mut HeaderMap) {
        let id = HeaderValue::try_from(format!("req_{}", self.id)).expect("an id is ASCII");
        headers.insert(self.protocol.id_header(), id);
    }
}

/// A client that left before its answer began stands in the log, too, with status 0.
impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if !self.logged {
            self.entry.end = End::Left;
            self.log();
        }
    }
}

/// An answer in JSON.
pub(crate) fn json_response(status: u16, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).expect("it is from 200 to 599");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The error that a script asks for.
fn failure(status: u16, message: Option<&str>) -> Refusal {
    let usual = match status {
        401 => "The key is not valid.",
        403 => "The key may not do this.",
        413 => "The request is too large.",
        429 => "Too many requests: wait, and try again.",
        503 | 529 => "The service is overloaded: try again later.",
        status if status < 500 => "The request is not valid.",
        _ => "The service failed.",
    };
    refusal(status, message.unwrap_or(usual))
}

/// When to try again: in whole seconds, and for clients who read it in milliseconds.
fn retry(headers: &mut HeaderMap, seconds: Option<f64>) {
    let Some(seconds) = seconds else { return };
    let whole = HeaderValue::from(seconds.ceil() as u64);
    headers.insert(RETRY_AFTER, whole);
    headers.insert("retry-after-ms", HeaderValue::from((seconds * 1000.0) as u64));
}

fn refusal(status: u16, message: impl Into<String>) -> Refusal {
    Refusal { status, message: message.into() }
}
