//! The one place that prints.
#![allow(clippy::print_stdout, reason = "this is where the binary prints")]

use std::fmt::Display;
use std::io::Write;

/// A line on standard output. A reader that went away is no error.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
    let _ = std::io::stdout().flush();
}

/// A note on standard error.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "warren-scripted-llm: {text}");
}
