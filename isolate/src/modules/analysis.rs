//! What is found out about a text by parsing it, once for each content: TypeScript's types, and what CommonJS exports.

use deno_core::serde_json::{self, Value, json};
use deno_core::url::Url;
use deno_error::JsErrorBox;
use warren_isolate_extensions::code::{Compiled, Kind, Text};
use warren_isolate_extensions::guest::Guest;
use warren_isolate_extensions::parse::{self, Types};

/// What a file of CommonJS exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exports {
    pub(super) exports: Vec<String>,
    /// Whose exports are its own too: specifiers.
    pub(super) reexports: Vec<String>,
}

/// TypeScript without its types, each token in its place.
pub(super) fn strip_types(compiled: &Compiled, guest: &Guest, url: &Url, text: String) -> Result<String, JsErrorBox> {
    let bytes = remembered(compiled, Kind::Stripped, &text, || {
        let guest = guest.clone();
        Ok(parse::without_types(url, &text, Types::Blanked, move || guest.must_stop())?.into_bytes())
    })?;
    String::from_utf8(bytes).map_err(|_| JsErrorBox::generic("what was kept of a text is damaged"))
}

/// What a file of CommonJS exports; `None` if it is a module. Of what cannot be parsed, nothing: whoever runs it says why.
pub(super) fn exports(compiled: &Compiled, guest: &Guest, url: &Url, text: &str) -> Option<Exports> {
    let bytes = remembered(compiled, Kind::Exports, text, || {
        let found = analyzed(guest, url, text).map(|found| json!([found.exports, found.reexports]));
        Ok(found.unwrap_or(Value::Null).to_string().into_bytes())
    });
    let kept: Value = serde_json::from_slice(&bytes.ok()?).ok()?;
    let list = |index: usize| {
        let words = kept.get(index).and_then(Value::as_array);
        words.into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    kept.is_array().then(|| Exports { exports: list(0), reexports: list(1) })
}

fn analyzed(guest: &Guest, url: &Url, text: &str) -> Option<Exports> {
    let nothing = Exports { exports: Vec::new(), reexports: Vec::new() };
    // A file of CommonJS that exports has one of these words, and so has a module.
    if !["export", "import", "require", "await"].iter().any(|word| text.contains(word)) {
        return Some(nothing);
    }
    let guest = guest.clone();
    let Ok(found) = parse::examine(url, text, false, move || guest.must_stop()) else { return Some(nothing) };
    (!found.is_module).then_some(Exports { exports: found.exports, reexports: found.reexports })
}

/// What was made of a text, now or by whoever had it before.
fn remembered(
    compiled: &Compiled,
    kind: Kind,
    text: &str,
    make: impl FnOnce() -> Result<Vec<u8>, JsErrorBox>,
) -> Result<Vec<u8>, JsErrorBox> {
    let Some(store) = compiled.store() else { return make() };
    let key = store.key(kind, Text::Utf8(text));
    if let Some(entry) = store.find(&key) {
        return Ok(entry.bytes.to_vec());
    }
    let made = make()?;
    store.keep(&key, &made);
    Ok(made)
}
