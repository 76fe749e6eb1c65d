//! Scripts in the text of a prompt, so that any number of conversations can use one server with scripts of their own.

use super::{SCRIPT_BYTES_MAX, Script, ScriptError, error};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde_json::Value;
use std::ops::Range;

/// How a fenced script begins, on a line of its own.
const FENCE: &str = "```script";
/// How a script in the middle of a text begins.
const MARK: &str = "[[script:";
/// And how it ends.
const MARK_END: &str = "]]";
const NO_END: &str = "its mark has no end: ]] after it";

/// The script of a prompt, and where it stands there: a fenced block, in JSON or TOML, or a mark with JSON or base64. `None` if
/// there is neither.
///
/// # Errors
/// What is wrong with the script.
pub(crate) fn find(prompt: &str) -> Result<Option<(Range<usize>, Script)>, ScriptError> {
    let found = match (fenced(prompt), prompt.find(MARK)) {
        (Some(fence), mark) if mark.is_none_or(|mark| fence < mark) => block(prompt, fence),
        (_, Some(mark)) => marked(prompt, mark),
        _ => return Ok(None),
    };
    found.map(Some).map_err(|why| error(&format!("in the prompt, {}", why.place), why.reason))
}

/// Where the line of a fence begins, if there is one.
fn fenced(prompt: &str) -> Option<usize> {
    let mut at = 0;
    for line in prompt.split_inclusive('\n') {
        if line.trim() == FENCE {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// What stands between a fence and the next.
fn block(prompt: &str, fence: usize) -> Result<(Range<usize>, Script), ScriptError> {
    let begin = prompt[fence..].find('\n').map_or(prompt.len(), |line| fence + line + 1);
    let mut end = begin;
    for line in prompt[begin..].split_inclusive('\n') {
        if line.trim() == "```" {
            return Ok((fence..end + line.len(), Script::parse(&prompt[begin..end])?));
        }
        end += line.len();
    }
    Err(error("the script", "its block has no end: ``` on a line of its own"))
}

/// One JSON value, or a script in base64, and `]]`.
fn marked(prompt: &str, mark: usize) -> Result<(Range<usize>, Script), ScriptError> {
    let begin = mark + MARK.len();
    let text = &prompt[begin..];
    if !text.trim_start().starts_with('{') {
        let end = text.find(MARK_END).ok_or_else(|| error("the script", NO_END))?;
        return Ok((mark..begin + end + MARK_END.len(), encoded(text[..end].trim())?));
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let value = match values.next() {
        Some(value) => value.map_err(|why| error("JSON", why))?,
        None => return Err(error("the script", NO_END)),
    };
    if values.byte_offset() > SCRIPT_BYTES_MAX {
        return Err(error("the script", format!("may have {SCRIPT_BYTES_MAX} bytes")));
    }
    let after = text[values.byte_offset()..].trim_start();
    if !after.starts_with(MARK_END) {
        return Err(error("the script", NO_END));
    }
    Ok((mark..prompt.len() - after.len() + MARK_END.len(), Script::from_value(value)?))
}

/// A script in base64, which no shell and no client changes.
fn encoded(text: &str) -> Result<Script, ScriptError> {
    let bytes = BASE64.decode(text).map_err(|why| error("the script", format!("is neither JSON nor base64: {why}")))?;
    let text = String::from_utf8(bytes).map_err(|why| error("the script", why))?;
    Script::parse(&text)
}
