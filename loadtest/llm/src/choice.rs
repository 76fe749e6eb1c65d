//! Which turn answers a request, and what it has to say there.
#[cfg(test)]
mod tests;

use crate::conversation::{Ask, call_id};
use crate::script::{Condition, Script, Stop, Turn, Usage};
use axum::http::HeaderMap;
use serde_json::Value;

/// Bytes that placeholders of one turn may become.
const FILLED_BYTES_MAX: usize = 1024 * 1024;
/// Characters of a text that an error repeats.
const SHOWN_CHARS: usize = 300;
/// What is answered to a request for a title, unless the script says.
pub(crate) const ASIDE: &str = "An aside: no tools are offered.";

/// A request with all that conditions ask about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) ask: &'a Ask,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Value,
    /// Assistant turns that are already there.
    pub(crate) turn: usize,
    /// The last words of the user, without their script.
    pub(crate) prompt: &'a str,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    /// The turn with this index in the script.
    Turn(usize, &'a Turn),
    /// A request without tools, to a script that calls some.
    Aside(&'a str),
}

/// What a turn says, in no protocol yet.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) thinking: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<SaidCall>,
    pub(crate) stop: Stop,
    pub(crate) usage: Usage,
}

#[derive(Clone, Debug)]
pub(crate) struct SaidCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON as text, or for tools that take text, the text.
    pub(crate) arguments: String,
    /// The same, where a protocol has it as JSON; nothing for arguments that are wrong on purpose.
    pub(crate) value: Option<Value>,
    pub(crate) custom: bool,
}

/// The turn for a request.
///
/// # Errors
/// That the script has none left.
pub(crate) fn choose<'a>(script: &'a Script, asked: Asked<'_>) -> Result<Choice<'a>, String> {
    if asked.ask.tools.is_empty() && script.calls() {
        return Ok(Choice::Aside(script.aside.as_deref().unwrap_or(ASIDE)));
    }
    let matched = script
        .turns
        .iter()
        .enumerate()
        .find(|(_, turn)| turn.when.as_ref().is_some_and(|when| unmet(when, asked).is_empty()));
    if let Some((index, turn)) = matched {
        return Ok(Choice::Turn(index, turn));
    }
    let ordered: Vec<(usize, &Turn)> =
        script.turns.iter().enumerate().filter(|(_, turn)| turn.when.is_none()).collect();
    let at = match script.repeat && !ordered.is_empty() {
        true => asked.turn % ordered.len(),
        false => asked.turn,
    };
    match ordered.get(at) {
        Some((index, turn)) => Ok(Choice::Turn(*index, turn)),
        None => Err(format!(
            "the script {:?} has no turn {at}: {} answer in their order, and no `when` holds",
            script.name,
            ordered.len()
        )),
    }
}

/// What does not hold of a condition, each as a sentence.
pub(crate) fn unmet(condition: &Condition, asked: Asked<'_>) -> Vec<String> {
    let Asked { ask, headers, body, turn, prompt } = asked;
    let mut wrong = Vec::new();
    if condition.turn.is_some_and(|wanted| wanted != turn) {
        wrong.push(format!("it has to be turn {}, and is {turn}", condition.turn.unwrap_or_default()));
    }
    let results = ask.history.last_results();
    let texts = [
        ("the prompt", &condition.prompt, prompt),
        ("the tool result", &condition.tool_result, results.as_str()),
        ("the system prompt", &condition.system, ask.system.as_str()),
        ("the model", &condition.model, ask.model.as_str()),
    ];
    for (what, pattern, text) in texts {
        if let Some(pattern) = pattern.as_ref().filter(|pattern| !pattern.holds(text)) {
            wrong.push(format!("{what} has to {pattern}, and is {}", shown(text)));
        }
    }
    for name in condition.tools.iter().filter(|name| ask.offers(name).is_none()) {
        wrong.push(format!("the tool {name:?} has to be offered, and there are {}", offered(ask)));
    }
    for (name, pattern) in &condition.headers {
        let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
        if !pattern.holds(&text) {
            // A header may be a secret: its value is not repeated.
            wrong.push(format!("the header {name:?} has to {pattern}, and does not"));
        }
    }
    for (pointer, wanted) in &condition.body {
        let found = body.pointer(pointer).unwrap_or(&Value::Null);
        if found != wanted {
            wrong.push(format!("{pointer} has to be {wanted}, and is {}", shown(&found.to_string())));
        }
    }
    wrong
}

impl Said {
    /// What a turn says to a request.
    ///
    /// # Errors
    /// A tool that is called and not offered.
    pub(crate) fn new(turn: &Turn, asked: Asked<'_>, identity: u64, prefix: &str) -> Result<Said, String> {
        let ask = asked.ask;
        let mut filler = Filler::new(asked);
        let (thinking, text) = (filler.text(&turn.thinking), filler.text(&turn.text));
        let mut calls = Vec::with_capacity(turn.calls.len());
        for (number, call) in turn.calls.iter().enumerate() {
            let tool = ask.offers(&call.name);
            if tool.is_none() && !call.unoffered {
                return Err(format!("the script calls {:?}, and the request offers {}", call.name, offered(ask)));
            }
            let custom = tool.is_some_and(|tool| tool.custom);
            let value = filler.value(&call.arguments);
            let arguments = match (&call.raw_arguments, &value) {
                (Some(raw), _) => raw.clone(),
                (None, Value::String(text)) if custom => text.clone(),
                (None, value) => value.to_string(),
            };
            let value = call.raw_arguments.is_none().then_some(value);
            let id = call.id.clone().unwrap_or_else(|| call_id(prefix, identity, number));
            calls.push(SaidCall { id, name: call.name.clone(), arguments, value, custom });
        }
        let stop = turn.stop.unwrap_or(if calls.is_empty() { Stop::End } else { Stop::Tool });
        let usage = turn.usage.unwrap_or_else(|| {
            let said = text.len() + calls.iter().map(|call| call.name.len() + call.arguments.len()).sum::<usize>();
            let thought = tokens(thinking.len());
            Usage { input: input_tokens(ask), output: tokens(said) + thought, thinking: thought, ..Usage::default() }
        });
        Ok(Said { thinking, text, calls, stop, usage })
    }

    /// A text and nothing else.
    pub(crate) fn text(text: &str, ask: &Ask) -> Said {
        let usage = Usage { input: input_tokens(ask), output: tokens(text.len()), ..Usage::default() };
        Said { thinking: String::new(), text: text.to_owned(), calls: Vec::new(), stop: Stop::End, usage }
    }
}

/// What a request would cost: a quarter of its bytes.
pub(crate) fn input_tokens(ask: &Ask) -> u64 {
    tokens(ask.system.len() + ask.history.bytes())
}

/// At least one.
fn tokens(bytes: usize) -> u64 {
    (bytes as u64 / 4).max(u64::from(bytes > 0))
}

fn offered(ask: &Ask) -> String {
    match ask.tools.is_empty() {
        true => "no tools".to_owned(),
        false => ask.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// Fills the placeholders of one turn. What is put in is not looked at again.
#[derive(Debug)]
struct Filler<'a> {
    prompt: &'a str,
    results: String,
    /// Bytes that may still be put in.
    room: usize,
}

impl<'a> Filler<'a> {
    fn new(asked: Asked<'a>) -> Filler<'a> {
        Filler { prompt: asked.prompt, results: asked.ask.history.last_results(), room: FILLED_BYTES_MAX }
    }

    fn text(&mut self, text: &str) -> String {
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, from)) = rest.split_once("{{") {
            whole.push_str(before);
            if let Some(after) = from.strip_prefix("prompt}}") {
                whole.push_str(cut(self.prompt, &mut self.room));
                rest = after;
            } else if let Some(after) = from.strip_prefix("tool_result}}") {
                whole.push_str(cut(&self.results, &mut self.room));
                rest = after;
            } else {
                whole.push_str("{{");
                rest = from;
            }
        }
        whole.push_str(rest);
        whole
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(list) => Value::Array(list.iter().map(|value| self.value(value)).collect()),
            Value::Object(map) => {
                Value::Object(map.iter().map(|(key, value)| (key.clone(), self.value(value))).collect())
            }
            other => other.clone(),
        }
    }
}

/// As much of a text as there is room for.
fn cut<'t>(text: &'t str, room: &mut usize) -> &'t str {
    let end = text.floor_char_boundary(*room);
    *room -= end;
    &text[..end]
}

/// The beginning of a text, quoted.
fn shown(text: &str) -> String {
    let mut beginning: String = text.chars().take(SHOWN_CHARS).collect();
    if beginning.len() < text.len() {
        beginning.push('…');
    }
    format!("{beginning:?}")
}
