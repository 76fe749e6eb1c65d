//! A request as all protocols mean it: who said what, and which turn is asked for.
//!
//! ```text
//! prompt ─▶ assistant (call 1, call 2) ─▶ results ─▶ assistant (text) ─▶ prompt ─▶ ?
//!           turn 0                                   turn 1                        turn 0, or 2 by conversation
//! ```
//! Nothing is remembered between requests: which turn it is follows from the request alone. So it works after a restart of
//! the server, for any number of agents at once, and when a client sends a request again.
#[cfg(test)]
mod tests;

use crate::protocol::Protocol;
use crate::script::{Scope, Script, ScriptError, embedded};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Hexadecimal digits by which the calls of one turn know each other, in ids made by [`call_id`].
const TURN_DIGITS: usize = 16;
/// And those that number them.
const CALL_DIGITS: usize = 2;

/// What a client asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    /// Whether a stream of chat completions ends with the usage.
    pub(crate) usage_in_stream: bool,
    pub(crate) system: String,
    pub(crate) tools: Vec<Offered>,
    pub(crate) history: History,
    /// What the client calls the conversation, if it does.
    pub(crate) label: String,
}

/// A tool that a request offers.
#[derive(Clone, Debug)]
pub(crate) struct Offered {
    pub(crate) name: String,
    /// Takes text in place of JSON.
    pub(crate) custom: bool,
}

/// What was said so far.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct History(Vec<Message>);

#[derive(Clone, Debug, Hash)]
enum Message {
    /// The user's own words.
    Prompt(String),
    /// One turn of the model: the ids of its calls.
    Turn(Vec<String>),
    /// What its tools gave.
    Results(Vec<ToolResult>),
}

#[derive(Clone, Debug, Hash)]
struct ToolResult {
    call: String,
    text: String,
}

/// The script of a conversation, and how far it is.
#[derive(Debug)]
pub(crate) struct Place {
    /// The one in a prompt, if there is one.
    pub(crate) script: Option<Script>,
    /// Assistant turns that are already there.
    pub(crate) turn: usize,
    /// The last words of the user, without their script.
    pub(crate) prompt: String,
}

impl History {
    pub(crate) fn prompt(&mut self, text: String) {
        self.0.push(Message::Prompt(text));
    }

    /// Words of the model, or calls. What it says without anybody else speaking is one turn. So are its calls in one
    /// turn even if their results stand between them, as some clients send them.
    pub(crate) fn said(&mut self, calls: Vec<String>) {
        let mark = calls.first().and_then(|id| turn_mark(id).map(str::to_owned));
        for message in self.0.iter_mut().rev() {
            match message {
                Message::Prompt(_) => break,
                Message::Results(_) => {}
                Message::Turn(before) => {
                    let same = mark.is_some() && before.first().and_then(|id| turn_mark(id)) == mark.as_deref();
                    if !same {
                        break;
                    }
                    before.extend(calls);
                    return;
                }
            }
        }
        match self.0.last_mut() {
            Some(Message::Turn(before)) => before.extend(calls),
            _ => self.0.push(Message::Turn(calls)),
        }
    }

    pub(crate) fn result(&mut self, call: String, text: String) {
        let result = ToolResult { call, text };
        match self.0.last_mut() {
            Some(Message::Results(results)) => results.push(result),
            _ => self.0.push(Message::Results(vec![result])),
        }
    }

    /// All of another, and then this.
    pub(crate) fn following(mut self, mut before: History) -> History {
        before.0.append(&mut self.0);
        before
    }

    /// Bytes of what was said.
    pub(crate) fn bytes(&self) -> usize {
        let bytes = self.0.iter().map(|message| match message {
            Message::Prompt(text) => text.len(),
            Message::Turn(calls) => calls.iter().map(String::len).sum(),
            Message::Results(results) => results.iter().map(|result| result.call.len() + result.text.len()).sum(),
        });
        bytes.sum()
    }

    /// Whether every call has a result and every result a call, as the services require.
    ///
    /// # Errors
    /// The first call or result for which that does not hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.0.is_empty() {
            return Err("there is no message".to_owned());
        }
        let (mut last, mut open, mut known) = (&[][..], HashSet::new(), HashSet::new());
        for message in &self.0 {
            match message {
                Message::Prompt(_) | Message::Turn(_) if !open.is_empty() => break,
                Message::Prompt(_) => {}
                Message::Turn(calls) => {
                    open.extend(calls);
                    known.extend(calls);
                    last = calls.as_slice();
                }
                Message::Results(results) => {
                    for ToolResult { call, .. } in results {
                        if !known.contains(call) {
                            return Err(format!("the tool result {call:?} belongs to no tool call before it"));
                        }
                        open.remove(call);
                    }
                }
            }
        }
        match last.iter().find(|call| open.contains(call)) {
            Some(call) => Err(format!("the tool call {call:?} has no tool result after it")),
            None => Ok(()),
        }
    }

    /// What tools gave since the last turn, line by line.
    pub(crate) fn last_results(&self) -> String {
        let since = self.0.iter().rposition(|message| matches!(message, Message::Turn(_))).unwrap_or(0);
        let results = self.0[since..].iter().flat_map(|message| match message {
            Message::Results(results) => results.as_slice(),
            _ => &[],
        });
        results.map(|result| result.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// Where a conversation is: by the last prompt that brings a script, or else by `served`.
    ///
    /// # Errors
    /// What is wrong with the script in the prompt.
    pub(crate) fn place(&self, served: Option<&Script>) -> Result<Place, ScriptError> {
        let mut prompt: Option<String> = None;
        for (at, message) in self.0.iter().enumerate().rev() {
            let Message::Prompt(text) = message else { continue };
            let found = embedded::find(text)?;
            let prompt = prompt.get_or_insert_with(|| match &found {
                Some((range, _)) => [&text[..range.start], &text[range.end..]].concat(),
                None => text.clone(),
            });
            if let Some((_, script)) = found {
                let turn = self.turns(script.scope, at);
                return Ok(Place { script: Some(script), turn, prompt: std::mem::take(prompt) });
            }
        }
        let scope = served.map(|script| script.scope).unwrap_or_default();
        Ok(Place { script: None, turn: self.turns(scope, 0), prompt: prompt.unwrap_or_default() })
    }

    /// The model's turns after the last prompt or, by conversation, after the message at `start`.
    fn turns(&self, scope: Scope, start: usize) -> usize {
        let from = match scope {
            Scope::Conversation => start,
            Scope::Prompt => self.0.iter().rposition(|message| matches!(message, Message::Prompt(_))).unwrap_or(0),
        };
        self.0[from..].iter().filter(|message| matches!(message, Message::Turn(_))).count()
    }
}

impl Ask {
    /// The same for every attempt at one turn of one conversation, and different for all others: how and what was
    /// said, who asks, and what the client calls the conversation.
    pub(crate) fn identity(&self, protocol: Protocol, credential: &str, session: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        (protocol, &self.history, &self.label, credential, session).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn offers(&self, name: &str) -> Option<&Offered> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

/// The id of a call, by which those of one turn can be told from those of others.
pub(crate) fn call_id(prefix: &str, identity: u64, number: usize) -> String {
    format!("{prefix}{identity:0TURN_DIGITS$x}{number:0CALL_DIGITS$x}")
}

/// What the ids of one turn share; nothing for ids that others made.
fn turn_mark(id: &str) -> Option<&str> {
    let (_, digits) = id.split_once('_')?;
    let ours = digits.len() == TURN_DIGITS + CALL_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| &digits[..TURN_DIGITS])
}
