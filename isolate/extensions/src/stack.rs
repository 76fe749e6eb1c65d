//! Stacks and the places of errors as Node shows them: a file of CommonJS by its path, a module by its URL, and what is Node's own
//! by `node:`.

use deno_core::v8;
use std::borrow::Cow;

/// What stands for an error's stack when a script reads it: `Error.prepareStackTrace` of the program's, if it has one.
pub fn prepare<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> v8::Local<'s, v8::Value> {
    remember(scope, error, sites);
    if let Some((constructor, prepare)) = programs_own(scope) {
        let prepared = prepare.call(scope, constructor.into(), &[error, sites.into()]);
        return prepared.unwrap_or_else(|| v8::undefined(scope).into());
    }
    let text = if sites.length() == 0 { with_code(scope, error) } else { formatted(scope, error, sites) };
    v8::String::new(scope, &text).map_or_else(|| v8::undefined(scope).into(), Into::into)
}

/// The frames of the first error of an isolate, which is one of ours.
struct First(v8::Global<v8::Array>);

/// What the engine's wrapper looks for, to know an error that was thrown from one that says why a module was not found, which it
/// replaces by another with another code. None is to be replaced: one without frames has those of our first error, which nobody
/// sees.
fn remember<'s>(scope: &mut v8::PinScope<'s, '_>, error: v8::Local<'s, v8::Value>, sites: v8::Local<'s, v8::Array>) {
    let Ok(error) = v8::Local::<v8::Object>::try_from(error) else { return };
    let sites = if sites.length() > 0 {
        if scope.get_slot::<First>().is_none() {
            let first = First(v8::Global::new(scope, sites));
            scope.set_slot(first);
        }
        sites
    } else {
        take_code(scope, error);
        let Some(first) = scope.get_slot::<First>().map(|first| first.0.clone()) else { return };
        v8::Local::new(scope, first)
    };
    let name = v8::String::new(scope, "deno_core::call_site_evals");
    let key = v8::Private::for_api(scope, name);
    error.set_private(scope, key, sites.into());
}

/// Codes of the loader's errors, without their beginning, that are type errors by Node. The engine's wrapper makes all of them such.
const TYPE_ERRORS: &[&str] = &[
    "IMPORT_ATTRIBUTE_MISSING",
    "IMPORT_ATTRIBUTE_TYPE_INCOMPATIBLE",
    "IMPORT_ATTRIBUTE_UNSUPPORTED",
    "INVALID_MODULE_SPECIFIER",
    "PACKAGE_IMPORT_NOT_DEFINED",
    "UNKNOWN_FILE_EXTENSION",
];

/// An error of the loader, which has no frames, has its code before its message: it becomes a property.
fn take_code<'s>(scope: &mut v8::PinScope<'s, '_>, error: v8::Local<'s, v8::Object>) {
    let message = property(scope, error, "message").map(|message| message.to_rust_string_lossy(scope));
    let rest = message.as_deref().and_then(|message| message.strip_prefix("[ERR_"));
    let Some((code, message)) = rest.and_then(|rest| rest.split_once("] ")) else { return };
    if code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
        let plain = v8::String::empty(scope);
        let plain = v8::Local::<v8::Object>::try_from(v8::Exception::error(scope, plain));
        if !TYPE_ERRORS.contains(&code)
            && let Some(prototype) = plain.ok().and_then(|plain| plain.get_prototype(scope))
        {
            error.set_prototype(scope, prototype);
        }
        for (key, value, attributes) in [
            ("code", format!("ERR_{code}"), v8::PropertyAttribute::NONE),
            ("message", message.to_owned(), v8::PropertyAttribute::DONT_ENUM),
        ] {
            if let (Some(key), Some(value)) = (v8::String::new(scope, key), v8::String::new(scope, &value)) {
                error.define_own_property(scope, key.into(), value.into(), attributes);
            }
        }
    }
}

fn programs_own<'s>(
    scope: &mut v8::PinScope<'s, '_>,
) -> Option<(v8::Local<'s, v8::Object>, v8::Local<'s, v8::Function>)> {
    let global = scope.get_current_context().global(scope);
    let constructor = property(scope, global, "Error")?;
    let constructor = v8::Local::<v8::Object>::try_from(constructor).ok()?;
    let prepare = property(scope, constructor, "prepareStackTrace")?;
    Some((constructor, v8::Local::<v8::Function>::try_from(prepare).ok()?))
}

/// The stack of an error without frames: an error of Node's has its code beside its name.
fn with_code<'s>(scope: &mut v8::PinScope<'s, '_>, error: v8::Local<'s, v8::Value>) -> String {
    v8::tc_scope!(let scope, scope);
    let text = header(scope, error);
    let code = v8::Local::<v8::Object>::try_from(error).ok().and_then(|error| property(scope, error, "code"));
    let code = code.filter(|code| code.is_string()).map(|code| code.to_rust_string_lossy(scope));
    scope.reset();
    match (code.filter(|code| code.starts_with("ERR_")), text.split_once(": ")) {
        (Some(code), Some((name, message))) => format!("{name} [{code}]: {message}"),
        _ => text,
    }
}

fn formatted<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    sites: v8::Local<'s, v8::Array>,
) -> String {
    v8::tc_scope!(let scope, scope);
    let mut text = header(scope, error);
    for index in 0..sites.length() {
        let site = sites.get_index(scope, index).and_then(|site| site.to_string(scope));
        let Some(site) = site else { break };
        text.push_str("\n    at ");
        text.push_str(&frame(&site.to_rust_string_lossy(scope)));
    }
    scope.reset();
    text
}

/// As `Error.prototype.toString` has it.
fn header<'s>(scope: &mut v8::PinScope<'s, '_>, error: v8::Local<'s, v8::Value>) -> String {
    let Ok(error) = v8::Local::<v8::Object>::try_from(error) else { return String::new() };
    let mut text_of = |key: &str, otherwise: &str| {
        let value = property(scope, error, key).filter(|value| !value.is_undefined());
        let text = value.and_then(|value| value.to_string(scope));
        text.map_or_else(|| otherwise.to_owned(), |text| text.to_rust_string_lossy(scope))
    };
    let (name, message) = (text_of("name", "Error"), text_of("message", ""));
    match (name.is_empty(), message.is_empty()) {
        (_, true) => name,
        (true, false) => message,
        (false, false) => format!("{name}: {message}"),
    }
}

fn property<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    object: v8::Local<'s, v8::Object>,
    key: &str,
) -> Option<v8::Local<'s, v8::Value>> {
    let key = v8::String::new(scope, key)?;
    object.get(scope, key.into())
}

/// A frame, with the name of a script of the extensions as Node would have it.
fn frame(text: &str) -> Cow<'_, str> {
    let Some(at) = text.find("ext:").or_else(|| text.find("node:module:")) else { return text.into() };
    let rest = &text[at..];
    let end = rest[5..].find([':', ')', ' ']).map_or(rest.len(), |end| end + 5);
    format!("{}{}{}", &text[..at], shown(&rest[..end]), &rest[end..]).into()
}

/// The name of a script as Node would have it.
pub(crate) fn shown(name: &str) -> Cow<'_, str> {
    if name == "node:module" {
        return "node:internal/modules/cjs/loader".into();
    }
    let Some(rest) = name.strip_prefix("ext:") else { return name.into() };
    let known = match rest {
        "deno_node/_next_tick.ts" | "core/01_core.js" => "internal/process/task_queues",
        "core/02_timers.js" => "internal/timers",
        "warren/main.js" => "internal/modules/run_main",
        "warren/bootstrap.js" => "internal/process/promises",
        _ => "",
    };
    if !known.is_empty() {
        return format!("node:{known}").into();
    }
    let rest = rest.rsplit_once('.').map_or(rest, |(rest, _)| rest);
    match rest.strip_prefix("deno_node/") {
        Some(rest) if rest.starts_with('_') => format!("node:internal/{}", rest.trim_start_matches('_')).into(),
        Some(rest) => format!("node:{rest}").into(),
        None => format!("node:internal/{rest}").into(),
    }
}

/// The place an error came from, when its stack has been read and the engine has forgotten it: of a script of the program's.
pub(crate) fn place_of_first<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    error: v8::Local<'s, v8::Value>,
    read: impl FnOnce(&str) -> Option<String>,
    thrown: bool,
) -> Option<String> {
    let error = v8::Local::<v8::Object>::try_from(error).ok()?;
    let name = v8::String::new(scope, "deno_core::call_site_evals");
    let key = v8::Private::for_api(scope, name);
    let sites = v8::Local::<v8::Array>::try_from(error.get_private(scope, key)?).ok()?;
    let site = v8::Local::<v8::Object>::try_from(sites.get_index(scope, 0)?).ok()?;
    let mut asked = |method: &str| {
        let method = v8::Local::<v8::Function>::try_from(property(scope, site, method)?).ok()?;
        method
            .call(scope, site.into(), &[])
            .map(|value| (value.to_rust_string_lossy(scope), value.integer_value(scope)))
    };
    let (name, _) = asked("getScriptNameOrSourceURL")?;
    let number = usize::try_from(asked("getLineNumber")?.1?).ok()?;
    let column = usize::try_from(asked("getColumnNumber")?.1?).ok()?;
    if is_internal(&name) {
        return None;
    }
    let text = read(&name)?;
    let line = text.lines().nth(number.checked_sub(1)?)?;
    Some(marked(&name, number, line, column.checked_sub(1)?, column, thrown))
}

/// Whether a script is one of ours, or of the engine's.
pub fn is_internal(name: &str) -> bool {
    name.starts_with("ext:") || name.starts_with("node:")
}

/// The line a message is about and a mark under what of it, as Node prints them above an error: three lines. `thrown`: by a
/// statement, to which the mark then goes.
pub fn place<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    message: v8::Local<'s, v8::Message>,
    thrown: bool,
) -> Option<String> {
    let name = message.get_script_resource_name(scope).filter(|name| name.is_string())?;
    let name = name.to_rust_string_lossy(scope);
    let line = message.get_source_line(scope)?.to_rust_string_lossy(scope);
    let number = message.get_line_number(scope)?;
    let (start, end) = (message.get_start_column(), message.get_end_column());
    Some(marked(&name, number, &line, start, end, thrown))
}

fn marked(name: &str, number: usize, line: &str, mut start: usize, mut end: usize, thrown: bool) -> String {
    // A line may be a whole bundle.
    if line.len() > LINE_BYTES_MAX {
        return format!("{}:{number}", shown(name));
    }
    let before: String = line.chars().take(start).collect();
    if let Some(before) = before.trim_end().strip_suffix("throw").filter(|_| thrown) {
        start = before.chars().count();
        end = start + 1;
    }
    let mut mark: String = line.chars().take(start).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    mark.extend(std::iter::repeat_n('^', end.saturating_sub(start).max(1)));
    format!("{}:{number}\n{line}\n{mark}", shown(name))
}

/// The longest line that is shown.
const LINE_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_of_the_extensions_have_nodes_names() {
        assert_eq!(frame("f (ext:deno_node/internal/errors.ts:3:4)"), "f (node:internal/errors:3:4)");
        assert_eq!(frame("Module._load (node:module:1:2)"), "Module._load (node:internal/modules/cjs/loader:1:2)");
        assert_eq!(frame("ext:warren/main.js:1:2"), "node:internal/modules/run_main:1:2");
        assert_eq!(frame("async f (ext:deno_node/_fs/_fs_open.ts:1:2)"), "async f (node:internal/fs/_fs_open:1:2)");
        assert_eq!(frame("f (/home/agent/a.js:1:2)"), "f (/home/agent/a.js:1:2)");
    }
}
