//! The one place that prints.
#![allow(clippy::print_stdout, reason = "this is where the binary prints")]

use std::fmt::Display;
use std::io::Write;

/// A line on standard output. A reader that went away is no error.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line on standard output, of something that goes on for as long as somebody reads it.
///
/// # Errors
/// Nobody reads it any more, or it cannot be kept where it goes.
pub(crate) fn next_line(text: impl Display) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{text}")
}

/// Bytes on standard output, as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = std::io::stdout();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// A note on standard error. Names that it tells may come from a session: a terminal is shown no control characters.
pub(crate) fn note(text: impl Display) {
    let shown = |character: char| match character {
        '\n' | '\t' => character,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    let text: String = text.to_string().chars().map(shown).collect();
    let _ = writeln!(std::io::stderr(), "warren: {text}");
}

/// An error with its causes.
pub(crate) fn error(error: &(dyn std::error::Error + 'static)) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    note(text);
}
