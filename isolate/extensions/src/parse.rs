//! Scripts of guests, parsed without risk for the host.
//!
//! The parser recurses natively and without a bound, and so does whatever walks or drops what it made: a few hundred kilobytes of
//! `(((((` would overflow the stack, which ends the process. So a script is parsed on a thread of its own with a large stack, and first
//! under a watch ([`watch`]) that ends the parse when its stack, a chain of operators, its steps or its guest's time are over. Only
//! what passes is parsed again for its tree. A panic of the parser's is an error of that script.

mod watch;

use deno_ast::swc::parser::{Syntax, TsSyntax};
use deno_ast::{
    EmitOptions, ImportsNotUsedAsValues, MediaType, ParseParams, ParsedSource, SourceMapOption, TranspileModuleOptions,
    TranspileOptions, TypeStripOptions,
};
use deno_core::url::Url;
use deno_error::JsErrorBox;
use std::sync::Arc;
use warren_share::{add_thread_cpu_nanos, thread_cpu_nanos};

pub use watch::{CHAIN_MAX, NESTING_BYTES_MAX, STEPS_MAX};

/// Stack of the thread that parses: room for trees of [`NESTING_BYTES_MAX`] and [`CHAIN_MAX`]. Address space; what a script does not
/// need is never touched.
const STACK_BYTES: usize = 1 << 30;

/// What a script without types is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examined {
    /// It has `import`, `export`, or something else that only a module has.
    pub is_module: bool,
    /// Names it gives to `exports`, as far as its text tells.
    pub exports: Vec<String>,
    /// Modules whose names it gives on.
    pub reexports: Vec<String>,
}

/// What is left of a script's types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// Blanks, so that everything stays where it was; what is no type is refused.
    Blanked,
    /// Nothing: enums and the like become code. With a source map in the text, or none.
    Transformed {
        /// Whether the text has one.
        source_map: bool,
    },
}

/// Finds out what a script is. `stop` says whether nobody wants to know any more.
///
/// # Errors
/// It is no script, or more than is parsed.
pub fn examine(url: &Url, text: &str, typed: bool, stop: impl Fn() -> bool + Send) -> Result<Examined, JsErrorBox> {
    let kind = if typed { MediaType::TypeScript } else { MediaType::JavaScript };
    apart(move || {
        let text = without_mark(text);
        let syntax = deno_ast::get_syntax(kind);
        if let Err(why) = watch::pass(text, syntax, false, &stop) {
            // Such as one that awaits and neither imports nor exports.
            return match watch::pass(text, syntax, true, &stop) {
                Ok(()) if why.is_of_its_text() => Ok(Examined { is_module: true, ..Examined::default() }),
                _ => Err(why.of(url)),
            };
        }
        let parsed = deno_ast::parse_program(params(url, text, kind)).map_err(|error| refused(&error))?;
        if !parsed.compute_is_script() {
            return Ok(Examined { is_module: true, ..Examined::default() });
        }
        let found = parsed.analyze_cjs();
        Ok(Examined { is_module: false, exports: found.exports, reexports: found.reexports })
    })
}

/// TypeScript without its types.
///
/// # Errors
/// It is none, or more than is parsed.
pub fn without_types(
    url: &Url,
    text: &str,
    types: Types,
    stop: impl Fn() -> bool + Send,
) -> Result<String, JsErrorBox> {
    apart(move || {
        let text = without_mark(text);
        let syntax = match types {
            Types::Blanked => Syntax::Typescript(TsSyntax {
                disallow_ambiguous_jsx_like: true,
                no_early_errors: true,
                ..TsSyntax::default()
            }),
            Types::Transformed { .. } => deno_ast::get_syntax(MediaType::TypeScript),
        };
        watch::pass(text, syntax, true, &stop).map_err(|why| why.of(url))?;
        match types {
            Types::Blanked => deno_ast::type_strip(url, text.to_owned(), TypeStripOptions { module: None })
                .map_err(|error| refused(&error)),
            Types::Transformed { source_map } => {
                let parsed = deno_ast::parse_module(params(url, text, MediaType::TypeScript));
                transformed(parsed.map_err(|error| refused(&error))?, source_map)
            }
        }
    })
}

fn transformed(parsed: ParsedSource, source_map: bool) -> Result<String, JsErrorBox> {
    let options = TranspileOptions { imports_not_used_as_values: ImportsNotUsedAsValues::Remove, ..Default::default() };
    let source_map = if source_map { SourceMapOption::Inline } else { SourceMapOption::None };
    let emit = EmitOptions { source_map, ..Default::default() };
    let emitted = parsed.transpile(&options, &TranspileModuleOptions::default(), &emit);
    Ok(emitted.map_err(|error| refused(&error))?.into_source().text)
}

fn params(url: &Url, text: &str, media_type: MediaType) -> ParseParams {
    let text: Arc<str> = text.into();
    ParseParams {
        specifier: url.clone(),
        text,
        media_type,
        capture_tokens: false,
        scope_analysis: false,
        maybe_syntax: None,
    }
}

/// The parser takes none of these.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn refused(error: &dyn std::fmt::Display) -> JsErrorBox {
    let text = error.to_string();
    JsErrorBox::new("SyntaxError", text.strip_prefix("SyntaxError: ").map(str::to_owned).unwrap_or(text))
}

/// Works on a thread with a large stack, which is gone afterwards. Its time is the caller's.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, JsErrorBox> + Send) -> Result<T, JsErrorBox> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("parse".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || (work(), thread_cpu_nanos()));
        let thread = thread.map_err(|error| JsErrorBox::generic(format!("no thread to parse a script on: {error}")))?;
        let Ok((worked, used)) = thread.join() else {
            return Err(JsErrorBox::new("SyntaxError", "the script cannot be parsed"));
        };
        add_thread_cpu_nanos(used);
        worked
    })
}

#[cfg(test)]
mod tests {
    use super::{apart, thread_cpu_nanos};
    use deno_error::JsErrorBox;

    /// Processor time the thread apart takes.
    const MUCH: u64 = 20_000_000;

    #[test]
    fn the_time_it_takes_is_the_callers() {
        let before = thread_cpu_nanos();
        let worked = apart(|| {
            while thread_cpu_nanos() < MUCH {}
            Ok(7)
        });
        assert_eq!(worked.ok(), Some(7));
        assert!(thread_cpu_nanos() - before >= MUCH);
    }

    #[test]
    fn what_fails_or_panics_is_an_error() {
        let failed = apart(|| Err::<(), _>(JsErrorBox::new("SyntaxError", "so"))).unwrap_err();
        assert_eq!(failed.to_string(), "so");
        let panicked = apart::<()>(|| panic!("in the parser")).unwrap_err();
        assert_eq!(panicked.to_string(), "the script cannot be parsed");
    }
}
